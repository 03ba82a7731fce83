"""Money on the screen is in the currency that it is in, also where rand would mostly be right."""

from datetime import date

import pytest

from db.money import Money
from payments.lump_sums.explaining import Unexplained
from ui.lump_sums import _total
from ui.several import Several, price_now


@pytest.mark.parametrize("currency", ["ZAR", "USD"])
def test_a_part_that_is_typed_before_any_price_is_in_the_events_currency(currency):
    """Rand were assumed, and the round sums offered for them."""
    assert price_now(Several(2, (), "25"), None, currency) == Money(25_00, currency)
    assert price_now(Several(2, (), ""), None, currency) is None
    assert price_now(Several(2, (), ""), Money(40_00, "USD"), currency) == Money(80_00, "USD")


def test_lump_sums_of_several_currencies_are_never_added_up():
    some = [
        Unexplained(nth, None, date(2026, 11, 20), amount, "", ())
        for nth, amount in enumerate((Money(100), Money(200, "USD"), Money(50)), 1)
    ]
    assert _total(some) == f"{Money(200, 'USD')} + {Money(150)}"
