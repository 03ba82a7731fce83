"""Statements written by a process of its own: two threads of one interpreter take turns, two processes don't.

A thread that writes beside a busy loop waits for the interpreter at each call of its driver, and the loop for
the thread: together they do half of what each does alone. The scribe has a connection and nothing else to do.
It is only quicker. Who asks it must be able to write by themselves: it may not be there yet, or any more.

``python -m db.scribe`` serves whoever holds the other end of its standard input, and ends with them.
"""

import asyncio
import logging
import pickle
import signal
import socket
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from io import BufferedRWPair
from pathlib import Path
from typing import Any

from sqlalchemy import Engine

from db.session import AT_ONCE, LOOK_EVERY_MS, file_of, open_engine

log = logging.getLogger("paydesk.scribe")

ROOT = Path(__file__).parent.parent
#: It waits for a lock as long as any writer does; one that says nothing for so long is ended.
PATIENCE_S = 10
#: After its end another one is started, not sooner.
AGAIN_AFTER_S = 2
_CLOSING_S = 5
#: Each message is preceded by its length, in so many bytes.
_LENGTH = 4

#: What a statement returned.
Rows = list[tuple[Any, ...]]


class Scribe(asyncio.Protocol):
    """The scribe, as its one loop sees it. Started once, closed once."""

    def __init__(self, engine: Engine, *, busy_timeout_s: float, still_s: int) -> None:
        """It writes to the database of ``engine``, by a connection of its own."""
        file = file_of(engine)
        url = engine.url.set(database=str(file)) if file else engine.url  # its folder is another one
        self._opens = (url.render_as_string(hide_password=False), busy_timeout_s, still_s)
        self._process: subprocess.Popen[bytes] | None = None
        self._transport: Any = None  # uvloop's is no asyncio.Transport
        self._ready = self._closing = False
        self._unread = bytearray()
        self._asked: deque[asyncio.Future[Rows | None]] = deque()  # the next answer is the first one's

    @property
    def pid(self) -> int | None:
        """None: it is not ready to write."""
        return self._process.pid if self._process and self._ready else None

    async def start(self) -> None:
        """Does not wait until it is ready."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        try:
            with theirs:
                command = [sys.executable, "-m", "db.scribe"]
                self._process = subprocess.Popen(command, cwd=ROOT, stdin=theirs.fileno())  # noqa: S603 ourselves
            await asyncio.get_running_loop().create_connection(lambda: self, sock=ours)
        except OSError:
            ours.close()
            raise

    async def close(self) -> None:
        """It ends what it writes."""
        self._closing = True
        if self._transport:
            self._transport.close()
        await asyncio.to_thread(self._wait)

    async def write(self, statement: str, values: Any) -> Rows | None:
        """What a statement of the driver's own returned, once it is committed. None: it may have been
        written or not, and who asked does it themselves. In the order in which they are asked."""
        if not self._ready:
            return None
        loop = asyncio.get_running_loop()
        asked: asyncio.Future[Rows | None] = loop.create_future()
        self._asked.append(asked)
        self._transport.write(_packed((statement, values)))
        patience = loop.call_later(PATIENCE_S, self._end)
        try:
            return await asked
        finally:
            patience.cancel()

    # -- what the loop tells us ----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._unread.clear()
        self._transport.write(_packed(self._opens))

    def data_received(self, data: bytes) -> None:
        self._unread += data
        while len(self._unread) >= (end := _LENGTH + int.from_bytes(self._unread[:_LENGTH], "big")):
            told = pickle.loads(self._unread[_LENGTH:end])  # noqa: S301 our own process
            del self._unread[:end]
            if self._ready:
                self._answer(told)
            self._ready = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._ready = False
        while self._asked:
            self._answer(None)
        if not self._closing:
            log.error("The process that writes messages has ended; this one writes until there is another")
            self._end()  # it may live, and have lost its standard input
            loop = asyncio.get_running_loop()
            loop.call_later(AGAIN_AFTER_S, lambda: loop.create_task(self._start_again()))

    async def _start_again(self) -> None:
        await asyncio.to_thread(self._wait)
        while not self._closing:
            try:
                await self.start()
                return
            except OSError as error:  # no file or no memory is left, for now
                log.error("The process that writes messages cannot be started: %s", error)
                await asyncio.sleep(AGAIN_AFTER_S)

    def _wait(self) -> None:
        if self._process:
            try:
                self._process.wait(_CLOSING_S)
            except subprocess.TimeoutExpired:
                self._end()

    def _end(self) -> None:
        if self._process:
            self._process.kill()

    def _answer(self, told: Rows | None) -> None:
        asked = self._asked.popleft()
        if not asked.done():
            asked.set_result(told)


# -- its own process ----------------------------------------------------------------------------------


def main() -> None:
    """Write what is asked for until nobody is there to ask. Told to stop, as all of a service are, it goes on
    until whom it serves has ended: messages that were taken are still to be kept."""
    for told_to_stop in (signal.SIGTERM, signal.SIGINT):
        signal.signal(told_to_stop, signal.SIG_IGN)
    with suppress(ConnectionError), socket.socket(fileno=0) as line, line.makefile("rwb") as asker:
        url, busy_timeout_s, still_s = _unpacked(asker)
        engine = _opened(url, busy_timeout_s, still_s)
        told: Any = "ready"
        while True:
            asker.write(_packed(told))
            asker.flush()
            if (asked := _unpacked(asker)) is None:
                return
            told = _written(engine, *asked, patience_s=busy_timeout_s)


def _opened(url: str, busy_timeout_s: float, still_s: int) -> Engine:
    """SQLite's own waiting for other writers is neither prompt nor fair: it is asked anew instead."""
    wait_s = LOOK_EVERY_MS / 1000 if url.startswith("sqlite") else busy_timeout_s
    engine = open_engine(url, busy_timeout_s=wait_s, still_s=still_s)
    return engine.execution_options(**AT_ONCE[engine.dialect.name])


def _written(engine: Engine, statement: str, values: Any, *, patience_s: float) -> Rows | None:
    until = time.monotonic() + patience_s
    while True:
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.exec_driver_sql(statement, values)]
        except Exception as error:  # noqa: BLE001 who asked tries again, and tells what is wrong
            if "database is locked" not in str(error) or time.monotonic() > until:
                return None


def _packed(told: Any) -> bytes:
    packed = pickle.dumps(told, pickle.HIGHEST_PROTOCOL)
    return len(packed).to_bytes(_LENGTH, "big") + packed


def _unpacked(asker: BufferedRWPair) -> Any:
    """The next message; None when the other end is gone."""
    length = int.from_bytes(asker.read(_LENGTH), "big")
    packed = asker.read(length)
    return pickle.loads(packed) if packed and len(packed) == length else None  # noqa: S301 our own process


if __name__ == "__main__":
    main()
