"""The door board: who was let in, and by whom."""

from datetime import datetime

from sqlalchemy import CheckConstraint, ForeignKey, Index, Integer, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, row_id

_IN = text("undone_at IS NULL")


class Admission(Base):
    """Somebody came in on a payment. ``why`` is said when it was not paid; undone, the row stays."""

    __tablename__ = "admissions"
    id: Mapped[int] = row_id()
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), index=True)
    name: Mapped[str]
    why: Mapped[str]
    admitted_at: Mapped[datetime]
    admitted_by: Mapped[str]
    undone_at: Mapped[datetime | None]
    undone_by: Mapped[str | None]
    place: Mapped[int] = mapped_column(Integer, default=0, server_default="0")  # of a payment for several
    __table_args__ = (
        CheckConstraint("(undone_at IS NULL) = (undone_by IS NULL)", name="undone"),
        Index("uq_admissions_in", "payment_id", "place", unique=True, sqlite_where=_IN, postgresql_where=_IN),
    )
