"""How long does a large desk wait for an upgrade, from the first release on? One JSON line.

A million payments stand in the tables of the first release, with what that release would have written of
them: links, messages, receipts, timeline, audit, totals. Then each migration, in a transaction of its own as
an upgrade does it. ``docs/performance.md`` has the figures.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

sys.path[0] = str(Path(__file__).parent.parent)

from alembic import command
from sqlalchemy import Engine, text

from benchmarks import _many, _run, _totals
from db import migrate
from db.session import Sessions, takes_long
from tests.crowd import look_over

ROWS, GOAL_S = 1_000_000, 60
#: Steps that take less are told together.
WORTH_TELLING_S = 0.2


def main() -> None:
    given = _run.options(__doc__, ROWS).parse_args()
    told = _run.head("migrations", given.rows)
    for kind in given.databases.split(","):
        told[kind] = _database(kind, given.rows)
    print(json.dumps(told))
    sys.exit(any(told[kind]["seconds"] > GOAL_S for kind in given.databases.split(",")))


def _database(kind: str, rows: int) -> dict[str, Any]:
    with _run.database(kind, "migrations") as (_, engine):
        began = time.perf_counter()
        _fill(engine, rows)
        told: dict[str, Any] = {"fill_s": round(time.perf_counter() - began)}
        print(f"{kind} is filled", file=sys.stderr, flush=True)
        steps = dict(_steps(engine))
        told["seconds"] = round(sum(steps.values()), 1)
        told["of_each"] = {name: round(s, 2) for name, s in steps.items() if s >= WORTH_TELLING_S}
        with Sessions(engine).read() as session:
            told["payments"] = session.scalar(text("SELECT count(*) FROM payments"))
        return told


def _steps(engine: Engine) -> Iterator[tuple[str, float]]:
    """Each revision, and its seconds: the commit is among them, SQLite's log too."""
    for step in migrate.pending(engine):
        began = time.perf_counter()
        migrate._step(engine)
        yield step, time.perf_counter() - began


# -- the desk of the first release ------------------------------------------------------------------------


def _fill(engine: Engine, rows: int) -> None:
    with engine.begin() as connection:
        command.upgrade(migrate._config(connection), "0001")
    _many.fill(engine, rows)
    sqlite = engine.dialect.name == "sqlite"
    with engine.begin() as connection:
        takes_long(connection)
        for statement in (*_WRITTEN, *_totals.of_the_first_release(sqlite)):
            connection.exec_driver_sql(_said(statement, sqlite))
        if not sqlite:  # the next row has the next number
            for table in ("receipts", "timeline", "audit", "inbox"):
                connection.exec_driver_sql(
                    f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table}))"
                )
    look_over(engine)


def _said(statement: str, sqlite: bool) -> str:
    digest = "randomblob(32)" if sqlite else "sha256(convert_to('message' || l.id, 'UTF8'))"
    body = "CAST({0} AS BLOB)" if sqlite else "convert_to({0}, 'UTF8')"
    said = body.format(
        '\'{"paylinkID": "\' || l.gateway_reference || \'", "status": "SUCCESS", "externalTransactionID": "\''
        ' || l.wire_reference || \'", "responseCode": "00", "text": "Payment received"}\''
    )
    return statement.replace("{digest}", digest).replace("{body}", said)


_TIMELINE = "INSERT INTO timeline (payment_id, at, kind, source, actor, detail) SELECT"
_WRITTEN = (
    "INSERT INTO receipts (id, payment_id, link_id, kind, source_reference, amount_minor, amount_currency,"
    " received_at, recorded_by) SELECT p.id, p.id, l.id, CASE WHEN l.id IS NULL THEN 'cash' ELSE 'gateway'"
    " END, coalesce(l.gateway_reference, 'till-' || p.id), p.received_minor, p.amount_currency, p.paid_at,"
    " 'Paydesk' FROM payments p LEFT JOIN links l ON l.payment_id = p.id WHERE p.received_minor > 0",
    f"{_TIMELINE} id, created_at, 'created', 'desk', 'Thandi', '{{}}' FROM payments ORDER BY id",
    f"{_TIMELINE} payment_id, requested_at, 'link_open', 'desk', 'Thandi', '{{}}' FROM links ORDER BY id",
    f"{_TIMELINE} payment_id, received_at, 'receipt', 'webhook', '', '{{}}' FROM receipts ORDER BY id",
    "INSERT INTO audit (at, actor, action, subject, event_id, detail) SELECT created_at, 'Thandi',"
    " 'issue_link', reference, event_id, '{}' FROM payments ORDER BY id",
    "INSERT INTO inbox (gateway, digest, received_at, path, headers, body, gateway_reference, reference,"
    " word, code, seen_count, last_seen_at, payment_id, effect, attempts, handled_at) SELECT l.gateway,"
    " {digest}, r.received_at, '/webhooks/ikhokha', '{\"content-type\": \"application/json\"}', {body},"
    " l.gateway_reference, l.wire_reference, 'SUCCESS', '00', 1, r.received_at, l.payment_id, 'receipt', 1,"
    " r.received_at FROM receipts r JOIN links l ON l.id = r.link_id ORDER BY r.id",
)


if __name__ == "__main__":
    main()
