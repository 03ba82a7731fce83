"""Refunds that are to be made by EFT: where the money goes, who wants it, and how far each is.

Whose account it is stands encrypted and is shown by its last digits; whoever opens all of it is on the
record. Two people decide: the approval is bound to the payment and to these very details.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import PayeeDetails, Payment, RefundOrder
from db.money import Money
from payments import lifecycle, obligations, references
from payments.access.people import Action, Person, check, proven
from payments.bank.accounts import digits
from payments.books import audit
from payments.deciding import cases
from payments.deciding.cases import Decision, Reason
from payments.errors import Conflict, InvalidInput, NotFound
from payments.keeping.keyring import KeyRing
from payments.lifecycle import Kind, Source, Status
from payments.money_back.bank_batches import KINDS, Account
from payments.privacy import clean_line, reason
from payments.second_person.approvals import ApprovalView
from payments.watching import standstill

_PLACE = "payee_details.sealed.{id}"
_SHORTEST, _LONGEST = 6, 18


class State(StrEnum):
    READY = "ready"
    IN_RUN = "in_run"
    SENT = "sent"
    PAID = "paid"
    RETURNED = "returned"  # the bank sent it back: it is owed to the payer again
    WITHDRAWN = "withdrawn"


#: The payer's money is promised, and not known to be there.
PROMISED = (State.READY, State.IN_RUN, State.SENT)


@dataclass(frozen=True)
class OrderView:
    """An order as people see it: of the account, what is masked."""

    id: int
    reference: str
    payer: str
    event: str
    amount: Money
    masked: str
    bank_reference: str
    state: State
    run_id: int | None
    why: str
    by: str
    at: datetime


# -- where it goes ------------------------------------------------------------------------------------


def checked(account: Account) -> Account:
    """Raises InvalidInput naming what to change."""
    number, branch = digits(account.number), digits(account.branch_code)
    holder = clean_line(account.holder, field="The account holder", longest=70)
    bank = clean_line(account.bank, field="The bank", longest=60)
    if not holder or not bank:
        raise InvalidInput("Say whose account it is, and at which bank.")
    if not _SHORTEST <= len(number) <= _LONGEST:
        raise InvalidInput(f"An account number has {_SHORTEST} to {_LONGEST} digits.")
    if len(branch) != 6:
        raise InvalidInput("A branch code has six digits; the bank's universal one will do.")
    if account.kind not in KINDS:
        raise InvalidInput(f"The account is one of {', '.join(KINDS)}.")
    return Account(holder, bank, number, branch, account.kind)


def keep_details(
    session: Session, person: Person, payment: Payment, account: Account, keys: KeyRing, *, now: datetime
) -> PayeeDetails:
    """Seal them. The caller holds the payment and asks for the approval. Raises InvalidInput, CannotOpen."""
    standstill.refuse(session)
    check(person, Action.RECORD, payment.event_id)
    account = checked(account)
    row = PayeeDetails(payment_id=payment.id, masked=account.masked, sealed=b"", at=now, by=person.name)
    session.add(row)
    session.flush()  # its place is its id
    row.sealed = keys.seal(json.dumps(asdict(account)).encode(), _PLACE.format(id=row.id))
    session.flush()
    return row


def opened(row: PayeeDetails, keys: KeyRing) -> Account:
    """Raises CannotOpen."""
    return Account(**json.loads(keys.open(row.sealed, _PLACE.format(id=row.id))))


def unmask(session: Session, person: Person, order_id: int, keys: KeyRing, *, now: datetime) -> Account:
    """All of where an order goes, for whoever looks after refunds; that they looked is on the record.

    Raises NotFound, NotAllowed, CannotOpen.
    """
    order, payment = _row(session, person, order_id)
    check(person, Action.RECORD, payment.event_id)
    proven(person, now=now)
    account = opened(session.get_one(PayeeDetails, order.details_id), keys)
    audit.record(
        session, person, "open_bank_details", payment.reference, now=now, event_id=payment.event_id,
        order=order.id,
    )  # fmt: skip
    return account


# -- asked for, and wanted ------------------------------------------------------------------------------


def promised(session: Session, payment_id: int) -> int:
    """What orders under way will give back of a payment, in minor units."""
    query = select(func.sum(RefundOrder.amount_minor)).where(
        RefundOrder.payment_id == payment_id, RefundOrder.state.in_(PROMISED)
    )
    return int(session.scalar(query) or 0)


def check_amount(session: Session, payment: Payment, amount: Money) -> None:
    """Raises Conflict (not all of it is here), InvalidInput (more than can be given back)."""
    if (
        payment.status not in (Status.PAID, Status.PART_REFUNDED)
        or payment.received_minor < payment.owed_minor
    ):
        raise Conflict(
            f"{payment.reference} is {payment.status.replace('_', ' ')}: a run gives back what was paid in "
            f"full. Record another refund by hand."
        )
    left = payment.received_minor - payment.refunded_minor - promised(session, payment.id)
    if amount.currency != payment.amount_currency or not 1 <= amount.minor <= left:
        raise InvalidInput(f"{Money(left, payment.amount_currency)} can be given back, and no more.")
    if amount.currency != "ZAR":
        raise InvalidInput("A run pays in rand.")


def add(session: Session, payment: Payment, used: ApprovalView, by: str, now: datetime) -> None:
    """Write down what two people decided, for ``refund_runs``. Raises Conflict, InvalidInput."""
    assert used.amount is not None
    check_amount(session, payment, used.amount)
    nth = session.scalar(select(func.count()).where(RefundOrder.payment_id == payment.id)) or 0
    spoken = references.spoken(payment.reference)
    order = RefundOrder(
        payment_id=payment.id, approval_id=used.id, details_id=used.bound["details"],
        amount_minor=used.amount.minor, amount_currency=used.amount.currency,
        bank_reference=f"{spoken}R{nth + 1}"[-20:], state=State.READY, run_id=None, refund_id=None,
        match_id=None, why=used.why, at=now, by=by,
    )  # fmt: skip
    session.add(order)
    session.flush()
    act = {"now": now, "source": Source.DESK, "actor": by}
    note(session, order, payment, "ready", act)
    not_returned(session, payment, "It was asked for anew, with other bank details.", act)


def not_returned(session: Session, payment: Payment, why: str, act: Mapping[str, Any]) -> None:
    """Nobody need look after a refund of it that the bank had sent back. The payment is held."""
    case = cases.find_open(session, payment.id, Reason.REFUND_RETURNED)
    if case is not None:
        lifecycle.close_case(session, case, Decision.DONE, why, **act)


def withdraw(session: Session, person: Person, order_id: int, why: str, *, now: datetime) -> None:
    """It is not to be made after all. Raises NotFound, NotAllowed, InvalidInput, Conflict (a run has it)."""
    standstill.refuse(session)
    why = reason(why)
    order, payment = _row(session, person, order_id)
    payment = obligations.held(session, person, Action.RECORD, payment.reference)
    session.refresh(order, with_for_update=True)
    if order.state != State.READY:
        raise Conflict(f"This refund is {told(order.state)}. Call its run back first.")
    order.state = State.WITHDRAWN
    by = {"now": now, "source": Source.DESK, "actor": person.name}
    note(session, order, payment, "withdrawn", by, why=why)
    audit.record(
        session, person, "withdraw_refund", payment.reference, now=now, event_id=payment.event_id,
        order=order.id, why=why,
    )  # fmt: skip


def note(
    session: Session, order: RefundOrder, payment: Payment, step: str, act: Mapping[str, Any], **more: Any
) -> None:
    """On its payment's timeline."""
    lifecycle.note(
        session, payment, Kind.REFUND_ORDER, **act, step=step, order=order.id,
        amount_minor=order.amount_minor, currency=order.amount_currency, **more,
    )  # fmt: skip


def told(state: str) -> str:
    return "in a run" if state == State.IN_RUN else state


# -- looking ------------------------------------------------------------------------------------------


def listed(
    session: Session, person: Person, states: Sequence[State] = (), *, run_id: int | None = None
) -> tuple[OrderView, ...]:
    """Orders of this person's events in these states, or of a run; the oldest first."""
    check(person, Action.RECORD)
    query = select(RefundOrder, Payment).join(Payment, Payment.id == RefundOrder.payment_id)
    if states:
        query = query.where(RefundOrder.state.in_(states))
    if run_id is not None:
        query = query.where(RefundOrder.run_id == run_id)
    if person.events is not None:
        query = query.where(Payment.event_id.in_(sorted(person.events)))
    rows = session.execute(query.order_by(RefundOrder.id)).all()
    masked = _masked(session, [order.details_id for order, _ in rows])
    return tuple(_view(order, payment, masked[order.details_id]) for order, payment in rows)


def _masked(session: Session, ids: Sequence[int]) -> dict[int, str]:
    rows = session.scalars(select(PayeeDetails).where(PayeeDetails.id.in_(ids)))
    return {row.id: row.masked for row in rows}


def _view(order: RefundOrder, payment: Payment, masked: str) -> OrderView:
    return OrderView(
        order.id, payment.reference, payment.payer_name, payment.event.name, order.amount, masked,
        order.bank_reference, State(order.state), order.run_id, order.why, order.by, order.at,
    )  # fmt: skip


def _row(session: Session, person: Person, order_id: int) -> tuple[RefundOrder, Payment]:
    order = session.get(RefundOrder, order_id)
    payment = session.get(Payment, order.payment_id) if order else None
    if order is None or payment is None or not person.may(Action.RECORD, payment.event_id):
        raise NotFound("There is no such refund here.")
    return order, payment
