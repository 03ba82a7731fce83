"""A reconciliation statement as a PDF: the way from the bank to the books on top, every row of it below, its
pages numbered.

What payers and banks wrote is drawn as text, and never read as markup.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from io import BytesIO
from typing import Any

from payments import dates
from payments.payers.receipt_pdf import line, numbered, register, with_the_sum
from payments.sign_off.reconciled import Entry, Reconciled, step

_WIDTHS = (24, 118, 38)
#: Points left on a page for an entry to begin on it: its name, a row, the sum.
_HEAD_AND_SOME = 90
_TOGETHER = "Together"


def render(told: Reconciled, reference: str, *, made_at: datetime, made_by: str, demo: bool) -> bytes:
    """The same statement, made by the same person in the same moment, is the same bytes."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    register()
    out = BytesIO()
    page = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=15 * mm, rightMargin=15 * mm, topMargin=16 * mm, bottomMargin=18 * mm,
        title=f"Reconciliation statement {reference}", author="Paydesk", invariant=1,
    )  # fmt: skip
    foot = f"Reconciliation statement {reference}"
    page.build(list(_parts(told, reference, made_at, made_by, demo)), canvasmaker=numbered(foot))
    return out.getvalue()


def _parts(told: Reconciled, reference: str, made_at: datetime, made_by: str, demo: bool) -> Iterator[Any]:
    from reportlab.platypus import CondPageBreak, Spacer

    if demo:
        yield line("DEMO: no real money moved", 9, bold=True, color="#7a3e00")
    yield line("Reconciliation statement", 18, bold=True)
    number = f", {told.account_number}" if told.account_number else ""
    yield line(f"{told.account}{number}, in the evening of {told.on:%-d %b %Y}", 11)
    yield line(told.standing, 9)
    yield line(f"{reference}, made {dates.say_moment(made_at)} (SAST) by {made_by}", 8)
    yield Spacer(1, 12)
    yield _table(list(_summary(told)))
    for entry in (*told.adjustments, *told.books):
        yield CondPageBreak(_HEAD_AND_SOME)
        yield Spacer(1, 14)
        yield line(entry.name, 11, bold=True)
        yield _table([*_rows(entry), ("", _TOGETHER, str(entry.amount))])
    yield Spacer(1, 14)
    yield line(
        f"This paper is {reference}. A file cannot hold its own hash: Paydesk keeps the SHA-256 of these "
        "bytes under Close, Papers made, and says under Exports, Verify a file, whether a copy is it.",
        8,
    )


def _summary(told: Reconciled) -> Iterator[tuple[str, str, str]]:
    yield "", "Balance of the bank", str(told.bank)
    for entry in told.adjustments:
        word, amount = step(entry.amount)
        yield word, entry.name, str(amount)
    for row in told.named:
        word, amount = step(row.amount)
        yield f"differs: {word}", f"{row.on:%-d %b %Y}: {row.text}", str(amount)
    yield "", "Our books", str(told.total)
    for entry in told.books:
        yield "of it", entry.name, str(entry.amount)
    yield "", "Difference", str(told.difference)


def _rows(entry: Entry) -> Iterator[tuple[str, str, str]]:
    for row in entry.rows:
        yield f"{row.on:%-d %b %Y}", row.text, str(row.amount)


_STRONG = ("Balance of the bank", "Our books", "Difference", _TOGETHER)


def _table(rows: Sequence[tuple[str, str, str]]) -> Any:
    from reportlab.lib.units import mm
    from reportlab.platypus import LongTable

    cells = [
        [
            line(first, 8),
            line(name, 9, bold=name in _STRONG),
            line(value, 9, bold=name in _STRONG, right=True),
        ]
        for first, name, value in rows
    ]
    table = LongTable(cells, colWidths=[width * mm for width in _WIDTHS], hAlign="LEFT")
    table.setStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, "#b8bec8"),
            *with_the_sum(len(cells)),
        ]
    )
    return table
