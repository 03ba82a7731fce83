"""From SQLite to PostgreSQL: every row arrives as it was and is compared, or nothing is there."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, inspect, select, text

import bootstrap
import environment
from bootstrap import App
from commands import season
from commands.run import prepare, state_file
from db import move
from db.models import AuditEntry, Base
from db.session import DatabaseUnfit, Sessions, open_engine
from payments.access.people import SYSTEM
from payments.books import chain, integrity
from payments.errors import Conflict
from payments.keeping import moving
from tests.desk import FakeGateway, issue, make_event
from tests.running import demo_environ, manage

pytestmark = pytest.mark.postgres


@pytest.fixture(scope="module")
def year(tmp_path_factory: pytest.TempPathFactory) -> App:
    """A demo desk with a small year in it: events, people, payments and all that became of them."""
    app = prepare(environment.read_settings(demo_environ(tmp_path_factory.mktemp("year")), None))
    season.seed(app, state_file(app.settings), ends=app.now().replace(microsecond=0), payments=40)
    app.sessions.engine.dispose()
    return app


def copy_of(year: App, folder: Path) -> Sessions:
    """That desk, to be spoilt."""
    shutil.copytree(year.settings.data_dir, folder)
    return bootstrap.build(environment.read_settings(demo_environ(folder), None)).sessions


@pytest.fixture
def desk(year: App, tmp_path: Path) -> Iterator[Sessions]:
    sessions = copy_of(year, tmp_path / "desk")
    yield sessions
    sessions.engine.dispose()


@pytest.fixture(params=["postgres"])
def database_kind() -> str:
    return "postgres"


@pytest.fixture
def new(empty_database_url: str) -> Iterator[Engine]:
    engine = open_engine(empty_database_url)
    yield engine
    engine.dispose()


@dataclass(frozen=True)
class Done:
    """A move: what there was and is, the desk on its new database, the old one, and what was told."""

    before: dict[str, Any]
    after: dict[str, Any]
    old: Sessions
    there: Sessions
    result: moving.Moved
    progress: list[int]


@pytest.fixture(scope="module")
def done(year: App, postgres_admin: Engine, tmp_path_factory, now) -> Iterator[Done]:
    """One move for all tests that look at what came of it."""
    with postgres_admin.connect() as connection:
        connection.execute(text("CREATE DATABASE moved TEMPLATE template0"))
    old = copy_of(year, tmp_path_factory.mktemp("moved") / "desk")
    new = open_engine(postgres_admin.url.set(database="moved").render_as_string(hide_password=False))
    before, progress = everything(old.engine), list[int]()
    result = moving.move_to_postgres(
        old, new, SYSTEM, now=now, progress=lambda _, rows: progress.append(rows)
    )
    yield Done(before, everything(new), old, Sessions(new, old.carried), result, progress)
    old.engine.dispose()
    new.dispose()


def moved(desk: Sessions, new: Engine, now: datetime) -> moving.Moved:
    return moving.move_to_postgres(desk, new, SYSTEM, now=now, progress=lambda _table, _rows: None)


def everything(engine: Engine) -> dict[str, list[tuple[Any, ...]]]:
    """Each row of each table as Python has it, by key; but what the move itself writes."""
    told = {}
    with engine.connect() as connection:
        for table in Base.metadata.sorted_tables:
            keys = [table.columns[each.name] for each in table.primary_key.columns]
            told[table.name] = [tuple(row) for row in connection.execute(select(table).order_by(*keys))]
    told["audit"] = [row for row in told["audit"] if "move_to_postgres" not in row]
    told["meta"] = sorted(row for row in told["meta"] if row[0] != moving.MOVED)
    return told


def assert_nothing_happened(desk: Sessions, new: Engine, before: dict[str, Any]) -> None:
    assert inspect(new).get_table_names() == []
    assert everything(desk.engine) == before
    with desk.read() as session:
        moving.check_here(session)


# -- a desk that was moved ----------------------------------------------------------------------------


def test_every_row_of_every_table_arrives_as_it_was(done):
    for name, rows in done.before.items():  # of two large dictionaries one could not read what differs
        assert done.after[name] == rows, name
    assert done.result.rows == sum(done.progress) == sum(map(len, done.before.values()))
    assert done.result.amounts > 8
    assert done.result.entries == len(done.before["audit"]) > 5


def test_the_desk_goes_on_there_and_nowhere_else(done, now):
    bootstrap.claim_mode(done.there, "demo")
    with pytest.raises(Conflict, match="moved to PostgreSQL on 23 November 2026"):
        bootstrap.claim_mode(done.old, "demo")
    with done.there.begin() as session:
        make_event(session, "another", now=now)
    issue(done.there, FakeGateway(), now=now, event="another")
    with done.there.read() as session:
        assert integrity.examine(session) == ()
        assert chain.verify(session).broken is None
        entry = select(AuditEntry.detail).where(AuditEntry.action == "move_to_postgres")
        assert session.scalars(entry).one() == {"rows": done.result.rows, "amounts": done.result.amounts}


def test_the_new_database_is_like_one_that_was_migrated(done, new_database):
    """Its keys, checks and triggers too, which were away for a while."""
    other = open_engine(new_database(True))
    assert structure(done.there.engine) == structure(other)
    other.dispose()


def structure(engine: Engine) -> list[tuple[Any, ...]]:
    asked = (
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace",
        "SELECT tgrelid::regclass::text, tgname, tgenabled::text FROM pg_trigger WHERE NOT tgisinternal",
        "SELECT tablename::text, indexname::text, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    )
    with engine.connect() as connection:
        return sorted(tuple(row) for one in asked for row in connection.execute(text(one)))


@pytest.mark.parametrize(
    "change, told",
    [
        pytest.param(
            "UPDATE standings SET sum_minor = sum_minor + 1", "standings sum_minor ZAR", id="a cent"
        ),
        pytest.param("UPDATE standings SET currency = 'USD'", "standings sum_minor USD", id="a currency"),
        pytest.param("DELETE FROM tallies", "tallies", id="rows gone"),
        pytest.param("INSERT INTO counters VALUES ('more', 1)", "counters", id="a row more"),
    ],
)
def test_what_differs_by_a_row_or_a_cent_is_named(done, change, told):
    with done.there.engine.connect() as target, done.there.engine.connect() as source:
        target.execute(text(change))
        found = move.differences(source, target)
        target.rollback()
    assert any(each.startswith(f"{told}:") for each in found), found


# -- what is not moved --------------------------------------------------------------------------------


def test_a_database_with_anything_in_it_is_refused(desk, new, now):
    before = everything(desk.engine)
    with new.begin() as connection:
        connection.execute(text("CREATE TABLE others (id INT)"))
    with pytest.raises(DatabaseUnfit, match="is not empty"):
        moved(desk, new, now)
    assert inspect(new).get_table_names() == ["others"]
    assert everything(desk.engine) == before


@pytest.mark.parametrize(
    "spoilt, says",
    [
        pytest.param(
            ("UPDATE events SET name = 'Gala' || char(0) WHERE id = 1",),
            "does not take a row of events",
            id="a text that PostgreSQL cannot keep",
        ),
        pytest.param(
            ("DROP TRIGGER audit_no_update", "UPDATE audit SET subject = 'another' WHERE id = 5"),
            "Entry 5 of the audit is not as it was written",
            id="an entry of the audit was changed",
        ),
        pytest.param(
            ("UPDATE standings SET sum_minor = sum_minor + 1",), "books do not add up", id="a total is wrong"
        ),
        pytest.param(
            ("PRAGMA foreign_keys = OFF", "UPDATE links SET payment_id = 99999999 WHERE id = 3"),
            "is not whole: links",
            id="a link of no payment",
        ),
    ],
)
def test_what_is_not_whole_is_not_moved(desk, new, now, spoilt, says):
    driver = desk.engine.raw_connection()
    for statement in spoilt:
        driver.driver_connection.execute(statement)
    driver.close()
    before = everything(desk.engine)
    with pytest.raises((Conflict, DatabaseUnfit), match=says):
        moved(desk, new, now)
    assert_nothing_happened(desk, new, before)


def test_only_sqlite_that_is_migrated_is_moved(desk, new, now):
    with pytest.raises(Conflict, match="from SQLite to PostgreSQL"):
        moved(Sessions(new), new, now)
    with desk.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0027'"))
    with pytest.raises(Conflict, match="Migrations wait"):
        moved(desk, new, now)


def test_the_command_moves_a_closed_desk_and_says_what_was_compared(year, tmp_path, empty_database_url):
    shutil.copytree(year.settings.data_dir, tmp_path / "desk")
    environ = demo_environ(tmp_path / "desk")
    told = manage(environ | {"NEW_DATABASE_URL": empty_database_url}, "move-to-postgres")
    assert told.returncode == 0, told.stderr
    assert "sums by column and currency are the same" in told.stdout
    assert "moved to PostgreSQL" in manage(environ, "status").stderr
