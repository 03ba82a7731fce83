"""Registrations by category, extras and code: by the API's door and by file, and never a seat too many."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import select

from db.models import Payment
from db.money import Money
from db.session import Sessions, open_engine
from payments import sheets
from payments.selling import price_book, prices
from payments.selling.price_book import PriceBook
from payments.sheets import RowState
from tests import hook
from tests.desk import ADMIN, make_event, payment_of
from tests.test_api import Client, key_of, problem
from tests.test_prices import BOOK
from tests.test_registration_files import Desk as FileDesk
from tests.test_sheets import begin, make_all

WISH = {
    "registration_id": "2026-0417", "currency": "ZAR", "payer_name": "Thandi Nkosi", "category": "Regular",
}  # fmt: skip


@pytest.fixture
def desk(database_url, now):
    sessions = Sessions(open_engine(database_url))
    with sessions.begin() as session:
        make_event(session, now=now)
        price_book.save(session, ADMIN, "devconf", BOOK, now=now)
    with hook.serving(database_url, now) as served:
        yield served
    sessions.engine.dispose()


@pytest.fixture
def site(desk, now):
    return Client(desk.port, key_of(desk, now))


def ask(site, key="first", **more):
    return site.put({name: one for name, one in (WISH | more).items() if one is not None}, key)


def test_twenty_who_register_at_once_have_five_early_seats_and_the_next_price(desk, site):
    def register(nth):
        return ask(site, f"key-{nth}", registration_id=f"R{nth}")

    with ThreadPoolExecutor(20) as many:
        answers = list(many.map(register, range(20)))
    assert [answer.status_code for answer in answers] == [201] * 20
    told = Counter((answer.json()["amount_minor"], answer.json()["lines"][0]["what"]) for answer in answers)
    assert told == {(100_000, "Regular, Early bird"): 5, (120_000, "Regular, Advance"): 15}
    with desk.sessions.read() as session:
        assert Counter(session.scalars(select(Payment.amount_minor))) == {100_000: 5, 120_000: 15}
        assert not list(prices.broken(session))
    event = site.get("/event").json()
    assert event["categories"][0] == {
        "name": "Regular", "amount_minor": 120_000, "period": "Advance", "until": "2026-11-27",
        "seats_left": None, "note": "Early bird has no seat left.", "quoted": [],
    }  # fmt: skip
    assert event["extras"][0] == {"name": "Workshop", "amount_minor": 40_000, "seats_left": 3}


def test_extras_and_a_code_are_priced_and_told_line_by_line(desk, site):
    answer = ask(site, extras=[{"name": "workshop", "quantity": 2}, {"name": "Banquet"}], code="member")
    assert answer.status_code == 201
    assert answer.json()["amount_minor"] == 184_545
    assert answer.json()["lines"] == [
        {"what": "Regular, Early bird", "quantity": 1, "unit_minor": 100_000, "discount_minor": 10_000,
         "amount_minor": 90_000},
        {"what": "Workshop", "quantity": 2, "unit_minor": 40_000, "discount_minor": 8_000,
         "amount_minor": 72_000},
        {"what": "Banquet", "quantity": 1, "unit_minor": 25_050, "discount_minor": 2_505,
         "amount_minor": 22_545},
    ]  # fmt: skip
    assert desk.gateway.requests[-1].amount == Money(184_545)


def test_what_was_priced_keeps_its_price_when_it_is_asked_for_again(desk, site, now):
    first = ask(site).json()
    with desk.sessions.begin() as session:
        price_book.save(session, ADMIN, "devconf", PriceBook(BOOK.periods[1:], BOOK.extras), now=now)
    again = ask(site, "second", payer_phone="082 123 4567")
    assert again.status_code == 200
    assert (again.json()["reference"], again.json()["amount_minor"]) == (first["reference"], 100_000)
    other = ask(site, "third", extras=[{"name": "Workshop"}])
    assert other.status_code == 201
    assert other.json()["replaces"] == first["reference"]
    assert other.json()["amount_minor"] == 160_000, "priced as of today"
    with desk.sessions.read() as session:
        assert payment_of(session, first["reference"]).status == "cancelled"


def test_another_choice_of_the_same_sum_takes_its_place_as_well(desk, site, now):
    with desk.sessions.begin() as session:
        extras = (BOOK.extras[0], price_book.ExtraPrice("Tutorial", Money(40_000)))
        price_book.save(session, ADMIN, "devconf", PriceBook((), extras), now=now)
    first = ask(site, extras=[{"name": "Workshop"}]).json()
    other = ask(site, "second", extras=[{"name": "Tutorial"}]).json()
    assert other["replaces"] == first["reference"]
    assert [line["what"] for line in other["lines"]] == ["Regular", "Tutorial"]


def test_a_cancelled_registration_comes_back_at_its_price_or_at_todays(desk, site, now):
    first = ask(site).json()
    site.cancel(first["reference"])
    assert ask(site, "again").json()["reference"] == first["reference"]
    site.cancel(first["reference"])
    for nth in range(5):  # others have the seats by now
        assert ask(site, f"other-{nth}", registration_id=f"R{nth}").json()["amount_minor"] == 100_000
    late = ask(site, "late")
    assert late.status_code == 201
    assert (late.json()["replaces"], late.json()["amount_minor"]) == (first["reference"], 120_000)


@pytest.mark.parametrize(
    "more, status, says",
    [
        pytest.param({"amount_minor": 90_000, "code": "MEMBER"}, 201, "", id="the amount that was agreed"),
        pytest.param(
            {"amount_minor": 95_000, "code": "MEMBER"},
            409,
            "It costs R900.00, not R950.00",
            id="another amount",
        ),
        pytest.param({"category": None}, 422, "amount_minor or quoted, or a category", id="neither"),
        pytest.param({"extras": [{"name": "Lunch"}]}, 422, "no such extra", id="no such extra"),
        pytest.param({"extras": [{"name": "Workshop", "quantity": 4}]}, 409, "3 seats left", id="full"),
        pytest.param({"extras": [{"name": "Workshop", "quantity": 0}]}, 422, "1 or more", id="none of it"),
        pytest.param({"extras": "Workshop"}, 422, "must be a list", id="no list"),
        pytest.param({"code": "OLD"}, 409, "ended on", id="a code that is over"),
        pytest.param({"amount_minor": 1_000}, 201, "", id="an amount that was said is asked for"),
    ],
)
def test_a_wish_is_priced_or_refused_in_a_sentence(desk, site, more, status, says):
    answer = ask(site, **more)
    if status == 201:
        assert answer.status_code == 201
        assert answer.json()["amount_minor"] == more["amount_minor"]
    else:
        assert says in problem(answer, status).replace("\xa0", " ")


# -- by file ------------------------------------------------------------------------------------------

FILE = "id,name,category,extras,discount code\nR1,Nomvula Dube,Regular,Workshop; Banquet x2,MEMBER\n"


@pytest.fixture
def by_file(sessions, now):
    one = FileDesk(sessions, now)
    with sessions.begin() as session:
        price_book.save(session, ADMIN, "devconf", BOOK, now=now)
    return one


def test_a_file_is_priced_by_its_categories_extras_and_codes(by_file, sessions, now):
    looked = by_file.look(FILE)
    assert [row.amount for row in looked.rows] == [Money(171_090)]
    by_file.bring(FILE)
    assert by_file.look(FILE).rows[0].change.becomes == "unchanged"
    by_file.now = now + timedelta(days=2)  # the early price is over, and theirs stays
    assert by_file.look(FILE).rows[0].change.becomes == "unchanged"
    more = by_file.look(FILE.replace("Workshop; ", ""))
    assert more.rows[0].change.becomes == "changed"
    assert more.rows[0].amount == Money(153_090)


@pytest.mark.parametrize(
    "row, says",
    [
        pytest.param("R1,A,Regular,Lunch,\n", "no such extra", id="extra"),
        pytest.param("R1,A,Regular,,OLD\n", "ended on", id="code"),
        pytest.param("R1,A,Regular,Workshop x9,\n", "3 seats left", id="full"),
    ],
)
def test_a_row_that_has_no_price_is_refused(by_file, row, says):
    looked = by_file.look(FILE.splitlines(keepends=True)[0] + row)
    assert looked.rows[0].change.becomes == "refused"
    assert says in looked.rows[0].change.told


# -- by sheet -----------------------------------------------------------------------------------------


def test_a_sheet_costs_what_holds_and_a_row_whose_price_is_gone_says_so(sessions, gateway, now):
    with sessions.begin() as session:
        make_event(session, now=now)
        price_book.save(session, ADMIN, "devconf", BOOK, now=now)
    rows = "".join(f"{nth},Payer {nth},payer{nth}@example.org,Student\n" for nth in range(3))
    sheet_id = begin(sessions, f"id,name,email,category\n{rows}", now=now)
    view = make_all(sessions, gateway, sheet_id, now)
    assert view.outcomes == {RowState.MADE: 2, RowState.FAILED: 1}
    with sessions.read() as session:
        assert session.scalars(select(Payment.amount_minor)).all() == [30_000, 30_000]
        why = next(row.why for row in sheets.made(session, ADMIN, sheet_id) if row.why)
    assert "It costs R450.00 by now, not R300.00. Early bird has no seat left." in why
