"""An evidence pack on paper: the dispute, the payment, what shows it, and its history, on numbered pages.

What payers typed is drawn as text, and never read as markup.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from io import BytesIO
from typing import Any

from payments import dates
from payments.payers.receipt_pdf import line, numbered, register

_WIDTH_MM = 180
_GREY = "#5b6472"
#: Points left on a page for a table to begin on it.
_HEAD_AND_SOME = 90
#: How wide the columns of so many are, in millimetres.
_WIDTHS = {2: (40, 140), 3: (40, 36, 104), 4: (40, 30, 40, 70), 5: (36, 38, 38, 38, 30)}


@dataclass(frozen=True)
class Section:
    """Rows under a title, each its cells in the order of ``heads``. ``none`` is said where there is none."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    none: str = ""


@dataclass(frozen=True)
class Pack:
    """All that stands in it. ``facts`` and ``dispute`` are names with values; ``left_out`` entries of the
    timeline are not in it."""

    title: str
    dispute: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    left_out: int
    demo: bool

    @property
    def sha256(self) -> str:
        """Of what it says, whoever takes it and whenever."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


def render(pack: Pack, reference: str, *, made_at: datetime, made_by: str) -> bytes:
    """The same pack, taken by the same person in the same moment, is the same bytes."""
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.units import mm
    from reportlab.platypus import SimpleDocTemplate

    register()
    out = BytesIO()
    page = SimpleDocTemplate(
        out, pagesize=A4, leftMargin=15 * mm, rightMargin=15 * mm, topMargin=15 * mm, bottomMargin=18 * mm,
        title=f"{pack.title} {reference}", author="Paydesk", invariant=1,
    )  # fmt: skip
    foot = f"{reference} · SHA-256 of the content {pack.sha256}"
    page.build(list(_parts(pack, reference, made_at, made_by)), canvasmaker=numbered(foot))
    return out.getvalue()


def _parts(pack: Pack, reference: str, made_at: datetime, made_by: str) -> Iterator[Any]:
    from reportlab.platypus import CondPageBreak, Spacer

    if pack.demo:
        yield line("DEMO: no real money moved", 9, bold=True, color="#7a3e00")
    yield line(pack.title, 18, bold=True)
    made = (
        f"{reference}, made {dates.say_moment(made_at)} by {made_by}. All times are of Johannesburg (SAST)."
    )
    yield line(made, 8, color=_GREY)
    yield Spacer(1, 10)
    yield _facts(pack.dispute)
    yield Spacer(1, 14)
    yield line("The payment", 12, bold=True)
    yield _facts(pack.facts)
    for section in pack.sections:
        yield CondPageBreak(_HEAD_AND_SOME)
        yield Spacer(1, 14)
        yield line(section.title, 12, bold=True)
        yield _table(section) if section.rows else line(section.none, 9, color=_GREY)
    yield Spacer(1, 12)
    entries = "entry is" if pack.left_out == 1 else "entries are"
    yield line(
        f"{pack.left_out} {entries} left out: what colleagues wrote for each other, requests and approvals, "
        f"papers printed, this dispute itself, and messages that nobody proved.",
        8, color=_GREY,
    )  # fmt: skip


def _facts(told: Sequence[tuple[str, str]]) -> Any:
    return _drawn([[line(name, 9, color=_GREY), line(value, 9)] for name, value in told], (46, 134))


def _table(section: Section) -> Any:
    heads = [line(name, 8, bold=True) for name in section.heads]
    rows = [[line(cell, 8) for cell in row] for row in section.rows]
    return _drawn([heads, *rows], _WIDTHS[len(section.heads)], heads=1)


def _drawn(cells: list[list[Any]], widths_mm: tuple[int, ...], *, heads: int = 0) -> Any:
    from reportlab.lib.units import mm
    from reportlab.platypus import LongTable

    widths = [width * mm for width in widths_mm]
    table = LongTable(cells, colWidths=widths, hAlign="LEFT", repeatRows=heads, splitInRow=1)
    table.setStyle(
        [
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), 0),
            ("TOPPADDING", (0, 0), (-1, -1), 2),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, "#b8bec8"),
        ]
    )
    return table
