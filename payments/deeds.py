"""What can be done to many at once, one by one: when a deed does not fit, and how it is done and undone."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Case, Link, OutboxMail, Payment
from db.money import Money
from db.session import Sessions
from payments import attention, cancellation, notes, outbox, sync
from payments.cases import DECISIONS, Decision, Reason
from payments.errors import InvalidInput
from payments.gateways import Gateway
from payments.lifecycle import Effect, Status
from payments.people import Action, Person, check

#: What a row is left with, so that it can be undone; None when nothing can be.
Was = Mapping[str, Any] | None


class Deed(StrEnum):
    ASK = "ask"
    CANCEL = "cancel"
    RESEND = "resend"
    NOTE = "note"
    ASSIGN = "assign"
    DECIDE = "decide"


#: Deeds on cases; the others are on payments.
ON_CASES = frozenset({Deed.ASSIGN, Deed.DECIDE})
#: Deeds that talk to the gateway: they take as long as it takes.
SLOW = frozenset({Deed.ASK, Deed.CANCEL})
UNDOABLE = frozenset({Deed.CANCEL, Deed.ASSIGN, Deed.DECIDE})
#: What one needs to be allowed, before any row is looked at.
NEEDS: Mapping[Deed, Action] = {
    Deed.ASK: Action.ASK_GATEWAY,
    Deed.CANCEL: Action.ISSUE_LINK,
    Deed.RESEND: Action.ISSUE_LINK,
    Deed.NOTE: Action.ISSUE_LINK,
    Deed.ASSIGN: Action.DECIDE,
    Deed.DECIDE: Action.DECIDE,
}


@dataclass(frozen=True)
class Given:
    """What a person says with a deed: ``text`` is the note, or why. ``owner_id`` 0 is nobody."""

    text: str = ""
    decision: Decision | None = None
    owner_id: int | None = None
    due_on: date | None = None

    def plain(self) -> dict[str, Any]:
        due = self.due_on.isoformat() if self.due_on else None
        return {"text": self.text, "decision": self.decision, "owner_id": self.owner_id, "due_on": due}

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Given":
        return cls(
            text=plain["text"],
            decision=Decision(plain["decision"]) if plain["decision"] else None,
            owner_id=plain["owner_id"],
            due_on=date.fromisoformat(plain["due_on"]) if plain["due_on"] else None,
        )


@dataclass(frozen=True)
class Subject:
    """One payment or case, as far as a deed looks at it. ``id`` is the case's when there is one."""

    id: int
    reference: str
    event_id: int | None
    amount: Money | None
    status: Status | None
    link_id: int | None = None  # the newest that could still be paid
    mail_id: int | None = None
    mail_state: str | None = None
    reason: Reason | None = None
    closed: bool = False


def check_given(deed: Deed, given: Given) -> None:
    """Raises InvalidInput when what must be said with a deed was not said."""
    if deed in (Deed.CANCEL, Deed.DECIDE):
        attention.reason_given(given.text)
    if deed is Deed.NOTE:
        notes.text_given(given.text)
    if deed is Deed.DECIDE and given.decision is None:
        raise InvalidInput("Choose what is decided.")
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
    raise AssertionError(deed)


def undo(session: Session, person: Person, deed: Deed, subject: Subject, was: Was, *, now: datetime) -> None:
    """Put one back. Raises Conflict when something else happened to it since."""
    why = "Undone together with others that were changed at once."
    match deed:
        case Deed.CANCEL:
            cancellation.reopen(session, person, subject.reference, why, now=now)
        case Deed.DECIDE:
            attention.reopen(session, person, subject.id, why, now=now)
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
    query = (
        select(Payment, link.correlate(Payment).scalar_subquery(), OutboxMail.id, OutboxMail.state)
        .outerjoin(OutboxMail, OutboxMail.id == mail.correlate(Payment).scalar_subquery())
        .where(Payment.id.in_(ids), *_ours(person))
        .order_by(Payment.id.desc())
    )
    for row, link_id, mail_id, state in session.execute(query):
        yield Subject(
            row.id, row.reference, row.event_id, row.amount, Status(row.status), link_id, mail_id, state
        )


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
            reason=Reason(case.reason),
            closed=case.closed_at is not None,
        )


def _ours(person: Person) -> list[Any]:
    return [] if person.events is None else [Payment.event_id.in_(sorted(person.events))]
