"""Requests about personal data whose day comes: what ``watch`` tells of them. Nobody is named in it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import SubjectRequest
from payments import dates
from payments.personal_data.subject_requests import OPEN
from payments.watching.alerts import Alarm, Kind, Severity

#: Told so long before the day; after it is told by night as well.
BEFORE = timedelta(days=5)


def alarms(session: Session, *, now: datetime) -> Iterator[Alarm]:
    """One for each request that waits for its answer, from five days before its day on."""
    today = dates.business_day(now)
    waits = select(SubjectRequest.id, SubjectRequest.kind, SubjectRequest.due_on).where(
        SubjectRequest.state == OPEN, SubjectRequest.due_on <= today + BEFORE
    )
    for number, kind, due_on in session.execute(waits.order_by(SubjectRequest.due_on, SubjectRequest.id)):
        late = due_on < today
        said = f"should have been answered by {due_on:%-d %b}" if late else f"is due on {due_on:%-d %b}"
        yield Alarm(
            Kind.PRIVACY_DUE,
            Severity.BAD if late else Severity.POOR,
            f"Request {number} about personal data ({kind}) {said}. Carry it out under Privacy, or refuse "
            f"it there with the reason.",
            key=str(number),
        )
