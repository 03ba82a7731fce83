"""Fees are whole cents by the tariff of their day; gross − fee − VAT = net, always."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.money import LARGEST_MINOR, Money
from payments.errors import InvalidInput
from payments.lump_sums.tariff import METHODS, Charged, Rates, Tariff, check_fees, effective_rates, share

DAY = date(2026, 3, 10)
TARIFF = Tariff(
    Rates(date(2025, 1, 1)),
    Rates(
        date(2026, 4, 1), {"card": 300, "instant_eft": 150, "international_card": 325}, least_fee_minor=100
    ),
)


@pytest.mark.parametrize(
    "gross, method, day, fee, vat",
    [
        pytest.param(1500_00, "card", DAY, 42_75, 6_41, id="2.85 %, the VAT's half cent rounded up"),
        pytest.param(1500_00, "instant_eft", DAY, 30_00, 4_50, id="instant EFT"),
        pytest.param(1500_00, "international_card", DAY, 48_75, 7_31, id="international card"),
        pytest.param(1, "card", DAY, 0, 0, id="one cent costs nothing"),
        pytest.param(18, "card", DAY, 1, 0, id="0.513 of a cent is one"),
        pytest.param(17, "card", DAY, 0, 0, id="0.4845 of a cent is none"),
        pytest.param(1500_00, "card", date(2026, 4, 1), 45_00, 6_75, id="the new tariff from its first day"),
        pytest.param(1500_00, "card", date(2026, 3, 31), 42_75, 6_41, id="the old one to its last"),
        pytest.param(10_00, "card", date(2026, 4, 1), 1_00, 15, id="the smallest fee"),
    ],
)
def test_the_fee_of_a_capture(gross, method, day, fee, vat):
    found = TARIFF.fee(Money(gross), method, day)
    assert (found.fee_minor, found.vat_minor) == (fee, vat)


@given(st.integers(1, LARGEST_MINOR), st.sampled_from(METHODS), st.dates(date(2025, 1, 1), date(2027, 1, 1)))
def test_gross_less_fee_less_vat_is_net(gross, method, day):
    fee = TARIFF.fee(Money(gross), method, day)
    assert TARIFF.net(Money(gross), method, day).minor == gross - fee.fee_minor - fee.vat_minor
    expected = TARIFF.expected(Money(gross), method, day)
    assert expected.least == expected.most


@given(st.integers(1, LARGEST_MINOR))
def test_an_unknown_method_is_a_range_that_holds_every_method(gross):
    expected = TARIFF.expected(Money(gross), None, DAY)
    for method in METHODS:
        assert expected.variance_minor(TARIFF.fee(Money(gross), method, DAY).total_minor) == 0


@given(st.integers(-(10**9), 10**9), st.integers(0, 9999))
def test_a_share_is_rounded_half_up_and_alike_for_what_is_owed_back(minor, basis_points):
    assert share(-minor, basis_points) == -share(minor, basis_points)
    assert abs(share(minor, basis_points) * 10_000 - minor * basis_points) <= 5_000


def test_no_fee_is_guessed_before_the_tariff_begins():
    with pytest.raises(InvalidInput, match="says nothing of 2024-12-31"):
        TARIFF.fee(Money(100), "card", date(2024, 12, 31))


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda: Tariff(), id="empty"),
        pytest.param(lambda: Tariff(Rates(DAY), Rates(DAY)), id="two from one day"),
        pytest.param(lambda: Rates(DAY, {}), id="no rates"),
        pytest.param(lambda: Rates(DAY, {"card": 10_000}), id="all of it"),
        pytest.param(lambda: Rates(DAY, payout_fee_minor=-1), id="a negative fee"),
    ],
)
def test_a_tariff_that_cannot_be_is_refused(make):
    with pytest.raises(InvalidInput):
        make()


@pytest.mark.parametrize(
    "method, charged, variance",
    [
        pytest.param("card", 49_16, 0, id="as agreed"),
        pytest.param("card", 49_18, 0, id="two cents are rounding"),
        pytest.param("card", 49_19, 3, id="three are not"),
        pytest.param("card", 56_06, 6_90, id="the international rate on a local card"),
        pytest.param("instant_eft", 49_16, 14_66, id="the card's rate on an instant EFT"),
        pytest.param("card", 40_00, -9_16, id="less than agreed"),
        pytest.param(None, 49_16, 0, id="in the range while the method is not known"),
        pytest.param(None, 60_00, 3_94, id="above the range"),
    ],
)
def test_what_was_charged_is_held_against_the_tariff(method, charged, variance):
    (check,) = check_fees([Charged(1, Money(1500_00), method, DAY, charged)], TARIFF)
    assert check.variance_minor == variance


def test_the_effective_rate_is_told_by_month_and_method():
    told = effective_rates(
        [
            Charged(1, Money(1000_00), "card", date(2026, 3, 1), 32_78),
            Charged(2, Money(1000_00), "card", date(2026, 3, 31), 32_78),
            Charged(3, Money(1000_00), "instant_eft", date(2026, 3, 31), 23_00),
            Charged(4, Money(1000_00), None, date(2026, 4, 1), 30_00),
        ]
    )
    assert [(one.month, one.method, one.gross.minor, one.rate_bp) for one in told] == [
        (date(2026, 3, 1), "card", 2000_00, 328),
        (date(2026, 3, 1), "instant_eft", 1000_00, 230),
        (date(2026, 4, 1), "gateway", 1000_00, 300),
    ]
