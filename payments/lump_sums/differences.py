"""Why a payout brought less or more than it should: what the desk knows is put to ``payouts.causes``."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.many import some_at_once
from db.models import Dispute, Link, Payment, Payout, PayoutLine, Receipt, Refund
from db.money import Money
from payments import payouts
from payments.access.people import Action, Person, check
from payments.dates import next_bank_day
from payments.errors import NotFound
from payments.lump_sums import banked, fees, loose, went_back
from payments.lump_sums.captures import STANDS
from payments.lump_sums.tariff import METHODS
from payments.payouts import Capture, Explanation, Item, Less, Lump, causes
from payments.payouts.causes import Beside, Cause, Difference, Inside, Row, Sum, Took, Why

#: How far back a deduction may lie that comes again, and a dispute that is not taken off yet.
LOOKED_BACK = timedelta(days=180)
_OFF = {"refund": Why.REFUND, "chargeback": Why.CHARGEBACK, "deduction": Why.DEDUCTION}


def of_payout(session: Session, person: Person, payout_id: int, off: Money) -> Difference:
    """``off`` is what came less what should have. Raises NotFound."""
    check(person, Action.SEE_BANK)
    payout = session.get(Payout, payout_id)
    if payout is None or payout.undone_at is not None:
        raise NotFound("There is no such payout, or it was undone.")
    return of_row(session, payout, off)


def of_row(session: Session, payout: Payout, off: Money) -> Difference:
    """The same as ``of_payout``, for whoever holds its row."""
    holder = session.get_one(Payout, banked.night_of(payout)[0])
    day, captured = holder.last_on or holder.made_at.date(), _captured(session, holder)
    if any(one.charged is None for one in captured):
        return _of_untold(session, payout, off, day)
    inside = Inside(
        day, captured, holder.fee_minor, holder.vat_minor, holder.payout_fee_minor,
        _taken_off(session, holder.id),
    )  # fmt: skip
    return _told(session, off, inside, day, of=holder.id)


def _of_untold(session: Session, payout: Payout, off: Money, day: date) -> Difference:
    """Of a payout whose captures nobody told the fees of: they are weighed once more, with what else there
    is."""
    net = Money(payout.net_minor, payout.currency)
    brought = net if banked.unexplained(payout) == off else net + off
    lump = Lump(0, payout.paid_on or next_bank_day(day), brought)
    some = (
        select(PayoutLine.receipt_id, PayoutLine.on, PayoutLine.gross_minor, PayoutLine.method)
        .where(PayoutLine.payout_id.in_(banked.night_of(payout)), PayoutLine.state == STANDS)
        .where(PayoutLine.receipt_id.is_not(None))
    )
    inside = [
        Capture(receipt or 0, on or day, Money(gross, payout.currency), method if method in METHODS else None)
        for receipt, on, gross, method in session.execute(some)
    ]
    taken = select(PayoutLine.refund_id).where(PayoutLine.payout_id == payout.id, PayoutLine.state == STANDS)
    own = select(Refund).where(Refund.id.in_(taken.where(PayoutLine.refund_id.is_not(None))))
    items = [Item(one.id, Less.REFUND, one.amount, one.refunded_on) for one in session.scalars(own)]
    open_ = [one for one in _open_refunds(session, day) if one not in items]
    fresh, before, _ = loose.captures(session, day)
    tariff = fees.tariff(session)

    def ask(more: Sequence[Item]) -> list[Explanation]:
        return payouts.explain(lump, inside, tariff, held=[*fresh, *before], items=[*items, *open_, *more])

    return of_attempt(session, off, day, ask, within={one.id for one in inside}, known=items)


def of_attempt(
    session: Session,
    off: Money,
    first: date,
    ask: Callable[[Sequence[Item]], Sequence[Explanation]],
    *,
    within: Collection[int] = (),
    known: Collection[Item] = (),
) -> Difference:
    """Of what a sum leaves unexplained while nobody told its fees: the explainer is asked once more, with
    disputes, deductions as others had, and another fee of the payout. What is ``within`` it or ``known`` to
    be off is no news."""
    named = dict(_more(session, first, off.currency, {item.id for item in known}))
    whole = [one for one in ask(list(named)) if one.is_whole] if named or within else []
    found = dict.fromkeys(_cause(session, one, named, within, known) for one in whole)
    told = [one for one in found if one is not None]
    return Difference(off, tuple(told[: causes.MOST]), max(0, len(told) - causes.MOST))


def _more(
    session: Session, first: date, currency: str, refunds: Collection[int]
) -> Iterator[tuple[Item, Sum]]:
    """What a payout may be less by that no file told of this one, besides ``refunds``. Their numbers are
    below nought, as no refund's is."""
    own = fees.tariff(session).payout_fee(first).total_minor
    again = Sum(Why.FEE, own, Row("Rates and fees"))
    deducted = {one.minor: one for one in reversed(_deductions(session, first, None))}
    some = [*_disputed(session, first, refunds), *deducted.values(), again]
    for number, one in enumerate(some, 1):
        if one.minor > 0:
            kind = Less.CHARGEBACK if one.why in (Why.CHARGEBACK, Why.DISPUTE) else Less.DEDUCTION
            yield Item(-number, kind, Money(one.minor, currency), first), one


def _cause(
    session: Session,
    one: Explanation,
    named: Mapping[Item, Sum],
    within: Collection[int],
    known: Collection[Item],
) -> Cause | None:
    """What an explanation has that was not known; None: nothing."""
    news = [item for item in one.items if item not in known]
    refunds = _refunds(session, [item.id for item in news if item not in named])
    sums = [*(named[item] for item in news if item in named), *refunds]
    held = _named(session, [capture for capture in one.held if capture.id in within])
    back = _named(session, [capture for capture in one.released if within])
    if not (sums or held or back):
        return None
    told = [causes.said(each, one.lump.amount.currency) for each in sums]
    for some, how in ((held, "held back"), (back, "held before")):
        told += [f"{took.reference} of {Money(took.gross, one.lump.amount.currency)} {how}" for took in some]
    rows = [each.row for each in sums]
    rows += [Row(took.reference, payment=took.reference) for took in (*held, *back)]
    minor = sum(each.minor for each in sums) + sum(took.gross for took in (*held, *back))
    why = sums[0].why if sums else Why.CAPTURE
    says = f"{' and '.join(told)}, with {one.fees} of fees"
    amount = Money(minor, one.lump.amount.currency)
    return Cause(why, amount, says, tuple(rows[: causes.MOST]), len(rows))


def _told(
    session: Session,
    off: Money,
    inside: Inside,
    first: date,
    *,
    of: int,
) -> Difference:
    if off.minor < 0:
        beside = Beside(
            sums=(
                *_refunds(session, [one.id for one in _open_refunds(session, first)]),
                *_disputed(session, first),
            ),
            deductions=_deductions(session, first, of),
        )
    else:
        some = [one for few in loose.captures(session, first)[:2] for one in few]
        beside = Beside(captures=_named(session, some))
    return causes.causes(off, inside, beside, fees.tariff(session))


# -- what is in it ------------------------------------------------------------------------------------


def _captured(session: Session, payout: Payout) -> tuple[Took, ...]:
    query = (
        select(PayoutLine, Payment.reference)
        .outerjoin(Payment, Payment.id == PayoutLine.payment_id)
        .where(PayoutLine.payout_id == payout.id, PayoutLine.kind == "capture", PayoutLine.state == STANDS)
        .order_by(PayoutLine.id)
    )
    return tuple(
        Took(
            reference or line.reference, line.gross_minor, line.on or payout.last_on or payout.made_at.date(),
            line.method or None, line.fee_minor + line.vat_minor if line.file_id is not None else None,
        )
        for line, reference in session.execute(query)
    )  # fmt: skip


def _named(session: Session, some: Iterable[Capture]) -> tuple[Took, ...]:
    """Captures with the references of their payments."""
    by_receipt = {one.id: one for one in some}
    found: list[Took] = []
    for few in some_at_once(sorted(by_receipt)):
        query = (
            select(Receipt.id, Payment.reference)
            .join(Payment, Payment.id == Receipt.payment_id)
            .where(Receipt.id.in_(few))
            .order_by(Receipt.id)
        )
        for number, reference in session.execute(query):
            one = by_receipt[number]
            found.append(Took(reference, one.gross.minor, one.on, one.method))
    return tuple(found)


def _taken_off(session: Session, payout_id: int) -> tuple[Sum, ...]:
    """Rows of a payout that took something off."""
    query = (
        select(PayoutLine, Payment.reference)
        .outerjoin(Refund, Refund.id == PayoutLine.refund_id)
        .outerjoin(Payment, Payment.id == func.coalesce(Refund.payment_id, PayoutLine.payment_id))
        .where(PayoutLine.payout_id == payout_id, PayoutLine.state == STANDS, PayoutLine.kind.in_(_OFF))
        .order_by(PayoutLine.id)
    )
    return tuple(_off(line, reference or "") for line, reference in session.execute(query))


def _off(line: PayoutLine, reference: str) -> Sum:
    text = reference or line.reference or f"payout {line.payout_id}"
    minor = line.fee_minor + line.vat_minor - line.gross_minor
    return Sum(_OFF[line.kind], minor, Row(text, payment=reference, payout=line.payout_id))


# -- what is beside it --------------------------------------------------------------------------------


def _open_refunds(session: Session, first: date) -> list[Item]:
    """Refunds that no payout was less by; those of disputes are told as chargebacks."""
    told = set(session.scalars(select(Dispute.refund_id).where(Dispute.refund_id.is_not(None))))
    return [one for one in loose.refunds(session, first) if one.id not in told]


def _refunds(session: Session, numbers: Sequence[int]) -> tuple[Sum, ...]:
    found: list[Sum] = []
    for few in some_at_once(sorted(numbers)):
        query = (
            select(Refund.amount_minor, Payment.reference)
            .join(Payment, Payment.id == Refund.payment_id)
            .where(Refund.id.in_(few))
            .order_by(Refund.id)
        )
        found += [
            Sum(Why.REFUND, minor, Row(reference, payment=reference))
            for minor, reference in session.execute(query)
        ]
    return tuple(found)


def _disputed(session: Session, first: date, besides: Collection[int] = ()) -> list[Sum]:
    """What payers contest, or have won, and no payout was less by as far as its rows tell. What was written
    down of one as a refund is that refund: none of those ``besides``."""
    query = (
        select(Dispute, Payment.reference, Link.wire_reference, Link.gateway_reference)
        .join(Payment, Payment.id == Dispute.payment_id)
        .outerjoin(Link, Link.payment_id == Payment.id)
        .where(Dispute.state != "won", Dispute.opened_on >= first - LOOKED_BACK)
        .order_by(Dispute.id)
    )
    some: dict[int, tuple[Dispute, str]] = {}
    names: dict[int, set[str]] = defaultdict(set)
    for one, ours, wire, gateways in session.execute(query):
        some[one.id] = one, ours
        names[one.id] |= {name for name in (ours, wire, gateways, one.case_reference) if name}
    gone = _lines(session, "chargeback", first) if some else ()
    said = {word for line in gone for word in went_back.row_of(line).words}
    off = {*besides, *_off_already(session, [one.refund_id for one, _ in some.values() if one.refund_id])}
    return [
        Sum(_why(one), one.amount_minor, Row(reference, payment=reference))
        for one, reference in some.values()
        if not names[one.id] & said and one.refund_id not in off
    ]


def _why(dispute: Dispute) -> Why:
    return Why.DISPUTE if dispute.ended_at is None else Why.CHARGEBACK


def _off_already(session: Session, refunds: Sequence[int]) -> Iterator[int]:
    """Those that a payout was less by, whatever its row calls them."""
    for few in some_at_once(sorted(refunds)):
        taken = select(PayoutLine.refund_id).where(PayoutLine.refund_id.in_(few), PayoutLine.state == STANDS)
        yield from (one for one in session.scalars(taken) if one is not None)


def _deductions(session: Session, first: date, of: int | None) -> tuple[Sum, ...]:
    """Those of other payouts, the newest first: what is taken off once may be taken off again."""
    lines = [one for one in _lines(session, "deduction", first) if one.payout_id != of]
    return tuple(
        Sum(Why.DEDUCTION, _off(one, "").minor, Row(f"payout {one.payout_id}", payout=one.payout_id))
        for one in lines
    )


def _lines(session: Session, kind: str, first: date) -> Sequence[PayoutLine]:
    query = (
        select(PayoutLine)
        .join(Payout, Payout.id == PayoutLine.payout_id)
        .where(Payout.undone_at.is_(None), Payout.last_on >= first - LOOKED_BACK)
        .where(PayoutLine.kind == kind, PayoutLine.state == STANDS)
        .order_by(PayoutLine.id.desc())
    )
    return session.scalars(query).all()
