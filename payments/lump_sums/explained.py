"""What is in a lump sum, written down once it is known, and taken back.

A payout holds the captures that its line of the bank brought. Where several lines of one night are sure only
together, nobody knows which brought which, and nothing is said of it: the largest of their payouts holds all
that they brought, and what of it stands on the others' lines is a difference of each, to the cent.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from db.models import Match, MatchPart, Payout, PayoutLine, Receipt, Refund, Reversal
from db.money import Money
from payments import dates
from payments.access.people import Action, Person, check
from payments.bank.overlaps import OPEN
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.finding import pasts
from payments.lifecycle import Kind, Source
from payments.live import tallies
from payments.lump_sums import banked, fees, went_back
from payments.lump_sums.captures import STANDS, as_rolled_up, settle, unsettle
from payments.matching import Target, Way
from payments.payouts import Explanation, Less, as_one
from payments.payouts.files import apart
from payments.privacy import reason
from payments.reconciling import reconciliation
from payments.reconciling.parts import BY_TWO, Decided, Part, locked_line
from payments.reconciling.reconciliation import AUTO, PERSON, write
from payments.watching import standstill

BANK = "bank"
#: What a match says of a payout that is written down as one with others of its night.
WITH_ITS_NIGHT = {
    "kind": "date",
    "agrees": True,
    "says": "sure together with others of that night; which line brought which is not known",
}


class LumpSum(Protocol):
    """A line of the bank, or a payout whose roll-up tells no captures; one of them."""

    @property
    def line_id(self) -> int | None: ...
    @property
    def payout_id(self) -> int | None: ...
    @property
    def amount(self) -> Money: ...
    @property
    def found(self) -> Sequence[Explanation]: ...


@dataclass(frozen=True)
class Hand:
    """Who writes it down, and when; ``two``: one person asked, another allowed it."""

    how: str
    by: str
    source: Source
    now: datetime
    why: str = ""
    two: bool = False

    @property
    def act(self) -> dict[str, Any]:
        return {"now": self.now, "source": self.source, "actor": self.by}


def write_down(session: Session, chosen: Sequence[tuple[LumpSum, Explanation]], hand: Hand) -> list[Payout]:
    """A lump sum with its explanation; or several of one night, as what they brought together.

    Raises Conflict: a capture or a line is not as it was.
    """
    for line_id in sorted(one.line_id for one, _ in chosen if one.line_id):
        locked_line(session, line_id)
    rolled_up = {one.payout_id for one, _ in chosen if one.payout_id is not None}
    some = select(Payout.id).where(Payout.id.in_(rolled_up)).order_by(Payout.id)
    session.execute(some.with_for_update()).all()  # before its refunds, as an import of its file does
    _hold_refunds(session, [one for _, one in chosen])
    if len(chosen) == 1:
        return [_write(session, *chosen[0], hand)]
    asked = {found.lump.id: one for one, found in chosen}
    night = [
        _write(session, asked[found.lump.id], found, hand) for found in as_one([one for _, one in chosen])
    ]
    days = sorted(day for _, found in chosen for day in found.days)
    together = {
        "night": [one.id for one in night],
        "night_days": [days[0].isoformat(), days[-1].isoformat()],
    }
    for payout in night:
        payout.explanation = {**(payout.explanation or {}), **together}
    return night


def _write(session: Session, asked: LumpSum, chosen: Explanation, hand: Hand) -> Payout:
    if chosen.lump.amount != asked.amount:
        raise InvalidInput("This explanation is of another sum.")
    _not_taken_off(session, chosen)
    payout = _payout(session, asked, chosen, hand)
    payout.explained, payout.explanation = hand.how, _kept(asked, chosen, hand.why)
    lines = [_line(session, payout, one, chosen, hand.now) for one in _still_there(session, chosen)]
    for item in chosen.items:
        session.add(
            PayoutLine(
                payout_id=payout.id, row=0, kind=item.kind, on=item.on, gross_minor=-item.amount.minor,
                state=STANDS, refund_id=item.id if item.kind is Less.REFUND else None, made_at=hand.now,
            )
        )  # fmt: skip
    session.flush()
    settle(session, [(line, payout.id) for line in lines], hand.act)
    if asked.line_id is not None:
        part = Part(Target.PAYOUT, asked.amount, payout_id=payout.id)
        evidence = {"way": str(Way.PAYOUT), "evidence": _evidence(chosen)}
        way = BY_TWO if hand.two else Way.PAYOUT
        decided = Decided(asked.line_id, (part,), way, evidence, why=hand.why)
        write(session, decided, how=hand.how, by=hand.by, source=hand.source, now=hand.now)
    elif (line := session.scalar(banked.bank_line(payout.id))) is not None:
        banked.note(session, payout.id, line.on, Kind.BANKED, hand.act)
    tallies.bump(session)
    return payout


def _evidence(chosen: Explanation) -> list[dict[str, Any]]:
    return [
        {"kind": "channel", "agrees": True, "says": "the bank says payout"},
        {"kind": "amount", "agrees": chosen.is_whole, "says": chosen.says},
        *([WITH_ITS_NIGHT] if chosen.beside else []),
    ]


def _kept(asked: LumpSum, chosen: Explanation, why: str) -> dict[str, Any]:
    """What was known when it was chosen: how many were as good, and what else each capture may be."""
    return {
        "says": chosen.says,
        "points": chosen.points,
        "beside_minor": chosen.beside.minor if chosen.beside else 0,
        "as_good": 1 if chosen.beside else len(asked.found),
        "held": [one.id for one in chosen.held],
        "held_among": [list(some) for some in chosen.held_among],
        "released": [one.id for one in chosen.released],
        "released_among": [list(some) for some in chosen.released_among],
        "why": why,
    }


def _payout(session: Session, asked: LumpSum, chosen: Explanation, hand: Hand) -> Payout:
    """The payout itself, held: a roll-up's own, or a new one for a line of the bank."""
    vat_bp = fees.tariff(session).on(chosen.days[-1]).vat_bp
    fee, vat = apart(chosen.fees.minor, vat_bp)
    sums = {
        "gross_minor": chosen.gross.minor, "fee_minor": fee, "vat_minor": vat,
        "payout_fee_minor": chosen.payout_fee.minor, "difference_minor": chosen.difference.minor,
        "less_minor": sum(item.amount.minor for item in chosen.items),
    }  # fmt: skip
    if asked.payout_id is not None:
        held = select(Payout).where(Payout.id == asked.payout_id).with_for_update()
        payout = session.scalar(held.execution_options(populate_existing=True))
        if payout is None or payout.undone_at is not None or payout.explained:
            raise Conflict("Somebody explained this payout already, or its import was undone.")
        pasts.payout(session, payout, hand.now)
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
        net_minor=line.amount_minor, payout_fee_told=False, explained=hand.how, made_at=hand.now,
        made_by=hand.by, **sums,
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
        .where(~exists().where(Reversal.receipt_id == Receipt.id), ~is_settled())
        .order_by(Receipt.payment_id)
    )
    found = list(session.scalars(query))
    if len(found) != len(wanted) or any(one.amount != wanted[one.id].gross for one in found):
        raise Conflict("A payment of this explanation is in another payout by now. Look at it again.")
    return found


def _not_taken_off(session: Session, chosen: Explanation) -> None:
    """Raises Conflict when another payout is less by one of its refunds, or may be."""
    wanted = [item.id for item in chosen.items if item.kind is Less.REFUND]
    refunds = session.scalars(select(Refund).where(Refund.id.in_(wanted))).all()
    if went_back.taken_off(session, refunds) & {*wanted}:
        raise Conflict("A refund of this explanation was taken off another payout by now. Look at it again.")


def _hold_refunds(session: Session, chosen: Iterable[Explanation]) -> None:
    """Nobody else takes one of them off until the transaction ends; before any payment, as a file does."""
    wanted = [item.id for one in chosen for item in one.items if item.kind is Less.REFUND]
    ours = select(Refund.id).where(Refund.id.in_(wanted)).order_by(Refund.id)
    session.execute(ours.with_for_update(key_share=True)).all()


def is_settled() -> Any:
    """A receipt is in a payout."""
    return exists(
        select(PayoutLine.id).where(PayoutLine.receipt_id == Receipt.id, PayoutLine.state == STANDS)
    )


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
    """Take an explanation back, with those of its night. Raises Conflict while one of them stands on a line
    of the bank that only it accounts for, or when a file told of it."""
    check(person, Action.RECONCILE)
    why = reason(why)
    payout = _held(session, payout_id)
    if payout.explained not in (AUTO, PERSON):
        raise Conflict("A file told of this payout, or nobody explained it. Undo the import instead.")
    _refuse_confirmed(payout)
    night = _standing(session, payout)
    on_bank = [one.id for one in night if one.source == BANK and _match(session, one.id) is not None]
    if on_bank:
        told = ", ".join(f"Payout {one}" for one in on_bank)
        raise Conflict(f"{told}: on a line of the bank. Undo that match first.")
    act: dict[str, Any] = {"now": now, "source": Source.DESK, "actor": person.name}
    for one in night:
        _unwrite(session, one, why, act)
        audit.record(session, person, "undo_explanation", f"payout {one.id}", now=now, why=why)
    tallies.bump(session)


def take_back(session: Session, person: Person, payout_id: int, why: str, *, now: datetime) -> None:
    """Undo what people may undo of a payout: its tie to the bank's line, then its explanation; with it those
    of its night, which stand or fall together. Raises Conflict, InvalidInput, NotFound."""
    check(person, Action.RECONCILE)
    standstill.refuse(session)
    for line_id in _lines_of_night(session, payout_id):
        locked_line(session, line_id)  # before any payout, as whoever matches a line does
    payout = _held(session, payout_id)
    _refuse_confirmed(payout)
    is_found = payout.explained in (AUTO, PERSON)
    for one in _standing(session, payout):
        if (match := _match(session, one.id)) is not None:
            reconciliation.undo(session, person, match, why, now=now, with_its_night=True)
    if is_found:
        undo(session, person, payout_id, why, now=now)


def _refuse_confirmed(payout: Payout) -> None:
    """Raises Conflict: the rows of the files that say the same would be in no payout."""
    if names := [one["name"] for one in banked.confirmed_by(payout)]:
        tell, them = ("tells", "that import") if len(names) == 1 else ("tell", "those imports")
        raise Conflict(
            f"{' and '.join(names)} {tell} of payout {payout.id} as well. Undo {them} first, under Files."
        )


def _lines_of_night(session: Session, payout_id: int) -> Sequence[int]:
    """The lines of the bank on which it stands, and those of its night."""
    payout = session.get(Payout, payout_id)
    night = banked.night_of(payout) if payout is not None else ()
    lines = select(Match.line_id).join(MatchPart, MatchPart.match_id == Match.id)
    lines = lines.where(MatchPart.payout_id.in_(night), Match.undone_at.is_(None))
    return session.scalars(lines.distinct().order_by(Match.line_id)).all()


def _standing(session: Session, payout: Payout) -> Sequence[Payout]:
    """Those of its night, held. One may be undone by itself: releases that know no nights did so."""
    night = select(Payout).where(Payout.id.in_(banked.night_of(payout)), Payout.undone_at.is_(None))
    return session.scalars(night.order_by(Payout.id).with_for_update()).all()


def _held(session: Session, payout_id: int) -> Payout:
    held = select(Payout).where(Payout.id == payout_id).with_for_update()
    payout = session.scalar(held.execution_options(populate_existing=True))
    if payout is None or payout.undone_at is not None:
        raise NotFound("There is no such payout.")
    return payout


def _match(session: Session, payout_id: int) -> int | None:
    """The match of the bank's line that stands for it."""
    standing = select(Match.id).join(MatchPart, MatchPart.match_id == Match.id)
    return session.scalar(standing.where(MatchPart.payout_id == payout_id, Match.undone_at.is_(None)))


def _unwrite(session: Session, payout: Payout, why: str, act: dict[str, Any]) -> None:
    if payout.source == BANK:
        unsettle(session, payout, why, act)
        payout.undone_at, payout.undone_by, payout.undone_why = act["now"], act["actor"], why
    else:
        unsettle(session, payout, why, act, keep_rows=True)
        as_rolled_up(session, payout, act["now"])
