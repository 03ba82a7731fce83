"""What one person took in a time, by the way it was paid."""

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import AuditEntry, Payment, Shift, TillEntry
from payments.access.people import Action, Person, check
from payments.at_the_door.till_rows import COUNTED, by_link, issued, taken
from payments.dates import Span
from payments.lifecycle import Method
from payments.live.figures import Pile, Summed


@dataclass(frozen=True)
class MyDay:
    """``issued`` are links this person made, ``paid`` those of them that were paid, and their money.

    ``till`` holds what was taken less what was corrected, of counted shifts only: what is in a drawer that
    is still to be counted is not told. ``uncounted`` is how many receipts that leaves out. ``till_rows``
    lists what each of them adds up.
    """

    issued: int
    paid: Summed
    till: Mapping[Method, Summed]
    uncounted: int


def of(session: Session, person: Person, span: Span) -> MyDay:
    """Raises NotAllowed for who takes no money."""
    check(person, Action.TAKE_MONEY)
    links, paid = _links(session, person, span)
    ours, what = taken(person, span), (TillEntry.method, TillEntry.amount_currency)
    sums = (
        select(*what, func.count(), func.sum(TillEntry.amount_minor))
        .join(Shift, Shift.id == TillEntry.shift_id)
        .where(*ours, COUNTED)
        .group_by(*what)
    )
    till: dict[Method, Pile] = {}
    for method, currency, count, minor in session.execute(sums):
        till.setdefault(Method(method), Pile()).add(count, minor, currency)
    left_out = select(func.count()).select_from(TillEntry).join(Shift, Shift.id == TillEntry.shift_id)
    uncounted = session.scalar(left_out.where(*ours, ~COUNTED)) or 0
    return MyDay(links, paid, {method: pile.summed() for method, pile in till.items()}, uncounted)


def _links(session: Session, person: Person, span: Span) -> tuple[int, Summed]:
    """How many were issued, and those that money came by."""
    money = func.coalesce(func.sum(by_link()), 0)
    paid = func.count().filter(by_link() > 0)
    rows = session.execute(
        select(Payment.amount_currency, func.count(), paid, money)
        .join(AuditEntry, issued(person, span))
        .group_by(Payment.amount_currency)
    ).all()
    pile = Pile()
    for currency, _, count, minor in rows:
        pile.add(count, minor, currency)
    return sum(each[1] for each in rows), pile.summed()
