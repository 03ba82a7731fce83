"""Bank lines find their payments: what is safe by itself, the rest by people, and all of it can be undone."""

from concurrent.futures import ThreadPoolExecutor, wait
from datetime import timedelta

import pytest
from sqlalchemy import text

from db.models import StatementLine
from db.money import Money
from payments import holding, lifecycle
from payments.access.people import Person, Role
from payments.bank import accounts, bank_books, imports
from payments.books import integrity
from payments.errors import Conflict, InvalidInput, NotAllowed
from payments.finding import search
from payments.finding.search import Filter
from payments.lifecycle import Method, Review, Source, Status
from payments.matching import Target, Way
from payments.reconciling import evenings, exceptions, matched, payer_memory, proposing, reconciliation
from payments.reconciling.parts import Decided, Part, locked_line
from payments.reconciling.proposing import Reason
from payments.watching import standstill
from tests.desk import ADMIN, FakeGateway, issue, make_event, payment_of

ORGANISER = Person(9, "Aisha", "aisha@example.org", Role.ORGANISER, None)
PRICE = Money(1500_00)


class Bench:
    """A desk with a bank account: payments are asked for, lines come, and somebody looks."""

    def __init__(self, sessions, now):
        self.sessions, self.now, self.gateway = sessions, now, FakeGateway()
        self.files = 0
        with sessions.begin() as session:
            make_event(session, now=now)
            self.account = accounts.create(session, ADMIN, name="Events", now=now).id

    def owes(self, name="Thandeka Mokoena", amount=PRICE) -> str:
        """The reference of somebody who is asked for this much."""
        return issue(
            self.sessions, self.gateway, now=self.now - timedelta(days=3), amount=amount, payer_name=name,
            payer_email=f"{name.split()[0].lower()}@example.org",
        ).reference  # fmt: skip

    def bank(self, *lines: tuple[str, str]) -> list[int]:
        """The ids of lines of today, each a text and a decimal amount."""
        self.files += 1
        rows = "".join(f"2026-11-23,{what},{amount}\n" for what, amount in lines)
        data = f"Date,Description,Amount\n{rows}"
        with self.sessions.begin() as session:
            before = {row for (row,) in session.execute(text("SELECT id FROM statement_lines"))}
            imports.import_file(
                session, ADMIN, self.account, f"{self.files}.csv", data.encode(), now=self.now, mapping=PLAIN
            )
            rows = session.execute(text("SELECT id FROM statement_lines ORDER BY id"))
            return [row for (row,) in rows if row not in before]

    def propose(self):
        return proposing.propose(self.sessions, ADMIN, now=self.now)

    def status(self, reference) -> tuple[str, int, int]:
        with self.sessions.read() as session:
            payment = payment_of(session, reference)
            return payment.status, payment.received_minor, len(payment.receipts)

    def review(self, reference) -> str | None:
        with self.sessions.read() as session:
            return payment_of(session, reference).review

    def id_of(self, reference) -> int:
        with self.sessions.read() as session:
            return payment_of(session, reference).id

    def accept(self, line, *parts, why="", way="by hand") -> int:
        with self.sessions.begin() as session:
            return reconciliation.accept(session, ADMIN, Decided(line, parts, way, {}, why=why), now=self.now)

    def undo(self, match, why="It was another payer.") -> None:
        with self.sessions.begin() as session:
            reconciliation.undo(session, ADMIN, match, why, now=self.now)

    def waits(self, **more):
        with self.sessions.read() as session:
            return exceptions.queue(session, ADMIN, now=self.now, **more)

    def matches(self):
        with self.sessions.read() as session:
            return matched.list_matches(session, ADMIN)

    def lawful(self) -> None:
        with self.sessions.read() as session:
            assert [
                *bank_books.files(session),
                *bank_books.lines(session),
                *bank_books.matches(session),
            ] == []
            broken = [
                (rule.name, list(rule.broken_by(session))) for rule in integrity.RULES if rule.name in MONEY
            ]
            assert [found for found in broken if found[1]] == []


#: The rules that matches could break; the rest costs time and looks at what is not touched here.
MONEY = ("received", "status", "timeline", "standings", "hours", "taken")
PLAIN = imports.Mapping(
    name="Plain", date=0, description=(1,), amount=2, heading=("Date", "Description", "Amount")
)


@pytest.fixture
def bench(sessions, now):
    return Bench(sessions, now)


def bare(reference: str) -> str:
    return reference.replace("_", "")


def test_a_line_with_its_reference_and_amount_pays_by_itself(bench):
    one, other = bench.owes(), bench.owes("Sipho Dlamini")
    bench.bank((f"EFT T MOKOENA {bare(one)}", "1500.00"))
    run = bench.propose()
    assert (run.lines, dict(run.accepted)) == (1, {"exact reference": 1})
    assert bench.status(one) == (Status.PAID, PRICE.minor, 1)
    assert bench.status(other) == (Status.OPEN, 0, 0)
    (match,) = bench.matches()
    assert (match.how, match.by, match.parts[0].reference) == ("auto", "Paydesk", one)
    assert {sign.kind for sign in match.signs if sign.agrees} >= {"reference", "amount"}
    bench.lawful()
    assert bench.propose().lines == 0


def test_by_night_lines_are_asked_about_again_and_not_while_the_desk_stands_still(bench):
    assert proposing.by_night(bench.sessions, now=bench.now) is None  # nothing waits
    one = bench.owes()
    bench.bank((f"EFT {bare(one)}", "1500.00"))
    with bench.sessions.begin() as session:
        standstill.begin(session, "The books do not add up.", now=bench.now)
    assert proposing.by_night(bench.sessions, now=bench.now) is None
    with bench.sessions.begin() as session:
        standstill.end(session)
    assert dict(proposing.by_night(bench.sessions, now=bench.now).accepted) == {"exact reference": 1}
    assert bench.status(one)[0] == Status.PAID
    bench.lawful()


def test_equal_prices_alone_pay_nothing(bench):
    for number in range(30):
        bench.owes(f"Payer Number{number}")
    bench.bank(("CASHFOCUS CREDIT", "1500.00"), ("EFT ABC TRADING", "1500.00"))
    assert not bench.propose().accepted
    assert [one.reason for one in bench.waits()] == [Reason.NOTHING, Reason.NOTHING]


@pytest.mark.parametrize("status", ["claimed", "expired", "cancelled", "failed"])
def test_a_line_pays_whatever_still_can_be_paid(bench, status):
    one = bench.owes()
    with bench.sessions.begin() as session:
        payment = payment_of(session, one)
        lifecycle.advance(session, payment, Status(status), now=bench.now, source=Source.DESK, actor="Thandi")
    bench.bank((f"EFT {bare(one)}", "1500.00"))
    bench.propose()
    assert bench.status(one) == (Status.PAID, PRICE.minor, 1)
    with bench.sessions.read() as session:
        late = payment_of(session, one).review == Review.PAID_LATE
    assert late is (status in ("expired", "cancelled"))
    bench.lawful()


def test_a_tie_is_shown_as_a_tie_and_a_person_breaks_it(bench):
    first, second = bench.owes("Thandeka Mokoena"), bench.owes("Thandeka Mokoena")
    (line,) = bench.bank(("EFT THANDEKA MOKOENA", "1500.00"))
    assert not bench.propose().accepted
    (waits,) = bench.waits()
    assert (waits.reason, waits.tie, waits.parts) == (Reason.TIE, True, ())
    assert {one.reference for one in waits.candidates} == {first, second}
    bench.accept(line, Part(Target.PAYMENT, PRICE, bench.id_of(second)))
    assert bench.status(second)[0] == Status.PAID
    assert bench.status(first)[0] == Status.OPEN
    assert bench.waits() == []
    bench.lawful()


def test_one_line_is_split_over_several_payments_and_a_surplus(bench):
    one, other = bench.owes(), bench.owes("Sipho Dlamini", Money(450_00))
    (line,) = bench.bank(("EFT ACME", "2000.00"))
    parts = (
        Part(Target.PAYMENT, PRICE, bench.id_of(one)),
        Part(Target.PAYMENT, Money(450_00), bench.id_of(other)),
        Part(Target.SURPLUS, Money(50_00)),
    )
    with pytest.raises(InvalidInput, match="Say why"):
        bench.accept(line, *parts)
    bench.accept(line, *parts, why="Acme paid for both and R50 too much.")
    assert bench.status(one)[0] == bench.status(other)[0] == Status.PAID
    bench.lawful()


def test_a_payment_is_found_by_what_the_bank_says_of_its_line_while_they_are_matched(bench):
    one = bench.owes()
    (line,) = bench.bank(("MAGTAPE KWAITO TRADING 88", "1500.00"))

    def found() -> list[str]:
        with bench.sessions.read() as session:
            return [row.reference for row in search.rows(session, ADMIN, Filter(text="kwaito trading"))]

    assert found() == []
    match = bench.accept(line, Part(Target.PAYMENT, PRICE, bench.id_of(one)))
    assert found() == [one]
    bench.undo(match)
    assert found() == []


def test_part_payments_add_up(bench):
    one = bench.owes()
    first, second = bench.bank(("EFT A", "1000.00"), ("EFT B", "500.00"))
    bench.accept(first, Part(Target.PAYMENT, Money(1000_00), bench.id_of(one)))
    assert bench.status(one) == (Status.PART_PAID, 1000_00, 1)
    match = bench.accept(second, Part(Target.PAYMENT, Money(500_00), bench.id_of(one)))
    assert bench.status(one) == (Status.PAID, 1500_00, 2)
    bench.undo(match)
    assert bench.status(one)[:2] == (Status.PART_PAID, 1000_00)
    bench.lawful()


def test_a_small_rest_is_written_off_with_a_reason_and_comes_back_with_an_undo(bench):
    one = bench.owes()
    (line,) = bench.bank((f"EFT {bare(one)}", "1490.00"))
    bench.propose()
    (waits,) = bench.waits()
    assert waits.reason is Reason.AMOUNT
    part = Part(Target.PAYMENT, Money(1490_00), bench.id_of(one), written_off=Money(10_00))
    with pytest.raises(InvalidInput, match="Say why it is written off"):
        bench.accept(line, part)
    match = bench.accept(line, part, why="The bank kept R10.")
    assert bench.status(one)[:2] == (Status.PAID, 1490_00)
    bench.lawful()
    bench.undo(match)
    assert bench.status(one)[:2] == (Status.OPEN, 0)
    bench.lawful()


@pytest.mark.parametrize(
    "parts, says",
    [
        pytest.param([(1499_99, 0)], "come to", id="a cent short of the line"),
        pytest.param([(1500_00, 1)], "waits for", id="more than the payment lacks"),
        pytest.param([(700_00, 0), (800_00, 800_00)], "waits for", id="more in two parts"),
        pytest.param([], "come to", id="nothing"),
    ],
)
def test_parts_that_do_not_add_up_change_nothing(bench, parts, says):
    one = bench.owes()
    (line,) = bench.bank(("EFT A", "1500.00"))
    made = [
        Part(Target.PAYMENT, Money(minor), bench.id_of(one), Money(off) if off else None)
        for minor, off in parts
    ]
    with pytest.raises((InvalidInput, Conflict), match=says):
        bench.accept(line, *made, why="It looked right.")
    assert bench.status(one) == (Status.OPEN, 0, 0)
    bench.lawful()


def test_more_than_the_limit_is_not_written_off_by_one_person(bench):
    one = bench.owes()
    (line,) = bench.bank(("EFT A", "1449.99"))
    part = Part(Target.PAYMENT, Money(1449_99), bench.id_of(one), Money(50_01))
    with pytest.raises(InvalidInput, match="one person may write off"):
        bench.accept(line, part, why="Let us be nice.")
    with pytest.raises(InvalidInput, match="only as they were found"):  # nor by calling it another thing
        bench.accept(line, part, why="Let us be nice.", way=Way.FOREIGN)


def test_what_a_person_undid_is_not_accepted_by_itself_again(bench):
    one = bench.owes()
    bench.bank((f"EFT {bare(one)}", "1500.00"))
    bench.propose()
    (match,) = bench.matches()
    bench.undo(match.id)
    assert bench.status(one)[:2] == (Status.OPEN, 0)
    (waits,) = bench.waits()
    assert (waits.reason, waits.parts[0].payment_id) == (Reason.UNDONE, bench.id_of(one))
    assert not bench.propose().accepted
    (waits,) = bench.waits()
    assert (waits.reason, waits.parts[0].payment_id) == (Reason.UNSURE, bench.id_of(one))
    bench.accept(waits.line_id, *waits.parts, way=waits.way)
    assert bench.status(one)[:2] == (Status.PAID, PRICE.minor)
    told = bench.matches()
    assert [one.undone_by for one in told] == [None, ADMIN.name]
    bench.lawful()
    with pytest.raises(Conflict, match="already"):
        bench.undo(match.id)


def test_a_refused_payment_is_not_proposed_again(bench):
    one = bench.owes()
    (line,) = bench.bank((f"EFT {bare(one)}", "1400.00"))
    bench.propose()
    assert [each.reference for each in bench.waits()[0].candidates] == [one]
    with bench.sessions.begin() as session:
        reconciliation.refuse(session, ADMIN, line, bench.id_of(one), "Another person.", now=bench.now)
    bench.propose()
    assert bench.waits()[0].candidates == ()
    bench.lawful()


def test_a_line_that_is_matched_is_not_matched_twice(bench):
    one = bench.owes()
    (line,) = bench.bank(("EFT A", "1500.00"))
    bench.accept(line, Part(Target.PAYMENT, PRICE, bench.id_of(one)))
    with pytest.raises(Conflict, match="matched already"):
        bench.accept(line, Part(Target.ASIDE, PRICE), why="By mistake.")


def test_a_bank_that_takes_a_line_back_reopens_what_it_paid(bench):
    one = bench.owes()
    bench.bank((f"EFT T MOKOENA {bare(one)}", "1500.00"))
    bench.propose()
    (back,) = bench.bank((f"RETURNED DEBIT T MOKOENA {bare(one)}", "-1500.00"))
    assert dict(bench.propose().accepted) == {"taken back": 1}
    assert bench.status(one)[:2] == (Status.OPEN, 0)
    assert bench.review(one) == Review.BANK_TOOK_IT_BACK
    bench.lawful()
    taken, paid = bench.matches()
    with pytest.raises(Conflict, match="undo that match first"):
        bench.undo(paid.id)
    assert taken.line_id == back
    bench.undo(taken.id)
    assert bench.status(one)[:2] == (Status.PAID, PRICE.minor)
    assert bench.review(one) is None
    bench.lawful()


def test_money_that_two_people_vouched_for_is_shown_by_its_line_and_not_counted_twice(bench):
    reference = bench.owes()
    with bench.sessions.begin() as session:
        lifecycle.receive(
            session, payment_of(session, reference), kind=Method.EFT, source_reference="approval-7",
            amount=PRICE, now=bench.now, source=Source.DESK, actor="Aisha and Farai",
        )  # fmt: skip
    line, again = bench.bank((f"EFT {bare(reference)}", "1500.00"), (f"AGAIN {bare(reference)}", "1500.00"))
    assert bench.propose().waiting == {Reason.PAID_BEFORE: 2}
    it = Part(Target.SURPLUS, PRICE, bench.id_of(reference))
    match = bench.accept(line, it)
    assert bench.status(reference) == ("paid", 150_000, 1)
    bench.lawful()
    with pytest.raises(InvalidInput, match="Say why"):
        bench.accept(again, it)
    bench.accept(again, it, why="They paid a second time.")
    bench.undo(match)
    assert bench.status(reference) == ("paid", 150_000, 1)
    bench.lawful()


def test_a_line_and_its_taking_back_cancel_out_and_part_again_together(bench):
    came, back = bench.bank(("EFT ACME TRADING", "700.00"), ("REVERSAL EFT ACME TRADING", "-700.00"))
    match = bench.accept(back, Part(Target.LINE, Money(-700_00), line_id=came))
    assert len(bench.matches()) == 2
    bench.lawful()
    bench.undo(match)
    with bench.sessions.read() as session:
        assert {session.get_one(StatementLine, one).state for one in (came, back)} == {"open"}
    bench.lawful()


def test_the_banks_own_fees_are_set_aside_by_their_rule(bench):
    bench.bank(("MONTHLY ACCOUNT FEE", "-69.00"), ("EFT TO PRINTERS", "-500.00"))
    run = bench.propose()
    assert dict(run.accepted) == {"rule": 1}
    assert bench.matches()[0].rule == "the bank's own fees v1"
    assert [one.reason for one in bench.waits()] == [Reason.MONEY_OUT]
    bench.lawful()


def test_an_import_with_matched_lines_lists_them_before_it_can_go(bench):
    one = bench.owes()
    bench.bank((f"EFT {bare(one)}", "1500.00"))
    bench.propose()
    with bench.sessions.read() as session:
        (file,) = imports.files(session, ADMIN)
        (matched,) = imports.undoing(session, ADMIN, file.id).matched
    with bench.sessions.begin() as session, pytest.raises(Conflict, match="1 of its lines are matched"):
        imports.undo(session, ADMIN, file.id, "Wrong file.", now=bench.now)
    bench.undo(matched.match_id)
    with bench.sessions.begin() as session:
        assert imports.undo(session, ADMIN, file.id, "Wrong file.", now=bench.now) == 1
    assert bench.waits() == []
    bench.lawful()


def test_an_import_goes_with_a_payment_and_what_took_it_back(bench):
    """Undone the oldest first, the payment's match was refused, and nobody was told of which line."""
    one, other = bench.owes(), bench.owes("Sipho Dlamini")
    paid = (f"EFT T MOKOENA {bare(one)}", "1500.00")
    back = (f"RETURNED DEBIT T MOKOENA {bare(one)}", "-1500.00")
    lines = bench.bank(paid, back, (f"EFT S DLAMINI {bare(other)}", "1500.00"))
    bench.propose()
    if bench.review(one) is None:  # what takes a line back may need the next round
        bench.propose()
    assert bench.review(one) == Review.BANK_TOOK_IT_BACK
    first = next(match for match in bench.matches() if match.line_id == lines[0])
    with pytest.raises(Conflict, match=r"by 23 Nov 2026, .*1.500\.00, “RETURNED DEBIT"):
        bench.undo(first.id)
    with bench.sessions.begin() as session:
        (file,) = imports.files(session, ADMIN)
        told = imports.undoing(session, ADMIN, file.id)
        assert {pays for match in told.matched for pays in match.payments} == {
            f"{one} · Thandeka Mokoena", f"{other} · Sipho Dlamini",
        }  # fmt: skip
        ids = [match.line_id for match in told.matched]
        reconciliation.undo_all(session, ADMIN, ids, "It was the wrong file.", now=bench.now)
        assert imports.undo(session, ADMIN, file.id, "It was the wrong file.", now=bench.now) == 3
    assert bench.status(one)[:2] == bench.status(other)[:2] == (Status.OPEN, 0)
    assert bench.review(one) is None
    bench.lawful()


def test_a_line_that_cannot_be_undone_with_the_others_is_named(bench):
    one = bench.owes()
    bench.bank((f"EFT T MOKOENA {bare(one)}", "1500.00"))
    (line,) = [match.line_id for match in (bench.propose(), bench.matches())[1]]
    bench.bank((f"RETURNED DEBIT T MOKOENA {bare(one)}", "-1500.00"))
    bench.propose()
    with (
        bench.sessions.begin() as session,
        pytest.raises(Conflict, match=r"Of 23 Nov 2026, .*“EFT T MOKOENA"),
    ):
        reconciliation.undo_all(session, ADMIN, [line], "It was the wrong file.", now=bench.now)


def test_an_import_is_taken_back_beside_somebody_who_matches_a_line_of_the_account(bench):
    """It held payments by then, and each waited for the other."""
    one = bench.owes()
    (paid,) = bench.bank((f"EFT T MOKOENA {bare(one)}", "1500.00"))
    bench.propose()
    (other,) = bench.bank(("EFT X", "20.00"))

    def taken_back() -> None:
        with bench.sessions.begin() as session:
            reconciliation.undo_all(session, ADMIN, [paid], "It was the wrong file.", now=bench.now)
            imports.undo(session, ADMIN, 1, "It was the wrong file.", now=bench.now)

    with ThreadPoolExecutor(1) as pool:
        with bench.sessions.begin() as session:
            locked_line(session, other)
            going = pool.submit(taken_back)
            wait([going], timeout=2)
            holding.payment(session, payment_of(session, one).id)
        going.result()
    assert bench.status(one)[:2] == (Status.OPEN, 0)
    bench.lawful()


def test_payer_memory_comes_from_what_people_confirmed(bench):
    one = bench.owes("Zola Ndlovu")
    lines = bench.bank(("EFT KAROO HOLDINGS", "1500.00"))
    bench.accept(lines[0], Part(Target.PAYMENT, PRICE, bench.id_of(one)))
    again = bench.owes("Zola Ndlovu")
    bench.owes("Sipho Dlamini")
    bench.bank(("EFT KAROO HOLDINGS 2", "1500.00"))
    bench.propose()
    (waits,) = bench.waits()
    assert [each.reference for each in waits.candidates] == [again]
    assert any("seen before" in sign.says for sign in waits.candidates[0].signs)
    bench.lawful()


def test_what_waits_is_summed_by_reason_and_age(bench):
    bench.bank(("EFT X", "100.00"), ("EFT TO PRINTERS", "-500.00"))
    bench.propose()
    with bench.sessions.read() as session:
        told = exceptions.summary(session, ADMIN, now=bench.now)
    assert told.total.count == 2
    assert told.total.at_risk == {"ZAR": Money(600_00)}
    assert {reason: one.count for reason, one in told.by_reason.items()} == {
        Reason.NOTHING: 1, Reason.MONEY_OUT: 1,
    }  # fmt: skip
    assert len(Reason) <= 12


def test_lines_that_nobody_asked_about_yet_wait_with_the_others(bench):
    bench.bank(("EFT X", "100.00"))
    bench.propose()
    bench.bank(("EFT Y", "30.00"), ("EFT Z", "-7.00"))
    with bench.sessions.read() as session:
        told = exceptions.summary(session, ADMIN, now=bench.now)
    assert (told.total.count, told.unasked.count, told.unasked.at_risk) == (1, 2, {"ZAR": Money(37_00)})
    assert (told.whole.count, told.whole.at_risk) == (3, {"ZAR": Money(137_00)})


def test_all_that_waits_in_dollars_puts_no_rand_at_risk():
    of_rows = exceptions.Standing.of([(1, 5_00, "USD")])
    told = exceptions.Summary({}, {}, of_rows, of_rows)
    assert told.whole == exceptions.Standing(2, {"USD": Money(10_00, "USD")})


def test_a_line_gets_an_owner_a_date_and_a_note(bench):
    (line,) = bench.bank(("EFT X", "100.00"))
    bench.propose()
    with bench.sessions.begin() as session:
        due = (bench.now - timedelta(days=1)).date()
        exceptions.assign(
            session, ADMIN, line, owner_id=None, due_on=due, note="Asked the bank.", now=bench.now
        )
        with pytest.raises(InvalidInput, match="reconcile"):
            exceptions.assign(session, ADMIN, line, owner_id=99, due_on=None, note="", now=bench.now)
    (one,) = bench.waits()
    assert (one.overdue, one.note) == (True, "Asked the bank.")


def test_only_who_may_reconcile_does(bench):
    one = bench.owes()
    (line,) = bench.bank(("EFT X", "1500.00"))
    part = Part(Target.PAYMENT, PRICE, bench.id_of(one))
    with pytest.raises(NotAllowed):
        proposing.propose(bench.sessions, ORGANISER, now=bench.now)
    for act in (
        lambda s: reconciliation.accept(s, ORGANISER, Decided(line, (part,), "x", {}), now=bench.now),
        lambda s: reconciliation.undo(s, ORGANISER, 1, "Because so.", now=bench.now),
        lambda s: reconciliation.refuse(s, ORGANISER, line, 1, "", now=bench.now),
        lambda s: exceptions.queue(s, ORGANISER, now=bench.now),
    ):
        with bench.sessions.begin() as session, pytest.raises(NotAllowed):
            act(session)


@pytest.mark.parametrize(
    "statement, told",
    [
        pytest.param(
            "UPDATE matches SET undone_at = at, undone_by = 'x'", "no match that stands", id="undone"
        ),
        pytest.param(
            "UPDATE payments SET written_off_minor = 1 WHERE id = 1", "1 written off", id="written off"
        ),
        pytest.param("UPDATE receipts SET amount_minor = amount_minor - 1", "says otherwise", id="a cent"),
    ],
)
def test_a_match_that_does_not_fit_its_money_is_named(bench, statement, told):
    one = bench.owes()
    (line,) = bench.bank(("EFT A", "1500.00"))
    bench.accept(line, Part(Target.PAYMENT, PRICE, bench.id_of(one)))
    with bench.sessions.begin() as session:
        session.execute(text(statement))
    with bench.sessions.read() as session:
        assert any(told in each for each in bank_books.matches(session))


def test_who_pays_for_whom_is_forgotten_when_somebody_refuses_it_and_learned_anew(bench):
    def confirmed(at) -> None:
        (line,) = bench.bank((f"EFT KAROO HOLDINGS {at:%H%M}", "1500.00"))
        part = Part(Target.PAYMENT, PRICE, bench.id_of(bench.owes("Zola Ndlovu")))
        with bench.sessions.begin() as session:
            reconciliation.accept(session, ADMIN, Decided(line, (part,), "by hand", {}), now=at)

    def known() -> bool:
        with bench.sessions.read() as session:
            memory = payer_memory.recalled(session, bench.now)
        return bool(memory.recall("EFT KAROO HOLDINGS", bench.now.date()))

    confirmed(bench.now)
    assert known()
    (line,) = bench.bank(("EFT KAROO HOLDINGS", "1500.00"))
    hers = bench.id_of(bench.owes("Zola Ndlovu"))
    with bench.sessions.begin() as session:
        later = bench.now + timedelta(minutes=1)
        reconciliation.refuse(session, ADMIN, line, hers, "She left the company.", now=later)
    assert not known()
    confirmed(bench.now + timedelta(minutes=2))
    assert known()


def test_the_trend_tells_what_waited_each_evening_and_what_is_too_old(bench):
    bench.bank(("EFT A", "100.00"), ("EFT B", "50.00"))
    bench.propose()
    (one, *_) = bench.waits()
    later = bench.now + timedelta(days=5)
    with bench.sessions.begin() as session:
        decided = Decided(one.line_id, (Part(Target.ASIDE, one.amount),), "by hand", {}, why="Not ours.")
        reconciliation.accept(session, ADMIN, decided, now=later)
    with bench.sessions.read() as session:
        told = evenings.list_evenings(session, ADMIN, now=later, days=7)
    assert [(each.waiting, each.old) for each in told] == [
        (0, 0), (2, 0), (2, 0), (2, 0), (2, 0), (2, 2), (1, 1),
    ]  # fmt: skip
    assert told[1].at_risk == {"ZAR": Money(150_00)}
