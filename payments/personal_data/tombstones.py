"""Which payments were erased, kept outside the database: a backup that is put back is erased by it.

A file of lines in each folder that is named, beside the desk's data and beside its backups. A line holds a
payment's number and reference, and nothing of who paid.
"""

import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.many import some_at_once
from db.models import Payment
from payments.errors import Conflict
from payments.personal_data import erasing

NAME = "erasures"
_AT_ONCE = 25


@dataclass(frozen=True)
class Stones:
    """Folders that hold the list; those that are not there are left out."""

    folders: tuple[Path, ...] = ()


def add(stones: Stones, payments: Iterable[tuple[int, str]], *, now: datetime) -> None:
    """Write them down, once they are erased: an erasure that is not on the list is found by its payment."""
    lines = "".join(
        json.dumps([now.isoformat(timespec="seconds"), number, reference]) + "\n"
        for number, reference in payments
    )
    if not lines:
        return
    for folder in stones.folders:
        if folder.is_dir():
            file = os.open(folder / NAME, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(file, lines.encode())
                os.fsync(file)
            finally:
                os.close(file)


def read(stones: Stones) -> dict[int, str]:
    """Payments on any of the lists: number and reference. Raises Conflict for a line that is none."""
    found: dict[int, str] = {}
    for folder in stones.folders:
        with suppress(FileNotFoundError):
            for number, line in enumerate((folder / NAME).read_text().splitlines(), 1):
                try:
                    _, payment_id, reference = json.loads(line)
                except ValueError as error:
                    raise Conflict(
                        f"Line {number} of {folder / NAME} cannot be read, and the backup may hold data of "
                        f"people who were erased. Mend the line, or take it out, and try again."
                    ) from error
                found[int(payment_id)] = str(reference)
    return found


def catch_up(session: Session, stones: Stones, *, now: datetime) -> int:
    """Put on the lists what was erased and is not on them: a process may have ended in between."""
    known = read(stones)
    rows = session.execute(select(Payment.id, Payment.reference).where(Payment.erased_at.is_not(None)))
    missing = [(number, reference) for number, reference in rows if number not in known]
    add(stones, missing, now=now)
    return len(missing)


def again(session: Session, stones: Stones, *, now: datetime) -> int:
    """Erase again what a database of before holds; returns how many payments. Those that are not there, or
    are others, are left alone."""
    known = read(stones)
    back = [
        row
        for row in _there(session, sorted(known))
        if row.erased_at is None and row.reference == known[row.id]
    ]
    for some in some_at_once(back, _AT_ONCE):
        erasing.erase(
            session, some, cause=erasing.REQUEST, now=now, everywhere=True,
            whatever=True, fills=False,
        )  # fmt: skip
    if back:
        with erasing.Door(session, fills=True):
            pass  # once for all of them: a night of retention may be among what is done again
    return len(back)


def _there(session: Session, ids: Sequence[int]) -> Iterable[Payment]:
    for some in some_at_once(ids):
        yield from session.scalars(select(Payment).where(Payment.id.in_(some))).all()
