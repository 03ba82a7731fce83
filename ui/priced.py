"""What something costs by an event's prices: extras and a code asked for, the lines and their total shown."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

import bootstrap
from db.money import Money
from payments.access.people import Person
from payments.errors import PaymentsError
from payments.payers.places import PlaceDraft
from payments.selling import prices
from payments.selling.on_sale import CategoryOffer, ExtraOffer, Offers
from payments.selling.prices import MOST_OF_ONE, Choice, Priced, Quote
from ui.pieces import ledger, plain
from ui.quoted import shared


@dataclass(frozen=True)
class Asked:
    """What was chosen, and what it costs now."""

    choice: Choice
    quote: Quote
    quoted: Money | None = None
    seen: bool = True

    @property
    def category_id(self) -> int | None:
        return self.choice.category_id

    @property
    def whole(self) -> Money:
        return self.quote.total

    def places(self, named: Iterable[PlaceDraft]) -> tuple[PlaceDraft, ...]:
        """Several people, each with their share of the whole, to the cent."""
        return shared(self.whole, named)


def ask_priced(
    person: Person,
    event_code: str,
    offers: Offers,
    category: CategoryOffer | None,
    people: int,
    *,
    now: datetime,
) -> Asked | None:
    """Extras and a code beside the category; what it comes to. None while it has no price: it says why."""
    extras: tuple[tuple[int, int], ...] = ()
    code = ""
    if offers.extras or offers.takes_codes:
        with st.expander(
            "Extras and discount code", icon=":material/add_shopping_cart:", expanded=category is None
        ):
            extras = tuple(filter(lambda one: one[1], (ask_extra(event_code, one) for one in offers.extras)))
            if offers.takes_codes:
                code = st.text_input("Discount code", key="take_code", autocomplete="off") or ""
    if category is None and not extras:
        plain("Choose how many of which extra.", "faint")
        return None
    choice = Choice(category.id if category else None, people, extras, code)
    try:
        with bootstrap.app().sessions.read() as session:
            quote = prices.quote(session, person, event_code, choice, now=now)
    except PaymentsError as error:
        st.warning(str(error), icon=":material/info:")
        return None
    if len(quote.lines) > 1 or quote.discount or people > 1:
        price_lines(quote.lines, quote.total)
    for sentence in quote.passed:
        plain(sentence, "faint")
    return Asked(choice, quote)


def ask_extra(event_code: str, extra: ExtraOffer) -> tuple[int, int]:
    """Its id, and how many of it."""
    most = MOST_OF_ONE if extra.seats_left is None else min(MOST_OF_ONE, extra.seats_left)
    left = "" if extra.seats_left is None else f", {extra.seats_left} left"
    label = f"{extra.name} · {extra.price}{left}"
    count = st.number_input(label, 0, most, 0, key=f"take_extra_{event_code}_{extra.id}", disabled=not most)
    return extra.id, int(count)


def price_lines(lines: Iterable[Priced], total: Money) -> None:
    """What it is made of, each discount below its line, and the sum."""
    drawn: list[tuple[str, str, str]] = []
    for line in lines:
        several = f"{line.quantity} × " if line.quantity > 1 else ""
        drawn.append((f"{several}{line.what}", str(line.unit * line.quantity), ""))
        if line.discount:
            drawn.append((f"less by {line.code}", str(-line.discount), ""))
    ledger([*drawn, ("Together", str(total), "sum")])
