"""A second person: bound to exactly what was asked, never oneself, once, within a day."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DatabaseError

from db.models import Approval, AuditEntry, Payment, PersonRow
from db.money import Money
from payments import timeline
from payments.access.people import ALWAYS, SYSTEM, Person, Role
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.second_person import approvals
from payments.second_person.approvals import GOOD_FOR, Ask, State, What
from tests.desk import make_event
from tests.samples import make_payment

WHY = "Her bank's app shows it as gone out"


def somebody(session, name, role, events=None, *, now) -> Person:
    row = PersonRow(
        email=f"{name.lower()}@example.org", name=name, role=role, all_events=events is None, created_at=now
    )
    session.add(row)
    session.flush()
    return Person(row.id, name, row.email, role, events, ALWAYS)


@pytest.fixture
def desk(sessions, now):
    """An event with a payment, another event, and people of both."""
    with sessions.begin() as session:
        event, other = make_event(session, now=now), make_event(session, "gala", now=now)
        mine, others = frozenset({event.id}), frozenset({other.id})
        payment = make_payment(session, event, now=now)
        people = {
            "aisha": somebody(session, "Aisha", Role.ORGANISER, mine, now=now),
            "farai": somebody(session, "Farai", Role.FINANCE, now=now),
            "thandi": somebody(session, "Thandi", Role.ADMIN, now=now),
            "gugu": somebody(session, "Gugu", Role.FINANCE, others, now=now),
            "vusi": somebody(session, "Vusi", Role.VIEWER, now=now),
            "audra": somebody(session, "Audra", Role.AUDITOR, now=now),
        }
        wanted = Ask(
            What.MARK_PAID, payment.reference, {"received_minor": 0, "version": 0}, mine,
            amount=payment.amount, payment_id=payment.id,
        )  # fmt: skip
    return people, wanted


def asked(sessions, person, wanted, now, why=WHY):
    with sessions.begin() as session:
        return approvals.ask(session, person, wanted, why, now=now)


def did(sessions, verb, person, about, now, *more):
    with sessions.begin() as session:
        return getattr(approvals, verb)(session, person, about, *more, now=now)


def audited(sessions):
    with sessions.read() as session:
        return list(session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)))


def test_one_asks_another_approves_and_it_is_used_once(sessions, desk, now):
    people, wanted = desk
    request = asked(sessions, people["aisha"], wanted, now)
    assert (request.state, request.expires_at) == (State.WAITING, now + GOOD_FOR)
    did(sessions, "approve", people["farai"], request.id, now)
    used = did(sessions, "use", people["aisha"], wanted, now)
    assert (used.state, used.decider) == (State.USED, "Farai")
    with pytest.raises(Conflict, match="Nobody has approved exactly this"):
        did(sessions, "use", people["aisha"], wanted, now)
    assert audited(sessions) == ["ask_approval", "approve", "use_approval"]
    with sessions.read() as session:
        payment = session.get_one(Payment, wanted.payment_id)
        told = [entry.title for entry in timeline.entries(session, payment)]
    assert told == [
        "Aisha asked for a second person's approval: mark paid, R150.00.",
        "Farai approved what was asked for: mark paid, R150.00.",
    ]


CHANGED = {
    "amount": {"amount": Money(14_999)},
    "currency": {"amount": Money(15_000, "USD")},
    "subject": {"subject": "REG_ANOTHER"},
    "deed": {"what": What.WAIVE},
    "events": {"scope": None},
    "state": {"bound": {"received_minor": 1, "version": 0}},
    "less": {"bound": {"received_minor": 0}},
    "more": {"bound": {"received_minor": 0, "version": 0, "also": ""}},
    "kind of value": {"bound": {"received_minor": "0", "version": 0}},
}


def test_anything_else_than_what_was_asked_is_not_approved(sessions, desk, now):
    people, wanted = desk
    request = asked(sessions, people["farai"], wanted, now)
    did(sessions, "approve", people["thandi"], request.id, now)
    for name, change in CHANGED.items():
        with pytest.raises(Conflict, match="Nobody has approved exactly this"):
            pytest.fail(f"{name}: {did(sessions, 'use', people['farai'], replace(wanted, **change), now)}")
    did(sessions, "use", people["farai"], wanted, now)


_plain = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4)


@settings(max_examples=50)
@given(st.dictionaries(st.text(), _plain), st.dictionaries(st.text(), _plain))
def test_two_different_things_never_have_one_digest(one, other):
    first, second = (Ask(What.WAIVE, "REG_X", bound, None) for bound in (one, other))
    assert (first.digest == second.digest) is (repr(sorted(one.items())) == repr(sorted(other.items())))


@pytest.mark.parametrize("value", [pytest.param(1.5, id="float"), pytest.param(b"x", id="bytes")])
def test_what_is_no_plain_value_binds_nothing(value):
    with pytest.raises(TypeError, match="plain values"):
        _ = Ask(What.WAIVE, "REG_X", {"amount": value}, None).digest


# -- who ----------------------------------------------------------------------------------------------


def test_nobody_decides_upon_their_own_request_whatever_they_became(sessions, desk, now):
    """Incident elsewhere: the check stood in the page only, and a second browser went past it."""
    people, wanted = desk
    request = asked(sessions, people["farai"], wanted, now)
    same = people["farai"]
    for self in (
        same,
        replace(same, name="Renamed"),
        replace(same, role=Role.ADMIN),
        replace(same, email="another@example.org"),
    ):  # fmt: skip
        for verb, more in (("approve", ()), ("refuse", (WHY,))):
            with pytest.raises(NotAllowed, match="another person"):
                did(sessions, verb, self, request.id, now, *more)
    assert audited(sessions) == ["ask_approval"]


@pytest.mark.parametrize("who", ["aisha", "vusi", "gugu", "audra"])
def test_only_finance_and_admins_of_the_event_decide(sessions, desk, now, who):
    people, wanted = desk
    request = asked(sessions, people["farai"], wanted, now)
    for verb, more in (("approve", ()), ("refuse", (WHY,))):
        with pytest.raises((NotAllowed, NotFound)):
            did(sessions, verb, people[who], request.id, now, *more)


def test_asking_takes_a_right_as_well(sessions, desk, now):
    people, wanted = desk
    for who, what in (
        ("aisha", What.WAIVE), ("gugu", What.WAIVE), ("vusi", What.MARK_PAID), ("audra", What.RECORD_REFUND),
    ):  # fmt: skip
        with pytest.raises(NotAllowed):
            pytest.fail(f"{who}: {asked(sessions, people[who], replace(wanted, what=what), now)}")
    assert audited(sessions) == []
    asked(sessions, people["farai"], replace(wanted, what=What.WAIVE), now)


def test_the_command_line_is_nobody(sessions, desk, now):
    _, wanted = desk
    with pytest.raises(NotAllowed, match="command line"):
        asked(sessions, SYSTEM, wanted, now)


def test_where_nobody_else_could_approve_it_says_so_at_once(sessions, desk, now):
    people, wanted = desk
    with sessions.begin() as session:
        session.execute(update(PersonRow).where(PersonRow.name == "Thandi").values(disabled_at=now))
    with pytest.raises(Conflict, match="Nobody else here could approve"):
        asked(sessions, people["farai"], wanted, now)


def test_what_concerns_all_events_takes_somebody_who_is_here_for_all(sessions, desk, now):
    people, wanted = desk
    every = replace(wanted, what=What.EXPORT_PERSONAL, scope=None, payment_id=None)
    request = asked(sessions, people["thandi"], every, now)
    with pytest.raises(NotFound):
        did(sessions, "approve", people["gugu"], request.id, now)
    did(sessions, "approve", people["farai"], request.id, now)
    with pytest.raises(NotAllowed, match="approved for Thandi"):
        did(sessions, "use", people["audra"], every, now)
    did(sessions, "use", people["thandi"], every, now)


# -- when ---------------------------------------------------------------------------------------------


def test_after_a_day_it_can_neither_be_approved_nor_used_and_can_be_asked_for_again(sessions, desk, now):
    people, wanted = desk
    request = asked(sessions, people["farai"], wanted, now)
    late = request.expires_at
    with pytest.raises(Conflict, match="expired"):
        did(sessions, "approve", people["thandi"], request.id, late)
    did(sessions, "approve", people["thandi"], request.id, late - timedelta(microseconds=1))
    with pytest.raises(Conflict, match="Nobody has approved"):
        did(sessions, "use", people["farai"], wanted, late)
    again = asked(sessions, people["farai"], wanted, late)
    with sessions.read() as session:
        states = [approvals.get(session, people["farai"], one.id, now=late).state for one in (request, again)]
    assert states == [State.EXPIRED, State.WAITING]


def test_a_request_that_ended_is_not_decided_upon_again(sessions, desk, now):
    people, wanted = desk
    for end, by, more in (("refuse", "thandi", (WHY,)), ("withdraw", "farai", ())):
        request = asked(sessions, people["farai"], wanted, now)
        did(sessions, end, people[by], request.id, now, *more)
        for verb in ("approve", "withdraw"):
            who = people["thandi" if verb == "approve" else "farai"]
            with pytest.raises(Conflict, match="already"):
                did(sessions, verb, who, request.id, now)
        with pytest.raises(Conflict, match="Nobody has approved"):
            did(sessions, "use", people["farai"], wanted, now)


def test_what_was_approved_can_be_taken_back_until_it_is_used(sessions, desk, now):
    people, wanted = desk
    request = asked(sessions, people["farai"], wanted, now)
    did(sessions, "approve", people["thandi"], request.id, now)
    with pytest.raises(NotAllowed, match="only they"):
        did(sessions, "withdraw", people["thandi"], request.id, now)
    did(sessions, "withdraw", people["farai"], request.id, now)
    with pytest.raises(Conflict):
        did(sessions, "use", people["farai"], wanted, now)


def test_the_same_is_asked_for_once(sessions, desk, now):
    people, wanted = desk
    asked(sessions, people["aisha"], wanted, now)
    with pytest.raises(Conflict, match="Aisha asked for exactly this already"):
        asked(sessions, people["farai"], wanted, now)


def test_a_reason_that_tells_nothing_is_refused(sessions, desk, now):
    people, wanted = desk
    with pytest.raises(InvalidInput, match="Say why"):
        asked(sessions, people["aisha"], wanted, now, why="ok")
    request = asked(sessions, people["aisha"], wanted, now)
    with pytest.raises(InvalidInput, match="Say why"):
        did(sessions, "refuse", people["farai"], request.id, now, "no")


# -- at once ------------------------------------------------------------------------------------------


def tried(verb, sessions, person, about, now):
    try:
        did(sessions, verb, person, about, now)
    except Conflict:
        return False
    return True


def test_two_approvers_at_once_are_one_and_two_uses_are_one(sessions, desk, now):
    people, wanted = desk
    request = asked(sessions, people["aisha"], wanted, now)
    with ThreadPoolExecutor(2) as pool:
        for verb, about, pair in (
            ("approve", request.id, ("farai", "thandi")), ("use", wanted, ("aisha", "aisha")),
        ):  # fmt: skip
            runs = [pool.submit(tried, verb, sessions, people[who], about, now) for who in pair]
            assert sorted(run.result() for run in runs) == [False, True], verb
    assert audited(sessions) == ["ask_approval", "approve", "use_approval"]


# -- the database itself --------------------------------------------------------------------------------


TAMPERING = {
    "another amount": "UPDATE approvals SET amount_minor = 1",
    "another digest": "UPDATE approvals SET digest = 'x'",
    "bound to nothing": "UPDATE approvals SET bound = '{}'",
    "another requester": "UPDATE approvals SET requester_id = decider_id",
    "undecided again": "UPDATE approvals SET state = 'waiting', decider_id = NULL",
    "longer": "UPDATE approvals SET expires_at = '2099-01-01 00:00:00+00'",
    "by whoever asked": "UPDATE approvals SET state = 'used', used_at = asked_at, decider_id = requester_id",
    "gone": "DELETE FROM approvals",
}


def test_the_database_refuses_what_the_rules_refuse(sessions, desk, now):
    people, wanted = desk
    request = asked(sessions, people["aisha"], wanted, now)
    did(sessions, "approve", people["farai"], request.id, now)
    for name, statement in TAMPERING.items():
        with pytest.raises(DatabaseError), sessions.begin() as session:
            pytest.fail(f"{name}: {session.execute(text(statement)).rowcount} rows")
    with sessions.read() as session:
        assert session.scalar(select(func.count()).where(Approval.state == "approved")) == 1


def test_the_database_lets_nobody_approve_their_own(sessions, desk, now):
    people, wanted = desk
    asked(sessions, people["farai"], wanted, now)
    with pytest.raises(DatabaseError, match="second_person"), sessions.begin() as session:
        session.execute(update(Approval).values(state="approved", decider_id=people["farai"].id))


# -- who sees what --------------------------------------------------------------------------------------


def test_each_sees_what_is_theirs_to_see_and_how_much_waits_for_them(sessions, desk, now):
    people, wanted = desk
    asked(sessions, people["aisha"], wanted, now)
    asked(sessions, people["farai"], replace(wanted, what=What.WAIVE), now)
    with sessions.read() as session:
        seen = {
            name: len(approvals.open_requests(session, person, now=now))
            for name, person in people.items()
            if name != "vusi"
        }
        waits = {name: approvals.waiting_for(session, person, now=now) for name, person in people.items()}
        with pytest.raises(NotAllowed):
            approvals.open_requests(session, people["vusi"], now=now)
        assert approvals.standing(session, people["aisha"], wanted, now=now).state is State.WAITING
        assert approvals.standing(session, people["gugu"], wanted, now=now) is None
    assert seen == {"aisha": 1, "farai": 2, "thandi": 2, "gugu": 0, "audra": 2}
    assert waits == {"aisha": 0, "farai": 1, "thandi": 2, "gugu": 0, "vusi": 0, "audra": 0}


def test_what_ended_stays_to_be_read(sessions, desk, now):
    people, wanted = desk
    request = asked(sessions, people["aisha"], wanted, now)
    did(sessions, "refuse", people["farai"], request.id, now, "The bank line says otherwise")
    with sessions.read() as session:
        (told,) = approvals.ended(session, people["aisha"], now=now)
        assert approvals.ended(session, people["gugu"], now=now) == ()
        assert approvals.open_requests(session, people["farai"], now=now) == ()
    assert (told.state, told.decider, told.decided_why) == (
        State.REFUSED, "Farai", "The bank line says otherwise",
    )  # fmt: skip
