"""Files of payments: exact, whole, written down, and no spreadsheet runs anything in them."""

import csv
import io
import os
import signal
import subprocess
from collections import Counter as Sums
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from random import Random

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from db import stream
from db.models import AuditEntry, Event, Export
from db.money import Money
from db.session import Sessions
from payments.access.people import Person, Role
from payments.dates import Span
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound
from payments.exports import child, csv_file, layout, lines, profiles, records, run
from payments.exports.cells import guard
from payments.exports.delivery import Delivery
from payments.exports.layout import COLUMNS, DEFAULT_COLUMNS, Layout, Separator, Zone
from payments.exports.run import BrokenOff, Children, Contents
from payments.finding import search
from payments.finding.search import Filter
from payments.lifecycle import Method, Review, Status
from payments.references import with_check
from tests.desk import ADMIN, make_event
from tests.samples import make_many, make_payment
from tests.test_search import filters
from words import files as file_words

FORMULA_STARTS = tuple("=+-@%|\t\r\n\0＝＋－＠\u2212｜")
INVISIBLE = " \u00a0\u3000\ufeff\u200b\u200c\u200d\u2060\"'"
KNOWN = with_check("REG", "7K2MPQ", demo=True)
VIEWER = Person(5, "Vusi Zulu", "vusi@example.org", Role.VIEWER, None)
NOW = datetime(2026, 11, 23, 10, 0, tzinfo=UTC)
SEPARATORS = {Separator.COMMA: ",", Separator.SEMICOLON: ";", Separator.TAB: "\t", Separator.PIPE: "|"}


def written(session: Session, wanted: Filter, asked: Layout | None = None, person: Person = ADMIN) -> bytes:
    """The bytes that a child writes, written here."""
    out = io.BytesIO()
    child.write(run.job(session, person, wanted, asked or Layout(), "EXP_TEST", now=NOW), out)
    out.seek(0)
    found = b""
    while True:
        letter, data = run.read_frame(out)
        if letter == "E":
            return found
        found += data if letter == "D" else b""


def read_back(data: bytes, separator: str = ",") -> list[dict[str, str]]:
    text = data.decode("utf-8-sig")
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True))


@pytest.fixture
def crowd(sessions: Sessions, now: datetime) -> Iterator[Session]:
    with sessions.begin() as session:
        events = [make_event(session, code, now=now) for code in ("devconf", "gala", "expo")]
        events[2].currency = "USD"
        make_many(session, events, now=now, count=120)
    with sessions.read() as session:
        yield session


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=filters())
def test_a_file_holds_the_rows_on_the_screen_in_their_order_and_their_sums(crowd: Session, wanted: Filter):
    found = read_back(written(crowd, wanted))
    totals = search.totals(crowd, ADMIN, wanted)
    owed: Sums[str] = Sums()
    received: Sums[str] = Sums()
    for line in found:
        owed[line["currency"]] += int(line["amount"].replace(".", ""))
        received[line["currency"]] += int(line["received"].replace(".", ""))
    shown = [row.reference for row in search.rows(crowd, ADMIN, wanted)]
    assert [line["reference"] for line in found] == shown
    assert len(found) == totals.count
    assert owed == {currency: money.minor for currency, money in totals.sums.items()}
    assert received == {currency: money.minor for currency, money in totals.received.items()}


def test_a_file_of_what_was_searched_for_begins_with_what_fits_best(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        event = make_event(session, now=now)
        for nth, name in enumerate(("Zanele", "Sipho Zanelewski", "Somebody Else")):
            make_payment(
                session, event, now=now, reference=f"DEMO_REG_ORDER{nth}", payer_name=name,
                note="asked by zanele" if name == "Somebody Else" else "",
            )  # fmt: skip
    with sessions.read() as session:
        wanted = search.parse("zanele")
        shown = [row.reference for row in search.rows(session, ADMIN, wanted)]
        assert [line["reference"] for line in read_back(written(session, wanted))] == shown
        assert len(shown) == 3
        assert shown != sorted(shown, reverse=True)  # else newest first would do


def test_the_link_that_is_told_of_is_the_one_on_the_screen(crowd: Session):
    rows = {row.reference: row for row in search.rows(crowd, ADMIN, Filter())}
    for line in read_back(written(crowd, Filter())):
        row = rows[line["reference"]]
        told = (row.gateway_reference or "", row.wire_reference or "", row.method or "", row.note)
        cells = ("payment_id", "transaction_reference", "payment_method")
        assert (*(line[name] for name in cells), line["note"]) == (*told[:3], guard(told[3]))


def test_a_row_says_everything_in_columns_with_these_names(sessions: Sessions):
    with sessions.begin() as session:
        event = make_event(session, now=datetime(2026, 11, 1, tzinfo=UTC))
        make_payment(
            session,
            event,
            now=datetime(2026, 11, 22, 22, 30, 5, 999_999, tzinfo=UTC),
            link="Lk9QwErTy77",
            reference=KNOWN,
            category_id=event.categories[0].id,
            status=Status.PAID,
            method=Method.GATEWAY,
            amount_minor=150_005,
            received_minor=150_005,
            refunded_minor=7,
            paid_at=datetime(2026, 11, 23, 21, 59, 59, tzinfo=UTC),
            payer_name='Zoë "Zed" Õunapuu, jnr',
            payer_email="zoe@example.org",
            payer_phone="+27821234567",
            review=Review.PAID_LATE,
            note="two\nlines",
        )
    expected = {
        "reference": KNOWN,
        "event": "devconf",
        "event_name": "Devconf 2026",
        "category": "Regular",
        "payer": 'Zoë "Zed" Õunapuu, jnr',
        "email": "zoe@example.org",
        "phone": "'+27821234567",
        "amount": "1500.05",
        "received": "1500.05",
        "currency": "ZAR",
        "payment_status": "paid",
        "payment_method": "gateway",
        "payment_id": "Lk9QwErTy77",
        "transaction_reference": KNOWN,
        "payment_date": "2026-11-23 23:59:59",
        "created_sast": "2026-11-23 00:30:05",
        "created_utc": "2026-11-22T22:30:05Z",
        "paid_sast": "2026-11-23 23:59:59",
        "paid_utc": "2026-11-23T21:59:59Z",
        "mode": "demo",
        "review": "paid_late",
        "note": "two\nlines",
    }
    with sessions.read() as session:
        assert read_back(written(session, Filter())) == [expected]
        ours = tuple(name for name in COLUMNS if name not in profiles.FIELDS)
        every = Layout(columns=ours, zone=Zone.UTC)
        utc = {
            "payment_date": "2026-11-23T21:59:59Z",
            "created": "2026-11-22T22:30:05Z",
            "refunded": "0.07",
            "origin": "desk",
            "people": "1",
            "people_names": "",
            "quoted_amount": "",
            "quoted_currency": "",
            "exchange_rate": "",
            "rate_source": "",
            "rate_date": "",
        }
        assert read_back(written(session, Filter(), every)) == [expected | utc]


@pytest.mark.parametrize(
    ("column", "told"),
    [
        ("payment_id", "Gateway id · payment_id"),
        ("payment_date", "Paid · payment_date"),
        ("review", "Flag · review"),
        ("event", "Event code · event"),
        ("email", "E-mail"),
        ("quoted_amount", "Quoted amount"),
        ("people", "How many people · people"),
        ("Full Name", "As before: Full Name"),
    ],
)
def test_a_column_is_chosen_by_its_word_and_the_one_that_the_file_will_say(column: str, told: str):
    assert file_words.column_told(column) == told


def test_the_usual_columns_are_those_of_the_first_release():
    assert DEFAULT_COLUMNS == (
        "reference", "event", "event_name", "category", "payer", "email", "phone", "amount", "received",
        "currency", "payment_status", "payment_method", "payment_id", "transaction_reference", "payment_date",
        "created_sast", "created_utc", "paid_sast", "paid_utc", "mode", "review", "note",
    )  # fmt: skip


def test_every_field_is_quoted_and_every_line_ends_as_the_standard_says(crowd: Session):
    text = written(crowd, Filter()).decode()
    assert text.startswith('\ufeff"reference"')
    assert text.count("\ufeff") == 1
    rows = text.split("\r\n")
    assert rows.pop() == ""
    assert all(row.removeprefix("\ufeff").startswith('"') and row.endswith('"') for row in rows)
    assert all("\r" not in row for row in rows)
    assert len(rows) == 121


@pytest.mark.parametrize("separator", Separator)
def test_columns_order_separator_and_mark_are_as_chosen(crowd: Session, separator: Separator):
    asked = Layout(columns=("amount", "payer", "reference"), separator=separator, bom=False)
    data = written(crowd, Filter(), asked)
    assert not data.startswith(b"\xef\xbb\xbf")
    rows = read_back(data, SEPARATORS[separator])
    assert list(rows[0]) == ["amount", "payer", "reference"]
    shown = search.rows(crowd, ADMIN, Filter())
    assert [tuple(row.values()) for row in rows] == [
        (row.amount.decimal, guard(row.payer_name), row.reference) for row in shown
    ]


def test_an_export_of_nothing_still_says_its_columns(sessions: Sessions):
    with sessions.read() as session:
        assert written(session, Filter()).decode().count("\r\n") == 1


def test_finance_of_one_event_exports_nothing_of_another(crowd: Session):
    gala = crowd.scalars(select(Event).where(Event.code == "gala")).one()
    person = Person(3, "Lerato Khumalo", "lerato@example.org", Role.FINANCE, frozenset({gala.id}))
    found = read_back(written(crowd, Filter(), person=person))
    assert {line["event"] for line in found} == {"gala"}
    assert len(found) == search.totals(crowd, ADMIN, Filter(events=("gala",))).count
    nobody = Person(4, "Nobody", "nobody@example.org", Role.FINANCE, frozenset())
    assert read_back(written(crowd, Filter(), person=nobody)) == []


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        pytest.param(Filter(), "all payments", id="everything"),
        pytest.param(
            Filter(statuses=(Status.CANCELLED,), events=("devconf",)),
            "payments by status:cancelled event:devconf",
            id="conditions",
        ),
        pytest.param(
            Filter(text="thandi", statuses=(Status.PAID,)), "payments by status:paid and a text", id="a name"
        ),
        pytest.param(Filter(without=("thandi@example.org",)), "payments by a text", id="without a name"),
        pytest.param(Filter(organisers=("Aisha",)), "payments by who asked for them", id="of the desk"),
        pytest.param(
            Filter(amount_from=Money(15_000), amount_to=Money(15_000)), "payments by =150", id="no formula"
        ),
    ],
)
def test_a_file_says_which_payments_it_is_of_and_no_word_that_may_be_a_payers(crowd: Session, wanted, told):
    """It said its days, and whoever was sent one of a filter took it for everything."""
    data = written(crowd, wanted, Layout(columns=("reference",), opening=True)).decode("utf-8-sig")
    assert ["# filter", told] in list(csv.reader(io.StringIO(data, newline="")))


def test_the_first_and_last_lines_say_what_the_file_is(crowd: Session):
    day = datetime(2026, 10, 31, 22, tzinfo=UTC)
    wanted = Filter(created=Span(day, day + timedelta(days=2)))
    asked = Layout(columns=("reference",), opening=True, ending=True)
    text = written(crowd, wanted, asked).decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert rows[:6] == [
        ["# export", "EXP_TEST"],
        ["# made", "2026-11-23 12:00:00"],
        ["# filter", "payments by created:2026-11-01..2026-11-02"],
        ["# created from, before", "2026-11-01 00:00:00, 2026-11-03 00:00:00"],
        ["# time zone", "SAST (UTC+02:00)"],
        ["reference"],
    ]
    totals = search.totals(crowd, ADMIN, wanted)
    sums = [
        f"{code} {part[code].decimal} {word}"
        for code in totals.sums
        for part, word in ((totals.sums, "asked"), (totals.received, "received"))
    ]
    assert rows[-1] == [", ".join([f"# end, {totals.count} rows", *sums, "export EXP_TEST"])]
    assert len(rows) == 7 + totals.count


def test_a_count_that_takes_long_is_made_after_the_rows(crowd: Session, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(child, "COUNT_WITHIN_S", 0)
    monkeypatch.setattr("db.stream._Sqlite.rows_within", lambda *_: None)
    whole = written(crowd, Filter(), Layout(ending=True)).decode()
    assert f"# end, {search.totals(crowd, ADMIN, Filter()).count} rows, " in whole


def test_rows_that_end_in_the_middle_are_an_error_and_the_next_statement_is_not_theirs(postgres_desk: Engine):
    url = postgres_desk.url.set(drivername="postgresql").render_as_string(hide_password=False)
    with stream.postgres(url) as picture:
        told = picture.lines("SELECT text(1 / (5 - n)) FROM generate_series(1, 9) n", {}, ";", 4, 1)
        assert next(told) == [b'"0"', b'"0"', b'"0"', b'"1"']
        with pytest.raises(psycopg.errors.DivisionByZero):
            next(told)
        with pytest.raises(psycopg.errors.InFailedSqlTransaction):
            picture.rows("SELECT 1", {})
    with stream.postgres(url) as picture:
        assert list(picture.lines("SELECT 'a'", {}, ";", 1, 1)) == [[b'"a"']]
        assert picture.rows("SELECT 1", {}) == [(1,)]


@pytest.mark.parametrize("asked", [Layout(), Layout(zone=Zone.UTC)], ids=["SAST", "UTC"])
def test_a_file_is_named_by_its_dates_and_the_clock_it_speaks(asked: Layout):
    at = datetime(2026, 11, 23, 22, 5, tzinfo=UTC)
    day = datetime(2026, 10, 31, 22, tzinfo=UTC)
    span = {"paid": Span(day, day + timedelta(days=30))}
    plain, dated = (layout.file_name(asked, spans, at, "EXP_A") for spans in ({}, span))
    if asked.zone is Zone.SAST:
        assert plain == "payments-2026-11-24-0005-SAST-EXP_A.csv"
        assert dated == "payments-paid-2026-11-01-to-2026-11-30-2026-11-24-0005-SAST-EXP_A.csv"
    else:
        assert plain == "payments-2026-11-23-2205-UTC-EXP_A.csv"
        assert dated == "payments-paid-2026-10-31-to-2026-11-30-2026-11-23-2205-UTC-EXP_A.csv"


# -- layouts ----------------------------------------------------------------------------------------

layouts = st.builds(
    Layout,
    format=st.sampled_from(layout.Format),
    columns=st.lists(st.sampled_from(tuple(COLUMNS)), min_size=1, unique=True).map(tuple),
    separator=st.sampled_from(Separator),
    bom=st.booleans(),
    zone=st.sampled_from(Zone),
    opening=st.booleans(),
    ending=st.booleans(),
)


@given(chosen=layouts)
def test_a_layout_comes_back_from_words_and_from_an_address(chosen: Layout):
    assert layout.from_plain(layout.to_plain(chosen)) == chosen
    pairs = [*layout.to_plain(chosen).items(), ("status", "paid"), ("status", "open")]
    assert layout.take_from(pairs) == (chosen, [("status", "paid"), ("status", "open")])


@pytest.mark.parametrize(
    "told",
    [
        {"format": "pdf"},
        {"columns": "reference,reference"},
        {"columns": ""},
        {"columns": "reference,search_text"},
        {"bom": "maybe"},
        {"zone": "mars"},
        {"separator": ","},
        {"other": "x"},
    ],
    ids=str,
)
def test_words_that_mean_no_layout_are_refused(told: dict[str, str]):
    with pytest.raises(InvalidInput):
        layout.from_plain(told)


def test_personal_columns_are_known():
    assert layout.personal(DEFAULT_COLUMNS) == ("payer", "email", "phone", "note")
    assert layout.personal(("reference", "amount")) == ()


# -- records ----------------------------------------------------------------------------------------


def asked(sessions: Sessions, wanted: Filter = Filter(), chosen: Layout = Layout()) -> records.ExportView:
    with sessions.begin() as session:
        return records.ask(session, ADMIN, wanted, chosen, demo=True, now=NOW)


@pytest.fixture
def children(sessions: Sessions) -> Iterator[Children]:
    found = Children(sessions.engine.dialect.name)
    yield found
    found.close()


@pytest.mark.usefixtures("crowd")
def test_a_whole_file_is_recorded_with_its_hash_and_sums(sessions: Sessions, children: Children):
    view = asked(sessions, Filter(text="example", statuses=(Status.PAID,)))
    delivery = Delivery(sessions, children, ADMIN, view.reference, lambda: NOW)
    data = b"".join(delivery.pieces())
    delivery.end()
    with sessions.read() as session:
        totals = search.totals(session, ADMIN, view.wanted)
        kept = records.get(session, ADMIN, view.reference)
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "export")).one()
        whole = session.scalars(select(AuditEntry).where(AuditEntry.action == "export_whole")).one()
    assert kept.state == "whole"
    assert (kept.sha256, kept.size_bytes) == (sha256(data).hexdigest(), len(data))
    assert kept.contents == Contents(totals.count, totals.sums, totals.received)
    assert totals.count == len(read_back(data)) > 0
    assert kept.wanted == Filter(text="example", statuses=(Status.PAID,))
    assert (entry.subject, entry.actor) == (view.reference, ADMIN.email)
    assert entry.detail == {
        "filter": "status=paid&text=(kept with the export)",
        "format": "csv",
        "personal": "payer, email, phone, note",
    }
    assert whole.detail == {
        "rows": totals.count,
        "sha256": kept.sha256,
        "asked_and_received_minor": {
            currency: [money.minor, totals.received[currency].minor]
            for currency, money in totals.sums.items()
        },
    }


@pytest.mark.usefixtures("crowd")
def test_who_writes_a_file_gives_way_to_the_hook_and_to_pages(sessions: Sessions, children: Children):
    delivery = Delivery(sessions, children, ADMIN, asked(sessions).reference, lambda: NOW)
    assert os.getpriority(os.PRIO_PROCESS, delivery.child) == min(19, os.nice(0) + child.GIVES_WAY)
    delivery.end()


@pytest.mark.parametrize(
    "wanted, told",
    [
        pytest.param(Filter(text=KNOWN), f"text={KNOWN}", id="a reference"),
        pytest.param(Filter(text="Thandi"), "text=(kept with the export)", id="a name"),
        pytest.param(
            Filter(without=("Zoë", "Thandi"), events=("gala",)),
            "event=gala&without=(kept with the export)&without=(kept with the export)",
            id="names it must not have",
        ),
    ],
)
def test_the_audit_keeps_a_reference_and_no_other_word(sessions: Sessions, wanted: Filter, told: str):
    asked(sessions, wanted, Layout(columns=("reference",)))
    with sessions.read() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.action == "export")).one()
    assert entry.detail == {"filter": told, "format": "csv"}


@pytest.mark.usefixtures("crowd")
def test_a_file_is_fetched_once_and_by_who_asked(sessions: Sessions, children: Children):
    view = asked(sessions)
    other = Person(9, "Mpho Dube", "mpho@example.org", Role.FINANCE, None)
    with pytest.raises(NotFound):
        Delivery(sessions, children, other, view.reference, lambda: NOW)
    delivery = Delivery(sessions, children, ADMIN, view.reference, lambda: NOW)
    with pytest.raises(Conflict, match="fetched already"):
        Delivery(sessions, children, ADMIN, view.reference, lambda: NOW)
    delivery.end()


@pytest.mark.usefixtures("crowd")
def test_a_file_nobody_waited_for_is_broken_and_its_child_is_gone(sessions: Sessions, children: Children):
    view = asked(sessions)
    delivery = Delivery(sessions, children, ADMIN, view.reference, lambda: NOW)
    assert next(delivery.pieces())
    delivery.end()
    with pytest.raises(ProcessLookupError):
        os.kill(delivery.child, 0)
    with sessions.read() as session:
        kept = records.get(session, ADMIN, view.reference)
    assert (kept.state, kept.sha256) == ("broken", None)
    assert "went away" in (kept.problem or "")


def test_a_child_killed_half_way_leaves_no_whole_file(sessions: Sessions, children: Children, now: datetime):
    with sessions.begin() as session:
        event = make_event(session, now=now)
        for _ in range(300):
            make_payment(session, event, now=now, note="x" * 4_000)
    view = asked(sessions)
    delivery = Delivery(sessions, children, ADMIN, view.reference, lambda: NOW)
    pieces = delivery.pieces()
    first = next(pieces)
    os.kill(delivery.child, signal.SIGKILL)
    with pytest.raises(BrokenOff, match="broke off"):
        first += b"".join(pieces)
    delivery.end("The child was killed.")
    assert first.count(b"\r\n") < 301
    with sessions.read() as session:
        assert records.get(session, ADMIN, view.reference).state == "broken"


def test_a_file_of_other_rows_than_were_counted_is_not_whole(crowd: Session):
    job = run.job(crowd, ADMIN, Filter(), Layout(), "EXP_TEST", now=NOW)
    job["totals"] = run.job(crowd, ADMIN, Filter(statuses=(Status.PAID,)), Layout(), "", now=NOW)["totals"]
    with pytest.raises(RuntimeError, match="were counted"):
        child.write(job, io.BytesIO())


def test_who_may_not_export_asks_for_nothing(sessions: Sessions):
    with pytest.raises(NotAllowed), sessions.begin() as session:
        records.ask(session, VIEWER, Filter(), Layout(), demo=True, now=NOW)
    with sessions.read() as session:
        assert session.scalars(select(Export)).all() == []


def test_one_sees_ones_own_files_and_an_auditor_all(sessions: Sessions):
    mine = asked(sessions)
    finance = Person(9, "Mpho Dube", "mpho@example.org", Role.FINANCE, None)
    auditor = Person(10, "Audrey Smit", "audrey@example.org", Role.AUDITOR, None)
    with sessions.begin() as session:
        records.begin(session, ADMIN, mine.reference, now=NOW)
    with sessions.read() as session:
        assert [view.reference for view in records.recent(session, auditor)] == [mine.reference]
        assert records.recent(session, finance) == []
        with pytest.raises(NotFound):
            records.get(session, finance, mine.reference)


def test_a_spare_child_that_died_is_replaced(sessions: Sessions, children: Children):
    dies_when_told = subprocess.Popen(["sh", "-c", "read job"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    children._spare = dies_when_told
    delivery = Delivery(sessions, children, ADMIN, asked(sessions).reference, lambda: NOW)
    assert b"".join(delivery.pieces()).startswith(b'\xef\xbb\xbf"reference"')
    delivery.end()


# -- formulas ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, cell",
    [
        pytest.param("Thandi", "Thandi", id="a name"),
        pytest.param("O'Brien-Smith", "O'Brien-Smith", id="a dash inside a name"),
        pytest.param("a@example.org", "a@example.org", id="an address"),
        pytest.param("Smith, John; Ann", "Smith, John; Ann", id="separators and letters"),
        pytest.param("=1+1", "'=1+1", id="a formula"),
        pytest.param("+27821234567", "'+27821234567", id="a phone number is text"),
        pytest.param("-5", "'-5", id="a number that is text"),
        pytest.param("  =1", "'  =1", id="behind spaces"),
        pytest.param("\u200b\u00a0@x", "'\u200b\u00a0@x", id="behind what is not seen"),
        pytest.param('"=1', "'\"'=1", id="behind a quote"),
        pytest.param("'=1", "''=1", id="behind an apostrophe"),
        pytest.param("＝1", "'＝1", id="full width"),
        pytest.param("\u22121", "'\u22121", id="a true minus"),
        pytest.param("x;=1", "x;'=1", id="behind a semicolon"),
        pytest.param('x; "=1', "x; \"'=1", id="behind a semicolon, a space and a quote"),
        pytest.param("x\t+1", "x\t'+1", id="behind a tab"),
        pytest.param("x\r\n-1", "x\n'-1", id="on a new line"),
        pytest.param("\0=1", "'=1", id="behind a NUL"),
        pytest.param("|calc", "'|calc", id="a pipe"),
    ],
)
def test_a_text_that_could_start_a_formula_is_marked_as_text(text: str, cell: str):
    assert guard(text) == cell


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("seed", range(4))
def test_no_cell_starts_a_formula_whichever_separator_a_program_uses(separator: str, seed: int):
    dice = Random(seed)
    pieces = [*FORMULA_STARTS, *INVISIBLE, *';,\t|"\n', "cmd", "1", "HYPERLINK(1)", "é"]
    rows = [["".join(dice.choices(pieces, k=dice.randrange(9))) for _ in range(4)] for _ in range(1_000)]
    text = "".join(csv_file.line([guard(cell) for cell in row], ",") for row in rows)
    for row in csv.reader(io.StringIO(text, newline=""), delimiter=separator):
        for cell in row:
            shown = cell.lstrip("\t\r\n" + INVISIBLE.replace("'", ""))
            assert not shown.startswith(tuple("=+-@%＝＋－＠\u2212")), repr(cell)


@pytest.mark.parametrize("seed", range(4))
def test_no_guarded_text_starts_with_what_may_start_a_formula(seed: int):
    dice = Random(seed)
    for _ in range(2_000):
        text = "".join(dice.choices([*FORMULA_STARTS, *INVISIBLE, "x", ";"], k=dice.randrange(6)))
        assert not guard(text).startswith(FORMULA_STARTS), repr(text)


PIECES = [*FORMULA_STARTS, *INVISIBLE, *';,\t|"\n', "cmd", "1", "HYPERLINK(1)", "é", "–", " - ", "a"]
texts = st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
#: What went wrong somewhere, or nearly.
HOSTILE = [
    "=1+1", "a;=b", 'he said "hi"', "x\r\ny", "x\ry", "  +spaces", "plain", "|", '"', '""', ",", "'", "'=1",
    "x\n", "\n=1", "a - b", "a; b", "\u00a0=1", "x;\u3000=1", "x,\ufeff+1", "＝1", "a|＝1", "\u22121",
    ";\u2212", '";=', "='", "é;é", "+27821234567",
]  # fmt: skip


@given(rows=st.lists(st.tuples(texts, texts, texts), min_size=1, max_size=12))
def test_the_quick_guard_says_what_the_slow_one_says(rows: list[tuple[str, str, str]]):
    between = f'"{lines.BETWEEN}"'
    made = [f'"{between.join(cell.replace(chr(34), chr(34) * 2) for cell in row)}"'.encode() for row in rows]
    expected = "".join(csv_file.line([guard(cell) for cell in row], ";") for row in rows)
    assert lines.guarded(made, [True, True, True], b";").decode() == expected


def test_a_line_that_cannot_be_taken_apart_is_no_line():
    with pytest.raises(ValueError, match="control character"):
        lines.guarded([f'"=1{lines.BETWEEN}"{lines.BETWEEN}"b"{lines.BETWEEN}"c"'.encode()], [True], b",")


@pytest.mark.parametrize("separator", Separator)
def test_the_databases_cells_are_guarded_as_ours(sessions: Sessions, now: datetime, separator: Separator):
    dice = Random(11)
    drawn = ["".join(dice.choices(PIECES, k=dice.randrange(9))) for _ in range(250)]
    drawn = [
        *HOSTILE,
        *(text for text in drawn if sessions.engine.dialect.name == "sqlite" or "\0" not in text),
    ]
    with sessions.begin() as session:
        event = make_event(session, now=now)
        for text_ in drawn:
            make_payment(
                session, event, now=now, payer_name=text_, note=text_, payer_phone="+2782" if text_ else ""
            )
    with sessions.read() as session:
        found = read_back(written(session, Filter(), Layout(separator=separator)), SEPARATORS[separator])
    assert [line["payer"] for line in reversed(found)] == [guard(text_) for text_ in drawn]
    assert [line["note"] for line in reversed(found)] == [guard(text_) for text_ in drawn]
    assert {line["phone"] for line in found} == {"", "'+2782"}
