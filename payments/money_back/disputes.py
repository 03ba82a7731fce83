"""Disputes: money that a payer wants back through their bank, with the gateway's case and its deadline.

Open until evidence is sent, then won or lost; or accepted, which is losing by decision. None of that moves
money. What was lost is written down by two people (``chargebacks``), as a refund like any other: until then
the payment is *disputed* and holds the amount, so that nobody gives it back a second time.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from db.models import Dispute, Payment, Receipt, Reversal
from db.money import Money
from payments import dates, lifecycle, obligations
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.deciding import cases
from payments.deciding.attention import reason_given
from payments.deciding.cases import Decision, Reason
from payments.errors import Conflict, InvalidInput, NotFound
from payments.lifecycle import Kind, Method, Source
from payments.money_back import contested, refund_orders
from payments.privacy import clean_line
from payments.watching import standstill

#: Nobody records today a dispute that began longer ago than this.
LONGEST_AGO = timedelta(days=400)
#: How money comes that a card scheme can take back. What the gateway brought may have come by card.
BY_CARD = (Method.GATEWAY, Method.CARD, Method.CARD_SLIP, Method.INSTANT_EFT)


class Why(StrEnum):
    """What the cardholder's bank says, by the names of Visa's dispute conditions (10 to 13)."""

    FRAUD = "fraud"
    AUTHORISATION = "authorisation"
    WRONG_AMOUNT = "wrong_amount"
    DUPLICATE = "duplicate"
    NOT_PROVIDED = "not_provided"
    NOT_AS_DESCRIBED = "not_as_described"
    CREDIT_NOT_PROCESSED = "credit_not_processed"
    CANCELLED = "cancelled"
    OTHER = "other"


class State(StrEnum):
    OPEN = "open"
    SENT = "sent"  # the evidence was sent
    WON = "won"
    LOST = "lost"
    ACCEPTED = "accepted"  # given up: the payer is right, or it is not worth it


STEPS: Mapping[State, frozenset[State]] = {
    State.OPEN: frozenset({State.SENT, State.WON, State.LOST, State.ACCEPTED}),
    State.SENT: frozenset({State.WON, State.LOST, State.ACCEPTED}),
    State.WON: frozenset(),
    State.LOST: frozenset(),
    State.ACCEPTED: frozenset(),
}


@dataclass(frozen=True)
class Told:
    """What the gateway told of a dispute. ``case_reference`` is theirs; ``answer_by`` their deadline."""

    reference: str
    amount: Money
    why: Why
    case_reference: str
    opened_on: date
    answer_by: date


@dataclass(frozen=True)
class DisputeView:
    """``left`` is what is here of its payment and could be given back; ``promised`` is on its way to the
    payer by EFT meanwhile. ``booked``: it was lost, and two people wrote that down."""

    id: int
    reference: str
    payer: str
    event: str
    event_id: int
    amount: Money
    why: Why
    case_reference: str
    opened_on: date
    answer_by: date
    state: State
    left: Money
    promised: Money
    booked: bool
    sent_at: datetime | None
    ended_at: datetime | None
    ended_by: str | None
    ended_why: str | None
    at: datetime
    by: str

    @property
    def undecided(self) -> bool:
        return self.state in contested.UNDECIDED

    @property
    def to_book(self) -> bool:
        """Whether it is lost, money of it is here, and nobody wrote down that it is gone."""
        return self.state in (State.LOST, State.ACCEPTED) and not self.booked and self.left.minor > 0


# -- what is done -------------------------------------------------------------------------------------


def record(session: Session, person: Person, told: Told, *, now: datetime) -> int:
    """Write down what the gateway told, and return the dispute's id. Its payment is disputed from then on.

    Raises NotFound, NotAllowed, InvalidInput, Conflict (this case is recorded already).
    """
    standstill.refuse(session)
    payment = obligations.held(session, person, Action.RECORD, told.reference)
    case_reference = _checked(session, payment, told, now)
    dispute = Dispute(
        payment_id=payment.id, amount_minor=told.amount.minor, amount_currency=told.amount.currency,
        why=told.why, case_reference=case_reference, opened_on=told.opened_on, answer_by=told.answer_by,
        state=State.OPEN, at=now, by=person.name,
    )  # fmt: skip
    session.add(dispute)
    session.flush()
    act = _act(person, now)
    note(session, dispute, payment, "recorded", act, said=told.why, answer_by=told.answer_by.isoformat())
    contested.settle(session, payment, **act)
    lifecycle.open_case(session, payment, Reason.DISPUTE_OPEN, **act, **_found(dispute))
    _due(session, payment.id)
    audit.record(
        session, person, "record_dispute", payment.reference, now=now, event_id=payment.event_id,
        dispute=dispute.id, amount_minor=told.amount.minor, reason=told.why, case=case_reference,
        answer_by=told.answer_by.isoformat(),
    )  # fmt: skip
    return dispute.id


def send_evidence(session: Session, person: Person, dispute_id: int, how: str, *, now: datetime) -> None:
    """The gateway has our evidence; ``how`` says where it was sent, and what of it.

    Raises NotFound, NotAllowed, InvalidInput, Conflict (it is further already).
    """
    _step(session, person, dispute_id, State.SENT, how, now)


def win(session: Session, person: Person, dispute_id: int, why: str, *, now: datetime) -> None:
    """The money stays. Raises as ``send_evidence``."""
    _step(session, person, dispute_id, State.WON, why, now)


def lose(session: Session, person: Person, dispute_id: int, why: str, *, now: datetime) -> None:
    """The money goes back to the payer, which two people have to write down. Raises as ``send_evidence``."""
    _step(session, person, dispute_id, State.LOST, why, now)


def accept(session: Session, person: Person, dispute_id: int, why: str, *, now: datetime) -> None:
    """It is not fought; the money goes back as if it were lost. Raises as ``send_evidence``."""
    _step(session, person, dispute_id, State.ACCEPTED, why, now)


def _step(session: Session, person: Person, dispute_id: int, to: State, why: str, now: datetime) -> None:
    standstill.refuse(session)
    why = reason_given(why)
    dispute, payment = held(session, person, dispute_id)
    if to not in STEPS[State(dispute.state)]:
        ended = f" by {dispute.ended_by}" if dispute.ended_by else ""
        raise Conflict(f"Dispute {dispute.case_reference} was {said(dispute.state)}{ended} already.")
    act = _act(person, now)
    dispute.state = to
    if to is State.SENT:
        dispute.sent_at = now
    else:
        dispute.ended_at, dispute.ended_by, dispute.ended_why = now, person.name, why
    note(session, dispute, payment, to, act, why=why)
    contested.settle(session, payment, **act)
    _answered(session, payment, why, act)
    if to in (State.LOST, State.ACCEPTED):
        lifecycle.open_case(session, payment, Reason.CHARGEBACK_UNBOOKED, **act, **_found(dispute))
    audit.record(
        session, person, f"dispute_{to}", payment.reference, now=now, event_id=payment.event_id,
        dispute=dispute.id, case=dispute.case_reference, why=why,
    )  # fmt: skip


def note(
    session: Session, dispute: Dispute, payment: Payment, step: str, act: Mapping[str, Any], **more: Any
) -> None:
    """On its payment's timeline."""
    lifecycle.note(
        session, payment, Kind.DISPUTE, **act, step=step, dispute=dispute.id, case=dispute.case_reference,
        amount_minor=dispute.amount_minor, currency=dispute.amount_currency, **more,
    )  # fmt: skip


def said(state: str) -> str:
    return "answered with evidence" if state == State.SENT else state


# -- looking ------------------------------------------------------------------------------------------


def listed(session: Session, person: Person) -> tuple[DisputeView, ...]:
    """Disputes of this person's events: undecided ones by their deadline, then the others, newest first."""
    check(person, Action.RECORD)
    query = select(Dispute, Payment).join(Payment, Payment.id == Dispute.payment_id)
    if person.events is not None:
        query = query.where(Payment.event_id.in_(sorted(person.events)))
    views = [_view(session, *row) for row in session.execute(query.order_by(Dispute.id.desc()))]
    waits = sorted((one for one in views if one.undecided), key=lambda one: (one.answer_by, one.id))
    return (*waits, *(one for one in views if not one.undecided))


def of_payment(session: Session, person: Person, reference: str) -> tuple[DisputeView, ...]:
    """The disputes of a payment, the newest first. Raises NotFound, NotAllowed."""
    payment = obligations.seen(session, person, reference)
    check(person, Action.RECORD, payment.event_id)
    rows = session.scalars(
        select(Dispute).where(Dispute.payment_id == payment.id).order_by(Dispute.id.desc())
    )
    return tuple(_view(session, row, payment) for row in rows)


def get(session: Session, person: Person, dispute_id: int) -> DisputeView:
    """Raises NotFound, also for another event's; NotAllowed."""
    return _view(session, *_row(session, person, dispute_id))


def held(session: Session, person: Person, dispute_id: int) -> tuple[Dispute, Payment]:
    """A dispute and its payment, held until the transaction ends. Raises NotFound, NotAllowed."""
    dispute, payment = _row(session, person, dispute_id)
    payment = obligations.held(session, person, Action.RECORD, payment.reference)
    session.refresh(dispute, with_for_update=True)
    return dispute, payment


def _row(session: Session, person: Person, dispute_id: int) -> tuple[Dispute, Payment]:
    dispute = session.get(Dispute, dispute_id)
    payment = session.get(Payment, dispute.payment_id) if dispute else None
    if dispute is None or payment is None or not person.may(Action.SEE, payment.event_id):
        raise NotFound("There is no such dispute here.")
    check(person, Action.RECORD, payment.event_id)
    return dispute, payment


def _view(session: Session, row: Dispute, payment: Payment) -> DisputeView:
    left = Money(payment.received_minor - payment.refunded_minor, payment.amount_currency)
    promised = Money(refund_orders.promised(session, payment.id), payment.amount_currency)
    return DisputeView(
        row.id, payment.reference, payment.payer_name, payment.event.name, payment.event_id, row.amount,
        Why(row.why), row.case_reference, row.opened_on, row.answer_by, State(row.state), left, promised,
        row.refund_id is not None, row.sent_at, row.ended_at, row.ended_by, row.ended_why, row.at, row.by,
    )  # fmt: skip


# -- inside -------------------------------------------------------------------------------------------


def _act(person: Person, now: datetime) -> dict[str, Any]:
    return {"now": now, "source": Source.DESK, "actor": person.name}


def _found(dispute: Dispute) -> dict[str, Any]:
    """What a case about it holds."""
    return {
        "dispute": dispute.id, "case": dispute.case_reference, "contested_minor": dispute.amount_minor,
    }  # fmt: skip


def _due(session: Session, payment_id: int) -> None:
    """The case about a payment's disputes is due with the first of their deadlines."""
    case = cases.find_open(session, payment_id, Reason.DISPUTE_OPEN)
    if case is not None:
        first = select(func.min(Dispute.answer_by)).where(
            Dispute.payment_id == payment_id, Dispute.state == State.OPEN
        )
        case.due_on = session.scalar(first) or case.due_on


def _answered(session: Session, payment: Payment, why: str, act: Mapping[str, Any]) -> None:
    """Nobody need send evidence any more, unless another dispute of the payment waits for it."""
    waits = select(Dispute.id).where(Dispute.payment_id == payment.id, Dispute.state == State.OPEN)
    if session.scalar(waits.limit(1)) is not None:
        _due(session, payment.id)
    elif (case := cases.find_open(session, payment.id, Reason.DISPUTE_OPEN)) is not None:
        lifecycle.close_case(session, case, Decision.DONE, why, **act)


def _checked(session: Session, payment: Payment, told: Told, now: datetime) -> str:
    """The gateway's case, cleaned, of a dispute that can be."""
    case = clean_line(told.case_reference, field="The gateway's case", longest=60)
    if not case:
        raise InvalidInput("Give the case's number at the gateway: it tells two disputes apart.")
    known = select(Payment.reference).join(Dispute, Dispute.payment_id == Payment.id)
    if session.scalar(known.where(Dispute.case_reference == case)) is not None:
        raise Conflict(f"Case {case} is recorded already. Look for it among the disputes.")
    if told.amount.currency != payment.amount_currency:
        raise InvalidInput(f"This payment is in {payment.amount_currency}.")
    most = _by_card(session, payment) - _taken(session, payment.id)
    if not 1 <= told.amount.minor <= most:
        here = Money(max(most, 0), payment.amount_currency)
        raise InvalidInput(f"{here} of {payment.reference} came by card and is not disputed: no more can be.")
    today = dates.business_day(now)
    if not today - LONGEST_AGO <= told.opened_on <= today:
        raise InvalidInput("On which day was it opened? Today or before, within the last year.")
    if not told.opened_on <= told.answer_by <= told.opened_on + LONGEST_AGO:
        raise InvalidInput("The deadline comes after the day on which it was opened, within a year.")
    return case


def _by_card(session: Session, payment: Payment) -> int:
    query = select(func.sum(Receipt.amount_minor)).where(
        Receipt.payment_id == payment.id, Receipt.kind.in_(BY_CARD),
        ~exists().where(Reversal.receipt_id == Receipt.id),
    )  # fmt: skip
    return int(session.scalar(query) or 0)


def _taken(session: Session, payment_id: int) -> int:
    """What other disputes are about, but for those that were won."""
    others = select(func.sum(Dispute.amount_minor)).where(
        Dispute.payment_id == payment_id, Dispute.state != State.WON
    )
    return int(session.scalar(others) or 0)
