"""The bank: our accounts, the files that tell of them, their lines, and what each line is for."""

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
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, composite, mapped_column, relationship

from db.models.base import Base, partial_index, row_id
from db.models.payments import Payment, Receipt
from db.money import LARGEST_MINOR, Money


def _one_standing(name: str, *columns: str, while_: str) -> Index:
    """At most one row that still stands; what was undone stays beside it."""
    still = text(while_)
    return Index(name, *columns, unique=True, sqlite_where=still, postgresql_where=still)


class BankAccount(Base):
    """An account of ours at a bank. ``number`` holds digits only, "" while nobody has said it."""

    __tablename__ = "bank_accounts"
    id: Mapped[int] = row_id()
    name: Mapped[str] = mapped_column(String(80), unique=True)
    bank: Mapped[str] = mapped_column(String(60), default="")
    number: Mapped[str] = mapped_column(String(34), default="")
    branch_code: Mapped[str] = mapped_column(String(12), default="")
    holder: Mapped[str] = mapped_column(String(80), default="")
    currency: Mapped[str] = mapped_column(String(3))
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    retired_at: Mapped[datetime | None]


class StatementMapping(Base):
    """What the columns of an account's files mean, where no layout knows them; the newest is tried first."""

    __tablename__ = "statement_mappings"
    id: Mapped[int] = row_id()
    account_id: Mapped[int] = mapped_column(ForeignKey("bank_accounts.id"), index=True)
    name: Mapped[str] = mapped_column(String(80))
    mapping: Mapped[dict[str, Any]]
    made_at: Mapped[datetime]
    made_by: Mapped[str]
    __table_args__ = (UniqueConstraint("account_id", "name"),)


class StatementFile(Base):
    """A file as it came, with its bytes. ``named``: its rows that are no movements, each with what it is.

    ``rows`` = its sightings + its quarantined rows + ``named``, always.
    """

    __tablename__ = "statement_files"
    id: Mapped[int] = row_id()
    account_id: Mapped[int] = mapped_column(ForeignKey("bank_accounts.id"))
    name: Mapped[str] = mapped_column(String(120))
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    data: Mapped[bytes] = mapped_column(deferred=True)
    layout: Mapped[str] = mapped_column(String(100))
    mapping: Mapped[dict[str, Any] | None]
    date_order: Mapped[str] = mapped_column(String(3), default="")
    currency: Mapped[str] = mapped_column(String(3))
    opening_minor: Mapped[int | None] = mapped_column(BigInteger)
    closing_minor: Mapped[int | None] = mapped_column(BigInteger)
    first_on: Mapped[date | None] = mapped_column(Date)
    last_on: Mapped[date | None] = mapped_column(Date)
    rows: Mapped[int] = mapped_column(Integer)
    new_lines: Mapped[int] = mapped_column(Integer)
    named: Mapped[dict[str, Any]]
    imported_at: Mapped[datetime]
    imported_by: Mapped[str]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]
    undone_why: Mapped[str | None]
    account: Mapped[BankAccount] = relationship()
    __table_args__ = (
        _one_standing("uq_statement_files_standing", "account_id", "sha256", while_="undone_at IS NULL"),
        CheckConstraint("rows >= 0 AND new_lines >= 0", name="rows"),
    )


class StatementLine(Base):
    """One movement on an account, however many files tell of it; two true identical lines have two ordinals.

    ``gone``: no file that stands tells of it any more. ``by_hand``: a person undid or refused something here,
    so nothing is accepted for it by itself again. ``booked_on``: the day our books count it on, where its own
    was signed off before it came.
    """

    __tablename__ = "statement_lines"
    id: Mapped[int] = row_id()
    account_id: Mapped[int] = mapped_column(ForeignKey("bank_accounts.id"))
    key: Mapped[str] = mapped_column(String(32))  # of date, amount, description and reference
    ordinal: Mapped[int] = mapped_column(Integer)
    on: Mapped[date] = mapped_column(Date)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    fee_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    balance_minor: Mapped[int | None] = mapped_column(BigInteger)
    description: Mapped[str] = mapped_column(Text, default="")
    reference: Mapped[str] = mapped_column(Text, default="")
    state: Mapped[str] = mapped_column(String(7))
    by_hand: Mapped[bool] = mapped_column(Boolean, default=False)
    booked_on: Mapped[date | None] = mapped_column(Date)
    account: Mapped[BankAccount] = relationship()
    __table_args__ = (
        UniqueConstraint("account_id", "key", "ordinal"),
        partial_index("ix_statement_lines_booked", "booked_on", "booked_on IS NOT NULL"),
        CheckConstraint("state IN ('open', 'matched', 'gone')", name="state"),
        CheckConstraint("ordinal >= 1", name="ordinal"),
        Index(None, "account_id", "on", "id"),
        Index(None, "state", "on", "id"),
    )

    @property
    def told(self) -> str:
        return f"{self.description} {self.reference}".strip()

    @property
    def about(self) -> str:
        """Which line it is, in a sentence."""
        return f"{self.on:%-d %b %Y}, {self.amount}, “{self.told}”"


class LineSighting(Base):
    """Where a line stood: in which row of which file. A line stands once in a file."""

    __tablename__ = "line_sightings"
    file_id: Mapped[int] = mapped_column(ForeignKey("statement_files.id"), primary_key=True)
    line_id: Mapped[int] = mapped_column(ForeignKey("statement_lines.id"), primary_key=True, index=True)
    row: Mapped[int] = mapped_column(Integer)


class QuarantinedRow(Base):
    """A row that could not be read, as it stood; it waits until a person repairs it or sets it aside."""

    __tablename__ = "quarantined_rows"
    id: Mapped[int] = row_id()
    file_id: Mapped[int] = mapped_column(ForeignKey("statement_files.id"), index=True)
    row: Mapped[int] = mapped_column(Integer)
    reason: Mapped[str]
    raw: Mapped[str]
    on: Mapped[date | None] = mapped_column(Date)
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    state: Mapped[str] = mapped_column(String(8))
    line_id: Mapped[int | None] = mapped_column(ForeignKey("statement_lines.id"), index=True)
    decided_at: Mapped[datetime | None]
    decided_by: Mapped[str | None]
    decided_why: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("state IN ('waits', 'repaired', 'aside')", name="state"),
        CheckConstraint("(state = 'repaired') = (line_id IS NOT NULL)", name="repaired"),
    )


class Match(Base):
    """What a line is for, decided by a person or by a rule. One that is undone stays, beside what came after.

    ``evidence`` is a snapshot: what spoke for and against it, and what else it might have been.
    ``booked_on``: the day our books count it on, where its line's was signed off before it was decided.
    """

    __tablename__ = "matches"
    id: Mapped[int] = row_id()
    line_id: Mapped[int] = mapped_column(ForeignKey("statement_lines.id"), index=True)
    how: Mapped[str] = mapped_column(String(6))
    way: Mapped[str] = mapped_column(String(24))
    rule: Mapped[str] = mapped_column(String(80), default="")
    by: Mapped[str]
    why: Mapped[str] = mapped_column(Text, default="")
    evidence: Mapped[dict[str, Any]]
    at: Mapped[datetime]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]
    undone_why: Mapped[str | None]
    booked_on: Mapped[date | None] = mapped_column(Date)
    line: Mapped[StatementLine] = relationship()
    parts: Mapped[list["MatchPart"]] = relationship(
        back_populates="match", order_by="MatchPart.id", foreign_keys="MatchPart.match_id"
    )
    __table_args__ = (
        _one_standing("uq_matches_standing", "line_id", while_="undone_at IS NULL"),
        partial_index("ix_matches_booked", "booked_on", "booked_on IS NOT NULL"),
        CheckConstraint("how IN ('auto', 'person')", name="how"),
        CheckConstraint("(undone_at IS NULL) = (undone_by IS NULL)", name="undone"),
    )


class MatchPart(Base):
    """A part of a line's amount and what it is for. The parts of a match add up to its line, to the cent.

    ``receipt_id`` is the money it brought to a payment; ``written_off_minor`` what that payment was let off.
    """

    __tablename__ = "match_parts"
    id: Mapped[int] = row_id()
    match_id: Mapped[int] = mapped_column(ForeignKey("matches.id"), index=True)
    target: Mapped[str] = mapped_column(String(8))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"), index=True)
    receipt_id: Mapped[int | None] = mapped_column(ForeignKey("receipts.id"), index=True)
    written_off_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    bag_id: Mapped[int | None] = mapped_column(ForeignKey("cash_moves.id"), index=True)
    other_line_id: Mapped[int | None] = mapped_column(ForeignKey("statement_lines.id"), index=True)
    payout_id: Mapped[int | None] = mapped_column(ForeignKey("payouts.id"), index=True)
    card_batch_id: Mapped[int | None] = mapped_column(ForeignKey("card_batches.id"), index=True)
    match: Mapped[Match] = relationship(back_populates="parts", foreign_keys=[match_id])
    payment: Mapped[Payment | None] = relationship()
    receipt: Mapped[Receipt | None] = relationship()
    __table_args__ = (
        CheckConstraint(
            "target IN ('payment', 'bag', 'card', 'line', 'surplus', 'aside', 'payout')", name="target"
        ),
        CheckConstraint("target <> 'payment' OR receipt_id IS NOT NULL", name="receipt"),
        CheckConstraint("(target = 'bag') = (bag_id IS NOT NULL)", name="bag"),
        CheckConstraint("(target = 'card') = (card_batch_id IS NOT NULL)", name="card"),
        CheckConstraint("(target = 'line') = (other_line_id IS NOT NULL)", name="line"),
        CheckConstraint("(target = 'payout') = (payout_id IS NOT NULL)", name="payout"),
        CheckConstraint(
            "written_off_minor >= 0 AND (written_off_minor = 0 OR target = 'payment')", name="written_off"
        ),
    )


class SurplusMove(Base):
    """Surplus of a line that pays another payment of its payer; ``receipt_id`` is the money it brought.

    ``booked_on`` as of a match: the day our books count it on, where its line's was signed off before.
    """

    __tablename__ = "surplus_moves"
    id: Mapped[int] = row_id()
    part_id: Mapped[int] = mapped_column(ForeignKey("match_parts.id"), index=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipts.id"), unique=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    booked_on: Mapped[date | None] = mapped_column(Date)
    why: Mapped[str] = mapped_column(Text)
    at: Mapped[datetime]
    by: Mapped[str]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]
    undone_why: Mapped[str | None]
    part: Mapped[MatchPart] = relationship()
    payment: Mapped[Payment] = relationship()
    receipt: Mapped[Receipt] = relationship()
    __table_args__ = (
        partial_index("ix_surplus_moves_booked", "booked_on", "booked_on IS NOT NULL"),
        CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name="amount"),
        CheckConstraint("(undone_at IS NULL) = (undone_by IS NULL)", name="undone"),
    )


class MatchRefusal(Base):
    """A payment that a person said a line is not for. Only ever added."""

    __tablename__ = "match_refusals"
    id: Mapped[int] = row_id()
    line_id: Mapped[int] = mapped_column(ForeignKey("statement_lines.id"))
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    why: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime]
    by: Mapped[str]
    __table_args__ = (UniqueConstraint("line_id", "payment_id"),)


class MemoryDrop(Base):
    """From then on nobody is remembered any more to pay for this payment's person as this line's payer, until
    a match says so anew. Only ever added."""

    __tablename__ = "memory_drops"
    id: Mapped[int] = row_id()
    line_id: Mapped[int] = mapped_column(ForeignKey("statement_lines.id"))
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    at: Mapped[datetime]
    by: Mapped[str]


class MemoryEdit(Base):
    """What a person said instead of what was dropped: that line's payer pays for this payment's person. Taken
    back, both are as before."""

    __tablename__ = "memory_edits"
    id: Mapped[int] = row_id()
    drop_id: Mapped[int] = mapped_column(ForeignKey("memory_drops.id"), unique=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    at: Mapped[datetime]
    by: Mapped[str]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]


class LineException(Base):
    """A line that waits for a person: why, since when, whose it is, and what it is suggested to be for.

    With ``part_id`` the line is matched, and only what it brought too much waits: that part.
    """

    __tablename__ = "exceptions"
    id: Mapped[int] = row_id()
    line_id: Mapped[int] = mapped_column(ForeignKey("statement_lines.id"), index=True)
    reason: Mapped[str] = mapped_column(String(16))
    suggestion: Mapped[dict[str, Any]]
    opened_at: Mapped[datetime]
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    due_on: Mapped[date | None] = mapped_column(Date)
    note: Mapped[str] = mapped_column(Text, default="")
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    part_id: Mapped[int | None] = mapped_column(ForeignKey("match_parts.id"), index=True)
    line: Mapped[StatementLine] = relationship()
    __table_args__ = (
        _one_standing("uq_exceptions_open", "line_id", while_="closed_at IS NULL"),
        CheckConstraint("(closed_at IS NULL) = (closed_by IS NULL)", name="closed"),
    )
