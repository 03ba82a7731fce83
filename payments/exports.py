"""Payments as files. A cell never starts a formula, whichever separator a spreadsheet believes in."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from payments import search
from payments.dates import SAST
from payments.people import Action, Person, check
from payments.search import Filter, PaymentRow

BOM = "\ufeff"
#: What a spreadsheet may take for the start of a formula, in each width it comes in.
_STARTS = "=+\\-@%＝＋－＠\u2212"
_FIRST = _STARTS + "|｜\t\n"
#: What a spreadsheet, or the person's import dialog, may skip before it looks at the first character.
_SKIPPED = " \u00a0\u3000\ufeff\u200b\u200c\u200d\u2060\"'"
_AFTER_SEPARATOR = re.compile(f'([;,\t|"\n][{_SKIPPED}]*)(?=[{_STARTS}])')
_HARMLESS = re.compile(f"[^{_FIRST}\0\r]*")
_AT_START = re.compile(f"[{_SKIPPED}]*[{_FIRST}]")


def guard(text: str) -> str:
    """A text that no spreadsheet runs: an apostrophe stands where a formula could start.

    Also behind separators within the text: with South African settings Excel splits at ``;``, and
    what follows one is then a cell of its own.
    """
    if _HARMLESS.fullmatch(text):
        return text
    plain = text.replace("\0", "").replace("\r\n", "\n").replace("\r", "\n")
    plain = _AFTER_SEPARATOR.sub(r"\1'", plain)
    return f"'{plain}" if _AT_START.match(plain) else plain


def csv_lines(session: Session, person: Person, filter: Filter) -> Iterator[str]:  # noqa: A002
    """The lines of a CSV file (RFC 4180, UTF-8 with its mark, CRLF, every field quoted) of exactly what is
    filtered, newest first, a chunk in memory at a time.

    Raises NotAllowed before the first line. The door that serves the file writes its audit entry.
    """
    check(person, Action.EXPORT)
    return _lines(search.rows(session, person, filter))


def file_name(now: datetime) -> str:
    """``payments-2026-11-23-1402.csv``, by the clock in Johannesburg."""
    return f"payments-{now.astimezone(SAST):%Y-%m-%d-%H%M}.csv"


def _lines(rows: Iterable[PaymentRow]) -> Iterator[str]:
    yield BOM + line(COLUMNS)
    for row in rows:
        yield line(cell(row) for cell in COLUMNS.values())


def line(cells: Iterable[str]) -> str:
    """One line of the file; its cells are guarded already."""
    return ",".join('"' + cell.replace('"', '""') + '"' for cell in cells) + "\r\n"


def _sast(moment: datetime | None) -> str:
    return moment.astimezone(SAST).isoformat(" ", "seconds")[:19] if moment else ""


def _utc(moment: datetime | None) -> str:
    return moment.astimezone(UTC).isoformat("T", "seconds")[:19] + "Z" if moment else ""


#: Numbers, moments and our own words are typed and cannot start a formula; every text passes the guard.
COLUMNS: Mapping[str, Callable[[PaymentRow], str]] = {
    "reference": lambda row: guard(row.reference),
    "event": lambda row: guard(row.event_code),
    "event_name": lambda row: guard(row.event_name),
    "category": lambda row: guard(row.category or ""),
    "payer": lambda row: guard(row.payer_name),
    "email": lambda row: guard(row.payer_email),
    "phone": lambda row: guard(row.payer_phone),
    "amount": lambda row: row.amount.decimal,
    "received": lambda row: row.received.decimal,
    "currency": lambda row: row.amount.currency,
    "payment_status": lambda row: row.status.value,
    "payment_method": lambda row: guard(row.method or ""),
    "payment_id": lambda row: guard(row.gateway_reference or ""),
    "transaction_reference": lambda row: guard(row.wire_reference or ""),
    "payment_date": lambda row: _sast(row.paid_at),
    "created_sast": lambda row: _sast(row.created_at),
    "created_utc": lambda row: _utc(row.created_at),
    "paid_sast": lambda row: _sast(row.paid_at),
    "paid_utc": lambda row: _utc(row.paid_at),
    "mode": lambda row: guard(row.mode),
    "review": lambda row: row.review.value if row.review else "",
    "note": lambda row: guard(row.note),
}
