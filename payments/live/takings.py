"""What became paid today, by hour, method and event, beside the same day of the last event.

A payment counts once, in the hour it became paid, with what it was for: that is what a list can show again.
"""

from collections import Counter as Sums
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from db.models import Event, LiveHour, PaidHour
from payments.dates import SAST, Span, business_day, day_span
from payments.finding.conditions import Filter
from payments.live.figures import Figure, Pile
from payments.live.tallies import OF_EVENT, PAID, hour_of

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Compared:
    """The day that today is held against. Without an event it is simply yesterday.

    ``nth`` is the day of the event, from 1; below 1, how many days before it began.
    """

    day: date
    event: str | None = None
    nth: int = 0


@dataclass(frozen=True)
class HourPaid:
    """One of the day's 24 hours in Johannesburg, today and on the day compared with."""

    hour_sast: int
    today: Figure
    before: Figure


@dataclass(frozen=True)
class Takings:
    """``before`` is the compared day up to the end of the hour it is now, which ``until`` says: what is kept
    is kept by the hour. ``by_method`` and ``by_event`` are today's, the most money first."""

    today: Figure
    compared: Compared
    before: Figure
    until: datetime
    per_hour: tuple[HourPaid, ...]
    by_method: tuple[tuple[str, Figure], ...]
    by_event: tuple[tuple[str, Figure], ...]


def takings(session: Session, scope: frozenset[int] | None, kept: Iterable[Any], *, now: datetime) -> Takings:
    """Today's takings of the events in ``scope``; None is all of them. ``kept`` is ``tallies.of_day``."""
    today = business_day(now)
    hours: defaultdict[datetime, Pile] = defaultdict(Pile)
    methods: defaultdict[str, Pile] = defaultdict(Pile)
    fairs: defaultdict[int, Pile] = defaultdict(Pile)
    busy: Sums[int] = Sums()
    whole = Pile()
    for hour, measure, key, currency, count, minor in kept:
        if measure == PAID:
            for pile in (whole, hours[hour], methods[key]):
                pile.add(count, minor, currency)
        elif measure == OF_EVENT:
            fairs[int(key)].add(count, minor, currency)
            busy[int(key)] += count
    events = _events(session, scope)
    compared, then = _compared(session, scope, events, busy, today)
    span = day_span(today)
    until = day_span(compared.day).start + (hour_of(now) + HOUR - span.start)
    so_far = Pile()
    for hour, rows in then.items():
        for row in rows if hour < until else ():
            so_far.add(*row)
    return Takings(
        today=whole.figure(Filter(paid=span)),
        compared=compared,
        before=so_far.figure(Filter(paid=Span(day_span(compared.day).start, until))),
        until=until,
        per_hour=tuple(_per_hour(hours, then, span.start, day_span(compared.day).start)),
        by_method=_ranked(
            (method, methods[method], Filter(methods=(method,), paid=span)) for method in methods if method
        ),
        by_event=_ranked(
            (events[each].name, fairs[each], Filter(events=(events[each].code,), paid=span)) for each in fairs
        ),
    )


#: Rows of an hour: how many, how much, in which currency.
_Rows = list[tuple[int, int, str]]


def _per_hour(
    today: defaultdict[datetime, Pile], then: dict[datetime, _Rows], start: datetime, start_then: datetime
) -> Iterator[HourPaid]:
    for nth in range(24):
        at, at_then = start + nth * HOUR, start_then + nth * HOUR
        before = Pile()
        for row in then.get(at_then, ()):
            before.add(*row)
        yield HourPaid(
            hour_sast=at.astimezone(SAST).hour,
            today=today[at].figure(Filter(paid=Span(at, at + HOUR))),
            before=before.figure(Filter(paid=Span(at_then, at_then + HOUR))),
        )


def _ranked(piles: Iterator[tuple[str, Pile, Filter]]) -> tuple[tuple[str, Figure], ...]:
    figures = [(name, pile.figure(wanted)) for name, pile, wanted in piles]
    there = [(name, figure) for name, figure in figures if figure.count]
    return tuple(sorted(there, key=lambda one: (-one[1].rand.minor, one[0])))


def _by_hour(scope: frozenset[int] | None, *days: Span) -> Any:
    """What became paid in each hour of some days, by currency."""
    table = LiveHour if scope is None else PaidHour
    wanted = [LiveHour.measure == PAID] if scope is None else in_scope(PaidHour.event_id, scope)
    what = (table.hour, table.currency)
    sums = select(*what, func.sum(table.count), func.sum(table.sum_minor)).group_by(*what)
    return sums.where(_in_days(table.hour, *days), *wanted)


def _in_days(hour: Any, *days: Span) -> Any:
    return or_(*(and_(hour >= day.start, hour < day.end) for day in days))


def in_scope(column: Any, scope: frozenset[int] | None) -> list[Any]:
    """The condition that an event is one of ``scope``; none where all are."""
    return [] if scope is None else [column.in_(sorted(scope))]


# -- the day to compare with ------------------------------------------------------------------------


def _events(session: Session, scope: frozenset[int] | None) -> dict[int, Any]:
    rows = session.execute(
        select(Event.id, Event.code, Event.name, Event.starts_on, Event.ends_on, Event.state).where(
            *in_scope(Event.id, scope)
        )
    )
    return {row.id: row for row in rows}


def _compared(
    session: Session, scope: frozenset[int] | None, events: dict[int, Any], busy: Sums[int], today: date
) -> tuple[Compared, dict[datetime, _Rows]]:
    """The same day of the last event, when anything became paid on it; else yesterday. And its hours."""
    yesterday = Compared(today - timedelta(days=1))
    aligned = same_day_of_the_last_event(events.values(), busy, today)
    days = [each.day for each in (aligned, yesterday) if each]
    query = _by_hour(scope, *(day_span(day) for day in days))
    hours: defaultdict[date, dict[datetime, _Rows]] = defaultdict(dict)
    for hour, currency, count, minor in session.execute(query):
        if count:
            hours[business_day(hour)].setdefault(hour, []).append((int(count), int(minor), currency))
    chosen = aligned if aligned and hours[aligned.day] else yesterday
    return chosen, hours[chosen.day]


def same_day_of_the_last_event(events: Any, busy: Sums[int], today: date) -> Compared | None:
    """During an event, the day of the last one with the same number. Before it, the day as far before the
    last one, moved to the same weekday. None after it, or where there is no such day."""
    shown = [event for event in events if event.state != "draft"]
    current = _current(shown, busy, today)
    over = [event for event in shown if current and event.ends_on < current.starts_on]
    last = max(over, key=lambda event: event.ends_on, default=None)
    if current is None or last is None or today > current.ends_on:
        return None
    day = last.starts_on + (today - current.starts_on)
    if today >= current.starts_on:
        return Compared(day, last.name, (day - last.starts_on).days + 1) if day <= last.ends_on else None
    day += timedelta(days=(today.weekday() - day.weekday() + 3) % 7 - 3)
    day -= timedelta(days=7 if day >= last.starts_on else 0)
    return Compared(day, last.name, (day - last.starts_on).days) if day < today else None


def _current(events: list[Any], busy: Sums[int], today: date) -> Any:
    """The event that most is paid for today; else the one that is on, or comes next."""
    busiest = max(events, key=lambda event: (busy[event.id], -event.id), default=None)
    if busiest is not None and busy[busiest.id]:
        return busiest
    return min(
        (event for event in events if event.ends_on >= today), key=lambda event: event.starts_on, default=None
    )
