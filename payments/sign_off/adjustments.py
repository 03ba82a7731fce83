"""The adjustments list: what came or was decided for a day after it was signed off, booked on an open one."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Match, StatementLine, SurplusMove
from db.money import Money
from payments.access.people import Action, Person, check
from payments.bank.overlaps import GONE
from payments.sign_off.closed_days import moved_surplus

MOST = 500


@dataclass(frozen=True)
class Adjustment:
    """``on`` is the day it belongs to, by the bank's date; ``booked_on`` where our books count it."""

    line_id: int
    on: date
    booked_on: date
    amount: Money
    text: str
    why: str


def listed(
    session: Session, person: Person, account_id: int, first: date = date.min, last: date = date.max
) -> list[Adjustment]:
    """Those booked on these days, the newest first."""
    check(person, Action.SEE_BANK)
    found = [
        *_lines(session, account_id, first, last), *_matches(session, account_id, first, last),
        *_moves(session, account_id, first, last),
    ]  # fmt: skip
    return sorted(found, key=lambda one: (one.booked_on, one.line_id), reverse=True)[:MOST]


def _lines(session: Session, account_id: int, first: date, last: date) -> Iterator[Adjustment]:
    query = (
        select(StatementLine)
        .where(
            StatementLine.account_id == account_id, StatementLine.booked_on.between(first, last),
            StatementLine.state != GONE,
        )
        .order_by(StatementLine.booked_on.desc(), StatementLine.id.desc())
        .limit(MOST)
    )  # fmt: skip
    for line in session.scalars(query):
        assert line.booked_on is not None
        yield Adjustment(
            line.id, line.on, line.booked_on, line.amount, line.told, "came after its day was signed"
        )


def _matches(session: Session, account_id: int, first: date, last: date) -> Iterator[Adjustment]:
    day = func.coalesce(StatementLine.booked_on, StatementLine.on)
    query = (
        select(Match, StatementLine, day)
        .join(StatementLine, StatementLine.id == Match.line_id)
        .where(
            StatementLine.account_id == account_id, Match.booked_on.between(first, last),
            Match.undone_at.is_(None),
        )
        .order_by(Match.booked_on.desc(), Match.id.desc())
        .limit(MOST)
    )  # fmt: skip
    for match, line, on in session.execute(query):
        assert match.booked_on is not None
        yield Adjustment(line.id, on, match.booked_on, line.amount, line.told, f"matched by {match.by}")


def _moves(session: Session, account_id: int, first: date, last: date) -> Iterator[Adjustment]:
    query = (
        moved_surplus(SurplusMove, StatementLine)
        .where(StatementLine.account_id == account_id, SurplusMove.booked_on.between(first, last))
        .order_by(SurplusMove.booked_on.desc(), SurplusMove.id.desc())
        .limit(MOST)
    )
    for move, line in session.execute(query):
        why = f"surplus moved to {move.payment.reference} by {move.by}"
        yield Adjustment(line.id, line.on, move.booked_on, move.amount, line.told, why)
