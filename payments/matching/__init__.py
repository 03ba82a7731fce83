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
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from rapidfuzz import process
from rapidfuzz.distance import OSA

from db.money import Money
from payments.matching.book import MOST, Book, MemoryBook
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
from payments.matching.names import surname, words
from payments.matching.proposals import aside, fill, foreign, nothing, way_of
from payments.matching.reversals import Earlier
from payments.matching.rules import STANDARD, Rule, Says, first_fitting, in_order
from payments.matching.sums import Waiting
from payments.matching.weigh import (
    ALL_CHANCE_PPM,
    ALREADY_PAID,
    EXACT_AMOUNT,
    EXACT_REFERENCE,
    NAMED_BY_PAPER,
    Clue,
    Clues,
    Weighed,
    contacts_in,
    papers_in,
    rank,
    weigh,
)
from payments.references import SPACE, Fault, Reader

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


@dataclass
class _Asked:
    """One line while it is worked on."""

    line: Line
    rules: Sequence[Rule]
    references: list[str]
    hits: list[Obligation] = field(default_factory=list)
    #: What to propose when nothing better is found.
    fallback: Proposal | None = None

    @cached_property
    def rule(self) -> Rule | None:
        """Asked for only when the reference does not decide: most lines never need it."""
        return first_fitting(self.rules, self.line)


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
    run.go(asked_for)
    return [run.found[line.id] for line in asked_for]


class _Run:
    def __init__(
        self, book: Book, rules: Sequence[Rule], memory: Memory, past: Past, settings: Settings
    ) -> None:
        self.book, self.memory, self.past, self.settings = book, memory, past, settings
        self.rules = in_order(rules)
        self.reader = Reader(book.heads())
        self.found: dict[int, Proposal] = {}
        self._taken: dict[int, int] = {}  # of each payment, by proposals of this run
        self._tails: dict[str, list[str]] = {}
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

    def _by_exact_reference(self, lines: Sequence[Line]) -> list[_Asked]:
        """What is left of the lines, in their order. A line whose references no other names knows nothing of
        the others, so that few payments are in hand at a time; those that share one see each other."""
        read = {line.id: self.reader.exact(line.text) for line in lines}
        naming = Counter(one for references in read.values() for one in references)
        shared: list[Line] = []
        alone: list[Line] = []
        left: dict[int, _Asked] = {}
        for line in lines:
            references = read[line.id]
            (shared if any(naming[one] > 1 for one in references) else alone).append(line)
        for some in (shared, *_batched(alone)):
            asked = [_Asked(line, self.rules, read.pop(line.id)) for line in some]
            self._by_references_of(asked)
            left |= {ask.line.id: ask for ask in asked if ask.line.id not in self.found}
        return [left[line.id] for line in lines if line.id in left]

    def _by_references_of(self, asked: Sequence[_Asked]) -> None:
        known = self.book.by_references({one for ask in asked for one in ask.references})
        by_payment: dict[int, list[_Asked]] = defaultdict(list)
        for ask in asked:
            ask.hits = [
                hit
                for one in ask.references
                if (hit := known.get(one))
                and hit.amount.currency == ask.line.amount.currency
                and (ask.line.id, hit.id) not in self.past.refused
            ]
            if len(ask.hits) == 1:
                by_payment[ask.hits[0].id].append(ask)
            elif ask.hits:
                self._several(ask)
        for asks in by_payment.values():
            if not (len(asks) > 1 and self._parts(asks)):
                for ask in sorted(asks, key=lambda ask: ask.line.on):
                    self._single(ask)

    def _parts(self, asks: Sequence[_Asked]) -> bool:
        """Several deposits with one reference that together are exactly what is owed."""
        rest = self._rest(asks[0].hits[0])
        if sum(ask.line.amount.minor for ask in asks) != rest:
            return False
        together = Evidence(Kind.AMOUNT, True, f"{len(asks)} deposits together make up the amount")
        for ask in asks:
            part = Allocation(Target.PAYMENT, ask.hits[0].id, ask.line.amount)
            self._accept(Proposal(ask.line, Way.PARTS, (part,), (EXACT_REFERENCE, together), safe=True))
        return True

    def _single(self, ask: _Asked) -> None:
        hit, line = ask.hits[0], ask.line
        rest = self._rest(hit)
        if rest == line.amount.minor:
            part = Allocation(Target.PAYMENT, hit.id, line.amount)
            self._accept(Proposal(line, Way.EXACT, (part,), EXACTLY, safe=True))
        elif short := self._lost_on_the_way(ask, hit, rest):
            self._accept(foreign(line, hit, short, (EXACT_REFERENCE,)))
        else:
            ask.fallback = self._odd_amount(ask, hit, rest)
            if ask.fallback.safe:
                self._accept(ask.fallback)

    def _odd_amount(self, ask: _Asked, hit: Obligation, rest: int) -> Proposal:
        """A real reference and another amount: somebody's slip, unless something else agrees as well."""
        line = ask.line
        found = weigh(self._clues(ask, {}), hit, rest, most_ppm=self.settings.healed_chance_ppm)
        evidence = found.candidate.evidence
        if rest <= 0:
            kept = tuple(one for one in evidence if one.kind is not Kind.AMOUNT)
            part = Allocation(Target.SURPLUS, hit.id, line.amount)
            return Proposal(line, Way.PAID_BEFORE, (part,), (*kept, ALREADY_PAID))
        parts = fill(line, [(hit, rest)])
        convinced = bool(found.firm - {Kind.REFERENCE}) and not found.against
        return Proposal(line, Way.EXACT, parts, evidence, safe=convinced and line.amount.minor < rest)

    def _lost_on_the_way(self, ask: _Asked, hit: Obligation, rest: int) -> Money | None:
        """How much a transfer from abroad is short of what was quoted, when charges and rate explain it."""
        short = rest - ask.line.amount.minor
        drift = rest * self.settings.drift_bp // 10_000
        if rest <= 0 or not short or not -drift <= short <= self.settings.largest_charge_minor + drift:
            return None
        abroad = hit.quoted is not None or (ask.rule is not None and ask.rule.says is Says.FOREIGN)
        return Money(short, ask.line.amount.currency) if abroad else None

    def _several(self, ask: _Asked) -> None:
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

    def _by_channel(self, asked: Sequence[_Asked]) -> list[_Asked]:
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

    def _by_pool(self, asked: Sequence[_Asked]) -> None:
        ranked = [one for some in _batched(asked) for one in self._ranked(some)]
        contested = _contested(ranked)
        for ask, best, others, tie in sorted(ranked, key=_surest_first):
            self._accept(self._choose(ask, best, others, tie or ask.line.id in contested))

    def _ranked(self, asked: Sequence[_Asked]) -> Iterator["_Ranked"]:
        """Each line with its candidates; a line without any, or for several payments, is settled here."""
        clues = self._all_clues(asked)
        pools = self._pools(clues)
        known = {one.reference: one for pool in pools.values() for one in pool.values()}
        for ask, clue in zip(asked, clues, strict=True):
            pool = pools[ask.line.id]
            weighed = [
                weigh(clue, one, self._rest(one), most_ppm=self.settings.healed_chance_ppm)
                for one in pool.values()
                if self._may_be(clue, one)
            ]
            if group := self._healed_group(ask, clue, weighed) or self._billed_group(ask, clue):
                self._accept(group)
            elif weighed:
                best, others, tie = rank(weighed)
                yield ask, best, others[:MOST_RIVALS], tie or len(pool) >= MOST
            else:
                self._accept(ask.fallback or self._paid_before(clue, known) or nothing(ask.line))

    def _paid_before(self, clue: Clues, known: Mapping[str, Obligation]) -> Proposal | None:
        """A damaged reference of a payment that is paid already: somebody paid twice, or meant another."""
        hits = [known[one] for one in clue.references if one in known]
        if len(hits) != 1 or (clue.line.id, hits[0].id) in self.past.refused:
            return None
        fault = clue.references[hits[0].reference].fault
        part = Allocation(Target.SURPLUS, hits[0].id, clue.line.amount)
        if fault is Fault.PAPER:
            return Proposal(clue.line, Way.PAID_BEFORE, (part,), (NAMED_BY_PAPER, ALREADY_PAID))
        evidence = (Evidence(Kind.REFERENCE, True, f"reference: {fault.value}"), ALREADY_PAID)
        healed = ((hits[0].id, fault.value),)
        return Proposal(clue.line, Way.PAID_BEFORE, (part,), evidence, healed=healed)

    def _all_clues(self, asked: Sequence[_Asked]) -> list[Clues]:
        guessed = [self.reader.guesses(ask.line.text) for ask in asked]
        fragments = [
            {
                one
                for text in (ask.line.reference, ask.line.description)
                for one in self.reader.fragments(text)
            }
            for ask in asked
        ]
        begun = self.book.by_beginnings({one.beginning for some in fragments for one in some})
        papers = self.book.by_papers({one for ask in asked for one in papers_in(ask.line.text)})
        payable = max(1, self.book.payable_count())
        found = []
        for ask, guesses, cut in zip(asked, guessed, fragments, strict=True):
            references = {
                guess.reference: Clue(guess.fault, _ppm(len(guesses) * payable, guess.space))
                for guess in guesses.values()
            }
            for one in cut:
                for hit in begun[one.beginning]:
                    references.setdefault(hit.reference, Clue(Fault.CUT, _ppm(payable, one.space)))
            billed = {one: papers[one] for one in papers_in(ask.line.text) if one in papers}
            for hits in billed.values():
                for hit in hits[:MOST]:
                    references.setdefault(hit.reference, Clue(Fault.PAPER, ALL_CHANCE_PPM))
            found.append(replace(self._clues(ask, references), papers=billed))
        known = self.book.by_references({one for clue in found for one in clue.references})
        return [self._look_far(clue) if not clue.references.keys() & known.keys() else clue for clue in found]

    def _look_far(self, clue: Clues) -> Clues:
        """Two slips in one reference: held against all that is open, while that is not too much."""
        found: dict[str, Clue] = {}
        for head, typed in self.reader.regions(clue.line.text):
            if (payable := self._payable_under(head)) and len(typed) >= _LEAST_FAR:
                near = process.extract(
                    typed, payable, scorer=OSA.distance, score_cutoff=2, limit=3, processor=None
                )
                chance = _ppm(len(payable) * _WITHIN_TWO, SPACE)
                found |= {f"{head}_{tail}": Clue(Fault.TWICE, chance) for tail, _, _ in near}
        return replace(clue, references={**found, **clue.references})

    def _payable_under(self, head: str) -> list[str]:
        if head not in self._tails:
            self._tails[head] = [one.rpartition("_")[2] for one in self.book.payable_under(head)]
        return self._tails[head]

    def _clues(self, ask: _Asked, references: Mapping[str, Clue]) -> Clues:
        line = ask.line
        exact = {one: Clue(Fault.NONE, 0) for one in ask.references}
        ruled = ask.rule.value if ask.rule and ask.rule.says is Says.PAYER else ""
        return Clues(
            line,
            words(line.text),
            {**references, **exact},
            self.reader.tails(line.text),
            contacts_in(line.text),
            self.memory.recall(line.description, line.on) if self.memory else {},
            ruled,
            bool(ask.rule and ask.rule.says is Says.FOREIGN),
        )

    def _pools(self, clues: Sequence[Clues]) -> dict[int, dict[int, Obligation]]:
        """For each line the payments that any question of the book brings up."""
        book = self.book
        known = book.by_references({one for clue in clues for one in clue.references})
        contacts = book.by_contacts({one for clue in clues for one in clue.people})
        named = book.by_amount_and_surname({key for clue in clues for key in clue.name_keys})
        abroad = book.quoted() if any(clue.abroad for clue in clues) else ()
        pools: dict[int, dict[int, Obligation]] = {}
        for clue in clues:
            pool = {known[one].id: known[one] for one in clue.references if one in known}
            for contact in clue.people:
                pool |= {one.id: one for one in contacts.get(contact, ())}
            for key in clue.name_keys:
                pool |= {one.id: one for one in named.get(key, ())}
            if clue.abroad:
                pool |= {one.id: one for one in abroad if surname(one.name) in clue.words}
            pools[clue.line.id] = pool
        return pools

    def _may_be(self, clue: Clues, obligation: Obligation) -> bool:
        line = clue.line
        age = (line.on - obligation.created_on).days
        named = obligation.reference in clue.references
        return (
            (line.id, obligation.id) not in self.past.refused
            and obligation.amount.currency == line.amount.currency
            and self._rest(obligation) > 0
            and (named or age <= self.settings.name_days)
        )

    def _healed_group(self, ask: _Asked, clue: Clues, weighed: Sequence[Weighed]) -> Proposal | None:
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

    def _billed_group(self, ask: _Asked, clue: Clues) -> Proposal | None:
        """One deposit for all that an invoice bills. A person looks: its number has no check character."""
        if ask.fallback is not None:
            return None
        for hits in clue.papers.values():
            owed = [(hit, rest) for hit in hits if self._may_be(clue, hit) and (rest := self._rest(hit)) > 0]
            if len(owed) > 1 and sum(rest for _, rest in owed) == ask.line.amount.minor:
                evidence = (NAMED_BY_PAPER, Evidence(Kind.AMOUNT, True, "the sum of what it bills"))
                return Proposal(ask.line, Way.GROUP, fill(ask.line, owed), evidence)
        return None

    def _choose(self, ask: _Asked, best: Weighed, others: Sequence[Weighed], tie: bool) -> Proposal:
        line, hit = ask.line, best.obligation
        rest = self._rest(hit)
        rivals = tuple(one.candidate for one in others)
        fault = best.candidate.evidence and self._fault(ask, best)
        healed = ((hit.id, fault),) if fault else ()
        if rest <= 0:  # another line of this run took it
            return ask.fallback or nothing(line, (best.candidate, *rivals))
        if ask.fallback and not (best.safe and not tie):
            return ask.fallback
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
        return Proposal(line, way_of(best), parts, evidence, part_of_it, rivals, healed=healed)

    def _fault(self, ask: _Asked, best: Weighed) -> str:
        """What was wrong with the reference that led here; "" when it was exact or none."""
        if best.obligation.reference in ask.references:
            return ""
        says = next((one.says for one in best.candidate.evidence if one.kind is Kind.REFERENCE), "")
        return says.removeprefix("reference: ") if says.startswith("reference: ") else ""


#: So many lines are asked about at once: no more payments are in hand than these may be for.
_AT_ONCE = 1000
#: What two sure signs of a line are mostly.
EXACTLY = (EXACT_REFERENCE, EXACT_AMOUNT)
#: So many of the candidates that are not the best are kept and shown.
MOST_RIVALS = 8

#: A reference with two slips has so many characters at least, and so many others as near to it.
_LEAST_FAR, _WITHIN_TWO = 5, 2000

#: A line with its best candidate, the others, and whether they tie.
_Ranked = tuple[_Asked, Weighed, list[Weighed], bool]


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


def _ppm(tries: int, space: int) -> int:
    """How often in a million as many tries find something by chance, rounded up."""
    return -(-tries * 1_000_000 // space)
