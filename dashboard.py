"""Door 1, people: who is here, which pages are theirs, and the page they are on."""

import streamlit as st

import bootstrap
import ui
import words
from payments import approvals, sign_offs, standstill
from payments.people import Action

st.set_page_config(page_title="Paydesk", page_icon="static/favicon.svg", layout="wide")
st.logo("static/logo.svg", icon_image="static/favicon.svg", size="large")
ui.style()
ui.mode_banner(bootstrap.app().settings.mode)

APPROVALS = "Approvals"
#: Section → pages, each with the action that opens it.
MENU = {
    "Monitor": [
        (Action.SEE, "monitor/live", "Live", "monitoring"),
        (Action.SEE, "monitor/payments", "Payments", "receipt_long"),
        (Action.SEE, "monitor/attention", "Needs attention", "flag"),
        (Action.SEE_APPROVALS, "monitor/approvals", APPROVALS, "how_to_reg"),
        (Action.SEE_INBOX, "monitor/inbox", "Inbox", "inbox"),
    ],
    "Finance": [
        (Action.SEE_BANK, "finance/workbench", "Reconcile", "join"),
        (Action.SEE_BANK, "finance/statements", "Statements", "account_balance"),
        (Action.SEE_BANK, "finance/closing", "Close", "lock"),
        (Action.SEE_BANK, "finance/payouts", "Payouts", "savings"),
        (Action.SEE_BANK, "finance/rules", "Rules", "rule"),
        (Action.RECONCILE, "finance/refunds", "Refunds", "send_money"),
        (Action.RECORD, "finance/registrations", "Registrations", "group_add"),
        (Action.EXPORT, "finance/reports", "Reports", "bar_chart"),
        (Action.EXPORT, "finance/exports", "Exports", "download"),
        (Action.SEE_BANK, "finance/legacy", "Earlier records", "archive"),
    ],
    "Door": [
        (Action.ISSUE_LINK, "door/take", "Take a payment", "qr_code_2"),
        (Action.TAKE_MONEY, "door/board", "Door board", "door_open"),
        (Action.ISSUE_LINK, "door/sheet", "Many at once", "table_view"),
        (Action.TAKE_MONEY, "door/shift", "My shift", "point_of_sale"),
    ],
    "Admin": [
        (Action.MANAGE_EVENTS, "admin/events", "Events", "event"),
        (Action.MANAGE_PEOPLE, "admin/people", "People", "group"),
        (Action.MANAGE_EVENTS, "admin/systems", "Other systems", "webhook"),
        (Action.SEE_AUDIT, "admin/audit", "Audit", "history_edu"),
        (Action.MANAGE_SETTINGS, "admin/health", "Health", "monitor_heart"),
        (Action.MANAGE_SETTINGS, "admin/settings", "Settings", "settings"),
    ],
    "You": [(Action.SEE, "you/account", "Your account", "account_circle")],
}


def desk() -> None:
    """Who is here, what everybody must know, the menu, and the page."""
    person = ui.require(Action.SEE)
    with bootstrap.app().sessions.read() as session:
        standing = standstill.current(session)
        waits = approvals.waiting_for(session, person, now=bootstrap.app().now())
        waits += len(sign_offs.waiting_for(session, person))
    if standing is not None:
        ui.trouble(
            f"The desk is read-only since {ui.moment(standing.since)}.",
            f"{standing.reason} Nothing can be changed until an admin has looked under Health. Payments that "
            f"payers make meanwhile are kept, and show later.",
            bad=True,
        )
    sections = {
        section: [
            st.Page(
                f"pages/{path}.py",
                title=f"{title} ({waits})" if waits and title == APPROVALS else title,
                icon=f":material/{icon}:",
                default=path == "monitor/live",
            )
            for action, path, title, icon in pages
            if person.may(action)
        ]
        for section, pages in MENU.items()
    }
    page = st.navigation({section: pages for section, pages in sections.items() if pages}, expanded=True)
    with st.sidebar.container(key="who"):
        ui.plain(person.name, "title")
        ui.plain(f"{words.ROLE[person.role][0]} · {person.email}", "faint")
        ui.sign_out()
    ui.palette(
        [
            (path, title, icon)
            for pages in MENU.values()
            for action, path, title, icon in pages
            if person.may(action)
        ]
    )
    ui.confirm_in_dialog()
    page.run()


with ui.error_boundary(look_again=True):
    desk()
