"""Papers: what must stand on each, one invoice at a time, credits that add up, numbers that rise by one."""

import io
from dataclasses import replace
from datetime import timedelta

import pypdf
import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db.models import AuditEntry, Event, OutboxMail, PaperRow, PaperSequence, Receipt
from db.money import Money
from payments import lifecycle, obligations, timeline
from payments.access.people import Person, Role
from payments.asking.courier import Courier
from payments.at_the_door import eft
from payments.at_the_door.eft import Account
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.finding import search
from payments.lifecycle import Source, Status
from payments.obligations import Draft
from payments.papers import handing, issuing, numbering, pdf
from payments.papers.bodies import BillTo, PaperKind, read
from payments.papers.issuing import Credit, Wanted
from payments.payers import payer_details, receipts
from payments.payers.places import PlaceDraft
from payments.selling import organisers
from payments.selling.organisers import Organiser
from payments.telling import outbox
from tests.desk import ADDRESSES, ADMIN, issue, make_event, payment_of
from tests.test_outbox import Postman

UNREGISTERED = Organiser("Example Club", "1 Side Road\nBellville")
REGISTERED = Organiser(
    "Example Events NPC", "12 Long Street\nCape Town 8001", "4123456789", "2019/123456/08",
    "accounts@example.org", "MAAA0123456",
)  # fmt: skip
UNIVERSITY = BillTo(
    "University of Example",
    "Private Bag X1\nSovenga 0727",
    "4987654321",
    "Ms T. Mokoena",
    "PO-771",
    "ap@example.org",
)
FINANCE = Person(2, "Naledi", "naledi@example.org", Role.FINANCE, None)
DOOR = Person(3, "Aisha", "aisha@example.org", Role.ORGANISER, None)


@pytest.fixture
def desk(sessions, now):
    with sessions.begin() as session:
        make_event(session, now=now)
        make_event(session, "gala", now=now)
        eft.set_account(
            session, ADMIN, "devconf", Account("FNB", "Example Events NPC", "62001234567", "250655"), now=now
        )
    bills_as(sessions, REGISTERED, now)
    return sessions


def bills_as(sessions, organiser, now):
    with sessions.begin() as session:
        organisers.save(session, ADMIN, "devconf", organiser, now=now)


def paper(sessions, now, kind=PaperKind.INVOICE, *links, to=UNIVERSITY, key="", person=DOOR, **more):
    of = tuple(link.reference for link in links)
    with sessions.begin() as session:
        wanted = Wanted(key or f"{kind} {of[0]}", kind, of, to, **more)
        return issuing.issue(session, person, wanted, now=now)


def credited(
    sessions, now, invoice, amount=None, *, why="Two people cannot come", person=FINANCE, key="", of=""
):
    with sessions.begin() as session:
        wanted = Credit(key or f"credit{invoice}{amount}{now}", invoice, why, amount, of)
        return issuing.credit(session, person, wanted, now=now)


def body_of(sessions, paper_id):
    with sessions.read() as session:
        return read(session.get_one(PaperRow, paper_id).body)


def words_of(sessions, paper_id, now):
    with sessions.begin() as session:
        handed = handing.hand_out(session, DOOR, paper_id, now=now)
    file = pdf.render(handed)
    pages = pypdf.PdfReader(io.BytesIO(file)).pages
    return handed, "\n".join(page.extract_text() for page in pages).replace("\u00a0", " ")


def paid(sessions, reference, minor, now, source="x-1"):
    with sessions.begin() as session:
        lifecycle.receive(
            session, payment_of(session, reference), kind="cash", source_reference=source,
            amount=Money(minor), now=now, source=Source.DESK, actor="Thandi",
        )  # fmt: skip
        return session.scalars(select(Receipt.id).order_by(Receipt.id.desc())).first()


def holds(sessions):
    with sessions.read() as session:
        return list(numbering.broken(session))


# -- what must stand on them: VAT Act s. 20(4), 20(5), 21(3) ---------------------------------------------


def test_a_full_tax_invoice_shows_what_the_act_asks_for(desk, gateway, now):
    link = issue(desk, gateway, now=now, amount=Money(600_000))
    handed, told = words_of(desk, paper(desk, now, PaperKind.INVOICE, link, note="Thank you"), now)
    for must in (
        "Tax invoice", "Example Events NPC", "12 Long Street", "4123456789",  # (a), (b)
        "University of Example", "Private Bag X1", "4987654321",  # (c)
        "DEMO-INV-1-000001", "23 Nov 2026",  # (d)
        "Quantity", "Devconf 2026",  # (e), (f)
        "5 217.39", "782.61", "6 000.00", "15 %",  # (g)
        "PO-771", "Ms T. Mokoena", "MAAA0123456", "2019/123456/08", "62001234567", "Thank you", "Page 1 of 1",
    ):  # fmt: skip
        assert must in told, must
    assert (handed.body.bill.net, handed.body.bill.vat) == (Money(521_739), Money(78_261))


@pytest.mark.parametrize(
    "organiser, minor, address, title, vat",
    [
        pytest.param(REGISTERED, 500_000, "", "Tax invoice", 65_217, id="abridged at R5 000"),
        pytest.param(REGISTERED, 500_001, "", None, None, id="above it the recipient's address is missing"),
        pytest.param(REGISTERED, 500_001, "1 Road", "Tax invoice", 65_218, id="above it, with the address"),
        pytest.param(UNREGISTERED, 900_000, "", "Invoice", 0, id="not registered: no VAT, no tax invoice"),
    ],
)
def test_what_an_invoice_is(desk, gateway, now, organiser, minor, address, title, vat):
    bills_as(desk, organiser, now)
    link, to = issue(desk, gateway, now=now, amount=Money(minor)), BillTo("Sipho", address)
    if title is None:
        with pytest.raises(InvalidInput, match="above R5"):
            paper(desk, now, PaperKind.INVOICE, link, to=to)
        return
    body = body_of(desk, paper(desk, now, PaperKind.INVOICE, link, to=to))
    assert (body.title, body.bill.vat.minor, body.bill.total.minor) == (title, vat, minor)


def test_who_is_not_registered_never_says_tax_or_vat(desk, gateway, now):
    bills_as(desk, UNREGISTERED, now)
    link = issue(desk, gateway, now=now)
    invoice = paper(desk, now, PaperKind.INVOICE, link, to=BillTo("Sipho"))
    for one in (invoice, credited(desk, now, invoice)):
        told = words_of(desk, one, now)[1]
        assert "Tax" not in told
        assert "VAT at" not in told


@pytest.mark.parametrize(
    "kind, title, says",
    [
        pytest.param(PaperKind.QUOTATION, "Quotation", "Good until", id="quotation"),
        pytest.param(PaperKind.PRO_FORMA, "Pro-forma invoice", "no tax invoice", id="pro-forma"),
    ],
)
def test_what_comes_before_payment_is_no_tax_invoice(desk, gateway, now, kind, title, says):
    told = words_of(desk, paper(desk, now, kind, issue(desk, gateway, now=now)), now)[1]
    assert title in told
    assert says in told
    assert "Tax invoice" not in told
    assert "PO-771" in told


def test_nobody_bills_before_it_is_said_who_does(desk, gateway, now):
    link = issue(desk, gateway, now=now, event="gala")
    with pytest.raises(Conflict, match="organiser"):
        paper(desk, now, PaperKind.QUOTATION, link)


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param(replace(UNIVERSITY, name=" "), id="nobody"),
        pytest.param(replace(UNIVERSITY, vat_number="12"), id="no VAT number"),
        pytest.param(replace(UNIVERSITY, email="nobody"), id="no address of mail"),
        pytest.param(replace(UNIVERSITY, address="x" * 301), id="too long"),
    ],
)
def test_what_a_recipient_must_be(desk, gateway, now, wrong):
    with pytest.raises(InvalidInput):
        paper(desk, now, PaperKind.QUOTATION, issue(desk, gateway, now=now), to=wrong)


# -- one for many ---------------------------------------------------------------------------------------


def test_one_invoice_for_many_payments_names_each_payer_and_adds_up(desk, gateway, now):
    links = [
        issue(desk, gateway, now=now, amount=Money(minor), payer_name=name)
        for minor, name in ((150_000, "Sipho"), (33_333, "Lerato"), (10_001, "Anele"))
    ]
    body = body_of(desk, paper(desk, now, PaperKind.INVOICE, *links))
    assert [line.gross.minor for line in body.bill.lines] == [150_000, 33_333, 10_001]
    assert body.bill.total == Money(193_334)
    for line, name in zip(body.bill.lines, ("Sipho", "Lerato", "Anele"), strict=True):
        assert name in line.what
    with pytest.raises(Conflict, match="DEMO-INV-1-000001"):
        paper(desk, now, PaperKind.INVOICE, links[1], key="again")
    assert holds(desk) == []


def test_a_payment_for_several_people_has_a_line_for_each(desk, gateway, now):
    places = (PlaceDraft(Money(10_000), "Sipho"), PlaceDraft(Money(20_000), "Lerato"))
    link = issue(desk, gateway, now=now, amount=Money(30_000), places=places)
    body = body_of(desk, paper(desk, now, PaperKind.INVOICE, link))
    assert [(line.what.split(": ")[1], line.gross.minor) for line in body.bill.lines] == [
        ("Sipho", 10_000), ("Lerato", 20_000),
    ]  # fmt: skip


def test_payments_of_two_events_or_of_somebody_elses_are_on_no_paper(desk, gateway, now):
    mine, other = issue(desk, gateway, now=now), issue(desk, gateway, now=now, event="gala")
    with pytest.raises(InvalidInput, match="one event"):
        paper(desk, now, PaperKind.QUOTATION, mine, other)
    with desk.read() as session:
        gala = payment_of(session, other.reference).event_id
    guest = Person(9, "Guest", "guest@example.org", Role.ORGANISER, frozenset({gala}))
    with pytest.raises(NotFound):
        paper(desk, now, PaperKind.QUOTATION, mine, person=guest)
    viewer = Person(9, "Guest", "guest@example.org", Role.VIEWER, None)
    with pytest.raises(NotAllowed):
        paper(desk, now, PaperKind.QUOTATION, mine, person=viewer)


# -- credited, never deleted ----------------------------------------------------------------------------


def test_credits_that_are_all_of_an_invoice_hold_all_of_its_vat(desk, gateway, now):
    link = issue(desk, gateway, now=now, amount=Money(100_000))
    invoice = paper(desk, now, PaperKind.INVOICE, link)
    notes = [credited(desk, now, invoice, Money(minor)) for minor in (33_333, 33_334)]
    with pytest.raises(InvalidInput, match="is left of it"):
        credited(desk, now, invoice, Money(33_334), key="too much")
    notes.append(credited(desk, now, invoice))
    bodies = [body_of(desk, one) for one in notes]
    assert [body.label for body in bodies] == [f"DEMO-CRN-1-{nth:06d}" for nth in (1, 2, 3)]
    assert sum(body.bill.vat.minor for body in bodies) == body_of(desk, invoice).bill.vat.minor
    assert sum(body.bill.total.minor for body in bodies) == 100_000
    with pytest.raises(Conflict, match="credited already"):
        credited(desk, now, invoice, key="once more")
    assert holds(desk) == []


def test_a_credit_note_shows_what_the_act_asks_for_and_the_invoice_stays(desk, gateway, now):
    link = issue(desk, gateway, now=now, amount=Money(600_000))
    invoice = paper(desk, now, PaperKind.INVOICE, link)
    before = body_of(desk, invoice)
    told = words_of(desk, credited(desk, now, invoice), now)[1]
    for must in (
        "Credit note", "4123456789", "University of Example", "4987654321", "23 Nov 2026", "782.61",
        "DEMO-INV-1-000001", "Two people cannot come", "Total credited",
    ):  # fmt: skip
        assert must in told, must
    assert body_of(desk, invoice) == before
    again = paper(desk, now, PaperKind.INVOICE, link, key="again")
    assert body_of(desk, again).label == "DEMO-INV-1-000002"


def test_a_part_is_credited_for_one_of_many(desk, gateway, now):
    links = [issue(desk, gateway, now=now, amount=Money(10_000)) for _ in range(2)]
    invoice = paper(desk, now, PaperKind.INVOICE, *links)
    with pytest.raises(InvalidInput, match="which of its payments"):
        credited(desk, now, invoice, Money(10_000))
    credited(desk, now, invoice, Money(10_000), of=links[1].reference)
    assert body_of(desk, paper(desk, now, PaperKind.INVOICE, links[1], key="b")).label == "DEMO-INV-1-000002"
    with pytest.raises(Conflict):
        paper(desk, now, PaperKind.INVOICE, links[0], key="c")


def test_only_finance_credits_and_says_why(desk, gateway, now):
    invoice = paper(desk, now, PaperKind.INVOICE, issue(desk, gateway, now=now))
    with pytest.raises(NotAllowed):
        credited(desk, now, invoice, person=DOOR)
    with pytest.raises(InvalidInput, match="why"):
        credited(desk, now, invoice, why="no")
    quotation = paper(desk, now, PaperKind.QUOTATION, issue(desk, gateway, now=now))
    with pytest.raises(Conflict, match="no invoice"):
        credited(desk, now, quotation)


def test_an_invoice_that_nobody_owes_any_more_is_told(desk, gateway, now):
    link = issue(desk, gateway, now=now)
    invoice = paper(desk, now, PaperKind.INVOICE, link)
    with desk.begin() as session:
        payment = payment_of(session, link.reference)
        lifecycle.advance(
            session, payment, Status.CANCELLED, now=now, source=Source.DESK, actor="Thandi", why="x"
        )
    with desk.read() as session:
        assert [one.lost for one in handing.of_payment(session, DOOR, link.reference)] == [True]
    credited(desk, now, invoice)
    with desk.read() as session:
        assert not any(one.lost for one in handing.of_payment(session, DOOR, link.reference))
    with pytest.raises(Conflict, match="cancelled"):
        paper(desk, now, PaperKind.INVOICE, link, key="again")


# -- with receipts --------------------------------------------------------------------------------------


def test_a_payment_has_one_tax_invoice_its_receipt_or_its_invoice(desk, gateway, now):
    link = issue(desk, gateway, now=now, amount=Money(15_000))
    receipt = paid(desk, link.reference, 15_000, now)
    with desk.begin() as session:
        assert receipts.hand_out(session, DOOR, receipt, now=now).title == "Tax invoice"
    body = body_of(desk, paper(desk, now, PaperKind.INVOICE, link))
    assert body.replaces == f"{link.reference.replace('_', '')}-1"
    assert body.received == Money(15_000)
    with desk.begin() as session:
        again = receipts.hand_out(session, DOOR, receipt, now=now)
    assert (again.title, again.invoice) == ("Receipt", "DEMO-INV-1-000001")
    with pytest.raises(Conflict, match="has its money"):
        paper(desk, now, PaperKind.QUOTATION, link)


def test_a_receipt_for_a_part_is_no_tax_invoice(desk, gateway, now):
    link = issue(desk, gateway, now=now, amount=Money(15_000))
    receipt = paid(desk, link.reference, 5_000, now)
    with desk.begin() as session:
        assert receipts.hand_out(session, DOOR, receipt, now=now).title == "Receipt"


# -- handed out, mailed, on the record --------------------------------------------------------------------


def test_the_first_is_the_original_and_a_reprint_says_copy(desk, gateway, now):
    invoice = paper(desk, now, PaperKind.INVOICE, issue(desk, gateway, now=now))
    bills_as(desk, replace(REGISTERED, name="Another Name NPC"), now)
    first, second = (words_of(desk, invoice, now) for _ in range(2))
    assert (first[0].copy, second[0].copy) == (False, True)
    assert "COPY" not in first[1]
    assert "COPY" in second[1]
    assert "Example Events NPC" in second[1], "as it was issued"
    assert second[0].file_name == "DEMO-INV-1-000001-copy.pdf"


def test_a_paper_goes_by_mail_to_whom_it_is_for_and_sent_again_it_is_a_copy(desk, gateway, now):
    link = issue(desk, gateway, now=now)
    quotation = paper(desk, now, PaperKind.QUOTATION, link)
    with desk.begin() as session:
        handing.send(session, DOOR, quotation, "ap@example.org", now=now)
    postman, courier = Postman(), Courier(desk, {"ikhokha": gateway}, ADDRESSES)
    outbox.send_due(desk, postman, "desk@example.org", now=now, escort=courier)
    with desk.begin() as session:
        (mail,) = session.scalars(select(OutboxMail.id).where(OutboxMail.key.startswith("paper:")))
        outbox.resend(session, DOOR, mail, now=now)
    outbox.send_due(desk, postman, "desk@example.org", now=now + timedelta(minutes=1), escort=courier)
    sent = [one for one in postman.sent if one["To"] == "ap@example.org"]
    assert "DEMO-QUO-1-000001" in sent[0]["Subject"]
    names = [part.get_filename() for one in sent for part in one.iter_attachments()]
    assert names == ["DEMO-QUO-1-000001.pdf", "DEMO-QUO-1-000001-copy.pdf"]
    with pytest.raises(InvalidInput), desk.begin() as session:
        handing.send(session, DOOR, quotation, "", now=now)


def test_each_step_stands_on_the_timeline_and_in_the_audit(desk, gateway, now):
    link = issue(desk, gateway, now=now)
    invoice = paper(desk, now, PaperKind.INVOICE, link)
    words_of(desk, invoice, now)
    credited(desk, now, invoice)
    with desk.read() as session:
        told = [one.title for one in timeline.entries(session, payment_of(session, link.reference))]
        audited = set(session.scalars(select(AuditEntry.action)))
    assert "Aisha issued Tax invoice DEMO-INV-1-000001 to University of Example: R150.00." in told
    assert "Aisha made a PDF of Tax invoice DEMO-INV-1-000001." in told
    assert (
        "Naledi issued Credit note DEMO-CRN-1-000001 to University of Example: "
        "R150.00. Two people cannot come" in told
    )
    assert {"issue_paper", "print_paper"} <= audited


def test_the_next_form_begins_with_whom_the_last_was_for(desk, gateway, now):
    link = issue(desk, gateway, now=now, payer_name="Sipho", payer_email="sipho@example.org")
    with desk.read() as session:
        assert handing.last_bill_to(session, DOOR, link.reference) == BillTo(
            "Sipho", email="sipho@example.org"
        )
    paper(desk, now, PaperKind.QUOTATION, link)
    with desk.read() as session:
        assert handing.last_bill_to(session, DOOR, link.reference) == UNIVERSITY


def test_what_payers_typed_is_text_and_never_markup(desk, gateway, now):
    link = issue(desk, gateway, now=now, payer_name="<b>Sipho</b> & <font size=80>")
    other = issue(desk, gateway, now=now)
    told = words_of(
        desk, paper(desk, now, PaperKind.QUOTATION, link, other, to=BillTo("<i>A</i>", "<para>")), now
    )[1]
    assert "<b>Sipho</b>" in told.replace("\n", "")
    assert "<i>A</i>" in told


# -- numbers, and rows that never change ------------------------------------------------------------------


def test_numbers_are_each_organisers_and_each_kinds_own(desk, gateway, now):
    links = [issue(desk, gateway, now=now) for _ in range(3)]
    labels = [body_of(desk, paper(desk, now, PaperKind.INVOICE, one)).label for one in links[:2]]
    labels.append(body_of(desk, paper(desk, now, PaperKind.QUOTATION, links[2])).label)
    bills_as(desk, UNREGISTERED, now)
    labels.append(body_of(desk, paper(desk, now, PaperKind.INVOICE, links[2])).label)
    assert labels == ["DEMO-INV-1-000001", "DEMO-INV-1-000002", "DEMO-QUO-1-000001", "DEMO-INV-2-000001"]


def test_the_same_form_twice_is_one_paper(desk, gateway, now):
    link, other = (issue(desk, gateway, now=now) for _ in range(2))
    first, second = (paper(desk, now, PaperKind.INVOICE, link, key="form") for _ in range(2))
    assert first == second
    with pytest.raises(Conflict, match="sent before"):
        paper(desk, now, PaperKind.INVOICE, other, key="form")
    assert len({credited(desk, now, first, key="credit") for _ in range(2)}) == 1
    assert holds(desk) == []


def test_what_fails_gives_its_number_back(desk, gateway, now):
    before, link = (issue(desk, gateway, now=now) for _ in range(2))
    first = body_of(desk, paper(desk, now, PaperKind.INVOICE, before)).label
    wanted = Wanted("x", PaperKind.INVOICE, (link.reference,), UNIVERSITY)
    with desk.engine.connect() as connection, Session(connection) as session:  # and never commits
        issuing.issue(session, DOOR, wanted, now=now)
    second = body_of(desk, paper(desk, now, PaperKind.INVOICE, link)).label
    assert [label[-6:] for label in (first, second)] == ["000001", "000002"]


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param("UPDATE papers SET total_minor = 1", id="a paper"),
        pytest.param("DELETE FROM papers", id="a paper deleted"),
        pytest.param("UPDATE paper_parts SET amount_minor = 1", id="a part"),
        pytest.param("DELETE FROM paper_prints", id="a print"),
        pytest.param("UPDATE paper_sequences SET last_number = last_number + 2", id="a number left out"),
        pytest.param("UPDATE paper_sequences SET last_number = last_number - 1", id="a number again"),
        pytest.param("DELETE FROM paper_sequences", id="a sequence"),
        pytest.param("UPDATE paper_series SET key = 'x'", id="whose they are"),
    ],
)
def test_nothing_of_them_is_changed_even_by_hand(desk, gateway, now, spoil):
    words_of(desk, paper(desk, now, PaperKind.INVOICE, issue(desk, gateway, now=now)), now)
    with pytest.raises(DBAPIError), desk.begin() as session:
        session.execute(text(spoil))


def test_the_books_are_examined(desk, gateway, now):
    link = issue(desk, gateway, now=now)
    paper(desk, now, PaperKind.INVOICE, link)
    with desk.begin() as session:
        session.scalars(select(PaperSequence)).one().last_number += 1
    assert len(holds(desk)) == 1


def test_who_bills_with_vat_bills_in_rand(desk, gateway, now):
    with desk.begin() as session:
        event = make_event(session, "abroad", now=now)
        event.currency = "USD"
        organisers.save(session, ADMIN, "abroad", REGISTERED, now=now)
        event_id = event.id
    with desk.begin() as session:
        payment = _in_dollars(session, event_id, now)
    with pytest.raises(Conflict, match="in rand"), desk.begin() as session:
        issuing.issue(session, ADMIN, Wanted("k", PaperKind.INVOICE, (payment,), UNIVERSITY), now=now)


def _in_dollars(session, event_id, now):
    event = session.get_one(Event, event_id)
    reference = obligations.draft_reference(session, ADMIN, event.code, demo=False)
    draft = obligations.checked(Draft(reference, event.code, Money(10_000, "USD"), "Sipho"))
    obligations.create(session, event, draft, person=ADMIN, now=now, source=Source.DESK)
    return reference


def test_a_payment_is_found_by_the_number_of_its_paper_also_after_it_changed(desk, gateway, now):
    link, other = (issue(desk, gateway, now=now, amount=Money(100_00)) for _ in range(2))
    paper(desk, now, PaperKind.QUOTATION, link)
    paper(desk, now, PaperKind.QUOTATION, other)

    def found(text):
        with desk.begin() as session:
            return [row.reference for row in search.page(session, ADMIN, search.parse(text)).rows]

    assert found("DEMO-QUO-1-000001") == [link.reference]
    assert found("quo-1-000002") == [other.reference]
    with desk.begin() as session:
        payer_details.add(session, ADMIN, link.reference, "zola@example.org", now=now)
    assert found("QUO-1-000001") == [link.reference]
