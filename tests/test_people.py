"""Who may do what: the table, people's events, and the changes an admin makes."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import AuditEntry, PersonRow
from db.session import Sessions
from payments.access import people, signin, signin_links, staff
from payments.access.people import DESK_WIDE, POLICY, SYSTEM, Action, Person, Role, check
from payments.access.signin import Visitor
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from tests.desk import make_event

#: The policy as issue and rulings say it, written a second time on purpose.
ALLOWED = {
    Action.SEE: "admin finance organiser viewer auditor",
    Action.ISSUE_LINK: "admin finance organiser",
    Action.TAKE_MONEY: "admin finance organiser",
    Action.ASK_GATEWAY: "admin finance organiser",
    Action.EXPORT: "admin finance organiser auditor",
    Action.SCHEDULE: "admin finance",
    Action.RECORD: "admin finance",
    Action.DECIDE: "admin finance",
    Action.APPROVE: "admin finance",
    Action.SEE_APPROVALS: "admin finance organiser auditor",
    Action.SEE_PROOFS: "admin finance organiser auditor",
    Action.SEE_INBOX: "admin finance auditor",
    Action.PROCESS_EVENTS: "admin finance",
    Action.SEE_BANK: "admin finance auditor",
    Action.SET_RATES: "admin finance",
    Action.RECONCILE: "admin finance",
    Action.SEE_AUDIT: "admin auditor",
    Action.MANAGE_EVENTS: "admin",
    Action.MANAGE_PEOPLE: "admin",
    Action.MANAGE_SETTINGS: "admin",
    Action.HANDLE_PRIVACY: "admin",
}


def person(role: Role, events: frozenset[int] | None = None) -> Person:
    return Person(7, "Somebody", "somebody@example.org", role, events)


def add(session: Session, who: str, role: Role, now: datetime, **more: object) -> Person:
    values: dict[str, object] = {"name": who, "email": f"{who.lower()}@example.org", "role": role}
    made = staff.create_person(session, SYSTEM, **values | {"events": None, "now": now} | more)  # type: ignore[arg-type]
    return replace(made, proved_at=now)


def audited(sessions: Sessions) -> list[tuple[str, str, str]]:
    with sessions.read() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id))
        return [(entry.actor, entry.action, entry.subject) for entry in entries]


# -- the table --------------------------------------------------------------------------------------


def test_every_action_has_a_line_in_the_policy() -> None:
    assert set(POLICY) == set(Action) == set(ALLOWED)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_the_policy_is_what_was_decided(action: Action, role: Role) -> None:
    allowed = role in ALLOWED[action].split()
    assert person(role).may(action) is allowed
    assert person(role).may(action, 1) is allowed


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("action", Action)
def test_nobody_reaches_an_event_that_is_not_theirs(action: Action, role: Role) -> None:
    here = person(role, frozenset({1}))
    allowed = role in ALLOWED[action].split() and action not in DESK_WIDE
    assert here.may(action, 1) is allowed
    assert not here.may(action, 2)
    assert not person(role, frozenset()).may(action, 1)


@pytest.mark.parametrize("action", sorted(DESK_WIDE))
def test_what_concerns_all_events_is_not_for_people_of_some(action: Action) -> None:
    assert person(Role.ADMIN).may(action)
    with pytest.raises(NotAllowed, match="all events"):
        check(person(Role.ADMIN, frozenset({1})), action)


@pytest.mark.parametrize(
    "who, event_id, says",
    [
        pytest.param(person(Role.VIEWER), None, "takes the role admin or finance or organiser", id="role"),
        pytest.param(person(Role.ORGANISER, frozenset({1})), 2, "an event that is not yours", id="event"),
    ],
)
def test_a_refusal_says_who_may(who: Person, event_id: int | None, says: str) -> None:
    with pytest.raises(NotAllowed, match=says):
        check(who, Action.ISSUE_LINK, event_id)


# -- changes ----------------------------------------------------------------------------------------


def test_a_person_is_kept_as_given_and_found_by_address(sessions: Sessions, now: datetime) -> None:
    with sessions.begin() as session:
        event = make_event(session, now=now)
        made = add(session, "Aisha", Role.ORGANISER, now, email=" Aisha@Example.org ", events=[event.id])
        event_id = event.id
    assert (made.email, made.events) == ("aisha@example.org", frozenset({event_id}))
    with sessions.read() as session:
        assert people.system_person(session, "AISHA@example.org") == made
        (line,) = staff.list_people(session, SYSTEM, now=now)
    assert (line.events, line.sessions, line.has_password, line.disabled) == (("devconf",), 0, False, False)
    assert audited(sessions) == [("Paydesk", "create_person", "aisha@example.org")]


@pytest.mark.parametrize(
    "wrong, says",
    [
        pytest.param({"email": ""}, "e-mail", id="no address"),
        pytest.param({"email": "thandi"}, "e-mail", id="half an address"),
        pytest.param({"name": " \u200b "}, "name", id="no name to be seen"),
        pytest.param({"name": "x" * 121}, "too long", id="a long name"),
        pytest.param({"name": "4111 1111 1111 1111"}, "card number", id="a card number"),
        pytest.param({"events": [404]}, "not there any more", id="an event that is not there"),
    ],
)
def test_a_person_half_told_is_refused(
    sessions: Sessions, now: datetime, wrong: dict[str, object], says: str
) -> None:
    with pytest.raises(InvalidInput, match=says), sessions.begin() as session:
        add(session, "Thandi", Role.ADMIN, now, **wrong)
    assert audited(sessions) == []


def test_one_address_is_one_person(sessions: Sessions, now: datetime) -> None:
    with sessions.begin() as session:
        add(session, "Thandi", Role.ADMIN, now)
    with pytest.raises(Conflict, match="is here already"), sessions.begin() as session:
        add(session, "Another", Role.VIEWER, now, email="THANDI@example.org")


CHANGES: dict[str, Callable[[Session, Person, int, datetime], object]] = {
    "create": lambda session, by, _id, now: staff.create_person(
        session, by, name="New", email="new@example.org", role=Role.VIEWER, events=None, now=now
    ),
    "change": lambda session, by, id_, now: staff.change_person(
        session, by, id_, name="Sipho", role=Role.FINANCE, events=None, now=now
    ),
    "disable": lambda session, by, id_, now: staff.disable_person(session, by, id_, now=now),
    "enable": lambda session, by, id_, now: staff.enable_person(session, by, id_, now=now),
    "revoke": lambda session, by, id_, now: staff.revoke_sessions(session, by, id_, now=now),
    "link": lambda session, by, id_, now: signin_links.make_sign_in_link(session, by, id_, now=now),
    "list": lambda session, by, _id, now: staff.list_people(session, by, now=now),
}


@pytest.mark.parametrize(
    "by",
    [
        *(pytest.param(person(role), id=role) for role in Role if role is not Role.ADMIN),
        pytest.param(person(Role.ADMIN, frozenset({1})), id="admin of one event"),
    ],
)
def test_only_an_admin_of_all_events_sees_to_people(sessions: Sessions, now: datetime, by: Person) -> None:
    with sessions.begin() as session:
        somebody = add(session, "Sipho", Role.VIEWER, now).id
    before = audited(sessions)
    for change in CHANGES.values():
        with pytest.raises(NotAllowed), sessions.begin() as session:
            change(session, by, somebody, now)
    assert audited(sessions) == before


def test_every_change_is_audited_in_its_own_transaction(sessions: Sessions, now: datetime) -> None:
    with sessions.begin() as session:
        admin = add(session, "Thandi", Role.ADMIN, now)
        somebody = add(session, "Sipho", Role.VIEWER, now).id
    for name in set(CHANGES) - {"list"}:
        before = audited(sessions)
        with sessions.begin() as session:
            CHANGES[name](session, admin, somebody, now)
            session.flush()
            session.rollback()
        assert audited(sessions) == before, f"{name} was recorded though it was not done"
        with sessions.begin() as session:
            CHANGES[name](session, admin, somebody, now)
            staff.enable_person(session, admin, somebody, now=now)
        entry, _ = audited(sessions)[len(before) :]
        assert entry[0] == "thandi@example.org", name


def test_the_audit_tells_what_somebody_was_and_became(sessions: Sessions, now: datetime) -> None:
    with sessions.begin() as session:
        somebody = add(session, "Sipho", Role.VIEWER, now)
        staff.change_person(
            session, SYSTEM, somebody.id, name="Sipho", role=Role.FINANCE, events=None, now=now
        )
    with sessions.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "change_person")).one()
    assert (entry.detail["was"]["role"], entry.detail["became"]["role"]) == ("viewer", "finance")


# -- the last admin ---------------------------------------------------------------------------------


DOWNFALLS: dict[str, Callable[[Session, int, datetime], object]] = {
    "disabled": lambda session, id_, now: staff.disable_person(session, SYSTEM, id_, now=now),
    "demoted": lambda session, id_, now: staff.change_person(
        session, SYSTEM, id_, name="Thandi", role=Role.FINANCE, events=None, now=now
    ),
    "kept to one event": lambda session, id_, now: staff.change_person(
        session, SYSTEM, id_, name="Thandi", role=Role.ADMIN, events=[], now=now
    ),
    "made temporary": lambda session, id_, now: staff.change_person(
        session, SYSTEM, id_, name="Thandi", role=Role.ADMIN, events=None, now=now,
        access_until=now + timedelta(days=1),
    ),
}  # fmt: skip


def test_the_last_admin_stays_one(sessions: Sessions, now: datetime) -> None:
    """Also beside admins who are disabled, here for a time, or for some events only."""
    with sessions.begin() as session:
        admin = add(session, "Thandi", Role.ADMIN, now)
        add(session, "Temporary", Role.ADMIN, now, access_until=now + timedelta(days=9))
        add(session, "Partial", Role.ADMIN, now, events=())
        staff.disable_person(session, SYSTEM, add(session, "Gone", Role.ADMIN, now).id, now=now)
    for downfall in DOWNFALLS.values():
        with pytest.raises(Conflict, match="last admin"), sessions.begin() as session:
            downfall(session, admin.id, now)
    with sessions.read() as session:
        assert people.system_person(session, admin.email) == admin


@pytest.mark.parametrize("downfall", DOWNFALLS)
def test_one_of_two_admins_may_go(sessions: Sessions, now: datetime, downfall: str) -> None:
    with sessions.begin() as session:
        admin = add(session, "Thandi", Role.ADMIN, now)
        second = add(session, "Second", Role.ADMIN, now)
        DOWNFALLS[downfall](session, admin.id, now)
    with pytest.raises(Conflict, match="Second is the last admin"), sessions.begin() as session:
        staff.disable_person(session, SYSTEM, second.id, now=now)


def test_two_admins_who_shut_each_other_out_at_once_leave_one(sessions: Sessions, now: datetime) -> None:
    with sessions.begin() as session:
        both = [add(session, name, Role.ADMIN, now) for name in ("Thandi", "Second")]

    def disable(by: Person, whom: Person) -> bool:
        try:
            with sessions.begin() as session:
                staff.disable_person(session, by, whom.id, now=now)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(disable, both, reversed(both)))
    assert sorted(done) == [False, True]
    with sessions.read() as session:
        assert len(session.scalars(select(PersonRow).where(PersonRow.disabled_at.is_(None))).all()) == 1


# -- sessions end with what they stood on -------------------------------------------------------------


@pytest.mark.parametrize("change", ["change", "disable", "revoke"])
def test_a_change_ends_every_session_at_once(sessions: Sessions, now: datetime, change: str) -> None:
    with sessions.begin() as session:
        somebody = add(session, "Sipho", Role.VIEWER, now)
        link = signin_links.make_sign_in_link(session, SYSTEM, somebody.id, now=now)
    token = signin_links.sign_in_by_link(sessions, link, visitor=Visitor("127.0.0.1"), now=now)
    assert signin.who(sessions, token, now=now, active=False) is not None
    with sessions.begin() as session:
        CHANGES[change](session, SYSTEM, somebody.id, now)
    assert signin.who(sessions, token, now=now, active=False) is None


def test_somebody_may_end_their_own_sessions(sessions: Sessions, now: datetime) -> None:
    with sessions.begin() as session:
        somebody = add(session, "Sipho", Role.VIEWER, now)
        link = signin_links.make_sign_in_link(session, SYSTEM, somebody.id, now=now)
    signin_links.sign_in_by_link(sessions, link, visitor=Visitor("127.0.0.1"), now=now)
    with sessions.begin() as session:
        assert staff.revoke_sessions(session, somebody, somebody.id, now=now) == 1


def test_nobody_and_the_disabled_are_not_found_by_a_command(sessions: Sessions, now: datetime) -> None:
    with sessions.begin() as session:
        gone = add(session, "Gone", Role.VIEWER, now)
        staff.disable_person(session, SYSTEM, gone.id, now=now)
    with sessions.read() as session:
        for email in ("gone@example.org", "nobody@example.org", ""):
            with pytest.raises(NotFound):
                people.system_person(session, email)
