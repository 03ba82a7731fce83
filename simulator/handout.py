"""Statements to try a desk with: what the bank would show if those who owe something had paid this week."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from db.money import Money
from simulator.bank import BankLine
from simulator.slips import account_holder, damaged, written

OPENING_MINOR = 84_250_00
#: What the banks on the way keep of a transfer from abroad.
KEPT_MINOR = 214_50


@dataclass(frozen=True)
class Owed:
    """Somebody who owes something, as far as a bank could come to know."""

    reference: str
    name: str
    minor: int
    since: date
    abroad: bool = False  # quoted in another currency: banks on the way keep some of it


#: A line without its balance: day, amount in minor units, description, reference.
Draft = tuple[date, int, str, str]


def lines(
    owed: Sequence[Owed],
    last: date,
    *,
    seed: int = 2026,
    first: date = date.min,
    opening: int = OPENING_MINOR,
    known: Sequence[Draft] = (),
) -> list[BankLine]:
    """A week up to ``last``: whole and damaged references, names alone, other amounts, payouts and fees.

    Nothing of it is before ``first``. What the desk has of the account already is ``known``, and stands among
    them, since a bank leaves nothing out: the balance runs from ``opening`` over all.
    """
    dice = random.Random(f"handout {seed}")
    at_home = [nth for nth, one in enumerate(owed) if not one.abroad]
    too_much = dict(zip(at_home[1:3], (_a_round_sum, _for_two), strict=False))
    drafts = [
        (
            max(one.since, last - timedelta(days=dice.randrange(6)), first),
            *too_much.get(nth, _paid)(dice, one, nth),
        )
        for nth, one in enumerate(owed)
    ]
    drafts += [
        *known,
        (last, dice.choice((182_340_15, 96_410_90)), "MAGTAPE CREDIT IKHOKHA PAYOUT", ""),
        (last, -69_00, "MONTHLY ACCOUNT FEE", ""),
        (last, -12_400_00, "EFT TO KAROO VENUES CC", "HALL HIRE"),
        (last, 2_400_00, "EFT UBUNTU CATERING NPC", "INV 2291"),
    ]
    if owed:
        _, minor, text, reference = drafts[0]
        drafts.append((last, -minor, f"RETURNED DEBIT {text}"[:40], reference))
    balance, made = opening, []
    for number, (day, minor, text, reference) in enumerate(sorted(drafts, key=lambda one: one[0]), 1):
        balance += minor
        made.append(BankLine(number, day, Money(minor), text, reference, Money(balance)))
    return made


def _paid(dice: random.Random, one: Owed, nth: int) -> tuple[int, str, str]:
    """From abroad it comes short. Else every tenth pays another amount, every fifth leaves the reference
    out, every third damages it."""
    if one.abroad:
        return one.minor - KEPT_MINOR, f"INWARD SWIFT {one.name}".upper()[:30], written(dice, one.reference)
    minor = one.minor - 10_00 if nth % 10 == 7 else one.minor
    holder = account_holder(dice, one.name)
    if nth % 5 == 4:
        return minor, f"IB PAYMENT FROM {holder}"[:30], "CONFERENCE"
    reference = damaged(dice, one.reference) if nth % 3 == 2 else written(dice, one.reference)
    shown = f"CAPITEC {holder}"[:30] if nth % 2 else "FNB APP PAYMENT FROM"
    return minor, shown, reference


def _a_round_sum(dice: random.Random, one: Owed, nth: int) -> tuple[int, str, str]:
    return one.minor + 100_00, f"CAPITEC {account_holder(dice, one.name)}"[:30], written(dice, one.reference)


def _for_two(dice: random.Random, one: Owed, nth: int) -> tuple[int, str, str]:
    """For a friend as well, whom nothing names."""
    shown = f"CAPITEC {account_holder(dice, one.name)}"[:30]
    return 2 * one.minor, shown, f"{written(dice, one.reference)} X2"
