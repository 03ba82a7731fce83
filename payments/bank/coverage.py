"""Which statements tell of which days of an account: once, twice, or not at all, and whether any is missing.

Between two statements that tell balances, money says what is true: where one closes as the next opens nothing
happened on the days between, and where it does not, a statement is missing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import BankAccount, StatementFile
from db.money import Money
from payments.access.people import Action, Person, check


class Told(StrEnum):
    """How a day is told of by statements."""

    ONCE = "once"
    TWICE = "twice"  # by several, which overlap or meet on it
    STILL = "still"  # by none: the balances around it meet, so nothing happened
    MISSING = "missing"  # by none, and the balances around it do not meet
    UNPROVEN = "unproven"  # by none, between two of which one tells no balance
    BEFORE = "before"  # the first begins later
    NOT_YET = "not yet"  # the last ends earlier


@dataclass(frozen=True)
class Cover:
    """A day and the statements that tell of it; where one is missing, ``why`` says so."""

    told: Told
    files: tuple[str, ...] = ()
    why: str = ""


@dataclass(frozen=True)
class _Span:
    """The days and balances of a statement that stands."""

    name: str
    first: date
    last: date
    opening: Money | None
    closing: Money | None


@dataclass(frozen=True)
class _Hole:
    """Two statements with days between them of which none tells."""

    before: _Span
    after: _Span

    @property
    def told(self) -> Told:
        if self.before.closing is None or self.after.opening is None:
            return Told.UNPROVEN
        return Told.STILL if self.before.closing == self.after.opening else Told.MISSING

    @property
    def sentence(self) -> str:
        one, then = self.before, self.after
        return (
            f"{one.name} ends on {one.last:%-d %b %Y} with {one.closing}, and {then.name} begins on "
            f"{then.first:%-d %b %Y} with {then.opening}. A statement between them is missing."
        )


def gaps(session: Session, person: Person) -> list[str]:
    """Of each account, where balances of statements that follow each other do not meet: sentences."""
    check(person, Action.SEE_BANK)
    accounts = session.execute(select(BankAccount.id, BankAccount.name).order_by(BankAccount.id)).all()
    return [
        f"{name}: {hole.sentence}"
        for number, name in accounts
        for hole in _holes(_spans(session, number))
        if hole.told is Told.MISSING
    ]


def by_day(
    session: Session, person: Person, account_id: int, first: date, last: date
) -> Mapping[date, Cover]:
    """Each day of an account from ``first`` to ``last``."""
    check(person, Action.SEE_BANK)
    spans = _spans(session, account_id)
    holes = list(_holes(spans))
    days = (first + timedelta(days=nth) for nth in range((last - first).days + 1))
    return {day: _cover(day, spans, holes) for day in days}


def _cover(day: date, spans: Sequence[_Span], holes: Sequence[_Hole]) -> Cover:
    over = tuple(span.name for span in spans if span.first <= day <= span.last)
    if over:
        return Cover(Told.TWICE if len(over) > 1 else Told.ONCE, over)
    for hole in holes:
        if hole.before.last < day < hole.after.first:
            return Cover(hole.told, why=hole.sentence if hole.told is Told.MISSING else "")
    return Cover(Told.BEFORE if spans and day < spans[0].first else Told.NOT_YET)


def _spans(session: Session, account_id: int) -> list[_Span]:
    """By their first day."""
    file = StatementFile
    rows = session.execute(
        select(
            file.name, file.first_on, file.last_on, file.opening_minor, file.closing_minor, file.currency
        )
        .where(file.account_id == account_id, file.undone_at.is_(None), file.first_on.is_not(None))
        .order_by(file.first_on, file.last_on, file.id)
    )  # fmt: skip
    return [
        _Span(name, first, last, _money(opening, currency), _money(closing, currency))
        for name, first, last, opening, closing, currency in rows
        if first and last
    ]


def _money(minor: int | None, currency: str) -> Money | None:
    return Money(minor, currency) if minor is not None else None


def _holes(spans: Sequence[_Span]) -> Iterator[_Hole]:
    """What lies between the statement that reaches furthest so far and the next."""
    if not spans:
        return
    until = spans[0]
    for span in spans[1:]:
        if span.first > until.last:
            yield _Hole(until, span)
        until = max(until, span, key=lambda one: one.last)
