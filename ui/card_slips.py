"""Card slips that no line of the bank has brought: by machine and shift, each slip a door to its payment."""

from collections.abc import Sequence

import streamlit as st

import words
from payments.at_the_door.card_watch import WaitingSlips
from ui.pieces import escape, moment, plain


def waiting_slips(waits: Sequence[WaitingSlips]) -> None:
    """Nothing, where nothing waits."""
    if not waits:
        return
    slips = sum(len(one.slips) for one in waits)
    label = f"{words.count(slips, 'card slip', 'card slips')} in no line of the bank yet"
    with st.expander(label, icon=":material/credit_card:"):
        for one in waits:
            _machine(one)


def _machine(one: WaitingSlips) -> None:
    counted = f", the machine says {one.counted}" if one.counted else ", not counted yet"
    plain(f"{one.machine} · {one.till} · {one.day:%-d %b %Y}{counted}", "title")
    plain(f"Told from {moment(one.due)} on, until its batch is matched.", "faint")
    for slip in one.slips:
        card = f" · card ending in {slip.last_four}" if slip.last_four else ""
        st.page_link(
            "pages/monitor/payments.py", query_params={"payment": slip.reference},
            label=escape(f"{slip.amount} · slip {slip.slip_number}{card} · {slip.payer_name}"),
        )  # fmt: skip
