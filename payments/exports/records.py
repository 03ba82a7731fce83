"""What was taken out: who asked for which file and, once it is whole, what it held and its bytes' hash.

What was searched for stays with the record, which can be erased one day, and never enters the audit, which
cannot. Many payers' names, addresses and numbers leave the desk only when a second person said so.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.models import Event, Export, PersonRow
from db.money import Money
from payments.access.people import Action, Person, check, proven
from payments.books import audit
from payments.errors import Conflict, NotFound
from payments.exports import layout as layouts
from payments.exports.layout import Layout
from payments.exports.run import Contents, spans
from payments.finding import conditions, filters, found
from payments.finding.conditions import Filter
from payments.references import draw
from payments.second_person import approvals
from payments.second_person.approvals import ApprovalView, What

PREFIX = "EXP"
#: Of so many payments a person may take columns that tell of payers without a second person.
ALONE = 10_000
ASKED, RUNNING, WHOLE, BROKEN = "asked", "running", "whole", "broken"
_KEPT = "(kept with the export)"
_GREW = (
    "More than {} payments fit by now, and the file tells of payers: that takes a second person. Open the "
    "payments and export again, or leave out names, addresses, numbers and notes."
).format(f"{ALONE:,}".replace(",", " "))
_ONCE = "This file was fetched already. Open the payments and export again: each file has its own record."


@dataclass(frozen=True)
class ExportView:
    """One file. ``contents`` and ``sha256`` are there once it is whole. ``asked_rows`` is told of a file that
    takes a second person: how many payments there were when it was asked for."""

    reference: str
    actor: str
    state: str
    asked_at: datetime
    ended_at: datetime | None
    wanted: Filter
    layout: Layout
    file_name: str
    rows_done: int
    contents: Contents | None
    sha256: str | None
    size_bytes: int | None
    problem: str | None
    asked_rows: int | None


def ask(
    session: Session, person: Person, wanted: Filter, layout: Layout, *, demo: bool, now: datetime
) -> ExportView:
    """Write down who takes what: a file that cannot be recorded is not made. It can be fetched once.

    Raises NotAllowed. Where ``asked_rows`` is told, ``ask_second`` comes before it can be fetched.
    """
    check(person, Action.EXPORT)
    if layouts.personal(layout.columns):
        proven(person, now=now)
    reference = draw(PREFIX, demo=demo)
    known = session.get(PersonRow, person.id)
    row = Export(
        reference=reference,
        person_id=known.id if known else None,
        actor=_actor(person),
        state=ASKED,
        asked_at=now,
        wanted={"query": [list(pair) for pair in filters.to_query(wanted)]}
        | _many(session, person, wanted, layout),
        layout=dict(layouts.to_plain(layout)),
        file_name=layouts.file_name(
            layout, spans(wanted), now, reference, _only_event(session, wanted), as_of=wanted.as_of
        ),
    )
    session.add(row)
    session.flush()
    detail: dict[str, Any] = {"filter": told_filter(wanted), "format": str(layout.format)}
    if taken := layouts.personal(layout.columns):
        detail["personal"] = ", ".join(taken)
    audit.record(session, person, "export", row.reference, now=now, **detail)
    return _view(row)


def begin(session: Session, person: Person, reference: str, *, now: datetime) -> ExportView:
    """A file that was asked for is fetched, by who asked.

    Raises NotFound; Conflict when it was fetched before, or takes a second person who has not approved it.
    """
    check(person, Action.EXPORT)
    row = _own(session, person, reference)
    started = update(Export).where(Export.id == row.id, Export.state == ASKED).values(state=RUNNING)
    if not session.execute(started).rowcount:  # type: ignore[attr-defined]
        raise Conflict(_ONCE)
    session.refresh(row)
    view = _view(row)
    if view.asked_rows is not None:
        approvals.use(session, person, _second(session, person, view), now=now)
    elif _many(session, person, view.wanted, view.layout):
        raise Conflict(_GREW)
    return view


def ask_second(session: Session, person: Person, reference: str, why: str, *, now: datetime) -> ApprovalView:
    """Ask somebody else to approve exactly this file. Raises as ``approvals.ask``, NotFound."""
    view = _view(_own(session, person, reference))
    return approvals.ask(session, person, _second(session, person, view), why, now=now)


def second(session: Session, person: Person, reference: str, *, now: datetime) -> ApprovalView | None:
    """How far the approval of a file is; None when it is still to be asked for, or was in vain."""
    view = _view(_own(session, person, reference))
    return approvals.standing(session, person, _second(session, person, view), now=now)


def waiting(session: Session, person: Person, *, now: datetime) -> list[tuple[ExportView, ApprovalView]]:
    """One's own files that a second person was asked about and that were not fetched, the newest first."""
    check(person, Action.EXPORT)
    query = select(Export).where(
        Export.actor == _actor(person), Export.state == ASKED, Export.asked_at > now - approvals.GOOD_FOR
    )
    views = [_view(row) for row in session.scalars(query.order_by(Export.id.desc()))]
    asked = (
        (view, approvals.standing(session, person, _second(session, person, view), now=now))
        for view in views
        if view.asked_rows is not None
    )
    return [(view, approval) for view, approval in asked if approval is not None]


def tell(session: Session, person: Person, reference: str, rows_done: int) -> None:
    """How far a file is, for the page that waits for it."""
    _change(session, person, reference, rows_done=rows_done)


def finish(
    session: Session,
    person: Person,
    reference: str,
    contents: Contents,
    sha256: str,
    size: int,
    *,
    now: datetime,
) -> None:
    """The file is whole. Written before its last byte goes out: no whole file is without its record."""
    sums = {
        currency: [contents.sums[currency].minor, contents.received[currency].minor]
        for currency in contents.sums
    }
    _change(
        session, person, reference,
        state=WHOLE, rows=contents.rows, rows_done=contents.rows, sums=sums, sha256=sha256, size_bytes=size,
        ended_at=now,
    )  # fmt: skip
    audit.record(
        session, person, "export_whole", reference,
        now=now, rows=contents.rows, asked_and_received_minor=sums, sha256=sha256,
    )  # fmt: skip


def break_off(session: Session, person: Person, reference: str, problem: str, *, now: datetime) -> None:
    """The file will never be whole."""
    _change(session, person, reference, state=BROKEN, problem=problem, ended_at=now)
    audit.record(session, person, "export_broken", reference, now=now, problem=problem)


def get(session: Session, person: Person, reference: str) -> ExportView:
    """Raises NotFound, also for somebody else's, unless the person may see the audit."""
    row = session.scalar(_visible(person).where(Export.reference == reference))
    if row is None:
        raise NotFound(f"There is no export {reference} of yours.")
    return _view(row)


def recent(
    session: Session, person: Person, *, limit: int = 50, before: datetime | None = None
) -> list[ExportView]:
    """The newest files: one's own, or everybody's for whoever may see the audit. Those never fetched are not
    among them."""
    query = _visible(person).where(Export.state != ASKED)
    if before is not None:
        query = query.where(Export.asked_at < before)
    return [_view(row) for row in session.scalars(query.order_by(Export.id.desc()).limit(limit))]


def of_hash(session: Session, sha256: str) -> ExportView | None:
    """The whole file with these very bytes, whoever took it: who asks has them in hand."""
    row = session.scalar(select(Export).where(Export.sha256 == sha256).order_by(Export.id).limit(1))
    return _view(row) if row else None


def sees(session: Session, person: Person, reference: str) -> ExportView | None:
    row = session.scalar(_visible(person).where(Export.reference == reference))
    return _view(row) if row else None


# -- inside -----------------------------------------------------------------------------------------


def _only_event(session: Session, wanted: Filter) -> str:
    """The name of the one event that is asked for; "" for several or all."""
    if len(wanted.events) != 1:
        return ""
    return session.scalar(select(Event.name).where(Event.code == wanted.events[0])) or ""


def _many(session: Session, person: Person, wanted: Filter, layout: Layout) -> dict[str, int]:
    """How many payments, when one person may not take columns that tell of so many payers.

    Whoever has the command line, in nobody's name, holds the database already.
    """
    if not person.id or not layouts.personal(layout.columns):
        return {}
    if wanted.as_of is not None:  # no more than all there are of these events
        wanted = Filter(events=wanted.events)
    payments = found.Found(session, person, wanted)
    if payments.capped <= ALONE:
        return {}
    return {"rows": payments.count}


def _second(session: Session, person: Person, view: ExportView) -> approvals.Ask:
    """What a second person approves: this file, of this filter, with these columns."""
    exactly = json.dumps(filters.to_query(view.wanted))
    events = conditions.where(session, person, replace(view.wanted, as_of=None)).events
    bound = {
        "rows": view.asked_rows,
        "filter": told_filter(view.wanted) or "all payments",
        "columns": list(view.layout.columns),
        "fingerprint": hashlib.sha256(exactly.encode()).hexdigest()[:16],
    }
    scope = None if events is None else frozenset(events)
    return approvals.Ask(What.EXPORT_PERSONAL, view.reference, bound, scope)


def _actor(person: Person) -> str:
    return person.email or person.name


def _visible(person: Person) -> Any:
    check(person, Action.EXPORT)
    query = select(Export)
    return query if person.may(Action.SEE_AUDIT) else query.where(Export.actor == _actor(person))


def _own(session: Session, person: Person, reference: str) -> Export:
    row = session.scalar(select(Export).where(Export.reference == reference, Export.actor == _actor(person)))
    if row is None:
        raise NotFound("There is no such file of yours. Open the payments and export again.")
    return row


def _change(session: Session, person: Person, reference: str, **values: Any) -> None:
    running = update(Export).where(
        Export.reference == reference, Export.actor == _actor(person), Export.state == RUNNING
    )
    if not session.execute(running.values(**values)).rowcount:  # type: ignore[attr-defined]
        raise Conflict(_ONCE)


def told_filter(wanted: Filter) -> str:
    """A filter for the audit and for others: words that may be a payer's are not among it."""
    kept = filters.to_query(filters.private_part(wanted))
    pairs = [*filters.to_query(filters.public_part(wanted)), *((name, _KEPT) for name, _ in kept)]
    return "&".join(f"{name}={value}" for name, value in pairs)


def _view(row: Export) -> ExportView:
    return ExportView(
        reference=row.reference,
        actor=row.actor,
        state=row.state,
        asked_at=row.asked_at,
        ended_at=row.ended_at,
        wanted=filters.from_query([(name, value) for name, value in row.wanted["query"]]),
        layout=layouts.from_plain(row.layout),
        file_name=row.file_name,
        rows_done=row.rows_done,
        contents=_contents(row.rows, row.sums),
        sha256=row.sha256,
        size_bytes=row.size_bytes,
        problem=row.problem,
        asked_rows=row.wanted.get("rows"),
    )


def _contents(rows: int | None, sums: Mapping[str, Any] | None) -> Contents | None:
    if rows is None or sums is None:
        return None
    return Contents(
        rows=rows,
        sums={currency: Money(asked, currency) for currency, (asked, _) in sums.items()},
        received={currency: Money(here, currency) for currency, (_, here) in sums.items()},
    )
