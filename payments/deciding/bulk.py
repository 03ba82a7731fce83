"""One deed on all that match, across pages: first what it would do, then row by row, and what became of each.

The rows are written down before the first is touched: who closes the page goes on later where they were,
and nothing that matched only later is swept along. Each row is its own transaction with its own audit
entry; what belongs to a row and what is written about it here are committed together.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from db.models import BulkRow, BulkRun, Case, Payment
from db.money import Money
from db.session import Sessions
from payments.access.people import Person, check, proven
from payments.books import audit
from payments.deciding import deeds
from payments.deciding.deeds import ON_CASES, SLOW, UNDOABLE, Deed, Given, Subject, Was
from payments.errors import Conflict, GatewayError, InvalidInput, NotFound, PaymentsError
from payments.finding import search
from payments.finding.search import Filter
from payments.gateways import Gateway
from payments.watching import standstill

#: More than this at once is a decision for an operator, not for a button.
MOST_AT_ONCE = 20_000
#: Rows in one step: enough to be quick, few enough that progress moves.
QUICK_STEP, SLOW_STEP = 20, 5
_TOGETHER = 500
#: So long a run that is over is offered again to who ran it.
KEPT_AT_HAND = timedelta(days=1)
_LEFT = "by now it is not among those that match"
_TO_BE_SKIPPED = "it was to be left out when this was agreed to"
_ANOTHER = "another request about it waits by now"

_T = TypeVar("_T")

#: All payments of a filter, or these payments or cases, by their ids.
Target = Filter | tuple[int, ...]


@dataclass(frozen=True)
class Preview:
    """What a deed would do now. ``skipped`` tells why, and how many each; ``ids`` are all it looked at, and
    ``agreed`` those that it would be done to, each with the request about it that waits."""

    deed: Deed
    ids: tuple[int, ...]
    agreed: Mapping[int, int | None]
    sums: Mapping[str, Money]
    skipped: Mapping[str, int]
    first: tuple[tuple[str, str], ...]  # reference and payer of some that it would be done to

    @property
    def count(self) -> int:
        return len(self.ids)

    @property
    def doing(self) -> int:
        return len(self.agreed)


@dataclass(frozen=True)
class Progress:
    id: int
    deed: Deed
    started_at: datetime
    finished_at: datetime | None
    outcomes: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.outcomes.values())

    @property
    def left(self) -> int:
        return self.outcomes.get("waiting", 0)

    @property
    def undoable(self) -> int:
        return self.outcomes.get("done", 0) if self.deed in UNDOABLE and not self.left else 0


@dataclass(frozen=True)
class Result:
    """What became of one."""

    reference: str
    payer_name: str
    outcome: str
    why: str


def preview(session: Session, person: Person, deed: Deed, target: Target, given: Given) -> Preview:
    """Looks at every row; changes none. Raises NotAllowed, InvalidInput (too many, or something unsaid)."""
    _check(person, deed, target, given)
    skipped = Counter[str]()
    sums: dict[str, Money] = {}
    first: list[tuple[str, str]] = []
    ids: list[int] = []
    agreed: dict[int, int | None] = {}
    for subject in _subjects(session, person, deed, target):
        ids.append(subject.id)
        if why := deeds.obstacle(person, deed, subject, given):
            skipped[why] += 1
            continue
        agreed[subject.id] = subject.asked_id
        if len(first) < 5:
            first.append((subject.reference, subject.payer_name))
        if (worth := deeds.worth(deed, subject)) is not None:
            sums[worth.currency] = sums.get(worth.currency, Money(0, worth.currency)) + worth
    told = dict(skipped.most_common())
    return Preview(deed, tuple(ids), agreed, sums, told, tuple(first))


def start(
    session: Session,
    person: Person,
    deed: Deed,
    target: Target,
    given: Given,
    *,
    now: datetime,
    seen: Preview | None = None,
) -> int:
    """Write down what is to be done, and to which; ``step`` does it. Returns the run's id.

    ``seen`` is what somebody said yes to: what came to match since is left out, and skipped is what was to be
    skipped, what matches no more, and of what another request waits. Never more is done than was agreed.
    """
    _check(person, deed, target, given)
    _proven(person, deed, now)
    run = BulkRun(deed=deed, person_id=person.id, given=given.plain(), started_at=now, finished_at=None)
    session.add(run)
    session.flush()
    subject = "case_id" if deed in ON_CASES else "payment_id"
    shown, there = None if seen is None else frozenset(seen.ids), set[int]()
    subjects = _subjects(session, person, deed, target)
    for some in _batches(one for one in subjects if shown is None or one.id in shown):
        rows = [
            _row(run.id, deed, subject, one, _kept_from(person, deed, one, given, seen), now) for one in some
        ]
        session.execute(insert(BulkRow), rows)
        there |= {one.id for one in some}
    if not there:
        raise InvalidInput("Nothing matches any more. Look at the list again.")
    for gone in _batches(sorted((shown or there) - there)):
        session.execute(insert(BulkRow), [_left_out(run.id, subject, one, now) for one in gone])
    count = len(shown or there)
    audit.record(session, person, "start_bulk", f"run {run.id}", now=now, deed=deed, count=count)
    return run.id


def step(
    sessions: Sessions, gateways: Mapping[str, Gateway], person: Person, run_id: int, *, now: datetime
) -> Progress:
    """Do the next few rows. Raises Conflict while the desk stands still; the rows then wait."""
    with sessions.read() as session:
        run = _run(session, person, run_id)
        standstill.refuse(session)
        deed, given = Deed(run.deed), Given.of(run.given)
        _proven(person, deed, now)
        size = SLOW_STEP if deed in SLOW else QUICK_STEP
        waiting = select(BulkRow.id).where(BulkRow.run_id == run_id, BulkRow.outcome == "waiting")
        rows = session.scalars(waiting.order_by(BulkRow.id).limit(size)).all()
    for row_id in rows:
        if deed in SLOW:
            _do_slowly(sessions, gateways, person, deed, row_id, given, now)
        else:
            _guarded(sessions, person, row_id, "waiting", _doing(person, deed, given, now), now)
    return _finish(sessions, person, run_id, now)


def undo_step(sessions: Sessions, person: Person, run_id: int, *, now: datetime) -> Progress:
    """Put the next few of a finished run back. Raises Conflict for a deed that cannot be undone."""
    with sessions.read() as session:
        run = _run(session, person, run_id)
        standstill.refuse(session)
        deed = Deed(run.deed)
        if deed not in UNDOABLE:
            raise Conflict("This cannot be undone.")
        done = select(BulkRow.id).where(BulkRow.run_id == run_id, BulkRow.outcome == "done")
        rows = session.scalars(done.order_by(BulkRow.id).limit(QUICK_STEP)).all()
    for row_id in rows:
        _guarded(sessions, person, row_id, "done", _undoing(person, deed, now), now)
    with sessions.read() as session:
        return progress(session, person, run_id)


def progress(session: Session, person: Person, run_id: int) -> Progress:
    """How far a run is. Raises NotFound for somebody else's."""
    return _progress(session, _run(session, person, run_id))


def unfinished(session: Session, person: Person) -> tuple[Progress, ...]:
    """Runs of this person that wait to go on, the oldest first."""
    mine = select(BulkRun).where(BulkRun.person_id == person.id, BulkRun.finished_at.is_(None))
    return tuple(_progress(session, run) for run in session.scalars(mine.order_by(BulkRun.id)))


def last(session: Session, person: Person, among: Iterable[Deed], *, now: datetime) -> Progress | None:
    """What this person did last to many, if that was no longer than a day ago."""
    mine = select(BulkRun).where(
        BulkRun.person_id == person.id,
        BulkRun.deed.in_(list(among)),
        BulkRun.finished_at > now - KEPT_AT_HAND,
    )
    run = session.scalars(mine.order_by(BulkRun.finished_at.desc(), BulkRun.id.desc()).limit(1)).first()
    return None if run is None else _progress(session, run)


def finished(session: Session, person: Person, deed: Deed, *, limit: int = 20) -> tuple[Progress, ...]:
    """Runs of this person that are over, the newest first."""
    mine = select(BulkRun).where(
        BulkRun.person_id == person.id, BulkRun.finished_at.is_not(None), BulkRun.deed == deed
    )
    return tuple(
        _progress(session, run) for run in session.scalars(mine.order_by(BulkRun.id.desc()).limit(limit))
    )


def results(
    session: Session, person: Person, run_id: int, *, outcome: str | None = None, limit: int = 100
) -> tuple[Result, ...]:
    """What became of each, in the order they were done; ``outcome`` lists those only."""
    _run(session, person, run_id)
    query = (
        select(BulkRow, func.coalesce(Payment.reference, "message"), func.coalesce(Payment.payer_name, ""))
        .outerjoin(Case, Case.id == BulkRow.case_id)
        .outerjoin(Payment, Payment.id == func.coalesce(BulkRow.payment_id, Case.payment_id))
        .where(BulkRow.run_id == run_id, *([BulkRow.outcome == outcome] if outcome else []))
    )
    rows = session.execute(query.order_by(BulkRow.id).limit(limit))
    return tuple(Result(reference, payer, row.outcome, row.why) for row, reference, payer in rows)


# -- which --------------------------------------------------------------------------------------------


def _proven(person: Person, deed: Deed, now: datetime) -> None:
    """What asks for it one by one asks for it once of many, and again of those that are left later."""
    if deed is Deed.APPROVE:
        proven(person, now=now)


def _check(person: Person, deed: Deed, target: Target, given: Given) -> None:
    check(person, deeds.NEEDS[deed])
    deeds.check_given(deed, given)
    assert not (isinstance(target, Filter) and deed in ON_CASES), "cases are named, never searched for"


def _subjects(session: Session, person: Person, deed: Deed, target: Target) -> Iterator[Subject]:
    read: Callable[[Session, Person, Sequence[int]], Iterable[Subject]]
    if isinstance(target, Filter):
        ids, read = (
            [row.id for row in islice(search.rows(session, person, target), MOST_AT_ONCE + 1)],
            deeds.payments,
        )
    else:
        ids, read = list(target), deeds.cases if deed in ON_CASES else deeds.payments
    if len(ids) > MOST_AT_ONCE:
        raise InvalidInput(f"More than {MOST_AT_ONCE} match. Narrow the filter, and do it in parts.")
    for some in _batches(ids):
        yield from read(session, person, some)


def _batches(things: Iterable[_T]) -> Iterator[list[_T]]:
    each = iter(things)
    while some := list(islice(each, _TOGETHER)):
        yield some


def _kept_from(person: Person, deed: Deed, one: Subject, given: Given, seen: Preview | None) -> str | None:
    """Why it is not done to this one; None when it is."""
    if (why := deeds.obstacle(person, deed, one, given)) or seen is None:
        return why
    if one.id not in seen.agreed:
        return _TO_BE_SKIPPED
    return _ANOTHER if deed is Deed.APPROVE and one.asked_id != seen.agreed[one.id] else None


def _row(
    run_id: int, deed: Deed, subject: str, one: Subject, why: str | None, now: datetime
) -> dict[str, Any]:
    at: dict[str, Any] = {"payment_id": None, "case_id": None, subject: one.id}
    known = (
        {"outcome": "skipped", "why": why, "done_at": now}
        if why
        else {"outcome": "waiting", "why": "", "done_at": None}
    )
    was = {"asked": one.asked_id} if deed is Deed.APPROVE else None  # that one, and none that comes later
    return {"run_id": run_id, "was": was, **at, **known}


def _left_out(run_id: int, subject: str, of: int, now: datetime) -> dict[str, Any]:
    at: dict[str, Any] = {"payment_id": None, "case_id": None, subject: of}
    return {"run_id": run_id, "was": None, **at, "outcome": "skipped", "why": _LEFT, "done_at": now}


def _subject(session: Session, person: Person, row: BulkRow) -> Subject:
    found = (
        deeds.cases(session, person, [row.case_id])
        if row.case_id is not None
        else deeds.payments(session, person, [row.payment_id or 0])
    )
    subject = next(iter(found), None)
    if subject is None:
        raise NotFound("It is not yours to see any more.")
    return subject


# -- one row ------------------------------------------------------------------------------------------

_Work = Callable[[Session, Subject, BulkRow], tuple[str, Was]]


def _doing(person: Person, deed: Deed, given: Given, now: datetime) -> _Work:
    def work(session: Session, subject: Subject, row: BulkRow) -> tuple[str, Was]:
        if why := deeds.obstacle(person, deed, subject, given):
            raise Conflict(why)
        if deed is Deed.APPROVE and (row.was or {}).get("asked") != subject.asked_id:
            raise Conflict(_ANOTHER)
        return deeds.do(session, person, deed, subject, given, now=now)

    return work


def _undoing(person: Person, deed: Deed, now: datetime) -> _Work:
    def work(session: Session, subject: Subject, row: BulkRow) -> tuple[str, Was]:
        deeds.undo(session, person, deed, subject, row.was, now=now)
        return "undone", None

    return work


def _guarded(
    sessions: Sessions, person: Person, row_id: int, standing: str, work: _Work, now: datetime
) -> None:
    """The work and its outcome in one transaction; what refuses it is written down in the next."""

    def do(session: Session) -> None:
        row = _locked(session, row_id)
        if row.outcome != standing:
            return  # another window of the same person was here
        why, was = work(session, _subject(session, person, row), row)
        row.outcome, row.why, row.was = ("done" if standing == "waiting" else "undone"), why, _plain(was)
        row.done_at = now

    try:
        sessions.run(do)
    except PaymentsError as error:
        _refused(sessions, row_id, standing, error, now)


def _do_slowly(
    sessions: Sessions,
    gateways: Mapping[str, Gateway],
    person: Person,
    deed: Deed,
    row_id: int,
    given: Given,
    now: datetime,
) -> None:
    try:
        with sessions.read() as session:
            subject = _subject(session, person, session.get_one(BulkRow, row_id))
        if why := deeds.obstacle(person, deed, subject, given):
            raise Conflict(why)
        told, was = deeds.do_slowly(sessions, gateways, person, deed, subject, given, now=now)
    except PaymentsError as error:
        _refused(sessions, row_id, "waiting", error, now)
        return
    with sessions.begin() as session:
        row = _locked(session, row_id)
        row.outcome, row.why, row.was, row.done_at = "done", told, _plain(was), now


def _refused(sessions: Sessions, row_id: int, standing: str, error: PaymentsError, now: datetime) -> None:
    """A row that does not fit is skipped. One that the gateway did not answer has failed, and one that could
    not be put back has failed at that."""
    with sessions.begin() as session:
        row = _locked(session, row_id)
        if row.outcome != standing:
            return
        row.why, row.done_at = str(error), now
        row.outcome = "failed" if isinstance(error, GatewayError) or standing == "done" else "skipped"


def _locked(session: Session, row_id: int) -> BulkRow:
    query = select(BulkRow).where(BulkRow.id == row_id).with_for_update()
    return session.scalars(query.execution_options(populate_existing=True)).one()


def _plain(was: Was) -> dict[str, Any] | None:
    return dict(was) if was is not None else None


# -- the run ------------------------------------------------------------------------------------------


def _run(session: Session, person: Person, run_id: int) -> BulkRun:
    run = session.get(BulkRun, run_id)
    if run is None or run.person_id != person.id:
        raise NotFound("There is no such run of yours.")
    return run


def _progress(session: Session, run: BulkRun) -> Progress:
    grouped = select(BulkRow.outcome, func.count()).where(BulkRow.run_id == run.id).group_by(BulkRow.outcome)
    counts = {outcome: int(count) for outcome, count in session.execute(grouped)}
    return Progress(run.id, Deed(run.deed), run.started_at, run.finished_at, counts)


def _finish(sessions: Sessions, person: Person, run_id: int, now: datetime) -> Progress:
    with sessions.begin() as session:
        run = _run(session, person, run_id)
        told = _progress(session, run)
        if not told.left and run.finished_at is None:
            run.finished_at = now
            audit.record(
                session,
                person,
                "finish_bulk",
                f"run {run_id}",
                now=now,
                deed=run.deed,
                outcomes=dict(told.outcomes),
            )
        return _progress(session, run)
