"""A payout and its line of the bank: what may be tied, and what its payments are told of it."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from db.many import some_at_once
from db.models import CardBatch, Match, MatchPart, Payment, Payout, PayoutLine, StatementLine
from db.money import Money
from payments import lifecycle
from payments.dates import next_bank_day
from payments.errors import Conflict, InvalidInput, NotFound
from payments.lifecycle import Kind
from payments.lump_sums.tariff import ROUNDING_MINOR
from payments.matching import Allocation, Candidate, Evidence, Proposal, Target, Way
from payments.matching import Kind as Sign
from payments.matching.evidence import days_later

#: A payout reaches the bank within so many bank days of its last trading day.
LATEST_BANK_DAY = 8


def tied() -> Any:
    """A line of the bank stands for this payout."""
    return exists(
        select(MatchPart.id)
        .join(Match, Match.id == MatchPart.match_id)
        .where(MatchPart.payout_id == Payout.id, Match.undone_at.is_(None))
    )


def brought() -> Any:
    """A line of the bank stands for this card machine's batch."""
    return exists(
        select(MatchPart.id)
        .join(Match, Match.id == MatchPart.match_id)
        .where(MatchPart.card_batch_id == CardBatch.id, Match.undone_at.is_(None))
    )


def check_tie(session: Session, payout_id: int | None, amount: Money) -> None:
    """Raises NotFound; Conflict when it was undone or stands on a line already; InvalidInput when the part is
    not its net: what a line brought more or less is a part of its own, with a reason."""
    held = select(Payout).where(Payout.id == payout_id).with_for_update()
    payout = session.scalar(held.execution_options(populate_existing=True))
    if payout is None:
        raise NotFound("There is no such payout.")
    if payout.undone_at is not None:
        raise Conflict(f"Payout {payout.id} was undone.")
    if session.scalar(select(Payout.id).where(Payout.id == payout.id, tied())) is not None:
        raise Conflict(f"Payout {payout.id} stands on a line of the bank already. Undo that match first.")
    net = Money(payout.net_minor, payout.currency)
    if amount != net:
        raise InvalidInput(f"Payout {payout.id} comes to {net}. Set apart what the line has beyond that.")


def night_of(payout: Payout) -> tuple[int, ...]:
    """The payouts that are written down as one, the one that holds it all first; else only itself."""
    return tuple((payout.explanation or {}).get("night", (payout.id,)))


def confirmed_by(payout: Payout) -> list[dict[str, Any]]:
    """The files that tell what it was explained by, each ``file`` and ``name``, the first one first."""
    told = payout.explanation or {}
    if "confirmed_file" in told:  # as it was kept when there was room for one
        return [{"file": told["confirmed_file"], "name": told["confirmed_name"]}]
    return list(told.get("confirmed", ()))


def unexplained(payout: Payout) -> Money:
    """What neither its payments nor its fees explain, beyond a cent or two of rounding; what lines of its
    night brought of each other is explained."""
    minor = payout.difference_minor + int((payout.explanation or {}).get("beside_minor", 0))
    return Money(minor if abs(minor) > ROUNDING_MINOR else 0, payout.currency)


def refuse_alone(session: Session, line_id: int) -> None:
    """Raises Conflict where a line is of a night that is written down as one: without it the captures of all
    would stay banked, and its money could be counted a second time."""
    stands = (
        select(Payout)
        .join(MatchPart, MatchPart.payout_id == Payout.id)
        .join(Match, Match.id == MatchPart.match_id)
        .where(Match.line_id == line_id, Match.undone_at.is_(None))
    )
    for payout in session.scalars(stands):
        if len(night := night_of(payout)) > 1:
            raise Conflict(
                f"This line is one of those of payouts {', '.join(map(str, night))}, which are written down "
                "as one: nobody knew which line brought which. Take them back on Payouts; that frees all."
            )


def note(
    session: Session, payout_id: int, on: date, kind: Kind, act: dict[str, Any], *, why: str = ""
) -> None:
    """Tell each payment in a payout that the bank shows it, or no more."""
    for payment in held(session, _payments_of(session, payout_id)):
        more: dict[str, Any] = {"why": why} if why else {}
        lifecycle.note(session, payment, kind, **act, payout=payout_id, on=on.isoformat(), **more)


def _payments_of(session: Session, payout_id: int) -> list[int]:
    inside = select(PayoutLine.payment_id).where(
        PayoutLine.payout_id == payout_id, PayoutLine.state == "stands", PayoutLine.receipt_id.is_not(None)
    )
    return [one for one in session.scalars(inside) if one is not None]


def held(session: Session, payment_ids: Iterable[int]) -> list[Payment]:
    """The rows of payments, taken by id as everywhere, many at once."""
    found: list[Payment] = []
    for some in some_at_once(sorted(set(payment_ids))):
        query = select(Payment).where(Payment.id.in_(some)).order_by(Payment.id).with_for_update()
        found += session.scalars(query.execution_options(populate_existing=True))
    return found


# -- proposing ----------------------------------------------------------------------------------------


def propose(session: Session, proposals: Sequence[Proposal]) -> list[Proposal]:
    """Lines that the bank calls a payout, with the payout that is written down and comes to just that sum."""
    lines = [one.line for one in proposals if one.way is Way.PAYOUT]
    if not lines:
        return list(proposals)
    payouts = session.scalars(select(Payout).where(Payout.undone_at.is_(None), ~tied())).all()
    by_net: dict[Money, list[Payout]] = defaultdict(list)
    for one in payouts:
        by_net[Money(one.net_minor, one.currency)].append(one)
    wanted = {
        line.id: [one for one in by_net.get(line.amount, ()) if _may_be(one, line.on)] for line in lines
    }
    rivals: dict[int, int] = {}
    for some in wanted.values():
        for one in some:
            rivals[one.id] = rivals.get(one.id, 0) + 1
    return [
        _proposal(one, wanted[one.line.id], rivals) if one.way is Way.PAYOUT and wanted[one.line.id] else one
        for one in proposals
    ]


def _may_be(payout: Payout, on: date) -> bool:
    return payout.last_on is not None and (
        payout.last_on < on <= next_bank_day(payout.last_on, LATEST_BANK_DAY)
    )  # fmt: skip


def _proposal(one: Proposal, found: Sequence[Payout], rivals: dict[int, int]) -> Proposal:
    """Safe when one payout alone fits the line, and no other line fits that payout."""
    if len(found) > 1:
        candidates = tuple(Candidate(Target.PAYOUT, each.id, 50, _signs(one, each)) for each in found)
        return Proposal(one.line, Way.PAYOUT, (), (), rivals=candidates, tie=True, rule=one.rule)
    (payout,) = found
    part = Allocation(Target.PAYOUT, payout.id, one.line.amount)
    return Proposal(
        one.line, Way.PAYOUT, (part,), _signs(one, payout), safe=rivals[payout.id] == 1, rule=one.rule
    )


def _signs(one: Proposal, payout: Payout) -> tuple[Evidence, ...]:
    assert payout.last_on is not None
    days = (one.line.on - payout.last_on).days
    return (
        Evidence(Sign.CHANNEL, True, "the bank says payout"),
        Evidence(Sign.AMOUNT, True, f"payout {payout.id} comes to just this"),
        days_later(days),
    )


# -- how far one payment came -------------------------------------------------------------------------


@dataclass(frozen=True)
class Travelled:
    """The payout a payment is in and the day the bank shows it; None: not yet."""

    payout_id: int | None = None
    settled_on: date | None = None
    banked_on: date | None = None


def travelled(session: Session, reference: str) -> Travelled:
    query = (
        select(Payout.id, Payout.paid_on, Payout.last_on)
        .join(PayoutLine, PayoutLine.payout_id == Payout.id)
        .join(Payment, Payment.id == PayoutLine.payment_id)
        .where(Payment.reference == reference, PayoutLine.state == "stands", PayoutLine.kind == "capture")
        .where(Payout.undone_at.is_(None))
        .order_by(Payout.id.desc())
        .limit(1)
    )
    found = session.execute(query).first()
    if found is None:
        return Travelled()
    line = session.scalar(bank_line(found.id))
    return Travelled(found.id, found.paid_on or found.last_on, line.on if line else None)


def bank_line(payout_id: int) -> Any:
    """The line of the bank that stands for a payout."""
    return (
        select(StatementLine)
        .join(Match, Match.line_id == StatementLine.id)
        .join(MatchPart, MatchPart.match_id == Match.id)
        .where(MatchPart.payout_id == payout_id, Match.undone_at.is_(None))
    )
