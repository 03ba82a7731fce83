"""One bank line in its drawer on Reconcile: what it is for, in parts that add up, and whose it is."""

from collections.abc import Iterable

import streamlit as st

import bootstrap
import words
from payments.access.people import Action, Person
from payments.matching import Target, Way
from payments.reconciling import exceptions, matched
from payments.reconciling.exceptions import Candidate, ExceptionView
from payments.reconciling.parts import WRITE_OFF_LIMIT, Part
from payments.typed import amount_typed
from ui import line_deeds
from ui.could_be import could_be
from ui.here import error_boundary, id_in, require
from ui.matches import match_told
from ui.pieces import escape, facts, of_one, plain, problem
from ui.rests import rest_of_line
from ui.walk import Walk, way_along
from words import bank as bank_words

_LEFT_OVER = {
    "Surplus: the payer's, to refund or to move": Target.SURPLUS,
    "No payment of ours": Target.ASIDE,
}


def _close() -> None:
    st.query_params.pop("line", None)


def line_drawer(number: str) -> None:
    """The line, and the way along ``lines_walk`` from it."""
    st.session_state.line_at = number
    _drawer()


@st.dialog("Bank line", position="right", width="medium", on_dismiss=_close)
@error_boundary()
def _drawer() -> None:
    app, here, number = bootstrap.app(), require(Action.SEE_BANK), st.session_state.line_at
    # First: it leads on from a line that somebody else has dealt with meanwhile, too.
    way_along(st.session_state.get("lines_walk"), number, key="line", go=_step)
    with app.sessions.read() as session:
        view = exceptions.get(session, here, id_in(number), now=app.now())
        owners = exceptions.owners(session, here, now=app.now())
        history = matched.list_matches(session, here, line_ids=[view.line_id])
    of_one(f"Line {view.line_id}")
    st.badge(bank_words.EXCEPTION[view.reason].word, icon=":material/flag:", color="orange")
    if view.asked:
        st.badge(escape(bank_words.asked_of_two(view) or ""), icon=":material/how_to_reg:", color="violet")
    plain(f"{view.amount} · {view.text}", "name")
    plain(bank_words.remedy(view))
    by = view.way if view.way != Way.NONE else None
    facts({"Date": f"{view.on:%-d %b %Y}", "Account": view.account, "By": by})
    for sign in view.signs:
        plain(f"{'For' if sign.agrees else 'Against'}: {sign.says}", "faint")
    if here.may(Action.RECONCILE):
        if view.part_id is None:
            _split(here, view)
            _refusals(view)
        else:
            rest_of_line(here, view, _close)
        _assignment(view, owners)
    for match in history:
        match_told(match, at="line")


def _step(walk: Walk, number: str, by: int) -> None:
    if to := walk.neighbour(number, by):
        st.query_params["line"] = st.session_state.line_at = to


# -- what it is for -----------------------------------------------------------------------------------


def _split(here: Person, view: ExceptionView) -> None:
    """In parts that add up; what is left over is set apart with a reason."""
    st.subheader("What it is for", anchor=False)
    picked = _payments_picked(here, view)
    with st.form(f"split_{view.line_id}", border=False):
        amounts = _amounts_asked(view, picked)
        rest = st.radio(  # where no payment is chosen, no payer is known whose surplus it could be
            "What is left over", list(_LEFT_OVER), index=0 if picked else 1,
            key=f"rest_{view.line_id}_{bool(picked)}",
        )  # fmt: skip
        off = st.checkbox(
            f"Write off what a payment still lacks; more than {WRITE_OFF_LIMIT} takes a second person",
            key=f"off_{view.line_id}",
        )
        why = st.text_input("Why", key=f"split_why_{view.line_id}", max_chars=500)
        if st.form_submit_button("Accept", type="primary", icon=":material/check:", shortcut="Mod+Enter"):
            with error_boundary():
                typed = list(_parts_typed(view, amounts, picked, _LEFT_OVER[rest], off=off))
                if fault := line_deeds.accept_typed(view, typed, why):
                    problem(fault)
                else:
                    _close()
                    st.rerun()


def _payments_picked(here: Person, view: ExceptionView) -> dict[int, Candidate]:
    """Of those suggested and those that a text finds, the ones that are chosen."""
    likely = [] if view.candidates else could_be(here, view)
    found = {one.payment_id: one for one in (*view.candidates, *likely)}
    by_text: dict[int, Candidate] = {}
    text = st.text_input(
        "Find payments", key=f"find_{view.line_id}", placeholder="Name, reference, e-mail or amount"
    )
    if text:
        with bootstrap.app().sessions.read() as session:
            more = exceptions.find_payments(session, here, text, view.amount)
        by_text = {one.payment_id: one for one in more if one.payable}
        found |= by_text
    payable = {payment_id: one for payment_id, one in found.items() if one.payable}
    usual = [part.payment_id for part in view.parts if part.target is Target.PAYMENT]
    if len(by_text) == 1:
        usual = list(by_text)
    if text:
        found_so = words.count(len(by_text), "payment", "payments")
        then = "it is chosen below" if len(by_text) == 1 else "choose below"
        plain(f"{found_so} found that can take money; {then}.", "faint")
    picked = st.multiselect(
        "Payments", list(payable), default=[one for one in usual if one in payable],
        format_func=lambda one: f"{found[one].payer} · {found[one].reference} · {found[one].rest}",
        key=f"picked_{view.line_id}_{text}", placeholder="None: all of it is set apart",
    )  # fmt: skip
    return {payment_id: payable[payment_id] for payment_id in picked}


def _amounts_asked(view: ExceptionView, picked: dict[int, Candidate]) -> dict[int, str]:
    """What is typed for each; at first all that it lacks, as far as the line goes."""
    left, amounts = view.amount, {}
    for payment_id, one in picked.items():
        usual = min(left, one.rest, key=lambda money: money.minor)
        amounts[payment_id] = st.text_input(
            f"For {escape(one.payer)}, {escape(one.reference)}", usual.decimal,
            key=f"part_{view.line_id}_{payment_id}",
        )  # fmt: skip
        left = left - usual
    return amounts


def _parts_typed(
    view: ExceptionView, amounts: dict[int, str], picked: dict[int, Candidate], rest: Target, *, off: bool
) -> Iterable[Part]:
    left = view.amount
    for payment_id, typed in amounts.items():
        amount = amount_typed(typed, view.amount.currency)
        lacks = picked[payment_id].rest - amount
        written_off = lacks if off and lacks.minor > 0 else None
        yield Part(Target.PAYMENT, amount, payment_id, written_off)
        left = left - amount
    if left:
        yield Part(rest, left, next(iter(amounts), None) if rest is Target.SURPLUS else None)


def _refusals(view: ExceptionView) -> None:
    for one in view.candidates:
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            plain(f"{one.payer}, {one.reference}", "faint")
            st.button(
                "Not this one", key=f"refuse_{view.line_id}_{one.payment_id}", icon=":material/link_off:",
                on_click=line_deeds.refuse, args=(view.line_id, one.payment_id),
            )  # fmt: skip


# -- whose it is --------------------------------------------------------------------------------------


def _assignment(view: ExceptionView, owners: dict[int, str]) -> None:
    st.subheader("Whose it is", anchor=False)
    with st.form(f"assign_{view.line_id}", border=False):
        left, right = st.columns(2)
        ids = list(owners)
        owner = left.selectbox(
            "Owner", ids, index=ids.index(view.owner_id) if view.owner_id in ids else None,
            format_func=owners.__getitem__, placeholder="Nobody yet", key=f"line_owner_{view.line_id}",
        )  # fmt: skip
        due = right.date_input("Due on", view.due_on, format="DD/MM/YYYY", key=f"line_due_{view.line_id}")
        note = st.text_area(
            "Note; @name tells a colleague by mail", view.note, key=f"line_note_{view.line_id}",
            max_chars=1000,
        )  # fmt: skip
        if st.form_submit_button("Save", icon=":material/person_check:"):
            with error_boundary():
                line_deeds.do(exceptions.assign, view.line_id, owner_id=owner, due_on=due, note=note)
                line_deeds.tell("Saved.")
                _close()
                st.rerun()
