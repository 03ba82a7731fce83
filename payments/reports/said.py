"""The cells of a report as people read them, on the screen and on paper."""

from datetime import date

from db.money import NBSP, Money
from payments.dates import say_days
from payments.reports.report import Cell, Column, Holds, Value

NOTHING = "–"


def said(cell: Cell, column: Column) -> str:
    return value(cell.value, column.holds)


def value(one: Value, holds: Holds) -> str:
    """``R1 500.00``, ``1 500``, ``23 Nov 2026``, ``97.3 %``, ``2 h 5 min``; what is not known is a dash."""
    if one is None:
        return NOTHING
    if isinstance(one, (Money, str)):
        return str(one)
    if isinstance(one, date):
        return say_days(one, one)
    if holds is Holds.PERCENT:
        return f"{one // 100}.{one % 100:02d}{NBSP}%"
    return _time(one) if holds is Holds.MINUTES else number(one)


def number(one: int) -> str:
    return f"{one:,}".replace(",", NBSP).replace("-", "−")


def _time(minutes: int) -> str:
    hours, left = divmod(minutes, 60)
    days, rest = divmod(hours, 24)
    if days:
        return f"{days}{NBSP}d {rest}{NBSP}h" if rest else f"{days}{NBSP}d"
    return f"{hours}{NBSP}h {left}{NBSP}min" if hours else f"{left}{NBSP}min"
