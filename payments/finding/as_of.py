"""The desk as it stood at a past moment: what was recorded by then, of money, status and matches.

Nothing is asked a second way. ``read`` opens a session on which views stand in the place of the tables, each
showing its rows as they stood; lists, reports, totals and files read them as they read the tables. What
happened is one thing, when it was written down another: a row is here from the moment it was recorded.
Names, notes, days of events and what the gateway is called stand as today.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy.orm import Session

from db.models import Meta
from db.session import Sessions, takes_long
from db.types import UtcDateTime
from payments.dates import day_span, say_moment
from payments.errors import InvalidInput
from payments.finding import stood
from payments.lifecycle import Review
from payments.live import tallies

#: In a database that had payments before their past was kept: since when it is.
KNOWN_SINCE = "past_known_since"
_MOMENT = "payments.finding.as_of"


@contextmanager
def read(sessions: Sessions, moment: datetime | None, *, now: datetime) -> Iterator[Session]:
    """A reading session on the desk as it stood then; None: as it stands. Raises InvalidInput for a moment
    that is still to come, or of which not all is known."""
    if moment is None:
        with sessions.read() as session:
            yield session
        return
    with sessions.read() as session:
        _check(session, moment, now=now)
    with sessions.read_through(views(sessions.engine.dialect.name, moment)) as session:
        takes_long(session)
        session.info[_MOMENT] = moment
        yield session


def moment(session: Session) -> datetime | None:
    """When a session stands; None is now."""
    found: datetime | None = session.info.get(_MOMENT)
    return found


def refuse_another(session: Session, asked: datetime | None) -> None:
    """Raises InvalidInput where what is asked for of one moment would be answered of another."""
    if moment(session) != asked:
        raise InvalidInput(
            "This list shows the desk as it stood in the past, and this is done with what stands now. "
            "Go back to now first."
        )


def known_since(session: Session) -> datetime | None:
    """Before this moment the past is not known in whole; None: it always is."""
    kept = session.get(Meta, KNOWN_SINCE)
    return datetime.fromisoformat(kept.value) if kept is not None else None


def _check(session: Session, moment: datetime, *, now: datetime) -> None:
    if moment > now:
        raise InvalidInput(f"{say_moment(moment)} is still to come. Choose a moment that has passed.")
    since = known_since(session)
    if since is not None and moment < since:
        raise InvalidInput(
            f"How the desk stood is not known before {say_moment(since)}: until then it was overwritten. "
            "Choose a later moment."
        )


# -- the views ------------------------------------------------------------------------------------------


def views(database: str, moment: datetime) -> list[tuple[str, str]]:
    """What stands in the place of which table, as ``db.veil`` takes it."""
    made = [(one.table.__tablename__, one.select) for one in stood.TABLES]
    return [(name, filled(select, database, moment)) for name, select in (*made, *stood.ADDED_UP)]


#: What the databases call the hour of a moment, and the month of Johannesburg it lies in.
_CALLED = {
    "sqlite": {
        "hour": r"(substr(\1, 1, 13) || ':00:00.000000')",
        "month": r"strftime('%Y-%m-01', \1, '+2 hours')",
    },
    "postgresql": {
        "hour": r"date_trunc('hour', \1, 'UTC')",
        "month": r"CAST(date_trunc('month', \1 AT TIME ZONE 'Africa/Johannesburg') AS DATE)",
    },
}


def filled(select: str, database: str, moment: datetime) -> str:
    """What ``stood`` says, in the words of a database."""
    month = tallies.month_of(moment)
    words = {
        "{at}": _said(moment, database),
        "{its_hour}": _said(tallies.hour_of(moment), database),
        "{its_month}": f"'{month}'" if database == "sqlite" else f"DATE '{month}'",
        "{its_month_began}": _said(day_span(month).start, database),
        "{reviews}": _listed(Review),
        "{not_asked}": _listed(tallies.NOT_ASKED),
    }
    for name, word in words.items():
        select = select.replace(name, word)
    for name, called in _CALLED[database].items():
        select = re.sub(rf"{{{name}:([a-z._]+)}}", called, select)
    return select


def _said(moment: datetime, database: str) -> str:
    at = UtcDateTime.sqlite_text(moment)
    return f"'{at}'" if database == "sqlite" else f"TIMESTAMPTZ '{at}+00:00'"


def _listed(words: Iterable[str]) -> str:
    return ", ".join(f"'{word}'" for word in words)
