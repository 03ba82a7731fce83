"""What rows were before they were changed where no other row tells it, and reports that somebody kept."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import BigInteger, ForeignKey, Index, LargeBinary, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, Json, row_id
from db.types import RowId


class PaymentPast(Base):
    """What a payment was until a moment, of what its timeline and its money do not tell. Only ever added."""

    __tablename__ = "payment_pasts"
    id: Mapped[int] = row_id()
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"))
    until: Mapped[datetime]
    event_id: Mapped[int] = mapped_column(RowId)
    category_id: Mapped[int | None] = mapped_column(RowId)
    method: Mapped[str | None] = mapped_column(String(12))
    stage: Mapped[str] = mapped_column(String(9))
    failure: Mapped[str] = mapped_column(String(12))
    __table_args__ = (Index(None, "payment_id", "until", "id"),)


class PayoutPast(Base):
    """The fee of a payout itself, as it was known until it was explained. Only ever added."""

    __tablename__ = "payout_pasts"
    id: Mapped[int] = row_id()
    payout_id: Mapped[int] = mapped_column(ForeignKey("payouts.id"), index=True)
    until: Mapped[datetime]
    payout_fee_minor: Mapped[int] = mapped_column(BigInteger)


class KeptReport(Base):
    """A report as it stood when somebody kept it. ``events``: the ids it was of, None for all. Only ever
    added; ``content`` is what its SHA-256 is of, ``data`` its CSV file."""

    __tablename__ = "kept_reports"
    id: Mapped[int] = row_id()
    reference: Mapped[str] = mapped_column(String(24), unique=True)
    kind: Mapped[str] = mapped_column(String(20))
    basis: Mapped[str] = mapped_column(String(10))
    first_on: Mapped[date]
    last_on: Mapped[date]
    event: Mapped[str] = mapped_column(Text)
    events: Mapped[list[Any] | None] = mapped_column(Json)
    as_of: Mapped[datetime]
    content: Mapped[str] = mapped_column(Text, deferred=True)
    sha256: Mapped[str] = mapped_column(String(64))
    data: Mapped[bytes] = mapped_column(LargeBinary, deferred=True)
    kept_at: Mapped[datetime]
    kept_by: Mapped[str]
