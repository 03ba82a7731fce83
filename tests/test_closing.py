"""Days are signed by one person and approved by another; then the database itself keeps them as they are."""

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from db.models import StatementLine
from db.money import Money
from payments.access.people import Person, Role
from payments.bank import bank_books, coverage, imports
from payments.bank.coverage import Told
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.lifecycle import Status
from payments.lump_sums import settlements
from payments.matching import Target
from payments.reconciling import exceptions
from payments.reconciling.parts import Part
from payments.sign_off import adjustments, closing, last_stage, night_drafts, sign_offs
from payments.sign_off.closing import Figures, Piece
from payments.sign_off.last_stage import SignedOff
from payments.sign_off.sign_offs import DayState, Period, State
from payments.working.worker import Worker
from tests.desk import ADMIN
from tests.test_approvals import somebody
from tests.test_reconciliation import PRICE, Bench, bare
from tests.test_settlements import Bench as Payouts

MONDAY, TUESDAY = date(2026, 11, 23), date(2026, 11, 24)
WHY = "The bank sent a corrected statement."


class Desk(Bench):
    """A bank account on the Wednesday after, with people who can sign off."""

    def __init__(self, sessions, now):
        super().__init__(sessions, now)
        self.now = now + timedelta(days=2)
        with sessions.begin() as session:
            self.farai = somebody(session, "Farai", Role.FINANCE, now=now)
            self.gugu = somebody(session, "Gugu", Role.FINANCE, now=now)
            self.audra = somebody(session, "Audra", Role.AUDITOR, now=now)

    def statement(self, opening, *lines: tuple[date, str, int]) -> None:
        """A file with balances, in minor units."""
        self.files += 1
        rows, balance = "Date,Description,Amount,Balance\n", opening
        for on, what, minor in lines:
            balance += minor
            rows += f"{on},{what},{Money(minor).decimal},{Money(balance).decimal}\n"
        with self.sessions.begin() as session:
            imports.import_file(
                session, self.farai, self.account, f"{self.files}.csv", rows.encode(), now=self.now
            )

    def draft(self, on=MONDAY):
        with self.sessions.read() as session:
            return closing.draft(session, self.farai, self.account, on, now=self.now)

    def says(self, on=MONDAY) -> str:
        return " ".join(one.sentence for one in self.draft(on).blockers)

    def sign(self, on=MONDAY, person=None, digest=None, period=Period.DAY) -> int:
        with self.sessions.begin() as session:
            look = closing.draft if period is Period.DAY else sign_offs.month_draft
            one = look(session, self.farai, self.account, on, now=self.now)
            return sign_offs.sign(
                session, person or self.farai, self.account, period, on, digest or one.digest, "",
                now=self.now,
            ).id  # fmt: skip

    def close(self, on=MONDAY, period=Period.DAY) -> int:
        number = self.sign(on, period=period)
        self.do(sign_offs.approve, self.gugu, number)
        return number

    def do(self, function, person, number, *words):
        with self.sessions.begin() as session:
            return function(session, person, number, *words, now=self.now)

    def reopen(self, number) -> None:
        self.do(sign_offs.ask_reopen, self.farai, number, WHY)
        self.do(sign_offs.reopen, self.gugu, number)

    def lines(self) -> list[StatementLine]:
        with self.sessions.read() as session:
            return list(session.scalars(select(StatementLine).order_by(StatementLine.id)))

    def strip(self) -> dict[date, DayState]:
        with self.sessions.read() as session:
            days = sign_offs.strip(session, self.audra, self.account, MONDAY, now=self.now)
            return {day.on: day.state for day in days if day.state is not DayState.QUIET}

    def sound(self) -> None:
        with self.sessions.read() as session:
            assert list(bank_books.signed(session)) == []
        self.lawful()


@pytest.fixture
def desk(sessions, now):
    return Desk(sessions, now)


@pytest.fixture
def matched(desk):
    """A day with one line, matched, and its payment's reference."""
    desk.paid = desk.owes()
    desk.statement(0, (MONDAY, f"EFT {bare(desk.paid)}", PRICE.minor))
    desk.propose()
    return desk


@pytest.fixture
def closed(matched):
    matched.number = matched.close()
    return matched


def piece(count, minor) -> Piece:
    return Piece(count, Money(minor))


# -- the calendar -------------------------------------------------------------------------------------


def covers(desk) -> dict[Told, list[int]]:
    """The days of November up to today, by how statements tell of them."""
    found: dict[Told, list[int]] = {}
    with desk.sessions.read() as session:
        for day in sign_offs.strip(session, desk.audra, desk.account, MONDAY, now=desk.now):
            found.setdefault(day.cover.told, []).append(day.on.day)
    return found


def test_the_calendar_says_which_statements_tell_of_each_day_and_where_one_is_missing(desk):
    def on(day: int) -> date:
        return date(2026, 11, day)

    desk.statement(0, (on(3), "A", 100), (on(5), "B", 100))
    desk.statement(200, (on(9), "C", 100))
    desk.statement(900, (on(12), "D", 100), (on(13), "E", 100))
    desk.statement(1000, (on(13), "E", 100), (on(16), "F", 100))
    assert covers(desk) == {
        Told.BEFORE: [1, 2],
        Told.ONCE: [3, 4, 5, 9, 12, 14, 15, 16],
        Told.STILL: [6, 7, 8],
        Told.MISSING: [10, 11],
        Told.TWICE: [13],
        Told.NOT_YET: [17, 18, 19, 20, 21, 22, 23, 24, 25],
    }
    with desk.sessions.begin() as session:
        told = coverage.by_day(session, desk.audra, desk.account, on(10), on(13))
        assert "2.csv ends on 9 Nov 2026 with R3.00, and 3.csv begins on 12 Nov" in told[on(10)].why
        assert told[on(13)].files == ("3.csv", "4.csv")
        third, second = imports.files(session, ADMIN, desk.account)[1:3]
        imports.undo(session, ADMIN, third.id, WHY, now=desk.now)
        imports.undo(session, ADMIN, second.id, WHY, now=desk.now)
    assert Told.TWICE not in covers(desk)
    assert covers(desk)[Told.MISSING] == [6, 7, 8, 9, 10, 11, 12]


def test_without_balances_nothing_proves_a_day_quiet(desk):
    plain = imports.Mapping(name="P", date=0, description=(1,), amount=2, heading=("Date", "Text", "Amount"))
    with desk.sessions.begin() as session:
        for day in (18, 23):
            data = f"Date,Text,Amount\n2026-11-{day},EFT,1.00\n".encode()
            imports.import_file(session, ADMIN, desk.account, f"{day}.csv", data, now=desk.now, mapping=plain)
        assert coverage.gaps(session, ADMIN) == []
    assert covers(desk)[Told.UNPROVEN] == [19, 20, 21, 22]


# -- what a day is, and what is in the way -----------------------------------------------------------


def test_a_day_is_its_lines_matched_explained_and_waiting(desk):
    one = desk.owes()
    desk.statement(
        100, (MONDAY, f"EFT {bare(one)}", PRICE.minor), (MONDAY, "BANK FEE", -500), (MONDAY, "ABC", 700)
    )
    desk.propose()
    _, fee, _ = desk.lines()
    desk.accept(fee.id, Part(Target.ASIDE, Money(-500)), why="The bank's monthly fee.")
    draft = desk.draft()
    none = piece(0, 0)
    assert draft.figures == Figures(
        piece(3, 150200), piece(1, 150000), piece(1, -500), piece(1, 700), none, none
    )
    assert draft.figures.adds_up
    assert (draft.balances.opening, draft.balances.closing) == (Money(100), Money(150300))
    assert [(line.text, line.reason) for line in draft.waiting] == [("ABC", "nothing")]


def test_what_waits_needs_an_owner_and_an_explanation_and_the_sentence_leads_to_it(desk):
    desk.statement(0, (MONDAY, "EFT ABC", 700))
    assert "nobody asked yet" in desk.says()
    desk.propose()
    (line,) = desk.lines()
    (blocker,) = desk.draft().blockers
    assert blocker.sentence == "R7.00, EFT ABC: it waits, and lacks an owner and an explanation."
    assert (blocker.page, blocker.query) == ("finance/workbench", (("line", str(line.id)),))
    with desk.sessions.begin() as session:
        exceptions.assign(
            session, desk.farai, line.id, owner_id=desk.gugu.id, due_on=None, note="", now=desk.now
        )
    assert "lacks an explanation" in desk.says()
    explain(desk, line.id)
    assert desk.draft().ready


def explain(desk, line_id) -> None:
    with desk.sessions.begin() as session:
        exceptions.assign(
            session, desk.farai, line_id, owner_id=desk.gugu.id, due_on=None,
            note="Asked the payer who she is.", now=desk.now,
        )  # fmt: skip


def test_a_day_cannot_be_signed_before_it_is_over_nor_by_a_statement_of_its_afternoon(matched, now):
    matched.now = now
    assert "The day is not over" in matched.says()
    assert matched.says(TUESDAY) == "The day is not over: it can be signed from tomorrow on."
    with matched.sessions.begin() as session:
        session.execute(text("UPDATE statement_files SET imported_at = '2026-11-23 10:00:00'"))
    matched.now = now + timedelta(days=1)
    assert "before 23 Nov 2026 was over" in matched.says()


def test_a_row_that_could_not_be_read_keeps_its_day_open(desk):
    data = "Date,Description,Amount,Balance\n2026-11-23,EFT A,7.00,7.00\n2026-11-23,EFT B,x,\n"
    with desk.sessions.begin() as session:
        imports.import_file(session, desk.farai, desk.account, "odd.csv", data.encode(), now=desk.now)
    assert "odd.csv, row 3, could not be read" in desk.says()


def test_a_row_of_a_payout_that_could_not_be_read_keeps_the_day_of_its_money_open(sessions, now):
    bench = Payouts(sessions, now)
    bench.bring(bench.row(bench.paid()), "2026-11-20,Lottery,A,card,100.00,2.85,0.43,,P1", name="odd.csv")
    bench.bank(bench.net())

    def says() -> str:
        with sessions.read() as session:
            drawn = closing.draft(session, ADMIN, bench.account, MONDAY, now=now + timedelta(days=1))
            return " ".join(one.sentence for one in drawn.blockers)

    assert "odd.csv, row 3, could not be read" in says()
    with sessions.begin() as session:
        (waits,) = settlements.unread(session, ADMIN)
        settlements.set_aside(session, ADMIN, waits.id, "A line of the shop's.", now=now)
    assert "could not be read" not in says()


def test_lines_that_do_not_lead_from_morning_to_evening_keep_a_day_open(matched):
    """The same line told by another layout in other words is a line too many."""
    matched.bank(("EFT again in other words", "1500.00"))
    matched.propose()
    assert "the bank says" in matched.says().lower()
    with pytest.raises(Conflict, match="there twice"):
        matched.sign()


def test_balances_that_do_not_meet_across_days_say_that_a_statement_is_missing(closed):
    closed.statement(999, (TUESDAY, "EFT", 100))
    assert "23 Nov 2026 closed with R1\u00a0500.00, and 24 Nov 2026 opens with R9.99" in closed.says(TUESDAY)


# -- one signs, another approves ---------------------------------------------------------------------


def test_a_day_is_signed_by_one_and_approved_by_another(matched):
    assert matched.strip() == {MONDAY: DayState.READY}
    number = matched.sign()
    assert matched.strip() == {MONDAY: DayState.SIGNED}
    with pytest.raises(NotAllowed, match="another person approves"):
        matched.do(sign_offs.approve, matched.farai, number)
    view = matched.do(sign_offs.approve, matched.gugu, number)
    assert (view.signer, view.approver, view.state) == ("Farai", "Gugu", State.APPROVED)
    assert [step.step for step in view.steps] == ["signed", "approved"]
    assert matched.strip() == {MONDAY: DayState.APPROVED}
    with pytest.raises(Conflict, match="approved already"):
        matched.sign()
    matched.sound()


#: One person for two, a step left out, a signature changed, and a row taken away.
SIGNED_OTHERWISE = (
    "UPDATE sign_offs SET state = 'approved', approver_id = signer_id",
    "UPDATE sign_offs SET state = 'approved'",
    "UPDATE sign_offs SET state = 'reopened'",
    "UPDATE sign_offs SET figures = '{}'",
    "UPDATE sign_offs SET last_on = '2026-11-22', first_on = '2026-11-22'",
    "DELETE FROM sign_offs",
    "UPDATE sign_off_steps SET why = 'x'",
)


def test_the_database_refuses_one_person_for_two_and_a_signature_changed(matched):
    matched.sign()
    for forgery in SIGNED_OTHERWISE:
        with pytest.raises(DatabaseError), matched.sessions.begin() as session:
            session.execute(text(forgery))


def test_a_signature_is_of_just_what_was_looked_at(matched):
    before = matched.draft().digest
    matched.statement(PRICE.minor, (TUESDAY, "EFT", 100))
    assert matched.draft().digest == before
    (match,) = matched.matches()
    matched.undo(match.id)
    explain(matched, match.line_id)
    with pytest.raises(Conflict, match="changed since you looked"):
        matched.sign(digest=before)


def test_who_may_only_look_signs_nothing_and_nobody_signs_from_nowhere(matched):
    nobody = Person(0, "cli:root", "", Role.ADMIN, None)
    for person, says in ((matched.audra, "takes the role"), (nobody, "nobody's name")):
        with pytest.raises(NotAllowed, match=says):
            matched.sign(person=person)
    with pytest.raises(NotFound):
        matched.do(sign_offs.approve, matched.gugu, 999)


def test_a_signature_refused_or_taken_back_opens_the_day(matched):
    for person in (matched.gugu, matched.farai):
        number = matched.sign()
        matched.do(sign_offs.refuse, person, number, "The fee is missing.")
        assert matched.strip() == {MONDAY: DayState.READY}
    (match,) = matched.matches()
    matched.undo(match.id)
    matched.sound()


# -- what is locked ----------------------------------------------------------------------------------

FORGERIES = [
    'INSERT INTO statement_lines (account_id, key, ordinal, "on", amount_minor, amount_currency, fee_minor,'
    " description, reference, state, by_hand) VALUES (1, 'k', 1, '2026-11-23', 5, 'ZAR', 0, '', '', 'open',"
    " {false})",
    "UPDATE statement_lines SET state = 'open'",
    "UPDATE statement_lines SET state = 'gone'",
    "UPDATE statement_lines SET amount_minor = 1",
    "UPDATE statement_lines SET booked_on = '2026-11-24'",
    "DELETE FROM statement_lines",
    "UPDATE matches SET undone_at = '2026-11-24 10:00:00', undone_by = 'x'",
    "UPDATE matches SET booked_on = '2026-11-24'",
    'INSERT INTO matches (line_id, how, way, rule, "by", why, evidence, at) VALUES'
    " (1, 'person', 'by hand', '', 'x', '', '{{}}', '2026-11-24 10:00:00')",
    "DELETE FROM matches",
    "INSERT INTO match_parts (match_id, target, amount_minor, amount_currency, written_off_minor)"
    " VALUES (1, 'surplus', 5, 'ZAR', 0)",
    "UPDATE match_parts SET amount_minor = 1",
    "DELETE FROM match_parts",
    "UPDATE receipts SET amount_minor = amount_minor + 1",
    "DELETE FROM receipts",
]


#: What is signed off; what is never changed, signed off or not.
IN_WORDS = ("this day is signed off", "only ever added", "never changes")


@pytest.mark.parametrize("state", ["signed", "approved"])
def test_sql_by_hand_changes_nothing_of_a_signed_day(matched, state):
    """Each is refused by the database itself, in words; of the same day open, those that lock are not."""
    number = matched.sign()
    if state == "approved":
        matched.do(sign_offs.approve, matched.gugu, number)
    false = "0" if matched.sessions.engine.dialect.name == "sqlite" else "false"
    for forgery in FORGERIES:
        with pytest.raises(DatabaseError) as refused, matched.sessions.begin() as session:
            session.connection().exec_driver_sql(forgery.format(false=false))
        assert any(words in str(refused.value) for words in IN_WORDS), forgery
    matched.sound()


def test_the_same_sql_is_let_through_while_the_day_is_open(matched):
    false = "0" if matched.sessions.engine.dialect.name == "sqlite" else "false"
    for forgery in (FORGERIES[0], FORGERIES[4], FORGERIES[6], FORGERIES[10], FORGERIES[13]):
        with matched.sessions.begin() as session:
            session.connection().exec_driver_sql(forgery.format(false=false))


def test_the_desk_says_in_words_what_a_signed_day_refuses(closed):
    (match,) = closed.matches()
    with pytest.raises(Conflict, match="23 Nov 2026 of Events was signed off, by Farai"):
        closed.undo(match.id)
    with pytest.raises(Conflict, match="matched"), closed.sessions.begin() as session:
        imports.undo(session, closed.farai, 1, WHY, now=closed.now)
    assert closed.status(closed.paid)[0] == Status.PAID


def test_an_import_with_lines_of_a_signed_day_cannot_be_undone(desk):
    desk.statement(0, (MONDAY, "EFT ABC", 700))
    desk.propose()
    explain(desk, desk.lines()[0].id)
    desk.close()
    with pytest.raises(Conflict, match="signed off"), desk.sessions.begin() as session:
        imports.undo(session, desk.farai, 1, WHY, now=desk.now)


# -- what comes later --------------------------------------------------------------------------------


def test_a_line_that_comes_late_is_booked_on_the_first_open_day_and_keeps_its_own(closed):
    closed.statement(0, (MONDAY, f"EFT {bare(closed.paid)}", PRICE.minor), (MONDAY, "LATE", 700))
    _, late = closed.lines()
    assert (late.on, late.booked_on) == (MONDAY, TUESDAY)
    assert closed.draft(MONDAY).figures.lines == piece(1, PRICE.minor)
    assert closed.draft(TUESDAY).figures.late_lines == piece(1, 700)
    with closed.sessions.read() as session:
        (told,) = adjustments.listed(session, closed.audra, closed.account)
    assert (told.on, told.booked_on, told.amount, told.text) == (MONDAY, TUESDAY, Money(700), "LATE")
    closed.sound()


def test_the_first_open_day_lies_behind_all_that_are_signed(closed):
    closed.statement(PRICE.minor, (TUESDAY, "EFT", 100))
    closed.propose()
    explain(closed, closed.lines()[1].id)
    closed.now += timedelta(days=1)
    closed.statement(PRICE.minor, (TUESDAY, "EFT", 100), (date(2026, 11, 25), "EFT", 50))
    closed.close(TUESDAY)
    closed.bank(("LATE", "7.00"))
    assert closed.lines()[-1].booked_on == date(2026, 11, 25)


def test_a_line_explained_when_its_day_was_signed_is_matched_later_on_an_open_day(desk):
    one = desk.owes()
    desk.statement(0, (MONDAY, "EFT ABC", PRICE.minor))
    desk.propose()
    (line,) = desk.lines()
    explain(desk, line.id)
    desk.close()
    signed = desk.draft().figures
    number = desk.accept(line.id, Part(Target.PAYMENT, PRICE, desk.id_of(one)))
    assert desk.status(one)[0] == Status.PAID
    assert desk.draft().figures == signed
    assert desk.draft(TUESDAY).figures.late_matches == piece(1, PRICE.minor)
    with desk.sessions.read() as session:
        (told,) = adjustments.listed(session, desk.audra, desk.account)
    assert (told.on, told.booked_on, told.why) == (MONDAY, TUESDAY, "matched by Thandi Nkosi")
    desk.sound()
    desk.undo(number)
    assert desk.status(one)[0] == Status.OPEN
    desk.sound()


def test_money_the_bank_takes_back_of_a_signed_day_goes_and_its_day_stays(closed):
    paid_line = closed.lines()[0]
    closed.statement(PRICE.minor, (TUESDAY, "RETURNED", -PRICE.minor))
    _, back = closed.lines()
    number = closed.accept(
        back.id, Part(Target.LINE, Money(-PRICE.minor), line_id=paid_line.id), why="Returned by the bank."
    )
    assert closed.status(closed.paid)[0] == Status.OPEN
    closed.sound()
    with pytest.raises(Conflict, match="signed off"):
        closed.undo(number)
    closed.reopen(closed.number)
    closed.undo(number)
    assert closed.status(closed.paid)[0] == Status.PAID
    closed.sound()


# -- reopening ---------------------------------------------------------------------------------------


def test_reopening_takes_a_reason_and_a_second_person_and_is_remembered(closed):
    with pytest.raises(InvalidInput, match="Say why"):
        closed.do(sign_offs.ask_reopen, closed.farai, closed.number, "  ")
    closed.do(sign_offs.ask_reopen, closed.farai, closed.number, WHY)
    with pytest.raises(NotAllowed, match="another person reopens"):
        closed.do(sign_offs.reopen, closed.farai, closed.number)
    (match,) = closed.matches()
    with pytest.raises(Conflict, match="signed off"):
        closed.undo(match.id)
    closed.do(sign_offs.keep_closed, closed.gugu, closed.number, "It was right.")
    closed.reopen(closed.number)
    assert closed.strip() == {MONDAY: DayState.REOPENED}
    closed.undo(match.id)
    explain(closed, match.line_id)
    closed.close()
    with closed.sessions.read() as session:
        newest, first = sign_offs.history(session, closed.audra, closed.account, Period.DAY, MONDAY)
    assert (newest.state, newest.figures.waiting.count) == (State.APPROVED, 1)
    assert [(step.step, step.by) for step in first.steps][2:] == [
        ("reopening", "Farai"), ("kept closed", "Gugu"), ("reopening", "Farai"), ("reopened", "Gugu"),
    ]  # fmt: skip
    closed.sound()


def test_a_month_takes_all_its_days_and_then_holds_them(closed, now):
    closed.statement(PRICE.minor, (TUESDAY, "EFT", 100))
    closed.propose()
    explain(closed, closed.lines()[1].id)
    with pytest.raises(Conflict, match=r"The month is not over\. 24 Nov 2026 is not signed"):
        closed.sign(period=Period.MONTH)
    closed.now = now + timedelta(days=10)
    closed.statement(PRICE.minor + 100, (date(2026, 12, 2), "EFT", 5))
    closed.close(TUESDAY)
    month = closed.close(period=Period.MONTH)
    with pytest.raises(Conflict, match="Reopen the month first"):
        closed.do(sign_offs.ask_reopen, closed.farai, closed.number, WHY)
    closed.bank(("LATE", "7.00"))
    assert closed.lines()[-1].booked_on == date(2026, 12, 1)
    closed.reopen(month)
    closed.reopen(closed.number)
    closed.sound()


def test_the_days_in_the_way_of_a_month_are_one_sentence_for_all_that_lack_the_same(closed, now):
    """Twelve days stood as twelve lines, and one that waited for its second person was told as signed."""
    days = [MONDAY + timedelta(days=nth) for nth in range(1, 5)]
    closed.now = now + timedelta(days=10)
    closed.statement(PRICE.minor, *((day, f"EFT {day}", 100) for day in days))
    closed.propose()
    for line in closed.lines()[1:]:
        explain(closed, line.id)
    closed.sign(days[0])

    def says() -> list[str]:
        with closed.sessions.read() as session:
            one = sign_offs.month_draft(session, closed.farai, closed.account, MONDAY, now=closed.now)
            return [blocker.sentence for blocker in one.blockers]

    assert says() == ["24 Nov 2026 waits for a second person.", "25, 26 and 27 Nov 2026 are not signed."]
    closed.do(sign_offs.ask_reopen, closed.farai, closed.number, WHY)
    assert says()[0] == "23 Nov 2026 is to be reopened by a second person."


# -- the night ---------------------------------------------------------------------------------------


def test_the_worker_draws_up_each_open_day_once_a_night(matched):
    worker = Worker(matched.sessions, {"ikhokha": matched.gateway}, None, "desk@example.org")
    worker.round(now=matched.now)
    with matched.sessions.read() as session:
        night = night_drafts.last(session, matched.audra, matched.account, MONDAY)
        assert night is not None
        assert (night.figures.matched.count, night.blockers, night.made_at) == (1, 0, matched.now)
        assert not night_drafts.due(session, now=matched.now)
        assert night_drafts.due(session, now=matched.now + timedelta(days=1))
    matched.close()
    assert night_drafts.make(matched.sessions, now=matched.now + timedelta(days=1)) == 0


def test_a_payment_is_signed_off_once_its_day_is_approved_and_no_more_when_it_is_reopened(matched):
    def stage():
        with matched.sessions.read() as session:
            told = last_stage.signed_off(session, matched.paid)
        return told.banked, told.signed, told.whole, told.last_on

    assert stage() == (1, 0, False, None)
    number = matched.sign()
    assert stage() == (1, 0, False, None), "one person's signature closes nothing"
    matched.do(sign_offs.approve, matched.gugu, number)
    assert stage() == (1, 1, True, MONDAY)
    matched.reopen(number)
    assert stage() == (1, 0, False, None)
    (match,) = matched.matches()
    matched.undo(match.id)
    assert stage() == (0, 0, False, None)


def test_money_of_a_payout_is_signed_off_with_the_day_of_its_line(sessions, now):
    """The way of a gateway's payment ends where its payout stands on the statement."""
    bench = Payouts(sessions, now)
    one = bench.paid()
    bench.bring(bench.row(one))
    bench.bank(bench.net())
    bench.propose()
    with sessions.read() as session:
        assert last_stage.signed_off(session, one) == SignedOff(1, 1, 0, None)


# -- the sum law, of any day -------------------------------------------------------------------------


@settings(max_examples=15)
@given(
    days=st.lists(
        st.lists(st.tuples(st.integers(-9_999, 9_999).filter(bool), st.booleans()), max_size=5),
        min_size=1, max_size=4,
    ),
    cut=st.integers(0, 3),
)  # fmt: skip
def test_whatever_comes_in_whichever_order_each_day_adds_up_and_all_days_are_all_lines(days, cut):
    """Pure: pieces add like the lines they are of."""
    total = closing.nothing("ZAR")
    for lines in days[cut:] + days[:cut]:
        for minor, is_matched in lines:
            one = piece(1, minor)
            none = piece(0, 0)
            total += Figures(one, one if is_matched else none, none, none if is_matched else one, none, none)
    assert total.adds_up
    assert total.lines.amount.minor == sum(minor for lines in days for minor, _ in lines)
    assert closing.figures_of({"currency": "ZAR", "pieces": closing.pieces_to_plain(total)}) == total
