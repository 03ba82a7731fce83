"""Money on the table: what was handed over, what a card machine printed, and what was taken in the end."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import streamlit as st

import bootstrap
import words
from db.money import Money
from payments.access.people import Person
from payments.at_the_door import cash_up, door
from payments.at_the_door.door import Taken
from payments.at_the_door.slips import Slip
from payments.errors import InvalidInput
from ui.claims import amount_of
from ui.components import announce
from ui.organiser_form import till_receipt
from ui.pieces import big, escape, facts, plain

EXACT = 0
#: What is handed over is the next round sum, in cents: the price up to one of these.
_ROUND = (2_000, 5_000, 10_000, 20_000, 50_000, 100_000)


@dataclass(frozen=True)
class Tendered:
    """What was handed over, as it was chosen or typed."""

    chosen: int = EXACT
    typed: str = ""

    def of(self, asked: Money) -> Money:
        """So much of it for what is asked. Raises InvalidInput."""
        if not self.typed.strip():
            return Money(self.chosen or asked.minor, asked.currency)
        typed = amount_of(self.typed, asked.currency)
        if self.chosen not in (EXACT, typed.minor):
            chosen = Money(self.chosen, asked.currency)
            raise InvalidInput(f"{chosen} is chosen as handed over, and {typed} typed. Leave one of them.")
        return typed


def ask_tendered(price: Money | None, *, key: str) -> Tendered:
    """What was handed over: as much as is asked for, the next round sums, or what is typed."""
    least = price.minor if price else 1
    sums = sorted({-(-least // each) * each for each in _ROUND} - {least})
    labels = {EXACT: "Exact"} | {each: str(Money(each)) for each in sums}
    left, right = st.columns([3, 2])
    chosen = left.pills("Handed over", list(labels), format_func=labels.__getitem__, default=EXACT, key=key)
    typed = right.text_input("Another sum", key=f"{key}_other", placeholder="310", autocomplete="off")
    if price and (rest := no_coin(price)):
        plain(f"{price} cannot be counted out to the cent: {rest}", "faint")
    return Tendered(chosen if chosen in labels else EXACT, typed or "")


def no_coin(amount: Money) -> str:
    """Why cash cannot make exactly so much; empty where it can. What is done about it is for people."""
    if amount.currency != "ZAR" or not amount.minor % cash_up.SMALLEST:
        return ""
    return f"South Africa's smallest coin is {cash_up.SMALLEST}c."


def ask_slip(machines: Sequence[str]) -> Slip:
    left, right = st.columns(2)
    number = left.text_input("Slip number", key="take_slip", required=True, autocomplete="off")
    last_four = right.text_input("Card's last four", key="take_last_four", max_chars=4, autocomplete="off")
    return Slip(number or "", last_four or "", ask_machine(machines, key="take_machine"))


def ask_machine(machines: Sequence[str], *, key: str) -> str:
    """The machine of the payer before stays chosen; one that no slip is of yet is typed."""
    if not machines:
        return st.text_input("Card machine", key=key, placeholder="Speedpoint 2") or ""
    left, right = st.columns([3, 2])
    chosen = left.pills(
        "Card machine",
        list(machines),
        default=machines[0],
        format_func=escape,
        key=f"{key}_known_{machines[0]}",
    )
    typed = right.text_input("Another machine", key=key, placeholder="Speedpoint 2")
    return (typed or "").strip() or chosen or ""


def receipt_panel(here: Person, entry_id: int, *, then: Callable[[], None]) -> None:
    """What was taken just now, and the change to give back."""
    with bootstrap.app().sessions.read() as session:
        taken = door.receipt(session, here, entry_id)
    with st.container(border=True, key="take_done"):
        if taken.change:
            big("Give back", str(taken.change), f"{taken.tendered} for {taken.amount}")
            if rest := no_coin(taken.change):
                plain(f"{taken.change} cannot be counted out to the cent: {rest}", "faint center")
        else:
            big(words.METHOD[taken.method], str(taken.amount), "nothing to give back")
        facts(_receipt_facts(taken))
        announce(f"Taken: {taken.amount}.", key="take_announce", ring=True)
        st.button(
            "Next payer",
            type="primary",
            icon=":material/person_add:",
            on_click=then,
            width="stretch",
            shortcut="Enter",
        )
        till_receipt(here, entry_id)
        st.page_link("pages/door/shift.py", label="Correct it in my shift", icon=":material/undo:")


def _receipt_facts(taken: Taken) -> dict[str, str | None]:
    slip = taken.slip
    return {
        "Receipt": taken.label,
        "From": taken.payer_name,
        "Event": taken.event_name,
        "Reference": taken.reference,
        "Slip": f"{slip.number} {slip.machine}".strip() if slip else None,
        "Card": f"•••• {slip.last_four}" if slip and slip.last_four else None,
        "Still owed": str(taken.balance) if taken.balance.minor > 0 else None,
    }
