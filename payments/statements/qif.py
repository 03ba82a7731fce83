"""QIF: records of lines with one letter each, ended by ``^``.

Read here and not by a library: the one that is kept strips what it does not know from amounts, so that
``(500.00)`` becomes money in, and guesses at dates one by one. QIF names neither currency nor balances.
"""

import re

from payments.errors import StatementFormatError, quoted
from payments.statements import amounts, days
from payments.statements.draft import Draft, Entry, masked
from payments.statements.statement import Statement
from payments.statements.tables import Text

_ACCOUNTS = ("bank", "cash", "ccard", "oth a", "oth l")
_Record = tuple[int, list[str]]


def read(text: Text, date_order: str | None = None) -> Statement:
    draft = Draft(text.file, "qif")
    records, headers = _records(draft, text)
    for number, line in headers:
        draft.name(number, "head", line)
    if date_order is None:
        dates = [(number, _date_text(lines)) for number, lines in records]
        try:
            date_order = days.order_of(dates)
        except days.OrderUnknown as error:
            reason = f"{error.reason}. Say the order of day and month."
            raise StatementFormatError(text.file, error.row, reason) from error
    for number, lines in records:
        draft.add(_entry(number, lines, date_order))
    _take_opening(draft)
    return draft.finish(len(headers) + len(records), nul_bytes=text.nul_bytes, encoding=text.encoding)


def _records(draft: Draft, text: Text) -> tuple[list[_Record], list[tuple[int, str]]]:
    """Records of a bank account with the row each begins in, and the lines that are headers."""
    records: list[_Record] = []
    headers: list[tuple[int, str]] = []
    held: list[str] = []
    began, about_account = 0, False
    for number, line in enumerate(map(str.strip, text.text.splitlines()), 1):
        if not line:
            continue
        if line.startswith("!"):
            about_account = _header(draft, number, line)
            headers.append((number, line))
        elif about_account:  # the account's own name and kind, ended by its own ^
            headers.append((number, line))
            about_account = line != "^"
            if line.startswith("N"):
                draft.use_account(number, line[1:])
        elif line == "^":
            if held:
                records.append((began, held))
            held = []
        else:
            began = began if held else number
            held.append(line)
    if held:
        raise draft.refuse(began, "Its last record has no end; the file is cut off.")
    return records, headers


def _header(draft: Draft, number: int, line: str) -> bool:
    """Does an account follow? Raises for lists of anything but a bank account's records."""
    kind, _, what = line.lower().partition(":")
    if kind == "!account":
        return True
    if kind == "!type" and what.strip() not in _ACCOUNTS:
        raise draft.refuse(number, f"It holds {quoted(masked(what.strip()))}, which is no bank account.")
    if kind not in ("!type", "!option", "!clear"):
        raise draft.refuse(number, f"The header {quoted(masked(line))} is not known.")
    return False


def _date_text(lines: list[str]) -> str:
    """``D3/ 4'26``: blanks for zeros, and an apostrophe before the years from 2000 on."""
    said = next((line[1:] for line in lines if line.startswith("D")), "")
    return re.sub(r"(?<=[-/.']) +", "", said.strip()).replace("'", "/")


def _entry(number: int, lines: list[str], date_order: str) -> Entry:
    said: dict[str, str] = {}
    for line in lines:
        said.setdefault(line[0], " ".join(line[1:].split()))
    payee, memo = said.get("P", ""), said.get("M", "")
    entry = Entry(
        number, None,
        description=masked(" ".join(word for word in (payee, memo if memo != payee else "") if word)),
        reference=masked(said.get("N", "")),
        raw=masked(" | ".join(lines)),
    )  # fmt: skip
    text = said.get("T", said.get("U", ""))
    try:
        entry.minor = amounts.read(text).minor
    except ValueError:
        entry.reason = f"The amount {quoted(masked(text))} cannot be read." if text else "It has no amount."
    day = _date_text(lines)
    try:
        entry.day = days.read(day, date_order)
    except ValueError:
        entry.reason = entry.reason or (
            f"The date {quoted(masked(day))} cannot be read." if day else "It has no date."
        )
    return entry


def _take_opening(draft: Draft) -> None:
    """Quicken writes the opening balance as a first record of that name; it is no movement."""
    first = draft.entries[0] if draft.entries else None
    if first and first.is_line and first.minor is not None and first.description.lower() == "opening balance":
        draft.opening = (first.minor, first.row)
        del draft.entries[0]
        draft.begun = False
        draft.name(first.row, "opening balance", first.raw)
