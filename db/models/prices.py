"""Prices beside a category's own: periods with a last day and seats, extras, discount codes; and what each
payment was priced as."""

from datetime import date

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Integer,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, row_id
from db.money import LARGEST_MINOR
from db.types import RowId


class PricePeriod(Base):
    """A price of a category until a day, for so many seats; the first that still holds is the one."""

    __tablename__ = "price_periods"
    id: Mapped[int] = row_id()
    category_id: Mapped[int] = mapped_column(ForeignKey("categories.id"))
    name: Mapped[str]
    price_minor: Mapped[int] = mapped_column(BigInteger)
    until: Mapped[date | None] = mapped_column(Date)  # its last day, in South Africa
    seats: Mapped[int | None] = mapped_column(Integer)
    position: Mapped[int] = mapped_column(Integer)
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    __table_args__ = (
        UniqueConstraint("category_id", "name"),
        CheckConstraint(f"price_minor BETWEEN 1 AND {LARGEST_MINOR}", name="price"),
        CheckConstraint("seats >= 1", name="seats"),
        CheckConstraint("until IS NOT NULL OR seats IS NOT NULL", name="ends"),
    )


class Extra(Base):
    """What can be had with any category: a workshop, the banquet, one more paper."""

    __tablename__ = "extras"
    id: Mapped[int] = row_id()
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"))
    name: Mapped[str]
    price_minor: Mapped[int] = mapped_column(BigInteger)
    seats: Mapped[int | None] = mapped_column(Integer)
    position: Mapped[int] = mapped_column(Integer)
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    __table_args__ = (
        UniqueConstraint("event_id", "name"),
        CheckConstraint(f"price_minor BETWEEN 0 AND {LARGEST_MINOR}", name="price"),
        CheckConstraint("seats >= 1", name="seats"),
    )


class DiscountCode(Base):
    """A word that takes something off: hundredths of a percent, or an amount. Its days are South Africa's."""

    __tablename__ = "discount_codes"
    id: Mapped[int] = row_id()
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"))
    code: Mapped[str] = mapped_column(String(40))
    percent_bp: Mapped[int] = mapped_column(Integer)
    off_minor: Mapped[int] = mapped_column(BigInteger)
    since: Mapped[date | None] = mapped_column(Date)
    until: Mapped[date | None] = mapped_column(Date)
    most: Mapped[int | None] = mapped_column(Integer)  # so many payments may use it
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    __table_args__ = (
        UniqueConstraint("event_id", "code"),
        CheckConstraint(
            "percent_bp BETWEEN 0 AND 9999 AND off_minor >= 0 AND (percent_bp > 0) <> (off_minor > 0)",
            name="off",
        ),
        CheckConstraint("most >= 1", name="most"),
        CheckConstraint("until >= since", name="days"),
    )


class PaymentLine(Base):
    """What a payment was priced as: together its lines are its amount. Only ever added.

    ``seats_left`` is how many its period or extra had before this was taken; None: any number.
    """

    __tablename__ = "payment_lines"
    payment_id: Mapped[int] = mapped_column(RowId, ForeignKey("payments.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    what: Mapped[str]
    unit_minor: Mapped[int] = mapped_column(BigInteger)
    quantity: Mapped[int] = mapped_column(Integer)
    discount_minor: Mapped[int] = mapped_column(BigInteger)
    seats_left: Mapped[int | None] = mapped_column(Integer)
    code: Mapped[str] = mapped_column(String(40))
    period_id: Mapped[int | None] = mapped_column(ForeignKey("price_periods.id"), index=True)
    extra_id: Mapped[int | None] = mapped_column(ForeignKey("extras.id"), index=True)
    code_id: Mapped[int | None] = mapped_column(ForeignKey("discount_codes.id"), index=True)
    __table_args__ = (
        CheckConstraint(
            "unit_minor >= 0 AND quantity >= 1 AND discount_minor BETWEEN 0 AND unit_minor * quantity",
            name="line",
        ),
        CheckConstraint("number >= 1", name="number"),
    )
