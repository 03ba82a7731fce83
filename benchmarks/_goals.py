"""Finding, the live page and files in one run, at each size, beside their peers and limits: ``make goals``.

    python -m benchmarks._goals [--rows 10000,100000,1000000] [--folder KEPT] [--server postgresql://…]

Runs ``search.py``, ``live.py`` and ``export.py`` one after the other over the same desks, which are made
once, and prints one JSON line: what each printed, and for each goal what was measured, what it should be, and
whether it was reached. A goal whose peer was not there is ``null``. What they say meanwhile goes to standard
error.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests import postgres

_HERE = Path(__file__).parent
#: A goal: what it is of, what was measured, and what that should be at most, or at least.
Goal = tuple[str, float | None, str, float]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", default="10000,100000,1000000", help="so many payments, the largest last")
    options.add_argument("--folder", type=Path, help="where SQLite's desks are kept, and taken from")
    options.add_argument(
        "--server", help="a PostgreSQL server that keeps desks, with --folder for their keys"
    )
    given = options.parse_args()
    largest = given.rows.split(",")[-1]
    started = time.monotonic()
    with ExitStack() as stack:
        folder = given.folder or stack.enter_context(tempfile.TemporaryDirectory(prefix="paydesk-goals-"))
        server = given.server or stack.enter_context(postgres.server(durable=True))
        desks = ("--folder", str(folder), "--server", server)
        told = {
            "search": _run("search.py", "--rows", given.rows, *desks),
            "live": _run("live.py", "--sizes", given.rows, "--pages-on", "sqlite", "postgresql", *desks),
            "export": _run("export.py", "--rows", given.rows, "--datasette", *desks),
        }
    goals = [
        *_finding(told["search"], largest),
        *_live(told["live"], largest),
        *_files(told["export"], largest),
    ]
    judged = {name: _judged(*rest) for name, *rest in goals}
    print(json.dumps({"took_s": round(time.monotonic() - started), "goals": judged} | told))


def _run(name: str, *arguments: str) -> dict[str, Any]:
    """What one benchmark printed. It raises where one of them fails: half a run says nothing."""
    command = [sys.executable, str(_HERE / name), *arguments]
    found: dict[str, Any] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    print(f"{name}: {json.dumps(found)}", file=sys.stderr)
    return found


def _judged(measured: float | None, how: str, goal: float) -> dict[str, Any]:
    reached = None if measured is None else measured <= goal if how == "at most" else measured >= goal
    return {"measured": measured, how: goal, "reached": reached}


def _finding(told: dict[str, Any], largest: str) -> Iterator[Goal]:
    """Milliseconds are those of a million; of more, ten times as many."""
    times = 10 if int(largest) > 1_000_000 else 1
    for kind, most in (("sqlite", 10 * times), ("postgresql", (30 if times == 1 else 200))):
        ours = told[kind]["rows"][largest]["ours"]
        for case, ms in ours.items():
            if not case.startswith(("page_", "exact_", "newest_")):
                yield f"S {kind} {case} ms", ms, "at most", most * (2 if case.endswith("_and_status") else 1)
        ratios = told[kind]["ratios"]
        yield f"S {kind} page 10,000 over page 1", ratios["page_10000_over_page_1"], "at most", 1.5
        for peer in ("datasette", "like_pair"):
            if kind == "sqlite" or peer != "datasette":
                yield f"S {kind} {peer} over ours", ratios.get(f"{peer}_over_ours"), "at least", 50
        grows = told[kind]["exponents"]
        yield (
            f"S {kind} newest fifty of a common word, exponent",
            grows.get("newest_common_name"),
            "at most",
            0.2,
        )
        yield f"S {kind} newest fifty of two words, exponent", grows.get("newest_two_words"), "at most", 0.95
        yield (
            f"S {kind} common word with its best and count, exponent",
            grows.get("common_name"),
            "at most",
            0.2,
        )
        yield (
            f"S {kind} two words with their best and count, exponent",
            grows.get("two_words"),
            "at most",
            0.95,
        )


def _live(told: dict[str, Any], largest: str) -> Iterator[Goal]:
    for kind in ("sqlite", "postgresql"):
        yield f"L {kind} statements ms", told[kind][f"payments_{largest}"]["sql_ms"], "at most", 2
        yield f"L {kind} exponent", told[kind].get("sql_ms_exponent"), "at most", 0.2
        pages = told[kind]["pages"]
        yield f"L {kind} commit to screen, p95 s", pages["commit_to_screen_p95_s"], "at most", 3
        yield f"L {kind} cores of fifty pages", pages["cpu_cores"], "at most", 0.2
        yield f"L {kind} payments not shown", pages["not_shown"], "at most", 0


def _files(told: dict[str, Any], largest: str) -> Iterator[Goal]:
    for kind, most in (("sqlite", 2.5), ("postgresql", 1.3)):
        for name in ("twelve", "usual"):
            one = told[kind][name][largest]
            yield f"E {kind} {name} over its command line", one.get("ours_over_cli"), "at most", most
            yield f"E {kind} {name} first byte ms", one["ours"]["first_byte_ms"], "at most", 100
            yield f"E {kind} {name} memory MB", one["ours"]["child_mb"], "at most", 60
            if kind == "sqlite":
                yield f"E {name} over Datasette", one.get("ours_over_datasette"), "at most", 0.2
        yield f"E {kind} webhook p99 beside", told[kind]["webhook"].get("p99_beside_over_alone"), "at most", 2


if __name__ == "__main__":
    main()
