"""A lump sum that no file tells the payments of: its days' captures explain it, or it waits for a person."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from sqlalchemy import select, text

from db.models import Match, Payout, StatementLine
from db.money import Money
from payments.bank import imports
from payments.books import integrity
from payments.errors import Conflict, InvalidInput
from payments.lump_sums import banked, explained, explaining, payout_list, payout_watch, settlements
from payments.lump_sums.payout_watch import DayState
from payments.matching import Target
from payments.reconciling import exceptions, reconciliation
from payments.reconciling.parts import Decided, Part, locked_line
from payments.reconciling.proposing import Reason
from tests import hook
from tests.desk import ADMIN
from tests.test_settlements import STATEMENT, bench

__all__ = ["bench"]


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
    with bench.sessions.begin() as session, pytest.raises(InvalidInput, match="second person's approval"):
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
    with pytest.raises(Conflict, match=r"^payout\.csv tells what is in payout 1\. Undo that import first"):
        bench.undo(file=1)
    bench.undo(file=2)
    assert bench.came(paid[1])[0] == banked.Travelled()
    bench.lawful()
    assert bench.undo(file=1) == 1


def sums_of(bench) -> tuple:
    with bench.sessions.read() as session:
        row = payout_list.detail(session, ADMIN, 1).row
        return row.gross, row.fee + row.vat, row.payout_fee, row.less, row.net, row.unexplained, row.explained


def test_a_roll_up_that_nobody_explains_any_more_says_again_what_the_gateway_said(bench):
    """It kept the sums of who was wrong, and the file that was right was refused for them."""
    wrong, *others = (bench.paid(Money(minor)) for minor in (1499_00, 450_00, 900_00))
    bench.paste(STATEMENT)
    told = sums_of(bench)
    with bench.sessions.begin() as session:
        (asked,) = explaining.explain(session, ADMIN)
        explaining.accept(session, ADMIN, asked, 0, now=bench.now)
    assert sums_of(bench)[0] == Money(2849_00)
    with bench.sessions.begin() as session:
        explained.take_back(session, ADMIN, 1, "There was another payment.", now=bench.now)
    assert sums_of(bench) == told
    rows = bench.row(bench.paid()), *(bench.row(*one) for one in zip(others, (450_00, 900_00), strict=True))
    assert bench.bring(*rows).known == 1
    assert bench.came(wrong)[0].payout_id is None
    bench.lawful()
    bench.undo(2)
    assert sums_of(bench) == told
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
