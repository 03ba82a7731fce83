"""Lines of the bank that are refunds we sent, one by one or a run as one sum, and those that came back."""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Match, RefundOrder, RefundRun
from payments.dates import next_bank_day
from payments.matching import Allocation, Candidate, Evidence, Line, Proposal, Target, Way
from payments.matching import Kind as Sign
from payments.money_back.refund_orders import State

#: A refund leaves the account within so many bank days of the day it was to be paid on.
LATEST_BANK_DAY = 5
#: A bank sends back what it cannot pay within so many days.
RETURNED_WITHIN = timedelta(days=30)


@dataclass(frozen=True)
class _Sent:
    order_id: int
    payment_id: int
    run_id: int
    minor: int
    reference: str
    pay_on: date
    line_id: int | None  # the line that paid it

    def fits(self, line: Line) -> bool:
        early = self.pay_on - timedelta(days=1)  # a bank may book it the evening before
        return early <= line.on <= next_bank_day(self.pay_on, LATEST_BANK_DAY)


def propose(session: Session, proposals: Sequence[Proposal]) -> list[Proposal]:
    """What other proposals make of lines stands, but for those that are refunds of ours."""
    if not any(one.line.amount.currency == "ZAR" for one in proposals):
        return list(proposals)
    sent = list(_sent(session))
    if not sent:
        return list(proposals)
    out = [one for one in sent if one.line_id is None]
    rivals = _several(proposals, out)
    return [_one(proposal, out, sent, rivals) for proposal in proposals]


def _sent(session: Session) -> Iterable[_Sent]:
    query = (
        select(RefundOrder, RefundRun.pay_on, Match.line_id)
        .join(RefundRun, RefundRun.id == RefundOrder.run_id)
        .outerjoin(Match, (Match.id == RefundOrder.match_id) & Match.undone_at.is_(None))
        .where(RefundOrder.state.in_((State.SENT, State.PAID)))
    )
    for order, pay_on, line_id in session.execute(query):
        paid_by = line_id if order.state == State.PAID else None
        yield _Sent(
            order.id, order.payment_id, order.run_id or 0, order.amount_minor, order.bank_reference, pay_on,
            paid_by,
        )  # fmt: skip


def _several(proposals: Sequence[Proposal], out: Sequence[_Sent]) -> dict[int, int]:
    """How many open lines could be each refund."""
    counts: dict[int, int] = defaultdict(int)
    for proposal in proposals:
        for one in out:
            counts[one.order_id] += -proposal.line.amount.minor == one.minor and one.fits(proposal.line)
    return counts


def _one(proposal: Proposal, out: Sequence[_Sent], sent: Sequence[_Sent], rivals: dict[int, int]) -> Proposal:
    line = proposal.line
    if line.amount.minor > 0:
        return _came_back(proposal, sent)
    found = [one for one in out if one.minor == -line.amount.minor and one.fits(line)]
    named = [one for one in found if _names(line, one)]
    if len(named) == 1:
        return _is(line, named, safe=True)
    if len(found) == 1:
        return _is(line, found, safe=False)
    if found:  # equal amounts, and the bank names none: a tie is shown as one
        candidates = tuple(Candidate(Target.ASIDE, one.payment_id, 50, _signs(line, [one])) for one in found)
        return Proposal(line, Way.REFUND, (), (), rivals=candidates, tie=True)
    for run_id in sorted({one.run_id for one in out}):
        whole = [one for one in out if one.run_id == run_id]
        if sum(one.minor for one in whole) == -line.amount.minor and all(one.fits(line) for one in whole):
            return _is(line, whole, safe=False)
    return proposal


def _is(line: Line, some: Sequence[_Sent], *, safe: bool) -> Proposal:
    parts = tuple(
        Allocation(Target.ASIDE, one.payment_id, type(line.amount)(-one.minor, line.amount.currency))
        for one in some
    )
    return Proposal(line, Way.REFUND, parts, _signs(line, some), safe=safe)


def _signs(line: Line, some: Sequence[_Sent]) -> tuple[Evidence, ...]:
    named = [one.reference for one in some if _names(line, one)]
    signs = [Evidence(Sign.AMOUNT, True, "the amount of a refund that was sent")]
    if len(some) > 1:
        signs = [Evidence(Sign.AMOUNT, True, f"run {some[0].run_id} comes to just this")]
    if named:
        signs.append(Evidence(Sign.REFERENCE, True, f"reference {named[0]}"))
    signs.append(Evidence(Sign.DATE, True, f"{(line.on - some[0].pay_on).days} days after it was to be paid"))
    return tuple(signs)


def _came_back(proposal: Proposal, sent: Sequence[_Sent]) -> Proposal:
    """Money in that names a refund which the bank has paid: it was sent back. A person says so."""
    line = proposal.line
    back = [
        one
        for one in sent
        if one.line_id is not None and one.minor == line.amount.minor and _names(line, one)
        and timedelta(0) <= line.on - one.pay_on <= RETURNED_WITHIN
    ]  # fmt: skip
    if len(back) != 1:
        return proposal
    part = Allocation(Target.LINE, back[0].line_id, line.amount)
    return Proposal(line, Way.REVERSAL, (part,), _signs(line, back))


def _names(line: Line, one: _Sent) -> bool:
    """The reference stands in the line, whatever the bank put between its letters."""
    return one.reference in re.sub("[^A-Z0-9]", "", line.text.upper())
