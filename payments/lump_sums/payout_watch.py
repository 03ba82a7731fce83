"""What each trading day should bring to the bank and when; which of it is late, and which payout is short.

Nothing is called late on a desk that follows no payouts: one that never saw any would cry every day.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from db.models import LineException, Payment, Payout, PayoutLine, Receipt, Reversal, StatementLine
from db.money import Money
from payments import dates
from payments.access.people import Action, Person, check
from payments.bank.overlaps import OPEN
from payments.lifecycle import Method
from payments.lump_sums import banked, differences, fees
from payments.lump_sums.captures import STANDS
from payments.lump_sums.tariff import METHODS
from payments.payouts.causes import Difference
from payments.payouts.due import Expected, expected
from payments.payouts.lumps import Capture
from payments.watching.alerts import Alarm, Kind, Severity

#: Money that comes in by then stands on the day's statement; an hour later its absence is told.
CUT_OFF, GRACE = time(17, 0), timedelta(hours=1)
#: Trading days looked at.
DAYS = 21
#: So much before the last day of a night that is written down as one its others may lie.
NIGHT_SPAN = timedelta(days=14)
#: A line so much below a payout is another one's, and not short.
SHORT_BP = 2_000


class DayState(StrEnum):
    WAITS = "waits"
    ON_THE_WAY = "on the way"  # the gateway told of it, the bank has not
    BANKED = "banked"
    LATE = "late"
    SMALL = "small"  # below the smallest payout: it waits for the next one


@dataclass(frozen=True)
class DayView:
    """A trading day. ``captures`` and ``gross`` are those of its payouts, or what none has brought yet;
    ``least`` and ``most`` what they should bring, whatever came.
    Days of a night whose payouts are written down as one are one row, from ``first`` on."""

    first: date
    day: date
    captures: int
    gross: Money
    least: Money
    most: Money
    due_on: date
    latest_on: date
    state: DayState
    payout_id: int | None


def days(session: Session, person: Person, *, now: datetime) -> list[DayView]:
    """Trading days of the last weeks with money of the gateway, the newest first."""
    check(person, Action.SEE_BANK)
    return sorted(_days(session, now), key=lambda one: one.day, reverse=True)


def _days(session: Session, now: datetime) -> Iterator[DayView]:
    first = dates.business_day(now) - timedelta(days=DAYS)
    loose = _unsettled(session, first)
    payouts = _payouts(session, first - NIGHT_SPAN)
    tariff = fees.tariff(session)
    for day in sorted(day for day in {*loose, *(one.last for one in payouts)} if day >= first):
        covering = [one for one in payouts if one.covers(day)]
        if told := [one for one in covering if not one.is_night or one.last == day]:
            yield _covered(day, told, now)
        elif loose[day] and not covering:
            yield _uncovered(expected(day, loose[day], tariff), loose[day], now)


@dataclass(frozen=True)
class _Told:
    """A payout; or those of a night that are written down as one, of which only the sums are true."""

    payouts: list[Payout]
    waits: list[Payout]  # of them, what is on no line of the bank yet
    first: date
    last: date
    captures: int

    @property
    def is_night(self) -> bool:
        return len(self.payouts) > 1

    def covers(self, day: date) -> bool:
        return any(one.first_on <= day <= one.last_on for one in self.payouts if one.first_on and one.last_on)


def _payouts(session: Session, since: date) -> list[_Told]:
    inside = (
        select(func.count())
        .where(PayoutLine.payout_id == Payout.id, PayoutLine.state == STANDS, PayoutLine.kind == "capture")
        .scalar_subquery()
    )
    query = select(Payout, banked.tied().label("tied"), inside).where(
        Payout.undone_at.is_(None), Payout.last_on >= since
    )
    nights: dict[tuple[int, ...], list[tuple[Payout, bool, int]]] = defaultdict(list)
    for payout, is_tied, captures in session.execute(query.order_by(Payout.id)):
        nights[banked.night_of(payout)].append((payout, is_tied, captures))
    return [
        _Told(
            [one for one, *_ in some],
            [one for one, is_tied, _ in some if not is_tied],
            min(one.first_on for one, *_ in some if one.first_on),
            max(one.last_on for one, *_ in some if one.last_on),
            sum(captures for *_, captures in some),
        )
        for some in nights.values()
    ]


def _covered(day: date, told: list[_Told], now: datetime) -> DayView:
    payouts = [one for each in told for one in each.payouts]
    waits = [one for each in told for one in each.waits]
    latest = dates.next_bank_day(day, 3)
    state = DayState.BANKED
    if waits:
        state = DayState.LATE if is_over(latest, now) else DayState.ON_THE_WAY
    net = Money(sum((one.net_minor - banked.unexplained(one).minor) for one in payouts), payouts[0].currency)
    gross = Money(sum(one.gross_minor for one in payouts), net.currency)
    number = (waits or payouts)[0].id
    first = min([day, *(one.first for one in told if one.is_night)])
    captures = sum(one.captures for one in told)
    return DayView(first, day, captures, gross, net, net, dates.next_bank_day(day), latest, state, number)


def _uncovered(told: Expected, captures: list[Capture], now: datetime) -> DayView:
    state = DayState.WAITS
    if told.is_small:
        state = DayState.SMALL
    elif is_over(told.latest_on, now):
        state = DayState.LATE
    gross = Money(sum(one.gross.minor for one in captures), told.least.currency)
    return DayView(
        told.day, told.day, len(captures), gross, told.least, told.most, told.due_on, told.latest_on, state,
        None,
    )  # fmt: skip


def is_over(latest: date, now: datetime) -> bool:
    """The bank had all of its last day for it, and an hour."""
    return now >= datetime.combine(latest, CUT_OFF, dates.SAST) + GRACE


def _unsettled(session: Session, first: date) -> dict[date, list[Capture]]:
    """What the gateway took and no payout has brought, by trading day."""
    settled = exists().where(PayoutLine.receipt_id == Receipt.id, PayoutLine.state == STANDS)
    query = (
        select(Receipt, Payment.method)
        .join(Payment, Payment.id == Receipt.payment_id)
        .where(Receipt.kind == Method.GATEWAY, Receipt.received_at >= dates.day_span(first).start)
        .where(~settled, ~exists().where(Reversal.receipt_id == Receipt.id), Receipt.amount_currency == "ZAR")
    )
    found: dict[date, list[Capture]] = defaultdict(list)
    for receipt, method in session.execute(query):
        day = dates.business_day(receipt.received_at)
        told = method if method in METHODS else None
        found[day].append(Capture(receipt.id, day, receipt.amount, told))
    return found


# -- alarms -------------------------------------------------------------------------------------------


def overdue(session: Session, person: Person, *, now: datetime) -> list[DayView]:
    """Days whose money the bank should have by now, the oldest first; none where no payouts are followed."""
    check(person, Action.SEE_BANK)
    return _late(session, now)


def _late(session: Session, now: datetime) -> list[DayView]:
    first = session.scalar(select(func.min(Payout.first_on)).where(Payout.undone_at.is_(None)))
    if first is None:
        return []
    found = (one for one in _days(session, now) if one.state is DayState.LATE and one.day >= first)
    return sorted(found, key=lambda one: one.day)


def alarms(session: Session, *, now: datetime) -> Iterator[Alarm]:
    """What is late, an hour after the cut-off of its last day; what is short, at once."""
    if late := _late(session, now):
        missing = Money(sum(one.least.minor for one in late), late[0].least.currency)
        told = ", ".join(dates.say_days(one.first, one.day) for one in late[:3])
        more = f" and {len(late) - 3} more days" if len(late) > 3 else ""
        yield Alarm(
            Kind.PAYOUT_LATE,
            Severity.POOR,
            f"The payout of {told}{more} is not on any statement here, and the bank has had time: at least "
            f"{missing} is missing. Import the newest statement, or ask iKhokha.",
        )
    for one in _short(session):
        yield Alarm(
            Kind.PAYOUT_SHORT,
            Severity.POOR,
            f"The payout on the bank's statement of {one.on:%-d %b %Y} is {one.missing} short: {one.says}. "
            f"{one.perhaps} Look at it on Payouts.",
            f"line-{one.line_id}",
        )


@dataclass(frozen=True)
class Short:
    """An open line of the bank that is less than it must be: by how much, of what, and why perhaps.
    ``difference`` has the rows where the payout is known."""

    line_id: int
    on: date
    missing: Money
    says: str
    perhaps: str
    payout_id: int | None = None
    difference: Difference | None = None


def short(session: Session, person: Person) -> list[Short]:
    """What the alarm of a short payout is about, the oldest line first."""
    check(person, Action.SEE_BANK)
    return list(_short(session))


def _short(session: Session) -> Iterator[Short]:
    """Open payout lines below the payout they must be, or that nothing known makes as small as they are."""
    lines = session.execute(
        select(StatementLine, LineException.suggestion)
        .join(LineException, LineException.line_id == StatementLine.id)
        .where(LineException.closed_at.is_(None), LineException.reason == "payout")
        .where(StatementLine.state == OPEN, StatementLine.amount_minor > 0)
        .order_by(StatementLine.id)
    ).all()
    if not lines:
        return
    waits = session.scalars(
        select(Payout).where(Payout.undone_at.is_(None), ~banked.tied()).order_by(Payout.last_on)
    ).all()
    for line, suggestion in lines:
        near = [one for one in waits if _is_near(one, line)]
        if near and not any(one.net_minor <= line.amount_minor for one in near):
            missing = Money(near[0].net_minor - line.amount_minor, line.amount_currency)
            says = f"payout {near[0].id} comes to {Money(near[0].net_minor, missing.currency)}"
            why = differences.of_row(session, near[0], -missing)
            yield Short(line.id, line.on, missing, says, why.says, near[0].id, why)
        elif not near and suggestion.get("gap_minor", 0) < 0:
            missing = Money(-suggestion["gap_minor"], line.amount_currency)
            yield Short(line.id, line.on, missing, suggestion["gap_says"], suggestion.get("gap_perhaps", ""))


def _is_near(payout: Payout, line: StatementLine) -> bool:
    if payout.last_on is None or payout.currency != line.amount_currency or not payout.last_on < line.on:
        return False
    close = abs(payout.net_minor - line.amount_minor) * 10_000 <= SHORT_BP * payout.net_minor
    return close and line.on <= dates.next_bank_day(payout.last_on, banked.LATEST_BANK_DAY)
