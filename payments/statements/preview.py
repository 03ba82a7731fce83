"""The first rows of a file under a mapping, cell by cell, while a person is still making it."""

import datetime
from dataclasses import dataclass, field

from db.money import Money
from payments.errors import StatementFormatError
from payments.statements import kinds, workbook
from payments.statements.draft import masked
from payments.statements.mapping import Mapping
from payments.statements.table_reader import TableReader
from payments.statements.tables import Table, decode, is_blank, shown_name, tables

_ROWS = 20


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One row: its cells, what they mean, and for each column that cannot be read, why."""

    row: int
    cells: tuple[str, ...]
    date: datetime.date | None
    amount: Money | None
    balance: Money | None
    description: str
    reference: str
    errors: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """``fault`` is what would refuse the whole file as far as its rows tell; empty if nothing does."""

    rows: tuple[PreviewRow, ...]
    fault: str = ""


def preview(mapping: Mapping, data: bytes, name: str = "the file") -> Preview:
    """The first twenty rows as this mapping reads them. Raises nothing for what a mapping can get wrong."""
    file = shown_name(name)
    try:
        kinds.check_size(file, data)
        found = _tables(file, name, mapping, data)
    except StatementFormatError as error:
        return Preview((), str(error))
    fault = ""
    for table in found:
        try:
            layout, start = mapping.start(table)
        except StatementFormatError as error:
            fault = fault or str(error)
            continue
        return _preview(TableReader(layout, table, start), mapping)
    return Preview((), fault)


def _tables(file: str, name: str, mapping: Mapping, data: bytes) -> list[Table]:
    if kinds.check_bytes(file, name, data) == "workbook":
        return [workbook.table(file, data, mapping.sheet)]
    return tables(decode(file, data, mapping.encoding), mapping.separator)


def _preview(reader: TableReader, mapping: Mapping) -> Preview:
    fault = ""
    try:
        reader.look_through()
    except StatementFormatError as error:
        fault = str(error)
    rows = []
    try:
        for number, cells in reader.table.rows():
            if number <= reader.start or is_blank(cells):
                continue
            rows.append(_row(reader, mapping, number, cells))
            if len(rows) == _ROWS:
                break
    except StatementFormatError as error:
        fault = fault or str(error)
    return Preview(tuple(rows), fault)


def _row(reader: TableReader, mapping: Mapping, number: int, cells: list[str]) -> PreviewRow:
    entry, errors = reader.parse(number, cells)

    def money(minor: int | None) -> Money | None:
        return None if minor is None else Money(minor, mapping.currency)

    return PreviewRow(
        row=number,
        cells=tuple(masked(cell) for cell in cells),
        date=entry.day,
        amount=money(entry.minor),
        balance=money(entry.balance),
        description=entry.description,
        reference=entry.reference,
        errors=errors,
    )
