"""Records of the earlier system: the nine shapes and their oddities, each in its place, and each once."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select

from db.models import Event, LegacyIssue, LegacyRecord, OutboxMail, Payment, Receipt
from db.money import Money
from db.session import Sessions
from payments import legacy
from payments.access.people import Person, Role
from payments.books import integrity
from payments.errors import Conflict, InvalidInput, NotAllowed
from payments.finding import filters, search
from payments.finding.conditions import Filter
from payments.legacy import Fault, Way, files, reading
from payments.lifecycle import Status
from payments.live import tallies
from tests.desk import ADMIN, make_event

ORGANISER = Person(3, "Aisha Patel", "aisha@example.org", Role.ORGANISER, frozenset({1}))


def record(**fields: Any) -> dict[str, Any]:
    """A record as nearly all of them are, with what is told otherwise; None takes a field away."""
    usual = {
        "full_name": "Thandéka Nkosi",
        "email": "thandeka@example.org",
        "conference_code": "CONF-2026-GIIP-A1B2C3D4",
        "conference_name": "GIIP 2026",
        "registration_type": "student_author",
        "total_amount": 1299.99,
        "payment_status": "pending",
        "created_at": "2025-12-01T10:00:00",
    }
    return {name: value for name, value in (usual | fields).items() if value is not None}


def as_file(*records: Any, **keyed: Any) -> bytes:
    return json.dumps(keyed or list(records), ensure_ascii=False).encode()


def read(**fields: Any) -> legacy.OldRecord:
    (entry,) = files.entries("x.json", as_file(record(**fields)))
    assert entry.fields is not None
    return reading.read(entry.fields, "ZAR")


def faults(old: legacy.OldRecord) -> set[Fault]:
    return {issue.fault for issue in old.issues}


# -- one record -----------------------------------------------------------------------------------------

SHAPES = {
    "L1": {"payment_proof": "payments/REG_9_payment.pdf", "status": "approved", "payment_status": None},
    "L2": {"payment_proof": "payments/20250301101500_slip.pdf", "created_at": "2025-03-01 10:15:00"},
    "L3": {"payment_proof_url": "/static/uploads/payments/slip.png", "payment_reference": "NKOSI T"},
    "L4": {"payment_proof": {"url": None, "filename": "slip.pdf", "path": None, "type": None, "size": 12}},
    "L5": {
        "payment_proof": "u17_1740000000_ab12.pdf",
        "payment_metadata": {"original_filename": "my slip.pdf", "file_size": 2048, "status": "uploaded"},
        "payment_notes": "paid at FNB",
    },
    "L6": {"payment_proof": "payments/REG_9_payment.pdf", "paper": {"title": "On queues"}},
    "L7": {"total_amount": None, "status": "pending"},
    "L8": {
        "payment_method": "ikhokha",
        "conference_code": None,
        "conference_name": None,
        "transaction_reference": "REG_u17_1764436452",
        "payment_status": "paid",
    },
    "L9": {"payment_method": "yoco", "total_amount": 100},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_each_of_the_nine_shapes_is_known(shape: str) -> None:
    assert read(**SHAPES[shape]).shape == shape


@pytest.mark.parametrize(
    ("fields", "way"),
    [
        pytest.param({"payment_method": "ikhokha"}, Way.ONLINE, id="ikhokha"),
        pytest.param({"payment_method": "yoco"}, Way.ONLINE, id="yoco"),
        pytest.param({"payment_proof_url": "/static/x.pdf"}, Way.MANUAL, id="a proof"),
        pytest.param({"payment_proof": {"url": None, "size": None}}, Way.MANUAL, id="a proof of nothing"),
        pytest.param({}, Way.UNKNOWN, id="neither"),
        pytest.param({"transaction_reference": "DEMO_REG_x_1"}, Way.DEMO, id="a trial"),
        pytest.param(
            {"transaction_reference": "demo_reg_x_1", "payment_method": "ikhokha"},
            Way.DEMO,
            id="a trial online",
        ),
    ],
)
def test_how_it_was_to_be_paid(fields: dict[str, Any], way: Way) -> None:
    assert read(**fields).way is way


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        pytest.param({"payment_status": "approved"}, Status.PAID, id="approved by a person"),
        pytest.param({"payment_status": "paid"}, Status.CLAIMED, id="paid was never asked"),
        pytest.param(
            {"payment_status": "paid", "payment_method": "ikhokha"}, Status.CLAIMED, id="paid online"
        ),
        pytest.param({"payment_status": "rejected"}, Status.FAILED, id="rejected"),
        pytest.param({"payment_status": "waived"}, Status.WAIVED, id="waived"),
        pytest.param({"payment_status": None}, Status.OPEN, id="missing"),
        pytest.param({"payment_status": None, "status": "Approved"}, Status.PAID, id="in the older field"),
        pytest.param({"payment_status": "half"}, Status.OPEN, id="an unknown word"),
    ],
)
def test_what_its_word_means(fields: dict[str, Any], status: Status) -> None:
    old = read(**fields)
    assert old.status is status
    assert (Fault.STATUS_UNKNOWN in faults(old)) == (old.word == "half")


@pytest.mark.parametrize(
    ("written", "minor", "fault"),
    [
        pytest.param(1299.99, 129_999, None, id="a number"),
        pytest.param(1299, 129_900, None, id="a whole one"),
        pytest.param("R1 299.99", 129_999, None, id="as people write it"),
        pytest.param("1,299.99", 129_999, None, id="with a comma"),
        pytest.param("1299.995", 130_000, None, id="half a cent goes up"),
        pytest.param(0.005, 1, None, id="half a cent alone"),
        pytest.param("1299.5", 129_950, None, id="one decimal"),
        pytest.param(0, 0, Fault.AMOUNT_ZERO, id="nothing"),
        pytest.param(None, 0, Fault.AMOUNT_MISSING, id="absent"),
        pytest.param("", 0, Fault.AMOUNT_MISSING, id="empty"),
        pytest.param("twelve", 0, Fault.AMOUNT_UNREADABLE, id="words"),
        pytest.param(-5, 0, Fault.AMOUNT_UNREADABLE, id="less than nothing"),
        pytest.param("1e999999", 0, Fault.AMOUNT_UNREADABLE, id="beyond any number"),
        pytest.param(1e30, 0, Fault.AMOUNT_UNREADABLE, id="too much"),
        pytest.param(True, 0, Fault.AMOUNT_UNREADABLE, id="a yes"),
        pytest.param([1], 0, Fault.AMOUNT_UNREADABLE, id="a list"),
        pytest.param("$100", 0, Fault.CURRENCY_DIFFERS, id="another currency"),
    ],
)
def test_amounts_are_exact_or_an_issue(written: Any, minor: int, fault: Fault | None) -> None:
    old = read(total_amount=written)
    assert old.amount == Money(minor)
    assert (faults(old) & {fault} if fault else faults(old)) == ({fault} if fault else set())


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        pytest.param("2025-12-01T10:00:00", datetime(2025, 12, 1, 8, tzinfo=UTC), id="naive is ours"),
        pytest.param("2025-12-01 10:00:00", datetime(2025, 12, 1, 8, tzinfo=UTC), id="with a space"),
        pytest.param("2025-12-01T10:00:00.123456", datetime(2025, 12, 1, 8, 0, 0, 123456, UTC), id="finer"),
        pytest.param("2025-12-01T10:00:00Z", datetime(2025, 12, 1, 10, tzinfo=UTC), id="of a zone"),
        pytest.param("2025-12-01", datetime(2025, 11, 30, 22, tzinfo=UTC), id="a day"),
        pytest.param(1764583200, datetime(2025, 12, 1, 10, tzinfo=UTC), id="seconds"),
        pytest.param(1764583200000, datetime(2025, 12, 1, 10, tzinfo=UTC), id="milliseconds"),
    ],
)
def test_moments_in_every_way_they_were_written(written: Any, moment: datetime) -> None:
    assert read(created_at=written).made_at == moment


def test_an_unreadable_date_is_an_issue_and_no_date() -> None:
    old = read(created_at="31.12.25 noon")
    assert old.made_at is None
    assert faults(old) == {Fault.DATE_UNREADABLE, Fault.DATE_MISSING}


def test_a_card_number_is_never_kept() -> None:
    old = read(payment_reference="4111 1111 1111 1111", full_name="Card 4111111111111111")
    assert "1111 1111" not in str(old)
    assert "411111" not in str(old)


def test_a_proof_without_a_place_says_so() -> None:
    assert Fault.PROOF_MISSING in faults(read(**SHAPES["L4"]))
    old = read(**SHAPES["L5"])
    assert old.proof is not None
    assert old.proof.told == "my slip.pdf, 2048 bytes"
    assert old.proof.link == ""
    assert read(**SHAPES["L3"]).proof == legacy.Proof("slip.png", "", "", "/static/uploads/payments/slip.png")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(files.FIELDS)), _JSON, min_size=1, max_size=8))
def test_no_record_is_too_odd_to_be_read(fields: dict[str, Any]) -> None:
    for entry in files.entries("x.json", json.dumps([fields]).encode()):
        assert entry.fields is not None
        old = reading.read(entry.fields, "USD")
        assert old.amount.currency == "USD"
        assert old.amount.minor >= 0


# -- a file ---------------------------------------------------------------------------------------------


def test_a_file_of_any_kind_gives_the_same_records() -> None:
    one = record(total_amount="1299.99")
    head = ",".join(one)
    row = ",".join(f'"{value}"' for value in one.values())
    kinds = [as_file(one), as_file(**{"-Nabc": one}), f"\ufeff{head}\r\n{row}\r\n".encode()]
    found = [reading.read(entry.fields or {}, "ZAR") for data in kinds for entry in files.entries("x", data)]
    assert len(found) == 3
    assert found[0] == found[1] == found[2]


def test_numbers_never_become_floats() -> None:
    (entry,) = files.entries("x.json", b'[{"full_name": "A", "total_amount": 0.1234567890123456789}]')
    assert entry.fields is not None
    assert entry.fields["total_amount"] == Decimal("0.1234567890123456789")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        pytest.param(b"", "is empty", id="empty"),
        pytest.param(b"[]", "holds no records", id="no records"),
        pytest.param(b'{"a": {"full_name": "x"}', "line 1: this is not whole JSON", id="cut off"),
        pytest.param(b'[\n{"full_name": "x"},\n{"full', "line 3: this is not whole JSON", id="cut off later"),
        pytest.param(b'[{"full_name": "x"}] more', "something stands behind its end", id="more behind it"),
        pytest.param(b"[" * 100_000, "nested too deep", id="too deep"),
        pytest.param("full_name\nJosé".encode("latin-1"), "line 2: this is not UTF-8", id="another encoding"),
        pytest.param(b"a,b\n1,2\n", "names no field of a registration", id="another table"),
        pytest.param(b"email,email\n1,2\n", "is there twice", id="a heading twice"),
        pytest.param(b'email\n"a', "line 2: this is not whole CSV", id="an open quotation mark"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_line(data: bytes, told: str) -> None:
    with pytest.raises(InvalidInput, match=told):
        files.entries("old.json", data)


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        pytest.param(b'{"a": null, "b": {"full_name": "x"}}', "There is nothing", id="null"),
        pytest.param(b'{"a": "text", "b": {"full_name": "x"}}', "There is a single value", id="a text"),
        pytest.param(b'[[1], {"full_name": "x"}]', "There is a list", id="a list"),
        pytest.param(b'[{"colour": 1}, {"full_name": "x"}]', "It holds none", id="another object"),
        pytest.param(b"full_name,email\nx\nx,y@example.org\n", "The row has 1 cells", id="a short row"),
    ],
)
def test_what_is_no_record_does_not_stop_the_rest(data: bytes, fault: str) -> None:
    first, second = files.entries("x", data)
    assert first.fields is None
    assert first.fault.startswith(fault)
    assert second.fields is not None


# -- into the books -------------------------------------------------------------------------------------


def bring(sessions: Sessions, now: datetime, data: bytes, currency: str = "ZAR") -> legacy.Report:
    return legacy.import_file(sessions, ADMIN, "old.json", data, currency, demo=False, now=now)


def everything() -> bytes:
    """One of each shape, a record that is none, and a trial."""
    keyed: dict[str, Any] = {f"-N{shape}": record(**fields) for shape, fields in SHAPES.items()}
    keyed["-Nbad"] = "oops"
    keyed["-Ndemo"] = record(transaction_reference="DEMO_REG_u_1", payment_status="paid", full_name="Trial")
    keyed["-Nok"] = record(
        payment_status="approved",
        payment_proof="payments/REG_77_payment.pdf",
        updated_by="Sipho Dube",
        updated_at="2025-12-03T09:00:00",
        phone="082 123 4567",
    )
    return as_file(**keyed)


def counts(session: Any) -> dict[str, int]:
    return {
        table.__tablename__: session.scalar(select(func.count()).select_from(table))
        for table in (Payment, Receipt, LegacyRecord, LegacyIssue, Event, OutboxMail)
    }


def sound(sessions: Sessions) -> None:
    """Nothing of the books is broken, as a fresh picture of them tells."""
    with sessions.read() as session:
        assert integrity.examine(session) == ()


def test_a_whole_file_stands_in_the_books_and_a_second_time_changes_nothing(
    sessions: Sessions, now: datetime
) -> None:
    data = everything()
    report = bring(sessions, now, data)
    assert (report.records, report.new, report.payments, report.demo, report.faulty) == (12, 12, 10, 1, 1)
    sound(sessions)
    with sessions.read() as session:
        before = counts(session)
        paid = session.scalars(select(Payment).where(Payment.status == "paid")).all()
        assert {payment.received_minor for payment in paid} == {129_999}
        assert session.scalar(select(func.count()).where(Payment.origin != "legacy")) == 0
    assert before["payments"] == 10
    assert before["receipts"] == 2  # the two that a person had approved
    assert before["outbox"] == 0
    again = bring(sessions, now, data)
    assert (again.new, again.known, again.changed) == (0, 12, 0)
    with sessions.read() as session:
        assert counts(session) == before
    sound(sessions)


def test_looking_changes_nothing_and_says_what_the_import_says(sessions: Sessions, now: datetime) -> None:
    with sessions.read() as session:
        looked = legacy.look(session, ADMIN, "old.json", everything(), "ZAR")
        assert not any(counts(session).values())
    assert bring(sessions, now, everything()) == looked
    assert looked.events == ("CONF-2026-GIIP-A1B2C3D4", "EARLIER")
    assert looked.sums[Status.PAID] == Money(2 * 129_999)


def test_totals_list_and_ledger_agree_and_trials_are_in_none(sessions: Sessions, now: datetime) -> None:
    report = bring(sessions, now, everything())
    with sessions.read() as session:
        old = filters.from_page({"q": "origin:legacy"}, now.date())
        totals = search.totals(session, ADMIN, old)
        assert totals.count == report.payments
        assert totals.sums["ZAR"].minor == sum(money.minor for money in report.sums.values())
        assert totals.received["ZAR"] == report.sums[Status.PAID]
        assert search.page(session, ADMIN, Filter(text="Trial")).rows == ()
        assert search.totals(session, ADMIN, Filter(origins=("desk",))).count == 0
        assert search.totals(session, ADMIN, Filter(not_origins=("legacy",))).count == 0


@pytest.mark.parametrize(
    "text",
    ["REG_u17_1764436452", "u17_1764436452", "NKOSI T", "thandeka", "082 123 4567", "1299.99"],
)
def test_a_record_is_found_by_what_the_earlier_system_called_it(
    sessions: Sessions, now: datetime, text: str
) -> None:
    bring(sessions, now, everything())
    with sessions.read() as session:
        assert search.page(session, ADMIN, search.parse(text)).rows


def test_what_a_person_approved_says_who_and_when(sessions: Sessions, now: datetime) -> None:
    bring(sessions, now, as_file(**{"-N1": json.loads(everything())["-Nok"]}))
    with sessions.read() as session:
        (row,) = search.page(session, ADMIN, Filter()).rows
        detail = search.get(session, ADMIN, row.reference)
        old = legacy.of_payment(session, ADMIN, row.reference)
    assert (row.status, row.method, row.origin) == (Status.PAID, "eft", "legacy")
    assert row.created_at == datetime(2025, 12, 1, 8, tzinfo=UTC)
    assert row.paid_at == datetime(2025, 12, 3, 7, tzinfo=UTC)
    assert [one.recorded_by for one in detail.receipts] == ["Sipho Dube"]
    assert [entry.kind for entry in detail.timeline] == ["created", "receipt", "status"]
    assert old is not None
    assert old.proof is not None
    assert (old.key, old.word, old.proof.link) == ("-N1", "approved", "payments/REG_77_payment.pdf")


def test_references_on_several_records_are_flagged_and_never_merged(
    sessions: Sessions, now: datetime
) -> None:
    twins = [record(full_name=name, payment_reference="MY CONF FEE") for name in ("Ann", "Ben")]
    report = bring(sessions, now, as_file(*twins))
    assert [issue.fault for _, issue in report.issues] == [Fault.REFERENCE_TWICE] * 2
    assert report.payments == 2
    third = bring(sessions, now, as_file(record(full_name="Cat", payment_reference="MY CONF FEE")))
    assert [issue.sentence for _, issue in third.issues] == ["MY CONF FEE stands on 3 records."]


def test_two_true_equal_records_both_stay(sessions: Sessions, now: datetime) -> None:
    data = as_file(record(), record())
    assert bring(sessions, now, data).payments == 2
    assert bring(sessions, now, data).new == 0


def test_a_record_that_says_something_else_later_is_an_issue_once(sessions: Sessions, now: datetime) -> None:
    bring(sessions, now, as_file(**{"-N1": record()}))
    for _ in range(2):
        later = bring(sessions, now, as_file(**{"-N1": record(payment_status="approved")}))
        assert (later.new, later.changed) == (0, 1)
    with sessions.read() as session:
        assert session.scalars(select(Payment.status)).all() == ["open"]
        found, by_fault = legacy.issues(session, ADMIN)
    assert by_fault == {Fault.CHANGED: 1}
    assert found[0].key == "-N1"


def test_the_currency_is_said_and_the_same_file_keeps_it(sessions: Sessions, now: datetime) -> None:
    data = as_file(record(payment_method="yoco"))
    with pytest.raises(InvalidInput, match="Say what the amounts are in"):
        bring(sessions, now, data, "")
    report = bring(sessions, now, data, "USD")
    assert report.sums == {Status.OPEN: Money(129_999, "USD")}
    assert [issue.fault for _, issue in report.issues] == [Fault.RAND_UNKNOWN]
    with pytest.raises(Conflict, match="imported before, as USD"):
        bring(sessions, now, data, "ZAR")


def test_an_event_that_is_here_takes_its_records_by_code_or_by_name(
    sessions: Sessions, now: datetime
) -> None:
    with sessions.begin() as session:
        make_event(session, "giip", now=now)  # called Giip 2026
    report = bring(sessions, now, as_file(record(registration_type="Student")))
    assert report.events == ()
    with sessions.read() as session:
        (row,) = search.page(session, ADMIN, Filter()).rows
    assert (row.event_code, row.category) == ("giip", "Student")


def test_an_interrupted_import_goes_on(
    sessions: Sessions, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payments.legacy.importing.AT_ONCE", 4)
    data = as_file(*(record(full_name=f"Payer {nth}") for nth in range(10)))

    class Interrupted(Exception):
        pass

    def stop(done: int, total: int) -> None:
        if done == 8:
            raise Interrupted

    with pytest.raises(Interrupted):
        legacy.import_file(sessions, ADMIN, "old.json", data, "ZAR", demo=False, now=now, progress=stop)
    assert (bring(sessions, now, data).new, bring(sessions, now, data).new) == (2, 0)
    with sessions.read() as session:
        assert counts(session)["payments"] == 10
    sound(sessions)


def test_reading_keeps_nobody_from_writing_and_tells_how_far_it_is(
    sessions: Sessions, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("payments.legacy.importing.AT_ONCE", 2)
    data = as_file(*(record(full_name=f"Payer {nth}") for nth in range(5)))
    told: list[tuple[str, int, int]] = []

    def looks(done: int, total: int) -> None:
        told.append(("read", done, total))
        with sessions.begin() as session:  # a message of the gateway comes meanwhile
            tallies.bump(session)

    legacy.import_file(
        sessions, ADMIN, "old.json", data, "ZAR", demo=False, now=now, reading=looks,
        progress=lambda done, total: told.append(("written", done, total)),
    )  # fmt: skip
    steps = (2, 4, 5)
    assert told == [*(("read", n, 5) for n in steps), *(("written", n, 5) for n in steps)]


def test_only_the_office_brings_records_in(sessions: Sessions, now: datetime) -> None:
    with sessions.read() as session, pytest.raises(NotAllowed):
        legacy.look(session, ORGANISER, "old.json", everything(), "ZAR")
    with pytest.raises(NotAllowed):
        legacy.import_file(sessions, ORGANISER, "old.json", everything(), "ZAR", demo=False, now=now)


def test_csv_comes_in_as_well(sessions: Sessions, now: datetime, tmp_path: Path) -> None:
    text = (
        "full_name;email;total_amount;payment_status;created_at;workshop\r\n"
        '"Botha; Johan";johan@example.org;R1 299,99;approved;2025-12-01 10:00:00;True\r\n'
    )
    report = bring(sessions, now, text.encode("utf-8-sig"))
    assert report.sums == {Status.PAID: Money(129_999)}
    with sessions.read() as session:
        (row,) = search.page(session, ADMIN, Filter()).rows
    assert row.payer_name == "Botha; Johan"
