"""How long personal data is kept, and what is let go when its time is over: by the worker, in small batches.

Names and contacts go some months after the event, by the same hand that erases on request. What the desk
needs for a while only (messages, mails, files people brought) is emptied after days, what must be accounted
for after years. Each batch is a transaction: interrupted, it goes on where it was.
"""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, String, cast, delete, func, or_, select, update
from sqlalchemy.orm import Session

from db.models import (
    Event,
    InboxEvent,
    Meta,
    NotificationTry,
    OutboxMail,
    PaperRow,
    Payment,
    RegistrationFile,
    RegistrationRow,
    SavedView,
    SheetFile,
    SheetLine,
    SignInAttempt,
    StatementFile,
    StatementLine,
    UnverifiedEvent,
)
from db.models import Export as ExportRow
from db.session import Sessions
from payments import dates
from payments.access.people import SYSTEM, Action, Person, check, proven
from payments.books import audit
from payments.papers import numbering
from payments.personal_data import erasing, subjects, tombstones
from payments.personal_data.tombstones import Stones

#: So many are let go in one transaction: on SQLite nobody else writes meanwhile.
AT_ONCE = 25
_BEGUN, _MADE, _REPORT = "retention_begun", "retention_made", "retention_report"


@dataclass(frozen=True)
class Terms:
    """Settings. Months and years count from the end of the event, days from when something was done with."""

    contact_months: int = 12
    money_years: int = 5
    message_days: int = 90
    access_months: int = 12


@dataclass(frozen=True)
class Report:
    """What was let go, by what it is; of a dry run, what would be."""

    at: datetime
    counts: Mapping[str, int]
    held_back: int


def begin(session: Session, person: Person, *, now: datetime) -> None:
    """Have the worker let go from now on. What went does not come back, so that a person begins it who saw
    what would go, not a setting. Raises NotAllowed, ProveAgain."""
    check(person, Action.HANDLE_PRIVACY)
    proven(person, now=now)
    if not begun(session):
        session.add(Meta(key=_BEGUN, value=now.isoformat()))
        audit.record(session, person, "begin_retention", "personal data", now=now)


def begun(session: Session) -> bool:
    return session.get(Meta, _BEGUN) is not None


def due(session: Session, *, now: datetime) -> bool:
    """Whether it has begun, and is still to be done on this business day."""
    if not begun(session):
        return False
    made = session.get(Meta, _MADE)
    return made is None or made.value != dates.business_day(now).isoformat()


def last(session: Session, person: Person) -> Report | None:
    """What the worker let go last."""
    check(person, Action.HANDLE_PRIVACY)
    row = session.get(Meta, _REPORT)
    if row is None:
        return None
    told = json.loads(row.value)
    return Report(datetime.fromisoformat(told["at"]), told["counts"], told["held_back"])


def dry_run(session: Session, person: Person, terms: Terms, *, now: datetime) -> Report:
    """What would be let go now. Nothing is changed."""
    check(person, Action.HANDLE_PRIVACY)
    counts = {
        rule.what: session.scalar(select(func.count()).where(rule.old(terms, now))) or 0 for rule in RULES
    }
    counts[PAYERS] = session.scalar(select(func.count()).select_from(_expired(terms, now).subquery())) or 0
    ids = select(_expired(terms, now).subquery().c.id)
    held = len(erasing.waiting(session, ids, now=now))
    counts[PAYERS] -= held
    return Report(now, {what: number for what, number in counts.items() if number}, held)


PAYERS = "payers"


def run(sessions: Sessions, terms: Terms, stones: Stones, *, now: datetime) -> Report:
    """Let go of all that is due; the audit and the page Privacy say what it was."""
    report = Report(now, {}, 0)
    for report in letting_go(sessions, terms, stones, now=now):  # noqa: B007 - the last one is the whole
        pass
    return report


def letting_go(sessions: Sessions, terms: Terms, stones: Stones, *, now: datetime) -> Iterator[Report]:
    """The same, batch by batch, for who has other work to do between: each time what was let go so far."""
    counts: Counter[str] = Counter()
    for rule in RULES:
        while gone := _some(sessions, rule, terms, now):
            counts[rule.what] += gone
            yield Report(now, dict(counts), 0)
    held_back, beyond = 0, 0
    while batch := _erase_some(sessions, terms, stones, beyond, now):
        done, held, beyond = batch
        counts[PAYERS] += done
        held_back += held
        yield Report(now, dict(counts), held_back)
    if counts:
        with sessions.begin() as session, erasing.Door(session, fills=True):
            pass  # what was let go lies in free pages still
    report = Report(now, {what: number for what, number in counts.items() if number}, held_back)
    _keep(sessions, report, now)
    yield report


def _keep(sessions: Sessions, report: Report, now: datetime) -> None:
    with sessions.begin() as session:
        told = {"at": now.isoformat(), "counts": dict(report.counts), "held_back": report.held_back}
        session.merge(Meta(key=_REPORT, value=json.dumps(told)))
        session.merge(Meta(key=_MADE, value=dates.business_day(now).isoformat()))
        if report.counts:
            audit.record(session, SYSTEM, "retention", "personal data", now=now, **report.counts)


def _some(sessions: Sessions, rule: "Rule", terms: Terms, now: datetime) -> int:
    with sessions.begin() as session:
        return rule.let_go(session, rule.old(terms, now))


def _erase_some(
    sessions: Sessions, terms: Terms, stones: Stones, beyond: int, now: datetime
) -> tuple[int, int, int] | None:
    """How many payers were erased, how many could not be yet, and after which payment to go on."""
    with sessions.begin() as session:
        query = _expired(terms, now).where(Payment.id > beyond)
        rows = session.scalars(query.order_by(Payment.id).limit(AT_ONCE)).all()
        if not rows:
            return None
        held = erasing.waiting(session, [row.id for row in rows], now=now)
        free = [row for row in rows if row.id not in held]
        if free:
            erasing.erase(session, free, cause=erasing.TERM, now=now)
        gone, last_id = [(row.id, row.reference) for row in free], rows[-1].id
    tombstones.add(stones, gone, now=now)
    return len(free), len(held), last_id


def _expired(terms: Terms, now: datetime) -> Any:
    """Payments whose event is over for so long that nobody needs to know who paid."""
    over = _months_before(dates.business_day(now), terms.contact_months)
    events = select(Event.id).where(Event.ends_on < over)
    return select(Payment).where(Payment.event_id.in_(events), Payment.erased_at.is_(None))


def _months_before(day: date, months: int) -> date:
    whole = day.year * 12 + day.month - 1 - months
    return date(whole // 12, whole % 12 + 1, min(day.day, 28))


# -- what the desk needs for a while only --------------------------------------------------------------


@dataclass(frozen=True)
class Rule:
    """``old``: which rows; ``let_go`` does some of them and says how many."""

    what: str
    old: Callable[[Terms, datetime], ColumnElement[bool]]
    let_go: Callable[[Session, ColumnElement[bool]], int]


def _emptied(table: Any, **values: Any) -> Callable[[Session, ColumnElement[bool]], int]:
    def let_go(session: Session, old: ColumnElement[bool]) -> int:
        ids = session.scalars(select(table.id).where(old).order_by(table.id).limit(200)).all()
        session.execute(update(table).where(table.id.in_(ids)).values(**values))
        return len(ids)

    return let_go


def _deleted(table: Any) -> Callable[[Session, ColumnElement[bool]], int]:
    def let_go(session: Session, old: ColumnElement[bool]) -> int:
        ids = session.scalars(select(table.id).where(old).order_by(table.id).limit(200)).all()
        session.execute(delete(table).where(table.id.in_(ids)))
        return len(ids)

    return let_go


def _messages(terms: Terms, now: datetime) -> datetime:
    return now - timedelta(days=terms.message_days)


def _accesses(terms: Terms, now: datetime) -> datetime:
    return dates.day_span(_months_before(dates.business_day(now), terms.access_months)).start


def _money(terms: Terms, now: datetime) -> date:
    return _months_before(dates.business_day(now), 12 * terms.money_years)


def _text_of(column: Any) -> Any:
    return cast(column, String)


def _old_files(file: Any, terms: Terms, now: datetime) -> Any:
    return select(file.id).where(file.created_at < _messages(terms, now))


def _lines(session: Session, old: ColumnElement[bool]) -> int:
    with erasing.Door(session):
        return _emptied(StatementLine, description="", reference="")(session, old)


def _papers(session: Session, old: ColumnElement[bool]) -> int:
    """Number, total and hash stay; who it was for does not."""
    rows = session.execute(
        select(PaperRow.id, PaperRow.body).where(old).order_by(PaperRow.id).limit(200)
    ).all()
    with erasing.Door(session):
        for paper_id, body in rows:
            lines = [{**line, "what": body["event"]} for line in body["bill"]["lines"]]
            blank = {**dict.fromkeys(body["bill_to"], ""), "name": subjects.ERASED}
            said = {**body, "bill_to": blank, "bill": {**body["bill"], "lines": lines}, "note": "", "why": ""}
            said[numbering.ERASED] = True
            session.execute(update(PaperRow).where(PaperRow.id == paper_id).values(body=said))
    return len(rows)


RULES: tuple[Rule, ...] = (
    Rule(
        "messages of the gateway",
        lambda terms, now: (InboxEvent.handled_at < _messages(terms, now)) & (InboxEvent.body != b""),
        _emptied(InboxEvent, body=b"", headers={}),
    ),
    Rule(
        "messages nobody proved",
        lambda terms, now: UnverifiedEvent.last_seen_at < _messages(terms, now),
        _deleted(UnverifiedEvent),
    ),
    Rule(
        "mails",
        lambda terms, now: (
            (OutboxMail.state != "queued")
            & (OutboxMail.created_at < _messages(terms, now))
            & or_(OutboxMail.body != "", OutboxMail.recipient != "")
        ),
        _emptied(OutboxMail, recipient="", subject="", body="", last_error=None),
    ),
    Rule(
        "answers of other systems",
        lambda terms, now: (NotificationTry.at < _messages(terms, now)) & (NotificationTry.told != ""),
        _emptied(NotificationTry, told=""),
    ),
    Rule(
        "rows of sheets",
        lambda terms, now: (
            SheetLine.sheet_id.in_(_old_files(SheetFile, terms, now))
            & SheetLine.outcome.not_in(("waiting", "asking"))
            & SheetLine.wanted.is_not(None)
            & (func.length(_text_of(SheetLine.cells)) > len('{"cells": []}'))
        ),
        _emptied(SheetLine, cells={"cells": []}, wanted={}, why=""),
    ),
    Rule(
        "rows of files",
        lambda terms, now: (
            RegistrationRow.file_id.in_(_old_files(RegistrationFile, terms, now))
            & RegistrationRow.outcome.not_in(("waiting", "asking"))
            & (_text_of(RegistrationRow.wanted) != "{}")
        ),
        _emptied(RegistrationRow, wanted={}, why=""),
    ),
    Rule(
        "searches behind addresses",
        lambda terms, now: SavedView.name.is_(None) & (SavedView.used_at < _accesses(terms, now)),
        _deleted(SavedView),
    ),
    Rule(
        "searches behind exports",
        lambda terms, now: (
            (ExportRow.asked_at < _accesses(terms, now))
            & (func.length(_text_of(ExportRow.wanted)) > len('{"query": []}'))
        ),
        _emptied(ExportRow, wanted={"query": []}),
    ),
    Rule(
        "attempts to sign in",
        lambda terms, now: SignInAttempt.at < _accesses(terms, now),
        _deleted(SignInAttempt),
    ),
    Rule(
        "files of banks",
        lambda terms, now: (StatementFile.last_on < _money(terms, now)) & (StatementFile.data != b""),
        _emptied(StatementFile, data=b""),
    ),
    Rule(
        "lines of banks",
        lambda terms, now: (
            (StatementLine.on < _money(terms, now))
            & or_(StatementLine.description != "", StatementLine.reference != "")
        ),
        _lines,
    ),
    Rule(
        "papers",
        lambda terms, now: (
            (PaperRow.issued_on < _money(terms, now))
            & ~_text_of(PaperRow.body).contains(f'"{numbering.ERASED}"')
        ),
        _papers,
    ),
)


def told(report: Report) -> Iterator[tuple[str, int]]:
    """What a report says, the most first."""
    yield from sorted(report.counts.items(), key=lambda pair: -pair[1])
