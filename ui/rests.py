"""What a line brought more than it paid, in its drawer on Reconcile: what becomes of it."""

from collections.abc import Callable

import streamlit as st

import bootstrap
from payments import exceptions, rests, surplus
from payments.exceptions import ExceptionView
from payments.people import Person
from payments.rests import Fate
from ui.claims import amount_of
from ui.here import error_boundary
from ui.line_deeds import do
from ui.pieces import plain
from ui.proving import say_done

FATES = {"Give it back to who paid": Fate.GIVE_BACK, "Keep it for who paid": Fate.KEEP}


def rest_of_line(here: Person, view: ExceptionView, done: Callable[[int | None], None]) -> None:
    """Pay another payment with it, anybody's, since nobody said yet whose it is; give it back, or keep it.
    ``done`` hears the number of the move, if it was one; what is refused is told beside what was typed.
    """
    st.subheader("What becomes of it", anchor=False)
    plain(f"Of {view.line_amount}, what was owed is paid by itself. {view.amount} of it pays nothing yet.")
    _for_another(here, view, done)
    with st.form(f"fate_{view.part_id}", border=False):
        fate = st.radio("If it is for no other payment", list(FATES), key=f"fate_of_{view.part_id}")
        why = st.text_input("Why", key=f"fate_why_{view.part_id}", max_chars=500)
        if st.form_submit_button("Decide", icon=":material/gavel:"):
            with error_boundary():
                do(rests.decide, view.part_id, FATES[fate], why)
                say_done("Decided: it does not wait any more.")
                done(None)
                st.rerun()


def _for_another(here: Person, view: ExceptionView, done: Callable[[int | None], None]) -> None:
    found = {one.reference: one for one in view.candidates if one.payable}
    asked = st.text_input(
        "Find payments", key=f"rest_find_{view.part_id}", placeholder="Name, reference, e-mail or amount"
    )
    if asked:
        with bootstrap.app().sessions.read() as session:
            some = exceptions.find_payments(session, here, asked, view.amount)
        found = {one.reference: one for one in some if one.payable} | found
    if not found:
        plain("Nobody else is known to be meant: find the friend it was paid for.", "faint")
        return

    def told(reference: str) -> str:
        one = found[reference]
        return f"{one.payer} · {reference} · {one.event} · waits for {one.rest}"

    to = st.selectbox("For another payment", list(found), format_func=told, key=f"rest_to_{view.part_id}")
    most = min(view.amount, found[to].rest, key=lambda money: money.minor)
    with st.form(f"rest_{view.part_id}", border=False):
        typed = st.text_input("How much", most.decimal, key=f"rest_much_{view.part_id}_{to}", max_chars=20)
        why = st.text_input("Why?", key=f"rest_why_{view.part_id}", max_chars=500)
        if st.form_submit_button("Pay it", type="primary", shortcut="Mod+Enter"):
            with error_boundary():
                amount = amount_of(typed, view.amount.currency)
                move = do(surplus.move, view.part_id, to, amount, why)
                say_done(f"{amount} pays {to} by now.")
                done(move)
                st.rerun()
