"""What a lost dispute took: the gateway's deduction that it is, and the refund that two people write down.

Where the gateway's file of a payout tells of the deduction, the refund is tied to that row: it is in the
payout's sum already, and is counted by neither of them twice.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Dispute, Link, Payment, PayoutLine, Refund
from db.money import Money
from payments import lifecycle
from payments.access.people import Person
from payments.deciding import cases
from payments.deciding.cases import Decision, Reason
from payments.errors import Conflict, InvalidInput, NotFound
from payments.lifecycle import Method
from payments.lump_sums.captures import STANDS
from payments.money_back import contested, disputes, refund_books
from payments.money_back.disputes import State
from payments.payouts.files import LineKind
from payments.references import readings
from payments.second_person.approvals import ApprovalView


@dataclass(frozen=True)
class Deduction:
    """A row of the gateway's file that took this much off a payout. ``named``: it names the dispute."""

    line_id: int
    payout_id: int
    on: date | None
    reference: str
    amount: Money
    named: bool


def deductions(session: Session, person: Person, dispute_id: int) -> tuple[Deduction, ...]:
    """Chargebacks of just this amount in payouts, tied to nothing yet; those that name it first.

    Raises NotFound, NotAllowed.
    """
    view = disputes.get(session, person, dispute_id)
    free = select(PayoutLine).where(
        PayoutLine.kind == LineKind.CHARGEBACK, PayoutLine.state == STANDS, PayoutLine.refund_id.is_(None),
        PayoutLine.gross_minor == -view.amount.minor,
    )  # fmt: skip
    names = _names(session, view.reference) | {view.case_reference}
    found = [
        Deduction(row.id, row.payout_id or 0, row.on, row.reference, view.amount, row.reference in names)
        for row in session.scalars(free.order_by(PayoutLine.id))
    ]
    return tuple(sorted(found, key=lambda one: not one.named))


def _names(session: Session, reference: str) -> set[str]:
    """What a row may call a payment: its reference, its links' and the gateway's."""
    links = select(Link.wire_reference, Link.gateway_reference).join(Payment, Payment.id == Link.payment_id)
    told = session.execute(links.where(Payment.reference == reference))
    return {*readings(reference), *(word for row in told for word in row if word)}


def to_book(session: Session, dispute: Dispute, payment: Payment, line_id: int | None) -> Money:
    """What is to be written down as gone: the amount, as far as it is here. Both rows are held.

    Raises Conflict (not lost, written down already, nothing is here), InvalidInput (the row is another's).
    """
    if dispute.state not in (State.LOST, State.ACCEPTED):
        raise Conflict(f"Dispute {dispute.case_reference} is neither lost nor accepted: nothing is gone.")
    if dispute.refund_id is not None:
        raise Conflict(f"What dispute {dispute.case_reference} took is written down already.")
    left = payment.received_minor - payment.refunded_minor
    if left <= 0:
        raise Conflict(
            f"All of {payment.reference} was given back before. What the gateway took besides is theirs to "
            f"return: ask for it."
        )
    if line_id is not None:
        _line(session, dispute, line_id)
    return Money(min(dispute.amount_minor, left), payment.amount_currency)


def book(session: Session, person: Person, payment: Payment, used: ApprovalView, now: datetime) -> None:
    """Write down what two people decided, for ``two_people``. Raises as ``to_book``."""
    assert used.amount is not None
    told = used.bound
    dispute, payment = disputes.held(session, person, told["dispute"])
    line_id = told["deduction"] or None
    if to_book(session, dispute, payment, line_id) != used.amount:
        raise Conflict(f"{payment.reference} has changed since this was asked for. Have it asked for again.")
    both = f"{used.requester} and {used.decider}"
    refund = Refund(
        payment_id=payment.id, approval_id=used.id, proof_id=told["proof"] or None, method=Method.GATEWAY,
        amount_minor=used.amount.minor, amount_currency=used.amount.currency,
        refunded_on=date.fromisoformat(told["on"]), done_by=told["done_by"],
        source_reference=dispute.case_reference, why=used.why, at=now, by=both,
    )  # fmt: skip
    session.add(refund)
    session.flush()
    dispute.refund_id = refund.id
    if line_id is not None:
        _line(session, dispute, line_id).refund_id = refund.id
    session.flush()
    act: dict[str, Any] = {"now": now, "source": lifecycle.Source.DESK, "actor": both}
    disputes.note(session, dispute, payment, "booked", act, booked_minor=used.amount.minor)
    refund_books.give_back(session, payment, refund, act, dispute=dispute.id)
    contested.settle(session, payment, **act)
    _closed(session, payment, used.why, act)


def _closed(session: Session, payment: Payment, why: str, act: dict[str, Any]) -> None:
    """Nothing is left to write down, unless another dispute of the payment was lost."""
    lost = select(Dispute.id).where(
        Dispute.payment_id == payment.id, Dispute.state.in_((State.LOST, State.ACCEPTED)),
        Dispute.refund_id.is_(None),
    )  # fmt: skip
    case = cases.find_open(session, payment.id, Reason.CHARGEBACK_UNBOOKED)
    if case is not None and session.scalar(lost.limit(1)) is None:
        lifecycle.close_case(session, case, Decision.DONE, why, **act)


def _line(session: Session, dispute: Dispute, line_id: int) -> PayoutLine:
    row = session.scalar(select(PayoutLine).where(PayoutLine.id == line_id).with_for_update())
    if row is None or row.kind != LineKind.CHARGEBACK or row.state != STANDS:
        raise NotFound("There is no such chargeback in a payout.")
    if row.gross_minor != -dispute.amount_minor:
        raise InvalidInput("That chargeback in the payout is of another amount.")
    if row.refund_id is not None:
        raise Conflict("That chargeback in the payout is another dispute's already.")
    return row
