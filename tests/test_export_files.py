"""Files as others meet them: Excel's format, a file that is brought back, and what memory one takes."""

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from db.money import Money
from db.session import Sessions, takes_long
from payments.access import staff
from payments.access.people import SYSTEM, Person, Role
from payments.errors import Conflict, InvalidInput, NotFound
from payments.exports import presets, records, verify, xlsx_file
from payments.exports.delivery import Delivery
from payments.exports.layout import COLUMNS, Format, Layout, Separator, Zone
from payments.exports.run import BrokenOff, Children
from payments.exports.verify import Word
from payments.finding import search
from payments.finding.conditions import Filter
from tests.desk import ADMIN, make_event
from tests.samples import make_many, make_payment
from tests.test_exports import HOSTILE, NOW, written

SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
XLSX = Layout(format=Format.XLSX)
FINANCE = Person(9, "Mpho Dube", "mpho@example.org", Role.FINANCE, None)


@pytest.fixture
def crowd(sessions: Sessions, now: datetime) -> Iterator[Session]:
    with sessions.begin() as session:
        events = [make_event(session, code, now=now) for code in ("devconf", "expo")]
        events[1].currency = "USD"
        make_many(session, events, now=now, count=60)
        for name in (name for name in HOSTILE if "\r" not in name):
            make_payment(session, events[0], now=now, payer_name=name, payer_phone="0821234567", note=name)
    with sessions.read() as session:
        yield session


# -- Excel's format ---------------------------------------------------------------------------------


def part(data: bytes, name: str) -> str:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(name).decode()


def cells(data: bytes, sheet: int = 1) -> list[dict[str, tuple[str, str]]]:
    """Rows of a sheet: column letters to type and value."""
    root = ElementTree.fromstring(part(data, f"xl/worksheets/sheet{sheet}.xml"))
    return [
        {
            cell.get("r", "").rstrip("0123456789"): (
                cell.get("t", "n"),
                "".join(cell.itertext()),
            )
            for cell in row
        }
        for row in root.iter(f"{SHEET}row")
    ]


def test_money_and_dates_are_numbers_and_texts_are_texts(crowd: Session):
    chosen = Layout(Format.XLSX, ("reference", "payer", "phone", "amount", "currency", "created_sast"))
    data = written(crowd, Filter(), chosen)
    rows = cells(data)
    shown = list(search.rows(crowd, ADMIN, Filter()))
    assert [cell[1] for cell in rows[0].values()] == list(chosen.columns)
    for row, expected in zip(rows[1 : len(shown) + 1], shown, strict=True):
        assert row["A"] == ("inlineStr", expected.reference)
        assert row["B"] == ("inlineStr", expected.payer_name)
        if expected.payer_phone:
            assert row["C"] == ("inlineStr", expected.payer_phone)
        assert row["D"][0] == row["F"][0] == "n"
        assert Decimal(row["D"][1]) == Decimal(expected.amount.decimal)
        assert row["E"] == ("inlineStr", expected.amount.currency)
    assert "0821234567" in {row["C"][1] for row in rows[1:] if "C" in row}


def test_there_is_no_formula_a_heading_stays_and_a_filter_covers_the_rows(crowd: Session):
    data = written(crowd, Filter(), XLSX)
    count = search.totals(crowd, ADMIN, Filter()).count
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheets = [archive.read(name).decode() for name in archive.namelist() if "worksheets/" in name]
    assert len(sheets) == 2
    assert all("<f>" not in sheet and "<f " not in sheet and "hyperlink" not in sheet for sheet in sheets)
    assert f'<autoFilter ref="A1:V{count + 1}"/>' in sheets[0]
    assert 'topLeftCell="A2"' in sheets[0]
    assert 'state="frozen"' in sheets[0]
    assert "&quot;R&quot;#,##0.00" in part(data, "xl/styles.xml")


def test_the_totals_stand_under_the_rows_by_currency(crowd: Session):
    chosen = Layout(Format.XLSX, ("reference", "currency", "amount", "received"))
    rows = cells(written(crowd, Filter(), chosen))
    totals = search.totals(crowd, ADMIN, Filter())
    told = {row["A"][1]: row for row in rows[1:] if row and row["A"][1].startswith("Total")}
    assert {label.split(",")[0] for label in told} == {f"Total {currency}" for currency in totals.sums}
    for label, row in told.items():
        currency = label[6:9]
        assert Decimal(row["C"][1]) == Decimal(totals.sums[currency].decimal)
        assert Decimal(row["D"][1]) == Decimal(totals.received[currency].decimal)


def test_more_rows_than_a_sheet_holds_go_on_to_the_next(crowd: Session, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(xlsx_file, "ROWS_A_SHEET", 25)
    data = written(crowd, Filter(), Layout(Format.XLSX, ("reference", "amount", "currency")))
    shown = [row.reference for row in search.rows(crowd, ADMIN, Filter())]
    sheets = -(-len(shown) // 25)
    names = re.findall(r'<sheet name="([^"]+)"', part(data, "xl/workbook.xml"))
    assert names == ["Payments", *(f"Payments {nth}" for nth in range(2, sheets + 1)), "About this file"]
    found = [row["A"][1] for nth in range(1, sheets + 1) for row in cells(data, nth) if "A" in row]
    heading = [name for name in found if name == "reference"]
    assert len(heading) == sheets
    assert [name for name in found if name != "reference" and not name.startswith("Total")] == shown


def test_the_last_sheet_says_what_the_file_is(crowd: Session):
    rows = cells(written(crowd, Filter(text="zoe"), Layout(Format.XLSX, zone=Zone.UTC)), 2)
    told = {row["A"][1]: row["B"][1] for row in rows}
    assert told["export"] == "EXP_TEST"
    assert told["made"] == "2026-11-23 10:00:00"
    assert told["time zone"] == "UTC"
    assert told["filter"] == "payments by a text"
    assert int(told["rows"]) == search.totals(crowd, ADMIN, Filter(text="zoe")).count
    assert not any("zoe" in value.casefold() for value in told.values())


def test_a_text_that_does_not_fit_a_cell_breaks_the_file(sessions: Sessions, now: datetime):
    """Excel's cells hold 32,767 characters: none is cut."""
    with sessions.begin() as session:
        make_payment(session, make_event(session, now=now), now=now, note="x" * 32_768)
        asked = records.ask(session, ADMIN, Filter(), XLSX, demo=True, now=NOW)
    delivery = Delivery(sessions, Children(sessions.engine.dialect.name), ADMIN, asked.reference, lambda: NOW)
    with pytest.raises(BrokenOff):
        list(delivery.pieces())
    delivery.end("A text is too long for a cell.")
    with sessions.read() as session:
        assert records.get(session, ADMIN, asked.reference).state == records.BROKEN


# -- verification -----------------------------------------------------------------------------------


@pytest.fixture
def taken(sessions: Sessions, crowd: Session, tmp_path: Path) -> dict[str, tuple[Path, str]]:
    """Files as people have them, by format, and the exports they are."""
    children = Children(sessions.engine.dialect.name)
    found = {}
    for format_ in Format:
        chosen = Layout(format_, separator=Separator.SEMICOLON, ending=True)
        with sessions.begin() as session:
            asked = records.ask(session, ADMIN, Filter(), chosen, demo=True, now=NOW)
        delivery = Delivery(sessions, children, ADMIN, asked.reference, lambda: NOW)
        path = tmp_path / asked.file_name
        path.write_bytes(b"".join(delivery.pieces()))
        delivery.end()
        found[str(format_)] = (path, asked.reference)
    children.close()
    return found


def judged(sessions: Sessions, path: Path, person: Person = ADMIN, name: str = "") -> verify.Verdict:
    with path.open("rb") as file, sessions.read() as session:
        return verify.verify(session, person, file, name or path.name)


def test_a_file_as_it_left_is_genuine_whoever_brings_it(
    sessions: Sessions, taken: dict[str, tuple[Path, str]]
):
    for path, reference in taken.values():
        for person in (ADMIN, FINANCE):
            verdict = judged(sessions, path, person, "renamed.bin")
            assert (verdict.word, verdict.claims) == (Word.GENUINE, reference)
            assert verdict.export is not None
            assert verdict.export.actor == ADMIN.email


def test_a_row_taken_out_and_an_amount_changed_are_told(
    sessions: Sessions, taken: dict[str, tuple[Path, str]]
):
    path, reference = taken["csv"]
    rows = path.read_bytes().split(b"\r\n")
    gone = next(nth for nth, row in enumerate(rows) if b'"150.00"' in row and b'"ZAR"' in row)
    path.write_bytes(b"\r\n".join(rows[:gone] + rows[gone + 1 :]))
    with sessions.read() as session:
        totals = search.totals(session, ADMIN, Filter())
    verdict = judged(sessions, path)
    assert (verdict.word, verdict.claims) == (Word.CHANGED, reference)
    zar = totals.sums["ZAR"]
    assert f"It holds {totals.count - 1} payments; {totals.count} were exported." in verdict.differences
    assert f"{zar - Money(15_000)} asked; {zar} was exported." in verdict.differences
    assert judged(sessions, path, FINANCE).word is Word.UNKNOWN


def test_a_changed_excel_file_is_compared_by_what_it_holds(
    sessions: Sessions, taken: dict[str, tuple[Path, str]], tmp_path: Path
):
    path, reference = taken["xlsx"]
    changed = tmp_path / "changed.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "xl/worksheets/sheet1.xml":
                data, count = re.subn(rb"<v>150.00</v>", b"<v>151.00</v>", data, count=1)
                assert count == 1
            new.writestr(name, data)
    verdict = judged(sessions, changed)
    assert (verdict.word, verdict.claims) == (Word.CHANGED, reference)
    [told] = verdict.differences  # the one cell, and nothing that a reader of ours left out
    assert re.fullmatch(r"(R|USD)[\s0-9.]+ (asked|received); (R|USD)[\s0-9.]+ was exported.", told)
    resaved = tmp_path / "same.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(resaved, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))
    [told] = judged(sessions, resaved).differences
    assert told.startswith("Count and sums are those that were exported")


def test_a_file_cut_anywhere_is_no_file_of_ours(sessions: Sessions, taken: dict[str, tuple[Path, str]]):
    """A download that broke off, a disk that was full: also when it ends behind a whole line."""
    path, reference = taken["csv"]
    whole = path.read_bytes()
    line_ends = [match.end() for match in re.finditer(b"\r\n", whole)]
    for cut in (len(whole) - 1, len(whole) // 2, line_ends[-2], line_ends[3], 10):
        path.write_bytes(whole[:cut])
        verdict = judged(sessions, path)
        assert (verdict.word, verdict.claims) == (Word.CHANGED, reference)
        assert verdict.differences


def test_a_changed_name_is_told_though_the_sums_agree(sessions: Sessions, taken: dict[str, tuple[Path, str]]):
    path, _ = taken["csv"]
    path.write_bytes(path.read_bytes().replace(b"Zanele Mokoena", b"Zanele Mokoenb", 1))
    verdict = judged(sessions, path)
    assert verdict.word is Word.CHANGED
    assert "a text in it was changed" in verdict.differences[0]


@pytest.mark.parametrize(
    "data",
    [b"", b"\0" * 10, b"reference\r\n1", b"PK\x03\x04 nothing", b"DEMO_EXP_2222222", b"\xff" * 9_000],
    ids=["empty", "zeros", "some CSV", "no archive", "an export that never was", "no text"],
)
def test_what_never_was_ours_is_unknown(sessions: Sessions, tmp_path: Path, data: bytes):
    path = tmp_path / "brought"
    path.write_bytes(data)
    verdict = judged(sessions, path)
    assert (verdict.word, verdict.export) == (Word.UNKNOWN, None)


# -- presets ----------------------------------------------------------------------------------------


def test_presets_are_ones_own_or_shared_with_the_role(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        several = [
            staff.create_person(
                session,
                SYSTEM,
                name=name,
                email=f"{name.lower()}@example.org",
                role=role,
                events=None,
                now=now,
            )
            for name, role in (("Pieter", Role.FINANCE), ("Lebo", Role.FINANCE), ("Aisha", Role.ORGANISER))
        ]
    pieter, lebo, aisha = several
    chosen = Layout(Format.XLSX, ("reference", "amount"))
    with sessions.begin() as session:
        presets.save(session, pieter, "  Bank  ", Layout(), shared=False, now=now)
        presets.save(session, pieter, "Bank", chosen, shared=True, now=now)
        presets.save(session, pieter, "Mine", Layout(), shared=False, now=now)
    with sessions.read() as session:
        assert [preset.name for preset in presets.list_presets(session, pieter)] == ["Bank", "Mine"]
        assert [(p.name, p.layout, p.own) for p in presets.list_presets(session, lebo)] == [
            ("Bank", chosen, False)
        ]
        assert presets.list_presets(session, aisha) == []
        assert presets.named(session, lebo, "Bank").layout == chosen
    with pytest.raises(NotFound), sessions.begin() as session:
        presets.forget(session, lebo, "Bank", now=now)
    with sessions.begin() as session:
        presets.forget(session, pieter, "Bank", now=now)
    with sessions.read() as session, pytest.raises(NotFound, match="no preset “Bank”"):
        presets.named(session, lebo, "Bank")


def test_a_preset_needs_a_name_and_a_person(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        person = staff.create_person(
            session, SYSTEM, name="Pieter", email="p@example.org", role=Role.FINANCE, events=None, now=now
        )
    with pytest.raises(InvalidInput), sessions.begin() as session:
        presets.save(session, person, "  ", Layout(), shared=False, now=now)
    with pytest.raises(Conflict, match="--as"), sessions.begin() as session:
        presets.save(session, SYSTEM, "x", Layout(), shared=False, now=now)


# -- memory -----------------------------------------------------------------------------------------

_COPIES = """
INSERT INTO payments (reference, event_id, mode, status, amount_minor, amount_currency, received_minor,
    refunded_minor, payer_name, payer_email, payer_phone, note, version, created_by, created_at, updated_at,
    search_text)
WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :count)
SELECT 'DEMO_C_' || n, event_id, mode, status, amount_minor, amount_currency, received_minor, refunded_minor,
    payer_name, payer_email, payer_phone, note, version, created_by, created_at, updated_at, search_text
FROM payments, numbers WHERE payments.id = :id
"""


def peak_mb(pid: int) -> float:
    """The most memory it has had so far; 0 when it has ended already."""
    status = Path(f"/proc/{pid}/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(match[1]) / 1024 if match else 0.0


#: All but who pays, which would take a second person.
IMPERSONAL = Layout(columns=tuple(name for name in Layout().columns if not COLUMNS[name].personal))


def peak_of(sessions: Sessions, children: Children, wanted: Filter, rows: int) -> float:
    """The most memory of the child that writes this file."""
    with sessions.begin() as session:
        asked = records.ask(session, ADMIN, wanted, IMPERSONAL, demo=True, now=NOW)
    delivery = Delivery(sessions, children, ADMIN, asked.reference, lambda: NOW)
    peak = max(peak_mb(delivery.child) for piece in delivery.pieces() if piece)
    assert delivery.contents is not None
    assert delivery.contents.rows == rows
    delivery.end()
    return peak


@pytest.mark.timeout(600)
def test_a_hundred_thousand_rows_take_no_more_memory_than_one(sessions: Sessions, now: datetime):
    with sessions.begin() as session:
        takes_long(session)
        event = make_event(session, now=now)
        first = make_payment(session, event, now=now, note="x" * 60)
        few = make_payment(session, make_event(session, "few", now=now), now=now)
        session.execute(text(_COPIES), {"count": 100_000, "id": first.id})
        assert few.event_id != event.id
    children = Children(sessions.engine.dialect.name)
    # so small a file may be whole before anybody looks at its child
    small = next(filter(None, (peak_of(sessions, children, Filter(events=("few",)), 1) for _ in range(50))))
    large = peak_of(sessions, children, Filter(events=("devconf",)), 100_001)
    children.close()
    assert 0 < large < 4 * 60
    assert large - small < 4 * 5
