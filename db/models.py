"""Every table. Rows never leave ``payments``: a page gets frozen dataclasses."""

from datetime import date, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, composite, mapped_column, relationship

from db.money import LARGEST_MINOR, Money
from db.types import RowId, UtcDateTime

Json = JSON().with_variant(JSONB, "postgresql")


class Base(DeclarativeBase):
    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        datetime: UtcDateTime,
        date: Date,
        dict[str, Any]: Json,
        bytes: LargeBinary,
        str: Text,
    }


def _id() -> Mapped[int]:
    return mapped_column(RowId, primary_key=True, autoincrement=True)


def _partial(name: str, column: str, where: str) -> Index:
    """An index over the few rows that somebody must see to: it costs the others nothing."""
    return Index(name, column, sqlite_where=text(where), postgresql_where=text(where))


def _one_open(name: str, subject: str) -> Index:
    """At most one open case of a reason for each subject."""
    still = text("closed_at IS NULL")
    return Index(name, subject, "reason", unique=True, sqlite_where=still, postgresql_where=still)


class Meta(Base):
    """Facts about this database: its mode, which it keeps for life."""

    __tablename__ = "meta"
    key: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[str]


class Counter(Base):
    """Rising numbers. ``changes`` goes up with every committed change that a live page could show."""

    __tablename__ = "counters"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    value: Mapped[int] = mapped_column(BigInteger)


# -- events and what they cost ----------------------------------------------------------------------


class Event(Base):
    __tablename__ = "events"
    id: Mapped[int] = _id()
    code: Mapped[str] = mapped_column(String(40), unique=True)
    name: Mapped[str]
    starts_on: Mapped[date]
    ends_on: Mapped[date]
    state: Mapped[str] = mapped_column(String(12))
    currency: Mapped[str] = mapped_column(String(3))
    reference_prefix: Mapped[str] = mapped_column(String(8))
    created_at: Mapped[datetime]
    categories: Mapped[list["Category"]] = relationship(back_populates="event", order_by="Category.position")
    __table_args__ = (
        CheckConstraint("state IN ('draft', 'open', 'closed')", name="state"),
        CheckConstraint("ends_on >= starts_on", name="days"),
    )


class Category(Base):
    """One line of an event's price list."""

    __tablename__ = "categories"
    id: Mapped[int] = _id()
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), index=True)
    name: Mapped[str]
    price_minor: Mapped[int] = mapped_column(BigInteger)
    position: Mapped[int] = mapped_column(Integer)
    active: Mapped[bool] = mapped_column(Boolean, default=True)
    event: Mapped[Event] = relationship(back_populates="categories")
    __table_args__ = (
        UniqueConstraint("event_id", "name"),
        CheckConstraint(f"price_minor BETWEEN 0 AND {LARGEST_MINOR}", name="price"),
    )


# -- people -----------------------------------------------------------------------------------------


class PersonRow(Base):
    __tablename__ = "people"
    id: Mapped[int] = _id()
    email: Mapped[str] = mapped_column(String(254), unique=True)
    name: Mapped[str]
    role: Mapped[str] = mapped_column(String(12))
    all_events: Mapped[bool] = mapped_column(Boolean)
    password_hash: Mapped[str | None]
    disabled_at: Mapped[datetime | None]
    access_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    events: Mapped[list["PersonEvent"]] = relationship(cascade="all, delete-orphan")
    __table_args__ = (
        CheckConstraint("role IN ('admin', 'finance', 'organiser', 'viewer', 'auditor')", name="role"),
    )


class PersonEvent(Base):
    """An event that a person without all of them may reach."""

    __tablename__ = "person_events"
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), primary_key=True)


class PersonSession(Base):
    """Somebody signed in. Only the hash of the cookie's token is here: a stolen copy cannot sign in."""

    __tablename__ = "sessions"
    id: Mapped[int] = _id()
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    created_at: Mapped[datetime]
    active_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    address: Mapped[str]
    browser: Mapped[str]


class SignInLink(Base):
    """A link that signs one person in once, or creates the first admin. Only its hash is kept."""

    __tablename__ = "sign_in_links"
    id: Mapped[int] = _id()
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))  # None: creates the first admin
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SignInAttempt(Base):
    """For throttling, so that a restart forgets nothing."""

    __tablename__ = "sign_in_attempts"
    id: Mapped[int] = _id()
    email_hash: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    succeeded: Mapped[bool] = mapped_column(Boolean)
    __table_args__ = (Index(None, "email_hash", "at"), Index(None, "address", "at"), Index(None, "at"))


class AuditEntry(Base):
    """Who changed what, when, why. Rows are only ever added."""

    __tablename__ = "audit"
    id: Mapped[int] = _id()
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    actor: Mapped[str]
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str]
    event_id: Mapped[int | None] = mapped_column(ForeignKey("events.id"))
    detail: Mapped[dict[str, Any]]


# -- payments ---------------------------------------------------------------------------------------


class Payment(Base):
    """One obligation: who owes how much for which event. Ids rise in order of arrival."""

    __tablename__ = "payments"
    id: Mapped[int] = _id()
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
    event: Mapped[Event] = relationship()
    category: Mapped[Category | None] = relationship()
    links: Mapped[list["Link"]] = relationship(back_populates="payment", order_by="Link.id")
    receipts: Mapped[list["Receipt"]] = relationship(back_populates="payment", order_by="Receipt.id")

    @property
    def received(self) -> Money:
        return Money(self.received_minor, self.amount_currency)

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
        Index(None, "created_at"),
        Index(None, "paid_at"),
        _partial("ix_payments_review", "id", "review IS NOT NULL"),
    )


class Link(Base):
    """One gateway page where a payment can be paid."""

    __tablename__ = "links"
    id: Mapped[int] = _id()
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
    payment: Mapped[Payment] = relationship(back_populates="links")
    __table_args__ = (
        UniqueConstraint("gateway", "gateway_reference"),
        CheckConstraint("state IN ('asked', 'open', 'refused', 'missing', 'paid')", name="state"),
        CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name="amount"),
        _partial("ix_links_asked", "requested_at", "state = 'asked'"),
    )


class Receipt(Base):
    """Money that is here, and who said so. Corrections are further rows."""

    __tablename__ = "receipts"
    id: Mapped[int] = _id()
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    link_id: Mapped[int | None] = mapped_column(ForeignKey("links.id"))
    kind: Mapped[str] = mapped_column(String(12))
    source_reference: Mapped[str] = mapped_column(String(64))
    amount_minor: Mapped[int] = mapped_column(BigInteger)
    amount_currency: Mapped[str] = mapped_column(String(3))
    amount: Mapped[Money] = composite("amount_minor", "amount_currency")
    received_at: Mapped[datetime]
    recorded_by: Mapped[str]
    payment: Mapped[Payment] = relationship(back_populates="receipts")
    __table_args__ = (
        UniqueConstraint("kind", "source_reference"),
        CheckConstraint("kind IN ('gateway', 'cash', 'card_slip', 'eft')", name="kind"),
        CheckConstraint(f"amount_minor BETWEEN 1 AND {LARGEST_MINOR}", name="amount"),
    )


class TimelineEntry(Base):
    """What happened to one payment, in order. Rows are only ever added."""

    __tablename__ = "timeline"
    id: Mapped[int] = _id()
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(24))
    source: Mapped[str] = mapped_column(String(12))
    actor: Mapped[str]
    detail: Mapped[dict[str, Any]]


# -- what gateways tell us --------------------------------------------------------------------------


class InboxEvent(Base):
    """One verified message, kept once as received. ``handled_at`` is empty until it was acted on."""

    __tablename__ = "inbox"
    id: Mapped[int] = _id()
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
        _partial("ix_inbox_unhandled", "next_try_at", "handled_at IS NULL"),
        _partial("ix_inbox_ignored", "id", "ignored_by IS NOT NULL"),
    )


class UnverifiedEvent(Base):
    """A message nobody proved to be the gateway's. Bounded, apart, never a duplicate of a verified one."""

    __tablename__ = "unverified_events"
    id: Mapped[int] = _id()
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


# -- what a person must decide ----------------------------------------------------------------------


class Case(Base):
    """Something that a person must decide, about a payment or about a message that fits none.

    Open, there is one of each reason for a payment or message; ``payments.review`` names its newest one.
    """

    __tablename__ = "cases"
    id: Mapped[int] = _id()
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
        _one_open("uq_cases_open_payment", "payment_id"),
        _one_open("uq_cases_open_inbox", "inbox_id"),
    )


# -- running totals, kept in the payment's own transaction ------------------------------------------


class Standing(Base):
    """How many payments are in each status now, and their sum."""

    __tablename__ = "standings"
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), primary_key=True)
    status: Mapped[str] = mapped_column(String(14), primary_key=True)
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    sum_minor: Mapped[int] = mapped_column(BigInteger)


class Tally(Base):
    """What happened in one hour (UTC, by its start): money taken by method, payments reaching a status."""

    __tablename__ = "tallies"
    hour: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), primary_key=True)
    measure: Mapped[str] = mapped_column(String(8), primary_key=True)  # 'taken' or 'status'
    key: Mapped[str] = mapped_column(String(14), primary_key=True)  # the method, or the status
    currency: Mapped[str] = mapped_column(String(3), primary_key=True)
    count: Mapped[int] = mapped_column(BigInteger)
    sum_minor: Mapped[int] = mapped_column(BigInteger)


# -- mail -------------------------------------------------------------------------------------------


class OutboxMail(Base):
    """A mail we owe somebody, queued in the transaction that made us owe it."""

    __tablename__ = "outbox"
    id: Mapped[int] = _id()
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
        _partial("ix_outbox_failed", "payment_id", "state = 'failed'"),
    )


# -- what is wrong with the desk --------------------------------------------------------------------


class Alert(Base):
    """Trouble of the desk as a whole, from when it was first seen until it was over; told of once."""

    __tablename__ = "alerts"
    id: Mapped[int] = _id()
    kind: Mapped[str] = mapped_column(String(24))
    key: Mapped[str] = mapped_column(String(40))
    severity: Mapped[str] = mapped_column(String(4))
    sentence: Mapped[str]
    opened_at: Mapped[datetime]
    last_seen_at: Mapped[datetime]
    count: Mapped[int] = mapped_column(Integer)
    resolved_at: Mapped[datetime | None]
    snoozed_until: Mapped[datetime | None]
    mailed_at: Mapped[datetime | None]
    sent_at: Mapped[datetime | None]  # to the chat services
    over_sent_at: Mapped[datetime | None]  # that it is over
    __table_args__ = (
        CheckConstraint("severity IN ('poor', 'bad')", name="severity"),
        Index(
            "uq_alerts_open",
            "kind",
            "key",
            unique=True,
            sqlite_where=text("resolved_at IS NULL"),
            postgresql_where=text("resolved_at IS NULL"),
        ),
    )
