"""Events and what they cost."""

from datetime import date, datetime

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Integer,
    String,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from db.models.base import Base, row_id
from db.money import LARGEST_MINOR


class Event(Base):
    __tablename__ = "events"
    id: Mapped[int] = row_id()
    code: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    state: Mapped[str] = mapped_column(String(12))
    currency: Mapped[str] = mapped_column(String(3))
    reference_prefix: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime]
    categories: Mapped[list["Category"]] = relationship(back_populates="event", order_by="Category.position")
    __table_args__ = (
        CheckConstraint("state IN ('draft', 'open', 'closed')", name="state"),
        CheckConstraint("ends_on >= starts_on", name="days"),
    )


class Category(Base):
    """One line of an event's price list."""

    __tablename__ = "categories"
    id: Mapped[int] = row_id()
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), index=True)
    name: Mapped[str]
    price_minor: Mapped[int] = mapped_column(BigInteger)
    position: Mapped[int] = mapped_column(Integer)
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    event: Mapped[Event] = relationship(back_populates="categories")
    __table_args__ = (
        UniqueConstraint("event_id", "name"),
        CheckConstraint(f"price_minor BETWEEN 0 AND {LARGEST_MINOR}", name="price"),
    )


class EventTerms(Base):
    """How an event deals with its payers; one without a row has the usual terms."""

    __tablename__ = "event_terms"
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), primary_key=True)
    expire_days: Mapped[int | None] = mapped_column(Integer)  # after its last day; None: never by itself
    language: Mapped[str] = mapped_column(String(2))
    changed_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("expire_days BETWEEN 0 AND 365", name="expire_days"),
        CheckConstraint("language IN ('en', 'af', 'zu', 'xh')", name="language"),
    )
