"""Statement files come in: looked at first, then all of a file or nothing, and each can be undone whole.

A line is one movement on an account, however many files tell of it: the same file twice adds nothing, one
that overlaps adds what is new, and two true identical lines both stay. Raw bytes are kept, with card numbers
masked where they are text; the hash is of the file as it came.
"""

import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, exists, func, insert, or_, select, update
from sqlalchemy.orm import Session, aliased

from db.many import insert_plain, some_at_once
from db.models import (
    BankAccount,
    LineException,
    LineSighting,
    Match,
    MatchPart,
    Payment,
    QuarantinedRow,
    StatementFile,
    StatementLine,
)
from db.money import Money
from payments import statements
from payments.access.people import Action, Person, check
from payments.bank import accounts
from payments.bank.overlaps import GONE, OPEN, alike, insert_lines, pair
from payments.books import audit
from payments.circles import without_looking_for_circles
from payments.errors import (
    Conflict,
    InvalidInput,
    NotFound,
    OtherAccount,
    StatementFormatError,
    UnknownLayout,
)
from payments.live import tallies
from payments.privacy import mask_card_bytes, reason
from payments.sign_off.closed_days import ClosedDays, refuse_change
from payments.statements import Line, Mapping, Statement
from payments.statements.tables import shown_name
from payments.watching import standstill

WAITS, REPAIRED = "waits", "repaired"
_SIGHTINGS_AT_ONCE = 20_000
#: Room for a card number within a row: thirteen digits that begin as one of any network does.
_LONG_NUMBER = re.compile(rb"(?<![0-9])[2-6](?:[^0-9A-Za-z\r\n]{0,3}[0-9]){12}")


@dataclass(frozen=True)
class Look:
    """What an import would do. ``known``: the file is here already, as this one.

    ``alike`` counts new lines that have the date and amount of one that is here, in other words: the same
    statement in another layout looks so.
    """

    statement: Statement
    mapping: Mapping | None
    known: int | None
    new: tuple[Line, ...]
    already: int
    alike: int


@dataclass(frozen=True)
class FileView:
    """A file that was imported. ``rows`` = ``lines`` + ``quarantined`` + ``named``."""

    id: int
    account_id: int
    account: str
    name: str
    layout: str
    sha256: str
    opening: Money | None
    closing: Money | None
    first_on: date | None
    last_on: date | None
    rows: int
    lines: int
    new_lines: int
    quarantined: int
    waiting: int
    named: int
    imported_at: datetime
    imported_by: str
    undone_at: datetime | None
    undone_by: str | None
    undone_why: str | None


@dataclass(frozen=True)
class Imported:
    """What came of an import; ``again``: the file was here, and nothing was added."""

    file: FileView
    new: int
    already: int
    again: bool = False


@dataclass(frozen=True)
class Undoing:
    """What undoing an import would do: the lines that go, and the matches that must be undone before."""

    file: FileView
    goes: int
    stays: int
    matched: tuple["MatchedLine", ...]


@dataclass(frozen=True)
class MatchedLine:
    line_id: int
    match_id: int
    on: date
    amount: Money
    text: str
    by: str
    #: Whose money goes with the match: references, with who pays.
    payments: tuple[str, ...]


# -- reading ------------------------------------------------------------------------------------------


@without_looking_for_circles()
def read(
    session: Session,
    person: Person,
    account_id: int | None,
    name: str,
    data: bytes,
    *,
    mapping: Mapping | None = None,
    date_order: str | None = None,
) -> tuple[Statement, Mapping | None]:
    """The statement in a file, by a layout or else by a mapping that the account remembers.

    Raises StatementFormatError, UnknownLayout when no mapping fits either, NotAllowed.
    """
    check(person, Action.SEE_BANK)
    try:
        return statements.read(name, data, mapping=mapping, date_order=date_order), mapping
    except UnknownLayout:
        if account_id is None:
            raise
        for known in accounts.mappings(session, person, account_id):
            try:
                return statements.read(name, data, mapping=known, date_order=date_order), known
            except StatementFormatError as error:
                if "heading row" not in error.reason and "cells" not in error.reason:
                    raise
        raise


@without_looking_for_circles()
def look(
    session: Session,
    person: Person,
    account_id: int,
    statement: Statement,
    data: bytes,
    mapping: Mapping | None = None,
) -> Look:
    """What importing this file into this account would add. Raises InvalidInput when it is another's."""
    check(person, Action.SEE_BANK)
    account = accounts.row(session, account_id)
    fits(session, account, statement)
    known = _standing(session, account_id, _sha256(data))
    pairs = pair(session, account_id, statement)
    new = tuple(line for line, _, at in pairs if at is None or at.gone)
    others = alike(session, account_id, statement, new) if known is None else 0
    return Look(statement, mapping, known, new, len(pairs) - len(new), others)


def fits(session: Session, account: BankAccount, statement: Statement) -> None:
    """Raises OtherAccount, or InvalidInput, when the file says that it is of another account or currency."""
    told = accounts.digits(statement.account)
    if told and account.number and not accounts.same_number(told, account.number):
        its = accounts.find(session, told)
        step = (
            f"Choose {its.name}." if its else "No account here has that number: add it first, if it is ours."
        )
        raise OtherAccount(
            f"{statement.name} is of the account {statement.account}, and {account.name} is "
            f"{account.number}. {step}",
            told,
            its.id if its else None,
        )
    if statement.currency != account.currency:
        raise InvalidInput(
            f"{statement.name} is in {statement.currency}, and {account.name} is held in {account.currency}."
        )


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _standing(session: Session, account_id: int, sha256: str) -> int | None:
    return session.scalar(
        select(StatementFile.id).where(
            StatementFile.account_id == account_id,
            StatementFile.sha256 == sha256,
            StatementFile.undone_at.is_(None),
        )
    )


# -- importing ----------------------------------------------------------------------------------------


@without_looking_for_circles()
def import_file(
    session: Session,
    person: Person,
    account_id: int,
    name: str,
    data: bytes,
    *,
    now: datetime,
    mapping: Mapping | None = None,
    date_order: str | None = None,
    statement: Statement | None = None,
) -> Imported:
    """Take a file in, whole. ``statement``: it was read just now, from these bytes.

    Raises what ``read`` and ``look`` raise; NotAllowed; Conflict: the account is out of use.
    """
    check(person, Action.RECONCILE)
    standstill.refuse(session)
    if statement is None:
        statement, mapping = read(
            session, person, account_id, name, data, mapping=mapping, date_order=date_order
        )
    account = accounts.row(session, account_id, lock=True)
    if account.retired_at is not None:
        raise Conflict(
            f"{account.name} is out of use. If this file is of it, use it again first, under Statements."
        )
    fits(session, account, statement)
    if (known := _standing(session, account_id, _sha256(data))) is not None:
        return Imported(file_view(session, person, known), 0, len(statement.lines), again=True)
    file = _keep_file(session, person, account, data, statement, mapping, date_order, now)
    new, already = _keep_lines(session, file, statement)
    _keep_quarantined(session, file, statement)
    file.new_lines = new
    if not account.number:
        account.number = accounts.digits(statement.account)
    session.flush()
    audit.record(
        session, person, "import_statement", file.name, now=now, file=file.id, account=account.name,
        sha256=file.sha256, rows=file.rows, new=new, already=already, quarantined=len(statement.quarantined),
    )  # fmt: skip
    tallies.bump(session)
    return Imported(file_view(session, person, file.id), new, already)


def _keep_file(
    session: Session,
    person: Person,
    account: BankAccount,
    data: bytes,
    statement: Statement,
    mapping: Mapping | None,
    date_order: str | None,
    now: datetime,
) -> StatementFile:
    days = [line.date for line in statement.lines]
    named = [
        {"row": row.row, "is": row.name, "text": row.text} for row in (*statement.headers, *statement.footers)
    ]
    file = StatementFile(
        account_id=account.id,
        name=shown_name(statement.name)[:120],
        sha256=_sha256(data),
        size_bytes=len(data),
        data=_without_cards(data),
        layout=statement.layout[:100],
        mapping=mapping.to_json() if mapping else None,
        date_order=date_order or "",
        currency=statement.currency,
        opening_minor=statement.opening.minor if statement.opening is not None else None,
        closing_minor=statement.closing.minor if statement.closing is not None else None,
        first_on=min(days, default=None),
        last_on=max(days, default=None),
        rows=statement.rows,
        new_lines=0,
        named={
            "rows": named,
            "number": accounts.digits(statement.account),
            "learned": not account.number and bool(accounts.digits(statement.account)),
        },
        imported_at=now,
        imported_by=person.name,
    )
    session.add(file)
    session.flush()
    return file


def _without_cards(data: bytes) -> bytes:
    """The bytes as they are kept. Row by row: amounts and dates of neighbours make no card number."""
    if data.startswith(b"PK") or not _LONG_NUMBER.search(data):
        return data
    rows = data.splitlines(keepends=True)
    return b"".join(mask_card_bytes(row) if _LONG_NUMBER.search(row) else row for row in rows)


def _keep_lines(session: Session, file: StatementFile, statement: Statement) -> tuple[int, int]:
    """Lines that are new, those that come back, and for every line where it stood. New and known ones."""
    pairs = pair(session, file.account_id, statement)
    sightings: list[tuple[int, int]] = [(at.id, line.row) for line, _, at in pairs if at]
    back: dict[date | None, list[int]] = defaultdict(list)
    closed = ClosedDays(session, file.account_id)
    for line, _, at in pairs:
        if at and at.gone:
            back[closed.booked_on(line.date)].append(at.id)
    for booked_on, ids in back.items():
        for some in some_at_once(ids):
            again = update(StatementLine).where(StatementLine.id.in_(some))
            session.execute(again.values(state=OPEN, booked_on=booked_on))
    fresh = [(line, key) for line, key, at in pairs if at is None]
    sightings += insert_lines(session, file.account_id, fresh)
    for seen in some_at_once(sightings, _SIGHTINGS_AT_ONCE):
        rows = [(file.id, line_id, row) for line_id, row in seen]
        insert_plain(session.connection(), LineSighting.__table__, ("file_id", "line_id", "row"), rows)
    new = len(fresh) + sum(map(len, back.values()))
    return new, len(pairs) - new


def _keep_quarantined(session: Session, file: StatementFile, statement: Statement) -> None:
    rows = [
        {
            "file_id": file.id,
            "row": row.row,
            "reason": row.reason,
            "raw": row.raw,
            "on": row.date,
            "amount_minor": row.amount.minor if row.amount is not None else None,
            "state": WAITS,
        }
        for row in statement.quarantined
    ]
    if rows:
        session.execute(insert(QuarantinedRow), rows)


# -- undoing a whole import ---------------------------------------------------------------------------


def undoing(session: Session, person: Person, file_id: int) -> Undoing:
    """What undoing an import would take away, what is matched first."""
    check(person, Action.SEE_BANK)
    file = file_view(session, person, file_id)
    mine = _only_in(file_id)
    goes = session.scalar(select(func.count()).select_from(StatementLine).where(mine)) or 0
    matched = session.execute(
        select(StatementLine, Match)
        .join(Match, and_(Match.line_id == StatementLine.id, Match.undone_at.is_(None)))
        .where(mine)
        .order_by(StatementLine.on, StatementLine.id)
    ).all()
    paid = _paid_by(session, [match.id for _, match in matched])
    found = tuple(
        MatchedLine(
            line.id, match.id, line.on, line.amount, line.told, match.by, tuple(paid.get(match.id, ()))
        )
        for line, match in matched
    )
    stays = file.lines + _repaired(session, file_id) - goes
    return Undoing(file, goes, stays, found)


def _paid_by(session: Session, match_ids: list[int]) -> dict[int, list[str]]:
    """Of each match the payments that have money by it."""
    found: dict[int, list[str]] = defaultdict(list)
    parts = select(MatchPart.match_id, Payment.reference, Payment.payer_name).join(
        Payment, Payment.id == MatchPart.payment_id
    )
    for some in some_at_once(match_ids):
        rows = session.execute(parts.where(MatchPart.match_id.in_(some)).order_by(MatchPart.id))
        for match_id, reference, payer in rows:
            found[match_id].append(f"{reference} · {payer}")
    return {match_id: list(dict.fromkeys(pays)) for match_id, pays in found.items()}


def undo(session: Session, person: Person, file_id: int, why: str, *, now: datetime) -> int:
    """Take an import back, whole; returns how many lines went. What other files tell of stays.

    Raises Conflict while one of its lines is matched or in a day that is signed off, or when it was undone
    before; InvalidInput, NotFound.
    """
    check(person, Action.RECONCILE)
    why = reason(why)
    told = file_view(session, person, file_id)
    account = accounts.row(session, told.account_id, lock=True)
    file = session.get_one(StatementFile, file_id, populate_existing=True)
    if file.undone_at is not None:
        raise Conflict(f"{file.name} was undone already, by {file.undone_by}.")
    if matched := undoing(session, person, file_id).matched:
        first = ", ".join(f"match {one.match_id} of {one.on:%-d %b %Y}, {one.amount}" for one in matched[:5])
        others = f" and {len(matched) - 5} more" if len(matched) > 5 else ""
        raise Conflict(
            f"{len(matched)} of its lines are matched: {first}{others}. Undo those matches first; the page "
            "Statements lists them all, and undoes them with the import."
        )
    rows = session.execute(
        select(StatementLine.id, StatementLine.on, StatementLine.booked_on).where(_only_in(file_id))
    )
    mine = []
    closed = ClosedDays(session, told.account_id)
    for line_id, on, booked_on in rows:
        if closed.holds(booked_on or on):
            refuse_change(session, told.account_id, booked_on or on)
        mine.append(line_id)
    file.undone_at, file.undone_by, file.undone_why = now, person.name, why
    for some in some_at_once(mine):
        session.execute(update(StatementLine).where(StatementLine.id.in_(some)).values(state=GONE))
        session.execute(
            update(LineException)
            .where(LineException.line_id.in_(some), LineException.closed_at.is_(None))
            .values(closed_at=now, closed_by=person.name)
        )
    session.flush()
    number = accounts.forget_number(session, account)
    forgot: dict[str, Any] = {"forgot_number": number} if number else {}
    audit.record(
        session, person, "undo_import", file.name, now=now, file=file.id, lines=len(mine), why=why, **forgot
    )
    tallies.bump(session)
    return len(mine)


def _only_in(file_id: int) -> Any:
    """Lines that stand, and that no other file that stands tells of: by this one, or repaired in it."""
    other, theirs = aliased(LineSighting), aliased(StatementFile)
    elsewhere = exists(
        select(other.line_id)
        .join(theirs, theirs.id == other.file_id)
        .where(other.line_id == StatementLine.id, other.file_id != file_id, theirs.undone_at.is_(None))
    )
    here = or_(
        exists().where(LineSighting.line_id == StatementLine.id, LineSighting.file_id == file_id),
        exists().where(QuarantinedRow.line_id == StatementLine.id, QuarantinedRow.file_id == file_id),
    )
    return and_(StatementLine.state != GONE, here, ~elsewhere)


def _repaired(session: Session, file_id: int) -> int:
    repaired = select(func.count()).where(QuarantinedRow.file_id == file_id, QuarantinedRow.state == REPAIRED)
    return session.scalar(repaired) or 0


# -- what is here -------------------------------------------------------------------------------------


def files(session: Session, person: Person, account_id: int | None = None) -> list[FileView]:
    """The newest import first, undone ones too."""
    check(person, Action.SEE_BANK)
    wanted = _files().order_by(StatementFile.id.desc()).limit(500)
    if account_id is not None:
        wanted = wanted.where(StatementFile.account_id == account_id)
    return [_view(*row) for row in session.execute(wanted)]


def file_view(session: Session, person: Person, file_id: int) -> FileView:
    """Raises NotFound."""
    check(person, Action.SEE_BANK)
    found = session.execute(_files().where(StatementFile.id == file_id)).first()
    if found is None:
        raise NotFound("There is no such import.")
    return _view(*found)


def _files() -> Any:
    lines = select(func.count()).where(LineSighting.file_id == StatementFile.id).scalar_subquery()
    rows = select(func.count()).where(QuarantinedRow.file_id == StatementFile.id)
    return select(
        StatementFile,
        BankAccount.name,
        lines,
        rows.scalar_subquery(),
        rows.where(QuarantinedRow.state == WAITS).scalar_subquery(),
    ).join(BankAccount, BankAccount.id == StatementFile.account_id)


def _view(file: StatementFile, account: str, lines: int, quarantined: int, waiting: int) -> FileView:
    def money(minor: int | None) -> Money | None:
        return None if minor is None else Money(minor, file.currency)

    return FileView(
        file.id, file.account_id, account, file.name, file.layout, file.sha256, money(file.opening_minor),
        money(file.closing_minor), file.first_on, file.last_on, file.rows, lines, file.new_lines, quarantined,
        waiting, len(file.named["rows"]), file.imported_at, file.imported_by, file.undone_at, file.undone_by,
        file.undone_why,
    )  # fmt: skip
