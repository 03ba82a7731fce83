"""Reports: takings, revenue, open items, fees, registrations, money in transit, outcomes, a forecast."""

from datetime import date, datetime

import streamlit as st

import bootstrap
import ui
from payments import dates
from payments.access.people import Action, Person
from payments.finding import when
from payments.reports import asking, keeping, making
from payments.reports.making import ABOUT, BASIS, OF_ONE_EVENT
from payments.reports.period import PRESETS, Basis, Period
from payments.reports.report import Asked, Kind, Report
from payments.selling import events
from ui import charts

person = ui.require(Action.EXPORT)
app = bootstrap.app()
OWN_DAYS = "own"
ALL_EVENTS = ""
DAYS = {word: word.replace("-", " ").capitalize() for word in PRESETS} | {OWN_DAYS: "Other days…"}
FILES = {"pdf": "Save as PDF", "xlsx": "Save for Excel", "csv": "Save as CSV"}


def choose(here: Person, today: date) -> Asked:
    """What is chosen stands in the address, so that it can be kept and sent."""
    query, offered = st.query_params, making.offered(here)
    asked = asking.of_page(here, query, today)
    first, second, third = st.columns([2, 2, 2])
    with first:
        kind = st.selectbox(
            "Report", offered, offered.index(asked.kind), format_func=lambda one: ABOUT[one].title
        )
    with second:
        period = days(asked.period, query.get("period") or asking.USUAL_PERIOD, today)
    with third:
        event = which_event(here, asked, kind)
    basis = which_basis(asked, kind)
    chosen = Asked(kind, basis, period or asked.period, event, asked.as_of)
    keep(chosen, today)
    return chosen


def days(period: Period, word: str, today: date) -> Period | None:
    """Days of a preset, or free ones."""
    usual = word if word in PRESETS else OWN_DAYS
    choice = st.selectbox("Days", list(DAYS), list(DAYS).index(usual), format_func=DAYS.__getitem__)
    if choice != OWN_DAYS:
        return asking.read_period(choice, today)
    both = st.date_input("From and to", (period.first, period.last), format="DD/MM/YYYY")
    if not isinstance(both, tuple) or len(both) != 2:
        return None  # the second day is still to be chosen
    return Period(*both)


def which_event(here: Person, asked: Asked, kind: Kind) -> str:
    with app.sessions.read() as session:
        names = {one.code: one.name for one in events.list_events(session, here)}
    of_all = kind is Kind.TRANSIT
    choices = [ALL_EVENTS] if of_all else [*([] if kind in OF_ONE_EVENT and names else [ALL_EVENTS]), *names]
    return st.selectbox(
        "Event", choices, choices.index(asked.event) if asked.event in choices else 0,
        format_func=lambda code: ui.escape(names[code]) if code else "All events", disabled=of_all,
    )  # fmt: skip


def which_basis(asked: Asked, kind: Kind) -> Basis:
    bases = ABOUT[kind].bases
    if len(bases) == 1:
        return bases[0]
    usual = asked.basis if asked.basis in bases and asked.kind is kind else bases[0]
    chosen = st.segmented_control(
        "What puts money on a day", bases, default=usual, required=True, key=f"basis_{kind}",
        format_func=lambda one: one.title(),
    )  # fmt: skip
    ui.plain(f"{BASIS[chosen]}.", "faint")
    return chosen


def keep(asked: Asked, today: date) -> None:
    """A preset stays one: *this month* is another month in December."""
    told = {"report": str(asked.kind), **asking.query(asked)}
    for word in PRESETS:
        if asking.read_period(word, today) == asked.period:
            told["period"] = word
            break
    if dict(st.query_params) != told:
        st.query_params.from_dict(told)


def read(here: Person, asked: Asked) -> Report:
    """Added up once for what has changed since: looking at it again costs nothing."""
    with st.spinner("Adding up…"):
        return app.reports.take(here, asked)


def files(asked: Asked) -> None:
    with st.container(horizontal=True, vertical_alignment="center"):
        for format_, word in FILES.items():
            ui.file_link(asking.file_address(asked, format_), word)
        ui.choose_moment(asked.as_of, go_to, key="report_past")
        st.button(
            "Keep this report", icon=":material/bookmark_add:", key="report_keep", on_click=keep_it,
            args=(asked,), help="As it stands at this moment, to be compared with later",
        )  # fmt: skip


def go_to(moment: datetime | None) -> None:
    """The past, or back to now: it stands in the address."""
    if moment is None:
        st.query_params.pop("as-of", None)
    else:
        st.query_params["as-of"] = when.moment_words(moment)


def keep_it(asked: Asked) -> None:
    with ui.error_boundary():
        kept = keeping.keep(app.sessions, person, asked, demo=app.settings.demo, now=app.now())
        st.toast(f"Kept as {kept.reference}.", icon=":material/bookmark_added:")


def kept_reports(here: Person) -> None:
    with app.sessions.read() as session:
        found = keeping.recent(session, here)
    if not found:
        return
    st.subheader("Kept reports", anchor=False)
    ui.plain("They are never changed, and stay for as long as the desk does.", "faint")
    for one in found:
        asked, told = one.asked, dates.say_moment(one.asked.as_of)
        label = f"{one.title}, {asked.period.told} · as it stood on {told} · {one.kept_by}"
        with st.expander(ui.escape(label), icon=":material/bookmark:"):
            ui.facts(
                {
                    "Kept as": one.reference, "Basis": BASIS[asked.basis], "Event": asked.event or "all",
                    "Kept": f"{ui.moment(one.kept_at)} by {one.kept_by}",
                    "SHA-256 of its content": one.sha256,
                }
            )  # fmt: skip
            with st.container(horizontal=True, vertical_alignment="center"):
                ui.file_link(asking.kept_address(one.reference), "Save as CSV, as kept")
                compare = st.button(
                    "Compare with now", icon=":material/compare_arrows:", key=f"compare_{one.reference}"
                )
            if compare:
                with st.spinner("Making it again, as of then and of now…"):
                    ui.compared(
                        keeping.compare(
                            app.sessions, here, one.reference, demo=app.settings.demo, now=app.now()
                        )
                    )


st.title("Reports", anchor=False)
with ui.error_boundary():
    wanted = choose(person, dates.business_day(app.now()))
    if wanted.as_of is not None:
        ui.stood_banner(wanted.as_of, lambda: go_to(None), key="report_past")
    found = read(person, wanted)
    st.subheader(
        ui.escape(f"{found.title}, {found.event_name or 'all events'}, {wanted.period.told}"), anchor=False
    )
    files(wanted)
    ui.report_view(found)
    kept_reports(person)
charts.doors("report_doors", charts.into({"payments": "pages/monitor/payments.py"}))
