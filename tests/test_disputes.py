"""Disputes: recorded, answered, ended; what was lost is written down once, by two people."""

import io
from dataclasses import replace
from datetime import timedelta
from itertools import product

import pytest
from pypdf import PdfReader
from sqlalchemy import select

from db.models import AuditEntry, Case, Dispute, Payout, PayoutLine, Receipt, Refund
from db.money import Money
from payments import lifecycle, notes
from payments.access.people import Role
from payments.books import integrity
from payments.deciding.cases import Decision, Reason
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound, ProveAgain
from payments.lifecycle import Kind, Method, Source
from payments.money_back import chargebacks, contested, dispute_watch, disputes, evidence, reversals
from payments.money_back.disputes import STEPS, State, Told, Why
from payments.papers import issuing
from payments.papers.bodies import BillTo, PaperKind
from payments.papers.issuing import Wanted
from payments.second_person import two_people
from payments.second_person.two_people import Gone
from payments.selling import organisers
from payments.selling.organisers import Organiser
from payments.watching.alerts import Severity
from tests.desk import ADMIN, make_event, payment_of, proved
from tests.test_approvals import somebody
from tests.test_refund_runs import KEYS, TODAY, Desk

WHY = "The gateway's mail of this morning says so."
WHOLE = Money(1500_00)


class Court(Desk):
    """A desk whose payers dispute."""

    def record(self, reference, amount=WHOLE, case="CB-1", by=None, **more):
        told = Told(
            reference, amount, Why.NOT_PROVIDED, case, TODAY - timedelta(days=2), TODAY + timedelta(days=5)
        )
        with self.sessions.begin() as session:
            return disputes.record(session, by or self.farai, replace(told, **more), now=self.now)

    def lost(self, amount=WHOLE, case="CB-1"):
        """A payment of R1500 with a dispute of it that was lost."""
        reference = self.paid()
        dispute = self.record(reference, amount, case)
        self.do(disputes.lose, dispute, WHY)
        return reference, dispute

    def deducted(self, minor=1500_00, reference="CB-1"):
        """A payout of the gateway that was less by a chargeback; its row's id."""
        with self.sessions.begin() as session:
            payout = Payout(
                key=f"told {reference}", source="settlement", first_on=TODAY, last_on=TODAY, currency="ZAR",
                gross_minor=0, fee_minor=0, vat_minor=0, payout_fee_minor=0, less_minor=minor,
                difference_minor=0, net_minor=-minor, payout_fee_told=True, explained="file",
                made_at=self.now, made_by="Farai",
            )  # fmt: skip
            session.add(payout)
            session.flush()
            row = PayoutLine(
                payout_id=payout.id, row=1, kind="chargeback", on=TODAY, reference=reference,
                gross_minor=-minor, state="stands",
            )  # fmt: skip
            session.add(row)
            session.flush()
            return row.id

    def ask_loss(self, dispute, line=None, by=None):
        with self.sessions.begin() as session:
            return two_people.ask_chargeback(
                session, by or self.farai, dispute, Gone(TODAY, line), None, KEYS, WHY, now=self.now
            ).id

    def book(self, dispute, line=None):
        self.do(two_people.approve, self.ask_loss(dispute, line), by=self.fikile)

    def see(self, dispute):
        with self.sessions.read() as session:
            return disputes.get(session, self.farai, dispute)

    def waiting(self):
        with self.sessions.read() as session:
            rows = session.scalars(select(Case).where(Case.closed_at.is_(None)).order_by(Case.id))
            return [(case.reason, case.due_on) for case in rows]

    def sound(self):
        with self.sessions.read() as session:
            return [finding.sentence for finding in integrity.examine(session)]


@pytest.fixture
def desk(sessions, now):
    return Court(sessions, now)


# -- recorded -------------------------------------------------------------------------------------------


def test_a_dispute_holds_its_payment_moves_no_money_and_waits_with_its_deadline(desk):
    reference = desk.paid()
    desk.record(reference)
    assert desk.standing(reference) == ("disputed", 0)
    assert desk.waiting() == [(Reason.DISPUTE_OPEN, TODAY + timedelta(days=5))]
    with desk.sessions.read() as session:
        newest = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert session.scalars(select(Refund)).all() == []
    assert (newest.action, newest.actor) == ("record_dispute", desk.farai.email)
    assert any("disputes R1" in told and "not provided" in told for told in desk.reads(reference))
    assert desk.sound() == []


#: One desk for all of them: each is refused and leaves nothing.
HALF_TOLD = (
    ({"amount": Money(1500_01)}, "no more can be"),
    ({"amount": Money(0)}, "no more can be"),
    ({"amount": Money(10_00, "USD")}, "in ZAR"),
    ({"case_reference": " "}, "case's number"),
    ({"opened_on": TODAY + timedelta(days=1)}, "Today or before"),
    ({"answer_by": TODAY - timedelta(days=3)}, "deadline comes after"),
    ({"case_reference": "4111 1111 1111 1111"}, "card number"),
)


def test_a_dispute_half_told_is_refused(desk):
    reference = desk.paid()
    for change, says in HALF_TOLD:
        with pytest.raises(InvalidInput, match=says):
            desk.record(reference, **change)
    assert desk.standing(reference) == ("paid", 0)


def test_a_case_is_recorded_once_and_two_hold_no_more_than_came_by_card(desk):
    reference = desk.paid()
    desk.record(reference, Money(1000_00))
    with pytest.raises(Conflict, match="recorded already"):
        desk.record(reference, Money(100_00))
    with pytest.raises(InvalidInput, match="R500"):
        desk.record(reference, Money(500_01), case="CB-2")
    desk.record(reference, Money(500_00), case="CB-2")


def test_what_came_by_eft_cannot_be_taken_back_by_a_card_scheme(desk):
    reference = desk.paid()
    with desk.sessions.begin() as session:
        session.scalars(select(Receipt)).one().kind = Method.EFT
    with pytest.raises(InvalidInput, match="came by card"):
        desk.record(reference)


def test_only_finance_and_admins_of_the_event_see_or_record_disputes(desk, now):
    reference = desk.paid()
    dispute = desk.record(reference)
    with desk.sessions.begin() as session:
        other = make_event(session, "gala", now=now).id
        organiser = somebody(session, "Aisha", Role.ORGANISER, now=now)
        elsewhere = somebody(session, "Fatima", Role.FINANCE, frozenset({other}), now=now)
    for who in (organiser, elsewhere):
        with pytest.raises((NotAllowed, NotFound)):
            desk.record(reference, case="CB-9", by=who)
        with pytest.raises((NotAllowed, NotFound)):
            desk.do(disputes.accept, dispute, WHY, by=who)
    with desk.sessions.read() as session:
        assert disputes.listed(session, elsewhere) == ()


# -- its way ----------------------------------------------------------------------------------------------

DEEDS = {
    State.SENT: disputes.send_evidence, State.WON: disputes.win, State.LOST: disputes.lose,
    State.ACCEPTED: disputes.accept,
}  # fmt: skip


def test_each_step_is_taken_from_where_it_may_be_and_from_nowhere_else(desk):
    reference = desk.paid()
    for at, to in product(State, DEEDS):
        dispute = desk.record(reference, Money(10_00), f"{at} to {to}")
        if at is not State.OPEN:
            desk.do(DEEDS[at], dispute, WHY)
        if to in STEPS[at]:
            desk.do(DEEDS[to], dispute, WHY)
        else:
            with pytest.raises(Conflict, match="already"):
                desk.do(DEEDS[to], dispute, WHY)
        assert desk.see(dispute).state is (to if to in STEPS[at] else at), (at, to)
    assert desk.sound() == []


def test_a_step_says_why(desk):
    dispute = desk.record(desk.paid())
    with pytest.raises(InvalidInput, match="why"):
        desk.do(disputes.win, dispute, "yes")


def test_evidence_sent_takes_it_off_the_queue_and_winning_makes_it_paid_again(desk):
    reference = desk.paid()
    dispute = desk.record(reference)
    desk.do(disputes.send_evidence, dispute, WHY)
    assert desk.waiting() == []
    assert desk.standing(reference) == ("disputed", 0)
    desk.do(disputes.win, dispute, WHY)
    assert desk.standing(reference) == ("paid", 0)
    with desk.sessions.read() as session:
        assert session.scalars(select(Case)).one().decision == Decision.DONE
    assert desk.sound() == []


def test_a_payment_is_disputed_until_its_last_dispute_ended(desk):
    reference = desk.paid()
    first = desk.record(reference, Money(400_00), answer_by=TODAY + timedelta(days=2))
    desk.record(reference, Money(300_00), case="CB-2", answer_by=TODAY + timedelta(days=9))
    assert desk.waiting() == [(Reason.DISPUTE_OPEN, TODAY + timedelta(days=2))]
    desk.do(disputes.win, first, WHY)
    assert desk.standing(reference) == ("disputed", 0)
    assert desk.waiting() == [(Reason.DISPUTE_OPEN, TODAY + timedelta(days=9))]


def test_while_it_is_disputed_nothing_of_it_is_reversed_or_given_back(desk):
    reference = desk.paid()
    desk.record(reference, Money(1000_00))
    returned = two_people.Returned(reference, Money(500_01), Method.GATEWAY, TODAY, "Thandi")
    with pytest.raises(InvalidInput, match="disputed"), desk.sessions.begin() as session:
        two_people.ask_refund(session, desk.farai, returned, None, KEYS, WHY, now=desk.now)
    with desk.sessions.begin() as session:
        payment, receipt = payment_of(session, reference), session.scalars(select(Receipt)).one()
        by = {"now": desk.now, "source": Source.DESK, "actor": "Farai"}
        with pytest.raises(Conflict, match="disputed"):
            reversals.reverse(session, payment, receipt, WHY, **by)
    with pytest.raises(Conflict, match="is disputed"):
        desk.ask(reference)


# -- lost ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("deed", [disputes.lose, disputes.accept], ids=["lost", "accepted"])
def test_a_lost_dispute_books_nothing_by_itself_and_asks_for_it(desk, deed):
    reference = desk.paid()
    dispute = desk.record(reference)
    desk.do(deed, dispute, WHY)
    assert desk.standing(reference) == ("disputed", 0)
    assert desk.waiting() == [(Reason.CHARGEBACK_UNBOOKED, None)]
    assert desk.see(dispute).to_book


def test_two_people_write_it_down_once_tied_to_the_row_of_the_payout(desk):
    reference, dispute = desk.lost()
    line = desk.deducted()
    with desk.sessions.read() as session:
        (found,) = chargebacks.deductions(session, desk.farai, dispute)
    assert (found.line_id, found.named) == (line, True)
    desk.book(dispute, line)
    assert desk.standing(reference) == ("refunded", 1500_00)
    assert desk.waiting() == []
    with desk.sessions.read() as session:
        refund = session.scalars(select(Refund)).one()
        assert session.get_one(PayoutLine, line).refund_id == refund.id
        assert session.get_one(Dispute, dispute).refund_id == refund.id
        assert chargebacks.deductions(session, desk.farai, dispute) == ()
    assert (refund.method, refund.source_reference) == (Method.GATEWAY, "CB-1")
    assert desk.sound() == []
    with pytest.raises(Conflict, match="written down already"):
        desk.ask_loss(dispute, line)


def test_one_row_of_a_payout_is_one_dispute_s(desk):
    (_, first), (_, second) = desk.lost(case="CB-1"), desk.lost(case="CB-2")
    line = desk.deducted()
    desk.book(first, line)
    with pytest.raises(Conflict, match="another dispute"):
        desk.ask_loss(second, line)
    with pytest.raises(InvalidInput, match="another amount"):
        desk.ask_loss(second, desk.deducted(1499_99, "CB-2"))


def test_a_loss_needs_the_gateway_s_row_or_a_proof_and_a_second_person_who_just_proved_themselves(desk):
    _, dispute = desk.lost()
    with pytest.raises(InvalidInput, match="add a proof"):
        desk.ask_loss(dispute)
    line = desk.deducted()
    with pytest.raises(ProveAgain):
        desk.ask_loss(dispute, line, by=replace(desk.farai, proved_at=None))
    asked = desk.ask_loss(dispute, line)
    with pytest.raises(NotAllowed, match="yourself"):
        desk.do(two_people.approve, asked, by=proved(desk.farai))


def test_only_what_is_lost_is_written_down(desk):
    dispute = desk.record(desk.paid())
    with pytest.raises(Conflict, match="neither lost"):
        desk.ask_loss(dispute, desk.deducted())


def test_a_part_that_is_lost_leaves_the_rest_and_the_other_dispute_standing(desk):
    reference, first = desk.lost(Money(400_00))
    desk.record(reference, Money(300_00), case="CB-2")
    desk.book(first, desk.deducted(400_00))
    assert desk.standing(reference) == ("disputed", 400_00)
    assert desk.sound() == []


def test_what_was_given_back_before_is_not_given_back_by_a_dispute_again(desk):
    reference = desk.paid()
    order = desk.order(reference, Money(1000_00))
    desk.sent(order)
    dispute = desk.record(reference)
    assert desk.see(dispute).promised == Money(1000_00)
    desk.bank((f"EFT PAYMENT {desk.row(order).bank_reference}", "-1000.00"))
    assert desk.propose().accepted == {"refund": 1}
    assert desk.standing(reference) == ("disputed", 1000_00)
    desk.do(disputes.lose, dispute, WHY)
    desk.book(dispute, desk.deducted())
    assert desk.standing(reference) == ("refunded", 1500_00)
    assert desk.sound() == []


def test_a_payment_whose_dispute_is_lost_cannot_pass_for_paid(desk):
    reference, _ = desk.lost()
    with desk.sessions.begin() as session:
        payment = payment_of(session, reference)
        assert contested.is_contested(session, payment)
        payment.status = "paid"
    assert any("dispute" in told for told in desk.sound())


# -- its deadline -----------------------------------------------------------------------------------------


def test_the_deadline_is_an_alert_before_it_passes_until_evidence_is_sent(desk):
    dispute = desk.record(desk.paid(), answer_by=TODAY + timedelta(days=5))

    def alarms(days_left):
        with desk.sessions.read() as session:
            found = dispute_watch.alarms(session, now=desk.now + timedelta(days=5 - days_left))
            return [alarm.severity for alarm in found]

    assert [alarms(days) for days in (4, 3, 1, 0, -2)] == [
        [], [Severity.POOR], [Severity.BAD], [Severity.BAD], [Severity.BAD],
    ]  # fmt: skip
    desk.do(disputes.send_evidence, dispute, WHY)
    assert alarms(-2) == []


# -- its evidence -----------------------------------------------------------------------------------------


def text_of(data):
    return [page.extract_text() for page in PdfReader(io.BytesIO(data)).pages]


def pack(desk, dispute, *, whole=False, by=None):
    with desk.sessions.begin() as session:
        return evidence.take(session, by or desk.farai, dispute, whole, True, now=desk.now)


def test_the_evidence_says_who_did_what_when_on_numbered_pages_with_its_hash(desk):
    reference = desk.paid(name="Sipho <b>Mokoena</b>")
    with desk.sessions.begin() as session:
        by = {"now": desk.now, "source": Source.PAYER, "actor": "Payer"}
        lifecycle.note(session, payment_of(session, reference), Kind.RETURNED, **by, page="success")
        organisers.save(session, ADMIN, "devconf", Organiser("Example Club"), now=desk.now)
        bill = Wanted("form", PaperKind.INVOICE, (reference,), BillTo("Thandéka Mokoena"))
        issuing.issue(session, ADMIN, bill, now=desk.now)
    dispute = desk.record(reference)
    pages = text_of(pack(desk, dispute).data)
    told = "\n".join(pages)
    assert "Sipho <b>Mokoena</b>" in told  # text, never markup
    for wanted in (
        reference, "CB-1", "Not provided", "INV-1-000001", "asked for R1", "Payment links",
        "came back to the success page", ADMIN.name, "z…@example.org",
    ):  # fmt: skip
        assert wanted in told
    assert all(f"Page {at} of {len(pages)}" in page for at, page in enumerate(pages, 1))
    with desk.sessions.read() as session:
        newest = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert newest.action == "take_evidence"
    assert all(newest.detail["content"] in page for page in pages)


def test_addresses_are_masked_unless_wanted_whole_and_what_colleagues_wrote_stays_here(desk):
    dispute = desk.record(reference := desk.paid())
    with desk.sessions.begin() as session:
        notes.add(session, ADMIN, reference, "He is rude on the phone.", now=desk.now)
    masked, whole = ("\n".join(text_of(pack(desk, dispute, whole=each).data)) for each in (False, True))
    assert "zanele@example.org" not in masked
    assert "zanele@example.org" in whole
    assert "rude" not in masked + whole
    assert "entries are left out" in masked


def test_the_same_evidence_has_the_same_hash_whoever_takes_it(desk):
    dispute = desk.record(desk.paid())
    with desk.sessions.read() as session:
        row = session.get_one(Dispute, dispute)
        one, other = (
            evidence.gather(session, who, row, whole=False, demo=True).sha256
            for who in (desk.farai, desk.fikile)
        )
    assert one == other


def test_evidence_of_another_event_is_not_there(desk, now):
    dispute = desk.record(desk.paid())
    with desk.sessions.begin() as session:
        other = make_event(session, "gala", now=now).id
        elsewhere = somebody(session, "Fatima", Role.FINANCE, frozenset({other}), now=now)
    with pytest.raises(NotFound):
        pack(desk, dispute, by=elsewhere)
