"""Reissue: one more link for a payment that is still owed, beside those it had.

The gateway's pages cannot be closed: an old link goes on being asked about, and money on it counts for the
payment, told as *paid late*. So nobody is given a second link before the gateway has said that no money is on
the first.
"""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from db.models import Link, Payment
from db.session import Sessions
from payments import holding, lifecycle, obligations
from payments.access.people import Action, Person, check
from payments.asking import links
from payments.asking.links import Addresses, LinkView
from payments.books import audit
from payments.deciding.attention import reason_given
from payments.errors import Conflict
from payments.gateways import Gateway, LinkRequest
from payments.hearing import sync
from payments.lifecycle import Source, Status
from payments.selling import prices, quotes
from payments.watching import standstill

#: A payment that nobody has paid, or only in part; one we closed is taken up again by it.
REISSUABLE = frozenset({Status.OPEN, Status.FAILED, Status.PART_PAID, Status.EXPIRED, Status.CANCELLED})


def obstacle(status: Status) -> str | None:
    """Why a payment of this status gets no further link; None when it does."""
    return None if status in REISSUABLE else f"it is {status.replace('_', ' ')}"


def reissue(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    person: Person,
    reference: str,
    why: str,
    *,
    replaces: str,
    addresses: Addresses,
    now: datetime,
    source: Source = Source.DESK,
) -> LinkView:
    """Give a payment another link, for what is still owed, after the gateway was asked about the old ones.

    ``replaces`` is the wire reference of the link that the person saw: when that was replaced already, it is
    the same wish sent twice, and what came of it is returned.

    Raises InvalidInput, NotFound, NotAllowed, GatewayError, Conflict (paid just now, on its way, closed
    event).
    """
    reason = reason_given(why)
    with sessions.read() as session:
        payment = _payment(session, person, reference)
        newest = links.newest(payment)
        if newest.wire_reference != replaces:
            return links.view(session, newest)
        _check_reissuable(payment)
        asked = [link.id for link in payment.links if link.state not in lifecycle.NEVER_MADE]
        gateway = gateways[newest.gateway]
    for link_id in asked:
        sync.ask_for(sessions, gateways, person, link_id, now=now)
    reserved = sessions.run(
        lambda session: _reserve(
            session, person, reference, reason, replaces, gateway, addresses, now, source
        )
    )
    if reserved is None:
        with sessions.read() as session:
            return links.current(session, person, reference)
    links.ask(sessions, gateway, *reserved, person=person, now=now, source=source)
    with sessions.read() as session:
        return links.view(session, session.get_one(Link, reserved[0]))


def _reserve(
    session: Session,
    person: Person,
    reference: str,
    why: str,
    replaces: str,
    gateway: Gateway,
    addresses: Addresses,
    now: datetime,
    source: Source,
) -> tuple[int, LinkRequest] | None:
    """The row of the new link, while nobody else can touch the payment; None: somebody was faster."""
    standstill.refuse(session)
    payment = holding.payment(session, _payment(session, person, reference).id)
    session.refresh(payment, ["links"])
    newest = links.newest(payment)
    if newest.wire_reference != replaces:
        return None
    _check_reissuable(payment)
    _take_seats_again(session, person, payment, now, source)
    link = links.new_link(
        session, payment, gateway, person=person, now=now, source=source, replaces=replaces, why=why
    )
    audit.record(
        session, person, "reissue_link", payment.reference, now=now, event_id=payment.event_id,
        replaces=replaces, wire_reference=link.wire_reference, amount_minor=link.amount_minor, why=why,
    )  # fmt: skip
    return link.id, links.request_of(payment, link, payment.event, addresses)


def _payment(session: Session, person: Person, reference: str) -> Payment:
    payment = obligations.seen(session, person, reference)
    check(person, Action.ISSUE_LINK, payment.event_id)
    if not payment.links:
        raise Conflict(f"{reference} never had a link. Take a new payment instead.")
    return payment


def _take_seats_again(
    session: Session, person: Person, payment: Payment, now: datetime, source: Source
) -> None:
    """One that was closed and priced waits for its payer from now on, before the gateway is asked: else its
    seats would be another's by the time the gateway has answered. Raises Conflict."""
    prices.refuse_if_over(session, payment, now=now)
    quotes.refuse_if_over(session, payment, now=now)
    if payment.status in lifecycle.CLOSED and prices.kept(session, payment):
        lifecycle.advance(session, payment, Status.OPEN, now=now, source=source, actor=person.name)


def _check_reissuable(payment: Payment) -> None:
    if why_not := obstacle(Status(payment.status)):
        raise Conflict(f"{payment.reference} gets no other link: {why_not}.")
    if any(link.state == "asked" for link in payment.links):
        raise Conflict("The gateway has not said whether it made the last link: it is looked up first.")
    if payment.event.state != "open":
        raise Conflict(f"{payment.event.name} is {payment.event.state}; open it under Events first.")
