"""Needs attention: what a person must decide, grouped by reason, with the remedies at hand."""

import streamlit as st

import bootstrap
import ui
import words
from payments import attention, replay, sync
from payments.attention import CaseView, Group
from payments.cases import Reason
from payments.errors import PaymentsError
from payments.lifecycle import Source
from payments.people import Action, Person

person = ui.require(Action.SEE)
app = bootstrap.app()
PAYMENTS, INBOX = "pages/monitor/payments.py", "pages/monitor/inbox.py"
#: How many cases of each reason are shown while all reasons are.
FIRST = 5
DECIDED = "Decided"
WORDS = {word: reason for reason, (word, _) in words.CASE.items()}


def may_decide(here: Person, case: CaseView) -> bool:
    if case.event_id is None:
        return here.may(Action.PROCESS_EVENTS)
    return here.may(Action.DECIDE, case.event_id)


# -- the queue --------------------------------------------------------------------------------------


def reason_pills(here: Person) -> str | None:
    """The reasons that there are cases of, and the one that the address asks for."""
    with app.sessions.read() as session:
        present = {group.reason for group in attention.queue(session, here, now=app.now())}
    asked = st.query_params.get("reason")
    shown = [word for word, reason in WORDS.items() if reason in present or word == asked]
    return st.pills(
        "Reason", [*shown, DECIDED], key="reason", label_visibility="collapsed", bind="query-params"
    )


def group_of(here: Person, group: Group, *, whole: bool) -> None:
    word, remedy = words.CASE[group.reason]
    at_risk = f" · {words.sums(group.at_risk)} at risk" if group.at_risk else ""
    with st.container(border=True):
        st.subheader(f"{word} · {words.number(len(group.cases))}{at_risk}", anchor=False)
        ui.plain(remedy, "faint")
        for case in group.cases if whole else group.cases[:FIRST]:
            line(here, case)
        if not whole and len(group.cases) > FIRST:
            st.button(
                f"Show all {words.number(len(group.cases))}", key=f"all_{group.reason}", type="tertiary",
                icon=":material/expand_more:", on_click=only, args=(word,),
            )  # fmt: skip


def only(word: str) -> None:
    st.session_state.reason = word
    st.session_state.case_picked = True


def line(here: Person, case: CaseView) -> None:
    """One case: what it is about, since when, whose it is, and what can be done."""
    left, right = st.columns(2, vertical_alignment="center", gap="small")
    with left, st.container(gap=None):
        ui.plain(about(case), "title")
        ui.plain(standing(case), "faint")
        if case.note:
            ui.plain(f"Note: {case.note}", "faint")
    with right.container(
        horizontal=True, gap="small", vertical_alignment="center", horizontal_alignment="right"
    ):
        remedies(here, case)
    if (said := st.session_state.get("case_said")) and said[0] == case.id:
        st.info(ui.escape(said[1]), icon=":material/info:")


def about(case: CaseView) -> str:
    if case.reference is None:
        return f"Message {case.inbox_id}"
    amount = f" · {case.at_risk}" if case.at_risk else ""
    return f"{case.payer_name}{amount} · {case.reference}"


def standing(case: CaseView) -> str:
    parts: list[str | None] = [f"{words.ago(app.now() - case.opened_at)} old", case.event_name]
    parts.append(words.STATUS[case.status].word if case.status else None)
    parts.append(f"paid before: {case.found['twin']}" if "twin" in case.found else None)
    parts.append(f"owner {case.owner}" if case.owner else "nobody's yet")
    if case.due_on:
        parts.append(f"{'overdue since' if case.overdue else 'due'} {case.due_on:%d %b %Y}")
    return " · ".join(part for part in parts if part)


def remedies(here: Person, case: CaseView) -> None:
    if case.reference:
        st.page_link(
            PAYMENTS, label="Open payment", icon=":material/receipt_long:",
            query_params={"payment": case.reference},
        )  # fmt: skip
    elif here.may(Action.SEE_INBOX):
        st.page_link(
            INBOX, label="Open message", icon=":material/inbox:",
            query_params={"message": str(case.inbox_id)},
        )  # fmt: skip
    if case.link_id and case.event_id and here.may(Action.ASK_GATEWAY, case.event_id):
        st.button("Ask gateway", key=f"ask_{case.id}", icon=":material/sync:", on_click=ask, args=(case,))
    if case.reason is Reason.UNMATCHED_EVENT and here.may(Action.PROCESS_EVENTS):
        st.button(
            "Process again", key=f"again_{case.id}", icon=":material/replay:", on_click=again, args=(case,)
        )
    if may_decide(here, case):
        st.button("Decide…", key=f"open_{case.id}", icon=":material/gavel:", on_click=choose, args=(case.id,))


def choose(case_id: int) -> None:
    st.query_params["case"] = str(case_id)
    st.session_state.case_picked = True


def say(case: CaseView, sentence: str) -> None:
    st.session_state.case_said = (case.id, sentence)


def ask(case: CaseView) -> None:
    try:
        assert case.link_id is not None
        effect = sync.ask(app.sessions, app.gateways, case.link_id, now=app.now(), source=Source.DESK)
        say(case, f"The gateway was asked. {words.EFFECT[effect].word}.")
    except PaymentsError as error:
        say(case, str(error))


def again(case: CaseView) -> None:
    try:
        assert case.inbox_id is not None
        (step,) = replay.run(app.sessions, app.gateways, person, [case.inbox_id], now=app.now())
        say(case, step.error or "It still fits no payment here.")
    except PaymentsError as error:
        say(case, str(error))


# -- one case ---------------------------------------------------------------------------------------


def close_case() -> None:
    st.query_params.pop("case", None)


@st.dialog("Decide", position="right", width="medium", on_dismiss=close_case)
@ui.error_boundary()
def drawer(number: str) -> None:
    here = ui.require(Action.SEE)
    with app.sessions.read() as session:
        case = attention.get(session, here, ui.id_in(number), now=app.now())
        owners = dict(attention.owners(session, here, case))
    word, remedy = words.CASE[case.reason]
    st.badge(word, icon=":material/flag:", color="orange")
    ui.plain(about(case), "name")
    ui.plain(remedy)
    found = {label: str(case.found[name]) for name, label in words.FOUND.items() if case.found.get(name)}
    ui.facts({"Since": ui.moment(case.opened_at), **found})
    if case.closed_at is not None:
        ui.plain(f"{case.closed_by}, {ui.moment(case.closed_at)}: {case.decided_why}")
    elif may_decide(here, case):
        decide_form(case)
        assign_form(case, owners)


def decide_form(case: CaseView) -> None:
    with st.form("decide"):
        decision = st.radio("What is decided", case.decisions, format_func=words.DECISION.__getitem__)
        why = st.text_area("Why, for whoever reads it later", key=f"why_{case.id}", max_chars=1000)
        if st.form_submit_button("Decide", type="primary", icon=":material/check:"):
            with app.sessions.begin() as session:
                attention.decide(session, person, case.id, decision, why, now=app.now())
            done("Decided, and taken off the queue.")


def assign_form(case: CaseView, owners: dict[int, str]) -> None:
    with st.form("assign"):
        left, right = st.columns(2)
        ids = list(owners)
        owner = left.selectbox(
            "Owner",
            ids,
            index=ids.index(case.owner_id) if case.owner_id in ids else None,
            format_func=owners.__getitem__,
            placeholder="Nobody yet",
        )
        due = right.date_input("Due on", case.due_on, format="DD/MM/YYYY")
        note = st.text_area("Note", case.note, key=f"note_{case.id}", max_chars=1000)
        if st.form_submit_button("Save", icon=":material/person_check:"):
            with app.sessions.begin() as session:
                attention.assign(
                    session, person, case.id, owner_id=owner, due_on=due, note=note, now=app.now()
                )
            done("Saved.")


def done(sentence: str) -> None:
    st.session_state.attention_done = sentence
    close_case()
    st.rerun()


# -- what was decided -------------------------------------------------------------------------------


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
            ui.plain(f"{case.closed_by}, {ui.moment(case.closed_at)}", "faint")


@st.fragment(run_every="10s")
@ui.error_boundary()
def page(chosen: str | None) -> None:
    here = ui.require(Action.SEE, active=False)
    if st.session_state.pop("case_picked", False):
        st.rerun()
    if chosen == DECIDED:
        history(here)
        return
    with app.sessions.read() as session:
        groups = attention.queue(session, here, now=app.now())
    wanted = WORDS.get(chosen or "")
    shown = [group for group in groups if wanted in (None, group.reason)]
    for group in shown:
        group_of(here, group, whole=wanted is not None)
    if not shown:
        ui.empty_state("Nothing needs you", "What does not fit will be listed here.", "task_alt")


st.title("Needs attention", anchor=False)
if told := st.session_state.pop("attention_done", None):
    st.success(ui.escape(told), icon=":material/check:")
page(reason_pills(person))
if opened := st.query_params.get("case"):
    drawer(opened)
