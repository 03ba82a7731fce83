"""Bills to the cent: lines, VAT and totals agree, whatever the prices, discounts and rounding."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.money import Money
from payments import vat
from payments.vat import Item

RATES = st.sampled_from([0, 1_400, 1_500, 1_550])
ITEMS = st.lists(
    st.builds(
        lambda unit, quantity, off: Item(
            "x", Money(unit), quantity, Money(unit * quantity * off // 100) if off else None
        ),
        st.integers(0, 10_000_000), st.integers(1, 200), st.integers(0, 100),
    ),
    min_size=1, max_size=25,
)  # fmt: skip


def added(amounts):
    return sum(amounts, Money(0))


@given(items=ITEMS, rate_bp=RATES, with_vat=st.booleans())
def test_lines_vat_and_totals_agree(items, rate_bp, with_vat):
    bill = vat.bill(items, rate_bp=rate_bp, with_vat=with_vat)
    assert added(line.net for line in bill.lines) == bill.net
    assert added(line.vat for line in bill.lines) == bill.vat
    assert added(line.gross for line in bill.lines) == bill.total == bill.net + bill.vat
    for item, line in zip(items, bill.lines, strict=True):
        assert line.net + line.vat == line.gross
        assert (
            (line.gross if with_vat else line.net) == item.amount == line.unit * line.quantity - line.discount
        )
        assert min(line.net.minor, line.vat.minor) >= 0
    priced = bill.total if with_vat else bill.net
    assert priced == added(item.amount for item in items), "what was asked for is what is billed"


@given(items=ITEMS, rate_bp=RATES, with_vat=st.booleans())
def test_the_vat_is_the_nearest_cent_and_a_lines_within_one(items, rate_bp, with_vat):
    bill = vat.bill(items, rate_bp=rate_bp, with_vat=with_vat)
    of, whole = (bill.total, 10_000 + rate_bp) if with_vat else (bill.net, 10_000)
    assert abs(2 * (bill.vat.minor * whole - of.minor * rate_bp)) <= whole
    for item, line in zip(items, bill.lines, strict=True):
        if of.minor:
            assert abs(line.vat.minor * of.minor - bill.vat.minor * item.amount.minor) < of.minor


@given(net=st.integers(0, 100_000_000), rate_bp=RATES)
def test_adding_the_vat_and_taking_it_out_again_come_to_the_same(net, rate_bp):
    tax = vat.vat_on(Money(net), rate_bp)
    assert vat.vat_in(Money(net) + tax, rate_bp) == tax


@given(whole=st.integers(0, 10**8), weights=st.lists(st.integers(0, 10**7), min_size=1, max_size=80))
def test_a_share_is_exact_and_each_part_within_a_cent(whole, weights):
    parts = vat.share(Money(whole), weights)
    assert added(parts) == Money(whole if sum(weights) else 0)
    for part, weight in zip(parts, weights, strict=True):
        assert abs(part.minor * sum(weights) - whole * weight) < max(1, sum(weights))


@given(
    total=st.integers(1, 10**8),
    rate_bp=RATES,
    cuts=st.lists(st.integers(1, 10**8 - 1), max_size=8, unique=True),
)
def test_credits_that_are_the_whole_hold_all_of_its_vat(total, rate_bp, cuts):
    tax = vat.vat_in(Money(total), rate_bp)
    ends = [*sorted(cut for cut in cuts if cut < total), total]
    taken, before = [], 0
    for end in ends:
        taken.append(vat.vat_of_part(Money(total), tax, Money(before), Money(end - before)))
        assert 0 <= taken[-1].minor <= end - before
        before = end
    assert added(taken) == tax


@pytest.mark.parametrize(
    "percent_bp, off",
    [
        pytest.param(0, 0, id="nothing"),
        pytest.param(1_000, 1_000, id="10 %"),
        pytest.param(3_333, 3_333, id="a third, in cents"),
        pytest.param(10_000, 10_000, id="all"),
    ],
)
def test_a_discount_in_percent_is_whole_cents(percent_bp, off):
    assert vat.percent_off(Money(10_000), percent_bp) == Money(off)


@pytest.mark.parametrize(
    "items",
    [
        pytest.param([], id="no line"),
        pytest.param([Item("x", Money(100), 0)], id="none of it"),
        pytest.param([Item("x", Money(100), 1, Money(101))], id="more off than it costs"),
        pytest.param([Item("x", Money(100)), Item("y", Money(1, "USD"))], id="two currencies"),
    ],
)
def test_what_is_no_bill(items):
    with pytest.raises(ValueError, match=r"lines|mix"):
        vat.bill(items, rate_bp=1_500)
