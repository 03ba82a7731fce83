"""What became of the payments made today: how far each came, why some failed, how each hour's stand now."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import LiveHour, MadeHour
from payments.dates import SAST, Span, business_day, day_span
from payments.finding.conditions import Filter
from payments.finding.grammar import GROUPS
from payments.lifecycle import Status
from payments.live.figures import Figure, Pile
from payments.live.stages import Stage
from payments.live.takings import HOUR, in_scope
from payments.live.tallies import MADE


class Outcome(StrEnum):
    """How payments stand, as people at a desk speak of it."""

    PAID = "paid"
    WAITING = "waiting"
    FAILED = "failed"
    CLOSED = "closed"
    RETURNED = "returned"


STATUSES: Mapping[Outcome, tuple[Status, ...]] = {
    Outcome.PAID: (Status.PAID,),
    Outcome.WAITING: GROUPS["pending"],
    Outcome.FAILED: (Status.FAILED,),
    Outcome.CLOSED: GROUPS["closed"],
    Outcome.RETURNED: GROUPS["returned"],
}
_OUTCOME = {status: outcome for outcome, statuses in STATUSES.items() for status in statuses}


@dataclass(frozen=True)
class Step:
    """A stage, who came to it or further, and who came no further than the one before it."""

    stage: Stage
    reached: Figure
    stayed: Figure


@dataclass(frozen=True)
class HourMade:
    """The payments made in one hour of today, by how they stand now."""

    hour_sast: int
    outcomes: Mapping[Outcome, Figure]


@dataclass(frozen=True)
class Made:
    """``failures`` are those of today's payments that stand as failed, by why, the most frequent first."""

    all: Figure
    outcomes: Mapping[Outcome, Figure]
    steps: tuple[Step, ...]
    failures: tuple[tuple[str, Figure], ...]
    per_hour: tuple[HourMade, ...]


def made(session: Session, scope: frozenset[int] | None, *, now: datetime) -> Made:
    """The payments made today for the events in ``scope``; None is all of them."""
    today = day_span(business_day(now))
    whole = Pile()
    stages: defaultdict[tuple[Stage, ...], Pile] = defaultdict(Pile)
    failures: defaultdict[str, Pile] = defaultdict(Pile)
    hours: defaultdict[tuple[datetime, Outcome], Pile] = defaultdict(Pile)
    outcomes: defaultdict[Outcome, Pile] = defaultdict(Pile)
    for hour, status, stage, failure, currency, count, minor in _rows(session, scope, today):
        outcome = _OUTCOME[Status(status)]
        piles = [whole, outcomes[outcome], hours[hour, outcome]]
        piles += [stages[few] for few in _FEW if stage in few]
        piles += [failures[failure]] if outcome is Outcome.FAILED else []
        for pile in piles:
            pile.add(count, minor, currency)
    return Made(
        all=whole.figure(Filter(created=today)),
        outcomes={
            outcome: outcomes[outcome].figure(Filter(created=today, statuses=statuses))
            for outcome, statuses in STATUSES.items()
        },
        steps=tuple(_step(stage, stages, today) for stage in _STEPS),
        failures=_failures(failures, today),
        per_hour=tuple(_hour(nth, hours, today) for nth in range(24)),
    )


def _rows(session: Session, scope: frozenset[int] | None, day: Span) -> Iterator[Any]:
    """Hour, status, stage, failure, currency, count and sum; of all events as they are kept together."""
    if scope is None:
        told = (LiveHour.hour, LiveHour.key, LiveHour.currency, LiveHour.count, LiveHour.sum_minor)
        kept = select(*told).where(
            LiveHour.hour >= day.start, LiveHour.hour < day.end, LiveHour.measure == MADE
        )
        for hour, key, *rest in session.execute(kept):
            yield hour, *key.split(" ", 2), *rest
        return
    what = (MadeHour.hour, MadeHour.status, MadeHour.stage, MadeHour.failure, MadeHour.currency)
    query = (
        select(*what, func.sum(MadeHour.count), func.sum(MadeHour.sum_minor))
        .where(MadeHour.hour >= day.start, MadeHour.hour < day.end, *in_scope(MadeHour.event_id, scope))
        .group_by(*what)
    )
    yield from session.execute(query)


_ALL = list(Stage)
_STEPS = _ALL[1:]
_FURTHER = {stage: tuple(_ALL[_ALL.index(stage) :]) for stage in _STEPS}
_FEW = [*_FURTHER.values(), *((stage,) for stage in _ALL[:-1])]


def _step(stage: Stage, piles: Mapping[tuple[Stage, ...], Pile], today: Span) -> Step:
    before = (_ALL[_ALL.index(stage) - 1],)

    def figure(few: tuple[Stage, ...]) -> Figure:
        return piles[few].figure(Filter(created=today, stages=few))

    return Step(stage, figure(_FURTHER[stage]), figure(before))


def _failures(piles: Mapping[str, Pile], today: Span) -> tuple[tuple[str, Figure], ...]:
    figures = [
        (why, pile.figure(Filter(created=today, statuses=(Status.FAILED,), failures=(why,))))
        for why, pile in piles.items()
    ]
    there = [(why, figure) for why, figure in figures if figure.count]
    return tuple(sorted(there, key=lambda one: (-one[1].count, one[0])))


def _hour(nth: int, piles: Mapping[tuple[datetime, Outcome], Pile], today: Span) -> HourMade:
    at = today.start + nth * HOUR
    span = Span(at, at + HOUR)
    return HourMade(
        at.astimezone(SAST).hour,
        {
            outcome: piles[at, outcome].figure(Filter(created=span, statuses=statuses))
            for outcome, statuses in STATUSES.items()
        },
    )
