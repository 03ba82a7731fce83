"""How long do the links of a sheet take? Made at a gateway that answers in 200 ms; one JSON line.

``docs/performance.md`` explains the figures. After the first half the same file is brought again: the links
must be as many as its rows, and the benchmark fails when they are not.
``limit`` is what the gateway's answers alone take when ``AT_ONCE`` of them are waited for together.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import environment
from payments.access import staff

sys.path[0] = str(Path(__file__).parent.parent)

import requests
from sqlalchemy import func, select

import bootstrap
from db.migrate import migrate
from db.models import Link
from db.money import Money
from db.session import Sessions, open_engine
from payments import sheets
from payments.access.people import SYSTEM, Person, Role
from payments.selling import events
from payments.selling.events import EventDraft, Price, State
from payments.sheets import RowState
from tests import postgres
from tests.running import demo_environ

ROWS, ANSWER_MS, GOAL_S = 500, 200, 120


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=ROWS)
    options.add_argument("--databases", default="sqlite,postgresql")
    given = options.parse_args()
    limit_s = given.rows * ANSWER_MS / 1_000 / sheets.AT_ONCE
    told: dict[str, Any] = {
        "benchmark": "sheet", "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "load_before": round(os.getloadavg()[0], 1), "rows": given.rows, "answer_ms": ANSWER_MS,
        "goal_s": GOAL_S, "limit_s": limit_s,
    }  # fmt: skip
    for kind in given.databases.split(","):
        with tempfile.TemporaryDirectory(prefix="paydesk-sheet-") as folder, ExitStack() as stack:
            told[kind] = measure(Path(folder), kind, given.rows, stack)
        told[kind]["of_limit"] = round(told[kind]["seconds"] / limit_s, 2)
    print(json.dumps(told))
    sys.exit(any(told[kind]["links"] != given.rows for kind in given.databases.split(",")))


def measure(folder: Path, kind: str, rows: int, stack: ExitStack) -> dict[str, Any]:
    url = stack.enter_context(postgres.server()) if kind == "postgresql" else f"sqlite:///{folder}/desk.db"
    environ = demo_environ(folder, DATABASE_URL=url)
    app = bootstrap.build(environment.read_settings(environ, None))
    stack.callback(app.sessions.engine.dispose)
    migrate(open_engine(url) if kind == "sqlite" else app.sessions.engine)
    stack.enter_context(simulator(environ))
    person, now = furnish(app.sessions), app.now()
    data = ("Name,E-mail,Amount\n" + "".join(
        f"Payer {number},payer{number}@example.org,1500.00\n" for number in range(1, rows + 1)
    )).encode()  # fmt: skip
    began = time.perf_counter()
    first = begin(app, person, data, now)
    while made(app, person, first) < rows // 2:
        step(app, person, first)
    again = begin(app, person, data, now)  # the same file, as if nothing were known of the first half
    while step(app, person, again):
        pass
    seconds = time.perf_counter() - began
    with app.sessions.read() as session:
        links = session.scalar(select(func.count()).select_from(Link).where(Link.url.is_not(None)))
    return {"seconds": round(seconds, 1), "links": links, "ms_each": round(seconds / rows * 1_000, 1)}


def begin(app: bootstrap.App, person: Person, data: bytes, now: datetime) -> int:
    with app.sessions.begin() as session:
        sheet = sheets.read(session, person, "DEVCONF", "payers.csv", data, now=now)
        return sheets.start(session, person, "DEVCONF", sheet, also_alike=False, demo=True, now=now)


def step(app: bootstrap.App, person: Person, sheet_id: int) -> int:
    """The next few links; how many are left."""
    return sheets.step(
        app.sessions, app.gateways["ikhokha"], person, sheet_id,
        addresses=app.settings.addresses, now=app.now(),
    ).left  # fmt: skip


def made(app: bootstrap.App, person: Person, sheet_id: int) -> int:
    with app.sessions.read() as session:
        return sheets.get(session, person, sheet_id).outcomes.get(RowState.MADE, 0)


def furnish(sessions: Sessions) -> Person:
    now = datetime.now(UTC)
    with sessions.begin() as session:
        draft = EventDraft(
            "DEVCONF", "Developer Conference", date(2026, 12, 1), date(2026, 12, 3), State.OPEN,
            categories=(Price("Regular", Money(150_000)),),
        )  # fmt: skip
        events.save_event(session, SYSTEM, draft, now=now)
        return staff.create_person(
            session, SYSTEM, name="Thandi Nkosi", email="thandi@example.org", role=Role.ADMIN, events=None,
            now=now,
        )  # fmt: skip


@contextmanager
def simulator(environ: dict[str, str]) -> Iterator[None]:
    """The pretend gateway in a process of its own, as far away as it answers slowly."""
    origin = f"http://127.0.0.1:{environ['SIMULATOR_PORT']}"
    process = subprocess.Popen([sys.executable, "manage.py", "simulator"], env=environ)
    try:
        for _ in range(100):
            try:
                requests.post(
                    f"{origin}/_sim/switches", json={"answer_ms": ANSWER_MS}, timeout=2
                ).raise_for_status()
                break
            except requests.ConnectionError:
                time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(10)


if __name__ == "__main__":
    main()
