"""The Payments page: the address, the box and the controls say the same filter, and names stay out of it."""

from datetime import UTC, datetime, timedelta

import pytest

from db.models import Event
from payments import filters
from payments.dates import business_day, day_span
from payments.lifecycle import Method, Status
from payments.people import Role
from payments.search import Filter
from tests.samples import make_many
from tests.test_pages import desk  # noqa: F401 - a fixture

PAGE = "pages/monitor/payments.py"


@pytest.fixture
def full(desk):  # noqa: F811
    desk.sign_in(Role.ADMIN)
    with desk.sessions.begin() as session:
        make_many(session, [session.query(Event).one()], now=desk.now, count=40)
    return desk


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
        pytest.param(Filter(statuses=(Status.CREATED,), not_events=("gala",)), id="not an event"),
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


def test_conditions_written_in_the_box_move_to_their_controls_and_to_the_address(full):
    at = full.open(PAGE)
    at.text_input(key="box").set_value("event:Devconf status:paid zanele >10").run()
    wanted = shown(at)
    assert (wanted.text, wanted.events, wanted.statuses) == ("zanele", ("devconf",), (Status.PAID,))
    assert at.text_input(key="box").value == "zanele"
    assert at.pills(key="groups").value == ["Paid"]
    assert at.multiselect(key="choose_events").value == ["devconf"]
    assert at.text_input(key="box_amount_from").value == "10.01"
    assert address(at) == {"kept": address(at)["kept"], "q": "status:paid event:devconf >=10.01"}


def test_a_payers_name_is_kept_beside_the_address_and_only_for_whoever_typed_it(full):
    at = full.open(PAGE)
    at.text_input(key="box").set_value("zanele").run()
    assert list(address(at)) == ["kept"]
    kept = address(at)["kept"]
    assert "zanele" not in kept
    assert shown(full.open(PAGE, kept=kept)) == Filter(text="zanele")
    full.sign_in(Role.FINANCE)
    other = full.open(PAGE, kept=kept)
    assert "does not stand in this address" in other.error[0].value


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
    assert not [node for node in at._tree if node.type == "bidi_component"]


def test_a_control_changes_its_part_and_leaves_the_rest(full):
    wanted = Filter(statuses=(Status.FAILED,), not_methods=(Method.CASH,))
    at = full.open(PAGE, **filters.page_query(wanted))
    at.pills(key="groups").set_value(["Failed", "Paid"]).run()
    assert shown(at) == Filter(statuses=(Status.FAILED, Status.PAID), not_methods=(Method.CASH,))
    at.segmented_control(key="days").set_value("Yesterday").run()
    assert shown(at).created == day_span(business_day(full.now - timedelta(days=1)))
    at.segmented_control(key="dated").set_value("Paid").run()
    assert shown(at).created is None
    assert shown(at).paid == day_span(business_day(full.now - timedelta(days=1)))
    assert shown(at).not_methods == (Method.CASH,)


def test_each_condition_is_taken_away_by_one_click(full):
    wanted = Filter(statuses=(Status.PAID,), not_events=("gala",), mode="demo")
    at = full.open(PAGE, **filters.page_query(wanted))
    assert [at.button(key=f"chip_{n}").label for n in range(3)] == [
        "Status: Paid",
        "Mode: demo",
        "Not event: gala",
    ]
    at.button(key="chip_2").click().run()
    assert shown(at) == Filter(statuses=(Status.PAID,), mode="demo")
    at.button(key="chip_all").click().run()
    assert shown(at) == Filter()
    assert "q" not in at.query_params
