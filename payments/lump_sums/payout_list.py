"""Payouts as people look at them: the list, and one with all that is in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import case, exists, func, select
from sqlalchemy.orm import Session

from db.models import (
    Match,
    MatchPart,
    Payment,
    Payout,
    PayoutFile,
    PayoutLine,
    Receipt,
    Reversal,
    StatementLine,
)
from db.money import Money
from payments import dates
from payments.access.people import Action, Person, check
from payments.errors import NotFound
from payments.lifecycle import Method
from payments.lump_sums import banked
from payments.lump_sums.captures import STANDS

#: Rows of one payout that a page shows; a day of more is rare.
MOST_LINES = 1_000


@dataclass(frozen=True)
class PayoutRow:
    """``gross`` − ``fee`` − ``vat`` − ``payout_fee`` − ``less`` + ``difference`` = ``net``.

    ``banked`` is what its line of the bank brought, ``explained`` how its captures are known: by a ``file``,
    by itself (``auto``), by a ``person``, or "" while nobody knows them. ``night``: payouts that it is
    written down as one with, the one that holds it all first, and the days are then those of all; ``beside``,
    in the difference, is what stands on their lines, or of this line in that one.
    """

    id: int
    source: str
    first_on: date
    last_on: date
    paid_on: date | None
    gross: Money
    fee: Money
    vat: Money
    payout_fee: Money
    less: Money
    difference: Money
    net: Money
    payout_fee_told: bool
    explained: str
    captures: int
    strangers: int
    banked_on: date | None
    banked: Money | None
    match_id: int | None
    night: tuple[int, ...]
    beside: Money
    unexplained: Money  # of the difference, beyond rounding

    @property
    def is_told_elsewhere(self) -> bool:
        return self.night[:1] not in ((), (self.id,))

    @property
    def short(self) -> Money | None:
        """What its line of the bank brought too little."""
        if self.banked is None or not self.banked < self.net:
            return None
        return self.net - self.banked


@dataclass(frozen=True)
class LineView:
    """What is in a payout. ``reference`` is ours where it is one of our payments, ``payer`` then whose."""

    kind: str
    on: date | None
    reference: str
    payer: str
    is_ours: bool
    method: str
    gross: Money
    fee: Money
    vat: Money
    net: Money
    reason: str
    #: Somebody told what this row cost; else its net is not known, and only the payout's is.
    fees_told: bool


@dataclass(frozen=True)
class HeldView:
    """A capture of the payout's days that is not in it."""

    reference: str
    payer: str
    on: date
    amount: Money


@dataclass(frozen=True)
class PayoutDetail:
    row: PayoutRow
    lines: tuple[LineView, ...]
    held: tuple[HeldView, ...]
    file: str | None
    explanation: Mapping[str, Any]
    confirmed_by: tuple[str, ...]  # names of files that tell the same
    made_at: datetime
    made_by: str

    def off(self, kind: str) -> Money:
        """What lines of a kind took off: refunds, chargebacks, deductions."""
        minor = sum(line.net.minor for line in self.lines if line.kind == kind)
        return Money(-minor, self.row.net.currency)


def listing(session: Session, person: Person, *, limit: int = 60) -> list[PayoutRow]:
    """Those that stand, the newest trading day first."""
    check(person, Action.SEE_BANK)
    query = _rows().order_by(Payout.last_on.desc(), Payout.id.desc()).limit(limit)
    return [_row(*found) for found in session.execute(query)]


def detail(session: Session, person: Person, payout_id: int) -> PayoutDetail:
    """Raises NotFound."""
    check(person, Action.SEE_BANK)
    found = session.execute(_rows().where(Payout.id == payout_id)).first()
    if found is None:
        raise NotFound("There is no such payout, or it was undone.")
    payout: Payout = found[0]
    row = _row(*found)
    file = session.get(PayoutFile, payout.file_id) if payout.file_id else None
    return PayoutDetail(
        row, _lines(session, payout), _held(session, row), file.name if file else None,
        payout.explanation or {}, tuple(str(one["name"]) for one in banked.confirmed_by(payout)),
        payout.made_at, payout.made_by,
    )  # fmt: skip


def _rows() -> Any:
    captured = case((PayoutLine.kind == "capture", 1), else_=0)
    strange = case(((PayoutLine.kind == "capture") & PayoutLine.receipt_id.is_(None), 1), else_=0)
    inside = (
        select(PayoutLine.payout_id, func.sum(captured).label("all"), func.sum(strange).label("strange"))
        .where(PayoutLine.state == STANDS)
        .group_by(PayoutLine.payout_id)
        .subquery()
    )
    bank = (
        select(MatchPart.payout_id, Match.id.label("match"), StatementLine.on, StatementLine.amount_minor)
        .join(Match, Match.id == MatchPart.match_id)
        .join(StatementLine, StatementLine.id == Match.line_id)
        .where(Match.undone_at.is_(None), MatchPart.payout_id.is_not(None))
        .subquery()
    )
    return (
        select(
            Payout, func.coalesce(inside.c.all, 0), func.coalesce(inside.c.strange, 0), bank.c.match,
            bank.c.on, bank.c.amount_minor,
        )
        .outerjoin(inside, inside.c.payout_id == Payout.id)
        .outerjoin(bank, bank.c.payout_id == Payout.id)
        .where(Payout.undone_at.is_(None))
    )  # fmt: skip


def _row(
    payout: Payout, captures: int, strangers: int, match: int | None, on: date | None, minor: int | None
) -> PayoutRow:
    def money(amount: int) -> Money:
        return Money(int(amount), payout.currency)

    assert payout.first_on is not None
    assert payout.last_on is not None
    told = payout.explanation or {}
    days = told.get("night_days") or [payout.first_on.isoformat(), payout.last_on.isoformat()]
    first, last = map(date.fromisoformat, days)
    return PayoutRow(
        payout.id, payout.source, first, last, payout.paid_on, money(payout.gross_minor),
        money(payout.fee_minor), money(payout.vat_minor), money(payout.payout_fee_minor),
        money(payout.less_minor), money(payout.difference_minor), money(payout.net_minor),
        payout.payout_fee_told, payout.explained, int(captures), int(strangers), on,
        money(minor) if minor is not None else None, match,
        tuple(told.get("night", ())), money(told.get("beside_minor", 0)), banked.unexplained(payout),
    )  # fmt: skip


def _lines(session: Session, payout: Payout) -> tuple[LineView, ...]:
    query = (
        select(PayoutLine, Payment.reference, Payment.payer_name)
        .outerjoin(Payment, Payment.id == PayoutLine.payment_id)
        .where(PayoutLine.payout_id == payout.id, PayoutLine.state == STANDS, PayoutLine.kind != "rollup")
        .order_by(PayoutLine.id)
        .limit(MOST_LINES)
    )

    def money(minor: int) -> Money:
        return Money(minor, payout.currency)

    return tuple(
        LineView(
            line.kind, line.on, reference or line.reference, payer or "", reference is not None, line.method,
            money(line.gross_minor), money(line.fee_minor), money(line.vat_minor),
            money(line.gross_minor - line.fee_minor - line.vat_minor), line.reason,
            line.file_id is not None or line.kind != "capture",
        )
        for line, reference, payer in session.execute(query)
    )  # fmt: skip


def _held(session: Session, row: PayoutRow) -> tuple[HeldView, ...]:
    """Of the payout's days, what the gateway took and no payout has brought."""
    span = dates.day_span(row.first_on, row.last_on)
    settled = exists().where(PayoutLine.receipt_id == Receipt.id, PayoutLine.state == STANDS)
    query = (
        select(Receipt, Payment.reference, Payment.payer_name)
        .join(Payment, Payment.id == Receipt.payment_id)
        .where(Receipt.kind == Method.GATEWAY, Receipt.received_at >= span.start)
        .where(Receipt.received_at < span.end, ~settled, ~exists().where(Reversal.receipt_id == Receipt.id))
        .order_by(Receipt.id)
        .limit(50)
    )
    return tuple(
        HeldView(reference, payer, dates.business_day(receipt.received_at), receipt.amount)
        for receipt, reference, payer in session.execute(query)
    )
