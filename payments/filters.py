"""A filter as the query of an address, and back: what the screen shows is what the file will hold."""

from collections.abc import Iterable
from dataclasses import fields
from datetime import datetime

from db.money import Money
from payments.dates import Span
from payments.errors import InvalidInput
from payments.lifecycle import Method, Status
from payments.search import Filter, parse

_UNREADABLE = (
    "This address asks for something that cannot be read. Open the list again and export from there."
)
#: Fields that are wished or not.
FLAGS = tuple(field.name for field in fields(Filter) if field.type in (bool, "bool"))


def to_query(wanted: Filter) -> list[tuple[str, str]]:
    """Names and values; what is not wished is not there."""
    pairs = [("text", wanted.text)] if wanted.text else []
    pairs += [("status", str(status)) for status in wanted.statuses]
    pairs += [("method", str(method)) for method in wanted.methods]
    pairs += [("event", code) for code in wanted.events]
    for name in ("amount_from", "amount_to"):
        if (bound := getattr(wanted, name)) is not None:
            pairs.append((name, f"{bound.minor} {bound.currency}"))
    for name in ("created", "paid"):
        if (span := getattr(wanted, name)) is not None:
            pairs.append((name, f"{span.start.isoformat()} {span.end.isoformat()}"))
    return pairs + [(name, "yes") for name in FLAGS if getattr(wanted, name)]


def from_query(pairs: Iterable[tuple[str, str]]) -> Filter:
    """The filter these names and values mean. Raises InvalidInput: half a filter shows too much."""
    values: dict[str, list[str]] = {}
    for name, value in pairs:
        values.setdefault(name, []).append(value)
    statuses, methods, events = (values.pop(name, []) for name in ("status", "method", "event"))
    if any(len(several) > 1 for several in values.values()):
        raise InvalidInput(_UNREADABLE)
    single = {name: several[0] for name, several in values.items()}
    try:
        return Filter(
            text=parse(single.pop("text", "")).text,
            statuses=tuple(Status(word) for word in statuses),
            methods=tuple(Method(word) for word in methods),
            events=tuple(events),
            **{name: _field(name, text) for name, text in single.items()},  # type: ignore[arg-type]
        )
    except (ValueError, TypeError) as error:
        raise InvalidInput(_UNREADABLE) from error


def _field(name: str, text: str) -> Money | Span | bool:
    first, _, second = text.partition(" ")
    if name in ("amount_from", "amount_to"):
        return Money(int(first), second)
    if name in ("created", "paid"):
        span = Span(datetime.fromisoformat(first), datetime.fromisoformat(second))
        if span.start.tzinfo is None or span.end.tzinfo is None:
            raise ValueError(text)
        return span
    if name in FLAGS and text == "yes":
        return True
    raise ValueError(name)
