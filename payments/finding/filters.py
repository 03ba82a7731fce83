"""A filter as the query of an address, and back: what the screen shows is what the file will hold."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from datetime import date, datetime

from db.money import NBSP, Money
from payments.dates import Span
from payments.errors import InvalidInput
from payments.finding import grammar, when
from payments.finding.conditions import DAYS, ORIGINS, TAKEN, Filter, minus, words_part
from payments.finding.conditions import parts as conditions
from payments.finding.search import parse
from payments.finding.when import Moving
from payments.lifecycle import Method, Status
from payments.live.stages import Stage
from payments.references import readings
from payments.selling.exchange import FOREIGN

__all__ = [
    "DAYS", "FLAGS", "conditions", "for_others", "from_page", "from_query", "is_public", "minus", "moving",
    "page_query", "private_part", "public_part", "to_query", "words_part",
]  # fmt: skip

_UNREADABLE = (
    "This address asks for something that cannot be read. Open the list again and export from there."
)
#: Fields that are wished or not.
FLAGS = tuple(field.name for field in fields(Filter) if field.type in (bool, "bool"))
#: Fields of several values, by their names in an address.
_SEVERAL = {
    "without": "without",
    "status": "statuses",
    "method": "methods",
    "event": "events",
    "category": "categories",
    "by": "organisers",
    "stage": "stages",
    "failure": "failures",
    "origin": "origins",
    "quoted": "quoted",
    "taken": "taken",
    "not_status": "not_statuses",
    "not_method": "not_methods",
    "not_event": "not_events",
    "not_category": "not_categories",
    "not_by": "not_organisers",
    "not_stage": "not_stages",
    "not_failure": "not_failures",
    "not_origin": "not_origins",
    "not_quoted": "not_quoted",
}


def to_query(wanted: Filter) -> list[tuple[str, str]]:
    """Names and values; what is not wished is not there. Days stand still in it: a record of what was asked
    for says which they were. ``moving`` has the words of those that move."""
    pairs = [("text", wanted.text)] if wanted.text else []
    pairs += [(name, str(value)) for name, field in _SEVERAL.items() for value in getattr(wanted, field)]
    pairs += [("mode", wanted.mode)] if wanted.mode else []
    for name in ("amount_from", "amount_to"):
        if (bound := getattr(wanted, name)) is not None:
            pairs.append((name, f"{bound.minor} {bound.currency}"))
    for name in DAYS:
        if (span := getattr(wanted, name)) is not None:
            pairs.append((name, f"{span.start.isoformat()} {span.end.isoformat()}"))
    pairs += [("as_of", wanted.as_of.isoformat())] if wanted.as_of else []
    return pairs + [(name, "yes") for name in FLAGS if getattr(wanted, name)]


def moving(wanted: Filter) -> dict[str, str]:
    """The words of days that move, by what they are the days of."""
    spans = ((name, getattr(wanted, name)) for name in DAYS)
    return {name: span.word for name, span in spans if isinstance(span, Moving)}


def from_query(pairs: Iterable[tuple[str, str]], today: date | None = None) -> Filter:
    """The filter these names and values mean; where ``today`` is told, days may be words that move with it.
    Raises InvalidInput: half a filter shows too much."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    several = {field: values.pop(name, []) for name, field in _SEVERAL.items()}
    if any(len(given) > 1 for given in values.values()):
        raise InvalidInput(_UNREADABLE)
    single = {name: given[0] for name, given in values.items()}
    try:
        return Filter(
            text=parse(single.pop("text", "")).text,
            **{name: _values(name, given) for name, given in several.items()},  # type: ignore[arg-type]
            **{name: _field(name, text, today) for name, text in single.items()},  # type: ignore[arg-type]
        )
    except (ValueError, TypeError) as error:
        raise InvalidInput(_UNREADABLE) from error


def _values(name: str, given: list[str]) -> tuple[str, ...]:
    meant = {
        "statuses": Status, "methods": Method, "stages": Stage, "origins": _origin, "taken": _taken,
        "quoted": _currency,
    }  # fmt: skip
    return tuple(meant.get(name.removeprefix("not_"), str)(word) for word in given)


def _origin(word: str) -> str:
    if word not in ORIGINS:
        raise ValueError(word)
    return word


def _currency(word: str) -> str:
    if word not in FOREIGN:
        raise ValueError(word)
    return word


def _taken(word: str) -> str:
    if word not in TAKEN:
        raise ValueError(word)
    return word


def _field(name: str, text: str, today: date | None) -> Money | Span | datetime | bool | str:
    first, _, second = text.partition(" ")
    if name == "as_of":
        return _aware(text)
    if name in ("amount_from", "amount_to"):
        return Money(int(first), second)
    if name in DAYS:
        if today is not None and not second:
            return when.moving(text, today)
        return Span(_aware(first), _aware(second))
    if name == "mode" and text in ("demo", "live"):
        return text
    if name in FLAGS and text == "yes":
        return True
    raise ValueError(name)


def _aware(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment


# -- the address of the Payments page ---------------------------------------------------------------


def page_query(wanted: Filter) -> dict[str, str]:
    """The query parameters that open the Payments page on exactly this filter; none for no filter.

    Raises InvalidInput for words that may be a payer's: they never stand in an address. ``ui.address``
    keeps such words beside it.
    """
    if private_part(wanted) != Filter():
        raise InvalidInput("Words that may be somebody's name, address or number never stand in an address.")
    written = grammar.write(wanted)
    return {"q": written} if written else {}


def from_page(query: Mapping[str, str], today: date) -> Filter:
    """The filter an address of the Payments page means; without one, everything. Raises InvalidInput."""
    return grammar.read(query.get("q", ""), today)


def private_part(wanted: Filter) -> Filter:
    """The words of a filter that may be somebody's; all of a text goes together."""
    return Filter(
        text="" if is_public(wanted.text) else wanted.text,
        without=() if all(map(is_public, wanted.without)) else wanted.without,
    )


def public_part(wanted: Filter) -> Filter:
    private = private_part(wanted)
    return replace(
        wanted,
        text="" if private.text else wanted.text,
        without=() if private.without else wanted.without,
    )


def for_others(wanted: Filter) -> str:
    """Which payments these are, for whoever is handed them: as it is typed, behind words of its own, so that
    a spreadsheet finds no formula. Of words that may be a payer's, and of who asked, it says so alone."""
    told = replace(public_part(wanted), organisers=(), not_organisers=(), as_of=None)
    more = ["a text"] if private_part(wanted) != Filter() else []
    more += ["who asked for them"] if wanted.organisers or wanted.not_organisers else []
    said = [written] if (written := grammar.write(told)) else []
    return f"payments by {' and '.join([*said, *more])}" if said or more else "all payments"


def is_public(text: str) -> bool:
    """A text that tells of nobody: a reference, or an amount too short for a phone number."""
    amount = re.fullmatch(r"[Rr]? ?[0-9][0-9 .,]*", text.replace(NBSP, " "))
    return not text or bool(readings(text)) or (amount is not None and sum(map(str.isdigit, text)) < 7)
