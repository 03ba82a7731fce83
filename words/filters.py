"""The filter bar's words, which stand in the URL as well: what a filter asks for, in plain English."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, timedelta

import words
from db.money import Money
from payments import dates
from payments.finding import filters, when
from payments.finding.conditions import TAKEN
from payments.finding.search import Filter, Less
from payments.lifecycle import Method, Status
from payments.live.funnel import STATUSES, Outcome
from payments.live.overview import AttentionItem
from payments.live.stages import Stage

#: Groups of statuses, as people at a desk speak of them.
GROUPS: Mapping[str, tuple[Status, ...]] = {
    words.OUTCOME[outcome].word: statuses for outcome, statuses in STATUSES.items()
}
#: A group as a condition tells it, where its name is also that of one status in it.
_GROUP_TOLD = {words.OUTCOME[Outcome.WAITING].word: "Waiting for money"}
#: Days that move, as the bar offers them.
PRESETS = ("Today", "Yesterday", "7 days", "30 days")
#: What needs a person, and the field of Filter that finds it.
TROUBLES: Mapping[str, str] = {
    "Needs a decision": "attention",
    "Does not fit": "review_only",
    "Outcome unknown": "outcome_unknown",
    "Mail failed": "mail_failed",
}


def trouble_query(item: AttentionItem) -> dict[str, str]:
    """The part of a page's URL that shows what needs a person."""
    if item.view is not None:
        return {"show": words.VIEW[item.view][0]}
    if item.reason is not None:
        return {"reason": words.CASE[item.reason][0]}
    return filters.page_query(item.filter) if item.page == "payments" and item.filter else {}


def condition(one: Filter, events: Mapping[str, str] = {}) -> str:
    """One condition of a filter, as a few words; events by their names, where those are known."""
    if one.text or one.without:
        return f"Not “{one.without[0]}”" if one.without else f"“{one.text}”"
    if one.amount_from or one.amount_to:
        return _amounts(one.amount_from, one.amount_to)
    for name in filters.DAYS:
        if (span := getattr(one, name)) is not None:
            return f"{name.title()} {days_told(span)}"
    if one.taken:
        return "Has money" if one.taken == TAKEN else f"Money by {_listed_ways(one.taken)}"
    for word, flag in TROUBLES.items():
        if getattr(one, flag):
            return word
    return f"Mode: {one.mode}" if one.mode else _values(one, events)


def less(less: Less, events: Mapping[str, str] = {}) -> str:
    """``Without Method: Cash``, ``Only “naledi”``: what is left of a filter."""
    words = filters.words_part(less.left)
    if len(less.dropped) > 1 and replace(less.left, as_of=None) == words:
        return f"Only {', '.join(condition(one, events) for one in filters.conditions(words))}"
    return f"Without {' and '.join(condition(one, events) for one in less.dropped)}"


def _amounts(least: Money | None, most: Money | None) -> str:
    if least is None or least == most:
        return f"Exactly {most}" if least else f"Up to {most}"
    if least.minor % 100 == 1:  # as it was typed: > and a whole amount
        return f"More than {Money(least.minor - 1, least.currency)}"
    return f"From {least}"


def _listed_ways(kinds: Iterable[str]) -> str:
    return ", ".join(words.METHOD[Method(kind)] for kind in kinds)


_FIELD = {
    "statuses": "Status",
    "methods": "Method",
    "events": "Event",
    "categories": "Category",
    "organisers": "Asked for by",
    "stages": "Came to",
    "failures": "Failed for",
    "origins": "Comes from",
    "quoted": "Quoted in",
}


def _values(one: Filter, events: Mapping[str, str]) -> str:
    if groups := _groups(one.statuses):
        return ", ".join(groups)
    for minus in ("", "not_"):
        for field, title in _FIELD.items():
            if values := getattr(one, f"{minus}{field}"):
                known = events if field == "events" else {}
                told = ", ".join(known.get(value) or _value(field, value) for value in values)
                return f"{'Not ' if minus else ''}{title.lower() if minus else title}: {told}"
    return "Everything"


def _groups(statuses: Iterable[Status]) -> list[str]:
    """The groups that are exactly these, of more than one status each, by name."""
    left, found = set(statuses), []
    for name, group in GROUPS.items():
        if len(group) > 1 and set(group) <= left:
            left -= set(group)
            found.append(_GROUP_TOLD.get(name, name))
    return [] if left else found


def _value(field: str, value: str) -> str:
    if field == "statuses":
        return words.STATUS[Status(value)].word
    if field == "stages":
        return words.STAGE[Stage(value)][0]
    if field == "failures":
        return words.failure(value)[0]
    if field == "origins":
        return words.ORIGIN[value]
    return words.method_word(value) if field == "methods" else value


def value_of(field: str, value: str) -> str:
    """``Status: Waived``: one value of a field of Filter."""
    bare = field.removeprefix("not_")
    return f"{_FIELD[bare]}: {_value(bare, value)}"


def days_told(span: dates.Span) -> str:
    """``last week``, ``the last 7 days``, ``12–14 Mar 2026``; moments where it is no whole days."""
    if isinstance(span, when.Moving):
        several, _, days = span.word.partition("-")
        return f"the last {several} {days}" if several.isdigit() else span.word.replace("-", " ")
    return _stand_told(span)


def days_kept(wanted: Filter) -> list[str]:
    """Of the days that are asked for: whether another day changes them, and which they are."""
    asked = ((name, getattr(wanted, name)) for name in filters.DAYS)
    return [
        f"{name.title()} {days_told(span)} moves with the day: now it is {_stand_told(span)}."
        if isinstance(span, when.Moving)
        else f"{name.title()} {days_told(span)} stays these days."
        for name, span in asked
        if span is not None
    ]


def _stand_told(span: dates.Span) -> str:
    first, last = dates.business_day(span.start), dates.business_day(span.end - timedelta(microseconds=1))
    if dates.day_span(first, last) != when.still(span):
        return f"{dates.say_moment(span.start)} – {dates.say_moment(span.end)}"
    if when.is_open(first):
        return f"up to {dates.say_days(last, last)}"
    return f"since {dates.say_days(first, first)}" if when.is_open(last) else dates.say_days(first, last)


def days_of(preset: str, today: date) -> dates.Span:
    """The days of one of ``PRESETS``."""
    return when.moving(preset.lower().replace(" ", "-"), today)
