"""Eight who write papers at once, killed as they write: no number is missing, and none is there twice."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from sqlalchemy import func, select

from db.models import PaperRow
from payments.papers import numbering
from payments.selling import organisers
from payments.selling.organisers import Organiser
from tests.desk import ADMIN, issue, make_event

pytestmark = pytest.mark.processes
ROOT = Path(__file__).parent.parent
WRITERS, KILLED, MORE = 8, 5, 8


def written(sessions):
    with sessions.read() as session:
        return session.scalar(select(func.count()).select_from(PaperRow))


def until(sessions, how_many):
    """Wait for papers to be there; a machine that writes none in two minutes is broken."""
    end = time.monotonic() + 120
    while (there := written(sessions)) < how_many:
        assert time.monotonic() < end, f"{there} of {how_many}"
        time.sleep(0.02)
    return there


def test_no_number_is_missing_or_twice_when_writers_are_killed(sessions, database_url, gateway, now):
    with sessions.begin() as session:
        make_event(session, now=now)
        organisers.save(session, ADMIN, "devconf", Organiser("Example Club"), now=now)
    references = [issue(sessions, gateway, now=now).reference for _ in range(WRITERS)]
    command = [sys.executable, "-m", "tests.paper_writers", database_url, str(WRITERS), *references]
    chance = random.Random(7)
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as served:
        try:
            writers = [int(pid) for pid in served.stdout.readline().split()]
            assert len(writers) == WRITERS
            there = until(sessions, WRITERS)
            for pid in chance.sample(writers, KILLED):  # each in the middle of something
                os.kill(pid, signal.SIGKILL)
                there = until(sessions, there + chance.randint(1, MORE // 4))
            until(sessions, there + MORE)
        finally:
            served.stdin.close()
            served.wait(60)
    with sessions.read() as session:
        assert list(numbering.broken(session)) == []
        numbers = list(session.scalars(select(PaperRow.number).order_by(PaperRow.number)))
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= WRITERS + MORE
