"""The inbox for people: what gateways sent, what it led to; acting on it again, or never.

Acting again asks the gateway, as a new message would. A dry run does all of it in a transaction that is
undone at its end: it cannot promise what the run would not do.
"""

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from db.models import Case, InboxEvent, Link, Payment, UnverifiedEvent
from db.session import Sessions
from payments import holding, lifecycle
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.dates import Span
from payments.deciding import lookout
from payments.deciding.attention import reason_given
from payments.deciding.cases import Decision
from payments.errors import Conflict, GatewayError, InvalidInput, NotFound
from payments.gateways import Gateway, LinkStatus
from payments.hearing import inbox
from payments.hearing.inbox import Question
from payments.lifecycle import Effect, Kind, Review, Source, Status

LARGEST_PAGE = 200
#: How many messages one run acts on again: the gateway is asked once a link.
MOST_AT_ONCE = 200


class View(StrEnum):
    """Which messages to list. All but the last were proved to be the gateway's."""

    ALL = "all"
    HANDLED = "handled"
    UNHANDLED = "unhandled"
    UNKNOWN_PAYMENT = "unknown_payment"
    UNREADABLE = "unreadable"
    IGNORED = "ignored"
    BAD_SIGNATURE = "bad_signature"


@dataclass(frozen=True)
class MessageRow:
    """A message on the list. ``effect`` is what it led to, "" while nothing has; ``reference`` its payment.

    ``proved`` is False for what was not signed by the gateway: then ``why`` tells what was wrong with it.
    """

    id: int
    proved: bool
    received_at: datetime
    gateway_reference: str | None
    told_reference: str | None
    word: str | None
    reference: str | None
    effect: str
    handled_at: datetime | None
    seen_count: int
    last_seen_at: datetime
    attempts: int
    next_try_at: datetime | None
    why: str
    ignored_by: str | None

    @property
    def took(self) -> timedelta | None:
        """From its arrival until it was acted on."""
        return self.handled_at - self.received_at if self.handled_at and not self.ignored_by else None


@dataclass(frozen=True)
class Message:
    """One message, as it came."""

    row: MessageRow
    path: str
    headers: Mapping[str, str]
    body: str
    address: str


@dataclass(frozen=True)
class Page:
    rows: tuple[MessageRow, ...]
    number: int
    more: bool


@dataclass(frozen=True)
class Step:
    """What acting again on one message changes, or changed: the payment as it was, what the gateway says now,
    the payment as it becomes. ``error`` is why the gateway could not be asked."""

    inbox_id: int
    received_at: datetime
    reference: str | None
    was: Status | None
    flagged: Review | None
    says: str | None
    becomes: Status | None
    flags: Review | None
    effect: Effect
    error: str

    @property
    def changes(self) -> bool:
        return (self.was, self.flagged) != (self.becomes, self.flags)


# -- what there is ------------------------------------------------------------------------------------


def messages(session: Session, person: Person, view: View, *, number: int = 1, size: int = 50) -> Page:
    """The ``number``-th page of messages, the newest first."""
    check(person, Action.SEE_INBOX)
    if number < 1 or not 1 <= size <= LARGEST_PAGE:
        raise InvalidInput(f"Pages count from 1 and hold 1 to {LARGEST_PAGE} messages.")
    window = {"limit": size + 1, "offset": (number - 1) * size}
    found = _unproved(session, **window) if view is View.BAD_SIGNATURE else _proved(session, view, **window)
    return Page(tuple(found[:size]), number, more=len(found) > size)


def capped_count(session: Session, person: Person, view: View, *, cap: int = 10_000) -> int:
    """How many messages a view lists, at most ``cap``."""
    check(person, Action.SEE_INBOX)
    table = UnverifiedEvent if view is View.BAD_SIGNATURE else InboxEvent
    some = select(table.id).where(*_VIEWS.get(view, ())).limit(cap)
    return session.scalar(select(func.count()).select_from(some.subquery())) or 0


def get(session: Session, person: Person, message_id: int, *, proved: bool = True) -> Message:
    """One message with its body and headers. Raises NotFound."""
    check(person, Action.SEE_INBOX)
    if proved and (event := session.get(InboxEvent, message_id)) is not None:
        return _message(_row(event, _reference(session, event.payment_id)), event)
    if not proved and (claim := session.get(UnverifiedEvent, message_id)) is not None:
        return _message(_claim(claim), claim, claim.address)
    raise NotFound("There is no such message here. The oldest unproved ones make room for new ones.")


def _message(row: MessageRow, event: InboxEvent | UnverifiedEvent, address: str = "") -> Message:
    body = event.body.decode("utf-8", "backslashreplace")
    return Message(row, event.path, event.headers, body, address)


def _proved(session: Session, view: View, *, limit: int, offset: int) -> list[MessageRow]:
    rows = (
        select(InboxEvent, Payment.reference)
        .outerjoin(Payment, Payment.id == InboxEvent.payment_id)
        .where(*_VIEWS[view])
        .order_by(InboxEvent.id.desc())
    )
    return [_row(event, reference) for event, reference in session.execute(rows.limit(limit).offset(offset))]


def _unproved(session: Session, *, limit: int, offset: int) -> list[MessageRow]:
    rows = select(UnverifiedEvent).order_by(UnverifiedEvent.id.desc()).limit(limit).offset(offset)
    return [_claim(event) for event in session.scalars(rows)]


_WAITS = InboxEvent.handled_at.is_(None)
_VIEWS: Mapping[View, tuple[ColumnElement[bool], ...]] = {
    View.ALL: (),
    View.HANDLED: (InboxEvent.handled_at.is_not(None), InboxEvent.ignored_by.is_(None)),
    View.UNHANDLED: (_WAITS,),
    View.UNKNOWN_PAYMENT: (_WAITS, InboxEvent.effect == inbox.UNMATCHED),
    View.UNREADABLE: (_WAITS, InboxEvent.effect == inbox.UNREADABLE),
    View.IGNORED: (InboxEvent.ignored_by.is_not(None),),
}


def _row(event: InboxEvent, reference: str | None) -> MessageRow:
    return MessageRow(
        id=event.id,
        proved=True,
        received_at=event.received_at,
        gateway_reference=event.gateway_reference,
        told_reference=event.reference,
        word=event.word,
        reference=reference,
        effect=event.effect or "",
        handled_at=event.handled_at,
        seen_count=event.seen_count,
        last_seen_at=event.last_seen_at,
        attempts=event.attempts,
        next_try_at=event.next_try_at,
        why=event.ignored_why or event.last_error or "",
        ignored_by=event.ignored_by,
    )


def _claim(event: UnverifiedEvent) -> MessageRow:
    return MessageRow(
        id=event.id,
        proved=False,
        received_at=event.received_at,
        gateway_reference=event.gateway_reference,
        told_reference=None,
        word=None,
        reference=None,
        effect="",
        handled_at=None,
        seen_count=event.seen_count,
        last_seen_at=event.last_seen_at,
        attempts=0,
        next_try_at=None,
        why=event.reason,
        ignored_by=None,
    )


def _reference(session: Session, payment_id: int | None) -> str | None:
    return session.get_one(Payment, payment_id).reference if payment_id is not None else None


# -- never, and yet -----------------------------------------------------------------------------------


def ignore(session: Session, person: Person, inbox_id: int, why: str, *, now: datetime) -> None:
    """Nothing acts on this message any more; its case is closed with it.

    Raises Conflict for one that was acted on, InvalidInput for a reason too short, NotFound, NotAllowed.
    """
    row = _to_change(session, person, inbox_id)
    if row.handled_at is not None:
        raise Conflict("This message was acted on already; there is nothing to ignore.")
    reason = reason_given(why)
    inbox.ignore(session, row, by=person.name, why=reason, now=now)
    by: dict[str, Any] = {"now": now, "source": Source.DESK, "actor": person.name}
    for case in session.scalars(select(Case).where(Case.inbox_id == inbox_id, Case.closed_at.is_(None))):
        lifecycle.close_case(session, case, Decision.IGNORED, reason, **by)
    if row.payment_id is not None:
        payment = holding.payment(session, row.payment_id)
        text = f"A message of the gateway is ignored: {reason}"
        lifecycle.note(session, payment, Kind.NOTE, **by, text=text, inbox=row.id)
    audit.record(session, person, "ignore_message", f"message {inbox_id}", now=now, why=reason)


def take_up(session: Session, person: Person, inbox_id: int, *, now: datetime) -> None:
    """Undo ``ignore``: the message waits to be acted on again."""
    row = _to_change(session, person, inbox_id)
    if row.ignored_by is None:
        raise Conflict("This message is not ignored.")
    was = row.ignored_why
    inbox.take_up(session, row, now=now)
    audit.record(session, person, "take_up_message", f"message {inbox_id}", now=now, was=was)


def _to_change(session: Session, person: Person, inbox_id: int) -> InboxEvent:
    check(person, Action.PROCESS_EVENTS)
    query = select(InboxEvent).where(InboxEvent.id == inbox_id).with_for_update()
    row = session.scalar(query.execution_options(populate_existing=True))
    if row is None:
        raise NotFound("There is no such message here.")
    return row


# -- again --------------------------------------------------------------------------------------------


class _Undo(Exception):
    """Ends a dry run: what it did is rolled back."""


def in_span(session: Session, person: Person, span: Span) -> tuple[list[int], bool]:
    """The messages received in a span that may be acted on again, the oldest first, as many as one run
    takes; and whether there are more. Ignored and unreadable ones are left alone."""
    check(person, Action.SEE_INBOX)
    wanted = select(InboxEvent.id).where(
        InboxEvent.received_at >= span.start,
        InboxEvent.received_at < span.end,
        InboxEvent.ignored_by.is_(None),
        InboxEvent.gateway_reference.is_not(None),
    )
    ids = list(session.scalars(wanted.order_by(InboxEvent.id).limit(MOST_AT_ONCE + 1)))
    return ids[:MOST_AT_ONCE], len(ids) > MOST_AT_ONCE


def dry_run(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    person: Person,
    ids: Sequence[int],
    *,
    now: datetime,
) -> tuple[Step, ...]:
    """What ``run`` would do now, by doing it and undoing it: nothing is written. The gateway is asked."""
    check(person, Action.PROCESS_EVENTS)
    said = _ask(sessions, gateways, ids, now)
    steps: list[Step] = []
    with suppress(_Undo), sessions.begin() as session:
        steps = [_step(session, inbox_id, said, now) for inbox_id in ids]
        raise _Undo
    return tuple(steps)


def run(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    person: Person,
    ids: Sequence[int],
    *,
    now: datetime,
) -> tuple[Step, ...]:
    """Act on these messages again, each in a transaction of its own, in the order given.

    A gateway that could not be asked stands in the step's ``error``; that message is tried again later.
    """
    with sessions.begin() as session:
        check(person, Action.PROCESS_EVENTS)
        told = ", ".join(str(inbox_id) for inbox_id in ids)
        audit.record(session, person, "process_messages", f"messages {told}", now=now)
    said = _ask(sessions, gateways, ids, now)
    steps = []
    for inbox_id in ids:
        with sessions.begin() as session:
            steps.append(_step(session, inbox_id, said, now))
    return tuple(steps)


_Said = Mapping[tuple[str, str], LinkStatus | GatewayError]


def _ask(sessions: Sessions, gateways: Mapping[str, Gateway], ids: Iterable[int], now: datetime) -> _Said:
    """The gateway's word on every link these messages are about, each asked for once."""
    with sessions.read() as session:
        questions = [inbox.question_of(session, _existing(session, one), now=now) for one in ids]
    wanted = {_key(question): question for question in questions if question and question.link_id is not None}
    return {key: inbox.ask(gateways, question) for key, question in wanted.items()}


def _existing(session: Session, inbox_id: int) -> int:
    row = session.get(InboxEvent, inbox_id)
    if row is None:
        raise NotFound("There is no such message here.")
    if row.ignored_by is not None:
        raise Conflict(f"Message {inbox_id} is ignored. Take it up again first.")
    if row.gateway_reference is None:
        raise Conflict(f"Message {inbox_id} cannot be read, so there is nothing to act on.")
    return inbox_id


def _key(question: Question) -> tuple[str, str]:
    return question.gateway, question.gateway_reference


def _step(session: Session, inbox_id: int, said: _Said, now: datetime) -> Step:
    row = session.get_one(InboxEvent, inbox_id)
    question = inbox.question_of(session, inbox_id, now=now)
    payment = _payment(session, question, row)
    was, flagged = _standing(payment)
    answer = said.get(_key(question)) if question and question.link_id is not None else None
    effect = Effect.NOTHING
    if question is not None and (answer is not None or question.link_id is None):
        effect = inbox.conclude(session, inbox_id, question, answer, now=now)
    session.flush()
    lookout.look_at_event(session, inbox_id, now=now)
    becomes, flags = _standing(payment)
    return Step(
        inbox_id=inbox_id,
        received_at=row.received_at,
        reference=payment.reference if payment else None,
        was=was,
        flagged=flagged,
        says=answer.word if isinstance(answer, LinkStatus) else None,
        becomes=becomes,
        flags=flags,
        effect=effect,
        error=str(answer) if isinstance(answer, GatewayError) else "",
    )


def _payment(session: Session, question: Question | None, row: InboxEvent) -> Payment | None:
    if question is not None and question.link_id is not None:
        return session.get_one(Link, question.link_id).payment
    return session.get(Payment, row.payment_id) if row.payment_id is not None else None


def _standing(payment: Payment | None) -> tuple[Status | None, Review | None]:
    if payment is None:
        return None, None
    return Status(payment.status), Review(payment.review) if payment.review else None
