"""Changing every row of a large table on PostgreSQL: its indexes are made anew once, not kept up by row."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from alembic import op

#: What an index that was dropped is made from; those that stand for a constraint stay.
_INDEXES = sa.text(
    "SELECT indexrelid::regclass::text, pg_get_indexdef(indexrelid) FROM pg_index"
    " WHERE indrelid = CAST(:name AS regclass)"
    " AND NOT EXISTS (SELECT 1 FROM pg_constraint WHERE conindid = indexrelid) ORDER BY 1"
)


@contextmanager
def without_indexes(table: str) -> Iterator[None]:
    """Within, a table of PostgreSQL has no indexes but its constraints'; SQLite's stay."""
    if op.get_bind().dialect.name == "sqlite":
        yield
        return
    found = op.get_bind().execute(_INDEXES, {"name": table}).all()
    for name, _made in found:
        op.execute(f"DROP INDEX {name}")
    yield
    op.execute("SET LOCAL maintenance_work_mem = '256MB'")
    for _name, made in found:
        op.execute(made)
