"""All lump sums that wait, explained together: what each says of the others.

A *world* is one way it may all have happened so far: which trading days each payout was for, what was held,
released and taken off. Payouts are asked in the order in which they reached the bank; each world goes on with
each explanation of the next, and those that become too unlikely are dropped. How likely an explanation is, is
the share of the worlds that have it.
"""

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import combinations, groupby

from payments.dates import next_bank_day
from payments.lump_sums.tariff import Tariff
from payments.payouts.lumps import Capture, Composition, Explanation, Habits, Item, Lump, composition
from payments.payouts.runs import Run, points_of

MOST_DAYS = 7
OLDEST_BANK_DAYS = 8  # a trading day that old is late: a person looks
#: Explanations within so many points of the best are as good: one that is 150 times less likely is no rival.
AS_GOOD = 1000
#: Sure is what is likelier by so many points, 150 times as well, than everything else together. That is more
#: than there are worlds: all that are sure are of the likeliest one, so no capture is in two of them.
SURE = 1000
#: How often something happens that nobody knows of, and moves a payout to any cent of its sum.
UNKNOWN = 0.002
#: Trading days that one lump sum may leave out, whose payouts come later than its own.
MOST_LEFT_OUT = 2
#: Worlds that go on: at most so many, none so many points behind the best.
MOST_WORLDS, FAR_BEHIND = 60, 2600


def worst(lump: Lump) -> int:
    """Points from which it is likelier that something unknown happened."""
    return points_of(UNKNOWN) + round(200 * math.log(max(1, lump.amount.minor)))


def is_likely(found: Explanation) -> bool:
    """It is likelier than something unknown. A roll-up's gross and fees speak against chance."""
    return found.lump.gross is not None or found.points < worst(found.lump)


@dataclass(frozen=True, slots=True)
class _World:
    points: int
    paid: frozenset[date]
    held: tuple[Capture, ...]
    items: tuple[Item, ...]
    story: Mapping[int, Explanation]
    told: frozenset[int] = frozenset()  # lump sums, whatever is said of them
    reached: date = date.min  # the last trading day paid tonight

    def after(self, found: Explanation, more_points: int) -> "_World":
        gone = {*found.captures, *found.items}
        return _World(
            self.points + found.points + more_points,
            self.paid | set(found.days),
            tuple(one for one in (*self.held, *found.held) if one not in gone),
            tuple(one for one in self.items if one not in gone),
            {**self.story, found.lump.id: found},
            self.told | {found.lump.id},
            found.days[-1],
        )


def explain_all(
    lumps: Iterable[Lump],
    captures: Collection[Capture],
    tariff: Tariff,
    *,
    held: Collection[Capture] = (),
    items: Collection[Item] = (),
    paid: Collection[date] = (),
    habits: Habits | None = None,
) -> dict[int, list[Explanation]]:
    """Explanations of lump sums by their ids, each in the light of the others; none shares a capture.

    ``paid`` are trading days whose payouts are decided: what is left of them is in ``held``.
    Of each: all compositions as good as the best, the likeliest first; the nearest attempt alone when nothing
    fits, nothing at all when no trading day does.
    """
    ordered = sorted(lumps, key=lambda one: (one.amount.currency, one.on, one.id))
    told: dict[int, list[Explanation]] = {}
    for currency, some in groupby(ordered, key=lambda one: one.amount.currency):
        asked = _Asked(
            (one for one in captures if one.gross.currency == currency), tariff, habits or Habits(), paid
        )
        waiting = tuple(one for one in held if one.gross.currency == currency)
        known = tuple(one for one in items if one.amount.currency == currency)
        told |= asked.about(list(some), _World(0, frozenset(paid), waiting, known, {}))
    return told


class _Asked:
    def __init__(
        self, captures: Iterable[Capture], tariff: Tariff, habits: Habits, paid: Collection[date]
    ) -> None:
        self._tariff, self._habits = tariff, habits
        self._by_day: dict[date, list[Capture]] = defaultdict(list)
        for capture in captures:
            self._by_day[capture.on].append(capture)
        self._ordered = sorted({*self._by_day, *paid})
        self._runs: dict[tuple[int, tuple[date, ...]], Run] = {}
        self._told: dict[tuple[Run, tuple[Capture, ...], tuple[Item, ...]], list[Explanation]] = {}

    def about(self, lumps: Sequence[Lump], start: _World) -> dict[int, list[Explanation]]:
        """Of lump sums in the order in which they came."""
        worlds, told = [start], dict[int, list[Explanation]]()
        nights = [list(night) for _, night in groupby(lumps, key=lambda one: one.on)]
        for night in nights:
            worlds = self._night(worlds, night)
        for night in nights:
            told |= _told_of_night(night, worlds)
        return told

    def _night(self, worlds: Sequence[_World], lumps: Sequence[Lump]) -> list[_World]:
        """Worlds after the lump sums of one day.

        The bank lists them in any order, and what one held the next may have: so each world takes them in the
        order of the trading days that it says they are for.
        """
        worlds = [replace(one, reached=date.min) for one in worlds]
        for _ in lumps:
            worlds = _likeliest(
                later
                for world in worlds
                for lump in lumps
                if lump.id not in world.told
                for later in self._go_on(world, lump)
            )
        return list(worlds)

    def _days(self, lump: Lump, world: _World) -> list[date]:
        """Trading days that may be paid by now and are not yet."""
        return [
            day
            for day in self._ordered
            if day not in world.paid
            and world.reached < day
            and next_bank_day(day) <= lump.on <= next_bank_day(day, OLDEST_BANK_DAYS)
        ]

    def _go_on(self, world: _World, lump: Lump) -> Iterator[_World]:
        """The world with each explanation of the lump sum, and with something that nobody knows of."""
        runs = list(self._runs_of(lump, world))
        for run, left_out in runs:
            for found in self._explanations(run, world):
                yield world.after(found, left_out)
        yield _with_unknown(world, lump, runs)

    def _explanations(self, run: Run, world: _World) -> list[Explanation]:
        key = run, world.held, world.items
        if key not in self._told:
            most = worst(run.lump) + FAR_BEHIND
            self._told[key] = list(run.explanations(world.held, world.items, worst=most, far=FAR_BEHIND))
        return self._told[key]

    def _runs_of(self, lump: Lump, world: _World) -> Iterator[tuple[Run, int]]:
        """Runs of days, single ones first, with what it costs that earlier days are left out.

        Days come together when the first is too small to be paid alone and waits for the next: none between
        them was paid by another.
        """
        days = self._days(lump, world)
        for start in range(min(len(days), MOST_LEFT_OUT + 1)):
            for length in range(1, min(MOST_DAYS, len(days) - start) + 1):
                some = tuple(days[start : start + length])
                if self._between(some) > length:
                    break
                run = self._run(lump, some)
                if length > 2 and not run.first_may_be_small(world.items):
                    break
                yield run, start * points_of(self._habits.out_of_order)

    def _between(self, days: Sequence[date]) -> int:
        """Trading days from the first to the last of these."""
        return bisect_right(self._ordered, days[-1]) - bisect_left(self._ordered, days[0])

    def _run(self, lump: Lump, days: tuple[date, ...]) -> Run:
        key = lump.id, days
        if key not in self._runs:
            chance = _on_time(days[-1], lump.on, self._habits)
            self._runs[key] = Run(lump, days, self._by_day, points_of(chance), self._tariff, self._habits)
        return self._runs[key]


def _with_unknown(world: _World, lump: Lump, runs: Sequence[tuple[Run, int]]) -> _World:
    single = [(run.prior + left_out, run) for run, left_out in runs if len(run.days) == 1]
    if not single:
        points = world.points + worst(lump) + points_of(UNKNOWN)
        return replace(world, points=points, told=world.told | {lump.id})
    prior, nearest = min(single, key=lambda one: one[0])
    # a roll-up bears the sum out: there only what fits nothing else is unknown
    return world.after(nearest.nearest(prior + (worst(lump) if lump.gross is None else 10**5)), 0)


def _on_time(day: date, on: date, habits: Habits) -> float:
    for steps, chance in enumerate(habits.by_bank_days, 1):
        if next_bank_day(day, steps) == on:
            return chance
    return habits.late


def _likeliest(worlds: Iterable[_World]) -> list[_World]:
    best = sorted(worlds, key=lambda one: one.points)[:MOST_WORLDS]
    return [one for one in best if one.points <= best[0].points + FAR_BEHIND]


def _told_of_night(lumps: Sequence[Lump], worlds: Sequence[_World]) -> dict[int, list[Explanation]]:
    """Of each by itself; and where some may change places, what they are together.

    Days of nearly the same captures that reach the bank on one night leave open which line is whose, and no
    later payout tells. What those lines brought, which days, how many of each price and what was taken off,
    may be sure all the same.
    """
    told = {lump.id: _told(lump, worlds) for lump in lumps}
    loose = [lump for lump in lumps if told[lump.id] and told[lump.id][0].lead <= SURE]
    for some, lead in _sure_together(loose, worlds):
        night = tuple(lump.id for lump in some)
        for lump in some:
            found = replace(worlds[0].story[lump.id], lead=lead, night=night)
            others = (one for one in told[lump.id] if one.composition != found.composition)
            told[lump.id] = [found, *others]
    return told


def _sure_together(lumps: Sequence[Lump], worlds: Sequence[_World]) -> Iterator[tuple[tuple[Lump, ...], int]]:
    """Lump sums whose account together is sure, as few at a time as may be; none is in two of them."""
    left = list(lumps)
    for size in range(2, len(lumps) + 1):
        for some in combinations(tuple(left), size):
            if all(one in left for one in some) and (lead := _lead_together(some, worlds)) > SURE:
                left = [one for one in left if one not in some]
                yield some, lead


def _lead_together(lumps: Sequence[Lump], worlds: Sequence[_World]) -> int:
    """By how many points the likeliest world's account of these is likelier than all others; 0 where what it
    says of one is no likelier than something unknown."""
    shares: dict[object, float] = defaultdict(float)
    for world in worlds:
        shares[_together(lumps, world)] += math.exp((worlds[0].points - world.points) / 200)
    likeliest = _together(lumps, worlds[0])
    if likeliest is None or not all(is_likely(worlds[0].story[lump.id]) for lump in lumps):
        return 0
    return points_of(max(sum(shares.values()) - shares[likeliest], 1e-12) / shares[likeliest])


def _together(lumps: Sequence[Lump], world: _World) -> Composition | None:
    """What money can tell apart of all these; None where something is unknown."""
    found = [one for lump in lumps if (one := world.story.get(lump.id)) is not None and one.is_whole]
    return composition(found) if len(found) == len(lumps) else None


def _told(lump: Lump, worlds: Sequence[_World]) -> list[Explanation]:
    """Compositions by how likely they are over all worlds, each shown by its likeliest explanation."""
    best = worlds[0].points
    shares: dict[object, float] = defaultdict(float)
    shown: dict[object, Explanation] = {}
    for world in worlds:  # the likeliest first
        found = world.story.get(lump.id)
        key = found.composition if found and found.is_whole else None  # None: something nobody knows of
        shares[key] += math.exp((best - world.points) / 200)
        if found:
            shown.setdefault(key, found)
    whole = sum(shares.values())
    ranked = sorted(shown, key=lambda key: -shares[key])
    if not ranked:
        return []
    if ranked[0] is None:
        return [shown[None]]
    first = shares[ranked[0]]
    return [
        replace(
            shown[key],
            points=points_of(shares[key] / first) + shown[ranked[0]].points,
            lead=points_of(max(whole - shares[key], 1e-12) / shares[key]),
        )
        for key in ranked
        if key is not None and points_of(shares[key] / first) <= AS_GOOD
    ]
