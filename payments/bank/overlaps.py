"""Which lines of a file are here already: by what they say, how often, and where their balances meet."""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.many import insert_plain, some_at_once
from db.models import LineSighting, StatementFile, StatementLine
from payments.sign_off.closed_days import ClosedDays
from payments.statements import Line, Statement

#: A line that no file which stands tells of any more; it can come back.
MATCHED, OPEN, GONE = "matched", "open", "gone"
_WRITTEN_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True)
class Kept:
    """A line that is here. Of one that is gone only its place counts: it can come back."""

    id: int
    ordinal: int
    gone: bool


def key_of(line: Line) -> str:
    """What makes two lines the same movement, apart from how often it happened: spaces and case aside."""
    words = (" ".join(text.split()).casefold() for text in (line.description, line.reference))
    said = "\x1f".join((line.date.isoformat(), str(line.amount.minor), *words))
    return hashlib.sha256(said.encode()).hexdigest()[:32]


def pair(session: Session, account_id: int, statement: Statement) -> list[tuple[Line, str, Kept | None]]:
    """Each line of a file with its key and the one that is here already; None: it is new."""
    kept = _kept(session, account_id, statement)
    pairs = []
    taken: dict[str, int] = defaultdict(int)
    for line in sorted(statement.lines, key=lambda line: line.ordinal):
        key = key_of(line)
        there = kept.get(key, ())
        place = taken[key]
        taken[key] += 1
        pairs.append((line, key, there[place] if place < len(there) else None))
    return sorted(pairs, key=lambda pair: pair[0].row)


def _kept(session: Session, account_id: int, statement: Statement) -> dict[str, list[Kept]]:
    """What is here of the file's days, by key: each list in order, what stands before what is gone.

    A file that goes on exactly where another ended in the middle of a day tells of none of its lines: their
    balances say so. Those are left out.
    """
    if not statement.lines:
        return {}
    days = [line.date for line in statement.lines]
    elsewhere = _of_neighbours(session, account_id, statement, min(days), max(days))
    kept: dict[str, list[Kept]] = defaultdict(list)
    rows = session.execute(
        select(StatementLine.key, StatementLine.id, StatementLine.ordinal, StatementLine.state)
        .where(StatementLine.account_id == account_id, StatementLine.on.between(min(days), max(days)))
        .order_by(StatementLine.state == GONE, StatementLine.ordinal)
    )
    for key, line_id, ordinal, state in rows:
        if line_id not in elsewhere:
            kept[key].append(Kept(line_id, ordinal, state == GONE))
    return kept


def _of_neighbours(
    session: Session, account_id: int, statement: Statement, first: date, last: date
) -> set[int]:
    """Lines of the first or last day in files that end, or begin, exactly where this one begins or ends."""
    ends = []
    if statement.opening is not None:
        before = (StatementFile.last_on == first, StatementFile.closing_minor == statement.opening.minor)
        ends.append((first, *before))
    if statement.closing is not None:
        after = (StatementFile.first_on == last, StatementFile.opening_minor == statement.closing.minor)
        ends.append((last, *after))
    found: set[int] = set()
    for day, *conditions in ends:
        of_the_day = (
            select(LineSighting.file_id, func.min(StatementLine.id), func.sum(StatementLine.amount_minor))
            .join(StatementFile, StatementFile.id == LineSighting.file_id)
            .join(StatementLine, StatementLine.id == LineSighting.line_id)
            .where(StatementFile.account_id == account_id, StatementFile.undone_at.is_(None), *conditions)
            .where(StatementLine.on == day)
            .group_by(LineSighting.file_id)
        )
        # A day whose lines add up to nothing opens as it closes: then the balances prove nothing.
        files = [file_id for file_id, _, total in session.execute(of_the_day) if total]
        lines = (
            select(LineSighting.line_id)
            .join(StatementLine, StatementLine.id == LineSighting.line_id)
            .where(LineSighting.file_id.in_(files), StatementLine.on == day)
        )
        found |= set(session.scalars(lines))
    return found


def alike(session: Session, account_id: int, statement: Statement, lines: Sequence[Line]) -> int:
    """New lines with the date and amount of one that is here.

    What stands in files that end, or begin, exactly where this one begins or ends is other money: the
    balances say so, however equal the prices are.
    """
    if not lines:
        return 0
    days = [line.date for line in statement.lines]
    elsewhere = _of_neighbours(session, account_id, statement, min(days), max(days))
    rows = session.execute(
        select(StatementLine.id, StatementLine.on, StatementLine.amount_minor).where(
            StatementLine.account_id == account_id,
            StatementLine.state != GONE,
            StatementLine.on.between(min(days), max(days)),
        )
    )
    there = {(on, minor) for line_id, on, minor in rows if line_id not in elsewhere}
    return sum((line.date, line.amount.minor) in there for line in lines)


def insert_lines(
    session: Session, account_id: int, fresh: Sequence[tuple[Line, str]]
) -> Iterator[tuple[int, int]]:
    """Write new lines after their equals that are here; yields each one's id and row.

    The caller holds the account, so that nobody else adds lines to it meanwhile: what it gained, in the order
    of ids, is what was written, in the order it was. Those of a day that is signed off are booked on the
    first open one.
    """
    closed = ClosedDays(session, account_id)
    last = _last_ordinals(session, account_id, fresh)
    newest = session.scalar(select(func.max(StatementLine.id))) or 0
    for some in some_at_once(fresh, _WRITTEN_AT_ONCE):
        values = []
        for line, key in some:
            last[key] = last.get(key, 0) + 1
            values.append(_values(account_id, line, key, last[key], closed.booked_on(line.date)))
        insert_plain(session.connection(), StatementLine.__table__, _COLUMNS, values)
        written = session.execute(
            select(StatementLine.id, StatementLine.account_id)
            .where(StatementLine.id > newest)
            .order_by(StatementLine.id)
        )
        ids = [line_id for line_id, account in written if account == account_id]
        newest = ids[-1]
        yield from zip(ids, (line.row for line, _ in some), strict=True)


def _last_ordinals(session: Session, account_id: int, fresh: Sequence[tuple[Line, str]]) -> dict[str, int]:
    """How many equals of each line are here, those that are gone included."""
    if not fresh:
        return {}
    days = [line.date for line, _ in fresh]
    asked = select(StatementLine.key, func.max(StatementLine.ordinal).label("last")).where(
        StatementLine.account_id == account_id, StatementLine.on.between(min(days), max(days))
    )
    return {row.key: row.last for row in session.execute(asked.group_by(StatementLine.key))}


_COLUMNS = (
    "account_id", "key", "ordinal", "on", "amount_minor", "amount_currency", "fee_minor", "balance_minor",
    "description", "reference", "state", "by_hand", "booked_on",
)  # fmt: skip


def _values(
    account_id: int, line: Line, key: str, ordinal: int, booked_on: date | None
) -> tuple[object, ...]:
    """A row in the order of ``_COLUMNS``."""
    amount, balance = line.amount, line.balance
    return (
        account_id, key, ordinal, line.date, amount.minor, amount.currency, line.fee.minor,
        balance.minor if balance is not None else None, line.description, line.reference, OPEN, False,
        booked_on,
    )  # fmt: skip
