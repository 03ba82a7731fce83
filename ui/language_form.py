"""The texts for payers in each language, and a speaker's word for them, under Settings."""

import streamlit as st

import bootstrap
from payments.access.people import Action
from payments.payers import payer_language, payer_pages, payer_words
from payments.payers.payer_words import Language, Text
from ui.here import error_boundary, require
from ui.pieces import facts, moment, plain

#: What each text is for, in the order a payer meets them.
USED_FOR = {
    Text.SHARE: "A message with the link",
    Text.LINK_SUBJECT: "The subject of a mail with the link",
    Text.SCAN: "On the payer's screen",
    Text.PAID: "When the money is here",
    Text.FAILED: "When an attempt failed",
    Text.REMINDER_SUBJECT: "The subject of a reminder",
    Text.REMINDER: "A reminder",
    Text.RECEIPT_SUBJECT: "The subject of a confirmation",
    Text.RECEIPT: "A confirmation",
    Text.RECEIPT_SHARE: "A receipt as a message",
    Text.RECEIPT_REST: "Behind it, when some is still owed",
    Text.PAPER_SUBJECT: "The subject of a mail with an invoice or another paper",
    Text.PAPER: "A mail with an invoice or another paper",
}


def languages() -> None:
    with bootstrap.app().sessions.read() as session:
        read = payer_language.readings(session)
    for language in Language:
        if language is Language.ENGLISH:
            continue
        reading = read.get(language)
        mark = "read by a speaker" if reading else "no speaker has read it yet"
        icon = ":material/check_circle:" if reading else ":material/translate:"
        with st.expander(f"{payer_words.NAMES[language]}: {mark}", icon=icon):
            if reading:
                plain(f"{reading.speaker} read these texts, {moment(reading.at)}.", "faint")
            facts({what: payer_words.TEXTS[language][text] for text, what in USED_FOR.items()})
            plain("On the pages that payers come back to", "title")
            english = payer_pages.told(Language.ENGLISH)
            facts(dict(zip(english, payer_pages.told(language), strict=True)))
            if reading is None:
                signing(language)


def signing(language: Language) -> None:
    with st.form(f"sign_{language}", border=False):
        speaker = st.text_input("Name of the speaker who read them", max_chars=120, key=f"speaker_{language}")
        sent = st.form_submit_button("They stand by these texts", icon=":material/verified:")
    if not sent:
        return
    app = bootstrap.app()
    with error_boundary():
        here = require(Action.MANAGE_SETTINGS)
        app.sessions.run(
            lambda session: payer_language.sign(session, here, language, speaker or "", now=app.now())
        )
        st.rerun()
