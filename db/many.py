"""Many rows at once, handed to the driver as they are: what SQLAlchemy does for each costs as much again."""

from collections.abc import Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, FromClause, Table


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
