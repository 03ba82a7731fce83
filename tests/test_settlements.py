"""The gateway's payouts come in by file, by pasted statement or by the bank's line, and settle payments to
the cent; each way can be undone."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from db.models import Match, Payout, PayoutLine, StatementLine
from db.money import Money
from payments.access.people import Person, Role
from payments.bank import accounts, imports
from payments.books import integrity
from payments.errors import Conflict, InvalidInput, NotAllowed, StatementFormatError, UnknownLayout
from payments.gateways import Answer
from payments.hearing import inbox
from payments.hearing.inbox import Message
from payments.lifecycle import Method
from payments.lump_sums import (
    banked,
    explained,
    explaining,
    fees,
    payout_list,
    payout_watch,
    settlements,
    tying,
)
from payments.lump_sums.payout_watch import DayState
from payments.matching import Target
from payments.payouts import files
from payments.payouts.files import PayoutMapping
from payments.reconciling import exceptions, proposing, reconciliation
from payments.reconciling.parts import Decided, Part, locked_line
from payments.reconciling.proposing import Reason
from tests import hook
from tests.desk import ADMIN, FakeGateway, issue, make_event, payment_of

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


# -- no breakdown -------------------------------------------------------------------------------------


def test_a_line_of_the_bank_alone_is_explained_by_the_days_captures(bench):
    paid = [bench.paid(Money(minor)) for minor in (1500_00, 450_00, 900_00)]
    bench.bank("2753.72")  # 2850 by card: less 81.23 and 12.18 (each rounded), less 2.88
    assert dict(bench.propose().waiting) == {Reason.PAYOUT: 1}
    run = bench.explain()
    assert (run.asked, run.explained) == (1, 1)
    for reference in paid:
        assert bench.came(reference)[0] == banked.Travelled(1, date(2026, 11, 23), date(2026, 11, 23))
    bench.lawful()
    bench.undo_match()
    with bench.sessions.begin() as session:
        explained.undo(session, ADMIN, 1, "One of them was held.", now=bench.now)
    assert bench.came(paid[0])[0] == banked.Travelled()
    bench.lawful()


@pytest.fixture
def alike(bench) -> list[str]:
    """Friday's and Saturday's payer paid the same, and both payouts came on Monday: which line is whose?"""
    paid = [bench.paid(), bench.paid(at=bench.friday + timedelta(days=1))]
    for what in ("IKHOKHA PAYOUT", "MAGTAPE CREDIT IKHOKHA PAYOUT"):
        bench.bank("1447.96", what)
    bench.propose()
    return paid


def test_lines_of_one_day_that_may_change_places_are_written_down_as_one(bench, alike):
    run = bench.explain()
    assert (run.asked, run.explained, run.tied) == (2, 2, 0)
    monday = date(2026, 11, 23)
    assert {bench.came(reference)[0] for reference in alike} == {banked.Travelled(1, monday, monday)}
    with bench.sessions.read() as session:
        whole, part = payout_list.listing(session, ADMIN)[::-1]
        told = [match.evidence["evidence"] for match in session.scalars(select(Match))]
    assert (whole.gross, whole.captures, whole.difference) == (Money(3000_00), 2, Money(-1447_96))
    assert (part.gross, part.captures, part.difference) == (Money(0), 0, Money(1447_96))
    assert (whole.night, part.night, part.is_told_elsewhere) == ((1, 2), (1, 2), True)
    saturday = date(2026, 11, 21)
    assert {(one.first_on, one.last_on) for one in (whole, part)} == {(date(2026, 11, 20), saturday)}
    assert all(explained.WITH_ITS_NIGHT in evidence for evidence in told)
    bench.lawful()


def test_what_is_written_down_as_one_is_taken_back_as_one(bench, alike):
    bench.explain()
    with bench.sessions.begin() as session, pytest.raises(Conflict, match="Payout 1, Payout 2: on a line"):
        explained.undo(session, ADMIN, 1, "iKhokha says otherwise.", now=bench.now)
    with bench.sessions.begin() as session:
        explained.take_back(session, ADMIN, 2, "iKhokha says otherwise.", now=bench.now)
    assert bench.came(alike[0])[0] == banked.Travelled()
    with bench.sessions.read() as session:
        assert payout_list.listing(session, ADMIN) == []
    bench.lawful()


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)  # SQLite has one writer at a time
def test_who_takes_a_payout_back_waits_for_its_lines_and_holds_nothing_meanwhile(bench, alike):
    """It held the payout first and its line last, who matches a line holds them the other way about: each
    waited for the other until the database refused one."""
    bench.explain()

    def take_back() -> None:
        with bench.sessions.begin() as session:
            explained.take_back(session, ADMIN, 1, "iKhokha says otherwise.", now=bench.now)

    def somebody_waits() -> bool:
        query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        with bench.sessions.read() as looking:
            return bool(looking.scalar(query))

    with ThreadPoolExecutor(1) as other:
        with bench.sessions.begin() as session:
            for line_id in session.scalars(select(StatementLine.id)).all():
                locked_line(session, line_id)
            asked = other.submit(take_back)
            hook.wait_until(somebody_waits)
            free = session.scalars(select(Payout.id).order_by(Payout.id).with_for_update(nowait=True)).all()
        assert (free, asked.result()) == ([1, 2], None)
    bench.lawful()


def undone_alone(bench, number: int, *, tie_only: bool = False) -> None:
    """One of a night taken back by itself, as a release that knows no nights does it."""
    with bench.sessions.begin() as session:
        reconciliation.undo(session, ADMIN, number, "Not so.", now=bench.now, with_its_night=True)
        if not tie_only:
            payout = session.get_one(Payout, number)
            explained._unwrite(session, payout, "Not so.", {"now": bench.now, "source": "desk", "actor": "A"})


@pytest.mark.parametrize("gone", [1, 2])
@pytest.mark.parametrize(
    ("tie_only", "says"), [(False, "does not stand with"), (True, "is on no line of the bank")]
)
def test_a_night_that_fell_apart_is_found_and_what_is_left_of_it_taken_back(
    bench, alike, gone, tie_only, says
):
    bench.explain()
    undone_alone(bench, gone, tie_only=tie_only)
    assert any(
        says in row for one in integrity.run(bench.sessions, now=bench.now).findings for row in one.rows
    )
    with bench.sessions.begin() as session:
        integrity.accept(session, ADMIN, "What is left of it is taken back.", now=bench.now)
    with bench.sessions.begin() as session:
        explained.take_back(session, ADMIN, 3 - gone, "iKhokha says otherwise.", now=bench.now)
    assert integrity.run(bench.sessions, now=bench.now).sound
    assert {bench.came(reference)[0] for reference in alike} == {banked.Travelled()}
    with bench.sessions.read() as session:
        assert {line.state for line in session.scalars(select(StatementLine))} == {"open"}
        why = session.get_one(Payout, gone).undone_why
    assert why == ("iKhokha says otherwise." if tie_only else "Not so."), (
        "what was undone stays as it was told"
    )


@pytest.mark.parametrize("line", [1, 2])
def test_one_line_of_a_night_is_not_undone_nor_taken_back_alone(bench, alike, line):
    """Else its money would be free, and the captures that it brought banked by the other."""
    bench.explain()
    with pytest.raises(Conflict, match=r"of payouts 1, 2, which are written down as one.*on Payouts"):
        bench.undo_match(line)
    with bench.sessions.begin() as session, pytest.raises(Conflict, match="Undo"):
        imports.undo(session, ADMIN, line, "Another account's.", now=bench.now)
    bench.bank("-1447.96", "MAGTAPE CREDIT IKHOKHA PAYOUT REVERSED")
    bench.propose()
    decided = Decided(3, (Part(Target.LINE, Money(-1447_96), line_id=line),), "", {}, why="Reversed.")
    with bench.sessions.begin() as session, pytest.raises(Conflict, match="which are written down as one"):
        reconciliation.accept(session, ADMIN, decided, now=bench.now)
    bench.lawful()
    with bench.sessions.begin() as session:
        explained.take_back(session, ADMIN, 1, "The bank took one back.", now=bench.now)
    with bench.sessions.begin() as session:
        reconciliation.accept(session, ADMIN, decided, now=bench.now)
    assert {bench.came(reference)[0] for reference in alike} == {banked.Travelled()}
    bench.lawful()


def test_days_of_a_night_are_expected_with_the_sums_of_all(bench, alike):
    def days(now) -> list[tuple]:
        with bench.sessions.read() as session:
            found = payout_watch.days(session, ADMIN, now=now)
        return [(one.first.day, one.day.day, one.gross, one.least, one.state) for one in found]

    bench.explain()
    bench.paid(Money(450_00))  # on Friday too, which the night covers
    both = (20, 21, Money(3000_00), Money(2895_92))
    assert days(bench.now) == [(*both, DayState.BANKED)]
    assert days(bench.now + timedelta(days=payout_watch.DAYS - 2)) == [(*both, DayState.BANKED)], "Saturday"
    later = bench.now + timedelta(days=3)
    undone_alone(bench, 2, tie_only=True)
    assert days(later) == [(*both, DayState.LATE)]
    with bench.sessions.read() as session:
        (alarm,) = payout_watch.alarms(session, now=later)
    assert alarm.sentence.startswith("The payout of 20–21 Nov 2026 is not on any statement")


def test_what_tells_one_day_of_a_night_asks_for_the_night_back_first(bench, alike):
    bench.explain()
    day = STATEMENT.replace("2 850.00", "1 500.00").replace("-R93.40", "-R49.16")
    day = day.replace("2 756.60", "1 450.84").replace("2 753.72", "1 447.96")
    with pytest.raises(Conflict, match="payouts 1, 2 are written down as one"):
        bench.paste(day)
    with bench.sessions.begin() as session:
        explained.take_back(session, ADMIN, 1, "iKhokha's statement tells.", now=bench.now)
    assert bench.paste(day).payouts == 1
    bench.lawful()


def test_of_a_night_all_is_written_down_or_nothing(bench, alike, monkeypatch):
    with bench.sessions.read() as session:
        asked = explaining.explain(session, ADMIN)
    with bench.sessions.begin() as session:  # meanwhile somebody sets the second line aside
        decided = Decided(2, (Part(Target.ASIDE, Money(1447_96)),), "", {}, why="Not ours.")
        reconciliation.accept(session, ADMIN, decided, now=bench.now)
    monkeypatch.setattr(explaining, "explain", lambda *_: asked)
    assert bench.explain().explained == 0
    with bench.sessions.read() as session:
        assert payout_list.listing(session, ADMIN) == []


def test_who_knows_which_line_is_whose_says_so(bench, alike):
    with bench.sessions.begin() as session:
        first, _ = explaining.explain(session, ADMIN)
        assert len(first.found) == 2  # either day
        explaining.accept(session, ADMIN, first, 1, now=bench.now)
    assert bench.explain().explained == 1
    with bench.sessions.read() as session:
        told = payout_list.listing(session, ADMIN)
    assert [(one.captures, one.difference, one.night) for one in told] == [(1, Money(0), ())] * 2
    bench.lawful()


def test_a_night_that_a_person_took_back_waits_for_a_person(bench, alike):
    """Who took it back knows which line brought which: nothing says otherwise before they have said so."""
    bench.explain()
    with bench.sessions.begin() as session:
        explained.take_back(session, ADMIN, 1, "The mail of Friday says which.", now=bench.now)
    bench.propose()
    run = bench.explain()
    assert (run.asked, run.explained) == (2, 0)
    with bench.sessions.begin() as session:
        first, _ = explaining.explain(session, ADMIN)
        explaining.accept(session, ADMIN, first, 1, now=bench.now)
    with bench.sessions.begin() as session:
        (other,) = explaining.explain(session, ADMIN)
        explaining.accept(session, ADMIN, other, 0, now=bench.now)
    with bench.sessions.read() as session:
        told = payout_list.listing(session, ADMIN)
    assert [(one.captures, one.night) for one in told] == [(1, ())] * 2
    bench.lawful()


def test_what_of_a_night_is_on_none_of_its_lines_is_found(bench, alike):
    bench.explain()
    with bench.sessions.begin() as session:
        payout = session.get_one(Payout, 2)
        payout.explanation = {**payout.explanation, "beside_minor": 0}
    with pytest.raises(AssertionError, match="144796 of their night is on none of their lines"):
        bench.lawful()


def test_payouts_that_are_explained_tell_how_the_gateway_rounds(bench):
    """A nearest attempt with a difference beyond rounding tells nothing of it."""
    bench.paid()
    bench.bank("1447.96")
    bench.propose()
    with bench.sessions.read() as session:
        assert explaining.habits(session).rounded_off == 0.1
    bench.explain()
    with bench.sessions.read() as session:
        assert explaining.habits(session).rounded_off == 1 / 11
    for off, seen in ((1, 2 / 11), (500, 0.1)):
        with bench.sessions.begin() as session:
            payout = session.get_one(Payout, 1)
            payout.difference_minor, payout.fee_minor = off, payout.fee_minor + off
            session.flush()
            assert explaining.habits(session).rounded_off == seen
            session.rollback()


def test_what_explains_as_well_is_chosen_by_a_person_and_by_nobody_else(bench):
    """One of two equal captures was held: which, no sum can tell, and the oldest is named with the others."""
    for minor in (1500_00, 1500_00, 900_00, 1200_00):
        bench.paid(Money(minor))
    bench.bank("3000.00")
    bench.propose()
    run = bench.explain()
    assert (run.asked, run.explained) == (1, 0)
    with bench.sessions.read() as session:
        (asked,) = explaining.explain(session, ADMIN)
        (waits,) = exceptions.queue(session, ADMIN, now=bench.now)
    assert not asked.is_sure
    assert waits.suggestion.get("gap_minor", 0) != 0 or len(asked.found) > 1
    with bench.sessions.begin() as session, pytest.raises(InvalidInput):
        explaining.accept(session, ADMIN, asked, 0, now=bench.now)
    with bench.sessions.begin() as session:
        explaining.accept(session, ADMIN, asked, 0, now=bench.now, why="Short; iKhokha was asked.")
    bench.lawful()


def test_days_around_one_that_is_paid_do_not_come_together(bench):
    """Thursday's nine rand were too small to be paid alone, but Friday's payout came without them."""
    bench.paid(Money(9_00), at=bench.friday - timedelta(days=1))
    friday = bench.paid(Money(450_00))
    bench.paid(Money(1500_00), at=bench.friday + timedelta(days=1))
    bench.bring(bench.row(friday, gross=450_00))
    bench.bank("1456.66")  # 1500 and 9 by card: less 42.75 and 6.41, 0.26 and 0.04, 2.88
    bench.propose()
    with bench.sessions.read() as session:
        (asked,) = explaining.explain(session, ADMIN)
    assert not asked.found[0].is_whole


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


def test_a_pasted_statement_is_a_payout_that_is_then_explained(bench):
    paid = [bench.paid(Money(minor)) for minor in (1500_00, 450_00, 900_00)]
    came = bench.paste(STATEMENT)
    assert (came.payouts, came.captures, bench.net()) == (1, 0, "2753.72")
    bench.bank("2753.72")
    assert dict(bench.propose().accepted) == {"payout": 1}  # before anybody knows what is in it
    assert bench.came(paid[0])[0] == banked.Travelled()
    assert bench.explain().explained == 1
    assert bench.came(paid[0])[0].banked_on == date(2026, 11, 23)
    bench.lawful()
    assert bench.paste(STATEMENT).again


def test_a_roll_up_is_explained_by_the_file_of_its_day(bench):
    paid = [bench.paid(Money(minor)) for minor in (1500_00, 450_00, 900_00)]
    bench.paste(STATEMENT)
    rows = [bench.row(one, minor) for one, minor in zip(paid, (1500_00, 450_00, 900_00), strict=True)]
    came = bench.bring(*rows)
    assert (came.payouts, came.known, came.captures) == (0, 1, 3)
    assert bench.came(paid[1])[0].payout_id == 1
    bench.lawful()
    bench.undo(file=2)
    assert bench.came(paid[1])[0] == banked.Travelled()
    bench.lawful()


@pytest.mark.parametrize(
    "wrong, says",
    [
        pytest.param(("R2 753.72", "R2 753.71"), "says R2 753.71 was paid", id="what was paid"),
        pytest.param(("R2 756.60", "R2 756.61"), "net sales say", id="net sales"),
        pytest.param(("20 Nov 2026", "31 Nov 2026"), "date cannot be read", id="date"),
    ],
)
def test_a_day_whose_sums_do_not_add_up_waits(bench, wrong, says):
    assert bench.paste(STATEMENT.replace(*wrong)).unread == 1
    with bench.sessions.read() as session:
        assert says in settlements.unread(session, ADMIN)[0].reason
    bench.lawful()


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
