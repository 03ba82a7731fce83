"""The hook has no file left to open, as when a process has reached its limit: it turns senders away, loses
nothing that it acknowledged, and is well again by itself."""

import os
import resource
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psutil
import pytest

from tests import hook
from tests.ports import free_port
from tests.senders import Gateway
from tests.test_webhook_hostile import bodies_kept

pytestmark = pytest.mark.processes

WELL_S = 10
#: No number is left but those that every process has taken from its start.
NONE = 3
#: What a sender may hear: that it was kept, to send again, or nothing, for nobody took the connection.
HEARD = {200, 503, 0}


@contextmanager
def files_at_most(pid: int, number: int) -> Iterator[None]:
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (number, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextmanager
def at_work(database_url: str) -> Iterator[tuple[int, subprocess.Popen[bytes], Gateway]]:
    port = free_port()
    with hook.process(database_url, port) as child, ExitStack() as ends:
        hook.wait_until(lambda: hook.scribe_of(port), seconds=90)
        senders = Gateway(port, "few")
        ends.callback(senders.stop)
        hook.wait_until(lambda: len(senders.acknowledged) > 5)
        yield port, child, senders


def test_with_no_file_left_nothing_is_lost_and_when_there_are_it_is_well_again(database_url, sessions):
    """Its scribe dies meanwhile, and cannot be replaced before."""
    with at_work(database_url) as (port, child, senders):
        scribe = hook.scribe_of(port)
        with files_at_most(child.pid, NONE):
            os.kill(scribe, signal.SIGKILL)
            hook.wait_until(lambda: "cannot be started" in hook.said_by(child))
        ended = time.monotonic()
        hook.wait_until(lambda: 200 in senders.between(ended, time.monotonic()), seconds=WELL_S)
        hook.wait_until(lambda: hook.scribe_of(port), seconds=90)
    assert senders.between(0, time.monotonic()) <= HEARD
    assert set(senders.acknowledged) <= bodies_kept(sessions)


def test_a_crowd_that_takes_every_file_is_cut_off_and_senders_are_heard_again(database_url, sessions):
    """Twenty files are left, and a hundred connect and say nothing."""
    with at_work(database_url) as (port, child, senders), ExitStack() as crowd:
        process = psutil.Process(child.pid)
        base = process.num_fds()
        with files_at_most(child.pid, base + 20):
            began = time.monotonic()
            for _ in range(100):
                crowd.enter_context(socket.create_connection(("127.0.0.1", port), timeout=5))
            hook.wait_until(lambda: 0 in senders.between(began, time.monotonic()))
            turned_away = time.monotonic()
            hook.wait_until(lambda: 200 in senders.between(turned_away, time.monotonic()), seconds=60)
            hook.wait_until(lambda: process.num_fds() <= base + 10, seconds=60)
    assert senders.between(0, time.monotonic()) <= HEARD
    assert set(senders.acknowledged) <= bodies_kept(sessions)
