"""A lease: of several workers, on one host or on many, one works.

It is a row. Whoever takes it counts its ``token`` up, whoever holds it counts its ``beat`` up now and then.
No two clocks are compared: who waits sees by their own that the beat has not moved for as long as a lease
lasts, and takes it. Its holder, stopped or cut off, cannot know that. So every transaction of its begins with
a look for its own token, and keeps hold of the row until it ends: it commits before the lease is taken from
it, or never.
"""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from threading import Event, Thread

from sqlalchemy import func, select, update
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from db.models import LeaseRow
from db.session import Sessions

log = logging.getLogger("paydesk.lease")

#: So long nothing is heard of a holder, and another one takes its place; at most what is promised.
LASTS_S, LONGEST_S = 15, 20
#: A lease is renewed so often while it lasts: one lost beat costs nobody the lease.
BEATS = 5


class LeaseLost(Exception):
    """Another one has the lease. What was about to be written was not; whoever finds this stops."""


@dataclass(frozen=True)
class Holder:
    """``host``: its name, "" when nobody holds the lease. ``token``: how often it was taken."""

    host: str
    token: int


def holder(session: Session, name: str) -> Holder:
    row = session.get(LeaseRow, name)
    return Holder(row.holder.split("/")[0], row.token) if row else Holder("", 0)


class Lease:
    """One process's hand on a lease. ``lasts_s``: the same for all who may take it."""

    def __init__(
        self,
        sessions: Sessions,
        name: str,
        *,
        lasts_s: float = LASTS_S,
        who: str | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._name = name
        self._lasts_s = lasts_s
        self._who = who or myself()
        self._ticks = ticks
        self._token: int | None = None
        self._seen: tuple[int, int] | None = None  # the beat of another one, and since when it is that
        self._seen_at = 0.0

    def take(self) -> bool:
        """Take it, when nobody has it or its holder is not heard of any more. Whether it is ours."""
        with self._sessions.read() as session:
            row = session.get(LeaseRow, self._name)
        if row is not None and not self._is_free(row):
            return False
        with self._sessions.begin() as session:
            # Waits for the transactions of who had it: they are done before it is ours.
            now = session.get(LeaseRow, self._name, with_for_update=True)
            if now is None:
                now = LeaseRow(name=self._name, token=0, beat=0, holder="")
                session.add(now)
            elif row is None or _beat(now) != _beat(row):
                return False  # somebody was quicker, or is alive after all
            now.token, now.beat, now.holder = now.token + 1, 0, self._who
            token = now.token
        self._token = token
        return True

    def _is_free(self, row: LeaseRow) -> bool:
        if row.holder in ("", self._who) or _has_ended(row.holder):
            return True
        if self._seen != _beat(row):
            self._seen, self._seen_at = _beat(row), self._ticks()
        return self._ticks() - self._seen_at >= self._lasts_s

    def renew(self) -> None:
        """Say that we are there. Raises LeaseLost."""
        mine = (LeaseRow.name == self._name) & (LeaseRow.token == self._token)
        with self._sessions.begin() as session:
            done = update(LeaseRow).where(mine).values(beat=LeaseRow.beat + 1).returning(LeaseRow.beat)
            if session.scalar(done) is None:
                raise LeaseLost

    def give_back(self) -> None:
        """The next one need not wait."""
        mine = (LeaseRow.name == self._name) & (LeaseRow.token == self._token)
        with self._sessions.begin() as session:
            session.execute(update(LeaseRow).where(mine).values(holder=""))

    @property
    def sessions(self) -> Sessions:
        """What may write until the lease is lost, and not when it is taken anew: all that its holder does
        goes by these."""
        return self._sessions.guarded(partial(self._fence, self._token))

    def _fence(self, mine: int | None, session: Session) -> None:
        """The first statement of each transaction. Others can read the row and we can renew it, but to take
        it is to wait for our end. PostgreSQL ends a transaction that stands still by itself: a process
        that was stopped or cut off in the middle of one holds up nobody for longer than the lease."""
        token = select(LeaseRow.token).where(LeaseRow.name == self._name)
        token = token.with_for_update(read=True, key_share=True)
        if session.get_bind().dialect.name == "postgresql":
            still = f"{self._lasts_s * 800:.0f}ms"
            token = token.add_columns(func.set_config("idle_in_transaction_session_timeout", still, True))
        found = session.execute(token).first()
        if found is None or found[0] != mine:
            raise LeaseLost

    @contextmanager
    def kept(self) -> Iterator[Event]:
        """Renewed beside what is done meanwhile, and given back at the end. The event: it was lost."""
        lost, done = Event(), Event()
        thread = Thread(target=self._keep, args=(lost, done), name="lease", daemon=True)
        thread.start()
        try:
            yield lost
        finally:
            done.set()
            thread.join(self._lasts_s)
            with suppress(SQLAlchemyError):  # then others wait for as long as it lasts
                self.give_back()

    def _keep(self, lost: Event, done: Event) -> None:
        while not done.wait(self._lasts_s / BEATS):
            try:
                self.renew()
            except LeaseLost:
                lost.set()
                return
            except SQLAlchemyError as error:  # the next beat tries again, if we have it still
                log.warning("the lease could not be renewed: %s", str(error).splitlines()[0])


def _beat(row: LeaseRow) -> tuple[int, int]:
    return row.token, row.beat


# -- who we are ---------------------------------------------------------------------------------------


def myself() -> str:
    """This process, so that others on its host see its end: ``host/boot/PID space/PID/start``."""
    return f"{_here()}/{os.getpid()}/{_started(os.getpid())}"


@cache
def _here() -> str:
    """This host as it runs now. A container is one of its own: it does not see the others' processes."""
    boot = space = ""
    with suppress(OSError):  # no Linux: nobody's end is seen, each is waited for
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        space = os.readlink("/proc/self/ns/pid")
    return f"{socket.gethostname().replace('/', '-')}/{boot}/{space}"


def _has_ended(who: str) -> bool:
    """Whether we see that a process has: on this host, and gone. A PID that is another's is told apart."""
    where, _, started = who.rpartition("/")
    where, _, pid = where.rpartition("/")
    return bool(started) and where == _here() and _started(int(pid)) != started


def _started(pid: int) -> str:
    """When a process began, in ticks since the host did; "" when it is not there, or nobody tells."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]
