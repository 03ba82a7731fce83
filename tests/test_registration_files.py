"""Registrations by file: every row ends as new, changed, unchanged or refused; nothing paid is altered."""

import io
import shutil
from contextlib import contextmanager
from datetime import timedelta

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sqlalchemy import select

from db.models import AuditEntry, Payment, Registration, RegistrationFile, RegistrationRow
from db.money import Money
from db.session import Sessions, open_engine
from payments import cancellation
from payments.access.people import Person, Role
from payments.errors import Conflict, GatewayUnavailable, InvalidInput, NotAllowed, NotFound, OutcomeUnknown
from payments.gateways import Answer
from payments.hearing import sync
from payments.registering import registration_files
from payments.registering.registration_changes import Becomes
from payments.selling import families, moves
from payments.sheets.reading import MOST_ROWS, Column
from payments.watching import standstill
from tests.desk import ADDRESSES, ADMIN, FakeGateway, make_event, payment_of

HEADS = "id,name,email,amount"
TWO = f"{HEADS}\nA1,Thandi Nkosi,thandi@example.org,1500.00\nA2,Sipho Dube,sipho@example.org,450\n"
ORGANISER = Person(7, "Olwethu", "olwethu@example.org", Role.ORGANISER, None)
ELSEWHERE = Person(8, "Fatima", "fatima@example.org", Role.FINANCE, frozenset({999}))


class Desk:
    """A desk with an event that is open, and whoever brings files to it."""

    def __init__(self, sessions, now):
        self.sessions, self.now, self.gateway = sessions, now, FakeGateway()
        with sessions.begin() as session:
            make_event(session, now=now)
            make_event(session, "gala", now=now)

    def look(self, text, name="people.csv", meant=None, person=ADMIN, event="devconf"):
        data = text.encode() if isinstance(text, str) else text
        with self.sessions.read() as session:
            there = registration_files.opened(person, name, data)
            columns = meant or registration_files.suggest(session, person, event, there)
            return registration_files.look(
                session, person, event, there, data, columns, demo=True, now=self.now
            )

    def bring(self, text, **more):
        preview = self.look(text, **more)
        view = registration_files.import_all(
            self.sessions, {"ikhokha": self.gateway}, ADMIN, preview,
            addresses=ADDRESSES, demo=True, now=self.now,
        )  # fmt: skip
        assert view.total == len(preview.rows)
        assert view.left == 0
        return dict(view.outcomes)

    def became(self, **more):
        with self.sessions.read() as session:
            newest = registration_files.recent(session, ADMIN)[0]
            return registration_files.results(session, ADMIN, newest.id, **more)

    def payment(self, own_id):
        with self.sessions.read() as session:
            query = select(Registration.reference).where(Registration.registration_id == own_id)
            return payment_of(session, session.scalars(query.order_by(Registration.number.desc())).first())

    def count(self, table):
        with self.sessions.read() as session:
            return len(session.scalars(select(table.id)).all())

    def pay(self, own_id):
        payment = self.payment(own_id)
        with self.sessions.read() as session:
            link = payment_of(session, payment.reference).links[-1]
        self.gateway.says(link.gateway_reference, Answer.PAID, "PAID")
        sync.ask(self.sessions, {"ikhokha": self.gateway}, link.id, now=self.now)


@pytest.fixture
def desk(sessions, now):
    return Desk(sessions, now)


@contextmanager
def on_sqlite(template, folder, now):
    path = folder / "desk.db"
    shutil.copyfile(template, path)
    engine = open_engine(f"sqlite:///{path}")
    yield Desk(Sessions(engine), now)
    engine.dispose()


@pytest.fixture
def quick(sqlite_template, tmp_path, now):
    """On SQLite alone: what a file says, and not how the database keeps it."""
    with on_sqlite(sqlite_template, tmp_path, now) as desk:
        yield desk


# -- what becomes of rows -----------------------------------------------------------------------------


def test_a_file_makes_payments_with_links_and_the_same_file_again_changes_nothing(desk):
    assert desk.bring(TWO) == {"new": 2}
    assert desk.payment("A1").amount == Money(150_000)
    assert len(desk.gateway.requests) == 2
    assert desk.bring(TWO) == {"unchanged": 2}
    assert (desk.count(Payment), len(desk.gateway.requests)) == (2, 2)


def test_a_dry_run_says_what_the_run_then_does_and_changes_nothing(desk):
    desk.bring(TWO)
    desk.pay("A1")
    later = f"{HEADS}\nA1,Thandi Nkosi,,1600\nA2,Sipho Dube,,500\nA3,Aisha Patel,,100\nA4,Nobody,,1.5\n"
    before = desk.count(Payment), desk.count(RegistrationFile), desk.count(AuditEntry)
    foreseen = [str(row.change.becomes) for row in desk.look(later).rows]
    assert foreseen == ["changed", "changed", "new", "refused"]
    assert (desk.count(Payment), desk.count(RegistrationFile), desk.count(AuditEntry)) == before
    assert desk.bring(later) == {"refused": 1, "changed": 2, "new": 1}
    assert [row.outcome for row in desk.became()] == foreseen


@pytest.mark.parametrize(
    ("amount", "says"),
    [
        pytest.param("1700.00", "asks for R200.00 more", id="more"),
        pytest.param("1300.00", "A credit of R200.00", id="less"),
    ],
)
def test_what_was_paid_is_never_altered_and_the_difference_is_told_before(desk, amount, says):
    desk.bring(TWO)
    desk.pay("A1")
    other = TWO.replace("1500.00", amount)
    foreseen = desk.look(other).rows[0].change
    assert foreseen.becomes is Becomes.CHANGED
    assert says in foreseen.told.replace("\xa0", " ")
    first = desk.payment("A1").reference
    assert desk.bring(other) == {"changed": 1, "unchanged": 1}
    with desk.sessions.read() as session:
        paid = payment_of(session, first)
        assert (paid.status, paid.amount, paid.received) == ("paid", Money(150_000), Money(150_000))
        assert families.total(session, paid) == Money.parse(amount)
    assert desk.bring(other) == {"unchanged": 2}


def test_money_that_came_between_the_look_and_the_doing_leaves_a_difference(desk):
    desk.bring(TWO)
    preview = desk.look(TWO.replace("1500.00", "1600.00"))
    assert [row.change.becomes for row in preview.rows] == [Becomes.CHANGED, Becomes.UNCHANGED]
    desk.pay("A1")
    view = registration_files.import_all(
        desk.sessions, {"ikhokha": desk.gateway}, ADMIN, preview,
        addresses=ADDRESSES, demo=True, now=desk.now,
    )  # fmt: skip
    assert view.outcomes == {"changed": 1, "unchanged": 1}
    assert desk.payment("A1").amount == Money(10_000)


def test_another_amount_before_it_was_paid_cancels_and_asks_anew(desk):
    desk.bring(TWO)
    before = desk.payment("A2").reference
    assert desk.bring(TWO.replace(",450", ",500")) == {"changed": 1, "unchanged": 1}
    after = desk.payment("A2")
    assert (after.amount, after.status) == (Money(50_000), "open")
    with desk.sessions.read() as session:
        assert payment_of(session, before).status == "cancelled"


def test_a_cell_left_empty_keeps_what_is_known(desk):
    desk.bring(TWO)
    assert desk.bring("id,email,amount\nA1,new@example.org,1500\n") == {"changed": 1}
    assert desk.became()[0].why == "Another e-mail."
    kept = desk.payment("A1")
    assert (kept.payer_name, kept.payer_email) == ("Thandi Nkosi", "new@example.org")


@pytest.mark.parametrize("how", ["cancelled", "moved"])
def test_what_the_desk_decided_a_file_does_not_undo(desk, now, how):
    desk.bring(TWO)
    reference = desk.payment("A1").reference
    if how == "cancelled":
        cancellation.cancel(
            desk.sessions, {"ikhokha": desk.gateway}, ADMIN, reference, "She withdrew her paper.", now=now
        )
    else:
        with desk.sessions.begin() as session:
            moves.move(session, ADMIN, reference, "gala", "It is for the gala.", now=now)
    assert desk.bring(TWO) == {"refused": 1, "unchanged": 1}
    assert how in desk.became(outcome="refused")[0].why


def test_a_gateway_that_does_not_answer_refuses_rows_and_the_file_again_goes_on(desk):
    desk.gateway.failing = GatewayUnavailable("iKhokha does not answer.")
    assert desk.bring(TWO) == {"refused": 2}
    desk.gateway.failing = None
    assert desk.bring(TWO) == {"changed": 2}  # they were written down, and now have their links
    assert desk.count(Payment) == 2
    assert {desk.payment(own).status for own in ("A1", "A2")} == {"open"}


def test_a_lost_answer_is_told_and_makes_no_second_payment(desk):
    desk.gateway.loses_answers = OutcomeUnknown("Nothing was heard.")
    assert desk.bring(TWO) == {"new": 2}
    assert "looked up" in desk.became()[0].why
    desk.gateway.loses_answers = None
    desk.bring(TWO)
    assert desk.count(Payment) == 2


def test_who_was_interrupted_goes_on_where_they_were(desk, now, monkeypatch):
    monkeypatch.setattr(registration_files, "STEP", 3)
    rows = "".join(f"B{nth},Person {nth},,100\n" for nth in range(5))
    preview = desk.look(f"{HEADS}\n{rows}")
    with desk.sessions.begin() as session:
        file_id = registration_files.start(session, ADMIN, preview, now=now)

    def step(moment):
        return registration_files.step(
            desk.sessions, {"ikhokha": desk.gateway}, ADMIN, file_id,
            addresses=ADDRESSES, demo=True, now=moment,
        )  # fmt: skip

    assert step(now).left == 2
    with desk.sessions.begin() as session:  # and somebody is gone in the middle of a row
        row = session.scalars(select(RegistrationRow).where(RegistrationRow.outcome == "waiting")).first()
        row.outcome, row.asked_at = "asking", now
    assert step(now).left == 1
    assert step(now + timedelta(minutes=3)).outcomes == {"new": 5}
    assert desk.count(Payment) == 5
    with desk.sessions.read() as session:
        assert all(row.wanted == {} for row in session.scalars(select(RegistrationRow)))


@settings(max_examples=6)
@given(
    rows=some.lists(
        some.tuples(
            some.sampled_from(["A1", "A2", "A3", "", "has space", "=1+1"]),
            some.sampled_from(["Thandi", "", "4111 1111 1111 1111", "=cmd|' /C calc'!A0"]),
            some.sampled_from(["100", "100.00", "1,5", "1.500", "", "-5", "=2*3", "R1 500"]),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_rows_in_are_applied_unchanged_or_refused(sqlite_template, tmp_path_factory, now, rows):
    text = f"{HEADS}\nZ9,Zanele,,100\n"
    text += "".join(f'{own},"{name}",,"{amount}"\n' for own, name, amount in rows)
    filled = 1 + sum(any(cells) for cells in rows)
    with on_sqlite(sqlite_template, tmp_path_factory.mktemp("rows"), now) as desk:
        first, second = desk.bring(text), desk.bring(text)
    for outcomes in (first, second):
        assert sum(outcomes.values()) == filled
        assert set(outcomes) <= set(Becomes)
    assert first["new"] == second["unchanged"] >= 1
    assert first.get("refused") == second.get("refused")


# -- hostile files --------------------------------------------------------------------------------------


def book(*rows) -> bytes:
    made, kept = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        made.active.append(row)
    made.save(kept)
    return kept.getvalue()


@pytest.mark.parametrize(
    ("row", "says"),
    [
        pytest.param("A1,Thandi,,1.500", "not an amount", id="an amount of two readings"),
        pytest.param("A1,Thandi,,=1+1", "not an amount", id="a formula for an amount"),
        pytest.param(",Thandi,,100", "registration_id", id="no id"),
        pytest.param("A 1,Thandi,,100", "registration_id", id="a space in the id"),
        pytest.param("A1,Thandi,,100\nA1,Sipho,,200", "Rows 2, 3 carry the same id", id="one id twice"),
        pytest.param("A1,Thandi,no address,100", "not an e-mail", id="no address"),
        pytest.param("A1,4111 1111 1111 1111,,100", "card number", id="a card number"),
        pytest.param("A1,Thandi,,0", "between", id="nothing"),
    ],
)
def test_a_row_that_cannot_be_meant_is_refused_with_its_reason(quick, row, says):
    preview = quick.look(f"{HEADS}\n{row}\n")
    assert {one.change.becomes for one in preview.rows} == {Becomes.REFUSED}
    assert all(says in one.change.told for one in preview.rows)


@pytest.mark.parametrize(
    ("data", "name", "says"),
    [
        pytest.param(b"id,name,amount\nA1,Th\x81ndi,1\n", "a.csv", "no text", id="no encoding we read"),
        pytest.param(f"{HEADS}\nA1,T,,1\n".encode("utf-16-le"), "a.csv", "UTF-16", id="unmarked UTF-16"),
        pytest.param(b"id,name,amount\n" + b"x" * (10 << 20), "a.csv", "larger than", id="past 10 MB"),
        pytest.param(b"PK\x03\x04 no book", "a.xlsx", "damaged", id="a broken workbook"),
        pytest.param(b"%PDF-1.7 x", "a.csv", "PDF", id="a PDF"),
        pytest.param(
            f"{HEADS}\n{'A,T,,1' * 1}\n".encode() + b"A,T,,1\n" * MOST_ROWS, "a.csv", "Split", id="too many"
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_whole(quick, data, name, says):
    with pytest.raises(InvalidInput, match=says):
        quick.look(data, name)


def test_a_workbook_and_windows_text_read_alike(quick):
    windows = quick.look("id;name;amount\nA1;Thandéka;1500,00\n".encode("cp1252"))
    excel = quick.look(book(["id", "name", "amount"], ["A1", "Thandéka", 1500]), "a.xlsx")
    assert [row.wanted for row in windows.rows] == [row.wanted for row in excel.rows]


def test_a_formula_that_was_never_reckoned_is_no_amount(quick):
    preview = quick.look(book(["id", "name", "amount"], ["A1", "Thandi", "=1+1"]), "a.xlsx")
    assert preview.rows[0].change.becomes is Becomes.REFUSED


# -- what columns mean ----------------------------------------------------------------------------------


def test_headings_nobody_knows_are_asked_about_and_remembered(desk):
    text = "Inskrywing,Wie,Hoeveel\nA1,Thandi,1500\n"
    with pytest.raises(InvalidInput, match="which column is the registration id"):
        desk.look(text)
    meant = {Column.ID: "Inskrywing", Column.NAME: "Wie", Column.AMOUNT: "Hoeveel"}
    assert desk.bring(text, meant=meant) == {"new": 1}
    assert desk.bring(text) == {"unchanged": 1}  # the second time nobody is asked


@pytest.mark.parametrize(
    ("meant", "says"),
    [
        ({Column.ID: "id", Column.NAME: "id", Column.AMOUNT: "amount"}, "two things"),
        ({Column.ID: "id", Column.NAME: "name", Column.AMOUNT: "gone"}, "not there"),
        ({Column.ID: "id", Column.AMOUNT: "amount"}, "who pays"),
    ],
    ids=["one column twice", "a heading that is gone", "nobody"],
)
def test_columns_that_do_not_say_enough_are_refused(quick, meant, says):
    with pytest.raises(InvalidInput, match=says):
        quick.look(TWO, meant=meant)


# -- who may ----------------------------------------------------------------------------------------------


def test_an_organiser_and_finance_of_another_event_may_not(quick):
    with pytest.raises(NotAllowed):
        quick.look(TWO, person=ORGANISER)
    with pytest.raises((NotAllowed, NotFound)):
        quick.look(TWO, person=ELSEWHERE)
    quick.bring(TWO)
    with quick.sessions.read() as session:
        assert registration_files.recent(session, ELSEWHERE) == ()
        with pytest.raises(NotFound):
            registration_files.results(session, ELSEWHERE, 1)


def test_while_the_desk_stands_still_nothing_is_brought(quick, now):
    preview = quick.look(TWO)
    with quick.sessions.begin() as session:
        standstill.begin(session, "An invariant is broken.", now=now)
    with pytest.raises(Conflict), quick.sessions.begin() as session:
        registration_files.start(session, ADMIN, preview, now=now)
    assert quick.count(RegistrationFile) == 0


def test_who_brought_what_is_on_the_record(quick):
    quick.bring(TWO)
    with quick.sessions.read() as session:
        told = {row.action: row.detail for row in session.scalars(select(AuditEntry))}
    assert told["import_registrations"]["rows"] == 2
    assert told["finish_registrations"]["outcomes"] == {"new": 2}
