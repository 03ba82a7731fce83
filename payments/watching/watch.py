"""The worker's look around, once a minute: what is wrong with the desk as a whole, told through ``alerts``.

Each look yields alarms; one that is no longer yielded is over. Once an hour the books are examined too.
"""

import json
import logging
import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from db.models import InboxEvent, Link, Meta, Receipt, Tally, TimelineEntry, UnverifiedEvent
from db.session import Sessions
from payments import dates, lifecycle
from payments.at_the_door import card_watch
from payments.books import chain, integrity
from payments.errors import GatewayError
from payments.gateways import Gateway
from payments.keeping import backups
from payments.lifecycle import Method, Source, Status
from payments.live import tallies
from payments.lump_sums import payout_watch
from payments.money_back import dispute_watch
from payments.personal_data import privacy_watch
from payments.reconciling import misfit_watch
from payments.telling import notify_watch
from payments.telling.chat import Chat, NotSent
from payments.watching import alerts, health, rhythm
from payments.watching.alerts import Alarm, Kind, QuietHours, Severity
from payments.working import job_log
from payments.working.job_log import Job

log = logging.getLogger("paydesk.watch")

EVERY = timedelta(minutes=1)
EXAMINE_EVERY = timedelta(hours=1)
QUEUE_AGE = timedelta(minutes=5)
UNKNOWN_AGE = timedelta(minutes=10)
#: A message needs a moment to come and be acted on before a payment counts as not told of.
UNTOLD_AFTER = timedelta(minutes=2)
#: Failed proofs within so long, and how many of them are more than a stranger trying the door.
FORGED_WITHIN, FORGED = timedelta(minutes=15), 5
CLOCK_POOR, CLOCK_BAD = timedelta(seconds=60), timedelta(minutes=5)
BACKUP_POOR, BACKUP_BAD = backups.PROMISE + timedelta(minutes=15), timedelta(hours=3)
DISK_POOR, DISK_BAD = 2 * 1024**3, 512 * 1024**2
#: A reference no payment has: an answer about it shows that the gateway is there and knows our keys.
NOBODYS = "PAYDESK_CHECK"
_REACH = "gateway_seen"
_NEWEST = 1_000


@dataclass(frozen=True)
class Reach:
    """How the gateway answered when it was last tried. ``failing_since`` is None when it did."""

    at: datetime
    fault: str
    failing_since: datetime | None
    latency_ms: int
    skew_s: int | None  # its clock ahead of ours; None when it told no time


@dataclass(frozen=True)
class Disk:
    free: int
    total: int


class Watch:
    """One watch of a desk; it remembers when it last looked, and what is usual."""

    def __init__(
        self,
        sessions: Sessions,
        gateway: Gateway,
        clock: Callable[[], datetime],
        folder: Path,
        *,
        chat: Chat | None = None,
        quiet: QuietHours = alerts.ALWAYS_LOUD,
        keeps_backups: bool = False,
    ) -> None:
        self._sessions = sessions
        self._gateway = gateway
        self._clock = clock
        self._folder = folder
        self._chat = chat
        self._quiet = quiet
        self._keeps_backups = keeps_backups
        self._began: datetime | None = None
        self._looked_at: datetime | None = None
        self._examined_at: datetime | None = None
        self._learned_at: datetime | None = None
        self._counts: Mapping[datetime, int] = {}

    def examine(self, *, now: datetime) -> None:
        """The books, when it is time to: before anything is done in them. Cheap in between."""
        if _due(self._examined_at, EXAMINE_EVERY, now=now):
            self._examined_at = now
            with job_log.noting(self._sessions, Job.BOOKS, now=now) as note:
                report = integrity.run(self._sessions, now=now)
                note.did = f"{len(integrity.RULES)} rules asked"
                note.fault = " ".join(finding.sentence for finding in report.findings)
            for finding in report.findings:
                log.error("integrity %s: %s %s", finding.name, finding.sentence, "; ".join(finding.rows))
            if all(finding.name != "audit" for finding in report.findings):
                chain.drop_anchor(self._sessions, now=now)

    def look_around(self, *, now: datetime) -> None:
        """When it is time to, after what was due is done: what waited while nobody ran is no trouble."""
        if _due(self._looked_at, EVERY, now=now):
            self._looked_at = now
            self._look(now)

    def _look(self, now: datetime) -> None:
        self._began = self._began or now
        reach = try_gateway(self._sessions, self._gateway, self._clock)
        disk = disk_of(self._folder)
        with self._sessions.read() as session:
            if _due(self._learned_at, timedelta(hours=1), now=now):
                self._learned_at, self._counts = now, messages_by_hour(session, now=now)
            found = list(look(session, self._counts, now=now))
            found += [
                *about_gateway(reach),
                *about_disk(disk),
                *about_clock(reach, _skew(session, self._clock)),
            ]
            if self._keeps_backups:
                found += about_backups(backups.state(session), self._began, now=now)
        with self._sessions.begin() as session:
            alerts.settle(session, found, now=now)
        try:
            alerts.tell(self._sessions, self._chat, quiet=self._quiet, now=now)
        except NotSent as error:
            log.warning("%s", error)


def look(session: Session, counts: Mapping[datetime, int], *, now: datetime) -> Iterator[Alarm]:
    """What the database tells is wrong. ``counts`` are the messages of the hours before."""
    yield from _silence(session, counts, now=now)
    yield from _failures(session, now)
    yield from _forged(session, now)
    yield from _waiting(session, now)
    yield from payout_watch.alarms(session, now=now)
    yield from card_watch.alarms(session, now=now)
    yield from notify_watch.alarms(session, now=now)
    yield from dispute_watch.alarms(session, now=now)
    yield from privacy_watch.alarms(session, now=now)
    yield from misfit_watch.alarms(session)


def _due(at: datetime | None, every: timedelta, *, now: datetime) -> bool:
    """Also when the clock was set back: time that has not come yet is no reason to wait."""
    return at is None or not timedelta(0) <= now - at < every


# -- the hook ---------------------------------------------------------------------------------------


def messages_by_hour(session: Session, *, now: datetime) -> Mapping[datetime, int]:
    """How many proved messages first came in each hour of the last weeks."""
    since = now - timedelta(weeks=rhythm.WEEKS, hours=1)
    came = select(InboxEvent.received_at).where(InboxEvent.received_at >= since)
    return Counter(tallies.hour_of(at) for at in session.scalars(came.execution_options(yield_per=5_000)))


def _silence(session: Session, counts: Mapping[datetime, int], *, now: datetime) -> Iterator[Alarm]:
    newest = select(InboxEvent.gateway_reference, InboxEvent.last_seen_at).order_by(InboxEvent.id.desc())
    messages = session.execute(newest.limit(_NEWEST)).all()
    since = max((message.last_seen_at for message in messages), default=None)
    untold = _untold(session, {message.gateway_reference for message in messages}, since, now=now)
    began = since or min(untold, default=now)
    if rhythm.is_silent(counts, began, len(untold), now=now):
        said = f"since {dates.say_moment(since, now=now)}" if since else "ever"
        many = "payment was" if len(untold) == 1 else "payments were"
        yield Alarm(
            Kind.HOOK_SILENT,
            Severity.BAD,
            f"The gateway has sent no message {said}, and {len(untold)} {many} found by asking. "
            f"Look at IKHOKHA_WEBHOOK_URL, the proxy before it, and its certificate.",
        )


def _untold(
    session: Session, told: set[str | None], since: datetime | None, *, now: datetime
) -> list[datetime]:
    """When payments came in through the gateway that it told us nothing of, since its last message."""
    newest = select(Receipt.source_reference, Receipt.received_at).where(Receipt.kind == Method.GATEWAY)
    found = session.execute(newest.order_by(Receipt.id.desc()).limit(_NEWEST // 5))
    until = now - UNTOLD_AFTER
    return [
        at for reference, at in found if reference not in told and at <= until and (not since or at > since)
    ]


# -- the payments -----------------------------------------------------------------------------------


def _failures(session: Session, now: datetime) -> Iterator[Alarm]:
    """More attempts fail than in the four weeks before. Cash does not fail: only the gateway is judged."""
    attempts = _attempts(session, now)
    before, failed_before = _attempts_before(session, now)
    size = rhythm.has_dropped([word is not None for word in attempts], failed_before, before)
    if size is None:
        return
    words = Counter(word for word in attempts[:size] if word is not None)
    reason, _ = words.most_common(1)[0]
    usual = f"{failed_before * 100 // before} %"
    yield Alarm(
        Kind.SUCCESS_RATE,
        Severity.BAD,
        f"{words.total()} of the last {size} attempts at the gateway failed; usually {usual} do. "
        f"The most frequent answer: {reason or 'no reason given'}.",
        key=Method.GATEWAY,
    )


def _attempts(session: Session, now: datetime) -> list[str | None]:
    """The attempts of the last hour, the newest first: None for one that was paid, else what was said."""
    entry = TimelineEntry
    newest = select(entry.kind, entry.source, entry.at, entry.detail).order_by(entry.id.desc())
    ended = (Status.PAID, Status.FAILED)
    return [
        None if detail["became"] == Status.PAID else str(detail.get("word", ""))
        for kind, source, at, detail in session.execute(newest.limit(_NEWEST * 3))
        if kind == lifecycle.Kind.STATUS
        and source in (Source.WEBHOOK, Source.POLL)
        and detail["became"] in ended
        and timedelta(0) <= now - at < timedelta(hours=1)
    ]


def _attempts_before(session: Session, now: datetime) -> tuple[int, int]:
    """Attempts in the four weeks before the last hour, and those of them that failed."""
    until, since = tallies.hour_of(now) - timedelta(hours=1), now - timedelta(days=28)
    sums = select(Tally.measure, func.sum(Tally.count)).where(
        Tally.hour >= since,
        Tally.hour < until,
        ((Tally.measure == tallies.TAKEN) & (Tally.key == Method.GATEWAY))
        | ((Tally.measure == tallies.STATUS) & (Tally.key == Status.FAILED)),
    )
    counts: dict[str, int] = {
        measure: int(count) for measure, count in session.execute(sums.group_by(Tally.measure))
    }
    failed = counts.get(tallies.STATUS, 0)
    return counts.get(tallies.TAKEN, 0) + failed, failed


def _forged(session: Session, now: datetime) -> Iterator[Alarm]:
    lately = UnverifiedEvent.last_seen_at >= now - FORGED_WITHIN
    count = session.scalar(select(func.count()).where(lately)) or 0
    if count < FORGED:
        return
    reason = session.scalar(select(UnverifiedEvent.reason).order_by(UnverifiedEvent.id.desc()).limit(1))
    newest = session.scalar(select(InboxEvent.last_seen_at).order_by(InboxEvent.id.desc()).limit(1))
    proved = newest is not None and newest >= now - FORGED_WITHIN
    yield Alarm(
        Kind.UNVERIFIED,
        Severity.POOR if proved else Severity.BAD,
        f"Messages come that are not proved to be the gateway's. The newest: {reason} "
        f"If the secret was changed at iKhokha, set IKHOKHA_SECRET_KEY.",
    )


# -- what waits -------------------------------------------------------------------------------------


def _waiting(session: Session, now: datetime) -> Iterator[Alarm]:
    waited = health.oldest_due(session, now=now)
    if waited is not None and waited > QUEUE_AGE:
        age = dates.say_age(waited)
        yield Alarm(
            Kind.QUEUE_AGE, Severity.BAD, f"A message of the gateway has waited {age} to be acted on."
        )
    unknown = select(func.count()).where(Link.state == "asked", Link.requested_at < now - UNKNOWN_AGE)
    if count := session.scalar(unknown):
        links = "link" if count == 1 else "links"
        yield Alarm(
            Kind.OUTCOME_UNKNOWN,
            Severity.POOR,
            f"The gateway has not said for ten minutes whether it made {count} {links}.",
        )


# -- around the desk --------------------------------------------------------------------------------


def try_gateway(sessions: Sessions, gateway: Gateway, clock: Callable[[], datetime]) -> Reach:
    """Ask for a payment nobody has, and write down how the gateway answered."""
    began, fault = time.perf_counter(), ""
    try:
        gateway.status_by_reference(NOBODYS)
    except GatewayError as error:
        fault = str(error)
    latency_ms = round((time.perf_counter() - began) * 1000)
    now, told = clock(), gateway.told_time()
    skew_s = round((told - now).total_seconds()) if told and not fault else None
    with sessions.begin() as session:
        before = reach(session)
        since = (before.failing_since if before else None) or now
        found = Reach(now, fault, since if fault else None, latency_ms, skew_s)
        kept = {
            **found.__dict__,
            "at": now.isoformat(),
            "failing_since": since.isoformat() if fault else None,
        }
        session.merge(Meta(key=_REACH, value=json.dumps(kept)))
    return found


def reach(session: Session) -> Reach | None:
    """How the gateway answered when it was last tried; None before the first time."""
    row = session.get(Meta, _REACH)
    if row is None:
        return None
    kept = json.loads(row.value)
    since = kept["failing_since"]
    kept |= {
        "at": datetime.fromisoformat(kept["at"]),
        "failing_since": datetime.fromisoformat(since) if since else None,
    }
    return Reach(**kept)


def about_gateway(reach: Reach) -> Iterator[Alarm]:
    """Once may be chance; a minute later it is trouble."""
    if reach.failing_since is not None and reach.at - reach.failing_since >= EVERY:
        yield Alarm(Kind.GATEWAY, Severity.BAD, f"The gateway does not answer as it should. {reach.fault}")


def disk_of(folder: Path) -> Disk:
    used = shutil.disk_usage(folder)
    return Disk(used.free, used.total)


def about_disk(disk: Disk) -> Iterator[Alarm]:
    if disk.free >= DISK_POOR:
        return
    severity = Severity.BAD if disk.free < DISK_BAD else Severity.POOR
    left = disk.free // 1024**2
    yield Alarm(Kind.DISK, severity, f"The disk of the desk has {left} MB left. Make room on it.")


def _skew(session: Session, clock: Callable[[], datetime]) -> int | None:
    """How far the database's clock is ahead of ours; SQLite has none of its own."""
    if session.get_bind().dialect.name == "sqlite":
        return None
    return round((session.scalars(select(func.clock_timestamp())).one() - clock()).total_seconds())


def about_clock(reach: Reach, database_skew_s: int | None) -> Iterator[Alarm]:
    for whose, skew_s in (("the gateway's", reach.skew_s), ("the database's", database_skew_s)):
        if skew_s is not None and abs(skew_s) >= CLOCK_POOR.total_seconds():
            severity = Severity.BAD if abs(skew_s) >= CLOCK_BAD.total_seconds() else Severity.POOR
            how = "behind" if skew_s > 0 else "ahead of"
            yield Alarm(
                Kind.CLOCK,
                severity,
                f"This machine's clock is {abs(skew_s)} s {how} {whose}. Let it be set by NTP.",
                key=whose.split()[-1].removesuffix("'s"),
            )


def about_backups(state: backups.State, since: datetime, *, now: datetime) -> Iterator[Alarm]:
    """``since`` then they are made: a desk that was closed for a day is in no trouble before it made one."""
    started = since - backups.PROMISE
    age = now - (max(state.last.at, started) if state.last else started)
    if age <= (backups.PROMISE if state.fault else BACKUP_POOR):
        return
    severity = Severity.BAD if age > BACKUP_BAD else Severity.POOR
    made = f"made {dates.say_moment(state.last.at, now=now)}" if state.last else "never made"
    why = state.fault or "Look into the log of the worker."
    yield Alarm(Kind.BACKUP, severity, f"The last backup was {made}. {why}")
