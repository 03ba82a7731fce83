"""The gateways' door under attack, out of luck and out of patience: nothing acknowledged is ever lost."""

import asyncio
import random
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager

import pytest
from sqlalchemy import select, text
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

import deadlines
import webhook
from db.models import InboxEvent
from payments.hearing.intake import Intake
from tests.hook import (
    ENVIRON,
    PATH,
    event,
    listens,
    process,
    read_reply,
    request,
    run_apart,
    said_by,
    scribe_of,
    serving,
    signed,
    wait_until,
)
from tests.nursery import nursery
from tests.ports import free_port
from tests.senders import Senders

pytestmark = pytest.mark.processes


def bodies_kept(sessions) -> set[bytes]:
    with sessions.read() as session:
        return set(session.scalars(select(InboxEvent.body)))


# -- death --------------------------------------------------------------------------------------------


@pytest.mark.timeout(3_600)  # --kills 200
def test_kill_minus_nine_under_load_loses_no_acknowledged_event(
    database_kind, database_url, sessions, pytestconfig, tmp_path
):
    dice = random.Random(2026)
    acknowledged: list[bytes] = []
    kills = pytestconfig.getoption("--kills")
    with nursery("webhook:main", **ENVIRON, DATABASE_URL=database_url, DATA_DIR=str(tmp_path)) as hooks:
        for kill in range(kills if database_kind == "sqlite" else max(1, kills // 3)):
            port = free_port()
            with hooks.child(WEBHOOK_PORT=str(port)) as child:
                wait_until(lambda port=port: listens(port), seconds=90)
                if kill % 2:  # else its own thread still writes
                    wait_until(lambda port=port: scribe_of(port), seconds=90)
                senders = Senders(port, f"kill{kill}")
                time.sleep(0.05 + dice.random() / 3)
                child.kill()
                child.wait(10)
                senders.stop()
            acknowledged += senders.acknowledged
    print(f"{kill + 1} kills: {len(acknowledged)} acknowledged")
    assert len(acknowledged) > 5 * (kill + 1)
    assert set(acknowledged) <= bodies_kept(sessions)


@pytest.mark.timeout(3_600)  # --stops 50
def test_told_to_stop_under_load_it_answers_what_it_took_and_leaves_in_time(
    database_url, sessions, pytestconfig
):
    dice = random.Random(2026)
    acknowledged: list[bytes] = []
    stops, longest = pytestconfig.getoption("--stops"), 0.0
    for stop in range(stops):
        port = free_port()
        with process(database_url, port) as child:
            if stop % 2:
                wait_until(lambda port=port: scribe_of(port), seconds=90)
            senders = Senders(port, f"stop{stop}")
            time.sleep(0.1 + dice.random() / 2)
            told = time.monotonic()
            child.send_signal(signal.SIGTERM)
            child.wait(15)
            longest = max(longest, time.monotonic() - told)
            senders.stop()
        acknowledged += senders.acknowledged
        assert senders.statuses <= {200, 0}
    print(f"{stops} stops: {len(acknowledged)} acknowledged, the slowest took {longest:.1f} s")
    assert len(acknowledged) > 5 * stops
    assert set(acknowledged) <= bodies_kept(sessions)


def test_it_does_not_start_on_a_database_without_its_tables(empty_database_url):
    with process(empty_database_url, free_port()) as child:
        assert child.wait(20) == 1
        assert "manage.py migrate" in said_by(child)


# -- a database that does not answer ------------------------------------------------------------------


@contextmanager
def locked(sessions):
    with sessions.begin() as session:
        on_postgres = session.get_bind().dialect.name == "postgresql"
        session.execute(text("LOCK TABLE inbox IN ACCESS EXCLUSIVE MODE" if on_postgres else "SELECT 1"))
        yield


def test_a_locked_database_is_a_503_in_time_and_resending_brings_everything(database_url, sessions):
    bodies = [event(link=f"locked{nth}") for nth in range(60)]

    def post(body: bytes, after: float):
        time.sleep(after)
        began = time.monotonic()
        return body, hook.post(body), time.monotonic() - began

    with serving(database_url) as hook, ThreadPoolExecutor(60) as senders:
        with locked(sessions):
            waiting = [senders.submit(post, body, nth * 5 / 60) for nth, body in enumerate(bodies)]
            time.sleep(6)
        answers = [one.result() for one in waiting]
        assert max(took for _, _, took in answers) < 5
        assert {reply.status for _, reply, _ in answers} <= {200, 503}
        refused = [body for body, reply, _ in answers if reply.status == 503]
        assert len(refused) > 10  # those of the first second, whatever the machine does meanwhile
        assert {reply.headers["retry-after"] for _, reply, _ in answers if reply.status == 503} == {"5"}
        assert {body for body, reply, _ in answers if reply.status == 200} <= bodies_kept(sessions)
        assert {hook.post(body).status for body in refused} == {200}
        assert bodies_kept(sessions) == set(bodies)
        assert hook.get("/readyz").status == 200


def test_a_locked_database_makes_the_hook_unready_and_its_pages_still_show(database_url, sessions):
    with serving(database_url) as hook, locked(sessions):
        reply = hook.get("/readyz")
        if reply.status == 503:  # PostgreSQL locks a table, SQLite the whole database
            assert "cannot be written" in reply.json["faults"][0]
        assert hook.get("/healthz").status == 200


def test_who_gave_up_waiting_is_not_written_for(sessions):
    async def give_up(intake: Intake) -> list[str]:
        written: list[str] = []
        gone = asyncio.create_task(intake.write(lambda _: written.append("gone")))
        here = asyncio.create_task(intake.write(lambda _: written.append("here")))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        intake.start()
        await here
        await asyncio.to_thread(intake.close)
        return written

    assert run_apart(give_up(Intake(sessions))) == ["here"]


# -- slow senders -------------------------------------------------------------------------------------


def hurried(base: type) -> type:
    """The door's protocol with seconds made short, on either of uvicorn's parsers."""
    return type("Hurried", (deadlines.Hurry, base), {"HEAD_S": 0.5, "WHOLE_S": 1.0})


@pytest.fixture(params=[pytest.param(HttpToolsProtocol, id="httptools"), pytest.param(H11Protocol, id="h11")])
def short_hook(request, sqlite_template, tmp_path):
    path = tmp_path / "desk.db"
    path.write_bytes(sqlite_template.read_bytes())
    with serving(f"sqlite:///{path}", protocol=hurried(request.param)) as running:
        yield running


GOOD = event()
WHOLE = request(GOOD, signed(GOOD))
_CRAWLS = {
    "nothing": (b"", b"", 1.0),
    "half a line": (b"POST /web", b"", 1.0),
    "a head that drips": (b"POST /webhooks/ikhokha HTTP/1.1\r\nX: ", b"a", 1.0),
    "empty lines": (b"\r\n", b"\r\n", 1.0),
    "no body": (WHOLE[: -len(GOOD)], b"", 1.5),
    "a body that drips": (WHOLE[: -len(GOOD)], b" ", 1.5),
    "a request, then a head that drips": (WHOLE + b"POST /", b"a", 1.6),
    "a request, then empty lines": (WHOLE, b"\r\n", 1.1),
    "a request, then a body that drips": (WHOLE * 2 + WHOLE[: -len(GOOD)], b" ", 1.6),
}


@pytest.mark.parametrize("name", _CRAWLS)
def test_a_sender_that_crawls_is_cut_off(short_hook, name):
    start, drip, within = _CRAWLS[name]
    with closing(socket.create_connection(("127.0.0.1", short_hook.port), timeout=0.05)) as connection:
        began = time.monotonic()
        connection.sendall(start)
        while _is_open(connection, drip):
            assert time.monotonic() - began < within * 4


def _is_open(connection: socket.socket, drip: bytes) -> bool:
    try:
        connection.sendall(drip)
        return connection.recv(65_536) != b""
    except TimeoutError:
        return True
    except OSError:
        return False


def test_one_who_keeps_a_connection_is_served_again_and_again(short_hook):
    with closing(socket.create_connection(("127.0.0.1", short_hook.port), timeout=5)) as connection:
        for _ in range(8):
            connection.sendall(WHOLE[:100])
            time.sleep(0.2)  # in all longer than one request may take
            connection.sendall(WHOLE[100:])
            assert read_reply(connection).status == 200


def test_the_real_seconds_are_five_and_ten():
    assert (webhook.HurriedHttp.HEAD_S, webhook.HurriedHttp.WHOLE_S) == (5, 10)


def test_a_thousand_slow_connections_do_not_slow_an_honest_one(short_hook):
    slow = [socket.create_connection(("127.0.0.1", short_hook.port), timeout=5) for _ in range(1_000)]
    try:
        for nth, connection in enumerate(slow):
            connection.sendall((b"POST /web", WHOLE[: -len(GOOD)])[nth % 2])
        began = time.monotonic()
        assert short_hook.post(GOOD).status == 200
        assert time.monotonic() - began < 2
        time.sleep(1.5)
        assert [connection for connection in slow if not _is_gone(connection)] == []
    finally:
        for connection in slow:
            connection.close()


def _is_gone(connection: socket.socket) -> bool:
    """The server hung up, politely or not."""
    try:
        return connection.recv(1_000) == b""
    except ConnectionResetError:
        return True


def test_a_head_without_end_is_cut_off_by_size(short_hook):
    with closing(socket.create_connection(("127.0.0.1", short_hook.port), timeout=5)) as connection:
        connection.sendall(f"POST {PATH} HTTP/1.1\r\n".encode())
        line = b"X-Filler: " + b"a" * 8_000 + b"\r\n"
        sent = 0
        while sent < 100_000_000 and _took(connection, line):
            sent += len(line)
    assert sent < 20_000_000  # what the kernel's buffers hold, and no more


def _took(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True


def test_a_body_of_a_gibibyte_is_refused_before_it_is_sent(short_hook):
    began = time.monotonic()
    reply = short_hook.send(request(b"", {"Content-Length": str(1 << 30), "Expect": "100-continue"}))
    assert (reply.status, reply.headers["connection"]) == (413, "close")
    assert time.monotonic() - began < 0.4
