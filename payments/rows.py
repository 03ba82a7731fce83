"""Payments as lists show them: rows for ids, read in one statement however many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, case, select
from sqlalchemy.orm import Session, aliased
from sqlalchemy.sql.selectable import LateralFromClause

from db.among import among, told
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
    origin: str


def fetch(session: Session, ids: Sequence[int]) -> list[PaymentRow]:
    """The payments of these ids, none twice, in this order."""
    if not ids:
        return []
    sqlite = session.get_bind().dialect.name == "sqlite"
    read = session.execute(_ROWS[sqlite], told(ids, sqlite=sqlite))
    found = {payment.id: _row(payment) for payment in read}
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
    Payment.origin,
    Event.code.label("event_code"),
    Event.name.label("event_name"),
    Category.name.label("category"),
    Link.gateway_reference,
    Link.wire_reference,
    Link.asked_at,
)


def told_link() -> ScalarSelect[int]:
    """The id of the link to tell of, for a query over payments: the paid one, else the newest."""
    other = aliased(Link)
    of_one = select(other.id).where(other.payment_id == Payment.id)
    return of_one.order_by(*_told_first(other)).limit(1).correlate(Payment).scalar_subquery()


def told_links() -> LateralFromClause:
    """The same link beside each payment, named as its table is: PostgreSQL alone looks sideways, and then
    begins with the first payment before it has seen the last."""
    of_one = select(Link.gateway_reference, Link.wire_reference).where(Link.payment_id == Payment.id)
    return of_one.order_by(*_told_first(Link)).limit(1).correlate(Payment).lateral(Link.__tablename__)


def _told_first(link: type[Link]) -> tuple[ColumnElement[Any], ...]:
    return case((link.state == "paid", 1), else_=0).desc(), link.id.desc()


_JOINED = (
    select(*_COLUMNS).join(Payment.event).outerjoin(Payment.category).outerjoin(Link, Link.id == told_link())
)
#: Made once: making a statement takes longer than reading a page. The ids go over as one value: where a
#: statement has more than fifty, PostgreSQL's driver works out each time anew where they stand.
_ROWS = {sqlite: _JOINED.where(among(Payment.id, sqlite=sqlite)) for sqlite in (True, False)}


def _row(payment: Any) -> PaymentRow:
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
        gateway_reference=payment.gateway_reference,
        wire_reference=payment.wire_reference,
        review=Review(payment.review) if payment.review else None,
        created_at=payment.created_at,
        paid_at=payment.paid_at,
        asked_at=payment.asked_at,
        mode=payment.mode,
        note=payment.note,
        origin=payment.origin,
    )
