"""Another key for a large desk while it works: 100,000 sealed rows, read and written meanwhile; a JSON line.

Proofs of eight thousand bytes. The work of `manage.py reseal`, in a process of its own, seals them anew;
threads here open rows at random, with both keys as a desk has them then, and one writes. Fails past five
minutes, when a read fails, and when a row does not open with the new key alone.
``docs/reliability.md`` has the figures.
"""

import argparse
import json
import random
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from threading import Event, Thread
from typing import Any

sys.path[0] = str(Path(__file__).parent.parent)

from sqlalchemy import insert, select

from benchmarks import _run
from db.migrate import migrate
from db.models import Counter, Payment, Proof
from db.session import Sessions, open_engine
from payments.keeping import keyring, resealing
from payments.keeping.keyring import KeyRing
from tests.desk import FakeGateway, issue, make_event

ROWS, BYTES, MOST_S = 100_000, 8_000, 300
READERS, WRITES_A_SECOND = 2, 20
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
_ABOUT = "proofs.sealed.{}"


def main() -> None:
    options = _run.options(__doc__, ROWS)
    options.add_argument("--reseal", help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.reseal:
        report = resealing.run(Sessions(open_engine(given.reseal)), keyring.read(sys.stdin.read()))
        print(json.dumps({"sealed": sum(report.done.values()), "not_opened": len(report.failed)}))
        return
    told = _run.head("reseal", given.rows)
    kinds = given.databases.split(",")
    for kind in kinds:
        told[kind] = _database(kind, given.rows)
    print(json.dumps(told))
    sys.exit(any(_is_wrong(told[kind], given.rows) for kind in kinds))


def _is_wrong(told: dict[str, Any], rows: int) -> bool:
    wrong = told["failed_reads"] or told["not_opened"] or told["opens_with_the_new_alone"] != rows
    return bool(wrong or told["seconds"] > MOST_S)


def _database(kind: str, rows: int) -> dict[str, Any]:
    old, new = keyring.new_key("old"), keyring.new_key("new")
    with _run.database(kind, "reseal") as (url, engine):
        migrate(engine)
        sessions = Sessions(engine)
        _fill(sessions, keyring.read(old), rows)
        print(f"{kind} is filled", file=sys.stderr, flush=True)
        with _Life(sessions, keyring.read(f"{new} {old}"), rows) as life:
            began = time.perf_counter()
            told = subprocess.run(
                [sys.executable, __file__, "--reseal", url], input=f"{new} {old}",
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            seconds = round(time.perf_counter() - began, 1)
        opened = _opened(sessions, keyring.read(new))
        return (
            {"seconds": seconds} | json.loads(told.stdout) | life.told | {"opens_with_the_new_alone": opened}
        )


def _fill(sessions: Sessions, keys: KeyRing, rows: int) -> None:
    gateway = FakeGateway()
    with sessions.begin() as session:
        make_event(session, now=NOW)
    issue(sessions, gateway, now=NOW)
    dice = random.Random(rows)
    for start in range(1, rows + 1, 1_000):
        some = range(start, min(start + 1_000, rows + 1))
        with sessions.begin() as session:
            payment = session.scalars(select(Payment.id)).one()
            session.execute(
                insert(Proof),
                [
                    {
                        "id": number, "payment_id": payment, "kind": "pdf", "sha256": f"{number:064d}",
                        "size_bytes": BYTES, "findings": [], "at": NOW, "by": "Thandi",
                        "sealed": keys.seal(dice.randbytes(BYTES), _ABOUT.format(number)),
                    }
                    for number in some
                ],
            )  # fmt: skip


def _opened(sessions: Sessions, keys: KeyRing) -> int:
    with sessions.read() as session:
        rows = session.execute(select(Proof.id, Proof.sealed).execution_options(yield_per=500))
        return sum(len(keys.open(sealed, _ABOUT.format(number))) == BYTES for number, sealed in rows)


class _Life:
    """Who reads and writes meanwhile."""

    def __init__(self, sessions: Sessions, keys: KeyRing, rows: int) -> None:
        self._sessions, self._keys, self._rows = sessions, keys, rows
        self._over = Event()
        self._times: list[float] = []
        self._failed: list[str] = []
        self._writes = 0
        self._threads = [
            *(Thread(target=self._read, args=(nth,), daemon=True) for nth in range(READERS)),
            Thread(target=self._write, daemon=True),
        ]

    def __enter__(self) -> "_Life":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join(30)

    @property
    def told(self) -> dict[str, Any]:
        times = sorted(self._times)
        return {
            "reads": len(times), "failed_reads": len(self._failed), "why": self._failed[:3],
            "read_p95_ms": round(times[len(times) * 95 // 100], 1), "writes": self._writes,
        }  # fmt: skip

    def _read(self, nth: int) -> None:
        dice = random.Random(nth)
        while not self._over.wait(0.005):
            number, began = dice.randint(1, self._rows), time.perf_counter()
            try:
                with self._sessions.read() as session:
                    sealed = session.scalars(select(Proof.sealed).where(Proof.id == number)).one()
                self._keys.open(sealed, _ABOUT.format(number))
            except Exception as error:
                self._failed.append(f"{number}: {error}")
            self._times.append((time.perf_counter() - began) * 1000)

    def _write(self) -> None:
        while not self._over.wait(1 / WRITES_A_SECOND):
            with self._sessions.begin() as session:
                mine = select(Counter).where(Counter.name == "changes").with_for_update()
                session.scalars(mine).one().value += 1
            self._writes += 1


if __name__ == "__main__":
    main()
