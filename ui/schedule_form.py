"""The dialog in which a schedule is filled in, with the mail as it will go."""

from collections.abc import Callable, Mapping

import streamlit as st

import bootstrap
from payments.access.people import Person
from payments.errors import PaymentsError
from payments.finding import views
from payments.reports import making
from payments.reports.period import Basis
from payments.reports.report import Kind
from payments.schedules import mailing
from payments.schedules.book import ScheduleView
from payments.schedules.plan import (
    PERIODS,
    REPORT_FORMATS,
    SINCE_LAST,
    VIEW_FORMATS,
    Plan,
    ReportOf,
    ViewOf,
    Way,
)
from payments.schedules.recurrence import LAST, MOST_DAYS, WEEKDAYS, Every, Recurrence
from payments.selling import events
from ui.pieces import escape, plain, problem

_FORMATS = {"pdf": "PDF", "xlsx": "Excel", "csv": "CSV"}
_EVERY = {Every.DAY: "Each day", Every.WEEK: "Each week", Every.MONTH: "Each month"}
_WAYS = {Way.LINK: "A link, for seven days", Way.FILE: "The file itself"}
_PERIODS = {one: one.replace("-", " ").capitalize() for one in PERIODS} | {SINCE_LAST: "Since the last one"}
_MONTH_DAYS = (*range(1, MOST_DAYS + 1), LAST)

Save = Callable[[Plan, int | None], None]


@st.dialog("When, what and to whom", width="large")
def schedule_form(person: Person, known: ScheduleView | None, save: Save) -> None:
    """``save`` is called with the plan, and the id of the one that is changed."""
    was = known.plan if known else None
    title = st.text_input(
        "Name", was.title if was else "", placeholder="Takings for the treasurer", max_chars=80,
        help="It is the subject of the mail.",
    )  # fmt: skip
    what, formats = _what(person, was)
    format_ = st.segmented_control(
        "As", formats, default=was.format if was and was.format in formats else formats[0], required=True,
        format_func=_FORMATS.__getitem__, key=f"schedule_as_{len(formats)}",
    )  # fmt: skip
    when = _when(was.recurrence if was else None)
    to = st.text_area(
        "To, an address on each line",
        "\n".join(was.recipients) if was else "",
        placeholder="lindiwe@example.org",
    )
    way = st.segmented_control(
        "They get", list(Way), default=was.way if was else Way.LINK, required=True,
        format_func=_WAYS.__getitem__,
    )  # fmt: skip
    if what is None or isinstance(when, str):
        problem(
            when if isinstance(when, str) else "There is no saved view. Save one on the page Payments first."
        )
        return
    plan = Plan(title, what, format_, when, tuple(to.split()), way)
    with st.container(horizontal=True):
        looks = st.button("Read the mail", icon=":material/visibility:")
        keeps = st.button("Keep it", type="primary", icon=":material/check:")
    if looks:
        _preview(person, plan)
    if keeps and _is_good(person, plan):
        save(plan, known.id if known else None)
        st.rerun()


def _what(person: Person, was: Plan | None) -> tuple[ReportOf | ViewOf | None, tuple[str, ...]]:
    of_view = bool(was) and isinstance(was.what, ViewOf) if was else False
    kind = st.segmented_control(
        "What", ["A report", "A saved view"], default="A saved view" if of_view else "A report", required=True
    )
    if kind == "A saved view":
        return _view(person, was.what if was and isinstance(was.what, ViewOf) else None), VIEW_FORMATS
    return _report(person, was.what if was and isinstance(was.what, ReportOf) else None), REPORT_FORMATS


def _view(person: Person, was: ViewOf | None) -> ViewOf | None:
    app = bootstrap.app()
    with app.sessions.read() as session:
        names = {one.token: one.name or "" for one in views.list_views(session, person, now=app.now())}
    if not names:
        return None
    tokens = list(names)
    token = st.selectbox(
        "View", tokens, tokens.index(was.token) if was and was.token in names else 0,
        format_func=lambda one: escape(names[one]),
    )  # fmt: skip
    plain("Without columns that tell of payers: names, addresses, numbers and notes stay here.", "faint")
    return ViewOf(token, names[token])


def _report(person: Person, was: ReportOf | None) -> ReportOf:
    offered = list(making.offered(person))
    with bootstrap.app().sessions.read() as session:
        names = {one.code: one.name for one in events.list_events(session, person)}
    left, right = st.columns(2)
    kind = left.selectbox(
        "Report", offered, offered.index(Kind(was.kind)) if was and was.kind in offered else 0,
        format_func=lambda one: making.ABOUT[one].title,
    )  # fmt: skip
    period = right.selectbox(
        "Days", PERIODS, PERIODS.index(was.period) if was else 0, format_func=_PERIODS.__getitem__
    )
    basis, event = _basis(kind, was, left), _event(kind, was, names, right)
    return ReportOf(str(kind), str(basis), period, event)


def _basis(kind: Kind, was: ReportOf | None, place: "st.delta_generator.DeltaGenerator") -> Basis:
    bases = making.ABOUT[kind].bases
    usual = bases.index(Basis(was.basis)) if was and was.kind == kind and was.basis in bases else 0
    return place.selectbox(
        "What puts money on a day",
        bases,
        usual,
        format_func=lambda one: making.BASIS[one],
        key=f"basis_of_{kind}",
    )


def _event(
    kind: Kind, was: ReportOf | None, names: Mapping[str, str], place: "st.delta_generator.DeltaGenerator"
) -> str:
    choices = (
        [""] if kind is Kind.TRANSIT else [*([] if kind in making.OF_ONE_EVENT and names else [""]), *names]
    )
    return place.selectbox(
        "Event", choices, choices.index(was.event) if was and was.event in choices else 0,
        key=f"event_of_{len(choices)}",
        format_func=lambda code: escape(names[code]) if code else "All events",
    )  # fmt: skip


def _when(was: Recurrence | None) -> Recurrence | str:
    """The recurrence, or a sentence on why it is none."""
    left, middle, right = st.columns(3)
    names = [str(one) for one in Every]
    chosen = left.selectbox(
        "How often", names, names.index(was.every if was else Every.WEEK),
        format_func=lambda one: _EVERY[Every(one)],
    )  # fmt: skip
    every = Every(chosen)
    same, day = was is not None and was.every is every, 0
    if every is Every.WEEK:
        day = middle.selectbox(
            "On", range(7), was.day if was and same else 0, format_func=WEEKDAYS.__getitem__
        )
    elif every is Every.MONTH:
        day = middle.selectbox(
            "On day", _MONTH_DAYS, _MONTH_DAYS.index(was.day) if was and same else 0,
            format_func=lambda one: "The last" if one == LAST else str(one),
        )  # fmt: skip
    hour = right.selectbox(
        "At, in Johannesburg", range(24), was.hour if was else 7, format_func=lambda one: f"{one:02d}:00"
    )
    weekdays = every is not Every.WEEK and st.checkbox(
        "Not at weekends" if every is Every.DAY else "At a weekend, the Monday after",
        was.weekdays if was else False, key=f"weekdays_{every}",
    )  # fmt: skip
    try:
        return Recurrence(every, hour, day, weekdays)
    except PaymentsError as error:
        return str(error)


def _preview(person: Person, plan: Plan) -> None:
    app = bootstrap.app()
    try:
        with app.sessions.read() as session:
            mail = mailing.preview(session, person, plan, app.settings.outside, now=app.now())
    except PaymentsError as error:
        problem(str(error))
        return
    with st.container(border=True):
        plain(f"To {mail['To']}", "faint")
        plain(mail["Subject"], "title")
        st.code(mail.get_content(), language=None, wrap_lines=True)


def _is_good(person: Person, plan: Plan) -> bool:
    """What is wrong is said here, beside the fields."""
    app = bootstrap.app()
    try:
        with app.sessions.read() as session:
            mailing.preview(session, person, plan, app.settings.outside, now=app.now())
    except PaymentsError as error:
        problem(str(error))
        return False
    return True
