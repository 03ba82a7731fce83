"""Lump sums of the gateway that nobody told the payments of: asked about, and chosen by a person."""

from collections.abc import Iterable

import streamlit as st

import bootstrap
import words
from db.money import sums
from payments import dates
from payments.access.people import Action, Person
from payments.errors import PaymentsError
from payments.lump_sums import explaining
from payments.lump_sums.explaining import Unexplained
from payments.payouts import Explanation
from payments.reconciling.parts import WRITE_OFF_LIMIT
from payments.second_person import unexplained
from payments.second_person.approvals import ApprovalView
from ui.differences import difference
from ui.here import error_boundary, require
from ui.pieces import escape, plain, problem
from ui.proving import tell

SHOWN = 6  # explanations of one sum; what is as good beyond that tells nothing new


def lump_sums(here: Person) -> None:
    """What waits, and what may be in it once somebody asked."""
    with bootstrap.app().sessions.read() as session:
        waits = explaining.waiting(session, here)
        asked = explaining.asked_for(session, here, now=bootstrap.app().now())
    if not waits:
        st.session_state.pop("explained", None)
        return
    with st.container(border=True):
        plain(
            f"{words.count(len(waits), 'lump sum', 'lump sums')} of iKhokha's that no file told the payments "
            f"of, {_total(waits)}",
            "title",
        )
        if here.may(Action.RECONCILE):
            st.button(
                "Find what is in them", key="explain", type="primary", icon=":material/manage_search:",
                on_click=_find_out,
            )  # fmt: skip
        keys = {one.key for one in waits}
        for one in waits:
            if one.key in asked:
                _asked(one, asked[one.key])
        for one in st.session_state.get("explained", ()):
            if one.key in keys and one.key not in asked:
                _lump(here, one)


def _find_out() -> None:
    """What is sure is taken at once; the rest is shown with all that is as good."""
    try:
        app, here = bootstrap.app(), require(Action.RECONCILE)
        with st.spinner("Weighing which captures make up each sum …"):
            run = explaining.run(app.sessions, here, now=app.now())
            with app.sessions.read() as session:
                st.session_state.explained = explaining.explain(session, here)
    except PaymentsError as error:
        tell(str(error), bad=True)
        return
    tell(
        f"{run.explained} of {run.asked} explained by themselves. {run.tied} may be several things, "
        f"{run.unexplained} nothing explains to the cent."
    )


def _asked(one: Unexplained, request: ApprovalView) -> None:
    """A second person decides: until then nobody says anything else about it here."""
    with st.container(horizontal=True, vertical_alignment="center"):
        plain(f"{one.on:%-d %b %Y} · {one.amount} · {one.text}")
        st.badge(f"asked for by {escape(request.requester)}", icon=":material/how_to_reg:", color="orange")
        st.page_link("pages/monitor/approvals.py", label="Approvals", icon=":material/how_to_reg:")


def _lump(here: Person, one: Unexplained) -> None:
    with st.expander(escape(f"{one.on:%-d %b %Y} · {one.amount} · {one.text}"), expanded=True):
        if not one.found:
            plain("No trading day with captures fits its date.", "faint")
            return
        if not one.found[0].is_whole:
            more = (
                f" Ask iKhokha first: to accept more than {WRITE_OFF_LIMIT} so takes a second person."
                if explaining.takes_two(one.found[0])
                else ""
            )
            left = one.found[0].unexplained
            st.warning(f"Nothing known makes this sum. The nearest leaves {left} unexplained.{more}")
            if one.perhaps is not None:
                difference(one.perhaps, key=one.key)
        elif one.found[0].night:
            plain(
                "What it and other payouts of that day brought is sure together, and is written down so once "
                "what came before is decided. If you know which of them brought which, say so.", "faint",
            )  # fmt: skip
        elif len(one.found) > 1:
            plain(
                f"{len(one.found)} explanations are as good as each other; none was chosen for you.", "faint"
            )
        with st.form(f"choose_{one.key}", border=False):
            shown = one.found[:SHOWN]
            choice = st.radio(
                "What is in it?", range(len(shown)),
                index=0 if len(shown) == 1 and shown[0].is_whole else None,
                format_func=lambda nth: escape(_said(shown[nth])), key=f"choice_{one.key}",
            )  # fmt: skip
            why = "" if one.found[0].is_whole else st.text_input("Why it is accepted so", max_chars=500)
            two = any(explaining.takes_two(each) for each in shown)
            said = "Ask a second person to accept it so" if two else "It is this"
            if st.form_submit_button(said, disabled=not here.may(Action.RECONCILE)):
                _chosen(one, choice, why)


def _said(one: Explanation) -> str:
    days = ", ".join(dates.say_days(day, day) for day in one.days)
    held = f"; {len(one.held)} of {len(one.captures) + len(one.held)} held back" if one.held else ""
    back = f"; {len(one.released)} held before" if one.released else ""
    return f"{days}: {words.count(len(one.captures), 'payment', 'payments')}, {one.says}{held}{back}"


def _chosen(one: Unexplained, choice: int | None, why: str) -> None:
    with error_boundary():
        if choice is None:
            problem("Choose one of them first.")
            return
        app, here = bootstrap.app(), require(Action.RECONCILE)
        if explaining.takes_two(one.found[choice]):
            app.sessions.run(lambda session: unexplained.ask(session, here, one, choice, why, now=app.now()))
            tell("Asked: a second person decides under Approvals. The sum waits here until then.")
            st.rerun()
        number = app.sessions.run(
            lambda session: explaining.accept(session, here, one, choice, now=app.now(), why=why)
        )
        tell(f"Payout {number} is written down, with your name.")
        st.rerun()


def _total(some: Iterable[Unexplained]) -> str:
    return words.sums(sums(one.amount for one in some))
