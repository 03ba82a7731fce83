"""The inbox for people: acting on messages again changes nothing that is settled, and a dry run nothing at
all; what is ignored stays, with its reason."""

import random
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from db.models import AuditEntry, Base, InboxEvent, Link
from payments.access.people import Person, Role
from payments.dates import Span
from payments.deciding import attention, lookout
from payments.deciding.cases import Decision
from payments.errors import Conflict, GatewayUnavailable, InvalidInput, NotAllowed, NotFound
from payments.gateways import Answer
from payments.hearing import inbox, replay
from payments.hearing.replay import View
from payments.lifecycle import Effect, Review, Status
from tests.desk import ADMIN, issue, make_event
from tests.test_inbox import LINK, accept, message, process, row

WHY = "A test of iKhokha's own."
OFFICE_OF_ONE = Person(5, "F", "f@example.org", Role.FINANCE, frozenset({1}))


@pytest.fixture
def reference(sessions, gateway, now):
    with sessions.begin() as session:
        make_event(session, now=now)
    return issue(sessions, gateway, now=now).reference


def everything(sessions, *but):
    """Every row of every table, as text."""
    with sessions.read() as session:
        return {
            table.name: sorted(map(repr, session.execute(table.select())))
            for table in Base.metadata.sorted_tables
            if table.name not in but
        }


def listed(sessions, view=View.ALL, **window):
    with sessions.read() as session:
        return [message.id for message in replay.messages(session, ADMIN, view, **window).rows]


def every_id(sessions, now):
    with sessions.read() as session:
        ids, more = replay.in_span(session, ADMIN, Span(now - timedelta(days=9), now + timedelta(days=9)))
    assert not more
    return ids


def steps(sessions, gateway, ids, now, *, dry):
    act = replay.dry_run if dry else replay.run
    return act(sessions, {gateway.name: gateway}, ADMIN, ids, now=now)


def ignore(sessions, inbox_id, now, why=WHY, person=ADMIN):
    with sessions.begin() as session:
        replay.ignore(session, person, inbox_id, why, now=now)


# -- the list ---------------------------------------------------------------------------------------


def test_each_view_lists_its_messages_the_newest_first(sessions, gateway, reference, now):
    gateway.says(LINK, Answer.PAID, "PAID")
    done, waits, stray, ignored = (
        accept(sessions, now, word, link=link)
        for word, link in (("SUCCESS", LINK), ("PENDING", LINK), ("SUCCESS", "nobody"), ("FAILURE", "nobody"))
    )
    process(sessions, gateway, done, now)
    process(sessions, gateway, stray, now)
    ignore(sessions, ignored, now)
    with sessions.begin() as session:
        unreadable = inbox.accept(session, message(now, b"{}"), None)
        forged = inbox.accept_unverified(session, message(now, b"forged"), "the signature does not fit", LINK)
    assert {view: listed(sessions, view) for view in View} == {
        View.ALL: [unreadable, ignored, stray, waits, done],
        View.HANDLED: [done],
        View.UNHANDLED: [unreadable, stray, waits],
        View.UNKNOWN_PAYMENT: [stray],
        View.UNREADABLE: [unreadable],
        View.IGNORED: [ignored],
        View.BAD_SIGNATURE: [forged],
    }
    assert listed(sessions, size=2, number=2) == [stray, waits]


def test_a_message_is_shown_as_it_came_with_what_it_led_to(sessions, gateway, reference, now):
    gateway.says(LINK, Answer.PAID, "PAID")
    inbox_id = accept(sessions, now, body=b'{"status": "SUCCESS"}')
    process(sessions, gateway, inbox_id, now + timedelta(seconds=2))
    with sessions.read() as session:
        found = replay.get(session, ADMIN, inbox_id)
    assert (found.body, found.headers) == ('{"status": "SUCCESS"}', {"ik-sign": "good"})
    assert (found.row.effect, found.row.reference) == ("paid", reference)
    assert found.row.took == timedelta(seconds=2)
    with pytest.raises(NotFound), sessions.read() as session:
        replay.get(session, ADMIN, inbox_id, proved=False)


@pytest.mark.parametrize(
    "person",
    [
        pytest.param(OFFICE_OF_ONE, id="of one event"),
        pytest.param(Person(5, "V", "v@example.org", Role.VIEWER, None), id="viewer"),
    ],
)
def test_the_inbox_is_for_the_office_of_all_events(sessions, gateway, reference, now, person):
    inbox_id = accept(sessions, now)
    with sessions.begin() as session:
        for refused in (
            lambda: replay.messages(session, person, View.ALL),
            lambda: replay.get(session, person, inbox_id),
            lambda: replay.in_span(session, person, Span(now, now)),
            lambda: replay.ignore(session, person, inbox_id, WHY, now=now),
            lambda: replay.take_up(session, person, inbox_id, now=now),
        ):
            with pytest.raises(NotAllowed):
                refused()
    for act in (replay.dry_run, replay.run):
        with pytest.raises(NotAllowed):
            act(sessions, {gateway.name: gateway}, person, [inbox_id], now=now)
    assert row(sessions, inbox_id).handled_at is None


def test_an_auditor_looks_and_changes_nothing(sessions, gateway, reference, now):
    auditor = Person(5, "A", "a@example.org", Role.AUDITOR, None)
    inbox_id = accept(sessions, now)
    with sessions.read() as session:
        assert replay.get(session, auditor, inbox_id).row.id == inbox_id
    with pytest.raises(NotAllowed):
        ignore(sessions, inbox_id, now, person=auditor)


# -- again ------------------------------------------------------------------------------------------


def test_processing_one_again_asks_the_gateway_and_is_audited(sessions, gateway, reference, now):
    inbox_id = accept(sessions, now)
    process(sessions, gateway, inbox_id, now)
    gateway.says(LINK, Answer.PAID, "PAID")
    (step,) = steps(sessions, gateway, [inbox_id], now, dry=False)
    assert (step.was, step.says, step.becomes, step.effect) == (
        Status.OPEN, "PAID", Status.PAID, Effect.PAID,
    )  # fmt: skip
    assert step.changes
    with sessions.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "process_messages")).one()
    assert entry.subject == f"messages {inbox_id}"


def _history(sessions, gateway, now):
    """Twelve payments that came to every end, and what was said of them, in a mixed order."""
    ends = [
        (Answer.PAID, "PAID", {}),
        (Answer.PAID, "PAID", {"amount_minor": 1}),
        (Answer.ATTEMPT_FAILED, "FAILURE", {}),
        (Answer.OPEN, "PENDING", {}),
        (Answer.UNCLEAR, "REVERSED", {}),
        (Answer.PAID, "PAID", {"currency": "USD"}),
    ]
    ids = []
    for nth in range(12):
        issue(sessions, gateway, now=now, payer_name=f"Payer {nth}")
        link = f"link{nth + 1:011d}"
        answer, word, other = ends[nth % len(ends)]
        gateway.says(link, answer, word, **other)
        ids += [accept(sessions, now, said, link=link) for said in ("SUCCESS", "FAILURE")]
    ids += [accept(sessions, now, "SUCCESS", link=f"nobody{nth}") for nth in range(3)]
    random.Random(7).shuffle(ids)
    return ids


#: What a repetition may touch: when it was asked last and how often it was tried, and the audit of the run.
_LINKS = select(Link.id, Link.state, Link.gateway_reference).order_by(Link.id)
_BOOKKEEPING = ("links", "inbox", "audit", "counters", "meta")


def test_replaying_everything_ever_received_changes_nothing(sessions, gateway, reference, now):
    ids = _history(sessions, gateway, now)
    for minutes in (0, 2, 10, 40):  # until every success was believed or given to a person
        for inbox_id in ids:
            process(sessions, gateway, inbox_id, now + timedelta(minutes=minutes))
    lookout.look(sessions, now=now + timedelta(hours=1))
    before = everything(sessions, *_BOOKKEEPING)
    with sessions.read() as session:
        known = session.execute(_LINKS).all()
    assert before["receipts"]
    assert before["cases"]
    ended = now + timedelta(hours=1)
    for later in (timedelta(seconds=1), timedelta(hours=1), timedelta(hours=25), timedelta(days=375)):
        for order in (every_id(sessions, now), sorted(ids, reverse=True)):
            done = steps(sessions, gateway, order, ended + later, dry=False)
            assert not any(step.changes for step in done)
    assert everything(sessions, *_BOOKKEEPING) == before
    with sessions.read() as session:
        assert session.execute(_LINKS).all() == known


def test_a_dry_run_writes_nothing_and_says_what_the_run_then_does(sessions, gateway, reference, now):
    ids = _history(sessions, gateway, now)
    for inbox_id in ids[:9]:
        process(sessions, gateway, inbox_id, now)
    before = everything(sessions)
    later = now + timedelta(minutes=5)
    told = steps(sessions, gateway, ids, later, dry=True)
    assert everything(sessions) == before
    assert steps(sessions, gateway, ids, later, dry=False) == told
    assert everything(sessions) != before
    assert {step.becomes for step in told} >= {Status.PAID, Status.OPEN, Status.FAILED, None}
    assert Review.AMOUNT_MISMATCH in {step.flags for step in told}


def test_each_link_is_asked_about_once_in_a_run(sessions, gateway, reference, now):
    ids = [accept(sessions, now, f"SUCCESS {nth}") for nth in range(9)]
    steps(sessions, gateway, ids, now, dry=True)
    assert gateway.asked == [LINK]


def test_a_gateway_that_cannot_be_asked_stands_in_the_step(sessions, gateway, reference, now):
    inbox_id = accept(sessions, now)
    gateway.failing = GatewayUnavailable("The gateway cannot be reached.")
    for dry in (True, False):
        (step,) = steps(sessions, gateway, [inbox_id], now, dry=dry)
        assert (step.error, step.changes) == ("The gateway cannot be reached.", False)
    assert row(sessions, inbox_id).handled_at is None


def test_a_run_takes_so_many_and_says_that_there_are_more(sessions, now, monkeypatch):
    monkeypatch.setattr(replay, "MOST_AT_ONCE", 3)
    ids = [accept(sessions, now, f"word {nth}", link="nobody") for nth in range(5)]
    with sessions.read() as session:
        found = replay.in_span(session, ADMIN, Span(now, now + timedelta(seconds=1)))
        assert found == (ids[:3], True)
        assert replay.in_span(session, ADMIN, Span(now + timedelta(seconds=1), now)) == ([], False)


def test_a_case_healed_by_acting_again_is_closed_at_once(sessions, gateway, now):
    inbox_id = accept(sessions, now)
    for _ in range(lookout.TRIES_TO_FIT):
        process(sessions, gateway, inbox_id, now)
    lookout.look(sessions, now=now)
    with sessions.begin() as session:
        make_event(session, now=now)
    issue(sessions, gateway, now=now)
    gateway.says(LINK, Answer.PAID, "PAID")
    steps(sessions, gateway, [inbox_id], now, dry=False)
    with sessions.read() as session:
        assert attention.queue(session, ADMIN, now=now) == ()
        assert attention.decided(session, ADMIN, now=now)[0].decision is Decision.HEALED


# -- never, and yet -----------------------------------------------------------------------------------


def test_an_ignored_message_is_never_tried_and_keeps_its_reason(sessions, gateway, now):
    inbox_id = accept(sessions, now)
    ignore(sessions, inbox_id, now)
    kept = row(sessions, inbox_id)
    assert (kept.effect, kept.ignored_by, kept.ignored_why) == ("ignored", ADMIN.name, WHY)
    with sessions.read() as session:
        assert inbox.unhandled(session, now=now + timedelta(days=1)) == []
    assert every_id(sessions, now) == []
    with pytest.raises(Conflict, match="is ignored"):
        steps(sessions, gateway, [inbox_id], now, dry=False)


def test_ignoring_closes_the_case_and_can_be_undone(sessions, gateway, reference, now):
    with sessions.begin() as session:
        inbox_id = inbox.accept(session, message(now, b"{}"), None)
    lookout.look(sessions, now=now)
    ignore(sessions, inbox_id, now)
    with sessions.read() as session:
        assert attention.decided(session, ADMIN, now=now)[0].decision is Decision.IGNORED
    with sessions.begin() as session:
        replay.take_up(session, ADMIN, inbox_id, now=now)
    kept = row(sessions, inbox_id)
    assert (kept.effect, kept.handled_at, kept.next_try_at) == ("unreadable", None, None)


def test_a_message_taken_up_again_is_acted_on(sessions, gateway, reference, now):
    gateway.says(LINK, Answer.PAID, "PAID")
    inbox_id = accept(sessions, now)
    ignore(sessions, inbox_id, now)
    with sessions.begin() as session:
        replay.take_up(session, ADMIN, inbox_id, now=now)
        assert inbox.unhandled(session, now=now) == [inbox_id]
    assert process(sessions, gateway, inbox_id, now) is Effect.PAID


def test_what_is_ignored_is_still_money_when_the_gateway_says_so(sessions, gateway, reference, now):
    """Ignoring a message is about the message; the poll asks about the link all the same."""
    ignore(sessions, accept(sessions, now), now)
    gateway.says(LINK, Answer.PAID, "PAID")
    second = accept(sessions, now, "success")
    assert process(sessions, gateway, second, now) is Effect.PAID


@pytest.mark.parametrize(
    "why, error",
    [pytest.param("no", InvalidInput, id="too short"), pytest.param(WHY, Conflict, id="acted on already")],
)
def test_what_cannot_be_ignored_says_why(sessions, gateway, reference, now, why, error):
    inbox_id = accept(sessions, now)
    if error is Conflict:
        gateway.says(LINK, Answer.PAID, "PAID")
        process(sessions, gateway, inbox_id, now)
    before = everything(sessions)
    with pytest.raises(error):
        ignore(sessions, inbox_id, now, why)
    assert everything(sessions) == before
    with pytest.raises(Conflict, match="not ignored"), sessions.begin() as session:
        replay.take_up(session, ADMIN, inbox_id, now=now)


def test_every_change_is_audited(sessions, gateway, reference, now):
    inbox_id = accept(sessions, now)
    ignore(sessions, inbox_id, now)
    with sessions.begin() as session:
        replay.take_up(session, ADMIN, inbox_id, now=now)
    with sessions.read() as session:
        told = session.execute(
            select(AuditEntry.action, AuditEntry.subject).where(AuditEntry.subject.like("message%"))
        )
        assert [tuple(entry) for entry in told] == [
            ("ignore_message", f"message {inbox_id}"), ("take_up_message", f"message {inbox_id}"),
        ]  # fmt: skip
        assert session.scalar(select(func.count(InboxEvent.id))) == 1
