"""Notes: what a colleague knows of a payment, on its timeline for whoever looks next."""

from datetime import datetime

from sqlalchemy.orm import Session

from payments import holding, lifecycle
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import InvalidInput, NotFound
from payments.finding.search import find_one
from payments.lifecycle import Kind, Source
from payments.privacy import clean
from payments.reconciling import mentions


def add(session: Session, person: Person, reference: str, text: str, *, now: datetime) -> None:
    """Put a note on a payment's timeline; it stays. Whom it mentions is told. Raises InvalidInput, NotFound,
    NotAllowed."""
    row = find_one(session, person, reference)
    if row is None:
        raise NotFound(f"There is no payment {reference} here.")
    kept = text_given(text)
    payment = holding.payment(session, row.id)
    check(person, Action.ISSUE_LINK, payment.event_id)
    mentions.tell(
        session, kept, by=person, where=f"Payments, {payment.reference}", action=Action.SEE,
        event_id=payment.event_id, now=now,
    )  # fmt: skip
    lifecycle.note(session, payment, Kind.NOTE, now=now, source=Source.DESK, actor=person.name, text=kept)
    audit.record(
        session, person, "add_note", payment.reference, now=now, event_id=payment.event_id, note=kept
    )


def text_given(text: str) -> str:
    """A note fit to be kept. Raises InvalidInput."""
    kept = clean(text, field="The note", longest=1000)
    if not kept:
        raise InvalidInput("Write the note first.")
    return kept
