"""Is this desk fit to take messages? Asked of the database itself, never remembered."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exc, func, select
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from db import migrate
from db.models import Counter, InboxEvent
from db.session import DatabaseUnfit, Sessions

#: An event that should have been handled so long ago tells that nobody handles them.
OLDEST_EVENT = timedelta(minutes=5)

#: What people read meanwhile, and what the doors answer with.
AWAY = (
    "The desk cannot reach its database just now. Nothing was changed, and nothing is lost: the gateway "
    "sends its messages again until they are kept. This page comes back by itself."
)


def is_away(error: BaseException) -> bool:
    """Whether the database is gone, full, locked or read-only: trouble of the world, and no bug of ours."""
    return isinstance(error, OperationalError | InterfaceError | exc.TimeoutError)


@dataclass(frozen=True)
class Readiness:
    """``faults`` are sentences; there are none when all is well."""

    faults: tuple[str, ...]
    oldest_event_s: int | None = None  # how long the longest due event has waited; None: none is due

    @property
    def ready(self) -> bool:
        return not self.faults


def readiness(sessions: Sessions, *, now: datetime) -> Readiness:
    """Writes a mark and looks at the queue. A database that cannot be asked is a fault, not an error."""
    try:
        if waiting := pending(sessions):
            return Readiness((f"{len(waiting)} migrations wait. Run `python manage.py migrate`.",))
        _write_mark(sessions, now)
        with sessions.read() as session:
            oldest = oldest_due(session, now=now)
    except DatabaseUnfit as error:
        return Readiness((str(error),))
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", error)).strip().splitlines()[0]
        return Readiness((f"The database cannot be written: {reason}.",))
    if oldest is not None and oldest > OLDEST_EVENT:
        minutes = int(oldest.total_seconds() // 60)
        fault = f"An event has waited {minutes} minutes. Is the worker running (`python manage.py worker`)?"
        return Readiness((fault,), int(oldest.total_seconds()))
    return Readiness((), None if oldest is None else int(oldest.total_seconds()))


def pending(sessions: Sessions) -> list[str]:
    """The migrations this database still needs."""
    return migrate.pending(sessions.engine)


def _write_mark(sessions: Sessions, now: datetime) -> None:
    """A committed write is the only proof that the next one can be kept."""
    with sessions.begin() as session:
        session.merge(Counter(name="ready", value=int(now.timestamp())))


def oldest_due(session: Session, *, now: datetime) -> timedelta | None:
    """How long the event that should have been handled first has waited for it; None: none is due."""
    due = session.scalar(select(func.min(InboxEvent.next_try_at)).where(InboxEvent.handled_at.is_(None)))
    return now - due if due is not None and due <= now else None
