"""A refund of the gateway is taken off one payout: by a file, or by an explanation, and never by both."""

from concurrent.futures import ThreadPoolExecutor
from datetime import date, timedelta

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import IntegrityError

from db.migrate import migrate
from db.models import PayoutLine
from db.money import Money
from db.session import Sessions
from payments.errors import Conflict
from payments.lifecycle import Source
from payments.lump_sums import explained, explaining, loose, payout_books
from payments.payouts import Explanation, Lump
from payments.reconciling import reconciliation
from tests import hook
from tests.desk import ADMIN
from tests.test_confirmed import refusal
from tests.test_migrate import downgrade, engine
from tests.test_settlements import Bench, bench

__all__ = ["bench", "engine"]


def back(bench, reference, minor=-50_00, **more) -> str:
    """A row of a file that says a refund of it went back."""
    return bench.row(reference, minor, kind="Refund", **more)


def tied(bench) -> list[int | None]:
    """Of each row that stands and says so, which refund it is."""
    with bench.sessions.read() as session:
        query = select(PayoutLine.refund_id).where(PayoutLine.kind == "refund", PayoutLine.state == "stands")
        return list(session.scalars(query.order_by(PayoutLine.id)))


def offered(bench) -> list[int]:
    """What an explanation may take off a payout."""
    with bench.sessions.read() as session:
        return [one.id for one in loose.refunds(session, date(2026, 11, 23))]


def written(bench, session, one, item) -> None:
    """A sum said to be short by a refund, as if nothing else were known of it."""
    short = Explanation(
        Lump(1, one.on, one.amount), (one.on,), (), (), (), (item,), Money(0), Money(0),
        one.amount + item.amount, 0,
    )  # fmt: skip
    hand = explained.Hand(reconciliation.PERSON, "A", Source.DESK, bench.now)
    explained.write_down(session, [(one, short)], hand)


def test_what_a_file_took_off_no_sum_is_explained_by_again(bench):
    first, later = bench.paid(), bench.paid(at=bench.friday + timedelta(days=1))
    item = bench.given_back(first)
    bench.bring(bench.row(first), back(bench, first))
    assert (tied(bench), offered(bench)) == ([item.id], [])
    bench.bank("1397.96")  # the later one, less just as much
    bench.propose()
    with bench.sessions.read() as session:
        (asked,) = explaining.explain(session, ADMIN)
    assert not any(found.items for found in asked.found)
    assert bench.came(later)[0].payout_id is None
    bench.lawful()
    bench.undo()
    assert offered(bench) == [item.id]
    bench.bring(bench.row(first), back(bench, first))
    assert tied(bench) == [item.id]


def test_a_refund_that_is_written_down_after_the_file_is_the_one_that_it_told(bench):
    reference = bench.paid()
    bench.bring(bench.row(reference), back(bench, reference))
    assert tied(bench) == [None]
    other = bench.given_back(reference, 20_00)
    assert (tied(bench), offered(bench)) == ([None], []), "the row may be of another amount, nobody knows"
    item = bench.given_back(reference)
    assert (tied(bench), offered(bench)) == ([item.id], [other.id])
    bench.lawful()


def test_where_several_may_be_meant_none_is_chosen_and_none_taken_off_again(bench):
    reference, strange = bench.paid(), bench.paid()
    some = [bench.given_back(reference), bench.given_back(reference)]
    free = bench.given_back(strange)
    bench.bring(bench.row(reference), back(bench, reference))
    assert (tied(bench), offered(bench)) == ([None], [free.id])
    bench.bank("900.00")
    bench.propose()
    with bench.sessions.begin() as session:
        (asked,) = explaining.waiting(session, ADMIN)
        with pytest.raises(Conflict, match="taken off another payout"):
            written(bench, session, asked, some[1])


def test_rows_of_files_from_before_are_heeded_without_being_tied(bench):
    reference = bench.paid()
    item = bench.given_back(reference)
    bench.bring(bench.row(reference), back(bench, reference))
    other = bench.given_back(reference, 20_00)
    with bench.sessions.begin() as session:
        session.execute(text("UPDATE payout_lines SET refund_id = NULL"))
    assert offered(bench) == [other.id] != [item.id]


def test_a_file_that_tells_what_an_explanation_took_off_is_refused_with_the_way_out(bench):
    reference = bench.paid()
    item = bench.given_back(reference)
    bench.bank("900.00")
    bench.propose()
    with bench.sessions.begin() as session:
        (asked,) = explaining.waiting(session, ADMIN)
        written(bench, session, asked, item)
    rows = bench.row(reference), back(bench, reference)
    says = r"the refund of \w+ was taken off payout 1 already.*Take that payout back on its page"
    with pytest.raises(Conflict, match=says):
        bench.bring(*rows)
    assert "was taken off payout 1 already" in (refusal(bench, *rows) or "")
    with bench.sessions.begin() as session:
        explained.take_back(session, ADMIN, 1, "iKhokha's file tells.", now=bench.now)
    bench.bring(*rows)
    assert tied(bench) == [item.id]
    bench.lawful()


@pytest.fixture
def two_sums(bench):
    """Two lines of the bank, and a refund that either may be short by."""
    reference = bench.paid()
    item = bench.given_back(reference)
    for amount in ("1000.00", "900.00"):
        bench.bank(amount)
    bench.propose()
    with bench.sessions.read() as session:
        return reference, item, explaining.waiting(session, ADMIN)


def somebody_waits(bench) -> bool:
    query = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    with bench.sessions.read() as looking:
        return bool(looking.scalar(query))


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)  # SQLite has one writer at a time
def test_it_is_taken_off_one_payout_also_where_two_are_accepted_at_once(bench, two_sums):
    _, item, (first, second) = two_sums
    with ThreadPoolExecutor(1) as pool, bench.sessions.begin() as session:
        written(bench, session, first, item)
        other = pool.submit(
            lambda: bench.sessions.run(lambda session: written(bench, session, second, item))
        )  # fmt: skip
        hook.wait_until(lambda: somebody_waits(bench))
    with pytest.raises(Conflict, match="taken off another payout"):
        other.result()


@pytest.mark.parametrize("database_kind", ["postgres"], indirect=True)
def test_it_is_taken_off_one_payout_also_where_a_file_comes_in_meanwhile(bench, two_sums):
    reference, item, (first, _) = two_sums
    with ThreadPoolExecutor(1) as pool, bench.sessions.begin() as session:
        written(bench, session, first, item)
        other = pool.submit(bench.bring, bench.row(reference), back(bench, reference))
        hook.wait_until(lambda: somebody_waits(bench))
    with pytest.raises(Conflict, match="was taken off payout 1 already"):
        other.result()


def test_the_database_itself_refuses_to_take_one_off_twice(bench):
    reference = bench.paid()
    bench.given_back(reference)
    bench.bring(bench.row(reference), back(bench, reference))
    twice = insert(PayoutLine).from_select(
        ["row", "kind", "gross_minor", "fee_minor", "vat_minor", "reference", "method", "raw", "reason",
         "state", "refund_id", "payout_id"],
        select(
            PayoutLine.row, PayoutLine.kind, PayoutLine.gross_minor, PayoutLine.fee_minor,
            PayoutLine.vat_minor, PayoutLine.reference, PayoutLine.method, PayoutLine.raw, PayoutLine.reason,
            PayoutLine.state, PayoutLine.refund_id, PayoutLine.payout_id,
        ).where(PayoutLine.refund_id.is_not(None)),
    )  # fmt: skip
    with pytest.raises(IntegrityError), bench.sessions.begin() as session:
        session.execute(twice)
    bench.undo()
    with bench.sessions.begin() as session:  # what does not stand takes nothing off
        session.execute(twice)


def test_what_was_taken_off_twice_before_stays_to_be_seen_when_the_tables_are_brought_on(engine, now):
    """By two explanations at once, before the database refused it: the upgrade must not stop at that."""
    migrate(engine)
    bench = Bench(Sessions(engine), now)
    reference = bench.paid()
    item = bench.given_back(reference)
    bench.bank("1000.00")
    bench.propose()
    with bench.sessions.begin() as session:
        (asked,) = explaining.waiting(session, ADMIN)
        written(bench, session, asked, item)
    downgrade(engine, "0057")
    again = {"payout_id": 1, "row": 0, "kind": "refund", "gross_minor": -50_00, "state": "stands"}
    with bench.sessions.begin() as session:
        session.add(PayoutLine(**again, refund_id=item.id))
    migrate(engine)
    assert tied(bench) == [item.id, None]
    with bench.sessions.read() as session:
        found = [row for row in payout_books.broken(session) if "another payout is less by" in row]
    assert len(found) == 1
