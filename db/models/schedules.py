"""Reports and views that go out by themselves, each time they went, and the links they were opened by."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, row_id
from db.types import UtcDateTime

_ON = text("state = 'on'")
_WAITS = text("state = 'waiting'")


class Schedule(Base):
    """What goes out, when and to whom; ``why`` says why it does not any more."""

    __tablename__ = "schedules"
    id: Mapped[int] = row_id()
    title: Mapped[str]
    plan: Mapped[dict[str, Any]]  # as ``payments.schedules.plan`` writes it
    maker_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    scope: Mapped[str]  # what its maker saw when it was written: ids of events with commas between, or *
    state: Mapped[str] = mapped_column(String(7))
    why: Mapped[str]
    failures: Mapped[int] = mapped_column(Integer, default=0)  # in a row
    due_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]
    __table_args__ = (
        CheckConstraint("state IN ('on', 'paused', 'stopped', 'ended')", name="state"),
        CheckConstraint("(state = 'on') = (due_at IS NOT NULL)", name="due"),
        Index("ix_schedules_due", "due_at", sqlite_where=_ON, postgresql_where=_ON),
    )


class ScheduleRun(Base):
    """One time that it was to go: at most one for each moment. ``data``: the file, for as long as it is kept.

    ``revoked_at``: its links open nothing since.
    """

    __tablename__ = "schedule_runs"
    id: Mapped[int] = row_id()
    schedule_id: Mapped[int] = mapped_column(ForeignKey("schedules.id"))
    due_at: Mapped[datetime]
    asked_by: Mapped[str]  # "" when it fell due
    missed: Mapped[int] = mapped_column(Integer)  # times before it that were passed over
    state: Mapped[str] = mapped_column(String(7))
    tries: Mapped[int] = mapped_column(Integer, default=0)
    try_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    problem: Mapped[str]
    plan: Mapped[dict[str, Any] | None]  # as it was when it went
    made_at: Mapped[datetime | None]
    reference: Mapped[str | None]
    file_name: Mapped[str | None]
    media_type: Mapped[str | None]
    sha256: Mapped[str | None] = mapped_column(String(64))
    size_bytes: Mapped[int | None] = mapped_column(Integer)
    data: Mapped[bytes | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'sent', 'failed')", name="state"),
        CheckConstraint("(state = 'waiting') = (try_at IS NOT NULL)", name="tries"),
        CheckConstraint("state <> 'sent' OR sha256 IS NOT NULL", name="sent"),
        UniqueConstraint("schedule_id", "due_at"),
        Index("ix_schedule_runs_waiting", "try_at", sqlite_where=_WAITS, postgresql_where=_WAITS),
    )


class ScheduleLink(Base):
    """What opens one file for one address: only a hash of it is kept. Each try of a mail draws another."""

    __tablename__ = "schedule_links"
    id: Mapped[int] = row_id()
    run_id: Mapped[int] = mapped_column(ForeignKey("schedule_runs.id"), index=True)
    recipient: Mapped[str]
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    made_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class ScheduleOpening(Base):
    """Somebody came by a link: to its page, or for the file."""

    __tablename__ = "schedule_openings"
    id: Mapped[int] = row_id()
    link_id: Mapped[int] = mapped_column(ForeignKey("schedule_links.id"), index=True)
    at: Mapped[datetime]
    what: Mapped[str] = mapped_column(String(4))
    address: Mapped[str] = mapped_column(String(64))
    __table_args__ = (CheckConstraint("what IN ('page', 'file')", name="what"),)
