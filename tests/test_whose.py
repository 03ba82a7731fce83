"""Whose a line may be by the name it bears: offered for a person to choose, where matching found nothing."""

import pytest

from db.money import Money
from payments.reconciling import reconciliation, whose
from tests.desk import ADMIN
from tests.test_reconciliation import PRICE, Bench


@pytest.fixture
def bench(sessions, now):
    return Bench(sessions, now)


def offered(bench) -> list[str]:
    bench.propose()
    (view,) = bench.waits()
    with bench.sessions.read() as session:
        return [one.reference for one in whose.by_name(session, ADMIN, view)]


def test_who_bears_the_name_is_offered_and_the_very_amount_first(bench):
    dear, same = bench.owes("Zanele Mokoena", PRICE), bench.owes("Zanele Mokoena", Money(400_00))
    twin = bench.owes("Zanele Mokoena", Money(400_00))
    bench.owes("Farai Dlamini", Money(400_00))
    bench.bank(("EFT ZANELE MOKOENA FOR US", "400.00"))
    found = offered(bench)
    assert (set(found[:2]), found[2:]) == ({same, twin}, [dear])


def test_what_somebody_refused_for_the_line_is_not_offered_again(bench):
    one, other = bench.owes("Zanele Mokoena", PRICE), bench.owes("Zanele Mokoena", Money(900_00))
    (line,) = bench.bank(("EFT ZANELE MOKOENA FOR US", "400.00"))
    assert sorted(offered(bench)) == sorted([one, other])
    with bench.sessions.begin() as session:
        reconciliation.refuse(session, ADMIN, line, bench.id_of(one), "Not hers.", now=bench.now)
    assert offered(bench) == [other]


def test_a_name_behind_many_short_words_is_found(bench):
    one = bench.owes("Zanele Mokoena", PRICE)
    bench.bank(("AB CD EF GH JK ZANELE MOKOENA", "400.00"))
    assert offered(bench) == [one]


def test_a_line_without_a_name_is_nobodys(bench):
    bench.owes("Zanele Mokoena", PRICE)
    bench.bank(("EFT 123", "400.00"))
    assert offered(bench) == []
