"""What a schedule sent on a day is found again as of that moment, byte for byte, whatever happened since."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from db.models import Payment, Schedule, ScheduleRun
from db.session import Sessions
from payments import lifecycle
from payments.finding import as_of
from payments.lifecycle import Source, Status
from payments.reports import files, keeping, making
from payments.reports.making import ABOUT, OF_ONE_EVENT
from payments.reports.report import Asked, Kind
from payments.schedules import book
from payments.schedules import plan as plans
from payments.schedules.plan import ReportOf
from tests.samples import make_payment
from tests.test_schedules import DAY, WEEK, World

BY = {"source": Source.DESK, "actor": "Thandi"}


@pytest.fixture
def world(sessions: Sessions, now: datetime) -> World:
    """Each report is sent, of this month, by a desk on which one payment of two is paid."""
    one = World(sessions, now)
    pay(one, 0, now + DAY)
    for kind in Kind:
        event = "devconf" if kind in OF_ONE_EVENT else ""
        one.makes(title=str(kind), what=ReportOf(kind, "", "this-year", event))
    one.goes(WEEK)
    while [run for *_, run in sent(one) if run.state == "waiting"]:
        one.goes()
    return one


def pay(world: World, nth: int, at: datetime) -> None:
    with world.sessions.begin() as session:
        payment = session.scalars(select(Payment).order_by(Payment.id).offset(nth).limit(1)).one()
        lifecycle.receive(
            session, payment, kind="cash", source_reference=f"r{nth}", amount=payment.amount, now=at, **BY
        )


def happens(world: World) -> None:
    """What is open is paid, somebody new pays and another is let go: every figure is another one."""
    world.now += 2 * DAY
    pay(world, 1, world.now)
    with world.sessions.begin() as session:
        first = session.scalars(select(Payment).order_by(Payment.id).limit(1)).one()
        made = make_payment(session, first.event, now=world.now, status=Status.CREATED)
        lifecycle.advance(session, made, Status.CANCELLED, now=world.now, **BY)
        late = make_payment(session, first.event, now=world.now, status=Status.CREATED)
        lifecycle.receive(
            session, late, kind="cash", source_reference="late", amount=late.amount, now=world.now, **BY
        )


def sent(world: World) -> Iterator[tuple[Kind, Asked, ScheduleRun]]:
    with world.sessions.read() as session:
        for run, row in session.execute(
            select(ScheduleRun, Schedule).join(Schedule, Schedule.id == ScheduleRun.schedule_id)
        ):
            plan = book.plan_of(row)
            assert isinstance(plan.what, ReportOf)
            yield Kind(plan.what.kind), plans.asked(plan.what, plan.recurrence, run.due_at), run


def test_what_was_sent_is_found_again_as_of_its_moment(world: World):
    happens(world)
    found, differ = {}, set()
    for kind, asked, run in sent(world):
        assert run.made_at is not None
        for moment in (run.made_at, None):
            with as_of.read(world.sessions, moment, now=world.now) as session:
                again = making.make(
                    session, world.maker, replace(asked, as_of=moment), demo=True, now=world.now
                )
            plain = replace(again.for_others, asked=asked, made_at=run.made_at)
            if moment is not None:
                found[kind] = files.as_csv(plain) == run.data
            elif files.as_csv(plain) != run.data:
                differ.add(kind)
    assert found == dict.fromkeys(Kind, True)
    # fees and transit: no capture of the gateway is among them
    assert differ == set(Kind) - {Kind.FEES, Kind.TRANSIT}, "nothing happened that they could show"


def test_a_report_kept_then_is_the_one_that_was_sent(world: World):
    """Both made as of one moment, on two roads: their content is one."""
    happens(world)
    for kind, asked, run in sent(world):
        kept = keeping.keep(
            world.sessions, world.maker, replace(asked, as_of=run.made_at), demo=True, now=world.now
        )
        assert ABOUT[kind].title == kept.title
        with world.sessions.read() as session:
            data = keeping.file(session, world.maker, kept.reference).data
        if kind is not Kind.TAKINGS:  # names of the desk stay inside when it is sent
            assert data == run.data


def test_a_kept_report_is_there_for_as_long_as_the_desk(world: World):
    """Files that were sent go after seven days; what somebody kept does not."""
    [takings] = [asked for kind, asked, _ in sent(world) if kind is Kind.TAKINGS]
    kept = keeping.keep(world.sessions, world.maker, takings, demo=True, now=world.now)
    world.goes(timedelta(days=400))
    with world.sessions.read() as session:
        assert keeping.file(session, world.maker, kept.reference).data
        assert kept.reference in [one.reference for one in keeping.recent(session, world.maker)]
