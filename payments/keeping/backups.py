"""Backups: made while the desk runs, examined, encrypted, written down; and opened again to be put back.

While the worker runs none is older than an hour: one begins fifty minutes after the last. A backup is the
whole database in one file, which was opened and examined before it got its name, beside it its SHA-256.
"""

import fcntl
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from db import backup as copies
from db import migrate
from db.models import Meta
from db.session import DatabaseUnfit, Sessions, open_engine
from payments import dates
from payments.books import chain, integrity
from payments.errors import CannotOpen, Conflict, NotFound, PaymentsError
from payments.keeping import sealing
from payments.keeping.keyring import KeyRing
from payments.keeping.stores import Store, sha256_of
from payments.personal_data import tombstones
from payments.working import job_log
from payments.working.job_log import Job

log = logging.getLogger("paydesk.backups")

#: What may be lost with the machine, and when the next backup begins so that it is no more.
PROMISE, EVERY = timedelta(hours=1), timedelta(minutes=50)
#: After one that failed, the next try.
AGAIN = timedelta(minutes=5)
#: All of the last two days are kept; of a month the last of each day, of a year the last of each month.
KEEP_ALL, KEEP_DAILY, KEEP_MONTHLY = timedelta(days=2), timedelta(days=30), timedelta(days=365)
_NAME = re.compile(r"paydesk-(\d{8}T\d{6}Z)\.backup")
_STAMP = "%Y%m%dT%H%M%SZ"
_LAST, _FAULT = "backup", "backup_fault"
_LOCK = "backup.lock"


@dataclass(frozen=True)
class Place:
    """Where backups go, and what they are made with. ``work`` is a private folder on a local disk: the copy
    stands there for a while, not encrypted. ``tools`` are PostgreSQL's programs; None: those on the path.
    ``copies``: where each goes as well."""

    folder: Path
    work: Path
    keys: KeyRing
    tools: Path | None = None
    copies: Store | None = None


@dataclass(frozen=True)
class Backup:
    """The last one that was made. ``findings``: rules that did not hold in it."""

    at: datetime
    file: str
    size: int
    sha256: str
    rows: int
    took_s: int
    findings: tuple[str, ...]


@dataclass(frozen=True)
class State:
    """``fault``: why the last try failed; "" when it did not."""

    last: Backup | None
    fault: str

    def age(self, *, now: datetime) -> timedelta | None:
        return now - self.last.at if self.last else None


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself. ``sha256`` and ``size`` are those of what is inside."""

    made_at: str
    mode: str
    database: str
    revision: str
    size: int
    sha256: str
    rows: Mapping[str, int]
    findings: tuple[str, ...]


# -- making one -------------------------------------------------------------------------------------


def make(sessions: Sessions, place: Place, *, now: datetime) -> Backup:
    """Make one now, examine it, write it down, and let go of those that are too old.

    Raises Conflict when one is being made, CannotOpen without a key, DatabaseUnfit, OSError.
    """
    began = time.monotonic()
    place.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with alone(place.work) as bench:
        plain = bench / "copy"
        counts = copies.copy(sessions.engine, plain, place.tools)
        manifest = _examined(sessions, plain, counts, now)
        file = place.folder / f"paydesk-{now:{_STAMP}}.backup"
        sha256 = _sealed(place.keys, manifest, plain, file)
    backup = Backup(
        at=now, file=file.name, size=file.stat().st_size, sha256=sha256, rows=sum(manifest.rows.values()),
        took_s=round(time.monotonic() - began), findings=manifest.findings,
    )  # fmt: skip
    with sessions.begin() as session:
        kept = asdict(backup) | {"at": now.isoformat()}
        session.merge(Meta(key=_LAST, value=json.dumps(kept)))
        session.merge(Meta(key=_FAULT, value=""))
    prune(place.folder, now=now)
    return backup


@contextmanager
def alone(work: Path) -> Iterator[Path]:
    """A folder to make one in; what a process left there that died over it is thrown away."""
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    with (work / _LOCK).open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict("A backup is being made or put back just now. Wait until it is done.") from error
        bench = work / "backup.making"
        shutil.rmtree(bench, ignore_errors=True)
        bench.mkdir(mode=0o700)
        try:
            yield bench
        finally:
            shutil.rmtree(bench)


def _examined(sessions: Sessions, plain: Path, counts: copies.Counts | None, now: datetime) -> Manifest:
    """What the copy holds, by looking into it. Of PostgreSQL's, its own program has read every byte; what
    does not hold in its books is what was last found."""
    with sessions.read() as session:
        mode, report = session.get(Meta, "mode"), integrity.last(session)
    findings = tuple(finding.name for finding in report.findings) if report else ()
    if counts is None:
        counts, findings = _looked_into(sessions, plain)
    return Manifest(
        made_at=now.isoformat(),
        mode=mode.value if mode else "",
        database=sessions.engine.dialect.name,
        revision=migrate.revision(sessions.engine) or "",
        size=plain.stat().st_size,
        sha256=sha256_of(plain),
        rows=dict(counts),
        findings=findings,
    )


def _looked_into(sessions: Sessions, copy: Path) -> tuple[copies.Counts, tuple[str, ...]]:
    """The rows of an SQLite database, and the rules that do not hold in it."""
    engine = open_engine(f"sqlite:///{copy}")
    try:
        with engine.connect() as connection:
            counts = copies.count(connection)
        with chain.beside(sessions, engine).read() as session:
            return counts, tuple(finding.name for finding in integrity.examine(session))
    finally:
        engine.dispose()


def _sealed(keys: KeyRing, manifest: Manifest, plain: Path, file: Path) -> str:
    """Write the file, whole or not at all, and its SHA-256 beside it as ``sha256sum --check`` reads it."""
    part = file.with_name(f".{file.name}.part")
    part.unlink(missing_ok=True)
    head = json.dumps(asdict(manifest)).encode()
    with (
        plain.open("rb") as source,
        open(os.open(part, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600), "w+b") as to,
    ):
        sealing.seal(keys, head, source, to)
        to.flush()
        os.fsync(to.fileno())
    sha256 = sha256_of(part)
    file.with_name(f"{file.name}.sha256").write_text(f"{sha256}  {file.name}\n")
    part.replace(file)
    folder = os.open(file.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
    return sha256


def prune(folder: Path, *, now: datetime) -> list[str]:
    """Throw away backups that are not kept any more; their names. Other files are nobody's business here."""
    gone = _too_old((path.name for path in folder.iterdir()), now)
    for name in gone:
        (folder / name).unlink()
        (folder / f"{name}.sha256").unlink(missing_ok=True)
    return gone


def _too_old(names: Iterable[str], now: datetime) -> list[str]:
    dated = {}
    for name in names:
        if named := _NAME.fullmatch(name):
            dated[name] = datetime.strptime(named[1], _STAMP).replace(tzinfo=now.tzinfo)
    days, months = {}, {}
    for name, at in sorted(dated.items()):  # by name, and so by time
        day = dates.business_day(at)
        days[day] = months[day.replace(day=1)] = name
    keeps = (
        (KEEP_ALL, dated.keys()),
        (KEEP_DAILY, set(days.values())),
        (KEEP_MONTHLY, set(months.values())),
    )
    return [
        name
        for name, at in sorted(dated.items())
        if not any(now - at <= age and name in kept for age, kept in keeps)
    ]


def copy_away(place: Place, *, now: datetime) -> list[str]:
    """Copy to the store whatever is in the folder and not there, the newest first; then let go there of
    what is too old. So a store that was away has everything once it is back. The names of what was copied.

    Raises Conflict when the store is away or refuses.
    """
    store = place.copies
    if store is None:
        return []
    there = set(store.names())
    here = sorted((path for path in place.folder.iterdir() if _NAME.fullmatch(path.name)), reverse=True)
    missing = [path for path in here if path.name not in there]
    for path in missing:
        store.put(path.with_name(f"{path.name}.sha256"))
        store.put(path)  # the last of the two: what has its name is whole
    if (erased := place.folder / tombstones.NAME).exists():
        store.put(erased)
    for name in _too_old(there | {path.name for path in missing}, now):
        store.remove(name)
        store.remove(f"{name}.sha256")
    return [path.name for path in missing]


def newest_in(store: Store) -> str:
    """Raises NotFound."""
    names = [name for name in store.names() if _NAME.fullmatch(name)]
    if not names:
        raise NotFound(f"There is no backup in {store.where}.")
    return names[-1]


# -- what is known of them --------------------------------------------------------------------------


def state(session: Session) -> State:
    last, fault = session.get(Meta, _LAST), session.get(Meta, _FAULT)
    if last is None:
        return State(None, fault.value if fault else "")
    kept = json.loads(last.value)
    kept |= {"at": datetime.fromisoformat(kept["at"]), "findings": tuple(kept["findings"])}
    return State(Backup(**kept), fault.value if fault else "")


class Keeper:
    """Makes a backup when one is due, beside the worker's rounds: a large one takes minutes."""

    def __init__(self, sessions: Sessions, place: Place) -> None:
        self._sessions = sessions
        self._place = place
        self._due_at: datetime | None = None
        self._copy_at: datetime | None = None  # what could not be copied is tried again
        self._thread: Thread | None = None

    def step(self, *, now: datetime) -> None:
        """Begin one when it is time to, also when the clock was set back. Never waits."""
        if self._thread is not None and self._thread.is_alive():
            return
        if self._due_at is None:
            with self._sessions.read() as session:
                last = state(session).last
            self._due_at = last.at + EVERY if last else now
        if now >= self._due_at or now < self._due_at - EVERY:
            self._due_at = now + EVERY
            self._begin(self._make, now=now)
        elif self._copy_at is not None and now >= self._copy_at:
            self._begin(self._copy, now=now)

    def _begin(self, work: Callable[[datetime], None], *, now: datetime) -> None:
        self._thread = Thread(target=work, args=(now,), name="backup", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until the one under way is done."""
        if self._thread is not None:
            self._thread.join()

    def _make(self, now: datetime) -> None:
        try:
            with job_log.noting(self._sessions, Job.BACKUP, now=now) as note:
                made = make(self._sessions, self._place, now=now)
                note.did = f"{made.rows} rows, {max(1, made.size // 1024**2)} MB"
            log.info(
                "backup file=%s bytes=%d rows=%d seconds=%d", made.file, made.size, made.rows, made.took_s
            )
        except (PaymentsError, DatabaseUnfit, OSError, SQLAlchemyError) as error:
            log.warning("No backup was made: %s", error)
            self._due_at = now + AGAIN
            with self._sessions.begin() as session:
                session.merge(Meta(key=_FAULT, value=str(error)[:500]))
            return
        except Exception:
            self._due_at = now + AGAIN
            log.exception("No backup was made")
            return
        self._copy(now)

    def _copy(self, now: datetime) -> None:
        """To the store as well. That it is away unmakes no backup; it is told like one that failed."""
        fault, self._copy_at = "", None
        try:
            for name in copy_away(self._place, now=now):
                log.info("backup file=%s copied", name)
        except Conflict as error:
            fault, self._copy_at = f"The backup was made, and not copied: {error}", now + AGAIN
            log.warning(fault)
        with self._sessions.begin() as session:
            session.merge(Meta(key=_FAULT, value=fault[:500]))


# -- opening one ------------------------------------------------------------------------------------


def unpack(keys: KeyRing, file: Path, to: Path) -> Manifest:
    """Write what is inside a backup to ``to``, proved to be what was put in; what the backup says of itself.

    Raises CannotOpen: it is no backup, is damaged or cut off, or its key is not here.
    """
    with (
        file.open("rb") as source,
        open(os.open(to, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as plain,
    ):
        pieces = sealing.opened(keys, source)
        manifest = _manifest(next(pieces, b""))
        for piece in pieces:
            plain.write(piece)
        plain.flush()
        os.fsync(plain.fileno())
    if (to.stat().st_size, sha256_of(to)) != (manifest.size, manifest.sha256):
        raise CannotOpen("This backup does not hold what it says. Take another one.")
    return manifest


def _manifest(head: bytes) -> Manifest:
    told = json.loads(head) if head else {}
    if not told:
        raise CannotOpen("This backup is cut off or damaged. Take another one.")
    return Manifest(**told | {"findings": tuple(told["findings"])})
