"""Registrations: payments by event and category and how they stand, what they ask for and what is here."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import case, func, select
from sqlalchemy.orm import Session

from db.models import Category, Payment
from db.money import Money
from payments.finding.conditions import LEGACY, Filter
from payments.live.funnel import STATUSES, Outcome
from payments.reports import ledger
from payments.reports.ledger import Scope
from payments.reports.report import Cell, Headline, Row, Table, added_up, count, money, text

_HEADS = {
    Outcome.PAID: "Paid",
    Outcome.WAITING: "Waiting",
    Outcome.FAILED: "Failed",
    Outcome.CLOSED: "Closed",
    Outcome.RETURNED: "Given back",
}
_OUTCOME = {status: outcome for outcome, statuses in STATUSES.items() for status in statuses}
NO_CATEGORY = "No category"


@dataclass
class _Group:
    outcomes: dict[Outcome, int] = field(default_factory=lambda: defaultdict(int))
    people: int = 0
    asked: int = 0
    received: int = 0

    @property
    def payments(self) -> int:
        return sum(self.outcomes.values())


#: Currency, whether it is of the earlier system, event, category.
_Key = tuple[str, bool, int, str]


def make(session: Session, scope: Scope) -> tuple[tuple[Headline, ...], tuple[Table, ...], tuple[str, ...]]:
    found = _read(session, scope)
    before = _read(session, scope.on(scope.period.before))
    currencies = sorted({key[0] for key in found})
    scope = replace(scope, several_currencies=len(currencies) > 1)
    names = _categories(session, scope)
    headline = [
        Headline(
            f"Registrations in {currency}", Cell(_count(found, currency), _door(scope, currency)),
            _count(before, currency), more_is_better=True,
        )
        for currency in currencies
    ]  # fmt: skip
    tables = [
        _table(scope, currency, earlier, found, names)
        for currency, earlier in sorted({key[:2] for key in found})
    ]
    return tuple(headline), tuple(tables), ()


def _count(found: Mapping[_Key, _Group], currency: str) -> int:
    return sum(group.payments for key, group in found.items() if key[0] == currency)


def _read(session: Session, scope: Scope) -> dict[_Key, _Group]:
    earlier = case((Payment.origin == LEGACY, 1), else_=0)
    by = (Payment.amount_currency, earlier, Payment.event_id, Category.name, Payment.status)
    people = func.sum(case((Payment.place_count > 0, Payment.place_count), else_=1))
    sums = (func.count(), people, func.sum(Payment.amount_minor), func.sum(Payment.received_minor))
    query = select(*by, *sums).outerjoin(Category, Category.id == Payment.category_id)
    found: dict[_Key, _Group] = {}
    for currency, old, event_id, category, status, number, heads, asked, here in session.execute(
        query.where(*ledger.of_payments(scope)).group_by(*by)
    ):
        group = found.setdefault((currency, bool(old), event_id, category or ""), _Group())
        group.outcomes[_OUTCOME[status]] += int(number)
        group.people += int(heads)
        group.asked += int(asked)
        group.received += int(here)
    return found


def _categories(session: Session, scope: Scope) -> dict[int, tuple[str, ...]]:
    """All names on each event's list: what has none of them has no category."""
    names: defaultdict[int, tuple[str, ...]] = defaultdict(tuple)
    query = select(Category.event_id, Category.name).where(Category.event_id.in_(sorted(scope.events)))
    for event_id, name in session.execute(query.order_by(Category.position, Category.id)):
        names[event_id] += (name,)
    return names


def _door(scope: Scope, currency: str, **more: Any) -> Filter:
    """Whether there is money of it or not."""
    return replace(scope.door(currency, **more), taken=())


def _table(
    scope: Scope,
    currency: str,
    earlier: bool,
    found: Mapping[_Key, _Group],
    names: Mapping[int, tuple[str, ...]],
) -> Table:
    columns = (
        text("Event"), text("Category"), count("Payments"), *(count(head) for head in _HEADS.values()),
        count("People"), money("Asked for"), money("Received"),
    )  # fmt: skip
    origin = {"origins": (LEGACY,)} if earlier else {"not_origins": (LEGACY,)}
    rows = [
        _row(scope, key, group, origin | _narrow(scope, key, names))
        for key, group in found.items()
        if key[:2] == (currency, earlier)
    ]
    rows.sort(key=lambda row: (str(row[0].value), str(row[1].value)))
    total = list(added_up(rows, "Together", columns))
    total[2] = replace(total[2], door=_door(scope, currency, **origin))
    for nth, statuses in enumerate(STATUSES.values(), 3):
        total[nth] = replace(total[nth], door=_door(scope, currency, **origin, statuses=statuses))
    title = f"{'Earlier records' if earlier else 'By event and category'}, {currency}"
    return Table(title, columns, tuple(rows), tuple(total), drawn=2)


def _narrow(scope: Scope, key: _Key, names: Mapping[int, tuple[str, ...]]) -> dict[str, Any]:
    _, _, event_id, category = key
    mine: dict[str, Any] = {"events": (scope.events[event_id][0],)}
    return mine | ({"categories": (category,)} if category else {"not_categories": names[event_id]})


def _row(scope: Scope, key: _Key, group: _Group, narrow: dict[str, Any]) -> Row:
    currency, _, event_id, category = key

    def counted(number: int, **more: Any) -> Cell:
        return Cell(number, _door(scope, currency, **narrow, **more) if number else None)

    return (
        Cell(scope.events[event_id][1]), Cell(category or NO_CATEGORY), counted(group.payments),
        *(counted(group.outcomes[outcome], statuses=statuses) for outcome, statuses in STATUSES.items()),
        Cell(group.people), Cell(Money(group.asked, currency)), Cell(Money(group.received, currency)),
    )  # fmt: skip
