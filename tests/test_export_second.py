"""Many payers' names leave the desk when a second person said so: this file, once."""

from datetime import timedelta

import pytest
from sqlalchemy import event

from db.models import Event
from payments.access.people import SYSTEM, Role
from payments.errors import Conflict
from payments.exports import records
from payments.exports.delivery import Delivery
from payments.exports.layout import Layout
from payments.exports.run import Children
from payments.finding.search import Filter
from payments.second_person import approvals
from tests.desk import make_event
from tests.samples import make_payment
from tests.test_approvals import somebody

WHY = "The accountants want the year"
MONEY_ONLY = Layout(columns=("reference", "amount", "currency"))


@pytest.fixture
def desk(sessions, now, monkeypatch):
    """Four payments, of which one person may take three; one who takes, one who approves."""
    monkeypatch.setattr(records, "ALONE", 3)
    with sessions.begin() as session:
        event = make_event(session, now=now)
        for _ in range(4):
            make_payment(session, event, now=now)
        return tuple(somebody(session, name, Role.FINANCE, now=now) for name in ("Farai", "Gugu"))


def asked(sessions, person, now, wanted=Filter(), layout=Layout()):
    with sessions.begin() as session:
        return records.ask(session, person, wanted, layout, demo=True, now=now)


def begin(sessions, person, reference, now):
    with sessions.begin() as session:
        return records.begin(session, person, reference, now=now)


def test_many_payers_leave_the_desk_when_a_second_person_said_so_and_once(sessions, desk, now):
    takes, approves = desk
    file, other = asked(sessions, takes, now), asked(sessions, takes, now)
    assert file.asked_rows == 4
    with pytest.raises(Conflict, match="Nobody has approved exactly this"):
        begin(sessions, takes, file.reference, now)
    with sessions.begin() as session:
        request = records.ask_second(session, takes, file.reference, WHY, now=now)
    with pytest.raises(Conflict, match="Nobody has approved exactly this"):
        begin(sessions, takes, file.reference, now)
    with sessions.begin() as session:
        approvals.approve(session, approves, request.id, now=now)
    with pytest.raises(Conflict, match="Nobody has approved exactly this"):
        begin(sessions, takes, other.reference, now)
    with sessions.read() as session:
        assert [view.reference for view, _ in records.waiting(session, takes, now=now)] == [file.reference]
        assert request.bound["rows"] == 4
        assert "payer" in request.bound["columns"]
    delivery = Delivery(sessions, Children(sessions.engine.dialect.name), takes, file.reference, lambda: now)
    assert b"".join(delivery.pieces()).count(b"\r\n") == 5
    delivery.end()
    with pytest.raises(Conflict, match="fetched already"):
        begin(sessions, takes, file.reference, now)


@pytest.mark.parametrize("wanted", [Filter(), Filter(events=("devconf",)), Filter(text="Mokoena")])
def test_asking_counts_payments_and_adds_up_no_money(sessions, desk, now, wanted):
    """It writes, so that on SQLite others wait meanwhile, the gateway's messages among them."""
    statements: list[str] = []
    event.listen(sessions.engine, "before_cursor_execute", lambda *told: statements.append(told[2]))
    assert asked(sessions, desk[0], now, wanted).asked_rows == 4
    assert not [one for one in statements if "payments.amount_minor" in one]


def test_an_approval_that_is_a_day_old_lets_no_file_out(sessions, desk, now):
    takes, approves = desk
    file = asked(sessions, takes, now)
    with sessions.begin() as session:
        request = records.ask_second(session, takes, file.reference, WHY, now=now)
        approvals.approve(session, approves, request.id, now=now)
    with pytest.raises(Conflict, match="Nobody has approved exactly this"):
        begin(sessions, takes, file.reference, now + timedelta(days=1))


@pytest.mark.parametrize(
    "of, wanted, layout",
    [
        pytest.param(0, Filter(), MONEY_ONLY, id="many, with nothing about payers"),
        pytest.param(0, Filter(events=("NONE",)), Layout(), id="few, with payers"),
        pytest.param(None, Filter(), Layout(), id="whoever holds the machine"),
    ],
)
def test_what_tells_of_few_or_nobody_takes_no_second_person(sessions, desk, now, of, wanted, layout):
    person = SYSTEM if of is None else desk[of]
    file = asked(sessions, person, now, wanted, layout)
    assert file.asked_rows is None
    assert begin(sessions, person, file.reference, now).state == records.RUNNING


def test_few_that_became_many_before_they_were_fetched_are_refused(sessions, desk, now, monkeypatch):
    monkeypatch.setattr(records, "ALONE", 4)
    file = asked(sessions, desk[0], now)
    with sessions.begin() as session:
        make_payment(session, session.query(Event).one(), now=now)
    with pytest.raises(Conflict, match="takes a second person"):
        begin(sessions, desk[0], file.reference, now)
    with sessions.read() as session:
        assert records.get(session, desk[0], file.reference).state == records.ASKED
