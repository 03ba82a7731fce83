"""Messages that wait are acted on together: as exactly as alone, and quicker than they come."""

from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import event, func, select

from db.models import InboxEvent, Link, OutboxMail, Receipt, TimelineEntry
from payments import holding
from payments.books import integrity
from payments.gateways import Answer, GatewayEvent
from payments.hearing import answers, handling, inbox, sync
from payments.hearing.handling import TOGETHER
from payments.hearing.inbox import Message
from payments.lifecycle import Effect, Review
from tests.desk import issue, make_event, payment_of
from tests.hook import wait_until


@pytest.fixture
def views(sessions, gateway, now):
    """Eight open payments."""
    with sessions.begin() as session:
        make_event(session, now=now)
    return [issue(sessions, gateway, now=now) for _ in range(8)]


def keep(sessions, now, bodies, *, word="SUCCESS", reference=None) -> list[int]:
    """Messages as they come: each a body, and the link it is about."""
    arrived = [
        (Message("ikhokha", "/hook", {}, body.encode(), now), GatewayEvent(link, reference, word, "00"))
        for body, link in bodies
    ]
    with sessions.begin() as session:
        return inbox.accept_all(session, arrived)


def rush(sessions, now, views, run, count):
    keep(sessions, now, [(f"{run}-{nth}", views[nth % len(views)].gateway_reference) for nth in range(count)])


def handle(sessions, gateway, now, **other: Any) -> handling.Handled:
    return handling.handle_waiting(sessions, {gateway.name: gateway}, now=now + inbox.HEAD_START, **other)


def left(sessions) -> int:
    with sessions.read() as session:
        return session.scalar(select(func.count()).where(InboxEvent.attempts == 0)) or 0


def counted(sessions, column, *where) -> int:
    with sessions.read() as session:
        return session.scalar(select(func.count(column)).where(*where)) or 0


def begun(sessions) -> list[str]:
    """The transactions that are begun from now on."""
    found: list[str] = []
    event.listen(sessions.engine, "commit", lambda _: found.append("commit"))
    return found


def test_what_comes_in_a_second_is_acted_on_in_a_round(sessions, gateway, views, now):
    """Half as many again as the hundred a second that are promised: nothing is left for the next round."""
    for second in range(4):
        moment = now + timedelta(seconds=second)
        rush(sessions, moment, views, second, 150)
        assert sync.step(sessions, {gateway.name: gateway}, now=moment + inbox.HEAD_START).events == 150
        assert left(sessions) == 0


def test_many_messages_are_one_question_for_each_link_and_few_commits(sessions, gateway, views, now):
    rush(sessions, now, views, 0, 4 * TOGETHER)
    commits = begun(sessions)
    assert len(handle(sessions, gateway, now).effects) == 4 * TOGETHER
    assert sorted(gateway.asked) == sorted(view.gateway_reference for view in views)
    assert len(commits) == 4


def test_a_thousand_shouted_successes_that_the_status_denies_pay_nothing(sessions, gateway, views, now):
    rush(sessions, now, views[:1], 0, 1_000)
    for _ in range(2):
        assert set(handle(sessions, gateway, now).effects) == {Effect.NOTHING}
    assert gateway.asked == [views[0].gateway_reference] * 2  # five hundred at once
    assert (left(sessions), counted(sessions, Receipt.id)) == (0, 0)
    with sessions.read() as session:
        assert payment_of(session, views[0].reference).status == "open"


def test_each_message_stands_on_its_timeline_once_and_pays_once(sessions, gateway, views, now):
    for view in views:
        gateway.says(view.gateway_reference, Answer.PAID, "PAID")
    rush(sessions, now, views, 0, 40)
    for _ in range(2):
        handle(sessions, gateway, now)
    assert counted(sessions, TimelineEntry.id, TimelineEntry.kind == "event") == 40
    assert counted(sessions, InboxEvent.id, InboxEvent.handled_at.is_not(None)) == 40
    assert (counted(sessions, Receipt.id), counted(sessions, OutboxMail.id)) == (8, 8)
    with sessions.read() as session:
        assert integrity.examine(session) == ()


def test_a_success_of_a_link_we_know_as_paid_asks_nothing(sessions, gateway, views, now):
    link = views[0].gateway_reference
    gateway.says(link, Answer.PAID, "PAID")
    keep(sessions, now, [("first", link)])
    handle(sessions, gateway, now)
    keep(sessions, now, [("second", link)])
    assert handle(sessions, gateway, now).effects == (Effect.NOTHING,)
    assert gateway.asked == [link]
    keep(sessions, now, [("a failure", link)], word="FAILURE")
    handle(sessions, gateway, now)
    assert gateway.asked == [link] * 2  # that would be news


def test_a_success_of_a_paid_link_for_another_reference_goes_to_a_person(sessions, gateway, views, now):
    gateway.says(views[0].gateway_reference, Answer.PAID, "PAID")
    keep(sessions, now, [("first", views[0].gateway_reference)])
    handle(sessions, gateway, now)
    keep(sessions, now, [("other", views[0].gateway_reference)], reference=views[1].reference)
    assert handle(sessions, gateway, now).effects == (Effect.FLAGGED,)
    with sessions.read() as session:
        assert payment_of(session, views[0].reference).review == Review.REFERENCE_MISMATCH


def test_a_message_that_fails_holds_up_no_other_and_is_tried_again(
    sessions, gateway, views, now, monkeypatch
):
    for view in views:
        gateway.says(view.gateway_reference, Answer.PAID, "PAID")
    rush(sessions, now, views, 0, 8)
    with sessions.read() as session:
        reference = views[3].gateway_reference
        broken = session.scalars(select(Link.id).where(Link.gateway_reference == reference)).one()
    apply = answers.apply

    def fails(session, link_id, *args, **other):
        if link_id == broken:
            raise ZeroDivisionError
        return apply(session, link_id, *args, **other)

    monkeypatch.setattr(answers, "apply", fails)
    effects = handle(sessions, gateway, now).effects
    assert sorted(effects) == sorted([Effect.PAID] * 7 + [Effect.NOTHING])
    with sessions.read() as session:
        waiting = session.scalars(select(InboxEvent).where(InboxEvent.handled_at.is_(None))).one()
    assert (waiting.last_error, waiting.attempts) == ("It cannot be acted on: ZeroDivisionError.", 1)
    monkeypatch.undo()
    assert handle(sessions, gateway, now + timedelta(minutes=2)).effects == (Effect.PAID,)


class Died(BaseException):
    """The process ended here."""


def test_a_process_that_dies_at_any_statement_leaves_nothing_half(sessions, gateway, views, now):
    """What was not committed is done by the next, once."""
    statements = 0
    for death in range(2, 60, 3):
        rush(sessions, now, views, death, 8)
        gateway.says(views[death % 8].gateway_reference, Answer.PAID, "PAID")
        statements = 0

        def strike(*_: Any, at: int = death) -> None:
            nonlocal statements
            statements += 1
            if statements == at:
                raise Died

        event.listen(sessions.engine, "before_cursor_execute", strike)
        try:
            handle(sessions, gateway, now)
        except Died:
            pass
        finally:
            event.remove(sessions.engine, "before_cursor_execute", strike)
        handle(sessions, gateway, now)
        assert left(sessions) == 0
        if statements < death:
            break
    assert counted(sessions, InboxEvent.id) == counted(
        sessions, TimelineEntry.id, TimelineEntry.kind == "event"
    )
    assert counted(sessions, Receipt.id) == counted(sessions, Link.id, Link.state == "paid") > 0
    with sessions.read() as session:
        assert integrity.examine(session) == ()


on_postgres = pytest.mark.parametrize(
    "database_kind", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)


@on_postgres
def test_what_another_acted_on_meanwhile_is_not_acted_on_again(sessions, gateway, views, now, monkeypatch):
    rush(sessions, now, views[:1], 0, 1)
    hold = holding.free

    def late(session, link_ids):
        monkeypatch.undo()
        handle(sessions, gateway, now)
        return hold(session, link_ids)

    monkeypatch.setattr(holding, "free", late)
    handle(sessions, gateway, now)
    assert counted(sessions, TimelineEntry.id, TimelineEntry.kind == "event") == 1


@on_postgres
def test_a_payment_that_somebody_holds_holds_up_its_own_messages_only(sessions, gateway, views, now):
    held, free = views[:2]
    for view in (held, free):
        gateway.says(view.gateway_reference, Answer.PAID, "PAID")
    rush(sessions, now, [held, free], 0, 2)
    acting = Thread(target=handle, args=(sessions, gateway, now))

    def status(view):
        with sessions.read() as session:
            return payment_of(session, view.reference).status

    with sessions.begin() as session:
        holding.payment(session, payment_of(session, held.reference).id)
        acting.start()
        wait_until(lambda: status(free) == "paid")
        assert status(held) == "open"
    acting.join(20)
    assert status(held) == "paid"
