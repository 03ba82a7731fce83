"""Saved views and the columns of the list: popovers over it."""

from urllib.parse import urlencode

import streamlit as st

import bootstrap
import words
from payments import dates
from payments.access import choices
from payments.access.people import Action, Person, Role
from payments.errors import NotFound, PaymentsError
from payments.finding import filters, views
from payments.finding.search import Filter
from payments.finding.views import View
from ui.here import error_boundary
from ui.payments_list import COLUMNS, HANDLE, USUAL
from ui.pieces import plain, problem
from ui.sharing import copy_button
from ui.wish import address, hold
from words import filters as filter_words

LIST = "payments"


def arrive(person: Person) -> None:
    """Before the filter bar: whoever comes by a view's address wants what that view says."""
    token = st.query_params.get("view")
    if not token or st.session_state.get("view_token") == token:
        return
    try:
        with bootstrap.app().sessions.read() as session:
            _hold(views.get(session, person, token, now=bootstrap.app().now()))
    except NotFound as error:
        del st.query_params["view"]
        if not {"q", "kept"} & set(st.query_params):  # what else the address says holds without the view
            problem(str(error))


def leave(wanted: Filter) -> None:
    """After the filter bar: another filter than the view's is no longer that view."""
    view: View | None = st.session_state.get("view_open")
    if view is not None and view.filter.on_day(dates.business_day(bootstrap.app().now())) != wanted:
        for key in ("view_open", "view_token"):
            st.session_state.pop(key, None)
        st.query_params.pop("view", None)


def _hold(view: View) -> None:
    hold(view.filter)
    if view.sort:
        st.session_state.sort = view.sort
    st.session_state.view_token, st.session_state.view_open = view.token, view


def open_view(view: View) -> None:
    _hold(view)
    st.query_params["view"] = view.token


def shown_columns(person: Person) -> tuple[str, ...]:
    """The view's columns, else those this person chose, else the usual ones."""
    view: View | None = st.session_state.get("view_open")
    if view is not None and view.columns:
        return view.columns
    with bootstrap.app().sessions.read() as session:
        return choices.columns(session, person, LIST) or USUAL


def columns_popover(person: Person) -> None:
    """Which columns, and in which order: that in which they are chosen."""
    offered = [name for name in COLUMNS if name != HANDLE]

    def changed() -> None:
        with error_boundary():
            bootstrap.app().sessions.run(
                lambda session: choices.choose_columns(
                    session, person, LIST, [*st.session_state.columns_chosen, HANDLE]
                )
            )

    with st.popover("Columns", icon=":material/view_column:"):
        st.multiselect(
            "Shown, in this order",
            offered,
            [name for name in shown_columns(person) if name in offered],
            format_func=COLUMNS.__getitem__,
            key="columns_chosen",
            on_change=changed,
        )
        plain("Kept for you. The reference is always shown.", "faint")


def views_popover(person: Person, wanted: Filter) -> None:
    with bootstrap.app().sessions.read() as session:
        kept = views.list_views(session, person, now=bootstrap.app().now())
    now: View | None = st.session_state.get("view_open")
    label = now.name if now and now.name else "Views"
    with st.popover(label.replace("[", "(").replace("]", ")"), icon=":material/bookmark:"):
        if not kept:
            plain("Nothing is saved yet. Set the filters, then save them here under a name.", "faint")
        for view in kept:
            _line(person, view)
        if now and now.name:
            plain(f"A link to {now.name}: who opens it sees what they may see of it.", "faint")
            copy_button(_link(person, wanted, now), key="view_link")
        _save_form(person, wanted)


def _link(person: Person, wanted: Filter, view: View) -> str:
    """The filter stands in it too: whom the view is not shared with finds that."""
    query = urlencode(address(person, wanted) | {"view": view.token})
    return f"{bootstrap.app().settings.dashboard_url}/payments?{query}"


def _line(person: Person, view: View) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        with st.container(gap=None):
            plain(view.name or "", "title")
            plain(_whose(view), "faint")
        st.button("Open", key=f"view_{view.token}", on_click=open_view, args=(view,))
        if view.mine:
            st.button(
                "Remove", key=f"unview_{view.token}", type="tertiary", icon=":material/delete:",
                on_click=_remove, args=(person, view.token),
            )  # fmt: skip


def _whose(view: View) -> str:
    if not view.mine:
        return f"shared by {view.owner}"
    return f"shared with {words.ROLE[view.shared_with][0]}" if view.shared_with else "yours"


def _remove(person: Person, token: str) -> None:
    app = bootstrap.app()
    with error_boundary():
        app.sessions.run(lambda session: views.remove(session, person, token, now=app.now()))


def _save_form(person: Person, wanted: Filter) -> None:
    app = bootstrap.app()
    with st.form("save_view", border=False, clear_on_submit=True):
        name = st.text_input(
            "Save what is filtered now as", key="view_name", max_chars=60,
            placeholder="A name that you have again replaces that view",
        )  # fmt: skip
        for told in filter_words.days_kept(wanted):
            plain(told, "faint")
        role = None
        if person.may(Action.RECORD):
            if filters.private_part(wanted) != Filter():
                plain("Colleagues who see fewer events than you do not see it: what is searched for "
                      "may be a payer's.", "faint")  # fmt: skip
            role = st.selectbox(
                "Shared with", list(Role), index=None, format_func=lambda each: words.ROLE[each][0],
                placeholder="Nobody: only for me", key="view_role",
            )  # fmt: skip
        if st.form_submit_button("Save view", icon=":material/bookmark_add:"):
            try:
                sort, columns = st.session_state.get("sort", ""), shown_columns(person)
                saved = app.sessions.run(lambda session: views.save(
                    session, person, name, wanted, sort=sort, columns=columns, shared_with=role, now=app.now()
                ))  # fmt: skip
            except PaymentsError as error:
                problem(str(error))
            else:
                open_view(saved)
                st.rerun()
