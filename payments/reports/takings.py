"""Daily takings: by event and method, by day, by who asked for the payment."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.money import Money
from payments.reports import ledger
from payments.reports.ledger import EARLIER, WAYS, Scope
from payments.reports.period import Basis, Period
from payments.reports.report import Cell, Column, Headline, Holds, Row, Table, added_up, count, money, text

#: The heading of each way; a table test holds that none is missing.
HEADS: Mapping[str, str] = {
    "card": "Card link",
    "instant_eft": "Instant EFT",
    "gateway": "Link, method not told yet",
    "card_slip": "Card machine",
    "cash": "Cash",
    "eft": "EFT",
    EARLIER: "Earlier records",
}


@dataclass
class _Sums:
    """Of one currency, what came."""

    events: dict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))
    days: dict[tuple[date, str], int] = field(default_factory=lambda: defaultdict(int))
    organisers: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    payments_of_events: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    payments_of_organisers: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    @property
    def ways(self) -> list[str]:
        here = {way for _, way in self.events}
        return [str(way) for way in WAYS if way in here]

    def counted(self, event_id: int, organiser: str, payments: int) -> None:
        self.payments_of_events[event_id] += payments
        self.payments_of_organisers[organiser] += payments


def make(session: Session, scope: Scope) -> tuple[tuple[Headline, ...], tuple[Table, ...], tuple[str, ...]]:
    found = _read(session, scope)
    scope = replace(scope, several_currencies=len(found) > 1)
    before = totals(session, scope.on(scope.period.before))
    headline = tuple(
        Headline(
            f"Taken in {currency}", Cell(_total(sums, currency), scope.door(currency)),
            Money(before.get(currency, 0), currency), more_is_better=True,
        )
        for currency, sums in found.items()
    )  # fmt: skip
    tables = [table for currency, sums in found.items() for table in _tables(scope, currency, sums)]
    return headline, tuple(tables), ()


def totals(session: Session, scope: Scope) -> dict[str, int]:
    """By currency, what came in all."""
    here = ledger.moves(scope).c
    query = select(here.currency, func.sum(here.minor)).group_by(here.currency)
    return {currency: int(minor) for currency, minor in session.execute(query)}


def _total(sums: _Sums, currency: str) -> Money:
    return Money(sum(sums.events.values()), currency)


def _read(session: Session, scope: Scope) -> dict[str, _Sums]:
    """Sums by event, who asked and way, with how many pieces they are of; then by day and way."""
    found: defaultdict[str, _Sums] = defaultdict(_Sums)
    here = ledger.moves(scope).c
    by: tuple[Any, ...] = (here.event_id, here.organiser, here.currency)
    whole: Any = select(*by, here.way, func.count(), func.sum(here.minor)).group_by(*by, here.way)
    for event_id, organiser, currency, way, pieces, minor in session.execute(whole):
        sums = found[currency]
        sums.events[event_id, way] += int(minor)
        sums.organisers[organiser] += int(minor)
        sums.counted(event_id, organiser, int(pieces))
    for event_id, organiser, currency, pieces in session.execute(
        ledger.further(scope, [one.name for one in by])
    ):
        found[currency].counted(event_id, organiser, -int(pieces))
    if scope.basis is not Basis.EVENT:
        day = here.at if scope.basis in (Basis.SETTLED, Basis.BANKED) else ledger.day(session, here.at)
        daily = (day, here.way, here.currency)
        for on, way, currency, minor in session.execute(
            select(*daily, func.sum(here.minor)).group_by(*daily)
        ):
            found[currency].days[on, way] += int(minor)
    return dict(sorted(found.items()))


def _tables(scope: Scope, currency: str, sums: _Sums) -> Iterator[Table]:
    ways = sums.ways
    columns = (
        text("Event"), count("Payments"), *(money(HEADS[way]) for way in ways), money("Together"),
    )  # fmt: skip
    rows = [
        _row(scope, currency, [Cell(scope.events[each][1]), Cell(number)], ways,
             {way: sums.events.get((each, way)) for way in ways}, {"events": (scope.events[each][0],)})
        for each, number in sorted(sums.payments_of_events.items(), key=lambda one: scope.events[one[0]][1])
    ]  # fmt: skip
    yield Table(
        f"By event and method, {currency}", columns, tuple(rows),
        _total_row(scope, currency, rows, columns, ways), drawn=len(columns) - 1,
    )  # fmt: skip
    if sums.days:
        yield _by_day(scope, currency, sums, ways)
    yield _by_organiser(scope, currency, sums)


def _row(
    scope: Scope,
    currency: str,
    first: list[Cell],
    ways: Sequence[str],
    minors: Mapping[str, int | None],
    narrower: Mapping[str, Any],
) -> Row:
    """What came each way, and together; each figure opens its payments."""
    cells = list(first)
    for way in ways:
        minor = minors[way]
        door = scope.door(currency, **{**narrower, **ledger.by_way(way)})
        cells.append(Cell(None) if minor is None else Cell(Money(minor, currency), door))
    whole = Money(sum(minor or 0 for minor in minors.values()), currency)
    return (*cells, Cell(whole, scope.door(currency, **narrower)))


def _total_row(
    scope: Scope, currency: str, rows: Sequence[Row], columns: Sequence[Column], ways: Sequence[str]
) -> Row:
    cells = list(added_up(rows, "Together", columns, scope.door(currency)))
    start = len(columns) - 1 - len(ways)
    for nth, way in enumerate(ways, start):
        cells[nth] = replace(cells[nth], door=scope.door(currency, **ledger.by_way(way)))
    return tuple(cells)


def _by_day(scope: Scope, currency: str, sums: _Sums, ways: Sequence[str]) -> Table:
    columns = (Column("Day", Holds.DAY), *(money(HEADS[way]) for way in ways), money("Together"))
    rows = []
    for day in sorted({day for day, _ in sums.days}):
        minors = {way: sums.days.get((day, way)) for way in ways}
        rows.append(
            _row(scope.on(Period(day, day)), currency, [Cell(day)], ways, minors, {})
        )  # fmt: skip
    total = _total_row(scope, currency, rows, columns, ways)
    return Table(f"By day, {currency}", columns, tuple(rows), total, drawn=len(columns) - 1)


def _by_organiser(scope: Scope, currency: str, sums: _Sums) -> Table:
    columns = (text("Asked for by"), count("Payments"), money("Together"))
    rows = tuple(
        (
            Cell(name),
            Cell(number),
            Cell(Money(sums.organisers[name], currency), scope.door(currency, organisers=(name,))),
        )
        for name, number in sorted(sums.payments_of_organisers.items())
    )
    return Table(
        f"By who asked for the payment, {currency}", columns, rows,
        added_up(rows, "Together", columns, scope.door(currency)), inside=True,
    )  # fmt: skip
