"""The audit's chain: what is changed, taken out, put in or cut off is named, and nobody can chain anew."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, delete, insert, select, text, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from db.models import AuditEntry
from db.session import Sessions, open_engine
from payments.access.people import SYSTEM, Person, Role
from payments.books import audit, audit_book, chain, integrity
from payments.books.audit_book import Wanted
from payments.books.chain import Chain
from payments.errors import Conflict, NotAllowed
from payments.keeping import keyring
from payments.keeping.keyring import KeyRing

RING = keyring.read(keyring.new_key("one"))
ADMIN = Person(1, "Thandi", "thandi@example.org", Role.ADMIN, None)
CLERK = Person(2, "Sipho", "sipho@example.org", Role.FINANCE, None)


@pytest.fixture
def anchors(tmp_path: Path) -> Path:
    return tmp_path / "audit.anchors"


@pytest.fixture
def desk(sessions: Sessions, anchors: Path) -> Sessions:
    return with_ring(sessions, RING, anchors)


def with_ring(sessions: Sessions, ring: KeyRing, anchors: Path | None = None) -> Sessions:
    return Sessions(sessions.engine, {chain.CARRIED: Chain(lambda: ring, anchors)})


def record(desk: Sessions, now: datetime, *subjects: str, **detail: Any) -> None:
    for subject in subjects:
        with desk.begin() as session:
            audit.record(session, ADMIN, "add_note", subject, now=now, **detail)


def broken(desk: Sessions) -> str:
    """What is wrong, as ``NUMBER sentence``; "" when nothing is."""
    found = audit_book.verify(desk, ADMIN).broken
    return f"{found.entry} {found.sentence}" if found else ""


def by_hand(engine: Engine, *statements: Any) -> None:
    """What somebody does who owns the database: no trigger stops them."""
    with engine.begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SET LOCAL session_replication_role = replica"))
        else:
            for verb in ("update", "delete"):
                connection.execute(text(f"DROP TRIGGER IF EXISTS audit_no_{verb}"))
        for statement in statements:
            connection.execute(statement)


def entry(number: int) -> Any:
    return AuditEntry.id == number


def swap(first: int, second: int) -> list[Any]:
    moves = ((first, -1), (second, first), (-1, second))
    return [update(AuditEntry).where(entry(old)).values(id=new) for old, new in moves]


def forged(number: int, now: datetime, mac: str | None) -> Any:
    told = {"at": now, "actor": "nobody@example.org", "action": "add_note", "subject": "x", "detail": {}}
    return insert(AuditEntry).values(id=number, mac=mac, mac_key="one" if mac else None, **told)


def edited(column: str, value: Any) -> Callable[[datetime], list[Any]]:
    return lambda now: [update(AuditEntry).where(entry(3)).values({column: value})]


TAMPERING: dict[str, tuple[Callable[[datetime], list[Any]], int]] = {
    "who": (edited("actor", "somebody@example.org"), 3),
    "what": (edited("action", "add_nota"), 3),
    "about what": (edited("subject", "DEMO_REG_9"), 3),
    "detail": (edited("detail", {"amount": 1}), 3),
    "key": (edited("mac_key", "two"), 3),
    "mac": (edited("mac", "0" * 64), 3),
    "mac taken away": (edited("mac", None), 3),
    "when": (
        lambda now: [update(AuditEntry).where(entry(3)).values(at=now + timedelta(microseconds=1))], 3
    ),
    "deleted": (lambda now: [delete(AuditEntry).where(entry(3))], 4),
    "first deleted": (lambda now: [delete(AuditEntry).where(entry(1))], 2),
    "deleted and the rest moved up": (
        lambda now: [
            delete(AuditEntry).where(entry(3)),
            *(update(AuditEntry).where(entry(number)).values(id=number - 1) for number in (4, 5)),
        ], 3,
    ),
    "swapped": (lambda now: swap(3, 4), 3),
    "added": (lambda now: [forged(6, now, "f" * 64)], 6),
    "added without a mac": (lambda now: [forged(6, now, None)], 6),
    "chained anew by a plain hash": (lambda now: [update(AuditEntry).values(mac="a" * 64, mac_key="")], 1),
}  # fmt: skip


@pytest.mark.parametrize("how", TAMPERING)
def test_the_first_entry_that_is_not_what_was_written_is_named(
    desk: Sessions, how: str, now: datetime
) -> None:
    record(desk, now, "A", "B", "C", "D", "E", amount=100)
    assert broken(desk) == ""
    tamper, named = TAMPERING[how]
    by_hand(desk.engine, *tamper(now))
    assert broken(desk).startswith(f"{named} ")


@pytest.mark.parametrize("gone", [1, 5], ids=["the newest", "all"])
def test_what_is_cut_off_shows_against_the_anchor(desk: Sessions, now: datetime, gone: int) -> None:
    record(desk, now, "A", "B", "C", "D", "E")
    chain.drop_anchor(desk, now=now)
    assert broken(desk) == ""
    by_hand(desk.engine, delete(AuditEntry).where(AuditEntry.id > 5 - gone))
    assert broken(desk).startswith("5 is gone: it was there on 23 November 2026")
    record(desk, now, *"FGHIJ")  # whoever fills the gap again has other entries than there were
    assert broken(desk).startswith("5 is another one")


def test_the_database_itself_refuses_to_change_an_entry(desk: Sessions, now: datetime) -> None:
    record(desk, now, "A", "B")
    for statement in (update(AuditEntry).values(subject="B"), delete(AuditEntry)):
        with pytest.raises(DBAPIError, match="only ever added"), desk.engine.begin() as connection:
            connection.execute(statement)
    assert broken(desk) == ""


def test_an_entry_is_written_with_the_change_it_tells_of_or_not_at_all(desk: Sessions, now: datetime) -> None:
    def fail_after_it(session: Session) -> None:
        audit.record(session, ADMIN, "add_note", "A", now=now)
        raise Conflict("no")

    with pytest.raises(Conflict), desk.begin() as session:
        fail_after_it(session)
    with Session(desk.engine) as session:  # a session that goes on after what was undone
        with pytest.raises(Conflict), session.begin():
            fail_after_it(session)
        with session.begin():
            pass
    record(desk, now, "B")
    with desk.read() as session:
        assert [one.subject for one in audit_book.entries(session, ADMIN, Wanted())] == ["B"]


def test_two_writers_with_a_thousand_entries_make_one_chain_without_a_gap(
    desk: Sessions, now: datetime, so_often: Callable[[int, int], int]
) -> None:
    many = so_often(60, 1_000)

    def write(name: str) -> None:
        for number in range(many):
            record(desk, now, f"{name}{number}")

    with ThreadPoolExecutor(2) as both:
        list(both.map(write, "AB"))
    verdict = audit_book.verify(desk, ADMIN)
    assert (verdict.broken, verdict.entries, verdict.last) == (None, 2 * many, 2 * many)


def test_entries_from_before_the_chain_are_bound_as_one_into_its_first(
    sessions: Sessions, desk: Sessions, now: datetime
) -> None:
    for number in (2, 5):  # numbers of before may have gaps
        by_hand(sessions.engine, forged(number, now, None))
    record(desk, now, "A", "B")
    verdict = audit_book.verify(desk, ADMIN)
    assert (verdict.broken, verdict.early, verdict.entries, verdict.last) == (None, 2, 4, 7)
    by_hand(desk.engine, update(AuditEntry).where(entry(2)).values(actor="somebody"))
    assert broken(desk).startswith("6 is not as it was written")


def test_a_new_key_goes_on_with_the_chain_of_the_old_one(
    sessions: Sessions, desk: Sessions, now: datetime
) -> None:
    chain.claim_keys(desk, now=now)
    record(desk, now, "A")
    fresh = keyring.read(keyring.new_key("two"))
    both = KeyRing({**fresh.keys, **RING.keys}, "two")
    renewed = with_ring(sessions, both)
    chain.claim_keys(renewed, now=now)
    record(renewed, now, "B")
    assert broken(renewed) == ""
    with pytest.raises(Conflict, match="chained with one, which is not among"):
        chain.claim_keys(with_ring(sessions, fresh), now=now)
    other = KeyRing({**fresh.keys, **keyring.read(keyring.new_key("one")).keys}, "two")
    with pytest.raises(Conflict, match="another key named “one”"):
        chain.claim_keys(with_ring(sessions, other), now=now)
    assert "none of this desk's" in broken(desk)  # which knows the old key alone


def test_an_anchor_is_written_when_something_was_added_and_nobody_else_can_write_one(
    desk: Sessions, anchors: Path, now: datetime
) -> None:
    assert chain.drop_anchor(desk, now=now) is None
    record(desk, now, "A")
    for _ in range(2):
        chain.drop_anchor(desk, now=now)
    assert len(anchors.read_text().splitlines()) == 1
    told = json.loads(anchors.read_text())
    told[1] = 2
    anchors.write_text(json.dumps(told) + "\n")
    with pytest.raises(Conflict, match="is none that this desk wrote"):
        audit_book.verify(desk, ADMIN)


def test_what_was_known_before_a_backup_was_put_back_is_not_missed_after(
    desk: Sessions, now: datetime
) -> None:
    record(desk, now, "A", "B", "C")
    chain.drop_anchor(desk, now=now)
    by_hand(desk.engine, delete(AuditEntry).where(AuditEntry.id > 1))
    record(desk, now, "restored")
    assert broken(desk).startswith("3 is gone")
    chain.drop_anchor(desk, now=now, restored=True)
    assert broken(desk) == ""
    by_hand(desk.engine, delete(AuditEntry).where(AuditEntry.id > 1))
    assert broken(desk).startswith("2 is gone")


def test_the_examination_of_the_books_names_a_broken_chain(desk: Sessions, now: datetime) -> None:
    record(desk, now, "A", "B", "C")
    assert integrity.run(desk, now=now).sound
    by_hand(desk.engine, update(AuditEntry).where(entry(2)).values(actor="somebody"))
    found = {one.name: one.rows for one in integrity.run(desk, now=now).findings}
    assert found["audit"] == ("entry 2 is not as it was written, or the one before it is not.",)


ASKED = {
    "nothing": (Wanted(), "EDCBA"),
    "who, any case": (Wanted(who="THANDI"), "EDCA"),
    "action": (Wanted(action="issue_link"), "B"),
    "subject": (Wanted(subject="d"), "D"),
    "a percent sign is one": (Wanted(subject="%"), ""),
    "days": (Wanted(first=datetime(2026, 11, 24).date(), last=datetime(2026, 11, 24).date()), "E"),
}


@pytest.mark.parametrize("how", ASKED)
def test_the_audit_is_searched_and_taken_away_as_what_is_shown(
    desk: Sessions, how: str, now: datetime
) -> None:
    record(desk, now, "A")
    with desk.begin() as session:
        audit.record(session, SYSTEM, "issue_link", "B", now=now)
    record(desk, now, "C", "D")
    record(desk, now + timedelta(hours=12), "E")  # 00:00 in Johannesburg: the next day
    wanted, subjects = ASKED[how]
    with desk.read() as session:
        found = audit_book.entries(session, ADMIN, wanted)
        assert "".join(one.subject for one in found) == subjects
        assert audit_book.count(session, ADMIN, wanted) == len(subjects)
    with desk.begin() as session:
        lines = audit_book.take(session, ADMIN, wanted, now=now).data.decode().splitlines()
    assert [line.split('","')[4] for line in lines[1:-1]] == list(reversed(subjects))
    assert lines[-1] == f'"# end, {len(subjects)} entries"'
    with desk.read() as session:
        taken = audit_book.entries(session, ADMIN, replace(wanted, action="export_audit"))
        newest = session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
    assert newest is not None
    assert (newest.action, newest.detail["entries"]) == ("export_audit", len(subjects))
    assert all(one.action == "export_audit" for one in taken)


def test_pages_follow_each_other_without_a_gap(
    desk: Sessions, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_book, "PAGE", 2)
    record(desk, now, *"ABCDE")
    with desk.read() as session:
        first = audit_book.entries(session, ADMIN, Wanted())
        record(desk, now, "F")  # what comes meanwhile moves nothing
        second = audit_book.entries(session, ADMIN, Wanted(), before=first[-1].id)
    assert [one.subject for one in (*first, *second)] == list("EDCB")


def test_a_file_is_refused_rather_than_cut(
    desk: Sessions, now: datetime, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_book, "MOST_IN_A_FILE", 2)
    record(desk, now, *"ABC")
    with desk.begin() as session, pytest.raises(Conflict, match="These are 3 entries"):
        audit_book.take(session, ADMIN, Wanted(), now=now)


def test_only_admins_and_auditors_look(desk: Sessions, now: datetime) -> None:
    with pytest.raises(NotAllowed):
        audit_book.verify(desk, CLERK)
    with desk.read() as session:
        for ask in (audit_book.entries, audit_book.count):
            with pytest.raises(NotAllowed):
                ask(session, CLERK, Wanted())
        for look in (audit_book.actions, audit_book.anchors):
            with pytest.raises(NotAllowed):
                look(session, CLERK)


def test_an_engine_of_another_process_goes_on_with_the_same_chain(
    desk: Sessions, database_url: str, now: datetime
) -> None:
    record(desk, now, "A")
    other = open_engine(database_url)
    record(Sessions(other, desk.carried), now, "B")
    other.dispose()
    record(desk, now, "C", subjects=("a", 1, None), odd={"2": 1.5})
    assert broken(desk) == ""
