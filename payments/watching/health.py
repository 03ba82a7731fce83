"""Is this desk fit to take messages? Asked of the database itself, never remembered."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import exc, func, select
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.orm import Session

from db import migrate
from db.models import Counter, InboxEvent
from db.session import BROKEN_OFF, DatabaseUnfit, Sessions, code_of

#: An event that should have been handled so long ago tells that nobody handles them.
OLDEST_EVENT = timedelta(minutes=5)

#: What people read meanwhile, and what the doors answer with.
AWAY = (
    "The desk cannot reach its database just now. Nothing was changed, and nothing is lost: the gateway "
    "sends its messages again until they are kept. This page comes back by itself."
)

#: What they read where the database is there and well, and did not do what was asked of it.
TOO_LONG = (
    "This took longer than the desk may work at one question, so it was stopped. Nothing was changed. "
    "Ask for less at once: one event, fewer days, a more exact word. If it was little, the database is "
    "busy: try again in a minute."
)
HELD = (
    "Somebody else is changing the same just now, and was not done in time. Nothing was changed by you. "
    "Try again in a moment."
)
#: PostgreSQL's words for them: a statement that was cancelled, a lock that was waited for too long.
_CANCELLED, _NOT_HAD = "57014", "55P03"


def told(error: BaseException) -> str | None:
    """What people read where the database does not do what it is asked for: trouble of the world. None: a
    bug of ours, or no error of a database."""
    code = code_of(error)
    if code == _CANCELLED:
        return TOO_LONG
    if code == _NOT_HAD or code in BROKEN_OFF:
        return HELD
    away = isinstance(error, OperationalError | InterfaceError | exc.TimeoutError)
    return AWAY if away else None  # gone, full, locked or read-only


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
        fault = f"An event has waited {minutes} minutes. If no worker runs: python manage.py worker."
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
