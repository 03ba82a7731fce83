"""Rules that people write: ordered, conditions joined by and/or, with examples, tried on last year first.

A rule says what a line *is* (a payout, a cash deposit, the bank's own fee) or whom its payer pays for. The
first that fits decides. A regular expression that takes too long is a fault of its rule, told with its name.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache

import regex

from db.money import Money
from payments.errors import InvalidInput, quoted
from payments.matching.evidence import Line

#: One expression on one text. Bank texts are short: an honest expression takes microseconds.
TIME_LIMIT_S = 0.05
LONGEST_PATTERN = 200
#: Under it a rule is switched off: 199 of 200.
LEAST_PRECISION_BP = 9950
#: How many of the newest verdicts judge a live rule, and how few say nothing yet.
JUDGED = 400
ENOUGH = 20


class Field(StrEnum):
    TEXT = "text"  # reference and description together
    DESCRIPTION = "description"
    REFERENCE = "reference"


def _value(line: Line, field: Field) -> str:
    if field is Field.TEXT:
        return line.text
    return line.description if field is Field.DESCRIPTION else line.reference


@dataclass(frozen=True, slots=True)
class Contains:
    text: str
    field: Field = Field.TEXT

    def fits(self, line: Line) -> bool:
        return self.text.casefold() in _value(line, self.field).casefold()


@dataclass(frozen=True, slots=True)
class Matches:
    """A regular expression, case aside. Raises ``InvalidInput`` when it is none, is too long or too slow."""

    pattern: str
    field: Field = Field.TEXT

    def __post_init__(self) -> None:
        _compiled(self.pattern)

    def fits(self, line: Line) -> bool:
        try:
            return bool(_compiled(self.pattern).search(_value(line, self.field), timeout=TIME_LIMIT_S))
        except TimeoutError as error:
            raise InvalidInput(
                f"The expression {quoted(self.pattern)} takes too long. Write it without repeats inside "
                f"repeats."
            ) from error


@cache
def _compiled(pattern: str) -> "regex.Pattern[str]":
    if len(pattern) > LONGEST_PATTERN:
        raise InvalidInput(f"An expression has at most {LONGEST_PATTERN} characters.")
    try:
        return regex.compile(pattern, regex.IGNORECASE)
    except regex.error as error:
        raise InvalidInput(f"{quoted(pattern)} is not a regular expression: {error}.") from error


@dataclass(frozen=True, slots=True)
class Between:
    """The size of the amount, whichever way it goes; both ends included."""

    least: Money
    most: Money

    def fits(self, line: Line) -> bool:
        same = line.amount.currency == self.least.currency == self.most.currency
        return same and self.least.minor <= abs(line.amount.minor) <= self.most.minor


@dataclass(frozen=True, slots=True)
class Sign:
    money_in: bool

    def fits(self, line: Line) -> bool:
        return line.amount.minor > 0 if self.money_in else line.amount.minor < 0


@dataclass(frozen=True, slots=True)
class Account:
    account: str

    def fits(self, line: Line) -> bool:
        return line.account == self.account


@dataclass(frozen=True, slots=True)
class All:
    conditions: tuple["Condition", ...]

    def fits(self, line: Line) -> bool:
        return all(one.fits(line) for one in self.conditions)


@dataclass(frozen=True, slots=True)
class AnyOf:
    conditions: tuple["Condition", ...]

    def fits(self, line: Line) -> bool:
        return any(one.fits(line) for one in self.conditions)


Condition = Contains | Matches | Between | Sign | Account | All | AnyOf


class Says(StrEnum):
    """What a rule takes a line for."""

    PAYOUT = "payout"
    CASH = "cash"
    CARD = "card"
    FOREIGN = "foreign"
    ASIDE = "aside"  # no payment: the bank's fees, own transfers; ``value`` is the reason
    PAYER = "payer"  # pays for the person with the e-mail address or phone number in ``value``


class State(StrEnum):
    OFF = "off"
    SHADOW = "shadow"  # what it would do is kept and compared, and does nothing
    LIVE = "live"


@dataclass(frozen=True, slots=True)
class Rule:
    """``must`` and ``must_not`` are texts that the rule has to fit and to leave alone."""

    name: str
    order: int
    condition: Condition
    says: Says
    value: str = ""
    version: int = 1
    state: State = State.LIVE
    must: tuple[Line, ...] = ()
    must_not: tuple[Line, ...] = ()

    @property
    def label(self) -> str:
        return f"{self.name} v{self.version}"


def examples_that_fail(rule: Rule) -> list[str]:
    """Sentences about the examples a rule is wrong about; empty: it may be saved."""
    missed = [line.text.strip() for line in rule.must if not rule.condition.fits(line)]
    taken = [line.text.strip() for line in rule.must_not if rule.condition.fits(line)]
    wrong = [f"It does not fit “{text}”, which it must: widen a condition." for text in missed]
    return wrong + [f"It fits “{text}”, which it must leave alone: narrow a condition." for text in taken]


def in_order(rules: Iterable[Rule]) -> list[Rule]:
    """The live ones, in the order they are asked."""
    return sorted((rule for rule in rules if rule.state is State.LIVE), key=lambda rule: rule.order)


def first_fitting(rules: Sequence[Rule], line: Line) -> Rule | None:
    return next((rule for rule in rules if rule.condition.fits(line)), None)


# -- would it have been right? ------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decided:
    """A line of the past and what people made of it, in a rule's words."""

    line: Line
    says: Says | None  # None: an ordinary payment that no rule speaks of
    value: str = ""


@dataclass(frozen=True, slots=True)
class BackTest:
    """ "Would have matched 412 of 1 930; 409 agree with what people did; 3 disagree: here."""

    lines: int
    matched: int
    agreed: int
    disagreed: tuple[Decided, ...]
    examples: tuple[str, ...]  # of the rule, that fail

    @property
    def may_go_live(self) -> bool:
        return not self.examples and good_enough(self.agreed, len(self.disagreed))


def back_test(rule: Rule, decided: Iterable[Decided]) -> BackTest:
    lines = matched = agreed = 0
    disagreed = []
    for one in decided:
        lines += 1
        if rule.condition.fits(one.line):
            matched += 1
            if _agree(rule, one):
                agreed += 1
            else:
                disagreed.append(one)
    return BackTest(lines, matched, agreed, tuple(disagreed), tuple(examples_that_fail(rule)))


def _agree(rule: Rule, decided: Decided) -> bool:
    return rule.says is decided.says and (rule.says is not Says.PAYER or rule.value == decided.value)


def good_enough(agreed: int, disagreed: int) -> bool:
    """Precision of at least 99.5 %. With nothing judged there is nothing to stand on."""
    judged = agreed + disagreed
    return judged > 0 and agreed * 10_000 >= LEAST_PRECISION_BP * judged


def next_state(state: State, verdicts: Sequence[bool], *, shadow_days: int, wanted_days: int) -> State:
    """What becomes of a rule by its history: ``verdicts`` are whether people agreed, oldest first.

    A live rule under 99.5 % over its newest verdicts switches itself off; one mistake among fewer than
    ``ENOUGH`` sends it back into the shadow. A shadow rule goes live after its days, when it was right.
    """
    newest = verdicts[-JUDGED:]
    agreed = sum(newest)
    if state is State.LIVE and newest and not good_enough(agreed, len(newest) - agreed):
        return State.OFF if len(newest) >= ENOUGH else State.SHADOW
    proved = len(newest) >= ENOUGH and good_enough(agreed, len(newest) - agreed)
    if state is State.SHADOW and shadow_days >= wanted_days and proved:
        return State.LIVE
    return state


# -- what banks say of themselves ----------------------------------------------------------------------


def _example(text: str, minor: int = 100_00) -> Line:
    from datetime import date

    return Line(0, date(2026, 1, 5), Money(minor), text)


_IN = Sign(money_in=True)
#: Where every desk begins. They only say how money came; whose it is, evidence says.
STANDARD = (
    Rule(
        "gateway payout",
        10,
        All((_IN, AnyOf((Contains("ikhokha"), Matches(r"\biK\b.*\b(settle|payout)"))))),
        Says.PAYOUT,
        must=(_example("IKHOKHA (PTY) LTD 20260314"), _example("MAGTAPE CREDIT IKHOKHA PAYOUT")),
        must_not=(_example("MKHOKHA T REG7K2MPQ4"), _example("IKHOKHA SIM FEE", -50_00)),
    ),
    Rule(
        "card machine",
        20,
        All((_IN, Matches(r"\b(card|merchant|speedpoint|pos)\b.*\b(settle\w*|batch|deposit|sales)\b"))),
        Says.CARD,
        must=(_example("CARD SETTLEMENT 00123456 BATCH 0042"), _example("SPEEDPOINT SALES DEPOSIT")),
        must_not=(_example("M CARD REG7K2MPQ4"), _example("POSTHUMUS BATCHELOR")),
    ),
    Rule(
        "cash deposit",
        30,
        All(
            (_IN, Matches(r"\b(cash|kontant)\b.*\bdep(osit)?\b|\bdep(osit)?\b.*\bcash\b|\bATM DEP(OSIT)?\b"))
        ),
        Says.CASH,
        must=(_example("CASH DEP BAG 104882 ROSEBANK"), _example("DEPOSIT CASH SLIP 5521")),
        must_not=(_example("J CASH REG7K2MPQ4"),),
    ),
    Rule(
        "transfer from abroad",
        40,
        All((_IN, Matches(r"\b(swift|forex|foreign|inward|telegraphic)\b"))),
        Says.FOREIGN,
        must=(_example("INWARD SWIFT W KAMAU REG7K2MPQ4"),),
        must_not=(_example("T SWIFTS REG7K2MPQ4"),),
    ),
    Rule(
        "the bank's own fees",
        50,
        All(
            (
                Sign(money_in=False),
                Matches(r"\b(bank charges?|service fees?|monthly (account )?fee|admin(istration)? charge)\b"),
            )
        ),
        Says.ASIDE,
        "bank charges",
        must=(_example("MONTHLY ACCOUNT FEE", -69_00), _example("#SERVICE FEES", -12_50)),
        must_not=(_example("SERVICE FEE REFUND"), _example("RETURNED DEBIT REG7K2MPQ4", -1500_00)),
    ),
)
