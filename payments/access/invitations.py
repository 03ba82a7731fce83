"""Ways in by mail: an invitation from an admin, and a new password for whoever forgot theirs.

The mail waits in the outbox without its link. The link is drawn when the mail goes, so that no database,
and no copy of one, ever holds what lets somebody in.
"""

import secrets
from datetime import datetime, timedelta
from email.message import EmailMessage

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import OutboxMail, PersonRow, SignInAttempt
from db.session import Sessions
from payments.access import guesses, people, signin_links
from payments.access.people import SYSTEM, Action, Person, check, proven
from payments.access.signin import Visitor
from payments.books import audit
from payments.errors import NotFound
from payments.telling import outbox
from payments.telling.outbox import Hold

#: How the key of such a mail begins; then what it is, and for whom.
MAILS = "signin:"
_INVITE, _RESET = "invite", "reset"
#: How long each may be used once it went.
LASTS = {_INVITE: timedelta(hours=72), _RESET: timedelta(hours=1)}
#: Mails of one account in an hour: more would only fill its box.
RESETS_AN_HOUR = 3
_PLACE = "{the link is put here when this goes}"
_SUBJECT = {_INVITE: "Your way into Paydesk", _RESET: "A new password for Paydesk"}
_BODY = {
    _INVITE: """Hello {name},

{by} has added you to Paydesk. Come in here, once, within three days:

{link}

Nobody at Paydesk asks you for this link, for your password or for a code.
""",
    _RESET: """Hello {name},

Somebody, perhaps you, asked for a new password at Paydesk. Choose one here, once, within an hour:

{link}

If it was not you, do nothing: your password stays as it is.
""",
}


def invite(session: Session, by: Person, person_id: int, desk_url: str, *, now: datetime) -> None:
    """Mail somebody a link that lets them in once, within three days. Raises NotAllowed, NotFound."""
    check(by, Action.MANAGE_PEOPLE)
    proven(by, now=now)
    row = session.get(PersonRow, person_id)
    if row is None or not people.is_active(row, now):
        raise NotFound("This person is not here, or may not sign in. Enable them first.")
    _queue(session, row, _INVITE, desk_url, by.name, now)
    audit.record(session, by, "invite_person", row.email, now=now)


def forgot(
    sessions: Sessions,
    email: str,
    desk_url: str,
    *,
    visitor: Visitor,
    now: datetime,
    steady: datetime | None = None,
) -> None:
    """Mail a link to choose a new password, if somebody here has this address; what is done and said is the
    same when nobody has. Raises NotAllowed after too many from one place, whoever they were for."""
    account = guesses.account_of(email)
    guesses.attempt(sessions, _counted(account), visitor.address, now=now, steady=steady or now)
    with sessions.begin() as session:
        row = session.scalar(select(PersonRow).where(PersonRow.email == account))
        asked = select(func.count(SignInAttempt.id)).where(
            SignInAttempt.email_hash == guesses.hash_of(_counted(account)),
            SignInAttempt.at > (steady or now) - timedelta(hours=1),
        )
        few = (session.scalar(asked) or 0) <= RESETS_AN_HOUR
        if row is not None and people.is_active(row, now) and few:
            _queue(session, row, _RESET, desk_url, "", now)
        told = guesses.hash_of(account)[:12]  # what was typed may be a password
        audit.record(session, SYSTEM, "forgot_password", told, now=now, address=visitor.address)


def fill(sessions: Sessions, mail_id: int, message: EmailMessage, *, now: datetime) -> Hold | None:
    """Put the link into a mail that goes now; why it is not owed any more, when it is not."""
    with sessions.begin() as session:
        mail = session.get_one(OutboxMail, mail_id)
        _, kind, person_id, _ = mail.key.split(":")
        row = session.get_one(PersonRow, int(person_id))
        if not people.is_active(row, now):
            return Hold("they may not sign in any more")
        if now - mail.created_at >= LASTS[kind]:
            return Hold("it was asked for too long ago")
        token = signin_links.make_sign_in_link(session, SYSTEM, row.id, now=now, lasts=LASTS[kind])
        body = mail.body.replace(_PLACE, token)
    message.set_content(body)
    return None


def _queue(session: Session, row: PersonRow, kind: str, desk_url: str, by: str, now: datetime) -> None:
    link = f"{desk_url}/signin/link?token={_PLACE}"
    body = _BODY[kind].format(name=row.name, by=by, link=link)
    key = f"{MAILS}{kind}:{row.id}:{secrets.token_hex(8)}"
    outbox.to_person(session, key, row.email, _SUBJECT[kind], body, about="signin", now=now)


def _counted(account: str) -> str:
    """Counted apart from guesses: asking for a mail makes nobody wait who has their password."""
    return f"forgot {account}"
