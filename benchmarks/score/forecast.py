"""``make forecast SEASONS=1-80``: how often what came lay within the band, on simulated seasons.

The first half of the seasons is what the constants of ``payments/patience.py`` were chosen on; the second
was held out. Of each season, at drawn moments, what was open is forecast for all its events together and for
each, and compared with what came. One JSON line, in parts of one: how often that lay within, beside how often
the band itself said so (sums come in lumps: it is not sharply 0.8); bias and width are of what is open.
"""

import argparse
import json
import random
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np

from benchmarks.score.__main__ import seeds
from payments import patience
from payments.patience import Band, Book
from simulator import waiting

HORIZONS = (1, 3, 7, 14, 30, 60)
MOMENTS = 8
#: Moments from the day on that enough is known.
_FIRST, _LAST = 330.0, 760.0


@dataclass(frozen=True)
class Said:
    """``whole``: of all events together. Minor units."""

    horizon: int
    whole: bool
    open: int
    band: Band
    came: int

    @property
    def within(self) -> bool:
        return self.band.low - 1 <= self.came <= self.band.high + 1


def book(season: waiting.Season) -> Book:
    all_ = season.payments
    return Book(
        np.array([one.fair.number for one in all_]),
        np.array([waiting.CHANNELS.index(one.channel) for one in all_]),
        np.array([one.minor for one in all_]), np.array([one.began for one in all_]),
        np.array([one.ended for one in all_]), np.array([one.paid for one in all_]),
        np.array([float(one.fair.starts) for one in all_]),
    )  # fmt: skip


def replay(seed: int, unlike: float = 0.30) -> list[Said]:
    dice, whole = random.Random(seed), book(waiting.play(seed, unlike=unlike))
    moments = sorted(dice.uniform(_FIRST, _LAST) for _ in range(MOMENTS))
    return [one for moment in moments for one in _at(whole, moment)]


def _at(whole: Book, now: float) -> Iterator[Said]:
    known = whole.at(now)
    waits = known.only(known.open)
    truth = whole.only(whole.began <= now).only(known.open)
    seen = patience.see(known, now, events=int(whole.event.max()) + 1, channels=len(waiting.CHANNELS))
    chances = patience.chances(patience.learn(seen), waits, now, HORIZONS)
    spreads = patience.spreads(known, seen, now, HORIZONS)
    for horizon, chance, spread in zip(HORIZONS, chances, spreads, strict=True):
        came = np.where(truth.paid & (truth.ended <= now + horizon), truth.minor, 0)
        groups = [(waits.event == event) for event in np.unique(waits.event)]
        for which in [*groups, None] if groups else []:
            some = groups if which is None else [which]
            band = patience.band(
                [(waits.minor[each], chance[each]) for each in some], float(spread), learned_from=seen.events
            )
            all_ = np.any(some, axis=0)
            yield Said(horizon, which is None, int(waits.minor[all_].sum()), band, int(came[all_].sum()))


def measure(said: Iterable[Said]) -> dict[str, dict[str, float]]:
    """By what is forecast, and how many days ahead."""
    all_ = list(said)
    return {
        f"{'together' if whole else 'by event'}, {horizon} d": _measured(
            [one for one in all_ if one.whole is whole and one.horizon == horizon]
        )
        for whole in (True, False)
        for horizon in HORIZONS
    }


def _measured(said: list[Said]) -> dict[str, float]:
    open_, came = (sum(getattr(one, name) for one in said) for name in ("open", "came"))
    return {
        "forecasts": len(said), "said": round(sum(one.band.holds for one in said) / len(said), 3),
        "within": round(sum(one.within for one in said) / len(said), 3),
        "below": round(sum(one.came < one.band.low - 1 for one in said) / len(said), 3),
        "bias": round((sum(one.band.mean for one in said) - came) / open_, 4),
        "came": round(came / open_, 3),
        "width": round(sum(one.band.high - one.band.low for one in said) / open_, 3),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], prog="benchmarks.score.forecast")
    parser.add_argument(
        "--seasons", type=seeds, default=range(1, 81), help="1-80; the second half is held out"
    )
    parser.add_argument("--unlike", type=float, default=0.30, help="how far the moods of events differ")
    parser.add_argument("--processes", type=int, default=None)
    wanted = parser.parse_args()
    started = time.perf_counter()
    with ProcessPoolExecutor(wanted.processes) as pool:
        played = list(pool.map(partial(replay, unlike=wanted.unlike), wanted.seasons))
    half = len(played) // 2
    halves = {"chosen_on": played[:half], "held_out": played[half:]}
    told = {name: measure(one for season in seasons for one in season) for name, seasons in halves.items()}
    took_s = round(time.perf_counter() - started, 1)
    print(json.dumps({"bench": "forecast", "seasons": len(played), "seconds": took_s, **told}))


if __name__ == "__main__":
    main()
