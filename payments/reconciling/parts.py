"""A line in parts: what each is for, and whether it may be so."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Exists, exists, or_, select
from sqlalchemy.orm import Session, aliased

from db.models import (
    BankAccount,
    CardBatch,
    CashMove,
    LineException,
    Match,
    MatchPart,
    Payment,
    Receipt,
    Reversal,
    StatementLine,
)
from db.money import Money
from payments.bank.overlaps import MATCHED, OPEN
from payments.errors import Conflict, InvalidInput, NotFound
from payments.legacy import OLD_RECEIPT
from payments.lifecycle import Method, Status
from payments.lump_sums import banked
from payments.matching import Target, Way
from payments.reconciling.book import PAYABLE
from payments.second_person import approvals

#: What one person may write off of a payment, or of what came too much.
WRITE_OFF_LIMIT = Money(50_00)
#: Money may be allocated to these; what is paid already can only be given a surplus.
TAKES_MONEY = frozenset({*PAYABLE, Status.WAIVED})
#: How a line was matched by what somebody typed: evidence kept with it is of what was proposed, not of that.
BY_HAND = "by hand"
#: How a line was matched on the word of two people.
BY_TWO = "by two people"
#: Receipts of money that people said is here, and that a line of the bank may still show.
VOUCHED = (approvals.VOUCHED, OLD_RECEIPT)


@dataclass(frozen=True)
class Part:
    """A part of a line and what it is for. ``written_off`` is what its payment is let off with it."""

    target: Target
    amount: Money
    payment_id: int | None = None
    written_off: Money | None = None
    bag_id: int | None = None
    line_id: int | None = None
    payout_id: int | None = None
    card_batch_id: int | None = None


@dataclass(frozen=True)
class Decided:
    """What is accepted for a line, and on what grounds."""

    line_id: int
    parts: tuple[Part, ...]
    way: str
    evidence: Mapping[str, Any]
    rule: str = ""
    why: str = ""


def what_waits(session: Session, line_id: int) -> LineException | None:
    """Of a line, or of what it brought too much: the one exception that is open."""
    return session.scalar(
        select(LineException).where(LineException.line_id == line_id, LineException.closed_at.is_(None))
    )


def locked_line(session: Session, line_id: int) -> StatementLine:
    """The line as it is on disk now, held until the transaction ends; its account is not closed meanwhile.

    Raises NotFound.
    """
    account = select(StatementLine.account_id).where(StatementLine.id == line_id).scalar_subquery()
    session.execute(select(BankAccount.id).where(BankAccount.id == account).with_for_update(read=True)).all()
    line = session.scalar(
        select(StatementLine)
        .where(StatementLine.id == line_id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if line is None:
        raise NotFound("There is no such line.")
    return line


def taken_back(session: Session, line_id: int) -> Match | None:
    """The match, of another line, by which this line was taken back."""
    return session.scalar(
        select(Match)
        .join(MatchPart, MatchPart.match_id == Match.id)
        .where(MatchPart.other_line_id == line_id, Match.undone_at.is_(None))
        .limit(1)
    )


def is_taken_back() -> Exists:
    """The same in SQL, of the line of a ``Match``."""
    back, taking = aliased(MatchPart), aliased(Match)
    return exists(
        select(back.id)
        .join(taking, taking.id == back.match_id)
        .where(back.other_line_id == Match.line_id, taking.undone_at.is_(None))
    )


def vouched(session: Session, payment_id: int, amount: Money) -> Receipt | None:
    """Money that people said is here, two of the desk or one of the earlier system, of just this amount, and
    that no line of the bank has shown yet."""
    shown = (
        select(MatchPart.receipt_id)
        .join(Match)
        .where(Match.undone_at.is_(None), MatchPart.receipt_id.is_not(None))
    )
    query = select(Receipt).where(
        Receipt.payment_id == payment_id,
        Receipt.kind == Method.EFT,
        or_(*(Receipt.source_reference.startswith(one, autoescape=True) for one in VOUCHED)),
        Receipt.amount_minor == amount.minor,
        Receipt.amount_currency == amount.currency,
        Receipt.id.not_in(shown),
        ~exists().where(Reversal.receipt_id == Receipt.id),
    )
    return session.scalar(query.order_by(Receipt.id).limit(1))


def check(
    session: Session,
    line: StatementLine,
    decided: Decided,
    payments: Mapping[int, Payment],
    *,
    two: bool = False,
) -> None:
    """Raises InvalidInput, Conflict or NotFound unless the parts are the line's amount, each can be for what
    it is for, and no more is written off than may be: by one person, or by ``two``."""
    total = sum(part.amount.minor for part in decided.parts)
    if not decided.parts or total != line.amount_minor:
        raise InvalidInput(
            f"The parts come to {Money(total, line.amount_currency)}, and the line is {line.amount}."
        )
    if any(part.amount.currency != line.amount_currency or not part.amount for part in decided.parts):
        raise InvalidInput(f"Each part is an amount in {line.amount_currency}, and not nothing.")
    given: dict[int, int] = {}
    for part in decided.parts:
        if part.target is Target.PAYMENT:
            assert part.payment_id is not None
            if part.written_off is None and vouched(session, part.payment_id, part.amount):
                continue  # it is here already, and this line shows it
            _check_payment(payments[part.payment_id], part, decided, given)
            _check_written_off(payments[part.payment_id], part, decided, two=two)
        elif part.target is Target.BATCH:
            _check_bag(session, part)
        elif part.target is Target.CARD:
            _check_batch(session, part)
        elif part.target is Target.LINE:
            _check_other(session, line, part)
        elif part.target is Target.PAYOUT:
            banked.check_tie(session, part.payout_id, part.amount)
    needs_reason = {Target.ASIDE, Target.SURPLUS} & {part.target for part in decided.parts}
    told = decided.rule or decided.way == Way.REFUND  # which refund it is says why
    if needs_reason and not told and len(decided.why.strip()) < 5:
        raise InvalidInput("Say why, in a few words: what is set aside is for no payment.")


def _check_payment(payment: Payment, part: Part, decided: Decided, given: dict[int, int]) -> None:
    rest = payment.owed_minor - payment.received_minor - given.get(payment.id, 0)
    off = part.written_off.minor if part.written_off else 0
    if payment.amount_currency != part.amount.currency:
        raise InvalidInput(f"{payment.reference} is asked in {payment.amount_currency}.")
    if payment.status not in TAKES_MONEY:
        raise Conflict(
            f"{payment.reference} is {payment.status.replace('_', ' ')}. Set the money aside as surplus."
        )
    if part.amount.minor < 0 or part.amount.minor + off > rest:
        left = Money(max(rest, 0), payment.amount_currency)
        raise Conflict(f"{payment.reference} waits for {left} now. What is more than that is surplus.")
    if off and part.amount.minor + off != rest:
        raise InvalidInput(f"Only all that {payment.reference} still lacks can be written off.")
    given[payment.id] = given.get(payment.id, 0) + part.amount.minor + off


def _check_written_off(payment: Payment, part: Part, decided: Decided, *, two: bool) -> None:
    if not part.written_off or decided.way == Way.FOREIGN:
        return
    if part.written_off.minor > WRITE_OFF_LIMIT.minor and not two:
        raise InvalidInput(
            f"{payment.reference} lacks {part.written_off}, and one person may write off "
            f"{WRITE_OFF_LIMIT} of a payment. Ask for a second person's approval."
        )
    if not decided.rule and len(decided.why.strip()) < 5:
        raise InvalidInput("Say why it is written off, in a few words.")


def _is_banked(session: Session, it: ColumnElement[bool]) -> bool:
    matched = select(Match.id).join(MatchPart, MatchPart.match_id == Match.id)
    return session.scalar(matched.where(it, Match.undone_at.is_(None))) is not None


def _check_bag(session: Session, part: Part) -> None:
    assert part.bag_id is not None
    if session.get(CashMove, part.bag_id) is None:
        raise NotFound("There is no such bag.")
    if _is_banked(session, MatchPart.bag_id == part.bag_id):
        raise Conflict("This bag was found in another line already.")


def _check_batch(session: Session, part: Part) -> None:
    """A card machine's batch comes to the bank once, whole or less what its bank keeps, never more."""
    batch = session.get(CardBatch, part.card_batch_id, with_for_update=True)
    if batch is None or batch.amount_currency != part.amount.currency:
        raise NotFound("There is no such batch of a card machine.")
    if _is_banked(session, MatchPart.card_batch_id == batch.id):
        raise Conflict("This batch was found in another line already.")
    if not 0 < part.amount.minor <= batch.amount_minor:
        raise InvalidInput(f"{batch.machine} counted {batch.amount}, and no more than that can come in.")


def _check_other(session: Session, line: StatementLine, part: Part) -> None:
    assert part.line_id is not None
    other = locked_line(session, part.line_id)
    if other.account_id != line.account_id or other.amount_minor != -line.amount_minor:
        raise InvalidInput("A line is taken back by one of the same amount on the same account.")
    if other.state not in (OPEN, MATCHED) or taken_back(session, other.id) is not None:
        raise Conflict("That line was taken back already.")
    banked.refuse_alone(session, other.id)
