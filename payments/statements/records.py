"""Files whose first or third cell says what each row is: FNB's e-mailed statements, Standard Bank's HIST."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from payments.errors import quoted
from payments.statements import amounts, days
from payments.statements.draft import Draft, Entry, evidence, masked
from payments.statements.statement import Statement
from payments.statements.tables import Row, Table, is_blank

FNB_MAIL, STANDARD_BANK_HIST = "fnb-mail", "standard-bank-hist"
_HIST_WIDTH, _FNB_WIDTH = 8, 8


def layout_of(rows: list[Row]) -> str | None:
    """The one of the two that these rows are, or None."""
    cells = [row for _, row in rows if not is_blank(row)][:10]
    if any(len(row) > 2 and row[2].strip() == "ACC-NO" for row in cells):
        return STANDARD_BANK_HIST
    types = [row[0].strip() for row in cells]
    if types and types[0] == "2" and "3" in types and len(cells[0]) > 1 and cells[0][1].strip(" '").isdigit():
        return FNB_MAIL
    return None


def read(layout: str, table: Table) -> Statement:
    draft = Draft(table.file, layout)
    reader = _Hist(draft) if layout == STANDARD_BANK_HIST else _FnbMail(draft)
    rows = blank = 0
    if table.separator_row:
        rows += 1
        draft.name(1, "separator", table.separator_row)
    for number, cells in table.rows():
        if is_blank(cells):
            blank += 1
        else:
            rows += 1
            reader.row(number, [cell.strip() for cell in cells])
    if draft.opening is None or draft.closing is None:
        raise draft.refuse(None, "Its opening or closing balance is missing; the file is cut off.")
    return draft.finish(rows, blank_rows=blank, nul_bytes=table.nul_bytes, encoding=table.encoding)


def _amount(text: str) -> int:
    try:
        return amounts.read(text).minor
    except ValueError:
        raise ValueError(
            f"The amount {quoted(masked(text))} cannot be read." if text else "It has no amount."
        ) from None


def _words(*cells: str) -> str:
    return masked(" ".join(" ".join(cells).split()))


@dataclass(slots=True)
class _Hist:
    """``HIST,date,##,amount,what,reference,code,0`` between rows for branch, account, OPEN and CLOSE."""

    draft: Draft

    def row(self, number: int, cells: list[str]) -> None:
        kind = cells[2] if len(cells) > 2 and cells[0] != "HIST" else cells[0]
        if kind == "HIST":
            self.draft.add(self._line(number, cells))
            return
        if kind == "ACC-NO":
            self.draft.use_account(number, cells[1])
        if kind in ("OPEN", "CLOSE"):
            self._balance(number, kind, cells)
        elif kind not in ("ACC-NO", "BRANCH"):
            reason = f"The kind of row {quoted(masked(kind))} is not known."
            self.draft.add(Entry(number, None, raw=evidence(cells), reason=reason))
            return
        name = {"ACC-NO": "account", "OPEN": "opening balance", "CLOSE": "closing balance"}.get(
            kind, "branch"
        )
        self.draft.name(number, name, evidence(cells))

    def _balance(self, number: int, kind: str, cells: list[str]) -> None:
        try:
            said = (_amount(cells[3] if len(cells) > 3 else ""), number)
        except ValueError as error:
            raise self.draft.refuse(number, str(error)) from error
        if (self.draft.opening if kind == "OPEN" else self.draft.closing) not in (None, said):
            raise self.draft.refuse(number, "It is the second of its kind; this is more than one statement.")
        if kind == "OPEN":
            self.draft.opening = said
        else:
            self.draft.closing = said

    def _line(self, number: int, cells: list[str]) -> Entry:
        entry = Entry(number, None, raw=evidence(cells))
        if len(cells) < _HIST_WIDTH or any(cells[_HIST_WIDTH:]):
            entry.reason = f"It has {len(cells)} cells, and a whole row has {_HIST_WIDTH}."
            return entry
        entry.description, entry.reference = _words(cells[4]), _words(cells[5])
        try:
            entry.minor = _amount(cells[3])
            entry.day = days.read(cells[1], "ymd")
        except ValueError as error:
            entry.reason = str(error)
        return entry


@dataclass(slots=True)
class _FnbMail:
    """Numbered records: 2 the account, 3 the period and balances, 5 a line, whose date has no year.

    Text may stand in single quotation marks, with commas in it, or in double ones.
    """

    draft: Draft
    period: tuple[date, date] | None = field(default=None)

    def row(self, number: int, cells: list[str]) -> None:
        cells = list(_unquoted(cells))
        kind, second = cells[0], cells[1] if len(cells) > 1 else ""
        if kind == "2" and second.isdigit():
            self.draft.use_account(number, second)
            self.draft.name(number, "account", evidence(cells))
        elif kind == "3" and second.isdigit():
            self._period(number, cells)
        elif kind == "5" and not _is_heading(cells):
            self.draft.add(self._line(number, cells))
        elif kind.isdigit():
            self.draft.name(number, "heading" if _is_heading(cells) else f"record {kind}", evidence(cells))
        else:
            reason = f"The kind of row {quoted(masked(kind))} is not known."
            self.draft.add(Entry(number, None, raw=evidence(cells), reason=reason))

    def _period(self, number: int, cells: list[str]) -> None:
        if self.period:
            raise self.draft.refuse(number, "It is a second statement in one file; import them apart.")
        try:
            self.period = (days.read(cells[2]), days.read(cells[3]))
            self.draft.opening = (_amount(cells[4]), number)
            self.draft.closing = (_amount(cells[5]), number)
        except (ValueError, IndexError) as error:
            reason = f"Its period and balances cannot be read ({masked(str(error))})."
            raise self.draft.refuse(number, reason) from error
        self.draft.name(number, "period and balances", evidence(cells))

    def _line(self, number: int, cells: list[str]) -> Entry:
        entry = Entry(number, None, raw=evidence(cells))
        if self.period is None:
            raise self.draft.refuse(
                number, "Its period, from which the year is known, does not stand before it."
            )
        if len(cells) < _FNB_WIDTH:
            entry.reason = f"It has {len(cells)} cells, and a whole row has {_FNB_WIDTH} or more."
            return entry
        entry.description, entry.reference = _words(cells[3]), _words(cells[4], cells[5])
        try:
            entry.minor = _amount(cells[6])
            entry.balance = _amount(cells[7]) if cells[7] else None
            entry.day = days.read_within(cells[2], *self.period)
        except ValueError as error:
            entry.reason = str(error)
        return entry


def _is_heading(cells: list[str]) -> bool:
    return any(
        re.fullmatch(r"number|date|statement number|opening balance", cell.lower()) for cell in cells[1:]
    )


def _unquoted(cells: list[str]) -> Iterator[str]:
    """Cells without their single quotation marks; those that a comma within such marks tore apart, whole."""
    held: list[str] = []
    for cell in cells:
        if held:
            held.append(cell)
            if cell.endswith("'"):
                yield ", ".join(held)[1:-1].strip()
                held = []
        elif cell.startswith("'") and not (cell.endswith("'") and len(cell) > 1):
            held = [cell]
        else:
            yield cell[1:-1].strip() if cell.startswith("'") and len(cell) > 1 else cell
    yield from held
