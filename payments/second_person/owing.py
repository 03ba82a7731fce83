"""Mail owed of what takes a second person: who may decide hears that it waits, whoever asked how it ended.

The outbox keeps only whom a mail is for and what it is about; ``approval_mails`` and
``sign_off_mails`` write it as it goes. Nobody is owed what they chose not to hear.
"""

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum

from sqlalchemy.orm import Session

from db.models import Approval, PersonRow
from payments.access import choices
from payments.second_person import deciders
from payments.telling import outbox

#: How the keys of mails about requests begin, and of those about days and months that are signed.
REQUESTS, SIGN_OFFS = "approval:", "sign_off:"


class Mail(StrEnum):
    """What somebody hears of a request by mail."""

    ASKED = "asked"
    APPROVED = "approved"
    REFUSED = "refused"
    RUN_OUT = "run_out"


_SUBJECTS = {
    Mail.ASKED: "A request waits for your decision",
    Mail.APPROVED: "Your request was approved",
    Mail.REFUSED: "Your request was refused",
    Mail.RUN_OUT: "Your request has run out",
}


def asked(session: Session, row: Approval, others: Iterable[PersonRow], *, now: datetime) -> None:
    """That a request waits for them."""
    key, scope = f"{REQUESTS}{Mail.ASKED}:{row.id}", deciders.scope_of(row)
    waits(session, key, _SUBJECTS[Mail.ASKED], others, scope, now=now)


def ended(session: Session, mail: Mail, row: Approval, *, now: datetime) -> None:
    """How their request ended."""
    over(session, request_key(mail, row.id), _SUBJECTS[mail], row.requester_id, now=now)


def request_key(mail: Mail, approval_id: int) -> str:
    """The key of the one mail of this kind that whoever asked gets."""
    return f"{REQUESTS}{mail}:{approval_id}"


def waits(
    session: Session,
    key: str,
    subject: str,
    others: Iterable[PersonRow],
    scope: frozenset[int] | None,
    *,
    now: datetime,
) -> None:
    """Owe each of those who may decide a mail, in this transaction; once for a key, however often."""
    for other in others:
        chosen = choices.mail(session, other.id)
        if chosen.requests and chosen.about(scope):
            _owe(session, f"{key}:{other.id}", subject, other, now)


def over(session: Session, key: str, subject: str, asker_id: int, *, now: datetime) -> None:
    """Owe whoever asked a mail, as ``waits`` does."""
    asker = session.get(PersonRow, asker_id)
    if asker is not None and choices.mail(session, asker.id).answers:
        _owe(session, key, subject, asker, now)


def _owe(session: Session, key: str, subject: str, to: PersonRow, now: datetime) -> None:
    outbox.to_person(session, key, to.email, subject, "", about="approval", now=now)
