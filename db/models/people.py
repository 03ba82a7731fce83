"""People, their sessions, and what they did."""

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Boolean, CheckConstraint, ForeignKey, Index, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from db.models.base import Base, row_id
from db.types import UtcDateTime


class PersonRow(Base):
    __tablename__ = "people"
    id: Mapped[int] = row_id()
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
    id: Mapped[int] = row_id()
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    created_at: Mapped[datetime]
    active_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]
    address: Mapped[str]
    browser: Mapped[str]
    #: When whoever has it last proved who they are, as well as their role must. None: not since it began.
    proved_at: Mapped[datetime | None]


class SecondFactor(Base):
    """The app that shows somebody's codes. ``last_step``: no code of that half minute or before is taken."""

    __tablename__ = "second_factors"
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    sealed: Mapped[bytes]
    last_step: Mapped[int] = mapped_column(BigInteger)
    since: Mapped[datetime]


class RecoveryCode(Base):
    """What lets somebody in once without their phone. Only its hash is kept."""

    __tablename__ = "recovery_codes"
    id: Mapped[int] = row_id()
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    code_hash: Mapped[str] = mapped_column(String(64), unique=True)
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class Passkey(Base):
    """The public half of a pair whose other half never leaves somebody's device, or their own keeper of such.

    ``handle`` is the person's name to their devices, the same for all of theirs; ``sign_count`` is how often
    the device says it signed, and stays 0 where it does not count.
    """

    __tablename__ = "passkeys"
    id: Mapped[int] = row_id()
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    credential: Mapped[str] = mapped_column(String(1400), unique=True)
    public_key: Mapped[bytes]
    handle: Mapped[bytes]
    sign_count: Mapped[int] = mapped_column(BigInteger)
    name: Mapped[str] = mapped_column(String(60))
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class UsedChallenge(Base):
    """What a passkey has signed once, for as long as it could be shown again."""

    __tablename__ = "used_challenges"
    challenge_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    used_at: Mapped[datetime] = mapped_column(index=True)


class PersonIdentity(Base):
    """How somebody is known to a provider of sign-ins; ``subject`` is its name for them, never another's."""

    __tablename__ = "person_identities"
    id: Mapped[int] = row_id()
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    issuer: Mapped[str] = mapped_column(String(300))
    subject: Mapped[str] = mapped_column(String(255))
    since: Mapped[datetime]
    __table_args__ = (UniqueConstraint("issuer", "subject"), UniqueConstraint("person_id", "issuer"))


class SignInLink(Base):
    """A link that signs one person in once, or creates the first admin. Only its hash is kept."""

    __tablename__ = "sign_in_links"
    id: Mapped[int] = row_id()
    token_hash: Mapped[str] = mapped_column(String(64), unique=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))  # None: creates the first admin
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]


class SignInAttempt(Base):
    """For throttling, so that a restart forgets nothing."""

    __tablename__ = "sign_in_attempts"
    id: Mapped[int] = row_id()
    email_hash: Mapped[str] = mapped_column(String(64))
    address: Mapped[str] = mapped_column(String(64))
    at: Mapped[datetime]
    succeeded: Mapped[bool] = mapped_column(Boolean)
    __table_args__ = (Index(None, "email_hash", "at"), Index(None, "address", "at"), Index(None, "at"))


class AuditEntry(Base):
    """Who changed what, when, why. Rows are only ever added. ``mac`` chains a row to the one before it,
    with the key named ``mac_key``; without one it is from before there was a chain."""

    __tablename__ = "audit"
    id: Mapped[int] = row_id()
    at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    actor: Mapped[str]
    action: Mapped[str] = mapped_column(String(40))
    subject: Mapped[str]
    event_id: Mapped[int | None] = mapped_column(ForeignKey("events.id"))
    detail: Mapped[dict[str, Any]]
    mac: Mapped[str | None] = mapped_column(String(64))
    mac_key: Mapped[str | None] = mapped_column(String(20))
