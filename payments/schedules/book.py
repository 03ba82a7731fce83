"""The schedules of a desk: who made which, and what became of each time they were to go.

One is its maker's, and shows no more than its maker may see now and could see when they wrote it.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.models import OutboxMail, PersonRow, Schedule, ScheduleLink, ScheduleOpening, ScheduleRun
from db.upsert import insert_once
from payments.access import people
from payments.access.people import Action, Person, check, is_active, person_of, proven
from payments.books import audit
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.finding import views
from payments.reports import making
from payments.reports.report import Kind
from payments.schedules import plan as plans
from payments.schedules.outside import Outside
from payments.schedules.plan import Plan, ReportOf, ViewOf, Way
from payments.selling import events

#: How the key of a mail begins that a file goes out by; then the time, and the place among its addresses.
MAILS = "schedule:"
ON, PAUSED, STOPPED, ENDED = "on", "paused", "stopped", "ended"
WAITING, SENT, FAILED = "waiting", "sent", "failed"


@dataclass(frozen=True)
class ScheduleView:
    """``why`` it does not go out any more, in a sentence; ``failures`` in a row."""

    id: int
    plan: Plan
    maker: str
    mine: bool
    state: str
    why: str
    failures: int
    due_at: datetime | None
    last_sent_at: datetime | None


@dataclass(frozen=True)
class Opening:
    at: datetime
    recipient: str
    what: str
    address: str


@dataclass(frozen=True)
class Delivery:
    """How a mail stands: queued, sent, failed, or gone when it was not owed any more."""

    recipient: str
    state: str
    sent_at: datetime | None
    problem: str


@dataclass(frozen=True)
class RunView:
    """One time. ``good_until``: of links, None when there are none that still open."""

    id: int
    due_at: datetime
    asked_by: str
    missed: int
    state: str
    problem: str
    made_at: datetime | None
    file_name: str
    reference: str
    sha256: str
    size_bytes: int
    way: Way | None
    deliveries: tuple[Delivery, ...]
    openings: tuple[Opening, ...]
    good_until: datetime | None
    revoked_by: str


# -- making and changing ------------------------------------------------------------------------------


def make(session: Session, person: Person, plan: Plan, outside: Outside, *, now: datetime) -> int:
    """Have something go out from now on; returns its id.

    Raises NotAllowed, ProveAgain, InvalidInput, NotFound (the report, event or view).
    """
    good = checked(session, person, plan, outside, now=now)
    proven(person, now=now)
    if session.get(PersonRow, person.id) is None:
        raise NotAllowed("A schedule is somebody's of this desk. Sign in, and make it on the page.")
    row = Schedule(
        title=good.title, plan=plans.to_plain(good), maker_id=person.id,
        scope=people.scope_text(person.events), state=ON, why="", failures=0,
        due_at=good.recurrence.after(now), created_at=now, changed_at=now,
    )  # fmt: skip
    session.add(row)
    session.flush()
    _record(session, person, "make_schedule", row, now, to=list(good.recipients), when=good.recurrence.told)
    return row.id


def change(
    session: Session, person: Person, schedule_id: int, plan: Plan, outside: Outside, *, now: datetime
) -> None:
    """Change one's own; from now on it shows what its maker may see now. Raises as ``make``, Conflict."""
    row = _held(session, person, schedule_id)
    proven(person, now=now)
    if row.maker_id != person.id:
        raise NotAllowed(
            "Only its maker changes a schedule: it shows what they may see. Make one of your own."
        )
    good = checked(session, person, plan, outside, now=now)
    row.title, row.plan, row.scope, row.changed_at = (
        good.title,
        plans.to_plain(good),
        people.scope_text(person.events),
        now,
    )
    if row.state == ON:
        row.due_at = good.recurrence.after(now)
    _record(session, person, "change_schedule", row, now, to=list(good.recipients), when=good.recurrence.told)


def pause(session: Session, person: Person, schedule_id: int, *, now: datetime) -> None:
    """Nothing goes out until somebody resumes it. Raises NotAllowed, NotFound, Conflict."""
    row = _held(session, person, schedule_id)
    if row.state != ON:
        raise Conflict(f"“{row.title}” does not go out now.")
    row.state, row.why, row.due_at = PAUSED, f"{person.name} paused it.", None
    _call_off(session, row)
    _record(session, person, "pause_schedule", row, now)


def resume(session: Session, person: Person, schedule_id: int, *, now: datetime) -> None:
    """It goes out again, at its next time: what fell in between is not sent. Raises as ``pause``."""
    row = _held(session, person, schedule_id)
    if row.state not in (PAUSED, STOPPED):
        raise Conflict(f"“{row.title}” goes out already.")
    maker(session, row, now=now)
    row.state, row.why, row.failures = ON, "", 0
    row.due_at = plan_of(row).recurrence.after(now)
    _record(session, person, "resume_schedule", row, now)


def end(session: Session, person: Person, schedule_id: int, *, now: datetime) -> None:
    """It never goes out again, and its links open nothing; what it did stays. Raises as ``pause``."""
    row = _held(session, person, schedule_id)
    row.state, row.why, row.due_at = ENDED, f"{person.name} ended it.", None
    _call_off(session, row)
    good = update(ScheduleRun).where(ScheduleRun.schedule_id == row.id, ScheduleRun.revoked_at.is_(None))
    session.execute(good.values(revoked_at=now, revoked_by=person.name))
    _record(session, person, "end_schedule", row, now)


def run_now(session: Session, person: Person, schedule_id: int, *, now: datetime) -> None:
    """Send it once now; the worker does it within seconds. Raises as ``pause``."""
    row = _held(session, person, schedule_id)
    if row.state not in (ON, PAUSED):
        raise Conflict(f"“{row.title}” has stopped: {row.why} Resume it first.")
    waits = ScheduleRun.schedule_id == row.id, ScheduleRun.state == WAITING
    if session.scalar(select(ScheduleRun.id).where(*waits).limit(1)) is not None:
        raise Conflict(f"“{row.title}” is about to go out already.")
    add_run(session, row, now, asked_by=person.name)
    _record(session, person, "run_schedule", row, now)


def revoke(session: Session, person: Person, run_id: int, *, now: datetime) -> None:
    """The links to a file open nothing any more. Raises NotAllowed, NotFound, Conflict."""
    check(person, Action.SCHEDULE)
    run = session.get(ScheduleRun, run_id, with_for_update=True)
    if run is None:
        raise NotFound("There is no such file.")
    row = _seen(session, person, run.schedule_id)
    if run.revoked_at is not None:
        raise Conflict("Its links were revoked already.")
    run.revoked_at, run.revoked_by = now, person.name
    _record(session, person, "revoke_report_links", row, now, file=run.reference)


def checked(session: Session, person: Person, plan: Plan, outside: Outside, *, now: datetime) -> Plan:
    """A plan of somebody who may see what it is of, in one spelling. Raises as ``make``."""
    check(person, Action.SCHEDULE)
    good = plans.checked(plan, outside, now=now)
    if isinstance(good.what, ReportOf):
        if Kind(good.what.kind) not in making.offered(person):
            raise NotFound("There is no such report for you. Choose another one.")
        if Kind(good.what.kind) in making.OF_ONE_EVENT and not good.what.event:
            raise InvalidInput(f"“{title_of(good.what)}” is of one event. Choose the event.")
        if good.what.event:
            events.event_row(session, person, good.what.event)
    elif not views.get(session, person, good.what.token, now=now).name:
        raise InvalidInput("Save the view under a name first: the name tells those who get it what it is.")
    return good


def title_of(what: ReportOf | ViewOf) -> str:
    """What a report or view is called."""
    return making.ABOUT[Kind(what.kind)].title if isinstance(what, ReportOf) else what.name


# -- looking ------------------------------------------------------------------------------------------


def list_schedules(session: Session, person: Person) -> tuple[ScheduleView, ...]:
    """One's own, and everybody's for who sees all events; those that go out first, without the ended."""
    check(person, Action.SCHEDULE)
    query = select(Schedule, PersonRow.name).join(PersonRow, PersonRow.id == Schedule.maker_id)
    if person.events is not None:
        query = query.where(Schedule.maker_id == person.id)
    query = query.where(Schedule.state != ENDED).order_by(Schedule.due_at.is_(None), Schedule.due_at)
    return tuple(
        ScheduleView(
            row.id, plan_of(row), name, row.maker_id == person.id, row.state, row.why, row.failures,
            row.due_at, _last_sent(session, row.id),
        )
        for row, name in session.execute(query.order_by(Schedule.id))
    )  # fmt: skip


def history(session: Session, person: Person, schedule_id: int, *, now: datetime) -> tuple[RunView, ...]:
    """The newest fifty times it was to go. Raises NotAllowed, NotFound."""
    row = _seen(session, person, schedule_id)
    query = select(ScheduleRun).where(ScheduleRun.schedule_id == row.id)
    runs = session.scalars(query.order_by(ScheduleRun.due_at.desc()).limit(50)).all()
    ids = [run.id for run in runs]
    links = session.scalars(select(ScheduleLink).where(ScheduleLink.run_id.in_(ids))).all()
    openings = _openings(session, links)
    return tuple(
        _run_view(session, run, [one for one in links if one.run_id == run.id], openings[run.id], now)
        for run in runs
    )


def _last_sent(session: Session, schedule_id: int) -> datetime | None:
    sent = select(ScheduleRun.made_at).where(ScheduleRun.schedule_id == schedule_id)
    return session.scalar(sent.where(ScheduleRun.state == SENT).order_by(ScheduleRun.due_at.desc()).limit(1))


def _openings(session: Session, links: Iterable[ScheduleLink]) -> Mapping[int, list[Opening]]:
    known = {link.id: link for link in links}
    found: dict[int, list[Opening]] = defaultdict(list)
    query = select(ScheduleOpening).where(ScheduleOpening.link_id.in_(known))
    for one in session.scalars(query.order_by(ScheduleOpening.id)):
        link = known[one.link_id]
        found[link.run_id].append(Opening(one.at, link.recipient, one.what, one.address))
    return found


def _run_view(
    session: Session, run: ScheduleRun, links: list[ScheduleLink], openings: list[Opening], now: datetime
) -> RunView:
    plan = plans.from_plain("", run.plan) if run.plan else None
    good = [one.expires_at for one in links if run.revoked_at is None and one.expires_at > now]
    return RunView(
        run.id, run.due_at, run.asked_by, run.missed, run.state, run.problem, run.made_at,
        run.file_name or "", run.reference or "", run.sha256 or "", run.size_bytes or 0,
        plan.way if plan else None, tuple(_deliveries(session, run, plan)) if plan else (), tuple(openings),
        max(good, default=None), run.revoked_by or "",
    )  # fmt: skip


def _deliveries(session: Session, run: ScheduleRun, plan: Plan) -> Iterable[Delivery]:
    mails = select(OutboxMail).where(OutboxMail.key.startswith(f"{MAILS}{run.id}:", autoescape=True))
    known = {mail.recipient: mail for mail in session.scalars(mails)}
    for one in plan.recipients:
        if mail := known.get(one):
            yield Delivery(one, mail.state, mail.sent_at, mail.last_error or "")
        else:
            yield Delivery(one, "gone", None, "It was not owed any more when it should have gone.")


# -- for the worker -----------------------------------------------------------------------------------


def plan_of(row: Schedule) -> Plan:
    return plans.from_plain(row.title, row.plan)


def maker(session: Session, row: Schedule, *, now: datetime) -> Person:
    """Whoever made it, as far as they may see both now and when they wrote it. Raises NotAllowed."""
    found = session.get_one(PersonRow, row.maker_id)
    if not is_active(found, now):
        raise NotAllowed(
            f"{found.name}, who made it, has no access to this desk any more. Somebody who has makes it anew."
        )
    person = person_of(found)
    if not person.may(Action.SCHEDULE):
        raise NotAllowed(
            f"{found.name}, who made it, is {person.role} now and may not send reports out. "
            f"Somebody of finance makes it anew."
        )
    then = people.scope_of(row.scope)
    if then is None:
        return person
    both = then if person.events is None else then & person.events
    return Person(person.id, person.name, person.email, person.role, both)


def add_run(
    session: Session, row: Schedule, due_at: datetime, *, missed: int = 0, asked_by: str = ""
) -> bool:
    """Put down that it is to go, once for each moment; whether it was not down already."""
    values = {
        "schedule_id": row.id, "due_at": due_at, "asked_by": asked_by, "missed": missed, "state": WAITING,
        "tries": 0, "try_at": due_at, "problem": "",
    }  # fmt: skip
    return insert_once(session, ScheduleRun, ScheduleRun.id, values)


# -- inside -------------------------------------------------------------------------------------------


def _seen(session: Session, person: Person, schedule_id: int) -> Schedule:
    check(person, Action.SCHEDULE)
    row = session.get(Schedule, schedule_id)
    if row is None or (person.events is not None and row.maker_id != person.id):
        raise NotFound("There is no such schedule for you.")
    return row


def _held(session: Session, person: Person, schedule_id: int) -> Schedule:
    row = _seen(session, person, schedule_id)
    session.refresh(row, with_for_update=True)
    if row.state == ENDED:
        raise Conflict(f"“{row.title}” was ended. Make a new one.")
    return row


def _call_off(session: Session, row: Schedule) -> None:
    """What waits to be made is not."""
    waiting = update(ScheduleRun).where(ScheduleRun.schedule_id == row.id, ScheduleRun.state == WAITING)
    session.execute(waiting.values(state=FAILED, try_at=None, problem=row.why))


def _record(session: Session, person: Person, action: str, row: Schedule, now: datetime, **more: Any) -> None:
    audit.record(session, person, action, row.title, now=now, schedule=row.id, **more)
