"""An amount in another currency, asked for at the desk and shown in rand before anything is sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import streamlit as st

import bootstrap
from db.money import Money
from payments import vat
from payments.access.people import Person
from payments.errors import PaymentsError
from payments.payers.places import PlaceDraft
from payments.selling import quotes, rates
from payments.selling.on_sale import CategoryOffer, Offers
from payments.selling.prices import Choice
from payments.selling.quotes import Quoted
from payments.typed import amount_typed
from ui.pieces import escape, plain, problem

_SEEN = "take_quote_seen"
_ANOTHER = 0


@dataclass(frozen=True)
class AskedQuote:
    """What was typed, and what it is in rand. ``seen``: just that stood on the screen before it was sent."""

    quote: Quoted
    seen: bool
    category_id: int | None = None
    choice: Choice | None = None

    @property
    def whole(self) -> Money:
        return self.quote.charged

    @property
    def quoted(self) -> Money | None:
        return self.quote.amount

    def places(self, named: Iterable[PlaceDraft]) -> tuple[PlaceDraft, ...]:
        """Several people, each with their share of the whole, to the cent."""
        return shared(self.whole, named)


def shared(whole: Money, named: Iterable[PlaceDraft]) -> tuple[PlaceDraft, ...]:
    several = tuple(named)
    shares = vat.share(whole, [1] * len(several)) if several else ()
    return tuple(PlaceDraft(share, one.name) for share, one in zip(shares, several, strict=True))


def quoting_in(*, now: datetime) -> tuple[str, ...]:
    """The currencies that have a rate, an old one too: then it is said why nothing is quoted by it."""
    with bootstrap.app().sessions.read() as session:
        return tuple(rate.currency for rate in rates.current(session, now=now))


def ask_quoted(
    person: Person,
    event_code: str,
    offers: Offers,
    currencies: tuple[str, ...],
    people: int,
    *,
    now: datetime,
) -> AskedQuote | None:
    """What a category costs in another currency, or an amount. None while there is none, or no rate for it:
    it says why."""
    left, right = st.columns([1, 2])
    currency = str(
        left.selectbox("Quoted in", currencies, key="take_quote_currency", persist_state="session")
    )
    listed = {one.id: one for one in offers.categories if _listed(one, currency)}
    with right:
        category_id = _category(listed, currency) if listed else None
        typed = "" if category_id else _typed(people)
    if not category_id and not typed:
        plain(f"Say how much in {currency}; it is shown in rand here.", "faint")
        return None
    try:
        each = _listed(listed[category_id], currency) if category_id else amount_typed(typed, currency)
        amount = (each or Money(0, currency)) * people
        with bootstrap.app().sessions.read() as session:
            quote = quotes.quote(session, person, event_code, amount, now=now)
    except PaymentsError as error:
        problem(str(error))
        return None
    plain(f"= {quote.charged}", "name")
    plain(quote.text, "faint")
    before, st.session_state[_SEEN] = st.session_state.get(_SEEN), (amount, quote.charged)
    return AskedQuote(quote, before == (amount, quote.charged), category_id)


def _listed(offer: CategoryOffer, currency: str) -> Money | None:
    return next((one for one in offer.quoted if one.currency == currency), None)


def _category(listed: Mapping[int, CategoryOffer], currency: str) -> int | None:
    """The id of a category that has a price in this currency; None for another amount."""
    labels = {one.id: f"{escape(one.name)} · **{_listed(one, currency)}**" for one in listed.values()}
    labels |= {_ANOTHER: "Another amount"}
    chosen = st.pills(
        "Price", list(labels), format_func=labels.__getitem__, default=next(iter(labels)), required=True,
        key=f"take_quote_price_{currency}",
    )  # fmt: skip
    return chosen if chosen in listed else None


def _typed(people: int) -> str:
    label = "Amount of each" if people > 1 else "Amount"
    said = st.text_input(label, key="take_quote_amount", placeholder="250.00", autocomplete="off")
    return (said or "").strip()
