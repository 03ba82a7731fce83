"""What follows from another amount, as steps: pure. What was paid is never altered.

Before money came, another payment takes the place of the one there is. After, the difference is asked for by
a payment beside it, or credited. Together they are a *family*: the first payment and its differences.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from db.money import LARGEST_MINOR, Money
from payments.errors import Conflict, InvalidInput
from payments.lifecycle import CLOSED, Status

#: Nothing of these was paid or promised.
UNPAID = frozenset({Status.CREATED, Status.OPEN, Status.FAILED})
_PAID = frozenset({Status.PAID, Status.PART_REFUNDED})


class Deed(StrEnum):
    REPLACE = "replace"  # cancel it, and ask for the amount in its place
    DROP = "drop"  # cancel a difference that nobody paid
    TAKE_BACK = "take_back"  # of a credit that was not given back
    ASK = "ask"  # for so much more
    CREDIT = "credit"


@dataclass(frozen=True)
class Member:
    """A payment of a family. ``amount`` is without what was written off."""

    reference: str
    status: Status
    amount: Money
    received: Money
    refunded: Money
    credited: Money

    @property
    def waits(self) -> bool:
        return self.status in UNPAID and not self.received

    @property
    def keeps(self) -> Money:
        """What it still asks for or holds of its amount: the rest was let go."""
        if self.status in CLOSED:
            return Money(0, self.amount.currency)
        return self.amount - max(self.refunded, self.credited, key=lambda one: one.minor)

    @property
    def owed_back(self) -> Money:
        return Money(max(0, self.credited.minor - self.refunded.minor), self.amount.currency)


@dataclass(frozen=True)
class Step:
    deed: Deed
    reference: str  # of the payment it is done to; a difference is asked for beside the first
    amount: Money

    @property
    def told(self) -> str:
        return _TOLD[self.deed].format(reference=self.reference, amount=self.amount)


_TOLD = {
    Deed.REPLACE: "{reference} is cancelled, and another payment asks for {amount} in its place.",
    Deed.DROP: "{reference}, which asked for {amount} more, is cancelled.",
    Deed.TAKE_BACK: "{amount} of what was credited of {reference} is not owed back any more.",
    Deed.ASK: "Another payment asks for {amount} more.",
    Deed.CREDIT: "A credit of {amount} is recorded for {reference}: it is owed back to the payer.",
}


def told(steps: Sequence[Step]) -> str:
    return " ".join(step.told for step in steps)


def total(family: Sequence[Member]) -> Money:
    """What it costs in all, as agreed until now. One that was closed costs what it was for."""
    if family[0].status in CLOSED:
        return family[0].amount
    return sum((one.keeps for one in family), Money(0, family[0].amount.currency))


def plan(family: Sequence[Member], wanted: Money, *, anew: bool = False) -> tuple[Step, ...]:
    """What brings a family to cost ``wanted`` in all; nothing when it does. ``anew``: it is for something
    else, of the same sum perhaps.

    Raises InvalidInput (no amount that can be asked for), Conflict (not as things are).
    """
    first = family[0]
    _checked(first, wanted)
    unpaid = first.waits or first.status in (Status.EXPIRED, Status.CANCELLED)
    if wanted == total(family) and not (anew and unpaid):
        return ()
    if unpaid:
        return (Step(Deed.REPLACE, first.reference, wanted),)
    _settled(family)
    waiting = [one for one in family[1:] if one.waits]
    steps = [Step(Deed.DROP, one.reference, one.amount) for one in waiting]
    kept = total([one for one in family if one not in waiting])
    rest = wanted - kept
    return (*steps, *(_more(family, rest) if rest.minor > 0 else _less(family, -rest)))


def _checked(first: Member, wanted: Money) -> None:
    if wanted.currency != first.amount.currency:
        raise InvalidInput(f"{first.reference} is asked in {first.amount.currency}, not {wanted.currency}.")
    if not wanted:
        raise InvalidInput("What costs nothing is complimentary: have it waived, or give back what is here.")
    if not 1 <= wanted.minor <= LARGEST_MINOR:
        raise InvalidInput(f"The amount must be between R0.01 and {Money(LARGEST_MINOR)}.")


def _settled(family: Sequence[Member]) -> None:
    """Raises Conflict where money is under way or contested: the difference would not be known."""
    for one in family:
        match one.status:
            case Status.DISPUTED:
                raise Conflict(f"{one.reference} is disputed: change its amount once that has ended.")
            case Status.CLAIMED:
                raise Conflict(
                    f"The payer says that {one.reference} is paid. Decide upon that first, then change it."
                )
            case _:
                pass
    first = family[0]
    if first.status in (Status.WAIVED, Status.REFUNDED):
        why = "is waived" if first.status is Status.WAIVED else "was given back whole"
        raise Conflict(f"{first.reference} {why}: take a new payment for another amount.")


def _more(family: Sequence[Member], rest: Money) -> list[Step]:
    """What is owed back is not asked for; then a difference."""
    steps: list[Step] = []
    for one in reversed(family):
        part = min(one.owed_back, rest, key=lambda money: money.minor)
        if part:
            steps.append(Step(Deed.TAKE_BACK, one.reference, part))
            rest = rest - part
    return [*steps, Step(Deed.ASK, family[0].reference, rest)] if rest else steps


def _less(family: Sequence[Member], rest: Money) -> list[Step]:
    """Credited where money is, of the newest first."""
    steps: list[Step] = []
    for one in reversed(family):
        here = one.keeps.minor if one.status in _PAID else 0
        part = Money(min(here, rest.minor), rest.currency)
        if part:
            steps.append(Step(Deed.CREDIT, one.reference, part))
            rest = rest - part
    if rest:
        owing = next((one for one in family if one.status is Status.PART_PAID), family[0])
        raise Conflict(
            f"{owing.reference} is {owing.status.replace('_', ' ')}, with {owing.received} of {owing.amount} "
            f"here: it can cost less once all of it is here, or what is here was given back."
        )
    return steps
