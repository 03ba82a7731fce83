"""The database fills up, is locked against writing, vanishes or dies under a desk at work.

Senders hear 503 and send again, people read a sentence, nothing acknowledged is lost, and when the cause is
gone all is well within ten seconds, with no process started anew.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from sqlalchemy import select, text, update

from db.migrate import migrate
from db.models import InboxEvent, PersonSession
from db.session import DatabaseUnfit, Sessions, open_engine
from payments.access import staff
from payments.access.people import SYSTEM, Role
from payments.watching.health import AWAY
from tests import hook, postgres, served
from tests.ports import free_port
from tests.senders import Gateway
from tests.served import Served

pytestmark = pytest.mark.processes

ADMIN = "thandi@example.org"
#: How long a disaster lasts, and how soon after it all must be well: in ten seconds, and a busy machine has
#: four times as many.
LASTS_S, WELL_S = 3.0, 4 * 10.0


@dataclass
class Desk:
    """A hook and a people's door on one database, both in processes that live through it all."""

    url: str
    hook_port: int
    hook_process: subprocess.Popen[bytes]
    door: Served
    token: str

    def suffer(self, name: str, disaster: Callable[[], Iterator[None]], *, readable: bool = False) -> Gateway:
        """What senders and people meet before, during and after; how it must be is asserted here.

        ``readable``: people can look all the while, and only what writes is told to wait.
        """
        self._nobody_was_active()
        senders = Gateway(self.hook_port, name)
        try:
            hook.wait_until(lambda: len(senders.acknowledged) > 5)
            with self.door.socket(self.token) as page, contextmanager(disaster)():
                began = time.monotonic()
                time.sleep(LASTS_S)
                self._tells_people(readable)
                assert ("cannot reach its database" in served.run(page)) is not readable
                hook.wait_until(lambda: senders.whole_between(began, time.monotonic()))
                ended = time.monotonic()
            during = senders.whole_between(began, ended)
            hook.wait_until(lambda: 200 in senders.between(ended, time.monotonic()), seconds=WELL_S)
            hook.wait_until(self._is_well, seconds=max(0.1, ended + WELL_S - time.monotonic()))
            before = len(senders.acknowledged)
            hook.wait_until(lambda: len(senders.acknowledged) > before + 5)
        finally:
            senders.stop()
        assert during == {503}
        assert senders.between(0, time.monotonic()) == {200, 503}
        assert self.hook_process.poll() is None
        return senders

    def _nobody_was_active(self) -> None:
        """For two minutes: that somebody is now would be written down."""
        with self.door.app.sessions.begin() as session:
            session.execute(
                update(PersonSession).values(active_at=self.door.app.now() - timedelta(minutes=2))
            )
        self.door.app.sessions.engine.dispose()  # this process holds nothing of it while it suffers

    def _tells_people(self, readable: bool) -> None:
        answer = self.door.post("/signin", email=ADMIN, password="none of the right ones")
        assert (answer.status_code, answer.text) == (503, AWAY)
        answer = self.door.ask("/", self.token)
        assert (answer.status_code, answer.text == AWAY) == ((200, False) if readable else (503, True))

    def _is_well(self) -> bool:
        return self.door.ask("/", self.token).status_code == 200

    def kept(self) -> set[bytes]:
        engine = open_engine(self.url)
        with Sessions(engine).read() as session:
            found = set(session.scalars(select(InboxEvent.body)))
            if engine.dialect.name == "sqlite":
                assert session.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
        engine.dispose()
        return found


@contextmanager
def open_desk(url: str, folder: Path) -> Iterator[Desk]:
    port = free_port()
    with ExitStack() as stack:
        door = stack.enter_context(
            served.serving(folder, DATABASE_URL=url, AUDIT_KEYS=hook.ENVIRON["AUDIT_KEYS"])
        )
        now = door.app.now()
        with door.app.sessions.begin() as session:
            staff.create_person(
                session, SYSTEM, name="Thandi", email=ADMIN, role=Role.ADMIN, events=None, now=now
            )
        token = door.come_in(ADMIN)
        child = stack.enter_context(hook.process(url, port))
        yield Desk(url, port, child, door, token)


# -- a file ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """The folder that holds the database, and nothing else; on the disk, for in memory who has a file open
    writes on to it when it becomes read-only."""
    with TemporaryDirectory() as folder:
        yield Path(folder) / "data"


@pytest.fixture(scope="module")
def on_sqlite(place, sqlite_template, tmp_path_factory) -> Iterator[Desk]:
    place.mkdir()
    shutil.copyfile(sqlite_template, place / "desk.db")
    with open_desk(f"sqlite:///{place / 'desk.db'}", tmp_path_factory.mktemp("door")) as desk:
        yield desk


def moved_away(place: Path) -> Iterator[None]:
    """The file alone; its log stays."""
    elsewhere = place.with_name("elsewhere.db")
    (place / "desk.db").rename(elsewhere)
    yield
    assert not (place / "desk.db").exists(), "somebody made an empty database in its place"
    elsewhere.rename(place / "desk.db")


def folder_gone(place: Path) -> Iterator[None]:
    elsewhere = place.with_name("elsewhere")
    place.rename(elsewhere)
    yield
    assert not place.exists()
    elsewhere.rename(place)


def read_only(place: Path) -> Iterator[None]:
    yield from _unchangeable(place / "desk.db", place / "desk.db-wal")


def log_read_only(place: Path) -> Iterator[None]:
    yield from _unchangeable(place / "desk.db-wal")


def _unchangeable(*files: Path) -> Iterator[None]:
    """For root as well, and for who has it open already: only the file system's own flag is."""
    names = [str(file) for file in files]
    if os.geteuid() != 0 or subprocess.run(["chattr", "+i", *names], capture_output=True).returncode:
        pytest.skip("making a file read-only for everybody takes root, and a file system that can")
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", *names], check=True)


@pytest.mark.parametrize(
    "disaster", [moved_away, folder_gone, read_only, log_read_only], ids=lambda one: one.__name__
)
def test_a_file_that_is_gone_or_locked_is_a_503_and_a_sentence_until_it_is_back(on_sqlite, place, disaster):
    readable = disaster in (read_only, log_read_only)
    senders = on_sqlite.suffer(disaster.__name__, lambda: disaster(place), readable=readable)
    assert set(senders.acknowledged) <= on_sqlite.kept()


def test_a_folder_in_which_nothing_can_be_made_holds_up_no_desk_at_work(on_sqlite, place):
    """Its log stands there already, and whoever comes anew finds it."""
    senders = Gateway(on_sqlite.hook_port, "shut")
    with contextmanager(_unchangeable)(place):
        hook.wait_until(lambda: len(senders.acknowledged) > 20)
        with hook.process(on_sqlite.url, free_port()) as another:
            assert another.poll() is None
        assert on_sqlite.door.ask("/", on_sqlite.token).status_code == 200
    senders.stop()
    assert senders.between(0, time.monotonic()) == {200}
    assert set(senders.acknowledged) <= on_sqlite.kept()


def test_the_hook_does_not_start_where_no_server_is():
    url = f"postgresql+psycopg://nobody@127.0.0.1:{free_port()}/desk"
    with hook.process(url, free_port()) as child:
        assert child.wait(20) == 1
        said = hook.said_by(child)
    assert said.startswith("The database that DATABASE_URL names cannot be opened: ")
    assert "Traceback" not in said


def test_the_hook_does_not_start_where_no_log_can_be_made(sqlite_template, place):
    shut = place.with_name("shut")
    shut.mkdir()
    shutil.copyfile(sqlite_template, shut / "desk.db")
    with (
        contextmanager(_unchangeable)(shut),
        hook.process(f"sqlite:///{shut / 'desk.db'}", free_port()) as child,
    ):
        assert child.wait(20) == 1
        said = hook.said_by(child)
    assert said.startswith("The database that DATABASE_URL names cannot be opened: unable to open")
    assert "Traceback" not in said


def test_a_full_disk_is_a_503_until_there_is_room(sqlite_template, tmp_path):
    """A disk of a few megabytes, filled to the last byte by something else."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(disk)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a small disk is mounted as root, and this is not root or may not mount")
    try:
        shutil.copyfile(sqlite_template, disk / "desk.db")
        url, port = f"sqlite:///{disk / 'desk.db'}", free_port()
        with hook.process(url, port):
            senders = Gateway(port, "full")
            hook.wait_until(lambda: len(senders.acknowledged) > 5)
            _fill(disk / "filler")
            began = time.monotonic()
            hook.wait_until(lambda: 503 in senders.between(began, time.monotonic()))
            full = time.monotonic()
            hook.wait_until(lambda: senders.whole_between(full, time.monotonic()))
            time.sleep(LASTS_S)
            (disk / "filler").unlink()
            freed = time.monotonic()
            hook.wait_until(lambda: 200 in senders.between(freed, time.monotonic()), seconds=WELL_S)
            senders.stop()
        assert senders.whole_between(full, freed) == {503}
        assert senders.between(0, time.monotonic()) == {200, 503}
        engine = open_engine(url)
        with Sessions(engine).read() as session:
            assert set(senders.acknowledged) <= set(session.scalars(select(InboxEvent.body)))
            assert session.execute(text("PRAGMA integrity_check")).scalar_one() == "ok"
        engine.dispose()
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as filler:
        for piece in (65_536, 4_096):
            try:
                while filler.write(bytes(piece)) == piece:
                    pass
            except OSError:
                continue


def test_a_new_database_is_not_made_where_the_log_of_one_stands(tmp_path):
    """SQLite would throw the log away, and the messages in it."""
    (tmp_path / "desk.db-wal").write_bytes(b"the last changes")
    engine = open_engine(f"sqlite:///{tmp_path / 'desk.db'}")
    with pytest.raises(DatabaseUnfit, match="Put the file back"):
        migrate(engine)
    assert not (tmp_path / "desk.db").exists()


def test_the_hook_does_not_start_where_the_database_is_gone(tmp_path):
    gone = tmp_path / "gone" / "desk.db"
    with hook.process(f"sqlite:///{gone}", free_port()) as child:
        assert child.wait(20) == 1
        assert "manage.py migrate" in hook.said_by(child)
    assert not gone.parent.exists()


# -- a server -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(request) -> Iterator[postgres.Server]:
    """One of our own, that waits for its disk."""
    with postgres.machine(request.config.getoption("--postgres-bin"), durable=True) as one:
        yield one


@pytest.fixture(scope="module")
def on_postgres(server, tmp_path_factory) -> Iterator[Desk]:
    with open_desk(server.url, tmp_path_factory.mktemp("door")) as desk:
        yield desk


@pytest.mark.postgres
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL], ids=["stopped", "killed"])
@pytest.mark.timeout(1_800)  # --chaos
def test_a_server_that_ends_is_a_503_and_a_sentence_until_it_is_back(on_postgres, server, how, so_often):
    def disaster() -> Iterator[None]:
        server.stop(how)
        yield
        server.start()

    for nth in range(so_often(1, 20) if how == signal.SIGKILL else 1):
        senders = on_postgres.suffer(f"{how.name} {nth}", disaster)
        assert set(senders.acknowledged) <= on_postgres.kept()
