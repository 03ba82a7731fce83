"""A webhook that never comes does not matter."""

from datetime import datetime, timedelta
from random import Random

import pytest
from sqlalchemy import select

from db.models import Link
from payments.asking import links
from payments.errors import GatewayUnavailable
from payments.gateways import Answer
from payments.hearing import sync
from payments.lifecycle import Effect
from tests import desk
from tests.desk import issue, make_event, payment_of


@pytest.fixture
def event(sessions, now):
    with sessions.begin() as session:
        make_event(session, now=now)


def minutes(number):
    return timedelta(minutes=number)


SCHEDULE = [
    pytest.param(0, 1, id="at once: after a minute"),
    pytest.param(1, 2, id="1 min: at two"),
    pytest.param(2, 4, id="2 min: at four"),
    pytest.param(4, 8, id="4 min: every four"),
    pytest.param(119, 123, id="just under two hours"),
    pytest.param(120, 135, id="two hours: every fifteen"),
    pytest.param(24 * 60 - 1, 24 * 60 + 14, id="just under a day"),
    pytest.param(24 * 60, 25 * 60, id="a day: hourly"),
    pytest.param(30 * 24 * 60, 31 * 24 * 60, id="thirty days: daily"),
]


@pytest.mark.parametrize("age, then", SCHEDULE)
def test_the_schedule(now, age, then):
    assert sync.next_ask(now, now=now + minutes(age)) == now + minutes(then)


@pytest.mark.timeout(3_600)  # --chaos
def test_with_every_webhook_lost_payments_within_two_hours_show_within_five_minutes(
    sessions, gateway, event, now, so_often
):
    """Links paid at moments drawn over two hours. As many rounds a minute as the links there are need, of
    the sixty that a worker makes."""
    dice, many = Random(2026), so_often(40, 1_000)
    issued = [issue(sessions, gateway, now=now) for _ in range(many)]
    paid_at = {link.gateway_reference: now + minutes(120) * dice.random() for link in issued}
    waiting = sorted(paid_at, key=paid_at.__getitem__, reverse=True)
    shown: dict[str, datetime] = {}
    for second in range(0, 130 * 60, so_often(10, 1)):
        moment = now + timedelta(seconds=second)
        while waiting and paid_at[waiting[-1]] <= moment:
            gateway.says(waiting.pop(), Answer.PAID, "PAID")
        if Effect.PAID in sync.step(sessions, {gateway.name: gateway}, now=moment).effects:
            with sessions.read() as session:
                for reference in session.scalars(select(Link.gateway_reference).where(Link.state == "paid")):
                    shown.setdefault(reference, moment)
    late = [reference for reference in paid_at if shown[reference] - paid_at[reference] > minutes(5)]
    slowest = max(shown[reference] - paid_at[reference] for reference in paid_at)
    print(f"{many} links: {len(late)} later than five minutes, the slowest after {slowest}")
    assert len(late) <= many * 5 // 100


def test_a_link_of_a_cancelled_payment_is_still_asked_about(sessions, gateway, event, now):
    link = issue(sessions, gateway, now=now)
    with sessions.begin() as session:
        payment_of(session, link.reference).status = "cancelled"
    with sessions.read() as session:
        assert len(sync.due(session, now=now + minutes(1))) == 1


def test_a_paid_link_is_asked_about_no_more(sessions, gateway, event, now):
    link = issue(sessions, gateway, now=now)
    gateway.says(link.gateway_reference, Answer.PAID, "PAID")
    first = sync.step(sessions, {gateway.name: gateway}, now=now + minutes(1))
    assert first.effects == (Effect.PAID,)
    assert sync.step(sessions, {gateway.name: gateway}, now=now + timedelta(days=40)).idle


def test_no_more_than_five_calls_a_round_and_the_most_recent_first(sessions, gateway, event, now):
    issued = [issue(sessions, gateway, now=now + timedelta(seconds=nth)) for nth in range(8)]
    sync.step(sessions, {gateway.name: gateway}, now=now + minutes(2))
    assert gateway.asked == [link.gateway_reference for link in reversed(issued)][: sync.CALLS_A_SECOND]


def test_of_links_issued_in_one_moment_who_has_waited_longest_is_first(sessions, gateway, event, now):
    for _ in range(8):
        issue(sessions, gateway, now=now)
    with sessions.begin() as session:
        for link in session.scalars(select(Link)):
            link.next_ask_at = now + minutes(10 - link.id)
    with sessions.read() as session:
        first = sync.due(session, now=now + minutes(10))
        assert first == list(session.scalars(select(Link.id).order_by(Link.id.desc()).limit(5)))


def test_a_gateway_that_is_down_is_told_and_the_link_keeps_its_place(sessions, gateway, event, now):
    issue(sessions, gateway, now=now)
    gateway.failing = GatewayUnavailable("down since noon")
    done = sync.step(sessions, {gateway.name: gateway}, now=now + minutes(1))
    assert done.errors == ("down since noon",)
    with sessions.read() as session:
        assert session.scalars(select(Link.next_ask_at)).one() == now + minutes(2)


def test_sharing_a_link_makes_the_poll_look_again_soon(sessions, gateway, event, now):
    link = issue(sessions, gateway, now=now)
    later = now + timedelta(days=2)
    sync.step(sessions, {gateway.name: gateway}, now=later)
    with sessions.begin() as session:
        links.shared(session, desk.ADMIN, link.reference, "whatsapp", now=later + minutes(5))
    with sessions.read() as session:
        assert session.scalars(select(Link.next_ask_at)).one() == later + minutes(6)


def test_the_daily_sweep_finds_what_nothing_else_found(sessions, gateway, event, now):
    link = issue(sessions, gateway, now=now)
    gateway.says(link.gateway_reference, Answer.PAID, "PAID")
    assert sync.ask_history(sessions, {gateway.name: gateway}, now=now) == [Effect.PAID]
    assert sync.ask_history(sessions, {gateway.name: gateway}, now=now) == []
