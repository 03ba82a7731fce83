"""Door board: three letters or a scan, and whether this person may come in."""

from collections.abc import Callable

import streamlit as st

import bootstrap
import ui
import words
from payments.access.people import Action
from payments.at_the_door import admission
from payments.at_the_door.admission import Guest, Light
from payments.selling import events
from payments.selling.events import EventView, State

person = ui.require(Action.TAKE_MONEY)
app = bootstrap.app()


def choose_event(there: list[EventView]) -> str:
    by_code = {event.code: event for event in there}
    if len(by_code) == 1:
        ui.plain(there[0].name, "title")
        return there[0].code
    return st.selectbox(
        "Event", list(by_code), format_func=lambda code: by_code[code].name, key="board_event",
        persist_state="session", on_change=next_guest,
    )  # fmt: skip


def next_guest() -> None:
    st.session_state.board_text = ""
    st.session_state.pop("board_open", None)


def look_at(reference: str, place: int) -> None:
    st.session_state.board_open = (reference, place)


def asked_anew() -> None:
    st.session_state.pop("board_open", None)


# -- who it may be ----------------------------------------------------------------------------------


def several(guests: tuple[Guest, ...]) -> None:
    for guest in guests:
        look, row = words.LIGHT[guest.light], guest.row
        inside = " · in already" if guest.entrance else ""
        who = f"{guest.name} ({row.payer_name})" if guest.place else row.payer_name
        told = ui.escape(f"{who} · {row.category or guest.amount or row.amount} · {look.word}{inside}")
        st.button(
            f":{look.tone}[:material/{look.icon}:] {told}", key=f"board_{row.reference}_{guest.place}",
            on_click=look_at, args=(row.reference, guest.place), width="stretch",
        )  # fmt: skip
    if len(guests) == admission.MOST and len({guest.row.id for guest in guests}) > 1:
        ui.plain("There may be more: type more of the name.", "faint")


def show(guest: Guest) -> None:
    row, who = guest.row, guest.name or guest.row.payer_name
    if guest.entrance:
        seen = f"In since {ui.moment(guest.entrance.at)}, let in by {guest.entrance.by}"
        ui.big("Is in already", who, seen, tone="grey")
        ui.announce(f"{who} is in already.", key="board_announce")
    else:
        ui.big(words.LIGHT[guest.light].word, who, guest.missing, tone=guest.light)
        ui.announce(f"{words.LIGHT[guest.light].word}: {who}.", key="board_announce")
    what_next(guest)
    ui.facts(
        {
            "For": row.category,
            "Amount": str(guest.amount or row.amount),
            "Paid for by": row.payer_name if guest.place else None,
            "Reference": row.reference,
            "Let in although": guest.entrance.why if guest.entrance else None,
        }
    )
    if not guest.entrance:
        somebody_else(guest)


def what_next(guest: Guest) -> None:
    reference, place = guest.row.reference, guest.place
    with ui.error_boundary(), st.container(key="board_next", gap="small"):
        if guest.entrance:
            if st.button("Undo: not in", icon=":material/undo:", width="stretch", key="board_undo"):
                app.sessions.run(
                    lambda session: admission.undo(session, person, reference, place=place, now=app.now())
                )
                st.rerun()
        elif guest.light is Light.GREEN:
            if st.button(  # no key of its own: Enter looks for the next, who is not the one shown here
                "Let in", type="primary", icon=":material/door_open:", width="stretch", key="board_let_in"
            ):
                let_in(guest, "")
        else:
            if guest.owed and st.button(
                f"Take {guest.owed} now", type="primary", icon=":material/payments:", width="stretch",
                key="board_take",
            ):  # fmt: skip
                st.session_state.take_open = reference
                st.session_state[f"part_place_{reference}"] = place
                st.switch_page("pages/door/take.py")
            against_the_light(guest)
        st.button(
            "Next", icon=":material/person_search:", on_click=next_guest, width="stretch", key="board_done"
        )


def let_in(guest: Guest, why: str) -> None:
    app.sessions.run(
        lambda session: admission.let_in(
            session, person, guest.row.reference, place=guest.place, why=why, now=app.now()
        )
    )
    st.session_state.board_said = f"{guest.name or guest.row.payer_name} is in."
    st.rerun()


def against_the_light(guest: Guest) -> None:
    with st.expander("Let in all the same", icon=":material/door_open:"), st.form("board_why", border=False):
        why = st.text_input("Why?", key="board_reason", placeholder="Speaker; the office pays on Monday")
        if st.form_submit_button("Let in", width="stretch"):
            let_in(guest, why or "")


def somebody_else(guest: Guest) -> None:
    with (
        st.expander("Somebody else comes instead", icon=":material/swap_horiz:"),
        ui.error_boundary(),
        st.form("board_other", border=False),
    ):
        name = st.text_input("Who comes", key="board_name", autocomplete="off")
        if st.form_submit_button("Change the name", width="stretch"):
            app.sessions.run(
                lambda session: admission.substitute(
                    session, person, guest.row.reference, name or "", place=guest.place, now=app.now()
                )
            )
            look_at(guest.row.reference, guest.place)
            st.rerun()


def find(code: str, text: str) -> None:
    with app.sessions.read() as session:
        opened = st.session_state.get("board_open")
        guests = (
            (admission.guest(session, person, *opened),)
            if opened
            else admission.look_up(session, person, code, text)
        )
    if not guests:
        ui.empty_state(
            "Nobody of this event", "Type another part of the name, the phone or the reference.", "search_off"
        )
        take_instead()
    elif len(guests) == 1:
        show(guests[0])
    else:
        several(guests)


def take_instead() -> None:
    st.page_link("pages/door/take.py", label="Take a payment", icon=":material/qr_code_2:")


def centre(draw: Callable[[], None]) -> None:
    """As wide as a phone held in one hand, on every screen."""
    with st.container(width=560, key="board"):
        draw()


def page() -> None:
    with app.sessions.read() as session:
        there = events.list_events(session, person, states=(State.OPEN,))
    if not there:
        ui.empty_state("No event is open now", "An admin opens one under Events.", "event_busy")
        return
    code = choose_event(events.nearest_first(there, now=app.now()))
    with app.sessions.read() as session:
        counted = admission.fullness(session, person, code)
    ui.plain(f"{words.number(counted.let_in)} in, of {words.number(counted.paid)} paid", "faint")
    text = st.text_input(
        "Name, phone or reference", key="board_text", placeholder="Three letters, or scan the code",
        autocomplete="off", on_change=asked_anew,
    )  # fmt: skip
    ui.hotkeys({}, key="board", focus="board_text")
    if said := st.session_state.pop("board_said", None):
        ui.announce(said, key="board_said_aloud")
    if text or st.session_state.get("board_open"):
        with ui.error_boundary():
            find(code, text or "")
    else:
        ui.plain("Green may come in, amber needs a look, red has not paid.", "faint")


st.title("Door board", anchor=False)
centre(page)
