"""What PostgreSQL is given to do ends in time, and what it broke off for another's sake is done anew."""

from collections.abc import Callable
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from db import backup, migrate
from db.models import Payment
from db.session import BEGUN_ANEW, Sessions, code_of, open_engine, reads_much, takes_long
from payments import holding
from payments.books import integrity
from payments.finding import as_of
from payments.keeping import upgrading
from payments.watching import health
from tests.desk import issue, make_event

postgres_only = pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)


def limit(session: Any) -> str:
    return str(session.scalar(text("SHOW statement_timeout")))


# -- no statement goes on for ever -------------------------------------------------------------------


@postgres_only
@pytest.mark.parametrize(
    "told, limits",
    [({}, "15s"), ({"busy_timeout_s": 3}, "15s"), ({"busy_timeout_s": 20}, "25s"), ({"statement_s": 0}, "0")],
    ids=["the desk's", "the hook's", "who waits longer for a lock", "who does nothing else"],
)
def test_a_statement_has_its_time(database_url, told, limits):
    engine = open_engine(database_url, **told)
    with engine.connect() as connection:
        assert limit(connection) == limits
    engine.dispose()


@postgres_only
def test_what_is_known_to_be_long_may_be_and_what_comes_after_it_may_not(sessions, now):
    for begins in (takes_long, reads_much, integrity.examine):
        with sessions.read() as session:
            begins(session)
            assert limit(session) == "10min", begins
    with as_of.read(sessions, now, now=now) as session:
        assert limit(session) == "10min"
    with sessions.read() as session:
        assert limit(session) == "15s"


@postgres_only
def test_what_is_of_no_use_by_half_takes_as_long_as_it_takes(empty_database_url, monkeypatch, tmp_path):
    """Migrations, and with them moving a desk; the totals of an upgrade; the count of what is backed up."""
    engine = open_engine(empty_database_url)
    with engine.begin() as connection:
        migrate.build(connection)
        assert limit(connection) == "0"
    seen: list[str] = []
    monkeypatch.setattr(upgrading.totals, "months", lambda session: seen.append(limit(session)) or [])
    upgrading.upgrade(Sessions(engine))
    monkeypatch.setattr(backup, "_run", lambda *_: None)
    monkeypatch.setattr(backup, "count", lambda connection: seen.append(limit(connection)) or {})
    backup.copy(engine, tmp_path / "copy")
    assert seen == ["10min", "10min"]
    engine.dispose()


def trouble(sessions: Sessions, work: Callable[[Session], Any]) -> DBAPIError:
    with pytest.raises(DBAPIError) as caught:
        sessions.run(work)
    return caught.value


@postgres_only
def test_what_takes_too_long_is_a_sentence_with_a_next_step(sessions):
    """And nobody waits for it to come back by itself: it would be asked for anew."""

    def sleep(session: Session) -> None:
        session.execute(text("SET LOCAL statement_timeout = '0.1s'"))
        session.execute(text("SELECT pg_sleep(20)"))

    error = trouble(sessions, sleep)
    assert code_of(error) == "57014"
    assert health.told(error) == health.TOO_LONG
    assert "Ask for less" in health.TOO_LONG


@postgres_only
def test_what_somebody_else_holds_is_a_sentence_with_a_next_step(sessions, gateway, now):
    reference = two_payments(sessions, gateway, now)[0]

    def take(session: Session) -> None:
        session.execute(text("SET LOCAL lock_timeout = '0.1s'"))
        holding.payment(session, reference)

    with sessions.begin() as session:
        holding.payment(session, reference)
        error = trouble(sessions, take)
    assert health.told(error) == health.HELD
    assert "Try again" in health.HELD


# -- a deadlock --------------------------------------------------------------------------------------


def two_payments(sessions: Sessions, gateway: Any, now: Any) -> list[int]:
    with sessions.begin() as session:
        make_event(session, now=now)
    for _ in range(2):
        issue(sessions, gateway, now=now)
    with sessions.read() as session:
        return list(session.scalars(select(Payment.id).order_by(Payment.id)))


def crosswise(sessions: Sessions, ids: list[int], run: Callable[..., None]) -> list[DBAPIError]:
    """Two who hold both payments, each beginning with the other's second; what went wrong."""
    met, troubles = Barrier(2, timeout=30), []

    def work(order: list[int]) -> None:
        begun: list[int] = []  # the second time nobody waits for the other

        def both(session: Session) -> None:
            first = holding.payment(session, order[0])
            begun.append(first.id)
            if len(begun) == 1:
                met.wait()
            for payment in (first, holding.payment(session, order[1])):
                payment.note += "held "

        try:
            run(sessions, both)
        except DBAPIError as error:
            troubles.append(error)

    threads = [Thread(target=work, args=(order,)) for order in (ids, ids[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return troubles


def in_a_block(sessions: Sessions, work: Callable[[Session], None]) -> None:
    with sessions.begin() as session:
        work(session)


@postgres_only
def test_who_is_broken_off_so_that_another_can_go_on_begins_anew(sessions, gateway, now):
    """It is a deadlock: without beginning anew, one of them fails."""
    ids = two_payments(sessions, gateway, now)
    assert [code_of(error) for error in crosswise(sessions, ids, in_a_block)] == ["40P01"]
    assert crosswise(sessions, ids, Sessions.run) == []
    with sessions.read() as session:
        assert session.scalars(select(Payment.note)).all() == ["held held held "] * 2


@pytest.mark.parametrize(
    "code, times", [("40P01", 1 + BEGUN_ANEW), ("40001", 1 + BEGUN_ANEW), ("55P03", 1), ("57014", 1)]
)
def test_it_begins_anew_three_times_and_for_nothing_else(sessions, code, times, monkeypatch):
    paused: list[float] = []
    monkeypatch.setattr("db.session.time.sleep", paused.append)
    seen: list[int] = []

    def work(session: Session) -> None:
        seen.append(1)
        session.execute(text("SELECT 1"))
        error = Exception("somebody else")
        error.sqlstate = code  # type: ignore[attr-defined]
        raise OperationalError("a statement", {}, error)

    trouble(sessions, work)
    assert len(seen) == times
    assert len(set(paused)) == times - 1  # each of its own length


def test_what_is_run_is_kept_and_told_or_neither(sessions, now):
    event = sessions.run(lambda session: make_event(session, now=now))
    assert event is not None

    def half(session: Session) -> None:
        make_event(session, code="second", now=now)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        sessions.run(half)
    with sessions.read() as session:
        assert session.scalar(text("SELECT count(*) FROM events")) == 1
