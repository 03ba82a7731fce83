"""The Payments page: the address, the box and the controls say the same filter, and names stay out of it."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

import ui
import words
from db.models import Event, Payment
from payments.access.people import Role
from payments.dates import business_day, day_span
from payments.errors import LONGEST_TOLD
from payments.finding import filters, search
from payments.finding.conditions import NO_EVENT
from payments.finding.search import Filter
from payments.finding.when import moving
from payments.lifecycle import Method, Status
from tests.desk import ADMIN, make_event
from tests.samples import make_many, make_payment
from tests.test_pages import all_html, component, desk, everything  # noqa: F401 - a fixture
from ui.pieces import escape

PAGE = "pages/monitor/payments.py"


@pytest.fixture
def full(desk):  # noqa: F811
    desk.sign_in(Role.ADMIN)
    with desk.sessions.begin() as session:
        make_many(session, [session.query(Event).one()], now=desk.now, count=40)
    return desk


def search_count(full, wanted: Filter) -> int:
    with full.sessions.read() as session:
        return search.totals(session, ADMIN, wanted).count


def shown(at) -> Filter:
    assert not at.exception
    assert not at.error
    return at.session_state["wanted"]


def address(at) -> dict[str, str]:
    """The address as the page left it: Streamlit hands over lists or texts."""
    given = {name: at.query_params[name] for name in ("q", "kept") if name in at.query_params}
    return {name: value if isinstance(value, str) else value[-1] for name, value in given.items()}


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param(Filter(), id="everything"),
        pytest.param(Filter(statuses=(Status.PAID,), methods=(Method.CASH,)), id="status and method"),
        pytest.param(Filter(statuses=(Status.CREATED,), not_events=("devconf",)), id="not an event"),
        pytest.param(
            Filter(paid=day_span(business_day(datetime(2026, 11, 2, tzinfo=UTC)))), id="a day of payment"
        ),
        pytest.param(Filter(attention=True, mail_failed=True, mode="demo"), id="troubles and mode"),
        pytest.param(Filter(categories=("Early bird",), organisers=("Sipho",)), id="names of ours"),
    ],
)
def test_an_address_opens_the_page_on_exactly_its_filter(full, wanted):
    at = full.open(PAGE, **filters.page_query(wanted))
    assert shown(at) == wanted
    assert address(at) == filters.page_query(wanted)


def test_what_an_address_says_in_other_words_is_said_and_never_ignored(full):
    at = full.open(PAGE, status="paid", q="method:cash")
    assert "“status\\=”" in at.error[0].value
    assert not component(at, "payments")
    at.button(key="as_conditions").click().run()
    assert shown(at) == Filter(statuses=(Status.PAID,), methods=(Method.CASH,))
    assert address(at) == {"q": "status:paid method:cash"}
    at = full.open(PAGE, colour="blue", q="method:cash")
    assert "as_conditions" not in [button.key for button in at.button]
    at.button(key="without_unknown").click().run()
    assert shown(at) == Filter(methods=(Method.CASH,))
    assert "colour" not in at.query_params


def test_an_address_may_spell_an_event_as_it_is_typed_into_the_box(full):
    with full.sessions.read() as session:
        code = session.scalars(select(Event.code)).one()
    at = full.open(PAGE, q=f"event:{code[:-1].swapcase()} status:paid")
    assert shown(at) == Filter(statuses=(Status.PAID,), events=(code,))
    assert address(at) == {"q": f"status:paid event:{code}"}
    at = full.open(PAGE, q="event:nowhere")
    assert "There is no event “nowhere” here" in at.error[0].value
    assert shown(full.open(PAGE, q="event:none")) == Filter(events=(NO_EVENT,))


def test_an_address_may_spell_a_reference_in_another_way(full):
    reference = listed(full.open(PAGE))["rows"][0]["reference"]
    at = full.open(PAGE, payment=reference.replace("_", "").lower())
    assert not at.error
    assert any("badge" in markdown.value for markdown in at.markdown)  # the drawer's


def test_of_a_long_address_the_beginning_is_repeated(full):
    at = full.open(PAGE, **{f"x{nth}": "1" for nth in range(9)}, **{"y" * 900: "1"})
    assert "“x4\\=”, 5 more, which" in at.error[0].value
    at = full.open(PAGE, **{"y" * 900: "1"})
    assert f"“{'y' * LONGEST_TOLD}…\\=”" in at.error[0].value
    at = full.open(PAGE, sort="y" * 900)
    assert f"“sort\\={'y' * LONGEST_TOLD}…”" in at.error[0].value
    at = full.open(PAGE, payment="y" * 900)
    assert at.error[0].value.endswith(ui.escape("here. Check the reference, or search for the payer."))
    assert "y" * LONGEST_TOLD + "… " in at.error[0].value


@pytest.mark.parametrize(
    "asked", [{"sort": "foo"}, {"page": "abc"}, {"page": "0"}, {"sort": "", "page": "-1"}]
)
def test_an_order_or_a_page_that_no_list_has_is_said_and_never_ignored(full, asked):
    at = full.open(PAGE, q="method:cash", **asked)
    assert all(f"“{name}\\={ui.escape(value)}”" in at.error[0].value for name, value in asked.items())
    assert not component(at, "payments")
    at.button(key="without_unknown").click().run()
    assert shown(at) == Filter(methods=(Method.CASH,))
    assert not set(asked) & set(at.query_params)


def test_an_order_and_a_page_that_there_are_hold(full):
    at = full.open(PAGE, sort="Largest amount", page="1")
    assert shown(at) == Filter()
    assert at.selectbox(key="sort").value == "-amount"


def many_of(desk, count: int) -> None:  # noqa: F811
    with desk.sessions.begin() as session:
        for _ in range(count):
            make_payment(session, session.query(Event).one(), now=desk.now, payer_name="Naledi Dube")


def said_of_the_last_page(at) -> list[str]:
    return [block.body for block in at.get("html") if "There is no page" in block.body]


@pytest.mark.parametrize("more, last", [pytest.param(0, 1, id="one page"), pytest.param(70, 3, id="three")])
def test_for_a_page_beyond_the_end_the_last_one_is_shown_and_said(full, more, last):
    many_of(full, more)
    at = full.open(PAGE, page="999999999")
    for _ in range(2):  # and still when the list is drawn anew
        assert shown(at) == Filter()
        (said,) = said_of_the_last_page(at)
        assert f"There is no page {words.number(999_999_999)}. Pages here go up to {last}: this is" in said
        assert len(listed(at)["rows"]) == (40 + more) % 50
        assert "page" not in at.query_params  # a browser writes the page of the control there
        at.run()
    if last > 1:
        at.session_state["page"] = 2
        at.run()
        assert not said_of_the_last_page(at)
        assert len(listed(at)["rows"]) == 50


def test_a_page_that_the_list_no_longer_reaches_gives_way_to_the_last(full):
    many_of(full, 60)
    at = full.open(PAGE, q="status:open origin:desk >=1", page="2")
    assert not said_of_the_last_page(at)
    with full.sessions.begin() as session:
        named = session.query(Payment).filter(Payment.payer_name == "Naledi Dube")
        named.update({"status": Status.CANCELLED})
    at.run()
    (said,) = said_of_the_last_page(at)
    assert "There is no page 2. Pages here go up to 1" in said
    at.text_input(key="box").set_value("status:failed").run()
    assert not said_of_the_last_page(at)


def test_conditions_written_in_the_box_move_to_their_controls_and_to_the_address(full):
    at = full.open(PAGE)
    at.text_input(key="box").set_value("event:Devconf status:paid zanele >10").run()
    wanted = shown(at)
    assert (wanted.text, wanted.events, wanted.statuses) == ("zanele", ("devconf",), (Status.PAID,))
    assert at.text_input(key="box").value == "zanele"
    assert at.pills(key="groups").value == ["Paid"]
    assert at.multiselect(key="choose_events").value == ["devconf"]
    assert at.text_input(key="box_amount_from").value == "10.01"
    assert address(at) == {"kept": address(at)["kept"], "q": "status:paid event:devconf >10"}


def test_a_payers_name_is_kept_beside_the_address_for_those_who_see_all_that_its_author_sees(full):
    at = full.open(PAGE)
    at.text_input(key="box").set_value("zanele").run()
    assert list(address(at)) == ["kept"]
    kept = address(at)["kept"]
    assert "zanele" not in kept
    assert shown(full.open(PAGE, kept=kept)) == Filter(text="zanele")
    full.sign_in(Role.VIEWER)
    assert shown(full.open(PAGE, kept=kept)) == Filter(text="zanele")
    with full.sessions.begin() as session:
        other_event = make_event(session, "minefest", now=full.now).id
    full.sign_in(Role.ORGANISER, [other_event])
    other = full.open(PAGE, kept=kept)
    assert "does not stand in this address" in other.error[0].value
    assert "zanele" not in "".join(everything(other)).casefold()


@pytest.mark.parametrize(
    "typed, said",
    [
        ("colour:blue", "is not something to filter by"),
        ("event:nowhere", "There is no event"),
        (">lots", "amount"),
    ],
)
def test_what_cannot_be_read_is_said_and_no_list_shown_instead(full, typed, said):
    at = full.open(PAGE)
    at.text_input(key="box").set_value(typed).run()
    assert said in at.error[0].value
    assert at.text_input(key="box").value == typed
    assert component(at, "payments") == []


def test_a_control_changes_its_part_and_leaves_the_rest(full):
    wanted = Filter(statuses=(Status.FAILED,), not_methods=(Method.CASH,))
    at = full.open(PAGE, **filters.page_query(wanted))
    at.pills(key="groups").set_value(["Failed", "Paid"]).run()
    assert shown(at) == Filter(statuses=(Status.FAILED, Status.PAID), not_methods=(Method.CASH,))
    at.segmented_control(key="days").set_value("Yesterday").run()
    assert shown(at).created == moving("yesterday", business_day(full.now))
    at.segmented_control(key="dated").set_value("Paid").run()
    assert shown(at).created is None
    assert shown(at).paid == moving("yesterday", business_day(full.now))
    assert shown(at).not_methods == (Method.CASH,)


def test_days_say_whether_another_day_changes_them(full):
    """*Today* became the day it was chosen on, and so did the address and the view that was saved of it."""
    at, today = full.open(PAGE), business_day(full.now)
    at.segmented_control(key="days").set_value("Today").run()
    assert address(at) == {"q": "created:today"}
    assert all_html(at).count("Created today moves with the day: now it is 23 Nov 2026.") == 2
    at.session_state["wanted"] = Filter(created=moving("today", today - timedelta(days=1)))  # over midnight
    at.run()
    assert shown(at).created == moving("today", today)
    at.segmented_control(key="days").set_value("Days…").run()
    assert (shown(at).created, at.segmented_control(key="days").value) == (day_span(today), "Days…")
    assert "Created 23 Nov 2026 stays these days." in all_html(at)


def test_the_fold_tells_how_much_narrows_the_list_and_a_condition_names_the_event(full):
    wanted = Filter(text="R150", statuses=(Status.PAID,), events=("devconf",))
    at = full.open(PAGE, q="R150 status:paid event:devconf")
    assert shown(at) == wanted
    assert at.button(key="filters_turn").label == "Filters · 2"  # words stand in the box
    assert escape("Event: Devconf 2026") in {at.button(key=f"chip_{n}").label for n in range(3)}
    at.button(key="filters_turn").click().run()
    assert at.button(key="filters_turn").label == "Done"
    assert shown(at) == wanted


def test_each_condition_is_taken_away_by_one_click(full):
    wanted = Filter(statuses=(Status.PAID,), not_events=("devconf",), mode="demo")
    at = full.open(PAGE, **filters.page_query(wanted))
    assert [at.button(key=f"chip_{n}").label for n in range(3)] == [
        escape("Status: Paid"),
        escape("Mode: demo"),
        escape("Not event: Devconf 2026"),
    ]
    at.button(key="chip_2").click().run()
    assert shown(at) == Filter(statuses=(Status.PAID,), mode="demo")
    at.button(key="chip_all").click().run()
    assert shown(at) == Filter()
    assert "q" not in at.query_params


# -- the list ---------------------------------------------------------------------------------------


def listed(at) -> dict:
    """What the component of the list was given."""
    (given,) = component(at, "payments")
    return given


def test_what_was_searched_for_is_marked_and_a_field_that_is_not_shown_is_told(full):
    at = full.open(PAGE)
    at.text_input(key="box").set_value("thandeka").run()
    given = listed(at)
    assert given["marks"] == {"words": ["thandeka"], "bare": []}
    assert {row["payer"] for row in given["rows"]} == {"Thandéka Nkosi"}
    assert not any(row["found"] for row in given["rows"])
    at.text_input(key="box").set_value("+1 guest").run()
    assert {row["found"] for row in listed(at)["rows"]} == {"Note: paid at the door; +1 guest"}


def test_the_list_is_sorted_by_what_the_address_says(full):
    at = full.open(PAGE, sort="Largest amount")
    amounts = [row["amount"] for row in listed(at)["rows"]]
    with full.sessions.read() as session:
        rows = list(search.rows(session, ADMIN, Filter(), sort="-amount"))
    assert amounts == [str(row.amount) for row in rows]
    assert listed(at)["sort"]["now"] == "-amount"


def test_a_sort_that_needs_a_narrower_filter_says_so(full, monkeypatch):
    monkeypatch.setattr(search, "COUNT_CAP", 10)
    at = full.open(PAGE, sort="Largest amount")
    assert "needs a narrower filter" in at.error[0].value


def test_nothing_found_says_which_condition_it_was_and_takes_it_away_by_one_click(full):
    at = full.open(PAGE, **filters.page_query(Filter(categories=("Nowhere",), mode="demo")))
    without = [button for button in at.button if str(button.key).startswith("without_")]
    assert [button.label for button in without] == ["Without Category\\: Nowhere: 40", "Clear all filters"]
    without[0].click().run()
    assert shown(at) == Filter(mode="demo")
    assert len(listed(at)["rows"]) == 40


@pytest.mark.parametrize(
    ("state", "told", "to"),
    [
        ("open", "Take the first one", "Take a payment"),
        ("draft", "It is a draft", "Open the event"),
        ("closed", "It is closed", "Open the event"),
    ],
)
def test_an_event_without_payments_says_so_and_what_to_do(full, state, told, to):
    """It was told as a search that failed."""
    with full.sessions.begin() as session:
        make_event(session, "trail", now=full.now, state=state)
    at = full.open(PAGE, q="event:trail")
    assert shown(at) == Filter(events=("trail",))
    assert "Trail 2026 has no payments yet" in all_html(at)
    assert told in all_html(at)
    assert to in [link.proto.label for link in at.get("page_link")]
    at = full.open(PAGE, q="event:trail status:paid")
    assert "No payment fits" in all_html(at)


def test_where_no_condition_alone_keeps_all_away_what_helps_is_offered(full):
    wanted = Filter(text="R150", categories=("Nowhere",), organisers=("Nobody",))
    at = full.open(PAGE, **filters.page_query(wanted))
    found = search_count(full, Filter(text="R150"))
    assert at.button(key="without_0").label == f"Only “R150”: {found}"
    at.button(key="without_0").click().run()
    assert shown(at) == Filter(text="R150")


@pytest.mark.parametrize("by_address", [False, True])
def test_payments_that_arrive_while_a_later_page_is_read_wait_behind_a_pill(full, by_address):
    with full.sessions.begin() as session:
        event = session.query(Event).one()
        for _ in range(40):
            make_payment(session, event, now=full.now)
    if by_address:
        at = full.open(PAGE, page="2")
    else:
        at = full.open(PAGE)
        at.session_state["page"] = 2
        at.run()
    second = [row["reference"] for row in listed(at)["rows"]]
    assert len(second) == 30
    with full.sessions.begin() as session:
        for _ in range(3):
            make_payment(session, session.get_one(Event, event.id), now=full.now)
    at.run()
    assert [row["reference"] for row in listed(at)["rows"]] == second
    assert at.button(key="news").label == "3 new"
    at.button(key="news").click().run()
    assert len(listed(at)["rows"]) == 50
    assert not [button for button in at.button if button.key == "news"]
