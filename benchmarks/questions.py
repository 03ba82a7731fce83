"""How long does a page wait for its questions while others write? 200,000 payments, 50 writes a second; one
JSON line.

A process writes at its pace: payments that come and notes, each a transaction with all that belongs to it.
Beside it a list is asked for with its count, by name, reference, address and status, the live page's picture,
and a payment's drawer, each on a picture of its own. Fails when 95 of 100 of any took over 300 ms and the
machine was not overrun by others, or when the writes did not keep their pace.
``docs/performance.md`` has the figures.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).parent.parent)

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from benchmarks import _run, _totals
from db.migrate import migrate
from db.models import Event, Payment
from db.money import Money
from db.session import Sessions, open_engine
from payments import notes, obligations
from payments.finding import search
from payments.finding.filters import Filter
from payments.lifecycle import Source, Status
from payments.live import overview
from payments.obligations import Draft
from tests import crowd
from tests.desk import ADMIN

ROWS, A_SECOND, SECONDS = 200_000, 50, 30
P95_MS = 300
NOW = datetime(2026, 12, 26, tzinfo=UTC)
#: A person thinks, and the writer has its turn at the processor.
BETWEEN_S = 0.02


def main() -> None:
    options = _run.options(__doc__, ROWS)
    options.add_argument("--seconds", type=int, default=SECONDS)
    options.add_argument("--write", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.write:
        print(json.dumps(_write(given.write, given.seconds)))
        return
    told = _run.head("questions", given.rows) | {"seconds": given.seconds}
    kinds = given.databases.split(",")
    for kind in kinds:
        told[kind] = _database(kind, given.rows, given.seconds)
    print(json.dumps(told))
    slow = any(_is_slow(told[kind]) for kind in kinds)
    sys.exit(slow and told["load_before"] <= (os.cpu_count() or 1))


def _is_slow(told: dict[str, Any]) -> bool:
    return told["worst_p95_ms"] > P95_MS or told["writes_per_s"] < A_SECOND * 0.9


def _database(kind: str, rows: int, seconds: int) -> dict[str, Any]:
    with _run.database(kind, "questions") as (url, engine):
        migrate(engine)
        crowd.fill(engine, rows)
        _totals.count(engine)
        command = [sys.executable, __file__, "--write", url, "--seconds", str(seconds + 2)]
        writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        time.sleep(2)  # until it writes
        asked = _ask(Sessions(engine), time.monotonic() + seconds)
        told = {name: _told(times) for name, times in asked.items()}
        worst = max(one["p95_ms"] for one in told.values())
        return json.loads(writer.communicate(timeout=60)[0]) | {"worst_p95_ms": worst} | told


# -- who asks -----------------------------------------------------------------------------------------


def _ask(sessions: Sessions, until: float) -> Mapping[str, list[float]]:
    """Each question in turn, each time of another payment; how long each took, in ms."""
    with sessions.read() as session:
        some = session.scalars(
            select(Payment).where(Payment.id % 97 == 0, func.length(Payment.payer_name) > 3)
        )
        payers = [(one.reference, one.payer_name, one.payer_email or one.payer_name) for one in some]
    dice, questions = random.Random(len(payers)), _questions()
    times: dict[str, list[float]] = {name: [] for name in questions}
    while time.monotonic() < until:
        for name, question in questions.items():
            payer = dice.choice(payers)
            began = time.perf_counter()
            with sessions.read() as session:
                question(session, *payer)
            times[name].append((time.perf_counter() - began) * 1000)
            time.sleep(BETWEEN_S)
    return times


def _questions() -> Mapping[str, Callable[[Session, str, str, str], object]]:
    return {
        "all": lambda session, _reference, _name, _mail: _listed(session, Filter()),
        "first_name": lambda session, _reference, name, _mail: _searched(session, name.split()[0]),
        "whole_name": lambda session, _reference, name, _mail: _searched(session, name),
        "reference": lambda session, reference, _name, _mail: _searched(session, reference),
        "address": lambda session, _reference, _name, mail: _searched(session, mail),
        "nobody": lambda session, _reference, _name, _mail: _searched(session, "xylophone"),
        "status": lambda session, _reference, _name, _mail: _listed(session, _FAILED),
        "overview": lambda session, _reference, _name, _mail: overview.live(session, None, now=NOW),
        "drawer": lambda session, reference, _name, _mail: search.get(session, ADMIN, reference),
    }


_FAILED = Filter(statuses=(Status.FAILED,), events=("GALA",))


def _searched(session: Session, words: str) -> object:
    return _listed(session, search.parse(words))


def _listed(session: Session, wanted: Filter) -> object:
    """The first page of a list, and how many there are."""
    found = search.Found(session, ADMIN, wanted)
    return found.page(), found.count_at_once


def _told(times: list[float]) -> dict[str, float]:
    times = sorted(times)
    return {
        "asked": len(times), "p50_ms": round(times[len(times) // 2], 1),
        "p95_ms": round(times[len(times) * 95 // 100], 1), "max_ms": round(times[-1], 1),
    }  # fmt: skip


# -- who writes ---------------------------------------------------------------------------------------


def _write(url: str, seconds: int) -> dict[str, float]:
    """So many a second, each at its time: who is late goes on at once. How many, and how long they took."""
    sessions, times = Sessions(open_engine(url)), []
    began = time.monotonic()
    for nth in range(A_SECOND * seconds):
        time.sleep(max(0.0, began + nth / A_SECOND - time.monotonic()))
        if time.monotonic() > began + seconds:
            break
        start = time.perf_counter()
        sessions.run(lambda session, nth=nth: _one(session, nth))  # type: ignore[misc]
        times.append((time.perf_counter() - start) * 1000)
    passed = time.monotonic() - began
    told = _told(times)
    return {"writes_per_s": round(len(times) / passed, 1), "write_p95_ms": told["p95_ms"]}


def _one(session: Session, nth: int) -> None:
    """A payment that comes, or a note on one that is there."""
    now = NOW + timedelta(seconds=nth)
    if nth % 2:
        reference = session.scalars(select(Payment.reference).where(Payment.id == nth * 31 + 1)).one()
        notes.add(session, ADMIN, reference, "Rang; pays tomorrow.", now=now)
        return
    event = session.get_one(Event, nth % len(crowd.EVENTS) + 1)
    reference = obligations.draft_reference(session, ADMIN, event.code, demo=True)
    draft = Draft(reference, event.code, Money(45_000), f"Payer {nth}", payer_email=f"new{nth}@example.org")
    obligations.create(session, event, obligations.checked(draft), person=ADMIN, now=now, source=Source.DESK)


if __name__ == "__main__":
    main()
