"""What gateways tell us, and what a person must decide."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    ForeignKey,
    Integer,
    LargeBinary,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, one_open, partial_index, row_id
from db.types import UtcDateTime


class InboxEvent(Base):
    """One verified message, kept once as received. ``handled_at`` is empty until it was acted on."""

    __tablename__ = "inbox"
    id: Mapped[int] = row_id()
    gateway: Mapped[str] = mapped_column(String(20))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))  # SHA-256 of path and raw body
    received_at: Mapped[datetime]
    path: Mapped[str]
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes]
    gateway_reference: Mapped[str | None]  # None: signed, but unreadable
    reference: Mapped[str | None]
    word: Mapped[str | None]
    code: Mapped[str | None]
    seen_count: Mapped[int] = mapped_column(Integer, default=1)
    last_seen_at: Mapped[datetime]
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"))
    effect: Mapped[str | None] = mapped_column(String(20))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    next_try_at: Mapped[datetime | None]
    handled_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    ignored_by: Mapped[str | None]  # a person decided, at ``handled_at``, that it is not to be acted on
    ignored_why: Mapped[str | None]
    __table_args__ = (
        UniqueConstraint("gateway", "digest"),
        partial_index("ix_inbox_unhandled", "next_try_at", "handled_at IS NULL"),
        partial_index("ix_inbox_ignored", "id", "ignored_by IS NOT NULL"),
    )


class UnverifiedEvent(Base):
    """A message nobody proved to be the gateway's. Bounded, apart, never a duplicate of a verified one."""

    __tablename__ = "unverified_events"
    id: Mapped[int] = row_id()
    gateway: Mapped[str] = mapped_column(String(20))
    digest: Mapped[bytes] = mapped_column(LargeBinary(32))
    received_at: Mapped[datetime]
    path: Mapped[str]
    headers: Mapped[dict[str, Any]]
    body: Mapped[bytes]
    reason: Mapped[str]
    gateway_reference: Mapped[str | None]  # as the message claims
    address: Mapped[str]
    seen_count: Mapped[int] = mapped_column(Integer, default=1)
    last_seen_at: Mapped[datetime]
    asked_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)  # it made us ask the gateway
    __table_args__ = (UniqueConstraint("gateway", "digest"),)


class Case(Base):
    """Something that a person must decide, about a payment or about a message that fits none.

    Open, there is one of each reason for a payment or message; ``payments.review`` names its newest one.
    """

    __tablename__ = "cases"
    id: Mapped[int] = row_id()
    reason: Mapped[str] = mapped_column(String(30))
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"), index=True)
    inbox_id: Mapped[int | None] = mapped_column(ForeignKey("inbox.id"), index=True)
    detail: Mapped[dict[str, Any]]  # what was found, in plain values
    opened_at: Mapped[datetime]
    owner_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    due_on: Mapped[date | None]
    note: Mapped[str] = mapped_column(Text, default="")
    closed_at: Mapped[datetime | None]
    closed_by: Mapped[str | None]
    decision: Mapped[str | None] = mapped_column(String(30))
    decided_why: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("(payment_id IS NULL) <> (inbox_id IS NULL)", name="subject"),
        CheckConstraint(
            "(closed_at IS NULL) = (decision IS NULL) AND (closed_at IS NULL) = (closed_by IS NULL)"
            " AND (closed_at IS NULL) = (decided_why IS NULL)",
            name="decided",
        ),
        one_open("uq_cases_open_payment", "payment_id"),
        one_open("uq_cases_open_inbox", "inbox_id"),
    )
