"""Trouble of the desk: opened once, told once, seen on the pages until it is over, over by itself.

``watch`` finds it; here it is kept and told: on the pages at once, to admins by mail, to chat services.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, or_, select, text, update
from sqlalchemy.orm import InstrumentedAttribute, Session

from db.models import Alert, PersonRow
from db.session import Sessions
from db.upsert import insert_into
from payments import dates
from payments.access import people
from payments.access.people import Action, Person, Role, check
from payments.books import audit
from payments.errors import InvalidInput, NotFound
from payments.live import tallies
from payments.telling import outbox
from payments.telling.chat import Chat

#: Trouble that was not seen for so long is over. What comes and goes within it is one trouble.
OVER_AFTER = timedelta(minutes=5)
LONGEST_SNOOZE = timedelta(days=7)
#: How the keys of their mails begin.
MAILS = "alert:"


class Kind(StrEnum):
    WORKER = "worker"
    GATEWAY = "gateway"
    HOOK_SILENT = "hook_silent"
    SUCCESS_RATE = "success_rate"
    UNVERIFIED = "unverified"
    QUEUE_AGE = "queue_age"
    OUTCOME_UNKNOWN = "outcome_unknown"
    CLOCK = "clock"
    DISK = "disk"
    BACKUP = "backup"
    PAYOUT_LATE = "payout_late"
    PAYOUT_SHORT = "payout_short"
    NOTIFICATIONS = "notifications"
    SLIPS_WAIT = "slips_wait"
    DISPUTE_DUE = "dispute_due"
    PRIVACY_DUE = "privacy_due"
    MISFIT = "money_does_not_fit"


class Severity(StrEnum):
    POOR = "poor"
    BAD = "bad"  # told by night as well


#: What still works meanwhile: the first thing that people at a door want to know.
STILL_WORKS: Mapping[Kind, str] = {
    Kind.WORKER: "Links can be made and paid; a payment that no message tells of shows when it runs again.",
    Kind.GATEWAY: "Cash, card slips and EFT work; links that payers have can be paid. New links must wait.",
    Kind.HOOK_SILENT: "Everything works, a few minutes late: the gateway is asked about each link instead.",
    Kind.SUCCESS_RATE: "Every link can be tried again, and cash, card slips and EFT work.",
    Kind.UNVERIFIED: "Everything works: what is not proved changes nothing.",
    Kind.QUEUE_AGE: "Links can be made and paid, and messages are kept; they show late.",
    Kind.OUTCOME_UNKNOWN: "Everything else works. The links are looked up; do not make others for them.",
    Kind.CLOCK: "Payments are taken; times on the pages may be wrong, and the gateway may refuse to talk.",
    Kind.PAYOUT_LATE: "Everything works: payments stay paid, and their money is on its way or asked for.",
    Kind.PAYOUT_SHORT: "Everything works: payments stay paid. What is missing can be asked back.",
    Kind.SLIPS_WAIT: "Everything works: the payments are paid, and stand in their tills' reports.",
    Kind.DISPUTE_DUE: "Everything works: the payment is held as disputed. Unanswered, its money is lost.",
    Kind.PRIVACY_DUE: "Everything works. The law gives whoever asked about their data thirty days.",
    Kind.MISFIT: "Everything works: nothing of it is lost, and nothing of it is decided by itself.",
    Kind.NOTIFICATIONS: "Everything works here. The other system does not know yet what was paid.",
    Kind.DISK: "Everything works until the disk is full; then nothing can be kept.",
    Kind.BACKUP: "Everything works. What came since the last backup would be lost with this machine.",
}
#: Kinds whose every alert is of one payment: what all of them come to, in one sentence.
_TOGETHER: Mapping[Kind, str] = {
    Kind.MISFIT: "Some money does not fit its payment. Decide what becomes of it under Needs attention.",
}


@dataclass(frozen=True)
class Alarm:
    """What ``watch`` found wrong now. ``key`` tells several of a kind apart."""

    kind: Kind
    severity: Severity
    sentence: str
    key: str = ""


@dataclass(frozen=True)
class AlertView:
    """``id`` is None for what is not written down: that the worker, who would, does not run. Then ``since``
    may be None too: it never ran."""

    id: int | None
    kind: Kind
    severity: Severity
    sentence: str
    still_works: str
    since: datetime | None
    snoozed_until: datetime | None

    @property
    def on_a_page(self) -> str:
        """There each of many would fill a phone's screen, and a queue counts them beneath."""
        return _TOGETHER.get(self.kind, self.sentence)


@dataclass(frozen=True)
class QuietHours:
    """Between these times of day in Johannesburg only what is bad is sent. Equal ones: never quiet."""

    start: time
    end: time

    def holds(self, now: datetime) -> bool:
        local = now.astimezone(dates.SAST).time()
        if self.start <= self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end


ALWAYS_LOUD = QuietHours(time(), time())


def settle(session: Session, alarms: Iterable[Alarm], *, now: datetime) -> None:
    """Write down what is wrong now: open what is new, see again what goes on, end what is over."""
    open_ones = {(alert.kind, alert.key): alert for alert in _open(session)}
    changed = False
    for alarm in alarms:
        alert = open_ones.pop((alarm.kind, alarm.key), None)
        if alert is None:
            session.add(
                Alert(
                    kind=alarm.kind, key=alarm.key, severity=alarm.severity, sentence=alarm.sentence,
                    opened_at=now, last_seen_at=now, count=1,
                )
            )  # fmt: skip
        else:
            alert.last_seen_at, alert.count = now, alert.count + 1
        if alert is None or (alert.sentence, alert.severity) != (alarm.sentence, alarm.severity):
            changed = True
        if alert is not None:
            alert.sentence, alert.severity = alarm.sentence, alarm.severity
    for alert in open_ones.values():
        if abs(now - alert.last_seen_at) >= OVER_AFTER:  # seen in a time to come: the clock was set back
            alert.resolved_at, changed = now, True
    if changed:
        tallies.bump(session)


def raise_alarm(session: Session, alarm: Alarm, *, now: datetime) -> None:
    """One trouble, by who sees only this one: nothing else is settled. Two at once open one alert."""
    opened = insert_into(session, Alert).values(
        kind=alarm.kind, key=alarm.key, severity=alarm.severity, sentence=alarm.sentence,
        opened_at=now, last_seen_at=now, count=1,
    )  # fmt: skip
    again = {"last_seen_at": now, "count": Alert.count + 1}
    either = opened.on_conflict_do_update(
        index_elements=["kind", "key"], index_where=text("resolved_at IS NULL"), set_=again
    )
    count = session.scalar(either.returning(Alert.count))
    if count == 1:
        tallies.bump(session)


def active(session: Session) -> list[AlertView]:
    """What is wrong, the worst first. Snoozed ones are among them: a page says until when."""
    views = [_view(alert) for alert in _open(session)]
    order = list(Kind)
    return sorted(views, key=lambda view: (view.severity is Severity.POOR, order.index(view.kind)))


def snooze(session: Session, person: Person, alert_id: int, until: datetime, *, now: datetime) -> None:
    """Be quiet about an alert until then: no banner, no message.

    Raises NotAllowed, NotFound, InvalidInput.
    """
    check(person, Action.MANAGE_SETTINGS)
    alert = session.get(Alert, alert_id)
    if alert is None or alert.resolved_at is not None:
        raise NotFound("This alert is over.")
    if not now < until <= now + LONGEST_SNOOZE:
        raise InvalidInput("An alert can be snoozed for up to a week.")
    alert.snoozed_until = until
    audit.record(session, person, "snooze_alert", alert.kind, now=now, until=until.isoformat())
    tallies.bump(session)


def tell(sessions: Sessions, chat: Chat | None, *, quiet: QuietHours, now: datetime) -> None:
    """Mail the admins and write to the chat services, once when trouble begins and once when it is over.

    Whoever tells takes the alert first, so that two who see it tell it once. A mail is queued in the same
    transaction. A chat message that was not taken is given back, to be sent again. Raises NotSent.
    """
    with sessions.begin() as session:
        ids = list(session.scalars(select(Alert.id).where(_to_tell(Alert.mailed_at, quiet, now))))
        for alert_id in ids:
            if _take(session, alert_id, Alert.mailed_at, now):
                _mail(session, session.get_one(Alert, alert_id), now)
    if chat is None:
        return
    for alert_id, noted, title, said in _to_send(sessions, quiet, now):
        with sessions.begin() as session:
            mine = _take(session, alert_id, noted, now)
        if mine:
            _send(sessions, chat, alert_id, noted, title, said)


Noted = InstrumentedAttribute[datetime | None]


def _take(session: Session, alert_id: int, noted: Noted, now: datetime) -> bool:
    """Note an alert as told; False when somebody else just did."""
    mine = update(Alert).where(Alert.id == alert_id, noted.is_(None)).values({noted: now})
    return session.execute(mine).rowcount == 1  # type: ignore[attr-defined]


def _send(sessions: Sessions, chat: Chat, alert_id: int, noted: Noted, title: str, said: str) -> None:
    try:
        chat(title, said)
    except BaseException:
        with sessions.begin() as session:
            session.execute(update(Alert).where(Alert.id == alert_id).values({noted: None}))
        raise


def _to_tell(told_at: object, quiet: QuietHours, now: datetime) -> ColumnElement[bool]:
    """Open, not told of, not snoozed, and loud enough for the hour."""
    awake = or_(Alert.snoozed_until.is_(None), Alert.snoozed_until <= now)
    loud = Alert.severity == Severity.BAD if quiet.holds(now) else Alert.id == Alert.id
    return and_(Alert.resolved_at.is_(None), told_at.is_(None), awake, loud)  # type: ignore[attr-defined]


def _to_send(sessions: Sessions, quiet: QuietHours, now: datetime) -> list[tuple[int, Noted, str, str]]:
    """Each alert with where it is noted, and what is said of it."""
    over = and_(Alert.resolved_at.is_not(None), Alert.sent_at.is_not(None), Alert.over_sent_at.is_(None))
    with sessions.read() as session:
        alerts = session.scalars(
            select(Alert).where(or_(_to_tell(Alert.sent_at, quiet, now), over)).order_by(Alert.id).limit(20)
        )
        return [(alert.id, _noted_in(alert), _title(alert), _text(alert)) for alert in alerts]


def _noted_in(alert: Alert) -> Noted:
    return Alert.over_sent_at if alert.resolved_at else Alert.sent_at


def _open(session: Session) -> list[Alert]:
    return list(session.scalars(select(Alert).where(Alert.resolved_at.is_(None)).order_by(Alert.id)))


def _view(alert: Alert) -> AlertView:
    kind = Kind(alert.kind)
    return AlertView(
        id=alert.id,
        kind=kind,
        severity=Severity(alert.severity),
        sentence=alert.sentence,
        still_works=STILL_WORKS[kind],
        since=alert.opened_at,
        snoozed_until=alert.snoozed_until,
    )


def _title(alert: Alert) -> str:
    return f"Paydesk: {alert.kind.replace('_', ' ')}{' is over' if alert.resolved_at else ''}"


def _text(alert: Alert) -> str:
    began = dates.say_moment(alert.opened_at)
    if alert.resolved_at:
        return f"Since {began} (SAST): {alert.sentence}\nOver since {dates.say_moment(alert.resolved_at)}."
    return f"{alert.sentence}\nSince {began} (SAST). {STILL_WORKS[Kind(alert.kind)]}"


def _mail(session: Session, alert: Alert, now: datetime) -> None:
    admins = select(PersonRow).where(PersonRow.role == Role.ADMIN, PersonRow.all_events)
    for admin in session.scalars(admins):
        if people.is_active(admin, now):
            key = f"{MAILS}{alert.id}:{admin.id}"
            outbox.to_person(
                session, key, admin.email, _title(alert), f"{_text(alert)}\n", about="alert", now=now
            )
