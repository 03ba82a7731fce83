"""What each trading day should bring to the bank, and when; what is late, and what is short."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from db.money import Money
from payments.dates import next_bank_day
from payments.lump_sums.tariff import Tariff
from payments.payouts.lumps import Capture, Explanation

#: A payout reaches the bank one to three bank days after its trading day.
FIRST_DAY, LAST_DAY = 1, 3


@dataclass(frozen=True, slots=True)
class Expected:
    day: date
    least: Money
    most: Money
    due_on: date
    latest_on: date
    is_small: bool  # may be below the smallest payout: then it waits for the next one


def expected(day: date, captures: Sequence[Capture], tariff: Tariff) -> Expected:
    """The deposit of one trading day: exact when every method is known, else from all-dear to all-cheap."""
    currency = captures[0].gross.currency
    fees = [tariff.expected(one.gross, one.method, one.on) for one in captures]
    gross = sum(one.gross.minor for one in captures) - tariff.payout_fee(day).total_minor
    least = gross - sum(fee.most.total_minor for fee in fees)
    return Expected(
        day,
        Money(least, currency),
        Money(gross - sum(fee.least.total_minor for fee in fees), currency),
        next_bank_day(day, FIRST_DAY),
        next_bank_day(day, LAST_DAY),
        least < tariff.on(day).least_payout_minor,
    )


class Trouble(StrEnum):
    LATE = "late"
    SHORT = "short"


@dataclass(frozen=True, slots=True)
class PayoutAlarm:
    trouble: Trouble
    days: tuple[date, ...]
    missing: Money  # at least this much
    says: str


def alarms(
    wanted: Iterable[Expected], paid: Sequence[Explanation], *, today: date, is_past_cut_off: bool
) -> list[PayoutAlarm]:
    """Trading days without their money, and payouts that nothing known makes as small as they are.

    A day is late once its last bank day is over, or past the bank's cut-off that day; a payout is short at
    once. What is below the smallest payout waits for the next one and is not late; several such days are not
    added up.
    """
    covered = {day for one in paid for day in one.days}
    found = []
    for one in wanted:
        over = today > one.latest_on or (today == one.latest_on and is_past_cut_off)
        if one.day not in covered and over and not one.is_small:
            says = f"The payout of {one.day} was due by {one.latest_on}: at least {one.least} is missing."
            found.append(PayoutAlarm(Trouble.LATE, (one.day,), one.least, says))
    for payout in paid:
        if not payout.is_whole and payout.difference.minor < 0:
            says = f"The payout of {payout.days[0]} is {-payout.difference} short: {payout.says}."
            found.append(PayoutAlarm(Trouble.SHORT, payout.days, -payout.difference, says))
    return found
