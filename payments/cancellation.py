"""Cancel a payment that nobody waits for any more, and take up again one that was cancelled or expired.

The gateway's page cannot be closed: whoever still has the link can pay. That money is then *paid late*,
flagged and never lost, because a cancelled payment's links go on being asked about.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from db.models import Payment
from db.session import Sessions
from payments import holding, lifecycle
from payments.access.people import Action, Person, check
from payments.asking import links
from payments.books import audit
from payments.deciding.attention import reason_given
from payments.errors import Conflict, NotFound
from payments.finding.search import find_one
from payments.gateways import Gateway
from payments.hearing import sync
from payments.lifecycle import TRANSITIONS, Source, Status
from payments.selling import prices
from payments.watching import standstill


def obstacle(status: Status) -> str | None:
    """Why a payment of this status cannot be cancelled; None when it can."""
    if status is Status.CANCELLED:
        return "it is cancelled already"
    if Status.CANCELLED not in TRANSITIONS[status]:
        return f"it is {status.replace('_', ' ')}"
    return None


def cancel(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    person: Person,
    reference: str,
    why: str,
    *,
    now: datetime,
    source: Source = Source.DESK,
) -> None:
    """Cancel a payment, after the gateway was asked about each of its links.

    Raises InvalidInput, NotFound, NotAllowed, GatewayError (it could not be asked), and Conflict for one
    that has money, or whose link the gateway has not confirmed.
    """
    reason = reason_given(why)
    ask_gateway(sessions, gateways, person, reference, now=now)

    def cancel_it(session: Session) -> None:
        standstill.refuse(session)
        payment = holding.payment(session, _payment(session, person, reference).id)
        close(session, person, payment, reason, now=now, source=source)

    sessions.run(cancel_it)


def ask_gateway(
    sessions: Sessions, gateways: Mapping[str, Gateway], person: Person, reference: str, *, now: datetime
) -> None:
    """Have the gateway say of each link whether it was paid, before the payment is cancelled.

    Raises NotFound, NotAllowed, GatewayError, Conflict (it has money).
    """
    with sessions.read() as session:
        standstill.refuse(session)
        payment = _payment(session, person, reference)
        _check_cancellable(payment)
        asked = [link.id for link in payment.links if link.state not in lifecycle.NEVER_MADE]
    for link_id in asked:
        sync.ask_for(sessions, gateways, person, link_id, now=now)


def close(
    session: Session, person: Person, payment: Payment, why: str, *, now: datetime, source: Source
) -> None:
    """Cancel a payment that is held and whose links were asked about. Raises NotAllowed, Conflict."""
    check(person, Action.ISSUE_LINK, payment.event_id)
    _check_cancellable(payment)
    if any(link.state == "asked" for link in payment.links):
        raise Conflict("The gateway has not said whether it made the link: it is looked up first.")
    _move(session, person, payment, Status.CANCELLED, "cancel_payment", why, now, source)


def reopen(session: Session, person: Person, reference: str, why: str, *, now: datetime) -> None:
    """Undo ``cancel`` or an expiry: the payment waits for its payer again. Its links never stopped working,
    and are asked about more often again. Raises InvalidInput, NotFound, NotAllowed, Conflict."""
    reason = reason_given(why)
    payment = holding.payment(session, _payment(session, person, reference).id)
    if payment.status not in (Status.CANCELLED, Status.EXPIRED):
        raise Conflict(f"{payment.reference} is not cancelled, and has not expired.")
    if not any(link.state == "open" for link in payment.links):
        raise Conflict(f"{payment.reference} has no link that could be paid. Take a new payment.")
    prices.refuse_if_over(session, payment, now=now)
    for link in payment.links:
        links.wake(link, now, within=timedelta(minutes=1))
    _move(session, person, payment, Status.OPEN, "reopen_payment", reason, now)


def _payment(session: Session, person: Person, reference: str) -> Payment:
    row = find_one(session, person, reference)
    if row is None:
        raise NotFound(f"There is no payment {reference} here.")
    payment = session.get_one(Payment, row.id)
    check(person, Action.ISSUE_LINK, payment.event_id)
    return payment


def _check_cancellable(payment: Payment) -> None:
    if why_not := obstacle(Status(payment.status)):
        raise Conflict(f"{payment.reference} cannot be cancelled: {why_not}.")


def _move(
    session: Session,
    person: Person,
    payment: Payment,
    to: Status,
    deed: str,
    why: str,
    now: datetime,
    source: Source = Source.DESK,
) -> None:
    lifecycle.advance(session, payment, to, now=now, source=source, actor=person.name, why=why)
    audit.record(session, person, deed, payment.reference, now=now, event_id=payment.event_id, why=why)
