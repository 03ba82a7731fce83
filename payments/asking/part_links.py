"""A link for one of several people, or for a part of what is owed, beside the links that are there.

The gateway's pages cannot be closed, so that the same money could be paid on two of them. The gateway is
asked first about every link that would ask for it too; what comes twice all the same is told as overpaid.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from db.models import Link, Payment
from db.money import Money
from db.session import Sessions
from payments import holding, lifecycle, obligations
from payments.access.people import Action, Person, check
from payments.asking import links
from payments.asking.links import Addresses, LinkView
from payments.books import audit
from payments.errors import Conflict, InvalidInput
from payments.gateways import Gateway, LinkRequest
from payments.hearing import sync
from payments.lifecycle import CLOSED, SETTLED, Source
from payments.payers import places
from payments.watching import standstill

#: Which gateway makes links where a payment has none yet.
_GATEWAY = "ikhokha"


@dataclass(frozen=True)
class Wanted:
    """``place`` 0: ``amount`` of what is owed by all. ``after``: how many links there were when the form was
    shown, so that it sent twice is one link."""

    reference: str
    after: int
    place: int = 0
    amount: Money | None = None


def make(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    person: Person,
    wanted: Wanted,
    *,
    addresses: Addresses,
    now: datetime,
) -> LinkView:
    """Make the link and return it.

    Raises InvalidInput, NotFound, NotAllowed, GatewayError, Conflict (nothing is owed of it, closed, or a
    link of unknown outcome).
    """
    with sessions.read() as session:
        payment = _payment(session, person, wanted.reference)
        if (known := _known(payment, wanted)) is not None:
            return links.view(session, known)
        _amount(session, payment, wanted)
        asked = [link.id for link in payment.links if _asks_for_it_too(link, wanted)]
    for link_id in asked:
        sync.ask_for(sessions, gateways, person, link_id, now=now)
    with sessions.begin() as session:
        standstill.refuse(session)
        payment = holding.payment(session, _payment(session, person, wanted.reference).id)
        session.refresh(payment, ["links"])
        if (known := _known(payment, wanted)) is not None:  # somebody was faster
            return links.view(session, known)
        link_id, request = _reserve(session, person, payment, wanted, gateways[_GATEWAY], addresses, now)
    links.ask(sessions, gateways[_GATEWAY], link_id, request, person=person, now=now, source=Source.DESK)
    with sessions.read() as session:
        return links.view(session, session.get_one(Link, link_id))


def _reserve(
    session: Session,
    person: Person,
    payment: Payment,
    wanted: Wanted,
    gateway: Gateway,
    addresses: Addresses,
    now: datetime,
) -> tuple[int, LinkRequest]:
    amount = _amount(session, payment, wanted)
    if payment.amount_currency != "ZAR":
        raise InvalidInput("The gateway takes rand only. Take the money another way.")
    link = links.new_link(
        session, payment, gateway, asks=amount, place=wanted.place, person=person, now=now,
        source=Source.DESK, amount_minor=amount.minor, currency=amount.currency,
    )  # fmt: skip
    audit.record(
        session, person, "issue_part_link", payment.reference, now=now, event_id=payment.event_id,
        wire_reference=link.wire_reference, amount_minor=amount.minor, place=wanted.place,
    )  # fmt: skip
    return link.id, links.request_of(payment, link, payment.event, addresses)


def _payment(session: Session, person: Person, reference: str) -> Payment:
    payment = obligations.seen(session, person, reference)
    check(person, Action.ISSUE_LINK, payment.event_id)
    return payment


def _known(payment: Payment, wanted: Wanted) -> Link | None:
    """The link that this very form has made already."""
    since = payment.links[wanted.after :]
    same = (link for link in since if link.place == wanted.place and wanted.amount in (None, link.amount))
    return next((link for link in same if link.state not in lifecycle.NEVER_MADE), None)


def _asks_for_it_too(link: Link, wanted: Wanted) -> bool:
    overlaps = not wanted.place or link.place in (0, wanted.place)
    return link.state == "open" and overlaps


def _amount(session: Session, payment: Payment, wanted: Wanted) -> Money:
    """What the link is to ask for, as things stand now."""
    if payment.status in SETTLED | CLOSED:
        raise Conflict(f"{payment.reference} is {payment.status.replace('_', ' ')}; nothing is asked for.")
    if payment.event.state != "open":
        raise Conflict(f"{payment.event.name} is {payment.event.state}; open it under Events first.")
    if wanted.place:
        place = places.one(session, payment, wanted.place)
        if not place.missing:
            raise Conflict(f"{place.name} is paid already.")
        return place.missing
    rest = Money(payment.owed_minor - payment.received_minor, payment.amount_currency)
    amount = wanted.amount
    if amount is None or amount.currency != rest.currency or not 1 <= amount.minor <= rest.minor:
        raise InvalidInput(f"{rest} is owed. Ask for that, or for a part of it.")
    return amount
