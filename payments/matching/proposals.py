"""How proposals are put together: what goes to which payment, to the cent."""

import re
from collections.abc import Sequence

from db.money import Money
from payments.matching.evidence import (
    Allocation,
    Candidate,
    Evidence,
    Kind,
    Line,
    Obligation,
    Proposal,
    Target,
    Way,
)
from payments.matching.rules import Rule
from payments.matching.weigh import EXACT_AMOUNT, EXACT_REFERENCE, NAMED_BY_PAPER, Weighed

_EXACTLY = (EXACT_REFERENCE, EXACT_AMOUNT)


def nothing(line: Line, rivals: tuple[Candidate, ...] = ()) -> Proposal:
    return Proposal(line, Way.NONE, (), (), rivals=rivals)


def exactly(line: Line, payment: int) -> Proposal:
    """It names the payment, and is what that lacks."""
    part = Allocation(Target.PAYMENT, payment, line.amount)
    return Proposal(line, Way.EXACT, (part,), _EXACTLY, safe=True)


def aside(line: Line, rule: Rule) -> Proposal:
    says = Evidence(Kind.RULE, True, rule.value or rule.name)
    part = Allocation(Target.ASIDE, None, line.amount)
    return Proposal(line, Way.RULE, (part,), (says,), safe=True, rule=rule.label)


def foreign(
    line: Line,
    hit: Obligation,
    short: Money,
    evidence: tuple[Evidence, ...],
    *,
    safe: bool = True,
    healed: tuple[tuple[int, str], ...] = (),
) -> Proposal:
    says = "above" if short.minor < 0 else "below"
    by = Money(abs(short.minor), short.currency)
    near = Evidence(Kind.AMOUNT, True, f"{by} {says} the quote: rate and bank charges")
    kept = tuple(one for one in evidence if one.kind is not Kind.AMOUNT)
    part = Allocation(Target.PAYMENT, hit.id, line.amount)
    return Proposal(line, Way.FOREIGN, (part,), (*kept, near), safe=safe, short=short, healed=healed)


def fill(line: Line, owed: Sequence[tuple[Obligation, int]]) -> tuple[Allocation, ...]:
    """The line's amount over payments in order; what is left over is surplus of the first."""
    left, parts = line.amount.minor, []
    for hit, rest in owed:
        if part := min(left, rest):
            parts.append(Allocation(Target.PAYMENT, hit.id, Money(part, line.amount.currency)))
            left -= part
    if left:
        parts.append(Allocation(Target.SURPLUS, owed[0][0].id, Money(left, line.amount.currency)))
    return tuple(parts)


#: How people say for how many they pay with one reference: *X2*, *2x*, *for 3*, *4 people*.
_TIMES = re.compile(
    r"(?<![A-Z0-9])(?:X ?([2-9])|([2-9]) ?X|FOR ([2-9])|([2-9]) ?(?:PAX|PEOPLE|PERSONS|TICKETS))(?![A-Z0-9])"
)


def told_times(line: Line, rest_minor: int) -> Evidence | None:
    """That a line brings just as many times what its payment lacks as it says to pay for."""
    told = {int(next(filter(None, found))) for found in _TIMES.findall(line.text.upper())}
    if len(told) != 1 or rest_minor * (times := told.pop()) != line.amount.minor:
        return None
    return Evidence(Kind.AMOUNT, True, f"{times} times what is owed, as it says")


def way_of(best: Weighed) -> Way:
    if NAMED_BY_PAPER in best.candidate.evidence:
        return Way.PAPER
    says = {one.kind for one in best.candidate.evidence if one.agrees}
    for kind, way in (
        (Kind.REFERENCE, Way.HEALED),
        (Kind.RULE, Way.RULE),
        (Kind.CONTACT, Way.CONTACT),
        (Kind.MEMORY, Way.MEMORY),
    ):
        if kind in best.firm or (kind is Kind.REFERENCE and kind in says):
            return way
    return Way.NAME
