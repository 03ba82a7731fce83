"""What a registration costs: as its caller says, or by the event's prices; then what it was priced as stays.

Asked for again with the same choice it keeps its price, whatever holds by now. Another choice, and one that
comes back after it was closed and whose price is over, is priced as of today.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Category, Event, Extra, Payment
from db.money import Money
from payments.errors import Conflict, InvalidInput
from payments.registering.registration_changes import SHUT
from payments.selling import families, prices, quotes
from payments.selling.prices import Choice

Line = TypeVar("Line", Category, Extra)


@dataclass(frozen=True)
class Cost:
    """``amount`` is of all, with its differences. ``choice`` None: its amount was said. ``as_priced``: no
    amount was said, whatever holds is good. ``other``: not what the payment that is there asks for.
    ``quoted``: as it was said in another currency."""

    amount: Money
    category_id: int | None
    choice: Choice | None
    as_priced: bool
    other: bool
    quoted: Money | None = None


@dataclass(frozen=True)
class Chosen:
    """What was asked for, by the ids of the price list; ``said``: the amount, when one was."""

    category_id: int | None
    choice: Choice | None
    said: Money | None
    quoted: Money | None = None
    listed: bool = False  # it is quoted what its category costs in that currency

    def cost(self, session: Session, event: Event, payment: Payment | None, now: datetime) -> Cost:
        """For a registration without a payment, or with the one that is there.

        Raises InvalidInput, Conflict (seats or a code are used up, or it costs something else than was said).
        """
        if self.quoted is not None:
            return self._at_a_rate(session, event, self.quoted, payment, now)
        if self.choice is None:
            assert self.said is not None
            other = payment is not None and families.total(session, payment) != self.said
            quote = payment.quote if payment is not None and not other else None
            quoted = quote.quoted if quote is not None else None
            return Cost(self.said, self.category_id, None, as_priced=False, other=other, quoted=quoted)
        if payment is not None and self._stays(session, payment, now):
            return self._told(families.total(session, payment), other=False)
        return self._told(prices.of_choice(session, event, self.choice, now).total, other=payment is not None)

    def _at_a_rate(
        self, session: Session, event: Event, quoted: Money, payment: Payment | None, now: datetime
    ) -> Cost:
        """Quoted the same again it keeps its rate, unless it was closed and its rate is over."""
        if payment is not None:
            first = families.first_of(session, payment)
            kept = first.quote.quoted if first.quote is not None else None
            stays = kept is not None and self._is_quoted(first, kept, quoted)
            if stays and not quotes.obstacle(session, payment, now=now):
                return replace(self._told(families.total(session, payment), other=False), quoted=kept)
            if first.received_minor:
                raise Conflict(
                    f"{first.reference} was paid as it was quoted before, and no rate is known for the rest. "
                    f"Say what it costs in rand by now."
                )
        charged = quotes.of(session, event, quoted, now=now).charged
        return self._told(charged, other=payment is not None)

    def _is_quoted(self, payment: Payment, kept: Money, quoted: Money) -> bool:
        """By the list it is the same also after the list was changed."""
        same = kept.currency == quoted.currency and payment.category_id == self.category_id
        return same if self.listed else kept == quoted

    def _stays(self, session: Session, payment: Payment, now: datetime) -> bool:
        if not prices.same(families.choice_of(session, payment), self.choice):
            return False
        return payment.status not in SHUT or not prices.obstacle(session, payment, now=now)

    def _told(self, amount: Money, *, other: bool) -> Cost:
        if self.said is not None and self.said != amount:
            raise Conflict(
                f"It costs {amount}, not {self.said}. Look at the price again, or leave amount_minor out."
            )
        return Cost(amount, self.category_id, self.choice, self.said is None, other, self.quoted)


def chosen(
    session: Session,
    event: Event,
    category: str,
    extras: Iterable[tuple[str, int]],
    code: str,
    said: Money | None,
    *,
    by_list: bool = False,
    quoted: Money | None = None,
    quote_in: str = "",
) -> Chosen:
    """By the names of the price list. It is priced when no amount is said, or anything but a category chosen,
    or the amount is said to be ``by_list``.

    Raises InvalidInput for what is not on the list.
    """
    category_id = _named(session, event, Category, category, "category") if category else None
    wanted = tuple((_named(session, event, Extra, name, "extra"), count) for name, count in extras)
    if quoted is not None or quote_in:
        if wanted or code or by_list:
            raise InvalidInput("A quoted amount is the whole of it: leave extras and code out.")
        price = quoted or quotes.price_of(session, event, category_id, quote_in)
        return Chosen(category_id, None, said, price, listed=quoted is None)
    if said is not None and not wanted and not code and not by_list:
        return Chosen(category_id, None, said)
    if category_id is None and not wanted:
        raise InvalidInput("Say amount_minor or quoted, or a category or extras of the event's prices.")
    return Chosen(category_id, Choice(category_id, 1, wanted, code), said)


def cost_of_row(
    session: Session, event: Event, payment: Payment | None, chosen: Chosen, now: datetime
) -> Cost:
    """Of a file's row; a payment that was closed, or moved, is refused before its price is asked."""
    if payment is not None and (payment.event_id != event.id or payment.status in SHUT):
        return Cost(payment.amount, None, None, as_priced=False, other=False)
    return chosen.cost(session, event, payment, now)


def _named(session: Session, event: Event, table: type[Line], name: str, kind: str) -> int:
    found = session.scalars(select(table).where(table.event_id == event.id, table.active)).all()
    for line in found:
        if line.name.casefold() == name.strip().casefold():
            return line.id
    names = ", ".join(line.name for line in found) or "empty"
    raise InvalidInput(f"There is no such {kind} on the price list of {event.name}: it is {names}.")
