"""Which days of an account are signed off, and on which day what comes for one of them is booked.

A line or match of a day that is locked names, in ``booked_on``, the first open day after it. The database's
triggers refuse whatever these questions let through.
"""

from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.orm import Session

from db.models import BankAccount, Match, MatchPart, SignOff, StatementLine, SurplusMove
from payments.errors import Conflict

#: A sign-off locks from when it is signed until it is refused or reopened.
LOCKING = ("signed", "approved", "reopening")


class ClosedDays:
    """The locked days of one account, as they were when it was asked."""

    def __init__(self, session: Session, account_id: int) -> None:
        rows = session.execute(
            select(SignOff.first_on, SignOff.last_on).where(
                SignOff.account_id == account_id, SignOff.state.in_(LOCKING)
            )
        )
        self._days = {
            first + timedelta(days=nth) for first, last in rows for nth in range((last - first).days + 1)
        }

    def holds(self, day: date) -> bool:
        return day in self._days

    def booked_on(self, day: date) -> date | None:
        """The first open day after a locked one; None when the day itself is open."""
        if not self.holds(day):
            return None
        while self.holds(day):
            day += timedelta(days=1)
        return day


def day_of(line: StatementLine) -> date:
    """The day our books count a line on."""
    return line.booked_on or line.on


def day_of_match(match: Match, line: StatementLine) -> date:
    return match.booked_on or day_of(line)


def match_day() -> ColumnElement[date]:
    """``day_of_match`` in SQL, of ``Match`` and ``StatementLine``."""
    return func.coalesce(Match.booked_on, StatementLine.booked_on, StatementLine.on)


def move_day() -> ColumnElement[date]:
    """The day our books count a move on, of ``SurplusMove``, ``Match`` and ``StatementLine``."""
    return func.coalesce(SurplusMove.booked_on, match_day())


def moved_surplus(*columns: Any) -> Any:
    """Moves that stand, of lines whose match does, with the part, match and line of each."""
    return (
        select(*columns)
        .select_from(SurplusMove)
        .join(MatchPart, MatchPart.id == SurplusMove.part_id)
        .join(Match, Match.id == MatchPart.match_id)
        .join(StatementLine, StatementLine.id == Match.line_id)
        .where(SurplusMove.undone_at.is_(None), Match.undone_at.is_(None))
    )


def within(account_id: int, first: date, last: date) -> ColumnElement[bool]:
    """Lines of an account that are booked on these days; each way of being so is found by an index."""
    mine = StatementLine.account_id == account_id
    own = and_(mine, StatementLine.booked_on.is_(None), StatementLine.on.between(first, last))
    return or_(own, and_(mine, StatementLine.booked_on.between(first, last)))


def booked_on(session: Session, line: StatementLine) -> date | None:
    """Where what is decided of a line now is booked; None: on the line's own day, which is open."""
    return ClosedDays(session, line.account_id).booked_on(day_of(line))


def refuse_change(session: Session, account_id: int, day: date) -> None:
    """Raises Conflict when a day is signed off."""
    row = session.execute(
        select(SignOff.signer_name, SignOff.period, BankAccount.name)
        .join(BankAccount, BankAccount.id == SignOff.account_id)
        .where(
            SignOff.account_id == account_id, SignOff.state.in_(LOCKING), SignOff.first_on <= day,
            SignOff.last_on >= day,
        )
        .limit(1)
    ).first()  # fmt: skip
    if row is not None:
        with_month = ", with its month" if row.period == "month" else ""
        raise Conflict(
            f"{day:%-d %b %Y} of {row.name} was signed off{with_month}, by {row.signer_name}: what stands in "
            "it does not change. Reopen it under Close first."
        )
