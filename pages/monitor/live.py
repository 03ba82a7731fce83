"""Live: today's takings, what needs a person, and the newest payments, by themselves."""

from datetime import datetime

import pandas
import streamlit as st

import bootstrap
import ui
import words
from db.money import Money
from payments import dates, filters, overview, vitals
from payments.alerts import Severity
from payments.lifecycle import PENDING, Status
from payments.overview import Live, StatusNow
from payments.people import Action
from payments.search import Filter

ui.require(Action.SEE)
app = bootstrap.app()
PAYMENTS = "pages/monitor/payments.py"
#: The pages that what needs a person leads to, and the action that opens each.
PAGES = {
    "payments": (PAYMENTS, Action.SEE),
    "attention": ("pages/monitor/attention.py", Action.SEE),
    "inbox": ("pages/monitor/inbox.py", Action.SEE_INBOX),
    "settings": ("pages/admin/settings.py", Action.MANAGE_SETTINGS),
}


@st.cache_data(max_entries=64, show_spinner=False)
def picture(version: int, scope: frozenset[int] | None, mode: str, minute: str) -> Live:
    """One reading for everybody who may see the same: per change, and per minute for what only ages."""
    with app.sessions.read() as session:
        return overview.live(session, scope, now=app.now())


@st.cache_data(max_entries=64, show_spinner=False)
def headline(version: int, scope: frozenset[int] | None, mode: str, minute: str) -> None:
    """The numbers, drawn once and replayed to every open page; so are the two below."""
    ui.cards(numbers(picture(version, scope, mode, minute)))


@st.cache_data(max_entries=64, show_spinner=False)
def day(version: int, scope: frozenset[int] | None, mode: str, minute: str) -> None:
    with st.container(border=True):
        st.subheader("Taken per hour", anchor=False)
        per_hour(picture(version, scope, mode, minute))


@st.cache_data(max_entries=64, show_spinner=False)
def aside(
    version: int, scope: frozenset[int] | None, mode: str, minute: str, *, ways: frozenset[str]
) -> None:
    live = picture(version, scope, mode, minute)
    with st.container(border=True):
        st.subheader("Needs a person", anchor=False)
        with st.container(key="lines_attention"):
            needs_a_person(live, ways)
    with st.container(border=True):
        st.subheader("Where payments stand", anchor=False)
        with st.container(key="lines_status"):
            by_status(live)
    with st.container(border=True):
        st.subheader("Taken today by method", anchor=False)
        by_method(live)


def numbers(live: Live) -> list[ui.Card]:
    paid, failed = live.status(Status.PAID), live.status(Status.FAILED)
    waiting = [live.status(status) for status in sorted(PENDING - {Status.FAILED})]
    until = live.yesterday_until.astimezone(dates.SAST)
    yesterday = f"yesterday by {until:%H:%M}" if until.hour else "all of yesterday"
    other = "".join(f" and {amount}" for amount in live.other_currencies_today)
    gain = live.taken_today.minor - live.taken_yesterday.minor
    return [
        ui.Card(
            "Taken today",
            "payments",
            f"{live.taken_today}{other}",
            share_of(gain, live.taken_yesterday.minor),
            gain > 0 if gain else None,
            f"{yesterday}: {live.taken_yesterday}",
        ),
        ui.Card("Paid today", "check_circle", words.number(paid.reached_today), *change(paid, good=True)),
        ui.Card(
            "Waiting now",
            "schedule",
            words.number(sum(standing.count for standing in waiting)),
            note=f"{words.sums(asked(waiting))} asked",
        ),
        ui.Card("Failed today", "error", words.number(failed.reached_today), *change(failed, good=False)),
    ]


def asked(standings: list[StatusNow]) -> dict[str, Money]:
    """What they ask for together, currencies apart."""
    together: dict[str, Money] = {}
    for owed in (standing.owed for standing in standings):
        for currency, amount in owed.items():
            together[currency] = together.get(currency, Money(0, currency)) + amount
    return together


def share_of(gain: int, before: int) -> str:
    """The gain in whole percent of what was before; nothing where there is nothing to compare with."""
    if not before:
        return ""
    percent = (abs(gain) * 100 + before // 2) // before
    return f"{'−' if gain < 0 else '+'}{percent}\u00a0%"


def change(standing: StatusNow, *, good: bool) -> tuple[str, bool | None, str]:
    """Against yesterday at this hour; ``good`` says whether more of it is."""
    more = standing.reached_today - standing.reached_yesterday
    note = f"yesterday: {words.number(standing.reached_yesterday)}"
    return (
        (f"{'−' if more < 0 else '+'}{abs(more)}", (more > 0) is good, note) if more else ("same", None, note)
    )


def per_hour(live: Live) -> None:
    """Whole rands: a picture of money, not its record."""
    hours = {
        "hour": [f"{hour.hour_sast:02d}" for hour in live.per_hour],
        "Yesterday": [hour.yesterday.minor // 100 for hour in live.per_hour],
        "Today": [hour.taken.minor // 100 for hour in live.per_hour],
    }
    best = max(live.per_hour, key=lambda hour: hour.taken.minor)
    told = f"Taken per hour. Today {live.taken_today} so far, yesterday by this hour {live.taken_yesterday}."
    if best.taken:
        told += f" The best hour today began at {best.hour_sast}:00 with {best.taken}."
    option = {
        "dataset": {"source": pandas.DataFrame(hours)},
        "grid": {"left": 8, "right": 8, "top": 34, "bottom": 4, "containLabel": True},
        "legend": {"right": 0, "top": 0},
        "tooltip": {"trigger": "axis", "valueFormatter": "R%d"},
        "xAxis": {"type": "category", "axisTick": {"show": False}},
        "yAxis": {"type": "value", "splitNumber": 3, "axisLabel": {"formatter": "R{value}"}},
        "series": [
            {"type": "bar", "barGap": "-100%", "itemStyle": {"color": "rgba(128,140,134,0.35)"}, "z": 1},
            {"type": "bar", "z": 2},
        ],
    }
    st.echarts_chart(option, height=270, alt=told)


def needs_a_person(live: Live, ways: frozenset[str]) -> None:
    """``ways`` are the pages that whoever looks may open."""
    if not live.attention:
        ui.empty_state("Nothing needs you", "What does not fit will be listed here.", "task_alt")
    for item in live.attention:
        if item.page in ways:
            page, wanted = PAGES[item.page][0], words.trouble_query(item)
            st.page_link(page, label=item.sentence, icon=":material/flag:", query_params=wanted)
        else:
            st.markdown(f":material/flag: {item.sentence}")


def by_status(live: Live) -> None:
    """Each with its count and sum, and a way to the list of just those."""
    present = [standing for standing in live.by_status if standing.count]
    if not present:
        ui.empty_state("No payments yet", "Take the first one under Take a payment.", "qr_code_2")
    for standing in present:
        look = words.STATUS[standing.status]
        st.page_link(
            PAYMENTS,
            label=f"**{words.number(standing.count)}** {look.word} · {words.sums(standing.owed)}",
            icon=f":material/{look.icon}:",
            query_params=filters.page_query(Filter(statuses=(standing.status,))),
        )


def by_method(live: Live) -> None:
    taken = [method for method in live.by_method if method.taken]
    if not taken:
        ui.empty_state("No money yet today", "It shows here the moment it is confirmed.", "payments")
    whole = sum(method.taken.minor for method in taken)
    ui.bars(
        (
            f"{words.method_word(method.method)} · {method.count}",
            str(method.taken),
            method.taken.minor * 100 // whole,
        )
        for method in taken
    )


def news(live: Live) -> str:
    """The newest payment that turned paid since this page last told one."""
    paid = [row for row in live.newest if row.status is Status.PAID]
    newest = max(paid, key=lambda row: row.paid_at or row.created_at, default=None)
    before = st.session_state.get("live_paid")
    st.session_state.live_paid = newest.reference if newest else ""
    if newest is None or before in (None, newest.reference):
        return str(st.session_state.get("live_news", ""))
    st.session_state.live_news = f"Paid: {newest.amount} by {newest.payer_name}."
    return str(st.session_state.live_news)


def open_payment(reference: str) -> None:
    st.switch_page(PAYMENTS, query_params={"payment": reference})


@st.fragment(run_every="2s")
@ui.error_boundary()
def live_page() -> None:
    person = ui.require(Action.SEE, active=False)
    with app.sessions.read() as session:
        version = overview.version(session)
    now = app.now()
    key = (version, person.events, app.settings.mode, now.strftime("%Y-%m-%d %H:%M"))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Live", anchor=False, width="content")
        ui.freshness(now)
    tell_trouble(now)
    headline(*key)
    left, right = st.columns([2, 1])
    with left:
        day(*key)
        newest(picture(*key))
    with right:
        ways = frozenset(name for name, (_, action) in PAGES.items() if person.may(action))
        aside(*key, ways=ways)


def tell_trouble(now: datetime) -> None:
    """What is wrong, since when, and what still works; a snoozed alert is quiet."""
    with app.sessions.read() as session:
        troubles = vitals.troubles(session, now=now)
    for alert in troubles:
        if alert.snoozed_until is None or alert.snoozed_until <= now:
            since = f"Since {ui.moment(alert.since)}. " if alert.since else ""
            bad = alert.severity is Severity.BAD
            ui.trouble(alert.sentence, f"{since}{alert.still_works}", bad=bad)


def newest(live: Live) -> None:
    with st.container(border=True):
        st.subheader("Newest payments", anchor=False)
        if live.newest:
            hidden = ["method", "reference", "event"]
            ui.payments_list(
                live.newest[:10],
                key="live_newest",
                label="Newest payments",
                pick=open_payment,
                without=hidden,
                bare=True,
            )
        else:
            ui.empty_state("No payments yet", "The first one shows here by itself.", "receipt_long")
    ui.announce(news(live), key="live_announce")


live_page()
