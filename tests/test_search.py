"""Finding payments: any identifier, and exact totals."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, select, text
from sqlalchemy.orm import Session

from db.models import Event, InboxEvent, Link, OutboxMail, Payment
from db.money import CURRENCIES, Money
from db.session import Sessions, open_engine
from payments.dates import Span
from payments.errors import InvalidInput, OutcomeUnknown
from payments.finding import conditions, found, search, search_text
from payments.finding.search import Filter, PaymentRow, Totals
from payments.hearing import sync
from payments.lifecycle import Method, Status
from payments.references import is_reference, readings, spoken, with_check
from tests.desk import ADMIN, FakeGateway, issue, make_event
from tests.samples import make_many, make_payment

#: A database is made once for many examples: they only read.
READS = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
KNOWN = with_check("REG", "7K2MPQ", demo=True)


@pytest.fixture(scope="module")
def of_a_crowd(new_shared_database: Callable[[bool], str], now: datetime) -> Iterator[Sessions]:
    engine = open_engine(new_shared_database(True))
    with Sessions(engine).begin() as session:
        events = [make_event(session, code, now=now) for code in ("devconf", "gala", "expo")]
        events[2].currency = "USD"
        make_many(session, events, now=now, count=200)
    yield Sessions(engine)
    engine.dispose()


@pytest.fixture
def crowd(of_a_crowd: Sessions) -> Iterator[Session]:
    """Two hundred payments of three events, one of them in dollars, open to be read."""
    with of_a_crowd.read() as session:
        yield session


@pytest.fixture(scope="module")
def of_one_known(new_shared_database: Callable[[bool], str], now: datetime) -> Iterator[Sessions]:
    engine = open_engine(new_shared_database(True))
    with Sessions(engine).begin() as session:
        devconf, gala = (make_event(session, code, now=now) for code in ("devconf", "gala"))
        make_payment(
            session,
            devconf,
            now=now,
            link="Lk9QwErTy77",
            reference=KNOWN,
            amount_minor=150_000,
            payer_name="Thandéka Ngcobo-Müller",
            payer_email="thandeka.n@example.org",
            payer_phone="+27821234567",
            note="table 100% by the window_seat",
        )
        make_payment(session, gala, now=now, link="xx11", amount_minor=99_900, payer_name="Ravi Naidoo")
        make_payment(
            session, gala, now=now, amount_minor=500, payer_name="Pieter Botha", note="100 by the windowXseat"
        )
    yield Sessions(engine)
    engine.dispose()


@pytest.fixture
def known(of_one_known: Sessions) -> Iterator[Session]:
    """One payment that everything is known of, among others that share none of it."""
    with of_one_known.read() as session:
        yield session


@pytest.mark.parametrize(
    "query",
    [
        pytest.param(KNOWN, id="the reference"),
        pytest.param(KNOWN.lower(), id="the reference in lower case"),
        pytest.param(spoken(KNOWN), id="the reference without separators"),
        pytest.param(" ".join(spoken(KNOWN)), id="the reference letter by letter"),
        pytest.param(KNOWN.replace("_", "-"), id="the reference with dashes"),
        pytest.param(KNOWN.removeprefix("DEMO_"), id="the reference without its mode"),
        pytest.param(f"{KNOWN}-2", id="the reference of another link of it"),
        pytest.param("7k2mpq", id="a fragment of the reference"),
        pytest.param("reg_7k2", id="a fragment across the separator"),
        pytest.param("reg 7k2", id="a fragment with a space"),
        pytest.param("Lk9QwErTy77", id="the gateway's reference"),
        pytest.param("lk9qwerty", id="a part of the gateway's reference"),
        pytest.param("thandeka", id="a name without its accent"),
        pytest.param("THANDÉKA", id="a name with it, in capitals"),
        pytest.param("muller", id="a part of a name without its umlaut"),
        pytest.param("ngcobo thandeka", id="two words in any order"),
        pytest.param("deka.n@exam", id="a part of the e-mail address"),
        pytest.param("+27821234567", id="the phone number"),
        pytest.param("082 123 4567", id="the phone number as said here"),
        pytest.param("(082) 123-4567", id="the phone number with brackets"),
        pytest.param("0027 82 123 4567", id="the phone number with 00"),
        pytest.param("+27 (0)82 123 4567", id="the phone number with (0)"),
        pytest.param("4567", id="the last four digits"),
        pytest.param("R1 500", id="the amount with R and space"),
        pytest.param("1500.00", id="the amount with cents"),
        pytest.param("1,500", id="the amount with a comma"),
        pytest.param("1500", id="the amount"),
        pytest.param("devconf", id="the event's code"),
        pytest.param("DevConf 2026 thandeka", id="the event's name and the payer's"),
        pytest.param("100%", id="a per cent sign is a per cent sign"),
        pytest.param("window_seat", id="an underscore is an underscore"),
    ],
)
def test_a_payment_is_found_by_whatever_is_known_of_it(known: Session, query: str):
    found = search.page(known, ADMIN, search.parse(query))
    assert [row.reference for row in found.rows] == [KNOWN]


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("nobody", id="a word nobody has"),
        pytest.param("thandeka gala", id="one word of one payment, one of another"),
        pytest.param("%", id="per cent alone, among names"),
        pytest.param("R1 500.01", id="a cent more"),
        pytest.param("' OR 1=1 --", id="a piece of SQL"),
        pytest.param("\\", id="a backslash"),
    ],
)
def test_what_is_known_of_no_payment_finds_none(known: Session, query: str):
    found = search.page(known, ADMIN, search.parse(query)).rows
    assert [row for row in found if "%" not in row.note] == []


def test_the_letters_of_two_words_are_not_the_words(sessions: Sessions, now: datetime, monkeypatch):
    with sessions.begin() as session:
        devconf, gala = (make_event(session, code, now=now) for code in ("devconf", "gala"))
        for event, name in (
            (devconf, "Thandi Mokoena"), (gala, "Mokoena, Thandi"), (gala, "Ndile Mokgotha Koena"),
            (devconf, "Thabo Ndingi, Mokgosi Boena"), (devconf, "Thandi Botha"),
        ):  # fmt: skip
            make_payment(session, event, now=now, payer_name=name)

    def names(query: str) -> list[str]:
        with sessions.read() as session:
            asked = search.Found(session, ADMIN, Filter(text=query))
            rows = [row.payer_name for row in asked.page().rows]
            assert len(rows) == asked.count_at_once == search.totals(session, ADMIN, Filter(text=query)).count
            return rows

    for few in (found.FEW, 1):  # whether so few are found that their texts are read, or more
        monkeypatch.setattr(found, "FEW", few)
        assert names("thandi mokoena") == ["Thandi Mokoena", "Mokoena, Thandi"]
        assert names("gala mokoena") == ["Mokoena, Thandi"]
        assert names("devconf thandi") == ["Thandi Botha", "Thandi Mokoena"]


@pytest.mark.parametrize("status", [Status.FAILED, Status.PAID, Status.OPEN])
def test_a_common_word_and_a_status_find_the_same_whichever_way_they_are_read(
    crowd: Session, status: Status, monkeypatch: pytest.MonkeyPatch
):
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        asked.append(statement)

    def ids(text: str) -> list[int]:
        asked.clear()
        return [row.id for row in search.rows(crowd, ADMIN, Filter(text=text, statuses=(status,)))]

    sqlite = crowd.get_bind().dialect.name == "sqlite"
    alone = ids("mokoena")
    assert alone
    monkeypatch.setattr(found, "COUNT_CAP", 3)
    event.listen(crowd.get_bind(), "before_cursor_execute", note)
    try:
        assert sorted(ids("mokoena")) == sorted(alone)
        assert any("INTERSECT" in one for one in asked) is sqlite
        assert sorted(ids("svarnhildur")) == []
        assert not any("INTERSECT" in one for one in asked)
        monkeypatch.setattr(found, "MERGED", 1)
        assert sorted(ids("mokoena")) == sorted(alone)
        assert not any("INTERSECT" in one for one in asked)
    finally:
        event.remove(crowd.get_bind(), "before_cursor_execute", note)


@pytest.mark.parametrize("wanted", [Filter(), Filter(text="thandi"), Filter(statuses=(Status.PAID,))])
def test_what_is_added_up_is_never_put_in_order_in_sqlites_memory(crowd: Session, wanted: Filter):
    """Its temporary files lie in memory: a million payments took 45 MB there, and so on in step."""
    summed = found.sums(conditions.where(crowd, ADMIN, wanted))
    if crowd.get_bind().dialect.name == "sqlite":
        words = summed.compile(crowd.connection(), compile_kwargs={"literal_binds": True})
        plan = [row.detail for row in crowd.execute(text(f"EXPLAIN QUERY PLAN {words}"))]
        assert not [step for step in plan if "TEMP B-TREE" in step], plan
    assert {row[0] for row in crowd.execute(summed)} == set(search.totals(crowd, ADMIN, wanted).sums)


@pytest.mark.parametrize(
    ("wanted", "counted"),
    [
        pytest.param(Filter(methods=("cash",), statuses=(Status.PART_PAID,)), 0, id="few"),
        pytest.param(Filter(mode="demo"), 1, id="more than a page"),
    ],
)
def test_what_fits_on_one_page_is_not_counted_as_well(crowd: Session, wanted: Filter, counted: int):
    asked: list[str] = []

    def note(_connection, _cursor, statement, *_rest) -> None:
        asked.append(statement)

    event.listen(crowd.get_bind(), "before_cursor_execute", note)
    filtered = found.Found(crowd, ADMIN, wanted)
    count, page = filtered.count_at_once, filtered.page()
    event.remove(crowd.get_bind(), "before_cursor_execute", note)
    assert count == search.totals(crowd, ADMIN, wanted).count
    assert [row.id for row in page.rows] == [row.id for row in search.rows(crowd, ADMIN, wanted)][:50]
    assert sum("count(" in statement for statement in asked) == counted


def test_a_link_that_was_looked_up_later_is_found_by_the_gateways_reference(
    sessions: Sessions, now: datetime
):
    with sessions.begin() as session:
        make_event(session, now=now)
    gateway = FakeGateway(loses_answers=OutcomeUnknown("no answer"))
    with pytest.raises(OutcomeUnknown):
        issue(sessions, gateway, now=now)
    with sessions.read() as session:
        link_id = session.scalars(select(Link.id)).one()
    sync.ask(sessions, {gateway.name: gateway}, link_id, now=now + timedelta(minutes=1))
    with sessions.read() as session:
        assert len(search.page(session, ADMIN, search.parse("link00000000001")).rows) == 1


def test_the_same_words_find_the_same_in_list_totals_and_rows(known: Session):
    wanted = search.parse("2026")
    assert len(search.page(known, ADMIN, wanted).rows) == 3
    assert search.totals(known, ADMIN, wanted).count == 3
    assert len(list(search.rows(known, ADMIN, wanted))) == 3


def test_an_empty_search_finds_everything(known: Session):
    assert search.totals(known, ADMIN, search.parse("  ")).count == 3


@pytest.mark.parametrize(
    "query", [pytest.param("x" * 201, id="too long"), pytest.param("4111 1111 1111 1111", id="a card number")]
)
def test_a_search_that_cannot_be_kept_is_refused(query: str):
    with pytest.raises(InvalidInput):
        search.parse(query)


def test_every_mistyped_check_character_reads_as_no_reference():
    wrong = [KNOWN[:-1] + char for char in "23456789ABCDEFGHJKMNPQRSTUVWXYZ" if char != KNOWN[-1]]
    assert not any(readings(reference) for reference in wrong)
    assert all(is_reference(reading) for reading in readings(KNOWN))


def test_a_whole_reference_finds_one_payment_or_none(known: Session):
    row = search.find_one(known, ADMIN, f" {spoken(KNOWN).lower()} ")
    assert row is not None
    assert (row.reference, row.amount, row.gateway_reference) == (KNOWN, Money(150_000), "Lk9QwErTy77")
    assert search.find_one(known, ADMIN, "7K2MPQ") is None


# -- the index --------------------------------------------------------------------------------------


def found_by(sessions: Sessions, query: str) -> list[str]:
    with sessions.read() as session:
        return [row.payer_name for row in search.page(session, ADMIN, search.parse(query)).rows]


def test_a_payment_is_found_by_what_it_says_now_and_no_more_by_what_it_said(
    sessions: Sessions, now: datetime
):
    with sessions.begin() as session:
        payment_id = make_payment(session, make_event(session, now=now), now=now, payer_name="Ravi Naidoo").id
    with sessions.begin() as session:
        payment = session.get_one(Payment, payment_id)
        payment.payer_name = "Zanele Khumalo"
        payment.search_text = search_text.of(payment)
    assert found_by(sessions, "khumalo") == ["Zanele Khumalo"]
    assert found_by(sessions, "naidoo") == []
    _index_is_whole(sessions)


def test_what_was_rolled_back_is_not_found(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        event = make_event(session, now=now)
    with sessions.begin() as session:
        make_payment(session, session.get_one(Event, event.id), now=now, payer_name="Ravi Naidoo")
        assert search.capped_count(session, ADMIN, search.parse("naidoo")) == 1
        session.rollback()
    assert found_by(sessions, "naidoo") == []
    _index_is_whole(sessions)


def _index_is_whole(sessions: Sessions) -> None:
    """SQLite compares each entry of its index with the text it was made of, and refuses if they differ."""
    if sessions.engine.dialect.name == "sqlite":
        with sessions.begin() as session:
            session.execute(text("INSERT INTO payments_fts(payments_fts, rank) VALUES('integrity-check', 1)"))


# -- totals -----------------------------------------------------------------------------------------


@st.composite
def filters(draw: st.DrawFn) -> Filter:
    start = datetime.fromisoformat("2026-08-01T00:00:00+00:00")
    days = st.integers(0, 200).map(lambda n: start + timedelta(days=n))
    spans = st.none() | st.tuples(days, st.integers(0, 120)).map(
        lambda pair: Span(pair[0], pair[0] + timedelta(days=pair[1]))
    )
    currency = draw(st.sampled_from(CURRENCIES))
    amounts = st.none() | st.sampled_from((0, 1, 15_000, 150_000, 99_999_999)).map(
        lambda m: Money(m, currency)
    )
    several = {"max_size": 3, "unique": True}
    return Filter(
        text=draw(
            st.sampled_from(
                ("", "", "nkosi", "van merwe", "example.org", "150", "gala", "zoe", "4", "no such")
            )
        ),
        statuses=tuple(draw(st.lists(st.sampled_from(Status), **several))),
        methods=tuple(draw(st.lists(st.sampled_from(Method), max_size=2, unique=True))),
        events=tuple(draw(st.lists(st.sampled_from(("devconf", "gala", "expo", "none")), **several))),
        amount_from=draw(amounts),
        amount_to=draw(amounts),
        created=draw(spans),
        paid=draw(spans),
        review_only=draw(st.booleans()),
    )


def added_up(rows: list[PaymentRow]) -> Totals:
    currencies = sorted({row.amount.currency for row in rows})
    mine = {currency: [row for row in rows if row.amount.currency == currency] for currency in currencies}
    return Totals(
        count=len(rows),
        sums={c: sum((row.amount for row in mine[c]), Money(0, c)) for c in currencies},
        received={c: sum((row.received for row in mine[c]), Money(0, c)) for c in currencies},
    )


@READS
@given(wanted=filters(), chunk=st.integers(1, 70))
def test_totals_are_the_sum_of_the_rows_whatever_the_filter(crowd: Session, wanted: Filter, chunk: int):
    rows = list(search.rows(crowd, ADMIN, wanted, chunk=chunk))
    assert search.totals(crowd, ADMIN, wanted) == added_up(rows)
    assert search.capped_count(crowd, ADMIN, wanted) == len(rows)


@READS
@given(wanted=filters())
def test_every_row_found_is_what_the_filter_says(crowd: Session, wanted: Filter):
    everything = list(search.rows(crowd, ADMIN, Filter(text=wanted.text)))
    expected = [row for row in everything if _fits(row, wanted)]
    assert list(search.rows(crowd, ADMIN, wanted)) == expected


def _fits(row: PaymentRow, wanted: Filter) -> bool:
    def within(span: Span | None, moment: datetime | None) -> bool:
        return span is None or (moment is not None and span.start <= moment < span.end)

    def same_currency(bound: Money | None) -> bool:
        return bound is None or bound.currency == row.amount.currency

    return (
        (not wanted.statuses or row.status in wanted.statuses)
        and (not wanted.methods or row.method in wanted.methods)
        and (not wanted.events or row.event_code in wanted.events)
        and same_currency(wanted.amount_from)
        and same_currency(wanted.amount_to)
        and (wanted.amount_from is None or wanted.amount_from <= row.amount)
        and (wanted.amount_to is None or row.amount <= wanted.amount_to)
        and within(wanted.created, row.created_at)
        and within(wanted.paid, row.paid_at)
        and (not wanted.review_only or row.review is not None)
    )


def test_totals_of_different_currencies_are_never_added(crowd: Session):
    totals = search.totals(crowd, ADMIN, Filter())
    assert list(totals.sums) == ["USD", "ZAR"]
    assert all(money.currency == currency for currency, money in totals.sums.items())


def test_amounts_of_two_currencies_are_refused(crowd: Session):
    with pytest.raises(InvalidInput):
        search.totals(crowd, ADMIN, Filter(amount_from=Money(1, "ZAR"), amount_to=Money(2, "USD")))


# -- pages ------------------------------------------------------------------------------------------


def test_pages_together_are_the_whole_list_newest_first(crowd: Session):
    everything = list(search.rows(crowd, ADMIN, Filter()))
    pages = [search.page(crowd, ADMIN, Filter(), number=number, size=30) for number in range(1, 8)]
    assert [row for page in pages for row in page.rows] == everything
    assert [page.more for page in pages] == [True] * 6 + [False]
    assert [row.id for row in everything] == sorted((row.id for row in everything), reverse=True)


def test_a_page_goes_on_after_the_last_row_seen(crowd: Session):
    first = search.page(crowd, ADMIN, Filter(), size=30)
    second = search.page(crowd, ADMIN, Filter(), size=30, before_id=first.rows[-1].id)
    assert second.rows == search.page(crowd, ADMIN, Filter(), number=2, size=30).rows


SORTED_BY = {
    "amount": lambda row: row.amount.minor,
    "received": lambda row: row.received.minor or None,
    "paid": lambda row: row.paid_at,
    "asked": lambda row: row.asked_at,
    "phone": lambda row: row.payer_phone or None,
    "category": lambda row: row.category,
    "event": lambda row: row.event_name,
    "status": lambda row: row.status,
    "method": lambda row: row.method,
}


def test_a_list_is_sorted_by_a_column_nothing_last_and_equals_newest_first(crowd: Session):
    newest = list(search.rows(crowd, ADMIN, Filter()))
    for name, key in SORTED_BY.items():
        there = [row for row in newest if key(row) is not None]
        nothing = [row for row in newest if key(row) is None]
        for sort, downwards in ((name, False), (f"-{name}", True)):
            expected = [*sorted(there, key=key, reverse=downwards), *nothing]
            assert list(search.rows(crowd, ADMIN, Filter(), sort=sort)) == expected, sort


@pytest.mark.parametrize(
    "few, cap",
    [(1_000, 10_000), (60, 10_000), (0, 10_000), (60, 90)],
    ids=["few", "not so few", "many", "more than are counted"],
)
def test_a_search_goes_on_after_any_row_and_shows_each_once(
    crowd: Session, monkeypatch: pytest.MonkeyPatch, few: int, cap: int
):
    """However many are read at once: the best, then the newest, then on below them."""
    monkeypatch.setattr(found, "FEW", few)
    monkeypatch.setattr(found, "COUNT_CAP", cap)
    wanted = Filter(text="example.org")
    everything = list(search.rows(crowd, ADMIN, wanted))
    numbered = [search.page(crowd, ADMIN, wanted, number=number, size=30) for number in range(1, 8)]
    assert [row for page in numbered for row in page.rows] == everything
    first = search.page(crowd, ADMIN, wanted, size=80)
    rest = search.page(crowd, ADMIN, wanted, size=200, before_id=first.rows[-1].id)
    assert [*first.rows, *rest.rows] == everything
    assert len(everything) > 100
    assert search.capped_count(crowd, ADMIN, wanted) == min(len(everything), cap + 1)


def test_a_banks_text_finds_the_payment_whose_reference_stands_in_it(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        event = make_event(session, now=now)
        for reference in ("DEMO_REG_7K2MPQ6", "DEMO_REG_4XYZ896"):
            make_payment(session, event, now=now, reference=reference, payer_name="Thandi Mokoena")

    def found(text: str) -> list[str]:
        with sessions.read() as session:
            return [row.reference for row in search.page(session, ADMIN, Filter(text=text)).rows]

    assert found("FNB APP PAYMENT FROM REG7K2MPQ6") == ["DEMO_REG_7K2MPQ6"]
    assert found("magtape credit Demo Reg 7k2mpq6 mokoena t") == ["DEMO_REG_7K2MPQ6"]
    assert found("REG7K2MPQ6 and REG_4XYZ896") == ["DEMO_REG_4XYZ896", "DEMO_REG_7K2MPQ6"]
    assert found("payment REG7K2MPQ7") == []  # one letter is wrong, and no other word of it is known
    assert found('"from REG7K2MPQ6"') == []


@pytest.mark.parametrize("cap", [10_000, 3])
def test_two_letters_in_several_places_of_one_text_are_one_payment(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, now: datetime, cap: int
):
    """At the start of a field and behind a space are looked for one after the other on PostgreSQL."""
    monkeypatch.setattr(found, "COUNT_CAP", cap)
    names = ("Mo Mokoena", "Mo Dube", "Anna Mokoena", "Mo Molefe", "Simone Botha")
    with sessions.begin() as session:
        event = make_event(session, now=now)
        for name in names:
            make_payment(session, event, now=now, payer_name=name)
    with sessions.read() as session:
        assert search.capped_count(session, ADMIN, Filter(text="mo")) == 4
        page = search.page(session, ADMIN, Filter(text="mo"))
        assert {row.payer_name for row in page.rows} == set(names[:4])


def test_a_list_held_still_does_not_shift_when_payments_arrive(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        event = make_event(session, now=now)
        newest = [make_payment(session, event, now=now).id for _ in range(4)][-1]
    with sessions.read() as session:
        before = search.page(session, ADMIN, Filter(), number=2, size=2, newest_id=newest)
    with sessions.begin() as session:
        make_payment(session, session.get_one(Event, event.id), now=now)
    with sessions.read() as session:
        assert search.page(session, ADMIN, Filter(), number=2, size=2, newest_id=newest) == before


@pytest.mark.parametrize("number, size", [(0, 50), (1, 0), (1, 501)])
def test_a_page_that_cannot_be_is_refused(crowd: Session, number: int, size: int):
    with pytest.raises(InvalidInput):
        search.page(crowd, ADMIN, Filter(), number=number, size=size)


# -- price ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "condition, index",
    [
        pytest.param(
            select(Payment.id).where(Payment.review.is_not(None)), "ix_payments_review", id="flagged"
        ),
        pytest.param(select(Link.id).where(search.LINK_ASKED), "ix_links_asked", id="outcome unknown"),
        pytest.param(select(OutboxMail.id).where(search.MAIL_FAILED), "ix_outbox_failed", id="failed mail"),
        pytest.param(
            select(InboxEvent.id).where(InboxEvent.handled_at.is_(None)),
            "ix_inbox_unhandled",
            id="waiting events",
        ),
        pytest.param(
            select(Payment.id).where(
                conditions.LET_GO, Payment.updated_at > datetime(2026, 11, 1, tzinfo=UTC)
            ),
            "ix_payments_let_go",
            id="let go",
        ),
    ],
)
def test_what_needs_a_person_is_found_by_an_index_of_its_own(sessions: Sessions, condition, index: str):
    with sessions.read() as session:
        sql = str(condition.compile(session.get_bind(), compile_kwargs={"literal_binds": True}))
        if session.get_bind().dialect.name == "postgresql":
            session.execute(text("SET LOCAL enable_seqscan = off"))
            plan = session.execute(text(f"EXPLAIN {sql}"))
        else:
            plan = session.execute(text(f"EXPLAIN QUERY PLAN {sql}"))
        assert index in str(plan.all())
