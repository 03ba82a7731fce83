"""Reminders by a simulated clock: on their days, once, by day, to who wants them and has not paid."""

from datetime import datetime, time, timedelta

import pytest
from sqlalchemy import func, select

from db.models import AuditEntry, Event, Link, OptOut, OutboxMail, Reminder
from db.money import Money
from payments import lifecycle, timeline
from payments.access.people import Person, Role
from payments.asking import links, reissue, reminders
from payments.asking.reminders import Plan
from payments.dates import SAST
from payments.errors import GatewayUnavailable, InvalidInput, NotAllowed, NotFound
from payments.gateways import Answer
from payments.lifecycle import Review, Source
from payments.payers.payer_words import Language
from payments.selling import terms
from payments.selling.terms import Terms
from payments.telling import outbox
from payments.watching.alerts import QuietHours
from payments.working.worker import Worker
from tests.desk import ADDRESSES, ADMIN, issue, make_event, payment_of

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
#: The event begins on 1 December 2026; ``now`` is noon of 23 November.
PLAN = Plan((-7, -2, 1))


def at(day: int, hour: int = 10, minute: int = 0) -> datetime:
    """A time of day in Johannesburg, in November; 31 is the first of December."""
    return datetime(2026, 11, 1, hour, minute, tzinfo=SAST) + (day - 1) * DAY


class Post:
    """Takes mail, or is down."""

    def __init__(self):
        self.sent = []
        self.down = False

    def __call__(self, message):
        if self.down:
            raise ConnectionRefusedError("the mail server is down")
        self.sent.append(message)

    def to(self):
        return [message["To"] for message in self.sent]


@pytest.fixture
def post():
    return Post()


@pytest.fixture
def event(sessions, now):
    with sessions.begin() as session:
        made = make_event(session, now=now)
        reminders.save_plan(session, ADMIN, "devconf", PLAN, now=now)
        return made.id


@pytest.fixture
def work(sessions, gateway, post, event):
    return Worker(sessions, {"ikhokha": gateway}, post, "desk@example.org", addresses=ADDRESSES)


@pytest.fixture
def link(sessions, gateway, now, event):
    return issue(sessions, gateway, now=now - 3 * DAY)


def told(sessions, reference):
    with sessions.read() as session:
        return [entry.title for entry in timeline.entries(session, payment_of(session, reference))]


# -- the plan -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "day, step",
    [
        pytest.param(23, None, id="eight days before"),
        pytest.param(24, -7, id="seven days before"),
        pytest.param(25, -7, id="a day later it is made up for"),
        pytest.param(26, None, id="two days later no more"),
        pytest.param(29, -2, id="two days before"),
        pytest.param(31, None, id="the first day"),
        pytest.param(32, 1, id="the day after it began"),
        pytest.param(34, None, id="over"),
    ],
)
def test_which_step_of_a_plan_is_due(day, step):
    assert PLAN.step(at(31).date(), at(day).date()) == step


def test_a_plan_is_kept_audited_and_an_admins(sessions, event, now):
    wanted = Plan((1, -2, -2), QuietHours(time(20), time(9, 30)))
    organiser = Person(7, "Aisha", "aisha@example.org", Role.ORGANISER, None)
    with sessions.begin() as session:
        reminders.save_plan(session, ADMIN, "devconf", wanted, now=now)
        assert reminders.plan_of(session, event) == Plan((-2, 1), QuietHours(time(20), time(9, 30)))
    with sessions.read() as session:
        assert session.scalars(select(AuditEntry.action)).all() == ["change_reminders"] * 2
    for person, plan, error in ((organiser, PLAN, NotAllowed), (ADMIN, Plan(tuple(range(7))), InvalidInput)):
        with pytest.raises(error), sessions.begin() as session:
            reminders.save_plan(session, person, "devconf", plan, now=now)


def test_an_event_without_a_plan_reminds_nobody(sessions, gateway, work, post, link, now):
    with sessions.begin() as session:
        reminders.save_plan(session, ADMIN, "devconf", Plan(), now=now)
    for day in range(24, 34):
        work.round(now=at(day))
    assert post.sent == []


# -- on its days, once, by day ------------------------------------------------------------------------


def test_who_has_not_paid_is_reminded_on_each_day_of_the_plan_once(sessions, work, post, link):
    moment, sent_at = at(23, 12), []
    while moment < at(36):
        before = len(post.sent)
        work.round(now=moment)
        sent_at += [moment.astimezone(SAST)] * (len(post.sent) - before)
        moment += 3 * HOUR
    assert [f"{one:%d %b}" for one in sent_at] == ["24 Nov", "29 Nov", "02 Dec"]
    assert all(8 <= one.hour < 19 for one in sent_at)
    first = post.sent[0]
    assert first["Subject"] == "Reminder: R150.00 for Devconf 2026"
    assert sum("Reminder: R150.00" in title for title in told(sessions, link.reference)) == 6  # queued, sent


def test_nobody_is_woken(sessions, work, post, link):
    work.round(now=at(24, 7, 59))
    assert post.sent == []
    work.round(now=at(24, 8, 9))
    assert len(post.sent) == 1


def test_a_reminder_that_waited_into_the_night_is_sent_in_the_morning(sessions, work, post, link):
    post.down = True
    work.round(now=at(24, 18, 59))
    post.down = False
    work.round(now=at(24, 19, 30))
    assert post.sent == []
    work.round(now=at(25, 8, 0))
    assert len(post.sent) == 1


def test_a_reminder_whose_day_is_over_is_not_sent(sessions, work, post, link):
    post.down = True
    for hour in (10, 11, 12):
        work.round(now=at(24, hour))
    post.down = False
    work.round(now=at(26, 10))
    assert post.sent == []
    assert "Mail “Reminder: R150.00 for Devconf 2026”: not sent, since its day is over." in told(
        sessions, link.reference
    )


def test_a_person_gets_one_a_day_whatever_they_owe(sessions, gateway, work, post, link, now):
    issue(sessions, gateway, now=now - 3 * DAY, payer_email="Zanele@example.org")
    issue(sessions, gateway, now=now - 3 * DAY, payer_email="other@example.org")
    for minute in range(0, 60, 11):
        work.round(now=at(24, 10, minute))
    assert sorted(post.to()) == ["other@example.org", "zanele@example.org"]
    work.round(now=at(25, 10))
    assert sorted(post.to()) == ["other@example.org", "zanele@example.org", "zanele@example.org"]
    with sessions.read() as session:
        days = session.execute(select(Reminder.person_hash, Reminder.day)).all()
    assert len(days) == len(set(days)) == 3


def test_two_workers_at_once_send_one(sessions, gateway, post, work, link):
    other = Worker(sessions, {"ikhokha": gateway}, post, "desk@example.org", addresses=ADDRESSES)
    for each in (work, other, work, other):
        each.round(now=at(24))
    assert len(post.sent) == 1


# -- who is left alone --------------------------------------------------------------------------------


def test_who_has_paid_unnoticed_hears_nothing(sessions, gateway, work, post, link):
    """The gateway is asked right before: no webhook came, and the poll would have asked hours later."""
    with sessions.begin() as session:
        for one in session.scalars(select(Link)):
            one.next_ask_at = at(30)
    gateway.says(link.gateway_reference, Answer.PAID, "PAID")
    work.round(now=at(24))
    assert [message["Subject"].partition(":")[0] for message in post.sent] == []
    work.round(now=at(24, 10, 1))
    assert [message["Subject"].partition(":")[0] for message in post.sent] == ["Payment received"]
    assert "Mail “Reminder: R150.00 for Devconf 2026”: not sent, since it is paid." in told(
        sessions, link.reference
    )
    with sessions.read() as session:
        assert session.scalars(select(Reminder.outcome)).all() == ["withdrawn"]


def test_a_reminder_that_waits_is_not_sent_once_it_is_paid(sessions, gateway, work, post, link):
    post.down = True
    work.round(now=at(24))
    gateway.says(link.gateway_reference, Answer.PAID, "PAID")
    post.down = False
    work.round(now=at(24, 10, 2))
    work.round(now=at(24, 10, 3))
    assert [message["Subject"].partition(":")[0] for message in post.sent] == ["Payment received"]


def test_without_the_gateways_word_nobody_is_reminded(sessions, gateway, work, post, link):
    gateway.failing = GatewayUnavailable("It cannot be reached.")
    work.round(now=at(24))
    assert post.sent == []
    gateway.failing = None
    work.round(now=at(24, 10, 6))
    assert len(post.sent) == 1


def flagged(session, payment, now):
    lifecycle.flag(session, payment, Review.UNCLEAR_STATUS, now=now, source=Source.POLL, actor="iKhokha")


def cancelled(session, payment, now):
    lifecycle.advance(
        session, payment, lifecycle.Status.CANCELLED, now=now, source=Source.DESK, actor="Thandi"
    )


def claimed(session, payment, now):
    lifecycle.advance(session, payment, lifecycle.Status.CLAIMED, now=now, source=Source.DESK, actor="Thandi")


def closed(session, payment, now):
    session.get_one(Event, payment.event_id).state = "closed"


def without_address(session, payment, now):
    payment.payer_email = ""


def part_paid_under_a_link_for_all(session, payment, now):
    lifecycle.receive(
        session, payment, kind="cash", source_reference="till-1", amount=Money(5_000),
        now=now, source=Source.DESK, actor="Thandi",
    )  # fmt: skip


def just_shared(session, payment, now):
    links.shared(session, ADMIN, payment.reference, "sms", now=at(24, 9))


@pytest.mark.parametrize(
    "left_alone",
    [flagged, cancelled, claimed, closed, without_address, part_paid_under_a_link_for_all, just_shared],
)
def test_who_is_left_alone(sessions, work, post, link, now, left_alone):
    with sessions.begin() as session:
        left_alone(session, payment_of(session, link.reference), now)
    work.round(now=at(24))
    assert post.sent == []


# -- who wants none -----------------------------------------------------------------------------------


def test_a_payer_who_wants_none_gets_none_for_any_event(sessions, gateway, work, post, link, now):
    work.round(now=at(24))
    (message,) = post.sent
    token = message["List-Unsubscribe"].removesuffix("/stop>").rpartition("/")[2]
    assert message["List-Unsubscribe"] == f"<{ADDRESSES.return_url}/{token}/stop>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    with sessions.begin() as session:
        reminders.opt_out_by_token(session, token, now=at(24, 11))
        reminders.opt_out_by_token(session, token, now=at(24, 11))
    issue(sessions, gateway, now=now - 3 * DAY, payer_email="ZANELE@example.org")
    for day in (29, 32):
        work.round(now=at(day))
    assert len(post.sent) == 1
    titles = told(sessions, link.reference)
    assert titles.count("Payer noted: The payer wants no more reminders.") == 1
    with pytest.raises(NotFound), sessions.begin() as session:
        reminders.opt_out_by_token(session, "x" * 22, now=now)


def test_the_desk_notes_it_and_takes_it_back(sessions, work, post, link, now):
    viewer = Person(8, "Sipho", "sipho@example.org", Role.VIEWER, None)
    with pytest.raises(NotAllowed), sessions.begin() as session:
        reminders.opt_out(session, viewer, link.reference, now=now)
    with sessions.begin() as session:
        reminders.opt_out(session, ADMIN, link.reference, now=now)
        assert reminders.next_day(session, ADMIN, link.reference, now=now) is None
    work.round(now=at(24))
    with sessions.begin() as session:
        reminders.opt_in(session, ADMIN, link.reference, now=at(24, 10, 5))
        assert session.scalar(select(func.count()).select_from(OptOut)) == 0
        assert reminders.next_day(session, ADMIN, link.reference, now=now) == at(24).date()
    work.round(now=at(24, 10, 30))
    assert len(post.sent) == 1


# -- what stands in it --------------------------------------------------------------------------------


def test_links_in_a_reminder_lead_to_our_own_address_only(sessions, gateway, work, post, link, now):
    with sessions.begin() as session:
        terms.save(session, ADMIN, "devconf", Terms(language=Language.AFRIKAANS), now=now)
    work.round(now=at(24))
    (message,) = post.sent
    body = message.get_content()
    addresses = [word for word in body.split() if "://" in word]
    assert len(addresses) == 2
    assert all(word.startswith(f"{ADDRESSES.return_url}/") for word in addresses)
    assert "Geen herinnerings meer" in body


def test_the_page_it_leads_to_goes_on_to_the_newest_link_until_it_is_paid(sessions, gateway, link, now):
    newer = reissue.reissue(
        sessions, {"ikhokha": gateway}, ADMIN, link.reference, "The payer lost the first one.",
        replaces=link.reference, addresses=ADDRESSES, now=now,
    )  # fmt: skip
    with sessions.begin() as session:
        assert links.page_of(session, link.return_token) == newer.url
        lifecycle.receive(
            session, payment_of(session, link.reference), kind="cash", source_reference="till-1",
            amount=Money(15_000), now=now, source=Source.DESK, actor="Thandi",
        )  # fmt: skip
        assert links.page_of(session, link.return_token) is None


def test_a_mail_of_another_kind_is_left_as_it_is(sessions, gateway, work, post, link, now):
    with sessions.begin() as session:
        outbox.queue(session, payment_of(session, link.reference), "x", "Hello", "Hello", now=now)
    work.round(now=now)
    (message,) = post.sent
    assert message["List-Unsubscribe"] is None
    with sessions.read() as session:
        assert session.scalars(select(OutboxMail.state)).all() == ["sent"]
