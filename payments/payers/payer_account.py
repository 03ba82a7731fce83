"""Statement of account: everything one payer was asked for and everything that came of it, with a balance.

One payer is who has the same e-mail address or phone number; without either, it is the one payment.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db.models import AmountChange, Payment, Refund, RefundReturn, Reversal, TimelineEntry
from db.money import Money
from payments import dates, lifecycle, obligations, references
from payments.access.people import Action, Person
from payments.books import audit
from payments.lifecycle import CLOSED, Kind, Source
from payments.money_back import crediting
from payments.payers.places import PlaceView, of_many
from payments.selling import organisers
from payments.selling.organisers import Organiser

#: More payments of one payer are a list to search, not a paper.
MOST = 200


@dataclass(frozen=True)
class Line:
    """``asked`` and ``paid`` are what it adds to each, below nothing where it takes away."""

    on: date
    what: str
    reference: str
    asked: Money
    paid: Money
    balance: Money


@dataclass(frozen=True)
class Account:
    """``balance`` is what is still owed; below nothing, what is here too much. ``left_out``: payments of the
    same payer that did not fit."""

    payer: str
    contact: str
    organiser: Organiser
    events: tuple[str, ...]
    lines: tuple[Line, ...]
    asked: Money
    paid: Money
    balance: Money
    places: tuple[tuple[str, PlaceView], ...]
    left_out: int
    as_of: datetime
    demo: bool

    @property
    def file_name(self) -> str:
        return f"account-{self.lines[0].reference}.pdf"


def hand_out(session: Session, person: Person, reference: str, *, now: datetime) -> Account:
    """The account of a payment's payer, of the events that this person may see; that they took it is written
    down. Raises NotFound, NotAllowed, Conflict (the desk stands still)."""
    first = obligations.held(session, person, Action.ISSUE_LINK, reference)
    account = _account(session, person, first, now)
    told = f"A statement of account was made as a PDF: {account.balance} owed."
    lifecycle.note(session, first, Kind.NOTE, now=now, source=Source.DESK, actor=person.name, text=told)
    audit.record(
        session, person, "print_account", first.reference, now=now, event_id=first.event_id,
        balance_minor=account.balance.minor, payments=len({line.reference for line in account.lines}),
    )  # fmt: skip
    return account


def _account(session: Session, person: Person, first: Payment, now: datetime) -> Account:
    rows, left_out = _payments(session, person, first)
    nothing = Money(0, first.amount_currency)
    lines, balance = [], nothing
    for line in sorted(_lines(session, rows, nothing), key=lambda line: line.on):
        balance = balance + line.asked - line.paid
        lines.append(replace(line, balance=balance))
    places = of_many(session, rows)
    return Account(
        payer=first.payer_name,
        contact=first.payer_email or first.payer_phone,
        organiser=organisers.of(session, first.event_id),
        events=tuple(dict.fromkeys(row.event.name for row in rows)),
        lines=tuple(lines),
        asked=sum((line.asked for line in lines), nothing),
        paid=sum((line.paid for line in lines), nothing),
        balance=balance,
        places=tuple(
            (references.spoken(row.reference), place) for row in rows for place in places.get(row.id, ())
        ),
        left_out=left_out,
        as_of=now,
        demo=first.mode == "demo",
    )


def _payments(session: Session, person: Person, first: Payment) -> tuple[list[Payment], int]:
    """Those of the same payer and currency, the oldest first, and how many more there are."""
    reached = [
        column == value
        for column, value in (
            (Payment.payer_email, first.payer_email),
            (Payment.payer_phone, first.payer_phone),
        )
        if value
    ]
    if not reached:
        return [first], 0
    same = select(Payment).where(or_(*reached), Payment.amount_currency == first.amount_currency)
    if person.events is not None:
        same = same.where(Payment.event_id.in_(sorted(person.events)))
    rows = list(session.scalars(same.order_by(Payment.id)))
    return rows[-MOST:], max(0, len(rows) - MOST)


def _lines(session: Session, rows: Sequence[Payment], nothing: Money) -> Iterator[Line]:
    for row in rows:
        for at, what, asked, paid in (*_owed(session, row), *_money(session, row)):
            yield Line(
                at if isinstance(at, date) and not isinstance(at, datetime) else dates.business_day(at),
                what, references.spoken(row.reference), Money(asked, nothing.currency),
                Money(paid, nothing.currency), nothing,
            )  # fmt: skip


_Told = tuple[date | datetime, str, int, int]


def _owed(session: Session, row: Payment) -> Iterator[_Told]:
    """What was asked for, less what is not asked for any more."""
    what = f"{row.event.name}: {row.category.name}" if row.category else row.event.name
    several = f", {row.place_count} people" if row.place_count else ""
    yield row.created_at, f"{what}{several}", row.amount_minor, 0
    if row.written_off_minor:
        yield row.updated_at, "Written off", -row.written_off_minor, 0
    if row.status in CLOSED:
        changed = select(TimelineEntry.at).where(
            TimelineEntry.payment_id == row.id, TimelineEntry.kind == Kind.STATUS
        )
        at = session.scalars(changed.order_by(TimelineEntry.id.desc()).limit(1)).one()
        yield at, f"Not asked for any more: {row.status}", -(row.owed_minor - row.received_minor), 0


def _money(session: Session, row: Payment) -> Iterator[_Told]:
    """What came, what was taken back, and what was given back or is owed back."""
    for receipt in row.receipts:
        yield receipt.received_at, f"Received by {_HOW[receipt.kind]}", 0, receipt.amount_minor
    for back in session.scalars(select(Reversal).where(Reversal.payment_id == row.id)):
        yield back.reversed_at, f"Taken back: {back.why}", 0, -back.amount_minor
    yield from _let_go(session, row)


def _let_go(session: Session, row: Payment) -> Iterator[_Told]:
    """Credits and refunds: what is given back is not asked for either, unless a credit had let it go."""
    credited = select(AmountChange).where(
        AmountChange.payment_id == row.id, AmountChange.kind == crediting.CREDITED
    )
    came = select(RefundReturn).where(RefundReturn.payment_id == row.id, RefundReturn.undone_at.is_(None))
    moves: list[tuple[date, int, str, int, int]] = []
    for change in session.scalars(credited):
        what = f"Credit: {change.why}" if change.amount_minor > 0 else f"No credit after all: {change.why}"
        moves.append((dates.business_day(change.at), 0, what, change.amount_minor, 0))
    given_back = session.scalars(select(Refund).where(Refund.payment_id == row.id))
    moves += [(one.refunded_on, 1, "Given back", 0, one.amount_minor) for one in given_back]
    moves += [
        (dates.business_day(one.at), 2, "The bank sent it back", 0, -one.amount_minor)
        for one in session.scalars(came)
    ]
    credit = refund = 0
    for on, _, what, credit_minor, refund_minor in sorted(moves, key=lambda move: move[:2]):
        before = max(credit, refund)
        credit, refund = credit + credit_minor, refund + refund_minor
        let_go = max(credit, refund) - before
        not_asked = ", and not asked for" if refund_minor > 0 and let_go else ""
        yield on, f"{what}{not_asked}", -let_go, -refund_minor


_HOW = {"gateway": "iKhokha", "cash": "cash", "card_slip": "card machine", "eft": "EFT"}
