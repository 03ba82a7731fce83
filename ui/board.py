"""The live page as HTML, drawn once for a version of the desk and for everybody who may see the same of it.

The page draws it for whoever comes (``pages/monitor/live.py``); pages that are open already ask ``pulse.py``
for what changed. Every number leads to the payments that it counts.
"""

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from threading import Lock
from typing import Any

import bootstrap
import words
from payments import dates
from payments.access.people import Action, Person
from payments.lifecycle import Method, Status
from payments.live import overview
from payments.live.figures import Figure
from payments.live.funnel import Outcome
from payments.live.overview import AttentionItem, Live
from payments.live.split import By, Part, split
from payments.live.takings import Compared
from payments.watching import vitals
from payments.watching.alerts import AlertView, Severity
from ui import charts, pieces
from ui.payments_list import listing
from words import filters as filter_words

#: Pages that numbers lead to, by their addresses, and the action that opens each.
WAYS = {
    "payments": Action.SEE,
    "attention": Action.SEE,
    "inbox": Action.SEE_INBOX,
    "settings": Action.MANAGE_SETTINGS,
}
#: The looks of charts, which stand in the style sheet.
LOOKS = {
    Outcome.PAID: "paid", Outcome.WAITING: "waiting", Outcome.FAILED: "failed", Outcome.CLOSED: "closed",
    Outcome.RETURNED: "returned",
}  # fmt: skip

#: So often at most it is looked whether what a scope shows has changed, however many pages are open: when
#: the database told that something did, or a minute began, or where it tells nothing.
RENEWED = timedelta(milliseconds=700)
MINUTE = "%Y%m%d%H%M"
NEWEST_SHOWN = 10
SCOPES_KEPT = 64


@dataclass(frozen=True)
class Board:
    """``key`` is another one whenever anything here may be. ``parts`` are HTML by the names of their places;
    ``place_of`` names that of the funnel. ``paid`` is the payment that turned paid last: its reference, and
    the news of it."""

    key: str
    parts: Mapping[str, str]
    newest: Mapping[str, Any]
    paid: tuple[str, str]

    @cached_property
    def packed(self) -> bytes:
        """All of it as compressed JSON, made once for everybody who fetches it."""
        told = {"key": self.key, "parts": self.parts, "newest": self.newest, "paid": self.paid}
        return gzip.compress(json.dumps(told, separators=(",", ":")).encode(), 5, mtime=0)


def place_of(by: By | None) -> str:
    """Where how far payers came is drawn: the browser asks for the one that it has."""
    return f"reached_{by}" if by else "reached"


def current(person: Person, by: By | None = None) -> Board:
    """What this person may see now. ``by``: how far payers came is told apart, for who chose so."""
    app = bootstrap.app()
    ways = frozenset(name for name, action in WAYS.items() if person.may(action))
    return _shared(app.sessions, app.settings.mode, person.events).board(ways, by, app.now())


@lru_cache(SCOPES_KEPT)
def _shared(_database: object, _mode: str, scope: frozenset[int] | None) -> "_Shared":
    return _Shared(scope)


def forget() -> None:
    """Draw everything anew."""
    _shared.cache_clear()


class _Shared:
    """What everybody shares who sees the same events. Whoever asks first reads; the others wait for that."""

    def __init__(self, scope: frozenset[int] | None) -> None:
        self._scope = scope
        self._lock = Lock()
        self._looked: datetime | None = None
        self._heard: int | None = None  # what had been told when it was looked
        self._key = ""
        self._live: Live
        self._troubles: str
        #: By the pages that whoever looks may open, and by what they had the funnel split.
        self._boards: dict[tuple[frozenset[str], By | None], Board] = {}

    def board(self, ways: frozenset[str], by: By | None, now: datetime) -> Board:
        with self._lock:
            if self._may_have_changed(now):
                self._look(now)
            if (ways, by) not in self._boards:
                seen = zlib.crc32(repr((self._scope and sorted(self._scope), sorted(ways), by)).encode())
                reached = self._reached(by, now)
                drawn = _draw(f"{self._key}.{seen}", self._live, self._troubles, ways)
                self._boards[ways, by] = replace(drawn, parts={**drawn.parts, place_of(by): reached})
            return self._boards[ways, by]

    def _reached(self, by: By | None, now: datetime) -> str:
        """How far payers came. Apart it is read now: what came since the look is told by the next one."""
        if by is None:
            return how_far(self._live)
        with bootstrap.app().sessions.read() as session:
            return how_far_by(by, split(session, self._scope, by, now=now))

    def _may_have_changed(self, now: datetime) -> bool:
        if self._looked is None:
            return True
        if timedelta(0) <= now - self._looked < RENEWED:
            return False
        heard = bootstrap.app().changes.heard()
        return heard is None or heard != self._heard or f"{now:{MINUTE}}" != f"{self._looked:{MINUTE}}"

    def _look(self, now: datetime) -> None:
        """Read anew what changed. A new minute is a change too: the worker may be silent by now."""
        heard = bootstrap.app().changes.heard()  # first: what is told while we read has us look again
        with bootstrap.app().sessions.read() as session:
            key = f"{overview.version(session, self._scope)}.{now:{MINUTE}}"
            if key != self._key:
                self._live = overview.live(session, self._scope, now=now)
                self._troubles = troubles(vitals.troubles(session, now=now), now)
                self._key = key
                self._boards.clear()
        self._looked, self._heard = now, heard


def _draw(key: str, live: Live, told: str, ways: frozenset[str]) -> Board:
    parts = {
        "troubles": told,
        "headline": charts.metrics(numbers(live)),
        "day": charts.block("Paid per hour", per_hour(live)),
        "hours": hours_table(live),
        "outcomes": charts.block("Today's payments, by how they stand now", outcomes(live), OUTCOMES_TOLD),
        "person": charts.block("Needs a person", needs_a_person(live, ways)),
        "aside": charts.block("Why payments failed today", failures(live))
        + charts.block("Paid today by method", by_method(live))
        + charts.block("Paid today by event", by_event(live))
        + charts.block("Where payments stand", by_status(live)),
    }
    return Board(key, parts, newest(live), paid_last(live))


def troubles(alerts: Iterable[AlertView], now: datetime) -> str:
    """What is wrong, since when, and what still works; a snoozed alert is quiet, and alerts that say the same
    are one, since the oldest."""
    awake: dict[str, AlertView] = {}
    for one in alerts:
        if one.snoozed_until is None or one.snoozed_until <= now:
            awake.setdefault(one.on_a_page, one)
    return "".join(
        pieces.trouble_block(
            sentence,
            (f"Since {pieces.moment(alert.since)}. " if alert.since else "") + alert.still_works,
            bad=alert.severity is Severity.BAD,
        )
        for sentence, alert in awake.items()
    )


def newest(live: Live) -> dict[str, Any]:
    return listing(
        live.newest[:NEWEST_SHOWN],
        label="Newest payments",
        without=("method", "reference", "event"),
        bare=True,
        empty="No payments yet. The first one shows here by itself.",
    )


def paid_last(live: Live) -> tuple[str, str]:
    paid = [row for row in live.newest if row.status is Status.PAID]
    last = max(paid, key=lambda row: row.paid_at or row.created_at, default=None)
    return (last.reference, f"Paid: {last.amount} by {last.payer_name}.") if last else ("", "")


# -- numbers ----------------------------------------------------------------------------------------


def numbers(live: Live) -> list[charts.Metric]:
    paid, before = live.takings.today, live.takings.before
    failed = live.by_status[Status.FAILED]
    gain = paid.rand.minor - before.rand.minor
    return [
        charts.Metric(
            "Paid today",
            "payments",
            words.sums(paid.sums),
            paid,
            share_of(gain, before.rand.minor),
            gain > 0 if gain else None,
            words.count(paid.count, "payment", "payments") + f". {until_told(live)}:",
            (words.sums(before.sums), before),
        ),
        charts.Metric(
            "Made today",
            "receipt_long",
            words.number(live.made.all.count),
            live.made.all,
            note=f"{words.sums(live.made.all.sums)} asked",
        ),
        charts.Metric(
            "Waiting now",
            "schedule",
            words.number(live.waiting.count),
            live.waiting,
            note=f"{words.sums(live.waiting.sums)} asked",
        ),
        charts.Metric(
            "Failed now",
            "error",
            words.number(failed.count),
            failed,
            note=f"{words.sums(failed.sums)} asked, can still be paid",
        ),
    ]


def until_told(live: Live) -> str:
    """The day compared with, up to the end of the hour it is now."""
    until = (live.takings.until - timedelta(seconds=1)).astimezone(dates.SAST)
    return f"{compared_word(live.takings.compared)} by {until.hour + 1:02d}:00"


def compared_word(compared: Compared) -> str:
    if compared.event is None:
        return "Yesterday"
    return (
        f"Last event, day {compared.nth}" if compared.nth > 0 else f"Last event, {-compared.nth} days before"
    )


def compared_told(compared: Compared) -> str:
    """Which day it is, in a sentence."""
    day = f"{compared.day:%A} {dates.say_days(compared.day, compared.day)}"
    if compared.event is None:
        return f"Compared with yesterday, {day}: no earlier event has such a day here."
    if compared.nth > 0:
        return f"Compared with day {compared.nth} of {compared.event}, {day}: everything paid on that day."
    before = words.count(-compared.nth, "day", "days")
    return f"Compared with {before} before {compared.event}, the same weekday, {day}: all that was paid then."


#: A gain above this is told in times.
_MOST_PERCENT = 999


def share_of(gain: int, before: int) -> str:
    """The gain in whole percent of what was before, or how many times that it is now, where percents say
    little; nothing where there is nothing to compare with."""
    if not before:
        return ""
    percent = (abs(gain) * 100 + before // 2) // before
    if percent > _MOST_PERCENT:
        return f"{(before + gain + before // 2) // before}\u00a0times"
    return f"{'−' if gain < 0 else '+'}{percent}\u00a0%"


# -- charts -----------------------------------------------------------------------------------------


def per_hour(live: Live) -> str:
    takings = live.takings
    word = compared_word(takings.compared)
    told = f"Paid per hour. Today {words.sums(takings.today.sums)} so far; {until_told(live)}: "
    told += f"{words.sums(takings.before.sums)}."
    best = max(takings.per_hour, key=lambda hour: hour.today.rand.minor)
    if best.today.count:
        told += f" The best hour today began at {best.hour_sast}:00 with {words.sums(best.today.sums)}."
    shown = [
        charts.Column(
            f"{hour.hour_sast:02d}:00",
            (
                charts.Bar(word, hour.before, hour.before.rand.minor // 100, "before"),
                charts.Bar("Today", hour.today, hour.today.rand.minor // 100, "today"),
            ),
        )
        for hour in takings.per_hour
    ]
    return (
        charts.legend([("today", "Today", None), ("before", word, None)])
        + charts.columns(shown, told, stacked=False, unit="R")
        + charts.caption_of(compared_told(takings.compared))
    )


def outcomes(live: Live) -> str:
    made = live.made
    told = ", ".join(
        f"{words.number(figure.count)} {words.OUTCOME[outcome].word.lower()}"
        for outcome, figure in made.outcomes.items()
    )
    shown = [
        charts.Column(
            f"{hour.hour_sast:02d}:00",
            tuple(
                charts.Bar(words.OUTCOME[outcome].word, figure, figure.count, LOOKS[outcome])
                for outcome, figure in hour.outcomes.items()
            ),
        )
        for hour in made.per_hour
    ]
    entries = [
        (LOOKS[outcome], words.OUTCOME[outcome].word, figure)
        for outcome, figure in made.outcomes.items()
        if figure.count or outcome in (Outcome.PAID, Outcome.WAITING, Outcome.FAILED)
    ]
    return charts.legend(entries) + charts.columns(
        shown, f"Payments made today, by how they stand now: {told}.", stacked=True
    )


def hours_table(live: Live) -> str:
    heads = ["Hour", "Paid", compared_word(live.takings.compared)]
    heads += [f"Made, now {words.OUTCOME[outcome].word.lower()}" for outcome in Outcome]
    rows = [
        (f"{paid.hour_sast:02d}:00", [paid.today, paid.before, *made.outcomes.values()])
        for paid, made in zip(live.takings.per_hour, live.made.per_hour, strict=True)
    ]
    some = [row for row in rows if any(figure.count for figure in row[1])]
    return charts.table("Today by the hour, times of Johannesburg", heads, some, money=2)


OUTCOMES_TOLD = (
    "Each payment stands in the hour it was made, and changes its colour when it is paid, fails or is closed."
)
STAGES_TOLD = (
    "Of the payments made today. “Page opened” are those whose payer came back from iKhokha's page, or "
    "tried: iKhokha does not tell who opens it and closes it again. “Tried to pay” are those whose attempt "
    "it told."
)


def how_far(live: Live) -> str:
    if not live.made.all.count:
        return charts.nothing("No payment was made today.", "Take one: how far it comes shows here.")
    return charts.funnel(
        (words.STAGE[step.stage][0], step.reached, words.STAGE[step.stage][1], step.stayed)
        for step in live.made.steps
    )


def how_far_by(by: By, parts: Sequence[Part]) -> str:
    """The same, told apart."""
    if not parts:
        return charts.nothing("No payment was made today.", "Take one: how far it comes shows here.")
    heads = [words.SPLIT[by], *(words.STAGE[step.stage][0] for step in parts[0].steps)]
    rows = [
        (
            part_told(by, part),
            [(step.reached, words.STAGE[step.stage][1], step.stayed) for step in part.steps],
        )
        for part in parts
    ]
    return charts.funnels(f"How far payers came today, by {by}", heads, rows)


def part_told(by: By, part: Part) -> str:
    if isinstance(part.key, datetime):
        return f"{part.key.astimezone(dates.SAST):%H:%M}"
    if by is By.METHOD:
        return words.METHOD[Method(part.key)] if part.key else "No money yet"
    return part.key


def failures(live: Live) -> str:
    if not live.made.failures:
        return charts.nothing(
            "None of today's payments stands as failed.", "Reasons show here, with what helps."
        )
    return charts.lines(
        ("error", f"{words.number(figure.count)} · {words.failure(why)[0]}", figure, words.failure(why)[1])
        for why, figure in live.made.failures
    )


def by_method(live: Live) -> str:
    if not live.takings.by_method:
        return charts.nothing("No money yet today.", "It shows here the moment it is confirmed.")
    return charts.bars([(words.method_word(method), figure) for method, figure in live.takings.by_method])


def by_event(live: Live) -> str:
    if not live.takings.by_event:
        return charts.nothing("No money yet today.", "Each event with money shows here.")
    return charts.bars(live.takings.by_event)


def by_status(live: Live) -> str:
    """Each with its count and sum, and a way to the list of just those."""
    present = [(words.STATUS[status], figure) for status, figure in live.by_status.items() if figure.count]
    if not present:
        return charts.nothing("No payments yet.", "Take the first one under Take a payment.")
    return charts.lines(
        (look.icon, f"{words.number(figure.count)} {look.word} · {words.sums(figure.sums)}", figure, "")
        for look, figure in present
    )


def needs_a_person(live: Live, ways: frozenset[str]) -> str:
    if not live.attention:
        return charts.nothing("Nothing needs you.", "What does not fit will be listed here.")
    return charts.lines(("flag", item.sentence, way_to(item, ways), "") for item in live.attention)


def way_to(item: AttentionItem, ways: frozenset[str]) -> Figure | str:
    if item.filter is not None and item.page == "payments":
        return charts.address("payments", filter_words.trouble_query(item))
    return charts.address(item.page, filter_words.trouble_query(item)) if item.page in ways else ""
