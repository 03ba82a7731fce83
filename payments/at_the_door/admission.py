"""The door board: may this person come in? Green, amber or red, with what is missing; in once, with undo.

Its light is what the desk knows, never what somebody says: a claim is amber until it is confirmed. Whoever
lets somebody in against the light says why, and it stands on the payment's timeline.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.models import Admission, Payment, Place
from db.money import Money
from payments import dates, holding, lifecycle
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.finding import search, search_text
from payments.finding.rows import PaymentRow
from payments.finding.search import Filter
from payments.lifecycle import Kind, Review, Source, Status
from payments.money_back import crediting
from payments.payers import places
from payments.payers.places import PlaceView
from payments.privacy import clean, clean_line, fold
from payments.selling.events import event_row

#: Fewer letters would list half of the event.
SHORTEST = 3
MOST = 8
_LOOKED_THROUGH = 50


class Light(StrEnum):
    GREEN = "green"
    AMBER = "amber"
    RED = "red"


@dataclass(frozen=True)
class Entrance:
    """When somebody was let in, and by whom."""

    at: datetime
    by: str
    name: str
    why: str


@dataclass(frozen=True)
class Guest:
    """A payment at the door, or one of the several people it is for: ``place`` is their number, else 0.

    ``missing`` is a sentence, empty for green; ``owed`` what can be paid now.
    """

    row: PaymentRow
    light: Light
    missing: str
    owed: Money
    entrance: Entrance | None
    place: int = 0
    name: str = ""
    amount: Money | None = None  # of the place


@dataclass(frozen=True)
class Fullness:
    """How full it is: people let in, of those whose money is here."""

    let_in: int
    paid: int


def look_up(session: Session, person: Person, event_code: str, text: str) -> tuple[Guest, ...]:
    """Who it may be, the best fit first: at most ``MOST``, or all whom one payment is for.

    Raises InvalidInput, NotFound, NotAllowed.
    """
    event = event_row(session, person, event_code)
    check(person, Action.TAKE_MONEY, event.id)
    asked = " ".join(text.split())
    if len(asked) < SHORTEST:
        raise InvalidInput(f"Type {SHORTEST} letters of the name, or scan the reference.")
    words, letter = _begun(asked)
    page = search.page(session, person, Filter(events=(event.code,), text=words), size=_LOOKED_THROUGH)
    if not letter:
        return _found(_guests(session, page.rows[:MOST], words))
    guests = _guests(session, page.rows, words)
    return _found([each for each in guests if _has_word(each.name or each.row.payer_name, letter)])


def _found(guests: Sequence[Guest]) -> tuple[Guest, ...]:
    return tuple(guests if len({each.row.id for each in guests}) == 1 else guests[:MOST])


def _begun(text: str) -> tuple[str, str]:
    """``Johan B``: a last letter begins a word, which searching takes for a word of its own."""
    words, _, last = text.rpartition(" ")
    return (words, fold(last)) if len(last) == 1 and len(words) >= SHORTEST else (text, "")


def _has_word(name: str, start: str) -> bool:
    return any(word.startswith(start) for word in fold(name).split())


def guest(session: Session, person: Person, reference: str, place: int = 0) -> Guest:
    """One payment at the door, or one of the people it is for. Raises NotFound, NotAllowed."""
    guests = _guests(session, [_row(session, person, reference)])
    found = next((each for each in guests if each.place == place or not place), None)
    if found is None:
        raise NotFound(f"{reference} has no place {place}.")
    return found


def fullness(session: Session, person: Person, event_code: str) -> Fullness:
    event = event_row(session, person, event_code)
    inside = select(func.count()).where(Admission.event_id == event.id, Admission.undone_at.is_(None))
    paid = search.count_at_once(session, person, Filter(events=(event.code,), statuses=tuple(_GREEN)))
    several = (Payment.event_id == event.id, Payment.place_count > 0)
    more = select(func.coalesce(func.sum(Payment.place_count - 1), 0)).where(
        *several, Payment.status.in_(_GREEN)
    )
    partly = session.scalars(select(Payment).where(*several, Payment.status == Status.PART_PAID)).all()
    each = (place for people in places.of_many(session, partly).values() for place in people)
    ready = sum(not place.missing for place in each)
    return Fullness(session.scalar(inside) or 0, paid + int(session.scalar(more) or 0) + ready)


def _guests(session: Session, rows: Sequence[PaymentRow], text: str = "") -> list[Guest]:
    """A guest for each payment; where it is for several, those whom the text names, else all of them."""
    ids = [row.id for row in rows]
    query = select(Admission).where(Admission.payment_id.in_(ids), Admission.undone_at.is_(None))
    inside = {
        (each.payment_id, each.place): Entrance(each.admitted_at, each.admitted_by, each.name, each.why)
        for each in session.scalars(query)
    }
    several = select(Payment).where(Payment.id.in_(ids), Payment.place_count > 0)
    people = places.of_many(session, session.scalars(several).all())
    guests, whole = [], crediting.whole(session, ids)
    for row in rows:
        if row.id not in people:
            guest = _guest(row, inside.get((row.id, 0)))
            paid = row.id in whole and row.review not in _DOUBTED
            guests.append(replace(guest, light=Light.GREEN, missing="") if paid else guest)
            continue
        named = [place for place in people[row.id] if _is_named(place.name, text)]
        guests += [
            _at_place(row, place, inside.get((row.id, place.number))) for place in named or people[row.id]
        ]
    return guests


def _is_named(name: str, text: str) -> bool:
    plain = fold(name)
    return all(word in plain for word in fold(text).split())


# -- the light ----------------------------------------------------------------------------------------

_GREEN = (Status.PAID, Status.WAIVED)
#: What the books doubt, though the status says paid: the money may go back.
_DOUBTED = (Review.GATEWAY_TOOK_IT_BACK, Review.AMOUNT_MISMATCH, Review.CURRENCY_MISMATCH)
_DOUBT = "Paid, but a person must look at it first."
_MISSING = {
    Status.CREATED: "The link is still being made; nothing is paid.",
    Status.OPEN: "Nothing has been paid.",
    Status.FAILED: "Not paid: the last attempt failed.",
    Status.CLAIMED: "They say it was sent; nobody has confirmed it.",
    Status.EXPIRED: "Not paid, and it expired.",
    Status.CANCELLED: "Cancelled.",
    Status.PART_REFUNDED: "A part was given back.",
    Status.REFUNDED: "The money was given back.",
    Status.DISPUTED: "The payer disputes the payment at their bank.",
}
_AMBER = (Status.CLAIMED, Status.PART_PAID, Status.PART_REFUNDED)


def _guest(row: PaymentRow, entrance: Entrance | None) -> Guest:
    owed = row.amount - row.received
    if row.status in _GREEN:
        if row.review in _DOUBTED:
            return Guest(row, Light.AMBER, _DOUBT, Money(0), entrance)
        return Guest(row, Light.GREEN, "", Money(0), entrance)
    light = Light.AMBER if row.status in _AMBER else Light.RED
    missing = f"{owed} is missing." if row.status is Status.PART_PAID else _MISSING[row.status]
    payable = row.status in lifecycle.PENDING | {Status.EXPIRED}
    return Guest(row, light, missing, owed if payable and owed.minor > 0 else Money(0), entrance)


def _at_place(row: PaymentRow, place: PlaceView, entrance: Entrance | None) -> Guest:
    """One of several people: what is paid of the whole payment may be enough for them."""
    whole = replace(
        _guest(row, entrance), place=place.number, name=place.name, amount=place.amount, entrance=entrance
    )
    if row.status is not Status.PART_PAID:
        return replace(whole, owed=place.missing if whole.owed else whole.owed)
    if place.missing:
        light = Light.AMBER if place.paid else Light.RED
        missing = f"{place.missing} is missing." if place.paid else "Nothing has been paid for this place."
        return replace(whole, light=light, missing=missing, owed=place.missing)
    doubted = row.review in _DOUBTED
    light, missing = (Light.AMBER, _DOUBT) if doubted else (Light.GREEN, "")
    return replace(whole, light=light, missing=missing, owed=Money(0))


# -- in, and out again --------------------------------------------------------------------------------


def let_in(
    session: Session, person: Person, reference: str, *, place: int = 0, why: str = "", now: datetime
) -> Guest:
    """Let somebody in, once. Against the light it takes a reason; of several people ``place`` says who.

    Raises NotFound, NotAllowed, InvalidInput (no reason, nobody chosen), Conflict (let in already).
    """
    payment, found = _held(session, person, reference, place)
    if found.entrance is not None:
        raise Conflict(_already(found.entrance))
    reason = clean(why, field="The reason", longest=500)
    if found.light is not Light.GREEN and not reason:
        raise InvalidInput(f"{found.missing} Say why they come in all the same.")
    name = found.name or payment.payer_name
    session.add(
        Admission(
            payment_id=payment.id,
            place=place,
            event_id=payment.event_id,
            name=name,
            why=reason,
            admitted_at=now,
            admitted_by=person.name,
            undone_at=None,
            undone_by=None,
        )
    )
    try:
        session.flush()
    except IntegrityError as error:  # another helper was faster
        raise Conflict(f"{name} was let in in this moment by somebody else.") from error
    _tell(session, person, payment, Kind.ADMITTED, now, **_who(found), light=found.light, why=reason)
    return guest(session, person, reference, place)


def undo(session: Session, person: Person, reference: str, *, place: int = 0, now: datetime) -> Guest:
    """They are not in after all: the entrance stays, as undone. Raises NotFound, NotAllowed, Conflict."""
    payment, found = _held(session, person, reference, place)
    row = session.scalar(
        select(Admission).where(
            Admission.payment_id == payment.id, Admission.place == place, Admission.undone_at.is_(None)
        )
    )
    if row is None:
        raise Conflict(f"{found.name or payment.payer_name} is not in.")
    row.undone_at, row.undone_by = now, person.name
    _tell(session, person, payment, Kind.NOT_ADMITTED, now, **_who(found))
    session.flush()
    return guest(session, person, reference, place)


def substitute(
    session: Session, person: Person, reference: str, name: str, *, place: int = 0, now: datetime
) -> Guest:
    """Somebody else comes on this payment, or a place gets a name. What was paid stays; who it was stands on
    the timeline.

    Raises NotFound, NotAllowed, InvalidInput (no name, or the same), Conflict (they are in already).
    """
    payment, found = _held(session, person, reference, place)
    if found.entrance is not None:
        raise Conflict(f"{_already(found.entrance)} Undo that first.")
    new, was = clean_line(name, field="The name", longest=120), found.name or payment.payer_name
    if not new or new == was:
        raise InvalidInput("Give the name of who comes instead.")
    if place:
        session.get_one(Place, (payment.id, place)).name = new
        session.flush()
        session.expire(payment, ["places"])
    else:
        payment.payer_name = new
    payment.updated_at = now
    payment.search_text = search_text.of(payment)
    _tell(session, person, payment, Kind.RENAMED, now, was=was, name=new)
    session.flush()
    return guest(session, person, reference, place)


def _row(session: Session, person: Person, reference: str) -> PaymentRow:
    row = search.find_one(session, person, reference)
    if row is None:
        raise NotFound(f"There is no payment {reference} here.")
    return row


def _held(session: Session, person: Person, reference: str, place: int) -> tuple[Payment, Guest]:
    """The payment, held, and how it stands at the door."""
    payment = holding.payment(session, _row(session, person, reference).id)
    check(person, Action.TAKE_MONEY, payment.event_id)
    if payment.place_count and not place:
        raise InvalidInput(f"{reference} is for {payment.place_count} people. Choose who it is.")
    return payment, guest(session, person, reference, place)


def _who(guest: Guest) -> dict[str, str]:
    """Who of several people it is about, as the timeline tells it."""
    return {"name": guest.name} if guest.place else {}


def _tell(
    session: Session, person: Person, payment: Payment, kind: Kind, now: datetime, **detail: str
) -> None:
    lifecycle.note(session, payment, kind, now=now, source=Source.DESK, actor=person.name, **detail)
    told = {name: value for name, value in detail.items() if name not in _NAMES}  # the audit stays for ever
    audit.record(
        session, person, _AUDITED[kind], payment.reference, now=now, event_id=payment.event_id, **told
    )


_NAMES = ("name", "was")
_AUDITED = {Kind.ADMITTED: "let_in", Kind.NOT_ADMITTED: "undo_let_in", Kind.RENAMED: "substitute"}


def _already(entrance: Entrance) -> str:
    return f"{entrance.name} was let in on {dates.say_moment(entrance.at)} by {entrance.by}."
