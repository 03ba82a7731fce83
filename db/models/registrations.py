"""Files of registrations that were brought, and what became of each row."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, row_id

_WAITS = text("outcome IN ('waiting', 'asking')")


class RegistrationFile(Base):
    """A file as somebody brought it. ``meant`` is what its columns were said to mean, by heading."""

    __tablename__ = "registration_files"
    id: Mapped[int] = row_id()
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), index=True)
    file: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    headings: Mapped[dict[str, Any]]  # {"cells": [...]}
    meant: Mapped[dict[str, Any]]
    brought_by: Mapped[str]
    created_at: Mapped[datetime]


class RegistrationRow(Base):
    """A row of it. ``wanted`` holds what it asks for until that is done, and nothing afterwards: who pays
    stands on the payment."""

    __tablename__ = "registration_rows"
    id: Mapped[int] = row_id()
    file_id: Mapped[int] = mapped_column(ForeignKey("registration_files.id"))
    number: Mapped[int] = mapped_column(Integer)
    registration_id: Mapped[str] = mapped_column(Text)
    wanted: Mapped[dict[str, Any]]
    outcome: Mapped[str] = mapped_column(String(9))
    why: Mapped[str]
    reference: Mapped[str] = mapped_column(String(24))
    asked_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint(
            "outcome IN ('waiting', 'asking', 'new', 'changed', 'unchanged', 'refused')", name="outcome"
        ),
        UniqueConstraint("file_id", "number"),
        Index("ix_registration_rows_waiting", "file_id", "id", sqlite_where=_WAITS, postgresql_where=_WAITS),
    )
