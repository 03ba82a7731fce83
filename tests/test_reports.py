"""Reports: their totals are those of the ledger, of the list behind each figure and of its export; every day
edge and every odd payment is where it belongs."""

from collections import Counter as Sums
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from db.models import Event, MatchPart, Payment, Payout, PayoutLine, Receipt, Refund, Reversal
from db.money import Money
from db.session import Sessions
from payments import dates
from payments.access.people import Person, Role
from payments.books import totals
from payments.errors import InvalidInput, NotAllowed, NotFound
from payments.finding import search
from payments.lifecycle import CLOSED, Status
from payments.reports import ledger, making
from payments.reports.period import OF_PAYMENTS, Basis, Period
from payments.reports.report import Asked, Holds, Report, Table
from payments.reports.takings import HEADS
from tests.desk import ADMIN
from tests.ledger_world import KINDS, World, fresh, live, pay_out, sast

__all__ = ["fresh"]
EVERYTHING = Period(date(2020, 1, 1), date(2030, 12, 31))


def make(
    session: Session,
    kind: str,
    basis: Basis = Basis.CAPTURED,
    period: Period = EVERYTHING,
    *,
    event: str = "",
    person: Person = ADMIN,
    now: datetime = datetime(2026, 11, 23, 10, tzinfo=UTC),
) -> Report:
    asked = Asked(making.Kind(kind), basis, period, event)
    return making.make(session, person, asked, demo=True, now=now)


def days(first: int, last: int | None = None, month: int = 3) -> Period:
    return Period(date(2026, month, first), date(2026, month, last or first))


def whole(report: Report, title: str, column: str) -> dict[str, Any]:
    """By currency, the last line of the tables that begin so: one figure of it."""
    found = {}
    for table in report.tables:
        if table.title.startswith(title):
            place = [one.name for one in table.columns].index(column)
            value = table.total[place].value
            found[table.title[-3:]] = value.minor if isinstance(value, Money) else value
    return found


def some(sums: Mapping[str, int]) -> dict[str, int]:
    """What is not nothing."""
    return {currency: minor for currency, minor in sums.items() if minor}


# -- generated histories ------------------------------------------------------------------------------


class Ledger:
    """Every piece of money, read one by one in plain Python."""

    def __init__(self, session: Session) -> None:
        self.payments = {one.id: one for one in session.scalars(select(Payment))}
        self.starts = {one.id: one.starts_on for one in session.scalars(select(Event))}
        receipts = session.scalars(select(Receipt)).all()
        kinds = {one.id: one.kind for one in receipts}
        self.pieces = [(one.payment_id, one.kind, one.received_at, one.amount_minor) for one in receipts]
        gone = session.scalars(select(Reversal)).all()
        self.pieces += [
            (one.payment_id, kinds[one.receipt_id], one.reversed_at, -one.amount_minor) for one in gone
        ]
        self.refunds = session.scalars(select(Refund)).all()
        ours = {one.id: one for one in receipts}
        self.settled, self.banked = [], []
        payouts: dict[int, list[Receipt]] = {}
        for line in session.scalars(select(PayoutLine)):
            payout = session.get_one(Payout, line.payout_id)
            payouts.setdefault(payout.id, []).append(ours[line.receipt_id])
            self.settled.append((ours[line.receipt_id], payout.paid_on or payout.last_on))
        for part in session.scalars(select(MatchPart)):
            match = part.match
            if match.undone_at is None:
                inside = payouts[part.payout_id] if part.payout_id else [ours[part.receipt_id]]
                self.banked += [(one, match.booked_on or match.line.on) for one in inside]

    def _moved(self, basis: Basis) -> Iterator[tuple[int, str, date, int]]:
        """Payment, kind of receipt, day it moved and minor units of each piece."""
        if basis in (Basis.SETTLED, Basis.BANKED):
            for one, day in self.settled if basis is Basis.SETTLED else self.banked:
                yield one.payment_id, one.kind, day, one.amount_minor
        else:
            for payment_id, kind, at, minor in self.pieces:
                yield payment_id, kind, dates.business_day(at), minor

    def _day(self, basis: Basis, payment_id: int, moved: date) -> date | None:
        payment = self.payments[payment_id]
        if basis is Basis.EVENT:
            return self.starts[payment.event_id]
        if basis not in OF_PAYMENTS:
            return moved
        at = payment.created_at if basis is Basis.CREATED else payment.paid_at
        return dates.business_day(at) if at else None

    def taken(self, basis: Basis, period: Period, way: str = "") -> tuple[Sums[str], set[int]]:
        """Minor units by currency, and the payments they are of; ``way`` is one of the report's columns."""
        sums: Sums[str] = Sums()
        whose = set()
        for payment_id, kind, moved, minor in self._moved(basis):
            payment = self.payments[payment_id]
            day = self._day(basis, payment_id, moved)
            came = "earlier" if payment.origin == "legacy" else kind
            if day is not None and period.first <= day <= period.last and way in ("", came):
                sums[payment.amount_currency] += minor
                whose.add(payment_id)
        return sums, whose

    def given_back(self, basis: Basis, period: Period) -> Sums[str]:
        sums: Sums[str] = Sums()
        for one in self.refunds:
            day = self._day(basis, one.payment_id, one.refunded_on)
            if day is not None and period.first <= day <= period.last:
                sums[one.amount_currency] += one.amount_minor
        return sums


def doors(report: Report) -> Iterator[tuple[Table, int, Any, Any]]:
    for table in report.tables:
        for row in (*table.rows, table.total):
            for place, cell in enumerate(row):
                if cell.door is not None:
                    yield table, place, row, cell


@settings(max_examples=14)
@given(seed=st.integers(0, 10**6))
def test_reports_lists_exports_and_the_ledger_agree_to_the_cent(
    fresh: Callable[[], Sessions], now: datetime, seed: int
):
    dice = Random(seed)
    sessions = fresh()
    with sessions.begin() as session:
        live(world := World(session, now), dice)
        pay_out(world, dice)
    first = sast(1, month=2).date() + timedelta(days=dice.randrange(50))
    period = Period(first, first + timedelta(days=dice.choice((0, 6, 30, 90))))
    with sessions.read() as session:
        book = Ledger(session)
        _agree(session, book, dice.choice((Basis.CREATED, Basis.PAID, Basis.CAPTURED, Basis.EVENT)), period)
        for basis in (Basis.SETTLED, Basis.BANKED):
            _agree(session, book, basis, Period(first, first + timedelta(days=dice.choice((20, 60)))))
        _rolls_forward(session, book, period)
        assert list(totals.let_go(session)) == []


@pytest.mark.parametrize("seed", range(3))
def test_on_either_database_every_basis_agrees_with_the_ledger(sessions: Sessions, now: datetime, seed: int):
    dice = Random(seed)
    with sessions.begin() as session:
        live(world := World(session, now), dice)
        _several_pieces(world)
        pay_out(world, dice)
    with sessions.read() as session:
        book = Ledger(session)
        for basis in Basis:
            _agree(session, book, basis, Period(date(2026, 2, 10), date(2026, 4, 20)))
        if session.get_bind().dialect.name == "postgresql":
            assert session.execute(text("SHOW random_page_cost")).scalar_one() == "1.1"


def _several_pieces(world: World) -> None:
    """Payments that are counted once, however many receipts came and were taken back, each way."""
    for way in KINDS:
        payment = world.owes(sast(3), 900)
        kept, gone = world.pays(payment, sast(3), 300, way), world.pays(payment, sast(4), 200, "cash")
        world.pays(payment, sast(4), 200, way)
        world.takes_back(gone, sast(5))
        assert kept.payment_id == payment.id


def test_only_sqlite_is_kept_from_an_index():
    column = ledger.unindexed(Payment.event_id)
    assert str(column.compile(dialect=sqlite.dialect())) == "+payments.event_id"
    assert str(column.compile(dialect=postgresql.dialect())) == "payments.event_id"


def _agree(session: Session, book: Ledger, basis: Basis, period: Period) -> None:
    taken, whose = book.taken(basis, period)
    given_back = book.given_back(basis, period)
    takings = make(session, "takings", basis, period)
    revenue = make(session, "revenue", basis, period)
    by_event = whole(takings, "By event and method", "Together")
    assert some(by_event) == some(taken) == some(whole(takings, "By who asked", "Together"))
    assert sum(whole(takings, "By event and method", "Payments").values()) == len(whose)
    if basis is not Basis.EVENT:
        assert some(whole(takings, "By day", "Together")) == some(taken)
    assert some(whole(revenue, "By event", "Gross")) == some(taken)
    assert some(whole(revenue, "By event", "Refunds")) == some(given_back)
    net = Sums(taken)
    net.subtract(given_back)
    assert some(whole(revenue, "By event", "Net")) == some(net)
    # the list of a figure is its payments; on the bases of payments it adds up to the very same
    listed: set[int] = set()
    for headline in takings.headline:
        found = [row.id for row in search.rows(session, ADMIN, headline.now.door)]
        assert len(found) == len(set(found))
        assert not listed & set(found)
        listed |= set(found)
        if basis in OF_PAYMENTS:
            sums = search.totals(session, ADMIN, headline.now.door).received
            assert sum(one.minor for one in sums.values()) == headline.now.value.minor
            assert len(sums) == 1
    assert listed == whose
    ways = {name: way for way, name in HEADS.items()}
    for table, place, row, cell in doors(takings):
        column = table.columns[place].name
        if table.columns[1].name == "Payments" and column == "Together":
            assert search.totals(session, ADMIN, cell.door).count == row[1].value, table.title
        if row is table.total and column in ways and table.title.startswith("By event"):
            there = {row.id for row in search.rows(session, ADMIN, cell.door)}
            _, ours = book.taken(basis, period, ways[column])
            currency = table.title[-3:]
            assert there == {one for one in ours if book.payments[one].amount_currency == currency}, column


def _rolls_forward(session: Session, book: Ledger, period: Period) -> None:
    """Each step, and in the end what payments that are still asked for want."""
    report = make(session, "open-items", period=period)
    for table in report.tables:
        for row in table.rows if not table.own_page else ():
            opening, *moved, closing = (cell.value.minor for cell in row[1:])
            assert opening + sum(moved) == closing
        if table.own_page:
            *steps, closing = (row[1].value.minor for row in table.rows)
            assert sum(steps) == closing
    billed: Sums[str] = Sums()
    for one in book.payments.values():
        if period.first <= dates.business_day(one.created_at) <= period.last:
            billed[one.amount_currency] += one.amount_minor
    assert some(whole(report, "Open items", "Billed")) == some(billed)
    paid = book.taken(Basis.CAPTURED, period)[0]
    assert {one: -n for one, n in some(whole(report, "Open items", "Paid")).items()} == some(paid)
    owed: Sums[str] = Sums()
    for one in book.payments.values():
        asked = 0 if one.status in CLOSED else one.amount_minor - one.written_off_minor
        owed[one.amount_currency] += asked - one.received_minor
    closing = whole(make(session, "open-items"), "Open items", "Closing")
    assert some(closing) == some(owed)


# -- each in exactly the right place ------------------------------------------------------------------

FEB, MARCH, APRIL = Period(date(2026, 2, 1), date(2026, 2, 28)), days(1, 31), days(1, 30, month=4)
MAY = days(1, 31, month=5)
C, P, T = Basis.CREATED, Basis.PAID, Basis.CAPTURED


def _last_of_a_day(world: World) -> None:
    world.pays(world.owes(sast(5, 9)), sast(5, 23, 59, 59, 999_000))


def _first_of_a_day(world: World) -> None:
    world.pays(world.owes(sast(5, 9)), sast(6, 0))


def _end_of_the_month(world: World) -> None:
    world.pays(world.owes(sast(28, 23, 59, 59, 999_999, month=2)), sast(1, 0))


def _refunded_after(world: World) -> None:
    payment = world.owes(sast(10))
    world.pays(payment, sast(10))
    world.refunds(payment, date(2026, 4, 2), 10_000)


def _refunded_in_vain(world: World) -> None:
    _refunded_after(world)
    world.sends_back(world.session.scalars(select(Payment)).one(), sast(4, month=5))


def _paid_late(world: World) -> None:
    payment = world.owes(sast(10, month=2))
    world.becomes(payment, Status.EXPIRED, sast(20, month=2))
    world.pays(payment, sast(10))


def _waived(world: World) -> None:
    world.becomes(world.owes(sast(10)), Status.WAIVED, sast(11))


def _claimed(world: World) -> None:
    world.becomes(world.owes(sast(10)), Status.CLAIMED, sast(11))


def _in_two_parts(world: World) -> None:
    payment = world.owes(sast(10, month=2))
    world.pays(payment, sast(27, month=2), 4_000, "cash")
    world.pays(payment, sast(2), 6_000, "eft")


def _taken_back(world: World) -> None:
    receipt = world.pays(world.owes(sast(20, month=2)), sast(20, month=2), kind="cash")
    world.takes_back(receipt, sast(3))


def _earlier(world: World) -> None:
    world.pays(world.owes(sast(10), origin="legacy"), sast(12), kind="eft")


def _earlier_unverified(world: World) -> None:
    world.becomes(world.owes(sast(10), origin="legacy"), Status.CLAIMED, sast(11))


@pytest.mark.parametrize(
    ("happened", "basis", "period", "gross", "back"),
    [
        pytest.param(_last_of_a_day, T, days(5), 10_000, 0, id="23:59:59.999 is that day"),
        pytest.param(_last_of_a_day, T, days(6), 0, 0, id="23:59:59.999 is not the next"),
        pytest.param(_first_of_a_day, T, days(5), 0, 0, id="midnight is not the day before"),
        pytest.param(_first_of_a_day, P, days(6), 10_000, 0, id="midnight is the day it begins"),
        pytest.param(_first_of_a_day, C, days(5), 10_000, 0, id="made the day before, paid at midnight"),
        pytest.param(_end_of_the_month, C, FEB, 10_000, 0, id="made in the last instant of a month"),
        pytest.param(_end_of_the_month, C, MARCH, 0, 0, id="made in the last instant, not in the next month"),
        pytest.param(
            _end_of_the_month, T, FEB, 0, 0, id="paid in the first instant, not in the month before"
        ),
        pytest.param(_end_of_the_month, T, MARCH, 10_000, 0, id="paid in the first instant of a month"),
        pytest.param(_refunded_after, T, MARCH, 10_000, 0, id="a refund is not in the month of its payment"),
        pytest.param(_refunded_after, T, APRIL, 0, 10_000, id="a refund is in its own month"),
        pytest.param(_refunded_after, P, MARCH, 10_000, 10_000, id="with its payment, where payments count"),
        pytest.param(_refunded_after, P, APRIL, 0, 0, id="and then not on its own day"),
        pytest.param(_refunded_in_vain, T, APRIL, 0, 10_000, id="a refund in vain stays in its month"),
        pytest.param(_refunded_in_vain, T, MAY, 0, -10_000, id="and is taken off in the month it came back"),
        pytest.param(_refunded_in_vain, P, MARCH, 10_000, 0, id="with its payment it comes to nothing"),
        pytest.param(_paid_late, T, MARCH, 10_000, 0, id="paid late counts when it came"),
        pytest.param(_paid_late, C, FEB, 10_000, 0, id="paid late belongs to when it was made"),
        pytest.param(_waived, C, MARCH, 0, 0, id="waived is never revenue"),
        pytest.param(_claimed, C, MARCH, 0, 0, id="claimed is no money"),
        pytest.param(_in_two_parts, T, FEB, 4_000, 0, id="the first part on its day"),
        pytest.param(_in_two_parts, T, MARCH, 6_000, 0, id="the second part on its own"),
        pytest.param(_in_two_parts, P, MARCH, 10_000, 0, id="paid in whole with the second"),
        pytest.param(_in_two_parts, P, FEB, 0, 0, id="and not with the first"),
        pytest.param(_taken_back, T, FEB, 10_000, 0, id="taken back later was here then"),
        pytest.param(_taken_back, T, MARCH, -10_000, 0, id="and is counted off when it was taken back"),
        pytest.param(_taken_back, C, FEB, 0, 0, id="nothing of it is here"),
        pytest.param(_earlier, T, MARCH, 10_000, 0, id="an approved record of before"),
        pytest.param(_earlier_unverified, C, MARCH, 0, 0, id="a record of before that nobody verified"),
    ],
)
def test_money_is_in_its_own_period(
    fresh: Callable[[], Sessions],
    now: datetime,
    happened: Callable[[World], None],
    basis: Basis,
    period: Period,
    gross: int,
    back: int,
):
    sessions = fresh()
    with sessions.begin() as session:
        happened(World(session, now))
    with sessions.read() as session:
        report = make(session, "revenue", basis, period)
        told = {one.name: one.now.value.minor for one in report.headline}
        assert (told.get("Gross in ZAR", 0), told.get("Refunds", 0)) == (gross, back)
        assert told.get("Net", 0) == gross - back


def test_what_is_open_is_rolled_forward_line_by_line(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        world = World(session, now)
        world.owes(sast(1, month=2), 5_000)  # still open
        for happened in (_refunded_after, _paid_late, _waived, _in_two_parts, _earlier):
            happened(world)
        payment = world.owes(sast(2), 700)
        world.becomes(payment, Status.CANCELLED, sast(3))
        world.becomes(payment, Status.OPEN, sast(4))
    with sessions.read() as session:
        table = make(session, "open-items", period=MARCH).tables[1]
        lines = {row[0].value: row[1].value.minor for row in table.rows}
        # Paid late, an expired payment is asked for again in the instant in which it is paid.
        assert lines == {
            "Opening": 11_000, "Billed": 30_700, "Paid by link": -20_000, "Paid by EFT": -16_000,
            "Waived": -10_000, "Expired": 10_000, "Closing": 5_700,
        }  # fmt: skip
        april = make(session, "open-items", period=APRIL).tables[0]
        assert [cell.value.minor for cell in april.total[1:]] == [5_700, 0, 0, 10_000, -10_000, 5_700]
        assert list(totals.let_go(session)) == []


def test_earlier_records_are_told_apart_and_count_once(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        world = World(session, now)
        _earlier(world)
        world.pays(world.owes(sast(12), 300), sast(12), kind="eft")
    with sessions.read() as session:
        takings = make(session, "takings", period=MARCH)
        heads = [column.name for column in takings.tables[0].columns]
        total = dict(zip(heads, takings.tables[0].total, strict=True))
        assert total["Earlier records"].value == Money(10_000)
        assert total["EFT"].value == Money(300)
        assert total["Together"].value == Money(10_300)
        for name in ("Earlier records", "EFT"):
            assert search.totals(session, ADMIN, total[name].door).count == 1
        registrations = make(session, "registrations", C, MARCH)
        assert [table.title for table in registrations.tables] == [
            "By event and category, ZAR", "Earlier records, ZAR",
        ]  # fmt: skip
        assert [table.total[2].value for table in registrations.tables] == [1, 1]


# -- who, what, when ----------------------------------------------------------------------------------


def test_how_far_payers_came_is_told_by_event_by_method_and_by_hour(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        world = World(session, now)
        for hour, event, stage, method in (
            (0, 0, "issued", None), (9, 0, "paid", "card"), (9, 0, "opened", "cash"),
            (9, 1, "paid", "gateway"), (23, 1, "attempted", None), (9, 1, "asked", "cash"),
        ):  # fmt: skip
            world.owes(sast(10, hour, 59), event=event, stage=stage, method=method)
        world.owes(sast(11, 9), stage="paid")
    with sessions.read() as session:
        report = make(session, "outcomes", Basis.CREATED, days(10))
        told = by_event, by_method, by_hour = [
            one for one in report.tables if one.title.startswith("How far")
        ]
        devconf, gala = world.events[0].name, world.events[1].name
        assert values(by_event) == [
            [devconf, 3, 2, 1, 1, 33_33], [gala, 2, 2, 2, 1, 50_00], ["Together", 5, 4, 3, 2, 40_00],
        ]  # fmt: skip
        assert values(by_hour)[:-1] == [
            ["00:00", 1, 0, 0, 0, 0], ["09:00", 3, 3, 2, 2, 66_67], ["23:00", 1, 1, 1, 0, 0],
        ]  # fmt: skip
        assert values(by_method)[:-1] == [
            ["Link, method not told yet", 1, 1, 1, 1, 100_00], ["Card link", 1, 1, 1, 1, 100_00],
            ["Cash", 1, 1, 0, 0, 0], ["No money yet", 2, 1, 1, 0, 0],
        ]  # fmt: skip
        for cell in (cell for table in told for row in table.rows for cell in row[1:-1]):
            assert bool(cell.value) == bool(cell.door)
            assert not cell.door or search.totals(session, ADMIN, cell.door).count == cell.value
        several = make(session, "outcomes", Basis.CREATED, days(10, 11)).tables
        [hours] = (one for one in several if "by the hour" in one.title)
        assert [cell.door for row in hours.rows for cell in row if cell.door] == []
        nothing = make(session, "outcomes", Basis.CREATED, days(12)).tables
        assert not [one.title for one in nothing if one.title.startswith("How far")]


def values(table: Table) -> list[list[Any]]:
    return [[cell.value for cell in row] for row in (*table.rows, table.total)]


def test_each_figure_of_every_report_opens_a_list_that_is_there(sessions: Sessions, now: datetime):
    """Counts are those of their lists; what is a sum of something has a list with something."""
    with sessions.begin() as session:
        world = World(session, now)
        live(world, Random(4))
        _refunded_after(world)
    opened = 0
    with sessions.read() as session:
        for kind, about in making.ABOUT.items():
            for basis in about.bases:
                event = "devconf" if kind in making.OF_ONE_EVENT else ""
                for table, place, _, cell in doors(make(session, kind, basis, event=event)):
                    there = search.totals(session, ADMIN, cell.door).count
                    opened += 1
                    if table.columns[place].holds is Holds.COUNT:
                        assert there == cell.value, f"{kind} {basis} {table.title}"
                    assert there or not cell.value, f"{kind} {basis} {table.title}"
    assert opened > 100


def test_somebody_of_one_event_reads_of_it_alone(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        world = World(session, now)
        for event in range(2):
            world.pays(world.owes(sast(5), 1_000 * (event + 1), event), sast(5))
        mine = world.events[1].id
    organiser = Person(9, "Aisha", "aisha@example.org", Role.ORGANISER, frozenset({mine}))
    with sessions.read() as session:
        for basis in making.ABOUT[making.Kind.TAKINGS].bases[:3]:
            report = make(session, "takings", basis, person=organiser)
            assert [one.now.value for one in report.headline] == [Money(2_000)]
        assert making.Kind.TRANSIT not in making.offered(organiser)
        with pytest.raises(NotAllowed):
            make(session, "transit", person=organiser)
        with pytest.raises(NotFound):
            make(session, "revenue", event="devconf", person=organiser)
        with pytest.raises(NotAllowed):
            make(session, "takings", person=Person(9, "V", "v@example.org", Role.VIEWER, None))


def test_a_basis_a_report_cannot_be_on_is_refused(sessions: Sessions):
    with sessions.read() as session, pytest.raises(InvalidInput, match="cannot be on the basis"):
        make(session, "outcomes", Basis.BANKED)


def test_the_same_report_is_the_same_to_the_bit_whenever_it_is_made(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        _in_two_parts(World(session, now))
    with sessions.read() as session:
        one, two = (make(session, "revenue", now=now + timedelta(days=n)) for n in (0, 1))
        other = make(session, "revenue", period=MARCH)
    assert (one.canonical, one.sha256) == (two.canonical, two.sha256)
    assert one.made_at != two.made_at
    assert other.sha256 != one.sha256
