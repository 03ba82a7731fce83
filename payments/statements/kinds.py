"""What kind of file it is, by its content; its name may only agree."""

import re

from payments.errors import StatementFormatError
from payments.statements.statement import MAX_BYTES
from payments.statements.tables import shown_name

_OTHERS = (
    (re.compile(rb"%PDF-"), "a PDF; ask the bank for CSV, Excel, OFX, MT940 or CAMT.053"),
    (re.compile(rb"\xd0\xcf\x11\xe0"), "an old Excel workbook (.xls); save it as .xlsx or CSV"),
    (
        re.compile(rb"\s*<(?:!doctype\s+html|html|head|body|table)\b", re.IGNORECASE),
        "a web page; download the statement itself",
    ),
    (
        re.compile(rb"\x89PNG|\xff\xd8\xff|GIF8|BM..\0\0"),
        "a picture; ask the bank for CSV, Excel, OFX, MT940 or CAMT.053",
    ),
    (re.compile(rb"\x1f\x8b|7z\xbc\xaf|Rar!|BZh"), "an archive; unpack it first"),
    (re.compile(rb"\{\\rtf"), "a text document, no statement"),
    (re.compile(rb"\s*[\[{]\s*[\"{\[]"), "JSON, no statement"),
)
_MARKED = (
    ("ofx", re.compile(r"\s*(?:OFXHEADER\s*:|<\?OFX\b|<OFX>)|(?s:.{0,2000}?)<OFX>", re.IGNORECASE)),
    ("camt", re.compile(r"\s*(?:<\?xml|<!DOCTYPE|<!--|<(?:\w+:)?Document\b)", re.IGNORECASE)),
    ("qif", re.compile(r"\s*!(?:Type|Account|Option|Clear)\b", re.IGNORECASE)),
    ("mt940", re.compile(r"(?s:.{0,500}?)(?:^|\n|\{4:\s*):20:|\s*\{1:")),
)
#: The names that each kind may have. A name without or with another ending says nothing.
_ENDINGS = {
    "table": ("csv", "txt", "tsv", "tab"),
    "workbook": ("xlsx", "xlsm"),
    "ofx": ("ofx", "qfx", "txt"),
    "qif": ("qif", "txt"),
    "mt940": ("mt940", "940", "sta", "stm", "mt9", "swi", "fin", "txt"),
    "camt": ("xml", "camt", "053", "c53", "txt"),
}
_SAID = {
    "table": "a table", "workbook": "an Excel workbook", "ofx": "OFX", "qif": "QIF",
    "mt940": "MT940", "camt": "XML",
}  # fmt: skip


def check_size(file: str, data: bytes) -> None:
    if not data.strip(b"\0 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise StatementFormatError(file, None, "It is empty.")
    if len(data) > MAX_BYTES:
        megabytes = MAX_BYTES // (1024 * 1024)
        raise StatementFormatError(file, None, f"It is larger than {megabytes} MB; export shorter periods.")


def check_bytes(file: str, name: str, data: bytes) -> str | None:
    """``workbook`` if it is one, None if it may be text. Raises for what no reader can read."""
    if data.startswith(b"PK\x03\x04"):
        check_name(file, name, "workbook")
        return "workbook"
    start = data[:2000].lstrip(b"\xef\xbb\xbf")
    for pattern, what in _OTHERS:
        if pattern.match(start):
            raise StatementFormatError(file, None, f"It is {what}.")
    return None


def of_text(file: str, name: str, text: str) -> str:
    """The kind of a text: by its own marks, else a table."""
    start = text[:4000]
    kind = next((kind for kind, pattern in _MARKED if pattern.match(start)), "table")
    check_name(file, name, kind)
    return kind


def check_name(file: str, name: str, kind: str) -> None:
    """Refuse a file whose ending says another kind: a workbook named .csv is a mistake somewhere."""
    ending = shown_name(name).rpartition(".")[2].lower() if "." in name else ""
    known = {one for endings in _ENDINGS.values() for one in endings} | {"pdf", "xls", "html", "htm", "json"}
    if ending in known and ending not in _ENDINGS[kind]:
        right = _ENDINGS[kind][0]
        raise StatementFormatError(
            file, None, f"It is named .{ending} but is {_SAID[kind]}; name it .{right}."
        )
