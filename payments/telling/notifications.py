"""What other systems are told: written in the transaction of the change, sent later by ``notifying``.

Only payments that another system registered are told of, to the endpoints of their event. Each message says
how the payment stood then; who receives it may get it twice, and goes by ``webhook-id``.
"""

import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event, func, select
from sqlalchemy.orm import Session, SessionTransaction

from db.models import AmountChange, Notification, NotifyEndpoint, Payment, Registration, TimelineEntry
from payments.live import tallies

PAID, FAILED, REFUNDED = "payment.paid", "payment.failed", "payment.refunded"
EXPIRED, CANCELLED, WAIVED = "payment.expired", "payment.cancelled", "payment.waived"
#: Money that was here was taken back: what was complete is not any more.
REOPENED = "payment.reopened"
KINDS = (PAID, FAILED, REFUNDED, EXPIRED, CANCELLED, WAIVED, REOPENED)
#: What is told when a payment comes to a status; of the others nothing is.
TELLS: Mapping[str, str] = {
    "paid": PAID,
    "failed": FAILED,
    "expired": EXPIRED,
    "cancelled": CANCELLED,
    "waived": WAIVED,
    "part_refunded": REFUNDED,
    "refunded": REFUNDED,
}
_KNOWN = "notify_endpoints"


def status_changed(session: Session, payment: Payment, *, reopening: bool, now: datetime) -> None:
    """Owe word of it to whoever is to hear of this status."""
    kind = REOPENED if reopening else TELLS.get(payment.status)
    if kind is not None:
        queue(session, payment, kind, now=now)


def queue(session: Session, payment: Payment, kind: str, *, now: datetime) -> None:
    """A message for each endpoint of the event, when the payment is a registration's."""
    if payment.origin != "api":
        return
    endpoints = _endpoints(session, payment.event_id)
    if not endpoints:
        return
    registration_id = session.scalar(
        select(Registration.registration_id).where(
            Registration.reference == payment.reference, Registration.event_id == payment.event_id
        )
    )
    if registration_id is None:
        return
    credited = select(func.sum(AmountChange.amount_minor)).where(
        AmountChange.payment_id == payment.id, AmountChange.kind == "credited"
    )
    body = _body(payment, registration_id, kind, int(session.scalar(credited) or 0), now)
    for endpoint_id in endpoints:
        row = Notification(
            endpoint_id=endpoint_id, payment_id=payment.id, kind=kind,
            message_id=f"msg_{secrets.token_urlsafe(20)}", body=body, state="waiting", created_at=now,
            next_try_at=now,
        )  # fmt: skip
        session.add(row)
        note(session, payment, row, "queued", now)


def note(
    session: Session, payment: Payment, row: Notification, step: str, now: datetime, why: str = ""
) -> None:
    """Put it on the payment's timeline."""
    told = {"step": step, "told": row.kind, "message": row.message_id} | ({"why": why} if why else {})
    entry = TimelineEntry(
        payment_id=payment.id, at=now, kind="notified", source="worker", actor="Paydesk", detail=told
    )
    session.add(entry)
    tallies.bump(session, payment.event_id)


def is_complete(status: str, refunded_minor: int, credited_minor: int) -> bool:
    """Nothing more is owed: it is paid, or not asked for, and no more went back than it costs less by now."""
    return status in ("paid", "waived") or (status == "part_refunded" and refunded_minor <= credited_minor)


def _body(payment: Payment, registration_id: str, kind: str, credited: int, now: datetime) -> str:
    """As the API answers, but for what only serves paying. ``timestamp`` is when it happened."""
    told: dict[str, Any] = {
        "reference": payment.reference,
        "registration_id": registration_id,
        "event": payment.event.code,
        "mode": payment.mode,
        "status": str(payment.status),
        "complete": is_complete(payment.status, payment.refunded_minor, credited),
        "amount_minor": payment.amount_minor,
        "received_minor": payment.received_minor,
        "refunded_minor": payment.refunded_minor,
        "credited_minor": credited,
        "currency": payment.amount_currency,
        "created_at": moment(payment.created_at),
        "paid_at": moment(payment.paid_at) if payment.paid_at else None,
    }
    return json.dumps({"type": kind, "timestamp": moment(now), "data": told}, separators=(",", ":"))


def moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _endpoints(session: Session, event_id: int) -> Sequence[int]:
    """Asked once in a transaction: in a rush many payments of one event share it."""
    known: dict[int, Sequence[int]] = session.info.setdefault(_KNOWN, {})
    if event_id not in known:
        known[event_id] = session.scalars(
            select(NotifyEndpoint.id)
            .where(NotifyEndpoint.event_id == event_id, NotifyEndpoint.stopped_at.is_(None))
            .order_by(NotifyEndpoint.id)
        ).all()
    return known[event_id]


@event.listens_for(Session, "after_transaction_end")
def _forget(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:
        session.info.pop(_KNOWN, None)
