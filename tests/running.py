"""A whole desk in real processes, as `make run` starts it, on free ports in a folder of its own."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import requests
from sqlalchemy import select
from sqlalchemy.orm import Session

import bootstrap
import environment
from db.migrate import migrate
from db.models import Payment
from db.money import Money
from payments.access import staff
from payments.access.people import SYSTEM, Role
from payments.selling import events
from payments.selling.events import EventDraft, Price, State
from tests import nursery
from tests.ports import free_ports

PROJECT = Path(__file__).parent.parent
ADMIN, ORGANISER = "thandi@example.org", "aisha@example.org"


@dataclass
class Desk:
    """A running desk and how to reach its parts."""

    environ: Mapping[str, str]
    process: subprocess.Popen[str]
    log: Path

    @property
    def dashboard(self) -> str:
        return f"http://127.0.0.1:{self.environ['DASHBOARD_PORT']}"

    @property
    def webhook(self) -> str:
        return f"http://127.0.0.1:{self.environ['WEBHOOK_PORT']}/webhooks/ikhokha"

    def manage(self, *words: str) -> dict[str, Any]:
        """The JSON that a command answers."""
        done = manage(self.environ, *words, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def sign_in_link(self, email: str) -> str:
        return self.manage("person", "sign-in", email)["sign_in"]

    def pull(self, path: str, **body: Any) -> Any:
        """Pull a string of the simulator: ``pull("switches", webhook_dropped=True)``, ``pull("ID/pay")``."""
        url = f"http://127.0.0.1:{self.environ['SIMULATOR_PORT']}/_sim/{path}"
        answer = requests.post(url, json=body, timeout=10)
        assert answer.ok, answer.text
        return answer.json()

    def links(self) -> list[dict[str, Any]]:
        """What the gateway has made, as only a test may ask it."""
        url = f"http://127.0.0.1:{self.environ['SIMULATOR_PORT']}/_sim/links"
        return requests.get(url, timeout=10).json()

    def wait_for(self, reference: str, status: str, *, seconds: float) -> dict[str, Any]:
        """The payment, once it has this status. A command each time would be busier than the desk."""
        end = time.monotonic() + seconds
        with self.reading() as session:
            asked = select(Payment.status).where(Payment.reference == reference)
            while (found := session.scalars(asked).one()) != status:
                assert time.monotonic() < end, f"{reference} is still {found}"
                session.rollback()  # what was read is let go, so that the next look sees what is new
                time.sleep(0.5)
        return self.manage("payment", reference)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session on the desk's database."""
        app = bootstrap.build(environment.read_settings(self.environ, None))
        try:
            with app.sessions.read() as session:
                yield session
        finally:
            app.sessions.engine.dispose()

    @contextmanager
    def changing(self) -> Iterator[tuple[Session, datetime]]:
        """A session on the desk's database whose changes are kept, and the desk's now."""
        app = bootstrap.build(environment.read_settings(self.environ, None))
        try:
            with app.sessions.begin() as session:
                yield session, app.now()
        finally:
            app.sessions.engine.dispose()


def manage(environ: Mapping[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, with this environment alone."""
    return nursery.commands().run(*words, environ=environ, seconds=120)


def demo_environ(folder: Path, **settings: str) -> dict[str, str]:
    """The environment of a demo desk with nothing of this machine's in it."""
    dashboard, webhook, simulator = free_ports(3)
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | {
        "IKHOKHA_APP_ID": "demo",
        "DATA_DIR": str(folder),
        "DASHBOARD_PORT": str(dashboard),
        "WEBHOOK_PORT": str(webhook),
        "SIMULATOR_PORT": str(simulator),
        "SIMULATOR_CONTROL_TOKEN": "off",
        **settings,
    }


def furnish(environ: Mapping[str, str]) -> None:
    """Two open events, an admin, and an organiser of the first; no payments."""
    app = bootstrap.build(environment.read_settings(environ, None))
    migrate(app.sessions.engine)
    bootstrap.claim_mode(app.sessions, app.settings.mode)
    now = app.now()
    day = now.date()
    prices = (Price("Regular", Money(150_000)), Price("Student", Money(45_050)))
    with app.sessions.begin() as session:
        views = [
            events.save_event(
                session,
                SYSTEM,
                EventDraft(code, name, day, day + timedelta(days=2), State.OPEN, categories=prices),
                now=now,
            )
            for code, name in (("DEVCONF", "Developer Conference"), ("GALA", "Gala Dinner"))
        ]
        staff.create_person(
            session, SYSTEM, name="Thandi Nkosi", email=ADMIN, role=Role.ADMIN, events=None, now=now
        )
        staff.create_person(
            session,
            SYSTEM,
            name="Aisha Patel",
            email=ORGANISER,
            role=Role.ORGANISER,
            events=[views[0].id],
            now=now,
        )
    app.sessions.engine.dispose()


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Desk]:
    """A furnished desk that is open, without payers of its own; it is closed, and must close, at the end."""
    environ = demo_environ(folder, **settings)
    furnish(environ)
    log = folder / "run.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "run", "--no-traffic"],
            cwd=PROJECT,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            _wait_until_open(process, log)
            yield Desk(environ, process, log)
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                raise
    assert process.returncode == 0, log.read_text()


def _wait_until_open(process: subprocess.Popen[str], log: Path) -> None:
    end = time.monotonic() + 90
    while not re.search(r"desk is open", log.read_text()):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.2)
