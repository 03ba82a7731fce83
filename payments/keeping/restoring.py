"""A backup put back: opened, examined and compared with what it says, before anything is replaced."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from db import backup as copies
from db.session import Sessions, file_of, open_engine
from payments.books import audit, chain, integrity
from payments.books.audit import Actor
from payments.errors import Conflict
from payments.keeping import backups, upgrading
from payments.keeping.backups import Manifest, Place
from payments.personal_data import tombstones
from payments.personal_data.tombstones import Stones

NO_STONES = Stones()


def restore(
    sessions: Sessions,
    person: Actor,
    place: Place,
    file: Path,
    *,
    mode: str,
    now: datetime,
    stones: Stones = NO_STONES,
) -> Manifest:
    """The database becomes what the backup holds; on SQLite the one that was there is kept beside it. Whoever
    was erased since, as ``stones`` tell, is erased in it before anybody sees it.

    The desk must be closed. Raises CannotOpen for a damaged file or a missing key, Conflict for one of
    another mode or database or whose books do not add up, DatabaseUnfit: then nothing was replaced.
    """
    engine = sessions.engine
    path = file_of(engine)
    if path is not None:  # a file takes another's place in one step only on the same disk
        place = replace(place, work=path.parent)
    with backups.alone(place.work) as bench:
        copy = bench / "copy"
        manifest = backups.unpack(place.keys, file, copy)
        if (manifest.mode, manifest.database) != (mode, engine.dialect.name):
            raise Conflict(
                f"This is a backup of a {manifest.mode} desk on {manifest.database}; the settings say "
                f"{mode}, on {engine.dialect.name}."
            )
        if path is None:
            copies.fill(engine, copy, place.tools)
            _take_over(chain.beside(sessions, engine), person, file, manifest, now, stones)
        else:
            _put_in_place(path, copy, sessions, person, file, manifest, now, stones)
        chain.drop_anchor(sessions, now=now, restored=True)
    return manifest


def _put_in_place(
    path: Path,
    copy: Path,
    sessions: Sessions,
    person: Actor,
    file: Path,
    manifest: Manifest,
    now: datetime,
    stones: Stones,
) -> None:
    engine = open_engine(f"sqlite:///{copy}")
    try:
        _take_over(chain.beside(sessions, engine), person, file, manifest, now, stones)
    finally:
        engine.dispose()
    copies.put_in_place(path, copy, f"before-{now:%Y%m%dT%H%M%SZ}")


def _take_over(
    sessions: Sessions, person: Actor, file: Path, manifest: Manifest, now: datetime, stones: Stones
) -> None:
    _check(sessions, manifest)
    with sessions.begin() as session:
        erased = tombstones.again(session, stones, now=now)
        audit.record(
            session,
            person,
            "restore_backup",
            file.name,
            now=now,
            made_at=manifest.made_at,
            erased_again=erased,
        )


def _check(sessions: Sessions, manifest: Manifest) -> None:
    """Its rows are those it was made with, its tables become this release's, and its books add up."""
    with sessions.engine.connect() as connection:
        counts = copies.count(connection)
    if dict(counts) != dict(manifest.rows):
        other = sorted(name for name in manifest.rows if counts.get(name) != manifest.rows[name])
        raise Conflict(f"The backup holds other rows than it says, in {', '.join(other)}. Take another one.")
    upgrading.upgrade(sessions)
    with sessions.read() as session:
        findings = [
            finding for finding in integrity.examine(session) if finding.name not in manifest.findings
        ]
    if findings:
        raise Conflict(f"The books in this backup do not add up: {findings[0].sentence} Take another one.")
