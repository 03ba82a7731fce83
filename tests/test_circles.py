"""Python's search for circles is off while a statement is matched, and on again after, whatever happened."""

import gc
from datetime import date

import pytest

from db.money import Money
from payments.circles import without_looking_for_circles
from payments.matching import Line, MemoryBook, propose


class _Watched(MemoryBook):
    """Notes whether Python looks for circles while it is asked."""

    looked = True

    def by_references(self, references):
        self.looked = gc.isenabled()
        return super().by_references(references)


def test_a_statement_is_matched_without_looking_for_circles():
    book = _Watched()
    propose([Line(1, date(2026, 3, 2), Money(100_00), "T MOKOENA REG7K2MPQ4")], book)
    assert not book.looked
    assert gc.isenabled()


def test_it_is_on_again_after_a_fault():
    with pytest.raises(ZeroDivisionError), without_looking_for_circles():
        raise ZeroDivisionError
    assert gc.isenabled()


def test_whoever_found_it_off_leaves_it_off():
    with without_looking_for_circles():
        with without_looking_for_circles():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
