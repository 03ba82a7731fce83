"""Real threads at one payment, on both databases: however many come at once, it happens once."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from threading import Barrier, Thread
from typing import Any

import pytest
from sqlalchemy import func, select

from db.models import Case, Counter, InboxEvent, Link, OutboxMail, Payment, Receipt, TimelineEntry
from db.money import Money
from db.session import Sessions, open_engine
from payments import obligations
from payments.asking import links
from payments.books import integrity
from payments.errors import Conflict, OutcomeUnknown
from payments.gateways import Answer, GatewayEvent
from payments.hearing import handling, inbox, sync
from payments.hearing.inbox import Message
from payments.lifecycle import Review
from tests.desk import ADDRESSES, ADMIN, issue, make_event, payment_of

ROUNDS = 25


@pytest.fixture
def sessions(database_url, now):
    """A crowd's sessions: nobody waits for a connection."""
    engine = open_engine(database_url, pool_size=60, max_overflow=0)
    desk = Sessions(engine)
    with desk.begin() as session:
        make_event(session, now=now)
    yield desk
    engine.dispose()


def at_once(works: Sequence[Callable[[], Any]]) -> list[Any]:
    """What each returned or raised, all of them let go in the same instant."""
    start = Barrier(len(works))
    outcomes: list[Any] = [None] * len(works)

    def run(nth: int) -> None:
        start.wait()
        try:
            outcomes[nth] = works[nth]()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            outcomes[nth] = error

    threads = [Thread(target=run, args=(nth,)) for nth in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive(), "they wait for each other for ever"
    return outcomes


def count(sessions, column, *where) -> int:
    with sessions.read() as session:
        return session.scalar(select(func.count(column)).where(*where)) or 0


def keep(sessions, now, body: bytes, link: str) -> int:
    message = Message("ikhokha", "/webhooks/ikhokha", {}, body, now)
    with sessions.begin() as session:
        return inbox.accept(session, message, GatewayEvent(link, None, "SUCCESS", "00"))


def link_of(sessions, gateway_reference: str) -> int:
    with sessions.read() as session:
        return session.scalars(select(Link.id).where(Link.gateway_reference == gateway_reference)).one()


def written(sessions, work: Callable[..., Any], *args: Any, **named: Any) -> None:
    with sessions.begin() as session:
        work(session, *args, **named)


def sound(sessions) -> bool:
    with sessions.read() as session:
        return integrity.examine(session) == ()


@pytest.mark.timeout(3_600)  # --chaos
def test_webhook_poll_person_and_return_page_at_once_are_one_receipt(sessions, gateway, now, so_often):
    gateways, rounds = {gateway.name: gateway}, so_often(ROUNDS, 500)
    for nth in range(rounds):
        view = issue(sessions, gateway, now=now)
        gateway.says(view.gateway_reference, Answer.PAID, "PAID")
        bells = [keep(sessions, now, f"{nth} {word}".encode(), view.gateway_reference) for word in "ab"]
        link_id = link_of(sessions, view.gateway_reference)
        outcomes = at_once(
            [
                *(partial(inbox.process, sessions, gateways, bell, now=now) for bell in (*bells, bells[0])),
                partial(handling.handle_waiting, sessions, gateways, now=now + inbox.HEAD_START),
                partial(sync.ask, sessions, gateways, link_id, now=now),
                partial(sync.ask, sessions, gateways, link_id, now=now),
                partial(written, sessions, links.returned, view.return_token, "success", now=now),
                partial(written, sessions, links.shared, ADMIN, view.reference, "mail", now=now),
                partial(written, sessions, links.opened, ADMIN, view.reference, now=now),
            ]
        )
        assert [one for one in outcomes if isinstance(one, Exception)] == []
        with sessions.read() as session:
            payment = payment_of(session, view.reference)
            assert (payment.status, payment.received_minor, len(payment.receipts)) == ("paid", 15_000, 1)
    told = TimelineEntry.kind
    assert count(sessions, OutboxMail.id) == rounds
    assert count(sessions, TimelineEntry.id, told == "receipt") == rounds
    assert count(sessions, TimelineEntry.id, told == "event") == 2 * rounds
    assert count(sessions, InboxEvent.id, InboxEvent.handled_at.is_(None)) == 0
    assert sound(sessions)


def test_a_paid_link_that_somebody_saw_unpaid_is_asked_about_once_more_at_most(sessions, gateway, now):
    view = issue(sessions, gateway, now=now)
    gateway.says(view.gateway_reference, Answer.PAID, "PAID")
    link_id = link_of(sessions, view.gateway_reference)
    sync.ask(sessions, {gateway.name: gateway}, link_id, now=now)
    with sessions.begin() as session:
        session.get_one(Link, link_id).next_ask_at = now
    sync.step(sessions, {gateway.name: gateway}, now=now)
    assert count(sessions, Link.id, Link.next_ask_at.is_not(None)) == 0


@pytest.mark.timeout(3_600)  # --chaos
def test_two_links_of_one_payment_paid_at_once_are_two_receipts_and_a_flag(sessions, gateway, now, so_often):
    for _ in range(so_often(ROUNDS // 2, 500)):
        view = issue(sessions, gateway, now=now)
        twin = f"{view.gateway_reference}b"
        with sessions.begin() as session:
            first = session.scalars(
                select(Link).where(Link.gateway_reference == view.gateway_reference)
            ).one()
            second = Link(
                payment_id=first.payment_id,
                gateway=first.gateway,
                wire_reference=f"{first.wire_reference}-2",
                gateway_reference=twin,
                state="open",
                amount_minor=first.amount_minor,
                amount_currency=first.amount_currency,
                return_token=f"{first.return_token[:-1]}!",
                requested_at=now,
                active_at=now,
                next_ask_at=now,
            )
            session.add(second)
            session.flush()
            ids = [first.id, second.id]
            gateway.says(view.gateway_reference, Answer.PAID, "PAID")
            gateway.links[twin] = replace(
                gateway.links[view.gateway_reference],
                gateway_reference=twin,
                reference=second.wire_reference,
            )
        at_once([lambda one=one: sync.ask(sessions, {gateway.name: gateway}, one, now=now) for one in ids])
        with sessions.read() as session:
            payment = payment_of(session, view.reference)
            assert (payment.status, payment.received_minor) == ("paid", 30_000)
            assert (len(payment.receipts), payment.review) == (2, Review.OVERPAID)
            cases = session.scalars(select(Case.reason).where(Case.payment_id == payment.id)).all()
            assert set(cases) - {"paid_late"} == {"overpaid"}  # late: the older link's money came second
    assert sound(sessions)


@pytest.mark.timeout(3_600)  # --chaos
def test_a_hundred_copies_of_one_message_at_once_are_one_row_and_one_receipt(
    sessions, gateway, now, so_often
):
    for nth in range(so_often(3, 20)):
        view = issue(sessions, gateway, now=now)
        link, body = view.gateway_reference, f"copy {nth}".encode()
        gateway.says(link, Answer.PAID, "PAID")

        def arrives(body=body, link=link):
            inbox_id = keep(sessions, now, body, link)
            inbox.process(sessions, {gateway.name: gateway}, inbox_id, now=now)
            return inbox_id

        outcomes = at_once([arrives] * 100)
        assert len(set(outcomes)) == 1, outcomes[:3]
        assert count(sessions, InboxEvent.id) == nth + 1
        assert count(sessions, InboxEvent.id, InboxEvent.seen_count == 100) == nth + 1
        assert count(sessions, Receipt.id) == nth + 1
    assert sound(sessions)


def test_fifty_clicks_on_issue_make_one_link_whatever_answers_are_lost(sessions, gateway, now):
    gateway.loses_answers = OutcomeUnknown("no answer")
    with sessions.read() as session:
        reference = obligations.draft_reference(session, ADMIN, "devconf", demo=True)
    draft = obligations.Draft(reference, "devconf", Money(15_000), "Zanele Mokoena", "zanele@example.org")

    def click() -> None:
        with suppress(OutcomeUnknown, Conflict):
            links.issue(sessions, gateway, draft, person=ADMIN, addresses=ADDRESSES, now=now)

    assert at_once([click] * 50) == [None] * 50
    assert len(gateway.requests) == 1
    assert (count(sessions, Payment.id), count(sessions, Link.id)) == (1, 1)
    with sessions.read() as session:
        link_id = session.scalar(select(Link.id))
    sync.ask(sessions, {gateway.name: gateway}, link_id, now=now)
    with sessions.read() as session:
        assert payment_of(session, reference).status == "open"


_WRITER = """
import sys
from sqlalchemy import select
from db.models import Counter
from db.session import Sessions, open_engine
sessions = Sessions(open_engine(sys.argv[1]))
for _ in range(int(sys.argv[2])):
    with sessions.begin() as session:
        session.scalars(select(Counter).where(Counter.name == "changes").with_for_update()).one().value += 1
"""


@pytest.mark.timeout(600)  # --chaos
def test_eight_processes_that_read_and_write_one_row_lose_nothing_and_none_fails(
    database_url, sessions, so_often
):
    writes = so_often(25, 300)
    before = count_of_changes(sessions)
    writers = [subprocess.Popen([sys.executable, "-c", _WRITER, database_url, str(writes)]) for _ in range(8)]
    assert [writer.wait(500) for writer in writers] == [0] * 8
    assert count_of_changes(sessions) - before == 8 * writes


def count_of_changes(sessions) -> int:
    with sessions.read() as session:
        return session.scalars(select(Counter.value).where(Counter.name == "changes")).one()
