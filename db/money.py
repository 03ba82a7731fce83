"""Money: a whole number of minor units and a currency. No float comes near it."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

NBSP = "\u00a0"

#: Currencies the desk can hold. All of them have two decimals; one that has not needs more than a line here.
CURRENCIES = ("ZAR", "USD", "EUR", "GBP")
_SYMBOLS = {"ZAR": "R", "USD": "US$", "EUR": "€", "GBP": "£"}

#: The largest single obligation, in minor units: R1 000 000.00. Above it a typing error is likelier.
LARGEST_MINOR = 100_000_000

_AMOUNT = re.compile(
    r"(?:R|ZAR)? ?"
    r"(?P<whole>[0-9]+|[0-9]{1,3}(?: [0-9]{3})+|[0-9]{1,3}(?:,[0-9]{3})+)"
    r"(?:(?P<point>[.,])(?P<cents>[0-9]{2}))?",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Money:
    """An exact amount: ``Money(15000, "ZAR")`` is R150.00.

    Amounts of different currencies never add, subtract or compare: that raises ``ValueError``.
    """

    minor: int
    currency: str = "ZAR"

    def __post_init__(self) -> None:
        if type(self.minor) is not int:
            raise TypeError(f"money is whole minor units, not {self.minor!r}")
        if self.currency not in CURRENCIES:
            raise ValueError(f"unknown currency {self.currency!r}")

    @classmethod
    def parse(cls, text: str, currency: str = "ZAR") -> Self:
        """Read an amount as people write it: ``150``, ``R1 500.00``, ``1,500.00``, ``150,00``.

        Raises ``ValueError`` for anything that could be read in two ways (``1,5``, ``1.500``).
        """
        plain = text.strip().replace(NBSP, " ").replace("\u202f", " ")
        match = _AMOUNT.fullmatch(plain)
        if not match or (match["point"] == "," and "," in match["whole"]):
            raise ValueError(f"“{text}” is not an amount; write it like 150 or 1 500.00")
        whole = match["whole"].replace(" ", "").replace(",", "")
        if len(whole) > 12:
            raise ValueError(f"“{text}” is too large")
        return cls(int(whole) * 100 + int(match["cents"] or 0), currency)

    def __add__(self, other: "Money") -> "Money":
        return Money(self.minor + self._same(other).minor, self.currency)

    def __sub__(self, other: "Money") -> "Money":
        return Money(self.minor - self._same(other).minor, self.currency)

    def __mul__(self, times: int) -> "Money":
        return Money(self.minor * times, self.currency)

    def __neg__(self) -> "Money":
        return Money(-self.minor, self.currency)

    def __lt__(self, other: "Money") -> bool:
        return self.minor < self._same(other).minor

    def __le__(self, other: "Money") -> bool:
        return self.minor <= self._same(other).minor

    def __bool__(self) -> bool:
        return self.minor != 0

    def _same(self, other: "Money") -> "Money":
        if self.currency != other.currency:
            raise ValueError(f"{self.currency} and {other.currency} do not mix")
        return other

    @property
    def decimal(self) -> str:
        """``1234.56``: for files and machines."""
        sign = "-" if self.minor < 0 else ""
        whole, cents = divmod(abs(self.minor), 100)
        return f"{sign}{whole}.{cents:02d}"

    def __str__(self) -> str:
        """``R1 234.56`` with non-breaking spaces: for people."""
        sign = "−" if self.minor < 0 else ""
        whole, cents = divmod(abs(self.minor), 100)
        return f"{sign}{_SYMBOLS[self.currency]}{whole:,}.{cents:02d}".replace(",", NBSP)


def sums(amounts: Iterable[Money]) -> dict[str, Money]:
    """By currency: no two are ever added up."""
    together: dict[str, Money] = {}
    for one in amounts:
        together[one.currency] = together.get(one.currency, Money(0, one.currency)) + one
    return together
