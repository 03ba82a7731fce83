"""What the gateway pays out: a trading day's captures less fees, holds, refunds, chargebacks, deductions.

Its arithmetic is its own (``decimal``), so that a score compares two reckonings and not one with itself.
"""

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal

from simulator.event_day import Capture, Year, is_bank_day

#: Percent without VAT, as ``docs/gateway.md`` tells them.
FEES = {"card": Decimal("2.85"), "instant_eft": Decimal("2"), "international_card": Decimal("3.25")}
VAT = Decimal("0.15")
PAYOUT_FEE = Decimal("2.50")
LEAST_PAYOUT = Decimal("10")
SIM_FEE_MINOR = 69_00
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Less:
    """What a payout is less by. The desk knows of it from ``on``."""

    id: int
    kind: str  # "refund", "chargeback" or "deduction"
    minor: int
    on: date


@dataclass(frozen=True)
class Payout:
    id: int
    on: date
    minor: int
    days: tuple[date, ...]
    captures: tuple[Capture, ...]  # those released from an earlier hold included
    held: tuple[Capture, ...]
    less: tuple[Less, ...]


def net_minor(capture: Capture) -> int:
    return capture.gross.minor - sum(fee_minor(capture.gross.minor, capture.method))


def fee_minor(gross_minor: int, method: str) -> tuple[int, int]:
    """The fee of a capture, and the VAT on it."""
    fee = _cents(Decimal(gross_minor) / 100 * FEES[method] / 100)
    return int(fee * 100), int(_cents(fee * VAT) * 100)


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(_CENT, ROUND_HALF_UP)


def payout_fee_minor() -> int:
    return int((PAYOUT_FEE + _cents(PAYOUT_FEE * VAT)) * 100)


def settle(year: Year) -> tuple[list[Payout], list[Less]]:
    """Every payout of a year, and all that the gateway tells the desk it will take off."""
    return _Desk(year).run()


class _Desk:
    def __init__(self, year: Year) -> None:
        self.dice = random.Random(f"settlements {year.seed}")
        self.year = year
        self.payouts: list[Payout] = []
        self.less: list[Less] = []
        self._due: list[tuple[date, Less]] = []
        self._releases: list[tuple[date, Capture]] = []
        self._earlier: list[Capture] = []
        self._carried: list[tuple[date, list[Capture], list[Capture]]] = []

    def run(self) -> tuple[list[Payout], list[Less]]:
        by_day: dict[date, list[Capture]] = defaultdict(list)
        for capture in self.year.captures:
            by_day[capture.on].append(capture)
        for day in sorted(by_day):
            self._take_off(day)
            self._trading_day(day, by_day[day])
            self._earlier += by_day[day]
        return self.payouts, self.less

    def _take_off(self, day: date) -> None:
        rates = self.year.rates
        if not self.less or self.less[-1].on.month != day.month:
            self._note("deduction", SIM_FEE_MINOR, day, day)
        for kind, often in (("refund", rates.refunds_a_day), ("chargeback", rates.chargebacks_a_day)):
            for _ in range(_poisson(self.dice, often) if self._earlier else 0):
                gross = self.dice.choice(self._earlier[-400:]).gross.minor
                later = day if self.dice.random() < 0.8 else day + timedelta(days=1)
                self._note(kind, gross, day, later)

    def _note(self, kind: str, minor: int, on: date, due: date) -> None:
        self.less.append(Less(len(self.less) + 1, kind, minor, on))
        self._due.append((due, self.less[-1]))

    def _trading_day(self, day: date, captures: list[Capture]) -> None:
        count = min(_poisson(self.dice, self.year.rates.held_a_day), len(captures) - 1)
        held = self.dice.sample(captures, count)
        released = [one for due, one in self._releases if due <= day]
        self._releases = [(due, one) for due, one in self._releases if due > day]
        self._releases += [(day + timedelta(days=self.dice.randrange(2, 9)), one) for one in held]
        self._carried.append((day, [one for one in captures if one not in held] + released, held))
        inside = [one for _, some, _ in self._carried for one in some]
        less = [one for due, one in self._due if due <= day]
        minor = sum(map(net_minor, inside)) - sum(one.minor for one in less) - payout_fee_minor()
        if minor < LEAST_PAYOUT * 100:
            return  # nothing so small is paid: it waits for the next trading day
        self._due = [(due, one) for due, one in self._due if due > day]
        days = tuple(carried for carried, _, _ in self._carried)
        all_held = tuple(one for _, _, some in self._carried for one in some)
        self._carried = []
        on = _bank_days_after(day, self.dice.choices((1, 2, 3), (70, 25, 5))[0])
        if self.payouts:  # they reach the bank in the order of their days
            on = max(on, self.payouts[-1].on)
        self.payouts.append(
            Payout(len(self.payouts) + 1, on, minor, days, tuple(inside), all_held, tuple(less))
        )


def _bank_days_after(day: date, steps: int) -> date:
    while steps:
        day += timedelta(days=1)
        steps -= is_bank_day(day)
    return day


def _poisson(dice: random.Random, mean: float) -> int:
    """How often something happens in a day that happens so often on average."""
    at, count = dice.expovariate(1), 0
    while at < mean:
        at += dice.expovariate(1)
        count += 1
    return count


def roll_up(payout: Payout) -> tuple[int, int]:
    """Gross sales and fees with VAT, as the gateway's own daily statement has them."""
    gross = sum(one.gross.minor for one in payout.captures)
    return gross, gross - sum(map(net_minor, payout.captures))
