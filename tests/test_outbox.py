"""One paid payment, one confirmation; a mail server that is down costs time, never a mail."""

from datetime import timedelta
from email.message import EmailMessage

import pytest
from sqlalchemy import select

from db.models import Link, OutboxMail, TimelineEntry
from payments.access.people import Person, Role
from payments.errors import InvalidInput, NotFound
from payments.gateways import Answer
from payments.hearing import sync
from payments.telling import outbox
from tests.desk import ADMIN, FakeGateway, issue, make_event

SENDER = "Paydesk <desk@example.org>"


class Postman:
    """Takes mail, or is down."""

    def __init__(self):
        self.sent: list[EmailMessage] = []
        self.down = False

    def __call__(self, message):
        if self.down:
            raise ConnectionRefusedError("the mail server is down")
        self.sent.append(message)


@pytest.fixture
def postman():
    return Postman()


@pytest.fixture
def paid(sessions, now):
    gateway = FakeGateway()
    with sessions.begin() as session:
        make_event(session, now=now)

    def pay(**draft):
        link = issue(sessions, gateway, now=now, **draft)
        gateway.says(link.gateway_reference, Answer.PAID, "PAID")
        with sessions.read() as session:
            link_id = session.scalar(select(Link.id).order_by(Link.id.desc()))
        sync.ask(sessions, {gateway.name: gateway}, link_id, now=now)
        return link

    return pay


def send(sessions, postman, now):
    return outbox.send_due(sessions, postman, SENDER, now=now)


def test_a_paid_payment_is_confirmed_once(sessions, postman, paid, now):
    link = paid()
    assert [send(sessions, postman, now + timedelta(minutes=nth)) for nth in range(3)] == [1, 0, 0]
    message = postman.sent[0]
    assert message["To"] == "zanele@example.org"
    assert "R150.00" in message["Subject"]
    assert link.reference in message.get_content()


def test_without_an_address_there_is_no_mail(sessions, postman, paid, now):
    paid(payer_email="")
    assert send(sessions, postman, now) == 0


def test_a_mail_server_that_is_down_is_tried_again_under_the_same_message_id(sessions, postman, paid, now):
    paid()
    postman.down = True
    assert send(sessions, postman, now) == 0
    assert send(sessions, postman, now) == 0  # not before its time
    with sessions.read() as session:
        mail = session.scalars(select(OutboxMail)).one()
    assert (mail.state, mail.attempts, mail.last_error) == ("queued", 1, "the mail server is down")
    postman.down = False
    assert send(sessions, postman, now + timedelta(minutes=1)) == 1
    assert postman.sent[0]["Message-ID"] == mail.message_id


def test_after_the_last_try_it_waits_for_a_person_who_can_send_it_again(sessions, postman, paid, now):
    paid()
    postman.down = True
    for days in range(len(outbox.RETRIES) + 1):
        send(sessions, postman, now + timedelta(days=days))
    with sessions.read() as session:
        mail = session.scalars(select(OutboxMail)).one()
        assert mail.state == "failed"
    postman.down = False
    later = now + timedelta(days=30)
    with sessions.begin() as session:
        outbox.resend(session, ADMIN, mail.id, now=later)
    assert send(sessions, postman, later) == 1
    with sessions.read() as session:
        told = [
            entry.detail["what"] for entry in session.scalars(select(TimelineEntry)) if entry.kind == "mail"
        ]
    assert told == ["queued", "given up", "queued again", "sent"]


def test_a_stranger_resends_nothing(sessions, paid, now):
    paid()
    stranger = Person(9, "Aisha Patel", "aisha@example.org", Role.ORGANISER, frozenset())
    with pytest.raises(NotFound), sessions.begin() as session:
        outbox.resend(session, stranger, 1, now=now)


def test_mail_to_a_folder_is_a_file_a_mail_program_opens(sessions, paid, now, tmp_path):
    paid()
    transport = outbox.transport_of(f"file:{tmp_path}/mail")
    assert outbox.send_due(sessions, transport, SENDER, now=now) == 1
    assert len(list((tmp_path / "mail").glob("*.eml"))) == 1


def test_a_transport_nobody_knows_is_refused():
    with pytest.raises(InvalidInput, match="MAIL_URL"):
        outbox.transport_of("carrier-pigeon:")
