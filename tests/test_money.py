"""Money is exact, of one currency, and read only when it can be read in one way."""

import pickle
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.money import CURRENCIES, NBSP, Money

minors = st.integers(1 - 10**14, 10**14 - 1)


@pytest.mark.parametrize(
    "text, minor",
    [
        pytest.param("150", 15_000, id="whole"),
        pytest.param("0", 0, id="nothing"),
        pytest.param("150.00", 15_000, id="point"),
        pytest.param("150,05", 15_005, id="comma"),
        pytest.param("R150", 15_000, id="symbol"),
        pytest.param("R 1 500.50", 150_050, id="symbol and spaces"),
        pytest.param("ZAR 1500", 150_000, id="code"),
        pytest.param("1 500", 150_000, id="thousands by space"),
        pytest.param(f"R1{NBSP}500.00", 150_000, id="thousands by NBSP"),
        pytest.param("1\u202f500,00", 150_000, id="thousands by narrow space"),
        pytest.param("1,500", 150_000, id="thousands by comma"),
        pytest.param("1,234,567.89", 123_456_789, id="millions"),
        pytest.param("  42  ", 4_200, id="outer spaces"),
        pytest.param("007", 700, id="leading zeros"),
    ],
)
def test_an_amount_is_read_as_people_write_it(text, minor):
    assert Money.parse(text) == Money(minor)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("1,5", id="one decimal"),
        pytest.param("1.500", id="thousands by point, or three decimals"),
        pytest.param("1,500,00", id="comma twice over"),
        pytest.param("1 50", id="short group"),
        pytest.param("12,34,567", id="odd groups"),
        pytest.param("12.505", id="half a cent"),
        pytest.param(".50", id="no whole part"),
        pytest.param("5.", id="no cents"),
        pytest.param("-5", id="negative"),
        pytest.param("−5", id="minus sign"),
        pytest.param("(5)", id="brackets"),
        pytest.param("1e5", id="exponent"),
        pytest.param("1_000", id="underscore"),
        pytest.param("NaN", id="NaN"),
        pytest.param("Infinity", id="infinity"),
        pytest.param("０５", id="full-width digits"),
        pytest.param("١٥٠", id="Arabic-Indic digits"),
        pytest.param("150 ZAR", id="code behind"),
        pytest.param("$150", id="another currency"),
        pytest.param("=150", id="a formula"),
        pytest.param("150\n5", id="two lines"),
        pytest.param("", id="empty"),
        pytest.param("9" * 13, id="too large"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(text):
    with pytest.raises(ValueError, match=r"is not an amount|is too large"):
        Money.parse(text)


@given(minors.map(abs), st.sampled_from(CURRENCIES))
def test_what_is_written_for_machines_is_read_back(minor, currency):
    money = Money(minor, currency)
    assert Money.parse(money.decimal, currency) == money


@given(minors.map(abs))
def test_what_is_shown_to_people_is_read_back(minor):
    assert Money.parse(str(Money(minor))) == Money(minor)


@given(minors, minors)
def test_adding_and_taking_away_are_exact(one, other):
    assert Money(one) + Money(other) - Money(other) == Money(one)
    assert (Money(one) + Money(other)).minor == one + other
    assert -Money(one) == Money(-one)
    assert (Money(one) < Money(other)) == (one < other)
    assert (Money(one) >= Money(other)) == (one >= other)


@given(st.text() | st.from_regex(r"R? ?[0-9 ,.]{1,12}", fullmatch=True))
def test_whatever_is_read_is_shown_and_read_the_same(text):
    with suppress(ValueError):
        money = Money.parse(text)
        assert money.minor >= 0
        assert Money.parse(str(money)) == money


@pytest.mark.parametrize("act", [Money.__add__, Money.__sub__, Money.__lt__, Money.__le__])
def test_currencies_do_not_mix(act):
    with pytest.raises(ValueError, match="ZAR and USD do not mix"):
        act(Money(100, "ZAR"), Money(100, "USD"))


def test_equal_numbers_of_other_currencies_are_not_equal():
    assert Money(100, "ZAR") != Money(100, "USD")


@pytest.mark.parametrize("minor", [1.0, "1", None, True], ids=["float", "text", "None", "bool"])
def test_only_whole_numbers_are_money(minor):
    with pytest.raises(TypeError, match="whole minor units"):
        Money(minor)


def test_money_times_a_float_is_refused():
    with pytest.raises(TypeError, match="whole minor units"):
        Money(100) * 1.5  # type: ignore[operator]


def test_an_unknown_currency_is_refused():
    with pytest.raises(ValueError, match="unknown currency 'XXX'"):
        Money(1, "XXX")


@pytest.mark.parametrize(
    "money, shown, decimal",
    [
        pytest.param(Money(0), "R0.00", "0.00", id="nothing"),
        pytest.param(Money(5), "R0.05", "0.05", id="cents"),
        pytest.param(Money(123_456_789), "R1 234 567.89", "1234567.89", id="millions"),
        pytest.param(Money(-150), "−R1.50", "-1.50", id="negative"),
        pytest.param(Money(-5), "−R0.05", "-0.05", id="negative cents"),
        pytest.param(Money(150_000, "USD"), "US$1 500.00", "1500.00", id="dollars"),
    ],
)
def test_how_money_is_shown(money, shown, decimal):
    assert str(money) == shown.replace(" ", NBSP)
    assert money.decimal == decimal


def test_only_no_money_is_false():
    assert not Money(0)
    assert Money(-1)


def test_money_can_be_kept_in_a_cache():
    assert pickle.loads(pickle.dumps(Money(5))) == Money(5)
    assert len({Money(5), Money(5), Money(5, "USD")}) == 2
