"""The record of who changed what, when and why. Rows are only ever added, each chained to the one before."""

from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from db.models import AuditEntry
from payments.books import chain
from payments.watching import standstill

_WAITING = "audit"


class Actor(Protocol):
    """Whoever did it: a ``people.Person``, by what is needed of one, so that people too may be audited."""

    @property
    def name(self) -> str: ...

    @property
    def email(self) -> str: ...


def record(
    session: Session,
    person: Actor,
    action: str,
    subject: str,
    *,
    now: datetime,
    event_id: int | None = None,
    **detail: Any,
) -> None:
    """Add an entry, in the transaction of the change it tells of. ``detail`` must be plain values.

    It is written as the last thing before the commit: until then nobody waits for their turn at the chain.

    Raises Conflict while the desk stands still, for whatever people may not do then.
    """
    if action not in standstill.STILL_ALLOWED and not _is_machine(person):
        standstill.refuse(session)
    session.info.setdefault(_WAITING, []).append(
        AuditEntry(
            at=now,
            actor=person.email or person.name,
            action=action,
            subject=subject,
            event_id=event_id,
            detail=detail,
        )
    )


def _is_machine(person: Actor) -> bool:
    """``people.SYSTEM``: the only one without an address who is not somebody's shell."""
    return person.name == "Paydesk" and not person.email


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    if waiting := session.info.pop(_WAITING, None):
        chain.append(session, waiting)


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, _: SessionTransaction) -> None:
    session.info.pop(_WAITING, None)
