"""Money people took that reaches the bank as one sum: bags of cash, a card machine's day."""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import combinations

from rapidfuzz.distance import OSA

from db.money import Money
from payments.matching.evidence import (
    Allocation,
    Batch,
    BatchKind,
    Candidate,
    Evidence,
    Kind,
    Line,
    Proposal,
    Target,
    Way,
    days_later,
)
from payments.matching.names import words

_DIGITS = re.compile(r"[0-9]{3,}")
_WAYS = {BatchKind.BAG: Way.CASH, BatchKind.CARD: Way.CARD}
_TARGETS = {BatchKind.BAG: Target.BATCH, BatchKind.CARD: Target.CARD}
_CHANNELS = {
    BatchKind.BAG: Evidence(Kind.CHANNEL, True, "the bank says cash deposit"),
    BatchKind.CARD: Evidence(Kind.CHANNEL, True, "the bank says card machine"),
}
_AMOUNT = Evidence(Kind.AMOUNT, True, "amount exact")
_MOST_TOGETHER = 3
_MOST_TIED = 8
#: What a card machine's bank may keep of a batch before it pays in the rest.
_LARGEST_COMMISSION_BP = 600
_MOST_LOOKED_AT = 40


class Waiting:
    """Batches that have not reached the bank; what a line takes is gone for the next."""

    def __init__(self, batches: Iterable[Batch], *, days: int) -> None:
        self._left = {(batch.kind, batch.id): batch for batch in batches}
        self._days = timedelta(days=days)

    def propose(self, line: Line, kind: BatchKind) -> Proposal | None:
        """None when nothing that waits resembles the line."""
        near = [
            batch
            for batch in self._left.values()
            if batch.kind is kind and batch.on <= line.on <= batch.on + self._days
        ]
        numbered = {batch.id: says for batch in near if (says := _number(line, batch))}
        found = self._one(line, near, numbered) or self._several(line, near, numbered)
        if found and found.safe:
            for part in found.allocations:
                self._left.pop((kind, part.id or 0), None)
        return found

    def _one(self, line: Line, near: Sequence[Batch], numbered: Mapping[int, str]) -> Proposal | None:
        agreeing = [batch for batch in near if batch.expected == line.amount]
        certain = [batch for batch in agreeing if batch.id in numbered]
        if len(certain) == 1 or len(agreeing) == 1:
            batch = (certain or agreeing)[0]
            odd = bool(numbered) and batch.id not in numbered
            return _proposal(line, [batch], numbered, safe=not odd)
        if agreeing:
            return _tie(line, agreeing, numbered)
        if len(numbered) == 1:
            batch = self._left[near[0].kind, next(iter(numbered))]
            return _proposal(line, [batch], numbered, safe=False)
        less = [batch for batch in near if _commission_bp(line, batch) is not None]
        if len(less) == 1:
            return _proposal(line, less, numbered, safe=False)
        return _tie(line, less[:_MOST_TIED], numbered) if less else None

    def _several(self, line: Line, near: Sequence[Batch], numbered: Mapping[int, str]) -> Proposal | None:
        """Two or three bags in one deposit. Sums come about by chance: only their numbers make it safe."""
        looked_at = sorted(near, key=lambda batch: (batch.id not in numbered, line.on - batch.on))
        sums = [
            chosen
            for size in range(2, _MOST_TOGETHER + 1)
            for chosen in combinations(looked_at[:_MOST_LOOKED_AT], size)
            if sum(batch.expected.minor for batch in chosen) == line.amount.minor
        ]
        if not sums:
            return None
        best = min(sums, key=lambda chosen: sum(batch.id not in numbered for batch in chosen))
        safe = all(batch.id in numbered for batch in best)
        if safe or len(sums) == 1:
            return _proposal(line, best, numbered, safe=safe)
        return _tie(line, [batch for chosen in sums[:5] for batch in chosen], numbered)


def _number(line: Line, batch: Batch) -> str:
    """How a batch's number stands in a text: exactly, one digit wrong, or "" for not at all."""
    wanted = batch.number.lstrip("0")
    if not wanted:
        return ""
    seen = [digits.lstrip("0") for digits in _DIGITS.findall(line.text)]
    if wanted in seen:
        return "number exact"
    if len(wanted) >= 5 and any(OSA.distance(wanted, one, score_cutoff=1) <= 1 for one in seen):
        return "number one digit wrong"
    return ""


def _commission_bp(line: Line, batch: Batch) -> int | None:
    """What a card machine's bank would have kept of a batch, in basis points; None: it is not that.

    Nobody tells the desk the rate, so what fits is shown with it and left to a person.
    """
    kept = batch.expected.minor - line.amount.minor
    if batch.kind is not BatchKind.CARD or kept <= 0:
        return None
    if kept * 10_000 > _LARGEST_COMMISSION_BP * batch.expected.minor:
        return None
    return kept * 10_000 // batch.expected.minor


def _evidence(line: Line, batch: Batch, numbered: Mapping[int, str], *, agrees: bool) -> tuple[Evidence, ...]:
    found = [_CHANNELS[batch.kind]]
    if agrees:
        found.append(_AMOUNT)
    else:
        more = line.amount.minor - batch.expected.minor
        by = Money(abs(more), line.amount.currency)
        kept = _commission_bp(line, batch)
        rate = "" if kept is None else f", {kept // 100}.{kept % 100:02d} % kept by its bank"
        found.append(
            Evidence(Kind.AMOUNT, False, f"{by} {'more' if more > 0 else 'less'} than counted{rate}")
        )
    if says := numbered.get(batch.id):
        found.append(Evidence(Kind.NUMBER, True, says))
    elif set(words(batch.place)) & set(words(line.text)):
        found.append(Evidence(Kind.NUMBER, True, "the place agrees"))
    return (*found, days_later((line.on - batch.on).days))


def _proposal(line: Line, batches: Sequence[Batch], numbered: Mapping[int, str], *, safe: bool) -> Proposal:
    expected = sum(batch.expected.minor for batch in batches)
    agrees = expected == line.amount.minor
    evidence = dict.fromkeys(
        one for batch in batches for one in _evidence(line, batch, numbered, agrees=agrees)
    )
    if len(batches) == 1:
        parts = [Allocation(_TARGETS[batches[0].kind], batches[0].id, line.amount)]
    else:
        parts = [Allocation(_TARGETS[batch.kind], batch.id, batch.expected) for batch in batches]
    return Proposal(line, _WAYS[batches[0].kind], tuple(parts), tuple(evidence), safe=safe and agrees)


def _tie(line: Line, batches: Sequence[Batch], numbered: Mapping[int, str]) -> Proposal:
    rivals = tuple(
        Candidate(
            _TARGETS[batch.kind],
            batch.id,
            50,
            _evidence(line, batch, numbered, agrees=batch.expected == line.amount),
        )
        for batch in dict.fromkeys(batches)
    )
    return Proposal(line, _WAYS[batches[0].kind], (), (), rivals=rivals, tie=True)
