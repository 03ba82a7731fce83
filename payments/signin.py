"""Signing in: by password, or by a link that works once; sessions that end when we say so; throttling."""

import hashlib
import math
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, delete, func, select, text, update
from sqlalchemy.orm import Session

from db.models import PersonRow, PersonSession, SignInAttempt, SignInLink
from db.session import Sessions
from payments import audit, passwords, people
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.people import SYSTEM, Action, Person, Role, check

LINK_LASTS = timedelta(minutes=15)
LONGEST_SESSION = timedelta(hours=12)
IDLE = timedelta(minutes=30)
SESSIONS_A_PERSON = 3
#: A session's last activity is written down at most this often.
_ACTIVE_EVERY = timedelta(minutes=1)

#: Failures of one account before it has to wait, and the longest wait.
FREE_FAILURES = 5
LONGEST_WAIT_S = 900
#: Failures from one address in a quarter of an hour, and attempts of everybody in a minute.
FAILURES_AN_ADDRESS = 20
ATTEMPTS_A_MINUTE = 100
_REMEMBERED = timedelta(days=1)

_WRONG = "This address and password do not fit. Check both, or ask an admin for a sign-in link."
_SLOW_DOWN = "Too many attempts. Wait {} and try again, or ask an admin for a sign-in link."
_USED = "This link was used already or is older than 15 minutes. Ask an admin for a new one."


@dataclass(frozen=True)
class SignedIn:
    person: Person
    session_id: int
    expires_at: datetime
    has_password: bool


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
    both = select(PersonSession, PersonRow).join(PersonRow, PersonRow.id == PersonSession.person_id)
    found = session.execute(both.where(PersonSession.token_hash == _hash(token))).one_or_none()
    if found is None:
        return None
    row, person = found
    if row.revoked_at is not None or row.expires_at <= now:
        return None
    idle = LONGEST_SESSION if person.role == Role.ORGANISER else IDLE
    # Active in a time to come: the clock was set back, and nobody knows how long ago that was.
    if abs(now - row.active_at) >= idle or not people.is_active(person, now):
        return None
    if active and _is_stale(row.active_at, now=now):
        row.active_at = now
    ends = min(row.expires_at, row.active_at + idle)
    return SignedIn(people.person_of(person), row.id, ends, person.password_hash is not None)


def who(sessions: Sessions, token: str | None, *, now: datetime, active: bool) -> SignedIn | None:
    """``session_of`` for a door. It takes the turn of a writer only when there is activity to write down."""
    with sessions.read() as session:
        found = session_of(session, token, now=now)
        due = active and found is not None and _is_stale(_active_at(session, found.session_id), now=now)
    if not due:
        return found
    with sessions.begin() as session:
        return session_of(session, token, now=now, active=True)


def _active_at(session: Session, session_id: int) -> datetime:
    return session.get_one(PersonSession, session_id).active_at


def _is_stale(active_at: datetime, *, now: datetime) -> bool:
    return now - active_at >= _ACTIVE_EVERY


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
    session.execute(select(PersonRow.id).where(PersonRow.id == row.id).with_for_update())
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


@dataclass(frozen=True)
class _Attempt:
    id: int
    known: str | None  # the hash to compare with; None when nobody can come in by this address


def sign_in(
    sessions: Sessions,
    email: str,
    password: str,
    *,
    visitor: Visitor,
    now: datetime,
    steady: datetime | None = None,
) -> str | None:
    """The token of a new session, or None when address and password do not fit, whyever that is.

    The attempt is written down as a failed one before anything is hashed, so that guesses made at the
    same time count each other; no transaction is open while we hash. Raises NotAllowed after too many.
    ``steady`` is the time that waits are measured by: a clock that jumps unlocks nothing.
    """
    address = _account(email)
    attempt = _attempt(sessions, address, visitor, now=now, steady=steady or now)
    fits = passwords.fits(attempt.known, password)
    fresh = passwords.renewed(attempt.known, password) if fits and attempt.known else None
    with sessions.begin() as session:
        row = _still_known(session, address, attempt, now) if fits else None
        if row is None:
            refused = _hash(address)[:12]  # what was typed may be a password
            audit.record(session, SYSTEM, "sign_in_refused", refused, now=now, address=visitor.address)
            return None
        session.get_one(SignInAttempt, attempt.id).succeeded = True
        row.password_hash = fresh or row.password_hash
        return _open_session(session, row, visitor, "password", now)


def refusal() -> str:
    """What is said to whoever did not get in: the same for every reason."""
    return _WRONG


def change_password(
    sessions: Sessions,
    person: Person,
    current: str,
    new: str,
    *,
    visitor: Visitor,
    now: datetime,
    steady: datetime | None = None,
) -> str:
    """Give oneself another password; returns the token of a new session, and every other one ends.

    Raises InvalidInput (the current one does not fit, the new one is too easy), NotAllowed.
    """
    attempt = _attempt(sessions, person.email, visitor, now=now, steady=steady or now)
    if attempt.known is not None and not passwords.fits(attempt.known, current):
        raise InvalidInput("The current password does not fit. Type it again.")
    kept = passwords.hashed(new, about=(person.name, person.email))
    with sessions.begin() as session:
        row = session.get_one(PersonRow, person.id)
        if row.password_hash != attempt.known:
            raise Conflict("The password was changed elsewhere just now. Sign in again.")
        session.get_one(SignInAttempt, attempt.id).succeeded = True
        row.password_hash = kept
        people.revoke_sessions(session, person, person.id, now=now)
        audit.record(session, person, "change_password", person.email, now=now)
        return _open_session(session, row, visitor, "password changed", now)


def _account(email: str) -> str:
    """How an address is kept. What no address can hold would be a fault of the database's, not of theirs."""
    plain = unicodedata.normalize("NFC", email).strip().lower()[:254]
    return plain if plain.isprintable() else ""


def _attempt(
    sessions: Sessions, account: str, visitor: Visitor, *, now: datetime, steady: datetime
) -> _Attempt:
    """Write an attempt down, unless there were too many: that raises NotAllowed.

    Attempts of a time to come, by a clock that was ahead, are taken as of now: they lock, and not for long.
    """
    with sessions.begin() as session:
        if session.get_bind().dialect.name == "postgresql":  # SQLite lets one writer in at a time anyway
            session.execute(text("LOCK TABLE sign_in_attempts IN EXCLUSIVE MODE"))
        session.execute(delete(SignInAttempt).where(SignInAttempt.at < steady - _REMEMBERED))
        session.execute(update(SignInAttempt).where(SignInAttempt.at > steady).values(at=steady))
        place = _place(visitor.address)
        wait_s = _wait_s(session, account, place, steady)
        if wait_s <= 0:
            row = session.scalar(select(PersonRow).where(PersonRow.email == account))
            known = row.password_hash if row is not None and people.is_active(row, now) else None
            kept = SignInAttempt(email_hash=_hash(account), address=place, at=steady, succeeded=False)
            session.add(kept)
            session.flush()
            return _Attempt(kept.id, known)
    raise NotAllowed(_SLOW_DOWN.format(_said(wait_s)))  # out here: what was set right above is kept


def _still_known(session: Session, account: str, attempt: _Attempt, now: datetime) -> PersonRow | None:
    """The person, unless they were shut out or got another password while we hashed."""
    row = session.scalar(select(PersonRow).where(PersonRow.email == account).with_for_update())
    same = row is not None and row.password_hash == attempt.known and people.is_active(row, now)
    return row if same else None


def _wait_s(session: Session, account: str, place: str, now: datetime) -> float:
    """How long until the next attempt may reach the hash. The attempts that were refused do not count."""
    everybody = _nth_latest(session, ATTEMPTS_A_MINUTE)
    from_here = _nth_latest(
        session, FAILURES_AN_ADDRESS, SignInAttempt.address == place, SignInAttempt.succeeded.is_(False)
    )
    return max(
        _left_s(everybody, timedelta(minutes=1), now=now),
        _left_s(from_here, timedelta(minutes=15), now=now),
        _account_wait_s(session, account, now),
    )


def _account_wait_s(session: Session, account: str, now: datetime) -> float:
    """After five failures in a row 1, 2, 4 … seconds, at most 15 minutes. It never locks for good."""
    ours = SignInAttempt.email_hash == _hash(account)
    last_good = session.scalar(select(func.max(SignInAttempt.id)).where(ours, SignInAttempt.succeeded)) or 0
    failures, latest = session.execute(
        select(func.count(), func.max(SignInAttempt.at)).where(ours, SignInAttempt.id > last_good)
    ).one()
    if failures < FREE_FAILURES:
        return 0
    wait_s = min(2 ** min(failures - FREE_FAILURES, 10), LONGEST_WAIT_S)
    return _left_s(latest, timedelta(seconds=wait_s), now=now)


def _nth_latest(session: Session, n: int, *conditions: ColumnElement[bool]) -> datetime | None:
    query = select(SignInAttempt.at).where(*conditions).order_by(SignInAttempt.at.desc())
    return session.scalar(query.offset(n - 1).limit(1))


def _left_s(since: datetime | None, lasts: timedelta, *, now: datetime) -> float:
    return 0 if since is None else (since + lasts - now).total_seconds()


def _said(wait_s: float) -> str:
    whole = math.ceil(wait_s)
    if whole > 60:
        return f"{math.ceil(whole / 60)} minutes"
    return "a second" if whole == 1 else f"{whole} seconds"


def _place(address: str) -> str:
    """What one visitor cannot change at will: of an IPv6 address the network."""
    try:
        known = ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(known, IPv6Address) and known.ipv4_mapped is None:
        return str(ip_network((known, 64), strict=False))
    return str(known)


# -- by a link that works once ----------------------------------------------------------------------


def make_sign_in_link(session: Session, by: Person, person_id: int | None, *, now: datetime) -> str:
    """The token of a link that signs one person in once, within 15 minutes; earlier ones of theirs end.

    With no person it creates the first admin; raises Conflict once there is one.
    """
    check(by, Action.MANAGE_PEOPLE)
    if person_id is None:
        _no_admin_yet(session)
        audit.record(session, by, "make_sign_in_link", "the first admin", now=now)
    else:
        row = session.get(PersonRow, person_id)
        if row is None or not people.is_active(row, now):
            raise NotFound("This person is not here, or may not sign in. Enable them first.")
        audit.record(session, by, "make_sign_in_link", row.email, now=now)
    earlier = update(SignInLink).where(SignInLink.person_id.is_not_distinct_from(person_id))
    session.execute(earlier.where(SignInLink.used_at.is_(None)).values(used_at=now))
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
    if not people.is_active(row, now):
        raise NotFound(_USED)
    return Invited(row.name, row.email, Role(row.role))


def sign_in_by_link(
    sessions: Sessions, token: str, *, visitor: Visitor, now: datetime, new_password: str | None = None
) -> str:
    """The token of a new session; with a new password, it is theirs from now on.

    Raises NotFound when the link was used, is old, or never was; InvalidInput for the password, and the
    link can then be used still.
    """
    with sessions.read() as session:
        invited = who_comes_by_link(session, token, now=now)
    if invited is None:
        raise NotFound("This link creates the first admin; open it in a browser.")
    kept = (
        passwords.hashed(new_password, about=(invited.name, invited.email))
        if new_password is not None
        else None
    )
    with sessions.begin() as session:
        row = session.get_one(PersonRow, _use_up(session, token, now).person_id)
        if not people.is_active(row, now):
            raise NotFound(_USED)
        if kept is not None:
            row.password_hash = kept
            people.revoke_sessions(session, people.person_of(row), row.id, now=now)
            audit.record(session, people.person_of(row), "change_password", row.email, now=now)
        return _open_session(session, row, visitor, "link", now)


def create_first_admin(
    sessions: Sessions, token: str, *, name: str, email: str, password: str, visitor: Visitor, now: datetime
) -> str:
    """The first admin, by the link that was printed at the first start; returns their session's token.

    Raises NotFound, Conflict (there is an admin already), InvalidInput; the link is used up only by success.
    """
    with sessions.read() as session:
        if who_comes_by_link(session, token, now=now) is not None:
            raise NotFound("This link signs somebody in; it creates nobody.")
    kept = passwords.hashed(password, about=(name, email))
    with sessions.begin() as session:
        _use_up(session, token, now)
        _no_admin_yet(session)
        person = people.create_person(
            session, SYSTEM, name=name, email=email, role=Role.ADMIN, events=None, now=now
        )
        row = session.get_one(PersonRow, person.id)
        row.password_hash = kept
        return _open_session(session, row, visitor, "first admin", now)


def has_admin(session: Session) -> bool:
    return session.scalar(select(PersonRow.id).where(PersonRow.role == Role.ADMIN).limit(1)) is not None


def _no_admin_yet(session: Session) -> None:
    if has_admin(session):
        raise Conflict("There is an admin already; ask them for a sign-in link.")


def _link(session: Session, token: str, now: datetime) -> SignInLink:
    link = session.scalar(select(SignInLink).where(SignInLink.token_hash == _hash(token)))
    if link is None or link.used_at is not None or link.expires_at <= now:
        raise NotFound(_USED)
    if link.created_at >= now + LINK_LASTS:  # made by a clock that was ahead: it would last as long as that
        raise NotFound(_USED)
    return link


def _use_up(session: Session, token: str, now: datetime) -> SignInLink:
    """The link, used from now on. Only one of two at once gets through."""
    link = _link(session, token, now)
    unused = update(SignInLink).where(SignInLink.id == link.id, SignInLink.used_at.is_(None))
    if session.execute(unused.values(used_at=now)).rowcount != 1:  # type: ignore[attr-defined]
        raise NotFound(_USED)
    return link


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
