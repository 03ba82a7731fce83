"""Payments as ``payments.patience`` knows them: how long each was open, and what became of it.

Earlier records are not among them: their days are what somebody wrote down once.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import case, func, or_, select
from sqlalchemy.orm import Session

from db.models import Event, Link, Payment, Receipt, Reversal, TimelineEntry
from payments.conditions import API, LEGACY
from payments.dates import day_span
from payments.lifecycle import CLOSED, PENDING, Kind
from payments.patience import Book, Whole

#: How far back it is looked, and at how many payments that ended.
_BACK = timedelta(days=730)
_MOST = 50_000
#: A link that came later than this was not how the payment was asked for.
_AT_ONCE = timedelta(hours=1)
#: How a payment was asked for, by its place in this list.
CHANNELS = ("By link", "By another system", "Without a link: EFT, at the till")
_BY_LINK, _BY_SYSTEM, _OTHERWISE = range(3)


@dataclass(frozen=True)
class Waiting:
    """``book``: each payment a place. ``ids``, ``events`` and ``currencies`` say what stands there."""

    book: Book
    ids: Whole
    events: Whole
    currencies: Any  # an array of words


def days(moment: datetime) -> float:
    """As ``payments.patience`` counts."""
    return moment.timestamp() / 86_400


def read(session: Session, events: frozenset[int] | None, *, now: datetime) -> Waiting:
    """Those that are open, and the newest of those that ended; ``events``: None for all."""
    of: list[Any] = [Payment.origin != LEGACY] + (
        [] if events is None else [Payment.event_id.in_(sorted(events))]
    )
    columns = (
        Payment.id, Payment.event_id, Event.starts_on, Payment.origin, Payment.status, Payment.created_at,
        Payment.paid_at, Payment.amount_currency,
        Payment.amount_minor - Payment.written_off_minor,
        Payment.received_minor,
    )  # fmt: skip
    every = select(*columns).join(Event, Event.id == Payment.event_id).where(*of)
    pending = [str(one) for one in PENDING]
    ended = every.where(Payment.status.not_in(pending), Payment.created_at >= now - _BACK)
    done = session.execute(ended.order_by(Payment.id.desc()).limit(_MOST)).all()
    rows = [*session.execute(every.where(Payment.status.in_(pending))), *done]
    of.append(or_(Payment.id >= min((row.id for row in done), default=0), Payment.status.in_(pending)))
    let_go, first_links = _moments(session, _let_go(of)), _moments(session, _first_links(of))
    found = sorted(filter(None, (_placed(row, let_go, first_links) for row in rows)))
    return _as_arrays(found)


_Placed = tuple[int, int, str, int, int, float, float, bool, float]


def _placed(row: Any, let_go: Mapping[int, datetime], first_links: Mapping[int, datetime]) -> _Placed | None:
    """None: money of it went back before it was whole, or nobody knows when it was let go."""
    id_, event_id, starts_on, origin, status, created_at, paid_at, currency, owed, received = row
    ended = paid_at or let_go.get(id_)
    if status not in PENDING and ended is None:
        return None
    asked = first_links.get(id_)
    by_link = asked is not None and asked - created_at <= _AT_ONCE
    channel = _BY_SYSTEM if origin == API else _BY_LINK if by_link else _OTHERWISE
    is_open = status in PENDING
    minor = max(0, int(owed) - (int(received) if is_open else 0))
    until = days(ended) if ended is not None and not is_open else math.inf
    starts = days(day_span(starts_on).start)
    return id_, event_id, currency, channel, minor, days(created_at), until, paid_at is not None, starts


def _as_arrays(found: list[_Placed]) -> Waiting:
    ids, events, currencies, channel, minor, began, ended, paid, starts = (
        zip(*found, strict=True) if found else ((),) * 9
    )
    whole = np.array(events, dtype=np.int64)
    _, place = np.unique(whole, return_inverse=True)
    is_open = np.isinf(np.array(ended, dtype=float))
    book = Book(
        place.astype(np.int64), np.array(channel, dtype=np.int64), np.array(minor, dtype=np.int64),
        np.array(began, dtype=float), np.array(ended, dtype=float),
        np.array(paid, dtype=bool) & ~is_open, np.array(starts, dtype=float),
    )  # fmt: skip
    return Waiting(book, np.array(ids, dtype=np.int64), whole, np.array(currencies, dtype=str))


def _let_go(of: list[Any]) -> Any:
    """When each payment that is not asked for any more came to be so."""
    return (
        select(TimelineEntry.payment_id, func.max(TimelineEntry.at))
        .join(Payment, Payment.id == TimelineEntry.payment_id)
        .where(TimelineEntry.kind == Kind.STATUS, Payment.status.in_([str(one) for one in CLOSED]), *of)
        .group_by(TimelineEntry.payment_id)
    )


def _first_links(of: list[Any]) -> Any:
    return (
        select(Link.payment_id, func.min(Link.requested_at))
        .join(Payment, Payment.id == Link.payment_id)
        .where(*of)
        .group_by(Link.payment_id)
    )


def _moments(session: Session, query: Any) -> dict[int, datetime]:
    return {int(id_): at for id_, at in session.execute(query)}


@dataclass(frozen=True)
class Came:
    """Of one payment: what of its money was here at a moment, and what came since."""

    before: int
    since: int


def came(session: Session, events: frozenset[int] | None, moment: datetime) -> dict[int, Came]:
    """By payment that was there at a moment and was not paid: what receipts and reversals say."""
    found: dict[int, Came] = {}
    mine = [] if events is None else [Payment.event_id.in_(sorted(events))]
    there = [Payment.created_at <= moment, or_(Payment.paid_at.is_(None), Payment.paid_at > moment)]
    for table, at, sign in ((Receipt, Receipt.received_at, 1), (Reversal, Reversal.reversed_at, -1)):
        sums = (
            func.sum(case((at <= moment, table.amount_minor), else_=0)),
            func.sum(case((at > moment, table.amount_minor), else_=0)),
        )
        query = select(table.payment_id, *sums).join(Payment, Payment.id == table.payment_id)
        for id_, before, since in session.execute(query.where(*there, *mine).group_by(table.payment_id)):
            known = found.get(id_, Came(0, 0))
            found[id_] = Came(known.before + sign * int(before), known.since + sign * int(since))
    return found
