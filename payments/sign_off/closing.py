"""A day of a bank account as it can be signed: lines matched, explained, waiting, and what is in the way.

Each line stands in one class, so the classes add up to the lines: the sum law. Where files tell balances,
opening + lines = closing as well. What is decided of a line after its day was signed counts in the day it is
booked on; the signed day goes on showing it as it was.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, case, exists, func, or_, select
from sqlalchemy.orm import Session

from db.models import (
    LineException,
    Match,
    MatchPart,
    PayoutFile,
    PayoutLine,
    PersonRow,
    QuarantinedRow,
    StatementFile,
    StatementLine,
    SurplusMove,
)
from db.money import Money
from payments import dates
from payments.access.people import Action, Person, check
from payments.bank import accounts
from payments.bank.balances import Balances, BankDays
from payments.bank.imports import WAITS
from payments.bank.overlaps import GONE
from payments.reconciling import rests
from payments.sign_off.closed_days import match_day, moved_surplus, within

MATCHED, EXPLAINED, WAITING = "matched", "explained", "waiting"
#: Sentences of one kind that a draft tells; the rest is counted.
_TOLD = 10


@dataclass(frozen=True)
class Piece:
    """Some lines of a day: how many, and what they come to."""

    count: int
    amount: Money

    def __add__(self, other: "Piece") -> "Piece":
        return Piece(self.count + other.count, self.amount + other.amount)


@dataclass(frozen=True)
class Figures:
    """A day in numbers. ``explained`` was set apart with a reason; ``waiting`` is not matched in this day.

    ``late_lines`` are among its lines and belong to an earlier day by the bank's date; ``late_matches`` were
    decided here of lines of earlier days.
    """

    lines: Piece
    matched: Piece
    explained: Piece
    waiting: Piece
    late_lines: Piece
    late_matches: Piece

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            self.lines + other.lines, self.matched + other.matched, self.explained + other.explained,
            self.waiting + other.waiting, self.late_lines + other.late_lines,
            self.late_matches + other.late_matches,
        )  # fmt: skip

    @property
    def adds_up(self) -> bool:
        return self.matched + self.explained + self.waiting == self.lines


@dataclass(frozen=True)
class Waiting:
    """A line of the day that is not matched in it, or what it brought more than it paid (``rest``): whose it
    is and what is known of it."""

    line_id: int
    amount: Money
    text: str
    reason: str | None  # None: nobody has asked about it yet
    owner: str | None
    note: str
    rest: bool = False

    @property
    def told(self) -> bool:
        """Somebody owns it and said what it is about: then the day can be signed with it."""
        return bool(self.owner and self.note)

    @property
    def much(self) -> str:
        """What waits of it, in words: of a rest the line itself is matched."""
        return f"{self.amount} too much" if self.rest else str(self.amount)


@dataclass(frozen=True)
class Blocker:
    """What keeps a day from being signed, as a sentence, and the page that helps with its query."""

    sentence: str
    page: str | None = None
    query: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Draft:
    """A day, or all days of a month together. ``digest`` binds a signature to exactly this."""

    account_id: int
    first_on: date
    last_on: date
    figures: Figures
    balances: Balances
    waiting: tuple[Waiting, ...]
    blockers: tuple[Blocker, ...]

    @property
    def ready(self) -> bool:
        return not self.blockers

    @property
    def digest(self) -> str:
        told = {
            "account": self.account_id,
            "first": self.first_on.isoformat(),
            "last": self.last_on.isoformat(),
        }
        text = json.dumps(told | to_plain(self), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def draft(session: Session, person: Person, account_id: int, on: date, *, now: datetime) -> Draft:
    """A day as it stands now, with what is in the way of signing it. Raises NotFound."""
    return drafts(session, person, account_id, [on], now=now)[on]


def drafts(
    session: Session, person: Person, account_id: int, days: Sequence[date], *, now: datetime
) -> dict[date, Draft]:
    """Several days, with what they share read once. Raises NotFound."""
    check(person, Action.SEE_BANK)
    currency = accounts.row(session, account_id).currency
    if not days:
        return {}
    figures = figures_by_day(session, account_id, min(days), max(days))
    bank, found = BankDays(session, account_id), {}
    for on in days:
        waits = (*_waiting(session, account_id, on), *_rests(session, account_id, on))
        one = Draft(account_id, on, on, figures.get(on, nothing(currency)), bank.of(on), waits, ())
        found[on] = replace(one, blockers=tuple(_blockers(session, one, now)))
    return found


def nothing(currency: str) -> Figures:
    return Figures(*[Piece(0, Money(0, currency))] * 6)


# -- figures ------------------------------------------------------------------------------------------


def figures_by_day(session: Session, account_id: int, first: date, last: date) -> dict[date, Figures]:
    """Each day on which something is booked. One question for all of them."""
    currency = accounts.row(session, account_id).currency
    found: dict[date, Figures] = {}
    for day, class_, late, count, minor in session.execute(_classes(account_id, first, last)):
        piece = Piece(count, Money(int(minor), currency))
        more = {class_: piece, "lines": piece} | ({"late_lines": piece} if late else {})
        found[day] = found.get(day, nothing(currency)) + replace(nothing(currency), **more)
    for day, count, minor in session.execute(_late_matches(account_id, first, last)):
        piece = Piece(count, Money(int(minor), currency))
        found[day] = found.get(day, nothing(currency)) + replace(nothing(currency), late_matches=piece)
    moves = moved_surplus(SurplusMove.booked_on, func.count()).where(
        StatementLine.account_id == account_id, SurplusMove.booked_on.between(first, last)
    )
    for day, count in session.execute(moves.group_by(SurplusMove.booked_on)):
        # Decided here of a line of an earlier day; what is matched in all does not change by it.
        piece = Piece(count, Money(0, currency))
        found[day] = found.get(day, nothing(currency)) + replace(nothing(currency), late_matches=piece)
    return found


def _classes(account_id: int, first: date, last: date) -> Any:
    day = func.coalesce(StatementLine.booked_on, StatementLine.on)
    apart = exists().where(MatchPart.match_id == Match.id, MatchPart.target.in_(("surplus", "aside")))
    class_ = case((Match.id.is_(None), WAITING), (apart, EXPLAINED), else_=MATCHED)
    late = StatementLine.booked_on.is_not(None)
    return (
        select(day, class_, late, func.count(), func.sum(StatementLine.amount_minor))
        .outerjoin(Match, _in_its_own_day())
        .where(StatementLine.state != GONE, within(account_id, first, last))
        .group_by(day, class_, late)
    )


def _in_its_own_day() -> Any:
    """The match that stands of a line and was decided while its day was open."""
    return and_(Match.line_id == StatementLine.id, Match.undone_at.is_(None), Match.booked_on.is_(None))


def _late_matches(account_id: int, first: date, last: date) -> Any:
    return (
        select(Match.booked_on, func.count(), func.sum(StatementLine.amount_minor))
        .join(StatementLine, StatementLine.id == Match.line_id)
        .where(
            Match.booked_on.between(first, last), Match.undone_at.is_(None),
            StatementLine.account_id == account_id,
        )
        .group_by(Match.booked_on)
    )  # fmt: skip


def _waiting(session: Session, account_id: int, on: date) -> Iterator[Waiting]:
    line = StatementLine
    rows = session.execute(
        select(
            line.id, line.amount_minor, line.amount_currency, line.description, line.reference,
            LineException.reason, LineException.note, PersonRow.name,
        )
        .outerjoin(Match, _in_its_own_day())
        .outerjoin(
            LineException,
            and_(LineException.line_id == StatementLine.id, LineException.closed_at.is_(None)),
        )
        .outerjoin(PersonRow, PersonRow.id == LineException.owner_id)
        .where(
            StatementLine.state != GONE, within(account_id, on, on),
            Match.id.is_(None),
        )
        .order_by(StatementLine.id)
    )  # fmt: skip
    for number, minor, currency, described, reference, reason, note, owner in rows:
        text = f"{described} {reference}".strip()
        yield Waiting(number, Money(minor, currency), text, reason, owner, (note or "").strip())


def _rests(session: Session, account_id: int, on: date) -> Iterator[Waiting]:
    """What lines matched in the day brought more than they paid, while nobody said what becomes of it. Their
    lines count as explained: somebody explains them before the day is signed."""
    left = rests.left_minor(LineException.part_id)
    rows = session.execute(
        select(StatementLine, LineException.reason, LineException.note, PersonRow.name, left)
        .join(Match, and_(Match.line_id == StatementLine.id, Match.undone_at.is_(None)))
        .join(LineException, LineException.line_id == StatementLine.id)
        .outerjoin(PersonRow, PersonRow.id == LineException.owner_id)
        .where(
            LineException.closed_at.is_(None), LineException.part_id.is_not(None),
            StatementLine.account_id == account_id, match_day() == on,
        )
        .order_by(StatementLine.id)
    )  # fmt: skip
    for line, reason, note, owner, minor in rows:
        money = Money(minor, line.amount_currency)
        yield Waiting(line.id, money, line.told, reason, owner, note.strip(), rest=True)


def decided_lines(session: Session, person: Person, account_id: int, on: date) -> list[int]:
    """The lines whose match is booked on a day, the newest match first."""
    check(person, Action.SEE_BANK)
    rows = session.scalars(
        select(StatementLine.id)
        .join(Match, Match.line_id == StatementLine.id)
        .where(
            StatementLine.account_id == account_id, StatementLine.state != GONE, Match.undone_at.is_(None),
            or_(Match.booked_on == on, and_(Match.booked_on.is_(None), within(account_id, on, on))),
        )
        .order_by(Match.id.desc())
    )  # fmt: skip
    return list(rows)


# -- what is in the way -------------------------------------------------------------------------------

RECONCILE, STATEMENTS, PAYOUTS = "finance/workbench", "finance/statements", "finance/payouts"


def _blockers(session: Session, one: Draft, now: datetime) -> Iterator[Blocker]:
    on = one.first_on
    over = on < dates.business_day(now)
    if not over:
        yield Blocker("The day is not over: it can be signed from tomorrow on.")
    if not one.figures.lines.count and not one.figures.late_matches.count:
        if over:  # its statement comes when it is
            yield Blocker("Nothing is booked on this day, so there is nothing to sign.", STATEMENTS)
        return
    if not one.figures.adds_up:
        yield Blocker("The lines of the day do not add up to what they are for.", RECONCILE)
    yield from (Blocker(sentence, STATEMENTS) for sentence in one.balances.faults)
    yield from _unread(session, one.account_id, on)
    yield from _unread_of_payouts(session, on)
    yield from _not_whole(session, one.account_id, on)
    yield from _untold(one)


def _unread(session: Session, account_id: int, on: date) -> Iterator[Blocker]:
    """Rows that could not be read and are, or may be, of this day."""
    rows = session.execute(
        select(StatementFile.name, QuarantinedRow.row)
        .join(StatementFile, StatementFile.id == QuarantinedRow.file_id)
        .where(
            QuarantinedRow.state == WAITS, StatementFile.undone_at.is_(None),
            StatementFile.account_id == account_id,
            or_(
                QuarantinedRow.on == on,
                and_(
                    QuarantinedRow.on.is_(None), StatementFile.first_on <= on, StatementFile.last_on >= on
                ),
            ),
        )
        .order_by(QuarantinedRow.id)
        .limit(_TOLD)
    )  # fmt: skip
    for name, row in rows:
        yield Blocker(f"{name}, row {row}, could not be read. Repair it, or set it aside.", STATEMENTS)


def _unread_of_payouts(session: Session, on: date) -> Iterator[Blocker]:
    """Rows of the gateway's files that could not be read. What they tell of stands on a bank's statement some
    day after it was taken, so they keep each day open from the first of their file on."""
    first = (
        select(PayoutLine.file_id, func.min(PayoutLine.on).label("day"))
        .group_by(PayoutLine.file_id)
        .subquery()
    )
    rows = session.execute(
        select(PayoutFile.name, PayoutLine.row)
        .join(PayoutFile, PayoutFile.id == PayoutLine.file_id)
        .join(first, first.c.file_id == PayoutLine.file_id)
        .where(
            PayoutLine.state == WAITS, PayoutFile.undone_at.is_(None),
            or_(first.c.day.is_(None), first.c.day <= on),
        )
        .order_by(PayoutLine.id)
        .limit(_TOLD)
    )  # fmt: skip
    for name, row in rows:
        yield Blocker(f"{name}, row {row}, could not be read. Look at it, and set it aside.", PAYOUTS)


def _not_whole(session: Session, account_id: int, on: date) -> Iterator[Blocker]:
    """A statement drawn before the day was over may lack its evening."""
    whole = select(StatementFile.id).where(
        StatementFile.account_id == account_id, StatementFile.undone_at.is_(None),
        or_(
            StatementFile.last_on > on,
            and_(StatementFile.last_on == on, StatementFile.imported_at >= dates.day_span(on).end),
        ),
    )  # fmt: skip
    if session.scalar(whole.limit(1)) is None:
        yield Blocker(
            f"The last statement was imported before {on:%-d %b %Y} was over. Import one of all of it.",
            STATEMENTS,
        )


def _untold(one: Draft) -> Iterator[Blocker]:
    loose = [line for line in one.waiting if not line.told]
    for line in loose[:_TOLD]:
        if line.reason is None:
            yield Blocker(
                f"{line.amount}, {line.text}: nobody asked yet what it is for. Propose matches.", RECONCILE
            )
            continue
        lacks = "an owner and an explanation" if not (line.owner or line.note) else (
            "an explanation" if line.owner else "an owner"
        )  # fmt: skip
        yield Blocker(
            f"{line.much}, {line.text}: it waits, and lacks {lacks}.", RECONCILE,
            (("line", str(line.line_id)),),
        )  # fmt: skip
    if len(loose) > _TOLD:
        yield Blocker(f"And {len(loose) - _TOLD} more lines like these.", RECONCILE)


# -- as it is kept ------------------------------------------------------------------------------------


def to_plain(one: Draft) -> dict[str, Any]:
    """A draft in plain values, as it is signed."""
    return {
        "currency": one.figures.lines.amount.currency,
        "opening": one.balances.opening.minor if one.balances.opening is not None else None,
        "closing": one.balances.closing.minor if one.balances.closing is not None else None,
        "pieces": pieces_to_plain(one.figures),
        "exceptions": [
            {
                "line": line.line_id, "minor": line.amount.minor, "text": line.text, "reason": line.reason,
                "owner": line.owner, "note": line.note,
            } | ({"rest": True} if line.rest else {})
            for line in one.waiting
        ],
    }  # fmt: skip


_PIECES = ("lines", "matched", "explained", "waiting", "late_lines", "late_matches")


def pieces_to_plain(figures: Figures) -> dict[str, list[int]]:
    pieces: Mapping[str, Piece] = {name: getattr(figures, name) for name in _PIECES}
    return {name: [piece.count, piece.amount.minor] for name, piece in pieces.items()}


def figures_of(plain: Mapping[str, Any]) -> Figures:
    """The figures of a draft as it was kept."""
    pieces = defaultdict(lambda: [0, 0], plain["pieces"])
    return Figures(*(Piece(pieces[name][0], Money(pieces[name][1], plain["currency"])) for name in _PIECES))
