"""Is this file one of ours, unchanged? By its hash; a changed one is compared with what it claims to be."""

import csv
import hashlib
import io
import os
import re
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from typing import BinaryIO
from xml.etree.ElementTree import Element, ParseError, iterparse

from sqlalchemy.orm import Session

from db.money import Money
from payments.access.people import Action, Person, check
from payments.exports import records
from payments.exports.layout import SIGNS
from payments.exports.records import ExportView
from payments.exports.run import Contents
from payments.sign_off import closing_papers
from payments.sign_off.closing_papers import PaperView

_REFERENCE = re.compile(rf"(?:DEMO_)?{records.PREFIX}_[2-9A-HJKMNP-Z]{{7}}")
#: An XLSX is an archive: nobody unpacks more than this for us.
_LARGEST_UNPACKED = 4 * 2**30
_NAMESPACE = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_TOTAL = re.compile(r"Total [A-Z]{3}, [0-9]+ rows in all")
_AMOUNT = re.compile(r"-?[0-9]+(?:\.[0-9]{1,2})?")
_OF_OTHER_WORDS = (
    "Count and sums are those that were exported: a text in it was changed, or it was opened and saved again."
)
_SHEET_ID = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"
_ENDS = 4096
_PIECE = 1024 * 1024


class Word(StrEnum):
    GENUINE = "genuine"
    CHANGED = "changed"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Verdict:
    """``export`` is the record the file is, or claims to be, as far as the person may see it; ``paper`` the
    statement or journal it is."""

    word: Word
    sha256: str
    claims: str | None
    export: ExportView | None
    differences: tuple[str, ...]
    paper: PaperView | None = None


@dataclass(frozen=True)
class Found:
    """What a file holds: payments, and the amounts and receipts by currency in minor units."""

    rows: int
    amount: Mapping[str, int]
    received: Mapping[str, int]
    unreadable: int


def verify(session: Session, person: Person, file: BinaryIO, name: str) -> Verdict:
    """What a file is that somebody brings; ``name`` is what it is called. Raises NotAllowed."""
    check(person, Action.EXPORT)
    sha256 = _sha256(file)
    if (genuine := records.of_hash(session, sha256)) is not None:
        return Verdict(Word.GENUINE, sha256, genuine.reference, genuine, ())
    if (paper := closing_papers.of_hash(session, sha256)) is not None:
        seen = paper if person.may(Action.SEE_BANK) else None
        return Verdict(Word.GENUINE, sha256, paper.reference, None, (), seen)
    claims = _claims(file, name)
    export = records.sees(session, person, claims) if claims else None
    if export is None:
        return Verdict(Word.UNKNOWN, sha256, claims, None, ())
    return Verdict(Word.CHANGED, sha256, claims, export, tuple(_differences(file, export)))


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    file.seek(0)
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def _differences(file: BinaryIO, export: ExportView) -> Iterator[str]:
    if export.contents is None:
        yield "That export never became whole: no file of it is one to rely on."
        return
    try:
        found = _found(file, export)
    except (csv.Error, UnicodeError, zipfile.BadZipFile, ParseError, KeyError, ValueError) as error:
        yield f"What is in it cannot be read as a file of ours: {error}."
        return
    told = list(_in_numbers(found, export.contents))
    yield from told or [_OF_OTHER_WORDS]


def _in_numbers(found: Found, kept: Contents) -> Iterator[str]:
    if found.rows != kept.rows:
        yield f"It holds {found.rows} payments; {kept.rows} were exported."
    for word, here, there in (
        ("asked", found.amount, kept.sums),
        ("received", found.received, kept.received),
    ):
        for currency in sorted(set(here) | set(there)):
            was = there[currency].minor if currency in there else 0
            if (now := here.get(currency, 0)) != was and here:
                yield f"{Money(now, currency)} {word}; {Money(was, currency)} was exported."
    if found.unreadable:
        yield f"{found.unreadable} amounts in it cannot be read."


# -- what a file says of itself ---------------------------------------------------------------------


def _claims(file: BinaryIO, name: str) -> str | None:
    """The export a file names: in its first or last lines, an XLSX file's properties, or its own name."""
    if zipfile.is_zipfile(file):
        try:
            with zipfile.ZipFile(file) as archive, archive.open("docProps/core.xml") as core:
                text = core.read(2**16).decode("utf-8", "replace")
        except (KeyError, zipfile.BadZipFile):
            text = ""
    else:
        file.seek(0)
        head = file.read(_ENDS)
        file.seek(max(0, file.seek(0, os.SEEK_END) - _ENDS))
        text = (head + file.read()).decode("utf-8", "replace")
    match = _REFERENCE.search(text) or _REFERENCE.search(name)
    return match[0] if match else None


def _found(file: BinaryIO, export: ExportView) -> Found:
    separator = SIGNS[export.layout.separator]
    columns = list(export.layout.columns)
    rows = _xlsx_rows(file, len(columns)) if zipfile.is_zipfile(file) else _csv_rows(file, separator)
    count, unreadable = 0, 0
    sums: dict[str, Counter[str]] = {"amount": Counter(), "received": Counter()}
    for cells in rows:
        if cells == columns or len(cells) < len(columns) or not any(cells) or _TOTAL.fullmatch(cells[0]):
            continue  # headings, first and last lines, totals
        count += 1
        row = dict(zip(columns, cells, strict=False))
        for name, sum_ in sums.items():
            if name in row and "currency" in row:
                minor = _minor(row[name])
                unreadable += minor is None
                sum_[row["currency"]] += minor or 0
    return Found(count, sums["amount"], sums["received"], unreadable)


def _minor(text: str) -> int | None:
    """Minor units of ``1234.56``; None for what is no such amount."""
    try:
        return int(Decimal(text).scaleb(2)) if _AMOUNT.fullmatch(text) else None
    except InvalidOperation:
        return None


def _csv_rows(file: BinaryIO, separator: str) -> Iterator[list[str]]:
    file.seek(0)
    text = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
    try:
        for cells in csv.reader(text, delimiter=separator):
            yield cells if not cells or not cells[0].startswith("# ") else []
    finally:
        text.detach()  # the file is not ours to close


def _xlsx_rows(file: BinaryIO, width: int) -> Iterator[list[str]]:
    """The rows of the sheets with payments, each ``width`` cells or more: empty ones may not be there."""
    with zipfile.ZipFile(file) as archive:
        if sum(entry.file_size for entry in archive.infolist()) > _LARGEST_UNPACKED:
            raise ValueError("it is too large")
        shared = _shared(archive)
        for sheet in _sheets(archive):
            with archive.open(sheet) as rows:
                for _, element in iterparse(rows):  # noqa: S314 - expat bounds what entities expand to
                    if element.tag == f"{_NAMESPACE}row":
                        cells = _cells(element, shared)
                        yield cells + [""] * (width - len(cells))
                        element.clear()


def _sheets(archive: zipfile.ZipFile) -> list[str]:
    """Where the sheets named Payments, Payments 2 … lie. Raises KeyError when there is no workbook."""
    with archive.open("xl/_rels/workbook.xml.rels") as file:
        places = {rel.get("Id"): rel.get("Target", "") for _, rel in iterparse(file)}  # noqa: S314
    with archive.open("xl/workbook.xml") as file:
        found = [sheet for _, sheet in iterparse(file) if sheet.tag == f"{_NAMESPACE}sheet"]  # noqa: S314
    ours = (sheet for sheet in found if sheet.get("name", "").startswith("Payments"))
    targets = (places.get(sheet.get(_SHEET_ID), "") for sheet in ours)
    return [target.removeprefix("/") if target.startswith("/") else f"xl/{target}" for target in targets]


def _shared(archive: zipfile.ZipFile) -> list[str]:
    """Texts that Excel and LibreOffice keep apart when they save a file."""
    if "xl/sharedStrings.xml" not in archive.namelist():
        return []
    with archive.open("xl/sharedStrings.xml") as file:
        items = (element for _, element in iterparse(file) if element.tag == f"{_NAMESPACE}si")  # noqa: S314
        return ["".join(item.itertext()) for item in items]


def _cells(row: Element, shared: list[str]) -> list[str]:
    cells: dict[int, str] = {}
    for cell in row.iter(f"{_NAMESPACE}c"):
        value = cell.findtext(f"{_NAMESPACE}v") or ""
        inline = cell.find(f"{_NAMESPACE}is")
        if cell.get("t") == "s":
            value = shared[int(value)]
        elif inline is not None:
            value = "".join(inline.itertext())
        cells[_column(cell.get("r", "A1"))] = value
    return [cells.get(place, "") for place in range(max(cells, default=-1) + 1)]


def _column(address: str) -> int:
    """``A1`` is 0, ``AB7`` is 27."""
    number = 0
    for char in address.rstrip("0123456789"):
        number = number * 26 + ord(char) - 64
    return number - 1
