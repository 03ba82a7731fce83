"""Complimentary: a place at its whole price that nobody is asked to pay for.

Whoever takes it says why, and a second person decides under Approvals: then it is waived, and never paid. Its
seat is held from the beginning. Another system may only wish for it: finance has it waived, or does not.
"""

from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Payment
from payments import lifecycle, obligations
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.deciding import cases
from payments.deciding.cases import Decision, Reason
from payments.errors import Conflict
from payments.lifecycle import CLOSED, SETTLED, Source, Status
from payments.obligations import Draft
from payments.privacy import reason
from payments.second_person import two_people
from payments.selling.events import event_row

#: How it is called in the note of its payment, before the reason.
WORD = "Complimentary"


def note_of(why: str, note: str = "") -> str:
    return f"{WORD}: {why}\n{note}".strip()


def ask(session: Session, person: Person, draft: Draft, why: str, *, now: datetime) -> str:
    """Take a place that is to cost nothing, and ask a second person; returns its reference. The same draft
    again is the same place.

    Raises InvalidInput, NotFound, NotAllowed, Conflict (nobody else could approve it, closed event, no seat).
    """
    event = event_row(session, person, draft.event_code)
    check(person, Action.RECORD, event.id)
    wanted = obligations.checked(replace(draft, note=note_of(reason(why), draft.note)))
    known = session.scalar(select(Payment).where(Payment.reference == wanted.reference))
    if known is not None:
        obligations.same_intent(known, event, wanted)
        return known.reference
    payment = obligations.create(session, event, wanted, person=person, now=now, source=Source.DESK)
    _waits(session, payment, now=now, source=Source.DESK, actor=person.name)
    two_people.ask_waiver(session, person, payment.reference, why, now=now)
    audit.record(
        session, person, "ask_complimentary", payment.reference, now=now, event_id=event.id,
        amount_minor=payment.amount_minor, why=why,
    )  # fmt: skip
    return payment.reference


def wish(
    session: Session, person: Person, payment: Payment, why: str, *, now: datetime, source: Source
) -> None:
    """Another system says that a registration is complimentary: finance decides. The payment is held.

    Raises Conflict: it has money, or was closed.
    """
    check(person, Action.ISSUE_LINK, payment.event_id)
    if (
        payment.status == Status.WAIVED
        or cases.find_open(session, payment.id, Reason.COMPLIMENTARY) is not None
    ):
        return
    if payment.received_minor or payment.status in SETTLED | CLOSED:
        raise Conflict(
            f"{payment.reference} is {payment.status.replace('_', ' ')}: it cannot be complimentary any more."
        )
    act: dict[str, Any] = {"now": now, "source": source, "actor": person.name}
    if payment.status == Status.CREATED:
        _waits(session, payment, **act)
    lifecycle.open_case(session, payment, Reason.COMPLIMENTARY, **act, told=why)
    audit.record(
        session, person, "wish_complimentary", payment.reference, now=now, event_id=payment.event_id, why=why
    )


def not_any_more(session: Session, payment: Payment, **act: Any) -> None:
    """Another system asks for its money after all. The payment is held."""
    case = cases.find_open(session, payment.id, Reason.COMPLIMENTARY)
    if case is not None:
        lifecycle.close_case(session, case, Decision.DONE, "Its money is asked for after all.", **act)


def _waits(session: Session, payment: Payment, **act: Any) -> None:
    """Without a link: nobody is asked for its money."""
    lifecycle.advance(session, payment, Status.OPEN, **act, by="complimentary")
