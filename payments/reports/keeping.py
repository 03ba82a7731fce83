"""Reports that somebody kept, each as the desk stood at a moment; and what another look says of them now.

A kept report is never changed. Made again as of its own moment it is the same, byte for byte, or what it
stands on was altered; made as of now, it differs by what happened since.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import KeptReport
from db.money import Money
from db.session import Sessions
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import NotFound
from payments.exports.layout import MEDIA_TYPES, Format
from payments.finding import as_of
from payments.references import draw
from payments.reports import files, making
from payments.reports.making import ABOUT
from payments.reports.period import Basis, Period
from payments.reports.report import Asked, Kind, Report
from payments.sheets.back import File

PREFIX = "KPT"
_LOOKED_THROUGH = 500


@dataclass(frozen=True)
class Kept:
    """``asked.as_of`` is the moment it shows; ``all_events``: its keeper could see all there were."""

    reference: str
    asked: Asked
    title: str
    all_events: bool
    sha256: str
    kept_at: datetime
    kept_by: str


@dataclass(frozen=True)
class Change:
    """A line of a report that is not the same any more; nothing where it was not there, or is not."""

    table: str
    line: str
    was: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(frozen=True)
class Compared:
    """``then``: what differs when it is made again as of its own moment, which is nothing; ``since``: what
    differs when it is made of now."""

    kept: Kept
    same_bytes: bool
    then: tuple[Change, ...]
    since: tuple[Change, ...]


def keep(sessions: Sessions, person: Person, asked: Asked, *, demo: bool, now: datetime) -> Kept:
    """Make a report and keep it. Raises as ``making.make`` and ``as_of.read``."""
    moment = asked.as_of or now
    with as_of.read(sessions, asked.as_of, now=now) as session:
        report = making.make(session, person, asked, demo=demo, now=now)
    reference = draw(PREFIX, demo=demo)
    row = KeptReport(
        reference=reference, kind=asked.kind, basis=asked.basis, first_on=asked.period.first,
        last_on=asked.period.last, event=asked.event, as_of=moment, content=report.canonical,
        events=None if person.events is None else sorted(person.events), sha256=report.sha256,
        data=_data(report, moment), kept_at=now, kept_by=person.name,
    )  # fmt: skip
    with sessions.begin() as session:
        session.add(row)
        session.flush()
        audit.record(
            session, person, "keep_report", reference, now=now, report=str(asked.kind),
            basis=str(asked.basis), first=asked.period.first.isoformat(),
            last=asked.period.last.isoformat(), event=asked.event, as_of=moment.isoformat(),
            content=report.sha256,
        )  # fmt: skip
        return _view(row)


def recent(session: Session, person: Person, *, limit: int = 50) -> list[Kept]:
    """Those this person may read, the newest first: of no event that is not theirs."""
    check(person, Action.EXPORT)
    rows = session.scalars(select(KeptReport).order_by(KeptReport.id.desc()).limit(_LOOKED_THROUGH))
    mine = (_view(row) for row in rows if _may(person, row))
    return [kept for kept, _ in zip(mine, range(limit), strict=False)]


def file(session: Session, person: Person, reference: str) -> File:
    """The CSV file as it was kept. Raises NotFound."""
    row = _row(session, person, reference)
    asked = row.kind, row.basis, f"{row.first_on}-to-{row.last_on}", f"as-of-{row.as_of:%Y-%m-%d-%H%M}-UTC"
    return File(f"{'-'.join([*asked, row.reference])}.csv", MEDIA_TYPES[Format.CSV], row.data)


def compare(sessions: Sessions, person: Person, reference: str, *, demo: bool, now: datetime) -> Compared:
    """Make it again, as of its moment and of now. Raises NotFound, and as ``making.make``."""
    with sessions.read() as session:
        row = _row(session, person, reference)
        kept, content, data = _view(row), row.content, row.data
        events = None if row.events is None else frozenset(row.events)
    keeper = replace(person, events=events)
    with as_of.read(sessions, kept.asked.as_of, now=now) as session:
        then = making.make(session, keeper, kept.asked, demo=demo, now=now)
    with sessions.read() as session:
        today = making.make(session, keeper, replace(kept.asked, as_of=None), demo=demo, now=now)
    assert kept.asked.as_of is not None
    same = _data(then, kept.asked.as_of) == data
    return Compared(
        kept, same, tuple(_changes(content, then.canonical)), tuple(_changes(content, today.canonical))
    )


def _data(report: Report, moment: datetime) -> bytes:
    """The file as it is when it is made at its moment, of what stood then."""
    return files.as_csv(replace(report, asked=replace(report.asked, as_of=None), made_at=moment))


def _row(session: Session, person: Person, reference: str) -> KeptReport:
    check(person, Action.EXPORT)
    row = session.scalar(select(KeptReport).where(KeptReport.reference == reference))
    if row is None or not _may(person, row):
        raise NotFound("There is no such report that you may read. Open Reports and choose one.")
    return row


def _may(person: Person, row: KeptReport) -> bool:
    within = person.events is None or (row.events is not None and set(row.events) <= person.events)
    return within and person.may(ABOUT[Kind(row.kind)].needs)


def _view(row: KeptReport) -> Kept:
    asked = Asked(Kind(row.kind), Basis(row.basis), Period(row.first_on, row.last_on), row.event, row.as_of)
    return Kept(
        row.reference, asked, ABOUT[asked.kind].title, row.events is None, row.sha256, row.kept_at,
        row.kept_by,
    )  # fmt: skip


# -- what differs -------------------------------------------------------------------------------------

_Lines = Mapping[tuple[str, str], tuple[str, ...]]


def _changes(was: str, now: str) -> Iterator[Change]:
    before, after = _lines(json.loads(was)), _lines(json.loads(now))
    for key in dict.fromkeys((*before, *after)):
        if before.get(key, ()) != after.get(key, ()):
            yield Change(*key, before.get(key, ()), after.get(key, ()))


def _lines(told: Mapping[str, Any]) -> _Lines:
    """By table and the words a line begins with, its cells; equal words are told apart by their number."""
    found: dict[tuple[str, str], tuple[str, ...]] = {}
    tables = [("Figures", told["headline"]), *((one["title"], one["rows"]) for one in told["tables"])]
    for title, rows in tables:
        for row in filter(None, rows):  # a table without a total has none
            label, *cells = (_said(cell) for cell in row)
            number, key = 1, (title, label)
            while key in found:
                number += 1
                key = (title, f"{label} ({number})")
            found[key] = tuple(cells)
    return found | {("Notes", note): ("said",) for note in told["notes"]}


def _said(value: Any) -> str:
    if isinstance(value, list):
        return str(Money(*value))
    return "–" if value is None else str(value)
