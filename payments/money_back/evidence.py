"""The evidence pack of a dispute: what the desk knows of the payment, who did what and when, to be sent on.

It leaves the desk, so the payer's e-mail and phone are masked unless whoever takes it wants them whole, which
is on the record; what colleagues wrote for each other, and what strangers claimed, is left out and counted.
"""

import hashlib
import re
from collections.abc import Iterator
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Dispute, Payment, Proof
from payments import dates
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.finding import search
from payments.finding.search import PaymentDetail
from payments.lifecycle import Kind
from payments.money_back import disputes, evidence_pdf
from payments.money_back.evidence_pdf import Pack, Section
from payments.papers import handing
from payments.references import draw
from payments.sheets.back import File
from payments.telling import outbox
from payments.timeline import UNVERIFIED, TimelineView

PREFIX = "EVD"
#: For colleagues, or of strangers: no evidence of what was sold, and to whom.
LEFT_OUT = frozenset(
    {
        Kind.NOTE, Kind.ASSIGNED, Kind.FLAGGED, Kind.UNFLAGGED, Kind.DETAILS, Kind.APPROVAL, Kind.DISPUTE,
        Kind.PAPER, UNVERIFIED,
    }
)  # fmt: skip
_ADDRESS = re.compile(r"([\w.+-])[\w.+-]*@([\w.-]+)")


def take(
    session: Session, person: Person, dispute_id: int, whole: bool, demo: bool, *, now: datetime
) -> File:
    """The pack as a PDF; who took it, and the hashes of what it says and of its bytes, is on the record.
    ``whole``: with the payer's e-mail and phone as they are. Raises NotFound, NotAllowed."""
    view = disputes.get(session, person, dispute_id)
    dispute = session.get_one(Dispute, dispute_id)
    pack = gather(session, person, dispute, whole=whole, demo=demo)
    reference = draw(PREFIX, demo=demo)
    data = evidence_pdf.render(pack, reference, made_at=now, made_by=person.name)
    audit.record(
        session, person, "take_evidence", view.reference, now=now, event_id=view.event_id,
        dispute=dispute_id, evidence=reference, content=pack.sha256,
        sha256=hashlib.sha256(data).hexdigest(), whole=whole,
    )  # fmt: skip
    return File(f"evidence-{view.reference}-{reference}.pdf", "application/pdf", data)


def gather(session: Session, person: Person, dispute: Dispute, *, whole: bool, demo: bool) -> Pack:
    """What the pack says of a dispute. Raises NotFound."""
    payment = session.get_one(Payment, dispute.payment_id)
    check(person, Action.RECORD, payment.event_id)
    detail = search.get(session, person, payment.reference)
    told = [entry for entry in detail.timeline if entry.kind not in LEFT_OUT]
    return Pack(
        title=f"Evidence for dispute {dispute.case_reference}",
        dispute=tuple(_dispute(dispute)),
        facts=tuple(_facts(detail, whole)),
        sections=tuple(_sections(session, person, payment, detail, told, whole)),
        left_out=len(detail.timeline) - len(told),
        demo=demo,
    )


def masked(text: str, whole: bool) -> str:
    """``z…@example.org``, wherever an address stands in a text."""
    return text if whole else _ADDRESS.sub(r"\1…@\2", text)


def _phone(number: str, whole: bool) -> str:
    return number if whole or not number else f"…{number[-3:]}"


def _dispute(dispute: Dispute) -> Iterator[tuple[str, str]]:
    yield "Case at the gateway", dispute.case_reference
    yield "Disputed", str(dispute.amount)
    yield "Reason given", dispute.why.replace("_", " ").capitalize()
    yield "Opened on", f"{dispute.opened_on:%-d %b %Y}"
    yield "To be answered by", f"{dispute.answer_by:%-d %b %Y}"


def _facts(detail: PaymentDetail, whole: bool) -> Iterator[tuple[str, str]]:
    row = detail.row
    yield "Reference", row.reference
    yield "For", ", ".join(filter(None, (row.event_name, row.category)))
    yield "Payer", row.payer_name
    yield "E-mail", masked(row.payer_email, whole) or "none given"
    yield "Phone", _phone(row.payer_phone, whole) or "none given"
    yield "Asked for", str(row.amount)
    yield "Received", str(row.received)
    if detail.refunded:
        yield "Given back", str(detail.refunded)
    yield "Asked for on", f"{dates.say_moment(row.created_at)} by {detail.created_by}"
    if row.paid_at:
        yield "Paid on", dates.say_moment(row.paid_at)
    for place in detail.places:
        yield f"Person {place.number}", f"{place.name}, {place.amount}"


def _sections(
    session: Session,
    person: Person,
    payment: Payment,
    detail: PaymentDetail,
    told: list[TimelineView],
    whole: bool,
) -> Iterator[Section]:
    yield Section(
        "Payment links",
        ("Made", "Our reference", "The gateway's", "Amount", "Its last answer"),
        tuple(
            (dates.say_moment(link.requested_at), link.wire_reference, link.gateway_reference or "–",
             str(link.amount), link.answer_word or "–")
            for link in detail.links
        ),
        "None: it was not paid by link.",
    )  # fmt: skip
    yield Section(
        "Money received",
        ("On", "Amount", "By", "Reference there", "On the word of"),
        tuple(
            (dates.say_moment(one.received_at), str(one.amount), one.kind.replace("_", " "),
             one.source_reference, one.recorded_by)
            for one in detail.receipts
        ),
        "None.",
    )  # fmt: skip
    yield _mails(detail.mails, whole)
    yield _moments("Visits of the page after paying", told, Kind.RETURNED, "None is known.")
    yield _moments("Let in at the door", told, Kind.ADMITTED, "Nobody was let in on it.")
    yield _papers(session, person, detail)
    yield _proofs(session, payment)
    yield Section(
        "What happened",
        ("When", "Who", "What"),
        tuple((dates.say_moment(one.at), one.actor, masked(one.title, whole)) for one in told),
    )


def _mails(mails: tuple[outbox.MailView, ...], whole: bool) -> Section:
    rows = tuple(
        (dates.say_moment(mail.sent_at) if mail.sent_at else mail.state, masked(mail.recipient, whole),
         mail.subject)
        for mail in mails
    )  # fmt: skip
    return Section("Mail", ("Sent", "To", "Subject"), rows, "None was sent.")


def _moments(title: str, told: list[TimelineView], kind: Kind, none: str) -> Section:
    rows = tuple((dates.say_moment(one.at), one.title) for one in told if one.kind == kind)
    return Section(title, ("When", "What"), rows, none)


def _papers(session: Session, person: Person, detail: PaymentDetail) -> Section:
    rows = tuple(
        (f"{paper.issued_on:%-d %b %Y}", paper.title, paper.label, str(paper.total))
        for paper in handing.of_payment(session, person, detail.row.reference)
    )
    return Section("Papers", ("Issued", "What", "Number", "Total"), rows, "None was issued.")


def _proofs(session: Session, payment: Payment) -> Section:
    """They are listed by their hash and not shown: a proof is somebody's bank account."""
    kept = session.scalars(select(Proof).where(Proof.payment_id == payment.id).order_by(Proof.id))
    rows = tuple((dates.say_moment(one.at), one.kind.upper(), one.by, one.sha256[:32]) for one in kept)
    return Section("Proofs kept", ("When", "Kind", "Kept by", "SHA-256, first half"), rows, "None.")
