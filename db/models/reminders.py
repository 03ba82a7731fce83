"""Reminders: when an event sends them, which went to whom, and who wants none.

A person is known by the SHA-256 of their address here: that they want none outlives their details.
"""

from datetime import date, datetime

from sqlalchemy import CheckConstraint, ForeignKey, Integer, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, row_id


class ReminderPlan(Base):
    """When an event reminds: ``days`` from its first one, with commas between, and not in quiet hours."""

    __tablename__ = "reminder_plans"
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), primary_key=True)
    days: Mapped[str]
    quiet_from: Mapped[str] = mapped_column(String(5))
    quiet_until: Mapped[str] = mapped_column(String(5))
    changed_at: Mapped[datetime]


class Reminder(Base):
    """One reminder, as it was decided upon: at most one for a step of the plan, and one a person a day."""

    __tablename__ = "reminders"
    id: Mapped[int] = row_id()
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"))
    step: Mapped[int] = mapped_column(Integer)
    person_hash: Mapped[str] = mapped_column(String(64))
    day: Mapped[date]
    outcome: Mapped[str] = mapped_column(String(9))  # what became of its mail stands in the outbox
    queued_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("payment_id", "step"),
        UniqueConstraint("person_hash", "day"),
        CheckConstraint("outcome IN ('queued', 'withdrawn')", name="outcome"),
    )


class OptOut(Base):
    """Somebody who wants no reminders, from any event."""

    __tablename__ = "opt_outs"
    person_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    at: Mapped[datetime]
    by: Mapped[str]
