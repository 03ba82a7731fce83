"""Open items, rolled forward: opening + billed − paid + refunded − let go = closing, for each event.

Billed, paid and what was waived, cancelled or let expire are the desk's running totals by the hour, and a
business day begins on the hour. What is given back is not asked for again: it stands among what was let go
too, so that a refund opens nothing. A credit lets go of what is not given back yet: its refund does then.
"""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from db.models import AmountChange, Match, MatchPart, Payment, Refund, RefundReturn, Reversal
from db.money import Money
from payments import dates
from payments.dates import Span
from payments.finding.conditions import Filter
from payments.lifecycle import CLOSED, PENDING, Status
from payments.live import tallies
from payments.money_back import crediting
from payments.reports import ledger
from payments.reports.ledger import Scope
from payments.reports.report import Cell, Headline, Row, Table, added_up, money, text

_WAYS = {
    "gateway": "Paid by link",
    "card_slip": "Paid at the card machine",
    "cash": "Paid in cash",
    "eft": "Paid by EFT",
}
_GONE = {"waived": "Waived", "cancelled": "Cancelled", "expired": "Expired"}
WRITTEN_OFF, REFUNDED, CREDITED = "written_off", "refunded", "credited"


@dataclass(frozen=True)
class Roll:
    """Of one event and currency, in minor units. ``paid`` by way, ``let_go`` by why."""

    opening: int
    billed: int
    paid: Mapping[str, int]
    refunded: int
    let_go: Mapping[str, int]

    @property
    def closing(self) -> int:
        return (
            self.opening + self.billed - sum(self.paid.values()) + self.refunded - sum(self.let_go.values())
        )


#: By event and currency: what happened, by what.
_Moves = defaultdict[tuple[int, str], dict[str, int]]
_BILLED = "billed"


def read(session: Session, scope: Scope) -> dict[tuple[int, str], Roll]:
    span = scope.period.span
    before, within = _tallied(session, scope)
    _beside_tallies(session, scope, before, None, span.start)
    _beside_tallies(session, scope, within, span.start, span.end)
    found = {}
    for key in sorted({*before, *within}):
        opening = _roll(0, before[key]).closing
        roll = _roll(opening, within[key])
        if roll.opening or any(within[key].values()):
            found[key] = roll
    return found


def _roll(opening: int, moves: Mapping[str, int]) -> Roll:
    return Roll(
        opening, moves.get(_BILLED, 0), {way: moves[way] for way in _WAYS if moves.get(way)},
        moves.get(REFUNDED, 0),
        {why: moves[why] for why in (*_GONE, WRITTEN_OFF, CREDITED, REFUNDED) if moves.get(why)},
    )  # fmt: skip


def _tallied(session: Session, scope: Scope) -> tuple[_Moves, _Moves]:
    """What the running totals tell of before the period, and of it. ``created`` of the status is what was
    billed."""
    sums = tallies.added_up(scope.period.span.start, scope.period.span.end).c
    what = case((sums.measure == tallies.STATUS, _BILLED), else_=sums.key)
    wanted = (sums.measure != tallies.STATUS) | (sums.key == Status.CREATED)
    by = (sums.before, sums.event_id, sums.currency, what)
    query = select(*by, func.sum(sums.sum_minor)).where(wanted, *scope.of_events(sums.event_id)).group_by(*by)
    within, before = (_Moves(lambda: defaultdict(int)) for _ in range(2))
    for is_before, event_id, currency, one, minor in session.execute(query):
        (before if is_before else within)[event_id, currency][one] += int(minor)
    return before, within


def _beside_tallies(
    session: Session, scope: Scope, found: _Moves, start: datetime | None, end: datetime
) -> None:
    """What else happened from ``start`` (None: ever) to ``end``."""
    for event_id, currency, minor in session.execute(_given_back(scope, start, end)):
        found[event_id, currency][REFUNDED] += int(minor)
    for query in _off(scope, start, end):
        for event_id, currency, minor in session.execute(query):
            found[event_id, currency][WRITTEN_OFF] += int(minor)
    for until, sign in ((end, 1), (start, -1)):
        for key, minor in _credited(session, scope, until).items() if until is not None else ():
            found[key][CREDITED] += sign * minor


def _credited(session: Session, scope: Scope, until: datetime) -> dict[tuple[int, str], int]:
    """What was credited and not given back at a moment: few payments, each for itself."""
    by = (Payment.event_id, Payment.amount_currency)
    credited = (
        select(AmountChange.payment_id, *by, func.sum(AmountChange.amount_minor))
        .join(Payment, Payment.id == AmountChange.payment_id)
        .where(AmountChange.kind == crediting.CREDITED, AmountChange.at < until)
        .where(*scope.of_events(Payment.event_id))
        .group_by(AmountChange.payment_id, *by)
    )
    rows = session.execute(credited).all()
    back = _back(session, [payment_id for payment_id, *_ in rows], until)
    found: dict[tuple[int, str], int] = defaultdict(int)
    for payment_id, event_id, currency, minor in rows:
        found[event_id, currency] += max(0, int(minor) - back.get(payment_id, 0))
    return found


def _back(session: Session, ids: Collection[int], until: datetime) -> dict[int, int]:
    """What was given back of payments until a moment, by the days that ``_given_back`` counts."""
    last = dates.business_day(until - timedelta(microseconds=1))
    made = select(Refund.payment_id, func.sum(Refund.amount_minor)).where(Refund.refunded_on <= last)
    came = select(RefundReturn.payment_id, -func.sum(RefundReturn.amount_minor)).where(
        RefundReturn.at < until, RefundReturn.undone_at.is_(None)
    )
    found: dict[int, int] = defaultdict(int)
    for query, table in ((made, Refund), (came, RefundReturn)):
        of_these = query.where(table.payment_id.in_(ids)).group_by(table.payment_id)
        for payment_id, minor in session.execute(of_these):
            found[payment_id] += int(minor)
    return found


def _given_back(scope: Scope, start: datetime | None, end: datetime) -> Any:
    first, last = scope.period.first, scope.period.last
    made = Refund.refunded_on < first if start is None else Refund.refunded_on.between(first, last)
    back = [RefundReturn.at < end] + ([RefundReturn.at >= start] if start is not None else [])
    return ledger.given_back([made], back, scope.of_events(Payment.event_id))


def _off(scope: Scope, start: datetime | None, end: datetime) -> Iterator[Any]:
    """What matches let payments off, and what they do no more: undone, or their money taken back."""
    by = (Payment.event_id, MatchPart.amount_currency)
    over = func.coalesce(Match.undone_at, Reversal.reversed_at)
    for moment, sign in ((Match.at, 1), (over, -1)):
        query = (
            select(*by, func.sum(sign * MatchPart.written_off_minor))
            .select_from(MatchPart)
            .join(Match, Match.id == MatchPart.match_id)
            .join(Payment, Payment.id == MatchPart.payment_id)
            .outerjoin(Reversal, Reversal.receipt_id == MatchPart.receipt_id)
            .where(MatchPart.written_off_minor > 0, moment < end, *scope.of_events(Payment.event_id))
        )
        yield (query.where(moment >= start) if start is not None else query).group_by(*by)


# -- the report ---------------------------------------------------------------------------------------


def make(
    session: Session, scope: Scope, *, now: datetime
) -> tuple[tuple[Headline, ...], tuple[Table, ...], tuple[str, ...]]:
    found = read(session, scope)
    currencies = sorted({currency for _, currency in found})
    scope = replace(scope, several_currencies=len(currencies) > 1)
    still = scope.period.span.end > now
    asked = _asked(session, scope) if still else {}
    headline: list[Headline] = []
    tables: list[Table] = []
    for currency in currencies:
        mine = {event_id: roll for (event_id, one), roll in found.items() if one == currency}
        closing = sum(roll.closing for roll in mine.values())
        opening = sum(roll.opening for roll in mine.values())
        headline.append(
            Headline(f"Open in {currency}", Cell(Money(closing, currency)), Money(opening, currency), False)
        )
        listed = {
            event_id for event_id, roll in mine.items() if asked.get((event_id, currency)) == roll.closing
        }
        tables.append(_summary(scope, currency, mine, listed))
        tables += [_page(scope, currency, event_id, roll) for event_id, roll in _in_order(scope, mine)]
    return tuple(headline), tuple(tables), tuple(_notes(session, scope, currencies, still=still))


def _asked(session: Session, scope: Scope) -> dict[tuple[int, str], int]:
    """What the payments on the list of those that are open still want now. Where some were paid beyond what
    they asked for, what is open is less than that, and no list shows it."""
    by = (Payment.event_id, Payment.amount_currency)
    owed = func.sum(Payment.amount_minor - Payment.written_off_minor - Payment.received_minor)
    query = select(*by, owed).where(Payment.status.in_([str(one) for one in PENDING]))
    rows = session.execute(query.where(*scope.of_events(Payment.event_id)).group_by(*by))
    return {(event_id, currency): int(minor) for event_id, currency, minor in rows}


def _in_order(scope: Scope, mine: Mapping[int, Roll]) -> list[tuple[int, Roll]]:
    return sorted(mine.items(), key=lambda one: scope.events[one[0]][1])


def _summary(scope: Scope, currency: str, mine: Mapping[int, Roll], listed: set[int]) -> Table:
    columns = (
        text("Event"), money("Opening"), money("Billed"), money("Paid"), money("Refunded"), money("Let go"),
        money("Closing"),
    )  # fmt: skip
    rows = [
        _row(scope, currency, event_id, roll, listed=event_id in listed)
        for event_id, roll in _in_order(scope, mine)
    ]
    total = added_up(rows, "Together", columns)
    return Table(f"Open items by event, {currency}", columns, tuple(rows), total, drawn=6)


def _row(scope: Scope, currency: str, event_id: int, roll: Roll, *, listed: bool) -> Row:
    def cell(minor: int, door: Filter | None = None) -> Cell:
        return Cell(Money(minor, currency), door if minor else None)

    doors = _doors(scope, currency, event_id)
    return (
        Cell(scope.events[event_id][1]), cell(roll.opening), cell(roll.billed, doors["billed"]),
        cell(-sum(roll.paid.values()), doors["paid"]), cell(roll.refunded, doors["refunded"]),
        cell(-sum(roll.let_go.values())), cell(roll.closing, doors["open"] if listed else None),
    )  # fmt: skip


def _doors(scope: Scope, currency: str, event_id: int) -> dict[str, Filter]:
    """The lists of what moved; of what is open there is one only for now."""
    span: Span = scope.period.span
    mine: dict[str, Any] = {"events": (scope.events[event_id][0],)}
    if scope.several_currencies:
        mine["amount_from"] = Money(0, currency)
    return {
        "billed": Filter(created=span, **mine), "paid": Filter(captured=span, **mine),
        "refunded": Filter(refunded=span, **mine),
        "open": Filter(statuses=tuple(one for one in Status if one in PENDING), **mine),
    }  # fmt: skip


def _page(scope: Scope, currency: str, event_id: int, roll: Roll) -> Table:
    """One event, line by line."""
    doors = _doors(scope, currency, event_id)
    lines: list[tuple[str, int, Filter | None]] = [
        ("Opening", roll.opening, None), ("Billed", roll.billed, doors["billed"] if roll.billed else None),
    ]  # fmt: skip
    for way, minor in roll.paid.items():
        lines.append((_WAYS[way], -minor, replace(doors["paid"], taken=(way,))))
    if roll.refunded:
        lines.append(("Given back", roll.refunded, doors["refunded"]))
    names = {
        **_GONE,
        WRITTEN_OFF: "Written off",
        CREDITED: "Credited, and not given back yet",
        REFUNDED: "Not asked for again, as it was given back",
    }
    lines += [(names[why], -minor, None) for why, minor in roll.let_go.items()]
    lines.append(("Closing", roll.closing, None))
    rows = tuple((Cell(name), Cell(Money(minor, currency), door)) for name, minor, door in lines)
    title = f"{scope.events[event_id][1]}, {currency}"
    return Table(title, (text("What"), money("Amount")), rows, own_page=True, falls=True)


def _notes(session: Session, scope: Scope, currencies: list[str], *, still: bool) -> Iterator[str]:
    yield "Money beyond what was asked for, or credited, makes what is open less, until it is given back."
    if not still:
        return
    owed = func.sum(Payment.amount_minor - Payment.written_off_minor - Payment.received_minor)
    query = select(Payment.amount_currency, owed).where(
        Payment.origin == "legacy", Payment.status.not_in([str(one) for one in CLOSED])
    )
    query = query.where(*scope.of_events(Payment.event_id)).group_by(Payment.amount_currency)
    for currency, minor in session.execute(query):
        if minor and currency in currencies:
            yield f"Of what is open in the end, {Money(int(minor), currency)} are earlier records."
