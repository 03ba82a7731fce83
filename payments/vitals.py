"""How the desk is doing: what came last, what waits, and the messages that a person may want to see."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import InboxEvent, OutboxMail, UnverifiedEvent
from payments import sync, worker
from payments.people import Action, Person, check


@dataclass(frozen=True)
class Vitals:
    """``waiting`` are queue depths by name; ``mail_failed`` were given up."""

    last_event_at: datetime | None
    pulse: worker.Pulse
    waiting: Mapping[str, int]
    mail_queued: int
    mail_failed: int


@dataclass(frozen=True)
class MessageView:
    """A message of a gateway, or one that claims to be: then ``proved`` is False, and ``effect`` says why."""

    received_at: datetime
    proved: bool
    gateway_reference: str | None
    word: str | None
    effect: str
    seen_count: int
    handled: bool
    body: str


def vitals(session: Session, person: Person, *, now: datetime) -> Vitals:
    check(person, Action.MANAGE_SETTINGS)
    mails = select(OutboxMail.state, func.count()).group_by(OutboxMail.state)
    mail: dict[str, int] = {state: count for state, count in session.execute(mails)}  # noqa: C416
    return Vitals(
        last_event_at=session.scalar(select(func.max(InboxEvent.last_seen_at))),
        pulse=worker.pulse(session),
        waiting=sync.queues(session, now=now),
        mail_queued=mail.get("queued", 0),
        mail_failed=mail.get("failed", 0),
    )


def messages(session: Session, person: Person, *, limit: int = 20) -> list[MessageView]:
    """The messages that came last, proved or not, the newest first."""
    check(person, Action.SEE_INBOX)
    proved = session.scalars(select(InboxEvent).order_by(InboxEvent.id.desc()).limit(limit))
    claims = session.scalars(select(UnverifiedEvent).order_by(UnverifiedEvent.id.desc()).limit(limit))
    told = [_proved(event) for event in proved] + [_claim(event) for event in claims]
    return sorted(told, key=lambda message: message.received_at, reverse=True)[:limit]


def _proved(event: InboxEvent) -> MessageView:
    return MessageView(
        received_at=event.received_at,
        proved=True,
        gateway_reference=event.gateway_reference,
        word=event.word,
        effect=event.last_error or event.effect or "waits",
        seen_count=event.seen_count,
        handled=event.handled_at is not None,
        body=event.body.decode("utf-8", "backslashreplace"),
    )


def _claim(event: UnverifiedEvent) -> MessageView:
    return MessageView(
        received_at=event.received_at,
        proved=False,
        gateway_reference=event.gateway_reference,
        word=None,
        effect=event.reason,
        seen_count=event.seen_count,
        handled=True,
        body=event.body.decode("utf-8", "backslashreplace"),
    )
