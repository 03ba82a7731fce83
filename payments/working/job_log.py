"""What the worker does by its own clock, run by run: when, how long it took, what came of it or why not.

Rounds that found nothing to do leave nothing behind; what is done by the clock whether or not there is
anything leaves a run each time.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import delete, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db.models import JobRun
from db.session import Sessions
from payments.access.people import Action, Person, check
from payments.errors import PaymentsError

#: So many runs of each are kept: two days of what is done every hour.
KEPT = 48
_LONGEST = 500


class Job(StrEnum):
    BOOKS = "books"
    SWEEP = "sweep"
    BACKUP = "backup"
    NIGHT = "night"
    REPORTS = "reports"
    REMINDERS = "reminders"
    MORNING = "morning"
    RETENTION = "retention"


@dataclass
class Note:
    """To be filled in by who does it: what came of it, or why nothing did. Both empty: not worth a line."""

    did: str = ""
    fault: str = ""


@dataclass(frozen=True)
class RunView:
    """``fault`` is empty where it was done."""

    began_at: datetime
    took_ms: int
    did: str
    fault: str


@contextmanager
def noting(sessions: Sessions, job: Job, *, now: datetime) -> Iterator[Note]:
    """Writes down what is done within, also that it failed; what it raises goes on."""
    note, began = Note(), time.monotonic()
    try:
        yield note
    except DBAPIError:
        raise  # there is nowhere to write to; the worker tells
    except Exception as error:
        ours = isinstance(error, PaymentsError)  # others may name what is nobody's business
        note.fault = str(error) if ours else f"A fault of the desk, {type(error).__name__}: its log has more."
        _keep(sessions, job, note, began, now)
        raise
    if note.did or note.fault:
        _keep(sessions, job, note, began, now)


def _keep(sessions: Sessions, job: Job, note: Note, began: float, now: datetime) -> None:
    took_ms = round((time.monotonic() - began) * 1000)
    older = select(JobRun.id).where(JobRun.job == job).order_by(JobRun.id.desc()).offset(KEPT - 1)
    with sessions.begin() as session:
        session.execute(delete(JobRun).where(JobRun.id.in_(session.scalars(older).all())))
        session.add(
            JobRun(
                job=job, began_at=now, took_ms=took_ms, did=note.did[:_LONGEST], fault=note.fault[:_LONGEST]
            )
        )  # fmt: skip


def history(session: Session, person: Person) -> dict[Job, Sequence[RunView]]:
    """The runs that are kept of each job, the oldest first."""
    check(person, Action.MANAGE_SETTINGS)
    found: dict[Job, list[RunView]] = {job: [] for job in Job}
    for row in session.scalars(select(JobRun).order_by(JobRun.id)):
        found[Job(row.job)].append(RunView(row.began_at, row.took_ms, row.did, row.fault))
    return dict(found)
