"""The band of a forecast on paper: what came so far, and what is expected, drawn over its days."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from db.money import Money
from payments.reports.report import Holds, Row, Table
from payments.reports.said import value

_HEIGHT, _LEFT, _BELOW, _ABOVE = 170, 70, 18, 8
_CAME, _BAND, _LINE, _GREY = "#0b6b45", "#b7d3f2", "#1d5fa8", "#5b6472"
_FONT, _SMALL = "Desk", 7
_STEPS = 4


def drawn(table: Table, width: float) -> Any:
    """A table that ``fans``; each of its rows is in the other files."""
    from reportlab.graphics.shapes import Drawing, Line, Polygon, PolyLine, String
    from reportlab.lib.colors import HexColor

    first, last = (_day(table.rows[end]).toordinal() for end in (0, -1))
    most = max(cell.value.minor for row in table.rows for cell in row if isinstance(cell.value, Money)) or 1
    currency = next(cell.value.currency for cell in table.rows[0] if isinstance(cell.value, Money))

    def points(rows: Sequence[Row], column: int) -> list[tuple[int, int]]:
        """Whole points: a picture needs no more."""
        return [
            (
                _LEFT + (_day(row).toordinal() - first) * int(width - _LEFT) // max(1, last - first),
                _BELOW + one.minor * (_HEIGHT - _BELOW - _ABOVE) // most,
            )
            for row in rows
            if isinstance(one := row[column].value, Money)
        ]

    picture = Drawing(width, _HEIGHT)
    for step in range(_STEPS + 1):
        at = _BELOW + step * (_HEIGHT - _BELOW - _ABOVE) // _STEPS
        told = value(Money(most * step // (_STEPS * 100) * 100, currency), Holds.MONEY)
        picture.add(Line(_LEFT, at, width, at, strokeColor=HexColor("#d5d9de"), strokeWidth=0.4))
        words = String(_LEFT - 4, at - 2, told, fontName=_FONT, fontSize=_SMALL, textAnchor="end")
        picture.add(words)
    came = points(table.rows, 1)
    today = came[-1:]
    highs, lows, line = (today + points(table.rows, column) for column in (4, 3, 2))
    for edge, color in (
        ([(came[0][0], _BELOW), *came, (came[-1][0], _BELOW)], _CAME),
        ([*highs, *reversed(lows)], _BAND),
    ):
        flat = [place for point in edge for place in point]
        picture.add(Polygon(flat, fillColor=HexColor(color), strokeColor=None))
    picture.add(PolyLine([place for point in line for place in point], strokeColor=HexColor(_LINE)))
    for x, row, anchor in ((_LEFT, table.rows[0], "start"), (width, table.rows[-1], "end")):
        told = value(_day(row), Holds.DAY)
        picture.add(String(x, 6, told, fontName=_FONT, fontSize=_SMALL, textAnchor=anchor))
    return picture


def _day(row: Row) -> date:
    assert isinstance(row[0].value, date)
    return row[0].value
