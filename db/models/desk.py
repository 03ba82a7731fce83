"""What the desk knows of itself: its mode, its counters, its running totals, its alerts."""

from datetime import date, datetime

from sqlalchemy import BigInteger, CheckConstraint, Date, ForeignKey, Index, Integer, String, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, row_id
from db.types import UtcDateTime


class Meta(Base):
    """Facts about this database: its mode, which it keeps for life."""

    __tablename__ = "meta"
    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str]


class Counter(Base):
    """Rising numbers. ``changes`` goes up with every committed change that a live page could show."""

    __tablename__ = "counters"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


class LeaseRow(Base):
    """Who does something that one process does at a time. ``token`` goes up when it is taken, ``beat`` while
    it is held; ``holder`` is empty when it was given back."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    token: Mapped[int] = mapped_column(BigInteger)
    beat: Mapped[int] = mapped_column(BigInteger)
    holder: Mapped[str]


class JobRun(Base):
    """One run of what the worker does by its own clock; ``fault`` is empty where it was done."""

    __tablename__ = "job_runs"
    id: Mapped[int] = row_id()
    job: Mapped[str] = mapped_column(String(12))
    began_at: Mapped[datetime]
    took_ms: Mapped[int] = mapped_column(BigInteger)
    did: Mapped[str]
    fault: Mapped[str]
    __table_args__ = (Index(None, "job", "id"),)


class Standing(Base):
    """How many payments are in each status now, and their sum."""

    __tablename__ = "standings"
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), primary_key=True)
    status: Mapped[str] = mapped_column(String(14), primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    sum_minor: Mapped[int] = mapped_column(BigInteger)


class Tally(Base):
    """What happened in one hour (UTC, by its start): money taken by method, payments reaching a status, and
    those that are not asked for any more entering (counted off: leaving) such a status."""

    __tablename__ = "tallies"
    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), primary_key=True)
    measure: Mapped[str] = mapped_column(String(8), primary_key=True)  # 'taken', 'status' or 'let_go'
    key: Mapped[str] = mapped_column(String(14), primary_key=True)  # the method, or the status
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    sum_minor: Mapped[int] = mapped_column(BigInteger)


class TallyMonth(Base):
    """The tallies of one month (of Johannesburg, by its first day), added up: of years there are few."""

    __tablename__ = "tally_months"
    month: Mapped[date] = mapped_column(Date, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), primary_key=True)
    measure: Mapped[str] = mapped_column(String(8), primary_key=True)
    key: Mapped[str] = mapped_column(String(14), primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    sum_minor: Mapped[int] = mapped_column(BigInteger)


class MadeHour(Base):
    """The payments made in one hour (UTC, by its start), by how they stand now."""

    __tablename__ = "made_hours"
    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), primary_key=True)
    status: Mapped[str] = mapped_column(String(14), primary_key=True)
    stage: Mapped[str] = mapped_column(String(9), primary_key=True)
    failure: Mapped[str] = mapped_column(String(12), primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    sum_minor: Mapped[int] = mapped_column(BigInteger)


class PaidHour(Base):
    """The payments that became paid in one hour (UTC, by its start), by method, and what they were for."""

    __tablename__ = "paid_hours"
    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), primary_key=True)
    method: Mapped[str] = mapped_column(String(12), primary_key=True)  # "" where none is known
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    sum_minor: Mapped[int] = mapped_column(BigInteger)


class LiveHour(Base):
    """What the live page shows of all events together: as many rows a day, whatever comes."""

    __tablename__ = "live_hours"
    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)  # of an event, its day's first
    measure: Mapped[str] = mapped_column(String(5), primary_key=True)  # 'made', 'paid' or 'event'
    key: Mapped[str] = mapped_column(String(40), primary_key=True)  # status, stage and failure; method; event
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    sum_minor: Mapped[int] = mapped_column(BigInteger)


class Alert(Base):
    """Trouble of the desk as a whole, from when it was first seen until it was over; told of once."""

    __tablename__ = "alerts"
    id: Mapped[int] = row_id()
    kind: Mapped[str] = mapped_column(String(24))
    key: Mapped[str] = mapped_column(String(40))
    severity: Mapped[str] = mapped_column(String(4))
    sentence: Mapped[str]
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    count: Mapped[int] = mapped_column(Integer)
    resolved_at: Mapped[datetime | None]
    snoozed_until: Mapped[datetime | None]
    mailed_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]  # to the chat services
    over_sent_at: Mapped[datetime | None]  # that it is over
    __table_args__ = (
        CheckConstraint("severity IN ('poor', 'bad')", name="severity"),
        Index(
            "uq_alerts_open",
            "kind",
            "key",
            unique=True,
            sqlite_where=text("resolved_at IS NULL"),
            postgresql_where=text("resolved_at IS NULL"),
        ),
    )
