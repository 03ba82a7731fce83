"""Signing in: passwords, one-time links, sessions that end when we say so, throttling kept in the database."""

import hashlib
import secrets
import threading
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from db.models import PersonRow, PersonSession, SignInAttempt, SignInLink
from payments import audit, people
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.people import SYSTEM, Action, Person, Role, check

LINK_LASTS = timedelta(minutes=15)
LONGEST_SESSION = timedelta(hours=12)
IDLE = timedelta(minutes=30)
SESSIONS_A_PERSON = 3
#: A session's last activity is written down at most this often.
_ACTIVE_EVERY = timedelta(minutes=1)

PASSWORD_LENGTH = (15, 128)
_TOO_COMMON = ("password", "qwerty", "letmein", "welcome", "iloveyou", "123456", "abc123", "paydesk")

#: Argon2id, 64 MiB, three passes: about a quarter of a second. Two at once, or a rush takes all memory.
_HASHER = PasswordHasher(time_cost=3, memory_cost=64 * 1024, parallelism=1)
_TWO_AT_ONCE = threading.BoundedSemaphore(2)
_NOBODYS_HASH = _HASHER.hash(secrets.token_urlsafe(16))

_WRONG = "This address and password do not fit. Check both, or ask an admin for a sign-in link."
_SLOW_DOWN = "Too many attempts. Wait a little, then try again."


@dataclass(frozen=True)
class SignedIn:
    person: Person
    session_id: int
    expires_at: datetime


@dataclass(frozen=True)
class Visitor:
    """Where somebody comes from, as far as we can tell: for the list of sessions and for throttling."""

    address: str
    browser: str = ""


@dataclass(frozen=True)
class Invited:
    """Whom a sign-in link is for."""

    name: str
    email: str
    role: Role


def cookie_name(dashboard_url: str) -> str:
    """The session cookie: bound to this host where https protects it, plain on loopback only."""
    return "__Host-paydesk" if urlsplit(dashboard_url).scheme == "https" else "paydesk"


# -- sessions ---------------------------------------------------------------------------------------


def session_of(
    session: Session, token: str | None, *, now: datetime, active: bool = False
) -> SignedIn | None:
    """Who this cookie's token is, now; None when it is nobody any more.

    ``active`` writes down that the person did something, and needs a writing session. What a page
    does by itself is no activity.
    """
    if not token:
        return None
    row = session.scalar(select(PersonSession).where(PersonSession.token_hash == _hash(token)))
    if row is None or row.revoked_at is not None or row.expires_at <= now:
        return None
    person = session.get_one(PersonRow, row.person_id)
    idle = LONGEST_SESSION if person.role == Role.ORGANISER else IDLE
    if now - row.active_at >= idle or not people.is_active(person, now):
        return None
    if active and now - row.active_at >= _ACTIVE_EVERY:
        row.active_at = now
    return SignedIn(people.person_of(person), row.id, row.expires_at)


def sign_out(session: Session, token: str | None, *, now: datetime) -> None:
    """End the session of this token, if it is one."""
    row = session.scalar(select(PersonSession).where(PersonSession.token_hash == _hash(token or "")))
    if row is not None and row.revoked_at is None:
        row.revoked_at = now
        person = people.person_of(session.get_one(PersonRow, row.person_id))
        audit.record(session, person, "sign_out", person.email, now=now)


def _open_session(session: Session, row: PersonRow, visitor: Visitor, how: str, now: datetime) -> str:
    """A fresh token for every sign-in, so that none can be planted; the oldest of too many sessions ends."""
    token = secrets.token_urlsafe(32)
    open_now = select(PersonSession).where(
        PersonSession.person_id == row.id, PersonSession.revoked_at.is_(None), PersonSession.expires_at > now
    )
    earlier = session.scalars(open_now.order_by(PersonSession.id.desc())).all()
    for old in earlier[SESSIONS_A_PERSON - 1 :]:
        old.revoked_at = now
    session.add(
        PersonSession(
            token_hash=_hash(token),
            person_id=row.id,
            created_at=now,
            active_at=now,
            expires_at=now + LONGEST_SESSION,
            address=visitor.address,
            browser=visitor.browser[:200],
        )
    )
    audit.record(
        session, people.person_of(row), "sign_in", row.email, now=now, how=how, address=visitor.address
    )
    return token


# -- by password ------------------------------------------------------------------------------------


def sign_in(session: Session, email: str, password: str, *, visitor: Visitor, now: datetime) -> str | None:
    """The token of a new session, or None when address and password do not fit.

    A failed attempt is written down, so the transaction must be committed in both cases. Raises
    NotAllowed when there were too many attempts; that is checked before anything is hashed.
    """
    address = unicodedata.normalize("NFC", email).strip().lower()[:254]
    _throttle(session, address, visitor, now)
    row = session.scalar(select(PersonRow).where(PersonRow.email == address))
    known = row.password_hash if row is not None and people.is_active(row, now) else None
    fits = _verify(known or _NOBODYS_HASH, password) and known is not None
    session.add(
        SignInAttempt(email_hash=_hash(address), address=visitor.address[:64], at=now, succeeded=fits)
    )
    if row is None or not fits:
        audit.record(
            session, SYSTEM, "sign_in_refused", _hash(address)[:12], now=now, address=visitor.address
        )
        return None
    if _HASHER.check_needs_rehash(known or ""):
        row.password_hash = _hash_password(password)
    return _open_session(session, row, visitor, "password", now)


def refusal() -> str:
    """What is said to whoever did not get in: the same for every reason."""
    return _WRONG


def set_password(session: Session, person: Person, password: str, *, now: datetime) -> None:
    """Give oneself a password. Raises InvalidInput with what is wrong with it."""
    row = session.get_one(PersonRow, person.id)
    row.password_hash = _hash_password(_checked_password(password, row))
    audit.record(session, person, "set_password", person.email, now=now)


def _checked_password(password: str, row: PersonRow) -> str:
    plain = unicodedata.normalize("NFC", password)
    shortest, longest = PASSWORD_LENGTH
    if not shortest <= len(plain) <= longest:
        raise InvalidInput(
            f"The password needs {shortest} to {longest} characters. Three or four words are good."
        )
    folded = plain.casefold()
    own = {row.email.split("@")[0], *row.name.casefold().split()}
    rest = folded
    for part in sorted({*_TOO_COMMON, *own}, key=len, reverse=True):
        rest = rest.replace(part, "")
    if len(set(folded)) < 6 or sum(char.isalnum() for char in rest) < 6:
        raise InvalidInput(
            "This password is too easy to guess. Take three or four words that do not belong together."
        )
    return plain


def _hash_password(password: str) -> str:
    with _TWO_AT_ONCE:
        return _HASHER.hash(unicodedata.normalize("NFC", password))


def _verify(known: str, password: str) -> bool:
    """Whether it fits; takes as long for nobody's hash as for somebody's."""
    if len(password) > PASSWORD_LENGTH[1] * 4:
        return False
    with _TWO_AT_ONCE:
        try:
            return _HASHER.verify(known, unicodedata.normalize("NFC", password))
        except (VerifyMismatchError, InvalidHashError):
            return False


def _throttle(session: Session, address: str, visitor: Visitor, now: datetime) -> None:
    """After five failures an account waits 1, 2, 4 … seconds, at most 15 minutes; an address and all have a cap."""
    attempts = SignInAttempt
    quarter, minute = now - timedelta(minutes=15), now - timedelta(minutes=1)
    everybody = select(func.count()).where(attempts.at > minute)
    from_here = select(func.count()).where(
        attempts.address == visitor.address[:64], attempts.at > quarter, attempts.succeeded.is_(False)
    )
    if (session.scalar(everybody) or 0) >= 100 or (session.scalar(from_here) or 0) >= 20:
        raise NotAllowed(_SLOW_DOWN)
    last_good = select(func.max(attempts.at)).where(attempts.email_hash == _hash(address), attempts.succeeded)
    since = max(session.scalar(last_good) or now - timedelta(days=1), now - timedelta(days=1))
    failures, latest = session.execute(
        select(func.count(), func.max(attempts.at)).where(
            attempts.email_hash == _hash(address), attempts.at > since, attempts.succeeded.is_(False)
        )
    ).one()
    if failures >= 5 and now - latest < timedelta(seconds=min(2 ** min(failures - 5, 20), 900)):
        raise NotAllowed(_SLOW_DOWN)


# -- by a link that works once ----------------------------------------------------------------------


def make_sign_in_link(session: Session, by: Person, person_id: int | None, *, now: datetime) -> str:
    """The token of a link that signs one person in once, within 15 minutes.

    With no person it creates the first admin; raises Conflict once there is one.
    """
    if person_id is None:
        _no_admin_yet(session)
    else:
        check(by, Action.MANAGE_PEOPLE)
        row = session.get(PersonRow, person_id)
        if row is None or not people.is_active(row, now):
            raise NotFound("This person is not here, or may not sign in. Enable them first.")
        audit.record(session, by, "make_sign_in_link", row.email, now=now)
    token = secrets.token_urlsafe(32)
    session.add(
        SignInLink(token_hash=_hash(token), person_id=person_id, created_at=now, expires_at=now + LINK_LASTS)
    )
    return token


def who_comes_by_link(session: Session, token: str, *, now: datetime) -> Invited | None:
    """Whom a link would sign in; None for the first admin. Looking uses nothing up. Raises NotFound."""
    link = _link(session, token, now)
    if link.person_id is None:
        _no_admin_yet(session)
        return None
    row = session.get_one(PersonRow, link.person_id)
    return Invited(row.name, row.email, Role(row.role))


def sign_in_by_link(session: Session, token: str, *, visitor: Visitor, now: datetime) -> str:
    """The token of a new session. Raises NotFound when the link was used, is old, or never was."""
    link = _link(session, token, now)
    if link.person_id is None:
        raise NotFound("This link creates the first admin; open it in a browser.")
    row = session.get_one(PersonRow, link.person_id)
    if not people.is_active(row, now):
        raise NotFound("This link is not valid any more. Ask an admin for a new one.")
    _use_up(session, link, now)
    return _open_session(session, row, visitor, "link", now)


def create_first_admin(
    session: Session, token: str, *, name: str, email: str, password: str, visitor: Visitor, now: datetime
) -> str:
    """The first admin, by the link that was printed at the first start; returns their session's token."""
    link = _link(session, token, now)
    if link.person_id is not None:
        raise NotFound("This link signs somebody in; it creates nobody.")
    _no_admin_yet(session)
    _use_up(session, link, now)
    person = people.create_person(
        session, SYSTEM, name=name, email=email, role=Role.ADMIN, events=None, now=now
    )
    set_password(session, person, password, now=now)
    return _open_session(session, session.get_one(PersonRow, person.id), visitor, "first admin", now)


def has_admin(session: Session) -> bool:
    return session.scalar(select(PersonRow.id).where(PersonRow.role == Role.ADMIN).limit(1)) is not None


def _no_admin_yet(session: Session) -> None:
    if has_admin(session):
        raise Conflict("There is an admin already; ask them for a sign-in link.")


def _link(session: Session, token: str, now: datetime) -> SignInLink:
    link = session.scalar(select(SignInLink).where(SignInLink.token_hash == _hash(token)))
    if link is None or link.used_at is not None or link.expires_at <= now:
        raise NotFound("This link was used already or is older than 15 minutes. Ask an admin for a new one.")
    return link


def _use_up(session: Session, link: SignInLink, now: datetime) -> None:
    """Only one of two at once gets through."""
    done = session.execute(
        update(SignInLink).where(SignInLink.id == link.id, SignInLink.used_at.is_(None)).values(used_at=now)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise NotFound("This link was used already. Ask an admin for a new one.")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
