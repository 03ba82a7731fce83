"""What the bank itself says of an account in the morning and the evening of a day, from files that stand."""

from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from db.models import LineSighting, QuarantinedRow, SignOff, StatementFile, StatementLine
from db.money import Money
from payments.closed_days import LOCKING
from payments.overlaps import GONE


@dataclass(frozen=True)
class Balances:
    """None where no file tells it. ``faults`` are sentences: where balances and lines part."""

    opening: Money | None
    closing: Money | None
    faults: tuple[str, ...] = ()


def balances(session: Session, account_id: int, on: date) -> Balances:
    """The bank's balances of a day, and whether its lines, and the last day that was signed, lead there."""
    covering = select(StatementFile).where(
        StatementFile.account_id == account_id, StatementFile.undone_at.is_(None),
        StatementFile.first_on <= on, StatementFile.last_on >= on,
        or_(StatementFile.opening_minor.is_not(None), StatementFile.closing_minor.is_not(None)),
    )  # fmt: skip
    # Of files that meet within the day, the one that begins before tells the morning, the other the evening.
    before = session.scalar(covering.order_by(StatementFile.first_on, StatementFile.id).limit(1))
    after = session.scalar(covering.order_by(StatementFile.last_on.desc(), StatementFile.id.desc()).limit(1))
    if before is None or after is None:
        return Balances(None, None)
    opening, closing = _at(session, before, on, evening=False), _at(session, after, on, evening=True)
    faults = []
    lines = Money(booked_by_bank(session, account_id, on, on), opening.currency)
    if opening + lines != closing:
        faults.append(
            f"The bank says {opening} in the morning and {closing} in the evening of {on:%d %b %Y}, and its "
            f"lines come to {lines}. A statement of the day is missing, or is there twice."
        )
    if fault := _break(session, account_id, on, opening):
        faults.append(fault)
    return Balances(opening, closing, tuple(faults))


def _at(session: Session, file: StatementFile, on: date, *, evening: bool) -> Money:
    """A file's balance in the morning or evening of a day it tells of, from the end of it that it says."""
    until = StatementLine.on <= on if evening else StatementLine.on < on
    from_start = file.opening_minor is not None and not (evening and file.closing_minor is not None)
    known = file.opening_minor if from_start else file.closing_minor
    assert known is not None
    seen = select(LineSighting.line_id).where(LineSighting.file_id == file.id)
    repaired = select(QuarantinedRow.line_id).where(
        QuarantinedRow.file_id == file.id, QuarantinedRow.line_id.is_not(None)
    )
    lines = select(func.coalesce(func.sum(StatementLine.amount_minor), 0)).where(
        or_(StatementLine.id.in_(seen), StatementLine.id.in_(repaired)), until if from_start else ~until
    )
    moved = int(session.scalar(lines) or 0)
    return Money(known + moved if from_start else known - moved, file.currency)


def booked_by_bank(session: Session, account_id: int, first: date, last: date) -> int:
    """What the lines of these days come to, by the bank's own dates, in minor units."""
    lines = select(func.coalesce(func.sum(StatementLine.amount_minor), 0)).where(
        StatementLine.account_id == account_id, StatementLine.state != GONE,
        StatementLine.on.between(first, last),
    )  # fmt: skip
    return int(session.scalar(lines) or 0)


def _break(session: Session, account_id: int, on: date, opening: Money) -> str | None:
    """Between the last day that was signed and this one, what the balances say is missing."""
    row = session.scalar(
        select(SignOff)
        .where(
            SignOff.account_id == account_id, SignOff.period == "day", SignOff.state.in_(LOCKING),
            SignOff.last_on < on,
        )
        .order_by(SignOff.last_on.desc())
        .limit(1)
    )  # fmt: skip
    if row is None or row.figures["closing"] is None:
        return None
    between = select(func.coalesce(func.sum(StatementLine.amount_minor), 0)).where(
        StatementLine.account_id == account_id, StatementLine.state != GONE, StatementLine.on > row.last_on,
        StatementLine.on < on,
    )  # fmt: skip
    expected = Money(row.figures["closing"] + int(session.scalar(between) or 0), opening.currency)
    # What came late of a signed day may have been in the bank's balance before, unread, or not.
    late = Money(_late(session, account_id, row), opening.currency)
    if opening in (expected, expected + late):
        return None
    return (
        f"{row.last_on:%d %b %Y} closed with {Money(row.figures['closing'], opening.currency)}, and "
        f"{on:%d %b %Y} opens with {opening}. A statement between them is missing."
    )


def _late(session: Session, account_id: int, row: SignOff) -> int:
    """Lines of a signed day and before that came after it was signed: the bank's balance has them."""
    lines = select(func.coalesce(func.sum(StatementLine.amount_minor), 0)).where(
        StatementLine.account_id == account_id, StatementLine.state != GONE,
        StatementLine.on <= row.last_on, StatementLine.booked_on > row.last_on,
    )  # fmt: skip
    return int(session.scalar(lines) or 0)
