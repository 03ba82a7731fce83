"""Issue a payment link: a page at the gateway where one payment can be paid."""

import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.models import Event, Link, Payment, Registration
from db.money import Money
from db.session import Sessions
from payments import dates, holding, lifecycle, obligations, references
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import (
    Conflict,
    GatewayRefused,
    GatewayUnavailable,
    InvalidInput,
    NotFound,
    OutcomeUnknown,
)
from payments.finding import search_text
from payments.gateways import Answer, Gateway, IssuedLink, LinkRequest
from payments.lifecycle import SETTLED, Kind, Source, Status
from payments.live import stages
from payments.live.stages import Stage
from payments.obligations import Draft
from payments.payers import places
from payments.payers.payer_words import Language
from payments.selling import quotes, terms
from payments.selling.events import event_row
from payments.watching import standstill

#: How long after it was asked for a link with no answer is still simply on its way.
ON_ITS_WAY = timedelta(seconds=20)
#: A new link that is open has its payer awaited again.
REOPENED_BY_A_LINK = (Status.CREATED, Status.FAILED, Status.EXPIRED, Status.CANCELLED)
#: While it stands so, an attempt on one link says nothing of the payment's other links.
_TRIED_BY_LINK = (Status.OPEN, Status.FAILED, Status.PART_PAID)


@dataclass(frozen=True)
class Addresses:
    """Where the gateway knocks, and where the payer's browser comes back to."""

    webhook_url: str
    return_url: str
    failure_url: str
    cancel_url: str


@dataclass(frozen=True)
class LinkView:
    """``status``: how it stands for whoever pays by this link (``standing``)."""

    reference: str
    status: Status
    amount: Money
    payer_name: str
    url: str | None
    gateway_reference: str | None
    return_token: str
    wire_reference: str
    place: int  # of a payment for several: it is for this one alone
    part: bool
    is_paid: bool
    fits: bool  # it asks for what is still owed


@dataclass(frozen=True)
class PayerView:
    """What a payer's browser may see: no name, no reference. ``stale``: asking again could tell more.
    ``language`` is the event's; ``back`` a page of the system that registered the payment, or "";
    ``quoted`` what it was in another currency, and by which rate, or ""."""

    event: str
    amount: Money
    status: Status
    stale: bool
    language: Language
    back: str = ""
    quoted: str = ""


def issue(
    sessions: Sessions,
    gateway: Gateway,
    draft: Draft,
    *,
    person: Person,
    addresses: Addresses,
    now: datetime,
    source: Source = Source.DESK,
) -> LinkView:
    """Create a payment link and return it.

    The row is written before the gateway is asked, so that a lost answer leaves something to look
    up, and no transaction is open while we wait. The same draft again returns the same link; after a
    refusal, or when the gateway never made one, it asks anew under a new wire reference.

    Raises InvalidInput, NotFound, NotAllowed, Conflict (another draft under this reference, or the
    link is on its way), GatewayRefused, GatewayUnavailable, OutcomeUnknown.
    """
    draft = _for_the_gateway(obligations.checked(draft))
    try:
        link_id, request = _reserve(sessions, gateway, draft, person, addresses, now, source)
    except IntegrityError:  # the same draft, in the same instant: the other one wrote the row
        link_id, request = _reserve(sessions, gateway, draft, person, addresses, now, source)
    if request is not None:
        ask(sessions, gateway, link_id, request, person=person, now=now, source=source)
    with sessions.read() as session:
        return view(session, session.get_one(Link, link_id))


def view(session: Session, link: Link) -> LinkView:
    payment = link.payment
    return LinkView(
        reference=payment.reference,
        status=standing(link),
        amount=link.amount,
        payer_name=payment.payer_name,
        url=link.url,
        gateway_reference=link.gateway_reference,
        return_token=link.return_token,
        wire_reference=link.wire_reference,
        place=link.place,
        part=link.part,
        is_paid=link.state == "paid",
        fits=fits(session, link),
    )


def standing(link: Link) -> Status:
    """How the payment stands for whoever pays by this link. Of several links each may have failed by itself,
    and whoever paid theirs owes nothing more by it."""
    status = Status(link.payment.status)
    if link.state == "paid" and (link.place or link.part) and status is Status.PART_PAID:
        return Status.PAID
    if link.state != "open" or status not in _TRIED_BY_LINK:
        return status
    if link.answer == Answer.ATTEMPT_FAILED:
        return Status.FAILED
    return Status.OPEN if status is Status.FAILED else status


def current(session: Session, person: Person, reference: str, place: int = 0) -> LinkView:
    """The link that its payer should use, or one of several people, as it stands now: the newest that the
    gateway made or may make."""
    payment = obligations.seen(session, person, reference)
    if not payment.links:
        raise NotFound(f"{reference} has no payment link.")
    return view(session, newest(payment, place))


def newest(payment: Payment, place: int = 0) -> Link:
    """The newest link of a payment, or of one of its places; one that the gateway never made, or one for
    somebody else, only when there is no other."""
    made = [link for link in payment.links if link.state not in lifecycle.NEVER_MADE]
    return ([link for link in made if link.place == place] or made or payment.links)[-1]


def shared(
    session: Session, person: Person, reference: str, how: str, *, place: int = 0, now: datetime
) -> None:
    """The link was sent on: it stands on the timeline, and the gateway is asked more often again."""
    standstill.refuse(session)
    payment = obligations.seen(session, person, reference)
    check(person, Action.ISSUE_LINK, payment.event_id)
    if payment.links:
        link = holding.link(session, newest(payment, place).id)
        wake(link, now, within=timedelta(minutes=1))
    lifecycle.note(session, payment, Kind.SHARED, now=now, source=Source.DESK, actor=person.name, how=how)


def opened(session: Session, person: Person, reference: str, *, now: datetime) -> None:
    """Somebody looks at the payment: the gateway is asked within moments, once a minute at most."""
    for link in obligations.seen(session, person, reference).links:
        if _stale(link, now):
            link.next_ask_at = now


def returned(session: Session, token: str, page: str, *, now: datetime) -> LinkView:
    """The payer's browser came back to a return page. That proves nothing; it is a reason to ask soon."""
    link = link_by_token(session, token)
    if _stale(link, now) and wake(holding.link(session, link.id), now, within=timedelta(0)):
        lifecycle.note(
            session, link.payment, Kind.RETURNED, now=now, source=Source.PAYER, actor="Payer", page=page
        )
    if stages.is_before(link.payment, Stage.OPENED):
        payment = holding.payment(session, link.payment_id)
        stages.came_to(session, payment, Stage.OPENED, now=now)
    return view(session, link)


def for_payer(session: Session, token: str, *, now: datetime) -> PayerView:
    """What the return page shows. Raises NotFound for a token of no link."""
    link = link_by_token(session, token)
    payment = link.payment
    language = terms.of(session, payment.event_id).language
    of_it = select(Registration.return_url).where(Registration.reference == payment.reference)
    back = session.scalar(of_it) if payment.origin == "api" else None
    quoted = quotes.kept(session, payment) if link.amount == payment.amount else None
    return PayerView(
        payment.event.name,
        link.amount,
        standing(link),
        _stale(link, now),
        language,
        back or "",
        quoted.sum if quoted else "",
    )


def page_of(session: Session, token: str) -> str | None:
    """The gateway's page where a payer can pay now what this link was for, if need be a newer link's.

    None when nothing is to be paid there. Raises NotFound.
    """
    of = link_by_token(session, token)
    payment = of.payment
    waits = payment.status in (Status.OPEN, Status.FAILED, Status.PART_PAID)
    link = newest(payment, of.place)
    return link.url if waits and link.state == "open" and fits(session, link) else None


def fits(session: Session, link: Link) -> bool:
    """Whether it asks for what is still owed of what it is for: money that came another way since leaves it
    asking for too much."""
    payment = link.payment
    if link.place:
        return link.amount == places.one(session, payment, link.place).missing
    rest = payment.amount_minor - payment.received_minor
    return link.amount_minor <= rest if link.part else link.amount_minor == rest


def link_by_token(session: Session, token: str) -> Link:
    link = session.scalar(select(Link).where(Link.return_token == token))
    if link is None:
        raise NotFound("This page belongs to no payment.")
    return link


def _stale(link: Link, now: datetime) -> bool:
    """No question is under way, and the last one is a minute old. Never for a paid or refused link."""
    waits = link.next_ask_at is not None and link.next_ask_at > now
    return waits and not dates.lately(link.asked_at, now=now)


def wake(link: Link, now: datetime, *, within: timedelta) -> bool:
    """Have a link asked about soon. A paid or refused one needs no asking."""
    if link.next_ask_at is None:
        return False
    link.active_at = now
    link.next_ask_at = min(link.next_ask_at, now + within)
    return True


# -- before the gateway is asked --------------------------------------------------------------------


def _for_the_gateway(draft: Draft) -> Draft:
    if draft.amount.currency != "ZAR":
        raise InvalidInput("The gateway takes rand only. Quote in rand, or take the money another way.")
    return draft


def _reserve(
    sessions: Sessions,
    gateway: Gateway,
    draft: Draft,
    person: Person,
    addresses: Addresses,
    now: datetime,
    source: Source,
) -> tuple[int, LinkRequest | None]:
    """Write down what we are about to ask for. None for the request: it was asked for already."""

    def write(session: Session) -> tuple[int, LinkRequest | None]:
        standstill.refuse(session)
        event = event_row(session, person, draft.event_code)
        check(person, Action.ISSUE_LINK, event.id)
        payment = session.scalar(select(Payment).where(Payment.reference == draft.reference))
        if payment is not None:
            obligations.same_intent(payment, event, draft)
            last = payment.links[-1] if payment.links else None
            if last is not None and last.state not in lifecycle.NEVER_MADE:
                _not_on_its_way(last, now)
                return last.id, None
            if payment.status in SETTLED:
                raise Conflict(f"{payment.reference} has its money already. Start a new payment for more.")
        else:
            payment = obligations.create(session, event, draft, person=person, now=now, source=source)
            audit.record(
                session, person, "issue_link", payment.reference, now=now, event_id=event.id,
                amount_minor=payment.amount_minor, currency=payment.amount_currency,
            )  # fmt: skip
        link = new_link(session, payment, gateway, asks=draft.deposit, person=person, now=now, source=source)
        return link.id, request_of(payment, link, event, addresses)

    return sessions.run(write)


def new_link(
    session: Session,
    payment: Payment,
    gateway: Gateway,
    *,
    asks: Money | None = None,
    place: int = 0,
    person: Person,
    now: datetime,
    source: Source,
    **told: str | int,
) -> Link:
    """The row of one more link, for what is still owed, or for ``asks`` of it; ``told`` stands on the
    timeline with it."""
    rest = Money(payment.amount_minor - payment.received_minor, payment.amount_currency)
    asked = asks or rest
    link = Link(
        payment_id=payment.id,
        gateway=gateway.name,
        wire_reference=references.wire_reference(payment.reference, len(payment.links) + 1),
        state="asked",
        amount_minor=asked.minor,
        amount_currency=asked.currency,
        place=place,
        part=not place and asked != rest,
        return_token=secrets.token_urlsafe(16),
        requested_at=now,
        active_at=now,
        next_ask_at=now + timedelta(minutes=1),
    )
    payment.links.append(link)
    session.flush()
    lifecycle.note(
        session,
        payment,
        Kind.LINK_ASKED,
        now=now,
        source=source,
        actor=person.name,
        wire_reference=link.wire_reference,
        **({"place": place} if place else {}),
        **told,
    )
    return link


def request_of(payment: Payment, link: Link, event: Event, addresses: Addresses) -> LinkRequest:
    what = f"{event.name}: {payment.category.name}" if payment.category else event.name
    return LinkRequest(
        reference=link.wire_reference,
        amount=link.amount,
        description=what,
        callback_url=addresses.webhook_url,
        success_url=f"{addresses.return_url}/{link.return_token}",
        failure_url=f"{addresses.failure_url}/{link.return_token}",
        cancel_url=f"{addresses.cancel_url}/{link.return_token}",
    )


def _not_on_its_way(link: Link, now: datetime) -> None:
    if link.state == "asked" and abs(now - link.requested_at) < ON_ITS_WAY:
        raise Conflict("This link is being made right now. It will show here in a moment.")


# -- after the gateway was asked --------------------------------------------------------------------


def ask(
    sessions: Sessions,
    gateway: Gateway,
    link_id: int,
    request: LinkRequest,
    *,
    person: Person,
    now: datetime,
    source: Source,
) -> None:
    """Ask the gateway for a link that is written down, and keep what it said.

    Raises NotAllowed, GatewayError.
    """
    by: dict[str, Any] = {"now": now, "source": source, "actor": person.name}
    with sessions.read() as session:
        check(person, Action.ISSUE_LINK, session.get_one(Link, link_id).payment.event_id)
    try:
        issued = gateway.issue(request)
    except (GatewayRefused, GatewayUnavailable) as error:
        reason = stages.NO_LINK if isinstance(error, GatewayRefused) else stages.UNREACHABLE
        _no_link(sessions, link_id, str(error), reason, by)
        raise
    except OutcomeUnknown as error:
        with sessions.begin() as session:
            link = session.get_one(Link, link_id)
            lifecycle.note(session, link.payment, Kind.OUTCOME_UNKNOWN, **by, why=str(error))
        raise OutcomeUnknown(
            f"{error} The link may exist: it is kept as {request.reference} and looked up within minutes. "
            f"Do not create another."
        ) from error
    _keep_link(sessions, link_id, issued, by)


def _keep_link(sessions: Sessions, link_id: int, issued: IssuedLink, by: dict[str, Any]) -> None:
    def keep(session: Session) -> None:
        link = session.get_one(Link, link_id)
        payment = holding.payment(session, link.payment_id)
        session.refresh(link)
        link.url = issued.url
        if link.gateway_reference is None:
            link.gateway_reference = issued.gateway_reference
        if link.state in ("asked", "missing"):  # else a webhook or the poll was here first, and knows more
            link.state = "open"
        payment.search_text = search_text.of(payment)
        stages.came_to(session, payment, Stage.ISSUED, now=by["now"])
        lifecycle.note(
            session, payment, Kind.LINK_OPEN, **by, gateway_reference=issued.gateway_reference, url=issued.url
        )
        if payment.status in REOPENED_BY_A_LINK and link.state == "open":
            lifecycle.advance(session, payment, Status.OPEN, **by)

    sessions.run(keep)


def _no_link(sessions: Sessions, link_id: int, why: str, reason: str, by: dict[str, Any]) -> None:
    def keep(session: Session) -> None:
        link = session.get_one(Link, link_id)
        payment = holding.payment(session, link.payment_id)
        link.state, link.next_ask_at = "refused", None
        lifecycle.note(session, payment, Kind.LINK_REFUSED, **by, why=why)
        if payment.status == Status.CREATED:
            stages.failed_for(session, payment, reason, now=by["now"])
            lifecycle.advance(session, payment, Status.FAILED, **by, why=why)

    sessions.run(keep)
