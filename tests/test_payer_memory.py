"""What the desk remembers of payers is shown with its reasons, and forgotten when somebody says so."""

from datetime import timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from db.models import AuditEntry
from db.money import Money
from payments import timeline
from payments.access.people import Person, Role
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.lifecycle import Kind
from payments.matching import Target
from payments.reconciling import payer_memory, reconciliation
from payments.reconciling.parts import Decided, Part
from payments.reconciling.payer_memory import Remembered
from tests.desk import ADMIN, issue, payment_of
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

    def correct(self, one: Remembered, to: str, why=WHY, person=ADMIN) -> int:
        """Corrected a minute later to whom the payment ``to`` is of."""
        self.now += timedelta(minutes=1)
        with self.sessions.begin() as session:
            return payer_memory.correct(
                session, person, one.line_id, one.payment_id, payment_of(session, to).id, why, now=self.now
            )

    def take_back(self, edit: int, why=WHY, person=ADMIN) -> None:
        self.now += timedelta(minutes=1)
        with self.sessions.begin() as session:
            payer_memory.take_back(session, person, edit, why, now=self.now)

    def whose(self) -> set[tuple[str, int, bool]]:
        """Of the payer: contacts, in how many matches seen, whether that is enough."""
        return {(one.contact, one.seen, one.firm) for one in self.known()}

    def told(self, reference: str) -> str:
        with self.sessions.read() as session:
            views = timeline.entries(session, payment_of(session, reference))
            return " ".join(str(each.detail) for each in views if each.kind == Kind.NOTE)

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


# -- corrected ------------------------------------------------------------------------------------------

THANDEKA, SIPHO = "thandeka@example.org", "sipho@example.org"


def test_corrected_it_stands_for_somebody_else_and_what_taught_it_does_not_teach_it_back(payers):
    taught = payers.pays(), payers.pays()
    (one,) = payers.known()
    other = payers.owes("Sipho Dlamini")
    edit = payers.correct(one, other)
    (now,) = payers.known()
    assert (now.contact, now.people, now.seen, now.firm) == (SIPHO, ("Sipho Dlamini",), 0, False)
    (said,) = now.corrections
    assert (said.id, said.by, said.on, said.was, said.was_contact) == (
        edit, ADMIN.name, payers.now.date(), "Thandeka Mokoena", THANDEKA
    )  # fmt: skip
    payers.owes()
    (line,) = payers.bank((PAYER, "1500.00"))
    assert not payers.propose().accepted  # one word is a sign, as one match is, and not enough
    with payers.sessions.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "correct_payer")).one()
        assert entry.subject in taught
        assert (entry.detail["instead"], entry.detail["why"]) == (other, WHY)
    assert WHY in payers.told(other)
    assert WHY in payers.told(entry.subject)
    payers.accept(line, Part(Target.PAYMENT, PRICE, payers.id_of(other)))
    assert payers.whose() == {(SIPHO, 1, True)}  # with a match that says so, too
    payers.lawful()


def test_with_a_match_that_says_so_too_a_correction_pays_by_amount_and_memory(payers):
    payers.pays()
    other = payers.owes("Sipho Dlamini")
    payers.correct(payers.known()[0], other)
    payers.pays("Sipho Dlamini")
    payers.owes("Thandeka Mokoena")
    payers.bank((PAYER, "1500.00"))
    assert sum(payers.propose().accepted.values()) == 1
    assert payers.status(other)[2] == 1


def test_a_correction_never_beats_an_open_exact_reference(payers):
    payers.pays()
    other = payers.owes("Sipho Dlamini")
    exact = next(one for one in iter(payers.owes, None) if any(map(str.isdigit, one)))  # it is no name
    payers.correct(payers.known()[0], other)
    payers.pays("Sipho Dlamini")
    payers.now += timedelta(minutes=1)
    assert payers.whose() == {(SIPHO, 1, True)}
    payers.bank((f"{PAYER} {exact.replace('_', '')}", "1500.00"))
    assert dict(payers.propose().accepted) == {"exact reference": 1}
    assert (payers.status(exact)[2], payers.status(other)[2]) == (1, 0)
    # and a match that the desk made by itself does not teach the corrected pair back
    assert payers.whose() == {(SIPHO, 1, True)}
    payers.now += timedelta(minutes=1)
    payers.pays()
    assert payers.whose() == {(SIPHO, 1, True), (THANDEKA, 1, False)}


def test_a_correction_fades_as_a_match_does(payers):
    payers.pays()
    payers.correct(payers.known()[0], payers.owes("Sipho Dlamini"))
    assert payers.known()[0].speaks
    payers.now += timedelta(days=365)
    (one,) = payers.known()
    assert not one.speaks
    payers.now += timedelta(days=60)
    assert payers.known() == []


def test_a_correction_taken_back_leaves_all_as_it_was(payers):
    taught = payers.pays()
    (before,) = payers.known()
    other = payers.owes("Sipho Dlamini")
    edit = payers.correct(before, other)
    payers.take_back(edit, "It was Thandeka after all.")
    assert payers.known() == [before]
    for reference in (taught, other):
        assert "after all" in payers.told(reference)
    with payers.sessions.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "undo_correct_payer")).one()
        assert (entry.subject, entry.detail["edit"]) == (taught, edit)
    with pytest.raises(Conflict, match="taken back already"):
        payers.take_back(edit)
    with pytest.raises(NotFound):
        payers.take_back(99)


def test_what_a_correction_said_is_corrected_forgotten_and_refused_like_anything(payers):
    payers.pays()
    (one,) = payers.known()
    first = payers.correct(one, payers.owes("Sipho Dlamini"))
    (wrong,) = payers.known()
    second = payers.correct(wrong, payers.owes("Zanele Khumalo"))
    assert payers.whose() == {("zanele@example.org", 0, False)}
    with pytest.raises(Conflict, match="changed or forgotten since"):
        payers.take_back(first)
    payers.take_back(second)
    assert payers.whose() == {(SIPHO, 0, False)}
    back = payers.correct(payers.known()[0], one.lessons[0].reference)
    assert payers.whose() == {(THANDEKA, 0, False)}  # by the word, and not by what had taught it
    payers.take_back(back)
    payers.now += timedelta(minutes=1)
    payers.forget(payers.known()[0])
    assert payers.known() == []


def test_what_cannot_be_corrected_is_said(payers):
    taught = payers.pays()
    (one,) = payers.known()
    other = payers.owes("Sipho Dlamini")
    for person in (AUDITOR, ORGANISER):
        with pytest.raises(NotAllowed):
            payers.correct(one, other, person=person)
    with pytest.raises(InvalidInput, match="Say why"):
        payers.correct(one, other, why=" ")
    with pytest.raises(InvalidInput, match="already"):
        payers.correct(one, taught)
    nobody = issue(payers.sessions, payers.gateway, now=payers.now, payer_email="", payer_phone="").reference
    with pytest.raises(InvalidInput, match="Choose another payment"):
        payers.correct(one, nobody)
    edit = payers.correct(one, other)
    with pytest.raises(Conflict, match="Look again"):
        payers.correct(one, other)
    with pytest.raises(NotAllowed):
        payers.take_back(edit, person=AUDITOR)


def test_whom_it_may_be_is_found_once_each_by_their_payments(payers):
    payers.owes("Sipho Dlamini")
    newest = payers.owes("Sipho Dlamini")
    payers.owes()
    with payers.sessions.read() as session:
        (one,) = payer_memory.could_be(session, ADMIN, "sipho")
        assert (one.name, one.contact, one.reference) == ("Sipho Dlamini", SIPHO, newest)
        with pytest.raises(NotAllowed):
            payer_memory.could_be(session, AUDITOR, "sipho")


PAGE = "pages/finance/memory.py"


def test_the_page_corrects_it_says_who_did_and_takes_it_back(desk: Desk):
    desk.sign_in(Role.FINANCE)
    one = owes(desk)
    told = {"payer_name": "Sipho <b>Dlamini</b>", "payer_email": SIPHO}
    other = issue(desk.sessions, desk.gateway, now=desk.now, **told).reference
    banked(desk, ("EFT KAROO HOLDINGS", "1500.00"))
    (waits,) = waiting(desk)
    with desk.sessions.begin() as session:
        part = Part(Target.PAYMENT, Money(150_000), payment_of(session, one).id)
        reconciliation.accept(session, ADMIN, Decided(waits.line_id, (part,), "by hand", {}), now=desk.now)
    at = desk.open(PAGE)
    assert f"taught by {ADMIN.name}" in all_html(at)
    (find,) = [field for field in at.text_input if field.label == "Who is it really?"]
    find.set_value("nobody at all").run()
    assert "No payment of somebody else" in all_html(at)
    (find,) = [field for field in at.text_input if field.label == "Who is it really?"]
    find.set_value(other).run()
    assert at.radio[0].value is not None  # it is the only one
    (why,) = [field for field in at.text_input if field.key.startswith("correct_why")]
    why.set_value(WHY)
    button(at, "Correct it").click().run()
    assert "stands for Sipho" in at.success[0].value
    assert "Corrected by" in all_html(at)
    assert "Seen in no match yet" in all_html(at)
    harmless(at)
    (why,) = [field for field in at.text_input if field.key.startswith("take_back_why")]
    why.set_value(WHY)
    button(at, "Take it back").click().run()
    assert at.success[0].value.startswith("Taken back")
    assert "Corrected by" not in all_html(at)


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
