"""Money the gateway took that the bank does not show yet, by trading day, with the day it is expected."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import and_, exists, func, select
from sqlalchemy.orm import Session

from db.models import Match, MatchPart, Payout, PayoutLine, Receipt, Reversal, Tally
from db.money import Money
from payments import dates, tallies, transit
from payments.conditions import Filter
from payments.lifecycle import Method
from payments.people import Action, Person, check
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
    for currency in _currencies(session):
        rolled = transit.of_days(session, person, period.first, period.last, currency)
        headline.append(
            Headline(f"On its way in {currency}", Cell(rolled.closing), rolled.opening, more_is_better=None)
        )
        tables += [_rolled(currency, period, rolled), _by_day(session, currency, period)]
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


def _by_day(session: Session, currency: str, period: Period) -> Table:
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
        for day, one in sorted(_days(session, currency, period).items())
    )  # fmt: skip
    return Table(
        f"By trading day, as the bank shows it now, {currency}", columns, rows,
        added_up(rows, "Together", columns), drawn=5,
    )  # fmt: skip


def _days(session: Session, currency: str, period: Period) -> dict[date, _Day]:
    found: defaultdict[date, _Day] = defaultdict(_Day)
    for query, names in _questions(session, currency, period):
        for hour, number, minor in session.execute(query):
            one = found[ledger.day_of(hour, a_day=False)]
            one.captures += int(number) if "captured" in names else 0
            for name in names:
                setattr(one, name, getattr(one, name) + int(minor))
    return found


def _questions(session: Session, currency: str, period: Period) -> Iterator[tuple[Any, tuple[str, ...]]]:
    """All captures of the days that still stand; those of payouts; those whose payout a line stands for."""
    hour = ledger.hour(session, Receipt.received_at)
    span = period.span
    taken = (
        select(hour, func.count(), func.sum(Receipt.amount_minor))
        .where(Receipt.kind == Method.GATEWAY, Receipt.amount_currency == currency)
        .where(Receipt.received_at >= span.start, Receipt.received_at < span.end)
        .where(~exists().where(Reversal.receipt_id == Receipt.id))
        .group_by(hour)
    )
    told = taken.join(
        PayoutLine, and_(PayoutLine.receipt_id == Receipt.id, PayoutLine.state == "stands")
    ).join(Payout, Payout.id == PayoutLine.payout_id)
    banked = exists().where(
        MatchPart.payout_id == Payout.id, Match.id == MatchPart.match_id, Match.undone_at.is_(None)
    )
    yield taken, ("captured",)
    yield told, ("told",)
    yield told.where(banked), ("banked",)
