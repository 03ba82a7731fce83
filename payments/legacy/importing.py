"""Bringing a file of the earlier system in: a report first, then every record once, however often it comes.

A record that is here already is left alone, also when the file now says something else: that is an issue of
it. An interrupted import goes on where it stopped, by bringing the same file again.
"""

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.many import some_at_once
from db.models import Category, Event, LegacyImport, LegacyIssue, LegacyRecord
from db.money import CURRENCIES, Money
from db.session import Sessions
from payments.access.people import SYSTEM, Action, Person, check
from payments.books import audit
from payments.dates import business_day
from payments.errors import Conflict, InvalidInput, quoted
from payments.finding.conditions import NO_EVENT
from payments.legacy.files import Entry, entries
from payments.legacy.reading import Fault, Issue, OldRecord, Way, read
from payments.legacy.writing import Known, Place, write
from payments.lifecycle import Status
from payments.privacy import clean, fold
from payments.selling import events
from payments.selling.events import EventDraft, Price, State
from payments.watching import standstill

#: Records written down together: what an interruption can undo, and how often progress is told.
AT_ONCE = 1_000
#: Is told how many of how many are done.
Progress = Callable[[int, int], None]
#: Where records go that name no conference, until somebody moves them.
WITHOUT = (NO_EVENT, "Earlier records without an event")
_LONGEST_CODE = 40


@dataclass(frozen=True)
class Report:
    """What a file holds and what came, or would come, of it. Counts and sums are of ``new`` records.

    ``sums`` and ``statuses`` are by status, of those that are payments; ``demo`` and ``faulty`` are none.
    ``issues`` are of new and changed records, with the key of each.
    """

    file: str
    sha256: str
    currency: str
    records: int
    new: int
    known: int
    changed: int
    demo: int
    faulty: int
    shapes: Mapping[str, int]
    statuses: Mapping[Status, int]
    sums: Mapping[Status, Money]
    events: tuple[str, ...]
    issues: tuple[tuple[str, Issue], ...]

    @property
    def payments(self) -> int:
        return self.new - self.demo - self.faulty


@dataclass(frozen=True)
class _Plan:
    """The records of a file, told apart by whether they are here, and the events that new ones name."""

    sha256: str
    events: Mapping[tuple[str, str], "_Wanted"]
    new: tuple[Known, ...]
    known: int
    changed: tuple[tuple[int, Entry], ...]  # the record that is here, and what the file says now
    total: int


def look(session: Session, person: Person, name: str, data: bytes, currency: str) -> Report:
    """What an import would do; changes nothing. Raises InvalidInput, Conflict, NotAllowed."""
    plan = _plan(session, person, name, data, currency)
    return _report(plan, name, currency)


def import_file(
    sessions: Sessions,
    person: Person,
    name: str,
    data: bytes,
    currency: str,
    *,
    demo: bool,
    now: datetime,
    progress: Progress = lambda done, total: None,
    reading: Progress = lambda done, total: None,
) -> Report:
    """Write down what is new, some at a time; ``progress`` is told how many of how many are done, ``reading``
    before that how many were looked at.

    ``demo`` is what this desk is. Raises InvalidInput, NotAllowed, Conflict (the desk stands still, or the
    file came in as another currency).
    """
    with sessions.read() as session:  # a minute for a large file, in which nobody is kept from writing
        plan = _plan(session, person, name, data, currency, reading)
    report = _report(plan, name, currency)
    with sessions.begin() as session:
        standstill.refuse(session)
        import_id = _begin(session, person, report, now)
        places = _places(session, plan.events, currency, now)
        for record_id, _entry in plan.changed:
            _tell_changed(session, record_id)
    done = 0
    for some in some_at_once(plan.new, AT_ONCE):
        with sessions.begin() as session:
            write(session, import_id, _placed(session, some, places), demo=demo, now=now)
        done += len(some)
        progress(done, len(plan.new))
    return report


# -- what is new --------------------------------------------------------------------------------------


def _plan(
    session: Session,
    person: Person,
    name: str,
    data: bytes,
    currency: str,
    reading: Progress = lambda done, total: None,
) -> _Plan:
    check(person, Action.RECONCILE)
    if currency not in CURRENCIES:
        raise InvalidInput(
            f"Say what the amounts are in: {', '.join(CURRENCIES)}. {quoted(currency)} is none of them."
        )
    sha256 = hashlib.sha256(data).hexdigest()
    _refuse_other_currency(session, sha256, currency)
    here: dict[str, tuple[int, str]] = {
        key: (record_id, digest)
        for key, record_id, digest in session.execute(
            select(LegacyRecord.key, LegacyRecord.id, LegacyRecord.digest)
        )
    }
    found = entries(name, data)
    new = [entry for entry in found if entry.key not in here]
    changed = [(here[e.key][0], e) for e in found if e.key in here and here[e.key][1] != e.digest]
    read_ = tuple(_with_twins(session, list(_all_known(new, currency, reading))))
    return _Plan(
        sha256, _wanted_events(session, read_), read_, len(found) - len(new) - len(changed), tuple(changed),
        len(found),
    )  # fmt: skip


def _refuse_other_currency(session: Session, sha256: str, currency: str) -> None:
    """The same file cannot be in rand today and in dollars tomorrow."""
    was = session.scalar(select(LegacyImport.currency).where(LegacyImport.sha256 == sha256).limit(1))
    if was is not None and was != currency:
        raise Conflict(f"This file was imported before, as {was}. Its records keep that currency.")


def _all_known(new: Sequence[Entry], currency: str, reading: Progress) -> Iterator[Known]:
    for done, entry in enumerate(new, 1):
        yield _known(entry, currency)
        if done % AT_ONCE == 0 or done == len(new):
            reading(done, len(new))


def _known(entry: Entry, currency: str) -> Known:
    twice = [Issue(Fault.KEY_TWICE, "Its id stands in the file more than once.")] if entry.repeated else []
    if entry.fields is None:
        return Known(entry, None, (*twice, Issue(Fault.NO_RECORD, entry.fault)))
    old = read(entry.fields, currency)
    return Known(entry, old, (*twice, *old.issues))


def _with_twins(session: Session, new: Sequence[Known]) -> Iterator[Known]:
    """References that several records carry are flagged on each of them; nothing is merged."""
    times: Counter[str] = Counter()
    for texts in session.scalars(select(LegacyRecord.texts)):
        times.update(set(texts["references"]))
    for known in new:
        times.update(set(known.old.references) if known.old else ())
    for known in new:
        shared = [one for one in known.old.references if times[one] > 1] if known.old else []
        more = tuple(Issue(Fault.REFERENCE_TWICE, f"{one} stands on {times[one]} records.") for one in shared)
        yield replace(known, issues=(*known.issues, *more))


def _tell_changed(session: Session, record_id: int) -> None:
    """Once is enough, however often the changed file comes."""
    of_it = select(LegacyIssue.fault).where(LegacyIssue.record_id == record_id)
    told = session.scalars(of_it).all()
    if Fault.CHANGED not in told:
        session.add(
            LegacyIssue(record_id=record_id, number=len(told) + 1, fault=Fault.CHANGED, sentence=_CHANGED)
        )


_CHANGED = "A later file says something else of it. What came first stands."


# -- the report ---------------------------------------------------------------------------------------


def _report(plan: _Plan, name: str, currency: str) -> Report:
    paying = [known.old for known in plan.new if known.is_payment and known.old]
    sums: dict[Status, Money] = defaultdict(lambda: Money(0, currency))
    for old in paying:
        sums[old.status] += old.amount
    issues = [(known.entry.key, issue) for known in plan.new for issue in known.issues]
    issues += [(entry.key, Issue(Fault.CHANGED, _CHANGED)) for _, entry in plan.changed]
    shapes = Counter(known.old.shape if known.old else "none" for known in plan.new)
    return Report(
        file=name,
        sha256=plan.sha256,
        currency=currency,
        records=plan.total,
        new=len(plan.new),
        known=plan.known,
        changed=len(plan.changed),
        demo=sum(1 for known in plan.new if known.old and known.old.way is Way.DEMO),
        faulty=sum(1 for known in plan.new if known.old is None),
        shapes=dict(sorted(shapes.items())),
        statuses=Counter(old.status for old in paying),
        sums=dict(sums),
        events=tuple(wanted.code for wanted in plan.events.values() if wanted.is_new),
        issues=tuple(issues),
    )


def _begin(session: Session, person: Person, report: Report, now: datetime) -> int:
    told: dict[str, Any] = {
        "records": report.records, "new": report.new, "known": report.known, "changed": report.changed,
        "demo": report.demo, "faulty": report.faulty, "issues": len(report.issues),
    }  # fmt: skip
    row = LegacyImport(
        name=clean(report.file, field="The file's name", longest=300),
        sha256=report.sha256, currency=report.currency, told=told, imported_at=now, imported_by=person.name,
    )  # fmt: skip
    session.add(row)
    session.flush()
    audit.record(
        session, person, "import_legacy", f"records {row.id}", now=now, file=row.name,
        currency=report.currency, **told,
    )  # fmt: skip
    return row.id


# -- events -------------------------------------------------------------------------------------------


@dataclass
class _Wanted:
    """An event that records name, and what they tell of it."""

    code: str
    name: str
    is_new: bool
    first: date | None = None
    last: date | None = None
    categories: dict[str, None] = field(default_factory=dict)  # names, in the order they were met


def _event_key(old: OldRecord) -> tuple[str, str]:
    return old.event_code, old.event_name


def _wanted_events(session: Session, new: Iterable[Known]) -> dict[tuple[str, str], _Wanted]:
    """By how records name them: an event of this code, else of this name, else one to be made."""
    by_code = {row.code.casefold(): row for row in session.scalars(select(Event))}
    by_name = {fold(row.name): row for row in by_code.values()}
    wanted: dict[tuple[str, str], _Wanted] = {}
    made: dict[str, _Wanted] = {}
    for known in new:
        old = known.old
        if old is None or not known.is_payment:
            continue
        key = _event_key(old)
        if key not in wanted:
            code, name = _called(*key)
            here = by_code.get(code.casefold()) or by_name.get(fold(name))
            fresh = _Wanted(here.code, here.name, False) if here else _Wanted(code, name, True)
            wanted[key] = made.setdefault(fresh.code.casefold(), fresh)
        _tell(wanted[key], old)
    return wanted


def _called(code: str, name: str) -> tuple[str, str]:
    """Code and name of the event a record names, fit for ours."""
    if not code and not name:
        return WITHOUT
    plain = re.sub(r"[^A-Za-z0-9]+", "-", fold(code or name)).strip("-").upper()[:_LONGEST_CODE].strip("-")
    return plain or NO_EVENT, (name or code)[:120]


def _tell(wanted: _Wanted, old: OldRecord) -> None:
    if old.made_at is not None:
        day = business_day(old.made_at)
        wanted.first, wanted.last = min(wanted.first or day, day), max(wanted.last or day, day)
    if old.category:
        wanted.categories[old.category] = None


def _places(
    session: Session, named: Mapping[tuple[str, str], _Wanted], currency: str, now: datetime
) -> dict[tuple[str, str], int]:
    """The id of the event of each name; events that are not here are made, closed and without prices to sell.

    Their days are those of their records, since no record says when its conference was.
    """
    found: dict[tuple[str, str], int] = {}
    for key, wanted in named.items():
        if wanted.is_new and not any(
            each.code == wanted.code for each in events.list_events(session, SYSTEM)
        ):
            today = business_day(now)
            names = {name.casefold(): name[:120] for name in wanted.categories}
            prices = [Price(name, Money(0, currency), active=False) for name in names.values()]
            events.save_event(
                session,
                SYSTEM,
                EventDraft(
                    wanted.code, wanted.name, wanted.first or today, wanted.last or today, State.CLOSED,
                    currency=currency,
                    categories=tuple(prices[: events.MOST_CATEGORIES]),
                ),
                now=now,
            )  # fmt: skip
        found[key] = events.event_row(session, SYSTEM, wanted.code).id
    return found


def _placed(
    session: Session, some: Sequence[Known], places: Mapping[tuple[str, str], int]
) -> list[tuple[Known, Place | None]]:
    ids = {places[_event_key(known.old)] for known in some if known.is_payment and known.old}
    by_id = {row.id: row for row in session.scalars(select(Event).where(Event.id.in_(ids)))}
    categories: dict[int, dict[str, int]] = {event_id: {} for event_id in ids}
    for row in session.scalars(select(Category).where(Category.event_id.in_(ids))):
        categories[row.event_id][row.name.casefold()] = row.id

    def place(known: Known) -> Place | None:
        if known.old is None or not known.is_payment:
            return None
        event_id = places[_event_key(known.old)]
        return Place(by_id[event_id], categories[event_id])

    return [(known, place(known)) for known in some]
