"""When something falls due: each day, each week or each month at an hour of Johannesburg's clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from typing import Any

from payments.dates import SAST, business_day
from payments.errors import InvalidInput

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
#: In place of a day of the month: its last one.
LAST = 0
#: Every month has this day.
MOST_DAYS = 28
_DAY = timedelta(days=1)
_SATURDAY = 5


class Every(StrEnum):
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


@dataclass(frozen=True)
class Recurrence:
    """``day``: of a week 0 to 6 from Monday, of a month 1 to 28 or ``LAST``. ``hour``: SAST, which has no
    summer time. ``weekdays``: of daily ones there is none at the weekend, a monthly one waits for Monday.

    Raises InvalidInput.
    """

    every: Every
    hour: int
    day: int = 0
    weekdays: bool = False

    def __post_init__(self) -> None:
        days = {Every.DAY: range(1), Every.WEEK: range(7), Every.MONTH: range(MOST_DAYS + 1)}[self.every]
        if self.hour not in range(24) or self.day not in days:
            raise InvalidInput("Choose a day, and an hour from 0 to 23.")
        if self.weekdays and self.every is Every.WEEK and self.day >= _SATURDAY:
            raise InvalidInput("It cannot both be each weekend and skip weekends. Choose another day.")

    @property
    def told(self) -> str:
        """``every Monday at 07:00``, ``on day 3 of each month at 17:00, at a weekend the Monday after``."""
        at = f"at {self.hour:02d}:00"
        if self.every is Every.DAY:
            return f"every day {at}, not at weekends" if self.weekdays else f"every day {at}"
        if self.every is Every.WEEK:
            return f"every {WEEKDAYS[self.day]} {at}"
        which = "the last day" if self.day == LAST else f"day {self.day}"
        moved = ", at a weekend the Monday after" if self.weekdays else ""
        return f"on {which} of each month {at}{moved}"

    def after(self, moment: datetime) -> datetime:
        """The first time later than this moment."""
        day = business_day(moment)
        while not (self._is_on(day) and self._at(day) > moment):
            day += _DAY
        return self._at(day)

    def latest(self, moment: datetime) -> datetime:
        """The last time that is not later than this moment."""
        day = business_day(moment)
        while not (self._is_on(day) and self._at(day) <= moment):
            day -= _DAY
        return self._at(day)

    def meant(self, moment: datetime) -> date:
        """The day that a time is of: of a monthly one that waited for Monday, the day at the weekend."""
        day = business_day(moment)
        if self.every is not Every.MONTH:
            return day
        return next((one for one in _up_to(day) if self._is_of_month(one)), day)

    def _at(self, day: date) -> datetime:
        return datetime.combine(day, time(self.hour), SAST).astimezone(UTC)

    def _is_on(self, day: date) -> bool:
        if self.every is Every.WEEK:
            return day.weekday() == self.day
        if self.weekdays and day.weekday() >= _SATURDAY:
            return False
        if self.every is Every.DAY:
            return True
        return any(map(self._is_of_month, _up_to(day) if self.weekdays else (day,)))

    def _is_of_month(self, day: date) -> bool:
        return (day + _DAY).day == 1 if self.day == LAST else day.day == self.day


def _up_to(day: date) -> tuple[date, ...]:
    """The day, and of a Monday the weekend before it."""
    return (day, day - _DAY, day - 2 * _DAY) if day.weekday() == 0 else (day,)


def to_plain(one: Recurrence) -> dict[str, Any]:
    return {"every": str(one.every), "hour": one.hour, "day": one.day, "weekdays": one.weekdays}


def from_plain(told: Mapping[str, Any]) -> Recurrence:
    return Recurrence(Every(told["every"]), told["hour"], told["day"], told["weekdays"])
