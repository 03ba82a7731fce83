"""The statements that a demo desk is given to try."""

from datetime import date, timedelta
from itertools import cycle, islice, product
from types import SimpleNamespace

import pytest

from commands import samples
from db.money import Money
from payments.errors import Conflict
from payments.matching import Line, MemoryBook, Obligation, Target, propose
from payments.references import with_check
from simulator import handout
from simulator.crowd import FIRST_NAMES
from simulator.families import surnames

LAST = date(2026, 11, 27)


def test_a_desk_that_nobody_owes_anything_is_told_so(sessions, now):
    app = SimpleNamespace(settings=SimpleNamespace(demo=True), sessions=sessions, now=lambda: now)
    with pytest.raises(Conflict, match="Nobody owes this desk anything"):
        samples.write(app)


def test_a_demo_desk_is_shown_what_comes_too_much():
    """One payer sent a round sum, one paid for a friend: what they owe is paid, the rest waits."""
    names = [
        f"{first} {last}" for first, last in zip(cycle(FIRST_NAMES), islice(surnames(), 40), strict=False)
    ]
    asked = LAST - timedelta(days=9)
    owed = [
        handout.Owed(with_check("DC26", body, demo=False), name, 1500_00, asked)
        for name, body in zip(names, map("".join, product("ABCD", "EFGHJKMNPQ", ["2345"])), strict=True)
    ]
    book = MemoryBook()
    for number, one in enumerate(owed, 1):
        book.put(
            Obligation(number, one.reference, "DC26", Money(one.minor), Money(0), one.name, one.since, "", "")
        )
    lines = [
        Line(one.id, one.on, one.amount, one.description, one.reference) for one in handout.lines(owed, LAST)
    ]
    rests = [
        part.amount
        for one in propose(lines, book)
        for part in one.allocations
        if one.safe and part.target is Target.SURPLUS
    ]
    assert sorted(rests) == [Money(100_00), Money(1500_00)]
