"""What payers say they paid, the proofs they show, what was given back, and the accounts they pay into."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, composite, mapped_column, relationship

from db.models.bank import BankAccount
from db.models.base import Base, row_id
from db.models.payments import Payment
from db.money import LARGEST_MINOR, Money

_ACTIVE = text("active")


class EventAccount(Base):
    """Which account of ours the payers of an event pay into. One is active at a time; the others stay."""

    __tablename__ = "event_accounts"
    id: Mapped[int] = row_id()
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), index=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("bank_accounts.id"))
    kind: Mapped[str] = mapped_column(String(8))
    active: Mapped[bool] = mapped_column(Boolean)
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    account: Mapped[BankAccount] = relationship()
    __table_args__ = (
        CheckConstraint("kind IN ('cheque', 'savings')", name="kind"),
        Index(
            "uq_event_accounts_active",
            "event_id",
            unique=True,
            sqlite_where=_ACTIVE,
            postgresql_where=_ACTIVE,
        ),
    )


class Claim(Base):
    """A payer's word that so much was sent on that day. It moves no money. Only ever added."""

    __tablename__ = "claims"
    id: Mapped[int] = row_id()
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    key: Mapped[str] = mapped_column(String(43), unique=True)  # the form's own: sent twice it is one claim
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    paid_on: Mapped[date]
    bank_reference: Mapped[str] = mapped_column(String(60))
    folded_reference: Mapped[str] = mapped_column(String(60), index=True)  # letters and digits, to compare
    at: Mapped[datetime]
    by: Mapped[str]
    payment: Mapped[Payment] = relationship()
    __table_args__ = (CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name="amount"),)


class ClaimDrop(Base):
    """A claim that nobody believes any more, with who said so and why. Only ever added."""

    __tablename__ = "claim_drops"
    id: Mapped[int] = row_id()
    claim_id: Mapped[int] = mapped_column(ForeignKey("claims.id"), unique=True)
    why: Mapped[str]
    at: Mapped[datetime]
    by: Mapped[str]


class Proof(Base):
    """A picture or PDF that is to prove something about a payment, encrypted."""

    __tablename__ = "proofs"
    id: Mapped[int] = row_id()
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    claim_id: Mapped[int | None] = mapped_column(ForeignKey("claims.id"), index=True)
    kind: Mapped[str] = mapped_column(String(4))
    sha256: Mapped[str] = mapped_column(String(64), index=True)  # of the bytes as they came
    pixels_sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    look: Mapped[str | None] = mapped_column(String(64))  # what a picture looks like, however it is packed
    size_bytes: Mapped[int] = mapped_column(Integer)
    findings: Mapped[list[Any]] = mapped_column(JSON().with_variant(JSONB, "postgresql"))
    sealed: Mapped[bytes] = mapped_column(deferred=True)
    at: Mapped[datetime]
    by: Mapped[str]
    __table_args__ = (
        CheckConstraint("kind IN ('jpeg', 'pdf')", name="kind"),
        CheckConstraint("(kind = 'jpeg') = (pixels_sha256 IS NOT NULL)", name="pixels"),
    )


class Refund(Base):
    """Money that was given back, as two people say. Only ever added."""

    __tablename__ = "refunds"
    id: Mapped[int] = row_id()
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    approval_id: Mapped[int] = mapped_column(ForeignKey("approvals.id"), unique=True)
    proof_id: Mapped[int | None] = mapped_column(ForeignKey("proofs.id"))
    method: Mapped[str] = mapped_column(String(12))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    refunded_on: Mapped[date]
    done_by: Mapped[str]
    source_reference: Mapped[str] = mapped_column(String(64))
    why: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    by: Mapped[str]
    __table_args__ = (
        CheckConstraint("method IN ('gateway', 'card_slip', 'eft')", name="method"),
        CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name="amount"),
    )
