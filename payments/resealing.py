"""Everything that is encrypted, sealed anew with the newest key while the desk runs.

A row is found by the name of the key that its seal begins with, so that whoever is interrupted goes on with
what is left, and two at once do no harm. A key may be taken away once nothing is sealed with it any more:
neither a row, nor a backup that is still kept.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, func, select, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.models import NotifyEndpoint, PayeeDetails, Proof, SecondFactor
from db.session import Sessions
from payments import keyring, sealing
from payments.errors import CannotOpen
from payments.keyring import KeyRing

#: So many are sealed anew in one transaction: proofs are up to a megabyte each.
AT_ONCE = 25


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
        while True:
            with sessions.begin() as session:
                last = _some(session, keys, sealed, beyond, done, failed)
            if last is None:
                break
            beyond = last
    return Report(dict(done), tuple(failed))


def _some(
    session: Session, keys: KeyRing, sealed: Sealed, beyond: int, done: Counter[str], failed: list[str]
) -> int | None:
    """Seal a few anew; the last row that was looked at, or None when there was none."""
    rows = session.execute(
        select(sealed.row, sealed.column)
        .where(sealed.row > beyond, _is_sealed(sealed), ~_begins(sealed, keys.current))
        .order_by(sealed.row)
        .limit(AT_ONCE)
    ).all()
    for number, was in rows:
        about = sealed.about.format(number)
        try:
            new = keys.seal(keys.open(was, about), about)
        except CannotOpen as error:
            failed.append(f"{sealed.what} {number}: {error}")
            continue
        same = (sealed.row == number) & (sealed.column == was)  # not over what somebody has just written
        changed = update(sealed.column.class_).where(same).values({sealed.column.key: new})
        done[sealed.what] += session.execute(changed).rowcount  # type: ignore[attr-defined]
    return rows[-1][0] if rows else None


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
