"""Running totals, kept in the payment's own transaction, so that the live page never counts payments.

What happened is collected while a transaction runs and written once, just before it commits, always in
the same order: two transactions that touch the same totals wait for each other, and never for ever.
A transaction that is rolled back leaves nothing.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import (
    Executable,
    Select,
    String,
    Subquery,
    Table,
    bindparam,
    case,
    cast,
    event,
    func,
    literal,
    select,
    union_all,
    update,
)
from sqlalchemy.orm import Session, SessionTransaction

from db.models import (
    Base,
    Counter,
    LiveHour,
    MadeHour,
    PaidHour,
    Payment,
    Receipt,
    Registration,
    Reversal,
    Standing,
    Tally,
    TallyMonth,
    TimelineEntry,
)  # fmt: skip
from db.upsert import insert_for
from payments.dates import Span, business_day, day_span

#: The counter that open pages watch: it rises with every committed change they could show. Beside it stand
#: one for each event, and one for what concerns every event: who sees some events watches those.
CHANGES = "changes"
_OF_ALL = f"{CHANGES}:all"
#: A change that belongs to no event: only who sees everything can be shown it.
NO_EVENT = 0
TAKEN, STATUS, LET_GO = "taken", "status", "let_go"
#: Statuses of what is not asked for any more, by our decision: with each one entered so much less is open.
NOT_ASKED = ("expired", "cancelled", "waived")

_TALLY = ("event_id", "measure", "key", "currency")
#: What is kept of all events together: by the hour payments were made, by the hour they were paid, and by the
#: day for each event.
MADE, PAID, OF_EVENT = "made", "paid", "event"
_MADE = ("hour", "event_id", "status", "stage", "failure", "currency")


class Place(NamedTuple):
    """What the totals know of a payment, as it was before a change."""

    status: str
    stage: str
    failure: str
    method: str | None
    paid_at: datetime | None


#: How many, and how much.
_Sum = dict[str, int]


@dataclass
class _Pending:
    """What one transaction adds: by key, how many and how much."""

    standings: dict[tuple[int, str, str], _Sum] = field(default_factory=dict)
    tallies: dict[tuple[datetime, int, str, str, str], _Sum] = field(default_factory=dict)
    made: dict[tuple[datetime, int, str, str, str, str], _Sum] = field(default_factory=dict)
    paid: dict[tuple[datetime, int, str, str], _Sum] = field(default_factory=dict)
    together: dict[tuple[datetime, str, str, str], _Sum] = field(default_factory=dict)
    counters: set[str] = field(default_factory=lambda: {CHANGES})
    touched: set[str] = field(default_factory=set)


def place(payment: Payment) -> Place:
    """Where a payment stands. Whoever changes any of it takes this first, and hands it to ``moved`` after."""
    method = str(payment.method) if payment.method else None
    return Place(str(payment.status), str(payment.stage), payment.failure, method, payment.paid_at)


def moved(session: Session, payment: Payment, was: Place | None, now: datetime) -> None:
    """A payment stands where it does now; ``was`` is where it stood, None for a new payment."""
    bump(session, payment.event_id)
    pending, is_now = _pending(session), place(payment)
    if was is None or was.status != is_now.status:
        event_id, currency, minor = payment.event_id, payment.amount_currency, payment.amount_minor
        _add(pending.tallies, (hour_of(now), event_id, STATUS, is_now.status, currency), 1, minor)
        for status, sign in let_go(was.status if was else None, is_now.status):
            _add(pending.tallies, (hour_of(now), event_id, LET_GO, status, currency), sign, sign * minor)
    for before, sign in ((was, -1), (is_now, 1)):
        if before is not None and was != is_now:
            _stand(pending, payment, before, sign)


def let_go(was: str | None, became: str) -> list[tuple[str, int]]:
    """What a step changes of what is not asked for any more: the status, with 1 entered and -1 left."""
    return [
        (status, sign) for status, sign in ((was, -1), (became, 1)) if status in NOT_ASKED and was != became
    ]


def _stand(pending: _Pending, payment: Payment, at: Place, sign: int) -> None:
    """Add a payment to the totals of a place, or with -1 take it away. Amount, event and hour stay."""
    event_id, currency, minor = payment.event_id, payment.amount_currency, sign * payment.amount_minor
    _add(pending.standings, (event_id, at.status, currency), sign, minor)
    made = (hour_of(payment.created_at), event_id, at.status, at.stage, at.failure, currency)
    _add(pending.made, made, sign, minor)
    key = f"{at.status} {at.stage} {at.failure}"
    _add(pending.together, (hour_of(payment.created_at), MADE, key, currency), sign, minor)
    if at.paid_at is not None:
        hour, method = hour_of(at.paid_at), at.method or ""
        day = hour_of(day_span(business_day(at.paid_at)).start)
        _add(pending.paid, (hour, event_id, method, currency), sign, minor)
        _add(pending.together, (hour, PAID, method, currency), sign, minor)
        _add(pending.together, (day, OF_EVENT, str(event_id), currency), sign, minor)


def count_whole(session: Session, payment: Payment, sign: int) -> None:
    """All that a payment ever added to the totals of its event, added, or with -1 taken away: it moves."""
    pending, event_id, currency = _pending(session), payment.event_id, payment.amount_currency
    _stand(pending, payment, place(payment), sign)
    told = select(TimelineEntry).where(
        TimelineEntry.payment_id == payment.id, TimelineEntry.kind.in_(("created", "status"))
    )
    for entry in session.scalars(told):
        reached = entry.detail["became"] if entry.kind == "status" else "created"
        key = (hour_of(entry.at), event_id, STATUS, str(reached), currency)
        _add(pending.tallies, key, sign, sign * payment.amount_minor)
        for status, way in let_go(entry.detail.get("was"), str(reached)):
            gone_key = (hour_of(entry.at), event_id, LET_GO, status, currency)
            _add(pending.tallies, gone_key, sign * way, sign * way * payment.amount_minor)
    here = select(Receipt).where(Receipt.payment_id == payment.id)
    gone = select(Receipt, Reversal.reversed_at).join(Reversal, Reversal.receipt_id == Receipt.id)
    money = [(receipt, receipt.received_at, sign) for receipt in session.scalars(here)]
    back = session.execute(gone.where(Reversal.payment_id == payment.id))
    for receipt, at, way in (*money, *((receipt, at, -sign) for receipt, at in back)):
        key = (hour_of(at), event_id, TAKEN, str(receipt.kind), receipt.amount_currency)
        _add(pending.tallies, key, way, way * receipt.amount_minor)
    bump(session, event_id)


def taken(session: Session, payment: Payment, receipt: Receipt) -> None:
    """Money of one receipt is here. It counts in the hour it was received, whenever it is written down."""
    key = (hour_of(receipt.received_at), payment.event_id, TAKEN, str(receipt.kind), receipt.amount_currency)
    bump(session, payment.event_id)
    _add(_pending(session).tallies, key, 1, receipt.amount_minor)


def given_back(session: Session, payment: Payment, receipt: Receipt, now: datetime) -> None:
    """A receipt was reversed: what was taken is less by it, in the hour it was reversed."""
    key = (hour_of(now), payment.event_id, TAKEN, str(receipt.kind), receipt.amount_currency)
    bump(session, payment.event_id)
    _add(_pending(session).tallies, key, -1, -receipt.amount_minor)


def bump(session: Session, event_id: int | None = None) -> None:
    """Something changed that a live page could show: the version rises once, when this commits.

    It is of one event, or of none (``NO_EVENT``); else every page is drawn anew.
    """
    counters = _pending(session).counters
    if event_id != NO_EVENT:
        counters.add(_OF_ALL if event_id is None else f"{CHANGES}:{event_id}")


def touch(session: Session, payment: Payment) -> None:
    """Something happened to this payment. If another system registered it, that system is to read of it: its
    change has the number of the event's, which rise in the order of commits."""
    if payment.origin == "api":
        _pending(session).touched.add(payment.reference)


def version(session: Session, scope: frozenset[int] | None = None) -> int:
    """Rises with every committed change of these events; None is all of them."""
    names = [CHANGES] if scope is None else [_OF_ALL, *(f"{CHANGES}:{event_id}" for event_id in scope)]
    return int(session.scalar(select(func.sum(Counter.value)).where(Counter.name.in_(names))) or 0)


def of_day(session: Session, scope: frozenset[int] | None, day: Span) -> Iterator[Any]:
    """What was made on a day and what became paid on it: hour, measure, key, currency, count and sum, as
    ``LiveHour`` has them. Of all events that is one question; of some it is added up of what each has."""
    if scope is None:
        what = (LiveHour.hour, LiveHour.measure, LiveHour.key, LiveHour.currency)
        kept = select(*what, LiveHour.count, LiveHour.sum_minor)
        yield from session.execute(kept.where(*_of(LiveHour, day)))
        return
    stood = (MadeHour.hour, MadeHour.status, MadeHour.stage, MadeHour.failure, MadeHour.currency)
    made = select(*stood, func.sum(MadeHour.count), func.sum(MadeHour.sum_minor)).group_by(*stood)
    for hour, status, stage, failure, *rest in session.execute(made.where(*_of(MadeHour, day, scope))):
        yield hour, MADE, f"{status} {stage} {failure}", *rest
    told = (PaidHour.hour, PaidHour.event_id, PaidHour.method, PaidHour.currency)
    paid = select(*told, PaidHour.count, PaidHour.sum_minor)
    for hour, event_id, method, *rest in session.execute(paid.where(*_of(PaidHour, day, scope))):
        yield hour, PAID, method, *rest
        yield day.start, OF_EVENT, str(event_id), *rest


def _of(table: Any, day: Span, scope: frozenset[int] | None = None) -> list[Any]:
    events = [] if scope is None else [table.event_id.in_(sorted(scope))]
    return [table.hour >= day.start, table.hour < day.end, *events]


def hour_of(moment: datetime) -> datetime:
    """The start of the hour a moment lies in, in UTC. Hours of Johannesburg start at the same moments."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


# -- months -------------------------------------------------------------------------------------------


def month_of(moment: datetime) -> date:
    """The month of Johannesburg that a moment lies in, by its first day."""
    return business_day(moment).replace(day=1)


def added_up(start: datetime, end: datetime) -> Subquery:
    """What was tallied until ``end``; ``before`` is 1 for what was before ``start``. Both are on the hour.
    Whole months are read as they are kept; where one is cut, its hours."""
    first, last = month_of(start), month_of(end)
    whole = first if _begins(first) == start else _next(first)
    kept = TallyMonth.month
    parts = [
        _told(TallyMonth, case((kept < first, 1), else_=0)).where(
            kept < last, (kept < first) | (kept >= whole)
        ),
        _hours(1, _begins(first), start),
        _hours(0, start, min(_begins(whole), end)),
        _hours(0, max(_begins(last), start), end) if whole <= last else None,
    ]
    return union_all(*(part for part in parts if part is not None)).subquery("added_up")


def _begins(month: date) -> datetime:
    return day_span(month).start


def _next(month: date) -> date:
    return (month + timedelta(days=31)).replace(day=1)


def _hours(before: int, start: datetime, end: datetime) -> Select[Any] | None:
    wanted = _told(Tally, literal(before)).where(Tally.hour >= start, Tally.hour < end)
    return wanted if start < end else None


def _told(table: type[Tally] | type[TallyMonth], before: Any) -> Select[Any]:
    names = (*(getattr(table, name) for name in _TALLY), table.count, table.sum_minor)
    return select(before.label("before"), *names)


def _by_month(sums: dict[Any, _Sum]) -> dict[Any, _Sum]:
    found: dict[Any, _Sum] = {}
    for (hour, *what), total in sums.items():
        _add(found, (month_of(hour), *what), total["count"], total["sum_minor"])
    return found


# -- written as a transaction commits -----------------------------------------------------------------


def _pending(session: Session) -> _Pending:
    assert not session.in_nested_transaction(), "totals are kept by whole transactions, not by savepoints"
    pending: _Pending | None = session.info.get(_Pending)
    if pending is None:
        pending = session.info[_Pending] = _Pending()
    return pending


def _add(sums: dict[Any, _Sum], key: tuple[Any, ...], count: int, minor: int) -> None:
    total = sums.get(key)
    if total is None:
        sums[key] = {"count": count, "sum_minor": minor}
    else:
        total["count"] += count
        total["sum_minor"] += minor


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    pending: _Pending | None = session.info.pop(_Pending, None)
    if pending is None:
        return
    session.flush()
    _upsert(session, Standing, ("event_id", "status", "currency"), pending.standings)
    _upsert(session, Tally, ("hour", *_TALLY), pending.tallies)
    _upsert(session, TallyMonth, ("month", *_TALLY), _by_month(pending.tallies))
    _upsert(session, MadeHour, _MADE, pending.made)
    _upsert(session, PaidHour, ("hour", "event_id", "method", "currency"), pending.paid)
    _upsert(session, LiveHour, ("hour", "measure", "key", "currency"), pending.together)
    _upsert(session, Counter, ("name",), {(name,): {"value": 1} for name in pending.counters})
    if pending.touched:
        _number(session, pending.touched)


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, _transaction: SessionTransaction) -> None:
    session.info.pop(_Pending, None)


#: Made once: SQLAlchemy takes longer to put it together than the database to do it.
_REGISTERED = Registration.__table__
_NUMBER = (
    update(_REGISTERED)  # type: ignore[arg-type]
    .where(_REGISTERED.c.reference.in_(bindparam("touched", expanding=True)))
    .values(
        change=func.coalesce(
            select(Counter.value)
            .where(Counter.name == literal(f"{CHANGES}:") + cast(_REGISTERED.c.event_id, String))
            .scalar_subquery(),
            0,
        )
    )
)


def _number(session: Session, references: set[str]) -> None:
    """Give these registrations the number their event's counter has now: whoever wrote it holds it until the
    commit, so that nobody who read up to a number missed a lower one."""
    session.connection().execute(_NUMBER, {"touched": sorted(references)})


def _upsert(session: Session, table: type[Base], key: tuple[str, ...], sums: dict[Any, Any]) -> None:
    """Add to rows, making those that are not there yet, in key order; what comes to nothing is left out."""
    changed = [dict(zip(key, at, strict=True), **sums[at]) for at in sorted(sums) if any(sums[at].values())]
    if not changed:
        return
    addition = _addition(session.get_bind().dialect.name, table.__table__, key, tuple(changed[0])[len(key) :])
    session.connection().execute(addition, changed)


@cache
def _addition(dialect: str, table: Table, key: tuple[str, ...], numbers: tuple[str, ...]) -> Executable:
    """Made once, as ``_NUMBER``."""
    insert = insert_for(dialect, table)
    return insert.on_conflict_do_update(
        index_elements=key, set_={name: table.c[name] + insert.excluded[name] for name in numbers}
    )
