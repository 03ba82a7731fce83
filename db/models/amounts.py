"""What was agreed afterwards: that a payment costs something else than was asked for at first."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String
from sqlalchemy.orm import Mapped, composite, mapped_column

from db.models.base import Base, row_id
from db.money import Money


class AmountChange(Base):
    """A change of what a payment costs, which never alters its own amount. Rows are only ever added.

    ``replaced``: it is cancelled, and ``other_id`` asks for ``amount`` in its place. ``asked``: ``other_id``
    asks for ``amount`` more. ``credited``: so much of it is owed back; below nothing, after all not.
    ``agreed``: another choice of the same sum. ``choice`` is what it is for since then, of the event's
    prices; empty: an amount was said.
    """

    __tablename__ = "amount_changes"
    id: Mapped[int] = row_id()
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    other_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"), unique=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    choice: Mapped[dict[str, Any]]
    why: Mapped[str]
    by: Mapped[str]
    at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("kind IN ('replaced', 'asked', 'credited', 'agreed')", name="kind"),
        CheckConstraint("(kind IN ('replaced', 'asked')) = (other_id IS NOT NULL)", name="other"),
        CheckConstraint("kind = 'credited' OR amount_minor >= 0", name="amount"),
    )
