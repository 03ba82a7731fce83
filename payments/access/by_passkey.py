"""Coming in and confirming a step by a passkey; adding and removing one. Each gives a new token."""

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from db.models import PersonIdentity, PersonRow
from db.session import Sessions
from payments.access import guesses, passkeys, people, proving, signin, staff
from payments.access.passkeys import COME_IN, PROVE, Party
from payments.access.people import SYSTEM
from payments.access.proving import ENDED
from payments.access.signin import SignedIn, Visitor
from payments.books import audit
from payments.errors import InvalidInput, NotAllowed
from payments.keeping.keyring import KeyRing

_REFUSED = (
    "This passkey is not known here any more, or was not confirmed. Try again, or sign in with your "
    "password; else ask an admin for a sign-in link."
)
_OUTSIDE = "Sign in with your account from elsewhere: it says what you may here. Your passkey confirms steps."


def come_in(
    sessions: Sessions,
    answer: str,
    sealed: str,
    keys: KeyRing,
    party: Party,
    *,
    visitor: Visitor,
    governed: bool,
    now: datetime,
    steady: datetime | None = None,
) -> str:
    """The token of a new session, proved by both factors at once. ``governed``: another house's sign-in says
    what its people may here, and they come by it. Raises NotAllowed, InvalidInput (it took too long)."""
    attempt = guesses.attempt(
        sessions, f"passkey {visitor.address}", visitor.address, now=now, steady=steady or now
    )
    with sessions.begin() as session:
        row = _owner(session, answer, sealed, keys, party, now)
        outside = row is not None and governed and _comes_from_elsewhere(session, row)
        if row is not None and not outside:
            guesses.fitted(session, attempt)
            return signin.open_session(session, row, visitor, "passkey", now=now, proves=True)
        audit.record(
            session, SYSTEM, "sign_in_refused", row.email if row else "", now=now, how="passkey",
            address=visitor.address,
        )  # fmt: skip
    raise NotAllowed(_OUTSIDE if outside else _REFUSED)


def prove(
    sessions: Sessions,
    token: str | None,
    answer: str,
    sealed: str,
    keys: KeyRing,
    party: Party,
    *,
    now: datetime,
) -> str:
    """As ``proving.prove``, by a passkey of whoever is here; returns the word for the new token."""
    here = _here(sessions, token, now)
    with sessions.begin() as session:
        purpose = PROVE.format(here.person.id)
        row = passkeys.accept(session, answer, sealed, purpose, keys, party, now=now)
        fits = row is not None and row.person_id == here.person.id
        word = proving.concluded(session, here, fits, "passkey", now, proves=token)
    if not fits:
        raise InvalidInput("This passkey does not fit. Use one that is listed under Your account.")
    return word


def add(
    sessions: Sessions,
    token: str | None,
    answer: str,
    sealed: str,
    name: str,
    current: str,
    keys: KeyRing,
    party: Party,
    *,
    visitor: Visitor,
    now: datetime,
    steady: datetime | None = None,
) -> str:
    """Another passkey of whoever is here: who has one or an app for codes must have proved it, others give
    their ``current`` password, if they have one. Returns the token of a new session; every other one ends.

    Raises as ``passkeys.add`` does, ProveAgain, NotAllowed.
    """
    here = _here(sessions, token, now)
    if here.has_codes or here.has_passkeys:
        people.proven(here.person, now=now)
    elif here.has_password:
        proving.by_password(sessions, here, current, visitor.address, now=now, steady=steady or now)
    with sessions.begin() as session:
        if signin.session_of(session, token, now=now) is None:
            raise NotAllowed(ENDED)
        passkeys.add(session, here.person, answer, sealed, name, keys, party, now=now)
        return _begun_anew(session, here, visitor, "passkey added", now)


def remove(sessions: Sessions, token: str | None, passkey_id: int, *, visitor: Visitor, now: datetime) -> str:
    """A passkey of whoever is here signs nobody in any more. Returns the token of a new session; every other
    one ends, since it may have come by it. Raises ProveAgain, NotFound, NotAllowed."""
    here = _here(sessions, token, now)
    with sessions.begin() as session:
        if signin.session_of(session, token, now=now) is None:
            raise NotAllowed(ENDED)
        passkeys.remove(session, here.person, passkey_id, now=now)
        return _begun_anew(session, here, visitor, "passkey removed", now)


# -- inside -----------------------------------------------------------------------------------------


def _here(sessions: Sessions, token: str | None, now: datetime) -> SignedIn:
    with sessions.read() as session:
        here = signin.session_of(session, token, now=now)
    if here is None:
        raise NotAllowed(ENDED)
    return here


def _owner(
    session: Session, answer: str, sealed: str, keys: KeyRing, party: Party, now: datetime
) -> PersonRow | None:
    key = passkeys.accept(session, answer, sealed, COME_IN, keys, party, now=now)
    row = (
        session.scalar(select(PersonRow).where(PersonRow.id == key.person_id).with_for_update())
        if key
        else None
    )
    return row if row is not None and people.is_active(row, now) else None


def _comes_from_elsewhere(session: Session, row: PersonRow) -> bool:
    return bool(session.scalar(select(exists().where(PersonIdentity.person_id == row.id))))


def _begun_anew(session: Session, here: SignedIn, visitor: Visitor, how: str, now: datetime) -> str:
    row = session.get_one(PersonRow, here.person.id)
    staff.end_sessions(session, row, now)
    return signin.open_session(session, row, visitor, how, now=now, proves=True)
