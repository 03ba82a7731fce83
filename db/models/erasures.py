"""What people ask about their own data, whose was erased, and the one door through which it is."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, row_id


class SubjectRequest(Base):
    """Somebody wants to see, correct or have erased what is held on them. It names payments and never the
    person; ``told`` says how they asked and who they showed to be, and goes when it is done."""

    __tablename__ = "subject_requests"
    id: Mapped[int] = row_id()
    kind: Mapped[str] = mapped_column(String(10))
    payments: Mapped[dict[str, Any]]  # {"ids": [...], "references": [...]}: what a person chose as theirs
    told: Mapped[str] = mapped_column(Text)
    opened_at: Mapped[datetime]
    opened_by: Mapped[str]
    due_on: Mapped[date]
    state: Mapped[str] = mapped_column(String(7))
    ended_at: Mapped[datetime | None]
    ended_by: Mapped[str | None]
    ended_why: Mapped[str | None] = mapped_column(Text)
    outcome: Mapped[dict[str, Any] | None]  # counts, by what was done to what
    __table_args__ = (
        CheckConstraint("kind IN ('export', 'correction', 'erasure')", name="kind"),
        CheckConstraint("state IN ('open', 'done', 'refused')", name="state"),
        CheckConstraint("(state = 'open') = (ended_at IS NULL)", name="ended"),
        Index("ix_subject_requests_state", "state", "due_on"),
    )


class Erasure(Base):
    """A payment whose personal data was erased: on request, or because its time was over."""

    __tablename__ = "erasures"
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), primary_key=True)
    cause: Mapped[str] = mapped_column(String(7))
    request_id: Mapped[int | None] = mapped_column(ForeignKey("subject_requests.id"), index=True)
    at: Mapped[datetime]
    __table_args__ = (CheckConstraint("cause IN ('request', 'term')", name="cause"),)


class ErasureDoor(Base):
    """While a row is here, in a transaction that takes it away again, triggers let personal columns of rows
    that are otherwise only added be overwritten. No row of it is ever committed."""

    __tablename__ = "erasure_door"
    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    filling: Mapped[bytes | None]  # zeros, written over the pages that SQLite holds free
