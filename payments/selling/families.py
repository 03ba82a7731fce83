"""Families: a payment and those that ask for differences of it, read as one: what it costs, how it stands.

A change of an amount made them (``amounts``); whoever reads one payment of a family can know the whole.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import AmountChange, Payment
from db.money import Money
from payments import holding, obligations
from payments.access.people import Person
from payments.lifecycle import CLOSED, Status
from payments.money_back import crediting
from payments.selling import agreed, prices
from payments.selling.agreed import Member
from payments.selling.prices import Choice

#: How a payment was made by a change of another's amount.
ASKED, REPLACED = "asked", "replaced"


@dataclass(frozen=True)
class Related:
    """A payment that belongs to another by a change of its amount. ``is_later``: the change made it."""

    kind: str
    reference: str
    status: Status
    amount: Money
    is_later: bool


@dataclass(frozen=True)
class Agreed:
    """What a payment costs in all by now, with its differences; what of it is owed back; what belongs."""

    total: Money
    owed_back: Money
    related: tuple[Related, ...]


def first_of(session: Session, payment: Payment) -> Payment:
    """The payment whose difference this one asks for, or the payment itself."""
    query = select(AmountChange.payment_id).where(
        AmountChange.other_id == payment.id, AmountChange.kind == ASKED
    )
    found = session.scalar(query)
    return payment if found is None else session.get_one(Payment, found)


def whole(session: Session, payment: Payment) -> tuple[Payment, ...]:
    """The first payment, and those that ask for differences of it, the oldest first."""
    first = first_of(session, payment)
    query = (
        select(Payment)
        .join(AmountChange, AmountChange.other_id == Payment.id)
        .where(AmountChange.payment_id == first.id, AmountChange.kind == ASKED)
        .order_by(Payment.id)
    )
    return (first, *session.scalars(query))


def members(session: Session, payment: Payment) -> tuple[Member, ...]:
    return members_of(session, whole(session, payment))


def total(session: Session, payment: Payment) -> Money:
    """What it costs in all, as agreed until now."""
    return agreed.total(members(session, payment))


def hold(session: Session, payment: Payment) -> None:
    """Its family, held until the transaction ends, in the order of their ids as everybody holds several."""
    for payment_id in sorted(one.id for one in whole(session, payment)):
        holding.payment(session, payment_id)


def current(session: Session, payment: Payment) -> Payment:
    """Of its family the newest that was not closed: how the whole stands."""
    all_of_it = whole(session, payment)
    return next((one for one in reversed(all_of_it) if one.status not in CLOSED), all_of_it[0])


def choice_of(session: Session, payment: Payment) -> Choice | None:
    """What was chosen for it last; None when its amount was said."""
    ids = [one.id for one in whole(session, payment)]
    query = select(AmountChange.choice).where(AmountChange.payment_id.in_(ids), AmountChange.kind != REPLACED)
    last = session.scalars(query.order_by(AmountChange.id.desc()).limit(1)).first()
    if last is None:
        return prices.choice_of(session, first_of(session, payment))
    return _choice(last) if last else None


def of(session: Session, person: Person, reference: str) -> Agreed:
    """Raises NotFound."""
    payment = obligations.seen(session, person, reference)
    return Agreed(
        total(session, payment), crediting.owed(session, payment), tuple(_related(session, payment))
    )


def members_of(session: Session, payments: Sequence[Payment]) -> tuple[Member, ...]:
    credited = crediting.of_many(session, [one.id for one in payments])
    return tuple(
        Member(
            one.reference,
            Status(one.status),
            Money(one.owed_minor, one.amount_currency),
            one.received,
            Money(one.refunded_minor, one.amount_currency),
            Money(credited.get(one.id, 0), one.amount_currency),
        )
        for one in payments
    )


def plain(choice: Choice | None) -> dict[str, Any]:
    """A choice as it is kept with a change; nothing of an amount that was said."""
    if choice is None:
        return {}
    extras = [list(one) for one in choice.extras]
    return {
        "category": choice.category_id, "people": choice.people, "extras": extras, "code": choice.code,
    }  # fmt: skip


# -- inside -------------------------------------------------------------------------------------------


def _related(session: Session, payment: Payment) -> Iterator[Related]:
    query = select(AmountChange).where(
        (AmountChange.payment_id == payment.id) | (AmountChange.other_id == payment.id)
    )
    for row in session.scalars(query.order_by(AmountChange.id)):
        if row.other_id is not None:
            later = row.payment_id == payment.id
            other = session.get_one(Payment, row.other_id if later else row.payment_id)
            yield Related(row.kind, other.reference, Status(other.status), other.amount, later)


def _choice(kept: Mapping[str, Any]) -> Choice:
    extras = tuple((extra, count) for extra, count in kept["extras"])
    return Choice(kept["category"], kept["people"], extras, kept["code"])
