"""Disputes whose deadline comes: what ``watch`` tells of them."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Dispute, Payment
from payments import dates
from payments.watching.alerts import Alarm, Kind, Severity

#: Told so long before the deadline; the last day, and after it, is told by night as well.
BEFORE, LAST = timedelta(days=3), timedelta(days=1)


def alarms(session: Session, *, now: datetime) -> Iterator[Alarm]:
    """One for each dispute that waits for evidence, from three days before its deadline on."""
    today = dates.business_day(now)
    query = (
        select(Dispute, Payment.reference)
        .join(Payment, Payment.id == Dispute.payment_id)
        .where(Dispute.state == "open", Dispute.answer_by <= today + BEFORE)
        .order_by(Dispute.answer_by, Dispute.id)
    )
    for dispute, reference in session.execute(query):
        passed = dispute.answer_by < today
        told = f"passed on {dispute.answer_by:%-d %b}" if passed else f"is {dispute.answer_by:%-d %b}"
        yield Alarm(
            Kind.DISPUTE_DUE,
            Severity.BAD if dispute.answer_by <= today + LAST else Severity.POOR,
            f"The deadline for evidence of dispute {dispute.case_reference}, {dispute.amount} of "
            f"{reference}, {told}. Take its evidence pack under Disputes, and send it to the gateway.",
            key=str(dispute.id),
        )
