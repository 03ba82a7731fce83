"""Hear that something changed, where the database tells of it: PostgreSQL's LISTEN and NOTIFY.

Who hears need not ask, and who does not hear must: ``heard`` says which. What changed is not told; that is
read from the tables, by whoever wants to know.
"""

import logging
import time
from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

log = logging.getLogger("paydesk.listen")

#: A trigger on the counter of changes notifies here (migration 0045).
CHANNEL = "paydesk_changes"
#: So often the connection is tried, so long it is believed without a proof, and so soon there is another one.
TRIED_EVERY_S, BELIEVED_S, AGAIN_S = 1.0, 5.0, 1.0


class Listener:
    """A connection of its own that listens, in a thread of its own, and is made anew when it breaks."""

    def __init__(self, engine: Engine, ticks: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._ticks = ticks
        self._told = 0
        self._proved: float | None = None  # when the connection was last known to be whole
        self._closed = Event()
        self._thread: Thread | None = None

    def start(self) -> None:
        """Listen from now on; on SQLite, which tells nobody, nothing."""
        if self._engine.dialect.name == "postgresql":
            self._thread = Thread(target=self._listen, name="listen", daemon=True)
            self._thread.start()

    def close(self) -> None:
        self._closed.set()
        if self._thread is not None:
            self._thread.join(TRIED_EVERY_S + AGAIN_S)

    def heard(self) -> int | None:
        """Another number whenever anything changed since it was asked for, or may have; None: ask the
        database, for nobody is listening. Take it *before* reading: what changes meanwhile is told after."""
        proved = self._proved
        return None if proved is None or self._ticks() - proved > BELIEVED_S else self._told

    # -- the thread ----------------------------------------------------------------------------------

    def _listen(self) -> None:
        broken = (SQLAlchemyError, self._engine.dialect.loaded_dbapi.Error)
        is_first, is_broken = True, False
        while not self._closed.is_set():
            try:
                for _ in self._connected():
                    if is_broken:
                        log.warning("changes are told by the database again")
                    is_first, is_broken = False, False
            except broken as error:
                self._proved = None
                if not is_broken:
                    how = "are not told" if is_first else "are not told any more"
                    why = (str(error).strip() or type(error).__name__).splitlines()[0]
                    log.warning("changes %s by the database, which is asked for them: %s", how, why)
                is_broken = True
                self._closed.wait(AGAIN_S)

    def _connected(self) -> Iterator[None]:
        """Listens until it is closed; yields each time that the connection has proved to be whole."""
        connection = self._engine.raw_connection()
        driver: Any = connection.driver_connection
        connection.detach()  # it is no other's, now or afterwards
        try:
            driver.autocommit = True
            driver.execute(f"LISTEN {CHANNEL}")
            self._told += 1  # what was told until now was told to nobody
            while not self._closed.is_set():
                driver.execute("SELECT 1")
                self._proved = self._ticks()
                yield
                for _ in driver.notifies(timeout=TRIED_EVERY_S):
                    self._told += 1
                    self._proved = self._ticks()
        finally:
            driver.close()
