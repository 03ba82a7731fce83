"""The record of who changed what, when and why. Rows are only ever added."""

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from db.models import AuditEntry
from payments.people import Person


def record(
    session: Session,
    person: Person,
    action: str,
    subject: str,
    *,
    now: datetime,
    event_id: int | None = None,
    **detail: Any,
) -> None:
    """Add an entry, in the transaction of the change it tells of. ``detail`` must be plain values."""
    session.add(
        AuditEntry(
            at=now, actor=person.name, action=action, subject=subject, event_id=event_id, detail=detail
        )
    )
