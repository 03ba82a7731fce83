"""Credits: what of a payment's money is owed back, since it costs less by now.

A credit moves no money: what is given back is a refund like any other, by two people. Refunds use it up: of
a payment no more is let go than the larger of what was credited and what was given back.
"""

from collections.abc import Collection, Iterator, Mapping
from types import MappingProxyType
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import AmountChange, Payment
from db.money import Money
from payments import lifecycle
from payments.deciding import cases
from payments.deciding.cases import Decision, Reason
from payments.lifecycle import Kind, Status

CREDITED = "credited"


def of_many(session: Session, payment_ids: Collection[int]) -> Mapping[int, int]:
    """What was credited of each, in minor units; those with nothing are left out."""
    query = (
        select(AmountChange.payment_id, func.sum(AmountChange.amount_minor))
        .where(AmountChange.kind == CREDITED, AmountChange.payment_id.in_(payment_ids))
        .group_by(AmountChange.payment_id)
    )
    return {payment_id: int(minor) for payment_id, minor in session.execute(query) if minor}


def of(session: Session, payment: Payment) -> Money:
    return Money(of_many(session, [payment.id]).get(payment.id, 0), payment.amount_currency)


def owed(session: Session, payment: Payment) -> Money:
    """What is credited and not given back yet."""
    credited = of(session, payment)
    return Money(max(0, credited.minor - payment.refunded_minor), credited.currency)


def whole(session: Session, payment_ids: Collection[int]) -> frozenset[int]:
    """Of those that were refunded in part, which no more was given back of than they cost less by now."""
    query = select(Payment.id, Payment.refunded_minor).where(
        Payment.id.in_(payment_ids), Payment.status == Status.PART_REFUNDED
    )
    back = {payment.id: payment.refunded_minor for payment in session.execute(query)}
    credited = of_many(session, list(back)) if back else {}
    return frozenset(one for one, minor in back.items() if minor <= credited.get(one, 0))


def keep(
    session: Session,
    payment: Payment,
    amount: Money,
    why: str,
    *,
    kind: str = CREDITED,
    other: Payment | None = None,
    choice: Mapping[str, Any] = MappingProxyType({}),
    **act: Any,
) -> AmountChange:
    """Write a change of its amount down, and tell the timelines of it and of the ``other`` payment."""
    row = AmountChange(
        payment_id=payment.id, kind=kind, other_id=other.id if other else None, amount_minor=amount.minor,
        amount_currency=amount.currency, choice=dict(choice), why=why, by=act["actor"], at=act["now"],
    )  # fmt: skip
    session.add(row)
    session.flush()
    about: dict[str, Any] = {
        "change": row.id, "what": kind, "amount_minor": amount.minor, "currency": amount.currency, "why": why,
    }  # fmt: skip
    named: dict[str, Any] = {"other": other.reference} if other else {}
    lifecycle.note(session, payment, Kind.AMOUNT, **act, **about, **named)
    if other is not None:
        lifecycle.note(session, other, Kind.AMOUNT, **act, **about, of=payment.reference)
    return row


def seen_to(session: Session, payment: Payment, **act: Any) -> None:
    """Have a person give back what is owed, or let them be once nothing is. The payment is held."""
    left = owed(session, payment)
    case = cases.find_open(session, payment.id, Reason.CREDIT_OWED)
    if left and case is None:
        lifecycle.open_case(session, payment, Reason.CREDIT_OWED, **act, contested_minor=left.minor)
    elif left and case is not None:
        case.detail = {**case.detail, "contested_minor": left.minor}
    elif not left and case is not None:
        lifecycle.close_case(session, case, Decision.DONE, "Nothing of it is owed any more.", **act)


def money_gone(session: Session, payment: Payment, **act: Any) -> None:
    """Its money was taken back: it asks for all of its amount again, and nothing of it is owed back."""
    if left := owed(session, payment):
        keep(session, payment, -left, "The money that it was credited of was taken back.", **act)
        seen_to(session, payment, **act)


def broken(session: Session) -> Iterator[str]:
    """Payments of which less than nothing, or more than they are for, is credited."""
    credited = func.sum(AmountChange.amount_minor)
    query = (
        select(Payment.reference, credited)
        .join(AmountChange, AmountChange.payment_id == Payment.id)
        .where(AmountChange.kind == CREDITED)
        .group_by(Payment.id, Payment.reference, Payment.amount_minor)
        .having((credited < 0) | (credited > Payment.amount_minor))
    )
    for reference, minor in session.execute(query):
        yield f"{reference}: {minor} cents of it are credited"
