"""What is done with bank lines on Reconcile: told once at the top of the page, the last undone there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

import bootstrap
import words
from db.money import Money
from payments.access.people import Action
from payments.errors import briefly
from payments.matching import Target
from payments.reconciling import proposing, reconciliation, surplus
from payments.reconciling.exceptions import Candidate, ExceptionView
from payments.reconciling.parts import BY_HAND, WRITE_OFF_LIMIT, Decided, Part
from payments.second_person import two_people
from ui.here import error_boundary, fault_of, require
from ui.pieces import escape

_AT_ONCE = "Undone right after, by whoever had accepted it."
#: What a row's key says for somebody who pays another payment with what came too much.
_CHOSEN = "Chosen on Reconcile: the rest of the line is for it."
_ASKED = "Asked: a second person decides under Approvals. The line waits here until then."


def do(change: Callable[..., Any], *args: object, **named: object) -> Any:
    """One change (``change(session, person, ..., now=)``) as whoever is here, in one transaction. Raises."""
    app, here = bootstrap.app(), require(Action.RECONCILE)
    return app.sessions.run(lambda session: change(session, here, *args, **named, now=app.now()))


def _fault(change: Callable[..., object], *args: object) -> str | None:
    """The same; returns what kept it from being done."""
    return fault_of(lambda: do(change, *args))


# -- what was done, and the way back ------------------------------------------------------------------


def tell(sentence: str, *, bad: bool = False) -> None:
    st.session_state.bench_done = (sentence, bad)


def tell_bad(sentence: str) -> None:
    tell(sentence, bad=True)


def last_done() -> None:
    """What was done last, and the way back while somebody is still here."""
    said = st.session_state.pop("bench_done", None)
    with st.container(horizontal=True, vertical_alignment="center", key="bench_last"):
        if said:
            (st.warning if said[1] else st.success)(escape(said[0]))
        if done := _done():
            st.button(
                f"Undo: {escape(briefly(done[-1].told))}", key="bench_undo_last", icon=":material/undo:",
                on_click=undo_last, shortcut="Mod+Z", help="Takes back what you accepted last.",
            )  # fmt: skip


@dataclass(frozen=True)
class Done:
    """A match, or a move of what came too much: by its number, and as the way back names it. Not all that is
    told above it can be undone, so it does not say the word alone."""

    number: int
    told: str
    move: bool = False


def _done() -> list[Done]:
    """What can be undone; the last is undone first."""
    done: list[Done] = st.session_state.setdefault("bench_undo", [])
    return done


def can_be_undone(done: Done) -> None:
    _done().append(done)


def undo_last() -> None:
    if not (done := _done()):
        return
    last = done.pop()
    (take_back if last.move else undo)(last.number, _AT_ONCE)


def undo(match_id: int, why: str) -> None:
    """Take a match back, from wherever; what was taken back is not offered again."""
    said = "Undone: the line waits again, and both stand in its history."
    _undone(reconciliation.undo, match_id, why, said, move=False)


def take_back(move_id: int, why: str) -> None:
    """The same of a move."""
    _undone(surplus.undo, move_id, why, "Taken back: what came too much waits again.", move=True)


def _undone(change: Callable[..., object], number: int, why: str, said: str, *, move: bool) -> None:
    fault = _fault(change, number, why)
    if fault is None:
        st.session_state.bench_undo = [one for one in _done() if (one.number, one.move) != (number, move)]
    tell(fault or said, bad=bool(fault))


# -- the deeds ----------------------------------------------------------------------------------------


def propose() -> None:
    """Ask what every open line may be for, and accept what is safe."""
    app = bootstrap.app()
    with error_boundary(say=tell_bad):
        run = proposing.propose(app.sessions, require(Action.RECONCILE), now=app.now())
        accepted, waiting = sum(run.accepted.values()), sum(run.waiting.values())
        tell(
            f"{words.count(run.lines, 'line was', 'lines were')} asked about: {accepted} accepted by "
            f"themselves, {waiting} wait for a person."
        )


def accept(view: ExceptionView, parts: Sequence[Part], way: str, why: str = "") -> str | None:
    """Write a match down; returns what kept it from being so."""
    rule = view.suggestion.get("rule", "") if way != BY_HAND else ""
    decided = Decided(view.line_id, tuple(parts), way, view.suggestion, rule, why)
    told = f"{view.amount}, {view.text}"
    return fault_of(lambda: can_be_undone(Done(do(reconciliation.accept, decided), told)))


def accept_typed(view: ExceptionView, typed: Sequence[Part], why: str) -> str | None:
    """The same of what somebody typed. More written off than one may is asked of a second person."""
    if any(each.written_off and each.written_off.minor > WRITE_OFF_LIMIT.minor for each in typed):
        fault = _fault(two_people.ask_write_off, Decided(view.line_id, tuple(typed), BY_HAND, {}, why=why))
        said = _ASKED
    else:
        fault = accept(view, typed, BY_HAND, why)
        said = f"Accepted: {view.amount}, {view.text}."
    if fault is None:
        tell(said)
    return fault


def pay(view: ExceptionView, one: Candidate, gives: Money) -> str | None:
    """The line, or the rest of one, for a payment that it may be for; returns what kept it from being so."""
    if view.part_id is None:
        return accept(view, [Part(Target.PAYMENT, gives, one.payment_id)], view.way)
    given = (surplus.move, view.part_id, one.reference, gives, _CHOSEN)
    return fault_of(lambda: can_be_undone(Done(do(*given), f"{gives} for {one.reference}", move=True)))


def refuse(line_id: int, payment_id: int) -> None:
    """It is not for this payment: what else it may be for is asked at once."""
    app = bootstrap.app()
    with error_boundary(say=tell_bad):
        do(reconciliation.refuse, line_id, payment_id, "Looked at by hand.")
        proposing.propose(app.sessions, require(Action.RECONCILE), now=app.now())
        tell("It is not proposed for this line again.")
