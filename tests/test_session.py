"""What a session promises, whichever database it is on."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest
from sqlalchemy import func, select

from db.models import Event, Meta
from db.session import Sessions, open_engine
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


def test_writers_of_one_process_take_turns(database_url):
    """SQLite's own waiting is neither prompt nor fair: with a second of it, some of these gave up."""
    engine = open_engine(database_url, busy_timeout_s=1)
    sessions = Sessions(engine)

    def write(nth: int) -> None:
        with sessions.begin() as session:
            session.merge(Meta(key=f"writer {nth}", value="here"))
            session.flush()
            time.sleep(0.05)

    with ThreadPoolExecutor(8) as writers:
        list(writers.map(write, range(80)))
    with sessions.read() as session:
        assert session.scalar(select(func.count()).where(Meta.key.startswith("writer "))) == 80
    engine.dispose()
