"""The door: tills, the shifts at them, their numbered rolls, and the counts that close them."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
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

from db.models.base import Base, row_id
from db.models.events import Event
from db.models.payments import Payment, Receipt
from db.money import LARGEST_MINOR, Money
from db.types import UtcDateTime


def _one_at_a_time(name: str, column: str) -> Index:
    """At most one open shift for each till, and for each person."""
    still = text("closed_at IS NULL")
    return Index(name, column, unique=True, sqlite_where=still, postgresql_where=still)


def _shown(column: str) -> Index:
    """What a slip shows; cash has none."""
    there = text(f"{column} <> ''")
    return Index(f"ix_till_entries_{column}", column, sqlite_where=there, postgresql_where=there)


class Reversal(Base):
    """A receipt that was written down by mistake, or that the bank took back. The receipt itself stays."""

    __tablename__ = "reversals"
    id: Mapped[int] = row_id()
    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipts.id"), unique=True)
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    why: Mapped[str]
    reversed_at: Mapped[datetime]
    reversed_by: Mapped[str]
    receipt: Mapped[Receipt] = relationship()
    __table_args__ = (CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name="amount"),)


class Till(Base):
    """A drawer at an event. ``next_number`` is what its next receipt gets: numbers have no gap."""

    __tablename__ = "tills"
    id: Mapped[int] = row_id()
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"))
    name: Mapped[str] = mapped_column(String(40))
    next_number: Mapped[int] = mapped_column(Integer, default=1)
    next_report: Mapped[int] = mapped_column(Integer, default=1)
    created_at: Mapped[datetime]
    event: Mapped[Event] = relationship()
    __table_args__ = (UniqueConstraint("event_id", "name"),)


class Shift(Base):
    """One person's time at a till. ``counted_at``: the first blind count; from then on it takes no money."""

    __tablename__ = "shifts"
    id: Mapped[int] = row_id()
    till_id: Mapped[int] = mapped_column(ForeignKey("tills.id"), index=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    person_name: Mapped[str]
    float_minor: Mapped[int] = mapped_column(BigInteger)
    currency: Mapped[str] = mapped_column(String(3))
    opened_at: Mapped[datetime]
    counted_at: Mapped[datetime | None]
    closed_at: Mapped[datetime | None]
    till: Mapped[Till] = relationship()
    __table_args__ = (
        CheckConstraint(f"float_minor BETWEEN 0 AND {LARGEST_MINOR}", name="float"),
        _one_at_a_time("uq_shifts_open_till", "till_id"),
        _one_at_a_time("uq_shifts_open_person", "person_id"),
    )


class TillEntry(Base):
    """One numbered receipt of a till: money taken, or (negative) a correction of such. Only ever added."""

    __tablename__ = "till_entries"
    id: Mapped[int] = row_id()
    till_id: Mapped[int] = mapped_column(ForeignKey("tills.id"))
    shift_id: Mapped[int] = mapped_column(ForeignKey("shifts.id"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    key: Mapped[str] = mapped_column(String(43), unique=True)  # the form's own: sent twice it is one entry
    method: Mapped[str] = mapped_column(String(12))
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    receipt_id: Mapped[int] = mapped_column(ForeignKey("receipts.id"), index=True)
    reverses_id: Mapped[int | None] = mapped_column(ForeignKey("till_entries.id"), unique=True)
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    tendered_minor: Mapped[int | None] = mapped_column(BigInteger)
    slip_number: Mapped[str] = mapped_column(String(40), default="")
    card_last4: Mapped[str] = mapped_column(String(4), default="")
    machine: Mapped[str] = mapped_column(String(40), default="")
    why: Mapped[str] = mapped_column(Text, default="")
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    by: Mapped[str]
    payment: Mapped[Payment] = relationship()
    __table_args__ = (
        UniqueConstraint("till_id", "number"),
        Index("ix_till_entries_number", "number"),  # what stands on a paper of the till finds its payment
        _shown("slip_number"),
        _shown("card_last4"),
        CheckConstraint("method IN ('cash', 'card_slip')", name="method"),
        CheckConstraint("(reverses_id IS NULL) = (amount_minor > 0) AND amount_minor <> 0", name="sign"),
        CheckConstraint("tendered_minor IS NULL OR tendered_minor >= amount_minor", name="tendered"),
    )


class CashMove(Base):
    """Cash that goes into or out of a drawer without a payer. Only ever added."""

    __tablename__ = "cash_moves"
    id: Mapped[int] = row_id()
    shift_id: Mapped[int] = mapped_column(ForeignKey("shifts.id"), index=True)
    kind: Mapped[str] = mapped_column(String(8))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    bag_number: Mapped[str] = mapped_column(String(40), default="")
    why: Mapped[str] = mapped_column(Text, default="")
    key: Mapped[str] = mapped_column(String(43), unique=True)
    at: Mapped[datetime]
    by: Mapped[str]
    __table_args__ = (
        CheckConstraint("kind IN ('drop', 'top_up', 'pay_out')", name="kind"),
        CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name="amount"),
    )


class DrawerCount(Base):
    """What somebody counted in a drawer, before they were told what should be there. Only ever added."""

    __tablename__ = "drawer_counts"
    id: Mapped[int] = row_id()
    shift_id: Mapped[int] = mapped_column(ForeignKey("shifts.id"), index=True)
    pieces: Mapped[dict[str, Any]]  # by denomination in minor units: {"20000": 3}
    counted_minor: Mapped[int] = mapped_column(BigInteger)
    batches: Mapped[dict[str, Any]]  # the card machines' own totals in minor units, by machine
    at: Mapped[datetime]
    by: Mapped[str]
    __table_args__ = (CheckConstraint("counted_minor >= 0", name="counted"),)


class ZReport(Base):
    """What closed a shift, numbered by till, as it was signed. Only ever added."""

    __tablename__ = "z_reports"
    id: Mapped[int] = row_id()
    till_id: Mapped[int] = mapped_column(ForeignKey("tills.id"))
    shift_id: Mapped[int] = mapped_column(ForeignKey("shifts.id"), unique=True)
    number: Mapped[int] = mapped_column(Integer)
    business_day: Mapped[date] = mapped_column(Date, index=True)
    body: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    by: Mapped[str]
    __table_args__ = (UniqueConstraint("till_id", "number"),)


class CardBatch(Base):
    """A card machine's own total when a shift was closed: its bank pays it in as one sum, whole or less what
    it keeps. Only ever added."""

    __tablename__ = "card_batches"
    id: Mapped[int] = row_id()
    z_report_id: Mapped[int] = mapped_column(ForeignKey("z_reports.id"))
    machine: Mapped[str] = mapped_column(String(40))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    __table_args__ = (
        UniqueConstraint("z_report_id", "machine"),
        CheckConstraint("amount_minor > 0", name="amount"),
    )
