"""The clock jumps by an hour, a day, ten years, and back: no state changes, nothing stops, no lock opens."""

from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select

from bootstrap import steady_clock
from db.models import Alert, Case, InboxEvent, Link, OutboxMail, Payment, Receipt, SignInAttempt
from db.money import Money
from payments import dates, lifecycle
from payments.access import guesses, signin, signin_links, staff
from payments.access.people import SYSTEM, Role
from payments.access.signin import Visitor
from payments.errors import NotAllowed, NotFound
from payments.gateways import Answer
from payments.hearing import inbox
from payments.hearing.inbox import Message
from payments.lifecycle import Source, Status
from payments.live import overview
from payments.watching import alerts
from payments.watching.alerts import Alarm, Kind, Severity
from payments.working.worker import HEARTBEAT, Worker, pulse
from tests.desk import FakeGateway, issue, make_event, payment_of

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
JUMPS = [HOUR, DAY, 3_650 * DAY]
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
HOME = Visitor("198.51.100.7", "test")


@pytest.fixture
def gateway(sessions, now):
    with sessions.begin() as session:
        make_event(session, now=now)
    return FakeGateway()


@pytest.fixture
def links(sessions, gateway, now):
    """One paid, one that failed, two open."""
    issued = [issue(sessions, gateway, now=now) for _ in range(4)]
    gateway.says(issued[0].gateway_reference, Answer.PAID, "PAID")
    gateway.says(issued[1].gateway_reference, Answer.ATTEMPT_FAILED, "DECLINED")
    return issued


def worker(sessions, gateway):
    return Worker(sessions, {"ikhokha": gateway}, None, "")


def rounds(work, begin, lasts, every=MINUTE):
    at = begin
    while at < begin + lasts:
        work.round(now=at)
        at += every


def statuses(sessions):
    with sessions.read() as session:
        return [
            (row.reference, row.status, row.version)
            for row in session.scalars(select(Payment).order_by(Payment.id))
        ]


@pytest.mark.parametrize("jump", [*JUMPS, *(-jump for jump in JUMPS)], ids=str)
def test_a_jump_and_back_changes_no_state_and_no_link_is_forgotten(sessions, gateway, links, now, jump):
    work = worker(sessions, gateway)
    rounds(work, now, 10 * MINUTE)
    before = statuses(sessions)
    assert [status for _, status, _ in before] == ["paid", "failed", "open", "open"]
    rounds(work, now + 10 * MINUTE + jump, 5 * MINUTE)
    assert statuses(sessions) == before
    gateway.says(links[2].gateway_reference, Answer.PAID, "PAID")  # paid just when the clock is right again
    rounds(work, now + 15 * MINUTE, 5 * MINUTE)
    assert [status for _, status, _ in statuses(sessions)] == ["paid", "failed", "paid", "open"]
    with sessions.read() as session:
        assert session.scalars(select(Receipt)).all()[-1].amount == Money(15_000)
        assert pulse(session).seen_at == now + 19 * MINUTE


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_link_made_while_the_clock_was_ahead_is_asked_about_once_it_is_right(sessions, gateway, now, jump):
    work = worker(sessions, gateway)
    work.round(now=now)
    link = issue(sessions, gateway, now=now + jump)
    work.round(now=now + jump)
    gateway.says(link.gateway_reference, Answer.PAID, "PAID")
    rounds(work, now + MINUTE, 5 * MINUTE)
    with sessions.read() as session:
        assert payment_of(session, link.reference).status == "paid"


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_worker_that_starts_after_the_jump_mends_it_too(sessions, gateway, links, now, jump):
    rounds(worker(sessions, gateway), now + jump, 5 * MINUTE)
    gateway.says(links[2].gateway_reference, Answer.PAID, "PAID")
    rounds(worker(sessions, gateway), now, 5 * MINUTE)
    with sessions.read() as session:
        assert payment_of(session, links[2].reference).status == "paid"


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_link_that_is_being_made_while_the_clock_jumps_is_open_once_it_is_made(
    sessions, gateway, now, monkeypatch, jump
):
    """The worker takes it for missing: by the clock it was asked for long ago, and it is not there yet."""
    make = gateway.issue

    def slowly(request):
        worker(sessions, gateway).round(now=now + jump)
        return make(request)

    monkeypatch.setattr(gateway, "issue", slowly)
    link = issue(sessions, gateway, now=now)
    with sessions.read() as session:
        payment = payment_of(session, link.reference)
        assert payment.status == "open"
        assert [one.state for one in payment.links] == ["open"]


def test_messages_and_mails_that_were_put_off_are_taken_up(sessions, gateway, links, now):
    late = now + 3_650 * DAY
    message = Message("ikhokha", "/hook", {"ik-sign": "good"}, b"unknown SUCCESS", late)
    with sessions.begin() as session:
        inbox.accept(session, message, gateway.read_event("/hook", message.headers, message.body))
        session.add(
            OutboxMail(
                key="x", recipient="zola@example.org", subject="s", body="b", message_id="<1@x>",
                state="queued", created_at=late, next_try_at=late,
            )
        )  # fmt: skip
    sent = []
    Worker(sessions, {"ikhokha": gateway}, sent.append, "desk@example.org").round(now=now)
    assert [mail["To"] for mail in sent] == ["zola@example.org"]
    with sessions.read() as session:
        assert session.scalars(select(InboxEvent)).one().attempts == 1


def test_an_hour_that_is_waited_for_rightly_is_left_alone(sessions, gateway, links, now):
    with sessions.begin() as session:
        for link in session.scalars(select(Link)):
            link.next_ask_at = now + HOUR
    worker(sessions, gateway).round(now=now)
    assert gateway.asked == []


def test_the_worker_says_that_it_is_alive_after_the_clock_was_set_back(sessions, gateway, now):
    work = worker(sessions, gateway)
    work.round(now=now + DAY)
    work.round(now=now)
    work.round(now=now + 2 * HEARTBEAT)
    with sessions.read() as session:
        assert pulse(session).seen_at == now + 2 * HEARTBEAT


def test_an_alert_of_a_time_to_come_is_over_when_it_is(sessions, now):
    with sessions.begin() as session:
        alerts.settle(session, [Alarm(Kind.DISK, Severity.BAD, "The disk is full.")], now=now + DAY)
        alerts.settle(session, [], now=now)
        assert session.scalars(select(Alert)).one().resolved_at == now


def test_a_link_is_never_ended_by_the_clock(sessions, gateway, links, now):
    """Ten years of rounds, a few a year: only the gateway's word moves a payment."""
    work = worker(sessions, gateway)
    rounds(work, now, 5 * MINUTE)
    before = statuses(sessions)
    rounds(work, now + DAY, 3_650 * DAY, every=120 * DAY)
    assert statuses(sessions) == before
    with sessions.read() as session:
        assert {case.reason for case in session.scalars(select(Case))} <= {"stuck_pending", "duplicate"}
    gateway.says(links[3].gateway_reference, Answer.PAID, "PAID")
    rounds(work, now + 3_700 * DAY, DAY, every=HOUR)
    with sessions.read() as session:
        assert payment_of(session, links[3].reference).status == "paid"


# -- locks ------------------------------------------------------------------------------------------------


NOBODY = "nobody@example.org"


def guess(sessions, now, steady):
    return signin.sign_in(sessions, NOBODY, "a wrong password", visitor=HOME, now=now, steady=steady)


def fail_often(sessions, at):
    """So often that an account is locked for the longest time."""
    with sessions.begin() as session:
        for _ in range(30):
            session.add(
                SignInAttempt(
                    email_hash=guesses.hash_of(NOBODY), address="203.0.113.1", at=at, succeeded=False
                )
            )


@pytest.mark.parametrize("jump", [*JUMPS, *(-jump for jump in JUMPS)], ids=str)
def test_a_jump_unlocks_nobody(sessions, now, jump):
    fail_often(sessions, now)
    with pytest.raises(NotAllowed):
        guess(sessions, now + jump, now + 14 * MINUTE)


def test_attempts_of_a_time_to_come_lock_no_longer_than_others(sessions, now):
    """A desk started anew, after a clock that was ten years ahead was set right."""
    fail_often(sessions, now + JUMPS[-1])
    with pytest.raises(NotAllowed):
        guess(sessions, now, now)
    assert guess(sessions, now, now + 15 * MINUTE) is None


@pytest.fixture
def admin(sessions, now):
    with sessions.begin() as session:
        return staff.create_person(
            session, SYSTEM, name="Thandi", email="thandi@example.org", role=Role.ADMIN, events=None, now=now
        )


def in_by_link(sessions, admin, made, used):
    with sessions.begin() as session:
        token = signin_links.make_sign_in_link(session, SYSTEM, admin.id, now=made)
    return signin_links.sign_in_by_link(sessions, token, visitor=HOME, now=used)


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_session_of_a_clock_that_was_ahead_does_not_last_until_then(sessions, admin, now, jump):
    token = in_by_link(sessions, admin, now + jump, now + jump)
    assert signin.who(sessions, token, now=now + jump, active=True) is not None
    assert signin.who(sessions, token, now=now, active=True) is None


@pytest.mark.parametrize("jump", JUMPS, ids=str)
def test_a_sign_in_link_of_a_clock_that_was_ahead_does_not_last_until_then(sessions, admin, now, jump):
    with pytest.raises(NotFound):
        in_by_link(sessions, admin, now + jump, now)


def test_the_steady_clock_goes_on_from_the_time_of_its_start():
    began = datetime.now(UTC)
    clock = steady_clock()
    first, second = clock(), clock()
    assert timedelta(0) <= first - began < 5 * SECOND
    assert first <= second


# -- the edges of days --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "at, day",
    [
        pytest.param(datetime(2026, 11, 23, 21, 59, 59, 999_000, UTC), date(2026, 11, 23), id="23:59:59.999"),
        pytest.param(datetime(2026, 11, 23, 22, 0, tzinfo=UTC), date(2026, 11, 24), id="midnight"),
        pytest.param(datetime(2028, 2, 28, 22, 0, tzinfo=UTC), date(2028, 2, 29), id="29 February begins"),
        pytest.param(datetime(2028, 2, 29, 21, 59, 59, 999_000, UTC), date(2028, 2, 29), id="and ends"),
        pytest.param(datetime(2028, 2, 29, 22, 0, tzinfo=UTC), date(2028, 3, 1), id="1 March"),
        pytest.param(datetime(2027, 2, 28, 22, 0, tzinfo=UTC), date(2027, 3, 1), id="no leap year"),
    ],
)
def test_money_is_of_the_day_it_came_on_in_johannesburg(sessions, gateway, at, day):
    assert dates.business_day(at) == day
    link = issue(sessions, gateway, now=at - MINUTE)
    with sessions.begin() as session:
        payment = payment_of(session, link.reference)
        lifecycle.receive(
            session, payment, kind="cash", source_reference="till-1", amount=payment.amount,
            now=at, source=Source.DESK, actor="Thandi",
        )  # fmt: skip
        assert payment.status == Status.PAID
        assert payment.paid_at == at
    span = dates.day_span(day)
    assert span.start <= at < span.end
    assert span.end - span.start == DAY
    with sessions.read() as session:
        taken = {
            which: overview.live(session, None, now=moment).takings.today.count
            for which, moment in (("of the day", span.end - SECOND), ("of the next", span.end))
        }
    assert [taken[which] > 0 for which in ("of the day", "of the next")] == [True, False]
