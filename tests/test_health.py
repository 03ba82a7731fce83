"""The health page says how each part is and what to do; /metrics says it to machines that may know."""

import html
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from streamlit.testing.v1 import AppTest

import bootstrap
from db.models import OutboxMail, PersonRow, SecondFactor
from payments.access.people import Role
from payments.books import integrity
from payments.deciding.cases import Reason
from payments.errors import GatewayUnavailable
from payments.keeping import keyring
from payments.reconciling import misfit_watch
from payments.watching import alerts, standstill, vitals, watch
from payments.watching.alerts import Alarm, Kind, Severity
from payments.watching.metrics import metrics
from payments.working import worker
from payments.working.worker import Worker
from tests.desk import FakeGateway, issue, make_event
from tests.hook import serving
from tests.test_pages import ROOT, all_html, desk, everything  # noqa: F401 - the fixture of pages
from ui import board

PAGE = "pages/admin/health.py"
LIVE = "pages/monitor/live.py"
OLD, NEW = keyring.new_key("old"), keyring.new_key("new")


def beat(desk):  # noqa: F811
    """A round of the worker, with its watch."""
    settings = bootstrap.app().settings
    one = watch.Watch(desk.sessions, desk.gateway, lambda: desk.now, settings.data_dir)
    Worker(desk.sessions, {"ikhokha": desk.gateway}, None, "", one).round(now=desk.now)


def spoil(sessions):
    with sessions.begin() as session:
        session.execute(text("UPDATE standings SET sum_minor = sum_minor + 1"))


@pytest.fixture
def broken(desk):  # noqa: F811
    """A desk whose totals are a cent off, examined."""
    desk.sign_in(Role.ADMIN)
    issue(desk.sessions, desk.gateway, now=desk.now)
    spoil(desk.sessions)
    beat(desk)
    return desk


# -- the page ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
def test_health_is_for_admins(desk, role):  # noqa: F811
    desk.sign_in(role)
    if role is Role.ADMIN:
        at = desk.open(PAGE)
        assert not at.exception
        assert at.title[0].value == "Health"
    else:
        direct = AppTest.from_file(str(ROOT / PAGE)).run()
        assert "not for your role" in all_html(direct)


def test_a_desk_at_work_is_green(desk):  # noqa: F811
    desk.gateway.clock = desk.now
    beat(desk)
    desk.sign_in(Role.ADMIN)
    shown = all_html(desk.open(PAGE))
    assert "rules hold. Examined today" in shown
    assert "It agrees with the gateway's" in shown
    assert "It runs, and was last seen today" in shown
    assert "pd-check bad" not in shown
    assert f"{len(integrity.RULES)} rules asked, in" in shown
    assert shown.count('aria-label="1 run, 0 failed"') == 3  # the books, the history, the night's work
    assert "Not yet." in shown


def test_each_part_that_is_not_well_says_what_to_do(desk):  # noqa: F811
    desk.gateway.failing = GatewayUnavailable("The gateway could not be reached.")
    watch.try_gateway(desk.sessions, desk.gateway, lambda: desk.now - timedelta(hours=1))
    desk.sign_in(Role.ADMIN)
    shown = all_html(desk.open(PAGE))
    assert "The gateway could not be reached. It is so since today 11:00." in shown
    assert "Start it: python manage.py worker." in shown
    assert "Press Examine now" in shown


@pytest.mark.parametrize(
    ("keys", "says"),
    [
        (f"{NEW} {OLD}", "old has sealed 1 apps for codes still. Run `manage.py reseal`"),
        (f"{OLD} {NEW}", "Nothing needs new any more"),
        (NEW, "No key here opens 1 apps for codes. Put theirs back"),
        (OLD, None),
    ],
    ids=["an older key", "a spare key", "a lost key", "one key"],
)
def test_what_an_older_key_sealed_is_told_with_what_to_do(desk, monkeypatch, keys, says):  # noqa: F811
    desk.sign_in(Role.ADMIN)
    with desk.sessions.begin() as session:
        person = session.scalars(select(PersonRow)).one()
        seal = keyring.read(OLD).seal(b"seed", f"second_factors.sealed.{person.id}")
        session.add(SecondFactor(person_id=person.id, sealed=seal, last_step=0, since=desk.now))
    app = bootstrap.app()
    turned = replace(app, settings=replace(app.settings, keys=keyring.read(keys)))
    monkeypatch.setattr(bootstrap, "app", lambda: turned)
    shown = html.unescape(all_html(desk.open(PAGE)))
    assert ("Keys" in shown) is (says is not None)
    assert says is None or says in shown


def a_moment_passes() -> None:
    """Live is drawn for everybody at once, and the clock of these tests stands still."""
    board.forget()


def test_an_alert_can_be_snoozed_where_it_is_read(desk):  # noqa: F811
    beat(desk)
    with desk.sessions.begin() as session:
        alerts.settle(session, [Alarm(Kind.DISK, Severity.BAD, "The disk is full.")], now=desk.now)
    desk.sign_in(Role.ADMIN)
    assert "The disk is full." in all_html(desk.open(LIVE))
    at = desk.open(PAGE)
    quiet = [one.label for one in at.button if one.key and one.key.startswith("snooze_")]
    assert quiet == ["Quiet for 1 hour", "Quiet for 8 hours", "Quiet for 1 day"], "each tells it by itself"
    at.button(key="snooze_1_8 hours").click().run()
    assert "Quiet until 23 Nov 2026, 20:00." in all_html(at)
    a_moment_passes()
    assert "The disk is full." not in all_html(desk.open(LIVE))


def test_alerts_that_say_the_same_are_one_card_with_their_count_a_door_and_one_snooze(desk):  # noqa: F811
    """Six cards had stood there, word for word, and nothing told which of them was quiet by now."""
    beat(desk)
    says = f"{misfit_watch.SAYS[Reason.AMOUNT_MISMATCH]}. Decide."
    alarms = [Alarm(Kind.MISFIT, Severity.POOR, says, key=str(nth)) for nth in range(3)]
    with desk.sessions.begin() as session:
        alerts.settle(session, [*alarms, Alarm(Kind.DISK, Severity.BAD, "The disk is full.")], now=desk.now)
    desk.sign_in(Role.ADMIN)
    at = desk.open(PAGE)
    assert all_html(at).count("another amount than we asked for") == 1
    assert "3 cases. Since today 12:00." in all_html(at)
    assert "reason=Amount+differs" in "".join(everything(at))
    (quiet,) = [one for one in at.button if one.label == "Quiet for 8 hours" and one.key != _of_disk(at)]
    quiet.click().run()
    assert "Quiet until 23 Nov 2026, 20:00." in all_html(at)
    with desk.sessions.read() as session:
        told = alerts.active(session)
    assert [alert.kind for alert in told if alert.snoozed_until is None] == [Kind.DISK]


def test_an_alert_of_a_payout_leads_to_the_payouts(desk):  # noqa: F811
    """Every card that said what to look at had a door, and this one had none."""
    beat(desk)
    desk.sign_in(Role.ADMIN)
    assert "Open Payouts" not in "".join(everything(desk.open(PAGE)))
    with desk.sessions.begin() as session:
        alerts.settle(session, [Alarm(Kind.PAYOUT_LATE, Severity.POOR, "A payout is missing.")], now=desk.now)
    a_moment_passes()
    assert "Open Payouts" in "".join(everything(desk.open(PAGE)))


def _of_disk(at: AppTest) -> str:
    with bootstrap.app().sessions.read() as session:
        (disk,) = [alert.id for alert in alerts.active(session) if alert.kind is Kind.DISK]
    return f"snooze_{disk}_8 hours"


@pytest.mark.parametrize("due", [0, 1, 2])
def test_badge_and_sentence_of_a_part_agree_and_one_is_told_as_one(desk, due):  # noqa: F811
    """“Good: None is made”, and “1 links are due”."""
    for _ in range(due):
        issue(desk.sessions, desk.gateway, now=desk.now - timedelta(hours=1))
    desk.sign_in(Role.ADMIN)
    shown = all_html(desk.open(PAGE))
    assert ("1 link is due" in shown, f"{due} links are due" in shown) == (due == 1, due > 1)
    assert ("No link waits to be asked about." in shown) == (not due)
    assert "no answer yet" not in shown
    assert "A demo needs none." in shown
    assert "None is made" not in shown
    assert "Every message was acted on." in shown


def test_a_mail_that_could_not_be_sent_leads_to_its_payment_or_says_what_to_do(desk, monkeypatch):  # noqa: F811
    app = bootstrap.app()
    mailing = replace(app, settings=replace(app.settings, mail_url="smtp://localhost:25"))
    monkeypatch.setattr(bootstrap, "app", lambda: mailing)
    issue(desk.sessions, desk.gateway, now=desk.now)
    with desk.sessions.begin() as session:
        session.add_all(
            OutboxMail(
                key=f"mail{nth}", payment_id=payment, recipient="a@example.org", subject="", body="",
                message_id=f"<{nth}@x>", state="failed", created_at=desk.now,
            )
            for nth, payment in enumerate((None, 1, 1))
        )  # fmt: skip
    desk.sign_in(Role.ADMIN)
    at = desk.open(PAGE)
    shown = all_html(at)
    assert "3 mails could not be sent. Open the payments below: correct the address there" in shown
    assert "1 is of no payment: look at MAIL_URL, and at the addresses under People." in shown
    said = "".join(everything(at))
    assert "1 payment with mail not sent" in said


def test_live_says_since_when_and_what_still_works_to_everybody(desk):  # noqa: F811
    beat(desk)
    with desk.sessions.begin() as session:
        alerts.settle(session, [Alarm(Kind.GATEWAY, Severity.BAD, "It is away.")], now=desk.now)
    desk.sign_in(Role.VIEWER)
    shown = all_html(desk.open(LIVE))
    assert "It is away." in shown
    assert "Since today 12:00. Cash, card slips and EFT work" in shown


def test_that_the_worker_does_not_run_is_told_though_nobody_could_write_it_down(desk):  # noqa: F811
    desk.sign_in(Role.VIEWER)
    assert "The worker does not run." in all_html(desk.open(LIVE))
    with desk.sessions.read() as session:
        assert [view.id for view in vitals.troubles(session, now=desk.now)] == [None]
    beat(desk)
    a_moment_passes()
    assert "The worker does not run." not in all_html(desk.open(LIVE))


def test_what_many_alerts_say_alike_is_told_once_and_the_worst_first(desk):  # noqa: F811
    alarms = [
        Alarm(Kind.MISFIT, Severity.POOR, "More came.", key="1"),
        Alarm(Kind.MISFIT, Severity.POOR, "Another amount.", key="2"),
        Alarm(Kind.NOTIFICATIONS, Severity.POOR, "It does not answer.", key="1"),
        Alarm(Kind.NOTIFICATIONS, Severity.POOR, "It does not answer.", key="2"),
        Alarm(Kind.DISK, Severity.BAD, "The disk is full."),
    ]
    with desk.sessions.begin() as session:
        alerts.settle(session, alarms, now=desk.now)
    desk.sign_in(Role.VIEWER)
    shown = all_html(desk.open(LIVE))
    said = ("The disk is full.", "Some money does not fit its payment.", "It does not answer.")
    assert [shown.count(one) for one in said] == [1, 1, 1]
    assert shown.index(said[0]) < min(map(shown.index, said[1:]))
    assert "More came." not in shown


# -- books that do not add up -----------------------------------------------------------------------


@pytest.mark.parametrize("page", [LIVE, "pages/monitor/payments.py", "pages/door/take.py", PAGE])
def test_every_page_says_that_the_desk_is_read_only_and_why(broken, page):
    shown = all_html(broken.open(page))
    assert "The desk is read-only since today 12:00." in shown
    assert "The totals by status are not what the payments add up to." in shown


def test_the_desk_is_lifted_by_a_check_that_passes_from_the_page(desk):  # noqa: F811
    desk.sign_in(Role.ADMIN)
    issue(desk.sessions, desk.gateway, now=desk.now)
    spoil(desk.sessions)
    at = desk.open(PAGE)
    at.button(key="examine").click().run()
    assert "off by 0 payments, 1 cents" in all_html(at)
    with desk.sessions.begin() as session:
        session.execute(text("UPDATE standings SET sum_minor = sum_minor - 1"))
    at.button(key="examine").click().run()
    assert "rules hold" in all_html(at)
    assert "read-only" not in all_html(desk.open(LIVE))


def test_an_admin_lets_the_desk_go_on_with_a_reason(desk):  # noqa: F811
    desk.sign_in(Role.ADMIN)
    issue(desk.sessions, desk.gateway, now=desk.now)
    spoil(desk.sessions)
    at = desk.open(PAGE)
    at.button(key="examine").click().run()
    at.text_input(key="go_on_reason").set_value("One cent, found and booked.")
    next(button for button in at.button if button.label == "Let the desk go on").click().run()
    assert not at.error
    with desk.sessions.read() as session:
        assert standstill.current(session) is None
        assert integrity.last(session).accepted


# -- /metrics ---------------------------------------------------------------------------------------


def told(body):
    """Name with labels, and the number."""
    lines = [line.rsplit(" ", 1) for line in body.decode().splitlines() if line[0] != "#"]
    return {name: number for name, number in lines}  # noqa: C416 - lists are not pairs to a type checker


def test_the_numbers_of_a_desk(sessions, now):
    gateway = FakeGateway(clock=now)
    with sessions.begin() as session:
        make_event(session, now=now)
    issue(sessions, gateway, now=now)
    watch.try_gateway(sessions, gateway, lambda: now)
    integrity.run(sessions, now=now)
    with sessions.read() as session:
        numbers = told(metrics(session, {404: 3}, now=now + timedelta(minutes=1)))
    assert numbers["paydesk_gateway_up"] == "1.0"
    assert numbers["paydesk_integrity_broken_rules"] == "0.0"
    assert numbers["paydesk_integrity_age_seconds"] == "60.0"
    assert numbers['paydesk_queue_depth{queue="links_due"}'] == "1.0"
    assert numbers['paydesk_alerts{kind="worker"}'] == "1.0"
    assert numbers['paydesk_hook_refused{status="404"}'] == "3.0"
    assert float(numbers["paydesk_database_bytes"]) > 100_000
    assert "Zanele" not in str(numbers)


PROXIED = {"X-Forwarded-For": "203.0.113.7"}


@pytest.mark.parametrize(
    "token, headers, status",
    [
        pytest.param("", {}, 200, id="from this machine"),
        pytest.param("", PROXIED, 404, id="through the proxy"),
        pytest.param("", PROXIED | {"Authorization": "Bearer "}, 404, id="no token is set"),
        pytest.param("s3cret", PROXIED | {"Authorization": "Bearer s3cret"}, 200, id="with the token"),
        pytest.param("s3cret", PROXIED | {"Authorization": "Bearer s3cres"}, 404, id="with a wrong one"),
    ],
)
def test_metrics_are_private(database_url, token, headers, status):
    with serving(database_url, METRICS_TOKEN=token) as hook:
        reply = hook.get("/metrics", **headers)
        assert reply.status == status
        assert (b"paydesk_queue_depth" in reply.body) == (status == 200)


def test_a_worker_that_is_seen_is_no_trouble(sessions, now):
    Worker(sessions, {"ikhokha": FakeGateway()}, None, "").round(now=now)
    with sessions.read() as session:
        assert vitals.troubles(session, now=now + worker.MISSED / 2) == ()
        (dead,) = vitals.troubles(session, now=now + worker.MISSED)
    assert (dead.since, dead.severity) == (now, Severity.BAD)
