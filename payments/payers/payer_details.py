"""What becomes known of a payer later: who came as a nickname or a badge number can still be reached."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from db.models import Payment
from payments import lifecycle, obligations
from payments.access.people import Action, Person
from payments.books import audit
from payments.errors import Conflict, InvalidInput
from payments.finding import search_text
from payments.lifecycle import Kind, Source
from payments.payers import contacts
from payments.watching import standstill


def add(session: Session, person: Person, reference: str, said: str, *, now: datetime) -> tuple[str, ...]:
    """Keep what one line says of the payer: a name, an e-mail address, a phone number (``contacts.payer``).

    What the line does not say stays as it is. Returns which of them changed; the timeline and the audit tell
    that, and not what they are. Raises NotFound, NotAllowed, InvalidInput (nothing that is new), Conflict.
    """
    standstill.refuse(session)
    payment = obligations.held(session, person, Action.ISSUE_LINK, reference)
    if payment.erased_at is not None:
        raise Conflict(f"{reference} was erased: nothing is kept of its payer again.")
    payer = contacts.payer(said)
    name = "" if payer.name in (payer.email, payer.phone) else payer.name
    told = {"payer_name": name, "payer_email": payer.email, "payer_phone": payer.phone}
    new = keep_and_tell(session, payment, told, actor=person.name, now=now)
    if not new:
        raise InvalidInput("Write a name, an e-mail address or a phone number that is not there yet.")
    fields = tuple(_WORDS[field] for field in new)
    changed = ", ".join(fields)
    audit.record(
        session, person, "add_payer_details", reference, now=now, event_id=payment.event_id, changed=changed
    )
    session.flush()
    return fields


def keep_and_tell(
    session: Session, payment: Payment, told: Mapping[str, str], *, actor: str, now: datetime
) -> list[str]:
    """Write down what is told of one payment's payer; which of it was new stands on its timeline."""
    new = keep(payment, {field: value for field, value in told.items() if value}, now=now)
    if new:
        changed = ", ".join(_WORDS[field] for field in new)
        lifecycle.note(
            session, payment, Kind.DETAILS, now=now, source=Source.DESK, actor=actor, changed=changed
        )
    return new


def keep(payment: Payment, told: Mapping[str, str], *, now: datetime) -> list[str]:
    """Write down who pays, by column; which of them changed. It changes no money, so it always may be; but
    who was erased does not come back by a system that tells of them again."""
    if payment.erased_at is not None:
        return []
    new = {field: value for field, value in told.items() if value != getattr(payment, field)}
    if new:
        for field, value in new.items():
            setattr(payment, field, value)
        payment.updated_at = now
        payment.search_text = search_text.of(payment)
    return list(new)


_WORDS = {"payer_name": "name", "payer_email": "e-mail address", "payer_phone": "phone number"}
