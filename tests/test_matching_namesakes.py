"""Several payers of one surname: who of them is read, who is shown, and when nobody is paid by itself."""

from itertools import product

import pytest

from payments.matching import MemoryBook, Way, propose
from payments.references import ALPHABET
from tests.test_matching import EVERYBODY, SIPHO, THANDEKA, bare, line, one, owed


def test_two_payers_of_one_name_do_not_share_a_payment():
    found = propose(
        [line("CAPITEC T MOKOENA"), line("ABSA BANK TN MOKOENA", number=2)], MemoryBook(EVERYBODY)
    )
    assert not any(one.safe for one in found)


def test_a_damaged_reference_with_its_payers_name_asks_for_no_namesake():
    """Unless the text names somebody besides: then it may be for either, and both are shown."""

    class Asked(MemoryBook):
        names: tuple[str, ...] = ()

        def by_amount_and_name(self, keys):
            self.names = (*self.names, *sorted({key.surname for key in keys}))
            return super().by_amount_and_name(keys)

    namesake = owed(10, "999999", "Tau Mokoena")
    damaged = bare(THANDEKA)[:-1] + "X"
    book = Asked((*EVERYBODY, namesake))
    found = one(line(f"T MOKOENA {damaged}"), book=book)
    assert (found.payments, found.way, found.rivals) == ((1,), Way.HEALED, ())
    assert found.safe
    assert not book.names
    both = one(line(f"T MOKOENA S DLAMINI {damaged}"), book=book)
    assert book.names == ("DLAMINI", "MOKOENA")
    assert {rival.id for rival in both.rivals} >= {SIPHO.id, namesake.id}


def test_who_begins_with_another_letter_is_read_only_where_nobody_convinces():
    """A first name or an initial says of all others of the surname that they are somebody else."""
    mokoenas = [
        owed(10 + at, f"{at + 2}99999", name) for at, name in enumerate(("Ayanda Mokoena", "Peter Mokoena"))
    ]
    book = MemoryBook((*EVERYBODY, *mokoenas))
    told = one(line("T MOKOENA"), book=book)
    assert (told.payments, told.rivals) == ((THANDEKA.id,), ())
    assert told.safe
    friend = one(line("Z MOKOENA"), book=book)
    assert not friend.safe
    assert {rival.id for rival in friend.rivals} >= {THANDEKA.id, *(other.id for other in mokoenas)}


@pytest.mark.parametrize("text", ["MOKOENA", "MOKOENA TICKETS", "MOKOENA THANDEKA"])
def test_where_no_first_name_stands_before_a_surname_everybody_of_it_is_read(text):
    other = owed(10, "999999", "Peter Mokoena")
    told = one(line(text), book=MemoryBook((THANDEKA, other)))
    shown = {*told.payments, *(rival.id for rival in told.rivals)}
    assert shown == {THANDEKA.id, other.id}
    assert told.tie == ("THANDEKA" not in text)


def test_of_more_namesakes_than_are_read_none_is_paid_by_itself_though_this_run_pays_one_of_them():
    """Fifty were read and one of them is paid by another line: that there may be more is no less true."""
    bodies = (f"{first}{second}7777" for first, second in product(ALPHABET[2:5], ALPHABET[:19]))
    crowd = [owed(100 + at, body, f"Tau{'x' * at} Mokoena") for at, body in enumerate(bodies)]
    for at in (0, -1):  # one of those that are read, and one beyond
        crowd[at] = crowd[at]._replace(name="Thandi Mokoena")
    book = MemoryBook(crowd)
    paid, named = line(bare(crowd[20])), line("THANDI MOKOENA", number=2)
    told = propose([paid, named], book)
    assert [one.safe for one in told] == [True, False]


@pytest.mark.parametrize("name", ["Student Thabo Mokoena", "SA Thabo Mokoena", "B2B Thabo Mokoena"])
def test_a_rival_whose_name_begins_with_a_word_that_says_nothing_makes_a_tie(name):
    book = MemoryBook((owed(10, "999999", "Tshepo Mokoena"), owed(11, "888888", name)))
    told = one(line("CAPITEC T MOKOENA"), book=book)
    assert (told.tie, told.safe) == (True, False)
