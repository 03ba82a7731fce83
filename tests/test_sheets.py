"""Many links from one sheet: every row is told what becomes of it, and none becomes two payments."""

import csv
import io
import threading
from concurrent.futures import ThreadPoolExecutor

import openpyxl
import pytest
from sqlalchemy import func, select

from db.models import AuditEntry, Link, Payment, SheetLine
from db.money import Money
from payments import lifecycle, sheets
from payments.access.people import Person, Role
from payments.errors import Conflict, GatewayUnavailable, InvalidInput, NotAllowed, NotFound
from payments.sheets import RowState, back, reading
from payments.sheets.reading import Column, PriceLine
from tests.buyers import NOW
from tests.desk import ADDRESSES, ADMIN, FakeGateway, issue, make_event

PRICES = [PriceLine(1, "Regular", Money(150_000)), PriceLine(2, "Student", Money(45_000))]
VIEWER = Person(9, "Vusi", "vusi@example.org", Role.VIEWER, None)
ELSEWHERE = Person(8, "Aisha", "aisha@example.org", Role.ORGANISER, frozenset({999}))


def read(text: str | bytes, name: str = "people.csv"):
    return reading.read(name, text.encode() if isinstance(text, str) else text, PRICES, "ZAR")


def workbook(*rows) -> bytes:
    book, kept = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)
    book.save(kept)
    return kept.getvalue()


# -- reading ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name", "email", "phone", "minor"),
    [
        ("name,email,amount\nThandi,t@example.org,R1 500\n", "Thandi", "t@example.org", "", 150_000),
        ("Full Name;Cell;Fee\nThandéka;082 123 4567;1500,00\n", "Thandéka", "", "+27821234567", 150_000),
        ("First name\tSurname\tTicket\nThandi\tNkosi\tstudent\n", "Thandi Nkosi", "", "", 45_000),
        ("E-mail,Category,Amount\nx@example.org,Regular,1500.00\n", *["x@example.org"] * 2, "", 150_000),
        ("sep=;\r\nname;amount\r\n\"Botha; Johan\";12.50\r\n", "Botha; Johan", "", "", 1_250),
    ],
    ids=["commas", "semicolons", "tabs", "price and category agree", "quoted"],
)  # fmt: skip
def test_columns_are_known_by_their_headings(text, name, email, phone, minor):
    (row,) = read(text).rows
    assert row.wanted is not None, row.fault
    assert (row.wanted.name, row.wanted.email, row.wanted.phone) == (name, email, phone)
    assert row.wanted.amount == Money(minor)


def test_a_workbook_keeps_its_numbers():
    data = workbook(["name", "phone", "amount"], ["Zanele", 821234567, 450.5], ["Sipho", "0831112222", 1500])
    first, second = read(data, "people.xlsx").rows
    assert (first.wanted.phone, first.wanted.amount.minor) == ("+27821234567", 45_050)
    assert second.wanted.amount == Money(150_000)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("name,amount\n", "no row"),
        ("", "empty"),
        ("a,b\n1,2\n", "who pays"),
        ("name,email\nThandi,x@example.org\n", "how much"),
        ("name,payer,amount\na,b,1\n", "both say the name"),
        (b"\xff\xd8\xff\xe0 jpeg", "picture"),
        (b"%PDF-1.7", "PDF"),
        ("name,amount\n" + "x,1\n" * (reading.MOST_ROWS + 1), "Split it"),
        ('name,amount\n"Thandi,1\n', "broken"),
    ],
    ids=[
        "headings only",
        "empty",
        "nobody",
        "no amount",
        "twice",
        "picture",
        "pdf",
        "too many",
        "open quote",
    ],
)
def test_a_sheet_that_cannot_be_meant_is_refused_with_a_sentence(text, sentence):
    with pytest.raises(InvalidInput, match=sentence):
        read(text)


@pytest.mark.parametrize(
    ("row", "fault"),
    [
        ("Thandi,x@example,100,", "not an e-mail address"),
        ("Thandi,,1.5,", "not an amount"),
        ("Thandi,,0,", "between"),
        (",,100,", "nobody"),
        ("Thandi,,,", "no amount"),
        ("Thandi,,100,Speaker", "not on the price list: Regular, Student"),
        ("Thandi,,100,Student", "Student costs"),
        ("4111 1111 1111 1111,,100,", "card number"),
        ("Thandi,,100,,left over", "more cells"),
    ],
)
def test_a_row_that_is_unclear_says_what_to_mend_and_holds_up_no_other(row, fault):
    good = "Sipho,s@example.org,100,"
    rows = read(f"name,email,amount,category\n{row}\n{good}\n").rows
    assert fault in rows[0].fault
    assert rows[0].wanted is None
    assert rows[1].wanted is not None


def test_a_card_number_in_a_column_nobody_knows_is_not_kept():
    (row,) = read("name,amount,remark\nThandi,100,4111 1111 1111 1111\n").rows
    assert "card number" in row.fault
    assert not any(row.cells)


def test_the_same_row_twice_is_one_payment_unless_each_has_an_id():
    rows = read("name,amount\nThandi,100\nTHANDI,R100\n").rows
    assert rows[0].wanted
    assert "same as row 2" in rows[1].fault
    assert all(row.wanted for row in read("id,name,amount\n1,Thandi,100\n2,Thandi,100\n").rows)
    assert "same as row 2" in read("id,name,amount\n1,Thandi,100\n1,Sipho,50\n").rows[1].fault


@pytest.mark.parametrize(
    ("cells", "people", "minor"),
    [
        ("Regular,,Sipho;Lerato Zulu", ("Sipho", "Lerato Zulu"), 300_000),
        (',3000.00,"Sipho\nLerato Zulu\n"', ("Sipho", "Lerato Zulu"), 300_000),
        ("Student,1350.00,3", ("", "", ""), 135_000),
        (",100,Sipho", (), 10_000),
        (",100,1", (), 10_000),
        (",100,", (), 10_000),
    ],
    ids=["names and a price each", "lines and an amount for all", "how many", "one name", "one", "none"],
)
def test_a_row_may_be_for_several_people(cells, people, minor):
    (row,) = read(f"name,category,amount,people\nExample School,{cells}\n").rows
    assert row.wanted is not None, row.fault
    assert (row.wanted.people, row.wanted.amount.minor) == (people, minor)
    assert sum(place.amount.minor for place in row.wanted.places) == (minor if people else 0)


@pytest.mark.parametrize(
    ("cells", "fault"),
    [
        (",100,3", "does not divide among 3 people"),
        ("Student,450.00,2", "R450.00 for each of 2"),
        (",100,101", "100 at most"),
        (",100,0", "is nobody"),
        (",100,;", "is nobody"),
    ],
)
def test_several_people_who_cannot_be_meant_are_told(cells, fault):
    (row,) = read(f"name,category,amount,people\nExample School,{cells}\n").rows
    assert fault in row.fault.replace("\xa0", " ")


def test_which_column_is_what_is_told():
    sheet = read("Naam,Bedrag,T-shirt\nThandi,100,L\n")
    assert sheet.meant == {Column.NAME: "Naam", Column.AMOUNT: "Bedrag"}
    assert sheet.rows[0].cells == ("Thandi", "100", "L")


# -- what becomes of it -----------------------------------------------------------------------------


class Gateway(FakeGateway):
    """Makes one link at a time, as several ask at once; stops when it has made ``enough``."""

    enough: int = 10**9

    def issue(self, request):
        with _ONE:
            if len(self.links) >= self.enough:
                raise GatewayUnavailable("The gateway cannot be reached.")
            return super().issue(request)


_ONE = threading.Lock()


@pytest.fixture
def gateway():
    return Gateway()


@pytest.fixture
def event(sessions, now):
    with sessions.begin() as session:
        return make_event(session, now=now).code


def people(count: int) -> str:
    return "id,name,email,amount\n" + "".join(
        f"{nth},Payer {nth},payer{nth}@example.org,{100 + nth}\n" for nth in range(count)
    )


def begin(sessions, text, *, now, also_alike=False) -> int:
    with sessions.begin() as session:
        sheet = sheets.read(session, ADMIN, "devconf", "people.csv", text.encode(), now=NOW)
        return sheets.start(session, ADMIN, "devconf", sheet, also_alike=also_alike, demo=True, now=now)


def make_all(sessions, gateway, sheet_id, now, person=ADMIN):
    while (
        view := sheets.step(sessions, gateway, person, sheet_id, addresses=ADDRESSES, now=now)
    ).outcomes.get(RowState.WAITING):
        pass
    return view


def looked(sessions, text):
    with sessions.read() as session:
        sheet = sheets.read(session, ADMIN, "devconf", "people.csv", text.encode(), now=NOW)
        return sheets.look(session, ADMIN, "devconf", sheet)


def test_each_row_gets_a_link_and_the_sheet_comes_back_with_them(sessions, gateway, event, now):
    text = people(3) + "x,,,50\n"
    sheet_id = begin(sessions, text, now=now)
    view = make_all(sessions, gateway, sheet_id, now)
    assert view.outcomes == {RowState.MADE: 3, RowState.WRONG: 1}
    with sessions.read() as session:
        headings = sheets.headings(session, ADMIN, sheet_id)
        rows = sheets.made(session, ADMIN, sheet_id)
        assert session.scalar(select(func.count()).where(AuditEntry.action == "start_sheet")) == 1
        assert session.scalar(select(func.count()).where(AuditEntry.action == "issue_link")) == 3
    file = back.as_csv(headings, rows, "Devconf 2026").decode("utf-8-sig")
    told = list(csv.DictReader(io.StringIO(file), delimiter=";"))
    assert [row["name"] for row in told] == ["Payer 0", "Payer 1", "Payer 2", ""]
    assert all(row["paydesk_link"].startswith("https://") for row in told[:3])
    assert told[0]["paydesk_link"] in told[0]["paydesk_message"]
    assert "nobody" in told[3]["paydesk_problem"]
    page = openpyxl.load_workbook(io.BytesIO(back.as_xlsx(headings, rows, "Devconf 2026"))).active
    assert [cell.value for cell in page[2]][:4] == ["0", "Payer 0", "payer0@example.org", "100"]


def test_a_group_of_a_sheet_is_one_link_with_a_place_for_each(sessions, gateway, event, now):
    text = "name,amount,people\nExample School,300,Sipho;Lerato\nThandi,100,\n"
    sheet_id = begin(sessions, text, now=now)
    make_all(sessions, gateway, sheet_id, now)
    with sessions.read() as session:
        school = session.scalars(select(Payment).where(Payment.payer_name == "Example School")).one()
        assert [(place.name, place.amount.minor) for place in school.places] == [
            ("Sipho", 15_000), ("Lerato", 15_000),
        ]  # fmt: skip
        assert [link.amount for link in school.links] == [Money(30_000)]
        assert session.scalar(select(func.count(Payment.id))) == 2
    assert {each.outcome for each in looked(sessions, text).rows} == {RowState.KNOWN}
    assert len(gateway.links) == 2


@pytest.mark.parametrize("with_ids", [True, False], ids=["ids", "no ids"])
def test_the_same_sheet_again_makes_nothing(sessions, gateway, event, now, with_ids):
    text = people(4) if with_ids else "\n".join(row.partition(",")[2] for row in people(4).splitlines())
    first = begin(sessions, text, now=now)
    make_all(sessions, gateway, first, now)
    assert {each.outcome for each in looked(sessions, text).rows} == {RowState.KNOWN}
    with pytest.raises(InvalidInput, match="No row of this sheet needs a link"):
        begin(sessions, text, now=now)
    with sessions.read() as session:
        rows = sheets.made(session, ADMIN, first)
        file = back.as_csv(sheets.headings(session, ADMIN, first), rows, "Devconf 2026")
        again = sheets.read(session, ADMIN, "devconf", "back.csv", file, now=NOW)
        assert {each.outcome for each in sheets.look(session, ADMIN, "devconf", again).rows} == {
            RowState.KNOWN
        }
    assert len(gateway.links) == 4


def test_interrupted_half_way_and_brought_again_it_is_exactly_as_many(sessions, gateway, event, now):
    count = 80
    first = begin(sessions, people(count), now=now)
    for _ in range(count // sheets.STEP // 2):
        sheets.step(sessions, gateway, ADMIN, first, addresses=ADDRESSES, now=now)
    with sessions.begin() as session:  # killed between the link and what was written of it here
        for row in session.scalars(select(SheetLine).where(SheetLine.outcome == "made").limit(7)):
            row.outcome, row.asked_at = RowState.ASKING, now
    half = len(gateway.links)
    assert half == count // sheets.STEP // 2 * sheets.STEP
    second = begin(sessions, people(count), now=now)
    make_all(sessions, gateway, second, now)
    make_all(sessions, gateway, first, now + sheets.links.ON_ITS_WAY * 10)
    with sessions.read() as session:
        assert session.scalar(select(func.count(Payment.id))) == count
        assert session.scalar(select(func.count(Link.id))) == count
        assert all(row.url for row in sheets.made(session, ADMIN, second))
        assert sheets.get(session, ADMIN, first).outcomes == {RowState.MADE: count}
    assert len(gateway.links) == count


def test_two_windows_on_one_sheet_make_each_link_once(sessions, gateway, event, now):
    sheet_id = begin(sessions, people(30), now=now)
    with ThreadPoolExecutor(2) as windows:
        list(windows.map(lambda _: make_all(sessions, gateway, sheet_id, now), range(2)))
    with sessions.read() as session:
        assert sheets.get(session, ADMIN, sheet_id).outcomes == {RowState.MADE: 30}
    assert len(gateway.links) == 30


def test_what_the_gateway_did_not_make_is_tried_again(sessions, gateway, event, now):
    gateway.enough = 2
    sheet_id = begin(sessions, people(5), now=now)
    view = make_all(sessions, gateway, sheet_id, now)
    assert view.outcomes == {RowState.MADE: 2, RowState.FAILED: 3}
    gateway.enough = 10
    with sessions.begin() as session:
        assert sheets.retry(session, ADMIN, sheet_id, now=now) == 3
    assert make_all(sessions, gateway, sheet_id, now).outcomes == {RowState.MADE: 5}
    with sessions.read() as session:
        assert session.scalar(select(func.count(Payment.id))) == 5


def test_who_has_a_payment_already_is_shown_first(sessions, gateway, event, now):
    there = issue(sessions, gateway, now=now, payer_email="payer1@example.org")
    preview = looked(sessions, people(3))
    assert [each.outcome for each in preview.rows] == [RowState.WAITING, RowState.ALIKE, RowState.WAITING]
    assert there.reference in preview.rows[1].why
    sheet_id = begin(sessions, people(3), now=now)
    assert make_all(sessions, gateway, sheet_id, now).outcomes == {RowState.MADE: 2, RowState.ALIKE: 1}
    second = begin(sessions, people(3), now=now, also_alike=True)
    assert make_all(sessions, gateway, second, now).outcomes == {RowState.MADE: 1, RowState.KNOWN: 2}


def test_an_id_that_asks_for_something_else_now_is_told_and_changes_nothing(sessions, gateway, event, now):
    make_all(sessions, gateway, begin(sessions, people(2), now=now), now)
    changed = looked(sessions, people(2).replace(",101\n", ",999\n"))
    assert [each.outcome for each in changed.rows] == [RowState.KNOWN, RowState.WRONG]
    assert "already issued" in changed.rows[1].why


def test_a_cancelled_payment_is_not_made_again_by_its_sheet(sessions, gateway, event, now):
    sheet_id = begin(sessions, people(1), now=now)
    make_all(sessions, gateway, sheet_id, now)
    with sessions.begin() as session:
        payment = session.scalars(select(Payment)).one()
        lifecycle.advance(
            session,
            payment,
            lifecycle.Status.CANCELLED,
            now=now,
            source=lifecycle.Source.DESK,
            actor="Thandi",
        )
    (row,) = looked(sessions, people(1)).rows
    assert (row.outcome, "cancelled" in row.why) == (RowState.KNOWN, True)


def test_only_who_may_issue_links_of_the_event_reaches_a_sheet(sessions, gateway, event, now):
    sheet_id = begin(sessions, people(1), now=now)
    with sessions.read() as session:
        for deed in (sheets.get, sheets.made, sheets.headings):
            with pytest.raises(NotFound):
                deed(session, ELSEWHERE, sheet_id)
            with pytest.raises(NotFound):
                deed(session, VIEWER, sheet_id)
        assert sheets.recent(session, ELSEWHERE) == ()
        with pytest.raises(NotFound):
            sheets.read(session, ELSEWHERE, "devconf", "x.csv", people(1).encode(), now=NOW)
        with pytest.raises(NotAllowed):
            sheets.read(session, VIEWER, "devconf", "x.csv", people(1).encode(), now=NOW)
    with pytest.raises(NotFound):
        sheets.step(sessions, gateway, ELSEWHERE, sheet_id, addresses=ADDRESSES, now=now)
    assert gateway.links == {}


def test_a_closed_event_takes_no_sheet(sessions, now):
    with sessions.begin() as session:
        make_event(session, now=now, state="closed")
    with pytest.raises(Conflict, match="closed"):
        looked(sessions, people(1))
