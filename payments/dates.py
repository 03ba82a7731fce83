"""The business day: Africa/Johannesburg, which has no summer time, and South Africa's public holidays."""

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo

SAST = ZoneInfo("Africa/Johannesburg")


@dataclass(frozen=True)
class Span:
    """Moments from ``start`` up to, not including, ``end``."""

    start: datetime
    end: datetime


def business_day(moment: datetime) -> date:
    """The day a moment belongs to, as people here count days."""
    return moment.astimezone(SAST).date()


def day_span(first: date, last: date | None = None) -> Span:
    """The span of a business day, or of all days from ``first`` to ``last``, both included."""
    start = datetime.combine(first, time(), SAST)
    end = datetime.combine((last or first) + timedelta(days=1), time(), SAST)
    return Span(start.astimezone(UTC), end.astimezone(UTC))


def day_in(text: str) -> date | None:
    """The day that a part of an address names; None where it names none, or one at the end of all days, which
    has no day beside it."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return None
    return day if date.min.year < day.year < date.max.year else None


def is_bank_day(day: date) -> bool:
    """Banks and payouts work: not a weekend, not a public holiday."""
    return day.weekday() < 5 and day not in _holidays()


def next_bank_day(day: date, steps: int = 1) -> date:
    """The ``steps``-th bank day after ``day``."""
    while steps:
        day += timedelta(days=1)
        steps -= is_bank_day(day)
    return day


def say_moment(moment: datetime, *, now: datetime | None = None, brief: bool = False) -> str:
    """``23 Nov 2026, 14:02``; with ``now``, ``today 14:02`` and ``yesterday 14:02`` where they fit; ``brief``
    leaves out a year that is this one."""
    local = moment.astimezone(SAST)
    if now is not None:
        days_ago = (business_day(now) - local.date()).days
        if days_ago in (0, 1):
            return f"{('today', 'yesterday')[days_ago]} {local:%H:%M}"
        if brief and local.year == business_day(now).year:
            return f"{local.day} {local:%b, %H:%M}"
    return f"{local.day} {local:%b %Y, %H:%M}"


def say_days(first: date, last: date) -> str:
    """``12–14 Mar 2026``, ``30 Nov – 2 Dec 2026``, ``12 Mar 2026``."""
    if first == last:
        return f"{first.day} {first:%b %Y}"
    if (first.year, first.month) == (last.year, last.month):
        return f"{first.day}–{last.day} {last:%b %Y}"
    year = f" {first.year}" if first.year != last.year else ""
    return f"{first.day} {first:%b}{year} – {last.day} {last:%b %Y}"


def say_age(age: timedelta) -> str:
    """``just now``, ``4 min``, ``3 h``, ``2 days``."""
    seconds = int(age.total_seconds())
    if seconds < 60:
        return "just now"
    if seconds < 3600:
        return f"{seconds // 60} min"
    if seconds < 86400:
        return f"{seconds // 3600} h"
    days = seconds // 86400
    return f"{days} day" if days == 1 else f"{days} days"


def lately(asked_at: datetime | None, *, now: datetime) -> bool:
    """The gateway was asked within the last minute: often enough for whatever hurries us.

    By a clock that was set back since, it was asked in a time to come: that is not lately.
    """
    return asked_at is not None and abs(now - asked_at) < timedelta(minutes=1)


@cache
def _holidays() -> Container[date]:
    import holidays  # a fifth of a second, which most commands and pages never need

    return holidays.country_holidays("ZA")
