"""The audit for those who look: searched, taken away as a file, and verified from the first to the last."""

import csv
import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from db.models import AuditEntry, Event
from db.session import Sessions
from payments import dates
from payments.access.people import Action, Person, check
from payments.books import audit, chain
from payments.books.chain import Anchor, Verdict
from payments.errors import Conflict
from payments.exports.cells import guard
from payments.sheets.back import File

#: Entries on a page.
PAGE = 50
#: A file is made in memory.
MOST_IN_A_FILE = 100_000
_HEADS = ("Number", "When", "Who", "Action", "Subject", "Event", "Detail", "Mac", "Key")


@dataclass(frozen=True)
class Wanted:
    """Which entries: by a part of who did it, by action, by a part of the subject, by business days, both
    included. What is empty is not asked for."""

    who: str = ""
    action: str = ""
    subject: str = ""
    first: date | None = None
    last: date | None = None

    @property
    def asked(self) -> dict[str, str]:
        """What is asked for, by name: as an address or the audit itself tells it."""
        return {name: str(value) for name, value in vars(self).items() if value}


@dataclass(frozen=True)
class EntryView:
    """``event``: the code of the event it is about, "" for none. ``chained``: it is newer than the chain."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    event: str
    detail: dict[str, Any]
    chained: bool


def entries(
    session: Session, person: Person, wanted: Wanted, *, before: int | None = None
) -> list[EntryView]:
    """A page of them, the newest first; ``before`` is the number of the last one of the page before."""
    check(person, Action.SEE_AUDIT)
    query = _wanted(wanted).order_by(AuditEntry.id.desc()).limit(PAGE)
    if before is not None:
        query = query.where(AuditEntry.id < before)
    return [
        EntryView(
            row.id, row.at, row.actor, row.action, row.subject, code or "", row.detail, row.mac is not None
        )
        for row, code in session.execute(query)
    ]


def count(session: Session, person: Person, wanted: Wanted) -> int:
    check(person, Action.SEE_AUDIT)
    return session.scalar(select(func.count()).select_from(_wanted(wanted).subquery())) or 0


def actions(session: Session, person: Person) -> Sequence[str]:
    """Every action that somebody did."""
    check(person, Action.SEE_AUDIT)
    return session.scalars(select(AuditEntry.action).distinct().order_by(AuditEntry.action)).all()


def take(session: Session, person: Person, wanted: Wanted, *, now: datetime) -> File:
    """These entries as a CSV file, oldest first, its last line telling how many. That somebody took them is
    written down, and is not among them. Raises Conflict for more than a file holds."""
    number = count(session, person, wanted)
    if number > MOST_IN_A_FILE:
        raise Conflict(f"These are {number} entries, and a file holds {MOST_IN_A_FILE}. Choose fewer days.")
    lines = [_line(_HEADS), *_lines(session, _wanted(wanted).order_by(AuditEntry.id))]
    data = "".join([*lines, _line((f"# end, {number} entries",))]).encode()
    audit.record(
        session, person, "export_audit", "audit", now=now, entries=number,
        sha256=hashlib.sha256(data).hexdigest(), asked=wanted.asked,
    )  # fmt: skip
    return File(
        f"paydesk-audit-{now.astimezone(dates.SAST):%Y-%m-%d-%H%M}.csv", "text/csv; charset=utf-8", data
    )


def _lines(session: Session, query: Select[AuditEntry, str]) -> Iterator[str]:
    for row, code in session.execute(query.execution_options(yield_per=1_000)):
        detail = json.dumps(row.detail, ensure_ascii=False, sort_keys=True)
        at = row.at.astimezone(dates.SAST).isoformat(sep=" ", timespec="seconds")
        told = (str(row.id), at, row.actor, row.action, row.subject, code or "", detail)
        yield _line((*told, row.mac or "", row.mac_key or ""))


def _line(cells: Sequence[str]) -> str:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerow([guard(cell) for cell in cells])
    return out.getvalue()


def verify(sessions: Sessions, person: Person) -> Verdict:
    """Go through every entry, from one picture of the database. Raises Conflict for anchors not ours."""
    check(person, Action.SEE_AUDIT)
    with sessions.read() as session:
        return chain.verify(session)


def anchors(session: Session, person: Person) -> list[Anchor]:
    """What was written down outside the database, oldest first. Raises Conflict for a line not the desk's."""
    check(person, Action.SEE_AUDIT)
    return chain.read_anchors(chain.of(session))


def _wanted(wanted: Wanted) -> Select[AuditEntry, str]:
    query = select(AuditEntry, Event.code).outerjoin(Event, Event.id == AuditEntry.event_id)
    return query.where(*_conditions(wanted))


def _conditions(wanted: Wanted) -> Iterator[ColumnElement[bool]]:
    if wanted.who:
        yield AuditEntry.actor.icontains(wanted.who, autoescape=True)
    if wanted.action:
        yield AuditEntry.action == wanted.action
    if wanted.subject:
        yield AuditEntry.subject.icontains(wanted.subject, autoescape=True)
    if wanted.first:
        yield AuditEntry.at >= dates.day_span(wanted.first).start
    if wanted.last:
        yield AuditEntry.at < dates.day_span(wanted.last).end
