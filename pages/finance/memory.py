"""Payer memory: who usually pays for whom, from which matches the desk knows it, and forgetting it."""

import streamlit as st

import bootstrap
import ui
import words
from payments.access.people import Action, Person
from payments.reconciling import payer_memory
from payments.reconciling.payer_memory import Remembered

person = ui.require(Action.SEE_BANK)
app = bootstrap.app()


def page(here: Person) -> None:
    text = st.text_input(
        "Payer or person", key="memory_text", placeholder="A name, an address, or what the bank writes",
        icon=":material/search:", width=420,
    )  # fmt: skip
    with app.sessions.read() as session:
        found, there = payer_memory.listed(session, here, now=app.now(), text=text)
    if not found:
        if text:
            ui.plain("Nobody like this is remembered.", "faint")
            return
        ui.empty_state(
            "Nobody is remembered yet",
            "When a line is matched, the desk remembers whom its payer paid for. An exact reference always "
            "counts more, and what is remembered fades within a year.",
            "psychology",
        )
        return
    told = f"{words.count(there, 'payer', 'payers')} remembered"
    ui.plain(told if there == len(found) else f"{told}; those most often seen are shown.", "faint")
    for one in found:
        card(here, one)


def card(here: Person, one: Remembered) -> None:
    with st.container(border=True, key=f"memory_{one.line_id}_{one.payment_id}"):
        ui.plain(one.payer.upper(), "title")
        ui.plain(f"pays for {', '.join(one.people[:3])} · {one.contact}")
        seen = f"Seen in {words.count(one.seen, 'match', 'matches')}, {one.by_people} by people"
        ui.plain(f"{seen}; spoke in {one.used} of them; last {one.last_on:%-d %b %Y}. {weight(one)}", "faint")
        with st.expander("From which matches", icon=":material/history:"):
            for lesson in one.lessons:
                st.page_link(
                    "pages/monitor/payments.py", query_params={"payment": lesson.reference},
                    label=ui.escape(
                        f"{lesson.on:%-d %b %Y} · {lesson.text} · {lesson.reference} · by {lesson.by}"
                    ),
                )  # fmt: skip
        if here.may(Action.RECONCILE):
            forgetting(one)


def weight(one: Remembered) -> str:
    if one.firm:
        return "With the amount it is enough for a match by itself."
    return "It is shown as a sign, and is not enough for a match." if one.speaks else "It has faded."


def forgetting(one: Remembered) -> None:
    key = f"{one.line_id}_{one.payment_id}"
    with st.popover("Forget it", icon=":material/psychology_alt:"), st.form(f"forget_{key}", border=False):
        why = st.text_input("Why?", key=f"forget_why_{key}", max_chars=500)
        if st.form_submit_button("Forget it", type="primary", shortcut="Mod+Enter"):
            said = "Forgotten, until a match says so anew. What was matched stays."
            ui.act(said, payer_memory.forget, one.line_id, one.payment_id, why)
            st.rerun()


st.title("Payer memory", anchor=False)
ui.outcome()
with ui.error_boundary():
    page(person)
