"""Inbox: every message of the gateway as it came, what it led to; acting on it again, or never."""

from datetime import timedelta

import streamlit as st

import bootstrap
import ui
import words
from payments import dates
from payments.access.people import Action
from payments.hearing import replay
from payments.hearing.replay import Message, MessageRow, Step, View

person = ui.require(Action.SEE_INBOX)
app = bootstrap.app()
PAGE_SIZE = 50
PAYMENTS = "pages/monitor/payments.py"
WORDS = {word: view for view, (word, _) in words.VIEW.items()}


def first_page() -> None:
    if st.session_state.get("page", 1) != 1:
        st.session_state["page"] = 1


def view_pills() -> View:
    word = st.pills(
        "Messages",
        list(WORDS),
        key="show",
        label_visibility="collapsed",
        on_change=first_page,
        bind="query-params",
    )
    return WORDS.get(word or "", View.ALL)


# -- the list ---------------------------------------------------------------------------------------


def open_message(number: str) -> None:
    st.query_params["message"] = number
    st.session_state.message_picked = True


@st.fragment(run_every="5s")
@ui.error_boundary()
def listed(view: View) -> None:
    here = ui.require(Action.SEE_INBOX, active=False)
    if st.session_state.pop("message_picked", False):
        st.rerun()
    with app.sessions.read() as session:
        count = replay.capped_count(session, here, view)
        st.markdown(f"**{words.count(count, 'message', 'messages')}** · {words.VIEW[view][1]}")
        place, pages = st.container(), -(-count // PAGE_SIZE)
        number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
        page = replay.messages(session, here, view, number=number, size=PAGE_SIZE)
    with place:
        if page.rows:
            ui.messages_list(page.rows, key="messages_list", pick=open_message)
        elif view is View.ALL:
            ui.empty_state("No message yet", "What iKhokha sends is listed here as it came.", "inbox")
        else:
            ui.empty_state("None of these", "That is good: nothing waits here.", "task_alt")


# -- one message ------------------------------------------------------------------------------------


def close_message() -> None:
    st.query_params.pop("message", None)


@st.dialog("Message", position="right", width="medium", on_dismiss=close_message)
@ui.error_boundary()
def drawer(number: str) -> None:
    """One message. It is named by its number, so it is the right one whatever moves."""
    here = ui.require(Action.SEE_INBOX)
    digits = number.removeprefix("u")
    with app.sessions.read() as session:
        found = replay.get(session, here, ui.id_in(digits), proved=digits == number)
    ui.of_one(f"Message {number}")
    told(found)
    if answer := st.session_state.pop("message_said", None):
        st.info(ui.escape(answer), icon=":material/info:")
    if found.row.reference:
        st.page_link(
            PAYMENTS, label="Open the payment", icon=":material/receipt_long:",
            query_params={"payment": found.row.reference},
        )  # fmt: skip
    if found.row.proved and here.may(Action.PROCESS_EVENTS):
        remedies(found.row)
    st.subheader("As received", anchor=False)
    st.code(found.body or "(empty)", language=None, wrap_lines=True)
    with st.expander("Headers"):
        ui.facts({"path": found.path, **found.headers})


def told(found: Message) -> None:
    row = found.row
    look = words.EFFECT[row.effect] if row.proved else words.NOT_PROVED
    st.badge(look.word, icon=f":material/{look.icon}:", color=look.tone)
    took = f", {row.took.total_seconds():.1f} s after it came" if row.took else ""
    ui.facts(
        {
            "Received": ui.moment(row.received_at),
            "It says": row.word,
            "About link": row.gateway_reference,
            "Payment": row.reference,
            "It names": row.told_reference if row.told_reference != row.reference else None,
            "Signature": "good" if row.proved else f"bad: {row.why}",
            "Acted on": f"{ui.moment(row.handled_at)}{took}" if row.took else None,
            "Ignored": f"{ui.moment(row.handled_at)} by {row.ignored_by}" if row.ignored_by else None,
            "Why": row.why if row.proved else None,
            "Tried": words.count(row.attempts, "time", "times") if row.attempts else None,
            "Next try": ui.moment(row.next_try_at) if row.next_try_at else None,
            "Seen": f"{words.count(row.seen_count, 'time', 'times')}, last {ui.moment(row.last_seen_at)}"
            if row.seen_count > 1
            else None,
            "From": found.address,
        }
    )


def remedies(row: MessageRow) -> None:
    if row.ignored_by:
        st.button("Take it up again", icon=":material/undo:", key="take_up", on_click=take_up, args=(row.id,))
        return
    with st.container(horizontal=True):
        if row.gateway_reference:
            st.button("Process again", icon=":material/replay:", key="again", on_click=again, args=(row.id,))
        if row.handled_at is None:
            with st.popover("Ignore", icon=":material/visibility_off:"), st.form("ignore", border=False):
                why = st.text_area("Why does nobody need to act on it?", key="ignore_why", max_chars=1000)
                if st.form_submit_button("Ignore it", type="primary"):
                    app.sessions.run(
                        lambda session: replay.ignore(session, person, row.id, why, now=app.now())
                    )
                    st.rerun()


def again(message_id: int) -> None:
    with ui.error_boundary(say=say):
        (step,) = replay.run(app.sessions, app.gateways, person, [message_id], now=app.now())
        say(sentence(step))


def take_up(message_id: int) -> None:
    with ui.error_boundary(say=say):
        app.sessions.run(lambda session: replay.take_up(session, person, message_id, now=app.now()))
        say("It waits to be acted on again.")


def say(said: str) -> None:
    """Under the row, when the page is drawn next."""
    st.session_state.message_said = said


def sentence(step: Step) -> str:
    """What acting again changes, or changed."""
    if step.error:
        return step.error
    if step.reference is None:
        return "It fits no payment here."
    if step.changes and step.was and step.becomes:
        was, becomes = words.STATUS[step.was].word, words.STATUS[step.becomes].word
        flag = f", flagged: {words.REVIEW[step.flags][0]}" if step.flags else ""
        return f"{step.reference}: {was} → {becomes}{flag}."
    return f"{step.reference}: nothing new{f', iKhokha says {step.says}' if step.says else ''}."


# -- a span of them -----------------------------------------------------------------------------------


def span_again() -> None:
    """First what would change, then the change itself."""
    with st.popover("Process a span again", icon=":material/history:"):
        today = dates.business_day(app.now())
        chosen = st.date_input(
            "Received from and to", (today - timedelta(days=1), today), key="span", format="DD/MM/YYYY",
            on_change=lambda: st.session_state.pop("plan", None),
        )  # fmt: skip
        ui.plain("iKhokha is asked once about each link. Nothing is changed by looking.", "faint")
        if st.button("See what would change", icon=":material/preview:", key="dry") and chosen:
            with ui.error_boundary(), st.spinner("Asking the gateway …"):
                plan(dates.day_span(min(chosen), max(chosen)))


def plan(span: dates.Span) -> None:
    with app.sessions.read() as session:
        ids, more = replay.in_span(session, person, span)
    steps = replay.dry_run(app.sessions, app.gateways, person, ids, now=app.now())
    st.session_state.plan = (ids, steps, more, False)
    st.rerun()


def run_plan() -> None:
    ids, _, more, _ = st.session_state.plan
    with ui.error_boundary():
        steps = replay.run(app.sessions, app.gateways, person, ids, now=app.now())
        st.session_state.plan = (ids, steps, more, True)


def drop_plan() -> None:
    st.session_state.pop("plan", None)


def planned() -> None:
    ids, steps, more, done = st.session_state.plan
    changing = [step for step in steps if step.changes or step.error]
    with st.container(border=True):
        st.subheader("What was done" if done else "What would change", anchor=False)
        verb = "changed" if done else "would change"
        many = words.count(len(ids), "message", "messages")
        st.markdown(f"Of **{many}**, **{words.number(len(changing))}** {verb} something or met trouble.")
        if more:
            ui.plain("There are more in these days: these are the oldest. Go on with later days.", "faint")
        for step in changing[:PAGE_SIZE]:
            ui.plain(f"{ui.moment(step.received_at)}, message {step.inbox_id}: {sentence(step)}")
        with st.container(horizontal=True):
            if ids and not done:
                st.button(
                    f"Process {many} now", type="primary" if changing else "secondary", key="run",
                    icon=":material/replay:", on_click=run_plan,
                )  # fmt: skip
            st.button("Close", key="drop_plan", on_click=drop_plan)


with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
    st.title("Inbox", anchor=False, width="content")
    if person.may(Action.PROCESS_EVENTS):
        span_again()
if "plan" in st.session_state:
    planned()
listed(view_pills())
if opened := st.query_params.get("message"):
    drawer(opened)
