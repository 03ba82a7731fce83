"""A year of event days with known truth: who owes what, and what becomes of it on the way to the bank.

Pure: the same seed and rates give the same year. ``Year`` is what the desk may know; how each line of the
bank came about stands apart, in ``simulator.bank.Truth``, for whoever scores.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from functools import cache

from db.money import Money
from simulator.families import Families

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
#: Makes a whole reference of a prefix and six characters: the desk's own check character is the desk's.
MakeReference = Callable[[str, str], str]


@dataclass(frozen=True)
class Rates:
    """How often what goes wrong: parts of one, unless the name says otherwise. All are printed by a score."""

    payers_a_month: int = 520
    # how payers pay
    by_eft: float = 0.24
    by_card_machine: float = 0.09
    by_cash: float = 0.05
    from_abroad: float = 0.02
    never: float = 0.07
    same_price: float = 0.62
    same_surname: float = 0.05
    comes_again: float = 0.30  # was at an event before
    # by EFT
    reference_damaged: float = 0.27
    reference_absent: float = 0.08
    name_shown: float = 0.75  # the bank's text names the account holder
    paid_by_another: float = 0.03
    another_is_registered: float = 0.4  # of those
    pays_twice: float = 0.008
    pays_in_parts: float = 0.01
    pays_too_much: float = 0.004
    pays_too_little: float = 0.004
    group: float = 0.03
    late: float = 0.10
    returned: float = 0.004
    # at the door
    number_absent: float = 0.10
    number_damaged: float = 0.05
    two_bags: float = 0.08
    counted_wrong: float = 0.02
    # by the gateway
    instant_eft: float = 0.25
    international_card: float = 0.03
    held_a_day: float = 0.5
    refunds_a_day: float = 0.3
    chargebacks_a_day: float = 0.02
    # on the account
    strangers_a_month: float = 4  # deposits that are for no payment at all


@dataclass(frozen=True)
class Fair:
    code: str
    starts_on: date
    days: int
    prices: tuple[tuple[int, float], ...]  # minor units, share


@dataclass(frozen=True)
class Registration:
    id: int
    reference: str
    event: str
    name: str
    email: str
    phone: str
    amount: Money
    created_on: date
    quoted: Money | None = None


@dataclass(frozen=True)
class Capture:
    """A payment the gateway took; ``method`` is truth that the gateway does not tell."""

    registration: int
    on: date
    gross: Money
    method: str


@dataclass(frozen=True)
class Takings:
    """A bag of cash or a card machine's batch, as the desk counted it."""

    id: int
    kind: str  # "bag" or "card"
    number: str
    place: str
    amount: Money  # what should reach the bank
    on: date
    registrations: tuple[int, ...]


@dataclass(frozen=True)
class Deposit:
    """What an EFT payer means to do: parts of the money for registrations, from whom, on a day."""

    on: date
    parts: tuple[tuple[int, int], ...]  # registration and minor units
    payer: str
    surplus: int = 0
    returned_on: date | None = None
    abroad: bool = False
    about: tuple[int, ...] = ()  # whose reference is given, when no part is for it


@dataclass
class Year:
    seed: int
    rates: Rates
    fairs: tuple[Fair, ...]
    registrations: dict[int, Registration] = field(default_factory=dict)
    captures: list[Capture] = field(default_factory=list)
    takings: list[Takings] = field(default_factory=list)
    deposits: list[Deposit] = field(default_factory=list)


#: Conference prices: most pay the first.
PRICES = (1500_00, 950_00, 2500_00, 450_00)


def play(
    seed: int,
    make_reference: MakeReference,
    *,
    first: date = date(2025, 1, 1),
    months: int = 12,
    rates: Rates | None = None,
    prices: tuple[int, ...] = PRICES,
) -> Year:
    """Everything payers do in so many months."""
    dice = random.Random(seed)
    rates = rates or Rates()
    fairs = _fairs(dice, first, months, prices, rates)
    year = Year(seed, rates, fairs)
    people = Families(dice, shared=rates.same_surname)
    guests: list[tuple[str, str, str]] = []
    for fair in fairs:
        people.forget()
        coming = [
            _register(dice, year, fair, people, guests, make_reference) for _ in range(rates.payers_a_month)
        ]
        _pay(dice, year, fair, sorted(coming, key=lambda one: one.created_on), people)
    year.deposits.sort(key=lambda one: (one.on, one.parts))
    year.captures.sort(key=lambda one: (one.on, one.registration))
    return year


def _fairs(
    dice: random.Random, first: date, months: int, prices: tuple[int, ...], rates: Rates
) -> tuple[Fair, ...]:
    others = (1 - rates.same_price) / max(1, len(prices) - 1)
    shares = tuple((price, others if place else rates.same_price) for place, price in enumerate(prices))
    found = []
    for month in range(months):
        start = first + timedelta(days=30 * month + dice.randrange(8, 28))
        found.append(Fair(f"{dice.choice('BCDGHKMPSTW')}{chr(65 + month)}{start:%y}", start, 3, shares))
    return tuple(found)


def _register(
    dice: random.Random,
    year: Year,
    fair: Fair,
    people: Families,
    guests: list[tuple[str, str, str]],
    make_reference: MakeReference,
) -> Registration:
    if guests and dice.random() < year.rates.comes_again:
        who = dice.choice(guests)
    else:
        name = people.name()
        who = (name, *people.contact(name))
        guests.append(who)
    price = dice.choices([price for price, _ in fair.prices], [share for _, share in fair.prices])[0]
    before = min(int(dice.expovariate(1 / 12)), 60)
    number = len(year.registrations) + 1
    reference = make_reference(fair.code, "".join(dice.choices(ALPHABET, k=6)))
    created = fair.starts_on - timedelta(days=before)
    one = Registration(number, reference, fair.code, *who, Money(price), created)
    year.registrations[number] = one
    return one


def _pay(dice: random.Random, year: Year, fair: Fair, coming: list[Registration], people: Families) -> None:
    rates = year.rates
    ways = {
        "never": rates.never, "eft": rates.by_eft, "machine": rates.by_card_machine,
        "cash": rates.by_cash, "abroad": rates.from_abroad,
    }  # fmt: skip
    ways["gateway"] = 1 - sum(ways.values())
    by_way: dict[str, list[Registration]] = {way: [] for way in ways}
    for one in coming:
        by_way[dice.choices(list(ways), list(ways.values()))[0]].append(one)
    for one in by_way["gateway"]:
        on = min(
            one.created_on + timedelta(days=int(dice.expovariate(1 / 2))), fair.starts_on + timedelta(days=2)
        )
        method = dice.choices(
            ("instant_eft", "international_card", "card"),
            (rates.instant_eft, rates.international_card, 1 - rates.instant_eft - rates.international_card),
        )[0]
        year.captures.append(Capture(one.id, on, one.amount, method))
    for kind, way in (("bag", "cash"), ("card", "machine")):
        _at_the_door(dice, year, fair, kind, by_way[way])
    _by_eft(dice, year, by_way["eft"], people)
    for one in by_way["abroad"]:
        _from_abroad(dice, year, one)


def _at_the_door(dice: random.Random, year: Year, fair: Fair, kind: str, payers: list[Registration]) -> None:
    """Two tills a day; each till's money is one bag, or one batch of its machine."""
    tills: dict[tuple[int, int], list[Registration]] = {}
    for one in payers:
        tills.setdefault((dice.randrange(fair.days), dice.randrange(2)), []).append(one)
    for (day, till), people in sorted(tills.items()):
        gross = sum(one.amount.minor for one in people)
        commission = round_half_up(gross, 260 * 115, 1_000_000) if kind == "card" else 0
        number = f"{dice.randrange(10**5, 10**6)}" if kind == "bag" else f"{dice.randrange(10**4):04d}"
        place = ("ROSEBANK", "SANDTON")[till] if kind == "bag" else f"MACHINE {till + 1}"
        on = fair.starts_on + timedelta(days=day)
        ids = tuple(one.id for one in people)
        year.takings.append(
            Takings(len(year.takings) + 1, kind, number, place, Money(gross - commission), on, ids)
        )


def _by_eft(dice: random.Random, year: Year, payers: list[Registration], people: Families) -> None:
    waiting = payers[:]
    while waiting:
        one = waiting.pop(0)
        size = dice.choice((2, 2, 3, 4)) if dice.random() < year.rates.group else 1
        friends = [waiting.pop(0) for _ in range(min(size - 1, len(waiting)))]
        _deposit(dice, year, [one, *friends], payers, people)


def _deposit(
    dice: random.Random,
    year: Year,
    owed: list[Registration],
    all_payers: list[Registration],
    people: Families,
) -> None:
    rates, one = year.rates, owed[0]
    wait = dice.randrange(15, 45) if dice.random() < rates.late else int(dice.expovariate(1 / 3))
    on = bank_day(max(one.created_on for one in owed) + timedelta(days=wait))
    payer = one.name
    if dice.random() < rates.paid_by_another:
        registered = dice.random() < rates.another_is_registered
        payer = dice.choice(all_payers).name if registered else people.name()
    total = sum(each.amount.minor for each in owed)
    deposit = Deposit(on, tuple((each.id, each.amount.minor) for each in owed), payer)
    what = dice.random()
    for share, change in (
        (rates.pays_in_parts, _parts), (rates.pays_too_much, _more), (rates.pays_too_little, _less),
        (rates.pays_twice, _twice), (rates.returned, _returned),
    ):  # fmt: skip
        if what < share and len(owed) == 1:
            year.deposits += change(dice, deposit, one.id, total)
            return
        what -= share
    year.deposits.append(deposit)


def _parts(dice: random.Random, deposit: Deposit, number: int, total: int) -> list[Deposit]:
    first = round_half_up(total, dice.choice((3, 4, 5)), 10)
    later = bank_day(deposit.on + timedelta(days=dice.randrange(1, 21)))
    return [
        replace(deposit, parts=((number, first),)),
        replace(deposit, parts=((number, total - first),), on=later),
    ]


def _more(dice: random.Random, deposit: Deposit, number: int, total: int) -> list[Deposit]:
    return [replace(deposit, surplus=dice.choice((50_00, 100_00, 10_00)))]


def _less(dice: random.Random, deposit: Deposit, number: int, total: int) -> list[Deposit]:
    return [replace(deposit, parts=((number, total - dice.choice((50_00, 10_00, 100_00))),))]


def _twice(dice: random.Random, deposit: Deposit, number: int, total: int) -> list[Deposit]:
    again = bank_day(deposit.on + timedelta(days=dice.randrange(1, 15)))
    return [deposit, replace(deposit, on=again, parts=(), surplus=total, about=(number,))]


def _returned(dice: random.Random, deposit: Deposit, number: int, total: int) -> list[Deposit]:
    return [replace(deposit, returned_on=bank_day(deposit.on + timedelta(days=dice.randrange(1, 6))))]


def _from_abroad(dice: random.Random, year: Year, one: Registration) -> None:
    """Quoted in dollars; arrives in rand at another day's rate, less what banks on the way keep."""
    year.registrations[one.id] = replace(one, quoted=Money(one.amount.minor * 100 // 1850, "USD"))
    arrives = round_half_up(one.amount.minor, 10_000 + dice.randrange(-150, 151), 10_000)
    arrives -= dice.randrange(150_00, 450_00)
    if arrives > 0:
        on = bank_day(one.created_on + timedelta(days=dice.randrange(2, 9)))
        year.deposits.append(Deposit(on, ((one.id, arrives),), one.name, abroad=True))


def round_half_up(minor: int, times: int, over: int) -> int:
    return (2 * minor * times + over) // (2 * over)


def is_bank_day(day: date) -> bool:
    return day.weekday() < 5 and day not in _holidays()


def bank_day(day: date) -> date:
    """That day, or the next on which banks work."""
    while not is_bank_day(day):
        day += timedelta(days=1)
    return day


@cache
def _holidays() -> frozenset[date]:
    import holidays

    return frozenset(holidays.country_holidays("ZA", years=range(2020, 2035)))
