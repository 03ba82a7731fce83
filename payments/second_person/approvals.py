"""Approvals: what one person asks for, and another allows. Bound to exactly what is asked, and used once.

A request holds what exactly is to be done, amounts included, and the hash of that. Whoever does it says
again what they do, as it is now: unless the hashes are equal nothing was approved. So a request whose
payment changed meanwhile allows nothing. The database as well refuses a decision by whoever asked, a
change of what was asked for, and a second decision.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.models import Approval, PersonRow
from db.money import Money
from payments import holding, lifecycle
from payments.access import people
from payments.access.people import Action, Person, check, is_active, person_of, proven
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.lifecycle import Kind, Source
from payments.live import tallies
from payments.privacy import clean
from payments.second_person import deciders, owing
from payments.second_person.owing import Mail

#: A request is good for so long, from when it was asked for: to be decided, and to be used.
GOOD_FOR = timedelta(hours=24)
SHORTEST_WHY = 10
#: Receipts of money that two people said is here are called so, with the approval.
VOUCHED = "approval-"


class What(StrEnum):
    """What can be asked for."""

    MARK_PAID = "mark_paid"
    WAIVE = "waive"
    RECORD_REFUND = "record_refund"
    PAY_REFUND = "pay_refund"
    BOOK_CHARGEBACK = "book_chargeback"
    WRITE_OFF = "write_off"
    PAYOUT_DIFFERENCE = "payout_difference"
    CREDIT = "credit"
    EXPORT_PERSONAL = "export_personal"
    ERASE_PERSON = "erase_person"
    ADD_PERSON = "add_person"
    CHANGE_PERSON = "change_person"
    ENABLE_PERSON = "enable_person"
    RESET_CODES = "reset_codes"
    SIGN_IN_LINK = "sign_in_link"
    MAKE_KEY = "make_key"
    ADD_ENDPOINT = "add_endpoint"
    RENEW_SIGNING = "renew_signing"
    SET_ACCOUNT = "set_account"


class State(StrEnum):
    WAITING = "waiting"
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"
    USED = "used"


#: What it takes to ask. Everything is approved by ``Action.APPROVE``, for each event it concerns.
TO_ASK: Mapping[What, Action] = {
    What.MARK_PAID: Action.TAKE_MONEY,
    What.WAIVE: Action.RECORD,
    What.RECORD_REFUND: Action.RECORD,
    What.PAY_REFUND: Action.RECORD,
    What.BOOK_CHARGEBACK: Action.RECORD,
    What.WRITE_OFF: Action.RECONCILE,
    What.PAYOUT_DIFFERENCE: Action.RECONCILE,
    What.CREDIT: Action.RECORD,
    What.EXPORT_PERSONAL: Action.EXPORT,
    What.ERASE_PERSON: Action.HANDLE_PRIVACY,
    What.ADD_PERSON: Action.MANAGE_PEOPLE,
    What.CHANGE_PERSON: Action.MANAGE_PEOPLE,
    What.ENABLE_PERSON: Action.MANAGE_PEOPLE,
    What.RESET_CODES: Action.MANAGE_PEOPLE,
    What.SIGN_IN_LINK: Action.MANAGE_PEOPLE,
    What.MAKE_KEY: Action.MANAGE_EVENTS,
    What.ADD_ENDPOINT: Action.MANAGE_EVENTS,
    What.RENEW_SIGNING: Action.MANAGE_EVENTS,
    What.SET_ACCOUNT: Action.MANAGE_EVENTS,
}

#: What settles a line of the bank, or a payout, once it is approved.
OF_LINES = (What.WRITE_OFF, What.PAYOUT_DIFFERENCE)


@dataclass(frozen=True)
class Ask:
    """Exactly what is to be allowed. ``bound`` holds plain values (texts, whole numbers, several of them) by
    name, everything that must still be so when it is done. ``scope`` are the ids of the events it concerns,
    None all of them. ``payment_id`` has its steps told on that payment's timeline."""

    what: What
    subject: str
    bound: Mapping[str, Any]
    scope: frozenset[int] | None
    amount: Money | None = None
    payment_id: int | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of all of it in one spelling."""
        told = {
            "what": self.what,
            "subject": self.subject,
            "scope": people.scope_text(self.scope),
            "amount": [self.amount.minor, self.amount.currency] if self.amount else None,
            "payment": self.payment_id,
            "bound": self.bound,
        }
        text = json.dumps(told, sort_keys=True, separators=(",", ":"), default=_not_plain)
        json.loads(text, parse_float=_not_plain)
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class ApprovalView:
    """A request as people see it. ``state`` is ``EXPIRED`` once its time is over, unless it ended before."""

    id: int
    what: What
    subject: str
    scope: frozenset[int] | None
    bound: Mapping[str, Any]
    digest: str
    amount: Money | None
    is_payment: bool
    why: str
    requester_id: int
    requester: str
    asked_at: datetime
    expires_at: datetime
    state: State
    decider: str | None
    decided_why: str | None
    ended_at: datetime | None


def ask(session: Session, person: Person, wanted: Ask, why: str, *, now: datetime) -> ApprovalView:
    """Ask for a second person's approval.

    Raises InvalidInput (a reason that tells nothing), NotAllowed, Conflict (asked for already, or there is
    nobody here who could approve it).
    """
    assert wanted.scope is None or wanted.scope, "what concerns no event concerns them all"
    deciders.check_all(person, TO_ASK[wanted.what], wanted.scope)
    reason = _reason(why)
    deciders.must_be_here(session, person, "ask for an approval")
    others = deciders.of(session, person.id, wanted.scope, now)
    if not others:
        raise Conflict(
            "Nobody else here could approve this. It takes a second person of finance, or a second admin: "
            "add one under People, or on the machine with manage.py person add."
        )
    row = Approval(
        what=wanted.what,
        subject=wanted.subject,
        payment_id=wanted.payment_id,
        scope=people.scope_text(wanted.scope),
        bound=dict(wanted.bound),
        digest=wanted.digest,
        amount_minor=wanted.amount.minor if wanted.amount else None,
        amount_currency=wanted.amount.currency if wanted.amount else None,
        why=reason,
        requester_id=person.id,
        requester_name=person.name,
        asked_at=now,
        expires_at=now + GOOD_FOR,
        state=State.WAITING,
    )
    if wanted.payment_id is not None:
        holding.payment(session, wanted.payment_id)
    _make_room(session, wanted.digest, now)
    session.add(row)
    try:
        session.flush()
    except IntegrityError as error:  # somebody else asked in the same instant
        raise Conflict("Somebody else asked for exactly this in this moment.") from error
    _tell(session, person, row, "asked", "ask_approval", reason, now)
    owing.asked(session, row, others, now=now)
    return _view(row, now)


def approve(session: Session, person: Person, approval_id: int, *, now: datetime) -> ApprovalView:
    """Allow what somebody else asked for. What is done at once is done by ``two_people.approve``.

    Raises NotFound, NotAllowed (one's own, or not one's to approve), Conflict (decided, expired).
    """
    row = _to_decide(session, person, approval_id, now)
    proven(person, now=now)
    _step(session, row, State.APPROVED, now, decider_id=person.id, decider_name=person.name)
    _tell(session, person, row, "approved", "approve", row.why, now)
    owing.ended(session, Mail.APPROVED, row, now=now)
    return _view(row, now)


def refuse(session: Session, person: Person, approval_id: int, why: str, *, now: datetime) -> ApprovalView:
    """Say no, and why. Raises as ``approve`` does, and InvalidInput."""
    reason = _reason(why, f"{SHORTEST_WHY} characters or more: whoever asked reads it.")
    row = _to_decide(session, person, approval_id, now)
    _step(
        session, row, State.REFUSED, now, decider_id=person.id, decider_name=person.name, decided_why=reason
    )
    _tell(session, person, row, "refused", "refuse_approval", reason, now)
    owing.ended(session, Mail.REFUSED, row, now=now)
    return _view(row, now)


def withdraw(session: Session, person: Person, approval_id: int, *, now: datetime) -> ApprovalView:
    """Take back one's own request, while it is not used. Raises NotFound, NotAllowed, Conflict."""
    row = _locked(session, person, approval_id)
    if row.requester_id != person.id:
        raise NotAllowed(
            f"{row.requester_name} asked for this, and only they can take it back. Refuse it.",
            by=person, what="withdraw_approval",
        )  # fmt: skip
    _check_open(row, now, (State.WAITING, State.APPROVED))
    _step(session, row, State.WITHDRAWN, now)
    _tell(session, person, row, "withdrawn", "withdraw_approval", row.why, now)
    return _view(row, now)


def use(session: Session, person: Person, wanted: Ask, *, now: datetime) -> ApprovalView:
    """Use up the approval of exactly this, in the transaction of what is done by it.

    Whoever asked, or whoever approved, may do so. Raises Conflict: nobody approved exactly this, or it was
    used, or its time is over.
    """
    found = select(Approval).where(Approval.digest == wanted.digest, Approval.state == State.APPROVED)
    row = session.scalar(found.with_for_update().execution_options(populate_existing=True))
    if row is None or now >= row.expires_at:
        raise Conflict(
            f"Nobody has approved exactly this of {wanted.subject}, as it is now. Ask for it, and a second "
            f"person decides under Approvals."
        )
    if person.id not in (row.requester_id, row.decider_id):
        raise NotAllowed(f"This was approved for {row.requester_name}.", by=person, what="use_approval")
    _step(session, row, State.USED, now, used_at=now)
    audit.record(
        session, person, "use_approval", row.subject, now=now, event_id=_one_event(row),
        approval=row.id, what=row.what, digest=row.digest,
    )  # fmt: skip
    return _view(row, now)


# -- looking ----------------------------------------------------------------------------------------


def standing(session: Session, person: Person, wanted: Ask, *, now: datetime) -> ApprovalView | None:
    """How far exactly this is: waiting or approved by a second person, or None when it must be asked for."""
    found = select(Approval).where(Approval.digest == wanted.digest, *_still_open(now))
    row = session.scalar(found)
    return _view(row, now) if row is not None and deciders.sees(person, row) else None


def of_lines(session: Session, *, now: datetime) -> dict[str, ApprovalView]:
    """What waits for a second person, or was approved and not used, by the line of the bank or the payout
    that it would settle: ``line:7``, ``payout:3``."""
    found = select(Approval).where(Approval.what.in_(OF_LINES), *_still_open(now)).order_by(Approval.id)
    return {
        f"{kind}:{row.bound[kind]}": _view(row, now)
        for row in session.scalars(found)
        for kind in ("line", "payout")
        if row.bound.get(kind)
    }


def refuse_twice(session: Session, key: str, *, now: datetime) -> None:
    """Raises Conflict while a second person is asked about this line or payout already."""
    if (asked := of_lines(session, now=now).get(key)) is not None:
        raise Conflict(
            f"{asked.requester} asked a second person about this already. It waits under Approvals, where "
            "they decide and whoever asked can take it back."
        )


def get(session: Session, person: Person, approval_id: int, *, now: datetime) -> ApprovalView:
    """One request that this person may see. Raises NotFound."""
    row = session.get(Approval, approval_id)
    if row is None or not deciders.sees(person, row):
        raise NotFound("There is no such request here.")
    return _view(row, now)


def open_requests(session: Session, person: Person, *, now: datetime) -> tuple[ApprovalView, ...]:
    """What waits, and what is approved and not used yet, of what this person may see; the oldest first."""
    check(person, Action.SEE_APPROVALS)
    rows = session.scalars(select(Approval).where(*_still_open(now)).order_by(Approval.id))
    return tuple(_view(row, now) for row in rows if deciders.sees(person, row))


def ended(session: Session, person: Person, *, now: datetime, limit: int = 50) -> tuple[ApprovalView, ...]:
    """The requests that ended last, of what this person may see; the newest first."""
    check(person, Action.SEE_APPROVALS)
    query = select(Approval).where(~Approval.id.in_(select(Approval.id).where(*_still_open(now))))
    if not deciders.oversees(person):
        query = query.where(Approval.requester_id == person.id)
    rows = session.scalars(query.order_by(Approval.id.desc()).limit(10 * limit))
    return tuple(_view(row, now) for row in rows if deciders.sees(person, row))[:limit]


def waiting_for(session: Session, person: Person, *, now: datetime) -> int:
    """How many requests of others wait for this person."""
    if not person.may(Action.APPROVE):
        return 0
    waits = select(Approval).where(Approval.state == State.WAITING, Approval.expires_at > now)
    return sum(1 for row in session.scalars(waits) if deciders.may_decide(person, row))


def may_ask(person: Person, view: ApprovalView) -> bool:
    """Whether this person could ask for it, as they are now."""
    return deciders.may_all(person, TO_ASK[view.what], view.scope)


def waits_for(session: Session, approval_id: int, person_id: int, *, now: datetime) -> bool:
    """Whether a request still waits, and this person could decide upon it."""
    row, other = session.get_one(Approval, approval_id), session.get(PersonRow, person_id)
    if row.state != State.WAITING or now >= row.expires_at or other is None or not is_active(other, now):
        return False
    return deciders.may_decide(person_of(other), row)


def who_decides(session: Session, person: Person, approval_id: int, *, now: datetime) -> tuple[str, ...]:
    """The names of those whom a request that this person may see waits for. Raises NotFound."""
    view = get(session, person, approval_id, now=now)
    return tuple(row.name for row in deciders.of(session, view.requester_id, view.scope, now))


def may_decide(person: Person, view: ApprovalView) -> bool:
    """Whether this person could decide upon it: somebody else's, and theirs to approve."""
    return view.state is State.WAITING and deciders.could_decide(person, view.requester_id, view.scope)


# -- inside -----------------------------------------------------------------------------------------


def _reason(why: str, how: str = f"{SHORTEST_WHY} characters or more: another person decides by it.") -> str:
    given = clean(why, field="The reason", longest=1000)
    if len(given) < SHORTEST_WHY:
        raise InvalidInput(f"Say why, in {how}")
    return given


def _still_open(now: datetime) -> tuple[Any, ...]:
    return Approval.state.in_((State.WAITING, State.APPROVED)), Approval.expires_at > now


def _locked(session: Session, person: Person, approval_id: int) -> Approval:
    """The request's row, held until the transaction ends; its payment first, as everywhere."""
    known = session.get(Approval, approval_id)
    if known is None or not deciders.sees(person, known):
        raise NotFound("There is no such request here.")
    if known.payment_id is not None:
        holding.payment(session, known.payment_id)
    query = select(Approval).where(Approval.id == approval_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _to_decide(session: Session, person: Person, approval_id: int, now: datetime) -> Approval:
    row = _locked(session, person, approval_id)
    if row.requester_id == person.id:
        raise NotAllowed(
            "You asked for this yourself: another person decides upon it.", by=person, what="approve"
        )
    if not deciders.may_decide(person, row):
        deciders.check_all(person, Action.APPROVE, deciders.scope_of(row))
        raise NotAllowed(
            "This concerns all events, and you are here for some of them. Ask an admin.",
            by=person, what="approve",
        )  # fmt: skip
    _check_open(row, now, (State.WAITING,))
    return row


def _check_open(row: Approval, now: datetime, states: tuple[State, ...]) -> None:
    if row.state not in states:
        by = f" by {row.decider_name}" if row.decider_name else ""
        ended = "approved" if row.state == State.USED else row.state
        raise Conflict(f"This request was {ended}{by} already.")
    if now >= row.expires_at:
        raise Conflict("This request has expired. Whoever asked can ask again.")


def _make_room(session: Session, digest: str, now: datetime) -> None:
    """What expired makes room for the same request; one that is open does not."""
    still = select(Approval).where(
        Approval.digest == digest, Approval.state.in_((State.WAITING, State.APPROVED))
    )
    row = session.scalar(still.with_for_update())
    if row is None:
        return
    if now < row.expires_at:
        raise Conflict(f"{row.requester_name} asked for exactly this already, and it is {row.state}.")
    _step(session, row, State.EXPIRED, now)


def _step(session: Session, row: Approval, to: State, now: datetime, **values: Any) -> None:
    """From the state it is in to the next one, unless somebody else was faster."""
    moved = update(Approval).where(Approval.id == row.id, Approval.state == row.state)
    ended_at = row.ended_at if to is State.USED else now
    done = session.execute(
        moved.values(state=to, ended_at=ended_at, **values).execution_options(synchronize_session=False)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict("Somebody else decided upon this request in this moment.")
    session.refresh(row)


def _tell(
    session: Session, person: Person, row: Approval, step: str, deed: str, why: str, now: datetime
) -> None:
    """On the record, and on its payment's timeline."""
    audit.record(
        session, person, deed, row.subject, now=now, event_id=_one_event(row),
        approval=row.id, what=row.what, digest=row.digest, why=why,
    )  # fmt: skip
    if row.payment_id is None:
        tallies.bump(session)
        return
    amount = (
        {"amount_minor": row.amount_minor, "currency": row.amount_currency} if row.amount_currency else {}
    )
    lifecycle.note(
        session, holding.payment(session, row.payment_id), Kind.APPROVAL, now=now, source=Source.DESK,
        actor=person.name, step=step, what=row.what, approval=row.id, why=why, **amount,
    )  # fmt: skip


def _view(row: Approval, now: datetime) -> ApprovalView:
    state = State(row.state)
    over = state in (State.WAITING, State.APPROVED) and now >= row.expires_at
    amount = Money(row.amount_minor or 0, row.amount_currency) if row.amount_currency else None
    return ApprovalView(
        id=row.id,
        what=What(row.what),
        subject=row.subject,
        scope=deciders.scope_of(row),
        bound=row.bound,
        digest=row.digest,
        amount=amount,
        is_payment=row.payment_id is not None,
        why=row.why,
        requester_id=row.requester_id,
        requester=row.requester_name,
        asked_at=row.asked_at,
        expires_at=row.expires_at,
        state=State.EXPIRED if over else state,
        decider=row.decider_name,
        decided_why=row.decided_why,
        ended_at=row.expires_at if over else row.ended_at,
    )


def _one_event(row: Approval) -> int | None:
    scope = deciders.scope_of(row)
    return next(iter(scope)) if scope is not None and len(scope) == 1 else None


def _not_plain(value: object) -> str:
    raise TypeError(f"an approval is bound to plain values, and {value!r} is none")
