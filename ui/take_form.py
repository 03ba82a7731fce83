"""The form of Take: how it is paid, for which event, for what, and by whom."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import streamlit as st

import bootstrap
from db.money import Money
from payments.access.people import Action, Person
from payments.at_the_door.shifts import ShiftView
from payments.at_the_door.slips import Slip
from payments.errors import Conflict
from payments.obligations import Draft
from payments.payers import contacts
from payments.payers.places import PlaceDraft
from payments.selling import on_sale
from payments.selling.events import EventView
from payments.selling.on_sale import CategoryOffer, Offers
from ui.at_till import Tendered, ask_slip, ask_tendered
from ui.claims import amount_of
from ui.pieces import escape, plain
from ui.priced import Asked, ask_priced
from ui.quoted import AskedQuote, ask_quoted, quoting_in
from ui.several import CASH, LINK, SLIP, Several, ask_several, price_now

EFT, FREE = "EFT", "Complimentary"
_OWN_AMOUNT = 0
_EXTRAS_ONLY = -1
_IN_ANOTHER_CURRENCY = -2
#: As they stand beside each other on a phone.
_SHORT = {SLIP: "Card", FREE: "Free"}
_ICONS = {LINK: "qr_code_2", CASH: "payments", SLIP: "credit_card", EFT: "account_balance"}
_SENDS = {
    LINK: ("Create link", "qr_code_2"), EFT: ("Show how to pay", "account_balance"),
    CASH: ("Take cash", "payments"), SLIP: ("Write the slip down", "receipt"),
    FREE: ("Ask a second person", "volunteer_activism"),
}  # fmt: skip
#: What one payer's form holds. The event and the way stay for the next payer, and the machine of their slip.
_FIELDS = (
    "who", "people", "names", "amount", "what_for", "part", "tendered", "tendered_other", "slip",
    "last_four", "machine", "code", "free_why", "quote_amount",
)  # fmt: skip


@dataclass(frozen=True)
class Sent:
    """The form as it was sent: a draft, which way it is paid, and how much of it now."""

    draft: Draft
    way: str
    asked: Money
    tendered: Money
    slip: Slip | None
    why: str = ""  # it is complimentary


def forget_form() -> None:
    """The next payer begins with an empty one."""
    extras = [key for key in st.session_state if str(key).startswith("take_extra_")]
    for key in (*extras, *(f"take_{field}" for field in _FIELDS)):
        st.session_state.pop(key, None)


def choose_way(here: Person) -> str:
    """LINK, EFT, CASH, SLIP or, for who may have a second person asked, FREE."""
    icons = _ICONS | ({FREE: "volunteer_activism"} if here.may(Action.RECORD) else {})
    return str(
        st.segmented_control(
            "How it is paid",
            list(icons),
            format_func=lambda way: f":material/{icons[way]}: {_SHORT.get(way, way)}",
            default=LINK,
            required=True,
            key="take_how",
            persist_state="session",
            label_visibility="collapsed",
            width="stretch",
        )
    )


def choose_event(open_events: list[EventView], shift: ShiftView | None) -> EventView:
    """A till belongs to an event: money on the table is for that one."""
    by_code = {event.code: event for event in open_events}
    if shift is not None and shift.event_code in by_code:
        plain(f"{shift.event_name} · {shift.till}", "title")
        return by_code[shift.event_code]
    if len(by_code) == 1:
        plain(open_events[0].name, "title")
        return open_events[0]
    code = st.selectbox(
        "Event",
        list(by_code),
        format_func=lambda code: by_code[code].name,
        key="take_event",
        persist_state="session",
    )
    return by_code[code]


@dataclass(frozen=True)
class _Bought:
    """What of an event's offers was chosen, and for how many. Not ``asked``, priced or quoted: then it is a
    category's one price, or an amount that is typed."""

    several: Several
    category: CategoryOffer | None
    asked: Asked | AskedQuote | None
    in_another: bool  # currency

    @property
    def category_id(self) -> int | None:
        return self.asked.category_id if self.asked else self.category.id if self.category else None

    def on_the_table(self, currency: str) -> Money | None:
        """What is to be handed over, for the round sums of it; None while it is not known."""
        if self.asked is not None:
            return price_now(replace(self.several, people=1), self.asked.whole, currency)
        return price_now(self.several, self.category.price if self.category else None, currency)

    def cost(self, typed: str, currency: str) -> tuple[Money, tuple[PlaceDraft, ...]]:
        """The whole, and what is whose of it. Raises InvalidInput and Conflict."""
        if self.asked is not None:
            if not self.asked.seen:
                raise Conflict("Look at the amount in rand, and send it again.")
            return self.asked.whole, self.asked.places(self.several.places(self.asked.whole))
        each = self.category.price if self.category else amount_of(typed, currency)
        return self.several.whole(each), self.several.places(each)


def take_form(
    here: Person, event: EventView, way: str, reference: str, machines: Sequence[str]
) -> Sent | None:
    """All that is asked of one payer; once it is sent, a draft of that reference. ``machines``: those that a
    slip may be of.

    Raises InvalidInput and Conflict for what was typed.
    """
    bought = _choose(here, event, way)
    if bought is None:
        return None
    with st.form("take", border=False):
        typed = what_for = ""
        if not (bought.category or bought.asked):
            typed, what_for = _ask_amount()
        elif bought.in_another:
            what_for = _ask_what_for()
        who = _ask_who()
        tendered = (
            ask_tendered(bought.on_the_table(event.currency), key="take_tendered")
            if way == CASH
            else Tendered()
        )
        slip = ask_slip(machines) if way == SLIP else None
        why = st.text_input("Why does it cost nothing?", key="take_free_why") if way == FREE else ""
        word, icon = _SENDS[way]
        sent = st.form_submit_button(word, type="primary", icon=f":material/{icon}:", width="stretch")
    if not sent:
        return None
    whole, places = bought.cost(typed, event.currency)
    now, payer, asked = bought.several.now(whole), contacts.payer(who or ""), bought.asked
    draft = Draft(
        reference, event.code, whole, payer.name, payer.email, payer.phone, bought.category_id, what_for,
        places, now, choice=asked.choice if asked else None, quoted=asked.quoted if asked else None,
    )  # fmt: skip
    return Sent(draft, way, now, tendered.of(now), slip, why or "")


def _choose(here: Person, event: EventView, way: str) -> _Bought | None:
    """None while the choice has no price: what is missing stands on the screen."""
    now = bootstrap.app().now()
    with bootstrap.app().sessions.read() as session:
        offers = on_sale.offers(session, here, event.code, now=now)
    currencies = quoting_in(now=now) if event.currency == "ZAR" else ()
    price = _choose_price(event, offers, currencies)
    category = next((line for line in offers.categories if line.id == price), None)
    in_another = price == _IN_ANOTHER_CURRENCY
    priced = offers.priced and price not in (_OWN_AMOUNT, _IN_ANOTHER_CURRENCY)
    shown = category.price if category and not priced else None
    several = ask_several(shown, may_be_part=way not in (EFT, FREE))
    asked: Asked | AskedQuote | None = None
    if priced:
        asked = ask_priced(here, event.code, offers, category, several.people, now=now)
    elif in_another:
        asked = ask_quoted(here, event.code, offers, currencies, several.people, now=now)
    if asked is None and (priced or in_another):
        return None
    return _Bought(several, category, asked, in_another)


def _choose_price(event: EventView, offers: Offers, currencies: tuple[str, ...]) -> int:
    """The id of a line of the price list, or _EXTRAS_ONLY, _IN_ANOTHER_CURRENCY or _OWN_AMOUNT."""
    prices = {line.id: line for line in offers.categories if line.price}
    if not prices and not offers.extras and not currencies:
        return _OWN_AMOUNT
    labels = {line.id: f"{escape(line.name)} · **{line.price}**{_period(line)}" for line in prices.values()}
    if offers.extras:
        labels[_EXTRAS_ONLY] = "Extras only"
    if currencies:
        labels[_IN_ANOTHER_CURRENCY] = f"Quoted in {' or '.join(currencies)}"
    labels[_OWN_AMOUNT] = "Another amount"
    chosen = st.pills(
        "For what",
        list(labels),
        format_func=labels.__getitem__,
        default=next(iter(labels)),
        required=True,
        key=f"take_price_{event.code}",
        persist_state="session",
    )
    return chosen if chosen in labels else _OWN_AMOUNT


def _period(line: CategoryOffer) -> str:
    """Which of its prices holds, and how many seats it has left."""
    left = "" if line.seats_left is None else f", {line.seats_left} left"
    return f" · {escape(line.period)}{left}" if line.period else ""


def _ask_amount() -> tuple[str, str]:
    """Not ``required``: a browser far away would hold back the press of who has chosen a price just now."""
    left, right = st.columns(2)
    typed = left.text_input("Amount in rand", key="take_amount", placeholder="150 or 1 500.00")
    with right:
        return typed or "", _ask_what_for()


def _ask_who() -> str | None:
    return st.text_input(
        "Who pays (optional)", key="take_who", placeholder="Name, badge, phone or e-mail",
        autocomplete="off",
    )  # fmt: skip


def _ask_what_for() -> str:
    return st.text_input("What for", key="take_what_for", placeholder="Late workshop seat") or ""
