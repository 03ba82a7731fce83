"""Value-added tax and the lines of a bill, in whole cents: what the lines say is what the totals say.

VAT is worked out once, on the whole, half up; the lines share exactly that, each within a cent of its own.
So nothing is left over to be explained, however many lines there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from db.money import Money

#: The standard rate: 15 % since 1 April 2018 (VAT Act 89 of 1991, s. 7), in hundredths of a percent.
RATE_BP = 1_500
#: Up to this a tax invoice may be abridged: it need not name the recipient (VAT Act, s. 20(5)).
ABRIDGED_UP_TO = Money(500_000)
_WHOLE_BP = 10_000


@dataclass(frozen=True)
class Item:
    """Something charged for. ``unit`` is the price of one, ``discount`` what goes off the line."""

    what: str
    unit: Money
    quantity: int = 1
    discount: Money | None = None

    @property
    def amount(self) -> Money:
        whole = self.unit * self.quantity
        return whole - self.discount if self.discount else whole


@dataclass(frozen=True)
class Line:
    """An item with its share of the VAT: ``net`` and ``vat`` are ``gross``."""

    what: str
    quantity: int
    unit: Money
    discount: Money
    net: Money
    vat: Money
    gross: Money


@dataclass(frozen=True)
class Bill:
    """``rate_bp`` 0: whoever bills is not registered, and there is no VAT in it."""

    lines: tuple[Line, ...]
    net: Money
    vat: Money
    total: Money
    rate_bp: int


def vat_in(amount: Money, rate_bp: int = RATE_BP) -> Money:
    """The VAT that an amount holds."""
    return Money(_half_up(amount.minor * rate_bp, _WHOLE_BP + rate_bp), amount.currency)


def vat_on(amount: Money, rate_bp: int = RATE_BP) -> Money:
    """The VAT that is added to an amount without it."""
    return Money(_half_up(amount.minor * rate_bp, _WHOLE_BP), amount.currency)


def bill(items: Sequence[Item], *, rate_bp: int, with_vat: bool = True) -> Bill:
    """``with_vat``: the prices hold their VAT, as prices shown to the public do (VAT Act, s. 65); else it
    is added. Raises ValueError: no item, several currencies, a line below nothing.
    """
    amounts = [item.amount for item in items]
    if not items or any(item.quantity < 1 or item.amount.minor < 0 for item in items):
        raise ValueError("a bill has lines, and none of them is below nothing")
    whole = sum(amounts[1:], amounts[0])
    vat = vat_in(whole, rate_bp) if with_vat else vat_on(whole, rate_bp)
    shares = share(vat, [amount.minor for amount in amounts])
    lines = tuple(_line(item, part, with_vat=with_vat) for item, part in zip(items, shares, strict=True))
    total = whole if with_vat else whole + vat
    return Bill(lines, total - vat, vat, total, rate_bp)


def share(whole: Money, weights: Sequence[int]) -> tuple[Money, ...]:
    """An amount in parts that are in proportion, each within a cent, and together exactly the amount.

    The cents left over go to whoever lost most to rounding, the first of equals before the next.
    """
    together = sum(weights)
    if not together:
        return tuple(Money(0, whole.currency) for _ in weights)
    parts = [divmod(whole.minor * weight, together) for weight in weights]
    left = whole.minor - sum(part for part, _ in parts)
    by_loss = sorted(range(len(parts)), key=lambda at: (-parts[at][1], at))
    more = set(by_loss[:left])
    return tuple(Money(part + (at in more), whole.currency) for at, (part, _) in enumerate(parts))


def percent_off(amount: Money, percent_bp: int) -> Money:
    """What a discount in hundredths of a percent takes off an amount."""
    return Money(_half_up(amount.minor * percent_bp, _WHOLE_BP), amount.currency)


def vat_of_part(total: Money, vat: Money, before: Money, part: Money) -> Money:
    """What of a bill's VAT goes with a part that is credited after ``before`` of it was.

    Credits that together are the whole bill together hold the whole of its VAT, whatever their sizes.
    """
    after = _half_up(vat.minor * (before + part).minor, total.minor)
    return Money(after - _half_up(vat.minor * before.minor, total.minor), total.currency)


def _line(item: Item, vat: Money, *, with_vat: bool) -> Line:
    gross = item.amount if with_vat else item.amount + vat
    nothing = Money(0, item.unit.currency)
    return Line(item.what, item.quantity, item.unit, item.discount or nothing, gross - vat, vat, gross)


def _half_up(numerator: int, denominator: int) -> int:
    return (2 * numerator + denominator) // (2 * denominator)
