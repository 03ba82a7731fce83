"""Everything that is encrypted, sealed anew with the newest key while the desk runs.

A row is found by the name of the key that its seal begins with, so that whoever is interrupted goes on with
what is left, and two at once do no harm. A key may be taken away once nothing is sealed with it any more:
neither a row, nor a backup that is still kept.
"""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, bindparam, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.models import NotifyEndpoint, PayeeDetails, Proof, SecondFactor
from db.session import Sessions
from payments.errors import CannotOpen
from payments.keeping import keyring, sealing
from payments.keeping.keyring import KeyRing

#: So many are sealed anew at once, and so many bytes: proofs are up to a megabyte each.
AT_ONCE, BYTES_AT_ONCE = 250, 4_000_000
#: Between two writes others have their turn.
PAUSE_S = 0.02


@dataclass(frozen=True)
class Sealed:
    """A column that is encrypted. ``about`` is the place it is bound to, by the row's number."""

    what: str
    column: InstrumentedAttribute[Any]
    row: InstrumentedAttribute[int]
    about: str


SEALED: tuple[Sealed, ...] = (
    Sealed("proofs", Proof.sealed, Proof.id, "proofs.sealed.{}"),
    Sealed("apps for codes", SecondFactor.sealed, SecondFactor.person_id, "second_factors.sealed.{}"),
    Sealed("bank details", PayeeDetails.sealed, PayeeDetails.id, "payee_details.sealed.{}"),
    Sealed("secrets of endpoints", NotifyEndpoint.sealed, NotifyEndpoint.id, "notify_endpoints.sealed.{}"),
    Sealed(
        "secrets of endpoints before", NotifyEndpoint.previous_sealed, NotifyEndpoint.id,
        "notify_endpoints.sealed.{}",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Report:
    """How many were sealed anew, by what they are, and which could not be opened, with why."""

    done: Mapping[str, int]
    failed: tuple[str, ...]


def run(sessions: Sessions, keys: KeyRing) -> Report:
    """Seal anew all that an older key sealed. Raises CannotOpen when there is no key at all."""
    if not keys.current:
        raise CannotOpen("There is no key to encrypt with. Set ENCRYPTION_KEYS, the newest key first.")
    done: Counter[str] = Counter()
    failed: list[str] = []
    for sealed in SEALED:
        beyond = -1
        while some := _some(sessions, keys, sealed, beyond):
            beyond, _ = some[-1]
            anew = list(_anew(keys, sealed, some, failed))
            if anew:
                done[sealed.what] += sessions.run(partial(_write, sealed=sealed, anew=anew))
                time.sleep(PAUSE_S)
    return Report(dict(done), tuple(failed))


def _some(sessions: Sessions, keys: KeyRing, sealed: Sealed, beyond: int) -> list[tuple[int, bytes]]:
    """The next rows that an older key sealed: their numbers, and what stands there."""
    query = (
        select(sealed.row, sealed.column)
        .where(sealed.row > beyond, _is_sealed(sealed), ~_begins(sealed, keys.current))
        .order_by(sealed.row)
        .limit(AT_ONCE)
    )
    found: list[tuple[int, bytes]] = []
    room = BYTES_AT_ONCE
    with sessions.read() as session:
        for number, was in session.execute(query.execution_options(yield_per=10)):
            found.append((number, was))
            room -= len(was)
            if room < 0:
                break
    return found


def _anew(
    keys: KeyRing, sealed: Sealed, some: Sequence[tuple[int, bytes]], failed: list[str]
) -> Iterator[dict[str, Any]]:
    """While nobody waits for us."""
    for number, was in some:
        about = sealed.about.format(number)
        try:
            yield {"number": number, "was": was, "anew": keys.seal(keys.open(was, about), about)}
        except CannotOpen as error:
            failed.append(f"{sealed.what} {number}: {error}")


def _write(session: Session, sealed: Sealed, anew: list[dict[str, Any]]) -> int:
    """How many: not over what somebody has written since."""
    table: Any = sealed.column.class_.__table__
    row, column = table.c[sealed.row.key], table.c[sealed.column.key]
    same = (row == bindparam("number")) & (column == bindparam("was"))
    changed = update(table).where(same).values({column: bindparam("anew")})
    return session.connection().execute(changed, anew).rowcount


def _is_sealed(sealed: Sealed) -> ColumnElement[bool]:
    """Neither nothing nor erased."""
    return sealed.column.is_not(None) & (sealed.column != b"")


def _begins(sealed: Sealed, name: str) -> ColumnElement[bool]:
    head = keyring.header(name)
    return func.substr(sealed.column, 1, len(head)) == head


# -- which keys are still needed ----------------------------------------------------------------------


def by_key(session: Session, keys: KeyRing) -> dict[str, dict[str, int]]:
    """What each key has sealed, by what it is; ``""``: keys that are not here any more."""
    found: dict[str, dict[str, int]] = {name: {} for name in keys.keys}
    for sealed in SEALED:
        there = select(func.count()).where(_is_sealed(sealed))
        left = session.scalar(there) or 0
        for name in keys.keys:
            if number := session.scalar(there.where(_begins(sealed, name))) or 0:
                found[name][sealed.what] = number
                left -= number
        if left:
            found.setdefault("", {})[sealed.what] = left
    return found


def of_backups(folder: Path) -> Iterator[tuple[str, str]]:
    """Each backup of a folder and the name of its key; what is none is passed over."""
    for path in sorted(folder.iterdir()):
        if path.is_file():
            with path.open("rb") as file:
                name = sealing.key_of(file)
            if name:
                yield path.name, name


def told(session: Session, keys: KeyRing, folder: Path | None) -> Iterator[tuple[str, str]]:
    """Of each key that is not the newest: its name, and what still needs it, "" when nothing does."""
    rows = by_key(session, keys)
    kept = list(of_backups(folder)) if folder is not None and folder.is_dir() else []
    for name in keys.keys:
        if name != keys.current:
            needs = [f"{number} {what}" for what, number in rows[name].items()]
            if backups := sum(1 for _, of in kept if of == name):
                needs.append(f"{backups} backups")
            yield name, ", ".join(needs)
