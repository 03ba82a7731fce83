"""Payments of the same payer: whose surplus of a bank line is, and what else of theirs it could pay."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import BigInteger, Select, literal, or_, select, union_all
from sqlalchemy.orm import Session, aliased

from db.many import some_at_once
from db.models import Event, MatchPart, Payment
from db.money import Money
from payments.access.people import Action, Person, check
from payments.reconciling.parts import TAKES_MONEY

_MOST = 50
#: So many are asked about in one question.
_AT_ONCE = 50


@dataclass(frozen=True)
class Choice:
    """A payment that surplus may pay, and how much of it is still owed."""

    reference: str
    payer: str
    event: str
    owed: Money


def choices(session: Session, person: Person, part_ids: Iterable[int]) -> dict[int, list[Choice]]:
    """For each, payments of the same payer that still ask for money, the oldest first."""
    check(person, Action.SEE_BANK)
    return {
        part_id: [
            Choice(payment.reference, payment.payer_name, event, owed(payment)) for payment, event in some
        ]
        for part_id, some in payable(session, part_ids).items()
    }


def payable(session: Session, part_ids: Iterable[int]) -> dict[int, list[tuple[Payment, str]]]:
    """The same, as rows with the names of their events."""
    found: dict[int, list[tuple[Payment, str]]] = {}
    for some in some_at_once(list(part_ids), _AT_ONCE):
        found |= _payable(session, some)
    return found


def _payable(session: Session, part_ids: Sequence[int]) -> dict[int, list[tuple[Payment, str]]]:
    """One question for all of them: for each a part of its own, which its indexes answer."""
    known = whose(session, part_ids)
    parts = session.scalars(select(MatchPart).where(MatchPart.id.in_([one for one in known if known[one]])))
    asked = [_reached(part, known[part.id]).subquery() for part in parts]
    found: dict[int, list[tuple[Payment, str]]] = {part_id: [] for part_id in part_ids}
    if not asked:
        return found
    ids = union_all(*(select(one.c.part_id, one.c.id) for one in asked)).subquery()
    rows = session.execute(
        select(ids.c.part_id, Payment, Event.name)
        .join(Payment, Payment.id == ids.c.id)
        .join(Event, Event.id == Payment.event_id)
        .order_by(Payment.id)
    )
    for part_id, payment, event in rows:
        theirs = known[part_id]
        if owed(payment) and payment not in theirs and any(is_same(payment, one) for one in theirs):
            found[part_id].append((payment, event))
    return found


def _reached(part: MatchPart, theirs: Sequence[Payment]) -> Select[int, int]:
    """Payments that ask for money, by an address, a number or a name of who paid."""
    told = [
        (Payment.payer_email, {one.payer_email for one in theirs} - {""}),
        (Payment.payer_phone, {one.payer_phone for one in theirs} - {""}),
        (Payment.payer_name, {one.payer_name for one in theirs} - {""}),
    ]
    return (
        select(literal(part.id, BigInteger).label("part_id"), Payment.id)
        .where(
            or_(*(column.in_(values) for column, values in told if values)),
            Payment.status.in_(TAKES_MONEY),
            Payment.amount_currency == part.amount_currency,
        )
        .order_by(Payment.id)
        .limit(_MOST)
    )


def whose(session: Session, part_ids: Iterable[int]) -> dict[int, list[Payment]]:
    """For each, the payment that surplus was said to be of; else all that its line pays."""
    wanted, surplus, beside = list(part_ids), aliased(MatchPart), aliased(MatchPart)
    rows = session.execute(
        select(surplus.id, Payment)
        .join(beside, beside.match_id == surplus.match_id)
        .join(Payment, Payment.id == beside.payment_id)
        .where(surplus.id.in_(wanted))
        .where(or_(surplus.payment_id.is_(None), surplus.payment_id == Payment.id))
        .order_by(Payment.id)
    )
    found: dict[int, list[Payment]] = {part_id: [] for part_id in wanted}
    for part_id, payment in rows:
        if payment not in found[part_id]:
            found[part_id].append(payment)
    return found


def is_same(one: Payment, other: Payment) -> bool:
    """One payer: an address or number of both is the same. Where one of them has neither, the name is."""
    told = [(one.payer_email, other.payer_email), (one.payer_phone, other.payer_phone)]
    if any(mine and mine.casefold() == theirs.casefold() for mine, theirs in told):
        return True
    reachable = all(payment.payer_email or payment.payer_phone for payment in (one, other))
    return not reachable and one.payer_name.casefold() == other.payer_name.casefold()


def owed(payment: Payment) -> Money:
    return Money(max(0, payment.owed_minor - payment.received_minor), payment.amount_currency)
