"""Papers reach people: as a PDF from the desk, or by mail. The first is the original, the rest are COPIES."""

from dataclasses import dataclass
from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import OutboxMail, PaperPart, PaperPrint, PaperRow, Payment
from db.money import Money
from payments import holding, lifecycle, obligations
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import InvalidInput
from payments.lifecycle import CLOSED, Kind, Source
from payments.papers import standing
from payments.papers.bodies import BillTo, Body, PaperKind, read
from payments.papers.issuing import row
from payments.payers import contacts, payer_words, prints
from payments.payers.payer_words import Text
from payments.selling import terms
from payments.telling import outbox

MAILS = "paper:"


@dataclass(frozen=True)
class PaperView:
    """``left`` is what of an invoice is not credited; ``lost``: it stands, and nobody owes it any more."""

    id: int
    kind: PaperKind
    title: str
    label: str
    issued_on: date
    bill_to: BillTo
    total: Money
    left: Money
    payments: int
    credits: str
    handed_out: bool
    lost: bool


@dataclass(frozen=True)
class Handed:
    body: Body
    copy: bool

    @property
    def file_name(self) -> str:
        return f"{self.body.label}{'-copy' if self.copy else ''}.pdf"


def of_payment(session: Session, person: Person, reference: str) -> tuple[PaperView, ...]:
    """The papers of a payment, the newest first. Raises NotFound."""
    payment = obligations.seen(session, person, reference)
    query = (
        select(PaperRow)
        .join(PaperPart, PaperPart.paper_id == PaperRow.id)
        .where(PaperPart.payment_id == payment.id)
        .order_by(PaperRow.id.desc())
    )
    return tuple(_view(session, paper, payment) for paper in session.scalars(query))


def last_bill_to(session: Session, person: Person, reference: str) -> BillTo:
    """Whom a payment's last paper was for; before the first, its payer. Raises NotFound."""
    papers = of_payment(session, person, reference)
    payment = obligations.seen(session, person, reference)
    return papers[0].bill_to if papers else BillTo(payment.payer_name, email=payment.payer_email)


def hand_out(session: Session, person: Person, paper_id: int, *, now: datetime) -> Handed:
    """A paper for somebody at the desk; that they took it is written down.

    Raises NotFound, NotAllowed, Conflict (the desk stands still).
    """
    paper = row(session, person, paper_id)
    check(person, Action.ISSUE_LINK, paper.event_id)
    payments = [holding.payment(session, part.payment_id) for part in paper.parts]
    copy = prints.handed_out(session, PaperPrint, None, by=person.name, now=now, paper_id=paper.id)
    body = read(paper.body)
    for payment in payments:
        lifecycle.note(
            session, payment, Kind.PAPER, now=now, source=Source.DESK, actor=person.name, paper=paper.id,
            step="handed out", title=body.title, label=body.label, copy=copy,
        )  # fmt: skip
    audit.record(session, person, "print_paper", paper.label, now=now, event_id=paper.event_id, copy=copy)
    return Handed(body, copy)


def send(session: Session, person: Person, paper_id: int, to: str, *, now: datetime) -> None:
    """Queue a mail with the paper in it. Raises InvalidInput, NotFound, NotAllowed, Conflict."""
    paper = row(session, person, paper_id)
    check(person, Action.ISSUE_LINK, paper.event_id)
    address = contacts.email_address(to)
    if not address:
        raise InvalidInput("Give the address that it is to be sent to.")
    payment = holding.payment(session, paper.parts[0].payment_id)
    body = read(paper.body)
    key = f"{MAILS}{paper.id}:"
    mails = select(func.count()).where(OutboxMail.key.startswith(key, autoescape=True))
    told = {
        "name": body.bill_to.attention or body.bill_to.name, "title": body.title, "number": body.label,
        "event": body.event, "amount": body.bill.total, "reference": ", ".join(body.references[:5]),
    }  # fmt: skip
    language = terms.of(session, paper.event_id).language
    demo = "This is a demonstration: no real money moved.\n\n" if body.demo else ""
    outbox.queue(
        session, payment, f"{key}{session.scalar(mails)}",
        payer_words.say(language, Text.PAPER_SUBJECT, **told),
        f"{demo}{payer_words.say(language, Text.PAPER, **told)}\n", now=now, actor=person.name, to=address,
    )  # fmt: skip
    audit.record(session, person, "mail_paper", paper.label, now=now, event_id=paper.event_id)


def for_mail(session: Session, mail: OutboxMail, *, now: datetime) -> Handed:
    """What goes with a mail. Tried again it is the same; sent again it is a copy."""
    paper = session.get_one(PaperRow, int(mail.key.removeprefix(MAILS).partition(":")[0]))
    holding.payment(session, paper.parts[0].payment_id)
    again = prints.handed_out(session, PaperPrint, mail.key, by="Paydesk", now=now, paper_id=paper.id)
    return Handed(read(paper.body), again or mail.sent_at is not None)


def _view(session: Session, paper: PaperRow, payment: Payment) -> PaperView:
    body = read(paper.body)
    left = sum(standing.left_of(session, paper).values()) if paper.kind == PaperKind.INVOICE else 0
    printed = select(PaperPrint.id).where(PaperPrint.paper_id == paper.id).limit(1)
    return PaperView(
        id=paper.id,
        kind=body.kind,
        title=body.title,
        label=paper.label,
        issued_on=paper.issued_on,
        bill_to=body.bill_to,
        total=paper.total,
        left=Money(left, paper.total_currency),
        payments=len(paper.parts),
        credits=body.credits,
        handed_out=session.scalar(printed) is not None,
        lost=left > 0 and payment.status in CLOSED,
    )
