"""A report taken away as a file: that somebody took it, and the hashes of content and bytes, is kept."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from db.session import Sessions
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.dates import SAST, business_day
from payments.errors import NotFound
from payments.exports.layout import MEDIA_TYPES, Format
from payments.finding import as_of
from payments.references import draw
from payments.reports import asking, files, keeping, pdf
from payments.reports.making import make
from payments.reports.report import Asked, Report
from payments.sheets.back import File

PREFIX = "RPT"
PDF = "pdf"
FORMATS = (PDF, "xlsx", "csv")
#: In an address, in the place of a report's kind.
KEPT = "kept"


def hand_out(
    sessions: Sessions, person: Person, told: Mapping[str, str], *, demo: bool, now: datetime
) -> File:
    """The report that an address asks for, by the names in it, or one that was kept. Raises as ``take`` and
    ``asking.read``."""
    if told.get("kind") == KEPT:
        with sessions.read() as session:
            return keeping.file(session, person, told.get("reference", ""))
    kind, basis, period, event, moment = (
        told.get(name, "") for name in ("kind", "basis", "period", "event", "as-of")
    )
    asked = asking.read(kind, basis, period, event, business_day(now), moment)
    stood = None
    if asked.as_of is not None:
        with as_of.read(sessions, asked.as_of, now=now) as past:
            stood = make(past, person, asked, demo=demo, now=now)
    with sessions.begin() as session:
        return take(session, person, asked, told.get("format", ""), demo=demo, now=now, stood=stood)


def take(
    session: Session,
    person: Person,
    asked: Asked,
    format_: str,
    *,
    demo: bool,
    now: datetime,
    stood: Report | None = None,
) -> File:
    """The report as ``pdf``, ``xlsx`` or ``csv``; ``stood``: as it was made of a past moment. Raises as
    ``making.make``, NotFound for another format."""
    if format_ not in FORMATS:
        raise NotFound(f"A report comes as {', '.join(FORMATS)}, not as {format_}.")
    report = stood or make(session, person, asked, demo=demo, now=now)
    taken = write(report, format_, person.name)
    record(session, person, taken, now=now)
    return taken.file


@dataclass(frozen=True)
class Taken:
    """A report as a file, under the reference that stands on it."""

    report: Report
    format: str
    reference: str
    file: File


def write(report: Report, format_: str, made_by: str) -> Taken:
    """One of ``FORMATS``. Nothing is kept of it yet: ``record`` belongs to it."""
    reference = draw(PREFIX, demo=report.demo)
    data = _bytes(report, format_, reference, made_by)
    media = "application/pdf" if format_ == PDF else MEDIA_TYPES[Format(format_)]
    return Taken(report, format_, reference, File(_name(report, format_, reference), media, data))


def record(session: Session, person: Person, taken: Taken, *, now: datetime) -> None:
    """That somebody took it, with the hashes of content and bytes."""
    check(person, Action.EXPORT)
    asked = taken.report.asked
    audit.record(
        session, person, "take_report", taken.reference, now=now, report=str(asked.kind),
        basis=str(asked.basis), first=asked.period.first.isoformat(), last=asked.period.last.isoformat(),
        event=asked.event, as_of=asked.as_of.isoformat() if asked.as_of else "", format=taken.format,
        content=taken.report.sha256, sha256=hashlib.sha256(taken.file.data).hexdigest(),
    )  # fmt: skip


def _bytes(report: Report, format_: str, reference: str, made_by: str) -> bytes:
    if format_ == PDF:
        return pdf.render(report, reference, made_by)
    return files.as_csv(report) if format_ == "csv" else files.as_xlsx(report)


def _name(report: Report, format_: str, reference: str) -> str:
    """``revenue-captured-2026-11-01-to-2026-11-30-2026-12-01-0815-RPT_7K2MPQ4.pdf``."""
    asked = report.asked
    made = f"{report.made_at.astimezone(SAST):%Y-%m-%d-%H%M}"
    event = [asked.event.lower()] if asked.event else []
    days = f"{asked.period.first}-to-{asked.period.last}"
    past = [f"as-of-{asked.as_of.astimezone(SAST):%Y-%m-%d-%H%M}"] if asked.as_of else []
    return "-".join([asked.kind, *event, asked.basis, days, *past, made, reference]) + f".{format_}"
