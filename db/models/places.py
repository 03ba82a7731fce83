"""Places: the several people one payment is for."""

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Integer, String
from sqlalchemy.orm import Mapped, composite, mapped_column

from db.models.base import Base
from db.money import LARGEST_MINOR, Money
from db.types import RowId


class Place(Base):
    """One of the people a payment is for; ``number`` counts from 1. Together they are its amount."""

    __tablename__ = "places"
    payment_id: Mapped[int] = mapped_column(RowId, ForeignKey("payments.id"), primary_key=True)
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    name: Mapped[str]
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    __table_args__ = (
        CheckConstraint("number >= 1", name="number"),
        CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name="amount"),
    )
