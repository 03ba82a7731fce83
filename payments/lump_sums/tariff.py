"""What the gateway takes: dated rates, VAT on the fee, a fee for each payout. All whole numbers.

Rates are basis points (285 is 2.85 %), amounts are minor units. Each product is rounded to the cent, half
up, where it arises: the fee of one capture first, then the VAT on that fee. The gateway does not publish
how it rounds, so a cent or two of difference (``ROUNDING_MINOR``) is nobody's mistake.

gross − fee − VAT = net, always.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date

from db.money import Money
from payments.errors import InvalidInput, quoted

WHOLE_BP = 10_000
ROUNDING_MINOR = 2
#: How a payer may have paid, as a settlement line tells. Until one does, a payment's method is the gateway's.
METHODS = ("card", "instant_eft", "international_card")


@dataclass(frozen=True, slots=True)
class Fee:
    """A fee without VAT and the VAT on it."""

    fee_minor: int
    vat_minor: int

    @property
    def total_minor(self) -> int:
        return self.fee_minor + self.vat_minor


@dataclass(frozen=True, slots=True)
class FeeRange:
    """The least and the most a capture may cost; both the same once its method is known."""

    least: Fee
    most: Fee

    def variance_minor(self, charged_minor: int) -> int:
        """How much was charged beyond what the tariff allows; negative: below it; 0: within it."""
        if charged_minor > self.most.total_minor + ROUNDING_MINOR:
            return charged_minor - self.most.total_minor
        if charged_minor < self.least.total_minor - ROUNDING_MINOR:
            return charged_minor - self.least.total_minor
        return 0


@dataclass(frozen=True, slots=True)
class Rates:
    """What holds from ``valid_from`` on, until the next rates do. Fees are without VAT."""

    valid_from: date
    rate_bp: Mapping[str, int] = field(
        default_factory=lambda: {"card": 285, "instant_eft": 200, "international_card": 325}
    )
    vat_bp: int = 1500
    least_fee_minor: int = 0  # of one capture
    payout_fee_minor: int = 250
    least_payout_minor: int = 1000  # below it nothing is paid out: it waits for the next payout

    def __post_init__(self) -> None:
        if not self.rate_bp or any(not 0 <= bp < WHOLE_BP for bp in self.rate_bp.values()):
            raise InvalidInput("A tariff needs a rate from 0 to under 100 % for each method.")
        if min(self.vat_bp, self.least_fee_minor, self.payout_fee_minor, self.least_payout_minor) < 0:
            raise InvalidInput("VAT, fees and the smallest payout cannot be negative.")


class Tariff:
    """Rates by date. Raises ``InvalidInput`` for a day before the first of them: no fee is guessed."""

    def __init__(self, *rates: Rates) -> None:
        self._rates = sorted(rates, key=lambda one: one.valid_from)
        if len({one.valid_from for one in rates}) != len(rates) or not rates:
            raise InvalidInput("A tariff needs rates, and no two of them from the same day.")

    @property
    def days(self) -> list[date]:
        """Since when each of the rates holds."""
        return [one.valid_from for one in self._rates]

    def on(self, day: date) -> Rates:
        for rates in reversed(self._rates):
            if rates.valid_from <= day:
                return rates
        raise InvalidInput(f"The tariff says nothing of {day}: it begins on {self._rates[0].valid_from}.")

    def fee(self, gross: Money, method: str, day: date) -> Fee:
        rates = self.on(day)
        if method not in rates.rate_bp:
            raise InvalidInput(f"The tariff has no rate for {quoted(method)} on {day}.")
        fee_minor = max(share(gross.minor, rates.rate_bp[method]), rates.least_fee_minor)
        return Fee(fee_minor, share(fee_minor, rates.vat_bp))

    def expected(self, gross: Money, method: str | None, day: date) -> FeeRange:
        """What a capture costs; a range over all methods while its own is not known."""
        known = [method] if method in METHODS else list(self.on(day).rate_bp)
        fees = sorted((self.fee(gross, one, day) for one in known if one), key=lambda fee: fee.total_minor)
        return FeeRange(fees[0], fees[-1])

    def net(self, gross: Money, method: str, day: date) -> Money:
        return Money(gross.minor - self.fee(gross, method, day).total_minor, gross.currency)

    def payout_fee(self, day: date) -> Fee:
        rates = self.on(day)
        return Fee(rates.payout_fee_minor, share(rates.payout_fee_minor, rates.vat_bp))


def share(minor: int, basis_points: int) -> int:
    """A part of an amount, to the cent, half up (away from zero for what is owed back)."""
    sign = -1 if minor < 0 else 1
    return sign * ((2 * abs(minor) * basis_points + WHOLE_BP) // (2 * WHOLE_BP))


# -- what was charged, against what should have been -------------------------------------------------


@dataclass(frozen=True, slots=True)
class Charged:
    """One capture as a settlement line tells it. ``charged_minor`` is fee and VAT together."""

    payment_id: int
    gross: Money
    method: str | None
    captured_on: date
    charged_minor: int


@dataclass(frozen=True, slots=True)
class FeeCheck:
    charged: Charged
    expected: FeeRange
    variance_minor: int  # 0 within the tariff and its rounding


def check_fees(charged: Iterable[Charged], tariff: Tariff) -> list[FeeCheck]:
    """Each capture's fee beside the tariff of its day."""
    found = []
    for one in charged:
        expected = tariff.expected(one.gross, one.method, one.captured_on)
        found.append(FeeCheck(one, expected, expected.variance_minor(one.charged_minor)))
    return found


@dataclass(frozen=True, slots=True)
class EffectiveRate:
    """What a method really cost in a month, VAT included: ``rate_bp`` hundredths of a percent of gross."""

    method: str
    month: date  # its first day
    gross: Money
    charged: Money
    rate_bp: int


def effective_rates(charged: Iterable[Charged]) -> list[EffectiveRate]:
    """By month, method and currency, in that order; ``gateway`` where the method is not known."""
    sums: dict[tuple[date, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for one in charged:
        key = (one.captured_on.replace(day=1), one.method or "gateway", one.gross.currency)
        sums[key][0] += one.gross.minor
        sums[key][1] += one.charged_minor
    return [
        EffectiveRate(method, month, Money(gross, currency), Money(cost, currency), _rate_bp(cost, gross))
        for (month, method, currency), (gross, cost) in sorted(sums.items())
    ]


def _rate_bp(cost_minor: int, gross_minor: int) -> int:
    return (2 * cost_minor * WHOLE_BP + gross_minor) // (2 * gross_minor) if gross_minor else 0
