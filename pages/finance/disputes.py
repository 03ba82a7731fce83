"""Disputes: what payers contest at their bank, until when it must be answered, and what came of it."""

import streamlit as st

import bootstrap
import ui
from payments.access.people import Action
from payments.money_back import disputes
from words import bank as bank_words

person = ui.require(Action.RECORD)
app = bootstrap.app()
#: Ended disputes that are shown before somebody asks for all of them.
FIRST = 10


def done(said: str) -> None:
    if said:
        ui.tell(said)
    st.rerun()


st.title("Disputes", anchor=False)
ui.outcome()
with ui.error_boundary():
    with app.sessions.read() as session:
        views = disputes.listed(session, person)
    if not views:
        ui.empty_state(
            "No payment is disputed",
            "When iKhokha tells of a chargeback, open the payment, choose Money, then Payer disputes it. "
            "Until the deadline the desk reminds you, and makes the evidence pack.",
            "gavel",
        )
    groups = {
        "To be answered": [one for one in views if one.state == "open"],
        "Lost, to be written down": [one for one in views if one.to_book],
        "The card scheme decides": [one for one in views if one.state == "sent"],
        "Ended": [one for one in views if not one.undecided and not one.to_book],
    }
    for heading, members in groups.items():
        if not members:
            continue
        st.subheader(heading, anchor=False)
        if heading in bank_words.DISPUTES_HELP:
            ui.plain(bank_words.DISPUTES_HELP[heading], "faint")
        whole = heading != "Ended" or len(members) <= FIRST or st.toggle(f"All {len(members)}")
        for view in members if whole else members[:FIRST]:
            ui.dispute_card(view, done)
