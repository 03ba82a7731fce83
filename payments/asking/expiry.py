"""Soft expiry: some days after its event an unpaid link is no longer waited for.

The gateway's page cannot be closed, so this is only what we wait for: money that still comes is *paid late*,
because links go on being asked about. Nothing expires on the word of our clock alone. The gateway is asked
about each link first, and by the time it tells with its answers the day must be over there as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Event, EventTerms, Link, Payment
from db.session import Sessions
from payments import dates, holding, lifecycle
from payments.errors import GatewayError
from payments.gateways import Gateway
from payments.hearing import sync
from payments.lifecycle import Source, Status
from payments.selling import terms
from payments.selling.terms import Terms
from payments.watching import standstill

#: What may expire: nobody has paid any of it, and nobody says that money is on its way.
ENDABLE = (Status.OPEN, Status.FAILED)
#: When all were looked at, the next look begins after this.
LOOK_AGAIN = timedelta(hours=1)


@dataclass(frozen=True)
class Ended:
    """What one step did: payments that expired, questions asked, what went wrong."""

    expired: int = 0
    asked: int = 0
    errors: tuple[str, ...] = ()


class Expiry:
    """Looks along the payments of events that are over, a few questions at a time."""

    def __init__(self, sessions: Sessions, gateways: Mapping[str, Gateway]) -> None:
        self._sessions = sessions
        self._gateways = gateways
        self._after = 0
        self._look_at: datetime | None = None

    def forget(self) -> None:
        """The clock was set back: begin anew."""
        self._after, self._look_at = 0, None

    def step(self, *, now: datetime, calls: int) -> Ended:
        """Ask about the next few payments that are due and expire them, with about ``calls`` questions."""
        if calls <= 0 or (self._look_at is not None and now < self._look_at):
            return Ended()
        with self._sessions.read() as session:
            if standstill.current(session) is not None:
                return Ended()
            found = _due(session, self._after, now=now, limit=calls)
        if not found:
            self._after, self._look_at = 0, now + LOOK_AGAIN
            return Ended()
        expired = asked = 0
        for payment_id in found:
            if asked >= calls:
                break
            self._after = payment_id
            try:
                asked += self._ask(payment_id, now)
            except GatewayError as error:
                self._look_at = now + LOOK_AGAIN
                return Ended(expired, asked + 1, (str(error),))
            expired += self._end(payment_id, now)
        return Ended(expired, asked)

    def _ask(self, payment_id: int, now: datetime) -> int:
        """The gateway's word on each of a payment's links, and how many questions that took."""
        with self._sessions.read() as session:
            payment = session.get_one(Payment, payment_id)
            links = [
                link.id
                for link in payment.links
                if link.state in ("asked", "open") and not dates.lately(link.asked_at, now=now)
            ]
        for link_id in links:
            sync.ask(self._sessions, self._gateways, link_id, now=now)
        return len(links)

    def _end(self, payment_id: int, now: datetime) -> bool:
        """As it is on disk now: the answers may have been money."""

        def end(session: Session) -> bool:
            payment = holding.payment(session, payment_id)
            last = _last_day(payment, terms.of(session, payment.event_id))
            if last is None or payment.status not in ENDABLE or not self._is_over(payment, last, now):
                return False
            lifecycle.advance(
                session, payment, Status.EXPIRED, now=now, source=Source.WORKER, actor="Paydesk",
                last_day=last.isoformat(),
            )  # fmt: skip
            return True

        return self._sessions.run(end)

    def _is_over(self, payment: Payment, last: date, now: datetime) -> bool:
        """By our clock and by the gateway's, which was asked about every link just now."""
        if any(link.state == "asked" for link in payment.links):
            return False  # nobody knows yet whether it exists
        told = self._gateways[payment.links[-1].gateway].told_time()
        asked = all(dates.lately(link.asked_at, now=now) for link in payment.links if link.state == "open")
        return asked and told is not None and min(dates.business_day(told), dates.business_day(now)) > last


def _due(session: Session, after: int, *, now: datetime, limit: int) -> list[int]:
    """Payments past their last day, by their ids from ``after`` on."""
    today = dates.business_day(now)
    events = (
        select(Event.id, Event.ends_on, EventTerms)
        .outerjoin(EventTerms, EventTerms.event_id == Event.id)
        .where(Event.ends_on < today)
    )
    found: list[int] = []
    for event_id, ends_on, row in session.execute(events).all():
        settled = terms.view(row) if row is not None else Terms()
        last = settled.last_day(ends_on)
        if last is None or settled.expire_days is None or last >= today:
            continue
        quiet_since = dates.day_span(today - timedelta(days=settled.expire_days)).start
        links = select(Link.id).where(Link.payment_id == Payment.id)
        waiting = (
            select(Payment.id)
            .where(Payment.event_id == event_id, Payment.status.in_(ENDABLE), Payment.id > after)
            .where(links.exists(), ~links.where(Link.active_at >= quiet_since).exists())
        )
        found += session.scalars(waiting.order_by(Payment.id).limit(limit))
    return sorted(found)[:limit]


def _last_day(payment: Payment, settled: Terms) -> date | None:
    """Counted from the event's end, or from when somebody last gave the link out or came back from it."""
    active = max(dates.business_day(link.active_at) for link in payment.links)
    return settled.last_day(max(payment.event.ends_on, active))
