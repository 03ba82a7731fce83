"""Too much that came on bank lines: what it pays, and moving it to another payment of its payer."""

import streamlit as st

import bootstrap
from payments.access.people import Action, Person
from payments.reconciling import rests, same_payer, surplus
from payments.reconciling.rests import Fate
from payments.reconciling.same_payer import Choice
from payments.reconciling.surplus import Move, Surplus
from ui import line_deeds
from ui.pieces import empty_state, moment, plain
from ui.proving import act
from ui.rests import pay_another

NO_OTHER = "No other payment of this payer asks for money: give it back, or keep it for them."
DECIDED = {
    Fate.GIVE_BACK: "to give it back",
    Fate.KEEP: "to keep it for who paid",
    None: "what becomes of it",
}
OF_NOBODY = "Undo its match, and say whose it is: then it can pay another payment of theirs."


def surplus_list(here: Person) -> None:
    """What pays nothing yet comes first."""
    app = bootstrap.app()
    with app.sessions.read() as session:
        found = surplus.standing(session, here)
        could = same_payer.choices(session, here, [one.part_id for one in found if one.free])
    if not found:
        told = "What a line brings more than is owed, and is set apart as surplus, is listed here."
        empty_state("No surplus", told, "savings")
    for one in found:
        _one(here, one, could.get(one.part_id, []))


def _one(here: Person, one: Surplus, choices: list[Choice]) -> None:
    may = here.may(Action.RECONCILE)
    with st.container(border=True, key=f"surplus_{one.part_id}"):
        plain(f"{one.amount} too much · {one.text} · {one.on:%-d %b %Y}", "title")
        rest = f"{one.left} of it pays nothing yet" if one.left else "All of it pays something"
        plain(f"It came with {', '.join(one.whose) or 'no payment that is named'}. {rest}.", "faint")
        for move in one.moves:
            _moved(move, may=may)
        if not one.left:
            return
        if one.decided_by:
            _decided(one, may=may)
            return
        if one.waits:
            plain("It waits under Too much: nobody has said what becomes of it.", "faint")
        if not choices:
            plain(NO_OTHER if one.whose else OF_NOBODY, "faint")
        elif may:
            with st.popover("Move it", icon=":material/swap_horiz:"):
                pay_another(one.part_id, one.left, choices, key="move")


def _decided(one: Surplus, *, may: bool) -> None:
    plain(f"{one.decided_by} decided {DECIDED[one.fate]}: the payment's journey says why.", "faint")
    if may:
        with st.popover("Decide anew", icon=":material/undo:"), st.form(f"anew_{one.part_id}", border=False):
            why = st.text_input("Why?", key=f"anew_why_{one.part_id}", max_chars=500)
            if st.form_submit_button("Let it wait again", type="primary"):
                act("It waits again.", rests.undecide, one.part_id, why)
                st.rerun()


def _moved(move: Move, *, may: bool) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        plain(
            f"{move.amount} pays {move.payer}, {move.reference} · {move.by}, {moment(move.at)}: {move.why}",
        )
        if may:
            with st.popover("Take it back", icon=":material/undo:"), st.form(f"back_{move.id}", border=False):
                why = st.text_input("Why?", key=f"back_why_{move.id}", max_chars=500)
                if st.form_submit_button("Take it back", type="primary", shortcut="Mod+Enter"):
                    line_deeds.take_back(move.id, why)
                    st.rerun()
