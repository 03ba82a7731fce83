"""The process that writes messages: what it says is written is, and it may die at any moment."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from sqlalchemy import func, select

from db import scribe as scribes
from db.models import InboxEvent
from db.scribe import Scribe
from db.session import Sessions
from payments.errors import NotKept
from payments.gateways import GatewayEvent
from payments.hearing import inbox
from payments.hearing.inbox import Message
from payments.hearing.intake import Intake
from tests.hook import PATH, lives, process, run_apart, scribe_of, wait_until
from tests.ports import free_port
from tests.senders import Senders

pytestmark = pytest.mark.processes

Arrive = Callable[..., list[inbox.Arrived]]


@pytest.fixture
def arrive(now) -> Arrive:
    def messages(name: str, count: int, word: str = "SUCCESS") -> list[inbox.Arrived]:
        event = GatewayEvent("link00000000001", None, word, "00")
        return [(Message("ikhokha", PATH, {}, f"{name} {nth}".encode(), now), event) for nth in range(count)]

    return messages


@asynccontextmanager
async def at_work(sessions: Sessions) -> AsyncIterator[Scribe]:
    scribe = Scribe(sessions.engine, busy_timeout_s=3, still_s=5)
    await scribe.start()
    try:
        await until(lambda: scribe.pid)
        yield scribe
    finally:
        await scribe.close()


async def until(done: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not done():
            await asyncio.sleep(0.01)


def kept(sessions: Sessions) -> int:
    with sessions.read() as session:
        return session.scalar(select(func.count(InboxEvent.id))) or 0


def test_another_process_writes_and_tells_the_ids(sessions, arrive):
    dialect, three = sessions.engine.dialect, arrive("one", 3)

    async def work() -> list[int]:
        async with at_work(sessions) as scribe:
            assert scribe.pid != os.getpid()
            first = await scribe.write(*inbox.insertion(three, dialect))
            again = await scribe.write(*inbox.insertion([three[0], three[0]], dialect))
            return inbox.ids_of([*three, three[0]], [*first, *again])

    *ids, repeated = run_apart(work())
    with sessions.read() as session:
        rows = {row.body: row for row in session.scalars(select(InboxEvent))}
    assert ids == [rows[message.body].id for message, _ in three]
    assert repeated == ids[0]
    assert [rows[message.body].seen_count for message, _ in three] == [3, 1, 1]


def test_the_next_statement_is_there_before_the_last_one_is_written(sessions, arrive):
    """Each gets its own answer: one between them that cannot be written, and those it dies with, too."""
    dialect = sessions.engine.dialect

    async def work() -> tuple[list[object], list[object]]:
        async with at_work(sessions) as scribe:

            async def write(name: str, word: str = "SUCCESS") -> object:
                arrived = arrive(name, 2, word)
                rows = await scribe.write(*inbox.insertion(arrived, dialect))
                return rows and inbox.ids_of(arrived, rows)

            written = await asyncio.gather(write("a"), write("bad", "\ud800"), write("c"))
            os.kill(scribe.pid, signal.SIGSTOP)
            lost = [asyncio.create_task(write(name)) for name in ("d", "e")]
            await asyncio.sleep(0)
            os.kill(scribe.pid, signal.SIGKILL)
            return written, await asyncio.gather(*lost)

    (first, bad, last), lost = run_apart(work())
    with sessions.read() as session:
        ids = {row.body.decode(): row.id for row in session.scalars(select(InboxEvent))}
    assert first == [ids["a 0"], ids["a 1"]]
    assert bad is None
    assert last == [ids["c 0"], ids["c 1"]]
    assert lost == [None, None]


def test_a_batch_waits_at_the_scribe_while_it_writes_another_and_the_next_ones_are_together(sessions, arrive):
    class Slow:
        pid = 1

        def __init__(self) -> None:
            self.batches: list[asyncio.Future[None]] = []

        async def write(self, _statement: str, _values: object) -> None:
            self.batches.append(asyncio.get_running_loop().create_future())
            await self.batches[-1]  # and then nobody knows whether it was written

    async def work() -> list[int]:
        slow, sizes = Slow(), []
        intake = Intake(sessions, slow)  # type: ignore[arg-type]
        intake.start()
        tasks = []
        for nth, (message, event) in enumerate(arrive("one by one", 10)):
            tasks.append(asyncio.create_task(intake.accept(message, event)))
            await until(lambda nth=nth: len(slow.batches) + intake.waiting == nth + 1)
            sizes.append(len(slow.batches))
        assert intake.busy
        slow.batches[0].set_result(None)
        await until(lambda: len(slow.batches) == 3)
        assert intake.waiting == 0
        for batch in slow.batches[1:]:
            batch.set_result(None)
        await asyncio.gather(*tasks)
        await asyncio.to_thread(intake.close)
        return sizes

    assert run_apart(work()) == [1] + [2] * 9
    assert kept(sessions) == 10


def test_what_it_cannot_write_it_leaves_to_who_asked_and_goes_on(sessions, arrive):
    dialect = sessions.engine.dialect

    async def work() -> list[object]:
        async with at_work(sessions) as scribe:
            bad = await scribe.write(*inbox.insertion(arrive("bad", 2, "\ud800"), dialect))
            good = await scribe.write(*inbox.insertion(arrive("good", 2), dialect))
            return [bad, len(good or ())]

    assert run_apart(work()) == [None, 2]
    assert kept(sessions) == 2


def test_one_that_cannot_be_written_fails_alone_and_the_others_are_kept(sessions, arrive):
    batch = [*arrive("a", 10), *arrive("bad", 1, "\ud800"), *arrive("b", 10)]

    async def work() -> list[object]:
        async with at_work(sessions) as scribe:
            return await _accepted(Intake(sessions, scribe), batch)

    answers = run_apart(work())
    assert [nth for nth, answer in enumerate(answers) if isinstance(answer, NotKept)] == [10]
    assert kept(sessions) == 20


async def _accepted(intake: Intake, arrived: list[inbox.Arrived]) -> list[object]:
    intake.start()
    try:
        waiting = (intake.accept(message, event) for message, event in arrived)
        return await asyncio.gather(*waiting, return_exceptions=True)
    finally:
        await asyncio.to_thread(intake.close)


def test_it_dies_in_the_middle_and_nobody_notices(sessions, arrive, monkeypatch, caplog):
    """Whoever waits is answered by the thread, and another scribe goes on."""
    monkeypatch.setattr(scribes, "AGAIN_AFTER_S", 0)

    async def work() -> list[object]:
        async with at_work(sessions) as scribe:
            intake, first = Intake(sessions, scribe), scribe.pid
            started = asyncio.create_task(_accepted(intake, arrive("many", 600)))
            await asyncio.sleep(0)
            os.kill(first, signal.SIGKILL)
            answers = await started
            await until(lambda: scribe.pid not in (None, first))
            later = await scribe.write(*inbox.insertion(arrive("later", 1), sessions.engine.dialect))
            return [*answers, later[0][0]]

    ids = run_apart(work())
    with sessions.read() as session:
        assert sorted(session.scalars(select(InboxEvent.id))) == sorted(ids)
    assert len(ids) == 601
    assert "has ended" in caplog.text


def test_one_that_says_nothing_is_ended(sessions, arrive, monkeypatch):
    monkeypatch.setattr(scribes, "PATIENCE_S", 0.2)

    async def work() -> object:
        async with at_work(sessions) as scribe:
            os.kill(scribe.pid, signal.SIGSTOP)
            return await scribe.write(*inbox.insertion(arrive("stopped", 1), sessions.engine.dialect))

    assert run_apart(work()) is None


def test_told_to_stop_with_all_others_it_goes_on_until_the_hook_has_ended(sessions, arrive):
    async def work() -> tuple[int, object]:
        async with at_work(sessions) as scribe:
            pid = scribe.pid
            os.kill(pid, signal.SIGTERM)
            os.kill(pid, signal.SIGINT)
            return pid, await scribe.write(*inbox.insertion(arrive("last", 1), sessions.engine.dialect))

    pid, written = run_apart(work())
    assert len(written) == 1
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_under_load_the_hook_does_not_notice_that_its_scribe_is_killed(database_url, sessions, so_often):
    port = free_port()
    with process(database_url, port) as hook:
        killed = set()
        senders = Senders(port, "scribe")
        for _ in range(so_often(1, 5)):
            wait_until(lambda: scribe_of(port) not in {None, *killed}, seconds=60)
            killed.add(scribe_of(port))
            os.kill(scribe_of(port), signal.SIGKILL)
        wait_until(lambda: scribe_of(port) not in {None, *killed}, seconds=60)
        last = scribe_of(port)
        hook.kill()
        senders.stop()
    wait_until(lambda: not lives(last))
    assert senders.statuses <= {200, 0}
    assert len(senders.acknowledged) > 20
    with sessions.read() as session:
        assert set(senders.acknowledged) <= set(session.scalars(select(InboxEvent.body)))
