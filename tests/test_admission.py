"""The door board: its light is what the desk knows, and who is in is in once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select

from db.models import Admission, AuditEntry, Payment
from payments import lifecycle, timeline
from payments.access.people import Person, Role
from payments.at_the_door import admission
from payments.at_the_door.admission import Light
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.lifecycle import Review, Source, Status
from tests.desk import ADMIN, issue, make_event, payment_of
from tests.test_pages import all_html
from tests.test_pages import desk as page_desk

__all__ = ["page_desk"]

HELPER = Person(5, "Sipho Zulu", "sipho@example.org", Role.ORGANISER, None)
ELSEWHERE = Person(6, "Aisha", "aisha@example.org", Role.ORGANISER, frozenset({999}))
VIEWER = Person(7, "Vusi", "vusi@example.org", Role.VIEWER, None)


@pytest.fixture
def guest(sessions, gateway, now):
    """Thandéka Mokoena has a link of R150 for the event."""
    with sessions.begin() as session:
        make_event(session, now=now)
    return issue(sessions, gateway, now=now, payer_name="Thandéka Mokoena").reference


def become(sessions, reference, *path, now, received=None, review=None):
    with sessions.begin() as session:
        payment = payment_of(session, reference)
        for status in path:
            lifecycle.advance(session, payment, status, now=now, source=Source.DESK, actor="Test")
        session.flush()
        session.refresh(payment)
        payment.review = review
        if received is not None:
            payment.received_minor = received


def looked(sessions, text="thandeka", person=HELPER):
    with sessions.read() as session:
        return admission.look_up(session, person, "devconf", text)


def deed(sessions, what, *args, **kwargs):
    with sessions.begin() as session:
        return what(session, HELPER, *args, **kwargs)


@pytest.mark.parametrize(
    ("path", "received", "review", "light", "missing", "owed"),
    [
        ((), 0, None, Light.RED, "Nothing has been paid", 15_000),
        ((Status.FAILED,), 0, None, Light.RED, "last attempt failed", 15_000),
        ((Status.CLAIMED,), 0, None, Light.AMBER, "nobody has confirmed", 15_000),
        ((Status.PART_PAID,), 5_000, None, Light.AMBER, "is missing", 10_000),
        ((Status.PAID,), 15_000, None, Light.GREEN, "", 0),
        ((Status.PAID,), 20_000, Review.OVERPAID, Light.GREEN, "", 0),
        ((Status.PAID,), 15_000, Review.GATEWAY_TOOK_IT_BACK, Light.AMBER, "must look", 0),
        ((Status.WAIVED,), 0, None, Light.GREEN, "", 0),
        ((Status.EXPIRED,), 0, None, Light.RED, "expired", 15_000),
        ((Status.CANCELLED,), 0, None, Light.RED, "Cancelled", 0),
        ((Status.PAID, Status.REFUNDED), 15_000, None, Light.RED, "given back", 0),
        ((Status.PAID, Status.DISPUTED), 15_000, None, Light.RED, "disputes", 0),
    ],
)
def test_the_light_is_what_the_desk_knows(sessions, guest, now, path, received, review, light, missing, owed):
    become(sessions, guest, *path, now=now, received=received, review=review)
    (found,) = looked(sessions)
    assert (found.light, found.owed.minor) == (light, owed)
    assert missing in found.missing
    assert bool(found.missing) == (light is not Light.GREEN)


def test_every_status_has_its_light():
    assert set(admission._MISSING) | set(admission._GREEN) | {Status.PART_PAID} == set(Status)


@pytest.mark.parametrize("text", ["tha", "moko", "THANDÉKA m", "reference"])
def test_three_letters_or_a_scan_find_who_it_is(sessions, guest, text):
    asked = guest if text == "reference" else text
    assert [found.row.reference for found in looked(sessions, asked)] == [guest]


def test_less_than_three_letters_list_nobody(sessions, guest):
    with pytest.raises(InvalidInput, match="3 letters"):
        looked(sessions, " th ")


def test_who_is_in_is_in_once_and_can_be_undone(sessions, guest, now):
    become(sessions, guest, Status.PAID, now=now, received=15_000)
    assert deed(sessions, admission.let_in, guest, now=now).entrance.by == "Sipho Zulu"
    with pytest.raises(Conflict, match="was let in on 23 Nov 2026, 12:00 by Sipho"):
        deed(sessions, admission.let_in, guest, now=now)
    assert deed(sessions, admission.undo, guest, now=now).entrance is None
    with pytest.raises(Conflict, match="not in"):
        deed(sessions, admission.undo, guest, now=now)
    deed(sessions, admission.let_in, guest, now=now)
    with sessions.read() as session:
        assert admission.fullness(session, HELPER, "devconf") == admission.Fullness(let_in=1, paid=1)
        told = [each.title for each in timeline.entries(session, payment_of(session, guest))]
        audited = list(session.scalars(select(AuditEntry.action).where(AuditEntry.actor == HELPER.email)))
    assert sum("let them in" in title for title in told) == 2
    assert audited == ["let_in", "undo_let_in", "let_in"]


def test_two_helpers_at_once_let_one_in(sessions, guest, now):
    become(sessions, guest, Status.PAID, now=now, received=15_000)

    def try_it(_nth):
        try:
            deed(sessions, admission.let_in, guest, now=now)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(4) as helpers:
        assert sum(helpers.map(try_it, range(4))) == 1
    with sessions.read() as session:
        assert session.scalar(select(func.count(Admission.id))) == 1


def test_against_the_light_takes_a_reason_that_stays(sessions, guest, now):
    with pytest.raises(InvalidInput, match=r"Nothing has been paid\. Say why"):
        deed(sessions, admission.let_in, guest, now=now)
    deed(sessions, admission.let_in, guest, why="Speaker", now=now)
    (found,) = looked(sessions)
    assert (found.light, found.entrance.why) == (Light.RED, "Speaker")
    with sessions.read() as session:
        assert payment_of(session, guest).status == Status.OPEN
        assert any(
            "against red: Speaker" in each.title
            for each in timeline.entries(session, payment_of(session, guest))
        )


def test_somebody_else_may_come_and_what_was_paid_stays(sessions, guest, now):
    become(sessions, guest, Status.PAID, now=now, received=15_000)
    deed(sessions, admission.substitute, guest, "Lerato Molefe", now=now)
    (found,) = looked(sessions, "lerato")
    assert (found.light, found.row.received.minor) == (Light.GREEN, 15_000)
    assert looked(sessions, "thandeka") == ()
    with sessions.read() as session:
        told = [each.title for each in timeline.entries(session, payment_of(session, guest))]
    assert "Lerato Molefe comes instead of Thandéka Mokoena, said Sipho Zulu." in told
    for name in ("", "Lerato Molefe"):
        with pytest.raises(InvalidInput):
            deed(sessions, admission.substitute, guest, name, now=now)
    deed(sessions, admission.let_in, guest, now=now)
    with pytest.raises(Conflict, match="Undo that first"):
        deed(sessions, admission.substitute, guest, "Zanele", now=now)


@pytest.mark.parametrize("who", [ELSEWHERE, VIEWER], ids=["another event", "viewer"])
def test_who_does_not_stand_at_this_door_does_nothing(sessions, guest, now, who):
    refused = NotFound if who is ELSEWHERE else NotAllowed
    with sessions.begin() as session:
        for call in (
            lambda: admission.look_up(session, who, "devconf", "thandeka"),
            lambda: admission.let_in(session, who, guest, why="me", now=now),
            lambda: admission.undo(session, who, guest, now=now),
            lambda: admission.substitute(session, who, guest, "Me", now=now),
        ):
            with pytest.raises(refused):
                call()
        assert session.scalar(select(func.count(Admission.id))) == 0
        assert session.scalars(select(Payment.payer_name)).one() == "Thandéka Mokoena"


# -- the page ---------------------------------------------------------------------------------------


def test_the_page_lets_in_who_paid_and_sends_who_did_not_to_pay(page_desk):
    paid = issue(page_desk.sessions, page_desk.gateway, now=page_desk.now, payer_name="Johan Botha").reference
    issue(page_desk.sessions, page_desk.gateway, now=page_desk.now, payer_name="Johanna Smit")
    become(page_desk.sessions, paid, Status.PAID, now=page_desk.now, received=15_000)
    page_desk.sign_in(Role.ORGANISER)
    at = page_desk.open("pages/door/board.py")
    at.text_input(key="board_text").input("johan").run()
    assert len([each for each in at.button if each.key.startswith("board_DEMO")]) == 2
    at.text_input(key="board_text").input("botha").run()
    assert "Come in" in all_html(at)
    at.button(key="board_let_in").click().run()
    assert "Is in already" in all_html(at)
    at.button(key="board_undo").click().run()
    assert "Come in" in all_html(at)
    at.text_input(key="board_text").input("smit").run()
    assert "Not paid" in all_html(at)
    at.button(key="board_take").click().run()
    assert at.session_state.take_open
    assert ADMIN.name not in all_html(at)
