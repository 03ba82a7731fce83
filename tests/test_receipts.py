"""Receipts as papers: the number they have, the VAT in them, the original once, and payers' words as text."""

import io
from dataclasses import replace
from datetime import timedelta

import pypdf
import pytest
from sqlalchemy import select

from db.models import AuditEntry, OutboxMail, Receipt, TimelineEntry
from db.money import Money
from payments import lifecycle, references
from payments.access.people import Person, Role
from payments.asking.courier import Courier
from payments.errors import InvalidInput, NotAllowed, NotFound, ProveAgain
from payments.lifecycle import Source
from payments.payers import receipt_pdf, receipts
from payments.payers.payer_words import Language
from payments.selling import organisers, terms
from payments.selling.organisers import Organiser
from payments.selling.terms import Terms
from payments.telling import outbox
from payments.vat import vat_in
from tests.desk import ADDRESSES, ADMIN, issue, payment_of
from tests.test_door import corrected, opened, people, sold
from tests.test_outbox import Postman

__all__ = ["people"]
REGISTERED = Organiser("Example Events NPC", "12 Long Street\nCape Town 8001", "4123456789")


@pytest.fixture
def link(sessions, gateway, people, now):
    return issue(sessions, gateway, now=now)


def pay(sessions, reference, minor, now, *, how="cash", source="x-1"):
    with sessions.begin() as session:
        lifecycle.receive(
            session, payment_of(session, reference), kind=how, source_reference=source, amount=Money(minor),
            now=now, source=Source.DESK, actor="Thandi",
        )  # fmt: skip
        return session.scalars(select(Receipt.id).order_by(Receipt.id.desc())).first()


def hand_out(sessions, receipt_id, now, person=ADMIN):
    with sessions.begin() as session:
        return receipts.hand_out(session, person, receipt_id, now=now)


def text_of(pdf: bytes) -> str:
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)


# -- VAT ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "amount, vat",
    [
        pytest.param(11_500, 1_500, id="exactly"),
        pytest.param(10_000, 1_304, id="1304.35 rounds down"),
        pytest.param(10_005, 1_305, id="exactly 1305"),
        pytest.param(3, 0, id="0.39 of a cent"),
        pytest.param(4, 1, id="0.52 of a cent"),
    ],
)
def test_the_vat_in_an_amount_is_whole_cents(amount, vat):
    assert vat_in(Money(amount)) == Money(vat)


@pytest.mark.parametrize(
    "organiser, minor, title, vat",
    [
        pytest.param(Organiser(), 15_000, "Receipt", None, id="nobody said who it is"),
        pytest.param(Organiser("Example Club"), 15_000, "Receipt", None, id="not registered"),
        pytest.param(REGISTERED, 15_000, "Tax invoice", Money(1_957), id="registered"),
        pytest.param(REGISTERED, 500_000, "Tax invoice", Money(65_217), id="R5 000"),
        pytest.param(REGISTERED, 500_001, "Receipt", Money(65_218), id="above it needs the recipient too"),
    ],
)
def test_what_a_receipt_is(sessions, gateway, people, now, organiser, minor, title, vat):
    link = issue(sessions, gateway, now=now, amount=Money(minor))
    with sessions.begin() as session:
        organisers.save(session, ADMIN, "devconf", organiser, now=now)
    paper = hand_out(sessions, pay(sessions, link.reference, minor, now), now)
    assert (paper.title, paper.vat, paper.organiser) == (title, vat, organiser)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(replace(REGISTERED, vat_number="412345678"), id="nine digits"),
        pytest.param(replace(REGISTERED, vat_number="5123456789"), id="not a 4 first"),
        pytest.param(replace(REGISTERED, address=""), id="no address"),
        pytest.param(replace(REGISTERED, name=" "), id="no name"),
    ],
)
def test_who_is_registered_says_what_a_tax_invoice_shows(sessions, people, now, wrong):
    with pytest.raises(InvalidInput), sessions.begin() as session:
        organisers.save(session, ADMIN, "devconf", wrong, now=now)


def test_the_organiser_is_an_admins_to_say_and_audited(sessions, people, now):
    with pytest.raises(NotAllowed), sessions.begin() as session:
        organisers.save(session, people["finance"], "devconf", REGISTERED, now=now)
    with sessions.begin() as session:
        organisers.save(session, ADMIN, "devconf", replace(REGISTERED, vat_number="4 123 456 789"), now=now)
        organisers.save(session, ADMIN, "devconf", REGISTERED, now=now)
    with sessions.read() as session:
        found = session.scalars(select(AuditEntry).where(AuditEntry.action == "change_organiser")).all()
    assert [entry.detail["became"]["vat_number"] for entry in found] == ["4123456789"]


@pytest.mark.parametrize("ago", [timedelta(minutes=6), None])
def test_whoever_changes_what_stands_beside_the_account_proves_that_it_is_them(sessions, people, now, ago):
    """Payers ring whom an invoice names before they pay: a session left open must not say who that is."""
    stale = replace(ADMIN, proved_at=None if ago is None else now - ago)
    wanted = replace(REGISTERED, contact="accounts@example.net")
    with pytest.raises(ProveAgain), sessions.begin() as session:
        organisers.save(session, stale, "devconf", wanted, now=now)
    with sessions.begin() as session:
        organisers.save(session, replace(ADMIN, proved_at=now), "devconf", wanted, now=now)
    with sessions.read() as session:
        assert organisers.of(session, 1).contact == "accounts@example.net"


# -- the number, the original and its copies ------------------------------------------------------------


def test_a_receipt_has_the_number_of_its_till_or_of_its_payment(sessions, link, people, now):
    parts = [pay(sessions, link.reference, 5_000, now, source=f"x-{nth}") for nth in range(2)]
    spoken = link.reference.replace("_", "")
    assert [hand_out(sessions, each, now).number for each in parts] == [f"{spoken}-1", f"{spoken}-2"]
    shift = opened(sessions, people["aisha"], now)
    taken = sold(sessions, people["aisha"], shift, now)
    with sessions.read() as session:
        receipt_id = receipts.of_till_entry(session, people["aisha"], taken.id)
        with pytest.raises(NotFound):
            receipts.of_till_entry(
                session, Person(77, "X", "x@example.org", Role.ORGANISER, frozenset()), taken.id
            )
    assert hand_out(sessions, receipt_id, now, people["aisha"]).number == "Main door 000001"


def test_the_first_is_the_original_and_every_further_one_a_copy(sessions, link, now):
    receipt_id = pay(sessions, link.reference, 15_000, now)
    assert [hand_out(sessions, receipt_id, now).copy for _ in range(3)] == [False, True, True]
    with sessions.read() as session:
        notes = [row.detail["text"] for row in session.scalars(select(TimelineEntry)) if row.kind == "note"]
        audits = select(AuditEntry.detail).where(AuditEntry.action == "print_receipt").order_by(AuditEntry.id)
        assert [detail["copy"] for detail in session.scalars(audits)] == [False, True, True]
    assert notes[0].endswith("was made as a PDF.")
    assert notes[1].endswith("was made as a PDF, as a copy.")


def test_who_may_hand_one_out(sessions, link, now):
    receipt_id = pay(sessions, link.reference, 15_000, now)
    for role, events, error in ((Role.VIEWER, None, NotAllowed), (Role.ORGANISER, frozenset(), NotFound)):
        with pytest.raises(error):
            hand_out(sessions, receipt_id, now, Person(70, "Sipho", "sipho@example.org", role, events))
    with pytest.raises(NotFound):
        hand_out(sessions, 999_999, now)
    assert not hand_out(sessions, receipt_id, now).copy


def test_what_was_taken_back_says_so(sessions, people, now):
    shift = opened(sessions, people["aisha"], now)
    taken = sold(sessions, people["aisha"], shift, now)
    corrected(sessions, people["aisha"], shift, taken.id, now)
    with sessions.read() as session:
        receipt_id = receipts.of_till_entry(session, people["aisha"], taken.id)
    paper = hand_out(sessions, receipt_id, now)
    assert "Taken back: Typed for the wrong person" in text_of(receipt_pdf.render(paper))


# -- by mail --------------------------------------------------------------------------------------------


def mailed(sessions, gateway, postman, now):
    courier = Courier(sessions, {"ikhokha": gateway}, ADDRESSES)
    outbox.send_due(sessions, postman, "desk@example.org", now=now, escort=courier)
    return [list(message.iter_attachments()) for message in postman.sent]


def test_a_confirmation_brings_the_original_also_when_it_is_tried_again(sessions, gateway, link, now):
    with sessions.begin() as session:
        terms.save(session, ADMIN, "devconf", Terms(language=Language.ZULU), now=now)
    receipt_id, postman = pay(sessions, link.reference, 15_000, now), Postman()
    postman.down = True
    mailed(sessions, gateway, postman, now)
    postman.down = False
    ((attached,),) = mailed(sessions, gateway, postman, now + timedelta(minutes=2))
    assert attached.get_content_type() == "application/pdf"
    assert "copy" not in attached.get_filename()
    assert "COPY" not in text_of(attached.get_content())
    assert "Siyabonga" in postman.sent[0].get_body().get_content()
    assert hand_out(sessions, receipt_id, now).copy


def test_sent_again_it_is_a_copy(sessions, gateway, link, now):
    pay(sessions, link.reference, 15_000, now)
    postman = Postman()
    mailed(sessions, gateway, postman, now)
    with sessions.begin() as session:
        outbox.resend(session, ADMIN, session.scalars(select(OutboxMail.id)).one(), now=now)
    _, (again,) = mailed(sessions, gateway, postman, now)
    assert again.get_filename().endswith("-copy.pdf")
    assert "COPY" in text_of(again.get_content())


# -- the paper ------------------------------------------------------------------------------------------


def test_a_paper_holds_all_that_was_said_letter_by_letter(sessions, gateway, people, now):
    name = "<b>Thandéka</b> Ṱhilivhali & Söhne ɓ Š"
    link = issue(sessions, gateway, now=now, payer_name=name, payer_email="")
    with sessions.begin() as session:
        organisers.save(session, ADMIN, "devconf", REGISTERED, now=now)
    paper = hand_out(sessions, pay(sessions, link.reference, 10_000, now), now)
    pdf = receipt_pdf.render(paper)
    assert pdf == receipt_pdf.render(paper)
    told = " ".join(text_of(pdf).replace("\xa0", " ").split())
    for words in (
        name, "Receipt", "This is no tax invoice", "DEMO",
        "Example Events NPC", "Cape Town 8001", "VAT number 4123456789",
        "Without VAT R86.96", "VAT at 15 % R13.04", "Amount received R100.00", "Asked for in all R150.00",
        "Still owed R50.00", "Cash", "23 Nov 2026, 12:00 (SAST)",
    ):  # fmt: skip
        assert words in told


def test_the_longest_texts_still_make_a_paper(sessions, link, now):
    """A thousand wide letters in one word do not fit a page of A5: a row goes on on the next one."""
    paper = hand_out(sessions, pay(sessions, link.reference, 10_000, now), now)
    wide = replace(paper, what="W" * 1_000, payer="W" * 120, organiser=Organiser("W" * 120, "W" * 300))
    told = text_of(receipt_pdf.render(wide)).replace(references.spoken(link.reference), "")
    assert told.count("W") == 1_540


# -- as a message -------------------------------------------------------------------------------------


def test_a_receipt_goes_as_a_message_in_the_events_language_and_then_says_copy(
    sessions, gateway, people, now
):
    link = issue(sessions, gateway, now=now)
    receipt = pay(sessions, link.reference, 5_000, now)
    with sessions.read() as session:
        told = receipts.message(session, ADMIN, receipt)
    assert told.replace("\xa0", " ") == (
        "DEMO Devconf 2026: we received R50.00 for Devconf 2026 on 23 Nov 2026, 12:00. "
        f"Receipt {references.spoken(link.reference)}-1, reference {references.spoken(link.reference)}. "
        "Thank you. Still to be paid: R100.00."
    )
    with sessions.begin() as session:
        receipts.sent(session, ADMIN, receipt, "whatsapp", now=now)
        terms.save(session, ADMIN, "devconf", Terms(language=Language.AFRIKAANS), now=now)
    with sessions.read() as session:
        again = receipts.message(session, ADMIN, receipt)
        last = session.scalars(select(TimelineEntry).order_by(TimelineEntry.id.desc())).first()
    assert again.startswith("DEMO COPY Devconf 2026: ons het R50.00")
    assert "Nog uitstaande" in again
    assert (last.kind, last.detail["what"], last.detail["how"]) == ("shared", "receipt", "whatsapp")
    assert hand_out(sessions, receipt, now).copy


def test_who_may_not_hand_receipts_out_sends_none(sessions, gateway, people, now):
    receipt = pay(sessions, issue(sessions, gateway, now=now).reference, 15_000, now)
    for person, error in ((people["viewer"], NotAllowed), (people["stranger"], NotFound)):
        with pytest.raises(error), sessions.begin() as session:
            receipts.message(session, person, receipt)
        with pytest.raises(error), sessions.begin() as session:
            receipts.sent(session, person, receipt, "sms", now=now)
