"""Events and their price lists."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, delete, func, select
from sqlalchemy.orm import Session, selectinload

from db.models import Category, Event, Payment, PricePeriod
from db.money import CURRENCIES, LARGEST_MINOR, Money
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.dates import business_day
from payments.errors import Conflict, InvalidInput, NotFound, quoted
from payments.live.tallies import bump
from payments.privacy import clean, clean_line
from payments.references import DEFAULT_PREFIX, is_prefix

Told = dict[str, Any]

#: More prices than this are a mistake, and no list to choose from at a till.
MOST_CATEGORIES = 100


class State(StrEnum):
    """Money is taken for an open event only."""

    DRAFT = "draft"
    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True)
class CategoryView:
    id: int
    name: str
    price: Money
    active: bool


@dataclass(frozen=True)
class EventView:
    id: int
    code: str
    name: str
    starts_on: date
    ends_on: date
    state: State
    currency: str
    reference_prefix: str
    categories: tuple[CategoryView, ...]


@dataclass(frozen=True)
class Price:
    """One line of a price list as it is wanted."""

    name: str
    price: Money
    active: bool = True


@dataclass(frozen=True)
class EventDraft:
    """An event as somebody wants it. ``code`` says which: a known one is changed, a new one created."""

    code: str
    name: str
    starts_on: date
    ends_on: date
    state: State = State.DRAFT
    currency: str = "ZAR"
    reference_prefix: str = DEFAULT_PREFIX
    categories: tuple[Price, ...] = ()


def list_events(
    session: Session, person: Person, *, states: tuple[str, ...] | None = None
) -> list[EventView]:
    """The events this person may see, the latest first; only those in ``states`` when given."""
    check(person, Action.SEE)
    query = select(Event).options(selectinload(Event.categories)).order_by(Event.starts_on.desc(), Event.id)
    if person.events is not None:
        query = query.where(Event.id.in_(person.events))
    if states is not None:
        query = query.where(Event.state.in_(states))
    return [_view(event) for event in session.scalars(query)]


def nearest_first(events: Iterable[EventView], *, now: datetime) -> list[EventView]:
    """As whoever stands at a door wants them: what runs today, then what comes next, then what was last."""
    today = business_day(now)

    def place(event: EventView) -> tuple[int, int]:
        if event.ends_on < today:
            return 2, -event.ends_on.toordinal()
        if event.starts_on > today:
            return 1, event.starts_on.toordinal()
        return 0, -event.starts_on.toordinal()

    return sorted(events, key=place)


def get_event(session: Session, person: Person, code: str) -> EventView:
    """Raises NotFound, also when the event is not this person's to see."""
    return _view(event_row(session, person, code))


def event_row(session: Session, person: Person, code: str) -> Event:
    """The event's own row, for other rooms. Raises NotFound as ``get_event`` does."""
    event = _by_code(session, code)
    if event is None or not person.may(Action.SEE, event.id):
        raise NotFound(f"There is no event {quoted(code)} here. Choose one from the list.")
    return event


def save_event(session: Session, person: Person, draft: EventDraft, *, now: datetime) -> EventView:
    """Create the event, or change it to what the draft says; the audit tells what was changed.

    Categories are told apart by name. One that is missing from the draft is deleted, or made inactive when
    payments were taken for it. Payments keep the amount they were made with, whatever prices become.

    Raises NotAllowed, InvalidInput, Conflict (the currency of an event with payments).
    """
    check(person, Action.MANAGE_EVENTS)
    draft = _checked(draft)
    event = _by_code(session, draft.code)
    before = None
    if event is not None:
        check(person, Action.MANAGE_EVENTS, event.id)
        before = _told(_view(event))
    if event is None:
        event = Event(code=draft.code, created_at=now)
        session.add(event)
    elif event.currency != draft.currency and _has_payments(session, Payment.event_id == event.id):
        raise Conflict(f"{event.name} has payments in {event.currency}; its currency can no longer change.")
    for name in ("name", "starts_on", "ends_on", "state", "currency", "reference_prefix"):
        setattr(event, name, getattr(draft, name))
    _replace_prices(session, event, draft.categories)
    session.flush()
    view = _view(event)
    _record(session, person, view, before, now)
    bump(session)
    return view


def _by_code(session: Session, code: str) -> Event | None:
    """``GALA`` and ``gala`` are one event: people read codes aloud."""
    return session.scalar(select(Event).where(func.lower(Event.code) == code.strip().lower()))


# -- the draft --------------------------------------------------------------------------------------


def _checked(draft: EventDraft) -> EventDraft:
    """The draft with its texts cleaned; raises InvalidInput naming what to change."""
    code = clean(draft.code, field="The code", longest=40)
    if code.lower() == "none":
        raise InvalidInput("The code “none” means payments without an event. Choose another one.")
    if not code or not all(part.isalnum() and part.isascii() for part in code.split("-")):
        raise InvalidInput("The code is letters and digits, with dashes between, such as gala-2026.")
    name = _line(draft.name, "The name")
    if draft.ends_on < draft.starts_on:
        raise InvalidInput("The event ends before it starts. Change one of the two days.")
    if draft.state not in tuple(State):
        raise InvalidInput(f"An event is {', '.join(State)}; {quoted(draft.state)} is none of them.")
    if draft.currency not in CURRENCIES:
        raise InvalidInput(f"The currency is one of {', '.join(CURRENCIES)}, not {quoted(draft.currency)}.")
    prefix = draft.reference_prefix.strip().upper()
    if not is_prefix(prefix):
        raise InvalidInput(
            "The reference prefix is 2 to 8 letters or digits, a letter first, "
            "no five digits in a row, and not DEMO."
        )
    return EventDraft(
        code=code,
        name=name,
        starts_on=draft.starts_on,
        ends_on=draft.ends_on,
        state=State(draft.state),
        currency=draft.currency,
        reference_prefix=prefix,
        categories=_checked_prices(draft),
    )


def _checked_prices(draft: EventDraft) -> tuple[Price, ...]:
    if len(draft.categories) > MOST_CATEGORIES:
        raise InvalidInput(f"A price list has at most {MOST_CATEGORIES} lines.")
    prices = [Price(_line(line.name, "A category"), line.price, line.active) for line in draft.categories]
    names = [line.name.casefold() for line in prices]
    for line in prices:
        if names.count(line.name.casefold()) > 1:
            raise InvalidInput(f"The category {quoted(line.name)} is there twice. Give each its own name.")
        if line.price.currency != draft.currency:
            raise InvalidInput(
                f"{quoted(line.name)} is priced in {line.price.currency}, the event in {draft.currency}."
            )
        if not 0 <= line.price.minor <= LARGEST_MINOR:
            largest = Money(LARGEST_MINOR, draft.currency)
            raise InvalidInput(f"The price of {quoted(line.name)} must be between nothing and {largest}.")
    return tuple(prices)


def _line(text: str, field: str) -> str:
    plain = clean_line(text, field=field, longest=120)
    if not plain:
        raise InvalidInput(f"{field} is missing.")
    return plain


# -- the price list ---------------------------------------------------------------------------------


def _replace_prices(session: Session, event: Event, prices: tuple[Price, ...]) -> None:
    kept = {category.name.casefold(): category for category in event.categories}
    for position, line in enumerate(prices):
        category = kept.pop(line.name.casefold(), None)
        if category is None:
            category = Category()
            event.categories.append(category)
        category.name, category.price_minor = line.name, line.price.minor
        category.position, category.active = position, line.active
    for offset, category in enumerate(kept.values()):
        if _has_payments(session, Payment.category_id == category.id):
            category.active, category.position = False, len(prices) + offset
        else:
            session.execute(delete(PricePeriod).where(PricePeriod.category_id == category.id))
            event.categories.remove(category)
            session.delete(category)


def _has_payments(session: Session, condition: ColumnElement[bool]) -> bool:
    return session.scalar(select(Payment.id).where(condition).limit(1)) is not None


def _view(event: Event) -> EventView:
    return EventView(
        id=event.id,
        code=event.code,
        name=event.name,
        starts_on=event.starts_on,
        ends_on=event.ends_on,
        state=State(event.state),
        currency=event.currency,
        reference_prefix=event.reference_prefix,
        categories=tuple(
            CategoryView(line.id, line.name, Money(line.price_minor, event.currency), line.active)
            for line in sorted(event.categories, key=lambda line: line.position)
        ),
    )


# -- the audit --------------------------------------------------------------------------------------


def _record(session: Session, person: Person, view: EventView, before: Told | None, now: datetime) -> None:
    after = _told(view)
    if before is None:
        audit.record(session, person, "create_event", view.code, now=now, event_id=view.id, became=after)
        return
    changed = [name for name in after if after[name] != before[name]]
    if changed:
        was, became = ({name: told[name] for name in changed} for told in (before, after))
        audit.record(
            session, person, "change_event", view.code, now=now, event_id=view.id, was=was, became=became
        )


def _told(view: EventView) -> Told:
    """The event as the audit tells it: plain values that a JSON column keeps."""
    return {
        "name": view.name,
        "days": f"{view.starts_on} to {view.ends_on}",
        "state": str(view.state),
        "currency": view.currency,
        "reference_prefix": view.reference_prefix,
        "categories": [
            {"name": line.name, "price_minor": line.price.minor, "active": line.active}
            for line in view.categories
        ],
    }
