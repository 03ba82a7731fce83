"""Reports of late: made once however many look, and begun while a browser still loads the page around it."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from db.session import Sessions
from payments import dates
from payments.access.people import Person, check
from payments.errors import PaymentsError
from payments.finding import as_of
from payments.live import tallies
from payments.reports import making
from payments.reports.report import Asked, Report

#: Reports kept, and for how long; begun at a time.
_MOST, _KEPT, _AT_ONCE = 16, timedelta(minutes=10), 2


@dataclass(frozen=True)
class _Of:
    """What a report depends on. ``version`` rises with every change that this person may see."""

    person: Person
    asked: Asked
    version: int
    day: date


class Shelf:
    """Thread-safe. Who asks for what another thread is making waits for that one."""

    def __init__(self, sessions: Sessions, *, demo: bool, now: Callable[[], datetime]) -> None:
        self._sessions, self._demo, self._now = sessions, demo, now
        self._made: OrderedDict[_Of, tuple[datetime, Future[Report]]] = OrderedDict()
        self._lock = threading.Lock()
        self._ahead = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="report")

    def begin(self, person: Person, asked: Asked) -> Future[None]:
        """Have it made, for a page that is about to ask for it."""
        return self._ahead.submit(self._try, person, asked)

    def take(self, person: Person, asked: Asked) -> Report:
        """As it stands now, or as it was made since anything changed. Raises as ``making.make`` does."""
        check(person, making.ABOUT[asked.kind].needs)
        now = self._now()
        of = self._of(person, asked, now)
        found, mine = self._claim(of, now)
        if mine:
            try:
                found.set_result(self._make(person, asked, now))
            except BaseException as error:
                with self._lock:
                    self._made.pop(of, None)
                found.set_exception(error)
                raise
        return found.result()

    def close(self) -> None:
        """What was begun ends; what waits is left."""
        self._ahead.shutdown(cancel_futures=True)

    def _try(self, person: Person, asked: Asked) -> None:
        try:
            self.take(person, asked)
        except PaymentsError:
            return  # the page meets it too, and says it

    def _of(self, person: Person, asked: Asked, now: datetime) -> _Of:
        if asked.as_of is not None:
            return _Of(person, asked, 0, dates.business_day(now))  # the past stays as it is
        with self._sessions.read() as session:
            return _Of(person, asked, tallies.version(session, person.events), dates.business_day(now))

    def _claim(self, of: _Of, now: datetime) -> tuple[Future[Report], bool]:
        """What is being made or was made, or a place for it, which the caller is to fill."""
        with self._lock:
            since, found = self._made.get(of, (now, None))
            if found is not None and now - since <= _KEPT:
                self._made.move_to_end(of)
                return found, False
            new: Future[Report] = Future()
            self._made[of] = (now, new)
            self._made.move_to_end(of)
            while len(self._made) > _MOST:
                self._made.popitem(last=False)
            return new, True

    def _make(self, person: Person, asked: Asked, now: datetime) -> Report:
        with as_of.read(self._sessions, asked.as_of, now=now) as session:
            return making.make(session, person, asked, demo=self._demo, now=now)
