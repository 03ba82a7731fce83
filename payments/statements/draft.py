"""A statement in the making, and the laws it must keep before it is one.

Every reader puts the rows of its file into a ``Draft`` in the order of the file; ``finish`` then proves the
running balance row by row, opening + Σ = closing, and that each row of the file is accounted for.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import NamedTuple

from db.money import CURRENCIES, Money
from payments.errors import StatementFormatError
from payments.privacy import mask_card_numbers
from payments.statements.statement import MAX_LINES, Line, Named, Quarantined, Statement


@dataclass(slots=True)
class Entry:
    """A row that is a line, a quarantined row, or only states a balance (``minor`` 0 and no date)."""

    row: int
    minor: int | None
    balance: int | None = None
    day: date | None = None
    fee: int = 0
    description: str = ""
    reference: str = ""
    raw: str = ""
    reason: str = ""
    #: The bank has not booked it yet: it moves no balance.
    pending: bool = False
    ordinal: int = 0

    @property
    def is_line(self) -> bool:
        return self.day is not None and not self.reason


class _Walk(NamedTuple):
    opening: int | None
    closing: int | None


class _Broken(NamedTuple):
    row: int
    expected: int
    found: int
    sentence: str = "The balance is broken: the other rows lead to {}, and this one says {}."


#: As long as the shortest card number, and beginning as one of any network does.
_THIRTEEN_DIGITS = re.compile(r"(?<![0-9])[2-6](?:[\W_]{0,3}[0-9]){12}")
_SUM = "Opening balance and lines come to {}, and the closing balance says {}."


@dataclass(slots=True)
class Draft:
    """Rows in the order of their file, what its head says, and which layout it is."""

    file: str
    layout: str
    currency: str = "ZAR"
    account: str = ""
    #: Minor units and the row that says so.
    opening: tuple[int, int] | None = None
    closing: tuple[int, int] | None = None
    fees_on_top: bool = False
    entries: list[Entry] = field(default_factory=list)
    headers: list[Named] = field(default_factory=list)
    footers: list[Named] = field(default_factory=list)
    begun: bool = False

    def refuse(self, row: int | None, reason: str) -> StatementFormatError:
        return StatementFormatError(self.file, row, reason)

    def use_currency(self, row: int | None, code: str) -> None:
        if code not in CURRENCIES:
            raise self.refuse(row, f"{code} is not a currency this desk can hold.")
        self.currency = code

    def use_account(self, row: int | None, number: str) -> None:
        """The one account of the file. A second one refuses it: whose balance would be proved?"""
        number = masked(" ".join(number.split()))
        if self.account and number != self.account:
            raise self.refuse(row, f"It holds two accounts, {self.account} and {number}; import them apart.")
        self.account = number

    def name(self, row: int, name: str, text: str) -> None:
        """A row that is no movement: a header until the first entry, a footer from then on."""
        (self.footers if self.begun else self.headers).append(Named(row, name, masked(text)))

    def add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.begun = self.begun or entry.is_line or bool(entry.reason)
        if len(self.entries) > MAX_LINES:
            raise self.refuse(entry.row, f"It has more than {MAX_LINES:,} lines; export shorter periods.")

    def finish(self, rows: int, *, blank_rows: int = 0, nul_bytes: int = 0, encoding: str = "") -> Statement:
        """The statement, proved. ``rows`` is how many rows of the file hold anything, counted elsewhere."""
        walk, fee_sign, backwards = self._proved()
        statement = Statement(
            name=self.file,
            layout=self.layout,
            account=self.account,
            currency=self.currency,
            opening=self._money(walk.opening),
            closing=self._money(walk.closing),
            lines=tuple(self._lines(fee_sign, backwards=backwards)),
            quarantined=tuple(self._quarantined()),
            headers=tuple(self.headers),
            footers=tuple(self.footers),
            rows=rows,
            blank_rows=blank_rows,
            nul_bytes=nul_bytes,
            encoding=encoding,
        )
        kept = sum(map(len, (statement.lines, statement.quarantined, statement.headers, statement.footers)))
        if kept != rows:
            raise AssertionError(f"{self.file}: {rows} rows went in, {kept} came out")
        return statement

    def _lines(self, fee_sign: int, *, backwards: bool) -> Iterator[Line]:
        lines = [entry for entry in self.entries if entry.is_line]
        counted: Counter[tuple[object, ...]] = Counter()
        for entry in reversed(lines) if backwards else lines:
            moved = (entry.minor or 0) + entry.fee * fee_sign
            key = (entry.day, moved, entry.description, entry.reference)
            counted[key] += 1
            entry.ordinal = counted[key]
        counted.clear()
        no_fee = Money(0, self.currency)
        for entry in lines:
            assert entry.day is not None
            assert entry.minor is not None
            on_top = entry.fee * fee_sign
            yield Line(
                row=entry.row,
                date=entry.day,
                amount=Money(entry.minor + on_top, self.currency),
                description=entry.description,
                reference=entry.reference,
                balance=self._money(entry.balance),
                fee=Money(on_top or -abs(entry.fee), self.currency) if entry.fee else no_fee,
                ordinal=entry.ordinal,
                raw=entry.raw,
            )

    def _quarantined(self) -> Iterator[Quarantined]:
        for entry in self.entries:
            if entry.reason:
                yield Quarantined(
                    entry.row, entry.reason, entry.raw, entry.day, self._money(entry.minor), entry.description
                )

    def _money(self, minor: int | None) -> Money | None:
        return None if minor is None else Money(minor, self.currency)

    # -- the balance ------------------------------------------------------------------------------------

    def _proved(self) -> tuple[_Walk, int, bool]:
        """Walk the balances in the order of time, as the dates or else the balances themselves tell it.

        Raises ``StatementFormatError`` at the first row that does not follow from the one before it.
        """
        # A fee in a column of its own comes on top of the amount, signed or unsigned, or is charged some
        # other time. Layouts differ; the balance column proves which.
        readings = [0]
        if any(entry.fee for entry in self.entries):
            readings = [1, -1, 0] if self.fees_on_top else [0, 1, -1]
        blamed: _Broken | None = None
        for backwards in self._directions():
            for fee_sign in readings:
                found = self._walk(fee_sign, backwards=backwards)
                if isinstance(found, _Walk):
                    return found, fee_sign, backwards
                blamed = blamed or found
        assert blamed is not None
        expected, said = Money(blamed.expected, self.currency), Money(blamed.found, self.currency)
        raise self.refuse(blamed.row, blamed.sentence.format(expected, said))

    def _directions(self) -> Sequence[bool]:
        """Newest first? Dates that rise or fall throughout tell; else the balances may."""
        days = [entry.day for entry in self.entries if entry.is_line and entry.day]
        pairs = list(pairwise(days))
        rises = all(one <= next_one for one, next_one in pairs)
        falls = all(one >= next_one for one, next_one in pairs)
        if rises != falls:
            return [falls]
        return [False, True]

    def _walk(self, fee_sign: int, *, backwards: bool) -> _Walk | _Broken:
        """From the opening balance to the closing one; an unknown amount breaks the chain, not the file."""
        running = opening = self.opening[0] if self.opening else None
        moved: int | None = 0  # since the start, until an opening balance is known
        for entry in reversed(self.entries) if backwards else self.entries:
            if entry.minor is None:
                running = moved = None
            elif not entry.pending:
                step = entry.minor + entry.fee * fee_sign
                running = None if running is None else running + step
                moved = None if moved is None else moved + step
            if entry.balance is None:
                continue
            if running is not None and running != entry.balance:
                return _Broken(entry.row, running, entry.balance)
            if opening is None and moved is not None:
                opening = entry.balance - moved
            running = entry.balance
        if not self.closing:
            return _Walk(opening, running)
        closing, row = self.closing
        if running is not None and running != closing:
            return _Broken(row, running, closing, _SUM)
        return _Walk(opening, closing)


def masked(text: str) -> str:
    """Without card numbers. The shortest has thirteen digits close together, and hardly a text has those."""
    if len(text) < 13 or (text.isascii() and not _THIRTEEN_DIGITS.search(text)):
        return text
    return mask_card_numbers(text)


def evidence(cells: Sequence[str]) -> str:
    """A row as it stood, each cell in quotes and apart, so that digits of neighbours never run together."""
    whole = '", "'.join(cells)
    if not whole.isascii() or _THIRTEEN_DIGITS.search(whole):
        whole = '", "'.join(map(masked, cells))
    return f'"{whole}"'
