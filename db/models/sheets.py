"""Sheets of people who are to pay, their rows, and which payment each became."""

from datetime import datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, row_id

_WAITS = text("outcome IN ('waiting', 'asking')")


class SheetFile(Base):
    """A sheet as somebody brought it."""

    __tablename__ = "sheets"
    id: Mapped[int] = row_id()
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), index=True)
    file: Mapped[str]
    headings: Mapped[dict[str, Any]]  # {"cells": [...]}
    brought_by: Mapped[str]
    created_at: Mapped[datetime]


class SheetLine(Base):
    """A row of it. ``wanted`` is what it asks for, empty when unclear; ``cells`` go back as they came."""

    __tablename__ = "sheet_rows"
    id: Mapped[int] = row_id()
    sheet_id: Mapped[int] = mapped_column(ForeignKey("sheets.id"))
    number: Mapped[int] = mapped_column(Integer)
    cells: Mapped[dict[str, Any]]  # {"cells": [...]}
    wanted: Mapped[dict[str, Any]]
    key: Mapped[str | None] = mapped_column(String(64))
    outcome: Mapped[str] = mapped_column(String(8))
    why: Mapped[str]
    asked_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint(
            "outcome IN ('waiting', 'asking', 'made', 'failed', 'wrong', 'known', 'alike')", name="outcome"
        ),
        UniqueConstraint("sheet_id", "number"),
        Index("ix_sheet_rows_waiting", "sheet_id", "id", sqlite_where=_WAITS, postgresql_where=_WAITS),
    )


class SheetPayment(Base):
    """Which payment a row is, whichever sheet brings it: drawn once, so that a row that comes again is not a
    second payment."""

    __tablename__ = "sheet_payments"
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), primary_key=True)
    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    reference: Mapped[str] = mapped_column(String(40), unique=True)
