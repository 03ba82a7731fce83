"""Needs attention: what a person must decide, grouped by reason, with the remedies one key away."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

import bootstrap
import ui
import words
from payments.access.people import Action, Person
from payments.deciding import attention
from payments.deciding.attention import Age, Bucket, CaseView, Group
from payments.deciding.cases import DECISIONS, Reason
from payments.deciding.deeds import Deed
from payments.hearing import replay, sync

person = ui.require(Action.SEE)
app = bootstrap.app()
PAYMENTS, INBOX = "pages/monitor/payments.py", "pages/monitor/inbox.py"
#: How many cases of each reason are shown while all reasons are.
FIRST = 5
DECIDED = "Decided"
#: What is done to several at once.
TOGETHER = (Deed.DECIDE, Deed.ASSIGN)
WORDS = {word: reason for reason, (word, _) in words.CASE.items()}
UNDONE = "Undone by the person who had decided it, right after."


def may_decide(here: Person, case: CaseView) -> bool:
    if case.event_id is None:
        return here.may(Action.PROCESS_EVENTS)
    return here.may(Action.DECIDE, case.event_id)


def may_decide_some(here: Person) -> bool:
    return here.may(Action.DECIDE) or here.may(Action.PROCESS_EVENTS)


# -- what is asked for --------------------------------------------------------------------------------


def reason_pills(here: Person) -> str | None:
    """The reasons that there are cases of, and the one that the address asks for."""
    with app.sessions.read() as session:
        present = {group.reason for group in attention.queue(session, here, now=app.now())}
    asked = st.query_params.get("reason")
    shown = [word for word, reason in WORDS.items() if reason in present or word == asked]
    return st.pills(
        "Reason", [*shown, DECIDED], key="reason", label_visibility="collapsed", bind="query-params"
    )


def age_pills(buckets: Sequence[Bucket]) -> Age | None:
    """The buckets with what waits in each; one of them shows its cases only."""
    told = {bucket.age: bucket for bucket in buckets}

    def label(age: Age) -> str:
        worth = f" · {words.sums(told[age].at_risk)}" if told[age].at_risk else ""
        return f"{age}: {words.number(told[age].count)}{worth}"

    return st.pills("Age", list(Age), key="age", format_func=label, label_visibility="collapsed")


def narrowed(groups: Sequence[Group], wanted: Reason | None, age: Age | None = None) -> list[Group]:
    """The groups of a reason, an age and a payment, as far as they are asked for."""
    of = st.query_params.get("of")
    kept = []
    for group in groups:
        cases = [
            case
            for case in group.cases
            if age in (None, Age.of(app.now() - case.opened_at)) and of in (None, case.reference)
        ]
        if cases and wanted in (None, group.reason):
            kept.append(attention.group(group.reason, cases))
    return kept


# -- the queue ----------------------------------------------------------------------------------------


def group_of(here: Person, group: Group, *, whole: bool) -> None:
    word, remedy = words.CASE[group.reason]
    at_risk = f" · {words.sums(group.at_risk)} at risk" if group.at_risk else ""
    shown = group.cases if whole else group.cases[:FIRST]
    with st.container(border=True):
        with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
            st.subheader(f"{word} · {words.number(len(group.cases))}{at_risk}", anchor=False)
            ids = [case.id for case in group.cases if may_decide(here, case)]
            if len(ids) > 1:
                st.button(
                    f"Choose all {words.number(len(ids))}", key=f"choose_{group.reason}", type="tertiary",
                    icon=":material/select_all:", on_click=choose, args=(ids,),
                )  # fmt: skip
        ui.plain(remedy, "faint")
        ui.cases_list(
            [line(here, case) for case in shown], key=f"cases_{group.reason}", label=word,
            chosen=chosen(), tell=told,
        )  # fmt: skip
        if len(shown) < len(group.cases):
            st.button(
                f"Show all {words.number(len(group.cases))}", key=f"all_{group.reason}", type="tertiary",
                icon=":material/expand_more:", on_click=only, args=(word,),
            )  # fmt: skip


def only(word: str) -> None:
    st.session_state.reason = word
    st.session_state.case_picked = True


def line(here: Person, case: CaseView) -> dict[str, Any]:
    """One case: what it is about, since when, whose it is, and what can be done."""
    ask = goes = None
    if case.link_id and case.event_id and here.may(Action.ASK_GATEWAY, case.event_id):
        ask = "Ask gateway"
    elif case.reason is Reason.UNMATCHED_EVENT and here.may(Action.PROCESS_EVENTS):
        ask = "Process again"
    if case.reference or here.may(Action.SEE_INBOX):
        goes = "Open payment" if case.reference else "Open message"
    said = st.session_state.get("case_said")
    return {
        "id": str(case.id),
        "title": about(case),
        "standing": standing(case),
        "note": case.note,
        "overdue": case.overdue,
        "decisions": [words.DECISION[each] for each in case.decisions] if may_decide(here, case) else [],
        "ask": ask,
        "goes": goes,
        "said": said[1] if said and said[0] == case.id else None,
    }


def about(case: CaseView) -> str:
    if case.reference is None:
        return f"Message {case.inbox_id}"
    amount = f" · {case.at_risk}" if case.at_risk else ""
    return f"{case.payer_name}{amount} · {case.reference}"


def standing(case: CaseView) -> str:
    parts: list[str | None] = [f"{words.ago(app.now() - case.opened_at)} old", case.event_name]
    parts.append(words.both(case.reason, case.found))
    parts.append(words.STATUS[case.status].word if case.status else None)
    parts.append(f"paid before: {case.found['twin']}" if "twin" in case.found else None)
    parts.append(f"owner {case.owner}" if case.owner else "nobody's yet")
    if case.due_on:
        parts.append(f"{'overdue since' if case.overdue else 'due'} {case.due_on:%-d %b %Y}")
    return " · ".join(part for part in parts if part)


# -- what is done from a row --------------------------------------------------------------------------


def told(case_id: int, what: str) -> None:
    """A row's key or button. For callbacks: whoever may not, hears so from the room that does it."""
    match what.partition(":"):
        case ("choose", _, _):
            choose([case_id])
        case ("leave", _, _):
            st.session_state.cases_chosen = [one for one in chosen() if one != case_id]
        case ("ask", _, _):
            ask(case_id)
        case ("goes", _, _):
            st.session_state.case_goes = case_id
        case (how, _, nth):
            open_case(case_id, how, int(nth) if nth.isdecimal() else None)


def open_case(case_id: int, how: str = "open", nth: int | None = None) -> None:
    st.query_params["case"] = str(case_id)
    st.session_state.case_how = (case_id, how, nth)
    st.session_state.case_picked = True


def chosen() -> list[int]:
    return st.session_state.setdefault("cases_chosen", [])


def choose(ids: Sequence[int]) -> None:
    st.session_state.cases_chosen = list(dict.fromkeys([*chosen(), *ids]))


def ask(case_id: int) -> None:
    """Ask about the payment, or act again on the message; what came of it stands under the row."""

    def say(sentence: str) -> None:
        st.session_state.case_said = (case_id, sentence)

    with ui.error_boundary(say=say):
        with app.sessions.read() as session:
            case = attention.get(session, person, case_id, now=app.now())
        if case.link_id is not None:
            effect = sync.ask_for(app.sessions, app.gateways, person, case.link_id, now=app.now())
            say(f"The gateway was asked. {words.EFFECT[effect].word}.")
        elif case.inbox_id is not None:
            (step,) = replay.run(app.sessions, app.gateways, person, [case.inbox_id], now=app.now())
            say(step.error or "It still fits no payment here.")
        else:
            say("There is no link to ask about.")


def go_to(here: Person, case_id: int) -> None:
    with app.sessions.read() as session:
        case = attention.get(session, here, case_id, now=app.now())
    if case.reference:
        st.switch_page(PAYMENTS, query_params={"payment": case.reference})
    st.switch_page(INBOX, query_params={"message": str(case.inbox_id)})


# -- several at once ----------------------------------------------------------------------------------


def chosen_bar(here: Person, groups: Sequence[Group]) -> None:
    """What is chosen, and what can be done to all of it."""
    cases = [
        case for group in groups for case in group.cases if case.id in chosen() and may_decide(here, case)
    ]
    place = st.empty()  # always there: what comes after it stays where it is
    if not cases:
        if may_decide_some(here):
            with place.container():
                ui.done_last(here, TOGETHER)
        return
    with place.container(border=True, horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{words.count(len(cases), 'case', 'cases')} chosen**")
        st.button(
            "Decide or assign together", key="together", type="primary", icon=":material/checklist:",
            on_click=together, args=(here, cases),
        )  # fmt: skip
        st.button("Choose none", key="choose_none", type="tertiary", on_click=choose_none)


def choose_none() -> None:
    st.session_state.cases_chosen = []


def together(here: Person, cases: Sequence[CaseView]) -> None:
    """Decisions that any of them offers: a case of another reason is skipped, and told so before."""
    reasons = {case.reason for case in cases}
    offered = dict.fromkeys(each for reason in Reason if reason in reasons for each in DECISIONS[reason])
    with app.sessions.read() as session:
        owners = dict(attention.owners(session, here, cases[0]))
    ids = tuple(case.id for case in cases)
    name = f"The {words.count(len(ids), 'case', 'cases')} that you chose"
    ui.begin(ui.Many(name, ids, TOGETHER, tuple(offered), owners))
    st.session_state.case_picked = True


# -- one case -----------------------------------------------------------------------------------------


def close_case() -> None:
    st.query_params.pop("case", None)
    st.session_state.pop("case_how", None)


def drawer(number: str) -> None:
    st.session_state.case_at = number
    _drawer()


@st.dialog("Decide", position="right", width="medium", on_dismiss=close_case)
@ui.error_boundary()
def _drawer() -> None:
    here = ui.require(Action.SEE)
    number = st.session_state.case_at
    ui.way_along(st.session_state.get("cases_walk"), number, key="case", go=step)
    with app.sessions.read() as session:
        case = attention.get(session, here, ui.id_in(number), now=app.now())
        owners = dict(attention.owners(session, here, case))
    ui.of_one(case.reference or f"Message {case.inbox_id}")
    word, remedy = words.CASE[case.reason]
    st.badge(word, icon=":material/flag:", color="orange")
    ui.plain(about(case), "name")
    ui.plain(remedy)
    found = {label: str(case.found[name]) for name, label in words.FOUND.items() if case.found.get(name)}
    ui.facts({"Since": ui.moment(case.opened_at), **found})
    if case.closed_at is not None:
        ui.plain(f"{case.closed_by}, {ui.moment(case.closed_at)}: {case.decided_why}")
    elif may_decide(here, case):
        how = st.session_state.get("case_how")
        how = how if how and how[0] == case.id else (case.id, "open", None)
        decide_form(case, how[2])
        assign_form(case, owners)
        field = {"decide": f"why_{case.id}", "assign": f"note_{case.id}"}.get(how[1])
        ui.hotkeys({}, key="case", focus=field)


def step(walk: ui.Walk, number: str, by: int) -> None:
    st.query_params["case"] = st.session_state.case_at = walk.neighbour(number, by)
    st.session_state.pop("case_how", None)


def decide_form(case: CaseView, nth: int | None) -> None:
    with st.form("decide"):
        decision = st.radio(
            "What is decided", case.decisions, index=nth if nth and nth < len(case.decisions) else 0,
            format_func=words.DECISION.__getitem__, key=f"decision_{case.id}_{nth}",
        )  # fmt: skip
        why = st.text_area("Why, for whoever reads it later", key=f"why_{case.id}", max_chars=1000)
        if st.form_submit_button("Decide", type="primary", icon=":material/check:", shortcut="Mod+Enter"):
            with ui.error_boundary():
                app.sessions.run(
                    lambda session: attention.decide(session, person, case.id, decision, why, now=app.now())
                )
                done(f"Decided, and taken off the queue: {words.DECISION[decision]}.", undo=case.id)


def assign_form(case: CaseView, owners: Mapping[int, str]) -> None:
    with st.form("assign"):
        left, right = st.columns(2)
        ids = list(owners)
        owner = left.selectbox(
            "Owner",
            ids,
            index=ids.index(case.owner_id) if case.owner_id in ids else None,
            format_func=owners.__getitem__,
            placeholder="Nobody yet",
            key=f"owner_{case.id}",
        )
        due = right.date_input("Due on", case.due_on, format="DD/MM/YYYY", key=f"due_{case.id}")
        note = st.text_area(
            "Note; @name tells a colleague by mail", case.note, key=f"note_{case.id}", max_chars=1000
        )
        if st.form_submit_button("Save", icon=":material/person_check:"):
            with ui.error_boundary():
                app.sessions.run(
                    lambda session: attention.assign(
                        session, person, case.id, owner_id=owner, due_on=due, note=note, now=app.now()
                    )
                )
                done("Saved.")


def done(sentence: str, *, undo: int | None = None) -> None:
    st.session_state.attention_done = (sentence, undo)
    close_case()
    st.rerun()


def last_done(sentence: str, undo_id: int | None) -> None:
    """What was done last, and the way back from it while somebody is still here."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.success(ui.escape(sentence), icon=":material/check:")
        if undo_id is not None:
            st.button("Undo", key="undo_decision", icon=":material/undo:", on_click=undo, args=(undo_id,))


def undo(case_id: int) -> None:
    ui.act("It is on the queue again. Both stand on the record.", attention.reopen, case_id, UNDONE)


# -- what was decided ---------------------------------------------------------------------------------


def history(here: Person) -> None:
    with app.sessions.read() as session:
        closed = attention.decided(session, here, now=app.now())
    if not closed:
        ui.empty_state("Nothing was decided yet", "Each decision is listed here with its reason.", "gavel")
    for case in closed:
        assert case.decision is not None
        with st.container(border=True):
            ui.plain(f"{words.CASE[case.reason][0]} · {about(case)}", "title")
            ui.plain(f"{words.DECISION[case.decision]}: {case.decided_why}")
            with st.container(
                horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
            ):
                ui.plain(f"{case.closed_by}, {ui.moment(case.closed_at)}", "faint")
                if may_decide(here, case):
                    with st.popover("Put it back", icon=":material/undo:"):
                        back_form(case)


def back_form(case: CaseView) -> None:
    with st.form(f"back_{case.id}", border=False):
        why = st.text_area("Why must it be decided anew?", key=f"back_why_{case.id}", max_chars=1000)
        if st.form_submit_button("Put it back on the queue", type="primary"):
            with ui.error_boundary():
                app.sessions.run(
                    lambda session: attention.reopen(session, person, case.id, why, now=app.now())
                )
                done("It is on the queue again. Both stand on the record.")


@st.fragment(run_every="10s")
@ui.error_boundary()
def page(wanted_word: str | None) -> None:
    here = ui.require(Action.SEE, active=False)
    if st.session_state.pop("case_picked", False):
        st.rerun()
    if (goes := st.session_state.pop("case_goes", None)) is not None:
        go_to(here, goes)
    if wanted_word == DECIDED:
        history(here)
        return
    with app.sessions.read() as session:
        groups = attention.queue(session, here, now=app.now())
    wanted = WORDS.get(wanted_word or "")
    age = age_pills(attention.aging(narrowed(groups, wanted), now=app.now())) if groups else None
    shown = narrowed(groups, wanted, age)
    whole = wanted is not None or age is not None
    st.session_state.cases_walk = ui.Walk(
        [str(case.id) for group in shown for case in (group.cases if whole else group.cases[:FIRST])]
    )
    if "of" in st.query_params:
        st.button(
            "Show all", icon=":material/close:", key="of_none", on_click=lambda: st.query_params.pop("of")
        )
    chosen_bar(here, groups)
    for group in shown:
        group_of(here, group, whole=whole)
    if not groups:
        ui.empty_state("Nothing needs you", "What does not fit will be listed here.", "task_alt")
    elif not shown:
        there = words.count(sum(len(group.cases) for group in groups), "other case waits", "other cases wait")
        ui.empty_state("None of these", f"{there}. Take off above what you narrowed them by.", "search_off")


st.title("Needs attention", anchor=False)
if said := st.session_state.pop("attention_done", None):
    last_done(*said)
ui.outcome()
if may_decide_some(person):
    ui.bulk_dialog(person)
page(reason_pills(person))
if opened := st.query_params.get("case"):
    drawer(opened)
