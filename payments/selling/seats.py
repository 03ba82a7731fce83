"""Seats: how many of a price payments hold, counted from their lines, never written down.

Whoever is priced holds their seats from that moment until their payment is cancelled, expires, is refunded
whole or moved to another event. Two who want the last one wait for each other: the row of what they want is
held while they count.
"""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.models import DiscountCode, Extra, Payment, PaymentLine, PricePeriod
from payments.lifecycle import Status

#: Payments that hold no seat. One that was waived does: its person comes.
FREE = frozenset({Status.EXPIRED, Status.CANCELLED, Status.REFUNDED})

Limited = TypeVar("Limited", PricePeriod, Extra, DiscountCode)
Column = InstrumentedAttribute[int | None]


def sold(session: Session, event_id: int, column: Column, ids: Sequence[int]) -> Mapping[int, int]:
    """Seats that payments hold, by the id of a period (``PaymentLine.period_id``) or of an extra."""
    query = (
        select(column, func.sum(PaymentLine.quantity))
        .join(Payment, Payment.id == PaymentLine.payment_id)
        .where(column.in_(ids), *_holding(event_id))
        .group_by(column)
    )
    return {of: int(seats) for of, seats in session.execute(query) if of is not None}


def used(session: Session, event_id: int, ids: Sequence[int]) -> Mapping[int, int]:
    """How many payments that hold their seats have a code, by its id."""
    query = (
        select(PaymentLine.code_id, func.count(func.distinct(PaymentLine.payment_id)))
        .join(Payment, Payment.id == PaymentLine.payment_id)
        .where(PaymentLine.code_id.in_(ids), *_holding(event_id))
        .group_by(PaymentLine.code_id)
    )
    return {of: int(times) for of, times in session.execute(query) if of is not None}


def left(session: Session, event_id: int, row: PricePeriod | Extra) -> int | None:
    """How many are left of it, never below none; None: any number."""
    if row.seats is None:
        return None
    column = PaymentLine.period_id if isinstance(row, PricePeriod) else PaymentLine.extra_id
    return max(0, row.seats - sold(session, event_id, column, [row.id]).get(row.id, 0))


def locked(session: Session, table: type[Limited], ids: Sequence[int]) -> dict[int, Limited]:
    """Rows as they are on disk now, by id; nobody else counts their seats until the transaction ends.

    Always periods first, then extras, then the code, each in the order of their ids: nobody waits for ever.
    """
    query = select(table).where(table.id.in_(ids)).order_by(table.id).with_for_update(key_share=True)
    return {row.id: row for row in session.scalars(query.execution_options(populate_existing=True))}


def _holding(event_id: int) -> tuple[ColumnElement[bool], ...]:
    return Payment.event_id == event_id, Payment.status.not_in(sorted(FREE))
