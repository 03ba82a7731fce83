"""A backup put back: opened, examined and compared with what it says, before anything is replaced."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine

from db import backup as copies
from db import migrate
from db.session import Sessions, file_of, open_engine
from payments import audit, backups, integrity
from payments.audit import Actor
from payments.backups import Manifest, Place
from payments.errors import Conflict


def restore(engine: Engine, person: Actor, place: Place, file: Path, *, mode: str, now: datetime) -> Manifest:
    """The database becomes what the backup holds; on SQLite the one that was there is kept beside it.

    The desk must be closed. Raises CannotOpen for a damaged file or a missing key, Conflict for one of
    another mode or database or whose books do not add up, DatabaseUnfit: then nothing was replaced.
    """
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
            _check(engine, manifest)
            _tell(engine, person, file, manifest, now)
        else:
            _put_in_place(path, copy, person, file, manifest, now)
    return manifest


def _put_in_place(
    path: Path, copy: Path, person: Actor, file: Path, manifest: Manifest, now: datetime
) -> None:
    engine = open_engine(f"sqlite:///{copy}")
    try:
        _check(engine, manifest)
        _tell(engine, person, file, manifest, now)
    finally:
        engine.dispose()
    copies.put_in_place(path, copy, f"before-{now:%Y%m%dT%H%M%SZ}")


def _check(engine: Engine, manifest: Manifest) -> None:
    """Its rows are those it was made with, its tables become this release's, and its books add up."""
    with engine.connect() as connection:
        counts = copies.count(connection)
    if dict(counts) != dict(manifest.rows):
        other = sorted(name for name in manifest.rows if counts.get(name) != manifest.rows[name])
        raise Conflict(f"The backup holds other rows than it says, in {', '.join(other)}. Take another one.")
    migrate.migrate(engine)
    with Sessions(engine).read() as session:
        findings = [
            finding for finding in integrity.examine(session) if finding.name not in manifest.findings
        ]
    if findings:
        raise Conflict(f"The books in this backup do not add up: {findings[0].sentence} Take another one.")


def _tell(engine: Engine, person: Actor, file: Path, manifest: Manifest, now: datetime) -> None:
    with Sessions(engine).begin() as session:
        audit.record(session, person, "restore_backup", file.name, now=now, made_at=manifest.made_at)
