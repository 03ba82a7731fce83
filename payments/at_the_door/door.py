"""The door: cash and card slips taken from a person who stands there, each a numbered receipt of a till."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Event, Payment, Receipt, Shift, TillEntry
from db.money import LARGEST_MINOR, Money
from payments import holding, lifecycle, obligations
from payments.access.people import Action, Person, check
from payments.at_the_door import shifts, slips
from payments.at_the_door.slips import Slip
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.lifecycle import CLOSED, SETTLED, Effect, Kind, Method, Source
from payments.money_back import reversals
from payments.obligations import Draft
from payments.payers import places
from payments.privacy import clean


@dataclass(frozen=True)
class Taking:
    """Money on the table. ``key`` is drawn when the form is first shown: sent twice it is one receipt.

    ``owed`` is the reference of a payment that is there already, or the draft of a new one. Without
    ``slip`` it is cash, and ``tendered`` is what the payer handed over. ``place``: it is for this one of
    several people alone. ``another_charge``: a person says that the machine numbers anew, so that a slip of a
    number that is on a receipt is another charge.
    """

    key: str
    shift_id: int
    owed: str | Draft
    amount: Money
    tendered: Money | None = None
    slip: Slip | None = None
    place: int = 0
    another_charge: bool = False


@dataclass(frozen=True)
class Taken:
    """A receipt of a till. ``reversed_by`` is the number of the correction that took it back."""

    id: int
    till: str
    number: int
    method: Method
    reference: str
    payer_name: str
    payer_phone: str
    event_name: str
    amount: Money
    tendered: Money | None
    change: Money | None
    slip: Slip | None
    at: datetime
    by: str
    why: str
    reverses: int | None
    reversed_by: int | None
    balance: Money

    @property
    def label(self) -> str:
        """``Main door 000042``: what is printed on the receipt."""
        return f"{self.till} {self.number:06d}"


def take(session: Session, person: Person, taking: Taking, *, now: datetime) -> Taken:
    """Write money down that is on the table, in the person's own open shift.

    Raises InvalidInput, NotFound, NotAllowed, Conflict (settled already, counted, another's shift), SlipUsed.
    """
    shift = shifts.locked_shift(session, person, taking.shift_id)
    if (known := _by_key(session, taking.key)) is not None:
        return _same_taking(session, known, taking)
    method = Method.CARD_SLIP if taking.slip else Method.CASH
    slip = slips.checked(taking.slip) if taking.slip else None
    twin = slips.found_on(session, shift.till.event_id, slip, now=now) if slip else None
    if slip and twin and not taking.another_charge:
        raise slips.used(session, twin, slip)
    payment = _payment(session, person, shift, taking, now)
    _checked_amount(session, payment, taking, shift)
    entry = _entry(shift, payment, taking.key, method, taking.amount, person, now)
    entry.tendered_minor = taking.tendered.minor if taking.tendered else None
    if slip:
        entry.slip_number, entry.card_last4, entry.machine = slip.number, slip.last_four, slip.machine
    entry.receipt_id = _receive(session, payment, entry, shift, taking, person, now)
    session.add(entry)
    session.flush()
    also_on = slips.label(session, twin) if twin else ""
    if also_on:
        told = f"{slip} is another charge than that of receipt {also_on}: the machine numbers anew."
        lifecycle.note(session, payment, Kind.NOTE, now=now, source=Source.DESK, actor=person.name, text=told)
    audit.record(
        session, person, f"take_{method}", payment.reference, now=now, event_id=payment.event_id,
        till=shift.till.name, number=entry.number, amount_minor=taking.amount.minor,
        **({"place": taking.place} if taking.place else {}), **({"also_on": also_on} if also_on else {}),
    )  # fmt: skip
    return _taken(session, entry)


def correct(
    session: Session, person: Person, entry_id: int, why: str, *, shift_id: int, key: str, now: datetime
) -> Taken:
    """Take a receipt back by another one, in the person's open shift: the drawer gives the cash back.

    Organisers correct their own receipts, finance everybody's. Raises InvalidInput, NotFound, Conflict.
    """
    shift = shifts.locked_shift(session, person, shift_id)
    if (known := _by_key(session, key)) is not None:
        return _taken(session, known)
    wrong = session.get(TillEntry, entry_id)
    owner = session.get_one(Shift, wrong.shift_id) if wrong else None
    if wrong is None or owner is None or owner.till.event_id != shift.till.event_id:
        raise NotFound("There is no such receipt at this event.")
    if owner.person_id != person.id and not person.may(Action.RECORD, wrong.payment.event_id):
        raise Conflict(f"{wrong.by} took this. Ask them, or finance, to correct it.")
    reason = clean(why, field="The reason", longest=500)
    if len(reason) < shifts.SHORTEST_WHY:
        raise InvalidInput(f"Say what was wrong, in {shifts.SHORTEST_WHY} characters or more.")
    if wrong.reverses_id is not None:
        raise Conflict("This is a correction itself. Take the money again instead.")
    return _corrected(session, person, shift, wrong, reason, key, now)


def _corrected(
    session: Session, person: Person, shift: Shift, wrong: TillEntry, why: str, key: str, now: datetime
) -> Taken:
    payment = holding.payment(session, wrong.payment_id)
    receipt = session.get_one(Receipt, wrong.receipt_id)
    reversals.reverse(session, payment, receipt, why, now=now, source=Source.DESK, actor=person.name)
    entry = _entry(shift, payment, key, Method(wrong.method), -wrong.amount, person, now)
    entry.receipt_id, entry.reverses_id, entry.why = receipt.id, wrong.id, why
    entry.slip_number, entry.card_last4, entry.machine = wrong.slip_number, wrong.card_last4, wrong.machine
    session.add(entry)
    session.flush()
    audit.record(
        session, person, "correct_receipt", payment.reference, now=now, event_id=payment.event_id,
        till=shift.till.name, number=entry.number, corrects=wrong.number, why=why,
    )  # fmt: skip
    return _taken(session, entry)


# -- looking ----------------------------------------------------------------------------------------


def receipt(session: Session, person: Person, entry_id: int) -> Taken:
    """One receipt of a shift this person may see. Raises NotFound."""
    entry = session.get(TillEntry, entry_id)
    if entry is None:
        raise NotFound("There is no such receipt here.")
    shifts.row(session, person, entry.shift_id)
    return _taken(session, entry)


def roll(session: Session, person: Person, shift_id: int, *, last: int) -> tuple[Taken, ...]:
    """The ``last`` receipts and corrections of a shift, the newest first. Raises NotFound."""
    shift = shifts.row(session, person, shift_id)
    newest = select(TillEntry).where(TillEntry.shift_id == shift.id).order_by(TillEntry.number.desc())
    return tuple(_taken(session, entry) for entry in session.scalars(newest.limit(last)))


# -- inside -----------------------------------------------------------------------------------------


def _payment(session: Session, person: Person, shift: Shift, taking: Taking, now: datetime) -> Payment:
    """The payment the money is for, held until the transaction ends; a new one is made."""
    event = shift.till.event
    if isinstance(taking.owed, Draft):
        return _new(session, person, event, taking.owed, now)
    found = session.scalar(select(Payment).where(Payment.reference == taking.owed))
    if found is None or not person.may(Action.SEE, found.event_id):
        raise NotFound(f"There is no payment {taking.owed} here.")
    if found.event_id != event.id:
        raise Conflict(f"{taking.owed} is for another event than this till's.")
    return holding.payment(session, found.id)


def _new(session: Session, person: Person, event: Event, draft: Draft, now: datetime) -> Payment:
    check(person, Action.TAKE_MONEY, event.id)
    if draft.event_code.lower() != event.code.lower():
        raise InvalidInput(f"This till is {event.name}'s.")
    wanted = obligations.checked(draft)
    known = session.scalar(select(Payment).where(Payment.reference == wanted.reference))
    if known is not None:
        obligations.same_intent(known, event, wanted)
        return holding.payment(session, known.id)
    return obligations.create(session, event, wanted, person=person, now=now, source=Source.DESK)


def _checked_amount(session: Session, payment: Payment, taking: Taking, shift: Shift) -> None:
    amount, balance = taking.amount, payment.amount - payment.received
    cash = taking.slip is None  # what a card machine has charged is written down whatever was owed
    if cash and payment.status in SETTLED:
        raise Conflict(f"{payment.reference} has its money already. Give it back, or start a new payment.")
    if cash and payment.status in CLOSED:
        raise Conflict(f"{payment.reference} is {payment.status}. Start a new payment for this person.")
    if amount.currency != shift.currency or amount.currency != payment.amount_currency:
        raise InvalidInput(f"This payment is in {payment.amount_currency}, the till in {shift.currency}.")
    if not 1 <= amount.minor <= LARGEST_MINOR:
        raise InvalidInput("How much is taken? More than nothing.")
    if cash and balance < amount:
        raise InvalidInput(f"{balance} is owed. Take that, and give the rest as change.")
    if taking.place:
        _checked_place(session, payment, taking)
    if cash and taking.tendered is not None and taking.tendered < amount:
        raise InvalidInput(f"{taking.tendered} was handed over, less than {amount}.")


def _checked_place(session: Session, payment: Payment, taking: Taking) -> None:
    """What a card machine has charged is written down whatever was owed; who is to have it must be there."""
    place = places.one(session, payment, taking.place)
    if taking.slip is None and taking.amount.minor > place.missing.minor:
        raise InvalidInput(
            f"{place.missing} is missing for {place.name}. Take that, or money for all of them."
        )


def _entry(
    shift: Shift, payment: Payment, key: str, method: Method, amount: Money, person: Person, now: datetime
) -> TillEntry:
    """The next number of the till. It is given back when the transaction fails: no gap is left."""
    number = shift.till.next_number
    shift.till.next_number = number + 1
    return TillEntry(
        till_id=shift.till_id,
        shift_id=shift.id,
        number=number,
        key=key,
        method=method,
        payment_id=payment.id,
        amount_minor=amount.minor,
        amount_currency=amount.currency,
        at=now,
        by=person.name,
        slip_number="",
        card_last4="",
        machine="",
        why="",
    )


def _receive(
    session: Session,
    payment: Payment,
    entry: TillEntry,
    shift: Shift,
    taking: Taking,
    person: Person,
    now: datetime,
) -> int:
    source = f"roll-{shift.till_id}-{entry.number:06d}"
    effect = lifecycle.receive(
        session, payment, kind=entry.method, source_reference=source, amount=taking.amount,
        now=now, source=Source.DESK, actor=person.name, place=taking.place,
    )  # fmt: skip
    assert effect is not Effect.NOTHING, "a till's number is given once"
    ours = select(Receipt.id).where(Receipt.kind == entry.method, Receipt.source_reference == source)
    return session.scalars(ours).one()


def _by_key(session: Session, key: str) -> TillEntry | None:
    return session.scalar(select(TillEntry).where(TillEntry.key == key))


def _same_taking(session: Session, known: TillEntry, taking: Taking) -> Taken:
    if known.amount != taking.amount or known.shift_id != taking.shift_id:
        raise Conflict("This form was sent before, with something else in it. Start with the next payer.")
    return _taken(session, known)


def _taken(session: Session, entry: TillEntry) -> Taken:
    shift, payment = session.get_one(Shift, entry.shift_id), entry.payment
    numbers: Sequence[int | None] = [
        session.scalar(select(TillEntry.number).where(condition))
        for condition in (TillEntry.id == entry.reverses_id, TillEntry.reverses_id == entry.id)
    ]
    tendered = Money(entry.tendered_minor, entry.amount_currency) if entry.tendered_minor else None
    is_slip = entry.method == Method.CARD_SLIP
    return Taken(
        id=entry.id,
        till=shift.till.name,
        number=entry.number,
        method=Method(entry.method),
        reference=payment.reference,
        payer_name=payment.payer_name,
        payer_phone=payment.payer_phone,
        event_name=payment.event.name,
        amount=entry.amount,
        tendered=tendered,
        change=tendered - entry.amount if tendered else None,
        slip=Slip(entry.slip_number, entry.card_last4, entry.machine) if is_slip else None,
        at=entry.at,
        by=entry.by,
        why=entry.why,
        reverses=numbers[0],
        reversed_by=numbers[1],
        balance=payment.amount - payment.received,
    )
