"""What waited for a person each evening: is the list of bank lines getting shorter?"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import LineException, MatchPart, StatementLine, SurplusMove
from db.money import Money
from payments import dates
from payments.access.people import Action, Person, check
from payments.reconciling.exceptions import Standing

#: No line should wait longer: what does is told beside the evenings.
TARGET_DAYS = 3


@dataclass(frozen=True)
class Evening:
    """What waited in the evening of a day, by our clock: ``old`` of these lines longer than three days."""

    on: date
    waiting: int
    old: int
    at_risk: Mapping[str, Money]


def list_evenings(session: Session, person: Person, *, now: datetime, days: int = 14) -> list[Evening]:
    """The last evenings, the oldest first, and this moment as the last of them."""
    check(person, Action.SEE_BANK)
    today = dates.business_day(now)
    first = today - timedelta(days=days - 1)
    rows = session.execute(
        select(
            LineException.opened_at, LineException.closed_at, LineException.part_id, StatementLine.on,
            func.coalesce(MatchPart.amount_minor, StatementLine.amount_minor).label("amount_minor"),
            StatementLine.amount_currency,
        )
        .join(StatementLine, StatementLine.id == LineException.line_id)
        .outerjoin(MatchPart, MatchPart.id == LineException.part_id)
        .where(
            (LineException.closed_at.is_(None)) | (LineException.closed_at >= dates.day_span(first).end)
        )
    ).all()  # fmt: skip
    moves = defaultdict[int | None, list[SurplusMove]](list)
    parts = {row.part_id for row in rows} - {None}
    for move in session.scalars(select(SurplusMove).where(SurplusMove.part_id.in_(parts))):
        moves[move.part_id].append(move)
    return [_evening(first + timedelta(days=nth), rows, moves) for nth in range(days)]


def _evening(on: date, rows: Iterable[Any], moves: Mapping[int | None, list[SurplusMove]]) -> Evening:
    """What had moved of a rest by then does not count, whatever became of it since."""
    end = dates.day_span(on).end
    open_then = [
        row for row in rows if row.opened_at < end and (row.closed_at is None or row.closed_at >= end)
    ]
    waited = [
        abs(row.amount_minor)
        - sum(
            move.amount_minor
            for move in moves.get(row.part_id, ())
            if move.at < end and (move.undone_at is None or move.undone_at >= end)
        )
        for row in open_then
    ]
    told = Standing.of((1, minor, row.amount_currency) for minor, row in zip(waited, open_then, strict=True))
    old = sum((on - row.on).days > TARGET_DAYS for row in open_then)
    return Evening(on, told.count, old, told.at_risk)
