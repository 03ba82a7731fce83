"""What can be done to many at once, one by one: when a deed does not fit, and how it is done and undone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Approval, Case, Event, Link, OutboxMail, Payment
from db.money import Money
from db.session import Sessions
from payments import cancellation, notes
from payments.access.people import Action, Person, check
from payments.deciding import attention
from payments.deciding.cases import DECISIONS, Decision, Reason
from payments.errors import InvalidInput
from payments.gateways import Gateway
from payments.hearing import sync
from payments.lifecycle import Effect, Status
from payments.second_person import approvals, two_people
from payments.second_person.approvals import What
from payments.selling import moves
from payments.telling import outbox

#: What a row is left with, so that it can be undone; None when nothing can be.
Was = Mapping[str, Any] | None


class Deed(StrEnum):
    ASK = "ask"
    CANCEL = "cancel"
    RESEND = "resend"
    NOTE = "note"
    ASSIGN = "assign"
    DECIDE = "decide"
    WAIVE = "waive"
    MOVE = "move"
    APPROVE = "approve"


#: Deeds on cases; the others are on payments.
ON_CASES = frozenset({Deed.ASSIGN, Deed.DECIDE})
#: Deeds that talk to the gateway: they take as long as it takes.
SLOW = frozenset({Deed.ASK, Deed.CANCEL})
UNDOABLE = frozenset({Deed.CANCEL, Deed.ASSIGN, Deed.DECIDE, Deed.WAIVE, Deed.MOVE})
#: What one needs to be allowed, before any row is looked at.
NEEDS: Mapping[Deed, Action] = {
    Deed.ASK: Action.ASK_GATEWAY,
    Deed.CANCEL: Action.ISSUE_LINK,
    Deed.RESEND: Action.ISSUE_LINK,
    Deed.NOTE: Action.ISSUE_LINK,
    Deed.ASSIGN: Action.DECIDE,
    Deed.DECIDE: Action.DECIDE,
    Deed.WAIVE: Action.RECORD,
    Deed.MOVE: Action.RECORD,
    Deed.APPROVE: Action.APPROVE,
}
#: What a second person can allow of many payments at once.
APPROVABLE = (What.WAIVE, What.MARK_PAID, What.RECORD_REFUND, What.PAY_REFUND, What.BOOK_CHARGEBACK)


@dataclass(frozen=True)
class Given:
    """What a person says with a deed: ``text`` is the note, or why. ``owner_id`` 0 is nobody; ``event_code``
    where they move to; ``what`` the only kind of request that is approved."""

    text: str = ""
    decision: Decision | None = None
    owner_id: int | None = None
    due_on: date | None = None
    event_code: str = ""
    what: What | None = None

    def plain(self) -> dict[str, Any]:
        due = self.due_on.isoformat() if self.due_on else None
        return {
            "text": self.text, "decision": self.decision, "owner_id": self.owner_id, "due_on": due,
            "event_code": self.event_code, "what": self.what,
        }  # fmt: skip

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Given":
        return cls(
            text=plain["text"],
            decision=Decision(plain["decision"]) if plain["decision"] else None,
            owner_id=plain["owner_id"],
            due_on=date.fromisoformat(plain["due_on"]) if plain["due_on"] else None,
            event_code=plain.get("event_code", ""),  # a run that was started before there was any
            what=What(plain["what"]) if plain.get("what") else None,
        )


@dataclass(frozen=True)
class Subject:
    """One payment or case, as far as a deed looks at it. ``id`` is the case's when there is one.

    ``asked_*`` are of the request about it that has waited longest for a second person.
    """

    id: int
    reference: str
    event_id: int | None
    amount: Money | None
    status: Status | None
    payer_name: str = ""
    link_id: int | None = None  # the newest that could still be paid
    mail_id: int | None = None
    mail_state: str | None = None
    reason: Reason | None = None
    closed: bool = False
    event_code: str = ""
    category_id: int | None = None
    asked_id: int | None = None
    asked_what: What | None = None
    asked_by: int | None = None
    asked_amount: Money | None = None


def worth(deed: Deed, subject: Subject) -> Money | None:
    """The money that a deed is about."""
    return subject.asked_amount if deed is Deed.APPROVE else subject.amount


def check_given(deed: Deed, given: Given) -> None:
    """Raises InvalidInput when what must be said with a deed was not said."""
    if deed in (Deed.CANCEL, Deed.DECIDE, Deed.WAIVE, Deed.MOVE):
        attention.reason_given(given.text)
    if deed is Deed.NOTE:
        notes.text_given(given.text)
    if deed is Deed.DECIDE and given.decision is None:
        raise InvalidInput("Choose what is decided.")
    if deed is Deed.MOVE and not given.event_code:
        raise InvalidInput("Choose the event they move to.")
    if deed is Deed.APPROVE and given.what not in APPROVABLE:
        raise InvalidInput("Choose what is approved.")
    if deed is Deed.ASSIGN and given.owner_id is None and given.due_on is None:
        raise InvalidInput("Choose an owner or a day.")


def obstacle(person: Person, deed: Deed, subject: Subject, given: Given) -> str | None:
    """Why this one will be skipped, in a few words; None when it will be done."""
    needed = Action.PROCESS_EVENTS if deed in ON_CASES and subject.event_id is None else NEEDS[deed]
    if not person.may(needed, subject.event_id):
        return "it is not yours to change"
    match deed:
        case Deed.ASK if subject.link_id is None:
            return "it has no link that waits for money"
        case Deed.CANCEL if subject.status is not None:
            return cancellation.obstacle(subject.status)
        case Deed.WAIVE if subject.status is not None:
            asked = subject.asked_what is What.WAIVE
            return "it was asked for already" if asked else two_people.why_not_waived(subject.status)
        case Deed.MOVE if subject.event_code.lower() == given.event_code.lower():
            return "it is there already"
        case Deed.APPROVE if subject.asked_what is not given.what:
            return "nothing of the kind waits for a second person"
        case Deed.APPROVE if subject.asked_by == person.id:
            return "you asked for it yourself"
        case Deed.RESEND if subject.mail_id is None:
            return "it has no mail yet"
        case Deed.RESEND if subject.mail_state == "queued":
            return "its mail waits to be sent already"
        case Deed.ASSIGN | Deed.DECIDE if subject.closed:
            return "it is decided already"
        case Deed.DECIDE if subject.reason and given.decision not in DECISIONS[subject.reason]:
            return f"that is no decision for {subject.reason.replace('_', ' ')}"
    return None


# -- done and undone ----------------------------------------------------------------------------------


def do_slowly(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    person: Person,
    deed: Deed,
    subject: Subject,
    given: Given,
    *,
    now: datetime,
) -> tuple[str, Was]:
    """A deed that talks to the gateway, with no transaction open meanwhile: what came of it, and its undo."""
    if deed is Deed.CANCEL:
        cancellation.cancel(sessions, gateways, person, subject.reference, given.text, now=now)
        return "cancelled; the gateway was asked first", {}
    assert subject.link_id is not None
    effect = sync.ask_for(sessions, gateways, person, subject.link_id, now=now)
    return ("nothing new" if effect is Effect.NOTHING else effect.replace("_", " ")), None


def do(
    session: Session, person: Person, deed: Deed, subject: Subject, given: Given, *, now: datetime
) -> tuple[str, Was]:
    """A deed of one transaction."""
    match deed:
        case Deed.NOTE:
            notes.add(session, person, subject.reference, given.text, now=now)
            return "noted", None
        case Deed.RESEND:
            assert subject.mail_id is not None
            outbox.resend(session, person, subject.mail_id, now=now)
            return "queued", None
        case Deed.DECIDE:
            assert given.decision is not None
            attention.decide(session, person, subject.id, given.decision, given.text, now=now)
            return "decided", {}
        case Deed.ASSIGN:
            return _assign(session, person, subject, given, now)
        case Deed.WAIVE:
            asked = two_people.ask_waiver(session, person, subject.reference, given.text, now=now)
            return "asked; a second person decides", {"approval": asked.id}
        case Deed.MOVE:
            moves.move(session, person, subject.reference, given.event_code, given.text, now=now)
            return "moved", {"event_code": subject.event_code, "category_id": subject.category_id}
        case Deed.APPROVE:
            assert subject.asked_id is not None
            two_people.approve(session, person, subject.asked_id, now=now)
            return "approved, and done", None
    raise AssertionError(deed)


def undo(session: Session, person: Person, deed: Deed, subject: Subject, was: Was, *, now: datetime) -> None:
    """Put one back. Raises Conflict when something else happened to it since."""
    why = "Undone together with others that were changed at once."
    match deed:
        case Deed.CANCEL:
            cancellation.reopen(session, person, subject.reference, why, now=now)
        case Deed.DECIDE:
            attention.reopen(session, person, subject.id, why, now=now)
        case Deed.WAIVE:
            assert was is not None
            approvals.withdraw(session, person, was["approval"], now=now)
        case Deed.MOVE:
            assert was is not None
            moves.move(
                session, person, subject.reference, was["event_code"], why, now=now,
                category_id=was["category_id"],
            )  # fmt: skip
        case Deed.ASSIGN:
            assert was is not None
            case = attention.get(session, person, subject.id, now=now)
            due = date.fromisoformat(was["due_on"]) if was["due_on"] else None
            attention.assign(
                session, person, case.id, owner_id=was["owner_id"], due_on=due, note=case.note, now=now
            )
        case _:
            raise AssertionError(deed)


def _assign(
    session: Session, person: Person, subject: Subject, given: Given, now: datetime
) -> tuple[str, Was]:
    """What is not given stays as it is."""
    case = attention.get(session, person, subject.id, now=now)
    attention.assign(
        session, person, case.id, note=case.note, now=now,
        owner_id=case.owner_id if given.owner_id is None else given.owner_id or None,
        due_on=given.due_on or case.due_on,
    )  # fmt: skip
    due = case.due_on.isoformat() if case.due_on else None
    return "assigned", {"owner_id": case.owner_id, "due_on": due}


# -- what they are about ------------------------------------------------------------------------------


def payments(session: Session, person: Person, ids: Sequence[int]) -> Iterable[Subject]:
    """Payments by id, newest first. ``ids`` came from a search within the person's events."""
    check(person, Action.SEE)
    link = select(func.max(Link.id)).where(Link.payment_id == Payment.id, Link.state.in_(["asked", "open"]))
    mail = select(func.max(OutboxMail.id)).where(OutboxMail.payment_id == Payment.id)
    waits = select(func.min(Approval.id)).where(
        Approval.payment_id == Payment.id, Approval.state == approvals.State.WAITING
    )
    query = (
        select(
            Payment,
            link.correlate(Payment).scalar_subquery(),
            OutboxMail.id,
            OutboxMail.state,
            Event.code,
            Approval,
        )
        .join(Event, Event.id == Payment.event_id)
        .outerjoin(Approval, Approval.id == waits.correlate(Payment).scalar_subquery())
        .outerjoin(OutboxMail, OutboxMail.id == mail.correlate(Payment).scalar_subquery())
        .where(Payment.id.in_(ids), *_ours(person))
        .order_by(Payment.id.desc())
    )
    for row, link_id, mail_id, state, code, asked in session.execute(query):
        yield Subject(
            row.id, row.reference, row.event_id, row.amount, Status(row.status), row.payer_name,
            link_id, mail_id, state, event_code=code, category_id=row.category_id, **_asked(asked),
        )  # fmt: skip


def _asked(row: Approval | None) -> dict[str, Any]:
    if row is None:
        return {}
    minor, currency = row.amount_minor, row.amount_currency
    amount = Money(minor, currency) if minor is not None and currency is not None else None
    return {
        "asked_id": row.id,
        "asked_what": What(row.what),
        "asked_by": row.requester_id,
        "asked_amount": amount,
    }


def cases(session: Session, person: Person, ids: Sequence[int]) -> Iterable[Subject]:
    """Cases by id, the oldest first, of the person's events; who is here for some sees no message's."""
    check(person, Action.SEE)
    query = (
        select(Case, Payment)
        .outerjoin(Payment, Payment.id == Case.payment_id)
        .where(Case.id.in_(ids), *_ours(person))
        .order_by(Case.id)
    )
    for case, payment in session.execute(query):
        yield Subject(
            id=case.id,
            reference=payment.reference if payment else f"message {case.inbox_id}",
            event_id=payment.event_id if payment else None,
            amount=payment.amount if payment else None,
            status=Status(payment.status) if payment else None,
            payer_name=payment.payer_name if payment else "",
            reason=Reason(case.reason),
            closed=case.closed_at is not None,
        )


def _ours(person: Person) -> list[Any]:
    return [] if person.events is None else [Payment.event_id.in_(sorted(person.events))]
