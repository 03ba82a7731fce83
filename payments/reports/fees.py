"""What the gateway's own files say it kept: fees and the VAT on them, by event, by way, by payouts."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace

from sqlalchemy.orm import Session

from db.money import Money
from payments.reports import ledger
from payments.reports.ledger import Scope
from payments.reports.report import Cell, Column, Headline, Holds, Row, Table, added_up, count, money, text
from payments.reports.takings import HEADS

#: Of some captures: how many, gross, fee, VAT, in minor units.
_Sums = tuple[int, int, int, int]
_NONE: _Sums = (0, 0, 0, 0)


def make(session: Session, scope: Scope) -> tuple[tuple[Headline, ...], tuple[Table, ...], tuple[str, ...]]:
    found = _read(session, scope)
    before = _read(session, scope.on(scope.period.before))
    payouts, payouts_before = (_payouts(session, one) for one in (scope, scope.on(scope.period.before)))
    currencies = sorted({one[0] for one in found} | set(payouts))
    scope = replace(scope, several_currencies=len(currencies) > 1)
    headline: list[Headline] = []
    tables: list[Table] = []
    for currency in currencies:
        now, then = _whole(found, currency), _whole(before, currency)
        earlier = payouts_before.get(currency, 0)
        headline += _headline(
            currency, _added(now, (0, 0, payouts.get(currency, 0), 0)), _added(then, (0, 0, earlier, 0))
        )
        tables += _tables(scope, currency, found, payouts.get(currency, 0))
    return tuple(headline), tuple(tables), ()


def _read(session: Session, scope: Scope) -> dict[tuple[str, int, str], _Sums]:
    """By currency, event and way."""
    rows = session.execute(ledger.fees(scope))
    return {
        (currency, event_id, way): (int(number), int(gross), int(fee), int(vat))
        for event_id, way, currency, number, gross, fee, vat in rows
    }


def _payouts(session: Session, scope: Scope) -> dict[str, int]:
    """Of no event, and so told where all are asked for and money counts as it moves."""
    if not (scope.all_events and scope.money_moves):
        return {}
    return {currency: int(minor) for currency, minor in session.execute(ledger.payout_fees(scope)) if minor}


def _whole(found: Mapping[tuple[str, int, str], _Sums], currency: str) -> _Sums:
    sums = _NONE
    for (one, _, _), more in found.items():
        sums = _added(sums, more) if one == currency else sums
    return sums


def _added(one: _Sums, other: _Sums) -> _Sums:
    return one[0] + other[0], one[1] + other[1], one[2] + other[2], one[3] + other[3]


def _headline(currency: str, now: _Sums, then: _Sums) -> Iterator[Headline]:
    yield Headline(f"Fees in {currency}", Cell(Money(now[2], currency)), Money(then[2], currency), False)
    yield Headline("VAT on them", Cell(Money(now[3], currency)), Money(then[3], currency), False)
    yield Headline("Of money that came", Cell(Money(now[1], currency)), Money(then[1], currency))


def _tables(
    scope: Scope, currency: str, found: Mapping[tuple[str, int, str], _Sums], payouts: int
) -> Iterator[Table]:
    by_event: defaultdict[str, _Sums] = defaultdict(lambda: _NONE)
    by_way: defaultdict[str, _Sums] = defaultdict(lambda: _NONE)
    for (one, event_id, way), sums in found.items():
        if one == currency:
            name = scope.events[event_id][1]
            by_event[name] = _added(by_event[name], sums)
            by_way[HEADS[way]] = _added(by_way[HEADS[way]], sums)
    yield _table(f"By event, {currency}", "Event", by_event, currency, payouts)
    yield _table(f"By how it was paid, {currency}", "Paid by", by_way, currency, payouts)


def _table(title: str, first: str, rows: Mapping[str, _Sums], currency: str, payouts: int) -> Table:
    columns = (
        text(first), count("Captures"), money("Gross"), money("Fees"), money("VAT on fees"),
        money("Fees with VAT"), Column("Effective rate", Holds.PERCENT),
    )  # fmt: skip
    made = [_row(name, sums, currency) for name, sums in sorted(rows.items())]
    if payouts:
        made.append(_row("Fees of the payouts themselves", (0, 0, payouts, 0), currency))
    total = _row("Together", _together(rows, payouts), currency)
    assert added_up(made, "Together", columns)[:-1] == total[:-1]  # the rate is no sum
    return Table(title, columns, tuple(made), total, drawn=5)


def _together(rows: Mapping[str, _Sums], payouts: int) -> _Sums:
    whole: _Sums = (0, 0, payouts, 0)
    for sums in rows.values():
        whole = _added(whole, sums)
    return whole


def _row(name: str, sums: _Sums, currency: str) -> Row:
    number, gross, fee, vat = sums
    rate = ((fee + vat) * 20_000 + gross) // (2 * gross) if gross else None  # half up
    return (
        Cell(name), Cell(number or None),
        *(Cell(Money(minor, currency)) for minor in (gross, fee, vat, fee + vat)), Cell(rate),
    )  # fmt: skip
