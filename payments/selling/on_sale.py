"""What an event sells today: each category at the price that holds now, its extras, and if it takes codes."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from db.models import Category, DiscountCode, Event, Extra, PricePeriod, QuotePrice
from db.money import Money
from payments import dates
from payments.access.people import Person
from payments.selling import prices, seats
from payments.selling.events import event_row


@dataclass(frozen=True)
class CategoryOffer:
    """``period``: the name of the price that holds, "" for the category's own. ``passed`` says why earlier
    ones do not, ``quoted`` what it costs in other currencies."""

    id: int
    name: str
    price: Money
    period: str = ""
    until: date | None = None
    seats_left: int | None = None
    passed: tuple[str, ...] = ()
    quoted: tuple[Money, ...] = ()


@dataclass(frozen=True)
class ExtraOffer:
    id: int
    name: str
    price: Money
    seats_left: int | None = None


@dataclass(frozen=True)
class Offers:
    """``priced``: there is more than a plain price list, so that what is taken holds seats."""

    categories: tuple[CategoryOffer, ...]
    extras: tuple[ExtraOffer, ...]
    takes_codes: bool
    priced: bool


def offers(session: Session, person: Person, event_code: str, *, now: datetime) -> Offers:
    """Raises NotFound."""
    return of_event(session, event_row(session, person, event_code), now)


def of_event(session: Session, event: Event, now: datetime) -> Offers:
    """The same for other rooms."""
    categories = tuple(_category(session, event, line, now) for line in event.categories if line.active)
    rows = session.scalars(
        select(Extra).where(Extra.event_id == event.id, Extra.active).order_by(Extra.position, Extra.id)
    )
    extras = tuple(
        ExtraOffer(
            row.id, row.name, Money(row.price_minor, event.currency), seats.left(session, event.id, row)
        )
        for row in rows
    )
    codes = exists().where(DiscountCode.event_id == event.id, DiscountCode.active)
    return Offers(categories, extras, bool(session.scalar(select(codes))), is_priced(session, event))


def is_priced(session: Session, event: Event) -> bool:
    """Whether an event has more than a plain price list, so that what is taken by it holds seats."""
    of_event = Category.event_id == event.id
    any_of = (
        exists().where(PricePeriod.category_id == Category.id, PricePeriod.active, of_event),
        exists().where(Extra.event_id == event.id, Extra.active),
        exists().where(DiscountCode.event_id == event.id, DiscountCode.active),
    )
    return bool(session.scalar(select(or_(*any_of))))


def _category(session: Session, event: Event, line: Category, now: datetime) -> CategoryOffer:
    period, left, passed = prices.period_now(session, line, 1, dates.business_day(now))
    rows = session.scalars(select(QuotePrice).where(QuotePrice.category_id == line.id))
    quoted = tuple(row.price for row in sorted(rows, key=lambda row: row.currency))
    if period is None:
        price = Money(line.price_minor, event.currency)
        return CategoryOffer(line.id, line.name, price, passed=passed, quoted=quoted)
    price = Money(period.price_minor, event.currency)
    return CategoryOffer(line.id, line.name, price, period.name, period.until, left, passed, quoted)
