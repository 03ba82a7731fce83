"""The tables come from migrations, on both databases, whole or not at all."""

import re
import subprocess
import sys
from collections import Counter as Tally
from collections.abc import Iterator

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, Engine, event, select, text
from sqlalchemy.exc import DatabaseError

from db.migrate import (
    WORKS_FROM,
    _all,
    _config,
    _script,
    downgrade,
    is_newer,
    migrate,
    pending,
    revision,
)
from db.models import AmountChange, Base, Counter, TallyMonth
from db.money import Money
from db.session import DatabaseUnfit, Sessions, open_engine
from payments.books import totals
from payments.finding import search
from tests.desk import ADMIN


@pytest.fixture
def engine(empty_database_url: str) -> Iterator[Engine]:
    engine = open_engine(empty_database_url)
    yield engine
    engine.dispose()


#: All that a database says about its own tables: columns, defaults, checks, keys, indexes, triggers.
_SAYS = {
    "sqlite": ["SELECT type, tbl_name, name, sql FROM sqlite_master"],
    "postgresql": [
        "SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default"
        " FROM information_schema.columns WHERE table_schema = 'public'",
        "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint"
        " WHERE connamespace = 'public'::regnamespace",
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
        "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger"
        " WHERE NOT tgisinternal",
    ],
}
#: What only migrations make: the models know nothing of it.
_BEYOND_THE_MODELS = (
    "alembic_version", "ix_payments_search_text", "payments_fts", "_only_add", "_no_update", "_no_delete",
    "_as_asked", "_as_said", "_locked", "_erased", "changes_told",
)  # fmt: skip


def schema(engine: Engine, *, beyond_the_models: bool) -> set[str]:
    with engine.connect() as connection:
        told = [
            " | ".join(_in_one_order(str(part)) for part in row)
            for query in _SAYS[engine.dialect.name]
            for row in connection.execute(text(query))
        ]
    return {
        line for line in told if beyond_the_models or not any(name in line for name in _BEYOND_THE_MODELS)
    }


def _in_one_order(sql: str) -> str:
    """SQLite keeps the text of a CREATE TABLE: its constraints may stand in any order, and a table that was
    made anew has its name in quotes."""
    sql = re.sub(r'^CREATE TABLE "(\w+)"', r"CREATE TABLE \1", sql)
    columns, *constraints = " ".join(sql.split()).removesuffix(" )").split(", CONSTRAINT ")
    return ", ".join([columns, *sorted(constraints)])


def test_the_migrations_make_what_the_models_say(engine, new_database):
    migrate(engine)
    other = open_engine(new_database(migrated=False))
    Base.metadata.create_all(other)
    assert schema(engine, beyond_the_models=False) == schema(other, beyond_the_models=False)
    other.dispose()


@pytest.mark.filterwarnings("ignore:.*expression-based index")  # SQLite's are compared above, as text
def test_alembic_finds_no_difference_either(engine):
    migrate(engine)
    with engine.connect() as connection:
        assert compare_metadata(_context(connection), Base.metadata) == []


def _context(connection: Connection) -> MigrationContext:
    #: PostgreSQL tells its CASE in words of its own. Compared above, as text.
    told_otherwise = ("ix_payments_rest_name",) if connection.dialect.name == "postgresql" else ()

    def ours(_thing, name, *_other):
        return not any(beyond in name for beyond in (*_BEYOND_THE_MODELS, *told_otherwise))

    return MigrationContext.configure(connection, opts={"compare_type": True, "include_object": ours})


def test_down_and_up_again_is_the_same(engine):
    before = schema(engine, beyond_the_models=True)
    migrate(engine)
    up = schema(engine, beyond_the_models=True)
    downgrade(engine, "base")
    assert {
        line for line in schema(engine, beyond_the_models=True) if "alembic_version" not in line
    } == before
    migrate(engine)
    assert schema(engine, beyond_the_models=True) == up


def test_pending_tells_what_migrate_will_do(engine):
    assert revision(engine) is None
    waiting = pending(engine)
    assert waiting
    migrate(engine)
    assert pending(engine) == []
    assert revision(engine) == waiting[-1]


def test_a_second_migrate_changes_nothing(engine):
    migrate(engine)
    before = schema(engine, beyond_the_models=True)
    migrate(engine)
    assert schema(engine, beyond_the_models=True) == before


def test_changes_count_from_zero(engine):
    migrate(engine)
    with engine.connect() as connection:
        assert connection.execute(select(Counter.name, Counter.value)).all() == [("changes", 0)]


class PowerCut(Exception):
    """The test's own: this far and no further."""


@pytest.mark.timeout(3_600)  # --chaos
def test_a_failure_at_any_statement_leaves_schema_and_data_as_they_were(engine, so_often):
    """Of each step every thirtieth statement, with ``--chaos`` each, is one too many."""
    with engine.begin() as connection:
        command.upgrade(_config(connection), "0001")
        for statement in ADDED.split(";"):
            connection.execute(text(statement))
    apart, last, cut = so_often(30, 1), 1, Tally[str | None]()
    step, before = revision(engine), everything(engine)
    while not _migrate_until(engine, last):
        if (now := revision(engine)) == step:
            assert everything(engine) == before, f"after {step}, at statement {last}"
            last += apart
        else:  # it went through, and failed at a statement of the next, or of one after it
            step, before, last = now, everything(engine), 1
        cut[step] += 1
    assert len(cut) > so_often(15, 42)
    assert cut.total() > so_often(30, 300)
    assert pending(engine) == []


def everything(engine: Engine) -> tuple[set[str], dict[str, list[str]]]:
    """Schema and data."""
    with engine.connect() as connection:
        rows = {
            name: sorted(map(str, connection.exec_driver_sql(f'SELECT * FROM "{name}"')))
            for name in connection.dialect.get_table_names(connection)
        }
    return schema(engine, beyond_the_models=True), rows


@pytest.mark.parametrize("last", [2, 100, 200])
def test_a_failure_in_a_new_database_leaves_it_empty(engine, last):
    before = schema(engine, beyond_the_models=True)
    assert not _migrate_until(engine, last)
    assert schema(engine, beyond_the_models=True) == before


_WRITES = ("CREATE", "INSERT", "ALTER", "UPDATE", "DELETE", "DROP", "DO", "COMMENT", "TRUNCATE")


def _migrate_until(engine: Engine, last: int) -> bool:
    """Whether it came through before its ``last`` statement that writes."""
    seen = 0

    def stop(_connection, _cursor, statement, *_other):
        nonlocal seen
        seen += statement.lstrip().upper().startswith(_WRITES)
        if seen >= last:
            raise PowerCut(statement)

    event.listen(engine, "before_cursor_execute", stop)
    try:
        migrate(engine)
    except PowerCut:
        return False
    finally:
        event.remove(engine, "before_cursor_execute", stop)
    return True


_START = """
import sys
from db.migrate import migrate
from db.session import open_engine
migrate(open_engine(sys.argv[1]))
"""


def test_two_starts_at_once_migrate_once(engine, empty_database_url):
    starts = [subprocess.Popen([sys.executable, "-c", _START, empty_database_url]) for _ in range(3)]
    assert [process.wait(60) for process in starts] == [0, 0, 0]
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM counters")).scalar_one() == 1
    assert pending(engine) == []


@pytest.mark.parametrize("works_from", ["9998", None], ids=["cannot work there", "was told nothing"])
def test_a_database_of_a_newer_release_is_refused(engine, works_from):
    migrated_by_a_newer_one(engine, works_from)
    with pytest.raises(DatabaseUnfit, match="9999, which this release does not know"):
        migrate(engine)


def test_a_database_of_a_newer_release_that_says_so_is_worked_with_and_left_as_it_is(engine):
    migrated_by_a_newer_one(engine, WORKS_FROM)
    before = schema(engine, beyond_the_models=True)
    assert pending(engine) == []
    migrate(engine)
    assert schema(engine, beyond_the_models=True) == before
    assert revision(engine) == "9999"
    assert is_newer(engine)


def migrated_by_a_newer_one(engine: Engine, works_from: str | None) -> None:
    migrate(engine)
    assert not is_newer(engine)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.execute(text("DELETE FROM meta WHERE key = 'works_from'"))
        if works_from is not None:
            said = text("INSERT INTO meta (key, value) VALUES ('works_from', :revision)")
            connection.execute(said, {"revision": works_from})


def test_a_database_of_something_else_is_refused_in_a_sentence(engine):
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE alembic_version (version_num VARCHAR(32))"))
        connection.execute(text("INSERT INTO alembic_version VALUES ('a1b2c3')"))
    with pytest.raises(DatabaseUnfit, match="a1b2c3, which this release does not know"):
        migrate(engine)


@pytest.mark.parametrize("steps", ["all at once", "one after the other"])
def test_older_releases_are_told_whether_they_can_work_on_these_tables(engine, steps):
    if steps == "one after the other":
        with engine.begin() as connection:
            command.upgrade(_config(connection), "0030")
    migrate(engine)
    with engine.connect() as connection:
        said = connection.scalars(text("SELECT value FROM meta WHERE key = 'works_from'")).all()
    assert said == [WORKS_FROM]
    downgrade(engine, "base")
    assert WORKS_FROM in pending(engine)


def test_a_release_that_knows_no_rest_of_a_line_refuses_these_tables(engine, monkeypatch):
    """It would undo a match and leave its rest waiting beside the line, which may wait once only."""
    migrate(engine)
    known = _all(_script())
    monkeypatch.setattr("db.migrate._all", lambda _script: known[: known.index("0052")])
    with pytest.raises(DatabaseUnfit, match="Start that release"):
        pending(engine)


def test_payments_of_before_the_index_are_found_once_it_is_made(engine):
    """Those of the first release have no line break before their first field and behind their last."""
    migrate(engine)
    downgrade(engine, "0010")
    with engine.begin() as connection:
        for statement in ADDED.split(";")[:2]:
            connection.execute(text(statement))
        connection.execute(text("UPDATE payments SET search_text = 'demo_reg_7k2mpq4\nzanele'"))
    migrate(engine)
    migrate(engine)
    with Sessions(engine).read() as session:
        kept = session.execute(text("SELECT search_text FROM payments")).scalar_one()
        assert kept == "\ndemo_reg_7k2mpq4\nzanele\n"
        assert [row.id for row in search.page(session, ADMIN, search.parse("zanele")).rows] == [1]


def test_an_index_of_ours_that_somebody_made_by_hand_is_made_anew(engine):
    migrate(engine)
    downgrade(engine, "0053")
    with engine.begin() as connection:
        connection.execute(text("CREATE INDEX ix_payments_rest_name ON payments (payer_name)"))
    migrate(engine)
    with engine.connect() as connection:
        (of_what,) = connection.scalars(
            text(
                "SELECT sql FROM sqlite_master WHERE name = 'ix_payments_rest_name'"
                if engine.dialect.name == "sqlite"
                else "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_payments_rest_name'"
            )
        )
    assert "amount_minor" in of_what


def test_amounts_that_changed_before_are_known_as_replaced(engine):
    """A registration's payments of before, each in the place of the one before it."""
    migrate(engine)
    downgrade(engine, "0039")
    event, first = ADDED.split(";")[:2]
    kept = (
        "INSERT INTO registrations"
        " (event_id, registration_id, number, reference, return_url, change, created_at)"
        " VALUES (1, 'R1', {0}, '{1}', '', 0, '2026-11-23 10:00:00')"
    )
    second = first.replace("VALUES (1,", "VALUES (2,").replace("7K2MPQ4", "7K2MPQ5").replace("15000", "9900")
    with engine.begin() as connection:
        for statement in (event, first, second):
            connection.execute(text(statement))
        for number, reference in (
            (1, "DEMO_REG_7K2MPQ4"),
            (2, "DEMO_REG_7K2MPQ5"),
            (3, "DEMO_REG_NEVERMADE"),
        ):
            connection.execute(text(kept.format(number, reference)))
    migrate(engine)
    with Sessions(engine).read() as session:
        (row,) = session.scalars(select(AmountChange))
        assert (row.payment_id, row.other_id, row.kind, row.amount) == (1, 2, "replaced", Money(9_900))
        assert row.choice == {}


def test_what_was_tallied_before_months_were_kept_is_in_them(engine):
    """The last hour of October in Johannesburg and the first of November lie in one day of London."""
    migrate(engine)
    downgrade(engine, "0045")
    kept = "INSERT INTO tallies VALUES ('2026-10-31 {0}:00:00{1}', 1, 'taken', '{2}', 'ZAR', {3}, {4})"
    zone = "+00:00" if engine.dialect.name == "postgresql" else ".000000"
    with engine.begin() as connection:
        connection.execute(text(ADDED.split(";")[0]))
        for row in ((20, "cash", 1, 100), (21, "cash", 2, 250), (21, "eft", 1, 40), (22, "cash", -1, -7)):
            connection.execute(text(kept.format(row[0], zone, *row[1:]).replace(":00:00", r"\:00\:00")))
    migrate(engine)
    with Sessions(engine).read() as session:
        months = [
            (f"{one.month:%Y-%m}", one.key, one.count, one.sum_minor)
            for one in session.scalars(select(TallyMonth).order_by(TallyMonth.month, TallyMonth.key))
        ]
        assert months == [("2026-10", "cash", 3, 350), ("2026-10", "eft", 1, 40), ("2026-11", "cash", -1, -7)]
        assert list(totals.months(session)) == []


ADDED = """
INSERT INTO events (id, code, name, starts_on, ends_on, state, currency, reference_prefix, created_at)
VALUES (1, 'devconf', 'Devconf', '2026-12-01', '2026-12-03', 'open', 'ZAR', 'REG', '2026-11-23 10:00:00');
INSERT INTO payments (id, reference, event_id, mode, status, amount_minor, amount_currency, received_minor,
    refunded_minor, payer_name, payer_email, payer_phone, note, version, created_by, created_at, updated_at,
    search_text)
VALUES (1, 'DEMO_REG_7K2MPQ4', 1, 'demo', 'open', 15000, 'ZAR', 0, 0, 'Zanele', '', '', '', 0, 'Thandi',
    '2026-11-23 10:00:00', '2026-11-23 10:00:00', '');
INSERT INTO timeline (id, payment_id, at, kind, source, actor, detail)
VALUES (1, 1, '2026-11-23 10:00:00', 'created', 'desk', 'Thandi', '{}');
INSERT INTO audit (id, at, actor, action, subject, detail)
VALUES (1, '2026-11-23 10:00:00', 'Thandi', 'sign_in', 'Thandi', '{}')
"""


@pytest.mark.parametrize(
    "forgery",
    [
        pytest.param("UPDATE {table} SET actor = 'somebody else'", id="update"),
        pytest.param("DELETE FROM {table}", id="delete"),
        pytest.param("TRUNCATE {table}", id="truncate"),
        pytest.param("INSERT OR REPLACE INTO {table} SELECT * FROM {table}", id="replace"),
    ],
)
@pytest.mark.parametrize("table", ["timeline", "audit"])
def test_what_happened_cannot_be_rewritten(sessions, table, forgery):
    foreign = {"sqlite": "TRUNCATE", "postgresql": "INSERT OR"}[sessions.engine.dialect.name]
    if forgery.startswith(foreign):
        forgery = "DELETE FROM {table} WHERE id = 1"  # this database does not know the word
    with sessions.begin() as session:
        for statement in ADDED.split(";"):
            session.execute(text(statement))
    with pytest.raises(DatabaseError, match=f"{table} rows are only ever added"), sessions.begin() as session:
        session.execute(text(forgery.format(table=table)))
    with sessions.read() as session:
        assert session.execute(text(f"SELECT actor FROM {table}")).scalar_one() == "Thandi"
