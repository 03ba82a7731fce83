"""Who works at the desk: they come in, change, and are shut out; what gives more takes two people."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.models import (
    Event,
    Passkey,
    PersonEvent,
    PersonRow,
    PersonSession,
    SecondFactor,
    SignInLink,
)
from payments.access.people import (
    Action,
    Person,
    Role,
    check,
    gives,
    person_of,
    proven,
    remember_two,
    seconded,
)
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.payers import contacts
from payments.privacy import clean_line

_TAKEN = "Somebody with the address {} is here already. Change their role instead."


@dataclass(frozen=True)
class PersonView:
    """A line of the list of people. ``events`` are codes, None all of them."""

    id: int
    name: str
    email: str
    role: Role
    events: tuple[str, ...] | None
    disabled: bool
    access_until: datetime | None
    has_password: bool
    has_codes: bool
    has_passkeys: bool
    sessions: int
    active_at: datetime | None


def list_people(session: Session, by: Person, *, now: datetime) -> list[PersonView]:
    """Everybody, by name, with how many sessions of theirs are open."""
    check(by, Action.MANAGE_PEOPLE)
    codes = {event.id: event.code for event in session.execute(select(Event.id, Event.code))}
    open_sessions = (
        select(PersonSession.person_id, func.count(), func.max(PersonSession.active_at))
        .where(PersonSession.revoked_at.is_(None), PersonSession.expires_at > now)
        .group_by(PersonSession.person_id)
    )
    here = {person_id: (count, active) for person_id, count, active in session.execute(open_sessions)}
    rows = session.scalars(select(PersonRow).order_by(PersonRow.name, PersonRow.id))
    apps = set(session.scalars(select(SecondFactor.person_id)))
    keyed = set(session.scalars(select(Passkey.person_id)))
    return [_view(row, codes, row.id in apps, row.id in keyed, *here.get(row.id, (0, None))) for row in rows]


def create_person(
    session: Session,
    by: Person,
    *,
    name: str,
    email: str,
    role: Role,
    events: Iterable[int] | None,
    now: datetime,
    access_until: datetime | None = None,
    approval: int | None = None,
) -> Person:
    """Somebody new; ``events`` None is all of them. They come in by a sign-in link.

    Raises InvalidInput, Conflict (the address is taken, or it takes two), NotAllowed.
    """
    check(by, Action.MANAGE_PEOPLE)
    proven(by, now=now)
    second = seconded(session, by, approval, now=now)
    address = free_address(session, email)
    row = PersonRow(email=address, name="", role=role, all_events=events is None, created_at=now)
    session.add(row)
    try:
        _set(session, row, name, role, events, access_until)
    except IntegrityError as error:  # somebody else added them in the same instant
        raise Conflict(_TAKEN.format(address)) from error
    _record(session, by, "create_person", row, now, second)
    return person_of(row)


def change_person(
    session: Session,
    by: Person,
    person_id: int,
    *,
    name: str,
    role: Role,
    events: Iterable[int] | None,
    now: datetime,
    access_until: datetime | None = None,
    approval: int | None = None,
) -> Person:
    """Change what somebody is and may reach. It ends their sessions: they sign in as what they are now.

    Raises InvalidInput, NotFound, NotAllowed, Conflict (the last admin stays one, or it takes two).
    """
    check(by, Action.MANAGE_PEOPLE)
    proven(by, now=now)
    row = row_of(session, person_id)
    events = None if events is None else frozenset(events)
    more = gives(row, role, events, access_until)
    second = seconded(session, by, approval, now=now) if more else {}
    remember_two(session)
    if row.role == Role.ADMIN and (role is not Role.ADMIN or events is not None or access_until is not None):
        _not_the_last_admin(session, row)
    was = _told(row)
    _set(session, row, name, role, events, access_until)
    end_sessions(session, row, now)
    audit.record(session, by, "change_person", row.email, now=now, was=was, became=_told(row), **second)
    return person_of(row)


def disable_person(session: Session, by: Person, person_id: int, *, now: datetime) -> None:
    """Shut somebody out, at once; what they did stays. Raises Conflict for the last admin."""
    check(by, Action.MANAGE_PEOPLE)
    proven(by, now=now)
    row = row_of(session, person_id)
    if row.role == Role.ADMIN:
        _not_the_last_admin(session, row)
    remember_two(session)
    row.disabled_at = now
    end_sessions(session, row, now)
    _record(session, by, "disable_person", row, now)


def enable_person(
    session: Session, by: Person, person_id: int, *, now: datetime, approval: int | None = None
) -> None:
    """Let somebody in again. Raises NotFound, NotAllowed, Conflict (it takes two)."""
    check(by, Action.MANAGE_PEOPLE)
    proven(by, now=now)
    row = row_of(session, person_id)
    second = seconded(session, by, approval, now=now)
    row.disabled_at = None
    _record(session, by, "enable_person", row, now, second)


def revoke_sessions(session: Session, by: Person, person_id: int, *, now: datetime) -> int:
    """Sign somebody out everywhere; open pages feel it at their next run. Returns how many sessions ended."""
    if by.id != person_id:
        check(by, Action.MANAGE_PEOPLE)
    row = row_of(session, person_id)
    ended = end_sessions(session, row, now)
    _record(session, by, "revoke_sessions", row, now)
    return ended


def end_sessions(session: Session, row: PersonRow, now: datetime) -> int:
    """End what is open, and the links that would open more; the caller says so in the audit."""
    links = update(SignInLink).where(SignInLink.person_id == row.id, SignInLink.used_at.is_(None))
    session.execute(links.values(used_at=now))
    done = session.execute(
        update(PersonSession)
        .where(PersonSession.person_id == row.id, PersonSession.revoked_at.is_(None))
        .values(revoked_at=now)
    )
    return int(done.rowcount)  # type: ignore[attr-defined]


def _set(
    session: Session,
    row: PersonRow,
    name: str,
    role: Role,
    events: Iterable[int] | None,
    access_until: datetime | None,
) -> None:
    row.name = named(name)
    wanted = None if events is None else sorted(set(events))
    if wanted is not None:
        known = set(session.scalars(select(Event.id).where(Event.id.in_(wanted))))
        if known != set(wanted):
            raise InvalidInput("One of the events is not there any more. Choose them again.")
    row.role, row.all_events, row.access_until = role, wanted is None, access_until
    row.events = [PersonEvent(event_id=event_id) for event_id in wanted or ()]
    session.flush()


def named(name: str) -> str:
    """A person's name as it is kept. Raises InvalidInput."""
    kept = clean_line(name, field="The name", longest=120)
    if not kept:
        raise InvalidInput("Give the person a name.")
    return kept


def free_address(session: Session, email: str) -> str:
    """The address of somebody new, as it is kept. Raises InvalidInput, Conflict."""
    address = contacts.email_address(email)
    if not address:
        raise InvalidInput("Give an e-mail address; the person signs in with it.")
    if session.scalar(select(PersonRow.id).where(PersonRow.email == address)) is not None:
        raise Conflict(_TAKEN.format(address))
    return address


def row_of(session: Session, person_id: int) -> PersonRow:
    row = session.get(PersonRow, person_id)
    if row is None:
        raise NotFound("There is no such person.")
    return row


def _not_the_last_admin(session: Session, row: PersonRow) -> None:
    lasting = select(PersonRow.id).where(
        PersonRow.role == Role.ADMIN,
        PersonRow.all_events,
        PersonRow.disabled_at.is_(None),
        PersonRow.access_until.is_(None),
    )
    # Locked in one order, so that two admins who shut each other out at once do not both succeed.
    admins = session.scalars(lasting.order_by(PersonRow.id).with_for_update()).all()
    if not [other for other in admins if other != row.id]:
        raise Conflict(f"{row.name} is the last admin. Make somebody else one first.")


def _record(
    session: Session,
    by: Person,
    action: str,
    row: PersonRow,
    now: datetime,
    second: Mapping[str, Any] | None = None,
) -> None:
    audit.record(session, by, action, row.email, now=now, became=_told(row), **second or {})


def _told(row: PersonRow) -> dict[str, Any]:
    """What somebody is and may reach, in plain values that a JSON column keeps."""
    return {
        "name": row.name,
        "role": str(row.role),
        "events": "all" if row.all_events else [link.event_id for link in row.events],
        "disabled": row.disabled_at is not None,
        "access_until": row.access_until.isoformat() if row.access_until else None,
    }


def _view(
    row: PersonRow,
    codes: Mapping[int, str],
    has_codes: bool,
    has_passkeys: bool,
    sessions: int,
    active_at: datetime | None,
) -> PersonView:
    return PersonView(
        id=row.id,
        name=row.name,
        email=row.email,
        role=Role(row.role),
        events=None if row.all_events else tuple(sorted(codes[link.event_id] for link in row.events)),
        disabled=row.disabled_at is not None,
        access_until=row.access_until,
        has_password=row.password_hash is not None,
        has_codes=has_codes,
        has_passkeys=has_passkeys,
        sessions=sessions,
        active_at=active_at,
    )
