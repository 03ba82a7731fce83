"""The database's own limit: rows of the inbox, in commits of 32, by the driver alone.

``python -m benchmarks._commits URL SECONDS`` prints rows a second.
"""

import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from db.session import open_engine
from tests.hook import PATH, event

TOGETHER = 32
#: Columns with their type on PostgreSQL.
COLUMNS = {
    "gateway": "text", "digest": "bytea", "received_at": "timestamptz", "path": "text", "headers": "jsonb",
    "body": "bytea", "gateway_reference": "text", "word": "text", "code": "text", "seen_count": "int",
    "last_seen_at": "timestamptz", "attempts": "int", "next_try_at": "timestamptz",
}  # fmt: skip
INTO = f"INSERT INTO inbox ({', '.join(COLUMNS)})"
SQLITE = f"{INTO} VALUES ({', '.join('?' * len(COLUMNS))}) ON CONFLICT DO NOTHING"
ARRAYS = ", ".join(f"%s::{kind}[]" for kind in COLUMNS.values())
POSTGRES = f"{INTO} SELECT * FROM unnest({ARRAYS}) ON CONFLICT DO NOTHING"


def rows(first: int, now: Any) -> list[tuple[Any, ...]]:
    return [
        ("ikhokha", sha256(f"raw {number}".encode()).digest(), now, PATH, "{}", event(f"raw-{number}"),
         f"raw-{number}", "SUCCESS", "00", 1, now, 0, now)
        for number in range(first, first + TOGETHER)
    ]  # fmt: skip


def by_driver(url: str) -> tuple[Callable[[int], None], Callable[[], None]]:
    """What writes a group of rows in one commit, and what closes it."""
    connection: Any = open_engine(url).raw_connection().driver_connection
    moment = datetime.now(UTC)
    if url.startswith("sqlite"):

        def write(first: int) -> None:
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(SQLITE, rows(first, moment.replace(tzinfo=None).isoformat(" ")))
            connection.commit()

    else:

        def write(first: int) -> None:
            columns = zip(*rows(first, moment), strict=True)
            connection.execute(POSTGRES, [list(column) for column in columns])
            connection.commit()

    return write, connection.close


def main(url: str, seconds: timedelta) -> None:
    write, close = by_driver(url)
    started, number = time.perf_counter(), 0
    while (taken := time.perf_counter() - started) < seconds.total_seconds():
        write(number)
        number += TOGETHER
    close()
    print(number / taken)


if __name__ == "__main__":
    main(sys.argv[1], timedelta(seconds=float(sys.argv[2])))
