"""Signing in by a link that works once; the first of them creates the first admin."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.models import PersonRow, SignInLink
from db.session import Sessions
from payments.access import guesses, passkeys, passwords, people, second_factor, staff
from payments.access.people import SYSTEM, Action, Person, Role, check, proven
from payments.access.signin import Visitor, open_session, shortest_password
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.keeping.keyring import KeyRing
from payments.second_person import entrusting

LINK_LASTS = timedelta(minutes=15)


_WRONG_CODE = "This code does not fit, or was used already. Wait for the next one and type that."
BY_PASSKEY = (
    "You sign in with a passkey: choose that on the sign-in page. If you have lost it, an admin takes it "
    "away under People."
)
_USED = "This link was used already or is too old. Ask for a new one."


@dataclass(frozen=True)
class Invited:
    """Whom a sign-in link is for."""

    name: str
    email: str
    role: Role
    shortest_password: int = passwords.SHORTEST
    has_codes: bool = False
    has_passkeys: bool = False


def make_sign_in_link(
    session: Session, by: Person, person_id: int | None, *, now: datetime, lasts: timedelta = LINK_LASTS
) -> str:
    """The token of a link that signs one person in once, within 15 minutes; earlier ones of theirs end.

    With no person it creates the first admin; raises Conflict once there is one. A link for somebody who
    has a way in of their own would let in as them whoever holds it: it takes two people.
    """
    check(by, Action.MANAGE_PEOPLE)
    proven(by, now=now)
    if person_id is None:
        _no_admin_yet(session)
        audit.record(session, by, "make_sign_in_link", "the first admin", now=now)
    else:
        row = session.get(PersonRow, person_id)
        if row is None or not people.is_active(row, now):
            raise NotFound("This person is not here, or may not sign in. Enable them first.")
        second = entrusting.second_for_link(session, by, row, now=now)
        audit.record(session, by, "make_sign_in_link", row.email, now=now, **second)
    earlier = update(SignInLink).where(SignInLink.person_id.is_not_distinct_from(person_id))
    session.execute(earlier.where(SignInLink.used_at.is_(None)).values(used_at=now))
    token = secrets.token_urlsafe(32)
    session.add(
        SignInLink(
            token_hash=guesses.hash_of(token),
            person_id=person_id,
            created_at=now,
            expires_at=now + lasts,
        )
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
    shortest = shortest_password(session, row.id)
    keyed = passkeys.has_any(session, row.id)
    return Invited(
        row.name, row.email, Role(row.role), shortest, second_factor.has_app(session, row.id), keyed
    )


def sign_in_by_link(
    sessions: Sessions,
    token: str,
    *,
    visitor: Visitor,
    now: datetime,
    new_password: str | None = None,
    code: str = "",
    keys: KeyRing = KeyRing(),
    steady: datetime | None = None,
) -> str:
    """The token of a new session; with a new password, it is theirs from now on.

    Raises NotFound when the link was used, is old, or never was; InvalidInput for the password or the code of
    whoever has an app, and the link can then be used still.
    """
    with sessions.read() as session:
        invited = who_comes_by_link(session, token, now=now)
    if invited is None:
        raise NotFound("This link creates the first admin; open it in a browser.")
    kept = (
        passwords.hashed(
            new_password, about=(invited.name, invited.email), shortest=invited.shortest_password
        )
        if new_password is not None
        else None
    )
    with sessions.begin() as session:
        row = session.get_one(PersonRow, _link(session, token, now).person_id)
        if second_factor.passes(session, row, code, keys, now=now, steady=steady or now):
            return _in_by_link(session, token, row, kept, visitor, now)
    raise InvalidInput(
        _WRONG_CODE if invited.has_codes else BY_PASSKEY
    )  # out here: that it was tried is kept


def _in_by_link(
    session: Session, token: str, row: PersonRow, kept: str | None, visitor: Visitor, now: datetime
) -> str:
    _use_up(session, token, now)
    if not people.is_active(row, now):
        raise NotFound(_USED)
    if kept is not None:
        row.password_hash = kept
        staff.revoke_sessions(session, people.person_of(row), row.id, now=now)
        audit.record(session, people.person_of(row), "change_password", row.email, now=now)
    # With no password chosen it is a demo desk, where a link is all that anybody has.
    proves = kept is None or second_factor.has_app(session, row.id)
    return open_session(session, row, visitor, "link", now=now, proves=proves)


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
        person = staff.create_person(
            session, SYSTEM, name=name, email=email, role=Role.ADMIN, events=None, now=now
        )
        row = session.get_one(PersonRow, person.id)
        row.password_hash = kept
        return open_session(session, row, visitor, "first admin", now=now)


def has_admin(session: Session) -> bool:
    return session.scalar(select(PersonRow.id).where(PersonRow.role == Role.ADMIN).limit(1)) is not None


def _no_admin_yet(session: Session) -> None:
    if has_admin(session):
        raise Conflict("There is an admin already; ask them for a sign-in link.")


def _link(session: Session, token: str, now: datetime) -> SignInLink:
    link = session.scalar(select(SignInLink).where(SignInLink.token_hash == guesses.hash_of(token)))
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
