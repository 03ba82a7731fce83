"""What became of bank lines: each match with who made it and why, and the way back."""

from collections.abc import Callable

import streamlit as st

import bootstrap
import words
from payments.access.people import Action, Person
from payments.matching import Target, Way
from payments.reconciling import matched
from payments.reconciling.matched import MatchView, PartView, Wanted, Whose
from payments.reconciling.parts import BY_HAND
from ui.pieces import empty_state, escape, moment, plain
from words import bank as bank_words

SHOWN = 25
#: What they are called on Reconcile, and in its address.
MATCHED = "Matched"
#: Takes a match back, by its number, for a reason.
Undo = Callable[[int, str], None]


def matches(here: Person, undo: Undo) -> None:
    """All that were made, a page at a time; each with who and why, and a way back for who may."""
    wanted = _wanted()
    if st.session_state.get("matches_of") != wanted:
        st.session_state.matches_of, st.session_state.matches_from = wanted, 0
    first = st.session_state.matches_from
    with bootstrap.app().sessions.read() as session:
        told = matched.find_matches(session, here, wanted, offset=first, limit=SHOWN)
    found, count = told.matches, told.count
    if told.since is not None:
        which = "Lines of no payment" if told.payers else "Lines"
        plain(f"{which} were looked through from {told.since:%-d %b %Y} on. Days look further back.", "faint")
    if not found and wanted == Wanted():
        empty_state("Nothing is matched yet", "What is accepted is listed here, with who and why.", "join")
    elif not found:
        empty_state("No match is so", "Take a word or a day off above.", "search_off")
    else:
        plain(f"{first + 1}–{first + len(found)} of {words.count(count, 'match', 'matches')}", "faint")
    for match in found:
        match_told(match, undo if here.may(Action.RECONCILE) else None, at="list")
    _pages(first, count)


def _wanted() -> Wanted:
    """What is asked for; the address of a door says what to find first."""
    if "match_text" not in st.session_state:
        st.session_state.match_text = st.query_params.get("find", "")
    whose = st.pills(
        "On whose word", list(Whose), key="match_whose", label_visibility="collapsed",
        format_func=lambda one: bank_words.WHOSE[one].word,
    )  # fmt: skip
    text, first, last = st.columns([2, 1, 1])
    return Wanted(
        whose,
        text.text_input("Find", key="match_text", placeholder="What the bank wrote, a payer, a reference"),
        first.date_input("From", None, format="DD/MM/YYYY", key="match_first"),
        last.date_input("Until", None, format="DD/MM/YYYY", key="match_last"),
    )


def _pages(first: int, count: int) -> None:
    if count <= SHOWN:
        return
    with st.container(horizontal=True):
        for word, icon, to, there in (
            ("Newer", "chevron_left", first - SHOWN, first > 0),
            ("Older", "chevron_right", first + SHOWN, first + SHOWN < count),
        ):
            st.button(
                word, icon=f":material/{icon}:", key=f"matches_{word.lower()}", disabled=not there,
                on_click=_turn, args=(to,),
            )  # fmt: skip


def _turn(to: int) -> None:
    st.session_state.matches_from = max(to, 0)


def match_told(match: MatchView, undo: Undo | None = None, *, at: str) -> None:
    """Who matched what and why; with ``undo``, a way to take it back. ``at`` names the place: a match may
    stand at two of a page."""
    with st.container(border=True):
        look = bank_words.WHOSE[match.whose]
        st.badge(look.word, icon=f":material/{look.icon}:", color=look.tone)  # type: ignore[arg-type]
        plain(f"{match.amount} · {match.text}", "title")
        with st.container(key=f"lines_{at}_{match.id}"):
            for part in match.parts:
                _part_told(part)
        said = set(match.way.split())  # “exact reference” of one whose “reference exact” is told once
        why = "; ".join(sign.says for sign in match.signs if sign.agrees and set(sign.says.split()) != said)
        by_rule = f"{' ' if match.way == Way.RULE else ' · rule '}{match.rule}" if match.rule else ""
        plain(f"{match.by}, {moment(match.at)}, {match.way}{by_rule}{': ' + why if why else ''}", "faint")
        for sign in match.signs:
            if not sign.agrees and match.way != BY_HAND:
                plain(f"Against: {sign.says}", "faint")
        if match.why:
            plain(f"Why: {match.why}", "faint")
        if match.undone_at is not None:
            plain(f"Undone by {match.undone_by}, {moment(match.undone_at)}: {match.undone_why}")
        elif undo:
            with st.popover("Undo", icon=":material/undo:"), st.form(f"undo_{match.id}", border=False):
                told_why = st.text_input("Why is it another?", key=f"undo_why_{match.id}", max_chars=500)
                if st.form_submit_button("Undo this match", type="primary"):
                    undo(match.id, told_why)
                    st.rerun()


def _part_told(part: PartView) -> None:
    """How much of the line is for what; a payment opens."""
    off = f", {part.written_off} written off" if part.written_off else ""
    if part.reference is None:
        plain(f"{part.amount} for {bank_words.PART[part.target]}{off}")
        return
    surplus = "surplus of " if part.target == Target.SURPLUS else ""
    st.page_link(
        "pages/monitor/payments.py",
        label=escape(f"{part.amount} for {surplus}{part.payer}, {part.reference}{off}"),
        query_params={"payment": part.reference},
    )
