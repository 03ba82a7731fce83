"""Who may be the same person: asked before somebody is given a second link for one event."""

from dataclasses import dataclass

from rapidfuzz import fuzz, process
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from db.models import Payment
from db.money import Money
from payments.access.people import Person
from payments.lifecycle import CLOSED, Status
from payments.obligations import WALK_IN, Draft, checked
from payments.privacy import fold
from payments.selling.events import event_row

#: Out of a hundred. Anna Smit and Anne Smith are 84 by it, Lerato Molefe and Lerato Moloi 80.
ALIKE = 84
#: A nickname or a badge number this short is the same only when it is the same.
SHORTEST = 6
MOST = 5


@dataclass(frozen=True)
class Alike:
    """A payment of this event by perhaps the same person, and by what they seem the same."""

    reference: str
    payer_name: str
    amount: Money
    status: Status
    by: str


def alike(session: Session, person: Person, draft: Draft) -> tuple[Alike, ...]:
    """Payments of the draft's event that still count and have its phone, its e-mail address or, typing
    errors aside, its name: the surest first, ``MOST`` of them. Raises InvalidInput, NotFound."""
    wanted = checked(draft)
    event = event_row(session, person, wanted.event_code)
    counts = (
        Payment.event_id == event.id,
        Payment.status.not_in([status.value for status in CLOSED]),
        Payment.reference != wanted.reference,
    )
    found: dict[str, Alike] = {}
    reached = [
        column == value
        for column, value in (
            (Payment.payer_phone, wanted.payer_phone),
            (Payment.payer_email, wanted.payer_email),
        )
        if value
    ]
    if reached:
        for row in session.scalars(select(Payment).where(*counts, or_(*reached)).limit(MOST)):
            by = "phone" if row.payer_phone and row.payer_phone == wanted.payer_phone else "e-mail"
            found[row.reference] = _view(row, by)
    for reference in _named_alike(session, counts, wanted.payer_name):
        if reference not in found:
            row = session.scalars(select(Payment).where(Payment.reference == reference)).one()
            found[reference] = _view(row, "name")
    return tuple(found.values())[:MOST]


def _named_alike(session: Session, counts: tuple[object, ...], name: str) -> list[str]:
    if name == WALK_IN:
        return []
    names = session.execute(select(Payment.reference, Payment.payer_name).where(*counts)).all()  # type: ignore[arg-type]
    plain = fold(name)
    folded = {reference: fold(theirs) for reference, theirs in names}
    if len(plain) < SHORTEST:
        return [reference for reference, theirs in folded.items() if theirs == plain][:MOST]
    best = process.extract(plain, folded, scorer=fuzz.token_sort_ratio, score_cutoff=ALIKE, limit=MOST)
    return [reference for _, _, reference in best]


def _view(row: Payment, by: str) -> Alike:
    return Alike(row.reference, row.payer_name, row.amount, Status(row.status), by)
