"""Each report's files in a real spreadsheet: nothing becomes a formula, days are days, money is numbers, and
what LibreOffice adds up is the report's own total."""

import io
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import openpyxl
import pytest

from db.money import Money
from db.session import Sessions
from payments.reports import files, making
from payments.reports.making import ABOUT, OF_ONE_EVENT
from payments.reports.report import Asked, Column, Holds, Kind, Report, Table, Value
from tests.desk import ADMIN
from tests.ledger_world import World, fresh, sast
from tests.test_forecast import NOVEMBER, NOW, filled
from tests.test_office import FORMULA, TABLE, converted, office
from tests.test_reports import EVERYTHING, _earlier, _in_two_parts, _refunded_after
from tests.test_statement_report import pay_out

__all__ = ["fresh", "office"]
pytestmark = [pytest.mark.office, pytest.mark.timeout(600)]
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
#: What a cell of each kind is to LibreOffice: in an XLSX file, and read out of a CSV file.
TYPES = {
    Holds.MONEY: {"currency", "float"}, Holds.COUNT: {"float"}, Holds.DAY: {"date"},
    Holds.PERCENT: {"percentage"}, Holds.MINUTES: {"float"},
}  # fmt: skip
#: Columns of a forecast that do not add up: the band of a sum is narrower than its parts', and rands round.
NO_SUM = ("Expected", "From", "To")


@dataclass(frozen=True)
class Cell:
    kind: str  # "" for an empty one
    told: str


@dataclass(frozen=True)
class Opened:
    """One report and what LibreOffice made of its two files."""

    report: Report
    csv: str
    xlsx: str


@pytest.fixture(scope="module")
def opened(
    office: Path, fresh: Callable[[], Sessions], tmp_path_factory: pytest.TempPathFactory
) -> dict[Kind, Opened]:
    sessions = fresh()
    with sessions.begin() as session:
        world = World(session, sast(1))
        for happened in (_refunded_after, _in_two_parts, _earlier):
            happened(world)
        world.events[0].name = "=HYPERLINK(1)"
        for day in range(3, 20):
            world.pays(world.owes(sast(day), 2_500 * day), sast(day))
        pay_out(world, Random(4))
    filled(sessions)
    reports = {}
    for kind in Kind:
        period = NOVEMBER if kind is Kind.FORECAST else EVERYTHING
        asked = Asked(kind, ABOUT[kind].bases[0], period, "devconf" if kind in OF_ONE_EVENT else "")
        with sessions.read() as session:
            reports[kind] = making.make(session, ADMIN, asked, demo=True, now=NOW)
    folder = tmp_path_factory.mktemp("reports")
    made = [
        _opened(office, folder / word, write, reports.values(), *options)
        for word, write, options in (
            # quoted by ", UTF-8, from line 1, numbers and days looked for, formulas computed
            ("csv", files.as_csv, ("--infilter=CSV:44,34,76,1,,0,false,true,false,false,false,-1,true",)),
            ("xlsx", files.as_xlsx, ()),
        )
    ]
    return {kind: Opened(report, *both) for (kind, report), *both in zip(reports.items(), *made, strict=True)}


def _opened(office: Path, folder: Path, write, reports, *options: str) -> list[str]:
    folder.mkdir()
    paths = []
    for report in reports:
        paths.append(folder / f"{report.asked.kind}.{folder.name}")
        paths[-1].write_bytes(write(report))
    return converted(office, paths, *options)


def sheets(document: str) -> dict[str, list[list[Cell]]]:
    """The rows of each sheet that hold something, each cell as what LibreOffice keeps."""
    found = {}
    for table in ElementTree.fromstring(document).iter(f"{TABLE}table"):
        rows = []
        for row in table.iter(f"{TABLE}table-row"):
            cells: list[Cell] = []
            for cell in row:
                times = int(cell.get(f"{TABLE}number-columns-repeated", 1))
                cells += [_cell(cell)] * min(times, 50)
            while cells and not cells[-1].told:
                cells.pop()
            rows += [cells] if cells else []
        found[table.get(f"{TABLE}name", "")] = rows
    return found


def _cell(cell: ElementTree.Element) -> Cell:
    text = "\n".join("".join(part.itertext()) for part in cell)
    told = cell.get(f"{_OFFICE}value") or cell.get(f"{_OFFICE}date-value") or text
    return Cell(cell.get(f"{_OFFICE}value-type", ""), told)


def _is(ours: Value, column: Column, cell: Cell, *, guarded: bool) -> bool:
    if ours is None:
        return cell.told == ""
    if isinstance(ours, Money):
        return Decimal(cell.told).quantize(Decimal("0.01")) == Decimal(ours.decimal)
    if isinstance(ours, date):
        return cell.told[:10] == ours.isoformat()
    if isinstance(ours, str):
        return cell.told == (f"'{ours}" if guarded and ours[:1] in "=+-@" and ours else ours)
    in_parts = column.holds is Holds.PERCENT and not guarded
    return round(Decimal(cell.told) * (10_000 if in_parts else 1)) == ours


def _same(table: Table, rows: list[list[Cell]], *, guarded: bool) -> Iterator[str]:
    for row, cells in zip((*table.rows, *([table.total] if table.total else [])), rows, strict=True):
        cells = [*cells, *[Cell("", "")] * (len(row) - len(cells))]
        for ours, column, cell in zip(row, table.columns, cells, strict=True):
            if not _is(ours.value, column, cell, guarded=guarded):
                yield f"{table.title}, {column.name}: {ours.value} is {cell}"
            typed = not guarded and column.holds in TYPES and not isinstance(ours.value, str | None)
            if typed and cell.kind not in TYPES[column.holds]:
                yield f"{table.title}, {column.name}: {cell} is no {column.holds}"


def _adds_up(table: Table, rows: list[list[Cell]]) -> Iterator[str]:
    """What LibreOffice has in a column, added up, against the total it has on the last line."""
    *parts, last = rows
    for place, column in enumerate(table.columns):
        if column.holds not in (Holds.MONEY, Holds.COUNT) or table.total[place].value is None:
            continue
        if column.name.startswith(NO_SUM):
            continue
        of = [Decimal(row[place].told) for row in parts if place < len(row) and row[place].told]
        if round(sum(of), 2) != round(Decimal(last[place].told), 2):
            yield f"{table.title}, {column.name}: {sum(of)} is not {last[place].told}"


@pytest.mark.parametrize("kind", list(Kind))
def test_an_excel_file_holds_days_money_and_totals_and_no_formula(opened: dict[Kind, Opened], kind: Kind):
    one = opened[kind]
    assert not FORMULA.search(one.xlsx)
    assert one.report.tables, "a report of nothing proves nothing"
    found = list(sheets(one.xlsx).values())[1:]
    assert len(found) == len(one.report.tables)
    for table, rows in zip(one.report.tables, found, strict=True):
        assert [cell.told for cell in rows[0]] == [column.name for column in table.columns]
        assert list(_same(table, rows[1:], guarded=False)) == []
        if table.total:
            assert list(_adds_up(table, rows[1:])) == []


@pytest.mark.parametrize("kind", list(Kind))
def test_a_csv_file_opens_as_the_same_cells(opened: dict[Kind, Opened], kind: Kind):
    one = opened[kind]
    assert not FORMULA.search(one.csv)
    [rows] = sheets(one.csv).values()
    for table in one.report.tables:
        title = f"'{table.title}" if table.title[:1] in "=+-@" else table.title
        [start] = [nth for nth, row in enumerate(rows) if [cell.told for cell in row] == [title]]
        first = start + 2
        mine = rows[first : first + len(table.rows) + bool(table.total)]
        assert list(_same(table, mine, guarded=True)) == []
        if table.total:
            assert list(_adds_up(table, mine)) == []


@pytest.mark.parametrize("kind", list(Kind))
def test_an_excel_file_holds_nothing_to_be_warned_of(opened: dict[Kind, Opened], kind: Kind):
    """No formula, macro, link or outside connection; what Excel asks about before it opens a file."""
    data = files.as_xlsx(opened[kind].report)
    names = zipfile.ZipFile(io.BytesIO(data)).namelist()
    assert not [name for name in names if "vba" in name or "external" in name.lower() or "connection" in name]
    book = openpyxl.load_workbook(io.BytesIO(data))
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert not [cell.coordinate for cell in cells if cell.data_type == "f" or cell.hyperlink]
