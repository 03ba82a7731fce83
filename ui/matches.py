"""What became of bank lines: each match with who made it and why, and the way back."""

from collections.abc import Callable

import streamlit as st

import bootstrap
from payments.access.people import Action, Person
from payments.matching import Target
from payments.reconciling import matched
from payments.reconciling.matched import MatchView
from ui.pieces import empty_state, moment, plain
from words import bank as bank_words

#: Takes a match back, by its number, for a reason.
Undo = Callable[[int, str], None]


def matches(here: Person, undo: Undo) -> None:
    """All that were made, by how; each with who and why, and a way back for who may."""
    how = st.pills(
        "How", list(bank_words.HOW), key="how", format_func=lambda one: bank_words.HOW[one].word,
        label_visibility="collapsed",
    )  # fmt: skip
    with bootstrap.app().sessions.read() as session:
        found = matched.list_matches(session, here, how=how)
    if not found:
        empty_state("Nothing is matched yet", "What is accepted is listed here, with who and why.", "join")
    for match in found:
        match_told(match, undo if here.may(Action.RECONCILE) else None)


def match_told(match: MatchView, undo: Undo | None = None) -> None:
    """Who matched what and why; with ``undo``, a way to take it back."""
    with st.container(border=True):
        look = bank_words.HOW[match.how]
        st.badge(look.word, icon=f":material/{look.icon}:", color=look.tone)  # type: ignore[arg-type]
        plain(f"{match.amount} · {match.text}", "title")
        for part in match.parts:
            off = f", {part.written_off} written off" if part.written_off else ""
            whose = f"{part.payer}, {part.reference}" if part.reference else bank_words.PART[part.target]
            if part.reference and part.target == Target.SURPLUS:
                whose = f"surplus of {whose}"
            plain(f"{part.amount} for {whose}{off}")
        why = "; ".join(sign.says for sign in match.signs if sign.agrees)
        by_rule = f" · rule {match.rule}" if match.rule else ""
        plain(f"{match.by}, {moment(match.at)}, {match.way}{by_rule}{': ' + why if why else ''}", "faint")
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
