"""Whose a bank line may be, where matching found nothing: payments that wait, by the name the line bears."""

import streamlit as st

import bootstrap
from payments import exceptions
from payments.exceptions import Candidate, ExceptionView
from payments.matching import names
from payments.people import Person
from ui.pieces import escape, plain

SHOWN = 3
#: A surname alone is the least: what it is worth is for a person to say.
LEAST = 60


def could_be(here: Person, view: ExceptionView) -> list[Candidate]:
    """Payments to choose with one click, drawn as buttons; those of the very amount come first."""
    found = _alike(here, view)
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


def _alike(here: Person, view: ExceptionView) -> list[Candidate]:
    said = names.words(view.text)
    if view.amount.minor <= 0 or not said:
        return []
    found: dict[int, Candidate] = {}
    with bootstrap.app().sessions.read() as session:
        for text in dict.fromkeys((" ".join(said), *said[:4])):
            for one in exceptions.find_payments(session, here, text, view.amount):
                if one.payable and names.likeness(said, names.words(one.payer)).score >= LEAST:
                    found[one.payment_id] = one
    return sorted(found.values(), key=lambda one: (one.rest != view.amount, -_score(said, one)))[:SHOWN]


def _score(said: list[str], one: Candidate) -> int:
    return names.likeness(said, names.words(one.payer)).score
