"""A report as a file says what the screen says: the same figures, what it is, and that it was taken."""

import csv
import io
from datetime import date, datetime
from decimal import Decimal

import openpyxl
import pypdf
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import AuditEntry
from db.money import NBSP, Money
from db.session import Sessions
from payments.access.people import Person, Role
from payments.errors import InvalidInput, NotAllowed, NotFound
from payments.reports import asking, files, papers, pdf
from payments.reports.making import ABOUT, OF_ONE_EVENT
from payments.reports.period import Basis, Period
from payments.reports.report import Asked, Kind, Report, Value
from payments.reports.said import said
from tests.desk import ADMIN
from tests.ledger_world import World
from tests.test_reports import APRIL, MARCH, _earlier, _in_two_parts, _refunded_after, make

TODAY = date(2026, 3, 20)


@pytest.fixture
def session(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        world = World(session, now)
        for happened in (_refunded_after, _in_two_parts, _earlier):
            happened(world)
        world.events[0].name = "=HYPERLINK(1)"
        payment = world.owes(payment_day(), 2_500, 2)
        world.pays(payment, payment_day(), kind="cash")
    with sessions.read() as session:
        yield session


def payment_day() -> datetime:
    return datetime(2026, 3, 7, 10, tzinfo=Period(TODAY, TODAY).span.start.tzinfo)


def values(report: Report) -> list[list[list[Value]]]:
    """Of each table, its rows and its total."""
    return [
        [[cell.value for cell in row] for row in (*table.rows, *([table.total] if table.total else []))]
        for table in report.tables
    ]


@pytest.mark.parametrize("kind", [Kind.TAKINGS, Kind.REVENUE, Kind.OPEN_ITEMS])
def test_csv_holds_the_very_cells(session: Session, kind: Kind):
    report = make(session, kind, period=MARCH)
    read = list(csv.reader(io.StringIO(files.as_csv(report).decode("utf-8-sig"))))
    told = [[_text(one) for one in row] for table in values(report) for row in table]
    missing = [row for row in told if row not in read]
    assert missing == []
    assert read[-1] == [f"# end, {len(report.tables)} tables, {report.sha256}"]
    assert ["# Period", report.asked.period.bounds] in read
    assert not any(cell.startswith("=") for row in read for cell in row)


def _text(value: Value) -> str:
    if isinstance(value, Money):
        return value.decimal
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith("=") else text


@pytest.mark.parametrize("kind", [Kind.TAKINGS, Kind.REVENUE, Kind.OUTCOMES])
def test_xlsx_holds_numbers_days_and_texts_as_what_they_are(session: Session, kind: Kind):
    report = make(session, kind, ABOUT[kind].bases[0], MARCH)
    book = openpyxl.load_workbook(io.BytesIO(files.as_xlsx(report)))
    assert len(book.sheetnames) == 1 + len(report.tables)
    for sheet, table in zip(book.worksheets[1:], report.tables, strict=True):
        rows = list(sheet.iter_rows(min_row=2))
        told = (*table.rows, *([table.total] if table.total else []))
        assert len(rows) == len(told)
        for cells, row in zip(rows, told, strict=True):
            for cell, ours in zip(cells, row, strict=True):
                _same(cell, ours.value)


def _same(cell, value: Value) -> None:
    if value is None:
        assert cell.value is None
    elif isinstance(value, Money):
        assert Decimal(str(cell.value)) == Decimal(value.decimal)
        assert cell.data_type == "n"
    elif isinstance(value, date):
        assert cell.value.date() == value
    elif isinstance(value, int):
        assert Decimal(str(cell.value)) in (value, Decimal(value).scaleb(-4))
    else:
        assert (cell.value, cell.data_type) == (value, "s")


def test_paper_has_a_page_for_each_event_its_number_and_the_hash(session: Session):
    report = make(session, Kind.OPEN_ITEMS, period=MARCH)
    pages = [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(paper(report))).pages]
    own = [table for table in report.tables if table.own_page]
    assert len(pages) == 3 == 1 + len(own)
    for nth, text in enumerate(pages, 1):
        assert f"Page {nth} of {len(pages)}" in text
        assert report.sha256 in text
    for text, table in zip(pages[1:], own, strict=True):
        assert table.title in text
        for row in table.rows:
            assert said(row[1], table.columns[1]) in text
    assert report.asked.period.bounds in pages[0].replace("\n", " ")
    assert "DEMO: no real money moved" in pages[0]


def test_no_sum_is_broken_in_two_on_paper(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        world = World(session, now)
        for _ in range(9):
            world.pays(world.owes(payment_day(), 99_999_999, 1), payment_day(), kind="cash")
        for kind in (kind for kind in ABOUT if kind is not Kind.TRANSIT):
            basis = ABOUT[kind].bases[0]
            report = make(session, kind, basis, MARCH, event="gala" if kind in OF_ONE_EVENT else "")
            pages = pypdf.PdfReader(io.BytesIO(paper(report))).pages
            text = "".join(page.extract_text() for page in pages).replace(NBSP, " ")
            for table in report.tables:
                for row in () if table.fans else (*table.rows, table.total):
                    for cell, column in zip(row, table.columns, strict=False):
                        told = said(cell, column).replace(NBSP, " ")
                        assert not isinstance(cell.value, Money) or told in text, column


def paper(report: Report) -> bytes:
    return pdf.render(report, "DEMO_RPT_7K2MPQ4", "Thandi Nkosi")


def test_the_same_report_on_paper_is_the_same_bytes(session: Session):
    report = make(session, Kind.REVENUE, period=MARCH)
    assert paper(report) == paper(report)


def test_nothing_on_these_days_is_said_on_paper_too(session: Session):
    report = make(session, Kind.REVENUE, period=Period(date(2025, 1, 1), date(2025, 1, 1)))
    assert (
        "Nothing of this kind on these days."
        in pypdf.PdfReader(io.BytesIO(paper(report))).pages[0].extract_text()
    )


@pytest.mark.parametrize("format_", papers.FORMATS)
def test_taking_one_away_is_in_the_record_with_its_hashes(sessions, session, now, format_):
    asked = Asked(Kind.REVENUE, Basis.CAPTURED, APRIL)
    with sessions.begin() as writing:
        file = papers.take(writing, ADMIN, asked, format_, demo=True, now=now)
    with sessions.read() as reading:
        entry = reading.scalars(select(AuditEntry).where(AuditEntry.action == "take_report")).one()
    assert entry.detail["format"] == format_
    assert entry.detail["content"] == make(session, Kind.REVENUE, period=APRIL).sha256
    assert file.name.startswith("revenue-captured-2026-04-01-to-2026-04-30-2026-11-23-1200-DEMO_RPT_")
    assert entry.subject in file.name


def test_what_nobody_may_or_can_take_is_refused(sessions, session, now):
    viewer = Person(7, "V", "v@example.org", Role.VIEWER, None)
    asked = Asked(Kind.REVENUE, Basis.CAPTURED, APRIL)
    with sessions.begin() as writing:
        with pytest.raises(NotAllowed):
            papers.take(writing, viewer, asked, "pdf", demo=True, now=now)
        with pytest.raises(NotFound):
            papers.take(writing, ADMIN, asked, "docx", demo=True, now=now)


def test_an_address_asks_for_the_report_it_was_made_for():
    asked = Asked(Kind.TAKINGS, Basis.PAID, APRIL, "devconf")
    query = asking.query(asked)
    assert asking.read("takings", query["basis"], query["period"], query["event"], TODAY) == asked
    assert asking.read("fees", "", "", "", TODAY) == Asked(Kind.FEES, Basis.SETTLED, MARCH)


@pytest.mark.parametrize(
    ("kind", "basis", "period", "error"),
    [
        pytest.param("profit", "", "", NotFound, id="no such report"),
        pytest.param("revenue", "moon", "", InvalidInput, id="no such basis"),
        pytest.param("revenue", "", "some day", InvalidInput, id="no days"),
    ],
)
def test_an_address_that_asks_for_nothing_is_refused(kind: str, basis: str, period: str, error):
    with pytest.raises(error):
        asking.read(kind, basis, period, "", TODAY)
