"""Days and moments as people write them, and back: ``yesterday``, ``2026-11``, ``2026-11-23T14:05``.

``read_span(span_words(span)) == span`` for every span of the same day, and so for moments.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from payments.dates import SAST, Span, business_day, day_span
from payments.errors import InvalidInput, briefly

#: What stands for one end of a range that has none.
_FIRST_DAY, _LAST_DAY = date(1970, 1, 1), date(2999, 12, 31)
#: What a moment of the last of a day is away from the next day.
_LEAST = timedelta(microseconds=1)
_ZONE = "SAST"
_SEVERAL = re.compile(r"([1-9][0-9]{0,3})-?d(?:ays)?")


@dataclass(frozen=True)
class Moving(Span):
    """Days that a word such as ``last-week`` means on one day: on another one it means others."""

    word: str


def moving(word: str, today: date) -> Moving:
    """The days of a word. Raises ValueError for one that does not move."""
    plain = word.replace("_", "-")
    if several := _SEVERAL.fullmatch(plain):
        plain = f"{several[1]}-days"
    if (days := _preset(plain, today)) is None:
        raise ValueError(word)
    span = day_span(*days)
    return Moving(span.start, span.end, plain)


def on_day(span: Span, today: date) -> Span:
    """What it means on this day."""
    return moving(span.word, today) if isinstance(span, Moving) else span


def still(span: Span) -> Span:
    """The same days, which do not move any more."""
    return Span(span.start, span.end)


def read_span(word: str, key: str, today: date) -> Span:
    """``last-week``, ``2026-11``, ``2026-11-01..2026-11-23`` ``..2026-11-23``, or moments; ``key`` is
    what is asked for so. Raises InvalidInput.
    """
    with suppress(ValueError):
        return moving(word, today)
    left, dots, right = word.partition("..")
    try:
        if "t" in word:
            return Span(_moment(left), _moment(right))
        first = _days(left)[0] if left else _FIRST_DAY
        last = (_days(right)[1] if right else _LAST_DAY) if dots else _days(left)[1]
        if not (left or right) or last < first:
            raise ValueError(word)
        return day_span(first, last)
    except ValueError as error:
        raise InvalidInput(
            f"“{key}:{briefly(word)}” is no time that can be read. Write it like {key}:yesterday, "
            f"{key}:last-week, {key}:30-days, {key}:2026-11, {key}:2026-11-23 or "
            f"{key}:2026-11-01..2026-11-23."
        ) from error


def span_words(span: Span) -> str:
    """``last-week``, ``2026-11-23``, ``2026-11-01..2026-11-23``, ``2026-11-01..``, or moments: by the clock
    here."""
    if isinstance(span, Moving):
        return span.word
    start, end = span.start.astimezone(SAST), span.end.astimezone(SAST)
    first, last = business_day(span.start), business_day(span.end) - timedelta(days=1)
    if last >= first and day_span(first, last) == span:
        if first == last:
            return first.isoformat()
        left = "" if first == _FIRST_DAY else first.isoformat()
        right = "" if last == _LAST_DAY else last.isoformat()
        return f"{left}..{right}"
    return f"{_local(start)}..{_local(end)}"


def is_open(day: date) -> bool:
    """The day stands for an end that a range does not have."""
    return day in (_FIRST_DAY, _LAST_DAY)


def read_moment(word: str, today: date) -> datetime:
    """The end of ``2026-11-23``, ``2026-11`` or ``last-month``, or the moment ``2026-11-23T14:05``.

    Raises InvalidInput.
    """
    plain = word.strip('"').lower()
    if (days := _preset(plain, today)) is not None:
        return _end_of(days[1])
    try:
        return _moment(plain) if "t" in plain else _end_of(_days(plain)[1])
    except ValueError as error:
        raise InvalidInput(
            f"“{briefly(word)}” is no moment that can be read. Write it like as-of:yesterday, "
            "as-of:2026-11-23 for the end of that day, or as-of:2026-11-23T14:05."
        ) from error


def moment_words(moment: datetime) -> str:
    """As ``read_moment`` takes it."""
    day = business_day(moment)
    return day.isoformat() if moment == _end_of(day) else _local(moment.astimezone(SAST))


def _end_of(day: date) -> datetime:
    return day_span(day).end - _LEAST


# -- the words --------------------------------------------------------------------------------------


def _preset(word: str, today: date) -> tuple[date, date] | None:
    monday = today - timedelta(days=today.weekday())
    first = today.replace(day=1)
    before = (first - timedelta(days=1)).replace(day=1)
    days = {
        "today": (today, today),
        "yesterday": (today - timedelta(days=1),) * 2,
        "this-week": (monday, monday + timedelta(days=6)),
        "last-week": (monday - timedelta(days=7), monday - timedelta(days=1)),
        "this-month": _days(f"{today:%Y-%m}"),
        "last-month": _days(f"{before:%Y-%m}"),
        "this-year": _days(f"{today.year:04d}"),
        "last-year": _days(f"{today.year - 1:04d}"),
    }
    if (several := _SEVERAL.fullmatch(word)) is not None:
        return today - timedelta(days=int(several[1]) - 1), today
    return days.get(word.replace("_", "-"))


def _days(word: str) -> tuple[date, date]:
    """The first and last day of ``2026``, ``2026-11`` or ``2026-11-23``."""
    year, _, rest = word.partition("-")
    if not re.fullmatch(r"[0-9]{4}(-[0-9]{2}){0,2}", word):
        raise ValueError(word)
    if not rest:
        return date(int(year), 1, 1), date(int(year), 12, 31)
    if len(rest) == 2:
        first = date(int(year), int(rest), 1)
        return first, (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return (date.fromisoformat(word),) * 2


def _moment(word: str) -> datetime:
    return datetime.fromisoformat(word.removesuffix(_ZONE.lower())).replace(tzinfo=SAST).astimezone(UTC)


def _local(moment: datetime) -> str:
    """As people write it. With seconds a zone follows: two of them in a row could pass for a card number."""
    plain = moment.replace(tzinfo=None).isoformat(timespec="auto").removesuffix(":00")
    return f"{plain}{_ZONE}" if plain.count(":") > 1 else plain
