"""How long do reports take over a whole book? Each on each basis, a month and a year; one JSON line.

``docs/performance.md`` explains the figures. ``--sizes 1000000`` takes minutes to make and to ask;
``--folder`` keeps SQLite's books there. ``--quick`` asks 10 000 payments alone.
"""

import argparse
import json
import math
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).parent.parent)

import pandas
from sqlalchemy import Engine, text

from benchmarks import _book
from db.migrate import migrate
from db.session import Sessions, make_file, open_engine
from payments.finding import as_of, search
from payments.finding.conditions import Filter
from payments.reports import making
from payments.reports.making import ABOUT, OF_ONE_EVENT
from payments.reports.period import Basis, Period
from payments.reports.report import Asked, Kind, Report
from tests import postgres
from tests.desk import ADMIN

PERIODS = {
    "month": Period(date(2026, 11, 1), date(2026, 11, 30)),
    "year": Period(date(2026, 1, 1), date(2026, 12, 31)),
}
#: The report that the goals speak of.
REVENUE = Asked(Kind.REVENUE, Basis.CAPTURED, PERIODS["year"])
_PAST = _book.NOW - timedelta(days=20)
_SPAN = "WHERE r.received_at >= '2025-12-31 22:00:00' AND r.received_at < '2026-12-31 22:00:00'"
_MONEY = f"FROM receipts r JOIN payments p ON p.id = r.payment_id {_SPAN}"
#: No report of a year can be quicker: each receipt is read once, and each of its payments.
LIMIT = f"SELECT p.event_id, r.kind, COUNT(*), SUM(r.amount_minor) {_MONEY} GROUP BY p.event_id, r.kind"


def main() -> None:
    options = _options()
    if options.cold:
        print(json.dumps(_once(options.cold)))
        return
    told: dict[str, Any] = {
        "bench": "reports",
        "machine": f"{os.cpu_count()} × {platform.processor() or platform.machine()}",
        "load_before": round(os.getloadavg()[0], 1),
    }
    with ExitStack() as stack:
        folder = options.folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if "sqlite" in options.databases:
            told["sqlite"] = _sizes(lambda size: f"sqlite:///{folder}/book{size}.db", options.sizes)
        if "postgresql" in options.databases:
            admin = stack.enter_context(postgres.server())
            told["postgresql"] = _sizes(
                lambda size: postgres.new_database(admin, f"reports_{size}"), options.sizes
            )
    print(json.dumps(told))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="10 000 payments alone")
    parser.add_argument("--sizes", type=_numbers, help="so many payments, e.g. 100_000,1_000_000")
    parser.add_argument("--databases", type=lambda told: told.split(","), default=["sqlite", "postgresql"])
    parser.add_argument("--folder", type=Path, help="where SQLite's books are kept, and found again")
    parser.add_argument("--cold", help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.sizes = options.sizes or ((10_000,) if options.quick else (10_000, 100_000))
    return options


def _numbers(told: str) -> tuple[int, ...]:
    return tuple(int(number) for number in told.split(","))


def _sizes(url: Callable[[int], str], sizes: tuple[int, ...]) -> dict[str, Any]:
    told: dict[str, Any] = {f"payments_{size}": _size(url(size), size) for size in sizes}
    if len(sizes) > 1:
        first, last = (
            told[f"payments_{size}"]["revenue/captured"]["year_s"] for size in (sizes[0], sizes[-1])
        )
        told["year_exponent"] = round(math.log(last / first) / math.log(sizes[-1] / sizes[0]), 2)
    return told


def _size(url: str, size: int) -> dict[str, Any]:
    engine = open_engine(url)
    try:
        _made(engine, size)
        sessions, times = Sessions(engine), 1 if size > 100_000 else 3
        told: dict[str, Any] = dict(_each(sessions, times))
        limit, peer = _least(lambda: _by_sql(engine), times), _least(lambda: _by_pandas(engine), 2)
        year = told["revenue/captured"]["year_s"]
        told |= {"limit_s": limit, "revenue_over_limit": round(year / limit, 2)}
        told |= {"pandas_s": peer, "pandas_over_revenue": round(peer / year, 2)}
        told["cold"] = _cold(url)
        return told | _past(sessions)
    finally:
        engine.dispose()


def _made(engine: Engine, size: int) -> None:
    """A book that is kept is taken as it is."""
    make_file(engine)
    migrate(engine)
    with engine.connect() as connection:
        if connection.execute(text("SELECT 1 FROM payments LIMIT 1")).first():
            return
    _book.fill(engine, size)


def _each(sessions: Sessions, times: int) -> Iterator[tuple[str, dict[str, float]]]:
    for kind, about in ABOUT.items():
        for basis in about.bases:
            told = {}
            for name, period in PERIODS.items():
                asked = Asked(kind, basis, period, "EVENT-3" if kind in OF_ONE_EVENT else "")
                told[f"{name}_s"] = _least(lambda asked=asked: _make(sessions, asked), times)
            yield f"{kind}/{basis}", told


def _make(sessions: Sessions, asked: Asked) -> Report:
    with as_of.read(sessions, asked.as_of, now=_book.NOW) as session:
        return making.make(session, ADMIN, asked, demo=True, now=_book.NOW)


def _least(work: Callable[[], object], times: int) -> float:
    """The least of some, in seconds: what others take of the machine is not ours."""
    taken = []
    for _ in range(times):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return round(min(taken), 3)


def _by_sql(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(text(LIMIT)).all()


def _by_pandas(engine: Engine) -> None:
    rows = text(f"SELECT p.event_id, r.kind, r.received_at, r.amount_minor {_MONEY}")
    with engine.connect() as connection:
        frame = pandas.read_sql(rows, connection)
    frame.groupby(["event_id", "kind"])["amount_minor"].agg(["count", "sum"])


# -- from cold ----------------------------------------------------------------------------------------


def _cold(url: str) -> dict[str, float]:
    """The year's revenue in a process of its own, from its start on; SQLite's file is out of memory."""
    if url.startswith("sqlite"):
        descriptor = os.open(url.removeprefix("sqlite:///"), os.O_RDONLY)
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)
    start = time.perf_counter()
    made = subprocess.run(
        [sys.executable, __file__, "--cold", url], check=True, capture_output=True, text=True
    )
    return {"process_s": round(time.perf_counter() - start, 2)} | json.loads(made.stdout)


def _once(url: str) -> dict[str, float]:
    engine = open_engine(url)
    try:
        return {"report_s": _least(lambda: _make(Sessions(engine), REVENUE), 1)}
    finally:
        engine.dispose()


# -- the past -----------------------------------------------------------------------------------------


def _past(sessions: Sessions) -> dict[str, Any]:
    """As it stood three weeks before: the month's revenue and open items, and the first page of the list."""
    reports = {
        f"{kind}/as-of": _least(
            lambda kind=kind: _make(sessions, Asked(kind, Basis.CAPTURED, PERIODS["month"], as_of=_PAST)), 1
        )
        for kind in (Kind.REVENUE, Kind.OPEN_ITEMS)
    }
    return {"as_of_s": reports | {"list": _least(lambda: _page(sessions, _PAST), 1)}}


def _page(sessions: Sessions, moment: datetime) -> None:
    with as_of.read(sessions, moment, now=_book.NOW) as session:
        search.page(session, ADMIN, Filter(as_of=moment))


if __name__ == "__main__":
    main()
