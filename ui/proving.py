"""Confirming that it is oneself, before a step that asks for it; then it is done, as it was asked for."""

from collections.abc import Callable

import streamlit as st

import bootstrap
from payments.access import by_passkey, passkeys, proving
from payments.access.people import Person
from payments.access.signin import SignedIn
from payments.errors import NotAllowed, PaymentsError, ProveAgain
from ui import here as door
from ui.components import component
from ui.pieces import escape, link_out, plain, problem

Step = Callable[[Person], object]

#: What waits, what is wrong with what was typed, and what came of the step.
_WAITS, _WRONG, _FAILED, _TYPED = "proving_waits", "proving_wrong", "proving_failed", "proving_typed"
_PASSKEY, _SEALED = "proving_passkey", "proving_sealed"
_TOLD = "acted_told"
_ASKED = {
    "code": ("Code from your app", "Six digits, or a code on paper"),
    "password": ("Your password", "The one you sign in with"),
}


def go(step: Step, *, inside: bool = False) -> bool:
    """Do a step as whoever is here; False when they must confirm first: then it waits, with all that was
    typed for it, and is done as soon as they have. ``inside`` a dialog it is ``confirm_here`` that asks.

    Raises whatever the step does.
    """
    here = door.signed_in()
    if here is None:
        raise NotAllowed("You are not signed in any more. Sign in, and do it again.")
    try:
        step(here.person)
    except ProveAgain:
        st.session_state[_WAITS] = (step, inside)
        return False
    return True


def act(done: str, change: Callable[..., object], *args: object) -> None:
    """Run one change (``change(session, person, *args, now=)``) as whoever is here, in one transaction;
    ``outcome`` says at the top of the page what came of it, in the words of ``done``."""
    app = bootstrap.app()

    def do(me: Person) -> None:
        app.sessions.run(lambda session: change(session, me, *args, now=app.now()))
        tell(done)

    attempt(do)


def attempt(step: Step) -> None:
    """The same of a step that has a transaction of its own: ``outcome`` says why it was not done, refused or
    broken. What a callback raised would leave no page."""
    with door.error_boundary(say=_tell_problem):
        go(step)


def _tell_problem(sentence: str) -> None:
    tell(sentence, bad=True)


def tell(sentence: str, *, bad: bool = False) -> None:
    """Have ``outcome`` say what was done, or why it was not."""
    st.session_state[_TOLD] = (sentence, bad)


def outcome() -> None:
    """What came of the last step, once, at the top of the page that is drawn after it."""
    sentence, bad = st.session_state.pop(_TOLD, ("", False))
    if sentence and bad:
        problem(sentence)
    elif sentence:
        st.success(escape(sentence), icon=":material/check:")


def confirm_in_dialog() -> None:
    """On each page: ask for what waits, and tell what came of it where that was no good."""
    door.at_hand()
    if failed := st.session_state.pop(_FAILED, None):
        problem(failed)
    waits = st.session_state.get(_WAITS)
    if waits is not None and not waits[1]:
        _dialog()


def confirm_here() -> bool:
    """At the top of a dialog: the same, in its place. Whether it asks now."""
    if failed := st.session_state.pop(_FAILED, None):
        problem(failed)
    waits = st.session_state.get(_WAITS)
    asks = waits is not None and waits[1]
    if asks:
        with st.container(border=True, key="proving_here"):
            plain("Confirm that it is you", "title")
            _ask()
    return asks


def forget() -> None:
    """What waits is not done."""
    for key in (_WAITS, _WRONG, _TYPED):
        st.session_state.pop(key, None)


@st.dialog("Confirm that it is you", on_dismiss=forget)
def _dialog() -> None:
    if st.session_state.get(_WAITS) is None:
        st.rerun()
    _ask()


def _ask() -> None:
    here = door.signed_in()
    if here is None:
        st.rerun()
    app = bootstrap.app()
    if door.fetch_cookie(_go_on):
        plain("Confirmed. It is being done.")
        return
    plain("This step asks for it. It is done right after; for five minutes you are not asked again.")
    if wrong := st.session_state.pop(_WRONG, None):
        problem(wrong)
    how = proving.asks_for(here, demo=app.settings.demo)
    if here.has_passkeys:
        _ask_passkey(here.person)
    if how == "set up":
        plain(proving.SET_UP_FIRST)
        link_out("/passkeys", "Add a passkey, in a tab of its own")
        link_out("/code-app", "Set up the app, in a tab of its own")
    with st.form("proving", border=False):
        if how in _ASKED:
            label, hint = _ASKED[how]
            st.text_input(
                label, key=_TYPED, type="password" if how == "password" else "default", placeholder=hint,
                autocomplete="one-time-code" if how == "code" else "current-password",
            )  # fmt: skip
        elif how == "nothing":
            plain("This is a demo desk, and you have no password here: there is nothing to type.", "faint")
        with st.container(horizontal=True):
            if how != "passkey":
                st.form_submit_button(
                    "I have set it up" if how == "set up" else "Confirm and go on",
                    type="primary", icon=":material/verified_user:", on_click=_confirm,
                )  # fmt: skip
            st.form_submit_button("Not now", on_click=forget)


def _confirm() -> None:
    """Prove it; what waits is done once the browser has the cookie of the session as it is then."""
    app = bootstrap.app()
    typed = st.session_state.get(_TYPED, "") or ""
    if st.session_state.get(_WAITS) is None:
        return
    try:
        word = proving.prove(
            app.sessions, door.token(), typed, app.keys,
            demo=app.settings.demo, now=app.now(), steady=app.steady(),
        )  # fmt: skip
    except PaymentsError as error:
        st.session_state[_WRONG] = str(error)
        return
    finally:
        if _TYPED in st.session_state:
            st.session_state[_TYPED] = ""
    door.renew(word)


def _ask_passkey(me: Person) -> None:
    """A button that asks the browser for one. What it is asked is kept here until it answers."""
    app = bootstrap.app()
    if (party := app.settings.party) is None:
        return
    with app.sessions.read() as session:
        asked = passkeys.ask_proof(session, me, app.keys, party, now=app.now())
    st.session_state[_SEALED] = asked.sealed
    component("passkey")(
        key=_PASSKEY, on_answer_change=_confirm_by_passkey,
        data={"options": asked.options, "party": party.id, "origin": party.origin},
    )  # fmt: skip


def _confirm_by_passkey() -> None:
    """The same as ``_confirm``, by what the browser answered."""
    app, answer = bootstrap.app(), getattr(st.session_state.get(_PASSKEY), "answer", None)
    party, sealed = app.settings.party, st.session_state.get(_SEALED, "")
    if party is None or not isinstance(answer, str) or st.session_state.get(_WAITS) is None:
        return
    try:
        door.renew(
            by_passkey.prove(app.sessions, door.token(), answer, sealed, app.keys, party, now=app.now())
        )
    except PaymentsError as error:
        st.session_state[_WRONG] = str(error)


def _go_on() -> None:
    """Do what waits."""
    door.fetched()
    step, _inside = st.session_state.pop(_WAITS, None) or (None, False)
    if step is None:
        return
    with door.error_boundary(say=_failed):
        step(_person(door.signed_in()))


def _failed(sentence: str) -> None:
    st.session_state[_FAILED] = sentence


def _person(here: SignedIn | None) -> Person:
    if here is None:
        raise NotAllowed("You are not signed in any more. Sign in, and do it again.")
    return here.person
