"""An event's terms with its payers, as an admin sets them under Events."""

import streamlit as st

import bootstrap
import words
from payments.access.people import Action
from payments.payers import payer_language, payer_words
from payments.payers.payer_words import Language
from payments.selling import terms
from payments.selling.events import EventView
from payments.selling.terms import Terms
from ui.here import error_boundary, require
from ui.pieces import plain

#: Days after the event's last one that unpaid links are still waited for.
EXPIRY = (0, 1, 3, 7, 14, 30, 60, 90, 180, 365, None)


def terms_form(event: EventView) -> None:
    app = bootstrap.app()
    with app.sessions.read() as session:
        kept = terms.of(session, event.id)
    with st.form("terms"):
        plain("With its payers", "title")
        left, right = st.columns(2)
        with left:
            days = ask_expiry(kept)
        with right:
            language = ask_language(kept)
        wanted = Terms(expire_days=days, language=language)
        sent = st.form_submit_button("Save the terms", icon=":material/check:")
    if not sent:
        return
    with error_boundary():
        app.sessions.run(
            lambda session: terms.save(
                session, require(Action.MANAGE_EVENTS), event.code, wanted, now=app.now()
            )
        )
        st.success("The terms are saved.", icon=":material/check:")


def ask_expiry(kept: Terms) -> int | None:
    days = [*EXPIRY] if kept.expire_days in EXPIRY else [*EXPIRY, kept.expire_days]
    return st.selectbox(
        "Unpaid links expire",
        days,
        index=days.index(kept.expire_days),
        format_func=say_expiry,
        key="terms_expiry",
        help="The gateway is asked first. Its page stays: money that still comes is kept, and told as late.",
    )


def ask_language(kept: Terms) -> Language:
    with bootstrap.app().sessions.read() as session:
        read = payer_language.readings(session)
    chosen: Language | None = st.selectbox(
        "Payers are spoken to in",
        list(Language),
        index=list(Language).index(kept.language),
        format_func=lambda one: say_language(one, one is Language.ENGLISH or one in read),
        key="terms_language",
        help="Messages, the payer's screen, mails. An admin has the texts signed under Settings.",
    )
    return chosen or kept.language


def say_language(language: Language, is_read: bool) -> str:
    name = payer_words.NAMES[language]
    return name if is_read else f"{name}: no speaker has read it yet"


def say_expiry(days: int | None) -> str:
    if days is None:
        return "Never by themselves"
    return f"{words.count(days, 'day', 'days')} after its last day" if days else "After its last day"
