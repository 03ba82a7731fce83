"""The door as organisers meet it: cash and slips, the same person again, a shift from float to report."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, WebSocketRoute, expect
from sqlalchemy import func, select, update

from db.models import AuditEntry, Category, Event, Payment, PersonRow, Shift, TillEntry
from db.money import Money
from payments import obligations, timeline
from payments.access.people import SYSTEM, Person, Role, system_person
from payments.asking import links
from payments.at_the_door import cash_up, eft, my_day, shifts, slips, till_rows
from payments.at_the_door.slips import Slip
from payments.at_the_door.till_rows import Asked, Which
from payments.dates import business_day, day_span
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.finding import search
from payments.gateways import Answer
from payments.hearing import sync
from payments.keeping import keyring
from payments.lifecycle import Method, Status
from payments.live.figures import Summed
from payments.obligations import Draft
from payments.payers import contacts, likeness, payer_details
from payments.payers.contacts import Payer
from payments.references import spoken
from tests.desk import ADDRESSES, ADMIN, issue, make_event, payment_of
from tests.far_phone import WAIT_MS, FarPhone
from tests.running import ADMIN as DESK_ADMIN
from tests.running import ORGANISER, Desk, running
from tests.samples import make_payment
from tests.slow_network import far_away
from tests.test_claims import ACCOUNT, pdf, photo
from tests.test_door import PRICE, corrected, draft, opened, people, sold
from tests.test_pages import all_html
from tests.test_pages import desk as page_desk
from ui.till_rows import asked_in

__all__ = ["page_desk", "people"]


# -- who pays, in one line --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "typed, payer",
    [
        pytest.param("", Payer(), id="nobody"),
        pytest.param("Thandi M", Payer("Thandi M"), id="a nickname"),
        pytest.param("2041", Payer("2041"), id="a badge number"),
        pytest.param("082 123 4567", Payer("+27821234567", "", "+27821234567"), id="only a phone"),
        pytest.param("thandi@example.org", Payer("thandi@example.org", "thandi@example.org"), id="only mail"),
        pytest.param(
            "Thandi Nkosi, 0821234567, T@Example.org",
            Payer("Thandi Nkosi", "t@example.org", "+27821234567"),
            id="all of it",
        ),
        pytest.param("+27 82 123 4567 Sipho", Payer("Sipho", "", "+27821234567"), id="a phone first"),
        pytest.param("badge 12345", Payer("badge 12345"), id="five digits are no phone"),
    ],
)
def test_one_line_says_who_pays(typed, payer):
    assert contacts.payer(typed) == payer


@pytest.mark.parametrize(
    "typed, told",
    [
        pytest.param("N" * 121, 121, id="one too many"),
        pytest.param("N" * 202, 202, id="two hundred"),
        pytest.param("Thandi@example.org 082 123 4567 " + "N" * 130, 130, id="beside how they are reached"),
        pytest.param("N " * 5_000, 10_000, id="a book"),
    ],
)
def test_a_name_has_one_limit_and_one_sentence(typed, told):
    """Of 186 characters 120 fitted, and of 202 there fitted 200, as *the payer*."""
    with pytest.raises(
        InvalidInput, match=f"^The payer's name is too long: {told} characters, and 120 fit.$"
    ):
        contacts.payer(typed)
    assert contacts.payer("N" * 120).name == "N" * 120


# -- the same person again --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "again, by",
    [
        pytest.param({"payer_name": "Zanele Mokoena"}, "name", id="the same name"),
        pytest.param({"payer_name": "mokoena zanele"}, "name", id="turned round"),
        pytest.param({"payer_name": "Zanelle Mokeona"}, "name", id="typing errors"),
        pytest.param({"payer_name": "Z", "payer_phone": "082 123 4567"}, "phone", id="the same phone"),
        pytest.param({"payer_name": "Z", "payer_email": "Z@example.org"}, "e-mail", id="the same address"),
        pytest.param({"payer_name": "Sipho Dlamini"}, None, id="somebody else"),
        pytest.param({"payer_name": "Zanele Molefe"}, None, id="another surname"),
        pytest.param({"payer_name": ""}, None, id="a walk-in"),
    ],
)
def test_the_same_person_is_shown_before_a_second_payment(sessions, people, now, again, by):
    shift = opened(sessions, people["aisha"], now)
    first = Draft("PD-DEMO-AAAA1", "devconf", Money(15_000), "Zanele Mokoena", "z@example.org", "0821234567")
    with sessions.read() as session:
        first = Draft(
            obligations.draft_reference(session, people["aisha"], "devconf", demo=True),
            "devconf", Money(15_000), "Zanele Mokoena", "z@example.org", "0821234567",
        )  # fmt: skip
        second = obligations.draft_reference(session, people["aisha"], "devconf", demo=True)
    sold(sessions, people["aisha"], shift, now, owed=first)
    with sessions.read() as session:
        found = likeness.alike(session, people["aisha"], Draft(second, "devconf", Money(15_000), **again))
    assert [one.by for one in found] == ([by] if by else [])
    if by:
        assert (found[0].reference, found[0].status) == (first.reference, Status.PAID)


# -- what is known later ----------------------------------------------------------------------------


def test_who_came_as_a_badge_number_can_be_reached_later(sessions, people, now):
    aisha, shift = people["aisha"], opened(sessions, people["aisha"], now)
    reference = sold(sessions, aisha, shift, now).reference
    with sessions.begin() as session:
        kept = payer_details.add(session, aisha, reference, "Nomvula 082 555 0101, N@example.org", now=now)
        assert kept == ("name", "e-mail address", "phone number")
        assert payer_details.add(session, aisha, reference, "083 555 0101", now=now) == ("phone number",)
        for nothing in ("", "Nomvula", "n@example.org"):
            with pytest.raises(InvalidInput, match="not there yet"):
                payer_details.add(session, aisha, reference, nothing, now=now)
    with sessions.read() as session:
        (row,) = search.page(session, aisha, search.Filter(text="nomvula"), size=9).rows
        assert (row.payer_name, row.payer_email, row.payer_phone) == (
            "Nomvula", "n@example.org", "+27835550101",
        )  # fmt: skip
        told = [entry.title for entry in timeline.entries(session, payment_of(session, reference))]
        assert "Aisha wrote down the payer's phone number." in told
        details = session.scalars(select(AuditEntry.detail).where(AuditEntry.action == "add_payer_details"))
        assert not any("example.org" in str(detail) for detail in details), "the audit is never erased"
    with sessions.begin() as session:
        for who, error in ((people["viewer"], NotAllowed), (people["stranger"], NotFound)):
            with pytest.raises(error):
                payer_details.add(session, who, reference, "Somebody", now=now)


# -- what I took ------------------------------------------------------------------------------------


def test_what_is_in_an_uncounted_drawer_is_not_told(sessions, people, now):
    aisha, today = people["aisha"], day_span(business_day(now))
    shift = opened(sessions, aisha, now)
    sold(sessions, aisha, shift, now)
    sold(sessions, aisha, shift, now)
    with sessions.read() as session:
        assert my_day.of(session, aisha, today).till == {}
        assert my_day.of(session, aisha, today).uncounted == 2
        assert my_day.of(session, people["bongani"], today).uncounted == 0
    with sessions.begin() as session:
        cash_up.count(session, aisha, shift.id, {20_000: 4}, now=now)
    with sessions.read() as session:
        counted = my_day.of(session, aisha, today)
        assert counted.till == {Method.CASH: Summed(2, {"ZAR": Money(30_000)})}
        assert counted.uncounted == 0


def test_what_i_took_leads_to_its_receipts(sessions, people, now):
    """A part of a payment, and one of another day, too, which no list of payments adds up to."""
    aisha, today = people["aisha"], business_day(now)
    shift = opened(sessions, aisha, now)
    for amount in (Money(15_000), Money(15_001)):
        sold(sessions, aisha, shift, now, owed=draft(sessions, aisha, amount), amount=amount)
    sold(sessions, aisha, shift, now, slip=Slip("1"))
    sold(sessions, aisha, shift, now, owed=draft(sessions, aisha), amount=Money(5_000))
    gone = sold(sessions, aisha, shift, now)
    corrected(sessions, aisha, shift, gone.id, now)
    with sessions.begin() as session:
        waiting = till_rows.of(session, aisha, Asked(Which.UNCOUNTED, day=today))
        assert waiting.all.count == my_day.of(session, aisha, day_span(today)).uncounted == 6
        assert {line.amount for line in waiting.lines} == {None}, "the drawer is not counted"
        cash_up.count(session, aisha, shift.id, {20_000: 4}, now=now)
    with sessions.read() as session:
        day = my_day.of(session, aisha, day_span(today))
        for way, which in ((Method.CASH, Which.CASH), (Method.CARD_SLIP, Which.CARD)):
            rows = till_rows.of(session, aisha, Asked(which, day=today))
            assert rows.all == day.till[way]
            assert len(rows.lines) == rows.all.count
            assert sum(line.amount.minor for line in rows.lines) == rows.all.rand.minor
        assert day.till[Method.CASH] == Summed(5, {"ZAR": Money(35_001)})


def test_each_figure_of_a_report_leads_to_its_receipts(sessions, people, now):
    aisha = people["aisha"]
    shift = opened(sessions, aisha, now)
    gone = sold(sessions, aisha, shift, now)
    sold(sessions, aisha, shift, now)
    sold(sessions, aisha, shift, now, slip=Slip("1", "", "One"))
    sold(sessions, aisha, shift, now, slip=Slip("2", "", "Two"))
    corrected(sessions, aisha, shift, gone.id, now)
    with sessions.read() as session, pytest.raises(Conflict, match="still to be counted"):
        till_rows.of(session, aisha, Asked(Which.CASH, shift.id))
    with sessions.begin() as session:
        cash_up.count(session, aisha, shift.id, {20_000: 4}, now=now)
        told = cash_up.close(session, aisha, shift.id, now=now, why="It was eight hundred in all").told
    other = opened(sessions, people["bongani"], now, "Side door")
    sold(sessions, people["bongani"], other, now)
    figures = {
        Asked(Which.CASH, shift.id): (2, told["cash_sales_minor"]),
        Asked(Which.GIVEN_BACK, shift.id): (1, told["cash_corrections_minor"]),
        Asked(Which.RECEIPTS, shift.id): (told["receipts"]["count"], 45_000),
    } | {
        Asked(Which.CARD, shift.id, machine=each["name"]): (1, each["recorded_minor"])
        for each in told["machines"]
    }
    with sessions.read() as session:
        counts = till_rows.of_report(session, aisha, shift.id)
        for asked, (count, minor) in figures.items():
            for who in (aisha, people["finance"]):
                assert till_rows.of(session, who, asked).all == Summed(count, {"ZAR": Money(minor)})
            assert counts[asked.which, asked.machine] == count
            for who in (people["bongani"], people["stranger"]):
                with pytest.raises(NotFound):
                    till_rows.of(session, who, asked)
            with pytest.raises(NotAllowed):
                till_rows.of(session, people["viewer"], asked)


def test_money_of_a_payment_that_moved_away_counts_without_its_name(sessions, people, now):
    aisha = people["aisha"]
    shift = opened(sessions, aisha, now)
    taken = sold(sessions, aisha, shift, now)
    with sessions.begin() as session:
        cash_up.count(session, aisha, shift.id, {20_000: 4}, now=now)
        gala = session.scalars(select(Event.id).where(Event.code == "gala")).one()
        session.execute(update(Payment).where(Payment.reference == taken.reference).values(event_id=gala))
    with sessions.read() as session:
        rows = till_rows.of(session, aisha, Asked(Which.CASH, shift.id))
        assert (rows.all.count, rows.lines[0].reference, rows.lines[0].payer) == (1, "", "")


def test_links_of_mine_and_those_that_were_paid_lead_to_them(sessions, gateway, people, now):
    aisha, today = people["aisha"], business_day(now)
    paid, left = (
        links.issue(sessions, gateway, draft(sessions, aisha), person=aisha, addresses=ADDRESSES, now=now)
        for _ in range(2)
    )
    gateway.says(paid.gateway_reference, Answer.PAID, "PAID")
    with sessions.read() as session:
        link_id = payment_of(session, paid.reference).links[0].id
    sync.ask(sessions, {gateway.name: gateway}, link_id, now=now)
    shift = opened(sessions, aisha, now)
    sold(
        sessions, aisha, shift, now, owed=left.reference, amount=Money(5_000)
    )  # in cash, though it has a link
    with sessions.read() as session:
        day = my_day.of(session, aisha, day_span(today))
        assert (day.issued, day.paid) == (2, Summed(1, {"ZAR": PRICE}))
        assert till_rows.of(session, aisha, Asked(Which.PAID_LINKS, day=today)).all == day.paid
        made = till_rows.of(session, aisha, Asked(Which.LINKS, day=today))
        assert made.all == Summed(2, day.paid.sums)
        assert {line.reference for line in made.lines} > {paid.reference}
        others = till_rows.of(session, people["bongani"], Asked(Which.LINKS, day=today))
        assert others.all.count == 0


@pytest.mark.parametrize(
    "query",
    [
        {"rows": "nonsense"},
        {"rows": "cash"},
        {"rows": "cash", "day": "2026-13-01"},
        {"rows": "cash", "day": "9999-12-31"},
        {"rows": "links", "day": "0001-01-01"},
        {"rows": "uncounted", "shift": "999999999999999999"},
    ],
)
def test_an_address_of_no_list_breaks_nothing(page_desk, query):
    """The last and the first of all days have none beside them: it was told as a bug of ours."""
    page_desk.sign_in(Role.ORGANISER)
    at = page_desk.open("pages/door/shift.py", **query)
    assert not [one.value for one in at.error if "Something broke" in one.value]
    assert "My shift" in [one.value for one in at.title]


def test_a_machine_is_looked_for_as_it_is_called_or_not_at_all():
    asked = {"rows": "card", "shift": "1"}
    assert asked_in({**asked, "machine": "One\0"}) is None, "PostgreSQL knows no such sign"
    assert asked_in({**asked, "machine": "One\u00a0&\u00a0Two"}).machine == "One\u00a0&\u00a0Two"


def test_a_till_says_who_is_at_it_and_others_see_no_shift_of_mine(sessions, people, now):
    opened(sessions, people["aisha"], now)
    with sessions.read() as session:
        assert [
            (till.name, till.held_by) for till in shifts.tills(session, people["bongani"], "devconf")
        ] == [("Main door", "Aisha")]
        assert shifts.mine(session, people["bongani"]) is None
        assert shifts.latest(session, people["bongani"], count=9) == ()
        assert [shift.person_name for shift in shifts.latest(session, people["finance"], count=9)] == [
            "Aisha"
        ]


# -- the pages --------------------------------------------------------------------------------------


def test_cash_needs_a_shift_and_the_page_says_where_to_open_one(page_desk):
    page_desk.sign_in(Role.ORGANISER)
    at = page_desk.open("pages/door/take.py")
    at.segmented_control(key="take_how").set_value("Cash").run()
    assert "Open a shift first" in all_html(at)
    assert not at.text_input
    assert at.button(key="to_shift").label == "Open my shift"


@pytest.mark.parametrize(
    "page", ["door/take", "door/board", "door/shift", "door/sheet", "finance/registrations", "finance/prices"]
)
def test_the_event_that_runs_today_is_the_one_chosen(page_desk, page):
    """The latest one had been: nobody reads the box again while people stand before them."""
    page_desk.sign_in(Role.ADMIN)
    today = business_day(page_desk.now)
    with page_desk.sessions.begin() as session:
        far, runs = (
            make_event(session, "far", now=page_desk.now),
            make_event(session, "runs", now=page_desk.now),
        )
        far.starts_on, far.ends_on = date(2027, 2, 16), date(2027, 2, 17)
        runs.starts_on, runs.ends_on = today - timedelta(days=1), today
    at = page_desk.open(f"pages/{page}.py")
    assert next(one for one in at.selectbox if one.label == "Event").value == "runs"


def test_the_first_till_has_a_name_and_a_second_one_may_be_typed(page_desk):
    """It was a list without anything to choose, in which one had to know that one may type."""
    page_desk.sign_in(Role.ORGANISER)
    at = page_desk.open("pages/door/shift.py")
    assert at.text_input(key="shift_first_till_devconf").value == "Main door"
    at.button[0].click().run()
    assert not at.error
    with page_desk.sessions.begin() as session:
        (shift,) = session.scalars(select(Shift)).all()
        assert shift.till.name == "Main door"
        shift.counted_at = shift.closed_at = page_desk.now
    at = page_desk.open("pages/door/shift.py")
    assert at.selectbox(key="shift_till_devconf").value == "Main door"


def test_eft_shows_where_and_with_which_reference_and_a_claim_is_no_payment(page_desk):
    page_desk.sign_in(Role.ORGANISER)
    with page_desk.sessions.begin() as session:
        eft.set_account(session, ADMIN, "devconf", ACCOUNT, now=page_desk.now)
    at = page_desk.open("pages/door/take.py")
    at.segmented_control(key="take_how").set_value("EFT").run()
    at.text_input(key="take_who").set_value("Zanele Mokoena")
    at.button[0].click().run()
    assert not at.exception
    with page_desk.sessions.read() as session:
        payment = session.scalars(select(Payment)).one()
        reference = payment.reference
    for told in (ACCOUNT.number, ACCOUNT.holder, ACCOUNT.branch_code, spoken(reference), "R1\xa0500.00"):
        assert told in all_html(at), told
    next(button for button in at.button if button.label == "They say they paid").click().run()
    assert not at.exception
    with page_desk.sessions.read() as session:
        payment = session.scalars(select(Payment)).one()
        assert (payment.status, payment.received_minor) == (Status.CLAIMED, 0)
    assert "once the money is here" in all_html(at)
    assert page_desk.gateway.requests == []


def test_the_same_name_again_is_asked_about_before_a_link_is_made(page_desk):
    issue(page_desk.sessions, page_desk.gateway, now=page_desk.now, payer_name="Zanele Mokoena")
    asked = len(page_desk.gateway.requests)
    page_desk.sign_in(Role.ORGANISER)
    at = page_desk.open("pages/door/take.py")
    at.text_input(key="take_who").set_value("Zanele Mokoeana")
    at.button[0].click().run()
    assert "seems to be here already" in all_html(at)
    assert len(page_desk.gateway.requests) == asked
    at.button(key="take_other").click().run()
    assert not at.error, at.error[0].value
    assert len(page_desk.gateway.requests) == asked + 1


@pytest.mark.parametrize("somebody_else", [True, False], ids=["somebody else", "the same"])
def test_cash_of_who_owes_already_is_asked_about_before_it_is_taken(page_desk, somebody_else):
    owed = issue(page_desk.sessions, page_desk.gateway, now=page_desk.now, payer_name="Zanele Mokoena")
    page_desk.sign_in(Role.ORGANISER)
    with page_desk.sessions.read() as session:
        organiser = system_person(session, "organiser@example.org")
    opened(page_desk.sessions, organiser, page_desk.now)
    at = page_desk.open("pages/door/take.py")
    at.segmented_control(key="take_how").set_value("Cash").run()
    at.text_input(key="take_who").set_value("Zanele Mokoeana")
    at.button[0].click().run()
    assert "seems to be here already" in all_html(at)
    with page_desk.sessions.read() as session:
        assert session.scalars(select(TillEntry)).all() == []
    key = "take_other" if somebody_else else f"take_alike_{owed.reference}"
    at.button(key=key).click().run()
    assert not at.error, at.error[0].value
    with page_desk.sessions.read() as session:
        taken = session.scalars(select(TillEntry)).all()
        assert [one.payment.payer_name for one in taken] == ["Zanele Mokoeana"] * somebody_else
    if not somebody_else:
        assert owed.reference in all_html(at)


@pytest.mark.parametrize(
    "chosen, typed, said",
    [
        pytest.param(0, "1 510", "Give back", id="typed"),
        pytest.param(200_000, "", "Give back", id="chosen"),
        pytest.param(200_000, "1510", "Leave one of them", id="both"),
        pytest.param(0, "1400", "less than", id="too little"),
        pytest.param(0, "many", "is not an amount", id="no sum"),
    ],
)
def test_another_sum_than_a_round_one_may_be_handed_over(page_desk, chosen, typed, said):
    """R1 510 for R1 500 could not be told, so that the change was worked out by head."""
    page_desk.sign_in(Role.ORGANISER)
    with page_desk.sessions.read() as session:
        organiser = system_person(session, "organiser@example.org")
    opened(page_desk.sessions, organiser, page_desk.now)
    at = page_desk.open("pages/door/take.py")
    at.segmented_control(key="take_how").set_value("Cash").run()
    next(one for one in at.button_group if one.label == "Handed over").set_value(chosen)
    at.text_input(key="take_tendered_other").set_value(typed)
    at.button[0].click().run()
    assert not at.exception
    told = at.error[0].value if at.error else all_html(at)
    assert said in told
    with page_desk.sessions.read() as session:
        taken = session.scalars(select(TillEntry.tendered_minor)).all()
    assert taken == ([] if at.error else [chosen or 151_000])


def test_receipts_tell_no_amounts_beside_an_open_count(page_desk):
    """*Counted blind* it said, with the sums to add up beside it."""
    page_desk.sign_in(Role.ORGANISER)
    with page_desk.sessions.read() as session:
        organiser = system_person(session, "organiser@example.org")
    shift = opened(page_desk.sessions, organiser, page_desk.now)
    sold(page_desk.sessions, organiser, shift, page_desk.now)

    def roll(at) -> tuple[bool, bool]:
        return "R150.00" in all_html(at), any(one.label == "Give it back" for one in at.button)

    at = page_desk.open("pages/door/shift.py")
    assert roll(at) == (True, True)
    at.session_state["shift_count"] = True
    assert roll(at.run()) == (False, False)
    assert "000001" in all_html(at)
    at.session_state["shift_count"] = False
    assert roll(at.run()) == (True, True)
    at.session_state["shift_count"] = True
    next(one for one in at.run().button if one.label == "This is what I counted").click().run()
    assert not at.exception
    assert roll(at)[0]


def test_what_no_coin_makes_is_said_where_cash_is_taken_given_back_and_counted(page_desk):
    """Each such payment makes the drawer over or short, and nobody at the till could know why."""
    page_desk.sign_in(Role.ORGANISER)
    with page_desk.sessions.begin() as session:
        organiser = system_person(session, "organiser@example.org")
        for line in session.scalars(select(Category)):
            line.price_minor = 129_999
    shift = opened(page_desk.sessions, organiser, page_desk.now)
    at = page_desk.open("pages/door/take.py")
    at.segmented_control(key="take_how").set_value("Cash").run()
    told = "R1\xa0299.99 cannot be counted out to the cent: South Africa's smallest coin is 10c."
    assert told in all_html(at).replace("&#x27;", "'")
    next(one for one in at.button_group if one.label == "Handed over").set_value(150_000)
    at.button[0].click().run()
    assert not at.error
    assert "R200.01 cannot be counted out to the cent" in all_html(at)
    with page_desk.sessions.begin() as session:
        cash_up.count(session, organiser, shift.id, {20_000: 9}, now=page_desk.now)
    assert "No count makes R1\xa0799.99 to the cent" in all_html(page_desk.open("pages/door/shift.py"))


def test_the_card_machine_stays_for_the_next_payer_and_another_may_be_typed(page_desk):
    """Typed anew for each payer, it was left empty, and its slips then belonged to no machine."""
    page_desk.sign_in(Role.ORGANISER)
    with page_desk.sessions.read() as session:
        organiser = system_person(session, "organiser@example.org")
    shift = opened(page_desk.sessions, organiser, page_desk.now)

    def takes(number: str, machine: str = "") -> None:
        at = page_desk.open("pages/door/take.py")
        at.segmented_control(key="take_how").set_value("Card slip").run()
        at.text_input(key="take_slip").set_value(number)
        if machine:
            at.text_input(key="take_machine").set_value(machine)
        at.button[0].click().run()
        assert not at.error, at.error[0].value

    takes("1", "Speedpoint 1")
    takes("2")
    takes("3", "Speedpoint 2")
    takes("4")
    with page_desk.sessions.read() as session:
        used = session.scalars(select(TillEntry.machine).order_by(TillEntry.id)).all()
        assert slips.machines(session, organiser, shift.id) == ("Speedpoint 2", "Speedpoint 1")
    assert [name[-1] for name in used] == ["1", "1", "2", "2"]


def test_another_tills_machine_is_offered_after_ones_own(sessions, people, now):
    farai, aisha = people["finance"], people["aisha"]
    hers, theirs = opened(sessions, aisha, now), opened(sessions, farai, now, "Office")
    sold(sessions, aisha, hers, now, slip=Slip("1", machine="Hers"))
    sold(sessions, farai, theirs, now, slip=Slip("1", machine="Theirs"))
    sold(sessions, farai, theirs, now)
    with sessions.read() as session:
        assert slips.machines(session, aisha, hers.id) == ("Hers", "Theirs")
        assert slips.machines(session, farai, theirs.id) == ("Theirs", "Hers")
        with pytest.raises(NotFound):
            slips.machines(session, people["bongani"], hers.id)


def test_the_address_names_the_payment_or_receipt_that_is_open(page_desk):
    """A page that was loaded again was an empty form, and the same person got a second payment."""
    link = issue(page_desk.sessions, page_desk.gateway, now=page_desk.now, payer_name="Zanele Mokoena")
    page_desk.sign_in(Role.ORGANISER)
    with page_desk.sessions.read() as session:
        organiser = system_person(session, "organiser@example.org")
    shift = opened(page_desk.sessions, organiser, page_desk.now)
    taken = sold(page_desk.sessions, organiser, shift, page_desk.now, tendered=Money(20_000))

    at = page_desk.open("pages/door/take.py", payment=link.reference)
    assert "Zanele Mokoena" in all_html(at)
    assert at.session_state["take_open"] == link.reference
    next(button for button in at.button if button.label == "Next payer").click().run()
    assert "take_open" not in at.session_state
    assert "payment" not in at.query_params

    at = page_desk.open("pages/door/take.py", receipt=str(taken.id))
    assert "Give back" in all_html(at)
    for nothing in ({"payment": "REG_2222222"}, {"receipt": "999"}):
        at = page_desk.open("pages/door/take.py", **nothing)
        assert "There is no" in at.error[0].value
        assert at.text_input(key="take_who").value == ""


def test_a_slip_that_is_on_a_receipt_is_asked_about_and_what_was_typed_stays(page_desk):
    page_desk.sign_in(Role.ORGANISER)
    with page_desk.sessions.read() as session:
        organiser = system_person(session, "organiser@example.org")
    shift = opened(page_desk.sessions, organiser, page_desk.now)
    sold(page_desk.sessions, organiser, shift, page_desk.now, slip=Slip("004711", machine="Speedpoint 2"))
    at = page_desk.open("pages/door/take.py")
    at.segmented_control(key="take_how").set_value("Card slip").run()
    for field, typed in (("slip", "4711"), ("machine", "Speedpoint 2"), ("who", "Lerato Maseko")):
        at.text_input(key=f"take_{field}").set_value(typed)
    at.button[0].click().run()
    assert not at.exception
    assert "is on receipt Main door 000001 already" in at.error[0].value
    assert at.text_input(key="take_who").value == "Lerato Maseko"
    with page_desk.sessions.read() as session:
        assert session.scalar(select(func.count(TillEntry.id))) == 1
    at.button(key="take_another_charge").click().run()
    assert not at.error
    assert not at.exception
    assert "Main door 000002" in all_html(at)
    at = page_desk.open("pages/door/take.py")
    assert [button.key for button in at.button if button.key == "take_another_charge"] == []


def test_what_was_typed_for_one_payment_is_not_there_for_the_next(page_desk):
    """Fields of one name keep what stands in them: an amount would go into the wrong payment's book."""
    one, other = (
        issue(page_desk.sessions, page_desk.gateway, now=page_desk.now, amount=Money(minor)).reference
        for minor in (15_000, 90_000)
    )
    page_desk.sign_in(Role.ADMIN)

    def amounts(at):
        return [field for field in at.text_input if field.label == "How much"]

    at = page_desk.open("pages/door/take.py")
    at.session_state["take_open"] = one
    (typed,) = amounts(at.run())
    typed.set_value("10").run()
    at.session_state["take_open"] = other
    assert [field.value for field in amounts(at.run())] == ["900.00"]

    at = page_desk.open("pages/monitor/payments.py")
    for reference, shown in ((one, "150.00"), (other, "900.00")):
        at.query_params["payment"] = reference
        at.run()
        next(group for group in at.button_group if group.label == "What about its money").set_value(
            "Mark as paid"
        ).run()
        (typed,) = amounts(at)
        assert typed.value == shown
        typed.set_value("10").run()


# -- on a phone -------------------------------------------------------------------------------------


#: Where a page asks whether the desk is back.
KNOCKED_AT = re.compile("/_stcore/(health|host-config)")


@pytest.fixture(scope="module")
def running_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    keys = keyring.new_key("door")
    with running(tmp_path_factory.mktemp("door"), ENCRYPTION_KEYS=keys) as desk:
        yield desk


@pytest.fixture
def phone(browser: Browser, running_desk: Desk) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto(running_desk.sign_in_link(ORGANISER))
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", name="Live")).to_be_visible(timeout=30_000)
    page.close()
    yield context
    context.close()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def choice(page: Page, word: str) -> Locator:
    """One of several to choose from; a list beside them may hold the same word."""
    return page.get_by_test_id("stButtonGroup").get_by_text(re.compile(rf"^{re.escape(word)}\b"))


def follow(page: Page, name: str) -> None:
    """A link within the page; the menu has one of the same name, out of sight on a phone."""
    page.locator("[data-testid=stMain] [data-testid=stPageLink-NavLink]", has_text=name).click()


@pytest.mark.browser
@pytest.mark.processes
def test_a_shift_from_its_float_to_its_report_on_a_phone(
    phone: BrowserContext, running_desk: Desk, tmp_path: Path
) -> None:
    page = phone.new_page()
    page.goto(f"{running_desk.dashboard}/shift")
    expect(page.get_by_label("Till", exact=True)).to_have_value("Main door")
    page.get_by_label("Float: what is in the drawer now").fill("500")
    press(page, "Open the shift")
    expect(page.get_by_text("Nothing taken yet")).to_be_visible(timeout=20_000)

    follow(page, "Take a payment")
    choice(page, "Cash").click()
    expect(page.get_by_role("button", name="Take cash")).to_be_visible(timeout=20_000)
    choice(page, "Student").click()
    page.get_by_label("Who pays (optional)").fill("Nomvula 082 555 0101")
    choice(page, "R500.00").click()
    press(page, "Take cash")
    expect(page.get_by_text("Give back")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("Main door 000001", exact=True)).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    follow(page, "Correct it in my shift")
    press(page, "Correct")
    page.get_by_label("What was wrong").fill("Typed for the wrong person")
    press(page, "Give it back")
    expect(page.get_by_text("corrected by 000002")).to_be_visible(timeout=20_000)

    expect(page.get_by_text("000001 · R")).to_be_visible()
    page.get_by_text("Count and close").click()
    expect(page.get_by_text("Their amounts are told again")).to_be_visible(timeout=20_000)
    expect(page.get_by_text("000001 · R")).to_have_count(0)
    page.get_by_label("R200", exact=True).fill("2")
    page.get_by_label("R200", exact=True).press("Tab")
    page.get_by_role("button", name="This is what I counted").press("Enter")  # it may still be unfolding
    expect(page.get_by_text("Cash short")).to_be_visible(timeout=20_000)
    press(page, "Close the shift")
    expect(page.get_by_text(re.compile("It does not agree"))).to_be_visible(timeout=20_000)
    page.get_by_label("What do you know of the difference?").fill("A hundred was never in the drawer")
    page.get_by_label("What do you know of the difference?").press("Tab")
    press(page, "Close the shift")
    expect(page.get_by_text("SHA-256", exact=False)).to_be_visible(timeout=20_000)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")

    page.goto(f"{running_desk.dashboard}/take")  # a card begins each of its lines at its left edge
    cell = {name: page.locator(f"td.{name}").first for name in ("payer", "status", "when", "reference")}
    expect(cell["status"]).to_be_visible(timeout=20_000)
    told = {name: one.bounding_box() or {} for name, one in cell.items()}
    assert told["payer"]["x"] == told["status"]["x"] == told["reference"]["x"] < told["when"]["x"]
    assert told["status"]["y"] < told["reference"]["y"]
    badge = page.locator("td.status > *").first.bounding_box() or {}
    assert badge["x"] == told["payer"]["x"]


@pytest.mark.browser
@pytest.mark.processes
def test_a_link_is_made_and_the_next_payer_begun_without_a_mouse(
    phone: BrowserContext, running_desk: Desk
) -> None:
    page = phone.new_page()
    page.goto(f"{running_desk.dashboard}/take")
    who = page.get_by_label("Who pays (optional)")
    expect(who).to_be_visible(timeout=20_000)
    tab_to(page, page.get_by_role("radiogroup", name="For what"))
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    expect(page.get_by_role("radio", name="Student")).to_be_checked(timeout=20_000)
    tab_to(page, who)
    page.keyboard.type("Nokuthula Keys")
    page.keyboard.press("Enter")
    expect(page.get_by_alt_text("QR code of the payment link")).to_be_visible(timeout=20_000)
    page.reload()
    expect(page.get_by_alt_text("QR code of the payment link")).to_be_visible(timeout=20_000)
    tab_to(page, page.get_by_role("button", name="Next payer"))
    page.keyboard.press("Enter")
    expect(who).to_be_visible(timeout=20_000)
    assert who.input_value() == ""
    with running_desk.changing() as (session, _):
        made = session.scalars(select(Payment).where(Payment.payer_name == "Nokuthula Keys")).all()
        assert [payment.amount for payment in made] == [Money(45_050)]


def tab_to(page: Page, what: Locator) -> None:
    """From where the focus is, as often as it takes."""
    for _ in range(80):
        if what.evaluate("it => it.contains(document.activeElement)"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("no key leads there")


@pytest.mark.browser
@pytest.mark.processes
def test_on_a_phone_payments_come_before_what_narrows_them(phone: BrowserContext, running_desk: Desk) -> None:
    page = phone.new_page()
    page.goto(f"{running_desk.dashboard}/payments?q=event:devconf")
    fold, any_day = page.get_by_role("button", name="Filters · 1"), page.get_by_text("Any day")
    expect(fold).to_be_visible(timeout=20_000)
    expect(any_day).to_be_hidden()
    top = page.get_by_text(re.compile("^[0-9]+ payments?")).bounding_box()
    assert top is not None
    assert top["y"] < 300
    fold.click()
    expect(any_day).to_be_visible(timeout=20_000)
    page.get_by_role("button", name="Done").click()
    expect(any_day).to_be_hidden(timeout=20_000)
    page.set_viewport_size({"width": 1440, "height": 900})  # where there is room, nothing is folded
    expect(any_day).to_be_visible()
    expect(fold).to_be_hidden()


#: The words of what stands in an element that lie on two lines.
BROKEN_WORDS = """at => [...at.firstChild.data.matchAll(/\\S+/g)].filter(word => {
  const part = document.createRange();
  part.setStart(at.firstChild, word.index);
  part.setEnd(at.firstChild, word.index + word[0].length);
  return part.getClientRects().length > 1;
}).map(word => word[0])"""


@pytest.mark.browser
@pytest.mark.processes
def test_the_name_of_an_event_breaks_between_its_words(phone: BrowserContext, running_desk: Desk) -> None:
    """*Durban Jazz and Poetry Weekend 2*, and below it *027*."""
    with running_desk.changing() as (session, now):
        event = session.scalars(select(Event).where(Event.code == "DEVCONF")).one()
        was, event.name = event.name, "Durban Jazz and Poetry Weekend 2027"
        make_payment(session, event, now=now)
    page = phone.new_page()
    page.goto(f"{running_desk.dashboard}/payments")
    name = page.locator("td.event span").first
    expect(name).to_contain_text("Weekend 2027", timeout=20_000)
    broken = {}
    for width in range(300, 400, 10):
        page.set_viewport_size({"width": width, "height": 844})
        broken[width] = name.evaluate(BROKEN_WORDS)
    with running_desk.changing() as (session, _):
        session.scalars(select(Event).where(Event.code == "DEVCONF")).one().name = was
    assert not any(broken.values()), broken


@pytest.mark.browser
@pytest.mark.processes
def test_a_phone_without_a_network_is_told_what_to_do_and_goes_on_by_itself(
    phone: BrowserContext, running_desk: Desk
) -> None:
    """It had said that a Streamlit server was not responding, and behind a proxy what that had
    replied. Which of them it says changes while it stands, in the same node."""
    page, lines = phone.new_page(), list[WebSocketRoute]()

    def answer(line: WebSocketRoute) -> None:
        line.connect_to_server()
        lines.append(line)

    page.route_web_socket(re.compile("/_stcore/stream"), answer)
    page.goto(f"{running_desk.dashboard}/take")
    expect(page.get_by_role("button", name="Create link")).to_be_visible(timeout=20_000)
    page.route(KNOCKED_AT, lambda request: request.fulfill(status=502, body="<h1>Bad Gateway</h1>"))
    for line in lines:
        line.close()
    expect(page.get_by_text("No connection to the desk")).to_be_visible(timeout=60_000)
    told_what_to_do(page)
    page.route(KNOCKED_AT, lambda request: request.abort())
    with page.expect_event("requestfailed", timeout=60_000):
        pass
    told_what_to_do(page)
    page.unroute(KNOCKED_AT)
    expect(page.get_by_text("No connection to the desk")).to_be_hidden(timeout=60_000)
    expect(page.get_by_role("button", name="Create link")).to_be_enabled()


def told_what_to_do(page: Page) -> None:
    expect(page.get_by_text("look for it on the list before you take it again")).to_be_visible()
    for theirs in ("Streamlit", "502", "Bad Gateway"):
        assert theirs not in page.inner_text("body")


# -- far away -----------------------------------------------------------------------------------------


@pytest.fixture
def far_phone(browser: Browser, running_desk: Desk) -> Iterator[FarPhone]:
    near = browser.new_context()
    page = near.new_page()
    page.goto(running_desk.sign_in_link(DESK_ADMIN))
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{running_desk.dashboard}/", timeout=WAIT_MS)
    signed_in = near.storage_state()
    near.close()
    with far_away(round_trip_s=0.4) as way:
        context = browser.new_context(
            viewport={"width": 390, "height": 844}, has_touch=True, proxy={"server": way},
            storage_state=signed_in,
        )  # fmt: skip
        yield FarPhone(context)
        context.close()


@pytest.mark.browser
@pytest.mark.processes
def test_link_cash_and_board_take_few_taps_and_few_trips_on_a_phone_far_away(
    far_phone: FarPhone, running_desk: Desk
) -> None:
    at, page = far_phone, far_phone.page
    with running_desk.changing() as (session, now):
        admin = session.scalars(select(PersonRow).where(PersonRow.email == DESK_ADMIN)).one()
        shifts.open_shift(
            session, Person(admin.id, admin.name, admin.email, Role.ADMIN, None), "DEVCONF", "Side door",
            Money(50_000), now=now,
        )  # fmt: skip
    page.goto(f"{running_desk.dashboard}/take", timeout=WAIT_MS)
    at.see(page.get_by_role("button", name="Create link"))

    at.starts()
    at.tap(choice(page, "Another amount"))
    at.tap(page.get_by_label("Amount in rand"))
    page.keyboard.type("275")
    at.tap(page.get_by_role("button", name="Create link"))
    at.see(page.get_by_alt_text("QR code of the payment link"))
    at.tap(page.get_by_role("button", name="Show the code to the payer"))
    at.see(page.get_by_role("dialog").get_by_alt_text("The code to scan, for R275.00"))
    at.worked(taps=4)
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Next payer").click()

    at.see(page.get_by_role("button", name="Create link"))
    at.tap(choice(page, "Cash"))
    at.see(page.get_by_role("button", name="Take cash"))
    at.starts()
    at.tap(choice(page, "Student"))
    at.tap(choice(page, "R500.00"))
    at.tap(page.get_by_role("button", name="Take cash"))
    at.see(page.get_by_text("Give back"))
    at.worked(taps=3)

    page.goto(f"{running_desk.dashboard}/board", timeout=WAIT_MS)
    at.see(page.get_by_text("Green may come in"))
    at.starts()
    at.tap(page.get_by_label("Name, phone or reference"))
    page.keyboard.type("walk")
    page.keyboard.press("Enter")
    at.see(page.locator(".st-key-board [data-testid=stButton]", has_text="Come in"))
    at.worked(taps=1)


# -- a proof of payment -------------------------------------------------------------------------------


@pytest.mark.browser
@pytest.mark.processes
def test_a_proof_is_brought_at_the_door_as_photo_or_pdf_and_nothing_else_is_kept(
    phone: BrowserContext, running_desk: Desk
) -> None:
    with running_desk.changing() as (session, now):
        eft.set_account(session, SYSTEM, "DEVCONF", ACCOUNT, now=now)
        admin = session.scalars(select(PersonRow.id).where(PersonRow.email == DESK_ADMIN)).one()
        who = Person(admin, "Thandi Nkosi", DESK_ADMIN, Role.ADMIN, None)
        reference = obligations.draft_reference(session, who, "DEVCONF", demo=True)
        eft.ask(session, who, Draft(reference, "DEVCONF", Money(150_000), "Naledi Botha"), now=now)
    page = phone.new_page()
    page.goto(f"{running_desk.dashboard}/take")
    page.get_by_role("button", name=f"Open {reference}").click(timeout=WAIT_MS)
    page.locator("summary", has_text="They say they paid").click(timeout=WAIT_MS)
    chosen = page.locator("input[type=file]")
    refused = {
        "IMG_0042.heic": ("image/heic", b"\0\0\0\x18ftypheic\0\0\0\0", "Share it as JPEG"),
        "slip.pdf": ("application/pdf", b"MZ a program, whatever its name says", "this file is none of them"),
    }
    for name, (kind, data, says) in refused.items():
        chosen.set_input_files({"name": name, "mimeType": kind, "buffer": data})
        expect(page.get_by_text(name)).to_be_visible(timeout=WAIT_MS)
        press(page, "They say they paid")
        expect(page.get_by_text(says)).to_be_visible(timeout=WAIT_MS)
        page.get_by_role("button", name=f"Remove {name}").click()
        expect(page.get_by_text(name)).to_have_count(0, timeout=WAIT_MS)
    chosen.set_input_files({"name": "huge.jpg", "mimeType": "image/jpeg", "buffer": b"x" * (8 * 2**20 + 1)})
    expect(page.get_by_text("File must be 8.0MB or smaller.")).to_be_visible(timeout=WAIT_MS)
    page.get_by_role("button", name="Remove huge.jpg").click()

    taken = photo(size=(3_000, 4_000), exif=b"Exif\0\0taken in hall 2")
    for name, kind, data, told in (
        ("IMG_0043.jpg", "image/jpeg", taken, "Picture"), ("bank.pdf", "application/pdf", pdf(), "PDF"),
    ):  # fmt: skip
        chosen.set_input_files({"name": name, "mimeType": kind, "buffer": data})
        expect(page.get_by_text(name)).to_be_visible(timeout=WAIT_MS)
        press(page, "They say they paid")
        expect(page.locator(".pd-plain", has_text=f"{told}, ")).to_be_visible(timeout=WAIT_MS)
    expect(page.get_by_text("money usually here by")).to_have_count(2)
    with page.expect_download() as saved:
        page.get_by_role("link", name="Save the proof").last.click()
    picture = saved.value.path().read_bytes()
    assert picture.startswith(b"\xff\xd8\xff")
    assert b"hall 2" not in picture
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
