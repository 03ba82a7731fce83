"""How somebody pays by EFT: account, exact reference, due date; to be shown, shared and printed."""

import streamlit as st

import bootstrap
from payments.access.people import Action, Person
from payments.at_the_door import eft
from payments.at_the_door.eft import Sheet
from payments.errors import PaymentsError
from payments.finding.search import PaymentDetail
from ui.claims import claim_form, claims_told
from ui.here import error_boundary, require
from ui.pieces import facts, plain
from ui.sharing import copy, share_text


def eft_sheet(here: Person, detail: PaymentDetail, place: int = 0, *, key: str) -> None:
    """The sheet of a payment, or of one of several people on it, and the form for who says they have paid."""
    app, row = bootstrap.app(), detail.row
    reference = row.reference
    place = _for_whom(detail, place, key=key)
    try:
        with app.sessions.read() as session:
            sheet = eft.sheet(session, here, reference, place, now=app.now())
    except PaymentsError as refusal:
        plain(str(refusal), "faint")
        return
    with st.container(key="eft_sheet"):
        _shown(sheet)
    plain("Reference to copy", "faint")
    copy(sheet.spoken, key=f"{key}_copy")
    if here.may(Action.ISSUE_LINK):
        share_text(
            sheet.text, key=f"{key}_share", subject=f"{sheet.event_name}: how to pay",
            phone=row.payer_phone, email=row.payer_email, tell=lambda how: _tell(reference, place, how),
        )  # fmt: skip
    if here.may(Action.TAKE_MONEY):
        with st.expander("They say they paid", icon=":material/front_hand:"), error_boundary():
            if claim_form(here, reference, sheet.amount, key=f"{key}_claim") is not None:
                st.rerun()
    claims_told(here, reference)


def _for_whom(detail: PaymentDetail, place: int, *, key: str) -> int:
    """Of several people each can pay their own: the bank's line then says whose it is."""
    whom = {0: "All of it"} | {one.number: one.name for one in detail.places if one.missing}
    if len(whom) == 1:
        return 0
    return st.selectbox(
        "Who pays by EFT", list(whom), index=list(whom).index(place if place in whom else 0),
        format_func=whom.__getitem__, key=f"{key}_whom_{detail.row.reference}_{place}",
    )  # fmt: skip


def _shown(sheet: Sheet) -> None:
    plain(str(sheet.amount), "amount")
    who = f"{sheet.whom} ({sheet.payer_name})" if sheet.whom else sheet.payer_name
    plain(f"{sheet.event_name} · {who}", "faint")
    facts(
        {
            "Reference": f"{sheet.spoken}  (or {sheet.reference})",
            "Account holder": sheet.account.holder,
            "Bank": sheet.account.bank,
            "Account number": sheet.account.number,
            "Branch code": sheet.account.branch_code,
            "Account type": sheet.account.kind.title(),
            "Pay": f"{sheet.until[0].upper()}{sheet.until[1:]}",
        }
    )
    plain(
        "Write the reference exactly so: the money is found by it. An EFT takes one to two bank days.",
        "faint",
    )


def _tell(reference: str, place: int, how: str) -> None:
    app = bootstrap.app()
    with error_boundary():
        app.sessions.run(
            lambda session: eft.shared(
                session, require(Action.ISSUE_LINK), reference, how, place=place, now=app.now()
            )
        )
