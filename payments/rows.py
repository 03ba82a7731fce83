"""Payments as lists show them: rows for ids, read in two statements however many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import case, select
from sqlalchemy.orm import Session

from db.models import Category, Event, Link, Payment
from db.money import Money
from payments.lifecycle import Review, Status


@dataclass(frozen=True)
class PaymentRow:
    """A payment on a list. The gateway's words are of its paid link, else of its newest."""

    id: int
    reference: str
    status: Status
    method: str | None
    amount: Money
    received: Money
    payer_name: str
    payer_email: str
    payer_phone: str
    event_code: str
    event_name: str
    category: str | None
    gateway_reference: str | None
    wire_reference: str | None
    review: Review | None
    created_at: datetime
    paid_at: datetime | None
    asked_at: datetime | None
    mode: str
    note: str


def fetch(session: Session, ids: Sequence[int]) -> list[PaymentRow]:
    """The payments of these ids, in this order."""
    if not ids:
        return []
    query = select(*_COLUMNS).join(Payment.event).outerjoin(Payment.category).where(Payment.id.in_(ids))
    links = _links(session, ids)
    found = {payment.id: _row(payment, links.get(payment.id)) for payment in session.execute(query)}
    return [found[payment_id] for payment_id in ids]


_COLUMNS = (
    Payment.id,
    Payment.reference,
    Payment.status,
    Payment.method,
    Payment.amount_minor,
    Payment.amount_currency,
    Payment.received_minor,
    Payment.payer_name,
    Payment.payer_email,
    Payment.payer_phone,
    Payment.review,
    Payment.created_at,
    Payment.paid_at,
    Payment.mode,
    Payment.note,
    Event.code.label("event_code"),
    Event.name.label("event_name"),
    Category.name.label("category"),
)


def _links(session: Session, payment_ids: Sequence[int]) -> dict[int, Any]:
    """The link to tell of for each payment: the paid one, else the newest."""
    query = select(Link.payment_id, Link.gateway_reference, Link.wire_reference, Link.asked_at).where(
        Link.payment_id.in_(payment_ids)
    )
    ordered = query.order_by(case((Link.state == "paid", 1), else_=0), Link.id)
    return {link.payment_id: link for link in session.execute(ordered)}


def _row(payment: Any, link: Any) -> PaymentRow:
    currency = payment.amount_currency
    return PaymentRow(
        id=payment.id,
        reference=payment.reference,
        status=Status(payment.status),
        method=payment.method,
        amount=Money(payment.amount_minor, currency),
        received=Money(payment.received_minor, currency),
        payer_name=payment.payer_name,
        payer_email=payment.payer_email,
        payer_phone=payment.payer_phone,
        event_code=payment.event_code,
        event_name=payment.event_name,
        category=payment.category,
        gateway_reference=link.gateway_reference if link else None,
        wire_reference=link.wire_reference if link else None,
        review=Review(payment.review) if payment.review else None,
        created_at=payment.created_at,
        paid_at=payment.paid_at,
        asked_at=link.asked_at if link else None,
        mode=payment.mode,
        note=payment.note,
    )
