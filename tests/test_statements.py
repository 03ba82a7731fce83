"""Bank and payout files: every sample to the letter, the same statement in each format, each known trap."""

import csv
import dataclasses
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import pytest
from openpyxl import load_workbook

from db.money import Money
from payments import statements
from payments.errors import InvalidInput
from payments.privacy import has_card_number
from payments.statements import Mapping, StatementFormatError, UnknownLayout
from tests.running import manage
from tests.statements.corpus import SAMPLES, Sample, as_json, content, samples, told
from tests.test_no_cards import SPELLINGS
from words import bank as bank_words

HEADING = "Date,Description,Amount,Balance\n"


def read(text: str, name: str = "x.csv", **options):
    return statements.read(name, text.encode(), **options)


def sample(name: str):
    path = SAMPLES / name
    return statements.read(path.name, path.read_bytes())


# -- samples ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("one", [pytest.param(one, id=one.name) for one in samples()])
def test_a_sample_reads_to_the_letter(one: Sample, request):
    found = told(one)
    if request.config.getoption("--update-golden"):
        one.expected.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert found == json.loads(one.expected.read_text(encoding="utf-8"))


def test_there_are_samples_of_every_layout():
    found = {json.loads(one.expected.read_text(encoding="utf-8")).get("layout") for one in samples()}
    assert set(statements.layouts()) <= found
    assert len(samples()) >= 60


def test_every_layout_and_sample_folder_names_its_source():
    readme = (SAMPLES / "README.md").read_text(encoding="utf-8")
    page = (SAMPLES.parent.parent.parent / "docs" / "statements.md").read_text(encoding="utf-8")
    for layout in statements.layouts():
        assert f"`{layout}`" in readme, f"say where {layout} is described"
        assert f"`{layout}`" in page
    assert set(bank_words.LAYOUT) == set(statements.layouts())
    for folder in {one.path.parent.name for one in samples()}:
        assert f"{folder}/" in readme


SAME = (
    "fnb/history-slashes.csv", "fnb/history-dashes.csv", "fnb/history-day-first.csv",
    "fnb/history-nul-bytes.csv", "fnb/recreated.csv", "standard-bank/hist.csv", "xlsx/fnb.xlsx",
    "ofx/sgml.ofx", "ofx/xml.ofx", "mt940/plain.sta", "mt940/in-blocks.mt940", "camt/version-2.xml",
    "camt/version-8.xml", "qif/day-first.qif",
)  # fmt: skip


@pytest.mark.parametrize("name", SAME)
def test_the_same_statement_gives_the_same_lines_in_every_format(name):
    assert content(sample(name)) == content(sample(SAME[0]))


def test_newest_first_is_the_same_statement_with_its_identical_lines_counted_in_time():
    newest_first, oldest_first = sample("fnb/history-newest-first.csv"), sample("fnb/history-slashes.csv")
    assert content(newest_first)[::-1] == content(oldest_first)
    assert (newest_first.opening, newest_first.closing) == (oldest_first.opening, oldest_first.closing)


def test_what_is_read_is_frozen_and_travels():
    statement = sample("fnb/history-slashes.csv")
    assert pickle.loads(pickle.dumps(statement)) == statement
    with pytest.raises(dataclasses.FrozenInstanceError):
        statement.lines[0].amount = Money(1)
    error = UnknownLayout("x.csv", 3, "Why.", (("a", "b"),))
    assert pickle.loads(pickle.dumps(error)).rows == error.rows


# -- dates ------------------------------------------------------------------------------------------


def dated(*days: str) -> str:
    return HEADING + "".join(f"{day},x,1.00,\n" for day in days)


def test_one_row_above_the_twelfth_proves_the_order_of_the_whole_file():
    """03/04 was read as 4 March and 13/04 as 13 April, in the same column."""
    lines = read(dated("03/04/2026", "13/04/2026", "05/04/2026")).lines
    assert [line.date for line in lines] == [date(2026, 4, 3), date(2026, 4, 13), date(2026, 4, 5)]
    lines = read(dated("03/04/2026", "04/13/2026")).lines
    assert [line.date for line in lines] == [date(2026, 3, 4), date(2026, 4, 13)]


def test_when_no_row_proves_the_order_the_file_is_refused_until_a_person_says():
    text = dated("03/04/2026", "05/04/2026")
    with pytest.raises(
        StatementFormatError, match="row 2: 03/04/2026 can be 3 April 2026 or 4 March 2026"
    ) as caught:
        read(text)
    assert (caught.value.file, caught.value.line) == ("x.csv", 2)
    assert read(text, date_order="dmy").lines[0].date == date(2026, 4, 3)
    assert read(text, date_order="mdy").lines[0].date == date(2026, 3, 4)
    with pytest.raises(InvalidInput, match="order of dates"):
        read(text, date_order="ydm")


def test_rows_that_prove_opposite_orders_refuse_the_file():
    with pytest.raises(StatementFormatError, match=r"row 3: .* put day and month differently"):
        read(dated("13/04/2026", "04/14/2026"))


def test_a_day_that_equals_its_month_is_never_ambiguous():
    assert read(dated("04/04/2026", "05/05/2026")).lines[1].date == date(2026, 5, 5)


def test_three_pairs_of_digits_may_begin_with_the_year():
    with pytest.raises(StatementFormatError, match="can be"):
        read(dated("25/03/04"))
    assert read(dated("25/03/04"), date_order="ymd").lines[0].date == date(2025, 3, 4)
    # As year, month, day these would be 29 years of one statement.
    assert read(dated("02/03/26", "31/03/26")).lines[1].date == date(2026, 3, 31)
    assert read(dated("25/03/04", "25/04/17", "25/05/30")).lines[0].date == date(2025, 3, 4)


# -- faults of a row, faults of the file ------------------------------------------------------------


def test_an_unreadable_amount_is_quarantined_and_never_zero():
    """``500.00-`` and ``1,234,567`` became 0.00 and vanished; ``(500.00)`` became money in."""
    statement = read(
        HEADING + '20260302,a,x1,\n20260302,b,500.00-,\n20260302,c,"1,234,567",\n20260302,d,(500.00),\n'
    )
    assert [line.amount.minor for line in statement.lines] == [-50000, 123456700, -50000]
    assert [(row.row, row.reason) for row in statement.quarantined] == [
        (2, "The amount “x1” cannot be read.")
    ]
    assert statement.quarantined[0].date == date(2026, 3, 2)
    assert not statement.balanced


def test_a_quarantined_row_breaks_no_balance_and_hides_no_other_break():
    good = HEADING + "20260302,a,1.00,11.00\n20260303,b,?,13.00\n20260304,c,1.00,14.00\n"
    assert [row.row for row in read(good).quarantined] == [3]
    with pytest.raises(StatementFormatError, match="row 4: The balance is broken"):
        read(good.replace("14.00", "14.01"))


def test_a_row_with_an_unreadable_date_still_counts_in_the_balance():
    text = HEADING + "20260302,a,1.00,11.00\n20260399,b,2.00,13.00\n20260304,c,1.00,14.00\n"
    statement = read(text)
    assert (statement.opening, statement.closing) == (Money(1000), Money(1400))
    assert statement.quarantined[0].amount == Money(200)
    with pytest.raises(StatementFormatError, match="row 3: The balance is broken"):
        read(text.replace("13.00", "13.50"))


@pytest.mark.parametrize("row", range(2, 8))
@pytest.mark.parametrize("cents", [1, -1])
def test_a_balance_that_is_a_cent_off_in_any_row_refuses_the_file(row, cents):
    lines = (SAMPLES / "absa/compact-dates.csv").read_text().splitlines()
    cells = lines[row - 1].split(",")
    balance = int(cells[3].replace(".", "")) + cents
    lines[row - 1] = ",".join([*cells[:3], f"{balance // 100}.{balance % 100:02d}"])
    with pytest.raises(StatementFormatError, match="balance is broken") as caught:
        read("\n".join(lines))
    # A wrong first balance shows in the row after it.
    assert caught.value.line == max(row, 3)


def test_two_true_identical_lines_both_stay():
    """The second of two equal deposits was dropped by a hash of its content."""
    lines = sample("fnb/history-slashes.csv").lines
    assert (
        content(sample("fnb/history-slashes.csv"))[0][:4] == content(sample("fnb/history-slashes.csv"))[1][:4]
    )
    assert [line.ordinal for line in lines[:2]] == [1, 2]
    assert lines[0].balance != lines[1].balance


def test_a_total_is_no_payment_and_a_payment_to_total_is_no_total():
    text = HEADING + "20260302,TOTAL SANDTON GARAGE,-500.00,500.00\nTotal,,-500.00,500.00\n"
    statement = read(text)
    assert [line.description for line in statement.lines] == ["TOTAL SANDTON GARAGE"]
    assert [row.name for row in statement.footers] == ["total"]
    with pytest.raises(StatementFormatError, match="closing balance says"):
        read(text.replace("-500.00,500.00\nTotal,,-500.00,500.00", "-500.00,500.00\nTotal,,-500.00,400.00"))


def test_leading_zeros_and_what_looks_like_a_number_stay_as_they_are():
    for reference in ("000123", "1E5", "NA", "=cmd", "+27825550199", "TRUE"):
        assert read(HEADING + f"20260302,{reference},1.00,\n").lines[0].description == reference


def test_card_numbers_are_masked_everywhere_and_id_numbers_are_no_cards():
    statement = sample("absa/card-number-and-formula.csv")
    shown = json.dumps(as_json(statement))
    assert "4111" not in shown.replace("****1111", "")
    assert "****1111" in statement.lines[0].raw
    assert "8001015009087" in statement.lines[1].description
    unknown = read_unknown("When,What\n02/03/2026,4111 1111 1111 1111\n")
    assert "****1111" in unknown.rows[1][1]


def test_a_thousand_spellings_of_card_numbers_are_masked_in_a_statement():
    file = io.StringIO()
    csv.writer(file).writerows([["Date", "Description", "Amount", "Balance"]])
    csv.writer(file).writerows(["20260302", f"FROM {text}", "1.00", ""] for text in SPELLINGS)
    statement = read(file.getvalue())
    assert len(statement.lines) == len(SPELLINGS)
    assert [line for line in statement.lines if has_card_number(line.description + line.raw)] == []


def read_unknown(text: str) -> UnknownLayout:
    with pytest.raises(UnknownLayout) as caught:
        read(text)
    return caught.value


def test_an_unknown_table_shows_its_first_twenty_rows():
    text = "Head only\n" + "".join(f"{n};x;{n},00\n" for n in range(30))
    error = read_unknown(text)
    assert error.rows[:2] == (("Head only",), ("0", "x", "0,00"))
    assert len(error.rows) == 20
    assert "mapping" in str(error)


@pytest.mark.parametrize(
    "name, data, sentence",
    [
        pytest.param("x.csv", b"a" * (10 * 1024 * 1024 + 1), "larger than 10 MB", id="too large"),
        pytest.param("x.csv", b"\0\0 \n", "is empty", id="nothing in it"),
        pytest.param("x.csv", b"Date,x\x07y\n", "row 1: It holds control characters", id="a bell"),
        pytest.param("x.zip", b"PK\x03\x04rest", "damaged", id="half a zip"),
        pytest.param(
            "../../etc/\u202efdp.csv",
            HEADING.encode() + b"20260302,a,$1.00,\n",
            "fdp.csv, row 2: It is in USD",
            id="a name",
        ),
    ],
)
def test_a_file_is_refused_whole_with_a_sentence(name, data, sentence):
    with pytest.raises(StatementFormatError, match=sentence) as caught:
        statements.read(name, data)
    assert "\u202e" not in str(caught.value)
    assert "/" not in caught.value.file


def test_a_hundred_thousand_lines_are_read_and_one_more_is_refused():
    row = "20260302,x,1.00,\n"
    assert len(read(HEADING + row * 100_000).lines) == 100_000
    with pytest.raises(StatementFormatError, match="more than 100,000 lines"):
        read(HEADING + row * 100_001)


# -- workbooks --------------------------------------------------------------------------------------


def bomb(declared: int | None = None) -> bytes:
    """A workbook whose sheet unpacks to 200 MB of blanks; ``declared`` is what its directory claims."""
    packed = io.BytesIO()
    with (
        zipfile.ZipFile(SAMPLES / "xlsx/absa.xlsx") as good,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as bad,
    ):
        for part in good.namelist():
            sheet = part.endswith("sheet1.xml")
            bad.writestr(part, b" " * 200_000_000 if sheet else good.read(part))
    data = packed.getvalue()
    size = (200_000_000).to_bytes(4, "little")
    return data if declared is None else data.replace(size, declared.to_bytes(4, "little"))


@pytest.mark.parametrize("declared", [None, 2_000], ids=["honest", "lying"])
def test_a_zip_bomb_is_not_unpacked(declared):
    data = bomb(declared)
    assert len(data) < 1_000_000
    with pytest.raises(StatementFormatError):
        statements.read("x.xlsx", data)


def test_excel_numbers_are_what_excel_shows():
    """0.1 + 0.2 is stored as 0.30000000000000004 and shown as 0.3."""
    statement = sample("xlsx/sums-of-floats.xlsx")
    book = load_workbook(SAMPLES / "xlsx/sums-of-floats.xlsx")
    assert str(book.active["C2"].value) == "0.30000000000000004"
    assert statement.lines[0].amount == Money(30)


# -- mappings ---------------------------------------------------------------------------------------

UNKNOWN = (
    "My bank\n\nTrans Date;Narrative;In;Out\n"
    "13/04/2026;N DLAMINI;R 1 234,56;\n14/04/2026;FEE;;20,50\nx;y;;z\n"
)


def made(**changes) -> Mapping:
    told = {
        "name": "mine", "heading": ["Trans Date", "Narrative", "In", "Out"], "date": 0, "description": [1],
        "money_in": 2, "money_out": 3, "decimal": ",",
    }  # fmt: skip
    return Mapping.from_json(told | changes)


def test_any_table_reads_with_a_mapping_that_survives_json():
    mapping = Mapping.from_json(json.loads(json.dumps(made().to_json())))
    assert mapping == made()
    statement = read(UNKNOWN, mapping=mapping)
    assert [line.amount.minor for line in statement.lines] == [123456, -2050]
    assert [row.row for row in statement.quarantined] == [6]
    assert [row.name for row in statement.headers] == ["head", "heading"]


def test_a_mapping_refuses_a_file_whose_heading_is_another():
    with pytest.raises(StatementFormatError, match="heading row that the mapping “mine”"):
        read(UNKNOWN.replace("In;Out", "Out;In"), mapping=made())


def test_the_preview_shows_each_cell_that_cannot_be_read():
    shown = statements.preview(made(), UNKNOWN.encode())
    assert shown.fault == ""
    assert [(row.date, row.amount) for row in shown.rows[:2]] == [
        (date(2026, 4, 13), Money(123456)),
        (date(2026, 4, 14), Money(-2050)),
    ]
    assert set(shown.rows[2].errors) == {"date", "amount"}
    assert len(statements.preview(made(), (UNKNOWN + "14/04/2026;FEE;;1,00\n" * 40).encode()).rows) == 20


@pytest.mark.parametrize(
    "data, sentence",
    [
        pytest.param(
            UNKNOWN.replace("13/", "03/").replace("14/", "05/").encode(), "Say the order", id="ambiguous"
        ),
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"%PDF-1.7", "PDF", id="a PDF"),
        pytest.param(b"a;b\n1;2\n", "heading row", id="another heading"),
    ],
)
def test_the_preview_says_what_would_refuse_the_file(data, sentence):
    assert sentence in statements.preview(made(), data).fault


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": 1},
        {"money_in": None},
        {"money_in": None, "money_out": None},
        {"date": -1},
        {"date": True},
        {"date": "0"},
        {"date": None},
        {"description": []},
        {"description": ["x"]},
        {"decimal": ";"},
        {"date_order": "ydm"},
        {"separator": ":"},
        {"encoding": "utf-7"},
        {"currency": "BWP"},
        {"first_row": 0},
        {"colour": "blue"},
    ],
    ids=str,
)
def test_a_mapping_that_makes_no_sense_is_refused(changes):
    with pytest.raises(InvalidInput):
        made(**changes)


def test_a_file_like_tymebanks_goes_through_the_mapping_and_one_with_a_plain_heading_is_read():
    """Nobody describes TymeBank's file: columns of its own are proposed, and a person confirms them."""
    data = (SAMPLES / "mapped" / "tymebank-like.csv").read_bytes()
    with pytest.raises(statements.UnknownLayout) as asked:
        statements.read("tymebank.csv", data)
    proposed = statements.suggest(list(enumerate(asked.value.rows, 1)))
    meant = ("date", "description", "fee", "money_out", "money_in", "balance")
    assert {key: proposed[key] for key in meant} == {
        "date": 0, "description": [1], "fee": 2, "money_out": 3, "money_in": 4, "balance": 5,
    }  # fmt: skip
    plain = (
        b"Date,Description,Amount,Balance\n2026-11-02,Shop,-100.00,400.00\n2026-11-13,Refund,50.00,450.00\n"
    )
    assert [line.amount.minor for line in statements.read("tymebank.csv", plain).lines] == [-100_00, 50_00]


@pytest.mark.parametrize(
    ("lines", "amount", "description"),
    [
        pytest.param(["03.11.2026|Miete|150,00", "04.11.2026|Brot|20,00"], 2, [1], id="days with dots"),
        pytest.param(["20261103|150,00|Miete", "20261104|20,00|Brot"], 1, [2], id="days without"),
        pytest.param(["03.11.2026|03.11.26|Miete|150,00"], 3, [2], id="a second day, of two digits"),
        pytest.param(["03.11.2026|7|Miete|150,00", "03.11.2026|9|Brot|20,00"], 3, [2], id="a branch before"),
        pytest.param(["03.11.2026|1|Miete|150", "03.11.2026|2|Brot|20"], 3, [2], id="the rows' own numbers"),
        pytest.param(["03.11.2026|2|Miete|150", "03.11.2026|1|Brot|20"], 3, [2], id="the newest first"),
        pytest.param(["03.11.2026|Miete|150", "03.11.2026|Brot|20"], 2, [1], id="whole amounts"),
        pytest.param(["3 November 2026|Miete|-"], None, [1], id="a day of more letters, and no amount"),
    ],
)
def test_what_cells_show_without_headings_takes_no_day_and_no_row_number(lines, amount, description):
    found = statements.by_content([line.split("|") for line in lines], {})
    assert (found.get("amount"), found["description"]) == (amount, description)


def test_headings_suggest_a_mapping():
    rows = [(1, ["My bank"]), (3, ["Date", "Narrative", "Money In", "Money Out", "Balance", ""])]
    assert statements.suggest(rows) == {
        "date": 0, "description": [1], "reference": [], "money_in": 2, "money_out": 3, "balance": 4,
        "heading": ["Date", "Narrative", "Money In", "Money Out", "Balance"], "first_row": 4,
    }  # fmt: skip
    assert statements.suggest([(1, ["a", "b"])]) == {}


# -- the command ------------------------------------------------------------------------------------


def command(*words: str) -> subprocess.CompletedProcess[str]:
    return manage({"PATH": os.environ["PATH"]}, "read-statement", *words)


@pytest.mark.processes
def test_the_command_answers_with_json_or_a_sentence_with_the_row(tmp_path: Path):
    done = command(str(SAMPLES / "capitec/business.csv"), "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 0
    assert list(told) == [
        "layout", "account", "currency", "opening_minor", "closing_minor", "lines", "quarantined",
        "headers", "footers",
    ]  # fmt: skip
    assert told["lines"][0] == {
        "date": "2026-03-02",
        "amount_minor": 75000,
        "description": "Inward EFT Credit",
        "reference": "DEMOREG7K2MPQ4",
    }
    assert (
        told["opening_minor"] + sum(line["amount_minor"] for line in told["lines"]) == told["closing_minor"]
    )
    refused = command(str(SAMPLES / "fnb/history-ambiguous-dates.csv"), "--json")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "row 4" in refused.stderr
    assert "Traceback" not in refused.stderr
    ordered = command(str(SAMPLES / "fnb/history-ambiguous-dates.csv"), "--date-order", "dmy")
    assert ordered.returncode == 0
    assert "They prove each other" in ordered.stdout


@pytest.mark.processes
def test_the_command_takes_a_mapping(tmp_path: Path):
    file = SAMPLES / "mapped/ikhokha-settlement.csv"
    assert "mapping" in command(str(file)).stderr
    told = json.loads(command(str(file), "--json", "--mapping", f"{file}.mapping.json").stdout)
    assert [line["amount_minor"] for line in told["lines"]] == [75000, 75000, -75000]
    (tmp_path / "m.json").write_text("{")
    assert "not a mapping" in command(str(file), "--mapping", str(tmp_path / "m.json")).stderr


# -- speed ------------------------------------------------------------------------------------------

MEASURED = """
import re, sys, time
from payments import statements
data = open(sys.argv[1], "rb").read()
began = time.process_time()
statement = statements.read("x.csv", data)
seconds = time.process_time() - began
assert len(statement.lines) == 100_000 and statement.balanced
# Not ru_maxrss: that begins with the memory of the process which started this one.
peak = re.search("VmHWM:\\s+(\\d+)", open("/proc/self/status").read())
print(seconds, int(peak[1]) // 1024)
"""


def test_a_hundred_thousand_lines_in_ten_seconds_and_300_mb(tmp_path: Path):
    """Seconds of the processor: others share it. Reading may take four times the goal of a whole import."""
    rows = ["ACCOUNT TRANSACTION HISTORY,,,,,,,", "FOR ACCOUNT NUMBER 62000012345,,,,,,,"]
    rows.append("Date,SERVICE FEE,Amount,DESCRIPTION,REFERENCE,Balance,CHEQUE NUMBER,")
    for number in range(100_000):
        day = f"2026/{number // 9000 + 1:02d}/{number // 360 % 25 + 1:02d}"
        balance = f"{number * 7 + (number + 1) // 2 + 7}.{'00' if number % 2 else '50'}"
        payer = f"FNB APP PAYMENT FROM PAYER {number},DEMOREG{number:07d}"
        rows.append(f"{day},0,7.50,{payer},{balance},0,")
    (tmp_path / "x.csv").write_text("\n".join(rows))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(tmp_path / "x.csv")],
        cwd=SAMPLES.parent.parent.parent, capture_output=True, text=True, timeout=150,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    seconds, megabytes = done.stdout.split()
    print(f"100,000 lines: {float(seconds):.1f} s, {megabytes} MB")
    assert float(seconds) < 40
    assert int(megabytes) < 300
