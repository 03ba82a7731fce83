"""The door for other systems: their keys, what they registered, and the notifications they are owed."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from db.models.base import Base, row_id
from db.types import UtcDateTime


class ApiKey(Base):
    """What another system proves itself by, for one event. Only the hash of its secret is kept."""

    __tablename__ = "api_keys"
    id: Mapped[int] = row_id()
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), index=True)
    name: Mapped[str]
    handle: Mapped[str] = mapped_column(String(12), unique=True)  # the part of the key that is no secret
    secret_hash: Mapped[str] = mapped_column(String(64))
    scopes: Mapped[str] = mapped_column(String(40))  # with spaces between
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
    revoked_by: Mapped[str | None]


class ApiRequest(Base):
    """An Idempotency-Key of a caller, and the digest of the request that it stood for."""

    __tablename__ = "api_requests"
    id: Mapped[int] = row_id()
    key_id: Mapped[int] = mapped_column(ForeignKey("api_keys.id"))
    idempotency_key: Mapped[str] = mapped_column(String(100))
    digest: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    __table_args__ = (UniqueConstraint("key_id", "idempotency_key"),)


class Registration(Base):
    """Which payment a caller's registration is. When its amount changed, the newest ``number`` counts.

    ``reference`` is drawn before the payment is there, as for the rows of a sheet. ``change`` is the number
    of the event's last committed change that this one was part of: callers read on from there.
    """

    __tablename__ = "registrations"
    id: Mapped[int] = row_id()
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"))
    registration_id: Mapped[str] = mapped_column(String(100))
    number: Mapped[int] = mapped_column(Integer)
    reference: Mapped[str] = mapped_column(String(24), unique=True)
    request_id: Mapped[int | None] = mapped_column(
        ForeignKey("api_requests.id")
    )  # the last that asked for it
    return_url: Mapped[str] = mapped_column(Text, default="")
    change: Mapped[int] = mapped_column(BigInteger, default=0)
    created_at: Mapped[datetime]
    __table_args__ = (
        UniqueConstraint("event_id", "registration_id", "number"),
        Index(None, "event_id", "change", "id"),
    )


class NotifyEndpoint(Base):
    """Where an event's notifications go. Its secret is encrypted: signing needs it.

    ``previous_sealed`` is the secret before, which signs as well until ``previous_until``.
    """

    __tablename__ = "notify_endpoints"
    id: Mapped[int] = row_id()
    event_id: Mapped[int] = mapped_column(ForeignKey("events.id"), index=True)
    url: Mapped[str]
    sealed: Mapped[bytes]
    created_at: Mapped[datetime]
    created_by: Mapped[str]
    stopped_at: Mapped[datetime | None]
    stopped_why: Mapped[str] = mapped_column(Text, default="")
    previous_sealed: Mapped[bytes | None]
    previous_until: Mapped[datetime | None]


class Notification(Base):
    """One message to one endpoint, written in the transaction of the change that it tells of."""

    __tablename__ = "notifications"
    id: Mapped[int] = row_id()
    endpoint_id: Mapped[int] = mapped_column(ForeignKey("notify_endpoints.id"))
    payment_id: Mapped[int] = mapped_column(ForeignKey("payments.id"), index=True)
    kind: Mapped[str] = mapped_column(String(24))
    message_id: Mapped[str] = mapped_column(String(40), unique=True)
    body: Mapped[str]
    state: Mapped[str] = mapped_column(String(9))
    attempts: Mapped[int] = mapped_column(Integer, default=0)
    created_at: Mapped[datetime]
    next_try_at: Mapped[datetime | None] = mapped_column(UtcDateTime, index=True)
    ended_at: Mapped[datetime | None]  # delivered, or given up
    __table_args__ = (
        CheckConstraint("state IN ('waiting', 'delivered', 'failed')", name="state"),
        Index(None, "endpoint_id", "id"),
    )


class NotificationTry(Base):
    """One attempt to deliver a notification, and what came of it."""

    __tablename__ = "notification_tries"
    id: Mapped[int] = row_id()
    notification_id: Mapped[int] = mapped_column(ForeignKey("notifications.id"), index=True)
    at: Mapped[datetime]
    status: Mapped[int | None] = mapped_column(Integer)  # of HTTP; None when there was no answer
    told: Mapped[str]  # the beginning of the answer, or why there was none
    took_ms: Mapped[int] = mapped_column(Integer)
