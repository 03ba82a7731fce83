"""Some trading days paid together, and what one lump sum may say of them: what was held, released, taken off.

Captures of one price and method are interchangeable and counted, never listed one by one.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations_with_replacement, islice, product
from typing import Any, TypeVar

from db.money import Money
from payments.lump_sums.tariff import Tariff
from payments.payouts.lumps import Capture, Explanation, Habits, Item, Lump
from payments.payouts.mix import Alike, alike, likeliest, likelihood, spread, table, taken_off

#: Captures held of one payout's days, and earlier ones that come with it.
MOST_HELD, MOST_RELEASED = 4, 4
#: Choices of either, the plainest first: prices that many make fewer at once looked at.
MOST_CHOICES = 150
#: Known items and held captures looked at, the oldest first; of all combinations that may fit, how many are
#: judged to the cent. What lies beyond is left to a person.
MOST_ITEMS, MOST_WAITING, MOST_JUDGED = 8, 24, 60
_TOO_HARD = 1400  # how much more the bell curve may cost a likely sum


def points_of(chance: float) -> int:
    """−2 ln, in hundredths."""
    return round(-200 * math.log(max(chance, 1e-30)))


@dataclass(frozen=True, slots=True)
class Try:
    """Some exceptions, and what is then left for the mix of methods to explain."""

    points: int  # by the bell curve
    prior: int  # without the mix
    gap: int  # what other methods would have to bring beyond all-by-card
    holding: tuple[Alike, ...] = ()
    releasing: tuple[Alike, ...] = ()
    items: tuple[Item, ...] = ()
    released_from: Mapping[Alike, Sequence[Capture]] = field(default_factory=dict, hash=False, compare=False)


class Run:
    """Trading days that one lump sum may be for.

    ``prior`` is what it costs that just these come on this day, in points.
    """

    def __init__(
        self,
        lump: Lump,
        days: tuple[date, ...],
        by_day: Mapping[date, Sequence[Capture]],
        prior: int,
        tariff: Tariff,
        habits: Habits,
    ) -> None:
        self.lump, self.days, self._tariff, self._habits = lump, days, tariff, habits
        self.prior = prior
        self._members: dict[Alike, list[Capture]] = defaultdict(list)
        for day in days:
            for capture in by_day[day]:
                self._members[alike(capture, tariff, habits)].append(capture)
        self._base = spread((one, len(members)) for one, members in self._members.items())
        self._fee = tariff.payout_fee(days[-1]).total_minor
        self._first = Counter(alike(one, tariff, habits) for day in days[:-1] for one in by_day[day])
        self._too_much_alone = self._what_the_first_bring()
        self._holds = self._may_be_held()
        self._hold_table = _table(self._holds, -1)

    def explanations(
        self, held: Sequence[Capture], items: Sequence[Item], *, worst: int, far: int
    ) -> Iterator[Explanation]:
        """To the cent, the likeliest first by the bell curve, which may be too hard on a day of few captures.

        None costs more than ``worst``, nor is ``far`` behind the best.
        """
        waiting = _newest((one for one in held if one.on < self.days[0]), MOST_WAITING)
        known = _newest((one for one in items if one.on <= self.days[-1]), MOST_ITEMS)
        limit = worst
        for one in self._tries(waiting, known):
            if one.points > limit + _TOO_HARD:
                return
            chance, off = self._likelihood(one)
            points = one.prior + points_of(chance)
            if chance and points <= limit:
                limit = min(limit, points + far)
                yield self._explanation(one, off, points)

    def _tries(self, held: Sequence[Capture], items: Sequence[Item]) -> list[Try]:
        """The likeliest choices of exceptions whose remaining gap a mix of methods may explain."""
        released_from: dict[Alike, list[Capture]] = defaultdict(list)
        for capture in held:
            released_from[alike(capture, self._tariff, self._habits)].append(capture)
        holds, releases, taken = self._holds, self._releases(released_from), self._taken(items)
        best = likeliest(
            self.lump.amount.minor + self._fee,
            self._base,
            [
                self._hold_table,
                _table(releases, 1),
                taken_off([_sum(some) for some, _ in taken], [points for _, points in taken]),
            ],
            most=MOST_JUDGED,
            gross=self.lump.gross.minor if self.lump.gross else None,
            off=self._told_off(),
        )
        found = []
        for points, (hold, release, take) in best:
            (holding, one), (releasing, other), (some, third) = holds[hold], releases[release], taken[take]
            net = self._base.net + sum(kind.net for kind in releasing) - sum(kind.net for kind in holding)
            gap = self.lump.amount.minor + self._fee + _sum(some) - net
            joined = self._joined(holding, some)
            prior = self.prior + one + other + third + joined
            found.append(
                Try(self.prior + points + joined, prior, gap, holding, releasing, some, released_from)
            )
        return found

    def _what_the_first_bring(self) -> int:
        """What all days but the last bring at least beyond what is too small to be paid alone."""
        first = spread(self._first.items())
        return first.net + first.least - self._fee - self._tariff.on(self.days[-1]).least_payout_minor

    def first_may_be_small(self, items: Sequence[Item]) -> bool:
        """All days but the last may have been too small to be paid alone, for what is held or taken off."""
        prices = sorted((one.gross for one, some in self._members.items() for _ in some), reverse=True)
        return self._too_much_alone < sum(prices[:MOST_HELD]) + _sum(items)

    def _joined(self, holding: Sequence[Alike], items: Sequence[Item]) -> int:
        """What it costs that several days come together: nothing when the first were too small to be paid."""
        more = len(self.days) - 1
        if not more:
            return 0
        never = points_of(self._habits.day_joined) * more
        return min(never, points_of(self._small_alone(Counter(holding), items)))

    def _small_alone(self, holding: Mapping[Alike, int], items: Sequence[Item]) -> float:
        """How likely all days but the last were too small to be paid alone, with just these held of all days
        and these taken off: each that is held may be of any day that has its like."""
        known = _sum(one for one in items if one.on <= self.days[-2])
        splits = product(*(range(count + 1) for count in holding.values()))
        likely = 0.0
        for split in splits:
            gone = sum(kind.net * count for kind, count in zip(holding, split, strict=True))
            if self._too_much_alone < known + gone:
                likely += math.prod(
                    _of_the_first(self._first[kind], len(self._members[kind]), held, count)
                    for (kind, held), count in zip(holding.items(), split, strict=True)
                )
        return likely

    def _told_off(self) -> int | None:
        """What was taken off besides fees, when a roll-up tells gross and fees."""
        gross, fees = self.lump.gross, self.lump.fees
        if gross is None or fees is None:
            return None
        return gross.minor - fees.minor - self._fee - self.lump.amount.minor

    def _may_be_held(self) -> list[tuple[tuple[Alike, ...], int]]:
        """What may be held, with its points: how many a day, and of which price."""
        often = self._habits.held_a_day * len(self.days)
        everything = sum(map(len, self._members.values()))
        found = []
        for chosen in islice(_choices(self._members, min(MOST_HELD, everything)), MOST_CHOICES):
            size = len(chosen)
            chance = math.exp(-often) * often**size / math.factorial(size) / math.comb(everything, size)
            for one, count in Counter(chosen).items():
                chance *= math.comb(len(self._members[one]), count)
            found.append((chosen, points_of(chance)))
        return found

    def _releases(self, held: Mapping[Alike, Sequence[Capture]]) -> list[tuple[tuple[Alike, ...], int]]:
        last, usual = self.days[-1], self._habits.released
        chances = {
            kind: _how_many([_after(usual, (last - one.on).days) for one in some])
            for kind, some in held.items()
        }
        found = []
        for chosen in islice(_choices(held, MOST_RELEASED), MOST_CHOICES):
            counts = Counter(chosen)
            found.append((chosen, points_of(math.prod(some[counts[kind]] for kind, some in chances.items()))))
        return found

    def _taken(self, items: Sequence[Item]) -> list[tuple[tuple[Item, ...], int]]:
        """Every choice of what is taken off, by amounts; of equal ones the newest is named."""
        last, usual = self.days[-1], self._habits.taken_off
        groups: dict[int, list[Item]] = defaultdict(list)
        for item in items:
            groups[item.amount.minor].append(item)
        some = list(groups.values())
        chances = [_how_many([_after(usual, (last - one.on).days) for one in group]) for group in some]
        return [
            (
                tuple(one for group, count in zip(some, counts, strict=True) for one in group[:count]),
                points_of(math.prod(chance[count] for chance, count in zip(chances, counts, strict=True))),
            )
            for counts in product(*(range(len(group), -1, -1) for group in some))
        ]

    def _likelihood(self, one: Try) -> tuple[float, int]:
        """How likely it is that some mix of methods meets the sum, and how many cents it is off."""
        counts = Counter({kind: len(members) for kind, members in self._members.items()})
        counts.subtract(Counter(one.holding))
        counts.update(Counter(one.releasing))
        return likelihood(frozenset(counts.items()), one.gap, self._habits.rounded_off)

    def _explanation(self, one: Try, off: int, points: int) -> Explanation:
        held, held_among = _pick(one.holding, self._members)
        released, released_among = _pick(one.releasing, one.released_from)
        inside = [each for members in self._members.values() for each in members if each not in held]
        inside += released
        gross = sum(each.gross.minor for each in inside)
        less = sum(item.amount.minor for item in one.items)
        currency = self.lump.amount.currency
        return Explanation(
            self.lump,
            self.days,
            tuple(sorted(inside, key=lambda each: each.id)),
            tuple(held),
            tuple(released),
            one.items,
            Money(gross - less - self._fee - (self.lump.amount.minor - off), currency),
            Money(self._fee, currency),
            Money(off, currency),
            points,
            held_among,
            released_among,
        )

    def nearest(self, points: int = 10**6) -> Explanation:
        """Everything of these days, and what that leaves unexplained."""
        gap = self.lump.amount.minor + self._fee - self._base.net
        off = gap - self._base.most if gap > self._base.most else min(0, gap - self._base.least)
        return self._explanation(Try(0, 0, gap), off, points)

    @property
    def net_minor(self) -> int:
        """Of all its captures, by card, before the payout's own fee."""
        return self._base.net


def _of_the_first(first: int, whole: int, held: int, count: int) -> float:
    """How likely just so many of those held are of the first, each of the whole being as likely."""
    return math.comb(first, count) * math.comb(whole - first, held - count) / math.comb(whole, held)


_Dated = TypeVar("_Dated", Capture, Item)


def _newest(some: Iterable[_Dated], most: int) -> list[_Dated]:
    """The newest first: of what money cannot tell apart, the older one may be in any later payout as well."""
    return sorted(some, key=lambda one: (one.on, one.id), reverse=True)[:most]


def _after(usual: Sequence[float], days: int) -> float:
    """How likely after so many days; the last of ``usual`` holds for all later ones."""
    return usual[min(max(days, 0), len(usual) - 1)]


def _how_many(chances: Sequence[float]) -> list[float]:
    """Of so many, each with a chance of its own: how likely none is, one is, two are …"""
    told = [1.0]
    for chance in chances:
        told = [
            (told[count] if count < len(told) else 0.0) * (1 - chance)
            + (told[count - 1] * chance if count else 0.0)
            for count in range(len(told) + 1)
        ]
    return told


def _choices(kinds: Mapping[Alike, Sequence[Capture]], most: int) -> Iterator[tuple[Alike, ...]]:
    """None, one, two … of interchangeable captures; never more of a kind than there are."""
    ordered = sorted(kinds, key=lambda one: (one.gross, one.net))
    for size in range(most + 1):
        for chosen in combinations_with_replacement(ordered, size):
            if all(count <= len(kinds[one]) for one, count in Counter(chosen).items()):
                yield chosen


def _table(choices: Sequence[tuple[tuple[Alike, ...], int]], sign: int) -> Any:
    kinds = list({one for chosen, _ in choices for one in chosen})
    counts = [[sign * chosen.count(kind) for kind in kinds] for chosen, _ in choices]
    return table(counts, kinds, [points for _, points in choices])


def _sum(items: Iterable[Item]) -> int:
    return sum(one.amount.minor for one in items)


def _pick(
    wanted: Iterable[Alike], members: Mapping[Alike, Sequence[Capture]]
) -> tuple[list[Capture], tuple[tuple[int, ...], ...]]:
    """A capture of each kind wanted, the oldest first, and all that each may stand for."""
    picked: list[Capture] = []
    among = []
    for one in wanted:
        picked.append(next(capture for capture in members[one] if capture not in picked))
        among.append(tuple(capture.id for capture in members[one]))
    return picked, tuple(among)
