"""Payments: the obligation, its links, the money received, its timeline, the mail owed."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
    text,
)
from sqlalchemy.orm import Mapped, composite, mapped_column, relationship

from db.filed import INITIAL, REST, SURNAME
from db.models.base import Base, partial_index, row_id
from db.models.events import Category, Event
from db.models.legacy import LegacyRecord
from db.models.places import Place
from db.models.quotes import PaymentQuote
from db.money import LARGEST_MINOR, Money
from db.types import UtcDateTime


class Payment(Base):
    """One obligation: who owes how much for which event. Ids rise in order of arrival."""

    __tablename__ = "payments"
    id: Mapped[int] = row_id()
    reference: Mapped[str] = mapped_column(String(24), unique=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"))
    category_id: Mapped[int | None] = mapped_column(ForeignKey("categories.id"))
    mode: Mapped[str] = mapped_column(String(4))
    status: Mapped[str] = mapped_column(String(14))
    method: Mapped[str | None] = mapped_column(String(12))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    received_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    refunded_minor: Mapped[int] = mapped_column(BigInteger, default=0)
    payer_name: Mapped[str]
    payer_email: Mapped[str] = mapped_column(Text, default="")
    payer_phone: Mapped[str] = mapped_column(Text, default="")
    note: Mapped[str] = mapped_column(Text, default="")
    review: Mapped[str | None] = mapped_column(String(30))
    version: Mapped[int] = mapped_column(Integer, default=0)
    created_by: Mapped[str]
    created_at: Mapped[datetime]
    updated_at: Mapped[datetime]
    paid_at: Mapped[datetime | None]
    search_text: Mapped[str]
    stage: Mapped[str] = mapped_column(String(9), default="asked", server_default="asked")
    failure: Mapped[str] = mapped_column(String(12), default="", server_default="")  # why it failed last
    written_off_minor: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    place_count: Mapped[int] = mapped_column(
        Integer, default=0, server_default="0"
    )  # 0: it is for one person
    origin: Mapped[str] = mapped_column(String(6), default="desk", server_default="desk")  # api, legacy
    erased_at: Mapped[datetime | None]  # since then nothing of it tells who paid
    event: Mapped[Event] = relationship()
    category: Mapped[Category | None] = relationship()
    links: Mapped[list["Link"]] = relationship(back_populates="payment", order_by="Link.id")
    receipts: Mapped[list["Receipt"]] = relationship(back_populates="payment", order_by="Receipt.id")
    places: Mapped[list[Place]] = relationship(order_by=Place.number, viewonly=True)
    legacy: Mapped[LegacyRecord | None] = relationship(viewonly=True)
    quote: Mapped[PaymentQuote | None] = relationship(viewonly=True)

    @property
    def received(self) -> Money:
        return Money(self.received_minor, self.amount_currency)

    @property
    def owed_minor(self) -> int:
        """What makes it paid: the amount, less what was written off."""
        return self.amount_minor - self.written_off_minor

    __table_args__ = (
        CheckConstraint(
            "status IN ('created', 'open', 'failed', 'claimed', 'part_paid', 'paid', 'expired', 'cancelled',"
            " 'waived', 'part_refunded', 'refunded', 'disputed')",
            name="status",
        ),
        CheckConstraint("mode IN ('demo', 'live')", name="mode"),
        CheckConstraint(f"amount_minor BETWEEN 0 AND {LARGEST_MINOR}", name="amount"),
        CheckConstraint("received_minor >= 0 AND refunded_minor >= 0", name="received"),
        CheckConstraint("refunded_minor <= received_minor", name="refunded"),
        CheckConstraint("(mode = 'demo') = (reference LIKE 'DEMO!_%' ESCAPE '!')", name="reference_mode"),
        Index(None, "event_id", "status", "id"),
        Index(None, "event_id", "id"),
        Index(None, "status", "id"),
        Index(None, "amount_minor", "id"),
        Index(None, "created_at", "id"),
        Index(None, "paid_at", "id"),
        Index(None, "method", "id"),
        Index(None, "created_by", "id"),
        Index(None, "category_id", "id"),
        partial_index("ix_payments_review", "id", "review IS NOT NULL"),
        partial_index("ix_payments_places", "event_id", "place_count > 0"),
        partial_index("ix_payments_legacy", "id", "origin = 'legacy'"),
        partial_index(
            "ix_payments_let_go", ("status", "updated_at"), "status IN ('expired', 'cancelled', 'waived')"
        ),
        partial_index(
            "ix_payments_rest_name",
            (text(REST), text(SURNAME), text(f"({INITIAL})")),
            "status IN ('cancelled', 'claimed', 'created', 'expired', 'failed', 'open', 'part_paid')",
        ),
    )


class Link(Base):
    """One gateway page where a payment can be paid."""

    __tablename__ = "links"
    id: Mapped[int] = row_id()
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    gateway: Mapped[str] = mapped_column(String(20))
    wire_reference: Mapped[str] = mapped_column(String(50), unique=True)
    gateway_reference: Mapped[str | None] = mapped_column(String(64))
    url: Mapped[str | None]
    state: Mapped[str] = mapped_column(String(12))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    return_token: Mapped[str] = mapped_column(String(43), unique=True)
    requested_at: Mapped[datetime]
    active_at: Mapped[datetime]  # last issued, shared or returned from: what the polling schedule counts from
    asked_at: Mapped[datetime | None]
    answer: Mapped[str | None] = mapped_column(String(20))
    answer_word: Mapped[str | None]
    next_ask_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)  # None: known as paid
    place: Mapped[int] = mapped_column(Integer, default=0, server_default="0")  # for one of its places alone
    part: Mapped[bool] = mapped_column(default=False, server_default=false())  # for some of what is owed
    payment: Mapped[Payment] = relationship(back_populates="links")
    __table_args__ = (
        UniqueConstraint("gateway", "gateway_reference"),
        CheckConstraint("state IN ('asked', 'open', 'refused', 'missing', 'paid')", name="state"),
        CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name="amount"),
        partial_index("ix_links_asked", "requested_at", "state = 'asked'"),
    )


class Receipt(Base):
    """Money that is here, and who said so. Corrections are further rows."""

    __tablename__ = "receipts"
    id: Mapped[int] = row_id()
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    link_id: Mapped[int | None] = mapped_column(ForeignKey("links.id"))
    kind: Mapped[str] = mapped_column(String(12))
    source_reference: Mapped[str] = mapped_column(String(64))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    received_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    recorded_by: Mapped[str]
    place: Mapped[int] = mapped_column(Integer, default=0, server_default="0")  # for one of its places alone
    payment: Mapped[Payment] = relationship(back_populates="receipts")
    __table_args__ = (
        UniqueConstraint("kind", "source_reference"),
        CheckConstraint("kind IN ('gateway', 'cash', 'card_slip', 'eft')", name="kind"),
        CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name="amount"),
    )


class TimelineEntry(Base):
    """What happened to one payment, in order. Rows are only ever added."""

    __tablename__ = "timeline"
    id: Mapped[int] = row_id()
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(24))
    source: Mapped[str] = mapped_column(String(12))
    actor: Mapped[str]
    detail: Mapped[dict[str, Any]]


class OutboxMail(Base):
    """A mail we owe somebody, queued in the transaction that made us owe it."""

    __tablename__ = "outbox"
    id: Mapped[int] = row_id()
    key: Mapped[str] = mapped_column(String(80), unique=True)
    payment_id: Mapped[int | None] = mapped_column(ForeignKey("payments.id"), index=True)
    recipient: Mapped[str]
    subject: Mapped[str]
    body: Mapped[str]
    message_id: Mapped[str]
    state: Mapped[str] = mapped_column(String(8))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime]
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
    __table_args__ = (
        CheckConstraint("state IN ('queued', 'sent', 'failed')", name="state"),
        partial_index("ix_outbox_failed", "payment_id", "state = 'failed'"),
    )
