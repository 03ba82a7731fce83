"""Lump sums that nobody told the captures of: asked of ``payouts``, taken when sure or when somebody says.

What is asked about is a line of the bank that is a payout and no file told of, or a day's roll-up. An
explanation is taken by itself only when it is the one that is likely; where several are as good, a person
chooses, or nobody does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import groupby

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import (
    LineException,
    Payout,
    StatementLine,
)
from db.money import Money
from db.session import Sessions
from payments import dates, payouts
from payments.access.people import Action, Person, check
from payments.bank.overlaps import OPEN
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.lifecycle import Source
from payments.live import tallies
from payments.lump_sums import differences, explained, fees, loose
from payments.lump_sums.explained import Hand
from payments.lump_sums.tariff import ROUNDING_MINOR
from payments.payouts import Capture, Explanation, Habits, Item, Lump
from payments.payouts.causes import Difference
from payments.privacy import reason
from payments.reconciling.parts import WRITE_OFF_LIMIT, what_waits
from payments.reconciling.reconciliation import AUTO, BY_ITSELF, PERSON
from payments.second_person import approvals
from payments.second_person.approvals import ApprovalView
from payments.watching import standstill

#: A line that waits so long is explained alone and keeps no later one from being taken: a person says.
TOGETHER_DAYS = 14


@dataclass(frozen=True)
class Unexplained:
    """A lump sum and all that explains it as well as anything; the nearest attempt alone when nothing does.

    ``line_id`` is a line of the bank, ``payout_id`` a roll-up; one of them.
    """

    line_id: int | None
    payout_id: int | None
    on: date
    amount: Money
    text: str
    found: tuple[Explanation, ...]
    #: Sure, and nothing before it is undecided: what has one number is taken together; 0: not yet.
    turn: int = 0
    by_hand: bool = False  # a person took back what it was matched to: nothing is taken by itself again
    perhaps: Difference | None = None  # where nothing explains it: what may be behind what is left

    @property
    def is_sure(self) -> bool:
        return payouts.is_sure(self.found)

    @property
    def key(self) -> str:
        return f"line:{self.line_id}" if self.line_id else f"payout:{self.payout_id}"


@dataclass
class Run:
    """What came of asking about every lump sum."""

    asked: int = 0
    explained: int = 0
    tied: int = 0
    unexplained: int = 0


def waiting(session: Session, person: Person) -> list[Unexplained]:
    """What nobody has explained, the oldest first, not asked about yet: ``found`` is empty."""
    check(person, Action.SEE_BANK)
    lines = (
        select(StatementLine)
        .join(LineException, LineException.line_id == StatementLine.id)
        .where(LineException.closed_at.is_(None), LineException.reason == "payout")
        .where(StatementLine.state == OPEN, StatementLine.amount_minor > 0)
    )
    found = [
        Unexplained(line.id, None, line.on, line.amount, line.description, (), by_hand=line.by_hand)
        for line in session.scalars(lines)
    ]
    rolled = select(Payout).where(Payout.explained == "", Payout.undone_at.is_(None))
    found += [
        Unexplained(None, one.id, _paid_on(one), Money(one.net_minor, one.currency), "Daily statement", ())
        for one in session.scalars(rolled)
    ]
    return sorted(found, key=lambda one: (one.on, one.key))


def asked_for(session: Session, person: Person, *, now: datetime) -> dict[str, ApprovalView]:
    """What a second person is asked about already, by ``Unexplained.key``."""
    check(person, Action.SEE_BANK)
    return approvals.of_lines(session, now=now)


def _paid_on(payout: Payout) -> date:
    assert payout.last_on is not None
    return payout.paid_on or dates.next_bank_day(payout.last_on)


def explain(session: Session, person: Person) -> list[Unexplained]:
    """All that explains each lump sum as well as anything. Takes a second for a day of 300 captures.

    Lines of the bank are explained together, since what one held or did not take off another has.
    """
    asked = waiting(session, person)
    if not asked:
        return []
    tariff, usual, lumps = fees.tariff(session), habits(session), {}
    for number, one in enumerate(asked, 1):
        lumps[number] = _lump(session, number, one)
    first = min(one.on for one in asked)
    fresh, held, paid = loose.captures(session, first)
    items = loose.refunds(session, first)
    told: dict[int, list[Explanation]] = {}
    by_bank = [lumps[number] for number, one in enumerate(asked, 1) if one.line_id]
    for number, one in enumerate(asked, 1):
        if one.payout_id:  # its day is told: only that day's captures may be in it
            mine = _of_its_day(session, one.payout_id, fresh)
            told[number] = payouts.explain(lumps[number], mine, tariff, held=held, items=items, habits=usual)
    turns = {number: number for number, some in told.items() if payouts.is_sure(some)}
    gone = {capture for number in turns for capture in told[number][0].captures}
    left = [one for one in fresh if one not in gone]
    late = [one for one in by_bank if one.on < asked[-1].on - timedelta(days=TOGETHER_DAYS)]
    for one_lump in late:
        told[one_lump.id] = payouts.explain(
            one_lump, left, tariff, held=held, items=items, paid=paid, habits=usual
        )
    together = [one for one in by_bank if one not in late]
    told |= payouts.explain_all(together, left, tariff, held=held, items=items, paid=paid, habits=usual)
    by_hand = {number for number, one in enumerate(asked, 1) if one.by_hand}
    turns |= {one.id: some[0].id for some in payouts.in_order(together, told, by_hand) for one in some}
    found = [
        replace(one, found=tuple(told.get(number, ())), turn=turns.get(number, 0))
        for number, one in enumerate(asked, 1)
    ]

    def perhaps(number: int, one: Unexplained) -> Difference | None:
        if not one.found or one.found[0].is_whole:
            return None
        mine = _of_its_day(session, one.payout_id, fresh) if one.payout_id else left

        def ask(more: Sequence[Item]) -> list[Explanation]:
            known = [*items, *more]
            return payouts.explain(
                lumps[number], mine, tariff, held=held, items=known, paid=paid, habits=usual
            )

        nearest = one.found[0]
        return differences.of_attempt(session, nearest.unexplained, nearest.days[0], ask, known=items)

    return [replace(one, perhaps=perhaps(number, one)) for number, one in enumerate(found, 1)]


def _lump(session: Session, number: int, one: Unexplained) -> Lump:
    if one.payout_id is None:
        return Lump(number, one.on, one.amount)
    payout = session.get_one(Payout, one.payout_id)
    gross, paid = Money(payout.gross_minor, payout.currency), payout.fee_minor + payout.vat_minor
    return Lump(number, one.on, one.amount, gross, Money(paid, payout.currency))


def habits(session: Session) -> Habits:
    """How the gateway rounds, as the payouts that are explained show it."""
    off = Payout.difference_minor
    seen = select(func.count(), func.count().filter(off != 0)).where(
        Payout.undone_at.is_(None), Payout.explained != "", off.between(-ROUNDING_MINOR, ROUNDING_MINOR)
    )
    return Habits().seen(*session.execute(seen).one())


def _of_its_day(session: Session, payout_id: int, fresh: Sequence[Capture]) -> list[Capture]:
    payout = session.get_one(Payout, payout_id)
    return [one for one in fresh if payout.first_on and payout.last_on and _within(payout, one.on)]


def _within(payout: Payout, day: date) -> bool:
    return payout.first_on is not None and payout.last_on is not None and (
        payout.first_on <= day <= payout.last_on
    )  # fmt: skip


# -- saying which it is -------------------------------------------------------------------------------


def run(sessions: Sessions, person: Person, *, now: datetime) -> Run:
    """Ask about every lump sum, and take what is sure. Raises NotAllowed, Conflict while read-only."""
    check(person, Action.RECONCILE)
    with sessions.read() as session:
        standstill.refuse(session)
        asked = explain(session, person)
    told = Run(asked=len(asked))
    for turn, some in groupby(sorted(asked, key=lambda one: one.turn), key=lambda one: one.turn):
        if turn:
            told.explained += _take(sessions, list(some), now)
            continue
        for one in some:
            is_whole = bool(one.found) and one.found[0].is_whole
            told.tied += is_whole
            told.unexplained += not is_whole
    with sessions.begin() as session:
        _keep_gaps(session, asked)
        audit.record(
            session, person, "explain_payouts", "payouts", now=now, asked=told.asked,
            explained=told.explained, tied=told.tied,
        )  # fmt: skip
        tallies.bump(session)
    return told


def _take(sessions: Sessions, some: Sequence[Unexplained], now: datetime) -> int:
    """Write down what is sure: one, or those of a night whole or not at all. What changed since it was read
    is asked about again."""
    hand = Hand(AUTO, BY_ITSELF, Source.WORKER, now)
    try:
        with sessions.begin() as session:
            return len(explained.write_down(session, [(one, one.found[0]) for one in some], hand))
    except Conflict:
        return 0


def _keep_gaps(session: Session, asked: Sequence[Unexplained]) -> None:
    """What is missing of a line that nothing explains, for whoever raises an alarm about it."""
    for one in asked:
        if one.line_id is None or not one.found or one.found[0].is_whole:
            continue
        if (row := what_waits(session, one.line_id)) is not None:
            nearest = one.found[0]
            row.suggestion = {
                **row.suggestion, "gap_minor": nearest.difference.minor, "gap_says": nearest.says,
                "gap_perhaps": one.perhaps.says if one.perhaps else "",
            }  # fmt: skip


def takes_two(chosen: Explanation) -> bool:
    """Nothing explains more of it than one person may write off of a payment."""
    return abs(chosen.unexplained.minor) > WRITE_OFF_LIMIT.minor


def accept(
    session: Session, person: Person, asked: Unexplained, choice: int, *, now: datetime, why: str = ""
) -> int:
    """A person's word for which explanation it is; returns the payout. What nothing explains needs a reason.

    Raises Conflict (a capture or the line is not as it was, or a second person is asked about it), NotFound,
    InvalidInput (more is unexplained than one person may accept: see ``unexplained.ask``).
    """
    check(person, Action.RECONCILE)
    if not 0 <= choice < len(asked.found):
        raise NotFound("There is no such explanation.")
    chosen = asked.found[choice]
    approvals.refuse_twice(session, asked.key, now=now)
    if takes_two(chosen):
        raise InvalidInput(
            f"{chosen.unexplained} of this sum is not explained, and one person may accept "
            f"{WRITE_OFF_LIMIT}. Ask for a second person's approval, on Payouts."
        )
    if not chosen.is_whole:
        why = reason(why)
    hand = Hand(PERSON, person.name, Source.DESK, now, why)
    (payout,) = explained.write_down(session, [(asked, chosen)], hand)
    audit.record(
        session, person, "explain_payout", f"payout {payout.id}", now=now, line=asked.line_id,
        says=chosen.says, of=len(asked.found), why=why,
    )  # fmt: skip
    return payout.id
