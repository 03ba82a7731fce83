"""What one person took in a time, by the way it was paid."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlalchemy.orm import Session

from db.models import AuditEntry, Payment, Shift, TillEntry
from db.money import Money
from payments.access.people import Action, Person, check
from payments.dates import Span
from payments.finding import conditions, search
from payments.finding.conditions import Filter
from payments.lifecycle import Method, Status
from payments.live.figures import Figure

_COUNTED = Shift.counted_at.is_not(None)


@dataclass(frozen=True)
class MyDay:
    """``issued`` are links this person made, ``paid`` those of them that were paid, ``links`` their money.

    ``till`` holds what was taken less what was corrected, of counted shifts only: what is in a drawer that
    is still to be counted is not told. ``uncounted`` is how many receipts that leaves out. ``rows``: by the
    way it was paid, the payments of that money where a filter lists exactly them, and their sums are its.
    """

    issued: int
    paid: int
    links: Mapping[str, Money]
    till: Mapping[Method, Mapping[str, Money]]
    uncounted: int
    rows: Mapping[Method | None, Figure]  # None is by link


def of(session: Session, person: Person, span: Span) -> MyDay:
    """Raises NotAllowed for who takes no money."""
    check(person, Action.TAKE_MONEY)
    issued, paid, links = _links(session, person, span)
    ours = _taken(person, span)
    sums = (
        select(TillEntry.method, TillEntry.amount_currency, func.sum(TillEntry.amount_minor))
        .join(Shift, Shift.id == TillEntry.shift_id)
        .where(*ours, _COUNTED)
        .group_by(TillEntry.method, TillEntry.amount_currency)
    )
    till: dict[Method, dict[str, Money]] = {}
    for method, currency, minor in session.execute(sums):
        till.setdefault(Method(method), {})[currency] = Money(int(minor), currency)
    left_out = select(func.count()).select_from(TillEntry).join(Shift, Shift.id == TillEntry.shift_id)
    uncounted = session.scalar(left_out.where(*ours, ~_COUNTED)) or 0
    listed = {None: _by_link(session, person, span, links)} | {
        method: _at_till(session, person, span, method, money) for method, money in till.items()
    }
    rows = {way: figure for way, figure in listed.items() if figure is not None}
    return MyDay(issued, paid, links, till, uncounted, rows)


def _by_link(session: Session, person: Person, span: Span, money: Mapping[str, Money]) -> Figure | None:
    ids = select(Payment.id).join(AuditEntry, _issued(person, span)).where(Payment.received_minor > 0)
    wanted = replace(_mine(person, span), not_methods=(Method.CASH, Method.CARD_SLIP))
    return _listed(session, person, wanted, ids, money)


def _at_till(
    session: Session, person: Person, span: Span, method: Method, money: Mapping[str, Money]
) -> Figure | None:
    ids = (
        select(TillEntry.payment_id)
        .join(Shift, Shift.id == TillEntry.shift_id)
        .where(*_taken(person, span), _COUNTED, TillEntry.method == method)
        .group_by(TillEntry.payment_id)
        .having(func.sum(TillEntry.amount_minor) > 0)
    )
    return _listed(session, person, replace(_mine(person, span), methods=(method,)), ids, money)


def _mine(person: Person, span: Span) -> Filter:
    return Filter(statuses=(Status.PAID,), organisers=(person.name,), created=span)


def _listed(
    session: Session, person: Person, wanted: Filter, ids: Select[int], money: Mapping[str, Money]
) -> Figure | None:
    """None where the filter lists others or fewer, or the money is not all that there is of them: part of a
    payment, one of another day, one that somebody of the same name made."""
    ours = set(session.scalars(ids))
    fits = select(Payment.id).where(*conditions.where(session, person, wanted).all()).limit(len(ours) + 1)
    if not ours or set(session.scalars(fits)) != ours:
        return None
    totals = search.totals(session, person, wanted)
    agrees = totals.sums == totals.received == {name: each for name, each in money.items() if each}
    return Figure(totals.count, totals.sums, wanted) if agrees else None


def _taken(person: Person, span: Span) -> tuple[ColumnElement[bool], ...]:
    """Receipts of this person's shifts, in this time."""
    return (Shift.person_id == person.id, TillEntry.at >= span.start, TillEntry.at < span.end)


def _issued(person: Person, span: Span) -> ColumnElement[bool]:
    """A payment and the record of its link: that knows who issued it by their address, which two people never
    share."""
    return and_(
        AuditEntry.subject == Payment.reference,
        AuditEntry.action == "issue_link",
        AuditEntry.actor == person.email,
        AuditEntry.at >= span.start,
        AuditEntry.at < span.end,
    )


def _links(session: Session, person: Person, span: Span) -> tuple[int, int, dict[str, Money]]:
    money = func.sum(Payment.received_minor)
    paid = func.count().filter(Payment.received_minor > 0)
    rows = session.execute(
        select(Payment.amount_currency, func.count(), paid, money)
        .join(AuditEntry, _issued(person, span))
        .group_by(Payment.amount_currency)
    ).all()
    return (
        sum(each[1] for each in rows),
        sum(each[2] for each in rows),
        {currency: Money(int(minor or 0), currency) for currency, _, _, minor in rows},
    )
