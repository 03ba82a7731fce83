"""Files that were taken out of the desk, and how people like theirs."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, row_id


class Export(Base):
    """One file: who asked for what, and, when it is whole, what it held and the hash of its bytes."""

    __tablename__ = "exports"
    id: Mapped[int] = row_id()
    reference: Mapped[str] = mapped_column(String(24), unique=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))  # None: the command line
    actor: Mapped[str] = mapped_column(index=True)
    state: Mapped[str] = mapped_column(String(8))
    asked_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    wanted: Mapped[dict[str, Any]]  # the filter, as the names and values of an address
    layout: Mapped[dict[str, Any]]
    file_name: Mapped[str]
    rows_done: Mapped[int] = mapped_column(BigInteger, default=0)
    rows: Mapped[int | None] = mapped_column(BigInteger)
    sums: Mapped[dict[str, Any] | None]  # currency: asked and received in minor units
    sha256: Mapped[str | None] = mapped_column(String(64), index=True)
    size_bytes: Mapped[int | None] = mapped_column(BigInteger)
    problem: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("state IN ('asked', 'running', 'whole', 'broken')", name="state"),
        CheckConstraint("(state = 'whole') = (sha256 IS NOT NULL)", name="whole"),
    )


class ExportPreset(Base):
    """Columns and options under a name; ``role`` shares them with everybody of that role."""

    __tablename__ = "export_presets"
    id: Mapped[int] = row_id()
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    name: Mapped[str] = mapped_column(String(60))
    role: Mapped[str | None] = mapped_column(String(12))
    layout: Mapped[dict[str, Any]]
    changed_at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("person_id", "name"),)
