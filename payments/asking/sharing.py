"""Sending a link on: what the message says in its payers' language, and a mail of it from the desk."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Link, OutboxMail, Payment
from payments import obligations, references
from payments.access.people import Action, Person, check
from payments.asking import links
from payments.books import audit
from payments.errors import Conflict, InvalidInput
from payments.payers import payer_language, payer_words
from payments.payers.payer_words import Language, Text
from payments.selling import terms
from payments.telling import outbox


@dataclass(frozen=True)
class Invitation:
    """A message with the link in it. ``is_read``: a speaker of its language stands by it."""

    url: str
    subject: str
    text: str
    language: Language
    is_read: bool


def invitation(session: Session, person: Person, reference: str, place: int = 0) -> Invitation:
    """What a payer is sent with the link to use. Raises NotFound, Conflict (no link yet, or for too much)."""
    return _invitation(session, *_payable(session, person, reference, place))


def mail(session: Session, person: Person, reference: str, *, place: int = 0, now: datetime) -> None:
    """Mail the link to the payer from the desk; it stands on the timeline as shared.

    Raises NotFound, NotAllowed, InvalidInput (no address), Conflict (no link, or the last mail still waits).
    """
    payment, link = _payable(session, person, reference, place)
    check(person, Action.ISSUE_LINK, payment.event_id)
    if not payment.payer_email:
        raise InvalidInput("There is no e-mail address of this payer. Share the link another way.")
    links.shared(
        session, person, reference, "mail", place=place, now=now
    )  # holds the payment's row from here on
    key = f"link:{link.wire_reference}:"
    sent = OutboxMail.key.startswith(key, autoescape=True)
    if session.scalar(select(OutboxMail.id).where(sent, OutboxMail.state == "queued").limit(1)) is not None:
        raise Conflict("This link waits to be mailed already.")
    told = _invitation(session, payment, link)
    nth = (session.scalar(select(func.count()).where(sent)) or 0) + 1
    outbox.queue(session, payment, f"{key}{nth}", told.subject, f"{told.text}\n", now=now, actor=person.name)
    audit.record(session, person, "mail_link", payment.reference, now=now, event_id=payment.event_id)


def _payable(session: Session, person: Person, reference: str, place: int) -> tuple[Payment, Link]:
    payment = obligations.seen(session, person, reference)
    link = links.newest(payment, place) if payment.links else None
    if link is None or link.url is None:
        raise Conflict(f"{reference} has no link to share yet.")
    if not links.fits(session, link):
        raise Conflict(f"{payment.received} is here already. Make a new link, for the rest.")
    return payment, link


def _invitation(session: Session, payment: Payment, link: Link) -> Invitation:
    language = terms.of(session, payment.event_id).language
    told = {
        "event": payment.event.name,
        "amount": link.amount,
        "url": link.url,
        "reference": references.spoken(payment.reference),
    }
    return Invitation(
        url=link.url or "",
        subject=payer_words.say(language, Text.LINK_SUBJECT, **told),
        text=payer_words.say(language, Text.SHARE, **told),
        language=language,
        is_read=payer_language.is_read(session, language),
    )
