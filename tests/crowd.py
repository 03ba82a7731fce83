"""A large desk, the same one for the same seed: as many invented payments as asked for, and among them,
spread evenly, the few of ``golden/planted.json`` that the golden queries name.

No invented payment shares a surname, an exact amount, or the last four digits of a phone with a planted one,
and no phone ends like the two short numbers that stand in notes: with a hundred payments for each ending in a
million, nobody could say which of them is meant.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

from sqlalchemy import Connection, Engine, insert

from db.models import Category, Event
from db.session import takes_long
from db.types import UtcDateTime
from payments import references
from payments.finding import search_text
from payments.lifecycle import Method, Status

GOLDEN = Path(__file__).parent / "golden"
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
EVENTS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "JOZI-TECH": ("Joburg Tech Summit 2026", "JOZI", ("Early bird", "Regular")),
    "DEVCONF": ("DevConf South Africa 2026", "REG", ("Regular", "Student")),
    "GALA": ("Winter Gala Dinner", "REG", ("Seat", "Table")),
    "CAPE-JAZZ": ("Cape Jazz Weekend", "CAPE", ("Day", "Weekend")),
    "EXPO": ("Durban Trade Expo", "REG", ("Visitor", "Stand")),
    "MARATHON": ("Table Bay Marathon", "RUN", ("Half", "Full")),
    "BOOKFAIR": ("Franschhoek Book Fair", "REG", ("Visitor", "Author")),
    "ROBOTICS": ("School Robotics Finals", "REG", ("Team", "Coach")),
}
#: Events of planted payments only.
SMALL_EVENTS = {
    "STARS": ("Sutherland Star Party", "STAR", ("Telescope", "Camping")),
    "LAMB": ("Karoo Lamb Festival", "REG", ("Dinner",)),
    "OYSTER": ("Knysna Oyster Regatta", "REG", ("Crew", "Guest")),
    "OWL": ("Nieu-Bethesda Owl House Tour", "REG", ("Tour",)),
    "FLOWER": ("Darling Wildflower Walk", "REG", ("Walk",)),
}
_NAMES = json.loads((GOLDEN / "names.json").read_text(encoding="utf-8"))
_FIRST, _LAST = _NAMES["first"], _NAMES["last"]
_ORGANISERS = ("Aisha Patel", "Lwazi Mthembu", "Bongani Cele", "Faith Maseko", "Devan Naicker", "Mpho Sebego")
NOTES = ("",) * 12 + ("paid at the door", "sits with friends", "invoice wanted", "second ticket follows")
_PRICES = (15_000, 25_000, 45_000, 60_000, 95_000, 150_000, 275_000)
_STATUSES = (
    (Status.PAID, 62), (Status.OPEN, 12), (Status.FAILED, 5), (Status.EXPIRED, 8), (Status.CANCELLED, 4),
    (Status.CREATED, 2), (Status.CLAIMED, 2), (Status.PART_PAID, 1), (Status.WAIVED, 1), (Status.REFUNDED, 2),
    (Status.DISPUTED, 1),
)  # fmt: skip
_RECEIVED = {Status.PAID, Status.REFUNDED, Status.PART_REFUNDED, Status.DISPUTED}
_CHUNK = 10_000


@dataclass(frozen=True)
class Query:
    kind: str
    query: str
    expected: tuple[str, ...]


def planted() -> list[dict[str, Any]]:
    return json.loads((GOLDEN / "planted.json").read_text(encoding="utf-8"))


def queries() -> list[Query]:
    told = json.loads((GOLDEN / "queries.json").read_text(encoding="utf-8"))
    return [Query(one["kind"], one["query"], tuple(one["expected"])) for one in told]


def fill(
    engine: Engine,
    count: int,
    seed: int = 20261123,
    *,
    events: Mapping[str, tuple[str, str, tuple[str, ...]]] = EVENTS,
    notes: Sequence[str] = NOTES,
) -> None:
    """``count`` payments with their links and running totals, in an empty database with every table.

    ``events`` are those of invented payments; whoever asks the golden queries leaves them and ``notes``.
    """
    with engine.begin() as connection, without_indexes(connection):
        known = _events(connection, {**events, **SMALL_EVENTS})
        dice = Random(seed)
        rows = _rows(dice, count, [*events.items()], notes)
        while some := list(islice(rows, _CHUNK)):
            payments = [_payment(row, *known[row["event"]]) for row in some]
            links = [_link(row) for row in some if row["gateway_reference"]]
            for table, told in (("payments", payments), ("links", links)):
                if told:
                    put(connection, table, tuple(told[0]), (tuple(row.values()) for row in told))
        number_on(connection, "events", "categories", "payments", "links")
        connection.exec_driver_sql(
            "INSERT INTO standings (event_id, status, currency, count, sum_minor)"
            " SELECT event_id, status, amount_currency, count(*), sum(amount_minor) FROM payments"
            " GROUP BY event_id, status, amount_currency"
        )
    look_over(engine)


def put(connection: Connection, table: str, columns: Sequence[str], rows: Iterable[tuple[Any, ...]]) -> None:
    """Rows by the driver alone: on PostgreSQL by COPY, which takes a tenth of the time."""
    raw: Any = connection.connection.driver_connection
    names = ", ".join(columns)
    if connection.dialect.name == "sqlite":
        raw.executemany(f"INSERT INTO {table} ({names}) VALUES ({', '.join('?' * len(columns))})", rows)
        return
    with raw.cursor() as cursor, cursor.copy(f"COPY {table} ({names}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)


def number_on(connection: Connection, *tables: str) -> None:
    """The next row that comes has the next number: PostgreSQL does not look."""
    if connection.dialect.name != "sqlite":
        for table in tables:
            numbers = f"pg_get_serial_sequence('{table}', 'id')"
            connection.exec_driver_sql(f"SELECT setval({numbers}, max(id)) FROM {table} HAVING max(id) > 0")


def look_over(engine: Engine) -> None:
    """As a database does by itself in time: it knows its tables, and where all see every row."""
    sqlite = engine.dialect.name == "sqlite"
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        if not sqlite:
            connection.exec_driver_sql("SET statement_timeout = 0")
        connection.exec_driver_sql("ANALYZE" if sqlite else "VACUUM ANALYZE")
        connection.invalidate()  # nobody else has its patience


@contextmanager
def without_indexes(connection: Connection) -> Iterator[None]:
    """Indexes and triggers of payments and links are away meanwhile, and made again when all are there: that
    is quicker than with each row."""
    takes_long(connection)
    sqlite, names = connection.dialect.name == "sqlite", "'payments', 'links'"
    kept = connection.exec_driver_sql(
        f"SELECT type, name, sql FROM sqlite_master WHERE tbl_name IN ({names})"
        " AND type IN ('index', 'trigger') AND sql IS NOT NULL"
        if sqlite
        else f"SELECT 'index', indexname, indexdef FROM pg_indexes WHERE tablename IN ({names})"
        " AND indexname NOT IN (SELECT conname FROM pg_constraint)"
    ).all()
    for kind, name, _ in kept:
        connection.exec_driver_sql(f"DROP {kind} {name}")
    yield
    if not sqlite:
        connection.exec_driver_sql("SET LOCAL maintenance_work_mem = '256MB'")
    for _, _, made in kept:
        connection.exec_driver_sql(made)
    if sqlite and any(name.startswith("payments_fts") for _, name, _ in kept):
        connection.exec_driver_sql("INSERT INTO payments_fts (payments_fts) VALUES ('rebuild')")


def _events(
    connection: Connection, events: Mapping[str, tuple[str, str, tuple[str, ...]]]
) -> dict[str, tuple[int, dict[str, int]]]:
    """Ids of each event and of its categories, by their names."""
    found: dict[str, tuple[int, dict[str, int]]] = {}
    price = 0
    for number, (code, (name, prefix, categories)) in enumerate(events.items(), 1):
        values = {"id": number, "code": code, "name": name, "state": "open", "currency": "ZAR"}
        days = {"starts_on": date(2026, 12, 1), "ends_on": date(2026, 12, 3), "created_at": NOW}
        connection.execute(insert(Event), [values | days | {"reference_prefix": prefix}])
        ids = {}
        for place, category in enumerate(categories, 1):
            price += 1
            one = {"id": price, "event_id": number, "name": category, "price_minor": 15_000}
            connection.execute(insert(Category), [one | {"position": place, "active": True}])
            ids[category] = price
        found[code] = (number, ids)
    return found


def _rows(dice: Random, count: int, events: list[Any], notes: Sequence[str]) -> Iterator[dict[str, Any]]:
    special = planted()
    places = {(nth + 1) * count // (len(special) + 1): row for nth, row in enumerate(reversed(special))}
    reserved = {row["phone"][-4:] for row in special} | {"7712", "4417"}
    taken = {row["reference"] for row in special}
    statuses = [status for status, share in _STATUSES for _ in range(share)]
    for number in range(1, count + 1):
        created = NOW - timedelta(seconds=(count - number) * 365 * 86_400 // count)
        if number in places:
            yield _planted_row(places[number], number, created)
        else:
            row = _invented(dice, number, created, events, statuses, taken, reserved)
            yield row | {"note": notes[number % len(notes)]}


def _planted_row(row: dict[str, Any], number: int, created: datetime) -> dict[str, Any]:
    return row | {"id": number, "created_at": created}


def _invented(
    dice: Random, number: int, created: datetime, events: list[Any], statuses: list[Status],
    taken: set[str], reserved: set[str],
) -> dict[str, Any]:  # fmt: skip
    code, (_, prefix, categories) = events[int(dice.random() * len(events))]
    first, last = _FIRST[int(dice.random() * len(_FIRST))], _LAST[int(dice.random() * len(_LAST))]
    status = statuses[int(dice.random() * 100)]
    reference = _reference(dice, prefix)
    while reference in taken:
        reference = _reference(dice, prefix)
    taken.add(reference)
    ending = f"{int(dice.random() * 10_000):04d}"
    while ending in reserved:
        ending = f"{int(dice.random() * 10_000):04d}"
    amount = _PRICES[int(dice.random() * len(_PRICES))]
    return {
        "id": number,
        "reference": reference,
        "event": code,
        "category": categories[number % len(categories)],
        "name": f"{first} {last}",
        "email": f"{first}.{last}{number}@example.org".lower(),
        "phone": f"+278{int(dice.random() * 10_000):04d}{ending}" if number % 3 else "",
        "amount_minor": amount,
        "status": status.value,
        "method": list(Method)[number % 6].value if status in _RECEIVED else None,
        "gateway_reference": f"{dice.getrandbits(64):016x}" if number % 4 else "",
        "organiser": _ORGANISERS[number % len(_ORGANISERS)],
        "created_at": created,
    }


def _reference(dice: Random, prefix: str) -> str:
    drawn = dice.getrandbits(60)
    body = ""
    for _ in range(6):
        drawn, place = divmod(drawn, 31)
        body += references.ALPHABET[place]
    return references.with_check(prefix, body, demo=True)


def _payment(row: dict[str, Any], event_id: int, categories: dict[str, int]) -> dict[str, Any]:
    received = row["status"] in _RECEIVED
    gateway = (row["reference"], row["gateway_reference"]) if row["gateway_reference"] else None
    created = UtcDateTime.sqlite_text(row["created_at"])
    return {
        "id": row["id"],
        "reference": row["reference"],
        "event_id": event_id,
        "category_id": categories[row["category"]],
        "mode": "demo",
        "status": row["status"],
        "method": row["method"],
        "amount_minor": row["amount_minor"],
        "amount_currency": "ZAR",
        "received_minor": row["amount_minor"] if received else 0,
        "refunded_minor": 0,
        "payer_name": row["name"],
        "payer_email": row["email"],
        "payer_phone": row["phone"],
        "note": row["note"],
        "review": "overpaid" if row["id"] % 200 == 0 else None,
        "version": 0,
        "created_by": row["organiser"],
        "created_at": created,
        "updated_at": created,
        "paid_at": UtcDateTime.sqlite_text(row["created_at"] + timedelta(minutes=7)) if received else None,
        "stage": _stage(row["status"], row["id"]),
        "failure": ("51" if row["id"] % 5 == 0 else "05") if row["status"] == Status.FAILED else "",
        "search_text": search_text.folded(
            row["reference"],
            row["name"],
            row["email"],
            row["phone"],
            row["note"],
            [gateway] if gateway else [],
        ),
    }


def _stage(status: str, number: int) -> str:
    """How far the payer came."""
    if status in _RECEIVED:
        return "paid"
    if status == Status.FAILED:
        return "attempted"
    return "opened" if number % 3 == 0 else "issued"


def _link(row: dict[str, Any]) -> dict[str, Any]:
    asked = UtcDateTime.sqlite_text(row["created_at"])
    return {
        "payment_id": row["id"],
        "gateway": "ikhokha",
        "wire_reference": row["reference"],
        "gateway_reference": row["gateway_reference"],
        "url": f"https://securepay.ikhokha.red/{row['gateway_reference']}",
        "state": "open",
        "amount_minor": row["amount_minor"],
        "amount_currency": "ZAR",
        "return_token": f"token-{row['reference']}",
        "requested_at": asked,
        "active_at": asked,
    }
