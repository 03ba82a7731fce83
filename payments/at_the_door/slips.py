"""Card slips: what of one is kept, and which receipt a slip is on already. One charge pays once."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, exists, func, select
from sqlalchemy.orm import Session

from db.models import Event, Reversal, Shift, Till, TillEntry
from payments import dates
from payments.access.people import Person
from payments.at_the_door import shifts
from payments.errors import Conflict, InvalidInput
from payments.lifecycle import Method
from payments.privacy import clean, clean_line

#: So long a number is one charge. A machine may number anew after that, and nobody is asked; sooner they are.
DAYS = 7
#: Card machines to choose from: more are typed.
MOST_OFFERED = 6
_LAST_FOUR = re.compile(r"[0-9]{4}", re.ASCII)


@dataclass(frozen=True)
class Slip:
    """What a card machine printed."""

    number: str
    last_four: str = ""
    machine: str = ""

    def __str__(self) -> str:
        return f"Slip {self.number} of {self.machine}" if self.machine else f"Slip {self.number}"


class SlipUsed(Conflict):
    """The slip is on another receipt: it is the same charge, unless a person says that it is another."""


def checked(slip: Slip) -> Slip:
    """As it is kept. Raises InvalidInput, also for a whole card number: only its last four are kept."""
    number = clean_line(slip.number, field="The slip number", longest=40)
    if not number:
        raise InvalidInput("Give the number that the slip shows; the settlement is found by it.")
    if slip.last_four and not _LAST_FOUR.fullmatch(slip.last_four.strip()):
        raise InvalidInput("Of a card only its last four digits are kept: give those, or nothing.")
    return Slip(number, slip.last_four.strip(), clean(slip.machine, field="The machine", longest=40))


def found_on(session: Session, event_id: int, slip: Slip, *, now: datetime) -> TillEntry | None:
    """The receipt of this event that the slip is on: the newest of the last days that nobody took back.

    Until the transaction ends nobody else of the event writes a slip down, at whichever till: two at once
    are one after the other. A number is the same with zeros before it or without; a machine that is not
    named may be any.
    """
    session.execute(select(Event.id).where(Event.id == event_id).with_for_update(key_share=True))
    taken = (
        select(TillEntry)
        .join(Till, Till.id == TillEntry.till_id)
        .where(
            Till.event_id == event_id,
            TillEntry.method == Method.CARD_SLIP,
            TillEntry.at > now - timedelta(days=DAYS),
            func.ltrim(func.lower(TillEntry.slip_number), "0") == slip.number.lower().lstrip("0"),
            TillEntry.reverses_id.is_(None),
            ~exists().where(Reversal.receipt_id == TillEntry.receipt_id),
        )
        .order_by(TillEntry.id.desc())
    )
    return next((one for one in session.scalars(taken) if _may_be_one(one.machine, slip.machine)), None)


def machines(session: Session, person: Person, shift_id: int) -> tuple[str, ...]:
    """The card machines of a shift's event in the last of these days, by the receipts written down: those of
    the shift first, in each the newest. Raises NotFound."""
    shift = shifts.row(session, person, shift_id)
    since = shift.opened_at - timedelta(days=DAYS)
    ours = TillEntry.shift_id == shift.id
    rows = session.scalars(
        select(TillEntry.machine)
        .join(Till, Till.id == TillEntry.till_id)
        .where(Till.event_id == shift.till.event_id, TillEntry.machine != "", TillEntry.at > since)
        .group_by(TillEntry.machine)
        .order_by(func.max(case((ours, TillEntry.id))).desc().nulls_last(), func.max(TillEntry.id).desc())
        .limit(MOST_OFFERED)
    )
    return tuple(rows)


def used(session: Session, entry: TillEntry, slip: Slip) -> SlipUsed:
    """What is said to who writes down a slip that is on a receipt."""
    return SlipUsed(
        f"{Slip(slip.number, machine=entry.machine)} is on receipt {label(session, entry)} already: "
        f"{entry.amount} from {entry.payment.payer_name}, {dates.say_moment(entry.at)}, by {entry.by}. "
        f"One charge pays once: look at the number again, or correct that receipt. Only where the machine "
        f"numbers anew is this another charge."
    )


def label(session: Session, entry: TillEntry) -> str:
    """``Main door 000042``: what is printed on its receipt."""
    return f"{session.get_one(Shift, entry.shift_id).till.name} {entry.number:06d}"


def _may_be_one(kept: str, typed: str) -> bool:
    return not kept or not typed or kept.casefold().split() == typed.casefold().split()
