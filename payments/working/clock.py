"""The clock jumps: what was put off while it was ahead is not waited for once it is right again.

Moments are stored as the clock told them. One that was a year ahead for a minute would otherwise leave
links that nobody asks about, messages nobody looks at and mails nobody sends, for a year.
"""

from datetime import datetime, timedelta

from sqlalchemy import or_, update

from db.models import InboxEvent, Link, OutboxMail
from db.session import Sessions
from payments.hearing import inbox
from payments.telling import outbox

#: Less than this is a correction by NTP, and worth no look.
JUMP = timedelta(seconds=5)


def mend(sessions: Sessions, *, now: datetime) -> None:
    """What carries a moment that has not come yet is due now. It changes no status, and asks soon."""
    ahead = or_(Link.asked_at > now, Link.active_at > now)
    put_off = (
        update(Link).where(Link.next_ask_at > now, ahead).values(next_ask_at=now, active_at=now),
        update(InboxEvent)
        .where(InboxEvent.handled_at.is_(None), InboxEvent.next_try_at > now + max(inbox.RETRIES))
        .values(next_try_at=now),
        update(OutboxMail)
        .where(OutboxMail.state == "queued", OutboxMail.next_try_at > now + max(outbox.RETRIES))
        .values(next_try_at=now),
    )
    with sessions.begin() as session:
        for statement in put_off:
            session.execute(statement.execution_options(synchronize_session=False))
