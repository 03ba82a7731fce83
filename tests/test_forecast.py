"""The forecast: what is open is what its list shows, nothing is told where too little is known, and what an
earlier forecast said stands beside what came."""

import csv
import io
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import openpyxl
import pytest
from sqlalchemy import delete, func, select

from db.models import Event, Payment, Receipt, TallyMonth
from db.money import Money
from db.session import Sessions
from payments import patience
from payments.access.people import Person, Role
from payments.finding import as_of, search
from payments.lifecycle import PENDING
from payments.live import tallies
from payments.reports import files, making, pdf
from payments.reports import waiting as known_waiting
from payments.reports.forecast import ENOUGH
from payments.reports.period import Basis, Period
from payments.reports.report import Asked, Kind, Report, Table
from simulator import waiting
from tests.desk import ADMIN, make_event
from tests.ledger_world import fresh
from tests.samples import make_payment
from tests.test_pages import all_html, desk
from tests.waiting_desk import fill

__all__ = ["desk", "fresh"]
NOW = datetime(2026, 11, 23, 10, tzinfo=UTC)  # a Monday
NOVEMBER = Period(date(2026, 11, 1), date(2026, 11, 30))
#: A season, a day of it, and the smallest of its events that were on sale by then.
SEED, DAY, EVENTS = 5, 360, 7


def filled(sessions: Sessions) -> None:
    season = waiting.play(SEED)
    on_sale = [fair for fair in season.fairs if fair.opens < DAY]
    small = sorted(on_sale, key=lambda fair: fair.size)[:EVENTS]
    with sessions.begin() as session:
        fill(session, season, today=DAY, now=NOW, fairs=[fair.number for fair in small])


@pytest.fixture(scope="module")
def waited(fresh: Callable[[], Sessions]) -> Sessions:
    """One such desk, for those who only read."""
    sessions = fresh()
    filled(sessions)
    return sessions


def forecast(
    sessions: Sessions,
    *,
    person: Person = ADMIN,
    event: str = "",
    period: Period = NOVEMBER,
    now: datetime = NOW,
    moment: datetime | None = None,
) -> Report:
    asked = Asked(Kind.FORECAST, Basis.CAPTURED, period, event, moment)
    with as_of.read(sessions, moment, now=now) as session:
        return making.make(session, person, asked, demo=True, now=now)


def table(report: Report, title: str) -> Table:
    [found] = [one for one in report.tables if one.title.startswith(title)]
    return found


def sums(report: Report, title: str, column: str) -> list[Money]:
    """A column of a table, its total last."""
    found = table(report, title)
    [place] = [nth for nth, one in enumerate(found.columns) if one.name.startswith(column)]
    rows = (*found.rows, *([found.total] if found.total else []))
    return [one for row in rows if isinstance(one := row[place].value, Money)]


def test_what_is_open_is_what_its_list_shows_and_adds_up(sessions: Sessions):
    filled(sessions)
    report = forecast(sessions)
    [open_] = [one for one in report.headline if one.name == "Open now, ZAR"]
    for title in ("By event", "By how it was asked for"):
        *parts, together = sums(report, title, "Open")
        assert sum(one.minor for one in parts) == together.minor == open_.now.value.minor
        *parts, together = sums(report, title, "Expected")
        assert abs(sum(one.minor for one in parts) - together.minor) <= 100 * len(parts)  # whole rands
    with sessions.read() as session:
        for cell in (open_.now, *(row[2] for row in table(report, "By event").rows)):
            assert cell.door is not None
            totals = search.totals(session, ADMIN, cell.door)
            assert totals.sums["ZAR"] == cell.value
        pending = Payment.status.in_([str(one) for one in PENDING])
        assert open_.now.value.minor == sum(session.scalars(select(Payment.amount_minor).where(pending)))


def test_what_is_expected_lies_within_its_band_and_grows_with_the_days(waited: Sessions):
    report = forecast(waited)
    expected, low, high = (
        [one.minor for one in sums(report, "Expected of what is open", name)]
        for name in ("Expected", "From", "To")
    )
    days = [row[1].value for row in table(report, "Expected of what is open").rows]
    named = [row[0].value for row in table(report, "Expected of what is open").rows]
    assert days == sorted(days)
    assert dict(zip(named, days, strict=True)) == {
        "Friday": date(2026, 11, 27), "The last day that is asked for": date(2026, 11, 30),
        "14 days from today": date(2026, 12, 7), "30 days from today": date(2026, 12, 23),
    }  # fmt: skip
    assert expected == sorted(expected)
    open_ = sums(report, "By event", "Open")[-1].minor
    assert all(0 <= a <= b <= c <= open_ for a, b, c in zip(low, expected, high, strict=True))
    assert expected[-1] > 0
    by_november = expected[named.index("The last day that is asked for")]
    assert by_november == sums(report, "By event", "Expected")[-1].minor == report.headline[1].now.value.minor


def test_no_sum_is_told_where_too_few_have_ended(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        event = make_event(session, now=now)
        for nth in range(ENOUGH + 20):
            made = now - timedelta(days=20)
            took = timedelta(hours=2) if nth < 12 else timedelta(minutes=2)  # at the till: nobody waited
            make_payment(session, event, now=made, status="paid", received_minor=15_000, paid_at=made + took)
        make_payment(session, event, now=made)
    report = forecast(sessions)
    expected = [one.now.value for one in report.headline if one.name.startswith("Expected")]
    assert expected == [f"Not enough ended payments yet (12 of {ENOUGH})"]
    assert [one.title for one in report.tables] == ["By event, ZAR", "What it is learned from"]
    assert [column.name for column in report.tables[0].columns] == ["Event", "Payments", "Open"]
    assert any("12 of 50" in note for note in report.notes)


def test_where_nothing_is_open_there_is_nothing_to_say(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        make_event(session, now=now)
    report = forecast(sessions)
    assert (report.headline, report.tables) == ((), ())


def test_as_of_a_moment_it_says_what_it_said_then(sessions: Sessions):
    filled(sessions)
    later = NOW + timedelta(days=9)
    said = forecast(sessions)
    with sessions.begin() as session:
        for payment in session.scalars(select(Payment).where(Payment.status == "open").limit(4)):
            payment.status, payment.paid_at, payment.received_minor = "paid", later, payment.amount_minor
            session.add(
                Receipt(
                    payment_id=payment.id, kind="eft", source_reference=f"late{payment.id}",
                    amount=payment.amount, received_at=later, recorded_by="Thandi",
                )
            )  # fmt: skip
    again = forecast(sessions, now=later + timedelta(days=1), moment=NOW)
    assert again.canonical == said.canonical
    assert files.as_csv(said) == files.as_csv(said)
    assert forecast(sessions, now=later + timedelta(days=1)).canonical != said.canonical


def test_what_an_earlier_forecast_said_stands_beside_what_came(waited: Sessions):
    report = forecast(waited)
    earlier = table(report, "What an earlier forecast said")
    assert [row[0].value for row in earlier.rows] == ["A week ago", "Four weeks ago"]
    for row, ago in zip(earlier.rows, (7, 28), strict=True):
        then = NOW - timedelta(days=ago)
        _, open_, mean, low, high, came, within = (cell.value for cell in row)
        with waited.read() as session:
            waits = select(Payment.id).where(
                Payment.created_at <= then, (Payment.paid_at.is_(None)) | (Payment.paid_at > then)
            )
            receipts = select(Receipt.amount_minor).where(
                Receipt.received_at > then, Receipt.payment_id.in_(waits)
            )
            assert came.minor == sum(session.scalars(receipts))
        as_it_was = forecast(waited, moment=then, period=Period(date(2026, 11, 1), NOW.date()))
        assert open_ == as_it_was.headline[0].now.value
        assert low.minor <= mean.minor <= high.minor
        assert within == ("yes" if low.minor <= came.minor <= high.minor else "no")


def test_old_ones_that_stand_together_are_told_as_one_by_one(sessions: Sessions, monkeypatch):
    """Six that ask for one of two sums for two hundred days, of an event that is still to come."""
    filled(sessions)
    with sessions.begin() as session:
        event = session.scalars(select(Event).order_by(Event.starts_on.desc()).limit(1)).one()
        for nth in range(6):
            make_payment(
                session,
                event,
                now=NOW - timedelta(days=200, minutes=nth),
                amount_minor=(nth % 2 + 1) * 45_000,
            )
    moments = [NOW - timedelta(days=ago) for ago in (7, 28)]
    with sessions.read() as session:
        known = known_waiting.read(session, None, None, now=NOW, moments=moments)
    assert known.many.max() == 3
    together = forecast(sessions)
    monkeypatch.setattr(patience, "OLD", 10_000.0)
    with sessions.read() as session:
        assert known_waiting.read(session, None, None, now=NOW, moments=moments).many.max() == 1
    assert forecast(sessions).canonical == together.canonical


def test_of_very_many_it_learns_of_every_so_manieth_whatever_became_of_it(sessions: Sessions, monkeypatch):
    """What is open is counted in full; a third tells much the same as all."""
    filled(sessions)
    whole = forecast(sessions)
    with sessions.begin() as session:
        made = session.scalar(select(func.count()).select_from(Payment)) or 0
        session.execute(delete(TallyMonth))
        event_id = session.scalars(select(Event.id).limit(1)).one()
        month = tallies.month_of(NOW)
        session.add(
            TallyMonth(
                month=month, event_id=event_id, measure="status", key="created", currency="ZAR", count=made,
                sum_minor=0,
            )
        )  # fmt: skip
    monkeypatch.setattr(known_waiting, "_MOST", made // 3)
    some = forecast(sessions)
    assert some.headline[0].now.value == whole.headline[0].now.value
    ended, of_all = (one.tables[-1].total for one in (some, whole))
    assert 0.28 < ended[1].value / of_all[1].value < 0.38  # ended
    assert abs(ended[2].value / ended[1].value - of_all[2].value / of_all[1].value) < 0.05  # and paid
    expected, of_whole = (sums(one, "By event", "Expected")[-1].minor for one in (some, whole))
    assert abs(expected - of_whole) < 0.15 * whole.headline[0].now.value.minor


def test_somebody_of_one_event_sees_and_learns_of_it_alone(waited: Sessions):
    with waited.read() as session:
        pending = select(Payment.event_id).where(Payment.status == "open")
        mine = session.scalars(select(Event).where(Event.id.in_(pending)).limit(1)).one()
        asked = select(Payment.amount_minor).where(Payment.status == "open", Payment.event_id == mine.id)
        open_ = sum(session.scalars(asked))
        ended = select(Payment.id).where(Payment.status != "open", Payment.event_id == mine.id)
        ended_count = len(session.scalars(ended).all())
    organiser = Person(9, "Aisha", "aisha@example.org", Role.ORGANISER, frozenset({mine.id}))
    report = forecast(waited, person=organiser)
    assert report.headline[0].now.value == Money(open_)
    learned = report.tables[-1]
    assert learned.total[1].value == ended_count
    assert forecast(waited, event=mine.code).tables[-1].total[1].value > ended_count  # the desk knows more


def test_days_that_are_over_and_days_too_far_are_said_to_be(waited: Sessions):
    past = forecast(waited, period=Period(date(2026, 10, 1), date(2026, 10, 31)))
    assert "Fri 27 Nov 2026" in past.headline[1].name
    assert any("are over" in note for note in past.notes)
    far = forecast(waited, period=Period(date(2026, 11, 1), date(2027, 6, 30)))
    assert "22 Jan 2027" in far.headline[1].name
    assert any("60 days ahead at most" in note for note in far.notes)


def test_its_files_hold_what_it_says(waited: Sessions):
    report = forecast(waited)
    rows = list(csv.reader(io.StringIO(files.as_csv(report).decode("utf-8-sig"))))
    assert ["Expected of what is open now, ZAR"] in rows
    book = openpyxl.load_workbook(io.BytesIO(files.as_xlsx(report)))
    for sheet, one in zip(book.worksheets[1:], report.tables, strict=True):
        for cells, row in zip(sheet.iter_rows(min_row=2), one.rows, strict=False):
            for cell, ours in zip(cells, row, strict=True):
                if isinstance(ours.value, Money):
                    assert Decimal(str(cell.value)).quantize(Decimal("0.01")) == Decimal(ours.value.decimal)
    assert pdf.render(report, "DEMO_RPT_2345672", "Thandi") == pdf.render(
        report, "DEMO_RPT_2345672", "Thandi"
    )
    assert json.loads(report.canonical)["report"] == "forecast"


def test_the_page_shows_the_band_and_says_where_there_is_none(desk):
    desk.sign_in(Role.FINANCE)
    at = desk.open("pages/finance/reports.py", report="forecast", period="this-month")
    assert not at.exception
    assert any(
        "Nothing of this kind" in one for one in (all_html(at), *(str(el.value) for el in at.markdown))
    )
    filled(desk.sessions)
    at = desk.open("pages/finance/reports.py", report="forecast", period="this-month")
    assert not at.exception
    shown = all_html(at)
    assert 'class="pd-fan" role="img"' in shown
    assert "clip-path:polygon(" in shown
    assert "What an earlier forecast said of today, ZAR" in shown
    assert "/payments?" in shown
