"""What a session promises, whichever database it is on."""

from datetime import datetime

import pytest
from sqlalchemy import func, select

from db.models import Event
from db.session import Sessions
from tests.desk import make_event


def count(sessions: Sessions) -> int | None:
    with sessions.read() as session:
        return session.scalar(select(func.count()).select_from(Event))


def test_a_read_is_one_picture_whatever_is_written_meanwhile(sessions: Sessions, now: datetime) -> None:
    """A file's lines are those that were counted; a page's sums are those of its rows."""
    query = select(func.count()).select_from(Event)
    with sessions.read() as reading:
        assert reading.scalar(query) == 0
        with sessions.begin() as writing:
            make_event(writing, now=now)
        assert reading.scalar(query) == 0
    assert count(sessions) == 1


def test_a_read_keeps_nothing(sessions: Sessions, now: datetime) -> None:
    with sessions.read() as session:
        session.add(Event(code="never"))
    assert count(sessions) == 0


def test_a_write_that_raises_leaves_nothing(sessions: Sessions, now: datetime) -> None:
    def half() -> None:
        with sessions.begin() as session:
            make_event(session, now=now)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert count(sessions) == 0
