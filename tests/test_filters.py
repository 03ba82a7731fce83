"""A filter as an address and back: the file holds what the screen shows, or there is no file."""

from dataclasses import fields
from datetime import UTC, date, datetime

import pytest

from db.money import Money
from payments.dates import day_span
from payments.errors import InvalidInput
from payments.finding import filters, grammar
from payments.finding.search import Filter
from payments.lifecycle import Method, Status
from payments.live.stages import NO_CODE, Stage
from payments.references import with_check
from words import filters as filter_words

TODAY = date(2026, 11, 23)
WANTED = [
    pytest.param(Filter(), id="everything"),
    pytest.param(Filter(text="1 500.00"), id="an amount"),
    pytest.param(Filter(text="Thandéka & Söhne = 50 %"), id="text that an address must escape"),
    pytest.param(Filter(statuses=(Status.PAID, Status.OPEN), methods=(Method.CASH,)), id="several words"),
    pytest.param(Filter(events=("GALA-2026", "JAZZ")), id="events"),
    pytest.param(Filter(amount_from=Money(1), amount_to=Money(150_000, "USD")), id="amounts"),
    pytest.param(Filter(created=day_span(date(2026, 11, 23)), paid=day_span(date(2026, 2, 1))), id="days"),
    pytest.param(Filter(settled=day_span(date(2026, 11, 20), date(2026, 11, 24))), id="days of payouts"),
    pytest.param(
        Filter(captured=day_span(date(2026, 11, 20)), refunded=day_span(date(2026, 2, 1)), taken=("cash",)),
        id="days money moved on",
    ),
    pytest.param(Filter(banked=day_span(date(2026, 2, 28)), taken=("eft", "cash")), id="days of the bank"),
    pytest.param(Filter(without=("Zoë", "van der Merwe")), id="words it must not have"),
    pytest.param(
        Filter(categories=("Early bird", "Student"), organisers=("Thandi Nkosi",), mode="demo"),
        id="category, organiser, mode",
    ),
    pytest.param(
        Filter(
            not_statuses=(Status.WAIVED,),
            not_methods=(Method.CASH,),
            not_events=("GALA",),
            not_categories=("Early, bird",),
            not_organisers=("Sipho", "Thandi"),
            not_stages=(Stage.PAID,),
            not_failures=("05",),
            not_origins=("legacy",),
            not_quoted=("USD",),
        ),
        id="what it must not be",
    ),
    pytest.param(
        Filter(stages=(Stage.OPENED, Stage.ATTEMPTED), failures=(NO_CODE, "05", "Z-9")),
        id="how far its payer came, and why it failed",
    ),
    pytest.param(Filter(quoted=("USD", "GBP")), id="quoted in another currency"),
    pytest.param(Filter(origins=("legacy",)), id="records of the earlier system"),
    pytest.param(Filter(attention=True), id="needs a decision"),
    pytest.param(
        Filter(text="4567", as_of=datetime(2026, 11, 1, 21, 59, 59, 999_999, tzinfo=UTC)),
        id="as it stood at the end of a day",
    ),
    pytest.param(Filter(as_of=datetime(2026, 11, 1, 7, 5, 3, 21, tzinfo=UTC)), id="as it stood at a moment"),
    pytest.param(Filter(review_only=True, outcome_unknown=True, mail_failed=True), id="troubles"),
]


def private(wanted: Filter) -> bool:
    return filters.private_part(wanted) != Filter()


@pytest.mark.parametrize("wanted", WANTED)
def test_a_filter_survives_its_address(wanted):
    assert filters.from_query(filters.to_query(wanted)) == wanted


@pytest.mark.parametrize("wanted", [param for param in WANTED if not private(param.values[0])])
def test_a_filter_survives_the_address_of_the_page(wanted):
    query = filters.page_query(wanted)
    assert filters.from_page(query, TODAY) == wanted
    assert all(isinstance(value, str) for value in query.values())


def test_every_field_is_tried():
    tried = {name for param in WANTED for name, value in vars(param.values[0]).items() if value}
    assert tried == {field.name for field in fields(Filter)}


@pytest.mark.parametrize(
    "text, public",
    [
        (with_check("REG", "7K2MPQ", demo=True), True),
        ("1 500.00", True),
        ("R150", True),
        ("4567", True),
        ("Thandi", False),
        ("thandi@example.org", False),
        ("082 123 4567", False),
        ("0821234", False),
        ("Lk9QwErTy77", False),
        ("१२३", False),
    ],
)
def test_only_what_tells_of_nobody_stands_in_an_address(text, public):
    wanted = Filter(text=text, statuses=(Status.PAID,))
    assert filters.is_public(text) is public
    if public:
        assert text in filters.page_query(wanted)["q"]
    else:
        with pytest.raises(InvalidInput, match="never stand in an address"):
            filters.page_query(wanted)
        assert filters.page_query(filters.public_part(wanted)) == {"q": "status:paid"}
        assert filters.private_part(wanted) == Filter(text=text)


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([("status", "payed")], id="a status nobody knows"),
        pytest.param([("method", "barter")], id="a method nobody knows"),
        pytest.param([("stage", "arrived")], id="a stage nobody knows"),
        pytest.param([("amount_from", "12.50 ZAR")], id="an amount that is not in cents"),
        pytest.param([("amount_from", "1250 XXX")], id="a currency nobody knows"),
        pytest.param([("created", "2026-11-23T00:00:00 2026-11-24T00:00:00")], id="moments of no time zone"),
        pytest.param([("review_only", "no")], id="a flag that is not yes"),
        pytest.param([("colour", "blue")], id="a field that is not there"),
        pytest.param([("text", "a"), ("text", "b")], id="one text twice"),
    ],
)
def test_a_filter_half_understood_is_refused(pairs):
    with pytest.raises(InvalidInput, match="cannot be read"):
        filters.from_query(pairs)


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        pytest.param(Filter(amount_from=Money(100_001)), "More than R1\u00a0000.00", id="more than"),
        pytest.param(Filter(amount_from=Money(100_000)), "From R1\u00a0000.00", id="from"),
        pytest.param(Filter(amount_to=Money(129_999)), "Up to R1\u00a0299.99", id="a price ends so"),
        pytest.param(
            Filter(amount_from=Money(8_000), amount_to=Money(8_000)), "Exactly R80.00", id="one amount"
        ),
        pytest.param(
            Filter(statuses=filter_words.GROUPS["Waiting"]), "Waiting for money", id="a pill's statuses"
        ),
        pytest.param(Filter(statuses=(Status.OPEN,)), "Status: Waiting", id="the status of its name"),
        pytest.param(
            Filter(statuses=(Status.OPEN, Status.PAID)), "Status: Waiting, Paid", id="one status of a pill's"
        ),
        pytest.param(Filter(events=("JOZI",)), "Event: Joburg Tech Week", id="an event by its name"),
        pytest.param(Filter(events=("GONE",)), "Event: GONE", id="one that is not known"),
    ],
)
def test_a_condition_is_told_as_it_was_meant_and_is_one_thing_to_take_away(wanted, told):
    """``>1000`` was told as from R1 000.01, an exact amount as two bounds, and one pill as four statuses."""
    (alone,) = filters.conditions(wanted)
    assert filter_words.condition(alone, {"JOZI": "Joburg Tech Week"}) == told
    assert filters.minus(wanted, alone) == Filter()


def test_more_than_an_amount_is_written_as_it_is_typed():
    assert grammar.write(grammar.read(">1000", TODAY)) == ">1000"
