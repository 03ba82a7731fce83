"""Who names one payment and brings more is paid what they owe at once; the rest waits for a person, like any
line that does, until it pays another payment, is given back or kept."""

import json
from datetime import date, timedelta

import pytest
from sqlalchemy import select, text
from sqlalchemy.event import listen
from typer.testing import CliRunner

import commands.bank
import commands.surplus
import manage
from db.models import Match, OutboxMail
from db.money import Money
from payments.access.people import Role
from payments.errors import Conflict, InvalidInput, NotAllowed
from payments.lifecycle import Status
from payments.reconciling import evenings, exceptions, proposing, reconciliation, rests, same_payer, surplus
from payments.reconciling.proposing import Reason
from payments.reconciling.rests import Fate
from payments.sign_off import closing
from tests.desk import ADMIN
from tests.test_closing import MONDAY, TUESDAY, Desk
from tests.test_pages import Desk as Pages
from tests.test_pages import all_html, desk
from tests.test_reconcile_pages import BENCH, banked, button, lines, owes, waiting
from tests.test_reconciliation import ORGANISER, PRICE, bare
from tests.test_surplus import Payer
from ui import line_deeds
from ui.pieces import escape

DUE = date(2026, 11, 27)
WHY = "She wrote that it is for him."
__all__ = ["desk"]


class Named(Desk):
    """Thandeka pays for two and names herself; her friend is nobody that the line tells."""

    def __init__(self, sessions, now):
        super().__init__(sessions, now)
        self.paid, self.friend = self.owes(), self.owes("Sipho Dlamini")
        self.statement(0, (MONDAY, f"CAPITEC {bare(self.paid)} X2", 3000_00), (TUESDAY, "EFT", 5_00))
        self.run = proposing.propose(sessions, ADMIN, now=now)

    def rest(self) -> exceptions.ExceptionView | None:
        return next((one for one in self.waits() if one.part_id is not None), None)

    def pay(self, reference, amount=PRICE) -> int:
        return self.change(surplus.move, self.rest().part_id, reference, amount, WHY)

    def taken_back(self) -> None:
        """The bank takes the line back, and the desk finds that by itself."""
        self.statement(-2995_00, (TUESDAY, f"REVERSAL CAPITEC {bare(self.paid)} X2", -3000_00))
        self.propose()

    def assign(self, rest: exceptions.ExceptionView, note="Asked her.") -> int:
        with self.sessions.begin() as session:
            owner = next(iter(exceptions.owners(session, ADMIN, now=self.now)))
            exceptions.assign(
                session, ADMIN, rest.line_id, owner_id=owner, due_on=DUE, note=note, now=self.now
            )  # fmt: skip
        return owner

    def change(self, what, *args, person=ADMIN):
        with self.sessions.begin() as session:
            return what(session, person, *args, now=self.now)

    def summary(self) -> exceptions.Summary:
        with self.sessions.read() as session:
            return exceptions.summary(session, ADMIN, now=self.now)

    def lawful(self) -> None:
        super().lawful()
        with self.sessions.read() as session:
            assert [*surplus.broken(session)] == []


@pytest.fixture
def named(sessions, now):
    return Named(sessions, now)


def test_what_is_owed_is_paid_at_once_and_the_rest_waits_as_any_line_does(named):
    assert named.status(named.paid) == (Status.PAID, PRICE.minor, 1)
    assert named.status(named.friend)[1] == 0
    rest = named.rest()
    assert (rest.reason, rest.amount, rest.line_amount) == (Reason.SURPLUS, PRICE, Money(3000_00))
    told = named.summary()
    assert told.by_reason[Reason.SURPLUS].at_risk == {"ZAR": PRICE}
    assert sum(one.count for one in told.by_age.values()) == told.total.count == 2
    with named.sessions.read() as session:
        assert evenings.list_evenings(session, ADMIN, now=named.now)[-1].at_risk == {"ZAR": Money(1505_00)}
    assert named.run.rests == 1
    named.lawful()


def test_three_rests_ask_the_database_no_more_than_one(named):
    """Each is told what it could pay: a friend's other payment, and nobody else's."""
    others = {named.rest().line_id: named.owes()}
    asked = []
    listen(named.sessions.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))

    def look() -> tuple[int, dict[int, list[str]]]:
        asked.clear()
        with named.sessions.read() as session:
            queue = [one for one in exceptions.queue(session, ADMIN, now=named.now) if one.part_id]
            could = same_payer.choices(
                session, ADMIN, [one.part_id for one in surplus.standing(session, ADMIN)]
            )
        assert {
            one.part_id: [each.reference for each in one.candidates if each.payable] for one in queue
        } == {part: [each.reference for each in some] for part, some in could.items()}
        told = {one.line_id: [each.reference for each in could[one.part_id]] for one in queue}
        return len(asked), told

    count, told = look()
    assert told == {line: [other] for line, other in others.items()}
    names = ("Ayanda Ntuli", "Lerato Naidoo")
    paid = [named.owes(name) for name in names]
    named.statement(3005_00, *((TUESDAY, f"CAPITEC {bare(one)} X2", 3000_00) for one in paid))
    named.propose()
    for rest, name in zip([one for one in named.waits() if one.part_id][1:], names, strict=True):
        others[rest.line_id] = named.owes(name)
    assert look() == (count, {line: [other] for line, other in others.items()})


def test_asked_again_it_goes_on_waiting_with_its_owner(named):
    owner = named.assign(named.rest())
    named.propose()
    rest = named.rest()
    assert (rest.owner_id, rest.due_on, rest.note) == (owner, DUE, "Asked her.")
    number = named.pay(named.friend)
    assert named.rest() is None
    named.change(surplus.undo, number, "It was another friend.")
    again = named.rest()
    assert (again.amount, again.owner_id, again.note) == (PRICE, owner, "Asked her.")
    named.lawful()


def test_it_pays_the_friend_whom_the_line_does_not_name_and_waits_no_more(named):
    named.pay(named.friend, Money(500_00))
    assert named.rest().amount == Money(1000_00)
    named.pay(named.friend, Money(1000_00))
    assert named.rest() is None
    assert named.status(named.friend) == (Status.PAID, PRICE.minor, 2)
    named.lawful()


@pytest.mark.parametrize("fate", Fate)
def test_it_is_given_back_or_kept_with_a_reason_and_can_be_decided_anew(named, fate):
    part = named.rest().part_id
    with pytest.raises(InvalidInput, match="Say why"):
        named.change(rests.decide, part, fate, "no")
    with pytest.raises(NotAllowed):
        named.change(rests.decide, part, fate, WHY, person=ORGANISER)
    named.change(rests.decide, part, fate, WHY)
    assert named.rest() is None
    with pytest.raises(Conflict, match="does not wait any more"):
        named.change(rests.decide, part, fate, WHY)
    with named.sessions.read() as session:
        (one,) = surplus.standing(session, ADMIN)
    assert (one.waits, one.decided_by, one.left) == (False, ADMIN.name, PRICE)
    assert one.fate is fate
    with pytest.raises(Conflict, match=f"{ADMIN.name} decided what becomes of it. Let it wait again first"):
        named.change(surplus.move, part, named.friend, PRICE, WHY)
    named.change(rests.undecide, part, "She asks for it.")
    assert named.rest().amount == PRICE
    with named.sessions.read() as session:
        (one,) = surplus.standing(session, ADMIN)
    assert (one.waits, one.decided_by, one.fate) == (True, "", None)
    named.pay(named.friend)
    named.lawful()


def test_past_evenings_tell_of_a_rest_as_it_was_then(named):
    """It pays in two steps, which are taken back in the end: that changes no evening before."""
    first, today = named.pay(named.friend, Money(500_00)), named.now
    named.now = today + timedelta(days=1)
    second = named.pay(named.friend, Money(1000_00))
    expected = [Money(1005_00), Money(5_00)]
    for days in (1, 2):
        named.now = today + timedelta(days=days)
        with named.sessions.read() as session:
            told = evenings.list_evenings(session, ADMIN, now=named.now, days=days + 1)
        assert [one.at_risk["ZAR"] for one in told[:2]] == expected
        if days == 1:
            named.now = today + timedelta(days=2)
            for number in (second, first):
                named.change(surplus.undo, number, "It was another friend.")
    assert told[2].at_risk["ZAR"] == Money(1505_00)


def test_with_its_match_the_rest_goes_and_the_whole_line_waits(named):
    named.assign(named.rest())
    rest, (match,) = named.rest(), named.matches()
    with named.sessions.begin() as session:
        reconciliation.undo(session, ADMIN, match.id, "It is all his.", now=named.now)
    assert named.rest() is None
    (line,) = [one for one in named.waits() if one.line_id == rest.line_id]
    assert (line.reason, line.amount) == (Reason.UNDONE, Money(3000_00))
    assert line.owner_id is not None
    assert (line.owner_id, line.due_on, line.note) == (rest.owner_id, rest.due_on, "Asked her.")
    assert named.status(named.paid)[:2] == (Status.OPEN, 0)
    named.propose()
    assert named.rest() is None  # somebody undid it: it is not accepted by itself again
    named.lawful()


def test_taken_back_by_the_bank_nothing_waits_and_stands_again_with_an_undo(named):
    line, part = named.rest().line_id, named.rest().part_id
    named.taken_back()
    assert named.rest() is None
    with named.sessions.read() as session:
        assert surplus.standing(session, ADMIN) == []
    for what, *args in ((rests.undecide, part, WHY), (rests.decide, part, Fate.KEEP, WHY)):
        with pytest.raises(Conflict, match="not for this any more"):
            named.change(what, *args)
    named.lawful()
    match = next(one for one in named.matches() if one.way == "taken back")
    named.undo(match.id, "It was another line.")
    assert (named.rest().line_id, named.rest().amount) == (line, PRICE)
    named.lawful()


def test_what_was_decided_is_not_asked_again_of_a_match_that_was_undone_meanwhile(named):
    part = named.rest().part_id
    named.change(rests.decide, part, Fate.KEEP, WHY)
    with named.sessions.begin() as session:
        match = session.scalars(select(Match)).one()
        session.execute(text("UPDATE matches SET undone_at = at, undone_by = 'Farai'"))
        assert match.undone_at is None  # as it was read before somebody else undid it
        with pytest.raises(Conflict, match="not for this any more"):
            rests.undecide(session, ADMIN, part, WHY, now=named.now)
        session.rollback()


def test_what_was_decided_before_the_bank_took_it_back_holds_when_it_did_not(named):
    named.change(rests.decide, named.rest().part_id, Fate.GIVE_BACK, WHY)
    named.taken_back()
    named.undo(next(one for one in named.matches() if one.way == "taken back").id, "It was another line.")
    assert named.rest() is None
    with named.sessions.read() as session:
        (one,) = surplus.standing(session, ADMIN)
    assert (one.left, one.decided_by, one.fate) == (PRICE, ADMIN.name, Fate.GIVE_BACK)
    named.change(rests.undecide, one.part_id, WHY)
    assert named.rest().part_id == one.part_id
    named.lawful()


def test_what_was_decided_of_what_its_moves_left_is_asked_anew_with_them(named):
    part = named.rest().part_id
    named.pay(named.friend, Money(500_00))
    named.change(rests.decide, part, Fate.KEEP, WHY)
    named.taken_back()
    named.undo(next(one for one in named.matches() if one.way == "taken back").id, "It was another line.")
    assert named.rest().amount == PRICE
    named.lawful()


def test_a_day_is_signed_only_when_somebody_owns_the_rest_and_explains_it(named):
    with named.sessions.read() as session:
        draft = closing.draft(session, ADMIN, named.account, MONDAY, now=named.now)
    (waits,) = draft.waiting
    assert (waits.rest, waits.amount) == (True, PRICE)
    assert draft.figures.adds_up
    assert waits.much == "R1\u00a0500.00 too much"
    assert any(waits.much in one.sentence for one in draft.blockers)
    assert closing.to_plain(draft)["exceptions"][0]["rest"]


def test_what_a_person_set_apart_is_decided_and_does_not_wait(sessions, now):
    payer = Payer(sessions, now)
    assert not payer.look().waits
    assert not [one for one in payer.waits() if one.part_id]


def test_the_books_name_a_rest_that_does_not_stand(named):
    with named.sessions.begin() as session:
        row = rests._open(session, named.rest().part_id)
        row.part_id = 1
        session.flush()
        assert any("does not stand" in one for one in rests.broken(session))
        session.rollback()


def test_by_command_line_it_is_listed_decided_and_waits_again(named, monkeypatch):
    class App:
        sessions, settings = named.sessions, None
        now = staticmethod(lambda: named.now)

    for module in (commands.bank, commands.surplus):
        monkeypatch.setattr(module, "open_desk", App)
        monkeypatch.setattr(module, "asking", lambda *_: ADMIN)
        monkeypatch.setattr(module, "acting_as", lambda *_: ADMIN)
    part, line = named.rest().part_id, named.rest().line_id

    def run(*words):
        done = CliRunner().invoke(manage.cli, [*words, "--json"])
        return json.loads(done.stdout) if not done.exception else str(done.exception)

    (row,) = [one for one in run("exceptions")["rows"] if one["line"] == line]
    assert (row["surplus"], row["amount_minor"], row["line_minor"]) == (part, PRICE.minor, 3000_00)
    assert f"surplus move {part}" in run("accept", str(line))
    run("surplus", "decide", str(part), "--fate", "keep", "--why", WHY)
    assert line not in [one["line"] for one in run("exceptions")["rows"]]
    run("surplus", "wait", str(part), "--why", "She asks for it.")
    assert named.rest().part_id == part


def test_each_payment_it_could_pay_is_told_once_and_for_no_more_than_is_left(named):
    mine, dear = named.owes(), named.owes("Sipho Dlamini", Money(9000_00))
    ids = [named.id_of(one) for one in (mine, dear)]
    with named.sessions.begin() as session:
        row = rests._open(session, named.rest().part_id)
        rivals = [{"target": "payment", "id": one, "score": 60, "evidence": []} for one in ids]
        row.suggestion = {**row.suggestion, "rivals": rivals}
    could = [(one.reference, one.gives) for one in named.rest().candidates if one.payable]
    assert could == [(mine, PRICE), (dear, PRICE)]


def test_whom_its_note_mentions_is_told_how_much_of_the_line_waits(named):
    named.assign(named.rest(), "@gugu knows her.")
    with named.sessions.read() as session:
        (mail,) = session.scalars(select(OutboxMail).where(OutboxMail.key.startswith("mention:")))
    assert f"Reconcile, {PRICE} of" in mail.subject


# -- on Reconcile -------------------------------------------------------------------------------------


@pytest.fixture
def page(desk: Pages) -> Pages:
    one, _ = owes(desk, "Thandeka Mokoena"), owes(desk, "Thandeka Mokoena", 95_000)
    banked(desk, (f"T MOKOENA {bare(one)}", "2600.00"))
    desk.sign_in(Role.FINANCE)
    return desk


def test_a_key_is_offered_for_another_payment_of_the_payer_and_one_takes_it_back(page):
    at = page.open(BENCH)
    (row,) = lines(at)
    assert row["amount"] == "R1\u00a0100.00"
    assert "the rest of R2\u00a0600.00" in row["standing"]
    assert "given back, or kept" in row["remedy"]
    (deed,) = [one["deed"] for one in row["candidates"] if one["deed"]]
    rest = waiting(page)[0]
    other = next(one for one in rest.candidates if deed == f"take:{one.payment_id}")
    with page.sessions.begin() as session:
        number = surplus.move(session, ADMIN, rest.part_id, other.reference, other.gives, WHY, now=page.now)
    assert waiting(page)[0].amount == Money(150_00)
    at.session_state["bench_undo"] = [line_deeds.Done(number, "R950.00 for her other one", move=True)]
    at.run()
    at.button(key="bench_undo_last").click().run()
    assert waiting(page)[0].amount == Money(1100_00)


def test_a_whole_line_of_too_much_says_what_can_be_done_with_it(page):
    with page.sessions.begin() as session:
        (match,) = session.scalars(select(Match))
        reconciliation.undo(session, ADMIN, match.id, WHY, now=page.now)
    proposing.propose(page.sessions, ADMIN, now=page.now)  # by a person's hand: it is not accepted by itself
    (whole,) = lines(page.open(BENCH))
    assert whole["reason"]["word"] == "Too much"
    assert "Split it" in whole["remedy"]


def test_what_is_refused_in_its_drawer_leaves_it_open_with_what_was_typed(page):
    rest = waiting(page)[0]
    at = page.open(BENCH, line=str(rest.line_id))
    at.text_input(key=f"rest_why_{rest.part_id}").set_value(WHY)
    (much,) = [one for one in at.text_input if one.key.startswith("rest_much_")]
    much.set_value("99999")
    button(at, "Pay it").click().run()
    assert "at most can be moved" in " ".join(one.value for one in at.error)
    assert at.text_input(key=f"rest_why_{rest.part_id}").value == WHY
    at.text_input(key=f"fate_why_{rest.part_id}").set_value("no")
    button(at, "Decide").click().run()
    assert "Say why" in " ".join(one.value for one in at.error)
    assert at.query_params["line"] == str(rest.line_id)


def test_what_its_drawer_did_is_what_undo_takes_back(page):
    rest = waiting(page)[0]
    at = page.open(BENCH, line=str(rest.line_id))
    at.text_input(key=f"rest_why_{rest.part_id}").set_value(WHY)
    button(at, "Pay it").click().run()
    assert waiting(page)[0].amount < rest.amount
    at.button(key="bench_undo_last").click().run()
    assert waiting(page)[0].amount == rest.amount


def test_beside_what_undo_does_not_take_back_it_names_what_it_does(page):
    """*Undo* beside "Decided" took back the match of another line, and said that the line waits again."""
    rest = waiting(page)[0]
    other = next(one.reference for one in rest.candidates if one.payable)
    at = page.open(BENCH, line=str(rest.line_id))
    at.text_input(key=f"rest_why_{rest.part_id}").set_value(WHY)
    button(at, "Pay it").click().run()
    at.query_params["line"] = str(rest.line_id)
    at.run()
    at.text_input(key=f"fate_why_{rest.part_id}").set_value("She wishes it back.")
    button(at, "Decide").click().run()
    assert at.success[0].value.startswith("Decided")
    assert at.button(key="bench_undo_last").label == f"Undo: {escape(f'R950.00 for {other}')}"


def test_chosen_with_others_it_says_what_to_do(page):
    rest = waiting(page)[0]
    at = page.open(BENCH)
    at.session_state["lines_chosen"] = [rest.line_id]
    at.run()
    at.button(key="accept_chosen").click().run()
    assert lines(at)[0]["said"] == "Open it: say what becomes of the rest."


def test_its_drawer_pays_a_friend_or_decides(page):
    friend = owes(page, "Sipho Dlamini", 30_000)
    rest = waiting(page)[0]
    at = page.open(BENCH, line=str(rest.line_id))
    assert "is paid by itself" in all_html(at)
    at.text_input(key=f"rest_find_{rest.part_id}").set_value("Sipho").run()
    at.selectbox(key=f"rest_to_{rest.part_id}").set_value(friend).run()
    at.text_input(key=f"rest_why_{rest.part_id}").set_value(WHY)
    button(at, "Pay it").click().run()
    assert waiting(page)[0].amount == Money(800_00)
    at = page.open(BENCH, line=str(rest.line_id))
    at.text_input(key=f"fate_why_{rest.part_id}").set_value("She wishes it back.")
    button(at, "Decide").click().run()
    assert waiting(page) == []
    at = page.open(BENCH, reason="Surplus")
    at.text_input(key=f"anew_why_{rest.part_id}").set_value("She keeps it.")
    button(at, "Let it wait again").click().run()
    assert waiting(page)[0].amount == Money(800_00)
