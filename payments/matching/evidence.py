"""What is matched, what speaks for a pairing and against it, and what is proposed: frozen and plain.

What a statement of a year makes by the hundred thousand is a tuple with names: a frozen dataclass takes five
times as long to make.
"""

from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from db.money import Money


class Line(NamedTuple):
    """One line of a bank statement. ``amount`` is signed: money in is positive."""

    id: int
    on: date
    amount: Money
    description: str
    reference: str = ""
    account: str = ""

    @property
    def text(self) -> str:
        return f"{self.reference} {self.description}"


class Obligation(NamedTuple):
    """A payment, as far as matching must know it. ``payable``: money for it is still expected or possible."""

    id: int
    reference: str
    event: str
    amount: Money
    received: Money
    name: str
    created_on: date
    phone: str = ""
    email: str = ""
    payable: bool = True
    quoted: Money | None = None  # in the payer's currency, when it is not ours

    @property
    def outstanding(self) -> Money:
        return self.amount - self.received


class BatchKind(StrEnum):
    BAG = "bag"  # notes and coins of a cash-up, banked under a slip or bag number
    CARD = "card"  # a card machine's day, paid in by the acquirer


@dataclass(frozen=True, slots=True)
class Batch:
    """Money people took that reaches the bank as one sum.

    ``number`` is the bag's or the batch's, ``place`` the branch or the machine; ``expected`` is the sum as it
    should arrive, after what is taken off on the way.
    """

    id: int
    kind: BatchKind
    number: str
    place: str
    expected: Money
    on: date


class Kind(StrEnum):
    """Kinds of evidence. Two that are independent of each other make a proposal safe; the date is none."""

    REFERENCE = "reference"
    AMOUNT = "amount"
    NAME = "name"
    CONTACT = "contact"  # phone number or e-mail address
    MEMORY = "memory"  # this payer text was matched to this person before
    RULE = "rule"
    NUMBER = "number"  # of a bag, slip, batch or machine
    CHANNEL = "channel"  # the bank's own word for how the money came
    DATE = "date"


class Evidence(NamedTuple):
    kind: Kind
    agrees: bool
    says: str  # a phrase for people: "amount exact", "name 85 of 100"


@lru_cache(maxsize=1000)
def days_later(days: int) -> Evidence:
    """That a line came so many days after what it may be for was asked for, taken or paid out."""
    says = {0: "the same day", 1: "1 day later"}.get(days, f"{days} days later")
    return Evidence(Kind.DATE, True, says)


class Target(StrEnum):
    PAYMENT = "payment"
    BATCH = "batch"  # a bag of cash
    CARD = "card"  # a card machine's batch
    LINE = "line"  # an earlier line that this one takes back
    SURPLUS = "surplus"  # nobody's yet: credit, refund, or another's
    PAYOUT = "payout"  # of the gateway: many payments, less its fees
    ASIDE = "aside"  # no payment at all: the bank's own fees, say


class Allocation(NamedTuple):
    """A part of a line's amount and what it is for. The parts of a line add up to its amount, always."""

    target: Target
    id: int | None
    amount: Money


class Way(StrEnum):
    """How a line found what it is for."""

    EXACT = "exact reference"
    HEALED = "healed reference"
    RULE = "rule"
    NAME = "amount and name"
    CONTACT = "amount and contact"
    MEMORY = "payer known"
    PAPER = "number of a paper"
    GROUP = "several payments"
    PARTS = "one of several deposits"
    PAID_BEFORE = "already paid"
    REVERSAL = "taken back"
    CASH = "cash deposit"
    CARD = "card batch"
    FOREIGN = "foreign transfer"
    PAYOUT = "payout"
    REFUND = "refund"  # of a run that was sent
    NONE = "nothing fits"


class Candidate(NamedTuple):
    """One thing that a line may be for, with what speaks for and against it."""

    target: Target
    id: int
    score: int
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a line is proposed to be for. ``safe``: may be accepted without a person.

    ``rivals`` are the other candidates; when one is as good, it is a tie and nothing is allocated.
    ``short`` is what a foreign transfer lost on its way: with it the payment counts as whole.
    """

    line: Line
    way: Way
    allocations: tuple[Allocation, ...]
    evidence: tuple[Evidence, ...]
    safe: bool = False
    rivals: tuple[Candidate, ...] = ()
    tie: bool = False
    short: Money | None = None
    rule: str = ""  # name and version of the rule that decided
    healed: tuple[tuple[int, str], ...] = field(default=())  # payment and what was wrong with its reference

    def __post_init__(self) -> None:
        told = 0
        for part in self.allocations:
            told += part.amount.minor
        if told and told != self.line.amount.minor:
            raise ValueError(f"the parts of line {self.line.id} are not its amount")
        if self.safe and (self.tie or not self.allocations):
            raise ValueError(f"line {self.line.id} has nothing that is safe to accept")

    @property
    def payments(self) -> tuple[int, ...]:
        return tuple(
            part.id for part in self.allocations if part.target is Target.PAYMENT and part.id is not None
        )


#: Kinds that count towards the two. The date only ever speaks against.
COUNTING = frozenset(Kind) - {Kind.DATE}


def independent(evidence: tuple[Evidence, ...]) -> int:
    """How many independent kinds agree."""
    return len({one.kind for one in evidence if one.agrees} & COUNTING)
