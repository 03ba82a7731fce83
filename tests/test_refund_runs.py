"""Refund runs: two people, sealed details, one file for the bank, and what the statement says of it."""

import csv
import io
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from importlib.resources import files

import pytest
from lxml import etree
from sqlalchemy import select

from db.models import AuditEntry, PayeeDetails, Refund, RefundOrder
from db.money import Money
from payments import timeline
from payments.access.people import Role
from payments.bank import accounts
from payments.deciding import attention
from payments.deciding.cases import Reason
from payments.errors import CannotOpen, Conflict, InvalidInput, NotAllowed, NotFound, ProveAgain
from payments.gateways import Answer
from payments.hearing import sync
from payments.keeping import keyring
from payments.lifecycle import Method
from payments.matching import Target
from payments.money_back import bank_batches, refund_orders, refund_runs
from payments.money_back.bank_batches import Account, Batch, Credit, Layout
from payments.money_back.refund_orders import State
from payments.reconciling.parts import Part
from payments.second_person import approvals, two_people
from tests.desk import ADMIN, issue, make_event, payment_of, proved
from tests.test_approvals import somebody
from tests.test_reconciliation import Bench

KEYS = keyring.read(keyring.new_key("test"))
WHY = "She fell ill and withdrew in time"
ACCOUNT = Account("Thandéka Mokoena", "FNB", "6201 2345 678", "250655", "cheque")
TODAY = date(2026, 11, 23)
XSD = files("sepaxml") / "schemas" / "pain.001.001.09.xsd"


class Desk(Bench):
    """A bench with two people of finance and an account that can pay."""

    def __init__(self, sessions, now):
        super().__init__(sessions, now)
        with sessions.begin() as session:
            self.farai = proved(somebody(session, "Farai", Role.FINANCE, now=now))
            self.fikile = proved(somebody(session, "Fikile", Role.FINANCE, now=now))
            self.ours = accounts.create(
                session, ADMIN, name="Refunds", bank="Standard Bank", number="001234567",
                branch_code="051001", holder="DevConf NPC", now=now,
            ).id  # fmt: skip

    def paid(self, amount=Money(1500_00), name="Thandeka Mokoena"):
        link = issue(self.sessions, self.gateway, now=self.now, amount=amount, payer_name=name)
        self.gateway.says(link.gateway_reference, Answer.PAID, "PAID")
        sync.step(self.sessions, {"ikhokha": self.gateway}, now=self.now + timedelta(minutes=2))
        return link.reference

    def ask(self, reference, amount=Money(1500_00), account=ACCOUNT, by=None):
        with self.sessions.begin() as session:
            return two_people.ask_eft_refund(
                session, by or self.farai, reference, amount, account, KEYS, WHY, now=self.now
            ).id

    def order(self, reference, amount=Money(1500_00)):
        asked = self.ask(reference, amount)
        with self.sessions.begin() as session:
            two_people.approve(session, self.fikile, asked, now=self.now)
            return max(session.scalars(select(RefundOrder.id)))

    def run(self, *orders, by=None):
        with self.sessions.begin() as session:
            return refund_runs.make(session, by or self.farai, self.ours, orders, TODAY, now=self.now)

    def sent(self, *orders):
        run_id = self.run(*orders)
        self.do(refund_runs.sent, run_id)
        return run_id

    def do(self, verb, *given, by=None):
        with self.sessions.begin() as session:
            return verb(session, by or self.farai, *given, now=self.now)

    def row(self, order_id):
        with self.sessions.read() as session:
            return session.get_one(RefundOrder, order_id)

    def returned(self):
        """What stands under Needs attention because the bank sent it back."""
        with self.sessions.read() as session:
            groups = attention.queue(session, self.farai, now=self.now)
        return [
            case.at_risk for group in groups if group.reason is Reason.REFUND_RETURNED for case in group.cases
        ]

    def standing(self, reference):
        with self.sessions.read() as session:
            payment = payment_of(session, reference)
            return payment.status, payment.refunded_minor

    def reads(self, reference):
        with self.sessions.read() as session:
            return [entry.title for entry in timeline.entries(session, payment_of(session, reference))]


@pytest.fixture
def desk(sessions, now):
    return Desk(sessions, now)


# -- who wants it, and where it goes ------------------------------------------------------------------


def test_a_refund_waits_for_a_run_once_a_second_person_approved_it(desk):
    reference = desk.paid()
    asked = desk.ask(reference)
    with pytest.raises(NotAllowed, match="yourself"):
        desk.do(two_people.approve, asked, by=desk.farai)
    desk.do(two_people.approve, asked, by=desk.fikile)
    with desk.sessions.read() as session:
        (order,) = refund_orders.listed(session, desk.farai, (State.READY,))
    assert (order.reference, order.amount, order.masked) == (reference, Money(1500_00), "FNB …5678")
    assert order.by == "Farai and Fikile"
    assert desk.standing(reference) == ("paid", 0)  # nothing is given back yet


def test_bank_details_are_nowhere_in_the_database_and_opening_them_is_on_the_record(desk):
    order = desk.order(desk.paid())
    with desk.sessions.read() as session:
        sealed = session.scalars(select(PayeeDetails)).one().sealed
        told = str([(row.action, row.subject, row.detail) for row in session.scalars(select(AuditEntry))])
        bound = str(approvals.ended(session, ADMIN, now=desk.now))
    assert b"62012345678" not in sealed
    assert "62012345678" not in told + bound
    account = desk.do(refund_orders.unmask, order, KEYS)
    assert account == Account("Thandéka Mokoena", "FNB", "62012345678", "250655", "cheque")
    with desk.sessions.read() as session:
        newest = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert (newest.action, newest.actor) == ("open_bank_details", desk.farai.email)


def test_details_moved_to_another_row_do_not_open(desk):
    first, second = desk.order(desk.paid(), Money(100_00)), desk.order(desk.paid(), Money(200_00))
    with desk.sessions.begin() as session:
        one, other = session.scalars(select(PayeeDetails).order_by(PayeeDetails.id))
        other.sealed = one.sealed
    with pytest.raises(CannotOpen):
        desk.do(refund_orders.unmask, second, KEYS)
    assert desk.do(refund_orders.unmask, first, KEYS).number == "62012345678"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"number": "12345"}, "6 to 18 digits"),
        ({"branch_code": "25"}, "six digits"),
        ({"holder": " "}, "whose account"),
        ({"kind": "gold"}, "one of cheque"),
    ],
    ids=["a short number", "half a branch", "nobody", "no kind"],
)
def test_an_account_half_told_is_refused(change, says):
    values = {"holder": "T", "bank": "FNB", "number": "62012345678", "branch_code": "250655"}
    with pytest.raises(InvalidInput, match=says):
        refund_orders.checked(Account(**values | change))


def test_no_more_is_promised_than_is_here(desk):
    reference = desk.paid()
    desk.order(reference, Money(1000_00))
    with pytest.raises(InvalidInput, match="R500"):
        desk.ask(reference, Money(501_00))
    returned = two_people.Returned(reference, Money(501_00), Method.GATEWAY, TODAY, "Thandi")
    with pytest.raises(InvalidInput, match="on its way"), desk.sessions.begin() as session:
        two_people.ask_refund(session, desk.farai, returned, None, KEYS, WHY, now=desk.now)
    desk.order(reference, Money(500_00))


def test_what_was_not_paid_in_full_is_not_for_a_run(desk):
    with pytest.raises(Conflict, match="paid in full"):
        desk.ask(desk.owes())


def test_one_who_may_not_record_refunds_sees_none_of_it(desk, now):
    order = desk.order(desk.paid())
    with desk.sessions.begin() as session:
        other = make_event(session, "gala", now=now).id
        organiser = somebody(session, "Aisha", Role.ORGANISER, now=now)
        elsewhere = somebody(session, "Fatima", Role.FINANCE, frozenset({other}), now=now)
    for who in (organiser, elsewhere):
        with pytest.raises((NotAllowed, NotFound)):
            desk.do(refund_orders.unmask, order, KEYS, by=who)
        with pytest.raises(NotAllowed):
            desk.run(order, by=who)
    with desk.sessions.read() as session:
        assert refund_orders.listed(session, elsewhere) == ()


# -- runs -----------------------------------------------------------------------------------------------


def test_a_refund_is_in_one_run_and_never_in_a_second(desk):
    order = desk.order(desk.paid())
    desk.run(order)
    with pytest.raises(Conflict, match="Look again"):
        desk.run(order)


@pytest.mark.postgres
def test_of_two_who_make_a_run_at_once_one_gets_the_refund(desk):
    order, start = desk.order(desk.paid()), threading.Barrier(2)

    def make(who):
        start.wait()
        try:
            return desk.run(order, by=who)
        except Conflict:
            return None

    with ThreadPoolExecutor(2) as both:
        made = list(both.map(make, (desk.farai, desk.fikile)))
    assert sum(one is not None for one in made) == 1


def test_a_run_can_be_called_back_until_it_was_sent_and_its_refunds_wait_again(desk):
    order = desk.order(desk.paid())
    first = desk.run(order)
    desk.do(refund_runs.call_back, first, "The bank closes early today.")
    assert (desk.row(order).state, desk.row(order).run_id) == ("ready", None)
    with pytest.raises(Conflict, match="called back"):
        desk.do(refund_runs.file, first, "xml", KEYS)
    second = desk.sent(order)
    with pytest.raises(Conflict, match="sent to the bank"):
        desk.do(refund_runs.call_back, second, "Too late, it is there.")
    with desk.sessions.read() as session:
        runs = refund_runs.recent(session, desk.farai)
    assert [(run.id, run.state) for run in runs] == [(second, "sent"), (first, "called")]


def test_a_refund_is_withdrawn_only_while_no_run_has_it(desk):
    order, other = desk.order(desk.paid()), desk.order(desk.paid())
    desk.do(refund_orders.withdraw, order, "She comes after all.")
    desk.run(other)
    with pytest.raises(Conflict, match="in a run"):
        desk.do(refund_orders.withdraw, other, "She comes after all.")
    with pytest.raises(Conflict):
        desk.run(order)


def test_who_sends_a_run_or_opens_an_account_has_just_shown_who_they_are(desk):
    order = desk.order(desk.paid())
    away = replace(desk.farai, proved_at=None)
    with pytest.raises(ProveAgain):
        desk.run(order, by=away)
    run = desk.run(order)
    with pytest.raises(ProveAgain):
        desk.do(refund_runs.sent, run, by=away)
    with pytest.raises(ProveAgain):
        desk.do(refund_orders.unmask, order, KEYS, by=away)


@pytest.mark.parametrize("day", [date(2026, 11, 22), date(2026, 11, 28), date(2026, 12, 16)])
def test_money_is_paid_on_a_day_on_which_banks_work(desk, day):
    order = desk.order(desk.paid())
    with pytest.raises(InvalidInput, match="banks work"), desk.sessions.begin() as session:
        refund_runs.make(session, desk.farai, desk.ours, [order], day, now=desk.now)


# -- the file --------------------------------------------------------------------------------------------


def batch(*some: Credit) -> Batch:
    ours = Account("DevConf NPC & Søn", "Standard Bank", "001234567", "051001")
    return Batch("PAYDESK-REFUNDS-1", datetime(2026, 11, 23, 10, tzinfo=UTC), TODAY, ours, some)


def test_the_file_is_valid_by_the_schema_of_iso_20022(desk):
    orders = [desk.order(desk.paid(name=name), Money(100_01)) for name in ("Thandéka", "<b>&\u202eX", "名")]
    made = desk.do(refund_runs.file, desk.run(*orders), "xml", KEYS)
    document = etree.fromstring(made.data)
    etree.XMLSchema(etree.fromstring(XSD.read_bytes())).assertValid(document)
    names = {"p": bank_batches.NAMESPACE}
    assert document.xpath("string(//p:GrpHdr/p:CtrlSum)", namespaces=names) == "300.03"
    assert document.xpath("string(//p:GrpHdr/p:NbOfTxs)", namespaces=names) == "3"
    ids = document.xpath("//p:EndToEndId/text()", namespaces=names)
    assert len(set(ids)) == 3
    assert document.xpath("string(//p:Cdtr/p:Nm)", namespaces=names) == "Thandeka Mokoena"


def test_the_schema_refuses_what_is_not_valid():
    """Else the test above could not fail."""
    broken = bank_batches.pain_001(batch())  # a run without a payment
    schema = etree.XMLSchema(etree.fromstring(XSD.read_bytes()))
    assert not schema.validate(etree.fromstring(broken))


def test_the_csv_has_the_banks_own_columns_and_starts_no_formula():
    layout = Layout.read(
        "Acc = account number\nBr=branch code\nCents = amount in cents\nRef = reference\n= holder"
    )
    credit = Credit("REG7K2MPQ4R1", Money(1500_00), Account("=HYPERLINK(1)", "FNB", "0062", "250655"))
    heading, row = csv.reader(io.StringIO(bank_batches.as_csv(batch(credit), layout).decode()))
    assert heading == ["Acc", "Br", "Cents", "Ref", ""]
    assert row == ["0062", "250655", "150000", "REG7K2MPQ4R1", "HYPERLINK(1)"]


@pytest.mark.parametrize(
    ("said", "says"),
    [("Acc = account number", "without"), ("X = shoe size", "holds one of")],
    ids=["too little", "what we do not have"],
)
def test_columns_that_a_bank_could_not_pay_by_are_refused(said, says):
    with pytest.raises(InvalidInput, match=says):
        Layout.read(said)


def test_a_layout_is_remembered_for_the_account(desk):
    layout = Layout.read("A = account number\nB = branch code\nC = amount\nD = reference", ";")
    desk.do(refund_runs.remember_layout, desk.ours, layout)
    made = desk.do(refund_runs.file, desk.run(desk.order(desk.paid())), "csv", KEYS)
    assert made.data.decode().splitlines()[0] == '"A";"B";"C";"D"'


def test_the_file_is_for_who_has_just_shown_who_they_are(desk):
    run_id = desk.run(desk.order(desk.paid()))
    for format_ in ("xml", "csv"):
        with pytest.raises(ProveAgain):
            desk.do(refund_runs.file, run_id, format_, KEYS, by=replace(desk.farai, proved_at=None))
        assert desk.do(refund_runs.file, run_id, format_, KEYS).data


# -- what the statement says ------------------------------------------------------------------------------


def test_the_line_that_names_a_refund_completes_it_by_itself(desk):
    reference = desk.paid()
    order = desk.order(reference)
    desk.sent(order)
    desk.bank((f"EFT PAYMENT {desk.row(order).bank_reference}", "-1500.00"))
    assert desk.propose().accepted == {"refund": 1}
    assert desk.standing(reference) == ("refunded", 1500_00)
    assert desk.row(order).state == "paid"
    with desk.sessions.read() as session:
        refund = session.scalars(select(Refund)).one()
    assert (refund.method, refund.amount_minor, refund.refunded_on) == ("eft", 1500_00, TODAY)
    assert any("given back by eft" in said.lower() for said in desk.reads(reference))
    desk.lawful()


def test_without_its_reference_a_line_is_only_suggested_and_equal_ones_are_a_tie(desk):
    orders = [desk.order(desk.paid()), desk.order(desk.paid(), Money(700_00)), desk.order(desk.paid())]
    desk.sent(*orders)
    desk.bank(("PAYMENT OUT", "-700.00"), ("PAYMENT OUT", "-1500.00"))
    assert not desk.propose().accepted
    one, tie = sorted(desk.waits(), key=lambda view: -view.amount.minor)
    assert [part.amount for part in one.parts] == [Money(-700_00)]
    assert tie.parts == ()
    desk.accept(one.line_id, *one.parts, way=one.way)
    assert [desk.row(order).state for order in orders] == ["sent", "paid", "sent"]


def test_a_run_that_the_bank_books_as_one_sum_completes_them_all(desk):
    orders = [desk.order(desk.paid(), Money(100_00)), desk.order(desk.paid(), Money(250_00))]
    desk.sent(*orders)
    (line,) = desk.bank(("BULK PAYMENT", "-350.00"))
    desk.propose()
    (view,) = desk.waits()
    desk.accept(line, *view.parts, way=view.way)
    assert {desk.row(order).state for order in orders} == {"paid"}
    desk.lawful()


def test_what_the_bank_sends_back_is_owed_to_the_payer_again(desk):
    reference = desk.paid()
    order = desk.order(reference)
    desk.sent(order)
    named = desk.row(order).bank_reference
    desk.bank((f"EFT {named}", "-1500.00"))
    desk.propose()
    (back,) = desk.bank((f"UNPAID {named} ACCOUNT CLOSED", "1500.00"))
    desk.propose()
    (view,) = desk.waits()
    assert [part.target for part in view.parts] == [Target.LINE]
    match = desk.accept(back, *view.parts, why="The account was closed.")
    assert desk.row(order).state == "returned"
    assert desk.standing(reference) == ("paid", 0)
    assert any("owed to the payer again" in said for said in desk.reads(reference))
    assert desk.returned() == [Money(1500_00)]
    desk.lawful()
    again = desk.order(reference)  # with other details, and approved anew
    assert desk.returned() == []
    assert desk.row(again).bank_reference != named
    desk.do(refund_orders.withdraw, again, "It did arrive after all.")
    desk.undo(match, "It was somebody else's money.")
    assert desk.standing(reference) == ("refunded", 1500_00)
    desk.lawful()


def test_a_match_that_is_undone_leaves_the_refund_sent_and_it_can_be_matched_anew(desk):
    reference = desk.paid()
    order = desk.order(reference)
    desk.sent(order)
    (line,) = desk.bank((f"EFT {desk.row(order).bank_reference}", "-1500.00"))
    desk.propose()
    desk.undo(desk.row(order).match_id, "It was another payment.")
    assert (desk.row(order).state, desk.standing(reference)) == ("sent", ("paid", 0))
    part = Part(Target.ASIDE, Money(-1500_00), desk.id_of(reference))
    desk.accept(line, part, way="refund")
    assert (desk.row(order).state, desk.standing(reference)) == ("paid", ("refunded", 1500_00))
    desk.lawful()


def test_a_line_that_is_no_refund_we_sent_completes_none(desk):
    reference = desk.paid()
    order = desk.order(reference)
    desk.run(order)  # and not sent
    (line,) = desk.bank(("EFT", "-1500.00"))
    part = Part(Target.ASIDE, Money(-1500_00), desk.id_of(reference))
    with pytest.raises(Conflict, match="No refund of this amount was sent"):
        desk.accept(line, part, way="refund")


def test_no_deed_of_a_run_goes_without_its_audit(desk):
    run = desk.sent(desk.order(desk.paid()))
    desk.do(refund_runs.file, run, "xml", KEYS)
    with desk.sessions.read() as session:
        deeds = [row.action for row in session.scalars(select(AuditEntry))]
    assert {"pay_refund", "make_refund_run", "send_refund_run", "take_refund_file"} <= set(deeds)
