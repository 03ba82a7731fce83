"""Links that let somebody in once; and the first admin, who comes by one."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from db.session import Sessions
from payments.access import signin, signin_links, staff
from payments.access.people import SYSTEM, Role
from payments.errors import Conflict, InvalidInput, NotFound
from tests.test_signin import HOME, MINUTE, PASSWORD, come_in, is_in, join, link_for

# -- links --------------------------------------------------------------------------------------------


def test_a_link_works_once(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now, password=None)
    link = link_for(sessions, person, now)
    for _ in range(2):  # looking uses nothing up
        with sessions.read() as session:
            invited = signin_links.who_comes_by_link(session, link, now=now)
        assert invited is not None
        assert (invited.name, invited.email, invited.role) == ("Thandi", person.email, Role.ADMIN)
    assert is_in(sessions, signin_links.sign_in_by_link(sessions, link, visitor=HOME, now=now), now)
    with pytest.raises(NotFound, match="used already"):
        signin_links.sign_in_by_link(sessions, link, visitor=HOME, now=now)


def test_of_many_who_open_a_link_at_once_one_gets_in(sessions: Sessions, now: datetime) -> None:
    link = link_for(sessions, join(sessions, now, password=None), now)

    def open_it(_: int) -> bool:
        try:
            signin_links.sign_in_by_link(sessions, link, visitor=HOME, now=now)
        except NotFound:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(open_it, range(6))) == 1


def test_a_link_lasts_fifteen_minutes(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now, password=None)
    link = link_for(sessions, person, now)
    with pytest.raises(NotFound, match="too old"):
        signin_links.sign_in_by_link(sessions, link, visitor=HOME, now=now + MINUTE * 15)
    assert signin_links.sign_in_by_link(sessions, link, visitor=HOME, now=now + MINUTE * 14.9)


def test_a_new_link_ends_the_earlier_one(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now, password=None)
    earlier, newer = link_for(sessions, person, now), link_for(sessions, person, now)
    with pytest.raises(NotFound):
        signin_links.sign_in_by_link(sessions, earlier, visitor=HOME, now=now)
    assert signin_links.sign_in_by_link(sessions, newer, visitor=HOME, now=now)


def test_nobody_who_may_not_sign_in_comes_by_link(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now, role=Role.VIEWER, password=None)
    link = link_for(sessions, person, now)
    with sessions.begin() as session:
        staff.disable_person(session, SYSTEM, person.id, now=now)
    with pytest.raises(NotFound):
        signin_links.sign_in_by_link(sessions, link, visitor=HOME, now=now)
    with pytest.raises(NotFound, match="Enable them first"):
        link_for(sessions, person, now)


def test_shutting_somebody_out_ends_the_links_on_their_way(sessions: Sessions, now: datetime) -> None:
    """Also for whoever is let in again, and for whoever is signed out everywhere: they ask for a new one."""
    person = join(sessions, now, role=Role.VIEWER, password=None)
    for shut_out in (staff.disable_person, staff.revoke_sessions):
        link = link_for(sessions, person, now)
        with sessions.begin() as session:
            shut_out(session, SYSTEM, person.id, now=now)
            staff.enable_person(session, SYSTEM, person.id, now=now)
        with pytest.raises(NotFound):
            signin_links.sign_in_by_link(sessions, link, visitor=HOME, now=now)


def test_an_address_joined_twice_at_once_is_one_person(sessions: Sessions, now: datetime) -> None:
    def joined(_: int) -> bool:
        try:
            join(sessions, now, password=None)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(joined, range(6))) == 1


def test_a_password_chosen_by_link_is_the_only_way_in_from_then_on(sessions: Sessions, now: datetime) -> None:
    person = join(sessions, now)
    earlier = come_in(sessions, person, now)
    link = link_for(sessions, person, now)
    with pytest.raises(InvalidInput):  # and the link is not used up by it
        signin_links.sign_in_by_link(sessions, link, visitor=HOME, now=now, new_password="short")
    fresh = "vyf renosters dans saggies"
    token = signin_links.sign_in_by_link(sessions, link, visitor=HOME, now=now, new_password=fresh)
    assert is_in(sessions, token, now)
    assert not is_in(sessions, earlier, now)
    assert signin.sign_in(sessions, person.email, PASSWORD, visitor=HOME, now=now) is None
    assert signin.sign_in(sessions, person.email, fresh, visitor=HOME, now=now)


# -- the first admin ----------------------------------------------------------------------------------


def create_first(sessions: Sessions, link: str, now: datetime, *, password: str = PASSWORD) -> str:
    who = {"name": "Thandi Nkosi", "email": "thandi@example.org"}
    return signin_links.create_first_admin(sessions, link, **who, password=password, visitor=HOME, now=now)


def test_the_first_admin_comes_by_link_and_there_is_no_second_first(
    sessions: Sessions, now: datetime
) -> None:
    link = link_for(sessions, None, now)
    with pytest.raises(InvalidInput):
        create_first(sessions, link, now, password="short")
    here = signin.who(sessions, create_first(sessions, link, now), now=now, active=False)
    assert here is not None
    assert (here.person.role, here.person.events) == (Role.ADMIN, None)
    with pytest.raises(NotFound):
        create_first(sessions, link, now)
    with pytest.raises(Conflict, match="an admin already"):
        link_for(sessions, None, now)


def test_a_first_link_is_worth_nothing_once_there_is_an_admin(sessions: Sessions, now: datetime) -> None:
    link = link_for(sessions, None, now)
    join(sessions, now, name="Other", password=None)
    with pytest.raises(Conflict, match="an admin already"):
        create_first(sessions, link, now)


def test_a_link_of_one_kind_does_not_do_the_other(sessions: Sessions, now: datetime) -> None:
    with pytest.raises(NotFound):
        signin_links.sign_in_by_link(sessions, link_for(sessions, None, now), visitor=HOME, now=now)
    person = join(sessions, now, password=None)
    with pytest.raises(NotFound):
        create_first(sessions, link_for(sessions, person, now), now)
