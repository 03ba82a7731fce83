"""The form of papers in the drawer: for who may issue them, and a mistake in it is a sentence."""

import pytest
from sqlalchemy import select

from db.models import PaperRow
from payments.access.people import Role
from payments.selling import organisers
from payments.selling.organisers import Organiser
from tests.desk import ADMIN, issue
from tests.test_pages import desk

__all__ = ["desk"]


@pytest.fixture
def reference(desk, now):
    with desk.sessions.begin() as session:
        organisers.save(session, ADMIN, "devconf", Organiser("Example Club", "1 Side Road"), now=now)
    return issue(desk.sessions, desk.gateway, now=now).reference


def press(at, word):
    next(one for one in at.button if one.label == word).click().run()
    assert not at.exception
    return at


def test_a_mistake_in_the_form_is_a_sentence_and_no_paper(desk, reference):
    desk.sign_in(Role.FINANCE)
    at = desk.open("pages/monitor/payments.py", payment=reference)
    at.selectbox(key="paper_kind").select_index(2)
    at.text_input(key="paper_vat").set_value("12")
    assert "ten digits" in press(at, "Issue it").error[0].value
    with desk.sessions.read() as session:
        assert list(session.scalars(select(PaperRow))) == []


def test_who_may_not_issue_sees_no_form(desk, reference):
    desk.sign_in(Role.VIEWER)
    at = desk.open("pages/monitor/payments.py", payment=reference)
    assert not at.exception
    assert "Issue it" not in [one.label for one in at.button]
