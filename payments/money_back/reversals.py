"""Money that was written down and is not here after all: the receipt stays, a reversal stands against it."""

from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Payment, Receipt, Reversal
from payments import lifecycle
from payments.errors import Conflict
from payments.lifecycle import Kind, Source, Status
from payments.live import tallies
from payments.money_back import contested, crediting


def reverse(
    session: Session,
    payment: Payment,
    receipt: Receipt,
    why: str,
    *,
    now: datetime,
    source: Source,
    actor: str,
) -> Reversal:
    """Take back all of one receipt, and move its payment with it. The caller holds the payment's row.

    Raises Conflict: it was reversed before, or the money was given back to the payer already.
    """
    if session.scalar(select(Reversal.id).where(Reversal.receipt_id == receipt.id)) is not None:
        raise Conflict(f"This receipt of {payment.reference} was reversed already.")
    left = payment.received_minor - receipt.amount_minor
    if left < payment.refunded_minor:
        raise Conflict(f"{payment.reference} was refunded. Settle the refund before reversing its receipt.")
    if left - payment.refunded_minor < contested.held(session, payment.id):
        raise Conflict(f"{payment.reference} is disputed. Settle the dispute before reversing its receipt.")
    reversal = Reversal(
        receipt_id=receipt.id,
        payment_id=payment.id,
        amount_minor=receipt.amount_minor,
        amount_currency=receipt.amount_currency,
        why=why,
        reversed_at=now,
        reversed_by=actor,
    )
    session.add(reversal)
    payment.received_minor = left
    session.flush()
    by: dict[str, Any] = {"now": now, "source": source, "actor": actor}
    lifecycle.note(
        session, payment, Kind.REVERSAL, **by, receipt=receipt.id, how=receipt.kind, why=why,
        amount_minor=receipt.amount_minor, currency=receipt.amount_currency,
    )  # fmt: skip
    tallies.given_back(session, payment, receipt, now)
    _reopen(session, payment, by)
    return reversal


def _reopen(session: Session, payment: Payment, by: dict[str, Any]) -> None:
    was = Status(payment.status)
    if payment.received_minor >= payment.owed_minor or was not in lifecycle.REOPENED:
        return  # it is still all here, or what was refunded or disputed is for a person to judge
    to = Status.PART_PAID if payment.received_minor else Status.OPEN
    if to is not was:
        lifecycle.advance(session, payment, to, reopening=True, **by)
    crediting.money_gone(session, payment, **by)
