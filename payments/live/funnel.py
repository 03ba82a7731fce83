"""What became of the payments made today: how far each came, why some failed, how each hour's stand now."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any

from payments.dates import SAST, Span, business_day, day_span
from payments.finding.conditions import Filter
from payments.finding.grammar import GROUPS
from payments.lifecycle import Status
from payments.live.figures import Figure, Pile
from payments.live.stages import FURTHER, Stage
from payments.live.takings import HOUR
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


def made(kept: Iterable[Any], *, now: datetime) -> Made:
    """The payments made today. ``kept`` is ``tallies.of_day``."""
    today = day_span(business_day(now))
    whole, funnel = Pile(), Funnel()
    failures: defaultdict[str, Pile] = defaultdict(Pile)
    hours: defaultdict[tuple[datetime, Outcome], Pile] = defaultdict(Pile)
    outcomes: defaultdict[Outcome, Pile] = defaultdict(Pile)
    for hour, measure, key, currency, count, minor in kept:
        if measure != MADE:
            continue
        status, stage, failure = key.split(" ", 2)
        outcome = _OUTCOME[Status(status)]
        piles = [whole, outcomes[outcome], hours[hour, outcome]]
        funnel.add(stage, count, minor, currency)
        piles += [failures[failure]] if outcome is Outcome.FAILED else []
        for pile in piles:
            pile.add(count, minor, currency)
    return Made(
        all=whole.figure(Filter(created=today)),
        outcomes={
            outcome: outcomes[outcome].figure(Filter(created=today, statuses=statuses))
            for outcome, statuses in STATUSES.items()
        },
        steps=funnel.steps(Filter(created=today)),
        failures=_failures(failures, today),
        per_hour=tuple(_hour(nth, hours, today) for nth in range(24)),
    )


_FEW = tuple(dict.fromkeys([*FURTHER.values(), *((stage,) for stage in Stage)]))  # paid is both


class Funnel:
    """Payments being added up by how far their payers came."""

    def __init__(self) -> None:
        self._piles: defaultdict[tuple[Stage, ...], Pile] = defaultdict(Pile)
        self.count = 0

    def add(self, stage: str, count: int, minor: int, currency: str) -> None:
        self.count += int(count)
        for few in _FEW:
            if stage in few:
                self._piles[few].add(count, minor, currency)

    def steps(self, wanted: Filter) -> tuple[Step, ...]:
        """``wanted`` lists all that was added."""

        def figure(few: tuple[Stage, ...]) -> Figure:
            return self._piles[few].figure(replace(wanted, stages=few))

        before = list(Stage)
        return tuple(
            Step(stage, figure(further), figure((before[nth],)))
            for nth, (stage, further) in enumerate(FURTHER.items())
        )


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
