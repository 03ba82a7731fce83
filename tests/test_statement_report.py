"""The statement to the organiser ties to the ledger, to revenue and to the period before, to the cent."""

from collections.abc import Callable
from datetime import date, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Event, Payment, Payout, PayoutFile, PayoutLine, Receipt, Refund, RefundReturn, Reversal
from db.money import Money
from db.session import Sessions
from payments import dates
from payments.access.people import Person, Role
from payments.errors import InvalidInput, NotFound
from payments.finding import search
from payments.reports.period import Basis, Period
from payments.reports.report import Report
from tests.desk import ADMIN
from tests.ledger_world import World, fresh, live, sast
from tests.test_reports import APRIL, MARCH, doors, make

__all__ = ["fresh"]
ACCOUNT = ("Balance when the period began", "Gross", "Refunds", "Fees kept", "VAT on the fees",
           "Balance when it ended")  # fmt: skip


def statement(session: Session, event: str, period: Period) -> Report:
    return make(session, "statement", period=period, event=event)


def account(report: Report, currency: str) -> dict[str, int]:
    """The lines of the account; nothing moved in a currency that has none."""
    found = [table for table in report.tables if table.title == f"Account, {currency}"]
    if not found:
        return dict.fromkeys(ACCOUNT, 0)
    return {str(name.value): cell.value.minor for name, cell in found[0].rows}


def table(report: Report, title: str):
    return next((one for one in report.tables if one.title.startswith(title)), None)


def pay_out(world: World, dice: Random) -> None:
    """Some captures are in payouts, with fees that a file told or none."""
    session = world.session
    file = PayoutFile(
        kind="settlement", name="f.csv", sha256="0" * 64, data=b"", rows=0, named={}, imported_at=sast(1),
        imported_by="T",
    )  # fmt: skip
    session.add(file)
    session.flush()
    gone = set(session.scalars(select(Reversal.receipt_id)))
    for nth, receipt in enumerate(session.scalars(select(Receipt).where(Receipt.kind == "gateway")).all()):
        if dice.random() < 0.4 or receipt.id in gone:
            continue
        fee = min(receipt.amount_minor, dice.randrange(300))
        vat = min(receipt.amount_minor - fee, fee * 15 // 100)
        on = dates.business_day(receipt.received_at) + timedelta(days=dice.randrange(1, 9))
        payout = Payout(
            key=f"p{nth}", source="settlement", last_on=on, currency=receipt.amount_currency,
            gross_minor=receipt.amount_minor, fee_minor=fee, vat_minor=vat, payout_fee_minor=0, less_minor=0,
            difference_minor=0, net_minor=receipt.amount_minor - fee - vat, payout_fee_told=True,
            made_at=sast(1), made_by="T",
        )  # fmt: skip
        session.add(payout)
        session.flush()
        session.add(
            PayoutLine(
                file_id=file.id if dice.random() < 0.8 else None, payout_id=payout.id, row=nth,
                kind="capture", on=on, gross_minor=receipt.amount_minor, fee_minor=fee, vat_minor=vat,
                state="stands", payment_id=receipt.payment_id, receipt_id=receipt.id,
            )
        )  # fmt: skip
    session.flush()


def by_hand(session: Session, event_id: int, last: date) -> tuple[int, int]:
    """Balance and what the gateway holds at the end of a day, read row by row."""
    ours = {one.id: one for one in session.scalars(select(Payment).where(Payment.event_id == event_id))}
    gone = {one.receipt_id: dates.business_day(one.reversed_at) for one in session.scalars(select(Reversal))}
    lines = {one.receipt_id: one for one in session.scalars(select(PayoutLine))}
    paid = {one.id: one.last_on for one in session.scalars(select(Payout))}
    balance = held = 0
    for receipt in session.scalars(select(Receipt).where(Receipt.payment_id.in_(ours))):
        if dates.business_day(receipt.received_at) > last:
            continue
        line, left = lines.get(receipt.id), receipt.id in gone and gone[receipt.id] <= last
        fee = line.fee_minor + line.vat_minor if line and line.file_id else 0
        balance += (0 if left else receipt.amount_minor) - fee
        settled = line is not None and paid[line.payout_id] <= last
        if (
            receipt.kind == "gateway"
            and ours[receipt.payment_id].origin != "legacy"
            and not left
            and not settled
        ):
            held += receipt.amount_minor - fee
    refunds = session.scalars(select(Refund).where(Refund.payment_id.in_(ours), Refund.refunded_on <= last))
    balance -= sum(one.amount_minor for one in refunds)
    back = session.scalars(select(RefundReturn).where(RefundReturn.payment_id.in_(ours)))
    return balance + sum(one.amount_minor for one in back if dates.business_day(one.at) <= last), held


@settings(max_examples=4)
@given(seed=st.integers(0, 10**6))
def test_it_ties_to_the_ledger_to_revenue_and_to_the_period_before(
    fresh: Callable[[], Sessions], now: datetime, seed: int
):
    dice = Random(seed)
    sessions = fresh()
    with sessions.begin() as session:
        world = World(session, now)
        live(world, dice)
        pay_out(world, dice)
    first = sast(1, month=2).date() + timedelta(days=dice.randrange(50))
    period = Period(first, first + timedelta(days=dice.choice((0, 6, 30, 90))))
    with sessions.read() as session:
        for event in session.scalars(select(Event)).all():
            told = statement(session, event.code, period)
            here = account(told, event.currency)
            _ties_to_the_ledger(session, event, period, told, here)
            _ties_to_revenue(session, event, period, told, here)
            before = account(statement(session, event.code, period.before), event.currency)
            assert before[ACCOUNT[-1]] == here[ACCOUNT[0]]


def _ties_to_the_ledger(session: Session, event: Event, period: Period, told: Report, here: dict) -> None:
    was, became = (by_hand(session, event.id, day) for day in (period.first - timedelta(days=1), period.last))
    assert (here[ACCOUNT[0]], here[ACCOUNT[-1]]) == (was[0], became[0])
    assert here[ACCOUNT[0]] + sum(here[name] for name in ACCOUNT[1:-1]) == here[ACCOUNT[-1]]
    if (where := table(told, "Owed and held")) is not None:
        owed, held = ([cell.value.minor for cell in row[1:]] for row in where.rows)
        assert held == [was[1], became[1]]
        assert [one + other for one, other in zip(owed, held, strict=True)] == [was[0], became[0]]


def _ties_to_revenue(session: Session, event: Event, period: Period, told: Report, here: dict) -> None:
    revenue = table(make(session, "revenue", period=period, event=event.code), "By event")
    gross, refunds, fee, vat, net = (one.value.minor for one in revenue.total[2:7]) if revenue else (0,) * 5
    assert [here[name] for name in ACCOUNT[1:-1]] == [gross, -refunds, -fee, -vat]
    assert here[ACCOUNT[-1]] - here[ACCOUNT[0]] == net
    ways, payouts = table(told, "Gross by the way"), table(told, "Paid out")
    assert sum(row[2].value.minor for row in ways.rows) == gross if ways else not gross
    settled = table(make(session, "revenue", Basis.SETTLED, period, event=event.code), "By event")
    assert sum(row[2].value.minor for row in (payouts.rows if payouts else ())) == (
        settled.total[2].value.minor if settled else 0
    )


@pytest.fixture
def world(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        yield World(session, now)


def test_each_figure_with_a_door_leads_to_its_payments(world: World):
    for day, kind in ((2, "gateway"), (3, "cash"), (4, "gateway")):
        world.pays(world.owes(sast(day)), sast(day), kind=kind)
    world.pays(world.owes(sast(5), event=1), sast(5))
    told = statement(world.session, "devconf", MARCH)
    found = {}
    for one, _place, row, cell in doors(told):
        rows = list(search.rows(world.session, ADMIN, cell.door))
        found[one.title, str(row[0].value)] = (len(rows), cell.value)
    assert found == {
        ("Gross by the way it came, ZAR", "Link, method not told yet"): (2, Money(20_000)),
        ("Gross by the way it came, ZAR", "Cash"): (1, Money(10_000)),
        ("Gross by the way it came, ZAR", "Together"): (3, Money(30_000)),
    }


@pytest.mark.parametrize(
    ("taken", "settled", "period", "owed", "held"),
    [
        pytest.param(31, date(2026, 4, 2), MARCH, 0, 9_885, id="taken in March, paid out in April: held"),
        pytest.param(31, date(2026, 4, 2), APRIL, 9_885, 0, id="and in April owed"),
        pytest.param(31, date(2026, 3, 31), MARCH, 9_885, 0, id="paid out on the last day: owed"),
    ],
)
def test_what_is_held_and_owed_at_a_months_end(world: World, taken, settled, period, owed, held):
    world.pays(world.owes(sast(taken)), sast(taken, 23, 59, 59, 999_999))
    pay_out(world, _Sure(settled, taken))
    told = statement(world.session, "devconf", period)
    first, second = told.headline[:2]
    assert (first.now.value, second.now.value) == (Money(owed), Money(held))


class _Sure(Random):
    """No chance: in a payout of this day, at a fee of R1.00 that a file told."""

    def __init__(self, settled: date, taken: int) -> None:
        super().__init__(0)
        self._values = iter((100, (settled - date(2026, 3, taken)).days))
        self._chances = iter((0.5, 0.5))

    def random(self) -> float:
        return next(self._chances)

    def randrange(self, *_: int) -> int:  # type: ignore[override]
        return next(self._values)


def test_it_is_of_one_event_that_is_ones_own(world: World):
    with pytest.raises(InvalidInput, match="Choose the event"):
        statement(world.session, "", MARCH)
    with pytest.raises(NotFound):
        statement(world.session, "nothing", MARCH)
    theirs = Person(9, "O", "o@example.org", Role.ORGANISER, frozenset({world.events[1].id}))
    with pytest.raises(NotFound):
        make(world.session, "statement", period=MARCH, event="devconf", person=theirs)
    make(world.session, "statement", period=MARCH, event="gala", person=theirs)
