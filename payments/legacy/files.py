"""A file of the earlier system's records, taken apart: one entry for each, however odd it is.

The file is a JSON object keyed by record id, a JSON array, or CSV with the fields' names as headings. What
cannot be taken apart at all is refused with its line; a record that is none is an entry with its fault.
"""

import csv
import hashlib
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from payments.errors import InvalidInput, quoted
from payments.privacy import mask_card_numbers

#: Every field ever seen on a record. Who holds none of them is no record.
FIELDS = frozenset(
    {
        "user_id", "full_name", "email", "phone",
        "institution", "country", "conference_id", "conference_code",
        "conference_name", "registration_type", "registration_period", "workshop",
        "banquet", "extra_paper", "extra_paper_count", "additional_items",
        "total_amount", "registration_fee", "payment_status", "status",
        "payment_method", "payment_id", "transaction_reference", "payment_date",
        "payment_proof", "payment_proof_url", "payment_reference", "payment_notes",
        "payment_metadata", "admin_notes", "rejection_reason", "updated_by",
        "assigned_at", "assigned_by", "previous_conference_id", "submission_date",
        "created_at", "updated_at", "paper",
    }
)  # fmt: skip
#: Where a record that is not keyed may carry its id.
ID_FIELDS = ("record_id", "registration_id", "id", "_id", "key")
MAX_BYTES = 200 * 1024 * 1024
_LONGEST_KEY = 120


@dataclass(frozen=True)
class Entry:
    """One record as it stood in the file. ``fields`` is None when it is no record; ``fault`` says why.

    ``key`` is the record's own id, else made of what it holds: the same record has the same key each time.
    """

    key: str
    raw: str
    fields: Mapping[str, Any] | None
    fault: str = ""
    repeated: bool = False

    @property
    def kept(self) -> str:
        """The record as it is kept: as it came, card numbers masked."""
        return mask_card_numbers(self.raw)

    @property
    def digest(self) -> str:
        """The same for the same record, however the file is laid out."""
        told = self.raw if self.fields is None else json.dumps(self.fields, sort_keys=True, default=str)
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


def entries(name: str, data: bytes) -> list[Entry]:
    """Every record of a file, in its order. Raises InvalidInput when the file as a whole cannot be read."""
    if len(data) > MAX_BYTES:
        raise InvalidInput(f"{name} is larger than {MAX_BYTES // 1024 // 1024} MB. Bring it in parts.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InvalidInput(f"{name}, line {line}: this is not UTF-8. Save the file as UTF-8.") from error
    if not text.strip():
        raise InvalidInput(f"{name} is empty.")
    found = list(_of_json(name, text) if text.lstrip()[0] in "{[" else _of_csv(name, text))
    if not found:
        raise InvalidInput(f"{name} holds no records.")
    return _with_keys_apart(found)


def _with_keys_apart(found: list[Entry]) -> list[Entry]:
    """Equal keys are told apart by their order; what has a key of its own twice is told so."""
    times: Counter[str] = Counter()
    apart = []
    for entry in found:
        times[entry.key] += 1
        if times[entry.key] > 1:
            apart.append(replace(entry, key=f"{entry.key}#{times[entry.key]}", repeated=True))
        else:
            apart.append(entry)
    return apart


# -- JSON ---------------------------------------------------------------------------------------------


def _number(digits: str) -> Decimal:
    return Decimal(digits)


#: Amounts never become floats; NaN and the infinities stay the words they are.
_DECODER = json.JSONDecoder(parse_float=_number, parse_int=_number, parse_constant=str)


class _Walk:
    """Goes through a JSON text from value to value, so that each is known as it was written."""

    def __init__(self, name: str, text: str) -> None:
        self.name, self.text, self.at = name, text, 0
        self.skip()

    def skip(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in " \t\r\n":
            self.at += 1

    def next_is(self, char: str) -> bool:
        """Whether this character comes now; if so it is passed."""
        here = self.text.startswith(char, self.at)
        if here:
            self.at += 1
            self.skip()
        return here

    def value(self) -> tuple[Any, str]:
        start = self.at
        try:
            value, self.at = _DECODER.raw_decode(self.text, start)
        except json.JSONDecodeError as error:
            raise self.broken(error.msg, error.pos) from error
        except RecursionError as error:
            raise self.broken("it is nested too deep", start) from error
        raw = self.text[start : self.at]
        self.skip()
        return value, raw

    def broken(self, why: str, at: int | None = None) -> InvalidInput:
        line = self.text.count("\n", 0, self.at if at is None else at) + 1
        return InvalidInput(f"{self.name}, line {line}: this is not whole JSON ({why}). Nothing was read.")

    def expect(self, char: str) -> None:
        if not self.next_is(char):
            raise self.broken(f"{quoted(char)} is missing")


def _of_json(name: str, text: str) -> Iterator[Entry]:
    walk = _Walk(name, text)
    if walk.next_is("["):
        found = list(_values(walk, "]", keyed=False))
    else:
        walk.expect("{")
        found = list(_values(walk, "}", keyed=True))
    if walk.at < len(text):
        raise walk.broken("something stands behind its end")
    if found and all(key in FIELDS for key, _, _ in found):  # one record alone, not an object of them
        whole = {key: value for key, value, _ in found}
        found = [(None, whole, text.strip())]
    for key, value, raw in found:
        yield _entry(key, value, raw)


def _values(walk: _Walk, end: str, *, keyed: bool) -> Iterator[tuple[str | None, Any, str]]:
    if walk.next_is(end):
        return
    while True:
        key = None
        if keyed:
            key, _ = walk.value()
            if not isinstance(key, str):
                raise walk.broken("a key is not a text")
            walk.expect(":")
        value, raw = walk.value()
        yield key, value, raw
        if walk.next_is(end):
            return
        walk.expect(",")


def _entry(key: str | None, value: Any, raw: str) -> Entry:
    if not isinstance(value, dict):
        kind = "nothing" if value is None else "a list" if isinstance(value, list) else "a single value"
        return Entry(_key(key, {}, raw), raw, None, f"There is {kind} where a record should be.")
    if not FIELDS & value.keys():
        return Entry(_key(key, value, raw), raw, None, "It holds none of the fields of a registration.")
    return Entry(_key(key, value, raw), raw, value)


def _key(key: str | None, fields: Mapping[str, Any], raw: str) -> str:
    own = key or next((str(fields[field]) for field in ID_FIELDS if fields.get(field)), "")
    plain = "".join(char for char in own if char.isprintable()).strip()
    if plain and plain == own and len(own) <= _LONGEST_KEY:
        return own
    return f"sha256-{hashlib.sha256((own or raw).encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


# -- CSV ----------------------------------------------------------------------------------------------


def _of_csv(name: str, text: str) -> Iterator[Entry]:
    first = text.lstrip("\r\n").partition("\n")[0]
    sign = max(",;\t", key=first.count)
    csv.field_size_limit(10_000_000)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=sign, strict=True)
    headings: list[str] | None = None
    try:
        for cells in rows:
            if not any(cell.strip() for cell in cells):
                continue
            if headings is None:
                headings = _headings(name, cells)
            else:
                yield _csv_entry(headings, cells)
    except csv.Error as error:
        raise InvalidInput(f"{name}, line {rows.line_num}: this is not whole CSV ({error}).") from error


def _headings(name: str, cells: list[str]) -> list[str]:
    headings = [cell.strip().lower().replace(" ", "_") for cell in cells]
    if not FIELDS & set(headings):
        raise InvalidInput(
            f"{name}: its first line names no field of a registration, such as full_name, payment_status or"
            " total_amount."
        )
    if twice := [each for each, times in Counter(headings).items() if times > 1 and each]:
        raise InvalidInput(f"{name}: the heading {quoted(twice[0])} is there twice. Give each its own name.")
    return headings


def _csv_entry(headings: list[str], cells: list[str]) -> Entry:
    raw = json.dumps(dict(zip(headings, cells, strict=False)), ensure_ascii=True)
    if len(cells) != len(headings):
        raw = json.dumps(cells, ensure_ascii=True)
        fault = f"The row has {len(cells)} cells, and the first line names {len(headings)}."
        return Entry(_key(None, {}, raw), raw, None, fault)
    fields = {heading: _cell(cell) for heading, cell in zip(headings, cells, strict=True) if cell.strip()}
    if not FIELDS & fields.keys():
        return Entry(_key(None, fields, raw), raw, None, "It holds none of the fields of a registration.")
    return Entry(_key(None, fields, raw), raw, fields)


def _cell(text: str) -> Any:
    """A cell as it is, but for one that holds an object of its own, as ``payment_proof`` may."""
    if text.lstrip().startswith("{"):
        try:
            return _DECODER.decode(text.strip())
        except (json.JSONDecodeError, RecursionError):
            return text
    return text
