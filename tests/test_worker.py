"""The worker's rounds: what is due is done, trouble is told once, and it says that it is alive."""

import logging
from datetime import timedelta

import pytest
from sqlalchemy import select

from db.session import Sessions, open_engine
from payments import dates
from payments.errors import GatewayUnavailable
from payments.gateways import Answer
from payments.working.worker import MISSED, SWEEP_AGAIN, Worker, pulse
from tests.desk import FakeGateway, issue, make_event, payment_of

AWAY = GatewayUnavailable("The gateway cannot be reached.")


@pytest.fixture
def gateway(sessions, now) -> FakeGateway:
    with sessions.begin() as session:
        make_event(session, now=now)
    return FakeGateway()


def worker(sessions: Sessions, gateway: FakeGateway, sent: list | None = None) -> Worker:
    transport = None if sent is None else sent.append
    return Worker(sessions, {"ikhokha": gateway}, transport, "Desk <desk@example.org>")


def test_a_round_finds_what_was_paid_and_sends_its_confirmation(sessions, gateway, now):
    link, sent = issue(sessions, gateway, now=now), []
    gateway.says(link.gateway_reference, Answer.PAID, "PAID")
    work = worker(sessions, gateway, sent)
    work.round(now=now + timedelta(minutes=1))
    with sessions.read() as session:
        assert payment_of(session, link.reference).status == "paid"
    assert [message["To"] for message in sent] == ["zanele@example.org"]
    work.round(now=now + timedelta(minutes=2))
    assert len(sent) == 1


def test_without_an_address_for_mail_it_waits_unsent(sessions, gateway, now):
    link = issue(sessions, gateway, now=now)
    gateway.says(link.gateway_reference, Answer.PAID, "PAID")
    worker(sessions, gateway).round(now=now + timedelta(minutes=1))
    sent: list = []
    worker(sessions, gateway, sent).round(now=now + timedelta(minutes=2))
    assert len(sent) == 1


def test_a_worker_is_alive_while_it_is_seen(sessions, gateway, now):
    with sessions.read() as session:
        assert not pulse(session).alive(now=now)
    worker(sessions, gateway).round(now=now)
    with sessions.read() as session:
        assert pulse(session).alive(now=now + timedelta(seconds=10))
        assert not pulse(session).alive(now=now + MISSED)


def test_trouble_is_told_when_it_changes_and_not_each_round(sessions, gateway, now, caplog):
    """A link is asked about at 1, 2 and 4 minutes, in vain; the rounds between ask nothing."""
    caplog.set_level(logging.WARNING)
    link = issue(sessions, gateway, now=now)
    work = worker(sessions, gateway)
    work.round(now=now)
    gateway.failing = AWAY
    for seconds in range(55, 300, 5):
        work.round(now=now + timedelta(seconds=seconds))
    assert gateway.asked.count(link.gateway_reference) == 3
    with sessions.read() as session:
        assert pulse(session).trouble == str(AWAY)
    gateway.failing = None
    work.round(now=now + timedelta(minutes=10))
    with sessions.read() as session:
        assert pulse(session).trouble == ""
    assert [record.getMessage() for record in caplog.records] == [f"trouble {AWAY}", "trouble is over"]


def test_a_restart_tells_the_trouble_that_is_still_there(sessions, gateway, now):
    gateway.history = _away  # type: ignore[method-assign]
    for minute in (0, 1):
        worker(sessions, gateway).round(now=now + timedelta(minutes=minute))
        with sessions.read() as session:
            assert pulse(session).trouble == str(AWAY)


# -- the history ------------------------------------------------------------------------------------


def test_the_history_finds_a_payment_whose_link_is_not_due(sessions, gateway, now):
    link = issue(sessions, gateway, now=now)
    gateway.says(link.gateway_reference, Answer.PAID, "PAID")
    worker(sessions, gateway).round(now=now + timedelta(seconds=5))
    assert gateway.asked == []
    with sessions.read() as session:
        assert payment_of(session, link.reference).status == "paid"


def test_the_history_is_swept_once_a_business_day_whoever_runs(sessions, gateway, now):
    swept = _count_sweeps(gateway)
    for hours in (0, 1, 5):
        worker(sessions, gateway).round(now=now + timedelta(hours=hours))
    assert len(swept) == 1
    midnight = dates.day_span(dates.business_day(now)).end
    work = worker(sessions, gateway)
    for moment in (midnight - timedelta(seconds=1), midnight, midnight + timedelta(hours=3)):
        work.round(now=moment)
    assert len(swept) == 2


def test_a_sweep_that_failed_is_made_up_for(sessions, gateway, now):
    kept, gateway.history = gateway.history, _away  # type: ignore[method-assign]
    work = worker(sessions, gateway)
    work.round(now=now)
    gateway.history = kept  # type: ignore[method-assign]
    swept = _count_sweeps(gateway)
    work.round(now=now + SWEEP_AGAIN - timedelta(seconds=1))
    assert swept == []
    work.round(now=now + SWEEP_AGAIN)
    assert len(swept) == 1


def _away(*_: object) -> list:
    raise AWAY


def _count_sweeps(gateway: FakeGateway) -> list:
    asked, kept = [], gateway.history

    def history(first, last):
        asked.append((first, last))
        return kept(first, last)

    gateway.history = history  # type: ignore[method-assign]
    return asked


# -- the database -----------------------------------------------------------------------------------


def test_a_database_that_is_busy_stops_no_worker(tmp_path, sqlite_template, now, caplog):
    """Somebody holds the write lock for longer than the worker waits; the next round works again."""
    database = tmp_path / "desk.db"
    database.write_bytes(sqlite_template.read_bytes())
    engine, other = (open_engine(f"sqlite:///{database}", busy_timeout_s=seconds) for seconds in (0, 10))
    work = worker(Sessions(engine), FakeGateway())
    with Sessions(other).begin() as session:
        session.execute(select(1))  # a writer's transaction begins with its first statement
        work.round(now=now)
    assert "database is locked" in caplog.text
    work.round(now=now + timedelta(seconds=1))
    with Sessions(engine).read() as session:
        assert pulse(session).alive(now=now + timedelta(seconds=1))
    engine.dispose()
    other.dispose()
