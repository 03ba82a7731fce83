"""What is wished for of the payments, and the address that repeats it.

One ``Filter`` in the session's state. The address is read when somebody comes by one, and written anew after
every change, but for words that may be a payer's: those are kept as a view without a name, and the address
carries its token. Of an address that asks for what no list knows nothing is shown.
"""

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import date

import streamlit as st

import bootstrap
from payments.access.people import Person
from payments.errors import InvalidInput, NotFound, briefly
from payments.finding import filters, grammar, search, views
from payments.finding.search import Filter
from ui.payments_list import ORDERS
from ui.pieces import escape, problem

#: All that an address of the list can say.
SAID = ("q", "kept", "view", "payment", "sort", "page")
#: So many names of an address that says what no list knows are repeated.
MOST_TOLD = 5
STATE = st.session_state


def clear_filters() -> None:
    hold(Filter())


def hold(wanted: Filter) -> None:
    """From now on this is what is wished for. For callbacks: it does not draw."""
    STATE.wanted, STATE.unread = wanted, None
    STATE.asked = _asked()
    if STATE.get("page", 1) != 1:  # another question starts at its first page again
        STATE.page = 1


def together(wanted: Filter, read: Filter) -> Filter:
    """What was wished for, and what was read on top of it."""
    spoken = {name: value for name, value in vars(read).items() if value != getattr(Filter(), name)}
    return replace(wanted, **spoken)


# -- the address ------------------------------------------------------------------------------------


def address(person: Person, wanted: Filter) -> dict[str, str]:
    """``filters.page_query``, with words that may be a payer's kept beside it."""
    query = filters.page_query(filters.public_part(wanted))
    private = filters.private_part(wanted)
    return query if private == Filter() else query | {"kept": _keep(person, private)}


def _keep(person: Person, private: Filter) -> str:
    """The token that stands for these words in an address; asked for once by each session."""
    tokens: dict[tuple[Person, Filter], str] = STATE.setdefault("kept_tokens", {})
    if (person, private) not in tokens:
        app = bootstrap.app()
        tokens[person, private] = app.sessions.run(
            lambda session: views.keep(session, person, private, now=app.now())
        )
    return tokens[person, private]


def _asked() -> dict[str, str]:
    return {name: st.query_params.get(name, "") for name in ("q", "kept")}


def arrive(person: Person, today: date) -> None:
    """Whoever comes by another address than the one written here last wants what that one says."""
    asked = _asked()
    if "wanted" in STATE and STATE.get("asked") == asked:
        return
    STATE.asked = asked
    STATE.wanted, STATE.unread = Filter(), None
    try:
        STATE.wanted = _read(person, asked, today)
    except InvalidInput as error:
        STATE.unread = (asked["q"], str(error))


def _read(person: Person, asked: Mapping[str, str], today: date) -> Filter:
    public = filters.from_page(asked, today)
    if public.events or public.not_events:  # as somebody typed it: event:jozi
        with bootstrap.app().sessions.read() as session:
            public = search.named(session, person, public, only=("events",))
    if not asked["kept"]:
        return public
    try:
        with bootstrap.app().sessions.read() as session:
            private = views.get(session, person, asked["kept"], now=bootstrap.app().now()).filter
    except NotFound as error:
        raise InvalidInput("What was searched for does not stand in this address. Type it again.") from error
    return replace(public, text=private.text or public.text, without=private.without or public.without)


def write_address(person: Person, wanted: Filter) -> None:
    query = address(person, wanted)
    for name in ("q", "kept"):
        if name in query and st.query_params.get(name) != query[name]:
            st.query_params[name] = query[name]
        elif name not in query and name in st.query_params:
            del st.query_params[name]
    STATE.asked = {name: query.get(name, "") for name in ("q", "kept")}


# -- what cannot be read ------------------------------------------------------------------------------


def told_unread(wanted: Filter, today: date) -> bool:
    """Say what of the address or the box cannot be read; whether there is any."""
    if STATE.unread:
        problem(STATE.unread[1])
        return True
    if unknown := [name for name in st.query_params if name not in SAID]:
        _not_known(unknown, wanted, today)
        return True
    if not_there := _not_there():
        _no_such(not_there)
        return True
    return False


def _not_known(names: list[str], wanted: Filter, today: date) -> None:
    """The address asks for something in words that are not the list's: a list without it would show too much,
    and look as if it were what was asked for. What can be read as conditions is offered as such."""
    written = " ".join(f"{name}:{value}" for name in names for value in st.query_params.get_all(name))
    told = [f"“{briefly(name)}=”" for name in names[:MOST_TOLD]]
    told += [f"{len(names) - MOST_TOLD} more"] if len(names) > MOST_TOLD else []
    problem(
        f"The address says {', '.join(told)}, which this list does not know, so it "
        f"shows nothing. Conditions stand in the address as they are typed into the box: ?q=status:paid."
    )

    def go_on(instead: Filter) -> None:
        for name in names:
            st.query_params.pop(name, None)
        hold(instead)

    with st.container(horizontal=True, gap="small"):
        with suppress(InvalidInput):
            meant = together(wanted, grammar.read(written, today))
            st.button(f"Filter by {escape(written)}", key="as_conditions", on_click=go_on, args=(meant,))
        st.button("Show the list without it", key="without_unknown", on_click=go_on, args=(wanted,))


def _not_there() -> dict[str, str]:
    """An order or a page that no list has. It is looked for before their controls are drawn: those would let
    go of it without a word."""
    given = st.query_params
    sort, page = given.get("sort"), given.get("page")
    found = {"sort": sort} if sort is not None and sort not in ORDERS.values() else {}
    return found | (
        {"page": page} if page is not None and not re.fullmatch("0*[1-9][0-9]{0,8}", page) else {}
    )


def _no_such(asked: Mapping[str, str]) -> None:
    told = " and ".join(f"“{name}={briefly(value)}”" for name, value in asked.items())
    problem(
        f"The address says {told}, which this list does not have, so it shows nothing. Orders are chosen "
        "beside the count and pages below the list, and the address follows."
    )

    def go_on() -> None:
        for name in asked:
            st.query_params.pop(name, None)

    st.button("Show the list without it", key="without_unknown", on_click=go_on)
