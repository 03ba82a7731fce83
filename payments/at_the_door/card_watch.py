"""Card slips that the bank has not brought yet, told from the next bank day's morning on until it did.

Nothing is told on a desk that imports no statements: one that never saw any would be told every morning.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from sqlalchemy import exists, select
from sqlalchemy.orm import Session, aliased

from db.models import CardBatch, Payment, Shift, StatementLine, Till, TillEntry, ZReport
from db.money import Money
from payments import dates
from payments.access.people import Action, Person, check
from payments.lifecycle import Method
from payments.lump_sums import banked
from payments.watching.alerts import Alarm, Kind, Severity

#: When finance sits down: what machines took the bank day before should be on a statement by then, or soon.
MORNING = time(8, 0)
#: Days told of; what waits longer stands in the list.
DAYS = 21


@dataclass(frozen=True)
class SlipView:
    """A slip as it was written down at the till; ``reference`` is its payment's."""

    reference: str
    payer_name: str
    amount: Money
    slip_number: str
    last_four: str


@dataclass(frozen=True)
class WaitingSlips:
    """What one machine took in one shift and no line of the bank has brought. ``counted`` is the machine's
    own total, None while the shift is open and for one nobody counted; ``due``: from when it is told."""

    day: date
    till: str
    machine: str
    counted: Money | None
    slips: tuple[SlipView, ...]
    due: datetime


def waiting(session: Session, person: Person) -> list[WaitingSlips]:
    """The oldest first."""
    check(person, Action.SEE_BANK)
    return _waiting(session)


def alarms(session: Session, *, now: datetime) -> Iterator[Alarm]:
    if not session.scalar(select(exists().select_from(StatementLine))):
        return
    since = dates.business_day(now) - timedelta(days=DAYS)
    late = [one for one in _waiting(session) if one.due <= now and one.day >= since]
    if not late:
        return
    slips = sum(len(one.slips) for one in late)
    sums: dict[str, Money] = {}
    for one in (slip.amount for view in late for slip in view.slips):
        sums[one.currency] = sums.get(one.currency, Money(0, one.currency)) + one
    told = "1 card slip" if slips == 1 else f"{slips} card slips"
    yield Alarm(
        Kind.SLIPS_WAIT,
        Severity.POOR,
        f"{told}, {', '.join(map(str, sums.values()))}, of {dates.say_days(late[0].day, late[-1].day)} "
        f"{'is' if slips == 1 else 'are'} in no line of the bank. Import the newest statement; what is "
        f"still in none stands under Reconcile.",
    )


def _waiting(session: Session) -> list[WaitingSlips]:
    """By shift and machine, from the slips themselves: a batch is only the machine's word for them."""
    later = aliased(TillEntry)
    corrected = exists().where(later.reverses_id == TillEntry.id)
    query = (
        select(TillEntry, Till.name, Payment, ZReport.business_day, CardBatch)
        .join(Till, Till.id == TillEntry.till_id)
        .join(Payment, Payment.id == TillEntry.payment_id)
        .join(Shift, Shift.id == TillEntry.shift_id)
        .outerjoin(ZReport, ZReport.shift_id == TillEntry.shift_id)
        .outerjoin(
            CardBatch, (CardBatch.z_report_id == ZReport.id) & (CardBatch.machine == TillEntry.machine)
        )
        .where(
            TillEntry.method == Method.CARD_SLIP,
            TillEntry.reverses_id.is_(None),
            ~corrected,
            ~banked.brought(),
        )
        .order_by(TillEntry.id)
    )
    by_machine: dict[tuple[int, str], list[SlipView]] = defaultdict(list)
    about: dict[tuple[int, str], tuple[date, str, str, Money | None]] = {}
    for entry, till, payment, closed_on, batch in session.execute(query):
        key = (entry.shift_id, entry.machine)
        day = closed_on or dates.business_day(entry.at)
        about.setdefault(key, (day, till, entry.machine, batch.amount if batch else None))
        by_machine[key].append(
            SlipView(payment.reference, payment.payer_name, entry.amount, entry.slip_number, entry.card_last4)
        )
    views = [WaitingSlips(*about[key], tuple(slips), due(about[key][0])) for key, slips in by_machine.items()]
    return sorted(views, key=lambda one: (one.day, one.till, one.machine))


def due(day: date) -> datetime:
    return datetime.combine(dates.next_bank_day(day), MORNING, dates.SAST)
