"""A simulated season of payments that wait, as the rows of a desk."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.orm import Session

from db.models import Event, Payment, Receipt, TimelineEntry
from payments.dates import business_day, day_span
from payments.lifecycle import Kind, Status
from simulator.waiting import Fair, Season, Waited
from tests.desk import make_event
from tests.samples import make_payment


def fill(session: Session, season: Season, *, today: int, now: datetime, fairs: Iterable[int]) -> list[Event]:
    """The season's day ``today`` is the day of ``now``; some of its events, and nothing after ``now``."""
    first = day_span(business_day(now)).start - timedelta(days=today)

    def at(day: float) -> datetime:
        return first + timedelta(days=day)

    wanted = set(fairs)
    events = {fair.number: _event(session, fair, at) for fair in season.fairs if fair.number in wanted}
    for number, one in enumerate(one for one in season.payments if one.fair.number in wanted):
        if at(one.began) <= now:
            _play(session, one, events[one.fair.number], number, at, now)
    return list(events.values())


def _event(session: Session, fair: Fair, at: Any) -> Event:
    event = make_event(session, f"fair-{fair.number}", now=at(fair.opens))
    event.starts_on = business_day(at(fair.starts))
    event.ends_on = business_day(at(fair.over - 1))
    session.flush()
    return event


def _play(session: Session, one: Waited, event: Event, number: int, at: Any, now: datetime) -> None:
    """The rows that would be there; by way of ``lifecycle`` hundreds of them take a minute."""
    began, ended = at(one.began), at(one.ended)
    done = ended <= now
    status = (Status.PAID if one.paid else Status.EXPIRED) if done else Status.OPEN
    got = one.minor if status is Status.PAID else 0
    payment = make_payment(
        session, event, now=began, status=status, amount_minor=one.minor, received_minor=got,
        paid_at=ended if got else None, method="eft" if got else None,
        link=f"gw{number:08d}" if one.channel == "link" else None,
        origin="api" if one.channel == "api" else "desk",
    )  # fmt: skip
    _tell(session, payment, Kind.CREATED, began)
    _tell(session, payment, Kind.STATUS, began, was="created", became="open")
    payment.updated_at = ended if done else began
    if done:
        _tell(session, payment, Kind.STATUS, ended, was="open", became=str(status))
    if got:
        session.add(
            Receipt(
                payment_id=payment.id, kind="eft", source_reference=f"w{number}", amount=payment.amount,
                received_at=ended, recorded_by="Thandi",
            )
        )  # fmt: skip


def _tell(session: Session, payment: Payment, kind: Kind, at: datetime, **detail: str) -> None:
    session.add(
        TimelineEntry(payment_id=payment.id, at=at, kind=kind, source="desk", actor="Thandi", detail=detail)
    )
