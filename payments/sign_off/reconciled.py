"""The reconciliation statement: from the bank's balance, over what is not in our books, to what they say.

Each side is added up from its own rows: the bank from its files, our books from receipts, payouts and bags.
What is left between them is a difference, and a difference has a name: the rows that do not fit.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import and_, case, func, or_, select
from sqlalchemy.orm import Session

from db.many import some_at_once
from db.models import (
    CardBatch,
    CashMove,
    Match,
    MatchPart,
    Payout,
    Receipt,
    SignOff,
    StatementLine,
    SurplusMove,
)
from db.money import Money
from payments import dates
from payments.access.people import Action, Person, check
from payments.bank import accounts
from payments.bank.balances import BankDays
from payments.bank.overlaps import GONE
from payments.errors import Conflict
from payments.lump_sums import banked
from payments.sign_off.closed_days import LOCKING, ClosedDays, match_day, move_day, moved_surplus


@dataclass(frozen=True)
class Row:
    """What an entry is made of: a line, or all of a day. ``line_id`` leads to a line that waits."""

    on: date
    text: str
    amount: Money
    line_id: int | None = None


@dataclass(frozen=True)
class Entry:
    name: str
    amount: Money
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Reconciled:
    """``bank`` less all ``adjustments`` less ``difference`` is ``books``; ``named`` says what differs."""

    account: str
    account_number: str
    on: date
    bank: Money
    adjustments: tuple[Entry, ...]
    books: tuple[Entry, ...]
    named: tuple[Row, ...]
    #: Who signed the day and who approved it, or that nobody did.
    standing: str

    @property
    def total(self) -> Money:
        return _sum(self.books, self.bank.currency)

    @property
    def difference(self) -> Money:
        return self.bank - _sum(self.adjustments, self.bank.currency) - self.total


def step(amount: Money) -> tuple[str, Money]:
    """From the bank's balance towards the books: what is done with an adjustment, and with how much."""
    return ("less", amount) if amount.minor >= 0 else ("add back", -amount)


def statement(session: Session, person: Person, account_id: int, on: date) -> Reconciled:
    """The statement of an account in the evening of a day.

    Raises Conflict when no file that stands tells a balance by then; NotFound.
    """
    check(person, Action.SEE_BANK)
    account = accounts.row(session, account_id)
    first, last = _span(session, account_id, on)
    bank = BankDays(session, account_id)
    opening = bank.of(first).opening if first else None
    closing = bank.of(last).closing if last else None
    if first is None or opening is None or closing is None:
        raise Conflict(
            f"No statement of {account.name} tells its balance by {on:%-d %b %Y}: import one that does."
        )
    currency = account.currency
    before = Entry(
        "Balance before the first statement here",
        opening,
        (Row(first, "Brought forward, from before this desk", opening),),
    )
    waits, late = _waiting(session, account_id, on, currency), _late(session, account_id, on, currency)
    apart = _set_apart(session, account_id, on, currency)
    unknown = _unexplained(session, account_id, on, currency)
    moved = _moved(session, account_id, on, currency)
    moved["payout"] = [Row(row.on, f"less {row.text}", -row.amount) for row in unknown.rows]
    books = tuple(
        _by_day(session, account_id, on, currency, target, name, moved.get(target, ()))
        for target, name in _BOOKS.items()
    )
    return Reconciled(
        account.name, account.number, on, closing,
        tuple(one for one in (before, waits, late, apart, unknown) if one.rows),
        tuple(one for one in books if one.rows),
        tuple(_named(session, account_id, on, opening, closing)),
        _standing(session, account_id, on),
    )  # fmt: skip


_BOOKS = {
    "payment": "Payments received by EFT",
    "payout": "Payouts of the gateway, net",
    "bag": "Cash from the tills",
    "card": "Card machines, as counted",
    "surplus": "Surplus, owed to payers",
    "line": "Taken back by the bank",
}


def _standing(session: Session, account_id: int, on: date) -> str:
    query = select(SignOff).where(
        SignOff.account_id == account_id, SignOff.first_on <= on, SignOff.last_on >= on,
        SignOff.state.in_(LOCKING),
    )  # fmt: skip
    told = [
        f"Signed by {row.signer_name}, {dates.say_moment(row.signed_at)}; "
        + (
            f"approved by {row.approver_name}, {dates.say_moment(row.approved_at)}"
            if row.approver_name and row.approved_at
            else "not approved yet"
        )
        for row in session.scalars(query.order_by(SignOff.first_on.desc(), SignOff.id))
    ]
    return f"{told[0]}." if told else "Not signed: this day can still change."


def _sum(entries: Iterable[Entry], currency: str) -> Money:
    return Money(sum(one.amount.minor for one in entries), currency)


def _sum_rows(rows: Iterable[Row], currency: str) -> Money:
    return Money(sum(row.amount.minor for row in rows), currency)


def _span(session: Session, account_id: int, on: date) -> tuple[date | None, date | None]:
    """The first and last day with a line, by the bank's date, until a day."""
    found = session.execute(
        select(func.min(StatementLine.on), func.max(StatementLine.on)).where(
            StatementLine.account_id == account_id, StatementLine.state != GONE, StatementLine.on <= on
        )
    ).one()
    return found[0], found[1]


# -- what is at the bank and not in the books -----------------------------------------------------------


def _waiting(session: Session, account_id: int, on: date, currency: str) -> Entry:
    """Lines that were matched by then to nothing."""
    day = func.coalesce(StatementLine.booked_on, StatementLine.on)
    by_then = and_(
        Match.line_id == StatementLine.id,
        Match.undone_at.is_(None),
        func.coalesce(Match.booked_on, day) <= on,
    )
    query = (
        select(StatementLine)
        .outerjoin(Match, by_then)
        .where(
            StatementLine.account_id == account_id, StatementLine.state != GONE, day <= on,
            Match.id.is_(None),
        )
        .order_by(StatementLine.on, StatementLine.id)
    )  # fmt: skip
    return _of_lines("Not matched yet", session.scalars(query), currency)


def _late(session: Session, account_id: int, on: date, currency: str) -> Entry:
    """Lines of these days that came after they were signed: the bank has them, our books later."""
    query = (
        select(StatementLine)
        .where(
            StatementLine.account_id == account_id, StatementLine.state != GONE, StatementLine.on <= on,
            StatementLine.booked_on > on,
        )
        .order_by(StatementLine.on, StatementLine.id)
    )  # fmt: skip
    return _of_lines("Came late, booked on a later day", session.scalars(query), currency)


def _of_lines(name: str, lines: Iterable[StatementLine], currency: str) -> Entry:
    rows = tuple(Row(line.on, line.told, line.amount, line.id) for line in lines)
    return Entry(name, _sum_rows(rows, currency), rows)


# -- what is in the books, a day at a time ---------------------------------------------------------------

#: What a part says, by the rows it stands for: receipts, payouts, bags. Where it has none, by itself.
_SOURCE = case(
    (MatchPart.target == "payment", Receipt.amount_minor),
    (MatchPart.target == "payout", Payout.net_minor),
    (MatchPart.target == "bag", CashMove.amount_minor),
    (MatchPart.target == "card", CardBatch.amount_minor),
    else_=MatchPart.amount_minor,
)


#: Lines of one day that a statement names; a day of a conference has hundreds.
NAMED = 5
_OTHERWISE = "Part {} of a line is not what it stands for"


def _parts(account_id: int, on: date, *columns: Any) -> Any:
    return (
        select(*columns)
        .select_from(MatchPart)
        .join(Match, Match.id == MatchPart.match_id)
        .join(StatementLine, StatementLine.id == Match.line_id)
        .outerjoin(Receipt, Receipt.id == MatchPart.receipt_id)
        .outerjoin(Payout, Payout.id == MatchPart.payout_id)
        .outerjoin(CashMove, CashMove.id == MatchPart.bag_id)
        .outerjoin(CardBatch, CardBatch.id == MatchPart.card_batch_id)
        .where(
            StatementLine.account_id == account_id, StatementLine.state != GONE, Match.undone_at.is_(None),
            match_day() <= on,
        )
    )  # fmt: skip


def _moved(session: Session, account_id: int, on: date, currency: str) -> dict[str, list[Row]]:
    """Surplus that pays payments by then, by what it was and what it is."""
    day = move_day()
    query = (
        moved_surplus(day, func.sum(SurplusMove.amount_minor))
        .where(StatementLine.account_id == account_id, day <= on)
        .group_by(day)
        .order_by(day)
    )
    found: dict[str, list[Row]] = {"surplus": [], "payment": []}
    for one, minor in session.execute(query):
        amount = Money(int(minor), currency)
        found["surplus"].append(Row(one, "Moved to other payments of the payer", -amount))
        found["payment"].append(Row(one, "Paid with surplus of lines", amount))
    return found


def _by_day(
    session: Session,
    account_id: int,
    on: date,
    currency: str,
    target: str,
    name: str,
    more: Iterable[Row] = (),
) -> Entry:
    """Each line by its name; of a day with more than ``NAMED`` only how many they are."""
    days = _days(session, account_id, on, target)
    rows = [
        Row(one, f"{count} parts of lines", Money(minor, currency))
        for one, count, minor in days
        if count > NAMED
    ]
    few = [one for one, count, _ in days if count <= NAMED]
    rows += _by_name(session, account_id, on, currency, target, few)
    rows = sorted((*rows, *more), key=lambda row: row.on)
    return Entry(name, _sum_rows(rows, currency), tuple(rows))


def _days(session: Session, account_id: int, on: date, target: str) -> list[tuple[date, int, int]]:
    """By day, how many parts of lines, and what they come to."""
    day = match_day()
    query = (
        _parts(account_id, on, day, func.count(), func.sum(_SOURCE))
        .where(MatchPart.target == target)
        .group_by(day)
        .order_by(day)
    )
    return [(one, count, int(minor)) for one, count, minor in session.execute(query)]


def _by_name(
    session: Session, account_id: int, on: date, currency: str, target: str, days: Sequence[date]
) -> Iterator[Row]:
    day = match_day()
    for some in some_at_once(days):
        each = _parts(account_id, on, day, StatementLine, MatchPart.payout_id, _SOURCE).where(
            MatchPart.target == target, day.in_(some)
        )
        for one, line, payout, minor in session.execute(each.order_by(day, MatchPart.id)):
            told = f"Payout {payout}: {line.told}" if payout else line.told
            yield Row(one, told, Money(int(minor), currency))


def _set_apart(session: Session, account_id: int, on: date, currency: str) -> Entry:
    """What a second person signs for, by name: of the period that holds the day, and of whatever day nobody
    has signed. What was signed before is one row, and the statements of those days name it."""
    closed, since = ClosedDays(session, account_id), _period(session, account_id, on)
    days = _days(session, account_id, on, "aside")
    before = [told for told in days if told[0] < since and closed.holds(told[0])]
    rows = []
    if before:
        count, last = sum(some for _, some, _ in before), before[-1][0]
        are = "part of a line, signed for" if count == 1 else "parts of lines, signed for"
        minor = sum(minor for *_, minor in before)
        rows = [Row(last, f"{count:,} {are} until {last:%-d %b %Y}", Money(minor, currency))]
    gone = {one for one, *_ in before}
    named = [one for one, *_ in days if one not in gone]
    rows += _by_name(session, account_id, on, currency, "aside", named)
    return Entry("Set apart: for no payment of ours", _sum_rows(rows, currency), tuple(rows))


def _period(session: Session, account_id: int, on: date) -> date:
    """The first day of the period that is signed and holds this day; the day itself while none is."""
    query = select(func.min(SignOff.first_on)).where(
        SignOff.account_id == account_id, SignOff.first_on <= on, SignOff.last_on >= on,
        SignOff.state.in_(LOCKING),
    )  # fmt: skip
    return session.scalar(query) or on


def _unexplained(session: Session, account_id: int, on: date, currency: str) -> Entry:
    """What payouts brought that neither payments nor fees explain: no book but suspense has it."""
    day = match_day()
    query = (
        _parts(account_id, on, day, Payout)
        .where(MatchPart.target == "payout", Payout.difference_minor != 0)
        .order_by(day, Payout.id)
    )
    rows = tuple(
        Row(one, f"Not explained of payout {payout.id}", amount)
        for one, payout in session.execute(query)
        if (amount := banked.unexplained(payout))
    )
    return Entry("Brought by payouts, not explained", _sum_rows(rows, currency), rows)


# -- differences ---------------------------------------------------------------------------------------------


def _named(session: Session, account_id: int, on: date, opening: Money, closing: Money) -> Iterator[Row]:
    """What makes the difference: lines that do not lead from the first balance to the last, and parts that
    are not what they stand for."""
    lines = session.scalar(
        select(func.coalesce(func.sum(StatementLine.amount_minor), 0)).where(
            StatementLine.account_id == account_id, StatementLine.state != GONE, StatementLine.on <= on
        )
    )
    moved = Money(int(lines or 0), opening.currency)
    if gap := closing - opening - moved:
        lacks = "Lines the bank counts and no file here tells of"
        yield Row(on, lacks if gap.minor > 0 else "Lines here that the bank's balance does not count", gap)
    query = _parts(
        account_id,
        on,
        StatementLine.on,
        MatchPart.id,
        MatchPart.target,
        MatchPart.amount_minor,
        _SOURCE.label("source"),
    ).where(or_(MatchPart.amount_minor != _SOURCE, _SOURCE.is_(None)))
    for day, part, target, minor, source in session.execute(query.order_by(MatchPart.id)):
        off = Money(minor - (source or 0), opening.currency)
        says = (
            "Kept by a card machine's bank" if target == "card" and off.minor < 0 else _OTHERWISE.format(part)
        )
        yield Row(day, says, off)
