"""A report on the screen: figures, charts and tables, each a door where a list can show its payments."""

from collections.abc import Iterator
from datetime import date

import streamlit as st

from db.money import Money
from payments.finding import filters
from payments.finding.conditions import Filter
from payments.reports.making import basis_told
from payments.reports.report import Cell, Column, Headline, Holds, Report, Row, Table, Value
from payments.reports.said import said, value
from ui import charts
from ui.charts import Fall, Told
from ui.fan import Point, fan
from ui.pieces import empty_state, escape, facts, moment, plain

#: Bars of one chart; the table below it has them all.
_MOST_BARS = 12
#: Rows of a table that stands open on the page.
_MOST_ROWS = 40


def report_view(report: Report) -> None:
    if report.headline:
        charts.draw(charts.told_figures(map(_told, report.headline)), live="report_figures")
    if not report.tables:
        empty_state(
            "Nothing of this kind on these days",
            "Choose other days, another basis, or all events.",
            "bar_chart",
        )
    for nth, table in enumerate(one for one in report.tables if not one.own_page):
        if chart := _chart(table):
            charts.draw(chart, live=f"report_chart_{nth}")
        if len(table.rows) <= _MOST_ROWS and not table.fans:
            charts.draw(_sheet(table), live=f"report_{nth}")
        else:
            title = f"{table.title}: all {len(table.rows)} rows"
            with st.expander(escape(title), icon=":material/table_rows:"):
                charts.draw(_sheet(table), live=f"report_{nth}")
    if pages := [one for one in report.tables if one.own_page]:
        with st.expander(f"Event by event ({len(pages)})", icon=":material/event:"):
            charts.draw("".join(map(_chart, pages)), live="report_pages")
    _about(report)


def _about(report: Report) -> None:
    asked = report.asked
    for note in report.notes:
        plain(note)
    plain(report.counts, "faint")
    facts(
        {
            "Basis": basis_told(asked), "Period": asked.period.bounds, "Made": moment(report.made_at),
            "SHA-256 of its content": report.sha256,
        }
    )  # fmt: skip


def _where(door: Filter | None) -> str:
    return charts.address(charts.PAYMENTS, filters.page_query(door)) if door else ""


# -- figures ------------------------------------------------------------------------------------------


def _told(one: Headline) -> Told:
    holds = one.holds or Holds.COUNT
    before = f"{value(one.before, holds)} in the period before" if one.before is not None else ""
    change, grown = _change(one)
    better = None if one.more_is_better is None or not grown else (grown > 0) is one.more_is_better
    return Told(one.name, value(one.now.value, holds), _where(one.now.door), change, better, before)


def _change(one: Headline) -> tuple[str, int]:
    """``+12 %``, and which way it went."""
    now, before = _whole(one.now.value), _whole(one.before)
    if now is None or before is None or now == before or one.holds is Holds.PERCENT:
        return "", 0
    percent = f"{(now - before) * 100 // before:+d} %".replace("-", "−") if before > 0 else ""
    return percent, now - before


def _whole(one: Value) -> int | None:
    return one.minor if isinstance(one, Money) else one if isinstance(one, int) else None


# -- charts and tables --------------------------------------------------------------------------------


def _chart(table: Table) -> str:
    if table.falls:
        return charts.block(table.title, charts.waterfall(list(_falls(table)), alt=table.title))
    if table.fans:
        return charts.block(table.title, _fan(table))
    if not table.drawn or len(table.rows) < 2:
        return ""
    column = table.columns[table.drawn]
    title = table.title if column.name == "Together" else f"{table.title}: {_lower(column.name)}"
    most = max((abs(_whole(row[table.drawn].value) or 0) for row in table.rows), default=0) or 1
    shown = sorted(table.rows, key=lambda row: -(_whole(row[table.drawn].value) or 0))
    by_day = table.columns[0].holds is Holds.DAY
    some = table.rows[-_MOST_BARS:] if by_day else shown[:_MOST_BARS]
    lines = [
        (_label(table, row), said(row[table.drawn], column), _where(row[table.drawn].door),
         max(0, _whole(row[table.drawn].value) or 0) * 1000 // most)
        for row in some
    ]  # fmt: skip
    rest = len(table.rows) - len(some)
    which = "The last" if by_day else "The first"
    note = f"{which} {_MOST_BARS} of {len(table.rows)}; all are in the table." if rest else ""
    return charts.block(title, charts.lengths(lines, title), note)


def _lower(name: str) -> str:
    return name[0].lower() + name[1:]


def _label(table: Table, row: Row) -> str:
    """The words a row begins with."""
    first = [
        said(cell, column)
        for cell, column in zip(row, table.columns, strict=True)
        if column.holds in (Holds.TEXT, Holds.DAY)
    ]
    return " · ".join(first[:2]) if table.columns[1].holds is Holds.TEXT else first[0]


def _falls(table: Table) -> Iterator[Fall]:
    """The first and the last stand on the ground; what lies between takes away or adds."""
    last = len(table.rows) - 1
    for nth, (name, amount) in enumerate(table.rows):
        assert isinstance(amount.value, Money)
        if not amount.value and nth not in (0, last):
            continue
        look = "whole" if nth in (0, last) else "off" if amount.value.minor < 0 else "back"
        yield Fall(str(name.value), amount.value, look)


def _fan(table: Table) -> str:
    points = []
    for day, *sums in table.rows:
        assert isinstance(day.value, date)
        whole = [None if (minor := _whole(cell.value)) is None else minor // 100 for cell in sums]
        points.append(Point(day.value.toordinal(), f"{day.value.day} {day.value:%b}", *whole))
    currency = next(cell.value.currency for cell in table.rows[0] if isinstance(cell.value, Money))
    return fan(points, unit=str(Money(0, currency)).removesuffix("0.00"), alt=table.title)


def _sheet(table: Table) -> str:
    if table.falls:
        return ""
    heads = [column.name for column in table.columns]
    rows = [_cells(row, table.columns) for row in table.rows]
    return charts.sheet(table.title, heads, rows, _cells(table.total, table.columns) if table.total else ())


def _cells(row: tuple[Cell, ...], columns: tuple[Column, ...]) -> list[charts.Cell]:
    return [(said(cell, column), _where(cell.door)) for cell, column in zip(row, columns, strict=True)]
