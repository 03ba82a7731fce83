"""What do the guards cost? Pages and search with all of them on, beside the same without; one JSON line.

Two doors to one database of invented payments: ``server.py``, and the same with each guard taken away
(``benchmarks._unguarded``). Two viewers open pages and search, and the doors take turns: one is here for all
events, the other for each of forty by name, so that every question carries its scope. The goal is that who is
guarded waits at most a fifth longer. ``docs/performance.md`` has the figures.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

sys.path[0] = str(Path(__file__).parent.parent)

from sqlalchemy import select

from benchmarks import _many, _run, _totals
from db.models import Event
from payments.access.people import SYSTEM, Role
from payments.access.staff import create_person
from tests import postgres
from tests.served import Served, serving, told

ROWS, TIMES, GOAL = 100_000, 15, 1.2
#: Viewers, and whether each is here for every event by its name.
VIEWERS = {"all_events": ("sipho@example.org", False), "by_name": ("vusi@example.org", True)}
PAGES = {
    "live": ("", ""),
    "payments": ("payments", ""),
    "search": ("payments", "q=mokoena"),
    "two_words": ("payments", "q=thandi+mokoena"),
    "filter": ("payments", "q=status%3Afailed"),
}


def main() -> None:
    options = _run.options(__doc__, ROWS).parse_args()
    found = _run.head("guarded", options.rows)
    kinds = options.databases.split(",")
    for kind in kinds:
        found[kind] = _database(kind, options.rows)
    found["goal"] = GOAL
    print(json.dumps(found))


def _database(kind: str, rows: int) -> dict[str, Any]:
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="paydesk-bench-")))
        for name in ("guarded", "open"):
            (folder / name).mkdir()
        url = f"sqlite:///{folder}/desk.db"
        if kind == "postgresql":
            url = postgres.new_database(stack.enter_context(postgres.server()), "guarded")
        guarded = stack.enter_context(serving(folder / "guarded", DATABASE_URL=url))
        _many.fill(guarded.app.sessions.engine, rows)
        _totals.count(guarded.app.sessions.engine)
        unguarded = ("-m", "benchmarks._unguarded")
        other = stack.enter_context(
            serving(
                folder / "open", *unguarded, DATABASE_URL=url, DATA_DIR=str(guarded.app.settings.data_dir)
            )
        )
        return {
            who: _of((guarded, other), _come_in(guarded, email, by_name))
            for who, (email, by_name) in VIEWERS.items()
        }


def _of(doors: tuple[Served, Served], token: str) -> dict[str, Any]:
    pages = {name: _beside(*(_asked(door, token, *page) for door in doors)) for name, page in PAGES.items()}
    return pages | {"pulse": _beside(*(_pulse(door, token) for door in doors))}


def _come_in(door: Served, email: str, by_name: bool) -> str:
    now = door.app.now()
    with door.app.sessions.begin() as session:
        events = session.scalars(select(Event.id)).all() if by_name else None
        create_person(
            session, SYSTEM, name="A viewer", email=email, role=Role.VIEWER, events=events, now=now
        )  # fmt: skip
    return door.come_in(email)


def _asked(door: Served, token: str, page: str, query: str) -> Callable[[], float]:
    """Opening a page: its socket, and the script until it has finished."""

    def once() -> float:
        began = time.perf_counter()
        with door.socket(token) as connection:
            said = told(connection, page, query=query)
            took = time.perf_counter() - began
        assert len(said) > 10, "a page that shows nothing is quick"
        return took

    return once


def _pulse(door: Served, token: str) -> Callable[[], float]:
    """Everything that the live page shows, drawn anew."""

    def once() -> float:
        began = time.perf_counter()
        answer = door.ask("/pulse?known=", token)
        assert answer.status_code == 200, answer.status_code
        return time.perf_counter() - began

    return once


def _beside(guarded: Callable[[], float], unguarded: Callable[[], float]) -> dict[str, float]:
    """Milliseconds, medians; the two take turns, and who is first changes."""
    took: dict[Callable[[], float], list[float]] = {guarded: [], unguarded: []}
    for nth in range(TIMES + 2):
        for ask in (guarded, unguarded) if nth % 2 else (unguarded, guarded):
            seconds = ask()
            if nth > 1:  # the first go finds nothing warm
                took[ask].append(seconds)
    on, off = (median(took[ask]) * 1000 for ask in (guarded, unguarded))
    return {"guarded_ms": round(on, 1), "unguarded_ms": round(off, 1), "ratio": round(on / off, 2)}


if __name__ == "__main__":
    main()
