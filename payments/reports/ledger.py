"""The money that reports count: receipts and what was taken back of them, refunds, fees, on any basis.

Everything here is a question to the database: it adds up there, whatever the number of payments.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    String,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal_column,
    select,
    text,
    union_all,
)
from sqlalchemy.orm import Session

from db.models import (
    Match,
    MatchPart,
    Payment,
    Payout,
    PayoutLine,
    Receipt,
    Refund,
    RefundReturn,
    Reversal,
    StatementLine,
)
from db.money import Money
from payments.closed_days import match_day
from payments.conditions import LEGACY, TAKEN, Filter
from payments.dates import business_day, day_span
from payments.lifecycle import Method
from payments.money_days import payout_day
from payments.reports.period import OF_PAYMENTS, Basis, Period

#: What a settlement line told of money that came by the gateway.
TOLD = (Method.CARD, Method.INSTANT_EFT)
GATEWAY = (*TOLD, Method.GATEWAY)
#: In place of a method: money that the earlier system's records tell of.
EARLIER = "earlier"
#: Ways money comes, in the order that reports show them.
WAYS = (*TOLD, Method.GATEWAY, Method.CARD_SLIP, Method.CASH, Method.EFT, EARLIER)

#: An event that is none: a list of no event is not one of all.
_NO_EVENT = "-"
#: All the days there may be something of, for a list that asks for any.
EVER = day_span(date(2000, 1, 1), date(2999, 12, 31))


@dataclass(frozen=True)
class Scope:
    """Which payments and days. ``events``: code and name of each that there is, by id; ``all_events``
    says that the list needs no condition for them."""

    events: Mapping[int, tuple[str, str]]
    first_days: Mapping[int, date]
    all_events: bool
    basis: Basis
    period: Period
    several_currencies: bool = False
    as_of: datetime | None = None  # the session is of this moment, and what is added up ahead is not

    @property
    def money_moves(self) -> bool:
        """Each piece of money counts on its own day."""
        return self.basis not in OF_PAYMENTS

    @property
    def counted(self) -> frozenset[int]:
        """The events that count: on the basis of events, those that begin within the period."""
        if self.basis is not Basis.EVENT:
            return frozenset(self.events)
        days = self.period
        return frozenset(each for each, day in self.first_days.items() if days.first <= day <= days.last)

    def on(self, period: Period) -> "Scope":
        return replace(self, period=period)

    def door(self, currency: str = "", **more: Any) -> Filter:
        """The list of the payments whose money is counted; ``more`` narrows it."""
        codes = tuple(self.events[each][0] for each in sorted(self.counted))
        fields: dict[str, Any] = {}
        if self.basis is Basis.EVENT:
            fields["events"] = codes or (_NO_EVENT,)
        else:
            fields[self.basis] = self.period.span
            fields["events"] = () if self.all_events else codes
        if not self.money_moves:
            fields["taken"] = TAKEN
        if self.several_currencies and currency:
            fields["amount_from"] = Money(0, currency)
        return Filter(**fields | more)


def by_way(way: str) -> dict[str, Any]:
    """What a list must ask for to show the payments whose money came so."""
    if way == EARLIER:
        return {"origins": (LEGACY,)}
    ours = {"not_origins": (LEGACY,)}
    if way in TOLD:
        return ours | {"taken": (str(Method.GATEWAY),), "methods": (way,)}
    if way == Method.GATEWAY:
        return ours | {"taken": (way,), "not_methods": tuple(map(str, TOLD))}
    return ours | {"taken": (str(way),)}


def way() -> ColumnElement[str]:
    """Which of ``WAYS`` a receipt came."""
    told = and_(Receipt.kind == Method.GATEWAY, Payment.method.in_(TOLD))
    return case((Payment.origin == LEGACY, EARLIER), (told, Payment.method), else_=Receipt.kind)


def moves(scope: Scope) -> Subquery:
    """Each piece of money: its payment, event, who asked, way, currency, when (``at``) and minor units, less
    than nothing where a receipt was taken back."""
    parts = [_came(scope)]
    if scope.basis not in (Basis.SETTLED, Basis.BANKED):
        parts.append(_gone(scope))
    return union_all(*parts).subquery("moves")


def _columns(at: Any, minor: Any) -> tuple[Any, ...]:
    return (
        Payment.id.label("payment_id"), Payment.event_id.label("event_id"),
        Payment.created_by.label("organiser"), way().label("way"),
        Receipt.amount_currency.label("currency"), at.label("at"), minor.label("minor"),
        Receipt.id.label("receipt_id"),
    )  # fmt: skip


def _came(scope: Scope) -> Any:
    if scope.basis is Basis.BANKED:
        return _banked(scope)
    at: Any = Receipt.received_at
    if not scope.money_moves:
        at = payment_moment(scope.basis)
    elif scope.basis is Basis.SETTLED:
        at = payout_day()
    query = select(*_columns(at, Receipt.amount_minor)).select_from(Receipt)
    query = query.join(Payment, Payment.id == Receipt.payment_id)
    if scope.basis is Basis.SETTLED:
        query = query.join(PayoutLine, and_(PayoutLine.receipt_id == Receipt.id, _stands()))
        query = query.join(Payout, Payout.id == PayoutLine.payout_id)
    return query.where(*_within(scope, at))


def _gone(scope: Scope) -> Any:
    """What was found not to be here after all: on the day that was found, or with its payment."""
    at: Any = Reversal.reversed_at if scope.money_moves else payment_moment(scope.basis)
    query = (
        select(*_columns(at, -Reversal.amount_minor))
        .select_from(Reversal)
        .join(Receipt, Receipt.id == Reversal.receipt_id)
        .join(Payment, Payment.id == Reversal.payment_id)
    )
    return query.where(*_within(scope, at))


def _banked(scope: Scope) -> Any:
    """By way of a payout, or a line of the bank that is for the very payment."""
    day = match_day()
    parts = (
        select(*_columns(day, Receipt.amount_minor))
        .select_from(MatchPart)
        .join(Match, Match.id == MatchPart.match_id)
        .join(StatementLine, StatementLine.id == Match.line_id)
    )
    settled = parts.join(PayoutLine, and_(PayoutLine.payout_id == MatchPart.payout_id, _stands()))
    both = (
        settled.join(Receipt, Receipt.id == PayoutLine.receipt_id),
        parts.join(Receipt, Receipt.id == MatchPart.receipt_id),
    )
    made = [
        query.join(Payment, Payment.id == Receipt.payment_id).where(
            Match.undone_at.is_(None), *_within(scope, day)
        )
        for query in both
    ]
    return select(union_all(*made).subquery("banked"))


def payment_moment(basis: Basis) -> Any:
    """The moment of a payment's own; the day of an event is a condition on its events alone."""
    return Payment.paid_at if basis is Basis.PAID else Payment.created_at


def of_payments(scope: Scope) -> list[ColumnElement[bool]]:
    """Payments of the period, on a basis by which a payment counts once."""
    return _within(scope, payment_moment(scope.basis))


def _within(scope: Scope, at: Any) -> list[ColumnElement[bool]]:
    conditions = _of_events(scope)
    if scope.basis is Basis.EVENT:
        return conditions
    if scope.basis in (Basis.SETTLED, Basis.BANKED):
        return [*conditions, at >= scope.period.first, at <= scope.period.last]
    return [*conditions, at >= scope.period.span.start, at < scope.period.span.end]


def _of_events(scope: Scope) -> list[ColumnElement[bool]]:
    if scope.all_events and scope.basis is not Basis.EVENT:
        return []
    return [Payment.event_id.in_(sorted(scope.counted))]


def _stands() -> ColumnElement[bool]:
    return PayoutLine.state == literal_column("'stands'")


def refunds(scope: Scope) -> Any:
    """By event and currency: how much was given back, on the day it was, or with its payment."""
    if not scope.money_moves:
        return given_back((), (), of_payments(scope))
    days, span = scope.period, scope.period.span
    made = (Refund.refunded_on >= days.first, Refund.refunded_on <= days.last)
    back = (RefundReturn.at >= span.start, RefundReturn.at < span.end)
    return given_back(made, back, _of_events(scope))


def given_back(
    made: Iterable[ColumnElement[bool]],
    back: Iterable[ColumnElement[bool]],
    payments: Iterable[ColumnElement[bool]],
) -> Any:
    """By event and currency: refunds that were made, and below nothing those that the bank sent back."""
    stands = RefundReturn.undone_at.is_(None)
    parts = ((Refund, 1, tuple(made)), (RefundReturn, -1, (stands, *back)))
    return union_all(
        *(
            select(Payment.event_id, table.amount_currency, func.sum(sign * table.amount_minor))
            .select_from(table)
            .join(Payment, Payment.id == table.payment_id)
            .where(*when, *payments)
            .group_by(Payment.event_id, table.amount_currency)
            for table, sign, when in parts
        )
    )


def fees(scope: Scope) -> Any:
    """By event, way and currency: of how much the gateway told a fee, the fee, and the VAT on it."""
    here = moves(scope).c
    by = (here.event_id, here.way, here.currency)
    sums = (PayoutLine.gross_minor, PayoutLine.fee_minor, PayoutLine.vat_minor)
    return (
        select(*by, func.count(), *(func.sum(one) for one in sums))
        .join(PayoutLine, and_(PayoutLine.receipt_id == here.receipt_id, _stands()))
        .where(PayoutLine.file_id.is_not(None), here.minor > 0)
        .group_by(*by)
    )


def payout_fees(scope: Scope) -> Any:
    """By currency: what payouts themselves cost, on the day that the basis speaks of."""
    day: Any = payout_day() if scope.basis is Basis.SETTLED else Payout.last_on
    query = select(Payout.currency, func.sum(Payout.payout_fee_minor)).where(Payout.undone_at.is_(None))
    if scope.basis is Basis.BANKED:
        day = match_day()
        query = (
            query.join(MatchPart, MatchPart.payout_id == Payout.id)
            .join(Match, and_(Match.id == MatchPart.match_id, Match.undone_at.is_(None)))
            .join(StatementLine, StatementLine.id == Match.line_id)
        )
    return query.where(day >= scope.period.first, day <= scope.period.last).group_by(Payout.currency)


# -- days ---------------------------------------------------------------------------------------------


def hour(session: Session, column: Any) -> Any:
    """The UTC hour of a moment, or a day as it is, as text: reports count by days that begin on the hour."""
    if session.get_bind().dialect.name == "sqlite":
        return func.substr(cast(column, String), 1, 13)
    return func.to_char(column, text("'YYYY-MM-DD HH24'"))


def day_of(told: str, *, a_day: bool) -> date:
    """The business day of what ``hour`` told; ``a_day``: of a column of days."""
    if a_day:
        return date.fromisoformat(told[:10])
    return business_day(datetime.strptime(told, "%Y-%m-%d %H").replace(tzinfo=UTC))
