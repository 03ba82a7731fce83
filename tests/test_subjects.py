"""What is held on a payer: found in all tables, handed to them, erased; and nobody else's with it (R46)."""

import io
import json
import zipfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote_plus

import pytest
from sqlalchemy import Engine, inspect, select, text
from sqlalchemy.exc import DatabaseError

from db.models import Approval, Base, Erasure, Payment, Proof, SubjectRequest
from db.session import file_of
from payments.access.people import Role
from payments.books import audit_book, chain, integrity
from payments.books.audit_book import Wanted
from payments.errors import Conflict, InvalidInput, NotAllowed, NotFound, ProveAgain
from payments.keeping import keyring
from payments.payers import payer_details
from payments.personal_data import personal, subject_export, subject_requests, subjects
from payments.personal_data.subject_requests import Kind
from payments.personal_data.subjects import Sought
from payments.second_person import approvals, owing
from payments.watching import watch
from payments.watching.alerts import Kind as Alarms
from payments.watching.alerts import Severity
from tests import desk
from tests.desk import ADMIN
from tests.subject import EMAIL, NAME, SIGNS, held_values, planted

SECOND = replace(ADMIN, id=2, name="Pieter Smit", email="pieter@example.org")
KEYS = keyring.read(keyring.new_key("one"))
HOW = "A mail of 20 November; answered from the same address."


@pytest.fixture
def gateway() -> desk.FakeGateway:
    return desk.FakeGateway()


@pytest.fixture
def subject(sessions, gateway, now):
    return planted(sessions, gateway, KEYS, now=now)


def requested(sessions, kind: Kind, *references: str, now):
    with sessions.begin() as session:
        return subject_requests.open_request(session, ADMIN, kind, references, HOW, now=now)


def erased(sessions, subject, *, now) -> subject_requests.RequestView:
    request = requested(sessions, Kind.ERASURE, subject.reference, now=now)
    with sessions.begin() as session:
        asked = subject_requests.ask_erasure(session, ADMIN, request.id, "They asked for it by mail", now=now)
    with sessions.begin() as session:
        approvals.approve(session, SECOND, asked.id, now=now)
    with sessions.begin() as session:
        return subject_requests.erase(session, ADMIN, request.id, now=now)


# -- the catalogue ------------------------------------------------------------------------------------


def test_every_column_of_text_is_said_to_be_personal_or_not():
    """A new one is named in ``payments/personal_data/personal.py``: what it is, how long it is kept, how it
    goes."""
    said: dict[str, list[str]] = {}
    for held in (*personal.HELD, *personal.LOOSE):
        said.setdefault(held.table, []).append(held.column)
    for names in (personal.STAFF, personal.PLAIN):
        for table, columns in names.items():
            said.setdefault(table, []).extend(columns.split())
    there = {
        table.name: sorted(column.name for column in table.columns if _can_tell(column))
        for table in Base.metadata.sorted_tables
    }
    assert {table: sorted(columns) for table, columns in said.items() if columns} == {
        table: columns for table, columns in there.items() if columns
    }


def _can_tell(column) -> bool:
    return type(column.type).__name__ in ("String", "Text", "JSON", "LargeBinary")


def test_every_table_of_a_payer_can_be_found(sessions, subject):
    """The payer of these tests is in each of them, so that what is forgotten anywhere shows."""
    with sessions.read() as session:
        empty = [name for name, told in held_values(session, subject.reference).items() if not told]
    assert empty == []


# -- finding ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sought", "fits"),
    [
        pytest.param(Sought(email="Nokwanda.F@example.org"), ("e-mail address",), id="their address"),
        pytest.param(Sought(phone="082 555 0143"), ("phone number",), id="their number"),
        pytest.param(Sought(name="nokwanda feather"), ("name",), id="a part of their name"),
    ],
)
def test_a_person_is_found_by_what_they_say_of_themselves(sessions, subject, now, sought, fits):
    with sessions.begin() as session:
        (found,) = subjects.find(session, ADMIN, sought, now=now)
    assert (found.reference, found.fits, found.name) == (subject.reference, fits, NAME)


def test_a_reference_is_found_and_says_whose_it_is(sessions, subject, now):
    with sessions.begin() as session:
        (found,) = subjects.find(session, ADMIN, Sought(reference=subject.other.lower()), now=now)
    assert (found.name, found.fits) == ("Sipho Dube", ("reference",))


def test_nothing_to_go_by_is_refused_and_so_is_who_may_not(sessions, subject, now):
    with sessions.begin() as session, pytest.raises(InvalidInput, match="e-mail address, phone"):
        subjects.find(session, ADMIN, Sought(), now=now)
    organiser = replace(ADMIN, role=Role.ORGANISER)
    with sessions.begin() as session, pytest.raises(NotAllowed):
        subjects.find(session, organiser, Sought(email=EMAIL), now=now)
    with sessions.begin() as session, pytest.raises(NotFound, match="no payment REG_X"):
        subject_requests.open_request(session, ADMIN, Kind.EXPORT, ["REG_X"], HOW, now=now)


# -- the export ---------------------------------------------------------------------------------------


def test_what_is_held_is_handed_out_and_nobody_elses(sessions, subject, now):
    request = requested(sessions, Kind.EXPORT, subject.reference, now=now)
    with sessions.begin() as session:
        file = subject_export.take(session, ADMIN, request.id, KEYS, now=now)
    pack = zipfile.ZipFile(io.BytesIO(file.data))
    held = json.loads(pack.read("data.json"))
    shown = {one.table for one in personal.HELD if not one.withheld and one.column != "sealed"}
    nobodys = {"unverified_events", "opt_outs"}
    assert shown - nobodys <= held.keys()
    (payment,) = held["payments"]
    assert (payment["payer_name"], payment["payer_email"]) == (NAME, EMAIL)
    whole = pack.read("data.json").decode() + pack.read("data.html").decode()
    for foreign in ("Sipho", "sipho@", subject.other, "Thandi", "Pieter", "thandi@"):
        assert foreign not in whole
    (proof,) = [name for name in pack.namelist() if name.startswith("proofs/")]
    assert pack.read(proof) == b"%PDF"
    with sessions.read() as session:
        row = session.get_one(SubjectRequest, request.id)
        assert (row.state, row.told) == ("done", "")
        (entry, *_) = audit_book.entries(session, ADMIN, Wanted(action="export_subject"))
    assert not any(sign in str(entry) for sign in SIGNS)


def test_it_takes_a_fresh_proof_and_is_markup_for_nobody(sessions, gateway, subject, now):
    evil = desk.issue(sessions, gateway, now=now, payer_name="<script>alert(1)</script>")
    request = requested(sessions, Kind.EXPORT, evil.reference, now=now)
    with sessions.begin() as session, pytest.raises(ProveAgain):
        subject_export.take(session, replace(ADMIN, proved_at=None), request.id, KEYS, now=now)
    with sessions.begin() as session:
        file = subject_export.take(session, ADMIN, request.id, KEYS, now=now)
    assert b"<script>" not in zipfile.ZipFile(io.BytesIO(file.data)).read("data.html")


def test_a_paper_and_a_line_for_others_too_keep_to_themselves(sessions, subject, now):
    with sessions.begin() as session:
        other = desk.payment_of(session, subject.other)
        session.execute(text(f"INSERT INTO paper_parts VALUES (1, {other.id}, 1)"))
        session.execute(
            text(
                "INSERT INTO match_parts (match_id, target, amount_minor, amount_currency, payment_id,"
                f" receipt_id, written_off_minor) VALUES (1, 'payment', 1, 'ZAR', {other.id}, 1, 0)"
            )
        )
    with sessions.read() as session:
        held = subject_export.collect(session, [desk.payment_of(session, subject.reference)])
    assert "left out" in str(held["papers"][0]["body"])
    assert "left out" in held["statement_lines"][0]["description"]


@pytest.mark.parametrize("named", ["of them", "of their line"])
def test_what_they_brought_too_much_is_theirs_whomever_it_pays(sessions, subject, now, named):
    """It paid for a friend, as its reason tells; that is in their file without what it says of the friend."""
    with sessions.begin() as session:
        other = desk.payment_of(session, subject.other)
        part = "" if named == "of them" else ", part_id = (SELECT max(id) FROM match_parts)"
        session.execute(
            text(
                "INSERT INTO match_parts (match_id, target, amount_minor, amount_currency, written_off_minor)"
                " VALUES (1, 'surplus', 1, 'ZAR', 0)"
            )
        )
        session.execute(text(f"UPDATE surplus_moves SET payment_id = {other.id}{part}"))
    with sessions.read() as session:
        held = subject_export.collect(session, [desk.payment_of(session, subject.reference)])
    (move,) = held["surplus_moves"]
    assert "left out" in move["why"]
    assert "left out" in move["undone_why"]
    erased(sessions, subject, now=now)
    with sessions.read() as session:
        (row,) = session.execute(text("SELECT why, undone_why FROM surplus_moves")).all()
        assert not any(sign in said for sign in SIGNS for said in row)


# -- erasing ------------------------------------------------------------------------------------------


def _sums(session) -> dict[str, list]:
    """Every amount, date and state that the books are made of."""
    told = {}
    for table in Base.metadata.sorted_tables:
        names = [
            column.name for column in table.columns
            if type(column.type).__name__ in ("BigInteger", "Integer", "Date")
            or column.name in ("reference", "status", "state", "digest", "sha256", "method")
        ]  # fmt: skip
        if table.name not in (
            "audit",
            "timeline",
            "counters",
            "approvals",
            "subject_requests",
            "erasures",
            "exports",
        ):
            keys = [column.name for column in table.primary_key.columns]
            columns = [table.c[name] for name in dict.fromkeys((*keys, *names)) if name not in ("version",)]
            rows = select(*columns).order_by(*table.primary_key.columns)
            if table.name == "outbox":  # asking for it and allowing it owe mails of their own
                rows = rows.where(~table.c.key.startswith(owing.REQUESTS))
            told[table.name] = session.execute(rows).all()
    return told


def looked(sessions):
    """Every figure, the rules of the books that are broken, and how long the whole chain of the audit is."""
    with sessions.read() as session:
        broken = {finding.name for finding in integrity.examine(session)}
    with sessions.read() as session:
        verdict = chain.verify(session)
        assert verdict.broken is None
        return _sums(session), broken, verdict.entries


def test_erased_nothing_tells_of_them_and_no_figure_changed(sessions, subject, now):
    before, broken, entries = looked(sessions)
    view = erased(sessions, subject, now=now)
    assert (view.state, view.outcome["payments"]) == ("done", 1)
    assert view.outcome["rows"] > 30
    after, broken_after, entries_after = looked(sessions)
    assert (after, broken_after) == (before, broken)
    assert entries_after > entries
    with sessions.read() as session:
        for name, told in held_values(session, subject.reference).items():
            assert not any(sign.casefold() in told.casefold() for sign in SIGNS), name
        payment = desk.payment_of(session, subject.reference)
        assert (payment.payer_name, payment.payer_email, payment.erased_at) == ("Erased", "", now)
        assert session.get_one(Erasure, payment.id).cause == "request"
        assert desk.payment_of(session, subject.other).payer_name == "Sipho Dube"
        for entry in audit_book.entries(session, ADMIN, Wanted()):
            assert not any(sign in str(entry) for sign in SIGNS)


def test_nothing_of_them_is_left_in_any_table_nor_in_the_file(sessions, subject, now):
    """SQLite's file: not in free pages, not in the index of three letters, not in the log."""
    erased(sessions, subject, now=now)
    with sessions.read() as session:
        rows = [
            (table.name, str(row))
            for table in Base.metadata.sorted_tables
            for row in session.execute(select(table))
        ]
    said = [(name, unquote_plus(row).casefold()) for name, row in rows]
    assert [name for name, row in said if any(sign.casefold() in row for sign in SIGNS)] == []
    path = file_of(sessions.engine)
    if path is not None:
        assert left_in(path, sessions.engine) == []
        with sessions.read() as session:
            near = text("SELECT count(*) FROM payments_fts WHERE payments_fts MATCH '\"featherstone\"'")
            assert session.scalar(near) == 0
            assert session.scalar(text("PRAGMA quick_check")) == "ok"


def left_in(path: Path, engine: Engine) -> list[str]:
    """What of them stands in the bytes of the file and its log, once that is folded in."""
    with engine.connect() as connection:
        connection.exec_driver_sql("COMMIT")
        assert connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()[0] == 0
        connection.exec_driver_sql("BEGIN")
    data = b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*")).lower()
    return [sign for sign in SIGNS if sign.lower().encode() in data]


def test_one_person_alone_erases_nobody(sessions, subject, now):
    request = requested(sessions, Kind.ERASURE, subject.reference, now=now)
    with sessions.begin() as session, pytest.raises(Conflict, match="Nobody has approved"):
        subject_requests.erase(session, ADMIN, request.id, now=now)
    with sessions.begin() as session:
        asked = subject_requests.ask_erasure(session, ADMIN, request.id, "They asked for it by mail", now=now)
    with sessions.begin() as session, pytest.raises(NotAllowed, match="asked for this yourself"):
        approvals.approve(session, ADMIN, asked.id, now=now)


def test_what_is_in_the_way_is_told_and_stays(sessions, subject, now):
    with sessions.begin() as session:
        payment = desk.payment_of(session, subject.reference)
        session.execute(
            text(f"UPDATE disputes SET state = 'open', ended_at = NULL WHERE payment_id = {payment.id}")
        )
    request = requested(sessions, Kind.ERASURE, subject.reference, now=now)
    with sessions.begin() as session, pytest.raises(Conflict, match="a dispute is not over"):
        subject_requests.ask_erasure(session, ADMIN, request.id, "They asked for it by mail", now=now)


def test_the_preview_says_what_goes_and_what_the_law_keeps(sessions, subject, now):
    request = requested(sessions, Kind.ERASURE, subject.reference, now=now)
    with sessions.read() as session:
        fates, hindered = subject_requests.preview(session, ADMIN, request.id, now=now)
    assert hindered == ""
    goes = {(fate.held.table, fate.held.column): fate.rows for fate in subject_requests.goes(fates)}
    stays = {(fate.held.table, fate.held.column) for fate in subject_requests.stays(fates)}
    assert (goes["payments", "payer_name"], goes["places", "name"]) == (1, 2)
    assert ("timeline", "detail") in goes
    assert {("papers", "body"), ("statement_lines", "description")} <= stays


def test_a_proof_of_a_refund_stays_as_long_as_the_refund_is_accounted_for(sessions, subject, now):
    one = sessions.engine.dialect.name != "sqlite"
    with sessions.begin() as session:
        off = "ALTER TABLE refunds DISABLE TRIGGER USER" if one else "DROP TRIGGER refunds_no_update"
        session.execute(text(off))
        session.execute(text("UPDATE refunds SET proof_id = 1"))
        if one:
            session.execute(text("ALTER TABLE refunds ENABLE TRIGGER USER"))
    erased(sessions, subject, now=now)
    with sessions.read() as session:
        assert session.scalars(select(Proof.sealed)).one()


def test_who_was_erased_does_not_come_back(sessions, subject, now):
    erased(sessions, subject, now=now)
    with sessions.begin() as session:
        payment = desk.payment_of(session, subject.reference)
        assert payer_details.keep(payment, {"payer_name": NAME}, now=now) == []
    with sessions.begin() as session, pytest.raises(Conflict, match="was erased"):
        payer_details.add(session, ADMIN, subject.reference, EMAIL, now=now)


def test_the_door_is_shut_for_everybody_else(sessions, subject):
    for statement in (
        "UPDATE timeline SET detail = '{}'",
        "UPDATE claims SET bank_reference = ''",
        "UPDATE statement_lines SET description = ''",
        "UPDATE approvals SET why = ''",
        "UPDATE papers SET body = '{}'",
    ):
        with pytest.raises(DatabaseError), sessions.begin() as session:
            session.execute(text(statement))


def test_the_open_door_lets_no_figure_through(sessions, subject):
    for statement in (
        "UPDATE timeline SET actor = 'x'",
        "UPDATE claims SET amount_minor = 1",
        "UPDATE statement_lines SET amount_minor = 1",
        "UPDATE approvals SET digest = 'x'",
        "UPDATE papers SET sha256 = 'x'",
        "DELETE FROM timeline",
        "UPDATE audit SET detail = '{}'",
    ):
        with sessions.begin() as session:
            session.execute(text("INSERT INTO erasure_door (id) VALUES (0)"))
            with pytest.raises(DatabaseError):
                session.execute(text(statement))
            session.rollback()


def test_no_row_of_the_door_is_left(sessions, subject, now):
    erased(sessions, subject, now=now)
    with sessions.read() as session:
        assert session.scalar(text("SELECT count(*) FROM erasure_door")) == 0
        assert "erasure_door" in inspect(session.connection()).get_table_names()
        assert session.scalars(select(Approval.state).where(Approval.what == "erase_person")).all() == [
            "used"
        ]
        assert session.scalars(select(Payment.reference).where(Payment.erased_at.is_not(None))).all() == [
            subject.reference
        ]


# -- when its day comes -------------------------------------------------------------------------------


def test_a_request_that_nobody_answers_is_an_alert_before_its_day_and_a_louder_one_after(
    sessions, subject, now
):
    """And the worker's look tells it, to admins by mail, without saying of whom it is."""
    request = requested(sessions, Kind.EXPORT, subject.reference, now=now)
    due = subject_requests.ANSWER_WITHIN

    def told(days_left: int) -> list[tuple[Severity, str]]:
        with sessions.read() as session:
            found = watch.look(session, {}, now=now + due - timedelta(days=days_left))
            return [(one.severity, one.sentence) for one in found if one.kind is Alarms.PRIVACY_DUE]

    assert [[severity for severity, _ in told(days)] for days in (6, 5, 0, -1, -60)] == [
        [], [Severity.POOR], [Severity.POOR], [Severity.BAD], [Severity.BAD],
    ]  # fmt: skip
    ((_, sentence),) = told(-1)
    assert f"Request {request.id}" in sentence
    assert "Carry it out under Privacy" in sentence
    assert not any(word in sentence for word in (*NAME.split(), EMAIL, subject.reference))
    with sessions.begin() as session:
        subject_requests.refuse(session, ADMIN, request.id, "They are not whom they said they are", now=now)
    assert told(-1) == []
