"""Payments as ``payments.patience`` knows them: how long each was open, and what became of it.

Earlier records are not among them: their days are what somebody wrote down once.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import (
    ColumnElement,
    Double,
    Float,
    and_,
    case,
    cast,
    func,
    literal,
    null,
    or_,
    select,
)
from sqlalchemy.orm import Session

from db.among import among, told
from db.models import Event, Link, Payment, Receipt, Reversal, TallyMonth, TimelineEntry
from payments import patience
from payments.dates import day_span
from payments.finding.conditions import API, LEGACY, LET_GO
from payments.lifecycle import PENDING, Kind, Status
from payments.live import tallies
from payments.live.takings import in_scope
from payments.patience import Book, Floats, Whole

#: How far back it is looked, and of how many payments it is learned.
_BACK = timedelta(days=730)
_MOST = 20_000
#: Numbers that follow each other, times this and cut to 32 bits, lie evenly (Knuth's multiplicative hash).
_SPREAD, _ALL = 2_654_435_761, 1 << 32
#: Taken together: what was asked for one after the other lies side by side on the disk, with its links too.
_NEIGHBOURS = 16
#: A link that came later than this was not how the payment was asked for.
_AT_ONCE = timedelta(hours=1)
#: How a payment was asked for, by its place in this list.
CHANNELS = ("By link", "By another system", "Without a link: EFT, at the till")
_BY_LINK, _BY_SYSTEM, _OTHERWISE = range(3)
_MONEY = ((Receipt, Receipt.received_at, 1), (Reversal, Reversal.reversed_at, -1))

_Events = frozenset[int] | None


@dataclass(frozen=True)
class Waiting:
    """``learned``: payments that tell how long they stay open. ``book``: those that are open, or were at one
    of the moments. ``many`` that are alike may have one place there; ``ids`` is of one alone."""

    learned: Book
    book: Book
    many: Whole
    ids: Whole
    events: Whole
    currencies: Any  # an array of words
    received: Whole


def days(moment: datetime) -> float:
    """As ``payments.patience`` counts."""
    return moment.timestamp() / 86_400


def days_of(span: timedelta) -> float:
    return span.total_seconds() / 86_400


def read(
    session: Session, events: _Events, learn_from: _Events, *, now: datetime, moments: Sequence[datetime]
) -> Waiting:
    """What of these events is open now or was at one of the moments, and what to learn from; None: of all."""
    starts = {
        id_: days(day_span(day).start) for id_, day in session.execute(select(Event.id, Event.starts_on))
    }
    plain = session.connection()  # tens of thousands of rows, and no object of ours in them
    waits = [
        row
        for query in (_open(session, events, min(moments)), *_waited(session, events, moments))
        for row in plain.execute(query).all()
    ]
    learned = _as_arrays(_ended(session, learn_from, now), starts)
    return replace(_as_arrays(waits, starts), learned=learned.book)


def _ended(session: Session, events: _Events, now: datetime) -> Sequence[Any]:
    """Payments to learn from; of many, which ones is read from an index, and no row of the others."""
    plain, lately = session.connection(), Payment.created_at >= now - _BACK
    if not (some := _sampled(session, events, now)):
        return plain.execute(_each(session, events, lately)).all()
    which = select(Payment.id).where(lately, *in_scope(Payment.event_id, events), *some)
    ids, sqlite = sorted(plain.scalars(which).all()), session.get_bind().dialect.name == "sqlite"
    each = _each(session, events, among(Payment.id, sqlite=sqlite))
    return plain.execute(each, told(ids, sqlite=sqlite)).all()


def _sampled(session: Session, events: _Events, now: datetime) -> list[ColumnElement[bool]]:
    """Where there are more than are learned from: every so manieth few, whatever became of them. The newest
    alone would tell nothing of long waits, and of those that ended alone too many would seem to end."""
    made = select(func.sum(TallyMonth.count)).where(
        TallyMonth.measure == tallies.STATUS, TallyMonth.key == Status.CREATED,
        TallyMonth.month >= tallies.month_of(now - _BACK), *in_scope(TallyMonth.event_id, events),
    )  # fmt: skip
    count = int(session.scalar(made) or 0)
    return [Payment.id // _NEIGHBOURS * _SPREAD % _ALL < _ALL * _MOST // count] if count > _MOST else []


def _open(session: Session, events: _Events, since: datetime) -> Any:
    """What is open. Payments that were old by then and had no money since are all of one age, and those that
    ask for the same stand together."""
    back = select(Reversal.payment_id).where(Reversal.reversed_at > since)
    alone = or_(
        Payment.created_at > since - timedelta(days=patience.OLD), Payment.received_minor != 0,
        Payment.id.in_(back),
    )  # fmt: skip
    each = (
        select(
            case((alone, Payment.id), else_=0).label("id"), Payment.event_id, Payment.amount_currency,
            _channel(session).label("channel"), (_owed() - Payment.received_minor).label("minor"),
            Payment.created_at,
        )
        .where(*_known(events), _is_open())
        .subquery().c
    )  # fmt: skip
    by = (each.id, each.event_id, each.amount_currency, each.channel, each.minor)
    end = (null(), null(), literal(1), literal(0))  # as ``_each`` says of what has none
    return select(*by, _in_days(session, func.min(each.created_at)), func.count(), *end).group_by(*by)


def _waited(session: Session, events: _Events, moments: Sequence[datetime]) -> tuple[Any, Any]:
    """What ended after one of the moments, at which it was there: it was paid, or let go."""
    paid, gone = (
        or_(*(and_(Payment.created_at <= moment, at > moment) for moment in moments))
        for at in (Payment.paid_at, Payment.updated_at)
    )
    return (
        _each(session, events, Payment.paid_at > min(moments), ~_is_open(), ~LET_GO, paid),
        _each(session, events, LET_GO, Payment.updated_at > min(moments), gone),
    )


def _each(session: Session, events: _Events, *which: ColumnElement[bool]) -> Any:
    """Moments as days, worked out where they lie: of many thousands each would be made an object."""
    let_go = select(func.max(TimelineEntry.at)).where(
        TimelineEntry.payment_id == Payment.id, TimelineEntry.kind == Kind.STATUS
    )
    return select(
        Payment.id, Payment.event_id, Payment.amount_currency, _channel(session),
        case((_is_open(), _owed() - Payment.received_minor), else_=_owed()),
        _in_days(session, Payment.created_at), literal(1),
        _in_days(session, case((~_is_open(), Payment.paid_at))),
        _in_days(session, case((LET_GO, let_go.scalar_subquery()))),
        case((_is_open(), 1), else_=0), Payment.received_minor,
    ).where(*_known(events), *which)  # fmt: skip


def _known(events: _Events) -> list[ColumnElement[bool]]:
    return [Payment.origin != LEGACY, *in_scope(Payment.event_id, events)]


def _is_open() -> ColumnElement[bool]:
    return Payment.status.in_([str(one) for one in PENDING])


def _owed() -> ColumnElement[int]:
    return Payment.amount_minor - Payment.written_off_minor


def _channel(session: Session) -> ColumnElement[int]:
    first = select(func.min(Link.requested_at)).where(Link.payment_id == Payment.id).scalar_subquery()
    by_link = _in_days(session, first) - _in_days(session, Payment.created_at) <= days_of(_AT_ONCE)
    return case((Payment.origin == API, _BY_SYSTEM), (by_link, _BY_LINK), else_=_OTHERWISE)


def _in_days(session: Session, moment: Any) -> Any:
    """As ``days``, to the millisecond."""
    if session.get_bind().dialect.name == "sqlite":
        return func.unixepoch(moment, "subsec", type_=Float) / 86_400.0
    return cast(func.extract("epoch", moment), Double) / 86_400.0


def _as_arrays(rows: Sequence[Any], starts_of: Mapping[int, float]) -> Waiting:
    """Without those of which money went back before all of it was here, or nobody knows when they were let
    go: they are neither open nor at an end that tells anything."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * 11
    ids, events, channel, minor, is_open, many, received = (
        np.array(columns[nth], dtype=np.int64) for nth in (0, 1, 3, 4, 9, 6, 10)
    )
    began, paid, gone = (np.array(columns[nth], dtype=float) for nth in (5, 7, 8))
    currencies = np.array(columns[2], dtype=str)
    starts = np.array([starts_of[event] for event in columns[1]], dtype=float)
    ended = np.where(is_open == 1, np.inf, np.where(np.isnan(paid), gone, paid))
    order = np.lexsort((minor, began, channel, events, ids))
    known = order[~np.isnan(ended[order])]
    _, place = np.unique(events[known], return_inverse=True)
    book = Book(
        place.astype(np.int64), channel[known], np.maximum(0, minor[known]), began[known], ended[known],
        ~np.isnan(paid[known]), starts[known],
    )  # fmt: skip
    return Waiting(book, book, many[known], ids[known], events[known], currencies[known], received[known])


@dataclass(frozen=True)
class Moved:
    """Money that came, or went back, by payment and day."""

    ids: Whole
    at: Floats
    minor: Whole

    def after(self, moment: float, ids: Whole) -> Whole:
        """What came of these payments, whose ids rise, after a moment."""
        late = self.at > moment
        place = np.searchsorted(ids, self.ids[late]).clip(max=max(0, len(ids) - 1))
        found = np.zeros(len(ids), dtype=np.int64)
        mine = ids[place] == self.ids[late] if len(ids) else np.zeros(0, dtype=bool)
        np.add.at(found, place[mine], self.minor[late][mine])
        return found


def moved(session: Session, known: Waiting, moments: Sequence[datetime]) -> Moved:
    """What receipts and reversals say, since the first of the moments, of what was open at one of them."""
    since = min(moments)
    back = session.scalars(select(Reversal.payment_id).where(Reversal.reversed_at > since))
    had_any = known.ids[(known.received != 0) | known.book.paid]
    wanted = sorted({*had_any.tolist(), *back})
    sqlite = session.get_bind().dialect.name == "sqlite"
    queries = (
        select(table.payment_id, _in_days(session, at), sign * table.amount_minor).where(
            at > since, among(table.payment_id, sqlite=sqlite)
        )
        for table, at, sign in _MONEY
    )
    plain, ids_told = session.connection(), told(wanted, sqlite=sqlite)
    rows = [row for query in queries for row in plain.execute(query, ids_told).all()]
    columns = list(zip(*rows, strict=True)) if rows else [()] * 3
    ids, minor = (np.array(columns[nth], dtype=np.int64) for nth in (0, 2))
    return Moved(ids, np.array(columns[1], dtype=float), minor)
