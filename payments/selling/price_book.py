"""The book of an event's prices beside its categories: periods, extras and codes, as finance sets them."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from db.models import Category, DiscountCode, Event, Extra, PaymentLine, PricePeriod, QuotePrice
from db.money import LARGEST_MINOR, Money
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import InvalidInput, quoted
from payments.live import tallies
from payments.privacy import clean_line
from payments.selling import seats
from payments.selling.events import event_row
from payments.selling.exchange import FOREIGN
from payments.watching import standstill

MOST_LINES = 100


@dataclass(frozen=True)
class Period:
    """``category`` by name. It ends with its last day, its last seat, or whichever is first."""

    category: str
    name: str
    price: Money
    until: date | None = None
    seats: int | None = None


@dataclass(frozen=True)
class ExtraPrice:
    name: str
    price: Money
    seats: int | None = None
    active: bool = True


@dataclass(frozen=True)
class Code:
    """Takes hundredths of a percent off, or an amount."""

    code: str
    percent_bp: int = 0
    off: Money | None = None
    since: date | None = None
    until: date | None = None
    most: int | None = None
    active: bool = True


@dataclass(frozen=True)
class QuoteLine:
    """What a category, by name, costs in another currency."""

    category: str
    price: Money


@dataclass(frozen=True)
class PriceBook:
    """``quotes``: what categories cost in other currencies."""

    periods: tuple[Period, ...] = ()
    extras: tuple[ExtraPrice, ...] = ()
    codes: tuple[Code, ...] = ()
    quotes: tuple[QuoteLine, ...] = ()


@dataclass(frozen=True)
class Sold:
    """What payments hold of a book, in its order: of periods, extras and codes."""

    periods: tuple[int, ...]
    extras: tuple[int, ...]
    codes: tuple[int, ...]


def of(session: Session, person: Person, event_code: str) -> tuple[PriceBook, Sold]:
    """What an event has now. Raises NotFound, NotAllowed."""
    event = event_row(session, person, event_code)
    check(person, Action.RECORD, event.id)
    return _of(session, event)


def save(session: Session, person: Person, event_code: str, wanted: PriceBook, *, now: datetime) -> None:
    """Bring the book to what is wanted; the audit tells what it was. What payments were priced as stays.

    Periods and extras are told apart by name, codes by their word. Raises NotFound, NotAllowed, InvalidInput
    (also for fewer seats than are sold).
    """
    standstill.refuse(session)
    event = event_row(session, person, event_code)
    check(person, Action.RECORD, event.id)
    was = _told(_of(session, event)[0])
    _periods(session, event, _not_too_many(wanted.periods))
    _extras(session, event, _not_too_many(wanted.extras))
    _codes(session, event, _not_too_many(wanted.codes))
    _quotes(session, event, _not_too_many(wanted.quotes))
    session.flush()
    became = _told(_of(session, event)[0])
    changed = [name for name in became if became[name] != was[name]]
    if not changed:
        return
    audit.record(
        session, person, "change_prices", event.code, now=now, event_id=event.id,
        was={name: was[name] for name in changed}, became={name: became[name] for name in changed},
    )  # fmt: skip
    tallies.bump(session, event.id)


# -- looking ----------------------------------------------------------------------------------------


def _of(session: Session, event: Event) -> tuple[PriceBook, Sold]:
    query = (
        select(PricePeriod, Category.name)
        .join(Category, Category.id == PricePeriod.category_id)
        .where(Category.event_id == event.id, PricePeriod.active)
        .order_by(PricePeriod.position, PricePeriod.id)
    )
    periods = session.execute(query).all()
    extras = session.scalars(
        select(Extra).where(Extra.event_id == event.id).order_by(Extra.position, Extra.id)
    ).all()
    codes = session.scalars(
        select(DiscountCode).where(DiscountCode.event_id == event.id).order_by(DiscountCode.code)
    ).all()

    quotes = session.execute(
        select(Category.name, QuotePrice)
        .join(QuotePrice, QuotePrice.category_id == Category.id)
        .where(Category.event_id == event.id)
        .order_by(Category.position, QuotePrice.currency)
    )

    def money(minor: int) -> Money:
        return Money(minor, event.currency)

    book = PriceBook(
        tuple(Period(name, row.name, money(row.price_minor), row.until, row.seats) for row, name in periods),
        tuple(ExtraPrice(row.name, money(row.price_minor), row.seats, row.active) for row in extras),
        tuple(
            Code(
                row.code, row.percent_bp, money(row.off_minor) if row.off_minor else None, row.since,
                row.until, row.most, row.active,
            )
            for row in codes
        ),
        tuple(QuoteLine(name, row.price) for name, row in quotes),
    )  # fmt: skip
    of_periods = seats.sold(session, event.id, PaymentLine.period_id, [row.id for row, _ in periods])
    of_extras = seats.sold(session, event.id, PaymentLine.extra_id, [row.id for row in extras])
    of_codes = seats.used(session, event.id, [row.id for row in codes])
    return book, Sold(
        tuple(of_periods.get(row.id, 0) for row, _ in periods),
        tuple(of_extras.get(row.id, 0) for row in extras),
        tuple(of_codes.get(row.id, 0) for row in codes),
    )


# -- changing ---------------------------------------------------------------------------------------


def _periods(session: Session, event: Event, wanted: Iterable[Period]) -> None:
    categories = {line.name.casefold(): line for line in event.categories}
    ids = session.scalars(
        select(PricePeriod.id).where(PricePeriod.category_id.in_([line.id for line in event.categories]))
    ).all()
    kept = {
        (row.category_id, row.name.casefold()): row
        for row in seats.locked(session, PricePeriod, ids).values()
    }
    seen = set()
    for position, line in enumerate(wanted):
        category = categories.get(line.category.strip().casefold())
        if category is None:
            raise InvalidInput(f"{quoted(line.category)} is not a category of {event.name}.")
        name = _name(line.name, "A period")
        key = (category.id, name.casefold())
        if key in seen:
            raise InvalidInput(f"{category.name} has the period {quoted(name)} twice.")
        seen.add(key)
        _priced(line.price, event, name, least=1)
        if line.until is None and line.seats is None:
            raise InvalidInput(f"{name}: say until which day or for how many seats it holds.")
        _enough(session, event, kept.get(key), name, line.seats)
        row = kept.get(key) or PricePeriod(category_id=category.id)
        row.name, row.price_minor, row.until, row.seats = name, line.price.minor, line.until, line.seats
        row.position, row.active = position, True
        session.add(row)
    _let_go(session, [row for key, row in kept.items() if key not in seen], PaymentLine.period_id)


def _extras(session: Session, event: Event, wanted: Iterable[ExtraPrice]) -> None:
    ids = session.scalars(select(Extra.id).where(Extra.event_id == event.id)).all()
    kept = {row.name.casefold(): row for row in seats.locked(session, Extra, ids).values()}
    seen = set()
    for position, line in enumerate(wanted):
        name = _name(line.name, "An extra")
        if name.casefold() in seen:
            raise InvalidInput(f"The extra {quoted(name)} is there twice.")
        seen.add(name.casefold())
        _priced(line.price, event, name, least=0)
        _enough(session, event, kept.get(name.casefold()), name, line.seats)
        row = kept.get(name.casefold()) or Extra(event_id=event.id)
        row.name, row.price_minor, row.seats = name, line.price.minor, line.seats
        row.position, row.active = position, line.active
        session.add(row)
    _let_go(session, [row for key, row in kept.items() if key not in seen], PaymentLine.extra_id)


def _codes(session: Session, event: Event, wanted: Iterable[Code]) -> None:
    ids = session.scalars(select(DiscountCode.id).where(DiscountCode.event_id == event.id)).all()
    kept = {row.code: row for row in seats.locked(session, DiscountCode, ids).values()}
    seen = set()
    for line in wanted:
        word = _checked_code(line, event)
        if word in seen:
            raise InvalidInput(f"The code {word} is there twice.")
        seen.add(word)
        row = kept.get(word) or DiscountCode(event_id=event.id)
        row.code, row.percent_bp, row.off_minor = word, line.percent_bp, line.off.minor if line.off else 0
        row.since, row.until, row.most, row.active = line.since, line.until, line.most, line.active
        session.add(row)
    _let_go(session, [row for key, row in kept.items() if key not in seen], PaymentLine.code_id)


def _quotes(session: Session, event: Event, wanted: Iterable[QuoteLine]) -> None:
    categories = {line.name.casefold(): line for line in event.categories}
    ids = [line.id for line in event.categories]
    rows = session.scalars(select(QuotePrice).where(QuotePrice.category_id.in_(ids)))
    kept = {(row.category_id, row.currency): row for row in rows}
    seen = set()
    for line in wanted:
        category = categories.get(line.category.strip().casefold())
        if category is None:
            raise InvalidInput(f"{quoted(line.category)} is not a category of {event.name}.")
        if event.currency != "ZAR" or line.price.currency not in FOREIGN:
            raise InvalidInput(
                f"{category.name}: a price to quote is in one of {', '.join(FOREIGN)}, of an event in rand."
            )
        if not 1 <= line.price.minor <= LARGEST_MINOR:
            raise InvalidInput(f"{category.name}: {line.price} is no price to quote.")
        key = (category.id, line.price.currency)
        if key in seen:
            raise InvalidInput(f"{category.name} has two prices in {line.price.currency}.")
        seen.add(key)
        row = kept.get(key) or QuotePrice(category_id=key[0], currency=key[1])
        row.price_minor = line.price.minor
        session.add(row)
    for key, row in kept.items():
        if key not in seen:
            session.delete(row)


def _checked_code(line: Code, event: Event) -> str:
    """Its word. Raises InvalidInput."""
    word = _name(line.code, "A code").upper()
    if len(word) > 40 or " " in word:
        raise InvalidInput(f"A code is one word of 40 characters at most, not {quoted(word)}.")
    off = line.off.minor if line.off else 0
    if line.off is not None and line.off.currency != event.currency:
        raise InvalidInput(f"{word} takes off {line.off.currency}, and the event is in {event.currency}.")
    if (
        (line.percent_bp > 0) == (off > 0)
        or not 0 <= line.percent_bp < 10_000
        or not 0 <= off <= LARGEST_MINOR
    ):
        raise InvalidInput(f"{word} takes off a percentage below 100, or an amount: one of the two.")
    if line.since is not None and line.until is not None and line.until < line.since:
        raise InvalidInput(f"{word} ends before it begins. Change one of the two days.")
    if line.most is not None and line.most < 1:
        raise InvalidInput(f"{word}: how often it may be used is 1 or more; empty is any number.")
    return word


def _enough(
    session: Session, event: Event, row: PricePeriod | Extra | None, name: str, wanted: int | None
) -> None:
    """Raises InvalidInput for fewer seats than payments hold. The row is held, so that none is added now."""
    if wanted is None:
        return
    if wanted < 1:
        raise InvalidInput(f"{name}: a number of seats is 1 or more; empty is any number.")
    if row is None:
        return
    column = PaymentLine.period_id if isinstance(row, PricePeriod) else PaymentLine.extra_id
    there = seats.sold(session, event.id, column, [row.id]).get(row.id, 0)
    if wanted < there:
        raise InvalidInput(f"{name}: {there} seats are sold already, and so it cannot have {wanted}.")


def _let_go(
    session: Session, rows: Iterable[PricePeriod | Extra | DiscountCode], column: seats.Column
) -> None:
    """What payments have is not on sale any more; what none has is gone."""
    for row in rows:
        if session.scalar(select(exists().where(column == row.id))):
            row.active = False
        else:
            session.delete(row)


def _not_too_many(wanted: tuple[Any, ...]) -> tuple[Any, ...]:
    if len(wanted) > MOST_LINES:
        raise InvalidInput(f"A list of prices has at most {MOST_LINES} lines.")
    return wanted


def _name(text: str, field: str) -> str:
    plain = clean_line(text, field=field, longest=120)
    if not plain:
        raise InvalidInput(f"{field} has no name.")
    return plain


def _priced(price: Money, event: Event, name: str, *, least: int) -> None:
    if price.currency != event.currency or not least <= price.minor <= LARGEST_MINOR:
        smallest, most = Money(least, event.currency), Money(LARGEST_MINOR, event.currency)
        raise InvalidInput(f"The price of {quoted(name)} must be between {smallest} and {most}.")


def _told(book: PriceBook) -> dict[str, list[dict[str, Any]]]:
    """As the audit tells it: plain values that a JSON column keeps."""
    return {
        name: [_plain(one) for one in asdict(book)[name]] for name in ("periods", "extras", "codes", "quotes")
    }


def _plain(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value.isoformat() if isinstance(value, date) else value for name, value in line.items()}
