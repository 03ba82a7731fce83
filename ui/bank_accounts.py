"""The bank account whose statements come: chosen, added, called otherwise, out of use and in use again."""

from collections.abc import Callable

import streamlit as st

import bootstrap
from db.money import CURRENCIES
from payments.access.people import Action, Person
from payments.bank import accounts
from payments.bank.accounts import AccountView
from payments.errors import OtherAccount
from ui.here import error_boundary, require
from ui.pieces import empty_state, escape
from ui.proving import tell


def bank_account_chosen(here: Person, there: list[AccountView]) -> AccountView | None:
    if not there:
        empty_state("No bank account yet", "Add the account whose statements you have.", "account_balance")
        _new_account(first=True)
        _out_of_use(here)
        return None
    by_id = {one.id: one for one in there}
    if (chosen := st.session_state.pop("account_next", None)) in by_id:
        st.session_state.account = chosen  # before its field is drawn
    with st.container(horizontal=True, vertical_alignment="bottom"):
        picked = st.selectbox(
            "Account", list(by_id), format_func=lambda one: by_id[one].told, key="account", width=340
        )
        with st.popover("Another account", icon=":material/add:"):
            _new_account()
            _out_of_use(here)
        with st.popover("This account", icon=":material/edit:"):
            _this_account(by_id[picked])
    return by_id[picked]


def _new_account(*, key: str = "new_account", first: bool = False, number: str = "") -> None:
    """``number``: what a file says of it."""
    with st.form(key, border=False):
        name = st.text_input(
            "What colleagues call it", "Events account" if first else "", max_chars=80, key=f"{key}_name"
        )
        left, right = st.columns(2)
        bank = left.text_input("Bank", max_chars=60, key=f"{key}_bank")
        number = right.text_input(
            "Number, or empty: the first file says it", number, max_chars=34, key=f"{key}_number_{number}"
        )
        currency = left.selectbox("Currency", CURRENCIES, key=f"{key}_currency")
        if st.form_submit_button("Add the account", type="primary", icon=":material/add:"):
            with error_boundary():
                app, here = bootstrap.app(), require(Action.RECONCILE)
                made = app.sessions.run(
                    lambda session: accounts.create(
                        session, here, name=name, bank=bank, number=number, currency=currency, now=app.now()
                    )
                )
                st.session_state.account_next = made.id
                tell(f"{made.told} is there. Bring its statement.")
                st.rerun()


def _this_account(account: AccountView) -> None:
    """Its name and number, or out of use with it. Each account has fields of its own."""
    with st.form(f"change_account_{account.id}", border=False):
        name = st.text_input("What colleagues call it", account.name, max_chars=80)
        number = st.text_input("Number, or empty: the next file says it", account.number, max_chars=34)
        if st.form_submit_button("Save it", type="primary", icon=":material/check:"):
            _settle("It is saved.", account.id, accounts.change, name=name, number=number)
    if st.button("Out of use", key=f"retire_{account.id}", icon=":material/archive:"):
        _settle(f"{account.told} is out of use. What is here of it stays.", account.id, accounts.retire)


def _out_of_use(here: Person) -> None:
    with bootstrap.app().sessions.read() as session:
        gone = accounts.retired(session, here)
    for one in gone:
        if st.button(f"Use {escape(one.told)} again", key=f"again_{one.id}", icon=":material/unarchive:"):
            _settle(f"{one.told} is in use again.", one.id, accounts.use_again)


def _settle(done: str, account_id: int, change: Callable[..., object], **told: str) -> None:
    with error_boundary():
        app, here = bootstrap.app(), require(Action.RECONCILE)
        app.sessions.run(lambda session: change(session, here, account_id, now=app.now(), **told))
        tell(done)
        st.session_state.account_next = account_id
        st.rerun()


def its_bank_account(error: OtherAccount) -> None:
    """The file is of another account: of one to choose, or to add."""
    if error.account_id is not None:
        st.button(
            "Choose it", key="its_account", type="primary", icon=":material/check:", on_click=_choose,
            args=(error.account_id,),
        )  # fmt: skip
        return
    with st.container(border=True):
        _new_account(key="its_account", number=error.number)


def _choose(account_id: int) -> None:
    st.session_state.account_next = account_id
