"""Payments that were quoted in another currency: what was said, by which rate, and what is charged for it.

A quote is kept with its payment and never changes. Nothing is ever added up in it: what is owed, received and
reported is what the payment is in rand.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Event, Payment, PaymentQuote, QuotePrice, TimelineEntry
from db.money import LARGEST_MINOR, Money
from payments import dates
from payments.access.people import Person
from payments.errors import Conflict, InvalidInput
from payments.lifecycle import Kind
from payments.selling import exchange, rates, seats
from payments.selling.events import event_row


@dataclass(frozen=True)
class Quoted:
    """``amount`` as it was said, ``charged`` what it comes to in rand; ``rate_at``: the rate holds since."""

    amount: Money
    rate_micro: int
    rate_source: str
    rate_at: datetime
    charged: Money

    @property
    def rate(self) -> str:
        """``18.4500``: the rand for one."""
        return exchange.decimal(self.rate_micro)

    @property
    def sum(self) -> str:
        """``US$250.00 × R18.4500``: in nobody's language, for payers."""
        return f"{self.amount} × R{self.rate}"

    @property
    def text(self) -> str:
        """``US$250.00 at R18.4500 (SARB mid 25 Nov, 25 Nov 2026, 14:05)``."""
        return f"{self.amount} at R{self.rate} ({self.rate_source}, {dates.say_moment(self.rate_at)})"


def quote(session: Session, person: Person, event_code: str, amount: Money, *, now: datetime) -> Quoted:
    """What an amount comes to now; nothing is held by asking. Raises as ``of``, and NotFound."""
    return of(session, event_row(session, person, event_code), amount, now=now)


def of(session: Session, event: Event, amount: Money, *, now: datetime) -> Quoted:
    """What an amount comes to by the rate that holds now; nothing is kept.

    Raises InvalidInput (not a currency to quote in, an event that is not in rand, nothing, too much),
    Conflict (no rate, or an old one).
    """
    if event.currency != "ZAR":
        raise InvalidInput(f"{event.name} is in {event.currency}. Only what is charged in rand is quoted.")
    rate = rates.to_quote_by(session, amount.currency, now=now)
    charged = exchange.in_rand(amount, rate.micro)
    if not 1 <= amount.minor <= LARGEST_MINOR or not 1 <= charged.minor <= LARGEST_MINOR:
        raise InvalidInput(f"It comes to {charged}: an amount is between R0.01 and {Money(LARGEST_MINOR)}.")
    return Quoted(amount, rate.micro, rate.source, rate.holds_from, charged)


def price_of(session: Session, event: Event, category_id: int | None, currency: str) -> Money:
    """What a category costs in another currency. Raises InvalidInput for one that has no such price."""
    row = session.get(QuotePrice, (category_id, currency)) if category_id is not None else None
    if row is None:
        raise InvalidInput(
            f"No price in {currency} is set for this category of {event.name}: say the amount, or "
            f"finance sets one under Finance → Prices."
        )
    return row.price


def agreed(session: Session, event: Event, amount: Money, seen: Money | None, *, now: datetime) -> Quoted:
    """The same for a payment that is about to be written; ``seen`` is what somebody was shown in rand.

    Raises Conflict as well where the rate is another by now.
    """
    quoted = of(session, event, amount, now=now)
    if seen is not None and quoted.charged != seen:
        raise Conflict(
            f"{amount} is {quoted.charged} by now, not {seen}: the rate is R{quoted.rate}, "
            f"{quoted.rate_source}. Look at the amount again."
        )
    return quoted


def write(session: Session, payment: Payment, quoted: Quoted) -> None:
    """Keep it with a payment that is new, in its transaction."""
    session.add(
        PaymentQuote(
            payment_id=payment.id, quoted_minor=quoted.amount.minor, quoted_currency=quoted.amount.currency,
            rate_micro=quoted.rate_micro, rate_source=quoted.rate_source, rate_at=quoted.rate_at,
            charged_minor=quoted.charged.minor,
        )
    )  # fmt: skip
    session.flush()


# -- what was quoted ----------------------------------------------------------------------------------


def kept(session: Session, payment: Payment) -> Quoted | None:
    """None: it was asked for in rand."""
    row = session.get(PaymentQuote, payment.id)
    return _quoted(row) if row is not None else None


def kept_of(session: Session, payment_ids: Collection[int]) -> Mapping[int, Quoted]:
    """The quotes of those that have one, by the payment's id."""
    rows = session.scalars(select(PaymentQuote).where(PaymentQuote.payment_id.in_(payment_ids)))
    return {row.payment_id: _quoted(row) for row in rows}


def obstacle(session: Session, payment: Payment, *, now: datetime) -> str:
    """Why a closed payment cannot be taken up again at its rate, "" when it can: a rate is for a week."""
    quoted = kept(session, payment)
    if payment.status not in seats.FREE or quoted is None or now - quoted.rate_at <= rates.HOLDS:
        return ""
    return f"It was quoted at a rate of {dates.say_moment(quoted.rate_at)}, which is over."


def refuse_if_over(session: Session, payment: Payment, *, now: datetime) -> None:
    """Raises Conflict for a closed payment whose rate is over: nobody is asked for that amount again."""
    if why := obstacle(session, payment, now=now):
        raise Conflict(f"{why} Take a new payment at the rate of today.")


def broken(session: Session) -> Iterator[str]:
    """Quotes that are not, at their rate, what their payment was made for."""
    made = (
        select(Payment.reference, PaymentQuote, TimelineEntry.detail)
        .join(PaymentQuote, PaymentQuote.payment_id == Payment.id)
        .outerjoin(
            TimelineEntry, (TimelineEntry.payment_id == Payment.id) & (TimelineEntry.kind == Kind.CREATED)
        )
    )
    for reference, row, detail in session.execute(made):
        comes_to = exchange.in_rand(row.quoted, row.rate_micro)
        if not comes_to.minor == row.charged_minor == (detail or {}).get("amount_minor"):
            rate = exchange.decimal(row.rate_micro)
            yield f"{reference}: {row.quoted} at R{rate} is not what it was made for"


def _quoted(row: PaymentQuote) -> Quoted:
    return Quoted(row.quoted, row.rate_micro, row.rate_source, row.rate_at, Money(row.charged_minor))
