"""A worker that is dead is told of by the door that lives, once, however many doors look."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from sqlalchemy import select

from db.models import Alert, OutboxMail
from payments.access import staff
from payments.access.people import Role
from payments.telling.chat import NotSent
from payments.watching import alerts, vitals
from payments.watching.alerts import Kind
from payments.watching.stand_in import DEAD_AFTER_S, StandIn
from payments.working.worker import Worker
from tests.desk import ADMIN, FakeGateway, make_event

MINUTE = timedelta(minutes=1)


class Ticks:
    """Seconds that pass when the test says so."""

    def __init__(self):
        self.s = 0.0

    def __call__(self):
        return self.s


@pytest.fixture
def desk(sessions, now):
    with sessions.begin() as session:
        make_event(session, now=now)
        staff.create_person(
            session, ADMIN, name="Thandi", email="thandi@example.org", role=Role.ADMIN, events=None, now=now
        )
    return sessions


@pytest.fixture
def ticks():
    return Ticks()


@pytest.fixture
def said():
    """What the chat service and the mail server were given."""
    return {"chat": [], "mail": []}


@pytest.fixture
def stand_in(desk, now, ticks, said):
    return one_more(desk, now, ticks, said)


def one_more(desk, now, ticks, said):
    return StandIn(
        desk, lambda: now, sender="desk@example.org", ticks=ticks,
        chat=lambda: lambda title, text: said["chat"].append(title),
        transport=lambda: lambda mail: said["mail"].append(mail["To"]),
    )  # fmt: skip


def beat(desk, now):
    Worker(desk, {"ikhokha": FakeGateway()}, None, "").round(now=now)


def kinds(desk, now):
    with desk.read() as session:
        return [alert.kind for alert in vitals.troubles(session, now=now)]


def test_a_dead_worker_is_an_alert_a_mail_and_a_message_once(desk, stand_in, ticks, said, now):
    beat(desk, now)
    for _ in range(20):
        stand_in.look()
        ticks.s += 30
    assert said == {"chat": ["Paydesk: worker"], "mail": ["thandi@example.org"]}
    with desk.read() as session:
        (alert,) = session.scalars(select(Alert))
    assert (alert.kind, alert.resolved_at) == ("worker", None)


def test_one_that_never_ran_is_told_as_well(stand_in, ticks, said):
    stand_in.look()
    ticks.s += DEAD_AFTER_S
    stand_in.look()
    assert said["chat"] == ["Paydesk: worker"]


def test_a_worker_that_lives_is_not_told_of_however_the_clock_jumps(desk, stand_in, ticks, said, now):
    for days in (0, 3_650, 0, -1, 1):
        beat(desk, now + timedelta(days=days))
        ticks.s += DEAD_AFTER_S - 30
        stand_in.look()
    assert said == {"chat": [], "mail": []}


def test_two_doors_at_once_tell_it_once(desk, ticks, said, now, monkeypatch):
    doors = [one_more(desk, now, ticks, said) for _ in range(4)]
    for door in doors:
        door.look()
    ticks.s += DEAD_AFTER_S
    read, all_have_read = alerts._to_send, Barrier(4, timeout=60)

    def read_with_the_others(*args):
        to_send = read(*args)
        all_have_read.wait()
        return to_send

    monkeypatch.setattr(alerts, "_to_send", read_with_the_others)
    with ThreadPoolExecutor(4) as at_once:
        list(at_once.map(StandIn.look, doors))
    assert said["chat"] == ["Paydesk: worker"]
    with desk.read() as session:
        assert len(session.scalars(select(Alert)).all()) == 1
        assert len(session.scalars(select(OutboxMail)).all()) == 1
    assert set(said["mail"]) == {"thandi@example.org"}  # sent at least once, under one Message-ID


def test_a_message_that_was_not_taken_is_sent_at_the_next_look_and_the_mail_goes_at_once(
    desk, ticks, said, now
):
    def busy(title, text):
        raise NotSent("busy")

    stand_in = one_more(desk, now, ticks, said)
    stand_in._chat = lambda: busy
    stand_in.look()
    ticks.s += DEAD_AFTER_S
    with pytest.raises(NotSent):
        stand_in.look()
    assert said == {"chat": [], "mail": ["thandi@example.org"]}
    stand_in._chat = lambda: lambda title, text: said["chat"].append(title)
    stand_in.look()
    stand_in.look()
    assert said == {"chat": ["Paydesk: worker"], "mail": ["thandi@example.org"]}


def test_payers_mails_wait_for_the_worker(desk, stand_in, ticks, said, now):
    with desk.begin() as session:
        session.add(
            OutboxMail(
                key="receipt:1", recipient="zola@example.org", subject="s", body="b", message_id="<1@x>",
                state="queued", created_at=now, next_try_at=now,
            )
        )  # fmt: skip
    stand_in.look()
    ticks.s += DEAD_AFTER_S
    stand_in.look()
    assert said["mail"] == ["thandi@example.org"]


def test_pages_tell_it_at_once_and_once_and_no_longer_than_it_is_true(desk, stand_in, ticks, now):
    beat(desk, now)
    assert kinds(desk, now) == []
    assert kinds(desk, now + MINUTE) == [Kind.WORKER]
    stand_in.look()
    ticks.s += DEAD_AFTER_S
    stand_in.look()
    assert kinds(desk, now + MINUTE) == [Kind.WORKER]
    beat(desk, now + 2 * MINUTE)
    assert kinds(desk, now + 2 * MINUTE) == []


def test_it_is_over_by_the_workers_own_look(desk, stand_in, ticks, said, now):
    stand_in.look()
    ticks.s += DEAD_AFTER_S
    stand_in.look()
    with desk.begin() as session:
        alerts.settle(session, [], now=now + 10 * MINUTE)
    alerts.tell(desk, lambda title, text: said["chat"].append(title), quiet=alerts.ALWAYS_LOUD, now=now)
    assert said["chat"] == ["Paydesk: worker", "Paydesk: worker is over"]
