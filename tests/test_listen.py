"""Open pages are told of changes by PostgreSQL, and need not ask; where nobody tells them they ask."""

import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, make_url, text

import bootstrap
import environment
from db.listen import BELIEVED_S, Listener
from db.session import Sessions, open_engine
from payments.access import staff
from payments.access.people import SYSTEM, Role
from payments.hearing import inbox
from payments.hearing.inbox import Message
from payments.live import tallies
from tests.desk import ADMIN, FakeGateway, make_event
from tests.hook import wait_until
from tests.running import PROJECT
from tests.samples import make_payment
from tests.served import serving
from ui import board

NOON = datetime(2026, 11, 23, 10, 20, 5, tzinfo=UTC)
A_MOMENT = board.RENEWED * 1.01
#: So long a notification takes at most before a test believes that there was none.
TOLD_S = 0.3
CUT = """SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE datname = current_database() AND query IN ('SELECT 1', 'LISTEN paydesk_changes')"""

postgres = pytest.mark.parametrize(
    "database_kind", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = open_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def listener(engine: Engine) -> Iterator[Listener]:
    """One that listens already, where there is something to hear."""
    listener = Listener(engine)
    listener.start()
    if engine.dialect.name == "postgresql":
        wait_until(lambda: listener.heard() is not None)
    yield listener
    listener.close()


def change(engine: Engine) -> None:
    with Sessions(engine).begin() as session:
        tallies.bump(session)


def cut(engine: Engine) -> int:
    """End each connection that listens, as a server that restarts does; how many there were."""
    with engine.begin() as connection:
        return connection.execute(text(CUT)).scalar_one()


# -- who hears --------------------------------------------------------------------------------------


@postgres
def test_what_another_process_commits_is_heard(engine, listener):
    before = listener.heard()
    said = (
        "import sys; from db.session import Sessions, open_engine; from payments.live import tallies\n"
        "with Sessions(open_engine(sys.argv[1])).begin() as session: tallies.bump(session)"
    )
    url = engine.url.render_as_string(hide_password=False)
    subprocess.run([sys.executable, "-c", said, url], cwd=PROJECT, check=True, timeout=60)
    wait_until(lambda: listener.heard() not in (before, None))


@postgres
def test_only_what_is_committed_and_can_be_shown_is_told(engine, listener):
    """Who tells waits for everybody else who does: a message that is kept must not."""
    before = listener.heard()
    with Sessions(engine).begin() as session:
        inbox.accept(session, Message("ikhokha", "/", {}, b"{}", NOON), None)
    with Sessions(engine).begin() as session:
        tallies.bump(session)
        tallies._write(session)  # all but the commit
        session.rollback()
    time.sleep(TOLD_S)
    assert listener.heard() == before
    change(engine)
    wait_until(lambda: listener.heard() != before)


def test_where_the_database_tells_nothing_nobody_is_taken_to_listen(engine):
    listener = Listener(engine)
    if engine.dialect.name == "sqlite":
        listener.start()
    assert listener.heard() is None
    listener.close()


@postgres
def test_a_connection_that_breaks_is_said_and_comes_back_by_itself(engine, listener, caplog):
    before = listener.heard()
    with caplog.at_level(logging.WARNING, "paydesk.listen"):
        assert cut(engine) == 1
        wait_until(lambda: listener.heard() is None or "not told any more" in caplog.text)
        change(engine)  # while nobody listens
        wait_until(lambda: listener.heard() not in (before, None))
        wait_until(lambda: "by the database again" in caplog.text)
    assert caplog.text.count("not told any more") == 1


@postgres
def test_a_connection_that_gives_no_sign_is_not_believed_for_long(engine):
    ticks = 0.0
    listener = Listener(engine, lambda: ticks)
    listener.start()
    wait_until(lambda: listener.heard() is not None)
    listener.close()  # as if the thread hung: no proof follows
    ticks = BELIEVED_S - 0.1
    assert listener.heard() is not None
    ticks = BELIEVED_S + 0.1
    assert listener.heard() is None


# -- what it is for ---------------------------------------------------------------------------------


@pytest.fixture
def looks(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., int]]:
    """How many questions the live page costs so much later, for whoever sees all of it."""
    settings = environment.read_settings({"IKHOKHA_APP_ID": "demo", "DATA_DIR": str(tmp_path)}, None)
    app = bootstrap.App(settings, Sessions(engine), {"ikhokha": FakeGateway()}, lambda: moment)
    monkeypatch.setattr(bootstrap, "app", lambda: app)
    board.forget()
    asked: list[str] = []
    moment = NOON

    def look(later: timedelta) -> int:
        nonlocal moment
        moment += later
        asked.clear()
        board.current(ADMIN)
        return len(asked)

    event.listen(
        engine, "before_cursor_execute", lambda *told: asked.append(told[2]) if "SELECT" in told[2] else None
    )
    with app.sessions.begin() as session:
        make_event(session, now=NOON)
    app.changes.start()
    if engine.dialect.name == "postgresql":
        wait_until(lambda: app.changes.heard() is not None)
    yield look
    app.changes.close()
    board.forget()


def test_a_page_asks_nothing_until_it_is_told(engine, looks):
    """On SQLite it asks; that costs microseconds there."""
    assert looks(timedelta()) > 1
    tells = engine.dialect.name == "postgresql"
    assert [looks(A_MOMENT) for _ in range(3)] == ([0] * 3 if tells else [1] * 3)
    heard = bootstrap.app().changes.heard()
    change(engine)
    if tells:
        wait_until(lambda: bootstrap.app().changes.heard() != heard)
    assert looks(A_MOMENT) > 1
    assert looks(timedelta(minutes=1)) > 1  # a worker may have gone silent, and nobody writes that down


@postgres
def test_who_is_told_nothing_any_more_asks(engine, looks):
    looks(timedelta())
    bootstrap.app().changes.close()
    bootstrap.app().changes._proved = None
    change(engine)
    assert looks(A_MOMENT) > 1
    assert looks(A_MOMENT) == 1


@postgres
@pytest.mark.processes
def test_an_open_page_shows_what_another_process_wrote_whether_it_is_told_or_not(new_database, tmp_path):
    url = new_database(True)
    with serving(tmp_path, DATABASE_URL=url) as door:
        engine, app = door.app.sessions.engine, door.app
        with app.sessions.begin() as session:
            devconf = make_event(session, now=app.now())
            staff.create_person(
                session, SYSTEM, name="Sipho", email="sipho@example.org", role=Role.ADMIN, events=None,
                now=app.now(),
            )  # fmt: skip
        cookie = door.come_in("sipho@example.org")

        def shows(name: str) -> bool:
            return name in door.ask("/pulse", cookie).text

        def pay(name: str) -> None:
            with app.sessions.begin() as session:
                make_payment(session, session.merge(devconf), now=app.now(), payer_name=name)

        assert not shows("Zanele")
        pay("Zanele Mokoena")
        wait_until(lambda: shows("Zanele Mokoena"))
        assert cut(engine) == 1
        pay("Lerato Dlamini")
        wait_until(lambda: shows("Lerato Dlamini"))
        log = tmp_path / "server.log"
        wait_until(lambda: "by the database again" in log.read_text())
        pay("Aisha Patel")
        wait_until(lambda: shows("Aisha Patel"))
    assert make_url(url).get_backend_name() == "postgresql"
