"""Bring a database to this release's tables: Alembic, a transaction a revision, one process at a time."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from db.session import DatabaseUnfit, file_of, make_file

#: The oldest revision whose release can work on these tables too, so that who upgraded can go back without a
#: restore: what came after it adds what that release neither reads nor has to write. A migration that it
#: could not work with (a column it does not fill, a rule it would break) raises this to its own revision.
#: Before 0052 a line waits once at most: such a release undoes a match and leaves its rest waiting beside it.
#: Before 0054 each payout stands alone: such a release takes one back that is written down with its night.
#: Before 0057 no second person is asked about a payout that nothing explains: such a release cannot read it.
WORKS_FROM = "0057"
#: The row of ``meta`` that says so to releases of before.
_KEPT_AS = "works_from"

_FOLDER = Path(__file__).parent / "migrations"
#: PostgreSQL's advisory locks are numbers; this one is Paydesk's. SQLite's BEGIN IMMEDIATE is its lock.
_LOCK = 7_293_041
#: Whoever comes second waits as long as a large table may take the first.
_PATIENCE_S = 300


def migrate(engine: Engine) -> None:
    """Apply what is pending. A revision that fails leaves nothing behind; those before it stay. A new
    database gets all of them in one transaction.

    Processes that start at once take turns: each looks again once it holds the lock.
    """
    make_file(engine)
    while _step(engine):
        pass


def build(connection: Connection) -> None:
    """Make this release's tables in an empty database, in the transaction that is open: all or nothing."""
    _lock(connection)
    command.upgrade(_config(connection), "head")
    _say_works_from(connection)


def pending(engine: Engine) -> list[str]:
    """The revisions that ``migrate`` would apply, oldest first.

    Raises DatabaseUnfit when a newer release has been here, on whose tables this one cannot work.
    """
    file, script = file_of(engine), _script()
    if file is not None and not file.exists():
        return _all(script)
    with engine.connect() as connection:
        return _pending(connection, script)


def is_newer(engine: Engine) -> bool:
    """Whether a newer release has migrated the database: this one works on it, not knowing all of it."""
    return revision(engine) not in (None, *_all(_script()))


def revision(engine: Engine) -> str | None:
    """The revision the database is at; None for an empty one."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def downgrade(engine: Engine, to: str) -> None:
    """Back to an earlier revision, or ``base``. What only the later tables held is lost: back up first."""
    with engine.begin() as connection:
        _lock(connection)
        command.downgrade(_config(connection), to)


def _step(engine: Engine) -> bool:
    with engine.execution_options(patience_s=_PATIENCE_S).begin() as connection:
        _lock(connection)
        script = _script()
        waiting = _pending(connection, script)
        if waiting == _all(script):
            build(connection)
            return False
        if waiting:
            command.upgrade(_config(connection), waiting[0])
            _say_works_from(connection)
        return len(waiting) > 1


def _pending(connection: Connection, script: ScriptDirectory) -> list[str]:
    current = MigrationContext.configure(connection).get_current_revision()
    known = _all(script)
    if current is None:
        return known
    if current not in known:
        if _works_from(connection) in known:
            return []
        raise DatabaseUnfit(
            f"The database is at revision {current}, which this release does not know: "
            f"a newer release has migrated it. Start that release, or restore a backup made before it."
        )
    return known[known.index(current) + 1 :]


def _works_from(connection: Connection) -> str | None:
    """What a newer release has said of its tables; None where none of ours has been."""
    if not connection.dialect.has_table(connection, "meta"):
        return None
    asked = text("SELECT value FROM meta WHERE key = :name")
    return connection.scalar(asked, {"name": _KEPT_AS})


def _say_works_from(connection: Connection) -> None:
    """With each step, also of several: whatever it comes to, an older release must not take it for less."""
    connection.execute(text("DELETE FROM meta WHERE key = :name"), {"name": _KEPT_AS})
    said = text("INSERT INTO meta (key, value) VALUES (:name, :value)")
    connection.execute(said, {"name": _KEPT_AS, "value": WORKS_FROM})


def _all(script: ScriptDirectory) -> list[str]:
    return [step.revision for step in script.walk_revisions()][::-1]


def _lock(connection: Connection) -> None:
    """Until the end of the transaction; SQLite has taken its write lock with BEGIN IMMEDIATE."""
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL lock_timeout = '{_PATIENCE_S}s'"))
        connection.execute(text("SET LOCAL statement_timeout = 0"))  # half of one is of no use to anybody
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK})


def _script() -> ScriptDirectory:
    return ScriptDirectory(str(_FOLDER))


def _config(connection: Connection) -> Config:
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    return config
