"""What a day that is signed off comes to as journal entries: one for each payout, one for all else."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from db.many import some_at_once
from db.models import (
    CardBatch,
    Event,
    Match,
    MatchPart,
    Payment,
    Payout,
    PayoutLine,
    Refund,
    SignOff,
    StatementLine,
    SurplusMove,
)
from payments.access.people import Action, Person, check
from payments.bank import accounts
from payments.bank.overlaps import GONE
from payments.errors import Conflict
from payments.lump_sums import banked, fees, went_back
from payments.sign_off import journal
from payments.sign_off.closed_days import move_day, moved_surplus, within
from payments.sign_off.journal import Book, Entry, Posting


def entries(session: Session, person: Person, account_id: int, first: date, last: date) -> list[Entry]:
    """The entries of the days that are booked from ``first`` to ``last``, by day.

    Raises NotFound; Conflict unless each of them is signed off by two people: a journal is of what stays.
    """
    check(person, Action.SEE_BANK)
    account = accounts.row(session, account_id)
    signed = session.scalars(
        select(SignOff.first_on).where(
            SignOff.account_id == account_id, SignOff.period == "day", SignOff.state == "approved",
            SignOff.first_on.between(first, last),
        )
    ).all()  # fmt: skip
    days = _days(session, account_id, first, last)
    if not days:
        raise Conflict("Nothing is booked on these days, so there is no journal of them.")
    for day in days:
        if day not in signed:
            raise Conflict(f"{day:%-d %b %Y} of {account.name} is not signed off. Sign and approve it first.")
    return [entry for day in days for entry in _of_day(session, account_id, day)]


def _days(session: Session, account_id: int, first: date, last: date) -> list[date]:
    lines = select(func.coalesce(StatementLine.booked_on, StatementLine.on)).where(
        StatementLine.state != GONE, within(account_id, first, last)
    )
    late = (
        select(Match.booked_on)
        .join(StatementLine, StatementLine.id == Match.line_id)
        .where(
            StatementLine.account_id == account_id, Match.undone_at.is_(None),
            Match.booked_on.between(first, last),
        )
    )  # fmt: skip
    moves = moved_surplus(SurplusMove.booked_on).where(
        StatementLine.account_id == account_id, SurplusMove.booked_on.between(first, last)
    )
    found = (*session.scalars(lines), *session.scalars(late), *session.scalars(moves))
    return sorted({day for day in found if day is not None})


def _of_day(session: Session, account_id: int, day: date) -> Iterator[Entry]:
    """Payouts each by themselves. The rest: what the bank moved against what it was for, suspense between."""
    number = f"PD-{account_id}-{day:%Y%m%d}"
    others: list[Posting] = []
    for line in session.scalars(
        select(StatementLine)
        .where(StatementLine.state != GONE, within(account_id, day, day))
        .order_by(StatementLine.id)
    ):
        others += [
            Posting(Book.BANK, line.amount_minor, "Bank, lines of the day"),
            Posting(Book.SUSPENSE, -line.amount_minor, "Not matched on this day"),
        ]
    for part, _ in _parts(session, account_id, day):
        if part.payout_id is not None:
            one = _payout(session, part.payout_id)
            yield journal.payout_entry(one, f"{number}-P{part.payout_id}", day)
            others += [
                Posting(Book.BANK, -one.net, "Bank, lines of the day"),
                Posting(Book.SUSPENSE, one.net, "Not matched on this day"),
            ]
            continue
        others.append(Posting(Book.SUSPENSE, part.amount_minor, "Not matched on this day"))
        others += _for(session, part)
    moves = moved_surplus(SurplusMove).where(StatementLine.account_id == account_id, move_day() == day)
    for move in session.scalars(moves.order_by(SurplusMove.id)):
        others += _moved(session, move)
    rest = journal.summed(number, day, f"Bank lines of {day:%-d %b %Y}", others)
    if rest is not None:
        yield rest


def _parts(session: Session, account_id: int, day: date) -> list[tuple[MatchPart, StatementLine]]:
    rows = session.execute(
        select(MatchPart, StatementLine)
        .join(Match, Match.id == MatchPart.match_id)
        .join(StatementLine, StatementLine.id == Match.line_id)
        .where(
            StatementLine.account_id == account_id,
            Match.undone_at.is_(None),
            or_(Match.booked_on == day, and_(Match.booked_on.is_(None), within(account_id, day, day))),
        )
        .order_by(MatchPart.id)
    )
    return [(part, line) for part, line in rows]


def _for(session: Session, part: MatchPart) -> Iterator[Posting]:
    """What a part of a line is for; what it takes back is booked as its line was, the other way."""
    minor = part.amount_minor
    match part.target:
        case "payment":
            yield Posting(Book.CLEARING, -minor, "Payments by EFT", _event(session, part.payment_id))
        case "surplus":
            yield Posting(Book.SURPLUS, -minor, "Surplus of payers", _event(session, part.payment_id))
        case "bag":
            yield Posting(Book.CASH, -minor, "Cash from the tills")
        case "card":
            yield from _card(session, part)
        case "line":
            yield from _taken_back(session, part)
        case _:
            yield Posting(Book.SUSPENSE, -minor, "Set apart: for no payment of ours")


def _moved(session: Session, move: SurplusMove) -> Iterator[Posting]:
    """Surplus that pays another payment by now is owed back to nobody."""
    whose = _event(session, move.part.payment_id)
    yield Posting(Book.SURPLUS, move.amount_minor, "Surplus moved to payments", whose)
    yield Posting(
        Book.CLEARING, -move.amount_minor, "Surplus moved to payments", _event(session, move.payment_id)
    )


def _card(session: Session, part: MatchPart) -> Iterator[Posting]:
    """A machine's batch as it was counted, and what its bank kept of it."""
    counted = session.get_one(CardBatch, part.card_batch_id).amount_minor
    yield Posting(Book.CLEARING, -counted, "Card machines")
    if kept := counted - part.amount_minor:
        yield Posting(Book.FEES, kept, "Kept by a card machine's bank")


def _taken_back(session: Session, part: MatchPart) -> Iterable[Posting]:
    earlier = session.scalars(
        select(MatchPart)
        .join(Match, Match.id == MatchPart.match_id)
        .where(Match.line_id == part.other_line_id, Match.undone_at.is_(None))
        .order_by(MatchPart.id)
    ).all()
    if sum(one.amount_minor for one in earlier) != -part.amount_minor or any(
        one.target in ("line", "payout") for one in earlier
    ):
        return [Posting(Book.SUSPENSE, -part.amount_minor, "Lines that cancel each other out")]
    moves = session.scalars(
        moved_surplus(SurplusMove).where(StatementLine.id == part.other_line_id).order_by(SurplusMove.id)
    ).all()
    booked = [
        *(one for each in earlier for one in _for(session, each)),
        *(one for each in moves for one in _moved(session, each)),
    ]
    return [Posting(one.book, -one.minor, f"Taken back: {one.text}", one.event) for one in booked]


def _event(session: Session, payment_id: int | None) -> str:
    code = select(Event.code).join(Payment, Payment.event_id == Event.id).where(Payment.id == payment_id)
    return session.scalar(code) or ""


def _payout(session: Session, payout_id: int) -> journal.Payout:
    """VAT on the payout's own fee is told apart where the rates of its day say that it is in it. What holds
    all of a night holds the fee of each."""
    row = session.get_one(Payout, payout_id)
    own_fee, own_vat = row.payout_fee_minor, 0
    days = session.scalars(select(Payout.last_on).where(Payout.id.in_(banked.night_of(row)))).all()
    tariff = fees.tariff(session)
    own = [tariff.payout_fee(day) for day in days if day is not None]
    if sum(one.total_minor for one in own) == row.payout_fee_minor:
        own_fee, own_vat = sum(one.fee_minor for one in own), sum(one.vat_minor for one in own)
    inside = _captured(session, row)
    beside = (row.explanation or {}).get("beside_minor", 0)
    return journal.Payout(
        row.id, row.net_minor, inside.gross, inside.of(row.fee_minor, inside.fee),
        inside.of(row.vat_minor, inside.vat), _taken_off(session, row), row.difference_minor,
        own_fee, own_vat, beside,
    )  # fmt: skip


@dataclass(frozen=True)
class _Captured:
    """Captures of a payout by event: their gross; fee and VAT of those whose file told it, and the gross of
    all others."""

    gross: Mapping[str, int]
    fee: Mapping[str, int]
    vat: Mapping[str, int]
    untold: Mapping[str, int]

    def of(self, whole: int, told: Mapping[str, int]) -> Mapping[str, int]:
        """All of a fee by event: as it was told, what is left by the gross of those it was not told of."""
        return _added(told, journal.apportioned(whole - sum(told.values()), self.untold))


def _added(*some: Mapping[str, int]) -> dict[str, int]:
    found: dict[str, int] = defaultdict(int)
    for one in some:
        for event, minor in one.items():
            found[event] += minor
    return dict(found)


def _captured(session: Session, row: Payout) -> _Captured:
    """What names no payment of ours is of no event, nor is what nobody knows the captures of."""
    gross, fee, vat, untold = (defaultdict[str, int](int) for _ in range(4))
    told = PayoutLine.file_id.is_not(None)
    query = (
        select(
            func.coalesce(Event.code, ""), told, func.sum(PayoutLine.gross_minor),
            func.sum(PayoutLine.fee_minor), func.sum(PayoutLine.vat_minor),
        )
        .outerjoin(Payment, Payment.id == PayoutLine.payment_id)
        .outerjoin(Event, Event.id == Payment.event_id)
        .where(PayoutLine.payout_id == row.id, PayoutLine.kind == "capture", PayoutLine.state == "stands")
        .group_by(Event.code, told)
    )  # fmt: skip
    for code, is_told, *sums in session.execute(query):
        minor, fee_minor, vat_minor = map(int, sums)
        gross[code] += minor
        if is_told:
            fee[code] += fee_minor
            vat[code] += vat_minor
        else:
            untold[code] += minor
    rest = row.gross_minor - sum(gross.values())
    gross[""] += rest
    untold[""] += rest
    return _Captured(gross, fee, vat, untold)


def _taken_off(session: Session, row: Payout) -> dict[str, int]:
    """Refunds, chargebacks and deductions by the event of the payment that they are of."""
    query = (
        select(PayoutLine, Event.code)
        .outerjoin(Refund, Refund.id == PayoutLine.refund_id)
        .outerjoin(Payment, Payment.id == func.coalesce(Refund.payment_id, PayoutLine.payment_id))
        .outerjoin(Event, Event.id == Payment.event_id)
        .where(
            PayoutLine.payout_id == row.id, PayoutLine.state == "stands",
            PayoutLine.kind.in_(("refund", "chargeback", "deduction")),
        )
    )  # fmt: skip
    rows = session.execute(query).all()
    events = _events_named(session, [went_back.row_of(line) for line, code in rows if not code])
    found: dict[str, int] = defaultdict(int)
    for line, code in rows:
        event = code or events.get(went_back.row_of(line), "")
        found[event] += line.fee_minor + line.vat_minor - line.gross_minor
    found[""] += row.less_minor - sum(found.values())
    return found


def _events_named(session: Session, rows: Sequence[went_back.Row]) -> dict[went_back.Row, str]:
    """The code of the one event whose payments a row names."""
    known = went_back.named_by(session, rows)
    codes: dict[int, str] = {}
    for some in some_at_once(sorted({number for row in rows for number in known.names(row)})):
        query = select(Payment.id, Event.code).join(Payment.event).where(Payment.id.in_(some))
        codes |= dict(session.execute(query).all())
    named = {row: {codes[number] for number in known.names(row)} for row in rows}
    return {row: events.pop() for row, events in named.items() if len(events) == 1}
