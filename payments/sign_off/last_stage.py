"""How much of a payment's money stands in days that are signed off: the last stage of its way."""

from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import and_, select, union
from sqlalchemy.orm import Session

from db.models import (
    CardBatch,
    Match,
    MatchPart,
    Payment,
    PayoutLine,
    Receipt,
    Reversal,
    SignOff,
    StatementLine,
    SurplusMove,
    TillEntry,
    ZReport,
)
from payments.sign_off.closed_days import match_day, move_day, moved_surplus

#: Approved; whoever asked to reopen it has not opened it yet.
_CLOSED = ("approved", "reopening")


@dataclass(frozen=True)
class SignedOff:
    """Of ``receipts`` that stand, so many are ``banked``, by a line of the bank or a payout's, and so many of
    these ``signed``; ``last_on`` is the last day that was signed of them."""

    receipts: int
    banked: int
    signed: int
    last_on: date | None

    @property
    def whole(self) -> bool:
        return 0 < self.receipts == self.signed


def signed_off(session: Session, reference: str) -> SignedOff:
    """Whoever may see the payment may see this of it."""
    reversed_ = select(Reversal.receipt_id)
    standing = set(
        session.scalars(
            select(Receipt.id)
            .join(Payment, Payment.id == Receipt.payment_id)
            .where(Payment.reference == reference, Receipt.id.not_in(reversed_))
        )
    )
    days = {receipt: (account, day) for receipt, account, day in _days(session, standing)}
    signed = [day for account, day in days.values() if _closed(session, account, day)]
    return SignedOff(len(standing), len(days), len(signed), max(signed, default=None))


def _days(session: Session, receipts: set[int]) -> list[tuple[int, int, date]]:
    """Where receipts stand on a statement: receipt, account, and the day our books count them on."""
    stands = Match.undone_at.is_(None)
    by_line = (
        select(MatchPart.receipt_id, StatementLine.account_id, match_day())
        .join(Match, Match.id == MatchPart.match_id)
        .join(StatementLine, StatementLine.id == Match.line_id)
        .where(MatchPart.receipt_id.in_(receipts), stands)
    )
    by_payout = (
        select(PayoutLine.receipt_id, StatementLine.account_id, match_day())
        .join(MatchPart, MatchPart.payout_id == PayoutLine.payout_id)
        .join(Match, Match.id == MatchPart.match_id)
        .join(StatementLine, StatementLine.id == Match.line_id)
        .where(PayoutLine.receipt_id.in_(receipts), PayoutLine.state == "stands", stands)
    )
    by_batch = (
        select(TillEntry.receipt_id, StatementLine.account_id, match_day())
        .join(ZReport, ZReport.shift_id == TillEntry.shift_id)
        .join(CardBatch, and_(CardBatch.z_report_id == ZReport.id, CardBatch.machine == TillEntry.machine))
        .join(MatchPart, MatchPart.card_batch_id == CardBatch.id)
        .join(Match, Match.id == MatchPart.match_id)
        .join(StatementLine, StatementLine.id == Match.line_id)
        .where(TillEntry.receipt_id.in_(receipts), TillEntry.method == "card_slip", stands)
    )
    by_move = moved_surplus(SurplusMove.receipt_id, StatementLine.account_id, move_day()).where(
        SurplusMove.receipt_id.in_(receipts)
    )
    found: list[Any] = list(session.execute(union(by_line, by_payout, by_batch, by_move)))
    return [(receipt, account, day) for receipt, account, day in found if receipt is not None]


def _closed(session: Session, account_id: int, day: date) -> bool:
    closed = select(SignOff.id).where(
        SignOff.account_id == account_id, SignOff.state.in_(_CLOSED), SignOff.first_on <= day,
        SignOff.last_on >= day,
    )  # fmt: skip
    return session.scalar(closed.limit(1)) is not None
