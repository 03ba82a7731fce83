"""Exceptions: bank lines that wait for a person, why, since when, whose they are, and what may help."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.orm import Session

from db.models import (
    BankAccount,
    Event,
    LineException,
    Payment,
    PersonRow,
    StatementLine,
)
from db.money import Money, sums
from payments import dates
from payments.access import people
from payments.access.people import Action, Person, check
from payments.bank.overlaps import OPEN
from payments.books import audit
from payments.deciding.attention import Age
from payments.errors import Conflict, InvalidInput, NotFound
from payments.finding import search
from payments.finding.search import Filter
from payments.live import tallies
from payments.matching import Target
from payments.privacy import clean
from payments.reconciling import mentions, proposing, rests, same_payer
from payments.reconciling.parts import TAKES_MONEY, Part
from payments.reconciling.proposing import Reason
from payments.second_person import approvals
from payments.second_person.approvals import ApprovalView


@dataclass(frozen=True)
class Sign:
    """One thing that speaks for a candidate, or against it."""

    kind: str
    agrees: bool
    says: str


@dataclass(frozen=True)
class Candidate:
    """A payment that a line may be for. ``rest`` is what it still waits for; none of it once it is closed."""

    payment_id: int
    reference: str
    payer: str
    event: str
    status: str
    amount: Money
    rest: Money
    payable: bool
    signs: tuple[Sign, ...] = ()
    #: What accepting it would give to it, of this line.
    gives: Money | None = None


@dataclass(frozen=True)
class ExceptionView:
    """A line that waits. ``parts`` is what is suggested, whole; ``candidates`` the payments it speaks of.

    With ``part_id`` the line has paid what was owed, and ``amount`` is what it brought more (``rests``); then
    ``candidates`` are payments that it could pay, and ``line_amount`` is the whole line.
    """

    id: int
    line_id: int
    reason: Reason
    on: date
    amount: Money
    description: str
    reference: str
    account: str
    way: str
    signs: tuple[Sign, ...]
    parts: tuple[Part, ...]
    candidates: tuple[Candidate, ...]
    suggestion: Mapping[str, Any]
    age: Age
    opened_at: datetime
    owner_id: int | None
    owner: str | None
    due_on: date | None
    overdue: bool
    note: str
    part_id: int | None
    line_amount: Money
    #: What a second person is asked about it: by whom, and how much.
    asked: ApprovalView | None = None

    @property
    def tie(self) -> bool:
        return bool(self.suggestion.get("tie"))

    @property
    def text(self) -> str:
        return f"{self.description} {self.reference}".strip()


@dataclass(frozen=True)
class Standing:
    """How many lines wait for a reason or in an age, and how much money: what came, whatever went."""

    count: int
    at_risk: Mapping[str, Money]

    @classmethod
    def of(cls, some: Iterable[tuple[int, int, str]]) -> "Standing":
        """The sum of counts, each with minor units of a currency."""
        count, worth = 0, dict[str, Money]()
        for number, minor, currency in some:
            count += number
            worth[currency] = worth.get(currency, Money(0, currency)) + Money(minor, currency)
        return cls(count, worth)


@dataclass(frozen=True)
class Summary:
    """``unasked`` are lines that nobody asked about yet: they have no reason, and are in ``whole`` alone."""

    by_reason: Mapping[Reason, Standing]
    by_age: Mapping[Age, Standing]
    total: Standing
    unasked: Standing

    @property
    def whole(self) -> Standing:
        """All that waits."""
        both = (self.total, self.unasked)
        at_risk = sums(money for one in both for money in one.at_risk.values())
        return Standing(sum(one.count for one in both), at_risk)


def queue(
    session: Session,
    person: Person,
    *,
    now: datetime,
    reason: Reason | None = None,
    age: Age | None = None,
    account_id: int | None = None,
    line_id: int | None = None,
    limit: int = 50,
) -> list[ExceptionView]:
    """The oldest line first."""
    check(person, Action.SEE_BANK)
    wanted = _waiting().order_by(StatementLine.on, StatementLine.id).limit(limit)
    if reason is not None:
        wanted = wanted.where(LineException.reason == reason)
    if account_id is not None:
        wanted = wanted.where(StatementLine.account_id == account_id)
    if line_id is not None:
        wanted = wanted.where(StatementLine.id == line_id)
    if age is not None:
        wanted = wanted.where(StatementLine.on.in_(_days_of(session, age, now)))
    return _views(session, session.execute(wanted).all(), now)


def get(session: Session, person: Person, line_id: int, *, now: datetime) -> ExceptionView:
    """One line that waits. Raises NotFound."""
    found = queue(session, person, now=now, line_id=line_id, limit=1)
    if not found:
        raise NotFound("This line does not wait for anybody; it is matched, or was never here.")
    return found[0]


def summary(
    session: Session,
    person: Person,
    *,
    now: datetime,
    reason: Reason | None = None,
    age: Age | None = None,
) -> Summary:
    """All that waits: counts and money, by reason, of one ``age``, and by age, of one ``reason``."""
    check(person, Action.SEE_BANK)
    rows = session.execute(
        select(
            LineException.reason, StatementLine.on, StatementLine.amount_currency, func.count(),
            func.sum(func.abs(waits_minor())),
        )
        .join(StatementLine, StatementLine.id == LineException.line_id)
        .where(LineException.closed_at.is_(None))
        .group_by(LineException.reason, StatementLine.on, StatementLine.amount_currency)
    ).all()  # fmt: skip
    reasons: dict[Reason, list[Any]] = defaultdict(list)
    ages: dict[Age, list[Any]] = defaultdict(list)
    whole: list[Any] = []
    for why, on, currency, count, minor in rows:
        waits = (count, int(minor), currency)
        whole.append(waits)
        if age in (None, _age(on, now)):
            reasons[Reason(why)].append(waits)
        if reason in (None, Reason(why)):
            ages[_age(on, now)].append(waits)
    return Summary(
        {one: Standing.of(reasons[one]) for one in Reason if one in reasons},
        {one: Standing.of(ages.get(one, ())) for one in Age},
        Standing.of(whole),
        Standing.of(_unasked(session)),
    )


def _unasked(session: Session) -> list[tuple[int, int, str]]:
    """Open lines that nobody has asked about yet."""
    asked = select(LineException.line_id).where(LineException.closed_at.is_(None))
    lines = (
        select(StatementLine.amount_currency, func.count(), func.sum(func.abs(StatementLine.amount_minor)))
        .where(StatementLine.state == OPEN, StatementLine.id.not_in(asked))
        .group_by(StatementLine.amount_currency)
    )
    return [(count, int(minor), currency) for currency, count, minor in session.execute(lines)]


def _age(on: date, now: datetime) -> Age:
    return Age.of(now - dates.day_span(on).start)


def _days_of(session: Session, age: Age, now: datetime) -> list[date]:
    days = session.scalars(
        select(StatementLine.on)
        .join(LineException, LineException.line_id == StatementLine.id)
        .where(LineException.closed_at.is_(None))
        .distinct()
    )
    return [day for day in days if _age(day, now) is age]


def waits_minor() -> ColumnElement[int]:
    """What of a line waits: all of it, or what is left of what it brought more than it paid."""
    whole = (LineException.part_id.is_(None), StatementLine.amount_minor)
    return case(whole, else_=rests.left_minor(LineException.part_id))


def _waiting() -> Any:
    return (
        select(LineException, StatementLine, BankAccount.name, PersonRow.name, waits_minor())
        .join(StatementLine, StatementLine.id == LineException.line_id)
        .join(BankAccount, BankAccount.id == StatementLine.account_id)
        .outerjoin(PersonRow, PersonRow.id == LineException.owner_id)
        .where(LineException.closed_at.is_(None))
    )


def _views(session: Session, rows: Iterable[Any], now: datetime) -> list[ExceptionView]:
    rows = list(rows)
    payments = _payments(session, [row for row, *_ in rows])
    views = [
        _view(row, line, account, owner, minor, payments, now) for row, line, account, owner, minor in rows
    ]
    asked = approvals.of_lines(session, now=now)
    views = [replace(view, asked=asked.get(f"line:{view.line_id}")) for view in views]
    could = same_payer.payable(session, [view.part_id for view in views if view.part_id])
    return [_of_a_rest(view, could[view.part_id]) if view.part_id else view for view in views]


def _of_a_rest(view: ExceptionView, could: Sequence[tuple[Payment, str]]) -> ExceptionView:
    """What came too much: what it is of is paid, and what it could pay is another payment of the payer's."""
    ids = {payment.id for payment, _ in could}
    theirs = (candidate(payment, event, (), view.amount) for payment, event in could)
    others = (one for one in view.candidates if one.payment_id not in ids)
    return replace(view, parts=(), candidates=(*theirs, *others))


def _payments(session: Session, rows: Iterable[LineException]) -> dict[int, tuple[Payment, str]]:
    wanted = {payment_id for row in rows for payment_id, _ in _named(row.suggestion)}
    found = session.execute(
        select(Payment, Event.name).join(Event, Event.id == Payment.event_id).where(Payment.id.in_(wanted))
    )
    return {payment.id: (payment, event) for payment, event in found}


def _named(suggestion: Mapping[str, Any]) -> list[tuple[int, tuple[Sign, ...]]]:
    """The payments a suggestion speaks of, the likeliest first, with what speaks for each."""
    own = signs_of(suggestion.get("evidence", ()))
    named = {
        part["id"]: own
        for part in suggestion.get("parts", ())
        if part["target"] in (Target.PAYMENT, Target.SURPLUS) and part["id"]
    }
    for one in suggestion.get("rivals", ()):
        if one["target"] == Target.PAYMENT and one["id"]:
            named.setdefault(one["id"], signs_of(one["evidence"]))
    return list(named.items())


def signs_of(some: Iterable[Mapping[str, Any]]) -> tuple[Sign, ...]:
    """As they are kept with a suggestion and with a match."""
    return tuple(Sign(one["kind"], one["agrees"], one["says"]) for one in some)


def _view(
    row: LineException,
    line: StatementLine,
    account: str,
    owner: str | None,
    minor: int,
    payments: Mapping[int, tuple[Payment, str]],
    now: datetime,
) -> ExceptionView:
    told, waits = row.suggestion, Money(minor, line.amount_currency)
    return ExceptionView(
        id=row.id,
        line_id=line.id,
        reason=Reason(row.reason),
        on=line.on,
        amount=waits,
        description=line.description,
        reference=line.reference,
        account=account,
        way=told.get("way", ""),
        signs=signs_of(told.get("evidence", ())),
        parts=proposing.parts_of(told, line.amount_currency),
        candidates=tuple(
            candidate(*payments[payment_id], signs, waits)
            for payment_id, signs in _named(told)
            if payment_id in payments
        ),
        suggestion=told,
        age=_age(line.on, now),
        opened_at=row.opened_at,
        owner_id=row.owner_id,
        owner=owner,
        due_on=row.due_on,
        overdue=row.due_on is not None and row.due_on < dates.business_day(now),
        note=row.note,
        part_id=row.part_id,
        line_amount=line.amount,
    )


def candidate(
    payment: Payment, event: str, signs: tuple[Sign, ...] = (), line: Money | None = None
) -> Candidate:
    """A payment as what a line may be for."""
    payable = payment.status in TAKES_MONEY
    rest = Money(max(payment.owed_minor - payment.received_minor, 0), payment.amount_currency)
    gives = None
    if line is not None and payable and line.currency == rest.currency and line.minor > 0:
        gives = min(rest, line, key=lambda money: money.minor)
    return Candidate(
        payment.id, payment.reference, payment.payer_name, event, payment.status, payment.amount, rest,
        payable, signs, gives or None,
    )  # fmt: skip


def find_payments(session: Session, person: Person, text: str, line: Money) -> list[Candidate]:
    """Payments that a text finds, as what a line may be for; the best fit first."""
    check(person, Action.RECONCILE)
    found = search.page(session, person, Filter(text=text), size=8).rows
    by_id = {
        payment.id: (payment, event)
        for payment, event in session.execute(
            select(Payment, Event.name)
            .join(Event, Event.id == Payment.event_id)
            .where(Payment.reference.in_([row.reference for row in found]))
        )
    }
    order = {row.reference: place for place, row in enumerate(found)}
    ranked = sorted(by_id.values(), key=lambda one: order[one[0].reference])
    return [candidate(payment, event, (), line) for payment, event in ranked]


# -- whose it is --------------------------------------------------------------------------------------


def owners(session: Session, person: Person, *, now: datetime) -> dict[int, str]:
    """Who may own an exception: whoever may reconcile."""
    check(person, Action.SEE_BANK)
    return {row.id: row.name for row in people.able(session, Action.RECONCILE, now=now)}


def assign(
    session: Session,
    person: Person,
    line_id: int,
    *,
    owner_id: int | None,
    due_on: date | None,
    note: str,
    now: datetime,
) -> None:
    """Say whose line it is, until when, and what is known so far; whom that mentions is told.

    Raises InvalidInput, Conflict.
    """
    check(person, Action.RECONCILE)
    if owner_id is not None and owner_id not in owners(session, person, now=now):
        raise InvalidInput("Only who may reconcile can own a line. Choose somebody else.")
    row = session.scalar(
        select(LineException)
        .where(LineException.line_id == line_id, LineException.closed_at.is_(None))
        .with_for_update()
    )
    if row is None:
        raise Conflict("This line does not wait any more.")
    before, row.owner_id, row.due_on = row.note, owner_id, due_on
    row.note = clean(note, field="The note", longest=1000)
    minor = session.scalar(
        select(waits_minor()).select_from(LineException).join(StatementLine).where(LineException.id == row.id)
    )
    waits = Money(int(minor or 0), row.line.amount_currency)
    mentions.tell(
        session, row.note, by=person, before=before, where=f"Reconcile, {waits} of {row.line.on}",
        action=Action.SEE_BANK, now=now,
    )  # fmt: skip
    audit.record(
        session, person, "assign_line", f"line {line_id}", now=now, owner=owner_id,
        due_on=due_on.isoformat() if due_on else None, note=row.note,
    )  # fmt: skip
    tallies.bump(session)
