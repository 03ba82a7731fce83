"""The live page: running totals that equal a count, and what needs a person."""

from collections import Counter as Sums
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from sqlalchemy import event as events
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from db.models import (
    Event,
    InboxEvent,
    LiveHour,
    OutboxMail,
    Payment,
    Receipt,
    Standing,
    Tally,
    TallyMonth,
    TimelineEntry,
    UnverifiedEvent,
)
from db.money import Money
from db.session import Sessions
from payments import holding, lifecycle
from payments.books import totals
from payments.dates import day_span
from payments.finding import search
from payments.keeping import upgrading
from payments.lifecycle import TRANSITIONS, Kind, Review, Source, Status
from payments.live import overview, tallies
from payments.live.overview import Attention
from tests.desk import ADMIN, make_event
from tests.samples import make_payment

BY = {"source": Source.DESK, "actor": "Thandi"}


def receive(session: Session, payment: Payment, minor: int, *, now: datetime, kind: str = "cash") -> None:
    nth = session.scalar(select(func.count()).select_from(Receipt))
    lifecycle.receive(
        session, payment, kind=kind, source_reference=f"slip-{nth}", amount=Money(minor), now=now, **BY
    )


def live(sessions: Sessions, now: datetime, scope: frozenset[int] | None = None) -> overview.Live:
    with sessions.read() as session:
        return overview.live(session, scope, now=now)


def version(sessions: Sessions) -> int:
    with sessions.read() as session:
        return overview.version(session)


# -- running totals ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_running_totals_equal_a_count_after_any_steps(sessions: Sessions, now: datetime, seed: int):
    dice = Random(seed)
    with sessions.begin() as session:
        events = [make_event(session, code, now=now).id for code in ("devconf", "gala")]
    for nth in range(25):
        moment = now + timedelta(minutes=17 * nth)
        with sessions.begin() as session:
            for _ in range(dice.randrange(1, 5)):
                _random_step(session, dice, events, moment)
    with sessions.read() as session:
        assert _standings(session) == _counted_standings(session)
        assert _tallies(session) == _counted_tallies(session)
        assert list(totals.hours(session)) == list(totals.months(session)) == []


@pytest.mark.parametrize("first, last", [
    pytest.param("2026-03-01", "2026-03-31", id="a month"),
    pytest.param("2026-03-05", "2026-03-20", id="within a month"),
    pytest.param("2026-02-11", "2026-05-01", id="months cut at both ends"),
    pytest.param("2026-02-27", "2026-03-31", id="cut at its start"),
    pytest.param("2026-02-01", "2026-04-17", id="cut at its end"),
    pytest.param("2026-02-28", "2026-03-01", id="a day on each side"),
    pytest.param("2025-12-01", "2026-01-31", id="before all of it"),
    pytest.param("2026-01-01", "2026-12-31", id="a year"),
])  # fmt: skip
def test_months_and_the_hours_of_those_that_are_cut_are_all_hours(sessions: Sessions, first: str, last: str):
    """Payments of four months, some in the hour before and after each midnight of a month's first day."""
    midnights = [day_span(date(2026, month, 1)).start for month in (2, 3, 4, 5)]
    moments = [midnight + timedelta(minutes=m) for midnight in midnights for m in (-30, 30, 12 * 1440 + 5)]
    with sessions.begin() as session:
        event = make_event(session, now=moments[0])
    for nth, moment in enumerate(moments):
        with sessions.begin() as session:
            make_payment(session, session.get_one(Event, event.id), now=moment, amount_minor=2**nth)
    span = day_span(date.fromisoformat(first), date.fromisoformat(last))
    sums = tallies.added_up(span.start, span.end).c
    with sessions.read() as session:
        read = select(sums.before, func.sum(sums.sum_minor)).group_by(sums.before)
        found = {before: int(minor) for before, minor in session.execute(read)}
    told = {
        1: sum(2**nth for nth, one in enumerate(moments) if one < span.start),
        0: sum(2**nth for nth, one in enumerate(moments) if span.start <= one < span.end),
    }
    assert found == {before: minor for before, minor in told.items() if minor}


def _random_step(session: Session, dice: Random, events: list[int], moment: datetime) -> None:
    payments = session.scalars(select(Payment).order_by(Payment.id)).all()
    if not payments or dice.random() < 0.4:
        event = session.get_one(Event, dice.choice(events))
        amount = dice.randrange(2, 90_000)
        payment = make_payment(session, event, now=moment, status=Status.CREATED, amount_minor=amount)
        lifecycle.note(session, payment, Kind.CREATED, now=moment, **BY)
        return
    payment = dice.choice(payments)
    status = Status(payment.status)
    if status in lifecycle.PENDING and dice.random() < 0.5:
        receive(session, payment, dice.choice((1, payment.amount_minor)), now=moment)
    else:
        unpaid = sorted(TRANSITIONS[status] - {Status.PAID, Status.PART_PAID})
        if unpaid:
            lifecycle.advance(session, payment, dice.choice(unpaid), now=moment, **BY)


def _standings(session: Session) -> dict:
    rows = session.scalars(select(Standing)).all()
    return {(row.event_id, row.status, row.currency): (row.count, row.sum_minor) for row in rows if row.count}


def _counted_standings(session: Session) -> dict:
    key = (Payment.event_id, Payment.status, Payment.amount_currency)
    rows = session.execute(select(*key, func.count(), func.sum(Payment.amount_minor)).group_by(*key))
    return {tuple(row[:3]): (row[3], int(row[4])) for row in rows}


def _tallies(session: Session) -> dict:
    rows = session.scalars(select(Tally)).all()
    told = {(r.hour, r.event_id, r.measure, r.key, r.currency): (r.count, r.sum_minor) for r in rows}
    return {key: sums for key, sums in told.items() if any(sums)}


def _counted_tallies(session: Session) -> dict:
    """From the timeline and the receipts, one by one."""
    counts: Sums = Sums()
    sums: Sums = Sums()
    told = (
        select(TimelineEntry, Payment)
        .join(Payment)
        .where(TimelineEntry.kind.in_((Kind.CREATED, Kind.STATUS)))
    )
    for entry, payment in session.execute(told):
        status = entry.detail.get("became", "created")
        key = (tallies.hour_of(entry.at), payment.event_id, "status", status, payment.amount_currency)
        counts[key] += 1
        sums[key] += payment.amount_minor
        for end, sign in (("was", -1), ("became", 1)):
            if (one := entry.detail.get(end)) in ("expired", "cancelled", "waived"):
                key = (tallies.hour_of(entry.at), payment.event_id, "let_go", one, payment.amount_currency)
                counts[key] += sign
                sums[key] += sign * payment.amount_minor
    for receipt in session.scalars(select(Receipt)):
        hour = tallies.hour_of(receipt.received_at)
        key = (hour, receipt.payment.event_id, "taken", receipt.kind, receipt.amount_currency)
        counts[key] += 1
        sums[key] += receipt.amount_minor
    return {key: (counts[key], sums[key]) for key in counts if counts[key] or sums[key]}


def test_the_version_rises_once_for_each_transaction(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        event = make_event(session, now=now)
        for _ in range(5):
            make_payment(session, event, now=now)
    assert version(sessions) == 1
    with sessions.begin() as session:
        tallies.bump(session)
        tallies.bump(session)
    assert version(sessions) == 2


def test_a_transaction_taken_back_leaves_no_trace_in_the_totals(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        event = make_event(session, now=now)
        make_payment(session, event, now=now)
    before = live(sessions, now)
    session = Session(sessions.engine)
    lifecycle.advance(session, session.scalars(select(Payment)).one(), Status.EXPIRED, now=now, **BY)
    session.rollback()
    session.commit()
    session.close()
    assert live(sessions, now) == before
    with sessions.begin() as session:
        lifecycle.advance(session, session.scalars(select(Payment)).one(), Status.EXPIRED, now=now, **BY)
    assert live(sessions, now).by_status[Status.EXPIRED].count == 1


def test_opposite_moves_at_the_same_moment_wait_for_each_other_and_not_for_ever(
    sessions: Sessions, now: datetime
):
    with sessions.begin() as session:
        event = make_event(session, now=now)
        up = [make_payment(session, event, now=now, status=Status.OPEN).id for _ in range(15)]
        down = [make_payment(session, event, now=now, status=Status.FAILED).id for _ in range(15)]

    def move(ids: list[int], to: Status) -> None:
        for payment_id in ids:
            with sessions.begin() as session:
                lifecycle.advance(session, holding.payment(session, payment_id), to, now=now, **BY)

    with ThreadPoolExecutor() as pool:
        for moved in [pool.submit(move, up, Status.FAILED), pool.submit(move, down, Status.OPEN)]:
            moved.result()
    with sessions.read() as session:
        assert _standings(session) == _counted_standings(session)
        assert overview.version(session) == 31


def test_what_an_earlier_release_did_not_keep_is_added_up_by_the_next_upgrade(
    sessions: Sessions, now: datetime, monkeypatch: pytest.MonkeyPatch
):
    """It was put in this one's place for a while, and knew hours only."""
    with sessions.begin() as session:
        event = make_event(session, now=now)
        make_payment(session, event, now=now)
    assert upgrading.upgrade(sessions).months == 0
    with monkeypatch.context() as patch, sessions.begin() as session:
        patch.setattr(tallies, "_by_month", lambda _: {})
        make_payment(session, session.get_one(Event, event.id), now=now + timedelta(days=70))
        session.commit()
    with sessions.read() as session:
        kept = list(session.scalars(select(TallyMonth.month).distinct()))
        assert len(list(totals.months(session))) == 1
    assert upgrading.upgrade(sessions).months == 1
    with sessions.read() as session:
        assert list(totals.months(session)) == []
        assert len(set(session.scalars(select(TallyMonth.month)))) == len(kept) + 1
    assert upgrading.upgrade(sessions).months == 0


def test_what_is_kept_of_all_events_together_is_added_up_by_the_next_upgrade(
    sessions: Sessions, now: datetime
):
    """A release that did not know of it was put in this one's place for a while."""
    with sessions.begin() as session:
        event = make_event(session, now=now)
        receive(session, make_payment(session, event, now=now - timedelta(days=70)), 100, now=now)
        make_payment(session, event, now=now)
    for damage in ("DELETE FROM live_hours", "UPDATE live_hours SET count = count + 1", "SELECT 1"):
        with sessions.begin() as session:
            session.execute(text(damage))
        upgrading.upgrade(sessions)
        with sessions.read() as session:
            assert list(totals.together(session)) == []


def test_a_payment_of_long_ago_that_was_paid_meanwhile_is_added_up_too(
    sessions: Sessions, now: datetime, monkeypatch: pytest.MonkeyPatch
):
    """It moves the hour in which it was made, however long ago that is."""
    with sessions.begin() as session:
        event = make_event(session, now=now)
        old = make_payment(session, event, now=now - timedelta(days=70)).id
        make_payment(session, event, now=now)
    write = tallies._upsert
    with monkeypatch.context() as patch, sessions.begin() as session:
        patch.setattr(tallies, "_upsert", lambda *told: None if told[1] is LiveHour else write(*told))
        receive(session, session.get_one(Payment, old), 100, now=now)
        session.commit()
    with sessions.read() as session:
        assert any(", made, " in one for one in totals.together(session))
    upgrading.upgrade(sessions)
    with sessions.read() as session:
        assert list(totals.together(session)) == []


def test_who_sees_all_events_is_shown_what_who_is_here_for_each_by_name_is(sessions: Sessions, now: datetime):
    """The first is read as it is kept of all together, and touches no row of one event."""
    with sessions.begin() as session:
        for code in ("devconf", "gala"):
            event = make_event(session, code, now=now)
            for nth, status in enumerate((Status.OPEN, Status.FAILED, Status.OPEN)):
                payment = make_payment(session, event, now=now, status=status, amount_minor=100 + nth)
                if nth == 2:
                    receive(session, payment, 102, now=now, kind="cash")
        ids = frozenset(session.scalars(select(Event.id)))
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        asked.append(statement)

    with sessions.read() as session:
        by_name = overview.live(session, ids, now=now)
        events.listen(session.get_bind(), "before_cursor_execute", note)
        all_of_them = overview.live(session, None, now=now)
        events.remove(session.get_bind(), "before_cursor_execute", note)
        assert (all_of_them.takings.today.count, all_of_them.made.all.count) == (2, 6)
        assert (all_of_them.takings, all_of_them.made) == (by_name.takings, by_name.made)
        assert not any("made_hours" in one or "paid_hours" in one for one in asked)
        assert list(totals.together(session)) == []


# -- today and yesterday ----------------------------------------------------------------------------

#: Moments of two days in Johannesburg, which is two hours ahead.
NOON = datetime(2026, 11, 23, 10, 20, tzinfo=UTC)


def takings(sessions: Sessions, *when: tuple[datetime, int, str]) -> None:
    with sessions.begin() as session:
        event = make_event(session, now=NOON)
        for moment, minor, kind in when:
            payment = make_payment(session, event, now=moment, amount_minor=minor)
            receive(session, payment, minor, now=moment, kind=kind)


def test_today_starts_at_midnight_in_johannesburg(sessions: Sessions):
    midnight = datetime(2026, 11, 22, 22, 0, tzinfo=UTC)
    takings(sessions, (midnight, 100, "cash"), (midnight - timedelta(seconds=1), 7, "cash"))
    today = live(sessions, NOON).takings
    assert today.today.rand == Money(100)
    assert today.before.rand == Money(0)
    assert today.per_hour[0].today.rand == Money(100)
    assert today.per_hour[23].before.rand == Money(7)
    assert len(today.per_hour) == 24


def test_yesterday_is_counted_up_to_the_end_of_this_hour(sessions: Sessions):
    hour = timedelta(hours=1)
    yesterday = NOON - timedelta(days=1)
    takings(sessions, (yesterday, 100, "cash"), (yesterday + hour, 20, "cash"), (yesterday - hour, 3, "eft"))
    today = live(sessions, NOON).takings
    assert today.until == datetime(2026, 11, 22, 11, 0, tzinfo=UTC)
    assert (today.before.count, today.before.rand) == (2, Money(103))
    assert sum((hour.before.rand for hour in today.per_hour), Money(0)) == Money(123)
    assert today.today.count == 0


def test_takings_are_told_by_method_the_most_money_first(sessions: Sessions):
    yesterday = NOON - timedelta(days=1)
    takings(
        sessions, (NOON, 100, "cash"), (NOON, 250, "gateway"), (NOON, 50, "gateway"), (yesterday, 9, "eft")
    )
    told = [
        (method, figure.count, figure.rand.minor) for method, figure in live(sessions, NOON).takings.by_method
    ]
    assert told == [("gateway", 2, 300), ("cash", 1, 100)]


def test_money_of_another_currency_is_told_beside_and_never_added(sessions: Sessions):
    takings(sessions, (NOON, 100, "cash"))
    with sessions.begin() as session:
        event = make_event(session, "expo", now=NOON)
        payment = make_payment(session, event, now=NOON, amount_currency="USD", amount_minor=777)
        dollars = Money(777, "USD")
        lifecycle.receive(
            session, payment, kind="eft", source_reference="wire", amount=dollars, now=NOON, **BY
        )
    picture = live(sessions, NOON)
    assert picture.takings.today.sums == {"ZAR": Money(100), "USD": dollars}
    assert picture.by_status[Status.PAID].sums == {"ZAR": Money(100), "USD": dollars}


def test_a_person_of_one_event_sees_numbers_of_that_event_only(sessions: Sessions):
    takings(sessions, (NOON, 100, "cash"))
    with sessions.begin() as session:
        gala = make_event(session, "gala", now=NOON)
        payment = make_payment(session, gala, now=NOON, amount_minor=5)
        receive(session, payment, 5, now=NOON)
        make_payment(session, gala, now=NOON, review=Review.OVERPAID)
        scope = frozenset({gala.id})
    picture = live(sessions, NOON, scope)
    assert picture.takings.today.rand == Money(5)
    assert {row.event_code for row in picture.newest} == {"gala"}
    assert sum(figure.count for figure in picture.by_status.values()) == 2
    nothing = live(sessions, NOON, frozenset())
    assert (nothing.newest, nothing.attention) == ((), ())
    assert sum(figure.count for figure in nothing.figures()) == 0


def test_a_picture_takes_few_questions(sessions: Sessions):
    """Each is a way to the database and back: on PostgreSQL that is most of what a question takes."""
    with sessions.begin() as session:
        receive(session, make_payment(session, make_event(session, now=NOON), now=NOON), 5, now=NOON)
    asked: list[str] = []

    def keep(_connection: object, _cursor: object, statement: str, *_told: object) -> None:
        asked.extend([statement] if statement.startswith("SELECT") else [])

    events.listen(sessions.engine, "before_cursor_execute", keep)
    live(sessions, NOON)
    events.remove(sessions.engine, "before_cursor_execute", keep)
    assert len(asked) == 7


def test_every_status_is_there_even_when_no_payment_has_it(sessions: Sessions):
    assert list(live(sessions, NOON).by_status) == list(Status)


# -- what needs a person ----------------------------------------------------------------------------

Make = Callable[[Session, Event], object]


def _event(**values: object) -> Make:
    kept = {
        "gateway": "ikhokha",
        "digest": b"d" * 32,
        "path": "/",
        "headers": {},
        "body": b"{}",
        "last_seen_at": NOON,
    }
    return lambda session, event: session.add(InboxEvent(**kept | values))


def _link(minutes: int, **values: object) -> Make:
    def make(session: Session, event: Event) -> None:
        payment = make_payment(session, event, now=NOON - timedelta(minutes=minutes), link="gw1")
        for name, value in values.items():
            setattr(payment.links[0], name, value)

    return make


def _mail(state: str) -> Make:
    def make(session: Session, event: Event) -> None:
        payment = make_payment(session, event, now=NOON)
        session.add(
            OutboxMail(
                key="k",
                payment_id=payment.id,
                recipient="a@example.org",
                subject="s",
                body="b",
                message_id="m",
                state=state,
                created_at=NOON,
            )
        )

    return make


def _unverified(minutes: int) -> Make:
    moment = NOON - timedelta(minutes=minutes)
    return lambda session, event: session.add(
        UnverifiedEvent(
            gateway="ikhokha",
            digest=b"u" * 32,
            received_at=moment,
            last_seen_at=moment,
            path="/",
            headers={},
            body=b"",
            reason="no signature",
            address="203.0.113.7",
        )
    )


OLD, FRESH = NOON - timedelta(minutes=6), NOON - timedelta(minutes=4)
ASLEEP = {"next_ask_at": None}


@pytest.mark.parametrize(
    "make, kind",
    [
        pytest.param(
            lambda session, event: lifecycle.flag(
                session, make_payment(session, event, now=NOON), Review.OVERPAID, now=NOON, **BY
            ),
            Attention.REVIEW,
            id="a flagged payment",
        ),
        pytest.param(
            _link(6, state="asked", **ASLEEP), Attention.OUTCOME_UNKNOWN, id="no answer for 6 minutes"
        ),
        pytest.param(_link(4, state="asked", **ASLEEP), None, id="no answer for 4 minutes"),
        pytest.param(
            _link(0, next_ask_at=NOON - timedelta(minutes=16)), Attention.UNASKED_LINKS, id="asked late"
        ),
        pytest.param(_link(0, next_ask_at=NOON - timedelta(minutes=14)), None, id="asked soon"),
        pytest.param(_link(600, **ASLEEP), None, id="a link known as paid"),
        pytest.param(
            _event(received_at=OLD), Attention.UNHANDLED_EVENTS, id="an event waiting for 6 minutes"
        ),
        pytest.param(_event(received_at=FRESH), None, id="an event waiting for 4 minutes"),
        pytest.param(_event(received_at=OLD, handled_at=NOON), None, id="an event acted on"),
        pytest.param(
            _event(received_at=FRESH, effect="unmatched"), Attention.UNMATCHED_EVENTS, id="unmatched"
        ),
        pytest.param(
            _event(received_at=FRESH, effect="unreadable"), Attention.UNREADABLE_EVENTS, id="unreadable"
        ),
        pytest.param(_unverified(10), Attention.UNVERIFIED_EVENTS, id="an unverified event today"),
        pytest.param(_unverified(60 * 13), None, id="an unverified event yesterday"),
        pytest.param(_mail("failed"), Attention.FAILED_MAIL, id="a mail given up"),
        pytest.param(_mail("queued"), None, id="a mail on its way"),
    ],
)
def test_what_needs_a_person_is_told_with_its_number(sessions: Sessions, make: Make, kind: Attention | None):
    with sessions.begin() as session:
        make(session, make_event(session, now=NOON))
    told = live(sessions, NOON).attention
    assert [(item.kind, item.count) for item in told] == ([(kind, 1)] if kind else [])
    untold = {Attention.UNASKED_LINKS, Attention.UNVERIFIED_EVENTS}  # no page lists just those
    for item in told:
        assert item.sentence.endswith((".", "?"))
        assert ("1" in item.sentence) == (item.kind not in untold)


def test_the_filter_of_an_item_lists_the_payments_it_counts(sessions: Sessions):
    with sessions.begin() as session:
        event = make_event(session, now=NOON)
        make_payment(session, event, now=NOON)
        _link(6, state="asked", **ASLEEP)(session, event)
        make_payment(session, event, now=NOON, link="gw2").links[0].state = "asked"  # just now
        _mail("failed")(session, event)
    with sessions.read() as session:
        items = overview.live(session, None, now=NOON).attention
        assert [item.count for item in items] == [2, 1]
        for item in items:
            assert item.filter is not None
            assert search.totals(session, ADMIN, item.filter).count == item.count


def test_messages_that_belong_to_no_event_are_told_to_who_sees_all(sessions: Sessions):
    with sessions.begin() as session:
        event = make_event(session, now=NOON)
        _event(received_at=OLD)(session, event)
        _unverified(10)(session, event)
        scope = frozenset({event.id})
    assert live(sessions, NOON, scope).attention == ()
    assert len(live(sessions, NOON).attention) == 2


def test_everything_that_can_need_a_person_has_its_sentences():
    assert set(overview.TOLD) | set(overview._REASONS) == set(Attention)
    assert set(overview._WHY) == {reason for reasons in overview._REASONS.values() for reason in reasons}
