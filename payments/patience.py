"""How long payments stay open, learned from those that ended; and what that means for those that are open.

A life table. The days that payments were open are counted in cells, by their age and by how near their event
is: each cell knows how many a day were paid, and how many let go. An open payment walks on through the cells
from where it stands. How it was asked for makes it quicker or slower than others of its age. Where little
was seen, a cell says what its age and its nearness say.

No two events are alike. How far they differ is learned by replay: at past moments, each event as the others
would have it, beside what came. On the probit scale of a chance, an event stands ``spread`` times a normal
draw away from the rest; the chance itself is the mean of that (one-factor model of a portfolio of loans).

Pure: days are floats from any midnight, money is whole minor units until it is weighed.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache, cached_property
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]

_MINUTE = 1 / 1440
#: Edges of the cells, in days: of age, and from the event's first day on.
AGES = np.array([0, 15 * _MINUTE, 60 * _MINUTE, 0.25, 1, 3, 7, 14, 30, 60, np.inf])
NEARNESS = np.array([-np.inf, -60, -35, -21, -14, -7, -3, -1, 0, 2, 5, np.inf])
#: From this age on all are alike.
OLD = 60.0
_WAITED = int(np.searchsorted(AGES, 1))
#: As many payments as a cell, or a channel at an age, must have seen to be believed as much as the rest.
BELIEVED = 8.0
#: So many must have ended for an event to count as one that was learned from.
_TELLING = 10
#: How far events differ where none has shown it, and how many events that is worth.
USUAL_SPREAD, WORTH = 0.30, 3.0
#: Of chances: a hundred percent of nothing seen otherwise is still not certain.
_LEAST = 1e-9
#: Equal parts of what an event may turn out to be; steps of the money a law is told in.
_PARTS, _STEPS = 31, 600
#: Where less than this part of the money is expected, steps are as much finer, up to so many times.
_SMALL, _FINEST = 0.1, 32.0
#: A normal is told so many deviations to each side.
_FAR = 6.0
#: Beyond as many payments, their sum is as good as normal.
_FEW = 40
#: Places of a chance on the probit scale.
_PLACES = np.linspace(-6.5, 6.5, 1301)
#: Days ahead, as a forecast walks them.
STEPS = (1.0, 3.0, 7.0, 14.0, 30.0, 60.0)
#: The days from one replay to the next.
_REPLAY_EVERY = 7.0


@dataclass(frozen=True)
class Book:
    """Payments, one a place in each array. ``began`` and ``ended`` are days; ``ended`` is infinite for what
    is open. ``starts``: the first day of its event. ``minor``: what it asks for."""

    event: Whole
    channel: Whole
    minor: Whole
    began: Floats
    ended: Floats
    paid: Flags
    starts: Floats

    def __len__(self) -> int:
        return len(self.event)

    def only(self, which: Any) -> "Book":
        return Book(*(getattr(self, column.name)[which] for column in fields(self)))

    def at(self, moment: float) -> "Book":
        """As it was known then."""
        known = self.only(self.began <= moment)
        later = known.ended > moment
        return replace(known, ended=np.where(later, np.inf, known.ended), paid=known.paid & ~later)

    @property
    def open(self) -> Flags:
        return np.isinf(self.ended)

    @cached_property
    def by_event(self) -> Sequence[Whole]:
        """The places of each event's payments."""
        order = np.argsort(self.event, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(self.event[order])) + 1)

    def ended_after(self, days: float) -> int:
        """How many ended that had waited so long."""
        return int(np.count_nonzero(~self.open & (self.ended - self.began >= days)))


def time_in_cells(
    book: Book, since: Floats | float, until: Floats | float
) -> Iterator[tuple[Whole, Whole, Whole, Floats]]:
    """Between two moments all payments walk from cell to cell at once; some arrive before others. Of a step:
    places of those still on their way, age and nearness of the cells they are in, and the days there."""
    at = np.maximum(book.began, since)
    end = np.broadcast_to(np.asarray(until, float), at.shape)
    places = np.flatnonzero(at < end)
    at, end, began, starts = at[places], end[places], book.began[places], book.starts[places]
    age = np.searchsorted(AGES, at - began, side="right") - 1
    near = np.searchsorted(NEARNESS, at - starts, side="right") - 1
    while len(places):
        older, nearer = began + AGES[age + 1], starts + NEARNESS[near + 1]
        stop = np.minimum(np.minimum(older, nearer), end)
        yield places, age, near, np.maximum(stop - at, 0.0)
        on = stop < end
        age, near = (age + (older <= stop))[on], (near + (nearer <= stop))[on]
        places, at, end, began, starts = places[on], stop[on], end[on], began[on], starts[on]


# -- learning -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Seen:
    """By event, channel, age and nearness: days open, and how many were paid and let go there."""

    days: Floats
    paid: Floats
    gone: Floats

    def without(self, event: int) -> "Seen":
        kept = np.arange(len(self.days)) != event
        return Seen(self.days[kept], self.paid[kept], self.gone[kept])

    @property
    def events(self) -> int:
        """Of how many it tells something."""
        return int(np.count_nonzero((self.paid + self.gone).sum((1, 2, 3)) >= _TELLING))


def see(book: Book, now: float, *, events: int, channels: int) -> Seen:
    shape = (events, channels, len(AGES) - 1, len(NEARNESS) - 1)
    days, paid, gone = (np.zeros(shape) for _ in range(3))
    for places, age, near, spent in time_in_cells(book, -np.inf, np.minimum(book.ended, now)):
        np.add.at(days, (book.event[places], book.channel[places], age, near), spent)
    done = book.only(~book.open)
    place = (
        done.event, done.channel, _cell(AGES, done.ended - done.began),
        _cell(NEARNESS, done.ended - done.starts),
    )  # fmt: skip
    np.add.at(paid, place, done.paid.astype(float))
    np.add.at(gone, place, (~done.paid).astype(float))
    return Seen(days, paid, gone)


def _cell(edges: Floats, values: Floats) -> Whole:
    return np.searchsorted(edges, values, side="left").clip(1, len(edges) - 1).astype(np.int64) - 1


@dataclass(frozen=True)
class Pace:
    """How many end a day, by channel, age and nearness."""

    paid: Floats
    gone: Floats


def learn(seen: Seen) -> Pace:
    return Pace(_pace(seen.paid.sum(0), seen.days.sum(0)), _pace(seen.gone.sum(0), seen.days.sum(0)))


def _pace(ended: Floats, days: Floats) -> Floats:
    """Each cell leans on its age and its nearness, each channel on all, the more the less it has seen. How
    near the event is counts for payments that have waited: who pays within the hour pays at any time."""
    by_age = _safe(ended.sum((0, 2)), days.sum((0, 2)))[:, None] * np.ones(days.shape[2])
    waited = np.s_[:, _WAITED:, :]
    by_age[_WAITED:] *= _ratio(ended[waited].sum((0, 1)), (days[waited].sum(0) * by_age[_WAITED:]).sum(0))
    cells = (ended.sum(0) + BELIEVED) / (days.sum(0) + _safe(BELIEVED, by_age, np.inf))
    quicker = _ratio(ended.sum(2), (days * cells).sum(2))
    return cells[None] * quicker[:, :, None]


def _ratio(seen: Floats, expected: Floats) -> Floats:
    """How much more than expected, leaning on 1."""
    return (seen + BELIEVED) / (expected + BELIEVED)


def _safe(part: Any, whole: Any, otherwise: float = 0.0) -> Floats:
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.divide(part, whole, out=np.full(whole.shape, otherwise), where=whole > 0)


def chances(pace: Pace, book: Book, now: Floats | float, ahead: Sequence[float]) -> Floats:
    """Of each open payment, how likely it is paid within each number of days, which rise; let go is not paid.

    It walks from step to step of ``STEPS``, whatever is asked for: a day has one answer.
    """
    found = np.zeros((len(ahead), len(book)))
    left, paid, since = np.ones(len(book)), np.zeros(len(book)), 0.0
    asked = 0
    for until in (*STEPS, np.inf):
        while asked < len(ahead) and ahead[asked] < until:
            found[asked] = paid + _walk(pace, book, now, since, ahead[asked], left)[0]
            asked += 1
        if asked == len(ahead):
            break
        pays, ends = _walk(pace, book, now, since, until, left)
        left, paid, since = left - ends, paid + pays, until
        while asked < len(ahead) and ahead[asked] == until:
            found[asked] = paid
            asked += 1
    return found


def _walk(
    pace: Pace, book: Book, now: Floats | float, since: float, until: float, left: Floats
) -> tuple[Floats, Floats]:
    """Between two numbers of days from now, of what is left: how much is paid, and how much ends."""
    pays, goes = np.zeros(len(book)), np.zeros(len(book))
    for places, age, near, spent in time_in_cells(book, now + since, now + until):
        cell = book.channel[places], age, near
        pays[places] += pace.paid[cell] * spent
        goes[places] += pace.gone[cell] * spent
    ends = left * -np.expm1(-(pays + goes))
    return ends * _safe(pays, pays + goes), ends


# -- how far events differ ----------------------------------------------------------------------------


def spreads(book: Book, seen: Seen, now: float, ahead: Sequence[float]) -> Floats:
    """For each number of days ahead, how far events stand from the rest: the scatter of what came, beyond
    that of payers who each pay or do not. What nobody could see yet is worth as the usual."""
    events, place = np.unique(book.event, return_inverse=True)
    scatter, weight = np.zeros(len(ahead)), np.zeros(len(ahead))
    if len(events):
        # all events walk at once: each has channels of its own, with the pace of the others in them
        others = [learn(seen.without(event)) for event in events]
        pace = Pace(
            np.concatenate([one.paid for one in others]), np.concatenate([one.gone for one in others])
        )
        own = replace(book, event=place, channel=place * seen.days.shape[1] + book.channel)
        told, total = _scatter(own, pace, now, ahead)
        scatter, weight = told.sum(1), total.sum(1)
    squared = (scatter + WORTH * USUAL_SPREAD**2) / (weight + WORTH)
    return np.sqrt(np.maximum(squared, 0.0025))


def _scatter(book: Book, pace: Pace, now: float, ahead: Sequence[float]) -> tuple[Floats, Floats]:
    """By days ahead and event: the squared distance beyond chance, and how much it tells (1: all that one
    event can)."""
    moments = np.arange(now - ahead[0], book.began.min(), -_REPLAY_EVERY)
    replay, place = np.nonzero((book.began <= moments[:, None]) & (book.ended > moments[:, None]))
    shape = int(book.event.max()) + 1, len(moments)
    told, total = np.zeros((len(ahead), shape[0])), np.zeros((len(ahead), shape[0]))
    if not len(place):
        return told, total
    waiting, then = book.only(place), moments[replay]
    minor, cell = waiting.minor.astype(float), waiting.event * len(moments) + replay
    chance = chances(pace, waiting, then, ahead)
    for nth, days in enumerate(ahead):
        paid = waiting.paid & (waiting.ended <= then + days)
        sums = [
            np.bincount(cell, each, shape[0] * shape[1]).reshape(shape)[:, moments + days <= now]
            for each in (
                minor * (paid - chance[nth]), minor**2 * chance[nth] * (1 - chance[nth]),
                minor * _density(chance[nth]),
            )
        ]  # fmt: skip
        off, by_chance, moved = sums[0] ** 2, sums[1], sums[2] ** 2
        sure = _safe(USUAL_SPREAD**2 * moved, by_chance + USUAL_SPREAD**2 * moved)
        many = np.maximum(1, np.count_nonzero(sure, axis=1))
        told[nth] = (sure**2 * _safe(off - by_chance, moved)).sum(1) / many
        total[nth] = (sure**2).sum(1) / many
    return told, total


# -- what comes together ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Band:
    """Minor units: what is expected, and between which sums it lies in so many of a hundred cases. ``holds``:
    how likely that is in parts of one; of few payments sums come in lumps, and it is more than was asked."""

    low: float
    mean: float
    high: float
    holds: float = 1.0

    @property
    def rounded(self) -> tuple[int, int, int]:
        """Low, mean and high in whole units of a currency: cents would look known."""
        low, mean, high = (round(one / 100) * 100 for one in (self.low, self.mean, self.high))
        return low, mean, high


class Share(NamedTuple):
    """Of what is open: what a payment asks for and how likely it is paid, and how many there are of it."""

    minor: Whole
    chance: Floats
    many: Whole | int = 1

    @property
    def whole(self) -> float:
        return float((self.minor * self.many).sum())

    @property
    def number(self) -> int:
        return int(np.broadcast_to(self.many, self.minor.shape).sum())

    @property
    def each(self) -> "Share":
        """One by one."""
        return Share(np.repeat(self.minor, self.many), np.repeat(self.chance, self.many))


def band(
    groups: Sequence[tuple[Any, ...]], spread: float, *, learned_from: int = 1_000, percent: int = 80
) -> Band:
    """``groups``: of each event its open payments, as a ``Share``.

    What was learned from few events may itself be off, for all groups alike: by the spread of as many events'
    mean. Of equal groups, this much more spread of each makes their sum as uncertain.
    """
    shares = [Share(*one) for one in groups if len(one[0])]
    spread *= float(np.sqrt(1 + len(shares) / max(1, learned_from)))
    whole = sum(one.whole for one in shares)
    if not whole:
        return Band(0.0, 0.0, 0.0)
    mean = float(sum((one.minor * one.chance * one.many).sum() for one in shares))
    unit = whole / _STEPS / min(_FINEST, max(1.0, _SMALL * whole / max(mean, _LEAST)))
    law, leaning = np.ones(1), _leaning(_PLACES, spread)
    start = 0
    for one in shares:
        few = one.number <= _FEW
        begins, its = (0, _added(one.each, unit, spread)) if few else _law(one, unit, leaning)
        start, law = start + begins, np.convolve(law, its)
    reached = np.cumsum(law) / law.sum()
    tail = (100 - percent) / 200
    first, last = (int(np.searchsorted(reached, share - 1e-9)) for share in (tail, 1 - tail))
    low, high = max(0.0, (start + first) * unit), (start + last) * unit
    holds = float(reached[last] - (reached[first - 1] if first else 0.0))
    return Band(min(low, mean), mean, min(max(high, mean), whole), holds)


def _law(share: Share, unit: float, leaning: Floats) -> tuple[int, Floats]:
    """How likely each number of steps of a unit is, from the first that is told. ``leaning``: what chances at
    ``_PLACES`` come to. What lies between two steps is shared by both, and a normal may begin below nothing:
    so the mean is kept, however small a part of a step it is."""
    size, probit = share.minor / unit, _inverse(share.chance)
    mean = _weighed(leaning, probit, size * share.many)
    variance = _weighed(leaning * (1 - leaning), probit, size**2 * share.many)
    deviation = np.maximum(np.sqrt(np.maximum(variance, 0.0)), _LEAST)
    far = _FAR * deviation
    first, last = int(np.floor((mean - far).min())), int(np.ceil((mean + far).max()))
    above = (np.arange(first - 1, last + 2)[None] - mean[:, None]) / deviation[:, None]
    falls = np.exp(-(above**2) / 2) / np.sqrt(2 * np.pi)
    beyond = deviation[:, None] * (above * _normal(above) + falls)
    law: Floats = np.maximum(np.diff(beyond, 2, axis=1), 0.0).mean(0)
    return first, law


def _weighed(told: Floats, probit: Floats, weight: Floats) -> Floats:
    """A sum over many payments, of what is told at ``_PLACES``: what lies between two of them is shared among
    both by its nearness, as ``_normal`` reads its table."""
    at = (probit - _PLACES[0]) / (_PLACES[1] - _PLACES[0])
    below = at.astype(np.int64).clip(0, len(_PLACES) - 2)
    above = at - below
    there = np.bincount(below, weight * (1 - above), len(_PLACES))
    there += np.bincount(below + 1, weight * above, len(_PLACES))
    return np.einsum("ij,j->i", told, there)


def _leaning(probit: Floats, spread: float) -> Floats:
    """Chances, in each part of what their event may turn out to be."""
    return _normal(np.sqrt(1 + spread**2) * probit + spread * _parts()[:, None])


def _added(share: Share, unit: float, spread: float) -> Floats:
    """The same of a few, payment by payment; one that lies between two steps is shared among them."""
    size, each = share.minor / unit, _leaning(_inverse(share.chance), spread)
    steps = int(np.ceil(size.sum())) + len(size) + 1
    law = np.zeros((len(each), steps))
    law[:, 0] = 1.0
    for nth, much in enumerate(size):
        whole, part = int(much), much - int(much)
        paid = np.zeros_like(law)
        paid[:, whole:] += (1 - part) * law[:, : steps - whole]
        paid[:, whole + 1 :] += part * law[:, : steps - whole - 1]
        law = (1 - each[:, nth, None]) * law + each[:, nth, None] * paid
    together: Floats = law.mean(0)
    return together


@cache
def _table() -> tuple[Floats, Floats]:
    """The normal distribution at many places: numpy has none."""
    places = np.linspace(-6.5, 6.5, 5201)
    normal = NormalDist()
    return places, np.array([normal.cdf(place) for place in places])


@cache
def _parts() -> Floats:
    normal = NormalDist()
    return np.array([normal.inv_cdf((part + 0.5) / _PARTS) for part in range(_PARTS)])


def _normal(values: Floats) -> Floats:
    return np.interp(values, *_table())


def _inverse(chance: Floats) -> Floats:
    places, reached = _table()
    return np.interp(np.clip(chance, _LEAST, 1 - _LEAST), reached, places)


def _density(chance: Floats) -> Floats:
    found: Floats = np.exp(-(_inverse(chance) ** 2) / 2) / np.sqrt(2 * np.pi)
    return found
