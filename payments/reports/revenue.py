"""Revenue: gross, less refunds, less what the gateway kept, is net; by event."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import case, func, literal, select
from sqlalchemy.orm import Session

from db.models import PayoutLine
from db.money import Money
from payments.finding.conditions import Filter
from payments.reports import ledger
from payments.reports.ledger import EARLIER, GATEWAY, Scope
from payments.reports.report import Cell, Headline, Row, Table, added_up, count, money, text


@dataclass
class Sums:
    """Of one event and currency, in minor units. ``fee_told``: of how much the gateway told the fee."""

    payments: int = 0
    gross: int = 0
    earlier: int = 0
    by_gateway: int = 0
    refunds: int = 0
    fee: int = 0
    vat: int = 0
    fee_told: int = 0

    @property
    def net(self) -> int:
        return self.gross - self.refunds - self.fee - self.vat

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(
            *(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True))
        )


#: The row of what belongs to no single event.
NO_EVENT = 0


def read(session: Session, scope: Scope) -> dict[tuple[str, int], Sums]:
    """By currency and event. Fees of payouts themselves are of no event, and told where all are asked for."""
    found: defaultdict[tuple[str, int], Sums] = defaultdict(Sums)
    here = ledger.moves(scope).c
    by = (here.event_id, here.currency)
    for event_id, currency, pieces, *minors in session.execute(_summed(here, *by)):
        found[currency, event_id] += Sums(int(pieces), *(int(minor or 0) for minor in minors))
    for event_id, currency, pieces in session.execute(ledger.further(scope, [one.name for one in by])):
        found[currency, event_id].payments -= int(pieces)
    for event_id, currency, sums in _off(session, scope):
        found[currency, event_id] += sums
    return dict(sorted(found.items()))


def totals(session: Session, scope: Scope) -> dict[str, Sums]:
    """By currency, all events together; how many payments is not counted."""
    found: defaultdict[str, Sums] = defaultdict(Sums)
    here = ledger.moves(scope).c
    for currency, _, *minors in session.execute(_summed(here, here.currency)):
        found[currency] += Sums(0, *(int(minor or 0) for minor in minors))
    for _, currency, sums in _off(session, scope):
        found[currency] += sums
    return dict(found)


def _summed(here: Any, *by: Any) -> Any:
    """How many pieces of money, and their sums as the fields of ``Sums`` stand."""
    ways = (case((here.way == EARLIER, here.minor)), case((here.way.in_(GATEWAY), here.minor)))
    told = (literal(0), PayoutLine.fee_minor, PayoutLine.vat_minor, PayoutLine.gross_minor)
    sums = [func.sum(one) for one in (here.minor, *ways, *told)]
    query = select(*by, func.count(), *sums).outerjoin(PayoutLine, ledger.fee_told(here))
    return query.group_by(*by)


def _off(session: Session, scope: Scope) -> Iterator[tuple[int, str, Sums]]:
    """By event and currency: refunds, and what payouts themselves cost."""
    for event_id, currency, minor in session.execute(ledger.refunds(scope)):
        yield event_id, currency, Sums(refunds=int(minor))
    if scope.all_events and scope.money_moves:
        for currency, minor in session.execute(ledger.payout_fees(scope)):
            if minor:
                yield NO_EVENT, currency, Sums(fee=int(minor))


def make(session: Session, scope: Scope) -> tuple[tuple[Headline, ...], tuple[Table, ...], tuple[str, ...]]:
    found = read(session, scope)
    before = totals(session, scope.on(scope.period.before))
    currencies = sorted({currency for currency, _ in found})
    scope = replace(scope, several_currencies=len(currencies) > 1)
    headline: list[Headline] = []
    tables: list[Table] = []
    for currency in currencies:
        now, then = _whole(found, currency), before.get(currency, Sums())
        headline += _headline(scope, currency, now, then)
        tables += [_steps(currency, now), _by_event(scope, currency, found)]
    return tuple(headline), tuple(tables), tuple(_notes(found, currencies))


def _whole(found: dict[tuple[str, int], Sums], currency: str) -> Sums:
    whole = Sums()
    for (one, _), sums in found.items():
        whole += sums if one == currency else Sums()
    return whole


def _headline(scope: Scope, currency: str, now: Sums, then: Sums) -> Iterable[Headline]:
    def money_of(minor: int) -> Money:
        return Money(minor, currency)

    yield Headline(
        f"Gross in {currency}", Cell(money_of(now.gross), scope.door(currency)), money_of(then.gross), True
    )
    yield Headline(
        "Refunds", Cell(money_of(now.refunds), _refunded(scope, currency)), money_of(then.refunds), False
    )
    yield Headline("Fees with VAT", Cell(money_of(now.fee + now.vat)), money_of(then.fee + then.vat), False)
    yield Headline("Net", Cell(money_of(now.net)), money_of(then.net), True)


def _refunded(scope: Scope, currency: str, **more: tuple[str, ...]) -> Filter:
    """Payments of which money was given back: on these days, or ever, where they count by their own day."""
    wanted = scope.door(currency, **more)
    if scope.money_moves:
        days: dict[str, Any] = {str(scope.basis): None, "refunded": scope.period.span}
        return replace(wanted, **days)
    return replace(wanted, refunded=ledger.EVER)


def _steps(currency: str, sums: Sums) -> Table:
    """From gross to net, line by line."""
    lines = (
        ("Gross", sums.gross), ("Refunds", -sums.refunds), ("Fees kept", -sums.fee),
        ("VAT on the fees", -sums.vat), ("Net", sums.net),
    )  # fmt: skip
    rows = tuple((Cell(name), Cell(Money(minor, currency))) for name, minor in lines)
    return Table(f"From gross to net, {currency}", (text("What"), money("Amount")), rows, falls=True)


def _by_event(scope: Scope, currency: str, found: dict[tuple[str, int], Sums]) -> Table:
    columns = (
        text("Event"), count("Payments"), money("Gross"), money("Refunds"), money("Fees"),
        money("VAT on fees"), money("Net"), money("Of gross: earlier records"),
        money("Of gross: fee not told yet"),
    )  # fmt: skip
    rows = [
        _row(scope, currency, event_id, sums) for (one, event_id), sums in found.items() if one == currency
    ]
    rows.sort(key=lambda row: str(row[0].value))
    total = list(added_up(rows, "Together", columns))
    total[2] = replace(total[2], door=scope.door(currency))
    if _whole(found, currency).refunds:
        total[3] = replace(total[3], door=_refunded(scope, currency))
    return Table(f"By event, {currency}", columns, tuple(rows), tuple(total), drawn=6)


def _row(scope: Scope, currency: str, event_id: int, sums: Sums) -> Row:
    def cell(minor: int, door: Filter | None = None) -> Cell:
        return Cell(Money(minor, currency), door)

    code, name = scope.events.get(event_id, ("", "Fees of the payouts themselves"))
    mine = {"events": (code,)}
    here = scope.door(currency, **mine) if sums.payments else None
    gone = _refunded(scope, currency, **mine) if sums.refunds else None
    untold = sums.by_gateway - sums.fee_told
    return (
        Cell(name), Cell(sums.payments or None), cell(sums.gross, here), cell(sums.refunds, gone),
        cell(sums.fee), cell(sums.vat), cell(sums.net), cell(sums.earlier), cell(untold),
    )  # fmt: skip


def _notes(found: dict[tuple[str, int], Sums], currencies: Iterable[str]) -> Iterable[str]:
    for currency in currencies:
        sums = _whole(found, currency)
        if untold := sums.by_gateway - sums.fee_told:
            yield (
                f"Of {Money(untold, currency)} by the gateway no file of its own tells the fee yet: net will "
                "be less by it."
            )
