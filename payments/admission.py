"""The door board: may this person come in? Green, amber or red, with what is missing; in once, with undo.

Its light is what the desk knows, never what somebody says: a claim is amber until it is confirmed. Whoever
lets somebody in against the light says why, and it stands on the payment's timeline.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.models import Admission, Payment
from db.money import Money
from payments import audit, dates, lifecycle, search, search_text
from payments.errors import Conflict, InvalidInput, NotFound
from payments.events import event_row
from payments.lifecycle import Kind, Review, Source, Status
from payments.people import Action, Person, check
from payments.privacy import clean, fold
from payments.rows import PaymentRow
from payments.search import Filter

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
    """A payment at the door. ``missing`` is a sentence, empty for green; ``owed`` what can be paid now."""

    row: PaymentRow
    light: Light
    missing: str
    owed: Money
    entrance: Entrance | None


@dataclass(frozen=True)
class Fullness:
    """How full it is: people let in, of those whose money is here."""

    let_in: int
    paid: int


def look_up(session: Session, person: Person, event_code: str, text: str) -> tuple[Guest, ...]:
    """Who it may be, the best fit first; at most ``MOST``. Raises InvalidInput, NotFound, NotAllowed."""
    event = event_row(session, person, event_code)
    check(person, Action.TAKE_MONEY, event.id)
    asked = " ".join(text.split())
    if len(asked) < SHORTEST:
        raise InvalidInput(f"Type {SHORTEST} letters of the name, or scan the reference.")
    words, letter = _begun(asked)
    page = search.page(session, person, Filter(events=(event.code,), text=words), size=_LOOKED_THROUGH)
    rows = [row for row in page.rows if _has_word(row.payer_name, letter)] if letter else page.rows
    return _guests(session, rows[:MOST])


def _begun(text: str) -> tuple[str, str]:
    """``Johan B``: a last letter begins a word, which searching takes for a word of its own."""
    words, _, last = text.rpartition(" ")
    return (words, fold(last)) if len(last) == 1 and len(words) >= SHORTEST else (text, "")


def _has_word(name: str, start: str) -> bool:
    return any(word.startswith(start) for word in fold(name).split())


def guest(session: Session, person: Person, reference: str) -> Guest:
    """One payment at the door. Raises NotFound, NotAllowed."""
    (found,) = _guests(session, [_row(session, person, reference)])
    return found


def fullness(session: Session, person: Person, event_code: str) -> Fullness:
    event = event_row(session, person, event_code)
    inside = select(func.count()).where(Admission.event_id == event.id, Admission.undone_at.is_(None))
    paid = search.count_at_once(session, person, Filter(events=(event.code,), statuses=tuple(_GREEN)))
    return Fullness(session.scalar(inside) or 0, paid)


def _guests(session: Session, rows: Sequence[PaymentRow]) -> tuple[Guest, ...]:
    query = select(Admission).where(
        Admission.payment_id.in_([row.id for row in rows]), Admission.undone_at.is_(None)
    )
    inside = {
        each.payment_id: Entrance(each.admitted_at, each.admitted_by, each.name, each.why)
        for each in session.scalars(query)
    }
    return tuple(_guest(row, inside.get(row.id)) for row in rows)


# -- the light ----------------------------------------------------------------------------------------

_GREEN = (Status.PAID, Status.WAIVED)
#: What the books doubt, though the status says paid: the money may go back.
_DOUBTED = (Review.GATEWAY_TOOK_IT_BACK, Review.AMOUNT_MISMATCH, Review.CURRENCY_MISMATCH)
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
            return Guest(row, Light.AMBER, "Paid, but a person must look at it first.", Money(0), entrance)
        return Guest(row, Light.GREEN, "", Money(0), entrance)
    light = Light.AMBER if row.status in _AMBER else Light.RED
    missing = f"{owed} is still owed." if row.status is Status.PART_PAID else _MISSING[row.status]
    payable = row.status in lifecycle.PENDING | {Status.EXPIRED}
    return Guest(row, light, missing, owed if payable and owed.minor > 0 else Money(0), entrance)


# -- in, and out again --------------------------------------------------------------------------------


def let_in(session: Session, person: Person, reference: str, *, why: str = "", now: datetime) -> Guest:
    """Let somebody in, once. Against the light it takes a reason.

    Raises NotFound, NotAllowed, InvalidInput (no reason), Conflict (let in already).
    """
    payment, found = _held(session, person, reference)
    if found.entrance is not None:
        raise Conflict(_already(found.entrance))
    reason = clean(why, field="The reason", longest=500)
    if found.light is not Light.GREEN and not reason:
        raise InvalidInput(f"{found.missing} Say why they come in all the same.")
    session.add(
        Admission(
            payment_id=payment.id,
            event_id=payment.event_id,
            name=payment.payer_name,
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
        raise Conflict(f"{payment.payer_name} was let in in this moment by somebody else.") from error
    _tell(session, person, payment, Kind.ADMITTED, now, light=found.light, why=reason)
    return guest(session, person, reference)


def undo(session: Session, person: Person, reference: str, *, now: datetime) -> Guest:
    """They are not in after all: the entrance stays, as undone. Raises NotFound, NotAllowed, Conflict."""
    payment, _ = _held(session, person, reference)
    row = session.scalar(
        select(Admission).where(Admission.payment_id == payment.id, Admission.undone_at.is_(None))
    )
    if row is None:
        raise Conflict(f"{payment.payer_name} is not in.")
    row.undone_at, row.undone_by = now, person.name
    _tell(session, person, payment, Kind.NOT_ADMITTED, now)
    session.flush()
    return guest(session, person, reference)


def substitute(session: Session, person: Person, reference: str, name: str, *, now: datetime) -> Guest:
    """Somebody else comes on this payment. What was paid stays; who it was stands on the timeline.

    Raises NotFound, NotAllowed, InvalidInput (no name, or the same), Conflict (they are in already).
    """
    payment, found = _held(session, person, reference)
    if found.entrance is not None:
        raise Conflict(f"{_already(found.entrance)} Undo that first.")
    new = clean(name, field="The name", longest=120).replace("\n", " ")
    if not new or new == payment.payer_name:
        raise InvalidInput("Give the name of who comes instead.")
    was, payment.payer_name = payment.payer_name, new
    payment.updated_at = now
    payment.search_text = search_text.of(payment)
    _tell(session, person, payment, Kind.RENAMED, now, was=was, name=new)
    session.flush()
    return guest(session, person, reference)


def _row(session: Session, person: Person, reference: str) -> PaymentRow:
    row = search.find_one(session, person, reference)
    if row is None:
        raise NotFound(f"There is no payment {reference} here.")
    return row


def _held(session: Session, person: Person, reference: str) -> tuple[Payment, Guest]:
    """The payment, held, and how it stands at the door."""
    payment = lifecycle.locked(session, _row(session, person, reference).id)
    check(person, Action.TAKE_MONEY, payment.event_id)
    return payment, guest(session, person, reference)


def _tell(
    session: Session, person: Person, payment: Payment, kind: Kind, now: datetime, **detail: str
) -> None:
    lifecycle.note(session, payment, kind, now=now, source=Source.DESK, actor=person.name, **detail)
    audit.record(
        session, person, _AUDITED[kind], payment.reference, now=now, event_id=payment.event_id, **detail
    )


_AUDITED = {Kind.ADMITTED: "let_in", Kind.NOT_ADMITTED: "undo_let_in", Kind.RENAMED: "substitute"}


def _already(entrance: Entrance) -> str:
    return f"{entrance.name} was let in on {dates.say_moment(entrance.at)} by {entrance.by}."
