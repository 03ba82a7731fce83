"""The worker's rounds: finish events, poll, let links expire, send mail, once a day sweep the history and
draw up the days that can be signed, and say that it is alive."""

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import islice

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from db.models import Meta
from db.session import Sessions
from payments import dates
from payments.asking.courier import Courier
from payments.asking.expiry import Expiry
from payments.asking.links import Addresses
from payments.deciding import lookout
from payments.errors import GatewayError
from payments.gateways import Gateway
from payments.hearing import sync
from payments.hearing.handling import AskEach
from payments.keeping.backups import Keeper
from payments.lifecycle import Effect
from payments.personal_data import retention, tombstones
from payments.personal_data.retention import Terms
from payments.personal_data.tombstones import Stones
from payments.reconciling import proposing
from payments.registering import idempotency
from payments.schedules.making import Scheduler
from payments.schedules.outside import NOBODY, Outside
from payments.second_person import approval_mails
from payments.sign_off import night_drafts
from payments.telling import morning, outbox
from payments.telling.outbox import Transport
from payments.watching.watch import Watch
from payments.working import clock, job_log
from payments.working.job_log import Job

log = logging.getLogger("paydesk.worker")

#: How often the worker says that it is alive; older than a few of these, it is not.
HEARTBEAT = timedelta(seconds=5)
MISSED = timedelta(seconds=30)
SWEEP_AGAIN = timedelta(minutes=15)
LOOK_EVERY = timedelta(minutes=1)
#: The lease that one of several workers holds.
LEASE = "worker"
#: So many batches of what is let go a round: others wait no longer than a second.
BATCHES = 3
_NO_STONES = Stones()
_SEEN, _TROUBLE, _SWEPT = "worker_seen", "worker_trouble", "history_swept"


@dataclass(frozen=True)
class Pulse:
    """What the worker last wrote of itself: when, and what troubles it now ("" when nothing does)."""

    seen_at: datetime | None
    trouble: str

    def alive(self, *, now: datetime) -> bool:
        return self.seen_at is not None and now - self.seen_at < MISSED


def pulse(session: Session) -> Pulse:
    marks = session.execute(select(Meta.key, Meta.value).where(Meta.key.in_((_SEEN, _TROUBLE))))
    kept = {key: value for key, value in marks}  # noqa: C416 - rows are not pairs to a type checker
    seen = kept.get(_SEEN)
    return Pulse(datetime.fromisoformat(seen) if seen else None, kept.get(_TROUBLE, ""))


class Worker:
    """The worker of a desk. One works at a time (``lease``); even two would do no harm: every step may be
    repeated by anyone."""

    def __init__(
        self,
        sessions: Sessions,
        gateways: Mapping[str, Gateway],
        transport: Transport | None,
        sender: str,
        watch: Watch | None = None,
        *,
        ask_each: AskEach = map,
        addresses: Addresses | None = None,
        keeper: Keeper | None = None,
        outside: Outside = NOBODY,
        terms: Terms | None = None,
        stones: Stones = _NO_STONES,
    ) -> None:
        """``addresses``: where reminders lead to; without them, or without ``transport``, none are sent.
        ``keeper``: makes backups; without one there are none. ``outside``: whom reports may go to.
        ``terms``: how long personal data is kept; ``stones``: where it is written down whose was erased."""
        self._sessions = sessions
        self._gateways = gateways
        self._transport = transport
        self._sender = sender
        self._watch = watch
        self._ask_each = ask_each
        self._keeper = keeper
        self._terms, self._stones = terms, stones
        self._going: Iterator[retention.Report] = iter(())
        self._expiry = Expiry(sessions, gateways)
        self._courier = Courier(sessions, gateways, addresses, outside) if addresses else None
        self._scheduler = Scheduler(sessions, outside)
        self._desk_url, self._told_morning = outside.desk_url, date.min
        self._gateway_trouble = ""
        self._trouble: str | None = None  # as last told; None: not yet
        self._beat_at: datetime | None = None
        self._sweep_at: datetime | None = None
        self._draft_at: datetime | None = None
        self._look_at: datetime | None = None
        self._last: datetime | None = None

    def round(self, *, now: datetime) -> None:
        """Do what is due. What goes wrong in the world is told once and tried again in a later round."""
        try:
            self._mind_the_clock(now)
            self._work(now)
            self._say_alive(now)
        except DBAPIError as error:  # the database is away or busy: nothing was lost, wait for it
            # A transaction in which this process stood still was ended, and its connection.
            if not (isinstance(error, OperationalError) or error.connection_invalidated):
                raise
            self._tell(f"The database cannot be used now: {error.orig}")

    def _mind_the_clock(self, now: datetime) -> None:
        """At the start, and when the clock was set back: nothing is waited for that it made us put off."""
        if self._last is None or now < self._last - clock.JUMP:
            clock.mend(self._sessions, now=now)
            self._beat_at = self._sweep_at = self._draft_at = self._look_at = None
            self._expiry.forget()
            if self._courier is not None:
                self._courier.forget()
        self._last = now

    def _work(self, now: datetime) -> None:
        if self._watch is not None:  # first of all: nothing is acted on in books that do not add up
            self._watch.examine(now=now)
        done = sync.step(self._sessions, self._gateways, now=now, ask_each=self._ask_each)
        ended = self._expiry.step(now=now, calls=sync.CALLS_A_SECOND - done.asked)
        sent = 0
        if self._transport is not None:
            sent = self._send_mail(self._transport, now)
        swept, errors = self._sweep(now)
        if self._keeper is not None:
            self._keeper.step(now=now)
        if self._watch is not None:
            self._watch.look_around(now=now)
        self._look_around(now)
        self._draw_up(now)
        self._let_some_go(now)
        errors += (*done.errors, *ended.errors)
        if ended.expired:
            log.info("expired payments=%d", ended.expired)
        if done.events or done.asked or sent:
            effects = " ".join(
                f"{effect}={done.effects.count(effect)}" for effect in sorted(set(done.effects))
            )
            log.info("round events=%d asked=%d mails=%d %s", done.events, done.asked, sent, effects)
        if errors or done.asked or ended.asked or swept:  # a round that asked nothing knows nothing new
            self._gateway_trouble = " ".join(dict.fromkeys(errors))

    def _send_mail(self, transport: Transport, now: datetime) -> int:
        with job_log.noting(self._sessions, Job.REPORTS, now=now) as note:
            if went := self._scheduler.step(now=now):
                log.info("reports sent=%d", went)
                note.did = f"{went} sent"
        with job_log.noting(self._sessions, Job.REMINDERS, now=now) as note:
            courier = self._courier
            if courier is not None and (queued := courier.remind(now=now, limit=sync.CALLS_A_SECOND)):
                log.info("reminders queued=%d", queued)
                note.did = f"{queued} queued"
        self._say_good_morning(now)
        return outbox.send_due(self._sessions, transport, self._sender, now=now, escort=self._courier)

    def _say_good_morning(self, now: datetime) -> None:
        """Once a morning; whatever comes to wait later in the day is told on the next."""
        day = morning.due(now=now)
        if day is None or day == self._told_morning:
            return
        with job_log.noting(self._sessions, Job.MORNING, now=now) as note:
            if told := morning.tell(self._sessions, self._desk_url, now=now):
                log.info("mornings told=%d", told)
                note.did = f"{told} told"
        self._told_morning = day

    def _look_around(self, now: datetime) -> None:
        """Once a minute: what needs a person is put on their queue, and whoever asked for what nobody decided
        hears of it."""
        if self._look_at is None or now >= self._look_at:
            if changed := lookout.look(self._sessions, now=now):
                log.info("lookout cases=%d", changed)
            approval_mails.tell_run_out(self._sessions, now=now)
            self._look_at = now + LOOK_EVERY

    def _draw_up(self, now: datetime) -> None:
        """Once a business day, soon after midnight: lines that wait are asked about again, the days that are
        over are drawn up as they could be signed, and what is no longer kept is forgotten."""
        if self._draft_at is not None and now < self._draft_at:
            return
        with self._sessions.read() as session:
            due = night_drafts.due(session, now=now)
        if due:
            with job_log.noting(self._sessions, Job.NIGHT, now=now) as note:
                if run := proposing.by_night(self._sessions, now=now):
                    log.info("lines asked=%d matched=%d", run.lines, sum(run.accepted.values()))
                made = night_drafts.make(self._sessions, now=now)
                if gone := idempotency.sweep(self._sessions, now=now):
                    log.info("idempotency keys forgotten=%d", gone)
                lines, matched = (run.lines, sum(run.accepted.values())) if run else (0, 0)
                log.info("days drafted=%d", made)
                note.did = f"{lines} bank lines asked about, {matched} matched; {made} days drawn up"
        self._let_go(now)
        self._draft_at = dates.day_span(dates.business_day(now)).end

    def _let_go(self, now: datetime) -> None:
        """Once a business day: personal data whose time is over."""
        if self._terms is None:
            return
        with self._sessions.read() as session:
            due = retention.due(session, now=now)
            tombstones.catch_up(session, self._stones, now=now)
        if due:
            self._going = retention.letting_go(self._sessions, self._terms, self._stones, now=now)

    def _let_some_go(self, now: datetime) -> None:
        """A few batches a round: on a desk with years of events the first night has much to do."""
        with job_log.noting(self._sessions, Job.RETENTION, now=now) as note:
            reports = list(islice(self._going, BATCHES))
            if not reports:
                return
            rows = sum(reports[-1].counts.values())
            if rows:
                log.info("retention rows=%d", rows)
            if len(reports) < BATCHES:
                self._going = iter(())
                note.did = f"{rows} rows" if rows else "nothing was old enough"

    def _sweep(self, now: datetime) -> tuple[bool, list[str]]:
        """Once a business day, everything the gateway remembers of the last two; whether it was, and what
        went wrong."""
        if self._sweep_at is None:
            self._sweep_at = self._first_sweep(now)
        if now < self._sweep_at:
            return False, []
        try:
            with job_log.noting(self._sessions, Job.SWEEP, now=now) as note:
                effects = sync.ask_history(self._sessions, self._gateways, now=now)
                found = sum(effect is not Effect.NOTHING for effect in effects)
                note.did = f"{len(effects)} answers, {found} of them news"
        except GatewayError as error:
            self._sweep_at = now + SWEEP_AGAIN
            return False, [str(error)]
        log.info("history swept found=%d", found)
        with self._sessions.begin() as session:
            session.merge(Meta(key=_SWEPT, value=dates.business_day(now).isoformat()))
        self._sweep_at = dates.day_span(dates.business_day(now)).end
        return True, []

    def _first_sweep(self, now: datetime) -> datetime:
        today = dates.business_day(now)
        with self._sessions.read() as session:
            swept = session.get(Meta, _SWEPT)
        return dates.day_span(today).end if swept and swept.value == today.isoformat() else now

    def _say_alive(self, now: datetime) -> None:
        trouble = self._gateway_trouble
        changed = trouble != self._trouble
        if not changed and self._beat_at is not None and now - self._beat_at < HEARTBEAT:
            return
        with self._sessions.begin() as session:
            session.merge(Meta(key=_SEEN, value=now.isoformat()))
            session.merge(Meta(key=_TROUBLE, value=trouble))
        self._beat_at = now
        self._tell(trouble)

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble and (trouble or self._trouble):
            log.warning("trouble %s", trouble or "is over")
        self._trouble = trouble
