"""How likely a mix of methods leaves so many cents, when nobody told how payers paid.

By instant EFT a capture costs less than by card, so a day's net depends on how many chose it. All mixes are
summed at once by their characteristic function: the distribution of one capture, to the power of how many
there are, times the same of the other prices. Probabilities are floats; money stays whole cents.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from functools import lru_cache
from typing import Any

import numpy as np

from payments.lump_sums.tariff import METHODS, ROUNDING_MINOR, Tariff
from payments.payouts.lumps import Capture, Habits

#: The gateway's own rounding: of the sums that are off, how many are so by one cent, by two.
_OFF_BY = {1: 0.4, -1: 0.4, 2: 0.1, -2: 0.1}
#: Below this the arithmetic's own noise begins.
_NOISE = 1e-13
#: A day whose mixes spread over more cents than this is judged by the bell curve.
_LARGEST = 1 << 22


@dataclass(frozen=True, slots=True)
class Alike:
    """Captures that money cannot tell apart: one price, one method, one tariff."""

    gross: int
    method: str | None
    net: int  # by card while the method is unknown
    steps: tuple[tuple[int, float], ...] = ()  # how much more another method leaves, and how often it is used

    @property
    def mean(self) -> float:
        return sum(step * share for step, share in self.steps)

    @property
    def variance(self) -> float:
        return sum(step * step * share for step, share in self.steps) - self.mean**2


def alike(capture: Capture, tariff: Tariff, habits: Habits) -> Alike:
    gross = capture.gross
    if capture.method in METHODS and capture.method:
        return Alike(gross.minor, capture.method, tariff.net(gross, capture.method, capture.on).minor)
    base = tariff.net(gross, "card", capture.on).minor
    shares = {"instant_eft": habits.instant_eft, "international_card": habits.international_card}
    steps = tuple(
        (tariff.net(gross, method, capture.on).minor - base, share)
        for method, share in shares.items()
        if method in tariff.on(capture.on).rate_bp
    )
    return Alike(gross.minor, None, base, steps)


@dataclass(frozen=True, slots=True)
class Spread:
    """What some captures bring: net by card, and how far other methods may move it."""

    net: int
    least: int
    most: int
    mean: float
    variance: float
    gross: int = 0
    off: int = 0  # taken off besides fees; already gone from ``net``

    def plus(self, one: Alike, count: int) -> "Spread":
        low, high = min(0, *(step for step, _ in one.steps), 0), max(0, *(step for step, _ in one.steps), 0)
        return Spread(
            self.net + count * one.net,
            self.least + count * low,
            self.most + count * high,
            self.mean + count * one.mean,
            self.variance + count * one.variance,
            self.gross + count * one.gross,
            self.off,
        )

    def allows(self, gap: int) -> bool:
        return self.least - ROUNDING_MINOR <= gap <= self.most + ROUNDING_MINOR

    def bell(self, gap: int) -> float:
        """About how likely, by the bell curve."""
        variance = self.variance + 1
        return math.exp(-((gap - self.mean) ** 2) / (2 * variance)) / math.sqrt(2 * math.pi * variance)


NOTHING = Spread(0, 0, 0, 0.0, 0.0)


def spread(counts: Iterable[tuple[Alike, int]]) -> Spread:
    total = NOTHING
    for one, count in counts:
        total = total.plus(one, count)
    return total


def row_of(one: Alike) -> tuple[float, ...]:
    """What one capture moves: the fields of a ``Spread``, in their order."""
    return astuple(spread([(one, 1)]))


def table(counts: Sequence[Sequence[int]], kinds: Sequence[Alike], points: Sequence[int]) -> Any:
    """Choices as rows for ``likeliest``: how many of each kind, and what each choice costs."""
    moved = np.zeros((len(counts), len(fields(Spread))))
    if kinds:
        moved = np.array(counts, dtype=float) @ np.array([row_of(kind) for kind in kinds])
    return np.column_stack([moved, points])


def taken_off(sums: Sequence[int], points: Sequence[int]) -> Any:
    """The same for what is taken off besides fees."""
    return np.array([(-minor, 0, 0, 0, 0, 0, minor, cost) for minor, cost in zip(sums, points, strict=True)])


def likeliest(
    wanted: int,
    base: Spread,
    tables: Sequence[Any],
    *,
    most: int,
    gross: int | None = None,
    off: int | None = None,
) -> list[tuple[int, tuple[int, ...]]]:
    """One of each of three choices, all combinations at once: the best by the bell curve.

    A choice moves what the captures bring and costs points. ``gross`` and ``off`` are what a roll-up tells of
    the whole. Returns points and which of each was chosen.
    """
    total = np.array([*astuple(base), 0.0])
    grid = total + tables[0][:, None, None] + tables[1][None, :, None] + tables[2][None, None, :]
    net, least, highest, mean, variance, all_gross, all_off, points = np.moveaxis(grid, -1, 0)
    gap = wanted - net
    fits = (least - ROUNDING_MINOR <= gap) & (gap <= highest + ROUNDING_MINOR)
    if gross is not None:
        fits &= all_gross == gross
    if off is not None:
        fits &= abs(all_off - off) <= ROUNDING_MINOR
    places = np.flatnonzero(fits)
    spread_out = np.maximum(variance.ravel()[places], 0) + 1
    cost = points.ravel()[places] + 100 * (
        (gap.ravel()[places] - mean.ravel()[places]) ** 2 / spread_out + np.log(2 * np.pi * spread_out)
    )
    shape = grid.shape[:3]
    return [
        (round(cost[one]), tuple(int(place) for place in np.unravel_index(places[one], shape)))
        for one in np.argsort(cost, kind="stable")[:most]
    ]


def likelihood(counts: frozenset[tuple[Alike, int]], gap: int, rounded_off: float) -> tuple[float, int]:
    """How likely it is that so many captures leave a gap, and how many cents rounding is off.

    ``rounded_off``: how often it is at all.
    """
    found = [
        (chance * (rounded_off * _OFF_BY[off] if off else 1 - rounded_off), off)
        for off, chance in _around(counts, gap)
    ]
    return sum(part for part, _ in found), max(found)[1]


@lru_cache(maxsize=1 << 16)
def _around(counts: frozenset[tuple[Alike, int]], gap: int) -> tuple[tuple[int, float], ...]:
    """How likely the mix is if rounding is off by no cent, by one, by two."""
    whole = spread(counts)
    if not whole.allows(gap):
        return ((0, 0.0),)
    size = 1 << (whole.most - whole.least + 2 * ROUNDING_MINOR + 2).bit_length()
    if size > _LARGEST:
        return ((0, whole.bell(gap)),)
    chances = _mix(counts, size)
    return tuple((off, _at(chances, (gap - off) % size)) for off in (0, *_OFF_BY))


@lru_cache(maxsize=24)
def _mix(counts: frozenset[tuple[Alike, int]], size: int) -> Any:
    """The distribution of what other methods than card add, in so many places around a circle."""
    total = np.zeros(size // 2 + 1, dtype=complex)
    for one, count in counts:
        if one.steps and count:
            total += count * _log(one.steps, size)
    return np.fft.irfft(np.exp(total), size)


def _at(chances: Any, place: int) -> Any:
    chance = chances[place]
    return chance if chance > _NOISE else 0.0


@lru_cache(maxsize=48)
def _log(steps: tuple[tuple[int, float], ...], size: int) -> Any:
    """The logarithm of the characteristic function of one capture, in so many places."""
    circle = np.exp(-2j * np.pi * np.arange(size) / size)
    places = np.arange(size // 2 + 1)
    total = np.full(len(places), 1.0 - sum(share for _, share in steps), dtype=complex)
    for step, share in steps:
        total += share * circle[places * step % size]
    return np.log(total)
