"""Is this unusual? How long the gateway is usually silent at this hour, and how often attempts usually fail.

Pure arithmetic: moments and counts go in, chances come out.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from math import comb, exp

#: Of a hook that works, at most one message in so many is lost or late.
LOST_OF = 20
#: Silence and untold payments together are an alarm when they come about by chance less than once in so
#: many payments: about as many as two months of event days see.
ONCE_IN = 50_000
#: How far back the usual is learned from.
WEEKS, DAYS = 4, 3
#: Attempts that a judgement of the success rate needs, now and before.
FEWEST_ATTEMPTS, FEWEST_BEFORE = 30, 100
#: More failures than by chance: the rate is looked at each minute, so one in a hundred would be too many.
BY_CHANCE = Fraction(3, 1000)
_HOUR = timedelta(hours=1)


def usual(counts: Mapping[datetime, int], hour: datetime) -> float:
    """Messages expected in the hour that starts at ``hour``; ``counts`` are those of the hours before.

    The mean of the same hour on this weekday of the last weeks or, at an event, which runs on days and
    not on weeks, of the last days: whichever was busier.
    """
    first = min(counts, default=hour)
    by_week = _mean(counts, [hour - nth * timedelta(weeks=1) for nth in range(1, WEEKS + 1)], first)
    by_day = _mean(counts, [hour - nth * timedelta(days=1) for nth in range(1, DAYS + 1)], first)
    return max(by_week, by_day)


def _mean(counts: Mapping[datetime, int], hours: Sequence[datetime], first: datetime) -> float:
    known = [counts.get(hour, 0) for hour in hours if hour >= first]
    return sum(known) / len(known) if known else 0.0


def chance_of_silence(counts: Mapping[datetime, int], since: datetime, *, now: datetime) -> float:
    """How probable it is that nothing came since then, if messages come by themselves as usual."""
    return exp(-sum(usual(counts, hour) * share for hour, share in _hours(since, now)))


def _hours(start: datetime, end: datetime) -> Iterator[tuple[datetime, float]]:
    """The hours between two moments, the last two days of them, each with how much of it lies between."""
    start = max(start, end - timedelta(days=2))
    hour = start.replace(minute=0, second=0, microsecond=0)
    while hour < end:
        yield hour, (min(end, hour + _HOUR) - max(start, hour)) / _HOUR
        hour += _HOUR


def is_silent(counts: Mapping[datetime, int], since: datetime, untold: int, *, now: datetime) -> bool:
    """The hook has gone silent: payments were found that nobody told us of, and the silence is unusual.

    Quiet hours alone are no alarm, and neither is a lost message. With one payment untold the silence must
    be a chance of 1 in 2,500, with two of 1 in 125; four in a row speak for themselves at any hour.
    """
    return untold > 0 and chance_of_silence(counts, since, now=now) * ONCE_IN < LOST_OF**untold


def chance_of_failures(failures: int, attempts: int, failed_before: int, before: int) -> Fraction:
    """Exactly how probable so many failures or more are, if attempts fail as often as before.

    One failure more than there was is counted before, so that "never yet" is not "never".
    """
    a, b = failed_before + 1, before + 2
    ways = sum(comb(attempts, n) * a**n * (b - a) ** (attempts - n) for n in range(failures, attempts + 1))
    return Fraction(ways, b**attempts)


def has_dropped(failed: Sequence[bool], failed_before: int, before: int) -> int | None:
    """How many of the newest attempts (newest first; True failed) show that payments fail more often.

    None when nothing does. The newest 30, 60, 120 … are looked at, so that a sudden drop is not hidden
    by the good hour before it.
    """
    if before < FEWEST_BEFORE:
        return None
    size = FEWEST_ATTEMPTS
    while size <= len(failed):
        if chance_of_failures(sum(failed[:size]), size, failed_before, before) < BY_CHANCE:
            return size
        size *= 2
    return None
