"""A line that a second person is asked about: what they see of it, and what everybody else does meanwhile."""

import pytest

from db.money import Money
from payments.access.people import Role
from payments.errors import Conflict
from payments.matching import Target
from payments.reconciling.parts import Decided, Part
from payments.second_person import two_people
from tests.desk import payment_of
from tests.test_approvals import somebody
from tests.test_pages import Desk, all_html, desk, everything
from tests.test_reconcile_pages import BENCH, banked, lines, owes, waiting

__all__ = ["desk"]


@pytest.fixture
def asked(desk: Desk) -> str:
    """Farai asked to write R549.49 off; a colleague of finance looks."""
    one = owes(desk, "Nazeem Jacobs", 129_999)
    banked(desk, ("IB PAYMENT FROM DLAMINI R", "750.50"))
    with desk.sessions.begin() as session:
        farai = somebody(session, "Farai", Role.FINANCE, now=desk.now)
        part = Part(Target.PAYMENT, Money(750_50), payment_of(session, one).id, Money(549_49))
    desk.sign_in(Role.FINANCE)
    decided = Decided(waiting(desk)[0].line_id, (part,), "by hand", {}, why="She pays no more than this.")
    desk.ask = lambda: desk.sessions.run(
        lambda session: two_people.ask_write_off(session, farai, decided, now=desk.now)
    )
    desk.ask()
    return one


def test_who_approves_a_write_off_sees_what_the_bank_wrote_and_what_becomes_of_whom(desk, asked):
    at = desk.open("pages/monitor/approvals.py")
    assert not at.exception
    told = all_html(at)
    for words in ("IB PAYMENT FROM DLAMINI R", "Nazeem Jacobs", f"write off {Money(549_49)} that {asked}"):
        assert words in told
    assert f"{Money(750_50)} of the line for {asked}" in told
    assert "Changes so far" not in told
    assert "Open the bank line" in "".join(everything(at))


def test_the_line_is_marked_in_its_row_and_its_drawer_and_asked_about_once(desk, asked):
    said = f"Farai asked to write off {Money(549_49)}"
    (line,) = lines(desk.open(BENCH))
    assert line["asked"]["word"] == said
    assert "A second person decides" in line["remedy"]
    drawer = desk.open(BENCH, line=line["id"])
    assert said in "".join(everything(drawer)).replace("\\", "")
    with pytest.raises(Conflict, match="Farai asked a second person about this already"):
        desk.ask()
