"""What the pages of payouts tell of days that came, of fees that nobody told, and of what may have come."""

from datetime import timedelta

import bootstrap
from db.money import Money
from payments.access.people import Role
from payments.lump_sums import payout_list, payout_watch
from tests.desk import ADMIN
from tests.test_pages import Desk, all_html, desk
from tests.test_payout_pages import PAGE, There, rows_of, texts

__all__ = ["desk"]


def explained_one(desk: Desk) -> There:
    bench = There(desk)
    for minor in (1500_00, 450_00, 900_00):
        bench.paid(Money(minor))
    bench.bank("2753.72")
    bench.propose()
    assert bench.explain().explained == 1
    return bench


def test_fees_that_nobody_told_are_by_the_tariff_and_no_payments_net_is_made_up(desk):
    bench = explained_one(desk)
    with bench.sessions.read() as session:
        told = payout_list.detail(session, ADMIN, 1)
    assert {line.fees_told for line in told.lines} == {False}
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAGE, payout="1")
    cells = [texts(row) for row in rows_of(at)]
    assert [(row[5], row[8]) for row in cells] == [
        (str(Money(minor)), "–") for minor in (1500_00, 450_00, 900_00)
    ]  # fmt: skip
    assert all_html(at).count("by the tariff") >= 3, "fees, VAT, and the payout's own"


def test_a_file_tells_the_net_of_each_payment(desk):
    bench = There(desk)
    bench.bring(bench.row(bench.paid()))
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAGE, payout="1")
    assert texts(rows_of(at)[0])[8] == str(Money(1450_84))
    assert all_html(at).count("by the tariff") == 1


def test_a_day_that_came_tells_how_many_payments_it_had(desk):
    bench = explained_one(desk)
    with bench.sessions.read() as session:
        (day,) = payout_watch.days(session, ADMIN, now=bench.now)
    assert (day.captures, day.payout_id) == (3, 1)


def test_what_is_late_and_may_have_come_says_so(desk, monkeypatch):
    bench = There(desk)
    first = bench.paid(at=bench.friday - timedelta(days=1))
    bench.bring(bench.row(first))  # payouts are followed here
    bench.paid()
    bench.bank("1300.00")
    bench.propose()
    app = bootstrap.app()
    later = desk.now + timedelta(days=4)
    monkeypatch.setattr(
        bootstrap, "app", lambda: bootstrap.App(app.settings, app.sessions, app.gateways, lambda: later)
    )
    desk.now = later
    desk.sign_in(Role.FINANCE)
    told = all_html(desk.open(PAGE))
    assert f"perhaps it has come: 1 lump sum is not explained, {Money(1300_00)}" in told
