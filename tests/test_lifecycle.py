"""What a payment may become, and that nothing is called paid that no one confirmed."""

from datetime import datetime, timedelta
from itertools import permutations

import pytest
from sqlalchemy import func, select

from db.models import Link, OutboxMail, Receipt, TimelineEntry
from db.session import Sessions
from payments import lifecycle
from payments.errors import Conflict
from payments.gateways import Answer
from payments.hearing import sync
from payments.lifecycle import CLOSED, PENDING, SETTLED, TRANSITIONS, Effect, Review, Source, Status
from tests.desk import FakeGateway, issue, make_event, payment_of


@pytest.fixture
def reference(sessions: Sessions, gateway: FakeGateway, now: datetime) -> str:
    with sessions.begin() as session:
        make_event(session, now=now)
    return issue(sessions, gateway, now=now).reference


def ask(sessions: Sessions, gateway: FakeGateway, now: datetime, nth: int = 0) -> Effect:
    with sessions.read() as session:
        link_id = session.scalars(select(Link.id).order_by(Link.id)).all()[nth]
    return sync.ask(sessions, {gateway.name: gateway}, link_id, now=now)


def state(sessions: Sessions, reference: str) -> tuple[str, int, str | None]:
    with sessions.read() as session:
        payment = payment_of(session, reference)
        return payment.status, payment.received_minor, payment.review


def test_every_status_has_its_transitions():
    assert set(TRANSITIONS) == set(Status)
    assert not any(status in following for status, following in TRANSITIONS.items())


def test_every_status_is_pending_closed_or_settled():
    assert set(Status) == PENDING | CLOSED | SETTLED
    assert len(Status) == len(PENDING) + len(CLOSED) + len(SETTLED)


def test_paid_never_goes_back_to_unpaid():
    for status in SETTLED:
        back = {Status.PART_PAID} if status is Status.DISPUTED else set()  # disputed while a part was paid
        assert not TRANSITIONS[status] & (PENDING | CLOSED) - back


def test_money_can_come_in_every_status_that_waits_for_it_or_stopped_waiting():
    for status in (PENDING | CLOSED) - {Status.PART_PAID}:
        assert {Status.PAID, Status.PART_PAID} <= TRANSITIONS[status]


@pytest.mark.parametrize("status", Status)
def test_an_illegal_step_is_refused(sessions, reference, now, status):
    with sessions.begin() as session:
        payment = payment_of(session, reference)
        payment.status = status
        for target in set(Status) - TRANSITIONS[status]:
            with pytest.raises(Conflict):
                lifecycle.advance(session, payment, target, now=now, source=Source.DESK, actor="Thandi")


def test_the_gateways_paid_with_the_right_amount_pays(sessions, gateway, reference, now):
    gateway.says("link00000000001", Answer.PAID, "PAID")
    assert ask(sessions, gateway, now) is Effect.PAID
    assert state(sessions, reference) == ("paid", 15_000, None)


def test_paid_twice_over_is_one_receipt_and_one_mail(sessions, gateway, reference, now):
    gateway.says("link00000000001", Answer.PAID, "PAID")
    assert [ask(sessions, gateway, now) for _ in range(3)] == [Effect.PAID, Effect.NOTHING, Effect.NOTHING]
    with sessions.read() as session:
        assert session.scalar(select(func.count(Receipt.id))) == 1
        assert session.scalar(select(func.count(OutboxMail.id))) == 1


MISFITS = [
    pytest.param({"amount_minor": 14_999}, Review.AMOUNT_MISMATCH, id="a cent less"),
    pytest.param({"amount_minor": 15_001}, Review.AMOUNT_MISMATCH, id="a cent more"),
    pytest.param({"amount_minor": 1_500_000}, Review.AMOUNT_MISMATCH, id="times 100"),
    pytest.param({"amount_minor": 150}, Review.AMOUNT_MISMATCH, id="divided by 100"),
    pytest.param({"amount_minor": -15_000}, Review.AMOUNT_MISMATCH, id="negative"),
    pytest.param({"amount_minor": None}, Review.AMOUNT_MISMATCH, id="missing or unreadable"),
    pytest.param({"currency": "USD"}, Review.CURRENCY_MISMATCH, id="other currency"),
    pytest.param({"reference": "DEMO_REG_2222222"}, Review.REFERENCE_MISMATCH, id="other reference"),
    pytest.param({"gateway_reference": "link9"}, Review.REFERENCE_MISMATCH, id="other link"),
]


@pytest.mark.parametrize("other, reason", MISFITS)
def test_what_does_not_fit_is_flagged_and_never_paid(sessions, gateway, reference, now, other, reason):
    gateway.says("link00000000001", Answer.PAID, "PAID", **other)
    assert ask(sessions, gateway, now) is Effect.FLAGGED
    assert state(sessions, reference) == ("open", 0, reason)


def test_a_mismatch_that_mends_itself_is_paid_and_stays_flagged_for_a_person(
    sessions, gateway, reference, now
):
    gateway.says("link00000000001", Answer.PAID, "PAID", amount_minor=1)
    ask(sessions, gateway, now)
    gateway.says("link00000000001", Answer.PAID, "PAID", amount_minor=15_000)
    ask(sessions, gateway, now)
    assert state(sessions, reference) == ("paid", 15_000, Review.AMOUNT_MISMATCH)


def test_a_late_failure_does_not_unpay(sessions, gateway, reference, now):
    gateway.says("link00000000001", Answer.PAID, "PAID")
    ask(sessions, gateway, now)
    gateway.says("link00000000001", Answer.ATTEMPT_FAILED, "FAILURE")
    assert ask(sessions, gateway, now) is Effect.FLAGGED
    assert state(sessions, reference) == ("paid", 15_000, Review.GATEWAY_TOOK_IT_BACK)


def test_a_failed_attempt_stays_payable(sessions, gateway, reference, now):
    gateway.says("link00000000001", Answer.ATTEMPT_FAILED, "FAILURE")
    assert ask(sessions, gateway, now) is Effect.FAILED
    assert state(sessions, reference)[0] == "failed"
    gateway.says("link00000000001", Answer.PAID, "PAID")
    ask(sessions, gateway, now)
    assert state(sessions, reference) == ("paid", 15_000, None)


@pytest.mark.parametrize("closed", sorted(CLOSED))
def test_money_on_a_closed_payment_is_paid_late_and_kept(sessions, gateway, reference, now, closed):
    with sessions.begin() as session:
        payment = payment_of(session, reference)
        lifecycle.advance(session, payment, closed, now=now, source=Source.DESK, actor="Thandi")
    gateway.says("link00000000001", Answer.PAID, "PAID")
    ask(sessions, gateway, now)
    assert state(sessions, reference) == ("paid", 15_000, Review.PAID_LATE)


def test_a_word_nobody_knows_moves_nothing(sessions, gateway, reference, now):
    gateway.says("link00000000001", Answer.UNCLEAR, "BETAALD")
    assert ask(sessions, gateway, now) is Effect.FLAGGED
    assert state(sessions, reference) == ("open", 0, Review.UNCLEAR_STATUS)


def test_two_at_once_are_told_apart_by_version(sessions, reference, now):
    with sessions.read() as session:
        stale = payment_of(session, reference)
        _ = stale.event
        session.expunge_all()
    with sessions.begin() as session:
        lifecycle.advance(
            session, payment_of(session, reference), Status.FAILED, now=now, source=Source.POLL, actor="a"
        )
    with pytest.raises(Conflict, match="somebody else"), sessions.begin() as session:
        lifecycle.advance(session, stale, Status.FAILED, now=now, source=Source.POLL, actor="b")


ANSWERS = {
    "open": (Answer.OPEN, "UNPAID"),
    "failed": (Answer.ATTEMPT_FAILED, "FAILURE"),
    "paid": (Answer.PAID, "PAID"),
    "unclear": (Answer.UNCLEAR, "REVERSED"),
}


def test_every_order_of_answers_that_holds_a_paid_ends_paid_once(sessions, gateway, now):
    with sessions.begin() as session:
        make_event(session, now=now)
    for nth, order in enumerate(permutations(ANSWERS)):
        link = issue(sessions, gateway, now=now)
        for name in order:
            gateway.says(link.gateway_reference, *ANSWERS[name])
            ask(sessions, gateway, now, nth)
        status, received, _review = state(sessions, link.reference)
        assert (status, received) == ("paid", 15_000), order


def test_no_answer_but_paid_ever_brings_money(sessions, gateway, reference, now):
    for name in ("open", "failed", "unclear", "failed", "open"):
        gateway.says("link00000000001", *ANSWERS[name])
        ask(sessions, gateway, now + timedelta(minutes=1))
    assert state(sessions, reference)[:2] == ("failed", 0)


def test_each_change_stands_on_the_timeline_with_its_actor_and_source(sessions, gateway, reference, now):
    gateway.says("link00000000001", Answer.PAID, "PAID")
    ask(sessions, gateway, now)
    with sessions.read() as session:
        entries = session.scalars(select(TimelineEntry).order_by(TimelineEntry.id)).all()
    assert [(entry.kind, entry.source, entry.actor) for entry in entries] == [
        ("created", "desk", "Thandi Nkosi"),
        ("link_asked", "desk", "Thandi Nkosi"),
        ("link_open", "desk", "Thandi Nkosi"),
        ("status", "desk", "Thandi Nkosi"),
        ("answer", "poll", "iKhokha"),
        ("receipt", "poll", "iKhokha"),
        ("status", "poll", "iKhokha"),
        ("mail", "worker", "Paydesk"),
    ]
