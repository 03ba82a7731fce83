"""Payments as ``payments.patience`` knows them: how long each was open, and what became of it.

Earlier records are not among them: their days are what somebody wrote down once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import Double, Float, case, cast, func, or_, select
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


def days_of(span: timedelta) -> float:
    return span.total_seconds() / 86_400


def read(session: Session, events: frozenset[int] | None, *, now: datetime) -> Waiting:
    """Those that are open, and the newest of those that ended; ``events``: None for all."""
    of: list[Any] = [Payment.origin != LEGACY] + (
        [] if events is None else [Payment.event_id.in_(sorted(events))]
    )
    is_open = Payment.status.in_([str(one) for one in PENDING])
    every = select(*_columns(session, is_open)).where(*of)
    ended = every.where(~is_open, Payment.created_at >= now - _BACK).order_by(Payment.id.desc())
    plain = session.connection()  # hundreds of thousands of rows, and no object of ours in them
    rows = [*plain.execute(every.where(is_open)).all(), *plain.execute(ended.limit(_MOST)).all()]
    starts = {
        id_: days(day_span(day).start) for id_, day in session.execute(select(Event.id, Event.starts_on))
    }
    return _as_arrays(rows, starts)


def _columns(session: Session, is_open: Any) -> tuple[Any, ...]:
    """Moments as days, worked out where they lie: of hundreds of thousands each would be made an object."""
    let_go = select(func.max(TimelineEntry.at)).where(
        TimelineEntry.payment_id == Payment.id, TimelineEntry.kind == Kind.STATUS
    )
    closed = Payment.status.in_([str(one) for one in CLOSED])
    first_link = select(func.min(Link.requested_at)).where(Link.payment_id == Payment.id)
    moments = (
        Payment.created_at, Payment.paid_at, case((closed, let_go.scalar_subquery())),
        first_link.scalar_subquery(),
    )  # fmt: skip
    return (
        Payment.id, Payment.event_id, Payment.amount_currency,
        case((is_open, 1), else_=0), case((Payment.origin == API, 1), else_=0),
        Payment.amount_minor - Payment.written_off_minor, Payment.received_minor,
        *(_in_days(session, moment) for moment in moments),
    )  # fmt: skip


def _in_days(session: Session, moment: Any) -> Any:
    """As ``days``, to the millisecond."""
    if session.get_bind().dialect.name == "sqlite":
        return func.unixepoch(moment, "subsec", type_=Float) / 86_400.0
    return cast(func.extract("epoch", moment), Double) / 86_400.0


def _as_arrays(rows: Sequence[Any], starts_of: Mapping[int, float]) -> Waiting:
    """Without those of which money went back before all of it was here, or nobody knows when they were let
    go."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * 11
    ids, events, is_open, by_system, owed, received = (
        np.array(columns[nth], dtype=np.int64) for nth in (0, 1, 3, 4, 5, 6)
    )
    began, paid, gone, asked = (np.array(columns[nth], dtype=float) for nth in (7, 8, 9, 10))
    starts = np.array([starts_of[event] for event in columns[1]], dtype=float)
    open_ = is_open == 1
    ended = np.where(open_, np.inf, np.where(np.isnan(paid), gone, paid))
    by_link = asked - began <= days_of(_AT_ONCE)  # of none that has no link
    channel = np.where(by_system == 1, _BY_SYSTEM, np.where(by_link, _BY_LINK, _OTHERWISE))
    minor = np.maximum(0, owed - np.where(open_, received, 0))
    known = np.flatnonzero(~np.isnan(ended))
    known = known[np.argsort(ids[known])]
    _, place = np.unique(events[known], return_inverse=True)
    book = Book(
        place.astype(np.int64), channel[known].astype(np.int64), minor[known], began[known], ended[known],
        (~np.isnan(paid) & ~open_)[known], starts[known],
    )  # fmt: skip
    return Waiting(book, ids[known], events[known], np.array(columns[2], dtype=str)[known])


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
