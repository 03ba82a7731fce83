"""What a payment or a payout was before it is changed, where no other row tells it: ``as_of`` reads it again.

Status, money and matches have rows of their own that say when. What is only overwritten is kept here first.
"""

from datetime import datetime
from typing import Any

from sqlalchemy import event
from sqlalchemy.orm import Session

from db.models import Payment, PaymentPast, Payout, PayoutPast

_KEPT = "payments.finding.pasts"


def payment(session: Session, was: Payment, now: datetime) -> None:
    """Keep it as it stands until now. Whoever overwrites its event, price, method, stage or failure calls
    this first; of several changes of one moment only what was before all of them is kept."""
    kept: set[tuple[int, datetime]] = session.info.setdefault(_KEPT, set())
    if (was.id, now) in kept:
        return
    kept.add((was.id, now))
    session.add(
        PaymentPast(
            payment_id=was.id, until=now, event_id=was.event_id, category_id=was.category_id,
            method=was.method, stage=was.stage, failure=was.failure,
        )
    )  # fmt: skip


def payout(session: Session, was: Payout, now: datetime) -> None:
    """Keep what it is known to cost until now: an explanation is about to say otherwise."""
    session.add(PayoutPast(payout_id=was.id, until=now, payout_fee_minor=was.payout_fee_minor))


@event.listens_for(Session, "after_commit")
def _committed(session: Session) -> None:
    session.info.pop(_KEPT, None)


@event.listens_for(Session, "after_soft_rollback")
def _rolled_back(session: Session, _transaction: Any) -> None:
    session.info.pop(_KEPT, None)
