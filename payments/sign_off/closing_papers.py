"""Papers of closing: reconciliation statements and journals, each recorded with the hash of its bytes."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import ClosingPaper
from payments.access import choices
from payments.access.people import Action, Person, check
from payments.bank import accounts
from payments.books import audit
from payments.references import draw
from payments.sheets.back import File
from payments.sign_off import journal, journaling, reconciled, statement_pdf
from payments.sign_off.journal import Book, Chart, Package

PREFIX = "CLO"
STATEMENT, JOURNAL = "statement", "journal"
#: How somebody's package writes dates: 12/31/2026.
MONTH_FIRST = "mdy"


@dataclass(frozen=True)
class PaperView:
    """A file that was handed out, and when by whom."""

    reference: str
    kind: str
    account_id: int
    account: str
    first_on: date
    last_on: date
    file_name: str
    sha256: str
    at: datetime
    by: str


def make_statement(
    session: Session, person: Person, account_id: int, on: date, *, demo: bool, now: datetime
) -> File:
    """The reconciliation statement as a PDF. Raises as ``reconciled.statement``; Conflict while read-only."""
    check(person, Action.SEE_BANK)
    told = reconciled.statement(session, person, account_id, on)
    reference = draw(PREFIX, demo=demo)
    data = statement_pdf.render(told, reference, made_at=now, made_by=person.name, demo=demo)
    name = f"reconciliation-{on.isoformat()}-{reference}.pdf"
    _record(session, person, reference, STATEMENT, account_id, on, on, name, data, now=now)
    return File(name, "application/pdf", data)


def chart_of(session: Session, person: Person) -> tuple[Package, Chart, bool]:
    """The package somebody takes journals to, what it calls its accounts, whether it puts months first."""
    kept = choices.ledger(session, person)
    names = {book: kept.get(book, "") for book in Book}
    package = Package(kept.get("package", Package.XERO))
    chart = Chart(names, kept.get("tax") or "No VAT", kept.get("tracking") or "Event")
    return package, chart, kept.get("dates") == MONTH_FIRST


def make_journal(
    session: Session, person: Person, account_id: int, span: tuple[date, date], *, demo: bool, now: datetime
) -> File:
    """The journal of days that are signed off, for the package that this person takes journals to.

    Raises as ``journaling.entries`` and ``journal.render``; Conflict while read-only.
    """
    check(person, Action.SEE_BANK)
    entries = journaling.entries(session, person, account_id, *span)
    package, chart, month_first = chart_of(session, person)
    data = journal.render(package, entries, chart, month_first=month_first)
    reference = draw(PREFIX, demo=demo)
    days = "-to-".join(dict.fromkeys(day.isoformat() for day in span))
    name = f"journal-{package}-{days}-{reference}.csv"
    _record(session, person, reference, JOURNAL, account_id, *span, name, data, now=now)
    return File(name, "text/csv; charset=utf-8", data)


def _record(
    session: Session,
    person: Person,
    reference: str,
    kind: str,
    account_id: int,
    first_on: date,
    last_on: date,
    file_name: str,
    data: bytes,
    *,
    now: datetime,
) -> None:
    """Write a paper down, so that it is known again. Raises Conflict while the desk stands still."""
    sha256 = hashlib.sha256(data).hexdigest()
    session.add(
        ClosingPaper(
            reference=reference, kind=kind, account_id=account_id, first_on=first_on, last_on=last_on,
            file_name=file_name, size_bytes=len(data), sha256=sha256, at=now, by=person.name,
        )
    )  # fmt: skip
    session.flush()
    audit.record(
        session, person, f"make_{kind}", reference, now=now, account=accounts.row(session, account_id).name,
        first=first_on.isoformat(), last=last_on.isoformat(), sha256=sha256,
    )  # fmt: skip


def of_hash(session: Session, sha256: str) -> PaperView | None:
    """The paper with these very bytes, whoever made it: who asks has them in hand."""
    row = session.scalar(
        select(ClosingPaper).where(ClosingPaper.sha256 == sha256).order_by(ClosingPaper.id).limit(1)
    )
    return _view(row) if row else None


def made(
    session: Session, person: Person, account_id: int | None = None, *, limit: int = 20
) -> list[PaperView]:
    """The newest papers of an account, or of all, first."""
    check(person, Action.SEE_BANK)
    query = select(ClosingPaper).order_by(ClosingPaper.id.desc()).limit(limit)
    if account_id is not None:
        query = query.where(ClosingPaper.account_id == account_id)
    rows = session.scalars(query)
    return [_view(row) for row in rows]


def _view(row: ClosingPaper) -> PaperView:
    return PaperView(
        row.reference, row.kind, row.account_id, row.account.name, row.first_on, row.last_on,
        row.file_name, row.sha256, row.at, row.by,
    )  # fmt: skip
