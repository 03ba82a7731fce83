"""One payment, as whoever opens it is told: every message that names it, its links, and its timeline."""

from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from db.models import InboxEvent, Payment, TimelineEntry, UnverifiedEvent
from db.money import Money
from db.session import Sessions
from payments import timeline
from payments.asking import links
from payments.finding import search
from payments.lifecycle import Kind
from tests.desk import ADMIN, FakeGateway, issue, make_event


@pytest.fixture
def story(sessions: Sessions, now: datetime) -> links.LinkView:
    """A payment with a link, an event acted on, one that waits, and one that nobody proved."""
    with sessions.begin() as session:
        make_event(session, now=now)
    link = issue(sessions, FakeGateway(), now=now)
    with sessions.begin() as session:
        payment = session.scalars(select(Payment)).one()
        acted_on, waiting = (
            InboxEvent(
                gateway="ikhokha",
                digest=bytes([nth]) * 32,
                received_at=now + timedelta(minutes=nth),
                last_seen_at=now,
                path="/webhooks/ikhokha",
                headers={},
                body=b'{"status": "SUCCESS", "nth": %d}' % nth,
                gateway_reference=link.gateway_reference,
                word="SUCCESS",
                handled_at=now if nth == 1 else None,
                payment_id=payment.id if nth == 1 else None,
            )
            for nth in (1, 2)
        )
        session.add_all([acted_on, waiting])
        session.flush()
        detail = {"inbox": acted_on.id, "word": "SUCCESS"}
        session.add(
            TimelineEntry(
                payment_id=payment.id,
                at=acted_on.received_at,
                kind=Kind.EVENT,
                source="webhook",
                actor="iKhokha",
                detail=detail,
            )
        )
        session.add(
            UnverifiedEvent(
                gateway="ikhokha",
                digest=b"u" * 32,
                received_at=now + timedelta(minutes=3),
                last_seen_at=now,
                path="/webhooks/ikhokha",
                headers={},
                body=b"\xff forged",
                reason="wrong signature",
                gateway_reference=link.gateway_reference,
                address="203.0.113.7",
            )
        )
    return link


def test_a_payments_timeline_holds_every_message_that_names_it(sessions: Sessions, story: links.LinkView):
    with sessions.read() as session:
        entries = search.get(session, ADMIN, story.reference).timeline
    raw = [entry.raw for entry in entries if entry.raw]
    assert raw == ['{"status": "SUCCESS", "nth": 1}', '{"status": "SUCCESS", "nth": 2}', "\\xff forged"]
    assert [entry.kind for entry in entries][-3:] == [Kind.EVENT, Kind.EVENT, timeline.UNVERIFIED]
    assert entries[-1].title.endswith("It changed nothing.")
    assert len({entry.id for entry in entries}) == len(entries)


def test_a_payment_tells_its_links_and_who_asked(sessions: Sessions, story: links.LinkView):
    with sessions.read() as session:
        detail = search.get(session, ADMIN, story.reference.lower())
    assert [link.gateway_reference for link in detail.links] == [story.gateway_reference]
    assert detail.row.wire_reference == story.reference
    assert [entry.title for entry in detail.timeline][:3] == [
        f"{ADMIN.name} asked for {Money(15_000)}.",
        f"{ADMIN.name} had the gateway asked for a payment link.",
        "The payment link is ready.",
    ]


#: Kinds that know other steps than a request for approval does.
_STEPS = {Kind.REFUND_ORDER: "ready", Kind.DISPUTE: "recorded", Kind.SURPLUS: "came"}


def test_every_kind_of_timeline_entry_is_told_in_a_sentence():
    detail = {
        "case": "CB-1",
        "said": "not_provided",
        "answer_by": "2026-12-01",
        "amount_minor": 1,
        "currency": "ZAR",
        "how": "instant_eft",
        "was": "open",
        "became": "paid",
        "page": "success",
        "reason": "overpaid",
        "word": "PAID",
        "subject": "Paid",
        "what": "sent",
        "text": "Called.",
        "why": "Typed for the wrong person.",
        "step": "asked",
        "paid_on": "2026-11-23",
        "on": "2026-11-23",
        "way": "exact",
        "light": "red",
        "name": "Lerato",
        "gross_minor": 1,
        "fee_minor": 0,
        "vat_minor": 0,
        "payout": "2026-11-23",
        "changed": "phone",
        "told": "payment.paid",
        "title": "Tax invoice",
        "label": "INV-1-000001",
        "to": "Tumelo Holdings",
        "other": "DEMO-REG-7K3M9P",
    }
    for kind in Kind:
        step = {"step": _STEPS[kind]} if kind in _STEPS else {}
        title = timeline.title(kind, detail | step, "Thandi")
        assert title.endswith(".")
        assert "_" not in title
