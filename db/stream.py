"""One picture of the database, read as the drivers give it: for files of any size in a small process.

``session`` is how everything else reads. Here nothing of SQLAlchemy is loaded: it would be most of the memory
and of the time to the first byte.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any, Protocol
from urllib.parse import quote

from db import veil
from db.sqlite import sqlite_module
from db.veil import Views

#: PostgreSQL would translate the many expressions of a large answer to machine code first: that takes longer
#: than a page of it, and keeps the first line of a file waiting for a quarter of a second.
NO_JIT = "jit=off"

Params = Sequence[Any] | dict[str, Any]


class Picture(Protocol):
    """What a transaction sees, however long it is looked at."""

    def rows(self, statement: str, params: Params) -> list[tuple[Any, ...]]:
        """All rows of a small answer."""

    def rows_within(self, seconds: float, statement: str, params: Params) -> list[tuple[Any, ...]] | None:
        """The same, or None when it would take longer."""

    def some(self, statement: str, params: Params, first: int, many: int) -> Iterator[list[tuple[Any, ...]]]:
        """Rows of a large answer, ``many`` in memory at a time; the ``first`` few at once."""

    def lines(
        self, statement: str, params: Params, separator: str, first: int, many: int
    ) -> Iterator[list[bytes]]:
        """Lines of a CSV file without their ends, so many at a time, in UTF-8."""


def _piecewise(cursor: Any, first: int, many: int) -> Iterator[list[tuple[Any, ...]]]:
    rows = cursor.fetchmany(first)
    while rows:
        yield rows
        rows = cursor.fetchmany(many)


class _Connected:
    def __init__(self, connection: Any) -> None:
        self._connection = connection

    def rows(self, statement: str, params: Params) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self._connection.execute(statement, params).fetchall()
        return found


@contextmanager
def sqlite(path: str, views: Views = ()) -> Iterator[Picture]:
    """A picture of an SQLite database. For ``lines`` a statement's only column is the whole line. ``views``
    stand in the place of tables."""
    where = f"file:{quote(path)}?mode=rw"  # never makes one; read only it could not use its log
    connected = sqlite_module().connect(where, uri=True, isolation_level=None, timeout=10)
    with closing(connected) as connection:
        connection.execute("PRAGMA trusted_schema=OFF")
        veil.draw(connection, "sqlite", views)
        connection.execute("PRAGMA query_only=ON")
        connection.execute("BEGIN")
        yield _Sqlite(connection)


class _Sqlite(_Connected):
    def rows_within(self, seconds: float, statement: str, params: Params) -> list[tuple[Any, ...]] | None:
        until = time.monotonic() + seconds
        self._connection.set_progress_handler(lambda: time.monotonic() > until, 2_000)
        try:
            return self.rows(statement, params)
        except sqlite_module().OperationalError as error:
            if "interrupted" not in str(error):
                raise
            return None
        finally:
            self._connection.set_progress_handler(None, 0)

    def some(self, statement: str, params: Params, first: int, many: int) -> Iterator[list[tuple[Any, ...]]]:
        yield from _piecewise(self._connection.execute(statement, params), first, many)

    def lines(
        self, statement: str, params: Params, separator: str, first: int, many: int
    ) -> Iterator[list[bytes]]:
        self._connection.text_factory = bytes
        try:
            for rows in self.some(statement, params, first, many):
                yield [line for (line,) in rows]
        finally:
            self._connection.text_factory = str


@contextmanager
def postgres(url: str, views: Views = ()) -> Iterator[Picture]:
    """A picture of a PostgreSQL database. For ``lines`` the columns are the fields, none NULL. ``views`` as
    for SQLite."""
    import psycopg

    settings = f"-c timezone=UTC -c {NO_JIT}"
    with closing(psycopg.connect(url, connect_timeout=5, options=settings)) as connection:
        connection.read_only = not views
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        if views:
            veil.draw(connection, "postgresql", views)
        yield _Postgres(connection)


class _Postgres(_Connected):
    def rows_within(self, seconds: float, statement: str, params: Params) -> list[tuple[Any, ...]] | None:
        import psycopg

        try:
            with self._connection.transaction():
                self._connection.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
                found = self.rows(statement, params)
                self._connection.execute("SET LOCAL statement_timeout = 0")
                return found
        except psycopg.errors.QueryCanceled:
            return None

    def some(self, statement: str, params: Params, first: int, many: int) -> Iterator[list[tuple[Any, ...]]]:
        with self._connection.cursor(name="rows") as cursor:
            cursor.execute(statement, params)
            yield from _piecewise(cursor, first, many)

    def lines(
        self, statement: str, params: Params, separator: str, first: int, many: int
    ) -> Iterator[list[bytes]]:
        """COPY passed through."""
        copying = f"COPY ({statement}) TO STDOUT (FORMAT csv, FORCE_QUOTE *, DELIMITER E'{separator}')"
        with self._connection.cursor() as cursor, cursor.copy(copying, params):
            lines, size = self._copied(), first
            while some := list(islice(lines, size)):
                yield some
                size = many

    def _copied(self) -> Iterator[bytes]:
        """What COPY gives, without the ends of its lines. The library below is asked: the driver would make
        ready to wait for each line, which takes longer than reading it."""
        import psycopg

        below = self._connection.pgconn
        size, line = below.get_copy_data(0)
        while size > 0:
            yield bytes(line[:-1])
            size, line = below.get_copy_data(0)
        for result in list(iter(below.get_result, None)):  # all are taken, or the next statement finds them
            if result.status != psycopg.pq.ExecStatus.COMMAND_OK:
                raise psycopg.errors.error_from_result(result)


def load(database: str) -> None:
    """Load what a picture of this kind of database takes, ahead of time."""
    if database == "sqlite":
        sqlite_module()
    else:
        import psycopg  # noqa: F401
