"""An Excel workbook to the same rows of text cells that a CSV file has."""

import io
import warnings
import zipfile
from collections.abc import Iterable
from datetime import date, datetime, time
from typing import Any

from payments.errors import StatementFormatError, quoted
from payments.statements.statement import MAX_LINES
from payments.statements.tables import Row, Table, is_blank

#: What a workbook may unpack to, and how many times its packed size: ten megabytes can hide ten gigabytes.
_MAX_UNPACKED_BYTES = 150 * 1024 * 1024
_MAX_PARTS = 500
_MAX_COLUMNS = 200
_MAX_ROWS = MAX_LINES + 1_000
#: What openpyxl raises for parts that are no workbook's.
_BROKEN = (
    zipfile.BadZipFile, KeyError, ValueError, TypeError, AttributeError, IndexError,
    SyntaxError, OSError, EOFError, NotImplementedError, AssertionError, OverflowError,
)  # fmt: skip


def table(file: str, data: bytes, sheet: str = "") -> Table:
    """The one sheet that holds rows, or the one named. Raises ``StatementFormatError``."""
    _check_size(file, data)
    try:
        found = _sheets(file, data, sheet)
    except StatementFormatError:
        raise
    except _BROKEN as error:
        raise StatementFormatError(file, None, "The workbook is damaged and cannot be read.") from error
    if len(found) != 1:
        names = ", ".join(name for name, _ in found)
        reason = f"Several of its sheets hold rows ({names}); keep one." if found else "It holds no rows."
        raise StatementFormatError(file, None, reason)
    rows = found[0][1]
    return Table(file, lambda: rows, "xlsx")


def _check_size(file: str, data: bytes) -> None:
    """Before anything is unpacked. ``zipfile`` gives out no more of a part than its entry here declares."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as parts:
            sizes = [part.file_size for part in parts.infolist()]
            is_workbook = "xl/workbook.xml" in parts.namelist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
        raise StatementFormatError(file, None, "The workbook is damaged and cannot be read.") from error
    if len(sizes) > _MAX_PARTS or sum(sizes) > _MAX_UNPACKED_BYTES:
        raise StatementFormatError(file, None, "It unpacks to far more than a statement; it is not opened.")
    if not is_workbook:
        raise StatementFormatError(file, None, "It is a zip archive, not an Excel workbook; unpack it first.")


def _sheets(file: str, data: bytes, sheet: str) -> list[tuple[str, list[Row]]]:
    from openpyxl import load_workbook  # four tenths of a second, for workbooks alone

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # styles and extensions it does not know; cells are read regardless
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        try:
            if sheet and sheet not in book.sheetnames:
                raise StatementFormatError(file, None, f"It has no sheet named {quoted(sheet)}.")
            found = []
            for name in [sheet] if sheet else book.sheetnames:
                page = book[name]
                if not hasattr(page, "iter_rows"):
                    continue  # a sheet that is a chart
                page.reset_dimensions()
                rows = _rows(file, page.iter_rows(values_only=True, max_col=_MAX_COLUMNS))
                if any(not is_blank(cells) for _, cells in rows):
                    found.append((name, rows))
            return found
        finally:
            book.close()


def _rows(file: str, values: Iterable[tuple[Any, ...]]) -> list[Row]:
    rows = []
    for number, row in enumerate(values, 1):
        if number > _MAX_ROWS:
            raise StatementFormatError(file, number, f"It has more than {MAX_LINES:,} lines.")
        rows.append((number, [_text(value) for value in row]))
    return rows


def _text(value: object) -> str:
    """A cell as its reader sees it. Excel itself shows a number with fifteen digits at most: so exactly."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}" if value.time() == time() else f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int):
        return str(value)
    if not isinstance(value, str):
        return format(value, ".15g")
    return value
