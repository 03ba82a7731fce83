"""Shifts: one person's time at a till, from its float on. ``cash_up`` counts and closes it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import and_, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from db.models import CashMove, Event, Shift, Till, TillEntry
from db.money import LARGEST_MINOR, Money
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.live import tallies
from payments.privacy import clean, clean_line
from payments.selling.events import event_row

#: A variance, a pay-out and a correction are told in words, and a word or two tell nothing next year.
SHORTEST_WHY = 10


class Move(StrEnum):
    """Cash without a payer."""

    DROP = "drop"  # out of the drawer, into a bag for the bank or the safe
    TOP_UP = "top_up"  # change that was fetched
    PAY_OUT = "pay_out"  # spent: the taxi, the tape

    def signed(self, amount: Money) -> Money:
        """What so much does to the drawer."""
        return amount if self is Move.TOP_UP else -amount


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
class TillView:
    """A till of an event. ``held_by`` has an open shift at it, or is nobody."""

    name: str
    held_by: str


@dataclass(frozen=True)
class MoveView:
    kind: Move
    amount: Money
    bag_number: str
    why: str
    at: datetime
    by: str

    @property
    def signed(self) -> Money:
        """What it does to the drawer."""
        return self.kind.signed(self.amount)


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
    tallies.bump(session, event.id)
    return _view(session, shift)


def _checked_float(float_: Money, event: Event) -> None:
    if float_.currency != event.currency:
        raise InvalidInput(f"{event.name} takes {event.currency}; count the float in it.")
    if not 0 <= float_.minor <= LARGEST_MINOR:
        raise InvalidInput("The float is what is in the drawer now: nothing, or some change.")


def _till(session: Session, event: Event, name: str, now: datetime) -> Till:
    plain = clean_line(name, field="The till's name", longest=40)
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
    """The person's own shift that is not closed yet; there is one at most."""
    shift = session.scalar(select(Shift).where(Shift.person_id == person.id, Shift.closed_at.is_(None)))
    return _view(session, shift) if shift else None


def tills(session: Session, person: Person, event_code: str) -> tuple[TillView, ...]:
    """The tills of an event, by name. Raises NotFound, NotAllowed."""
    event = event_row(session, person, event_code)
    check(person, Action.TAKE_MONEY, event.id)
    open_now = and_(Shift.till_id == Till.id, Shift.closed_at.is_(None))
    rows = select(Till.name, Shift.person_name).outerjoin(Shift, open_now).where(Till.event_id == event.id)
    return tuple(
        TillView(name, held_by or "")
        for name, held_by in session.execute(rows.order_by(func.lower(Till.name)))
    )


def latest(session: Session, person: Person, *, count: int) -> tuple[ShiftView, ...]:
    """Shifts, the newest first: one's own, and everybody's for who corrects money at their events."""
    check(person, Action.TAKE_MONEY)
    query = select(Shift).join(Till).order_by(Shift.opened_at.desc(), Shift.id.desc()).limit(count)
    if not person.may(Action.RECORD):
        query = query.where(Shift.person_id == person.id)
    if person.events is not None:
        query = query.where(Till.event_id.in_(person.events))
    return tuple(_view(session, shift) for shift in session.scalars(query))


def locked_shift(session: Session, person: Person, shift_id: int) -> Shift:
    """A shift that takes money: the person's own, open, not counted; its till is held until we commit.

    Raises NotFound, NotAllowed, Conflict.
    """
    shift = held(session, person, shift_id)
    if shift.person_id != person.id:
        raise Conflict(f"This is {shift.person_name}'s shift. Open your own: money is counted by person.")
    if shift.closed_at is not None or shift.counted_at is not None:
        raise Conflict("This shift was counted. Open a new one to take more money.")
    return shift


def held(session: Session, person: Person, shift_id: int) -> Shift:
    """A shift that this person may change, as it is on disk now; its till is held until we commit.

    Raises NotFound, NotAllowed.
    """
    shift = row(session, person, shift_id)
    check(person, Action.TAKE_MONEY, shift.till.event_id)
    till = select(Till).where(Till.id == shift.till_id).with_for_update()
    session.scalars(till.execution_options(populate_existing=True)).one()
    session.refresh(shift)
    return shift


def row(session: Session, person: Person, shift_id: int) -> Shift:
    """The shift's own row, for other rooms: one's own, or of others for who corrects money. NotFound else."""
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


def moves_of(session: Session, shift: Shift) -> tuple[MoveView, ...]:
    rows = session.scalars(select(CashMove).where(CashMove.shift_id == shift.id).order_by(CashMove.id))
    return tuple(
        MoveView(Move(row.kind), row.amount, row.bag_number, row.why, row.at, row.by) for row in rows
    )
