"""The same question without a bell: poll links that are not known as paid, look up unknown outcomes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from db.models import InboxEvent, Link
from db.session import Sessions
from payments import dates, holding, lifecycle
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import GatewayError
from payments.gateways import Gateway, LinkStatus
from payments.hearing import answers, handling
from payments.hearing.handling import AskEach
from payments.lifecycle import Effect, Kind, Source, Status
from payments.live import stages
from payments.watching import standstill

#: Calls of the poll to a gateway, a second, at most.
CALLS_A_SECOND = 5
#: How long the gateway must deny knowing a link before we believe that it was never made.
BELIEVE_MISSING_AFTER = timedelta(minutes=10)


@dataclass(frozen=True)
class Round:
    """What one round of the worker did."""

    events: int = 0
    asked: int = 0
    effects: tuple[Effect, ...] = ()
    errors: tuple[str, ...] = ()

    @property
    def idle(self) -> bool:
        return not (self.events or self.asked or self.errors)


def next_ask(active_at: datetime, *, now: datetime) -> datetime:
    """When to ask again about a link that was last issued, shared or returned from at ``active_at``.

    1, 2 and 4 minutes after it, every 4 minutes to two hours, every 15 to a day, hourly for 30 days, daily.
    """
    age = now - active_at
    for minutes in (1, 2, 4):
        if age < timedelta(minutes=minutes):
            return active_at + timedelta(minutes=minutes)
    if age < timedelta(hours=2):
        return now + timedelta(minutes=4)
    if age < timedelta(days=1):
        return now + timedelta(minutes=15)
    return now + (timedelta(hours=1) if age < timedelta(days=30) else timedelta(days=1))


def due(session: Session, *, now: datetime, limit: int = CALLS_A_SECOND) -> list[int]:
    """Links to ask about now, the most recently active first. Of those active in one moment the one that has
    waited longest: else some of a thousand that were issued together would be passed over again and again."""
    query = select(Link.id).where(Link.next_ask_at <= now)
    query = query.order_by(Link.active_at.desc(), Link.next_ask_at).limit(limit)
    return list(session.scalars(query))


def step(
    sessions: Sessions, gateways: Mapping[str, Gateway], *, now: datetime, ask_each: AskEach = map
) -> Round:
    """One round: finish unhandled events, then ask about the links that are due, five at most.

    While the desk stands still, both wait.
    """
    with sessions.read() as session:
        if standstill.current(session) is not None:
            return Round()
    handled = handling.handle_waiting(sessions, gateways, now=now, ask_each=ask_each)
    effects, errors = list(handled.effects), list(handled.errors)
    with sessions.read() as session:  # only now: about some of them was asked just so
        links = due(session, now=now)
    for link_id in links:
        try:
            effects.append(ask(sessions, gateways, link_id, now=now))
        except GatewayError as error:
            errors.append(str(error))
    return Round(len(handled.effects), len(links), tuple(effects), tuple(errors))


def ask(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    link_id: int,
    *,
    now: datetime,
    source: Source = Source.POLL,
) -> Effect:
    """Ask the gateway about one link and act on its answer.

    Raises GatewayError when there was none; the link then keeps its place in the schedule.
    """
    with sessions.read() as session:
        if standstill.current(session) is not None:
            return Effect.NOTHING
        link = session.get_one(Link, link_id)
        gateway, gateway_reference, wire_reference = link.gateway, link.gateway_reference, link.wire_reference
    try:
        status = _question(gateways[gateway], gateway_reference, wire_reference)
    except GatewayError:
        sessions.run(lambda session: _reschedule(holding.link(session, link_id), now))
        raise

    def act(session: Session) -> Effect:
        link = holding.link(session, link_id)
        _reschedule(link, now)
        if status is None:
            return _not_there(session, link, now, source)
        return answers.apply(session, link_id, status, now=now, source=source)

    return sessions.run(act)


def ask_for(
    sessions: Sessions, gateways: Mapping[str, Gateway], person: Person, link_id: int, *, now: datetime
) -> Effect:
    """``ask``, because somebody at the desk wants to know now; their wish is audited.

    Raises NotAllowed, Conflict (the desk stands still), GatewayError.
    """

    def write_down(session: Session) -> None:
        payment = holding.link(session, link_id).payment
        check(person, Action.ASK_GATEWAY, payment.event_id)
        lifecycle.note(session, payment, Kind.ASKED, now=now, source=Source.DESK, actor=person.name)
        audit.record(session, person, "ask_gateway", payment.reference, now=now, event_id=payment.event_id)

    sessions.run(write_down)
    return ask(sessions, gateways, link_id, now=now, source=Source.DESK)


def ask_history(
    sessions: Sessions, gateways: Mapping[str, Gateway], *, now: datetime, days: int = 2
) -> list[Effect]:
    """The daily sweep: everything the gateway remembers of the last days, acted on where it is ours.

    Answers that name a link that is paid already, or none of ours, change nothing.
    """
    today = dates.business_day(now)
    effects: list[Effect] = []
    with sessions.read() as session:
        if standstill.current(session) is not None:
            return effects
    for name, gateway in gateways.items():
        for status in gateway.history(today - timedelta(days=days), today):
            with sessions.begin() as session:
                ours = select(Link.id).where(
                    Link.gateway == name,
                    Link.gateway_reference == status.gateway_reference,
                    Link.state != "paid",
                )
                link_id = session.scalar(ours)
                if link_id is not None:
                    effects.append(answers.apply(session, link_id, status, now=now, source=Source.POLL))
    return effects


def queues(session: Session, *, now: datetime) -> dict[str, int]:
    """How much waits: events not handled, links due, links whose outcome is unknown."""

    def count(where: ColumnElement[bool]) -> int:
        return session.scalar(select(func.count()).where(where)) or 0

    return {
        "events_unhandled": count(InboxEvent.handled_at.is_(None)),
        "links_due": count(Link.next_ask_at <= now),
        "links_unknown": count(Link.state == "asked"),
    }


def _question(gateway: Gateway, gateway_reference: str | None, wire_reference: str) -> LinkStatus | None:
    if gateway_reference is not None:
        return gateway.status(gateway_reference)
    return gateway.status_by_reference(wire_reference)


def _reschedule(link: Link, now: datetime) -> None:
    if link.next_ask_at is not None:  # else it was paid or refused meanwhile
        link.next_ask_at = next_ask(link.active_at, now=now)


def _not_there(session: Session, link: Link, now: datetime, source: Source) -> Effect:
    """The gateway knows no link for our reference. It may still be making it; later we believe it."""
    payment = holding.payment(session, link.payment_id)
    link.asked_at = now
    if link.state != "asked" or now - link.requested_at < BELIEVE_MISSING_AFTER:
        return Effect.NOTHING
    link.state = "missing"
    by: dict[str, Any] = {"now": now, "source": source, "actor": "iKhokha"}
    lifecycle.note(session, payment, Kind.LINK_MISSING, **by, wire_reference=link.wire_reference)
    if payment.status == Status.CREATED:
        stages.failed_for(session, payment, stages.NOT_MADE, now=now)
        lifecycle.advance(session, payment, Status.FAILED, now=now, source=source, actor="iKhokha")
        return Effect.FAILED
    return Effect.NOTHING
