"""A date as banks write it, and the order of day and month in a whole file.

``03/04/2026`` alone says nothing. One ``13/04/2026`` anywhere proves that the file puts the day first; where
no row proves anything, nobody guesses: the person is asked.
"""

import re
from collections.abc import Iterable
from datetime import date

from payments.errors import quoted

#: The orders a person or a mapping can state.
ORDERS = ("dmy", "mdy", "ymd")
#: No bank line is older than this or as young; a 1905 is a serial number of Excel, read wrongly.
_FIRST_YEAR, _LAST_YEAR = 1990, 2099
_LONGEST_YEARS = 5

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "jan january januarie", "feb february februarie", "mar march mrt maart", "apr april",
            "may mei", "jun june junie", "jul july julie", "aug august augustus",
            "sep sept september", "oct october okt oktober", "nov november",
            "dec december des desember",
        ),
        1,
    )
    for name in names.split()
}  # fmt: skip

_TIME = r"(?:[T ]+[0-9]{1,2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?(?:Z| ?[-+][0-9]{2}:?[0-9]{2})?)?"
_YEAR_FIRST = re.compile(rf"([0-9]{{4}})([-/. ])([0-9]{{1,2}})\2([0-9]{{1,2}}){_TIME}", re.ASCII)
_COMPACT = re.compile(rf"([0-9]{{4}})([0-9]{{2}})([0-9]{{2}}){_TIME}", re.ASCII)
_WORDED = re.compile(
    rf"([0-9]{{1,2}})[-/. ]?([A-Za-z]{{3,10}})\.?[-/. ]?([0-9]{{4}}|[0-9]{{2}}){_TIME}", re.ASCII
)
_NUMBERS = re.compile(rf"([0-9]{{1,2}})([-/. ])([0-9]{{1,2}})\2([0-9]{{4}}|[0-9]{{2}}){_TIME}", re.ASCII)
_DAY_AND_MONTH = re.compile(r"([0-9]{1,2})[-/. ]?([A-Za-z]{3,10})\.?", re.ASCII)


class OrderUnknown(Exception):
    """Which number is the day cannot be told from the file; ``row`` and ``text`` show it."""

    def __init__(self, row: int, text: str, reason: str) -> None:
        super().__init__(reason)
        self.row, self.text, self.reason = row, text, reason


def order_of(dates: Iterable[tuple[int, str]]) -> str:
    """The one order that rows of the file prove. Raises ``OrderUnknown``.

    ``dates`` are the rows and texts of a whole file; those that cannot be read at all prove nothing.
    """
    proved: dict[str, tuple[int, str]] = {}
    doubtful: tuple[int, str] | None = None
    said = [(row, text, readings) for row, text in dates if (readings := _readings(text))]
    unlikely = _too_long([readings for _, _, readings in said])
    for row, text, all_readings in said:
        readings = {order: day for order, day in all_readings.items() if order not in unlikely}
        if len(readings) == 1:
            proved.setdefault(next(iter(readings)), (row, text))
        elif len(set(readings.values())) > 1:
            doubtful = doubtful or (row, text)
    if len(proved) > 1:
        (first_row, first), (row, text) = sorted(proved.values())[:2]
        raise OrderUnknown(row, text, f"{text} and {first} in row {first_row} put day and month differently")
    if proved:
        return next(iter(proved))
    if doubtful:
        day, month = _both_ways(doubtful[1])
        raise OrderUnknown(
            *doubtful, f"{doubtful[1]} can be {day} or {month}, and no row of the file proves which"
        )
    return "dmy"


def _too_long(said: list[dict[str, date]]) -> set[str]:
    """Orders by which a file would span more years than a statement does, when another has it span few.

    Only years of two digits leave this open: 02/03/26 to 31/03/26 is a month, or 29 years.
    """
    spans = {}
    for order in ORDERS:
        found = [readings[order] for readings in said if "ymd" in readings and order in readings]
        spans[order] = max(found).year - min(found).year if found else 0
    long = {order for order, years in spans.items() if years > _LONGEST_YEARS}
    return long if len(long) < len(ORDERS) else set()


def read(text: str, order: str | None = None) -> date:
    """The date a text means; ``order`` is for numbers alone. Raises ``ValueError``."""
    plain = text.strip()
    if match := _YEAR_FIRST.fullmatch(plain):
        return _date(match[1], match[3], match[4])
    if match := _COMPACT.fullmatch(plain):
        try:
            return _date(*match.groups())
        except ValueError:
            digits = "".join(match.groups())
            return _ordered(digits[:2], digits[2:4], digits[4:], order)
    if match := _WORDED.fullmatch(plain):
        return _date(match[3], _month(match[2]), match[1])
    if match := _NUMBERS.fullmatch(plain):
        return _ordered(match[1], match[3], match[4], order)
    raise ValueError(f"{quoted(text)} is not a date")


def read_within(text: str, first: date, last: date) -> date:
    """A day and month without a year (``13 Aug``), which must lie in a period. Raises ``ValueError``."""
    match = _DAY_AND_MONTH.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{quoted(text)} is not a day and a month")
    found = []
    for year in range(first.year, last.year + 1):
        try:
            found.append(date(year, int(_month(match[2])), int(match[1])))
        except ValueError:
            continue  # 29 February: the other year may have it
    within = [day for day in found if first <= day <= last]
    if len(within) != 1:
        raise ValueError(f"{quoted(text)} is not one day between {first} and {last}")
    return within[0]


def looks_like(text: str) -> bool:
    """Is this a date at all, whatever the order of its numbers?"""
    return bool(_readings(text)) or _is_clear(text)


def _is_clear(text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _readings(text: str) -> dict[str, date]:
    """What numbers alone can mean, by order; nothing for a date that needs no order."""
    match = _NUMBERS.fullmatch(text.strip())
    if not match:
        return {}
    orders = ("dmy", "mdy") if len(match[4]) == 4 else ORDERS
    found = {}
    for order in orders:
        try:
            found[order] = _ordered(match[1], match[3], match[4], order)
        except ValueError:
            continue
    return found


def _both_ways(text: str) -> tuple[str, str]:
    first, second = sorted(set(_readings(text).values()))[:2]
    return f"{second.day} {second:%B %Y}", f"{first.day} {first:%B %Y}"


def _ordered(first: str, second: str, third: str, order: str | None) -> date:
    if order == "dmy":
        return _date(third, second, first)
    if order == "mdy":
        return _date(third, first, second)
    if order == "ymd" and len(third) == 2:
        return _date(first, second, third)
    raise ValueError(f"the order of day and month in {first}/{second}/{third} is not known")


def _month(word: str) -> str:
    if (number := _MONTHS.get(word.lower())) is None:
        raise ValueError(f"{quoted(word)} is not a month")
    return str(number)


def _date(year: str, month: str, day: str) -> date:
    number = int(year) + (2000 if len(year) == 2 else 0)
    if not _FIRST_YEAR <= number <= _LAST_YEAR:
        raise ValueError(f"the year {number} is out of range")
    return date(number, int(month), int(day))
