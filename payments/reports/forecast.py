"""What is expected of what is open: by which day, between which sums, and what an earlier forecast said.

How payments end is learned from those this person may see (``payments.patience``), whatever events the report
is about. Where too few have ended it says so, and no sum.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Tally
from db.money import Money
from payments import patience
from payments.dates import business_day, day_span, say_days
from payments.finding.conditions import LEGACY, Filter
from payments.lifecycle import PENDING, Status
from payments.live import tallies
from payments.patience import Band, Book, Flags, Floats, Share, Whole
from payments.reports import ledger, waiting
from payments.reports.ledger import Scope
from payments.reports.period import Period
from payments.reports.report import Cell, Column, Headline, Holds, Row, Table, count, money, text
from payments.reports.waiting import CHANNELS, Moved, Waiting

#: As many payments must have ended, each after it was open for an hour, before a sum is told.
ENOUGH, AN_HOUR = 50, 1 / 24
#: Days ahead: the farthest that was tested.
FARTHEST = 60
_USUAL = (7, 14, 30)
_FRIDAY = 4
#: Of fewer events a band was found to hold less often than it says.
_SURE = 6
#: Days back: of what came, and of earlier forecasts.
_CAME_SINCE = 30
_EARLIER = ((7, "A week ago"), (28, "Four weeks ago"))
#: Points of the chart ahead.
_POINTS = 20

_EXPECTED = (money("Expected"), money("From"), money("To"))


@dataclass(frozen=True)
class Outlook:
    """What was learned by a moment."""

    book: Book
    now: float

    @cached_property
    def _seen(self) -> patience.Seen:
        events = int(self.book.event.max(initial=0)) + 1
        return patience.see(self.book, self.now, events=events, channels=len(CHANNELS))

    @cached_property
    def _pace(self) -> patience.Pace:
        return patience.learn(self._seen)

    @cached_property
    def _spreads(self) -> Floats:
        return patience.spreads(self.book, self._seen, self.now, patience.STEPS)

    @cached_property
    def ended(self) -> int:
        return self.book.ended_after(AN_HOUR)

    @property
    def events(self) -> int:
        return self._seen.events

    @property
    def told(self) -> bool:
        return self.ended >= ENOUGH

    def chances(self, waits: Book, until: Sequence[float]) -> Floats:
        return patience.chances(self._pace, waits, self.now, [moment - self.now for moment in until])

    def band(self, waits: Book, many: Whole, chance: Floats, until: float) -> Band:
        """Of payments that are open, paid by a moment with these chances."""
        spread = np.interp(until - self.now, patience.STEPS, self._spreads)
        groups = [Share(waits.minor[mine], chance[mine], many[mine]) for mine in waits.by_event]
        return patience.band(groups, spread.item(), learned_from=self.events)


def make(
    session: Session, scope: Scope, mine: frozenset[int] | None, *, now: datetime
) -> tuple[tuple[Headline, ...], tuple[Table, ...], tuple[str, ...]]:
    """``mine``: the events to learn from, None for all."""
    moments = [now - timedelta(days=ago) for ago, _ in _EARLIER]
    events = None if scope.all_events else frozenset(scope.events)
    known = waiting.read(session, events, mine, now=now, moments=moments)
    outlook = Outlook(known.learned, waiting.days(now))
    moved = waiting.moved(session, known, moments)
    earlier = [
        _Then.of(known, moved, name, waiting.days(then))
        for (_, name), then in zip(_EARLIER, moments, strict=True)
    ]
    currencies = sorted(set(known.currencies[known.book.open].tolist()))
    scope = replace(scope, several_currencies=len(currencies) > 1)
    by = _by(scope.period, business_day(now))
    headline: list[Headline] = []
    tables: list[Table] = []
    for currency in currencies:
        open_ = known.book.open & (known.currencies == currency)
        one = _Of(session, scope, known, outlook, earlier, open_, currency, now, by)
        headline += one.headline()
        tables += one.tables()
    if currencies:
        tables.append(_learned(outlook))
    return tuple(headline), tuple(tables), tuple(_notes(scope, outlook, by, business_day(now)))


@dataclass(frozen=True)
class _Then:
    """A past moment: what was learned by it, and what was open, with what it asked for then."""

    name: str
    outlook: Outlook
    waits: Book
    many: Whole
    currencies: Any
    came: Whole

    @classmethod
    def of(cls, known: Waiting, moved: Moved, name: str, at: float) -> "_Then":
        there = np.flatnonzero((known.book.began <= at) & (known.book.ended > at))
        waits, since = known.book.only(there), moved.after(at, known.ids[there])
        # What is kept of a payment is what it asks for now; then, what had come of it was not asked for.
        rest = np.where(waits.open, waits.minor + since, waits.minor - known.received[there] + since)
        waits = replace(waits, minor=np.maximum(rest, 0))
        return cls(
            name, Outlook(known.learned.at(at), at), waits, known.many[there], known.currencies[there],
            np.minimum(rest, since),
        )  # fmt: skip


def _by(period: Period, today: date) -> date:
    """The day that is asked for: the last one chosen, where it is still to come, else Friday."""
    if period.last < today:
        return _friday(today)
    return min(period.last, today + timedelta(days=FARTHEST))


def _friday(today: date) -> date:
    return today + timedelta(days=(_FRIDAY - today.weekday() - 1) % 7 + 1)


@dataclass(frozen=True)
class _Of:
    """One currency. ``open``: the places of what is open and within the scope."""

    session: Session
    scope: Scope
    known: Waiting
    outlook: Outlook
    earlier: Sequence[_Then]
    open: Flags
    currency: str
    now: datetime
    by: date

    def headline(self) -> Iterator[Headline]:
        whole = self._whole(self.open)
        yield Headline(f"Open now, {self.currency}", Cell(self._money(whole), self._door()), None)
        until = f"by {_told(self.by)}, {self.currency}"
        if not self.outlook.told:
            yield Headline(f"Expected {until}", Cell(_too_few(self.outlook)), None)
            return
        band = self._together[self.by]
        low, mean, high = map(self._money, band.rounded)
        yield Headline(f"Expected {until}", Cell(mean), None)
        yield Headline(f"In 8 of 10 cases {until}", Cell(f"{low} to {high}"), None)

    def tables(self) -> Iterator[Table]:
        if not self.outlook.told:
            yield self._by_event()
            return
        yield self._drawn()
        yield self._by_day()
        yield self._by_event()
        yield self._by_channel()
        yield self._earlier()

    # -- each table -------------------------------------------------------------------------------------

    def _by_day(self) -> Table:
        """On the days that people ask about."""
        named = self._days()
        whole = self._whole(self.open)
        rows = [
            (Cell(name), Cell(day), *self._cells(band), Cell(_share(band.mean, whole)))
            for day, name in named
            for band in [self._together[day]]
        ]
        columns = (
            text("By the end of"), Column("Day", Holds.DAY), *_EXPECTED,
            Column("Of what is open", Holds.PERCENT),
        )  # fmt: skip
        return Table(f"Expected of what is open now, {self.currency}", columns, tuple(rows))

    def _days(self) -> list[tuple[date, str]]:
        """In their order; of those that fall together, the first name holds."""
        today = business_day(self.now)
        named = {self.by: "The last day that is asked for", _friday(today): "Friday"}
        if self.by == _friday(today):
            named = {self.by: "Friday"}
        if len(self.scope.events) == 1:
            [first] = self.scope.first_days.values()
            if today <= first <= today + timedelta(days=FARTHEST):
                named.setdefault(first, "The first day of the event")
        for ahead in _USUAL:
            named.setdefault(today + timedelta(days=ahead), f"{ahead} days from today")
        return sorted(named.items())

    def _by_event(self) -> Table:
        return self._split(
            "By event", "Event", self.known.events,
            {id_: (name, code) for id_, (code, name) in self.scope.events.items()},
        )  # fmt: skip

    def _by_channel(self) -> Table:
        named = {nth: (name, "") for nth, name in enumerate(CHANNELS)}
        return self._split("By how it was asked for", "Asked for", self.known.book.channel, named)

    def _split(self, title: str, head: str, key: Any, named: Mapping[int, tuple[str, str]]) -> Table:
        """``named``: of each that may stand in ``key``, its name and the code of its event, if it is one."""
        expected = (money(f"Expected by {say_days(self.by, self.by)}"), *_EXPECTED[1:])
        columns = (text(head), count("Payments"), money("Open"), *(expected if self.outlook.told else ()))
        parts = sorted((named[int(each)], int(each)) for each in np.unique(key[self.open]))
        rows = [
            self._line(name, self.open & (key == each), self._door(code) if code else None)
            for (name, code), each in parts
        ]
        total = self._line("Together", self.open, self._door())
        return Table(f"{title}, {self.currency}", columns, tuple(rows), total, drawn=2)

    def _line(self, name: str, which: Flags, door: Filter | None) -> Row:
        count = int(self.known.many[which].sum())
        cells = (Cell(name), Cell(count), Cell(self._money(self._whole(which)), door))
        return (*cells, *self._cells(self._bands(which, [self.by])[self.by])) if self.outlook.told else cells

    def _drawn(self) -> Table:
        """Day by day: what came, and from today on what is expected on top of it."""
        today = business_day(self.now)
        first = max(min(self.scope.period.first, today), today - timedelta(days=_CAME_SINCE))
        rows: list[Row] = []
        so_far = 0
        taken = self._taken(Period(first, today))
        for nth in range((today - first).days + 1):
            day = first + timedelta(days=nth)
            so_far += taken.get(day, 0)
            rows.append((Cell(day), Cell(self._money(so_far)), Cell(None), Cell(None), Cell(None)))
        for day in self._ahead():
            low, mean, high = (Cell(self._money(so_far + one)) for one in self._together[day].rounded)
            rows.append((Cell(day), Cell(None), mean, low, high))
        columns = (
            Column("Day", Holds.DAY), money("Came so far"), money("And what is expected"), money("From"),
            money("To"),
        )  # fmt: skip
        since = f"since {_told(first)}"
        return Table(
            f"What came {since}, and what is expected, {self.currency}", columns, tuple(rows), fans=True
        )

    def _ahead(self) -> list[date]:
        today = business_day(self.now)
        return _points(today, max(self.by, today + timedelta(days=_USUAL[-1])))

    def _taken(self, period: Period) -> dict[date, int]:
        on, span = ledger.day(self.session, Tally.hour), period.span
        query = select(on, func.sum(Tally.sum_minor)).where(
            Tally.measure == tallies.TAKEN, Tally.currency == self.currency, Tally.hour >= span.start,
            Tally.hour < span.end, *self.scope.of_events(Tally.event_id),
        ).group_by(on)  # fmt: skip
        return {day: int(minor) for day, minor in self.session.execute(query)}

    def _earlier(self) -> Table:
        rows = [row for then in self.earlier if (row := self._said(then)) is not None]
        columns = (
            text("Said"), money("Open then"), *_EXPECTED, money("Came since"), text("Within the band"),
        )  # fmt: skip
        return Table(f"What an earlier forecast said of today, {self.currency}", columns, tuple(rows))

    def _said(self, then: _Then) -> Row | None:
        """Made again of what was known so many days ago, beside what came of the same payments."""
        mine = then.currencies == self.currency
        if not then.outlook.told or not mine.any():
            return None
        waits, many = then.waits.only(mine), then.many[mine]
        chance = then.outlook.chances(waits, [self.outlook.now])[0]
        band = then.outlook.band(waits, many, chance, self.outlook.now)
        came = int((then.came[mine] * many).sum())
        low, _, high = band.rounded
        return (
            Cell(then.name), Cell(self._money(_sum(waits, many))), *self._cells(band),
            Cell(self._money(came)), Cell("yes" if low <= came <= high else "no"),
        )  # fmt: skip

    # -- small words --------------------------------------------------------------------------------------

    @cached_property
    def _chances(self) -> Mapping[date, Floats]:
        """Of each day that is told of, for all that is open; elsewhere none."""
        told = sorted({day for day, _ in self._days()} | {self.by, *self._ahead()})
        until = [waiting.days(day_span(day).end) for day in told]
        found = np.zeros((len(told), len(self.open)))
        found[:, self.open] = self.outlook.chances(self.known.book.only(self.open), until)
        return dict(zip(told, found, strict=True))

    def _bands(self, which: Flags, days: Iterable[date]) -> dict[date, Band]:
        """By the end of each day."""
        waits, many = self.known.book.only(which), self.known.many[which]
        return {
            day: self.outlook.band(waits, many, self._chances[day][which], waiting.days(day_span(day).end))
            for day in days
        }

    @cached_property
    def _together(self) -> Mapping[date, Band]:
        return self._bands(self.open, self._chances)

    def _whole(self, which: Flags) -> int:
        return _sum(self.known.book.only(which), self.known.many[which])

    def _cells(self, band: Band) -> tuple[Cell, Cell, Cell]:
        low, mean, high = (Cell(self._money(one)) for one in band.rounded)
        return mean, low, high

    def _money(self, minor: int) -> Money:
        return Money(minor, self.currency)

    def _door(self, code: str = "") -> Filter:
        codes = tuple(one for one, _ in self.scope.events.values())
        events = (code,) if code else () if self.scope.all_events else codes
        more: dict[str, Any] = (
            {"amount_from": Money(0, self.currency)} if self.scope.several_currencies else {}
        )
        statuses = tuple(one for one in Status if one in PENDING)
        return Filter(statuses=statuses, events=events, not_origins=(LEGACY,), **more)


def _sum(waits: Book, many: Whole) -> int:
    return int((waits.minor * many).sum())


def _points(today: date, last: date) -> list[date]:
    """Some days after today, and the last one."""
    ahead = (last - today).days
    steps = min(ahead, _POINTS)
    return [today + timedelta(days=ahead * nth // steps) for nth in range(1, steps + 1)]


def _share(part: float, whole: int) -> int | None:
    return round(part * 10_000 / whole) if whole else None


def _told(day: date) -> str:
    return f"{day:%a} {say_days(day, day)}"


def _too_few(outlook: Outlook) -> str:
    return f"Not enough ended payments yet ({outlook.ended} of {ENOUGH})"


def _learned(outlook: Outlook) -> Table:
    """By how they were asked for: how those that ended did, from asking to paid."""
    columns = (
        text("Asked for"), count("Ended"), count("Paid"), Column("Half within", Holds.MINUTES),
        Column("Nine in ten within", Holds.MINUTES),
    )  # fmt: skip
    ended = outlook.book.only(~outlook.book.open)
    rows = [_times(name, ended.only(ended.channel == nth)) for nth, name in enumerate(CHANNELS)]
    return Table("What it is learned from", columns, tuple(rows), _times("Together", ended))


def _times(name: str, ended: Book) -> Row:
    took = np.sort((ended.ended - ended.began)[ended.paid])
    shares = [
        int(took[-(-len(took) * share // 100) - 1] * 1_440) if len(took) else None for share in (50, 90)
    ]
    return (Cell(name), Cell(len(ended)), Cell(len(took)), *(Cell(one) for one in shares))


def _notes(scope: Scope, outlook: Outlook, by: date, today: date) -> Iterator[str]:
    if not outlook.told:
        yield (
            f"{_too_few(outlook)}: a sum is told once {ENOUGH} payments were paid or let go, each after "
            "an hour or more. Until then look at what is open itself."
        )
    else:
        yield "Payments that nobody asked for yet are not in it, nor are earlier records."
        if outlook.events < _SURE:
            yield f"It is learned from {outlook.events} events only: the band is less sure than it says."
    if scope.period.last < today:
        yield f"The days that were chosen are over; it looks ahead to Friday, {say_days(by, by)}."
    elif scope.period.last > by:
        yield f"It looks {FARTHEST} days ahead at most: to {say_days(by, by)}."
