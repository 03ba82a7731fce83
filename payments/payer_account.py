"""Statement of account: everything one payer was asked for and everything that came of it, with a balance.

One payer is who has the same e-mail address or phone number; without either, it is the one payment.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db.models import Payment, Refund, RefundReturn, Reversal, TimelineEntry
from db.money import Money
from payments import audit, dates, lifecycle, obligations, organisers, references
from payments.lifecycle import CLOSED, Kind, Source
from payments.organisers import Organiser
from payments.people import Action, Person
from payments.places import PlaceView, of_many

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
    """What came, what was taken back, and what was given back, which is then not asked for either."""
    for receipt in row.receipts:
        yield receipt.received_at, f"Received by {_HOW[receipt.kind]}", 0, receipt.amount_minor
    for back in session.scalars(select(Reversal).where(Reversal.payment_id == row.id)):
        yield back.reversed_at, f"Taken back: {back.why}", 0, -back.amount_minor
    for given in session.scalars(select(Refund).where(Refund.payment_id == row.id)):
        yield given.refunded_on, "Given back, and not asked for", -given.amount_minor, -given.amount_minor
    came = select(RefundReturn).where(RefundReturn.payment_id == row.id, RefundReturn.undone_at.is_(None))
    for again in session.scalars(came):
        yield again.at, "The bank sent it back", again.amount_minor, again.amount_minor


_HOW = {"gateway": "iKhokha", "cash": "cash", "card_slip": "card machine", "eft": "EFT"}
