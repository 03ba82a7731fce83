"""The drawer's steps about money: a claim, what takes a second person, another event."""

from collections.abc import Callable

import streamlit as st

import bootstrap
import words
from db.money import Money
from payments import dates
from payments.access.people import Action, Person
from payments.finding.search import PaymentDetail
from payments.lifecycle import CLOSED, SETTLED
from payments.second_person import approvals, two_people
from payments.second_person.approvals import ApprovalView, State
from payments.second_person.two_people import RETURNS, Returned
from payments.selling import events, moves
from payments.selling.events import State as EventState
from ui.amount_form import amount_form
from ui.claims import amount_of, ask_proof, claim_form, prepared
from ui.disputes import can_be_disputed, dispute_form
from ui.here import error_boundary
from ui.pieces import plain, trouble
from ui.proving import go
from ui.refund_form import refund_form
from words import approvals as approval_words

CLAIM, PAID, AMOUNT, WAIVE, REFUND, PAY_BACK, DISPUTE, MOVE = (
    "They say they paid", "Mark as paid", "Change the amount", "Waive", "Record a refund", "Refund by EFT",
    "Payer disputes it", "Move to another event",
)  # fmt: skip
Form = Callable[[Person, PaymentDetail], str | None]


def money_steps(here: Person, detail: PaymentDetail) -> None:
    """One door for all of them; behind it only what fits this payment and this person."""
    forms = _fitting(here, detail)
    if not forms:
        return
    with st.popover("Money", icon=":material/account_balance:"):
        chosen = st.pills(
            "What about its money", list(forms), key=_key(detail, "money"), label_visibility="collapsed"
        )
        if chosen is None:
            plain("Choose what happened. Nothing is changed yet.", "faint")
            return
        with error_boundary():
            said = forms[chosen](here, detail)
            if said is not None:
                st.session_state.drawer_said = said
                st.rerun(scope="fragment")


def _fitting(here: Person, detail: PaymentDetail) -> dict[str, Form]:
    status, event_id = detail.row.status, detail.event_id
    takes, records = here.may(Action.TAKE_MONEY, event_id), here.may(Action.RECORD, event_id)
    fits: dict[str, tuple[bool, Form]] = {
        CLAIM: (takes and status not in SETTLED and status != "waived", _claim),
        PAID: (takes and two_people.why_not_paid(status) is None, _paid),
        AMOUNT: (here.may(Action.ISSUE_LINK, event_id) and _may_cost_another(detail), amount_form),
        WAIVE: (records and two_people.why_not_waived(status) is None, _waive),
        REFUND: (records and two_people.why_not_refunded(status) is None, _refund),
        PAY_BACK: (records and detail.row.status in ("paid", "part_refunded"), refund_form),
        DISPUTE: (records and can_be_disputed(detail), dispute_form),
        MOVE: (records, _move),
    }
    return {name: form for name, (fit, form) in fits.items() if fit}


def _may_cost_another(detail: PaymentDetail) -> bool:
    return (
        detail.row.status not in CLOSED and detail.row.status != "refunded" and detail.row.origin != "legacy"
    )


def waiting_requests(here: Person, detail: PaymentDetail) -> None:
    """What somebody asked for and a second person has not decided upon."""
    if not here.may(Action.SEE_APPROVALS):
        return
    app = bootstrap.app()
    with app.sessions.read() as session:
        requests = approvals.open_requests(session, here, now=app.now())
    for request in requests:
        if request.subject == detail.row.reference and request.state is State.WAITING:
            _waits(here, request)


def _waits(here: Person, request: ApprovalView) -> None:
    amount = f", {request.amount}" if request.amount else ""
    word = approval_words.ASKED[request.what][0]
    trouble(f"{word}{amount}:", f"{request.requester} asked for it; a second person decides.", bad=False)
    if approvals.may_decide(here, request):
        st.page_link("pages/monitor/approvals.py", label="Decide upon it", icon=":material/how_to_reg:")


# -- the forms --------------------------------------------------------------------------------------


def _key(detail: PaymentDetail, field: str) -> str:
    """What was typed for one payment is not there for the next: an amount would be sent for the wrong one."""
    return f"{field}_{detail.row.reference}"


def _balance(detail: PaymentDetail) -> Money:
    return detail.row.amount - detail.row.received


def _claim(here: Person, detail: PaymentDetail) -> str | None:
    plain("Nothing counts as paid by it: the bank's line, or a second person, decides.", "faint")
    claim = claim_form(here, detail.row.reference, _balance(detail), key="drawer_claim")
    return "Written down. It stays claimed until the money is here." if claim is not None else None


def _paid(here: Person, detail: PaymentDetail) -> str | None:
    plain(approval_words.ASKED[approvals.What.MARK_PAID][1], "faint")
    with st.form("ask_paid", border=False):
        typed = st.text_input(
            "How much", _balance(detail).decimal, key=_key(detail, "ask_paid_amount"), required=True
        )
        why = st.text_area(
            "How do you know that it is here?", key=_key(detail, "ask_paid_why"), max_chars=1000
        )
        if not st.form_submit_button("Ask a second person", type="primary", shortcut="Mod+Enter"):
            return None
    amount, app = amount_of(typed or "", detail.row.amount.currency), bootstrap.app()
    app.sessions.run(
        lambda session: two_people.ask_paid(session, here, detail.row.reference, amount, why, now=app.now())
    )
    return _ASKED


def _waive(here: Person, detail: PaymentDetail) -> str | None:
    plain(approval_words.ASKED[approvals.What.WAIVE][1], "faint")
    with st.form("ask_waive", border=False):
        why = st.text_area(
            "Why is it not asked for any more?", key=_key(detail, "ask_waive_why"), max_chars=1000
        )
        if not st.form_submit_button("Ask a second person", type="primary", shortcut="Mod+Enter"):
            return None
    app = bootstrap.app()
    app.sessions.run(
        lambda session: two_people.ask_waiver(session, here, detail.row.reference, why, now=app.now())
    )
    return _ASKED


def _refund(here: Person, detail: PaymentDetail) -> str | None:
    plain("Give the money back first, in iKhokha's app or at your bank. Here it is written down.", "faint")
    app = bootstrap.app()
    today = dates.business_day(app.now())
    with st.form("ask_refund", border=False):
        left, right = st.columns(2)
        typed = left.text_input(
            "How much",
            (detail.row.received - detail.refunded).decimal,
            key=_key(detail, "refund_amount"),
            required=True,
        )
        on = right.date_input(
            "Given back on", today, max_value=today, format="DD/MM/YYYY", key=_key(detail, "refund_on")
        )
        how = left.selectbox(
            "How", RETURNS, format_func=words.METHOD.__getitem__, key=_key(detail, "refund_how")
        )
        done_by = right.text_input("By whom", here.name, key=_key(detail, "refund_by"), required=True)
        theirs = st.text_input(
            "Reference there (optional)", key=_key(detail, "refund_reference"), autocomplete="off"
        )
        upload = ask_proof(_key(detail, "refund_proof"))
        why = st.text_area("Why was it given back?", key=_key(detail, "refund_why"), max_chars=1000)
        if not st.form_submit_button("Ask a second person", type="primary", shortcut="Mod+Enter"):
            return None
    amount = amount_of(typed or "", detail.row.amount.currency)
    returned = Returned(detail.row.reference, amount, how, on, done_by or "", theirs or "")
    proof = prepared(upload)

    def ask(me: Person) -> None:
        app.sessions.run(
            lambda session: two_people.ask_refund(session, me, returned, proof, app.keys, why, now=app.now())
        )
        st.session_state.drawer_said = _ASKED

    go(ask, inside=True)
    st.rerun(scope="fragment")


def _move(here: Person, detail: PaymentDetail) -> str | None:
    plain("Amount, status, receipts and dates stay as they are; both events' totals follow.", "faint")
    app = bootstrap.app()
    with app.sessions.read() as session:
        known = events.list_events(session, here, states=(EventState.OPEN, EventState.DRAFT))
    others = {
        event.code: event
        for event in known
        if event.id != detail.event_id and event.currency == detail.row.amount.currency
    }
    if not others:
        plain("There is no other event here that takes this currency.")
        return None
    code = st.selectbox(
        "To which event", list(others), format_func=lambda one: others[one].name, key=_key(detail, "move_to")
    )
    prices = {line.id: f"{line.name}, {line.price}" for line in others[code].categories if line.active}
    with st.form("move", border=False):
        price = st.selectbox(
            "There for", list(prices), format_func=prices.__getitem__, index=None,
            key=_key(detail, f"move_price_{code}"), placeholder="No line of its price list",
        )  # fmt: skip
        why = st.text_area("Why does it belong there?", key=_key(detail, "move_why"), max_chars=1000)
        if not st.form_submit_button("Move it", type="primary", shortcut="Mod+Enter"):
            return None
    app.sessions.run(
        lambda session: moves.move(
            session, here, detail.row.reference, code, why, category_id=price, now=app.now()
        )
    )
    return f"Moved to {others[code].name}. What was paid is as it was."


_ASKED = "Asked. It is done as soon as a second person approves it, under Approvals."
