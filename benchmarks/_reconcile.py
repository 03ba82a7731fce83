"""One contender of the reconciliation benchmark, in a process of its own: prints seconds and peak memory.

``python -m benchmarks._reconcile CONTENDER DATABASE_URL LINES_FILE``. Reading the lines counts; payments
stay in the database until a contender asks for them.
"""

import json
import re
import sqlite3
import sys
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).parent.parent)

from sqlalchemy import text

from db.money import Money
from db.session import Sessions, open_engine
from payments.lump_sums import banked
from payments.matching import Line, propose
from payments.reconciling.book import SqlBook

_REFERENCE = re.compile(r"(DC26)([2-9A-HJKMNP-Z]{7})")


def lines_of(path: str) -> list[tuple[int, str, int, str]]:
    with Path(path).open(encoding="utf-8") as file:
        return [tuple(json.loads(row)) for row in file]


def ours(url: str, rows: list[tuple[int, str, int, str]]) -> dict[int, int]:
    """The whole of matching: exact, embedded, damaged, by name, payouts; with evidence for each."""
    lines = [Line(number, date.fromisoformat(on), Money(minor), words) for number, on, minor, words in rows]
    with Sessions(open_engine(url)).read() as session:
        found = banked.propose(session, propose(lines, SqlBook(session)))
    alone = (one for one in found if one.safe and len(one.allocations) == 1)
    return {one.line.id: one.allocations[0].id or 0 for one in alone}


def limit(url: str, rows: list[tuple[int, str, int, str]]) -> dict[int, int]:
    """What no matching can be quicker than: one expression over all texts, the driver's own probes of the
    unique index, in its order, and the sums of settlements. No evidence, no names, nothing damaged, and no
    objects."""
    asked = sorted((read, minor, number) for number, _, minor, words in rows if (read := _read(words)))
    with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection:
        connection.execute("CREATE TEMP TABLE asked (reference TEXT, minor BIGINT, id INTEGER)")
        connection.executemany("INSERT INTO asked VALUES (?, ?, ?)", asked)
        probes = connection.execute(
            "SELECT asked.id, payments.id FROM asked CROSS JOIN payments ON payments.reference ="
            " asked.reference AND payments.amount_minor - payments.received_minor = asked.minor"
        )
        connection.execute("CREATE TEMP TABLE lumps (minor BIGINT, id INTEGER)")
        connection.executemany(
            "INSERT INTO lumps VALUES (?, ?)",
            [(minor, number) for number, _, minor, words in rows if words.endswith("IKHOKHA PAYOUT")],
        )
        sums = connection.execute(
            "SELECT lumps.id, told.id FROM lumps JOIN (SELECT payout_id AS id, SUM(gross_minor - fee_minor"
            " - vat_minor) AS minor FROM payout_lines WHERE state = 'stands' GROUP BY payout_id) AS told"
            " USING (minor)"
        )
        return dict(probes.fetchall()) | dict(sums.fetchall())


def sql_join(url: str, rows: list[tuple[int, str, int, str]]) -> dict[int, int]:
    """References cut out by an expression, and one join on the unique index: exact ones only."""
    keyed = [{"id": number, "reference": _read(words), "minor": minor} for number, _, minor, words in rows]
    with open_engine(url).connect() as connection:
        connection.execute(text("CREATE TEMP TABLE asked (id INTEGER, reference TEXT, minor BIGINT)"))
        insert = text("INSERT INTO asked VALUES (:id, :reference, :minor)")
        connection.execute(insert, [one for one in keyed if one["reference"]])
        join = (
            "SELECT asked.id, payments.id FROM asked JOIN payments ON payments.reference = asked.reference"
            " WHERE payments.amount_minor - payments.received_minor = asked.minor"
        )
        return {row[0]: row[1] for row in connection.execute(text(join))}


def dataframe_join(url: str, rows: list[tuple[int, str, int, str]]) -> dict[int, int]:
    """The same by pandas: all payments are read, then merged."""
    import pandas as pd

    asked = pd.DataFrame(rows, columns=["line", "on", "minor", "text"])
    asked["reference"] = asked["text"].map(_read)
    with open_engine(url).connect() as connection:
        columns = "SELECT id, reference, amount_minor - received_minor AS rest FROM payments"
        payments = pd.read_sql(text(columns), connection)
    merged = asked.dropna(subset="reference").merge(payments, on="reference")
    merged = merged[merged["rest"] == merged["minor"]]
    return dict(zip(merged["line"].tolist(), merged["id"].tolist(), strict=True))


def _read(words: str) -> str | None:
    match = _REFERENCE.search(re.sub(r"[^A-Z0-9]", "", words.upper()))
    return "_".join(match.groups()) if match else None


CONTENDERS: dict[str, Callable[[str, list[Any]], dict[int, int]]] = {
    "ours": ours,
    "limit": limit,
    "sql_join": sql_join,
    "dataframe_join": dataframe_join,
}


def _peak_mb() -> int:
    """Of this process alone: ``ru_maxrss`` begins with what the parent held. Linux only."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.split("VmHWM:")[1].split()[0]) // 1024


def main() -> None:
    name, url, path = sys.argv[1:]
    before_mb = _peak_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    found = CONTENDERS[name](url, lines_of(path))
    told = {
        "seconds": round(time.perf_counter() - wall, 2),
        "cpu_seconds": round(time.process_time() - cpu, 2),
        "peak_mb": _peak_mb(),
        "before_mb": before_mb,
        "found": found,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
