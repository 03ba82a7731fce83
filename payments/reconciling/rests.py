"""What a line brought more than its payment lacked, when nobody has said yet what becomes of it.

A line that names one payment beyond doubt and brings more pays what is owed by itself. The rest stands as
surplus and waits as an exception of its own, with an owner, a day it is due, an age and what is at risk,
until a person pays another payment with it (``surplus.move``), has it given back or keeps it for who paid. A
surplus that a person set apart is decided, and does not wait.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import BigInteger, ColumnElement, cast, func, select
from sqlalchemy.orm import Session, aliased

from db.models import LineException, Match, MatchPart, SurplusMove
from payments import holding, lifecycle
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import Conflict
from payments.lifecycle import Kind, Source
from payments.live import tallies
from payments.matching import Target
from payments.privacy import reason
from payments.reconciling.parts import locked_line, taken_back
from payments.watching import standstill

#: Why it waits, as ``proposing.Reason`` has it.
TOO_MUCH = "surplus"
#: Where a row that is closed keeps what was decided, beside what had been suggested.
_FATE = "fate"
NOT_WAITING = "What came too much on this line does not wait any more. Reconcile lists it under Surplus."
GONE = "The line is not for this any more: look again."


class Fate(StrEnum):
    """What becomes of a rest that pays no other payment."""

    GIVE_BACK = "give_back"
    KEEP = "keep"


class State(NamedTuple):
    """Whether a surplus waits; else, where it had waited, who decided what becomes of what is left of it."""

    waits: bool = False
    decided_by: str = ""
    fate: Fate | None = None


def left_minor(part_id: Any) -> ColumnElement[int]:
    """In SQL: what of a surplus pays nothing yet."""
    part, move = aliased(MatchPart), aliased(SurplusMove)
    moved = (
        select(func.coalesce(func.sum(move.amount_minor), 0))
        .where(move.part_id == part.id, move.undone_at.is_(None))
        .correlate(part)
        .scalar_subquery()
    )
    left = cast(part.amount_minor - moved, BigInteger)  # PostgreSQL's sums are numeric
    return select(left).where(part.id == part_id).scalar_subquery()


def states(session: Session, part_ids: Iterable[int]) -> dict[int, State]:
    """How it is with surplus that stands: what is left of it and does not wait any more was decided."""
    wanted = list(part_ids)
    newest = select(func.max(LineException.id)).where(LineException.part_id.in_(wanted))
    rows = session.execute(
        select(MatchPart.id, LineException, left_minor(MatchPart.id))
        .join(LineException, LineException.part_id == MatchPart.id)
        .where(LineException.id.in_(newest.group_by(LineException.part_id)))
        .execution_options(populate_existing=True)
    )
    found = dict.fromkeys(wanted, State())
    for part_id, last, left in rows:
        if last.closed_at is None:
            found[part_id] = State(waits=True)
        elif left:
            found[part_id] = State(decided_by=last.closed_by or "", fate=_fate(last))
    return found


def state(session: Session, part_id: int) -> State:
    return states(session, [part_id])[part_id]


def _fate(row: LineException) -> Fate | None:
    return Fate(row.suggestion[_FATE]) if _FATE in row.suggestion else None


def _open(session: Session, part_id: int) -> LineException | None:
    return session.scalar(
        select(LineException).where(LineException.part_id == part_id, LineException.closed_at.is_(None))
    )


def _last(session: Session, part_id: int) -> LineException | None:
    mine = select(LineException).where(LineException.part_id == part_id)
    newest = mine.order_by(LineException.id.desc()).limit(1)
    return session.scalar(newest.execution_options(populate_existing=True))


# -- waiting, and not any more ------------------------------------------------------------------------


def open_of(session: Session, match: Match, *, like: LineException | None, now: datetime) -> None:
    """The rest of a line that was accepted by itself waits; ``like`` is how it waited before, if it did."""
    session.flush()
    parts = select(MatchPart).where(MatchPart.match_id == match.id, MatchPart.target == Target.SURPLUS)
    for part in session.scalars(parts):
        _wait(session, part.id, match.line_id, match.evidence, like, now)


def _wait(
    session: Session,
    part_id: int,
    line_id: int,
    suggestion: Mapping[str, Any],
    like: LineException | None,
    now: datetime,
) -> None:
    told = {key: value for key, value in suggestion.items() if key != _FATE}
    row = LineException(
        line_id=line_id, reason=TOO_MUCH, suggestion=told, opened_at=now, note="", part_id=part_id
    )
    handed_on(like, row)
    session.add(row)
    session.flush()


def handed_on(before: LineException | None, row: LineException) -> None:
    """What waits is still theirs who had it, whatever of the line waits by now."""
    if before is not None:
        row.owner_id, row.due_on, row.note = before.owner_id, before.due_on, before.note


def stand_again(session: Session, match: Match, before: LineException, *, whole: bool, now: datetime) -> None:
    """The rest of a line that had been taken back: what was decided of all of it holds, else it waits."""
    open_of(session, match, like=before, now=now)
    fate, row = _fate(before), like_of(session, match)
    if fate is not None and whole and row is not None:
        row.suggestion = {**row.suggestion, _FATE: str(fate)}
        row.closed_at, row.closed_by = now, before.closed_by
        session.flush()


def close_when_paid_out(session: Session, part_id: int, by: str, now: datetime) -> None:
    """Nothing of it is left: nobody need look any more."""
    row = _open(session, part_id)
    if row is not None and not session.scalar(select(left_minor(part_id))):
        row.closed_at, row.closed_by = now, by
        session.flush()


def wait_again(session: Session, part: MatchPart, line_id: int, now: datetime) -> None:
    """Some of a rest pays nothing any more: what becomes of that is to be said anew."""
    last = _last(session, part.id)
    if last is not None and last.closed_at is not None:
        _wait(session, part.id, line_id, last.suggestion, last, now)


def like_of(session: Session, match: Match) -> LineException | None:
    """How the rest of a match waited, or waits; None when none of it ever did."""
    mine = select(LineException).join(MatchPart, MatchPart.id == LineException.part_id)
    return session.scalar(
        mine.where(MatchPart.match_id == match.id).order_by(LineException.id.desc()).limit(1)
    )


# -- deciding, and taking that back -------------------------------------------------------------------


def decide(session: Session, person: Person, part_id: int, fate: Fate, why: str, *, now: datetime) -> None:
    """Say what becomes of a rest that pays no other payment.

    Raises NotAllowed, InvalidInput, Conflict (somebody was faster).
    """
    part, line_id = _held(session, person, part_id)
    why = reason(why)
    row = _open(session, part_id)
    if row is None:
        raise Conflict(NOT_WAITING)
    row.closed_at, row.closed_by = now, person.name
    row.suggestion = {**row.suggestion, _FATE: str(fate)}
    _tell(session, person, part, line_id, str(fate), why, now)


def undecide(session: Session, person: Person, part_id: int, why: str, *, now: datetime) -> None:
    """Take that back: the rest waits again. Raises NotAllowed, InvalidInput, Conflict."""
    part, line_id = _held(session, person, part_id)
    why = reason(why)
    if not state(session, part_id).decided_by:
        raise Conflict("Nothing was decided of this that could be taken back: look again.")
    wait_again(session, part, line_id, now)
    _tell(session, person, part, line_id, "ask_again", why, now)


def _held(session: Session, person: Person, part_id: int) -> tuple[MatchPart, int]:
    check(person, Action.RECONCILE)
    standstill.refuse(session)
    part = session.get(MatchPart, part_id)
    if part is None or _last(session, part_id) is None:
        raise Conflict(NOT_WAITING)
    line = locked_line(session, session.get_one(Match, part.match_id).line_id)
    match = session.get_one(Match, part.match_id, populate_existing=True)
    if match.undone_at is not None or taken_back(session, line.id) is not None:
        raise Conflict(GONE)
    return part, line.id


def _tell(
    session: Session, person: Person, part: MatchPart, line_id: int, step: str, why: str, now: datetime
) -> None:
    left = session.scalar(select(left_minor(part.id))) or 0
    match = session.get_one(Match, part.match_id)
    if part.payment_id is not None:
        lifecycle.note(
            session, holding.payment(session, part.payment_id), Kind.SURPLUS, now=now, source=Source.DESK,
            actor=person.name, step=step, line=line_id, on=match.line.on.isoformat(), amount_minor=left,
            currency=part.amount_currency, why=why,
        )  # fmt: skip
    audit.record(
        session, person, "decide_surplus", f"line {line_id}", now=now, part=part.id, fate=step,
        amount_minor=left, why=why,
    )  # fmt: skip
    tallies.bump(session)
    session.flush()


def broken(session: Session) -> Iterator[str]:
    """What waits of a matched line is surplus that stands, and some of it is left."""
    rows = session.execute(
        select(LineException.id, MatchPart.target, Match, left_minor(LineException.part_id))
        .join(MatchPart, MatchPart.id == LineException.part_id)
        .join(Match, Match.id == MatchPart.match_id)
        .where(LineException.closed_at.is_(None))
        .order_by(LineException.id)
    )
    for number, target, match, left in rows:
        if target != Target.SURPLUS or match.undone_at is not None or taken_back(session, match.line_id):
            yield f"exception {number}: what it is about does not stand"
        elif left <= 0:
            yield f"exception {number}: nothing of it is left"
