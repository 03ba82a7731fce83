"""Mail about days and months that are signed: who may approve one hears of it, the signer hears how it ended.

As of requests (``approval_mails``), the outbox keeps only whom a mail is for and which step it is about;
what it says is put together as it goes. No figure stands in it: the page shows them.
"""

from datetime import datetime
from email.message import EmailMessage

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import OutboxMail, PersonRow, SignOff, SignOffStep
from db.session import Sessions
from payments.access.people import Action, is_active, person_of
from payments.second_person.owing import SIGN_OFFS
from payments.sign_off import sign_offs
from payments.sign_off.sign_offs import Period
from payments.telling.outbox import Hold

#: What each step says, of ``{by}``, who took it, and of ``{what}``: the period, and whose account.
_SAID = {
    "signed": "{by} signed {what}. It is locked, and waits for a second person.\n\n"
    "Look at its figures before you approve or refuse it.",
    "approved": "{by} approved {what}, which you signed. It is closed.",
    "refused": "{by} refused {what}, which you signed. It is open again.\n\nWhy: {why}",
    "reopening": "{by} asks to reopen {what}. It stays closed until a second person does so.\n\nWhy: {why}",
    "reopened": "{by} reopened {what}, as you asked. It can be changed, and is signed anew after that.",
    "kept closed": "{by} keeps {what} closed, which you asked to reopen.\n\nWhy: {why}",
}


def fill(
    sessions: Sessions, mail_id: int, message: EmailMessage, desk_url: str, *, now: datetime
) -> Hold | None:
    """Write a mail that goes now; why it is not owed any more, when it is not."""
    with sessions.read() as session:
        step_id, *whom = session.get_one(OutboxMail, mail_id).key.removeprefix(SIGN_OFFS).split(":")
        step = session.get_one(SignOffStep, int(step_id))
        row = session.get_one(SignOff, step.sign_off_id)
        if whom and not _waits_for(session, step, int(whom[0]), now):
            return Hold("it does not wait for them any more")
        what = f"{sign_offs.told(row.period, row.first_on)} of {row.account.name}"
        said = _SAID[step.step].format(by=step.by, what=what, why=step.why)
        on = "month" if row.period == Period.MONTH else "day"
        page = f"{desk_url}/closing?account={row.account_id}&{on}={row.first_on}"
    message.set_content(f"{said}\n\nIn Paydesk, under Close:\n\n{page}\n")
    return None


def _waits_for(session: Session, step: SignOffStep, person_id: int, now: datetime) -> bool:
    """Whether nothing was done about it since, and this person could."""
    newest = select(func.max(SignOffStep.id)).where(SignOffStep.sign_off_id == step.sign_off_id)
    other = session.get_one(PersonRow, person_id)
    able = is_active(other, now) and person_of(other).may(Action.RECONCILE)
    return able and session.scalar(newest) == step.id
