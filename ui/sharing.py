"""Ways to send a payer the link: WhatsApp, SMS, mail, a copy, the phone's own. Each is on the timeline."""

from urllib.parse import quote

import streamlit as st

import bootstrap
from payments import links, payer_words, sharing
from payments.errors import Conflict
from payments.people import Person
from payments.search import PaymentRow
from ui.here import error_boundary
from ui.lists import component
from ui.pieces import plain

#: What stands on the timeline for each way; a browser sends back no other word.
WAYS = ("device", "whatsapp", "sms", "email", "copy")


def share_link(here: Person, row: PaymentRow, *, key: str, place: int = 0) -> None:
    """The ways for one payment's link, and a mail of it from the desk where there is an address."""
    app = bootstrap.app()
    try:
        with app.sessions.read() as session:
            told = sharing.invitation(session, here, row.reference, place)
    except Conflict as why_not:
        plain(str(why_not), "faint")
        return

    def shared() -> None:
        how = st.session_state[key].shared
        if how in WAYS:
            with error_boundary():
                app.sessions.run(
                    lambda session: links.shared(
                        session, here, row.reference, how, place=place, now=app.now()
                    )
                )

    text, phone = quote(told.text), row.payer_phone
    mail = f"mailto:{quote(row.payer_email)}?subject={quote(told.subject)}&body={text}"
    ways = [
        {"how": "whatsapp", "word": "WhatsApp", "icon": "chat",
         "url": f"https://wa.me/{phone.lstrip('+')}?text={text}"},
        {"how": "sms", "word": "SMS", "icon": "sms", "url": f"sms:{quote(phone)}?body={text}"},
        {"how": "email", "word": "E-mail", "icon": "mail", "url": mail},
        {"how": "copy", "word": "Copy link", "icon": "content_copy", "url": None},
        {"how": "device", "word": "Share …", "icon": "ios_share", "url": None},
    ]  # fmt: skip
    data = {"ways": ways, "copy": told.url, "text": told.text, "title": told.subject, "tell": True}
    component("share")(key=key, data=data, on_shared_change=shared)
    if row.payer_email:
        st.button(
            "Mail it from the desk",
            key=f"{key}_mail",
            icon=":material/forward_to_inbox:",
            on_click=mail_it,
            args=(here, row.reference, place, key),
            width="stretch",
        )
    if said := st.session_state.pop(f"{key}_said", None):
        st.success(said, icon=":material/check:")
    if not told.is_read:
        plain(f"In {payer_words.NAMES[told.language]}, which no speaker has read yet.", "faint")


def mail_it(here: Person, reference: str, place: int, key: str) -> None:
    app = bootstrap.app()
    with error_boundary():
        app.sessions.run(lambda session: sharing.mail(session, here, reference, place=place, now=app.now()))
        st.session_state[f"{key}_said"] = "The mail waits to be sent."
