"""Bank and payout files: bytes to a Statement, whole and proved, or refused with the row to blame.

``read`` tries the readers in turn, and the first that knows the file by its own marks or heading rows reads
it: OFX, QIF, MT940, CAMT.053, an Excel workbook, or a table. A table that nobody knows raises
``UnknownLayout`` with its first rows, and reads with a ``Mapping``. Faults of the file refuse it whole; a row
that cannot be read is quarantined, never dropped, never counted as zero.
"""

from contextlib import suppress
from itertools import islice

from payments.errors import StatementFormatError, UnknownLayout
from payments.statements import days, kinds, qif, records, workbook
from payments.statements.draft import masked
from payments.statements.layouts import LAYOUTS
from payments.statements.mapping import Mapping, by_content, suggest
from payments.statements.preview import Preview, PreviewRow, preview
from payments.statements.statement import MAX_BYTES, MAX_LINES, Line, Named, Quarantined, Statement
from payments.statements.table_reader import TableReader
from payments.statements.tables import HEAD_ROWS, Row, Table, Text, decode, is_blank, shown_name, tables

__all__ = [
    "MAX_BYTES", "MAX_LINES", "Line", "Mapping", "Named", "Preview", "PreviewRow", "Quarantined", "Statement",
    "StatementFormatError", "UnknownLayout", "by_content", "layouts", "preview", "read", "suggest",
]  # fmt: skip

_SHOWN_ROWS = 20


def read(
    name: str, data: bytes, *, mapping: Mapping | None = None, date_order: str | None = None
) -> Statement:
    """The statement in a file. ``date_order`` (dmy, mdy, ymd) is what a person says its dates are.

    Raises ``StatementFormatError`` with the row for a file that is refused whole, and ``UnknownLayout``
    (one of these) for a table that needs a mapping.
    """
    file = shown_name(name)
    if date_order not in (None, *days.ORDERS):
        raise StatementFormatError(file, None, f"The order of dates is one of {', '.join(days.ORDERS)}.")
    kinds.check_size(file, data)
    if kinds.check_bytes(file, name, data) == "workbook":
        found = [workbook.table(file, data, mapping.sheet if mapping else "")]
        return _read_table(file, found, mapping, date_order)
    text = decode(file, data, mapping.encoding if mapping else None)
    kind = "table" if mapping else kinds.of_text(file, name, text.text)
    if kind == "qif":
        return qif.read(text, date_order)
    if kind != "table":
        return _read_marked(kind, text)
    return _read_table(file, tables(text, mapping.separator if mapping else None), mapping, date_order)


def _read_marked(kind: str, text: Text) -> Statement:
    """With a library of that format's own; all together they take most of a second to load."""
    if kind == "ofx":
        from payments.statements import ofx as reader
    elif kind == "mt940":
        from payments.statements import mt940 as reader  # type: ignore[no-redef]
    else:
        from payments.statements import camt as reader  # type: ignore[no-redef]
    return reader.read(text)


def layouts() -> tuple[str, ...]:
    """The layouts that are known by name."""
    named = dict.fromkeys(
        [layout.name for layout in LAYOUTS] + [records.FNB_MAIL, records.STANDARD_BANK_HIST]
    )
    return (*named, "ofx", "qif", "mt940", "camt.053")


def _read_table(file: str, found: list[Table], mapping: Mapping | None, date_order: str | None) -> Statement:
    if mapping:
        return _read_mapped(found, mapping, date_order)
    heads = [_head(table) for table in found]
    for table, rows in zip(found, heads, strict=True):
        if name := records.layout_of(rows):
            return records.read(name, table)
        for layout in LAYOUTS:
            if (start := layout.start(rows)) is not None:
                return TableReader(layout, table, start, date_order).read()
    # For a person to look at: the separator that tears the rows into the most cells.
    rows = max(heads, key=lambda rows: sum(len(cells) for _, cells in rows[:_SHOWN_ROWS]))
    if not rows:
        list(found[0].rows())  # raises what keeps it from being a table
    shown = tuple(tuple(map(masked, cells)) for _, cells in rows[:_SHOWN_ROWS])
    first = next((number for number, cells in rows if not is_blank(cells)), 1)
    reason = "No layout is known by its heading rows; say with a mapping what its columns are."
    raise UnknownLayout(file, first, reason, shown)


def _read_mapped(found: list[Table], mapping: Mapping, date_order: str | None) -> Statement:
    """With the first separator by which the mapping's heading stands in the file."""
    refused: StatementFormatError | None = None
    for table in found:
        try:
            layout, start = mapping.start(table)
        except StatementFormatError as error:
            refused = refused or error
            continue
        return TableReader(layout, table, start, date_order).read()
    assert refused is not None
    raise refused


def _head(table: Table) -> list[Row]:
    """Its first rows, as far as this separator makes a table of them."""
    rows: list[Row] = []
    with suppress(StatementFormatError):  # told when the layout is known and the whole is read
        rows.extend(islice(table.rows(), HEAD_ROWS))
    return rows
