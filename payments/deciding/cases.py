"""Cases: what a person must decide. Open, there is one of each reason for a payment or a message.

A case leaves the queue by a recorded decision, or because the gateway's own word settled it; that is
recorded as well. What was decided stays decided: the same finding opens no second case.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Case
from db.upsert import insert_into
from payments.live import tallies


class Reason(StrEnum):
    """Why a person must decide. The first ones flag a payment: they are ``lifecycle.Review``'s."""

    AMOUNT_MISMATCH = "amount_mismatch"
    CURRENCY_MISMATCH = "currency_mismatch"
    REFERENCE_MISMATCH = "reference_mismatch"
    UNCLEAR_STATUS = "unclear_status"
    OVERPAID = "overpaid"
    PAID_LATE = "paid_late"
    GATEWAY_TOOK_IT_BACK = "gateway_took_it_back"
    BANK_TOOK_IT_BACK = "bank_took_it_back"
    SUCCESS_UNCONFIRMED = "success_unconfirmed"
    DUPLICATE = "duplicate"  # the same payer paid the same amount for the same event twice
    STUCK_PENDING = "stuck_pending"
    OUTCOME_UNKNOWN = "outcome_unknown"
    MAIL_FAILED = "mail_failed"
    DOUBTFUL_CLAIM = "doubtful_claim"
    CLAIM_OVERDUE = "claim_overdue"  # the bank's clearing time is over, and no deposit came
    DISPUTE_OPEN = "dispute_open"  # the gateway waits for our evidence
    CHARGEBACK_UNBOOKED = "chargeback_unbooked"  # a dispute is lost, and nobody wrote down what it took
    REFUND_RETURNED = "refund_returned"  # the bank sent a refund back: it is owed again
    CREDIT_OWED = "credit_owed"  # it costs less than was paid: the rest is the payer's
    COMPLIMENTARY = "complimentary"  # another system wishes that nobody is asked to pay for it
    UNMATCHED_EVENT = "unmatched_event"
    UNREADABLE_EVENT = "unreadable_event"


class Decision(StrEnum):
    """How a case ended."""

    HEALED = "healed"  # nobody's: the gateway's own word settled it
    GATEWAY_CONFIRMED = "gateway_confirmed"
    RETURN_MONEY = "return_money"
    KEEP_AS_CREDIT = "keep_as_credit"
    MOVE_TO_OTHER = "move_to_other"
    DONE = "done"  # nobody's: the step that it asked for was taken
    ACCEPTED = "accepted"
    BOTH_MEANT = "both_meant"
    LEAVE_OPEN = "leave_open"
    NOT_NEEDED = "not_needed"
    IGNORED = "ignored"


D = Decision
_SPARE_MONEY = (D.RETURN_MONEY, D.MOVE_TO_OTHER, D.KEEP_AS_CREDIT)
_MISFIT = (D.GATEWAY_CONFIRMED, D.RETURN_MONEY, D.ACCEPTED)
#: What a person may decide, the most usual first.
DECISIONS: Mapping[Reason, tuple[Decision, ...]] = {
    Reason.AMOUNT_MISMATCH: _MISFIT,
    Reason.CURRENCY_MISMATCH: _MISFIT,
    Reason.REFERENCE_MISMATCH: _MISFIT,
    Reason.UNCLEAR_STATUS: (D.GATEWAY_CONFIRMED, D.LEAVE_OPEN),
    Reason.OVERPAID: _SPARE_MONEY,
    Reason.PAID_LATE: (D.ACCEPTED, *_SPARE_MONEY),
    Reason.GATEWAY_TOOK_IT_BACK: (D.GATEWAY_CONFIRMED, D.ACCEPTED),
    Reason.BANK_TOOK_IT_BACK: (D.LEAVE_OPEN, D.ACCEPTED),
    Reason.SUCCESS_UNCONFIRMED: (D.GATEWAY_CONFIRMED, D.LEAVE_OPEN),
    Reason.DUPLICATE: (D.BOTH_MEANT, *_SPARE_MONEY),
    Reason.STUCK_PENDING: (D.LEAVE_OPEN, D.GATEWAY_CONFIRMED),
    Reason.OUTCOME_UNKNOWN: (D.GATEWAY_CONFIRMED, D.LEAVE_OPEN),
    Reason.MAIL_FAILED: (D.NOT_NEEDED,),
    Reason.DOUBTFUL_CLAIM: (D.LEAVE_OPEN, D.ACCEPTED),
    Reason.CLAIM_OVERDUE: (D.LEAVE_OPEN, D.NOT_NEEDED),
    Reason.DISPUTE_OPEN: (D.LEAVE_OPEN,),
    Reason.CHARGEBACK_UNBOOKED: (D.ACCEPTED, D.LEAVE_OPEN),
    Reason.REFUND_RETURNED: (D.NOT_NEEDED, D.KEEP_AS_CREDIT),
    Reason.CREDIT_OWED: (D.KEEP_AS_CREDIT,),
    Reason.COMPLIMENTARY: (D.NOT_NEEDED,),
    Reason.UNMATCHED_EVENT: (D.IGNORED,),
    Reason.UNREADABLE_EVENT: (D.IGNORED,),
}


def open_case(
    session: Session,
    reason: Reason,
    *,
    now: datetime,
    payment_id: int | None = None,
    inbox_id: int | None = None,
    **detail: Any,
) -> bool:
    """Open a case about a payment or a message and return whether it is new.

    It is not when it is ``known``.
    """
    if known(session, reason, payment_id=payment_id, inbox_id=inbox_id, **detail):
        return False
    about = {"payment_id": payment_id, "inbox_id": inbox_id, "reason": reason}
    return _insert_once(session, now=now, detail=detail, note="", **about) is not None


def again(session: Session, case: Case, *, now: datetime) -> Case | None:
    """A decided case's finding as a new case, with its owner and note; None when one is open."""
    kept = {"payment_id": case.payment_id, "inbox_id": case.inbox_id, "reason": case.reason}
    carried = {"detail": case.detail, "owner_id": case.owner_id, "due_on": case.due_on, "note": case.note}
    new_id = _insert_once(session, now=now, **kept, **carried)
    return session.get_one(Case, new_id) if new_id is not None else None


def _insert_once(session: Session, *, now: datetime, **values: Any) -> int | None:
    insert = insert_into(session, Case)
    subject = "inbox_id" if values["payment_id"] is None else "payment_id"
    new = insert.values(**values, opened_at=now).on_conflict_do_nothing(
        index_elements=[subject, "reason"], index_where=Case.closed_at.is_(None)
    )
    new_id = session.scalar(new.returning(Case.id))
    if new_id is not None:
        tallies.bump(session)
    return new_id


def close(session: Session, case: Case, decision: Decision, why: str, *, by: str, now: datetime) -> None:
    """Close a case; the caller holds its row, and tells its payment's timeline."""
    case.closed_at, case.closed_by, case.decision, case.decided_why = now, by, decision, why
    session.flush()
    tallies.bump(session)


def newest_open(session: Session, payment_id: int, among: tuple[str, ...]) -> str | None:
    """The reason of a payment's newest open case, of these reasons."""
    still = select(Case.reason).where(
        Case.payment_id == payment_id, Case.closed_at.is_(None), Case.reason.in_(among)
    )
    return session.scalar(still.order_by(Case.id.desc()).limit(1))


def known(
    session: Session,
    reason: Reason,
    *,
    payment_id: int | None = None,
    inbox_id: int | None = None,
    **detail: Any,
) -> bool:
    """Whether such a case is open, or a person decided upon just this finding (``detail``) before."""
    subject = Case.payment_id == payment_id if payment_id is not None else Case.inbox_id == inbox_id
    last = session.scalar(
        select(Case).where(subject, Case.reason == reason).order_by(Case.id.desc()).limit(1)
    )
    if last is None or last.closed_at is None:
        return last is not None
    return last.decision != Decision.HEALED and last.detail == detail


def find_open(session: Session, payment_id: int, reason: Reason) -> Case | None:
    """A payment's open case of this reason."""
    return session.scalar(
        select(Case).where(Case.payment_id == payment_id, Case.reason == reason, Case.closed_at.is_(None))
    )
