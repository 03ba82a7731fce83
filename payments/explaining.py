"""Lump sums that nobody told the captures of: asked of ``payouts``, written down when somebody says which.

What is asked about is a line of the bank that is a payout and no file told of, or a day's roll-up. An
explanation is taken by itself only when it is the one that is likely; where several are as good, a person
chooses, or nobody does.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlalchemy import exists, func, select
from sqlalchemy.orm import Session

from db.models import (
    LineException,
    Payment,
    Payout,
    PayoutLine,
    Receipt,
    Refund,
    Reversal,
    StatementLine,
)
from db.money import Money
from db.session import Sessions
from payments import audit, banked, dates, fees, pasts, payouts, standstill, tallies
from payments.captures import STANDS, settle, unsettle
from payments.errors import Conflict, InvalidInput, NotFound
from payments.lifecycle import Kind, Method, Source
from payments.matching import Target, Way
from payments.overlaps import OPEN
from payments.parts import Decided, Part, locked_line, what_waits
from payments.payouts import Capture, Explanation, Habits, Item, Less, Lump
from payments.payouts.files import apart
from payments.people import Action, Person, check
from payments.privacy import reason
from payments.reconciliation import AUTO, BY_ITSELF, PERSON, write
from payments.tariff import METHODS, ROUNDING_MINOR

#: How far back a capture may lie that a payout still brings.
CAPTURE_DAYS, HELD_DAYS = 30, 60
#: A line that waits so long is explained alone and keeps no later one from being taken: a person says.
TOGETHER_DAYS = 14
ROLLUP, BANK = "rollup", "bank"
#: What a match says of a payout that is sure only together with the others that came that day.
WITH_ITS_NIGHT = {
    "kind": "date",
    "agrees": True,
    "says": "sure together with the other payouts of that day: which brought which is the likeliest",
}


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
    in_turn: bool = False  # sure, and nothing that came before it is undecided

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
        Unexplained(line.id, None, line.on, line.amount, line.description, ())
        for line in session.scalars(lines)
    ]
    rolled = select(Payout).where(Payout.explained == "", Payout.undone_at.is_(None))
    found += [
        Unexplained(None, one.id, _paid_on(one), Money(one.net_minor, one.currency), "Daily statement", ())
        for one in session.scalars(rolled)
    ]
    return sorted(found, key=lambda one: (one.on, one.key))


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
    fresh, held, paid = _captures(session, first)
    items = _items(session, first)
    told: dict[int, list[Explanation]] = {}
    by_bank = [lumps[number] for number, one in enumerate(asked, 1) if one.line_id]
    for number, one in enumerate(asked, 1):
        if one.payout_id:  # its day is told: only that day's captures may be in it
            mine = _of_its_day(session, one.payout_id, fresh)
            told[number] = payouts.explain(lumps[number], mine, tariff, held=held, items=items, habits=usual)
    turns = {number for number, some in told.items() if payouts.is_sure(some)}
    gone = {capture for number in turns for capture in told[number][0].captures}
    left = [one for one in fresh if one not in gone]
    late = [one for one in by_bank if one.on < asked[-1].on - timedelta(days=TOGETHER_DAYS)]
    for one_lump in late:
        told[one_lump.id] = payouts.explain(
            one_lump, left, tariff, held=held, items=items, paid=paid, habits=usual
        )
    together = [one for one in by_bank if one not in late]
    told |= payouts.explain_all(together, left, tariff, held=held, items=items, paid=paid, habits=usual)
    turns |= {one.id for one in payouts.in_order(together, told)}
    return [
        replace(one, found=tuple(told.get(number, ())), in_turn=number in turns)
        for number, one in enumerate(asked, 1)
    ]


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


def _captures(session: Session, first: date) -> tuple[list[Capture], list[Capture], set[date]]:
    """What the gateway took and no payout has brought: of days that none tells of, and of days that one left
    it out of; and those days."""
    since = dates.day_span(first - timedelta(days=HELD_DAYS)).start
    query = (
        select(Receipt, Payment.method)
        .join(Payment, Payment.id == Receipt.payment_id)
        .where(Receipt.kind == Method.GATEWAY, Receipt.received_at >= since)
        .where(~exists().where(Reversal.receipt_id == Receipt.id), ~_is_settled())
        .order_by(Receipt.id)
    )
    told = select(Payout).where(
        Payout.undone_at.is_(None),
        Payout.explained != "",
        Payout.last_on >= first - timedelta(days=HELD_DAYS),
    )
    paid = {
        one.first_on + timedelta(days=after)
        for one in session.scalars(told)
        if one.first_on and one.last_on
        for after in range((one.last_on - one.first_on).days + 1)
    }
    fresh, held = [], []
    for receipt, method in session.execute(query):
        day = dates.business_day(receipt.received_at)
        capture = Capture(receipt.id, day, receipt.amount, method if method in METHODS else None)
        if day in paid:
            held.append(capture)
        elif day >= first - timedelta(days=CAPTURE_DAYS):
            fresh.append(capture)
    return fresh, held, paid


def _is_settled() -> Any:
    return exists(
        select(PayoutLine.id).where(PayoutLine.receipt_id == Receipt.id, PayoutLine.state == STANDS)
    )


def _items(session: Session, first: date) -> list[Item]:
    """Refunds through the gateway that no payout was less by yet."""
    taken = select(PayoutLine.refund_id).where(PayoutLine.state == STANDS, PayoutLine.refund_id.is_not(None))
    query = select(Refund).where(
        Refund.method == Method.GATEWAY, Refund.id.not_in(taken),
        Refund.refunded_on >= first - timedelta(days=HELD_DAYS),
    )  # fmt: skip
    return [Item(one.id, Less.REFUND, one.amount, one.refunded_on) for one in session.scalars(query)]


# -- saying which it is -------------------------------------------------------------------------------


def run(sessions: Sessions, person: Person, *, now: datetime) -> Run:
    """Ask about every lump sum, and take what is sure. Raises NotAllowed, Conflict while read-only."""
    check(person, Action.RECONCILE)
    with sessions.read() as session:
        standstill.refuse(session)
        asked = explain(session, person)
    told = Run(asked=len(asked))
    for one in asked:
        if one.in_turn:
            with sessions.begin() as session:
                try:
                    _write(session, one, one.found[0], how=AUTO, by=BY_ITSELF, source=Source.WORKER, now=now)
                except Conflict:  # changed since it was read: it is asked about again
                    continue
            told.explained += 1
        elif one.found and one.found[0].is_whole:
            told.tied += 1
        else:
            told.unexplained += 1
    with sessions.begin() as session:
        _keep_gaps(session, asked)
        audit.record(
            session, person, "explain_payouts", "payouts", now=now, asked=told.asked,
            explained=told.explained, tied=told.tied,
        )  # fmt: skip
        tallies.bump(session)
    return told


def _keep_gaps(session: Session, asked: Sequence[Unexplained]) -> None:
    """What is missing of a line that nothing explains, for whoever raises an alarm about it."""
    for one in asked:
        if one.line_id is None or not one.found or one.found[0].is_whole:
            continue
        if (row := what_waits(session, one.line_id)) is not None:
            gap = one.found[0].difference.minor
            row.suggestion = {**row.suggestion, "gap_minor": gap, "gap_says": one.found[0].says}


def accept(
    session: Session, person: Person, asked: Unexplained, choice: int, *, now: datetime, why: str = ""
) -> int:
    """A person's word for which explanation it is; returns the payout. What nothing explains needs a reason.

    Raises Conflict (a capture or the line is not as it was), InvalidInput, NotFound.
    """
    check(person, Action.RECONCILE)
    if not 0 <= choice < len(asked.found):
        raise NotFound("There is no such explanation.")
    chosen = asked.found[choice]
    if not chosen.is_whole:
        why = reason(why)
    how: dict[str, Any] = {"how": PERSON, "by": person.name, "source": Source.DESK, "now": now}
    payout = _write(session, asked, chosen, **how, why=why)
    audit.record(
        session, person, "explain_payout", f"payout {payout.id}", now=now, line=asked.line_id,
        says=chosen.says, of=len(asked.found), why=why,
    )  # fmt: skip
    return payout.id


def _write(
    session: Session,
    asked: Unexplained,
    chosen: Explanation,
    *,
    how: str,
    by: str,
    source: Source,
    now: datetime,
    why: str = "",
) -> Payout:
    if chosen.lump.amount != asked.amount:
        raise InvalidInput("This explanation is of another sum.")
    act: dict[str, Any] = {"now": now, "source": source, "actor": by}
    payout = _payout(session, asked, chosen, how, by, now)
    payout.explained, payout.explanation = how, _kept(asked, chosen, why)
    lines = [_line(session, payout, one, chosen, now) for one in _still_there(session, chosen)]
    for item in chosen.items:
        session.add(
            PayoutLine(
                payout_id=payout.id, row=0, kind=item.kind, on=item.on, gross_minor=-item.amount.minor,
                state=STANDS, refund_id=item.id if item.kind is Less.REFUND else None, made_at=now,
            )
        )  # fmt: skip
    session.flush()
    settle(session, [(line, payout.id) for line in lines], act)
    if asked.line_id is not None:
        part = Part(Target.PAYOUT, asked.amount, payout_id=payout.id)
        evidence = {"way": str(Way.PAYOUT), "evidence": _evidence(chosen)}
        write(session, Decided(asked.line_id, (part,), Way.PAYOUT, evidence, why=why), **act_of(how, act))
    elif (line := session.scalar(banked.bank_line(payout.id))) is not None:
        banked.note(session, payout.id, line.on, Kind.BANKED, act)
    tallies.bump(session)
    return payout


def act_of(how: str, act: dict[str, Any]) -> dict[str, Any]:
    return {"how": how, "by": act["actor"], "source": act["source"], "now": act["now"]}


def _evidence(chosen: Explanation) -> list[dict[str, Any]]:
    return [
        {"kind": "channel", "agrees": True, "says": "the bank says payout"},
        {"kind": "amount", "agrees": chosen.is_whole, "says": chosen.says},
        *([WITH_ITS_NIGHT] if chosen.with_its_night else []),
    ]


def _kept(asked: Unexplained, chosen: Explanation, why: str) -> dict[str, Any]:
    """What was known when it was chosen: how many were as good, and what else each capture may be."""
    return {
        "says": chosen.says,
        "points": chosen.points,
        "as_good": len(asked.found),
        "held": [one.id for one in chosen.held],
        "held_among": [list(some) for some in chosen.held_among],
        "released": [one.id for one in chosen.released],
        "released_among": [list(some) for some in chosen.released_among],
        "why": why,
    }


def _payout(
    session: Session, asked: Unexplained, chosen: Explanation, how: str, by: str, now: datetime
) -> Payout:
    """The payout itself, held: a roll-up's own, or a new one for a line of the bank."""
    vat_bp = fees.tariff(session).on(chosen.days[-1]).vat_bp
    fee, vat = apart(chosen.fees.minor, vat_bp)
    sums = {
        "gross_minor": chosen.gross.minor, "fee_minor": fee, "vat_minor": vat,
        "payout_fee_minor": chosen.payout_fee.minor, "difference_minor": chosen.difference.minor,
        "less_minor": sum(item.amount.minor for item in chosen.items),
    }  # fmt: skip
    if asked.payout_id is not None:
        payout = session.scalar(select(Payout).where(Payout.id == asked.payout_id).with_for_update())
        if payout is None or payout.undone_at is not None or payout.explained:
            raise Conflict("Somebody explained this payout already, or its import was undone.")
        pasts.payout(session, payout, now)
        for name, minor in sums.items():
            setattr(payout, name, minor)
        return payout
    assert asked.line_id is not None
    line = locked_line(session, asked.line_id)
    if line.state != OPEN or line.amount != asked.amount:
        raise Conflict("This line is not open any more.")
    payout = Payout(
        key=f"line:{line.id}", source=BANK, file_id=None, first_on=min(chosen.days),
        last_on=max(chosen.days), paid_on=line.on, currency=line.amount_currency,
        net_minor=line.amount_minor, payout_fee_told=False, explained=how, made_at=now, made_by=by, **sums,
    )  # fmt: skip
    session.add(payout)
    session.flush()
    return payout


def _still_there(session: Session, chosen: Explanation) -> list[Receipt]:
    """The receipts of its captures, held with their payments. Raises Conflict when one is not as it was."""
    wanted = {one.id: one for one in chosen.captures}
    query = (
        select(Receipt)
        .where(Receipt.id.in_(wanted))
        .where(~exists().where(Reversal.receipt_id == Receipt.id), ~_is_settled())
        .order_by(Receipt.payment_id)
    )
    found = list(session.scalars(query))
    if len(found) != len(wanted) or any(one.amount != wanted[one.id].gross for one in found):
        raise Conflict("A payment of this explanation is in another payout by now. Look at it again.")
    return found


def _line(
    session: Session, payout: Payout, receipt: Receipt, chosen: Explanation, now: datetime
) -> PayoutLine:
    method = next(one.method for one in chosen.captures if one.id == receipt.id)
    line = PayoutLine(
        payout_id=payout.id, row=0, kind="capture", on=dates.business_day(receipt.received_at),
        method="" if method is None else method, gross_minor=receipt.amount_minor, state=STANDS,
        payment_id=receipt.payment_id, receipt_id=receipt.id, made_at=now,
    )  # fmt: skip
    session.add(line)
    return line


def undo(session: Session, person: Person, payout_id: int, why: str, *, now: datetime) -> None:
    """Take an explanation back. Raises Conflict while the payout stands on a line of the bank that only it
    accounts for, or when a file told of it."""
    check(person, Action.RECONCILE)
    why = reason(why)
    payout = session.scalar(select(Payout).where(Payout.id == payout_id).with_for_update())
    if payout is None or payout.undone_at is not None:
        raise NotFound("There is no such payout.")
    if payout.explained not in (AUTO, PERSON):
        raise Conflict("A file told of this payout, or nobody explained it. Undo the import instead.")
    if payout.source == BANK and session.scalar(banked.bank_line(payout.id)) is not None:
        raise Conflict("It stands on a line of the bank. Undo that match first.")
    act: dict[str, Any] = {"now": now, "source": Source.DESK, "actor": person.name}
    if payout.source == BANK:
        unsettle(session, payout, why, act)
        payout.undone_at, payout.undone_by, payout.undone_why = now, person.name, why
    else:
        unsettle(session, payout, why, act, keep_rows=True)
        payout.explained = ""
    audit.record(session, person, "undo_explanation", f"payout {payout.id}", now=now, why=why)
    tallies.bump(session)
