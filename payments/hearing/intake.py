"""Accepting what gateways send: messages that wait together are committed together, then answered.

A scribe, another process, writes messages: one and whatever else already waits, without a timer. A quiet
desk commits each at once, a busy one shares a sync of the disk among hundreds. One thread of ours writes
all else, and messages too while no scribe can. A future is resolved only after its COMMIT. What was kept and
answered then rings: ``Bells`` ask the gateway.
"""

import asyncio
import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from math import inf
from queue import Empty, Full, Queue, SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from sqlalchemy.exc import InterfaceError, OperationalError
from sqlalchemy.orm import Session

from db.scribe import Scribe
from db.session import Sessions
from payments.errors import GatewayError, NotKept
from payments.gateways import Gateway, GatewayEvent
from payments.hearing import inbox
from payments.hearing.inbox import Arrived, Message

log = logging.getLogger("paydesk.intake")

#: How many messages share a transaction, at most.
TOGETHER = 256
#: How many batches the scribe has at once: while it writes one, the next lies there already.
AHEAD = 2
#: A sender hears within this time, whatever the database does.
PATIENCE_S = 4
#: How long closing waits for what is queued.
_CLOSING_S = 8
#: How many kept events may wait to be asked about here; the worker finds the others.
BELLS = 500
_ASKERS = 2
#: A bell waits until no message came for a moment. In a rush it is not rung here: the worker, another
#: process, acts on many messages at once for what one bell costs those who keep them.
_A_MOMENT_S = 0.25
_GIVES_WAY_S = 0.5

#: So many different messages of one link are kept in a day. A payer who tries all day makes a dozen.
KEPT_A_LINK_AND_DAY = 200

T = TypeVar("T")


@dataclass(frozen=True)
class _Waiting:
    work: Callable[[Session], Any] | Arrived
    done: asyncio.Future[Any]


class Intake:
    """Keeps messages for the endpoints of one event loop. Started once, closed once."""

    def __init__(self, sessions: Sessions, scribe: Scribe | None = None) -> None:
        self._sessions = sessions
        self._scribe = scribe
        self._arrived: deque[_Waiting] = deque()  # messages for the scribe
        self._dictations: set[asyncio.Task[None] | None] = set()
        self._queue: deque[_Waiting] = deque()  # what the thread writes
        self._wake: SimpleQueue[bool] = SimpleQueue()  # True: something waits; False: close
        self._is_told = False
        self._writer = Thread(target=self._write_all, name="intake", daemon=True)
        self._busy_until = -inf

    def start(self) -> None:
        self._writer.start()

    def close(self) -> None:
        """Write what is queued, then stop. Blocks; the loop must go on running meanwhile."""
        self._wake.put(False)
        self._writer.join(_CLOSING_S)

    @property
    def alive(self) -> bool:
        return self._writer.is_alive()

    @property
    def waiting(self) -> int:
        return len(self._queue) + len(self._arrived)

    @property
    def busy(self) -> bool:
        """Messages are being kept, or were a moment ago: more are likely."""
        return bool(self._dictations) or time.monotonic() < self._busy_until

    async def accept(self, message: Message, event: GatewayEvent | None) -> int:
        """``inbox.accept``, committed. Raises NotKept when the database could not in time."""
        return int(await self._written((message, event)))

    async def accept_unverified(self, message: Message, reason: str, claimed: str | None) -> int:
        """``inbox.accept_unverified``, committed. Raises NotKept when the database could not in time."""
        return await self.write(lambda session: inbox.accept_unverified(session, message, reason, claimed))

    async def write(self, work: Callable[[Session], T]) -> T:
        """What ``work`` returns, once it is committed. It may run twice; the first time is then undone."""
        done: T = await self._written(work)
        return done

    async def _written(self, work: Callable[[Session], Any] | Arrived) -> Any:
        loop = asyncio.get_running_loop()
        waiting = _Waiting(work, loop.create_future())
        patience = loop.call_later(PATIENCE_S, _give_up, waiting.done)
        by_scribe = isinstance(work, tuple) and self._scribe is not None and self._scribe.pid is not None
        (self._arrived if by_scribe else self._queue).append(waiting)
        if not self._is_told:
            self._is_told = True
            loop.call_soon(self._tell)
        try:
            return await waiting.done
        finally:
            patience.cancel()

    def _tell(self) -> None:
        """Once for all that the loop took in one turn: told of the first of them, a writer would commit it
        alone, and the others would wait for that."""
        self._is_told = False
        if self._arrived and len(self._dictations) < AHEAD:
            self._dictations.add(asyncio.get_running_loop().create_task(self._dictate()))
        if self._queue:
            self._wake.put(True)

    async def _dictate(self) -> None:
        """Messages to the scribe, all that wait together, until none does."""
        try:
            while self._arrived:
                if batch := _take(self._arrived):
                    await self._have_written(batch)
        finally:
            self._dictations.discard(asyncio.current_task())  # at once: what comes now begins another

    async def _have_written(self, batch: list[_Waiting]) -> None:
        ids = await self._by_scribe([one.work for one in batch])
        self._busy_until = time.monotonic() + _A_MOMENT_S
        if ids is None:
            self._queue.extend(batch)
            self._wake.put(True)
        else:
            _settle(batch, ids)

    async def _by_scribe(self, arrived: list[Any]) -> list[int] | None:
        """Their ids, or None where the thread must do it: it finds out what is wrong, and with which."""
        assert self._scribe is not None
        try:
            kept = await self._scribe.write(*inbox.insertion(arrived, self._sessions.engine.dialect))
            return None if kept is None else inbox.ids_of(arrived, kept)
        except Exception:
            log.exception("%d messages could not be handed to the scribe", len(arrived))
            return None

    # -- the writer's thread -------------------------------------------------------------------------

    def _write_all(self) -> None:
        is_open = True
        while is_open:
            is_open = self._wake.get()
            while self._queue:
                if batch := _take(self._queue):
                    self._busy_until = inf
                    outcomes = self._commit(batch)
                    self._busy_until = time.monotonic() + _A_MOMENT_S
                    batch[0].done.get_loop().call_soon_threadsafe(_settle, batch, outcomes)

    def _commit(self, batch: list[_Waiting]) -> list[Any]:
        """What each work returned, or NotKept. One that cannot be written fails alone."""
        try:
            return self._sessions.run(lambda session: _write(session, [one.work for one in batch]))
        except (OperationalError, InterfaceError) as error:
            # Busy, full or gone: no message is at fault, and trying each would only wait longer.
            log.warning("%d messages not kept: %s", len(batch), error.orig)
            return [NotKept("The database is busy. Send the message again.") for _ in batch]
        except Exception:
            if len(batch) > 1:
                return [self._commit([one])[0] for one in batch]
            log.exception("A message cannot be written")
            return [NotKept("The message could not be written. Send it again.")]


class Quota:
    """How many different messages of each link were kept today; in memory, a restart forgets.

    The signature of a message may leave its text out: whoever holds one genuine message could have any
    number of variations of it kept. Repetitions, byte for byte, are no growth and are not counted.
    """

    def __init__(self) -> None:
        self._day: date | None = None
        self._kept: dict[str, dict[bytes, int]] = {}  # by link: digest → id in the inbox

    def full(self, link: str, digest: bytes, now: datetime) -> int | None:
        """The message that stands for the further ones of this link; None while there is room."""
        if now.date() != self._day:
            self._day, self._kept = now.date(), {}
        kept = self._kept.get(link, {})
        return None if len(kept) < KEPT_A_LINK_AND_DAY or digest in kept else kept[next(reversed(kept))]

    def keep(self, link: str, digest: bytes, inbox_id: int) -> None:
        self._kept.setdefault(link, {})[digest] = inbox_id


class Throttle:
    """So many a minute and address, in memory. Past ``MOST`` addresses the newcomers share one count."""

    MOST = 10_000

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._minute = 0
        self._counts: Counter[str] = Counter()

    def allows(self, address: str, now: datetime) -> bool:
        key = self._key(address, now)
        self._counts[key] += 1
        return self._counts[key] <= self._limit

    def spent(self, address: str, now: datetime) -> bool:
        """Whether the next one would not be allowed; it is not counted."""
        return self._counts[self._key(address, now)] >= self._limit

    def _key(self, address: str, now: datetime) -> str:
        minute = int(now.timestamp() // 60)
        if minute != self._minute:
            self._minute, self._counts = minute, Counter()
        return address if address in self._counts or len(self._counts) < self.MOST else "others"


def _give_up(done: asyncio.Future[Any]) -> None:
    if not done.done():
        done.set_exception(NotKept("The database did not answer in time. Send the message again."))


def _write(session: Session, works: list[Callable[[Session], Any] | Arrived]) -> list[Any]:
    """What each returned. Messages that arrived together are one statement."""
    ids = iter(inbox.accept_all(session, [work for work in works if isinstance(work, tuple)]))
    return [next(ids) if isinstance(work, tuple) else work(session) for work in works]


def _take(queue: deque[_Waiting]) -> list[_Waiting]:
    """The next ones that still wait: who stopped was told to send again, and writing for them would hold up
    the others."""
    taken = [queue.popleft() for _ in range(min(len(queue), TOGETHER))]
    return [one for one in taken if not one.done.done()]


def _settle(batch: list[_Waiting], outcomes: list[Any]) -> None:
    for one, outcome in zip(batch, outcomes, strict=True):
        if one.done.done():
            continue
        if isinstance(outcome, NotKept):
            one.done.set_exception(outcome)
        else:
            one.done.set_result(outcome)


class Bells:
    """Asks the gateway about kept events, in the background of the process that kept them.

    They give way to messages that come: what a bell costs would keep ten of those. Nothing depends on
    them: an event that is not asked about here, for whatever reason, is still unhandled in the database,
    and the worker finishes it.
    """

    def __init__(
        self,
        sessions: Sessions,
        gateways: Mapping[str, Gateway],
        clock: Callable[[], datetime],
        intake: Intake,
    ) -> None:
        self._sessions = sessions
        self._intake = intake
        self._gateways = gateways
        self._clock = clock
        self._queue: Queue[tuple[int, float] | None] = Queue(BELLS)  # the event, and when it was rung
        self._ringing: set[int] = set()  # a hundred copies of one message are one question
        self._askers = [Thread(target=self._ask_all, name="bell", daemon=True) for _ in range(_ASKERS)]

    def start(self) -> None:
        for asker in self._askers:
            asker.start()

    def ring(self, inbox_id: int) -> None:
        """Never waits."""
        if inbox_id in self._ringing:
            return
        try:
            self._queue.put_nowait((inbox_id, time.monotonic()))
        except Full:
            return  # the worker finds it
        self._ringing.add(inbox_id)

    @property
    def waiting(self) -> int:
        return len(self._ringing)

    def close(self) -> None:
        """Leave what waits to the worker; a question under way may take longer than we do."""
        while not self._queue.empty():
            try:
                self._queue.get_nowait()
            except Empty:
                break
        for _ in self._askers:
            self._queue.put(None)
        for asker in self._askers:
            asker.join(1)

    def _ask_all(self) -> None:
        while (rung := self._queue.get()) is not None:
            inbox_id, rung_at = rung
            try:
                if self._is_calm(rung_at + _GIVES_WAY_S):
                    inbox.process(self._sessions, self._gateways, inbox_id, now=self._clock())
            except GatewayError as error:
                log.warning("Event %d waits for the gateway: %s", inbox_id, error)
            except Exception:
                log.exception("Event %d is left to the worker", inbox_id)
            finally:
                self._ringing.discard(inbox_id)

    def _is_calm(self, until: float) -> bool:
        """No message came for a moment, or at least not any more by ``until``."""
        while self._intake.busy:
            if time.monotonic() > until:
                return False
            time.sleep(_A_MOMENT_S)
        return True
