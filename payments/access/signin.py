"""Signing in by password, and a code where there is an app; sessions that end."""

import base64
import hashlib
import hmac
import logging
import secrets
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

from sqlalchemy import String, bindparam, cast, exists, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db.models import PersonEvent, PersonRow, PersonSession, SecondFactor
from db.session import Sessions
from payments.access import guesses, passkeys, passwords, people, second_factor, staff
from payments.access.guesses import Attempt
from payments.access.people import SYSTEM, Person, Role
from payments.access.second_factor import MONEY_ROLES
from payments.books import audit
from payments.errors import Conflict, InvalidInput
from payments.keeping.keyring import KeyRing

log = logging.getLogger("paydesk.signin")

LONGEST_SESSION = timedelta(hours=12)
IDLE = timedelta(minutes=30)
SESSIONS_A_PERSON = 3
#: A session's last activity is written down at most this often.
_ACTIVE_EVERY = timedelta(minutes=1)


_WRONG = (
    "These do not fit. Check address, password and code, or use your passkey. Else ask an admin for a "
    "sign-in link."
)


@dataclass(frozen=True)
class SignedIn:
    person: Person
    session_id: int
    expires_at: datetime
    has_password: bool
    has_codes: bool
    has_passkeys: bool


@dataclass(frozen=True)
class Visitor:
    """Where somebody comes from, as far as we can tell: for the list of sessions and for throttling."""

    address: str
    browser: str = ""


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
    row = session.execute(_WHO, _told(token)).one_or_none() if token else None
    found = _here(row, now)
    if row is not None and found is not None and active and _is_stale(row.active_at, now=now):
        session.get_one(PersonSession, row.id).active_at = now
        return replace(found, expires_at=ends_at(row.expires_at, now, found.person.role))
    return found


#: Made once, and of columns alone: every request and every run of a page asks it. The events somebody is here
#: for come with the rest, as one text: forty rows of their own take longer than all else.
_WHO = (
    select(
        PersonSession.id, PersonSession.active_at, PersonSession.expires_at, PersonSession.revoked_at,
        PersonSession.proved_at, PersonRow.id.label("person_id"), PersonRow.name, PersonRow.email,
        PersonRow.role, PersonRow.all_events, PersonRow.disabled_at, PersonRow.access_until,
        PersonRow.password_hash.is_not(None).label("has_password"),
        passkeys.has(PersonRow.id).label("has_passkeys"),
        exists().where(SecondFactor.person_id == PersonRow.id).label("has_codes"),
        select(func.aggregate_strings(cast(PersonEvent.event_id, String), ","))
        .where(PersonEvent.person_id == PersonRow.id)
        .scalar_subquery()
        .label("events"),
    )
    .join(PersonRow, PersonRow.id == PersonSession.person_id)
    .where(PersonSession.token_hash == bindparam("token"))
)  # fmt: skip


def _told(token: str) -> dict[str, str]:
    return {"token": guesses.hash_of(token)}


def _here(row: Any, now: datetime) -> SignedIn | None:
    """Whoever has the session of this row; None when it has ended, or they are shut out."""
    if row is None or row.revoked_at is not None or row.expires_at <= now:
        return None
    # Active in a time to come: the clock was set back, and nobody knows how long ago that was.
    if abs(now - row.active_at) >= _idle(row.role) or not people.is_active(row, now):
        return None
    events = None if row.all_events else frozenset(map(int, row.events.split(",") if row.events else ()))
    person = Person(row.person_id, row.name, row.email, Role(row.role), events, row.proved_at)
    ends = ends_at(row.expires_at, row.active_at, person.role)
    return SignedIn(person, row.id, ends, row.has_password, row.has_codes, row.has_passkeys)


def ends_at(expires_at: datetime, active_at: datetime, role: str) -> datetime:
    """When a session ends by itself, if nothing happens in it."""
    return min(expires_at, active_at + _idle(role))


def _idle(role: str) -> timedelta:
    return LONGEST_SESSION if role == Role.ORGANISER else IDLE


def who(sessions: Sessions, token: str | None, *, now: datetime, active: bool) -> SignedIn | None:
    """``session_of`` for a door. It takes the turn of a writer only when there is activity to write down.

    A database that can be read and not written does not shut out who is here, until they are idle by it.
    """
    row = sessions.ask(_WHO, _told(token)) if token else None
    found = _here(row, now)
    if row is None or found is None or not (active and _is_stale(row.active_at, now=now)):
        return found
    try:
        with sessions.begin() as session:
            return session_of(session, token, now=now, active=True)
    except DBAPIError as error:
        log.warning("That somebody is at work was not written down: %s", error.orig)
        return found


def _is_stale(active_at: datetime, *, now: datetime) -> bool:
    return now - active_at >= _ACTIVE_EVERY


def sign_out(session: Session, token: str | None, *, now: datetime) -> None:
    """End the session of this token, if it is one."""
    ours = PersonSession.token_hash == guesses.hash_of(token or "")
    row = session.scalar(select(PersonSession).where(ours))
    if row is not None and row.revoked_at is None:
        row.revoked_at = now
        person = people.person_of(session.get_one(PersonRow, row.person_id))
        audit.record(session, person, "sign_out", person.email, now=now)


def open_session(
    session: Session, row: PersonRow, visitor: Visitor, how: str, *, now: datetime, proves: bool = False
) -> str:
    """A fresh token for every sign-in, so that none can be planted; the oldest of too many sessions ends.

    Coming in proves who somebody is, unless role, app or passkey ask for more: then that ``proves`` it.
    """
    takes_more = row.role in MONEY_ROLES or second_factor.has_any(session, row.id)
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
            token_hash=guesses.hash_of(token),
            person_id=row.id,
            created_at=now,
            active_at=now,
            expires_at=now + LONGEST_SESSION,
            address=visitor.address,
            browser=visitor.browser[:200],
            proved_at=now if proves or not takes_more else None,
        )
    )
    if row.role in MONEY_ROLES:
        people.remember_two(session)
    audit.record(
        session, people.person_of(row), "sign_in", row.email, now=now, how=how, address=visitor.address
    )
    return token


def renew(row: PersonSession, token: str) -> str:
    """Give a session another token, which the old one opens nothing beside from now on; so that whoever knows
    the old one has no part in what was proved. Returns the word that makes the new one of it.

    An open page can set no cookie: it hands the word to its browser, which comes for the cookie with it.
    Neither the word nor the old token opens anything alone.
    """
    word = secrets.token_urlsafe(32)
    row.token_hash = guesses.hash_of(renewed(token, word))
    return word


def renewed(token: str, word: str) -> str:
    """What became of a token by ``renew``, for whoever has both."""
    made = hmac.new(
        token.encode("utf-8", "surrogatepass"), word.encode("utf-8", "surrogatepass"), hashlib.sha256
    )
    return base64.urlsafe_b64encode(made.digest()).decode().rstrip("=")


# -- by password ------------------------------------------------------------------------------------


def sign_in(
    sessions: Sessions,
    email: str,
    password: str,
    *,
    visitor: Visitor,
    now: datetime,
    steady: datetime | None = None,
    code: str = "",
    keys: KeyRing = KeyRing(),
) -> str | None:
    """The token of a new session, or None when address, password and code do not fit, whyever that is.

    The attempt is written down as a failed one before anything is hashed, so that guesses made at the
    same time count each other; no transaction is open while we hash. Raises NotAllowed after too many.
    ``steady`` is the time that waits are measured by: a clock that jumps unlocks nothing.
    """
    address = guesses.account_of(email)
    attempt = guesses.attempt(sessions, address, visitor.address, now=now, steady=steady or now)
    fits = passwords.fits(attempt.known, password)
    fresh = passwords.renewed(attempt.known, password) if fits and attempt.known else None
    with sessions.begin() as session:
        row = still_known(session, address, attempt, now) if fits else None
        if row is None or not second_factor.passes(session, row, code, keys, now=now, steady=steady or now):
            refused = guesses.hash_of(address)[:12]  # what was typed may be a password
            audit.record(session, SYSTEM, "sign_in_refused", refused, now=now, address=visitor.address)
            return None
        guesses.fitted(session, attempt)
        row.password_hash = fresh or row.password_hash
        return open_session(
            session, row, visitor, "password", now=now, proves=second_factor.has_app(session, row.id)
        )


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
    attempt = guesses.attempt(sessions, person.email, visitor.address, now=now, steady=steady or now)
    if attempt.known is not None and not passwords.fits(attempt.known, current):
        raise InvalidInput("The current password does not fit. Type it again.")
    with sessions.read() as session:
        shortest = shortest_password(session, person.id)
    kept = passwords.hashed(new, about=(person.name, person.email), shortest=shortest)
    with sessions.begin() as session:
        row = session.get_one(PersonRow, person.id)
        if row.password_hash != attempt.known:
            raise Conflict("The password was changed elsewhere just now. Sign in again.")
        guesses.fitted(session, attempt)
        row.password_hash = kept
        staff.revoke_sessions(session, person, person.id, now=now)
        audit.record(session, person, "change_password", person.email, now=now)
        return open_session(session, row, visitor, "password changed", now=now)


def shortest_password(session: Session, person_id: int) -> int:
    """A password that comes with a code may be shorter."""
    return passwords.WITH_CODE if second_factor.has_app(session, person_id) else passwords.SHORTEST


def still_known(session: Session, account: str, attempt: Attempt, now: datetime) -> PersonRow | None:
    """The person, unless they were shut out or got another password while we hashed."""
    row = session.scalar(select(PersonRow).where(PersonRow.email == account).with_for_update())
    same = row is not None and row.password_hash == attempt.known and people.is_active(row, now)
    return row if same else None
