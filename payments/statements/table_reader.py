"""A table and its layout to a statement: which row is a line, which is none, and which cannot be read."""

import re
from dataclasses import dataclass, field
from datetime import date

from payments.errors import StatementFormatError, quoted
from payments.statements import amounts, days
from payments.statements.draft import Draft, Entry, evidence, masked
from payments.statements.layouts import Layout, fold, fold_row
from payments.statements.statement import Statement
from payments.statements.tables import Table, is_blank

_OPENING = r"open(?:ing)? balance|(?:balance )?brought forward|balance b/?f|openingsaldo|beginsaldo"
_CLOSING = r"clos(?:e|ing) balance|(?:balance )?carried forward|balance c/?f|sluitingsaldo|eindsaldo"
#: Rows below a heading that are no movement, by how they begin.
_NAMES = (
    ("opening balance", re.compile(_OPENING)),
    ("closing balance", re.compile(_CLOSING)),
    ("note", re.compile(r"provisional statement|end of (?:file|statement|report)")),
)
_MAY_BE_NAMED = re.compile(r"open|clos|brought|carried|balance|begin|sluiting|eind|prov|end ", re.IGNORECASE)
_ZERO = re.compile(r"[-+]?0+(?:[.,]0+)?")
_MARKS = amounts.MARKS | {"C": 1, "CREDIT": 1, "KREDIET": 1, "D": -1, "DEBIT": -1, "DEBIET": -1}
_TOTAL = re.compile(r"(?:sub ?|grand )?tota(?:l|ls|al)\b")
#: Labels above a heading.
_LABELS = (
    ("account", re.compile(r"(?:for )?(?:account|a/c|acc)(?: ?(?:number|no|nr))?|rekeningnommer")),
    ("account name", re.compile(r"account name")),
    ("opening balance", re.compile(_OPENING)),
    ("closing balance", re.compile(_CLOSING)),
    ("currency", re.compile(r"currency|geldeenheid")),
)
_NUMBER = re.compile(r"[0-9][0-9 ]{3,}[0-9]")
#: Investec writes the account behind its holder's name.
_IN_NAME = re.compile(r"[0-9]{9,}$")
_JOINED_LABEL = re.compile(r"([^:]{3,40}):\s*(\S.*)|(for account number)\s+(\S.*)", re.IGNORECASE)
#: What stands in an amount's place when there is none.
_NOTHING = ("", "-", "–", "—")


class _Fault(Exception):
    """A fault of one row; it never leaves this file."""


@dataclass(slots=True)
class TableReader:
    """Reads one table. ``date_order`` is what a person or a mapping states; else the file must prove it."""

    layout: Layout
    table: Table
    start: int
    date_order: str | None = None
    draft: Draft = field(init=False)
    mixed_signs: bool = field(init=False, default=False)
    #: Columns for account, currency or status: a row may then say more than a line.
    is_told: bool = field(default=False, init=False)
    account_in_name: str = field(init=False, default="")
    last_account: str = field(init=False, default="")
    dated: dict[str, bool] = field(init=False, default_factory=dict)
    known_days: dict[str, date | None] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        layout = self.layout
        self.draft = Draft(
            self.table.file, layout.name, layout.currency, layout.account, fees_on_top=layout.fees_on_top
        )
        self.date_order = self.date_order or layout.date_order
        columns = layout.columns
        self.is_told = any(one is not None for one in (columns.account, columns.currency, columns.status))

    def read(self) -> Statement:
        self.look_through()
        rows = blank = 0
        if self.table.separator_row:
            rows += 1
            self.draft.name(1, "separator", self.table.separator_row)
        for number, cells in self.table.rows():
            if is_blank(cells):
                blank += 1
                continue
            rows += 1
            if number == self.start and self.layout.heading:
                self.draft.name(number, "heading", evidence(cells))
            elif number <= self.start:
                self.head(number, cells)
            else:
                self.body(number, cells)
        table = self.table
        self.draft.account = self.draft.account or self.account_in_name
        return self.draft.finish(rows, blank_rows=blank, nul_bytes=table.nul_bytes, encoding=table.encoding)

    def look_through(self) -> None:
        """Once over the whole file: which order its dates prove, and whether money out has both signs."""
        dates: dict[str, int] = {}
        signs: set[bool] = set()
        out = self.layout.columns.money_out
        for number, cells in self.table.rows():
            if number <= self.start:
                continue
            text = _cell(cells, self.layout.columns.date)
            if text and text not in dates:
                dates[text] = number
            if out is not None and (paid := _cell(cells, out)) and re.search("[1-9]", paid):
                signs.add(paid.startswith(("-", "(", "\u2212")))
        self.mixed_signs = len(signs) > 1
        if self.date_order is None:
            try:
                self.date_order = days.order_of((row, text) for text, row in dates.items())
            except days.OrderUnknown as error:
                reason = f"{error.reason}. Say the order of day and month."
                raise StatementFormatError(self.table.file, error.row, reason) from error

    # -- above the heading ------------------------------------------------------------------------------

    def head(self, number: int, cells: list[str]) -> None:
        """A row above the heading: a label with its value, or a title."""
        label, value = _label_and_value(cells)
        name = next((name for name, pattern in _LABELS if pattern.fullmatch(label)), "head")
        if name == "account" and value:
            self._account(number, value)
        elif name == "account name" and (found := _IN_NAME.search(value)):
            self.account_in_name = masked(found[0])
        elif name in ("opening balance", "closing balance"):
            self._say_balance(name, number, value)
        elif name == "currency" and value:
            self.draft.use_currency(number, value[:3].upper())
        self.draft.name(number, name, evidence(cells))

    def _account(self, number: int, value: str) -> None:
        if value != self.last_account:
            found = _NUMBER.search(value)
            self.draft.use_account(number, found[0].replace(" ", "") if found else value)
            self.last_account = value

    def _say_balance(self, name: str, number: int, value: str) -> None:
        """An opening or closing balance that stands outside the lines."""
        try:
            minor = self._read_amount(number, value)
        except _Fault as fault:
            raise self.draft.refuse(number, f"The {name} cannot be read: {fault}") from fault
        known = self.draft.opening if name == "opening balance" else self.draft.closing
        if known and known[0] != minor:
            raise self.draft.refuse(number, f"It gives another {name} than row {known[1]}.")
        if name == "opening balance":
            self.draft.opening = (minor, number)
        else:
            self.draft.closing = (minor, number)

    # -- below it ---------------------------------------------------------------------------------------

    def body(self, number: int, cells: list[str]) -> None:
        """A row below the heading."""
        if not self._is_dated(cells) and self.layout.heading and fold_row(cells) == self.layout.heading:
            self.draft.name(number, "heading", evidence(cells))
        elif not self._name(number, cells) and not self._continue(number, cells):
            self._line(number, cells)

    def _line(self, number: int, cells: list[str]) -> None:
        entry, faults = self.parse(number, cells)
        entry.reason = next(iter(faults.values()), "")
        self.draft.add(entry)

    def parse(self, number: int, cells: list[str]) -> tuple[Entry, dict[str, str]]:
        """A row as an entry, and what cannot be read in it: row, date, amount, balance or status, and why."""
        columns = self.layout.columns
        entry = Entry(
            number, None,
            description=self._text(cells, columns.description),
            reference=self._text(cells, columns.reference),
            raw=evidence(cells),
        )  # fmt: skip
        if misshapen := self._misshapen(cells):
            return entry, {"row": misshapen}
        faults: dict[str, str] = {}
        parts = (
            ("date", self._day),
            ("amount", self._money),
            ("balance", self._balance),
            ("status", self._place),
        )
        for name, part in parts:
            try:
                part(entry, cells)
            except _Fault as fault:
                faults[name] = str(fault)
        return entry, faults

    def _misshapen(self, cells: list[str]) -> str:
        """Why nothing in this row stands where it should; empty when all does."""
        width = self.layout.width
        if len(cells) < width:
            return f"It has {len(cells)} cells, and a whole row has {width}."
        if any(cell.strip() for cell in cells[width:]):
            return f"It has more cells than the {width} of a whole row; a separator stands in a text."
        return ""

    def _day(self, entry: Entry, cells: list[str]) -> None:
        text = _cell(cells, self.layout.columns.date)
        if text not in self.known_days:
            try:
                self.known_days[text] = days.read(text, self.date_order)
            except ValueError:
                self.known_days[text] = None
        entry.day = self.known_days[text]
        if entry.day is None:
            raise _Fault(f"The date {quoted(masked(text))} cannot be read." if text else "It has no date.")

    def _money(self, entry: Entry, cells: list[str]) -> None:
        columns = self.layout.columns
        if columns.fee is not None and (fee := _cell(cells, columns.fee)) not in _NOTHING:
            entry.fee = self._read_amount(entry.row, fee, "fee")
        if columns.amount is not None:
            minor = self._one_column(entry, cells)
        else:
            minor = self._two_columns(entry, cells)
        if minor is None and not entry.fee:
            raise _Fault("It has no amount.")
        entry.minor = -(minor or 0) if self.layout.flipped else minor or 0

    def _one_column(self, entry: Entry, cells: list[str]) -> int | None:
        columns = self.layout.columns
        text = _cell(cells, columns.amount)
        if text in _NOTHING:
            return None
        minor = self._read_amount(entry.row, text)
        if columns.mark is None:
            return minor
        mark = _MARKS.get(_cell(cells, columns.mark).upper())
        if mark is None and minor > 0:
            raise _Fault(f"The amount {quoted(text)} is marked neither as money in nor as money out.")
        if mark == 1 and minor < 0:
            raise _Fault(f"The amount {quoted(text)} is negative, and marked as money in.")
        return abs(minor) * mark if mark else minor

    def _two_columns(self, entry: Entry, cells: list[str]) -> int | None:
        columns = self.layout.columns
        in_text, out_text = _cell(cells, columns.money_in), _cell(cells, columns.money_out)
        paid_in = None if in_text in _NOTHING else self._read_amount(entry.row, in_text)
        paid_out = None if out_text in _NOTHING else self._read_amount(entry.row, out_text)
        if paid_in and paid_out:
            raise _Fault(f"Money came in ({in_text}) and went out ({out_text}) in one row.")
        if paid_out and paid_out < 0 and self.mixed_signs:
            raise _Fault(f"Money out is {out_text} here and without a sign elsewhere: in or out?")
        if paid_out:
            return -abs(paid_out)
        return paid_out if paid_in is None else paid_in

    def _balance(self, entry: Entry, cells: list[str]) -> None:
        text = _cell(cells, self.layout.columns.balance)
        if text not in _NOTHING:
            entry.balance = self._read_amount(entry.row, text, "balance")

    def _place(self, entry: Entry, cells: list[str]) -> None:
        """What may stand in a column of its own: account, currency, and that the bank has yet to book it."""
        if not self.is_told:
            return
        columns = self.layout.columns
        if number := _cell(cells, columns.account):
            self._account(entry.row, number)
        code = _cell(cells, columns.currency).upper()
        if code and code != self.draft.currency:
            raise self.draft.refuse(
                entry.row, f"It is in {code}, and the statement in {self.draft.currency}."
            )
        if fold(_cell(cells, columns.status)) == "pending":
            entry.pending = True
            raise _Fault("The bank marks it as pending: it is not on the account yet.")

    def _read_amount(self, number: int, text: str, what: str = "amount") -> int:
        """Minor units. Another currency than the statement's refuses the file; else it is the row's fault."""
        try:
            amount = amounts.read(text, self.layout.decimal)
        except ValueError:
            raise _Fault(f"The {what} {quoted(masked(text))} cannot be read.") from None
        if amount.currency and amount.currency != self.draft.currency:
            reason = f"It is in {amount.currency}, and the statement in {self.draft.currency}."
            raise self.draft.refuse(number, reason)
        return amount.minor

    # -- rows that are no line --------------------------------------------------------------------------

    def _name(self, number: int, cells: list[str]) -> bool:
        """A total, a balance carried, a note? What has a date and an amount is a line, whatever it says."""
        columns = self.layout.columns
        dated = self._is_dated(cells)
        moves = self._moves(cells)
        if dated and moves and not _MAY_BE_NAMED.match(_cell(cells, columns.description[0])):
            return False
        label = fold(self._text(cells, columns.description) if dated else _first(cells))
        if not dated and _TOTAL.match(label):
            if (balance := _cell(cells, columns.balance)) not in _NOTHING:
                self._say_balance("closing balance", number, balance)
            self.draft.name(number, "total", evidence(cells))
            return True
        for name, pattern in _NAMES:
            if (match := pattern.match(label)) and (not dated or not moves or match.end() == len(label)):
                if name != "note":
                    self._state(number, name, cells, dated=dated)
                self.draft.name(number, name, evidence(cells))
                return True
        if dated and not moves and label.startswith(self.layout.notes):
            self.draft.name(number, "note", evidence(cells))
            return True
        return False

    def _is_dated(self, cells: list[str]) -> bool:
        text = _cell(cells, self.layout.columns.date)
        if text not in self.dated:
            self.dated[text] = days.looks_like(text)
        return self.dated[text]

    def _moves(self, cells: list[str]) -> bool:
        """Does any amount of this row move money? What cannot be read might."""
        columns = self.layout.columns
        for place in (columns.amount, columns.money_in, columns.money_out):
            text = _cell(cells, place)
            if text not in _NOTHING and not _ZERO.fullmatch(text):
                return True
        return False

    def _state(self, number: int, name: str, cells: list[str], *, dated: bool) -> None:
        """Keep the balance that a row states, if it does. In a dated row it is the one of that moment."""
        text = _cell(cells, self.layout.columns.balance)
        if text in _NOTHING:
            text = next((cell.strip() for cell in cells[1:] if _is_amount(cell)), "")
        if dated and text not in _NOTHING:
            self.draft.entries.append(Entry(number, 0, balance=self._stated(number, text)))
        elif text not in _NOTHING:
            self._say_balance(name, number, text)

    def _stated(self, number: int, text: str) -> int:
        try:
            return self._read_amount(number, text, "balance")
        except _Fault as fault:
            raise self.draft.refuse(number, str(fault)) from fault

    def _continue(self, number: int, cells: list[str]) -> bool:
        """The second row of a long description (Absa): words alone, right below their line."""
        columns = self.layout.columns
        if _cell(cells, columns.date):
            return False
        words = self._text(cells, columns.description)
        others = [place for place in columns.numbers if _cell(cells, place)]
        entries = self.draft.entries
        if others or not words or not entries or not entries[-1].is_line or len(cells) < self.layout.width:
            return False
        entries[-1].description = f"{entries[-1].description} {words}".strip()
        self.draft.name(number, f"continues row {entries[-1].row}", evidence(cells))
        return True

    def _text(self, cells: list[str], places: tuple[int, ...]) -> str:
        if not places:
            return ""
        words = " ".join([_cell(cells, place) for place in places]) if places[1:] else _cell(cells, places[0])
        return masked(" ".join(words.split()))


def _cell(cells: list[str], place: int | None) -> str:
    return cells[place].strip() if place is not None and place < len(cells) else ""


def _first(cells: list[str]) -> str:
    return next((cell for cell in cells if cell.strip()), "")


def _is_amount(cell: str) -> bool:
    try:
        amounts.read(cell)
    except ValueError:
        return False
    return True


def _label_and_value(cells: list[str]) -> tuple[str, str]:
    """``Account No:`` and what stands beside it, in the next cell or the same one."""
    filled = [cell.strip() for cell in cells if cell.strip()]
    if not filled:
        return "", ""
    if len(filled) == 1 and (match := _JOINED_LABEL.fullmatch(filled[0])):
        return fold(match[1] or match[3]), match[2] or match[4]
    return fold(filled[0]), filled[1] if len(filled) > 1 else ""
