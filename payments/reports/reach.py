"""How far payers came with their links, event by event, hour by hour and by how the money came in the end:
who came to each stage, or further, and how many of a hundred paid by their link."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import ColumnElement, Integer, cast, func, select
from sqlalchemy.orm import Session

from db.models import Payment
from payments.dates import Span
from payments.finding.conditions import Filter
from payments.lifecycle import Method
from payments.live.stages import FURTHER, Stage
from payments.reports import ledger
from payments.reports.ledger import Scope
from payments.reports.report import Cell, Column, Holds, Row, Table, added_up, count, text
from payments.reports.takings import HEADS

_HEADS = {
    Stage.ISSUED: "Got a link",
    Stage.OPENED: "Opened it",
    Stage.ATTEMPTED: "Tried to pay",
    Stage.PAID: "Paid by it",
}
_RATE = Column("Paid, of those with a link", Holds.PERCENT)
#: Johannesburg is two hours ahead, the whole year.
_AHEAD = 2

#: How many payments came to a stage and no further.
_Counts = Mapping[str, int]


#: Status, stage, failure, origin, event, method, and the hour of the day in UTC in which it was asked for:
#: how many.
Details = Mapping[tuple[str, str, str, str, int, str, int], int]


def read(session: Session, scope: Scope) -> Details:
    """All that outcomes tell of, in one reading: a second one would take as long again."""
    kinds = (Payment.status, Payment.stage, Payment.failure, Payment.origin)
    by = (*kinds, Payment.event_id, Payment.method, _hour(session))
    query = select(*by, func.count()).where(*ledger.of_payments(scope)).group_by(*by)
    return {
        (status, stage, why, origin, event_id, method or "", int(hour)): int(n)
        for status, stage, why, origin, event_id, method, hour, n in session.execute(query)
    }


def tables(scope: Scope, found: Details) -> tuple[Table, ...]:
    """Of payments that got a link: of cash, and of the earlier system's records, nothing is known. None where
    there is no such payment."""
    events: defaultdict[int, Counter[str]] = defaultdict(Counter)
    methods: defaultdict[str, Counter[str]] = defaultdict(Counter)
    hours: defaultdict[int, Counter[str]] = defaultdict(Counter)
    for (_, stage, _, _, event_id, method, hour), n in found.items():
        if stage != Stage.ASKED:
            events[event_id][stage] += n
            methods[method][stage] += n
            hours[(hour + _AHEAD) % 24][stage] += n
    return (_by_event(scope, events), _by_method(scope, methods), _by_hour(scope, hours)) if events else ()


def _hour(session: Session) -> ColumnElement[int]:
    """Of the moment it was asked for, in UTC."""
    if session.get_bind().dialect.name == "sqlite":
        return cast(func.substr(Payment.created_at, 12, 2), Integer)
    return cast(func.extract("hour", func.timezone("UTC", Payment.created_at)), Integer)


def _by_event(scope: Scope, found: Mapping[int, _Counts]) -> Table:
    lines = [
        (Cell(scope.events[event_id][1]), counts, {"events": (scope.events[event_id][0],)})
        for event_id, counts in found.items()
    ]
    lines.sort(key=lambda line: (-sum(line[1].values()), str(line[0].value)))
    return _table(scope, "How far payers came, by event", text("Event"), lines)


def _by_method(scope: Scope, found: Mapping[str, _Counts]) -> Table:
    """How money comes is known when it has come: of the others, how far their payers came without paying."""
    lines: list[tuple[Cell, _Counts, dict[str, Any]]] = [
        (Cell(HEADS[way]), found[way], {"methods": (way,)}) for way in Method if way in found
    ]
    if "" in found:
        lines.append((Cell("No money yet"), found[""], {"not_methods": tuple(Method)}))
    return _table(scope, "How far payers came, by how they paid", text("Paid by"), lines)


def _by_hour(scope: Scope, found: Mapping[int, _Counts]) -> Table:
    """Of one day each hour is a list; of many days, the same hour of all of them is none."""
    one_day = scope.period.first == scope.period.last
    lines = [
        (
            Cell(f"{hour:02d}:00"),
            found[hour],
            {"created": _hour_of(scope, hour)} if one_day else None,
        )
        for hour in sorted(found)
    ]
    return _table(scope, "How far payers came, by the hour they were asked", text("From"), lines)


def _hour_of(scope: Scope, hour: int) -> Span:
    start = scope.period.span.start + timedelta(hours=hour)
    return Span(start, start + timedelta(hours=1))


def _table(
    scope: Scope,
    title: str,
    first: Column,
    lines: Iterable[tuple[Cell, _Counts, dict[str, Any] | None]],
) -> Table:
    columns = (first, *(count(head) for head in _HEADS.values()), _RATE)
    rows = tuple((name, *_reached(scope, counts, narrow)) for name, counts, narrow in lines)
    return Table(title, columns, rows, _together(rows, columns))


def _reached(scope: Scope, counts: _Counts, narrow: dict[str, Any] | None) -> Row:
    """``narrow``: what a list must ask for beside the report's days; None where no list can."""
    numbers = {stage: sum(counts.get(one, 0) for one in further) for stage, further in FURTHER.items()}
    cells = [
        Cell(n, _door(scope, stage, narrow) if n and narrow is not None else None)
        for stage, n in numbers.items()
    ]
    return *cells, Cell(_rate(numbers[Stage.PAID], numbers[Stage.ISSUED]))


def _door(scope: Scope, stage: Stage, narrow: dict[str, Any]) -> Filter:
    door = scope.door()
    return Filter(**{"created": door.created, "events": door.events, "stages": FURTHER[stage]} | narrow)


def _together(rows: tuple[Row, ...], columns: tuple[Column, ...]) -> Row:
    total = added_up(rows, "Together", columns)
    counts = [int(cell.value) if isinstance(cell.value, int) else 0 for cell in total]
    return *total[:-1], Cell(_rate(counts[-2], counts[1]))


def _rate(paid: int, whole: int) -> int | None:
    """Of a hundred percent, in hundredths of one, half up."""
    return (paid * 20_000 + whole) // (2 * whole) if whole else None
