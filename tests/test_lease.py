"""Of several workers one works; and who was stopped, cut off or thought dead writes nothing afterwards."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from db.models import LeaseRow, Meta
from db.session import Sessions, open_engine
from payments.working import lease as leases
from payments.working.lease import LASTS_S, LONGEST_S, Lease, LeaseLost
from tests.running import PROJECT, demo_environ


class Ticks:
    """A clock of one process, that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def ticks() -> Ticks:
    return Ticks()


def host(sessions: Sessions, name: str, ticks: Callable[[], float], **more: float) -> Lease:
    """A worker of another host: nobody here can see whether it lives."""
    return Lease(sessions, "worker", who=f"{name}/boot/space/7/11", ticks=ticks, **more)


def write(sessions: Sessions, value: str) -> None:
    with sessions.begin() as session:
        session.merge(Meta(key="written", value=value))


def written(sessions: Sessions) -> str:
    with sessions.read() as session:
        return session.get_one(Meta, "written").value


def test_no_lease_lasts_longer_than_promised() -> None:
    assert LASTS_S <= LONGEST_S <= 20


# -- who has it ---------------------------------------------------------------------------------------


def test_the_first_has_it_and_the_second_waits_as_long_as_it_beats(sessions, ticks):
    one, two = host(sessions, "one", ticks), host(sessions, "two", ticks)
    assert one.take()
    for _ in range(10):
        assert not two.take()
        ticks.now += LASTS_S - 1
        one.renew()
    with sessions.read() as session:
        assert leases.holder(session, "worker") == leases.Holder("one", 1)


def test_who_is_not_heard_of_for_as_long_as_it_lasts_has_lost_it(sessions, ticks):
    one, two = host(sessions, "one", ticks), host(sessions, "two", ticks)
    one.take()
    assert not two.take()
    ticks.now += LASTS_S - 0.1
    assert not two.take()
    ticks.now += 0.1
    assert two.take()
    with pytest.raises(LeaseLost):
        one.renew()
    with sessions.read() as session:
        assert leases.holder(session, "worker") == leases.Holder("two", 2)


def test_of_two_who_waited_one_has_it(sessions, ticks):
    one, *others = (host(sessions, name, ticks) for name in ("one", "two", "three"))
    one.take()
    assert not any(other.take() for other in others)
    ticks.now += LASTS_S
    assert [other.take() for other in others] == [True, False]


def test_given_back_it_is_free_at_once_and_only_its_holder_gives_it_back(sessions, ticks):
    one, two, three = (host(sessions, name, ticks) for name in ("one", "two", "three"))
    one.take()
    one.give_back()
    assert two.take()
    one.give_back()
    assert not three.take()


def test_who_ended_on_this_host_is_not_waited_for(sessions, ticks):
    """Also when its number is another process's by now."""
    ended = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    here = leases.myself().rsplit("/", 2)[0]
    stat = Path(f"/proc/{ended.pid}/stat").read_text().rpartition(")")[2].split()
    one = Lease(sessions, "worker", who=f"{here}/{ended.pid}/{stat[19]}", ticks=ticks)
    two = host(sessions, "two", ticks)
    assert one.take()
    assert not two.take()
    ended.kill()
    ended.communicate()
    assert two.take()
    assert Lease(sessions, "other", who=f"{here}/{os.getpid()}/1", ticks=ticks).take()
    assert Lease(sessions, "other", ticks=ticks).take()


# -- what is written ----------------------------------------------------------------------------------


def test_who_lost_it_writes_nothing(sessions, ticks):
    one, two = host(sessions, "one", ticks), host(sessions, "two", ticks)
    one.take()
    before = one.sessions
    write(before, "by the first")
    assert not two.take()
    ticks.now += LASTS_S
    two.take()
    write(two.sessions, "by the second")
    with pytest.raises(LeaseLost):
        write(before, "too late")
    assert written(sessions) == "by the second"


def test_what_was_begun_under_a_lease_that_was_lost_ends_even_when_it_was_won_again(sessions, ticks):
    one, two = host(sessions, "one", ticks), host(sessions, "two", ticks)
    one.take()
    old = one.sessions
    one.give_back()
    two.take()
    two.give_back()
    assert one.take()
    with pytest.raises(LeaseLost):
        write(old, "of another time")
    write(one.sessions, "of now")
    assert written(sessions) == "of now"


def test_a_transaction_under_way_ends_before_another_one_has_the_lease(sessions, ticks):
    one, two = host(sessions, "one", ticks), host(sessions, "two", ticks)
    one.take()
    assert not two.take()
    ticks.now += LASTS_S
    with ThreadPoolExecutor() as pool:
        with one.sessions.begin() as session:
            session.merge(Meta(key="written", value="in time"))
            session.flush()
            taken = pool.submit(two.take)
            time.sleep(0.2)
            assert not taken.done()
        assert taken.result(10)
    assert written(sessions) == "in time"


def test_renewing_waits_for_nothing_of_its_own_on_postgres(sessions, ticks):
    """A round's transaction may be a long one; the lease is renewed beside it."""
    if sessions.engine.dialect.name == "sqlite":
        return  # it has one writer, and long transactions nowhere
    one = host(sessions, "one", ticks)
    one.take()
    with one.sessions.begin() as session, ThreadPoolExecutor() as pool:
        session.merge(Meta(key="written", value="slowly"))
        session.flush()
        pool.submit(one.renew).result(5)


@pytest.mark.postgres
def test_a_transaction_that_stands_still_is_ended_within_the_lease(postgres_desk, ticks):
    """As of a process that was stopped, or a host that was cut off, in the middle of one."""
    sessions = Sessions(open_engine(postgres_desk.url.render_as_string(hide_password=False)))
    one, two = (host(sessions, name, ticks, lasts_s=1) for name in ("one", "two"))
    assert one.take()
    assert not two.take()
    ticks.now += 1
    with pytest.raises(DBAPIError, match="idle-in-transaction"):
        _stand_still(one, two)
    two.give_back()
    with sessions.begin() as session:
        assert session.get(Meta, "written") is None
        session.delete(session.get_one(LeaseRow, "worker"))
    sessions.engine.dispose()


def _stand_still(one: Lease, two: Lease) -> None:
    with one.sessions.begin() as session:
        session.merge(Meta(key="written", value="never"))
        session.flush()
        assert two.take(), "it waits for the one that stands still, and has it then"
        session.execute(text("SELECT 1"))


# -- processes ----------------------------------------------------------------------------------------


@dataclass
class Worker:
    process: subprocess.Popen[bytes]
    log: Path

    def said(self, words: str, *, seconds: float = 180) -> None:
        until = time.monotonic() + seconds
        while words not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(0.1)


@contextmanager
def worker(environ: dict[str, str], log: Path) -> Iterator[Worker]:
    with log.open("wb") as out:
        command = [sys.executable, "manage.py", "worker"]
        process = subprocess.Popen(command, cwd=PROJECT, env=environ, stdout=out, stderr=out)
    try:
        yield Worker(process, log)
    finally:
        process.kill()
        process.wait()


#: Every sign of life is written down with the token it was given under.
_WATCHED = """
CREATE TABLE signs (nth BIGSERIAL, token BIGINT);
CREATE FUNCTION sign() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
  INSERT INTO signs (token) SELECT token FROM leases WHERE name = 'worker';
  RETURN NULL; END $$;
CREATE TRIGGER signed AFTER INSERT OR UPDATE ON meta FOR EACH ROW WHEN (NEW.key = 'worker_seen')
  EXECUTE FUNCTION sign();
"""


@pytest.mark.postgres
@pytest.mark.processes
@pytest.mark.parametrize("database_kind", ["postgres"])
def test_a_stopped_worker_is_replaced_and_writes_nothing_when_it_wakes(new_database, tmp_path):
    """Three seconds instead of fifteen; and then the one that works is killed."""
    url = new_database(True)
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text(_WATCHED))
    environ = demo_environ(tmp_path, DATABASE_URL=url, WORKER_LEASE_S="3")
    with ExitStack() as stack:
        both = [stack.enter_context(worker(environ, tmp_path / name)) for name in ("one.log", "two.log")]
        wait_for_sign(engine, 1)
        one, two = sorted(both, key=lambda each: "works now" not in each.log.read_text())
        two.said("this one waits")
        one.process.send_signal(signal.SIGSTOP)
        wait_for_sign(engine, 2)
        one.process.send_signal(signal.SIGCONT)
        one.said("another worker has taken over")
        two.process.kill()
        two.process.wait()
        wait_for_sign(engine, 3)
        one.process.terminate()
        assert one.process.wait(30) == 0
    with engine.connect() as connection:
        tokens = connection.scalars(text("SELECT token FROM signs ORDER BY nth")).all()
        assert connection.scalars(text("SELECT holder FROM leases")).one() == ""
    assert tokens == sorted(tokens), "somebody wrote under a lease that was another one's by then"
    assert "Traceback" not in one.log.read_text()
    engine.dispose()


def wait_for_sign(engine: Engine, token: int) -> None:
    """Until whoever took the lease for the so manieth time has said that it is alive."""
    until = time.monotonic() + 180  # on a machine with much else to do
    with engine.connect() as connection:
        while not connection.scalar(
            text("SELECT count(*) FROM signs WHERE token = :token"), {"token": token}
        ):
            connection.rollback()
            assert time.monotonic() < until, f"nobody wrote under the lease's token {token}"
            time.sleep(0.1)
