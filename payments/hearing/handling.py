"""Acting on the messages that wait, many at once: one question for each link, one transaction for many.

Alone, a message costs a question and a commit, and on SQLite it holds the one lock that those who keep
messages wait for. In a rush that is too slow and too much: they come quicker than they are acted on.
What becomes of each is what ``inbox.process`` makes of it, and may be made again by anyone.
"""

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session, defer

from db.many import some_at_once
from db.models import InboxEvent, Link
from db.session import Sessions
from payments import holding
from payments.errors import GatewayError
from payments.gateways import Gateway, LinkStatus
from payments.hearing import inbox
from payments.hearing.inbox import Question
from payments.lifecycle import Effect
from payments.working.lease import LeaseLost

log = logging.getLogger("paydesk.handling")

#: So many messages are taken up in one go, and so many of them share a transaction: some hundredths of a
#: second, for which nobody else writes to SQLite.
AT_ONCE, TOGETHER = 500, 25
#: No question is begun later: whoever calls has other work, and what is left comes next.
ASKING_S = 5.0

_Said = Mapping[Question, LinkStatus | GatewayError]
#: How questions are asked: ``map`` one after the other, a pool's ``map`` several at once.
AskEach = Callable[[Callable[[Question], Any], Iterable[Question]], Iterable[Any]]


@dataclass(frozen=True)
class _Bell:
    """A message that waits, and what it makes us ask; ``is_known``: nothing, for it says what we know."""

    inbox_id: int
    question: Question
    is_known: bool


@dataclass(frozen=True)
class Handled:
    """What acting on the messages that waited led to, and why the gateway did not answer."""

    effects: tuple[Effect, ...] = ()
    errors: tuple[str, ...] = ()


def handle_waiting(
    sessions: Sessions, gateways: Mapping[str, Gateway], *, now: datetime, ask_each: AskEach = map
) -> Handled:
    """Act on what waits, as much as is taken up in one go. A message that fails holds up no other.

    A gateway that cannot be asked leaves its messages to be tried again; why stands in ``errors``.
    """
    with sessions.read() as session:
        waiting = _waiting(session, now)
    said = _ask(gateways, waiting, ask_each)
    ready = [
        bell for bell in waiting if bell.is_known or bell.question.link_id is None or bell.question in said
    ]
    effects: list[Effect] = []
    for some in some_at_once(ready, TOGETHER):
        effects += _together(sessions, some, said, now)
    errors = (str(answer) for answer in said.values() if isinstance(answer, GatewayError))
    return Handled(tuple(effects), tuple(errors))


def _waiting(session: Session, now: datetime) -> list[_Bell]:
    """The messages to act on now; those of one link stand together."""
    ids = inbox.unhandled(session, now=now, limit=AT_ONCE)
    heads = select(InboxEvent).options(defer(InboxEvent.body), defer(InboxEvent.headers))
    rows = session.scalars(heads.where(InboxEvent.id.in_(ids)).order_by(InboxEvent.id)).all()
    told = Link.gateway_reference.in_({row.gateway_reference for row in rows})
    theirs = session.scalars(select(Link).where(Link.gateway.in_({row.gateway for row in rows}), told))
    links = {(link.gateway, link.gateway_reference): link for link in theirs}
    bells = []
    for row in rows:
        link = links.get((row.gateway, row.gateway_reference)) or inbox.link_of(session, row)
        question = inbox.question_about(row, link, now=now)
        if question is not None:
            known = link is not None and inbox.tells_nothing_new(row, link)
            bells.append(_Bell(row.id, question, known))
    return sorted(bells, key=lambda bell: bell.question.link_id or 0)


def _ask(gateways: Mapping[str, Gateway], waiting: Iterable[_Bell], ask_each: AskEach) -> _Said:
    """The gateway's word on every link that is asked about, each once; no transaction is open meanwhile."""
    until = time.monotonic() + ASKING_S

    def ask(question: Question) -> LinkStatus | GatewayError | None:
        return inbox.ask(gateways, question) if time.monotonic() < until else None

    wanted = dict.fromkeys(
        bell.question for bell in waiting if bell.question.link_id is not None and not bell.is_known
    )
    answers = zip(wanted, ask_each(ask, wanted), strict=True)
    return {question: answer for question, answer in answers if answer is not None}


def _together(sessions: Sessions, bells: Sequence[_Bell], said: _Said, now: datetime) -> list[Effect]:
    """Act on these in one transaction; what somebody else holds, and all when one fails, alone."""

    def act(session: Session) -> tuple[list[Effect], list[_Bell]]:
        effects: list[Effect] = []
        alone: list[_Bell] = []
        links = holding.free(session, _links_of(bells))
        rows = _read(session, bells)  # only now: another may have acted on them
        for bell in bells:
            link = links.get(bell.question.link_id or 0)
            if link is None and bell.question.link_id is not None:
                alone.append(bell)
            else:
                effects.append(_act(session, rows[bell.inbox_id], link, bell, said, now))
        return effects, alone

    try:
        effects, alone = sessions.run(act)
    except (OperationalError, LeaseLost):  # the database is away or another one works: no message is at fault
        raise
    except Exception:
        log.warning("of %d messages one fails, each is acted on alone", len(bells), exc_info=True)
        effects, alone = [], list(bells)
    return effects + [_alone(sessions, bell, said, now) for bell in alone]


def _alone(sessions: Sessions, bell: _Bell, said: _Said, now: datetime) -> Effect:
    """The same for one. When it fails it is put off, its fault is logged, and a person comes to see it."""

    def act(session: Session) -> Effect:
        link_id = bell.question.link_id
        link = None if link_id is None else holding.link(session, link_id)
        return _act(session, session.get_one(InboxEvent, bell.inbox_id), link, bell, said, now)

    try:
        return sessions.run(act)
    except (OperationalError, LeaseLost):
        raise
    except Exception as error:
        log.exception("message %d cannot be acted on", bell.inbox_id)
        with sessions.begin() as session:
            inbox.put_off(session, bell.inbox_id, f"It cannot be acted on: {type(error).__name__}.", now=now)
        return Effect.NOTHING


def _act(
    session: Session, row: InboxEvent, link: Link | None, bell: _Bell, said: _Said, now: datetime
) -> Effect:
    """Act on a message whose link is held."""
    if bell.is_known and link is not None:
        if not inbox.tells_nothing_new(row, link):
            return Effect.NOTHING  # somebody changed either meanwhile: what is left of it comes next
        return inbox.take_note(session, row, link.id, now=now)
    answer = said.get(bell.question)
    if link is None or answer is None or isinstance(answer, GatewayError):
        return inbox.conclude(session, row.id, bell.question, answer, now=now)
    return inbox.act(session, row, link.id, answer, now=now)


def _links_of(bells: Iterable[_Bell]) -> set[int]:
    return {bell.question.link_id for bell in bells if bell.question.link_id is not None}


def _read(session: Session, bells: Iterable[_Bell]) -> dict[int, InboxEvent]:
    rows = select(InboxEvent).options(defer(InboxEvent.body), defer(InboxEvent.headers))
    wanted = rows.where(InboxEvent.id.in_([bell.inbox_id for bell in bells]))
    return {row.id: row for row in session.scalars(wanted.execution_options(populate_existing=True))}
