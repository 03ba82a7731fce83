"""What a line brought more than it paid: another payment's, given back, or kept."""

from collections.abc import Callable, Iterable

import streamlit as st

import bootstrap
from db.money import Money
from payments.access.people import Person
from payments.reconciling import exceptions, rests, surplus
from payments.reconciling.exceptions import Candidate, ExceptionView
from payments.reconciling.rests import Fate
from payments.reconciling.same_payer import Choice
from ui import line_deeds
from ui.claims import amount_of
from ui.here import error_boundary
from ui.pieces import plain

FATES = {"Give it back to who paid": Fate.GIVE_BACK, "Keep it for who paid": Fate.KEEP}


def rest_of_line(here: Person, view: ExceptionView, close: Callable[[], None]) -> None:
    """In its drawer: pay another payment with it, anybody's since nobody said yet whose it is, or decide."""
    part_id = view.part_id
    assert part_id is not None
    st.subheader("What becomes of it", anchor=False)
    plain(f"Of {view.line_amount}, what was owed is paid by itself. {view.amount} of it pays nothing yet.")
    if could := _could_be_meant(here, view):
        pay_another(part_id, view.amount, could, key="rest", then=close)
    else:
        plain("Nobody else is known to be meant: find the friend it was paid for.", "faint")
    with st.form(f"fate_{part_id}", border=False):
        fate = st.radio("If it is for no other payment", list(FATES), key=f"fate_of_{part_id}")
        why = st.text_input("Why", key=f"fate_why_{part_id}", max_chars=500)
        if st.form_submit_button("Decide", icon=":material/gavel:"):
            with error_boundary():
                line_deeds.do(rests.decide, part_id, FATES[fate], why)
                line_deeds.tell("Decided: it does not wait any more.")
                close()
                st.rerun()


def _could_be_meant(here: Person, view: ExceptionView) -> list[Choice]:
    """Those suggested, behind those that a text finds."""
    found: list[Candidate] = []
    asked = st.text_input(
        "Find payments", key=f"rest_find_{view.part_id}", placeholder="Name, reference, e-mail or amount"
    )
    if asked:
        with bootstrap.app().sessions.read() as session:
            found = exceptions.find_payments(session, here, asked, view.amount)
    once = {one.reference: one for one in (*found, *view.candidates) if one.payable}
    return [Choice(one.reference, one.payer, one.event, one.rest) for one in once.values()]


def pay_another(
    part_id: int, left: Money, could: Iterable[Choice], *, key: str, then: Callable[[], None] | None = None
) -> None:
    """To which payment, how much of what is left, and why. What is refused is told beside what was typed."""
    by_reference = {choice.reference: choice for choice in could}

    def told(reference: str) -> str:
        choice = by_reference[reference]
        return f"{choice.payer} · {reference} · {choice.event} · waits for {choice.owed}"

    to = st.selectbox("For another payment", list(by_reference), format_func=told, key=f"{key}_to_{part_id}")
    most = min(left, by_reference[to].owed, key=lambda money: money.minor)
    with st.form(f"{key}_{part_id}", border=False):
        typed = st.text_input("How much", most.decimal, key=f"{key}_much_{part_id}_{to}", max_chars=20)
        why = st.text_input("Why?", key=f"{key}_why_{part_id}", max_chars=500)
        if st.form_submit_button("Pay it", type="primary", shortcut="Mod+Enter"):
            with error_boundary():
                amount = amount_of(typed, left.currency)
                move = line_deeds.do(surplus.move, part_id, to, amount, why)
                line_deeds.can_be_undone(line_deeds.Done(move, f"{amount} for {to}", move=True))
                line_deeds.tell(f"{amount} pays {to} by now.")
                if then:
                    then()
                st.rerun()
