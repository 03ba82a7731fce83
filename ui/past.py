"""The desk as it stood: choosing a moment, and saying on the page that it is not now."""

from collections.abc import Callable
from datetime import date, datetime, time, timedelta

import streamlit as st

import bootstrap
from payments import dates
from payments.reports.keeping import Change, Compared
from ui import charts
from ui.pieces import checks, plain

#: Lines of a comparison that are shown.
_MOST = 100


def choose_moment(shown: datetime | None, choose: Callable[[datetime | None], None], *, key: str) -> None:
    """A button that opens the choice of a past moment; ``choose`` is called back with it."""
    now = bootstrap.app().now()
    today = dates.business_day(now)

    def show() -> None:
        day, at = st.session_state[f"{key}_day"], st.session_state[f"{key}_at"]
        choose(_moment(day, at, now))

    with st.popover("As it stood…", icon=":material/history:"):
        st.date_input(
            "At the end of this day", dates.business_day(shown) if shown else today - timedelta(days=1),
            max_value=today, format="DD/MM/YYYY", key=f"{key}_day",
        )  # fmt: skip
        st.time_input("Or at this time of it", None, key=f"{key}_at", step=60)
        st.button("Show it as it stood", type="primary", key=f"{key}_show", on_click=show, width="stretch")
        plain("What was recorded by then, of money, status and matches. Names stand as today.", "faint")


def _moment(day: date, at: time | None, now: datetime) -> datetime:
    """The end of a day, or a time of it; of today without a time, this minute."""
    if at is not None:
        return datetime.combine(day, at, dates.SAST)
    end = _end_of(day)
    return end if end <= now else now.replace(second=0, microsecond=0)


def _end_of(day: date) -> datetime:
    return dates.day_span(day).end - timedelta(microseconds=1)


def stood_banner(shown: datetime, back: Callable[[], None], *, key: str) -> None:
    """That this is the past, and the one click to now."""
    with st.container(horizontal=True, vertical_alignment="center", key=f"{key}_banner"):
        st.info(
            f"As it stood on {told(shown)}. Names as today; nothing can be changed here.",
            icon=":material/history:", width="stretch",
        )  # fmt: skip
        st.button("Back to now", icon=":material/update:", key=f"{key}_now", on_click=back)


def told(shown: datetime) -> str:
    """``23 Nov 2026, 14:02``; the last moment of a day is its end."""
    day = dates.business_day(shown)
    if shown == _end_of(day):
        return f"{dates.say_days(day, day)}, at its end"
    return dates.say_moment(shown)


# -- kept reports -------------------------------------------------------------------------------------


def compared(found: Compared) -> None:
    """Whether a kept report is found again as of its own moment, and what happened since."""
    if found.same_bytes:
        checks([("good", "As of its own moment it is the same, byte for byte.", "")])
    else:
        checks(
            [
                (
                    "bad", "As of its own moment it is not the same any more.",
                    "Something was recorded as of before, or a name or the days of an event changed.",
                )
            ]
        )  # fmt: skip
        _changes("What differs as of then", found.then)
    if found.since:
        _changes("What changed since", found.since)
    else:
        plain("Made of now it says the same: nothing changed since.")


def _changes(title: str, some: tuple[Change, ...]) -> None:
    rows = [
        [(one.table, ""), (one.line, ""), (_cells(one.was), ""), (_cells(one.now), "")]
        for one in some[:_MOST]
    ]
    more = f", the first {_MOST} of {len(some)}" if len(some) > _MOST else ""
    charts.draw(charts.sheet(f"{title}{more}", ["Table", "Line", "Kept", "Now"], rows, ()), live=title)


def _cells(values: tuple[str, ...]) -> str:
    return " · ".join(values) or "–"
