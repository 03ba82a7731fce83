"""The days a report is about, and which day of a payment's life makes it one of them."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from payments.dates import Span, business_day, day_span, say_days, say_moment
from payments.errors import InvalidInput
from payments.finding import grammar, when


class Basis(StrEnum):
    """Created, paid and event: a payment counts once, with all its money, on its own day. Captured, settled
    and banked: each piece of money counts on the day it moved."""

    CREATED = "created"
    PAID = "paid"
    CAPTURED = "captured"
    SETTLED = "settled"
    BANKED = "banked"
    EVENT = "event"


#: Those by which a payment counts once, whatever moved when.
OF_PAYMENTS = (Basis.CREATED, Basis.PAID, Basis.EVENT)
#: Days offered beside free ones, in the words of the search.
PRESETS = (
    "today", "yesterday", "this-week", "last-week", "this-month", "last-month", "this-year", "last-year",
)  # fmt: skip
_LONGEST = timedelta(days=3_660)


@dataclass(frozen=True)
class Period:
    """Business days from ``first`` to ``last``, both included."""

    first: date
    last: date

    @property
    def span(self) -> Span:
        return day_span(self.first, self.last)

    @property
    def before(self) -> "Period":
        """As many days just before; of whole months, as many whole months."""
        months = _whole_months(self)
        last = self.first - timedelta(days=1)
        if not months:
            return Period(self.first - (self.last - self.first) - timedelta(days=1), last)
        year, month = divmod(self.first.year * 12 + self.first.month - 1 - months, 12)
        return Period(date(year, month + 1, 1), last)

    @property
    def told(self) -> str:
        return say_days(self.first, self.last)

    @property
    def bounds(self) -> str:
        """To the moment: what is not within them is not counted."""
        start, end = (say_moment(moment) for moment in (self.span.start, self.span.end))
        return f"from {start}, before {end}, SAST (UTC+02:00)"

    @property
    def word(self) -> str:
        """As ``read`` takes it."""
        return when.span_words(self.span)


def read(word: str, today: date) -> Period:
    """The days of a preset or of free words: ``last-month``, ``2026-11``, ``2026-11-01..2026-11-23``.

    Raises InvalidInput, also for more than ten years.
    """
    span = grammar.read(f"created:{word}", today).created
    if span is None or " " in word:
        raise InvalidInput("Choose the days of the report.")
    first, last = business_day(span.start), business_day(span.end - timedelta(microseconds=1))
    if day_span(first, last) != when.still(span) or last - first > _LONGEST:
        raise InvalidInput("A report is about whole days, ten years at most. Choose the first and the last.")
    return Period(first, last)


def _whole_months(period: Period) -> int:
    """How many; 0 when a month is not whole."""
    after = period.last + timedelta(days=1)
    if period.first.day != 1 or after.day != 1:
        return 0
    return (after.year - period.first.year) * 12 + after.month - period.first.month
