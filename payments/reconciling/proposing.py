"""Every open line is asked what it is for: what is safe is accepted by itself, the rest waits for a person.

The asking is ``matching``'s and writes nothing; the database is read in one picture. What is accepted is
looked at once more, under lock, as if a person had accepted it.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.many import some_at_once
from db.models import (
    BankAccount,
    CardBatch,
    CashMove,
    LineException,
    Match,
    MatchPart,
    MatchRefusal,
    Shift,
    StatementLine,
    Till,
    ZReport,
)
from db.money import Money
from db.session import Sessions
from payments import dates, matching
from payments.access.people import SYSTEM, Action, Person, check
from payments.bank.overlaps import GONE, MATCHED, OPEN
from payments.books import audit
from payments.errors import Conflict, InvalidInput
from payments.lifecycle import Source
from payments.live import tallies
from payments.lump_sums import banked
from payments.matching import (
    Batch,
    BatchKind,
    Candidate,
    Evidence,
    Line,
    Past,
    Proposal,
    Target,
    Way,
)
from payments.money_back import refund_lines
from payments.reconciling import payer_memory, rests, rule_book
from payments.reconciling.book import SqlBook
from payments.reconciling.parts import Decided, Part, what_waits
from payments.reconciling.reconciliation import AUTO, BY_ITSELF, write
from payments.watching import standstill

#: How far back lines may be taken back.
REVERSAL_DAYS = 60
_BEFORE_WRITING = 50
#: A row of a line is ten times as large as what matching needs of it: no more are held at a time.
_READ_AT_ONCE = 1_000
#: Why a line that is accepted by itself has surplus beside what it paid.
REST_WAITS = "It brought more than is owed; what becomes of the rest is for a person to say."


class Reason(StrEnum):
    """Why a line waits for a person. At most twelve."""

    UNSURE = "unsure"  # one payment is likely, and not sure enough
    TIE = "tie"
    AMOUNT = "amount"  # it names a payment, and the amount is another
    PAID_BEFORE = "paid_before"
    SURPLUS = "surplus"
    NOTHING = "nothing"
    PAYOUT = "payout"
    CASH = "cash"
    CARD = "card"
    TAKEN_BACK = "taken_back"
    MONEY_OUT = "money_out"
    UNDONE = "undone"


@dataclass
class Run:
    """What came of asking: accepted by itself, by way; waiting, by reason; and what changed meanwhile."""

    lines: int = 0
    accepted: Counter[str] = field(default_factory=Counter)
    accepted_minor: Counter[str] = field(default_factory=Counter)  # by currency
    waiting: Counter[str] = field(default_factory=Counter)
    rests: int = 0  # of those accepted, how many brought more than is owed: the rest waits

    def add(self, other: "Run") -> None:
        """What came of some of the lines."""
        self.accepted.update(other.accepted)
        self.accepted_minor.update(other.accepted_minor)  # += would lose what is below zero
        self.waiting.update(other.waiting)
        self.rests += other.rests


def propose(sessions: Sessions, person: Person, *, now: datetime, account_id: int | None = None) -> Run:
    """Ask about every open line, or those of one account. Raises NotAllowed, Conflict while read-only."""
    check(person, Action.RECONCILE)
    with sessions.begin() as session:
        standstill.refuse(session)
        rule_book.review(session, now=now, lines=_open_lines(session, account_id))
    with sessions.read() as session:
        proposals, by_hand = _ask(session, account_id, now)
    run = Run(len(proposals))
    # What takes a line back comes last: then the line has found what it was for.
    ordered = sorted(proposals, key=lambda one: one.way is Way.REVERSAL)
    for some in some_at_once(ordered, _BEFORE_WRITING):
        run.add(sessions.run(partial(_settle_all, proposals=some, by_hand=by_hand, now=now)))
    with sessions.begin() as session:
        audit.record(
            session, person, "propose_matches", "bank lines", now=now, lines=run.lines,
            accepted=dict(run.accepted), waiting=dict(run.waiting),
        )  # fmt: skip
        tallies.bump(session)
    return run


def by_night(sessions: Sessions, *, now: datetime) -> Run | None:
    """The same, asked by the worker: lines that waited may have found what came meanwhile. None when nothing
    is open, or the desk stands still."""
    with sessions.read() as session:
        idle = session.scalar(select(StatementLine.id).where(StatementLine.state == OPEN).limit(1)) is None
        if idle or standstill.current(session) is not None:
            return None
    return propose(sessions, SYSTEM, now=now)


def _open_lines(session: Session, account_id: int | None) -> list[Line]:
    return [line_of(row, account) for row, account in session.execute(_open(account_id))]


def _open(account_id: int | None) -> Any:
    wanted = (
        select(StatementLine, BankAccount.name)
        .join(BankAccount, BankAccount.id == StatementLine.account_id)
        .where(StatementLine.state == OPEN)
        .order_by(StatementLine.on, StatementLine.id)
    )
    if account_id is not None:
        wanted = wanted.where(StatementLine.account_id == account_id)
    return wanted


def _ask(session: Session, account_id: int | None, now: datetime) -> tuple[list[Proposal], set[int]]:
    lines, by_hand = [], set()
    for row, account in session.execute(_open(account_id).execution_options(yield_per=_READ_AT_ONCE)):
        lines.append(line_of(row, account))
        by_hand |= {row.id} if row.by_hand else set()
    book = SqlBook(session, [*bags(session), *card_batches(session)])
    past = Past(refused=_refused(session), settled=_settled(session, now))
    found = matching.propose(
        lines, book, rules=rule_book.live(session), memory=payer_memory.recalled(session, now), past=past
    )
    return refund_lines.propose(session, banked.propose(session, found)), by_hand


def line_of(row: StatementLine, account: str) -> Line:
    return Line(row.id, row.on, row.amount, row.description, row.reference, account)


def bags(session: Session) -> list[Batch]:
    """Bags of cash that left a drawer for the bank and are in no line yet."""
    banked = (
        select(MatchPart.bag_id).join(Match).where(Match.undone_at.is_(None), MatchPart.bag_id.is_not(None))
    )
    query = (
        select(CashMove, Till.name)
        .join(Shift, Shift.id == CashMove.shift_id)
        .join(Till, Till.id == Shift.till_id)
        .where(CashMove.kind == "drop", CashMove.id.not_in(banked))
    )
    return [
        Batch(bag.id, BatchKind.BAG, bag.bag_number, till, bag.amount, dates.business_day(bag.at))
        for bag, till in session.execute(query)
    ]


def card_batches(session: Session) -> list[Batch]:
    """What card machines counted at the end of a shift and is in no line yet. A machine's number, where its
    name holds one, is what the bank may write."""
    query = (
        select(CardBatch, ZReport.business_day)
        .join(ZReport, ZReport.id == CardBatch.z_report_id)
        .where(~banked.brought())
        .order_by(CardBatch.id)
    )
    return [
        Batch(one.id, BatchKind.CARD, _number_in(one.machine), one.machine, one.amount, day)
        for one, day in session.execute(query)
    ]


def _number_in(name: str) -> str:
    found = re.search("[0-9]{3,}", name)
    return found.group() if found else ""


def _refused(session: Session) -> frozenset[tuple[int, int]]:
    query = (
        select(MatchRefusal.line_id, MatchRefusal.payment_id)
        .join(StatementLine, StatementLine.id == MatchRefusal.line_id)
        .where(StatementLine.state == OPEN)
    )
    return frozenset((line, payment) for line, payment in session.execute(query))


def _settled(session: Session, now: datetime) -> Sequence[Line]:
    """Matched lines that may still be taken back, and were not."""
    since = dates.business_day(now) - timedelta(days=REVERSAL_DAYS)
    taken = (
        select(MatchPart.other_line_id)
        .join(Match)
        .where(Match.undone_at.is_(None), MatchPart.other_line_id.is_not(None))
    )
    query = (
        select(StatementLine, BankAccount.name)
        .join(BankAccount, BankAccount.id == StatementLine.account_id)
        .where(StatementLine.state == MATCHED, StatementLine.on >= since, StatementLine.amount_minor > 0)
        .where(StatementLine.id.not_in(taken))
    )
    return [line_of(row, account) for row, account in session.execute(query)]


# -- acting on a proposal -----------------------------------------------------------------------------


def _settle_all(
    session: Session, *, proposals: Sequence[Proposal], by_hand: Collection[int], now: datetime
) -> Run:
    run = Run()
    for proposal in proposals:
        _settle(session, proposal, run, now, by_itself=proposal.line.id not in by_hand)
    return run


def _settle(session: Session, proposal: Proposal, run: Run, now: datetime, *, by_itself: bool) -> None:
    line = proposal.line
    if proposal.safe and by_itself:
        try:
            decided = decided_of(session, proposal)
            waited = what_waits(session, line.id)
            match = write(session, decided, how=AUTO, by=BY_ITSELF, source=Source.WORKER, now=now)
            rest = any(part.target is Target.SURPLUS for part in decided.parts)
            if rest:
                rests.open_of(session, match, like=waited, now=now)
        except (Conflict, InvalidInput):
            pass  # changed since it was read, or more than may be written off: a person looks
        else:
            run.accepted[proposal.way] += 1
            run.rests += rest
            run.accepted_minor[line.amount.currency] += line.amount.minor
            return
    if wait(session, proposal, now):
        run.waiting[reason_of(proposal)] += 1


def decided_of(session: Session, proposal: Proposal) -> Decided:
    """A proposal as it is written down: what is above a quote is set apart, what is below written off."""
    parts: list[Part] = []
    for one in proposal.allocations:
        if one.target is not Target.PAYMENT:
            parts.append(_other_part(one.target, one.id, one.amount))
        elif proposal.short is not None:
            parts += _of_a_quote(one.id, one.amount, proposal.short)
        else:
            parts.append(Part(Target.PAYMENT, one.amount, one.id))
    why = "; ".join(dict.fromkeys(one.says for one in proposal.evidence)) if proposal.short else ""
    if any(part.target is Target.SURPLUS for part in proposal.allocations):
        why = REST_WAITS
    return Decided(proposal.line.id, tuple(parts), proposal.way, suggestion_of(proposal), proposal.rule, why)


def _other_part(target: Target, row_id: int | None, amount: Money) -> Part:
    match target:
        case Target.BATCH:
            return Part(target, amount, bag_id=row_id)
        case Target.CARD:
            return Part(target, amount, card_batch_id=row_id)
        case Target.LINE:
            return Part(target, amount, line_id=row_id)
        case Target.SURPLUS | Target.ASIDE:  # aside of a payment: a refund of it
            return Part(target, amount, payment_id=row_id)
        case Target.PAYOUT:
            return Part(target, amount, payout_id=row_id)
    return Part(target, amount)


def _of_a_quote(payment_id: int | None, amount: Money, short: Money) -> Iterator[Part]:
    if short.minor >= 0:
        yield Part(Target.PAYMENT, amount, payment_id, written_off=short)
        return
    yield Part(Target.PAYMENT, amount + short, payment_id)
    yield Part(Target.SURPLUS, -short, payment_id)


def reason_of(proposal: Proposal) -> Reason:
    """Why a proposal that was not accepted waits."""
    match proposal.way:
        case Way.PAYOUT:
            return Reason.PAYOUT
        case Way.CASH:
            return Reason.CASH
        case Way.CARD:
            return Reason.CARD
        case Way.REVERSAL:
            return Reason.TAKEN_BACK
        case Way.PAID_BEFORE:
            return Reason.PAID_BEFORE
    if proposal.line.amount.minor <= 0:
        return Reason.MONEY_OUT
    if proposal.tie:
        return Reason.TIE
    if any(part.target is Target.SURPLUS for part in proposal.allocations):
        return Reason.SURPLUS
    if not proposal.allocations:
        return Reason.UNSURE if proposal.rivals else Reason.NOTHING
    odd = any(one.kind == "amount" and not one.agrees for one in proposal.evidence)
    return Reason.AMOUNT if odd else Reason.UNSURE


def wait(session: Session, proposal: Proposal, now: datetime) -> bool:
    """Put a line on the list of exceptions, or bring what is suggested for it up to date."""
    state = session.scalar(select(StatementLine.state).where(StatementLine.id == proposal.line.id))
    if state in (MATCHED, GONE):  # somebody was faster
        return False
    row = what_waits(session, proposal.line.id)
    if row is None:
        row = LineException(line_id=proposal.line.id, opened_at=now, note="")
        session.add(row)
    row.reason, row.suggestion = reason_of(proposal), suggestion_of(proposal)
    session.flush()
    return True


# -- as it is kept ------------------------------------------------------------------------------------


def suggestion_of(proposal: Proposal) -> dict[str, Any]:
    """A proposal in plain values: what is kept with a match, and shown with an exception."""
    return {
        "way": str(proposal.way),
        "safe": proposal.safe,
        "tie": proposal.tie,
        "rule": proposal.rule,
        "short_minor": proposal.short.minor if proposal.short else 0,
        "parts": [
            {"target": str(part.target), "id": part.id, "minor": part.amount.minor}
            for part in proposal.allocations
        ],
        "evidence": _evidence(proposal.evidence),
        "rivals": [_rival(one) for one in proposal.rivals[:8]],
        "healed": [list(one) for one in proposal.healed],
    }


def _rival(one: Candidate) -> dict[str, Any]:
    return {
        "target": str(one.target), "id": one.id, "score": one.score, "evidence": _evidence(one.evidence),
    }  # fmt: skip


def _evidence(some: Sequence[Evidence]) -> list[dict[str, Any]]:
    return [{"kind": str(one.kind), "agrees": one.agrees, "says": one.says} for one in some]


def parts_of(suggestion: Mapping[str, Any], currency: str) -> tuple[Part, ...]:
    """The parts a suggestion stands for; none where it is a tie or nothing fits."""
    short = Money(suggestion.get("short_minor", 0), currency)
    parts: list[Part] = []
    for one in suggestion.get("parts", ()):
        target, amount = Target(one["target"]), Money(one["minor"], currency)
        if target is not Target.PAYMENT:
            parts.append(_other_part(target, one["id"], amount))
        elif short:
            parts += _of_a_quote(one["id"], amount, short)
        else:
            parts.append(Part(target, amount, one["id"]))
    return tuple(parts)
