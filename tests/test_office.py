"""Files of payments in a real spreadsheet: LibreOffice makes no formula of any text, and adds up what we did.

It is started twice here. ``make office`` opens the CSV files split at each separator there is, as whoever has
other settings than the file was made for sees them.
"""

import re
import shutil
import subprocess
from collections import Counter
from decimal import Decimal
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest
from sqlalchemy.orm import Session

from db.session import Sessions, open_engine
from payments.exports import csv_file
from payments.exports.cells import guard
from payments.exports.layout import SIGNS, Format, Layout, Separator
from payments.finding import search
from payments.finding.search import Filter
from tests.desk import ADMIN, make_event
from tests.hostile import NAMES
from tests.install_office import installed
from tests.samples import make_many, make_payment
from tests.test_exports import HOSTILE, NOW, PIECES, written

pytestmark = [pytest.mark.office, pytest.mark.timeout(600)]
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
VALUE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}value"
COLUMNS = ("reference", "payer", "email", "note", "currency", "amount", "received")
FORMULA = re.compile(r"table:formula=")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "split_at" in metafunc.fixturenames:
        metafunc.parametrize("split_at", metafunc.config.getoption("--separators").split(","))


@pytest.fixture(scope="module")
def office() -> Path:
    program = installed()
    if program is None:
        pytest.skip("LibreOffice is not installed: `make test` installs it")
    return program


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Sessions:
    """A desk on which every payer has a name nobody is called, beside the usual ones."""
    path = tmp_path_factory.mktemp("hostile") / "paydesk.db"
    shutil.copy(sqlite_template, path)
    desk = Sessions(open_engine(f"sqlite:///{path}"))
    with desk.begin() as session:
        events = [make_event(session, code, now=NOW) for code in ("devconf", "expo")]
        events[1].currency = "USD"
        make_many(session, events, now=NOW, count=60)
        for name in (*NAMES, *HOSTILE):
            make_payment(session, events[0], now=NOW, payer_name=name, payer_email=name, note=name)
    return desk


def converted(office: Path, files: list[Path], *options: str) -> list[str]:
    """What LibreOffice makes of the files, as its own format in plain XML; its profile lies beside them."""
    folder = files[0].parent / "made"
    profile = f"-env:UserInstallation={(files[0].parent / 'profile').as_uri()}"
    command = [office, profile, "--headless", "--convert-to", "fods", *options, "--outdir", folder, *files]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [(folder / f"{file.stem}.fods").read_text("utf-8") for file in files]


def drawn_rows() -> list[list[str]]:
    """A thousand rows of what formulas, separators and unseen characters can be put together to."""
    dice = Random(48)
    return [["".join(dice.choices(PIECES, k=dice.randrange(9))) for _ in range(4)] for _ in range(1_000)]


def test_no_text_in_a_csv_file_becomes_a_formula(
    office: Path, sessions: Sessions, tmp_path: Path, split_at: str
):
    rows = [*drawn_rows(), *([name] * 4 for name in (*NAMES, *HOSTILE))]
    plain = [[cell.replace("\0", "") for cell in row] for row in rows]
    files = []
    with sessions.read() as session:
        for word, sign in SIGNS.items():
            files += [tmp_path / f"{word}-drawn.csv", tmp_path / f"{word}-export.csv"]
            lines = (csv_file.line([guard(cell) for cell in row], sign) for row in rows)
            files[-2].write_bytes("".join(lines).encode())
            chosen = Layout(separator=word, columns=COLUMNS, opening=True, ending=True)
            files[-1].write_bytes(written(session, Filter(), chosen))
    bare = tmp_path / "bare.csv"
    bare.write_bytes("".join(csv_file.line(row, SIGNS[Separator(split_at)]) for row in plain).encode())
    # quoted by ", UTF-8, from line 1, numbers looked for, formulas computed
    looked = f"{ord(SIGNS[Separator(split_at)])},34,76,1,,0,false,true,false,false,false,-1,true"
    *guarded, unguarded = converted(office, [*files, bare], f"--infilter=CSV:{looked}")
    assert {file.name: len(FORMULA.findall(made)) for file, made in zip(files, guarded, strict=True)} == {
        file.name: 0 for file in files
    }
    assert len(FORMULA.findall(unguarded)) > 50, "LibreOffice would not have found one anyway"


def test_an_excel_file_holds_no_formula_and_adds_up_to_the_same_totals(
    office: Path, sessions: Sessions, tmp_path: Path
):
    path = tmp_path / "payments.xlsx"
    with sessions.read() as session:
        path.write_bytes(written(session, Filter(), Layout(Format.XLSX, COLUMNS)))
        [made] = converted(office, [path])
        assert not FORMULA.search(made)
        _is_what_the_screen_says(session, cells_of(made, "Payments")[1:])


def _is_what_the_screen_says(session: Session, rows: list[list[str]]) -> None:
    totals = search.totals(session, ADMIN, Filter())
    kept = [dict(zip(COLUMNS, row, strict=False)) for row in rows if len(row) == len(COLUMNS) and row[4]]
    assert len(kept) == totals.count
    asked: Counter[str] = Counter()
    for row in kept:
        asked[row["currency"]] += int(Decimal(row["amount"]).scaleb(2))
    assert asked == {currency: money.minor for currency, money in totals.sums.items()}
    told = {row[0].split(",")[0]: Decimal(row[5]) for row in rows if row and row[0].startswith("Total ")}
    assert told == {f"Total {currency}": Decimal(money.decimal) for currency, money in totals.sums.items()}


def cells_of(document: str, sheet: str) -> list[list[str]]:
    """The rows of a sheet that hold something: a number as LibreOffice keeps it, else the text it shows."""
    root = ElementTree.fromstring(document)
    [table] = [found for found in root.iter(f"{TABLE}table") if found.get(f"{TABLE}name") == sheet]
    rows = []
    for row in table.iter(f"{TABLE}table-row"):
        cells: list[str] = []
        for cell in row:
            text = cell.get(VALUE) or "\n".join("".join(part.itertext()) for part in cell)
            cells += [text] * int(cell.get(f"{TABLE}number-columns-repeated", 1))
        while cells and not cells[-1]:
            cells.pop()
        if cells:
            rows.append(cells)
    return rows
