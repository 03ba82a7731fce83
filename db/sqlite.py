"""Which SQLite there is: Python's own, or a wheel's where that is too old."""

from typing import Any

#: Before this version two connections that write and checkpoint can corrupt a WAL database.
OLDEST = (3, 51, 3)


class DatabaseUnfit(Exception):
    """The database cannot keep money safely; the message says what to change."""


def sqlite_module() -> Any:
    """The driver to use. Raises DatabaseUnfit when none is new enough."""
    import sqlite3

    if sqlite3.sqlite_version_info >= OLDEST:
        return sqlite3
    from pysqlite3 import dbapi2

    if dbapi2.sqlite_version_info < OLDEST:
        raise DatabaseUnfit(
            f"SQLite {dbapi2.sqlite_version} can corrupt a database that two processes write; "
            f"install pysqlite3 0.6.1 or later, or use PostgreSQL"
        )
    return dbapi2
