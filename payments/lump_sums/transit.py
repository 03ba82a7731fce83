"""Money on its way from the gateway to the bank, day by day: opening + captured − banked = closing.

What was captured comes from the running totals, what was taken back counted off in its hour; what is banked
are the captures of payouts that stand on a line of the bank, on the day our books count that line.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import Select, case, func, select
from sqlalchemy.orm import Session

from db.models import Match, MatchPart, PayoutLine, Receipt, StatementLine
from db.money import Money
from payments import dates
from payments.access.people import Action, Person, check
from payments.lifecycle import Method
from payments.live import tallies
from payments.sign_off.closed_days import match_day


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
    return of_days(session, person, on, on, [currency])[currency]


def of_days(
    session: Session, person: Person, first: date, last: date, currencies: Iterable[str]
) -> dict[str, RollForward]:
    """Some days of it, both included, by currency."""
    check(person, Action.SEE_BANK)
    captured, banked = _captured(session, first, last), _banked(session, first, last)
    rolled = {}
    for currency in currencies:
        before, within = captured.get(currency, (0, 0))
        gone, here = banked.get(currency, (0, 0))
        opening, came, went = (Money(minor, currency) for minor in (before - gone, within, here))
        rolled[currency] = RollForward(opening, came, went, dates.next_bank_day(last))
    return rolled


#: By currency: what there was before the first day, and on the days.
_Two = dict[str, tuple[int, int]]


def _captured(session: Session, first: date, last: date) -> _Two:
    span = dates.day_span(first, last)
    sums = tallies.added_up(span.start, span.end).c
    query = _in_two(sums.currency, sums.sum_minor, sums.before == 1).where(
        sums.measure == tallies.TAKEN, sums.key == Method.GATEWAY
    )
    return _read(session, query)


def _banked(session: Session, first: date, last: date) -> _Two:
    query = (
        _in_two(Receipt.amount_currency, Receipt.amount_minor, match_day() < first)
        .select_from(MatchPart)
        .join(Match, Match.id == MatchPart.match_id)
        .join(StatementLine, StatementLine.id == Match.line_id)
        .join(PayoutLine, PayoutLine.payout_id == MatchPart.payout_id)
        .join(Receipt, Receipt.id == PayoutLine.receipt_id)
        .where(Match.undone_at.is_(None), PayoutLine.state == "stands", match_day() <= last)
    )
    return _read(session, query)


def _in_two(currency: Any, minor: Any, is_before: Any) -> Select[Any]:
    before = func.sum(case((is_before, minor), else_=0))
    return select(currency, before, func.sum(minor)).group_by(currency)


def _read(session: Session, query: Select[Any]) -> _Two:
    return {
        currency: (int(before), int(whole) - int(before))
        for currency, before, whole in session.execute(query)
    }
