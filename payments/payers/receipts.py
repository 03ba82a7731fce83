"""Receipts as papers: what stands on one, its number, its VAT, and whether it is the original or a COPY.

A receipt has the number it already has: that of its till's roll, or its payment's reference and which of its
receipts it is. The first time it is handed out is the original; every further one says COPY.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import OutboxMail, Payment, Receipt, ReceiptPrint, Reversal, Shift, TillEntry
from db.money import Money
from payments import dates, holding, lifecycle, references, vat
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import NotFound
from payments.lifecycle import Kind, Method, Source, Status
from payments.papers import standing
from payments.payers import payer_words, places, prints
from payments.payers.payer_words import Text
from payments.selling import organisers, terms
from payments.selling.organisers import Organiser
from payments.watching import standstill

MAILS = "receipt:"


@dataclass(frozen=True)
class Paper:
    """All that stands on one. ``vat`` is what the amount holds, None where nobody is registered for it;
    ``invoice`` the number of the invoice that the payment is on, or ""."""

    title: str
    number: str
    copy: bool
    organiser: Organiser
    event: str
    what: str
    payer: str
    reference: str
    method: Method
    amount: Money
    vat: Money | None
    owed: Money
    balance: Money
    received_at: datetime
    taken_back: str
    demo: bool
    invoice: str = ""

    @property
    def file_name(self) -> str:
        plain = "".join(char if char.isascii() and char.isalnum() else "-" for char in self.number)
        return f"receipt-{plain}{'-copy' if self.copy else ''}.pdf"


def hand_out(session: Session, person: Person, receipt_id: int, *, now: datetime) -> Paper:
    """A receipt for somebody at the desk; it is written down that they took it.

    Raises NotFound, NotAllowed, Conflict (the desk stands still).
    """
    standstill.refuse(session)
    receipt = _seen(session, person, receipt_id)
    payment = holding.payment(session, receipt.payment_id)
    copy = prints.handed_out(session, ReceiptPrint, None, by=person.name, now=now, receipt_id=receipt.id)
    paper = _paper(session, payment, receipt, copy=copy)
    told = f"Receipt {paper.number} was made as a PDF{', as a copy' if copy else ''}."
    lifecycle.note(session, payment, Kind.NOTE, now=now, source=Source.DESK, actor=person.name, text=told)
    audit.record(
        session, person, "print_receipt", payment.reference, now=now, event_id=payment.event_id,
        number=paper.number, copy=copy,
    )  # fmt: skip
    return paper


def message(session: Session, person: Person, receipt_id: int) -> str:
    """A receipt as a message, in the language of its event; handed out before, it says COPY.

    Raises NotFound, NotAllowed.
    """
    receipt = _seen(session, person, receipt_id)
    payment = receipt.payment
    first = select(func.min(ReceiptPrint.id)).where(ReceiptPrint.receipt_id == receipt.id)
    paper = _paper(session, payment, receipt, copy=session.scalar(first) is not None)
    language = terms.of(session, payment.event_id).language
    said = payer_words.say(
        language, Text.RECEIPT_SHARE, event=paper.event, amount=paper.amount, what=paper.what,
        when=dates.say_moment(paper.received_at), number=paper.number, reference=paper.reference,
    )  # fmt: skip
    owes = paper.balance.minor > 0 and payment.status == Status.PART_PAID
    rest = payer_words.say(language, Text.RECEIPT_REST, balance=paper.balance) if owes else ""
    gone = f"Taken back: {paper.taken_back}." if paper.taken_back else ""
    marks = ("DEMO" if paper.demo else "", "COPY" if paper.copy else "", gone)
    return " ".join(filter(None, (*marks, said, rest)))


def sent(session: Session, person: Person, receipt_id: int, how: str, *, now: datetime) -> None:
    """The message was sent on: the receipt is handed out by it. Raises NotFound, NotAllowed, Conflict."""
    standstill.refuse(session)
    receipt = _seen(session, person, receipt_id)
    payment = holding.payment(session, receipt.payment_id)
    prints.handed_out(session, ReceiptPrint, None, by=person.name, now=now, receipt_id=receipt.id)
    lifecycle.note(
        session, payment, Kind.SHARED, now=now, source=Source.DESK, actor=person.name, how=how, what="receipt"
    )


def _seen(session: Session, person: Person, receipt_id: int) -> Receipt:
    receipt = session.get(Receipt, receipt_id)
    if receipt is None or not person.may(Action.SEE, receipt.payment.event_id):
        raise NotFound("There is no such receipt here.")
    check(person, Action.ISSUE_LINK, receipt.payment.event_id)
    return receipt


def for_mail(session: Session, mail: OutboxMail, *, now: datetime) -> Sequence[Paper]:
    """What goes with a payment's confirmation. Tried again it is the same; sent again it is a copy."""
    assert mail.payment_id is not None
    payment = holding.payment(session, mail.payment_id)
    papers = []
    for receipt in payment.receipts:
        if _taken_back(session, receipt):
            continue
        again = prints.handed_out(
            session, ReceiptPrint, mail.key, by="Paydesk", now=now, receipt_id=receipt.id
        )
        copy = again or mail.sent_at is not None
        papers.append(_paper(session, payment, receipt, copy=copy))
    return papers


def of_till_entry(session: Session, person: Person, entry_id: int) -> int:
    """The id of the receipt that a till's entry wrote down. Raises NotFound."""
    entry = session.get(TillEntry, entry_id)
    if entry is None or not person.may(Action.SEE, entry.payment.event_id):
        raise NotFound("There is no such receipt here.")
    return entry.receipt_id


def _paper(session: Session, payment: Payment, receipt: Receipt, *, copy: bool) -> Paper:
    organiser = organisers.of(session, payment.event_id)
    registered = bool(organiser.vat_number) and receipt.amount.currency == "ZAR"
    invoices = standing.invoices(session, payment.id)
    return Paper(
        title="Tax invoice" if not invoices and _is_invoice(organiser, payment, receipt) else "Receipt",
        number=_number(session, payment, receipt),
        copy=copy,
        organiser=organiser,
        event=payment.event.name,
        what=_what(session, payment, receipt),
        payer=payment.payer_name,
        reference=references.spoken(payment.reference),
        method=Method(receipt.kind),
        amount=receipt.amount,
        vat=vat.vat_in(receipt.amount) if registered else None,
        owed=payment.amount,
        balance=payment.amount - payment.received,
        received_at=receipt.received_at,
        taken_back=_taken_back(session, receipt),
        demo=payment.mode == "demo",
        invoice=invoices[0] if invoices else "",
    )


def _is_invoice(organiser: Organiser, payment: Payment, receipt: Receipt) -> bool:
    """Whether a receipt may be the one tax invoice of its payment, abridged: by what is asked for in all
    (VAT Act, s. 20(5)), and with all of it on it. One for a part would be one of several (s. 20(1))."""
    small = payment.amount_minor <= vat.ABRIDGED_UP_TO.minor and payment.amount_currency == "ZAR"
    return bool(organiser.vat_number) and small and receipt.amount.minor >= payment.owed_minor


def tax_invoices(session: Session, payment: Payment) -> tuple[str, ...]:
    """The numbers of the receipts that were handed out as abridged tax invoices of a payment."""
    organiser = organisers.of(session, payment.event_id)
    printed = set(
        session.scalars(select(ReceiptPrint.receipt_id).join(Receipt).where(Receipt.payment_id == payment.id))
    )
    return tuple(
        _number(session, payment, one)
        for one in payment.receipts
        if one.id in printed and _is_invoice(organiser, payment, one) and not _taken_back(session, one)
    )


def _what(session: Session, payment: Payment, receipt: Receipt) -> str:
    """What it was paid for, and for whom of several people."""
    what = payment.category.name if payment.category else payment.note or payment.event.name
    if receipt.place:
        return f"{what}: {places.one(session, payment, receipt.place).name}"
    return f"{what}, for {payment.place_count} people" if payment.place_count else what


def _number(session: Session, payment: Payment, receipt: Receipt) -> str:
    entry = session.scalar(
        select(TillEntry).where(TillEntry.receipt_id == receipt.id, TillEntry.reverses_id.is_(None))
    )
    if entry is not None:
        return f"{session.get_one(Shift, entry.shift_id).till.name} {entry.number:06d}"
    nth = [one.id for one in payment.receipts].index(receipt.id) + 1
    return f"{references.spoken(payment.reference)}-{nth}"


def _taken_back(session: Session, receipt: Receipt) -> str:
    return session.scalar(select(Reversal.why).where(Reversal.receipt_id == receipt.id)) or ""
