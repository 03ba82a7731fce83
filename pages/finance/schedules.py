"""Scheduled: reports and saved views that go out by themselves, to people who have no login here."""

import streamlit as st

import bootstrap
import ui
from payments.access.people import Action
from payments.schedules import book
from payments.schedules.book import RunView, ScheduleView
from payments.schedules.plan import Plan, Way

person = ui.require(Action.SCHEDULE)
app = bootstrap.app()
#: How one stands: its word, colour and sign.
STATE = {
    book.ON: ("Goes out", "green", "schedule_send"),
    book.PAUSED: ("Paused", "orange", "pause_circle"),
    book.STOPPED: ("Stopped", "red", "error"),
}
RUN = {
    book.WAITING: ("About to go", "blue", "hourglass_top"),
    book.SENT: ("Sent", "green", "check"),
    book.FAILED: ("Not sent", "red", "error"),
}
MAIL = {"queued": "on its way", "sent": "sent", "failed": "given up", "gone": "not sent"}


def save(plan: Plan, schedule_id: int | None) -> None:
    outside, args = app.settings.outside, () if schedule_id is None else (schedule_id,)
    change = book.make if schedule_id is None else book.change
    ui.act(f"“{plan.title}” is kept.", change, *args, plan, outside)


# -- one of them ----------------------------------------------------------------------------------------


def card(one: ScheduleView) -> None:
    word, colour, icon = STATE[one.state]
    with st.container(border=True, key=f"schedule_{one.id}"):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            ui.plain(one.plan.title, "title")
            st.badge(word, icon=f":material/{icon}:", color=colour)  # type: ignore[arg-type]
        if one.why:
            ui.plain(one.why)
        by = "A link for seven days" if one.plan.way is Way.LINK else "The file with the mail"
        ui.facts(
            {
                "What": f"{book.title_of(one.plan.what)}, as {one.plan.format.upper()}",
                "When": upper(one.plan.recurrence.told),
                "Next": ui.moment(one.due_at) if one.due_at else None,
                "Last sent": ui.moment(one.last_sent_at) if one.last_sent_at else "never",
                "To": ", ".join(one.plan.recipients),
                "How": by,
                "Made by": one.maker,
                "Failed in a row": str(one.failures) if one.failures else None,
            }
        )
        buttons(one)
        with st.expander("What was sent", icon=":material/history:"):
            runs(one)


def upper(text: str) -> str:
    return text[0].upper() + text[1:]


def buttons(one: ScheduleView) -> None:
    with st.container(horizontal=True):
        if one.state != book.STOPPED:
            st.button(
                "Send now", key=f"run_{one.id}", icon=":material/send:", on_click=ui.act,
                args=(f"“{one.plan.title}” goes out within seconds.", book.run_now, one.id),
            )  # fmt: skip
        if one.state == book.ON:
            st.button(
                "Pause", key=f"pause_{one.id}", icon=":material/pause:", on_click=ui.act,
                args=(f"“{one.plan.title}” is paused.", book.pause, one.id),
            )  # fmt: skip
        else:
            st.button(
                "Resume", key=f"resume_{one.id}", icon=":material/play_arrow:", on_click=ui.act,
                args=(f"“{one.plan.title}” goes out again.", book.resume, one.id),
            )  # fmt: skip
        if one.mine and st.button("Change", key=f"change_{one.id}", icon=":material/edit:"):
            ui.schedule_form(person, one, save)
        with st.popover("End", key=f"end_{one.id}", icon=":material/delete:"):
            ui.plain("It never goes out again, and its links open nothing any more.", "faint")
            st.button(
                "End it", key=f"end_sure_{one.id}", type="primary", on_click=ui.act,
                args=(f"“{one.plan.title}” is ended.", book.end, one.id),
            )  # fmt: skip


def runs(one: ScheduleView) -> None:
    with app.sessions.read() as session:
        found = book.history(session, person, one.id, now=app.now())
    if not found:
        ui.plain("Nothing yet. “Send now” tries it at once.", "faint")
    for run in found:
        sent(run)


def sent(run: RunView) -> None:
    word, colour, icon = RUN[run.state]
    with st.container(border=True):
        with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
            ui.plain(f"For {ui.moment(run.due_at)}", "title")
            st.badge(word, icon=f":material/{icon}:", color=colour)  # type: ignore[arg-type]
        if run.problem:
            ui.plain(run.problem)
        ui.facts(
            {
                "Asked for by": run.asked_by,
                "Passed over before it": str(run.missed) if run.missed else None,
                "Made": ui.moment(run.made_at) if run.made_at else None,
                "File": run.file_name,
                "SHA-256": run.sha256,
                "To": "; ".join(
                    f"{mail.recipient}, {MAIL[mail.state]}"
                    + (f" {ui.moment(mail.sent_at)}" if mail.sent_at else "")
                    + (f": {mail.problem}" if mail.problem else "")
                    for mail in run.deliveries
                ),
                "Opened": "; ".join(
                    f"{opening.recipient}’s link, the {opening.what}, {ui.moment(opening.at)} "
                    f"from {opening.address}"
                    for opening in run.openings
                ),
                "Links open until": ui.moment(run.good_until) if run.good_until else None,
                "Links revoked by": run.revoked_by,
            }
        )
        if run.good_until:
            st.button(
                "Revoke its links", key=f"revoke_{run.id}", icon=":material/link_off:", on_click=ui.act,
                args=("The links of this file open nothing any more.", book.revoke, run.id),
            )  # fmt: skip


# -- the page -------------------------------------------------------------------------------------------

with app.sessions.read() as session:
    known = book.list_schedules(session, person)
st.title("Scheduled", anchor=False)
ui.plain("Reports and saved views that go out by themselves, to people who have no login here.", "faint")
ui.outcome()
if not app.settings.mail_url:
    ui.problem("This desk sends no mail: MAIL_URL is empty. What falls due waits in the outbox.")
if not app.settings.report_domains:
    ui.empty_state(
        "Nothing may go out yet",
        "An operator sets REPORT_DOMAINS to the domains of those who get reports, such as example.org.",
        "domain_disabled",
    )
else:
    allowed = ", ".join(app.settings.report_domains)
    ui.plain(f"They go to addresses at {allowed} only, and never tell of a payer.", "faint")
    if st.button("New schedule", type="primary", icon=":material/add:"):
        ui.schedule_form(person, None, save)
    if not known:
        ui.empty_state(
            "Nothing goes out yet",
            "Make one: what, when, and to whom. You read the mail before.",
            "schedule_send",
        )
with ui.error_boundary():
    for each in known:
        card(each)
