"""What a bank or payout file says: frozen, and exactly that."""

import datetime
from dataclasses import dataclass

from db.money import Money

#: A file beyond either is refused unread.
MAX_BYTES = 10 * 1024 * 1024
MAX_LINES = 100_000


@dataclass(frozen=True, slots=True)
class Line:
    """One movement on the account.

    ``amount`` is what it moved the balance by, the bank's fee included where the file charges it in the same
    row; ``fee`` (zero, or money out) is shown apart, so that ``amount - fee`` is what was paid in.
    ``ordinal`` counts lines of equal date, amount, description and reference in the order they happened:
    two true identical lines are 1 and 2.
    """

    row: int
    date: datetime.date
    amount: Money
    description: str
    reference: str
    balance: Money | None
    fee: Money
    ordinal: int
    raw: str


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A row that could not be read, with what could be: it waits for a person and is never counted as 0."""

    row: int
    reason: str
    raw: str
    date: datetime.date | None = None
    amount: Money | None = None
    description: str = ""


@dataclass(frozen=True, slots=True)
class Named:
    """A row that is no movement, and what it is: heading, account, opening balance, total …"""

    row: int
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Statement:
    """A whole file. ``rows`` hold anything at all; ``rows = lines + quarantined + headers + footers``.

    ``opening`` and ``closing`` are what the file says, or what its running balance implies; where both are
    known and nothing is quarantined, ``opening + Σ lines = closing``, or the file would have been refused.
    """

    name: str
    layout: str
    account: str
    currency: str
    opening: Money | None
    closing: Money | None
    lines: tuple[Line, ...]
    quarantined: tuple[Quarantined, ...]
    headers: tuple[Named, ...]
    footers: tuple[Named, ...]
    rows: int
    blank_rows: int = 0
    nul_bytes: int = 0
    encoding: str = ""

    @property
    def total(self) -> Money:
        return Money(sum(line.amount.minor for line in self.lines), self.currency)

    @property
    def balanced(self) -> bool:
        """The balances prove that no line is missing or misread."""
        return (
            self.opening is not None
            and self.closing is not None
            and self.opening + self.total == self.closing
        )
