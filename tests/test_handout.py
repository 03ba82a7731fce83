"""The statements that a demo desk is given to try."""

from datetime import date, timedelta
from itertools import cycle, islice, product
from types import SimpleNamespace

import pytest
from sqlalchemy import select

from commands import samples
from db.models import StatementFile
from db.money import Money
from payments.bank import accounts, imports
from payments.bank.balances import BankDays
from payments.dates import business_day
from payments.errors import Conflict
from payments.matching import Line, MemoryBook, Obligation, Target, propose
from payments.references import with_check
from payments.sign_off import reconciled
from payments.statements import Mapping
from simulator import handout
from simulator.crowd import FIRST_NAMES
from simulator.families import surnames
from tests.desk import ADMIN, make_event
from tests.samples import make_payment

LAST = date(2026, 11, 27)


def test_a_desk_that_nobody_owes_anything_is_told_so(sessions, now):
    app = SimpleNamespace(settings=SimpleNamespace(demo=True), sessions=sessions, now=lambda: now)
    with pytest.raises(Conflict, match="Nobody owes this desk anything"):
        samples.write(app)


def test_each_sample_begins_with_the_balance_that_the_one_before_it_ends_with(sessions, tmp_path, now):
    """Payouts came without a balance. From the first sample on, every day of the account tells one."""
    app = SimpleNamespace(
        settings=SimpleNamespace(demo=True, data_dir=tmp_path), sessions=sessions, now=lambda: now
    )
    day = business_day(now)
    earlier = f"Date,Text,Amount\n{day - timedelta(days=20)},MAGTAPE CREDIT IKHOKHA PAYOUT,512.40\n"
    seeded = Mapping(name="Payouts", date=0, description=(1,), amount=2, heading=("Date", "Text", "Amount"))
    plain = Mapping(
        name="Unknown", date=0, description=(1,), reference=(2,), amount=3, balance=4,
        heading=("Wanneer", "Wat", "Reference", "Amount", "Balance"),
    )  # fmt: skip
    with sessions.begin() as session:
        event = make_event(session, now=now)
        for nth in range(2 * samples.PAYERS):
            make_payment(session, event, now=now - timedelta(days=nth % 9))
        account = accounts.create(session, ADMIN, name="Cheque", bank="FNB", now=now).id

    def bring(name: str, data: bytes, mapping: Mapping | None = None) -> None:
        with sessions.begin() as session:
            imports.import_file(session, ADMIN, account, name, data, now=app.now(), mapping=mapping)

    bring("payouts.csv", earlier.encode(), seeded)
    for today in (day, day + timedelta(days=1)):  # written anew, they go on from what came in
        app.now = lambda later=today - day: now + later
        known, unknown, _ = samples.write(app)
        for one, mapping in ((known, None), (unknown, plain)):
            bring(one.name, one.read_bytes(), mapping)
            with sessions.read() as session:
                days = [BankDays(session, account).of(today - timedelta(days=back)) for back in range(21)]
                told = reconciled.statement(session, ADMIN, account, today)
            assert [fault for day in days for fault in day.faults] == []
            assert None not in {day.closing for day in days}
            assert days[0].closing == told.bank
            assert told.difference == Money(0)
    with sessions.read() as session:
        files = session.scalars(select(StatementFile).order_by(StatementFile.id)).all()
    assert [one.opening_minor for one in files[1:]] == [handout.OPENING_MINOR] + [
        one.closing_minor for one in files[1:-1]
    ]


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
