"""The bank account that an event's payers are told, under Events: another one takes two people."""

import streamlit as st

import bootstrap
from payments.access import people
from payments.access.people import Person
from payments.at_the_door import eft
from payments.at_the_door.eft import Account, AccountKind
from payments.second_person import approvals, entrusting
from payments.second_person.approvals import ApprovalView, State, What
from payments.selling.events import EventView
from ui.here import error_boundary
from ui.pieces import escape, moment, plain
from ui.proving import act, go, tell
from words.approvals import ACCOUNT


def account_form(here: Person, event: EventView) -> None:
    app = bootstrap.app()
    with app.sessions.read() as session:
        known, two = eft.account(session, here, event.code), people.takes_two(session)
        waits = _waiting(approvals.open_requests(session, here, now=app.now()), event)
        whom = {one.id: approvals.who_decides(session, here, one.id, now=app.now()) for one in waits}
    st.subheader("Bank account for EFT", anchor=False)
    if known is None:
        plain("None yet: nobody can be told how to pay by EFT for this event.", "faint")
    for one in waits:
        _waits(here, event, one, whom[one.id])
    _form(event, known, two=two)
    if known is not None:
        with st.popover("Stop telling it", key="stop_account", icon=":material/block:"):
            plain(
                "At once, by you alone: until there is another, nobody is told how to pay by EFT. "
                "Whoever was told already has to be told otherwise.",
                "faint",
            )
            st.button(
                "Tell payers no account", key="stop_account_sure", type="primary", on_click=act,
                args=(f"Payers of {event.name} are told no account.", eft.stop_account, event.code),
            )  # fmt: skip


def _waiting(requests: tuple[ApprovalView, ...], event: EventView) -> list[ApprovalView]:
    return [
        one
        for one in requests
        if one.what is What.SET_ACCOUNT and one.state is State.WAITING and one.bound["event"] == event.code
    ]


def _waits(here: Person, event: EventView, one: ApprovalView, whom: tuple[str, ...]) -> None:
    """A change that somebody asked for: until then payers are told what they were."""
    then = one.bound["account_then"]
    decides = " or ".join(escape(name) for name in whom) or "nobody who is here: it will not be decided"
    with st.container(border=True, key=f"account_waits_{one.id}"):
        st.warning(
            f"A change waits for {decides}, until {escape(moment(one.expires_at))}. "
            f"Until it is approved payers are told what they were.",
            icon=":material/schedule:",
        )
        plain(f"{one.requester} asked for {then['bank']} {then['number']}, {then['holder']}: {one.why}")
        with st.container(horizontal=True):
            if one.requester_id == here.id:
                st.button(
                    "Take it back", key=f"account_back_{one.id}", icon=":material/undo:", on_click=act,
                    args=("Taken back: payers are told what they were.", approvals.withdraw, one.id),
                )  # fmt: skip
            st.page_link(
                "pages/monitor/approvals.py", label="Look at it under Approvals", icon=":material/how_to_reg:"
            )


def _form(event: EventView, known: Account | None, *, two: bool) -> None:
    with st.form("bank_account"):
        left, right = st.columns(2)
        holder = left.text_input(ACCOUNT["holder"], known.holder if known else "", required=True)
        bank = right.text_input(ACCOUNT["bank"], known.bank if known else "", required=True)
        first, second, third = st.columns(3)
        number = first.text_input(ACCOUNT["number"], known.number if known else "", required=True)
        branch = second.text_input(ACCOUNT["branch_code"], known.branch_code if known else "", required=True)
        kinds = list(AccountKind)
        kind = third.selectbox(
            ACCOUNT["kind"], kinds, index=kinds.index(known.kind) if known else 0, format_func=str.title
        )
        why = ""
        if two:
            why = st.text_input(
                "Why? Another person decides by it.", key="account_why", max_chars=1000, autocomplete="off",
                required=True,
            )  # fmt: skip
        else:
            plain("You set it alone until a second person who may approve has come in.", "faint")
        label = "Ask for this account" if two else "Save the account"
        sent = st.form_submit_button(label, icon=":material/account_balance:")
    if sent:
        _save(event, Account(bank or "", holder or "", number or "", branch or "", kind), why or "")


def _save(event: EventView, wanted: Account, why: str) -> None:
    app = bootstrap.app()

    def do(me: Person) -> None:
        asked = app.sessions.run(
            lambda session: entrusting.set_account(session, me, event.code, wanted, why, now=app.now())
        )
        tell(
            f"The bank account of {event.name} is saved."
            if asked is None
            else "Asked. Payers are told what they were until another person has approved it."
        )

    with error_boundary():
        go(do)
        st.rerun()
