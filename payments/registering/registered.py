"""What another system reads of the payments that it registered: one of them, or what changed since it looked.

Of the desk's own payments it sees nothing, nor of a registration that was moved to another event.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from db.models import AmountChange, Payment, Registration
from db.money import Money
from payments.access.people import Action, Person, check
from payments.asking import links
from payments.errors import InvalidInput, NotFound
from payments.lifecycle import Status
from payments.money_back import crediting
from payments.selling import prices, quotes
from payments.selling.events import event_row
from payments.selling.prices import Priced
from payments.selling.quotes import Quoted
from payments.telling import notifications

MOST_CHANGES = 200
_CURSOR = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True)
class Registered:
    """A registration's payment as it stands. ``url`` is where it can be paid now, if it can."""

    reference: str
    registration_id: str
    event_code: str
    mode: str
    status: Status
    amount: Money
    received: Money
    refunded: Money
    url: str | None
    return_token: str | None
    replaces: str | None
    difference_of: str | None  # the payment that this one asks for more than
    credited: Money
    lines: tuple[Priced, ...]  # what it was priced as; none when its amount was said
    quoted: Quoted | None  # as it was said in another currency
    created_at: datetime
    paid_at: datetime | None

    @property
    def complete(self) -> bool:
        """Nothing more is owed: the registration can be confirmed."""
        return notifications.is_complete(self.status, self.refunded.minor, self.credited.minor)


@dataclass(frozen=True)
class Changes:
    """``next`` is where to read on; ``more``: there is something already."""

    payments: tuple[Registered, ...]
    next: str
    more: bool


def get(session: Session, person: Person, reference: str) -> Registered:
    """One payment that was registered. Raises NotFound, also for another event's and for the desk's own."""
    row, payment = row_of(session, person, reference)
    return _views(session, [(row, payment)])[0]


def changes(
    session: Session,
    person: Person,
    event_code: str,
    *,
    after: str = "",
    registration_id: str = "",
    limit: int = 100,
) -> Changes:
    """What has changed since a cursor, in the order of the changes, each payment as it stands now.

    Raises InvalidInput for a cursor that is none of ours, NotFound, NotAllowed.
    """
    event = event_row(session, person, event_code)
    check(person, Action.SEE, event.id)
    read = _CURSOR.fullmatch(after or "0.0")
    if read is None:
        raise InvalidInput("This cursor is none of ours. Send the last answer's next, or none to begin.")
    change, last = int(read[1]), int(read[2])
    query = (
        select(Registration, Payment)
        .join(Payment, Payment.reference == Registration.reference)
        .options(selectinload(Payment.links))
        .where(Registration.event_id == event.id, Payment.event_id == event.id, Registration.change > 0)
        .where((Registration.change > change) | (Registration.change == change) & (Registration.id > last))
        .order_by(Registration.change, Registration.id)
    )
    if registration_id:
        query = query.where(Registration.registration_id == registration_id)
    rows = [(row, payment) for row, payment in session.execute(query.limit(limit + 1))]
    here = rows[:limit]
    at = f"{here[-1][0].change}.{here[-1][0].id}" if here else after or "0.0"
    return Changes(tuple(_views(session, here)), at, len(rows) > limit)


def row_of(session: Session, person: Person, reference: str) -> tuple[Registration, Payment]:
    found = session.execute(
        select(Registration, Payment)
        .join(Payment, Payment.reference == Registration.reference)
        .where(Registration.reference == reference, Payment.event_id == Registration.event_id)
    ).first()
    if found is None or not person.may(Action.SEE, found[1].event_id):
        raise NotFound(f"There is no payment {reference[:24]} here.")
    return found[0], found[1]


def _views(session: Session, rows: list[tuple[Registration, Payment]]) -> list[Registered]:
    payments = [payment for _, payment in rows]
    ids = [one.id for one in payments]
    lines, credited = prices.kept_of(session, payments), crediting.of_many(session, ids)
    made_by, quoted = _made_by(session, payments), quotes.kept_of(session, ids)
    return [
        _view(
            session, row, payment, made_by.get(payment.id, ("", "")), credited.get(payment.id, 0),
            lines.get(payment.id, ()), quoted.get(payment.id),
        )
        for row, payment in rows
    ]  # fmt: skip


def _made_by(session: Session, payments: Collection[Payment]) -> Mapping[int, tuple[str, str]]:
    """Of those that a change of an amount made: how, and of which payment."""
    query = (
        select(AmountChange.other_id, AmountChange.kind, Payment.reference)
        .join(Payment, Payment.id == AmountChange.payment_id)
        .where(AmountChange.other_id.in_([one.id for one in payments]))
    )
    return {other: (kind, reference) for other, kind, reference in session.execute(query) if other}


def _view(
    session: Session,
    row: Registration,
    payment: Payment,
    made_by: tuple[str, str],
    credited: int,
    lines: tuple[Priced, ...],
    quoted: Quoted | None,
) -> Registered:
    kind, before = made_by
    link = links.newest(payment) if payment.links else None
    waits = payment.status in (Status.OPEN, Status.FAILED, Status.PART_PAID)
    payable = link is not None and waits and link.state == "open" and links.fits(session, link)
    return Registered(
        reference=payment.reference,
        registration_id=row.registration_id,
        event_code=payment.event.code,
        mode=payment.mode,
        status=Status(payment.status),
        amount=payment.amount,
        received=payment.received,
        refunded=Money(payment.refunded_minor, payment.amount_currency),
        url=link.url if link is not None and payable else None,
        return_token=link.return_token if link is not None else None,
        replaces=before if kind == "replaced" else None,
        difference_of=before if kind == "asked" else None,
        credited=Money(credited, payment.amount_currency),
        lines=lines,
        quoted=quoted,
        created_at=payment.created_at,
        paid_at=payment.paid_at,
    )
