"""Reminders: a mail to who has not paid yet, on the days an event says, and never a nuisance.

At most one a person a day, none in quiet hours, none to who wants none, none to who was just given the link.
The gateway is asked right before each is sent: whoever has paid by then hears nothing. Links in it lead to
our own public address only.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from itertools import islice

from sqlalchemy import ColumnElement, select
from sqlalchemy.orm import Session

from db.models import Event, Link, OptOut, Payment, Reminder, ReminderPlan
from db.upsert import insert_once
from payments import dates, holding, lifecycle, obligations, references
from payments.access.people import Action, Person, check
from payments.asking import links
from payments.asking.links import Addresses
from payments.books import audit
from payments.errors import Conflict, InvalidInput
from payments.lifecycle import Kind, Source, Status
from payments.live import tallies
from payments.payers import payer_words
from payments.payers.payer_words import Text
from payments.selling import terms
from payments.selling.events import event_row
from payments.telling import outbox
from payments.watching import standstill
from payments.watching.alerts import QuietHours

MOST_STEPS, EARLIEST, LATEST = 6, -90, 30
#: A step that was missed (a desk that was down) is made up for within this time.
GRACE = timedelta(days=1)
#: Nobody is reminded so soon after they were given the link, or came back from its page.
NEVER_SO_SOON = timedelta(days=1)
#: Who may be reminded: they have a link, have not paid all, and nobody must look at the payment first.
REMINDABLE = (Status.OPEN, Status.FAILED, Status.PART_PAID)
MAILS = "reminder:"
EVENING_TO_MORNING = QuietHours(time(19), time(8))


@dataclass(frozen=True)
class Plan:
    """``days`` from the event's first one, none for no reminders."""

    days: tuple[int, ...] = ()
    quiet: QuietHours = EVENING_TO_MORNING

    def step(self, starts_on: date, today: date) -> int | None:
        """The step that is due: the last one that has come, while it is not too late for it."""
        come = [day for day in self.days if starts_on + timedelta(days=day) <= today]
        return max(come) if come and today - starts_on <= timedelta(days=max(come)) + GRACE else None

    def next_day(self, starts_on: date, today: date) -> date | None:
        """The next day on which it reminds, after ``today``."""
        coming = [starts_on + timedelta(days=day) for day in self.days]
        return min((day for day in coming if day > today), default=None)


def plan_of(session: Session, event_id: int) -> Plan:
    row = session.get(ReminderPlan, event_id)
    return _plan(row) if row is not None else Plan()


def save_plan(session: Session, person: Person, event_code: str, plan: Plan, *, now: datetime) -> None:
    """Set when an event reminds; audited. Raises NotAllowed, NotFound, InvalidInput, Conflict."""
    standstill.refuse(session)
    event = event_row(session, person, event_code)
    check(person, Action.MANAGE_EVENTS, event.id)
    plan = _checked(plan)
    was = plan_of(session, event.id)
    if plan == was:
        return
    row = session.get(ReminderPlan, event.id) or ReminderPlan(event_id=event.id)
    for name, value in _told(plan).items():
        setattr(row, name, value)
    row.changed_at = now
    session.add(row)
    audit.record(
        session, person, "change_reminders", event.code, now=now, event_id=event.id,
        was=_told(was), became=_told(plan),
    )  # fmt: skip
    tallies.bump(session, event.id)


def next_day(session: Session, person: Person, reference: str, *, now: datetime) -> date | None:
    """The next day on which a payment's payer may be reminded; None when none is planned. Raises NotFound."""
    payment = obligations.seen(session, person, reference)
    if why_not(session, payment, now=now):
        return None
    plan = plan_of(session, payment.event_id)
    return plan.next_day(payment.event.starts_on, dates.business_day(now))


# -- who wants none -----------------------------------------------------------------------------------


def wants_none(session: Session, email: str) -> bool:
    return session.get(OptOut, person_hash(email)) is not None


def opt_out(session: Session, person: Person, reference: str, *, now: datetime) -> None:
    """A payer told the desk that they want no reminders. Raises NotFound, NotAllowed, Conflict."""
    payment = _reachable(session, person, reference)
    _opt_out(session, payment, now=now, source=Source.DESK, actor=person.name)
    audit.record(session, person, "opt_out", payment.reference, now=now, event_id=payment.event_id)


def opt_in(session: Session, person: Person, reference: str, *, now: datetime) -> None:
    """They want them after all. Raises NotFound, NotAllowed, Conflict."""
    payment = _reachable(session, person, reference)
    row = session.get(OptOut, person_hash(payment.payer_email))
    if row is None:
        return
    session.delete(row)
    lifecycle.note(
        session, payment, Kind.NOTE, now=now, source=Source.DESK, actor=person.name,
        text="The payer wants reminders again.",
    )  # fmt: skip
    audit.record(session, person, "opt_in", payment.reference, now=now, event_id=payment.event_id)


def opt_out_by_token(session: Session, token: str, *, now: datetime) -> None:
    """The payer said so on the page that a reminder leads to. Raises NotFound."""
    link = links.link_by_token(session, token)
    if link.payment.payer_email:
        _opt_out(session, link.payment, now=now, source=Source.PAYER, actor="Payer")


def person_hash(email: str) -> str:
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()


def _opt_out(session: Session, payment: Payment, *, now: datetime, source: Source, actor: str) -> None:
    row = {"person_hash": person_hash(payment.payer_email), "at": now, "by": actor}
    if insert_once(session, OptOut, OptOut.person_hash, row):
        lifecycle.note(
            session, payment, Kind.NOTE, now=now, source=source, actor=actor,
            text="The payer wants no more reminders.",
        )  # fmt: skip


def _reachable(session: Session, person: Person, reference: str) -> Payment:
    standstill.refuse(session)
    payment = obligations.seen(session, person, reference)
    check(person, Action.ISSUE_LINK, payment.event_id)
    if not payment.payer_email:
        raise Conflict(f"{reference} has no e-mail address, so nobody is reminded.")
    return payment


# -- who is due ---------------------------------------------------------------------------------------


def due(session: Session, after: int, *, now: datetime, limit: int) -> list[tuple[int, int]]:
    """Payments to remind now, by their ids from ``after`` on, each with the step of its event's plan."""
    today = dates.business_day(now)
    found: list[tuple[int, int]] = []
    plans = select(Event.id, Event.starts_on, ReminderPlan).join(ReminderPlan).where(Event.state == "open")
    for event_id, starts_on, row in session.execute(plans).all():
        plan = _plan(row)
        step = plan.step(starts_on, today)
        if step is None or plan.quiet.holds(now):
            continue
        waiting = (
            select(Payment.id, Payment.payer_email)
            .where(Payment.event_id == event_id, Payment.id > after, *_remindable(now), ~_reminded(step))
            .order_by(Payment.id)
        )
        rows = session.execute(waiting)
        of_event = ((payment_id, step) for payment_id, email in rows if _may(session, email, today))
        found += islice(of_event, limit)
    return sorted(found)[:limit]


def _remindable(now: datetime) -> Iterable[ColumnElement[bool]]:
    of_it = select(Link.id).where(Link.payment_id == Payment.id)
    yield Payment.status.in_(REMINDABLE)
    yield Payment.payer_email != ""
    yield Payment.review.is_(None)
    yield of_it.where(Link.state == "open").exists()
    yield ~of_it.where(Link.active_at > now - NEVER_SO_SOON).exists()


def _reminded(step: int) -> ColumnElement[bool]:
    return select(Reminder.id).where(Reminder.payment_id == Payment.id, Reminder.step == step).exists()


def _may(session: Session, email: str, today: date) -> bool:
    """Not today's second for this person, and they want some."""
    known = person_hash(email)
    second = select(Reminder.id).where(Reminder.person_hash == known, Reminder.day == today)
    return session.scalar(second) is None and session.get(OptOut, known) is None


# -- one reminder -------------------------------------------------------------------------------------


def queue(session: Session, payment_id: int, step: int, addresses: Addresses, *, now: datetime) -> bool:
    """Queue one, as things stand on disk now; whether it was."""
    payment = holding.payment(session, payment_id)
    if why_not(session, payment, now=now):
        return False
    link = links.newest(payment)
    row = {
        "payment_id": payment.id, "step": step, "person_hash": person_hash(payment.payer_email),
        "day": dates.business_day(now), "outcome": "queued", "queued_at": now,
    }  # fmt: skip
    if not insert_once(session, Reminder, Reminder.id, row):
        return False  # another worker, or another payment of this person, was first
    links.wake(link, now, within=timedelta(minutes=1))
    subject, body = _written(session, payment, link, addresses)
    outbox.queue(session, payment, f"{MAILS}{payment.reference}:{step}", subject, body, now=now)
    return True


def why_not(session: Session, payment: Payment, *, now: datetime) -> str:
    """Why this payment's payer hears nothing now; "" when they may be reminded."""
    if payment.status not in REMINDABLE:
        return f"it is {payment.status.replace('_', ' ')}"
    if payment.review is not None:
        return "a person must look at it first"
    if wants_none(session, payment.payer_email):
        return "they want no reminders"
    if not payment.links or links.newest(payment).state != "open":
        return "it has no link that can be paid"
    if not links.fits(session, links.newest(payment)):
        return "its link asks for more than is owed"
    if payment.event.state != "open":
        return f"the event is {payment.event.state}"
    return ""


def in_time(session: Session, key: str, *, now: datetime) -> bool:
    """Whether a queued reminder's day is not over: it may have waited for a mail server."""
    payment_id, step = _of_key(session, key)
    payment = session.get_one(Payment, payment_id)
    return plan_of(session, payment.event_id).step(payment.event.starts_on, dates.business_day(now)) == step


def withdraw(session: Session, key: str) -> None:
    """A queued reminder is not sent after all. It counts for its day all the same."""
    payment_id, step = _of_key(session, key)
    row = session.scalars(
        select(Reminder).where(Reminder.payment_id == payment_id, Reminder.step == step)
    ).one()
    row.outcome = "withdrawn"


def stop_address(addresses: Addresses, token: str) -> str:
    return f"{addresses.return_url}/{token}/stop"


def _of_key(session: Session, key: str) -> tuple[int | None, int]:
    reference, _, step = key.removeprefix(MAILS).rpartition(":")
    return session.scalar(select(Payment.id).where(Payment.reference == reference)), int(step)


def _written(session: Session, payment: Payment, link: Link, addresses: Addresses) -> tuple[str, str]:
    language = terms.of(session, payment.event_id).language
    told = {
        "name": payment.payer_name,
        "amount": link.amount,
        "event": payment.event.name,
        "reference": references.spoken(payment.reference),
        "url": f"{addresses.return_url}/{link.return_token}/pay",
        "stop": stop_address(addresses, link.return_token),
    }
    demo = "This is a demonstration: no real money moves.\n\n" if payment.mode == "demo" else ""
    body = payer_words.say(language, Text.REMINDER, **told)
    return payer_words.say(language, Text.REMINDER_SUBJECT, **told), f"{demo}{body}\n"


# -- the plan as it is kept -----------------------------------------------------------------------------


def _plan(row: ReminderPlan) -> Plan:
    days = tuple(int(day) for day in row.days.split(",") if day)
    quiet = QuietHours(time.fromisoformat(row.quiet_from), time.fromisoformat(row.quiet_until))
    return Plan(days, quiet)


def _told(plan: Plan) -> dict[str, str]:
    return {
        "days": ",".join(str(day) for day in plan.days),
        "quiet_from": f"{plan.quiet.start:%H:%M}",
        "quiet_until": f"{plan.quiet.end:%H:%M}",
    }


def _checked(plan: Plan) -> Plan:
    days = tuple(sorted(set(plan.days)))
    if len(days) > MOST_STEPS:
        raise InvalidInput(f"More than {MOST_STEPS} reminders are a nuisance. Choose fewer days.")
    if days and not EARLIEST <= days[0] <= days[-1] <= LATEST:
        raise InvalidInput(f"Reminders are sent {-EARLIEST} days before the first day to {LATEST} after it.")
    return Plan(days, plan.quiet)
