"""Statement files come in whole or not at all, once, and go again whole."""

import gc
from datetime import date

import pytest
from sqlalchemy import select, text, update
from sqlalchemy.exc import DatabaseError

from db.models import BankAccount, EventAccount, LineSighting, StatementFile, StatementLine
from db.money import Money
from payments.access.people import Person, Role
from payments.bank import accounts, bank_books, coverage, imports, quarantine
from payments.errors import (
    Conflict,
    InvalidInput,
    NotAllowed,
    OtherAccount,
    StatementFormatError,
    UnknownLayout,
)
from payments.statements import Mapping
from tests.desk import ADMIN, make_event

HEAD = "Date,Amount,Balance,Description\n"
#: FNB's download has six rows above its heading; here the plain shape of Absa.
MARCH = """Date,Description,Amount,Balance
2026-03-02,EFT T MOKOENA,1500.00,11500.00
2026-03-02,EFT T MOKOENA,1500.00,13000.00
2026-03-13,SERVICE FEES,-50.00,12950.00
"""
VIEWER = Person(9, "Sipho", "sipho@example.org", Role.VIEWER, None)
ODD = Mapping(
    name="Events", date=0, description=(1,), amount=2, heading=("Wanneer", "Wat", "Hoeveel"), date_order="dmy"
)


@pytest.fixture
def account(sessions, now) -> int:
    with sessions.begin() as session:
        return accounts.create(session, ADMIN, name="Events", number="62 1234 5678", now=now).id


def take(sessions, account, content, now, name="march.csv", **more):
    with sessions.begin() as session:
        return imports.import_file(session, ADMIN, account, name, content.encode(), now=now, **more)


def standing(sessions):
    with sessions.read() as session:
        rows = session.execute(
            select(StatementLine.on, StatementLine.amount_minor, StatementLine.ordinal)
            .where(StatementLine.state != "gone")
            .order_by(StatementLine.on, StatementLine.id)
        )
        return [(str(on), minor, ordinal) for on, minor, ordinal in rows]


def lawful(sessions) -> list[str]:
    with sessions.read() as session:
        return [*bank_books.files(session), *bank_books.lines(session), *bank_books.matches(session)]


def test_a_file_comes_in_with_every_row_and_its_bytes(sessions, account, now):
    came = take(sessions, account, MARCH, now)
    file = came.file
    assert (came.new, came.already, file.rows) == (3, 0, 4)
    assert file.rows == file.lines + file.quarantined + file.named
    assert (file.opening, file.closing) == (Money(10_000_00), Money(12_950_00))
    assert standing(sessions) == [
        ("2026-03-02", 1500_00, 1), ("2026-03-02", 1500_00, 2), ("2026-03-13", -50_00, 1),
    ]  # fmt: skip
    with sessions.read() as session:
        assert session.get_one(StatementFile, file.id).data == MARCH.encode()
    assert lawful(sessions) == []


def test_a_file_is_read_and_kept_without_looking_for_circles(sessions, account, now, monkeypatch):
    """Python's search is a quarter of the time that a long file takes."""
    looked = []

    def watched(do):
        def done(*asked, **how):
            looked.append(gc.isenabled())
            return do(*asked, **how)

        return done

    monkeypatch.setattr(imports.statements, "read", watched(imports.statements.read))
    monkeypatch.setattr(imports, "pair", watched(imports.pair))
    take(sessions, account, MARCH, now)
    assert looked == [False, False]
    assert gc.isenabled()


def test_a_card_number_is_masked_in_the_bytes_as_well(sessions, account, now):
    came = take(
        sessions,
        account,
        MARCH.replace("EFT T MOKOENA,1500.00,13", "CARD 4111 1111 1111 1111,1500.00,13"),
        now,
    )
    with sessions.read() as session:
        kept = session.get_one(StatementFile, came.file.id).data
    assert b"4111 1111" not in kept
    assert b"2026-03-02,EFT T MOKOENA,1500.00,11500.00" in kept


def test_the_same_file_twice_adds_nothing(sessions, account, now):
    first = take(sessions, account, MARCH, now)
    again = take(sessions, account, MARCH, now, name="renamed.csv")
    assert again.again
    assert (again.new, again.file.id) == (0, first.file.id)
    assert len(standing(sessions)) == 3


@pytest.mark.parametrize(
    "second, new",
    [
        pytest.param("2026-03-02,EFT T MOKOENA,1500.00,11500.00\n2026-03-02,EFT T MOKOENA,1500.00,13000.00\n"
                     "2026-03-13,SERVICE FEES,-50.00,12950.00\n2026-03-14,EFT S DLAMINI,450.00,13400.00\n", 1,
                     id="an overlap adds what is new"),
        pytest.param("2026-03-02,EFT T MOKOENA,1500.00,11500.00\n2026-03-02,eft  T Mokoena,1500.00,13000.00\n"
                     "2026-03-02,EFT T MOKOENA,1500.00,14500.00\n", 1,
                     id="a day that grew adds the third of three true equals"),
        pytest.param("2026-03-13,SERVICE FEES,-50.00,12900.00\n2026-03-14,EFT S DLAMINI,450.00,13350.00\n", 2,
                     id="a file that goes on where another ended on that day tells of other lines"),
        pytest.param("2026-03-13,SERVICE FEES,-50.00,12950.00\n2026-03-14,EFT S DLAMINI,450.00,13400.00\n", 1,
                     id="one that tells of the day again does not"),
        pytest.param("2026-03-01,EFT T MOKOENA,500.00,9500.00\n2026-03-02,EFT T MOKOENA,500.00,10000.00\n", 2,
                     id="a file that ends where another begins"),
    ],
)  # fmt: skip
def test_what_overlaps_is_told_by_how_often_and_by_its_balances(sessions, account, now, second, new):
    take(sessions, account, MARCH, now)
    with sessions.read() as session:
        data = ("Date,Description,Amount,Balance\n" + second).encode()
        statement, _ = imports.read(session, ADMIN, account, "b.csv", data)
        looked = imports.look(session, ADMIN, account, statement, data)
    came = take(sessions, account, "Date,Description,Amount,Balance\n" + second, now, name="b.csv")
    assert came.new == len(looked.new) == new
    assert len(standing(sessions)) == 3 + new
    assert lawful(sessions) == []


def test_the_same_days_in_other_words_are_pointed_at(sessions, account, now):
    take(sessions, account, MARCH, now)
    data = MARCH.replace("EFT T", "Payment by T").encode()
    with sessions.read() as session:
        statement, _ = imports.read(session, ADMIN, account, "b.csv", data)
        assert imports.look(session, ADMIN, account, statement, data).alike == 2


def test_equal_prices_of_a_statement_that_goes_on_are_not_the_same_statement(sessions, account, now):
    """Every statement of a conference has them; asked each time, nobody would read the question any more."""
    take(sessions, account, MARCH, now)
    heads = "Date,Description,Amount,Balance\n"
    more = heads + (
        "2026-03-13,SERVICE FEE OF THE NIGHT,-50.00,12900.00\n2026-03-13,EFT S DLAMINI,1500.00,14400.00\n"
    )

    def asked(content: str) -> int:
        with sessions.read() as session:
            statement, _ = imports.read(session, ADMIN, account, "b.csv", content.encode())
            return imports.look(session, ADMIN, account, statement, content.encode()).alike

    assert asked(more) == 0
    assert asked(more.replace("12900.00", "900.00").replace("14400.00", "2400.00")) == 1  # goes on nowhere
    take(sessions, account, more, now, name="more.csv")
    assert asked(more.replace("EFT S", "Payment by S")) == 1  # it goes on there too, and is here


def test_an_import_is_undone_whole_and_comes_back(sessions, account, now):
    first = take(sessions, account, MARCH, now).file
    grown = MARCH + "2026-03-14,EFT S DLAMINI,450.00,13400.00\n"
    second = take(sessions, account, grown, now).file
    with sessions.begin() as session:
        told = imports.undoing(session, ADMIN, second.id)
        assert (told.goes, told.stays, told.matched) == (1, 3, ())
        assert imports.undo(session, ADMIN, second.id, "It was the wrong month.", now=now) == 1
    assert len(standing(sessions)) == 3
    with sessions.begin() as session:
        with pytest.raises(Conflict, match="undone already"):
            imports.undo(session, ADMIN, second.id, "Once more, please.", now=now)
        assert imports.undo(session, ADMIN, first.id, "It was the wrong account.", now=now) == 3
    assert standing(sessions) == []
    assert lawful(sessions) == []
    assert take(sessions, account, grown, now).new == 4
    assert len(standing(sessions)) == 4
    assert lawful(sessions) == []


BAD_ROW = MARCH.replace("2026-03-13,SERVICE FEES,-50.00,12950.00\n", "2026-03-13,EFT X,fifty,\n")


def test_a_row_that_cannot_be_read_waits_and_is_repaired_or_set_aside(sessions, account, now):
    came = take(sessions, account, BAD_ROW, now)
    assert came.file.waiting == 1
    with sessions.begin() as session:
        (row,) = quarantine.waiting_rows(session, ADMIN)
        assert "fifty" in row.raw
        quarantine.repair(
            session, ADMIN, row.id, on=date(2026, 3, 13), amount=Money(50_00), description="EFT X",
            why="The bank confirmed it by phone.", now=now,
        )  # fmt: skip
    assert standing(sessions)[-1] == ("2026-03-13", 50_00, 1)
    with sessions.begin() as session, pytest.raises(Conflict, match="decided about this row already"):
        quarantine.set_aside(session, ADMIN, row.id, "Never mind that.", now=now)
    assert lawful(sessions) == []
    with sessions.begin() as session:
        assert imports.undoing(session, ADMIN, came.file.id).goes == 3
        imports.undo(session, ADMIN, came.file.id, "Wrong account.", now=now)
    assert standing(sessions) == []
    assert lawful(sessions) == []


def test_a_file_that_is_refused_leaves_nothing(sessions, account, now):
    with pytest.raises(StatementFormatError, match="row 3"):
        take(sessions, account, MARCH.replace("13000.00", "13000.01"), now)
    with sessions.begin() as session:
        other = accounts.create(session, ADMIN, name="Dollars", currency="USD", now=now).id
    with pytest.raises(InvalidInput, match="held in USD"):
        take(sessions, other, MARCH, now)
    assert standing(sessions) == []


def test_a_file_of_another_account_is_refused_and_one_that_says_which_is_learned(sessions, account, now):
    capitec = (
        "Account,Date,Description,Reference,Amount,Fees,Balance\n"
        "1051000001,02/03/2026,Inward EFT,A,10.00,0.00,10.00\n"
        "1051000001,13/03/2026,Inward EFT,B,1.00,0.00,11.00\n"
    )
    with pytest.raises(OtherAccount, match="No account here has that number: add it first"):
        take(sessions, account, capitec, now, name="c.csv")
    with sessions.begin() as session:
        nameless = accounts.create(session, ADMIN, name="New", now=now).id
    take(sessions, nameless, capitec, now, name="c.csv")
    with sessions.read() as session:
        assert session.get_one(BankAccount, nameless).number == "1051000001"
        assert accounts.by_name(session, ADMIN, "0001051000001").id == nameless
    with pytest.raises(OtherAccount, match=r"Choose New\.") as told:
        take(sessions, account, capitec, now, name="c.csv")
    assert told.value.account_id == nameless


CAPITEC = (
    "Account,Date,Description,Reference,Amount,Fees,Balance\n"
    "1051000001,13/03/2026,Inward EFT,A,10.00,0.00,10.00\n"
)


def test_a_number_that_only_a_mistaken_file_said_goes_with_it(sessions, account, now):
    """The account kept it, and files of its true number were refused for ever."""
    with sessions.begin() as session:
        nameless = accounts.create(session, ADMIN, name="New", now=now).id
        typed = accounts.create(session, ADMIN, name="Typed", number="105 200 0001", now=now).id
    said = take(sessions, nameless, CAPITEC, now, name="c.csv").file.id
    silent = take(sessions, nameless, MARCH, now, name="m.csv").file.id
    of_typed = take(sessions, typed, CAPITEC.replace("1051", "1052"), now, name="t.csv").file.id
    numbers = []
    for file in (said, silent, of_typed):
        with sessions.begin() as session:
            imports.undo(session, ADMIN, file, "It was the wrong account.", now=now)
            numbers.append(session.get_one(BankAccount, nameless).number)
            assert session.get_one(BankAccount, typed).number == "1052000001"
    assert numbers == ["1051000001", "", ""]  # what stands beside it came in under that number


def test_an_account_is_called_otherwise_and_has_another_number(sessions, account, now):
    with sessions.begin() as session:
        other = accounts.create(session, ADMIN, name="Refunds", number="77665544", now=now).id
        made = accounts.change(session, ADMIN, account, name="Fairs", number="1051 000 001", now=now)
        assert (made.name, made.number) == ("Fairs", "1051000001")
    take(sessions, account, CAPITEC, now, name="c.csv")
    for name, number, says in (
        ("Refunds", "1051000001", "called Refunds already"),
        ("Fairs", "77665544", "here already, as Refunds"),
        ("Fairs", "62888", "says 1051000001. Undo import 1 first"),
    ):
        with sessions.begin() as session, pytest.raises(Conflict, match=says):
            accounts.change(session, ADMIN, account, name=name, number=number, now=now)
    with sessions.begin() as session, pytest.raises(InvalidInput, match="a name that colleagues"):
        accounts.change(session, ADMIN, other, name=" ", number="", now=now)
    with sessions.begin() as session, pytest.raises(Conflict, match="1 of the lines of Fairs wait"):
        accounts.retire(session, ADMIN, account, now=now)
    with sessions.begin() as session:
        accounts.retire(session, ADMIN, other, now=now)
    with pytest.raises(Conflict, match="Refunds is out of use"):  # a page that was open before
        take(sessions, other, CAPITEC.replace("1051000001", "77665544"), now, name="late.csv")
    with sessions.begin() as session:
        assert [one.id for one in accounts.list_accounts(session, ADMIN)] == [account]
        assert [one.id for one in accounts.retired(session, ADMIN)] == [other]
        with pytest.raises(Conflict, match="It is out of use: use it again"):
            accounts.create(session, ADMIN, name="Refunds", now=now)
        accounts.use_again(session, ADMIN, other, now=now)
        assert accounts.retired(session, ADMIN) == []


def test_an_account_that_payers_were_told_changes_under_events_alone(sessions, account, now):
    """There it takes two people; here one could have told payers another number."""
    with sessions.begin() as session:
        event = make_event(session, now=now)
        told = EventAccount(
            event_id=event.id, account_id=account, kind="cheque", active=True, created_at=now, created_by="T"
        )
        session.add(told)
        session.flush()
        for change in (
            lambda: accounts.change(session, ADMIN, account, name="Events", number="999999", now=now),
            lambda: accounts.retire(session, ADMIN, account, now=now),
        ):
            with pytest.raises(Conflict, match=f"Payers of {event.name}"):
                change()
        assert (
            accounts.change(session, ADMIN, account, name="Fairs", number="6212345678", now=now).name
            == "Fairs"
        )
        told.active = False
        session.flush()
        with pytest.raises(Conflict, match="were told 6212345678"):
            accounts.change(session, ADMIN, account, name="Fairs", number="999999", now=now)


def test_a_mapping_is_remembered_for_its_account(sessions, account, now):
    odd = "Wanneer,Wat,Hoeveel\n02/03/2026,EFT T MOKOENA,1500.00\n"
    with pytest.raises(UnknownLayout):
        take(sessions, account, odd, now)
    with sessions.begin() as session:
        accounts.remember(session, ADMIN, account, ODD, now=now)
    assert take(sessions, account, odd, now).file.layout == "mapping:Events"


def test_who_may_not_reconcile_imports_nothing(sessions, account, now):
    with sessions.begin() as session, pytest.raises(NotAllowed):
        imports.import_file(session, VIEWER, account, "m.csv", MARCH.encode(), now=now)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(update(StatementLine).values(amount_minor=1), id="what a line says"),
        pytest.param(update(LineSighting).values(row=1), id="where it stood"),
    ],
)
def test_the_database_refuses_to_change(sessions, account, now, change):
    take(sessions, account, MARCH, now)
    with pytest.raises(DatabaseError), sessions.begin() as session:
        session.execute(change)


@pytest.mark.parametrize(
    "change, told",
    [
        pytest.param("UPDATE statement_files SET rows = 9", "9 rows came in", id="a lost row"),
        pytest.param("UPDATE statement_files SET closing_minor = 1", "do not make 1", id="a cent off"),
        pytest.param("UPDATE statement_lines SET state = 'gone'", "say open", id="a line that went"),
        pytest.param("UPDATE statement_lines SET state = 'matched'", "say open", id="matched by nothing"),
    ],
)
def test_broken_books_are_named(sessions, account, now, change, told):
    take(sessions, account, MARCH, now)
    with sessions.begin() as session:
        session.execute(text(change))
    assert told in lawful(sessions)[0]


def test_what_is_missing_between_two_statements_is_told(sessions, account, now):
    take(sessions, account, MARCH, now)
    late = "Date,Description,Amount,Balance\n2026-03-20,EFT A,1.00,20001.00\n2026-03-21,EFT B,1.00,20002.00\n"
    take(sessions, account, late, now, name="late.csv")
    with sessions.read() as session:
        (told,) = coverage.gaps(session, ADMIN)
    assert "A statement between them is missing" in told
