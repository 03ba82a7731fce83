"""Payments put straight into the tables, for tests that read: any status, amount, day and payer."""

from datetime import datetime, timedelta
from random import Random

from sqlalchemy.orm import Session

from db.models import Event, Link, Payment
from payments import references
from payments.finding import search_text
from payments.lifecycle import Method, Review, Status
from payments.live import stages, tallies

NAMES = (
    "Zanele Mokoena",
    "Thandéka Nkosi",
    "Pieter van der Merwe",
    "Zoë Õunapuu",
    "=HYPERLINK(1)",
    "Ravi Naidoo",
)


def make_payment(
    session: Session, event: Event, *, now: datetime, link: str | None = None, **values: object
) -> Payment:
    """A payment with the values a test cares about. ``link`` is the gateway's name for its one link."""
    fields: dict[str, object] = {
        "reference": references.draw("REG", demo=True),
        "status": Status.OPEN,
        "amount_minor": 15_000,
        "amount_currency": event.currency,
        "payer_name": "Zanele Mokoena",
        "created_at": now,
        "updated_at": now,
    }
    if values.get("status") == Status.FAILED:
        fields["failure"] = stages.NO_CODE
    payment = Payment(event_id=event.id, mode="demo", created_by="Thandi", search_text="", **fields | values)
    session.add(payment)
    session.flush()
    if link is not None:
        payment.links.append(_link(payment, link, now))
    payment.search_text = search_text.of(payment)
    session.flush()
    tallies.moved(session, payment, None, now)
    return payment


def make_many(
    session: Session, events: list[Event], *, now: datetime, count: int, seed: int = 7
) -> list[Payment]:
    """Payments of every status and oddity, the same ones for the same seed."""
    dice = Random(seed)
    return [_random_payment(session, dice, dice.choice(events), now, nth) for nth in range(count)]


def _random_payment(session: Session, dice: Random, event: Event, now: datetime, nth: int) -> Payment:
    amount = dice.choice((0, 1, 15_000, 150_000, 99_999_999, dice.randrange(1, 500_000)))
    status = dice.choice(list(Status))
    created = now - timedelta(minutes=dice.randrange(60 * 24 * 90))
    paid = status in (Status.PAID, Status.REFUNDED, Status.DISPUTED)
    return make_payment(
        session,
        event,
        now=created,
        link=f"gw{nth:08d}" if dice.random() < 0.7 and amount else None,
        status=status,
        amount_minor=amount,
        received_minor=amount if paid else 0,
        method=dice.choice(list(Method)) if paid else None,
        paid_at=created + timedelta(hours=1) if paid else None,
        review=dice.choice(list(Review)) if dice.random() < 0.2 else None,
        payer_name=dice.choice(NAMES),
        payer_email=f"payer{nth}@example.org" if dice.random() < 0.8 else "",
        payer_phone=f"+2782{dice.randrange(10**7):07d}" if dice.random() < 0.5 else "",
        note=dice.choice(("", "paid at the door; +1 guest", 'he said "later"', "two\nlines")),
    )


def _link(payment: Payment, gateway_reference: str, now: datetime) -> Link:
    return Link(
        gateway="ikhokha",
        wire_reference=payment.reference,
        gateway_reference=gateway_reference,
        url=f"https://securepay.ikhokha.red/{gateway_reference}",
        state="open",
        amount_minor=payment.amount_minor,
        amount_currency=payment.amount_currency,
        return_token=f"token-{payment.reference}",
        requested_at=now,
        active_at=now,
        next_ask_at=now + timedelta(minutes=1),
    )
