"""Two do something to one payout at once: each sees what the other did, and what the books say stays true."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest
from sqlalchemy.orm import Session

from db.money import Money
from payments.errors import Conflict
from payments.lump_sums import explaining, payout_list, settlements, tying
from tests import hook
from tests.desk import ADMIN
from tests.test_settlements import STATEMENT, Bench, bench
from tests.test_went_back import somebody_waits

__all__ = ["bench"]

#: SQLite has one writer at a time.
pytestmark = pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)


def at_once(bench: Bench, first: Callable[[Session], object], second: Callable[[], object]) -> Future[object]:
    """What came of the second, which begins before the first ends and has to wait for it."""
    with ThreadPoolExecutor(1) as pool, bench.sessions.begin() as session:
        first(session)
        session.flush()
        other = pool.submit(second)
        hook.wait_until(lambda: other.done() or somebody_waits(bench))
    return other


def undo(bench: Bench, session: Session, file: int) -> int:
    return settlements.undo(session, ADMIN, file, "It was another month.", now=bench.now)


def tie(bench: Bench, session: Session, line: int) -> int:
    return tying.tie(session, ADMIN, 1, line, now=bench.now, why="iKhokha was asked.")


def confirmed_by(bench: Bench) -> tuple[str, ...]:
    with bench.sessions.read() as session:
        return payout_list.detail(session, ADMIN, 1).confirmed_by


def test_two_imports_that_confirm_one_payout_are_undone_at_once(bench):
    """The second wrote the first one's file back: nobody could take that payout back any more."""
    one, other = bench.paid(), bench.paid(Money(450_00))
    bench.bank(Money(1500_00 - 42_75 - 6_41 + 450_00 - 12_83 - 1_92 - 2_88).decimal)
    bench.propose()
    assert bench.explain().explained == 1
    rows = bench.row(one), bench.row(other, 450_00)
    bench.bring(*rows)
    bench.bring(*rows[::-1], name="again.csv")
    assert confirmed_by(bench) == ("payout.csv", "again.csv")
    assert at_once(bench, lambda session: undo(bench, session, 2), lambda: bench.undo(1)).result() == 0
    assert confirmed_by(bench) == ()


@pytest.fixture
def line(bench: Bench) -> int:
    """A line of the bank that only a person ties to payout 1."""
    bench.bring(bench.row("NOBODY"))
    bench.bank(Money(Money.parse(bench.net()).minor - 5_00).decimal)
    bench.propose()
    with bench.sessions.read() as session:
        (one,) = tying.lines_for(session, ADMIN, 1)
    return one.line_id


def test_an_import_is_not_undone_while_its_payout_is_tied_to_the_bank(bench, line):
    came = at_once(bench, lambda session: tie(bench, session, line), lambda: bench.undo(1))
    with pytest.raises(Conflict, match="On the bank's statement already: payout 1"):
        came.result()
    bench.lawful()


def test_a_file_does_not_tell_what_is_in_a_roll_up_while_somebody_explains_it(bench):
    prices = (1500_00, 450_00, 900_00)
    rows = [bench.row(bench.paid(Money(minor)), minor) for minor in prices]
    bench.paste(STATEMENT)
    with bench.sessions.read() as session:
        (asked,) = explaining.explain(session, ADMIN)

    def accept(session: Session) -> int:
        return explaining.accept(session, ADMIN, asked, 0, now=bench.now)

    came = at_once(bench, accept, lambda: bench.bring(*rows))
    with pytest.raises(Conflict, match="payout 1 was explained or undone just now"):
        came.result()
    bench.lawful()
