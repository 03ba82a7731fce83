"""Disputes as people see and take them: the form that records one, and a card with what can be done next."""

from collections.abc import Callable

import streamlit as st

import bootstrap
from payments import dates
from payments.access.people import Action, Person
from payments.finding.search import PaymentDetail
from payments.money_back import chargebacks, disputes
from payments.money_back.disputes import BY_CARD, STEPS, DisputeView, State, Told, Why
from payments.second_person import two_people
from payments.second_person.two_people import Gone
from ui.claims import amount_of, ask_proof, prepared
from ui.here import error_boundary, require
from ui.pieces import facts, file_link, plain, trouble
from ui.proving import go
from words import bank as bank_words

Done = Callable[[str], None]
_DEED = {
    State.SENT: disputes.send_evidence, State.WON: disputes.win, State.LOST: disputes.lose,
    State.ACCEPTED: disputes.accept,
}  # fmt: skip
_WHYS: tuple[Why, ...] = tuple(Why)
_NO_ROW = "None of them, I add a proof"


def can_be_disputed(detail: PaymentDetail) -> bool:
    return any(receipt.kind in BY_CARD for receipt in detail.receipts)


def disputes_of(here: Person, detail: PaymentDetail, done: Done) -> None:
    """In the drawer: the disputes of a payment. ``done`` tells what was done, and draws anew."""
    if not here.may(Action.RECORD, detail.event_id):
        return
    with bootstrap.app().sessions.read() as session:
        views = disputes.of_payment(session, here, detail.row.reference)
    if views:
        st.subheader("Disputes", anchor=False)
    for view in views:
        card(view, done, inside=True)


def dispute_form(here: Person, detail: PaymentDetail) -> str | None:
    """What the gateway told of a dispute; what to say once it is recorded, None while it is not."""
    plain("Nothing is booked by it: the payment is held as disputed until the card scheme decides.", "faint")
    app, reference = bootstrap.app(), detail.row.reference
    today = dates.business_day(app.now())
    with st.form("record_dispute", border=False):
        left, right = st.columns(2)
        typed = left.text_input(
            "How much", (detail.row.received - detail.refunded).decimal, key=f"dispute_amount_{reference}",
            required=True,
        )  # fmt: skip
        why = right.selectbox(
            "Reason given", _WHYS, format_func=bank_words.DISPUTED.__getitem__,
            key=f"dispute_why_{reference}",
        )  # fmt: skip
        case = st.text_input(
            "The gateway's case number", key=f"dispute_case_{reference}", autocomplete="off", required=True
        )
        left, right = st.columns(2)
        opened = left.date_input(
            "Opened on", today, max_value=today, format="DD/MM/YYYY", key=f"dispute_opened_{reference}"
        )
        until = right.date_input(
            "To be answered by", None, format="DD/MM/YYYY", key=f"dispute_until_{reference}"
        )
        if not st.form_submit_button("Record it", type="primary", shortcut="Mod+Enter"):
            return None
    if until is None:
        st.error("Give the deadline: the desk reminds you of it, and it is lost when it passes.")
        return None
    amount = amount_of(typed or "", detail.row.amount.currency)
    told = Told(reference, amount, why, case or "", opened, until)
    app.sessions.run(lambda session: disputes.record(session, here, told, now=app.now()))
    return "Recorded. Take its evidence pack, send it to the gateway, and say here that you did."


# -- one of them ----------------------------------------------------------------------------------------


def card(view: DisputeView, done: Done, *, inside: bool = False) -> None:
    """What is known of a dispute, and what can be done about it; ``inside`` the drawer of its payment."""
    look = bank_words.DISPUTE[view.state]
    with st.container(border=True, key=f"dispute_{view.id}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            plain(f"{view.amount}, {view.payer}" if not inside else str(view.amount), "title")
            st.badge(look.word, icon=f":material/{look.icon}:", color=look.tone)  # type: ignore[arg-type]
        facts(
            {
                "Reason given": bank_words.DISPUTED[view.why],
                "The gateway's case": view.case_reference,
                "Event": None if inside else view.event,
                "Opened": f"{view.opened_on:%-d %b %Y}, recorded by {view.by}",
                "Answer by": _deadline(view),
                "Ended": f"{view.ended_at:%-d %b %Y} by {view.ended_by}: {view.ended_why}"
                if view.ended_at
                else None,
                "Written down": "yes, as given back" if view.booked else None,
            }
        )
        _warnings(view)
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            file_link(f"/evidence/{view.id}.pdf", "Evidence pack, PDF")
            file_link(f"/evidence/{view.id}.pdf?whole=yes", "With e-mail and phone whole")
            if STEPS[view.state]:
                with st.popover("What became of it", icon=":material/gavel:"):
                    _outcome(view, done)
            if view.to_book:
                with st.popover("Write down the loss", icon=":material/undo:"):
                    _loss(view, done, inside=inside)
            if not inside:
                st.page_link(
                    "pages/monitor/payments.py", label="Open the payment", icon=":material/receipt_long:",
                    query_params={"payment": view.reference},
                )  # fmt: skip


def _deadline(view: DisputeView) -> str:
    days = (view.answer_by - dates.business_day(bootstrap.app().now())).days
    told = f"{view.answer_by:%-d %b %Y}"
    if view.state is not State.OPEN:
        return told
    if days < 0:
        return f"{told}, {-days} days ago" if days < -1 else f"{told}, yesterday"
    return f"{told}, {'today' if not days else 'tomorrow' if days == 1 else f'in {days} days'}"


def _warnings(view: DisputeView) -> None:
    if view.undecided and view.promised:
        trouble(
            "It would be paid twice:",
            f"{view.promised} is on its way to the payer by EFT. Withdraw that refund if you still can.",
            bad=True,
        )
    if view.to_book:
        trouble("Not written down yet:", "say which of the gateway's deductions it is.", bad=False)


def _outcome(view: DisputeView, done: Done) -> None:
    words_of = {bank_words.DISPUTE[state].word: state for state in State if state in STEPS[view.state]}
    chosen = st.pills(
        "What became of it", list(words_of), key=f"dispute_step_{view.id}_{view.state}",
        label_visibility="collapsed",
    )  # fmt: skip
    if chosen is None:
        plain("Choose what happened. Nothing is changed yet.", "faint")
        return
    state = words_of[chosen]
    plain(bank_words.DISPUTE_ASKS[state], "faint")
    with st.form(f"dispute_outcome_{view.id}", border=False):
        why = st.text_area(
            "How, and how do you know?", key=f"dispute_outcome_why_{view.id}_{state}", max_chars=500
        )
        if not st.form_submit_button(chosen, type="primary", shortcut="Mod+Enter"):
            return
    with error_boundary():
        app = bootstrap.app()
        app.sessions.run(
            lambda session: _DEED[state](session, require(Action.RECORD), view.id, why or "", now=app.now())
        )
        done(bank_words.DISPUTE_DONE[state])


def _loss(view: DisputeView, done: Done, *, inside: bool) -> None:
    """Which deduction it is, and a second person."""
    app = bootstrap.app()
    with app.sessions.read() as session:
        found = chargebacks.deductions(session, require(Action.RECORD), view.id)
    plain("It counts as given back once a second person approves. No money moves by it.", "faint")
    today = dates.business_day(app.now())
    rows = {one.line_id: one for one in found}
    named = next((at for at, one in enumerate(found) if one.named), None)

    def say(line: int) -> str:
        if line == 0:
            return _NO_ROW
        one = rows[line]
        on = f", {one.on:%-d %b %Y}" if one.on else ""
        return f"Payout {one.payout_id}{on}: {one.reference or 'no reference'}"

    with st.form(f"dispute_loss_{view.id}", border=False):
        line = st.selectbox(
            "The chargeback in the gateway's payout", [*rows, 0], index=named or 0, format_func=say,
            key=f"dispute_line_{view.id}",
        )  # fmt: skip
        on = st.date_input(
            "Taken on", today, min_value=min(view.opened_on, today), max_value=today, format="DD/MM/YYYY",
            key=f"dispute_gone_{view.id}",
        )  # fmt: skip
        upload = ask_proof(
            f"dispute_proof_{view.id}", "Or a proof: the gateway's letter, or a screenshot of its page"
        )
        why = st.text_area("What shows it?", key=f"dispute_loss_why_{view.id}", max_chars=500)
        if not st.form_submit_button("Ask a second person", type="primary", shortcut="Mod+Enter"):
            return
    with error_boundary():
        proof = prepared(upload)

        def ask(me: Person) -> None:
            app.sessions.run(
                lambda session: two_people.ask_chargeback(
                    session, me, view.id, Gone(on, line or None), proof, app.keys, why or "", now=app.now()
                )
            )

        if go(ask, inside=inside):
            done("Asked. It counts as given back once a second person approves it.")
        else:
            done("")
