"""A refund by EFT: how much, to whose account, and why. A second person decides."""

import streamlit as st

import bootstrap
from payments.access.people import Person
from payments.finding.search import PaymentDetail
from payments.money_back.bank_batches import KINDS, Account
from payments.second_person import two_people
from ui.claims import amount_of
from ui.pieces import plain


def refund_form(here: Person, detail: PaymentDetail) -> str | None:
    """What to say once it was asked for; None while it was not."""
    plain(
        "Approved, it waits under Refunds for the next run to the bank. The account is kept encrypted and "
        "shown by its last digits.",
        "faint",
    )
    reference = detail.row.reference
    with st.form("ask_eft_refund", border=False):
        left, right = st.columns(2)
        rest = (detail.row.received - detail.refunded).decimal
        typed = left.text_input("How much", rest, key=f"pay_back_amount_{reference}", required=True)
        holder = right.text_input(
            "Account holder", detail.row.payer_name, key=f"pay_back_holder_{reference}", autocomplete="off"
        )
        bank = left.text_input("Bank", key=f"pay_back_bank_{reference}", autocomplete="off")
        branch = right.text_input(
            "Branch code, six digits", key=f"pay_back_branch_{reference}", autocomplete="off"
        )
        number = left.text_input("Account number", key=f"pay_back_number_{reference}", autocomplete="off")
        kind = right.selectbox("Kind of account", list(KINDS), key=f"pay_back_kind_{reference}")
        why = st.text_area("Why is it given back?", key=f"pay_back_why_{reference}", max_chars=1000)
        if not st.form_submit_button("Ask a second person", type="primary", shortcut="Mod+Enter"):
            return None
    app = bootstrap.app()
    account = Account(holder or "", bank or "", number or "", branch or "", kind)
    amount = amount_of(typed or "", detail.row.amount.currency)
    app.sessions.run(
        lambda session: two_people.ask_eft_refund(
            session, here, reference, amount, account, app.keys, why, now=app.now()
        )
    )
    return "Asked. Once a second person approves it, it waits under Refunds for the next run."
