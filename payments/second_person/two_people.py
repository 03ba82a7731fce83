"""Money that takes two people: marked as paid, waived, given back, credited, written off.

One asks, another approves. What is asked for is bound to the payment as it is then: its amounts, status and
version. When any of it has changed before somebody approves, nothing is done.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Payment, Refund, StatementLine
from db.money import Money
from payments import dates, lifecycle, obligations
from payments.access.people import Action, Person, check, proven
from payments.at_the_door import claims
from payments.bank.overlaps import OPEN
from payments.books import audit
from payments.deciding import cases
from payments.deciding.cases import Decision, Reason
from payments.errors import Conflict, InvalidInput
from payments.keeping.keyring import KeyRing
from payments.lifecycle import CLOSED, SETTLED, TRANSITIONS, Method, Source, Status
from payments.lump_sums import went_back
from payments.matching import Target
from payments.money_back import chargebacks, contested, disputes, refund_books, refund_orders
from payments.money_back.bank_batches import Account
from payments.privacy import clean, clean_line
from payments.proofs.files import Prepared
from payments.reconciling import parts, reconciliation
from payments.reconciling.parts import BY_TWO, Decided, Part, locked_line
from payments.second_person import approvals, entrusting, unexplained
from payments.second_person.approvals import ApprovalView, Ask, What
from payments.selling import amounts
from payments.watching import standstill

#: How money can be given back without a till: cash goes back through the drawer it came into.
RETURNS = (Method.GATEWAY, Method.EFT, Method.CARD_SLIP)


@dataclass(frozen=True)
class Returned:
    """Money that somebody has given back: by hand in iKhokha's app, at the machine, or by EFT."""

    reference: str
    amount: Money
    method: Method
    refunded_on: date
    done_by: str
    source_reference: str = ""


@dataclass(frozen=True)
class Gone:
    """When a lost dispute's money was taken, and the row of a payout that says so."""

    on: date
    line_id: int | None = None


# -- asking -----------------------------------------------------------------------------------------


def ask_paid(
    session: Session, person: Person, reference: str, amount: Money, why: str, *, now: datetime
) -> ApprovalView:
    """Ask that money counts as here though neither gateway, bank nor till said so.

    Raises NotFound, NotAllowed, InvalidInput, Conflict.
    """
    standstill.refuse(session)
    payment = obligations.held(session, person, Action.TAKE_MONEY, reference)
    if obstacle := why_not_paid(payment.status):
        raise Conflict(f"{reference} cannot be marked as paid: {obstacle}.")
    balance = Money(payment.owed_minor - payment.received_minor, payment.amount_currency)
    if amount.currency != balance.currency or not 1 <= amount.minor <= balance.minor:
        raise InvalidInput(f"{balance} is owed: so much at most can be marked as paid.")
    return approvals.ask(session, person, _bound(payment, What.MARK_PAID, amount), why, now=now)


def ask_waiver(session: Session, person: Person, reference: str, why: str, *, now: datetime) -> ApprovalView:
    """Ask that a payment is not asked for any more. Raises NotFound, NotAllowed, InvalidInput, Conflict."""
    standstill.refuse(session)
    payment = obligations.held(session, person, Action.RECORD, reference)
    if obstacle := why_not_waived(payment.status):
        raise Conflict(f"{reference} cannot be waived: {obstacle}.")
    return approvals.ask(session, person, _bound(payment, What.WAIVE, payment.amount), why, now=now)


def ask_credit(
    session: Session, person: Person, reference: str, agreed: Money, why: str, *, now: datetime
) -> ApprovalView:
    """Ask that a payment costs less by now, ``agreed`` in all, and the rest is owed back to its payer.

    Raises NotFound, NotAllowed, InvalidInput, Conflict.
    """
    standstill.refuse(session)
    payment = obligations.held(session, person, Action.RECORD, reference)
    steps = amounts.credited_alone(session, payment, agreed)
    told = {"agreed": agreed.decimal, "credits": [f"{step.reference}: {step.amount}" for step in steps]}
    whole = sum((step.amount for step in steps), Money(0, agreed.currency))
    return approvals.ask(session, person, _bound(payment, What.CREDIT, whole, told), why, now=now)


def ask_refund(
    session: Session,
    person: Person,
    returned: Returned,
    proof: Prepared | None,
    keys: KeyRing,
    why: str,
    *,
    now: datetime,
) -> ApprovalView:
    """Ask that money counts as given back, with the proof that it was.

    Raises NotFound, NotAllowed, InvalidInput, CannotOpen, Conflict.
    """
    standstill.refuse(session)
    payment = obligations.held(session, person, Action.RECORD, returned.reference)
    proven(person, now=now)
    if obstacle := why_not_refunded(payment.status):
        raise Conflict(f"Nothing of {returned.reference} can be given back: {obstacle}.")
    told = _checked(session, payment, returned, now)
    if proof is None:
        raise InvalidInput(
            "Add a proof: a screenshot of iKhokha's app, the slip, or the bank's confirmation."
        )
    proof_id = claims.keep_proof(session, person, payment, proof, keys, now=now)
    wanted = _bound(payment, What.RECORD_REFUND, returned.amount, told | {"proof": proof_id})
    return approvals.ask(session, person, wanted, why, now=now)


def ask_eft_refund(
    session: Session,
    person: Person,
    reference: str,
    amount: Money,
    account: Account,
    keys: KeyRing,
    why: str,
    *,
    now: datetime,
) -> ApprovalView:
    """Ask that money is given back by EFT, to this account: approved, it waits for a refund run.

    Raises NotFound, NotAllowed, InvalidInput, CannotOpen, Conflict.
    """
    standstill.refuse(session)
    payment = obligations.held(session, person, Action.RECORD, reference)
    refund_orders.check_amount(session, payment, amount)
    details = refund_orders.keep_details(session, person, payment, account, keys, now=now)
    told = {"to": details.masked, "holder": refund_orders.checked(account).holder, "details": details.id}
    return approvals.ask(session, person, _bound(payment, What.PAY_REFUND, amount, told), why, now=now)


def ask_chargeback(
    session: Session,
    person: Person,
    dispute_id: int,
    gone: Gone,
    proof: Prepared | None,
    keys: KeyRing,
    why: str,
    *,
    now: datetime,
) -> ApprovalView:
    """Ask that what a lost dispute took counts as given back, by the gateway's own row or another proof.

    Raises NotFound, NotAllowed, InvalidInput, CannotOpen, Conflict.
    """
    standstill.refuse(session)
    dispute, payment = disputes.held(session, person, dispute_id)
    proven(person, now=now)
    amount = chargebacks.to_book(session, dispute, payment, gone.line_id)
    if not dispute.opened_on <= gone.on <= dates.business_day(now):
        raise InvalidInput("On which day did the gateway take it? Since the dispute was opened, until today.")
    if gone.line_id is None and proof is None:
        raise InvalidInput("Choose the chargeback in the gateway's payout, or add a proof that it was taken.")
    proof_id = claims.keep_proof(session, person, payment, proof, keys, now=now) if proof else 0
    told = {
        "dispute": dispute.id, "case": dispute.case_reference, "deduction": gone.line_id or 0,
        "proof": proof_id, "on": gone.on.isoformat(), "done_by": "The card scheme",
    }  # fmt: skip
    return approvals.ask(session, person, _bound(payment, What.BOOK_CHARGEBACK, amount, told), why, now=now)


def ask_write_off(session: Session, person: Person, decided: Decided, *, now: datetime) -> ApprovalView:
    """Ask that a line is matched as ``decided``, whose one payment is let off more than one person may.

    Raises NotFound, NotAllowed, InvalidInput, Conflict.
    """
    standstill.refuse(session)
    check(person, Action.RECONCILE)
    line = locked_line(session, decided.line_id)
    if line.state != OPEN:
        raise Conflict("This line does not wait any more.")
    approvals.refuse_twice(session, f"line:{line.id}", now=now)
    payments = reconciliation.locked_payments(session, decided.parts)
    parts.check(session, line, decided, payments, two=True)
    large = [
        part
        for part in decided.parts
        if part.written_off and part.written_off.minor > parts.WRITE_OFF_LIMIT.minor
    ]
    if len(large) != 1 or large[0].payment_id is None:
        raise InvalidInput("A second person decides about one payment at a time.")
    payment = payments[large[0].payment_id]
    obligations.held(session, person, Action.RECONCILE, payment.reference)
    told = _as_told(line, decided, payments)
    return approvals.ask(
        session, person, _bound(payment, What.WRITE_OFF, large[0].written_off, told), decided.why, now=now
    )


def _as_told(line: StatementLine, decided: Decided, payments: Mapping[int, Payment]) -> dict[str, Any]:
    """A line in parts, in plain values that people can read and ``_written_off`` can do."""
    of_payments = [part for part in decided.parts if part.target is Target.PAYMENT and part.payment_id]
    rest = {str(part.target) for part in decided.parts} - {str(Target.PAYMENT)}
    if rest - {"surplus", "aside"} or len(rest) > 1 or len(of_payments) + len(rest) != len(decided.parts):
        raise InvalidInput("Beside payments, such a line holds surplus or what is no payment of ours.")
    return {
        "line": line.id,
        "came": f"{line.amount} on {line.on:%-d %b %Y}",
        "text": line.told,
        "for": [payments[part.payment_id or 0].reference for part in of_payments],
        "amounts": [part.amount.decimal for part in of_payments],
        "let_off": [part.written_off.decimal if part.written_off else "0.00" for part in of_payments],
        "left_over": next(iter(rest), ""),
    }


def why_not_paid(status: str) -> str | None:
    """Why a payment of this status cannot be marked as paid; None when it can."""
    if status in SETTLED:
        return "it has its money"
    if status in CLOSED:
        return f"it is {status}"
    return None


def why_not_waived(status: str) -> str | None:
    return None if Status.WAIVED in TRANSITIONS[Status(status)] else f"it is {status.replace('_', ' ')}"


def why_not_refunded(status: str) -> str | None:
    may = (Status.PART_PAID, Status.PAID, Status.PART_REFUNDED, Status.DISPUTED)
    return None if status in may else f"it is {status.replace('_', ' ')}"


# -- deciding ---------------------------------------------------------------------------------------


def approve(session: Session, person: Person, approval_id: int, *, now: datetime) -> ApprovalView:
    """Allow what somebody else asked for, and do it, in one transaction. What is for its asker to fetch,
    a file, is only allowed.

    Raises NotFound, NotAllowed, Conflict (decided, expired, or the payment has changed since).
    """
    asked = approvals.get(session, person, approval_id, now=now)
    if asked.what in entrusting.DEEDS:
        return entrusting.approve(session, person, approval_id, now=now)
    if asked.what is What.PAYOUT_DIFFERENCE:
        return unexplained.approve(session, person, approval_id, now=now)
    if asked.what is What.WRITE_OFF:  # a line is held before its payments, everywhere
        locked_line(session, asked.bound["line"])
    request = approvals.approve(session, person, approval_id, now=now)
    do = _DEEDS.get(request.what)
    if do is None:
        return request
    payment = obligations.held(session, person, Action.APPROVE, request.subject)
    more = {name: request.bound[name] for name in _TOLD if name in request.bound}
    wanted = _bound(payment, request.what, request.amount, more)
    if wanted.digest != request.digest:
        raise Conflict(
            f"{request.subject} has changed since {request.requester} asked. Nothing was done: "
            f"refuse this, and have it asked for again."
        )
    used = approvals.use(session, person, wanted, now=now)
    do(session, person, payment, used, now)
    audit.record(
        session, person, request.what, payment.reference, now=now, event_id=payment.event_id,
        approval=request.id, asked_by=request.requester, why=request.why,
    )  # fmt: skip
    return used


def _paid(session: Session, person: Person, payment: Payment, used: ApprovalView, now: datetime) -> None:
    assert used.amount is not None
    lifecycle.receive(
        session, payment, kind=Method.EFT, source_reference=f"{approvals.VOUCHED}{used.id}",
        amount=used.amount, now=now, source=Source.DESK, actor=_both(used),
    )  # fmt: skip


def _waived(session: Session, person: Person, payment: Payment, used: ApprovalView, now: datetime) -> None:
    lifecycle.advance(
        session, payment, Status.WAIVED, now=now, source=Source.DESK, actor=_both(used), why=used.why
    )
    if (wished := cases.find_open(session, payment.id, Reason.COMPLIMENTARY)) is not None:
        lifecycle.close_case(
            session, wished, Decision.DONE, "It is waived.", now=now, source=Source.DESK, actor=_both(used)
        )


def _refunded(session: Session, person: Person, payment: Payment, used: ApprovalView, now: datetime) -> None:
    assert used.amount is not None
    told, amount = used.bound, used.amount
    _check_left(session, payment, amount)
    refund = Refund(
        payment_id=payment.id, approval_id=used.id, proof_id=told["proof"], method=told["how"],
        amount_minor=amount.minor, amount_currency=amount.currency,
        refunded_on=date.fromisoformat(told["on"]), done_by=told["done_by"],
        source_reference=told["their_reference"], why=used.why, at=now, by=_both(used),
    )  # fmt: skip
    session.add(refund)
    refund_books.give_back(
        session, payment, refund, {"now": now, "source": Source.DESK, "actor": _both(used)}
    )
    if refund.method == Method.GATEWAY:
        went_back.tie_new(session, refund)


def _to_refund(session: Session, person: Person, payment: Payment, used: ApprovalView, now: datetime) -> None:
    refund_orders.add(session, payment, used, _both(used), now)


def _written_off(
    session: Session, person: Person, payment: Payment, used: ApprovalView, now: datetime
) -> None:
    told, currency = used.bound, payment.amount_currency
    line = locked_line(session, told["line"])
    found = select(Payment.id, Payment.reference).where(Payment.reference.in_(told["for"]))
    ids = {reference: payment_id for payment_id, reference in session.execute(found)}
    some = [
        Part(
            Target.PAYMENT, Money.parse(amount, currency), ids[reference], Money.parse(off, currency) or None
        )
        for reference, amount, off in zip(told["for"], told["amounts"], told["let_off"], strict=True)
    ]
    if told["left_over"]:
        left = line.amount_minor - sum(part.amount.minor for part in some)
        some.append(
            Part(
                Target(told["left_over"]),
                Money(left, currency),
                payment.id if told["left_over"] == "surplus" else None,
            )
        )
    decided = Decided(line.id, tuple(some), BY_TWO, {}, why=used.why)
    reconciliation.write(
        session, decided, how=reconciliation.PERSON, by=_both(used), source=Source.DESK, now=now, two=True
    )


def _credited(session: Session, person: Person, payment: Payment, used: ApprovalView, now: datetime) -> None:
    told = used.bound
    agreed = amounts.Wanted(Money.parse(told["agreed"], payment.amount_currency), used.why)
    steps = amounts.credit(session, person, payment, agreed, _both(used), now=now)
    if told["credits"] != [f"{step.reference}: {step.amount}" for step in steps]:
        raise Conflict(f"What {used.subject} costs has changed since {used.requester} asked. Ask again.")


_DEEDS: Mapping[What, Callable[[Session, Person, Payment, ApprovalView, datetime], None]] = {
    What.MARK_PAID: _paid,
    What.WAIVE: _waived,
    What.RECORD_REFUND: _refunded,
    What.PAY_REFUND: _to_refund,
    What.BOOK_CHARGEBACK: chargebacks.book,
    What.WRITE_OFF: _written_off,
    What.CREDIT: _credited,
}


# -- inside -----------------------------------------------------------------------------------------

#: What a request holds beside the payment itself.
_TOLD = (
    "how", "on", "done_by", "their_reference", "proof", "to", "holder", "details",
    "dispute", "case", "deduction", "line", "came", "text", "for", "amounts", "let_off", "left_over",
    "agreed", "credits",
)  # fmt: skip


def _bound(payment: Payment, what: What, amount: Money | None, more: Mapping[str, Any] | None = None) -> Ask:
    """Exactly this, of this payment as it is now."""
    as_it_is = {
        "payer": payment.payer_name,
        "asked": str(payment.amount),
        "received": str(payment.received),
        "returned": str(Money(payment.refunded_minor, payment.amount_currency)),
        "status": str(payment.status),
        "version": payment.version,
    }
    return Ask(
        what,
        payment.reference,
        as_it_is | dict(more or {}),
        frozenset({payment.event_id}),
        amount,
        payment.id,
    )


def _both(used: ApprovalView) -> str:
    return f"{used.requester} and {used.decider}"


def _check_left(session: Session, payment: Payment, amount: Money) -> None:
    """Raises InvalidInput for more than is here and is not promised to a refund that is on its way."""
    promised, disputed = refund_orders.promised(session, payment.id), contested.held(session, payment.id)
    here = payment.received_minor - payment.refunded_minor - promised - disputed
    left = Money(max(here, 0), payment.amount_currency)
    if amount.currency != left.currency or not 1 <= amount.minor <= left.minor:
        more = f", and {Money(promised, left.currency)} is on its way by EFT" if promised else ""
        more += f", and {Money(disputed, left.currency)} is disputed" if disputed else ""
        raise InvalidInput(f"{left} is here{more}: so much at most can have been given back.")


def _checked(session: Session, payment: Payment, returned: Returned, now: datetime) -> dict[str, Any]:
    _check_left(session, payment, returned.amount)
    if returned.method not in RETURNS:
        raise InvalidInput(
            "Cash goes back through the drawer: correct the receipt in the shift that took it."
        )
    if not returned.refunded_on <= dates.business_day(now):
        raise InvalidInput("A refund is recorded once it was made, not before.")
    done_by = clean_line(returned.done_by, field="Who gave it back", longest=120)
    if not done_by:
        raise InvalidInput("Say who gave it back.")
    return {
        "how": str(returned.method),
        "on": returned.refunded_on.isoformat(),
        "done_by": done_by,
        "their_reference": clean(returned.source_reference, field="The reference", longest=64).replace(
            "\n", " "
        ),
    }
