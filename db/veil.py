"""Temporary views in the place of tables: whatever is asked on that connection reads them instead.

Nothing of SQLAlchemy: a child that writes a file has none of it.
"""

from collections.abc import Sequence
from typing import Any

#: Name of a table, and what is selected in its place; ``{real}`` stands for where the tables themselves are.
Views = Sequence[Sequence[str]]


def draw(driver: Any, database: str, views: Views) -> None:
    """Put views before tables on a driver's connection, which is to be closed and never given to others.

    Views see those before them. PostgreSQL takes the transaction for one that only reads from then on.
    """
    real = "main" if database == "sqlite" else _schema(driver)
    for name, select in views:
        driver.execute(f"CREATE TEMPORARY VIEW {name} AS {select.replace('{real}', real)}")
    if database != "sqlite":
        driver.execute("SET TRANSACTION READ ONLY")


def _schema(driver: Any) -> str:
    driver.prepare_threshold = None  # what it prepared before would go on to read the tables themselves
    (name,) = driver.execute("SELECT quote_ident(current_schema())").fetchone()
    return str(name)
