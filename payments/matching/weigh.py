"""What speaks for one payment and against it, given one line; and which of several is the best."""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from rapidfuzz.distance import OSA

from db.money import Money
from payments.matching.clues import Clues
from payments.matching.evidence import Candidate, Evidence, Kind, Line, Obligation, Target, days_later
from payments.matching.memory import WHOLE
from payments.matching.names import Likeness, likeness, words
from payments.references import Fault

EXACT_REFERENCE = Evidence(Kind.REFERENCE, True, "reference exact")
EXACT_AMOUNT = Evidence(Kind.AMOUNT, True, "amount exact")
BY_RULE = Evidence(Kind.RULE, True, "a rule names this payer")
NAMED_BY_PAPER = Evidence(Kind.REFERENCE, True, Fault.PAPER.value)
ALREADY_PAID = Evidence(Kind.AMOUNT, False, "nothing is to be paid any more")
TOO_EARLY = Evidence(Kind.DATE, False, "paid before it was asked for")
ODD_REFERENCE = Evidence(Kind.REFERENCE, False, "the reference given is another's or none")

#: So near to the best, another candidate makes it a tie.
NEAR = 20
#: From here a name says who somebody is: the surname, and the first name or its initial.
NAME_TELLS = 85
#: A memory of one and a half confirmed matches, fresh ones.
MEMORY_TELLS = WHOLE * 3 // 2
_NAME_SCORE = ((100, 45), (93, 42), (85, 38), (60, 15), (30, 5), (25, -15))


class Weighed(NamedTuple):
    obligation: Obligation
    candidate: Candidate
    amount_agrees: bool
    firm: frozenset[Kind]  # kinds besides the amount that alone would convince beside it
    against: bool
    likeness: Likeness

    @property
    def safe(self) -> bool:
        return self.amount_agrees and bool(self.firm) and not self.against


def weigh(clues: Clues, obligation: Obligation, rest_minor: int, *, most_ppm: int) -> Weighed:
    """``rest_minor`` is still to be paid; ``most_ppm`` is how much chance a healed reference may hold."""
    evidence: list[Evidence] = []
    firm: set[Kind] = set()
    said = clues.references or clues.tails
    score = _weigh_reference(clues, obligation, evidence, firm, most_ppm) if said else 0
    odd = score < 0
    agrees = clues.line.amount.minor == rest_minor
    evidence.append(EXACT_AMOUNT if agrees else _odd_amount(clues.line, rest_minor))
    score += 50 if agrees else -20
    alike = likeness(clues.words, words(obligation.name))
    if alike.score:
        points, says = _name_says(alike.score)
        score += points
        evidence.append(says)
        if alike.score >= NAME_TELLS:
            firm.add(Kind.NAME)
    if clues.contacts or clues.known or clues.ruled:
        score += _weigh_people(clues, obligation, evidence, firm)
    days = (clues.line.on - obligation.created_on).days
    early = days < 0
    evidence.append(TOO_EARLY if early else days_later(days))
    candidate = Candidate(Target.PAYMENT, obligation.id, score - 30 * early, tuple(evidence))
    return Weighed(obligation, candidate, agrees, frozenset(firm), early or odd, alike)


def _weigh_reference(
    clues: Clues, obligation: Obligation, evidence: list[Evidence], firm: set[Kind], most_ppm: int
) -> int:
    """Below nothing when another reference is given."""
    clue = clues.references.get(obligation.reference)
    if clue and clue.fault is Fault.NONE:
        evidence.append(EXACT_REFERENCE)
        firm.add(Kind.REFERENCE)
        return 100
    if clue and clue.fault is Fault.PAPER:
        evidence.append(NAMED_BY_PAPER)
        return 45
    if clue:
        evidence.append(Evidence(Kind.REFERENCE, True, f"reference: {clue.fault.value}"))
        if clue.chance_ppm <= most_ppm:
            firm.add(Kind.REFERENCE)
            return 85
        return 45
    if not clues.tails:
        return 0
    tail = obligation.reference.rpartition("_")[2]
    near = min(OSA.distance(tail, seen[: len(tail)]) for seen in clues.tails)
    if near <= 3:
        evidence.append(Evidence(Kind.REFERENCE, True, f"reference: {near} characters apart"))
        return 30
    evidence.append(ODD_REFERENCE)
    return -40


def _weigh_people(clues: Clues, obligation: Obligation, evidence: list[Evidence], firm: set[Kind]) -> int:
    """Phone, e-mail, a rule, and who this payer paid for before."""
    contacts = {obligation.phone, obligation.email} - {""}
    score = 0
    if contacts & clues.contacts:
        evidence.append(Evidence(Kind.CONTACT, True, "phone or e-mail in the text"))
        firm.add(Kind.CONTACT)
        score += 45
    if clues.ruled in contacts:
        evidence.append(BY_RULE)
        firm.add(Kind.RULE)
        score += 45
    weight, times = max((clues.known[one] for one in contacts if one in clues.known), default=(0, 0))
    if weight:
        evidence.append(Evidence(Kind.MEMORY, True, f"payer seen before ×{times}"))
        firm |= {Kind.MEMORY} if weight >= MEMORY_TELLS else set()
        score += min(40, 20 * weight // WHOLE)
    return score


def _odd_amount(line: Line, rest_minor: int) -> Evidence:
    more = line.amount.minor - rest_minor
    by = Money(abs(more), line.amount.currency)
    return Evidence(Kind.AMOUNT, False, f"amount {by} {'above' if more > 0 else 'below'}")


@cache
def _name_says(score: int) -> tuple[int, Evidence]:
    points = next(points for least, points in _NAME_SCORE if score >= least)
    return points, Evidence(Kind.NAME, score >= 60, f"name {score} of 100")


def rank(weighed: Sequence[Weighed]) -> tuple[Weighed, list[Weighed], bool]:
    """The best, the others, and whether it is a tie.

    It is one when another is nearly as good, and when the text names somebody else as well: *from T Mokoena,
    for S Naidoo*.
    """
    best, *others = sorted(weighed, key=lambda one: (-one.candidate.score, one.obligation.id))
    return best, others, any(_ties(best, other) for other in others)


def _ties(best: Weighed, other: Weighed) -> bool:
    if best.candidate.score - other.candidate.score < NEAR:
        return True
    if Kind.REFERENCE in best.firm or Kind.REFERENCE in other.firm:
        return False
    named = other.likeness.words - best.likeness.words
    return other.amount_agrees and other.likeness.score >= 60 and bool(named)
