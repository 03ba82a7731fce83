"""What is let go as its time is over, what a backup brings back, and who saw whose data (R46)."""

import csv
import io
from dataclasses import replace
from datetime import date, timedelta

import pytest
from sqlalchemy import func, select, text, update

import bootstrap
import commands.backups
from commands import privacy
from db.models import (
    AuditEntry,
    Case,
    Event,
    InboxEvent,
    OutboxMail,
    PaperRow,
    Payment,
    SheetLine,
    SignInAttempt,
    StatementLine,
)  # fmt: skip
from db.session import Sessions
from payments import dates
from payments.books import integrity
from payments.errors import Conflict, InvalidInput, ProveAgain
from payments.keeping import backups, restoring
from payments.keeping.backups import Place
from payments.keeping.stores import Folder
from payments.personal_data import breach, erasing, personal, retention, tombstones
from payments.personal_data.breach import Window
from payments.personal_data.personal import Term
from payments.personal_data.retention import Terms
from payments.personal_data.tombstones import Stones
from tests import desk
from tests.desk import ADMIN, issue, make_event
from tests.subject import NAME, SIGNS, held_values, planted
from tests.test_backups import elsewhere, place  # noqa: F401
from tests.test_subjects import KEYS

TERMS = Terms()


@pytest.fixture
def gateway() -> desk.FakeGateway:
    return desk.FakeGateway()


@pytest.fixture
def subject(sessions, gateway, now):
    return planted(sessions, gateway, KEYS, now=now)


def ended(sessions, on: date) -> None:
    """The event was over by then."""
    with sessions.begin() as session:
        session.execute(update(Event).values(starts_on=on - timedelta(2), ends_on=on))


# -- terms --------------------------------------------------------------------------------------------


def test_a_year_after_the_event_nobody_knows_who_paid(sessions, subject, tmp_path, now):
    ended(sessions, dates.business_day(now) - timedelta(days=400))
    with sessions.read() as session:
        broken = {finding.name for finding in integrity.examine(session)}
    report = retention.run(sessions, TERMS, Stones((tmp_path,)), now=now)
    assert report.counts["payers"] == 2
    own_time = {f"{held.table}.{held.column}" for held in personal.HELD if held.term is Term.MESSAGE}
    with sessions.read() as session:
        for name, told in held_values(session, subject.reference).items():
            if name in own_time and not name.startswith("outbox"):
                continue
            assert not any(sign.casefold() in told.casefold() for sign in SIGNS), name
        assert session.scalars(select(Payment.payer_name)).all() == ["Erased", "Erased"]
        assert session.scalars(select(AuditEntry.action).where(AuditEntry.action == "retention")).all()
        assert retention.last(session, ADMIN).counts == report.counts
    with sessions.read() as session:
        assert {finding.name for finding in integrity.examine(session)} == broken
    assert len(tombstones.read(Stones((tmp_path,)))) == 2
    assert retention.run(sessions, TERMS, Stones(), now=now).counts == {}


@pytest.mark.parametrize(
    ("days", "gone"), [pytest.param(360, False, id="before"), pytest.param(370, True, id="after")]
)
def test_the_term_is_the_one_that_is_set(sessions, subject, now, days, gone):
    ended(sessions, dates.business_day(now) - timedelta(days=days))
    retention.run(sessions, TERMS, Stones(), now=now)
    with sessions.read() as session:
        assert (desk.payment_of(session, subject.reference).payer_name == "Erased") is gone


def test_messages_mails_and_sheets_go_after_their_days(sessions, subject, now):
    with sessions.begin() as session:
        session.add(
            SignInAttempt(email_hash="h", address="::1", at=now - timedelta(days=500), succeeded=True)
        )
    later = now + timedelta(days=91)
    retention.run(sessions, TERMS, Stones(), now=later)
    with sessions.read() as session:
        inbox = session.scalars(select(InboxEvent)).one()
        assert (inbox.body, inbox.headers, inbox.digest) == (b"", {}, b"i" * 32)
        mails = session.execute(
            select(OutboxMail.recipient, OutboxMail.body).where(OutboxMail.state == "sent")
        )
        assert mails.all() == [("", "")]
        assert session.scalars(select(SheetLine.cells)).all() == [{"cells": []}]
        assert session.scalars(select(SignInAttempt)).all() == []
        assert desk.payment_of(session, subject.reference).payer_name == NAME


def test_a_mail_that_waits_and_a_message_nobody_acted_on_stay(sessions, subject, now):
    with sessions.begin() as session:
        session.execute(update(OutboxMail).values(state="queued"))
        session.execute(update(InboxEvent).values(handled_at=None))
    retention.run(sessions, TERMS, Stones(), now=now + timedelta(days=400))
    with sessions.read() as session:
        assert all(session.scalars(select(OutboxMail.body)))
        assert session.scalars(select(InboxEvent.body)).one()


def test_what_is_not_over_holds_a_payer_back(sessions, subject, now):
    ended(sessions, dates.business_day(now) - timedelta(days=400))
    with sessions.begin() as session:
        session.execute(text("UPDATE disputes SET state = 'open', ended_at = NULL"))
    report = retention.run(sessions, TERMS, Stones(), now=now)
    assert (report.counts["payers"], report.held_back) == (1, 1)
    with sessions.read() as session:
        assert desk.payment_of(session, subject.reference).payer_name == NAME


def test_papers_and_bank_lines_tell_of_people_for_five_years(sessions, subject, now):
    body = {
        "event": "Devconf", "bill_to": {"name": NAME, "email": "n@example.org"}, "note": NAME, "why": "",
        "bill": {"lines": [{"what": f"Regular, {NAME}"}]},
    }  # fmt: skip
    with sessions.begin() as session, erasing.Door(session):
        session.execute(update(PaperRow).values(body=body))
    retention.run(sessions, TERMS, Stones(), now=now + timedelta(days=1_700))
    with sessions.read() as session:
        assert NAME in str(session.scalars(select(PaperRow.body)).one())
        assert session.scalars(select(StatementLine.description)).one() == "EFT CREDIT"
    retention.run(sessions, TERMS, Stones(), now=now + timedelta(days=1_830))
    with sessions.read() as session:
        paper = session.scalars(select(PaperRow)).one()
        assert NAME not in str(paper.body)
        assert (paper.total_minor, paper.sha256) == (100, "b" * 64)
        assert session.scalars(select(StatementLine.description)).one() == ""
    with sessions.read() as session:
        papers = [one for one in integrity.examine(session) if one.name == "papers"]
        assert "it is not as it was issued" not in str(papers)


def test_a_dry_run_says_the_same_and_changes_nothing(sessions, subject, now):
    ended(sessions, dates.business_day(now) - timedelta(days=400))
    with sessions.read() as session:
        told = retention.dry_run(session, ADMIN, TERMS, now=now + timedelta(days=100))
        assert desk.payment_of(session, subject.reference).payer_name == NAME
    done = retention.run(sessions, TERMS, Stones(), now=now + timedelta(days=100))
    assert told.counts["payers"] == done.counts["payers"] == 2
    assert told.counts["messages of the gateway"] == done.counts["messages of the gateway"] == 1


def test_a_person_begins_it_and_no_setting(sessions, subject, now):
    with sessions.begin() as session:
        assert not retention.due(session, now=now + timedelta(days=4_000))
        with pytest.raises(ProveAgain):
            retention.begin(session, replace(ADMIN, proved_at=None), now=now)
        retention.begin(session, ADMIN, now=now)
        retention.begin(session, ADMIN, now=now)
        assert retention.due(session, now=now)
    told = select(func.count()).where(AuditEntry.action == "begin_retention")
    with sessions.read() as session:
        assert session.scalar(told) == 1


def test_it_is_done_once_a_day(sessions, now):
    with sessions.begin() as session:
        retention.begin(session, ADMIN, now=now)
        assert retention.due(session, now=now)
    retention.run(sessions, TERMS, Stones(), now=now)
    with sessions.read() as session:
        assert not retention.due(session, now=now + timedelta(hours=3))
        assert retention.due(session, now=now + timedelta(days=1))


# -- backups ------------------------------------------------------------------------------------------


def test_a_backup_of_before_is_erased_again(sessions, gateway, place, new_database, now):  # noqa: F811
    bootstrap.claim_mode(sessions, "demo")
    with sessions.begin() as session:
        make_event(session, now=now)
    reference = issue(sessions, gateway, now=now).reference
    kept = issue(sessions, gateway, now=now).reference
    made = backups.make(sessions, place, now=now)
    stones = Stones((place.folder,))
    with sessions.begin() as session:
        payment = desk.payment_of(session, reference)
        erasing.erase(session, [payment], cause=erasing.REQUEST, now=now)
        gone = [(payment.id, reference)]
    tombstones.add(stones, gone, now=now)
    other = elsewhere(sessions, new_database, place)
    restoring.restore(
        Sessions(other.engine), ADMIN, place, place.folder / made.file, mode="demo", now=now, stones=stones
    )
    with other.read() as session:
        assert desk.payment_of(session, reference).payer_name == "Erased"
        assert desk.payment_of(session, kept).payer_name == "Zanele Mokoena"
        (entry,) = session.scalars(select(AuditEntry).where(AuditEntry.action == "restore_backup"))
        assert entry.detail["erased_again"] == 1
    other.engine.dispose()


def test_an_erasure_that_was_not_written_down_is_caught_up_with(sessions, subject, tmp_path, now):
    with sessions.begin() as session:
        payment = desk.payment_of(session, subject.reference)
        erasing.erase(session, [payment], cause=erasing.REQUEST, now=now)
    stones = Stones((tmp_path,))
    with sessions.read() as session:
        assert tombstones.catch_up(session, stones, now=now) == 1
        assert tombstones.catch_up(session, stones, now=now) == 0
    assert NAME not in (tmp_path / tombstones.NAME).read_text()


def test_the_list_goes_to_the_store_and_comes_back_with_a_backup(tmp_path, now):
    folder, store, other = tmp_path / "here", Folder(tmp_path / "store"), tmp_path / "there"
    for each in (folder, store.path, other):
        each.mkdir()
    tombstones.add(Stones((folder,)), [(7, "DEMO_REG_A")], now=now)
    backups.copy_away(Place(folder, tmp_path, KEYS, None, store), now=now)
    tombstones.add(Stones((other,)), [(8, "DEMO_REG_B")], now=now)
    commands.backups._fetch_erasures(store, other)
    assert tombstones.read(Stones((other,))) == {7: "DEMO_REG_A", 8: "DEMO_REG_B"}


def test_a_list_that_cannot_be_read_stops_a_restore(tmp_path):
    (tmp_path / tombstones.NAME).write_text("half a li")
    with pytest.raises(Conflict, match="Line 1 of"):
        tombstones.read(Stones((tmp_path,)))


# -- who saw what -------------------------------------------------------------------------------------


def audit_of(sessions, *what: tuple[str, str, int], now) -> None:
    from payments.books import audit

    with sessions.begin() as session:
        for actor, action, minutes in what:
            person = desk.proved(desk.ADMIN)
            told = type(person)(1, actor, f"{actor}@example.org", person.role, None, None)
            audit.record(session, told, action, "DEMO_REG_X", now=now + timedelta(minutes=minutes))


def test_who_saw_what_is_listed_for_a_window_and_an_account(sessions, now):
    audit_of(
        sessions, ("sipho", "open_proof", 0), ("lerato", "export_whole", 5), ("sipho", "export_whole", 200),
        ("sipho", "add_note", 1), now=now,
    )  # fmt: skip
    window = Window(now, now + timedelta(hours=1))
    with sessions.begin() as session:
        assert [(row.who, row.what) for row in breach.seen(session, ADMIN, window)] == [
            ("sipho@example.org", "opened a proof of payment"),
            ("lerato@example.org", "took a file of payments"),
        ]
        one = breach.seen(session, ADMIN, Window(now, now + timedelta(hours=1), account="lerato"))
        assert [row.who for row in one] == ["lerato@example.org"]
        assert breach.seen(session, ADMIN, Window(now, now + timedelta(hours=1), host="10.9.9.9")) == []
        file = breach.take(session, ADMIN, window, now=now)
    rows = list(csv.reader(io.StringIO(file.data.decode("utf-8-sig"))))
    assert rows[0] == list(breach.HEADS)
    assert len(rows) == 3
    with sessions.begin() as session, pytest.raises(InvalidInput, match="ends before it begins"):
        breach.seen(session, ADMIN, Window(now, now - timedelta(hours=1)))


def test_every_action_it_lists_is_one_that_is_recorded(request):
    """A renamed action would leave the list in silence."""
    root = request.config.rootpath
    code = "".join(
        path.read_text()
        for path in [
            *root.glob("payments/**/*.py"),
            *root.glob("*.py"),
            *root.glob("commands/*.py"),
            *root.glob("signin_pages/*.py"),
        ]
    )
    made = {f"{kind}_subject" for kind in ("export", "correction", "erasure")}
    missing = [action for action in breach.SHOWN if code.count(f'"{action}"') < 2 and action not in made]
    assert missing == []


def test_a_moment_that_is_none_is_said_so():
    with pytest.raises(InvalidInput, match="no moment"):
        privacy._moment("yesterday")


@pytest.mark.parametrize("name", ["Thandéka Mokoena", "thandéka mokoena"])
def test_letters_beyond_ascii_are_found_as_well(sessions, gateway, now, name):
    with sessions.begin() as session:
        make_event(session, now=now)
    theirs = issue(sessions, gateway, now=now, payer_name="Thandéka Mokoena").reference
    other = issue(sessions, gateway, now=now).reference
    with sessions.begin() as session:
        to = desk.payment_of(session, other)
        session.add(Case(reason="alike", payment_id=to.id, detail={"who": name}, opened_at=now))
    with sessions.begin() as session:
        payment = desk.payment_of(session, theirs)
        erasing.erase(session, [payment], cause=erasing.REQUEST, now=now, everywhere=True)
    with sessions.read() as session:
        detail = session.scalars(select(Case.detail).where(Case.reason == "alike")).one()
    assert detail == {"who": "Erased"}


def test_a_case_that_names_them_elsewhere_is_scrubbed_too(sessions, subject, now):
    """Beside somebody else's payment: only where an address, a number or a whole name stands."""
    with sessions.begin() as session:
        other = desk.payment_of(session, subject.other)
        session.add(
            Case(
                reason="alike", payment_id=other.id, detail={"who": NAME, "first": "Nokwanda"}, opened_at=now
            )
        )
    with sessions.begin() as session:
        payment = desk.payment_of(session, subject.reference)
        erasing.erase(session, [payment], cause=erasing.REQUEST, now=now, everywhere=True)
    with sessions.read() as session:
        detail = session.scalars(select(Case.detail).where(Case.reason == "alike")).one()
        assert detail == {"who": "Erased", "first": "Nokwanda"}
