"""The lookout: finds what nobody was told of yet and opens its case; closes what the gateway settled.

It may look as often as it likes, and two at once: what it finds twice is one case.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from db.models import Case, Event, InboxEvent, Link, Meta, OutboxMail, Payment, Receipt
from db.session import Sessions
from db.upsert import insert_into
from payments import lifecycle
from payments.at_the_door import claims
from payments.deciding import cases
from payments.deciding.cases import Decision, Reason
from payments.finding import search
from payments.gateways import Answer
from payments.hearing import inbox
from payments.lifecycle import SETTLED, Source, Status
from payments.privacy import fold

#: After so many tries, some twenty minutes, a message that fits nothing is told of. It goes on being tried.
TRIES_TO_FIT = 4
OUTCOME_OVERDUE = timedelta(minutes=30)
#: Waiting for less than this is never stuck, whatever is usual for the event.
NEVER_STUCK = timedelta(days=1)
#: Stuck is only what the gateway was asked about just now, or nearly.
ASKED_RECENTLY = timedelta(hours=3)
#: The usual wait is what 95 of an event's last 100 paid payments kept to; fewer than some tell nothing.
USUAL_OF, FEWEST = 100, 20
#: Two payments of one payer are suspicious within this time of each other.
TWINS_WITHIN = timedelta(days=30)
#: How many new receipts one look compares; the next goes on. Some are looked at twice: receipts may
#: become visible in another order than that of their ids.
COMPARED, OVERLAP = 300, 50
_STUCK_EVERY = timedelta(hours=1)
_STUCK_LOOKED, _COMPARED_TO = "stuck_looked", "duplicates_compared"
_WAITING = (Status.OPEN, Status.CLAIMED, Status.PART_PAID)
_HEALABLE = (
    Reason.UNMATCHED_EVENT,
    Reason.UNREADABLE_EVENT,
    Reason.OUTCOME_UNKNOWN,
    Reason.STUCK_PENDING,
    Reason.DOUBTFUL_CLAIM,
    Reason.CLAIM_OVERDUE,
    Reason.MAIL_FAILED,
    Reason.SUCCESS_UNCONFIRMED,
    Reason.UNCLEAR_STATUS,
)


@dataclass(frozen=True)
class _Found:
    reason: Reason
    payment_id: int | None = None
    inbox_id: int | None = None
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> dict[str, Any]:
        return {"payment_id": self.payment_id, "inbox_id": self.inbox_id, **self.detail}


def look(sessions: Sessions, *, now: datetime) -> int:
    """Look around once, and return how many cases were opened or closed by it."""
    with sessions.read() as session:
        marks: dict[str, str] = {}
        everything = (
            *_unfit_events(session),
            *_unknown_outcomes(session, now),
            *_failed_mails(session),
            *_stuck(session, now, marks),
            *_overdue_claims(session, now),
            *_duplicates(session, now, marks),
        )
        found = [one for one in everything if not cases.known(session, one.reason, **one.subject)]
        healed = [case.id for case in _healable(session) if _healed(session, case)]
    if not (found or healed or marks):
        return 0
    with sessions.begin() as session:
        for key, value in marks.items():
            _keep_mark(session, key, value)
        opened = sum(_open(session, one, now) for one in found)
        return opened + sum(_close(session, case_id, now) for case_id in healed)


def look_at_event(session: Session, inbox_id: int, *, now: datetime) -> None:
    """Close what a message that was just acted on settled, without waiting for the next look."""
    row = session.get_one(InboxEvent, inbox_id)
    about = Case.inbox_id == inbox_id
    if row.payment_id is not None:
        about = or_(about, Case.payment_id == row.payment_id)
    for case in _healable(session, about):
        _close(session, case.id, now)


# -- what there is to find ---------------------------------------------------------------------------


def _unfit_events(session: Session) -> Iterator[_Found]:
    """Signed messages that cannot be read, or that fit no payment after the first tries."""
    unfit = or_(
        InboxEvent.effect == inbox.UNREADABLE,
        (InboxEvent.effect == inbox.UNMATCHED) & (InboxEvent.attempts >= TRIES_TO_FIT),
    )
    rows = select(InboxEvent.id, InboxEvent.effect).where(InboxEvent.handled_at.is_(None), unfit)
    for inbox_id, effect in session.execute(rows):
        unreadable = effect == inbox.UNREADABLE
        reason = Reason.UNREADABLE_EVENT if unreadable else Reason.UNMATCHED_EVENT
        yield _Found(reason, inbox_id=inbox_id)


def _unknown_outcomes(session: Session, now: datetime) -> Iterator[_Found]:
    links = select(Link.payment_id, Link.wire_reference).where(
        search.LINK_ASKED, Link.requested_at < now - OUTCOME_OVERDUE
    )
    for payment_id, wire_reference in session.execute(links):
        yield _Found(Reason.OUTCOME_UNKNOWN, payment_id, detail={"wire_reference": wire_reference})


def _failed_mails(session: Session) -> Iterator[_Found]:
    mails = select(OutboxMail.payment_id, OutboxMail.id, OutboxMail.last_error).where(
        search.MAIL_FAILED, OutboxMail.payment_id.is_not(None)
    )
    for payment_id, mail_id, error in session.execute(mails):
        yield _Found(Reason.MAIL_FAILED, payment_id, detail={"mail": mail_id, "error": error or ""})


def _stuck(session: Session, now: datetime, marks: dict[str, str]) -> Iterator[_Found]:
    """Once an hour: open for longer than is usual for the event, and the gateway was asked just now."""
    looked = session.get(Meta, _STUCK_LOOKED)
    if looked is not None and abs(now - datetime.fromisoformat(looked.value)) < _STUCK_EVERY:
        return
    marks[_STUCK_LOOKED] = now.isoformat()
    active_at = func.max(Link.active_at)
    waiting = (
        select(Payment.id, Payment.event_id, active_at)
        .join(Payment.links)
        .join(Payment.event)
        .where(Payment.status.in_(_WAITING), Event.state == "open", Link.asked_at > now - ASKED_RECENTLY)
        .group_by(Payment.id, Payment.event_id)
        .having(active_at < now - NEVER_STUCK)
    )
    usual: dict[int, timedelta] = {}
    for payment_id, event_id, since in session.execute(waiting).all():
        if event_id not in usual:
            usual[event_id] = max(NEVER_STUCK, _usual_wait(session, event_id))
        if now - since > usual[event_id]:
            yield _Found(Reason.STUCK_PENDING, payment_id, detail={"since": since.isoformat()})


def _overdue_claims(session: Session, now: datetime) -> Iterator[_Found]:
    """Claimed, and a bank would have brought it by now."""
    for payment_id, claim_id, due in claims.overdue(session, now=now):
        yield _Found(Reason.CLAIM_OVERDUE, payment_id, detail={"claim": claim_id, "due": due.isoformat()})


def _usual_wait(session: Session, event_id: int) -> timedelta:
    paid = (
        select(Payment.created_at, Payment.paid_at)
        .where(Payment.event_id == event_id, Payment.status == Status.PAID, Payment.paid_at.is_not(None))
        .order_by(Payment.id.desc())
        .limit(USUAL_OF)
    )
    waits = sorted(paid_at - asked_at for asked_at, paid_at in session.execute(paid) if paid_at is not None)
    return waits[len(waits) * 95 // 100] if len(waits) >= FEWEST else timedelta()


def _duplicates(session: Session, now: datetime, marks: dict[str, str]) -> Iterator[_Found]:
    """Those that money came for since the last look, each compared with what its payer paid before."""
    seen = session.get(Meta, _COMPARED_TO)
    done = int(seen.value) if seen else _compared_before(session, now)
    if (session.scalar(select(func.max(Receipt.id))) or 0) <= done:
        return
    new = session.execute(
        select(Receipt.id, Payment)
        .join(Receipt.payment)
        .where(Receipt.id > done - OVERLAP, Payment.status.in_(SETTLED))
        .order_by(Receipt.id)
        .limit(COMPARED + OVERLAP)
    ).all()
    for _, payment in new:
        paid_at = payment.paid_at
        if paid_at is not None and (twin := _twin(session, payment, paid_at)) is not None:
            yield _Found(Reason.DUPLICATE, payment.id, detail={"twin": twin})
    if new and new[-1][0] > done:
        marks[_COMPARED_TO] = str(new[-1][0])


def _compared_before(session: Session, now: datetime) -> int:
    """Where the first look of all begins."""
    recent = select(func.min(Receipt.id)).where(Receipt.received_at >= now - TWINS_WITHIN)
    return (session.scalar(recent) or 1) - 1


def _twin(session: Session, payment: Payment, paid_at: datetime) -> str | None:
    """The reference of an earlier payment that this one looks like a repetition of. Of who was erased
    nothing can be said: they all have the same name."""
    if payment.erased_at is not None:
        return None
    name = fold(payment.payer_name)
    same_payer = [Payment.search_text.contains(name, autoescape=True)] if name else []
    if payment.payer_email:
        same_payer.append(Payment.payer_email == payment.payer_email)
    if payment.payer_phone:
        same_payer.append(Payment.payer_phone == payment.payer_phone)
    if not same_payer:
        return None
    earlier = or_(Payment.paid_at < paid_at, (Payment.paid_at == paid_at) & (Payment.id < payment.id))
    alike = select(Payment).where(
        Payment.event_id == payment.event_id,
        Payment.amount_minor == payment.amount_minor,
        Payment.amount_currency == payment.amount_currency,
        Payment.status.in_((Status.PAID, Status.DISPUTED)),
        Payment.paid_at >= paid_at - TWINS_WITHIN,
        earlier,
        Payment.id != payment.id,
        Payment.erased_at.is_(None),
        or_(*same_payer),
    )
    for other in session.scalars(alike.order_by(Payment.id)):
        if _one_payer(payment, other):
            return other.reference
    return None


def _one_payer(one: Payment, other: Payment) -> bool:
    """What is searched for as text may be a part of something; here it is the whole of it."""
    return (
        fold(one.payer_name) == fold(other.payer_name)
        or (bool(one.payer_email) and one.payer_email == other.payer_email)
        or (bool(one.payer_phone) and one.payer_phone == other.payer_phone)
    )


# -- what settled itself -----------------------------------------------------------------------------


def _healable(session: Session, *about: Any) -> list[Case]:
    still = select(Case).where(Case.closed_at.is_(None), Case.reason.in_(_HEALABLE), *about)
    return list(session.scalars(still.order_by(Case.id)))


def _healed(session: Session, case: Case) -> str:
    """Why nobody need decide any more, "" while somebody must."""
    if case.inbox_id is not None:
        row = session.get_one(InboxEvent, case.inbox_id)
        acted = row.handled_at is not None and row.ignored_by is None
        return f"The message was acted on: {row.effect}." if acted else ""
    assert case.payment_id is not None
    match case.reason:
        case Reason.OUTCOME_UNKNOWN:
            unknown = _any_link(session, case.payment_id, Link.state == "asked")
            return "" if unknown else "The gateway has said what became of the link."
        case Reason.MAIL_FAILED:
            unsent = select(OutboxMail.id).where(
                OutboxMail.payment_id == case.payment_id, OutboxMail.state != "sent"
            )
            return "" if session.scalar(unsent.limit(1)) else "The mail was sent."
        case Reason.UNCLEAR_STATUS:
            unclear = _any_link(session, case.payment_id, Link.answer == Answer.UNCLEAR)
            return "" if unclear else "The gateway has answered clearly since."
    status = Status(session.get_one(Payment, case.payment_id).status)
    if case.reason in (Reason.DOUBTFUL_CLAIM, Reason.CLAIM_OVERDUE):
        believed = status in (Status.CLAIMED, Status.PART_PAID) and claims.stands(session, case.payment_id)
        return "" if believed else f"The payment is {status.replace('_', ' ')} now."
    over = status not in _WAITING if case.reason == Reason.STUCK_PENDING else status in SETTLED
    return f"The payment is {status.replace('_', ' ')} now." if over else ""


def _any_link(session: Session, payment_id: int, condition: Any) -> bool:
    return (
        session.scalar(select(Link.id).where(Link.payment_id == payment_id, condition).limit(1)) is not None
    )


# -- writing ------------------------------------------------------------------------------------------


def _open(session: Session, found: _Found, now: datetime) -> bool:
    if found.payment_id is None:
        return cases.open_case(session, found.reason, now=now, **found.subject)
    payment = session.get_one(Payment, found.payment_id)
    return lifecycle.open_case(
        session, payment, found.reason, now=now, source=Source.WORKER, actor="Paydesk", **found.detail
    )


def _keep_mark(session: Session, key: str, value: str) -> None:
    """One statement: two lookouts may both look for the first time."""
    mark = insert_into(session, Meta).values(key=key, value=value)
    session.execute(mark.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def _close(session: Session, case_id: int, now: datetime) -> bool:
    """As it is on disk now: a person may have decided in the meantime."""
    case = lifecycle.locked_case(session, case_id)
    why = _healed(session, case) if case.closed_at is None else ""
    if why:
        lifecycle.close_case(
            session, case, Decision.HEALED, why, now=now, source=Source.WORKER, actor="Paydesk"
        )
    return bool(why)
