"""What all tables share: names of keys, types of columns, partial indexes."""

from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    Date,
    Index,
    LargeBinary,
    MetaData,
    Text,
    TextClause,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from db.types import RowId, UtcDateTime

Json = JSON().with_variant(JSONB, "postgresql")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        date: Date,
        dict[str, Any]: Json,
        bytes: LargeBinary,
        str: Text,
    }


def row_id() -> Mapped[int]:
    return mapped_column(RowId, primary_key=True, autoincrement=True)


def partial_index(name: str, columns: str | tuple[str | TextClause, ...], where: str) -> Index:
    """An index over the few rows that somebody must see to: it costs the others nothing."""
    over = (columns,) if isinstance(columns, str) else columns
    return Index(name, *over, sqlite_where=text(where), postgresql_where=text(where))


def one_open(name: str, subject: str) -> Index:
    """At most one open case of a reason for each subject."""
    still = text("closed_at IS NULL")
    return Index(name, subject, "reason", unique=True, sqlite_where=still, postgresql_where=still)
