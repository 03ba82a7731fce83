"""The filter bar over a list of payments: each control stands in the address."""

from datetime import timedelta
from typing import Any

import streamlit as st

import bootstrap
import words
from db.money import Money
from payments import dates, events, references, search
from payments.errors import InvalidInput
from payments.lifecycle import Status
from payments.people import Person
from payments.search import Filter

ANY_DAY, OWN_DAYS = "Any day", "Days…"
DAYS = [ANY_DAY, "Today", "Yesterday", "7 days", "30 days", OWN_DAYS]
#: The filter bar's keys, which are the names in the URL, with nothing wished for.
NOTHING: dict[str, Any] = {
    "q": "", "event": None, "days": ANY_DAY, "status": [], "trouble": None, "exact": [], "method": [],
    "least": "", "most": "", "dated": "Created",
}  # fmt: skip


def clear_filters() -> None:
    st.session_state.update(NOTHING)
    first_page()


def first_page() -> None:
    """Another question starts at its first page again."""
    if st.session_state.get("page", 1) != 1:
        st.session_state["page"] = 1


def search_box() -> str:
    """What is searched for stands in the URL only when it is a reference: names and addresses do not."""
    if "q" not in st.session_state:
        st.session_state.q = st.query_params.get("q", "")
    text = st.text_input(
        "Search",
        key="q",
        type="search",
        icon=":material/search:",
        placeholder="Name, e-mail, phone, reference, amount",
        label_visibility="collapsed",
        on_change=first_page,
        persist_state="session",
    )
    if text and references.readings(text):
        st.query_params["q"] = text
    elif "q" in st.query_params:
        del st.query_params["q"]
    return text or ""


def event_box(person: Person) -> tuple[str, ...]:
    with bootstrap.app().sessions.read() as session:
        names = {event.code: event.name for event in events.list_events(session, person)}
    code = st.selectbox(
        "Event",
        list(names),
        index=None,
        placeholder="All events",
        format_func=names.__getitem__,
        key="event",
        label_visibility="collapsed",
        on_change=first_page,
        bind="query-params",
    )
    return (code,) if code else ()


def day_bar() -> dates.Span | None:
    choice = st.segmented_control(
        "Days",
        DAYS,
        default=ANY_DAY,
        required=True,
        key="days",
        label_visibility="collapsed",
        on_change=first_page,
        bind="query-params",
    )
    today = dates.business_day(bootstrap.app().now())
    if choice != OWN_DAYS:
        return words.days_of(choice or ANY_DAY, today)
    chosen = st.date_input(
        "From and to",
        (today - timedelta(days=6), today),
        key="own_days",
        format="DD/MM/YYYY",
        on_change=first_page,
    )
    return dates.day_span(min(chosen), max(chosen)) if chosen else None


def status_pills() -> tuple[set[Status], str | None]:
    groups = st.pills(
        "Status",
        list(words.GROUPS),
        selection_mode="multi",
        key="status",
        label_visibility="collapsed",
        on_change=first_page,
        bind="query-params",
    )
    trouble = st.pills(
        "Needs a person",
        list(words.TROUBLES),
        key="trouble",
        label_visibility="collapsed",
        on_change=first_page,
        bind="query-params",
    )
    return {status for group in groups for status in words.GROUPS[group]}, trouble


def amount(label: str, key: str) -> Money | None:
    text = st.text_input(label, key=key, placeholder="150.00", on_change=first_page, bind="query-params")
    try:
        return Money.parse(text) if text else None
    except ValueError as error:
        raise InvalidInput(f"{error}.") from error


def rarer_filters() -> tuple[list[str], list[str], str | None]:
    """Words of exact statuses and methods, and which day of a payment the days are about."""
    statuses = [look.word for look in words.STATUS.values()]
    bound: dict[str, Any] = {"on_change": first_page, "bind": "query-params"}
    exact = st.multiselect("Exact status", statuses, key="exact", **bound)
    methods = st.multiselect("Method", list(words.METHOD.values()), key="method", **bound)
    dated = st.segmented_control(
        "Days are those it was", ["Created", "Paid"], default="Created", required=True, key="dated", **bound
    )
    return exact, methods, dated


def filter_bar(person: Person) -> Filter:
    """What is wished for, as controls that stand in the address."""
    left, right = st.columns([3, 2])
    with left:
        text = search.parse(search_box()).text
    with right.container(horizontal=True):
        codes = event_box(person)
        with st.popover("More", icon=":material/tune:"):
            exact, methods, dated = rarer_filters()
            least, most = amount("Amount from", "least"), amount("Amount up to", "most")
    with st.container(horizontal=True, gap="small"):
        span = day_bar()
        statuses, trouble = status_pills()
        clear = st.empty()
    wanted = Filter(
        text=text,
        statuses=tuple(
            sorted(statuses | {status for status, look in words.STATUS.items() if look.word in exact})
        ),
        methods=tuple(method for method, word in words.METHOD.items() if word in methods),
        events=codes,
        amount_from=least,
        amount_to=most,
        created=span if dated != "Paid" else None,
        paid=span if dated == "Paid" else None,
        **{words.TROUBLES[trouble]: True} if trouble else {},
    )
    if wanted != Filter():
        clear.button("Clear filters", icon=":material/close:", type="tertiary", on_click=clear_filters)
    return wanted
