"""Reminders: when an event sends them, under Events; and of one payer, in the drawer."""

from datetime import time

import streamlit as st

import bootstrap
from payments import dates
from payments.access.people import Action, Person
from payments.asking import reminders
from payments.asking.reminders import Plan
from payments.finding.search import PaymentDetail
from payments.lifecycle import SETTLED
from payments.selling.events import EventView
from payments.watching.alerts import QuietHours
from ui.here import error_boundary, require
from ui.pieces import plain

DAYS = (-30, -14, -7, -3, -2, -1, 0, 1, 3, 7)


def reminder_form(event: EventView) -> None:
    app = bootstrap.app()
    with app.sessions.read() as session:
        kept = reminders.plan_of(session, event.id)
    with st.form("reminders"):
        plain("Reminders", "title")
        plain(
            "By mail, to who has a link and has not paid. The gateway is asked right before each is sent. "
            "Nobody gets more than one a day, or any at night.",
            "faint",
        )
        wanted = ask_plan(kept)
        if not app.settings.mail_url:
            plain("MAIL_URL is empty: none will be sent until it is set.", "faint")
        sent = st.form_submit_button("Save the reminders", icon=":material/check:")
    if not sent:
        return
    with error_boundary():
        here = require(Action.MANAGE_EVENTS)
        app.sessions.run(
            lambda session: reminders.save_plan(session, here, event.code, wanted, now=app.now())
        )
        st.success("The reminders are saved.", icon=":material/check:")


def ask_plan(kept: Plan) -> Plan:
    days = st.pills(
        "Sent",
        sorted({*DAYS, *kept.days}),
        selection_mode="multi",
        default=list(kept.days),
        format_func=say_day,
        key="reminder_days",
    )
    left, right = st.columns(2)
    start: time = left.time_input("None from", kept.quiet.start, step=1800, key="reminder_from")
    end: time = right.time_input("until", kept.quiet.end, step=1800, key="reminder_until")
    return Plan(tuple(sorted(days or [])), QuietHours(start, end))


def say_day(day: int) -> str:
    if day == 0:
        return "On the first day"
    many = "day" if abs(day) == 1 else "days"
    return f"{abs(day)} {many} {'before' if day < 0 else 'after it began'}"


# -- one payer ----------------------------------------------------------------------------------------


def reminders_of(here: Person, detail: PaymentDetail) -> None:
    """Whether and when this payer is reminded next, and that they want none."""
    row, app = detail.row, bootstrap.app()
    if row.status in SETTLED or not row.payer_email or not here.may(Action.ISSUE_LINK, detail.event_id):
        return
    with app.sessions.read() as session:
        none = reminders.wants_none(session, row.payer_email)
        coming = reminders.next_day(session, here, row.reference, now=app.now())
    if coming is None and not none:
        return
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        when = f"Next reminder: {dates.say_days(coming, coming)}" if coming else ""
        plain("They want no reminders." if none else when, "faint")
        st.button(
            "Remind again" if none else "No reminders",
            key="drawer_reminders",
            icon=":material/notifications:" if none else ":material/notifications_off:",
            on_click=turn,
            args=(row.reference,),
            kwargs={"none": not none},
        )


def turn(reference: str, *, none: bool) -> None:
    app = bootstrap.app()
    act = reminders.opt_out if none else reminders.opt_in
    with error_boundary():
        here = require(Action.ISSUE_LINK)
        app.sessions.run(lambda session: act(session, here, reference, now=app.now()))
