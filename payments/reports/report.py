"""A report as one frozen object. A cell holds a value and, where a list can show it, the filter that does."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from db.money import Money
from payments.finding.conditions import Filter
from payments.reports.period import Basis, Period


class Kind(StrEnum):
    TAKINGS = "takings"
    REVENUE = "revenue"
    OPEN_ITEMS = "open-items"
    FEES = "fees"
    REGISTRATIONS = "registrations"
    TRANSIT = "transit"
    OUTCOMES = "outcomes"
    STATEMENT = "statement"
    FORECAST = "forecast"


class Holds(StrEnum):
    """What the cells of a column are."""

    TEXT = "text"
    COUNT = "count"
    MONEY = "money"
    DAY = "day"
    PERCENT = "percent"  # in hundredths of a percent, a whole number
    MINUTES = "minutes"


@dataclass(frozen=True)
class Asked:
    """What somebody wants to read. ``event`` is a code, "" for all; ``basis`` one the report can be on;
    ``as_of``: as the desk stood then, None for now."""

    kind: Kind
    basis: Basis
    period: Period
    event: str = ""
    as_of: datetime | None = None


Value = str | int | Money | date | None


@dataclass(frozen=True)
class Cell:
    """``door``: the list of exactly the payments that it counts."""

    value: Value
    door: Filter | None = None


@dataclass(frozen=True)
class Column:
    name: str
    holds: Holds = Holds.TEXT


Row = tuple[Cell, ...]


@dataclass(frozen=True)
class Table:
    """``total`` is the last line. ``drawn``: the column that a chart shows, 0 for none. ``own_page``: on
    paper it begins a page of its own. ``falls``: its rows lead from the first to the last. ``inside``: it
    names people of the desk, and does not go out to others. ``fans``: a day a row, what came by then, or what
    is expected and between which sums."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    total: Row = ()
    drawn: int = 0
    own_page: bool = False
    falls: bool = False
    inside: bool = False
    fans: bool = False


@dataclass(frozen=True)
class Headline:
    """A figure that matters, and what it was in the period before."""

    name: str
    now: Cell
    before: Value
    more_is_better: bool | None = None
    holds: Holds | None = None  # where the value itself does not say


@dataclass(frozen=True)
class Report:
    """``counts`` says in a sentence or two what is counted, ``notes`` what a reader must know beside it."""

    asked: Asked
    title: str
    event_name: str
    demo: bool
    made_at: datetime
    counts: str
    headline: tuple[Headline, ...]
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()

    @property
    def compared(self) -> bool:
        """With the period before; a forecast has none."""
        return self.asked.kind is not Kind.FORECAST

    @property
    def for_others(self) -> "Report":
        """The same without what stays inside; it says so."""
        kept = tuple(one for one in self.tables if not one.inside)
        if len(kept) == len(self.tables):
            return self
        return replace(self, tables=kept, notes=(*self.notes, "Who of the desk did what is left out."))

    @property
    def stood(self) -> "Report":
        """The same, with each door on the list as it stood then."""

        def row(cells: Row) -> Row:
            return tuple(
                replace(cell, door=replace(cell.door, as_of=self.asked.as_of)) if cell.door else cell
                for cell in cells
            )

        headline = tuple(replace(one, now=row((one.now,))[0]) for one in self.headline)
        tables = tuple(
            replace(one, rows=tuple(map(row, one.rows)), total=row(one.total)) for one in self.tables
        )
        return replace(self, headline=headline, tables=tables)

    @property
    def canonical(self) -> str:
        """All it says, in one way: without when it was made and as of when, so that the same again is the
        same."""
        return json.dumps(
            {
                "report": self.asked.kind, "basis": self.asked.basis, "event": self.asked.event,
                "from": self.asked.period.first.isoformat(), "to": self.asked.period.last.isoformat(),
                "mode": "demo" if self.demo else "live", "counts": self.counts,
                "headline": [[one.name, _plain(one.now.value), _plain(one.before)] for one in self.headline],
                "tables": [_plain_table(one) for one in self.tables],
                "notes": list(self.notes),
            },
            ensure_ascii=False, sort_keys=True, separators=(",", ":"),
        )  # fmt: skip

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.canonical.encode()).hexdigest()


def _plain_table(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "columns": [[column.name, column.holds] for column in table.columns],
        "rows": [[_plain(cell.value) for cell in row] for row in (*table.rows, table.total)],
    }


def _plain(value: Value) -> Any:
    if isinstance(value, Money):
        return [value.minor, value.currency]
    return value.isoformat() if isinstance(value, date) else value


# -- making tables ------------------------------------------------------------------------------------


def text(name: str) -> Column:
    return Column(name)


def count(name: str) -> Column:
    return Column(name, Holds.COUNT)


def money(name: str) -> Column:
    return Column(name, Holds.MONEY)


def added_up(rows: Sequence[Row], label: str, columns: Sequence[Column], door: Filter | None = None) -> Row:
    """The last line of a table: counts and money of one currency added up; ``door`` stands on its last."""
    cells = [Cell(label)]
    for nth, column in enumerate(columns[1:], 1):
        values = [row[nth].value for row in rows]
        cells.append(Cell(_sum(values) if column.holds in (Holds.COUNT, Holds.MONEY) else None))
    cells[-1] = Cell(cells[-1].value, door)
    return tuple(cells)


def _sum(values: Iterable[Value]) -> Value:
    """Raises ValueError for money of two currencies: they never add."""
    total: Any = None
    for value in values:
        if value is not None:
            total = value if total is None else total + value
    return total
