"""People at the desk: who may do what, for which event. One table, deny by default."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, exists, func, select
from sqlalchemy.orm import Session

from db.models import (
    Approval,
    Meta,
    PersonRow,
    PersonSession,
)
from db.upsert import insert_into
from payments.errors import Conflict, NotAllowed, NotFound, ProveAgain, quoted


class Role(StrEnum):
    ADMIN = "admin"
    FINANCE = "finance"
    ORGANISER = "organiser"
    VIEWER = "viewer"
    AUDITOR = "auditor"


class Action(StrEnum):
    SEE = "see"
    ISSUE_LINK = "issue_link"
    TAKE_MONEY = "take_money"
    ASK_GATEWAY = "ask_gateway"
    EXPORT = "export"
    SCHEDULE = "schedule"
    RECORD = "record"
    SET_RATES = "set_rates"
    DECIDE = "decide"
    APPROVE = "approve"
    SEE_APPROVALS = "see_approvals"
    SEE_PROOFS = "see_proofs"
    SEE_INBOX = "see_inbox"
    PROCESS_EVENTS = "process_events"
    SEE_BANK = "see_bank"
    RECONCILE = "reconcile"
    SEE_AUDIT = "see_audit"
    MANAGE_EVENTS = "manage_events"
    MANAGE_PEOPLE = "manage_people"
    MANAGE_SETTINGS = "manage_settings"
    HANDLE_PRIVACY = "handle_privacy"


_EVERYBODY = frozenset(Role)
_DOOR = frozenset({Role.ADMIN, Role.FINANCE, Role.ORGANISER})
_OFFICE = frozenset({Role.ADMIN, Role.FINANCE})
_ADMIN = frozenset({Role.ADMIN})

#: What is not here is refused.
POLICY: Mapping[Action, frozenset[Role]] = {
    Action.SEE: _EVERYBODY,
    Action.ISSUE_LINK: _DOOR,
    Action.TAKE_MONEY: _DOOR,
    Action.ASK_GATEWAY: _DOOR,
    Action.EXPORT: _DOOR | {Role.AUDITOR},
    Action.SCHEDULE: _OFFICE,
    Action.RECORD: _OFFICE,
    Action.SET_RATES: _OFFICE,
    Action.DECIDE: _OFFICE,
    Action.APPROVE: _OFFICE,
    Action.SEE_APPROVALS: _DOOR | {Role.AUDITOR},
    Action.SEE_PROOFS: _DOOR | {Role.AUDITOR},
    Action.SEE_INBOX: _OFFICE | {Role.AUDITOR},
    Action.PROCESS_EVENTS: _OFFICE,
    Action.SEE_BANK: _OFFICE | {Role.AUDITOR},
    Action.RECONCILE: _OFFICE,
    Action.SEE_AUDIT: _ADMIN | {Role.AUDITOR},
    Action.MANAGE_EVENTS: _ADMIN,
    Action.MANAGE_PEOPLE: _ADMIN,
    Action.MANAGE_SETTINGS: _ADMIN,
    Action.HANDLE_PRIVACY: _ADMIN,
}

#: What concerns every event at once: nobody who is here for some of them may do it.
DESK_WIDE = frozenset(
    {
        Action.SEE_INBOX,
        Action.PROCESS_EVENTS,
        Action.SEE_BANK,
        Action.RECONCILE,
        Action.SET_RATES,
        Action.SEE_AUDIT,
        Action.MANAGE_PEOPLE,
        Action.MANAGE_SETTINGS,
        Action.HANDLE_PRIVACY,
    }
)


#: How long ago somebody may have proved who they are, for what ``proven`` guards.
FRESH = timedelta(minutes=5)
#: The proof of the desk itself, and of whoever has a shell on its machine.
ALWAYS = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Person:
    """Somebody at the desk. ``events`` are the ids they may reach; None is all of them.

    ``proved_at``: when they last proved who they are, as well as their role must; None is never.
    """

    id: int
    name: str
    email: str
    role: Role
    events: frozenset[int] | None
    proved_at: datetime | None = field(default=None, compare=False)

    def may(self, action: Action, event_id: int | None = None) -> bool:
        """Whether the policy allows it, for this event when one is named."""
        needs_all = action in DESK_WIDE
        reachable = self.events is None or (not needs_all and (event_id is None or event_id in self.events))
        return reachable and self.role in POLICY.get(action, frozenset())


#: How all events are kept where some are kept by id.
ALL = "*"
#: That it takes two people here: written down before one of them may be taken away.
_TWO = "two_people"
#: What the webhook and the worker act as. Nobody can sign in as it.
SYSTEM = Person(0, "Paydesk", "", Role.ADMIN, None, ALWAYS)


def check(person: Person, action: Action, event_id: int | None = None) -> None:
    """Raises NotAllowed, with a sentence that says who may."""
    if person.may(action, event_id):
        return
    raise NotAllowed(_why_not(person, action), by=person, what=action, event_id=event_id)


def _why_not(person: Person, action: Action) -> str:
    may = POLICY.get(action, frozenset())
    if person.role in may and action in DESK_WIDE:
        return "This concerns all events, and you are here for some of them. Ask an admin."
    if person.role in may:
        return "This belongs to an event that is not yours. Ask an admin for access to it."
    who = " or ".join(sorted(may)) or "nobody"
    return f"To {_said(action)} takes the role {who}; {person.name} is {person.role}."


def is_proven(person: Person, *, now: datetime) -> bool:
    """Whether this person proved who they are in the last minutes. A proof of a time to come is none."""
    at = person.proved_at
    return at is not None and (at == ALWAYS or timedelta(0) <= now - at <= FRESH)


def proven(person: Person, *, now: datetime) -> None:
    """For what moves money, opens what is closed, or says who may. Raises ProveAgain."""
    if not is_proven(person, now=now):
        raise ProveAgain("Confirm that it is you first: this takes it to be no longer ago than five minutes.")


def takes_two(session: Session) -> bool:
    """Whether giving takes two people here: since two who may approve have come in, and for good.

    Until then one sets the desk up alone; shutting the other out makes nobody alone again.
    """
    if session.get(Meta, _TWO) is not None:
        return True
    deciders = select(func.count(PersonRow.id)).where(
        PersonRow.role.in_(POLICY[Action.APPROVE]),
        PersonRow.all_events,
        PersonRow.disabled_at.is_(None),
        exists().where(PersonSession.person_id == PersonRow.id),
    )
    return (session.scalar(deciders) or 0) > 1


def remember_two(session: Session) -> None:
    """Write down that it takes two, once it does: somebody came in, or may be taken away next."""
    if session.get(Meta, _TWO) is None and takes_two(session):
        session.execute(insert_into(session, Meta).values(key=_TWO, value="yes").on_conflict_do_nothing())


def seconded(session: Session, by: Person, approval: int | None, *, now: datetime) -> dict[str, Any]:
    """For whatever gives access or a key: who else allowed it, for its entry in the audit. ``approval`` is
    the request that was used up for it, in this transaction. The desk itself, and whoever has a shell on
    its machine, ask nobody. Raises Conflict where it takes two, and nobody else did.
    """
    if by.id == SYSTEM.id:
        return {}
    used = session.get(Approval, approval) if approval is not None else None
    if used is not None and used.used_at == now and used.requester_id == by.id:
        return {"approval": used.id, "approved_by": used.decider_name}
    if takes_two(session):
        raise Conflict("This takes two people. Ask for it, and another person decides under Approvals.")
    return {"alone": True}


def gives(row: PersonRow, role: Role, events: Iterable[int] | None, until: datetime | None) -> bool:
    """Whether somebody could do, reach or stay for more by this than they can now."""
    may = {action for action, roles in POLICY.items() if role in roles}
    more_to_do = may - {action for action, roles in POLICY.items() if row.role in roles}
    more_to_reach = not row.all_events and (
        events is None or set(events) - {link.event_id for link in row.events}
    )
    longer = row.access_until is not None and (until is None or until > row.access_until)
    return bool(more_to_do or more_to_reach or longer)


def person_of(row: PersonRow, proved_at: datetime | None = None) -> Person:
    events = None if row.all_events else frozenset(link.event_id for link in row.events)
    return Person(row.id, row.name, row.email, Role(row.role), events, proved_at)


def system_person(session: Session, email: str) -> Person:
    """The person with this address, for a command that acts as them. Raises NotFound."""
    row = session.scalar(select(PersonRow).where(PersonRow.email == email.strip().lower()))
    if row is None or row.disabled_at is not None:
        raise NotFound(
            f"Nobody at this desk has the address {quoted(email)}. `manage.py person list` shows who does."
        )
    return person_of(row)


def scope_text(events: frozenset[int] | None) -> str:
    """Some events by id, or all of them, as they are kept; ``scope_of`` reads it."""
    return ALL if events is None else ",".join(map(str, sorted(events)))


def scope_of(kept: str) -> frozenset[int] | None:
    return None if kept == ALL else frozenset(int(part) for part in kept.split(",") if part)


def able(session: Session, action: Action, event_id: int | None = None, *, now: datetime) -> list[PersonRow]:
    """Those who may come in now and do this, by name."""
    rows = session.scalars(select(PersonRow).order_by(PersonRow.name, PersonRow.id))
    return [row for row in rows if is_active(row, now) and person_of(row).may(action, event_id)]


def is_active(row: PersonRow | Row[Any], now: datetime) -> bool:
    """Neither disabled nor past the end of their access."""
    return row.disabled_at is None and (row.access_until is None or now < row.access_until)


def _said(action: Action) -> str:
    return action.replace("_", " ")
