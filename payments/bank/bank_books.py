"""What must hold of statements and matches: no row is lost, balances prove lines, parts add up, what was
signed off is still what was signed."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Select, and_, case, exists, func, or_, select
from sqlalchemy.orm import Session

from db.models import (
    LineSighting,
    Match,
    MatchPart,
    Payment,
    QuarantinedRow,
    Receipt,
    Reversal,
    SignOff,
    StatementFile,
    StatementLine,
)
from payments.reconciling.parts import is_taken_back
from payments.sign_off.closed_days import LOCKING
from payments.sign_off.closing import figures_by_day, figures_of


def files(session: Session) -> Iterator[str]:
    """Rows in = lines + quarantined + named; opening + lines = closing where nothing is quarantined."""
    quarantined = (
        select(QuarantinedRow.file_id, func.count().label("rows")).group_by(QuarantinedRow.file_id).subquery()
    )
    seen = (
        select(
            LineSighting.file_id,
            func.count().label("rows"),
            func.sum(StatementLine.amount_minor).label("minor"),
        )
        .join(StatementLine, StatementLine.id == LineSighting.line_id)
        .group_by(LineSighting.file_id)
        .subquery()
    )
    waits, lines = func.coalesce(quarantined.c.rows, 0), func.coalesce(seen.c.rows, 0)
    query = (
        select(
            StatementFile.id, StatementFile.name, StatementFile.rows, StatementFile.named,
            StatementFile.opening_minor, StatementFile.closing_minor, lines, waits,
            func.coalesce(seen.c.minor, 0),
        )
        .outerjoin(seen, seen.c.file_id == StatementFile.id)
        .outerjoin(quarantined, quarantined.c.file_id == StatementFile.id)
        .order_by(StatementFile.id)
    )  # fmt: skip
    for number, name, rows, named, opening, closing, there, aside, total in session.execute(query):
        if rows != there + aside + len(named["rows"]):
            told = f"{there} lines, {aside} quarantined and {len(named['rows'])} others"
            yield f"file {number}, {name}: {rows} rows came in, and it holds {told}"
        if not aside and None not in (opening, closing) and opening + total != closing:
            yield f"file {number}, {name}: {opening} and its lines {total} do not make {closing}"


def lines(session: Session) -> Iterator[str]:
    """A line is matched when a match stands, and gone when no file that stands tells of it."""
    matched = exists().where(Match.line_id == StatementLine.id, Match.undone_at.is_(None))
    seen = exists(
        select(LineSighting.line_id)
        .join(StatementFile, StatementFile.id == LineSighting.file_id)
        .where(LineSighting.line_id == StatementLine.id, StatementFile.undone_at.is_(None))
    )
    repaired = exists(
        select(QuarantinedRow.id)
        .join(StatementFile, StatementFile.id == QuarantinedRow.file_id)
        .where(QuarantinedRow.line_id == StatementLine.id, StatementFile.undone_at.is_(None))
    )
    should = case((~or_(seen, repaired), "gone"), (matched, "matched"), else_="open")
    query = select(StatementLine.id, StatementLine.state, should).where(StatementLine.state != should)
    for line, state, wanted in session.execute(query):
        yield f"line {line}: {state}, and its files and matches say {wanted}"


def matches(session: Session) -> Iterator[str]:
    """The parts of a match are its line; what they brought to payments is there, and nothing else is."""
    yield from _parts(session)
    yield from _receipts(session)
    yield from _written_off(session)


def _parts(session: Session) -> Iterator[str]:
    total = func.coalesce(func.sum(MatchPart.amount_minor), 0)
    other = func.count(case((MatchPart.amount_currency != StatementLine.amount_currency, 1)))
    query = (
        select(Match.id, StatementLine.amount_minor, total)
        .join(StatementLine, StatementLine.id == Match.line_id)
        .outerjoin(MatchPart, MatchPart.match_id == Match.id)
        .group_by(Match.id, StatementLine.amount_minor)
        .having(or_(total != StatementLine.amount_minor, other > 0))
    )
    for number, amount, parts in session.execute(query):
        yield f"match {number}: its line is {amount}, its parts are {parts}"


def _standing() -> Select[Any]:
    return (
        select(MatchPart.receipt_id)
        .join(Match, Match.id == MatchPart.match_id)
        .where(Match.undone_at.is_(None), MatchPart.receipt_id.is_not(None))
    )


def _receipts(session: Session) -> Iterator[str]:
    """Each part for a payment has brought just its amount; it was reversed with its match, or taken back."""
    unfit = (
        select(MatchPart.id)
        .join(Receipt, Receipt.id == MatchPart.receipt_id)
        .where(
            or_(
                Receipt.amount_minor != MatchPart.amount_minor,
                Receipt.amount_currency != MatchPart.amount_currency,
                Receipt.payment_id != MatchPart.payment_id,
            )
        )
    )
    for number in session.scalars(unfit):
        yield f"part {number}: its receipt says otherwise"
    of_ours = Receipt.source_reference.startswith("match-", autoescape=True)
    reversed_ = exists().where(Reversal.receipt_id == Receipt.id)
    loose = select(Receipt.source_reference).where(of_ours, ~reversed_, Receipt.id.not_in(_standing()))
    for reference in session.scalars(loose):
        yield f"receipt {reference}: no match that stands brought it"
    lost = (
        select(MatchPart.id)
        .join(Match, Match.id == MatchPart.match_id)
        .join(Reversal, Reversal.receipt_id == MatchPart.receipt_id)
        .where(Match.undone_at.is_(None), ~is_taken_back())
    )
    for number in session.scalars(lost):
        yield f"part {number}: its match stands, and its money was reversed"


def _written_off(session: Session) -> Iterator[str]:
    """What a payment was let off stands in the matches that did so, unless their line was taken back."""
    off = (
        select(MatchPart.payment_id, func.sum(MatchPart.written_off_minor).label("minor"))
        .join(Match, Match.id == MatchPart.match_id)
        .where(and_(Match.undone_at.is_(None), MatchPart.written_off_minor > 0, ~is_taken_back()))
        .group_by(MatchPart.payment_id)
        .subquery()
    )
    told = func.coalesce(off.c.minor, 0)
    query = (
        select(Payment.reference, Payment.written_off_minor, told)
        .outerjoin(off, off.c.payment_id == Payment.id)
        .where(Payment.written_off_minor != told)
    )
    for reference, minor, matched in session.execute(query):
        yield f"{reference}: {minor} written off, its matches say {matched}"


def signed(session: Session) -> Iterator[str]:
    """A day that is signed off holds what was signed, and a month only days that are."""
    rows = session.scalars(
        select(SignOff).where(SignOff.state.in_(LOCKING)).order_by(SignOff.account_id, SignOff.first_on)
    ).all()
    for account_id in sorted({row.account_id for row in rows}):
        mine = [row for row in rows if row.account_id == account_id]
        first, last = min(row.first_on for row in mine), max(row.last_on for row in mine)
        there = figures_by_day(session, account_id, first, last)
        days = {row.first_on: row for row in mine if row.period == "day"}
        for on, row in days.items():
            if figures_of(row.figures) != there.get(on):
                yield f"sign-off {row.id}, {on}: the day is not what was signed"
        for row in mine:
            if row.period == "month":
                loose = [on for on in there if row.first_on <= on <= row.last_on and on not in days]
                yield from (f"sign-off {row.id}, {row.first_on:%B %Y}: {on} is not signed" for on in loose)
