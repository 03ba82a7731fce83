"""Complimentary: its seat is held, two people decide, and it is waived and never paid."""

import pytest
from sqlalchemy import select

from db.models import Approval, Case, Category, Payment, PricePeriod
from db.money import Money
from payments import obligations
from payments.access.people import Role
from payments.books import integrity
from payments.errors import InvalidInput, NotAllowed
from payments.obligations import Draft
from payments.second_person import two_people
from payments.selling import complimentary, seats
from payments.selling.prices import Choice
from tests.desk import make_event, payment_of
from tests.test_api import desk as api_desk
from tests.test_api import pay, problem, rows, site
from tests.test_approvals import somebody
from tests.test_pages import all_html
from tests.test_pages import desk as page_desk

__all__ = ["api_desk", "page_desk", "site"]

WHY = "She gives the keynote on Tuesday"


@pytest.fixture
def people(sessions, now):
    with sessions.begin() as session:
        event = make_event(session, now=now)
        regular = event.categories[0]
        session.add(
            PricePeriod(
                category_id=regular.id, name="Early", price_minor=100_000, seats=1, position=1, active=True
            )
        )  # fmt: skip
        return {
            "farai": somebody(session, "Farai", Role.FINANCE, now=now),
            "fikile": somebody(session, "Fikile", Role.FINANCE, now=now),
            "aisha": somebody(session, "Aisha", Role.ORGANISER, now=now),
        }


def draft_of(session, person):
    regular = session.scalars(select(Category.id).order_by(Category.position)).first()
    reference = obligations.draft_reference(session, person, "devconf", demo=True)
    return Draft(reference, "devconf", Money(100_000), "Nomsa Dube", choice=Choice(regular))


def test_one_step_takes_it_and_asks_and_a_second_person_waives_it(sessions, people, now):
    with sessions.begin() as session:
        draft = draft_of(session, people["farai"])
        reference = complimentary.ask(session, people["farai"], draft, WHY, now=now)
        assert complimentary.ask(session, people["farai"], draft, WHY, now=now) == reference
    with sessions.begin() as session:
        (asked,) = session.scalars(select(Approval)).all()
        payment, period = payment_of(session, reference), session.scalars(select(PricePeriod)).one()
        assert (payment.status, payment.note) == ("open", f"Complimentary: {WHY}")
        assert seats.left(session, payment.event_id, period) == 0
        with pytest.raises(NotAllowed):
            two_people.approve(session, people["farai"], asked.id, now=now)
    with sessions.begin() as session:
        two_people.approve(session, people["fikile"], asked.id, now=now)
    with sessions.begin() as session:
        payment, period = payment_of(session, reference), session.scalars(select(PricePeriod)).one()
        assert (payment.status, payment.received_minor) == ("waived", 0)
        assert seats.left(session, payment.event_id, period) == 0
    with sessions.read() as session:
        assert integrity.examine(session) == ()


def test_who_may_not_have_it_waived_takes_none_and_a_reason_is_given(sessions, people, now):
    with sessions.begin() as session:
        draft = draft_of(session, people["farai"])
    for who, why, refusal in (("aisha", WHY, NotAllowed), ("farai", "", InvalidInput)):
        with pytest.raises(refusal), sessions.begin() as session:
            complimentary.ask(session, people[who], draft, why, now=now)
    with sessions.read() as session:
        assert session.scalars(select(Payment)).all() == []


FREE = {"complimentary": {"reason": "Keynote speaker"}}


@pytest.fixture
def desk(api_desk):
    return api_desk


def test_a_site_wishes_for_it_and_two_people_of_the_desk_decide(desk, site, now):
    told = site.put(**FREE)
    payment = told.json()
    assert (told.status_code, payment["status"], payment["link"], payment["complete"]) == (
        201,
        "open",
        None,
        False,
    )
    assert site.put(**FREE).json() == payment
    assert site.put(key="again", **FREE).json()["reference"] == payment["reference"]
    assert desk.gateway.requests == []
    assert [(case.reason, case.closed_at) for case in rows(desk, Case)] == [("complimentary", None)]
    with desk.sessions.begin() as session:
        first = somebody(session, "Farai", Role.FINANCE, now=now)
        second = somebody(session, "Fikile", Role.FINANCE, now=now)
        asked = two_people.ask_waiver(session, first, payment["reference"], WHY, now=now)
    with desk.sessions.begin() as session:
        two_people.approve(session, second, asked.id, now=now)
    now_is = site.get(f"/payments/{payment['reference']}").json()
    assert (now_is["status"], now_is["complete"], now_is["received_minor"]) == ("waived", True, 0)
    assert [case.decision for case in rows(desk, Case)] == ["done"]


def test_a_site_that_asks_for_its_money_after_all_has_a_link(desk, site):
    first = site.put(**FREE).json()
    again = site.put(key="second").json()
    assert (again["reference"], again["status"], bool(again["link"])) == (first["reference"], "open", True)
    assert [case.decision for case in rows(desk, Case)] == ["done"]


def test_what_is_paid_is_not_complimentary_any_more(desk, site, now):
    pay(desk, site.put().json()["reference"], now)
    assert "cannot be complimentary any more" in problem(site.put(key="second", **FREE), 409)
    assert problem(site.put(key="third", complimentary={"reason": "x"}), 422)


def test_the_door_offers_it_to_who_may_and_asks_with_the_form(page_desk):
    page_desk.sign_in(Role.ORGANISER)
    at = page_desk.open("pages/door/take.py")
    assert "Free" not in str(at.segmented_control(key="take_how").options)
    with page_desk.sessions.begin() as session:
        somebody(session, "Fikile", Role.FINANCE, now=page_desk.now)
    page_desk.sign_in(Role.FINANCE)
    at = page_desk.open("pages/door/take.py")
    at.segmented_control(key="take_how").set_value("Complimentary").run()
    at.text_input(key="take_who").set_value("Nomsa Dube")
    at.text_input(key="take_free_why").set_value(WHY)
    next(one for one in at.button if one.label == "Ask a second person").click().run()
    assert not at.exception
    assert "waived once a second person approves" in all_html(at)
    with page_desk.sessions.read() as session:
        payment = session.scalars(select(Payment)).one()
        assert (payment.status, payment.note) == ("open", f"Complimentary: {WHY}")
        assert session.scalars(select(Approval.what)).all() == ["waive"]
    assert page_desk.gateway.requests == []
