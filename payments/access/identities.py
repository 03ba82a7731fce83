"""Who somebody from another house's sign-in is at this desk, and what its claims say they may.

A person is known by issuer and subject, which are theirs for ever; an address may be given to somebody else.
The first time, whoever proves an invited person's address is that person. Where claims give roles, they are
followed at each sign-in: what is taken away there is taken away here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Event, PersonIdentity, PersonRow
from db.session import Sessions
from payments.access import guesses, people, signin, staff
from payments.access.oidc import Arrival
from payments.access.people import SYSTEM, Role
from payments.access.signin import Visitor
from payments.books import audit
from payments.errors import InvalidInput, NotAllowed
from payments.payers import contacts

#: What a claim of events says for all of them.
ALL = "all"
_NOBODY = "Nobody with this sign-in is at this desk. Ask an admin to invite you by the address {}."
_NO_ADDRESS = (
    "Your sign-in does not confirm an e-mail address, and by that people are invited here. Ask an admin."
)


@dataclass(frozen=True)
class Claims:
    """Which claims say what. Without ``roles`` people are invited here, and claims say nothing.

    ``roles`` by the values of the claim; the first that somebody has counts. Without ``events_claim`` whoever
    has a role has it for all events; with it, for those whose codes it holds.
    """

    roles: Mapping[str, Role] = field(default_factory=dict)
    roles_claim: str = "roles"
    events_claim: str = ""


@dataclass(frozen=True)
class _Given:
    """What the claims give: a role, and events, None for all."""

    role: Role
    events: frozenset[int] | None


class _Refused(NotAllowed):
    """Kept in the audit before it is told."""


def come_in(
    sessions: Sessions,
    arrival: Arrival,
    claims: Claims,
    *,
    visitor: Visitor,
    now: datetime,
) -> str:
    """The token of a new session. Raises NotAllowed when they are nobody here, Conflict for the last admin.

    Coming in so proves as much as a password does: who moves money still gives a code of their app.
    """
    try:
        with sessions.begin() as session:
            row = _person(session, arrival, claims, now)
            return signin.open_session(session, row, visitor, "oidc", now=now)
    except _Refused as refused:
        with sessions.begin() as session:
            _withdraw(session, arrival, claims, now)
            who = guesses.hash_of(f"{arrival.issuer} {arrival.subject}")[:12]
            audit.record(
                session, SYSTEM, "sign_in_refused", who, now=now, how="oidc", address=visitor.address
            )
        raise NotAllowed(str(refused)) from None


def _person(session: Session, arrival: Arrival, claims: Claims, now: datetime) -> PersonRow:
    """Who it is, as the claims of today want them."""
    given = _given(session, arrival, claims) if claims.roles else None
    row = _known(session, arrival)
    if row is None:
        row = _by_address(session, arrival, now) or _made(session, arrival, given, now)
        session.add(
            PersonIdentity(person_id=row.id, issuer=arrival.issuer, subject=arrival.subject, since=now)
        )
        audit.record(
            session, people.person_of(row), "link_identity", row.email, now=now, issuer=arrival.issuer
        )
    if not people.is_active(row, now):
        raise _Refused("You have no access to this desk any more. Ask an admin.")
    if given is not None and given != _Given(Role(row.role), people.person_of(row).events):
        staff.change_person(
            session, SYSTEM, row.id, name=row.name, role=given.role, events=given.events,
            access_until=row.access_until, now=now,
        )  # fmt: skip
    return row


def _known(session: Session, arrival: Arrival) -> PersonRow | None:
    return session.scalar(
        select(PersonRow)
        .join(PersonIdentity, PersonIdentity.person_id == PersonRow.id)
        .where(PersonIdentity.issuer == arrival.issuer, PersonIdentity.subject == arrival.subject)
        .with_for_update(of=PersonRow)
    )


def _by_address(session: Session, arrival: Arrival, now: datetime) -> PersonRow | None:
    """Whoever was invited by the address that is proven to be theirs, and has not come this way before."""
    row = session.scalar(select(PersonRow).where(PersonRow.email == _address(arrival)).with_for_update())
    if row is None:
        return None
    taken = select(PersonIdentity.id).where(
        PersonIdentity.person_id == row.id, PersonIdentity.issuer == arrival.issuer
    )
    if session.scalar(taken) is not None:
        raise _Refused(
            "This address belonged to another sign-in before. If it is yours now, ask an admin for an "
            "invitation under another address."
        )
    return row


def _made(session: Session, arrival: Arrival, given: _Given | None, now: datetime) -> PersonRow:
    address = _address(arrival)
    if given is None:
        raise _Refused(_NOBODY.format(address))
    made = staff.create_person(
        session, SYSTEM, name=arrival.name or address, email=address, role=given.role, events=given.events,
        now=now,
    )  # fmt: skip
    return session.get_one(PersonRow, made.id)


def _address(arrival: Arrival) -> str:
    try:
        address = contacts.email_address(arrival.proven_email)
    except InvalidInput:
        address = ""
    if not address:
        raise _Refused(_NO_ADDRESS)
    return address


def _given(session: Session, arrival: Arrival, claims: Claims) -> _Given:
    has = set(arrival.values(claims.roles_claim))
    role = next((role for value, role in claims.roles.items() if value in has), None)
    if role is None:
        raise _Refused("Your sign-in has no role for this desk. Ask whoever gives out roles there.")
    codes = set(arrival.values(claims.events_claim)) if claims.events_claim else {ALL}
    if ALL in codes:
        return _Given(role, None)
    events = frozenset(session.scalars(select(Event.id).where(Event.code.in_(codes))))
    if not events:
        raise _Refused("Your sign-in has no event of this desk. Ask whoever gives them out there.")
    return _Given(role, events)


def _withdraw(session: Session, arrival: Arrival, claims: Claims, now: datetime) -> None:
    """Whoever has no role there any more is signed out here as well, everywhere."""
    row = _known(session, arrival) if claims.roles else None
    if row is not None:
        staff.end_sessions(session, row, now)
