"""What must hold of disputes: they hold their payment, and what was lost is written down as much as it is."""

from collections.abc import Iterator

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from db.models import Dispute, Payment, Refund
from payments.lifecycle import Status
from payments.money_back.contested import UNDECIDED


def broken(session: Session) -> Iterator[str]:
    lost = and_(Dispute.state.in_(("lost", "accepted")), Dispute.refund_id.is_(None))
    holds = or_(Dispute.state.in_(UNDECIDED), and_(lost, Payment.refunded_minor < Payment.received_minor))
    unheld = (
        select(Dispute.case_reference, Payment.reference, Payment.status)
        .join(Payment, Payment.id == Dispute.payment_id)
        .where(holds, Payment.status != Status.DISPUTED)
    )
    for case, reference, status in session.execute(unheld):
        yield f"dispute {case}: it stands, and {reference} is {status}"
    other = (
        select(Dispute.case_reference)
        .join(Refund, Refund.id == Dispute.refund_id)
        .where(or_(Refund.payment_id != Dispute.payment_id, Refund.amount_minor > Dispute.amount_minor))
    )
    yield from (f"dispute {case}: its refund is another's, or more" for case in session.scalars(other))
