"""What every test can ask for: the moment ``now``, an empty desk's database, sessions on it.

A test that takes ``database_url`` or ``sessions`` runs twice, on SQLite and on PostgreSQL.
A PostgreSQL that cannot start fails those tests; it never skips them.
"""

import gc
import os
import shutil
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from functools import cache
from itertools import count
from pathlib import Path

import argon2
import hypothesis
import pytest
from alembic.script import ScriptDirectory
from playwright.sync_api import Browser, sync_playwright
from sqlalchemy import Engine, create_engine, make_url, text
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.util import LRUCache
from streamlit.components.v2 import manifest_scanner

import db.migrate
from db import session
from db.migrate import migrate
from db.models import Base
from db.session import Sessions, open_engine
from payments.access import passwords
from tests import canaries, network, postgres
from tests.canaries import nothing_planted_is_in_its_logs, nothing_planted_is_left
from tests.desk import FakeGateway
from tests.install_browser import installed

__all__ = ["nothing_planted_is_in_its_logs", "nothing_planted_is_left"]


@pytest.fixture(scope="session", autouse=True)
def statements_compiled_once() -> Iterator[None]:
    """Thousands of tests open an engine each. What a statement is in SQL is worked out for the first of them:
    with a memory and a dialect of its own, each engine would compile the same statements again."""
    shared = LRUCache(10_000)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            session, "create_engine",
            lambda url, **how: create_engine(url, execution_options={"compiled_cache": shared}, **how),
        )  # fmt: skip
        patch.setattr(DefaultDialect, "__eq__", lambda one, other: _written(one) == _written(other))
        patch.setattr(DefaultDialect, "__hash__", lambda one: hash(type(one)))
        yield


@pytest.fixture(scope="session", autouse=True)
def packages_looked_through_once() -> Iterator[None]:
    """Each page that is tried without a browser is a Streamlit of its own, which at its start looks for
    components in every package there is: three quarters of a second for a page of a tenth."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            manifest_scanner, "scan_component_manifests", cache(manifest_scanner.scan_component_manifests)
        )
        yield


@pytest.fixture(scope="session", autouse=True)
def migrations_read_once() -> Iterator[None]:
    """Each step of each upgrade reads every migration there is, twice: of the time it takes, nearly all."""
    with pytest.MonkeyPatch.context() as patch:
        read = cache(db.migrate._script)
        patch.setattr(db.migrate, "_script", read)
        patch.setattr(ScriptDirectory, "from_config", lambda _config: read())
        yield


@pytest.fixture(scope="session", autouse=True)
def network_watched() -> Iterator[None]:
    with network.watched():
        yield


@pytest.fixture(autouse=True)
def no_transaction_across_the_network() -> Iterator[None]:
    """Also where what crossed was caught by the code that was tried."""
    network.caught()  # what came of a test before, in a thread of its own
    yield
    assert network.caught() == [], "these were asked while a transaction was open"


@pytest.fixture(scope="session", autouse=True)
def passwords_hashed_lightly() -> Iterator[None]:
    """A quarter of a second for each sign-in is meant for who guesses; ``strong_passwords`` has them so."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passwords, "_HASHER", argon2.PasswordHasher(1, 1024, 1))
        yield


_STRONG = passwords._HASHER


@pytest.fixture
def strong_passwords(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Passwords are hashed as everybody's are."""
    monkeypatch.setattr(passwords, "_HASHER", _STRONG)
    passwords._nobodys.cache_clear()
    yield
    passwords._nobodys.cache_clear()


def _written(dialect: DefaultDialect) -> tuple[object, ...]:
    return type(dialect), dialect.dbapi, getattr(dialect, "server_version_info", None)


hypothesis.settings.register_profile("paydesk", derandomize=True, deadline=None)
hypothesis.settings.load_profile("paydesk")


def pytest_configure() -> None:
    """Databases of tests stand in memory where there is room: each commit waits for the disk otherwise."""
    memory = Path("/dev/shm")
    if memory.is_dir() and "PYTEST_DEBUG_TEMPROOT" not in os.environ:
        found = os.statvfs(memory)
        if found.f_bavail * found.f_frsize > 4 * 1024**3 and not found.f_flag & os.ST_NOEXEC:
            os.environ["PYTEST_DEBUG_TEMPROOT"] = str(memory)


def pytest_collection_finish() -> None:
    """What the imports made lives as long as the run: no look for rubbish goes through it again."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--postgres-bin", type=Path, help="bin folder of the PostgreSQL to test on; default: the wheel's"
    )
    parser.addoption(
        "--fail-on-skip",
        action="store_true",
        help="a skipped browser, office, postgres or processes test fails",
    )
    parser.addoption("--seeds", default="200", help="how many storms to play, or FIRST:END; default: 200")
    parser.addoption(
        "--update-golden", action="store_true", help="write the expected files anew; then read them"
    )
    parser.addoption("--golden", type=int, default=20_000, help="payments of the golden set; default: 20000")
    parser.addoption(
        "--separators",
        default="semicolon",
        help="at which LibreOffice splits CSV files: comma,semicolon,tab,pipe",
    )
    parser.addoption("--kills", type=int, default=10, help="kill -9 under load, so often; default: 10")
    parser.addoption("--cuts", type=int, default=4, help="power cuts under load, so many; default: 4")
    parser.addoption("--stops", type=int, default=2, help="SIGTERM under load, so often; default: 2")
    parser.addoption("--bodies", type=int, default=1_000, help="mutated messages; default: 1000")
    parser.addoption(
        "--mutations",
        type=int,
        default=100,
        help="damaged statement files to import, and twenty times as many to read; default: 100",
    )
    parser.addoption(
        "--chaos", action="store_true", help="each round as often as was asked for; without it, a few"
    )


#: With ``--chaos`` each test of a gateway's fault plays so often.
_EACH_FAULT = 20


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.config.getoption("--chaos") and metafunc.definition.get_closest_marker("each_fault"):
        metafunc.fixturenames.append("time_of_twenty")
        metafunc.parametrize("time_of_twenty", range(_EACH_FAULT))


@pytest.fixture
def so_often(pytestconfig: pytest.Config) -> Callable[[int, int], int]:
    """``so_often(3, 20)``: thrice, and twenty times with ``--chaos``."""
    return lambda few, asked: asked if pytestconfig.getoption("--chaos") else few


#: Few tests, and a minute or more, the longest first; of two with a browser not both at once.
_LONG = (
    "test_journey", "test_filter_states", "test_moving", "test_looks", "test_hosts", "test_races",
    "test_seed", "test_backups", "test_forecast", "test_as_of", "test_replay", "test_previous_release",
    "test_matrix", "test_claimed_to_paid", "test_inbox", "test_imports_damaged", "test_golden",
    "test_timeline",
)  # fmt: skip


@pytest.hookimpl(trylast=True)  # after they were shuffled
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files go first, then those with a browser or a desk of processes, then those with the most tests:
    each is one worker's, and one that comes last keeps it at work long after the others have ended."""
    long = {name: nth for nth, name in enumerate(_LONG)}
    slow = {item.path for item in items if _is_slow(item)}
    counts = Counter(item.path for item in items)
    items.sort(
        key=lambda item: (long.get(item.path.stem, len(_LONG)), item.path not in slow, -counts[item.path])
    )


def _is_slow(item: pytest.Item) -> bool:
    fixtures = getattr(item, "fixturenames", ())
    return "browser" in fixtures or any(item.get_closest_marker(mark) for mark in ("browser", "processes"))


_NEVER_SKIPPED = ("browser", "office", "postgres", "processes")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A test that let out what is planted has failed, and with ``--fail-on-skip`` one of a real part that did
    not run."""
    report = yield
    canaries.judge(report)
    real = any(item.get_closest_marker(name) for name in _NEVER_SKIPPED)
    if (
        report.skipped
        and not hasattr(report, "wasxfail")
        and real
        and item.config.getoption("--fail-on-skip")
    ):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and it must run here"
    return report


@pytest.fixture(scope="session")
def now() -> datetime:
    """A Monday noon in Johannesburg."""
    return datetime(2026, 11, 23, 10, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("template") / "paydesk.db"
    engine = open_engine(f"sqlite:///{path}")
    migrate(engine)
    engine.dispose()  # the last connection to close folds the WAL into the file
    return path


@pytest.fixture(scope="session")
def postgres_admin(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A running server, with a migrated database named ``template``."""
    with postgres.server(request.config.getoption("--postgres-bin")) as url:
        admin = open_engine(url, statement_s=0, isolation_level="AUTOCOMMIT")  # it makes databases
        with admin.connect() as connection:
            connection.execute(text("CREATE DATABASE template"))
        engine = open_engine(_database(admin, "template"))
        migrate(engine)
        engine.dispose()
        yield admin
        admin.dispose()


@pytest.fixture(scope="session")
def postgres_desk(postgres_admin: Engine) -> Iterator[Engine]:
    made: list[str] = []
    desk = open_engine(_new_postgres(postgres_admin, "template", made))
    yield desk
    desk.dispose()


_numbers = count(1)


KINDS = [pytest.param("sqlite"), pytest.param("postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=KINDS)
def database_kind(request: pytest.FixtureRequest) -> str:
    """``sqlite``, then ``postgres``."""
    return request.param


@pytest.fixture
def new_database(
    database_kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[[bool], str]]:
    """Makes a database and returns its URL: ``new_database(migrated)``."""
    yield from _databases(database_kind, request, tmp_path)


@pytest.fixture
def copy_of(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], str]]:
    """Copies a database to which nobody is connected and returns the copy's URL; it is this test's alone."""
    made: list[str] = []

    def copy(url: str) -> str:
        parsed = make_url(url)
        if parsed.get_backend_name() == "sqlite":
            return _new_sqlite(Path(parsed.database), tmp_path)
        return _new_postgres(request.getfixturevalue("postgres_admin"), parsed.database, made)

    yield copy
    if made:
        _drop(request.getfixturevalue("postgres_admin"), made)


@pytest.fixture(scope="module", params=KINDS)
def new_shared_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[bool], str]]:
    """The same as ``new_database``, for all tests of a file that only read what its fixtures wrote."""
    yield from _databases(request.param, request, tmp_path_factory.mktemp("shared"))


@pytest.fixture(scope="module")
def shared_database_url(new_shared_database: Callable[[bool], str]) -> str:
    """An empty database with every table, for all tests of a file that only read what its fixture wrote."""
    return new_shared_database(True)


def _databases(kind: str, request: pytest.FixtureRequest, folder: Path) -> Iterator[Callable[[bool], str]]:
    if kind == "sqlite":
        template = request.getfixturevalue("sqlite_template")
        yield lambda migrated: _new_sqlite(template if migrated else None, folder)
        return
    admin = request.getfixturevalue("postgres_admin")
    made: list[str] = []
    yield lambda migrated: _new_postgres(admin, "template" if migrated else "template0", made)
    _drop(admin, made)


def _drop(admin: Engine, names: list[str]) -> None:
    with admin.connect() as connection:
        for name in names:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


def _new_sqlite(template: Path | None, folder: Path) -> str:
    path = folder / f"desk{next(_numbers)}.db"
    if template:
        shutil.copyfile(template, path)
    else:
        path.touch()
    return f"sqlite:///{path}"


def _new_postgres(admin: Engine, template: str, made: list[str]) -> str:
    name = f"desk{next(_numbers)}"
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY"))
    made.append(name)
    return _database(admin, name)


def _database(admin: Engine, name: str) -> str:
    return admin.url.set(database=name).render_as_string(hide_password=False)


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database with every table, this test's alone.

    On PostgreSQL it is one that is emptied after each test: twenty times quicker than a new one.
    """
    if database_kind == "sqlite":
        yield _new_sqlite(request.getfixturevalue("sqlite_template"), tmp_path)
        return
    desk: Engine = request.getfixturevalue("postgres_desk")
    yield desk.url.render_as_string(hide_password=False)
    with desk.begin() as connection:
        connection.exec_driver_sql("; ".join(_EMPTY))  # in one trip: a hundred cost four times as much


_EMPTY = (
    # whoever is still there holds locks
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE datname = current_database() AND pid <> pg_backend_pid()",
    # neither foreign keys nor the triggers that guard timeline and audit
    "SET LOCAL session_replication_role = replica",
    *(f"DELETE FROM {table}" for table in Base.metadata.tables),
    "SELECT setval(oid::regclass, 1, false) FROM pg_class WHERE relkind = 'S'",
    "INSERT INTO counters (name, value) VALUES ('changes', 0)",
)


@pytest.fixture
def empty_database_url(new_database: Callable[[bool], str]) -> str:
    """A database without any table."""
    return new_database(False)


@pytest.fixture
def sessions(database_url: str) -> Iterator[Sessions]:
    engine = open_engine(database_url)
    yield Sessions(engine)
    engine.dispose()


@pytest.fixture
def gateway() -> FakeGateway:
    return FakeGateway()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for the whole run; each test opens its own contexts."""
    program = installed()
    if program is None:
        pytest.skip("no browser is installed: `make test` installs one")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=QUIET_BROWSER)
        yield browser
        browser.close()


#: As root there is no sandbox; and a browser that phones home has no place in a test.
QUIET_BROWSER = [
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
