"""Which payment a line of a bank statement is for. Pure: lines and a book go in, proposals come out.

A line is asked, in this order, for an exact reference, a healed one, what a rule says, and last for amount
and date with a second kind of evidence: payer memory, a name, a phone number. The amount alone never
decides, for at a conference all prices are equal; what is as good as another is shown as a tie. A proposal
is *safe*, to be accepted without a person, when two independent kinds of evidence agree, nothing speaks
against it and nothing ties with it.

What people decided stands: their lines are not asked about again, what they refused is not proposed again.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any

from db.money import Money
from payments.circles import without_looking_for_circles
from payments.matching.book import MOST, Book, MemoryBook
from payments.matching.clues import Asked, Clues, Inquiry
from payments.matching.evidence import (
    Allocation,
    Batch,
    BatchKind,
    Candidate,
    Evidence,
    Kind,
    Line,
    Obligation,
    Proposal,
    Target,
    Way,
    independent,
)
from payments.matching.memory import Confirmed, Memory
from payments.matching.names import words
from payments.matching.proposals import aside, exactly, fill, foreign, nothing, told_times, way_of
from payments.matching.reversals import Earlier
from payments.matching.rules import STANDARD, Rule, Says, first_fitting, in_order
from payments.matching.sums import Waiting
from payments.matching.weigh import (
    ALREADY_PAID,
    EXACT_REFERENCE,
    NAMED_BY_PAPER,
    Weighed,
    rank,
    weigh,
)
from payments.references import Fault, Reader

__all__ = [
    "Allocation", "Batch", "BatchKind", "Book", "Candidate", "Confirmed", "Evidence", "Kind", "Line",
    "Memory", "MemoryBook", "Obligation", "Past", "Proposal", "Settings", "Target", "Way", "independent",
    "propose",
]  # fmt: skip


@dataclass(frozen=True)
class Settings:
    """How far evidence reaches."""

    #: A healed reference is evidence while chance alone finds a payment so at most once in 1,000 times. It is
    #: then wrong far less often: only when, besides, the payment that was meant is not in the book.
    healed_chance_ppm: int = 1000
    name_days: int = 150  # how old a payment may be that only a name points to
    batch_days: int = 10  # how long a bag or a card batch takes to the bank
    reversal_days: int = 60
    #: What banks on the way may keep of a foreign transfer, and how far the rate may have moved since.
    largest_charge_minor: int = 650_00
    drift_bp: int = 300


@dataclass(frozen=True)
class Past:
    """What is decided. ``settled``: lines that are matched, for what takes them back."""

    decided: frozenset[int] = frozenset()  # lines a person dealt with
    refused: frozenset[tuple[int, int]] = frozenset()  # line and payment a person said no to
    settled: Sequence[Line] = ()


def propose(
    lines: Iterable[Line],
    book: Book,
    *,
    rules: Sequence[Rule] = STANDARD,
    memory: Memory | None = None,
    past: Past | None = None,
    settings: Settings | None = None,
) -> list[Proposal]:
    """One proposal for each line nobody has decided yet, in the order of the lines."""
    asked_for = [line for line in lines if line.id not in (past or Past()).decided]
    run = _Run(book, rules, memory or Memory(), past or Past(), settings or Settings())
    with without_looking_for_circles():
        run.go(asked_for)
    return [run.found[line.id] for line in asked_for]


class _Run:
    def __init__(
        self, book: Book, rules: Sequence[Rule], memory: Memory, past: Past, settings: Settings
    ) -> None:
        self.book, self.past, self.settings = book, past, settings
        self.rules = in_order(rules)
        self.reader = Reader(book.heads())
        self.found: dict[int, Proposal] = {}
        self._taken: dict[int, int] = {}  # of each payment, by proposals of this run
        self._inquiry = Inquiry(book, self.reader, memory)
        self._waiting = Waiting(book.batches(), days=settings.batch_days)

    def go(self, lines: Sequence[Line]) -> None:
        left = self._by_exact_reference([line for line in lines if line.amount.minor > 0])
        left = self._by_channel(left)
        self._by_pool(left)
        earlier = Earlier([*self.past.settled, *lines], self.reader, days=self.settings.reversal_days)
        for line in lines:
            if line.amount.minor <= 0:
                self.found[line.id] = self._money_out(line, earlier)

    def _money_out(self, line: Line, earlier: Earlier) -> Proposal:
        rule = first_fitting(self.rules, line)
        if rule and rule.says is Says.ASIDE:
            return aside(line, rule)
        return earlier.propose(line)

    def _rest(self, obligation: Obligation) -> int:
        """What is still to be paid after what this run proposes; nothing when it is not payable."""
        if not obligation.payable:
            return 0
        return obligation.amount.minor - obligation.received.minor - self._taken.get(obligation.id, 0)

    def _accept(self, proposal: Proposal) -> None:
        """Keep a proposal; what it takes is gone for the lines after it, and what it lacked is forgiven."""
        self.found[proposal.line.id] = proposal
        if not proposal.safe:
            return
        short = proposal.short.minor if proposal.short else 0
        for part in proposal.allocations:
            if part.target is Target.PAYMENT and part.id is not None:
                self._taken[part.id] = self._taken.get(part.id, 0) + part.amount.minor + short

    # -- exact references --------------------------------------------------------------------------

    def _by_exact_reference(self, lines: Sequence[Line]) -> list[Asked]:
        """What is left of the lines, in their order. A line whose references no other names knows nothing of
        the others, so that few payments are in hand at a time; those that share one see each other."""
        texts = self.reader.exact_in_each([line.text for line in lines])
        read = {line.id: references for line, references in zip(lines, texts, strict=True)}
        naming = Counter(chain.from_iterable(texts))
        shared: list[Line] = []
        alone: list[Line] = []
        for line in lines:
            if references := read[line.id]:
                (shared if any(naming[one] > 1 for one in references) else alone).append(line)
        alone.sort(key=lambda line: read[line.id])  # neighbours of an index are found together
        left = {line.id: Asked(line, self.rules, ()) for line in lines if not read[line.id]}
        for some in (shared, *map(partial(self._not_outright, read), _batched(alone))):
            known = self.book.by_references({one for line in some for one in read[line.id]})
            asked = [Asked(line, self.rules, read[line.id]) for line in some]
            self._by_references_of(asked, known)
            left |= {ask.line.id: ask for ask in asked if ask.line.id not in self.found}
        return [left[line.id] for line in lines if line.id in left]

    def _not_outright(self, read: Mapping[int, Sequence[str]], lines: Sequence[Line]) -> list[Line]:
        """The few that are left when those that name one payment, which no other names, and bring what that
        lacks, are accepted."""
        owed = self.book.owed({one for line in lines for one in read[line.id]})
        left = []
        for line in lines:
            references = read[line.id]
            payment, lacking = owed.get(references[0], (0, None)) if len(references) == 1 else (0, None)
            if lacking == line.amount and (line.id, payment) not in self.past.refused:
                self._accept(exactly(line, payment))
            else:
                left.append(line)
        return left

    def _may_name(self, line: Line, hit: Obligation) -> bool:
        same = hit.amount.currency == line.amount.currency
        return same and (line.id, hit.id) not in self.past.refused

    def _by_references_of(self, asked: Sequence[Asked], known: Mapping[str, Obligation]) -> None:
        by_payment: dict[int, list[Asked]] = defaultdict(list)
        for ask in asked:
            hits = [known[one] for one in ask.references if one in known]
            ask.hits = [hit for hit in hits if self._may_name(ask.line, hit)]
            if len(ask.hits) == 1:
                by_payment[ask.hits[0].id].append(ask)
            elif ask.hits:
                self._several(ask)
        for asks in by_payment.values():
            if not (len(asks) > 1 and self._parts(asks)):
                for ask in sorted(asks, key=lambda ask: ask.line.on):
                    self._single(ask)

    def _parts(self, asks: Sequence[Asked]) -> bool:
        """Several deposits with one reference that together are exactly what is owed."""
        rest = self._rest(asks[0].hits[0])
        if sum(ask.line.amount.minor for ask in asks) != rest:
            return False
        together = Evidence(Kind.AMOUNT, True, f"{len(asks)} deposits together make up the amount")
        for ask in asks:
            part = Allocation(Target.PAYMENT, ask.hits[0].id, ask.line.amount)
            self._accept(Proposal(ask.line, Way.PARTS, (part,), (EXACT_REFERENCE, together), safe=True))
        return True

    def _single(self, ask: Asked) -> None:
        hit, line = ask.hits[0], ask.line
        rest = self._rest(hit)
        if rest == line.amount.minor:
            self._accept(exactly(line, hit.id))
        elif short := self._lost_on_the_way(ask, hit, rest):
            self._accept(foreign(line, hit, short, (EXACT_REFERENCE,)))
        else:
            ask.fallback = self._odd_amount(ask, hit, rest)
            if ask.fallback.safe:
                self._accept(ask.fallback)

    def _odd_amount(self, ask: Asked, hit: Obligation, rest: int) -> Proposal:
        """A real reference and another amount: somebody's slip, unless something else agrees as well."""
        line = ask.line
        found = weigh(self._inquiry.exactly(ask), hit, rest, most_ppm=self.settings.healed_chance_ppm)
        evidence = found.candidate.evidence
        if rest <= 0:
            kept = tuple(one for one in evidence if one.kind is not Kind.AMOUNT)
            part = Allocation(Target.SURPLUS, hit.id, line.amount)
            return Proposal(line, Way.PAID_BEFORE, (part,), (*kept, ALREADY_PAID))
        parts = fill(line, [(hit, rest)])
        convinced = bool(found.firm - {Kind.REFERENCE}) and not found.against
        return Proposal(line, Way.EXACT, parts, evidence, safe=convinced and line.amount.minor < rest)

    def _lost_on_the_way(self, ask: Asked, hit: Obligation, rest: int) -> Money | None:
        """How much a transfer from abroad is short of what was quoted, when charges and rate explain it."""
        short = rest - ask.line.amount.minor
        drift = rest * self.settings.drift_bp // 10_000
        if rest <= 0 or not short or not -drift <= short <= self.settings.largest_charge_minor + drift:
            return None
        abroad = hit.quoted is not None or (ask.rule is not None and ask.rule.says is Says.FOREIGN)
        return Money(short, ask.line.amount.currency) if abroad else None

    def _several(self, ask: Asked) -> None:
        """One deposit that names several payments."""
        owed = [(hit, rest) for hit in ask.hits if (rest := self._rest(hit)) > 0]
        if owed and sum(rest for _, rest in owed) == ask.line.amount.minor:
            evidence = (EXACT_REFERENCE, Evidence(Kind.AMOUNT, True, "the sum of the payments named"))
            way = Way.GROUP if len(owed) > 1 else Way.EXACT
            self._accept(Proposal(ask.line, way, fill(ask.line, owed), evidence, safe=True))
        elif owed:
            odd = Evidence(Kind.AMOUNT, False, "not the sum of the payments named")
            ask.fallback = Proposal(ask.line, Way.GROUP, fill(ask.line, owed), (EXACT_REFERENCE, odd))

    # -- how the money came ------------------------------------------------------------------------

    def _by_channel(self, asked: Sequence[Asked]) -> list[Asked]:
        """Payouts, bags, card batches and what rules set aside."""
        left = []
        for ask in asked:
            says = ask.rule.says if ask.rule else None
            proposal: Proposal | None = None
            if ask.fallback is not None:
                pass  # it names a payment: that is worth more than the bank's word
            elif says is Says.PAYOUT:
                proposal = Proposal(ask.line, Way.PAYOUT, (), (), rule=ask.rule.label if ask.rule else "")
            elif says is Says.ASIDE and ask.rule:
                proposal = aside(ask.line, ask.rule)
            elif says is Says.CASH or says is Says.CARD:
                kind = BatchKind.BAG if says is Says.CASH else BatchKind.CARD
                proposal = self._waiting.propose(ask.line, kind)
            if proposal:
                self._accept(proposal)
            else:
                left.append(ask)
        return left

    # -- everything else: a pool of candidates, weighed --------------------------------------------

    def _by_pool(self, asked: Sequence[Asked]) -> None:
        ranked = [one for some in _batched(asked) for one in self._ranked(some)]
        contested = _contested(ranked)
        for ask, best, others, tie in sorted(ranked, key=_surest_first):
            self._accept(self._choose(ask, best, others, tie or ask.line.id in contested))
        if any(self._lost_some(one) for one in ranked):
            self._by_pool([ask for ask, *_ in ranked if not self.found[ask.line.id].safe])

    def _lost_some(self, ranked: "_Ranked") -> bool:
        """A line that is open still, and of whose candidates this run took some and left some: a tie may be
        none any more. All that are open are then asked again, as they would be the next night."""
        ask, best, others, _ = ranked
        rests = [self._rest(one.obligation) for one in (best, *others)]
        return not self.found[ask.line.id].safe and min(rests) <= 0 < max(rests)

    def _ranked(self, asked: Sequence[Asked]) -> Iterator["_Ranked"]:
        """Each line with its candidates; a line without any, or for several payments, is settled here. Only
        where nobody convinces is everybody of a surname asked for: a person is shown them, and no other
        first name comes near whoever convinces."""
        clues = self._inquiry.all_clues(asked)
        healed = {ask.line.id: self._plainly_healed(clue) for ask, clue in zip(asked, clues, strict=True)}
        pools = self._inquiry.pools([clue for clue in clues if not healed[clue.line.id]])
        unsure = []
        for ask, clue in zip(asked, clues, strict=True):
            if plainly := healed[ask.line.id]:
                yield ask, plainly, [], False
                continue
            pool = pools[ask.line.id]
            weighed = self._weighed(clue, pool)
            if any(one.safe for one in weighed) or clue.names == clue.surnames:
                yield from self._settled(ask, clue, weighed, read=len(pool))
            else:
                unsure.append((ask, clue))
        pools = self._inquiry.pools([clue for _, clue in unsure], whoever=True)
        for ask, clue in unsure:
            pool = pools[ask.line.id]
            yield from self._settled(ask, clue, self._weighed(clue, pool), read=len(pool))

    def _settled(
        self, ask: Asked, clue: Clues, weighed: Sequence[Weighed], *, read: int
    ) -> Iterator["_Ranked"]:
        """``read``: so many payments were looked at. Where the book may hold more than it gave, nobody knows
        whether the best is the only one."""
        if group := self._healed_group(ask, clue, weighed) or self._billed_group(ask, clue):
            self._accept(group)
        elif weighed:
            best, others, tie = rank(weighed)
            unseen = read >= MOST and best.obligation.reference not in clue.references
            yield ask, best, others[:MOST_RIVALS], tie or unseen
        else:
            self._accept(ask.fallback or self._paid_before(clue) or nothing(ask.line))

    def _weighed(self, clue: Clues, pool: Iterable[Obligation]) -> list[Weighed]:
        """Those that it may be for."""
        return [
            weigh(clue, one, rest, most_ppm=self.settings.healed_chance_ppm)
            for one in pool
            if (rest := self._rest(one)) > 0 and self._may_be(clue, one)
        ]

    def _plainly_healed(self, clue: Clues) -> Weighed | None:
        """The one payment whose damaged reference this may be, when the amount agrees and so does the name,
        which is all that the text says besides: a namesake is named by no more, and is not looked for."""
        if len(clue.named) != 1 or clue.people or clue.abroad:
            return None
        weighed = self._weighed(clue, clue.named.values())
        alone = weighed and weighed[0].safe and weighed[0].likeness.words.issuperset(clue.words)
        return weighed[0] if alone and Kind.NAME in weighed[0].firm else None

    def _paid_before(self, clue: Clues) -> Proposal | None:
        """A damaged reference of a payment that is paid already: somebody paid twice, or meant another."""
        hits = list(clue.named.values())
        if len(hits) != 1 or (clue.line.id, hits[0].id) in self.past.refused:
            return None
        fault = clue.references[hits[0].reference].fault
        part = Allocation(Target.SURPLUS, hits[0].id, clue.line.amount)
        if fault is Fault.PAPER:
            return Proposal(clue.line, Way.PAID_BEFORE, (part,), (NAMED_BY_PAPER, ALREADY_PAID))
        evidence = (Evidence(Kind.REFERENCE, True, f"reference: {fault.value}"), ALREADY_PAID)
        healed = ((hits[0].id, fault.value),)
        return Proposal(clue.line, Way.PAID_BEFORE, (part,), evidence, healed=healed)

    def _may_be(self, clue: Clues, obligation: Obligation) -> bool:
        """Of one that is still to be paid."""
        age = (clue.line.on - obligation.created_on).days
        recent = age <= self.settings.name_days or obligation.reference in clue.references
        return recent and self._may_name(clue.line, obligation)

    def _healed_group(self, ask: Asked, clue: Clues, weighed: Sequence[Weighed]) -> Proposal | None:
        """One deposit for several payments, some of their references damaged: the sum has to agree."""
        read = [one for one in weighed if one.obligation.reference in clue.references]
        exact = [one for one in read if clue.references[one.obligation.reference].fault is Fault.NONE]
        healed = [one for one in read if one not in exact and Kind.REFERENCE in one.firm]
        missing = ask.line.amount.minor - sum(self._rest(one.obligation) for one in exact)
        if not (2 <= len(exact) + len(healed) <= 8) or not healed or missing <= 0:
            return None
        if (
            any(one.amount_agrees for one in read)
            or sum(self._rest(one.obligation) for one in healed) != missing
        ):
            return None
        owed = [(one.obligation, self._rest(one.obligation)) for one in (*exact, *healed)]
        faults = tuple(
            (one.obligation.id, clue.references[one.obligation.reference].fault.value) for one in healed
        )
        evidence = (
            *([EXACT_REFERENCE] if exact else []),
            *(dict.fromkeys(Evidence(Kind.REFERENCE, True, f"reference: {fault}") for _, fault in faults)),
            Evidence(Kind.AMOUNT, True, "the sum of the payments named"),
        )
        parts = fill(ask.line, owed)
        return Proposal(ask.line, Way.GROUP, parts, evidence, safe=True, healed=faults)

    def _billed_group(self, ask: Asked, clue: Clues) -> Proposal | None:
        """One deposit for all that an invoice bills. A person looks: its number has no check character."""
        if ask.fallback is not None:
            return None
        for hits in clue.papers.values():
            owed = [(hit, rest) for hit in hits if (rest := self._rest(hit)) > 0 and self._may_be(clue, hit)]
            if len(owed) > 1 and sum(rest for _, rest in owed) == ask.line.amount.minor:
                evidence = (NAMED_BY_PAPER, Evidence(Kind.AMOUNT, True, "the sum of what it bills"))
                return Proposal(ask.line, Way.GROUP, fill(ask.line, owed), evidence)
        return None

    def _choose(self, ask: Asked, best: Weighed, others: Sequence[Weighed], tie: bool) -> Proposal:
        line, hit = ask.line, best.obligation
        rest = self._rest(hit)
        rivals = tuple(one.candidate for one in others)
        fault = best.candidate.evidence and self._fault(ask, best)
        healed = ((hit.id, fault),) if fault else ()
        if rest <= 0:  # another line of this run took it
            return ask.fallback or nothing(line, (best.candidate, *rivals))
        if ask.fallback and not (best.safe and not tie):
            return self._with_what_is_owed(ask, ask.fallback, best, others)
        if tie:
            return Proposal(line, way_of(best), (), (), rivals=(best.candidate, *rivals), tie=True)
        evidence = best.candidate.evidence
        if best.amount_agrees:
            part = Allocation(Target.PAYMENT, hit.id, line.amount)
            label = ask.rule.label if ask.rule and Kind.RULE in best.firm else ""
            return Proposal(
                line, way_of(best), (part,), evidence, best.safe, rivals, rule=label, healed=healed
            )
        short = self._lost_on_the_way(ask, hit, rest)
        if short and best.firm:
            return foreign(line, hit, short, evidence, safe=not best.against, healed=healed)
        convinced = len(best.firm) > 1 and Kind.REFERENCE in best.firm and not best.against
        part_of_it = convinced and line.amount.minor < rest
        parts = fill(line, [(hit, rest)])
        found = Proposal(line, way_of(best), parts, evidence, part_of_it, rivals, healed=healed)
        return found if part_of_it else self._with_what_is_owed(ask, found, best, others)

    def _with_what_is_owed(
        self, ask: Asked, found: Proposal, best: Weighed, others: Sequence[Weighed]
    ) -> Proposal:
        """A line that brings more than the one payment it names lacks: what is owed is that payment's as soon
        as something else says so too, and nothing else fits the amount. The rest is nobody's yet."""
        hit, line = best.obligation, found.line
        rest = self._rest(hit)
        if [part.id for part in found.allocations] != [hit.id] * 2 or len(ask.references) > 1:
            return found  # it names several, or another
        fits_another = any(
            Kind.REFERENCE in one.firm or (one.amount_agrees and (one.firm or one.likeness.score >= 60))
            for one in others
        )
        if best.against or fits_another or Kind.REFERENCE not in best.firm:
            return found
        if says := told_times(line, rest):
            odd = [one for one in found.evidence if one.kind is not Kind.AMOUNT]
            return replace(found, evidence=(*odd, says), safe=True)
        return replace(found, safe=len(best.firm) > 1)

    def _fault(self, ask: Asked, best: Weighed) -> str:
        """What was wrong with the reference that led here; "" when it was exact or none."""
        if best.obligation.reference in ask.references:
            return ""
        says = next((one.says for one in best.candidate.evidence if one.kind is Kind.REFERENCE), "")
        return says.removeprefix("reference: ") if says.startswith("reference: ") else ""


#: So many lines are asked about at once: no more payments are in hand than these may be for.
_AT_ONCE = 1000
#: So many of the candidates that are not the best are kept and shown.
MOST_RIVALS = 8

#: A line with its best candidate, the others, and whether they tie.
_Ranked = tuple[Asked, Weighed, list[Weighed], bool]


def _surest_first(ranked: _Ranked) -> tuple[bool, int, object, int]:
    ask, best, _, _ = ranked
    return (Kind.REFERENCE not in best.firm, -best.candidate.score, ask.line.on, ask.line.id)


def _contested(ranked: Sequence[_Ranked]) -> set[int]:
    """Lines of different payers that want the same payment for equally good reasons, without a reference."""
    wanting: dict[int, list[_Ranked]] = defaultdict(list)
    for one in ranked:
        if Kind.REFERENCE not in one[1].firm:
            wanting[one[1].obligation.id].append(one)
    contested = set()
    for rivals in wanting.values():
        payers = {tuple(words(ask.line.description)) for ask, *_ in rivals}
        if len(rivals) > 1 and len(payers) > 1:
            top = max(best.candidate.score for _, best, *_ in rivals)
            near = [ask.line.id for ask, best, *_ in rivals if top - best.candidate.score < 20]
            contested |= set(near) if len(near) > 1 else set()
    return contested


def _batched(asked: Sequence[Any]) -> Iterator[Sequence[Any]]:
    return (asked[start : start + _AT_ONCE] for start in range(0, len(asked), _AT_ONCE))
