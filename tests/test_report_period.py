"""The words that say a report's days, and the days before them."""

from datetime import date, timedelta

import pytest

from payments.errors import InvalidInput
from payments.reports.period import PRESETS, read


@pytest.mark.parametrize(
    ("word", "first", "last", "before"),
    [
        pytest.param("today", "2028-02-29", "2028-02-29", "2028-02-28", id="a leap day"),
        pytest.param("this-month", "2028-02-01", "2028-02-29", "2028-01-01", id="a leap month"),
        pytest.param("last-month", "2028-01-01", "2028-01-31", "2027-12-01", id="a month before"),
        pytest.param("this-year", "2028-01-01", "2028-12-31", "2027-01-01", id="a leap year"),
        pytest.param("this-week", "2028-02-28", "2028-03-05", "2028-02-21", id="a week over a month's end"),
        pytest.param("2028-01..2028-03", "2028-01-01", "2028-03-31", "2027-10-01", id="a quarter"),
        pytest.param("2028-02-10..2028-02-12", "2028-02-10", "2028-02-12", "2028-02-07", id="three days"),
    ],
)
def test_days_and_those_before_them(word: str, first: str, last: str, before: str):
    period = read(word, date(2028, 2, 29))
    assert (str(period.first), str(period.last), str(period.before.first)) == (first, last, before)
    assert period.before.last == period.first - timedelta(days=1)
    assert read(period.word, date(2028, 2, 29)) == period


@pytest.mark.parametrize("word", ["", "2020..", "2026-11-01T10:00..2026-11-02T10:00", "soon", "today x"])
def test_what_are_no_days_is_said(word: str):
    with pytest.raises(InvalidInput):
        read(word, date(2028, 2, 29))


@pytest.mark.parametrize("word", PRESETS)
def test_every_preset_is_some_days(word: str):
    period = read(word, date(2028, 2, 29))
    assert period.first <= period.last
