"""What must hold of payouts: no row of a file is lost, lines make their payout, nothing is paid out twice."""

from collections.abc import Iterator

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from db.models import Match, MatchPart, Payout, PayoutFile, PayoutLine, Receipt
from payments.lump_sums import banked
from payments.lump_sums.tariff import ROUNDING_MINOR


def broken(session: Session) -> Iterator[str]:
    yield from _rows(session)
    yield from _sums(session)
    yield from _settled(session)
    yield from _taken_off(session)
    yield from _tied(session)
    yield from _nights(session)


def _rows(session: Session) -> Iterator[str]:
    """Rows in = lines, those that could not be read among them, + named."""
    lines = select(func.count()).where(PayoutLine.file_id == PayoutFile.id).scalar_subquery()
    for number, rows, named, there in session.execute(
        select(PayoutFile.id, PayoutFile.rows, PayoutFile.named, lines).order_by(PayoutFile.id)
    ):
        if rows != there + len(named["rows"]):
            yield f"payout file {number}: {rows} rows came in, and it holds {there} and {len(named['rows'])}"


def _sums(session: Session) -> Iterator[str]:
    """What is in a payout comes to its gross and to what was taken off."""
    gross = func.sum(case((PayoutLine.kind == "capture", PayoutLine.gross_minor), else_=0))
    other = PayoutLine.kind.in_(("refund", "chargeback", "deduction"))
    off = PayoutLine.gross_minor - PayoutLine.fee_minor - PayoutLine.vat_minor
    less = -func.sum(case((other, off), else_=0))
    told = (
        select(PayoutLine.payout_id, gross.label("gross"), less.label("less"))
        .where(PayoutLine.state == "stands")
        .group_by(PayoutLine.payout_id)
        .subquery()
    )
    has, gone = func.coalesce(told.c.gross, 0), func.coalesce(told.c.less, 0)
    query = (
        select(Payout.id, Payout.gross_minor, Payout.less_minor, has, gone)
        .outerjoin(told, told.c.payout_id == Payout.id)
        .where(Payout.undone_at.is_(None), Payout.explained != "")
        .where(or_(Payout.gross_minor != has, Payout.less_minor != gone))
    )
    for number, wanted, off_, has_, gone_ in session.execute(query):
        yield f"payout {number}: {wanted} gross and {off_} off, and its lines say {has_} and {gone_}"


def _settled(session: Session) -> Iterator[str]:
    """A line settles just the money of its receipt, in a payout that stands."""
    query = (
        select(PayoutLine.id)
        .join(Receipt, Receipt.id == PayoutLine.receipt_id)
        .outerjoin(Payout, Payout.id == PayoutLine.payout_id)
        .where(PayoutLine.state == "stands")
        .where(
            or_(
                Receipt.amount_minor != PayoutLine.gross_minor,
                Receipt.payment_id != PayoutLine.payment_id,
                Payout.id.is_(None),
                Payout.undone_at.is_not(None),
            )
        )
    )
    for number in session.scalars(query):
        yield f"payout line {number}: its receipt or its payout says otherwise"


def _taken_off(session: Session) -> Iterator[str]:
    """A refund that an explanation takes off is one that is written down, and is taken off by it alone."""
    query = select(PayoutLine.payout_id, PayoutLine.id).where(
        PayoutLine.state == "stands", PayoutLine.kind == "refund", PayoutLine.file_id.is_(None),
        PayoutLine.refund_id.is_(None),
    )  # fmt: skip
    for payout, number in session.execute(query):
        yield (
            f"payout {payout}: its line {number} is a refund that another payout is less by already. "
            "Take it back on Payouts"
        )


def _tied(session: Session) -> Iterator[str]:
    """One line of the bank stands for a payout, with just its net."""
    query = (
        select(Payout.id, func.count(), func.max(MatchPart.amount_minor), Payout.net_minor)
        .join(MatchPart, MatchPart.payout_id == Payout.id)
        .join(Match, and_(Match.id == MatchPart.match_id, Match.undone_at.is_(None)))
        .group_by(Payout.id, Payout.net_minor, Payout.undone_at)
        .having(
            or_(
                func.count() > 1,
                func.max(MatchPart.amount_minor) != Payout.net_minor,
                Payout.undone_at.is_not(None),
            )
        )
    )
    for number, lines, amount, net in session.execute(query):
        yield f"payout {number}: {net}, on {lines} lines of the bank with {amount}"


def _nights(session: Session) -> Iterator[str]:
    """Payouts written down as one stand together, each on its line of the bank, and what each leaves to the
    others comes to nought."""
    query = select(Payout.id, Payout.explanation, banked.tied()).where(
        Payout.undone_at.is_(None), ~Payout.difference_minor.between(-ROUNDING_MINOR, ROUNDING_MINOR)
    )
    told, on_line = {}, set()
    for number, explanation, is_tied in session.execute(query):
        told[number] = explanation or {}
        if is_tied:
            on_line.add(number)
    for night in sorted({tuple(one["night"]) for one in told.values() if "night" in one}):
        named = f"payouts {', '.join(map(str, night))}"
        if not all(told.get(number, {}).get("night") == list(night) for number in night):
            yield f"{named}: one does not stand with the others of its night. Take the others back on Payouts"
        elif not on_line.issuperset(night):
            yield f"{named}: one of their night is on no line of the bank. Take them back on Payouts"
        elif off := sum(told[number]["beside_minor"] for number in night):
            yield f"{named}: {off} of their night is on none of their lines"
