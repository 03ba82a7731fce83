"""Each refusal stands in the audit exactly once, with who, what and why, though what was tried is undone."""

from collections.abc import Iterator
from datetime import datetime

import pytest
from sqlalchemy import select

from db.models import AuditEntry, Event
from db.session import Sessions, open_engine
from payments.access import people
from payments.access.people import Action, Person, Role, check
from payments.books import refusals
from payments.errors import NotAllowed, ProveAgain
from payments.second_person import approvals
from tests.desk import make_event
from tests.test_approvals import WHY, asked
from tests.test_approvals import desk as desk  # the fixture


@pytest.fixture
def sessions(database_url: str, now: datetime) -> Iterator[Sessions]:
    """As ``bootstrap`` wires them: an error that leaves a session is looked at."""
    engine = open_engine(database_url)
    yield Sessions(engine, left_by=lambda sessions, error: refusals.keep(sessions, error, now=now))
    engine.dispose()


def refused(sessions: Sessions) -> list[tuple[str, str]]:
    with sessions.read() as session:
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "refused"))
        return [(entry.actor, entry.subject) for entry in entries]


@pytest.mark.parametrize("how", ["begin", "read"])
@pytest.mark.parametrize("action", sorted(Action))
def test_each_action_that_is_refused_has_its_entry(
    sessions: Sessions, now: datetime, action: Action, how: str
) -> None:
    with sessions.begin() as session:
        event = make_event(session, now=now).id
    nobody = Person(9, "Nobody", "nobody@example.org", Role.VIEWER, frozenset())
    with pytest.raises(NotAllowed), getattr(sessions, how)():
        check(nobody, action, event)
    assert refused(sessions) == [("nobody@example.org", action)]


def test_within_sessions_and_at_the_door_it_is_told_once(sessions: Sessions, now: datetime) -> None:
    viewer = Person(9, "Vusi", "vusi@example.org", Role.VIEWER, None)
    with pytest.raises(NotAllowed) as caught, sessions.read(), sessions.begin():
        people.check(viewer, Action.RECORD)
    refusals.keep(sessions, caught.value, now=now)
    assert refused(sessions) == [("vusi@example.org", "record")]
    with sessions.read() as session:
        (detail,) = session.scalars(select(AuditEntry.detail).where(AuditEntry.action == "refused"))
    assert detail == {"role": "viewer", "why": str(caught.value)}


def test_what_was_done_before_the_refusal_is_rolled_back_and_the_refusal_is_kept(
    sessions: Sessions, now: datetime
) -> None:
    viewer = Person(9, "Vusi", "vusi@example.org", Role.VIEWER, None)
    with pytest.raises(NotAllowed), sessions.begin() as session:  # noqa: PT012 - both in one transaction
        make_event(session, now=now)
        check(viewer, Action.RECORD)
    with sessions.read() as session:
        assert session.scalars(select(Event)).all() == []
    assert len(refused(sessions)) == 1


def test_nobody_approves_their_own_and_it_is_on_the_record(sessions, desk, now) -> None:
    known, wanted = desk
    request = asked(sessions, known["farai"], wanted, now)
    for verb, more in (("approve", ()), ("refuse", (WHY,))):
        with pytest.raises(NotAllowed), sessions.begin() as session:
            getattr(approvals, verb)(session, known["farai"], request.id, *more, now=now)
    assert refused(sessions) == [("farai@example.org", "approve")] * 2


def test_being_asked_who_one_is_is_no_refusal(sessions: Sessions, now: datetime) -> None:
    with pytest.raises(ProveAgain), sessions.begin():
        people.proven(Person(9, "Vusi", "vusi@example.org", Role.ADMIN, None), now=now)
    assert refused(sessions) == []
