"""What gateways tell us: each message kept once as received, then acted on by asking the gateway.

Accepting only inserts. Processing comes after, may be repeated by anyone at any time, and changes
nothing the second time.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import Any

from sqlalchemy import Dialect, LargeBinary, delete, func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from db.models import InboxEvent, Link, UnverifiedEvent
from db.session import Sessions
from db.types import UtcDateTime
from payments import dates, holding, lifecycle
from payments.errors import GatewayError
from payments.gateways import Answer, Gateway, GatewayEvent, LinkStatus
from payments.hearing import answers
from payments.lifecycle import Effect, Kind, Review, Source
from payments.live import tallies
from payments.privacy import mask_card_bytes, mask_card_numbers
from payments.watching import standstill

#: An event that fits nothing yet, or that the gateway's status does not bear out yet, is tried again so.
RETRIES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 15, 60)) + (timedelta(hours=1),) * 71
#: The door that took an event asks about it at once; the worker only looks at what the door left.
HEAD_START = timedelta(seconds=2)
#: A success that the status still denies after this many tries is for a person.
TRIES_TO_CONFIRM = 4
#: How many unverified messages are kept; the oldest make room.
UNVERIFIED_KEPT = 5_000
#: Status queries that unverified messages may cause: one a link and minute, and so many a minute in all.
HINTS_A_MINUTE = 10
_MINUTE = timedelta(minutes=1)
#: What stands as the effect of an event that nothing acted on.
UNMATCHED, UNREADABLE, UNCONFIRMED, IGNORED = "unmatched", "unreadable", "unconfirmed", "ignored"
#: Headers worth keeping; the signature is evidence, cookies and credentials are not ours to hold.
_HEADERS = ("content-type", "content-length", "user-agent", "ik-appid", "ik-sign", "x-forwarded-for", "date")


@dataclass(frozen=True)
class Message:
    """One POST to the hook, as received."""

    gateway: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    received_at: datetime
    address: str = ""

    @cached_property
    def digest(self) -> bytes:
        return hashlib.sha256(self.path.encode() + b"\n" + self.body).digest()


#: A verified message and what it says; None: signed, but unreadable.
Arrived = tuple[Message, GatewayEvent | None]
#: What makes two messages one: the gateway and the digest.
_Key = tuple[str, bytes]
#: A message that is kept: its id, and its key.
Kept = tuple[int, str, bytes]


def accept(session: Session, message: Message, event: GatewayEvent | None) -> int:
    """Keep a verified message and return its id; seen before, it is counted. None: signed, but unreadable."""
    return accept_all(session, [(message, event)])[0]


def accept_all(session: Session, arrived: Sequence[Arrived]) -> list[int]:
    """The same for messages that arrived together; the id of each, in their order."""
    if not arrived:
        return []
    connection = session.connection()
    return ids_of(arrived, connection.exec_driver_sql(*insertion(arrived, connection.dialect)))


def insertion(arrived: Sequence[Arrived], dialect: Dialect) -> tuple[str, Any]:
    """The one statement that keeps them, for the driver; a race cannot split it. It returns ``Kept``."""
    rows: dict[_Key, dict[str, Any]] = {}
    for message, event in arrived:
        key = (message.gateway, message.digest)
        if key in rows:  # one statement cannot count a row that it inserts
            rows[key]["seen_count"] += 1
            rows[key]["last_seen_at"] = message.received_at
        else:
            rows[key] = _verified_row(key, message, event)
    return _insertion(InboxEvent, list(rows.values()), dialect)


def ids_of(arrived: Sequence[Arrived], kept: Iterable[Kept]) -> list[int]:
    """The id of each, in their order, by what the statement returned."""
    ids = {(gateway, digest): kept_id for kept_id, gateway, digest in kept}
    return [ids[message.gateway, message.digest] for message, _ in arrived]


def _verified_row(key: _Key, message: Message, event: GatewayEvent | None) -> dict[str, Any]:
    gateway, digest = key
    return {
        "gateway": gateway,
        "digest": digest,
        "received_at": message.received_at,
        "path": message.path,
        "headers": _kept_headers(message),
        "body": mask_card_bytes(message.body),
        "gateway_reference": _masked(event.gateway_reference if event else None),
        "reference": _masked(event.reference if event else None),
        "word": _masked(event.word if event else None),
        "code": _masked(event.code if event else None),
        "seen_count": 1,
        "last_seen_at": message.received_at,
        "attempts": 0,
        "next_try_at": message.received_at + HEAD_START if event else None,
        "effect": None if event else UNREADABLE,
    }


def accept_unverified(session: Session, message: Message, reason: str, claimed: str | None) -> int:
    """Keep a message nobody proved, apart from the proved ones. ``claimed`` is the link it speaks of."""
    row = {
        "gateway": message.gateway,
        "digest": message.digest,
        "received_at": message.received_at,
        "path": message.path,
        "headers": _kept_headers(message),
        "body": mask_card_bytes(message.body),
        "reason": reason,
        "gateway_reference": _masked(claimed),
        "address": message.address,
        "seen_count": 1,
        "last_seen_at": message.received_at,
    }
    connection = session.connection()
    (kept, *_), *_ = connection.exec_driver_sql(*_insertion(UnverifiedEvent, [row], connection.dialect))
    _make_room(session, kept, message.received_at)
    _take_hint(session, message, kept, claimed)
    return kept


def count_further(session: Session, inbox_id: int, *, now: datetime) -> None:
    """One more message like this one came, and was not kept: its link has had its share of the day."""
    again = {"seen_count": InboxEvent.seen_count + 1, "last_seen_at": now}
    session.execute(update(InboxEvent).where(InboxEvent.id == inbox_id).values(again))


def unhandled(session: Session, *, now: datetime, limit: int = 50) -> list[int]:
    """Ids of events to process now, oldest first."""
    due = select(InboxEvent.id).where(InboxEvent.handled_at.is_(None), InboxEvent.next_try_at <= now)
    return list(session.scalars(due.order_by(InboxEvent.next_try_at, InboxEvent.id).limit(limit)))


@dataclass(frozen=True)
class Question:
    """What an event makes us ask: of which link, by which id of the gateway's. No link: it fits none yet."""

    link_id: int | None
    gateway: str
    gateway_reference: str


def process(sessions: Sessions, gateways: Mapping[str, Gateway], inbox_id: int, *, now: datetime) -> Effect:
    """The bell rang: ask the gateway and act on its answer.

    Handled events ask again at most once a minute, and only while their link is not known as paid.
    A gateway that cannot be asked leaves the event to be tried again; its error is raised.
    While the desk stands still, nothing is acted on.
    """
    with sessions.read() as session:
        if standstill.current(session) is not None:
            return Effect.NOTHING
        question = question_of(session, inbox_id, now=now)
    if question is None:
        return Effect.NOTHING
    said = None if question.link_id is None else ask(gateways, question)
    effect = sessions.run(lambda session: conclude(session, inbox_id, question, said, now=now))
    if isinstance(said, GatewayError):
        raise said
    return effect


def question_of(session: Session, inbox_id: int, *, now: datetime) -> Question | None:
    """What to ask because of an event; None when there is nothing to ask now."""
    row = session.get_one(InboxEvent, inbox_id)
    return question_about(row, link_of(session, row), now=now)


def question_about(row: InboxEvent, link: Link | None, *, now: datetime) -> Question | None:
    """The same for an event whose link was looked up."""
    if row.handled_at is not None and not _worth_asking(link, now):
        return None
    if link is None:
        return Question(None, row.gateway, row.gateway_reference or "")
    return Question(link.id, link.gateway, link.gateway_reference or row.gateway_reference or "")


def ask(gateways: Mapping[str, Gateway], question: Question) -> LinkStatus | GatewayError:
    """What the gateway says, or why it does not. No transaction may be open."""
    try:
        return gateways[question.gateway].status(question.gateway_reference)
    except GatewayError as error:
        return error


def conclude(
    session: Session,
    inbox_id: int,
    question: Question,
    said: LinkStatus | GatewayError | None,
    *,
    now: datetime,
) -> Effect:
    """Act on the answer to a question that an event made us ask."""
    row = session.get_one(InboxEvent, inbox_id)
    if question.link_id is None or said is None:
        _try_later(session, row, now, UNMATCHED)
        return Effect.NOTHING
    if isinstance(said, GatewayError):
        _try_later(session, row, now, None, str(said))
        return Effect.NOTHING
    holding.link(session, question.link_id)
    session.refresh(row)  # another may have acted on it while we waited
    return act(session, row, question.link_id, said, now=now)


def act(session: Session, row: InboxEvent, link_id: int, said: LinkStatus, *, now: datetime) -> Effect:
    """``conclude`` for an event that was read when its link was held already."""
    if row.handled_at is None:
        _note(session, row, link_id, now)
    return _apply(session, row, link_id, said, now)


def tells_nothing_new(row: InboxEvent, link: Link) -> bool:
    """It says of a link that it was paid, and we know: the gateway need not be asked again."""
    fits = row.reference in (None, link.wire_reference)
    return fits and row.handled_at is None and link.state == "paid" and _is_success(row)


def take_note(session: Session, row: InboxEvent, link_id: int, *, now: datetime) -> Effect:
    """An event that tells nothing new stands on the timeline, and that is all. Its link must be held."""
    _note(session, row, link_id, now)
    return _handled(session, row, Effect.NOTHING, now)


def put_off(session: Session, inbox_id: int, why: str, *, now: datetime) -> None:
    """An event that cannot be acted on is tried again like one that the gateway gave no answer about."""
    _try_later(session, session.get_one(InboxEvent, inbox_id), now, None, why)


def ignore(session: Session, row: InboxEvent, *, by: str, why: str, now: datetime) -> None:
    """Nothing will act on an event: a person said so. It stays, with their reason."""
    row.handled_at, row.effect, row.next_try_at = now, IGNORED, None
    row.ignored_by, row.ignored_why = by, why
    tallies.bump(session, tallies.NO_EVENT)


def take_up(session: Session, row: InboxEvent, *, now: datetime) -> None:
    """Undo ``ignore``: the event is tried again, from the start."""
    readable = row.gateway_reference is not None
    row.handled_at, row.ignored_by, row.ignored_why, row.attempts = None, None, None, 0
    row.effect, row.next_try_at = (None, now) if readable else (UNREADABLE, None)
    tallies.bump(session, tallies.NO_EVENT)


def _apply(session: Session, row: InboxEvent, link_id: int, status: LinkStatus, now: datetime) -> Effect:
    link = session.get_one(Link, link_id)
    by: dict[str, Any] = {"now": now, "source": Source.WEBHOOK, "actor": "iKhokha"}
    if row.reference is not None and row.reference != link.wire_reference:
        payment = holding.payment(session, link.payment_id)
        lifecycle.flag(
            session, payment, Review.REFERENCE_MISMATCH, **by,
            asked=link.wire_reference, told=row.reference, inbox=row.id,
        )  # fmt: skip
        return _handled(session, row, Effect.FLAGGED, now)
    effect = answers.apply(session, link_id, status, now=now, source=Source.WEBHOOK, code=row.code)
    if _is_success(row) and status.answer is Answer.OPEN:
        return _unconfirmed(session, row, link, by)
    return _handled(session, row, effect, now)


def _unconfirmed(session: Session, row: InboxEvent, link: Link, by: dict[str, Any]) -> Effect:
    """A proved success that the status does not bear out: try again, then let a person look."""
    if row.attempts + 1 < TRIES_TO_CONFIRM:
        _try_later(session, row, by["now"], UNCONFIRMED)
        return Effect.NOTHING
    payment = holding.payment(session, link.payment_id)
    lifecycle.flag(session, payment, Review.SUCCESS_UNCONFIRMED, **by, inbox=row.id)
    return _handled(session, row, Effect.FLAGGED, by["now"])


def _handled(session: Session, row: InboxEvent, effect: Effect, now: datetime) -> Effect:
    if row.handled_at is None:
        row.handled_at, row.effect, row.next_try_at, row.last_error = now, effect, None, None
        row.attempts += 1
        tallies.bump(session, tallies.NO_EVENT)
    return effect


def _try_later(session: Session, row: InboxEvent, now: datetime, effect: str | None, error: str = "") -> None:
    """Put an event off. After the last try it stays unhandled, for a person."""
    if row.handled_at is not None:
        return
    wait = RETRIES[row.attempts] if row.attempts < len(RETRIES) else None
    row.attempts += 1
    row.next_try_at = now + wait if wait else None
    row.effect = effect or row.effect
    row.last_error = error or None
    tallies.bump(session, tallies.NO_EVENT)


def _note(session: Session, row: InboxEvent, link_id: int, now: datetime) -> None:
    """The event stands on its payment's timeline once."""
    if row.payment_id is not None:
        return
    payment = session.get_one(Link, link_id).payment
    row.payment_id = payment.id
    lifecycle.note(
        session, payment, Kind.EVENT, now=now, source=Source.WEBHOOK, actor="iKhokha",
        inbox=row.id, word=row.word, code=row.code, received_at=row.received_at.isoformat(),
    )  # fmt: skip


def link_of(session: Session, row: InboxEvent) -> Link | None:
    """The link an event speaks of: by the gateway's id, or by our reference until its id is stored."""
    if row.gateway_reference is None:
        return None
    ours = select(Link).where(Link.gateway == row.gateway)
    link = session.scalar(ours.where(Link.gateway_reference == row.gateway_reference))
    if link is None and row.reference is not None:
        link = session.scalar(
            ours.where(Link.wire_reference == row.reference, Link.gateway_reference.is_(None))
        )
    return link


def _worth_asking(link: Link | None, now: datetime) -> bool:
    return link is not None and link.state != "paid" and not dates.lately(link.asked_at, now=now)


def _is_success(row: InboxEvent) -> bool:
    return (row.word or "").upper() == "SUCCESS"


# -- keeping ----------------------------------------------------------------------------------------


_Table = type[InboxEvent] | type[UnverifiedEvent]


def _insertion(table: _Table, rows: list[dict[str, Any]], dialect: Dialect) -> tuple[str, Any]:
    """Insert rows of different messages, or count one more sighting of each."""
    names = tuple(rows[0])
    if dialect.name == "sqlite":
        written = _written(table, names, dialect)
        values = tuple(write(row[name]) if write else row[name] for row in rows for name, write in written)
        return _insert_rows(table, names, len(rows)), values
    columns = {name: [row[name] for row in rows] for name in names}
    columns["headers"] = [json.dumps(headers) for headers in columns["headers"]]
    return _insert_arrays(table, names), columns


@cache
def _written(table: _Table, names: tuple[str, ...], dialect: Dialect) -> list[tuple[str, Any]]:
    """The columns, each with what makes of a value what the driver takes; None: it takes it as it is."""
    return [(name, _writing(table.__table__.c[name].type, dialect)) for name in names]


def _writing(kind: Any, dialect: Dialect) -> Any:
    if isinstance(kind, LargeBinary):  # SQLAlchemy would wrap the bytes in what cannot go to another process
        return None
    return _moment if isinstance(kind, UtcDateTime) else kind.dialect_impl(dialect).bind_processor(dialect)


def _moment(value: datetime | None) -> str | None:
    return UtcDateTime.sqlite_text(value) if value else None


@cache
def _insert_rows(table: _Table, names: tuple[str, ...], count: int) -> str:
    """For SQLite, by the driver: SQLAlchemy's own way to many rows costs more than writing them."""
    row = f"({', '.join('?' * len(names))})"
    return _once(table, names, f"VALUES {', '.join([row] * count)}")


@cache
def _insert_arrays(table: _Table, names: tuple[str, ...]) -> str:
    """The same for PostgreSQL, an array for each column: one text, however many rows. Binary (``b``): to
    write them as text takes the driver longer than all the rest."""
    kinds = {name: table.__table__.c[name].type.compile(postgresql.dialect()) for name in names}
    arrays = ", ".join(f"%({name})b::{kind}[]" for name, kind in kinds.items())
    return _once(table, names, f"SELECT * FROM unnest({arrays})")  # noqa: S608 our own names


def _once(table: _Table, names: tuple[str, ...], rows: str) -> str:
    kept = table.__tablename__
    return (
        f"INSERT INTO {kept} ({', '.join(names)}) {rows} "
        f"ON CONFLICT (gateway, digest) DO UPDATE SET seen_count = {kept}.seen_count + excluded.seen_count, "
        f"last_seen_at = excluded.last_seen_at RETURNING id, gateway, digest"
    )


def _make_room(session: Session, newest: int, now: datetime) -> None:
    """The oldest go, but for those that count against the questions of this minute."""
    if newest % 100 == 0:
        oldest = session.scalar(
            select(UnverifiedEvent.id).order_by(UnverifiedEvent.id.desc()).offset(UNVERIFIED_KEPT).limit(1)
        )
        if oldest is not None:
            counts = UnverifiedEvent.asked_at.is_not(None) & (UnverifiedEvent.asked_at > now - _MINUTE)
            session.execute(delete(UnverifiedEvent).where(UnverifiedEvent.id <= oldest, ~counts))


def _take_hint(session: Session, message: Message, kept: int, claimed: str | None) -> None:
    """An unproved message about a link of ours may have the poll look sooner; it never does more."""
    if claimed is None:
        return
    link = session.scalar(
        select(Link).where(Link.gateway == message.gateway, Link.gateway_reference == claimed)
    )
    now = message.received_at
    if link is None or link.next_ask_at is None or not _worth_asking(link, now):
        return
    if link.next_ask_at <= now:
        return  # it is asked about next as it is: a second hint would only use up a question of this minute
    lately = UnverifiedEvent.asked_at.between(now - _MINUTE, now + _MINUTE)  # a clock set back: none is
    hinted = select(func.count()).where(lately)
    if (session.scalar(hinted) or 0) >= HINTS_A_MINUTE:
        return
    session.execute(update(UnverifiedEvent).where(UnverifiedEvent.id == kept).values(asked_at=now))
    link.next_ask_at = min(link.next_ask_at, now)


def _masked(text: str | None) -> str | None:
    """No field of a message is a place for a card number; ids and references never look like one."""
    return mask_card_numbers(text) if text else text


def _kept_headers(message: Message) -> dict[str, str]:
    return {
        name: mask_card_numbers(message.headers[name])[:500] for name in _HEADERS if name in message.headers
    }
