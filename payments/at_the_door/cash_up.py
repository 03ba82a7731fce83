"""Cash-up: a blind count of a shift, what it should have been, and the numbered report that closes it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import CardBatch, DrawerCount, Shift, Till, TillEntry, ZReport
from db.money import Money
from payments import dates
from payments.access.people import Person
from payments.at_the_door import shifts
from payments.at_the_door.shifts import MoveView
from payments.books import audit
from payments.errors import Conflict, InvalidInput
from payments.lifecycle import Method
from payments.live import tallies
from payments.privacy import clean

#: Notes and coins of the rand, in minor units, the largest first.
DENOMINATIONS = (20_000, 10_000, 5_000, 2_000, 1_000, 500, 200, 100, 50, 20, 10)
SMALLEST = DENOMINATIONS[-1]
MOST_PIECES = 100_000
#: Card machines whose totals one shift may count.
MOST_MACHINES = 10


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


def counted(session: Session, person: Person, shift_id: int) -> CashUp | None:
    """The last count beside what should be there; None before anything was counted."""
    shift = shifts.row(session, person, shift_id)
    return _cash_up(session, shift) if shift.counted_at else None


def machines(session: Session, person: Person, shift_id: int) -> tuple[str, ...]:
    """The card machines whose slips were written down in a shift, by name: each has a total to count."""
    shift = shifts.row(session, person, shift_id)
    named = select(TillEntry.machine).where(
        TillEntry.shift_id == shift.id, TillEntry.method == Method.CARD_SLIP
    )
    return tuple(session.scalars(named.distinct().order_by(TillEntry.machine)))


def _checked_machines(shift: Shift, machines: Mapping[str, Money]) -> dict[str, Money]:
    if len(machines) > MOST_MACHINES:
        raise InvalidInput(f"Count at most {MOST_MACHINES} card machines.")
    if any(total.currency != shift.currency or total.minor < 0 for total in machines.values()):
        raise InvalidInput(f"A machine's total is in {shift.currency}, nothing or more.")
    return {clean(name, field="The machine", longest=40): total for name, total in machines.items()}


def _to_close(session: Session, person: Person, shift_id: int) -> Shift:
    shift = shifts.held(session, person, shift_id)
    if shift.closed_at is not None:
        raise Conflict("This shift is closed. What was wrong is corrected in a new one.")
    return shift


def _cash_up(session: Session, shift: Shift) -> CashUp:
    last = session.scalars(
        select(DrawerCount).where(DrawerCount.shift_id == shift.id).order_by(DrawerCount.id.desc())
    ).all()
    currency, sums = shift.currency, _sums(session, shift)
    moved = shifts.moves_of(session, shift)
    cash = sums.get((Method.CASH.value, ""), (0, 0))
    expected = shift.float_minor + sum(cash) + sum(move.signed.minor for move in moved)
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
    if not found.agrees and len(reason) < shifts.SHORTEST_WHY:
        raise InvalidInput(
            f"It does not agree. Say what you know of it, in {shifts.SHORTEST_WHY} characters or more; "
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
    tallies.bump(session, shift.till.event_id)
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
        sha256=seal(body),
        at=now,
        by=person.name,
    )
    till.next_report += 1
    session.add(report)
    session.flush()
    for machine in found.machines:
        if machine.counted:
            session.add(CardBatch(z_report_id=report.id, machine=machine.name, amount=machine.counted))
    return report


def seal(body: str) -> str:
    """What a report is signed with: the SHA-256 of its text."""
    return hashlib.sha256(body.encode()).hexdigest()


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


def report(session: Session, person: Person, shift_id: int) -> ReportView | None:
    """The report that closed a shift; None while it is open. Raises NotFound."""
    shift = shifts.row(session, person, shift_id)
    signed = session.scalar(select(ZReport).where(ZReport.shift_id == shift.id))
    return _report_view(signed, shift.till) if signed else None


def _report_view(report: ZReport, till: Till) -> ReportView:
    return ReportView(
        till=till.name,
        number=report.number,
        event_name=till.event.name,
        at=report.at,
        by=report.by,
        told=json.loads(report.body),
        sha256=report.sha256,
        genuine=seal(report.body) == report.sha256,
    )
