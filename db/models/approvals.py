"""What one person asked for and another must allow: bound to exactly what is asked, used once."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, row_id
from db.types import UtcDateTime

_OPEN = text("state IN ('waiting', 'approved')")


class Approval(Base):
    """A request. ``bound`` is what exactly is asked for, ``digest`` its hash: the database lets neither
    change, and lets nobody decide upon what they asked for themselves."""

    __tablename__ = "approvals"
    id: Mapped[int] = row_id()
    what: Mapped[str] = mapped_column(String(20))
    subject: Mapped[str] = mapped_column(String(40))
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"), index=True)
    scope: Mapped[str]  # ids of the events it concerns with commas between, or * for all
    bound: Mapped[dict[str, Any]]
    digest: Mapped[str] = mapped_column(String(64))
    amount_minor: Mapped[int | None] = mapped_column(BigInteger)
    amount_currency: Mapped[str | None] = mapped_column(String(3))
    why: Mapped[str]
    requester_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    requester_name: Mapped[str]
    asked_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    state: Mapped[str] = mapped_column(String(9))
    decider_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    decider_name: Mapped[str | None]
    decided_why: Mapped[str | None]
    ended_at: Mapped[datetime | None]  # decided, withdrawn, or found to have expired
    used_at: Mapped[datetime | None]
    __table_args__ = (
        CheckConstraint(
            "state IN ('waiting', 'approved', 'refused', 'withdrawn', 'expired', 'used')", name="state"
        ),
        CheckConstraint("decider_id IS NULL OR decider_id <> requester_id", name="second_person"),
        CheckConstraint(
            "state IN ('withdrawn', 'expired')"
            " OR (state IN ('approved', 'refused', 'used')) = (decider_id IS NOT NULL)",
            name="decided",
        ),
        CheckConstraint("(state = 'used') = (used_at IS NOT NULL)", name="used"),
        CheckConstraint("(amount_minor IS NULL) = (amount_currency IS NULL)", name="amount"),
        Index("uq_approvals_open", "digest", unique=True, sqlite_where=_OPEN, postgresql_where=_OPEN),
    )
