"""A report on paper: what it is on top, its tables below, on each page its number and the content's hash.

Names are drawn as text, and never read as markup.
"""

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

from payments.payers.receipt_pdf import line, numbered, register, with_the_sum
from payments.reports import fan_pdf
from payments.reports.files import about
from payments.reports.report import Column, Holds, Report, Row, Table
from payments.reports.said import said, value

#: Millimetres between the margins of an A4 page: upright, and on its side for wide tables.
_UPRIGHT, _ASIDE = 180, 267
#: More columns than this want the page on its side.
_FEW = 6
_GREY = "#5b6472"
#: Points that must be left on a page for a table to begin on it: its title, its head, some rows.
_HEAD_AND_SOME = 110
#: How wide a column is beside the others; counts and what else is short are 2.
_PARTS = {Holds.TEXT: 4, Holds.MONEY: 3}
_FAN_TOLD = (
    "Green: what came. The line: what is expected on top of it. Around it: in 8 of 10 cases. Each day is in "
    "the CSV and XLSX files."
)


def render(report: Report, reference: str, made_by: str) -> bytes:
    """The same report, taken by the same person under the same reference, is the same bytes."""
    from reportlab.lib.pagesizes import A4, landscape
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    register()
    wide = max((len(table.columns) for table in report.tables), default=0) > _FEW
    out = BytesIO()
    page = SimpleDocTemplate(
        out, pagesize=landscape(A4) if wide else A4, leftMargin=15 * mm, rightMargin=15 * mm,
        topMargin=15 * mm, bottomMargin=18 * mm, title=f"{report.title} {reference}", author="Paydesk",
        invariant=1,
    )  # fmt: skip
    width = _ASIDE if wide else _UPRIGHT
    foot = f"{reference} · SHA-256 of the content {report.sha256}"
    page.build(list(_parts(report, reference, made_by, width)), canvasmaker=numbered(foot))
    return out.getvalue()


def _parts(report: Report, reference: str, made_by: str, width: int) -> Iterator[Any]:
    from reportlab.lib.units import mm
    from reportlab.platypus import CondPageBreak, PageBreak, Spacer

    if report.demo:
        yield line("DEMO: no real money moved", 9, bold=True, color="#7a3e00")
    yield line(report.title, 18, bold=True)
    yield line(f"{report.event_name or 'All events'}, {report.asked.period.told}", 11)
    yield Spacer(1, 6)
    for name, told in about(report):
        if name not in ("DEMO", "Report", "Event", "SHA-256 of its content"):
            yield line(f"{name}: {told}", 8, color=_GREY)
    yield line(f"Taken by {made_by} as {reference}", 8, color=_GREY)
    yield Spacer(1, 10)
    if report.headline:
        yield _headline(report, width)
    if not report.tables:
        yield Spacer(1, 10)
        yield line("Nothing of this kind on these days.", 10)
    for table in report.tables:
        if table.own_page:
            yield PageBreak()
        else:
            yield CondPageBreak(_HEAD_AND_SOME)
            yield Spacer(1, 14)
        yield line(table.title, 11, bold=True)
        if table.own_page:
            yield line(
                f"{report.title}, {report.asked.period.told} ({report.asked.period.bounds})", 8, color=_GREY
            )
        yield Spacer(1, 4)
        if table.fans:
            yield fan_pdf.drawn(table, width * mm)
            yield line(_FAN_TOLD, 8, color=_GREY)
        else:
            yield _table(table, width)


def _headline(report: Report, width: int) -> Any:
    rows = [["", "This period", report.asked.period.before.told]]
    for one in report.headline:
        holds = one.holds or Holds.COUNT
        rows.append([one.name, value(one.now.value, holds), value(one.before, holds)])
    if not report.compared:
        rows = [["", "Now"], *(row[:2] for row in rows[1:])]
    cells = [
        [line(cell, 9, bold=not nth or place == 1, right=place > 0) for place, cell in enumerate(row)]
        for nth, row in enumerate(rows)
    ]
    return _drawn(cells, [width * 0.4, width * 0.3, width * 0.3][: len(rows[0])], total=False)


def _table(table: Table, width: int) -> Any:
    size = 9 if len(table.columns) <= _FEW else 7
    words = [not nth or column.holds is Holds.TEXT for nth, column in enumerate(table.columns)]
    heads = [
        line(column.name, size, bold=True, right=not word)
        for column, word in zip(table.columns, words, strict=True)
    ]
    ends = (0, len(table.rows) - 1) if table.falls else ()
    lines = [_line(table, row, words, size, bold=nth in ends) for nth, row in enumerate(table.rows)]
    if table.total:
        lines.append(_line(table, table.total, words, size, bold=True))
    return _drawn([heads, *lines], _widths(table.columns, width), total=bool(table.total))


def _line(table: Table, row: Row, words: Sequence[bool], size: int, *, bold: bool) -> list[Any]:
    return [
        line(said(cell, column), size, bold=bold, right=not word)
        for cell, column, word in zip(row, table.columns, words, strict=True)
    ]


def _widths(columns: Sequence[Column], width: int) -> list[float]:
    """As they need: a sum of millions must not be broken in two."""
    parts = [_PARTS.get(column.holds, 2) for column in columns]
    return [width * part / sum(parts) for part in parts]


def _drawn(cells: list[list[Any]], widths: Sequence[float], *, total: bool) -> Any:
    from reportlab.lib.units import mm
    from reportlab.platypus import LongTable

    table = LongTable(cells, colWidths=[width * mm for width in widths], hAlign="LEFT", repeatRows=1)
    style: list[tuple[Any, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (0, -1), 0),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, "#b8bec8"),
        ("LINEBELOW", (0, 0), (-1, 0), 0.8, "#000000"),
    ]
    if total:
        style.append(("LINEABOVE", (0, -1), (-1, -1), 0.8, "#000000"))
        style += with_the_sum(len(cells))
    table.setStyle(style)
    return table
