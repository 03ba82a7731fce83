"""The power is cut while messages come: every acknowledged one is there when it is back."""

import os
import random
import shutil
import signal
import time
from contextlib import suppress

import psutil
import pytest
from sqlalchemy import select, text

from db.models import InboxEvent
from db.session import Sessions, open_engine
from tests import hook, power
from tests.ports import free_port
from tests.senders import Senders

pytestmark = pytest.mark.processes

#: The hook as it is, and as it would be if a commit did not wait for the disk.
_AS_IT_IS = ["webhook.py"]
_WITHOUT_SYNC = [
    "-c",
    "import db.session as s; full = 'synchronous=FULL';"
    "s._SQLITE_PRAGMAS = tuple(p.replace(full, 'synchronous=NORMAL') for p in s._SQLITE_PRAGMAS);"
    "import webhook; webhook.main()",
]


@pytest.fixture
def machine(sqlite_template, tmp_path):
    return power.machine(tmp_path, sqlite_template)


def cut_under_load(machine, command, dice, name, *, by_scribe: bool) -> tuple[list[bytes], int]:
    """Acknowledged bodies, and how many written sectors were lost."""
    port = free_port()
    with hook.process(machine.url, port, command, **machine.environ) as child:
        assert child.poll() is None, "the hook did not start on what the power cut left"
        if by_scribe:
            hook.wait_until(lambda: hook.scribe_of(port), seconds=60)
        scribes = [scribe.pid for scribe in psutil.Process(child.pid).children()]
        senders = Senders(port, name)
        time.sleep(0.05 + dice.random() / 3)
        child.kill()
        for scribe in scribes:
            with suppress(ProcessLookupError):  # it ends when the hook has
                os.kill(scribe, signal.SIGKILL)
            hook.wait_until(lambda scribe=scribe: not hook.lives(scribe))
        child.wait(10)
        senders.stop()
    return senders.acknowledged, power.cut(machine, dice)


def after(machine) -> tuple[set[bytes], str]:
    """What the database holds when the power is back, and whether it is sound.

    Looked at in a copy: who closes a database tidies it up, and this process keeps no image.
    """
    copy = machine.image.with_name("looked_at")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(machine.image, copy)
    engine = open_engine(f"sqlite:///{copy / power.DATABASE}")
    with Sessions(engine).read() as session:
        kept = set(session.scalars(select(InboxEvent.body)))
        sound = session.execute(text("PRAGMA integrity_check")).scalar_one()
    engine.dispose()
    return kept, sound


@pytest.mark.timeout(3_600)  # --cuts 100
def test_what_was_acknowledged_outlives_a_power_cut(machine, pytestconfig):
    dice = random.Random(2026)
    cuts, acknowledged, lost = pytestconfig.getoption("--cuts"), set(), 0
    for nth in range(cuts):
        bodies, sectors = cut_under_load(machine, _AS_IT_IS, dice, f"cut{nth}", by_scribe=bool(nth % 2))
        acknowledged |= set(bodies)
        lost += sectors
        kept, sound = after(machine)
        assert sound == "ok"
        assert acknowledged <= kept
    print(f"{cuts} cuts: {len(acknowledged)} acknowledged, none lost; {lost} unsynced sectors were")
    assert len(acknowledged) > 5 * cuts  # that cuts do take what is not synced, the test below shows


def test_a_hook_that_does_not_wait_for_the_disk_is_found_out(machine):
    """The same cuts under synchronous=NORMAL: were none lost, the test above would prove nothing."""
    dice = random.Random(2026)
    for nth in range(4):
        bodies, _ = cut_under_load(machine, _WITHOUT_SYNC, dice, f"cut{nth}", by_scribe=False)
        kept, sound = after(machine)
        assert sound == "ok"
        if not set(bodies) <= kept:
            return
    pytest.fail("four power cuts took nothing from a hook that does not sync")
