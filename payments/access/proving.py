"""Proving anew who one is, before a step that moves money, opens what is closed, or says who may.

Which steps those are stands where they are done: each asks ``people.proven``.
"""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import PersonRow, PersonSession
from db.session import Sessions
from payments.access import guesses, passwords, people, second_factor, signin, staff
from payments.access.people import SYSTEM
from payments.access.second_factor import MONEY_ROLES
from payments.access.signin import SignedIn, Visitor
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotAllowed
from payments.keeping.keyring import KeyRing

SET_UP_FIRST = (
    "This takes a passkey or a code from an app on your phone, and you have not set one up yet. "
    "Set it up under Your account; it takes a minute."
)
_NONE_YET = "You have no password yet. Choose one under Your account first."
ENDED = "You are not signed in any more. Sign in, and do it again."


def asks_for(here: SignedIn, *, demo: bool) -> str:
    """What proves it: ``code``, ``passkey``, ``password``, ``nothing`` (a demo desk's people have none), or
    ``set up``: live, who moves money must have an app or a passkey first. Whoever has a passkey may use it in
    place of a code."""
    if here.has_codes:
        return "code"
    if here.has_passkeys:
        return "passkey"
    if here.person.role in MONEY_ROLES and not demo:
        return "set up"
    return "password" if here.has_password or not demo else "nothing"


def prove(
    sessions: Sessions,
    token: str | None,
    typed: str,
    keys: KeyRing,
    *,
    demo: bool,
    now: datetime,
    steady: datetime | None = None,
) -> str:
    """The session of this token has proved who it is, as of now, and has another token: returns the word that
    makes it of this one (``signin.renewed``).

    Raises NotAllowed (nobody's session, or too many wrong guesses), InvalidInput (it does not fit), Conflict
    (there is nothing to prove it with yet), CannotOpen.
    """
    with sessions.read() as session:
        here = signin.session_of(session, token, now=now)
        address = session.get_one(PersonSession, here.session_id).address if here else ""
    if here is None or token is None:
        raise NotAllowed(ENDED)
    match asks_for(here, demo=demo):
        case "set up":
            raise Conflict(SET_UP_FIRST)
        case "passkey":
            raise Conflict("Confirm it with your passkey.")
        case "code":
            return _by_code(sessions, here, typed, keys, now=now, steady=steady or now, proves=token)
        case "password":
            return by_password(sessions, here, typed, address, now=now, steady=steady or now, proves=token)
        case _:
            return _note(sessions, here, "demo", now, proves=token)


def set_up(
    sessions: Sessions,
    token: str | None,
    offer: str,
    code: str,
    current: str,
    keys: KeyRing,
    *,
    visitor: Visitor,
    now: datetime,
    steady: datetime | None = None,
) -> tuple[str, tuple[str, ...]]:
    """Take an app for codes into use, by ``code`` of what was offered; ``current`` is a code of the app it
    replaces, else the password. Returns the token of a new session and the codes to keep on paper, shown
    once; every other session ends.

    Raises as ``prove`` and ``second_factor.confirm`` do.
    """
    with sessions.read() as session:
        here = signin.session_of(session, token, now=now)
    if here is None:
        raise NotAllowed(ENDED)
    if here.has_passkeys and not here.has_codes:
        people.proven(here.person, now=now)
    elif here.has_codes:
        _by_code(sessions, here, current, keys, now=now, steady=steady or now)
    elif here.has_password:
        by_password(sessions, here, current, visitor.address, now=now, steady=steady or now)
    with sessions.begin() as session:
        row = session.get_one(PersonRow, here.person.id)
        if signin.session_of(session, token, now=now) is None:
            raise NotAllowed(ENDED)
        papers = second_factor.confirm(session, here.person, offer, code, keys, now=now)
        staff.end_sessions(session, row, now)
        return signin.open_session(session, row, visitor, "codes set up", now=now, proves=True), papers


def _by_code(
    sessions: Sessions,
    here: SignedIn,
    typed: str,
    keys: KeyRing,
    *,
    now: datetime,
    steady: datetime,
    proves: str | None = None,
) -> str:
    """``proves``: the token of the session it proves something for; with none it is only looked at."""
    with sessions.begin() as session:
        row = session.get_one(PersonRow, here.person.id)
        fits = second_factor.passes(session, row, typed, keys, now=now, steady=steady)
        wait_s = guesses.code_wait_s(session, row.id, steady=steady)
        word = concluded(session, here, fits, "code", now, proves=proves)
    if fits:
        return word
    if wait_s > 0:
        raise guesses.too_many_codes(wait_s)
    raise InvalidInput("This code does not fit, or was used already. Wait for the next one and type that.")


def by_password(
    sessions: Sessions,
    here: SignedIn,
    typed: str,
    address: str,
    *,
    now: datetime,
    steady: datetime,
    proves: str | None = None,
) -> str:
    """The same by password. Of whoever needs a code it proves nothing, and is only looked at."""
    if not here.has_password:
        raise Conflict(_NONE_YET)
    attempt = guesses.attempt(sessions, here.person.email, address, now=now, steady=steady)
    fits = passwords.fits(attempt.known, typed)
    with sessions.begin() as session:
        row = signin.still_known(session, here.person.email, attempt, now) if fits else None
        if row is not None and second_factor.has_any(session, row.id):
            row = None  # one was set up while we hashed
        if row is not None:
            guesses.fitted(session, attempt)
        word = concluded(session, here, row is not None, "password", now, proves=proves)
    if row is None:
        raise InvalidInput("This password does not fit. Type it again.")
    return word


def _note(sessions: Sessions, here: SignedIn, how: str, now: datetime, *, proves: str) -> str:
    with sessions.begin() as session:
        return concluded(session, here, True, how, now, proves=proves)


def concluded(
    session: Session, here: SignedIn, fits: bool, how: str, now: datetime, *, proves: str | None
) -> str:
    """Write down what came of it; what is raised by it is raised for a new token only."""
    if not fits:
        audit.record(session, SYSTEM, "prove_refused", here.person.email, now=now, how=how)
        return ""
    row = session.scalars(
        select(PersonSession).where(PersonSession.id == here.session_id).with_for_update()
    ).one()
    if row.revoked_at is not None or (proves and row.token_hash != guesses.hash_of(proves)):
        raise NotAllowed(ENDED)
    audit.record(session, here.person, "prove", here.person.email, now=now, how=how)
    if proves is None:
        return ""
    row.proved_at = now
    return signin.renew(row, proves)
