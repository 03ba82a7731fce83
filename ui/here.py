"""Who is here, and what an error says: the first lines of every page."""

import logging
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

import bootstrap
from payments.access import people, signin
from payments.access.people import Action, Person
from payments.books import refusals
from payments.errors import NotAllowed, PaymentsError
from payments.watching import health
from ui.components import component
from ui.pieces import empty_state, problem, way_in

log = logging.getLogger("paydesk.ui")

#: Of a session that was renewed on this page: the cookie it came with, its token now, and the last word.
_RENEWED = "renewed_session"


def cookie(name: str) -> str | None:
    """A cookie of the browser. The one place that reads one; outside a browser there is none."""
    value = st.context.cookies.get(name)
    return value if isinstance(value, str) else None


def signed_in(*, active: bool = True) -> signin.SignedIn | None:
    """Who is here by the session's row, looked up on every run, so that ending it is felt at once.

    ``active`` is False for what a page does by itself: its ticks keep nobody signed in.
    """
    app = bootstrap.app()
    return signin.who(app.sessions, token(), now=app.now(), active=active)


def token() -> str | None:
    """What this page's session is known by: the cookie its socket was opened with, or what became of it."""
    came_with = cookie(signin.cookie_name(bootstrap.app().settings.dashboard_url))
    first, latest, _word = st.session_state.get(_RENEWED, (None, None, ""))
    return latest if came_with is not None and came_with == first else came_with


def renew(word: str) -> None:
    """The session has another token from here on; the browser is yet to come for its cookie."""
    first, latest = cookie(signin.cookie_name(bootstrap.app().settings.dashboard_url)), token()
    if latest is not None:
        st.session_state[_RENEWED] = (first, signin.renewed(latest, word), word)


def at_hand() -> None:
    """Once on each page, so that the browser has its script while it may still load one."""
    _script("session")


def fetch_cookie(then: Callable[[], None]) -> bool:
    """Have the browser come for the cookie of a token that was renewed here; ``then`` is called once it has.
    Whether that is under way."""
    word = st.session_state.get(_RENEWED, (None, None, ""))[2]
    _script("session_renewed", word=word, on_fetched_change=then)
    return bool(word)


def fetched() -> None:
    """The browser has the cookie."""
    first, latest, _word = st.session_state.get(_RENEWED, (None, None, ""))
    st.session_state[_RENEWED] = (first, latest, "")


def _script(key: str, *, word: str = "", over: bool = False, **heard: Callable[[], None]) -> None:
    component("session", css=None)(key=key, data={"word": word, "over": over}, **heard)


def require(action: Action, *, active: bool = True) -> Person:
    """The person who is here and may do this; the first line of every page and fragment.

    Stops the run with a way to sign in, or with a sentence that says who may.
    """
    here = signed_in(active=active)
    if here is None:
        empty_state("You are not signed in", "Sign in to go on; you come back to this page.", "lock")
        way_in()
        _script(f"session_{secrets.token_hex(4)}", over=True)  # each fragment of a page may say it
        st.stop()
    try:
        people.check(here.person, action)
    except NotAllowed as refusal:
        _keep(refusal)
        empty_state("This page is not for your role", str(refusal), "block")
        st.stop()
    return here.person


def _keep(error: PaymentsError) -> None:
    """A refusal that met no session stands in the audit as well."""
    app = bootstrap.app()
    refusals.keep(app.sessions, error, now=app.now())


@contextmanager
def error_boundary(*, look_again: bool = False, say: Callable[[str], None] = problem) -> Iterator[None]:
    """Our own errors become a sentence; anything else is a bug, logged under a number that is shown.

    ``say`` shows what is said, or keeps it for the page that is drawn next. ``look_again``: what a database
    that is away broke is run again until it is back. Fragments with ticks of their own need it not.
    """
    try:
        yield
    except PaymentsError as error:
        _keep(error)
        say(str(error))
    except Exception as error:
        if said := health.told(error):
            log.warning("the database did not do it: %s", error)
            say(said)
            if look_again and said == health.AWAY:
                _run_again()
            return
        number = secrets.token_hex(4)
        log.exception("bug %s on a page", number)
        say(
            f"Something broke on our side. Nothing was changed by it. Reload the page; "
            f"if it happens again, tell support the number {number}."
        )


def fault_of(work: Callable[[], object]) -> str | None:
    """What kept it from being done, in a sentence; None where it was done."""
    said: list[str] = []
    with error_boundary(say=said.append):
        work()
    return said[0] if said else None


@st.fragment(run_every="5s")
def _run_again() -> None:
    """Nothing to see; at each of its ticks the whole page runs anew."""
    context = get_script_run_ctx()
    if context is not None and context.fragment_ids_this_run:
        st.rerun()


def id_in(address: str) -> int:
    """The id that a part of an address names; 0, which nothing has, when it is none."""
    return int(address) if re.fullmatch("[0-9]{1,18}", address) else 0
