"""Payer memory: who usually pays for whom, from which matches the desk knows it; corrected, or forgotten."""

import streamlit as st

import bootstrap
import ui
import words
from payments.access.people import Action, Person
from payments.reconciling import payer_memory
from payments.reconciling.payer_memory import Correction, Remembered, Somebody

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
        ui.plain(f"{taught(one)} {weight(one)}", "faint")
        for correction in one.corrections:
            ui.plain(
                f"Corrected by {correction.by} on {correction.on:%-d %b %Y}: it stood for {correction.was} · "
                f"{correction.was_contact}."
            )
        if one.lessons:
            lessons(one)
        if here.may(Action.RECONCILE):
            with st.container(horizontal=True):
                correcting(here, one)
                forgetting(one)
                for correction in one.corrections:
                    taking_back(correction)


def lessons(one: Remembered) -> None:
    with st.expander("From which matches", icon=":material/history:"):
        for lesson in one.lessons:
            st.page_link(
                "pages/monitor/payments.py", query_params={"payment": lesson.reference},
                label=ui.escape(
                    f"{lesson.on:%-d %b %Y} · {lesson.text} · {lesson.reference} · by {lesson.by}"
                ),
            )  # fmt: skip


def taught(one: Remembered) -> str:
    if not one.seen:
        return "Seen in no match yet."
    seen = f"Seen in {words.count(one.seen, 'match', 'matches')}, {one.by_people} by people"
    by = f"taught by {', '.join(one.taught_by[:3])}"
    return f"{seen}; {by}; spoke in {one.used} of them; last {one.last_on:%-d %b %Y}."


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


def correcting(here: Person, one: Remembered) -> None:
    key = f"{one.line_id}_{one.payment_id}"
    with st.popover("Correct it", icon=":material/edit:"):
        text = st.text_input(
            "Who is it really?", key=f"correct_find_{key}", placeholder="Name, reference, e-mail or number",
            icon=":material/search:",
        )  # fmt: skip
        if not text.strip():
            return
        with bootstrap.app().sessions.read() as session:
            found = payer_memory.could_be(session, here, text)
        is_cut = len(found) == payer_memory.FOUND
        found = [some for some in found if some.contact != one.contact]
        if not found:
            ui.plain("No payment of somebody else with an address or a number is found by this.", "faint")
            return
        if is_cut:
            ui.plain("There may be more of them: type more of the name.", "faint")
        correction(one, {some.payment_id: some for some in found}, key)


def correction(one: Remembered, found: dict[int, Somebody], key: str) -> None:
    def named(payment_id: int) -> str:
        some = found[payment_id]
        return ui.escape(f"{some.name} · {some.contact} · {some.reference} · {some.event}")

    with st.form(f"correct_{key}", border=False):
        chosen = st.radio(
            "Pays for", list(found), format_func=named, key=f"correct_to_{key}",
            index=0 if len(found) == 1 else None,
        )  # fmt: skip
        why = st.text_input("Why?", key=f"correct_why_{key}", max_chars=500)
        if st.form_submit_button("Correct it", type="primary", shortcut="Mod+Enter"):
            if chosen is None:
                ui.problem("Choose who it is first.")
                return
            said = f"{one.payer.upper()} stands for {found[chosen].name} by now. What was matched stays."
            ui.act(said, payer_memory.correct, one.line_id, one.payment_id, chosen, why)
            st.rerun()


def taking_back(correction: Correction) -> None:
    with (
        st.popover("Take the correction back", icon=":material/undo:", key=f"taking_back_{correction.id}"),
        st.form(f"take_back_{correction.id}", border=False),
    ):
        why = st.text_input("Why?", key=f"take_back_why_{correction.id}", max_chars=500)
        if st.form_submit_button("Take it back", type="primary", shortcut="Mod+Enter"):
            said = f"Taken back: {correction.was} is remembered as before."
            ui.act(said, payer_memory.take_back, correction.id, why)
            st.rerun()


st.title("Payer memory", anchor=False)
ui.outcome()
with ui.error_boundary():
    page(person)
