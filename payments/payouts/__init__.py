"""Which captures make up a lump sum, when the gateway gives no breakdown.

A payout is a trading day's captures less fees, VAT and the payout's own fee; now and then a capture is held
back and follows later, and refunds, chargebacks and deductions are taken off. Prices are equal and methods
mostly unknown, so many sums fit to the cent by chance. What decides is therefore how likely an explanation
is: held captures, late days, known refunds that are not in it and odd mixes of methods all cost *points*.
All explanations as good as the best are told; a sum that only an unlikely one fits stays unexplained.

The search is bounded by the structure of the day: captures of one price and method are interchangeable and
counted, never listed one by one. ``payouts.due`` tells what is late and short.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import combinations_with_replacement, islice
from typing import TypeVar

from db.money import Money
from payments.dates import next_bank_day
from payments.payouts.lumps import Capture, Explanation, Habits, Item, Less, Lump
from payments.payouts.mix import Alike, Mix, Mixes, Spread, alike, likeliest, spread
from payments.tariff import Tariff

__all__ = ["Capture", "Explanation", "Habits", "Item", "Less", "Lump", "explain", "explain_all", "is_sure"]

#: Captures held of one payout's days, and earlier ones that come with it.
MOST_HELD, MOST_RELEASED = 4, 4
#: Choices of either, the plainest first: prices that many make fewer at once looked at.
MOST_CHOICES = 150
MOST_DAYS = 3
OLDEST_BANK_DAYS = 8  # a trading day that old is late: a person looks
#: Known items and held captures looked at, the oldest first; of all combinations that
#: may fit, how many are judged to the cent. What lies beyond is left to a person.
MOST_ITEMS, MOST_WAITING, MOST_JUDGED = 8, 24, 60
#: Explanations within so many points of the best are as good: one that is 150 times less likely is no rival.
AS_GOOD = 1000
#: How often something happens that nobody knows of, and moves a payout to any cent of its sum.
UNKNOWN = 0.002
_TOO_HARD = 1400  # how much more the bell curve may cost a likely sum


def explain(
    lump: Lump,
    captures: Iterable[Capture],
    tariff: Tariff,
    *,
    held: Iterable[Capture] = (),
    items: Iterable[Item] = (),
    habits: Habits | None = None,
) -> list[Explanation]:
    """All equally good explanations of a lump sum, the likeliest first.

    ``captures`` are those no payout explains yet, ``held`` those that an earlier one left out, ``items`` what
    is still to be taken off. When nothing explains it, the nearest attempt comes back alone, with its
    difference; nothing at all when no trading day fits the date.
    """
    habits = habits or Habits()
    by_day: dict[date, list[Capture]] = defaultdict(list)
    for capture in captures:
        if capture.gross.currency == lump.amount.currency and capture.on < lump.on:
            by_day[capture.on].append(capture)
    waiting = _oldest((one for one in held if one.on < lump.on), MOST_WAITING)
    known = _oldest((one for one in items if one.on <= lump.on), MOST_ITEMS)
    sets = [
        _Days(lump, days, by_day, chance, tariff, habits)
        for days, chance in _day_sets(sorted(by_day), lump.on, habits)
    ]
    tries = sorted((one for days in sets for one in days.tries(waiting, known)), key=lambda one: one.points)
    judged = sorted(_judged(tries, worst(lump)), key=lambda one: one.points)
    if judged and judged[0].points <= worst(lump):
        return [one for one in judged if one.points <= judged[0].points + AS_GOOD]
    return [days.nearest() for days in sorted(sets, key=lambda days: days.prior)[:1]]


def worst(lump: Lump) -> int:
    """Points from which it is likelier that something unknown happened."""
    return points_of(UNKNOWN) + round(200 * math.log(max(1, lump.amount.minor)))


def _judged(tries: Sequence["_Try"], best: int) -> Iterator[Explanation]:
    """To the cent, the likeliest first by the bell curve, which may be too hard on a day of few captures."""
    for one in tries[:MOST_JUDGED]:
        if one.points > best + AS_GOOD + _TOO_HARD:
            return
        if found := one.days.judge(one):
            best = min(best, found.points)
            yield found


def is_sure(found: Sequence[Explanation]) -> bool:
    """One composition alone is likely, and far likelier than that something unknown happened.

    Where a roll-up tells gross and fees, these bear the sum out: then one composition is enough.
    """
    if not found or not found[0].is_whole:
        return False
    lump = found[0].lump
    if lump.gross is None and found[0].points > worst(lump) - AS_GOOD:
        return False
    return len({one.composition for one in found}) == 1


def explain_all(
    lumps: Iterable[Lump],
    captures: Iterable[Capture],
    tariff: Tariff,
    *,
    held: Iterable[Capture] = (),
    items: Iterable[Item] = (),
    habits: Habits | None = None,
) -> dict[int, list[Explanation]]:
    """Explanations of lump sums that reached the bank together, by their ids; no capture is in two of them.

    The surest is taken first, and the others explained by what it leaves.
    """
    left = {one.id: one for one in lumps}
    open_, waiting, known = list(captures), list(held), list(items)
    told: dict[int, list[Explanation]] = {}
    found: dict[int, list[Explanation]] = {}
    while left:
        for one in left.values():
            if one.id not in told:
                told[one.id] = explain(one, open_, tariff, held=waiting, items=known, habits=habits)
        surest = min(left, key=lambda one: _doubt(told[one]))
        found[surest] = told[surest]
        del left[surest]
        if found[surest] and (best := found[surest][0]).is_whole:
            gone: set[Capture | Item] = {*best.captures, *best.held, *best.items}
            open_ = [one for one in open_ if one not in gone]
            waiting = [one for one in (*waiting, *best.held) if one not in {*best.captures}]
            known = [one for one in known if one not in gone]
            told = {
                number: some
                for number, some in told.items()
                if not best.held and some and some[0].is_whole and not _overlaps(some, gone)
            }
    return found


def _overlaps(some: Sequence[Explanation], gone: set[Capture | Item]) -> bool:
    return any(gone & {*one.captures, *one.held, *one.items} for one in some)


def _doubt(found: Sequence[Explanation]) -> tuple[bool, int, int]:
    if not found or not found[0].is_whole:
        return True, 0, 0
    rivals = [one for one in found if one.composition != found[0].composition]
    return False, -(rivals[0].points - found[0].points) if rivals else -AS_GOOD, found[0].points


def points_of(chance: float) -> int:
    """−2 ln, in hundredths."""
    return round(-200 * math.log(max(chance, 1e-30)))


_Dated = TypeVar("_Dated", Capture, Item)


def _oldest(some: Iterable[_Dated], most: int) -> list[_Dated]:
    return sorted(some, key=lambda one: (one.on, one.id))[:most]


def _day_sets(days: Sequence[date], on: date, habits: Habits) -> Iterator[tuple[tuple[date, ...], float]]:
    """Runs of trading days that may be paid on a day, with how likely that is; single days first."""
    open_days = [day for day in days if next_bank_day(day) <= on <= next_bank_day(day, OLDEST_BANK_DAYS)]
    for length in range(1, MOST_DAYS + 1):
        for start in range(len(open_days) - length + 1):
            run = tuple(open_days[start : start + length])
            yield run, _on_time(run[-1], on, habits) * habits.day_joined ** (length - 1)


def _on_time(day: date, on: date, habits: Habits) -> float:
    for steps, chance in enumerate(habits.by_bank_days, 1):
        if next_bank_day(day, steps) == on:
            return chance
    return habits.late


@dataclass(frozen=True, slots=True)
class _Try:
    """Some exceptions, and what is then left for the mix of methods to explain."""

    days: "_Days"
    points: int  # by the bell curve
    prior: int  # without the mix
    gap: int  # what other methods would have to bring beyond all-by-card
    holding: tuple[Alike, ...]
    releasing: tuple[Alike, ...]
    items: tuple[Item, ...]
    released_from: Mapping[Alike, Sequence[Capture]] = field(hash=False, compare=False)


class _Days:
    """Some trading days paid together."""

    def __init__(
        self,
        lump: Lump,
        days: tuple[date, ...],
        by_day: Mapping[date, Sequence[Capture]],
        chance: float,
        tariff: Tariff,
        habits: Habits,
    ) -> None:
        self._lump, self._days, self._tariff, self._habits = lump, days, tariff, habits
        self.prior = points_of(chance)
        self._members: dict[Alike, list[Capture]] = defaultdict(list)
        for day in days:
            for capture in by_day[day]:
                self._members[alike(capture, tariff, habits)].append(capture)
        self._base = spread((one, len(members)) for one, members in self._members.items())
        self._fee = tariff.payout_fee(days[-1]).total_minor
        self._mixes: dict[frozenset[tuple[Alike, int]], Mix] = {}
        self._layout: Mixes | None = None

    def tries(self, held: Sequence[Capture], items: Sequence[Item]) -> list[_Try]:
        """The likeliest choices of exceptions whose remaining gap a mix of methods may explain."""
        released_from: dict[Alike, list[Capture]] = defaultdict(list)
        for capture in held:
            released_from[alike(capture, self._tariff, self._habits)].append(capture)
        holds, releases, taken = self._holds(), self._releases(released_from), self._taken(items)
        best = likeliest(
            self._lump.amount.minor + self._fee,
            self._base,
            [(spread((one, -1) for one in chosen), points) for chosen, points in holds],
            [(spread((one, 1) for one in chosen), points) for chosen, points in releases],
            [(Spread(-_sum(some), 0, 0, 0, 0, 0, _sum(some)), points) for some, points in taken],
            most=MOST_JUDGED,
            gross=self._lump.gross.minor if self._lump.gross else None,
            off=self._told_off(),
        )
        found = []
        for points, (hold, release, take) in best:
            (holding, one), (releasing, other), (some, third) = holds[hold], releases[release], taken[take]
            net = self._base.net + sum(kind.net for kind in releasing) - sum(kind.net for kind in holding)
            gap = self._lump.amount.minor + self._fee + _sum(some) - net
            prior = self.prior + one + other + third
            found.append(_Try(self, self.prior + points, prior, gap, holding, releasing, some, released_from))
        return found

    def _told_off(self) -> int | None:
        """What was taken off besides fees, when a roll-up tells gross and fees."""
        gross, fees = self._lump.gross, self._lump.fees
        if gross is None or fees is None:
            return None
        return gross.minor - fees.minor - self._fee - self._lump.amount.minor

    def _holds(self) -> list[tuple[tuple[Alike, ...], int]]:
        """What may be held, with its points: how many a day, and of which price."""
        often = self._habits.held_a_day * len(self._days)
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
        share = self._habits.released
        everything = sum(map(len, held.values()))
        found = []
        for chosen in islice(_choices(held, MOST_RELEASED), MOST_CHOICES):
            chance = share ** len(chosen) * (1 - share) ** (everything - len(chosen))
            for one, count in Counter(chosen).items():
                chance *= math.comb(len(held[one]), count)
            found.append((chosen, points_of(chance)))
        return found

    def _taken(self, items: Sequence[Item]) -> list[tuple[tuple[Item, ...], int]]:
        share = self._habits.taken_off
        return [
            (chosen, points_of(share ** len(chosen) * (1 - share) ** (len(items) - len(chosen))))
            for chosen in _subsets(items)
        ]

    def judge(self, one: _Try) -> Explanation | None:
        """The explanation, when some mix of methods meets the sum within its rounding."""
        counts = Counter({kind: len(members) for kind, members in self._members.items()})
        counts.subtract(Counter(one.holding))
        counts.update(Counter(one.releasing))
        key = frozenset(counts.items())
        mix = self._mixes.get(key) or self._mixes.setdefault(key, self._laid_out(one).of(counts))
        chance, off = mix.likelihood(one.gap)
        return self._explanation(one, off, one.prior + points_of(chance)) if chance else None

    def _laid_out(self, one: _Try) -> Mixes:
        if self._layout is None:
            widest = self._base
            for kind in one.released_from:
                widest = widest.plus(kind, MOST_RELEASED)
            self._layout = Mixes(widest)
        return self._layout

    def _explanation(self, one: _Try, off: int, points: int) -> Explanation:
        held, held_among = _pick(one.holding, self._members)
        released, released_among = _pick(one.releasing, one.released_from)
        inside = [each for members in self._members.values() for each in members if each not in held]
        inside += released
        gross = sum(each.gross.minor for each in inside)
        less = sum(item.amount.minor for item in one.items)
        currency = self._lump.amount.currency
        return Explanation(
            self._lump,
            self._days,
            tuple(sorted(inside, key=lambda each: each.id)),
            tuple(held),
            tuple(released),
            one.items,
            Money(gross - less - self._fee - (self._lump.amount.minor - off), currency),
            Money(self._fee, currency),
            Money(off, currency),
            points,
            held_among,
            released_among,
        )

    def nearest(self) -> Explanation:
        """Everything of these days, and what that leaves unexplained."""
        gap = self._lump.amount.minor + self._fee - self._base.net
        off = gap - self._base.most if gap > self._base.most else min(0, gap - self._base.least)
        return self._explanation(_Try(self, 0, 0, gap, (), (), (), {}), off, 10**6)


def _choices(kinds: Mapping[Alike, Sequence[Capture]], most: int) -> Iterator[tuple[Alike, ...]]:
    """None, one, two … of interchangeable captures; never more of a kind than there are."""
    ordered = sorted(kinds, key=lambda one: (one.gross, one.net))
    for size in range(most + 1):
        for chosen in combinations_with_replacement(ordered, size):
            if all(count <= len(kinds[one]) for one, count in Counter(chosen).items()):
                yield chosen


def _sum(items: Iterable[Item]) -> int:
    return sum(one.amount.minor for one in items)


def _subsets(items: Sequence[Item]) -> Iterator[tuple[Item, ...]]:
    """Every choice of what is taken off, by amounts, all of it first; of equal ones the older is named."""
    seen = set()
    for mask in sorted(range(2 ** len(items)), key=lambda mask: (-mask.bit_count(), mask)):
        chosen = tuple(item for place, item in enumerate(items) if mask >> place & 1)
        key = tuple(sorted(item.amount.minor for item in chosen))
        if key not in seen:
            seen.add(key)
            yield chosen


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
