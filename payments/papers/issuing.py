"""Papers are issued, and invoices credited: never changed, never deleted.

What must stand on each is the VAT Act's (89 of 1991): s. 20(4) for a full tax invoice, s. 20(5) for an
abridged one, s. 21(3) for a credit note. A payment is on one invoice at a time: s. 20(1) allows one for a
supply.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import PaperPart, PaperRow, Payment
from db.money import Money
from payments import dates, holding, lifecycle, obligations, references, vat
from payments.access.people import Action, Person, check
from payments.at_the_door import eft
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.finding import search_text
from payments.lifecycle import CLOSED, SETTLED, Kind, Source, Status
from payments.papers import numbering, standing
from payments.papers.bodies import BillTo, Body, PaperKind, digest, read, title_of
from payments.papers.charged import items_of
from payments.payers import contacts, receipts
from payments.privacy import clean, clean_line
from payments.selling import organisers
from payments.selling.organisers import Organiser
from payments.vat import Bill, Line

#: What a quotation says holds for so long, and at the longest until the event begins.
QUOTE_DAYS = 30
#: More payments on one bill are several bills.
MOST_PAYMENTS = 200
SHORTEST_WHY = 5


@dataclass(frozen=True)
class Wanted:
    """``key`` is drawn when the form is first shown: sent twice it is one paper. ``references``: of one
    payment, or of all that a company pays for."""

    key: str
    kind: PaperKind
    references: tuple[str, ...]
    bill_to: BillTo
    note: str = ""


@dataclass(frozen=True)
class Credit:
    """Takes from an invoice: all that is left of it, or an amount of one of its payments."""

    key: str
    invoice_id: int
    why: str
    amount: Money | None = None
    reference: str = ""


def issue(session: Session, person: Person, wanted: Wanted, *, now: datetime) -> int:
    """Issue a quotation, a pro-forma invoice or an invoice, and return the paper's id.

    Raises InvalidInput, NotFound, NotAllowed, Conflict (on an invoice already, not owed any more, nobody
    said who the organiser is).
    """
    if wanted.kind is PaperKind.CREDIT_NOTE:
        raise InvalidInput("A credit note is made from the invoice that it takes from.")
    bill_to, note = _checked_bill_to(wanted.bill_to), clean(wanted.note, field="The note", longest=500)
    payments = _held(session, person, wanted.references)
    if (known := _by_key(session, wanted.key)) is not None:
        return _same(known, wanted)
    supplier = _supplier(session, payments[0])
    for payment in payments:
        _owed(wanted.kind, payment)
    rate_bp = vat.RATE_BP if supplier.vat_number else 0
    items = {one.id: items_of(session, one, named=len(payments) > 1) for one in payments}
    bill = vat.bill([item for of_one in items.values() for item in of_one], rate_bp=rate_bp)
    replaces = ""
    if wanted.kind is PaperKind.INVOICE:
        _one_invoice(session, payments)
        _recipient_named(bill, bill_to)
        replaces = ", ".join(number for one in payments for number in receipts.tax_invoices(session, one))
    parts = {one.id: one.amount.minor for one in payments}
    number = numbering.draw(session, supplier, wanted.kind, demo=payments[0].mode == "demo", now=now)
    body = Body(
        kind=wanted.kind,
        title=title_of(wanted.kind, registered=rate_bp > 0),
        label=number.label,
        issued_on=dates.business_day(now),
        until=_until(wanted.kind, payments[0], now),
        supplier=supplier,
        bank=eft.account(session, person, payments[0].event.code),
        bill_to=bill_to,
        event=_event(payments[0]),
        references=tuple(references.spoken(one.reference) for one in payments),
        bill=bill,
        received=_received(payments),
        replaces=replaces,
        note=note,
        demo=payments[0].mode == "demo",
    )
    return _write(session, person, body, number, wanted.key, payments, parts, now=now)


def credit(session: Session, person: Person, wanted: Credit, *, now: datetime) -> int:
    """Credit an invoice, and return the id of the credit note. The invoice stays as it is.

    Raises InvalidInput (no reason, more than is left), NotFound, NotAllowed, Conflict (nothing is left).
    """
    invoice = row(session, person, wanted.invoice_id)
    check(person, Action.RECORD, invoice.event_id)
    if invoice.kind != PaperKind.INVOICE:
        raise Conflict(f"{invoice.label} is no invoice: only invoices are credited.")
    why = clean_line(wanted.why, field="The reason", longest=500)
    if len(why) < SHORTEST_WHY:
        raise InvalidInput(f"Say why it is credited, in {SHORTEST_WHY} characters or more: it stands on it.")
    payments = [holding.payment(session, part.payment_id) for part in invoice.parts]
    if (known := _by_key(session, wanted.key)) is not None:
        if known.credits_id != invoice.id:
            raise Conflict("This form was sent before, with something else in it. Start again.")
        return known.id
    left = standing.left_of(session, invoice)
    parts = _credited(payments, left, wanted)
    of = read(invoice.body)
    bill = _credit_bill(of, sum(parts.values()), sum(left.values()), why)
    number = numbering.draw(session, of.supplier, PaperKind.CREDIT_NOTE, demo=of.demo, now=now)
    body = Body(
        kind=PaperKind.CREDIT_NOTE,
        title=title_of(PaperKind.CREDIT_NOTE, registered=bill.rate_bp > 0),
        label=number.label,
        issued_on=dates.business_day(now),
        until=None,
        supplier=of.supplier,
        bank=None,
        bill_to=of.bill_to,
        event=of.event,
        references=tuple(references.spoken(one.reference) for one in payments if one.id in parts),
        bill=bill,
        received=Money(0, bill.total.currency),
        credits=of.label,
        why=why,
        demo=of.demo,
    )
    return _write(session, person, body, number, wanted.key, payments, parts, now=now, credits_id=invoice.id)


def row(session: Session, person: Person, paper_id: int) -> PaperRow:
    """Raises NotFound, also for another event's."""
    found = session.get(PaperRow, paper_id)
    if found is None or not person.may(Action.SEE, found.event_id):
        raise NotFound("There is no such paper here.")
    return found


# -- what it is for ---------------------------------------------------------------------------------


def _held(session: Session, person: Person, asked: Sequence[str]) -> list[Payment]:
    """The payments, held in the order of their ids, as everybody holds several. Raises InvalidInput."""
    wanted = list(dict.fromkeys(reference.strip() for reference in asked if reference.strip()))
    if not 1 <= len(wanted) <= MOST_PAYMENTS:
        raise InvalidInput(f"A paper is for one payment or more, {MOST_PAYMENTS} at most.")
    seen = [obligations.seen(session, person, reference) for reference in wanted]
    for payment in seen:
        check(person, Action.ISSUE_LINK, payment.event_id)
    if len({(one.event_id, one.amount_currency) for one in seen}) > 1:
        raise InvalidInput("One paper is for payments of one event. Make one for each event.")
    held = {one: holding.payment(session, one) for one in sorted(payment.id for payment in seen)}
    return [held[payment.id] for payment in seen]


def _owed(kind: PaperKind, payment: Payment) -> None:
    status = Status(payment.status)
    if not payment.amount_minor:
        raise Conflict(f"{payment.reference} costs nothing: there is nothing to bill.")
    if status in CLOSED or status is Status.REFUNDED:
        raise Conflict(f"{payment.reference} is {status}: nothing is billed for it.")
    if kind is not PaperKind.INVOICE and status in SETTLED:
        raise Conflict(f"{payment.reference} has its money already. Make an invoice or a receipt.")


def _one_invoice(session: Session, payments: Sequence[Payment]) -> None:
    billed = standing.billed(session, [one.id for one in payments])
    for payment in payments:
        if payment.id in billed:
            label = standing.invoices(session, payment.id)[0]
            raise Conflict(f"{payment.reference} is on invoice {label} already. Credit that one first.")


def _supplier(session: Session, payment: Payment) -> Organiser:
    supplier = organisers.of(session, payment.event_id)
    if not supplier.name:
        raise Conflict(
            f"Nobody has said yet who bills for {payment.event.name}. An admin fills in the organiser "
            f"under Events."
        )
    if supplier.vat_number and payment.amount_currency != "ZAR":
        raise Conflict(
            f"Who is registered for VAT bills in rand (VAT Act, s. 20(4)), not {payment.amount_currency}."
        )
    return supplier


def _recipient_named(bill: Bill, bill_to: BillTo) -> None:
    above = bill.rate_bp and bill.total.minor > vat.ABRIDGED_UP_TO.minor
    if above and not bill_to.address:
        raise InvalidInput(
            f"A tax invoice above {vat.ABRIDGED_UP_TO} shows the recipient's address "
            f"(and their VAT number, if they have one): give it."
        )


def _received(payments: Sequence[Payment]) -> Money:
    nothing = Money(0, payments[0].amount_currency)
    return sum((one.received - Money(one.refunded_minor, one.amount_currency) for one in payments), nothing)


def _event(payment: Payment) -> str:
    event = payment.event
    return f"{event.name}, {dates.say_days(event.starts_on, event.ends_on)}"


def _until(kind: PaperKind, payment: Payment, now: datetime) -> date:
    today = dates.business_day(now)
    if kind is PaperKind.QUOTATION:
        return max(today, min(today + timedelta(days=QUOTE_DAYS), payment.event.starts_on))
    return eft.due_on(payment.event, now)


def _checked_bill_to(bill_to: BillTo) -> BillTo:
    def line(text: str, field: str, longest: int = 120) -> str:
        return clean_line(text, field=field, longest=longest)

    name = line(bill_to.name, "The name")
    if not name:
        raise InvalidInput("Whom is it for? Give a name or a company.")
    return BillTo(
        name,
        clean(bill_to.address, field="The address", longest=300),
        organisers.checked_vat_number(bill_to.vat_number),
        line(bill_to.attention, "For the attention of"),
        line(bill_to.po_number, "The order number", 60),
        contacts.email_address(bill_to.email),
    )


# -- what a credit takes away -----------------------------------------------------------------------


def _credited(payments: Sequence[Payment], left: Mapping[int, int], wanted: Credit) -> dict[int, int]:
    """What of each payment is credited. Raises Conflict, InvalidInput."""
    if not left:
        raise Conflict("All of this invoice is credited already.")
    if wanted.amount is None:
        return dict(left)
    named = [one for one in payments if not wanted.reference or one.reference == wanted.reference]
    if len(named) != 1:
        raise InvalidInput("Say which of its payments the amount is credited for.")
    most = Money(left.get(named[0].id, 0), named[0].amount_currency)
    if wanted.amount.currency != most.currency or not 1 <= wanted.amount.minor <= most.minor:
        raise InvalidInput(f"{most} is left of it to credit, and more than nothing is credited.")
    return {named[0].id: wanted.amount.minor}


def _credit_bill(of: Body, minor: int, left: int, why: str) -> Bill:
    """All of an invoice by its lines; a part of it, or the rest, as one line that says why."""
    whole, currency = of.bill.total, of.bill.total.currency
    if minor == whole.minor:
        return of.bill
    part, before = Money(minor, currency), Money(whole.minor - left, currency)
    taken = vat.vat_of_part(whole, of.bill.vat, before, part)
    line = Line(f"From {of.label}: {why}", 1, part, Money(0, currency), part - taken, taken, part)
    return Bill((line,), part - taken, taken, part, of.bill.rate_bp)


# -- the row ----------------------------------------------------------------------------------------


def _write(
    session: Session,
    person: Person,
    body: Body,
    number: numbering.Number,
    key: str,
    payments: Sequence[Payment],
    parts: Mapping[int, int],
    *,
    now: datetime,
    credits_id: int | None = None,
) -> int:
    told = body.to_json()
    paper = PaperRow(
        series_id=number.series_id, kind=body.kind, number=number.number, label=number.label, key=key,
        event_id=payments[0].event_id, credits_id=credits_id, total_minor=body.bill.total.minor,
        total_currency=body.bill.total.currency, vat_minor=body.bill.vat.minor, issued_on=body.issued_on,
        issued_at=now, issued_by=person.name, body=told, sha256=digest(told),
    )  # fmt: skip
    session.add(paper)
    session.flush()
    session.add_all(
        PaperPart(paper_id=paper.id, payment_id=payment_id, amount_minor=minor)
        for payment_id, minor in parts.items()
    )
    for payment in payments:
        if payment.id in parts:
            lifecycle.note(
                session, payment, Kind.PAPER, now=now, source=Source.DESK, actor=person.name,
                paper=paper.id, step="issued", title=body.title, label=body.label,
                amount_minor=parts[payment.id], currency=paper.total_currency, to=body.bill_to.name,
                why=body.why,
            )  # fmt: skip
            payment.search_text = search_text.with_paper(payment, paper.label)
    audit.record(
        session, person, "issue_paper", body.label, now=now, event_id=paper.event_id, kind=str(body.kind),
        total_minor=paper.total_minor, vat_minor=paper.vat_minor, sha256=paper.sha256,
        references=list(body.references), credits=body.credits, why=body.why,
    )  # fmt: skip
    session.flush()
    return paper.id


def _by_key(session: Session, key: str) -> PaperRow | None:
    return session.scalar(select(PaperRow).where(PaperRow.key == key))


def _same(known: PaperRow, wanted: Wanted) -> int:
    kept = read(known.body)
    if (kept.kind, set(kept.references)) != (
        wanted.kind, {references.spoken(one.strip()) for one in wanted.references},
    ):  # fmt: skip
        raise Conflict("This form was sent before, with something else in it. Start again.")
    return known.id
