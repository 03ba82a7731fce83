"""A copy of a whole database in one file, taken in one picture while others write; and filling one from it.

SQLite copies itself page by page. PostgreSQL has its own programs for it, not older than the server.
"""

import shutil
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import Connection, Engine, func, select, text

from db.models import Base
from db.session import DatabaseUnfit, file_of, takes_long
from db.sqlite import sqlite_module

#: Rows by table: what a copy is compared by.
Counts = Mapping[str, int]
#: A program that has said nothing for so long hangs.
_LONGEST_S = 3_600


def copy(engine: Engine, target: Path, tools: Path | None = None) -> Counts | None:
    """Write the copy, and tell the rows of its picture; None: they are to be counted in the copy itself.

    ``tools`` is the folder of PostgreSQL's programs; without it they are looked for on the path. Raises
    DatabaseUnfit when they are not there or fail, and whatever a database that cannot be read raises.
    """
    if (path := file_of(engine)) is not None:
        _copy_sqlite(path, target)
        return None
    with engine.connect().execution_options(isolation_level="REPEATABLE READ") as connection:
        connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
        takes_long(connection)  # every row of every table is counted
        picture = connection.scalars(text("SELECT pg_export_snapshot()")).one()
        dump = (
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            f"--snapshot={picture}",
            f"--file={target}",
        )
        _run(engine, tools, "pg_dump", *dump, f"--dbname={_address(engine)}")
        counts = count(connection)
    _run(engine, tools, "pg_restore", "--file=/dev/null", str(target))  # reads it to its end
    return counts


def fill(engine: Engine, source: Path, tools: Path | None = None) -> None:
    """Fill an empty PostgreSQL database from a copy: all of it or nothing. Raises DatabaseUnfit."""
    with engine.connect() as connection:
        tables = text("SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()")
        if connection.scalars(tables).one():
            raise DatabaseUnfit(
                "The database that DATABASE_URL names is not empty, and nothing is written over. "
                "Make an empty one, and name that."
            )
    fill_it = ("--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges")
    _run(engine, tools, "pg_restore", *fill_it, f"--dbname={_address(engine)}", str(source))


def count(connection: Connection) -> Counts:
    """The rows of every table of this release that is there."""
    there = set(connection.dialect.get_table_names(connection))
    return {
        table.name: connection.scalars(select(func.count()).select_from(table)).one()
        for table in Base.metadata.sorted_tables
        if table.name in there
    }


def put_in_place(path: Path, new: Path, aside: str) -> Path:
    """SQLite's file becomes ``new``, in one step; the old one and its log are kept, ``aside`` in their names.

    Nobody may have the old one open.
    """
    kept = path.with_name(f"{path.name}.{aside}")
    for suffix in ("", "-wal"):
        old = path.with_name(path.name + suffix)
        if old.exists():
            kept.with_name(kept.name + suffix).hardlink_to(old)
    for suffix in ("-wal", "-shm"):  # the log of another file would be played into this one
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    new.replace(path)
    return kept


def _copy_sqlite(path: Path, target: Path) -> None:
    driver = sqlite_module()
    source = driver.connect(f"file:{quote(str(path))}?mode=rw", uri=True, timeout=10)
    with closing(source), closing(driver.connect(str(target))) as made:
        source.backup(made)


def _run(engine: Engine, tools: Path | None, program: str, *arguments: str) -> None:
    found = shutil.which(program, path=str(tools) if tools else None)
    if found is None:
        raise DatabaseUnfit(
            f"{program} is not here: install PostgreSQL's client of the server's version, or name its folder "
            f"in POSTGRES_BIN."
        )
    secret = {"PGPASSWORD": engine.url.password} if isinstance(engine.url.password, str) else {}
    done = subprocess.run(  # noqa: S603 our own words, and a program of the operator's
        [found, *arguments], env=secret, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST_S
    )
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise DatabaseUnfit(f"{program} failed: {said[0] if said else f'code {done.returncode}'}")


def _address(engine: Engine) -> str:
    """For PostgreSQL's programs. No password: what stands on a command line can be read by anybody here."""
    plain = engine.url.set(drivername="postgresql", password=None)
    return plain.render_as_string(hide_password=False)
