"""The courier: sees to reminders, and looks at each mail right before it goes, with no transaction open."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from email.message import EmailMessage

from db.models import OutboxMail, Payment
from db.session import Sessions
from payments import dates, holding
from payments.access import invitations
from payments.asking import links, reminders
from payments.asking.links import Addresses
from payments.errors import GatewayError
from payments.gateways import Gateway
from payments.hearing import sync
from payments.papers import handing, pdf
from payments.payers import receipt_pdf, receipts
from payments.schedules import book, mailing
from payments.schedules.outside import NOBODY, Outside
from payments.second_person import approval_mails, owing
from payments.sign_off import sign_off_mails
from payments.telling.outbox import Hold
from payments.watching import standstill

#: When nobody is due, the next look for who is comes after this.
LOOK_AGAIN = timedelta(minutes=10)
ASK_AGAIN = timedelta(minutes=5)


class Courier:
    """One worker's. Two at once do no harm: what is unique about a reminder stands in the database."""

    def __init__(
        self,
        sessions: Sessions,
        gateways: Mapping[str, Gateway],
        addresses: Addresses,
        outside: Outside = NOBODY,
    ) -> None:
        self._sessions = sessions
        self._gateways = gateways
        self._addresses = addresses
        self._outside = outside
        self._after = 0
        self._look_at: datetime | None = None

    def forget(self) -> None:
        """The clock was set back: begin anew."""
        self._after, self._look_at = 0, None

    def remind(self, *, now: datetime, limit: int) -> int:
        """Queue the next few reminders that are due, ``limit`` at most, and return how many."""
        if limit <= 0 or (self._look_at is not None and now < self._look_at):
            return 0
        with self._sessions.read() as session:
            if standstill.current(session) is not None:
                return 0
            found = reminders.due(session, self._after, now=now, limit=limit)
        if not found:
            self._after, self._look_at = 0, now + LOOK_AGAIN
            return 0
        queued = 0
        for payment_id, step in found:
            self._after = payment_id
            with self._sessions.begin() as session:
                queued += reminders.queue(session, payment_id, step, self._addresses, now=now)
        return queued

    def before(self, mail_id: int, message: EmailMessage, *, now: datetime) -> Hold | None:
        """See ``outbox.Escort``."""
        with self._sessions.read() as session:
            mail = session.get_one(OutboxMail, mail_id)
            key, payment_id = mail.key, mail.payment_id
        if key.startswith(reminders.MAILS) and payment_id is not None:
            return self._reminder(key, payment_id, message, now)
        if key.startswith(invitations.MAILS):
            return invitations.fill(self._sessions, mail_id, message, now=now)
        if key.startswith(owing.REQUESTS):
            return approval_mails.fill(self._sessions, mail_id, message, self._outside.desk_url, now=now)
        if key.startswith(owing.SIGN_OFFS):
            return sign_off_mails.fill(self._sessions, mail_id, message, self._outside.desk_url, now=now)
        if key.startswith(receipts.MAILS):
            self._receipts(mail_id, message, now)
        if key.startswith(handing.MAILS):
            self._paper(mail_id, message, now)
        if key.startswith(book.MAILS):
            return mailing.fill(self._sessions, mail_id, message, self._outside, now=now)
        return None

    def _receipts(self, mail_id: int, message: EmailMessage, now: datetime) -> None:
        """The receipts of a confirmed payment go with its mail."""
        with self._sessions.begin() as session:
            papers = receipts.for_mail(session, session.get_one(OutboxMail, mail_id), now=now)
        for paper in papers:
            message.add_attachment(
                receipt_pdf.render(paper), maintype="application", subtype="pdf", filename=paper.file_name
            )

    def _paper(self, mail_id: int, message: EmailMessage, now: datetime) -> None:
        with self._sessions.begin() as session:
            paper = handing.for_mail(session, session.get_one(OutboxMail, mail_id), now=now)
        message.add_attachment(
            pdf.render(paper), maintype="application", subtype="pdf", filename=paper.file_name
        )

    def _reminder(self, key: str, payment_id: int, message: EmailMessage, now: datetime) -> Hold | None:
        """Whether a reminder is still wanted, by the gateway's word of this moment."""
        try:
            self._ask(payment_id, now)
        except GatewayError:
            return Hold("The gateway cannot be asked now.", until=now + ASK_AGAIN)
        with self._sessions.begin() as session:
            payment = holding.payment(session, payment_id)
            plan = reminders.plan_of(session, payment.event_id)
            if plan.quiet.holds(now):
                return Hold("It is quiet now.", until=_loud_again(plan.quiet.end, now))
            why = reminders.why_not(session, payment, now=now)
            if not why and not reminders.in_time(session, key, now=now):
                why = "its day is over"
            if why:
                reminders.withdraw(session, key)
            token = links.newest(payment).return_token
        if why:
            return Hold(why)
        message["List-Unsubscribe"] = f"<{reminders.stop_address(self._addresses, token)}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        return None

    def _ask(self, payment_id: int, now: datetime) -> None:
        """The gateway's word on each link that money could be on. Raises GatewayError."""
        with self._sessions.read() as session:
            payment = session.get_one(Payment, payment_id)
            asked = [link.id for link in payment.links if link.state in ("asked", "open")]
        for link_id in asked:
            sync.ask(self._sessions, self._gateways, link_id, now=now)


def _loud_again(until: time, now: datetime) -> datetime:
    """The next moment at this time of day in Johannesburg."""
    local = now.astimezone(dates.SAST)
    at = datetime.combine(local.date(), until, dates.SAST)
    return (at if at > local else at + timedelta(days=1)).astimezone(UTC)
