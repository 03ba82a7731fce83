"""An XLSX file: real numbers, real dates, texts as texts, no formula. In constant memory, built on the disk.

Excel has 1,048,576 rows on a sheet: more payments go on to a second one. The last sheet says what it all is.
"""

import tempfile
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import xlsxwriter

from db.stream import Picture

#: Payments on a sheet: one row is the headings, and there is room for the totals.
ROWS_A_SHEET = 1_048_000
MANY = 500
_PIECE = 256 * 1024
#: Above so many cells the archive may pass 4 GB.
_LARGE = 50_000_000
_SIGNS = {"ZAR": "R", "USD": "$", "EUR": "€", "GBP": "£"}
_WIDTHS = {"text": 22, "phone": 16, "word": 12, "money": 14}
#: What XlsxWriter takes for something else than a text, unless it is told that it is one.
_OPTIONS = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}


def pieces(picture: Picture, job: dict[str, Any], told: dict[str, Any]) -> Iterator[tuple[bytes, int]]:
    """First counts of the payments written, without bytes; then the bytes of the file."""
    with tempfile.TemporaryDirectory(prefix="paydesk-export-") as folder:
        path = Path(folder) / "payments.xlsx"
        yield from _build(path, folder, picture, job, told)
        with path.open("rb") as file:
            while piece := file.read(_PIECE):
                yield piece, 0


def _build(
    path: Path, folder: str, picture: Picture, job: dict[str, Any], told: dict[str, Any]
) -> Iterator[tuple[bytes, int]]:
    book = xlsxwriter.Workbook(path, _OPTIONS | {"tmpdir": folder})
    book.set_properties({"title": "Payments", "comments": f"export {job['reference']}"})
    if told["rows"] * len(job["columns"]) > _LARGE:
        book.use_zip64()
    sheets = _Sheets(book, job)
    statement = job["rows"]
    for rows in picture.some(statement["sql"], statement["params"], MANY, MANY):
        for row in rows:
            sheets.write(row)
        yield b"", len(rows)
    sheets.total(told)
    _about(book, sheets.heading, job, told)
    book.close()


class _Sheets:
    def __init__(self, book: Any, job: dict[str, Any]) -> None:
        self._book = book
        self._job = job
        self._columns: list[str] = job["columns"]
        self._kinds: list[str] = job["kinds"]
        self._currency = self._columns.index("currency") if "currency" in self._columns else -1
        self.heading = book.add_format({"bold": True, "bg_color": "#d8f3e5", "bottom": 1})
        self._bold = book.add_format({"bold": True, "top": 1})
        self._date = book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"})
        plain = {"num_format": "#,##0.00"}
        self._money = {"": book.add_format(plain)}
        self._sums = {"": book.add_format(plain | {"bold": True, "top": 1})}
        for currency, sign in _SIGNS.items():
            format = {"num_format": f'"{sign}"#,##0.00'}  # noqa: A001
            self._money[currency] = book.add_format(format)
            self._sums[currency] = book.add_format(format | {"bold": True, "top": 1})
        self._count = 0
        self._next_sheet()

    def write(self, row: tuple[Any, ...]) -> None:
        if self._row > ROWS_A_SHEET:
            self._finish()
            self._next_sheet()
        money = self._money[row[self._currency] if self._currency >= 0 else ""]
        for place, (kind, value) in enumerate(zip(self._kinds, row, strict=True)):
            if value is None or value == "":
                continue
            if kind == "money":
                done = self._sheet.write_number(self._row, place, Decimal(value).scaleb(-2), money)
            elif kind == "count":
                done = self._sheet.write_number(self._row, place, value)
            elif kind in ("sast", "utc", "zone"):
                done = self._sheet.write_datetime(self._row, place, datetime.fromisoformat(value), self._date)
            else:
                done = self._sheet.write_string(self._row, place, value)
            if done:
                raise ValueError(f"a cell of column {self._columns[place]} does not fit into an XLSX file")
        self._row += 1

    def total(self, told: dict[str, Any]) -> None:
        """A line for each currency under the rows, numbers and no formulas."""
        self._finish()
        of = {"amount": 0, "received": 1}
        for currency, sums in told["sums"].items():
            self._row += 1
            self._sheet.write_string(
                self._row, 0, f"Total {currency}, {told['rows']} rows in all", self._bold
            )
            for name, nth in of.items():
                if name in self._columns and (place := self._columns.index(name)) > 0:
                    amount = Decimal(sums[nth]).scaleb(-2)
                    self._sheet.write_number(self._row, place, amount, self._sums[currency])

    def _next_sheet(self) -> None:
        self._count += 1
        self._sheet = self._book.add_worksheet("Payments" if self._count == 1 else f"Payments {self._count}")
        for place, kind in enumerate(self._kinds):
            self._sheet.set_column(place, place, _WIDTHS.get(kind, 19))
        self._sheet.freeze_panes(1, 0)
        for place, name in enumerate(self._columns):
            self._sheet.write_string(0, place, name, self.heading)
        self._row = 1

    def _finish(self) -> None:
        self._sheet.autofilter(0, 0, max(1, self._row - 1), len(self._columns) - 1)


def _about(book: Any, heading: Any, job: dict[str, Any], told: dict[str, Any]) -> None:
    sheet = book.add_worksheet("About this file")
    sheet.set_column(0, 0, 22)
    sheet.set_column(1, 1, 44)
    lines: list[tuple[str, str | int | Decimal]] = [*map(tuple, job["about"]), ("rows", told["rows"])]
    for currency, (asked, received) in told["sums"].items():
        lines.append((f"asked, {currency}", Decimal(asked).scaleb(-2)))
        lines.append((f"received, {currency}", Decimal(received).scaleb(-2)))
    for nth, (name, value) in enumerate(lines):
        sheet.write_string(nth, 0, name, heading)
        if isinstance(value, str):
            sheet.write_string(nth, 1, value)
        else:
            sheet.write_number(nth, 1, value)
