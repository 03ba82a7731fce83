"""Opening a file by the link of a mail: no sign-in, for seven days, and each time is written down."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import Schedule, ScheduleLink, ScheduleOpening, ScheduleRun
from payments.access import guesses
from payments.access.people import SYSTEM
from payments.books import audit
from payments.errors import Conflict, NotFound

PAGE, FILE = "page", "file"
#: Openings of one link in a day: more are a machine's.
A_DAY = 200
_GONE = (
    "This link opens nothing. A link holds for seven days and may be revoked before. "
    "Ask whoever sent it to you to send it again."
)


@dataclass(frozen=True)
class Opened:
    """What a link opens. ``data`` is empty on its page."""

    title: str
    made_at: datetime
    expires_at: datetime
    file_name: str
    media_type: str
    size_bytes: int
    sha256: str
    data: bytes


def open_(session: Session, token: str, what: str, address: str, *, now: datetime) -> Opened:
    """The page of a file or the file, for whoever has the link; it is written down who came from where.

    Raises NotFound, the same for every link that opens nothing; Conflict after too many openings.
    """
    link = session.scalar(select(ScheduleLink).where(ScheduleLink.token_hash == guesses.hash_of(token)))
    run = session.get_one(ScheduleRun, link.run_id) if link else None
    if link is None or run is None or not _is_good(link, run, now):
        raise NotFound(_GONE)
    row = session.get_one(Schedule, run.schedule_id)
    _not_too_often(session, link, now)
    session.add(ScheduleOpening(link_id=link.id, at=now, what=what, address=address[:64]))
    audit.record(
        session, SYSTEM, "open_report", row.title, now=now, file=run.reference, what=what,
        recipient=link.recipient, address=address[:64],
    )  # fmt: skip
    assert run.data is not None
    assert run.made_at is not None
    return Opened(
        row.title, run.made_at, link.expires_at, run.file_name or "", run.media_type or "",
        run.size_bytes or 0, run.sha256 or "", run.data if what == FILE else b"",
    )  # fmt: skip


def _is_good(link: ScheduleLink, run: ScheduleRun, now: datetime) -> bool:
    return run.revoked_at is None and run.data is not None and link.made_at <= now < link.expires_at


def _not_too_often(session: Session, link: ScheduleLink, now: datetime) -> None:
    lately = select(func.count()).where(
        ScheduleOpening.link_id == link.id, ScheduleOpening.at > now - timedelta(days=1)
    )
    if (session.scalar(lately) or 0) >= A_DAY:
        raise Conflict("This link was opened too often today. Try again tomorrow, or ask for another one.")
