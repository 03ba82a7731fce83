"""Door 1, people: who is here, which pages are theirs, and the page they are on."""

import streamlit as st

import bootstrap
import menu
import ui
import words
from payments.access.people import Action
from payments.second_person import approvals
from payments.sign_off import sign_offs
from payments.watching import standstill

st.set_page_config(page_title="Paydesk", page_icon="static/favicon.svg", layout="wide")
st.logo("static/logo.svg", icon_image="static/favicon.svg", size="large")
ui.style()
ui.mode_banner(bootstrap.app().settings.mode)


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
    theirs = dict(menu.of(person))
    sections = {
        section: [
            st.Page(
                f"pages/{entry.path}.py",
                title=f"{entry.title} ({waits})" if waits and entry.title == menu.APPROVALS else entry.title,
                icon=f":material/{entry.icon}:",
                default=entry.path == "monitor/live",
            )
            for entry in entries
        ]
        for section, entries in theirs.items()
    }
    page = st.navigation(sections, expanded=True)
    ui.page_title(page.title)
    with st.sidebar.container(key="who"):
        ui.plain(person.name, "title")
        ui.plain(f"{words.ROLE[person.role][0]} · {person.email}", "faint")
        ui.sign_out()
    ui.palette([(entry.path, entry.title, entry.icon) for entries in theirs.values() for entry in entries])
    ui.confirm_in_dialog()
    page.run()


with ui.error_boundary(look_again=True):
    desk()
