"""A file of the gateway tells what the bank's line was explained by: it confirms that, or says why not."""

from datetime import timedelta

import pytest

from db.models import Payout
from db.money import Money
from payments.errors import Conflict
from payments.lump_sums import confirming, explained, explaining, payout_list, settlements
from tests.desk import ADMIN
from tests.test_settlements import HEADS, MAPPING, Bench


@pytest.fixture
def bench(sessions, now):
    bench = Bench(sessions, now)
    bench.references = [bench.paid(Money(minor)) for minor in (1500_00, 450_00)]
    bench.bank(Money(1500_00 - 42_75 - 6_41 + 450_00 - 12_83 - 1_92 - 2_88).decimal)
    bench.propose()
    assert bench.explain().explained == 1
    return bench


def rows(bench, *, more=0) -> tuple[str, str]:
    one, other = bench.references
    return bench.row(one), bench.row(other, 450_00, more=more)


def refusal(bench, *some) -> str | None:
    data = "\n".join((",".join(HEADS), *some)).encode()
    with bench.sessions.read() as session:
        told, _ = settlements.read(session, ADMIN, "payout.csv", data, mapping=MAPPING)
        return confirming.refusal(session, ADMIN, told)


def told(bench):
    with bench.sessions.read() as session:
        return payout_list.detail(session, ADMIN, 1)


def test_the_same_captures_and_sum_confirm_it_and_the_import_is_undone_without_it(bench):
    assert refusal(bench, *rows(bench)) is None
    came = bench.bring(*rows(bench))
    assert (came.payouts, came.known) == (0, 1)
    detail = told(bench)
    assert detail.confirmed_by == ("payout.csv",)
    assert (detail.row.explained, detail.row.captures, detail.row.banked is not None) == ("auto", 2, True)
    bench.lawful()
    in_no_payout = pytest.raises(Conflict, match=r"payout\.csv tells of payout 1 as well")
    with bench.sessions.begin() as session, in_no_payout:  # else the rows of the file would be
        explained.take_back(session, ADMIN, 1, "Wrong.", now=bench.now)
    bench.undo()
    assert told(bench).confirmed_by == ()
    bench.lawful()


def test_two_files_confirm_one_payout_and_each_is_undone_without_the_other(bench):
    first, second = rows(bench)
    bench.bring(first, second)
    bench.bring(second, first, name="the same again.csv")
    assert told(bench).confirmed_by == ("payout.csv", "the same again.csv")
    with bench.sessions.begin() as session, pytest.raises(Conflict, match="Undo those imports first"):
        explained.take_back(session, ADMIN, 1, "Wrong.", now=bench.now)
    bench.undo(2)
    assert told(bench).confirmed_by == ("payout.csv",)
    with bench.sessions.begin() as session, pytest.raises(Conflict, match=r"^payout\.csv tells"):
        explained.take_back(session, ADMIN, 1, "Wrong.", now=bench.now)
    bench.undo(1)
    assert told(bench).confirmed_by == ()
    bench.lawful()


def test_what_was_confirmed_when_one_file_was_kept_is_read_and_undone(bench):
    bench.bring(*rows(bench))
    with bench.sessions.begin() as session:
        payout = session.get_one(Payout, 1)
        kept = {key: value for key, value in payout.explanation.items() if key != "confirmed"}
        payout.explanation = kept | {"confirmed_file": 1, "confirmed_name": "payout.csv"}
    assert told(bench).confirmed_by == ("payout.csv",)
    bench.bring(*rows(bench)[::-1], name="the same again.csv")
    assert told(bench).confirmed_by == ("payout.csv", "the same again.csv")
    bench.undo(1)
    assert told(bench).confirmed_by == ("the same again.csv",)


@pytest.mark.parametrize("wrong", ["another sum", "a payment less"])
def test_what_is_not_the_same_is_told_before_anybody_keeps_it(bench, wrong):
    some = rows(bench, more=200) if wrong == "another sum" else rows(bench)[:1]
    assert "is in payout 1, which was explained from the bank's line" in (refusal(bench, *some) or "")
    with pytest.raises(Conflict, match="is in payout 1 already"):
        bench.bring(*some)
    with bench.sessions.read() as session:
        assert session.query(Payout).count() == 1


def test_a_file_that_tells_what_was_left_open_does_not_confirm_it(sessions, now):
    """Else the chargeback that explains the sum would be in no payout, and nobody asked about it."""
    bench = Bench(sessions, now)
    reference = bench.paid()
    bench.bank("1427.96")  # 20.00 less than the payment, its fees and the payout's
    bench.propose()
    bench.explain()
    with bench.sessions.begin() as session:
        (asked,) = explaining.explain(session, ADMIN)
        explaining.accept(session, ADMIN, asked, 0, now=now, why="iKhokha was asked and says so.")
    chargeback = "2026-11-20,Chargeback,its own,card,-20.00,0.00,0.00,-20.00,P1"
    some = (bench.row(reference), chargeback)
    assert "without knowing all that was taken off" in (refusal(bench, *some) or "")
    with pytest.raises(Conflict, match="is in payout 1 already"):
        bench.bring(*some)


def test_a_file_that_tells_one_refund_twice_does_not_confirm_two(sessions, now):
    """Else the refund that no row tells stays taken off, and no later payout is explained by it."""
    bench = Bench(sessions, now)
    others = [bench.paid(Money(450_00), at=bench.friday - timedelta(days=2)) for _ in range(2)]
    before = (bench.row(other, 450_00, number="P0").replace("2026-11-20", "2026-11-18") for other in others)
    bench.bring(*before, name="before.csv")
    one = bench.paid()
    for other in others:
        bench.given_back(other)
    bench.bank("1347.96")  # R1500.00 by card, less two refunds of R50.00
    bench.propose()
    assert bench.explain().explained == 1
    first, second = (bench.row(other, -50_00, kind="Refund", method="").split(",") for other in others)
    for cells in (first, second):
        cells[5:8] = "0.00", "0.00", "-50.00"
    twice = (bench.row(one), ",".join(first), ",".join(first))
    assert "was taken off payout 2 already" in (refusal(bench, *twice) or "")
    with pytest.raises(Conflict, match="is in payout 2 already"):
        bench.bring(*twice)
    assert bench.bring(bench.row(one), ",".join(first), ",".join(second)).known == 1
    bench.lawful()
