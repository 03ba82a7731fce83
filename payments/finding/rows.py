"""Payments as lists show them: rows for ids, read in one statement however many there are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Select, case, select, text
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
    review: Review | None
    payer_name: str
    payer_email: str
    payer_phone: str
    event_code: str
    event_name: str
    category: str | None
    gateway_reference: str | None
    wire_reference: str | None
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
    read = session.execute(_ROWS[sqlite], told(ids, sqlite=sqlite)).all()
    found = {payment[0]: _row(*payment) for payment in read}
    return [found[payment_id] for payment_id in ids]


def newest(session: Session, count: int) -> list[PaymentRow]:
    """The payments that came last of all, the newest first."""
    return [_row(*payment) for payment in session.execute(_newest(count))]


#: In the order of a row's fields, but for the currency: what is asked for by its name is looked up by it, and
#: a page of rows would ask a thousand times.
_COLUMNS = (
    Payment.id,
    Payment.reference,
    Payment.status,
    Payment.method,
    Payment.amount_minor,
    Payment.amount_currency,
    Payment.received_minor,
    Payment.review,
    Payment.payer_name,
    Payment.payer_email,
    Payment.payer_phone,
    Event.code.label("event_code"),
    Event.name.label("event_name"),
    Category.name.label("category"),
    Link.gateway_reference,
    Link.wire_reference,
    Payment.created_at,
    Payment.paid_at,
    Link.asked_at,
    Payment.mode,
    Payment.note,
    Payment.origin,
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


@cache
def _newest(count: int) -> Select[*tuple[Any, ...]]:
    """The number is written out: with one that is a parameter, PostgreSQL plans all of it anew each time."""
    last = select(Payment.id).order_by(Payment.id.desc()).suffix_with(text(f"LIMIT {count:d}")).subquery()
    return _JOINED.join(last, last.c.id == Payment.id).order_by(Payment.id.desc())


def _row(
    payment_id: int,
    reference: str,
    status: str,
    method: str | None,
    owed: int,
    currency: str,
    received: int,
    review: str | None,
    *known: Any,
) -> PaymentRow:
    return PaymentRow(
        payment_id,
        reference,
        Status(status),
        method,
        Money(owed, currency),
        Money(received, currency),
        Review(review) if review else None,
        *known,
    )
