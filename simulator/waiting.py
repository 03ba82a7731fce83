"""Seasons of payments that wait: who pays when, who never does, drawn from a seed.

Pure, and in days from a first midnight. Payers have reasons of their own: some pay at once, some when a mail
reminds them, when wages come, before the price rises, at the door, and some never. No two events are alike:
each has a mood, and its own share of people who only asked.
"""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass

#: How a payment was asked for: by link, by another system, without a link (an EFT sheet, an invoice).
CHANNELS = ("link", "api", "none")
DAYS = 730
_PRICES = (25_000, 45_000, 65_000, 98_000, 129_999, 189_000, 245_000, 350_000)
#: Of who asks, how many pay at once, and within how many hours half of them have; by channel.
_AT_ONCE = {"link": (0.62, 0.4), "api": (0.80, 0.15), "none": (0.15, 20.0)}
_CHANNEL_SHARES = (0.55, 0.25, 0.20)


@dataclass(frozen=True)
class Fair:
    """``mood`` is how willing its payers are, ``only_asked`` how many never mean to pay; ``dear_from``: the
    day its prices rise; ``rush``: how many times as willing they are as it begins."""

    number: int
    starts: int
    days: int
    opens: int
    dear_from: int
    size: int
    mood: float
    only_asked: float
    rush: float
    reminds: tuple[int, ...]  # days after a payment was asked for
    calls: tuple[int, ...]  # days before it begins, when everybody who has not paid gets a mail
    prices: tuple[int, ...]

    @property
    def over(self) -> int:
        return self.starts + self.days


@dataclass(frozen=True)
class Waited:
    """``ended``: when it was paid or let go, whichever it was."""

    fair: Fair
    channel: str
    minor: int
    began: float
    ended: float
    paid: bool


@dataclass(frozen=True)
class Season:
    fairs: tuple[Fair, ...]
    payments: tuple[Waited, ...]


def play(seed: int, *, unlike: float = 0.30) -> Season:
    """Two years of one organiser's events, to the end of each. ``unlike``: how far their moods differ."""
    dice = random.Random(seed)
    willing = dice.gauss(0, 0.15)  # of all events of this organiser alike
    fairs = tuple(_fair(dice, number, willing, unlike) for number in range(dice.randint(12, 22)))
    payments = [_wait(dice, fair) for fair in fairs for _ in range(fair.size)]
    return Season(fairs, tuple(sorted(payments, key=lambda one: one.began)))


def _fair(dice: random.Random, number: int, willing: float, unlike: float) -> Fair:
    starts = dice.randrange(60, DAYS + 60)
    opens = starts - dice.randrange(40, 130)
    return Fair(
        number, starts, dice.randint(1, 4), opens, starts - dice.randrange(14, 35),
        round(min(700, max(30, dice.lognormvariate(5.0, 0.7)))),
        math.exp(willing + dice.gauss(0, unlike)), dice.betavariate(4, 26), dice.uniform(1.5, 6),
        dice.choice(((), (3,), (3, 10), (7, 14))), dice.choice(((), (14,), (14, 3))),
        tuple(sorted(dice.sample(_PRICES, dice.randint(2, 4)))),
    )  # fmt: skip


def _wait(dice: random.Random, fair: Fair) -> Waited:
    channel = dice.choices(CHANNELS, _CHANNEL_SHARES)[0]
    began = fair.opens + (fair.over - fair.opens) * dice.betavariate(1.8, 1.3)
    minor = dice.choices(fair.prices, range(len(fair.prices), 0, -1))[0]
    gone = _lets_go(dice, fair, began)
    paid = _pays(dice, fair, channel, began)
    if paid is not None and paid < gone:
        return Waited(fair, channel, minor, began, paid, paid=True)
    return Waited(fair, channel, minor, began, gone, paid=False)


def _lets_go(dice: random.Random, fair: Fair, began: float) -> float:
    """The payer calls it off, or the desk does, a week after the event."""
    called_off = began + dice.expovariate(1 / 400)
    return min(called_off, max(began, fair.over) + 7.7)


def _pays(dice: random.Random, fair: Fair, channel: str, began: float) -> float | None:
    """When this payer would pay; None: never."""
    if dice.random() < fair.only_asked:
        return None
    share, half_within_h = _AT_ONCE[channel]
    if dice.random() < share:
        return began + half_within_h / 24 * dice.lognormvariate(0, 1.1)
    slow = dice.lognormvariate(0, 0.6)
    for day in _days(fair, began):
        chance = 1 - math.exp(-0.045 * slow * fair.mood * _pressure(fair, channel, began, day))
        if dice.random() < chance:
            return max(began + 0.001, day + dice.triangular(0.3, 0.95, 0.5))
    return None


def _days(fair: Fair, began: float) -> Iterator[int]:
    return iter(range(int(began), fair.over + 8))


def _pressure(fair: Fair, channel: str, began: float, day: int) -> float:
    """What makes a payer of this day pay, as times of an ordinary one."""
    pressure, age = 1.0, day - int(began)
    for reminded in fair.reminds:
        pressure += 3.0 * (0 <= age - reminded < 2)
    for called in fair.calls:
        pressure += 3.5 * (0 <= day - (fair.starts - called) < 3 and age > 3)
    if 0 < fair.dear_from - day <= 3:
        pressure += 5.0
    if 0 <= fair.starts - day <= 5:
        pressure *= fair.rush
    if fair.starts <= day < fair.over:
        pressure *= 4.0
    if day >= fair.over:
        pressure *= 0.4
    if day % 30 in (24, 25, 26, 0):  # wages
        pressure *= 1.7
    if day % 7 in (5, 6):
        pressure *= 0.3 if channel == "none" else 0.7  # banks rest
    return pressure
