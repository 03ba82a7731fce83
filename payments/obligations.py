"""What somebody owes: the form of a payment, and its row, whichever way the money then comes."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Category, Event, Payment
from db.money import LARGEST_MINOR, Money
from payments import holding, lifecycle, references
from payments.access.people import Action, Person, check
from payments.errors import Conflict, InvalidInput, NotFound, quoted
from payments.finding import search_text
from payments.lifecycle import Kind, Source, Status
from payments.live import tallies
from payments.payers import contacts, places
from payments.payers.places import PlaceDraft
from payments.privacy import clean
from payments.selling import prices, quotes
from payments.selling.events import event_row
from payments.selling.prices import Choice, Priced, Quote
from payments.selling.quotes import Quoted
from payments.watching import standstill

#: Who gave no name is called so.
WALK_IN = "Walk-in"


@dataclass(frozen=True)
class Draft:
    """What somebody is to pay. ``reference`` is drawn when the form is first shown, so that the same
    form sent twice is the same payment. ``places`` are the people it is for, when they are several."""

    reference: str
    event_code: str
    amount: Money
    payer_name: str
    payer_email: str = ""
    payer_phone: str = ""
    category_id: int | None = None
    note: str = ""
    places: tuple[PlaceDraft, ...] = ()
    deposit: Money | None = None  # what its first link asks for, when that is not all of it
    choice: Choice | None = None  # by which it is priced: then ``amount`` is what it was said to cost
    as_priced: bool = False  # and what it costs by now is good as well
    lines: tuple[Priced, ...] = ()  # what it was priced as before, with the seats it held
    quoted: Money | None = None  # in another currency: then ``amount`` is what it was seen to be in rand


def draft_reference(session: Session, person: Person, event_code: str, *, demo: bool) -> str:
    """A reference nobody has yet, with the event's prefix."""
    event = event_row(session, person, event_code)
    while True:
        reference = references.draw(event.reference_prefix, demo=demo)
        if session.scalar(select(Payment.id).where(Payment.reference == reference)) is None:
            return reference


def checked(draft: Draft) -> Draft:
    """The draft with its texts cleaned; raises InvalidInput naming the field to change."""
    if not references.is_reference(draft.reference):
        raise InvalidInput(f"{quoted(draft.reference)} is not a reference of this desk.")
    if not 1 <= draft.amount.minor <= LARGEST_MINOR:
        raise InvalidInput(f"The amount must be between R0.01 and {Money(LARGEST_MINOR)}.")
    return Draft(
        reference=draft.reference,
        event_code=draft.event_code,
        amount=draft.amount,
        payer_name=contacts.payer_name(draft.payer_name) or WALK_IN,
        payer_email=contacts.email_address(draft.payer_email),
        payer_phone=contacts.phone_number(draft.payer_phone),
        category_id=draft.choice.category_id if draft.choice else draft.category_id,
        note=clean(draft.note, field="The note", longest=1000),
        places=places.checked(draft.places, draft.amount),
        deposit=_checked_deposit(draft),
        choice=draft.choice,
        as_priced=draft.as_priced,
        lines=draft.lines,
        quoted=draft.quoted,
    )


def _checked_deposit(draft: Draft) -> Money | None:
    deposit = draft.deposit
    if deposit is None or deposit == draft.amount:
        return None
    if deposit.currency != draft.amount.currency or not 1 <= deposit.minor < draft.amount.minor:
        raise InvalidInput(f"A part is more than nothing, and less than {draft.amount}.")
    return deposit


def create(
    session: Session, event: Event, draft: Draft, *, person: Person, now: datetime, source: Source
) -> Payment:
    """The payment's row, from a draft that was ``checked``. The caller checks who may, and audits.

    One that is priced takes its seats in the same transaction.

    Raises Conflict (the event is not open, the desk stands still, it costs something else by now),
    InvalidInput (a price of another event).
    """
    standstill.refuse(session)
    if event.state != "open":
        raise Conflict(f"{event.name} is {event.state}; open it under Events before taking money for it.")
    if draft.category_id is not None:
        category = session.get(Category, draft.category_id)
        if category is None or category.event_id != event.id:
            raise InvalidInput(f"This price is not on the list of {event.name}.")
    priced, quoted, amount = _comes_to(session, event, draft, now)
    payment = Payment(
        reference=draft.reference,
        event_id=event.id,
        category_id=draft.category_id,
        mode="demo" if draft.reference.startswith(references.DEMO_PREFIX) else "live",
        status=Status.CREATED,
        amount_minor=amount.minor,
        amount_currency=amount.currency,
        payer_name=draft.payer_name,
        payer_email=draft.payer_email,
        payer_phone=draft.payer_phone,
        note=draft.note,
        place_count=len(draft.places),
        origin="api" if source in (Source.API, Source.FILE) else "desk",
        created_by=person.name,
        created_at=now,
        updated_at=now,
        search_text="",
    )
    payment.search_text = search_text.of(payment, [place.name for place in draft.places])
    session.add(payment)
    session.flush()
    places.write(session, payment, draft.places)
    if priced is not None:
        prices.write(session, payment, priced)
    if quoted is not None:
        quotes.write(session, payment, quoted)
    tallies.moved(session, payment, None, now)
    told = {"places": "; ".join(place.name for place in draft.places)} if draft.places else {}
    told |= {"priced": priced.text} if priced is not None else {}
    told |= {"quoted": quoted.text} if quoted is not None else {}
    lifecycle.note(
        session, payment, Kind.CREATED, now=now, source=source, actor=person.name,
        amount_minor=payment.amount_minor, currency=payment.amount_currency, **told,
    )  # fmt: skip
    return payment


def _comes_to(
    session: Session, event: Event, draft: Draft, now: datetime
) -> tuple[Quote | None, Quoted | None, Money]:
    """What it is priced or quoted as by now, and its amount. Raises Conflict, InvalidInput."""
    seen = None if draft.as_priced else draft.amount
    if draft.choice is not None:
        priced = prices.hold(session, event, draft.choice, agreed=seen, now=now)
        return priced, None, priced.total
    if draft.quoted is not None:
        quoted = quotes.agreed(session, event, draft.quoted, seen, now=now)
        return None, quoted, quoted.charged
    as_before = Quote(draft.lines, draft.amount, Money(0, draft.amount.currency)) if draft.lines else None
    return as_before, None, draft.amount


def held(session: Session, person: Person, action: Action, reference: str) -> Payment:
    """The payment of exactly this reference, held until the transaction ends, for whoever may do this to it.

    Raises NotFound, also for another event's; NotAllowed.
    """
    payment = seen(session, person, reference)
    check(person, action, payment.event_id)
    return holding.payment(session, payment.id)


def seen(session: Session, person: Person, reference: str) -> Payment:
    """The payment of exactly this reference. Raises NotFound, also for another event's."""
    payment = session.scalar(select(Payment).where(Payment.reference == reference))
    if payment is None or not person.may(Action.SEE, payment.event_id):
        raise NotFound(f"There is no payment {reference} here.")
    return payment


def same_intent(payment: Payment, event: Event, draft: Draft) -> None:
    """Raises Conflict when a reference that is known is sent with anything else in its form."""
    as_it_is = (draft.choice or draft.quoted) is not None and draft.as_priced
    kept = (
        payment.event_id,
        draft.amount.minor if as_it_is else payment.amount_minor,
        payment.payer_name,
        payment.payer_email,
        payment.payer_phone,
    )
    sent = (event.id, draft.amount.minor, draft.payer_name, draft.payer_email, draft.payer_phone)
    quote = payment.quote.quoted if payment.quote is not None else None
    if kept != sent or quote != draft.quoted or not places.same(payment, draft.places):
        raise Conflict(
            f"{payment.reference} was already issued to {payment.payer_name} for {payment.amount}. "
            f"Start a new payment for anything else."
        )
