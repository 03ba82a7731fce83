"""How far payers came today, apart: by event, by how their money came, by the hour they were asked.

The live page asks for it where somebody chose so, and not otherwise. By event and by hour it comes from the
running totals. They do not know methods: by method today's payments are counted, and no others.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Event, MadeHour, Payment
from payments.dates import Span, business_day, day_span
from payments.finding.conditions import Filter
from payments.lifecycle import Method
from payments.live.funnel import Funnel, Step
from payments.live.takings import HOUR, in_scope


class By(StrEnum):
    EVENT = "event"
    METHOD = "method"
    HOUR = "hour"


@dataclass(frozen=True)
class Part:
    """The steps of one event, method or hour. ``key`` is the event's name, the method's word ("" while no
    money came), or the hour's start."""

    key: str | datetime
    steps: tuple[Step, ...]


def split(session: Session, scope: frozenset[int] | None, by: By, *, now: datetime) -> tuple[Part, ...]:
    """Of the payments made today of the events in ``scope``; None is all of them. Events by how many were
    made for them, the most first; methods and hours in their order. Those that nobody was asked in are not
    there."""
    today = day_span(business_day(now))
    read = {By.EVENT: _by_event, By.METHOD: _by_method, By.HOUR: _by_hour}[by]
    return tuple(Part(key, funnel.steps(wanted)) for key, funnel, wanted in read(session, scope, today))


_Apart = list[tuple[str | datetime, Funnel, Filter]]


def _by_event(session: Session, scope: frozenset[int] | None, today: Span) -> _Apart:
    found = _kept(session, scope, today, MadeHour.event_id)
    events = session.execute(select(Event.id, Event.code, Event.name).where(Event.id.in_(found))).all()
    each = [(name, found[event_id], Filter(created=today, events=(code,))) for event_id, code, name in events]
    return sorted(each, key=lambda one: (-one[1].count, one[0]))


def _by_hour(session: Session, scope: frozenset[int] | None, today: Span) -> _Apart:
    found = _kept(session, scope, today, MadeHour.hour)
    return [(hour, found[hour], Filter(created=Span(hour, hour + HOUR))) for hour in sorted(found)]


def _kept(session: Session, scope: frozenset[int] | None, today: Span, key: Any) -> Mapping[Any, Funnel]:
    by = (key, MadeHour.stage, MadeHour.currency)
    sums = select(*by, func.sum(MadeHour.count), func.sum(MadeHour.sum_minor)).group_by(*by)
    hours = (MadeHour.hour >= today.start, MadeHour.hour < today.end)
    return _apart(session.execute(sums.where(*hours, *in_scope(MadeHour.event_id, scope))))


def _by_method(session: Session, scope: frozenset[int] | None, today: Span) -> _Apart:
    by = (func.coalesce(Payment.method, ""), Payment.stage, Payment.amount_currency)
    counts = select(*by, func.count(), func.sum(Payment.amount_minor)).group_by(*by)
    moments = (Payment.created_at >= today.start, Payment.created_at < today.end)
    found = _apart(session.execute(counts.where(*moments, *in_scope(Payment.event_id + 0, scope))))
    each: _Apart = [
        (way, found[way], Filter(created=today, methods=(way,))) for way in Method if way in found
    ]
    if "" in found:
        each.append(("", found[""], Filter(created=today, not_methods=tuple(Method))))
    return each


def _apart(rows: Any) -> Mapping[Any, Funnel]:
    found: defaultdict[Any, Funnel] = defaultdict(Funnel)
    for key, stage, currency, count, minor in rows:
        if count:
            found[key].add(stage, count, minor, currency)
    return found
