"""What the desk remembers of payers is shown with its reasons, and forgotten when somebody says so."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from db.models import AuditEntry
from db.money import Money
from payments import timeline
from payments.access.people import Person, Role
from payments.errors import InvalidInput, NotAllowed, NotFound
from payments.lifecycle import Kind
from payments.matching import Target
from payments.reconciling import payer_memory, reconciliation
from payments.reconciling.parts import Decided, Part
from payments.reconciling.payer_memory import Remembered
from tests.desk import ADMIN, payment_of
from tests.test_pages import Desk, all_html, desk, harmless
from tests.test_reconcile_pages import banked, button, owes, waiting
from tests.test_reconciliation import ORGANISER, PRICE, Bench

AUDITOR = Person(5, "Audra", "audra@example.org", Role.AUDITOR, None)
PAYER, WHY = "EFT KAROO HOLDINGS", "They pay for somebody else by now."
__all__ = ["desk"]


class Payers(Bench):
    def pays(self, name="Thandeka Mokoena", text=PAYER) -> str:
        """A line of this payer is matched by hand; returns the payment's reference."""
        one = self.owes(name)
        (line,) = self.bank((f"{text} {self.files}", "1500.00"))
        self.accept(line, Part(Target.PAYMENT, PRICE, self.id_of(one)))
        return one

    def known(self, said="", person=ADMIN) -> list[Remembered]:
        with self.sessions.read() as session:
            return payer_memory.listed(session, person, now=self.now, text=said)[0]

    def forget(self, one: Remembered, why=WHY, person=ADMIN) -> None:
        with self.sessions.begin() as session:
            payer_memory.forget(session, person, one.line_id, one.payment_id, why, now=self.now)


@pytest.fixture
def payers(sessions, now):
    return Payers(sessions, now)


def test_what_is_remembered_is_told_with_the_matches_that_taught_it_and_how_often_it_spoke(payers):
    first, second = payers.pays(), payers.pays()
    payers.owes()
    (line,) = payers.bank((PAYER, "1500.00"))
    run = payers.propose()
    assert sum(run.accepted.values()) == 1  # by the amount and what is remembered
    (one,) = payers.known()
    assert (one.payer, one.people, one.contact) == (
        "KAROO", ("Thandeka Mokoena",), "thandeka@example.org"
    )  # fmt: skip
    assert (one.seen, one.by_people, one.used, one.speaks, one.firm) == (3, 2, 1, True, True)
    assert {lesson.reference for lesson in one.lessons} > {first, second}
    assert one.lessons[0].line_id == line
    assert one.last_on == payers.now.date()


def test_once_is_a_sign_and_not_enough_and_it_fades(payers):
    payers.pays()
    (one,) = payers.known()
    assert (one.seen, one.speaks, one.firm) == (1, True, False)
    payers.now += timedelta(days=365)
    (one,) = payers.known()
    assert not one.speaks
    payers.now += timedelta(days=60)
    assert payers.known() == []


def test_what_is_forgotten_speaks_no_more_until_a_match_says_so_anew(payers):
    payers.pays()
    taught = payers.pays()
    (one,) = payers.known()
    payers.forget(one)
    assert payers.known() == []
    payers.owes()
    (line,) = payers.bank((PAYER, "1500.00"))
    assert not payers.propose().accepted
    with payers.sessions.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "forget_payer")).one()
        assert (entry.subject, entry.detail["why"]) == (taught, WHY)
        told = timeline.entries(session, payment_of(session, taught))
        assert any(WHY in str(each.detail) for each in told if each.kind == Kind.NOTE)
    payers.now += timedelta(minutes=1)
    other = payers.owes()
    payers.accept(line, Part(Target.PAYMENT, PRICE, payers.id_of(other)))
    (again,) = payers.known()
    assert again.seen == 1
    payers.lawful()


def test_another_payer_of_the_same_person_is_still_remembered(payers):
    payers.pays()
    payers.pays(text="EFT FYNBOS")
    payers.pays("Sipho Dlamini")
    assert {(one.payer, one.contact) for one in payers.known()} == {
        ("KAROO", "thandeka@example.org"), ("FYNBOS", "thandeka@example.org"),
        ("KAROO", "sipho@example.org"),
    }  # fmt: skip
    assert [one.payer for one in payers.known("fynbos")] == ["FYNBOS"]
    assert [one.people for one in payers.known("SIPHO")] == [("Sipho Dlamini",)]
    assert payers.known("nobody") == []
    payers.forget(payers.known("sipho")[0])
    assert {one.contact for one in payers.known()} == {"thandeka@example.org"}


def test_a_refused_pair_and_an_undone_match_are_not_remembered(payers):
    one = payers.owes()
    (line,) = payers.bank((PAYER, "1500.00"))
    match = payers.accept(line, Part(Target.PAYMENT, PRICE, payers.id_of(one)))
    payers.undo(match)
    assert payers.known() == []


def test_who_only_looks_forgets_nothing_and_a_reason_is_told(payers):
    payers.pays()
    (one,) = payers.known(person=AUDITOR)
    for person in (AUDITOR, ORGANISER):
        with pytest.raises(NotAllowed):
            payers.forget(one, person=person)
    with pytest.raises(NotAllowed):
        payers.known(person=ORGANISER)
    with pytest.raises(InvalidInput, match="Say why"):
        payers.forget(one, why=" ")
    with payers.sessions.begin() as session, pytest.raises(NotFound):
        payer_memory.forget(session, ADMIN, 999, one.payment_id, WHY, now=payers.now)
    payers.forget(one)
    with payers.sessions.begin() as session, pytest.raises(DatabaseError, match="only ever added"):
        session.execute(text("DELETE FROM memory_drops"))


PAGE = "pages/finance/memory.py"


def test_the_page_shows_it_and_forgets(desk: Desk):
    desk.sign_in(Role.AUDITOR)
    assert "Nobody is remembered yet" in all_html(desk.open(PAGE))
    one = owes(desk)
    banked(desk, ("EFT <b>KAROO</b> HOLDINGS", "1500.00"))
    (waits,) = waiting(desk)
    with desk.sessions.begin() as session:
        part = Part(Target.PAYMENT, Money(150_000), payment_of(session, one).id)
        reconciliation.accept(session, ADMIN, Decided(waits.line_id, (part,), "by hand", {}), now=desk.now)
    at = desk.open(PAGE)
    harmless(at)
    assert "KAROO" in all_html(at)
    assert not at.button
    desk.sign_in(Role.FINANCE)
    at = desk.open(PAGE)
    at.text_input(key="memory_text").set_value("fynbos").run()
    assert "Nobody like this" in all_html(at)
    at.text_input(key="memory_text").set_value("karoo").run()
    (why,) = [field for field in at.text_input if field.label == "Why?"]
    why.set_value(WHY)
    button(at, "Forget it").click().run()
    assert at.success[0].value.startswith("Forgotten")
    assert "Nobody like this" in all_html(at)
