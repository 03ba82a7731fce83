"""A report as CSV and as XLSX, with what it is in its first lines."""

import io
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any

import xlsxwriter

from db.money import Money
from payments.dates import SAST
from payments.exports.cells import guard
from payments.exports.csv_file import line
from payments.reports.making import basis_told
from payments.reports.report import Cell, Column, Holds, Report, Table

_BOM = "\ufeff"
_SIGNS = {"ZAR": "R", "USD": "$", "EUR": "€", "GBP": "£"}
_SHEET_NAME = 31
#: What is not of the past in a report of a past moment.
TODAY = "Names, and the days of events, as today"


def about(report: Report) -> list[tuple[str, str]]:
    """What it is, as names and values: on each file and on paper."""
    asked = report.asked
    at = report.made_at.astimezone(SAST)
    made = f"{at.day} {at:%b %Y, %H:%M:%S} SAST"
    lines = [
        ("Report", report.title), ("Event", report.event_name or "All events of this desk that you may see"),
        *([("As it stood on", f"{stood(asked.as_of)}. {TODAY}")] if asked.as_of else []),
        ("Basis", basis_told(asked)), ("Period", asked.period.bounds),
        *([("Compared with", asked.period.before.told)] if report.compared else []),
        ("Made", made), ("Counts", report.counts),
        *(("Note", note) for note in report.notes), ("SHA-256 of its content", report.sha256),
    ]  # fmt: skip
    return [("DEMO", "No real money moved"), *lines] if report.demo else lines


def stood(moment: datetime) -> str:
    """To the second: what was recorded later is not counted."""
    return f"{moment.astimezone(SAST):%Y-%m-%d %H:%M:%S} SAST"


def as_csv(report: Report) -> bytes:
    """UTF-8 with its mark, a comma between cells; each table under its title, its total on its last line."""
    return (_BOM + "".join(line(cells, ",") for cells in _lines(report))).encode()


def _lines(report: Report) -> Iterator[list[str]]:
    for name, told in about(report):
        yield [f"# {name}", guard(told)]
    yield []
    yield ["Figure", *(["This period", "The one before"] if report.compared else ["Now", ""])]
    for one in report.headline:
        yield [one.name, _plain(one.now.value), _plain(one.before)]
    for table in report.tables:
        yield []
        yield [guard(table.title)]
        yield [_head(column) for column in table.columns]
        for row in (*table.rows, *([table.total] if table.total else [])):
            yield [_plain(cell.value) for cell in row]
    yield [f"# end, {len(report.tables)} tables, {report.sha256}"]


def _head(column: Column) -> str:
    unit = {Holds.PERCENT: " (hundredths of a percent)", Holds.MINUTES: " (minutes)"}
    return column.name + unit.get(column.holds, "")


def _plain(value: Any) -> str:
    """``1234.56``, ``2026-11-23``: for machines."""
    if isinstance(value, Money):
        return value.decimal
    return "" if value is None else guard(value) if isinstance(value, str) else str(value)


# -- XLSX ---------------------------------------------------------------------------------------------


def as_xlsx(report: Report) -> bytes:
    """Money, counts, percents, times and days as what they are; a sheet for each table, the first says what
    it is."""
    kept = io.BytesIO()
    book = xlsxwriter.Workbook(
        kept, {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
    )
    book.set_properties(
        {"title": report.title, "comments": report.sha256, "created": report.made_at.replace(tzinfo=None)}
    )
    book.set_size(1600, 1000)
    looks = _Looks(book)
    sheet = book.add_worksheet("About")
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 2, 60)
    for nth, (name, told) in enumerate(about(report)):
        sheet.write_string(nth, 0, name, looks.heading)
        sheet.write_string(nth, 1, told, looks.wrapped)
    for number, table in enumerate(report.tables, 1):
        _sheet(book, looks, table, number)
    book.close()
    return kept.getvalue()


class _Looks:
    """Formats, each made once."""

    def __init__(self, book: Any) -> None:
        self._book = book
        self.heading = book.add_format(
            {"bold": True, "bg_color": "#d8f3e5", "text_wrap": True, "valign": "top"}
        )
        self.wrapped = book.add_format({"text_wrap": True, "valign": "top"})
        self._made: dict[tuple[str, bool], Any] = {}

    def of(self, number_format: str, *, bold: bool) -> Any:
        if (number_format, bold) not in self._made:
            look = {"num_format": number_format, "bold": bold} | ({"top": 1} if bold else {})
            self._made[number_format, bold] = self._book.add_format(look)
        return self._made[number_format, bold]


def _sheet(book: Any, looks: _Looks, table: Table, number: int) -> None:
    sheet = book.add_worksheet(_name(table.title, number))
    for place, column in enumerate(table.columns):
        sheet.write_string(0, place, column.name, looks.heading)
        sheet.set_column(place, place, 34 if column.holds is Holds.TEXT else 17)
    sheet.freeze_panes(1, 1)
    for nth, row in enumerate(table.rows, 1):
        _write(sheet, looks, nth, row, table.columns, bold=False)
    if table.rows:
        sheet.autofilter(0, 0, len(table.rows), len(table.columns) - 1)
    if table.total:
        _write(sheet, looks, len(table.rows) + 1, table.total, table.columns, bold=True)


def _name(title: str, number: int) -> str:
    """Excel takes 31 characters, none of these, each name once."""
    plain = "".join("-" if char in "[]:*?/\\'" else char for char in title)
    return f"{number} {plain}"[:_SHEET_NAME]


def _write(
    sheet: Any, looks: _Looks, nth: int, row: tuple[Cell, ...], columns: tuple[Column, ...], *, bold: bool
) -> None:
    for place, (cell, column) in enumerate(zip(row, columns, strict=True)):
        value = cell.value
        if value is None:
            continue
        if isinstance(value, Money):
            look = looks.of(
                f'"{_SIGNS[value.currency]}"#,##0.00;-"{_SIGNS[value.currency]}"#,##0.00', bold=bold
            )
            done = sheet.write_number(nth, place, Decimal(value.minor).scaleb(-2), look)
        elif isinstance(value, date):
            done = sheet.write_datetime(
                nth, place, datetime.combine(value, time()), looks.of("yyyy-mm-dd", bold=bold)
            )
        elif isinstance(value, int) and column.holds is Holds.PERCENT:
            done = sheet.write_number(nth, place, Decimal(value).scaleb(-4), looks.of("0.00%", bold=bold))
        elif isinstance(value, int):
            done = sheet.write_number(nth, place, value, looks.of("#,##0", bold=bold))
        else:
            done = sheet.write_string(nth, place, value, looks.of("@", bold=bold))
        if done:
            raise ValueError(f"a cell of {columns[place].name} does not fit into an XLSX file")
