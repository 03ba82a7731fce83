"""Who chose to is told each morning what waits for them, once, and nothing of anybody else's."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, update

from db.models import OutboxMail, Payment, PersonEvent, PersonRow
from payments import lifecycle
from payments.access import choices
from payments.access.choices import Mail
from payments.deciding import attention, cases
from payments.deciding.cases import Reason
from payments.lifecycle import Source, Status
from payments.second_person import approvals, owing
from payments.telling import morning
from payments.watching import standstill
from payments.working.worker import Worker
from tests.samples import make_payment
from tests.test_approvals import WHY, asked, desk

__all__ = ["desk"]

DESK = "https://desk.example.org"
#: Half past seven in Johannesburg, on the day after the desk's.
MORNING = datetime(2026, 11, 24, 5, 30, tzinfo=UTC)
EVERY = Mail(morning=True)


def choose(sessions, person, wanted=EVERY):
    with sessions.begin() as session:
        choices.choose_mail(session, person, wanted)


def mails(sessions):
    with sessions.read() as session:
        query = select(OutboxMail).where(OutboxMail.key.startswith(morning.MAILS)).order_by(OutboxMail.id)
        return [(mail.recipient, mail.subject, mail.body) for mail in session.scalars(query)]


def tell(sessions, now=MORNING):
    """Those that are new."""
    before = len(mails(sessions))
    assert morning.tell(sessions, DESK, now=now) == len(mails(sessions)) - before
    return mails(sessions)[before:]


@pytest.fixture
def waits(sessions, desk, now):
    """Of the event a case and a claim, and a request of Aisha's for who may decide."""
    people, wanted = desk
    with sessions.begin() as session:
        payment = session.scalars(select(Payment)).first()
        cases.open_case(session, Reason.STUCK_PENDING, payment_id=payment.id, now=now)
        claimed = make_payment(session, payment.event, now=now)
        lifecycle.advance(session, claimed, Status.CLAIMED, now=now, source=Source.DESK, actor="Aisha")
    asked(sessions, people["aisha"], wanted, MORNING - timedelta(hours=1))
    return people


def test_nobody_is_told_who_did_not_choose_it(sessions, waits):
    assert tell(sessions) == []


def test_counts_sums_and_where_to_go_once_a_day(sessions, waits):
    choose(sessions, waits["thandi"])
    [(to, subject, body)] = tell(sessions)
    assert to == "thandi@example.org"
    assert subject == "This morning: 1 case, 1 claim, 1 request"
    assert "- 1 case needs a decision" in body
    assert f": 1 stuck pending.\n  {DESK}/attention\n" in body
    assert (
        f"- 1 payment is claimed paid, and no bank line says so yet.\n  {DESK}/payments?status=claimed\n"
        in body
    )
    assert f"- 1 request waits for your decision.\n  {DESK}/approvals\n" in body
    assert tell(sessions, MORNING + timedelta(hours=1)) == []
    assert len(tell(sessions, MORNING + timedelta(days=1))) == 1


def test_no_payer_stands_in_it(sessions, waits):
    choose(sessions, waits["thandi"])
    [(_, subject, body)] = tell(sessions)
    with sessions.read() as session:
        for payment in session.scalars(select(Payment)):
            for word in filter(None, (payment.payer_name, payment.payer_email, payment.reference)):
                assert word not in subject + body


def test_what_is_mine_and_overdue_is_told(sessions, waits, now):
    thandi = waits["thandi"]
    choose(sessions, thandi)
    with sessions.begin() as session:
        [group] = attention.queue(session, thandi, now=now)
        attention.assign(
            session, thandi, group.cases[0].id, owner_id=thandi.id, due_on=now.date(), note="", now=now
        )
    [(_, _, body)] = tell(sessions, MORNING + timedelta(days=1))
    assert ". 1 is yours, 1 overdue.\n" in body


def test_nothing_waits_and_nothing_is_sent(sessions, desk):
    people, _ = desk
    choose(sessions, people["thandi"])
    assert tell(sessions) == []


@pytest.mark.parametrize("hour, told", [(6, 0), (7, 1), (11, 1), (12, 0), (23, 0)])
def test_only_in_the_morning(sessions, waits, hour, told):
    choose(sessions, waits["thandi"])
    at = MORNING.replace(hour=(hour - 2) % 24)
    assert len(tell(sessions, at)) == told


def test_not_while_the_desk_stands_still_and_not_to_who_may_not_come_in(sessions, waits, now):
    choose(sessions, waits["thandi"])
    with sessions.begin() as session:
        standstill.begin(session, "the sums differ", now=now)
    assert tell(sessions) == []
    with sessions.begin() as session:
        standstill.end(session)
        session.execute(update(PersonRow).values(disabled_at=now))
    assert tell(sessions) == []


def test_each_is_told_of_their_events_and_of_those_they_chose(sessions, waits):
    """Finance of another event is told nothing, and as little who wants to hear of another one only."""
    gugu = waits["gugu"]
    with sessions.begin() as session:
        session.add_all(PersonEvent(person_id=gugu.id, event_id=one) for one in gugu.events)
    choose(sessions, gugu)
    choose(sessions, waits["thandi"], replace(EVERY, events=gugu.events))
    choose(sessions, waits["farai"])
    assert [to for to, *_ in tell(sessions)] == ["farai@example.org"]


def test_the_worker_tells_it_once(sessions, waits, gateway):
    choose(sessions, waits["thandi"])
    sent = []
    worker = Worker(sessions, {"ikhokha": gateway}, sent.append, "desk@example.org")
    for minute in range(3):
        worker.round(now=MORNING + timedelta(minutes=minute))
    assert [mail["Subject"] for mail in sent if mail["Subject"].startswith("This morning")] == [
        "This morning: 1 case, 1 claim, 1 request"
    ]


# -- at once, or not ----------------------------------------------------------------------------------


def told_of_requests(sessions):
    with sessions.read() as session:
        query = select(OutboxMail.recipient).where(OutboxMail.key.startswith(owing.REQUESTS))
        return sorted(session.scalars(query))


def test_who_wants_no_mail_of_requests_gets_none(sessions, desk, now):
    people, wanted = desk
    choose(sessions, people["thandi"], Mail(requests=False))
    choose(sessions, people["aisha"], Mail(answers=False))
    request = asked(sessions, people["aisha"], wanted, now)
    assert told_of_requests(sessions) == ["farai@example.org"]
    with sessions.begin() as session:
        approvals.refuse(session, people["farai"], request.id, WHY, now=now)
    assert told_of_requests(sessions) == ["farai@example.org"]


def test_who_wants_requests_of_another_event_gets_none_of_this_one(sessions, desk, now):
    people, wanted = desk
    choose(sessions, people["thandi"], Mail(events=frozenset({10_000})))
    asked(sessions, people["aisha"], wanted, now)
    assert told_of_requests(sessions) == ["farai@example.org"]


def test_what_was_chosen_is_read_back(sessions, desk):
    people, _ = desk
    wanted = Mail(morning=True, requests=False, answers=False, events=frozenset({3, 1}))
    choose(sessions, people["thandi"], wanted)
    with sessions.read() as session:
        assert choices.mail(session, people["thandi"].id) == wanted
        assert choices.mail(session, people["farai"].id) == Mail()
