"""A quote through each door: the desk's form and page of rates, the API, files, papers, search, exports."""

import io
from dataclasses import replace
from datetime import timedelta

import openpyxl
import pytest

from db.models import AuditEntry
from db.money import Money
from db.session import Sessions, open_engine
from payments.access.people import Role
from payments.asking import links
from payments.dates import business_day
from payments.errors import InvalidInput
from payments.exports.layout import Layout
from payments.finding import grammar, search
from payments.finding.search import Filter
from payments.papers.bodies import PaperKind
from payments.papers.charged import items_of
from payments.registering import registration_files
from payments.registering.registration_changes import Becomes
from payments.selling import price_book, quotes, rates
from payments.selling.price_book import PriceBook, QuoteLine
from tests import hook
from tests.desk import ADDRESSES, ADMIN, issue, make_event, payment_of
from tests.test_api import Client, key_of, problem
from tests.test_exports import read_back, written
from tests.test_pages import all_html
from tests.test_pages import desk as page_desk
from tests.test_papers import desk as paper_desk
from tests.test_papers import paper, words_of
from tests.test_quotes import DOLLARS, MID, enter, quoted
from tests.test_registration_files import Desk as FileDesk

__all__ = ["page_desk", "paper_desk"]

WISH = {
    "registration_id": "2026-0417", "currency": "ZAR", "payer_name": "Wanjiru Kamau",
    "quoted": {"amount_minor": 250_00, "currency": "USD"},
}  # fmt: skip


# -- the API ------------------------------------------------------------------------------------------


@pytest.fixture
def served(database_url, now):
    sessions = Sessions(open_engine(database_url))
    with sessions.begin() as session:
        make_event(session, now=now)
    enter(sessions, now)
    with hook.serving(database_url, now) as desk:
        yield desk
    sessions.engine.dispose()


@pytest.fixture
def site(served, now):
    return Client(served.port, key_of(served, now))


def test_a_registration_quoted_in_dollars_is_charged_in_rand_and_keeps_its_rate(served, site, now):
    assert site.get("/event").json()["rates"] == [
        {
            "currency": "USD", "rate": "18.4500", "rate_source": "SARB mid 23 Nov",
            "rate_at": "2026-11-23T10:00:00Z",
        }
    ]  # fmt: skip
    made = site.put(WISH, "first")
    assert made.status_code == 201
    assert (made.json()["amount_minor"], made.json()["currency"]) == (4612_50, "ZAR")
    told = {
        "amount_minor": 250_00, "currency": "USD", "rate": "18.4500", "rate_source": "SARB mid 23 Nov",
        "rate_at": "2026-11-23T10:00:00Z", "charged_minor": 4612_50,
    }  # fmt: skip
    assert made.json()["quoted"] == told
    enter(served.sessions, now, 19_000_000)
    again = site.put(WISH | {"payer_phone": "082 123 4567"}, "second")
    assert (again.status_code, again.json()["reference"]) == (200, made.json()["reference"])
    assert again.json()["quoted"] == told
    other = site.put(WISH | {"quoted": {"amount_minor": 300_00, "currency": "USD"}}, "third")
    assert (other.status_code, other.json()["replaces"]) == (201, made.json()["reference"])
    assert other.json()["amount_minor"] == 5700_00, "at the rate of then"
    in_rand = site.put(
        {name: one for name, one in WISH.items() if name != "quoted"} | {"amount_minor": 5700_00}, "4"
    )
    assert (in_rand.status_code, in_rand.json()["reference"]) == (200, other.json()["reference"])
    assert len(served.gateway.requests) == 2


REFUSED = (
    ({"amount_minor": 4612_51}, 409, "It costs R4\xa0612.50, not R4\xa0612.51"),
    ({"code": "MEMBER"}, 422, "leave extras and code out"),
    ({"quoted": {"amount_minor": 250_00, "currency": "EUR"}}, 409, "no rate for EUR yet"),
    ({"quoted": {"amount_minor": 250_00, "currency": "ZAR"}}, 422, "one of USD, EUR, GBP"),
    ({"quoted": {"amount_minor": 0, "currency": "USD"}}, 422, "amount_minor: "),
    ({"quoted": {"amount_minor": 250.5, "currency": "USD"}}, 422, "amount_minor: "),
    ({"quoted": {"amount_minor": 250_00}}, 422, "currency: "),
    ({"quoted": {"amount_minor": 250_00, "currency": "USD", "rate": "1"}}, 422, "rate: "),
    ({"quoted": None}, 422, "quoted"),
)


def test_what_cannot_be_quoted_is_a_problem(served, site):
    for number, (more, status, said) in enumerate(REFUSED):
        assert said in problem(site.put(WISH | more, f"key-{number}"), status)
    assert served.gateway.requests == []


# -- files --------------------------------------------------------------------------------------------

HEADS = "id,name,email,quoted amount,quote currency"
ROW = "A1,Wanjiru Kamau,wanjiru@example.org,250.00,usd\n"


@pytest.fixture
def files(sessions, now):
    desk = FileDesk(sessions, now)
    enter(sessions, now)
    return desk


def test_a_file_quotes_row_by_row_and_shows_the_rand_before_it_is_done(files, now):
    text = f"{HEADS}\n{ROW}A2,Sipho Dube,,1 000.00,USD\n"
    preview = files.look(text)
    assert [row.amount for row in preview.rows] == [Money(4612_50), Money(18_450_00)]
    assert preview.sum == Money(23_062_50)
    assert files.bring(text) == {"new": 2}
    enter(files.sessions, now, 19_000_000)
    assert files.bring(text) == {"unchanged": 2}, "what was quoted keeps its rate"
    assert files.payment("A1").amount == Money(4612_50)


def test_a_rate_that_changes_between_looking_and_doing_is_said(files, now):
    preview = files.look(f"{HEADS}\n{ROW}")
    enter(files.sessions, now, 19_000_000)
    registration_files.import_all(
        files.sessions, {"ikhokha": files.gateway}, ADMIN, preview, addresses=ADDRESSES, demo=True, now=now
    )
    (row,) = files.became()
    assert (row.outcome, "It costs R4\xa0750.00, not R4\xa0612.50" in row.why) == ("refused", True)


UNCLEAR = (
    ("250.00,", "no currency"),
    (",USD", "no amount"),
    ("250.00,ZAR", "and ZAR"),
    ("250.00,US$", "a currency of USD"),
    ("1.5,USD", "is not an amount"),
    ("-250.00,USD", "is not an amount"),
    ("1e5,USD", "is not an amount"),
    ("0,USD", "must be between US$0.01"),
    ("250.00,GBP", "no rate for GBP yet"),
    (",", "says no amount"),
)


def test_a_row_whose_quote_is_unclear_is_refused_with_why(files):
    rows = "".join(f"A{nth},Wanjiru Kamau,,{cells}\n" for nth, (cells, _) in enumerate(UNCLEAR))
    looked = files.look(f"{HEADS}\n{rows}").rows
    assert {row.change.becomes for row in looked} == {Becomes.REFUSED}
    for row, (_, said) in zip(looked, UNCLEAR, strict=True):
        assert said in row.change.told


def test_a_workbook_quotes_as_well(files):
    book = openpyxl.Workbook()
    for row in (HEADS.split(","), ("A1", "Wanjiru Kamau", "", 250.5, "USD")):
        book.active.append(row)
    data = io.BytesIO()
    book.save(data)
    (row,) = files.look(data.getvalue(), name="people.xlsx").rows
    assert row.amount == Money(4621_73), "250.50 at 18.45, half a cent up"


# -- pages --------------------------------------------------------------------------------------------


def label(at, word):
    return next(one for one in at.button if one.label == word)


def test_a_rate_is_entered_as_people_type_it_and_read_back(page_desk):
    page_desk.sign_in(Role.FINANCE)
    at = page_desk.open("pages/finance/prices.py")
    assert "No rate yet" in all_html(at)
    at.text_input(key="rate_typed_0").set_value("18,45").run()
    assert "US$100.00 is charged as R1\xa0845.00: R18.4500 for one." in all_html(at)
    at = label(at, "Enter the rate").click().run()
    assert "where the rate is from" in at.error[0].value
    at.text_input(key="rate_source_0").set_value("SARB mid 23 Nov")
    at = label(at, "Enter the rate").click().run()
    assert not at.error
    assert "US$1 = R18.4500, SARB mid 23 Nov" in at.success[0].value.replace("\\", "")
    at.text_input(key="rate_typed_1").set_value("22.20").run()
    assert "20.3 % away" in at.warning[0].value
    at.text_input(key="rate_source_1").set_value("SARB mid 24 Nov")
    at = label(at, "Enter the rate").click().run()
    assert "Confirm that it is meant" in at.error[0].value
    at.checkbox(key="rate_sure_1_USD_22200000").check()
    at = label(at, "Enter the rate").click().run()
    with page_desk.sessions.read() as session:
        assert [one.micro for one in rates.history(session, ADMIN)] == [22_200_000, MID]


def test_a_rate_that_is_none_is_a_sentence_and_no_button(page_desk):
    page_desk.sign_in(Role.FINANCE)
    at = page_desk.open("pages/finance/prices.py")
    for typed in ("0", "R", "NaN", "1e5", "-3", "18.45.00", "٣", "<b>"):
        at.text_input(key="rate_typed_0").set_value(typed).run()
        assert "is not a rate" in at.error[0].value, typed
        assert "Enter the rate" not in [one.label for one in at.button]


def quote_at_door(page_desk):
    page_desk.sign_in(Role.ORGANISER)
    at = page_desk.open("pages/door/take.py")
    return at.pills[0].set_value(-2).run()


def test_the_door_quotes_and_shows_the_rand_before_it_is_sent(page_desk, now):
    enter(page_desk.sessions, now)
    at = quote_at_door(page_desk)
    assert "Create link" not in [one.label for one in at.button]
    at.text_input(key="take_quote_amount").set_value("250").run()
    assert "= R4\xa0612.50" in all_html(at)
    assert "US$250.00 at R18.4500 (SARB mid 23 Nov, 23 Nov 2026, 12:00)" in all_html(at)
    reference = at.session_state["take_draft"][1]
    at.text_input(key="take_who").set_value("Wanjiru Kamau")
    at = label(at, "Create link").click().run()
    assert not at.error
    assert "US$250.00 × R18.4500" in all_html(at)
    with page_desk.sessions.read() as session:
        detail = search.get(session, ADMIN, reference)
        payer = links.for_payer(session, page_desk_token(session, reference), now=now)
    assert (detail.row.amount, detail.quoted.amount) == (Money(4612_50), DOLLARS)
    assert payer.quoted == "US$250.00 × R18.4500"


def page_desk_token(session, reference):
    return payment_of(session, reference).links[-1].return_token


def test_what_was_not_seen_in_rand_is_not_sent(page_desk, now):
    enter(page_desk.sessions, now)
    at = quote_at_door(page_desk)
    at.text_input(key="take_quote_amount").set_value("250").run()
    at.text_input(key="take_quote_amount").set_value("2500")
    at = label(at, "Create link").click().run()
    assert "Look at the amount in rand" in at.error[0].value
    assert page_desk.gateway.requests == []
    label(at, "Create link").click().run()
    assert page_desk.gateway.requests[-1].amount == Money(46_125_00)


def test_an_old_rate_is_said_at_the_door_and_on_the_page_of_rates(page_desk, now):
    with page_desk.sessions.begin() as session:
        rates.enter(
            session, ADMIN, "USD", MID, "SARB mid", now - timedelta(days=15), now=now - timedelta(days=9)
        )
    at = quote_at_door(page_desk)
    at.text_input(key="take_quote_amount").set_value("250").run()
    assert "Finance enters one under Finance → Prices" in at.error[0].value
    assert "Create link" not in [one.label for one in at.button]
    page_desk.sign_in(Role.FINANCE)
    at = page_desk.open("pages/finance/prices.py")
    assert "15 days old, and nothing is quoted by it any more" in at.warning[0].value


def test_several_people_are_quoted_each_and_charged_together_to_the_cent(page_desk, now):
    enter(page_desk.sessions, now, 18_333_300)
    at = quote_at_door(page_desk)
    at.number_input(key="take_people").set_value(3).run()
    at.text_input(key="take_quote_amount").set_value("33.33").run()
    reference = at.session_state["take_draft"][1]
    label(at, "Create link").click().run()
    with page_desk.sessions.read() as session:
        detail = search.get(session, ADMIN, reference)
    assert (detail.quoted.amount, detail.row.amount) == (Money(99_99, "USD"), Money(1833_15))
    assert sum(place.amount.minor for place in detail.places) == 1833_15


def test_the_drawer_says_what_was_quoted(page_desk, now):
    enter(page_desk.sessions, now)
    link = quoted(page_desk.sessions, page_desk.gateway, now)
    page_desk.sign_in(Role.FINANCE)
    at = page_desk.open("pages/monitor/payments.py", payment=link.reference)
    assert "Quoted US$250.00 at R18.4500 (SARB mid 23 Nov, 23 Nov 2026, 12:00) = R4\xa0612.50" in all_html(at)


# -- papers, search, files ------------------------------------------------------------------------------


@pytest.fixture
def two(sessions, gateway, now):
    """One quoted in dollars, one asked for in rand."""
    with sessions.begin() as session:
        make_event(session, now=now)
    enter(sessions, now, source='=SARB "mid"')
    return quoted(sessions, gateway, now).reference, issue(sessions, gateway, now=now).reference


def test_a_bill_says_the_quote_and_adds_up_in_rand(sessions, two):
    with sessions.read() as session:
        (item,) = items_of(session, payment_of(session, two[0]), named=False)
        (plain,) = items_of(session, payment_of(session, two[1]), named=False)
    assert "quoted US$250.00 at R18.4500" in item.what
    assert item.amount == Money(4612_50)
    assert "quoted" not in plain.what


@pytest.mark.parametrize("kind", [PaperKind.QUOTATION, PaperKind.INVOICE])
def test_a_paper_says_the_quote_and_its_totals_and_vat_are_in_rand(paper_desk, gateway, now, kind):
    enter(paper_desk, now)
    handed, told = words_of(paper_desk, paper(paper_desk, now, kind, quoted(paper_desk, gateway, now)), now)
    assert "quoted US$250.00 at R18.4500 (SARB mid 23 Nov," in " ".join(told.split())
    assert (handed.body.bill.total, handed.body.bill.vat) == (Money(4612_50), Money(601_63))


def test_quotes_are_searched_for(sessions, two, now):
    with sessions.read() as session:
        for asked, which in (
            ("quoted:usd", [0]),
            ("quoted:any", [0]),
            ("quoted:eur", []),
            ("-quoted:usd", [1]),
        ):
            wanted = grammar.read(asked, business_day(now))
            found = [row.reference for row in search.page(session, ADMIN, wanted).rows]
            assert found == [two[nth] for nth in which], asked
            assert search.totals(session, ADMIN, wanted).count == len(which)


def test_a_quote_is_in_a_file_and_in_none_of_its_sums(sessions, two):
    columns = (
        "reference",
        "amount",
        "quoted_amount",
        "quoted_currency",
        "exchange_rate",
        "rate_source",
        "rate_date",
    )
    with sessions.read() as session:
        rows = read_back(written(session, Filter(), Layout(columns=columns)))
        sums = search.totals(session, ADMIN, Filter()).sums
    assert {row["reference"]: [row[name] for name in columns[1:]] for row in rows} == {
        two[0]: ["4612.50", "250.00", "USD", "18.450000", '\'=SARB "mid"', "2026-11-23 12:00:00"],
        two[1]: ["150.00", "", "", "", "", ""],
    }
    assert list(sums) == ["ZAR"]


# -- prices in other currencies -----------------------------------------------------------------------

LISTED = PriceBook(
    quotes=(QuoteLine("Regular", Money(100_00, "USD")), QuoteLine("Regular", Money(90_00, "EUR")))
)


def list_prices(sessions, now, book=LISTED):
    with sessions.begin() as session:
        price_book.save(session, ADMIN, "devconf", book, now=now)


def test_a_category_has_a_price_in_dollars_and_the_caller_names_only_the_currency(served, site, now):
    list_prices(served.sessions, now)
    assert site.get("/event").json()["categories"][0]["quoted"] == [
        {"amount_minor": 90_00, "currency": "EUR"}, {"amount_minor": 100_00, "currency": "USD"},
    ]  # fmt: skip
    wish = WISH | {"quoted": {"currency": "USD"}, "category": "Regular"}
    made = site.put(wish, "first")
    assert (made.status_code, made.json()["amount_minor"]) == (201, 1845_00)
    assert made.json()["quoted"]["amount_minor"] == 100_00
    list_prices(served.sessions, now, PriceBook(quotes=(QuoteLine("Regular", Money(120_00, "USD")),)))
    again = site.put(wish, "second")
    assert (again.status_code, again.json()["amount_minor"]) == (200, 1845_00), "it keeps its price"
    for number, more in enumerate(
        ({"category": "Student"}, {"category": ""}, {"quoted": {"currency": "EUR"}})
    ):
        asked = {name: one for name, one in (wish | {"registration_id": "R2"} | more).items() if one}
        said = problem(site.put(asked, f"no-{number}"), 422)
        assert "No price in" in said or "category" in said


def test_a_file_names_the_currency_and_the_list_says_the_price(files, now):
    list_prices(files.sessions, now)
    text = "id,name,category,quote currency\nA1,Wanjiru Kamau,Regular,USD\nA2,Sipho Dube,Student,USD\n"
    looked = files.look(text).rows
    assert [row.amount for row in looked] == [Money(1845_00), None]
    assert "No price in USD" in looked[1].change.told
    assert files.bring(text) == {"new": 1, "refused": 1}
    with files.sessions.read() as session:
        payment = payment_of(session, files.payment("A1").reference)
        assert (quotes.kept(session, payment).amount, payment.category.name) == (
            Money(100_00, "USD"),
            "Regular",
        )
    assert files.bring(text) == {"unchanged": 1, "refused": 1}


def test_what_is_no_price_to_quote_is_refused(sessions, now):
    with sessions.begin() as session:
        make_event(session, now=now)
    for lines, said in (
        ((QuoteLine("Nobody", Money(1, "USD")),), "not a category"),
        ((QuoteLine("Regular", Money(100_00)),), "in one of USD"),
        ((QuoteLine("Regular", Money(0, "USD")),), "no price to quote"),
        ((QuoteLine("Regular", Money(100_000_001, "USD")),), "no price to quote"),
        ((LISTED.quotes[0],) * 2, "has two prices in USD"),
    ):
        with pytest.raises(InvalidInput, match=said):
            list_prices(sessions, now, PriceBook(quotes=lines))


def test_prices_to_quote_are_changed_and_taken_away_on_the_record(sessions, now):
    with sessions.begin() as session:
        make_event(session, now=now)
    for book in (LISTED, replace(LISTED, quotes=(QuoteLine("Regular", Money(110_00, "USD")),)), PriceBook()):
        list_prices(sessions, now, book)
        with sessions.read() as session:
            kept, _ = price_book.of(session, ADMIN, "devconf")
        assert set(kept.quotes) == set(book.quotes)
    with sessions.read() as session:
        entries = session.query(AuditEntry).where(AuditEntry.action == "change_prices").all()
    assert [len(entry.detail["became"]["quotes"]) for entry in entries] == [2, 1, 0]


def test_the_door_takes_the_price_in_dollars_by_one_press(page_desk, now):
    enter(page_desk.sessions, now)
    list_prices(page_desk.sessions, now)
    at = quote_at_door(page_desk)
    assert "= R1\xa0845.00" in all_html(at)
    reference = at.session_state["take_draft"][1]
    at.run()
    at.text_input(key="take_who").set_value("Wanjiru Kamau")
    assert not label(at, "Create link").click().run().error
    with page_desk.sessions.read() as session:
        detail = search.get(session, ADMIN, reference)
    assert (detail.quoted.amount, detail.row.category) == (Money(100_00, "USD"), "Regular")


def test_the_page_of_prices_shows_and_keeps_them(page_desk, now):
    list_prices(page_desk.sessions, now)
    page_desk.sign_in(Role.FINANCE)
    at = page_desk.open("pages/finance/prices.py")
    assert "or €90.00 or US$100.00" in all_html(at)
    assert not label(at, "Save the prices").click().run().error
    with page_desk.sessions.read() as session:
        assert set(price_book.of(session, ADMIN, "devconf")[0].quotes) == set(LISTED.quotes)
