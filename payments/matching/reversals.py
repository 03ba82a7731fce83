"""Money taken back: a returned debit, a reversed transfer. It is held against the line that brought it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import chain
from typing import NamedTuple

from payments.matching.evidence import Allocation, Candidate, Evidence, Kind, Line, Proposal, Target, Way
from payments.matching.names import likeness, words
from payments.references import Reader

_AMOUNT = Evidence(Kind.AMOUNT, True, "the same amount, taken back")
_REFERENCE = Evidence(Kind.REFERENCE, True, "the same reference")


class _Brought(NamedTuple):
    """A line that brought money, and what it tells."""

    line: Line
    references: frozenset[str]
    name: list[str]


class Earlier:
    """Lines that brought money, by amount. What they tell is read when one of their amount is taken back."""

    def __init__(self, lines: Iterable[Line], reader: Reader, *, days: int) -> None:
        self._by_amount: dict[int, list[Line]] = defaultdict(list)
        for line in lines:
            if line.amount.minor > 0:
                self._by_amount[line.amount.minor].append(line)
        self._read: dict[int, dict[str, list[_Brought]]] = {}
        self._reader = reader
        self._days = timedelta(days=days)
        self._taken: set[int] = set()

    def propose(self, line: Line) -> Proposal:
        mine = _Brought(line, frozenset(self._reader.exact(line.text)), words(line.text))
        found = [
            Candidate(Target.LINE, one.line.id, score, evidence)
            for one in self._like(mine)
            if one.line.id not in self._taken and _in_time(line.on, one.line.on, self._days)
            for score, evidence in [_weigh(mine, one)]
            if score
        ]
        if not found:
            return Proposal(line, Way.NONE, (), ())
        best, *others = sorted(found, key=lambda one: (-one.score, -(one.id or 0)))
        if others and best.score - others[0].score < 20:
            return Proposal(line, Way.REVERSAL, (), (), rivals=(best, *others), tie=True)
        self._taken.add(best.id or 0)
        part = Allocation(Target.LINE, best.id, line.amount)
        return Proposal(
            line, Way.REVERSAL, (part,), best.evidence, safe=best.score >= 85, rivals=tuple(others)
        )

    def _like(self, taken: _Brought) -> Iterable[_Brought]:
        """What may be taken back: a line that names other payments than this one is another's."""
        minor = -taken.line.amount.minor
        if minor not in self._read:
            self._read[minor] = self._by_reference(self._by_amount[minor])
        same = self._read[minor]
        named = {*(taken.references or same), ""}
        found = chain.from_iterable(same.get(one, ()) for one in named)
        return {one.line.id: one for one in found}.values()

    def _by_reference(self, lines: Sequence[Line]) -> dict[str, list[_Brought]]:
        """Under "" those that name none."""
        found: dict[str, list[_Brought]] = defaultdict(list)
        references = self._reader.exact_in_each([line.text for line in lines])
        for line, some in zip(lines, references, strict=True):
            one = _Brought(line, frozenset(some), _whose(words(line.text)))
            for reference in some or ("",):
                found[reference].append(one)
        return found


def _whose(name: list[str]) -> list[str]:
    """A bank's text begins with who paid."""
    return name[:2] if len(name) > 2 else name


def _weigh(taken: _Brought, earlier: _Brought) -> tuple[int, tuple[Evidence, ...]]:
    named = not taken.references.isdisjoint(earlier.references)
    alike = likeness(taken.name, earlier.name).score
    known = alike >= 60
    if not named and not known:
        return 0, ()
    days = Evidence(Kind.DATE, True, f"{(taken.line.on - earlier.line.on).days} days after it came")
    reference = (_REFERENCE,) if named else ()
    name = (Evidence(Kind.NAME, True, f"name {alike} of 100"),) if known else ()
    return 100 * named + alike * known, (_AMOUNT, *reference, *name, days)


def _in_time(taken: date, came: date, days: timedelta) -> bool:
    return timedelta(0) <= taken - came <= days
