"""Links expire only with the gateway's word, are replaced with their history, and lose no money."""

from datetime import datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select

from db.models import AuditEntry, Event, Link, Payment, TimelineEntry
from db.money import Money
from db.session import Sessions, open_engine
from payments import cancellation, lifecycle, timeline
from payments.access.people import Person, Role
from payments.asking import late, links, reissue
from payments.asking.expiry import Expiry
from payments.dates import SAST
from payments.deciding import attention
from payments.errors import Conflict, GatewayUnavailable, InvalidInput, NotAllowed, NotFound, OutcomeUnknown
from payments.gateways import Answer
from payments.hearing import sync
from payments.lifecycle import Review, Source
from payments.selling import terms
from payments.selling.terms import Terms
from payments.working.worker import Worker
from tests.desk import ADDRESSES, ADMIN, issue, make_event, payment_of
from tests.test_races import at_once, sound

WHY = "The payer lost the first one."
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
#: The event ends on 3 December 2026: its links live until the end of the 10th.
LAST = datetime(2026, 12, 10, 23, 59, tzinfo=SAST)


@pytest.fixture
def sessions(database_url, now):
    engine = open_engine(database_url, pool_size=20, max_overflow=0)
    desk = Sessions(engine)
    with desk.begin() as session:
        make_event(session, now=now)
    yield desk
    engine.dispose()


@pytest.fixture
def link(sessions, gateway, now):
    return issue(sessions, gateway, now=now)


def again(sessions, gateway, link, now, *, replaces=None, person=ADMIN, why=WHY):
    return reissue.reissue(
        sessions, {"ikhokha": gateway}, person, link.reference, why,
        replaces=replaces or link.reference, addresses=ADDRESSES, now=now,
    )  # fmt: skip


def look(sessions, gateway, at, *, told=None, rounds=3):
    """Rounds of a worker at ``at``; ``told`` is the time by the gateway's clock, when it is another."""
    gateway.clock = told or at
    work = Worker(sessions, {"ikhokha": gateway}, None, "")
    for nth in range(rounds):
        work.round(now=at + timedelta(seconds=nth))


def status(sessions, reference):
    with sessions.read() as session:
        return payment_of(session, reference).status


def pay(sessions, gateway, gateway_reference, now):
    gateway.says(gateway_reference, Answer.PAID, "PAID")
    with sessions.read() as session:
        link_id = session.scalars(select(Link.id).where(Link.gateway_reference == gateway_reference)).one()
    sync.ask(sessions, {"ikhokha": gateway}, link_id, now=now)


def titles(sessions, reference):
    with sessions.read() as session:
        return [entry.title for entry in timeline.entries(session, payment_of(session, reference))]


# -- expiry -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "after, becomes",
    [pytest.param(timedelta(0), "open", id="its last minute"), pytest.param(MINUTE, "expired", id="over")],
)
def test_a_link_expires_seven_days_after_its_event(sessions, gateway, link, after, becomes):
    look(sessions, gateway, LAST + after)
    assert status(sessions, link.reference) == becomes


@pytest.mark.parametrize(
    "days, at, becomes",
    [
        pytest.param(0, datetime(2026, 12, 4, 0, 1, tzinfo=SAST), "expired", id="the day after"),
        pytest.param(30, LAST + DAY, "open", id="thirty days"),
        pytest.param(None, LAST + 300 * DAY, "open", id="never"),
    ],
)
def test_an_event_says_how_long_its_links_live(sessions, gateway, link, now, days, at, becomes):
    with sessions.begin() as session:
        terms.save(session, ADMIN, "devconf", Terms(expire_days=days), now=now)
    look(sessions, gateway, at)
    assert status(sessions, link.reference) == becomes


def test_what_was_paid_unnoticed_is_paid_and_does_not_expire(sessions, gateway, link):
    gateway.says(link.gateway_reference, Answer.PAID, "PAID")
    look(sessions, gateway, LAST + DAY)
    assert status(sessions, link.reference) == "paid"
    with sessions.read() as session:
        assert payment_of(session, link.reference).review is None


def test_nothing_expires_without_the_gateways_answer(sessions, gateway, link):
    gateway.failing = GatewayUnavailable("It cannot be reached.")
    look(sessions, gateway, LAST + DAY)
    assert status(sessions, link.reference) == "open"


@pytest.mark.parametrize(
    "told", [None, LAST], ids=["the gateway tells no time", "by its clock it is not over"]
)
def test_nothing_expires_by_our_clock_alone(sessions, gateway, link, told):
    gateway.clock = told
    work = Worker(sessions, {"ikhokha": gateway}, None, "")
    for nth in range(3):
        work.round(now=LAST + 3_650 * DAY + timedelta(seconds=nth))
    assert gateway.asked
    assert status(sessions, link.reference) == "open"


def test_a_link_shared_since_lives_as_long_again(sessions, gateway, link):
    with sessions.begin() as session:
        links.shared(session, ADMIN, link.reference, "sms", now=LAST - DAY)
    look(sessions, gateway, LAST + DAY)
    assert status(sessions, link.reference) == "open"
    look(sessions, gateway, LAST + 8 * DAY)
    assert status(sessions, link.reference) == "expired"


def test_a_link_whose_outcome_is_unknown_does_not_expire(sessions, gateway, link, now):
    gateway.loses_answers = OutcomeUnknown("no answer")
    with pytest.raises(OutcomeUnknown):
        again(sessions, gateway, link, now)
    gateway.links.popitem()
    with sessions.read() as session:
        payment_id = payment_of(session, link.reference).id
    assert status(sessions, link.reference) == "open"
    gateway.clock = LAST + DAY
    with sessions.begin() as session:
        for one in session.scalars(select(Link).where(Link.payment_id == payment_id, Link.state == "asked")):
            one.requested_at = LAST + DAY  # the gateway may still be making it
    Expiry(sessions, {"ikhokha": gateway}).step(now=LAST + DAY, calls=5)
    assert status(sessions, link.reference) == "open"


def test_money_that_comes_after_the_expiry_is_paid_late(sessions, gateway, link):
    look(sessions, gateway, LAST + DAY)
    pay(sessions, gateway, link.gateway_reference, LAST + 2 * DAY)
    with sessions.read() as session:
        payment = payment_of(session, link.reference)
        assert (payment.status, payment.review, payment.received_minor) == ("paid", "paid_late", 15_000)


def test_an_expired_payment_is_taken_up_again_and_lives_on(sessions, gateway, link):
    look(sessions, gateway, LAST + DAY)
    with sessions.begin() as session:
        cancellation.reopen(session, ADMIN, link.reference, "They will pay tomorrow.", now=LAST + 2 * DAY)
    look(sessions, gateway, LAST + 3 * DAY)
    assert status(sessions, link.reference) == "open"


def test_many_expire_a_few_a_round(sessions, gateway, now):
    issued = [issue(sessions, gateway, now=now) for _ in range(7)]
    gateway.says(issued[3].gateway_reference, Answer.PAID, "PAID")
    at = LAST + DAY
    gateway.clock, work, asked = at, Worker(sessions, {"ikhokha": gateway}, None, ""), []
    for nth in range(4):
        work.round(now=at + timedelta(seconds=nth))
        asked.append(len(gateway.asked) - sum(asked))
    assert max(asked) <= sync.CALLS_A_SECOND
    assert [status(sessions, one.reference) for one in issued] == ["expired"] * 3 + ["paid"] + ["expired"] * 3


# -- the terms ----------------------------------------------------------------------------------------


def test_terms_are_changed_by_an_admin_and_audited(sessions, now):
    with sessions.begin() as session:
        terms.save(session, ADMIN, "DEVCONF", Terms(expire_days=14), now=now)
        terms.save(session, ADMIN, "devconf", Terms(expire_days=14), now=now)
    with sessions.read() as session:
        event_id = session.scalars(select(Event.id)).one()
        assert terms.of(session, event_id) == Terms(expire_days=14)
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "change_terms"))
        assert entry.detail == {"was": {"expire_days": 7}, "became": {"expire_days": 14}}


def test_terms_are_not_everybodys_to_change(sessions, now):
    organiser = Person(7, "Aisha", "aisha@example.org", Role.ORGANISER, None)
    with pytest.raises(NotAllowed), sessions.begin() as session:
        terms.save(session, organiser, "devconf", Terms(expire_days=1), now=now)
    with pytest.raises(InvalidInput), sessions.begin() as session:
        terms.save(session, ADMIN, "devconf", Terms(expire_days=-1), now=now)


# -- another link ---------------------------------------------------------------------------------------


def test_another_link_has_the_next_wire_reference_and_the_old_one_is_still_asked_about(
    sessions, gateway, link, now
):
    view = again(sessions, gateway, link, now + MINUTE)
    assert (view.status, view.amount, view.reference) == ("open", Money(15_000), link.reference)
    assert view.url != link.url
    assert [one.reference for one in gateway.requests] == [link.reference, f"{link.reference}-2"]
    with sessions.read() as session:
        assert links.current(session, ADMIN, link.reference).url == view.url
        assert all(one.next_ask_at for one in payment_of(session, link.reference).links)
        detail = session.scalars(select(AuditEntry.detail).where(AuditEntry.action == "reissue_link")).one()
        assert detail["why"] == WHY
    assert f"Thandi Nkosi had the gateway asked for another payment link: {WHY}" in titles(
        sessions, link.reference
    )


def test_a_click_repeated_makes_no_third_link(sessions, gateway, link, now):
    first = again(sessions, gateway, link, now)
    assert again(sessions, gateway, link, now).url == first.url
    assert len(gateway.requests) == 2
    third = again(sessions, gateway, link, now, replaces=f"{link.reference}-2")
    assert third.url != first.url
    assert gateway.requests[-1].reference == f"{link.reference}-3"


@pytest.mark.parametrize("ended", ["cancelled", "expired"])
def test_what_we_closed_is_awaited_again_with_its_new_link(sessions, gateway, link, now, ended):
    with sessions.begin() as session:
        lifecycle.advance(
            session, payment_of(session, link.reference), lifecycle.Status(ended),
            now=now, source=Source.DESK, actor="Thandi",
        )  # fmt: skip
    assert again(sessions, gateway, link, now).status == "open"


def test_a_part_payment_is_asked_for_the_rest(sessions, gateway, link, now):
    with sessions.begin() as session:
        lifecycle.receive(
            session, payment_of(session, link.reference), kind="cash", source_reference="till-1",
            amount=Money(4_000), now=now, source=Source.DESK, actor="Thandi",
        )  # fmt: skip
    view = again(sessions, gateway, link, now)
    assert (view.amount, view.status) == (Money(11_000), "part_paid")
    pay(sessions, gateway, view.gateway_reference, now)
    with sessions.read() as session:
        payment = payment_of(session, link.reference)
        assert (payment.status, payment.review) == ("paid", None)


def test_who_has_paid_unnoticed_gets_no_second_link(sessions, gateway, link, now):
    gateway.says(link.gateway_reference, Answer.PAID, "PAID")
    with pytest.raises(Conflict, match="it is paid"):
        again(sessions, gateway, link, now)
    assert len(gateway.requests) == 1
    assert status(sessions, link.reference) == "paid"


def test_without_the_gateways_word_there_is_no_second_link(sessions, gateway, link, now):
    gateway.failing = GatewayUnavailable("It cannot be reached.")
    with pytest.raises(GatewayUnavailable):
        again(sessions, gateway, link, now)
    assert len(gateway.requests) == 1


def test_a_refused_second_link_leaves_the_first_to_be_used(sessions, gateway, link, now):
    refuse = GatewayUnavailable("It cannot be reached.")

    def refused(request):
        gateway.requests.append(request)
        raise refuse

    make, gateway.issue = gateway.issue, refused
    with pytest.raises(GatewayUnavailable):
        again(sessions, gateway, link, now)
    with sessions.read() as session:
        assert links.current(session, ADMIN, link.reference).url == link.url
    gateway.issue = make
    assert again(sessions, gateway, link, now).status == "open"
    assert gateway.requests[-1].reference == f"{link.reference}-3"


def test_a_second_link_whose_answer_is_lost_is_found_and_awaited(sessions, gateway, link, now):
    look(sessions, gateway, LAST + DAY)
    gateway.loses_answers = OutcomeUnknown("no answer")
    with pytest.raises(OutcomeUnknown):
        again(sessions, gateway, link, LAST + DAY)
    with pytest.raises(Conflict, match="looked up first"):
        again(sessions, gateway, link, LAST + DAY, replaces=f"{link.reference}-2")
    assert status(sessions, link.reference) == "expired"
    sync.step(sessions, {"ikhokha": gateway}, now=LAST + DAY + 2 * MINUTE)
    assert status(sessions, link.reference) == "open"


def test_who_may_give_another_link(sessions, gateway, link, now):
    viewer = Person(8, "Sipho", "sipho@example.org", Role.VIEWER, None)
    stranger = Person(9, "Aisha", "aisha@example.org", Role.ORGANISER, frozenset())
    with pytest.raises(NotAllowed):
        again(sessions, gateway, link, now, person=viewer)
    with pytest.raises(NotFound):
        again(sessions, gateway, link, now, person=stranger)
    with pytest.raises(InvalidInput):
        again(sessions, gateway, link, now, why="lost")
    assert len(gateway.requests) == 1


# -- money on an old link ---------------------------------------------------------------------------------


def test_money_on_an_old_link_counts_and_is_told_as_late(sessions, gateway, link, now):
    again(sessions, gateway, link, now)
    pay(sessions, gateway, link.gateway_reference, now + MINUTE)
    with sessions.read() as session:
        payment = payment_of(session, link.reference)
        assert (payment.status, payment.review, payment.received_minor) == ("paid", Review.PAID_LATE, 15_000)
        (case,) = [one for group in attention.queue(session, ADMIN, now=now) for one in group.cases]
        assert case.found == {"link": link.reference, "newer": f"{link.reference}-2"}
    assert sound(sessions)
    told = f"Money came on {link.reference}, which {link.reference}-2 had replaced: it counts, and is late."
    assert told in titles(sessions, link.reference)


def test_money_on_both_links_is_both_kept_and_overpaid(sessions, gateway, link, now):
    view = again(sessions, gateway, link, now)
    pay(sessions, gateway, view.gateway_reference, now + MINUTE)
    pay(sessions, gateway, link.gateway_reference, now + 2 * MINUTE)
    with sessions.read() as session:
        payment = payment_of(session, link.reference)
        assert (payment.status, payment.review, payment.received_minor) == ("paid", Review.OVERPAID, 30_000)
    assert sound(sessions)


def test_late_money_is_offered_to_the_payment_its_payer_was_given_since(sessions, gateway, link, now):
    cancellation.cancel(sessions, {"ikhokha": gateway}, ADMIN, link.reference, WHY, now=now)
    other = issue(sessions, gateway, now=now, payer_email="zanele@example.org")
    issue(sessions, gateway, now=now, payer_name="Sipho Dlamini", payer_email="sipho@example.org")
    with sessions.read() as session:
        assert late.offered_to(session, ADMIN, link.reference) == ()
    pay(sessions, gateway, link.gateway_reference, now + MINUTE)
    with sessions.read() as session:
        assert [one.reference for one in late.offered_to(session, ADMIN, link.reference)] == [other.reference]


# -- at once ----------------------------------------------------------------------------------------------


def test_paid_while_being_reissued_loses_no_money_and_makes_at_most_one_link(sessions, gateway, now):
    for _ in range(2):
        view = issue(sessions, gateway, now=now)
        with sessions.read() as session:
            link_id = payment_of(session, view.reference).links[0].id
        gateway.says(view.gateway_reference, Answer.PAID, "PAID")
        before = len(gateway.requests)
        outcomes = at_once(
            [
                partial(sync.ask, sessions, {"ikhokha": gateway}, link_id, now=now),
                *[partial(again, sessions, gateway, view, now)] * 3,
            ]
        )
        assert all(isinstance(one, Conflict) for one in outcomes[1:]), outcomes
        assert len(gateway.requests) == before
        assert status(sessions, view.reference) == "paid"


def test_paid_in_the_moment_the_new_link_is_made_is_late_money_and_two_links(sessions, gateway, link, now):
    """The gateway said unpaid, and the payer paid before it had made the second link."""
    make = gateway.issue

    def meanwhile(request):
        pay(sessions, gateway, link.gateway_reference, now)
        return make(request)

    gateway.issue = meanwhile
    view = again(sessions, gateway, link, now)
    assert view.status == "paid"
    with sessions.read() as session:
        payment = payment_of(session, link.reference)
        assert (payment.received_minor, payment.review) == (15_000, Review.PAID_LATE)
        assert [one.state for one in payment.links] == ["paid", "open"]
    assert sound(sessions)


def test_many_clicks_at_once_make_one_new_link(sessions, gateway, link, now):
    outcomes = at_once([partial(again, sessions, gateway, link, now)] * 8)
    assert len(gateway.requests) == 2
    assert all(isinstance(one, links.LinkView | Conflict) for one in outcomes), outcomes


def test_an_expiry_and_a_payment_at_once_leave_the_money(sessions, gateway, now):
    issued = [issue(sessions, gateway, now=now) for _ in range(5)]
    at = LAST + DAY
    gateway.clock = at
    with sessions.read() as session:
        ids = dict(session.execute(select(Payment.reference, Link.id).join(Link.payment)).all())

    def paid(view):
        gateway.says(view.gateway_reference, Answer.PAID, "PAID")
        return sync.ask(sessions, {"ikhokha": gateway}, ids[view.reference], now=at)

    expiry = Expiry(sessions, {"ikhokha": gateway})
    outcomes = at_once([*[partial(paid, view) for view in issued], partial(expiry.step, now=at, calls=5)])
    assert [one for one in outcomes if isinstance(one, Exception)] == []
    with sessions.read() as session:
        assert [payment_of(session, one.reference).received_minor for one in issued] == [15_000] * 5
        assert {payment_of(session, one.reference).status for one in issued} == {"paid"}
        told = session.scalars(select(TimelineEntry.kind).where(TimelineEntry.kind == "receipt")).all()
    assert len(told) == 5
