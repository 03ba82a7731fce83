"""A whole SQLite database into an empty PostgreSQL, in one transaction of it; and both compared.

Types are told apart by the tables of this release: both databases must be migrated to it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import JSON, Column, Connection, Select, Table, Text, func, inspect, literal, select, text
from sqlalchemy import type_coerce as as_type
from sqlalchemy.exc import DataError, IntegrityError

from db.migrate import build
from db.models import Base
from db.session import DatabaseUnfit

#: So many rows are in memory at a time.
AT_ONCE = 2_000
#: What a table is compared by: its rows, and by column and currency what its amounts come to.
Sums = Mapping[tuple[str, str], int]
#: ``progress(table, rows)`` is called with what was copied since the last time.
Progress = Callable[[str, int], None]


def check_empty(target: Connection) -> None:
    """Raises DatabaseUnfit when any table is there: nothing is written over, and nothing into."""
    tables = "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema()"
    if target.scalars(text(tables)).one():
        raise DatabaseUnfit("The database that NEW_DATABASE_URL names is not empty. Make an empty one.")


def copy_all(source: Connection, target: Connection, progress: Progress) -> None:
    """Make the tables and copy every row. Raises DatabaseUnfit for what PostgreSQL does not take."""
    for name in ("idle_in_transaction_session_timeout", "statement_timeout"):
        target.execute(text(f"SET LOCAL {name} = 0"))
    build(target)
    with _unwatched(target):
        for table in Base.metadata.sorted_tables:
            target.execute(table.delete())  # what the migrations themselves have put in
            _copy(source, target, table, progress)
            _go_on_from(target, table)


@contextmanager
def _unwatched(target: Connection) -> Iterator[None]:
    """Triggers and foreign keys look at what people do, one row after the other. These rows were looked at
    when they were written; the keys are put back afterwards, and look at all rows then."""
    keys = [(table, key) for table in Base.metadata.sorted_tables for key in _keys(target, table)]
    for table, (name, _) in keys:
        target.execute(text(f'ALTER TABLE {table.name} DROP CONSTRAINT "{name}"'))
    for table in Base.metadata.sorted_tables:
        target.execute(text(f"ALTER TABLE {table.name} DISABLE TRIGGER USER"))
    yield
    for table in Base.metadata.sorted_tables:
        target.execute(text(f"ALTER TABLE {table.name} ENABLE TRIGGER USER"))
    for table, (name, definition) in keys:
        try:
            target.execute(text(f'ALTER TABLE {table.name} ADD CONSTRAINT "{name}" {definition}'))
        except IntegrityError as error:
            said = str(error.orig).strip().splitlines()[-1]
            raise DatabaseUnfit(f"The database is not whole: {table.name} fails {name}. {said}") from error


def _keys(target: Connection, table: Table) -> list[tuple[str, str]]:
    """A table's foreign keys as PostgreSQL has them: name and definition."""
    asked = "SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'f' AND conrelid = "
    return [(row[0], row[1]) for row in target.execute(text(f"{asked} '{table.name}'::regclass"))]


def _copy(source: Connection, target: Connection, table: Table, progress: Progress) -> None:
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    driver: Any = target.connection.driver_connection
    rows = source.execute(_plain(table).execution_options(yield_per=AT_ONCE))
    try:
        with driver.cursor() as cursor, cursor.copy(f"COPY {table.name} ({names}) FROM STDIN") as into:
            for some in rows.partitions():
                for row in some:
                    into.write_row(row)
                progress(table.name, len(some))
    except (target.dialect.loaded_dbapi.Error, DataError) as error:
        said = str(error).strip().splitlines()[0]
        raise DatabaseUnfit(f"PostgreSQL does not take a row of {table.name}: {said}") from error


def _plain(table: Table) -> Select[Any]:
    """The rows as Python has them; JSON as the text it is kept as, so that no number in it is read anew."""
    columns: list[Column[Any]] = list(table.columns)
    return select(*(as_type(each, Text) if isinstance(each.type, JSON) else each for each in columns))


def _go_on_from(target: Connection, table: Table) -> None:
    """The next row's number is the one after the last."""
    if "id" not in table.columns:
        return
    sequence = target.scalar(text(f"SELECT pg_get_serial_sequence('{table.name}', 'id')"))
    if sequence:
        last = target.scalar(select(func.max(table.columns["id"])))
        target.execute(select(func.setval(literal(sequence), last or 1, last is not None)))


# -- comparing ----------------------------------------------------------------------------------------


def sums(connection: Connection, table: Table) -> Sums:
    """``("", "")``: how many rows; ``(column, currency)``: their sum. Added up by the database, in whole
    numbers: SQLite refuses one that does not fit."""
    found = {("", ""): connection.scalars(select(func.count()).select_from(table)).one()}
    for column in table.columns:
        if column.name.endswith("_minor"):
            currency = _currency_of(table, column)
            asked = select(currency, func.sum(column)).where(column.is_not(None)).group_by(currency)
            for code, total in connection.execute(asked):
                found[column.name, str(code)] = int(total)
    return found


def _currency_of(table: Table, column: Column[Any]) -> Any:
    """Where an amount's currency stands: ``x_currency`` beside ``x_minor``, else the row's only one."""
    beside = column.name.removesuffix("_minor") + "_currency"
    return next((table.columns[name] for name in (beside, "currency") if name in table.columns), literal(""))


def differences(source: Connection, target: Connection) -> list[str]:
    """What is not the same in both, one sentence each."""
    there = set(inspect(source).get_table_names())
    told = []
    for table in Base.metadata.sorted_tables:
        if table.name not in there:
            told.append(f"{table.name} is not in the old database")
            continue
        old, new = sums(source, table), sums(target, table)
        for what in sorted(old.keys() | new.keys()):
            if old.get(what) != new.get(what):
                name = " ".join(part for part in (table.name, *what) if part)
                told.append(f"{name}: {old.get(what)} there, {new.get(what)} here")
    return told
