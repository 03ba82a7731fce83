"""What somebody gets by mail is chosen on their own page."""

from db.models import Event
from db.money import Money
from payments.access import choices, people, staff
from payments.access.choices import Mail
from payments.access.people import Role
from payments.telling import morning
from payments.telling.morning import Waiting
from tests.desk import ADMIN
from tests.test_pages import Desk, desk
from tests.test_reconcile_pages import banked

__all__ = ["desk"]


def chosen(desk: Desk, role: Role) -> Mail:
    with desk.sessions.read() as session:
        [one] = [one for one in staff.list_people(session, people.SYSTEM, now=desk.now) if one.role is role]
        return choices.mail(session, one.id)


def labels(page) -> list[str]:
    return [one.label for one in page.toggle]


def test_the_morning_and_the_events_are_chosen_and_stand_there_again(desk: Desk) -> None:
    desk.sign_in(Role.ADMIN)
    page = desk.open("pages/you/account.py")
    assert labels(page)[:2] == [
        "Every morning at seven, what waits for me",
        "At once, when a request or a signed day waits for my decision",
    ]  # fmt: skip
    page.toggle[0].set_value(True)
    page.toggle[1].set_value(False)
    with desk.sessions.read() as session:
        event_id = session.query(Event.id).scalar()
    page.multiselect[0].set_value([event_id])
    page.button(key="FormSubmitter:mail-Save").click().run()
    assert not page.exception
    assert chosen(desk, Role.ADMIN) == Mail(morning=True, requests=False, events=frozenset({event_id}))
    again = desk.open("pages/you/account.py")
    assert [one.value for one in again.toggle] == [True, False, True]
    assert again.multiselect[0].value == [event_id]


def test_who_decides_upon_nothing_is_not_asked_about_requests(desk: Desk) -> None:
    desk.sign_in(Role.VIEWER)
    page = desk.open("pages/you/account.py")
    assert not any("my decision" in one for one in labels(page))
    assert not page.exception


def test_the_bank_s_lines_are_told_to_whom_they_are_shown(desk: Desk) -> None:
    banked(desk, ("EFT ABC", "70.00"), ("EFT XYZ", "30.00"))
    with desk.sessions.read() as session:
        [line] = morning.waits_for(session, ADMIN, Mail(), now=desk.now)
        assert line == Waiting("2 bank lines", f"2 bank lines wait, {Money(10_000)} at risk.", "/workbench")
        of_one = morning.waits_for(session, ADMIN, Mail(events=frozenset({1})), now=desk.now)
        assert of_one == []
