"""One deed on all that match: what it would do, the doing with its progress, and what became of each."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

import bootstrap
import words
from payments.access.people import Action, Person
from payments.deciding import bulk
from payments.deciding.bulk import Preview, Progress, Target
from payments.deciding.cases import Decision
from payments.deciding.deeds import APPROVABLE, NEEDS, ON_CASES, UNDOABLE, Deed, Given
from payments.errors import PaymentsError
from payments.finding.search import COUNT_CAP, Filter
from payments.selling import events
from payments.selling.events import State
from ui.here import error_boundary, require
from ui.pieces import empty_state, moment, plain, problem, table
from ui.proving import confirm_here, go
from words import approvals as approval_words

SHOWN = 200
_ON_PAYMENTS = (
    Deed.ASK, Deed.NOTE, Deed.RESEND, Deed.CANCEL, Deed.WAIVE, Deed.MOVE, Deed.APPROVE,
)  # fmt: skip


@dataclass(frozen=True)
class Many:
    """What was chosen, in words for its title, and what may be done: decisions, and who could own a case."""

    told: str
    target: Target
    deeds: tuple[Deed, ...]
    decisions: tuple[Decision, ...] = ()
    owners: Mapping[int, str] | None = None


def on_payments(person: Person, wanted: Filter, count: int) -> None:
    """The button over a list of payments: all that match, not one page of them."""
    deeds = deeds_of(person)
    if deeds and count:
        some = f"more than {words.number(COUNT_CAP)}" if count > COUNT_CAP else words.number(count)
        told = f"All {some} {'payment' if count == 1 else 'payments'} that match"
        if st.button(
            "Do to all", key="bulk_open", icon=":material/checklist:", help=f"{told}, on every page"
        ):
            begin(Many(told, wanted, deeds))
            st.rerun()  # the list draws itself alone, and the dialog is the page's
    elif deeds:
        done_last(person, deeds)


def on_chosen(person: Person, ids: Sequence[int]) -> None:
    """The bar over a list of payments of which some are ticked."""
    told = words.count(len(ids), "payment", "payments")
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{told} chosen**")
        if st.button("Do to these", key="bulk_these", type="primary", icon=":material/checklist:"):
            begin(Many(f"The {told} that you chose", tuple(ids), deeds_of(person)))
            st.rerun()
        st.button("Choose none", key="choose_none", type="tertiary", on_click=_choose_none)


def let_go(count: int) -> None:
    """In the place of that bar, where a new day began under what was ticked."""
    with st.container(border=True, horizontal=True, vertical_alignment="center"):
        were = words.count(count, "payment is", "payments are")
        plain(f"{were} not chosen any more: a new day began, and this list is of other days. Choose again.")
        st.button("All right", key="choose_again", type="tertiary", on_click=_choose_none)


def _choose_none() -> None:
    st.session_state.pop("payments_chosen", None)


def deeds_of(person: Person) -> tuple[Deed, ...]:
    """What this person may do to several payments."""
    return tuple(deed for deed in _ON_PAYMENTS if person.may(NEEDS[deed]))


def begin(many: Many) -> None:
    """Open the dialog on these, when the page is drawn next."""
    st.session_state.bulk = {"many": many}


def go_on(run_id: int, undo: bool = False) -> None:
    st.session_state.bulk = {"run": run_id, "undo": undo}


def done_last(person: Person, deeds: Iterable[Deed]) -> None:
    """The way back to what this person did last to many, where nothing is there to open the dialog on."""
    if (told := _last(person, deeds)) is not None and st.button(
        _done_word(told), key="bulk_last", icon=":material/history:", type="tertiary",
        help="What came of it, and Undo where there is one",
    ):  # fmt: skip
        go_on(told.id)
        st.rerun()


def _last(person: Person, deeds: Iterable[Deed]) -> Progress | None:
    app = bootstrap.app()
    with app.sessions.read() as session:
        return bulk.last(session, person, deeds, now=app.now())


def _them(deed: Deed, count: int) -> str:
    if deed is Deed.APPROVE:
        return words.count(count, "request", "requests")
    return words.count(count, *(("case", "cases") if deed in ON_CASES else ("payment", "payments")))


def _done_word(told: Progress) -> str:
    undone = told.outcomes.get("undone", 0)
    did = words.DEED[told.deed].done.format(_them(told.deed, told.outcomes.get("done", 0) + undone))
    back = f" · {words.number(undone)} undone since" if undone else ""
    return f"{did} {moment(told.finished_at)}{back}"


def bulk_dialog(person: Person) -> None:
    """Once a page that offers it: the dialog when one is open, and what waits to go on when none is."""
    if "bulk" in st.session_state:
        _dialog()
        return
    with bootstrap.app().sessions.read() as session:
        waiting = bulk.unfinished(session, person)
    for told in waiting:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            st.markdown(
                f"**{words.DEED[told.deed].name}** waits: {words.number(told.left)} of "
                f"{words.number(told.total)} are still to be done."
            )
            st.button(
                "Go on", key=f"go_on_{told.id}", icon=":material/play_arrow:", on_click=go_on, args=(told.id,)
            )


def moved_before(person: Person) -> None:
    """What this person moved together, each to be looked at and undone; once a page, with ``bulk_dialog``."""
    with bootstrap.app().sessions.read() as session:
        runs = bulk.finished(session, person, Deed.MOVE)
    for told in runs:
        with st.container(horizontal=True, vertical_alignment="center", border=True):
            counts = ", ".join(
                f"{words.number(count)} {name}" for name, count in sorted(told.outcomes.items())
            )
            plain(f"{moment(told.started_at)}: {counts}")
            st.button(
                "Look, or undo", key=f"moved_{told.id}", icon=":material/undo:", on_click=go_on,
                args=(told.id,),
            )  # fmt: skip


def _close() -> None:
    st.session_state.pop("bulk", None)


@st.dialog("Several at once", width="medium", on_dismiss=_close)
@error_boundary()
def _dialog() -> None:
    here = require(Action.SEE)
    if confirm_here():
        return
    state = st.session_state.get("bulk", {})
    if "run" in state:
        _running(here, state)
    elif "asked" in state:
        _looked_at(here, state)
    elif "many" in state:
        _done_before(here, state["many"])
        _asking(state["many"])


def _done_before(here: Person, many: Many) -> None:
    """What was done last stays at hand once its dialog was closed, to be looked at and undone."""
    if (told := _last(here, many.deeds)) is None:
        return
    with st.container(horizontal=True, vertical_alignment="center", border=True):
        plain(_done_word(told))
        st.button(
            "What came of it",
            key="bulk_last_look",
            icon=":material/history:",
            on_click=go_on,
            args=(told.id,),
        )
        if told.undoable:
            st.button(
                f"Undo {words.number(told.undoable)}", key="bulk_last_undo", icon=":material/undo:",
                on_click=go_on, args=(told.id, True),
            )  # fmt: skip


# -- what is wished -----------------------------------------------------------------------------------


def _asking(many: Many) -> None:
    plain(many.told, "name")
    deed = st.radio(
        "What", many.deeds, format_func=lambda each: words.DEED[each].name, key="bulk_deed",
        captions=[words.DEED[each].told for each in many.deeds],
    )  # fmt: skip
    _wording(deed, many)
    st.button(
        "See what it would do", type="primary", icon=":material/preview:", key="bulk_look", on_click=_ask
    )


def _wording(deed: Deed, many: Many) -> None:
    """What has to be said with a deed."""
    if deed is Deed.DECIDE:
        st.selectbox(
            "What is decided", many.decisions, format_func=words.DECISION.__getitem__, key="bulk_decision"
        )
    if deed is Deed.ASSIGN:
        owners = {0: "Nobody", **(many.owners or {})}
        left, right = st.columns(2)
        left.selectbox(
            "Owner", list(owners), index=None, format_func=owners.__getitem__, placeholder="As it is",
            key="bulk_owner",
        )  # fmt: skip
        right.date_input("Due on", None, format="DD/MM/YYYY", key="bulk_due")
    if deed is Deed.MOVE:
        with bootstrap.app().sessions.read() as session:
            there = events.list_events(session, require(Action.SEE), states=(State.OPEN, State.DRAFT))
        names = {event.code: event.name for event in there}
        st.selectbox(
            "To which event", list(names), index=None, format_func=names.__getitem__, key="bulk_event",
            placeholder="Choose one",
        )  # fmt: skip
    if deed is Deed.APPROVE:
        st.selectbox(
            "What is approved",
            APPROVABLE,
            format_func=lambda what: approval_words.ASKED[what][0],
            key="bulk_what",
        )
    if question := words.DEED[deed].asks:
        st.text_area(question, key="bulk_text", max_chars=1000)


def _ask() -> None:
    """What is wished, as the fields say it at this moment. For callbacks."""
    state = st.session_state
    deed: Deed = state.bulk_deed
    given = Given(
        text=state.get("bulk_text", "") if words.DEED[deed].asks else "",
        decision=state.get("bulk_decision") if deed is Deed.DECIDE else None,
        owner_id=state.get("bulk_owner") if deed is Deed.ASSIGN else None,
        due_on=state.get("bulk_due") if deed is Deed.ASSIGN else None,
        event_code=(state.get("bulk_event") or "") if deed is Deed.MOVE else "",
        what=state.get("bulk_what") if deed is Deed.APPROVE else None,
    )
    state.bulk["asked"] = (deed, given)


# -- what it would do ---------------------------------------------------------------------------------


def _looked_at(here: Person, state: dict[str, Any]) -> None:
    """The preview; what is missing brings back to the question."""
    many: Many = state["many"]
    deed, given = state["asked"]
    try:
        with st.spinner("Looking at each …"), bootstrap.app().sessions.read() as session:
            told = bulk.preview(session, here, deed, many.target, given)
    except PaymentsError as error:
        del state["asked"]
        problem(str(error))
        _asking(many)
    else:
        _previewed(here, many, told, given)


def _back() -> None:
    """To the question, with what was written there: fields that are not drawn forget it."""
    deed, given = st.session_state.bulk.pop("asked")
    st.session_state.bulk_deed, st.session_state.bulk_text = deed, given.text


def _previewed(here: Person, many: Many, told: Preview, given: Given) -> None:
    deed = words.DEED[told.deed]
    worth = f", {words.sums(told.sums)}" if told.sums else ""
    plain(f"{deed.name}: {words.number(told.doing)} of {words.number(told.count)}{worth}", "name")
    if told.skipped:
        plain("\n".join(f"{words.number(count)} skipped: {why}." for why, count in told.skipped.items()))
    if given.text:
        plain(f"“{given.text}”")
    if told.first:
        rest = told.doing - len(told.first)
        some = ", ".join(" ".join(filter(None, one)) for one in told.first)
        plain(f"{some}{f' and {words.number(rest)} more' if rest else ''}", "faint")
    plain("It can be undone afterwards." if told.deed in UNDOABLE else "It cannot be undone.", "faint")
    with st.container(horizontal=True):
        if told.doing:
            st.button(
                deed.button.format(_them(told.deed, told.doing)), type="primary", icon=":material/check:",
                key="bulk_do", on_click=_start, args=(many, told, given),
            )  # fmt: skip
        st.button("Back", key="bulk_back", on_click=_back)


def _start(many: Many, looked_at: Preview, given: Given) -> None:
    """Of these, and of no payment that nobody looked at."""
    app = bootstrap.app()

    def start(me: Person) -> None:
        run_id = app.sessions.run(
            lambda session: bulk.start(
                session, me, looked_at.deed, many.target, given, now=app.now(), seen=looked_at
            )
        )
        st.session_state.bulk = {"run": run_id}
        _choose_none()  # what was ticked for it has been asked for

    with error_boundary():
        go(start, inside=True)


# -- the doing ----------------------------------------------------------------------------------------


def _running(here: Person, state: dict[str, Any]) -> None:
    """Each step is kept before the next begins: closing this stops it, and it goes on from there later."""
    app, run_id = bootstrap.app(), state["run"]
    with app.sessions.read() as session:
        told = bulk.progress(session, here, run_id)
    bar = st.empty()
    undoing = state.get("undo", False)
    while told.undoable if undoing else told.left:
        left = told.outcomes.get("done", 0) if undoing else told.left
        _bar(bar, told, told.total - left)
        if undoing:
            told = bulk.undo_step(app.sessions, here, run_id, now=app.now())
        elif not go(lambda me: bulk.step(app.sessions, app.gateways, me, run_id, now=app.now()), inside=True):
            st.rerun(scope="fragment")
        with app.sessions.read() as session:
            told = bulk.progress(session, here, run_id)
    bar.empty()
    _done(here, told)


def _bar(place: st.delta_generator.DeltaGenerator, told: Progress, done: int) -> None:
    text = f"{words.number(done)} of {words.number(told.total)}. You can close this and go on later."
    place.progress(done * 100 // told.total, text)


def _done(here: Person, told: Progress) -> None:
    counts = [f"{words.number(count)} {name}" for name, count in sorted(told.outcomes.items())]
    plain(f"{words.DEED[told.deed].name}: {', '.join(counts)}", "name")
    with st.container(horizontal=True):
        if told.undoable:
            st.button(
                f"Undo {words.number(told.undoable)}", icon=":material/undo:", key="bulk_undo",
                on_click=lambda: st.session_state.bulk.update(undo=True),
            )  # fmt: skip
        elif told.deed not in UNDOABLE:
            plain("This cannot be undone.", "faint")
    outcome = _which(told) if len(told.outcomes) > 1 else None
    with bootstrap.app().sessions.read() as session:
        rows = bulk.results(session, here, told.id, outcome=outcome, limit=SHOWN + 1)
    if not rows:
        empty_state("None of these", "Choose another outcome.", "checklist")
    table(
        ("Payment", "Payer", "Outcome", "Why"),
        [(row.reference, row.payer_name, row.outcome, _why(row)) for row in rows[:SHOWN]],
    )
    if len(rows) > SHOWN:
        plain(f"The first {SHOWN} are shown. What became of each stands on its own timeline.", "faint")


def _which(told: Progress) -> str | None:
    return st.segmented_control(
        "Show", sorted(told.outcomes), key="bulk_outcome",
        label_visibility="collapsed",
    )  # fmt: skip


def _why(row: bulk.Result) -> str:
    return "" if row.why == row.outcome else row.why  # undone, because it was undone
