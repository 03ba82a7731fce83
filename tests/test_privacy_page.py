"""The page Privacy, as an admin works with it: somebody asks, it is found, decided and done."""

import io
import zipfile
from dataclasses import replace

import pytest
from sqlalchemy import select

import bootstrap
from db.models import Payment, PersonRow, SubjectRequest
from payments.access import people
from payments.access.people import ALWAYS, Role
from payments.personal_data import subject_export, subject_requests
from payments.personal_data.subject_requests import Kind
from payments.second_person import approvals
from tests.desk import ADMIN, issue
from tests.test_pages import desk  # noqa: F401
from tests.test_subjects import HOW, SECOND

PAGE = "pages/admin/privacy.py"


@pytest.fixture
def theirs(desk, now) -> str:  # noqa: F811
    return issue(desk.sessions, desk.gateway, now=now, payer_phone="+27825550143").reference


def said(at) -> str:
    """All that stands on the page."""
    return " ".join(str(each.proto) for each in at.main)


def test_nothing_goes_by_itself_until_somebody_has_it_begin(desk):  # noqa: F811
    desk.sign_in(Role.ADMIN)
    at = desk.open(PAGE)
    assert "Nothing goes by itself yet" in said(at)
    next(each for each in at.button if each.label == "What would go now").click().run()
    assert "It would be: nothing." in said(at)
    at.button(key="retention_begin").click().run()
    assert not at.exception
    assert "Nothing goes by itself yet" not in said(at)
    assert "Let go from now on" not in said(at)


def test_a_request_is_opened_for_the_payments_that_are_ticked(desk, theirs):  # noqa: F811
    desk.sign_in(Role.ADMIN)
    at = desk.open(PAGE)
    assert not at.exception
    assert "Nobody waits for an answer" in said(at)
    at.text_input(key="who_email").set_value("zanele@example.org")
    next(each for each in at.button if each.label == "Find their payments").click()
    at.run()
    assert not at.exception
    assert "Same e-mail address." in said(at)
    at.text_area(key="privacy_told").set_value("By mail, from the address they paid with")
    next(each for each in at.button if each.label == "Open the request").click()
    at.run()
    assert not at.exception
    with desk.sessions.read() as session:
        row = session.scalars(select(SubjectRequest)).one()
        assert (row.kind, row.payments["references"], row.state) == ("export", [theirs], "open")


def test_without_saying_how_they_asked_nothing_is_opened(desk, theirs):  # noqa: F811
    desk.sign_in(Role.ADMIN)
    at = desk.open(PAGE)
    at.text_input(key="who_reference").set_value(theirs)
    next(each for each in at.button if each.label == "Find their payments").click()
    at.run()
    next(each for each in at.button if each.label == "Open the request").click()
    at.run()
    assert "Say how they asked" in said(at)
    with desk.sessions.read() as session:
        assert session.scalars(select(SubjectRequest)).all() == []


def test_what_is_right_is_written_on_all_their_payments(desk, theirs, now):  # noqa: F811
    second = issue(desk.sessions, desk.gateway, now=now).reference
    with desk.sessions.begin() as session:
        request = subject_requests.open_request(
            session, ADMIN, Kind.CORRECTION, [theirs, second], HOW, now=now
        )
    desk.sign_in(Role.ADMIN)
    at = desk.open(PAGE)
    at.text_input(key=f"right_email_{request.id}").set_value("right@example.org")
    next(each for each in at.button if each.label == "Correct all of them").click()
    at.run()
    assert not at.exception
    with desk.sessions.read() as session:
        assert set(session.scalars(select(Payment.payer_email))) == {"right@example.org"}
        row = session.get_one(SubjectRequest, request.id)
        assert (row.state, row.outcome, row.told) == ("done", {"payments": 2}, "")


def test_an_approved_erasure_is_done_from_the_page(desk, theirs, now):  # noqa: F811
    desk.sign_in(Role.ADMIN)
    with desk.sessions.begin() as session:
        session.add(
            PersonRow(
                id=77, email=SECOND.email, name=SECOND.name, role="admin", all_events=True, created_at=now
            )
        )
        me = replace(people.system_person(session, "admin@example.org"), proved_at=ALWAYS)
        request = subject_requests.open_request(session, me, Kind.ERASURE, [theirs], HOW, now=now)
        asked = subject_requests.ask_erasure(session, me, request.id, "They asked for it by mail", now=now)
    with desk.sessions.begin() as session:
        approvals.approve(session, replace(SECOND, id=77), asked.id, now=now)
    at = desk.open(PAGE)
    at.button(key=f"erase_{request.id}").click()
    at.run()
    assert not at.exception
    with desk.sessions.read() as session:
        assert session.scalars(select(Payment.payer_name)).all() == ["Erased"]
    assert theirs in (bootstrap.app().settings.data_dir / "erasures").read_text()


def test_nobody_but_an_admin_of_all_events_opens_it(desk):  # noqa: F811
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAGE)
    assert "Privacy" not in [each.value for each in at.title]


def test_the_file_of_a_request_is_a_zip(desk, theirs, now):  # noqa: F811
    with desk.sessions.begin() as session:
        request = subject_requests.open_request(session, ADMIN, Kind.EXPORT, [theirs], HOW, now=now)
        file = subject_export.take(session, ADMIN, request.id, bootstrap.app().keys, now=now)
    assert zipfile.ZipFile(io.BytesIO(file.data)).namelist() == ["data.json", "data.html"]
