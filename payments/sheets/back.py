"""The sheet as it goes back: its own columns as they came, and behind them what we know of each row.

The last column is a text to send, made for a mail merge. A sheet that is brought again is read without ours.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import xlsxwriter
from sqlalchemy.orm import Session

from payments import references, sheets
from payments.access.people import Person
from payments.books import audit
from payments.errors import NotFound
from payments.exports.csv_file import line
from payments.exports.layout import MEDIA_TYPES, Format
from payments.payers import payer_words
from payments.payers.payer_words import Language, Text
from payments.selling import terms
from payments.sheets import Made, RowState

OURS = ("paydesk_reference", "paydesk_link", "paydesk_status", "paydesk_problem", "paydesk_message")
_BOM = "\ufeff"


@dataclass(frozen=True)
class File:
    """A file that is small enough to be held in memory, under the name it is kept by."""

    name: str
    media_type: str
    data: bytes


def take(session: Session, person: Person, sheet_id: int, format_: str, *, now: datetime) -> File:
    """The sheet as it stands now, as ``csv`` or ``xlsx``; who took it is kept. Raises NotFound."""
    view = sheets.get(session, person, sheet_id)
    if format_ not in ("csv", "xlsx"):
        raise NotFound(f"A sheet comes back as csv or xlsx, not as {format_}.")
    headings = sheets.headings(session, person, sheet_id)
    rows = sheets.made(session, person, sheet_id)
    audit.record(
        session, person, "take_sheet", f"sheet {sheet_id}", now=now, event_id=view.event_id, rows=len(rows)
    )
    language = terms.of(session, view.event_id).language
    data = (as_csv if format_ == "csv" else as_xlsx)(headings, rows, view.event_name, language)
    return File(f"{view.event_code}-links-{sheet_id}.{format_}", MEDIA_TYPES[Format(format_)], data)


def as_csv(
    headings: Sequence[str], rows: Sequence[Made], event_name: str, language: Language = Language.ENGLISH
) -> bytes:
    """UTF-8 with its mark, `;` between cells: Excel with South African settings opens it as a table."""
    lines = [[*headings, *OURS], *(_cells(row, event_name, language) for row in rows)]
    return (_BOM + "".join(line(list(cells), ";") for cells in lines)).encode()


def as_xlsx(
    headings: Sequence[str], rows: Sequence[Made], event_name: str, language: Language = Language.ENGLISH
) -> bytes:
    """Every cell a text: numbers keep their zeros, and nothing is a formula or a link."""
    kept = io.BytesIO()
    book = xlsxwriter.Workbook(kept, {"in_memory": True})
    page = book.add_worksheet("Links")
    bold = book.add_format({"bold": True})
    for column, heading in enumerate((*headings, *OURS)):
        page.write_string(0, column, heading, bold)
        page.set_column(column, column, 40 if heading in OURS[1:] else 18)
    for number, row in enumerate(rows, 1):
        for column, text in enumerate(_cells(row, event_name, language)):
            page.write_string(number, column, text)
    page.freeze_panes(1, 0)
    book.close()
    return kept.getvalue()


def _cells(row: Made, event_name: str, language: Language) -> tuple[str, ...]:
    problem = "" if row.url else row.why
    status = row.status or ("" if row.outcome is RowState.WRONG else row.outcome)
    return (*row.cells, row.reference, row.url, status, problem, message(row, event_name, language))


def message(row: Made, event_name: str, language: Language) -> str:
    """What to write to whoever still has to pay, in the event's language; empty for everybody else."""
    if not row.url or row.status not in ("created", "open", "failed") or row.amount is None:
        return ""
    told = {"event": event_name, "amount": row.amount, "url": row.url}
    return payer_words.say(language, Text.SHARE, **told, reference=references.spoken(row.reference))
