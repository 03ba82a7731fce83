"""``manage.py worker``: the process beside the doors. Of several, on one host or many, one works."""

import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime

from sqlalchemy.exc import OperationalError, SQLAlchemyError

from bootstrap import App
from commands import open_desk
from payments.keeping.backups import Keeper
from payments.telling import egress, outbox
from payments.telling.chat import chat_of
from payments.telling.notifying import Deliverer
from payments.watching.watch import Watch
from payments.working import worker as workers
from payments.working.lease import Lease, LeaseLost

log = logging.getLogger("paydesk.worker")

#: The worker's rounds begin a second apart, or when the last one ends; the poll's calls are counted by round.
ROUND_S = 1
#: So many questions the worker has under way at once, of the ten that a gateway's connections allow.
ASKERS = 4


def worker() -> None:
    """Finish events, poll the gateway, send mail; until it is told to stop. A second one only waits."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s level=%(levelname)s %(name)s %(message)s")
    app = open_desk()
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    lease, told = Lease(app.sessions, workers.LEASE, lasts_s=app.settings.worker_lease_s), False
    while not stop.is_set():
        if _taken(lease):
            log.info("this worker works now")
            told = False
            with lease.kept() as lost:
                _work(replace(app, sessions=lease.sessions), stop, lost)
        elif not told:
            log.info("another worker works; this one waits for its end")
            told = True
        stop.wait(ROUND_S)


def _taken(lease: Lease) -> bool:
    try:
        return lease.take()
    except SQLAlchemyError as error:  # the database is away, or two came first at once
        log.warning("the lease could not be taken: %s", str(error).splitlines()[0])
        return False


def _work(app: App, stop: threading.Event, lost: threading.Event) -> None:
    """Round by round, by sessions that the lease guards; until we are told to stop, or another one works."""
    settings = app.settings
    deliverer = Deliverer(app.sessions, app.keys, loopback=settings.notify_loopback)
    with (
        ThreadPoolExecutor(ASKERS, thread_name_prefix="asker") as askers,
        _delivering(deliverer, app.now),
    ):
        work = _worker(app, askers)
        try:
            while not (stop.is_set() or lost.is_set()):
                began = time.monotonic()
                work.round(now=app.now())
                stop.wait(began + ROUND_S - time.monotonic())
        except LeaseLost:
            lost.set()
    if lost.is_set():
        log.warning("another worker has taken over: this one was not heard of for too long")


def _worker(app: App, askers: ThreadPoolExecutor) -> workers.Worker:
    settings = app.settings
    watch = Watch(
        app.sessions, app.gateways["ikhokha"], app.now, settings.data_dir,
        chat=chat_of(settings.alert_urls), quiet=settings.alert_quiet_hours,
        keeps_backups=settings.backup_folder is not None,
    )  # fmt: skip
    return workers.Worker(
        app.sessions,
        app.gateways,
        outbox.transport_of(settings.mail_url) if settings.mail_url else None,
        settings.mail_from,
        watch,
        ask_each=askers.map,
        addresses=settings.addresses,
        outside=settings.outside,
        terms=settings.terms,
        stones=app.stones,
        keeper=Keeper(app.sessions, app.backups_in(settings.backup_folder))
        if settings.backup_folder
        else None,
    )


@contextmanager
def _delivering(deliverer: Deliverer, now: Callable[[], datetime]) -> Iterator[None]:
    """Notifications go out beside the rounds: whoever they go to may be slow."""
    done = threading.Event()

    def rounds() -> None:
        while not done.wait(ROUND_S):
            try:
                deliverer.step(now=now())
            except LeaseLost:
                return
            except OperationalError as error:  # nothing was lost: it is sent again
                log.warning("notifications wait for the database: %s", error.orig)
            except Exception:
                log.exception("notifications could not be sent")

    thread = threading.Thread(target=rounds, name="notifying")
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join(egress.WHOLE_S)
