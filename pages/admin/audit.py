"""Audit: who changed what, when and why; and whether each entry is still what was written."""

from datetime import date
from urllib.parse import urlencode

import streamlit as st

import bootstrap
import ui
import words
from payments import dates
from payments.access.people import Action, Person
from payments.books import audit_book
from payments.books.audit_book import PAGE, Wanted
from payments.books.chain import Verdict
from payments.errors import Conflict

person = ui.require(Action.SEE_AUDIT)
app = bootstrap.app()


def verified(here: Person) -> None:
    """The button, and what it found last; an entry that is not what it was is named."""
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        anchored(here)
        if st.button("Verify every entry", icon=":material/verified:", key="audit_verify"):
            with st.spinner("Reading every entry …"), ui.error_boundary():
                st.session_state.audit_verdict = audit_book.verify(app.sessions, here)
    verdict: Verdict | None = st.session_state.get("audit_verdict")
    if verdict is None:
        return
    if verdict.broken is not None:
        told = f"{words.number(verdict.entries)} entries before it are as they were written."
        ui.trouble(f"Entry {verdict.broken.entry} {verdict.broken.sentence}", told, bad=True)
        return
    early = f" The first {words.number(verdict.early)} are from before the chain." if verdict.early else ""
    remedy = f"Each follows the one before it, and what was written down outside is among them.{early}"
    ui.checks([("good", f"All {words.count(verdict.entries, 'entry is', 'entries are')} as written", remedy)])


def anchored(here: Person) -> None:
    try:
        with app.sessions.read() as session:
            anchors = audit_book.anchors(session, here)
    except Conflict as odd:
        ui.trouble("The anchors were changed.", str(odd), bad=True)
        return
    last = anchors[-1] if anchors else None
    if last is None or not last.entry:
        ui.plain("Nothing is written down outside the database yet; the worker does it every hour.", "faint")
        return
    ui.plain(f"Entry {last.entry} was written down outside the database {ui.moment(last.at)}.", "faint")


def asked(here: Person) -> Wanted:
    with app.sessions.read() as session:
        known = audit_book.actions(session, here)
    first, second = st.columns(2)
    who = first.text_input("Who", placeholder="Part of a name or address", max_chars=200, key="audit_who")
    action = second.selectbox(
        "What", known, index=None, placeholder="Anything", format_func=words.action, key="audit_action"
    )
    third, fourth = st.columns(2)
    subject = third.text_input(
        "About", placeholder="A reference, a file, a person", max_chars=200, key="audit_about"
    )
    days = fourth.date_input(
        "Days", value=(), max_value=dates.business_day(app.now()), format="DD/MM/YYYY", key="audit_days"
    )
    chosen: tuple[date, ...] = days if isinstance(days, tuple) else (days,)
    span = (chosen[0], chosen[-1]) if chosen else (None, None)
    return Wanted(who.strip(), action or "", subject.strip(), *span)


def listed(here: Person, wanted: Wanted) -> None:
    """A page of entries, older ones on demand; another question begins at the newest again."""
    if st.session_state.get("audit_asked") != wanted:
        st.session_state.audit_asked, st.session_state.audit_pages = wanted, [None]
    pages: list[int | None] = st.session_state.audit_pages
    with app.sessions.read() as session:
        number = audit_book.count(session, here, wanted)
        entries = audit_book.entries(session, here, wanted, before=pages[-1])
    if not entries:
        ui.empty_state(
            "Nothing like that was done", "Ask for less: a part of a name, or more days.", "search_off"
        )
        return
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        ui.plain(f"{words.count(number, 'entry', 'entries')}, the newest first", "faint")
        ui.file_link(f"/audit.csv?{urlencode(wanted.asked)}", "Save them as CSV")
    ui.record(entries, key=f"audit_{pages[-1] or 'newest'}")
    with st.container(horizontal=True):
        st.button("Newer", disabled=len(pages) == 1, on_click=pages.pop, key="audit_newer")
        last = len(pages) * PAGE >= number
        st.button("Older", disabled=last, on_click=pages.append, args=(entries[-1].id,), key="audit_older")


st.title("Audit")
verified(person)
listed(person, asked(person))
