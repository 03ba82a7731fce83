"""What the gateway pays out: its files, each payout, what is in it, and the rates it may charge."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from db.models.base import Base, row_id

_STANDS = text("undone_at IS NULL")
_SETTLED = text("state = 'stands' AND receipt_id IS NOT NULL")
_TAKEN_OFF = text("state = 'stands' AND refund_id IS NOT NULL")
_UNTIED = text("state = 'stands' AND refund_id IS NULL AND kind IN ('refund', 'chargeback')")


class FeeRates(Base):
    """What the gateway may charge from a day on: basis points by method, cents without VAT."""

    __tablename__ = "fee_rates"
    id: Mapped[int] = row_id()
    valid_from: Mapped[date] = mapped_column(Date, unique=True)
    rate_bp: Mapped[dict[str, Any]]
    vat_bp: Mapped[int] = mapped_column(Integer)
    least_fee_minor: Mapped[int] = mapped_column(BigInteger)
    payout_fee_minor: Mapped[int] = mapped_column(BigInteger)
    least_payout_minor: Mapped[int] = mapped_column(BigInteger)
    made_at: Mapped[datetime]
    made_by: Mapped[str]


class PayoutMapping(Base):
    """What the columns of the gateway's files mean, as somebody said once; the newest is tried first."""

    __tablename__ = "payout_mappings"
    id: Mapped[int] = row_id()
    name: Mapped[str] = mapped_column(String(80), unique=True)
    mapping: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]
    made_by: Mapped[str]


class PayoutFile(Base):
    """A file of the gateway, or a text pasted from its pages. ``rows`` = its lines + ``named``, always."""

    __tablename__ = "payout_files"
    id: Mapped[int] = row_id()
    kind: Mapped[str] = mapped_column(String(10))
    name: Mapped[str] = mapped_column(String(120))
    sha256: Mapped[str] = mapped_column(String(64))
    data: Mapped[bytes] = mapped_column(deferred=True)
    mapping: Mapped[dict[str, Any] | None]
    rows: Mapped[int] = mapped_column(Integer)
    named: Mapped[dict[str, Any]]
    imported_at: Mapped[datetime]
    imported_by: Mapped[str]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]
    undone_why: Mapped[str | None]
    __table_args__ = (
        Index(
            "uq_payout_files_standing", "sha256", unique=True, sqlite_where=_STANDS, postgresql_where=_STANDS
        ),
        CheckConstraint("kind IN ('settlement', 'rollup')", name="kind"),
    )


class Payout(Base):
    """One transfer of many payments, less fees, to our bank. Its sums always make its net, to the cent.

    ``explained``: by a file, by itself, by a person, or "" while nobody knows which captures are in it.
    ``less_minor`` is what was taken off besides fees, ``difference_minor`` what nothing explains.
    """

    __tablename__ = "payouts"
    id: Mapped[int] = row_id()
    key: Mapped[str] = mapped_column(String(80))
    source: Mapped[str] = mapped_column(String(10))
    file_id: Mapped[int | None] = mapped_column(ForeignKey("payout_files.id"), index=True)
    first_on: Mapped[date | None] = mapped_column(Date)
    last_on: Mapped[date | None] = mapped_column(Date, index=True)
    paid_on: Mapped[date | None] = mapped_column(Date)
    currency: Mapped[str] = mapped_column(String(3))
    gross_minor: Mapped[int] = mapped_column(BigInteger)
    fee_minor: Mapped[int] = mapped_column(BigInteger)
    vat_minor: Mapped[int] = mapped_column(BigInteger)
    payout_fee_minor: Mapped[int] = mapped_column(BigInteger)
    less_minor: Mapped[int] = mapped_column(BigInteger)
    difference_minor: Mapped[int] = mapped_column(BigInteger)
    net_minor: Mapped[int] = mapped_column(BigInteger)
    payout_fee_told: Mapped[bool] = mapped_column(Boolean)
    explained: Mapped[str] = mapped_column(String(6), default="")
    explanation: Mapped[dict[str, Any] | None]
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]
    undone_why: Mapped[str | None]
    lines: Mapped[list["PayoutLine"]] = relationship(order_by="PayoutLine.id")
    __table_args__ = (
        Index("uq_payouts_standing", "key", unique=True, sqlite_where=_STANDS, postgresql_where=_STANDS),
        CheckConstraint("source IN ('settlement', 'rollup', 'bank')", name="source"),
        CheckConstraint("explained IN ('', 'file', 'auto', 'person')", name="explained"),
        CheckConstraint(
            "gross_minor - fee_minor - vat_minor - payout_fee_minor - less_minor + difference_minor"
            " = net_minor",
            name="adds_up",
        ),
    )


class PayoutLine(Base):
    """What is in a payout: a row of a file, or a capture that an explanation found in it.

    ``waits`` and ``aside``: a row that could not be read, before and after a person looked. A capture that
    stands settles its receipt; no receipt is settled twice, and no refund taken off twice.
    """

    __tablename__ = "payout_lines"
    id: Mapped[int] = row_id()
    file_id: Mapped[int | None] = mapped_column(ForeignKey("payout_files.id"), index=True)
    payout_id: Mapped[int | None] = mapped_column(ForeignKey("payouts.id"), index=True)
    row: Mapped[int] = mapped_column(Integer)
    kind: Mapped[str] = mapped_column(String(10))
    on: Mapped[date | None] = mapped_column(Date)
    reference: Mapped[str] = mapped_column(Text, default="")
    method: Mapped[str] = mapped_column(String(20), default="")
    gross_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    fee_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    vat_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    raw: Mapped[str] = mapped_column(Text, default="")
    reason: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[str] = mapped_column(String(6))
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"), index=True)
    receipt_id: Mapped[int | None] = mapped_column(ForeignKey("receipts.id"), index=True)
    refund_id: Mapped[int | None] = mapped_column(ForeignKey("refunds.id"))
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    decided_why: Mapped[str | None]
    made_at: Mapped[datetime | None]  # not known of those from before this was kept
    undone_at: Mapped[datetime | None]
    __table_args__ = (
        Index(
            "uq_payout_lines_settled", "receipt_id", unique=True, sqlite_where=_SETTLED,
            postgresql_where=_SETTLED,
        ),
        Index(
            "uq_payout_lines_taken_off", "refund_id", unique=True, sqlite_where=_TAKEN_OFF,
            postgresql_where=_TAKEN_OFF,
        ),
        Index("ix_payout_lines_untied", "id", sqlite_where=_UNTIED, postgresql_where=_UNTIED),
        CheckConstraint(
            "kind IN ('capture', 'refund', 'chargeback', 'deduction', 'payout_fee', 'rollup', 'unread')",
            name="kind",
        ),
        CheckConstraint("state IN ('stands', 'waits', 'aside', 'undone')", name="state"),
        CheckConstraint(
            "(state IN ('waits', 'aside')) = (kind = 'unread') OR state = 'undone'", name="waits"
        ),
    )  # fmt: skip
