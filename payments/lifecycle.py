"""What a payment may become, and the only code that changes its status.

However many of webhook, poll, till and person race for one payment, each goes through ``advance`` or
``receive`` here: one conditional update, one receipt by unique key, one timeline entry.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.models import Case, Link, Payment, Receipt, TimelineEntry
from db.money import Money
from payments import holding
from payments.deciding import cases
from payments.deciding.cases import Decision, Reason
from payments.errors import Conflict
from payments.finding import pasts
from payments.live import stages, tallies
from payments.telling import notifications, outbox


class Status(StrEnum):
    CREATED = "created"  # reserved; the gateway has not confirmed a link, or the outcome is unknown
    OPEN = "open"
    FAILED = "failed"  # the last attempt failed; still payable
    CLAIMED = "claimed"
    PART_PAID = "part_paid"
    PAID = "paid"
    EXPIRED = "expired"  # our decision; the gateway's page can still be paid
    CANCELLED = "cancelled"
    WAIVED = "waived"
    PART_REFUNDED = "part_refunded"
    REFUNDED = "refunded"
    DISPUTED = "disputed"


class Method(StrEnum):
    """How money came. The gateway's word stays ``gateway`` until a settlement line tells more."""

    GATEWAY = "gateway"
    CARD = "card"
    INSTANT_EFT = "instant_eft"
    CASH = "cash"
    CARD_SLIP = "card_slip"
    EFT = "eft"


class Review(StrEnum):
    """Why a person must look at a payment. None of these moves money by itself."""

    AMOUNT_MISMATCH = "amount_mismatch"
    CURRENCY_MISMATCH = "currency_mismatch"
    REFERENCE_MISMATCH = "reference_mismatch"
    UNCLEAR_STATUS = "unclear_status"
    OVERPAID = "overpaid"
    PAID_LATE = "paid_late"
    GATEWAY_TOOK_IT_BACK = "gateway_took_it_back"
    BANK_TOOK_IT_BACK = "bank_took_it_back"  # an EFT that was counted was reversed: it waits for money again
    SUCCESS_UNCONFIRMED = "success_unconfirmed"  # a proved message says success, the status does not


class Source(StrEnum):
    """Through which door something came."""

    DESK = "desk"
    CLI = "cli"
    API = "api"  # another system, by its key
    FILE = "file"  # a file of registrations
    WEBHOOK = "webhook"
    POLL = "poll"
    PAYER = "payer"
    WORKER = "worker"
    SEED = "seed"
    LEGACY = "legacy"  # a record of the earlier system


class Kind(StrEnum):
    """What a timeline entry tells."""

    CREATED = "created"
    LINK_ASKED = "link_asked"
    LINK_OPEN = "link_open"
    LINK_REFUSED = "link_refused"
    OUTCOME_UNKNOWN = "outcome_unknown"
    LINK_MISSING = "link_missing"
    SHARED = "shared"
    RETURNED = "returned"
    EVENT = "event"
    ASKED = "asked"  # a person wanted to know at once
    ANSWER = "answer"
    RECEIPT = "receipt"
    STATUS = "status"
    FLAGGED = "flagged"
    ASSIGNED = "assigned"
    UNFLAGGED = "unflagged"
    REVERSAL = "reversal"
    APPROVAL = "approval"
    MATCHED = "matched"  # a line of a bank statement was found to be for it
    UNMATCHED = "unmatched"  # or, after all, not
    SURPLUS = "surplus"  # too much of a payer's pays another payment of theirs
    SETTLED = "settled"  # the gateway paid it out, less its fee
    UNSETTLED = "unsettled"  # or, after all, not
    BANKED = "banked"  # its payout stands on the bank's statement
    UNBANKED = "unbanked"  # or, after all, not
    CLAIM = "claim"
    REFUND = "refund"
    DISPUTE = "dispute"  # the payer wants it back through their bank, and what came of it
    REFUND_ORDER = "refund_order"  # one that is to be made by EFT, and how far it is
    MOVED = "moved"
    MAIL = "mail"
    NOTE = "note"
    ADMITTED = "admitted"  # let in at the door
    NOT_ADMITTED = "not_admitted"  # or, after all, not
    RENAMED = "renamed"  # somebody else comes on it
    DETAILS = "details"  # more is known of its payer
    AMOUNT = "amount"  # it costs something else by now
    PAPER = "paper"  # an invoice or another paper was issued, or handed out
    NOTIFIED = "notified"  # the system that registered it is told, or could not be


class Effect(StrEnum):
    """What an answer of the gateway led to."""

    PAID = "paid"
    PART_PAID = "part_paid"
    OPENED = "opened"
    FAILED = "failed"
    FLAGGED = "flagged"
    NOTHING = "nothing"


S = Status
_MONEY = {S.PART_PAID, S.PAID}
TRANSITIONS: Mapping[Status, frozenset[Status]] = {
    S.CREATED: frozenset({S.OPEN, S.FAILED, S.CLAIMED, S.EXPIRED, S.CANCELLED, S.WAIVED} | _MONEY),
    S.OPEN: frozenset({S.FAILED, S.CLAIMED, S.EXPIRED, S.CANCELLED, S.WAIVED} | _MONEY),
    S.FAILED: frozenset({S.OPEN, S.CLAIMED, S.EXPIRED, S.CANCELLED, S.WAIVED} | _MONEY),
    S.CLAIMED: frozenset({S.OPEN, S.EXPIRED, S.CANCELLED, S.WAIVED} | _MONEY),
    S.PART_PAID: frozenset({S.PAID, S.PART_REFUNDED, S.REFUNDED, S.DISPUTED}),
    S.PAID: frozenset({S.PART_REFUNDED, S.REFUNDED, S.DISPUTED}),
    S.EXPIRED: frozenset({S.OPEN, S.CLAIMED, S.CANCELLED} | _MONEY),
    S.CANCELLED: frozenset({S.OPEN, S.CLAIMED} | _MONEY),
    S.WAIVED: frozenset({S.OPEN} | _MONEY),
    S.PART_REFUNDED: frozenset({S.PAID, S.REFUNDED, S.DISPUTED}),
    S.REFUNDED: frozenset({S.PAID, S.PART_REFUNDED, S.DISPUTED}),
    S.DISPUTED: frozenset({S.PART_PAID, S.PAID, S.PART_REFUNDED, S.REFUNDED}),
}

#: Where a payment goes back to when a receipt of it was written down by mistake, or the bank took it back.
#: Only ``reversals`` goes this way, with a row that says who and why; no word of a gateway does.
REOPENED: Mapping[Status, frozenset[Status]] = {
    S.PART_PAID: frozenset({S.OPEN}),
    S.PAID: frozenset({S.OPEN, S.PART_PAID}),
}

#: Still waited for: what a person at the desk calls pending.
PENDING = frozenset({S.CREATED, S.OPEN, S.FAILED, S.CLAIMED, S.PART_PAID})
#: Closed by our decision: money that comes now is *paid late*.
CLOSED = frozenset({S.EXPIRED, S.CANCELLED, S.WAIVED})
#: States of links that the gateway cannot have money on.
NEVER_MADE = ("refused", "missing")
#: Has had its money: an answer that says less changes nothing.
SETTLED = frozenset({S.PAID, S.PART_REFUNDED, S.REFUNDED, S.DISPUTED})


def note(
    session: Session,
    payment: Payment,
    kind: Kind,
    *,
    now: datetime,
    source: Source,
    actor: str,
    **detail: Any,
) -> None:
    """Put something on the payment's timeline."""
    entry = TimelineEntry(payment_id=payment.id, at=now, kind=kind, source=source, actor=actor, detail=detail)
    session.add(entry)
    tallies.bump(session, payment.event_id)
    tallies.touch(session, payment)


def advance(
    session: Session,
    payment: Payment,
    to: Status,
    *,
    now: datetime,
    source: Source,
    actor: str,
    reopening: bool = False,
    **detail: Any,
) -> None:
    """Change a payment's status: the only code that does. ``reopening``: a receipt was reversed.

    Raises Conflict when the step is not a legal one, or when somebody else was faster.
    """
    was = Status(payment.status)
    if to not in (REOPENED.get(was, frozenset()) if reopening else TRANSITIONS[was]):
        raise Conflict(
            f"{payment.reference} is {was.replace('_', ' ')} and cannot become {to.replace('_', ' ')}."
        )
    if to is S.FAILED and not payment.failure:
        stages.failed_for(session, payment, stages.NO_CODE, now=now)
    session.flush()
    before = tallies.place(payment)
    changes: dict[str, Any] = {"status": to, "version": payment.version + 1, "updated_at": now}
    if to is S.PAID and payment.paid_at is None:
        changes["paid_at"] = now
    elif reopening:
        changes["paid_at"] = None
    done = session.execute(
        update(Payment)
        .where(Payment.id == payment.id, Payment.status == was, Payment.version == payment.version)
        .values(changes)
        .execution_options(synchronize_session=False)
    )
    if done.rowcount != 1:  # type: ignore[attr-defined]
        raise Conflict(f"{payment.reference} was changed by somebody else in this moment. Look at it again.")
    session.refresh(payment)
    tallies.moved(session, payment, before, now)
    note(session, payment, Kind.STATUS, now=now, source=source, actor=actor, was=was, became=to, **detail)
    if was is not S.DISPUTED or to in (S.PART_REFUNDED, S.REFUNDED):  # nobody was told of the dispute
        notifications.status_changed(session, payment, reopening=reopening, now=now)
    if to is S.PAID and was not in SETTLED:
        outbox.queue_receipt(session, payment, now=now)


def flag(
    session: Session,
    payment: Payment,
    reason: Review,
    *,
    now: datetime,
    source: Source,
    actor: str,
    **detail: Any,
) -> None:
    """Ask for a person's eyes. The same reason twice in a row is told once, and what was decided stays so."""
    if payment.review == reason:
        return
    if not open_case(session, payment, Reason(reason), now=now, source=source, actor=actor, **detail):
        return
    payment.review = reason
    payment.updated_at = now


def open_case(
    session: Session,
    payment: Payment,
    reason: Reason,
    *,
    now: datetime,
    source: Source,
    actor: str,
    **detail: Any,
) -> bool:
    """Put a payment on the queue of what a person must decide; returns whether this is new."""
    if not cases.open_case(session, reason, payment_id=payment.id, now=now, **detail):
        return False
    note(session, payment, Kind.FLAGGED, now=now, source=source, actor=actor, reason=reason, **detail)
    return True


def locked_case(session: Session, case_id: int) -> Case:
    """A case as it is on disk now, held until the transaction ends; its payment first, as everywhere."""
    payment_id = session.scalar(select(Case.payment_id).where(Case.id == case_id))
    if payment_id is not None:
        holding.payment(session, payment_id)
    query = select(Case).where(Case.id == case_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def close_case(
    session: Session, case: Case, decision: Decision, why: str, *, now: datetime, source: Source, actor: str
) -> None:
    """Take a case off the queue by a decision. A payment is unflagged with its last review case."""
    cases.close(session, case, decision, why, by=actor, now=now)
    if case.payment_id is None:
        return
    payment = holding.payment(session, case.payment_id)
    if payment.review is not None:
        payment.review = cases.newest_open(session, payment.id, tuple(Review))
        payment.updated_at = now
    note(
        session, payment, Kind.UNFLAGGED, now=now, source=source, actor=actor,
        reason=case.reason, decision=decision, why=why,
    )  # fmt: skip


def reopen_case(session: Session, case: Case, why: str, *, now: datetime, source: Source, actor: str) -> Case:
    """Put what was decided back on the queue, as a case of its own: the decision stays where it was made.

    Raises Conflict when it is on the queue already.
    """
    again = cases.again(session, case, now=now)
    if again is None:
        raise Conflict("This is on the queue already.")
    if case.payment_id is not None:
        payment = holding.payment(session, case.payment_id)
        if case.reason in tuple(Review):
            payment.review, payment.updated_at = case.reason, now
        note(
            session, payment, Kind.FLAGGED, now=now, source=source, actor=actor,
            reason=case.reason, reopened=why,
        )  # fmt: skip
    return again


def receive(
    session: Session,
    payment: Payment,
    *,
    kind: str,
    source_reference: str,
    amount: Money,
    now: datetime,
    source: Source,
    actor: str,
    link: Link | None = None,
    place: int = 0,
) -> Effect:
    """Write down money that is here, once, and move the payment with it. ``place``: for this one alone."""
    known = select(Receipt.id).where(Receipt.kind == kind, Receipt.source_reference == source_reference)
    if session.scalar(known) is not None:
        return Effect.NOTHING
    receipt = Receipt(
        payment_id=payment.id,
        link_id=link.id if link else None,
        kind=kind,
        source_reference=source_reference,
        amount_minor=amount.minor,
        amount_currency=amount.currency,
        received_at=now,
        recorded_by=actor,
        place=place,
    )
    session.add(receipt)
    payment.received_minor = (payment.received + amount).minor
    if not payment.method:
        pasts.payment(session, payment, now)
        payment.method = kind
    session.flush()
    by: dict[str, Any] = {"now": now, "source": source, "actor": actor}
    whose: dict[str, Any] = {"place": place} if place else {}
    note(
        session, payment, Kind.RECEIPT, **by, receipt=receipt.id, how=kind,
        amount_minor=amount.minor, currency=amount.currency, source_reference=source_reference,
        **whose,
    )  # fmt: skip
    tallies.taken(session, payment, receipt)
    return _settle(session, payment, by)


def _settle(session: Session, payment: Payment, by: dict[str, Any]) -> Effect:
    was = Status(payment.status)
    enough = payment.received_minor >= payment.owed_minor
    if was in SETTLED:
        flag(session, payment, Review.OVERPAID, **by, received_minor=payment.received_minor)
        return Effect.FLAGGED
    if not enough and was is S.PART_PAID:
        return Effect.PART_PAID
    advance(session, payment, S.PAID if enough else S.PART_PAID, **by)
    if was in CLOSED:
        flag(session, payment, Review.PAID_LATE, **by, was=was, received_minor=payment.received_minor)
    elif payment.received_minor > payment.owed_minor:
        flag(session, payment, Review.OVERPAID, **by, received_minor=payment.received_minor)
    return Effect.PAID if enough else Effect.PART_PAID


def refund_came_back(session: Session, payment: Payment, **by: Any) -> None:
    """Less counts as given back than did: whoever takes it off has written down why. A payment that is
    disputed stays so: its dispute says what it is once that has ended."""
    if payment.status == S.DISPUTED:
        return
    if payment.refunded_minor:
        if payment.status != S.PART_REFUNDED:
            advance(session, payment, S.PART_REFUNDED, **by)
    else:
        advance(session, payment, S.PAID, **by)
