"""What payers contest at their bank, and what became of it."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, Text
from sqlalchemy.orm import Mapped, composite, mapped_column

from db.models.base import Base, row_id
from db.money import LARGEST_MINOR, Money


class Dispute(Base):
    """Money of a payment that its payer wants back through their bank. It moves none: what was lost is a
    refund like any other, ``refund_id``, that two people wrote down."""

    __tablename__ = "disputes"
    id: Mapped[int] = row_id()
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    why: Mapped[str] = mapped_column(String(20))
    case_reference: Mapped[str] = mapped_column(String(60), unique=True)
    opened_on: Mapped[date]
    answer_by: Mapped[date]
    state: Mapped[str] = mapped_column(String(8))
    sent_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]
    ended_why: Mapped[str | None] = mapped_column(Text)
    refund_id: Mapped[int | None] = mapped_column(ForeignKey("refunds.id"), unique=True)
    at: Mapped[datetime]
    by: Mapped[str]
    __table_args__ = (
        CheckConstraint("state IN ('open', 'sent', 'won', 'lost', 'accepted')", name="state"),
        CheckConstraint("(state IN ('open', 'sent')) = (ended_at IS NULL)", name="ended"),
        CheckConstraint("refund_id IS NULL OR state IN ('lost', 'accepted')", name="refund"),
        CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name="amount"),
        Index("ix_disputes_state", "state"),
    )
