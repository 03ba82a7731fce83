"""The worker's part: what falls due is put down once, made, kept, and handed to the outbox, once.

A time is put down before anything is made (``schedule_runs`` is unique by schedule and moment). The file is
made with no transaction open; keeping it, queueing its mails and saying that it went are one transaction.
So a worker that dies in between leaves a time that waits, and two at once make a file twice and send one.
"""

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from db.models import OutboxMail, PersonRow, Schedule, ScheduleRun
from db.session import Sessions
from payments.access.people import SYSTEM, Person
from payments.books import audit
from payments.errors import NotAllowed, NotFound, PaymentsError
from payments.exports import records
from payments.exports.delivery import Delivery
from payments.exports.layout import Format, Layout
from payments.exports.run import Children
from payments.finding import views
from payments.reports import making, papers
from payments.schedules import book, mailing
from payments.schedules import plan as plans
from payments.schedules.book import FAILED, MAILS, ON, PAUSED, SENT, STOPPED, WAITING
from payments.schedules.outside import Outside
from payments.schedules.plan import COLUMNS_OF_VIEWS, Plan, ReportOf, Way
from payments.sheets.back import File
from payments.watching import standstill

log = logging.getLogger("paydesk.schedules")

#: So often one time is tried, so long after the last try, before it has failed; a try that nothing was heard
#: of again counts too.
TRIES, TRY_AGAIN = 3, timedelta(minutes=10)
#: So many times in a row fail, and it does not go out until somebody looks.
FAILURES = 3
LOOK_EVERY = timedelta(seconds=5)


@dataclass(frozen=True)
class Made:
    """A file under its reference; ``paper`` when it is a report, whose record is still to be written."""

    reference: str
    file: File
    paper: papers.Taken | None


class Scheduler:
    """One worker's. Two at once do no harm."""

    def __init__(self, sessions: Sessions, outside: Outside) -> None:
        self._sessions = sessions
        self._outside = outside
        self._look_at: datetime | None = None

    def step(self, *, now: datetime) -> int:
        """Put down what fell due, and send one that waits; how many went."""
        if self._look_at is not None and self._look_at - LOOK_EVERY <= now < self._look_at:
            return 0
        self._look_at = now + LOOK_EVERY
        with self._sessions.read() as session:
            if standstill.current(session) is not None:  # nothing goes out of books that do not add up
                return 0
            due = session.scalars(
                select(Schedule.id).where(Schedule.state == ON, Schedule.due_at <= now)
            ).all()
        for schedule_id in due:
            with self._sessions.begin() as session:
                _fall_due(session, schedule_id, now)
        self._forget(now)
        with self._sessions.read() as session:
            waits = select(ScheduleRun.id).where(ScheduleRun.state == WAITING, ScheduleRun.try_at <= now)
            run_id = session.scalar(waits.order_by(ScheduleRun.try_at, ScheduleRun.id).limit(1))
        return 0 if run_id is None else int(self._send(run_id, now))

    def _forget(self, now: datetime) -> None:
        """What no link opens any more is not kept; its hash is."""
        old = ScheduleRun.made_at < now - mailing.LASTS - timedelta(days=1)
        with self._sessions.begin() as session:
            session.execute(update(ScheduleRun).where(ScheduleRun.data.is_not(None), old).values(data=None))

    def _send(self, run_id: int, now: datetime) -> bool:
        with self._sessions.begin() as session:
            if not _claim(session, run_id, now):
                return False
        try:
            with self._sessions.read() as session:
                run = session.get_one(ScheduleRun, run_id)
                row = session.get_one(Schedule, run.schedule_id)
                plan, due_at = book.plan_of(row), run.due_at
                maker = book.maker(session, row, now=now)
            made = self._make(plan, due_at, maker, now=now)
            mailing.check_size(len(made.file.data), plan.way)
            plans.addresses(plan.recipients, self._outside)  # what is allowed may have changed since
        except PaymentsError as error:
            log.warning("run=%d could not be sent: %s", run_id, error)
            with self._sessions.begin() as session:
                _went_wrong(session, run_id, error, now)
            return False
        with self._sessions.begin() as session:
            return _keep(session, run_id, plan, maker, made, self._outside, now)

    def _make(self, plan: Plan, due_at: datetime, maker: Person, *, now: datetime) -> Made:
        if isinstance(plan.what, ReportOf):
            asked = plans.asked(plan.what, plan.recurrence, due_at)
            with self._sessions.read() as session:
                report = making.make(session, maker, asked, demo=self._outside.demo, now=now)
            paper = papers.write(report.for_others, plan.format, maker.name)
            return Made(paper.reference, paper.file, paper)
        layout = Layout(Format(plan.format), COLUMNS_OF_VIEWS, opening=True, ending=True)
        with self._sessions.begin() as session:
            wanted = views.get(session, maker, plan.what.token, now=due_at).filter
            asked_for = records.ask(session, maker, wanted, layout, demo=self._outside.demo, now=now)
        data = self._written(maker, asked_for.reference, now)
        return Made(asked_for.reference, File(asked_for.file_name, _media(plan.format), data), None)

    def _written(self, maker: Person, reference: str, now: datetime) -> bytes:
        """The whole file, by a child; one that grows too large is broken off."""
        children = Children(self._sessions.engine.dialect.name)
        delivery, size = Delivery(self._sessions, children, maker, reference, lambda: now), 0
        try:
            pieces: list[bytes] = []
            for piece in delivery.pieces():
                size += len(piece)
                if size > mailing.LARGEST_BY_LINK:
                    break
                pieces.append(piece)
        finally:
            delivery.end("It became too large to be sent.")
            children.close()
        mailing.check_size(size, Way.LINK)
        return b"".join(pieces)


def _media(format_: str) -> str:
    return papers.MEDIA_TYPES[Format(format_)]


def _fall_due(session: Session, schedule_id: int, now: datetime) -> None:
    """The latest time that has come, once; those before it are passed over and counted."""
    row = session.get_one(Schedule, schedule_id, with_for_update=True)
    if row.state != ON or row.due_at is None or row.due_at > now:
        return
    when, passed, missed = book.plan_of(row).recurrence, row.due_at, 0
    latest = max(when.latest(now), row.due_at)
    while passed < latest:
        passed, missed = when.after(passed), missed + 1
    book.add_run(session, row, latest, missed=missed)
    row.due_at = when.after(now)


def _claim(session: Session, run_id: int, now: datetime) -> bool:
    """One more try, ours. One that was tried often enough, with nothing heard of it, has failed."""
    run = session.get_one(ScheduleRun, run_id, with_for_update=True)
    if run.state != WAITING or run.try_at is None or run.try_at > now:
        return False
    if run.tries >= TRIES:
        _failed(session, run, run.problem or "The desk stopped each time while it made the file.", now)
        return False
    run.tries, run.try_at = run.tries + 1, now + TRY_AGAIN
    return True


def _keep(
    session: Session, run_id: int, plan: Plan, maker: Person, made: Made, outside: Outside, now: datetime
) -> bool:
    """Keep the file, owe its mails, and say so: all or nothing, and once."""
    run = session.get_one(ScheduleRun, run_id, with_for_update=True)
    if run.state != WAITING:  # another worker was quicker, or somebody ended it
        return False
    row = session.get_one(Schedule, run.schedule_id, with_for_update=True)
    run.state, run.try_at, run.problem, run.made_at = SENT, None, "", now
    run.plan, run.reference, run.file_name = plans.to_plain(plan), made.reference, made.file.name
    run.media_type, run.data, run.size_bytes = made.file.media_type, made.file.data, len(made.file.data)
    run.sha256 = hashlib.sha256(made.file.data).hexdigest()
    row.failures = 0
    if made.paper is not None:
        papers.record(session, maker, made.paper, now=now)
    mailing.queue(session, run, plan, mailing.asked_by(maker), outside)
    audit.record(
        session, SYSTEM, "send_report", row.title, now=now, schedule=row.id, file=made.reference,
        to=list(plan.recipients), sha256=run.sha256, due_at=run.due_at.isoformat(), missed=run.missed,
    )  # fmt: skip
    if run.asked_by == "" and (why := _given_up(session, row)):
        _take_off(session, row, run, PAUSED, why, now)
    return True


def _went_wrong(session: Session, run_id: int, error: PaymentsError, now: datetime) -> None:
    run = session.get_one(ScheduleRun, run_id, with_for_update=True)
    if run.state != WAITING:
        return
    run.problem = str(error)
    if isinstance(error, NotAllowed | NotFound):  # no later try finds what is not theirs, or is gone
        run.state, run.try_at = FAILED, None
        row = session.get_one(Schedule, run.schedule_id, with_for_update=True)
        _take_off(session, row, run, STOPPED, str(error), now)
    elif run.tries >= TRIES:
        _failed(session, run, run.problem, now)


def _failed(session: Session, run: ScheduleRun, problem: str, now: datetime) -> None:
    row = session.get_one(Schedule, run.schedule_id, with_for_update=True)
    run.state, run.try_at, run.problem = FAILED, None, problem
    row.failures += 1
    if row.failures >= FAILURES:
        why = f"It failed {row.failures} times in a row: {problem} Mend that, and then resume it."
        _take_off(session, row, run, PAUSED, why, now)


def _given_up(session: Session, row: Schedule) -> str:
    """Why it is of no use to go on: mail to an address was given up each time lately."""
    sent = select(ScheduleRun.id).where(ScheduleRun.schedule_id == row.id, ScheduleRun.state == SENT)
    runs = session.scalars(sent.order_by(ScheduleRun.due_at.desc()).offset(1).limit(FAILURES)).all()
    if len(runs) < FAILURES:
        return ""
    refused = [_refused(session, run_id) for run_id in runs]
    if always := set(refused[0]).intersection(*refused[1:]):
        return (
            f"Mail to {', '.join(sorted(always))} was given up the last {FAILURES} times. "
            f"Correct or remove the address, and then resume it."
        )
    return ""


def _refused(session: Session, run_id: int) -> Iterable[str]:
    mails = OutboxMail.key.startswith(f"{MAILS}{run_id}:", autoescape=True)
    return session.scalars(select(OutboxMail.recipient).where(mails, OutboxMail.state == "failed")).all()


def _take_off(session: Session, row: Schedule, run: ScheduleRun, state: str, why: str, now: datetime) -> None:
    """It does not go out any more; whoever made it is told, when they are still here."""
    if row.state not in (ON, PAUSED):
        return
    row.state, row.why, row.due_at = state, why, None
    audit.record(session, SYSTEM, "stop_schedule", row.title, now=now, schedule=row.id, why=why)
    maker = session.get_one(PersonRow, row.maker_id)
    if maker.disabled_at is None:
        mailing.tell_maker(session, row, run, maker.email, now=now)
