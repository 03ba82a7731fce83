"""Rates of exchange as whole numbers: rand for one unit of another currency, in millionths. No float."""

import re

from db.money import CURRENCIES, NBSP, Money
from payments.errors import quoted

#: What a payment may be quoted in. It is charged in rand.
FOREIGN = tuple(currency for currency in CURRENCIES if currency != "ZAR")
MICRO = 1_000_000
#: More rand than this for one unit is a slip: a point left out.
LARGEST_MICRO = 1_000 * MICRO
_RATE = re.compile(r"(?:R|ZAR)? ?(?P<whole>[0-9]{1,9})(?:[.,](?P<part>[0-9]{1,6}))?", re.ASCII)


def read(text: str) -> int:
    """``18.45``, ``18,45`` or ``R 18.4512`` in millionths: a point and a comma are both the decimal one,
    since no rate reaches a thousand. Raises ``ValueError`` with a sentence."""
    plain = text.strip().replace(NBSP, " ")
    match = _RATE.fullmatch(plain)
    if match is None:
        raise ValueError(f"{quoted(text[:40])} is not a rate; write the rand for one unit, like 18.45")
    micro = int(match["whole"]) * MICRO + int((match["part"] or "").ljust(6, "0"))
    if not 1 <= micro <= LARGEST_MICRO:
        raise ValueError(
            f"{quoted(text[:40])} is not a rate: it is more than nothing, and R1 000 at the most"
        )
    return micro


def decimal(micro: int) -> str:
    """``18.4500``: four decimals, and up to six where it has them."""
    whole, part = divmod(micro, MICRO)
    digits = f"{part:06d}"
    return f"{whole}.{digits[:4]}{digits[4:].rstrip('0')}"


def in_rand(quoted: Money, micro: int) -> Money:
    """What an amount is at a rate, to the cent; half a cent goes up."""
    return Money((quoted.minor * micro + MICRO // 2) // MICRO)


def differs_by_bp(micro: int, before: int) -> int:
    """How far a rate is from the one before, in hundredths of a percent of that, half up."""
    return (abs(micro - before) * 20_000 + before) // (2 * before)
