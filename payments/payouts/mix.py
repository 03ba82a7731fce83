"""How likely a mix of methods leaves so many cents, when nobody told how payers paid.

By instant EFT a capture costs less than by card, so a day's net depends on how many chose it. All mixes are
summed at once by their characteristic function: the distribution of one capture, to the power of how many
there are, times the same of the other prices. Probabilities are floats; money stays whole cents.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from payments.payouts.lumps import Capture, Habits
from payments.tariff import METHODS, ROUNDING_MINOR, Tariff

#: The gateway's own rounding: how likely a sum is off by no cent, by one, by two.
_ROUNDED = {0: 0.9, 1: 0.04, -1: 0.04, 2: 0.01, -2: 0.01}
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

    def row(self) -> tuple[float, ...]:
        return self.net, self.least, self.most, self.mean, self.variance, self.gross, self.off


NOTHING = Spread(0, 0, 0, 0.0, 0.0)


def spread(counts: Iterable[tuple[Alike, int]]) -> Spread:
    total = NOTHING
    for one, count in counts:
        total = total.plus(one, count)
    return total


def likeliest(
    wanted: int,
    base: Spread,
    *choices: Sequence[tuple[Spread, int]],
    most: int,
    gross: int | None = None,
    off: int | None = None,
) -> list[tuple[int, tuple[int, ...]]]:
    """One of each of three choices, all combinations at once: the best by the bell curve.

    A choice moves what the captures bring and costs points. ``gross`` and ``off`` are what a roll-up tells of
    the whole. Returns points and which of each was chosen.
    """
    tables = [np.array([(*moved.row(), points) for moved, points in some]) for some in choices]
    total = np.array([*base.row(), 0.0])
    grid = total + tables[0][:, None, None] + tables[1][None, :, None] + tables[2][None, None, :]
    net, least, highest, mean, variance, all_gross, all_off, points = np.moveaxis(grid, -1, 0)
    gap = wanted - net
    fits = (least - ROUNDING_MINOR <= gap) & (gap <= highest + ROUNDING_MINOR)
    if gross is not None:
        fits &= all_gross == gross
    if off is not None:
        fits &= abs(all_off - off) <= ROUNDING_MINOR
    spread_out = np.maximum(variance, 0) + 1
    points = points + 100 * ((gap - mean) ** 2 / spread_out + np.log(2 * np.pi * spread_out))
    points = np.where(fits, points, np.inf).ravel()
    best = np.argsort(points, kind="stable")[:most]
    shape = grid.shape[:3]
    return [
        (round(points[place]), tuple(int(one) for one in np.unravel_index(place, shape)))
        for place in best
        if np.isfinite(points[place])
    ]


class Mixes:
    """The distributions of what other methods than card add, for one day's captures and nearly the same.

    ``widest`` bounds them all: they are laid out in as many places, so that what one capture brings is worked
    out once.
    """

    def __init__(self, widest: Spread) -> None:
        width = widest.most - widest.least + 2 * ROUNDING_MINOR + 2
        self._size = 1 << width.bit_length()

    def of(self, counts: Mapping[Alike, int]) -> "Mix":
        chances = None
        if self._size <= _LARGEST:
            total = np.zeros(self._size // 2 + 1, dtype=complex)
            for one, count in counts.items():
                if one.steps and count:
                    total += count * _log(one.steps, self._size)
            chances = np.fft.irfft(np.exp(total), self._size)
        return Mix(spread(counts.items()), chances)


@lru_cache(maxsize=48)
def _log(steps: tuple[tuple[int, float], ...], size: int) -> Any:
    """The logarithm of the characteristic function of one capture, in so many places."""
    circle = np.exp(-2j * np.pi * np.arange(size) / size)
    places = np.arange(size // 2 + 1)
    total = np.full(len(places), 1.0 - sum(share for _, share in steps), dtype=complex)
    for step, share in steps:
        total += share * circle[places * step % size]
    return np.log(total)


class Mix:
    def __init__(self, whole: Spread, chances: Any) -> None:
        self._spread, self._chances = whole, chances

    def likelihood(self, gap: int) -> tuple[float, int]:
        """How likely the gap is, and by how many cents the likeliest rounding is off."""
        if not self._spread.allows(gap):
            return 0.0, 0
        if self._chances is None:
            return self._spread.bell(gap), 0
        size = len(self._chances)
        found = [(chance * self._at((gap - off) % size), off) for off, chance in _ROUNDED.items()]
        return sum(part for part, _ in found), max(found)[1]

    def _at(self, place: int) -> Any:
        chance = self._chances[place]
        return chance if chance > _NOISE else 0.0
