"""Whose captures a payout names, and what their payments are told: settled, how they were paid, or not after
all."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import exists, or_, select
from sqlalchemy.orm import Session

from db.many import some_at_once
from db.models import Link, Payment, Payout, PayoutLine, Receipt, Reversal
from db.money import Money
from payments import lifecycle
from payments.errors import Conflict
from payments.finding import pasts
from payments.lifecycle import Kind, Method
from payments.live import tallies
from payments.lump_sums import banked
from payments.payouts.files import FileLine, LineKind

STANDS, UNDONE = "stands", "undone"
#: A settlement line's word for how a payer paid, as a payment keeps it.
METHODS = {
    "card": Method.CARD, "international_card": Method.CARD, "instant_eft": Method.INSTANT_EFT,
}  # fmt: skip


@dataclass(frozen=True)
class Capture:
    """A receipt that a row of a file is about."""

    receipt_id: int
    payment_id: int
    amount: Money


def find_captures(
    session: Session, lines: Iterable[FileLine]
) -> tuple[dict[int, Capture | str], dict[int, int]]:
    """By row, the receipt that a line is about, or a sentence why it is none of ours; and, by receipt, the
    payout that it is in already.

    Raises Conflict when two rows are about the same money.
    """
    wanted = [line for line in lines if line.kind is LineKind.CAPTURE]
    there = _receipts(session, {word for line in wanted for word in references_in(line.reference)})
    found: dict[int, Capture | str] = {}
    rows: dict[int, int] = {}
    for line in wanted:
        found[line.row] = told = _capture(line, there)
        if isinstance(told, Capture) and rows.setdefault(told.receipt_id, line.row) != line.row:
            raise Conflict(f"Rows {rows[told.receipt_id]} and {line.row} are about the same money.")
    return found, _settled_in(session, list(rows))


def references_in(reference: str) -> set[str]:
    """What of a cell may be a reference of ours or of the gateway: all of it, and each word."""
    return {reference, *reference.replace(",", " ").replace(";", " ").split()} - {""}


def _receipts(session: Session, named: set[str]) -> dict[str, list[Capture]]:
    """By each word, the money of the gateway that its link or its payment has and that is still here."""
    found: dict[str, list[Capture]] = {}
    for some in some_at_once(sorted(named)):
        query = (
            select(Receipt, Link.wire_reference, Link.gateway_reference, Payment.reference)
            .join(Link, Link.id == Receipt.link_id)
            .join(Payment, Payment.id == Receipt.payment_id)
            .where(Receipt.kind == Method.GATEWAY, ~exists().where(Reversal.receipt_id == Receipt.id))
            .where(
                or_(
                    Link.wire_reference.in_(some), Link.gateway_reference.in_(some),
                    Payment.reference.in_(some),
                )
            )
        )  # fmt: skip
        for receipt, wire, gateways, ours in session.execute(query):
            names = {wire, gateways or "", ours}
            capture = Capture(receipt.id, receipt.payment_id, receipt.amount)
            for name in names & {*some}:
                if capture not in found.setdefault(name, []):
                    found[name].append(capture)
    return found


def _capture(line: FileLine, there: Mapping[str, Sequence[Capture]]) -> Capture | str:
    hits = list(dict.fromkeys(one for word in references_in(line.reference) for one in there.get(word, ())))
    fitting = [one for one in hits if one.amount == Money(line.gross)]
    if len(fitting) == 1:
        return fitting[0]
    if not hits:
        return "No payment of ours has this reference, or none that the gateway took."
    if not fitting:
        return f"Its payment took {hits[0].amount}, and the file says {Money(line.gross)}."
    return "It may be several payments of ours; the file does not tell which."


def _settled_in(session: Session, receipts: Sequence[int]) -> dict[int, int]:
    found: dict[int, int] = {}
    for some in some_at_once(sorted(set(receipts))):
        query = select(PayoutLine.receipt_id, PayoutLine.payout_id).where(
            PayoutLine.receipt_id.in_(some), PayoutLine.state == STANDS
        )
        told = session.execute(query).all()
        found |= {receipt: payout for receipt, payout in told if receipt is not None and payout is not None}
    return found


def settle(session: Session, lines: Iterable[tuple[PayoutLine, int]], act: dict[str, Any]) -> None:
    """Tell payments which payout they are in, and how they were paid where a line says so."""
    some = list(lines)
    payments = {one.id: one for one in banked.held(session, [line.payment_id or 0 for line, _ in some])}
    for line, payout_id in some:
        payment = payments[line.payment_id or 0]
        if (method := METHODS.get(line.method)) and payment.method == Method.GATEWAY:
            _pay_by(session, payment, method, act["now"])
        lifecycle.note(
            session, payment, Kind.SETTLED, **act, payout=payout_id, line=line.id, method=line.method,
            gross_minor=line.gross_minor, fee_minor=line.fee_minor, vat_minor=line.vat_minor,
            currency=payment.amount_currency,
        )  # fmt: skip


def _pay_by(session: Session, payment: Payment, method: Method, now: datetime) -> None:
    pasts.payment(session, payment, now)
    was = tallies.place(payment)
    payment.method = method
    tallies.moved(session, payment, was, now)


def unsettle(
    session: Session, payout: Payout, why: str, act: dict[str, Any], *, keep_rows: bool = False
) -> None:
    """Nothing is in this payout any more: its lines stay as they were, undone. ``keep_rows`` of files."""
    wanted = select(PayoutLine).where(PayoutLine.payout_id == payout.id, PayoutLine.state == STANDS)
    if keep_rows:
        wanted = wanted.where(PayoutLine.file_id.is_(None))
    rows = session.scalars(wanted).all()
    payments = {one.id: one for one in banked.held(session, [row.payment_id or 0 for row in rows])}
    for row in rows:
        row.state, row.undone_at = UNDONE, act["now"]
        if (payment := payments.get(row.payment_id or 0)) is None:
            continue
        if row.method in METHODS and payment.method == METHODS[row.method]:
            _pay_by(session, payment, Method.GATEWAY, act["now"])
        lifecycle.note(session, payment, Kind.UNSETTLED, **act, payout=payout.id, why=why)
    session.flush()


def as_rolled_up(session: Session, payout: Payout, now: datetime) -> None:
    """Nobody knows any more which captures are in it: its sums are again those of the gateway's own row, as
    before anybody said so."""
    row = session.scalars(
        select(PayoutLine).where(PayoutLine.payout_id == payout.id, PayoutLine.kind == LineKind.ROLLUP)
    ).one()
    pasts.payout(session, payout, now)
    payout.gross_minor, payout.fee_minor, payout.vat_minor = row.gross_minor, row.fee_minor, row.vat_minor
    payout.less_minor = row.gross_minor - row.fee_minor - row.vat_minor - payout.net_minor
    payout.payout_fee_minor = payout.difference_minor = 0
    payout.explained, payout.explanation = "", None
    session.flush()
