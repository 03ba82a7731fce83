"""Refunds that are to be made by EFT, the runs they go to the bank in, and what came back."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, Text, text
from sqlalchemy.orm import Mapped, composite, mapped_column

from db.models.base import Base, row_id
from db.money import LARGEST_MINOR, Money

_STANDS = text("undone_at IS NULL")


class PayeeDetails(Base):
    """Where a payer's money is to go back to, encrypted. ``masked`` is all that is shown. Only ever added."""

    __tablename__ = "payee_details"
    id: Mapped[int] = row_id()
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    masked: Mapped[str]
    sealed: Mapped[bytes] = mapped_column(deferred=True)
    at: Mapped[datetime]
    by: Mapped[str]


class RefundOrder(Base):
    """A refund that two people want made. ``run_id`` is the run it is in, or was sent with."""

    __tablename__ = "refund_orders"
    id: Mapped[int] = row_id()
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    approval_id: Mapped[int] = mapped_column(ForeignKey("approvals.id"), unique=True)
    details_id: Mapped[int] = mapped_column(ForeignKey("payee_details.id"))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    bank_reference: Mapped[str] = mapped_column(String(20))  # what the bank writes on both statements
    state: Mapped[str] = mapped_column(String(9))
    run_id: Mapped[int | None] = mapped_column(ForeignKey("refund_runs.id"), index=True)
    refund_id: Mapped[int | None] = mapped_column(ForeignKey("refunds.id"), unique=True)
    match_id: Mapped[int | None] = mapped_column(ForeignKey("matches.id"), index=True)
    why: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    by: Mapped[str]
    __table_args__ = (
        CheckConstraint(
            "state IN ('ready', 'in_run', 'sent', 'paid', 'returned', 'withdrawn')", name="state"
        ),
        CheckConstraint("(state IN ('ready', 'withdrawn')) = (run_id IS NULL)", name="run"),
        CheckConstraint("state NOT IN ('paid', 'returned') OR refund_id IS NOT NULL", name="refund"),
        CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name="amount"),
        Index("ix_refund_orders_state", "state"),
    )


class RefundRun(Base):
    """Orders that go to the bank as one file."""

    __tablename__ = "refund_runs"
    id: Mapped[int] = row_id()
    account_id: Mapped[int] = mapped_column(ForeignKey("bank_accounts.id"))
    pay_on: Mapped[date]
    state: Mapped[str] = mapped_column(String(6))
    orders: Mapped[int] = mapped_column(Integer)
    sum_minor: Mapped[int] = mapped_column(BigInteger)
    sum_currency: Mapped[str] = mapped_column(String(3))
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    ended_at: Mapped[datetime | None]  # sent, or called back
    ended_by: Mapped[str | None]
    ended_why: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("state IN ('made', 'sent', 'called')", name="state"),
        CheckConstraint("(state = 'made') = (ended_at IS NULL)", name="ended"),
    )


class RefundReturn(Base):
    """A refund that was not made after all: the bank sent it back, or its line was another's."""

    __tablename__ = "refund_returns"
    id: Mapped[int] = row_id()
    refund_id: Mapped[int] = mapped_column(ForeignKey("refunds.id"), index=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    why: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    by: Mapped[str]
    undone_at: Mapped[datetime | None]
    __table_args__ = (
        Index(
            "uq_refund_returns_standing", "refund_id", unique=True,
            sqlite_where=_STANDS, postgresql_where=_STANDS,
        ),
        CheckConstraint("amount_minor > 0", name="amount"),
    )  # fmt: skip


class BatchLayout(Base):
    """How the bank of an account wants its file of payments: columns with headings, in order."""

    __tablename__ = "batch_layouts"
    account_id: Mapped[int] = mapped_column(ForeignKey("bank_accounts.id"), primary_key=True)
    layout: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]
    made_by: Mapped[str]
