"""Prices: what a category costs today, with extras and a discount code, and the seats that are left at it.

A category's periods hold in their order, each until its last day in South Africa or its last seat; after
them, or without any, its own price. What a payment was priced as is kept with it, as it was then.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Category, DiscountCode, Event, Extra, Payment, PaymentLine, PricePeriod
from db.money import LARGEST_MINOR, Money
from payments import dates, vat
from payments.access.people import Person
from payments.errors import Conflict, InvalidInput, quoted
from payments.selling import seats
from payments.selling.events import event_row

#: Somebody who wants more than so many of one thing has mistyped.
MOST_OF_ONE = 100


@dataclass(frozen=True)
class Choice:
    """What somebody wants: a category for so many people, extras by id with how many, and a code's word."""

    category_id: int | None = None
    people: int = 1
    extras: tuple[tuple[int, int], ...] = ()
    code: str = ""


@dataclass(frozen=True)
class Priced:
    """A line of what it comes to. ``seats_left``: before this is taken; None: any number."""

    what: str
    unit: Money
    quantity: int
    discount: Money
    period_id: int | None = None
    extra_id: int | None = None
    code_id: int | None = None
    code: str = ""
    seats_left: int | None = None

    @property
    def amount(self) -> Money:
        return self.unit * self.quantity - self.discount

    @property
    def text(self) -> str:
        several = f"{self.quantity} × " if self.quantity > 1 else ""
        off = f", less {self.discount} by {self.code}" if self.discount else ""
        return f"{several}{self.what}: {self.unit * self.quantity}{off}"


@dataclass(frozen=True)
class Quote:
    """``discount`` is what the code takes off in all; ``passed`` says why earlier prices no longer hold."""

    lines: tuple[Priced, ...]
    total: Money
    discount: Money
    passed: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        return "; ".join(line.text for line in self.lines)


def quote(session: Session, person: Person, event_code: str, choice: Choice, *, now: datetime) -> Quote:
    """What it costs now; nothing is held by asking. Raises InvalidInput, NotFound, Conflict."""
    return of_choice(session, event_row(session, person, event_code), choice, now)


def of_choice(session: Session, event: Event, choice: Choice, now: datetime, *, hold: bool = False) -> Quote:
    """``hold``: what it needs is nobody else's until the transaction ends. Raises InvalidInput, Conflict."""
    today = dates.business_day(now)
    if not 1 <= choice.people <= MOST_OF_ONE:
        raise InvalidInput(f"For 1 to {MOST_OF_ONE} people at once.")
    named, passed = _category(session, event, choice, today, hold=hold)
    lines = [*named, *_extras(session, event, choice, hold=hold)]
    if not lines:
        raise InvalidInput("Choose what it is for: a category, or an extra.")
    nothing = Money(0, event.currency)
    whole, off = sum((line.amount for line in lines), nothing), nothing
    if choice.code.strip():
        code = _code(session, event, choice.code, today, hold=hold)
        off = _off(code, whole)
        shares = vat.share(off, [line.amount.minor for line in lines])
        lines = [
            replace(line, discount=part, code_id=code.id, code=code.code)
            for line, part in zip(lines, shares, strict=True)
        ]
    total = whole - off
    if not 1 <= total.minor <= LARGEST_MINOR:
        raise InvalidInput(
            f"It comes to {total}. What costs nothing is complimentary: have its whole price waived."
        )
    return Quote(tuple(lines), total, off, passed)


def hold(session: Session, event: Event, choice: Choice, *, agreed: Money | None, now: datetime) -> Quote:
    """The price of a payment that is about to be written, its seats held until the transaction ends.

    Raises InvalidInput; Conflict: it costs something else than was ``agreed`` by now.
    """
    quoted = of_choice(session, event, choice, now, hold=True)
    if agreed is not None and quoted.total != agreed:
        why = " ".join(quoted.passed) or "The price list was changed."
        raise Conflict(f"It costs {quoted.total} by now, not {agreed}. {why} Look at the price again.")
    return quoted


def write(session: Session, payment: Payment, quoted: Quote) -> None:
    """Keep with a payment that is new what it was priced as, in the transaction that held its seats."""
    session.add_all(
        PaymentLine(
            payment_id=payment.id, number=number, what=line.what, unit_minor=line.unit.minor,
            quantity=line.quantity, discount_minor=line.discount.minor, seats_left=line.seats_left,
            code=line.code, period_id=line.period_id, extra_id=line.extra_id, code_id=line.code_id,
        )
        for number, line in enumerate(quoted.lines, 1)
    )  # fmt: skip
    session.flush()


# -- what a payment was priced as ---------------------------------------------------------------------


def kept(session: Session, payment: Payment) -> tuple[Priced, ...]:
    """Its lines as they were then; none when its amount was typed."""
    return kept_of(session, [payment]).get(payment.id, ())


def kept_of(session: Session, payments: Collection[Payment]) -> Mapping[int, tuple[Priced, ...]]:
    """The lines of those that have some, by the payment's id."""
    currency = {payment.id: payment.amount_currency for payment in payments}
    query = select(PaymentLine).where(PaymentLine.payment_id.in_(currency))
    found: dict[int, list[Priced]] = defaultdict(list)
    for row in session.scalars(query.order_by(PaymentLine.payment_id, PaymentLine.number)):
        unit, off = (Money(minor, currency[row.payment_id]) for minor in (row.unit_minor, row.discount_minor))
        found[row.payment_id].append(
            Priced(
                row.what, unit, row.quantity, off, row.period_id, row.extra_id, row.code_id, row.code,
                row.seats_left,
            )
        )  # fmt: skip
    return {payment_id: tuple(lines) for payment_id, lines in found.items()}


def choice_of(session: Session, payment: Payment) -> Choice | None:
    """What was chosen for it; None when its amount was typed."""
    lines = kept(session, payment)
    if not lines:
        return None
    people = next((line.quantity for line in lines if line.extra_id is None), 1)
    extras = tuple((line.extra_id, line.quantity) for line in lines if line.extra_id is not None)
    code = next((line.code for line in lines if line.code_id is not None), "")
    return Choice(payment.category_id, people, extras, code)


def same(one: Choice | None, other: Choice | None) -> bool:
    """Whether two choices are one, in whatever order and spelling."""
    if one is None or other is None:
        return one is other
    return _plain(one) == _plain(other)


def obstacle(session: Session, payment: Payment, *, now: datetime) -> str:
    """Why a closed payment cannot be taken up again at its price, "" when it can; its seats are held.

    Whoever has its seats by now, or its last day, keeps it from coming back at a price that is over.
    """
    if payment.status not in seats.FREE:
        return ""
    today, lines = dates.business_day(now), kept(session, payment)
    periods = seats.locked(session, PricePeriod, [line.period_id for line in lines if line.period_id])
    extras = seats.locked(session, Extra, [line.extra_id for line in lines if line.extra_id])
    codes = seats.locked(session, DiscountCode, [line.code_id for line in lines if line.code_id])
    for line in lines:
        row = periods.get(line.period_id or 0) or extras.get(line.extra_id or 0)
        if row is None:
            continue
        if isinstance(row, PricePeriod) and row.until is not None and today > row.until:
            return f"The price of {line.what} ended on {_day(row.until)}."
        left = seats.left(session, payment.event_id, row)
        if left is not None and left < line.quantity:
            return f"The seats of {line.what} are taken by now."
    for code in codes.values():
        if why := _unusable(session, code, today):
            return why
    return ""


def refuse_if_over(session: Session, payment: Payment, *, now: datetime) -> None:
    """Raises Conflict for a closed payment whose price is over: it is not taken up again at that price."""
    if why := obstacle(session, payment, now=now):
        raise Conflict(f"{why} Take a new payment at the price of today.")


def _plain(choice: Choice) -> tuple[object, ...]:
    return choice.category_id, choice.people, sorted(choice.extras), choice.code.strip().upper()


def broken(session: Session) -> Iterator[str]:
    """Payments whose lines do not add up to their amount."""
    minor = func.sum(PaymentLine.unit_minor * PaymentLine.quantity - PaymentLine.discount_minor)
    query = (
        select(Payment.reference, Payment.amount_minor, minor)
        .join(PaymentLine, PaymentLine.payment_id == Payment.id)
        .group_by(Payment.id, Payment.reference, Payment.amount_minor)
        .having(minor != Payment.amount_minor)
    )
    for reference, amount, lines in session.execute(query):
        yield f"{reference}: for {amount} cents, its lines say {lines}"


# -- what it comes to -------------------------------------------------------------------------------


def _category(
    session: Session, event: Event, choice: Choice, today: date, *, hold: bool
) -> tuple[list[Priced], tuple[str, ...]]:
    if choice.category_id is None:
        return [], ()
    category = session.get(Category, choice.category_id)
    if category is None or category.event_id != event.id or not category.active:
        raise InvalidInput(f"This price is not on the list of {event.name}.")
    period, left, passed = period_now(session, category, choice.people, today, hold=hold)
    nothing = Money(0, event.currency)
    if period is None:
        price = Money(category.price_minor, event.currency)
        return [Priced(category.name, price, choice.people, nothing)], passed
    what, price = f"{category.name}, {period.name}", Money(period.price_minor, event.currency)
    return [Priced(what, price, choice.people, nothing, period.id, seats_left=left)], passed


def period_now(
    session: Session, category: Category, people: int, today: date, *, hold: bool = False
) -> tuple[PricePeriod | None, int | None, tuple[str, ...]]:
    """The period that holds for so many, what is left of it, and why those before it do not."""
    query = select(PricePeriod).where(PricePeriod.category_id == category.id, PricePeriod.active)
    rows: Sequence[PricePeriod] = session.scalars(query.order_by(PricePeriod.position)).all()
    if hold:
        held = seats.locked(session, PricePeriod, [row.id for row in rows])
        rows = [held[row.id] for row in rows if row.id in held and held[row.id].active]
    passed = []
    for row in rows:
        if row.until is not None and today > row.until:
            passed.append(f"{row.name} ended on {_day(row.until)}.")
            continue
        left = seats.left(session, category.event_id, row)
        if left is None or left >= people:
            return row, left, tuple(passed)
        passed.append(f"{row.name} has {_seats(left)} left" + (f", fewer than {people}." if left else "."))
    return None, None, tuple(passed)


def _extras(session: Session, event: Event, choice: Choice, *, hold: bool) -> list[Priced]:
    ids = [extra_id for extra_id, _ in choice.extras]
    if len(set(ids)) < len(ids):
        raise InvalidInput("Each extra once, with how many of it.")
    query = select(Extra).where(Extra.id.in_(ids))
    found = seats.locked(session, Extra, ids) if hold else {row.id: row for row in session.scalars(query)}
    lines = []
    for extra_id, quantity in choice.extras:
        row = found.get(extra_id)
        if row is None or row.event_id != event.id or not row.active:
            raise InvalidInput(f"This extra is not on the list of {event.name}.")
        if not 1 <= quantity <= MOST_OF_ONE:
            raise InvalidInput(f"{row.name}: 1 to {MOST_OF_ONE} of it.")
        left = seats.left(session, event.id, row)
        if left is not None and left < quantity:
            raise Conflict(f"{row.name} has {_seats(left)} left.")
        price = Money(row.price_minor, event.currency)
        lines.append(
            Priced(row.name, price, quantity, Money(0, event.currency), extra_id=row.id, seats_left=left)
        )
    return lines


def _code(session: Session, event: Event, word: str, today: date, *, hold: bool) -> DiscountCode:
    query = select(DiscountCode).where(
        DiscountCode.event_id == event.id, DiscountCode.code == word.strip().upper()
    )
    code = session.scalar(query)
    if code is not None and hold:
        code = seats.locked(session, DiscountCode, [code.id]).get(code.id)
    if code is None or not code.active:
        raise InvalidInput(f"There is no code {quoted(word.strip()[:40])} at {event.name}.")
    if why := _unusable(session, code, today):
        raise Conflict(why)
    return code


def _unusable(session: Session, code: DiscountCode, today: date) -> str:
    if code.since is not None and today < code.since:
        return f"The code {code.code} holds from {_day(code.since)} on."
    if code.until is not None and today > code.until:
        return f"The code {code.code} ended on {_day(code.until)}."
    if code.most is not None and seats.used(session, code.event_id, [code.id]).get(code.id, 0) >= code.most:
        return f"The code {code.code} was used as often as it may be."
    return ""


def _off(code: DiscountCode, whole: Money) -> Money:
    """What it takes off, at the most all of it."""
    if code.percent_bp:
        return vat.percent_off(whole, code.percent_bp)
    return min(Money(code.off_minor, whole.currency), whole, key=lambda one: one.minor)


def _seats(number: int) -> str:
    return "no seat" if not number else "1 seat" if number == 1 else f"{number} seats"


def _day(day: date) -> str:
    return dates.say_days(day, day)
