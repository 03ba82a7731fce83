"""Who lets somebody in, gives them more, or makes a key, does it with a second; who takes away, at once."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from db.models import ApiKey, AuditEntry, NotifyEndpoint, PersonRow, SecondFactor, SignInLink
from payments.access import people, second_factor, signin, signin_links, staff
from payments.access.people import SYSTEM, Person, Role
from payments.access.signin import Visitor
from payments.at_the_door import eft
from payments.at_the_door.eft import Account
from payments.errors import Conflict, InvalidInput, NotAllowed, ProveAgain
from payments.keeping import keyring
from payments.registering import api_keys
from payments.registering.api_keys import Scope
from payments.second_person import approvals, entrusting, two_people
from payments.second_person.entrusting import Wanted
from payments.telling import notifying
from tests.desk import ADMIN, make_event
from tests.test_approvals import somebody
from tests.test_pages import desk as page_desk

__all__ = ["page_desk"]

WHY = "She takes over the desk from Monday"
KEYS = keyring.read(keyring.new_key("test"))
URL = "https://register.example.org/paydesk"
ACCOUNT = Account("Fictional Bank", "Devconf Trust", "4071234567", "250655")
CLERK = Wanted("Naledi", Role.FINANCE, None)


def came_in(session, person, now) -> None:
    row = session.get_one(PersonRow, person.id)
    signin.open_session(session, row, Visitor("127.0.0.1"), "test", now=now)


@pytest.fixture
def alone(sessions, now):
    """Thandi, who sets a desk up; Pieter, who was not here yet; Sipho, who looks at one event."""
    with sessions.begin() as session:
        event = make_event(session, now=now)
        make_event(session, "gala", now=now)
        desk = {
            "thandi": somebody(session, "Thandi", Role.ADMIN, now=now),
            "pieter": somebody(session, "Pieter", Role.FINANCE, now=now),
        }
        sipho = staff.create_person(
            session,
            SYSTEM,
            name="Sipho",
            email="sipho@example.org",
            role=Role.VIEWER,
            events=[event.id],
            now=now,
        )
        desk["sipho"] = sipho
        came_in(session, desk["thandi"], now)
    return desk


@pytest.fixture
def desk(sessions, alone, now):
    """The same, once Pieter has come in."""
    with sessions.begin() as session:
        came_in(session, alone["pieter"], now)
    return alone


def did(sessions, verb: Callable[..., Any], *given: Any, **more: Any) -> Any:
    with sessions.begin() as session:
        return verb(session, *given, **more)


def added(sessions, desk, now, wanted=CLERK, email="naledi@example.org"):
    return did(sessions, entrusting.add, desk["thandi"], email, wanted, WHY, now=now)


def row_of(sessions, name) -> PersonRow | None:
    with sessions.read() as session:
        return session.scalar(select(PersonRow).where(PersonRow.name == name))


def entries(sessions, action) -> list[dict[str, Any]]:
    with sessions.read() as session:
        found = select(AuditEntry).where(AuditEntry.action == action).order_by(AuditEntry.id)
        return [{"actor": entry.actor, **entry.detail} for entry in session.scalars(found)]


# -- people ------------------------------------------------------------------------------------------------


def test_one_asks_for_somebody_and_they_are_here_once_another_approves(sessions, desk, now):
    request = added(sessions, desk, now)
    assert row_of(sessions, "Naledi") is None
    assert (request.bound["role"], request.bound["events"]) == ("finance", "all")
    with pytest.raises(NotAllowed, match="another person"):
        did(sessions, two_people.approve, desk["thandi"], request.id, now=now)
    used = did(sessions, two_people.approve, desk["pieter"], request.id, now=now)
    assert used.state is approvals.State.USED
    assert row_of(sessions, "Naledi").role == "finance"
    (_, told) = entries(sessions, "create_person")
    assert (told["actor"], told["approved_by"]) == ("thandi@example.org", "Pieter")
    with pytest.raises(Conflict, match="was approved by"):
        did(sessions, two_people.approve, desk["pieter"], request.id, now=now)


def given(sessions, desk, now) -> dict[str, Callable[[Any, Person], Any]]:
    """Each way of giving, by the function that does it and not by the one that asks."""
    sipho = desk["sipho"].id
    with sessions.begin() as session:
        session.add(SecondFactor(person_id=desk["pieter"].id, sealed=b"x", last_step=0, since=now))
        session.execute(update(PersonRow).where(PersonRow.id == sipho).values(password_hash="x"))
        endpoint = NotifyEndpoint(event_id=1, url=URL, sealed=b"x", created_at=now, created_by="Thandi")
        session.add(endpoint)
        session.flush()
        endpoint_id = endpoint.id
    more = Wanted("Sipho", Role.ORGANISER, frozenset({1})).values
    return {
        "add": lambda s, by: staff.create_person(s, by, email="n@example.org", **CLERK.values, now=now),
        "change": lambda s, by: staff.change_person(s, by, sipho, **more, now=now),
        "enable": lambda s, by: staff.enable_person(s, by, sipho, now=now),
        "reset": lambda s, by: second_factor.reset(s, by, desk["pieter"].id, now=now),
        "link": lambda s, by: signin_links.make_sign_in_link(s, by, sipho, now=now),
        "key": lambda s, by: api_keys.make(s, by, "devconf", "Site", [Scope.READ], demo=True, now=now),
        "endpoint": lambda s, by: notifying.add(s, by, "devconf", URL + "/2", KEYS, loopback=False, now=now),
        "secret": lambda s, by: notifying.renew_secret(s, by, endpoint_id, KEYS, leaked=False, now=now),
        "account": lambda s, by: eft.set_account(s, by, "devconf", ACCOUNT, now=now),
    }


def test_whatever_gives_is_refused_to_one_and_done_by_the_machines_owner(sessions, desk, now):
    """Going past the page, and past the function that asks."""
    machine = replace(SYSTEM, name="cli:naledi")
    for name, deed in given(sessions, desk, now).items():
        with pytest.raises(Conflict, match=r"takes two|exactly this"), sessions.begin() as session:
            pytest.fail(f"{name}: {deed(session, desk['thandi'])}")
        with sessions.begin() as session:
            deed(session, machine)


def test_somebody_elses_approval_is_no_approval_of_this(sessions, desk, now):
    """An id that is at hand: used before, another's, or of another moment."""
    request = added(sessions, desk, now)
    did(sessions, two_people.approve, desk["pieter"], request.id, now=now)
    for by, at in ((desk["thandi"], now + timedelta(seconds=1)), (desk["pieter"], now)):
        with pytest.raises((Conflict, NotAllowed)), sessions.begin() as session:
            staff.create_person(
                session, by, email="b@example.org", **CLERK.values, now=at, approval=request.id
            )


DONE_SINCE = {
    "the person is not what they were": lambda s, desk, now: staff.change_person(
        s, SYSTEM, desk["sipho"].id, name="Sipho", role=Role.AUDITOR, events=None, now=now
    ),
    "the person has another name": lambda s, desk, now: staff.change_person(
        s, SYSTEM, desk["sipho"].id, name="Sifiso", role=Role.VIEWER, events=[1], now=now
    ),
    "the person is shut out": lambda s, desk, now: staff.disable_person(s, SYSTEM, desk["sipho"].id, now=now),
    "who asked is shut out": lambda s, desk, now: s.execute(
        update(PersonRow).where(PersonRow.name == "Thandi").values(disabled_at=now)
    ),
    "who asked is no admin any more": lambda s, desk, now: s.execute(
        update(PersonRow).where(PersonRow.name == "Thandi").values(role="finance")
    ),
}


@pytest.mark.parametrize("since", DONE_SINCE)
def test_what_changed_since_it_was_asked_was_never_approved(sessions, desk, now, since):
    wanted = Wanted("Sipho", Role.ORGANISER, frozenset({1}))
    request = did(sessions, entrusting.change, desk["thandi"], desk["sipho"].id, wanted, WHY, now=now)
    with sessions.begin() as session:
        DONE_SINCE[since](session, desk, now)
    with pytest.raises(Conflict, match="Nothing was done"):
        did(sessions, two_people.approve, desk["pieter"], request.id, now=now)
    with sessions.read() as session:
        assert session.get_one(PersonRow, desk["sipho"].id).role != "organiser"


def test_a_request_is_good_for_a_day_takes_a_reason_and_a_fresh_proof(sessions, desk, now):
    stale = replace(desk["thandi"], proved_at=now - timedelta(minutes=6))
    with pytest.raises(ProveAgain), sessions.begin() as session:
        entrusting.add(session, stale, "n@example.org", CLERK, WHY, now=now)
    with pytest.raises(InvalidInput, match="Say why"), sessions.begin() as session:
        entrusting.add(session, desk["thandi"], "n@example.org", CLERK, "new", now=now)
    request = added(sessions, desk, now)
    with pytest.raises(ProveAgain), sessions.begin() as session:
        two_people.approve(session, replace(desk["pieter"], proved_at=None), request.id, now=now)
    with pytest.raises(Conflict, match="expired"):
        did(sessions, two_people.approve, desk["pieter"], request.id, now=now + timedelta(hours=24))
    assert row_of(sessions, "Naledi") is None


@pytest.mark.parametrize("who", ["pieter", "sipho"])
def test_asking_for_people_takes_an_admin(sessions, desk, now, who):
    proved = replace(desk[who], proved_at=now)
    with pytest.raises(NotAllowed), sessions.begin() as session:
        entrusting.add(session, proved, "n@example.org", CLERK, WHY, now=now)


def test_enabling_and_a_reset_are_done_as_they_are_approved(sessions, desk, now):
    with sessions.begin() as session:
        session.add(SecondFactor(person_id=desk["sipho"].id, sealed=b"x", last_step=0, since=now))
        staff.disable_person(session, desk["thandi"], desk["sipho"].id, now=now)
    for verb in (entrusting.enable, entrusting.reset_codes):
        request = did(sessions, verb, desk["thandi"], desk["sipho"].id, WHY, now=now)
        did(sessions, two_people.approve, desk["pieter"], request.id, now=now)
    with sessions.read() as session:
        assert session.get_one(PersonRow, desk["sipho"].id).disabled_at is None
        assert not second_factor.has_any(session, desk["sipho"].id)


# -- what gives, and what takes away -----------------------------------------------------------------------

_AT = "2026-12-{:02d}"


@pytest.mark.parametrize(
    "was, becomes, more",
    [
        pytest.param({}, {}, False, id="nothing"),
        pytest.param({}, {"name": "Renamed"}, False, id="another name"),
        pytest.param({}, {"role": Role.FINANCE}, True, id="more to do"),
        pytest.param({}, {"role": Role.VIEWER}, False, id="less to do"),
        pytest.param({"role": Role.FINANCE}, {"role": Role.AUDITOR}, True, id="other things to do"),
        pytest.param({"role": Role.AUDITOR}, {"role": Role.VIEWER}, False, id="only to look"),
        pytest.param({}, {"events": frozenset({1, 2})}, True, id="one event more"),
        pytest.param({}, {"events": frozenset()}, False, id="no event"),
        pytest.param({}, {"events": frozenset({2})}, True, id="another event"),
        pytest.param({}, {"events": None}, True, id="all events"),
        pytest.param({"events": None}, {"events": frozenset({1})}, False, id="one of all events"),
        pytest.param({}, {"until": 5}, False, id="for a time"),
        pytest.param({"until": 5}, {"until": 4}, False, id="for a shorter time"),
        pytest.param({"until": 5}, {"until": 6}, True, id="for longer"),
        pytest.param({"until": 5}, {"until": None}, True, id="for good"),
        pytest.param({}, {"role": Role.VIEWER, "events": None}, True, id="less to do of more"),
    ],
)
def test_what_is_more_takes_two_and_what_is_less_one(sessions, desk, now, was, becomes, more):
    def wanted(change: dict[str, Any]) -> Wanted:
        values = {"name": "Sipho", "role": Role.ORGANISER, "events": frozenset({1}), "until": None} | change
        days = values["until"]
        return Wanted(**values | {"until": now + timedelta(days=days) if days else None})

    who = desk["sipho"].id
    did(sessions, staff.change_person, SYSTEM, who, **wanted(was).values, now=now)
    asked = did(sessions, entrusting.change, desk["thandi"], who, wanted(was | becomes), WHY, now=now)
    assert (asked is not None) is more


def test_taking_away_is_one_persons_and_at_once(sessions, desk, now):
    with sessions.begin() as session:
        session.add(ApiKey(event_id=1, name="Site", handle="h" * 12, secret_hash="s" * 64, scopes="read",
                           created_at=now, created_by="Thandi"))  # fmt: skip
        session.add(NotifyEndpoint(event_id=1, url=URL, sealed=b"x", created_at=now, created_by="Thandi"))
    thandi = desk["thandi"]
    did(sessions, notifying.renew_secret, thandi, 1, KEYS, leaked=True, now=now)
    did(sessions, notifying.remove, thandi, 1, now=now)
    did(sessions, api_keys.revoke, thandi, 1, now=now)
    assert did(sessions, staff.revoke_sessions, thandi, desk["pieter"].id, now=now) == 1
    did(sessions, staff.disable_person, thandi, desk["pieter"].id, now=now)


# -- one person alone --------------------------------------------------------------------------------------


def test_one_gives_alone_until_a_second_who_may_approve_has_come_in(sessions, alone, now):
    assert added(sessions, alone, now) is None
    assert row_of(sessions, "Naledi") is not None
    assert entries(sessions, "create_person")[-1]["alone"] is True
    did(sessions, came_in, alone["sipho"], now)
    assert added(sessions, alone, now, replace(CLERK, name="Zola"), "zola@example.org") is None
    did(sessions, came_in, alone["pieter"], now)
    assert added(sessions, alone, now, replace(CLERK, name="Vusi"), "vusi@example.org") is not None


FALLS = {
    "shut out": lambda s, who, now: staff.disable_person(s, who["thandi"], who["pieter"].id, now=now),
    "given less": lambda s, who, now: staff.change_person(
        s, who["thandi"], who["pieter"].id, name="Pieter", role=Role.VIEWER, events=None, now=now
    ),
}


@pytest.mark.parametrize("fall", FALLS)
def test_who_shuts_the_other_out_is_not_alone_again(sessions, desk, now, fall):
    """The way round: take the second person away, then give oneself what one likes."""
    did(sessions, FALLS[fall], desk, now)
    with pytest.raises(Conflict, match="Nobody else here could approve"):
        added(sessions, desk, now)
    with pytest.raises(Conflict, match="takes two"), sessions.begin() as session:
        staff.create_person(session, desk["thandi"], email="n@example.org", **CLERK.values, now=now)
    machine = replace(SYSTEM, name="cli:naledi")
    did(sessions, staff.create_person, machine, email="n@example.org", **CLERK.values, now=now)
    assert added(sessions, desk, now) is not None, "the machine's owner added somebody who can approve"


# -- links and keys, which whoever asked is shown ----------------------------------------------------------


def test_a_link_in_somebodys_place_takes_two_and_a_first_one_does_not(sessions, desk, now):
    thandi, sipho = desk["thandi"], desk["sipho"].id

    def stands() -> str:
        return did(sessions, entrusting.link_standing, thandi, sipho, now=now)

    assert stands() == "free"
    did(sessions, signin_links.make_sign_in_link, thandi, sipho, now=now)
    did(
        sessions,
        lambda s: s.execute(update(PersonRow).where(PersonRow.id == sipho).values(password_hash="x")),
    )
    assert stands() == "ask"
    request = did(sessions, entrusting.ask_link, thandi, sipho, WHY, now=now)
    assert stands() == "waiting"
    did(sessions, two_people.approve, desk["pieter"], request.id, now=now)
    assert stands() == "approved"
    did(sessions, signin_links.make_sign_in_link, thandi, sipho, now=now)
    with pytest.raises(Conflict, match="Nobody has approved exactly this"):
        did(sessions, signin_links.make_sign_in_link, thandi, sipho, now=now)
    with sessions.read() as session:
        assert len(session.scalars(select(SignInLink)).all()) == 2
    assert entries(sessions, "make_sign_in_link")[-1]["approved_by"] == "Pieter"


def test_a_key_is_made_exactly_as_it_was_approved_and_once(sessions, desk, now):
    thandi = desk["thandi"]

    def make(name="Site", scopes=(Scope.READ,), event="devconf") -> str:
        return did(sessions, api_keys.make, thandi, event, name, scopes, demo=True, now=now)

    request = did(sessions, api_keys.ask, thandi, "devconf", "Site", [Scope.READ], WHY, now=now)
    for other in ({"name": "Other"}, {"scopes": tuple(Scope)}, {"event": "gala"}, {}):
        with pytest.raises(Conflict, match="exactly this"):
            make(**other)
    did(sessions, two_people.approve, desk["pieter"], request.id, now=now)
    for other in ({"name": "Other"}, {"scopes": tuple(Scope)}, {"event": "gala"}):
        with pytest.raises(Conflict, match="exactly this"):
            make(**other)
    assert make().startswith("pd_demo_")
    with pytest.raises(Conflict, match="exactly this"):
        make()
    assert entries(sessions, "make_api_key")[-1]["approved_by"] == "Pieter"


def test_an_address_and_another_secret_for_it_take_two(sessions, desk, now):
    thandi = desk["thandi"]
    request = did(sessions, notifying.ask, thandi, "devconf", URL, WHY, loopback=False, now=now)
    did(sessions, two_people.approve, desk["pieter"], request.id, now=now)
    did(sessions, notifying.add, thandi, "devconf", URL, KEYS, loopback=False, now=now)
    request = did(sessions, notifying.ask_renewal, thandi, 1, WHY, now=now)
    did(sessions, two_people.approve, desk["pieter"], request.id, now=now)
    did(sessions, notifying.renew_secret, thandi, 1, KEYS, leaked=True, now=now)
    with pytest.raises(Conflict, match="exactly this"):  # another secret is in use than when it was asked
        did(sessions, notifying.renew_secret, thandi, 1, KEYS, leaked=False, now=now)


# -- on the pages -----------------------------------------------------------------------------------------


def test_the_pages_ask_and_show_the_key_to_whoever_asked_alone(page_desk):
    page_desk.sign_in(Role.ADMIN)
    admin = page_desk.cookie
    assert "You give access alone" in "".join(
        each.value for each in page_desk.open("pages/admin/people.py").html
    )
    with page_desk.sessions.begin() as session:
        staff.create_person(
            session, SYSTEM, name="Pieter", email="p@example.org", role=Role.VIEWER, events=None,
            now=page_desk.now,
        )  # fmt: skip
    told = "".join(each.value for each in page_desk.open("pages/admin/people.py").html)
    assert "<dt>Signed in</dt><dd>no</dd>" in told  # it had been “nowhere”, and last active “not now”
    assert "<dt>Signed in</dt><dd>in 1 place</dd>" in told
    assert told.count("<dt>Last active</dt>") == 1
    page_desk.sign_in(Role.FINANCE)
    finance, page_desk.cookie = page_desk.cookie, admin
    at = page_desk.open("pages/admin/systems.py")
    at.text_input[0].set_value("Site")
    at.text_input(key="key_why").set_value(WHY)
    at.button[0].click().run()
    assert at.success[0].value.startswith("Asked")
    assert not at.exception
    with page_desk.sessions.begin() as session:
        (request,) = approvals.open_requests(session, ADMIN, now=page_desk.now)
        by = people.system_person(session, "finance@example.org")
        two_people.approve(session, replace(by, proved_at=page_desk.now), request.id, now=page_desk.now)
    at = page_desk.open("pages/admin/systems.py")
    at.button(key=f"draw_{request.id}").click().run()
    assert any("pd_demo_" in each.value for each in at.code), "the key is shown"
    assert not any("pd_demo_" in each.value for each in page_desk.open("pages/admin/systems.py").code)
    page_desk.cookie = finance
    assert "Make it now" not in str(page_desk.open("pages/monitor/approvals.py").button)


def test_what_another_admin_changed_meanwhile_is_not_written_over(page_desk):
    """The form took up the other's values as it was sent, wrote those, and said that it was saved."""
    page_desk.sign_in(Role.VIEWER)
    with page_desk.sessions.read() as session:
        viewer = people.system_person(session, "viewer@example.org")
    page_desk.sign_in(Role.ADMIN)
    at = page_desk.open("pages/admin/people.py").button(key=f"change_{viewer.id}").click().run()
    with page_desk.sessions.begin() as session:
        staff.change_person(
            session,
            people.SYSTEM,
            viewer.id,
            name="Zola Dube",
            role=Role.VIEWER,
            events=None,
            now=page_desk.now,
        )
    name = next(one for one in at.text_input if one.label == "Name")
    name.set_value("Zola Nkosi")
    at = next(one for one in at.button if one.label == "Save").click().run()
    assert "changed by somebody else meanwhile" in at.error[0].value
    with page_desk.sessions.read() as session:
        assert session.get_one(PersonRow, viewer.id).name == "Zola Dube"


def test_what_is_asked_for_of_people_stands_on_their_page_until_it_is_decided(page_desk):
    page_desk.sign_in(Role.FINANCE)
    page_desk.sign_in(Role.ADMIN)
    at = page_desk.open("pages/admin/people.py").button(key="change_1").click().run()
    at.radio[0].set_value(Role.ADMIN)
    next(one for one in at.text_input if one.label.startswith("Why?")).set_value(WHY)
    at = next(one for one in at.button if one.label == "Save").click().run()
    assert "Nothing changes until" in at.success[0].value
    said = "".join(each.value for each in page_desk.open("pages/admin/people.py").html)
    assert "Let a person do or reach more: finance person. admin person asked" in said
