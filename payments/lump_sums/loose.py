"""What the gateway took and no payout has brought yet, and what none was less by."""

from datetime import date, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from db.models import Payment, Payout, Receipt, Refund, Reversal
from payments import dates
from payments.lifecycle import Method
from payments.lump_sums import went_back
from payments.lump_sums.explained import is_settled
from payments.lump_sums.tariff import METHODS
from payments.payouts import Capture, Item, Less

#: How far back a capture may lie that a payout still brings.
CAPTURE_DAYS, HELD_DAYS = 30, 60


def captures(session: Session, first: date) -> tuple[list[Capture], list[Capture], set[date]]:
    """What the gateway took and no payout has brought: of days that none tells of, and of days that one left
    it out of; and those days."""
    since = dates.day_span(first - timedelta(days=HELD_DAYS)).start
    query = (
        select(Receipt, Payment.method)
        .join(Payment, Payment.id == Receipt.payment_id)
        .where(Receipt.kind == Method.GATEWAY, Receipt.received_at >= since)
        .where(~exists().where(Reversal.receipt_id == Receipt.id), ~is_settled())
        .order_by(Receipt.id)
    )
    told = select(Payout).where(
        Payout.undone_at.is_(None),
        Payout.explained != "",
        Payout.last_on >= first - timedelta(days=HELD_DAYS),
    )
    paid = {
        one.first_on + timedelta(days=after)
        for one in session.scalars(told)
        if one.first_on and one.last_on
        for after in range((one.last_on - one.first_on).days + 1)
    }
    fresh, held = [], []
    for receipt, method in session.execute(query):
        day = dates.business_day(receipt.received_at)
        capture = Capture(receipt.id, day, receipt.amount, method if method in METHODS else None)
        if day in paid:
            held.append(capture)
        elif day >= first - timedelta(days=CAPTURE_DAYS):
            fresh.append(capture)
    return fresh, held, paid


def refunds(session: Session, first: date) -> list[Item]:
    """Refunds through the gateway that no payout was less by yet, as far as files tell."""
    since = first - timedelta(days=HELD_DAYS)
    query = select(Refund).where(Refund.method == Method.GATEWAY, Refund.refunded_on >= since)
    given_back = session.scalars(query.order_by(Refund.id)).all()
    off = went_back.taken_off(session, given_back)
    return [
        Item(one.id, Less.REFUND, one.amount, one.refunded_on) for one in given_back if one.id not in off
    ]  # fmt: skip
