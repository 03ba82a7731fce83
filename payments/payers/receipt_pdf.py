"""One receipt as a PDF: a page of A5 with our own fonts in it, which hold the letters of our languages.

What payers typed is drawn as text, and never read as markup.
"""

from collections.abc import Iterator
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from payments import dates
from payments.lifecycle import Method
from payments.payers.receipts import Paper

_FONTS = Path(__file__).parents[2] / "static" / "fonts"
_HOW = {
    Method.GATEWAY: "Online, by iKhokha",
    Method.CARD: "Card",
    Method.INSTANT_EFT: "Instant EFT",
    Method.CASH: "Cash",
    Method.CARD_SLIP: "Card machine",
    Method.EFT: "EFT",
}


def render(paper: Paper) -> bytes:
    """The same paper is the same bytes."""
    from reportlab.lib.pagesizes import A5  # a fifth of a second, which most of the desk never needs
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    register()
    out = BytesIO()
    page = SimpleDocTemplate(
        out, pagesize=A5, leftMargin=16 * mm, rightMargin=16 * mm, topMargin=16 * mm, bottomMargin=14 * mm,
        title=f"{paper.title} {paper.number}", author=paper.organiser.name or "Paydesk", invariant=1,
    )  # fmt: skip
    page.build(list(_parts(paper)))
    return out.getvalue()


@cache
def register() -> None:
    from reportlab.pdfbase import pdfmetrics
    from reportlab.pdfbase.ttfonts import TTFont

    for name, file in (("Desk", "DejaVuSans.ttf"), ("DeskBold", "DejaVuSans-Bold.ttf")):
        pdfmetrics.registerFont(TTFont(name, str(_FONTS / file)))


def _parts(paper: Paper) -> Iterator[Any]:
    from reportlab.platypus import Spacer

    if paper.demo:
        yield line("DEMO: no real money moved", 9, bold=True, color="#7a3e00")
    if paper.copy:
        yield line("COPY", 20, bold=True, color="#a3120a")
    yield line(paper.title, 18, bold=True)
    yield line(f"No. {paper.number}", 10)
    if paper.taken_back:
        yield line(f"Taken back: {paper.taken_back}", 10, bold=True, color="#a3120a")
    yield Spacer(1, 10)
    for text in (paper.organiser.name, *paper.organiser.address.splitlines()):
        yield line(text, 10, bold=text == paper.organiser.name)
    if paper.organiser.vat_number:
        yield line(f"VAT number {paper.organiser.vat_number}", 10)
    yield Spacer(1, 12)
    yield _table(list(_facts(paper)))
    yield Spacer(1, 12)
    yield _table(list(_sums(paper)), sums=True)
    if paper.vat is not None and paper.title != "Tax invoice" and not paper.invoice:
        yield Spacer(1, 8)
        yield line("This is no tax invoice: ask the organiser for one.", 8)


def _facts(paper: Paper) -> Iterator[tuple[str, str]]:
    yield "Received", f"{dates.say_moment(paper.received_at)} (SAST)"
    yield "From", paper.payer
    yield "Event", paper.event
    yield "For", paper.what
    yield "Paid by", _HOW[paper.method]
    yield "Reference", paper.reference
    if paper.invoice:
        yield "Invoice", paper.invoice


def _sums(paper: Paper) -> Iterator[tuple[str, str]]:
    if paper.vat is not None:
        yield "Without VAT", str(paper.amount - paper.vat)
        yield "VAT at 15 %", str(paper.vat)
    yield "Amount received", str(paper.amount)
    if paper.owed != paper.amount:
        yield "Asked for in all", str(paper.owed)
        if paper.balance.minor > 0:
            yield "Still owed", str(paper.balance)


def line(text: str, size: int, *, bold: bool = False, color: str = "#000000", right: bool = False) -> Any:
    from reportlab.lib.styles import ParagraphStyle
    from reportlab.platypus import Paragraph

    style = ParagraphStyle(
        "desk", fontName="DeskBold" if bold else "Desk", fontSize=size, leading=size * 1.35,
        textColor=color, alignment=2 if right else 0, splitLongWords=True,
    )  # fmt: skip
    return Paragraph(escape(text), style)


def numbered(foot: str) -> Any:
    """A canvas that knows on its first page how many there will be; ``foot`` stands on each."""
    from reportlab.lib.units import mm
    from reportlab.pdfgen.canvas import Canvas

    class Numbered(Canvas):  # type: ignore[misc, unused-ignore]
        def __init__(self, *args: Any, **more: Any) -> None:
            super().__init__(*args, **more)
            self._kept: list[dict[str, Any]] = []

        def showPage(self) -> None:  # noqa: N802 the library's own name
            self._kept.append(dict(self.__dict__))
            self._startPage()

        def save(self) -> None:
            for number, kept in enumerate(self._kept, 1):
                self.__dict__.update(kept)
                self.setFont("Desk", 7)
                self.setFillColor("#5b6472")
                self.drawString(15 * mm, 9 * mm, foot)
                right = f"Page {number} of {len(self._kept)}"
                self.drawRightString(self._pagesize[0] - 15 * mm, 9 * mm, right)
                super().showPage()
            super().save()

    return Numbered


def with_the_sum(rows: int) -> list[tuple[Any, ...]]:
    """A table's style: its last row, the sum, is never on another page than the row before it."""
    return [("NOSPLIT", (0, rows - 2), (0, rows - 1))] if rows > 1 else []


def _table(rows: list[tuple[str, str]], *, sums: bool = False) -> Any:
    from reportlab.lib.units import mm
    from reportlab.platypus import Table

    strong = {"Amount received", "Still owed"}
    cells = [
        [line(name, 10, bold=name in strong), line(value, 10, bold=name in strong, right=sums)]
        for name, value in rows
    ]
    table = Table(
        cells, colWidths=[(60 if sums else 30) * mm, (56 if sums else 86) * mm], hAlign="LEFT", splitInRow=1
    )
    rules: list[tuple[Any, ...]] = [
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), 0),
        ("LINEBELOW", (0, 0), (-1, -1), 0.4, "#b8bec8"),
    ]
    table.setStyle(rules)
    return table
