"""What people keep for their own work: saved views, choices, and actions on many rows at once."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, row_id

_WAITS = text("outcome = 'waiting'")


class SavedView(Base):
    """A filter with its order and columns, under a name; without one it only serves an address.

    ``token`` stands in the address: it cannot be guessed, and what is searched for stays out of logs.
    """

    __tablename__ = "saved_views"
    id: Mapped[int] = row_id()
    token: Mapped[str] = mapped_column(String(22), unique=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    name: Mapped[str | None]
    query: Mapped[str]  # as ``payments.finding.filters`` writes it
    scope: Mapped[str]  # what its owner saw when it was written: ids of events with commas between, or *
    sort: Mapped[str] = mapped_column(String(40))
    columns: Mapped[str]  # names with commas between; empty: as each person chose
    shared_with: Mapped[str | None] = mapped_column(String(12))  # a role
    created_at: Mapped[datetime]
    used_at: Mapped[datetime]
    moving: Mapped[str | None]  # the words of days in ``query`` that move with the day
    __table_args__ = (UniqueConstraint("owner_id", "name"),)


class Choice(Base):
    """How one person likes something: the columns of a list, what they opened last."""

    __tablename__ = "choices"
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str]


class BulkRun(Base):
    """One action on many payments or cases, as somebody started it."""

    __tablename__ = "bulk_runs"
    id: Mapped[int] = row_id()
    deed: Mapped[str] = mapped_column(String(20))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    given: Mapped[dict[str, Any]]  # the reason, the note, the owner: what the deed needs
    started_at: Mapped[datetime]
    finished_at: Mapped[datetime | None]


class BulkRow(Base):
    """What became of one of them. The rows are written down before the first is touched."""

    __tablename__ = "bulk_rows"
    id: Mapped[int] = row_id()
    run_id: Mapped[int] = mapped_column(ForeignKey("bulk_runs.id"))
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"))
    case_id: Mapped[int | None] = mapped_column(ForeignKey("cases.id"))
    outcome: Mapped[str] = mapped_column(String(8))
    why: Mapped[str]
    was: Mapped[dict[str, Any] | None]  # what undoing puts back
    done_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint("(payment_id IS NULL) <> (case_id IS NULL)", name="subject"),
        CheckConstraint("outcome IN ('waiting', 'done', 'skipped', 'failed', 'undone')", name="outcome"),
        UniqueConstraint("run_id", "payment_id"),
        UniqueConstraint("run_id", "case_id"),
        Index("ix_bulk_rows_waiting", "run_id", "id", sqlite_where=_WAITS, postgresql_where=_WAITS),
    )
