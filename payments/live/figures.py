"""A number on a page that is a door: how many payments, what they ask for, and the filter that lists them."""

from collections import Counter as Sums
from collections.abc import Mapping
from dataclasses import dataclass

from db.money import Money
from payments.finding.conditions import Filter

#: The desk takes rand. Money of other currencies is told beside it, never added to it.
CURRENCY = "ZAR"


@dataclass(frozen=True)
class Summed:
    """How many, and how much: of whatever is added up."""

    count: int
    sums: Mapping[str, Money]  # by currency; one that does not occur is not there

    @property
    def rand(self) -> Money:
        return self.sums.get(CURRENCY, Money(0, CURRENCY))


@dataclass(frozen=True)
class Figure(Summed):
    """``search.totals`` of the filter says the same count and the same sums, always: tests ask it."""

    filter: Filter


class Pile:
    """Payments being added up, currencies apart."""

    def __init__(self) -> None:
        self._counts: Sums[str] = Sums()
        self._minors: Sums[str] = Sums()

    def add(self, count: int, minor: int, currency: str) -> None:
        """PostgreSQL's sums are decimals of whole numbers."""
        self._counts[currency] += int(count)
        self._minors[currency] += int(minor)

    def figure(self, wanted: Filter) -> Figure:
        return Figure(self._counts.total(), self._sums(), wanted)

    def summed(self) -> Summed:
        return Summed(self._counts.total(), self._sums())

    def _sums(self) -> dict[str, Money]:
        here = sorted(currency for currency, count in self._counts.items() if count)
        return {currency: Money(self._minors[currency], currency) for currency in here}
