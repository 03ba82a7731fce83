"""What one person took in a time, by the way it was paid."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from db.models import AuditEntry, Payment, Shift, TillEntry
from db.money import Money
from payments.access.people import Action, Person, check
from payments.dates import Span
from payments.lifecycle import Method


@dataclass(frozen=True)
class MyDay:
    """``issued`` are links this person made, ``paid`` those of them that were paid, ``links`` their money.

    ``till`` holds what was taken less what was corrected, of counted shifts only: what is in a drawer that
    is still to be counted is not told. ``uncounted`` is how many receipts that leaves out.
    """

    issued: int
    paid: int
    links: Mapping[str, Money]
    till: Mapping[Method, Mapping[str, Money]]
    uncounted: int


def of(session: Session, person: Person, span: Span) -> MyDay:
    """Raises NotAllowed for who takes no money."""
    check(person, Action.TAKE_MONEY)
    issued, paid, links = _links(session, person, span)
    counted = Shift.counted_at.is_not(None)
    ours = (Shift.person_id == person.id, TillEntry.at >= span.start, TillEntry.at < span.end)
    sums = (
        select(TillEntry.method, TillEntry.amount_currency, func.sum(TillEntry.amount_minor))
        .join(Shift, Shift.id == TillEntry.shift_id)
        .where(*ours, counted)
        .group_by(TillEntry.method, TillEntry.amount_currency)
    )
    till: dict[Method, dict[str, Money]] = {}
    for method, currency, minor in session.execute(sums):
        till.setdefault(Method(method), {})[currency] = Money(int(minor), currency)
    left_out = select(func.count()).select_from(TillEntry).join(Shift, Shift.id == TillEntry.shift_id)
    uncounted = session.scalar(left_out.where(*ours, ~counted)) or 0
    return MyDay(issued, paid, links, till, uncounted)


def _links(session: Session, person: Person, span: Span) -> tuple[int, int, dict[str, Money]]:
    """The record of changes knows who issued a link by their address, which two people never share."""
    money = func.sum(Payment.received_minor)
    paid = func.count().filter(Payment.received_minor > 0)
    rows = session.execute(
        select(Payment.amount_currency, func.count(), paid, money)
        .join(AuditEntry, and_(AuditEntry.subject == Payment.reference, AuditEntry.action == "issue_link"))
        .where(AuditEntry.actor == person.email, AuditEntry.at >= span.start, AuditEntry.at < span.end)
        .group_by(Payment.amount_currency)
    ).all()
    return (
        sum(each[1] for each in rows),
        sum(each[2] for each in rows),
        {currency: Money(int(minor or 0), currency) for currency, _, _, minor in rows},
    )
