"""Payments by the days their money moved: taken, paid out, on the bank's statement, given back."""

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Select, func, literal_column, select, union

from db.models import (
    Match,
    MatchPart,
    Payment,
    Payout,
    PayoutLine,
    Receipt,
    Refund,
    RefundReturn,
    Reversal,
    StatementLine,
    SurplusMove,
)
from payments.dates import Span, business_day
from payments.sign_off.closed_days import match_day, move_day, moved_surplus


def asked(
    captured: Span | None,
    settled: Span | None,
    banked: Span | None,
    refunded: Span | None,
    taken: tuple[str, ...],
) -> Iterator[ColumnElement[bool]]:
    """Conditions on payments. The way it came (``taken``) must be true of the very money of those days."""
    of_kind = [Receipt.kind.in_(taken)] if taken else []
    days = (captured, settled, banked)
    if of_kind and days == (None, None, None):
        yield Payment.id.in_(select(Receipt.payment_id).where(*of_kind))
    if captured is not None:
        yield Payment.id.in_(_captured(captured, of_kind))
    if settled is not None:
        yield Payment.id.in_(_settled(settled, of_kind))
    if banked is not None:
        yield Payment.id.in_(_banked(banked, of_kind))
    if refunded is not None:
        yield Payment.id.in_(_refunded(refunded))


def _captured(span: Span, of_kind: Sequence[ColumnElement[bool]]) -> Any:
    came = select(Receipt.payment_id).where(
        Receipt.received_at >= span.start, Receipt.received_at < span.end, *of_kind
    )
    gone = select(Reversal.payment_id).where(
        Reversal.reversed_at >= span.start, Reversal.reversed_at < span.end
    )
    if of_kind:
        gone = gone.join(Receipt, Receipt.id == Reversal.receipt_id).where(*of_kind)
    return union(came, gone)


def _refunded(span: Span) -> Any:
    """Given back, or given back in vain: the bank sent it back."""
    back = select(RefundReturn.payment_id).where(
        RefundReturn.at >= span.start, RefundReturn.at < span.end, RefundReturn.undone_at.is_(None)
    )
    return union(select(Refund.payment_id).where(*_on_days(Refund.refunded_on, span)), back)


def _settled(span: Span, of_kind: Sequence[ColumnElement[bool]]) -> Select[int | None]:
    """In a payout that stands."""
    settled = (
        select(PayoutLine.payment_id)
        .join(Payout, Payout.id == PayoutLine.payout_id)
        .where(PayoutLine.receipt_id.is_not(None), PayoutLine.state == literal_column("'stands'"))
        .where(*_on_days(payout_day(), span))
    )
    return settled.join(Receipt, Receipt.id == PayoutLine.receipt_id).where(*of_kind) if of_kind else settled


def _banked(span: Span, of_kind: Sequence[ColumnElement[bool]]) -> Any:
    """Captures of payouts that stand on a line of the bank, and receipts that a line is for."""
    parts = (
        select(Receipt.payment_id)
        .select_from(MatchPart)
        .join(Match, Match.id == MatchPart.match_id)
        .join(StatementLine, StatementLine.id == Match.line_id)
        .where(Match.undone_at.is_(None), *_on_days(match_day(), span))
    )
    inside = parts.join(PayoutLine, PayoutLine.payout_id == MatchPart.payout_id).where(
        PayoutLine.state == literal_column("'stands'")
    )
    return union(
        inside.join(Receipt, Receipt.id == PayoutLine.receipt_id).where(*of_kind),
        parts.join(Receipt, Receipt.id == MatchPart.receipt_id).where(*of_kind),
        moved_surplus(Receipt.payment_id)
        .join(Receipt, Receipt.id == SurplusMove.receipt_id)
        .where(*_on_days(move_day(), span), *of_kind),
    )


def payout_day() -> ColumnElement[date]:
    """The day of ``Payout``: when it was paid, where its file tells that, else its last trading day."""
    return func.coalesce(Payout.paid_on, Payout.last_on)


def _on_days(day: Any, span: Span) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """A day that is told without its moment counts as the day's first."""
    before, last = (business_day(moment - timedelta(microseconds=1)) for moment in (span.start, span.end))
    return day > before, day <= last
