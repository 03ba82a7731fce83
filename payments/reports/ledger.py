"""The money that reports count: receipts and what was taken back of them, refunds, fees, on any basis.

Everything here is a question to the database: it adds up there, whatever the number of payments.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Date,
    Subquery,
    and_,
    case,
    cast,
    func,
    literal_column,
    or_,
    select,
    union,
    union_all,
)
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.functions import FunctionElement

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
    SurplusMove,
)
from db.money import Money
from payments.dates import SAST, day_span
from payments.finding.conditions import LEGACY, TAKEN, Filter
from payments.lifecycle import Method
from payments.money_days import payout_day
from payments.reports.period import OF_PAYMENTS, Basis, Period
from payments.sign_off.closed_days import match_day, move_day, moved_surplus

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
#: From so great a part of all events on, their payments are read in the order in which they stand.
_FEW_OF = 4


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

    def of_events(self, column: Any) -> list[ColumnElement[bool]]:
        """The condition that an event is one of these; none where all are."""
        return [] if self.all_events else [column.in_(sorted(self.events))]

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


def moves(scope: Scope, of: Any = None) -> Subquery:
    """Each piece of money: its payment, event, who asked, way, currency, when (``at``) and minor units, less
    than nothing where a receipt was taken back. ``of``: a query of the payments that alone are meant."""
    parts = [_came(scope)]
    if scope.basis not in (Basis.SETTLED, Basis.BANKED):
        parts.append(_gone(scope))
    if of is not None:
        parts = [part.where(Payment.id.in_(of)) for part in parts]
    return union_all(*parts).subquery("moves")


def further(scope: Scope, names: Sequence[str]) -> Any:
    """By these columns of ``moves``: how many pieces of money are not the first of their payment. A payment
    is counted by its pieces less these: to count what differs, a database sorts everything.

    Few payments have several, and an index tells which; the bank may show one receipt twice.
    """
    here = moves(scope, None if scope.basis is Basis.BANKED else _several()).c
    by = [here[name] for name in names]
    return select(*by, func.count() - func.count(here.payment_id.distinct())).group_by(*by)


def _several() -> Any:
    """Payments that more than one piece of money is known of."""
    again = select(Receipt.payment_id).group_by(Receipt.payment_id).having(func.count() > 1)
    return union(again, select(Reversal.payment_id))


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
        query = query.join(Payout, unindexed(Payout.id) == PayoutLine.payout_id)
    return query.where(*_within(scope, at))


def _gone(scope: Scope) -> Any:
    """What was found not to be here after all: on the day that was found, or with its payment."""
    at: Any = Reversal.reversed_at if scope.money_moves else unindexed(payment_moment(scope.basis))
    query = (
        select(*_columns(at, -Reversal.amount_minor))
        .select_from(Reversal)
        .join(Receipt, Receipt.id == Reversal.receipt_id)
        .join(Payment, Payment.id == Reversal.payment_id)
    )
    return query.where(*_within(scope, at))


#: The first of these that is said is the day on which our books count a line's match.
_BANK_DAYS = (Match.booked_on, StatementLine.booked_on, StatementLine.on)


def _banked(scope: Scope) -> Any:
    """By way of a payout, or a line of the bank that is for the very payment."""
    day = match_day()
    parts = (
        select(*_columns(day, Receipt.amount_minor))
        .select_from(MatchPart)
        .join(Match, Match.id == MatchPart.match_id)
        .join(StatementLine, StatementLine.id == Match.line_id)
    )
    inside = PayoutLine.payout_id == unindexed(
        MatchPart.payout_id
    )  # from the days to what is in their payouts
    settled = parts.join(PayoutLine, and_(inside, _stands()))
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
    made.append(
        moved_surplus(*_columns(move_day(), Receipt.amount_minor))
        .join(Receipt, Receipt.id == SurplusMove.receipt_id)
        .join(Payment, Payment.id == Receipt.payment_id)
        .where(*_of_events(scope), on_days(scope.period, SurplusMove.booked_on, *_BANK_DAYS))
    )
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
    if scope.basis is Basis.SETTLED:
        return [*conditions, on_days(scope.period, Payout.paid_on, Payout.last_on)]
    if scope.basis is Basis.BANKED:
        return [*conditions, on_days(scope.period, *_BANK_DAYS)]
    return [*conditions, at >= scope.period.span.start, at < scope.period.span.end]


def _of_events(scope: Scope) -> list[ColumnElement[bool]]:
    counted = sorted(scope.counted)
    if not scope.all_events:
        return [Payment.event_id.in_(counted)]
    if len(counted) == len(scope.events):
        return []
    few = len(counted) * _FEW_OF < len(scope.events)
    return [(Payment.event_id if few else unindexed(Payment.event_id)).in_(counted)]


def on_days(period: Period, *days: Any) -> ColumnElement[bool]:
    """The first of these days that is known is within the period: as their coalesce, but each told by itself,
    so that PostgreSQL knows how many rows to expect."""
    ways = [
        and_(day.between(period.first, period.last), *(other.is_(None) for other in days[:nth]))
        for nth, day in enumerate(days)
    ]
    return or_(*ways)


class unindexed(FunctionElement[Any]):  # noqa: N801  it is used as a function
    """The same value, which no index of SQLite finds: for a condition that leaves so much, or is of so few
    rows, that they are best read from the other end. SQLite knows no numbers of rows; PostgreSQL plans by
    them."""

    inherit_cache = True

    def __init__(self, column: Any) -> None:
        super().__init__(column)
        self.type = column.type


@compiles(unindexed)
def _as_it_is(element: unindexed, compiler: Any, **words: Any) -> str:
    return str(compiler.process(element.clauses, **words))


@compiles(unindexed, "sqlite")
def _with_a_plus(element: unindexed, compiler: Any, **words: Any) -> str:
    return f"+{compiler.process(element.clauses, **words)}"


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
    query = select(*by, func.count(), *(func.sum(one) for one in sums))
    return query.join(PayoutLine, fee_told(here)).group_by(*by)


def fee_told(here: Any) -> ColumnElement[bool]:
    """The line of a payout, one at most, in which a file of the gateway told the fee of a piece of money."""
    mine = PayoutLine.receipt_id == here.receipt_id
    return and_(mine, _stands(), PayoutLine.file_id.is_not(None), here.minor > 0)


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


def day(session: Session, moment: Any) -> ColumnElement[date]:
    """The business day of a moment. SQLite knows no zones; ours is two hours ahead, summer and winter."""
    if session.get_bind().dialect.name == "sqlite":
        return func.date(moment, "+2 hours", type_=Date)
    return cast(func.timezone(SAST.key, moment), Date)
