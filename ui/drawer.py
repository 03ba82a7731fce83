"""The drawer: everything about one payment, and what can be done next."""

import streamlit as st

import bootstrap
import words
from payments import links, outbox, references, search, sync
from payments.errors import PaymentsError
from payments.lifecycle import SETTLED, Effect, Source
from payments.people import Action, Person
from payments.search import LinkDetail, PaymentDetail
from ui.here import error_boundary, require
from ui.lists import share, timeline
from ui.pieces import badge, escape, facts, moment, plain, problem, qr


def close_payment() -> None:
    st.session_state.pop("drawer_of", None)
    st.query_params.pop("payment", None)


@st.dialog("Payment", position="right", width="medium", on_dismiss=close_payment)
@error_boundary()
def drawer(reference: str) -> None:
    """Everything about one payment. It is named by its reference, so it is the right one whatever moves."""
    here = require(Action.SEE)
    if st.session_state.get("drawer_of") != reference:
        st.session_state.drawer_of = reference
        with bootstrap.app().sessions.begin() as session:
            links.opened(session, here, reference, now=bootstrap.app().now())
    with bootstrap.app().sessions.read() as session:
        detail = search.get(session, here, reference)
    top(detail)
    gateway_word(here, detail)
    if link := payable(detail):
        how_to_pay(here, detail, link)
    money_trail(detail)
    mails(here, detail)
    st.subheader("What happened", anchor=False)
    timeline(detail.timeline, key="drawer_timeline")


def top(detail: PaymentDetail) -> None:
    row = detail.row
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        plain(row.reference, "reference")
        badge(row.status)
    plain(str(row.amount), "amount")
    plain(row.payer_name, "name")
    if row.review:
        word, advice = words.REVIEW[row.review]
        st.warning(f"**{word}.** {advice}", icon=":material/flag:")
    facts(
        {
            "Event": f"{row.event_name}, {row.category}" if row.category else row.event_name,
            "E-mail": row.payer_email,
            "Phone": row.payer_phone,
            "Received": str(row.received) if row.received else "nothing yet",
            "Returned": str(detail.refunded) if detail.refunded else None,
            "Method": words.method_word(row.method) if row.method else None,
            "Created": f"{moment(row.created_at)} by {detail.created_by}",
            "Paid": moment(row.paid_at) if row.paid_at else None,
            "At iKhokha": row.gateway_reference,
            "Bank reference": references.spoken(row.reference),
            "Note": row.note,
        }
    )


def payable(detail: PaymentDetail) -> LinkDetail | None:
    """The link a payer can use now: the newest, unless the money is here."""
    if detail.row.status in SETTLED or not detail.links or detail.links[-1].state == "paid":
        return None
    return detail.links[-1]


def gateway_word(here: Person, detail: PaymentDetail) -> None:
    """What the gateway last said, and a way to ask it again."""
    if not detail.links:
        return
    link, waits = detail.links[-1], payable(detail) is not None
    said = f" It said {link.answer_word}." if link.answer_word else ""
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        if link.asked_at:
            still = ", still waiting" if waits else ""
            plain(f"Checked {moment(link.asked_at)}{still}.{said}", "faint")
        else:
            plain("Not checked yet: the gateway is asked a minute after the link was made.", "faint")
        if waits and here.may(Action.ASK_GATEWAY, detail.event_id):
            st.button(
                "Ask the gateway now", icon=":material/sync:", key="drawer_ask", on_click=ask, args=(link.id,)
            )
    if answer := st.session_state.pop("drawer_said", None):
        st.info(escape(answer), icon=":material/info:")


def ask(link_id: int) -> None:
    """Its outcome is told in the drawer, which is drawn anew after this."""
    try:
        effect = sync.ask(
            bootstrap.app().sessions,
            bootstrap.app().gateways,
            link_id,
            now=bootstrap.app().now(),
            source=Source.DESK,
        )
        st.session_state.drawer_said = ANSWERED[effect]
    except PaymentsError as error:
        st.session_state.drawer_said = str(error)


ANSWERED = {
    Effect.PAID: "It is paid.",
    Effect.PART_PAID: "A part of it is paid.",
    Effect.OPENED: "The link is ready to be paid.",
    Effect.FAILED: "The last attempt to pay failed. The link can still be paid.",
    Effect.FLAGGED: "The answer does not fit this payment. It is marked for a person to look at.",
    Effect.NOTHING: "Nothing new.",
}


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
            share(
                link.url,
                f"{row.event_name}: please pay {link.amount} here:",
                key="drawer_share",
                phone=row.payer_phone,
                email=row.payer_email,
                tell=lambda how: tell_shared(here, row.reference, how),
            )


def tell_shared(here: Person, reference: str, how: str) -> None:
    with error_boundary(), bootstrap.app().sessions.begin() as session:
        links.shared(session, here, reference, how, now=bootstrap.app().now())


def money_trail(detail: PaymentDetail) -> None:
    if detail.receipts:
        st.subheader("Money", anchor=False)
    facts(
        {
            f"{moment(receipt.received_at)}": f"{receipt.amount} by {words.method_word(receipt.kind)}, "
            f"{receipt.source_reference}, on the word of {receipt.recorded_by}"
            for receipt in detail.receipts
        }
    )


MAIL = {"queued": "waits to be sent", "failed": "could not be sent"}


def mails(here: Person, detail: PaymentDetail) -> None:
    if detail.mails:
        st.subheader("Mail", anchor=False)
    for mail in detail.mails:
        sent = f"sent {moment(mail.sent_at)}" if mail.state == "sent" else MAIL[mail.state]
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            plain(f"{mail.subject}\nto {mail.recipient}, {sent}", "faint")
            if here.may(Action.ISSUE_LINK):
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
    with error_boundary(), bootstrap.app().sessions.begin() as session:
        outbox.resend(session, here, mail_id, now=bootstrap.app().now())
