"""What a person said about a table that no layout knows: columns, dates, amounts. Frozen, and plain JSON."""

import re
from collections.abc import Mapping as Dictionary
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any, Self

from db.money import CURRENCIES
from payments.errors import InvalidInput, StatementFormatError, quoted
from payments.statements import days
from payments.statements.layouts import Columns, Layout, fold_row
from payments.statements.tables import ENCODINGS, HEAD_ROWS, SEPARATORS, Row, Table, is_blank

_PLACES = (
    "date", "amount", "money_in", "money_out", "mark", "fee", "balance", "account_column", "currency_column",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mapping:
    """Columns are counted from 0. Amounts stand signed in ``amount``, or in ``money_in`` and ``money_out``;
    ``mark`` is a column of Cr and Dr.

    ``heading`` are the cells of the heading row as they were when the mapping was made: the row is looked
    for, wherever it stands, and a file without it is refused, because its columns may mean something else.
    Without a heading the lines begin at ``first_row`` (from 1).
    """

    name: str
    date: int
    description: tuple[int, ...]
    reference: tuple[int, ...] = ()
    amount: int | None = None
    money_in: int | None = None
    money_out: int | None = None
    mark: int | None = None
    fee: int | None = None
    balance: int | None = None
    account_column: int | None = None
    currency_column: int | None = None
    heading: tuple[str, ...] = ()
    first_row: int = 1
    date_order: str | None = None
    decimal: str | None = None
    separator: str | None = None
    encoding: str | None = None
    currency: str = "ZAR"
    account: str = ""
    #: The file writes money out as positive, money in as negative.
    flipped: bool = False
    #: The sheet of a workbook; needed only when several hold rows.
    sheet: str = ""

    def __post_init__(self) -> None:
        for fault in self._faults():
            raise InvalidInput(f"The mapping {quoted(self.name)} cannot be used: {fault}.")

    def _faults(self) -> list[str]:
        """What is wrong with it, as the ends of sentences."""
        places = [getattr(self, place) for place in _PLACES] + [*self.description, *self.reference]
        numbers = [place for place in places if place is not None]
        two = self.money_in is not None or self.money_out is not None
        checks = (
            (
                any(type(place) is not int or not 0 <= place < 200 for place in numbers),
                "a column is no column",
            ),
            (
                (self.amount is None) != two,
                "it needs one amount column, or one for money in and one for money out",
            ),
            (two and (self.money_in is None or self.money_out is None), "it needs money in and money out"),
            (self.mark is not None and self.amount is None, "Cr and Dr go with one amount column"),
            (not self.description, "it needs a description column"),
            (self.date_order not in (None, *days.ORDERS), "dates are dmy, mdy or ymd"),
            (self.decimal not in (None, ".", ","), "the decimal sign is . or ,"),
            (self.separator not in (None, *SEPARATORS), "the separator is one of , ; tab |"),
            (self.encoding not in (None, *ENCODINGS), f"the encoding is one of {', '.join(ENCODINGS)}"),
            (
                self.currency not in CURRENCIES,
                f"{quoted(self.currency)} is not a currency this desk can hold",
            ),
            (not 1 <= self.first_row <= HEAD_ROWS, f"the lines begin in row 1 to {HEAD_ROWS}"),
        )
        return [sentence for wrong, sentence in checks if wrong]

    def to_json(self) -> dict[str, Any]:
        return {
            key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()
        }

    @classmethod
    def from_json(cls, told: Dictionary[str, Any]) -> Self:
        """The mapping of a parsed JSON object. Raises ``InvalidInput`` for keys or values it cannot have."""
        known = {one.name for one in fields(cls)}
        if (
            not isinstance(told, Dictionary)
            or set(told) - known
            or not {"name", "date", "description"} <= set(told)
        ):
            raise InvalidInput(
                f"A mapping is a JSON object with name, date and description, and of {sorted(known)}."
            )
        values: dict[str, Any] = {
            key: tuple(value) if isinstance(value, list) else value for key, value in told.items()
        }
        for one in fields(cls):
            if one.name in values and not _fits(one.type, values[one.name]):
                raise InvalidInput(f"In the mapping, {one.name} cannot be {quoted(told[one.name])}.")
        return cls(**values)

    def layout(self, width: int) -> Layout:
        """The same as a layout whose rows have ``width`` cells."""
        columns = Columns(
            date=self.date, description=self.description, reference=self.reference, amount=self.amount,
            money_in=self.money_in, money_out=self.money_out, mark=self.mark, fee=self.fee,
            balance=self.balance, account=self.account_column, currency=self.currency_column,
        )  # fmt: skip
        return Layout(
            f"mapping:{self.name}", columns, width, fold_row(list(self.heading)),
            date_order=self.date_order, decimal=self.decimal, currency=self.currency, account=self.account,
            flipped=self.flipped,
        )  # fmt: skip

    def needed_width(self) -> int:
        places = (getattr(self, place) for place in _PLACES)
        return 1 + max(*(place for place in places if place is not None), *self.description, *self.reference)

    def start(self, table: Table) -> tuple[Layout, int]:
        """The layout, and the row the lines begin after. Raises when the heading is not in the file."""
        rows = table.head()
        if not self.heading:
            body = [cells for number, cells in rows if number >= self.first_row and not is_blank(cells)]
            width = len(trimmed(body[0])) if body else 0
            if width < (needed := self.needed_width()):
                reason = f"Its rows have {width} cells, and the mapping {quoted(self.name)} needs {needed}."
                raise StatementFormatError(table.file, self.first_row, reason)
            return self.layout(width), self.first_row - 1
        layout = self.layout(max(self.needed_width(), len(fold_row(list(self.heading)))))
        start = layout.start(rows)
        if start is None:
            reason = f"It does not have the heading row that the mapping {quoted(self.name)} was made for."
            raise StatementFormatError(table.file, rows[0][0] if rows else None, reason)
        return layout, start


def _fits(annotation: object, value: object) -> bool:
    """Does a value of JSON fit a field?"""
    kind = annotation.__name__ if isinstance(annotation, type) else str(annotation)
    if value is None:
        return "None" in kind
    if kind.startswith("tuple[int"):
        return isinstance(value, tuple) and all(type(one) is int for one in value)
    if kind.startswith("tuple[str"):
        return isinstance(value, tuple) and all(isinstance(one, str) for one in value)
    wanted = {"int": int, "str": str, "bool": bool}[kind.removesuffix(" | None")]
    return type(value) is wanted


def trimmed(cells: list[str]) -> list[str]:
    cells = list(cells)
    while cells and not cells[-1].strip():
        cells.pop()
    return cells


_GUESSES = {
    "date": ("transaction date", "posting date", "date", "value date", "effective date", "recon date"),
    "amount": ("amount", "net amount", "amount paid", "gross amount"),
    "money_in": ("money in", "credit", "credits", "credit amount", "deposits", "in"),
    "money_out": ("money out", "debit", "debits", "debit amount", "payments", "withdrawals", "out"),
    "fee": ("fee", "fees", "service fee", "transaction fees"),
    "balance": ("balance", "running balance", "closing balance"),
}
_TEXTS = {
    "description": ("description", "details", "narrative", "transaction description", "narration", "memo"),
    "reference": ("reference", "customer reference", "payment reference", "ref"),
}


def suggest(rows: list[Row]) -> dict[str, Any]:
    """Columns that headings like these usually mean, to fill in a mapping screen; a person confirms them."""
    for number, cells in rows:
        folded = list(fold_row(cells))
        found = {
            key: folded.index(name)
            for key, names in _GUESSES.items()
            for name in names[::-1]
            if name in folded
        }
        if "date" not in found or not {"amount", "money_in", "money_out"} & set(found):
            continue
        texts = {
            key: [folded.index(name) for name in names if name in folded][:1] for key, names in _TEXTS.items()
        }
        return found | texts | {"heading": list(trimmed(cells)), "first_row": number + 1}
    return {}


_NUMBER = re.compile(r"[-+(]? ?R? ?[0-9][0-9 ,.'\u00a0]*[)-]?")
_CENTS = re.compile(r".*[0-9][.,][0-9]{2}[)-]?")


def by_content(lines: Sequence[Sequence[str]], told: dict[str, Any]) -> dict[str, Any]:
    """What the cells show where the headings tell nothing, in any language: as the amount the first column of
    numbers, rather one with cents, and the one with the most letters as what the bank says. A person confirms
    them; the date is the first column where nothing else is told."""
    taken = {told[key] for key in _GUESSES if key in told} | set(told.get("reference", ()))
    taken.add(told.get("date", 0))
    columns = {
        nth: cells
        for nth in range(max(map(len, lines), default=0))
        if nth not in taken and (cells := [row[nth] for row in lines if nth < len(row) and row[nth].strip()])
    }
    found: dict[str, Any] = {}
    amounts = [nth for nth, cells in columns.items() if _are_amounts(cells)]
    if amounts and not {"amount", "money_in"} & set(told):
        exact = (nth for nth in amounts if all(_CENTS.fullmatch(cell.strip()) for cell in columns[nth]))
        found["amount"] = next(exact, amounts[0])
    letters = {nth: sum(map(str.isalpha, "".join(cells))) for nth, cells in columns.items()}
    most = max(letters, key=letters.__getitem__, default=0)
    if letters.get(most) and not told.get("description"):
        found["description"] = [most]
    return found


def _are_amounts(cells: Sequence[str]) -> bool:
    """Numbers that are neither days nor the rows' own numbers."""
    plain = [cell.strip() for cell in cells]
    if all(days.looks_like(cell) for cell in plain) or not all(map(_NUMBER.fullmatch, plain)):
        return False
    steps = {int(one) - int(other) for other, one in pairwise(plain) if one.isdigit() and other.isdigit()}
    return steps not in ({1}, {-1})
