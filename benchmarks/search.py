"""Benchmark S: finding payments, beside Datasette, Django's admin and the LIKE one writes first.

    python benchmarks/search.py [--rows 10000,100000] [--databases sqlite,postgresql] [--folder KEPT]
        [--server postgresql://…]

One JSON line: milliseconds by database, number of payments and case, the exponent each grows with, and the
goals as ratios of what was measured in the same minutes. More: ``--rows 100000,1000000``, and ``10000000``;
with ``--folder`` SQLite's databases are made there once and kept, and with ``--server`` PostgreSQL's on that
server: a million takes some minutes to make.
"""

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from sqlalchemy.orm import Session

from benchmarks import _searchers
from benchmarks._desks import Desks
from db.session import Sessions, open_engine
from payments.finding import by_index, conditions, rows, search
from payments.finding.search import Filter
from payments.lifecycle import Status
from tests import postgres
from tests.desk import ADMIN

#: Words by what they are like; of the planted payments and of a surname of one in forty.
RARE, COMMON, NOBODY = "jakoet", "mokoena", "svarnhildur"
CASES = {
    "everything": Filter(),
    "reference": Filter(text="DEMO_REG_7K2MPQ6"),
    "mistyped_reference": Filter(text="REG_7X2MPQ6"),
    "fragment": Filter(text="2mpq6"),
    "rare_name": Filter(text=RARE),
    "common_name": Filter(text=COMMON),
    "two_words": Filter(text="thandi mokoena"),
    "email": Filter(text="pvdm1961@velds"),
    "last_four": Filter(text="0417"),
    "two_letters": Filter(text="mo"),
    "no_hit": Filter(text=NOBODY),
    "status": Filter(statuses=(Status.FAILED,)),
    "common_name_and_status": Filter(text=COMMON, statuses=(Status.FAILED,)),
    "method": Filter(methods=("cash",)),
    "event_and_status": Filter(events=("GALA",), statuses=(Status.OPEN,)),
}
TIMES = 9


def timed(call: Callable[[], Any], times: int = TIMES) -> float:
    """Milliseconds, the median, warm."""
    return _searchers.milliseconds(lambda _words: (call() and 0) or 0, "", times)


def cpu(sessions: Sessions) -> dict[str, float]:
    """Milliseconds of this process for the same, the least of some: what a busy machine takes away is not in
    it, and neither is what PostgreSQL does."""
    found = {}
    with sessions.read() as session:
        for name, wanted in CASES.items():
            taken = []
            for _ in range(TIMES):
                start = time.process_time()
                _page_and_count(session, wanted)
                taken.append((time.process_time() - start) * 1000)
            found[name] = round(min(taken), 2)
    return found


def ours(sessions: Sessions) -> dict[str, float]:
    """A page of fifty with the capped count, as the list asks; then depth, and exact sums."""
    found: dict[str, float] = {}
    with sessions.read() as session:
        for name, wanted in CASES.items():
            found[name] = timed(lambda wanted=wanted: _page_and_count(session, wanted))
        for name in ("common_name", "two_words"):
            found[f"newest_{name}"] = timed(lambda wanted=CASES[name]: _newest(session, wanted))
        found["page_1"] = timed(lambda: search.page(session, ADMIN, Filter()))
        deep = _id_of_page(session, 10_000)
        found["page_10000"] = timed(lambda: search.page(session, ADMIN, Filter(), before_id=deep))
        found["exact_totals"] = timed(lambda: search.totals(session, ADMIN, Filter()), 3)
        found["exact_totals_common"] = timed(lambda: search.totals(session, ADMIN, Filter(text=COMMON)), 3)
    return {name: round(value, 3) for name, value in found.items()}


def _page_and_count(session: Session, wanted: Filter) -> int:
    found = search.Found(session, ADMIN, wanted)
    return found.count_at_once + len(found.page().rows)


def _newest(session: Session, wanted: Filter) -> int:
    """The page alone: the fifty newest that have the words, none counted and none put on top."""
    where = conditions.where(session, ADMIN, wanted)
    return len(rows.fetch(session, by_index.newest(session, where, 50, 0)))


def _id_of_page(session: Session, number: int) -> int:
    """Where that page begins; in a smaller table, half way down."""
    newest = search.newest_id(session)
    return max(newest - number * 50, newest // 2)


def peers(url: str, desk: Path | None, folder: Path) -> dict[str, dict[str, float]]:
    """Each with a word that is rare and one that nobody has."""
    searches: dict[str, _searchers.Search] = {}
    if desk is not None:
        copied = folder / f"peers-{desk.stem}.db"
        copied.unlink(missing_ok=True)
        _searchers.copy_for_peers(desk, copied)
        url = f"sqlite:///{copied}"
        searches["datasette"] = _searchers.datasette(copied)
    engine = open_engine(url)
    searches["like_pair"] = _searchers.like_pair(engine)
    searches["django_admin"] = _searchers.django_admin(url)
    found = {
        name: {word: round(_searchers.milliseconds(one, word, 3), 2) for word in (RARE, COMMON, NOBODY)}
        for name, one in searches.items()
    }
    engine.dispose()
    return found


def measure(desks: Desks, sizes: list[int], folder: Path) -> dict[int, dict[str, Any]]:
    measured: dict[int, dict[str, Any]] = {}
    for size in sizes:
        with desks.of(size) as (engine, url):
            asked = Sessions(engine)
            measured[size] = {
                "ours": ours(asked),
                "cpu": cpu(asked),
                "peers": peers(url, desks.file(size), folder),
            }
            print(f"{desks.kind} {size}: {json.dumps(measured[size])}", file=sys.stderr)
    return measured


def exponents(measured: dict[int, dict[str, Any]]) -> dict[str, float]:
    """Of each case, by least squares over the logarithms."""
    if len(measured) < 2:
        return {}
    xs = [math.log(rows) for rows in measured]
    mean = sum(xs) / len(xs)
    spread = sum((x - mean) ** 2 for x in xs)
    names = next(iter(measured.values()))["ours"]

    def slope(name: str) -> float:
        ys = [math.log(one["ours"][name]) for one in measured.values()]
        return sum((x - mean) * y for x, y in zip(xs, ys, strict=True)) / spread

    return {name: round(slope(name), 2) for name in names}


def ratios(last: dict[str, Any]) -> dict[str, float]:
    """How many times as long the others take for the rare word; how much deeper pages cost."""
    mine = last["ours"]
    found = {
        f"{name}_over_ours": round(one[RARE] / mine["rare_name"], 1) for name, one in last["peers"].items()
    }
    return found | {"page_10000_over_page_1": round(mine["page_10000"] / mine["page_1"], 2)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", default="10000,100000", help="10000,100000 unless told")
    options.add_argument("--databases", default="sqlite,postgresql")
    options.add_argument("--folder", type=Path, help="where SQLite's databases are kept, and taken from")
    options.add_argument("--server", help="a PostgreSQL server of which databases are kept, and taken from")
    given = options.parse_args()
    sizes = [int(size) for size in given.rows.split(",")]
    told: dict[str, Any] = {
        "benchmark": "search",
        "load_before": round(os.getloadavg()[0], 1),
    }
    kinds = given.databases.split(",")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="paydesk-search-")))
        server = given.server or ""
        if "postgresql" in kinds and not server:
            server = stack.enter_context(postgres.server())
        for kind in kinds:
            measured = measure(Desks(kind, given.folder or folder, server), sizes, folder)
            last = measured[sizes[-1]]
            told[kind] = {"rows": measured, "exponents": exponents(measured), "ratios": ratios(last)}
    print(json.dumps(told))


if __name__ == "__main__":
    main()
