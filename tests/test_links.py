"""One intent, one link: whatever is clicked twice, lost or refused on the way."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from db.models import AuditEntry, Link, Payment, TimelineEntry
from db.money import Money
from payments import obligations
from payments.access.people import Person, Role
from payments.asking import links
from payments.errors import (
    Conflict,
    GatewayRefused,
    GatewayUnavailable,
    InvalidInput,
    NotAllowed,
    NotFound,
    OutcomeUnknown,
)
from payments.hearing import sync
from tests.desk import ADDRESSES, ADMIN, issue, make_event, payment_of


@pytest.fixture
def draft(sessions, now):
    with sessions.begin() as session:
        make_event(session, now=now)
        reference = obligations.draft_reference(session, ADMIN, "devconf", demo=True)
    return obligations.Draft(
        reference, "devconf", Money(15_000), "Zanele Mokoena", "Zanele@Example.org", "082 123 4567"
    )


def send(sessions, gateway, draft, now, person=ADMIN):
    return links.issue(sessions, gateway, draft, person=person, addresses=ADDRESSES, now=now)


def test_a_link_is_open_and_its_texts_are_in_one_spelling(sessions, gateway, draft, now):
    link = send(sessions, gateway, draft, now)
    assert (link.status, link.gateway_reference) == ("open", "link00000000001")
    with sessions.read() as session:
        payment = payment_of(session, draft.reference)
        assert (payment.payer_email, payment.payer_phone) == ("zanele@example.org", "+27821234567")
        assert payment.search_text.count("link00000000001") == 1
        assert session.scalars(select(AuditEntry.action)).all() == ["issue_link"]


def test_the_return_pages_are_addressed_by_a_token_and_never_by_the_reference(sessions, gateway, draft, now):
    send(sessions, gateway, draft, now)
    request = gateway.requests[0]
    for url in (request.success_url, request.failure_url, request.cancel_url):
        assert draft.reference not in url
        assert len(url.rpartition("/")[2]) >= 22  # 128 bits


def test_two_hundred_clicks_make_one_link(sessions, gateway, draft, now):
    """Twenty at a time: some find it done, some on its way; none makes a second."""

    def click(_):
        try:
            return send(sessions, gateway, draft, now).gateway_reference
        except Conflict as error:
            return str(error)

    with ThreadPoolExecutor(20) as clicks:
        answers = set(clicks.map(click, range(200)))
    assert len(gateway.requests) == 1
    assert answers <= {"link00000000001", "This link is being made right now. It will show here in a moment."}
    with sessions.read() as session:
        assert session.scalar(select(func.count(Payment.id))) == 1
        assert session.scalar(select(func.count(Link.id))) == 1


def test_the_same_form_for_something_else_is_refused(sessions, gateway, draft, now):
    send(sessions, gateway, draft, now)
    for other in (replace(draft, amount=Money(15_001)), replace(draft, payer_name="Johan Botha")):
        with pytest.raises(Conflict, match="already issued"):
            send(sessions, gateway, other, now)
    assert len(gateway.requests) == 1


def test_a_lost_answer_leaves_a_row_to_look_up(sessions, gateway, draft, now):
    gateway.loses_answers = OutcomeUnknown("no answer")
    with pytest.raises(OutcomeUnknown):
        send(sessions, gateway, draft, now)
    with pytest.raises(Conflict):  # and nobody asks a second time meanwhile
        send(sessions, gateway, draft, now)
    gateway.loses_answers = None
    sync.step(sessions, {gateway.name: gateway}, now=now + timedelta(minutes=1))
    assert len(gateway.requests) == 1
    with sessions.read() as session:
        link = links.current(session, ADMIN, draft.reference)
    assert (link.status, link.gateway_reference) == ("open", "link00000000001")


def test_a_link_the_gateway_never_made_is_told_so_after_ten_minutes(sessions, gateway, draft, now):
    gateway.failing = OutcomeUnknown("no answer")
    with pytest.raises(OutcomeUnknown):
        send(sessions, gateway, draft, now)
    gateway.failing = None
    for minutes, status in ((1, "created"), (5, "created"), (11, "failed")):
        sync.step(sessions, {gateway.name: gateway}, now=now + timedelta(minutes=minutes))
        with sessions.read() as session:
            assert payment_of(session, draft.reference).status == status
    assert send(sessions, gateway, draft, now + timedelta(minutes=12)).status == "open"
    assert [request.reference for request in gateway.requests] == [draft.reference, f"{draft.reference}-2"]


REFUSALS = [
    pytest.param(GatewayRefused("99", "no"), id="refused"),
    pytest.param(GatewayUnavailable("could not be reached"), id="unreachable"),
]


@pytest.mark.parametrize("error", REFUSALS)
def test_a_refusal_is_told_and_the_form_can_be_sent_again(sessions, gateway, draft, now, error):
    gateway.failing = error
    with pytest.raises(type(error)):
        send(sessions, gateway, draft, now)
    with sessions.read() as session:
        payment = payment_of(session, draft.reference)
        assert payment.status == "failed"
        why = select(TimelineEntry.detail).where(TimelineEntry.kind == "link_refused")
        assert session.scalar(why)["why"] == str(error)
    gateway.failing = None
    link = send(sessions, gateway, draft, now)
    assert link.status == "open"
    assert [request.reference for request in gateway.requests] == [draft.reference, f"{draft.reference}-2"]


WRONG = [
    pytest.param({"amount": Money(0)}, "amount", id="nothing"),
    pytest.param({"amount": Money(-100)}, "amount", id="less than nothing"),
    pytest.param({"amount": Money(100_000_001)}, "amount", id="too much"),
    pytest.param({"amount": Money(100, "USD")}, "rand", id="dollars"),
    pytest.param({"payer_name": "x" * 121}, "too long", id="a very long name"),
    pytest.param({"payer_name": "4111 1111 1111 1111"}, "card number", id="a card number as name"),
    pytest.param({"payer_email": "zanele"}, "e-mail", id="no e-mail address"),
    pytest.param({"payer_email": "a@b@example.org"}, "e-mail", id="two at signs"),
    pytest.param({"payer_phone": "0821"}, "phone", id="too few digits"),
    pytest.param({"payer_phone": "call me"}, "phone", id="no digits"),
    pytest.param({"note": "card 5500005555555559"}, "card number", id="a card number in the note"),
    pytest.param({"reference": "DEMO_REG_AAAAAAA"}, "not a reference", id="a made-up reference"),
    pytest.param({"category_id": 9_999}, "list", id="a price of no list"),
]


@pytest.mark.parametrize("change, says", WRONG)
def test_what_cannot_be_used_is_said_and_nothing_is_kept(sessions, gateway, draft, now, change, says):
    with pytest.raises(InvalidInput, match=says):
        send(sessions, gateway, replace(draft, **change), now)
    with sessions.read() as session:
        assert session.scalar(select(func.count(Payment.id))) == 0
    assert gateway.requests == []


@pytest.mark.parametrize("state", ["draft", "closed"])
def test_an_event_that_is_not_open_takes_no_money(sessions, gateway, draft, now, state):
    with sessions.begin() as session:
        make_event(session, "other", now=now, state=state)
    with pytest.raises(Conflict, match=state):
        send(sessions, gateway, replace(draft, event_code="other"), now)


def test_an_organiser_issues_for_their_own_event_only(sessions, gateway, draft, now):
    stranger = Person(7, "Aisha Patel", "aisha@example.org", Role.ORGANISER, frozenset({4_711}))
    with pytest.raises(NotFound):
        send(sessions, gateway, draft, now, person=stranger)


def test_a_viewer_issues_nothing(sessions, gateway, draft, now):
    viewer = Person(8, "Sipho Dlamini", "sipho@example.org", Role.VIEWER, None)
    with pytest.raises(NotAllowed):
        send(sessions, gateway, draft, now, person=viewer)


def test_a_return_page_changes_nothing_and_asks_once_a_minute(sessions, gateway, now):
    with sessions.begin() as session:
        make_event(session, now=now)
    token = issue(sessions, gateway, now=now).return_token
    moments = [now + timedelta(seconds=seconds) for seconds in (5, 6, 7, 70)]
    for moment in moments:
        with sessions.begin() as session:
            assert links.returned(session, token, "success", now=moment).status == "open"
        sync.step(sessions, {gateway.name: gateway}, now=moment)
    assert len(gateway.asked) == 2


def test_a_guessed_return_token_is_not_found(sessions, now):
    with pytest.raises(NotFound), sessions.begin() as session:
        links.returned(session, "x" * 22, "success", now=now)


def test_opening_a_payment_asks_about_its_links_once_a_minute(sessions, gateway, now):
    with sessions.begin() as session:
        make_event(session, now=now)
    link = issue(sessions, gateway, now=now)
    for seconds in (5, 6, 40, 70):
        moment = now + timedelta(seconds=seconds)
        with sessions.begin() as session:
            links.opened(session, ADMIN, link.reference, now=moment)
        sync.step(sessions, {gateway.name: gateway}, now=moment)
    assert len(gateway.asked) == 2


def test_opening_a_payment_long_after_does_not_begin_its_schedule_anew(sessions, gateway, now):
    with sessions.begin() as session:
        make_event(session, now=now)
    link = issue(sessions, gateway, now=now)
    later = now + timedelta(days=40)
    sync.step(sessions, {gateway.name: gateway}, now=later)
    with sessions.begin() as session:
        links.opened(session, ADMIN, link.reference, now=later + timedelta(hours=1))
    sync.step(sessions, {gateway.name: gateway}, now=later + timedelta(hours=1))
    with sessions.read() as session:
        assert session.scalar(select(Link.next_ask_at)) == later + timedelta(days=1, hours=1)
