"""A payment that belongs to another event after all. What was paid, when and how is never altered."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Admission, Category
from payments import lifecycle, obligations
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.deciding.attention import reason_given
from payments.errors import Conflict, InvalidInput
from payments.finding import pasts, search_text
from payments.lifecycle import Kind, Source
from payments.live import tallies
from payments.selling.events import event_row


def move(
    session: Session,
    person: Person,
    reference: str,
    event_code: str,
    why: str,
    *,
    category_id: int | None = None,
    now: datetime,
) -> None:
    """Let a payment belong to another event from now on, there for ``category_id`` of its price list.

    Amount, status, receipts and moments stay; the totals of both events follow. Receipts of a till stay on
    that till's roll. Raises NotFound, NotAllowed (both events must be the person's), InvalidInput, Conflict.
    """
    reason = reason_given(why)
    payment = obligations.held(session, person, Action.RECORD, reference)
    event = event_row(session, person, event_code)
    check(person, Action.RECORD, event.id)
    if event.id == payment.event_id:
        raise Conflict(f"{reference} is there already.")
    if event.currency != payment.amount_currency:
        raise Conflict(
            f"{event.name} takes {event.currency}, and {reference} is in {payment.amount_currency}."
        )
    inside = select(Admission.id).where(Admission.payment_id == payment.id, Admission.undone_at.is_(None))
    if session.scalar(inside) is not None:
        raise Conflict(
            f"{payment.payer_name} was let in at {payment.event.name}. Undo that at its door first."
        )
    _check_category(session, event.id, category_id)
    was, was_id = payment.event.name, payment.event_id
    session.flush()
    tallies.count_whole(session, payment, -1)
    pasts.payment(session, payment, now)
    payment.event_id, payment.event, payment.category_id = event.id, event, category_id
    payment.updated_at = now
    session.flush()
    session.refresh(payment)
    payment.search_text = search_text.of(payment)
    tallies.count_whole(session, payment, 1)
    lifecycle.note(
        session, payment, Kind.MOVED, now=now, source=Source.DESK, actor=person.name,
        was=was, became=event.name, why=reason,
    )  # fmt: skip
    for event_id in (was_id, event.id):
        audit.record(
            session, person, "move_payment", reference, now=now, event_id=event_id,
            was=was, became=event.name, why=reason,
        )  # fmt: skip


def _check_category(session: Session, event_id: int, category_id: int | None) -> None:
    if category_id is None:
        return
    known = select(Category.id).where(Category.id == category_id, Category.event_id == event_id)
    if session.scalar(known) is None:
        raise InvalidInput("This price is not on the list of that event. Choose it again.")
