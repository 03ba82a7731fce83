"""Money taken back: a returned debit, a reversed transfer. It is held against the line that brought it."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, timedelta

from payments.matching.evidence import Allocation, Candidate, Evidence, Kind, Line, Proposal, Target, Way
from payments.matching.names import likeness, words
from payments.references import Reader

_AMOUNT = Evidence(Kind.AMOUNT, True, "the same amount, taken back")
_REFERENCE = Evidence(Kind.REFERENCE, True, "the same reference")


class Earlier:
    """Lines that brought money, by amount."""

    def __init__(self, lines: Iterable[Line], reader: Reader, *, days: int) -> None:
        self._by_amount: dict[int, list[Line]] = defaultdict(list)
        for line in lines:
            if line.amount.minor > 0:
                self._by_amount[line.amount.minor].append(line)
        self._reader = reader
        self._days = timedelta(days=days)
        self._taken: set[int] = set()

    def propose(self, line: Line) -> Proposal:
        found = [
            Candidate(Target.LINE, one.id, score, evidence)
            for one in self._by_amount[-line.amount.minor]
            if one.id not in self._taken and _in_time(line.on, one.on, self._days)
            for score, evidence in [self._weigh(line, one)]
            if score
        ]
        if not found:
            return Proposal(line, Way.NONE, (), ())
        best, *others = sorted(found, key=lambda one: (-one.score, -(one.id or 0)))
        if others and best.score - others[0].score < 20:
            return Proposal(line, Way.REVERSAL, (), (), rivals=tuple(found), tie=True)
        self._taken.add(best.id or 0)
        part = Allocation(Target.LINE, best.id, line.amount)
        return Proposal(
            line, Way.REVERSAL, (part,), best.evidence, safe=best.score >= 85, rivals=tuple(others)
        )

    def _weigh(self, line: Line, earlier: Line) -> tuple[int, tuple[Evidence, ...]]:
        score, evidence = 0, [_AMOUNT]
        mine, theirs = self._reader.exact(line.text), self._reader.exact(earlier.text)
        if set(mine) & set(theirs):
            score, evidence = 100, [*evidence, _REFERENCE]
        elif mine and theirs:
            return 0, ()
        name = words(earlier.text)
        alike = likeness(words(line.text), name[:2] if len(name) > 2 else name)
        if alike.score >= 60:
            score += alike.score
            evidence.append(Evidence(Kind.NAME, True, f"name {alike.score} of 100"))
        days = Evidence(Kind.DATE, True, f"{(line.on - earlier.on).days} days after it came")
        return score, (*evidence, days)


def _in_time(taken: date, came: date, days: timedelta) -> bool:
    return timedelta(0) <= taken - came <= days
