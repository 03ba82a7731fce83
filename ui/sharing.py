"""Ways to send somebody a text or a link: WhatsApp, SMS, mail, a copy, print, the phone's own."""

from collections.abc import Callable, Mapping, Sequence
from urllib.parse import quote

import streamlit as st

import bootstrap
from payments.access.people import Person
from payments.asking import links, sharing
from payments.errors import Conflict
from payments.finding.search import PaymentRow
from payments.payers import payer_words
from ui.components import component
from ui.here import error_boundary
from ui.pieces import plain

Way = Mapping[str, str | None]
_COPY: Way = {"how": "copy", "word": "Copy", "icon": "content_copy", "url": None}
_PRINT: Way = {"how": "print", "word": "Print", "icon": "print", "url": None}
_DEVICE: Way = {"how": "device", "word": "Share …", "icon": "ios_share", "url": None}


def share_link(here: Person, row: PaymentRow, *, key: str, place: int = 0) -> None:
    """The ways for one payment's link, and a mail of it from the desk where there is an address."""
    app = bootstrap.app()
    try:
        with app.sessions.read() as session:
            told = sharing.invitation(session, here, row.reference, place)
    except Conflict as why_not:
        plain(str(why_not), "faint")
        return

    def shared(how: str) -> None:
        """It stands on the timeline."""
        with error_boundary():
            app.sessions.run(
                lambda session: links.shared(session, here, row.reference, how, place=place, now=app.now())
            )

    apps = _apps(told.text, told.subject, row.payer_phone, row.payer_email)
    ways = [*apps, {**_COPY, "word": "Copy link"}, _DEVICE]
    _share(ways, told.url, key, shared, text=told.text, title=told.subject)
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


def share_text(
    text: str,
    *,
    key: str,
    subject: str,
    phone: str = "",
    email: str = "",
    tell: Callable[[str], None] | None = None,
) -> None:
    """Copy a text, or send it by WhatsApp, SMS or e-mail, or print it: how to pay by EFT. ``tell`` hears
    which way was used."""
    _share([{**_COPY, "word": "Copy all"}, *_apps(text, subject, phone, email), _PRINT], text, key, tell)


def _apps(text: str, subject: str, phone: str, email: str) -> list[Way]:
    """What opens an app with the text in it, addressed where an address is known."""
    said, about, number = quote(text), quote(subject), phone.lstrip("+")
    return [
        {"how": "whatsapp", "word": "WhatsApp", "icon": "chat", "url": f"https://wa.me/{number}?text={said}"},
        {"how": "sms", "word": "SMS", "icon": "sms", "url": f"sms:{quote(phone)}?body={said}"},
        {
            "how": "email",
            "word": "E-mail",
            "icon": "mail",
            "url": f"mailto:{quote(email)}?subject={about}&body={said}",
        },
    ]


def _share(
    ways: Sequence[Way], copied: str, key: str, tell: Callable[[str], None] | None, **more: str
) -> None:
    """``tell`` hears of these ways alone, whatever a browser sends."""

    def shared() -> None:
        how = st.session_state[key].shared
        if tell and how in {way["how"] for way in ways}:
            tell(how)

    data = {"ways": [dict(way) for way in ways], "copy": copied, "tell": tell is not None, **more}
    component("share")(key=key, data=data, on_shared_change=shared)


def copy(text: str, *, key: str) -> None:
    """Text to be taken elsewhere, with a button that copies it."""
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        st.code(text, language=None, wrap_lines=True)
        copy_button(text, key=key)


def copy_button(text: str, *, key: str) -> None:
    """The button alone, for a text that stands above it."""
    component("share")(key=key, data={"ways": [dict(_COPY)], "copy": text, "tell": False}, width=110)
