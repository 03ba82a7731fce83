"""Engines and sessions, for SQLite and PostgreSQL alike.

SQLite loses writes under SQLAlchemy's default transactions (two processes, read-modify-write,
no error): writers therefore begin with BEGIN IMMEDIATE and readers with BEGIN. synchronous=FULL
is what survives a power cut in WAL mode.
"""

import os
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import copy
from pathlib import Path
from threading import Lock
from types import MappingProxyType
from typing import Any, TypeVar
from urllib.parse import quote

from sqlalchemy import Connection, Engine, Row, Select, create_engine, event, text
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import DBAPIError, DisconnectionError, InterfaceError, OperationalError
from sqlalchemy.orm import Session

from db import veil
from db.sqlite import DatabaseUnfit, sqlite_module
from db.veil import Views

_SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "recursive_triggers=ON",
    "trusted_schema=OFF",
    "secure_delete=FAST",  # what a row said before is not left within its page
    "cache_size=-8000",  # KiB, of 2000: the texts of a search lie on more pages than that
)
_NETWORK_FILESYSTEMS = {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs"}


#: SQLite's BEGIN is a picture by itself; PostgreSQL shows each statement the newest unless it is told.
_PICTURE: dict[str, dict[str, Any]] = {
    "sqlite": {"sqlite_begin": "BEGIN"},
    "postgresql": {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True},
}
#: Each statement is a transaction by itself, committed once all that it returns was read.
AT_ONCE: dict[str, dict[str, Any]] = {
    "sqlite": {"sqlite_begin": None},
    "postgresql": {"isolation_level": "AUTOCOMMIT"},
}

#: How long SQLite waits by itself for a writer of another process before it is asked anew.
LOOK_EVERY_MS = 3
#: How long a writer waits for the others of its process before it tries beside them.
TURN_S = 10

#: What PostgreSQL says to a transaction that it broke off so that another one could go on: a deadlock, or two
#: that cannot both have been first.
BROKEN_OFF = frozenset({"40P01", "40001"})
#: So often such a transaction is begun anew, each time after a pause of its own length.
BEGUN_ANEW, PAUSE_S = 3, 0.05

T = TypeVar("T")


class Sessions:
    """Where sessions come from: ``begin()`` to write, ``read()`` to look.

    On SQLite the writers of one process take turns: it has one writer at a time, and its own waiting is a
    sleep, neither prompt nor fair. Whoever waits too long for their turn asks the database itself.
    """

    def __init__(
        self,
        engine: Engine,
        carried: Mapping[str, Any] = MappingProxyType({}),
        left_by: Callable[["Sessions", Exception], None] | None = None,
    ) -> None:
        """``carried``: what each session has in its ``info``, for rules that need a key. ``left_by`` is told
        each error that leaves a session once it is closed: what it writes outlives what was rolled back."""
        self.engine = engine
        self.carried = carried
        self._left_by = left_by
        self._guard: Callable[[Session], None] | None = None
        self._turn = Lock() if engine.dialect.name == "sqlite" else None
        self._reader = engine.execution_options(**_PICTURE[engine.dialect.name])
        self._asked = engine.execution_options(**AT_ONCE[engine.dialect.name])

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """A writing session: commits at the end of the block, rolls back when it raises."""
        with (
            self._told(),
            self._in_turn() as bind,
            self._open(bind, expire_on_commit=False) as session,
            session.begin(),
        ):
            if self._guard is not None:
                self._guard(session)
            yield session

    def run(self, work: Callable[[Session], T]) -> T:
        """What ``work`` makes of a writing session, committed.

        Where others waited for what it held, and it for what they held, PostgreSQL breaks one off, and all of
        that one's work is done anew. So ``work`` changes nothing but its session: it may run several times.
        """
        for nth in range(1, BEGUN_ANEW + 1):
            try:
                with self.begin() as session:
                    return work(session)
            except DBAPIError as error:
                if code_of(error) not in BROKEN_OFF:
                    raise
                time.sleep(random.uniform(0.1, 1) * nth * PAUSE_S)  # noqa: S311 nobody gains by guessing it
        with self.begin() as session:
            return work(session)

    def guarded(self, guard: Callable[[Session], None]) -> "Sessions":
        """The same, but every writing session begins with ``guard``, which raises where it must not write."""
        same = copy(self)
        same._guard = guard
        return same

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            if self._left_by is not None:
                self._left_by(self, error)
            raise

    @contextmanager
    def _in_turn(self) -> Iterator[Engine | Connection]:
        """Whose turn it is has its connection already: it never waits for one that others hold who wait."""
        if self._turn is None:
            yield self.engine
            return
        with self.engine.connect() as connection:
            mine = self._turn.acquire(timeout=TURN_S)
            try:
                yield connection
            finally:
                if mine:
                    self._turn.release()

    def _open(self, bind: Engine | Connection, **options: Any) -> Session:
        return Session(bind, info=dict(self.carried), **options)

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A reading session: one consistent picture; closing it keeps nothing."""
        with self._told(), self._open(self._reader, autoflush=False) as session:
            yield session

    def ask(self, statement: Select[*tuple[Any, ...]], told: Mapping[str, Any]) -> Row[Any] | None:
        """The one row of one question, or None. A question by itself needs no transaction around it, which
        on PostgreSQL is two more ways there and back."""
        with self._told(), self._asked.connect() as connection:
            return connection.execute(statement, told).one_or_none()

    @contextmanager
    def read_through(self, views: Views) -> Iterator[Session]:
        """A reading session, one picture too, that finds views in the place of tables. Its connection is its
        own and is closed at the end: nobody else ever reads through them."""
        options = dict(_PICTURE[self.engine.dialect.name])
        options.pop("postgresql_readonly", None)  # until they are made
        with self._told(), self.engine.execution_options(**options).connect() as connection:
            connection.detach()
            veil.draw(connection.connection.dbapi_connection, self.engine.dialect.name, views)
            with self._open(connection, autoflush=False) as session:
                yield session


def code_of(error: BaseException) -> str:
    """What PostgreSQL calls an error, five letters; "" when it is none of its."""
    return str(getattr(getattr(error, "orig", None), "sqlstate", None) or "")


#: How long PostgreSQL works at one statement before it gives up: nobody waits for its answer any more, and
#: others wait for what it holds and for the processor. And how long at those of ``takes_long``.
STATEMENT_S, LONG_S = 15, 600


def takes_long(bind: Session | Connection) -> None:
    """The statements of this transaction may take their time: it is known that they read, or write, a good
    part of the tables, and somebody waits for them."""
    connection = bind.connection() if isinstance(bind, Session) else bind
    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SET LOCAL statement_timeout = '{LONG_S}s'"))


def reads_much(session: Session) -> None:
    """What is asked in this transaction reads a good part of the tables. PostgreSQL would take a page far
    away for four times as dear, as on a turning disk, and read everything instead; and sort on the disk."""
    takes_long(session)
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET LOCAL random_page_cost = 1.1"))
        session.execute(text("SET LOCAL work_mem = '32MB'"))


#: How long a transaction may stand still before PostgreSQL ends it, and gives what it holds to others.
STILL_S = 60


def open_engine(
    url: str,
    *,
    busy_timeout_s: float = 10,
    still_s: int = STILL_S,
    statement_s: int = STATEMENT_S,
    **pool: Any,
) -> Engine:
    """An engine that keeps what it was told, or ``DatabaseUnfit`` with the reason why it could not.

    ``statement_s``: 0 where whoever opens it does nothing else, and may take as long as that takes.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        return _open_sqlite(url, parsed.database, busy_timeout_s, **pool)
    if parsed.get_backend_name() == "postgresql":
        return _open_postgres(url, busy_timeout_s, still_s, statement_s, **pool)
    raise DatabaseUnfit(f"DATABASE_URL names “{parsed.get_backend_name()}”; use sqlite or postgresql+psycopg")


#: An error of the database says what was asked of it, not with which values: messages with their signatures
#: and people with their addresses would stand in every traceback.
_QUIET: dict[str, Any] = {"hide_parameters": True}


def _open_sqlite(url: str, path: str | None, busy_timeout_s: float, **pool: Any) -> Engine:
    module = sqlite_module()
    if not path or path == ":memory:":
        raise DatabaseUnfit("SQLite needs a file: several processes share the desk's database")
    folder = Path(path).resolve().parent
    if (kind := _filesystem(folder)) in _NETWORK_FILESYSTEMS:
        raise DatabaseUnfit(
            f"{folder} is on {kind}: SQLite is not safe on a network filesystem; use PostgreSQL"
        )
    engine = create_engine(url, module=module, connect_args={"timeout": busy_timeout_s}, **_QUIET, **pool)
    _never_another_file(engine, Path(path).resolve())

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we own BEGIN; COMMIT and ROLLBACK stay the driver's
        for pragma in _SQLITE_PRAGMAS:
            _once_free(connection, "PRAGMA " + pragma, module.OperationalError, busy_timeout_s)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        how = options.get("sqlite_begin", "BEGIN IMMEDIATE")
        if how == "BEGIN":
            connection.exec_driver_sql(how)
        elif how is not None:
            _begin_promptly(connection, how, options.get("patience_s", busy_timeout_s))

    return engine


def _once_free(driver: Any, statement: str, busy: type[Exception], patience_s: float) -> None:
    """A new file gets its log while nobody writes to it. SQLite does not wait for that, however long it was
    told to: of processes that start at once on a new desk, all but the first would die."""
    until = time.monotonic() + patience_s
    while True:
        try:
            driver.execute(statement)
            return
        except busy as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(LOOK_EVERY_MS / 1000)


def _begin_promptly(connection: Connection, how: str, patience_s: float) -> None:
    """Begin as soon as the writer of another process ends. SQLite's own waiting sleeps up to a tenth of a
    second between two looks, and so loses to whoever writes much; ours looks every few milliseconds."""
    driver: Any = connection.connection.driver_connection
    busy, until = connection.dialect.loaded_dbapi.OperationalError, time.monotonic() + patience_s
    driver.execute(f"PRAGMA busy_timeout = {LOOK_EVERY_MS}")
    try:
        while time.monotonic() < until:
            try:
                driver.execute(how)
                return
            except busy as error:
                if "locked" not in str(error):
                    break
        connection.exec_driver_sql(how)  # it fails again, and so that everybody understands why
    finally:
        if not connection.invalidated:
            driver.execute(f"PRAGMA busy_timeout = {patience_s * 1000:.0f}")


#: SQLite's words for a file that is gone, was put elsewhere, or cannot be written: whoever met it opens anew.
_FILE_TROUBLE = ("readonly database", "unable to open database file", "disk I/O error", "locking protocol")


def _never_another_file(engine: Engine, path: Path) -> None:
    """Hold on to the file that stands at ``path``, or fail: never make one, never write to one moved away.

    SQLite would make an empty database where one is missing, and would throw away what its log still held;
    and a connection writes on to a file that was renamed, where nobody will look for it.
    """

    @event.listens_for(engine, "do_connect")
    def _open(_dialect: Any, _record: Any, where: list[Any], options: dict[str, Any]) -> None:
        where[0] = f"file:{quote(str(path))}?mode=rw"
        options["uri"] = True

    @event.listens_for(engine, "connect")
    def _remember(_connection: Any, record: Any) -> None:
        record.info["file"] = _identity(path)

    @event.listens_for(engine, "checkout")
    def _look(_connection: Any, record: Any, _proxy: Any) -> None:
        if record.info["file"] != _identity(path):
            raise DisconnectionError(f"{path} is not the file that was opened")

    @event.listens_for(engine, "handle_error")
    def _open_anew(context: ExceptionContext) -> None:
        if any(words in str(context.original_exception) for words in _FILE_TROUBLE):
            context.is_disconnect = True


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def make_file(engine: Engine) -> None:
    """Make the empty file of a new SQLite database, once; engines themselves never do.

    Raises DatabaseUnfit when its log is still there: then the database was not meant to be new.
    """
    path = file_of(engine)
    if path is None or path.exists():
        return
    if path.with_name(f"{path.name}-wal").exists():
        raise DatabaseUnfit(
            f"{path} is gone, and the log of its last changes still stands beside it. Put the file back."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def file_of(engine: Engine) -> Path | None:
    """Where SQLite keeps the database; None on PostgreSQL."""
    name = engine.url.database
    return Path(name).resolve() if engine.dialect.name == "sqlite" and name else None


#: A server that was cut off is noticed within a quarter of a minute, not when TCP gives up, after as many
#: minutes. (Sockets of the same machine know at once.)
_NOTICED = {"keepalives_idle": 5, "keepalives_interval": 3, "keepalives_count": 3, "tcp_user_timeout": 14_000}


def _open_postgres(url: str, busy_timeout_s: float, still_s: int, statement_s: int, **pool: Any) -> Engine:
    settings = {
        "lock_timeout": f"{busy_timeout_s}s",
        # Waiting for a lock is part of it, and ends first.
        "statement_timeout": f"{statement_s and max(statement_s, busy_timeout_s + 5)}s",
        "idle_in_transaction_session_timeout": f"{still_s}s",
        "timezone": "UTC",
        "client_encoding": "UTF8",  # else nothing can be asked of one that has none
        # The server, too, must notice soon that we were cut off: others wait for what we held.
        "tcp_keepalives_idle": "5",
        "tcp_keepalives_interval": "3",
        "tcp_keepalives_count": "3",
        "tcp_user_timeout": "14s",
    }
    options = " ".join(f"-c {name}={value}" for name, value in settings.items())
    return create_engine(
        re.sub(r"^postgres(ql)?://", "postgresql+psycopg://", url),
        connect_args={"options": options, "connect_timeout": 5, **_NOTICED},
        pool_pre_ping=True,
        **_QUIET,
        **pool,
    )


@contextmanager
def reached() -> Iterator[None]:
    """A database that cannot be opened is DatabaseUnfit where somebody starts: nobody would try again."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        said = str(error.orig).strip().splitlines()[0]
        raise DatabaseUnfit(
            f"The database that DATABASE_URL names cannot be opened: {said}. A server must be running and "
            f"let us in; in the folder of an SQLite file this user must be able to write."
        ) from error


def check_postgres(engine: Engine) -> None:
    """PostgreSQL 15 or later, in UTF-8, with pg_trgm installed or installable: search stands on it."""
    with engine.connect() as connection:
        number = int(connection.execute(text("SHOW server_version_num")).scalar_one())
        if number < 150000:
            raise DatabaseUnfit(f"PostgreSQL 15 or later is needed; this server says {number}")
        encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
        if encoding != "UTF8":
            raise DatabaseUnfit(
                f"The database keeps text as {encoding}, which cannot hold every name: make one with "
                f"`createdb --encoding UTF8 --template template0`"
            )
        known = text("SELECT 1 FROM pg_available_extensions WHERE name = 'pg_trgm'")
        if connection.execute(known).first() is None:
            raise DatabaseUnfit(
                "PostgreSQL has no pg_trgm extension, which search needs: install its contrib package"
            )


def _filesystem(folder: Path) -> str:
    """The type of the filesystem that holds a folder, as far as the kernel tells; "" where it does not."""
    mounts = Path("/proc/mounts")
    if not mounts.exists():
        return ""
    best, kind = "", ""
    for line in mounts.read_text().splitlines():
        _device, point, this_kind, *_ = line.split()
        inside = str(folder) == point or str(folder).startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, kind = point, this_kind
    return kind
