"""A card machine's batch, counted when a shift is closed, comes to the bank as one line."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from db.migrate import downgrade, migrate
from db.models import CardBatch, Match, MatchPart, ZReport
from db.money import Money
from payments.access.people import Person, Role
from payments.at_the_door import card_watch, cash_up, door
from payments.at_the_door.door import Taking
from payments.at_the_door.slips import Slip
from payments.bank import accounts, imports
from payments.errors import Conflict, InvalidInput
from payments.matching import Target
from payments.obligations import Draft
from payments.reconciling.parts import Part
from payments.reconciling.proposing import Reason
from payments.sign_off import last_stage, reconciled
from tests.desk import ADMIN
from tests.test_door import PRICE, draft, opened, somebody
from tests.test_reconciliation import Bench

MACHINE = "Speedpoint 00123456"


@pytest.fixture
def bench(sessions, now):
    return Bench(sessions, now)


@pytest.fixture
def person(bench, sessions, now) -> Person:
    with sessions.begin() as session:
        return somebody(session, "Aisha", Role.ADMIN, now=now)


def closed(sessions, person, now, *, slips=3, machine=MACHINE, till="Main door", counted=None) -> list[str]:
    """A shift that took so many slips on a machine and was closed; the references that they paid."""
    earlier = now - timedelta(days=2)
    shift = opened(sessions, person, earlier, till=till)
    references = []
    for nth in range(slips):
        wanted: Draft = draft(sessions, person)
        slip = Slip(f"{nth + 1:06d}", "4242", machine)
        with sessions.begin() as session:
            taking = Taking(wanted.reference, shift.id, wanted, PRICE, slip=slip)
            references.append(door.take(session, person, taking, now=earlier).reference)
    total = counted or Money(PRICE.minor * slips)
    with sessions.begin() as session:
        cash_up.count(session, person, shift.id, {5_000: 10}, machines={machine: total}, now=earlier)
        cash_up.close(session, person, shift.id, now=earlier, why="Counted with care, and it is so.")
    return references


def parts_of(sessions) -> list[tuple[str, int, int | None]]:
    with sessions.read() as session:
        rows = session.execute(
            select(MatchPart.target, MatchPart.amount_minor, MatchPart.card_batch_id)
            .join(Match)
            .where(Match.undone_at.is_(None))
        )
        return [tuple(row) for row in rows]


def test_a_batch_that_comes_in_whole_is_found_by_itself_and_banks_its_slips(bench, sessions, person, now):
    references = closed(sessions, person, now)
    bench.bank(("CARD SETTLEMENT 00123456", "450.00"))
    run = bench.propose()
    assert dict(run.accepted) == {"card batch": 1}
    with sessions.read() as session:
        batch = session.scalars(select(CardBatch)).one()
        assert (batch.machine, batch.amount) == (MACHINE, Money(450_00))
        stage = last_stage.signed_off(session, references[0])
    assert parts_of(sessions) == [("card", 450_00, batch.id)]
    assert (stage.receipts, stage.banked) == (1, 1)
    bench.lawful()


def test_what_the_machines_bank_kept_is_told_and_left_to_a_person(bench, sessions, person, now):
    closed(sessions, person, now)
    data = b"Date,Description,Amount,Balance\n2026-11-23,SPEEDPOINT SALES DEPOSIT,436.55,1436.55\n"
    with sessions.begin() as session:
        imports.import_file(session, ADMIN, bench.account, "balanced.csv", data, now=now)
    bench.propose()
    (waits,) = bench.waits()
    assert waits.reason is Reason.CARD
    assert [part.target for part in waits.parts] == [Target.CARD]
    assert "R13.45 less than counted, 2.98 % kept by its bank" in {sign.says for sign in waits.signs}
    bench.accept(waits.line_id, *waits.parts, way=waits.way)
    with sessions.read() as session:
        told = reconciled.statement(session, ADMIN, bench.account, now.date())
    assert [(row.text, row.amount) for row in told.named] == [
        ("Kept by a card machine's bank", Money(-13_45))
    ]
    bench.lawful()


def test_two_batches_that_it_may_be_are_a_tie(bench, sessions, person, now):
    closed(sessions, person, now, machine="Machine A")
    closed(sessions, person, now, machine="Machine B", till="Side door")
    bench.bank(("CARD SETTLEMENT", "450.00"))
    run = bench.propose()
    assert not run.accepted
    assert bench.waits()[0].parts == ()


def test_a_batch_is_banked_once_and_never_for_more_than_was_counted(bench, sessions, person, now):
    closed(sessions, person, now)
    with sessions.read() as session:
        batch = session.scalars(select(CardBatch.id)).one()
    one, more, other = bench.bank(("CARD A", "450.00"), ("CARD B", "450.01"), ("CARD C", "450.00"))
    with pytest.raises(InvalidInput, match="no more than that"):
        bench.accept(more, Part(Target.CARD, Money(450_01), card_batch_id=batch))
    match = bench.accept(one, Part(Target.CARD, Money(450_00), card_batch_id=batch))
    with pytest.raises(Conflict, match="another line already"):
        bench.accept(other, Part(Target.CARD, Money(450_00), card_batch_id=batch))
    bench.undo(match)
    bench.accept(other, Part(Target.CARD, Money(450_00), card_batch_id=batch))
    bench.lawful()


def test_the_database_keeps_batches_as_counted(bench, sessions, person, now):
    closed(sessions, person, now)
    with pytest.raises(DatabaseError, match="only ever added"), sessions.begin() as session:
        session.execute(text("UPDATE card_batches SET amount_minor = 1"))


def test_reports_of_before_get_their_batches(bench, sessions, person, now):
    closed(sessions, person, now)
    with sessions.read() as session:
        told = json.loads(session.scalars(select(ZReport.body)).one())
        before = session.execute(select(CardBatch.machine, CardBatch.amount_minor)).all()
    assert told["machines"][0]["counted_minor"] == before[0].amount_minor
    downgrade(sessions.engine, "0025")
    migrate(sessions.engine)
    with sessions.read() as session:
        assert session.execute(select(CardBatch.machine, CardBatch.amount_minor)).all() == before
        assert accounts.list_accounts(session, ADMIN)[0].id == bench.account


# -- slips that no line brought ------------------------------------------------------------------------


def told(sessions, now) -> list[str]:
    with sessions.read() as session:
        return [alarm.sentence for alarm in card_watch.alarms(session, now=now)]


def waiting(sessions) -> list[tuple[str, Money | None, list[str]]]:
    with sessions.read() as session:
        return [
            (one.machine, one.counted, [slip.reference for slip in one.slips])
            for one in card_watch.waiting(session, ADMIN)
        ]


def test_slips_that_no_line_brought_are_told_the_next_bank_days_morning(bench, sessions, person, now):
    references = closed(sessions, person, now)  # on Saturday
    morning = now.replace(hour=6, minute=0)  # 08:00 on Monday in Johannesburg
    assert told(sessions, morning) == []  # this desk imports no statements
    bench.bank(("SOMETHING ELSE", "12.00"))
    assert told(sessions, morning - timedelta(seconds=1)) == []
    (sentence,) = told(sessions, morning)
    assert sentence.startswith("3 card slips, R450.00, of 21 Nov 2026 are in no line of the bank.")
    assert waiting(sessions) == [(MACHINE, Money(450_00), references)]


def test_a_batch_that_came_is_told_no_more_and_one_that_was_undone_is_again(bench, sessions, person, now):
    closed(sessions, person, now)
    bench.bank(("CARD SETTLEMENT 00123456", "450.00"))
    assert len(told(sessions, now)) == 1
    bench.propose()
    assert (told(sessions, now), waiting(sessions)) == ([], [])
    with sessions.read() as session:
        match = session.scalars(select(Match)).one()
    bench.undo(match.id)
    assert len(told(sessions, now)) == 1


def test_slips_of_a_shift_that_nobody_closed_are_told_and_corrected_ones_are_not(
    bench, sessions, person, now
):
    bench.bank(("SOMETHING ELSE", "12.00"))
    earlier = now - timedelta(days=2)
    shift = opened(sessions, person, earlier)
    taken = []
    for number in ("000001", "000002"):
        wanted = draft(sessions, person)
        with sessions.begin() as session:
            taking = Taking(wanted.reference, shift.id, wanted, PRICE, slip=Slip(number, "4242", MACHINE))
            taken.append(door.take(session, person, taking, now=earlier))
    with sessions.begin() as session:
        why = "Typed for the wrong person."
        door.correct(session, person, taken[1].id, why, shift_id=shift.id, key="a-correction", now=earlier)
    assert waiting(sessions) == [(MACHINE, None, [taken[0].reference])]
    assert told(sessions, now)[0].startswith("1 card slip, R150.00, of 21 Nov 2026 is in no line")
