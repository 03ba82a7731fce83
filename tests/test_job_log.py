"""What the worker does by its own clock is written down run by run, and shown with what came of it."""

from datetime import timedelta

import pytest

from db.models import JobRun
from payments.access.people import SYSTEM, Person, Role
from payments.errors import GatewayUnavailable, NotAllowed
from payments.working import job_log
from payments.working.job_log import KEPT, Job, noting
from payments.working.worker import SWEEP_AGAIN, Worker
from tests.desk import FakeGateway, make_event


def runs_of(sessions, job):
    with sessions.read() as session:
        return job_log.history(session, SYSTEM)[job]


def test_a_failed_sweep_and_the_one_that_made_up_for_it_are_both_there(sessions, now):
    with sessions.begin() as session:
        make_event(session, now=now)
    gateway = FakeGateway()
    there, gateway.history = gateway.history, _away  # type: ignore[method-assign]
    work = Worker(sessions, {"ikhokha": gateway}, None, "Desk <desk@example.org>")
    work.round(now=now)
    gateway.history = there  # type: ignore[method-assign]
    work.round(now=now + SWEEP_AGAIN)
    failed, done = runs_of(sessions, Job.SWEEP)
    assert (failed.began_at, failed.fault) == (now, "The gateway cannot be reached.")
    assert (done.began_at, done.fault) == (now + SWEEP_AGAIN, "")
    assert done.did == "0 answers, 0 of them news"


def _away(*_: object) -> list:
    raise GatewayUnavailable("The gateway cannot be reached.")


def test_a_round_with_nothing_to_do_leaves_nothing_behind(sessions, now):
    with noting(sessions, Job.REMINDERS, now=now):
        pass
    assert runs_of(sessions, Job.REMINDERS) == []


def test_a_fault_of_ours_is_named_and_its_words_are_kept_out(sessions, now):
    with pytest.raises(ValueError, match="zanele"), noting(sessions, Job.NIGHT, now=now):
        raise ValueError("zanele@example.org")
    [run] = runs_of(sessions, Job.NIGHT)
    assert run.fault == "A fault of the desk, ValueError: its log has more."


def test_of_each_only_the_last_runs_are_kept(sessions, now):
    for nth in range(KEPT + 3):
        with noting(sessions, Job.BOOKS, now=now + timedelta(hours=nth)) as note:
            note.did = f"{nth}"
    with noting(sessions, Job.BACKUP, now=now) as note:
        note.did = "made"
    kept = runs_of(sessions, Job.BOOKS)
    assert [run.did for run in kept] == [str(nth) for nth in range(3, KEPT + 3)]
    assert len(runs_of(sessions, Job.BACKUP)) == 1
    with sessions.read() as session:
        assert session.query(JobRun).count() == KEPT + 1


def test_only_who_keeps_the_desk_sees_them(sessions):
    with sessions.read() as session, pytest.raises(NotAllowed):
        job_log.history(session, Person(2, "Pieter", "pieter@example.org", Role.FINANCE, None))
