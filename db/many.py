"""Many rows: a slice at once, or handed to the driver as they are; SQLAlchemy's part costs as much again."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

from sqlalchemy import JSON, Connection, FromClause, String, Table

from db.types import UtcDateTime

#: As many as one statement can hold, whatever is asked of each.
AT_ONCE = 500
T = TypeVar("T")


def some_at_once(many: Sequence[T], size: int = AT_ONCE) -> Iterator[Sequence[T]]:
    """Slice by slice."""
    for start in range(0, len(many), size):
        yield many[start : start + size]


def insert_plain(
    connection: Connection, table: FromClause, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]
) -> None:
    """Add rows of numbers, texts, days, booleans and None, in their order. Defaults are not filled in."""
    assert isinstance(table, Table)
    sqlite = connection.dialect.name == "sqlite"
    name = connection.dialect.identifier_preparer.quote
    names = ", ".join(name(column) for column in columns)
    marks = ", ".join(["?" if sqlite else "%s"] * len(columns))
    # Our own names, and the values are bound.
    statement = f"INSERT INTO {name(table.name)} ({names}) VALUES ({marks})"  # noqa: S608
    connection.exec_driver_sql(statement, [_of_sqlite(row) for row in rows] if sqlite else list(rows))


def _of_sqlite(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """SQLite keeps a day as its ISO text."""
    return tuple([value.isoformat() if type(value) is date else value for value in row])


def insert_by_name(connection: Connection, table: FromClause, rows: Sequence[Mapping[str, Any]]) -> None:
    """The same of rows that all have the same columns; moments, JSON and enum words may be among them."""
    assert isinstance(table, Table)
    names = tuple(rows[0])
    kept = [(name, _as_kept(table.c[name].type, connection.dialect.name)) for name in names]
    plain = [tuple([row[name] if as_ is None else as_(row[name]) for name, as_ in kept]) for row in rows]
    insert_plain(connection, table, names, plain)


def _as_kept(type_: Any, database: str) -> Callable[[Any], Any] | None:
    """What makes of a value what the driver takes, as SQLAlchemy would; None where it is that already."""
    if isinstance(type_, UtcDateTime):
        return _moment_of_sqlite if database == "sqlite" else None
    if isinstance(type_, JSON):
        return json.dumps
    return _text if isinstance(type_, String) else None


def _moment_of_sqlite(value: Any) -> str | None:
    return None if value is None else UtcDateTime.sqlite_text(value)


def _text(value: Any) -> str | None:
    return value if value is None or type(value) is str else str(value)
