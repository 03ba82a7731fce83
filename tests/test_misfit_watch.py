"""Money that does not fit is told to who can decide, within a minute, once, until they have."""

from datetime import timedelta

import pytest
from sqlalchemy import select

from db.models import Case, OutboxMail
from payments.access import staff
from payments.access.people import Role
from payments.deciding import attention, cases
from payments.deciding.cases import Decision, Reason
from payments.gateways import Answer
from payments.hearing import sync
from payments.reconciling.misfit_watch import ONE_BY_ONE, SAYS
from payments.watching import alerts, watch
from payments.watching.alerts import Kind
from payments.watching.watch import Watch
from tests.desk import ADMIN, issue, make_event
from tests.test_link_lives import again, pay

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
WHY = "Both were the same payer's, and one goes back."


@pytest.fixture
def link(sessions, gateway, now):
    with sessions.begin() as session:
        make_event(session, now=now)
        staff.create_person(
            session, ADMIN, name="Thandi", email="thandi@example.org", role=Role.ADMIN, events=None, now=now
        )
    return issue(sessions, gateway, now=now)


def told(sessions):
    with sessions.read() as session:
        return [alert for alert in alerts.active(session) if alert.kind is Kind.MISFIT]


def mailed(sessions):
    with sessions.read() as session:
        mails = session.scalars(select(OutboxMail.body).where(OutboxMail.key.startswith(alerts.MAILS)))
        return [body for body in mails if "Needs attention" in body]


def walk(watching, began, seconds):
    """The worker looks in every second, as it does between its rounds."""
    for second in range(1, seconds + 1):
        watching.look_around(now=began + second * SECOND)


def test_a_payment_that_two_links_paid_is_told_within_a_minute_once_until_it_is_decided(
    sessions, gateway, link, now, tmp_path
):
    view = again(sessions, gateway, link, now)
    watching = Watch(sessions, gateway, lambda: now, tmp_path)
    watching.look_around(now=now)
    pay(sessions, gateway, view.gateway_reference, now)
    pay(sessions, gateway, link.gateway_reference, now + SECOND)
    walk(watching, now, 60)
    (alert,) = told(sessions)
    assert alert.since - (now + SECOND) <= MINUTE
    assert len(mailed(sessions)) == 1
    for private in (link.reference, link.payer_name, "R150"):
        assert private not in alert.sentence
    walk(watching, now + MINUTE, 60)
    assert (len(told(sessions)), len(mailed(sessions))) == (1, 1)
    with sessions.begin() as session:
        case_id = session.scalars(select(Case.id).where(Case.reason == Reason.OVERPAID)).one()
        attention.decide(session, ADMIN, case_id, Decision.RETURN_MONEY, WHY, now=now + 2 * MINUTE)
    walk(watching, now + 2 * MINUTE, 6 * 60)
    assert told(sessions) == []


def test_an_amount_that_does_not_fit_is_told(sessions, gateway, link, now):
    gateway.says(link.gateway_reference, Answer.PAID, "PAID", amount_minor=14_999)
    sync.ask(sessions, {"ikhokha": gateway}, 1, now=now)
    with sessions.read() as session:
        (alarm,) = misfits(session, now)
    assert "another amount" in alarm.sentence


def misfits(session, now):
    return [alarm for alarm in watch.look(session, {}, now=now) if alarm.kind is Kind.MISFIT]


def test_a_gateway_gone_wrong_is_told_a_few_times_and_then_counted(sessions, gateway, link, now):
    issued = [issue(sessions, gateway, now=now, payer_name=f"Payer {nth}") for nth in range(ONE_BY_ONE + 3)]
    with sessions.begin() as session:
        for nth, _ in enumerate(issued):
            cases.open_case(session, Reason.AMOUNT_MISMATCH, payment_id=nth + 2, now=now)
        found = misfits(session, now)
    assert len(found) == len({alarm.key for alarm in found}) == ONE_BY_ONE + 1
    assert found[-1].sentence.startswith("Money does not fit its payment in 3 more cases. ")


def test_what_is_no_misfit_of_money_is_no_alert(sessions, link, now):
    with sessions.begin() as session:
        for reason in set(Reason) - set(SAYS) - {Reason.UNMATCHED_EVENT, Reason.UNREADABLE_EVENT}:
            cases.open_case(session, reason, payment_id=1, now=now)
        assert misfits(session, now) == []
