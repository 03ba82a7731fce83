"""MT940, by the tag patterns of mt-940: each field is matched alone, so that one bad row is one bad row.

Its own processors are left out: they move 31 February to the 28th.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from mt940 import tags

from payments.errors import quoted
from payments.statements import amounts, days
from payments.statements.draft import Draft, Entry, masked
from payments.statements.statement import Statement
from payments.statements.tables import Text

_FIELD = re.compile(r":([0-9]{2}[A-Z]?):(.*)")
_BLOCK = re.compile(r"\{[1-5]:|-\}?$|\x03|\x01")
_AMOUNT = re.compile(r"[0-9]+,[0-9]{0,2}")
_NAMES = {
    "20": "reference", "21": "related reference", "25": "account", "28": "number", "28C": "number",
    "60F": "opening balance", "60M": "opening balance", "62F": "closing balance", "62M": "closing balance",
    "64": "available balance", "65": "forward balance", "13D": "date", "34F": "floor limit",
    "90C": "sum of credits", "90D": "sum of debits", "86": "note",
}  # fmt: skip


class _Field(NamedTuple):
    row: int
    tag: str
    value: str


def read(text: Text) -> Statement:
    draft = Draft(text.file, "mt940")
    rows = 0
    last: Entry | None = None
    details: dict[int, str] = {}
    for field in _fields(draft, text):
        if field.tag == "61":
            last = _line(field)
            draft.add(last)
        elif field.tag == "86" and last is not None:
            details[id(last)] = _details(field.value)
            last = None
            continue
        else:
            last = None
            _say(draft, field)
        rows += 1
    for entry in draft.entries:
        _describe(entry, details.get(id(entry), ""))
    if not rows or (draft.opening is None and not draft.entries):
        raise draft.refuse(None, "It holds no statement.")
    if draft.closing is None:
        raise draft.refuse(None, "It has no closing balance; the file is cut off.")
    return draft.finish(rows, nul_bytes=text.nul_bytes, encoding=text.encoding)


def _fields(draft: Draft, text: Text) -> Iterator[_Field]:
    """Each field with its continuation lines. Anything else that is no block of SWIFT refuses the file."""
    held: _Field | None = None
    for number, line in enumerate(text.text.splitlines(), 1):
        body = re.sub(r"^(?:\{[1-3]:[^}]*\})*\{4:", "", line).rstrip()
        if match := _FIELD.match(body):
            if held:
                yield held
            held = _Field(number, match[1], match[2])
            if match[1] not in _NAMES and match[1] != "61":
                raise draft.refuse(number, f"The field :{match[1]}: is not one of a statement.")
        elif not body or _BLOCK.match(body):
            if held:
                yield held
            held = None
        elif held:
            held = held._replace(value=f"{held.value}\n{body}")
        else:
            raise draft.refuse(number, f"{quoted(masked(body[:40]))} belongs to no field.")
    if held:
        yield held


def _say(draft: Draft, field: _Field) -> None:
    name = _NAMES[field.tag]
    if field.tag == "25":
        draft.use_account(field.row, field.value.replace("\n", ""))
    elif name in ("opening balance", "closing balance"):
        _balance(draft, field, name)
    draft.name(field.row, name, field.value)


def _balance(draft: Draft, field: _Field, name: str) -> None:
    """The first opening balance opens, the last closing one closes; those of pages between must agree."""
    try:
        said = _groups(field)
        minor = _minor(said["amount"]) * (-1 if said["status"] == "D" else 1)
    except ValueError as error:
        raise draft.refuse(field.row, f"The {name} cannot be read.") from error
    if draft.opening is not None and said["currency"] != draft.currency:
        raise draft.refuse(field.row, f"It is in {said['currency']}, and the statement in {draft.currency}.")
    draft.use_currency(field.row, said["currency"])
    if name == "opening balance" and draft.opening is None:
        draft.opening = (minor, field.row)
    elif name == "opening balance":
        draft.entries.append(Entry(field.row, 0, balance=minor))
    else:
        if draft.closing is not None:
            closing, row = draft.closing
            place = next((n for n, entry in enumerate(draft.entries) if entry.row > row), len(draft.entries))
            draft.entries.insert(place, Entry(row, 0, balance=closing))
        draft.closing = (minor, field.row)


def _line(field: _Field) -> Entry:
    raw = masked(f":61:{field.value}".replace("\n", " / "))
    entry = Entry(field.row, None, raw=raw)
    try:
        said = _groups(field)
    except ValueError:
        entry.reason = "The row does not have the form of a line."
        return entry
    reference = said["customer_reference"].strip()
    entry.reference = masked("" if reference.upper() in ("NONREF", "NOTPROVIDED") else reference)
    entry.description = masked(" ".join(said["extra_details"].split()))
    try:
        # RC takes back a credit and RD a debit.
        if not said["id"]:
            raise ValueError("the kind of movement does not follow it")
        entry.minor = _minor(said["amount"]) * (1 if said["status"] in ("C", "RD") else -1)
        entry.day = days.read(f"20{said['year']}-{said['month']}-{said['day']}")
    except ValueError as error:
        entry.reason = f"Amount or date cannot be read ({error})."
    return entry


def _groups(field: _Field) -> dict[str, str]:
    """The parts of a field by its tag's pattern; the tag's own ``parse`` logs payers' words."""
    match = tags.TAG_BY_ID[int(field.tag) if field.tag.isdigit() else field.tag].re.match(field.value)
    if not match:
        raise ValueError(f"{field.tag} does not have its form")
    return {name: text or "" for name, text in match.groupdict().items()}


def _minor(text: str) -> int:
    if not _AMOUNT.fullmatch(text):
        raise ValueError(f"{quoted(text)} is not an amount")
    return amounts.read(text.removesuffix(","), ",").minor


def _details(value: str) -> str:
    """Text of a field 86. Lines are cut wherever 65 characters end; a bank's subfields (?20 …) are words."""
    return masked(" ".join(re.sub(r"\?[0-9]{2}", " ", value.replace("\n", "")).split()))


def _describe(entry: Entry, details: str) -> None:
    if details:
        entry.description = (
            details if entry.description in ("", details) else f"{details} {entry.description}"
        )
