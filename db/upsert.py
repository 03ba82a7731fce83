"""Rows that may be there already: SQLite and PostgreSQL say it alike, and SQLAlchemy has it by dialect."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

_INSERT: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def insert_for(dialect: str, table: type | Table) -> Any:
    """An insert that knows ``on_conflict_do_update`` and ``on_conflict_do_nothing``."""
    return _INSERT[dialect](table)


def insert_into(session: Session, table: type | Table) -> Any:
    """The same, for this session's database."""
    return insert_for(session.get_bind().dialect.name, table)


def insert_once(session: Session, table: type, key: Any, values: Mapping[str, Any]) -> bool:
    """Whether the row is new: whatever is unique about it decides, also between two at once.

    ``key`` is a column that is not empty.
    """
    new = insert_into(session, table).values(**values).on_conflict_do_nothing().returning(key)
    return session.scalar(new) is not None
