"""Refunds: those that two people want made by EFT, the runs for the bank, and what became of them."""

from collections.abc import Sequence

import streamlit as st

import bootstrap
import ui
import words
from db.money import Money
from payments import dates
from payments.access import people
from payments.access.people import Action, Person
from payments.bank import accounts
from payments.bank.accounts import AccountView
from payments.money_back import bank_batches, refund_orders, refund_runs
from payments.money_back.bank_batches import Field, Layout
from payments.money_back.refund_orders import OrderView, State
from payments.money_back.refund_runs import RunState, RunView
from words import bank as bank_words

person = ui.require(Action.RECONCILE)
app = bootstrap.app()
SEPARATORS = {",": "Comma", ";": "Semicolon", "\t": "Tab"}


def card(order: OrderView) -> None:
    """What is known of one, and what can be done about it."""
    look = bank_words.REFUND[order.state]
    with st.container(border=True, key=f"refund_{order.id}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            ui.plain(f"{order.amount} to {order.payer}", "title")
            st.badge(look.word, icon=f":material/{look.icon}:", color=look.tone)
        ui.plain(f"{order.event} · {order.masked} · {order.bank_reference} · decided by {order.by}", "faint")
        ui.plain(order.why)
        opened(order)
        with st.container(horizontal=True, vertical_alignment="center"):
            st.page_link(
                "pages/monitor/payments.py", label="Open the payment", icon=":material/receipt_long:",
                query_params={"payment": order.reference},
            )  # fmt: skip
            with st.popover("Bank details", icon=":material/visibility:"):
                details(order)
            if order.state is State.READY:
                with st.popover("Withdraw", icon=":material/undo:"):
                    withdrawal(order)


def details(order: OrderView) -> None:
    ui.plain("Whoever opens them is on the record.", "faint")

    def open_it(here: Person) -> None:
        account = app.sessions.run(
            lambda session: refund_orders.unmask(session, here, order.id, app.keys, now=app.now())
        )
        st.session_state.refund_opened = (order.id, account)
        ui.tell(f"The account of {order.bank_reference} stands below its refund, once.")

    st.button("Show the whole account", key=f"unmask_{order.id}", on_click=ui.attempt, args=(open_it,))


def opened(order: OrderView) -> None:
    """Shown once, after it was asked for; the next click puts it away."""
    of, account = st.session_state.get("refund_opened", (None, None))
    if of == order.id and account is not None:
        del st.session_state.refund_opened
        ui.facts(
            {
                "Holder": account.holder, "Bank": account.bank, "Account": account.number,
                "Branch": account.branch_code, "Kind": account.kind,
            }
        )  # fmt: skip


def withdrawal(order: OrderView) -> None:
    why = st.text_area("Why is it not made after all?", key=f"withdraw_why_{order.id}", max_chars=500)
    st.button(
        "Withdraw it", type="primary", key=f"withdraw_{order.id}", on_click=ui.act,
        args=("Withdrawn. The payment says why.", refund_orders.withdraw, order.id, why),
    )  # fmt: skip


# -- a run ----------------------------------------------------------------------------------------------


def collect(ready: Sequence[OrderView], ours: Sequence[AccountView]) -> None:
    """The refunds that are ready, and the run they go into."""
    st.subheader("Ready for a run", anchor=False)
    if not ready:
        ui.empty_state(
            "No refund waits for a run",
            "Open a payment, choose Money, then Refund by EFT. Once a second person approves it, it waits "
            "here.",
            "send_money",
        )
        return
    able = [one for one in ours if one.number and one.currency == "ZAR" and len(one.branch_code) == 6]
    chosen = [
        order
        for order in ready
        if st.checkbox(
            f"{order.amount} to {ui.escape(order.payer)}, {order.masked}", True, key=f"take_{order.id}"
        )
    ]
    total = sum((order.amount for order in chosen), Money(0))
    if not able:
        ui.plain(
            "No account of ours can pay: under Statements, give one its number and six-digit branch code."
        )
    else:
        start(chosen, total, able)
    for order in ready:
        card(order)


def start(chosen: Sequence[OrderView], total: Money, able: Sequence[AccountView]) -> None:
    today = dates.business_day(app.now())
    first = today if dates.is_bank_day(today) else dates.next_bank_day(today)
    names = {one.id: one.told for one in able}
    left, right = st.columns(2)
    account = left.selectbox("Paid from", list(names), format_func=names.__getitem__, key="run_account")
    on = right.date_input("To be paid on", first, min_value=today, format="DD/MM/YYYY", key="run_on")
    told = "The run is made. Take its file to the bank, then say that it was sent."
    st.button(
        f"Make a run of {words.count(len(chosen), 'refund', 'refunds')}, {total}", type="primary",
        icon=":material/playlist_add_check:", disabled=not chosen, key="run_make", on_click=ui.act,
        args=(told, refund_runs.make, account, [one.id for one in chosen], on),
    )  # fmt: skip


def show_run(run: RunView) -> None:
    look = bank_words.REFUND_RUN[run.state]
    with st.container(border=True, key=f"run_{run.id}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            ui.plain(f"Run {run.id}: {words.count(run.orders, 'refund', 'refunds')}, {run.sum}", "title")
            st.badge(look.word, icon=f":material/{look.icon}:", color=look.tone)
        ui.plain(f"From {run.account}, to be paid on {run.pay_on:%-d %b %Y}, made by {run.made_by}", "faint")
        if run.ended_at is not None:
            why = f": {run.ended_why}" if run.ended_why else ""
            ui.plain(f"{look.word} by {run.ended_by}, {ui.moment(run.ended_at)}{why}", "faint")
        if run.state is not RunState.CALLED:
            with st.container(horizontal=True):
                files_of(run)
                if run.state is RunState.MADE:
                    steps(run)
            became(run)


def files_of(run: RunView) -> None:
    """They hold whole account numbers: who takes one has just shown who they are."""
    if people.is_proven(person, now=app.now()):
        ui.file_link(f"/refund-run/{run.id}.xml", "ISO 20022 (pain.001)")
        ui.file_link(f"/refund-run/{run.id}.csv", "CSV")
        return

    def prove(here: Person) -> None:
        people.proven(here, now=app.now())
        ui.tell("For five minutes the files can be taken.")

    st.button(
        "Files for the bank", icon=":material/lock:", key=f"files_{run.id}", on_click=ui.attempt,
        args=(prove,),
    )  # fmt: skip


def steps(run: RunView) -> None:
    st.button(
        "The bank has it", type="primary", icon=":material/send:", key=f"sent_{run.id}", on_click=ui.act,
        args=("Sent. The statement says what becomes of each.", refund_runs.sent, run.id),
    )  # fmt: skip
    with st.popover("Call back", icon=":material/undo:"):
        why = st.text_area("Why?", key=f"call_why_{run.id}", max_chars=500)
        st.button(
            "Call it back", type="primary", key=f"call_{run.id}", on_click=ui.act,
            args=("Called back. Its refunds wait for another run.", refund_runs.call_back, run.id, why),
        )  # fmt: skip


def became(run: RunView) -> None:
    with app.sessions.read() as session:
        orders = refund_orders.listed(session, person, run_id=run.id)
    with st.expander("What became of each"):
        for order in orders:
            word = bank_words.REFUND[order.state].word
            ui.plain(f"{order.bank_reference}: {order.amount} to {order.payer}, {order.masked}: {word}")


# -- the bank's columns -----------------------------------------------------------------------------------


def columns(ours: Sequence[AccountView]) -> None:
    """What a bank wants in its CSV; asked once for an account."""
    with st.expander("The columns of a bank's CSV", icon=":material/view_column:"):
        ui.plain(
            f"One column a line, heading = what it holds: {', '.join(Field)}. Ask the bank for its layout.",
            "faint",
        )
        names = {one.id: one.told for one in ours}
        account = st.selectbox("Account", list(names), format_func=names.__getitem__, key="layout_account")
        with app.sessions.read() as session:
            layout = refund_runs.layout_of(session, person, account)
        said = st.text_area("Columns", layout.told, height=220, key=f"layout_{account}")
        separator = st.selectbox(
            "Between them", list(SEPARATORS), index=list(SEPARATORS).index(layout.separator),
            format_func=SEPARATORS.__getitem__, key=f"layout_between_{account}",
        )  # fmt: skip
        headings = st.checkbox("With a row of headings", layout.with_headings, key=f"layout_heads_{account}")

        with ui.error_boundary():
            wanted = Layout.read(said, separator, with_headings=headings)
            ui.plain("So it looks, with invented payees:", "faint")
            st.code(bank_batches.sample(wanted, app.now()), language=None)

        def remember(here: Person) -> None:
            wanted = Layout.read(said, separator, with_headings=headings)
            app.sessions.run(
                lambda session: refund_runs.remember_layout(session, here, account, wanted, now=app.now())
            )
            ui.tell("Remembered.")

        st.button("Remember them", key="layout_keep", on_click=ui.attempt, args=(remember,))


st.title("Refunds", anchor=False)
ui.outcome()
with ui.error_boundary():
    with app.sessions.read() as session:
        returned = refund_orders.listed(session, person, (State.RETURNED,))
        ready = refund_orders.listed(session, person, (State.READY,))
        runs = refund_runs.recent(session, person)
        ours = accounts.list_accounts(session, person)
    if returned:
        st.subheader("Sent back by the bank", anchor=False)
        ui.plain("Ask for each anew, with other bank details: a second person approves it again.", "faint")
        for order in returned:
            card(order)
    collect(ready, ours)
    if runs:
        st.subheader("Runs", anchor=False)
        for run in runs:
            show_run(run)
    if ours:
        columns(ours)
