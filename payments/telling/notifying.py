"""Where notifications go, and their delivery: signed after the Standard Webhooks specification, and retried.

A message goes out at least once. It is given up after three days; a person can have it sent again.
"""

import base64
import hashlib
import logging
import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session
from standardwebhooks import Webhook

from db.models import Event, Notification, NotificationTry, NotifyEndpoint, Payment
from db.session import Sessions
from payments.access.people import Action, Person, check, proven
from payments.books import audit
from payments.errors import CannotOpen, Conflict, InvalidInput, NotFound
from payments.keeping.keyring import KeyRing
from payments.second_person import approvals, entrusting
from payments.second_person.approvals import ApprovalView, Ask, What
from payments.selling.events import event_row
from payments.telling import egress, notifications
from payments.telling.egress import Answer, NotSent

log = logging.getLogger("paydesk.notifying")

#: Waits before the next try, three days in all; after the last one a person must look.
RETRIES = (
    timedelta(seconds=5), *(timedelta(minutes=minutes) for minutes in (1, 5, 15, 30)),
    *(timedelta(hours=hours) for hours in (1, 2, 4, 8, 12, 20, 24)),
)  # fmt: skip
#: How long the secret before signs beside a new one: whoever listens takes up the new one meanwhile.
BOTH_SIGN = timedelta(hours=24)
#: Endpoints of one event: more are a mistake.
MOST = 5
#: So many are taken up at once, of so many endpoints; none begins later than this.
AT_ONCE, ENDPOINTS, SENDING_S = 100, 4, 30
_PLACE = "notify_endpoints.sealed.{id}"
_GONE = 410

#: Sends a body with headers to an address; raises NotSent.
Post = Callable[[str, Mapping[str, str], bytes], Answer]


@dataclass(frozen=True)
class EndpointView:
    """``stopped_at``: removed, or it said that it is gone; nothing is sent there any more.
    ``previous_until``: the secret before the one in use signs as well until then."""

    id: int
    event_code: str
    event_name: str
    url: str
    created_at: datetime
    created_by: str
    stopped_at: datetime | None
    stopped_why: str
    previous_until: datetime | None
    waiting: int
    failed: int
    delivered: int


@dataclass(frozen=True)
class TryView:
    at: datetime
    status: int | None
    told: str
    took_ms: int


@dataclass(frozen=True)
class NotificationView:
    id: int
    kind: str
    reference: str
    message_id: str
    body: str
    state: str
    created_at: datetime
    next_try_at: datetime | None
    ended_at: datetime | None
    tries: tuple[TryView, ...]


# -- endpoints ----------------------------------------------------------------------------------------


def add(
    session: Session,
    person: Person,
    event_code: str,
    url: str,
    keys: KeyRing,
    *,
    loopback: bool,
    now: datetime,
) -> str:
    """Have an event's notifications sent to an address; returns the secret that signs them, shown once.

    Raises NotAllowed, NotFound, InvalidInput, CannotOpen (there is no key to encrypt with), Conflict.
    """
    event, wanted = _wanted(session, person, event_code, url, loopback)
    proven(person, now=now)
    second = entrusting.used_up(session, person, wanted, now=now)
    url = wanted.bound["url"]
    row = NotifyEndpoint(event_id=event.id, url=url, sealed=b"", created_at=now, created_by=person.name)
    session.add(row)
    session.flush()
    secret = _new_secret(row, keys)
    audit.record(session, person, "add_endpoint", url, now=now, event_id=event.id, endpoint=row.id, **second)
    return secret


def ask(
    session: Session, person: Person, event_code: str, url: str, why: str, *, loopback: bool, now: datetime
) -> ApprovalView:
    """Ask a second person for it. Raises as ``add`` does, and as ``approvals.ask``."""
    _, wanted = _wanted(session, person, event_code, url, loopback)
    proven(person, now=now)
    return approvals.ask(session, person, wanted, why, now=now)


def renew_secret(
    session: Session, person: Person, endpoint_id: int, keys: KeyRing, *, leaked: bool, now: datetime
) -> str:
    """A new secret for what is sent there, shown once. The one before signs beside it for ``BOTH_SIGN``, or
    not at all any more when it has leaked: then it takes no second person.

    Raises NotFound, NotAllowed, ProveAgain, Conflict, CannotOpen.
    """
    row = _to_renew(session, person, endpoint_id)
    proven(person, now=now)
    if not leaked and row.previous_until is not None and row.previous_until > now:
        raise Conflict(
            "The secret before the one in use still signs: wherever it is in use would be cut off. "
            "Wait until it has ended, or say that the secret has leaked."
        )
    second = {} if leaked else entrusting.used_up(session, person, _renewal(row), now=now)
    row.previous_sealed, row.previous_until = (None, None) if leaked else (row.sealed, now + BOTH_SIGN)
    secret = _new_secret(row, keys)
    audit.record(
        session, person, "renew_endpoint_secret", row.url, now=now, event_id=row.event_id, endpoint=row.id,
        leaked=leaked, **second,
    )  # fmt: skip
    return secret


def ask_renewal(
    session: Session, person: Person, endpoint_id: int, why: str, *, now: datetime
) -> ApprovalView:
    """Ask a second person for a new secret. Raises as ``renew_secret`` does, and as ``approvals.ask``."""
    row = _to_renew(session, person, endpoint_id)
    proven(person, now=now)
    return approvals.ask(session, person, _renewal(row), why, now=now)


def _wanted(session: Session, person: Person, event_code: str, url: str, loopback: bool) -> tuple[Event, Ask]:
    """Exactly where to. Raises NotAllowed, NotFound, InvalidInput, Conflict."""
    event = event_row(session, person, event_code)
    check(person, Action.MANAGE_EVENTS, event.id)
    url = url.strip()
    egress.target(url, loopback=loopback)
    here = session.scalars(
        select(NotifyEndpoint.url).where(
            NotifyEndpoint.event_id == event.id, NotifyEndpoint.stopped_at.is_(None)
        )
    ).all()
    if url in here:
        raise Conflict(f"{event.name} sends there already. Remove it first to get a new secret.")
    if len(here) >= MOST:
        raise InvalidInput(f"{event.name} has {MOST} endpoints. Remove those that nobody needs first.")
    told = {"event": event.code, "url": url}
    return event, Ask(What.ADD_ENDPOINT, url[: entrusting.SUBJECT], told, frozenset({event.id}))


def _to_renew(session: Session, person: Person, endpoint_id: int) -> NotifyEndpoint:
    row = _endpoint(session, person, endpoint_id)
    if row.stopped_at is not None:
        raise Conflict(f"Nothing is sent to {row.url} any more. Add it anew: that makes a new secret, too.")
    return row


def _renewal(row: NotifyEndpoint) -> Ask:
    """A new secret beside the one in use, which is told by its fingerprint: a third one was not approved."""
    told = {"endpoint": row.id, "url": row.url, "instead": hashlib.sha256(row.sealed).hexdigest()[:12]}
    return Ask(What.RENEW_SIGNING, row.url[: entrusting.SUBJECT], told, frozenset({row.event_id}))


def _new_secret(row: NotifyEndpoint, keys: KeyRing) -> str:
    secret = f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"
    row.sealed = keys.seal(secret.encode(), _PLACE.format(id=row.id))
    return secret


def remove(session: Session, person: Person, endpoint_id: int, *, now: datetime) -> None:
    """Send nothing there any more; what waits is given up. Raises NotFound, NotAllowed, Conflict."""
    row = _endpoint(session, person, endpoint_id)
    if row.stopped_at is None:
        _stop(session, row, f"{person.name} removed it.", now)
        audit.record(
            session, person, "remove_endpoint", row.url, now=now, event_id=row.event_id, endpoint=row.id
        )


def list_endpoints(session: Session, person: Person) -> tuple[EndpointView, ...]:
    """Those of this person's events, the ones in use first."""
    check(person, Action.MANAGE_EVENTS)
    query = select(NotifyEndpoint, Event).join(Event)
    if person.events is not None:
        query = query.where(NotifyEndpoint.event_id.in_(sorted(person.events)))
    order = (NotifyEndpoint.stopped_at.is_not(None), NotifyEndpoint.id.desc())
    rows = session.execute(query.order_by(*order)).all()
    counts = _counts(session, [row.id for row, _ in rows])
    return tuple(
        EndpointView(
            row.id, event.code, event.name, row.url, row.created_at, row.created_by, row.stopped_at,
            row.stopped_why, row.previous_until, *counts.get(row.id, (0, 0, 0)),
        )
        for row, event in rows
    )  # fmt: skip


def _counts(session: Session, endpoints: Sequence[int]) -> dict[int, tuple[int, int, int]]:
    """By endpoint: how many wait, were given up, arrived."""
    states = (func.sum(case((Notification.state == state, 1), else_=0)) for state in _STATES)
    query = select(Notification.endpoint_id, *states).where(Notification.endpoint_id.in_(endpoints))
    rows = session.execute(query.group_by(Notification.endpoint_id))
    return {endpoint: (int(waiting), int(failed), int(done)) for endpoint, waiting, failed, done in rows}


_STATES = ("waiting", "failed", "delivered")


def _endpoint(session: Session, person: Person, endpoint_id: int) -> NotifyEndpoint:
    row = session.get(NotifyEndpoint, endpoint_id)
    if row is None or not person.may(Action.SEE, row.event_id):
        raise NotFound("There is no such endpoint.")
    check(person, Action.MANAGE_EVENTS, row.event_id)
    return row


def _stop(session: Session, row: NotifyEndpoint, why: str, now: datetime) -> None:
    row.stopped_at, row.stopped_why = now, why
    session.execute(
        update(Notification)
        .where(Notification.endpoint_id == row.id, Notification.state == "waiting")
        .values(state="failed", next_try_at=None, ended_at=now)
        .execution_options(synchronize_session="fetch")
    )


# -- looking, and sending again -------------------------------------------------------------------------


def recent(
    session: Session, person: Person, endpoint_id: int, *, limit: int = 50
) -> tuple[NotificationView, ...]:
    """The newest messages to an endpoint, each with its tries. Raises NotFound, NotAllowed."""
    row = _endpoint(session, person, endpoint_id)
    found = session.execute(
        select(Notification, Payment.reference)
        .join(Payment)
        .where(Notification.endpoint_id == row.id)
        .order_by(Notification.id.desc())
        .limit(limit)
    ).all()
    tries = _tries(session, [one.id for one, _ in found])
    return tuple(
        NotificationView(
            one.id, one.kind, reference, one.message_id, one.body, one.state, one.created_at, one.next_try_at,
            one.ended_at, tuple(tries[one.id]),
        )
        for one, reference in found
    )  # fmt: skip


def _tries(session: Session, ids: Sequence[int]) -> Mapping[int, list[TryView]]:
    found: dict[int, list[TryView]] = defaultdict(list)
    query = select(NotificationTry).where(NotificationTry.notification_id.in_(ids))
    for one in session.scalars(query.order_by(NotificationTry.id)):
        found[one.notification_id].append(TryView(one.at, one.status, one.told, one.took_ms))
    return found


def resend(session: Session, person: Person, notification_id: int, *, now: datetime) -> None:
    """Send a message once more, under the same id. Raises NotFound, NotAllowed, Conflict."""
    row = session.get(Notification, notification_id)
    if row is None:
        raise NotFound("There is no such notification.")
    _again(session, person, _endpoint(session, person, row.endpoint_id), [row], now)


def resend_failed(session: Session, person: Person, endpoint_id: int, *, now: datetime) -> int:
    """Send all again that were given up; returns how many. Raises NotFound, NotAllowed, Conflict."""
    endpoint = _endpoint(session, person, endpoint_id)
    rows = session.scalars(
        select(Notification).where(Notification.endpoint_id == endpoint.id, Notification.state == "failed")
    ).all()
    _again(session, person, endpoint, rows, now)
    return len(rows)


def _again(
    session: Session, person: Person, endpoint: NotifyEndpoint, rows: Sequence[Notification], now: datetime
) -> None:
    if endpoint.stopped_at is not None:
        raise Conflict(f"Nothing is sent to {endpoint.url} any more. Add it anew first.")
    for row in rows:
        row.state, row.attempts, row.next_try_at, row.ended_at = "waiting", 0, now, None
    audit.record(
        session, person, "resend_notification", endpoint.url, now=now, event_id=endpoint.event_id,
        messages=[row.message_id for row in rows],
    )  # fmt: skip


# -- delivering -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Due:
    id: int
    endpoint_id: int
    url: str
    sealed: tuple[bytes, ...]
    message_id: str
    body: str


class Deliverer:
    """One process's. Two at once do no harm but that a message may arrive twice."""

    def __init__(
        self, sessions: Sessions, keys: KeyRing, *, loopback: bool, post: Post | None = None
    ) -> None:
        self._sessions = sessions
        self._keys = keys
        self._post: Post = post or (
            lambda url, headers, body: egress.post(url, headers, body, loopback=loopback)
        )

    def step(self, *, now: datetime) -> int:
        """Send what is due, and return how many arrived. An endpoint that fails holds up no other one."""
        due: dict[int, list[_Due]] = defaultdict(list)
        for one in self._due(now):
            due[one.endpoint_id].append(one)
        if not due:
            return 0
        with ThreadPoolExecutor(min(ENDPOINTS, len(due)), thread_name_prefix="deliver") as several:
            return sum(several.map(lambda waiting: self._to_one(waiting, now), due.values()))

    def _due(self, now: datetime) -> list[_Due]:
        query = (
            select(Notification, NotifyEndpoint)
            .join(NotifyEndpoint)
            .where(Notification.next_try_at <= now, Notification.state == "waiting")
            .where(NotifyEndpoint.stopped_at.is_(None))
            .order_by(Notification.next_try_at, Notification.id)
            .limit(AT_ONCE)
        )
        with self._sessions.read() as session:
            return [
                _Due(row.id, endpoint.id, endpoint.url, _signing(endpoint, now), row.message_id, row.body)
                for row, endpoint in session.execute(query)
            ]

    def _to_one(self, waiting: Sequence[_Due], now: datetime) -> int:
        """In their order, until one fails: the others then wait for the next round."""
        until, arrived = time.monotonic() + SENDING_S, 0
        for one in waiting:
            if time.monotonic() > until or not self._deliver(one, now):
                break
            arrived += 1
        return arrived

    def _deliver(self, one: _Due, now: datetime) -> bool:
        began, answer = time.monotonic(), None
        try:
            answer = self._post(one.url, self._headers(one, now), one.body.encode())
            told = answer.body
        except (NotSent, CannotOpen) as error:
            told = str(error)
        took_ms = int((time.monotonic() - began) * 1000)
        status = answer.status if answer else None
        with self._sessions.begin() as session:
            session.add(
                NotificationTry(
                    notification_id=one.id,
                    at=now,
                    status=status,
                    took_ms=took_ms,
                    told=told.replace("\0", ""),
                )
            )
            return _conclude(session, one.id, status, told, now)

    def _headers(self, one: _Due, now: datetime) -> dict[str, str]:
        place = _PLACE.format(id=one.endpoint_id)
        signing = [Webhook(self._keys.open(sealed, place).decode()) for sealed in one.sealed]
        return {
            "Content-Type": "application/json",
            "User-Agent": "Paydesk",
            "webhook-id": one.message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(each.sign(one.message_id, now, one.body) for each in signing),
        }


def _signing(endpoint: NotifyEndpoint, now: datetime) -> tuple[bytes, ...]:
    """The secrets that sign now, the newest first; a message may have several signatures."""
    if endpoint.previous_sealed is None or endpoint.previous_until is None or endpoint.previous_until <= now:
        return (endpoint.sealed,)
    return endpoint.sealed, endpoint.previous_sealed


def _conclude(session: Session, notification_id: int, status: int | None, told: str, now: datetime) -> bool:
    """What an attempt means for a message; whether it arrived."""
    row = session.get_one(Notification, notification_id, with_for_update=True)
    payment = session.get_one(Payment, row.payment_id)
    row.attempts += 1
    arrived = status is not None and 200 <= status < 300
    if arrived:
        row.state, row.next_try_at, row.ended_at = "delivered", None, now
        notifications.note(session, payment, row, "delivered", now)
    elif status == _GONE:
        endpoint = session.get_one(NotifyEndpoint, row.endpoint_id)
        _stop(session, endpoint, "It answered that it is gone for good (410).", now)
    elif row.state == "waiting" and row.attempts <= len(RETRIES):
        row.next_try_at = now + RETRIES[row.attempts - 1]
    elif row.state == "waiting":
        row.state, row.next_try_at, row.ended_at = "failed", None, now
        why = f"it answered {status}" if status else told
        notifications.note(session, payment, row, "given up", now, why)
    return arrived
