"""What lets somebody in, gives them more, or has payers pay elsewhere takes two people: one asks, another
approves, and it is done.

Taking away is never kept waiting: signing out, shutting out, a lesser role, a key that is revoked, an account
that payers are told no more are one person's. Until a second person who may approve has come in
(``people.takes_two``) one gives alone, and the audit says so. What is asked for is bound to the person, or
the account, as it is then; what they ask to see, a link, a key, a secret, is drawn by whoever asked once it
is approved, and shown to them alone.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from db.models import Event, PersonIdentity, PersonRow
from payments import dates
from payments.access import passkeys, people, second_factor, staff
from payments.access.people import ALWAYS, Action, Person, Role, check, person_of, proven
from payments.at_the_door import eft
from payments.at_the_door.eft import Account
from payments.errors import Conflict, InvalidInput
from payments.second_person import approvals
from payments.second_person.approvals import ApprovalView, Ask, What

#: So much of a name stands as what a request is about.
SUBJECT = 40


@dataclass(frozen=True)
class Wanted:
    """What somebody is to be, and may reach. ``events`` are ids, None all of them."""

    name: str
    role: Role
    events: frozenset[int] | None
    until: datetime | None = None

    @property
    def values(self) -> dict[str, Any]:
        return {"name": self.name, "role": self.role, "events": self.events, "access_until": self.until}


# -- asking, or doing where there is nobody to ask ------------------------------------------------------


def add(
    session: Session, by: Person, email: str, wanted: Wanted, why: str, *, now: datetime
) -> ApprovalView | None:
    """Add somebody: at once where one is alone, else ask. Raises InvalidInput, NotAllowed, Conflict."""
    check(by, Action.MANAGE_PEOPLE)
    proven(by, now=now)
    if not people.takes_two(session):
        staff.create_person(session, by, email=email, **wanted.values, now=now)
        return None
    return approvals.ask(session, by, _new(session, staff.free_address(session, email), wanted), why, now=now)


def change(
    session: Session, by: Person, person_id: int, wanted: Wanted, why: str, *, now: datetime
) -> ApprovalView | None:
    """Change what somebody is: at once where nothing is given by it, else ask for it.

    Raises InvalidInput, NotFound, NotAllowed, Conflict.
    """
    check(by, Action.MANAGE_PEOPLE)
    proven(by, now=now)
    row = staff.row_of(session, person_id)
    if people.takes_two(session) and people.gives(row, wanted.role, wanted.events, wanted.until):
        return approvals.ask(session, by, _changed(session, row, wanted), why, now=now)
    staff.change_person(session, by, person_id, **wanted.values, now=now)
    return None


def enable(session: Session, by: Person, person_id: int, why: str, *, now: datetime) -> ApprovalView | None:
    """Let somebody in again. Raises InvalidInput, NotFound, NotAllowed, Conflict."""
    check(by, Action.MANAGE_PEOPLE)
    proven(by, now=now)
    row = staff.row_of(session, person_id)
    if not people.takes_two(session):
        staff.enable_person(session, by, person_id, now=now)
        return None
    return approvals.ask(session, by, _of(session, What.ENABLE_PERSON, row), why, now=now)


def reset_codes(
    session: Session, by: Person, person_id: int, why: str, *, now: datetime
) -> ApprovalView | None:
    """Take a lost phone's app and passkeys away. Raises InvalidInput, NotFound, NotAllowed, Conflict."""
    check(by, Action.MANAGE_PEOPLE)
    proven(by, now=now)
    row = second_factor.to_reset(session, by, person_id)
    if not people.takes_two(session):
        second_factor.reset(session, by, person_id, now=now)
        return None
    return approvals.ask(session, by, _of(session, What.RESET_CODES, row), why, now=now)


def set_account(
    session: Session, by: Person, event_code: str, wanted: Account, why: str, *, now: datetime
) -> ApprovalView | None:
    """Tell an event's payers this bank account: at once where one is alone, else ask for it.

    Raises NotFound, NotAllowed, InvalidInput, Conflict (they are told exactly this already).
    """
    asked = _account(session, by, event_code, wanted)
    proven(by, now=now)
    if asked.bound["account_now"] == asked.bound["account_then"]:
        raise Conflict("Payers are told exactly this account already.")
    if not people.takes_two(session):
        eft.set_account(session, by, event_code, wanted, now=now)
        return None
    return approvals.ask(session, by, asked, why, now=now)


def ask_link(session: Session, by: Person, person_id: int, why: str, *, now: datetime) -> ApprovalView:
    """Ask for a sign-in link of somebody who has a password. Raises as the others."""
    check(by, Action.MANAGE_PEOPLE)
    proven(by, now=now)
    return approvals.ask(
        session, by, _of(session, What.SIGN_IN_LINK, staff.row_of(session, person_id)), why, now=now
    )


def link_takes_two(session: Session, row: PersonRow) -> bool:
    """Whether a link would let in whoever holds it, as somebody who has a way in of their own: a password or
    a sign-in elsewhere, and no code or passkey that would be asked for beside the link."""
    elsewhere = exists().where(PersonIdentity.person_id == row.id)
    has_way_in = row.password_hash is not None or bool(session.scalar(select(elsewhere)))
    return has_way_in and not second_factor.has_any(session, row.id) and people.takes_two(session)


def link_standing(session: Session, by: Person, person_id: int, *, now: datetime) -> str:
    """How far a link is for this person: "free", "ask", "waiting" or "approved"."""
    check(by, Action.MANAGE_PEOPLE)
    row = staff.row_of(session, person_id)
    if not link_takes_two(session, row):
        return "free"
    found = approvals.standing(session, by, _of(session, What.SIGN_IN_LINK, row), now=now)
    return str(found.state) if found and found.requester_id == by.id else "ask"


def second_for_link(session: Session, by: Person, row: PersonRow, *, now: datetime) -> dict[str, Any]:
    """Use up the approval of a link, where it takes one; what the audit says of it. Raises Conflict."""
    if by.id == people.SYSTEM.id or not link_takes_two(session, row):
        return {}
    return used_up(session, by, _of(session, What.SIGN_IN_LINK, row), now=now)


def used_up(session: Session, by: Person, wanted: Ask, *, now: datetime) -> dict[str, Any]:
    """Use up the approval of what whoever asked for it does now; what the audit says of it. Where one is
    alone, or on the machine, there is none. Raises Conflict."""
    if by.id == people.SYSTEM.id or not people.takes_two(session):
        return people.seconded(session, by, None, now=now)
    used = approvals.use(session, by, wanted, now=now)
    return people.seconded(session, by, used.id, now=now)


# -- deciding -------------------------------------------------------------------------------------------


def approve(session: Session, person: Person, approval_id: int, *, now: datetime) -> ApprovalView:
    """Allow what somebody asked for, and do it in their name, in one transaction.

    Raises NotFound, NotAllowed, Conflict (decided, expired, or it is not as it was).
    """
    request = approvals.approve(session, person, approval_id, now=now)
    by = _asker(session, request, now)
    wanted = _as_it_is(session, by, request)
    if wanted.digest != request.digest:
        raise Conflict(
            f"{request.subject} has changed since {request.requester} asked. Nothing was done: "
            f"refuse this, and have it asked for again."
        )
    used = approvals.use(session, person, wanted, now=now)
    DEEDS[request.what](session, by, used, now)
    return used


def _asker(session: Session, request: ApprovalView, now: datetime) -> Person:
    """Whoever asked, as they are now: it is done in their name, so it must still be theirs to do."""
    row = staff.row_of(session, request.requester_id)
    by = person_of(row, ALWAYS)
    if not people.is_active(row, now) or not approvals.may_ask(by, request):
        raise Conflict(
            f"{request.requester} may not do this themselves any more. Nothing was done: refuse this."
        )
    return by


def _as_it_is(session: Session, by: Person, request: ApprovalView) -> Ask:
    """What was asked for, of the person or the account as it is now."""
    told = request.bound
    if request.what is What.SET_ACCOUNT:
        return _account(session, by, told["event"], Account(**told["account_then"]))
    if request.what is What.ADD_PERSON:
        staff.free_address(session, told["email"])
        return _new(session, told["email"], _wanted(session, told))
    row = staff.row_of(session, told["person"])
    if request.what is What.CHANGE_PERSON:
        return _changed(session, row, _wanted(session, told))
    return _of(session, request.what, row)


def _added(session: Session, by: Person, used: ApprovalView, now: datetime) -> None:
    wanted = _wanted(session, used.bound)
    staff.create_person(session, by, email=used.bound["email"], **wanted.values, now=now, approval=used.id)


def _made_so(session: Session, by: Person, used: ApprovalView, now: datetime) -> None:
    wanted = _wanted(session, used.bound)
    staff.change_person(session, by, used.bound["person"], **wanted.values, now=now, approval=used.id)


def _enabled(session: Session, by: Person, used: ApprovalView, now: datetime) -> None:
    staff.enable_person(session, by, used.bound["person"], now=now, approval=used.id)


def _reset(session: Session, by: Person, used: ApprovalView, now: datetime) -> None:
    second_factor.reset(session, by, used.bound["person"], now=now, approval=used.id)


def _account_set(session: Session, by: Person, used: ApprovalView, now: datetime) -> None:
    wanted = Account(**used.bound["account_then"])
    eft.set_account(session, by, used.bound["event"], wanted, now=now, approval=used.id)


#: What is done as it is approved.
DEEDS: Mapping[What, Callable[[Session, Person, ApprovalView, datetime], None]] = {
    What.ADD_PERSON: _added,
    What.CHANGE_PERSON: _made_so,
    What.ENABLE_PERSON: _enabled,
    What.RESET_CODES: _reset,
    What.SET_ACCOUNT: _account_set,
}


# -- inside ---------------------------------------------------------------------------------------------


def _new(session: Session, address: str, wanted: Wanted) -> Ask:
    bound = {"email": address, **_told(session, wanted)}
    return Ask(What.ADD_PERSON, bound["name"][:SUBJECT], bound, None)


def _changed(session: Session, row: PersonRow, wanted: Wanted) -> Ask:
    bound = {"person": row.id, "email": row.email, "was": _was(session, row), **_told(session, wanted)}
    return Ask(What.CHANGE_PERSON, row.name[:SUBJECT], bound, None)


def _account(session: Session, by: Person, event_code: str, wanted: Account) -> Ask:
    """Which account payers are told now, and which they would be told."""
    event, was, becomes = eft.to_set(session, by, event_code, wanted)
    bound = {
        "event": event.code,
        "account_now": eft.told(was) if was else {},
        "account_then": eft.told(becomes),
    }
    return Ask(What.SET_ACCOUNT, event.code[:SUBJECT], bound, frozenset({event.id}))


def _of(session: Session, what: What, row: PersonRow) -> Ask:
    """Of a person as they are, their ways in included."""
    ways = [
        *(["password"] if row.password_hash else []),
        *(["code app"] if second_factor.standing(session, row.id) else []),
        *(["passkey"] if passkeys.has_any(session, row.id) else []),
    ]
    bound = {"person": row.id, "email": row.email, "was": _was(session, row), "ways": ways}
    return Ask(what, row.name[:SUBJECT], bound, None)


def _told(session: Session, wanted: Wanted) -> dict[str, Any]:
    """In plain values that people can read and ``_wanted`` can take back."""
    return {
        "name": staff.named(wanted.name),
        "role": str(wanted.role),
        "events": "all" if wanted.events is None else _codes(session, wanted.events),
        "until": wanted.until.isoformat() if wanted.until else "",
    }


def _wanted(session: Session, told: Mapping[str, Any]) -> Wanted:
    codes, until = told["events"], told["until"]
    ids = (
        None if codes == "all" else frozenset(session.scalars(select(Event.id).where(Event.code.in_(codes))))
    )
    return Wanted(told["name"], Role(told["role"]), ids, datetime.fromisoformat(until) if until else None)


def _codes(session: Session, ids: frozenset[int]) -> list[str]:
    codes = sorted(session.scalars(select(Event.code).where(Event.id.in_(ids))))
    if len(codes) != len(ids):
        raise InvalidInput("One of the events is not there any more. Choose them again.")
    return codes


def _was(session: Session, row: PersonRow) -> str:
    """What somebody is, in one line."""
    reach = (
        "all events"
        if row.all_events
        else ", ".join(_codes(session, frozenset(link.event_id for link in row.events)))
    )
    until = f", until {dates.business_day(row.access_until):%-d %b %Y}" if row.access_until else ""
    shut = ", disabled" if row.disabled_at else ""
    return f"{row.role} of {reach or 'no event'}{until}{shut}"
