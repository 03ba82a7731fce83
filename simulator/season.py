"""A year at four events, drawn from a seed: who pays for what, when, and what goes wrong.

Pure: the same seed, end and size give the same season. It only tells what happens in the world; the desk's
own functions make rows of it (``commands/season.py``), as they would on the day.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone

from db.money import Money
from simulator import fates
from simulator.crowd import somebody
from simulator.fates import ENDS_PAID, FATES, NEVER_ASKED, Deed

SAST = timezone(timedelta(hours=2))
_ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"  # of references; the desk adds the check character
#: How many payments begin in each hour of a day, midnight first.
_HOURS = (2, 1, 1, 1, 1, 2, 5, 10, 16, 20, 20, 18, 17, 18, 17, 16, 17, 16, 13, 12, 11, 9, 6, 4)


@dataclass(frozen=True)
class Fair:
    """An event of the season. ``share`` of the payments are for it, made between two moments."""

    code: str
    name: str
    prefix: str
    starts_on: date
    ends_on: date
    state: str
    prices: tuple[tuple[str, int], ...]
    share: float
    opens: datetime
    closes: datetime


@dataclass(frozen=True)
class Payer:
    number: int
    fair: Fair
    category: str
    amount: Money
    name: str
    email: str
    phone: str
    reference_body: str
    fate: str


@dataclass(frozen=True)
class Step:
    at: datetime
    deed: Deed
    payer: Payer | None = None
    word: str = ""
    fair: Fair | None = None


@dataclass(frozen=True)
class Season:
    fairs: tuple[Fair, ...]
    payers: tuple[Payer, ...]
    steps: tuple[Step, ...]  # in order of time


def plan(*, seed: int, ends: datetime, payments: int) -> Season:
    """The season of a seed: a year up to ``ends``, with that many payments.

    Every fate befalls somebody, however small the season. Nothing happens after ``ends``: who would have
    paid later has not paid yet.
    """
    dice = random.Random(seed)
    fairs = _fairs(ends)
    starts = sorted(_starts(dice, fairs, ends, payments), key=lambda start: start[0])
    fate_of = fates.drawn(dice, len(starts))
    bodies = _bodies(dice, len(starts))
    payers, steps = [], [Step(_end_of(fair), Deed.CLOSE, fair=fair) for fair in fairs]
    for number, (at, fair) in enumerate(starts):
        payer = _payer(dice, number, fair, fate_of[number], bodies[number])
        payers.append(payer)
        life = list(_life(dice, payer, at))
        steps += life
        steps += _last_look(dice, payer, at, life, ends)
    steps += _strays(ends)
    ordered = sorted((step for step in steps if step.at <= ends), key=lambda step: step.at)
    return Season(fairs, tuple(payers), tuple(ordered))


# -- the events -------------------------------------------------------------------------------------


def _fairs(ends: datetime) -> tuple[Fair, ...]:
    """One that is over, one that is on now, one that is coming, and one nobody may pay for yet."""
    today = ends.astimezone(SAST).date()

    def fair(
        code: str, name: str, prefix: str, day: int, days: int, state: str, share: float, sells: int,
        prices: tuple[tuple[str, int], ...],
    ) -> Fair:  # fmt: skip
        starts_on = today + timedelta(days=day)
        over = _midnight(starts_on + timedelta(days=days))
        return Fair(
            code=code,
            name=f"{name} {starts_on.year}",
            prefix=prefix,
            starts_on=starts_on,
            ends_on=starts_on + timedelta(days=days - 1),
            state=state,
            prices=prices,
            share=share,
            opens=_midnight(today - timedelta(days=sells)),
            closes=min(over, ends),
        )

    return (
        fair(
            "CLOUD-CPT", "Cape Town Cloud Summit", "CLOUD", -232, 3, "open", 0.36, 358,
            (("Early bird", 189_000), ("Regular", 245_000), ("Student", 65_000), ("Workshop day", 98_000)),
        ),
        fair(
            "JOZI-TECH", "Joburg Tech Week", "JOZI", -1, 5, "open", 0.50, 120,
            (("Delegate", 129_999), ("Day pass", 45_000), ("Student", 25_000), ("Workshop", 75_050),
             ("Banquet", 62_500), ("Parking", 8_000)),
        ),
        fair(
            "DBN-JAZZ", "Durban Jazz and Poetry Weekend", "JAZZ", 81, 2, "open", 0.14, 64,
            (("Weekend", 85_000), ("Saturday", 48_000), ("Sunday", 42_000), ("Patron", 350_000)),
        ),
        fair(
            "KRUGER-RUN", "Kruger Trail Run", "TRAIL", 214, 2, "draft", 0.0, 0,
            (("42 km", 98_000), ("21 km", 62_000), ("10 km", 31_000)),
        ),
    )  # fmt: skip


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=SAST)


def _end_of(fair: Fair) -> datetime:
    """A week after an event its books are closed."""
    return _midnight(fair.ends_on) + timedelta(days=7, hours=17)


# -- when payments begin ----------------------------------------------------------------------------


def _starts(
    dice: random.Random, fairs: tuple[Fair, ...], ends: datetime, payments: int
) -> Iterator[tuple[datetime, Fair]]:
    """The moment each payment begins. Today and yesterday are kept busy, whatever the size."""
    midnight = _midnight(ends.astimezone(SAST).date())
    busy = max(fairs, key=lambda fair: fair.share)
    gone = sum(_HOURS[: ends.astimezone(SAST).hour + 1]) / sum(_HOURS)
    today = min(max(4, round(payments * 0.04 * gone)), payments // 5)
    yesterday = min(max(6, round(payments * 0.035)), payments // 5)
    for _ in range(today):
        yield _moment(dice, midnight, midnight, ends), busy
    for _ in range(yesterday):
        yield _moment(dice, midnight - timedelta(days=1), midnight - timedelta(days=1), midnight), busy
    rest = payments - today - yesterday
    for fair in fairs[:-1]:
        count = round(rest * fair.share) if fair is not busy else rest - sum(
            round(rest * other.share) for other in fairs if other is not busy
        )  # fmt: skip
        last = min(fair.closes, midnight - timedelta(days=1))
        for _ in range(count):
            day = int((last - fair.opens).days * dice.betavariate(1.9, 1.2))  # more as the event comes near
            yield _moment(dice, _midnight((fair.opens + timedelta(days=day)).date()), fair.opens, last), fair


def _moment(dice: random.Random, midnight: datetime, first: datetime, last: datetime) -> datetime:
    """Some moment of a day, as busy as its hours are, between two moments."""
    hour = dice.choices(range(24), _HOURS)[0]
    at = midnight + timedelta(hours=hour, seconds=dice.randrange(3600))
    if first <= at < last:
        return at
    return first + timedelta(seconds=int((last - first).total_seconds() * dice.random()))


# -- what becomes of them ---------------------------------------------------------------------------


def _life(dice: random.Random, payer: Payer, start: datetime) -> Iterator[Step]:
    for after, deed, word in FATES[payer.fate][1](dice):
        yield Step(start + after, deed, payer, word)
    if payer.fate not in ("refused", "never made") and dice.random() < 0.4:
        yield Step(
            start + timedelta(seconds=35), Deed.SHARE, payer, dice.choice(("WhatsApp", "WhatsApp", "e-mail"))
        )


def _last_look(
    dice: random.Random, payer: Payer, start: datetime, life: list[Step], ends: datetime
) -> Iterator[Step]:
    """The worker was here lately, as its schedule says, about every link that is not paid at the end."""
    settled = payer.fate in ENDS_PAID and max(step.at for step in life) <= ends
    if settled or payer.fate in NEVER_ASKED:
        return
    age = ends - start
    for older_than, lately in (
        (timedelta(days=31), timedelta(days=1)),
        (timedelta(hours=25), timedelta(hours=1)),
        (timedelta(minutes=135), timedelta(minutes=15)),
        (timedelta(minutes=8), timedelta(minutes=4)),
    ):
        if age > older_than:
            yield Step(ends - lately * dice.random(), Deed.LOOK, payer)
            return


def _strays(ends: datetime) -> Iterator[Step]:
    """Messages that fit nothing, as a hook on the open internet sees them."""
    for ago, deed in (
        (timedelta(days=97), Deed.GARBLED_BELL),
        (timedelta(days=41), Deed.FORGED_BELL),
        (timedelta(days=2, hours=3), Deed.STRAY_BELL),
        (timedelta(hours=5), Deed.STRAY_BELL),
        (timedelta(hours=4), Deed.FORGED_BELL),
    ):
        yield Step(ends - ago, deed, None, "SUCCESS")
        if deed is Deed.STRAY_BELL:
            for minutes in (1.5, 7, 23, 84, 146):
                yield Step(ends - ago + timedelta(minutes=minutes), Deed.FINISH)


# -- people ---------------------------------------------------------------------------------------


def _payer(dice: random.Random, number: int, fair: Fair, fate: str, body: str) -> Payer:
    name, email, phone = somebody(dice)
    category, price_minor = dice.choices(fair.prices, range(len(fair.prices) + 1, 1, -1))[0]
    return Payer(number, fair, category, Money(price_minor), name, email, phone, body, fate)


def _bodies(dice: random.Random, count: int) -> list[str]:
    """The six characters of as many references, all different, in the order they were drawn."""
    bodies: dict[str, None] = {}
    while len(bodies) < count:
        bodies["".join(dice.choices(_ALPHABET, k=6))] = None
    return list(bodies)
