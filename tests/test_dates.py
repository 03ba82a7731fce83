"""Days are South Africa's: two hours ahead of UTC all year, with its public holidays."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.dates import (
    Span,
    business_day,
    day_span,
    is_bank_day,
    next_bank_day,
    say_age,
    say_days,
    say_moment,
)

moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 12, 31), timezones=st.just(UTC))


@pytest.mark.parametrize(
    "moment, day",
    [
        pytest.param(datetime(2026, 11, 23, 21, 59, 59, 999000, UTC), date(2026, 11, 23), id="last moment"),
        pytest.param(datetime(2026, 11, 23, 22, 0, tzinfo=UTC), date(2026, 11, 24), id="midnight here"),
        pytest.param(datetime(2028, 2, 28, 22, 0, tzinfo=UTC), date(2028, 2, 29), id="leap day"),
        pytest.param(datetime(2026, 12, 31, 22, 0, tzinfo=UTC), date(2027, 1, 1), id="new year"),
        pytest.param(datetime(2026, 7, 1, 22, 0, tzinfo=UTC), date(2026, 7, 2), id="no summer time"),
    ],
)
def test_the_day_turns_at_midnight_in_johannesburg(moment, day):
    assert business_day(moment) == day


@given(moments)
def test_every_moment_is_in_the_span_of_its_day_and_of_no_other(moment):
    day = business_day(moment)
    assert day_span(day).start <= moment < day_span(day).end
    assert day_span(day).end == day_span(day + timedelta(days=1)).start


def test_the_span_of_days_includes_the_last():
    assert day_span(date(2026, 11, 23), date(2026, 11, 24)) == Span(
        datetime(2026, 11, 22, 22, 0, tzinfo=UTC), datetime(2026, 11, 24, 22, 0, tzinfo=UTC)
    )


@pytest.mark.parametrize(
    "day, works",
    [
        pytest.param(date(2026, 11, 23), True, id="Monday"),
        pytest.param(date(2026, 11, 21), False, id="Saturday"),
        pytest.param(date(2026, 11, 22), False, id="Sunday"),
        pytest.param(date(2026, 12, 16), False, id="Day of Reconciliation"),
        pytest.param(date(2026, 12, 25), False, id="Christmas"),
        pytest.param(date(2026, 4, 3), False, id="Good Friday"),
        pytest.param(date(2026, 4, 6), False, id="Family Day"),
        pytest.param(date(2026, 8, 10), False, id="Monday after a holiday on Sunday"),
        pytest.param(date(2026, 11, 4), False, id="local government elections"),
    ],
)
def test_when_banks_work(day, works):
    assert is_bank_day(day) is works


@pytest.mark.parametrize(
    "day, steps, then",
    [
        pytest.param(date(2026, 11, 23), 1, date(2026, 11, 24), id="the next day"),
        pytest.param(date(2026, 11, 20), 1, date(2026, 11, 23), id="over a weekend"),
        pytest.param(date(2026, 12, 24), 1, date(2026, 12, 28), id="over Christmas"),
        pytest.param(date(2026, 12, 15), 2, date(2026, 12, 18), id="two, over a holiday"),
        pytest.param(date(2026, 11, 22), 0, date(2026, 11, 22), id="none"),
    ],
)
def test_the_bank_days_that_follow(day, steps, then):
    assert next_bank_day(day, steps) == then


@pytest.mark.parametrize(
    "moment, said",
    [
        pytest.param(datetime(2026, 11, 23, 8, 2, tzinfo=UTC), "today 10:02", id="today"),
        pytest.param(datetime(2026, 11, 22, 22, 0, tzinfo=UTC), "today 00:00", id="today here, not in UTC"),
        pytest.param(datetime(2026, 11, 22, 21, 59, tzinfo=UTC), "yesterday 23:59", id="yesterday"),
        pytest.param(datetime(2026, 11, 9, 8, 2, tzinfo=UTC), "9 Nov 2026, 10:02", id="earlier"),
        pytest.param(datetime(2026, 11, 24, 8, 2, tzinfo=UTC), "24 Nov 2026, 10:02", id="tomorrow"),
    ],
)
def test_a_moment_is_said_as_people_say_it(moment, said, now):
    assert say_moment(moment, now=now) == said


def test_without_now_the_date_is_said(now):
    assert say_moment(now) == "23 Nov 2026, 12:00"


@pytest.mark.parametrize(
    "first, last, said",
    [
        pytest.param(date(2026, 3, 12), date(2026, 3, 12), "12 Mar 2026", id="one day"),
        pytest.param(date(2026, 3, 12), date(2026, 3, 14), "12–14 Mar 2026", id="one month"),
        pytest.param(date(2026, 11, 30), date(2026, 12, 2), "30 Nov – 2 Dec 2026", id="two months"),
        pytest.param(date(2026, 12, 31), date(2027, 1, 2), "31 Dec 2026 – 2 Jan 2027", id="two years"),
        pytest.param(date(2026, 3, 12), date(2027, 3, 14), "12 Mar 2026 – 14 Mar 2027", id="a year later"),
    ],
)
def test_days_are_said_shortly(first, last, said):
    assert say_days(first, last) == said


@pytest.mark.parametrize(
    "age, said",
    [
        pytest.param(timedelta(seconds=-5), "just now", id="a clock ahead of ours"),
        pytest.param(timedelta(seconds=59), "just now", id="under a minute"),
        pytest.param(timedelta(seconds=60), "1 min", id="a minute"),
        pytest.param(timedelta(minutes=59, seconds=59), "59 min", id="under an hour"),
        pytest.param(timedelta(hours=1), "1 h", id="an hour"),
        pytest.param(timedelta(hours=23, minutes=59), "23 h", id="under a day"),
        pytest.param(timedelta(days=1), "1 day", id="a day"),
        pytest.param(timedelta(days=40), "40 days", id="days"),
    ],
)
def test_an_age_is_said_roughly(age, said):
    assert say_age(age) == said
