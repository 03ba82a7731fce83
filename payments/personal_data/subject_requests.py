"""Requests of people about their own data: to see it, to correct it, to have it erased. Thirty days each.

A request names the payments that a person chose as theirs, and holds nothing of the person but how they
asked, which goes when it is done.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Payment, SubjectRequest
from db.session import Sessions
from payments import dates
from payments.access.people import Action, Person, check, proven
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.payers import contacts, payer_details
from payments.payers.contacts import Payer
from payments.personal_data import erasing, subjects, tombstones
from payments.personal_data.erasing import Fate
from payments.personal_data.personal import Way
from payments.personal_data.tombstones import Stones
from payments.privacy import clean, clean_line, reason
from payments.second_person import approvals
from payments.second_person.approvals import ApprovalView, Ask, What
from payments.watching import standstill

#: The Promotion of Access to Information Act, s. 25, which POPIA points to.
ANSWER_WITHIN = timedelta(days=30)


class Kind(StrEnum):
    EXPORT = "export"
    CORRECTION = "correction"
    ERASURE = "erasure"


OPEN, DONE, REFUSED = "open", "done", "refused"


@dataclass(frozen=True)
class RequestView:
    id: int
    kind: Kind
    references: tuple[str, ...]
    told: str
    opened_at: datetime
    opened_by: str
    due_on: date
    state: str
    ended_at: datetime | None
    ended_by: str | None
    ended_why: str | None
    outcome: Mapping[str, Any]

    def overdue(self, *, now: datetime) -> bool:
        return self.state == OPEN and self.due_on < dates.business_day(now)


def open_request(
    session: Session, person: Person, kind: Kind, references: Iterable[str], told: str, *, now: datetime
) -> RequestView:
    """Write down what somebody asks for, and for which payments. ``told``: how they asked, and how they
    showed who they are. Raises InvalidInput, NotFound, NotAllowed, Conflict."""
    standstill.refuse(session)
    payments = subjects.chosen(session, person, references)
    said = clean(told, field="How they asked", longest=500)
    if len(said) < approvals.SHORTEST_WHY:
        raise InvalidInput("Say how they asked, and how you know that it is them.")
    row = SubjectRequest(
        kind=kind,
        payments={
            "ids": [payment.id for payment in payments],
            "references": [payment.reference for payment in payments],
        },
        told=said, opened_at=now, opened_by=person.name,
        due_on=dates.business_day(now + ANSWER_WITHIN), state=OPEN,
    )  # fmt: skip
    session.add(row)
    session.flush()
    audit.record(
        session, person, "open_subject_request", _name(row), now=now, kind=str(kind), payments=len(payments)
    )
    return _view(row)


def refuse(session: Session, person: Person, request_id: int, why: str, *, now: datetime) -> RequestView:
    """What is asked for is not done, and why: who asked may complain at the Regulator.

    Raises NotFound, NotAllowed, InvalidInput, Conflict.
    """
    row = _open_row(session, person, request_id)
    _end(row, REFUSED, person, now, why=reason(why))
    audit.record(session, person, "refuse_subject_request", _name(row), now=now, why=row.ended_why)
    return _view(row)


def finish(
    session: Session, person: Person, request_id: int, outcome: Mapping[str, Any], *, now: datetime
) -> RequestView:
    """It was done. What it came to is counts: nothing of the person."""
    row = _open_row(session, person, request_id)
    _end(row, DONE, person, now, outcome=dict(outcome))
    audit.record(session, person, f"{row.kind}_subject", _name(row), now=now, **outcome)
    session.flush()
    return _view(row)


def taken_again(
    session: Session, person: Person, request_id: int, outcome: Mapping[str, Any], *, now: datetime
) -> None:
    """What is held was taken for a request that ended, or is for something else."""
    audit.record(
        session, person, "export_subject", _name(_row(session, person, request_id)), now=now, **outcome
    )


def get(session: Session, person: Person, request_id: int) -> RequestView:
    """Raises NotFound, NotAllowed."""
    return _view(_row(session, person, request_id))


def listed(session: Session, person: Person) -> list[RequestView]:
    """What is open, by its day, then what ended last."""
    check(person, Action.HANDLE_PRIVACY)
    waiting = select(SubjectRequest).where(SubjectRequest.state == OPEN).order_by(SubjectRequest.due_on)
    ended = select(SubjectRequest).where(SubjectRequest.state != OPEN)
    rows = [
        *session.scalars(waiting.order_by(SubjectRequest.id)),
        *session.scalars(ended.order_by(SubjectRequest.ended_at.desc(), SubjectRequest.id.desc()).limit(50)),
    ]
    return [_view(row) for row in rows]


def overdue(session: Session, *, now: datetime) -> int:
    late = (SubjectRequest.state == OPEN) & (SubjectRequest.due_on < dates.business_day(now))
    return session.scalar(select(func.count()).where(late)) or 0


# -- erasing ------------------------------------------------------------------------------------------


def preview(session: Session, person: Person, request_id: int, *, now: datetime) -> tuple[list[Fate], str]:
    """What an erasure would take, and what stays; and what is in its way now, "" for nothing."""
    payments = _payments(session, _row(session, person, request_id))
    return erasing.preview(session, payments), erasing.hindered(session, payments, now=now)


def ask_erasure(
    session: Session, person: Person, request_id: int, why: str, *, now: datetime
) -> ApprovalView:
    """Ask a second person for the erasure. Raises Conflict, InvalidInput, NotAllowed."""
    row = _open_row(session, person, request_id)
    payments = _payments(session, row)
    if hindered := erasing.hindered(session, payments, now=now):
        raise Conflict(f"They cannot be erased now. {hindered}")
    return approvals.ask(session, person, _asked(row, payments), why, now=now)


def standing(session: Session, person: Person, request_id: int, *, now: datetime) -> ApprovalView | None:
    """How far the approval is; None when it is still to be asked for."""
    row = _row(session, person, request_id)
    return approvals.standing(session, person, _asked(row, _payments(session, row)), now=now)


def erase(session: Session, person: Person, request_id: int, *, now: datetime) -> RequestView:
    """Erase what a second person approved, all in this transaction.

    Raises Conflict (nobody approved it, the payments changed, something is in its way), ProveAgain.
    """
    row = _open_row(session, person, request_id)
    if row.kind != Kind.ERASURE:
        raise Conflict("This request is for something else.")
    proven(person, now=now)
    payments = _payments(session, row, held=True)
    approvals.use(session, person, _asked(row, payments), now=now)
    counts = erasing.erase(
        session, payments, cause=erasing.REQUEST, now=now, request_id=row.id, actor=person.name,
        everywhere=True,
    )  # fmt: skip
    outcome = {"payments": len(payments), "rows": sum(counts.values())}
    return finish(session, person, request_id, outcome, now=now)


def carry_out(
    sessions: Sessions, person: Person, request_id: int, stones: Stones, *, now: datetime
) -> RequestView:
    """Erase, and write down outside the database that it was: a backup of before is erased again."""
    with sessions.begin() as session:
        payments = payments_of(session, person, request_id)
        gone = [(payment.id, payment.reference) for payment in payments]
        done = erase(session, person, request_id, now=now)
    tombstones.add(stones, gone, now=now)
    return done


def _asked(row: SubjectRequest, payments: Sequence[Payment]) -> Ask:
    return Ask(
        What.ERASE_PERSON,
        _name(row),
        {
            "for": list(row.payments["references"]),
            "version": [payment.version for payment in payments],
        },
        frozenset(payment.event_id for payment in payments),
    )


# -- correcting ---------------------------------------------------------------------------------------


def correct(session: Session, person: Person, request_id: int, payer: Payer, *, now: datetime) -> RequestView:
    """Write down what is right on all payments of the request; what is empty stays as it is. Each payment's
    timeline tells which changed, and not what they were. Papers that were issued stay as they are.

    Raises InvalidInput (nothing is new), NotFound, NotAllowed, Conflict.
    """
    row = _open_row(session, person, request_id)
    if row.kind != Kind.CORRECTION:
        raise Conflict("This request is for something else.")
    told = {
        "payer_name": clean_line(payer.name, field="The name", longest=120),
        "payer_email": contacts.email_address(payer.email),
        "payer_phone": contacts.phone_number(payer.phone),
    }
    changed = 0
    for payment in _payments(session, row, held=True):
        changed += bool(payer_details.keep_and_tell(session, payment, told, actor=person.name, now=now))
    if not changed:
        raise InvalidInput("Write what is right: nothing here differs from what is kept.")
    return finish(session, person, request_id, {"payments": changed}, now=now)


# -- inside -------------------------------------------------------------------------------------------


def stays(fates: Iterable[Fate]) -> list[Fate]:
    """Of a preview, what is kept, by law or because it tells nobody."""
    return [fate for fate in fates if fate.held.way in (Way.LAW, Way.KEPT, Way.EXPIRES)]


def goes(fates: Iterable[Fate]) -> list[Fate]:
    kept = (Way.LAW, Way.KEPT, Way.EXPIRES)
    return [fate for fate in fates if fate.held.way not in kept]


def _name(row: SubjectRequest) -> str:
    return f"privacy request {row.id}"


def _row(session: Session, person: Person, request_id: int) -> SubjectRequest:
    check(person, Action.HANDLE_PRIVACY)
    row = session.get(SubjectRequest, request_id)
    if row is None:
        raise NotFound("There is no such request here.")
    return row


def _open_row(session: Session, person: Person, request_id: int) -> SubjectRequest:
    standstill.refuse(session)
    _row(session, person, request_id)
    query = select(SubjectRequest).where(SubjectRequest.id == request_id).with_for_update()
    row = session.scalars(query.execution_options(populate_existing=True)).one()
    if row.state != OPEN:
        raise Conflict(f"This request was {row.state} already.")
    return row


def _payments(session: Session, row: SubjectRequest, *, held: bool = False) -> list[Payment]:
    query = select(Payment).where(Payment.id.in_(row.payments["ids"])).order_by(Payment.id)
    return list(session.scalars(query.with_for_update() if held else query))


def payments_of(session: Session, person: Person, request_id: int) -> list[Payment]:
    """The payments of a request, for what is done about it within the desk."""
    return _payments(session, _row(session, person, request_id))


def _end(
    row: SubjectRequest,
    state: str,
    person: Person,
    now: datetime,
    *,
    why: str | None = None,
    outcome: dict[str, Any] | None = None,
) -> None:
    row.state, row.ended_at, row.ended_by, row.ended_why, row.outcome = state, now, person.name, why, outcome
    row.told = ""


def _view(row: SubjectRequest) -> RequestView:
    return RequestView(
        row.id, Kind(row.kind), tuple(row.payments["references"]), row.told, row.opened_at, row.opened_by,
        row.due_on, row.state, row.ended_at, row.ended_by, row.ended_why, row.outcome or {},
    )  # fmt: skip
