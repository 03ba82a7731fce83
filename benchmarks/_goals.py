"""Finding, the live page and files in one run, at each size, beside their peers and limits: ``make goals``.

    python -m benchmarks._goals [--rows 10000,100000,1000000] [--no-datasette]

Runs ``search.py``, ``live.py`` and ``export.py`` one after the other and prints one JSON line: what each
printed, and for each goal what was measured, what it should be, and whether it was reached. A goal whose peer
was not there is ``null``. What they say meanwhile goes to standard error.
"""

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SIZES = {"10000", "100000", "1000000", "10000000"}
_HERE = Path(__file__).parent
#: A goal: what it is of, what was measured, and what that should be at most, or at least.
Goal = tuple[str, float | None, str, float]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rows", default="10000,100000,1000000", help="so many payments, the largest last")
    options.add_argument(
        "--no-datasette", action="store_true", help="files without Datasette's, a minute less"
    )
    given = options.parse_args()
    largest = given.rows.split(",")[-1]
    if not {*given.rows.split(",")} <= SIZES:
        options.error(f"Files are measured at {', '.join(sorted(SIZES, key=int))}: give some of these.")
    told = {
        "search": _run("search.py", "--rows", given.rows),
        "live": _run("live.py", "--sizes", given.rows),
        "export": _run("export.py", "--rows", largest, *[] if given.no_datasette else ["--datasette"]),
    }
    goals = [
        *_finding(told["search"], largest),
        *_live(told["live"], largest),
        *_files(told["export"], largest),
    ]
    print(json.dumps(told | {"goals": {name: _judged(*rest) for name, *rest in goals}}))


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
            if not case.startswith(("page_", "exact_")):
                yield f"S {kind} {case} ms", ms, "at most", most * (2 if case.endswith("_and_status") else 1)
        ratios = told[kind]["ratios"]
        yield f"S {kind} page 10,000 over page 1", ratios["page_10000_over_page_1"], "at most", 1.5
        for peer in ("datasette", "like_pair"):
            if kind == "sqlite" or peer != "datasette":
                yield f"S {kind} {peer} over ours", ratios.get(f"{peer}_over_ours"), "at least", 50
        grows = told[kind]["exponents"]
        yield f"S {kind} common word, exponent", grows.get("common_name"), "at most", 0.2
        yield f"S {kind} two words, exponent", grows.get("two_words"), "at most", 0.95


def _live(told: dict[str, Any], largest: str) -> Iterator[Goal]:
    for kind in ("sqlite", "postgresql"):
        yield f"L {kind} statements ms", told[kind][f"payments_{largest}"]["sql_ms"], "at most", 2
        yield f"L {kind} exponent", told[kind].get("sql_ms_exponent"), "at most", 0.2
    pages = told["pages"]
    yield "L commit to screen, p95 s", pages["commit_to_screen_p95_s"], "at most", 3
    yield "L cores of fifty pages", pages["cpu_cores"], "at most", 0.2
    yield "L payments not shown", pages["not_shown"], "at most", 0


def _files(told: dict[str, Any], largest: str) -> Iterator[Goal]:
    for kind, most in (("sqlite", 2.5), ("postgresql", 1.3)):
        one = told[kind][largest]
        yield f"E {kind} over its command line", one.get("ours_over_cli"), "at most", most
        yield f"E {kind} first byte ms", one["ours"]["first_byte_ms"], "at most", 100
        yield f"E {kind} memory MB", one["ours"]["child_mb"], "at most", 60
        yield f"E {kind} webhook p99 beside", told[kind]["webhook"].get("p99_beside_over_alone"), "at most", 2
    yield "E sqlite over Datasette", told["sqlite"][largest].get("ours_over_datasette"), "at most", 0.2


if __name__ == "__main__":
    main()
