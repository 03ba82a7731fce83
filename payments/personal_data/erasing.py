"""Erasing a payer: what is held on them goes, what the law keeps stays, and no figure changes.

All of one person's payments in one transaction. Amounts, dates, references, states and hashes stay, so that
the books, totals and signed days are what they were. The audit is never touched: it holds no payer's data.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode

from sqlalchemy import (
    JSON,
    ColumnElement,
    String,
    Table,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from db.models import Approval, Dispute, Erasure, ErasureDoor, InboxEvent, Payment, RefundOrder
from payments import lifecycle
from payments.errors import Conflict
from payments.finding import search_text
from payments.lifecycle import Kind, Source
from payments.personal_data import personal, subjects
from payments.personal_data.personal import Held, Term, Way
from payments.personal_data.subjects import ERASED, Names, Theirs, rows_of, table

REQUEST, TERM = "request", "term"
#: Zeros written over free pages at a time, in bytes.
_FILLING = 32 << 20


@dataclass(frozen=True)
class Fate:
    """What becomes of a column: in so many rows something of it is, or would be, erased."""

    held: Held
    rows: int


def hindered(session: Session, payments: Sequence[Payment], *, now: datetime) -> str:
    """Why these payments cannot be erased now; "" when they can."""
    told = waiting(session, [payment.id for payment in payments], now=now)
    by_id = {payment.id: payment.reference for payment in payments}
    return next((f"{by_id[payment_id]}: {why}." for payment_id, why in told.items()), "")


def waiting(session: Session, ids: Any, *, now: datetime) -> dict[int, str]:
    """Which of these payments must wait for something that is not over, and for what."""
    waits = {
        "a refund by EFT is on its way": select(RefundOrder.payment_id).where(
            RefundOrder.payment_id.in_(ids), RefundOrder.state.in_(("ready", "in_run", "sent"))
        ),
        "a dispute is not over": select(Dispute.payment_id).where(
            Dispute.payment_id.in_(ids), Dispute.state.in_(("open", "sent"))
        ),
        "a request waits under Approvals": select(Approval.payment_id).where(
            Approval.payment_id.in_(ids),
            Approval.state.in_(("waiting", "approved")),
            Approval.expires_at > now,
        ),
        "a message of the gateway waits to be acted on": select(InboxEvent.payment_id).where(
            InboxEvent.payment_id.in_(ids), InboxEvent.handled_at.is_(None)
        ),
    }
    return {
        payment_id: why for why, query in waits.items() for payment_id in session.scalars(query) if payment_id
    }


def preview(session: Session, payments: Sequence[Payment]) -> list[Fate]:
    """What would go, stay, or go by itself, column by column, where there is anything."""
    theirs, names = _theirs(payments), subjects.called(session, payments, ERASED)
    fates: list[Fate] = []
    for name in subjects.held_tables():
        counted = ((held, _count(session, held, theirs, names)) for held in personal.of(name).values())
        fates.extend(Fate(held, rows) for held, rows in counted if rows)
    return fates


def _count(session: Session, held: Held, theirs: Theirs, names: Names) -> int:
    of = table(held.table)
    if held.way is Way.SCRUB:
        return sum(1 for _ in _to_scrub(session, of, (held.column,), rows_of(held.table, theirs), names))
    filled = _filled(of, held.column)
    if held.way in (Way.BLANK, Way.PSEUDONYM):
        filled = filled & _may_go(of, held.way)
    return (
        session.scalar(select(func.count()).select_from(of).where(rows_of(held.table, theirs), filled)) or 0
    )


def erase(
    session: Session,
    payments: Sequence[Payment],
    *,
    cause: str,
    now: datetime,
    request_id: int | None = None,
    actor: str = "Paydesk",
    everywhere: bool = False,
    whatever: bool = False,
    fills: bool | None = None,
) -> Mapping[str, int]:
    """Erase them, in this transaction; returns how many rows of each table lost something.

    ``everywhere``: also where nothing says whose it is, in searches and notes about many. ``whatever``:
    though something is in its way, for what was erased before. ``fills``: as ``Door`` does, on request
    unless it is said. Raises Conflict.
    """
    if not whatever and (why := hindered(session, payments, now=now)):
        raise Conflict(f"Nothing was erased. {why}")
    theirs, names = _theirs(payments), subjects.called(session, payments, ERASED)
    with Door(session, fills=cause == REQUEST if fills is None else fills):
        counts = dict(_overwritten(session, theirs, names, cause))
        if everywhere:
            for name, rows in _loose(session, names):
                counts[name] = counts.get(name, 0) + rows
        _done(session, payments, cause, request_id, actor, now)
    return {name: rows for name, rows in counts.items() if rows}


class Door:
    """The triggers let personal columns be overwritten until the end of the block, in this transaction.

    ``fills``: free pages of SQLite's file are written over as well, all of them: once for what many let go.
    """

    def __init__(self, session: Session, *, fills: bool = False) -> None:
        self._session, self._fills = session, fills

    def __enter__(self) -> None:
        if _sqlite(self._session):
            self._session.execute(text("PRAGMA secure_delete = ON"))
            self._secure_index(1)
        self._session.execute(insert(ErasureDoor).values(id=0))

    def __exit__(self, failed: object, *_: object) -> None:
        if failed is not None:
            return  # rolled back, with the row
        if _sqlite(self._session):
            self._secure_index(0)
            if self._fills:
                self._fill_what_is_free()
        self._session.execute(delete(ErasureDoor))
        if _sqlite(self._session):
            self._session.execute(text("PRAGMA secure_delete = FAST"))

    def _secure_index(self, on: int) -> None:
        """The index of three letters takes out what it forgets, rather than marking it."""
        self._session.execute(
            text("INSERT INTO payments_fts(payments_fts, rank) VALUES ('secure-delete', :on)"), {"on": on}
        )

    def _fill_what_is_free(self) -> None:
        """What was overwritten before lies on in free pages: zeros are written over them."""
        free = self._session.scalar(text("PRAGMA freelist_count")) or 0
        size = self._session.scalar(text("PRAGMA page_size")) or 0
        left, number = free * size, 1
        while left > 0:
            zeros = text("INSERT INTO erasure_door (id, filling) VALUES (:id, zeroblob(:size))")
            self._session.execute(zeros, {"id": number, "size": min(left, _FILLING)})
            left, number = left - _FILLING, number + 1


def _sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"


def _theirs(payments: Sequence[Payment]) -> Theirs:
    return [payment.id for payment in payments], [payment.reference for payment in payments]


def _overwritten(session: Session, theirs: Theirs, names: Names, cause: str) -> Iterator[tuple[str, int]]:
    for name in subjects.held_tables():
        if name == "payments":
            continue  # last of all: what it says is what is looked for
        of, rows = table(name), 0
        asked = [held for held in personal.of(name).values() if cause == REQUEST or _stands_longer(held)]
        for held in asked:
            if held.way in (Way.BLANK, Way.PSEUDONYM):
                here = rows_of(name, theirs) & _filled(of, held.column) & _may_go(of, held.way)
                changed = update(of).where(here).values({held.column: _emptied(of, held)})
                rows = max(rows, session.execute(changed).rowcount)  # type: ignore[attr-defined]
        if scrubbed := tuple(held.column for held in asked if held.way is Way.SCRUB):
            rows = max(rows, _scrub(session, of, scrubbed, rows_of(name, theirs), names))
        yield name, rows


def _stands_longer(held: Held) -> bool:
    """What has not gone by itself when the time of names and contacts is over: of messages only mails are
    looked through, which say whose they are."""
    return held.term is Term.CONTACT or held.table == "outbox"


def _filled(of: Table, column: str) -> ColumnElement[bool]:
    """Rows that hold something there."""
    name = of.c[column]
    if isinstance(name.type, JSON):
        return name.is_not(None) & (cast(name, String) != "{}")
    return name.is_not(None) & (name != (b"" if name.type.python_type is bytes else ""))


def _may_go(of: Table, way: Way) -> ColumnElement[bool]:
    """Not yet: a mail that waits to be sent, a message that is not acted on, the proof of a refund."""
    if of.name == "outbox":
        return of.c.state != "queued"
    if of.name == "proofs":
        refunds = table("refunds")
        return ~of.c.id.in_(select(refunds.c.proof_id).where(refunds.c.proof_id.is_not(None)))
    if way is Way.PSEUDONYM:
        named = next(column for column in personal.of(of.name).values() if column.way is Way.PSEUDONYM)
        return of.c[named.column] != ERASED
    return of.c[next(iter(of.primary_key.columns)).name].is_not(None)


def _emptied(of: Table, held: Held) -> Any:
    if held.way is Way.PSEUDONYM:
        return ERASED
    kind = of.c[held.column].type
    if isinstance(kind, JSON):
        return _EMPTY_JSON.get((of.name, held.column), {})
    return b"" if kind.python_type is bytes else ""


#: Where something is read of it: a sheet's row has cells, a record what it is found by.
_EMPTY_JSON: Mapping[tuple[str, str], dict[str, Any]] = {
    ("sheet_rows", "cells"): {"cells": []},
    ("legacy_records", "texts"): {"references": [], "extra": []},
}


def _to_scrub(
    session: Session, of: Table, columns: Sequence[str], where: ColumnElement[bool], names: Names
) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Rows that hold a name, with what they say without it, by column."""
    keys = list(of.primary_key.columns)
    for row in session.execute(select(*keys, *(of.c[column] for column in columns)).where(where)).all():
        was = dict(zip(columns, row[len(keys) :], strict=True))
        new = {column: names.without(value) for column, value in was.items()}
        if changed := {column: value for column, value in new.items() if value != was[column]}:
            yield tuple(row[: len(keys)]), changed


def _scrub(
    session: Session, of: Table, columns: Sequence[str], where: ColumnElement[bool], names: Names
) -> int:
    count = 0
    for key, changed in _to_scrub(session, of, columns, where, names):
        same = [column == value for column, value in zip(of.primary_key.columns, key, strict=True)]
        session.execute(update(of).where(*same).values(changed))
        count += 1
    return count


#: Where a person's name may stand though no payment of theirs does: what was searched for, noted, proposed.
_ANYWHERE: Mapping[str, tuple[str, ...]] = {
    "exports": ("wanted",), "schedules": ("plan",), "bulk_runs": ("given",),
    "matches": ("evidence",), "exceptions": ("suggestion",), "cases": ("detail",),
}  # fmt: skip


def _loose(session: Session, names: Names) -> Iterator[tuple[str, int]]:
    yield "saved_views", _searches(session, names)
    for name, columns in _ANYWHERE.items():
        of = table(name)
        told = [
            func.lower(cast(of.c[column], String)).contains(sign, autoescape=True)
            for column in columns
            for sign in names.signs
        ]
        if told:
            yield name, _scrub(session, of, columns, or_(*told), names)


def _searches(session: Session, names: Names) -> int:
    """Views keep what is searched for as it stands in an address: a name is looked for in what it means."""
    of, count = table("saved_views"), 0
    for number, query in session.execute(select(of.c.id, of.c.query)).all():
        pairs = parse_qsl(query, keep_blank_values=True)
        if (new := [(name, names.without(value)) for name, value in pairs]) != pairs:
            session.execute(update(of).where(of.c.id == number).values(query=urlencode(new)))
            count += 1
    return count


def _done(
    session: Session,
    payments: Sequence[Payment],
    cause: str,
    request_id: int | None,
    actor: str,
    now: datetime,
) -> None:
    """The payments themselves, last; and that it was done, on their timelines."""
    for payment in payments:
        session.refresh(payment)
        payment.payer_name, payment.payer_email, payment.payer_phone, payment.note = ERASED, "", "", ""
        payment.erased_at = payment.updated_at = now
        session.expire(payment, ["places", "legacy"])
        payment.search_text = search_text.of(payment)
        if session.get(Erasure, payment.id) is None:
            session.add(Erasure(payment_id=payment.id, cause=cause, request_id=request_id, at=now))
        why = "on request" if cause == REQUEST else "as its time was over"
        lifecycle.note(
            session, payment, Kind.NOTE, now=now, source=Source.DESK, actor=actor,
            text=f"Who paid was erased {why}.",
        )  # fmt: skip
    session.flush()
