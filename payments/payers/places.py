"""Places: several people on one payment. What of its money is whose is counted, never written down.

Money that came for one of them is theirs; all other money goes to the places in their order, as far as it
reaches. So a deposit, a reversal or a refund need nobody to share it out, and sums are exact.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import and_, exists, func, not_, or_, select
from sqlalchemy.orm import Session

from db.models import Admission, Link, Payment, Place, Receipt, Reversal
from db.money import Money
from payments import references
from payments.errors import InvalidInput, NotFound
from payments.privacy import clean_line

#: A coach full of people; more are several payments.
MOST = 100


@dataclass(frozen=True)
class PlaceDraft:
    """One of several people that somebody is to pay for. Without a name it is a number until one is known."""

    amount: Money
    name: str = ""


@dataclass(frozen=True)
class PlaceView:
    """``paid``: what of its amount is here."""

    number: int
    name: str
    amount: Money
    paid: Money

    @property
    def missing(self) -> Money:
        return self.amount - self.paid


def checked(places: Sequence[PlaceDraft], whole: Money) -> tuple[PlaceDraft, ...]:
    """The drafts with names: what they cost together is the payment. Raises InvalidInput."""
    if not places:
        return ()
    if len(places) > MOST:
        raise InvalidInput(f"One payment is for {MOST} people at most. Split them into several.")
    if any(place.amount.currency != whole.currency or place.amount.minor < 1 for place in places):
        raise InvalidInput("Each of several people has a price above nothing, in the event's currency.")
    if sum(place.amount.minor for place in places) != whole.minor:
        raise InvalidInput(f"What the places cost does not add up to {whole}.")
    named = (clean_line(place.name, field="A name", longest=120) for place in places)
    return tuple(
        PlaceDraft(place.amount, name or f"Place {number}")
        for number, (place, name) in enumerate(zip(places, named, strict=True), 1)
    )


def write(session: Session, payment: Payment, places: Sequence[PlaceDraft]) -> None:
    """The rows of ``checked`` drafts, for a payment that is new."""
    session.add_all(
        Place(
            payment_id=payment.id, number=number, name=place.name,
            amount_minor=place.amount.minor, amount_currency=place.amount.currency,
        )
        for number, place in enumerate(places, 1)
    )  # fmt: skip
    session.flush()


def same(payment: Payment, places: Sequence[PlaceDraft]) -> bool:
    """Whether a form that is sent again is for the same people. A name may have been changed since."""
    if not payment.place_count and not places:
        return True
    return [place.amount for place in payment.places] == [place.amount for place in places]


def of(session: Session, payment: Payment) -> tuple[PlaceView, ...]:
    """The places of a payment, none when it is for one person."""
    return of_many(session, [payment]).get(payment.id, ()) if payment.place_count else ()


def of_many(session: Session, payments: Collection[Payment]) -> Mapping[int, tuple[PlaceView, ...]]:
    """The places of those that have some, by the payment's id."""
    ids = [payment.id for payment in payments if payment.place_count]
    if not ids:
        return {}
    rows: dict[int, list[Place]] = defaultdict(list)
    for place in session.scalars(
        select(Place).where(Place.payment_id.in_(ids)).order_by(Place.payment_id, Place.number)
    ):
        rows[place.payment_id].append(place)
    own = _own(session, ids)
    return {
        payment.id: _views(payment, rows[payment.id], own[payment.id])
        for payment in payments
        if payment.id in rows
    }


def one(session: Session, payment: Payment, number: int) -> PlaceView:
    """Raises NotFound."""
    found = next((place for place in of(session, payment) if place.number == number), None)
    if found is None:
        raise NotFound(f"{payment.reference} has no place {number}.")
    return found


def said_by(session: Session, payment: Payment, text: str) -> int:
    """Whose money a bank's text says it is, by number; 0 when it names nobody who is there."""
    said = references.place_in(text, payment.reference) if payment.place_count else 0
    return said if said <= payment.place_count else 0


def are_beside(one: Link, other: Link) -> bool:
    """Whether two links of a payment are for different people, or for two parts of it. Else the later one
    took the other's place."""
    return one.place != other.place or (one.part and other.part)


def shared(owed: Sequence[int], own: Mapping[int, int], here: int) -> tuple[int, ...]:
    """What of each place is paid, in minor units, when ``here`` is here in all.

    ``own`` is what came for a place alone, by its number: what it has too much goes to the others, and what
    was given back is missing at the last ones first.
    """
    paid = [min(own.get(number, 0), amount) for number, amount in enumerate(owed, 1)]
    rest = here - sum(paid)
    for at in range(len(paid)):
        more = max(0, min(owed[at] - paid[at], rest))
        paid[at], rest = paid[at] + more, rest - more
    for at in reversed(range(len(paid))):
        less = max(0, min(paid[at], -rest))
        paid[at], rest = paid[at] - less, rest + less
    return tuple(paid)


def _views(payment: Payment, rows: Sequence[Place], own: Mapping[int, int]) -> tuple[PlaceView, ...]:
    here = payment.received_minor - payment.refunded_minor + payment.written_off_minor
    paid = shared([row.amount_minor for row in rows], own, here)
    return tuple(
        PlaceView(row.number, row.name, row.amount, Money(minor, row.amount_currency))
        for row, minor in zip(rows, paid, strict=True)
    )


def _own(session: Session, ids: Sequence[int]) -> Mapping[int, Mapping[int, int]]:
    """What came for one place alone and was not taken back: by payment, then by place."""
    gone = exists().where(Reversal.receipt_id == Receipt.id)
    query = (
        select(Receipt.payment_id, Receipt.place, func.sum(Receipt.amount_minor))
        .where(Receipt.payment_id.in_(ids), Receipt.place > 0, ~gone)
        .group_by(Receipt.payment_id, Receipt.place)
    )
    found: dict[int, dict[int, int]] = defaultdict(dict)
    for payment_id, place, minor in session.execute(query):
        found[payment_id][place] = int(minor)
    return found


def broken(session: Session) -> Iterator[str]:
    """What does not hold: they are as many as their payment says and add up to it, and whatever is for one of
    them is for one that is there."""
    kept = (
        select(
            Place.payment_id,
            func.count().label("count"),
            func.max(Place.number).label("last"),
            func.sum(Place.amount_minor).label("minor"),
        )
        .group_by(Place.payment_id)
        .subquery()
    )
    count = func.coalesce(kept.c.count, 0)
    adds_up = and_(kept.c.last == kept.c.count, kept.c.minor == Payment.amount_minor)
    query = (
        select(Payment.reference, Payment.place_count, count, kept.c.minor)
        .outerjoin(kept, kept.c.payment_id == Payment.id)
        .where(or_(Payment.place_count > 0, kept.c.payment_id.is_not(None)))
        .where(or_(Payment.place_count != count, not_(func.coalesce(adds_up, False))))
    )
    for reference, said, there, minor in session.execute(query):
        yield f"{reference}: for {said} people, {there} places of {minor or 0} cents"
    for name, table in (("link", Link), ("receipt", Receipt), ("entrance", Admission)):
        there_ = exists().where(Place.payment_id == table.payment_id, Place.number == table.place)
        for row, place in session.execute(select(table.id, table.place).where(table.place > 0, ~there_)):
            yield f"{name} {row}: for place {place}, which is not there"
