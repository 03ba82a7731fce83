"""Payments: find any of them by whatever is known, see exactly how many and how much, open one."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import streamlit as st

import bootstrap
import ui
import words
from payments import dates
from payments.access.people import Action, Person
from payments.errors import InvalidInput
from payments.finding import as_of, needle, search
from payments.finding.search import Filter, Totals
from payments.live import overview
from payments.selling import events
from words import filters as filter_words

person = ui.require(Action.SEE)
app = bootstrap.app()
PAGE_SIZE = 50
_NOT_OPEN = {events.State.DRAFT: "a draft", events.State.CLOSED: "closed"}
IN_ORDER_OF_ARRIVAL = (search.NEWEST, search.OLDEST)


@st.cache_data(max_entries=500, show_spinner=False)
def exact_totals(
    _here: Person, version: int, scope: frozenset[int] | None, mode: str, wanted: Filter
) -> Totals:
    """Exact count and sums, added up once for everybody who may see the same."""
    with as_of.read(app.sessions, wanted.as_of, now=app.now()) as session:
        return search.totals(session, _here, wanted)


def told(totals: Totals) -> str:
    line = f"**{words.count(totals.count, 'payment', 'payments')}**"
    if totals.count:
        line += f" · **{words.sums(totals.sums)}** asked · **{words.sums(totals.received)}** received"
    return line


def told_at_once(count: int) -> str:
    """What is known before everything is added up."""
    return f"**{some(count)} payments** …"


def some(count: int) -> str:
    return words.number(min(count, search.COUNT_CAP)) + ("+" if count > search.COUNT_CAP else "")


def chosen(wanted: Filter) -> list[int]:
    """The payments that were ticked, on whichever page of this filter. Another begins with none, so that
    nothing is done to what nobody sees."""
    of, ids = st.session_state.get("payments_chosen", (None, []))
    return list(ids) if of == wanted else []


def let_go(wanted: Filter) -> int:
    """How many were ticked in this very list before its day moved on: their filter means other days now."""
    of, ids = st.session_state.get("payments_chosen", (None, []))
    moved = of is not None and of != wanted and of.on_day(dates.business_day(app.now())) == wanted
    return len(ids) if moved else 0


def choose(wanted: Filter, payment_id: int, what: str) -> None:
    """For callbacks: a box was ticked, or is not any more."""
    ids = [one for one in chosen(wanted) if one != payment_id]
    if what == "choose" and payment_id in st.session_state.get("payments_shown", ()):
        ids.append(payment_id)
    st.session_state.payments_chosen = (wanted, ids)


def open_payment(reference: str) -> None:
    st.query_params["payment"] = reference
    st.session_state.payment_picked = True


def sort_by(order: str) -> None:
    st.session_state.sort = order
    to_the_top()


def to_the_top() -> None:
    """The first page of what is there now."""
    st.session_state.older_than = None
    if st.session_state.get("page", 1) != 1:
        st.session_state.page = 1


def go_on_after(wanted: Filter, last_id: int) -> None:
    to_the_top()
    st.session_state.older_than = (wanted, last_id)


def nothing_found(here: Person, wanted: Filter) -> None:
    alone = Filter(events=wanted.events[:1])
    if wanted == alone != Filter() and (event := one_event(here, wanted.events[0])):
        none_of(here, event)
    elif replace(wanted, as_of=None) != Filter():
        why_nothing(here, wanted)
    elif wanted.as_of is not None:
        ui.empty_state("No payments by then", "Choose a later moment, or go back to now.", "history")
    elif here.may(Action.ISSUE_LINK):
        ui.empty_state("No payments yet", "Take the first one: it shows here at once.", "receipt_long")
        st.page_link("pages/door/take.py", label="Take a payment", icon=":material/qr_code_2:")
    else:
        ui.empty_state("No payments yet", "They show here as soon as an organiser takes one.", "receipt_long")


def one_event(here: Person, code: str) -> events.EventView | None:
    with app.sessions.read() as session:
        return next((event for event in events.list_events(session, here) if event.code == code), None)


def none_of(here: Person, event: events.EventView) -> None:
    """An event that nothing was asked for: no search that failed."""
    told = f"{event.name} has no payments yet"
    if event.state == events.State.OPEN and here.may(Action.ISSUE_LINK, event.id):
        ui.empty_state(told, "Take the first one: it shows here at once.", "receipt_long")
        st.page_link("pages/door/take.py", label="Take a payment", icon=":material/qr_code_2:")
    elif event.state == events.State.OPEN:
        ui.empty_state(told, "They show here as soon as an organiser takes one.", "receipt_long")
    elif here.may(Action.MANAGE_EVENTS):
        ui.empty_state(told, f"It is {_NOT_OPEN[event.state]}, and takes payments once it is open.", "event")
        st.page_link("pages/admin/events.py", label="Open the event", icon=":material/event:")
    else:
        ui.empty_state(
            told, f"It is {_NOT_OPEN[event.state]}. An admin opens it, then payments can be taken.", "event"
        )


def why_nothing(here: Person, wanted: Filter) -> None:
    """Which condition leaves nothing over, and a click that takes it away."""
    with as_of.read(app.sessions, wanted.as_of, now=app.now()) as session:
        culprits = search.explain_empty(session, here, wanted)
    ui.empty_state("No payment fits", _way_out(culprits), "search_off")
    names = ui.event_names(here)
    with st.container(horizontal=True, horizontal_alignment="center", gap="small"):
        for number, less in enumerate(culprits):
            st.button(
                f"{ui.escape(filter_words.less(less, names))}: {some(less.count)}",
                key=f"without_{number}",
                icon=":material/close:",
                on_click=ui.hold,
                args=(less.left,),
            )
        st.button("Clear all filters", key="without_all", on_click=ui.clear_filters)


def _way_out(culprits: Sequence[search.Less]) -> str:
    if not culprits:
        return "Whichever two conditions are taken away, nothing is found."
    if len(culprits[0].dropped) == 1:
        return "Take one of these away to find some."
    return "No condition alone keeps them away. This finds some:"


def order(count: int) -> str:
    """The order that is wished for. Any but the first two needs a list that is not too long."""
    with st.container(width=210):
        sort = st.selectbox(
            "Sort",
            list(ui.ORDERS),
            key="sort",
            format_func=ui.ORDERS.__getitem__,
            label_visibility="collapsed",
            on_change=to_the_top,
            bind="query-params",
        )
    if sort not in IN_ORDER_OF_ARRIVAL and count > search.COUNT_CAP:
        raise InvalidInput(
            f"{ui.ORDERS[sort]}: this needs a narrower filter, of {words.number(search.COUNT_CAP)} payments "
            f"at most. Newest first and oldest first work for any number."
        )
    return sort


def last_instead(wanted: Filter, pages: int) -> None:
    """A page beyond the end, which an address asks for or which was there before payments left the list, is
    the last one. The control alone would go back to the first without a word."""
    asked = int(st.query_params.get("page", 1))
    if asked > pages:
        st.session_state.past_the_end = (asked, pages, wanted)
        if "page" not in st.session_state:  # else the address follows the control
            del st.query_params["page"]
        st.session_state.page = pages


def told_last(wanted: Filter, number: int) -> None:
    """That the last page stands in for another, until one is turned to or something else is wished for."""
    asked, last, of = st.session_state.get("past_the_end", (number, None, wanted))
    if (last, of) == (number, wanted):
        ui.plain(
            f"There is no page {words.number(asked)}. Pages here go up to {words.number(last)}: "
            f"this is the last.",
            "faint",
        )
    else:
        st.session_state.pop("past_the_end", None)


def place_in(wanted: Filter, sort: str, count: int) -> tuple[int, int | None]:
    """The page that is read, and the payment after which the list begins."""
    pages = max(1, -(-min(count, search.COUNT_CAP) // PAGE_SIZE))
    last_instead(wanted, pages)
    number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
    older = st.session_state.get("older_than")
    goes_on = older and older[0] == wanted and sort in IN_ORDER_OF_ARRIVAL
    return number, older[1] if goes_on else None


def news(here: Person, wanted: Filter, newest_id: int | None) -> None:
    """Payments that came while a later page is read wait behind a pill."""
    if newest_id is None:
        return
    with as_of.read(app.sessions, wanted.as_of, now=app.now()) as session:
        count = search.arrived(session, here, wanted, newest_id)
    if count:
        new = f"{words.number(min(count, search.COUNT_CAP))} new"
        st.button(new, key="news", icon=":material/arrow_upward:", type="primary", on_click=to_the_top)


@ui.error_boundary()
def found(wanted: Filter) -> None:
    """The list, drawn anew when something changed; filter, page and scroll stay. While a later page is
    read, payments that arrive do not push its rows on."""
    here = ui.require(Action.SEE, active=False)
    wanted = wanted.on_day(dates.business_day(app.now()))
    if st.session_state.pop("payment_picked", False):
        st.rerun()
    line = st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute")
    total = line.empty()
    with as_of.read(app.sessions, wanted.as_of, now=app.now()) as session:
        version = overview.version(session)
        matching = search.Found(session, here, wanted)
        count = matching.count_at_once
        total.markdown(told_at_once(count))
        with line:
            sort = order(count)
        pill, bar, place, foot = st.container(), st.empty(), st.container(), st.container(horizontal=True)
        with foot:
            number, older = place_in(wanted, sort, count)
        begins = number == 1 and older is None
        if begins or st.session_state.get("held", ())[:2] != (wanted, sort):
            st.session_state.held = (wanted, sort, search.newest_id(session))
        newest_id = None if begins else st.session_state.held[2]  # later ones wait while it is read on
        page = matching.page(number=number, size=PAGE_SIZE, sort=sort, newest_id=newest_id, before_id=older)
    references = [row.reference for row in page.rows]
    st.session_state.walk = ui.Walk(references, number, (number - 1) * PAGE_SIZE, page.more, some(count))
    with pill:
        told_last(wanted, number)
        news(here, wanted, newest_id)
    st.session_state.payments_shown = {row.id for row in page.rows}
    boxes = wanted.as_of is None and bool(ui.deeds_of(here))
    if boxes and (ids := chosen(wanted)):
        with bar.container():
            ui.on_chosen(here, ids)
    elif boxes and (gone := let_go(wanted)):
        with bar.container():
            ui.let_go(gone)
    with place:
        if page.rows:
            marks = needle.marks(wanted.text)
            ui.payments_list(
                page.rows, key="payments_list", label="Payments", pick=open_payment, marks=marks, sort=sort,
                on_sort=sort_by, show=ui.shown_columns(here), chosen=chosen(wanted),
                on_chosen=partial(choose, wanted) if boxes else None,
            )  # fmt: skip
        else:
            nothing_found(here, wanted)
    with foot:
        further(wanted, page, sort, older)
    totals = exact_totals(here, version, here.events, app.settings.mode, wanted)
    total.markdown(told(totals))
    with line.container(horizontal=True, width="content", gap="small", key="list_deeds"):
        if wanted.as_of is None:
            ui.on_payments(here, wanted, count)
        if totals.count and here.may(Action.EXPORT):
            ui.export_button(wanted, sort)


def further(wanted: Filter, page: search.Page, sort: str, older: int | None) -> None:
    """Beyond the last numbered page the list goes on after its last row, at any depth for the same price."""
    last = page.number * PAGE_SIZE >= search.COUNT_CAP
    if page.more and last and sort in IN_ORDER_OF_ARRIVAL:
        st.button(
            "Older payments" if sort == search.NEWEST else "Later payments",
            icon=":material/arrow_forward:", on_click=go_on_after,
            args=(wanted, page.rows[-1].id),
        )  # fmt: skip
    if older is not None:
        st.button("Back to the start", icon=":material/first_page:", on_click=to_the_top)


def back_to_now() -> None:
    ui.hold(replace(st.session_state.wanted, as_of=None))


def tools(wanted: Filter) -> None:
    """How the list is kept and looks, and of when."""
    ui.views_popover(person, wanted)
    ui.columns_popover(person)
    ui.choose_moment(wanted.as_of, lambda moment: ui.hold(replace(wanted, as_of=moment)), key="list_past")


with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    st.title("Payments", anchor=False, width="content")
    place = st.container(horizontal=True, width="content", gap="small", key="list_tools")
with ui.error_boundary():
    ui.arrive(person)
    wanted = ui.filter_bar(person)
    ui.bulk_dialog(person)
    if wanted is not None:
        ui.leave(wanted)
        with place:
            tools(wanted)
        if wanted.as_of is not None:
            ui.stood_banner(wanted.as_of, back_to_now, key="list_past")
        st.fragment(found, run_every=None if wanted.as_of else "3s")(wanted)
ui.export_dialog()
if (turned := st.session_state.pop("drawer_turn", None)) and (
    entered := st.session_state.walk.entered(turned)
):
    st.query_params["payment"] = entered
if opened := st.query_params.get("payment"):
    ui.drawer(opened, st.session_state.get("wanted", Filter()).as_of)
