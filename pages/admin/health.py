"""Health: how each part of the desk is, what to do about it, and whether the books add up."""

from collections.abc import Iterable, Iterator
from datetime import timedelta

import streamlit as st

import bootstrap
import ui
import words
from payments import dates
from payments.access.people import Action
from payments.books import integrity
from payments.finding import filters
from payments.finding.search import Filter
from payments.keeping import resealing
from payments.reconciling import misfit_watch
from payments.watching import alerts, health, vitals, watch
from payments.watching.alerts import AlertView, Kind, Severity
from payments.watching.vitals import Health
from payments.working import job_log

person = ui.require(Action.MANAGE_SETTINGS)
app = bootstrap.app()
settings = app.settings
Line = tuple[str, str, str]
#: What is looked at and asked back under Payouts.
PAYOUTS = (Kind.PAYOUT_LATE, Kind.PAYOUT_SHORT)
SNOOZES = {"1 hour": timedelta(hours=1), "8 hours": timedelta(hours=8), "1 day": timedelta(days=1)}
#: Links that should have been asked about by now are a few; more than a minute's worth is a poll that lags.
MOST_DUE = 300
#: The books are examined every hour.
EXAMINED_LATE = timedelta(hours=2)


# -- each part: how it is, what it is, what to do ----------------------------------------------------


def parts(found: Health) -> Iterator[Line]:
    yield messages(found)
    yield queue(found)
    yield gateway(found)
    yield worker(found)
    yield poller(found)
    yield mail(found)
    yield database(found)
    yield clock(found)
    yield disk()
    yield backup(found)
    yield books(found)


def messages(found: Health) -> Line:
    last = found.vitals.last_event_at
    if last is None:
        remedy = (
            "No message came yet. Give the webhook address under Settings to iKhokha, and take a payment."
        )
        return "poor", "Messages", remedy
    took = f" The newest took up to {seconds(found.slowest)} until acted on." if found.slowest else ""
    return "good", "Messages", f"The last one came {ui.moment(last)}.{took}"


def queue(found: Health) -> Line:
    depth = found.vitals.waiting["events_unhandled"]
    if found.waited is not None and found.waited > health.OLDEST_EVENT:
        return "bad", "Queue", f"A message has waited {dates.say_age(found.waited)}. Is the worker running?"
    if not depth:
        return "good", "Queue", "Every message was acted on."
    one, many = "message is tried again by itself", "messages are tried again by themselves"
    return "good", "Queue", f"{words.count(depth, one, many)}, and none is late."


def gateway(found: Health) -> Line:
    reach = found.reach
    if reach is None:
        return "poor", "Gateway", "It was not tried yet. The worker does, every minute."
    if reach.failing_since is not None:
        return "bad", "Gateway", f"{reach.fault} It is so since {ui.moment(reach.failing_since)}."
    slow = reach.latency_ms > 2_000
    return (
        "poor" if slow else "good", "Gateway",
        f"It answered {ui.moment(reach.at)}, after {reach.latency_ms} ms.",
    )  # fmt: skip


def worker(found: Health) -> Line:
    pulse = found.vitals.pulse
    if not pulse.alive(now=app.now()):
        seen = f"It was last seen {ui.moment(pulse.seen_at)}." if pulse.seen_at else "It never ran here."
        return "bad", "Worker", f"{seen} Start it: python manage.py worker."
    if pulse.trouble:
        return "poor", "Worker", pulse.trouble
    return "good", "Worker", f"It runs, and was last seen {ui.moment(pulse.seen_at)}."


def poller(found: Health) -> Line:
    due, unknown = found.vitals.waiting["links_due"], found.vitals.waiting["links_unknown"]
    if due > MOST_DUE:
        many = words.number(due)
        return "poor", "Poll", f"{many} links wait to be asked about, five a second. It catches up by itself."
    told = []
    if due:
        told.append(words.count(due, "link is due to be asked about", "links are due to be asked about"))
    if unknown:
        told.append(words.count(unknown, "link has no answer yet", "links have no answer yet"))
    return "good", "Poll", f"{'; '.join(told)}." if told else "No link waits to be asked about."


def mail(found: Health) -> Line:
    if not settings.mail_url:
        return "poor", "Mail", "MAIL_URL is empty: mails wait, unsent. Set it, and start the worker again."
    if found.vitals.mail_failed:
        failed = words.count(found.vitals.mail_failed, "mail", "mails")
        return "poor", "Mail", " ".join((f"{failed} could not be sent.", *after_failed_mail(found)))
    return "good", "Mail", f"{words.count(found.vitals.mail_queued, 'mail waits', 'mails wait')} to be sent."


def after_failed_mail(found: Health) -> Iterator[str]:
    if found.vitals.mail_failed_payments:
        yield "Open the payments below: correct the address there, and send it again."
    if apart := found.vitals.mail_failed_apart:
        are = words.count(apart, "is", "are")
        yield f"{are} of no payment: look at MAIL_URL, and at the addresses under People."


def database(found: Health) -> Line:
    faults = health.readiness(app.sessions, now=app.now()).faults
    if faults and found.waited is None:
        return "bad", "Database", " ".join(faults)
    kind, size = app.sessions.engine.dialect.name, found.database_bytes // 1024**2
    return "good", "Database", f"{kind}, {size} MB: up to date, and keeps what it is told."


def clock(found: Health) -> Line:
    skew = found.reach.skew_s if found.reach else None
    if skew is None:
        return "poor", "Clock", "The gateway has not told its time, so this clock was not compared."
    if abs(skew) >= watch.CLOCK_POOR.total_seconds():
        return "bad", "Clock", f"It differs from the gateway's by {abs(skew)} s. Let it be set by NTP."
    return "good", "Clock", f"It agrees with the gateway's, within {max(1, abs(skew))} s."


def disk() -> Line:
    free = watch.disk_of(settings.data_dir)
    told = f"{free.free // 1024**3} of {free.total // 1024**3} GB are free."
    for alarm in watch.about_disk(free):
        return ("bad" if alarm.severity is Severity.BAD else "poor"), "Disk", alarm.sentence
    return "good", "Disk", told


def backup(found: Health) -> Line:
    last, fault = found.backups.last, found.backups.fault
    if settings.backup_folder is None and last is None:
        if settings.demo:
            return "good", "Backup", "A demo needs none. A live desk sets BACKUP_FOLDER, on another disk."
        remedy = "None is made: this machine's disk is all there is. Set BACKUP_FOLDER, on another disk."
        return "poor", "Backup", remedy
    if last is None:
        return "poor", "Backup", fault or "None was made yet. The worker makes one when it starts."
    age = app.now() - last.at
    size = max(1, last.size // 1024**2)
    told = f"Made {ui.moment(last.at)}: {last.rows} rows, {size} MB, opened and examined."
    if age <= watch.BACKUP_POOR:
        return ("poor" if fault else "good"), "Backup", f"{told} {fault}".strip()
    how = "bad" if age > watch.BACKUP_BAD else "poor"
    return how, "Backup", f"{told} {fault or 'The next is overdue. Is the worker running?'}"


def sealed() -> Line | None:
    """What older keys sealed, and lost ones; nothing where the newest sealed all there is. Counted once a
    page, not at each tick: it goes through everything that is sealed."""
    with app.sessions.read() as session:
        lost = resealing.by_key(session, app.keys).get("", {})
        older = dict(resealing.told(session, app.keys, settings.backup_folder))
    if lost:
        what = ", ".join(f"{number} {what}" for what, number in lost.items())
        return (
            "bad",
            "Keys",
            f"No key here opens {what}. Put theirs back into ENCRYPTION_KEYS, behind the newest.",
        )
    if needed := [f"{name} has sealed {what} still" for name, what in older.items() if what]:
        remedy = "Run `manage.py reseal`; backups go by their age, and need their key until then."
        return "poor", "Keys", f"{'; '.join(needed)}. {remedy}"
    if older:
        return "good", "Keys", f"Nothing needs {', '.join(older)} any more: ENCRYPTION_KEYS can go without."
    return None


def books(found: Health) -> Line:
    report = found.report
    if report is None:
        return "poor", "Books", "They were not examined yet. Press Examine now, or start the worker."
    broken = words.count(len(report.findings), "rule is", "rules are")
    if report.findings and not report.accepted:
        return "bad", "Books", f"{broken} broken, as listed below."
    if app.now() - report.at > EXAMINED_LATE:
        return "poor", "Books", f"They were last examined {ui.moment(report.at)}. Is the worker running?"
    accepted = ", but for what an admin let stand" if report.accepted else ""
    return "good", "Books", f"They add up{accepted}. Examined {ui.moment(report.at)}."


def seconds(age: timedelta | None) -> str:
    return f"{age.total_seconds():.1f} s" if age is not None else "–"


# -- the page ---------------------------------------------------------------------------------------


@st.fragment(run_every="15s")
@ui.error_boundary()
def live_parts() -> None:
    here = ui.require(Action.MANAGE_SETTINGS, active=False)
    with app.sessions.read() as session:
        found = vitals.healthy(session, here, now=app.now())
        jobs = job_log.history(session, here)
    left, right = st.columns(2)
    with left.container(border=True):
        st.subheader("Every part", anchor=False)
        ui.checks(line for line in (*parts(found), keys_line) if line is not None)
        if settings.mail_url and (failed := found.vitals.mail_failed_payments):
            st.page_link(
                "pages/monitor/payments.py", icon=":material/mail:",
                label=words.count(failed, "payment with mail not sent", "payments with mail not sent"),
                query_params=filters.page_query(Filter(mail_failed=True)),
            )  # fmt: skip
    with right.container(border=True):
        st.subheader("Alerts", anchor=False)
        if not found.alerts:
            ui.empty_state(
                "All is well", "What goes wrong shows here, on Live, and in your mail.", "task_alt"
            )
        for same in together(found.alerts):
            one_alert(same)
    with right.container(border=True):
        st.subheader("Do the books add up?", anchor=False)
        the_books(found)
    with st.container(border=True):
        st.subheader("What the worker does by its own clock", anchor=False)
        ui.job_history(jobs)


def together(shown: Iterable[AlertView]) -> list[list[AlertView]]:
    """Those that say the same, word for word: one card tells how many, and is quiet about all of them."""
    alike: dict[str, list[AlertView]] = {}
    for alert in shown:
        alike.setdefault(alert.sentence, []).append(alert)
    return list(alike.values())


def one_alert(same: list[AlertView]) -> None:
    alert = same[0]
    of = "cases" if alert.kind is Kind.MISFIT else "times"  # one alert of each, two of a payment that has two
    often = f"{len(same)} {of}. " if len(same) > 1 else ""
    oldest = min((one.since for one in same if one.since), default=None)
    since = f"Since {ui.moment(oldest)}. " if oldest else ""
    ui.trouble(alert.sentence, f"{often}{since}{alert.still_works}", bad=alert.severity is Severity.BAD)
    ids = [one.id for one in same if one.id is not None]
    if not ids:
        return
    quiet = [one.snoozed_until for one in same if one.snoozed_until and one.snoozed_until > app.now()]
    if quiet:
        of = "" if len(quiet) == len(same) else f" about {len(quiet)} of them"
        ui.plain(f"Quiet{of} until {dates.say_moment(min(quiet))}.", "faint")
    with st.container(horizontal=True, vertical_alignment="center"):
        if alert.kind is Kind.MISFIT:
            to_the_cases(alert)
        elif alert.kind in PAYOUTS:
            st.page_link("pages/finance/payouts.py", label="Open Payouts", icon=":material/savings:")
        for word, wait in SNOOZES.items():
            key = f"snooze_{ids[0]}_{word}"
            st.button(f"Quiet for {word}", key=key, on_click=snooze, args=(ids, wait), type="tertiary")


def to_the_cases(alert: AlertView) -> None:
    """Where payer, reference and both amounts stand, for whoever may see them."""
    reason = misfit_watch.reason_of(alert.sentence)
    st.page_link(
        "pages/monitor/attention.py", label="See them", icon=":material/flag:",
        query_params={"reason": words.CASE[reason][0]} if reason else None,
    )  # fmt: skip


def snooze(alert_ids: list[int], wait: timedelta) -> None:
    here = ui.require(Action.MANAGE_SETTINGS)
    now = app.now()
    with ui.error_boundary():
        app.sessions.run(
            lambda session: [alerts.snooze(session, here, one, now + wait, now=now) for one in alert_ids]
        )


def the_books(found: Health) -> None:
    report = found.report
    if report is None:
        ui.plain("Not examined yet.", "faint")
    elif report.sound:
        ui.plain(f"{len(integrity.RULES)} rules hold. Examined {ui.moment(report.at)}.", "faint")
    else:
        ui.plain(f"Examined {ui.moment(report.at)}. What is wrong, and where:", "faint")
        for finding in report.findings:
            ui.plain(finding.sentence, "title")
            ui.plain("\n".join(finding.rows), "faint")
    if st.button("Examine now", key="examine", icon=":material/fact_check:"):
        with st.spinner("Reading every payment …"):
            integrity.check_now(app.sessions, ui.require(Action.MANAGE_SETTINGS), now=app.now())
        st.rerun()
    if found.standstill is not None:
        go_on()


def go_on() -> None:
    with st.form("go_on", border=False):
        ui.plain(
            "The desk is read-only. Put right what is named above and examine again. "
            "Or let the desk go on with just these findings; your reason is kept in the audit."
        )
        reason = st.text_input("Why it may go on", key="go_on_reason")
        if not st.form_submit_button("Let the desk go on"):
            return
    here = ui.require(Action.MANAGE_SETTINGS)
    with ui.error_boundary():
        app.sessions.run(lambda session: integrity.accept(session, here, reason, now=app.now()))
        st.rerun()


st.title("Health", anchor=False)
keys_line = sealed()
live_parts()
