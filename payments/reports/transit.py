"""Money the gateway took that the bank does not show yet, by trading day, with the day it is expected."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import and_, case, exists, func, select
from sqlalchemy.orm import Session

from db.models import Match, MatchPart, Payout, PayoutLine, Receipt, Reversal, Tally
from db.money import Money
from payments import dates
from payments.access.people import Action, Person, check
from payments.finding.conditions import Filter
from payments.lifecycle import Method
from payments.live import tallies
from payments.lump_sums import transit
from payments.reports import ledger
from payments.reports.period import Period
from payments.reports.report import Cell, Column, Headline, Holds, Table, added_up, count, money, text

_GATEWAY = (str(Method.GATEWAY),)


@dataclass
class _Day:
    """What the gateway took on a day, in minor units: in all, what it told of in a payout, what is banked."""

    captures: int = 0
    captured: int = 0
    told: int = 0
    banked: int = 0

    @property
    def waits(self) -> int:
        return self.captured - self.banked


def make(
    session: Session, person: Person, period: Period
) -> tuple[tuple[Headline, ...], tuple[Table, ...], tuple[str, ...]]:
    """Raises NotAllowed: it concerns all events at once."""
    check(person, Action.SEE_BANK)
    headline: list[Headline] = []
    tables: list[Table] = []
    days = _days(session, period)
    for currency, rolled in transit.of_days(
        session, person, period.first, period.last, _currencies(session)
    ).items():
        headline.append(
            Headline(f"On its way in {currency}", Cell(rolled.closing), rolled.opening, more_is_better=None)
        )
        tables += [_rolled(currency, period, rolled), _by_day(currency, days[currency])]
    return tuple(headline), tuple(tables), ()


def _currencies(session: Session) -> list[str]:
    taken = select(Tally.currency).where(
        Tally.measure == tallies.TAKEN, Tally.key == Method.GATEWAY, Tally.sum_minor != 0
    )
    return sorted(set(session.scalars(taken.distinct())))


def _rolled(currency: str, period: Period, rolled: transit.RollForward) -> Table:
    captured = Filter(captured=period.span, taken=_GATEWAY)
    banked = Filter(banked=period.span, taken=_GATEWAY)
    lines = (
        ("Not banked when the period began", rolled.opening, None),
        ("Captured", rolled.captured, captured if rolled.captured else None),
        ("Banked, before fees", -rolled.banked, banked if rolled.banked else None),
        ("Not banked when it ended", rolled.closing, None),
    )
    rows = tuple((Cell(name), Cell(amount, door)) for name, amount, door in lines)
    return Table(
        f"From the gateway to the bank, {currency}", (text("What"), money("Amount")), rows, falls=True
    )


def _by_day(currency: str, days: Mapping[date, _Day]) -> Table:
    columns = (
        Column("Trading day", Holds.DAY), count("Captures"), money("Captured"), money("Told in a payout"),
        money("Banked"), money("On its way"), Column("Expected from", Holds.DAY),
    )  # fmt: skip
    rows = tuple(
        (
            Cell(day), Cell(one.captures),
            Cell(Money(one.captured, currency), Filter(captured=dates.day_span(day), taken=_GATEWAY)),
            Cell(Money(one.told, currency)), Cell(Money(one.banked, currency)),
            Cell(Money(one.waits, currency)), Cell(dates.next_bank_day(day) if one.waits else None),
        )
        for day, one in sorted(days.items())
    )  # fmt: skip
    return Table(
        f"By trading day, as the bank shows it now, {currency}", columns, rows,
        added_up(rows, "Together", columns), drawn=5,
    )  # fmt: skip


def _days(session: Session, period: Period) -> Mapping[str, Mapping[date, _Day]]:
    """By currency, all captures of the days that still stand: those of payouts, those whose payout a line of
    the bank stands for."""
    found: defaultdict[str, dict[date, _Day]] = defaultdict(dict)
    for currency, day, number, *minors in session.execute(_question(session, period)):
        found[currency][day] = _Day(int(number), *map(int, minors))
    return found


def _question(session: Session, period: Period) -> Any:
    standing = (
        select(MatchPart.payout_id)
        .join(Match, Match.id == MatchPart.match_id)
        .where(MatchPart.payout_id.is_not(None), Match.undone_at.is_(None))
        .distinct()
        .subquery("standing")
    )
    by = (Receipt.amount_currency, ledger.day(session, Receipt.received_at))
    minor, span = Receipt.amount_minor, period.span
    told, banked = (
        func.sum(case((there.is_not(None), minor), else_=0)) for there in (Payout.id, standing.c.payout_id)
    )
    return (
        select(*by, func.count(), func.sum(minor), told, banked)
        .select_from(Receipt)
        .outerjoin(PayoutLine, and_(PayoutLine.receipt_id == Receipt.id, PayoutLine.state == "stands"))
        .outerjoin(Payout, Payout.id == PayoutLine.payout_id)
        .outerjoin(standing, standing.c.payout_id == Payout.id)
        .where(Receipt.kind == Method.GATEWAY)
        .where(Receipt.received_at >= span.start, Receipt.received_at < span.end)
        .where(~exists().where(Reversal.receipt_id == Receipt.id))
        .group_by(*by)
    )
