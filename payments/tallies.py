"""Running totals, kept in the payment's own transaction, so that the live page never counts payments.

What happened is collected while a transaction runs and written once, just before it commits, always in
the same order: two transactions that touch the same totals wait for each other, and never for ever.
A transaction that is rolled back leaves nothing.
"""

from collections import Counter as Sums
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session, SessionTransaction

from db.models import Base, Counter, Payment, Receipt, Standing, Tally

#: The counter that open pages watch: it rises with every committed change they could show.
CHANGES = "changes"
TAKEN, STATUS = "taken", "status"

_INSERT: dict[str, Callable[[type[Base]], Any]] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


@dataclass
class _Pending:
    """What one transaction adds: by key, how many and how much."""

    standings: dict[tuple[int, str, str], Sums[str]] = field(default_factory=dict)
    tallies: dict[tuple[datetime, int, str, str, str], Sums[str]] = field(default_factory=dict)


def moved(session: Session, payment: Payment, was: str | None, now: datetime) -> None:
    """A payment reached the status it has now; ``was`` is the one it had, None for a new payment."""
    pending = _pending(session)
    event_id, currency, minor = payment.event_id, payment.amount_currency, payment.amount_minor
    if was is not None:
        _add(pending.standings, (event_id, str(was), currency), -1, -minor)
    _add(pending.standings, (event_id, str(payment.status), currency), 1, minor)
    _add(pending.tallies, (hour_of(now), event_id, STATUS, str(payment.status), currency), 1, minor)


def taken(session: Session, payment: Payment, receipt: Receipt, now: datetime) -> None:
    """Money of one receipt is here. It counts in the hour it was received, whenever it is written down."""
    key = (hour_of(receipt.received_at), payment.event_id, TAKEN, str(receipt.kind), receipt.amount_currency)
    _add(_pending(session).tallies, key, 1, receipt.amount_minor)


def given_back(session: Session, payment: Payment, receipt: Receipt, now: datetime) -> None:
    """A receipt was reversed: what was taken is less by it, in the hour it was reversed."""
    key = (hour_of(now), payment.event_id, TAKEN, str(receipt.kind), receipt.amount_currency)
    _add(_pending(session).tallies, key, -1, -receipt.amount_minor)


def bump(session: Session) -> None:
    """Something changed that a live page could show: the version rises once, when this commits."""
    _pending(session)


def hour_of(moment: datetime) -> datetime:
    """The start of the hour a moment lies in, in UTC. Hours of Johannesburg start at the same moments."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _pending(session: Session) -> _Pending:
    assert not session.in_nested_transaction(), "totals are kept by whole transactions, not by savepoints"
    pending: _Pending = session.info.setdefault(_Pending, _Pending())
    return pending


def _add(sums: dict[Any, Sums[str]], key: tuple[Any, ...], count: int, minor: int) -> None:
    total = sums.setdefault(key, Sums())
    total["count"] += count
    total["sum_minor"] += minor


@event.listens_for(Session, "before_commit")
def _write(session: Session) -> None:
    pending: _Pending | None = session.info.pop(_Pending, None)
    if pending is None:
        return
    session.flush()
    _upsert(session, Standing, ("event_id", "status", "currency"), pending.standings)
    _upsert(session, Tally, ("hour", "event_id", "measure", "key", "currency"), pending.tallies)
    _upsert(session, Counter, ("name",), {(CHANGES,): {"value": 1}})


@event.listens_for(Session, "after_soft_rollback")
def _forget(session: Session, _transaction: SessionTransaction) -> None:
    session.info.pop(_Pending, None)


def _upsert(session: Session, table: type[Base], key: tuple[str, ...], sums: dict[Any, Any]) -> None:
    """Add to rows, making those that are not there yet, in key order."""
    if not sums:
        return
    insert = _INSERT[session.get_bind().dialect.name](table)
    numbers = next(iter(sums.values())).keys()
    columns = table.__table__.c
    statement = insert.on_conflict_do_update(
        index_elements=key, set_={name: columns[name] + insert.excluded[name] for name in numbers}
    )
    session.execute(statement, [dict(zip(key, at, strict=True), **sums[at]) for at in sorted(sums)])
