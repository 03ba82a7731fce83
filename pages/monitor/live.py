"""Live: today's takings, what became of today's payments, what needs a person, and the newest payments.

Everything drawn here is drawn once for a version of the desk and a scope of events, and replayed to every
page that is open. Every number leads to the payments that it counts.
"""

from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlsplit

import streamlit as st

import bootstrap
import ui
import words
from payments import dates, overview, vitals
from payments.alerts import Severity
from payments.figures import Figure
from payments.funnel import Outcome
from payments.lifecycle import Status
from payments.overview import AttentionItem, Live
from payments.people import Action
from payments.takings import Compared
from ui import charts

ui.require(Action.SEE)
app = bootstrap.app()
PAYMENTS = "pages/monitor/payments.py"
#: The pages that numbers lead to, by their addresses, and the action that opens each.
PAGES = {
    "payments": (PAYMENTS, Action.SEE),
    "attention": ("pages/monitor/attention.py", Action.SEE),
    "inbox": ("pages/monitor/inbox.py", Action.SEE_INBOX),
    "settings": ("pages/admin/settings.py", Action.MANAGE_SETTINGS),
}
#: The looks of charts, which stand in the style sheet.
LOOKS = {
    Outcome.PAID: "paid", Outcome.WAITING: "waiting", Outcome.FAILED: "failed", Outcome.CLOSED: "closed",
    Outcome.RETURNED: "returned",
}  # fmt: skip

RENEWED = timedelta(seconds=1)
#: What a drawing depends on: the version, the scope, the mode, and the minute for what only ages.
Key = tuple[int, frozenset[int] | None, str, str]


# -- drawn once for everybody -----------------------------------------------------------------------


@st.cache_resource(show_spinner=False)
def boards() -> dict[tuple[frozenset[int] | None, str], tuple[int, datetime]]:
    """The version that was drawn last for each scope, and when."""
    return {}


def current(version: int, scope: frozenset[int] | None, now: datetime) -> Key:
    """What to draw. A version younger than ``RENEWED`` stays a moment longer: in a rush of payments each
    scope is read and drawn so often, however many pages are open."""
    drawn = boards().get((scope, app.settings.mode))
    if drawn is None or (drawn[0] != version and not timedelta(0) <= now - drawn[1] < RENEWED):
        boards()[scope, app.settings.mode] = drawn = (version, now)
    return drawn[0], scope, app.settings.mode, now.strftime("%Y-%m-%d %H:%M")


@st.cache_resource(max_entries=64, show_spinner=False)
def picture(key: Key) -> Live:
    """One reading for everybody who may see the same; frozen, so that nobody changes it for the others."""
    with app.sessions.read() as session:
        return overview.live(session, key[1], now=app.now())


@st.cache_data(max_entries=64, show_spinner=False)
def headline(key: Key) -> None:
    charts.draw(charts.metrics(numbers(picture(key))))


@st.cache_data(max_entries=64, show_spinner=False)
def day(key: Key) -> None:
    live = picture(key)
    charts.draw(charts.block("Paid per hour", per_hour(live)))
    with st.expander("Every hour as a table", icon=":material/table_rows:"):
        charts.draw(hours_table(live))


@st.cache_data(max_entries=64, show_spinner=False)
def aside(key: Key, ways: frozenset[str]) -> None:
    """``ways`` are the pages that whoever looks may open."""
    live = picture(key)
    charts.draw(
        charts.block("Needs a person", needs_a_person(live, ways)),
        charts.block("From link to money, today", how_far(live), STAGES_TOLD),
        charts.block("Why payments failed today", failures(live)),
        charts.block("Paid today by method", by_method(live)),
        charts.block("Paid today by event", by_event(live)),
        charts.block("Where payments stand", by_status(live)),
    )


@st.cache_data(max_entries=64, show_spinner=False)
def below(key: Key) -> None:
    live = picture(key)
    charts.draw(
        charts.block(
            "Today's payments, by how they stand now", outcomes(live),
            "Each payment stands in the hour it was made, and changes its colour when it is paid, fails or "
            "is closed.",
        )
    )  # fmt: skip


# -- numbers ----------------------------------------------------------------------------------------


def numbers(live: Live) -> list[charts.Metric]:
    paid, before = live.takings.today, live.takings.before
    failed = live.by_status[Status.FAILED]
    gain = paid.rand.minor - before.rand.minor
    return [
        charts.Metric(
            "Paid today",
            "payments",
            words.sums(paid.sums),
            paid,
            share_of(gain, before.rand.minor),
            gain > 0 if gain else None,
            words.count(paid.count, "payment", "payments") + f". {until_told(live)}:",
            (words.sums(before.sums), before),
        ),
        charts.Metric(
            "Made today",
            "receipt_long",
            words.number(live.made.all.count),
            live.made.all,
            note=f"{words.sums(live.made.all.sums)} asked",
        ),
        charts.Metric(
            "Waiting now",
            "schedule",
            words.number(live.waiting.count),
            live.waiting,
            note=f"{words.sums(live.waiting.sums)} asked",
        ),
        charts.Metric(
            "Failed now",
            "error",
            words.number(failed.count),
            failed,
            note=f"{words.sums(failed.sums)} asked, can still be paid",
        ),
    ]


def until_told(live: Live) -> str:
    """The day compared with, up to the end of the hour it is now."""
    until = (live.takings.until - timedelta(seconds=1)).astimezone(dates.SAST)
    return f"{compared_word(live.takings.compared)} by {until.hour + 1:02d}:00"


def compared_word(compared: Compared) -> str:
    if compared.event is None:
        return "Yesterday"
    return (
        f"Last event, day {compared.nth}" if compared.nth > 0 else f"Last event, {-compared.nth} days before"
    )


def compared_told(compared: Compared) -> str:
    """Which day it is, in a sentence."""
    day = f"{compared.day:%A} {dates.say_days(compared.day, compared.day)}"
    if compared.event is None:
        return f"Compared with yesterday, {day}: no earlier event has such a day here."
    if compared.nth > 0:
        return f"Compared with day {compared.nth} of {compared.event}, {day}: everything paid on that day."
    before = words.count(-compared.nth, "day", "days")
    return f"Compared with {before} before {compared.event}, the same weekday, {day}: all that was paid then."


def share_of(gain: int, before: int) -> str:
    """The gain in whole percent of what was before; nothing where there is nothing to compare with."""
    if not before:
        return ""
    percent = (abs(gain) * 100 + before // 2) // before
    return f"{'−' if gain < 0 else '+'}{percent}\u00a0%"


# -- charts -----------------------------------------------------------------------------------------


def per_hour(live: Live) -> str:
    takings = live.takings
    word = compared_word(takings.compared)
    told = f"Paid per hour. Today {words.sums(takings.today.sums)} so far; {until_told(live)}: "
    told += f"{words.sums(takings.before.sums)}."
    best = max(takings.per_hour, key=lambda hour: hour.today.rand.minor)
    if best.today.count:
        told += f" The best hour today began at {best.hour_sast}:00 with {words.sums(best.today.sums)}."
    shown = [
        charts.Column(
            f"{hour.hour_sast:02d}:00",
            (
                charts.Bar(word, hour.before, hour.before.rand.minor // 100, "before"),
                charts.Bar("Today", hour.today, hour.today.rand.minor // 100, "today"),
            ),
        )
        for hour in takings.per_hour
    ]
    return (
        charts.legend([("today", "Today", None), ("before", word, None)])
        + charts.columns(shown, told, stacked=False, unit="R")
        + charts.caption_of(compared_told(takings.compared))
    )


def outcomes(live: Live) -> str:
    made = live.made
    told = ", ".join(
        f"{words.number(figure.count)} {words.OUTCOME[outcome].word.lower()}"
        for outcome, figure in made.outcomes.items()
    )
    shown = [
        charts.Column(
            f"{hour.hour_sast:02d}:00",
            tuple(
                charts.Bar(words.OUTCOME[outcome].word, figure, figure.count, LOOKS[outcome])
                for outcome, figure in hour.outcomes.items()
            ),
        )
        for hour in made.per_hour
    ]
    entries = [
        (LOOKS[outcome], words.OUTCOME[outcome].word, figure)
        for outcome, figure in made.outcomes.items()
        if figure.count or outcome in (Outcome.PAID, Outcome.WAITING, Outcome.FAILED)
    ]
    return charts.legend(entries) + charts.columns(
        shown, f"Payments made today, by how they stand now: {told}.", stacked=True
    )


def hours_table(live: Live) -> str:
    heads = ["Hour", "Paid", compared_word(live.takings.compared)]
    heads += [f"Made, now {words.OUTCOME[outcome].word.lower()}" for outcome in Outcome]
    rows = [
        (f"{paid.hour_sast:02d}:00", [paid.today, paid.before, *made.outcomes.values()])
        for paid, made in zip(live.takings.per_hour, live.made.per_hour, strict=True)
    ]
    some = [row for row in rows if any(figure.count for figure in row[1])]
    return charts.table("Today by the hour, times of Johannesburg", heads, some, money=2)


STAGES_TOLD = (
    "Of the payments made today. “Page opened” are those whose payer came back from iKhokha's page, or "
    "tried: iKhokha does not tell who opens it and closes it again. “Tried” are those whose attempt it told."
)


def how_far(live: Live) -> str:
    if not live.made.all.count:
        return charts.nothing("No payment was made today.", "Take one: how far it comes shows here.")
    return charts.funnel(
        (words.STAGE[step.stage][0], step.reached, words.STAGE[step.stage][1], step.stayed)
        for step in live.made.steps
    )


def failures(live: Live) -> str:
    if not live.made.failures:
        return charts.nothing(
            "None of today's payments stands as failed.", "Reasons show here, with what helps."
        )
    return charts.lines(
        ("error", f"{words.number(figure.count)} · {words.failure(why)[0]}", figure, words.failure(why)[1])
        for why, figure in live.made.failures
    )


def by_method(live: Live) -> str:
    if not live.takings.by_method:
        return charts.nothing("No money yet today.", "It shows here the moment it is confirmed.")
    return charts.bars([(words.method_word(method), figure) for method, figure in live.takings.by_method])


def by_event(live: Live) -> str:
    if not live.takings.by_event:
        return charts.nothing("No money yet today.", "Each event with money shows here.")
    return charts.bars(live.takings.by_event)


def by_status(live: Live) -> str:
    """Each with its count and sum, and a way to the list of just those."""
    present = [(words.STATUS[status], figure) for status, figure in live.by_status.items() if figure.count]
    if not present:
        return charts.nothing("No payments yet.", "Take the first one under Take a payment.")
    return charts.lines(
        (look.icon, f"{words.number(figure.count)} {look.word} · {words.sums(figure.sums)}", figure, "")
        for look, figure in present
    )


def needs_a_person(live: Live, ways: frozenset[str]) -> str:
    if not live.attention:
        return charts.nothing("Nothing needs you.", "What does not fit will be listed here.")
    return charts.lines(("flag", item.sentence, way_to(item, ways), "") for item in live.attention)


def way_to(item: AttentionItem, ways: frozenset[str]) -> Figure | str:
    if item.filter is not None and item.page == "payments":
        return charts.address("payments", words.trouble_query(item))
    return charts.address(item.page, words.trouble_query(item)) if item.page in ways else ""


# -- the page ---------------------------------------------------------------------------------------


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


def open_door(href: str) -> None:
    """A number was clicked: the page it leads to, within this one."""
    parts = urlsplit(href)
    if parts.path.lstrip("/") in PAGES:
        page, _ = PAGES[parts.path.lstrip("/")]
        st.switch_page(page, query_params=dict(parse_qsl(parts.query)))


@st.fragment(run_every="2s")
@ui.error_boundary()
def live_page() -> None:
    person = ui.require(Action.SEE, active=False)
    with app.sessions.read() as session:
        version = overview.version(session, person.events)
    now = app.now()
    key = current(version, person.events, now)
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        st.title("Live", anchor=False, width="content")
        ui.freshness(now)
    tell_trouble(key)
    headline(key)
    left, right = st.columns([2, 1])
    with left:
        day(key)
        newest(picture(key))
        below(key)
    with right:
        aside(key, frozenset(name for name, (_, action) in PAGES.items() if person.may(action)))
    charts.doors("live_doors", open_door)


@st.cache_data(max_entries=64, show_spinner=False)
def tell_trouble(key: Key) -> None:
    """What is wrong, since when, and what still works; a snoozed alert is quiet."""
    now = app.now()
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
