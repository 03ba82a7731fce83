"""Bytes to rows of text cells: encodings, separators, strict CSV, and what is no table at all."""

import csv
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from payments.errors import StatementFormatError
from payments.statements.statement import MAX_LINES

SEPARATORS = (",", ";", "\t", "|")
ENCODINGS = ("utf-8-sig", "utf-16", "cp1252")
#: A heading, and all that stands above it, is looked for in so many rows.
HEAD_ROWS = 60
#: Lines, and as many rows again that are none (Nedbank notes the VAT of each), and a head.
_MAX_ROWS = 2 * MAX_LINES + 1_000

Row = tuple[int, list[str]]

_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_SEP_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
#: Controls that no text has. The last is the end-of-file mark of DOS.
_CONTROLS = re.compile(r"[\x01-\x08\x0b\x0c\x0e-\x19\x1b-\x1f\x7f]")
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn")


@dataclass(frozen=True, slots=True)
class Text:
    """A decoded file and what was met on the way."""

    file: str
    text: str
    encoding: str
    nul_bytes: int


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells that can be walked more than once; numbered from 1 as a spreadsheet numbers them."""

    file: str
    rows: Callable[[], Iterable[Row]]
    encoding: str = ""
    nul_bytes: int = 0
    #: The row that only names the separator (``sep=;``).
    separator_row: str | None = None

    def head(self, count: int = HEAD_ROWS) -> list[Row]:
        return list(islice(self.rows(), count))


def shown_name(name: str) -> str:
    """A file's name, fit for a message: no folders, nothing invisible or that turns the reading direction."""
    last = re.split(r"[/\\]", name)[-1]
    plain = "".join(char for char in last if unicodedata.category(char) not in _HIDDEN).strip()
    if len(plain) > 80:
        plain = f"{plain[:60]}…{plain[-15:]}"
    return plain or "the file"


def decode(file: str, data: bytes, encoding: str | None = None) -> Text:
    """UTF-8, UTF-16 by its mark, or Windows-1252: nothing else is tried, no character set guessed.

    NUL bytes are taken out and counted: FNB's downloads hold some.
    """
    chosen = encoding or ("utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else None)
    if chosen == "utf-16":
        text, used = _strictly(file, data, "utf-16"), "utf-16"
        nul_bytes = text.count("\0")
    else:
        nul_bytes = data.count(0)
        if nul_bytes * 5 > len(data) * 2:
            raise StatementFormatError(file, None, "It looks like UTF-16 without its mark; save it as UTF-8.")
        text, used = _eight_bit(file, data.replace(b"\0", b"") if nul_bytes else data, chosen)
    text = text.replace("\0", "").removesuffix("\x1a")
    if control := _CONTROLS.search(text):
        row = text.count("\n", 0, control.start()) + 1
        raise StatementFormatError(file, row, "It holds control characters; it is not a text file.")
    return Text(file, text, used, nul_bytes)


def _eight_bit(file: str, data: bytes, chosen: str | None) -> tuple[str, str]:
    if chosen is None:
        try:
            return data.decode("utf-8-sig"), "utf-8"
        except UnicodeDecodeError:
            chosen = "cp1252"
    return _strictly(file, data, chosen), chosen.removesuffix("-sig")


def _strictly(file: str, data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        row = data.count(b"\n", 0, error.start) + 1
        reason = "It holds bytes that are no text in UTF-8 or Windows-1252; save it as UTF-8."
        raise StatementFormatError(file, row, reason) from error


def tables(text: Text, separator: str | None = None) -> list[Table]:
    """The ways this text can be a table: by the separator it or the caller names, else each in turn."""
    named, body = _named_separator(text.text)
    chosen = [separator] if separator else [named] if named else list(SEPARATORS)
    return [_table(text, body, one, had_line=named is not None) for one in chosen]


def _named_separator(text: str) -> tuple[str | None, str]:
    first, _, rest = text.partition("\n")
    match = _SEP_LINE.fullmatch(first.rstrip("\r\n ,;"))
    if not match:
        match = _SEP_LINE.fullmatch(first.rstrip("\r\n"))
    if not match or match[1] not in SEPARATORS:
        return None, text
    return match[1], rest


def _table(text: Text, body: str, separator: str, *, had_line: bool) -> Table:
    first_row = 2 if had_line else 1

    def rows() -> Iterator[Row]:
        return _rows(text.file, body, separator, first_row)

    line = f"sep={separator}" if had_line else None
    return Table(text.file, rows, text.encoding, text.nul_bytes, line)


def _rows(file: str, body: str, separator: str, first_row: int) -> Iterator[Row]:
    """Each record with its row. Lines end with CR, LF or CRLF, alone or mixed.

    They are cut one at a time: a StringIO would hold the file once more, with four bytes a character.
    """
    number = first_row - 1
    lines = (match[0] for match in _LINE.finditer(body))
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        for cells in reader:
            number += 1
            if number > _MAX_ROWS:
                raise StatementFormatError(file, number, f"It has more than {MAX_LINES:,} lines.")
            yield number, cells
    except csv.Error as error:
        reason = f"Its quotation marks or cells are broken ({error}); nothing after them can be trusted."
        raise StatementFormatError(file, number + 1, reason) from error


def is_blank(cells: list[str]) -> bool:
    return not any(cells) or not any(cell.strip() for cell in cells)
