"""Somebody tells when the worker is dead: it finds all other trouble, and cannot find that.

A thread of the gateways' door, which runs whenever messages can come. It opens the alert, mails it and
sends it to the chat services as the worker would; once, however many doors there are.
"""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from smtplib import SMTPException
from threading import Event, Thread

from sqlalchemy.exc import SQLAlchemyError

from db.session import Sessions
from payments.telling import outbox
from payments.telling.chat import Chat, NotSent
from payments.telling.outbox import Transport
from payments.watching import alerts
from payments.watching.alerts import Alarm, Kind, QuietHours, Severity
from payments.working import worker

log = logging.getLogger("paydesk.stand_in")

LOOK_EVERY_S = 30
#: So long without a sign of the worker is no restart and no busy minute.
DEAD_AFTER_S = 180
SENTENCE = "The worker does not run. Start it: python manage.py worker."


class StandIn:
    """Looks after the worker's sign of life. Started once, closed once.

    How long it is missing is measured here, and not by what the clock says: a clock that jumps kills nobody.
    ``transport`` and ``chat`` are made when they are first needed, which is nearly never.
    """

    def __init__(
        self,
        sessions: Sessions,
        clock: Callable[[], datetime],
        *,
        transport: Callable[[], Transport | None] = lambda: None,
        sender: str = "",
        chat: Callable[[], Chat | None] = lambda: None,
        quiet: QuietHours = alerts.ALWAYS_LOUD,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._transport = transport
        self._sender = sender
        self._chat = chat
        self._quiet = quiet
        self._ticks = ticks
        self._seen: tuple[datetime | None, float] | None = None  # its last sign, and when we first saw that
        self._stop = Event()
        self._thread = Thread(target=self._run, name="stand-in", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def close(self) -> None:
        """A message to a chat service that is under way is not waited for."""
        self._stop.set()
        self._thread.join(1)

    def look(self) -> None:
        """Once; told is only what was not told yet."""
        with self._sessions.read() as session:
            sign = worker.pulse(session).seen_at
        if self._seen is None or self._seen[0] != sign:
            self._seen = sign, self._ticks()
        if self._ticks() - self._seen[1] < DEAD_AFTER_S:
            return
        now = self._clock()
        with self._sessions.begin() as session:
            alerts.raise_alarm(session, Alarm(Kind.WORKER, Severity.BAD, SENTENCE), now=now)
        try:
            alerts.tell(self._sessions, self._chat(), quiet=self._quiet, now=now)
        finally:
            self._send_mail(now)

    def _send_mail(self, now: datetime) -> None:
        """The mails of alerts, and no others: payers' wait for the worker."""
        if (transport := self._transport()) is not None:
            outbox.send_due(self._sessions, transport, self._sender, now=now, about=alerts.MAILS)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            try:
                self.look()
            except (NotSent, SMTPException, SQLAlchemyError) as error:  # the next look tries again
                log.warning("the worker's death is not told yet: %s", error)
            except Exception:
                log.exception("the stand-in stumbled")
