"""Numbers of papers: one sequence for each who bills and each kind, with no gap and no repeat.

A number is drawn in the transaction that writes its paper, and holds its sequence until then: what fails or
is killed gives it back, and who draws at the same time waits.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from db.models import PaperPart, PaperRow, PaperSequence, PaperSeries
from db.upsert import insert_into
from payments.papers.bodies import PaperKind, digest
from payments.privacy import fold
from payments.references import DEMO_PAPERS
from payments.selling.organisers import Organiser

#: A body says so once who it was for is not kept any more: its hash is of what it was.
ERASED = "erased"
_PREFIX = {
    PaperKind.QUOTATION: "QUO",
    PaperKind.PRO_FORMA: "PRO",
    PaperKind.INVOICE: "INV",
    PaperKind.CREDIT_NOTE: "CRN",
}


@dataclass(frozen=True)
class Number:
    """``INV-2-000042``: the 42nd invoice of the second who bills at this desk."""

    series_id: int
    number: int
    label: str


def draw(session: Session, supplier: Organiser, kind: PaperKind, *, demo: bool, now: datetime) -> Number:
    """The next number, which whoever asks next gets if this transaction does not commit."""
    series_id = _series(session, supplier, now)
    _insert(session, PaperSequence, series_id=series_id, kind=kind, last_number=0)
    sequence = session.scalars(
        select(PaperSequence)
        .where(PaperSequence.series_id == series_id, PaperSequence.kind == kind)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).one()
    sequence.last_number += 1
    mode = DEMO_PAPERS if demo else ""
    label = f"{mode}{_PREFIX[kind]}-{series_id}-{sequence.last_number:06d}"
    return Number(series_id, sequence.last_number, label)


def _series(session: Session, supplier: Organiser, now: datetime) -> int:
    key = f"vat {supplier.vat_number}" if supplier.vat_number else f"name {fold(supplier.name)}"
    known = select(PaperSeries.id).where(PaperSeries.key == key)
    if (found := session.scalar(known)) is not None:
        return found
    _insert(session, PaperSeries, key=key, begun_at=now)
    return session.scalars(known).one()


def _insert(session: Session, table: type[PaperSeries | PaperSequence], **values: object) -> None:
    """Once: whoever comes second waits for the first, and finds what that wrote."""
    session.execute(insert_into(session, table).values(**values).on_conflict_do_nothing())


def broken(session: Session) -> Iterator[str]:
    """What does not hold: numbers without a gap, parts that are the whole, bodies as they were issued."""
    yield from _gaps(session)
    parts = (
        select(PaperPart.paper_id, func.sum(PaperPart.amount_minor).label("minor"))
        .group_by(PaperPart.paper_id)
        .subquery()
    )
    unfit = (
        select(PaperRow.label)
        .outerjoin(parts, parts.c.paper_id == PaperRow.id)
        .where(func.coalesce(parts.c.minor, 0) != PaperRow.total_minor)
    )
    yield from (f"{label}: what it says of its payments is not its total" for label in session.scalars(unfit))
    yield from _credited_too_much(session)
    bodies = select(PaperRow.label, PaperRow.body, PaperRow.sha256).execution_options(yield_per=500)
    for label, body, sha256 in session.execute(bodies):
        if digest(body) != sha256 and ERASED not in body:
            yield f"{label}: it is not as it was issued"


def _gaps(session: Session) -> Iterator[str]:
    papers = (
        select(
            PaperRow.series_id,
            PaperRow.kind,
            func.count().label("count"),
            func.max(PaperRow.number).label("last"),
        )
        .group_by(PaperRow.series_id, PaperRow.kind)
        .subquery()
    )
    same = (papers.c.series_id == PaperSequence.series_id) & (papers.c.kind == PaperSequence.kind)
    count, last = func.coalesce(papers.c.count, 0), func.coalesce(papers.c.last, 0)
    query = (
        select(PaperSequence.series_id, PaperSequence.kind, PaperSequence.last_number, count, last)
        .outerjoin(papers, same)
        .where(or_(count != last, PaperSequence.last_number != last))
    )
    for series_id, kind, drawn, how_many, highest in session.execute(query):
        yield f"{kind}s of series {series_id}: {how_many} of them, the last is {highest}, {drawn} were drawn"
    loose = select(PaperRow.label).outerjoin(
        PaperSequence, (PaperSequence.series_id == PaperRow.series_id) & (PaperSequence.kind == PaperRow.kind)
    )
    for label in session.scalars(loose.where(PaperSequence.kind.is_(None))):
        yield f"{label}: there is no sequence that its number is of"


def _credited_too_much(session: Session) -> Iterator[str]:
    invoice = PaperRow.__table__.alias("invoice")
    notes = (
        select(PaperRow.credits_id, func.sum(PaperRow.total_minor).label("minor"))
        .where(PaperRow.credits_id.is_not(None))
        .group_by(PaperRow.credits_id)
        .subquery()
    )
    query = select(invoice.c.label).join(notes, notes.c.credits_id == invoice.c.id)
    for label in session.scalars(query.where(notes.c.minor > invoice.c.total_minor)):
        yield f"{label}: more of it was credited than it was for"
