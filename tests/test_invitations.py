"""Ways in by mail: drawn when the mail goes, one use, for a time; and nobody learns who is here."""

import re
import statistics
import time
from datetime import datetime, timedelta
from email.message import EmailMessage

import pytest
from sqlalchemy import select

from db.models import AuditEntry, OutboxMail, SignInLink
from db.session import Sessions
from payments.access import invitations, signin, signin_links, staff
from payments.access.people import SYSTEM, Person, Role
from payments.access.signin import Visitor
from payments.asking.courier import Courier
from payments.errors import NotAllowed, NotFound, ProveAgain
from payments.telling import outbox
from tests.desk import ADDRESSES, proved
from tests.test_signin import HOME, join

DESK = "https://desk.example.org"
HOUR = timedelta(hours=1)


def send(sessions: Sessions, now: datetime) -> list[EmailMessage]:
    sent: list[EmailMessage] = []
    courier = Courier(sessions, {}, ADDRESSES)
    outbox.send_due(sessions, sent.append, "desk@example.org", now=now, escort=courier)
    return sent


def token_in(mail: EmailMessage) -> str:
    found = re.search(rf"{DESK}/signin/link\?token=(\S+)\n", mail.get_content())
    assert found is not None
    return found[1]


def kept(sessions: Sessions) -> str:
    """All that the database holds of mails and links."""
    with sessions.read() as session:
        mails = [f"{mail.body}{mail.key}{mail.subject}" for mail in session.scalars(select(OutboxMail))]
        return "".join([*mails, *session.scalars(select(SignInLink.token_hash))])


def forget(sessions: Sessions, email: str, now: datetime, visitor: Visitor = HOME) -> None:
    invitations.forgot(sessions, email, DESK, visitor=visitor, now=now)


def test_an_invitation_lets_in_once_and_the_database_never_held_it(sessions: Sessions, now: datetime) -> None:
    admin, new = join(sessions, now, password=None), join(sessions, now, name="Sipho", password=None)
    with sessions.begin() as session:
        invitations.invite(session, proved(admin), new.id, DESK, now=now)
    (mail,) = send(sessions, now + HOUR)
    assert (mail["To"], "Thandi has added you" in mail.get_content()) == ("sipho@example.org", True)
    token = token_in(mail)
    assert token not in kept(sessions)
    later = now + timedelta(hours=70)
    assert signin_links.sign_in_by_link(sessions, token, visitor=HOME, now=later)
    with pytest.raises(NotFound):
        signin_links.sign_in_by_link(sessions, token, visitor=HOME, now=later)


def test_only_an_admin_who_proved_it_invites(sessions: Sessions, now: datetime) -> None:
    admin, clerk = (
        join(sessions, now, password=None),
        join(sessions, now, name="S", role=Role.FINANCE, password=None),
    )
    for by, fault in ((admin, ProveAgain), (proved(clerk), NotAllowed)):
        with pytest.raises(fault), sessions.begin() as session:
            invitations.invite(session, by, clerk.id, DESK, now=now)
    assert send(sessions, now) == []


def test_whoever_forgot_gets_a_link_for_an_hour_and_a_stranger_nothing(
    sessions: Sessions, now: datetime
) -> None:
    person: Person = join(sessions, now, password=None)
    for email in (" Thandi@Example.org ", "nobody@example.org", "", "\x00", "x" * 999):
        forget(sessions, email, now)
    (mail,) = send(sessions, now)
    assert mail["To"] == person.email
    with pytest.raises(NotFound):
        signin_links.sign_in_by_link(sessions, token_in(mail), visitor=HOME, now=now + HOUR)
    with sessions.read() as session:
        told = session.scalars(select(AuditEntry).where(AuditEntry.action == "forgot_password")).all()
    assert [(entry.actor, len(entry.subject)) for entry in told] == [("Paydesk", 12)] * 5


def test_a_mail_that_is_late_or_for_somebody_shut_out_does_not_go(sessions: Sessions, now: datetime) -> None:
    person, other = join(sessions, now, password=None), join(sessions, now, name="Sipho", password=None)
    forget(sessions, person.email, now)
    assert send(sessions, now + HOUR) == []
    forget(sessions, other.email, now)
    with sessions.begin() as session:
        staff.disable_person(session, SYSTEM, other.id, now=now)
    assert send(sessions, now) == []
    assert "{the link" not in kept(sessions), "what is not owed any more has left the outbox"


def test_three_mails_an_hour_and_nobody_hears_that_there_are_no_more(
    sessions: Sessions, now: datetime
) -> None:
    person = join(sessions, now, password=None)
    for nth in range(4):
        forget(sessions, person.email, now + timedelta(seconds=nth), Visitor(f"196.25.1.{nth}"))
    assert len(send(sessions, now + timedelta(minutes=1))) == 3


@pytest.mark.parametrize("email", ["thandi@example.org", "nobody@example.org"])
def test_too_many_are_refused_alike_whether_somebody_has_the_address(
    sessions: Sessions, now: datetime, email: str
) -> None:
    join(sessions, now, password=None)
    refused = []
    for nth in range(8):
        try:
            forget(sessions, email, now, Visitor(f"196.25.1.{nth}"))
        except NotAllowed:
            refused.append(nth)
    assert refused == [5, 6, 7]
    assert signin.sign_in(sessions, email, "x", visitor=HOME, now=now) is None, "their password does not wait"


def test_asking_for_a_mail_takes_as_long_whoever_has_the_address(sessions: Sessions, now: datetime) -> None:
    """What is done for somebody is a row more. Of this thread alone: other processes come in between."""
    took: dict[bool, list[float]] = {True: [], False: []}
    for nth in range(12):
        known = join(sessions, now, name=f"Somebody{nth}", password=None).email
        for email in (known, f"nobody{nth}@example.org"):
            started = time.thread_time()
            forget(sessions, email, now, Visitor(f"196.25.{nth}.1"))
            took[email == known].append(time.thread_time() - started)
    assert abs(statistics.median(took[True]) - statistics.median(took[False])) < 0.030
