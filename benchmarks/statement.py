"""How long does a bank statement of 100,000 lines take to come in? One JSON line, growth from 10,000 up.

Each size is a desk of its own on SQLite, in a process of its own: the file is read and proved, its lines are
imported in one transaction, a longer file that overlaps all of them follows, and that is undone.
"""

import json
import math
import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

sys.path[0] = str(Path(__file__).parent.parent)

from db.migrate import migrate
from db.session import Sessions, open_engine
from payments.access.people import Person, Role
from payments.bank import accounts, imports
from payments.statements.statement import MAX_LINES

ROOT = Path(__file__).parent.parent
SIZES = (10_000, MAX_LINES)
GOAL = {"seconds": 10, "peak_mb": 300}
BY = Person(1, "bench", "bench@example.org", Role.ADMIN, None)
_Told = TypeVar("_Told")


def main() -> None:
    runs = {}
    for size in SIZES:
        done = subprocess.run(
            [sys.executable, __file__, str(size)], cwd=ROOT, check=True, stdout=subprocess.PIPE, timeout=600
        )
        runs[str(size)] = json.loads(done.stdout)
    first, last = (runs[str(size)]["cpu_seconds"] for size in SIZES)
    told = {
        "bench": "statement",
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{os.cpu_count()} × {platform.processor() or platform.machine()}",
        "load_before": round(os.getloadavg()[0], 1),
        "goal": GOAL,
        "lines": runs,
        "exponent": round(math.log(last / max(0.01, first)) / math.log(SIZES[-1] / SIZES[0]), 2),
    }
    print(json.dumps(told))


def one(size: int) -> None:
    """A desk, a file, an import: printed as JSON."""
    now = datetime.now(UTC)
    short, whole = (_statement(count) for count in (size - 1_000, size))
    with tempfile.TemporaryDirectory(prefix="paydesk-bench-") as folder:
        engine = open_engine(f"sqlite:///{folder}/bench.db")
        migrate(engine)
        sessions = Sessions(engine)
        with sessions.begin() as session:
            account = accounts.create(session, BY, name="Events", now=now).id
        before = _peak_mb()
        (came, new), new_cost = _timed(lambda: _import(sessions, account, "short.csv", short, now))
        told: dict[str, Any] = {"new_lines": new, **new_cost, "peak_mb": _peak_mb(), "before_mb": before}
        (again, more), over = _timed(lambda: _import(sessions, account, "whole.csv", whole, now))
        assert (came.rows, new, more) == (size - 999, size - 1_000, 1_000)
        told["overlapping"] = {"new_lines": more, **over, "peak_mb": _peak_mb()}
        gone, cost = _timed(lambda: _undo(sessions, again.id, now))
        told["undone"] = {"lines": gone, **cost}
        engine.dispose()
    print(json.dumps(told))


def _statement(count: int) -> bytes:
    """An account that takes R7.50 again and again, over a year, with its balance."""
    first, rows, balance = date(2026, 1, 1), ["Date,Description,Amount,Balance"], 0
    for number in range(count):
        balance += 750
        on = first + timedelta(days=365 * number // MAX_LINES)
        text = f"FNB APP PAYMENT FROM PAYER {number} DEMOREG{number:07d}"
        rows.append(f"{on},{text},7.50,{balance // 100}.{balance % 100:02d}")
    return "\n".join(rows).encode()


def _import(
    sessions: Sessions, account: int, name: str, data: bytes, now: datetime
) -> tuple[imports.FileView, int]:
    with sessions.begin() as session:
        came = imports.import_file(session, BY, account, name, data, now=now)
    return came.file, came.new


def _undo(sessions: Sessions, file: int, now: datetime) -> int:
    with sessions.begin() as session:
        return imports.undo(session, BY, file, "The bench is over.", now=now)


def _timed(do: Callable[[], _Told]) -> tuple[_Told, dict[str, float]]:
    wall, cpu = time.perf_counter(), time.process_time()
    told = do()
    return told, {
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
    }


def _peak_mb() -> int:
    """Of this process alone: ``ru_maxrss`` begins with what the parent held. Linux only."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+)", status)
    assert found
    return int(found[1]) // 1024


if __name__ == "__main__":
    one(int(sys.argv[1])) if sys.argv[1:] else main()
