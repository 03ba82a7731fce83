"""Names that a filter may hold, as they are spelled here: events, categories, people who asked."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from difflib import get_close_matches
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Category, Event, Payment
from payments.access.people import Person
from payments.errors import InvalidInput, briefly
from payments.finding import conditions
from payments.finding.conditions import Filter
from payments.privacy import fold


def named(session: Session, person: Person, wanted: Filter, *, only: Collection[str] | None = None) -> Filter:
    """The filter with events, categories and organisers as they are spelled here: case, accents and, for an
    event, the rest of its name aside. Raises InvalidInput for one that is not here, or could be several.

    ``only`` names the fields to read so: an event is never taken away, while a list may still be asked for
    a category or a person that nobody can choose any more.
    """
    changes = {
        f"{sign}{field}": tuple(_one_named(word, field, known(session, person)) for word in asked)
        for field, known in _KNOWN.items()
        for sign in ("", "not_")
        if (only is None or field in only) and (asked := getattr(wanted, f"{sign}{field}"))
    }
    return replace(wanted, **changes)  # type: ignore[arg-type]


_ONE = {"events": "event", "categories": "category", "organisers": "person who asked for a payment"}


def _one_named(word: str, field: str, names: Mapping[str, tuple[str, ...]]) -> str:
    if word == conditions.NO_EVENT and field == "events":
        return word
    plain = fold(word)
    whole = [key for key, spellings in names.items() if plain in map(fold, spellings)]
    part = [key for key, spellings in names.items() if any(plain in fold(one) for one in spellings)]
    found = whole or part
    if len(found) == 1:
        return found[0]
    here = ", ".join(sorted(found or names)[:12]) or "none"
    if found:
        raise InvalidInput(f"“{briefly(word)}” could be {here}. Write which one.")
    spelt = {fold(spelling): key for key, spellings in names.items() for spelling in spellings}
    near = get_close_matches(plain, spelt, 1)
    meant = f"Did you mean “{spelt[near[0]]}”? " if near else ""
    raise InvalidInput(f"There is no {_ONE[field]} “{briefly(word)}” here. {meant}There are: {here}.")


def _events(session: Session, person: Person) -> dict[str, tuple[str, ...]]:
    found = session.execute(_in_scope(person, select(Event.code, Event.name)))
    return {code: (code, name) for code, name in found}


def _in_scope(person: Person, query: Any) -> Any:
    scope = conditions.scope_of(person)
    return query if scope is None else query.where(Event.id.in_(scope))


def categories(session: Session, person: Person) -> tuple[str, ...]:
    """Names on the price lists of the person's events."""
    query = _in_scope(person, select(Category.name).join(Category.event).distinct().order_by(Category.name))
    return tuple(session.scalars(query))


def organisers(session: Session, person: Person) -> tuple[str, ...]:
    """Names of those who asked for a payment of the person's events."""
    scope = conditions.scope_of(person)
    first = select(func.min(Payment.created_by).label("name"))
    if scope is not None:
        ours = select(Payment.created_by).where(Payment.event_id.in_(scope)).distinct()
        return tuple(sorted(session.scalars(ours)))
    names = first.cte("names", recursive=True)  # from name to name along their index, past the rows of each
    following = select(func.min(Payment.created_by)).where(Payment.created_by > names.c.name)
    names = names.union_all(select(following.scalar_subquery()).where(names.c.name.is_not(None)))
    return tuple(session.scalars(select(names.c.name).where(names.c.name.is_not(None))))


#: What each field may hold, with the ways it is spelled.
_KNOWN: Mapping[str, Callable[[Session, Person], Mapping[str, tuple[str, ...]]]] = {
    "events": _events,
    "categories": lambda session, person: {name: (name,) for name in categories(session, person)},
    "organisers": lambda session, person: {name: (name,) for name in organisers(session, person)},
}
