"""The mail that a file goes out by: what it says, and what goes with it when it goes."""

import secrets
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage

from sqlalchemy.orm import Session

from db.models import OutboxMail, Schedule, ScheduleLink, ScheduleRun
from db.session import Sessions
from payments import dates
from payments.access import guesses
from payments.access.people import Person
from payments.errors import InvalidInput
from payments.schedules import book
from payments.schedules import plan as plans
from payments.schedules.book import ENDED, MAILS
from payments.schedules.outside import Outside
from payments.schedules.plan import Plan, ReportOf, Way
from payments.telling import outbox
from payments.telling.outbox import Hold

#: How long a link opens its file, and how long the file is kept for it.
LASTS = timedelta(days=7)
#: Larger files are for a page of the desk, not for a mail box.
LARGEST_FILE, LARGEST_BY_LINK = 8 * 1024 * 1024, 25 * 1024 * 1024
#: From so late on it is said that it should have gone before.
LATE = timedelta(hours=1)
_PLACE = "{the link is put here when this goes}"
_AS_MADE = "(worked out when the file is made)"


def preview(session: Session, person: Person, plan: Plan, outside: Outside, *, now: datetime) -> EmailMessage:
    """The mail as it would go at its next time. Raises as ``book.make``."""
    good = book.checked(session, person, plan, outside, now=now)
    due_at = good.recurrence.after(now)
    message = EmailMessage()
    message["To"], message["Subject"] = ", ".join(good.recipients), subject(good, due_at, outside)
    message.set_content(
        body(good, due_at, asked_by(person), outside, sha256=_AS_MADE, made_at=due_at, missed=0)
    )
    return message


def asked_by(maker: Person) -> str:
    return f"{maker.name} ({maker.email})"


def subject(plan: Plan, due_at: datetime, outside: Outside) -> str:
    demo = "DEMO: " if outside.demo else ""
    return f"{demo}{plan.title}, {dates.say_days(*2 * (dates.business_day(due_at),))}"


def body(
    plan: Plan,
    due_at: datetime,
    asker: str,
    outside: Outside,
    *,
    sha256: str,
    made_at: datetime,
    missed: int,
) -> str:
    """``missed``: earlier times that this one stands for as well."""
    return "\n\n".join(_parts(plan, due_at, asker, outside, sha256, made_at, missed)) + "\n"


def _parts(
    plan: Plan, due_at: datetime, asker: str, outside: Outside, sha256: str, made_at: datetime, missed: int
) -> Iterator[str]:
    if outside.demo:
        yield "This is a demonstration: no real money moved."
    yield f"{plan.title}: {_about(plan, due_at)}."
    if missed or made_at - due_at >= LATE:
        yield _late(due_at, missed)
    if plan.way is Way.LINK:
        yield (
            f"Open it here, within seven days:\n\n{outside.desk_url}/shared?token={_PLACE}\n\nThe link is "
            f"yours alone. Whoever has it can open the file, and each time is written down."
        )
    else:
        yield "The file comes with this mail."
    yield "Names, addresses, numbers and notes of payers are not in it."
    yield f"SHA-256 of the file, to tell that it is this one:\n{sha256}"
    yield (
        f"It comes {plan.recurrence.told}, Johannesburg time, because {asker} asked "
        f"Paydesk to send it to you. Tell them if you do not want it any more."
    )


def _about(plan: Plan, due_at: datetime) -> str:
    if isinstance(plan.what, ReportOf):
        asked = plans.asked(plan.what, plan.recurrence, due_at)
        return f"{book.title_of(plan.what)}, {asked.period.told}"
    return f"the list “{plan.what.name}”"


def _late(due_at: datetime, missed: int) -> str:
    told = f"It should have gone {dates.say_moment(due_at)}, and the desk could not send it then."
    if missed == 1:
        return f"{told} The one before it was missed and is not sent any more."
    return f"{told} The {missed} before it were missed and are not sent any more." if missed else told


def queue(session: Session, run: ScheduleRun, plan: Plan, asker: str, outside: Outside) -> None:
    """A mail to each address, in the transaction that keeps the file."""
    assert run.made_at is not None
    assert run.sha256 is not None
    text = body(plan, run.due_at, asker, outside, sha256=run.sha256, made_at=run.made_at, missed=run.missed)
    for nth, one in enumerate(plan.recipients, 1):
        outbox.to_person(
            session, f"{MAILS}{run.id}:{nth}", one, subject(plan, run.due_at, outside), text,
            about="report", now=run.made_at,
        )  # fmt: skip


def tell_maker(session: Session, row: Schedule, run: ScheduleRun, to: str, *, now: datetime) -> None:
    """A mail to whoever made it: it does not go out any more."""
    why = f"{row.why}\n\nIt stands on the page Scheduled, under Finance.\n"
    title = f"“{row.title}” does not go out any more"
    outbox.to_person(session, f"schedule-off:{run.id}", to, title, why, about="report", now=now)


def fill(
    sessions: Sessions, mail_id: int, message: EmailMessage, outside: Outside, *, now: datetime
) -> Hold | None:
    """Put the file or a link of its own into a mail that goes now; why it is not owed any more, when it is
    not. Only a hash of the link is kept, so each time it is tried draws another one."""
    with sessions.begin() as session:
        mail = session.get_one(OutboxMail, mail_id)
        run = session.get_one(ScheduleRun, int(mail.key.removeprefix(MAILS).partition(":")[0]))
        row = session.get_one(Schedule, run.schedule_id)
        if why := _why_not(row, run, mail, outside, now):
            return Hold(why)
        assert run.plan is not None
        assert run.data is not None
        if plans.from_plain(row.title, run.plan).way is Way.FILE:
            maintype, subtype = (run.media_type or "").split(";")[0].split("/")
            message.add_attachment(run.data, maintype=maintype, subtype=subtype, filename=run.file_name)
            return None
        body_ = mail.body.replace(_PLACE, _draw(session, run, mail.recipient, now))
    message.set_content(body_)
    return None


def _why_not(row: Schedule, run: ScheduleRun, mail: OutboxMail, outside: Outside, now: datetime) -> str:
    assert run.made_at is not None
    if row.state == ENDED:
        return "the schedule was ended"
    if run.revoked_at is not None:
        return "its links were revoked"
    if not outside.allows(mail.recipient):
        return "nothing may be sent to this domain any more"
    return "its file is kept for seven days" if run.data is None or now - run.made_at >= LASTS else ""


def _draw(session: Session, run: ScheduleRun, recipient: str, now: datetime) -> str:
    token = secrets.token_urlsafe(32)
    session.add(
        ScheduleLink(
            run_id=run.id, recipient=recipient, token_hash=guesses.hash_of(token), made_at=now,
            expires_at=now + LASTS,
        )
    )  # fmt: skip
    return token


def check_size(size: int, way: Way) -> None:
    """Raises InvalidInput for a file that is too large to go this way."""
    most = LARGEST_FILE if way is Way.FILE else LARGEST_BY_LINK
    if size > most:
        raise InvalidInput(
            f"The file has {size // 1024 // 1024 + 1} MB, and {most // 1024 // 1024} MB are the most that "
            f"go out so. Narrow the view, or choose fewer days."
        )
