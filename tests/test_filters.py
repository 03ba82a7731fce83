"""A filter as an address and back: the file holds what the screen shows, or there is no file."""

from datetime import date

import pytest

from db.money import Money
from payments import filters
from payments.dates import day_span
from payments.errors import InvalidInput
from payments.lifecycle import Method, Status
from payments.search import Filter

WANTED = [
    pytest.param(Filter(), id="everything"),
    pytest.param(Filter(text="Thandéka & Söhne = 50 %"), id="text that an address must escape"),
    pytest.param(Filter(statuses=(Status.PAID, Status.OPEN), methods=(Method.CASH,)), id="several words"),
    pytest.param(Filter(events=("GALA-2026", "JAZZ")), id="events"),
    pytest.param(Filter(amount_from=Money(1), amount_to=Money(150_000, "USD")), id="amounts"),
    pytest.param(Filter(created=day_span(date(2026, 11, 23)), paid=day_span(date(2026, 2, 1))), id="days"),
    pytest.param(Filter(review_only=True, outcome_unknown=True, mail_failed=True), id="troubles"),
]


@pytest.mark.parametrize("wanted", WANTED)
def test_a_filter_survives_its_address(wanted):
    assert filters.from_query(filters.to_query(wanted)) == wanted


@pytest.mark.parametrize(
    "pairs",
    [
        pytest.param([("status", "payed")], id="a status nobody knows"),
        pytest.param([("method", "barter")], id="a method nobody knows"),
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
