"""Thousands of damaged files: read whole or refused whole, every row accounted for, no line made up."""

import csv
import io
import random
from collections import Counter
from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.money import Money
from payments import statements
from payments.statements import Statement, StatementFormatError, amounts, days
from tests.statements.corpus import Mutation, Sample, content, drawn, mutations, samples

ALL = samples()
MARKED = ("ofx", "qif", "mt940", "camt.053")


def attempt(mutation: Mutation, sample: Sample) -> Statement | None:
    """The statement, or None when it is refused with a sentence. Any other exception fails the test."""
    try:
        return statements.read(mutation.file, mutation.data, mapping=sample.mapping)
    except StatementFormatError as error:
        refused = error
    assert str(refused).startswith(refused.file)
    assert len(str(refused)) < 1000
    assert refused.line is None or refused.line >= 1
    return None


def check_laws(statement: Statement) -> None:
    kept = (statement.lines, statement.quarantined, statement.headers, statement.footers)
    assert sum(map(len, kept)) == statement.rows
    if statement.opening is not None and statement.closing is not None and not statement.quarantined:
        assert statement.opening + statement.total == statement.closing
    seen = Counter((line.date, line.amount, line.description, line.reference) for line in statement.lines)
    counted = {(*key, n) for key, count in seen.items() for n in range(1, count + 1)}
    assert counted == set(content(statement))


def check_source(statement: Statement) -> None:
    """Each amount of a table stands in its row, in digits; a fee may have come on top."""
    for line in statement.lines:
        cells = [
            amount for cell in line.raw[1:-1].split('", "') if (amount := read_or_none(cell)) is not None
        ]
        gross = line.amount - line.fee
        assert {abs(line.amount.minor), abs(gross.minor)} & {0, *map(abs, cells)}, line


def read_or_none(cell: str) -> int | None:
    for decimal in (None, ",", "."):
        with suppress(ValueError):
            return amounts.read(cell, decimal).minor
    return None


def rows_that_hold_anything(data: bytes) -> set[int]:
    """By a plain CSV reader and each separator: what the statement must account for."""
    text = data.replace(b"\0", b"").decode("utf-8-sig", "replace")
    found = set()
    for separator in ",;\t|":
        try:
            rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
        except csv.Error:
            continue
        found.add(sum(any(cell.strip() for cell in row) for row in rows))
    return found


def test_a_damaged_file_is_read_whole_or_refused_whole(caplog, pytestconfig):
    for sample, damaged in drawn(20 * pytestconfig.getoption("--mutations"), random.Random(2026)):
        original = attempt(Mutation("", sample.path.name, sample.data, True), sample)
        for mutation in damaged:
            check(mutation, sample, original)
    assert caplog.records == [], "a library wrote what a payer wrote into the log"


def check(mutation: Mutation, sample: Sample, original: Statement | None) -> None:
    statement, told = attempt(mutation, sample), f"{sample.name}, {mutation.name}"
    if mutation.same and original:
        assert statement is not None, told
        assert content(statement) == content(original), told
        assert len(statement.quarantined) == len(original.quarantined), told
    if statement is None:
        return
    check_laws(statement)
    if statement.layout in MARKED:
        return
    check_source(statement)
    if sample.path.suffix == ".csv" and statement.encoding == "utf-8":
        assert statement.rows in rows_that_hold_anything(mutation.data), told


def test_there_are_five_thousand_of_them():
    count = sum(1 for sample in ALL for _ in mutations(sample))
    assert count >= 5_000


# -- amounts ----------------------------------------------------------------------------------------

MINOR = st.integers(-99_999_999_999_999, 99_999_999_999_999)


def written(minor: int, thousands: str, decimal: str, style: str) -> str:
    whole, cents = divmod(abs(minor), 100)
    number = f"{whole:,}".replace(",", thousands) + f"{decimal}{cents:02d}"
    if minor >= 0:
        return {"mark": f"{number} Cr", "rand": f"R {number}", "plus": f"+{number}"}.get(style, number)
    return {
        "brackets": f"({number})", "trailing": f"{number}-", "mark": f"{number} Dr", "rand": f"-R {number}",
        "inside": f"R-{number}", "true minus": f"\u2212{number}",
    }.get(style, f"-{number}")  # fmt: skip


STYLES = ("plain", "brackets", "trailing", "mark", "rand", "inside", "true minus", "plus")
SEPARATED = [
    ("", "."),
    ("", ","),
    (" ", "."),
    (" ", ","),
    (",", "."),
    (".", ","),
    ("\u00a0", ","),
    ("\u202f", "."),
    ("\u2009", ","),
]


@given(MINOR, st.sampled_from(SEPARATED), st.sampled_from(STYLES), st.booleans())
def test_an_amount_is_exact_in_every_way_to_write_it(minor, separated, style, stated):
    thousands, decimal = separated
    found = amounts.read(written(minor, thousands, decimal, style), decimal if stated else None)
    assert found.minor == minor


@given(st.text(alphabet="0123456789 .,-+()RCDr\u2212\u00a0eE_x%$", max_size=14))
def test_an_amount_is_read_from_its_digits_alone_or_not_at_all(text):
    try:
        minor = amounts.read(text).minor
    except ValueError:
        return
    digits = "".join(char for char in text if char.isdigit()).lstrip("0")
    assert str(abs(minor)).lstrip("0") in (digits, f"{digits}0", f"{digits}00".lstrip("0"))


@pytest.mark.parametrize(
    "text, minor",
    [
        ("1,234", 123400), ("1,234,567", 123456700), ("1.234.567", 123456700), ("12,5", 1250),
        ("-41.6", -4160),
        (".50", 50), ("R1", 100), ("ZAR 1 234.56", 123456), ("1 250.00 CR", 125000), ("1250.00DR", -125000),
        ("-5.00 Dr", -500), ("0", 0), ("0.00", 0), ("+509910.25", 50991025), ("5.00 ZAR", 500),
        ("12,50 Kt", 1250),
    ],
)  # fmt: skip
def test_an_amount_reads_as_people_mean_it(text, minor):
    assert amounts.read(text).minor == minor


@pytest.mark.parametrize(
    "text",
    [
        "", "-", "R", "1.234", "0,123", "12.505", "1,23,456", "1 23", "12 345 67", "1e5", "1_000", "NaN",
        "inf",
        "\uff11\uff12", "\u0661", "--5", "-5-", "(-5)", "(5", "5)", "-5.00 Cr", "+5.00 Dr", "5.00 Cr Dr",
        "$5 ZAR",
        "R$5", "5.", "1.2.3", "1,234.5678", "9" * 13, "0x10", "5 5", "=5", "5%",
    ],
)  # fmt: skip
def test_what_could_be_two_amounts_is_none(text):
    with pytest.raises(ValueError, match=r"amount|signs|brackets|contradicts|currencies|large"):
        amounts.read(text)


@pytest.mark.parametrize(
    "text, decimal, minor",
    [
        ("1.234", ",", 123400),
        ("1,234", ".", 123400),
        ("1,23", ",", 123),
        ("1.23", ",", None),
        ("1,23", ".", None),
    ],
)
def test_a_stated_decimal_sign_settles_it(text, decimal, minor):
    if minor is None:
        with pytest.raises(ValueError, match="amount"):
            amounts.read(text, decimal)
    else:
        assert amounts.read(text, decimal).minor == minor


# -- dates ------------------------------------------------------------------------------------------

DAYS = st.dates(date(1990, 1, 1), date(2099, 12, 31))
CLEAR = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y%m%d",
    "%d%b%Y",
    "%d-%b-%Y",
    "%d %B %Y",
    "%Y-%m-%d 08:15",
    "%Y-%m-%dT23:59:59Z",
)


@given(DAYS, st.sampled_from(CLEAR))
def test_a_clear_date_needs_no_order(day, form):
    assert days.read(day.strftime(form)) == day


@given(st.lists(DAYS, min_size=1, max_size=12), st.sampled_from(["%d/%m/%Y", "%m/%d/%Y"]))
def test_an_order_is_proved_by_the_file_or_not_known(some, form):
    texts = [(row, day.strftime(form)) for row, day in enumerate(some, 2)]
    proof = any(day.day > 12 for day in some)
    same = all(day.day == day.month for day in some)
    if proof or same:
        order = days.order_of(texts)
        assert [days.read(text, order) for _, text in texts] == some
    else:
        with pytest.raises(days.OrderUnknown):
            days.order_of(texts)


@pytest.mark.parametrize(
    "text, day",
    [
        ("11 Augustus 2018", date(2018, 8, 11)), ("01Mrt2026", date(2026, 3, 1)),
        ("3 Mei 2026", date(2026, 5, 3)),
        ("04-Okt-26", date(2026, 10, 4)), ("31 Des 2026", date(2026, 12, 31)),
        ("29 Feb 2028", date(2028, 2, 29)),
    ],
)  # fmt: skip
def test_months_are_english_or_afrikaans(text, day):
    assert days.read(text) == day


@pytest.mark.parametrize(
    "text",
    [
        "", "31/02/2026", "2026-02-30", "29 Feb 2027", "46094", "1899-12-30", "1905-01-01", "2026-13-01", "x",
        "２０２６-03-04",
    ],
)  # fmt: skip
def test_what_is_no_day_is_none(text):
    with pytest.raises(ValueError, match=r".*"):
        days.read(text, "dmy")


@given(DAYS.filter(lambda day: day.year < 2098), st.integers(0, 40))
def test_a_day_without_a_year_is_found_in_its_period(first, after):
    day = first + timedelta(days=after)
    assert days.read_within(f"{day:%d %b}", first, first + timedelta(days=60)) == day


def test_money_of_another_currency_never_mixes():
    assert amounts.read("$5.00").currency == "USD"
    assert amounts.read("R5.00").currency == "ZAR"
    assert Money(500, amounts.read("5.00 EUR").currency) == Money(500, "EUR")
