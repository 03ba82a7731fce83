"""What the bank's statement makes of a refund that was sent: made, or not made after all."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Match, Payment, Refund, RefundOrder, RefundReturn, StatementLine
from payments import holding, lifecycle
from payments.deciding.cases import Reason
from payments.errors import Conflict
from payments.lifecycle import Kind, Method, Status
from payments.money_back import contested, crediting, refund_orders
from payments.money_back.refund_orders import State
from payments.telling import notifications

Act = Mapping[str, Any]


def made(
    session: Session, match: Match, line: StatementLine, parts: Sequence[tuple[int, int]], act: Act
) -> None:
    """A line of money out is these refunds; ``parts`` are payment and minor units of each. The caller holds
    the payments. Raises Conflict: a part is no refund that was sent."""
    for payment_id, minor in parts:
        order = session.scalar(
            select(RefundOrder)
            .where(
                RefundOrder.payment_id == payment_id,
                RefundOrder.amount_minor == -minor,
                RefundOrder.state.in_((State.SENT, State.RETURNED)),
            )
            .order_by(RefundOrder.state.desc(), RefundOrder.id)  # sent before returned
            .with_for_update()
        )
        payment = holding.payment(session, payment_id)
        if order is None:
            raise Conflict(f"No refund of this amount was sent for {payment.reference}.")
        _made(session, order, payment, match, line, act)


def _made(
    session: Session, order: RefundOrder, payment: Payment, match: Match, line: StatementLine, act: Act
) -> None:
    left = payment.received_minor - payment.refunded_minor
    if order.amount_minor > left:
        raise Conflict(f"{payment.reference} was refunded otherwise meanwhile. Look at both before matching.")
    refund = session.get(Refund, order.refund_id) if order.refund_id else None
    if refund is None:
        refund = Refund(
            payment_id=payment.id, approval_id=order.approval_id, proof_id=None, method=Method.EFT,
            amount_minor=order.amount_minor, amount_currency=order.amount_currency, refunded_on=line.on,
            done_by="The bank", source_reference=order.bank_reference, why=order.why, at=act["now"],
            by=order.by,
        )  # fmt: skip
        session.add(refund)
        session.flush()
    else:  # it was undone, and is the line's after all
        standing = select(RefundReturn).where(
            RefundReturn.refund_id == refund.id, RefundReturn.undone_at.is_(None)
        )
        session.scalars(standing).one().undone_at = act["now"]
    if order.state == State.RETURNED:
        refund_orders.not_returned(session, payment, "The bank did pay it out after all.", act)
    order.state, order.refund_id, order.match_id = State.PAID, refund.id, match.id
    give_back(session, payment, refund, act, line=line.id)


def give_back(session: Session, payment: Payment, refund: Refund, act: Act, **more: Any) -> None:
    """Count a refund that is written down, and move its payment with it."""
    payment.refunded_minor += refund.amount_minor
    session.flush()
    lifecycle.note(
        session, payment, Kind.REFUND, **act, how=refund.method, on=refund.refunded_on.isoformat(),
        done_by=refund.done_by, amount_minor=refund.amount_minor, currency=refund.amount_currency,
        why=refund.why, approval=refund.approval_id, **more,
    )  # fmt: skip
    whole = payment.refunded_minor == payment.received_minor
    to = Status.REFUNDED if whole else Status.PART_REFUNDED
    if payment.status != to and not contested.is_contested(session, payment):
        lifecycle.advance(session, payment, to, **act)
    else:  # some more of it: who was told of the first part is told of this one too
        notifications.queue(session, payment, notifications.REFUNDED, now=act["now"])
    crediting.seen_to(session, payment, **act)


def not_made(session: Session, match: Match, why: str, act: Act, *, by_bank: bool) -> None:
    """The bank sent refunds of a match back, or the match was undone: then they are only sent again."""
    orders = session.scalars(
        select(RefundOrder).where(RefundOrder.match_id == match.id, RefundOrder.state == State.PAID)
    ).all()
    for order in sorted(orders, key=lambda one: one.payment_id):
        payment = holding.payment(session, order.payment_id)
        order.state = State.RETURNED if by_bank else State.SENT
        session.add(
            RefundReturn(
                refund_id=order.refund_id, payment_id=payment.id, amount_minor=order.amount_minor,
                amount_currency=order.amount_currency, why=why, at=act["now"], by=act["actor"],
            )
        )  # fmt: skip
        payment.refunded_minor -= order.amount_minor
        session.flush()
        refund_orders.note(
            session, order, payment, "returned" if by_bank else "unmatched", dict(act), why=why
        )
        lifecycle.refund_came_back(session, payment, **act)
        crediting.seen_to(session, payment, **act)
        if by_bank:
            lifecycle.open_case(
                session, payment, Reason.REFUND_RETURNED, **act, order=order.id,
                contested_minor=order.amount_minor,
            )  # fmt: skip
