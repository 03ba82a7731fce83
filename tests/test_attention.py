"""The queue of what a person must decide: what comes onto it, and that nothing leaves it by itself."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from db.models import AuditEntry, Case, InboxEvent, OutboxMail, TimelineEntry
from db.money import Money
from payments import lifecycle
from payments.access.people import SYSTEM, Person, Role
from payments.access.staff import create_person
from payments.deciding import attention, lookout
from payments.deciding.cases import DECISIONS, Decision, Reason
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.gateways import Answer
from payments.hearing import inbox
from payments.lifecycle import Review, Source
from tests.desk import ADMIN, issue, make_event, payment_of
from tests.test_inbox import LINK, accept, message, process

WHY = "iKhokha says so in writing."


@pytest.fixture
def event(sessions, now):
    with sessions.begin() as session:
        return make_event(session, now=now).id


@pytest.fixture
def flagged(sessions, gateway, event, now):
    """The reference of a payment whose link was paid with too little."""
    reference = issue(sessions, gateway, now=now).reference
    ring(sessions, gateway, now, amount_minor=14_999)
    return reference


def ring(sessions, gateway, now, link=LINK, answer=Answer.PAID, word="PAID", **other):
    gateway.says(link, answer, word, **other)
    process(sessions, gateway, accept(sessions, now, link=link, word=f"{word} {other}"), now)


def pay(sessions, gateway, now, **draft):
    """A payment of this draft, paid now; its reference."""
    reference = issue(sessions, gateway, now=now, **draft).reference
    with sessions.read() as session:
        link = payment_of(session, reference).links[0].gateway_reference
    ring(sessions, gateway, now, link)
    return reference


def queue(sessions, now, person=ADMIN):
    with sessions.read() as session:
        return [case for group in attention.queue(session, person, now=now) for case in group.cases]


def reasons(sessions, now, person=ADMIN):
    return [case.reason for case in queue(sessions, now, person)]


def decide(sessions, case, now, decision=None, why=WHY, person=ADMIN):
    with sessions.begin() as session:
        attention.decide(session, person, case.id, decision or case.decisions[0], why, now=now)


def timeline(sessions, reference):
    with sessions.read() as session:
        payment = payment_of(session, reference)
        kinds = select(TimelineEntry.kind).where(TimelineEntry.payment_id == payment.id)
        return list(session.scalars(kinds.order_by(TimelineEntry.id)))


def review(sessions, reference):
    with sessions.read() as session:
        return payment_of(session, reference).review


# -- the reasons ------------------------------------------------------------------------------------


def test_every_flag_is_a_reason_and_every_reason_can_be_decided():
    assert {Reason(review) for review in Review} < set(Reason)
    assert set(DECISIONS) == set(Reason)
    assert all(DECISIONS.values())
    assert not any(Decision.HEALED in offered for offered in DECISIONS.values())


def test_a_flag_is_a_case_in_the_same_transaction(sessions, flagged, now):
    (case,) = queue(sessions, now)
    assert (case.reason, case.reference) == (Reason.AMOUNT_MISMATCH, flagged)
    assert case.at_risk == Money(15_000)
    assert review(sessions, flagged) == Review.AMOUNT_MISMATCH


def test_the_same_flag_again_is_the_same_case(sessions, gateway, flagged, now):
    before = timeline(sessions, flagged)
    with sessions.begin() as session:
        payment = payment_of(session, flagged)
        for reason in (Review.AMOUNT_MISMATCH, Review.PAID_LATE, Review.AMOUNT_MISMATCH, Review.PAID_LATE):
            lifecycle.flag(session, payment, reason, now=now, source=Source.POLL, actor="iKhokha")
    assert reasons(sessions, now) == [Reason.AMOUNT_MISMATCH, Reason.PAID_LATE]
    assert len(timeline(sessions, flagged)) == len(before) + 1


def test_a_database_keeps_one_open_case_of_a_reason(sessions, flagged, now):
    with sessions.read() as session:
        payment_id = payment_of(session, flagged).id
    with pytest.raises(IntegrityError), sessions.begin() as session:
        session.add(Case(reason="amount_mismatch", payment_id=payment_id, detail={}, opened_at=now))


def test_a_case_is_about_one_thing_and_closed_whole(sessions, flagged, now):
    with sessions.read() as session:
        payment_id = payment_of(session, flagged).id
    for broken in ({}, {"payment_id": payment_id, "closed_at": now}):
        with pytest.raises(IntegrityError), sessions.begin() as session:
            session.add(Case(reason="overpaid", detail={}, opened_at=now, **broken))


# -- deciding ---------------------------------------------------------------------------------------


def test_a_decision_closes_the_case_unflags_and_is_told_and_audited(sessions, flagged, now):
    (case,) = queue(sessions, now)
    later = now + timedelta(hours=2)
    decide(sessions, case, later, Decision.RETURN_MONEY)
    assert queue(sessions, later) == []
    assert review(sessions, flagged) is None
    assert timeline(sessions, flagged)[-1] == "unflagged"
    with sessions.read() as session:
        (closed,) = attention.decided(session, ADMIN, now=later)
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "decide_case")).one()
    assert (closed.decision, closed.decided_why) == (Decision.RETURN_MONEY, WHY)
    assert (closed.closed_by, closed.closed_at) == (ADMIN.name, later)
    assert (entry.subject, entry.detail["decision"]) == (flagged, "return_money")


def test_a_payment_stays_flagged_while_another_review_is_open(sessions, flagged, now):
    with sessions.begin() as session:
        payment = payment_of(session, flagged)
        lifecycle.flag(session, payment, Review.PAID_LATE, now=now, source=Source.POLL, actor="iKhokha")
    first, second = queue(sessions, now)
    decide(sessions, second, now)
    assert review(sessions, flagged) == Review.AMOUNT_MISMATCH
    decide(sessions, first, now)
    assert review(sessions, flagged) is None


def test_what_was_decided_is_not_asked_again_and_something_new_is(sessions, gateway, flagged, now):
    (case,) = queue(sessions, now)
    decide(sessions, case, now)
    ring(sessions, gateway, now + timedelta(minutes=5), amount_minor=14_999)
    assert queue(sessions, now) == []
    assert review(sessions, flagged) is None
    gateway.links[LINK] = replace(gateway.links[LINK], amount_minor=1, raw="one cent")
    process(sessions, gateway, accept(sessions, now, word="once more"), now + timedelta(minutes=9))
    assert reasons(sessions, now) == [Reason.AMOUNT_MISMATCH]


@pytest.mark.parametrize(
    "decision, why, says",
    [
        pytest.param(Decision.RETURN_MONEY, "ok", "Say why", id="too short"),
        pytest.param(Decision.RETURN_MONEY, "  .         . ", "Say why", id="only spaces"),
        pytest.param(Decision.RETURN_MONEY, "4111 1111 1111 1111", "card number", id="a card number"),
        pytest.param(Decision.BOTH_MEANT, WHY, "no decision for this case", id="another reason's"),
        pytest.param(Decision.HEALED, WHY, "no decision for this case", id="the gateway's own"),
    ],
)
def test_half_a_decision_is_refused(sessions, flagged, now, decision, why, says):
    (case,) = queue(sessions, now)
    with pytest.raises(InvalidInput, match=says):
        decide(sessions, case, now, decision, why)
    assert queue(sessions, now) == [case]


def test_a_case_is_decided_once(sessions, flagged, now):
    (case,) = queue(sessions, now)
    decide(sessions, case, now)
    with pytest.raises(Conflict, match="Thandi Nkosi has closed"):
        decide(sessions, case, now)


def test_nothing_leaves_the_queue_but_by_a_decision(sessions, gateway, flagged, now):
    """However often the lookout looks, and however long nobody comes."""
    pay(sessions, gateway, now, payer_name="Sipho", payer_email="")
    second = pay(sessions, gateway, now, payer_name="Sipho", payer_email="")
    before = None
    for days in (0, 1, 30, 365):
        lookout.look(sessions, now=now + timedelta(days=days))
        found = [(case.reason, case.reference) for case in queue(sessions, now)]
        assert before in (None, found)
        before = found
    assert before == [(Reason.AMOUNT_MISMATCH, flagged), (Reason.DUPLICATE, second)]
    with sessions.read() as session:
        assert session.scalar(select(func.count(Case.id)).where(Case.closed_at.is_not(None))) == 0


# -- owner, due date, note ----------------------------------------------------------------------------


def person_of(sessions, now, role, events=None):
    with sessions.begin() as session:
        return create_person(
            session, SYSTEM, name=f"{role} person", email=f"{role}@example.org", role=role, events=events,
            now=now,
        )  # fmt: skip


def test_a_case_has_an_owner_a_due_date_and_a_note(sessions, flagged, event, now):
    finance = person_of(sessions, now, Role.FINANCE, [event])
    viewer = person_of(sessions, now, Role.VIEWER)
    (case,) = queue(sessions, now)
    due = now.date() + timedelta(days=1)
    with sessions.begin() as session:
        attention.assign(
            session, finance, case.id, owner_id=finance.id, due_on=due, note="Mailed iKhokha.", now=now
        )
    (case,) = queue(sessions, now)
    assert (case.owner, case.due_on, case.note, case.overdue) == (finance.name, due, "Mailed iKhokha.", False)
    assert queue(sessions, now + timedelta(days=2))[0].overdue
    with sessions.read() as session:
        assert attention.owners(session, finance, case) == ((finance.id, finance.name),)
    with pytest.raises(InvalidInput, match="could not decide"), sessions.begin() as session:
        attention.assign(session, ADMIN, case.id, owner_id=viewer.id, due_on=None, note="", now=now)


# -- who ----------------------------------------------------------------------------------------------


def test_a_person_of_one_event_sees_and_decides_only_its_cases(sessions, gateway, flagged, event, now):
    with sessions.begin() as session:
        other = make_event(session, "minefest", now=now).id
        inbox_id = _unreadable(session, now)
    lookout.look(sessions, now=now)
    mine, theirs = (Person(5, "F", "f@example.org", Role.FINANCE, frozenset({one})) for one in (event, other))
    assert reasons(sessions, now) == [Reason.AMOUNT_MISMATCH, Reason.UNREADABLE_EVENT]
    assert reasons(sessions, now, mine) == [Reason.AMOUNT_MISMATCH]
    assert reasons(sessions, now, theirs) == []
    assert reasons(sessions, now, Person(5, "N", "n@example.org", Role.ADMIN, frozenset())) == []
    for case in queue(sessions, now):
        with pytest.raises(NotFound):
            decide(sessions, case, now, person=theirs)
    with sessions.read() as session:
        assert session.get_one(InboxEvent, inbox_id).handled_at is None


@pytest.mark.parametrize("role", [Role.ORGANISER, Role.VIEWER, Role.AUDITOR])
def test_only_the_office_decides(sessions, flagged, now, role):
    (case,) = queue(sessions, now, Person(5, "S", "s@example.org", role, None))
    somebody = Person(5, "Somebody", "s@example.org", role, None)
    with pytest.raises(NotAllowed, match="takes the role"):
        decide(sessions, case, now, person=somebody)
    with pytest.raises(NotAllowed), sessions.begin() as session:
        attention.assign(session, somebody, case.id, owner_id=None, due_on=None, note="", now=now)


# -- what the lookout finds ---------------------------------------------------------------------------


def _unreadable(session, now):
    return inbox.accept(session, message(now, b"{}"), None)


def test_a_message_that_cannot_be_read_waits_for_a_person_who_ignores_it(sessions, now):
    with sessions.begin() as session:
        inbox_id = _unreadable(session, now)
    assert lookout.look(sessions, now=now) == 1
    (case,) = queue(sessions, now)
    assert (case.reason, case.inbox_id, case.at_risk) == (Reason.UNREADABLE_EVENT, inbox_id, None)
    decide(sessions, case, now)
    lookout.look(sessions, now=now + timedelta(hours=1))
    assert queue(sessions, now) == []
    with sessions.read() as session:
        row = session.get_one(InboxEvent, inbox_id)
        assert (row.effect, row.ignored_why) == ("ignored", WHY)


def test_a_message_that_fits_nothing_is_told_of_after_some_tries_and_closed_when_it_fits(
    sessions, gateway, event, now
):
    inbox_id = accept(sessions, now)
    for nth in range(lookout.TRIES_TO_FIT):
        lookout.look(sessions, now=now)
        assert queue(sessions, now) == [], nth
        process(sessions, gateway, inbox_id, now)
    lookout.look(sessions, now=now)
    assert reasons(sessions, now) == [Reason.UNMATCHED_EVENT]
    issue(sessions, gateway, now=now)
    gateway.says(LINK, Answer.PAID, "PAID")
    process(sessions, gateway, inbox_id, now)
    assert lookout.look(sessions, now=now) >= 1
    assert queue(sessions, now) == []
    with sessions.read() as session:
        (closed,) = attention.decided(session, ADMIN, now=now)
    assert (closed.decision, closed.closed_by) == (Decision.HEALED, "Paydesk")
    assert closed.decided_why == "The message was acted on: paid."


def test_an_outcome_nobody_told_is_for_a_person_until_the_gateway_says_it(sessions, gateway, event, now):
    reference = issue(sessions, gateway, now=now).reference
    with sessions.begin() as session:
        payment_of(session, reference).links[0].state = "asked"
    lookout.look(sessions, now=now + timedelta(minutes=29))
    assert queue(sessions, now) == []
    lookout.look(sessions, now=now + timedelta(minutes=31))
    assert reasons(sessions, now) == [Reason.OUTCOME_UNKNOWN]
    with sessions.begin() as session:
        payment_of(session, reference).links[0].state = "open"
    lookout.look(sessions, now=now + timedelta(minutes=32))
    assert queue(sessions, now) == []
    assert timeline(sessions, reference)[-2:] == ["flagged", "unflagged"]


def test_a_mail_that_was_given_up_waits_until_it_is_sent_or_not_needed(sessions, gateway, event, now):
    reference = pay(sessions, gateway, now)
    with sessions.begin() as session:
        session.scalars(select(OutboxMail)).one().state = "failed"
    lookout.look(sessions, now=now)
    (case,) = queue(sessions, now)
    assert (case.reason, case.reference, case.at_risk) == (Reason.MAIL_FAILED, reference, None)
    with sessions.begin() as session:
        session.scalars(select(OutboxMail)).one().state = "queued"
    lookout.look(sessions, now=now)
    assert queue(sessions, now) == [case]
    with sessions.begin() as session:
        session.scalars(select(OutboxMail)).one().state = "sent"
    lookout.look(sessions, now=now)
    assert queue(sessions, now) == []


def test_a_success_that_was_not_borne_out_is_closed_by_the_gateways_own_word(sessions, gateway, event, now):
    reference = issue(sessions, gateway, now=now).reference
    inbox_id = accept(sessions, now)
    for minutes in (0, 1, 6, 21):
        process(sessions, gateway, inbox_id, now + timedelta(minutes=minutes))
    assert reasons(sessions, now) == [Reason.SUCCESS_UNCONFIRMED]
    lookout.look(sessions, now=now)
    assert reasons(sessions, now) == [Reason.SUCCESS_UNCONFIRMED]
    gateway.says(LINK, Answer.PAID, "PAID")
    process(sessions, gateway, inbox_id, now + timedelta(minutes=30))
    lookout.look(sessions, now=now + timedelta(minutes=31))
    assert queue(sessions, now) == []
    assert review(sessions, reference) is None


# -- stuck --------------------------------------------------------------------------------------------


def wait(sessions, reference, now, *, asked):
    with sessions.begin() as session:
        payment_of(session, reference).links[0].asked_at = now - asked


@pytest.mark.parametrize(
    "waited, asked, stuck",
    [
        pytest.param(timedelta(hours=23), timedelta(minutes=10), False, id="not a day yet"),
        pytest.param(timedelta(hours=25), timedelta(minutes=10), True, id="a day, asked just now"),
        pytest.param(timedelta(hours=25), timedelta(hours=4), False, id="a day, not asked: it may be paid"),
    ],
)
def test_stuck_is_what_waits_for_a_day_though_the_gateway_was_asked(
    sessions, gateway, event, now, waited, asked, stuck
):
    reference = issue(sessions, gateway, now=now - waited).reference
    wait(sessions, reference, now, asked=asked)
    lookout.look(sessions, now=now)
    assert reasons(sessions, now) == [Reason.STUCK_PENDING] * stuck


def test_an_event_whose_payers_take_three_days_has_nothing_stuck_after_two(sessions, gateway, event, now):
    for nth in range(lookout.FEWEST):
        reference = pay(sessions, gateway, now - timedelta(days=3), payer_name=f"P{nth}", payer_email="")
        with sessions.begin() as session:
            payment_of(session, reference).paid_at = now
    two = issue(sessions, gateway, now=now - timedelta(days=2)).reference
    four = issue(sessions, gateway, now=now - timedelta(days=4)).reference
    for reference in (two, four):
        wait(sessions, reference, now, asked=timedelta(minutes=5))
    lookout.look(sessions, now=now)
    assert [(case.reason, case.reference) for case in queue(sessions, now)] == [(Reason.STUCK_PENDING, four)]


def test_stuck_is_over_when_it_is_paid_and_is_looked_for_once_an_hour(sessions, gateway, event, now):
    reference = issue(sessions, gateway, now=now - timedelta(days=2)).reference
    lookout.look(sessions, now=now)
    wait(sessions, reference, now, asked=timedelta())
    lookout.look(sessions, now=now + timedelta(minutes=59))
    assert queue(sessions, now) == []
    lookout.look(sessions, now=now + timedelta(hours=1))
    assert reasons(sessions, now) == [Reason.STUCK_PENDING]
    ring(sessions, gateway, now)
    lookout.look(sessions, now=now + timedelta(hours=1, minutes=1))
    assert queue(sessions, now) == []


# -- paid twice ---------------------------------------------------------------------------------------

_THANDI = {"payer_name": "Thandéka Zulu", "payer_email": "t@example.org", "payer_phone": "082 123 4567"}


@pytest.mark.parametrize(
    "second, days, twice",
    [
        pytest.param({"payer_name": "thandeka  ZULU"}, 0, True, id="the same name, written otherwise"),
        pytest.param({"payer_name": "Somebody", "payer_email": "t@example.org"}, 1, True, id="e-mail"),
        pytest.param({"payer_name": "Somebody", "payer_phone": "+27 82 123 4567"}, 29, True, id="phone"),
        pytest.param({"payer_name": "Thandéka Zulu-Nkosi"}, 0, False, id="only a part of the name"),
        pytest.param(
            {"payer_name": "Somebody", "payer_email": "s@example.org"}, 0, False, id="another payer"
        ),
        pytest.param({"payer_name": "Thandéka Zulu"}, 31, False, id="a month later"),
        pytest.param({"payer_name": "Thandéka Zulu", "amount": Money(9_900)}, 0, False, id="another amount"),
        pytest.param({"payer_name": "Thandéka Zulu", "event": "minefest"}, 0, False, id="another event"),
    ],
)
def test_the_same_payer_event_and_amount_within_thirty_days_is_paid_twice(
    sessions, gateway, event, now, second, days, twice
):
    with sessions.begin() as session:
        make_event(session, "minefest", now=now)
    first = pay(sessions, gateway, now, **_THANDI)
    later = now + timedelta(days=days)
    lookout.look(sessions, now=later)
    again = pay(sessions, gateway, later, **{"payer_email": "", "payer_phone": ""} | second)
    lookout.look(sessions, now=later)
    found = [(case.reason, case.reference, case.found.get("twin")) for case in queue(sessions, later)]
    assert found == ([(Reason.DUPLICATE, again, first)] if twice else [])


def test_two_places_that_were_both_meant_are_decided_once(sessions, gateway, event, now):
    for _ in range(3):
        pay(sessions, gateway, now, **_THANDI)
    lookout.look(sessions, now=now)
    found = queue(sessions, now)
    assert [case.reason for case in found] == [Reason.DUPLICATE] * 2
    for case in found:
        decide(sessions, case, now, Decision.BOTH_MEANT)
    lookout.look(sessions, now=now + timedelta(minutes=1))
    assert queue(sessions, now) == []


def test_a_rush_is_compared_over_several_looks(sessions, gateway, event, now, monkeypatch):
    monkeypatch.setattr(lookout, "COMPARED", 2)
    monkeypatch.setattr(lookout, "OVERLAP", 1)
    for nth in range(3):
        for _ in range(2):
            pay(sessions, gateway, now, payer_name=f"Payer {nth}", payer_email="")
    seen = []
    for minutes in range(4):
        lookout.look(sessions, now=now + timedelta(minutes=minutes))
        seen.append(len(queue(sessions, now)))
    assert seen[-1] == 3
    assert seen[0] < 3


def test_two_lookouts_at_once_open_one_case(sessions, gateway, event, now):
    for _ in range(4):
        pay(sessions, gateway, now, **_THANDI)
    with ThreadPoolExecutor(2) as pool:
        opened = list(pool.map(lambda _: lookout.look(sessions, now=now), range(2)))
    assert sum(opened) == 3
    assert reasons(sessions, now) == [Reason.DUPLICATE] * 3


def test_a_look_that_finds_nothing_new_writes_nothing(sessions, gateway, flagged, now):
    lookout.look(sessions, now=now)
    with sessions.read() as session:
        before = session.scalar(select(func.count(TimelineEntry.id)))
    assert lookout.look(sessions, now=now + timedelta(minutes=1)) == 0
    with sessions.read() as session:
        assert session.scalar(select(func.count(TimelineEntry.id))) == before
