"""A payout that nothing explains: one person says so, two where it is much, and it keeps its name."""

from dataclasses import replace
from datetime import date

import pytest

from db.money import Money
from payments.access.people import Role
from payments.bank import imports
from payments.errors import Conflict, InvalidInput, NotAllowed
from payments.lump_sums import explaining, payout_list, payout_watch
from payments.lump_sums.payout_watch import DayState
from payments.matching import Target
from payments.reconciling import reconciliation
from payments.reconciling.parts import Decided, Part
from payments.second_person import approvals, two_people, unexplained
from payments.sign_off import reconciled, statement_pdf
from tests.desk import ADMIN
from tests.test_approvals import somebody
from tests.test_closing_papers import signed
from tests.test_pages import Desk, all_html, desk, everything
from tests.test_payout_pages import PAGE, There
from tests.test_settlements import Bench

__all__ = ["desk"]
WHY = "iKhokha was asked and says it is so"
MONDAY = date(2026, 11, 23)
#: One payment of R1 500.00 brings so much where it was by EFT, which is nearest to what is too much.
BROUGHT, TOO_MUCH = Money(1462_62), Money(7985_34)


def a_line(bench, brought: str) -> None:
    """A payout's line of a statement that tells its balances."""
    rows = f"Date,Description,Amount,Balance\n2026-11-23,MAGTAPE CREDIT IKHOKHA PAYOUT,{brought},{brought}\n"
    with bench.sessions.begin() as session:
        imports.import_file(session, ADMIN, bench.account, "a.csv", rows.encode(), now=bench.now)
    bench.propose()
    bench.explain()


@pytest.fixture
def bench(sessions, now):
    bench = Bench(sessions, now)
    bench.reference = bench.paid()
    return bench


@pytest.fixture
def people(bench):
    with bench.sessions.begin() as session:
        roles = {"themba": Role.FINANCE, "fikile": Role.FINANCE, "aisha": Role.ORGANISER}
        return {name: somebody(session, name.title(), role, now=bench.now) for name, role in roles.items()}


def looked(bench):
    with bench.sessions.read() as session:
        (asked,) = explaining.explain(session, ADMIN)
    return asked


def ask(bench, person, why=WHY):
    asked = looked(bench)
    with bench.sessions.begin() as session:
        return unexplained.ask(session, person, asked, 0, why, now=bench.now)


def approve(bench, person, request):
    with bench.sessions.begin() as session:
        return two_people.approve(session, person, request.id, now=bench.now)


def payouts(bench):
    with bench.sessions.read() as session:
        return payout_list.listing(session, ADMIN)


def test_more_than_one_may_write_off_takes_a_second_person(bench, people):
    a_line(bench, "9447.96")
    asked = looked(bench)
    with (
        bench.sessions.begin() as session,
        pytest.raises(InvalidInput, match=r"of this sum is not"),
    ):
        explaining.accept(session, people["themba"], asked, 0, now=bench.now, why=WHY)
    request = ask(bench, people["themba"])
    assert payouts(bench) == []
    assert request.amount == TOO_MUCH
    told = request.bound
    assert (told["came"], told["text"]) == (
        f"{Money(9447_96)} on 23 Nov 2026",
        "MAGTAPE CREDIT IKHOKHA PAYOUT",
    )
    assert (told["payments"], told["unexplained"]) == (
        f"1: {bench.reference} {Money(1500_00)}",
        str(TOO_MUCH),
    )
    with pytest.raises(NotAllowed, match="asked for this yourself"):
        approve(bench, people["themba"], request)
    assert approve(bench, people["fikile"], request).state is approvals.State.USED
    (payout,) = payouts(bench)
    assert (payout.net, payout.gross, payout.unexplained) == (
        Money(9447_96), Money(1500_00), TOO_MUCH
    )  # fmt: skip
    with bench.sessions.read() as session:
        assert payout_list.detail(session, ADMIN, payout.id).made_by == "Themba and Fikile"
    bench.lawful()


def test_what_one_may_write_off_one_may_accept_with_a_reason(bench, people):
    a_line(bench, "1487.96")
    asked = looked(bench)
    with bench.sessions.begin() as session, pytest.raises(InvalidInput, match="One person may say"):
        unexplained.ask(session, people["themba"], asked, 0, WHY, now=bench.now)
    with bench.sessions.begin() as session, pytest.raises(InvalidInput, match="Say why"):
        explaining.accept(session, people["themba"], asked, 0, now=bench.now)
    with bench.sessions.begin() as session:
        explaining.accept(session, people["themba"], asked, 0, now=bench.now, why=WHY)
    assert payouts(bench)[0].unexplained == Money(25_34)


def test_that_another_explanation_was_as_good_is_told_to_whoever_approves_and_stays_told(bench, people):
    a_line(bench, "9447.96")
    asked = looked(bench)
    of_two = replace(asked, found=asked.found[:1] * 2)
    with bench.sessions.begin() as session:
        request = unexplained.ask(session, people["themba"], of_two, 0, WHY, now=bench.now)
    assert request.bound["as_good"] == 2
    approve(bench, people["fikile"], request)
    with bench.sessions.read() as session:
        assert payout_list.detail(session, ADMIN, 1).explanation["as_good"] == 2


def test_it_is_asked_once_and_who_may_not_reconcile_does_not_ask(bench, people):
    a_line(bench, "9447.96")
    with pytest.raises(NotAllowed):
        ask(bench, people["aisha"])
    ask(bench, people["themba"])
    with pytest.raises(Conflict, match="Themba asked a second person about this already"):
        ask(bench, people["fikile"], why="Another reason altogether")
    with bench.sessions.begin() as session, pytest.raises(Conflict, match="asked a second person"):
        explaining.accept(session, people["fikile"], looked(bench), 0, now=bench.now, why=WHY)


def test_what_changed_since_is_not_what_was_asked(bench, people):
    a_line(bench, "9447.96")
    request = ask(bench, people["themba"])
    decided = Decided(1, (Part(Target.ASIDE, Money(9447_96)),), "", {}, why="A loan of the founder.")
    with bench.sessions.begin() as session:
        reconciliation.accept(session, ADMIN, decided, now=bench.now)
    with pytest.raises(Conflict, match="does not wait any more"):
        approve(bench, people["fikile"], request)
    assert payouts(bench) == []
    bench.undo_match()
    bench.bring(bench.row(bench.reference))  # a file has the payment in another payout by now
    with pytest.raises(Conflict, match="in another payout by now"):
        approve(bench, people["fikile"], request)
    assert len(payouts(bench)) == 1
    bench.lawful()


def test_the_difference_has_a_line_of_its_own_and_no_day_should_have_brought_it(bench, people):
    a_line(bench, "9447.96")
    approve(bench, people["fikile"], ask(bench, people["themba"]))
    with bench.sessions.read() as session:
        told = reconciled.statement(session, ADMIN, bench.account, MONDAY)
        (day,) = payout_watch.days(session, ADMIN, now=bench.now)
    unknown = next(one for one in told.adjustments if one.name == "Brought by payouts, not explained")
    assert [(row.text, row.amount) for row in unknown.rows] == [
        ("Not explained of payout 1", TOO_MUCH)
    ]  # fmt: skip
    assert {one.name: one.amount for one in told.books} == {"Payouts of the gateway, net": BROUGHT}
    assert (told.total, told.difference) == (BROUGHT, Money(0))
    rows = list(statement_pdf._summary(told))
    assert any(name == unknown.name for _, name, _ in rows)
    assert (day.state, day.gross, day.least, day.most) == (
        DayState.BANKED, Money(1500_00), BROUGHT, BROUGHT
    )  # fmt: skip
    (entry,) = signed(bench, bench.now)
    assert [one.minor for one in entry.postings if "not explained" in one.text] == [-TOO_MUCH.minor]


def test_nothing_is_chosen_for_a_person_and_what_they_ask_waits_marked(desk: Desk):
    bench = There(desk)
    bench.paid()
    a_line(bench, "9447.96")
    desk.sign_in(Role.FINANCE)
    with desk.sessions.begin() as session:
        other = somebody(session, "Fikile", Role.FINANCE, now=desk.now)
    at = desk.open(PAGE)
    at.button(key="explain").click().run()
    assert at.radio(key="choice_line:1").value is None
    press = "Ask a second person to accept it so"
    next(each for each in at.button if each.label == press).click().run()
    assert [one.value for one in at.error] == ["Choose one of them first\\."]
    at.radio(key="choice_line:1").set_value(0)
    next(each for each in at.text_input if each.label == "Why it is accepted so").set_value(WHY)
    next(each for each in at.button if each.label == press).click().run()
    assert not at.exception
    said = "".join(everything(at))
    assert "a second person decides under Approvals" in said
    assert "asked for by finance person" in said
    assert not [each for each in at.button if each.label == press]
    with desk.sessions.begin() as session:
        two_people.approve(session, other, 1, now=desk.now)
    told = all_html(desk.open(PAGE, payout="1"))
    assert f"{TOO_MUCH} of it is not explained" in told
    assert "Not explained" in told
    assert "to the cent" not in told
