"""What came so far, and a band that opens ahead: two shapes over days, in plain HTML like the other charts.

The page lets no drawing through; a shape is an element cut along its edge. Its words and its table say
all of it.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from ui import charts
from words import number

#: How thick a line is, in hundredths of a percent of the chart's height.
_LINE = 70
_WHOLE = 10_000


@dataclass(frozen=True)
class Point:
    """A day, as a number and in words, and whole units of money: what came by then, or what is expected."""

    day: int
    told: str
    came: int | None = None
    expected: int | None = None
    low: int | None = None
    high: int | None = None


def fan(points: Sequence[Point], *, unit: str, alt: str) -> str:
    """``points`` in the order of their days. The last day on which something came is today."""
    first, last = points[0].day, points[-1].day
    most = max(max(point.came or 0, point.high or 0) for point in points)
    step = charts.scale_step(most)
    top = max(step, -(-most // step) * step)

    def place(day: int, value: int) -> tuple[int, int]:
        return (day - first) * _WHOLE // max(1, last - first), _WHOLE - value * _WHOLE // top

    came = [place(one.day, one.came) for one in points if one.came is not None]
    today = [one for one in points if one.came is not None][-1:]
    start = [place(one.day, one.came) for one in today if one.came is not None]
    ahead = [one for one in points if one.came is None]
    line = start + [place(one.day, one.expected or 0) for one in ahead]
    lows, highs = (
        [*start, *(place(one.day, getattr(one, edge)) for one in ahead)] for edge in ("low", "high")
    )
    shapes = (
        _shape("came", [*came, (came[-1][0], _WHOLE), (came[0][0], _WHOLE)]) if len(came) > 1 else "",
        _shape("band", [*highs, *reversed(lows)]) if ahead else "",
        _shape("line", [*line, *((x, y + _LINE) for x, y in reversed(line))]) if ahead else "",
    )
    lines = "".join(
        f'<span style="bottom:{at * 100 // top}%">{unit}{number(at)}</span>' for at in range(0, top + 1, step)
    )
    days = [points[0], *today, points[-1]]
    return (
        f'<div class="pd-fan" role="img" aria-label="{html.escape(alt)}">'
        f'<div class="pd-scale" aria-hidden="true">{lines}</div>'
        f'<div class="pd-shapes" aria-hidden="true">{"".join(shapes)}</div>'
        f'<div class="pd-days" aria-hidden="true">{_days(days, first, last)}</div></div>'
        f'<ul class="pd-legend">{_key("came", "came so far")}{_key("line", "expected")}'
        f"{_key('band', 'in 8 of 10 cases')}</ul>"
    )


def _shape(look: str, edge: Sequence[tuple[int, int]]) -> str:
    cut = ",".join(f"{_percent(x)} {_percent(y)}" for x, y in edge)
    return f'<span class="{look}" style="clip-path:polygon({cut})"></span>'


def _percent(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02d}%"


def _days(days: Sequence[Point], first: int, last: int) -> str:
    """The first and the last; and today, where it does not run into them."""
    drawn = []
    for nth, one in enumerate(days):
        left = (one.day - first) * 100 // max(1, last - first)
        if 0 < nth < len(days) - 1 and not 15 < left < 85:
            continue
        drawn.append(f'<span style="left:{left}%">{html.escape(one.told)}</span>')
    return "".join(drawn)


def _key(look: str, word: str) -> str:
    return f'<li><span class="pd-key {look}" aria-hidden="true"></span>{word}</li>'
