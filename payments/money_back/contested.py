"""What of a payment its payer contests at their bank, and what the payment is while they do.

A dispute moves no money: it holds some. What is held is neither refunded nor reversed a second time.
"""

from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from db.models import Dispute, Payment
from payments import lifecycle
from payments.lifecycle import Status

#: The card scheme has not decided.
UNDECIDED = ("open", "sent")
_LOST = ("lost", "accepted")
#: Undecided, or gone and not written down yet.
_HOLDS = or_(Dispute.state.in_(UNDECIDED), and_(Dispute.state.in_(_LOST), Dispute.refund_id.is_(None)))


def held(session: Session, payment_id: int) -> int:
    """What disputes hold of a payment, in minor units."""
    query = select(func.sum(Dispute.amount_minor)).where(Dispute.payment_id == payment_id, _HOLDS)
    return int(session.scalar(query) or 0)


def is_contested(session: Session, payment: Payment) -> bool:
    """Whether a dispute is undecided, or was lost and is not written down though money is here."""
    wanted = _HOLDS if payment.refunded_minor < payment.received_minor else Dispute.state.in_(UNDECIDED)
    query = select(Dispute.id).where(Dispute.payment_id == payment.id, wanted)
    return session.scalar(query.limit(1)) is not None


def settle(session: Session, payment: Payment, **act: Any) -> None:
    """The payment is disputed while one of its disputes stands, then what its money says. It is held."""
    session.flush()
    to = Status.DISPUTED if is_contested(session, payment) else _by_money(payment)
    if payment.status != to:
        lifecycle.advance(session, payment, to, **act)


def _by_money(payment: Payment) -> Status:
    if payment.refunded_minor:
        whole = payment.refunded_minor == payment.received_minor
        return Status.REFUNDED if whole else Status.PART_REFUNDED
    return Status.PAID if payment.received_minor >= payment.owed_minor else Status.PART_PAID
