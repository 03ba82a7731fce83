"""Whatever in the books is not as it must be is named by the next check, and nobody changes them then."""

import importlib
import inspect
import pkgutil
import re
from copy import deepcopy
from datetime import timedelta

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

import payments
from db.models import Meta
from db.money import Money
from db.session import Sessions, open_engine
from payments import lifecycle, obligations
from payments.access import people, signin_links, staff
from payments.access.people import SYSTEM, Person, Role
from payments.asking import links
from payments.books import audit, integrity
from payments.errors import Conflict, InvalidInput, NotAllowed
from payments.gateways import Answer
from payments.hearing import inbox, sync
from payments.hearing.inbox import Message
from payments.lifecycle import Effect, Source
from payments.selling import events
from payments.telling import outbox
from payments.watching import standstill
from tests.desk import ADDRESSES, ADMIN, FakeGateway, issue, make_event, payment_of
from tests.rooms import room_of

FINANCE = Person(2, "Sipho", "sipho@example.org", Role.FINANCE, None)


@pytest.fixture(scope="module")
def sound(shared_database_url, now):
    """Sound books of five payments, written once: by their gateway links 1 and 2 paid, 3 failed, 4 open; 5
    part in cash. With them what was issued, and the gateway that issued it."""
    return shared_database_url, *_written(shared_database_url, now)


@pytest.fixture(scope="module")
def taken_back(new_shared_database, now):
    """The same books once more, for whoever takes back what he does to them: a copy takes a second."""
    url = new_shared_database(True)
    _written(url, now)
    engine = open_engine(url)
    yield engine
    engine.dispose()


def _written(url, now):
    engine, gateway = open_engine(url), FakeGateway()
    sessions = Sessions(engine)
    with sessions.begin() as session:
        make_event(session, now=now)
    issued = [issue(sessions, gateway, now=now) for _ in range(5)]
    for nth, (answer, word) in enumerate(
        [(Answer.PAID, "PAID"), (Answer.PAID, "PAID"), (Answer.ATTEMPT_FAILED, "DECLINED")]
    ):
        gateway.says(issued[nth].gateway_reference, answer, word)
        sync.ask(sessions, {"ikhokha": gateway}, nth + 1, now=now + timedelta(minutes=1))
    with sessions.begin() as session:
        lifecycle.receive(
            session, payment_of(session, issued[4].reference), kind="cash", source_reference="till-1",
            amount=Money(5_000), now=now, source=Source.DESK, actor="Thandi",
        )  # fmt: skip
    engine.dispose()  # nobody may be connected to what is copied
    return issued, gateway


@pytest.fixture
def sessions(sound, copy_of):
    """Sound books of this test's alone: they are broken on purpose."""
    engine = open_engine(copy_of(sound[0]))
    yield Sessions(engine)
    engine.dispose()


@pytest.fixture
def books(sound):
    return sound[1]


@pytest.fixture
def gateway(sound):
    return deepcopy(sound[2])


def names(sessions):
    with sessions.read() as session:
        return {finding.name for finding in integrity.examine(session)}


def kind(sessions):
    return sessions.engine.dialect.name


def spoil(sessions, *statements):
    """Change rows behind the back of every guard, as a hand in the database or a broken disk would."""
    with sessions.engine.connect() as connection:
        if kind(sessions) == "sqlite":
            raw = connection.connection.driver_connection
            raw.rollback()
            off = ("PRAGMA foreign_keys=OFF", "PRAGMA ignore_check_constraints=ON")
            for statement in (
                *off,
                *statements,
                "PRAGMA foreign_keys=ON",
                "PRAGMA ignore_check_constraints=OFF",
            ):
                raw.execute(statement)
            return
        connection.execute(text("SET session_replication_role = replica"))
        for statement in statements:
            connection.execute(text(statement))
        connection.commit()


def test_sound_books_break_no_rule(sessions, books):
    assert names(sessions) == set()


def test_an_empty_desk_breaks_no_rule(database_url):
    engine = open_engine(database_url)
    assert names(Sessions(engine)) == set()
    engine.dispose()


_PAID = "(SELECT min(id) FROM payments WHERE status = 'paid')"
SPOILT = [
    ("UPDATE receipts SET amount_minor = amount_minor + 1 WHERE id = 1", {"received", "confirmed", "taken"}),
    ("UPDATE receipts SET amount_minor = amount_minor - 1 WHERE kind = 'cash'", {"received", "taken"}),
    ("UPDATE receipts SET amount_currency = 'USD' WHERE kind = 'cash'", {"received", "taken"}),
    (f"UPDATE payments SET received_minor = received_minor + 1 WHERE id = {_PAID}", {"received"}),
    (f"UPDATE payments SET received_minor = received_minor - 1 WHERE id = {_PAID}", {"received", "status"}),
    (
        "UPDATE payments SET amount_minor = amount_minor + 1 WHERE status = 'open'",
        {"standings", "hours", "reached"},
    ),
    (
        "UPDATE payments SET amount_minor = amount_minor - 1 WHERE status = 'open'",
        {"standings", "hours", "reached"},
    ),
    (
        "UPDATE payments SET refunded_minor = 1 WHERE status = 'open'",
        {"refunds", "returned", "status", "database"},
    ),
    (
        "UPDATE payments SET status = 'paid' WHERE status = 'open'",
        {"status", "timeline", "standings", "hours"},
    ),
    (f"UPDATE payments SET status = 'open' WHERE id = {_PAID}", {"status", "timeline", "standings", "hours"}),
    ("UPDATE payments SET status = 'failed' WHERE status = 'open'", {"timeline", "standings", "hours"}),
    (f"UPDATE payments SET paid_at = NULL WHERE id = {_PAID}", {"status", "hours"}),
    (f"UPDATE payments SET method = 'cash' WHERE id = {_PAID}", {"hours"}),
    ("UPDATE payments SET stage = 'opened' WHERE status = 'open'", {"hours"}),
    ("UPDATE payments SET failure = '05' WHERE status = 'failed'", {"hours"}),
    ("UPDATE made_hours SET count = count + 1 WHERE status = 'open'", {"hours", "together"}),
    ("UPDATE made_hours SET sum_minor = sum_minor - 1 WHERE status = 'failed'", {"hours", "together"}),
    ("DELETE FROM paid_hours", {"hours", "together"}),
    ("UPDATE paid_hours SET sum_minor = sum_minor + 1", {"hours", "together"}),
    ("UPDATE live_hours SET count = count + 1 WHERE measure = 'made'", {"together"}),
    ("UPDATE live_hours SET sum_minor = sum_minor - 1 WHERE measure = 'paid'", {"together"}),
    ("DELETE FROM live_hours WHERE measure = 'event'", {"together"}),
    ("UPDATE payments SET version = version + 1 WHERE status = 'open'", {"timeline"}),
    ("UPDATE links SET amount_minor = amount_minor + 1 WHERE id = 1", {"confirmed"}),
    ("UPDATE links SET amount_minor = amount_minor - 1 WHERE id = 1", {"confirmed"}),
    ("UPDATE links SET state = 'open' WHERE id = 1", {"confirmed"}),
    ("UPDATE links SET state = 'paid' WHERE state = 'open'", {"confirmed"}),
    ("UPDATE links SET payment_id = 2 WHERE id = 1", {"confirmed"}),
    ("DELETE FROM receipts WHERE id = 1", {"received", "confirmed", "taken"}),
    ("DELETE FROM links WHERE id = 1", {"confirmed", "orphans"}),
    (
        f"DELETE FROM payments WHERE id = {_PAID}",
        {"orphans", "standings", "hours", "taken", "reached"},
    ),
    ("UPDATE links SET payment_id = 999 WHERE state = 'open' AND id = 4", {"orphans"}),
    ("UPDATE payments SET category_id = 999 WHERE status = 'open'", {"orphans"}),
    ("UPDATE standings SET count = count + 1 WHERE status = 'paid'", {"standings"}),
    ("UPDATE standings SET sum_minor = sum_minor + 1 WHERE status = 'paid'", {"standings"}),
    ("UPDATE standings SET sum_minor = sum_minor - 1 WHERE status = 'open'", {"standings"}),
    ("DELETE FROM standings WHERE status = 'paid'", {"standings"}),
    (
        "UPDATE tallies SET sum_minor = sum_minor + 1 WHERE measure = 'taken' AND key = 'cash'",
        {"taken", "months"},
    ),
    (
        "UPDATE tallies SET sum_minor = sum_minor - 1 WHERE measure = 'taken' AND key = 'cash'",
        {"taken", "months"},
    ),
    ("DELETE FROM tallies WHERE measure = 'taken'", {"taken", "months"}),
    ("UPDATE tallies SET count = count - 1 WHERE measure = 'status' AND key = 'paid'", {"reached", "months"}),
    ("DELETE FROM tallies WHERE measure = 'status' AND key = 'created'", {"reached", "months"}),
    ("UPDATE tally_months SET sum_minor = sum_minor + 1 WHERE key = 'cash'", {"months"}),
    ("UPDATE tally_months SET count = count - 1 WHERE key = 'cash'", {"months"}),
    ("DELETE FROM tally_months WHERE measure = 'status'", {"months"}),
]


@pytest.mark.parametrize("statement, broken", [pytest.param(*case, id=case[0]) for case in SPOILT])
def test_what_is_spoilt_is_named_by_the_next_check(request, sound, statement, broken):
    """Exactly those rules, so that each is known to look at what it says."""
    if sound[0].startswith("sqlite"):
        sessions = request.getfixturevalue("sessions")
        spoil(sessions, statement)
        assert names(sessions) == broken
    else:
        named = names_meanwhile(request.getfixturevalue("taken_back"), statement)
        assert named == (broken - {"database"}) | {"guards"}


def names_meanwhile(engine, statement):
    """What is found in the transaction that does it, which is rolled back: PostgreSQL's tables with it."""
    with engine.connect() as connection, connection.begin() as whole:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("ALTER TABLE payments DROP CONSTRAINT ck_payments_refunded"))
        assert connection.execute(text(statement)).rowcount != 0
        connection.execute(text("SET LOCAL session_replication_role = origin"))
        with Session(connection) as session:
            found = {finding.name for finding in integrity.examine(session)}
        whole.rollback()
    return found


def test_a_row_taken_from_a_timeline_is_missed(sessions, books):
    deletion = "DELETE FROM timeline WHERE id = (SELECT max(id) FROM timeline WHERE kind = 'status')"
    drop = {
        "sqlite": "DROP TRIGGER timeline_no_delete",
        "postgresql": "DROP TRIGGER timeline_only_add ON timeline",
    }
    spoil(sessions, drop[kind(sessions)], deletion)
    assert names(sessions) == {"guards", "timeline", "reached"}


def test_a_trigger_that_was_only_switched_off_is_missed_too(sessions):
    if kind(sessions) == "postgresql":
        spoil(sessions, "ALTER TABLE audit DISABLE TRIGGER audit_only_add")
    else:
        spoil(
            sessions, "DROP TRIGGER audit_no_update",
            "CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT 1; END",
        )  # fmt: skip
    assert names(sessions) == {"guards"}


def test_the_same_money_written_down_twice_is_named(sessions, books):
    twice = (
        "INSERT INTO receipts SELECT 99, payment_id, link_id, kind, source_reference, amount_minor,"
        " amount_currency, received_at, recorded_by, place FROM receipts WHERE id = 1"
    )
    if kind(sessions) == "postgresql":
        spoil(sessions, "ALTER TABLE receipts DROP CONSTRAINT uq_receipts_kind_source_reference", twice)
    else:
        spoil(
            sessions, "CREATE TABLE bare AS SELECT * FROM receipts", "DROP TABLE receipts",
            "ALTER TABLE bare RENAME TO receipts", "CREATE UNIQUE INDEX ids ON receipts (id)", twice,
        )  # fmt: skip
    assert {"guards", "one_receipt", "received", "taken"} <= names(sessions)


def test_bytes_flipped_on_the_disk_are_named(sqlite_template, tmp_path, now):
    path = tmp_path / "desk.db"
    path.write_bytes(sqlite_template.read_bytes())
    engine = open_engine(f"sqlite:///{path}")
    sessions = Sessions(engine)
    with sessions.begin() as session:
        make_event(session, now=now)
        page = session.execute(text("SELECT rootpage FROM sqlite_master WHERE name = 'events'")).scalar_one()
        size = session.execute(text("PRAGMA page_size")).scalar_one()
    engine.dispose()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(bytes(16))
    engine = open_engine(f"sqlite:///{path}")
    assert "database" in names(Sessions(engine))
    engine.dispose()


def test_a_finding_names_the_rows_and_says_what_is_wrong(sessions, books):
    spoil(sessions, "UPDATE payments SET received_minor = 15001 WHERE id = 1")
    with sessions.read() as session:
        (finding,) = integrity.examine(session)
    assert finding.sentence == "A payment's sum received is not what its receipts add up to."
    assert finding.rows == (f"{books[0].reference}: says 15001, its receipts say 15000",)


def test_of_a_thousand_broken_rows_twenty_are_told(sessions):
    spoil(sessions, *(f"INSERT INTO standings VALUES (1, 'open', 'Z{n:02}', 1, 1)" for n in range(60)))
    with sessions.read() as session:
        (finding,) = integrity.examine(session)
    assert len(finding.rows) == integrity.ROWS_TOLD


# -- standing still ---------------------------------------------------------------------------------


@pytest.fixture
def still(sessions, books, now):
    """A desk that found one cent too many."""
    spoil(sessions, "UPDATE payments SET received_minor = received_minor + 1 WHERE id = 1")
    integrity.run(sessions, now=now)
    return books


def put_right(sessions):
    spoil(sessions, "UPDATE payments SET received_minor = received_minor - 1 WHERE id = 1")


def stands_still(sessions):
    with sessions.read() as session:
        return standstill.current(session)


def test_a_broken_rule_makes_the_desk_stand_still_and_says_since_when(sessions, still, now):
    integrity.run(sessions, now=now + timedelta(hours=1))
    standing = stands_still(sessions)
    assert standing.since == now
    assert standing.reason == "A payment's sum received is not what its receipts add up to."


def test_a_check_that_passes_lifts_it(sessions, still, now):
    put_right(sessions)
    assert integrity.run(sessions, now=now).sound
    assert stands_still(sessions) is None
    issue(sessions, FakeGateway(links={"x": None, "y": None, "z": None, "a": None, "b": None}), now=now)


def test_an_admin_may_let_it_go_on_with_what_was_found_and_with_nothing_else(sessions, still, now):
    with sessions.begin() as session:
        integrity.accept(session, ADMIN, "One cent, booked by hand.", now=now)
    assert integrity.run(sessions, now=now).accepted
    assert stands_still(sessions) is None
    spoil(sessions, "UPDATE standings SET sum_minor = sum_minor + 1 WHERE status = 'paid'")
    integrity.run(sessions, now=now)
    assert stands_still(sessions) is not None


def test_the_decision_is_audited_with_its_reason(sessions, still, now):
    with sessions.begin() as session:
        integrity.accept(session, ADMIN, "One cent, booked by hand.", now=now)
    with sessions.read() as session:
        entry = session.query(audit.AuditEntry).where(audit.AuditEntry.action == "accept_findings").one()
    assert entry.actor == ADMIN.email
    assert entry.detail == {"reason": "One cent, booked by hand.", "findings": ["received"]}


@pytest.mark.parametrize(
    "person, reason, refused",
    [
        pytest.param(ADMIN, "because", InvalidInput, id="no reason"),
        pytest.param(FINANCE, "A good reason.", NotAllowed, id="no admin"),
    ],
)  # fmt: skip
def test_a_decision_needs_an_admin_and_a_reason(sessions, still, now, person, reason, refused):
    with pytest.raises(refused), sessions.begin() as session:
        integrity.accept(session, person, reason, now=now)
    assert stands_still(sessions) is not None


def test_there_is_nothing_to_decide_while_the_desk_runs(sessions, books, now):
    with pytest.raises(Conflict), sessions.begin() as session:
        integrity.accept(session, ADMIN, "A good reason.", now=now)


def changes(sessions, gateway, still, now):
    """What a person can change, by the function that does it."""

    def within(work):
        def call():
            with sessions.begin() as session:
                work(session)

        return call

    me = {"name": "Zola", "role": Role.VIEWER, "events": None, "now": now}
    draft = obligations.Draft("DEMO_REG_" + still[0].reference.split("_")[-1], "devconf", Money(100), "Zola")
    save = events.EventDraft("newconf", "Newconf", now.date(), now.date())
    return {
        "links.issue": lambda: links.issue(
            sessions, gateway, draft, person=ADMIN, addresses=ADDRESSES, now=now
        ),
        "links.shared": within(lambda s: links.shared(s, ADMIN, still[3].reference, "sms", now=now)),
        "outbox.resend": within(lambda s: outbox.resend(s, ADMIN, 1, now=now)),
        "staff.create_person": within(lambda s: staff.create_person(s, ADMIN, email="z@example.org", **me)),
        "staff.change_person": within(lambda s: staff.change_person(s, ADMIN, add_person(s, now), **me)),
        "staff.enable_person": within(lambda s: staff.enable_person(s, ADMIN, add_person(s, now), now=now)),
        "events.save_event": within(lambda s: events.save_event(s, ADMIN, save, now=now)),
    }


def add_person(session, now):
    row = people.PersonRow(
        email="zola@example.org", name="Zola", role="viewer", all_events=True, created_at=now
    )
    session.add(row)
    session.flush()
    return row.id


def test_no_person_changes_anything_meanwhile(sessions, gateway, still, now):
    asked = len(gateway.requests)
    for name, change in changes(sessions, gateway, still, now).items():
        with pytest.raises(Conflict, match="The desk is read-only"):
            pytest.fail(f"{name} changed something: {change()}")
    assert len(gateway.requests) == asked


def test_a_person_can_still_be_shut_out_and_let_in(sessions, still, now):
    with sessions.begin() as session:
        person = add_person(session, now)
        signin_links.make_sign_in_link(session, ADMIN, person, now=now)
        staff.disable_person(session, ADMIN, person, now=now)


#: Take a person and a moment and change nothing of the books: who looks, who is let in or shut out, and
#: what deals with the standstill itself. What is done to many goes through the rooms that do it to one.
POSSIBLE = {
    "closing.draft", "closing.drafts", "sign_offs.month_draft", "sign_offs.strip",
    "alerts.snooze", "approvals.ended", "approvals.get", "approvals.open_requests", "approvals.standing",
    "approvals.waiting_for", "approvals.who_decides", "attention.decided", "attention.get", "attention.queue",
    "bulk.last", "claims.of_payment", "eft.sheet", "explaining.asked_for", "reconciliation.undo_all",
    "deeds.do", "deeds.do_slowly", "deeds.undo", "exceptions.get", "exceptions.owners", "exceptions.queue",
    "evenings.list_evenings", "exceptions.summary", "first_day.observed", "integrity.accept",
    "integrity.check_now", "links.ask", "links.new_link", "links.opened",
    "payout_watch.days", "payout_watch.overdue", "morning.waits_for",
    "payer_memory.listed", "rule_book.try_out",
    "on_sale.offers", "prices.quote", "quotes.quote", "registration_files.look", "sheets.read",
    "chargebacks.book", "browsers.everybodys", "browsers.mine",
    "passkeys.ask_new", "passkeys.ask_proof", "passkeys.mine", "second_factor.offer", "second_factor.offered",
    "staff.disable_person", "staff.end_sessions", "people.is_active", "people.is_proven",
    "staff.list_people", "people.proven", "staff.revoke_sessions", "reminders.next_day", "replay.dry_run",
    "signin.change_password", "signin_links.make_sign_in_link",
    "views.get", "views.keep", "views.list_views", "vitals.healthy", "vitals.vitals",
    "retention.begin", "retention.dry_run", "subjects.proved", "subject_export.take",
    "subject_requests.carry_out", "subject_requests.preview", "subject_requests.standing",
    # what they do is done by people and second_factor, and asked by approvals
    "api_keys.ask", "entrusting.add", "entrusting.approve", "entrusting.ask_link", "entrusting.change",
    "entrusting.enable", "entrusting.link_standing", "entrusting.reset_codes", "entrusting.second_for_link",
    "entrusting.set_account", "entrusting.used_up", "notifying.ask", "notifying.ask_renewal",
    "people.seconded",
    # mail of what their callers write down
    "owing.asked", "owing.waits",
    # files, reports and schedules as they are read; that somebody takes one is written down elsewhere
    "exports.records.ask_second", "exports.records.begin", "exports.records.second",
    "exports.records.waiting",
    "exports.run.job", "reports.keeping.compare", "reports.making.make", "reports.papers.hand_out",
    "reports.papers.take", "schedules.book.checked", "schedules.book.history", "schedules.mailing.preview",
}  # fmt: skip


def of_people():
    """The public functions of ``payments`` that take a person and a moment."""
    for room in pkgutil.walk_packages(payments.__path__, "payments."):
        if room.name.endswith(".child"):
            continue
        module = importlib.import_module(room.name)
        for name, function in inspect.getmembers(module, inspect.isfunction):
            takes = inspect.signature(function).parameters
            person = any("Person" in str(parameter.annotation) for parameter in takes.values())
            if function.__module__ == room.name and name[0] != "_" and person and "now" in takes:
                yield pytest.param(function, id=f"{room_of(room.name)}.{name}")


@pytest.mark.parametrize("function", list(of_people()))
def test_a_change_by_a_person_goes_through_a_place_that_refuses(function):
    """A new function does so, or it is said above why it need not."""
    if f"{room_of(function.__module__)}.{function.__name__}" in POSSIBLE:
        return
    source = inspect.getsource(function)
    for _ in range(3):  # and through the helpers that it calls
        names = re.findall(r"\b(_\w+)\(", source)
        called = [getattr(inspect.getmodule(function), name, None) for name in names]
        source += "".join(inspect.getsource(helper) for helper in set(called) if inspect.isfunction(helper))
    assert "audit.record(" in source or "standstill.refuse(" in source


def test_the_machine_still_writes_what_it_did(sessions, still, now):
    with sessions.begin() as session:
        audit.record(session, SYSTEM, "anything", "desk", now=now)


def test_messages_are_kept_and_acting_on_them_waits(sessions, gateway, still, now):
    link = still[3].gateway_reference
    gateway.says(link, Answer.PAID, "PAID")
    message = Message("ikhokha", "/webhooks/ikhokha", {"ik-sign": "good"}, f"{link} SUCCESS".encode(), now)
    with sessions.begin() as session:
        event = gateway.read_event(message.path, message.headers, message.body)
        kept = inbox.accept(session, message, event)
    gateways, later = {"ikhokha": gateway}, now + timedelta(minutes=10)
    asked = len(gateway.asked)
    assert inbox.process(sessions, gateways, kept, now=later) is Effect.NOTHING
    assert sync.step(sessions, gateways, now=later).idle
    assert sync.ask(sessions, gateways, 4, now=later) is Effect.NOTHING
    assert sync.ask_history(sessions, gateways, now=later) == []
    assert len(gateway.asked) == asked
    put_right(sessions)
    integrity.run(sessions, now=later)
    assert Effect.PAID in sync.step(sessions, gateways, now=later).effects


def test_the_last_check_is_remembered(sessions, still, now):
    with sessions.read() as session:
        report = integrity.last(session)
        assert session.get(Meta, "integrity") is not None
    assert report.at == now
    assert [finding.name for finding in report.findings] == ["received"]
