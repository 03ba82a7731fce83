"""Who may see and decide upon what one person asks for and another allows.

A ``scope`` are the ids of the events it concerns, None all of them.
"""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Approval, PersonRow
from payments.access import people
from payments.access.people import Action, Person, check, is_active, person_of
from payments.errors import NotAllowed


def scope_of(row: Approval) -> frozenset[int] | None:
    return people.scope_of(row.scope)


def of(session: Session, requester_id: int, scope: frozenset[int] | None, now: datetime) -> list[PersonRow]:
    """Those who could approve it, by name."""
    rows: Iterable[PersonRow] = session.scalars(select(PersonRow).order_by(PersonRow.name, PersonRow.id))
    return [row for row in rows if is_active(row, now) and could_decide(person_of(row), requester_id, scope)]


def could_decide(person: Person, requester_id: int, scope: frozenset[int] | None) -> bool:
    return person.id != requester_id and may_all(person, Action.APPROVE, scope)


def may_decide(person: Person, row: Approval) -> bool:
    return could_decide(person, row.requester_id, scope_of(row))


def may_all(person: Person, action: Action, scope: frozenset[int] | None) -> bool:
    """For every event it concerns; what concerns all of them takes somebody who is here for all."""
    if scope is None:
        return person.events is None and person.may(action)
    return all(person.may(action, event_id) for event_id in scope) and person.may(action)


def must_be_here(session: Session, person: Person, what: str) -> None:
    """``what`` is one person's part of two. Raises NotAllowed for whoever is nobody's row."""
    row = session.get(PersonRow, person.id)
    if row is None or row.email != person.email:
        raise NotAllowed(f"Sign in as yourself to {what}: the command line is nobody's name.")


def check_all(person: Person, action: Action, scope: frozenset[int] | None) -> None:
    """Raises NotAllowed. Whoever asks reaches what they ask for, or it is no event's in particular."""
    check(person, action)
    for event_id in sorted(scope or ()):
        check(person, action, event_id)


def oversees(person: Person) -> bool:
    return person.may(Action.APPROVE) or person.may(Action.SEE_AUDIT)


def sees(person: Person, row: Approval) -> bool:
    if row.requester_id == person.id and person.may(Action.SEE_APPROVALS):
        return True
    return oversees(person) and may_all(person, Action.SEE_APPROVALS, scope_of(row))
