"""The reconciliation statement leads from the bank to the books, journals balance, both are known again."""

import csv
import io
import re
from collections import Counter, defaultdict
from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from sqlalchemy import select, text

from db.models import Event
from db.models import Payout as PayoutTable
from db.money import Money
from payments.access import choices
from payments.access.people import Role
from payments.errors import Conflict, InvalidInput, NotAllowed
from payments.exports import verify
from payments.exports.verify import Word
from payments.lump_sums import transit
from payments.matching import Target
from payments.money_back import disputes
from payments.reconciling.parts import Part
from payments.sign_off import (
    closing_papers,
    journal,
    journaling,
    last_stage,
    reconciled,
    sign_offs,
    statement_pdf,
)
from payments.sign_off.journal import Book, Chart, Entry, Package, Payout, Posting
from payments.sign_off.sign_offs import Period
from tests.desk import ADMIN, make_event, payment_of
from tests.test_approvals import somebody
from tests.test_closing import MONDAY, PRICE, TUESDAY, Desk, explain
from tests.test_reconciliation import bare
from tests.test_settlements import Bench as Payouts

FRIDAY = MONDAY - timedelta(days=3)
NAMES = {book: f"{1000 + 10 * nth}" for nth, book in enumerate(Book)}
CHART = Chart(NAMES)


@pytest.fixture
def desk(sessions, now):
    """A day with a payment, a fee set apart, and a stranger's money explained; then a line that came late."""
    desk = Desk(sessions, now)
    desk.paid = desk.owes()
    desk.statement(
        100_00,
        (MONDAY, f"EFT {bare(desk.paid)}", PRICE.minor),
        (MONDAY, "BANK FEE", -500),
        (MONDAY, "ABC", 700),
    )
    desk.propose()
    _, fee, stranger = desk.lines()
    desk.accept(fee.id, Part(Target.ASIDE, Money(-500)), why="The bank's monthly fee.")
    explain(desk, stranger.id)
    desk.number = desk.close()
    desk.bank(("LATE", "70.00"))
    return desk


def told(desk, on=MONDAY, person=None):
    with desk.sessions.read() as session:
        return reconciled.statement(session, person or desk.audra, desk.account, on)


def entries(desk, first=MONDAY, last=MONDAY):
    with desk.sessions.read() as session:
        return journaling.entries(session, desk.audra, desk.account, first, last)


# -- the statement ------------------------------------------------------------------------------------


def test_the_statement_leads_from_the_bank_to_the_books_without_a_difference(desk):
    one = told(desk)
    # the late line is not in the file that told the evening's balance: this is what it brought
    assert {entry.name: entry.amount.minor for entry in one.adjustments} == {
        "Balance before the first statement here": 100_00,
        "Not matched yet": 700,
        "Came late, booked on a later day": 7000,
        "Set apart: for no payment of ours": -500,
    }
    assert {entry.name: entry.amount for entry in one.books} == {"Payments received by EFT": PRICE}
    assert (one.bank, one.total) == (Money(100_00 + PRICE.minor + 200), PRICE)
    (gap,) = one.named
    assert (gap.text, gap.amount) == ("Lines here that the bank's balance does not count", Money(-7000))
    assert one.difference == gap.amount
    late = next(entry for entry in one.adjustments if entry.name.startswith("Came late"))
    assert [(row.on, row.text, row.line_id) for row in late.rows] == [(MONDAY, "LATE", desk.lines()[-1].id)]


def test_every_difference_has_a_name_and_the_names_are_the_difference(desk):
    """A receipt that says less than its line, behind the back of every guard."""
    with desk.sessions.begin() as session:
        if desk.sessions.engine.dialect.name == "postgresql":
            session.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            session.execute(text("DROP TRIGGER receipts_update_locked"))
        session.execute(text("UPDATE receipts SET amount_minor = amount_minor - 300"))
    one = told(desk)
    assert sorted(row.amount.minor for row in one.named) == [-7000, 300]
    assert one.difference.minor == sum(row.amount.minor for row in one.named) == -6700


def test_the_statement_of_a_day_stays_when_a_line_is_matched_later(desk):
    before = told(desk)
    one = desk.owes("Sipho Dlamini", Money(700))
    _, _, stranger, _ = desk.lines()
    desk.accept(stranger.id, Part(Target.PAYMENT, Money(700), desk.id_of(one)))
    assert told(desk) == before
    later = told(desk, TUESDAY)
    assert "Not matched yet" not in {entry.name: entry for entry in later.adjustments} or all(
        row.text != "ABC" for entry in later.adjustments for row in entry.rows
    )
    assert later.total == PRICE + Money(700)


def test_without_a_balance_of_the_bank_there_is_no_statement(desk):
    with pytest.raises(Conflict, match="tells its balance by 22 Nov 2026"):
        told(desk, MONDAY - timedelta(days=1))


def read_pdf(desk, on=MONDAY) -> str:
    with desk.sessions.begin() as session:
        made = closing_papers.make_statement(session, desk.farai, desk.account, on, demo=True, now=desk.now)
    text_of = "\n".join(page.extract_text() for page in PdfReader(io.BytesIO(made.data)).pages)
    return " ".join(text_of.split())


def test_what_is_taken_off_is_less_and_what_is_given_back_to_the_bank_is_added_each_without_a_sign(desk):
    """Bank less 100.00, less 7.00, less 70.00, add back 5.00 and 70.00 are the books."""
    one = told(desk)
    steps = [reconciled.step(entry.amount) for entry in one.adjustments]
    assert [word for word, _ in steps] == ["less", "less", "less", "add back"]
    assert all(amount.minor > 0 for _, amount in steps)
    off = sum(amount.minor if word == "less" else -amount.minor for word, amount in steps)
    differs = sum(row.amount.minor for row in one.named)
    assert one.bank.minor - off - differs == one.total.minor
    shown = {(word, name): value for word, name, value in statement_pdf._summary(one)}
    assert shown["add back", "Set apart: for no payment of ours"] == str(Money(500))
    assert [name for (_, name), value in shown.items() if value.startswith("−")] == ["Difference"]


def test_lines_are_named_one_by_one_and_only_many_of_a_day_are_counted(desk):
    one = told(desk)
    (apart,) = (entry for entry in one.adjustments if entry.name.startswith("Set apart"))
    assert [(row.text, row.amount) for row in apart.rows] == [("BANK FEE", Money(-500))]
    (paid,) = one.books[0].rows
    assert paid.text == f"EFT {bare(desk.paid)}"
    for _ in range(reconciled.NAMED):
        reference = desk.owes("Sipho Dlamini", Money(700))
        desk.bank((f"EFT {bare(reference)}", "7.00"))
    desk.propose()
    rows = [row for entry in told(desk, TUESDAY).books for row in entry.rows]
    counted = [row for row in rows if row.text.endswith("parts of lines")]
    assert sum(row.amount.minor for row in rows) == PRICE.minor + reconciled.NAMED * 700
    assert len(counted) <= 1


def test_what_is_set_apart_is_named_until_it_is_signed_for_and_one_row_after_that(desk, now):
    """Whoever signs the tenth year of an account signs for its last day, not for thousands of bank fees."""
    desk.bank(("CARD RENTAL", "-3.00"))
    *_, late, rental = desk.lines()
    desk.accept(rental.id, Part(Target.ASIDE, Money(-300)), why="The card machine's.")

    def apart(on) -> tuple[int, list[tuple]]:
        (entry,) = (entry for entry in told(desk, on).adjustments if entry.name.startswith("Set apart"))
        return entry.amount.minor, [(row.on, row.text, row.amount.minor) for row in entry.rows]

    fee, rent = (MONDAY, "BANK FEE", -500), (TUESDAY, "CARD RENTAL", -300)
    assert apart(MONDAY) == (-500, [fee])
    signed_for = (MONDAY, "1 part of a line, signed for until 23 Nov 2026", -500)
    assert apart(TUESDAY) == (-800, [signed_for, rent])
    assert "signed for until 23 Nov 2026" in read_pdf(desk, TUESDAY)
    desk.accept(late.id, Part(Target.ASIDE, Money(7000)), why="A refund of our own.")
    assert apart(TUESDAY) == (6200, [signed_for, rent, (TUESDAY, "LATE", 7000)])
    desk.reopen(desk.number)  # what nobody signed, or not any more, is named still
    assert apart(TUESDAY) == (6200, [fee, rent, (TUESDAY, "LATE", 7000)])


def test_the_pdf_says_who_signed_or_that_nobody_did_and_how_it_is_verified(desk):
    signed_day = read_pdf(desk)
    assert "Signed by Farai" in signed_day
    assert "approved by Gugu" in signed_day
    assert "BANK FEE" in signed_day
    assert "add back" in signed_day
    assert "This paper is DEMO_CLO" in signed_day
    assert "Verify a file" in signed_day
    assert "Not signed: this day can still change." in read_pdf(desk, TUESDAY)


@pytest.mark.parametrize("rows", range(23, 31))
def test_a_sum_stands_under_its_last_row_on_numbered_pages(rows: int, now):
    """However its rows fall on the pages, none has a sum alone, or the name of a part without its rows."""
    many = tuple(reconciled.Row(MONDAY, f"Row {nth} of many", Money(100)) for nth in range(rows))
    one = reconciled.Row(MONDAY, "The only row", Money(500))
    books = (
        reconciled.Entry("Of many rows", Money(100 * rows), many),
        reconciled.Entry("Of one", Money(500), (one,)),
    )
    both = Money(100 * rows + 500)
    told = reconciled.Reconciled("Main", "", MONDAY, both, (), books, (), "Not signed.")
    made = statement_pdf.render(told, "DEMO_CLO-1", made_at=now, made_by="Farai", demo=True)
    pages = [page.extract_text() for page in PdfReader(io.BytesIO(made)).pages]
    assert all(f"Page {nth} of {len(pages)}" in page for nth, page in enumerate(pages, 1))

    def page_of(what: str) -> str:
        (found,) = (page for page in pages if re.search(what, page))
        return found

    of_many = page_of(rf"Together\s+{re.escape(str(Money(100 * rows)))}")
    assert f"Row {rows - 1} of many" in of_many
    of_one = page_of("The only row")
    assert re.search(r"Of one\s.*The only row.*Together", of_one, re.DOTALL)
    again = statement_pdf.render(told, "DEMO_CLO-1", made_at=now, made_by="Farai", demo=True)
    assert again == made


# -- journals -----------------------------------------------------------------------------------------


def test_a_signed_day_is_a_journal_by_account_and_event(desk):
    (entry,) = entries(desk)
    assert {(one.book, one.event): one.minor for one in entry.postings if one.book is not Book.SUSPENSE} == {
        (Book.BANK, ""): PRICE.minor + 200,
        (Book.CLEARING, "devconf"): -PRICE.minor,
    }
    assert sum(one.minor for one in entry.postings if one.book is Book.SUSPENSE) == -200
    with pytest.raises(Conflict, match="24 Nov 2026 of Events is not signed off"):
        entries(desk, MONDAY, TUESDAY)
    with pytest.raises(Conflict, match="Nothing is booked"):
        entries(desk, date(2026, 11, 1), date(2026, 11, 2))


def test_what_is_decided_later_moves_from_suspense_and_touches_no_bank(desk, now):
    one = desk.owes("Sipho Dlamini", Money(700))
    _, _, stranger, late = desk.lines()
    desk.accept(stranger.id, Part(Target.PAYMENT, Money(700), desk.id_of(one)))
    desk.accept(late.id, Part(Target.ASIDE, Money(7000)), why="A refund of our own.")
    desk.now = now + timedelta(days=3)
    desk.statement(100_00 + PRICE.minor + 200 + 7000, (date(2026, 11, 25), "EFT", 5))
    desk.close(TUESDAY)
    (entry,) = entries(desk, TUESDAY, TUESDAY)
    sums = Counter[Book]()
    for one in entry.postings:
        sums[one.book] += one.minor
    assert sums == {Book.BANK: 7000, Book.CLEARING: -700, Book.SUSPENSE: 700 - 7000}


def test_a_payout_is_bank_fees_and_vat_against_what_payers_paid_and_leaves_what_is_on_its_way(sessions, now):
    bench = Payouts(sessions, now)
    one, other = bench.paid(), bench.paid(Money(450_00))
    bench.bring(bench.row(one), bench.row(other, 450_00, "instant EFT"))
    bench.bank(bench.net())
    bench.propose()
    late = bench.paid(Money(300_00), at=now)
    assert [rolled(bench, day) for day in (FRIDAY, FRIDAY + timedelta(days=1), MONDAY)] == [
        (0, 1950_00, 0, 1950_00), (1950_00, 0, 0, 1950_00), (1950_00, 300_00, 1950_00, 300_00),
    ]  # fmt: skip
    with sessions.read() as session:
        assert last_stage.signed_off(session, late).banked == 0, "what is left is what no payout brought"
    (entry,) = signed(bench, now)
    # R42.75 and R9.00 of the captures, R2.50 of the payout; VAT of each: R6.41, R1.35 and 38 cents
    assert {(one.book, one.event): one.minor for one in entry.postings} == {
        (Book.BANK, ""): 1887_61, (Book.FEES, "devconf"): 51_75, (Book.VAT, "devconf"): 7_76,
        (Book.FEES, ""): 2_50, (Book.VAT, ""): 38, (Book.CLEARING, "devconf"): -1950_00,
    }  # fmt: skip
    own = {one.text for one in entry.postings if one.book in (Book.FEES, Book.VAT) and not one.event}
    assert own == {"Payout 1, its own fee, no event", "Payout 1, VAT on its own fee, no event"}


def moved(bench, reference, code="gala") -> None:
    """The payment is of another event of the desk."""
    with bench.sessions.begin() as session:
        known = session.scalar(select(Event).where(Event.code == code))
        event = known or make_event(session, code, now=bench.now)
        payment_of(session, reference).event_id = event.id


def of_events(entry: Entry) -> dict[tuple[Book, str], int]:
    sums: dict[tuple[Book, str], int] = defaultdict(int)
    for one in entry.postings:
        sums[one.book, one.event] += one.minor
    return dict(sums)


def test_each_events_fees_and_vat_are_as_the_file_told_them_and_what_was_taken_off_is_its_payments(
    sessions, now
):
    bench = Payouts(sessions, now)
    dear, cheap, back = bench.paid(), bench.paid(), bench.paid(Money(450_00))
    moved(bench, cheap)
    moved(bench, back)
    refund = f"2026-11-20,Refund,{back},,-450.00,0.00,0.00,-450.00,P1"
    sim = "2026-11-20,Deduction,SIM card,,-99.00,0.00,0.00,-99.00,P1"
    gone = "2026-11-20,Chargeback,CB-1,,-300.00,0.00,0.00,-300.00,P1"
    with sessions.begin() as session:
        told = disputes.Told(back, Money(300_00), disputes.Why.FRAUD, "CB-1", FRIDAY, MONDAY)
        disputes.record(session, ADMIN, told, now=now)
    bench.bring(
        bench.row(dear),
        bench.row(cheap, method="instant EFT"),
        bench.row("NOBODY", 100_00),
        refund,
        sim,
        gone,
    )
    with sessions.read() as session:
        net = session.scalar(select(PayoutTable.net_minor))
    bench.bank(Money(net).decimal)
    bench.propose()
    (entry,) = signed(bench, now)
    assert of_events(entry) == {
        (Book.BANK, ""): net, (Book.CLEARING, "devconf"): -1500_00,
        (Book.CLEARING, "gala"): -1500_00 + 450_00 + 300_00, (Book.CLEARING, ""): -100_00 + 99_00,
        (Book.FEES, "devconf"): 42_75, (Book.FEES, "gala"): 30_00, (Book.FEES, ""): 2_85 + 2_50,
        (Book.VAT, "devconf"): 6_41, (Book.VAT, "gala"): 4_50, (Book.VAT, ""): 43 + 38,
    }  # fmt: skip


def test_fees_that_no_file_told_are_shared_by_what_each_event_took_to_the_cent(sessions, now):
    bench = Payouts(sessions, now)
    moved(bench, bench.paid())
    bench.paid()
    bench.paid()
    bench.bank("4349.64")  # three times R49.16 of fees with VAT, and R2.88 of the payout
    bench.propose()
    assert bench.explain().explained == 1
    (entry,) = signed(bench, now)
    told = of_events(entry)
    # R128.24 and R19.24: a third of each, the odd cent to whom most was cut off
    assert (told[Book.FEES, "gala"], told[Book.FEES, "devconf"]) == (42_75, 85_49)
    assert (told[Book.VAT, "gala"], told[Book.VAT, "devconf"]) == (6_41, 12_83)
    assert (told[Book.FEES, ""], told[Book.VAT, ""]) == (2_50, 38)


def signed(bench, now) -> list[journal.Entry]:
    """Monday's journal, once two people have signed the day."""
    bench.now = now + timedelta(days=1)
    with bench.sessions.begin() as session:
        people = [somebody(session, name, Role.FINANCE, now=now) for name in ("Farai", "Gugu")]
        digest = sign_offs.closing.draft(session, people[0], bench.account, MONDAY, now=bench.now).digest
        session.execute(text("UPDATE statement_files SET imported_at = '2026-11-24 10:00:00'"))
        view = sign_offs.sign(
            session, people[0], bench.account, Period.DAY, MONDAY, digest, "", now=bench.now
        )
        sign_offs.approve(session, people[1], view.id, now=bench.now)
        return journaling.entries(session, people[0], bench.account, MONDAY, MONDAY)


def test_of_a_night_the_vat_on_each_payouts_own_fee_is_told_apart(sessions, now):
    bench = Payouts(sessions, now)
    for day, what in enumerate(("IKHOKHA PAYOUT", "MAGTAPE CREDIT IKHOKHA PAYOUT")):
        bench.paid(at=bench.friday + timedelta(days=day))
        bench.bank("1447.96", what)
    bench.propose()
    assert bench.explain().explained == 2
    whole, part = signed(bench, now)
    # of each payment R42.75 and VAT of R6.41, of each payout R2.50 and VAT of 38 cents
    sums = {key: minor for key, minor in of_events(whole).items() if key[0] in (Book.FEES, Book.VAT)}
    assert sums == {
        (Book.FEES, "devconf"): 2 * 42_75, (Book.FEES, ""): 2 * 2_50, (Book.VAT, "devconf"): 2 * 6_41,
        (Book.VAT, ""): 2 * 38,
    }  # fmt: skip
    assert {one.book for one in part.postings} == {Book.BANK, Book.SUSPENSE}


def rolled(bench, day):
    with bench.sessions.read() as session:
        told = transit.roll_forward(session, ADMIN, day)
    return tuple(money.minor for money in (told.opening, told.captured, told.banked, told.closing))


MINOR = st.integers(-(10**9), 10**9)
BY_EVENT = st.dictionaries(st.sampled_from(["", "devconf", "gala", "meetup"]), MINOR)
PAYOUTS = st.builds(
    lambda number, gross, fee, vat, less, difference, own, beside: Payout(
        number,
        sum(gross.values()) - sum((*fee.values(), *vat.values(), *less.values(), *own)) + difference,
        gross, fee, vat, less, difference, *own, beside,
    ),
    st.integers(1, 99), BY_EVENT, BY_EVENT, BY_EVENT, BY_EVENT, MINOR,
    st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), MINOR,
)  # fmt: skip


@settings(max_examples=60)
@given(payouts=st.lists(PAYOUTS, max_size=6), package=st.sampled_from(Package), month_first=st.booleans())
def test_debits_are_credits_in_every_journal_of_every_file(payouts, package, month_first):
    made = []
    for nth, one in enumerate(payouts):
        try:
            made.append(journal.payout_entry(one, f"PD-{nth}", MONDAY))
        except ValueError:  # nothing moved: then there is nothing to write
            assert not any((one.net, one.difference, one.beside, one.own_fee, one.own_vat))
            assert not any(
                minor for some in (one.gross, one.fee, one.vat, one.less) for minor in some.values()
            )
    data = journal.render(package, made, CHART, month_first=month_first).decode()
    sums: dict[str, Decimal] = defaultdict(Decimal)
    by_event: dict[tuple[str, str, str], Decimal] = defaultdict(Decimal)
    for row in csv.DictReader(io.StringIO(data)):
        name = next(row[key] for key in ("*Narration", "Reference", "Journal No") if key in row)
        account = next(
            row[key] for key in ("*AccountCode", "Ledger Account Number", "Account Name") if key in row
        )
        event = next(row[key] for key in ("TrackingOption1", "Analysis Type 1", "Class") if key in row)
        plus = row.get("*Amount") or row.get("Debit") or row.get("Debits") or "0"
        minus = row.get("Credit") or row.get("Credits") or "0"
        sums[name] += Decimal(plus) - Decimal(minus)
        by_event[name, account, event] += Decimal(plus) - Decimal(minus)
        assert event or "no event" in row.get("Description", "") + row.get("Details", "") or account == "1000"
    assert len(sums) == len(made)
    assert not any(sums.values())
    tracked = {
        (entry.number, NAMES[one.book], one.event) for entry in made for one in entry.postings if one.event
    }
    for number, account, event in tracked:
        wanted = sum(
            one.minor
            for entry in made
            for one in entry.postings
            if (entry.number, NAMES[one.book], one.event) == (number, account, event)
        )
        (told,) = [
            value for (name, *rest), value in by_event.items() if number in name and rest == [account, event]
        ]
        assert told == Decimal(wanted).scaleb(-2)


@given(
    minor=st.integers(-(10**12), 10**12),
    weights=st.dictionaries(st.sampled_from(["", "devconf", "gala", "meetup"]), st.integers(0, 10**9)),
)
def test_what_is_apportioned_is_all_there_within_a_cent_of_its_share_and_the_same_each_time(minor, weights):
    parts = journal.apportioned(minor, weights)
    assert sum(parts.values()) == minor
    assert parts == journal.apportioned(minor, dict(reversed(weights.items())))
    whole = sum(weights.values())
    assert parts.keys() == ({one for one in weights if weights[one]} if whole else {""})
    for event, part in parts.items():
        assert not whole or abs(part * whole - minor * weights[event]) < whole


def test_what_stands_on_another_line_of_its_night_is_not_called_unexplained():
    whole = Payout(1, 1448_00, {"devconf": 3000_00}, {"devconf": 104_00}, {}, {}, -1448_00, beside=1448_00)
    part = Payout(2, 1448_00, {"": 0}, {}, {}, {}, 1448_00, beside=-1448_00)
    made = [journal.payout_entry(one, f"PD-{one.number}", MONDAY) for one in (whole, part)]
    open_ = [posting for entry in made for posting in entry.postings if posting.book is Book.SUSPENSE]
    assert [posting.minor for posting in open_] == [1448_00, -1448_00]
    assert {posting.text.split(", ")[1] for posting in open_} == {"with other payouts of that night"}


def test_an_entry_that_does_not_balance_cannot_be_made():
    with pytest.raises(ValueError, match="differ by 1"):
        Entry("PD-1", MONDAY, "x", (Posting(Book.BANK, 100, "x"), Posting(Book.CLEARING, -99, "x")))
    with pytest.raises(ValueError, match="differ"):
        Entry("PD-1", MONDAY, "x", ())


def test_a_file_takes_what_its_package_calls_each_account_and_no_more_lines_than_it_reads():
    one = Entry(
        "PD-1", MONDAY, "x", (Posting(Book.BANK, 100, "=x"), Posting(Book.CLEARING, -100, "y", "gala"))
    )
    with pytest.raises(InvalidInput, match="bank, clearing"):
        journal.render(Package.SAGE, [one], Chart({}))
    with pytest.raises(InvalidInput, match="Xero takes 300 lines"):
        journal.render(Package.XERO, [one] * 151, CHART)
    assert journal.render(Package.XERO, [one], CHART).decode().splitlines()[1:] == [
        "x (PD-1),23/11/2026,'=x,1000,No VAT,1.00,,,,",
        "x (PD-1),23/11/2026,y,1010,No VAT,-1.00,Event,gala,,",
    ]
    assert journal.render(Package.QUICKBOOKS, [one], CHART, month_first=True).decode().splitlines()[2] == (
        "PD-1,11/23/2026,1010,,1.00,y,gala"
    )


# -- papers ---------------------------------------------------------------------------------------------


def test_a_paper_is_known_again_by_its_bytes_and_one_changed_is_not(desk):
    more = {"demo": True, "now": desk.now}
    with desk.sessions.begin() as session:
        choices.keep_ledger(session, desk.farai, {**NAMES, "package": Package.SAGE})
        pdf = closing_papers.make_statement(session, desk.farai, desk.account, MONDAY, **more)
        book = closing_papers.make_journal(session, desk.farai, desk.account, (MONDAY, MONDAY), **more)
    assert pdf.data.startswith(b"%PDF")
    assert book.data.startswith(b"Reference,Date,Description,Ledger Account Number")
    with desk.sessions.begin() as session:
        organiser = somebody(session, "Aisha", Role.ORGANISER, now=desk.now)
    with desk.sessions.read() as session:
        for file in (pdf, book):
            verdict = verify.verify(session, desk.audra, io.BytesIO(file.data), file.name)
            assert verdict.word is Word.GENUINE
            assert verdict.paper is not None
            assert (verdict.paper.file_name, verdict.paper.by) == (file.name, "Farai")
            theirs = verify.verify(session, organiser, io.BytesIO(file.data), file.name)
            assert (theirs.word, theirs.paper) == (Word.GENUINE, None)
            changed = verify.verify(session, desk.audra, io.BytesIO(file.data + b"\n"), file.name)
            assert changed.word is Word.UNKNOWN
        assert len(closing_papers.made(session, desk.audra, desk.account)) == 2
    with pytest.raises(NotAllowed), desk.sessions.begin() as session:
        closing_papers.make_statement(session, organiser, desk.account, MONDAY, **more)
