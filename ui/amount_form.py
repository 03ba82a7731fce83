"""Another amount in the drawer: what it costs by now, what would be done, and the doing."""

import streamlit as st

import bootstrap
import words
from db.money import Money
from payments.access.people import Person
from payments.finding.search import PaymentDetail
from payments.second_person import two_people
from payments.selling import agreed, amounts, families
from payments.selling.amounts import Wanted
from payments.selling.families import Agreed, Related
from ui.claims import amount_of
from ui.pieces import escape, plain
from ui.walk import turn_to

#: How a payment that belongs to another is told, by what the change was and which of them is the later one.
_TOLD = {
    ("replaced", True): "In its place",
    ("replaced", False): "In place of",
    ("asked", True): "Asks for the difference",
    ("asked", False): "The difference of",
}


def amount_form(here: Person, detail: PaymentDetail) -> str | None:
    """Says what would be done before it is; returns what was."""
    app, reference = bootstrap.app(), detail.row.reference
    with app.sessions.read() as session:
        standing = families.of(session, here, reference)
    typed = st.text_input(
        "What it costs in all from now on", standing.total.decimal, key=f"amount_{reference}",
        help="With its differences. What was paid stays as it is.",
    )  # fmt: skip
    amount = amount_of(typed or "", detail.row.amount.currency)
    with app.sessions.read() as session:
        steps = amounts.foresee(session, here, reference, amount)
    if not steps:
        plain(
            f"It costs {standing.total}. Type another amount: it is shown first what would be done.", "faint"
        )
        return None
    plain(agreed.told(steps), "faint")
    two = amounts.takes_two(steps)
    if not two:
        plain(
            "The gateway is asked first about a link that waits. Money that still comes on it is told.",
            "faint",
        )
    shown = "-".join(step.deed for step in steps)  # a press meant for something else does nothing
    with st.form(f"change_amount_{reference}_{shown}", border=False):
        tell = (
            not two
            and bool(detail.row.payer_email)
            and st.checkbox("Mail the payer the new link", key=f"amount_tell_{reference}")
        )
        why = st.text_area("Why does it cost something else?", key=f"amount_why_{reference}", max_chars=1000)
        word = "Ask a second person" if two else "Change the amount"
        if not st.form_submit_button(word, type="primary", shortcut="Mod+Enter"):
            return None
    return (
        _ask(here, reference, amount, why)
        if two
        else _change(here, reference, Wanted(amount, why, tell=tell))
    )


def _ask(here: Person, reference: str, amount: Money, why: str) -> str:
    app = bootstrap.app()
    app.sessions.run(
        lambda session: two_people.ask_credit(session, here, reference, amount, why, now=app.now())
    )
    return "Asked. It is done as soon as a second person approves it, under Approvals."


def _change(here: Person, reference: str, wanted: Wanted) -> str:
    app = bootstrap.app()
    with st.spinner("The gateway is asked …"):
        done = amounts.change(
            app.sessions, app.gateways, here, reference, wanted,
            addresses=app.settings.addresses, now=app.now(),
        )  # fmt: skip
    return f"{agreed.told(done.steps)} It is {done.asks}." if done.asks else agreed.told(done.steps)


def agreed_of(here: Person, detail: PaymentDetail) -> None:
    """What is owed back, and the payments that belong to this one, each to be opened."""
    with bootstrap.app().sessions.read() as session:
        standing = families.of(session, here, detail.row.reference)
    if standing.owed_back:
        st.info(
            f"**{standing.owed_back} is owed back to the payer**, as a credit. Give it back under Money.",
            icon=":material/price_change:",
        )
    for one in standing.related:
        _other(one)
    _together(standing, detail)


def _other(one: Related) -> None:
    word = words.STATUS[one.status].word
    st.button(
        escape(f"{_TOLD[one.kind, one.is_later]}: {one.reference} · {one.amount} · {word}"),
        icon=":material/price_change:", type="tertiary", key=f"related_{one.reference}", on_click=turn_to,
        args=(one.reference,),
    )  # fmt: skip


def _together(standing: Agreed, detail: PaymentDetail) -> None:
    if standing.total != detail.row.amount and any(one.kind == "asked" for one in standing.related):
        plain(f"Together they cost {standing.total}.", "faint")
