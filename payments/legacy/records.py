"""What came in from the earlier system, for those who look: imports, issues, and the record of a payment."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import LegacyImport, LegacyIssue, LegacyRecord, Payment
from payments import obligations
from payments.access.people import Action, Person, check
from payments.legacy.reading import Fault, Proof, Way


@dataclass(frozen=True)
class ImportView:
    id: int
    name: str
    currency: str
    records: int
    new: int
    imported_at: datetime
    imported_by: str


@dataclass(frozen=True)
class IssueView:
    """Why a record wants a look. ``reference`` is its payment's; "" when it is none."""

    id: int
    key: str
    fault: Fault
    sentence: str
    reference: str
    name: str
    raw: str


@dataclass(frozen=True)
class RecordView:
    """What the earlier system said of a payment."""

    key: str
    shape: str
    way: Way
    word: str
    references: tuple[str, ...]
    told: Mapping[str, str]
    proof: Proof | None
    issues: tuple[str, ...]
    raw: str


def imports(session: Session, person: Person) -> tuple[ImportView, ...]:
    """Every file that was brought, the newest first."""
    check(person, Action.SEE_BANK)
    rows = session.scalars(select(LegacyImport).order_by(LegacyImport.id.desc()))
    return tuple(
        ImportView(
            row.id, row.name, row.currency, row.told["records"], row.told["new"], row.imported_at,
            row.imported_by,
        )
        for row in rows
    )  # fmt: skip


def issues(
    session: Session, person: Person, *, fault: Fault | None = None, limit: int = 50, offset: int = 0
) -> tuple[tuple[IssueView, ...], Mapping[Fault, int]]:
    """Some of them, of one kind or of all, in the order they came; and how many there are of each kind."""
    check(person, Action.SEE_BANK)
    query = (
        select(LegacyIssue, LegacyRecord, Payment.reference, Payment.payer_name)
        .join(LegacyRecord, LegacyRecord.id == LegacyIssue.record_id)
        .outerjoin(Payment, Payment.id == LegacyRecord.payment_id)
        .order_by(LegacyIssue.id)
        .limit(limit)
        .offset(offset)
    )
    if fault is not None:
        query = query.where(LegacyIssue.fault == fault)
    found = tuple(
        IssueView(
            issue.id, record.key, Fault(issue.fault), issue.sentence, reference or "", name or "", record.raw
        )
        for issue, record, reference, name in session.execute(query)
    )
    counted = session.execute(select(LegacyIssue.fault, func.count()).group_by(LegacyIssue.fault))
    return found, {Fault(each): int(count) for each, count in counted}


def of_payment(session: Session, person: Person, reference: str) -> RecordView | None:
    """The record a payment came from; None when it did not. Raises NotFound, also for another event's."""
    record = obligations.seen(session, person, reference).legacy
    if record is None:
        return None
    said = session.scalars(
        select(LegacyIssue.sentence).where(LegacyIssue.record_id == record.id).order_by(LegacyIssue.number)
    )
    told = dict(record.told)
    proof = told.pop("proof", None)
    return RecordView(
        record.key, record.shape, Way(record.way), record.word, tuple(record.texts["references"]), told,
        Proof(**proof) if proof else None, tuple(said), record.raw,
    )  # fmt: skip
