"""Who may decide upon a request hears of it, and who asked hears how it ended: once, and little of it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from db.models import OutboxMail, PersonRow
from payments.access.people import Role
from payments.asking.courier import Courier
from payments.errors import Conflict
from payments.schedules.outside import Outside
from payments.second_person import approval_mails, owing, two_people
from payments.second_person.approvals import GOOD_FOR, Ask, What
from payments.second_person.owing import Mail
from payments.telling import outbox
from payments.working.worker import Worker
from tests.desk import ADDRESSES
from tests.test_approvals import WHY, asked, desk, did, somebody

__all__ = ["desk"]

DESK = "https://desk.example.org"
NO = "Thandeka's bank says that it was taken back"


def send(sessions, now):
    """What goes out now."""
    sent = []
    courier = Courier(sessions, {}, ADDRESSES, Outside(DESK, (), demo=False))
    outbox.send_due(sessions, sent.append, "desk@example.org", now=now, escort=courier)
    return sent


def told(sessions, now):
    return sorted((mail["To"], mail["Subject"]) for mail in send(sessions, now))


def test_each_who_may_decide_hears_of_it_once_and_nobody_else_does(sessions, desk, now):
    """Not the viewer, nor the auditor, nor finance of another event, nor who asked."""
    people, wanted = desk
    asked(sessions, people["aisha"], wanted, now)
    mails = send(sessions, now)
    assert sorted(mail["To"] for mail in mails) == ["farai@example.org", "thandi@example.org"]
    assert {mail["Subject"] for mail in mails} == {"A request waits for your decision"}
    body = mails[0].get_content()
    assert "Aisha asks for a second person's approval, to mark a payment as paid." in body
    assert "It concerns DevConf" in body or "It concerns Devconf" in body
    assert f"{DESK}/approvals\n" in body
    assert send(sessions, now + timedelta(hours=1)) == []


def test_of_finance_who_asks_only_the_others_hear(sessions, desk, now):
    people, wanted = desk
    asked(sessions, people["farai"], wanted, now)
    assert told(sessions, now) == [("thandi@example.org", "A request waits for your decision")]


def test_what_concerns_all_events_is_told_to_whom_they_all_are(sessions, desk, now):
    people, _ = desk
    with sessions.begin() as session:
        somebody(session, "Zola", Role.ADMIN, now=now)
    asked(sessions, people["thandi"], Ask(What.ADD_PERSON, "Nomvula", {"email": "n@example.org"}, None), now)
    mails = send(sessions, now)
    assert sorted(mail["To"] for mail in mails) == ["farai@example.org", "zola@example.org"]
    assert "It concerns all events" in mails[0].get_content()


@pytest.mark.parametrize("what", list(What))
def test_no_mail_says_whose_how_much_or_why(sessions, desk, now, what):
    """Mails lie in other systems for ever. The outbox keeps no word of it either."""
    people, wanted = desk
    wanted = replace(wanted, what=what, bound={"payer": "Thandeka Mokoena", "to": "62000012345"})
    able = people["thandi"]
    asked(sessions, able, wanted, now, why="Thandeka rang from 082 555 0101")
    with sessions.read() as session:
        kept = "".join(f"{one.subject}{one.body}" for one in session.scalars(select(OutboxMail)))
    said = "".join(f"{mail['Subject']}{mail.get_content()}" for mail in send(sessions, now))
    assert approval_mails.TOLD[what] in said
    for private in ("Thandeka", "082", "62000012345", "150", "R1", wanted.subject):
        assert private not in said
        assert private not in kept


def test_who_asked_hears_that_it_was_approved_and_until_when_it_is_theirs(sessions, desk, now):
    people, wanted = desk
    request = asked(sessions, people["aisha"], wanted, now)
    send(sessions, now)
    did(sessions, "approve", people["farai"], request.id, now)
    (mail,) = send(sessions, now)
    assert (mail["To"], mail["Subject"]) == ("aisha@example.org", "Your request was approved")
    assert "Farai approved what you asked for" in mail.get_content()
    assert "It is yours to do, once, until" in mail.get_content()


def test_what_is_done_as_it_is_approved_leaves_nothing_to_do(sessions, desk, now):
    people, wanted = desk
    with sessions.begin() as session:
        request = two_people.ask_paid(session, people["aisha"], wanted.subject, wanted.amount, WHY, now=now)
    send(sessions, now)
    with sessions.begin() as session:
        two_people.approve(session, people["farai"], request.id, now=now)
    (mail,) = [one for one in send(sessions, now) if one["To"] == "aisha@example.org"]
    assert "Nothing is left for you to do." in mail.get_content()


def test_who_asked_hears_why_it_was_refused_and_the_outbox_keeps_no_copy(sessions, desk, now):
    people, wanted = desk
    request = asked(sessions, people["aisha"], wanted, now)
    send(sessions, now)
    did(sessions, "refuse", people["farai"], request.id, now, NO)
    (mail,) = send(sessions, now)
    assert (mail["To"], mail["Subject"]) == ("aisha@example.org", "Your request was refused")
    assert "Farai refused what you asked for" in mail.get_content()
    assert NO in mail.get_content()
    with sessions.read() as session:
        assert NO not in "".join(session.scalars(select(OutboxMail.body)))


def test_what_was_decided_before_a_mail_went_is_not_asked_for_any_more(sessions, desk, now):
    people, wanted = desk
    request = asked(sessions, people["aisha"], wanted, now)
    did(sessions, "withdraw", people["aisha"], request.id, now)
    assert send(sessions, now) == []
    with sessions.read() as session:
        assert session.scalars(select(OutboxMail.id)).all() == []


def test_who_may_not_decide_any_more_when_it_goes_does_not_hear(sessions, desk, now):
    people, wanted = desk
    asked(sessions, people["aisha"], wanted, now)
    with sessions.begin() as session:
        session.execute(update(PersonRow).where(PersonRow.name == "Farai").values(role="viewer"))
        session.execute(update(PersonRow).where(PersonRow.name == "Thandi").values(disabled_at=now))
    assert send(sessions, now) == []


@pytest.mark.parametrize("approved", [False, True])
def test_who_asked_hears_once_that_a_day_went_by(sessions, desk, now, approved):
    people, wanted = desk
    request = asked(sessions, people["aisha"], wanted, now)
    if approved:
        did(sessions, "approve", people["farai"], request.id, now)
    send(sessions, now)
    assert approval_mails.tell_run_out(sessions, now=now + GOOD_FOR - timedelta(seconds=1)) == 0
    over = now + GOOD_FOR
    assert approval_mails.tell_run_out(sessions, now=over) == 1
    assert approval_mails.tell_run_out(sessions, now=over + timedelta(hours=1)) == 0
    (mail,) = send(sessions, over)
    assert (mail["To"], mail["Subject"]) == ("aisha@example.org", "Your request has run out")
    said = "not used in time" if approved else "Nobody decided within a day"
    assert said in mail.get_content()


def test_what_ended_otherwise_or_ran_out_long_ago_is_no_news(sessions, desk, now):
    people, wanted = desk
    request = asked(sessions, people["aisha"], wanted, now)
    late = now + GOOD_FOR + approval_mails.LATELY
    assert approval_mails.tell_run_out(sessions, now=late) == 0
    did(sessions, "refuse", people["farai"], request.id, now, NO)
    assert approval_mails.tell_run_out(sessions, now=now + GOOD_FOR) == 0


def test_one_that_made_room_for_the_same_request_is_told_of_too(sessions, desk, now):
    people, wanted = desk
    asked(sessions, people["aisha"], wanted, now)
    over = now + GOOD_FOR
    asked(sessions, people["aisha"], wanted, over)
    assert approval_mails.tell_run_out(sessions, now=over) == 1


def test_the_worker_tells_it(sessions, desk, now):
    people, wanted = desk
    asked(sessions, people["aisha"], wanted, now)
    Worker(sessions, {}, None, "desk@example.org").round(now=now + GOOD_FOR)
    with sessions.read() as session:
        keys = session.scalars(select(OutboxMail.key)).all()
    assert owing.request_key(Mail.RUN_OUT, 1) in keys


def test_what_is_not_asked_for_is_not_told(sessions, desk, now):
    people, wanted = desk
    asked(sessions, people["aisha"], wanted, now)
    send(sessions, now)
    with pytest.raises(Conflict):
        asked(sessions, people["farai"], wanted, now)
    assert send(sessions, now) == []


def test_each_kind_has_its_words():
    assert set(approval_mails.TOLD) == set(What)
