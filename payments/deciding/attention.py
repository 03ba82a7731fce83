"""Needs attention: the queue of what a person must decide, with its owner, its due date and its decision."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import Session

from db.models import Case, Event, InboxEvent, Link, Payment, PersonRow
from db.money import Money, sums
from payments import dates, holding, lifecycle
from payments.access.people import Action, Person, check, is_active, person_of
from payments.books import audit
from payments.deciding.cases import DECISIONS, Decision, Reason
from payments.errors import Conflict, InvalidInput, NotFound
from payments.hearing import inbox
from payments.lifecycle import Kind, Source, Status
from payments.live import tallies
from payments.privacy import clean
from payments.reconciling import mentions

#: A decision is told in words, and a word or two tell nothing to whoever reads it next year.
SHORTEST_WHY = 10
#: The case says how much it is about.
_SAID = (Reason.DISPUTE_OPEN, Reason.CHARGEBACK_UNBOOKED, Reason.REFUND_RETURNED, Reason.CREDIT_OWED)
_ALL_OF_IT = (Reason.PAID_LATE, Reason.GATEWAY_TOOK_IT_BACK, Reason.DUPLICATE)


@dataclass(frozen=True)
class CaseView:
    """A case on the list. It is about a payment (``reference``) or about a message (``inbox_id``).

    ``at_risk`` is the money it is about, None where nobody knows how much. ``link_id`` is a link that the
    gateway can be asked about. ``found`` holds plain values. The last four are of a case that is closed.
    """

    id: int
    reason: Reason
    opened_at: datetime
    event_id: int | None
    event_name: str | None
    reference: str | None
    payer_name: str | None
    status: Status | None
    inbox_id: int | None
    link_id: int | None
    at_risk: Money | None
    owner_id: int | None
    owner: str | None
    due_on: date | None
    overdue: bool
    note: str
    found: Mapping[str, Any]
    closed_at: datetime | None
    closed_by: str | None
    decision: Decision | None
    decided_why: str | None

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What a person may decide here."""
        return DECISIONS[self.reason]


@dataclass(frozen=True)
class Group:
    """The open cases of one reason, the oldest first, and the money at risk, currencies apart."""

    reason: Reason
    cases: tuple[CaseView, ...]
    at_risk: Mapping[str, Money]


class Age(StrEnum):
    """How long a case waits."""

    DAY = "Under a day"
    THREE_DAYS = "1–3 days"
    WEEK = "3–7 days"
    LONGER = "Over 7 days"

    @classmethod
    def of(cls, age: timedelta) -> "Age":
        for days, bucket in ((1, cls.DAY), (3, cls.THREE_DAYS), (7, cls.WEEK)):
            if age < timedelta(days=days):
                return bucket
        return cls.LONGER


@dataclass(frozen=True)
class Bucket:
    age: Age
    count: int
    at_risk: Mapping[str, Money]


def queue(session: Session, person: Person, *, now: datetime) -> tuple[Group, ...]:
    """Everything that waits for a decision, within the person's events; reasons in their own order.

    Messages that fit no payment belong to no event: only who sees all events sees them.
    """
    views = _views(session, _visible(person).where(Case.closed_at.is_(None)).order_by(Case.id), now)
    groups = ((reason, tuple(view for view in views if view.reason is reason)) for reason in Reason)
    return tuple(group(reason, members) for reason, members in groups if members)


def group(reason: Reason, members: Iterable[CaseView]) -> Group:
    """Cases of one reason with what is at risk in them."""
    cases = tuple(members)
    return Group(reason, cases, _sums(cases))


def decided(session: Session, person: Person, *, now: datetime, limit: int = 50) -> tuple[CaseView, ...]:
    """The cases closed last, the newest first, with who decided what, and why."""
    closed = _visible(person).where(Case.closed_at.is_not(None))
    return _views(session, closed.order_by(Case.closed_at.desc(), Case.id.desc()).limit(limit), now)


def get(session: Session, person: Person, case_id: int, *, now: datetime) -> CaseView:
    """One case. Raises NotFound, also for a case of another event."""
    found = _views(session, _visible(person).where(Case.id == case_id), now)
    if not found:
        raise NotFound("There is no such case here. It may belong to another event.")
    return found[0]


def owners(session: Session, person: Person, case: CaseView) -> tuple[tuple[int, str], ...]:
    """Who may own a case: everybody who could decide it."""
    check(person, Action.SEE, case.event_id)
    rows = session.scalars(select(PersonRow).order_by(PersonRow.name, PersonRow.id))
    return tuple(
        (row.id, row.name)
        for row in rows
        if row.disabled_at is None and person_of(row).may(*_deciding(case.event_id))
    )


def assign(
    session: Session,
    person: Person,
    case_id: int,
    *,
    owner_id: int | None,
    due_on: date | None,
    note: str,
    now: datetime,
) -> None:
    """Say whose case it is, until when, and what is known so far; whom that mentions is told.

    Raises NotFound, NotAllowed, Conflict (decided meanwhile), InvalidInput.
    """
    case, event_id = _to_change(session, person, case_id, now)
    owner = _able_owner(session, owner_id, event_id, now) if owner_id is not None else None
    moved = (case.owner_id, case.due_on) != (owner_id, due_on)
    before, kept = case.note, clean(note, field="The note", longest=1000)
    case.owner_id, case.due_on, case.note = owner_id, due_on, kept
    mentions.tell(
        session, kept, by=person, before=before, where=f"Needs attention, {_subject(session, case)}",
        action=Action.SEE, event_id=event_id, now=now,
    )  # fmt: skip
    tallies.bump(session)
    if moved and case.payment_id is not None:
        payment, due = holding.payment(session, case.payment_id), f"{due_on:%-d %b %Y}" if due_on else None
        lifecycle.note(
            session, payment, Kind.ASSIGNED, now=now, source=Source.DESK, actor=person.name,
            reason=case.reason, owner=owner, due=due,
        )  # fmt: skip
    audit.record(
        session, person, "assign_case", _subject(session, case), now=now, event_id=event_id,
        reason=case.reason, owner=owner_id, due_on=due_on.isoformat() if due_on else None, note=case.note,
    )  # fmt: skip


def decide(
    session: Session, person: Person, case_id: int, decision: Decision, why: str, *, now: datetime
) -> None:
    """Take a case off the queue by a decision that is open to its reason, and that says why.

    A message decided upon is ignored from then on. Raises NotFound, NotAllowed, Conflict, InvalidInput.
    """
    case, event_id = _to_change(session, person, case_id, now)
    if decision not in DECISIONS[Reason(case.reason)]:
        raise InvalidInput("That is no decision for this case. Choose one of those it offers.")
    reason = reason_given(why)
    if case.inbox_id is not None:
        row = session.get_one(InboxEvent, case.inbox_id)
        if row.handled_at is None:
            inbox.ignore(session, row, by=person.name, why=reason, now=now)
    lifecycle.close_case(session, case, decision, reason, now=now, source=Source.DESK, actor=person.name)
    audit.record(
        session, person, "decide_case", _subject(session, case), now=now, event_id=event_id,
        reason=case.reason, decision=decision, why=reason,
    )  # fmt: skip


def reopen(session: Session, person: Person, case_id: int, why: str, *, now: datetime) -> int:
    """Undo a decision and return the new case: the old one keeps who decided what, and why.

    An ignored message is tried again. Raises NotFound, NotAllowed, Conflict (it is open), InvalidInput.
    """
    view = get(session, person, case_id, now=now)
    check(person, *_deciding(view.event_id))
    reason = reason_given(why)
    case = lifecycle.locked_case(session, case_id)
    if case.closed_at is None:
        raise Conflict("This case is not decided; there is nothing to undo.")
    again = lifecycle.reopen_case(session, case, reason, now=now, source=Source.DESK, actor=person.name)
    if case.inbox_id is not None:
        row = session.get_one(InboxEvent, case.inbox_id)
        if row.ignored_by is not None:
            inbox.take_up(session, row, now=now)
    audit.record(
        session, person, "reopen_case", _subject(session, case), now=now, event_id=view.event_id,
        reason=case.reason, was=case.decision, why=reason,
    )  # fmt: skip
    return again.id


def aging(groups: Iterable[Group], *, now: datetime) -> tuple[Bucket, ...]:
    """The queue by how long its cases wait, the youngest first, with what is at risk in each."""
    cases = [case for each in groups for case in each.cases]
    found = [(age, tuple(case for case in cases if Age.of(now - case.opened_at) is age)) for age in Age]
    return tuple(Bucket(age, len(members), _sums(members)) for age, members in found)


def reason_given(why: str) -> str:
    """A reason fit to be kept. Raises InvalidInput for one that is too short to tell anything."""
    given = clean(why, field="The reason", longest=1000)
    if len(given) < SHORTEST_WHY:
        raise InvalidInput(
            f"Say why, in {SHORTEST_WHY} characters or more: it is all that will be known later."
        )
    return given


# -- inside -------------------------------------------------------------------------------------------


def _deciding(event_id: int | None) -> tuple[Action, int | None]:
    """What it takes to decide a case: a message that belongs to no event concerns all of them."""
    return (Action.PROCESS_EVENTS, None) if event_id is None else (Action.DECIDE, event_id)


def _able_owner(session: Session, owner_id: int, event_id: int | None, now: datetime) -> str:
    """The name of somebody who could decide a case of this event. Raises InvalidInput for anybody else."""
    owner = session.get(PersonRow, owner_id)
    if owner is None or not (is_active(owner, now) and person_of(owner).may(*_deciding(event_id))):
        raise InvalidInput("That person could not decide this case. Choose somebody of finance or an admin.")
    return owner.name


def _to_change(session: Session, person: Person, case_id: int, now: datetime) -> tuple[Case, int | None]:
    event_id = get(session, person, case_id, now=now).event_id
    check(person, *_deciding(event_id))
    case = lifecycle.locked_case(session, case_id)
    if case.closed_at is not None:
        raise Conflict(f"{case.closed_by} has closed this case in the meantime: {case.decided_why}")
    return case, event_id


def _subject(session: Session, case: Case) -> str:
    if case.payment_id is None:
        return f"message {case.inbox_id}"
    return session.get_one(Payment, case.payment_id).reference


def _visible(person: Person) -> Select[Any]:
    check(person, Action.SEE)
    askable = (
        select(func.max(Link.id))
        .where(Link.payment_id == Case.payment_id, Link.state != "paid")
        .correlate(Case)
        .scalar_subquery()
    )
    rows = (
        select(Case, Payment, Event.name, PersonRow.name, askable)
        .outerjoin(Payment, Payment.id == Case.payment_id)
        .outerjoin(Event, Event.id == Payment.event_id)
        .outerjoin(PersonRow, PersonRow.id == Case.owner_id)
    )
    return rows.where(*_in_scope(person.events))


def _in_scope(events: frozenset[int] | None) -> Iterable[ColumnElement[bool]]:
    return [] if events is None else [Payment.event_id.in_(sorted(events))]


def _views(session: Session, query: Select[Any], now: datetime) -> tuple[CaseView, ...]:
    today = dates.business_day(now)
    return tuple(_view(*row, today=today) for row in session.execute(query))


def _view(
    case: Case,
    payment: Payment | None,
    event: str | None,
    owner: str | None,
    link_id: int | None,
    *,
    today: date,
) -> CaseView:
    return CaseView(
        id=case.id,
        reason=Reason(case.reason),
        opened_at=case.opened_at,
        event_id=payment.event_id if payment else None,
        event_name=event,
        reference=payment.reference if payment else None,
        payer_name=payment.payer_name if payment else None,
        status=Status(payment.status) if payment else None,
        inbox_id=case.inbox_id,
        link_id=link_id,
        at_risk=_at_risk(case, payment),
        owner_id=case.owner_id,
        owner=owner,
        due_on=case.due_on,
        overdue=case.due_on is not None and case.due_on < today and case.closed_at is None,
        note=case.note,
        found={name: value for name, value in case.detail.items() if name != "raw"},
        closed_at=case.closed_at,
        closed_by=case.closed_by,
        decision=Decision(case.decision) if case.decision else None,
        decided_why=case.decided_why,
    )


def _at_risk(case: Case, payment: Payment | None) -> Money | None:
    """What is too much, what may have to go back, or what has not come."""
    reason = Reason(case.reason)
    if payment is None or reason is Reason.MAIL_FAILED:
        return None
    if reason in _SAID:
        return Money(case.detail["contested_minor"], payment.amount_currency)
    if reason is Reason.OVERPAID:
        minor = payment.received_minor - payment.amount_minor
    elif reason in _ALL_OF_IT:
        minor = payment.received_minor
    else:
        minor = payment.amount_minor - payment.received_minor
    return Money(max(minor, 0), payment.amount_currency)


def _sums(members: Iterable[CaseView]) -> Mapping[str, Money]:
    return sums(one.at_risk for one in members if one.at_risk is not None)
