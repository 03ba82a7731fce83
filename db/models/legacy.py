"""Records of the system that came before: as they came, what was understood of them, and what was not."""

from datetime import datetime
from typing import Any

from sqlalchemy import ForeignKey, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, row_id


class LegacyImport(Base):
    """A file of records that was brought, and what came of it."""

    __tablename__ = "legacy_imports"
    id: Mapped[int] = row_id()
    name: Mapped[str]
    sha256: Mapped[str] = mapped_column(String(64))
    currency: Mapped[str] = mapped_column(String(3))
    told: Mapped[dict[str, Any]]  # the report, as it was given
    imported_at: Mapped[datetime]
    imported_by: Mapped[str]


class LegacyRecord(Base):
    """One record. ``payment_id`` is nothing for a trial of the earlier system, and for what is no record."""

    __tablename__ = "legacy_records"
    id: Mapped[int] = row_id()
    import_id: Mapped[int] = mapped_column(ForeignKey("legacy_imports.id"), index=True)
    key: Mapped[str] = mapped_column(String(130), unique=True)
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"), unique=True)
    shape: Mapped[str] = mapped_column(String(5))
    way: Mapped[str] = mapped_column(String(7))
    word: Mapped[str] = mapped_column(Text)  # its status as it was written
    digest: Mapped[str] = mapped_column(String(64))
    raw: Mapped[str] = mapped_column(Text)
    texts: Mapped[dict[str, Any]]  # what its payment is found by beside its own: {"references", "extra"}
    told: Mapped[dict[str, Any]]  # the rest of what it says, and its proof


class LegacyIssue(Base):
    """Why a person should look at a record."""

    __tablename__ = "legacy_issues"
    id: Mapped[int] = row_id()
    record_id: Mapped[int] = mapped_column(ForeignKey("legacy_records.id"), index=True)
    number: Mapped[int] = mapped_column(Integer)
    fault: Mapped[str] = mapped_column(String(20), index=True)
    sentence: Mapped[str] = mapped_column(Text)
