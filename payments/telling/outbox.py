"""Mail we owe somebody: queued in the transaction that made us owe it, sent later, retried, shown."""

import smtplib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import OutboxMail, Payment, TimelineEntry
from db.session import Sessions
from db.upsert import insert_into
from payments import dates
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import InvalidInput, NotFound, quoted
from payments.live import tallies
from payments.payers import payer_words
from payments.payers.payer_words import Text
from payments.references import spoken
from payments.selling import terms

#: Waits before the next try; after the last one a person must look.
RETRIES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60, 240, 720))

_DOMAIN = "paydesk.invalid"

#: Sends one message or raises OSError (of which smtplib's errors are a kind).
Transport = Callable[[EmailMessage], None]


@dataclass(frozen=True)
class Hold:
    """Why a mail is not sent now. ``until`` it is looked at again; None: it is not owed any more."""

    why: str
    until: datetime | None = None


class Escort(Protocol):
    """Looks at each mail right before it goes, and may add to it; no transaction is open meanwhile."""

    def before(self, mail_id: int, message: EmailMessage, *, now: datetime) -> Hold | None: ...


@dataclass(frozen=True)
class MailView:
    id: int
    recipient: str
    subject: str
    body: str
    state: str
    attempts: int
    created_at: datetime
    sent_at: datetime | None
    last_error: str | None


def queue_receipt(session: Session, payment: Payment, *, now: datetime) -> None:
    """Queue the one confirmation of a paid payment, when there is an address to send it to."""
    key = f"receipt:{payment.reference}"
    if not payment.payer_email or _by_key(session, key) is not None:
        return
    subject, body = _receipt_text(session, payment, now)
    queue(session, payment, key, subject, body, now=now)


def queue(
    session: Session,
    payment: Payment,
    key: str,
    subject: str,
    body: str,
    *,
    now: datetime,
    actor: str = "Paydesk",
    to: str = "",
) -> OutboxMail:
    """A mail to a payment's payer, or about it ``to`` somebody, in the transaction that makes us owe it;
    ``key`` is unique among mails."""
    mail = OutboxMail(
        key=key,
        payment_id=payment.id,
        recipient=to or payment.payer_email,
        subject=subject,
        body=body,
        message_id=make_msgid(idstring=spoken(payment.reference), domain=_DOMAIN),
        state="queued",
        created_at=now,
        next_try_at=now,
    )
    session.add(mail)
    session.flush()
    _note(session, mail, now, actor, what="queued")
    return mail


def to_person(
    session: Session, key: str, to: str, subject: str, body: str, *, about: str, now: datetime
) -> None:
    """A mail about no payment, to a colleague or to whoever gets our reports; once for a key, however often
    it is asked for. ``about`` is a word of its Message-ID."""
    insert = insert_into(session, OutboxMail).values(
        key=key, recipient=to, subject=subject, body=body, message_id=make_msgid(about, _DOMAIN),
        state="queued", attempts=0, created_at=now, next_try_at=now,
    )  # fmt: skip
    session.execute(insert.on_conflict_do_nothing(index_elements=["key"]))


def resend(session: Session, person: Person, mail_id: int, *, now: datetime) -> None:
    """Send a mail once more, to the same address, under the same Message-ID."""
    mail = session.get(OutboxMail, mail_id)
    payment = session.get(Payment, mail.payment_id) if mail and mail.payment_id else None
    if mail is None or payment is None or not person.may(Action.SEE, payment.event_id):
        raise NotFound("There is no such mail here.")
    check(person, Action.ISSUE_LINK, payment.event_id)
    mail.state, mail.next_try_at, mail.attempts = "queued", now, 0
    _note(session, mail, now, person.name, what="queued again")
    audit.record(session, person, "resend_mail", payment.reference, now=now, event_id=payment.event_id)


def send_due(
    sessions: Sessions,
    transport: Transport,
    sender: str,
    *,
    now: datetime,
    limit: int = 20,
    about: str = "",
    escort: Escort | None = None,
) -> int:
    """Send what is due and return how many went out. A mail is sent at least once, marked right after.

    ``about``: only those whose key begins so. ``escort`` looks at each one first.
    """
    with sessions.read() as session:
        due = select(OutboxMail.id).where(OutboxMail.state == "queued", OutboxMail.next_try_at <= now)
        if about:
            due = due.where(OutboxMail.key.startswith(about, autoescape=True))
        ids = list(session.scalars(due.order_by(OutboxMail.next_try_at).limit(limit)))
    return sum(_send(sessions, transport, sender, mail_id, now, escort) for mail_id in ids)


def transport_of(mail_url: str) -> Transport:
    """``console:``, ``file:FOLDER``, ``smtp://user:password@host:port`` (STARTTLS) or ``smtps://``."""
    parts = urlsplit(mail_url)
    match parts.scheme:
        case "console":
            return lambda message: print(message.as_string())
        case "file":
            return _to_folder(Path(parts.path))
        case "smtp" | "smtps":
            return _by_smtp(parts.scheme, parts.hostname or "", parts.port, parts.username, parts.password)
    raise InvalidInput(
        f"MAIL_URL must start with console:, file:, smtp:// or smtps://, not {quoted(parts.scheme)}."
    )


def view(mail: OutboxMail) -> MailView:
    return MailView(
        id=mail.id,
        recipient=mail.recipient,
        subject=mail.subject,
        body=mail.body,
        state=mail.state,
        attempts=mail.attempts,
        created_at=mail.created_at,
        sent_at=mail.sent_at,
        last_error=mail.last_error,
    )


def _send(
    sessions: Sessions,
    transport: Transport,
    sender: str,
    mail_id: int,
    now: datetime,
    escort: Escort | None,
) -> bool:
    with sessions.read() as session:
        mail = session.get_one(OutboxMail, mail_id)
        message = _message(mail, sender)
    hold = escort.before(mail_id, message, now=now) if escort else None
    if hold is not None:
        _hold(sessions, mail_id, hold, now)
        return False
    error: OSError | None = None
    try:
        transport(message)
    except OSError as caught:
        error = caught
    with sessions.begin() as session:
        mail = session.get_one(OutboxMail, mail_id)
        mail.attempts += 1
        if error is None:
            mail.state, mail.sent_at, mail.next_try_at, mail.last_error = "sent", now, None, None
            _note(session, mail, now, "Paydesk", what="sent", to=mail.recipient)
        elif mail.attempts <= len(RETRIES):
            mail.next_try_at, mail.last_error = now + RETRIES[mail.attempts - 1], str(error)
        else:
            mail.state, mail.next_try_at, mail.last_error = "failed", None, str(error)
            _note(session, mail, now, "Paydesk", what="given up", why=str(error))
    return error is None


def _hold(sessions: Sessions, mail_id: int, hold: Hold, now: datetime) -> None:
    """Put a mail off, or away: what is not owed any more leaves the outbox, and the timeline says why."""
    with sessions.begin() as session:
        mail = session.get_one(OutboxMail, mail_id)
        if hold.until is not None:
            mail.next_try_at, mail.last_error = hold.until, hold.why
            return
        _note(session, mail, now, "Paydesk", what=f"not sent, since {hold.why}")
        session.delete(mail)


def _message(mail: OutboxMail, sender: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = mail.recipient
    message["Subject"] = mail.subject
    message["Date"] = format_datetime(mail.created_at)
    message["Message-ID"] = mail.message_id
    message.set_content(mail.body)
    return message


def _receipt_text(session: Session, payment: Payment, now: datetime) -> tuple[str, str]:
    language = terms.of(session, payment.event_id).language
    told = {
        "name": payment.payer_name,
        "amount": payment.received,
        "event": payment.event.name,
        "what": f"{payment.event.name}, {payment.category.name}" if payment.category else payment.event.name,
        "reference": payment.reference,
        "when": dates.say_moment(now),
    }
    demo = "This is a demonstration: no real money moved.\n\n" if payment.mode == "demo" else ""
    body = payer_words.say(language, Text.RECEIPT, **told)
    return payer_words.say(language, Text.RECEIPT_SUBJECT, **told), f"{demo}{body}\n"


def _note(session: Session, mail: OutboxMail, now: datetime, actor: str, **detail: str) -> None:
    if mail.payment_id is None:
        return
    told = {"mail": mail.id, "subject": mail.subject, **detail}
    session.add(
        TimelineEntry(
            payment_id=mail.payment_id, at=now, kind="mail", source="worker", actor=actor, detail=told
        )
    )
    tallies.bump(session, session.scalar(select(Payment.event_id).where(Payment.id == mail.payment_id)))


def _by_key(session: Session, key: str) -> OutboxMail | None:
    return session.scalar(select(OutboxMail).where(OutboxMail.key == key))


def _to_folder(folder: Path) -> Transport:
    def write(message: EmailMessage) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        name = message["Message-ID"].strip("<>").replace("/", "_")
        (folder / f"{name}.eml").write_bytes(message.as_bytes())

    return write


def _by_smtp(scheme: str, host: str, port: int | None, user: str | None, password: str | None) -> Transport:
    def send(message: EmailMessage) -> None:
        kind = smtplib.SMTP_SSL if scheme == "smtps" else smtplib.SMTP
        with kind(host, port or (465 if scheme == "smtps" else 587), timeout=15) as server:
            if scheme == "smtp" and server.has_extn("starttls"):
                server.starttls()
            if user:
                server.login(unquote(user), unquote(password or ""))
            server.send_message(message)

    return send
