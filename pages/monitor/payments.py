"""Payments: find any of them by whatever is known, see exactly how many and how much, open one."""

import streamlit as st

import bootstrap
import ui
import words
from payments import overview, search
from payments.people import Action, Person
from payments.search import Filter, Totals

person = ui.require(Action.SEE)
app = bootstrap.app()
PAGE_SIZE = 50


@st.cache_data(max_entries=500, show_spinner=False)
def exact_totals(
    _here: Person, version: int, scope: frozenset[int] | None, mode: str, wanted: Filter
) -> Totals:
    """Exact count and sums, added up once for everybody who may see the same."""
    with app.sessions.read() as session:
        return search.totals(session, _here, wanted)


def told(totals: Totals) -> str:
    line = f"**{words.count(totals.count, 'payment', 'payments')}**"
    if totals.count:
        line += f" · **{words.sums(totals.sums)}** asked · **{words.sums(totals.received)}** received"
    return line


def open_payment(reference: str) -> None:
    st.query_params["payment"] = reference
    st.session_state.payment_picked = True


def nothing_found(wanted: Filter) -> None:
    if wanted != Filter():
        ui.empty_state(
            "No payment fits", "Take a filter away, or search for a part of the name.", "search_off"
        )
        st.button("Clear all filters", on_click=ui.clear_filters)
    elif person.may(Action.ISSUE_LINK):
        ui.empty_state("No payments yet", "Take the first one: it shows here at once.", "receipt_long")
        st.page_link("pages/door/take.py", label="Take a payment", icon=":material/qr_code_2:")
    else:
        ui.empty_state("No payments yet", "They show here as soon as an organiser takes one.", "receipt_long")


@st.fragment(run_every="3s")
@ui.error_boundary()
def found(wanted: Filter) -> None:
    """The list, drawn anew when something changed; filter, page and scroll stay. While a later page is
    read, payments that arrive do not push its rows on."""
    here = ui.require(Action.SEE, active=False)
    if st.session_state.pop("payment_picked", False):
        st.rerun()
    line = st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute")
    total = line.empty()
    with app.sessions.read() as session:
        version = overview.version(session)
        some = search.capped_count(session, here, wanted)
        place, pages = st.container(), -(-min(some, search.COUNT_CAP) // PAGE_SIZE)
        number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
        held = st.session_state.get("held") if number > 1 else None
        newest_id = held[1] if held and held[0] == wanted else None
        page = search.page(session, here, wanted, number=number, size=PAGE_SIZE, newest_id=newest_id)
    if number == 1 and page.rows:
        st.session_state.held = (wanted, page.rows[0].id)
    total.markdown(f"**{words.count(min(some, search.COUNT_CAP), 'payment', 'payments')}** …")
    with place:
        if page.rows:
            ui.payments_list(page.rows, key="payments_list", label="Payments", pick=open_payment)
        else:
            nothing_found(wanted)
    totals = exact_totals(here, version, here.events, app.settings.mode, wanted)
    total.markdown(told(totals))
    if totals.count and here.may(Action.EXPORT):
        with line:
            ui.export_link(wanted, totals.count)


st.title("Payments", anchor=False)
with ui.error_boundary():
    wanted = ui.filter_bar(person)
    if wanted is not None:
        found(wanted)
if opened := st.query_params.get("payment"):
    ui.drawer(opened)
