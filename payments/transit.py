"""Money on its way from the gateway to the bank, day by day: opening + captured − banked = closing.

What was captured comes from the running totals, what was taken back counted off in its hour; what is banked
are the captures of payouts that stand on a line of the bank, on the day our books count that line.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Match, MatchPart, PayoutLine, Receipt, StatementLine, Tally
from db.money import Money
from payments import dates, tallies
from payments.closed_days import match_day
from payments.lifecycle import Method
from payments.people import Action, Person, check


@dataclass(frozen=True)
class RollForward:
    """``expected_on``: the bank day by which what was captured on this day, or the last of several, is due at
    the earliest."""

    opening: Money
    captured: Money
    banked: Money
    expected_on: date

    @property
    def closing(self) -> Money:
        return self.opening + self.captured - self.banked


def roll_forward(session: Session, person: Person, on: date, currency: str = "ZAR") -> RollForward:
    """One day of it, of all events and accounts."""
    return of_days(session, person, on, on, currency)


def of_days(session: Session, person: Person, first: date, last: date, currency: str = "ZAR") -> RollForward:
    """Some days of it, both included."""
    check(person, Action.SEE_BANK)
    span = dates.day_span(first, last)
    before = _captured(session, currency, Tally.hour < span.start)
    captured = _captured(session, currency, Tally.hour >= span.start, Tally.hour < span.end)
    gone = _banked(session, currency, match_day() < first)
    banked = _banked(session, currency, match_day().between(first, last))
    return RollForward(
        Money(before - gone, currency), Money(captured, currency), Money(banked, currency),
        dates.next_bank_day(last),
    )  # fmt: skip


def _captured(session: Session, currency: str, *when: Any) -> int:
    taken = select(func.coalesce(func.sum(Tally.sum_minor), 0)).where(
        Tally.measure == tallies.TAKEN, Tally.key == Method.GATEWAY, Tally.currency == currency, *when
    )
    return int(session.scalar(taken) or 0)


def _banked(session: Session, currency: str, when: Any) -> int:
    inside = (
        select(func.coalesce(func.sum(Receipt.amount_minor), 0))
        .select_from(MatchPart)
        .join(Match, Match.id == MatchPart.match_id)
        .join(StatementLine, StatementLine.id == Match.line_id)
        .join(PayoutLine, PayoutLine.payout_id == MatchPart.payout_id)
        .join(Receipt, Receipt.id == PayoutLine.receipt_id)
        .where(
            Match.undone_at.is_(None), PayoutLine.state == "stands", Receipt.amount_currency == currency, when
        )
    )  # fmt: skip
    return int(session.scalar(inside) or 0)
