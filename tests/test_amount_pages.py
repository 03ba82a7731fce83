"""Another amount in the drawer: it is said what would be done, then it is, or a second person is asked."""

import pytest
from sqlalchemy import select

from db.models import AmountChange, Approval, Payment
from payments.access.people import Role
from payments.gateways import Answer
from payments.hearing import sync
from tests.desk import issue, payment_of
from tests.test_approvals import somebody
from tests.test_pages import all_html, desk

__all__ = ["desk"]

WHY = "Her membership was found to have ended"


@pytest.fixture
def link(desk, now):
    return issue(desk.sessions, desk.gateway, now=now)


def pay(desk, link, now):
    desk.gateway.says(link.gateway_reference, Answer.PAID, "PAID", currency="ZAR")
    with desk.sessions.read() as session:
        link_id = payment_of(session, link.reference).links[-1].id
    sync.ask(desk.sessions, {"ikhokha": desk.gateway}, link_id, now=now)


def form(desk, link, amount):
    """The drawer with the form chosen and an amount typed."""
    at = desk.open("pages/monitor/payments.py", payment=link.reference)
    at.pills(key=f"money_{link.reference}").set_value("Change the amount").run()
    at.text_input(key=f"amount_{link.reference}").set_value(amount).run()
    assert not at.exception
    return at


def send(at, link, word):
    at.text_area(key=f"amount_why_{link.reference}").set_value(WHY)
    next(one for one in at.button if one.label == word).click().run()
    assert not at.exception
    return at


def said(at):
    told = " ".join(one.value for one in (*at.markdown, *at.info, *at.error))
    return f"{told} {all_html(at)}".replace("\xa0", " ").replace("\\", "")


def test_before_money_it_says_what_happens_and_does_it(desk, link):
    desk.sign_in(Role.ORGANISER)
    at = form(desk, link, "120")
    assert "is cancelled, and another payment asks for R120.00 in its place" in said(at)
    send(at, link, "Change the amount")
    with desk.sessions.read() as session:
        assert sorted(session.execute(select(Payment.status, Payment.amount_minor)).all()) == [
            ("cancelled", 15_000), ("open", 12_000),
        ]  # fmt: skip
    at = desk.open("pages/monitor/payments.py", payment=link.reference)
    assert "In its place" in " ".join(one.label for one in at.button)


def test_less_than_was_paid_asks_a_second_person(desk, link, now):
    pay(desk, link, now)
    with desk.sessions.begin() as session:
        somebody(session, "Fikile", Role.FINANCE, now=now)
    desk.sign_in(Role.FINANCE)
    at = form(desk, link, "100")
    assert "A credit of R50.00 is recorded" in said(at)
    send(at, link, "Ask a second person")
    with desk.sessions.read() as session:
        assert session.scalars(select(Approval.what)).all() == ["credit"]
        assert session.scalars(select(AmountChange)).all() == []
    told = all_html(desk.open("pages/monitor/approvals.py"))
    assert "It costs from now on" in told
    assert "R100.00" in told


@pytest.mark.parametrize(
    ("typed", "says"),
    [("0", "complimentary"), ("-5", "is not an amount"), ("abc", "amount"), ("99999999999", "between R0.01")],
)
def test_an_amount_that_cannot_be_is_a_sentence(desk, link, typed, says):
    desk.sign_in(Role.FINANCE)
    assert says in said(form(desk, link, typed))


def test_the_same_amount_offers_nothing_to_send(desk, link):
    desk.sign_in(Role.FINANCE)
    at = form(desk, link, "150.00")
    assert "Change the amount" not in [one.label for one in at.button]


def test_who_may_only_look_is_offered_no_other_amount(desk, link):
    desk.sign_in(Role.VIEWER)
    at = desk.open("pages/monitor/payments.py", payment=link.reference)
    assert "Change the amount" not in str([one.options for one in at.pills])
