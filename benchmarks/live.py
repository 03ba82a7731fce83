"""What does the live page cost? One reading of it at many sizes, then fifty open pages; one JSON line.

``docs/performance.md`` explains the figures. ``--sizes`` says how many payments, ``--pages 0`` leaves the
pages out, ``--export`` takes a file of everything beside them; ``--url`` opens the pages alone, over the desk
in that database, whose forty events and totals are those of ``_desks``.
"""

import argparse
import json
import math
import os
import platform
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

sys.path[0] = str(Path(__file__).parent.parent)

import pandas
import psutil
import requests
from sqlalchemy import Engine, event, func, select, text

import bootstrap
from benchmarks._desks import Desks
from benchmarks._pages import watching
from db.models import Event, Payment, PersonRow
from db.money import Money
from db.session import Sessions
from payments import lifecycle, references
from payments.access.people import SYSTEM, Role
from payments.access.staff import create_person
from payments.exports.layout import COLUMNS
from payments.finding import search_text
from payments.lifecycle import Source, Status
from payments.live import overview, tallies
from payments.live.split import By, split
from tests import postgres, served

#: A working day in the season of invented payments: what the page calls today.
NOW = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
TIMES = 30
#: In so many seconds all pages are opened, one after the other, and have come to rest.
WARM_S = 30
#: pandas reads every row: from here on it would want gigabytes.
PANDAS_UP_TO = 100_000
ROLES = (Role.ADMIN, Role.FINANCE, Role.VIEWER, Role.ORGANISER)
#: Twelve scopes: everything, and eleven sets of one to three of forty events.
SCOPES = (None, *([first, *range(first + 1, first + 1 + first % 3)] for first in range(1, 34, 3)))


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and so every process is ended
    options = _options()
    told: dict[str, Any] = {
        "bench": "live",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} × {platform.processor() or platform.machine()}",
        "load_before": round(os.getloadavg()[0], 1),
    }
    with tempfile.TemporaryDirectory(prefix="paydesk-bench-") as folder, ExitStack() as stack:
        if options.url:
            with served.serving(Path(folder), DATABASE_URL=options.url) as door:
                print(json.dumps(told | {"pages": _pages(door, options)}))
            return
        server = options.server or stack.enter_context(postgres.server())
        for kind in ("sqlite", "postgresql"):
            desks = Desks(kind, options.folder or Path(folder), server)
            told[kind] = _sizes(desks, options.sizes)
            if options.pages and kind in options.pages_on:
                with desks.served(max(options.sizes)) as (door, _):
                    told[kind]["pages"] = _pages(door, options)
    print(json.dumps(told))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="1 000 and 10 000 payments, pages for 10 s")
    parser.add_argument("--sizes", type=_numbers, help="so many payments, e.g. 10_000,100_000,1_000_000")
    parser.add_argument("--pages", type=int, default=50, help="how many pages are open")
    parser.add_argument("--seconds", type=int, help="how long they are watched")
    parser.add_argument("--export", action="store_true", help="a file of all payments is taken meanwhile")
    parser.add_argument("--pages-on", nargs="+", default=["sqlite"], help="sqlite, postgresql")
    parser.add_argument("--folder", type=Path, help="where SQLite's databases are kept, and taken from")
    parser.add_argument(
        "--server", help="a PostgreSQL server that keeps databases, with --folder for their keys"
    )
    parser.add_argument("--url", help="a database with payments, for the pages alone")
    options = parser.parse_args()
    options.sizes = options.sizes or ((1_000, 10_000) if options.quick else (10_000, 100_000))
    options.seconds = options.seconds or (10 if options.quick else 40)
    return options


def _numbers(told: str) -> tuple[int, ...]:
    return tuple(int(number) for number in told.split(","))


# -- one reading of the page ------------------------------------------------------------------------


def _sizes(desks: Desks, sizes: tuple[int, ...]) -> dict[str, Any]:
    """Each size, and how costs grow with it."""
    rows = {}
    for size in sizes:
        with desks.of(size) as (engine, _):
            rows[size] = _reading(engine, size)
        print(f"{desks.kind} {size}: {json.dumps(rows[size])}", file=sys.stderr)
    told: dict[str, Any] = {f"payments_{size}": row for size, row in rows.items()}
    if len(sizes) > 1:
        for name in ("sql_ms", "picture_cpu_ms", "from_scratch_ms"):
            told[f"{name}_exponent"] = _exponent({size: row[name] for size, row in rows.items()})
    return told


def _reading(engine: Engine, size: int) -> dict[str, Any]:
    sql, picture = _one_picture(engine)
    scratch = _timed(lambda: _from_scratch(engine), times=3 if size > 100_000 else 10)
    told = {
        "statements": len(sql),
        "sql_ms": round(_raw(engine, sql), 2),
        "picture_cpu_ms": round(picture, 2),
        "probe_ms": round(_raw(engine, sql[:1]), 3),
        "from_scratch_ms": round(scratch, 2),
        **{f"split_{by}_ms": round(_apart(engine, by), 2) for by in By},
    }
    if size <= PANDAS_UP_TO:
        told["pandas_ms"] = round(_timed(lambda: _by_pandas(engine), times=2))
    return told


def _one_picture(engine: Engine) -> tuple[list[tuple[str, Any]], float]:
    """The statements of one reading of everything, and the processor time of it with all that is made of
    them, in ms."""
    sessions, statements = Sessions(engine), []

    def read() -> None:
        with sessions.read() as session:
            overview.version(session)
            overview.live(session, None, now=NOW)

    @event.listens_for(engine, "before_cursor_execute")
    def _keep(_connection: Any, _cursor: Any, statement: str, told: Any, *_other: Any) -> None:
        statements.append((statement, told))

    read()
    event.remove(engine, "before_cursor_execute", _keep)
    kept = [(statement, told) for statement, told in statements if not statement.startswith("BEGIN")]
    return kept, _timed(read, clock=time.thread_time)


def _apart(engine: Engine, by: By) -> float:
    """The funnel told apart with all that is made of it: for who chose it, once for a version and scope."""
    sessions = Sessions(engine)

    def read() -> None:
        with sessions.read() as session:
            split(session, None, by, now=NOW)

    return _timed(read)


def _raw(engine: Engine, statements: list[tuple[str, Any]]) -> float:
    """The same statements by the driver alone, to the last row, in ms."""
    with engine.connect() as connection:
        cursor = connection.connection.cursor()

        def run() -> None:
            for statement, told in statements:
                cursor.execute(statement, told)
                cursor.fetchall()

        return _timed(run)


def _from_scratch(engine: Engine) -> None:
    """What the totals save: the same numbers, counted. Today's come from indexes of the moments."""
    with engine.connect() as connection:
        for statement in (
            "SELECT status, amount_currency, count(*), sum(amount_minor) FROM payments GROUP BY 1, 2",
            "SELECT event_id, method, amount_currency, paid_at FROM payments WHERE paid_at >= :since"
            " AND paid_at < :until",
            "SELECT status, stage, failure, amount_currency, created_at, amount_minor FROM payments"
            " WHERE created_at >= :since AND created_at < :until",
        ):
            connection.execute(text(statement), _day(engine) if ":since" in statement else {}).all()


def _day(engine: Engine) -> dict[str, Any]:
    since, until = "2026-11-22 22:00:00.000000", "2026-11-23 22:00:00.000000"
    if engine.dialect.name == "sqlite":
        return {"since": since, "until": until}
    return {
        "since": datetime.fromisoformat(f"{since}+00:00"),
        "until": datetime.fromisoformat(f"{until}+00:00"),
    }


def _by_pandas(engine: Engine) -> None:
    with engine.connect() as connection:
        frame = pandas.read_sql(text("SELECT * FROM payments"), connection)
    frame.groupby(["status", "amount_currency"])["amount_minor"].agg(["count", "sum"])


def _timed(
    work: Callable[[], object], *, times: int = TIMES, clock: Callable[[], float] = time.perf_counter
) -> float:
    """The median of so many, in ms, after one that is not counted."""
    work()
    took = []
    for _ in range(times):
        start = clock()
        work()
        took.append(clock() - start)
    return median(took) * 1000


def _exponent(costs: dict[int, float]) -> float:
    """By least squares: 0 is flat, 1 grows as the payments do."""
    points = [(math.log(size), math.log(cost)) for size, cost in costs.items()]
    mean_x, mean_y = (sum(values) / len(points) for values in zip(*points, strict=True))
    above = sum((x - mean_x) * (y - mean_y) for x, y in points)
    return round(above / sum((x - mean_x) ** 2 for x, _ in points), 3)


# -- open pages -------------------------------------------------------------------------------------


def _pages(door: served.Served, options: argparse.Namespace) -> dict[str, Any]:
    """A real server, pages of people of all roles in twelve scopes, and a payment a second."""
    people = _people(door, options.pages)
    server = _server_of(door.port)
    with watching(door.url, people, WARM_S, options.seconds) as pages:
        before, start = _cpu_s(server), time.monotonic()
        with _exporting(door, people[0]["cookie"]) if options.export else _nothing() as exported:
            paid = _payments_come(door.app, options.seconds - 5)
            told = json.loads(pages.stdout.readline())
        took, cpu = time.monotonic() - start, _cpu_s(server) - before
    memory = server.memory_info().rss
    assert told["pulses"], "no page came to ask"
    lags = sorted(
        seen[name] - at
        for person, seen in zip(people, told.pop("seen"), strict=True)
        for name, event_id, at in paid
        if (person["scope"] is None or event_id in person["scope"]) and name in seen
    )
    assert lags, "no payment came to a page while it was watched: the machine is too busy to tell anything"
    wanted = sum(p["scope"] is None or event_id in p["scope"] for p in people for _, event_id, _ in paid)
    return {
        "payments": None if options.url else max(options.sizes),
        "pages": len(people),
        "payments_paid": len(paid),
        "shown": len(lags),
        "not_shown": wanted - len(lags),
        "commit_to_screen_p50_s": round(lags[len(lags) // 2], 2),
        "commit_to_screen_p95_s": round(lags[len(lags) * 95 // 100], 2),
        "commit_to_screen_max_s": round(lags[-1], 2),
        "cpu_cores": round(cpu / took, 3),
        "cpu_ms_a_showing": round(cpu / len(lags) * 1000, 1),
        "server_mb": round(memory / 2**20),
        **told,
        **exported,
    }


def _people(door: served.Served, count: int) -> list[dict[str, Any]]:
    """Signed-in people, the roles in turn and the scopes in turn; an admin sees everything."""
    people = []
    for nth in range(count):
        role = ROLES[nth % len(ROLES)]
        scope = None if role is Role.ADMIN else SCOPES[1 + nth % (len(SCOPES) - 1)]
        email = f"{role}{nth}@example.org"
        with door.app.sessions.begin() as session:
            if session.scalar(select(PersonRow.id).where(PersonRow.email == email)) is None:
                create_person(
                    session,
                    SYSTEM,
                    name=f"Person {nth}",
                    email=email,
                    role=role,
                    events=scope,
                    now=door.app.now(),
                )
        cookie = door.cookie(door.come_in(email))["Cookie"]
        people.append({"cookie": cookie, "scope": scope})
    return people


def _server_of(port: int) -> psutil.Process:
    """The process that serves a port of this machine."""
    mine = psutil.Process().children(recursive=True)
    for process in mine:
        if any(
            one.laddr.port == port for one in process.net_connections(kind="tcp") if one.status == "LISTEN"
        ):
            return process
    raise AssertionError(f"nobody listens on {port}")


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _payments_come(app: bootstrap.App, seconds: int) -> list[tuple[str, int, float]]:
    """A payment a second, made and paid in one transaction: its payer, its event, the commit."""
    paid = []
    with app.sessions.read() as session:
        codes = {row.id: row.currency for row in session.query(Event)}
        last = session.scalar(select(func.max(Payment.id))) or 0  # who came before bears other numbers
    start = time.monotonic()
    for nth in range(seconds):
        time.sleep(max(0.0, start + nth - time.monotonic()))
        event_id, name = 1 + nth * 7 % 39, f"Payer No {(last + nth) % 1_000_000:06d}"
        with app.sessions.begin() as session:
            _paid(session, event_id, codes[event_id], name, app.now())
        paid.append((name, event_id, time.monotonic()))
    return paid


def _paid(session: Any, event_id: int, currency: str, name: str, now: datetime) -> None:
    payment = Payment(
        reference=references.draw("REG", demo=True), event_id=event_id, mode="demo", status=Status.OPEN,
        amount_minor=45_050, amount_currency=currency, payer_name=name, created_by="benchmark",
        created_at=now, updated_at=now, search_text="", stage="issued",
    )  # fmt: skip
    payment.search_text = search_text.of(payment)
    session.add(payment)
    session.flush()
    tallies.moved(session, payment, None, now)
    lifecycle.receive(
        session, payment, kind="cash", source_reference=payment.reference, amount=Money(45_050, currency),
        now=now, source=Source.DESK, actor="benchmark",
    )  # fmt: skip


@contextmanager
def _nothing() -> Iterator[dict[str, Any]]:
    yield {}


@contextmanager
def _exporting(door: served.Served, cookie: str) -> Iterator[dict[str, Any]]:
    """Files of everything that tells of no payer, which take no second person, one after the other, taken as
    fast as they come and thrown away."""
    columns = ",".join(name for name, column in COLUMNS.items() if not column.personal)
    stop, told = threading.Event(), {"exports": 0, "exported_mb": 0}

    def take() -> None:
        while not stop.is_set():
            with requests.get(
                f"{door.url}/export?columns={columns}", headers={"Cookie": cookie}, stream=True, timeout=60
            ) as reply:
                reply.raise_for_status()
                for chunk in reply.iter_content(1 << 16):
                    told["exported_mb"] += len(chunk) / 2**20
                    if stop.is_set():
                        return
            told["exports"] += 1

    thread = threading.Thread(target=take)
    thread.start()
    try:
        yield told
    finally:
        stop.set()
        thread.join()
        told["exported_mb"] = round(told["exported_mb"])


if __name__ == "__main__":
    main()
