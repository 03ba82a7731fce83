"""The morning's mail: what waits for somebody, in a few lines, for whoever chose to have it.

Where nothing waits nothing is sent. It tells counts and sums, no payer and no reference: mails lie in other
systems for ever. What it counts is what the pages show this person, of the events they chose.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, time

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import OutboxMail, PersonRow, Standing
from db.money import Money, sums
from db.session import Sessions
from payments import dates
from payments.access import choices
from payments.access.choices import Mail
from payments.access.people import Action, Person, is_active, person_of
from payments.deciding import attention
from payments.finding import conditions
from payments.lifecycle import Status
from payments.live.takings import in_scope
from payments.lump_sums import payout_watch
from payments.reconciling import exceptions
from payments.second_person import approvals
from payments.sign_off import sign_offs
from payments.telling import outbox
from payments.watching import standstill

MAILS = "morning:"
#: By the clock of Johannesburg. A worker that starts in the afternoon tells no morning.
FROM, UNTIL = time(7), time(12)
_END = "You chose this mail under Your account in Paydesk, and end it there."


@dataclass(frozen=True)
class Waiting:
    """``short`` stands in the subject, ``told`` is a line; ``page`` is where it is dealt with."""

    short: str
    told: str
    page: str


def due(*, now: datetime) -> date | None:
    """The day whose morning it is."""
    here = now.astimezone(dates.SAST)
    return here.date() if FROM <= here.time() < UNTIL else None


def tell(sessions: Sessions, desk_url: str, *, now: datetime) -> int:
    """Queue this morning's mails; returns how many. One a person and day, however often it is called."""
    day = due(now=now)
    if day is None:
        return 0
    with sessions.read() as session:
        found = list(_mails(session, day, desk_url, now)) if standstill.current(session) is None else []
    for key, to, subject, body in found:
        with sessions.begin() as session:
            outbox.to_person(session, key, to, subject, body, about="morning", now=now)
    return len(found)


def waits_for(session: Session, person: Person, wanted: Mail, *, now: datetime) -> list[Waiting]:
    """What a mail of this moment would tell them."""
    if wanted.events:
        reach = wanted.events if person.events is None else wanted.events & person.events
        person = replace(person, events=reach)
    return [
        *_cases(session, person, now),
        *_bank_lines(session, person, now),
        *_late_payouts(session, person, now),
        *_claims(session, person),
        *_requests(session, person, now),
        *_signed(session, person),
    ]


def _mails(session: Session, day: date, desk_url: str, now: datetime) -> Iterator[tuple[str, str, str, str]]:
    chosen = choices.each_morning(session)
    keys = {person_id: f"{MAILS}{person_id}:{day}" for person_id in chosen}
    told = set(session.scalars(select(OutboxMail.key).where(OutboxMail.key.in_(keys.values()))))
    for row in session.scalars(select(PersonRow).where(PersonRow.id.in_(keys)).order_by(PersonRow.id)):
        if keys[row.id] in told or not is_active(row, now):
            continue
        if waits := waits_for(session, person_of(row), chosen[row.id], now=now):
            lines = "\n".join(f"- {one.told}\n  {desk_url}{one.page}" for one in waits)
            subject = f"This morning: {', '.join(one.short for one in waits)}"
            yield keys[row.id], row.email, subject, f"{lines}\n\n{_END}\n"


# -- what may wait ------------------------------------------------------------------------------------


def _cases(session: Session, person: Person, now: datetime) -> Iterator[Waiting]:
    groups = attention.queue(session, person, now=now)
    cases = [case for group in groups for case in group.cases]
    if not cases:
        return
    why = ", ".join(f"{len(group.cases)} {str(group.reason).replace('_', ' ')}" for group in groups)
    risk = sums(case.at_risk for case in cases if case.at_risk)
    short = _many(len(cases), "case", "cases")
    told = f"{_many(len(cases), 'case needs', 'cases need')} a decision{_at_risk(risk)}: {why}."
    mine = Counter(case.overdue for case in cases if case.owner_id == person.id)
    if mine:
        told += f" {_many(mine.total(), 'is', 'are')} yours"
        told += f", {mine[True]} overdue." if mine[True] else "."
    yield Waiting(short, told, "/attention")


def _bank_lines(session: Session, person: Person, now: datetime) -> Iterator[Waiting]:
    if not person.may(Action.SEE_BANK):
        return
    total = exceptions.summary(session, person, now=now).whole
    if total.count:
        short = _many(total.count, "bank line", "bank lines")
        told = f"{_many(total.count, 'bank line waits', 'bank lines wait')}{_at_risk(total.at_risk)}."
        yield Waiting(short, told, "/workbench")


def _late_payouts(session: Session, person: Person, now: datetime) -> Iterator[Waiting]:
    if not person.may(Action.SEE_BANK):
        return
    if late := payout_watch.overdue(session, person, now=now):
        much = _said(sums(one.least for one in late))
        since = dates.say_days(late[0].latest_on, late[0].latest_on)
        told = f"At least {much} of the gateway's payouts is late at the bank, the oldest since {since}."
        yield Waiting(f"{much} late", told, "/payouts")


def _claims(session: Session, person: Person) -> Iterator[Waiting]:
    scope = conditions.scope_of(person)
    count = session.scalar(
        select(func.sum(Standing.count)).where(
            Standing.status == Status.CLAIMED, *in_scope(Standing.event_id, scope)
        )
    )
    if count:
        told = (
            f"{_many(int(count), 'payment is', 'payments are')} claimed paid, and no bank line says so yet."
        )
        yield Waiting(_many(int(count), "claim", "claims"), told, "/payments?status=claimed")


def _requests(session: Session, person: Person, now: datetime) -> Iterator[Waiting]:
    if count := approvals.waiting_for(session, person, now=now):
        told = f"{_many(count, 'request waits', 'requests wait')} for your decision."
        yield Waiting(_many(count, "request", "requests"), told, "/approvals")


def _signed(session: Session, person: Person) -> Iterator[Waiting]:
    if not person.may(Action.SEE_BANK):
        return
    if count := len(sign_offs.waiting_for(session, person)):
        told = f"{_many(count, 'signed period waits', 'signed periods wait')} for a second person."
        yield Waiting(f"{count} signed", told, "/closing")


# -- words --------------------------------------------------------------------------------------------


def _many(number: int, one: str, more: str) -> str:
    return f"{number} {one if number == 1 else more}"


def _at_risk(much: Mapping[str, Money]) -> str:
    return f", {_said(much)} at risk" if much else ""


def _said(much: Mapping[str, Money]) -> str:
    return " and ".join(str(much[currency]) for currency in sorted(much))
