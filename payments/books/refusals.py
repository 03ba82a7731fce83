"""That somebody was refused stands in the audit, once, though what they tried to do was rolled back."""

from datetime import datetime

from db.session import Sessions
from payments.access.people import Person
from payments.books import audit
from payments.errors import NotAllowed, ProveAgain


def keep(sessions: Sessions, error: BaseException, *, now: datetime) -> None:
    """Write a refusal down, in a transaction of its own; what is none, or stands there already, is left.

    Every session that an error leaves ends here, and so does every door that met one outside of a session.
    That somebody must prove again who they are refuses nothing: what they type then is recorded.
    """
    if not isinstance(error, NotAllowed) or isinstance(error, ProveAgain) or error.kept:
        return
    if not isinstance(error.by, Person):
        return
    error.kept = True
    with sessions.begin() as session:
        audit.record(
            session, error.by, "refused", error.what, now=now, event_id=error.event_id,
            role=str(error.by.role), why=str(error),
        )  # fmt: skip
