"""What stands behind a figure of a shift or of a person's day: the receipts, or links, that it adds up."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, Select, and_, exists, func, select
from sqlalchemy.orm import Session

from db.models import AuditEntry, Payment, Receipt, Reversal, Shift, Till, TillEntry
from db.money import Money
from payments.access.people import Action, Person, check
from payments.at_the_door import shifts
from payments.dates import Span, day_span
from payments.errors import Conflict, NotFound
from payments.lifecycle import Method
from payments.live.figures import Pile, Summed


class Which(StrEnum):
    """Which rows. Of a shift all but the last three; of a day cash, card and the last three."""

    RECEIPTS = "receipts"
    CASH = "cash"
    GIVEN_BACK = "given-back"
    CARD = "card"
    LINKS = "links"
    PAID_LINKS = "paid-links"
    UNCOUNTED = "uncounted"


@dataclass(frozen=True)
class Asked:
    """Of one shift, or of one day of whoever asks. ``machine``: of a shift's card slips those of this one."""

    which: Which
    shift_id: int = 0
    day: date | None = None
    machine: str = ""


@dataclass(frozen=True)
class Line:
    """A receipt of a till, or a link. ``amount`` is None while its drawer is still to be counted.

    ``reference`` and ``payer`` are empty where the payment belongs to another event by now, which whoever
    looks does not see: its money is in the figure all the same.
    """

    label: str
    at: datetime
    amount: Money | None
    reference: str
    payer: str
    note: str


@dataclass(frozen=True)
class Rows:
    lines: tuple[Line, ...]
    all: Summed


def of(session: Session, person: Person, asked: Asked) -> Rows:
    """The rows of a figure, the newest first; their count and sum are the figure's.

    Raises NotFound (no such shift or figure, another's shift), Conflict (its drawer is not counted).
    """
    check(person, Action.TAKE_MONEY)
    if asked.shift_id:
        shift = shifts.row(session, person, asked.shift_id)
        if shift.counted_at is None:
            raise Conflict("This drawer is still to be counted: what is in it is told after that.")
        return _receipts(session, person, [TillEntry.shift_id == shift.id, *_of_shift(asked)])
    if asked.day is None:
        raise NotFound("There is no such list here.")
    span = day_span(asked.day)
    if asked.which in (Which.LINKS, Which.PAID_LINKS):
        return _links(session, person, span, paid=asked.which is Which.PAID_LINKS)
    ways = {Which.CASH: Method.CASH, Which.CARD: Method.CARD_SLIP}
    if asked.which is Which.UNCOUNTED:
        return _receipts(session, person, [*taken(person, span), ~COUNTED], blind=True)
    if asked.which not in ways:
        raise NotFound("There is no such list here.")
    where = [*taken(person, span), COUNTED, TillEntry.method == ways[asked.which]]
    return _receipts(session, person, where)


def of_report(session: Session, person: Person, shift_id: int) -> Mapping[tuple[Which, str], int]:
    """How many rows each figure of a shift's report has, by which and by machine. Raises NotFound."""
    shift = shifts.row(session, person, shift_id)
    back = TillEntry.reverses_id.is_not(None)
    by = (TillEntry.method, TillEntry.machine, back)
    found: dict[tuple[Which, str], int] = {}
    rows = select(*by, func.count()).where(TillEntry.shift_id == shift.id).group_by(*by)
    for method, machine, is_back, count in session.execute(rows):
        if method == Method.CARD_SLIP:
            key = (Which.CARD, machine)
        else:
            key = (Which.GIVEN_BACK if is_back else Which.CASH, "")
        for each in (key, (Which.RECEIPTS, "")):
            found[each] = found.get(each, 0) + count
    return found


# -- which are meant ----------------------------------------------------------------------------------

COUNTED = Shift.counted_at.is_not(None)


def taken(person: Person, span: Span) -> tuple[ColumnElement[bool], ...]:
    """Receipts of this person's shifts, in this time."""
    return (Shift.person_id == person.id, TillEntry.at >= span.start, TillEntry.at < span.end)


def issued(person: Person, span: Span) -> ColumnElement[bool]:
    """A payment and the record of its link: that knows who issued it by their address, which two people never
    share."""
    return and_(
        AuditEntry.subject == Payment.reference,
        AuditEntry.action == "issue_link",
        AuditEntry.actor == person.email,
        AuditEntry.at >= span.start,
        AuditEntry.at < span.end,
    )


def by_link() -> ColumnElement[int]:
    """What came of a payment by its links, and was not taken back. Cash or a slip for it is a till's."""
    taken_back = exists().where(Reversal.receipt_id == Receipt.id)
    came = select(func.coalesce(func.sum(Receipt.amount_minor), 0)).where(
        Receipt.payment_id == Payment.id, Receipt.kind == Method.GATEWAY, ~taken_back
    )
    return came.correlate(Payment).scalar_subquery()


def _of_shift(asked: Asked) -> list[ColumnElement[bool]]:
    cash, back = TillEntry.method == Method.CASH, TillEntry.reverses_id
    match asked.which:
        case Which.RECEIPTS:
            return []
        case Which.CASH:
            return [cash, back.is_(None)]
        case Which.GIVEN_BACK:
            return [cash, back.is_not(None)]
        case Which.CARD:
            return [TillEntry.method == Method.CARD_SLIP, TillEntry.machine == asked.machine]
        case _:
            raise NotFound("There is no such list here.")


# -- read ---------------------------------------------------------------------------------------------


def _receipts(
    session: Session, person: Person, where: Iterable[ColumnElement[bool]], *, blind: bool = False
) -> Rows:
    query: Select[TillEntry, str, Payment] = (
        select(TillEntry, Till.name, Payment)
        .join(Payment, Payment.id == TillEntry.payment_id)
        .join(Shift, Shift.id == TillEntry.shift_id)
        .join(Till, Till.id == TillEntry.till_id)
        .where(*where)
        .order_by(TillEntry.at.desc(), TillEntry.id.desc())
    )
    lines, pile = [], Pile()
    for entry, till, payment in session.execute(query):
        reference, payer = _whose(person, payment)
        pile.add(1, 0 if blind else entry.amount_minor, entry.amount_currency)
        amount = None if blind else entry.amount
        slip = f"slip {entry.slip_number}" if entry.slip_number else ""
        note = "corrects another" if entry.reverses_id else slip
        lines.append(Line(f"{till} {entry.number:06d}", entry.at, amount, reference, payer, note))
    return Rows(tuple(lines), pile.summed())


def _links(session: Session, person: Person, span: Span, *, paid: bool) -> Rows:
    came = by_link()
    query = select(Payment, AuditEntry.at, came).join(AuditEntry, issued(person, span))
    query = query.where(came > 0) if paid else query
    lines, pile = [], Pile()
    for payment, at, minor in session.execute(query.order_by(AuditEntry.id.desc())):
        reference, payer = _whose(person, payment)
        amount = Money(int(minor), payment.amount_currency)
        pile.add(1, amount.minor, amount.currency)
        lines.append(Line("Link", at, amount, reference, payer, ""))
    return Rows(tuple(lines), pile.summed())


def _whose(person: Person, payment: Payment) -> tuple[str, str]:
    if not person.may(Action.SEE, payment.event_id):
        return "", ""
    return payment.reference, payment.payer_name
