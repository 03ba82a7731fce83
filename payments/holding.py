"""Rows that are about to change, held: as they are on disk now, and nobody else's until the transaction ends.

A payment first, then its link, everywhere: two who took them in different order would wait for ever.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event, select
from sqlalchemy.orm import Session, SessionTransaction

from db.models import Link, Payment
from payments.errors import NotFound


def payment(session: Session, payment_id: int) -> Payment:
    """The payment's row, held until the transaction ends, as it is on disk now."""
    held = _held(session).payments
    if payment_id in held:  # nobody else can have changed it since
        return held[payment_id]
    query = (
        select(Payment)
        .where(Payment.id == payment_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    found = session.scalar(query)
    if found is None:
        raise NotFound("There is no such payment.")
    held[payment_id] = found
    return found


def link(session: Session, link_id: int) -> Link:
    """A link as it is on disk now, held until the transaction ends; its payment first, as everywhere.

    Whoever changes a link, or a payment's timeline and then its payment, begins so.
    """
    held = _held(session).links
    if link_id in held:
        return held[link_id]
    found = session.get_one(Link, link_id)
    payment(session, found.payment_id)
    session.refresh(found)
    held[link_id] = found
    return found


def free(session: Session, link_ids: Collection[int]) -> Mapping[int, Link]:
    """``link`` for many, but for those whose payment somebody else holds: they are left out.

    Who holds one payment waits for no other here, and so nobody can wait for us for ever.
    """
    wanted = select(Link.payment_id).where(Link.id.in_(link_ids))
    unheld = select(Payment).where(Payment.id.in_(wanted)).with_for_update(skip_locked=True)
    fresh: dict[str, Any] = {"populate_existing": True}
    payments = {one.id: one for one in session.scalars(unheld, execution_options=fresh)}
    ours = select(Link).where(Link.id.in_(link_ids), Link.payment_id.in_(payments))
    links = {one.id: one for one in session.scalars(ours, execution_options=fresh)}
    held = _held(session)
    held.payments.update(payments)
    held.links.update(links)
    return links


@dataclass
class _Held:
    """The rows that a transaction holds, as read since it does, by their id."""

    payments: dict[int, Payment] = field(default_factory=dict)
    links: dict[int, Link] = field(default_factory=dict)


def _held(session: Session) -> _Held:
    held: _Held = session.info.setdefault(_Held, _Held())
    return held


@event.listens_for(Session, "after_transaction_end")
def _let_go(session: Session, transaction: SessionTransaction) -> None:
    if transaction.parent is None:  # else it is that of a flush
        session.info.pop(_Held, None)
