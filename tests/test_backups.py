"""Backups: taken while the desk is written to, proved by opening them, put back whole or not at all."""

import hashlib
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random
from threading import Event, Thread

import pytest
from sqlalchemy import select, update

import bootstrap
import environment
from db.models import AuditEntry, Payment, Tally
from db.session import DatabaseUnfit, Sessions, file_of, open_engine
from payments.books import integrity
from payments.errors import CannotOpen, Conflict, InvalidInput
from payments.gateways import Answer
from payments.hearing import sync
from payments.keeping import backups, keyring, restoring, sealing
from payments.keeping.backups import Backup, Keeper, Place, State
from payments.watching import alerts, standstill, watch
from tests import postgres
from tests.desk import ADMIN, issue, make_event

KEYS = keyring.read(keyring.new_key("today"))
TOOLS = postgres._WHEEL / "pginstall/bin"


@pytest.fixture
def place(tmp_path) -> Place:
    return Place(tmp_path / "backups", tmp_path / "work", KEYS, TOOLS)


@pytest.fixture
def desk(sessions, gateway, now) -> Sessions:
    """Three payments, one of them paid."""
    bootstrap.claim_mode(sessions, "demo")
    with sessions.begin() as session:
        make_event(session, now=now)
    links = [issue(sessions, gateway, now=now) for _ in range(3)]
    gateway.says(links[0].gateway_reference, Answer.PAID, "PAID")
    sync.ask(sessions, {gateway.name: gateway}, 1, now=now)
    return sessions


def put_back(engine, place, file, *, now, mode="demo"):
    return restoring.restore(Sessions(engine), ADMIN, place, file, mode=mode, now=now)


def statuses(sessions) -> list[tuple[str, str]]:
    with sessions.read() as session:
        return [tuple(row) for row in session.execute(select(Payment.reference, Payment.status))]


def elsewhere(desk, new_database, place) -> Sessions:
    """Where a backup of this desk can be put: an empty database, or another file."""
    if desk.engine.dialect.name == "postgresql":
        return Sessions(open_engine(new_database(False)))
    path = place.folder.parent / "other.db"
    shutil.copyfile(file_of(desk.engine), path)
    return Sessions(open_engine(f"sqlite:///{path}"))


# -- there and back ---------------------------------------------------------------------------------


def test_what_is_put_back_is_what_was_there_and_its_books_add_up(desk, place, gateway, new_database, now):
    made = backups.make(desk, place, now=now)
    before = statuses(desk)
    other = elsewhere(desk, new_database, place)
    issue(desk, gateway, now=now)
    manifest = put_back(other.engine, place, place.folder / made.file, now=now + timedelta(hours=2))
    assert statuses(other) == before
    assert sum(manifest.rows.values()) == made.rows
    assert manifest.rows["payments"] == 3
    with other.read() as session:
        assert integrity.examine(session) == ()
        assert (
            session.scalars(select(AuditEntry.action).order_by(AuditEntry.id.desc())).first()
            == "restore_backup"
        )
    other.engine.dispose()


def test_a_backup_taken_while_payments_are_made_is_one_picture(desk, place, gateway, new_database, now):
    """Payments, their timelines, totals and mails are from the same moment, or the books would not add up."""
    stop = Event()

    def work() -> None:
        while not stop.is_set():
            issue(desk, gateway, now=now)

    worker = Thread(target=work)
    worker.start()
    try:
        made = [backups.make(desk, place, now=now + timedelta(seconds=nth)) for nth in range(3)]
    finally:
        stop.set()
        worker.join(30)
    assert len({one.rows for one in made}) == 3, "nothing was written meanwhile"
    other = elsewhere(desk, new_database, place)
    put_back(other.engine, place, place.folder / made[-1].file, now=now)
    with other.read() as session:
        assert integrity.examine(session) == ()
    other.engine.dispose()


def test_the_desk_that_was_there_is_kept_beside_it(desk, place, gateway, now, database_kind):
    if database_kind == "postgres":
        file = backups.make(desk, place, now=now).file
        with pytest.raises(DatabaseUnfit, match="not empty, and nothing is written over"):
            put_back(desk.engine, place, place.folder / file, now=now)
        return
    file = backups.make(desk, place, now=now).file
    issue(desk, gateway, now=now)
    four = statuses(desk)
    path = file_of(desk.engine)
    desk.engine.dispose()
    put_back(desk.engine, place, place.folder / file, now=now)
    assert len(statuses(desk)) == 3
    aside = Sessions(open_engine(f"sqlite:///{next(path.parent.glob(f'{path.name}.before-*Z'))}"))
    assert statuses(aside) == four
    aside.engine.dispose()


# -- refused ----------------------------------------------------------------------------------------


def _cut(data: bytes, dice: Random) -> bytes:
    return data[: dice.randrange(len(data))]


def _flip(data: bytes, dice: Random) -> bytes:
    at = dice.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << dice.randrange(8))]) + data[at + 1 :]


def _more(data: bytes, dice: Random) -> bytes:
    return data + dice.randbytes(dice.randrange(1, 40))


@pytest.mark.parametrize("spoil", [_cut, _flip, _more])
def test_a_backup_that_is_cut_off_or_changed_anywhere_is_refused(spoil, tmp_path, monkeypatch):
    monkeypatch.setattr(sealing, "PIECE", 100)  # many pieces, each of them struck
    dice, sealed, plain = Random(2026), tmp_path / "sealed", tmp_path / "plain"
    plain.write_bytes(dice.randbytes(1_050))
    with plain.open("rb") as source, sealed.open("wb") as target:
        sealing.seal(KEYS, b"head", source, target)
    whole = sealed.read_bytes()
    with sealed.open("rb") as source:
        head, *pieces = sealing.opened(KEYS, source)
    assert (head, b"".join(pieces)) == (b"head", plain.read_bytes())
    for _ in range(200):
        sealed.write_bytes(spoil(whole, dice))
        with sealed.open("rb") as source, pytest.raises(CannotOpen):
            list(sealing.opened(KEYS, source))


def test_pieces_that_change_places_or_come_from_another_backup_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(sealing, "PIECE", 100)
    plain = tmp_path / "plain"
    plain.write_bytes(bytes(400))
    files = [tmp_path / "one", tmp_path / "two"]
    for file in files:
        with plain.open("rb") as source, file.open("wb") as target:
            sealing.seal(KEYS, b"", source, target)
    one, two = (file.read_bytes() for file in files)
    start, piece = len(sealing._FIRST_LINE) + 16, len(one) // 6
    for mixed in (one[: start + piece] + two[start + piece :], two[:start] + one[start:]):
        files[0].write_bytes(mixed)
        with files[0].open("rb") as source, pytest.raises(CannotOpen):
            list(sealing.opened(KEYS, source))


@pytest.mark.parametrize("database_kind", ["sqlite"], indirect=True)  # on PostgreSQL nothing is replaced
def test_what_is_refused_leaves_the_desk_as_it_was(desk, place, now):
    file = place.folder / backups.make(desk, place, now=now).file
    before, path = statuses(desk), file_of(desk.engine)
    broken = file.with_name("broken.backup")
    broken.write_bytes(file.read_bytes()[:-20])
    others = replace(place, keys=keyring.read(keyring.new_key("today")))
    stranger = replace(place, keys=keyring.read(keyring.new_key("other")))
    for refused, given, mode, words in (
        (CannotOpen, (place, broken), "demo", "cut off"),
        (CannotOpen, (others, file), "demo", "changed"),
        (CannotOpen, (stranger, file), "demo", "ENCRYPTION_KEYS"),
        (CannotOpen, (place, path), "demo", "no backup of Paydesk"),
        (Conflict, (place, file), "live", "demo desk"),
    ):
        with pytest.raises(refused, match=words):
            put_back(desk.engine, *given, mode=mode, now=now)
    assert statuses(desk) == before
    assert list(path.parent.glob("*before-*")) == []
    assert not (path.parent / "backup.making").exists()


def test_a_backup_whose_books_do_not_add_up_is_put_back_only_if_they_did_not_then(
    desk, place, new_database, now, monkeypatch
):
    with desk.begin() as session:
        session.execute(update(Tally).values(count=Tally.count + 1))
    monkeypatch.setattr(backups, "_looked_into", lambda _, copy: (_counts(copy), ()))  # as if all were well
    file = place.folder / backups.make(desk, place, now=now).file
    other = elsewhere(desk, new_database, place)
    with pytest.raises(Conflict, match="do not add up"):
        put_back(other.engine, place, file, now=now)
    other.engine.dispose()
    monkeypatch.undo()
    integrity.run(desk, now=now)
    made = backups.make(desk, place, now=now + timedelta(seconds=1))
    assert made.findings
    with desk.read() as session:
        assert standstill.current(session) is not None
    other = elsewhere(desk, new_database, place)
    put_back(other.engine, place, place.folder / made.file, now=now)
    other.engine.dispose()


def _counts(copy: Path):
    engine = open_engine(f"sqlite:///{copy}")
    with engine.connect() as connection:
        counts = backups.copies.count(connection)
    engine.dispose()
    return counts


# -- how it lies there ------------------------------------------------------------------------------


def test_nothing_of_it_can_be_read_without_the_key_and_its_sum_stands_beside_it(desk, place, now):
    made = backups.make(desk, place, now=now)
    file = place.folder / made.file
    assert b"Mokoena" not in file.read_bytes()
    assert hashlib.sha256(file.read_bytes()).hexdigest() == made.sha256
    assert file.with_name(f"{file.name}.sha256").read_text() == f"{made.sha256}  {file.name}\n"
    assert file.stat().st_mode & 0o077 == 0
    assert sorted(path.name for path in place.folder.iterdir()) == [file.name, f"{file.name}.sha256"]
    assert not (place.work / "backup.making").exists()


def test_without_a_key_there_is_no_backup_and_nothing_is_left(desk, place, now):
    with pytest.raises(CannotOpen, match="ENCRYPTION_KEYS"):
        backups.make(desk, replace(place, keys=keyring.KeyRing()), now=now)
    assert [path.name for path in place.folder.iterdir() if path.suffix == ".backup"] == []
    assert not (place.work / "backup.making").exists()


def test_two_at_once_take_no_turns_the_second_is_refused(desk, place, now):
    with backups.alone(place.work), pytest.raises(Conflict, match="just now"):
        backups.make(desk, place, now=now)


@pytest.mark.parametrize(
    "database_kind", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
def test_without_postgresqls_programs_it_says_what_to_install(desk, place, now, tmp_path):
    with pytest.raises(DatabaseUnfit, match=r"pg_dump is not here.*POSTGRES_BIN"):
        backups.make(desk, replace(place, tools=tmp_path), now=now)


def test_live_mode_keeps_no_backup_that_everybody_could_read():
    settings = {"IKHOKHA_APP_ID": "IK123", "IKHOKHA_SECRET_KEY": "s" * 32, "BACKUP_FOLDER": "/mnt/backups"}
    with pytest.raises(InvalidInput, match="BACKUP_FOLDER needs ENCRYPTION_KEYS"):
        environment.read_settings(settings, None)


def test_two_days_are_kept_whole_a_month_by_its_days_a_year_by_its_months_and_other_files(tmp_path, now):
    for hours in range(0, 24 * 400, 6):
        (tmp_path / f"paydesk-{now - timedelta(hours=hours):%Y%m%dT%H%M%SZ}.backup").touch()
    (tmp_path / "paydesk-mine.backup").touch()
    backups.prune(tmp_path, now=now)
    kept = sorted(path.name for path in tmp_path.iterdir())
    assert "paydesk-mine.backup" in kept
    assert len(kept) == 1 + 9 + 28 + 11  # every six hours, then one a day, then one a month
    assert backups.prune(tmp_path, now=now) == []


# -- hourly, and told when not ----------------------------------------------------------------------


def test_the_worker_makes_one_at_its_start_and_then_every_fifty_minutes(desk, place, now):
    keeper, made = Keeper(desk, place), []
    for minutes in (0, 1, 49, 51, 60, 102):
        keeper.step(now=now + timedelta(minutes=minutes))
        keeper.wait()
        made.append(len(list(place.folder.glob("*.backup"))))
    assert made == [1, 1, 1, 2, 2, 3]
    again = Keeper(desk, place)  # a worker that starts anew looks when the last one was made
    again.step(now=now + timedelta(minutes=103))
    again.wait()
    assert len(list(place.folder.glob("*.backup"))) == 3


def test_one_that_fails_is_told_and_tried_again_and_over_when_it_works(desk, place, now):
    keeper = Keeper(desk, replace(place, folder=place.work / "backup.lock" / "no folder"))
    place.work.mkdir()
    (place.work / "backup.lock").touch()
    keeper.step(now=now)
    keeper.wait()
    with desk.read() as session:
        assert "backup.lock" in backups.state(session).fault
    backups.make(desk, place, now=now)
    with desk.read() as session:
        assert backups.state(session).fault == ""


def _last(at) -> Backup:
    return Backup(at, "x.backup", 1, "", 1, 1, ())


@pytest.mark.parametrize(
    "made_min, began_min, fault, severity",
    [
        pytest.param(10, 600, "", None, id="a fresh one"),
        pytest.param(70, 600, "", None, id="a little late"),
        pytest.param(80, 600, "", "poor", id="overdue"),
        pytest.param(200, 600, "", "bad", id="long overdue"),
        pytest.param(55, 600, "full", None, id="failed, and the last is young enough"),
        pytest.param(61, 600, "full", "poor", id="failed, and the promise is broken"),
        pytest.param(3_000, 1, "", None, id="the desk was closed, and has just opened"),
        pytest.param(3_000, 20, "", "poor", id="it opened, and made none"),
        pytest.param(3_000, 1, "full", "poor", id="it opened, and failed"),
        pytest.param(None, 1, "", None, id="never one, and it has just opened"),
        pytest.param(None, 20, "", "poor", id="never one"),
        pytest.param(None, 200, "", "bad", id="never one for hours"),
    ],
)  # fmt: skip
def test_an_overdue_backup_is_an_alert(now, made_min, began_min, fault, severity):
    last = None if made_min is None else _last(now - timedelta(minutes=made_min))
    found = list(watch.about_backups(State(last, fault), now - timedelta(minutes=began_min), now=now))
    assert [alarm.severity for alarm in found] == ([] if severity is None else [severity])
    assert all(alarm.kind is alerts.Kind.BACKUP and fault in alarm.sentence for alarm in found)
