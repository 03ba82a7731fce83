"""Mail about requests: who may decide upon one hears of it, and who asked hears how it ended.

The outbox keeps only whom a mail is for and about which request (``owing``). What it says is put
together as it goes: it is never older than the request, and a reason, which may tell of a payer, stands in no
second place. A mail names what kind of thing is asked for and for which event; the page shows the rest.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from email.message import EmailMessage

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Approval, Event, OutboxMail, PersonRow
from db.session import Sessions
from payments import dates
from payments.access.people import is_active
from payments.second_person import approvals, deciders, owing
from payments.second_person.approvals import State, What
from payments.second_person.owing import REQUESTS, Mail
from payments.telling.outbox import Hold

#: What is asked for, behind "to".
TOLD: Mapping[What, str] = {
    What.MARK_PAID: "mark a payment as paid",
    What.WAIVE: "waive a payment",
    What.RECORD_REFUND: "record a refund",
    What.PAY_REFUND: "refund by EFT",
    What.BOOK_CHARGEBACK: "write down a lost dispute",
    What.WRITE_OFF: "write off the rest of a payment",
    What.PAYOUT_DIFFERENCE: "accept a payout that is not explained",
    What.CREDIT: "credit a payment",
    What.EXPORT_PERSONAL: "take personal data out",
    What.ERASE_PERSON: "erase a payer",
    What.ADD_PERSON: "add a person",
    What.CHANGE_PERSON: "let a person do or reach more",
    What.ENABLE_PERSON: "let a person in again",
    What.RESET_CODES: "take a person's codes and passkeys away",
    What.SIGN_IN_LINK: "make a sign-in link",
    What.MAKE_KEY: "make a key for another system",
    What.ADD_ENDPOINT: "send notifications to an address",
    What.RENEW_SIGNING: "make a new secret for notifications",
    What.SET_ACCOUNT: "tell payers another bank account",
}
#: Of what ran out longer ago nobody is told: a worker that was away for days tells no old news.
LATELY = timedelta(days=2)
_CLOSE = "Nobody at Paydesk asks you by mail for a password or a code."


def tell_run_out(sessions: Sessions, *, now: datetime) -> int:
    """Owe whoever asked a mail for each request whose time went by; returns how many. Twice is once."""
    with sessions.read() as session:
        ran_out = select(Approval.id).where(
            Approval.state.in_((State.WAITING, State.APPROVED, State.EXPIRED)),
            Approval.expires_at <= now,
            Approval.expires_at > now - LATELY,
        )
        keys = {owing.request_key(Mail.RUN_OUT, one): one for one in session.scalars(ran_out)}
        owed = set(session.scalars(select(OutboxMail.key).where(OutboxMail.key.in_(keys)))) if keys else set()
    news = sorted(one for key, one in keys.items() if key not in owed)
    for approval_id in news:
        with sessions.begin() as session:
            owing.ended(session, Mail.RUN_OUT, session.get_one(Approval, approval_id), now=now)
    return len(news)


def fill(
    sessions: Sessions, mail_id: int, message: EmailMessage, desk_url: str, *, now: datetime
) -> Hold | None:
    """Write a mail that goes now; why it is not owed any more, when it is not."""
    with sessions.read() as session:
        mail = session.get_one(OutboxMail, mail_id)
        kind, approval_id, *whom = mail.key.removeprefix(REQUESTS).split(":")
        row = session.get_one(Approval, int(approval_id))
        if kind == Mail.ASKED and not approvals.waits_for(session, row.id, int(whom[0]), now=now):
            return Hold("it does not wait for them any more")
        asker = session.get(PersonRow, row.requester_id)
        if kind != Mail.ASKED and (asker is None or not is_active(asker, now)):
            return Hold("they may not sign in any more")
        said = _asked(session, row) if kind == Mail.ASKED else _ended(Mail(kind), row)
    message.set_content(f"{said}\n\nIn Paydesk, under Approvals:\n\n{desk_url}/approvals\n\n{_CLOSE}\n")
    return None


def _asked(session: Session, row: Approval) -> str:
    scope = deciders.scope_of(row)
    names = select(Event.name).where(Event.id.in_(scope or ())).order_by(Event.name)
    where = "all events" if scope is None else ", ".join(session.scalars(names))
    return (
        f"{row.requester_name} asks for a second person's approval, to {TOLD[What(row.what)]}.\n\n"
        f"It concerns {where} and waits until {dates.say_moment(row.expires_at)}. Look at exactly what is "
        f"asked for, and why, before you approve or refuse it."
    )


def _ended(kind: Mail, row: Approval) -> str:
    asked = f"what you asked for on {dates.say_moment(row.asked_at)}, to {TOLD[What(row.what)]}"
    match kind:
        case Mail.REFUSED:
            return f"{row.decider_name} refused {asked}.\n\nWhy: {row.decided_why}"
        case Mail.APPROVED if row.state == State.APPROVED:
            return (
                f"{row.decider_name} approved {asked}.\n\nIt is yours to do, once, until "
                f"{dates.say_moment(row.expires_at)}."
            )
        case Mail.APPROVED:
            return f"{row.decider_name} approved {asked}.\n\nNothing is left for you to do."
    if row.decider_name:
        return f"{row.decider_name} approved {asked}, and it was not used in time. Ask again if it is needed."
    return f"Nobody decided within a day upon {asked}. Nothing was done. Ask again if it is needed."
