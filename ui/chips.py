"""Conditions as chips: each that is wished for is taken away by one click."""

from collections.abc import Mapping

import streamlit as st

import bootstrap
from payments.access.people import Person
from payments.finding import filters
from payments.finding.search import Filter
from payments.selling import events
from ui.pieces import escape
from ui.wish import clear_filters, hold
from words import filters as filter_words


def event_names(person: Person) -> dict[str, str]:
    """By code, of those that this person may see."""
    with bootstrap.app().sessions.read() as session:
        return {event.code: event.name for event in events.list_events(session, person)}


def chips(wanted: Filter, names: Mapping[str, str]) -> None:
    """Everything that is wished for, each to be taken away by one click."""
    conditions = filters.conditions(wanted)
    if not conditions:
        return
    with st.container(horizontal=True, gap="small", key="chips"):
        for number, condition in enumerate(conditions):
            st.button(
                escape(filter_words.condition(condition, names)),
                key=f"chip_{number}",
                icon=":material/close:",
                help="Take this away",
                on_click=hold,
                args=(filters.minus(wanted, condition),),
            )
        st.button("Clear filters", key="chip_all", type="tertiary", on_click=clear_filters)
