"""The drawer: everything about one payment, and what can be done next."""

from collections.abc import Callable
from datetime import datetime
from functools import partial

import streamlit as st

import bootstrap
import words
from payments import cancellation, notes, references
from payments.access.people import Action, Person
from payments.asking import links
from payments.errors import PaymentsError
from payments.finding import as_of, search
from payments.finding.search import LinkDetail, PaymentDetail
from payments.gateways import Answer
from payments.hearing import sync
from payments.lifecycle import SETTLED, Kind, Method, Status
from payments.lump_sums import banked
from payments.reconciling.reconciliation import BANK_LINE
from payments.sign_off import last_stage
from payments.telling import outbox
from ui.amount_form import agreed_of
from ui.claims import claims_list
from ui.components import hotkeys
from ui.disputes import disputes_of
from ui.here import error_boundary, require
from ui.link_history import came_late, new_link, newest, old_links
from ui.money_steps import money_steps, waiting_requests
from ui.old_record import old_record
from ui.organiser_form import receipts_of
from ui.papers import papers_of
from ui.past import told
from ui.payer_details import details_form
from ui.pieces import Stage, badge, escape, facts, moment, of_one, plain, problem, qr, trail
from ui.priced import price_lines
from ui.proving import confirm_here
from ui.reminder_form import reminders_of
from ui.several import places_list
from ui.sharing import share_link
from ui.timelines import timeline
from ui.walk import Walk, turn_to, way_along

MONEY_ONLY = "Money only"


def close_payment() -> None:
    for key in ("drawer_of", "drawer_at"):
        st.session_state.pop(key, None)
    st.query_params.pop("payment", None)


def drawer(reference: str, past: datetime | None = None) -> None:
    """Everything about one payment. It is named by its reference, so it is the right one whatever moves.
    ``past``: as it stood then, to read."""
    st.session_state.drawer_at, st.session_state.drawer_past = reference, past
    _drawer()


@st.dialog("Payment", position="right", width="medium", on_dismiss=close_payment)
@error_boundary()
def _drawer() -> None:
    here = require(Action.SEE)
    confirm_here()
    reference = st.session_state.get("drawer_at", "")
    neighbours(reference)
    of_one(reference)
    if (past := st.session_state.get("drawer_past")) is not None:
        as_it_stood(here, reference, past)
        return
    detail = _known(here, reference)
    if st.session_state.get("drawer_of") != reference:
        st.session_state.drawer_of = reference
        of_it = detail.row.reference  # which may be spelled otherwise in the address
        bootstrap.app().sessions.run(
            lambda session: links.opened(session, here, of_it, now=bootstrap.app().now())
        )
        detail = _known(here, reference)
    top(detail)
    old_record(here, detail.row)
    agreed_of(here, detail)
    gateway_word(here, detail)
    trail(journey(detail))
    waiting_requests(here, detail)
    next_steps(here, detail)
    came_late(here, detail)
    if link := payable(detail):
        how_to_pay(here, detail, link)
    old_links(detail)
    disputes_of(here, detail, drawn_anew)
    if detail.lines:
        with st.expander("What it is for", icon=":material/sell:"):
            price_lines(detail.lines, detail.row.amount)
    places_list(detail.places)
    receipts_of(here, detail)
    papers_of(here, detail)
    if here.may(Action.SEE_PROOFS, detail.event_id):
        claims_list(here, detail.row.reference)
    mails(here, detail)
    reminders_of(here, detail)
    happened(detail)


def _known(here: Person, reference: str) -> search.PaymentDetail:
    with bootstrap.app().sessions.read() as session:
        return search.get(session, here, reference)


def drawn_anew(said: str) -> None:
    if said:
        st.session_state.drawer_said = said
    st.rerun(scope="fragment")


def as_it_stood(here: Person, reference: str, past: datetime) -> None:
    """What was known of it then. What is decided now is decided of now."""
    app = bootstrap.app()
    with as_of.read(app.sessions, past, now=app.now()) as session:
        detail = search.get(session, here, reference)
    plain(f"As it stood on {told(past)}, names as today. To do something, go back to now.", "faint")
    top(detail)
    places_list(detail.places)
    happened(detail)


# -- the next one and the one before ------------------------------------------------------------------


def neighbours(reference: str) -> None:
    """Where this payment stands in the list it was opened from, and the way along it."""
    way_along(st.session_state.get("walk"), reference, key="drawer", go=step)
    if st.session_state.get("drawer_turn"):
        st.rerun()


def step(walk: Walk, reference: str, by: int) -> None:
    """To the neighbour; past the end of a page, to the page that follows in the order of the list."""
    to = walk.neighbour(reference, by)
    if to is not None:
        turn_to(to)
        return
    st.session_state.page = walk.number + by
    st.session_state.drawer_turn = by


# -- what it is ---------------------------------------------------------------------------------------


def top(detail: PaymentDetail) -> None:
    row = detail.row
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        plain(row.reference, "reference")
        badge(row.status)
        if row.origin == "legacy":
            st.badge(words.OLD.word, icon=f":material/{words.OLD.icon}:", color="gray")
    plain(str(row.amount), "amount")
    if detail.quoted:
        plain(f"Quoted {detail.quoted.text} = {detail.quoted.charged}", "faint")
    plain(row.payer_name, "name")
    if row.review:
        word, advice = words.REVIEW[row.review]
        st.warning(f"**{word}.** {advice}{both_told(detail)}", icon=":material/flag:")
    facts(
        {
            "Event": f"{row.event_name}, {row.category}" if row.category else row.event_name,
            "E-mail": row.payer_email,
            "Phone": row.payer_phone,
            "Received": str(row.received) if row.received else "nothing yet",
            "Still owed": str(row.amount - row.received)
            if 0 < row.received.minor < row.amount.minor
            else None,
            "Returned": str(detail.refunded) if detail.refunded else None,
            "Method": words.method_word(row.method) if row.method else None,
            "Created": f"{moment(row.created_at)} by {detail.created_by}",
            "Paid": moment(row.paid_at) if row.paid_at else None,
            "At iKhokha": row.gateway_reference,
            "Bank reference": references.spoken(row.reference),
            "Note": row.note,
        }
    )


def both_told(detail: PaymentDetail) -> str:
    """Both that a person is told to compare, as the entry has them that flagged it last."""
    review = detail.row.review
    flagged = (
        entry.detail for entry in reversed(detail.timeline)
        if entry.kind == Kind.FLAGGED and entry.detail.get("reason") == review
    )  # fmt: skip
    told = words.both(review, next(flagged, {})) if review else ""
    return f" {escape(told[0].upper() + told[1:])}." if told else ""


#: Nothing has come, and nothing says that it will not.
WAITING = frozenset({Status.CREATED, Status.OPEN, Status.CLAIMED, Status.PART_PAID})
#: Nobody waits for its money, by decision.
CLOSED = frozenset({Status.EXPIRED, Status.CANCELLED, Status.WAIVED})


def payable(detail: PaymentDetail) -> LinkDetail | None:
    """The link a payer can use now: the newest, unless the money is here."""
    link = newest(detail)
    return link if link and link.state != "paid" and detail.row.status not in SETTLED else None


def paid_otherwise(detail: PaymentDetail, link: LinkDetail) -> bool:
    """Whether all of the money came past the gateway, which only says of its link that nobody paid it."""
    past = all(one.kind != Method.GATEWAY for one in detail.receipts)
    return past and detail.row.status in SETTLED and bool(detail.receipts) and link.answer != Answer.PAID


def journey(detail: PaymentDetail) -> list[Stage]:
    """How far this money has travelled. What this release does not follow is not claimed either way."""
    row = detail.row
    part = bool(row.received) and row.received < row.amount
    paid = "reached" if row.received and not part else "part" if part else "waits"
    when = moment(row.paid_at) if row.paid_at else str(row.received) if part else "not yet"
    if row.status in CLOSED and not row.received:
        paid, when = "ended", words.STATUS[row.status].word.lower()
    unknown = {name: Stage(name, "not yet known", "unknown") for name in ("Settled", "Banked", "Signed off")}
    by_gateway = paid_out(row.reference) if row.received else banked.Travelled()
    if by_gateway.settled_on:
        unknown["Settled"] = Stage("Settled", f"payout {by_gateway.payout_id}", "reached")
        on = by_gateway.banked_on
        unknown["Banked"] = Stage(
            "Banked", f"{on:%-d %b %Y}" if on else "not yet", "reached" if on else "waits"
        )
    by_bank = [one for one in detail.receipts if one.source_reference.startswith(BANK_LINE)]
    if row.received and len(by_bank) == len(detail.receipts):  # the bank's own lines brought all of it
        unknown["Settled"] = Stage("Settled", "paid by EFT", "reached")
        unknown["Banked"] = Stage("Banked", "on the statement", paid)
    if row.received:
        unknown["Signed off"] = signed_off(row.reference)
    return [Stage("Owed", str(row.amount), "reached"), Stage("Paid", when, paid), *unknown.values()]


def signed_off(reference: str) -> Stage:
    """Only days that two people closed count; what no bank line shows yet cannot be in one."""
    with bootstrap.app().sessions.read() as session:
        told = last_stage.signed_off(session, reference)
    if told.whole:
        return Stage("Signed off", f"{told.last_on:%-d %b %Y}", "reached")
    if told.signed:
        return Stage("Signed off", f"{told.signed} of {told.receipts}", "part")
    return Stage("Signed off", "not yet", "waits") if told.banked else Stage(
        "Signed off", "not yet known", "unknown"
    )  # fmt: skip


def paid_out(reference: str) -> banked.Travelled:
    with bootstrap.app().sessions.read() as session:
        return banked.travelled(session, reference)


def gateway_word(here: Person, detail: PaymentDetail) -> None:
    """What the gateway last said; of what was paid without it, that it was."""
    if link := newest(detail):
        said = f" {words.gateway_said(link.answer, link.answer_word)}" if link.answer else ""
        if link.answer and paid_otherwise(detail, link):
            said = f" Paid by {words.paid_by(one.kind for one in detail.receipts)}, not with the link."
        if link.asked_at:
            still = ", still waiting" if detail.row.status in WAITING and payable(detail) else ""
            plain(f"Checked {moment(link.asked_at)}{still}.{said}", "faint")
        else:
            plain("Not checked yet: the gateway is asked a minute after the link was made.", "faint")
    if answer := st.session_state.pop("drawer_said", None):
        st.info(escape(answer), icon=":material/info:")


# -- what can be done next ----------------------------------------------------------------------------


def next_steps(here: Person, detail: PaymentDetail) -> None:
    """Only what exists, and only for who may."""
    link, event_id = payable(detail), detail.event_id
    with st.container(horizontal=True, gap="small"):
        if link and here.may(Action.ASK_GATEWAY, event_id):
            st.button(
                "Ask the gateway", icon=":material/sync:", key="drawer_ask", on_click=ask, args=(link.id,)
            )
        if here.may(Action.ISSUE_LINK, event_id):
            with st.popover("Add a note", icon=":material/sticky_note_2:"):
                wording(
                    "note",
                    "What should the next colleague know? @name tells one by mail",
                    "Keep the note",
                    partial(add_note, detail),
                )
            with st.popover("Payer", icon=":material/contact_phone:"), error_boundary():
                if (said := details_form(detail.row.reference)) is not None:
                    st.session_state.drawer_said = said
                    st.rerun(scope="fragment")
            if cancellation.obstacle(detail.row.status) is None:
                with st.popover("Cancel", icon=":material/cancel:"):
                    plain(
                        "The gateway is asked first. Its page stays: money that still comes is paid late.",
                        "faint",
                    )
                    wording(
                        "cancel",
                        "Why is nobody waiting for it any more?",
                        "Cancel it",
                        partial(cancel, detail),
                    )
            new_link(detail)
            if detail.row.status in ("cancelled", "expired"):
                with st.popover("Take it up again", icon=":material/undo:"):
                    wording("reopen", "Why is it wanted after all?", "Open it again", partial(reopen, detail))
        money_steps(here, detail)
        if detail.row.review and here.may(Action.DECIDE, event_id):
            st.page_link(
                "pages/monitor/attention.py", label="Decide", icon=":material/gavel:",
                query_params={"of": detail.row.reference},
            )  # fmt: skip


def wording(key: str, question: str, word: str, act: Callable[[str], str]) -> None:
    """A few words of a person, and what is done with them; its outcome is told in the drawer."""
    with st.form(f"drawer_{key}", border=False, clear_on_submit=False):
        text = st.text_area(question, key=f"drawer_{key}_text", max_chars=1000)
        if st.form_submit_button(word, type="primary", shortcut="Mod+Enter"):
            with error_boundary():
                st.session_state.drawer_said = act(text)
                st.rerun(scope="fragment")


def add_note(detail: PaymentDetail, text: str) -> str:
    app = bootstrap.app()
    app.sessions.run(
        lambda session: notes.add(session, require(Action.SEE), detail.row.reference, text, now=app.now())
    )
    return "Noted."


def cancel(detail: PaymentDetail, text: str) -> str:
    app = bootstrap.app()
    here = require(Action.SEE)
    cancellation.cancel(app.sessions, app.gateways, here, detail.row.reference, text, now=app.now())
    return "The gateway was asked, and the payment is cancelled."


def reopen(detail: PaymentDetail, text: str) -> str:
    app = bootstrap.app()
    app.sessions.run(
        lambda session: cancellation.reopen(
            session, require(Action.SEE), detail.row.reference, text, now=app.now()
        )
    )
    return "It waits for its payer again."


def ask(link_id: int) -> None:
    """Its outcome is told in the drawer, which is drawn anew after this."""
    app = bootstrap.app()
    try:
        here = require(Action.ASK_GATEWAY)
        effect = sync.ask_for(app.sessions, app.gateways, here, link_id, now=app.now())
        st.session_state.drawer_said = words.ANSWERED[effect]
    except PaymentsError as error:
        st.session_state.drawer_said = str(error)


def how_to_pay(here: Person, detail: PaymentDetail, link: LinkDetail) -> None:
    if link.url is None:
        plain(
            "The gateway has not confirmed the link. It is looked up by itself; do not create another.",
            "faint",
        )
        return
    row = detail.row
    with st.expander("Payment link and QR code", icon=":material/qr_code_2:"):
        qr(link.url, f"QR code of the payment link for {link.amount}")
        st.code(link.url, language=None, wrap_lines=True)
        if here.may(Action.ISSUE_LINK):
            share_link(here, row, key="drawer_share")


# -- its money, its mail, its history -----------------------------------------------------------------


MAIL = {"queued": "waits to be sent", "failed": "could not be sent"}


def mails(here: Person, detail: PaymentDetail) -> None:
    if detail.mails:
        st.subheader("Mail", anchor=False)
    for mail in detail.mails:
        sent = f"sent {moment(mail.sent_at)}" if mail.state == "sent" else MAIL[mail.state]
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            plain(f"{mail.subject}\nto {mail.recipient}, {sent}", "faint")
            if here.may(Action.ISSUE_LINK, detail.event_id):
                st.button(
                    "Resend",
                    icon=":material/send:",
                    key=f"resend_{mail.id}",
                    on_click=resend,
                    args=(here, mail.id),
                )
        if mail.last_error and not mail.sent_at:
            problem(f"The last try failed: {mail.last_error}")
        with st.expander("Read it"):
            plain(mail.body)


def resend(here: Person, mail_id: int) -> None:
    with error_boundary():
        bootstrap.app().sessions.run(
            lambda session: outbox.resend(session, here, mail_id, now=bootstrap.app().now())
        )


def happened(detail: PaymentDetail) -> None:
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.subheader("What happened", anchor=False)
        st.button(
            "Everything" if st.session_state.get("drawer_money") else MONEY_ONLY, key="drawer_filter",
            icon=":material/filter_list:", type="tertiary", on_click=turn_filter,
        )  # fmt: skip
    hotkeys({"m": "drawer_filter"}, key="drawer_money")
    shown = detail.timeline
    if st.session_state.get("drawer_money"):
        shown = tuple(entry for entry in shown if entry.kind in words.MONEY_KINDS)
        if not shown:
            plain("No money has moved yet.", "faint")
    timeline(shown, key="drawer_timeline")


def turn_filter() -> None:
    st.session_state.drawer_money = not st.session_state.get("drawer_money")
