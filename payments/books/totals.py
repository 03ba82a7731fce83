"""What must hold of the running totals: each is what the payments, receipts and timelines add up to.

Each rule yields what does not hold, a sentence each; nothing when all of it does.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, String, case, cast, func, literal, or_, select, text, union_all
from sqlalchemy.orm import Session

from db.models import (
    LiveHour,
    MadeHour,
    PaidHour,
    Payment,
    Receipt,
    Reversal,
    Standing,
    Tally,
    TallyMonth,
    TimelineEntry,
)
from payments.dates import SAST
from payments.lifecycle import Kind, Status
from payments.live import tallies


def standings(session: Session) -> Iterator[str]:
    kept = (Standing.event_id, Standing.status, Standing.currency)
    counted = (Payment.event_id, Payment.status, Payment.amount_currency)
    rows = _differences(
        select(*kept, Standing.count, Standing.sum_minor),
        select(*counted, func.count(), func.sum(Payment.amount_minor)).group_by(*counted),
    )
    for (event, status, currency, *_), count, minor in _off(session, rows, 3):
        yield f"event {event}, {status}, {currency}: off by {count} payments, {minor} cents"


def hours(session: Session) -> Iterator[str]:
    """What is kept by the hour of the live page, beside the payments themselves."""
    what = (Payment.event_id, Payment.status, Payment.stage, Payment.failure, Payment.amount_currency)
    made = (MadeHour.event_id, MadeHour.status, MadeHour.stage, MadeHour.failure, MadeHour.currency)
    how = (Payment.event_id, func.coalesce(Payment.method, ""), Payment.amount_currency)
    paid = (PaidHour.event_id, PaidHour.method, PaidHour.currency)
    for word, table, kept, counted, moment in (
        ("made", MadeHour, made, what, Payment.created_at),
        ("paid", PaidHour, paid, how, Payment.paid_at),
    ):
        by = (_hour(session, moment), *counted)
        rows = _differences(
            select(_hour(session, table.hour), *kept, table.count, table.sum_minor),
            select(*by, func.count(), func.sum(Payment.amount_minor))
            .where(moment.is_not(None))
            .group_by(*by),
        )
        for (hour, *told), count, minor in _off(session, rows, len(by)):
            where = ", ".join(str(part) for part in told)
            yield f"{word} in {hour}h UTC, event {where}: off by {count} payments, {minor} cents"


def taken(session: Session) -> Iterator[str]:
    kept = (_hour(session, Tally.hour), Tally.event_id, Tally.key, Tally.currency)
    rows = _differences(
        select(*kept, Tally.count, Tally.sum_minor).where(Tally.measure == tallies.TAKEN),
        _received_and_given_back(session),
    )
    for (hour, event, kind, currency), count, minor in _off(session, rows, 4):
        yield f"{hour}h UTC, event {event}, {kind}, {currency}: off by {count} receipts, {minor} cents"


def _received_and_given_back(session: Session) -> Any:
    """Receipts in the hour they came, less reversals in the hour they were made."""
    event, kind = Payment.event_id, Receipt.kind
    here = select(
        _hour(session, Receipt.received_at).label("hour"), event, kind, Receipt.amount_currency,
        literal(1).label("count"), Receipt.amount_minor,
    ).join(Payment)  # fmt: skip
    gone = (
        select(
            _hour(session, Reversal.reversed_at),
            event,
            kind,
            Reversal.amount_currency,
            literal(-1),
            -Reversal.amount_minor,
        )
        .join(Receipt, Receipt.id == Reversal.receipt_id)
        .join(Payment, Payment.id == Reversal.payment_id)
    )
    told = union_all(here, gone).subquery().c
    by = (told.hour, told.event_id, told.kind, told.amount_currency)
    return select(*by, func.sum(told.count), func.sum(told.amount_minor)).group_by(*by)


def reached(session: Session) -> Iterator[str]:
    reached = case(
        (TimelineEntry.kind == Kind.CREATED, Status.CREATED.value),
        else_=TimelineEntry.detail["became"].as_string(),
    )
    kept = (_hour(session, Tally.hour), Tally.event_id, Tally.key, Tally.currency)
    told = (
        select(
            _hour(session, TimelineEntry.at).label("hour"),
            Payment.event_id,
            reached.label("reached"),
            Payment.amount_currency,
            Payment.amount_minor,
        )
        .join(Payment, Payment.id == TimelineEntry.payment_id)
        .where(TimelineEntry.kind.in_((Kind.CREATED, Kind.STATUS)))
        .subquery()
    )
    by = (told.c.hour, told.c.event_id, told.c.reached, told.c.amount_currency)
    rows = _differences(
        select(*kept, Tally.count, Tally.sum_minor).where(Tally.measure == tallies.STATUS),
        select(*by, func.count(), func.sum(told.c.amount_minor)).group_by(*by),
    )
    for (hour, event, status, currency), count, minor in _off(session, rows, 4):
        yield f"{hour}h UTC, event {event}, {status}, {currency}: off by {count} payments, {minor} cents"


def let_go(session: Session) -> Iterator[str]:
    """Statuses of what is not asked for any more, entered and left, as the timelines tell."""
    kept = (_hour(session, Tally.hour), Tally.event_id, Tally.key, Tally.currency)
    steps = [_steps(session, "became", 1), _steps(session, "was", -1)]
    told = union_all(*steps).subquery().c
    by = (told.hour, told.event_id, told.status, told.amount_currency)
    rows = _differences(
        select(*kept, Tally.count, Tally.sum_minor).where(Tally.measure == tallies.LET_GO),
        select(*by, func.sum(told.count), func.sum(told.minor)).group_by(*by),
    )
    for (hour, event, status, currency), count, minor in _off(session, rows, 4):
        yield f"{hour}h UTC, event {event}, {status}, {currency}: off by {count} payments, {minor} cents"


def months(session: Session) -> Iterator[str]:
    """What is kept by the month, beside the hours."""
    what = (Tally.event_id, Tally.measure, Tally.key, Tally.currency)
    kept = (TallyMonth.event_id, TallyMonth.measure, TallyMonth.key, TallyMonth.currency)
    by = (month_of(session, Tally.hour), *what)
    rows = _differences(
        select(cast(TallyMonth.month, String), *kept, TallyMonth.count, TallyMonth.sum_minor),
        select(*by, func.sum(Tally.count), func.sum(Tally.sum_minor)).group_by(*by),
    )
    for (month, event, *told), count, minor in _off(session, rows, len(by)):
        yield f"{month[:7]}, event {event}, {', '.join(told)}: off by {count}, {minor} cents"


def together(session: Session) -> Iterator[str]:
    """What is kept of all events together, beside what is kept of each."""
    kept = (LiveHour.hour, LiveHour.measure, LiveHour.key, LiveHour.currency)
    rows = _differences(select(*kept, LiveHour.count, LiveHour.sum_minor), of_all_events(session))
    for (hour, *told), count, minor in _off(session, rows, len(kept)):
        yield f"{hour:%Y-%m-%d %H}h UTC, {', '.join(told)}: off by {count} payments, {minor} cents"


def of_all_events(session: Session) -> Select[Any]:
    """The rows that ``live_hours`` must have."""
    made, paid = (
        (table.currency, table.count.label("count"), table.sum_minor) for table in (MadeHour, PaidHour)
    )
    key = MadeHour.status + " " + MadeHour.stage + " " + MadeHour.failure
    day = _day_of(session, PaidHour.hour)
    each = union_all(
        select(MadeHour.hour, literal(tallies.MADE).label("measure"), key.label("key"), *made),
        select(PaidHour.hour, literal(tallies.PAID), PaidHour.method, *paid),
        select(day, literal(tallies.OF_EVENT), cast(PaidHour.event_id, String), *paid),
    ).subquery("each_event")
    by = (each.c.hour, each.c.measure, each.c.key, each.c.currency)
    return select(*by, func.sum(each.c["count"]), func.sum(each.c.sum_minor)).group_by(*by)


def _day_of(session: Session, hour: Any) -> Any:
    """The first hour of the day of Johannesburg that an hour lies in."""
    if session.get_bind().dialect.name == "sqlite":
        start = text("'%Y-%m-%d 22\\:00\\:00.000000'")
        return func.strftime(start, hour, text("'+2 hours'"), text("'-1 day'"))
    return func.date_trunc(text("'day'"), hour, text(f"'{SAST.key}'"))


def _steps(session: Session, end: str, sign: int) -> Any:
    status = TimelineEntry.detail[end].as_string()
    return (
        select(
            _hour(session, TimelineEntry.at).label("hour"),
            Payment.event_id,
            status.label("status"),
            Payment.amount_currency,
            literal(sign).label("count"),
            (sign * Payment.amount_minor).label("minor"),
        )
        .join(Payment, Payment.id == TimelineEntry.payment_id)
        .where(TimelineEntry.kind == Kind.STATUS, status.in_(tallies.NOT_ASKED))
    )


def _differences(kept: Any, counted: Any) -> Any:
    """What is kept, beside what was counted with its sign turned: equal ones cancel each other out."""
    *keys, count, minor = counted.selected_columns
    turned = counted.with_only_columns(*keys, -count, -minor)
    return union_all(kept, turned).subquery()


def _off(session: Session, rows: Any, keys: int) -> Iterator[tuple[tuple[Any, ...], int, int]]:
    by, (count, minor) = list(rows.c)[:keys], list(rows.c)[keys:]
    counts, minors = func.sum(count), func.sum(minor)
    query = select(*by, counts, minors).group_by(*by).having(or_(counts != 0, minors != 0)).order_by(*by)
    for row in session.execute(query):
        yield tuple(row[:keys]), int(row[keys]), int(row[keys + 1])


def _hour(session: Session, column: Any) -> Any:
    """The UTC hour of a moment as text: 2026-11-23 10."""
    if session.get_bind().dialect.name == "sqlite":
        return func.substr(cast(column, String), 1, 13)
    return func.to_char(column, text("'YYYY-MM-DD HH24'"))


def month_of(session: Session, hour: Any) -> Any:
    """The first day of the month of Johannesburg that an hour lies in, as text."""
    if session.get_bind().dialect.name == "sqlite":
        return func.strftime(text("'%Y-%m-01'"), hour, text("'+2 hours'"))
    return func.to_char(func.timezone(text(f"'{SAST.key}'"), hour), text("'YYYY-MM-01'"))
