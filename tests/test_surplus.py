"""Too much on a bank line pays another payment of the same payer, and can be taken back; the books hold."""

import json
from collections import Counter
from datetime import timedelta
from types import SimpleNamespace

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError
from typer.testing import CliRunner

import commands.surplus
import manage
from db.models import SurplusMove
from db.money import Money
from payments import timeline
from payments.access import staff
from payments.access.people import Role
from payments.books import integrity
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.lifecycle import Kind, Review, Status
from payments.matching import Target
from payments.reconciling import reconciliation, same_payer, surplus
from payments.reconciling.parts import Part
from payments.sign_off import adjustments, closing, journaling, last_stage, reconciled, sign_offs
from tests.desk import ADMIN, issue, payment_of
from tests.test_closing import MONDAY, TUESDAY, Desk
from tests.test_reconciliation import ORGANISER, PRICE

WHY, TOO_MUCH = "They asked for it by mail.", "Paid for two, and named one."
OVER = Money(600_00)


class Payer(Desk):
    """Somebody paid R600 too much for one payment and owes another."""

    def __init__(self, sessions, now):
        super().__init__(sessions, now)
        self.paid, self.other = self.owes(), self.owes(amount=Money(950_00))
        self.statement(0, (MONDAY, "EFT TM", PRICE.minor + OVER.minor), (TUESDAY, "EFT", 5_00))
        line = self.lines()[0].id
        self.match = self.accept(
            line, Part(Target.PAYMENT, PRICE, self.id_of(self.paid)),
            Part(Target.SURPLUS, OVER, self.id_of(self.paid)), why=TOO_MUCH,
        )  # fmt: skip

    def look(self) -> surplus.Surplus:
        with self.sessions.read() as session:
            (one,) = surplus.standing(session, self.audra)
            return one

    def move(self, to=None, amount=OVER, why=WHY, person=ADMIN) -> int:
        with self.sessions.begin() as session:
            return surplus.move(
                session, person, self.look().part_id, to or self.other, amount, why, now=self.now
            )

    def back(self, number, why="It was meant as a gift.") -> None:
        with self.sessions.begin() as session:
            surplus.undo(session, ADMIN, number, why, now=self.now)

    def told(self, reference) -> list[str]:
        with self.sessions.read() as session:
            found = timeline.entries(session, payment_of(session, reference))
            return [one.title for one in found if one.kind == Kind.SURPLUS]

    def sums(self, on) -> dict[str, int]:
        with self.sessions.read() as session:
            one = reconciled.statement(session, self.audra, self.account, on)
            assert not one.difference
            return {entry.name: entry.amount.minor for entry in one.books}

    def postings(self, day) -> dict[tuple[str, str], int]:
        with self.sessions.read() as session:
            (entry,) = journaling.entries(session, self.audra, self.account, day, day)
            assert sum(one.minor for one in entry.postings) == 0
            found = Counter[tuple[str, str]]()
            for one in entry.postings:
                found[str(one.book), one.event] += one.minor
            return {where: minor for where, minor in found.items() if minor}

    def lawful(self) -> None:
        super().lawful()
        with self.sessions.read() as session:
            assert list(surplus.broken(session)) == []


@pytest.fixture
def payer(sessions, now):
    return Payer(sessions, now)


def test_surplus_pays_another_payment_of_its_payer_and_is_taken_back(payer):
    assert (payer.look().left, payer.look().whose) == (OVER, (payer.paid,))
    with payer.sessions.read() as session:
        part = payer.look().part_id
        (one,) = same_payer.choices(session, payer.audra, [part])[part]
    assert (one.reference, one.owed) == (payer.other, Money(950_00))
    number = payer.move(amount=Money(500_00))
    assert payer.status(payer.other) == (Status.PART_PAID, 500_00, 1)
    assert payer.status(payer.paid) == (Status.PAID, PRICE.minor, 1)
    payer.move(amount=Money(100_00))
    assert (payer.look().left, len(payer.look().moves)) == (Money(0), 2)
    assert payer.sums(TUESDAY)["Surplus, owed to payers"] == 0
    payer.lawful()
    payer.back(number)
    assert payer.status(payer.other)[:2] == (Status.PART_PAID, 100_00)
    assert payer.look().left == Money(500_00)
    assert payer.sums(TUESDAY)["Surplus, owed to payers"] == 500_00
    with pytest.raises(Conflict, match="took this back already"):
        payer.back(number)
    first, _, last = payer.told(payer.other)
    assert f"paid it with R500.00, surplus of {payer.paid}" in first
    assert "It was meant as a gift" in last
    assert (
        f"moved R500.00, surplus on the bank line of 23 Nov 2026, to {payer.other}"
        in (payer.told(payer.paid)[0])
    )
    payer.lawful()


def test_what_cannot_be_moved_is_refused_with_what_could(payer):
    for amount in (Money(600_01), Money(0), Money(-100), Money(100, "USD")):
        with pytest.raises(InvalidInput, match=r"R600\.00 at most"):
            payer.move(amount=amount)
    with pytest.raises(InvalidInput, match="Say why"):
        payer.move(why="no")
    assert payer.status(payer.other)[:2] == (Status.OPEN, 0)


def test_more_than_the_other_payment_lacks_stays_surplus(payer):
    small = payer.owes(amount=Money(50_00))
    with pytest.raises(InvalidInput, match=r"R50\.00 at most"):
        payer.move(small)
    payer.move(small, Money(50_00))
    with pytest.raises(Conflict, match="asks for nothing"):
        payer.move(small, Money(1_00))


def test_only_the_same_payers_payment_is_paid(payer):
    stranger = payer.owes("Sipho Dlamini")
    namesake = issue(
        payer.sessions, payer.gateway, now=payer.now, amount=PRICE, payer_name="Thandeka Mokoena",
        payer_email="another@example.org",
    ).reference  # fmt: skip
    for one in (stranger, namesake, payer.paid):
        with pytest.raises(InvalidInput, match="neither address nor phone"):
            payer.move(one)
    unreachable = issue(
        payer.sessions, payer.gateway, now=payer.now, amount=PRICE, payer_name="thandeka mokoena",
        payer_email="",
    ).reference  # fmt: skip
    payer.move(unreachable)
    assert payer.status(unreachable)[:2] == (Status.PART_PAID, OVER.minor)
    with pytest.raises(NotFound):
        payer.move("DEMO_REG_NONE")
    for person in (ORGANISER, payer.audra):
        with pytest.raises(NotAllowed):
            payer.move(person=person)


def test_a_line_of_nobody_says_what_to_do(payer):
    with payer.sessions.begin() as session:
        reconciliation.undo(session, ADMIN, payer.match, WHY, now=payer.now)
    line = payer.lines()[0].id
    payer.accept(line, Part(Target.SURPLUS, PRICE + OVER), why=TOO_MUCH)
    with pytest.raises(InvalidInput, match="say whose the surplus is"):
        payer.move()
    with payer.sessions.read() as session:
        part = payer.look().part_id
        assert same_payer.choices(session, payer.audra, [part]) == {part: []}


def test_a_match_is_not_undone_over_what_its_surplus_paid(payer):
    number = payer.move()
    with pytest.raises(Conflict, match=f"pays {payer.other}: take that back first"):
        payer.undo(payer.match)
    payer.back(number)
    payer.undo(payer.match)
    assert payer.status(payer.paid)[0] == Status.OPEN
    payer.lawful()


def test_the_bank_takes_a_line_back_and_what_its_surplus_paid_waits_again(payer):
    payer.move()
    payer.statement(PRICE.minor + OVER.minor, (TUESDAY, "RD EFT TM", -PRICE.minor - OVER.minor))
    taking = payer.lines()[-1].id
    match = payer.accept(
        taking, Part(Target.LINE, -(PRICE + OVER), line_id=payer.lines()[0].id), way="by hand"
    )
    assert payer.status(payer.paid)[:2] == payer.status(payer.other)[:2] == (Status.OPEN, 0)
    assert payer.review(payer.other) == Review.BANK_TOOK_IT_BACK
    payer.lawful()
    payer.undo(match)
    assert payer.status(payer.paid)[:2] == (Status.PAID, PRICE.minor)
    assert payer.look().left == OVER
    payer.lawful()


# -- closing ------------------------------------------------------------------------------------------


def test_moved_on_an_open_day_it_is_in_that_days_journal(payer):
    payer.move()
    payer.close(MONDAY)
    assert payer.postings(MONDAY) == {
        ("bank", ""): 2100_00, ("clearing", "devconf"): -2100_00,
    }  # fmt: skip
    with payer.sessions.read() as session:
        assert last_stage.signed_off(session, payer.other).whole
    payer.sound()


def test_moved_after_its_day_was_signed_it_is_booked_on_the_next_and_locked_with_it(payer):
    payer.close(MONDAY)
    signed, before = payer.postings(MONDAY), payer.sums(MONDAY)
    number = payer.move()
    assert (payer.postings(MONDAY), payer.sums(MONDAY)) == (signed, before)
    assert before["Surplus, owed to payers"] == OVER.minor
    with payer.sessions.read() as session:
        (told,) = adjustments.listed(session, payer.audra, payer.account)
    assert (told.on, told.booked_on, told.amount) == (MONDAY, TUESDAY, OVER)
    assert f"surplus moved to {payer.other}" in told.why
    assert payer.draft(TUESDAY).figures.late_matches.count == 1
    with payer.sessions.begin() as session:
        waits = closing.draft(session, payer.farai, payer.account, TUESDAY, now=payer.now).waiting
        assert len(waits) == 1
    payer.accept(payer.lines()[1].id, Part(Target.ASIDE, Money(5_00)), why="Nobody knows it.")
    payer.close(TUESDAY)
    assert payer.postings(TUESDAY) == {
        ("bank", ""): 5_00, ("suspense", ""): -5_00,
        ("surplus", "devconf"): OVER.minor, ("clearing", "devconf"): -OVER.minor,
    }  # fmt: skip
    with pytest.raises(Conflict, match="was signed off"):
        payer.back(number)
    with pytest.raises(DatabaseError), payer.sessions.begin() as session:
        session.execute(text("UPDATE surplus_moves SET amount_minor = 1"))
    with pytest.raises(DatabaseError), payer.sessions.begin() as session:
        session.execute(text("DELETE FROM surplus_moves"))
    payer.sound()


def test_a_day_on_which_only_surplus_was_moved_can_be_signed(sessions, now):
    payer = Payer(sessions, now)
    for day in (MONDAY, TUESDAY):
        if day == TUESDAY:
            payer.accept(payer.lines()[1].id, Part(Target.ASIDE, Money(5_00)), why="Nobody knows it.")
        payer.close(day)
    payer.move()
    wednesday = TUESDAY + timedelta(days=1)
    with payer.sessions.read() as session:
        days = sign_offs.strip(session, payer.audra, payer.account, MONDAY, now=payer.now)
    assert [day.on for day in days if day.figures.late_matches.count] == [wednesday]
    said = [one.sentence for one in payer.draft(wednesday).blockers]
    assert not any("nothing to sign" in one for one in said)


FORGED = {
    "UPDATE surplus_moves SET amount_minor = 1": "its receipt says otherwise",
    "UPDATE surplus_moves SET undone_at = at, undone_by = 'x'": "stands otherwise than its receipt",
    "DELETE FROM surplus_moves": "no move brought it",
    "UPDATE matches SET undone_at = at, undone_by = 'x'": "its match was undone",
    "UPDATE receipts SET amount_minor = 70000 WHERE source_reference LIKE 'surplus-%'": "says otherwise",
}


def test_books_that_do_not_hold_are_named(payer):
    payer.move()
    for forged, told in FORGED.items():
        with payer.sessions.begin() as session:
            session.execute(text(forged))
            assert told in next(surplus.broken(session))
            session.rollback()
    assert surplus.broken in [rule.broken_by for rule in integrity.RULES]
    payer.lawful()


def test_the_same_surplus_is_not_moved_twice(payer):
    for _ in range(2):
        payer.move(amount=Money(300_00))
    with pytest.raises(InvalidInput, match=r"R0\.00 at most"):
        payer.move(amount=Money(1))
    with payer.sessions.read() as session:
        assert len(session.scalars(select(SurplusMove)).all()) == 2


@pytest.fixture
def command(payer, monkeypatch):
    """Run `manage.py surplus …` as the admin at the desk of this database; returns its JSON."""
    with payer.sessions.begin() as session:
        staff.create_person(
            session, ADMIN, name=ADMIN.name, email=ADMIN.email, role=Role.ADMIN, events=None, now=payer.now
        )
    here = SimpleNamespace(
        sessions=payer.sessions, now=lambda: payer.now, settings=SimpleNamespace(environment="demo")
    )
    monkeypatch.setattr(commands.surplus, "open_desk", lambda: here)

    def run(*words):
        done = CliRunner().invoke(
            manage.cli, ["surplus", *words, "--as", ADMIN.email, "--json"], catch_exceptions=False
        )
        assert done.exit_code == 0, done.output
        return json.loads(done.output)

    return run


def test_surplus_is_moved_and_taken_back_by_command_line(payer, command):
    (one,) = command("list")["surplus"]
    assert (one["left_minor"], one["of"], one["moves"]) == (OVER.minor, [payer.paid], [])
    assert one["could_pay"] == [{"payment": payer.other, "owed_minor": 950_00}]
    number = str(one["surplus"])
    some = command("move", number, "--to", payer.other, "--amount", "R250", "--why", WHY)
    assert (some["amount_minor"], some["payment"]) == (250_00, payer.other)
    rest = command("move", number, "--to", payer.other, "--why", WHY)
    assert rest["amount_minor"] == 350_00
    assert payer.status(payer.other)[:2] == (Status.PART_PAID, 600_00)
    (one,) = command("list")["surplus"]
    assert [(move["move"], move["why"]) for move in one["moves"]] == [
        (some["move"], WHY),
        (rest["move"], WHY),
    ]
    assert (one["left_minor"], one["could_pay"]) == (0, [])
    assert command("take-back", str(some["move"]), "--why", "It was a gift.") == {"move": some["move"]}
    assert payer.look().left == Money(250_00)
    payer.lawful()


@pytest.mark.parametrize(
    "words, error, said",
    [
        pytest.param(("--amount", "R600.01"), InvalidInput, "R600.00 at most can be moved", id="too much"),
        pytest.param(("--amount", "much"), InvalidInput, "is not an amount", id="no amount"),
        pytest.param(("--why", " "), InvalidInput, "[Rr]eason|why", id="no reason"),
        pytest.param(("--to", "REG_2222222"), NotFound, "There is no payment", id="no payment"),
    ],
)
def test_the_command_line_holds_to_the_same_rules(payer, command, words, error, said):
    given = {"--to": payer.other, "--why": WHY, **dict([words])}
    with pytest.raises(error, match=said):
        command("move", str(payer.look().part_id), *(word for pair in given.items() for word in pair))
    with pytest.raises(NotFound, match="no such surplus"):
        command("move", "999999", "--to", payer.other, "--why", WHY)
    assert payer.look().left == OVER
