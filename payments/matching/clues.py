"""What the lines of a statement tell, and which payments that brings up.

Many lines are read at once, so that the book is asked each question once for all of them. What is guessed and
is nobody's reference goes no further.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

from rapidfuzz import process
from rapidfuzz.distance import OSA

from payments.matching.book import MOST, Book, NameKey
from payments.matching.evidence import Line, Obligation, Proposal
from payments.matching.memory import Memory
from payments.matching.names import initials_beside, surname, words
from payments.matching.rules import Rule, Says, first_fitting
from payments.references import SPACE, Fault, Fragment, Reader

#: A reference with two slips has so many characters at least, and so many others as near to it.
_LEAST_FAR, _WITHIN_TWO = 5, 2000


@dataclass
class Asked:
    """One line while it is worked on."""

    line: Line
    rules: Sequence[Rule]
    references: Sequence[str]
    hits: list[Obligation] = field(default_factory=list)
    #: What to propose when nothing better is found.
    fallback: Proposal | None = None

    @cached_property
    def rule(self) -> Rule | None:
        """Asked for only when the reference does not decide: most lines never need it."""
        return first_fitting(self.rules, self.line)


class Clue(NamedTuple):
    """How a reference of a payment was read. ``chance_ppm``: how likely chance alone finds a payment so."""

    fault: Fault
    chance_ppm: int


#: What chance may hold of a clue that nothing checks: it speaks for a payment, and never decides.
ALL_CHANCE_PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class Clues:
    """All that one line tells, before it is held against a payment."""

    line: Line
    words: Sequence[str]
    references: Mapping[str, Clue]  # only those that are a payment's
    tails: Sequence[str]  # what stands where a reference's tail should
    contacts: frozenset[str]
    known: Mapping[str, tuple[int, int]]  # contacts this payer paid for before: weight, times
    ruled: str = ""  # the contact a rule names
    abroad: bool = False
    papers: Mapping[str, Sequence[Obligation]] = field(default_factory=dict)  # what is billed, by number
    named: Mapping[str, Obligation] = field(default_factory=dict)  # the payments of ``references``

    @property
    def surnames(self) -> list[NameKey]:
        """This amount, and each word that may be a surname, whatever stands beside it."""
        minor = self.line.amount.minor
        return [NameKey(minor, word, None) for word in dict.fromkeys(self.words) if len(word) > 2]

    @property
    def names(self) -> list[NameKey]:
        """The same, where the text tells first names only of whom they may be: who begins otherwise is
        somebody else."""
        keys = []
        for key in self.surnames:
            letters = initials_beside(key.surname, self.words)
            keys += [key._replace(initial=one) for one in (*sorted(letters), "")] if letters else [key]
        return keys

    @property
    def people(self) -> set[str]:
        """Contacts of whoever this may be for."""
        return {*self.contacts, *self.known, *([self.ruled] if self.ruled else [])}


_PHONE = re.compile(r"(?<![0-9])(?:\+?27|0)[ -]?([1-8][0-9])[ -]?([0-9]{3})[ -]?([0-9]{4})(?![0-9])")
#: A number of seven digits or more needs its separators.
_PAPER = re.compile(
    r"(?<![A-Z])(?:DEMO[\s_\-.]*)?(INV|PRO|QUO)[\s_\-.]*"
    r"(?:([1-9][0-9]{0,5})[\s_\-.]+([0-9]{6,9})|([1-9][0-9]{0,5}?)([0-9]{6}))(?![0-9])"
)
_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.ASCII)


def contacts_in(text: str) -> frozenset[str]:
    """South African phone numbers as ``+27…``, and e-mail addresses."""
    phones = {"+27" + "".join(match.groups()) for match in _PHONE.finditer(text)}
    emails = {match.group().lower() for match in _EMAIL.finditer(text)} if "@" in text else set()
    return frozenset(phones | emails)


def papers_in(text: str) -> tuple[str, ...]:
    """Numbers of invoices and quotations, as ``INV-2-000042``, whatever became of their separators."""
    found = []
    for match in _PAPER.finditer(text.upper()):
        kind, series, number, run_series, run_number = match.groups()
        found.append(f"{kind}-{series or run_series}-{number or run_number}")
    return tuple(dict.fromkeys(found))


class Inquiry:
    """Asks a book about lines."""

    def __init__(self, book: Book, reader: Reader, memory: Memory) -> None:
        self._book, self._reader, self._memory = book, reader, memory
        self._tails: dict[str, list[str]] = {}

    def exactly(self, ask: Asked) -> Clues:
        """Of a line whose references stand there whole."""
        return self._clues(ask, {}, {}, {one.reference: one for one in ask.hits})

    def all_clues(self, asked: Sequence[Asked]) -> list[Clues]:
        guessed = [self._reader.guesses(ask.line.text) for ask in asked]
        wanted = {one for guesses in guessed for one in guesses}
        known = self._book.by_references(wanted.union(*(ask.references for ask in asked)))
        cuts = self._cut_short(asked)
        papers = self._book.by_papers({one for ask in asked for one in papers_in(ask.line.text)})
        payable = max(1, self._book.payable_count())
        found = []
        for ask, guesses, cut in zip(asked, guessed, cuts, strict=True):
            named = {one: known[one] for one in guesses if one in known}
            references = {
                one: Clue(guesses[one].fault, _ppm(len(guesses) * payable, guesses[one].space))
                for one in named
            }
            billed = {one: papers[one] for one in papers_in(ask.line.text) if one in papers}
            bills = [hit for hits in billed.values() for hit in hits[:MOST]]
            for hit, fragment in cut:
                references.setdefault(hit.reference, Clue(Fault.CUT, _ppm(payable, fragment.space)))
            for hit in bills:
                references.setdefault(hit.reference, Clue(Fault.PAPER, ALL_CHANCE_PPM))
            hits = (*(hit for hit, _ in cut), *bills, *(known[one] for one in ask.references if one in known))
            named |= {hit.reference: hit for hit in hits}
            found.append(self._clues(ask, references, billed, named))
        return self._look_far(found)

    def pools(self, clues: Sequence[Clues], *, whoever: bool = False) -> dict[int, list[Obligation]]:
        """For each line, by its id, the payments that any question of the book brings up; ``whoever`` has a
        surname that it names."""
        keys = [clue.surnames if whoever else clue.names for clue in clues]
        contacts = self._book.by_contacts({one for clue in clues for one in clue.people})
        named = self._book.by_amount_and_name({key for some in keys for key in some})
        abroad = self._book.quoted() if any(clue.abroad for clue in clues) else ()
        pools = {}
        for clue, some in zip(clues, keys, strict=True):
            pool = {one.id: one for one in clue.named.values()}
            for contact in clue.people:
                pool |= {one.id: one for one in contacts.get(contact, ())}
            for key in some:
                pool |= {one.id: one for one in named.get(key, ())}
            if clue.abroad:
                pool |= {one.id: one for one in abroad if surname(one.name) in clue.words}
            pools[clue.line.id] = list(pool.values())
        return pools

    def _cut_short(self, asked: Sequence[Asked]) -> list[list[tuple[Obligation, Fragment]]]:
        """For each line the payments whose references begin as it ends."""
        fragments = [
            {
                one
                for text in (ask.line.reference, ask.line.description)
                for one in self._reader.fragments(text)
            }
            for ask in asked
        ]
        begun = self._book.by_beginnings({one.beginning for some in fragments for one in some})
        return [[(hit, one) for one in some for hit in begun[one.beginning]] for some in fragments]

    def _look_far(self, clues: Sequence[Clues]) -> list[Clues]:
        """Two slips in one reference: held against all that is open, while that is not too much."""
        far = [{} if clue.references else dict(self._twice(clue.line.text)) for clue in clues]
        known = self._book.by_references({one for some in far for one in some})
        return [
            replace(clue, references=some, named={one: known[one] for one in some if one in known})
            if some
            else clue
            for clue, some in zip(clues, far, strict=True)
        ]

    def _twice(self, text: str) -> Iterator[tuple[str, Clue]]:
        for head, typed in self._reader.regions(text):
            if (payable := self._payable_under(head)) and len(typed) >= _LEAST_FAR:
                near = process.extract(
                    typed, payable, scorer=OSA.distance, score_cutoff=2, limit=3, processor=None
                )
                chance = _ppm(len(payable) * _WITHIN_TWO, SPACE)
                yield from ((f"{head}_{tail}", Clue(Fault.TWICE, chance)) for tail, _, _ in near)

    def _payable_under(self, head: str) -> list[str]:
        if head not in self._tails:
            self._tails[head] = [one.rpartition("_")[2] for one in self._book.payable_under(head)]
        return self._tails[head]

    def _clues(
        self,
        ask: Asked,
        references: Mapping[str, Clue],
        papers: Mapping[str, Sequence[Obligation]],
        named: Mapping[str, Obligation],
    ) -> Clues:
        line = ask.line
        text = line.text
        exact = {one: Clue(Fault.NONE, 0) for one in ask.references if one in named}
        return Clues(
            line,
            words(text),
            {**references, **exact},
            self._reader.tails(text),
            contacts_in(text),
            self._memory.recall(line.description, line.on) if self._memory else {},
            ask.rule.value if ask.rule and ask.rule.says is Says.PAYER else "",
            bool(ask.rule and ask.rule.says is Says.FOREIGN),
            papers,
            named,
        )


def _ppm(tries: int, space: int) -> int:
    """How often in a million as many tries find something by chance, rounded up."""
    return -(-tries * 1_000_000 // space)
