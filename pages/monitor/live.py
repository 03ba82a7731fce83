"""Live: today's takings, what became of today's payments, what needs a person, and the newest payments.

What is drawn here keeps itself up to date in the browser, by asking ``pulse.py``. The fragment runs again
where that cannot be reached.
"""

import streamlit as st

import bootstrap
import ui
import words
from payments.access.people import Action
from payments.live.split import By
from ui import board, charts

ui.require(Action.SEE)
#: The funnel of all payments together.
ALL = "all"
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
    by = chosen()
    shown = board.current(ui.require(Action.SEE, active=False), by)
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
        draw(shown, "person")
        with st.container(border=True):
            st.subheader("From link to money, today", anchor=False)
            choose()
            draw(shown, board.place_of(by))
            charts.draw(charts.caption_of(board.STAGES_TOLD), live="stages_told")
        draw(shown, "aside")


def chosen() -> By | None:
    """What the funnel is told apart by: what was chosen last, also before another page was looked at."""
    by = st.session_state.get("live_by", ALL)
    return None if by == ALL else By(by)


def choose() -> None:
    def keep() -> None:
        st.session_state.live_by = st.session_state.live_split

    st.segmented_control(
        "Told apart by",
        [ALL, *By],
        format_func=lambda by: "All" if by == ALL else words.SPLIT[By(by)],
        default=chosen() or ALL,
        required=True,
        key="live_split",
        on_change=keep,
        label_visibility="collapsed",
    )


def draw(shown: board.Board, part: str) -> None:
    charts.draw(shown.parts[part], live=part)


live_page()
charts.doors("live_doors", charts.into(PAGES))
