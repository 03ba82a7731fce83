"""Shifts: one person's time at a till, from its float to a blind count and the report that closes it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.models import CashMove, DrawerCount, Event, Shift, Till, TillEntry, ZReport
from db.money import LARGEST_MINOR, Money
from payments import audit, dates, tallies
from payments.errors import Conflict, InvalidInput, NotFound
from payments.events import event_row
from payments.lifecycle import Method
from payments.people import Action, Person, check
from payments.privacy import clean

#: Notes and coins of the rand, in minor units, the largest first.
DENOMINATIONS = (20_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100, 50, 20, 10)
#: A variance, a pay-out and a correction are told in words, and a word or two tell nothing next year.
SHORTEST_WHY = 10
MOST_PIECES = 100_000
#: Card machines whose totals one shift may count.
MOST_MACHINES = 10


class Move(StrEnum):
    """Cash without a payer."""

    DROP = "drop"  # out of the drawer, into a bag for the bank or the safe
    TOP_UP = "top_up"  # change that was fetched
    PAY_OUT = "pay_out"  # spent: the taxi, the tape


_SIGN = {Move.DROP: -1, Move.TOP_UP: 1, Move.PAY_OUT: -1}


@dataclass(frozen=True)
class ShiftView:
    """A shift as its person may see it. It does not say what should be in the drawer: the count is blind."""

    id: int
    till_id: int
    till: str
    event_id: int
    event_code: str
    event_name: str
    person_id: int
    person_name: str
    float: Money
    opened_at: datetime
    counted_at: datetime | None
    closed_at: datetime | None
    receipts: int


@dataclass(frozen=True)
class MoveView:
    kind: Move
    amount: Money
    bag_number: str
    why: str
    at: datetime
    by: str


@dataclass(frozen=True)
class Machine:
    """A card machine: what its slips were written down as, and what its own total says."""

    name: str
    recorded: Money
    counted: Money

    @property
    def variance(self) -> Money:
        return self.counted - self.recorded


@dataclass(frozen=True)
class CashUp:
    """What should be there and what was counted. It exists only once a count was written down."""

    float: Money
    sales: Money
    corrections: Money
    moves: tuple[MoveView, ...]
    expected: Money
    counted: Money
    pieces: Mapping[int, int]
    machines: tuple[Machine, ...]
    counts: int

    @property
    def variance(self) -> Money:
        return self.counted - self.expected

    @property
    def agrees(self) -> bool:
        return not self.variance and not any(machine.variance for machine in self.machines)


@dataclass(frozen=True)
class ReportView:
    """A Z report as it was signed. ``genuine``: its text still has the hash it was signed with."""

    till: str
    number: int
    event_name: str
    at: datetime
    by: str
    told: Mapping[str, Any]
    sha256: str
    genuine: bool


# -- opening ----------------------------------------------------------------------------------------


def open_shift(
    session: Session, person: Person, event_code: str, till_name: str, float_: Money, *, now: datetime
) -> ShiftView:
    """Begin to take money at a till of the event; a till that has no such name yet is made.

    Raises NotFound, NotAllowed, InvalidInput, Conflict (the till or the person has an open shift).
    """
    event = event_row(session, person, event_code)
    check(person, Action.TAKE_MONEY, event.id)
    if event.state != "open":
        raise Conflict(f"{event.name} is {event.state}; an admin opens it under Events.")
    _checked_float(float_, event)
    till = _till(session, event, till_name, now)
    _nobody_is_here(session, till, person)
    shift = Shift(
        till_id=till.id,
        person_id=person.id,
        person_name=person.name,
        float_minor=float_.minor,
        currency=float_.currency,
        opened_at=now,
    )
    session.add(shift)
    try:
        session.flush()
    except IntegrityError as error:  # somebody else opened it in the same instant
        raise Conflict(f"{till.name} was opened by somebody else in this moment.") from error
    audit.record(
        session, person, "open_shift", till.name, now=now, event_id=event.id,
        shift=shift.id, float_minor=float_.minor, currency=float_.currency,
    )  # fmt: skip
    tallies.bump(session)
    return _view(session, shift)


def _checked_float(float_: Money, event: Event) -> None:
    if float_.currency != event.currency:
        raise InvalidInput(f"{event.name} takes {event.currency}; count the float in it.")
    if not 0 <= float_.minor <= LARGEST_MINOR:
        raise InvalidInput("The float is what is in the drawer now: nothing, or some change.")


def _till(session: Session, event: Event, name: str, now: datetime) -> Till:
    plain = clean(name, field="The till's name", longest=40).replace("\n", " ")
    if not plain:
        raise InvalidInput("Give the till a name, such as Main door.")
    named = select(Till).where(Till.event_id == event.id, func.lower(Till.name) == plain.lower())
    till = session.scalar(named.with_for_update())
    if till is None:
        till = Till(event_id=event.id, name=plain, next_number=1, next_report=1, created_at=now)
        session.add(till)
        session.flush()
    return till


def _nobody_is_here(session: Session, till: Till, person: Person) -> None:
    here = session.scalar(select(Shift).where(Shift.till_id == till.id, Shift.closed_at.is_(None)))
    if here is not None:
        raise Conflict(
            f"{here.person_name} has an open shift at {till.name}. Close it, or take another till."
        )
    mine = session.scalar(select(Shift).where(Shift.person_id == person.id, Shift.closed_at.is_(None)))
    if mine is not None:
        raise Conflict(f"You have an open shift at {mine.till.name}. Close it before you open another.")


# -- looking ----------------------------------------------------------------------------------------


def mine(session: Session, person: Person) -> ShiftView | None:
    """The open shift of this person, if they have one."""
    row = session.scalar(select(Shift).where(Shift.person_id == person.id, Shift.closed_at.is_(None)))
    return _view(session, row) if row else None


def get(session: Session, person: Person, shift_id: int) -> ShiftView:
    """A shift of one's own; of others only for who corrects money. Raises NotFound."""
    return _view(session, _shift(session, person, shift_id))


def tills(session: Session, person: Person, event_code: str) -> tuple[str, ...]:
    """The tills of an event, by name."""
    event = event_row(session, person, event_code)
    return tuple(session.scalars(select(Till.name).where(Till.event_id == event.id).order_by(Till.name)))


def moves(session: Session, person: Person, shift_id: int) -> tuple[MoveView, ...]:
    return _moves(session, _shift(session, person, shift_id))


def locked_shift(session: Session, person: Person, shift_id: int) -> Shift:
    """A shift that takes money: the person's own, open, not counted; its till is held until we commit.

    Raises NotFound, NotAllowed, Conflict.
    """
    shift = _shift(session, person, shift_id)
    check(person, Action.TAKE_MONEY, shift.till.event_id)
    if shift.person_id != person.id:
        raise Conflict(f"This is {shift.person_name}'s shift. Open your own: money is counted by person.")
    till = select(Till).where(Till.id == shift.till_id).with_for_update()
    session.scalars(till.execution_options(populate_existing=True)).one()
    session.refresh(shift)
    if shift.closed_at is not None or shift.counted_at is not None:
        raise Conflict("This shift was counted. Open a new one to take more money.")
    return shift


def _shift(session: Session, person: Person, shift_id: int) -> Shift:
    shift = session.get(Shift, shift_id)
    missing = NotFound("There is no such shift here.")
    if shift is None or not person.may(Action.SEE, shift.till.event_id):
        raise missing
    if shift.person_id != person.id and not person.may(Action.RECORD, shift.till.event_id):
        raise missing
    return shift


def _view(session: Session, shift: Shift) -> ShiftView:
    receipts = select(func.count()).where(TillEntry.shift_id == shift.id)
    event = shift.till.event
    return ShiftView(
        id=shift.id,
        till_id=shift.till_id,
        till=shift.till.name,
        event_id=event.id,
        event_code=event.code,
        event_name=event.name,
        person_id=shift.person_id,
        person_name=shift.person_name,
        float=Money(shift.float_minor, shift.currency),
        opened_at=shift.opened_at,
        counted_at=shift.counted_at,
        closed_at=shift.closed_at,
        receipts=session.scalar(receipts) or 0,
    )


# -- cash without a payer ---------------------------------------------------------------------------


def move_cash(
    session: Session,
    person: Person,
    shift_id: int,
    kind: Move,
    amount: Money,
    *,
    key: str,
    now: datetime,
    bag_number: str = "",
    why: str = "",
) -> None:
    """Write down cash that goes into or out of the drawer. The same ``key`` again changes nothing.

    A drop names its bag, a pay-out its reason. Raises InvalidInput, Conflict, NotFound, NotAllowed.
    """
    shift = locked_shift(session, person, shift_id)
    if session.scalar(select(CashMove.id).where(CashMove.key == key)) is not None:
        return
    if amount.currency != shift.currency or not 1 <= amount.minor <= LARGEST_MINOR:
        raise InvalidInput(f"Write the amount in {shift.currency}, more than nothing.")
    bag = clean(bag_number, field="The bag number", longest=40)
    if kind is Move.DROP and not bag:
        raise InvalidInput("Give the number of the bag: the bank's deposit is found by it.")
    reason = clean(why, field="The reason", longest=500)
    if kind is Move.PAY_OUT and len(reason) < SHORTEST_WHY:
        raise InvalidInput(f"Say what it was spent on, in {SHORTEST_WHY} characters or more.")
    session.add(
        CashMove(
            shift_id=shift.id,
            kind=kind,
            amount_minor=amount.minor,
            amount_currency=amount.currency,
            bag_number=bag,
            why=reason,
            key=key,
            at=now,
            by=person.name,
        )
    )
    audit.record(
        session, person, "move_cash", shift.till.name, now=now, event_id=shift.till.event_id,
        shift=shift.id, kind=kind, amount_minor=amount.minor, bag_number=bag, why=reason,
    )  # fmt: skip


def _moves(session: Session, shift: Shift) -> tuple[MoveView, ...]:
    rows = session.scalars(select(CashMove).where(CashMove.shift_id == shift.id).order_by(CashMove.id))
    return tuple(
        MoveView(Move(row.kind), row.amount, row.bag_number, row.why, row.at, row.by) for row in rows
    )


# -- the count --------------------------------------------------------------------------------------


def count(
    session: Session,
    person: Person,
    shift_id: int,
    pieces: Mapping[int, int],
    *,
    now: datetime,
    machines: Mapping[str, Money] | None = None,
) -> CashUp:
    """Write down what was counted, by denomination, and only then tell what should be there.

    From the first count on the shift takes no more money. Counting again is another count: all are kept,
    the last one counts. Raises InvalidInput, Conflict (closed), NotFound.
    """
    shift = _to_close(session, person, shift_id)
    if not set(pieces) <= set(DENOMINATIONS):
        raise InvalidInput("There is no such note or coin.")
    if any(not 0 <= number <= MOST_PIECES for number in pieces.values()):
        raise InvalidInput(f"Of each note or coin there are none, or up to {MOST_PIECES}.")
    totals = _checked_machines(shift, machines or {})
    session.add(
        DrawerCount(
            shift_id=shift.id,
            pieces={str(each): number for each, number in sorted(pieces.items()) if number},
            counted_minor=sum(each * number for each, number in pieces.items()),
            batches={name: total.minor for name, total in sorted(totals.items())},
            at=now,
            by=person.name,
        )
    )
    shift.counted_at = shift.counted_at or now
    session.flush()
    found = _cash_up(session, shift)
    audit.record(
        session, person, "count_drawer", shift.till.name, now=now, event_id=shift.till.event_id,
        shift=shift.id, counted_minor=found.counted.minor, variance_minor=found.variance.minor,
    )  # fmt: skip
    return found


def cash_up(session: Session, person: Person, shift_id: int) -> CashUp | None:
    """The last count beside what should be there; None before anything was counted."""
    shift = _shift(session, person, shift_id)
    return _cash_up(session, shift) if shift.counted_at else None


def _checked_machines(shift: Shift, machines: Mapping[str, Money]) -> dict[str, Money]:
    if len(machines) > MOST_MACHINES:
        raise InvalidInput(f"Count at most {MOST_MACHINES} card machines.")
    if any(total.currency != shift.currency or total.minor < 0 for total in machines.values()):
        raise InvalidInput(f"A machine's total is in {shift.currency}, nothing or more.")
    return {clean(name, field="The machine", longest=40): total for name, total in machines.items()}


def _to_close(session: Session, person: Person, shift_id: int) -> Shift:
    shift = _shift(session, person, shift_id)
    check(person, Action.TAKE_MONEY, shift.till.event_id)
    till = select(Till).where(Till.id == shift.till_id).with_for_update()
    session.scalars(till.execution_options(populate_existing=True)).one()
    session.refresh(shift)
    if shift.closed_at is not None:
        raise Conflict("This shift is closed. What was wrong is corrected in a new one.")
    return shift


def _cash_up(session: Session, shift: Shift) -> CashUp:
    last = session.scalars(
        select(DrawerCount).where(DrawerCount.shift_id == shift.id).order_by(DrawerCount.id.desc())
    ).all()
    currency, sums = shift.currency, _sums(session, shift)
    moved = _moves(session, shift)
    cash = sums.get((Method.CASH.value, ""), (0, 0))
    expected = shift.float_minor + sum(cash) + sum(_SIGN[move.kind] * move.amount.minor for move in moved)
    recorded = {name: sum(pair) for (method, name), pair in sums.items() if method == Method.CARD_SLIP}
    counted = last[0].batches
    return CashUp(
        float=Money(shift.float_minor, currency),
        sales=Money(cash[0], currency),
        corrections=Money(cash[1], currency),
        moves=moved,
        expected=Money(expected, currency),
        counted=Money(last[0].counted_minor, currency),
        pieces={int(each): number for each, number in last[0].pieces.items()},
        machines=tuple(
            Machine(name, Money(recorded.get(name, 0), currency), Money(counted.get(name, 0), currency))
            for name in sorted(recorded.keys() | counted.keys())
        ),
        counts=len(last),
    )


def _sums(session: Session, shift: Shift) -> dict[tuple[str, str], tuple[int, int]]:
    """What was sold and what was corrected, by method and machine; cash has no machine."""
    taken = func.sum(TillEntry.amount_minor).filter(TillEntry.reverses_id.is_(None))
    back = func.sum(TillEntry.amount_minor).filter(TillEntry.reverses_id.is_not(None))
    rows = session.execute(
        select(TillEntry.method, TillEntry.machine, taken, back)
        .where(TillEntry.shift_id == shift.id)
        .group_by(TillEntry.method, TillEntry.machine)
    )
    return {(method, machine): (int(sold or 0), int(given or 0)) for method, machine, sold, given in rows}


# -- closing ----------------------------------------------------------------------------------------


def close(
    session: Session, person: Person, shift_id: int, *, now: datetime, why: str = "", handed_to: str = ""
) -> ReportView:
    """Close a counted shift by its numbered report. A variance stays as it is and is explained.

    Raises Conflict (not counted, closed), InvalidInput (a variance without a reason), NotFound.
    """
    shift = _to_close(session, person, shift_id)
    if shift.counted_at is None:
        raise Conflict("Count the drawer first.")
    found = _cash_up(session, shift)
    reason = clean(why, field="The reason", longest=1000)
    if not found.agrees and len(reason) < SHORTEST_WHY:
        raise InvalidInput(
            f"It does not agree. Say what you know of it, in {SHORTEST_WHY} characters or more; "
            f"nobody expects you to make it fit."
        )
    taker = clean(handed_to, field="Who takes over the money", longest=120)
    report = _report(session, shift, found, reason, taker, person, now)
    shift.closed_at = now
    session.flush()
    audit.record(
        session, person, "close_shift", shift.till.name, now=now, event_id=shift.till.event_id,
        shift=shift.id, report=report.number, sha256=report.sha256, variance_minor=found.variance.minor,
    )  # fmt: skip
    tallies.bump(session)
    return _report_view(report, shift.till)


def reports(session: Session, person: Person, event_code: str, *, limit: int = 50) -> tuple[ReportView, ...]:
    """The Z reports of an event, the newest first; an organiser sees their own."""
    event = event_row(session, person, event_code)
    query = select(ZReport, Till).join(Till, Till.id == ZReport.till_id).where(Till.event_id == event.id)
    if not person.may(Action.RECORD, event.id):
        query = query.join(Shift, Shift.id == ZReport.shift_id).where(Shift.person_id == person.id)
    rows = session.execute(query.order_by(ZReport.id.desc()).limit(limit))
    return tuple(_report_view(report, till) for report, till in rows)


def report_of(session: Session, person: Person, shift_id: int) -> ReportView:
    """The report that closed a shift. Raises NotFound, also while it is open."""
    shift = _shift(session, person, shift_id)
    report = session.scalar(select(ZReport).where(ZReport.shift_id == shift.id))
    if report is None:
        raise NotFound("This shift is not closed yet.")
    return _report_view(report, shift.till)


def _report(
    session: Session, shift: Shift, found: CashUp, why: str, taker: str, person: Person, now: datetime
) -> ZReport:
    till = shift.till
    body = json.dumps(
        _told(session, shift, found, why, taker, person, now), sort_keys=True, separators=(",", ":"),
        ensure_ascii=False,
    )  # fmt: skip
    report = ZReport(
        till_id=till.id,
        shift_id=shift.id,
        number=till.next_report,
        business_day=dates.business_day(now),
        body=body,
        sha256=hashlib.sha256(body.encode()).hexdigest(),
        at=now,
        by=person.name,
    )
    till.next_report += 1
    session.add(report)
    return report


def _told(
    session: Session, shift: Shift, found: CashUp, why: str, taker: str, person: Person, now: datetime
) -> dict[str, Any]:
    """Everything the report says, in plain values: what is hashed is what is shown."""
    numbers = select(func.min(TillEntry.number), func.max(TillEntry.number), func.count())
    first, last, receipts = session.execute(numbers.where(TillEntry.shift_id == shift.id)).one()
    previous = select(ZReport.sha256).where(ZReport.till_id == shift.till_id).order_by(ZReport.id.desc())
    return {
        "till": shift.till.name,
        "report": shift.till.next_report,
        "event": shift.till.event.name,
        "person": shift.person_name,
        "closed_by": person.name,
        "opened_at": shift.opened_at.isoformat(),
        "counted_at": shift.counted_at.isoformat() if shift.counted_at else None,
        "closed_at": now.isoformat(),
        "currency": shift.currency,
        "receipts": {"first": first, "last": last, "count": receipts},
        "float_minor": found.float.minor,
        "cash_sales_minor": found.sales.minor,
        "cash_corrections_minor": found.corrections.minor,
        "moves": [
            {"kind": str(move.kind), "minor": move.amount.minor, "bag": move.bag_number, "why": move.why}
            for move in found.moves
        ],
        "expected_minor": found.expected.minor,
        "counted_minor": found.counted.minor,
        "pieces": {str(each): number for each, number in found.pieces.items()},
        "counts": found.counts,
        "variance_minor": found.variance.minor,
        "machines": [
            {"name": each.name, "recorded_minor": each.recorded.minor, "counted_minor": each.counted.minor}
            for each in found.machines
        ],
        "why": why,
        "handed_to": taker,
        "previous_sha256": session.scalar(previous.limit(1)),
    }


def _report_view(report: ZReport, till: Till) -> ReportView:
    return ReportView(
        till=till.name,
        number=report.number,
        event_name=till.event.name,
        at=report.at,
        by=report.by,
        told=json.loads(report.body),
        sha256=report.sha256,
        genuine=hashlib.sha256(report.body.encode()).hexdigest() == report.sha256,
    )
