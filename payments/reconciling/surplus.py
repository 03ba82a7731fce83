"""Surplus of bank lines: what is there, and paying another payment of the same payer with it.

The line's parts stay as they were decided; a move stands beside them, brings its payment a receipt of its own
and is undone for itself. A line's surplus less what was moved of it is never below nothing, so what a line is
for always comes to what it brought.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.many import some_at_once
from db.models import Match, MatchPart, Payment, Receipt, Reversal, StatementLine, SurplusMove
from db.money import Money
from payments import holding, lifecycle
from payments.access.people import Action, Person, check
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotFound
from payments.lifecycle import Kind, Method, Source
from payments.live import tallies
from payments.money_back import reversals
from payments.privacy import reason
from payments.reconciling import rests, same_payer
from payments.reconciling.parts import TAKES_MONEY, is_taken_back, locked_line, taken_back
from payments.reconciling.rests import Fate
from payments.sign_off import closed_days
from payments.watching import standstill

#: What a receipt of moved surplus is called; the number of its move follows.
MOVED = "surplus-"
_MOST = 50
#: So many are asked about in one question.
_AT_ONCE = 50
NO_SURPLUS = (
    "There is no such surplus: it was undone, or never was. Reconcile lists what there is, under Surplus."
)


@dataclass(frozen=True)
class Move:
    id: int
    reference: str
    payer: str
    amount: Money
    by: str
    at: datetime
    why: str


@dataclass(frozen=True)
class Surplus:
    """What a line brought too much. ``left`` pays nothing yet; ``whose`` are the payments of its line.

    ``waits``: nobody has said yet what becomes of it (``rests``); ``decided_by``: who said so, where it had
    waited, and ``fate`` what.
    """

    part_id: int
    line_id: int
    on: date
    text: str
    amount: Money
    left: Money
    whose: tuple[str, ...]
    moves: tuple[Move, ...]
    waits: bool = False
    decided_by: str = ""
    fate: Fate | None = None

    @property
    def free(self) -> bool:
        """Whether it may pay something, as it stands."""
        return bool(self.left) and not self.decided_by


# -- looking ------------------------------------------------------------------------------------------


def standing(session: Session, person: Person, *, limit: int = _MOST) -> list[Surplus]:
    """Surplus that stands on lines, what pays nothing yet first, then the newest."""
    check(person, Action.SEE_BANK)
    moved = (
        select(SurplusMove.part_id, func.sum(SurplusMove.amount_minor).label("minor"))
        .where(SurplusMove.undone_at.is_(None))
        .group_by(SurplusMove.part_id)
        .subquery()
    )
    left = MatchPart.amount_minor - func.coalesce(moved.c.minor, 0)
    rows = session.execute(
        select(MatchPart, StatementLine, left)
        .join(Match, Match.id == MatchPart.match_id)
        .join(StatementLine, StatementLine.id == Match.line_id)
        .outerjoin(moved, moved.c.part_id == MatchPart.id)
        .where(MatchPart.target == "surplus", MatchPart.amount_minor > 0, Match.undone_at.is_(None))
        .where(~is_taken_back())
        .order_by((left > 0).desc(), MatchPart.id.desc())
        .limit(limit)
    ).all()
    told: list[Surplus] = []
    for some in some_at_once(rows, _AT_ONCE):
        told += _told(session, some)
    return told


def _told(session: Session, rows: Sequence[Any]) -> list[Surplus]:
    """Parts that are surplus, each with its line and what is left of it, as whoever looks is told."""
    parts = [part for part, *_ in rows]
    numbers = [part.id for part in parts]
    moves, whose = _moves(session, numbers), same_payer.whose(session, numbers)
    states = rests.states(session, numbers)
    return [
        Surplus(
            part.id, line.id, line.on, line.told, part.amount, Money(int(minor), part.amount_currency),
            tuple(one.reference for one in whose[part.id]), tuple(moves[part.id]), *states[part.id],
        )
        for part, line, minor in rows
    ]  # fmt: skip


def _moves(session: Session, part_ids: Iterable[int]) -> dict[int, list[Move]]:
    found: dict[int, list[Move]] = defaultdict(list)
    query = (
        select(SurplusMove, Payment)
        .join(Payment, Payment.id == SurplusMove.payment_id)
        .where(SurplusMove.part_id.in_(list(part_ids)), SurplusMove.undone_at.is_(None))
        .order_by(SurplusMove.id)
    )
    for row, payment in session.execute(query):
        found[row.part_id].append(
            Move(row.id, payment.reference, payment.payer_name, row.amount, row.by, row.at, row.why)
        )
    return found


# -- moving, and back ---------------------------------------------------------------------------------


def move(
    session: Session, person: Person, part_id: int, reference: str, amount: Money, why: str, *, now: datetime
) -> int:
    """Pay another payment of the same payer with surplus; returns the move's number. What nobody set apart
    yet may pay whoever it was meant for: who pays for friends names one of them.

    Raises NotFound, NotAllowed, InvalidInput (another payer's, more than is left or owed), Conflict (what
    becomes of it was decided).
    """
    check(person, Action.RECONCILE)
    standstill.refuse(session)
    why = reason(why)
    part, match, line = _held(session, part_id)
    if match.undone_at is not None or taken_back(session, line.id) is not None:
        raise Conflict(rests.GONE)
    number = session.scalar(select(Payment.id).where(Payment.reference == reference))
    if number is None:
        raise NotFound(f"There is no payment {reference}.")
    whose = same_payer.whose(session, [part.id])[part.id]
    held = {one: holding.payment(session, one) for one in sorted({number, *(one.id for one in whose)})}
    payment = held[number]
    _checked(session, part, whose, payment, amount)
    act: dict[str, Any] = {"now": now, "source": Source.DESK, "actor": person.name}
    row = _pay(session, part, line, payment, amount, why, act)
    about: dict[str, Any] = {
        "move": row.id, "line": line.id, "on": line.on.isoformat(), "why": why,
        "amount_minor": amount.minor, "currency": amount.currency,
    }  # fmt: skip
    first = whose[0]
    lifecycle.note(session, payment, Kind.SURPLUS, **act, **about, step="came", other=first.reference)
    for one in whose:
        lifecycle.note(session, one, Kind.SURPLUS, **act, **about, step="went", other=reference)
    audit.record(
        session, person, "move_surplus", reference, now=now, event_id=payment.event_id, move=row.id,
        of=[one.reference for one in whose], amount_minor=amount.minor, why=why,
    )  # fmt: skip
    rests.close_when_paid_out(session, part_id, person.name, now)
    tallies.bump(session)
    return row.id


def _is_surplus(part: MatchPart) -> bool:
    return part.target == "surplus" and part.amount_minor > 0


def _held(session: Session, part_id: int) -> tuple[MatchPart, Match, StatementLine]:
    part = session.get(MatchPart, part_id)
    if part is None or not _is_surplus(part):
        raise NotFound(NO_SURPLUS)
    line = locked_line(session, session.get_one(Match, part.match_id).line_id)
    match = session.get_one(Match, part.match_id, populate_existing=True)
    return part, match, line


def _checked(
    session: Session, part: MatchPart, whose: Sequence[Payment], payment: Payment, amount: Money
) -> None:
    if not whose:
        raise InvalidInput("Nobody is named by this line: undo its match, and say whose the surplus is.")
    it = rests.state(session, part.id)
    if it.decided_by:
        raise Conflict(f"{it.decided_by} decided what becomes of it. Let it wait again first, under Surplus.")
    if payment in whose or not (it.waits or any(same_payer.is_same(payment, one) for one in whose)):
        names = ", ".join(one.reference for one in whose)
        raise InvalidInput(
            f"{payment.reference} is not another payment of who paid {names}: they have neither address nor "
            "phone number in common. Give the surplus back, or undo the match and split the line."
        )
    if payment.status not in TAKES_MONEY:
        raise Conflict(f"{payment.reference} is {payment.status.replace('_', ' ')}, and asks for nothing.")
    limit = _at_most(session, part, payment)
    if amount.currency != limit.currency or not 1 <= amount.minor <= limit.minor:
        raise InvalidInput(f"{limit} at most can be moved: what is left, and what {payment.reference} lacks.")


def most(session: Session, person: Person, part_id: int, reference: str) -> Money:
    """How much may be moved to a payment at most: what is left, and what it lacks. Raises NotFound."""
    check(person, Action.SEE_BANK)
    part, payment = (
        session.get(MatchPart, part_id),
        session.scalar(select(Payment).where(Payment.reference == reference)),
    )
    if part is None or not _is_surplus(part):
        raise NotFound(NO_SURPLUS)
    if payment is None:
        raise NotFound(f"There is no payment {reference}.")
    return _at_most(session, part, payment)


def _at_most(session: Session, part: MatchPart, payment: Payment) -> Money:
    return min(_left(session, part), same_payer.owed(payment), key=lambda money: money.minor)


def _left(session: Session, part: MatchPart) -> Money:
    return Money(session.scalar(select(rests.left_minor(part.id))) or 0, part.amount_currency)


def _pay(
    session: Session,
    part: MatchPart,
    line: StatementLine,
    payment: Payment,
    amount: Money,
    why: str,
    act: dict[str, Any],
) -> SurplusMove:
    """The receipt first, by a number of its own: a move cannot stand without one."""
    times = session.scalar(select(func.count()).where(SurplusMove.part_id == part.id)) or 0
    said = f"{MOVED}{part.id}-{times + 1}"
    lifecycle.receive(session, payment, kind=Method.EFT, source_reference=said, amount=amount, **act)
    receipt = session.scalars(
        select(Receipt.id).where(Receipt.kind == Method.EFT, Receipt.source_reference == said)
    ).one()
    row = SurplusMove(
        part_id=part.id, payment_id=payment.id, receipt_id=receipt, amount_minor=amount.minor,
        amount_currency=amount.currency, booked_on=_booked_on(session, part, line), why=why, at=act["now"],
        by=act["actor"],
    )  # fmt: skip
    session.add(row)
    session.flush()
    return row


def _booked_on(session: Session, part: MatchPart, line: StatementLine) -> date | None:
    match = session.get_one(Match, part.match_id)
    return closed_days.ClosedDays(session, line.account_id).booked_on(closed_days.day_of_match(match, line))


def undo(session: Session, person: Person, move_id: int, why: str, *, now: datetime) -> None:
    """Take a move back: its payment waits for its money again, and the line has its surplus.

    Raises NotFound, NotAllowed, InvalidInput, Conflict (undone, its day is signed off, given back).
    """
    check(person, Action.RECONCILE)
    standstill.refuse(session)
    why = reason(why)
    row = session.get(SurplusMove, move_id)
    if row is None:
        raise NotFound("There is no such move.")
    part, match, line = _held(session, row.part_id)
    session.refresh(row)
    if row.undone_at is not None:
        raise Conflict(f"{row.undone_by} took this back already.")
    if taken_back(session, line.id) is not None:
        raise Conflict("The bank took the line back, and this with it; undo that match first.")
    day = row.booked_on or closed_days.day_of_match(match, line)
    closed_days.refuse_change(session, line.account_id, day)
    whose = same_payer.whose(session, [part.id])[part.id]
    for number in sorted({row.payment_id, *(one.id for one in whose)}):
        holding.payment(session, number)
    act: dict[str, Any] = {"now": now, "source": Source.DESK, "actor": person.name}
    reversals.reverse(session, row.payment, row.receipt, why, **act)
    row.undone_at, row.undone_by, row.undone_why = now, person.name, why
    session.flush()
    rests.wait_again(session, part, line.id, now)
    for one in (row.payment, *whose):
        lifecycle.note(
            session, one, Kind.SURPLUS, **act, move=row.id, line=line.id, on=line.on.isoformat(), why=why,
            amount_minor=row.amount_minor, currency=row.amount_currency, step="undone",
            other=row.payment.reference,
        )  # fmt: skip
    audit.record(
        session, person, "undo_surplus_move", row.payment.reference, now=now, move=row.id,
        event_id=row.payment.event_id, why=why,
    )  # fmt: skip
    tallies.bump(session)


# -- what becomes of moves with their line -----------------------------------------------------------


def of_match(session: Session, match: Match) -> list[SurplusMove]:
    """The moves that stand of what a match set apart."""
    return list(
        session.scalars(
            select(SurplusMove)
            .join(MatchPart, MatchPart.id == SurplusMove.part_id)
            .where(MatchPart.match_id == match.id, SurplusMove.undone_at.is_(None))
            .order_by(SurplusMove.payment_id)
        )
    )


def refuse_undo(session: Session, match: Match) -> None:
    """Raises Conflict while surplus of a match pays something else."""
    if moves := of_match(session, match):
        raise Conflict(
            f"{moves[0].amount} of its surplus pays {moves[0].payment.reference}: take that back first."
        )


def go_with_line(session: Session, match: Match, why: str, act: dict[str, Any]) -> list[int]:
    """The bank took a line back: what its surplus paid waits for its money again. Returns these payments."""
    moves = of_match(session, match)
    for row in moves:
        reversals.reverse(session, holding.payment(session, row.payment_id), row.receipt, why, **act)
    return [row.payment_id for row in moves]


def end_with_match(
    session: Session, match: Match, line: StatementLine, why: str, act: dict[str, Any]
) -> None:
    """A line stands again by a new match, with its surplus whole: what that pays is decided anew."""
    for row in of_match(session, match):
        day = row.booked_on or closed_days.day_of_match(match, line)
        closed_days.refuse_change(session, line.account_id, day)
        row.undone_at, row.undone_by, row.undone_why = act["now"], act["actor"], why
    session.flush()


def broken(session: Session) -> Iterator[str]:
    """Moves that are not their receipt's, or of a match that does not stand, and surplus moved twice over."""
    stands = SurplusMove.undone_at.is_(None)
    rows = session.execute(
        select(SurplusMove, Receipt, Match, Reversal.id)
        .join(Receipt, Receipt.id == SurplusMove.receipt_id)
        .join(MatchPart, MatchPart.id == SurplusMove.part_id)
        .join(Match, Match.id == MatchPart.match_id)
        .outerjoin(Reversal, Reversal.receipt_id == Receipt.id)
        .order_by(SurplusMove.id)
    )
    for row, receipt, match, gone in rows:
        if (receipt.payment_id, receipt.amount) != (row.payment_id, row.amount):
            yield f"move {row.id}: its receipt says otherwise"
        by_bank = taken_back(session, match.line_id) is not None
        if row.undone_at is None and match.undone_at is not None:
            yield f"move {row.id}: its match was undone"
        elif (gone is None) != (row.undone_at is None and not by_bank):
            yield f"move {row.id}: it stands otherwise than its receipt"
    total = func.sum(SurplusMove.amount_minor)
    over = (
        select(MatchPart.id, total)
        .join(SurplusMove, SurplusMove.part_id == MatchPart.id)
        .where(stands)
        .group_by(MatchPart.id, MatchPart.amount_minor)
        .having(total > MatchPart.amount_minor)
    )
    for part, minor in session.execute(over):
        yield f"part {part}: {minor} cents of it were moved, and it is less"
    yield from rests.broken(session)
    by_move = select(SurplusMove.receipt_id)
    loose = select(Receipt.source_reference).where(
        Receipt.source_reference.startswith(MOVED, autoescape=True), Receipt.id.not_in(by_move)
    )
    for said in session.scalars(loose):
        yield f"receipt {said}: no move brought it"
