"""Whose a bank line may be by the name it bears, to choose with one click."""

import streamlit as st

import bootstrap
from payments.access.people import Person
from payments.live import overview
from payments.reconciling import whose
from payments.reconciling.exceptions import Candidate, ExceptionView
from ui.pieces import escape, plain

#: What was found for the line that was looked at last, until anything changes: its drawer is drawn often.
_FOUND = "could_be"


def could_be(here: Person, view: ExceptionView) -> list[Candidate]:
    """Payments that wait, drawn as buttons."""
    found = _found(here, view)
    if not found:
        return []
    plain("By the name it could be:", "faint")
    for one in found:
        amount = "the same amount" if one.rest == view.amount else f"waits for {one.rest}"
        st.button(
            escape(f"{one.payer} · {one.reference} · {amount}"), key=f"could_be_{one.payment_id}",
            icon=":material/person_search:", on_click=_pick, args=(view.line_id, one.payment_id),
        )  # fmt: skip
    return found


def _pick(line_id: int, payment_id: int) -> None:
    st.session_state[f"find_{line_id}"] = ""
    st.session_state[f"picked_{line_id}_"] = [payment_id]


def _found(here: Person, view: ExceptionView) -> list[Candidate]:
    with bootstrap.app().sessions.read() as session:
        of = (view.line_id, overview.version(session))
        kept, found = st.session_state.get(_FOUND, (None, []))
        if kept != of:
            found = whose.by_name(session, here, view)
            st.session_state[_FOUND] = of, found
    return found
