"""A machine is lost: how much goes with it, and how soon is the desk back? 200,000 payments; one JSON line.

A backup is made while messages come; then database and data folder are gone, and with the keys and that
file alone `manage.py restore` puts the desk back and its doors are opened. ``rto_s`` ends when somebody who
signed in sees the live page. ``rpo_s`` is how old what was put back can be: the worker begins a backup so
often, and the machine may go just before the next one is whole. Fails past an hour, past a quarter of an
hour, and when a message is missing that was acknowledged before the backup began.
``docs/reliability.md`` has the figures.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import environment
from payments.access import staff

sys.path[0] = str(Path(__file__).parent.parent)

from sqlalchemy import func, select

import bootstrap
from benchmarks import _book, _run
from bootstrap import App
from db.migrate import migrate
from db.models import InboxEvent, Payment
from payments.access.people import SYSTEM, Role
from payments.books import integrity
from payments.keeping import backups, keyring
from tests import postgres
from tests.hook import event, listens, read_reply, request, signed, wait_until
from tests.running import PROJECT, demo_environ
from tests.served import Served, run

ROWS, A_SECOND = 200_000, 50
RPO_S, RTO_S = 3_600, 900
WHO = "naledi@example.org"
TOOLS = postgres._WHEEL / "pginstall" / "bin"


def main() -> None:
    given = _run.options(__doc__, ROWS).parse_args()
    told = _run.head("recovery", given.rows)
    with tempfile.TemporaryDirectory(prefix="paydesk-bench-") as name, ExitStack() as stack:
        for kind in given.databases.split(","):
            folder = Path(name) / kind
            urls = (f"sqlite:///{folder}/old/desk.db", f"sqlite:///{folder}/new/desk.db")
            if kind == "postgresql":
                admin = stack.enter_context(postgres.server(durable=True))
                urls = (postgres.new_database(admin, "old"), postgres.new_database(admin, "new"))
            told[kind] = _lost_and_back(folder, urls, given.rows)
    told["load_after"] = round(os.getloadavg()[0], 1)
    print(json.dumps(told))
    sys.exit(any(not told[kind]["held"] for kind in given.databases.split(",")))


def _lost_and_back(folder: Path, urls: tuple[str, str], rows: int) -> dict[str, Any]:
    keys = {"ENCRYPTION_KEYS": keyring.new_key("bench"), "AUDIT_KEYS": keyring.new_key("audit")}
    keys |= {"BACKUP_FOLDER": str(folder / "backups"), "POSTGRES_BIN": str(TOOLS)}
    old, new = (
        demo_environ(folder / name, DATABASE_URL=url, **keys)
        for name, url in zip(("old", "new"), urls, strict=True)
    )
    (folder / "new").mkdir(parents=True)
    _furnish(old, rows)
    with _open(old, "webhook.py"), _messages(int(old["WEBHOOK_PORT"])) as acknowledged:
        wait_until(lambda: len(acknowledged) > A_SECOND)
        before, began = list(acknowledged), time.monotonic()
        made = _manage(old, "backup")
        backup_s, meanwhile = time.monotonic() - began, len(acknowledged) - len(before)
    shutil.rmtree(folder / "old")
    began = time.monotonic()
    _manage(new, "restore", made["file"])
    restore_s = time.monotonic() - began
    with _open(new, "webhook.py", "server.py"):
        app = bootstrap.build(environment.read_settings(new, None))
        _see(app)
        rto_s = time.monotonic() - began
        payments, missing = _look(app, before)
        app.sessions.engine.dispose()
    rpo_s = backups.EVERY.total_seconds() + backup_s
    return {
        "backup_s": round(backup_s, 1), "backup_mb": round(made["bytes"] / 1e6, 1),
        "messages_meanwhile": meanwhile,
        "restore_s": round(restore_s, 1), "rto_s": round(rto_s, 1), "rpo_s": round(rpo_s),
        "payments": payments, "missing": missing, "findings": made["findings"],
        "held": payments == rows and not missing and rto_s <= RTO_S and rpo_s <= RPO_S,
    }  # fmt: skip


def _furnish(environ: Mapping[str, str], rows: int) -> None:
    app = bootstrap.build(environment.read_settings(environ, None))
    migrate(app.sessions.engine)
    bootstrap.claim_mode(app.sessions, "demo")
    _book.fill(app.sessions.engine, rows)
    with app.sessions.begin() as session:
        staff.create_person(
            session, SYSTEM, name="Naledi", email=WHO, role=Role.ADMIN, events=None, now=app.now()
        )
    integrity.check_now(app.sessions, SYSTEM, now=app.now())  # what an invented book lacks is known before
    app.sessions.engine.dispose()


@contextmanager
def _open(environ: Mapping[str, str], *doors: str) -> Iterator[None]:
    """These doors, until the end of the block; they are listened at when it begins."""
    ports = {"webhook.py": int(environ["WEBHOOK_PORT"]), "server.py": int(environ["DASHBOARD_PORT"])}
    with ExitStack() as stack:
        for door in doors:
            process = stack.enter_context(
                subprocess.Popen([sys.executable, door], cwd=PROJECT, env=environ, stderr=subprocess.DEVNULL)
            )
            stack.callback(process.terminate)
        wait_until(lambda: all(listens(ports[door]) for door in doors), seconds=120)
        yield


@contextmanager
def _messages(port: int) -> Iterator[list[bytes]]:
    """So many a second, until the end of the block; those that were acknowledged."""
    acknowledged: list[bytes] = []
    done = threading.Event()

    def send() -> None:
        with socket.create_connection(("127.0.0.1", port), timeout=30) as connection:
            for nth in count():
                if done.wait(1 / A_SECOND):
                    return
                body = event(link=f"recovery-{nth}")
                connection.sendall(request(body, signed(body)))
                if read_reply(connection).status == 200:
                    acknowledged.append(body)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield acknowledged
    finally:
        done.set()
        thread.join()


def _see(app: App) -> None:
    """The live page by somebody who signed in, and a hook that is ready."""
    desk, hook = (Served(port, app, 0) for port in (app.settings.dashboard_port, app.settings.webhook_port))
    with desk.socket(desk.come_in(WHO)) as page:
        assert "Newest payments" in run(page)
    wait_until(lambda: hook.ask("/healthz").ok)


def _look(app: App, before: list[bytes]) -> tuple[int, int]:
    """The payments that are there, and the messages that are not."""
    with app.sessions.read() as session:
        payments = session.scalar(select(func.count()).select_from(Payment)) or 0
        return payments, len(set(before) - set(session.scalars(select(InboxEvent.body))))


def _manage(environ: Mapping[str, str], *words: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "manage.py", *words, "--json"],
        cwd=PROJECT,
        env=environ,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"manage.py {' '.join(words)}: {done.stderr}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


if __name__ == "__main__":
    main()
