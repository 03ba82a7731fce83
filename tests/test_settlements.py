"""The gateway's payouts come in by file, by pasted statement or by the bank's line, and settle payments to
the cent; each way can be undone."""

from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, text

from db.models import Approval, Payout, PayoutLine, Refund
from db.money import Money
from payments.access.people import Person, Role
from payments.bank import accounts, imports
from payments.books import integrity
from payments.errors import Conflict, InvalidInput, NotAllowed, StatementFormatError, UnknownLayout
from payments.gateways import Answer
from payments.hearing import inbox
from payments.hearing.inbox import Message
from payments.lifecycle import Method
from payments.lump_sums import banked, explaining, fees, settlements, tying, went_back
from payments.matching import Target
from payments.payouts import Item, Less, files
from payments.payouts.files import PayoutMapping
from payments.reconciling import exceptions, proposing, reconciliation
from payments.reconciling.parts import Decided, Part
from payments.reconciling.proposing import Reason
from tests.desk import ADMIN, FakeGateway, issue, make_event, payment_of
from tests.test_approvals import somebody

ORGANISER = Person(9, "Aisha", "aisha@example.org", Role.ORGANISER, None)
HEADS = ("Date", "Type", "Merchant reference", "Method", "Gross", "Fee", "VAT", "Net", "Payout")
MAPPING = PayoutMapping(
    "Settlement", HEADS, on=0, kind=1, reference=2, method=3, gross=4, fee=5, vat=6, net=7, payout=8
)
#: The rules that payouts could break.
MONEY = ("received", "status", "timeline", "standings", "hours", "taken", "payouts", "matches", "lines")


class Bench:
    """A desk whose payers pay through the gateway on Friday the 20th."""

    def __init__(self, sessions, now):
        self.sessions, self.now, self.gateway = sessions, now, FakeGateway()
        self.friday = now - timedelta(days=3)
        self.files = 0
        with sessions.begin() as session:
            make_event(session, now=now)
            self.account = accounts.create(session, ADMIN, name="Events", now=now).id

    def paid(self, amount=Money(1500_00), at=None, name="Thandeka Mokoena") -> str:
        link = issue(
            self.sessions, self.gateway, now=(at or self.friday) - timedelta(hours=1), amount=amount,
            payer_name=name,
        )  # fmt: skip
        self.gateway.says(link.gateway_reference, Answer.PAID, "PAID")
        body = f"{link.gateway_reference} SUCCESS".encode()
        message = Message("ikhokha", "/hook", {"ik-sign": "good"}, body, at or self.friday)
        with self.sessions.begin() as session:
            event = self.gateway.read_event("/hook", message.headers, body)
            kept = inbox.accept(session, message, event)
        inbox.process(self.sessions, {"ikhokha": self.gateway}, kept, now=at or self.friday)
        return link.reference

    def row(self, reference, gross=1500_00, method="card", number="P1", kind="Sale", more=0) -> str:
        rate = 285 if method == "card" else 200
        fee = (gross * rate + 5000) // 10000 + more
        vat = (fee * 15 + 50) // 100
        cells = (gross, fee, vat, gross - fee - vat)
        told = ",".join(f"{minor / 100:.2f}" for minor in cells)  # a test's own file: a bank writes so
        return f"2026-11-20,{kind},{reference},{method},{told},{number}"

    def bring(self, *rows, name="payout.csv", mapping=MAPPING):
        data = "\n".join((",".join(HEADS), *rows)).encode()
        with self.sessions.begin() as session:
            told, used = settlements.read(session, ADMIN, name, data, mapping=mapping)
            return settlements.import_file(session, ADMIN, told, data, now=self.now, mapping=used)

    def paste(self, statement):
        told = settlements.read_text(statement)
        with self.sessions.begin() as session:
            return settlements.import_file(session, ADMIN, told, statement.encode(), now=self.now)

    def bank(self, amount: str, what="MAGTAPE CREDIT IKHOKHA PAYOUT") -> None:
        self.files += 1
        data = f"Date,Description,Amount\n2026-11-23,{what},{amount}\n"
        with self.sessions.begin() as session:
            imports.import_file(
                session, ADMIN, self.account, f"{self.files}.csv", data.encode(), now=self.now,
                mapping=imports.Mapping(
                    name="Plain", date=0, description=(1,), amount=2,
                    heading=("Date", "Description", "Amount"),
                ),
            )  # fmt: skip

    def given_back(self, reference, minor=50_00) -> Item:
        """A refund through the gateway that two people wrote down, as a payout may be less by it."""
        with self.sessions.begin() as session:
            number = session.scalar(select(func.count()).select_from(Approval)) + 1
            two = [somebody(session, f"{name}{number}", Role.FINANCE, now=self.now).id for name in "AB"]
            payment = payment_of(session, reference)
            approval = Approval(
                what="record_refund", subject=reference, payment_id=payment.id, scope="*", bound={},
                digest="1" * 64, why="x", requester_id=two[0], requester_name="A", asked_at=self.now,
                expires_at=self.now, state="used", decider_id=two[1], decider_name="B", used_at=self.now,
            )  # fmt: skip
            session.add(approval)
            session.flush()
            refund = Refund(
                payment_id=payment.id, approval_id=approval.id, method="gateway", done_by="A",
                refunded_on=self.friday.date(), amount=Money(minor), source_reference="", why="x",
                at=self.now, by="B",
            )  # fmt: skip
            session.add(refund)
            session.flush()
            went_back.tie_new(session, refund)
            return Item(refund.id, Less.REFUND, refund.amount, refund.refunded_on)

    def propose(self):
        return proposing.propose(self.sessions, ADMIN, now=self.now)

    def explain(self):
        return explaining.run(self.sessions, ADMIN, now=self.now)

    def came(self, reference):
        with self.sessions.read() as session:
            payment = payment_of(session, reference)
            return banked.travelled(session, reference), payment.method

    def net(self, payout=1) -> str:
        with self.sessions.read() as session:
            return Money(session.get_one(Payout, payout).net_minor).decimal

    def lawful(self) -> None:
        with self.sessions.read() as session:
            rules = [rule for rule in integrity.RULES if rule.name in MONEY]
            assert [(rule.name, rows) for rule in rules if (rows := list(rule.broken_by(session)))] == []

    def undo(self, file=1, why="It was another month."):
        with self.sessions.begin() as session:
            return settlements.undo(session, ADMIN, file, why, now=self.now)

    def undo_match(self, match=1):
        with self.sessions.begin() as session:
            reconciliation.undo(session, ADMIN, match, "It was another payout.", now=self.now)


@pytest.fixture
def bench(sessions, now):
    return Bench(sessions, now)


def test_a_file_settles_its_captures_and_its_line_banks_them(bench):
    one, other = bench.paid(), bench.paid(Money(450_00))
    came = bench.bring(bench.row(one), bench.row(other, 450_00, "instant EFT"))
    assert (came.payouts, came.captures, came.strangers, came.unread) == (1, 2, 0, 0)
    travelled, method = bench.came(one)
    assert (travelled.payout_id, travelled.settled_on, travelled.banked_on) == (1, date(2026, 11, 20), None)
    assert (method, bench.came(other)[1]) == (Method.CARD, Method.INSTANT_EFT)
    # 1500 − 42.75 − 6.41 and 450 − 9.00 − 1.35, less the payout's own R2.50 and its VAT
    assert bench.net() == "1887.61"
    bench.lawful()
    bench.bank("1887.61")
    assert dict(bench.propose().accepted) == {"payout": 1}
    assert bench.came(one)[0].banked_on == bench.came(other)[0].banked_on == date(2026, 11, 23)
    bench.lawful()


def test_each_way_is_undone_in_its_order(bench):
    one = bench.paid()
    bench.bring(bench.row(one))
    bench.bank(bench.net())
    bench.propose()
    with pytest.raises(Conflict, match="Undo those matches first"):
        bench.undo()
    bench.undo_match()
    assert bench.came(one)[0].banked_on is None
    assert bench.came(one)[0].settled_on is not None
    assert bench.undo() == 1
    assert bench.came(one) == (banked.Travelled(), Method.GATEWAY)
    bench.lawful()
    assert bench.bring(bench.row(one)).captures == 1  # and it can come again
    bench.lawful()


def test_the_same_file_twice_adds_nothing_and_an_overlap_what_is_new(bench):
    one, other = bench.paid(), bench.paid()
    bench.bring(bench.row(one))
    again = bench.bring(bench.row(one))
    assert (again.again, again.payouts) == (True, 0)
    more = bench.bring(bench.row(one), bench.row(other, number="P2"), name="longer.csv")
    assert (more.payouts, more.captures, more.known) == (1, 1, 1)
    bench.lawful()
    with pytest.raises(Conflict, match=r"Row 2: DEMO_\w+ is in payout 1 already"):
        bench.bring(bench.row(one, number="P9"), name="other number.csv")
    with pytest.raises(Conflict, match="payout 1 of these days is here with"):
        bench.bring(bench.row(one, 1400_00), name="other sum.csv")


def test_what_a_row_says_of_none_of_ours_stays_in_its_payout(bench):
    one = bench.paid()
    came = bench.bring(
        bench.row(one), bench.row("WEBSHOP-9"), bench.row(one, -1500_00, kind="Refund"),
        "2026-11-20,SIM fee,,,-69.00,0,0,-69.00,P1", "2026-11-20,Payout fee,,,2.50,,,,P1",
    )  # fmt: skip
    assert (came.captures, came.strangers) == (1, 1)
    with bench.sessions.read() as session:
        payout = session.scalars(select(Payout)).one()
        lines = session.scalars(select(PayoutLine).order_by(PayoutLine.id)).all()
    assert (payout.gross_minor, payout.less_minor, payout.payout_fee_minor) == (3000_00, 1519_84, 250)
    assert lines[1].reason.startswith("No payment of ours")
    assert [line.kind for line in lines] == ["capture", "capture", "refund", "deduction", "payout_fee"]
    bench.lawful()


@pytest.mark.parametrize(
    "row, says",
    [
        pytest.param("2026-11-20,Sale,A,card,100.00,2.85,0.43,90.00,P1", "it says R90.00", id="net"),
        pytest.param("2026-11-20,Sale,A,card,1.234,2.85,0.43,,P1", "cannot be read", id="amount"),
        pytest.param("2026-11-31,Sale,A,card,100.00,2.85,0.43,,P1", "cannot be read", id="date"),
        pytest.param("2026-11-20,Lottery,A,card,100.00,2.85,0.43,,P1", "is not known", id="kind"),
        pytest.param("2026-11-20,,A,card,-100.00,0,0,,P1", "no money taken", id="minus"),
    ],
)
def test_a_row_that_cannot_be_read_waits_for_a_person(bench, row, says):
    came = bench.bring(bench.row(bench.paid()), row)
    assert (came.unread, came.payouts) == (1, 1)
    with bench.sessions.read() as session:
        (waits,) = settlements.unread(session, ADMIN)
    assert says in waits.reason
    bench.lawful()
    with bench.sessions.begin() as session:
        settlements.set_aside(session, ADMIN, waits.id, "A line of the shop's.", now=bench.now)
    with bench.sessions.read() as session:
        assert settlements.unread(session, ADMIN) == []


def test_a_total_that_its_rows_do_not_make_refuses_the_file(bench):
    row = bench.row(bench.paid())
    assert bench.bring(row, "Total,,,,1500.00").captures == 1
    with pytest.raises(StatementFormatError, match="Its total says"):
        bench.bring(row, "Total,,,,9.00", name="wrong.csv")


def test_what_no_one_said_the_columns_of_is_asked_and_then_remembered(bench):
    row = bench.row(bench.paid())
    with pytest.raises(UnknownLayout) as asked:
        bench.bring(row, mapping=None)
    told = files.suggest(asked.value.rows[0])
    assert told == {
        "on": 0, "kind": 1, "reference": 2, "method": 3, "gross": 4, "fee": 5, "vat": 6, "net": 7, "payout": 8
    }  # fmt: skip
    with bench.sessions.begin() as session:
        settlements.remember(session, ADMIN, MAPPING, now=bench.now)
    assert bench.bring(row, mapping=None).captures == 1


STATEMENT = """
Statement of iKhokha
Recon Date: 20 Nov 2026
Gross Sales	R2 850.00
Transaction fees (incl. VAT)	-R93.40
Cash advance deductions	R0.00
Net sales	R2 756.60
Other deductions	-R2.88
Amount paid to you	R2 753.72
"""


# -- the tie ------------------------------------------------------------------------------------------


def test_two_payouts_of_one_sum_are_a_tie(bench):
    one, other = bench.paid(), bench.paid()
    bench.bring(bench.row(one), bench.row(other, number="P2"))
    bench.bank(bench.net())
    assert dict(bench.propose().accepted) == {}
    with bench.sessions.read() as session:
        (waits,) = exceptions.queue(session, ADMIN, now=bench.now)
    assert (waits.reason, waits.tie) == (Reason.PAYOUT, True)
    with bench.sessions.begin() as session:
        (line,) = tying.lines_for(session, ADMIN, 2)
        assert not line.off
        tying.tie(session, ADMIN, 2, line.line_id, now=bench.now)
        with pytest.raises(Conflict, match="not open any more"):
            tying.tie(session, ADMIN, 1, line.line_id, now=bench.now)
    assert bench.came(other)[0].banked_on == date(2026, 11, 23)
    assert bench.came(one)[0].banked_on is None
    bench.lawful()


def test_a_short_line_is_tied_only_with_its_difference_apart_and_a_reason(bench):
    bench.bring(bench.row(bench.paid()))
    net = Money.parse(bench.net())
    bench.bank(Money(net.minor - 500).decimal)
    bench.propose()

    def tie(*parts, why=""):
        with bench.sessions.begin() as session:
            return reconciliation.accept(
                session, ADMIN, Decided(1, parts, "payout", {}, why=why), now=bench.now
            )

    short = Part(Target.ASIDE, Money(-500))
    with pytest.raises(InvalidInput, match="Payout 1 comes to"):
        tie(Part(Target.PAYOUT, Money(net.minor - 500), payout_id=1))
    with pytest.raises(InvalidInput, match="Say why"):
        tie(Part(Target.PAYOUT, net, payout_id=1), short)
    assert tie(Part(Target.PAYOUT, net, payout_id=1), short, why="R5 short, iKhokha was asked.")
    with pytest.raises(Conflict, match="matched already"):
        tie(Part(Target.PAYOUT, net, payout_id=1), short, why="R5 short, iKhokha was asked.")
    bench.lawful()


def test_an_organiser_neither_imports_nor_looks(bench):
    with bench.sessions.begin() as session, pytest.raises(NotAllowed):
        settlements.files(session, ORGANISER)
    with bench.sessions.begin() as session, pytest.raises(NotAllowed):
        settlements.import_file(session, ORGANISER, settlements.read_text(STATEMENT), b"", now=bench.now)


# -- fees ---------------------------------------------------------------------------------------------


def test_each_payment_beside_the_tariff_and_a_letter_about_what_was_too_much(bench):
    cheap, dear, rounded = bench.paid(), bench.paid(), bench.paid()
    bench.bring(bench.row(cheap), bench.row(dear, more=500), bench.row(rounded, more=1))
    days = (date(2026, 11, 1), date(2026, 11, 30))
    with bench.sessions.read() as session:
        found = fees.told(session, ADMIN, *days)
    assert found.checked == 3
    assert [(one.reference, one.off.minor, one.is_rounding) for one in found.variances] == [
        (dear, 575, False), (rounded, 1, True),
    ]  # fmt: skip
    assert found.overcharged == Money(575)
    assert [(one.method, one.month, one.gross) for one in found.rates] == [
        ("card", date(2026, 11, 1), Money(4500_00))
    ]
    letter = fees.claim_letter(found, first=days[0], last=days[1])
    assert dear in letter
    assert rounded not in letter
    assert "R5.75" in letter


def test_rates_hold_from_their_day_on(bench):
    one = bench.paid()
    bench.bring(bench.row(one))
    days = (date(2026, 11, 1), date(2026, 11, 30))
    with bench.sessions.begin() as session:
        fees.add_rates(
            session, ADMIN, valid_from=date(2026, 11, 10), rate_bp={"card": 250, "instant_eft": 200},
            payout_fee_minor=250, now=bench.now,
        )  # fmt: skip
        assert [row.off.minor for row in fees.told(session, ADMIN, *days).variances] == [603]
        with pytest.raises(Conflict, match="already"):
            fees.add_rates(
                session, ADMIN, valid_from=date(2026, 11, 10), rate_bp={"card": 1}, payout_fee_minor=0,
                now=bench.now,
            )  # fmt: skip


def test_no_row_is_ever_lost(bench):
    """Whatever is done, each file's rows stay accounted for."""
    bench.paste(STATEMENT.replace("20 Nov", "19 Nov"))
    bench.bring(bench.row("NOBODY"), "what is this", "Total,,,,")
    with bench.sessions.read() as session:
        for file in settlements.files(session, ADMIN):
            assert file.rows == file.lines + file.named
        assert session.scalar(text("SELECT count(*) FROM payout_lines")) == 3
