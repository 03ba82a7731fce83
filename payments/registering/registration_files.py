"""Registrations in by file: what each row would become, the doing, and what became of it.

A row is known by its registration id, as another system's requests are (``registrations``): the same file
again changes nothing, and who is interrupted goes on where they were. What was paid is never altered: the
difference is asked for, or credited. Every row of a file ends as new, changed, unchanged or refused.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.orm import Session, selectinload

from db.many import some_at_once
from db.models import Event, Payment, Registration, RegistrationFile, RegistrationRow
from db.money import Money
from db.session import Sessions
from payments.access.people import Action, Person, check
from payments.asking.links import Addresses
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound, PaymentsError
from payments.gateways import Gateway
from payments.registering import (
    registration_changes,
    registration_prices,
    registration_requests,
    registrations,
)
from payments.registering.registration_changes import Becomes, Change
from payments.registering.registration_requests import Wanted
from payments.selling import families, on_sale
from payments.selling.events import event_row
from payments.sheets import price_lines, reading
from payments.sheets.reading import Column, Opened, SheetRow
from payments.watching import standstill

#: Payments asked for at the same moment, and in one step.
AT_ONCE, STEP = 5, 20
#: After so long whoever was at a row is gone.
_GIVEN_UP = timedelta(minutes=2)
_WAITING = ("waiting", "asking")
#: What a column may mean here. Several people on one row are a sheet's matter (``sheets``).
COLUMNS = tuple(column for column in Column if column is not Column.PEOPLE)


@dataclass(frozen=True)
class Looked:
    """A row, and what would become of it. ``reference`` is of the payment that is there."""

    number: int
    registration_id: str
    name: str
    amount: Money | None
    change: Change
    wanted: Wanted | None
    reference: str = ""


@dataclass(frozen=True)
class Preview:
    event_code: str
    event_name: str
    file: str
    sha256: str
    headings: tuple[str, ...]
    meant: Mapping[Column, str]
    rows: tuple[Looked, ...]

    def of(self, *becomes: Becomes) -> tuple[Looked, ...]:
        return tuple(row for row in self.rows if row.change.becomes in becomes)

    @property
    def applying(self) -> tuple[Looked, ...]:
        return self.of(Becomes.NEW, Becomes.CHANGED)

    @property
    def sum(self) -> Money:
        """What the rows that would be applied ask for together."""
        return sum((row.amount for row in self.applying if row.amount), Money(0))


@dataclass(frozen=True)
class FileView:
    """A file that was brought, and how far it is. ``outcomes`` are of its rows, and ``waiting``."""

    id: int
    file: str
    event_code: str
    event_name: str
    brought_by: str
    created_at: datetime
    outcomes: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.outcomes.values())

    @property
    def left(self) -> int:
        return sum(self.outcomes.get(one, 0) for one in _WAITING)


@dataclass(frozen=True)
class Result:
    """What became of a row."""

    number: int
    registration_id: str
    outcome: str
    why: str
    reference: str


# -- what it would do ---------------------------------------------------------------------------------


def opened(person: Person, name: str, data: bytes) -> Opened:
    """The rows and headings of a CSV or XLSX file. Raises InvalidInput for one that cannot be read."""
    check(person, Action.RECORD)
    return reading.opened(name, data)


def suggest(session: Session, person: Person, event_code: str, there: Opened) -> dict[Column, str]:
    """What its columns mean: as the last file of the event with these headings was said to, else by their
    names."""
    event = _event(session, person, event_code)
    files = select(RegistrationFile).where(RegistrationFile.event_id == event.id)
    headings = [heading for _, heading in there.named]
    for row in session.scalars(files.order_by(RegistrationFile.id.desc()).limit(50)):
        if row.headings["cells"] == headings:
            return {Column(column): heading for column, heading in row.meant.items()}
    return {column: heading for column, heading in there.guess().items() if column in COLUMNS}


def look(
    session: Session,
    person: Person,
    event_code: str,
    there: Opened,
    data: bytes,
    meant: Mapping[Column, str],
    *,
    demo: bool,
    now: datetime,
) -> Preview:
    """What would become of each row now; changes nothing.

    Raises NotFound, NotAllowed, Conflict (the event is not open), InvalidInput (columns say too little).
    """
    event = _event(session, person, event_code)
    if Column.ID not in meant:
        raise InvalidInput(f"{there.file}: say which column is the registration id. Rows are known by it.")
    places = reading.places_of(there, meant)
    found = on_sale.of_event(session, event, now)
    sheet = reading.understood(there, places, price_lines(found), event.currency)
    twice = _twice(sheet.rows)
    known = _known(session, event, [row.wanted.own_id for row in sheet.rows if row.wanted])
    at = sheet.headings.index(meant[Column.ID])
    rows = tuple(
        _look(session, event, row, row.cells[at][:100], twice, known, found.priced, demo=demo, now=now)
        for row in sheet.rows
    )
    sha256 = hashlib.sha256(data).hexdigest()
    return Preview(event.code, event.name, sheet.file, sha256, sheet.headings, sheet.meant, rows)


def _event(session: Session, person: Person, event_code: str) -> Event:
    event = event_row(session, person, event_code)
    check(person, Action.RECORD, event.id)
    check(person, Action.ISSUE_LINK, event.id)
    if event.state != "open":
        raise Conflict(f"{event.name} is {event.state}; open it under Events before bringing registrations.")
    if event.currency != "ZAR":
        raise InvalidInput(f"{event.name} is priced in {event.currency}, and the gateway takes rand only.")
    return event


def _twice(rows: Iterable[SheetRow]) -> dict[str, list[int]]:
    """Ids that stand on several rows: which of them is meant nobody can tell."""
    at: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        if row.wanted and row.wanted.own_id:
            at[row.wanted.own_id].append(row.number)
    return {own: numbers for own, numbers in at.items() if len(numbers) > 1}


def _known(session: Session, event: Event, ids: Sequence[str]) -> dict[str, Payment]:
    """The payments of registrations that are here, by id; of one asked for again, the newest."""
    found: dict[str, Payment] = {}
    query = (
        select(Registration.registration_id, Payment)
        .join(Payment, Payment.reference == Registration.reference)
        .options(selectinload(Payment.links))
        .where(Registration.event_id == event.id)
        .order_by(Registration.number)
    )
    for some in some_at_once(ids):
        rows = session.execute(query.where(Registration.registration_id.in_(some))).all()
        found.update((own, families.current(session, payment)) for own, payment in rows)
    return found


def _look(
    session: Session,
    event: Event,
    row: SheetRow,
    own_id: str,
    twice: Mapping[str, Sequence[int]],
    known: Mapping[str, Payment],
    priced: bool,
    *,
    demo: bool,
    now: datetime,
) -> Looked:
    if row.wanted is None:
        return Looked(row.number, own_id, "", None, Change(Becomes.REFUSED, row.fault), None)
    asks = row.wanted
    in_another = asks.quoted is not None or bool(asks.quote_in)
    by_list = bool((priced and asks.category and not in_another) or asks.extras or asks.code)
    later = by_list or in_another
    wanted = Wanted(
        asks.own_id, asks.amount if asks.says_amount or not later else None, asks.name, asks.email,
        asks.phone, asks.category, asks.note, extras=asks.extras, code=asks.code, by_list=by_list,
        quoted=asks.quoted, quote_in=asks.quote_in,
    )  # fmt: skip
    amount = wanted.amount
    change, payment = Change(Becomes.NEW), known.get(wanted.registration_id)
    try:
        if wanted.registration_id in twice:
            rows = ", ".join(map(str, twice[wanted.registration_id]))
            raise InvalidInput(f"Rows {rows} carry the same id. Leave the one that is meant.")
        wanted, chosen = registration_requests.checked(session, event, wanted, demo=demo)
        cost = registration_prices.cost_of_row(session, event, payment, chosen, now)
    except (InvalidInput, Conflict) as error:
        change = Change(Becomes.REFUSED, str(error))
    else:
        wanted, amount = replace(wanted, amount=cost.amount, quoted=cost.quoted, quote_in=""), cost.amount
        if payment is not None:
            told, family = registration_changes.told_by(payment, wanted), families.members(session, payment)
            change = registration_changes.judge(payment, event.id, replace(wanted, **told), cost, family)
    return Looked(
        row.number, asks.own_id, asks.name, amount, change, wanted, payment.reference if payment else ""
    )


# -- the doing ----------------------------------------------------------------------------------------


def start(session: Session, person: Person, preview: Preview, *, now: datetime) -> int:
    """Write the file and its rows down; ``step`` does those that wait. Returns the file's id.

    What a row becomes is judged again when its turn comes. Raises NotFound, NotAllowed, Conflict.
    """
    standstill.refuse(session)
    event = _event(session, person, preview.event_code)
    kept = RegistrationFile(
        event_id=event.id, file=preview.file, sha256=preview.sha256,
        headings={"cells": list(preview.headings)},
        meant={str(column): heading for column, heading in preview.meant.items()},
        brought_by=person.name, created_at=now,
    )  # fmt: skip
    session.add(kept)
    session.flush()
    session.execute(insert(RegistrationRow), [_row(kept.id, one) for one in preview.rows])
    counted = Counter(str(one.change.becomes) for one in preview.rows)
    audit.record(
        session, person, "import_registrations", f"registrations {kept.id}", now=now, event_id=event.id,
        file=kept.file, sha256=kept.sha256, rows=len(preview.rows), foreseen=dict(sorted(counted.items())),
    )  # fmt: skip
    return kept.id


def _row(file_id: int, one: Looked) -> dict[str, Any]:
    waits = one.change.becomes in (Becomes.NEW, Becomes.CHANGED)
    return {
        "file_id": file_id, "number": one.number, "registration_id": one.registration_id,
        "wanted": _plain(one.wanted) if waits and one.wanted else {},
        "outcome": "waiting" if waits else str(one.change.becomes),
        "why": "" if waits else one.change.told, "reference": one.reference, "asked_at": None,
    }  # fmt: skip


def _plain(wanted: Wanted) -> dict[str, Any]:
    assert wanted.amount is not None, "a row is written down with what it costs"
    return {
        "amount_minor": wanted.amount.minor, "currency": wanted.amount.currency,
        "payer_name": wanted.payer_name, "payer_email": wanted.payer_email,
        "payer_phone": wanted.payer_phone, "category": wanted.category, "note": wanted.note,
        "extras": [list(one) for one in wanted.extras], "code": wanted.code, "by_list": wanted.by_list,
        "quoted": [wanted.quoted.minor, wanted.quoted.currency] if wanted.quoted else None,
    }  # fmt: skip


def _wanted(row: RegistrationRow) -> Wanted:
    plain = dict(row.wanted)
    amount = Money(plain.pop("amount_minor"), plain.pop("currency"))
    extras = tuple((name, count) for name, count in plain.pop("extras", ()))
    quoted = Money(*said) if (said := plain.pop("quoted", None)) else None
    return Wanted(row.registration_id, amount, extras=extras, quoted=quoted, **plain)


def step(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    person: Person,
    file_id: int,
    *,
    addresses: Addresses,
    demo: bool,
    now: datetime,
) -> FileView:
    """Do the next few rows, several at once. Raises NotFound, and Conflict while the desk stands still."""
    with sessions.begin() as session:
        standstill.refuse(session)
        kept = _file(session, person, file_id)
        code = session.get_one(Event, kept.event_id).code
        rows = [(row.id, _wanted(row)) for row in _claim(session, file_id, now)]

    def do(wanted: Wanted) -> tuple[str, str, str]:
        """Its outcome, why, and its payment."""
        try:
            reference, change = registrations.bring(
                sessions, gateways, person, code, wanted, addresses=addresses, demo=demo, now=now
            )
        except PaymentsError as error:
            return str(Becomes.REFUSED), str(error), ""
        return str(change.becomes), change.told, reference

    with ThreadPoolExecutor(AT_ONCE) as several:
        told = list(several.map(do, (wanted for _, wanted in rows)))
    with sessions.begin() as session:
        for (row_id, _), (outcome, why, reference) in zip(rows, told, strict=True):
            values = {"outcome": outcome, "why": why, "wanted": {}} | (
                {"reference": reference} if reference else {}
            )
            session.execute(update(RegistrationRow).where(RegistrationRow.id == row_id).values(**values))
        return _finish(session, person, file_id, bool(rows), now)


def _claim(session: Session, file_id: int, now: datetime) -> Sequence[RegistrationRow]:
    """The next rows, marked so that another window takes others."""
    given_up = (RegistrationRow.outcome == "asking") & (RegistrationRow.asked_at < now - _GIVEN_UP)
    waiting = select(RegistrationRow).where(
        RegistrationRow.file_id == file_id, or_(RegistrationRow.outcome == "waiting", given_up)
    )
    query = waiting.order_by(RegistrationRow.id).limit(STEP).with_for_update(skip_locked=True)
    rows = session.scalars(query).all()
    for row in rows:
        row.outcome, row.asked_at = "asking", now
    return rows


def _finish(session: Session, person: Person, file_id: int, did: bool, now: datetime) -> FileView:
    view = _view(session, _file(session, person, file_id))
    if did and not view.left:
        audit.record(
            session, person, "finish_registrations", f"registrations {file_id}", now=now,
            event_id=_file(session, person, file_id).event_id, outcomes=dict(sorted(view.outcomes.items())),
        )  # fmt: skip
    return view


def import_all(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    person: Person,
    preview: Preview,
    *,
    addresses: Addresses,
    demo: bool,
    now: datetime,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FileView:
    """A file from its preview to its last row. ``progress`` is told how many of how many are done."""
    with sessions.begin() as session:
        standstill.refuse(session)
        file_id = start(session, person, preview, now=now)
        view = get(session, person, file_id)
    while view.outcomes.get("waiting"):
        progress(view.total - view.left, view.total)
        view = step(sessions, gateways, person, file_id, addresses=addresses, demo=demo, now=now)
    return view


# -- what became of it --------------------------------------------------------------------------------


def recent(session: Session, person: Person, *, limit: int = 20) -> tuple[FileView, ...]:
    """The newest files of this person's events, the newest first."""
    check(person, Action.RECORD)
    query = select(RegistrationFile).order_by(RegistrationFile.id.desc()).limit(limit)
    if person.events is not None:
        query = query.where(RegistrationFile.event_id.in_(sorted(person.events)))
    return tuple(_view(session, kept) for kept in session.scalars(query))


def get(session: Session, person: Person, file_id: int) -> FileView:
    return _view(session, _file(session, person, file_id))


def results(
    session: Session, person: Person, file_id: int, *, outcome: str | None = None, limit: int | None = None
) -> tuple[Result, ...]:
    """Every row, or those of an outcome, in the file's order."""
    _file(session, person, file_id)
    query = select(RegistrationRow).where(RegistrationRow.file_id == file_id).order_by(RegistrationRow.number)
    if outcome:
        query = query.where(RegistrationRow.outcome == outcome)
    return tuple(
        Result(row.number, row.registration_id, row.outcome, row.why, row.reference)
        for row in session.scalars(query.limit(limit))
    )


def _file(session: Session, person: Person, file_id: int) -> RegistrationFile:
    kept = session.get(RegistrationFile, file_id)
    if kept is None or not person.may(Action.RECORD, kept.event_id):
        raise NotFound("There is no such file here.")
    return kept


def _view(session: Session, kept: RegistrationFile) -> FileView:
    event = session.get_one(Event, kept.event_id)
    grouped = select(RegistrationRow.outcome, func.count()).where(RegistrationRow.file_id == kept.id)
    counts = {
        outcome: int(count) for outcome, count in session.execute(grouped.group_by(RegistrationRow.outcome))
    }
    return FileView(kept.id, kept.file, event.code, event.name, kept.brought_by, kept.created_at, counts)
