"""The desk moved from SQLite to PostgreSQL: all of it, compared and examined, or nothing.

The old database is held meanwhile, so that nobody writes to it; afterwards it says where its payments are,
and no process of the desk works with it any more.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine
from sqlalchemy.orm import Session

from db import migrate, move
from db.models import Base, Meta
from db.move import Progress
from db.session import Sessions
from payments.books import audit, chain, integrity
from payments.books.audit import Actor
from payments.errors import Conflict

#: In the old database: when it was moved.
MOVED = "moved_at"


@dataclass(frozen=True)
class Moved:
    """``amounts``: sums that were compared, each of a column and a currency. ``entries``: of the audit."""

    tables: int
    rows: int
    amounts: int
    entries: int


def move_to_postgres(
    sessions: Sessions, target: Engine, person: Actor, *, now: datetime, progress: Progress
) -> Moved:
    """Move everything into the empty database ``target``. The desk must be closed.

    Raises Conflict when the old database has migrations waiting or its books do not add up, or when what
    arrived is not what was there; DatabaseUnfit when the new one is not empty or does not take a row. Then
    nothing is in the new one, and the old one is as it was.
    """
    _check(sessions, target)
    with sessions.begin() as old:
        source = old.connection()
        with target.begin() as into:
            move.check_empty(into)
            move.copy_all(source, into, progress)
            moved = _compared(source, into)
            _examine(sessions, into, person, moved, now)
        old.merge(Meta(key=MOVED, value=now.isoformat()))
    return moved


def _check(sessions: Sessions, target: Engine) -> None:
    if (sessions.engine.dialect.name, target.dialect.name) != ("sqlite", "postgresql"):
        raise Conflict(
            "A desk is moved from SQLite to PostgreSQL: DATABASE_URL and NEW_DATABASE_URL say else."
        )
    if migrate.pending(sessions.engine):
        raise Conflict("Migrations wait. Run `manage.py migrate` first.")


def _compared(source: Connection, into: Connection) -> Moved:
    if told := move.differences(source, into):
        raise Conflict(f"What arrived is not what was there; nothing was kept of it: {'; '.join(told[:5])}.")
    tables = Base.metadata.sorted_tables
    found = [move.sums(into, table) for table in tables]
    return Moved(
        tables=len(tables),
        rows=sum(each["", ""] for each in found),
        amounts=sum(len(each) - 1 for each in found),
        entries=next(
            each["", ""] for each, table in zip(found, tables, strict=True) if table.name == "audit"
        ),
    )


def _examine(sessions: Sessions, into: Connection, person: Actor, moved: Moved, now: datetime) -> None:
    """The chain of the audit entry by entry, against its anchors too; the books; and that it was done."""
    with Session(into, info=dict(sessions.carried)) as session, session.begin():
        if broken := chain.verify(session).broken:
            raise Conflict(f"Entry {broken.entry} of the audit {broken.sentence} Nothing was moved.")
        if findings := integrity.examine(session):
            raise Conflict(f"The books do not add up, nothing was moved: {findings[0].sentence}")
        audit.record(
            session, person, "move_to_postgres", "database", now=now, rows=moved.rows, amounts=moved.amounts
        )


def check_here(session: Session) -> None:
    """Raises Conflict when the payments of this database are elsewhere by now."""
    if moved := session.get(Meta, MOVED):
        when = datetime.fromisoformat(moved.value)
        raise Conflict(
            f"This desk was moved to PostgreSQL on {when:%-d %B %Y, %H:%M} UTC. Set DATABASE_URL to that "
            f"database; this one is only kept."
        )
