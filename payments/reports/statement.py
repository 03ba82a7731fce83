"""A statement to the organiser of one event: one account of the gateway serves many, and each has its share.

What came, less refunds, less what the gateway kept and the VAT on that, is the organiser's balance; part of
it the gateway still holds. Sums are those of ``revenue`` by the day money moved, so that the two agree.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from sqlalchemy import and_, case, exists, func, or_, select
from sqlalchemy.orm import Session

from db.models import Payment, Payout, PayoutLine, Receipt, Reversal
from db.money import Money
from payments import dates
from payments.finding.conditions import LEGACY, Filter
from payments.lifecycle import Method
from payments.money_days import payout_day
from payments.reports import ledger, revenue
from payments.reports.ledger import Scope
from payments.reports.period import Period
from payments.reports.report import (
    Cell,
    Column,
    Headline,
    Holds,
    Row,
    Table,
    added_up,
    count,
    money,
    text,
)
from payments.reports.revenue import Sums
from payments.reports.takings import HEADS
from payments.selling import organisers

_BEGINNING = date(2000, 1, 1)
_PAID_OVER = (
    "What was paid over to the organiser already is not booked at this desk: take it off what is owed."
)
_PAYOUT_FEES = "What a payout costs by itself is of all events together, and not in it."


@dataclass(frozen=True)
class _Standing:
    """At the end of a day, in minor units: all that is the organiser's, and what of it the gateway holds."""

    balance: int
    held: int

    @property
    def owed(self) -> int:
        return self.balance - self.held


@dataclass(frozen=True)
class _Account:
    """Of one currency."""

    currency: str
    opening: _Standing
    closing: _Standing
    moved: Sums
    before: Sums

    def amount(self, minor: int) -> Money:
        return Money(minor, self.currency)


def make(session: Session, scope: Scope) -> tuple[tuple[Headline, ...], tuple[Table, ...], tuple[str, ...]]:
    """``scope`` is of one event, on the basis of the day money was taken."""
    (event_id,) = scope.events
    accounts = list(_accounts(session, scope))
    scope = replace(scope, several_currencies=len(accounts) > 1)
    headline: list[Headline] = []
    tables: list[Table] = []
    for one in accounts:
        headline += _headline(scope, one)
        details = (_by_way(session, scope, one), _payouts(session, scope, one))
        tables += [_rolled(one), _where(one), *(each for each in details if each.rows)]
    notes = [_PAID_OVER, _PAYOUT_FEES, *_untold(accounts)]
    if name := organisers.of(session, event_id).name:
        notes.insert(0, f"For {name}.")
    return tuple(headline), tuple(tables), tuple(notes)


def _accounts(session: Session, scope: Scope) -> Iterator[_Account]:
    last_before = scope.period.first - timedelta(days=1)
    earlier = revenue.totals(session, scope.on(Period(_BEGINNING, last_before)))
    before = revenue.totals(session, scope.on(scope.period.before))
    moved = {currency: sums for (currency, _), sums in revenue.read(session, scope).items()}  # of one event
    held_then, held_now = _held(session, scope, last_before), _held(session, scope, scope.period.last)
    for currency in sorted({*earlier, *moved}):
        opening = earlier.get(currency, Sums()).net
        change = moved.get(currency, Sums())
        yield _Account(
            currency, _Standing(opening, held_then.get(currency, 0)),
            _Standing(opening + change.net, held_now.get(currency, 0)), change, before.get(currency, Sums()),
        )  # fmt: skip


def _held(session: Session, scope: Scope, last: date) -> dict[str, int]:
    """By currency: what the gateway took by the end of a day and paid out in no payout up to it, less what
    its files tell that it will keep of that."""
    end = dates.day_span(last).end
    told = case((PayoutLine.file_id.is_not(None), PayoutLine.fee_minor + PayoutLine.vat_minor), else_=0)
    taken_back = exists().where(Reversal.receipt_id == Receipt.id, Reversal.reversed_at < end)
    query = (
        select(Receipt.amount_currency, func.sum(Receipt.amount_minor - func.coalesce(told, 0)))
        .join(Payment, Payment.id == Receipt.payment_id)
        .outerjoin(PayoutLine, and_(PayoutLine.receipt_id == Receipt.id, PayoutLine.state == "stands"))
        .outerjoin(Payout, Payout.id == PayoutLine.payout_id)
        .where(Receipt.kind == Method.GATEWAY, Receipt.received_at < end, Payment.origin != LEGACY)
        .where(Payment.event_id.in_(scope.events), ~taken_back)
        .where(or_(payout_day().is_(None), payout_day() > last))
        .group_by(Receipt.amount_currency)
    )
    return {currency: int(minor) for currency, minor in session.execute(query)}


# -- what it shows ------------------------------------------------------------------------------------


def _headline(scope: Scope, one: _Account) -> Iterator[Headline]:
    moved, before = one.moved, one.before
    yield Headline(
        f"Owed to the organiser in {one.currency}", Cell(one.amount(one.closing.owed)),
        one.amount(one.opening.owed),
    )  # fmt: skip
    yield Headline("Held by the gateway", Cell(one.amount(one.closing.held)), one.amount(one.opening.held))
    gross = scope.door(one.currency) if moved.payments else None
    yield Headline("Gross", Cell(one.amount(moved.gross), gross), one.amount(before.gross), True)
    gone = _refunded(scope, one.currency) if moved.refunds else None
    yield Headline("Refunds", Cell(one.amount(moved.refunds), gone), one.amount(before.refunds), False)
    kept = one.amount(moved.fee + moved.vat)
    yield Headline("Fees with VAT", Cell(kept), one.amount(before.fee + before.vat), False)


def _refunded(scope: Scope, currency: str) -> Filter:
    return replace(scope.door(currency), captured=None, refunded=scope.period.span)


def _rolled(one: _Account) -> Table:
    """From the opening balance to the closing one, line by line."""
    moved = one.moved
    lines = (
        ("Balance when the period began", one.opening.balance), ("Gross", moved.gross),
        ("Refunds", -moved.refunds), ("Fees kept", -moved.fee), ("VAT on the fees", -moved.vat),
        ("Balance when it ended", one.closing.balance),
    )  # fmt: skip
    rows = tuple((Cell(name), Cell(one.amount(minor))) for name, minor in lines)
    return Table(f"Account, {one.currency}", (text("What"), money("Amount")), rows, falls=True)


def _where(one: _Account) -> Table:
    columns = (text("Where the balance is"), money("When it began"), money("When it ended"))
    pairs = (
        ("Owed: here, or paid out by the gateway", one.opening.owed, one.closing.owed),
        ("Held by the gateway: in no payout yet", one.opening.held, one.closing.held),
    )
    rows = tuple((Cell(name), Cell(one.amount(then)), Cell(one.amount(now))) for name, then, now in pairs)
    return Table(f"Owed and held, {one.currency}", columns, rows, added_up(rows, "Balance", columns))


def _by_way(session: Session, scope: Scope, one: _Account) -> Table:
    columns = (text("How it came"), count("Payments"), money("Gross"))
    here = ledger.moves(scope).c
    query = select(here.way, func.count(here.payment_id.distinct()), func.sum(here.minor))
    query = query.where(here.currency == one.currency).group_by(here.way)
    found = {way: (int(number), int(minor)) for way, number, minor in session.execute(query)}
    rows = tuple(
        (
            Cell(HEADS[way]), Cell(found[way][0]),
            Cell(one.amount(found[way][1]), scope.door(one.currency, **ledger.by_way(way))),
        )
        for way in ledger.WAYS
        if way in found
    )  # fmt: skip
    door = scope.door(one.currency) if rows else None
    return Table(
        f"Gross by the way it came, {one.currency}", columns, rows, _total(rows, columns, door), drawn=2
    )


def _payouts(session: Session, scope: Scope, one: _Account) -> Table:
    """This event's part of each payout of these days."""
    columns = (
        Column("Paid out", Holds.DAY), count("Payments"), money("Gross"), money("Fees"), money("VAT on fees"),
        money("This event's part"),
    )  # fmt: skip
    settled = Filter(settled=scope.period.span, events=(next(iter(scope.events.values()))[0],))
    rows = tuple(_payout(one, line) for line in session.execute(_payout_lines(scope, one.currency)))
    return Table(
        f"Paid out by the gateway on these days, {one.currency}", columns, rows,
        _total(rows, columns, settled if rows else None),
    )  # fmt: skip


def _payout_lines(scope: Scope, currency: str) -> Any:
    day = payout_day()
    told = PayoutLine.file_id.is_not(None)
    fee = func.sum(case((told, PayoutLine.fee_minor), else_=0))
    vat = func.sum(case((told, PayoutLine.vat_minor), else_=0))
    return (
        select(day, func.count(Receipt.payment_id.distinct()), func.sum(Receipt.amount_minor), fee, vat)
        .select_from(PayoutLine)
        .join(Payout, Payout.id == PayoutLine.payout_id)
        .join(Receipt, Receipt.id == PayoutLine.receipt_id)
        .join(Payment, Payment.id == Receipt.payment_id)
        .where(PayoutLine.state == "stands", Receipt.amount_currency == currency)
        .where(Payment.event_id.in_(scope.events))
        .where(day >= scope.period.first, day <= scope.period.last)
        .group_by(Payout.id, day)
        .order_by(day, Payout.id)
    )


def _payout(one: _Account, line: Any) -> Row:
    day, number, gross, fee, vat = line
    on = day if isinstance(day, date) else date.fromisoformat(day)
    parts = (int(gross), int(fee), int(vat), int(gross) - int(fee) - int(vat))
    return (Cell(on), Cell(int(number)), *(Cell(one.amount(minor)) for minor in parts))


def _total(rows: tuple[Row, ...], columns: tuple[Column, ...], door: Filter | None) -> Row:
    """``door`` lists what the column Gross counts; payments of several rows may be the same ones."""
    if not rows:
        return ()
    cells = list(added_up(rows, "Together", columns))
    place = next(nth for nth, column in enumerate(columns) if column.name == "Gross")
    cells[1] = Cell(None)
    cells[place] = Cell(cells[place].value, door)
    return tuple(cells)


def _untold(accounts: list[_Account]) -> Iterator[str]:
    for one in accounts:
        if untold := one.moved.by_gateway - one.moved.fee_told:
            yield (
                f"Of {one.amount(untold)} by the gateway no file of its own tells the fee yet: the balance "
                "will be less by it."
            )
