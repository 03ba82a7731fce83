"""The rows that records of the earlier system become, many at a time and with all totals in step.

A record is one payment, made when the record was made. What a person approved has a receipt; nobody is
mailed about any of it.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import SimpleNamespace
from typing import Any, cast

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.many import insert_by_name
from db.models import Base, Event, LegacyIssue, LegacyRecord, Payment, Receipt, TimelineEntry
from payments import references
from payments.finding import search_text
from payments.legacy.files import Entry
from payments.legacy.reading import Issue, OldRecord, Way
from payments.lifecycle import Kind, Method, Source, Status
from payments.live import tallies
from payments.live.stages import NO_CODE

#: Receipts of what a person of the earlier system approved are called so.
OLD_RECEIPT = "legacy-"
#: Who did what a record does not name anybody for.
EARLIER = "the earlier system"


@dataclass(frozen=True)
class Known:
    """A record, what it says, and all that is to be said of it. ``old`` is None when it is no record."""

    entry: Entry
    old: OldRecord | None
    issues: tuple[Issue, ...]

    @property
    def is_payment(self) -> bool:
        return self.old is not None and self.old.way is not Way.DEMO


@dataclass(frozen=True)
class Place:
    """The event a payment belongs to, and its prices by their folded names."""

    event: Event
    categories: Mapping[str, int]


def write(
    session: Session, import_id: int, some: Sequence[tuple[Known, Place | None]], *, demo: bool, now: datetime
) -> None:
    """Add these records with the payments they are; ``demo`` is what this desk is, not what they were."""
    paying = [(known, place) for known, place in some if known.is_payment and place]
    drawn = _references(session, [place.event.reference_prefix for _, place in paying], demo=demo)
    payments = [
        _payment(known, place, reference, now)
        for (known, place), reference in zip(paying, drawn, strict=True)
    ]
    ids = _insert(session, Payment, [dict(vars(payment)) for payment in payments], "reference")
    for payment in payments:
        payment.id = ids[payment.reference]
    by_key = {known.entry.key: payment for (known, _), payment in zip(paying, payments, strict=True)}
    _history(session, [known for known, _ in paying], by_key)
    _records(session, import_id, [known for known, _ in some], by_key)


def _references(session: Session, prefixes: Sequence[str], *, demo: bool) -> list[str]:
    """A new reference for each, all different."""
    drawn: dict[str, None] = {}
    for prefix in prefixes:
        while (reference := references.draw(prefix, demo=demo)) in drawn:
            pass
        drawn[reference] = None
    taken = session.scalars(select(Payment.reference).where(Payment.reference.in_(drawn))).all()
    return _references(session, prefixes, demo=demo) if taken else list(drawn)


def _payment(known: Known, place: Place, reference: str, now: datetime) -> Payment:
    """The row as it will stand: a plain one, which the totals read as they read a payment. A hundred thousand
    that watch each of their fields would take a third longer."""
    old = known.old
    assert old is not None
    made_at = old.made_at or now
    came_at = old.settled_at or made_at
    paid = old.status is Status.PAID
    payment = SimpleNamespace(
        reference=reference,
        event_id=place.event.id,
        category_id=place.categories.get(old.category.casefold()),
        mode="demo" if reference.startswith(references.DEMO_PREFIX) else "live",
        status=old.status,
        method=old.method,
        amount_minor=old.amount.minor,
        amount_currency=old.amount.currency,
        received_minor=old.amount.minor if paid else 0,
        refunded_minor=0,
        written_off_minor=0,
        payer_name=old.name,
        payer_email=old.email,
        payer_phone=old.phone,
        note="",
        review=None,
        version=1,
        created_by=EARLIER,
        created_at=made_at,
        updated_at=came_at,
        paid_at=came_at if paid else None,
        stage="asked",
        failure=NO_CODE if old.status is Status.FAILED else "",
        origin="legacy",
        search_text=search_text.folded(
            reference, old.name, old.email, old.phone, "", [], (*old.references, *old.extra)
        ),
    )
    return cast(Payment, payment)


def _insert(session: Session, table: type[Base], rows: list[dict[str, Any]], by: str) -> dict[str, int]:
    """Add the rows; the id of each by its unique ``by``. Asked for after, since a statement that returns
    them as it goes costs five times as much."""
    if not rows:
        return {}
    _add(session, table, rows)
    columns = table.__table__.c
    found = session.execute(select(columns[by], columns.id).where(columns[by].in_([row[by] for row in rows])))
    return {str(unique): row_id for unique, row_id in found}


def _add(session: Session, table: type[Base], rows: list[dict[str, Any]]) -> None:
    insert_by_name(session.connection(), table.__table__, rows)


def _history(session: Session, paying: Sequence[Known], by_key: Mapping[str, Payment]) -> None:
    """Timelines and receipts, and the totals that count them."""
    made: list[dict[str, Any]] = []
    came: list[dict[str, Any]] = []
    money: list[tuple[Payment, dict[str, Any]]] = []
    for known in paying:
        old, payment = known.old, by_key[known.entry.key]
        assert old is not None
        status, paid_at = Status(payment.status), payment.paid_at
        payment.status, payment.paid_at = Status.CREATED, None
        tallies.moved(session, payment, None, payment.created_at)
        before = tallies.place(payment)
        payment.status, payment.paid_at = status, paid_at
        tallies.moved(session, payment, before, payment.updated_at)
        if payment.received_minor:
            money.append((payment, _receipt(known, payment)))
        made.append(_made(payment))
        came.append(_came(old, payment))
    receipts = _insert(session, Receipt, [row for _, row in money], "source_reference")
    received = []
    for payment, row in money:
        tallies.taken(session, payment, cast(Receipt, SimpleNamespace(**row)))
        received.append(_received(payment, row, receipts[row["source_reference"]]))
    if paying:
        _add(session, TimelineEntry, [*made, *received, *came])


def _receipt(known: Known, payment: Payment) -> dict[str, Any]:
    key = hashlib.sha256(known.entry.key.encode()).hexdigest()[:32]
    return {
        "payment_id": payment.id,
        "link_id": None,
        "kind": Method.EFT,  # seen by a person, as what two people vouch for is: no till and no link had it
        "source_reference": f"{OLD_RECEIPT}{key}",
        "amount_minor": payment.received_minor,
        "amount_currency": payment.amount_currency,
        "received_at": payment.updated_at,
        "recorded_by": known.old.verified_by or EARLIER if known.old else EARLIER,
    }


def _made(payment: Payment) -> dict[str, Any]:
    detail = {"amount_minor": payment.amount_minor, "currency": payment.amount_currency}
    return _entry(payment, Kind.CREATED, payment.created_at, EARLIER, detail)


def _came(old: OldRecord, payment: Payment) -> dict[str, Any]:
    """That it came to its status, in the record's own word."""
    detail = {"was": Status.CREATED, "became": payment.status, "record": old.word}
    if why := old.told.get("rejection_reason"):
        detail["why"] = why
    return _entry(payment, Kind.STATUS, payment.updated_at, old.verified_by or EARLIER, detail)


def _received(payment: Payment, row: Mapping[str, Any], receipt_id: int) -> dict[str, Any]:
    detail = {
        "receipt": receipt_id, "how": row["kind"], "amount_minor": row["amount_minor"],
        "currency": row["amount_currency"], "source_reference": row["source_reference"],
    }  # fmt: skip
    return _entry(payment, Kind.RECEIPT, row["received_at"], row["recorded_by"], detail)


def _entry(
    payment: Payment, kind: Kind, at: datetime, actor: str, detail: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "payment_id": payment.id, "at": at, "kind": kind, "source": Source.LEGACY, "actor": actor,
        "detail": dict(detail),
    }  # fmt: skip


def _records(session: Session, import_id: int, some: Sequence[Known], by_key: Mapping[str, Payment]) -> None:
    rows = [_record(import_id, known, by_key.get(known.entry.key)) for known in some]
    ids = _insert(session, LegacyRecord, rows, "key")
    issues = [
        {
            "record_id": ids[known.entry.key], "number": number, "fault": issue.fault,
            "sentence": issue.sentence,
        }
        for known in some
        for number, issue in enumerate(known.issues, 1)
    ]  # fmt: skip
    if issues:
        _add(session, LegacyIssue, issues)


def _record(import_id: int, known: Known, payment: Payment | None) -> dict[str, Any]:
    old = known.old
    told: dict[str, Any] = dict(old.told) if old else {}
    if old and old.proof:
        told["proof"] = {
            "name": old.proof.name, "size": old.proof.size, "uploaded": old.proof.uploaded,
            "link": old.proof.link,
        }  # fmt: skip
    return {
        "import_id": import_id,
        "key": known.entry.key,
        "payment_id": payment.id if payment else None,
        "shape": old.shape if old else "none",
        "way": old.way if old else Way.UNKNOWN,
        "word": old.word if old else "",
        "digest": known.entry.digest,
        "raw": known.entry.kept,
        "texts": {"references": list(old.references), "extra": list(old.extra)} if old else
        {"references": [], "extra": []},
        "told": told,
    }  # fmt: skip
