"""Prices by period, extras and codes: what it costs now, and never a seat sold twice."""

import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select

from db.models import AuditEntry, Payment, PaymentLine, PricePeriod
from db.money import Money
from payments import cancellation, lifecycle, obligations, vat
from payments.access.people import Person, Role
from payments.asking import reissue
from payments.books import integrity
from payments.errors import Conflict, InvalidInput, NotAllowed
from payments.lifecycle import Source, Status
from payments.papers import charged
from payments.selling import events, on_sale, price_book, prices
from payments.selling.events import EventDraft, Price
from payments.selling.price_book import Code, ExtraPrice, Period, PriceBook
from payments.selling.prices import Choice
from tests.buyers import buy
from tests.desk import ADDRESSES, ADMIN, issue, make_event, payment_of

ROOT = Path(__file__).parent.parent
FINANCE = Person(2, "Sipho", "sipho@example.org", Role.FINANCE, None)
ORGANISER = Person(3, "Lerato", "lerato@example.org", Role.ORGANISER, None)
LAST = date(2026, 11, 23)
BOOK = PriceBook(
    (
        Period("Regular", "Early bird", Money(100_000), until=LAST, seats=5),
        Period("Regular", "Advance", Money(120_000), until=date(2026, 11, 27)),
        Period("Student", "Early bird", Money(30_000), seats=2),
    ),
    (
        ExtraPrice("Workshop", Money(40_000), seats=3),
        ExtraPrice("Banquet", Money(25_050)),
        ExtraPrice("Poster", Money(0)),
    ),
    (
        Code("MEMBER", percent_bp=1_000, most=2),
        Code("FIFTY", off=Money(5_000), since=date(2026, 11, 20), until=date(2026, 11, 25)),
        Code("OLD", percent_bp=500, until=date(2026, 11, 1)),
        Code("SOON", percent_bp=500, since=date(2026, 12, 1)),
        Code("ALL", off=Money(9_999_999)),
    ),
)


@pytest.fixture
def desk(sessions, now):
    """An event with a book of prices."""
    with sessions.begin() as session:
        make_event(session, now=now)
        price_book.save(session, ADMIN, "devconf", BOOK, now=now)
    return sessions


def ids(sessions):
    with sessions.read() as session:
        found = on_sale.offers(session, ADMIN, "devconf", now=datetime(2026, 1, 1, tzinfo=UTC))
    return {one.name: one.id for one in (*found.categories, *found.extras)}


def chosen(sessions, category="Regular", people=1, code="", **extras):
    known = ids(sessions)
    wanted = tuple((known[name], count) for name, count in extras.items())
    return Choice(known[category] if category else None, people, wanted, code)


def quoted(sessions, now, *what, **more):
    with sessions.read() as session:
        return prices.quote(session, ORGANISER, "devconf", chosen(sessions, *what, **more), now=now)


def bought(sessions, gateway, now, *what, **more):
    choice = chosen(sessions, *what, **more)
    return issue(
        sessions, gateway, now=now, choice=choice, amount=quoted(sessions, now, *what, **more).total
    ).reference


def references_for(sessions, many):
    with sessions.read() as session:
        return [obligations.draft_reference(session, ADMIN, "devconf", demo=True) for _ in range(many)]


def sound(sessions):
    with sessions.read() as session:
        assert not integrity.examine(session)


# -- what it costs ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "what, total",
    [
        pytest.param({}, 100_000, id="early bird"),
        pytest.param({"people": 3}, 300_000, id="three"),
        pytest.param({"people": 6}, 720_000, id="more than it has seats are all at the next price"),
        pytest.param({"Workshop": 1, "Banquet": 2}, 190_100, id="extras"),
        pytest.param({"category": None, "Banquet": 1}, 25_050, id="an extra alone"),
        pytest.param({"code": "member"}, 90_000, id="ten percent, in any case"),
        pytest.param(
            {"code": "MEMBER", "Banquet": 1}, 112_545, id="half a cent goes up in what is taken off"
        ),
        pytest.param({"code": "FIFTY"}, 95_000, id="an amount"),
        pytest.param({"category": "Student", "Poster": 1}, 30_000, id="an extra for nothing"),
    ],
)
def test_it_costs_so_much_now(desk, now, what, total):
    found = quoted(desk, now, **what)
    assert found.total == Money(total)
    assert sum((line.amount for line in found.lines), Money(0)) == found.total


@pytest.mark.parametrize(
    "what, error, says",
    [
        pytest.param({"Workshop": 4}, Conflict, "Workshop has 3 seats left", id="an extra is full"),
        pytest.param({"code": "OLD"}, Conflict, "ended on 1 Nov 2026", id="a code that is over"),
        pytest.param({"code": "SOON"}, Conflict, "from 1 Dec 2026 on", id="a code that has not begun"),
        pytest.param({"code": "NONE"}, InvalidInput, "no code “NONE”", id="no such code"),
        pytest.param({"code": "ALL"}, InvalidInput, "complimentary", id="nothing is left to pay"),
        pytest.param({"category": None, "Poster": 1}, InvalidInput, "complimentary", id="costs nothing"),
        pytest.param({"category": None}, InvalidInput, "Choose what it is for", id="nothing"),
        pytest.param({"people": 0}, InvalidInput, "1 to 100", id="nobody"),
        pytest.param({"Banquet": 101}, InvalidInput, "1 to 100", id="mistyped"),
    ],
)
def test_what_has_no_price_is_refused_in_a_sentence(desk, now, what, error, says):
    with pytest.raises(error, match=says):
        quoted(desk, now, **what)


def test_a_period_ends_with_its_day_in_south_africa(desk):
    midnight = datetime(2026, 11, 23, 22, 0, tzinfo=UTC)
    assert quoted(desk, midnight - timedelta(microseconds=1)).total == Money(100_000)
    after = quoted(desk, midnight)
    assert after.total == Money(120_000)
    assert after.passed == ("Early bird ended on 23 Nov 2026.",)
    late = quoted(desk, datetime(2026, 11, 27, 22, 0, tzinfo=UTC))
    assert late.total == Money(150_000), "the category's own"
    assert [line.what for line in late.lines] == ["Regular"]


def test_what_is_on_sale_is_told_with_why(desk, gateway, now):
    bought(desk, gateway, now, "Student", 2)
    with desk.read() as session:
        found = on_sale.offers(session, ORGANISER, "devconf", now=now)
    told = [(one.name, one.period, one.price.minor, one.seats_left) for one in found.categories]
    assert told == [("Regular", "Early bird", 100_000, 5), ("Student", "", 45_000, None)]
    assert found.categories[1].passed == ("Early bird has no seat left.",)
    assert [(one.name, one.seats_left) for one in found.extras] == [
        ("Workshop", 3), ("Banquet", None), ("Poster", None),
    ]  # fmt: skip
    assert found.takes_codes
    assert found.priced


@given(
    st.lists(st.tuples(st.integers(0, 400_000), st.integers(1, 9)), min_size=1, max_size=6),
    st.integers(1, 9_999),
    st.sampled_from([0, vat.RATE_BP]),
)
def test_a_discount_is_shared_to_the_cent_and_lines_vat_and_total_agree(lines, percent_bp, rate_bp):
    amounts = [unit * quantity for unit, quantity in lines]
    whole = Money(sum(amounts))
    off = vat.percent_off(whole, percent_bp)
    shares = vat.share(off, amounts)
    assert sum(shares, Money(0)) == off
    items = [
        vat.Item("x", Money(unit), quantity, part)
        for (unit, quantity), part in zip(lines, shares, strict=True)
    ]
    assert all(0 <= part.minor <= amount for part, amount in zip(shares, amounts, strict=True))
    bill = vat.bill(items, rate_bp=rate_bp)
    assert bill.total == whole - off == bill.net + bill.vat
    assert sum((line.gross for line in bill.lines), Money(0)) == bill.total
    assert sum((line.vat for line in bill.lines), Money(0)) == bill.vat
    assert sum((line.net for line in bill.lines), Money(0)) == bill.net


# -- what a payment was priced as -------------------------------------------------------------------


def test_what_it_was_priced_as_stays_whatever_prices_become(desk, gateway, now):
    reference = bought(desk, gateway, now, code="MEMBER", Workshop=2)
    with desk.begin() as session:
        price_book.save(session, FINANCE, "devconf", PriceBook(), now=now)
    with desk.read() as session:
        payment = payment_of(session, reference)
        lines = prices.kept(session, payment)
        assert [line.text.replace("\xa0", " ") for line in lines] == [
            "Regular, Early bird: R1 000.00, less R100.00 by MEMBER",
            "2 × Workshop: R800.00, less R80.00 by MEMBER",
        ]
        assert [line.seats_left for line in lines] == [5, 3]
        assert payment.amount == Money(162_000)
        assert prices.same(prices.choice_of(session, payment), chosen_before(lines, payment))
    assert quoted(desk, now).total == Money(150_000)
    sound(desk)


def chosen_before(lines, payment):
    return Choice(payment.category_id, 1, ((lines[1].extra_id, 2),), "member")


def test_its_paper_has_its_lines_and_discounts(desk, gateway, now):
    reference = bought(desk, gateway, now, code="MEMBER", Workshop=2)
    with desk.read() as session:
        payment = payment_of(session, reference)
        bill = vat.bill(charged.items_of(session, payment, named=False), rate_bp=vat.RATE_BP)
        assert bill.total == payment.amount
    told = [(line.what, line.quantity, line.discount.minor, line.gross.minor) for line in bill.lines]
    assert told == [("Regular, Early bird", 1, 10_000, 90_000), ("Workshop", 2, 8_000, 72_000)]


def test_a_price_that_was_said_and_holds_no_more_is_not_taken(desk, gateway, now):
    for _ in range(5):
        bought(desk, gateway, now)
    with pytest.raises(Conflict, match=r"costs R1.200.00 by now, not R1.000.00. Early bird has no seat left"):
        issue(desk, gateway, now=now, choice=chosen(desk), amount=Money(100_000))
    with desk.read() as session:
        assert len(session.scalars(select(Payment.id)).all()) == 5


def test_a_code_is_used_so_often_at_the_most(desk, gateway, now):
    first = bought(desk, gateway, now, code="MEMBER")
    bought(desk, gateway, now, code="MEMBER", Banquet=1)  # one use, though on two lines
    with pytest.raises(Conflict, match="as often as it may be"):
        quoted(desk, now, code="MEMBER")
    cancellation.cancel(desk, {"ikhokha": gateway}, ADMIN, first, "They do not come", now=now)
    assert quoted(desk, now, code="MEMBER").discount == Money(10_000)


# -- seats ------------------------------------------------------------------------------------------


def test_a_cancelled_payment_frees_its_seat_and_comes_back_only_while_one_is_left(desk, gateway, now):
    gateways = {"ikhokha": gateway}
    first, second = (bought(desk, gateway, now, "Student") for _ in range(2))
    assert quoted(desk, now, "Student").total == Money(45_000)
    for one in (first, second):
        cancellation.cancel(desk, gateways, ADMIN, one, "They do not come", now=now)
    bought(desk, gateway, now, "Student")
    with desk.begin() as session:
        cancellation.reopen(session, ADMIN, first, "They come after all", now=now)
    with (
        pytest.raises(Conflict, match="The seats of Student, Early bird are taken by now"),
        desk.begin() as session,
    ):
        cancellation.reopen(session, ADMIN, second, "They come after all", now=now)
    with desk.read() as session:
        link = payment_of(session, second).links[-1].wire_reference
    with pytest.raises(Conflict, match="taken by now"):
        reissue.reissue(
            desk, gateways, ADMIN, second, "They come after all", replaces=link, addresses=ADDRESSES, now=now
        )
    sound(desk)


def test_a_closed_payment_does_not_come_back_at_a_price_that_is_over(desk, gateway, now):
    reference = bought(desk, gateway, now)
    cancellation.cancel(desk, {"ikhokha": gateway}, ADMIN, reference, "They do not come", now=now)
    with pytest.raises(Conflict, match="ended on 23 Nov 2026"), desk.begin() as session:
        cancellation.reopen(session, ADMIN, reference, "They come after all", now=now + timedelta(days=1))


def test_who_is_given_a_new_link_after_all_has_the_seat_before_the_gateway_is_asked(desk, gateway, now):
    gateways = {"ikhokha": gateway}
    reference = bought(desk, gateway, now, "Student", 2)
    cancellation.cancel(desk, gateways, ADMIN, reference, "They do not come", now=now)
    with desk.read() as session:
        link = payment_of(session, reference).links[-1].wire_reference
    seen = []
    issued = gateway.issue
    gateway.issue = lambda request: (seen.append(quoted(desk, now, "Student").total), issued(request))[1]
    reissue.reissue(
        desk, gateways, ADMIN, reference, "They come after all", replaces=link, addresses=ADDRESSES, now=now
    )
    assert seen == [Money(45_000)]
    sound(desk)


def outcome(desk, reference, choice, agreed, ready):
    ready.wait(30)
    try:
        buy(desk, reference, choice, agreed)
    except Conflict as error:
        return str(error)
    return "bought"


def early(desk):
    """How many hold a seat at the early price, and how many payments of each amount there are."""
    with desk.read() as session:
        period = session.scalars(select(PricePeriod).where(PricePeriod.price_minor == 100_000)).one()
        lines = session.scalars(select(PaymentLine).where(PaymentLine.period_id == period.id)).all()
        return sum(line.quantity for line in lines), Counter(session.scalars(select(Payment.amount_minor)))


def test_of_twenty_who_want_the_last_early_seats_at_once_five_have_one(desk):
    choice, ready = chosen(desk), Barrier(20)
    with ThreadPoolExecutor(20) as many:
        told = list(
            many.map(lambda one: outcome(desk, one, choice, Money(100_000), ready), references_for(desk, 20))
        )
    refused = [one for one in told if one != "bought"]
    assert len(refused) == 15
    assert all("It costs R1\xa0200.00 by now" in one and "no seat left" in one for one in refused)
    assert early(desk) == (5, {100_000: 5})


def test_of_twenty_who_buy_at_any_price_five_have_the_early_one_and_the_others_the_next(desk):
    choice, ready = chosen(desk), Barrier(20)
    with ThreadPoolExecutor(20) as many:
        told = list(many.map(lambda one: outcome(desk, one, choice, None, ready), references_for(desk, 20)))
    assert told == ["bought"] * 20
    assert early(desk) == (5, {100_000: 5, 120_000: 15})
    sound(desk)


@pytest.mark.processes
def test_of_twenty_processes_five_have_an_early_seat(desk, database_url):
    command = [sys.executable, "-m", "tests.buyers", database_url, str(ids(desk)["Regular"])]
    subprocess.run([*command, *references_for(desk, 20)], cwd=ROOT, check=True, timeout=120)
    assert early(desk) == (5, {100_000: 5, 120_000: 15})


# -- the book ---------------------------------------------------------------------------------------


def test_finance_changes_prices_and_it_is_on_the_record(desk, now):
    more = replace(BOOK, codes=(*BOOK.codes, Code("NEW", percent_bp=2_500)))
    with desk.begin() as session:
        price_book.save(session, FINANCE, "devconf", more, now=now)
        price_book.save(session, FINANCE, "devconf", more, now=now)  # nothing changes, nothing is told
    with desk.read() as session:
        kept, sold = price_book.of(session, FINANCE, "devconf")
        entries = session.scalars(select(AuditEntry).where(AuditEntry.action == "change_prices")).all()
        assert kept.periods == more.periods
        assert kept.extras == more.extras
        assert {code.code for code in kept.codes} == {"MEMBER", "FIFTY", "OLD", "SOON", "ALL", "NEW"}
        assert sold.periods == (0, 0, 0)
        assert [entry.actor for entry in entries] == [ADMIN.email, FINANCE.email]


@pytest.mark.parametrize("role", [Role.ORGANISER, Role.VIEWER, Role.AUDITOR])
def test_who_is_not_of_the_office_changes_no_price(desk, now, role):
    with pytest.raises(NotAllowed), desk.begin() as session:
        price_book.save(session, replace(ORGANISER, role=role), "devconf", PriceBook(), now=now)


@pytest.mark.parametrize(
    "book, says",
    [
        pytest.param(PriceBook((Period("Nobody", "x", Money(1), seats=1),)), "not a category", id="category"),
        pytest.param(PriceBook((Period("Regular", "x", Money(1)),)), "until which day", id="never ends"),
        pytest.param(PriceBook((Period("Regular", "", Money(1), seats=1),)), "no name", id="no name"),
        pytest.param(
            PriceBook((Period("Regular", "x", Money(0), seats=1),)), "between R0.01", id="for nothing"
        ),
        pytest.param(PriceBook((Period("Regular", "x", Money(1), seats=0),)), "1 or more", id="no seat"),
        pytest.param(
            PriceBook(tuple(Period("Regular", name, Money(1), seats=1) for name in ("x", "X"))), "twice",
            id="twice",
        ),
        pytest.param(PriceBook((), (ExtraPrice("x", Money(-1)),)), "between R0.00", id="less than nothing"),
        pytest.param(PriceBook((), (), (Code("TWO WORDS", 100),)), "one word", id="two words"),
        pytest.param(PriceBook((), (), (Code("X"),)), "one of the two", id="a code of nothing"),
        pytest.param(PriceBook((), (), (Code("X", 100, Money(100)),)), "one of the two", id="both"),
        pytest.param(PriceBook((), (), (Code("X", 10_000),)), "below 100", id="all of it"),
        pytest.param(
            PriceBook((), (), (Code("X", 100, since=LAST, until=LAST - timedelta(1)),)), "before it begins",
            id="days",
        ),
        pytest.param(
            PriceBook((), tuple(ExtraPrice(f"{nth}", Money(1)) for nth in range(101))),
            "at most 100",
            id="many",
        ),
    ],
)  # fmt: skip
def test_a_book_that_says_no_price_is_refused(desk, now, book, says):
    with pytest.raises(InvalidInput, match=says), desk.begin() as session:
        price_book.save(session, ADMIN, "devconf", book, now=now)


def test_seats_that_are_sold_cannot_be_taken_away(desk, gateway, now):
    bought(desk, gateway, now, people=4)
    fewer = replace(BOOK, periods=(replace(BOOK.periods[0], seats=3), *BOOK.periods[1:]))
    with pytest.raises(InvalidInput, match="4 seats are sold already"), desk.begin() as session:
        price_book.save(session, ADMIN, "devconf", fewer, now=now)


def test_a_period_that_was_sold_is_only_taken_off_sale(desk, gateway, now):
    bought(desk, gateway, now)
    with desk.begin() as session:
        price_book.save(session, ADMIN, "devconf", PriceBook(BOOK.periods[1:]), now=now)
    assert quoted(desk, now).total == Money(120_000)
    with desk.begin() as session:  # back on sale, it has the seats that are left
        price_book.save(session, ADMIN, "devconf", BOOK, now=now)
    assert quoted(desk, now).lines[0].seats_left == 4


def test_a_category_that_goes_takes_its_periods_along(desk, now):
    with desk.begin() as session:
        events.save_event(
            session, ADMIN,
            EventDraft(
                "devconf", "DevConf", date(2026, 12, 1), date(2026, 12, 3), state=events.State.OPEN,
                categories=(Price("Student", Money(45_000)),),
            ),
            now=now,
        )  # fmt: skip
    with desk.read() as session:
        assert [one.category for one in price_book.of(session, ADMIN, "devconf")[0].periods] == ["Student"]


def test_a_waived_payment_holds_its_seat(desk, gateway, now):
    reference = bought(desk, gateway, now, "Student", 2)
    with desk.begin() as session:
        lifecycle.advance(
            session, payment_of(session, reference), Status.WAIVED, now=now, source=Source.DESK,
            actor="Thandi and Sipho", why="Complimentary: keynote speakers",
        )  # fmt: skip
    assert quoted(desk, now, "Student").total == Money(45_000)
