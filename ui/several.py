"""Several people on one payment, and money for a part of it: asked for, shown, taken one by one."""

from collections.abc import Sequence
from dataclasses import dataclass

import streamlit as st

from db.money import Money
from payments.at_the_door.slips import Slip
from payments.errors import InvalidInput
from payments.payers.places import MOST, PlaceDraft, PlaceView
from ui.at_till import Tendered, ask_machine, ask_tendered
from ui.claims import amount_of
from ui.pieces import ledger

LINK, CASH, SLIP = "Link", "Cash", "Card slip"


@dataclass(frozen=True)
class Several:
    """For how many, by which names as far as they are known. ``part``: so much of it is asked for now."""

    people: int = 1
    names: tuple[str, ...] = ()
    part: str = ""

    def whole(self, each: Money) -> Money:
        return each * self.people

    def places(self, each: Money) -> tuple[PlaceDraft, ...]:
        if self.people == 1:
            return ()
        if len(self.names) > self.people:
            raise InvalidInput(f"There are {len(self.names)} names for {self.people} people.")
        named = (*self.names, *[""] * (self.people - len(self.names)))
        return tuple(PlaceDraft(each, name) for name in named)

    def now(self, whole: Money) -> Money:
        """What is asked for now. Raises InvalidInput."""
        if not self.part.strip():
            return whole
        part = amount_of(self.part, whole.currency)
        if not 1 <= part.minor <= whole.minor:
            raise InvalidInput(f"A part is more than nothing, and {whole} at most.")
        return part


def ask_several(price: Money | None, *, may_be_part: bool) -> Several:
    """Folded away: most payments are for one person, and whole."""
    with st.expander("Several people, or only a part now", icon=":material/groups:"):
        left, right = st.columns(2)
        people = left.number_input("How many people", 1, MOST, 1, key="take_people")
        part = (
            right.text_input("Only so much now, in rand", key="take_part", placeholder="All of it")
            if may_be_part
            else ""
        )
        names = (
            st.text_area(
                "Who they are, one a line (optional)", key="take_names", height="content", max_chars=12_000
            )
            if people > 1
            else ""
        )
    told = Several(
        int(people), tuple(line.strip() for line in (names or "").splitlines() if line.strip()), part or ""
    )
    if price is not None and told != Several():
        whole = told.whole(price)
        st.caption(f"{people} × {price} = {whole}" if people > 1 else str(whole))
    return told


def price_now(told: Several, price: Money | None, currency: str) -> Money | None:
    """What will be on the table, for the round sums that may be handed over; None while it is not known.
    ``currency`` is the event's: a part may be typed before any price is."""
    if told.part.strip():
        try:
            return amount_of(told.part, price.currency if price else currency)
        except InvalidInput:
            return None
    return told.whole(price) if price else None


def places_list(places: Sequence[PlaceView]) -> None:
    """Each of several people, with what is missing for them."""
    if not places:
        return
    missing = [place for place in places if place.missing]
    told = (
        f"{len(places)} people, {len(missing)} not paid in full"
        if missing
        else f"{len(places)} people, all paid"
    )
    with st.expander(told, icon=":material/groups:"):
        ledger(
            (
                place.name,
                f"{place.missing} missing" if place.missing else "Paid",
                "bad" if place.paid and place.missing else "",
            )
            for place in places
        )


@dataclass(frozen=True)
class PartTaken:
    """What somebody chose: a way, for whom (0: for all of them), how much of it."""

    way: str
    place: int
    amount: Money
    tendered: Money
    slip: Slip | None = None


def part_form(
    reference: str,
    balance: Money,
    places: Sequence[PlaceView],
    *,
    machines: Sequence[str] | None,
    may_link: bool,
) -> PartTaken | None:
    """Money for a payment that is there already: all that is owed, a part, or what one of them is missing.

    ``machines`` are those that a slip at this till may be of; None away from a till.
    """
    ways = [*([CASH, SLIP] if machines is not None else []), *([LINK] if may_link else [])]
    whom = {0: f"All of it, {balance}"} | {
        place.number: f"{place.name}: {place.missing} missing" for place in places if place.missing
    }
    place = (
        st.selectbox("For whom", list(whom), format_func=whom.__getitem__, key=f"part_place_{reference}")
        if len(whom) > 1
        else 0
    )
    missing = next((one.missing for one in places if one.number == place), balance)
    this = f"{reference}_{place}_{missing.minor}"  # what was typed for something else is not taken for this
    with st.form("part", border=False):
        way = st.segmented_control("How", ways, default=ways[0], required=True, key=f"part_how_{reference}")
        typed = st.text_input("How much", missing.decimal, key=f"part_amount_{this}", required=True)
        tendered, number, machine = Tendered(), "", ""
        if machines is not None:
            tendered = ask_tendered(missing, key=f"part_tendered_{this}")
            number = st.text_input(
                "Slip number, if by card", key=f"part_slip_{reference}", autocomplete="off"
            )
            machine = ask_machine(machines, key=f"part_machine_{reference}")
        if not st.form_submit_button("Go on", type="primary", width="stretch"):
            return None
    amount = amount_of(typed or "", balance.currency)
    if way == LINK and place and amount != missing:
        raise InvalidInput(f"A link for one of them is for all that is missing, {missing}.")
    slip = Slip(number or "", machine=machine) if way == SLIP else None
    handed = tendered.of(amount) if way == CASH else amount
    return PartTaken(str(way), place, amount, handed, slip)
