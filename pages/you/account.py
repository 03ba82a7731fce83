"""Your account: password, passkeys, app for codes, where you are signed in; for an admin, where all are."""

from collections.abc import Sequence

import streamlit as st

import bootstrap
import ui
import words
from payments.access import browsers, passkeys, second_factor
from payments.access.browsers import BrowserView
from payments.access.people import Action
from payments.access.second_factor import MONEY_ROLES, Standing
from payments.access.signin import SignedIn

person = ui.require(Action.SEE)
app = bootstrap.app()


# -- how one comes in ---------------------------------------------------------------------------------


def ways_in(here: SignedIn, standing: Standing | None) -> None:
    left, middle, right = st.columns(3)
    with left.container(border=True, height="stretch"):
        ui.plain("Password", "title")
        ui.plain("Set." if here.has_password else "You have none: you come in by links.", "faint")
        st.space("stretch")
        ui.link_here("/password", "Change it" if here.has_password else "Choose one")
    with middle.container(border=True, height="stretch"):
        ui.plain("Passkeys", "title")
        with app.sessions.read() as session:
            names = [one.name for one in passkeys.mine(session, person)]
        ui.plain(
            ", ".join(names) or "None yet. With one you sign in and confirm by face, finger or PIN.", "faint"
        )
        st.space("stretch")
        ui.link_here("/passkeys", "See or add" if names else "Add one")
    with right.container(border=True, height="stretch"):
        ui.plain("App for codes", "title")
        codes(here, standing)
        st.space("stretch")
        ui.link_here("/code-app", "Set up another phone" if standing else "Set it up")


def codes(here: SignedIn, standing: Standing | None) -> None:
    if standing is not None:
        left = words.count(standing.left, "code", "codes")
        ui.plain(f"On your phone since {ui.moment(standing.since)}. {left} on paper left.", "faint")
        if standing.left <= 2:
            ui.trouble("Few codes on paper are left.", "Set up the phone anew to get more.", bad=False)
    elif here.person.role in MONEY_ROLES and not app.settings.demo and not here.has_passkeys:
        ui.trouble(
            "Not set up.",
            "What moves money takes a passkey or a code: until then you can only look.",
            bad=True,
        )
    else:
        ui.plain("Not set up. With it, nobody can use your password alone.", "faint")


# -- where one is signed in ---------------------------------------------------------------------------


def places(found: Sequence[BrowserView], here: SignedIn, *, named: bool) -> None:
    with st.grid(3, min_column_width=300):
        for one in found:
            place(one, here, named=named)


def place(one: BrowserView, here: SignedIn, *, named: bool) -> None:
    with st.container(border=True, height="stretch"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            ui.plain(one.name if named else one.device, "title")
            if one.id == here.session_id:
                st.badge("This one", icon=":material/check:", color="green")
        if named:
            ui.plain(one.email, "faint")
        ui.facts(
            {
                "Browser": one.device if named else None,
                "From": one.address or None,
                "Last seen": ui.moment(one.active_at),
                "Signed in": ui.moment(one.since),
                "Ends by itself": ui.moment(one.ends_at),
            }
        )
        st.space("stretch")
        if one.id != here.session_id:
            said = f"{one.name if named else 'You'} {'is' if named else 'are'} signed out there."
            st.button(
                "Sign out there", key=f"out_{one.id}", icon=":material/logout:", on_click=ui.act,
                args=(said, browsers.sign_out, one.id),
            )  # fmt: skip


# -- the page -----------------------------------------------------------------------------------------


def page(here: SignedIn) -> None:
    oversees = person.may(Action.MANAGE_PEOPLE)
    with app.sessions.read() as session:
        standing = second_factor.standing(session, person.id)
        own = browsers.mine(session, person, now=app.now())
        everybody = browsers.everybodys(session, person, now=app.now()) if oversees else []
    st.title("Your account", anchor=False)
    ui.outcome()
    ui.plain(f"{person.name} · {words.ROLE[person.role][0]} · {person.email}", "faint")
    ways_in(here, standing)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("Where you are signed in", anchor=False, width="content")
        if len(own) > 1:
            st.button(
                "Sign out everywhere else", key="out_others", icon=":material/logout:", on_click=ui.act,
                args=("You are signed out everywhere else.", browsers.sign_out_others, here.session_id),
            )  # fmt: skip
    places(own, here, named=False)
    ui.mail_form(person)
    if oversees:
        st.subheader("Everybody else", anchor=False)
        others = [one for one in everybody if one.person_id != person.id]
        if others:
            places(others, here, named=True)
        else:
            ui.plain("Nobody else is signed in now.", "faint")


if (now_here := ui.signed_in(active=False)) is not None:
    page(now_here)
