"""Live: today's takings, what became of today's payments, what needs a person, and the newest payments.

What is drawn here keeps itself up to date in the browser, by asking ``pulse.py``. The fragment runs again
where that cannot be reached.
"""

import streamlit as st

import bootstrap
import ui
from payments.access.people import Action
from ui import board, charts

ui.require(Action.SEE)
#: The pages that numbers lead to, by their addresses.
PAGES = {
    "payments": "pages/monitor/payments.py",
    "attention": "pages/monitor/attention.py",
    "inbox": "pages/monitor/inbox.py",
    "settings": "pages/admin/settings.py",
}


def open_payment(reference: str) -> None:
    st.switch_page(PAGES["payments"], query_params={"payment": reference})


@st.fragment(run_every="60s")
@ui.error_boundary()
def live_page() -> None:
    shown = board.current(ui.require(Action.SEE, active=False))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Live", anchor=False, width="content")
        ui.freshness(bootstrap.app().now())
    draw(shown, "troubles")
    draw(shown, "headline")
    left, right = st.columns([2, 1])
    with left:
        draw(shown, "day")
        with st.expander("Every hour as a table", icon=":material/table_rows:"):
            draw(shown, "hours")
        with st.container(border=True):
            st.subheader("Newest payments", anchor=False)
            ui.live_list(shown.newest, shown.paid, key="live_newest", pick=open_payment)
        draw(shown, "outcomes")
    with right:
        draw(shown, "aside")


def draw(shown: board.Board, part: str) -> None:
    charts.draw(shown.parts[part], live=part)


live_page()
charts.doors("live_doors", charts.into(PAGES))
