"""What must hold of every till: numbers without a gap, a roll that is the ledger's, reports as signed."""

from collections.abc import Iterator

from sqlalchemy import and_, func, not_, or_, select
from sqlalchemy.orm import Session

from db.models import Receipt, Reversal, Till, TillEntry, ZReport
from payments.at_the_door.cash_up import seal


def broken(session: Session) -> Iterator[str]:
    """What does not hold, a sentence each; nothing when all of it does."""
    yield from _gaps(session)
    yield from _not_the_ledger(session)
    yield from _changed_reports(session)


def _gaps(session: Session) -> Iterator[str]:
    numbers = (
        select(TillEntry.till_id, func.count().label("count"), func.max(TillEntry.number).label("last"))
        .group_by(TillEntry.till_id)
        .subquery()
    )
    count, last = func.coalesce(numbers.c.count, 0), func.coalesce(numbers.c.last, 0)
    query = (
        select(Till.name, Till.next_number, count, last)
        .outerjoin(numbers, numbers.c.till_id == Till.id)
        .where(or_(count != last, Till.next_number != last + 1))
    )
    for name, following, how_many, highest in session.execute(query):
        yield f"{name}: {how_many} receipts, the last is number {highest}, the next would be {following}"


def _not_the_ledger(session: Session) -> Iterator[str]:
    """Each receipt that names a till is a line of its roll, and each correction a reversal."""
    till_money = Receipt.source_reference.startswith("roll-", autoescape=True)
    sold = and_(TillEntry.receipt_id == Receipt.id, TillEntry.reverses_id.is_(None))
    same = and_(
        TillEntry.amount_minor == Receipt.amount_minor,
        TillEntry.payment_id == Receipt.payment_id,
        TillEntry.method == Receipt.kind,
    )
    unfit = (
        select(Receipt.source_reference)
        .outerjoin(TillEntry, sold)
        .where(till_money, or_(TillEntry.id.is_(None), not_(same)))
    )
    for reference in session.scalars(unfit):
        yield f"receipt {reference}: no roll of a till says so"
    given_back = and_(TillEntry.receipt_id == Reversal.receipt_id, TillEntry.reverses_id.is_not(None))
    loose = (
        select(TillEntry.number, Reversal.id)
        .outerjoin(Reversal, given_back)
        .where(
            TillEntry.reverses_id.is_not(None),
            or_(Reversal.id.is_(None), Reversal.amount_minor != -TillEntry.amount_minor),
        )
    )
    for number, _ in session.execute(loose):
        yield f"correction {number}: no receipt was reversed by it"


def _changed_reports(session: Session) -> Iterator[str]:
    for number, till, body, signed in session.execute(
        select(ZReport.number, Till.name, ZReport.body, ZReport.sha256).join(Till, Till.id == ZReport.till_id)
    ):
        if seal(body) != signed:
            yield f"report {number} of {till} is not as it was signed"
