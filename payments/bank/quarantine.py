"""Rows that could not be read: each waits until a person says what it says, or that it is nothing."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import QuarantinedRow, StatementFile
from db.money import Money
from payments import statements
from payments.access.people import Action, Person, check
from payments.bank import accounts
from payments.bank.imports import REPAIRED, WAITS
from payments.bank.overlaps import insert_lines, key_of
from payments.books import audit
from payments.circles import without_looking_for_circles
from payments.errors import Conflict, InvalidInput, NotFound, StatementFormatError
from payments.live import tallies
from payments.privacy import clean, reason
from payments.statements import Line, Mapping

ASIDE = "aside"


@dataclass(frozen=True)
class RowView:
    """A row that could not be read, as it stood."""

    id: int
    file_id: int
    file: str
    row: int
    reason: str
    raw: str
    on: date | None
    currency: str
    amount: Money | None
    state: str
    decided_by: str | None
    decided_why: str | None


def repair(
    session: Session,
    person: Person,
    row_id: int,
    *,
    on: date,
    amount: Money,
    description: str,
    reference: str = "",
    why: str,
    now: datetime,
) -> int:
    """Say what a quarantined row says; it becomes a line, whose id is returned.

    Raises Conflict when somebody decided it before or its account is out of use, InvalidInput, NotFound,
    NotAllowed.
    """
    check(person, Action.RECONCILE)
    why = reason(why)
    its = select(StatementFile.account_id).join(QuarantinedRow, QuarantinedRow.file_id == StatementFile.id)
    if (account_id := session.scalar(its.where(QuarantinedRow.id == row_id))) is not None:
        accounts.row(session, account_id, lock=True)  # it is taken out of use meanwhile, or has one line more
        accounts.refuse_out_of_use(session, account_id)
    row, file = _waiting(session, row_id)
    if not amount or amount.currency != file.currency:
        raise InvalidInput(f"The amount must be in {file.currency}, and not nothing.")
    line = Line(
        row.row, on, amount, clean(description, field="The description"),
        clean(reference, field="The reference"), None, Money(0, file.currency), 1, row.raw,
    )  # fmt: skip
    (made,) = insert_lines(session, file.account_id, [(line, key_of(line))])
    row.state, row.line_id = REPAIRED, made[0]
    _decided(session, person, row, file, why, now)
    return made[0]


def set_aside(session: Session, person: Person, row_id: int, why: str, *, now: datetime) -> None:
    """A quarantined row is no movement, or none of ours to follow. Raises as ``repair`` does."""
    check(person, Action.RECONCILE)
    why = reason(why)
    row, file = _waiting(session, row_id)
    row.state = ASIDE
    _decided(session, person, row, file, why, now)


@without_looking_for_circles()
def said(session: Session, person: Person, row_id: int) -> str:
    """What the bank says in a row, so far as its file's layout can tell: the file is read anew for it, as it
    was kept. "" where nothing can be told. Raises NotFound."""
    check(person, Action.SEE_BANK)
    row = session.get(QuarantinedRow, row_id)
    if row is None:
        raise NotFound("There is no such row.")
    file = session.get_one(StatementFile, row.file_id)
    mapping = Mapping.from_json(file.mapping) if file.mapping else None
    try:
        read = statements.read(file.name, file.data, mapping=mapping, date_order=file.date_order or None)
    except StatementFormatError:  # a release that reads more strictly: then a person types it
        return ""
    return next((one.description for one in read.quarantined if one.row == row.row), "")


def _waiting(session: Session, row_id: int) -> tuple[QuarantinedRow, StatementFile]:
    row = session.scalar(select(QuarantinedRow).where(QuarantinedRow.id == row_id).with_for_update())
    if row is None:
        raise NotFound("There is no such row.")
    file = session.get_one(StatementFile, row.file_id)
    if file.undone_at is not None:
        raise Conflict(f"The import of {file.name} was undone.")
    if row.state != WAITS:
        raise Conflict(f"{row.decided_by} decided about this row already.")
    return row, file


def _decided(
    session: Session, person: Person, row: QuarantinedRow, file: StatementFile, why: str, now: datetime
) -> None:
    row.decided_at, row.decided_by, row.decided_why = now, person.name, why
    session.flush()
    audit.record(
        session, person, f"row_{row.state}", f"{file.name}, row {row.row}", now=now, why=why, line=row.line_id
    )
    tallies.bump(session)


def waiting_rows(session: Session, person: Person, file_id: int | None = None) -> list[RowView]:
    """Quarantined rows that nobody decided about, of files that stand; the oldest first."""
    check(person, Action.SEE_BANK)
    wanted = (
        select(QuarantinedRow, StatementFile)
        .join(StatementFile, StatementFile.id == QuarantinedRow.file_id)
        .where(QuarantinedRow.state == WAITS, StatementFile.undone_at.is_(None))
        .order_by(QuarantinedRow.id)
        .limit(500)
    )
    if file_id is not None:
        wanted = wanted.where(QuarantinedRow.file_id == file_id)
    return [
        RowView(
            row.id, file.id, file.name, row.row, row.reason, row.raw, row.on, file.currency,
            Money(row.amount_minor, file.currency) if row.amount_minor is not None else None, row.state,
            row.decided_by, row.decided_why,
        )
        for row, file in session.execute(wanted)
    ]  # fmt: skip
