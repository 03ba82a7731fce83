"""What one person may not write off, two may: asked for with the line as it would be matched."""

import pytest

from db.money import Money
from payments.access.people import Role
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.lifecycle import Status
from payments.matching import Target
from payments.reconciling.parts import Decided, Part
from payments.second_person import approvals, two_people
from tests.test_approvals import somebody
from tests.test_reconciliation import Bench

WHY = "The company closed, and the rest is lost"


@pytest.fixture
def bench(sessions, now):
    return Bench(sessions, now)


@pytest.fixture
def people(bench, sessions, now):
    with sessions.begin() as session:
        return {
            "farai": somebody(session, "Farai", Role.FINANCE, now=now),
            "fikile": somebody(session, "Fikile", Role.FINANCE, now=now),
            "aisha": somebody(session, "Aisha", Role.ORGANISER, now=now),
        }


def ask(bench, person, line, *parts, why=WHY):
    with bench.sessions.begin() as session:
        decided = Decided(line, parts, "by hand", {}, why=why)
        return two_people.ask_write_off(session, person, decided, now=bench.now)


def approve(bench, person, request):
    with bench.sessions.begin() as session:
        return two_people.approve(session, person, request.id, now=bench.now)


def short(bench, reference, got=1200_00, off=300_00) -> Part:
    return Part(Target.PAYMENT, Money(got), bench.id_of(reference), Money(off))


def test_one_asks_another_approves_and_the_line_is_matched_as_asked(bench, people):
    one = bench.owes()
    (line,) = bench.bank(("EFT A", "1200.00"))
    request = ask(bench, people["farai"], line, short(bench, one))
    assert bench.status(one) == (Status.OPEN, 0, 0)
    assert request.bound["for"] == [one]
    assert (request.amount, request.bound["let_off"]) == (Money(300_00), ["300.00"])
    with pytest.raises(NotAllowed, match="asked for this yourself"):
        approve(bench, people["farai"], request)
    with pytest.raises(NotFound):
        approve(bench, people["aisha"], request)
    assert approve(bench, people["fikile"], request).state is approvals.State.USED
    assert bench.status(one)[:2] == (Status.PAID, 1200_00)
    (match,) = bench.matches()
    assert (match.by, match.why, match.parts[0].written_off) == ("Farai and Fikile", WHY, Money(300_00))
    bench.lawful()
    bench.undo(match.id)
    assert bench.status(one)[:2] == (Status.OPEN, 0)
    bench.lawful()


def test_what_is_for_others_and_left_over_comes_with_it(bench, people):
    one, other = bench.owes(), bench.owes("Sipho Dlamini")
    (line,) = bench.bank(("EFT A", "2800.00"))
    parts = (
        short(bench, one), Part(Target.PAYMENT, Money(1500_00), bench.id_of(other)),
        Part(Target.SURPLUS, Money(100_00), bench.id_of(one)),
    )  # fmt: skip
    approve(bench, people["fikile"], ask(bench, people["farai"], line, *parts))
    assert bench.status(one)[0] == bench.status(other)[0] == Status.PAID
    assert [(part.target, part.amount) for part in bench.matches()[0].parts] == [
        ("payment", Money(1200_00)), ("payment", Money(1500_00)), ("surplus", Money(100_00)),
    ]  # fmt: skip
    bench.lawful()


def test_a_payment_or_line_that_changed_since_is_not_what_was_asked(bench, people):
    one = bench.owes()
    line, other = bench.bank(("EFT A", "1200.00"), ("EFT B", "100.00"))
    request = ask(bench, people["farai"], line, short(bench, one))
    bench.accept(other, Part(Target.PAYMENT, Money(100_00), bench.id_of(one)))
    with pytest.raises(Conflict, match="has changed since"):
        approve(bench, people["fikile"], request)
    two = bench.owes("Sipho Dlamini")
    with pytest.raises(Conflict, match="Farai asked a second person about this already"):
        ask(bench, people["fikile"], line, short(bench, two))
    with bench.sessions.begin() as session:
        approvals.withdraw(session, people["farai"], request.id, now=bench.now)
    request = ask(bench, people["farai"], line, short(bench, two))
    bench.accept(line, Part(Target.ASIDE, Money(1200_00)), why="It is no payment of ours.")
    with pytest.raises(Conflict, match="matched already"):
        approve(bench, people["fikile"], request)
    assert bench.status(two) == (Status.OPEN, 0, 0)
    bench.lawful()


@pytest.mark.parametrize(
    "got, off, why, says",
    [
        pytest.param(1450_00, 50_00, WHY, "one payment at a time", id="what one person may"),
        pytest.param(1200_00, 200_00, WHY, "Only all that", id="not all that it lacks"),
        pytest.param(1200_00, 300_00, "Lost it", "Say why", id="no reason to speak of"),
    ],
)
def test_what_is_no_such_request_is_refused(bench, people, got, off, why, says):
    one = bench.owes()
    (line,) = bench.bank(("EFT A", f"{got // 100}.00"))
    with pytest.raises(InvalidInput, match=says):
        ask(bench, people["farai"], line, short(bench, one, got, off), why=why)


def test_who_may_not_reconcile_does_not_ask(bench, people):
    one = bench.owes()
    (line,) = bench.bank(("EFT A", "1200.00"))
    with pytest.raises(NotAllowed):
        ask(bench, people["aisha"], line, short(bench, one))
