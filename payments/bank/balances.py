"""What the bank itself says of an account in the morning and the evening of a day, from files that stand."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from db.models import LineSighting, QuarantinedRow, SignOff, StatementFile, StatementLine
from db.money import Money
from payments.bank.overlaps import GONE
from payments.sign_off.closed_days import LOCKING


@dataclass(frozen=True)
class Balances:
    """None where no file tells it. ``faults`` are sentences: where balances and lines part."""

    opening: Money | None
    closing: Money | None
    faults: tuple[str, ...] = ()


class _Sums:
    """What days come to, in minor units, and any run of them."""

    def __init__(self, rows: Iterable[Any]) -> None:
        self._days: list[date] = []
        self._until = [0]
        for on, minor in sorted(rows):
            self._days.append(on)
            self._until.append(self._until[-1] + int(minor))

    def before(self, on: date) -> int:
        return self._until[bisect_left(self._days, on)]

    def through(self, on: date) -> int:
        return self._until[bisect_right(self._days, on)]

    @property
    def total(self) -> int:
        return self._until[-1]


class BankDays:
    """One account, read once for all days that are asked of it."""

    def __init__(self, session: Session, account_id: int) -> None:
        self._session, self._account = session, account_id
        file, line = StatementFile, StatementLine
        self._files = session.execute(
            select(
                file.id, file.opening_minor, file.closing_minor, file.first_on, file.last_on, file.currency
            )
            .where(
                file.account_id == account_id, file.undone_at.is_(None), file.first_on.is_not(None),
                or_(file.opening_minor.is_not(None), file.closing_minor.is_not(None)),
            )
            .order_by(file.id)
        ).all()  # fmt: skip
        here = (line.account_id == account_id, line.state != GONE)
        by_day = select(line.on, func.sum(line.amount_minor)).where(*here).group_by(line.on)
        self._lines = _Sums(session.execute(by_day))
        late = select(line.on, line.booked_on, line.amount_minor).where(*here, line.booked_on.is_not(None))
        self._late = session.execute(late).all()
        self._signed = session.execute(
            select(SignOff.last_on, SignOff.figures)
            .where(
                SignOff.account_id == account_id, SignOff.period == "day", SignOff.state.in_(LOCKING)
            )
            .order_by(SignOff.last_on)
        ).all()  # fmt: skip
        self._of_file: dict[int, _Sums] = {}

    def of(self, on: date) -> Balances:
        """The balances of a day, and whether its lines, and the last day that was signed, lead there."""
        covering = [one for one in self._files if one.first_on <= on <= one.last_on]
        if not covering:
            return Balances(None, None)
        # Of files that meet within the day, the earlier one tells the morning, the later one the evening.
        before = min(covering, key=lambda one: (one.first_on, one.id))
        after = max(covering, key=lambda one: (one.last_on, one.id))
        opening, closing = self._at(before, on, evening=False), self._at(after, on, evening=True)
        lines = Money(self._lines.through(on) - self._lines.before(on), opening.currency)
        faults = [self._break(on, opening)]
        if opening + lines != closing:
            faults.append(
                f"The bank says {opening} in the morning and {closing} in the evening of {on:%-d %b %Y}, and "
                f"its lines come to {lines}. A statement of the day is missing, or is there twice."
            )
        return Balances(opening, closing, tuple(fault for fault in faults if fault))

    def _at(self, file: Any, on: date, *, evening: bool) -> Money:
        """A file's balance in the morning or evening of a day, counted from the end of it that it tells."""
        sums = self._of_file.get(file.id) or self._of_file.setdefault(file.id, self._read(file.id))
        moved = sums.through(on) if evening else sums.before(on)
        if file.opening_minor is None or (evening and file.closing_minor is not None):
            return Money(file.closing_minor - (sums.total - moved), file.currency)
        return Money(file.opening_minor + moved, file.currency)

    def _read(self, file_id: int) -> _Sums:
        line = StatementLine
        seen = (
            select(line.on, line.amount_minor)
            .join(LineSighting, LineSighting.line_id == line.id)
            .where(LineSighting.file_id == file_id)
        )
        repaired = (
            select(line.on, line.amount_minor)
            .join(QuarantinedRow, QuarantinedRow.line_id == line.id)
            .where(QuarantinedRow.file_id == file_id)
        )
        both = seen.union_all(repaired).subquery()
        days = select(both.c.on, func.sum(both.c.amount_minor)).group_by(both.c.on)
        return _Sums(self._session.execute(days))

    def _break(self, on: date, opening: Money) -> str | None:
        """Between the last day that was signed and this one, what the balances say is missing."""
        earlier = [one for one in self._signed if one.last_on < on]
        if not earlier or earlier[-1].figures["closing"] is None:
            return None
        last, closing = earlier[-1].last_on, Money(earlier[-1].figures["closing"], opening.currency)
        between = Money(self._lines.before(on) - self._lines.through(last), opening.currency)
        # What came late of a signed day may have been in the bank's balance before, unread, or not.
        came = sum(minor for day, booked, minor in self._late if day <= last < booked)
        if opening in (closing + between, closing + between + Money(came, opening.currency)):
            return None
        return (
            f"{last:%-d %b %Y} closed with {closing}, and {on:%-d %b %Y} opens with {opening}. A statement "
            "between them is missing."
        )
