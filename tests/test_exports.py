"""CSV files: exact, whole, and no spreadsheet runs anything in them."""

import csv
import io
from collections import Counter as Sums
from collections.abc import Iterator
from datetime import UTC, datetime
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from sqlalchemy import select
from sqlalchemy.orm import Session

from db.models import Event
from db.session import Sessions
from payments import exports, search
from payments.errors import NotAllowed
from payments.exports import csv_lines, guard
from payments.lifecycle import Method, Review, Status
from payments.people import Person, Role
from payments.references import with_check
from payments.search import Filter
from tests.desk import ADMIN, make_event
from tests.samples import make_many, make_payment
from tests.test_search import filters

FORMULA_STARTS = tuple("=+-@%|\t\r\n\0＝＋－＠\u2212｜")
INVISIBLE = " \u00a0\u3000\ufeff\u200b\u200c\u200d\u2060\"'"
KNOWN = with_check("REG", "7K2MPQ", demo=True)


def read_back(lines: Iterator[str]) -> list[dict[str, str]]:
    text = "".join(lines)
    assert text.startswith("\ufeff")
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True))


@pytest.fixture
def crowd(sessions: Sessions, now: datetime) -> Iterator[Session]:
    with sessions.begin() as session:
        events = [make_event(session, code, now=now) for code in ("devconf", "gala", "expo")]
        events[2].currency = "USD"
        make_many(session, events, now=now, count=120)
    with sessions.read() as session:
        yield session


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(wanted=filters())
def test_a_files_sums_are_the_totals_on_the_screen(crowd: Session, wanted: Filter):
    lines = read_back(csv_lines(crowd, ADMIN, wanted))
    totals = search.totals(crowd, ADMIN, wanted)
    owed: Sums[str] = Sums()
    received: Sums[str] = Sums()
    for line in lines:
        owed[line["currency"]] += int(line["amount"].replace(".", ""))
        received[line["currency"]] += int(line["received"].replace(".", ""))
    assert len(lines) == totals.count
    assert owed == {currency: money.minor for currency, money in totals.sums.items()}
    assert received == {currency: money.minor for currency, money in totals.received.items()}


def test_a_row_says_everything_in_columns_with_these_names(sessions: Sessions):
    with sessions.begin() as session:
        event = make_event(session, now=datetime(2026, 11, 1, tzinfo=UTC))
        make_payment(
            session,
            event,
            now=datetime(2026, 11, 22, 22, 30, 5, tzinfo=UTC),
            link="Lk9QwErTy77",
            reference=KNOWN,
            category_id=event.categories[0].id,
            status=Status.PAID,
            method=Method.GATEWAY,
            amount_minor=150_005,
            received_minor=150_005,
            paid_at=datetime(2026, 11, 23, 21, 59, 59, tzinfo=UTC),
            payer_name='Zoë "Zed" Õunapuu, jnr',
            payer_email="zoe@example.org",
            payer_phone="+27821234567",
            review=Review.PAID_LATE,
            note="two\nlines",
        )
    with sessions.read() as session:
        assert read_back(csv_lines(session, ADMIN, Filter())) == [
            {
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
        ]


def test_every_field_is_quoted_and_every_line_ends_as_the_standard_says(crowd: Session):
    lines = list(csv_lines(crowd, ADMIN, Filter()))
    assert all(line.endswith('"\r\n') and "\r" not in line[:-2] for line in lines)
    assert all(line.removeprefix("\ufeff").startswith('"') for line in lines)
    assert [line for line in lines if line.startswith("\ufeff")] == lines[:1]


def test_an_export_of_nothing_still_says_its_columns(sessions: Sessions):
    with sessions.read() as session:
        assert len(list(csv_lines(session, ADMIN, Filter()))) == 1


def test_finance_of_one_event_exports_nothing_of_another(crowd: Session):
    gala = crowd.scalars(select(Event).where(Event.code == "gala")).one()
    person = Person(3, "Lerato Khumalo", "lerato@example.org", Role.FINANCE, frozenset({gala.id}))
    lines = read_back(csv_lines(crowd, person, Filter()))
    assert {line["event"] for line in lines} == {"gala"}
    assert len(lines) == search.totals(crowd, ADMIN, Filter(events=("gala",))).count
    nobody = Person(4, "Nobody", "nobody@example.org", Role.FINANCE, frozenset())
    assert read_back(csv_lines(crowd, nobody, Filter())) == []


def test_who_may_not_export_is_refused_before_the_first_line(crowd: Session):
    viewer = Person(5, "Vusi Zulu", "vusi@example.org", Role.VIEWER, None)
    with pytest.raises(NotAllowed):
        csv_lines(crowd, viewer, Filter())


def test_a_file_is_named_by_the_clock_in_johannesburg():
    assert exports.file_name(datetime(2026, 11, 23, 22, 5, tzinfo=UTC)) == "payments-2026-11-24-0005.csv"


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
    text = "".join(exports.line(guard(cell) for cell in row) for row in rows)
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


def test_a_guarded_file_reads_back_cell_by_cell(sessions: Sessions, now: datetime):
    texts = ["=1+1", "a;=b", 'he said "hi"', "x\r\ny", "  +spaces", "plain"]
    with sessions.begin() as session:
        event = make_event(session, now=now)
        for text in texts:
            make_payment(session, event, now=now, payer_name=text, note=text)
    with sessions.read() as session:
        lines = read_back(csv_lines(session, ADMIN, Filter()))
    assert [line["payer"] for line in reversed(lines)] == [guard(text) for text in texts]
