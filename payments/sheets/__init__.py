"""Many links from one sheet: what each row would become, then the making, and the sheet back with links.

A row is known by its key, and its reference is drawn before the gateway is asked: who is interrupted, brings
the same sheet again, or has it open in two windows, makes no link twice (``links.issue`` returns the one that
is there). What was reserved and never made goes on where it stopped.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import func, or_, select, update
from sqlalchemy.orm import Session

from db.many import some_at_once
from db.models import Event, Link, Payment, SheetFile, SheetLine, SheetPayment
from db.money import Money
from db.session import Sessions
from payments import obligations
from payments.access.people import Action, Person, check
from payments.asking import links
from payments.asking.links import Addresses
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound, PaymentsError
from payments.gateways import Gateway
from payments.lifecycle import CLOSED, Status
from payments.obligations import Draft
from payments.selling import on_sale
from payments.selling.events import event_row
from payments.selling.on_sale import Offers
from payments.selling.prices import Choice
from payments.sheets.reading import PriceLine, Sheet, SheetRow, Wanted
from payments.sheets.reading import read as _read
from payments.watching import standstill

#: Links asked for at the same moment, and in one step.
AT_ONCE, STEP = 5, 20
#: After so long whoever was making a row's link is gone.
_GIVEN_UP = timedelta(minutes=2)


class RowState(StrEnum):
    WAITING = "waiting"
    ASKING = "asking"
    MADE = "made"
    FAILED = "failed"
    WRONG = "wrong"  # the row must be mended in the sheet
    KNOWN = "known"  # an earlier sheet made its link
    ALIKE = "alike"  # somebody of this phone or e-mail address has a payment of the event


@dataclass(frozen=True)
class Looked:
    """A row, and what would become of it."""

    row: SheetRow
    outcome: RowState
    why: str = ""


@dataclass(frozen=True)
class Preview:
    event_name: str
    sheet: Sheet
    rows: tuple[Looked, ...]

    def of(self, *outcomes: RowState) -> tuple[Looked, ...]:
        return tuple(each for each in self.rows if each.outcome in outcomes)

    def sum(self, *outcomes: RowState) -> Money:
        """What the rows of these outcomes ask for together."""
        wanted = [each.row.wanted.amount for each in self.of(*outcomes) if each.row.wanted]
        return sum(wanted, Money(0, wanted[0].currency if wanted else "ZAR"))


@dataclass(frozen=True)
class SheetView:
    """A sheet that was started, and how far it is."""

    id: int
    file: str
    event_id: int
    event_name: str
    event_code: str
    brought_by: str
    created_at: datetime
    outcomes: Mapping[RowState, int]

    @property
    def total(self) -> int:
        return sum(self.outcomes.values())

    @property
    def left(self) -> int:
        return self.outcomes.get(RowState.WAITING, 0) + self.outcomes.get(RowState.ASKING, 0)


@dataclass(frozen=True)
class Made:
    """A row of a started sheet. ``reference``, ``url`` and ``status`` are its payment's, once it has one."""

    number: int
    cells: tuple[str, ...]
    outcome: RowState
    why: str
    name: str
    amount: Money | None
    reference: str
    url: str
    status: Status | None


# -- what it would do ---------------------------------------------------------------------------------


def read(
    session: Session, person: Person, event_code: str, name: str, data: bytes, *, now: datetime
) -> Sheet:
    """A file against the event's prices of today. Raises InvalidInput when it cannot be read as a whole."""
    event = _event(session, person, event_code)
    return _read(name, data, price_lines(on_sale.of_event(session, event, now)), event.currency)


def price_lines(found: Offers) -> list[PriceLine]:
    """What the word of a category means in a file of today."""
    return [PriceLine(line.id, line.name, line.price, not found.priced) for line in found.categories]


def look(session: Session, person: Person, event_code: str, sheet: Sheet) -> Preview:
    """What would become of each row now; changes nothing. Raises NotFound, NotAllowed, Conflict."""
    event = _event(session, person, event_code)
    wanted = [row.wanted for row in sheet.rows if row.wanted]
    known = _known(session, event, [each.key for each in wanted])
    alike = _alike(session, event, wanted)
    return Preview(event.name, sheet, tuple(_look(event, row, known, alike) for row in sheet.rows))


def _event(session: Session, person: Person, event_code: str) -> Event:
    event = event_row(session, person, event_code)
    check(person, Action.ISSUE_LINK, event.id)
    if event.state != "open":
        raise Conflict(f"{event.name} is {event.state}; open it under Events before making links for it.")
    if event.currency != "ZAR":
        raise InvalidInput(f"{event.name} is priced in {event.currency}, and the gateway takes rand only.")
    return event


@dataclass(frozen=True)
class _Known:
    reference: str
    payment: Payment | None
    has_link: bool


def _known(session: Session, event: Event, keys: Sequence[str]) -> dict[str, _Known]:
    found: dict[str, _Known] = {}
    made = (
        select(SheetPayment, Payment)
        .outerjoin(Payment, Payment.reference == SheetPayment.reference)
        .where(SheetPayment.event_id == event.id)
    )
    for some in some_at_once(keys):
        for kept, payment in session.execute(made.where(SheetPayment.key.in_(some))):
            has_link = payment is not None and any(link.url for link in payment.links)
            found[kept.key] = _Known(kept.reference, payment, has_link)
    return found


def _alike(session: Session, event: Event, wanted: Iterable[Wanted]) -> dict[str, Payment]:
    """By address and number: payments of the event that count. Who shares a name is not asked about here."""
    reached = sorted({each for row in wanted for each in (row.email, row.phone) if each})
    found: dict[str, Payment] = {}
    for some in some_at_once(reached):
        query = select(Payment).where(
            Payment.event_id == event.id,
            Payment.status.not_in([status.value for status in CLOSED]),
            or_(Payment.payer_email.in_(some), Payment.payer_phone.in_(some)),
        )
        for payment in session.scalars(query):
            found |= {each: payment for each in (payment.payer_email, payment.payer_phone) if each}
    return found


def _look(event: Event, row: SheetRow, known: Mapping[str, _Known], alike: Mapping[str, Payment]) -> Looked:
    if row.wanted is None:
        return Looked(row, RowState.WRONG, row.fault)
    kept = known.get(row.wanted.key)
    if kept is not None and kept.payment is not None:
        try:
            obligations.same_intent(kept.payment, event, _draft(kept.reference, event, row.wanted))
        except Conflict as error:
            return Looked(row, RowState.WRONG, str(error))
        if kept.has_link or kept.payment.status in CLOSED:
            return Looked(row, RowState.KNOWN, f"{kept.reference} is {kept.payment.status}.")
    twin = alike.get(row.wanted.email) or alike.get(row.wanted.phone)
    if twin is not None and (kept is None or kept.reference != twin.reference):
        return Looked(
            row, RowState.ALIKE, f"{twin.reference} of {twin.payer_name}, {twin.amount}, is {twin.status}."
        )
    return Looked(row, RowState.WAITING)


def _draft(reference: str, event: Event, wanted: Wanted) -> Draft:
    return Draft(
        reference, event.code, wanted.amount, wanted.name, wanted.email, wanted.phone,
        wanted.category_id, wanted.note, wanted.places,
    )  # fmt: skip


# -- the making ---------------------------------------------------------------------------------------


def start(
    session: Session,
    person: Person,
    event_code: str,
    sheet: Sheet,
    *,
    also_alike: bool,
    demo: bool,
    now: datetime,
) -> int:
    """Write the sheet down and draw a reference for each link it is to have; ``step`` makes them.

    ``also_alike``: somebody looked at those who seem to have a payment already, and wants theirs too. Returns
    the sheet's id. Raises InvalidInput when no row is left to make.
    """
    preview = look(session, person, event_code, sheet)
    event = _event(session, person, event_code)
    making = {RowState.WAITING, RowState.ALIKE} if also_alike else {RowState.WAITING}
    if not preview.of(*making):
        raise InvalidInput("No row of this sheet needs a link. Look at what each one says.")
    kept = SheetFile(
        event_id=event.id, file=sheet.file, headings={"cells": list(sheet.headings)},
        brought_by=person.name, created_at=now,
    )  # fmt: skip
    session.add(kept)
    session.flush()
    for each in preview.rows:
        outcome = RowState.WAITING if each.outcome in making else each.outcome
        session.add(_line(kept.id, each, outcome))
    keys = [each.row.wanted.key for each in preview.of(*making) if each.row.wanted]
    _reserve(session, person, event, keys, demo=demo)
    audit.record(
        session, person, "start_sheet", f"sheet {kept.id}", now=now, event_id=event.id,
        file=sheet.file, links=len(keys), sum_minor=preview.sum(*making).minor,
    )  # fmt: skip
    return kept.id


def _line(sheet_id: int, each: Looked, outcome: RowState) -> SheetLine:
    wanted = each.row.wanted
    plain = {
        "name": wanted.name, "email": wanted.email, "phone": wanted.phone,
        "amount_minor": wanted.amount.minor, "category_id": wanted.category_id, "note": wanted.note,
        "people": list(wanted.people),
    } if wanted else {}  # fmt: skip
    return SheetLine(
        sheet_id=sheet_id, number=each.row.number, cells={"cells": list(each.row.cells)}, wanted=plain,
        key=wanted.key if wanted else None, outcome=outcome, why=each.why, asked_at=None,
    )  # fmt: skip


def _reserve(session: Session, person: Person, event: Event, keys: Sequence[str], *, demo: bool) -> None:
    """Two who bring one sheet in the same moment: the second is refused by the table, and may look again."""
    drawn = _known(session, event, keys)
    for key in keys:
        if key not in drawn:
            reference = obligations.draft_reference(session, person, event.code, demo=demo)
            session.add(SheetPayment(event_id=event.id, key=key, reference=reference))


def step(
    sessions: Sessions,
    gateway: Gateway,
    person: Person,
    sheet_id: int,
    *,
    addresses: Addresses,
    now: datetime,
) -> SheetView:
    """Make the next few links, several at once. Raises NotFound, and Conflict while the desk stands still."""
    with sessions.begin() as session:
        standstill.refuse(session)
        _sheet(session, person, sheet_id)
        claimed = _claim(session, sheet_id, now)
        drafts = [(row.id, _draft_of(session, row)) for row in claimed]

    def make(draft: Draft) -> tuple[RowState, str]:
        try:
            made = links.issue(sessions, gateway, draft, person=person, addresses=addresses, now=now)
        except PaymentsError as error:
            return RowState.FAILED, str(error)
        if made.url is None:
            return (
                RowState.FAILED,
                "The gateway has not said yet whether it made this link. Try again in minutes.",
            )
        return RowState.MADE, ""

    with ThreadPoolExecutor(AT_ONCE) as several:
        told = list(several.map(make, (draft for _, draft in drafts)))
    with sessions.begin() as session:
        for (row_id, _draft), (outcome, why) in zip(drafts, told, strict=True):
            session.execute(update(SheetLine).where(SheetLine.id == row_id).values(outcome=outcome, why=why))
        return _view(session, _sheet(session, person, sheet_id))


def _claim(session: Session, sheet_id: int, now: datetime) -> Sequence[SheetLine]:
    """The next rows, marked so that another window takes others."""
    given_up = (SheetLine.outcome == RowState.ASKING) & (SheetLine.asked_at < now - _GIVEN_UP)
    waiting = select(SheetLine).where(
        SheetLine.sheet_id == sheet_id, or_(SheetLine.outcome == RowState.WAITING, given_up)
    )
    rows = session.scalars(waiting.order_by(SheetLine.id).limit(STEP).with_for_update(skip_locked=True)).all()
    for row in rows:
        row.outcome, row.asked_at = RowState.ASKING, now
    return rows


def _draft_of(session: Session, row: SheetLine) -> Draft:
    sheet = session.get_one(SheetFile, row.sheet_id)
    event = session.get_one(Event, sheet.event_id)
    kept = session.get_one(SheetPayment, (event.id, row.key))
    wanted = _wanted(row, event.currency)
    draft = _draft(kept.reference, event, wanted)
    if wanted.category_id is None or not on_sale.is_priced(session, event):
        return draft
    return replace(draft, choice=Choice(wanted.category_id, len(wanted.people) or 1))


def _wanted(row: SheetLine, currency: str) -> Wanted:
    plain: dict[str, Any] = row.wanted
    return Wanted(
        plain["name"], plain["email"], plain["phone"], Money(plain["amount_minor"], currency),
        plain["category_id"], plain["note"], row.key or "", tuple(plain.get("people", ())),
    )  # fmt: skip


def retry(session: Session, person: Person, sheet_id: int, *, now: datetime) -> int:
    """Have those that failed wait again. Returns how many."""
    sheet = _sheet(session, person, sheet_id)
    failed = session.scalars(
        select(SheetLine).where(SheetLine.sheet_id == sheet.id, SheetLine.outcome == RowState.FAILED)
    ).all()
    for row in failed:
        row.outcome, row.why = RowState.WAITING, ""
    audit.record(
        session,
        person,
        "retry_sheet",
        f"sheet {sheet.id}",
        now=now,
        event_id=sheet.event_id,
        links=len(failed),
    )
    return len(failed)


# -- what became of it --------------------------------------------------------------------------------


def recent(session: Session, person: Person, *, limit: int = 10) -> tuple[SheetView, ...]:
    """The newest sheets of this person's events, the newest first."""
    query = select(SheetFile).order_by(SheetFile.id.desc()).limit(limit)
    if person.events is not None:
        query = query.where(SheetFile.event_id.in_(sorted(person.events)))
    return tuple(_view(session, sheet) for sheet in session.scalars(query))


def get(session: Session, person: Person, sheet_id: int) -> SheetView:
    return _view(session, _sheet(session, person, sheet_id))


def headings(session: Session, person: Person, sheet_id: int) -> tuple[str, ...]:
    return tuple(_sheet(session, person, sheet_id).headings["cells"])


def made(session: Session, person: Person, sheet_id: int) -> tuple[Made, ...]:
    """Every row with its payment as it stands now, in the sheet's order."""
    sheet = _sheet(session, person, sheet_id)
    currency = session.get_one(Event, sheet.event_id).currency
    query = (
        select(SheetLine, Payment)
        .outerjoin(
            SheetPayment, (SheetPayment.key == SheetLine.key) & (SheetPayment.event_id == sheet.event_id)
        )
        .outerjoin(Payment, Payment.reference == SheetPayment.reference)
        .where(SheetLine.sheet_id == sheet.id)
        .order_by(SheetLine.number)
    )
    found = session.execute(query).all()
    urls = _urls(session, [payment.id for _, payment in found if payment])
    return tuple(_made(row, payment, urls, currency) for row, payment in found)


def _urls(session: Session, payment_ids: Sequence[int]) -> dict[int, str]:
    """The newest link of each that has one."""
    found: dict[int, str] = {}
    for some in some_at_once(payment_ids):
        query = select(Link.payment_id, Link.url).where(Link.payment_id.in_(some), Link.url.is_not(None))
        found |= {payment_id: url or "" for payment_id, url in session.execute(query.order_by(Link.id))}
    return found


def _made(row: SheetLine, payment: Payment | None, urls: Mapping[int, str], currency: str) -> Made:
    return Made(
        number=row.number,
        cells=tuple(row.cells["cells"]),
        outcome=RowState(row.outcome),
        why=row.why,
        name=row.wanted.get("name", ""),
        amount=Money(row.wanted["amount_minor"], currency) if row.wanted else None,
        reference=payment.reference if payment else "",
        url=urls.get(payment.id, "") if payment else "",
        status=Status(payment.status) if payment else None,
    )


def _sheet(session: Session, person: Person, sheet_id: int) -> SheetFile:
    sheet = session.get(SheetFile, sheet_id)
    if sheet is None or not person.may(Action.ISSUE_LINK, sheet.event_id):
        raise NotFound("There is no such sheet here.")
    return sheet


def _view(session: Session, sheet: SheetFile) -> SheetView:
    event = session.get_one(Event, sheet.event_id)
    grouped = (
        select(SheetLine.outcome, func.count())
        .where(SheetLine.sheet_id == sheet.id)
        .group_by(SheetLine.outcome)
    )
    counts = Counter({RowState(outcome): int(count) for outcome, count in session.execute(grouped)})
    return SheetView(
        sheet.id, sheet.file, event.id, event.name, event.code, sheet.brought_by, sheet.created_at, counts
    )
