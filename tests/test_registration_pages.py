"""Registrations by file on their page: each figure is counted and added up in the rows it shows."""

import re

import pytest

from db.money import Money
from payments.access.people import Role
from payments.registering.registration_changes import Becomes
from tests.test_pages import Desk, all_html, desk
from words import files

PAGE = "pages/finance/registrations.py"
HEADS = "id,name,email,amount"
FIRST = f"{HEADS}\nA1,Thandi Nkosi,thandi@example.org,1500.00\nA2,Sipho Dube,sipho@example.org,450\n"
THEN = (
    f"{HEADS}\nA1,Thandi Nkosi,thandi@example.org,1500.00\nA2,Sipho Dube,sipho@example.org,500\n"
    "A3,Zanele Mbeki,zanele@example.org,80.25\nA4,Nobody,not an address,450\n"
    "A5,Pieter Botha,pieter@example.org,99.50\n"
)
__all__ = ["desk"]


def looked_at(desk: Desk, text: str):
    at = desk.open(PAGE)
    at.file_uploader[0].upload("people.csv", text.encode()).run()
    assert not at.exception
    return at


def brought_in(at):
    """Until no row waits."""
    at.button(key="registrations_do").click().run()
    assert not at.exception
    return at


def each_choice(at, key: str):
    """What each choice tells, and the rows that it lists."""
    whole = at.dataframe[0].value
    for label in at.segmented_control(key=key).options:
        word, _, count = label.rpartition(" ")
        at.segmented_control(key=key).select(choice_of(word)).run()
        rows = at.dataframe[0].value
        assert len(rows) == int(count), label
        assert set(rows["Outcome"]) == {word}
        at.segmented_control(key=key).unselect(choice_of(word)).run()
    assert len(at.dataframe[0].value) == len(whole)


def choice_of(word: str) -> str:
    return next(str(one) for one in Becomes if files.BECOMES[one].word == word)


@pytest.mark.parametrize("text, count", [(FIRST, 2), (THEN, 5)])
def test_what_a_file_would_bring_is_what_its_rows_say(desk, text, count):
    desk.sign_in(Role.FINANCE)
    at = looked_at(desk, text)
    rows = at.dataframe[0].value
    assert len(rows) == count
    told = at.button(key="registrations_do").label
    assert int(re.search(r"Bring in (\d+)", told)[1]) == len(rows[rows["Outcome"] != "Refused"])


def test_each_outcome_of_a_file_lists_as_many_rows_as_it_tells(desk):
    desk.sign_in(Role.FINANCE)
    brought_in(looked_at(desk, FIRST))
    at = looked_at(desk, THEN)
    each_choice(at, "registrations_which")
    rows = at.dataframe[0].value
    applied = rows[rows["Outcome"].isin(["New", "Changed"])]
    told = at.button(key="registrations_do").label
    assert told.startswith(f"Bring in {len(applied)} rows, ")
    assert told.endswith(str(Money(sum(Money.parse(one).minor for one in applied["Amount"]))))
    at = brought_in(at)
    assert "5 rows: " in all_html(at)
    each_choice(at, "registrations_became")
