"""How the desk is doing: what came last, what waits, and the messages that a person may want to see."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from db.models import InboxEvent, OutboxMail, UnverifiedEvent
from payments.access.people import Action, Person, check
from payments.books import integrity
from payments.finding.conditions import MAIL_DECIDED, MAIL_FAILED
from payments.hearing import sync
from payments.keeping import backups
from payments.watching import alerts, health, stand_in, standstill, watch
from payments.watching.alerts import AlertView, Kind, Severity
from payments.working import worker


@dataclass(frozen=True)
class Vitals:
    """``waiting`` are queue depths by name; ``mail_failed`` were given up: of so many payments that nobody
    decided about, and so many of none."""

    last_event_at: datetime | None
    pulse: worker.Pulse
    waiting: Mapping[str, int]
    mail_queued: int
    mail_failed: int
    mail_failed_payments: int
    mail_failed_apart: int


@dataclass(frozen=True)
class Health:
    """All that tells how the desk is. ``slowest`` is the longest that one of the newest messages took
    until it was acted on, ``waited`` how long one has waited that still is not."""

    vitals: Vitals
    reach: watch.Reach | None
    report: integrity.Report | None
    standstill: standstill.Standstill | None
    alerts: tuple[AlertView, ...]
    slowest: timedelta | None
    waited: timedelta | None
    database_bytes: int
    backups: backups.State


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
    payments = select(func.count(OutboxMail.payment_id.distinct())).where(MAIL_FAILED, ~MAIL_DECIDED)
    apart = select(func.count()).where(MAIL_FAILED, OutboxMail.payment_id.is_(None))
    return Vitals(
        last_event_at=session.scalar(select(func.max(InboxEvent.last_seen_at))),
        pulse=worker.pulse(session),
        waiting=sync.queues(session, now=now),
        mail_queued=mail.get("queued", 0),
        mail_failed=mail.get("failed", 0),
        mail_failed_payments=session.scalar(payments) or 0,
        mail_failed_apart=session.scalar(apart) or 0,
    )


def healthy(session: Session, person: Person, *, now: datetime) -> Health:
    """Everything at once, for the page and for ``/metrics``."""
    newest = select(InboxEvent.received_at, InboxEvent.handled_at).order_by(InboxEvent.id.desc()).limit(20)
    took = [handled - received for received, handled in session.execute(newest) if handled is not None]
    return Health(
        vitals=vitals(session, person, now=now),
        reach=watch.reach(session),
        report=integrity.last(session),
        standstill=standstill.current(session),
        alerts=troubles(session, now=now),
        slowest=max(took, default=None),
        waited=health.oldest_due(session, now=now),
        database_bytes=_size(session),
        backups=backups.state(session),
    )


def troubles(session: Session, *, now: datetime) -> tuple[AlertView, ...]:
    """What is wrong now, the worst first. That the worker does not run comes first: it finds the others.

    Its alert is opened minutes later by the stand-in, and ends minutes after it is back; here it is told
    at once, and no longer than it is true.
    """
    pulse, told = worker.pulse(session), alerts.active(session)
    if pulse.alive(now=now):
        return tuple(alert for alert in told if alert.kind is not Kind.WORKER)
    if any(alert.kind is Kind.WORKER for alert in told):
        return tuple(told)
    works = alerts.STILL_WORKS[Kind.WORKER]
    dead = AlertView(None, Kind.WORKER, Severity.BAD, stand_in.SENTENCE, works, pulse.seen_at, None)
    return (dead, *told)


def _size(session: Session) -> int:
    if session.get_bind().dialect.name == "postgresql":
        return int(session.scalars(text("SELECT pg_database_size(current_database())")).one())
    pages, size = (session.scalars(text(f"PRAGMA page_{name}")).one() for name in ("count", "size"))
    return int(pages) * int(size)


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
