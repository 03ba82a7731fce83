"""Days and months signed off: one person signs, another approves; reopening takes a reason and a second one.

From its signature on a period is locked, by triggers of the database, until it is refused or reopened. The
database as well refuses one person who does two people's part.
"""

import calendar
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import SignOff, SignOffStep
from payments import dates
from payments.access import people
from payments.access.people import Action, Person, check, proven
from payments.bank import accounts, coverage
from payments.bank.balances import Balances, BankDays
from payments.bank.coverage import Cover
from payments.books import audit
from payments.errors import Conflict, NotAllowed, NotFound
from payments.live import tallies
from payments.privacy import clean, reason
from payments.second_person import deciders, owing
from payments.sign_off import closing
from payments.sign_off.closed_days import LOCKING
from payments.sign_off.closing import Blocker, Draft, Figures
from payments.watching import standstill

_CHANGED = "The day has changed since you looked at it. Look again, then sign."
_ONE_PERSON = "You signed this yourself: another person approves it."
#: Of the mail that each step owes.
_SUBJECTS = {
    "signed": "A signed {period} waits for a second person",
    "approved": "The {period} you signed was approved",
    "refused": "The {period} you signed was refused",
    "reopening": "A closed {period} waits for a second person to reopen it",
    "reopened": "The {period} you asked to reopen is open",
    "kept closed": "The {period} you asked to reopen stays closed",
}


class Period(StrEnum):
    DAY = "day"
    MONTH = "month"


class State(StrEnum):
    """How far a sign-off is. ``signed``, ``approved`` and ``reopening`` lock."""

    SIGNED = "signed"
    REFUSED = "refused"
    APPROVED = "approved"
    REOPENING = "reopening"
    REOPENED = "reopened"


#: What a day lacks that is in the way of its month; of one day, and of several.
_UNSIGNED = ("is not signed", "are not signed")
_LACKS: Mapping[State | None, tuple[str, str]] = {
    State.SIGNED: ("waits for a second person", "wait for a second person"),
    State.REOPENING: ("is to be reopened by a second person", "are to be reopened by a second person"),
}


class DayState(StrEnum):
    """A day in the calendar: before it is signed, or as its sign-off stands."""

    QUIET = "quiet"  # nothing is booked on it
    DRAFT = "draft"  # something is in the way
    READY = "ready"
    SIGNED = "signed"
    APPROVED = "approved"
    REOPENING = "reopening"
    REOPENED = "reopened"


@dataclass(frozen=True)
class Step:
    step: str
    at: datetime
    by: str
    why: str


@dataclass(frozen=True)
class SignOffView:
    """A day or month as it was signed, by whom, and what became of it. ``kept`` is its draft as signed."""

    id: int
    account_id: int
    account: str
    period: Period
    first_on: date
    last_on: date
    state: State
    figures: Figures
    kept: Mapping[str, Any]
    digest: str
    note: str
    signer_id: int
    signer: str
    approver: str | None
    reopen_why: str | None
    reopen_asker_id: int | None
    reopen_asker: str | None
    steps: tuple[Step, ...]

    @property
    def asker_id(self) -> int | None:
        """Whose part another person decides upon."""
        return self.reopen_asker_id if self.state is State.REOPENING else self.signer_id

    @property
    def locks(self) -> bool:
        return self.state in LOCKING

    @property
    def told(self) -> str:
        return told(self.period, self.first_on)


@dataclass(frozen=True)
class Day:
    """A day of the calendar: what is booked on it, and which statements tell of it."""

    on: date
    state: DayState
    figures: Figures
    cover: Cover


def told(period: str, first_on: date) -> str:
    return f"{first_on:%B %Y}" if period == Period.MONTH else f"{first_on:%-d %b %Y}"


# -- looking ------------------------------------------------------------------------------------------


def month_of(on: date) -> tuple[date, date]:
    last = calendar.monthrange(on.year, on.month)[1]
    return on.replace(day=1), on.replace(day=last)


def strip(session: Session, person: Person, account_id: int, on: date, *, now: datetime) -> list[Day]:
    """Each day of a month, up to today."""
    check(person, Action.SEE_BANK)
    first, last = month_of(on)
    currency = accounts.row(session, account_id).currency
    figures = closing.figures_by_day(session, account_id, first, last)
    newest = _newest(session, account_id, first, last)
    until = min(last, dates.business_day(now))
    days = [first + timedelta(days=nth) for nth in range((until - first).days + 1)]
    unsigned = [day for day in days if day in figures and day not in newest]
    drafts = closing.drafts(session, person, account_id, unsigned, now=now)
    covers = coverage.by_day(session, person, account_id, first, until)
    found = []
    for day in days:
        state = DayState(newest[day]) if day in newest else DayState.QUIET
        if day in drafts:
            state = DayState.READY if drafts[day].ready else DayState.DRAFT
        found.append(Day(day, state, figures.get(day, closing.nothing(currency)), covers[day]))
    return found


def _newest(session: Session, account_id: int, first: date, last: date) -> dict[date, State]:
    """The last sign-off of each day; a refused one never was."""
    rows = session.execute(
        select(SignOff.first_on, SignOff.state)
        .where(
            SignOff.account_id == account_id, SignOff.period == Period.DAY,
            SignOff.first_on.between(first, last), SignOff.state != State.REFUSED,
        )
        .order_by(SignOff.id)
    )  # fmt: skip
    return {on: State(state) for on, state in rows}


def month_draft(session: Session, person: Person, account_id: int, on: date, *, now: datetime) -> Draft:
    """A month as the sum of its days, and what is in the way of signing it."""
    check(person, Action.SEE_BANK)
    first, last = month_of(on)
    total = closing.nothing(accounts.row(session, account_id).currency)
    figures = closing.figures_by_day(session, account_id, first, last)
    for each in figures.values():
        total += each
    days = sorted(figures)
    edges = Balances(None, None)
    if days:
        bank = BankDays(session, account_id)
        edges = Balances(bank.of(days[0]).opening, bank.of(days[-1]).closing)
    signed = _newest(session, account_id, first, last)
    blockers = []
    if last >= dates.business_day(now):
        blockers.append(Blocker("The month is not over."))
    if not days:
        blockers.append(Blocker("Nothing is booked in this month, so there is nothing to sign."))
    blockers += _days_in_the_way(days, signed)
    return Draft(account_id, first, last, total, edges, (), tuple(blockers))


def _days_in_the_way(days: Sequence[date], signed: Mapping[date, State]) -> Iterator[Blocker]:
    """The days of a month that are not approved, in one sentence for all that lack the same."""
    lacking: dict[tuple[str, str], list[date]] = {}
    for day in days:
        if (state := signed.get(day)) is not State.APPROVED:
            lacking.setdefault(_LACKS.get(state, _UNSIGNED), []).append(day)
    for (one, several), found in lacking.items():
        *others, last = (f"{day:%-d}" for day in found)
        told = f"{', '.join(others)} and {last}" if others else last
        yield Blocker(
            f"{told} {found[0]:%b %Y} {several if others else one}.", "finance/closing",
            (("day", found[0].isoformat()),),
        )  # fmt: skip


def standing(
    session: Session, person: Person, account_id: int, period: Period, on: date
) -> SignOffView | None:
    """The sign-off that locks a day or a month now."""
    found = [view for view in history(session, person, account_id, period, on) if view.locks]
    return found[0] if found else None


def history(session: Session, person: Person, account_id: int, period: Period, on: date) -> list[SignOffView]:
    """Every sign-off of a day or month, the newest first; those that were refused or reopened too."""
    check(person, Action.SEE_BANK)
    first = month_of(on)[0] if period is Period.MONTH else on
    rows = session.scalars(
        select(SignOff)
        .where(SignOff.account_id == account_id, SignOff.period == period, SignOff.first_on == first)
        .order_by(SignOff.id.desc())
    ).all()
    return _views(session, rows)


def waiting(session: Session, person: Person) -> list[SignOffView]:
    """What was signed and not approved yet, and what somebody asked to reopen; the oldest first."""
    check(person, Action.SEE_BANK)
    rows = session.scalars(
        select(SignOff).where(SignOff.state.in_((State.SIGNED, State.REOPENING))).order_by(SignOff.id)
    ).all()
    return _views(session, rows)


def waiting_for(session: Session, person: Person) -> list[SignOffView]:
    """What of these this person may decide about: signed, or asked to be reopened, by somebody else."""
    if not person.may(Action.RECONCILE):
        return []
    return [view for view in waiting(session, person) if person.id != view.asker_id]


# -- signing ------------------------------------------------------------------------------------------


def sign(
    session: Session,
    person: Person,
    account_id: int,
    period: Period,
    on: date,
    digest: str,
    note: str,
    *,
    now: datetime,
) -> SignOffView:
    """Sign a day or a month, just as it was looked at: ``digest`` is that draft's. From now on it is locked.

    Raises Conflict (something is in the way, or has changed, or it is signed), NotAllowed, NotFound.
    """
    check(person, Action.RECONCILE)
    standstill.refuse(session)
    deciders.must_be_here(session, person, "sign off")
    accounts.row(session, account_id, lock=True)
    if (there := standing(session, person, account_id, period, on)) is not None:
        raise Conflict(f"{there.told} is {there.state} already, signed by {there.signer}.")
    look = closing.draft if period is Period.DAY else month_draft
    one = look(session, person, account_id, on, now=now)
    if one.blockers:
        raise Conflict(" ".join(each.sentence for each in one.blockers[:3]))
    if one.digest != digest:
        raise Conflict(_CHANGED)
    row = SignOff(
        account_id=account_id, period=period, first_on=one.first_on, last_on=one.last_on,
        state=State.SIGNED, figures=closing.to_plain(one), digest=digest,
        note=clean(note, field="The note", longest=1000), signed_at=now, signer_id=person.id,
        signer_name=person.name,
    )  # fmt: skip
    session.add(row)
    session.flush()
    return _told(session, person, row, "signed", row.note, now)


def approve(session: Session, person: Person, sign_off_id: int, *, now: datetime) -> SignOffView:
    """Approve what somebody else signed. Raises NotFound, NotAllowed (one's own), Conflict."""
    row = _to_decide(session, person, sign_off_id, State.SIGNED)
    if row.signer_id == person.id:
        raise NotAllowed(_ONE_PERSON, by=person, what="sign_off")
    if row.period == Period.DAY:
        now_there = closing.figures_by_day(session, row.account_id, row.first_on, row.last_on)
        if closing.figures_of(row.figures) != now_there.get(row.first_on):
            raise Conflict("The day is not what was signed. Refuse it, and have it signed again.")
    row.state, row.approved_at = State.APPROVED, now
    row.approver_id, row.approver_name = person.id, person.name
    return _told(session, person, row, "approved", "", now, asker=row.signer_id)


def refuse(session: Session, person: Person, sign_off_id: int, why: str, *, now: datetime) -> SignOffView:
    """Say no to a signature, or take one's own back; the period is open again.

    Raises NotFound, Conflict, InvalidInput.
    """
    row = _to_decide(session, person, sign_off_id, State.SIGNED)
    row.state = State.REFUSED
    return _told(session, person, row, "refused", reason(why), now, asker=row.signer_id)


# -- reopening ----------------------------------------------------------------------------------------


def ask_reopen(session: Session, person: Person, sign_off_id: int, why: str, *, now: datetime) -> SignOffView:
    """Ask that an approved period is opened again; it stays locked until a second person does so.

    Raises NotFound, InvalidInput, Conflict (its month is signed).
    """
    row = _to_decide(session, person, sign_off_id, State.APPROVED)
    proven(person, now=now)
    if row.period == Period.DAY:
        month = standing(session, person, row.account_id, Period.MONTH, row.first_on)
        if month is not None:
            raise Conflict(f"{month.told} is {month.state}. Reopen the month first.")
    row.state, row.reopen_why = State.REOPENING, reason(why)
    row.reopen_asker_id, row.reopen_asker_name = person.id, person.name
    return _told(session, person, row, "reopening", row.reopen_why, now)


def reopen(session: Session, person: Person, sign_off_id: int, *, now: datetime) -> SignOffView:
    """Open a period that somebody else asked to reopen. Raises NotFound, NotAllowed (one's own), Conflict."""
    row = _to_decide(session, person, sign_off_id, State.REOPENING)
    if row.reopen_asker_id == person.id:
        raise NotAllowed("You asked for this yourself: another person reopens it.", by=person, what="reopen")
    proven(person, now=now)
    row.state, row.reopened_at = State.REOPENED, now
    row.reopener_id, row.reopener_name = person.id, person.name
    return _told(session, person, row, "reopened", row.reopen_why or "", now, asker=row.reopen_asker_id)


def keep_closed(
    session: Session, person: Person, sign_off_id: int, why: str, *, now: datetime
) -> SignOffView:
    """Say no to a reopening, or take one's own request back. Raises NotFound, Conflict, InvalidInput."""
    row = _to_decide(session, person, sign_off_id, State.REOPENING)
    asker = row.reopen_asker_id
    row.state, row.reopen_why = State.APPROVED, None
    row.reopen_asker_id = row.reopen_asker_name = None
    return _told(session, person, row, "kept closed", reason(why), now, asker=asker)


# -- inside -------------------------------------------------------------------------------------------


def _to_decide(session: Session, person: Person, sign_off_id: int, state: State) -> SignOff:
    check(person, Action.RECONCILE)
    standstill.refuse(session)
    deciders.must_be_here(session, person, "sign off")
    known = session.get(SignOff, sign_off_id)
    if known is None:
        raise NotFound("There is no such sign-off.")
    accounts.row(session, known.account_id, lock=True)
    query = select(SignOff).where(SignOff.id == sign_off_id).with_for_update()
    row = session.scalars(query.execution_options(populate_existing=True)).one()
    if row.state != state:
        raise Conflict(f"It is {row.state}: somebody decided about it already.")
    return row


def _told(
    session: Session,
    person: Person,
    row: SignOff,
    step: str,
    why: str,
    now: datetime,
    *,
    asker: int | None = None,
) -> SignOffView:
    """``asker`` hears how it ended; without one it waits from now on, and who may decide hears of that."""
    done = SignOffStep(sign_off_id=row.id, step=step, at=now, by=person.name, why=why)
    session.add(done)
    session.flush()
    key, subject = f"{owing.SIGN_OFFS}{done.id}", _SUBJECTS[step].format(period=row.period)
    if asker is None:
        others = [row for row in people.able(session, Action.RECONCILE, now=now) if row.id != person.id]
        owing.waits(session, key, subject, others, None, now=now)
    elif asker != person.id:
        owing.over(session, key, subject, asker, now=now)
    audit.record(
        session, person, f"sign_off_{step.replace(' ', '_')}", f"{row.account.name}, {row.first_on}",
        now=now, sign_off=row.id, period=row.period, digest=row.digest, why=why,
    )  # fmt: skip
    tallies.bump(session)
    return _views(session, [row])[0]


def _views(session: Session, rows: Sequence[SignOff]) -> list[SignOffView]:
    steps = session.scalars(
        select(SignOffStep)
        .where(SignOffStep.sign_off_id.in_([row.id for row in rows]))
        .order_by(SignOffStep.id)
    ).all()
    return [
        SignOffView(
            row.id, row.account_id, row.account.name, Period(row.period), row.first_on, row.last_on,
            State(row.state), closing.figures_of(row.figures), row.figures, row.digest, row.note,
            row.signer_id, row.signer_name, row.approver_name, row.reopen_why, row.reopen_asker_id,
            row.reopen_asker_name,
            tuple(Step(one.step, one.at, one.by, one.why) for one in steps if one.sign_off_id == row.id),
        )
        for row in rows
    ]  # fmt: skip
