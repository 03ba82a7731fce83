"""Where candidates come from: a few questions that an index answers. Here the book that is all in memory.

``payments.reconciling.book`` asks the same of the database, so that a million payments stay there.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

from db.money import Money
from payments.matching.evidence import Batch, BatchKind, Obligation
from payments.matching.names import initial, surname

#: No more payments than this are looked at for one question: more is no evidence of anything.
MOST = 50
#: So many references are compared one by one with a text that has two slips; more would fit by chance.
MOST_UNDER = 20_000


class NameKey(NamedTuple):
    """What is still to be paid, in minor units, ``names.surname`` and ``names.initial``: ``None`` is any."""

    minor: int
    surname: str
    initial: str | None


class Book(Protocol):
    """Each question is asked for many lines at once. Only ``by_references`` finds what is not payable."""

    def heads(self) -> Collection[str]:
        """What stands before the last underscore of the references in use."""
        ...

    def payable_count(self) -> int:
        """How many payments a guess might hit by chance; a bound from above will do."""
        ...

    def by_references(self, references: Collection[str]) -> Mapping[str, Obligation]: ...

    def owed(self, references: Collection[str]) -> Mapping[str, tuple[int, Money]]:
        """Of those that are payable their ids, and what they lack: all that most lines need to know."""
        ...

    def by_beginnings(self, beginnings: Collection[str]) -> Mapping[str, Sequence[Obligation]]: ...

    def by_amount_and_name(self, keys: Collection[NameKey]) -> Mapping[NameKey, Sequence[Obligation]]: ...

    def by_contacts(self, contacts: Collection[str]) -> Mapping[str, Sequence[Obligation]]:
        """Phone numbers as ``+27…`` and e-mail addresses in lower case."""
        ...

    def by_papers(self, numbers: Collection[str]) -> Mapping[str, Sequence[Obligation]]:
        """What invoices and quotations are for, by their number (``clues.papers_in``), paid or not."""
        ...

    def payable_under(self, head: str) -> Sequence[str]:
        """The references under a head that are payable; nothing when they are more than ``MOST_UNDER``."""
        ...

    def quoted(self) -> Sequence[Obligation]:
        """What is payable and was quoted in another currency than ours."""
        ...

    def batches(self) -> Sequence[Batch]:
        """Bags and card batches that have not reached the bank."""
        ...


class MemoryBook:
    """A book of what it is told. ``put`` again what has changed."""

    def __init__(self, obligations: Iterable[Obligation] = (), batches: Iterable[Batch] = ()) -> None:
        self._by_id: dict[int, Obligation] = {}
        self._by_reference: dict[str, Obligation] = {}
        self._sorted: list[str] | None = None
        self._by_name: dict[NameKey, dict[int, None]] = defaultdict(dict)
        self._by_contact: dict[str, dict[int, None]] = defaultdict(dict)
        self._batches = {(batch.kind, batch.id): batch for batch in batches}
        self._heads: dict[str, None] = {}
        self._under: dict[str, dict[str, None]] = defaultdict(dict)
        self._quoted: dict[int, None] = {}
        self._papers: dict[str, Sequence[int]] = {}
        self._payable = 0
        for obligation in obligations:
            self.put(obligation)

    def put(self, obligation: Obligation) -> None:
        if before := self._by_id.get(obligation.id):
            for key in _name_keys(before):
                self._by_name[key].pop(before.id, None)
            self._payable -= before.payable
        else:
            self._sorted = None
            self._heads[obligation.reference.rpartition("_")[0]] = None
        self._by_id[obligation.id] = self._by_reference[obligation.reference] = obligation
        self._payable += obligation.payable
        under = self._under[obligation.reference.rpartition("_")[0]]
        if obligation.payable:
            under[obligation.reference] = None
        else:
            under.pop(obligation.reference, None)
        if obligation.quoted is not None:
            self._quoted[obligation.id] = None
        if obligation.payable:
            for key in _name_keys(obligation):
                self._by_name[key][obligation.id] = None
        for contact in (obligation.phone, obligation.email):
            if contact:
                self._by_contact[contact][obligation.id] = None

    def put_paper(self, number: str, payments: Sequence[int]) -> None:
        self._papers[number] = payments

    def get(self, payment_id: int) -> Obligation:
        return self._by_id[payment_id]

    def put_batch(self, batch: Batch) -> None:
        self._batches[batch.kind, batch.id] = batch

    def banked(self, kind: BatchKind, batch_id: int) -> None:
        del self._batches[kind, batch_id]

    def heads(self) -> Collection[str]:
        return self._heads

    def payable_count(self) -> int:
        return self._payable

    def by_references(self, references: Collection[str]) -> Mapping[str, Obligation]:
        return {one: self._by_reference[one] for one in references if one in self._by_reference}

    def owed(self, references: Collection[str]) -> Mapping[str, tuple[int, Money]]:
        found = self.by_references(references)
        return {name: (one.id, one.outstanding) for name, one in found.items() if one.payable}

    def by_beginnings(self, beginnings: Collection[str]) -> Mapping[str, Sequence[Obligation]]:
        if self._sorted is None:
            self._sorted = sorted(self._by_reference)
        found: dict[str, list[Obligation]] = {}
        for beginning in beginnings:
            hits: list[Obligation] = []
            place = bisect_left(self._sorted, beginning)
            while (
                place < len(self._sorted) and self._sorted[place].startswith(beginning) and len(hits) < MOST
            ):
                obligation = self._by_reference[self._sorted[place]]
                hits += [obligation] if obligation.payable else []
                place += 1
            found[beginning] = hits
        return found

    def by_amount_and_name(self, keys: Collection[NameKey]) -> Mapping[NameKey, Sequence[Obligation]]:
        return {
            key: [self._by_id[one] for one in list(self._by_name[key])[:MOST]]
            for key in keys
            if key in self._by_name
        }

    def by_contacts(self, contacts: Collection[str]) -> Mapping[str, Sequence[Obligation]]:
        return {
            contact: [one for one in map(self._by_id.__getitem__, self._by_contact[contact]) if one.payable][
                :MOST
            ]
            for contact in contacts
            if contact in self._by_contact
        }

    def by_papers(self, numbers: Collection[str]) -> Mapping[str, Sequence[Obligation]]:
        return {
            one: [self._by_id[payment] for payment in self._papers[one]]
            for one in numbers
            if one in self._papers
        }

    def payable_under(self, head: str) -> Sequence[str]:
        under = self._under[head]
        return list(under) if len(under) <= MOST_UNDER else []

    def quoted(self) -> Sequence[Obligation]:
        return [one for one in map(self._by_id.__getitem__, self._quoted) if one.payable]

    def batches(self) -> Sequence[Batch]:
        return list(self._batches.values())


def _name_keys(obligation: Obligation) -> tuple[NameKey, NameKey]:
    any_of_them = NameKey(obligation.outstanding.minor, surname(obligation.name), None)
    return any_of_them, any_of_them._replace(initial=initial(obligation.name))
