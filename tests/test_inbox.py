"""Events are kept once and only ring: the gateway's own answer decides."""

from datetime import datetime, timedelta, timezone
from itertools import permutations

import pytest
from sqlalchemy import func, select
from sqlalchemy.dialects import sqlite

from db.models import InboxEvent, Link, Receipt, TimelineEntry, UnverifiedEvent
from db.types import UtcDateTime
from payments.errors import GatewayUnavailable
from payments.gateways import Answer, GatewayEvent
from payments.hearing import inbox
from payments.hearing.inbox import Message
from payments.lifecycle import Effect, Review
from tests.desk import issue, make_event, payment_of

LINK = "link00000000001"
#: After how long a message comes again.
LATER = (timedelta(seconds=1), timedelta(days=1), timedelta(days=365))


@pytest.fixture
def reference(sessions, gateway, now):
    with sessions.begin() as session:
        make_event(session, now=now)
    return issue(sessions, gateway, now=now).reference


def message(now, body=b"body", **other):
    values = {"headers": {"ik-sign": "good", "cookie": "secret"}, "path": "/webhooks/ikhokha"} | other
    return Message(gateway="ikhokha", body=body, received_at=now, **values)


def accept(sessions, now, word="SUCCESS", *, link=LINK, reference=None, body=None):
    event = GatewayEvent(link, reference, word, "00")
    with sessions.begin() as session:
        return inbox.accept(session, message(now, body or f"{link} {word}".encode()), event)


def process(sessions, gateway, inbox_id, now):
    return inbox.process(sessions, {gateway.name: gateway}, inbox_id, now=now)


def row(sessions, inbox_id):
    with sessions.read() as session:
        return session.get_one(InboxEvent, inbox_id)


def status(sessions, reference):
    with sessions.read() as session:
        payment = payment_of(session, reference)
        return payment.status, payment.review


def test_the_same_message_is_one_row_counted(sessions, now):
    moments = [now, now, *(now + later for later in LATER)]
    ids = {accept(sessions, moment) for moment in moments}
    assert len(ids) == 1
    kept = row(sessions, ids.pop())
    assert (kept.seen_count, kept.last_seen_at) == (len(moments), moments[-1])


def test_a_message_is_kept_as_received_but_for_cards_and_cookies(sessions, now):
    inbox_id = accept(sessions, now, body=b'{"text": "card 4111111111111111"}')
    kept = row(sessions, inbox_id)
    assert kept.body == b'{"text": "card ****1111"}'
    assert kept.headers == {"ik-sign": "good"}


@pytest.mark.parametrize("micros", [0, 1, 999_999])
def test_a_moment_is_written_as_the_database_layer_writes_it(micros):
    """The inbox writes its moments to SQLite itself; they are compared with those that SQLAlchemy wrote."""
    moment = datetime(2026, 2, 28, 23, 59, 59, micros, tzinfo=timezone(timedelta(hours=2)))
    write = UtcDateTime().dialect_impl(sqlite.dialect()).bind_processor(sqlite.dialect())
    assert UtcDateTime.sqlite_text(moment) == write(moment)


def test_a_bell_that_the_status_bears_out_pays(sessions, gateway, reference, now):
    gateway.says(LINK, Answer.PAID, "PAID")
    inbox_id = accept(sessions, now)
    assert process(sessions, gateway, inbox_id, now) is Effect.PAID
    assert status(sessions, reference) == ("paid", None)
    assert row(sessions, inbox_id).handled_at == now


def test_a_shouted_success_that_the_status_denies_never_pays_and_ends_with_a_person(
    sessions, gateway, reference, now
):
    inbox_id = accept(sessions, now)
    moments = [now + timedelta(minutes=minutes) for minutes in (0, 1, 6, 21)]
    assert [process(sessions, gateway, inbox_id, moment) for moment in moments] == [
        Effect.NOTHING, Effect.NOTHING, Effect.NOTHING, Effect.FLAGGED,
    ]  # fmt: skip
    assert status(sessions, reference) == ("open", Review.SUCCESS_UNCONFIRMED)


def test_an_event_for_a_link_nobody_knows_waits_and_stays_visible(sessions, gateway, now):
    inbox_id = accept(sessions, now, link="nobody")
    assert process(sessions, gateway, inbox_id, now) is Effect.NOTHING
    kept = row(sessions, inbox_id)
    assert (kept.effect, kept.handled_at, kept.next_try_at) == ("unmatched", None, now + timedelta(minutes=1))
    for _ in range(len(inbox.RETRIES)):
        process(sessions, gateway, inbox_id, now)
    kept = row(sessions, inbox_id)
    assert (kept.handled_at, kept.next_try_at) == (None, None)
    assert sum(inbox.RETRIES, timedelta()) >= timedelta(hours=72)


def test_an_event_that_comes_before_our_own_row_knows_its_link_is_matched_by_reference(
    sessions, gateway, reference, now
):
    with sessions.begin() as session:
        link = session.scalars(select(Link)).one()
        link.gateway_reference, link.state = None, "asked"
        payment_of(session, reference).status = "created"
    gateway.says(LINK, Answer.PAID, "PAID")
    inbox_id = accept(sessions, now, reference=reference)
    assert process(sessions, gateway, inbox_id, now) is Effect.PAID
    assert status(sessions, reference) == ("paid", None)


def test_a_success_for_one_link_cannot_pay_another(sessions, gateway, reference, now):
    other = issue(sessions, gateway, now=now)
    gateway.says(LINK, Answer.PAID, "PAID")
    inbox_id = accept(sessions, now, reference=other.reference)
    assert process(sessions, gateway, inbox_id, now) is Effect.FLAGGED
    assert status(sessions, reference) == ("open", Review.REFERENCE_MISMATCH)
    assert status(sessions, other.reference) == ("open", None)


def test_a_gateway_that_cannot_be_asked_leaves_the_event_for_later(sessions, gateway, reference, now):
    inbox_id = accept(sessions, now)
    gateway.failing = GatewayUnavailable("down")
    with pytest.raises(GatewayUnavailable):
        process(sessions, gateway, inbox_id, now)
    kept = row(sessions, inbox_id)
    assert (kept.handled_at, kept.last_error) == (None, "down")
    gateway.failing = None
    gateway.says(LINK, Answer.PAID, "PAID")
    with sessions.read() as session:
        assert inbox.unhandled(session, now=now) == []
        assert inbox.unhandled(session, now=now + timedelta(minutes=1)) == [inbox_id]
    assert process(sessions, gateway, inbox_id, now + timedelta(minutes=1)) is Effect.PAID


def test_a_verified_repeat_asks_again_once_a_minute_until_paid(sessions, gateway, reference, now):
    inbox_id = accept(sessions, now, "FAILURE")
    gateway.says(LINK, Answer.ATTEMPT_FAILED, "FAILURE")
    for seconds in (0, 30, 61):
        process(sessions, gateway, inbox_id, now + timedelta(seconds=seconds))
    assert len(gateway.asked) == 2
    gateway.says(LINK, Answer.PAID, "PAID")
    for minutes in (3, 6, 9):
        process(sessions, gateway, inbox_id, now + timedelta(minutes=minutes))
    assert len(gateway.asked) == 3


def test_processing_everything_again_changes_nothing(sessions, gateway, reference, now):
    gateway.says(LINK, Answer.PAID, "PAID")
    ids = [accept(sessions, now), accept(sessions, now, "FAILURE"), accept(sessions, now, "success")]
    for inbox_id in ids:
        process(sessions, gateway, inbox_id, now)

    def everything():
        with sessions.read() as session:
            count = [session.scalar(select(func.count(table.id))) for table in (TimelineEntry, Receipt)]
        return count, status(sessions, reference)

    before = everything()
    for later in LATER:
        for inbox_id in reversed(ids):
            process(sessions, gateway, inbox_id, now + later)
    assert everything() == before


def test_all_orders_of_a_six_event_history_end_the_same(sessions, gateway, reference, now):
    """FAILURE, SUCCESS and their twins in every order, the truth being paid: one receipt, paid."""
    gateway.says(LINK, Answer.PAID, "PAID")
    words = ("FAILURE", "SUCCESS", "success", "Failure", "PENDING", "SUCCESS ")
    ids = [accept(sessions, now, word) for word in words]
    assert len(set(ids)) == 6
    for order in permutations(ids):
        for inbox_id in order[:2]:  # after two of them everything is decided
            process(sessions, gateway, inbox_id, now)
    with sessions.read() as session:
        assert session.scalar(select(func.count(Receipt.id))) == 1
    assert status(sessions, reference) == ("paid", None)


def test_an_unproved_message_never_makes_a_proved_one_a_duplicate(sessions, gateway, reference, now):
    gateway.says(LINK, Answer.PAID, "PAID")
    body = f"{LINK} SUCCESS".encode()
    with sessions.begin() as session:
        inbox.accept_unverified(session, message(now, body), "the signature does not fit", LINK)
    inbox_id = accept(sessions, now, body=body)
    assert process(sessions, gateway, inbox_id, now) is Effect.PAID


def test_unproved_messages_make_us_ask_once_a_minute_a_link_and_ten_times_in_all(sessions, gateway, now):
    with sessions.begin() as session:
        make_event(session, now=now)
    for _ in range(15):
        issue(sessions, gateway, now=now)
    with sessions.begin() as session:
        for nth in range(300):
            claimed = f"link{nth % 15 + 1:011d}"
            inbox.accept_unverified(session, message(now, f"{nth}".encode()), "no", claimed)
        hurried = session.scalar(select(func.count(Link.id)).where(Link.next_ask_at <= now))
    assert hurried == inbox.HINTS_A_MINUTE


def test_unproved_messages_are_bounded_and_the_newest_stay(sessions, now, monkeypatch):
    monkeypatch.setattr(inbox, "UNVERIFIED_KEPT", 150)
    with sessions.begin() as session:
        for nth in range(400):
            inbox.accept_unverified(session, message(now, f"{nth}".encode()), "no", None)
        kept = session.scalars(select(UnverifiedEvent.body)).all()
    assert 150 <= len(kept) <= 250
    assert b"399" in kept


def test_a_signed_but_unreadable_message_is_kept_for_a_person(sessions, now):
    with sessions.begin() as session:
        inbox_id = inbox.accept(session, message(now, b"{}"), None)
        assert inbox.unhandled(session, now=now + timedelta(days=9)) == []
    kept = row(sessions, inbox_id)
    assert (kept.effect, kept.handled_at) == ("unreadable", None)
