"""Copies of backups on another machine: in a folder, and in a store that speaks S3."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

import bootstrap
import environment
from db.session import Sessions, open_engine
from payments.errors import Conflict, InvalidInput, NotFound
from payments.keeping import backups, keyring, restoring, stores
from payments.keeping.backups import Keeper, Place
from payments.keeping.stores import Bucket, Folder, Store, store_of
from tests.desk import ADMIN, make_event
from tests.ports import free_port

KEYS = keyring.read(keyring.new_key("today"))


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """A store of our own with a bucket; where it is."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    client = boto3.client(
        "s3", endpoint_url=f"http://{host}:{port}", region_name="us-east-1",
        aws_access_key_id="key", aws_secret_access_key="secret",
    )  # fmt: skip
    client.create_bucket(Bucket="backups")
    client.close()
    yield f"{host}:{port}"
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        (tmp_path / "mounted").mkdir()
        return store_of(str(tmp_path / "mounted"))
    address = request.getfixturevalue("s3")
    return store_of(f"s3+http://key:s%2Fcret@{address}/backups/{tmp_path.name}")


@pytest.fixture
def away(request: pytest.FixtureRequest, store: Store, tmp_path: Path) -> Store:
    """The same, where nobody answers."""
    if isinstance(store, Folder):
        return Folder(tmp_path / "not mounted")
    assert isinstance(store, Bucket)
    return replace(store, address=f"http://127.0.0.1:{free_port()}")


@pytest.fixture
def desk(sqlite_template: Path, tmp_path: Path, now) -> Iterator[Sessions]:
    shutil.copyfile(sqlite_template, tmp_path / "paydesk.db")
    sessions = Sessions(open_engine(f"sqlite:///{tmp_path / 'paydesk.db'}"))
    bootstrap.claim_mode(sessions, "demo")
    with sessions.begin() as session:
        make_event(session, now=now)
    yield sessions
    sessions.engine.dispose()


@pytest.fixture
def place(tmp_path: Path, store: Store) -> Place:
    return Place(tmp_path / "backups", tmp_path / "work", KEYS, copies=store)


# -- a store ------------------------------------------------------------------------------------------


def test_what_is_put_there_comes_back_and_is_let_go(store, tmp_path):
    assert store.names() == []
    file = tmp_path / "a.backup"
    file.write_bytes(bytes(range(256)) * 40_000)  # more than one part
    store.put(file)
    store.put(file)
    assert store.names() == ["a.backup"]
    store.fetch("a.backup", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == file.read_bytes()
    store.remove("a.backup")
    store.remove("a.backup")
    assert store.names() == []
    with pytest.raises(NotFound, match="There is no"):
        store.fetch("a.backup", tmp_path / "again")


def test_a_store_that_is_away_is_a_sentence_without_secrets(away, tmp_path):
    (tmp_path / "a.backup").write_bytes(b"a")
    for act in (away.names, lambda: away.put(tmp_path / "a.backup"), lambda: away.remove("a.backup")):
        with pytest.raises(Conflict) as caught:
            act()
        assert str(caught.value).startswith(away.where)
        assert "s/cret" not in f"{caught.value} {away!r} {away.where}"
    assert not (tmp_path / "not mounted").exists(), "an empty mount point is not the store"


def test_a_bucket_that_is_not_there_is_refused(s3, tmp_path):
    with pytest.raises(Conflict, match="refuses: NoSuchBucket"):
        store_of(f"s3+http://key:secret@{s3}/another").names()


@pytest.mark.parametrize(
    "text, fault",
    [
        pytest.param("s3+http://k:s@store.example.org/b", "without TLS", id="no TLS"),
        pytest.param("s3+https://store.example.org/b", "key and secret", id="no key"),
        pytest.param("s3+https://k:s@store.example.org", "must be a folder or", id="no bucket"),
        pytest.param("ftp://k:s@store.example.org/b", "must be a folder or", id="another protocol"),
        pytest.param("s3+https://k:s/ecret@[/b", "is no address", id="a secret as it is"),
    ],
)
def test_a_store_half_told_is_refused_and_its_secret_not_repeated(text, fault):
    environ = {"IKHOKHA_APP_ID": "demo", "BACKUP_COPY": text}
    with pytest.raises(InvalidInput, match=fault) as caught:
        environment.read_settings(environ, None)
    assert "BACKUP_COPY" in str(caught.value)
    assert "ecret" not in str(caught.value).replace("KEY:SECRET", "").replace("key and secret", "").replace(
        "a secret are", ""
    )


def test_the_settings_do_not_show_the_secret_of_the_store():
    text = "s3+https://AKIA:s%2Fcret%40@store.example.org:9000/b/desk"
    settings = environment.read_settings({"IKHOKHA_APP_ID": "demo", "BACKUP_COPY": text}, None)
    assert settings.backup_copy == Bucket("https://store.example.org:9000", "b", "desk", "AKIA", "s/cret@")
    assert "cret" not in repr(settings)
    assert settings.backup_copy.where == "https://store.example.org:9000/b/desk"


# -- backups there ------------------------------------------------------------------------------------


def test_a_backup_comes_back_from_the_store_and_is_put_in_place(desk, place, store, now, tmp_path):
    made = backups.make(desk, place, now=now)
    assert backups.copy_away(place, now=now) == [made.file]
    shutil.rmtree(place.folder)  # the machine is gone
    with desk.begin() as session:
        make_event(session, "gala", now=now)
    assert backups.newest_in(store) == made.file
    store.fetch(made.file, tmp_path / made.file)
    manifest = restoring.restore(desk, ADMIN, place, tmp_path / made.file, mode="demo", now=now)
    assert manifest.rows["events"] == 1


def test_what_a_store_missed_while_it_was_away_is_there_once_it_is_back(desk, place, away, store, now):
    made = [backups.make(desk, place, now=now + timedelta(minutes=nth)).file for nth in range(3)]
    with pytest.raises(Conflict):
        backups.copy_away(replace(place, copies=away), now=now)
    assert backups.copy_away(place, now=now) == made[::-1]
    assert backups.copy_away(place, now=now) == []
    assert sorted(store.names()) == sorted([*made, *(f"{name}.sha256" for name in made)])


def test_a_store_keeps_as_long_as_the_folder_does_and_only_touches_backups(desk, place, store, now, tmp_path):
    (tmp_path / "theirs.txt").write_text("theirs")
    store.put(tmp_path / "theirs.txt")
    old = [backups.make(desk, place, now=now + timedelta(minutes=nth)).file for nth in range(3)]
    backups.copy_away(place, now=now)
    later = now + timedelta(days=3)
    new = backups.make(desk, place, now=later).file
    backups.copy_away(place, now=later)
    kept = [name for name in store.names() if name.endswith(".backup")]
    assert kept == [old[-1], new]
    assert "theirs.txt" in store.names()


def test_a_copy_that_fails_is_told_and_made_up_for_without_another_backup(desk, place, away, store, now):
    keeper = Keeper(desk, replace(place, copies=away))
    keeper.step(now=now)
    keeper.wait()
    with desk.read() as session:
        state = backups.state(session)
    assert state.fault.startswith("The backup was made, and not copied: ")
    keeper._place = place
    keeper.step(now=now + timedelta(minutes=4))
    keeper.wait()
    assert store.names() == []
    keeper.step(now=now + backups.AGAIN)
    keeper.wait()
    with desk.read() as session:
        assert backups.state(session) == replace(state, fault="")
    assert len(list(place.folder.glob("*.backup"))) == 1
    assert len(store.names()) == 2


def test_a_folder_that_does_not_keep_what_it_is_given_is_not_trusted(tmp_path, monkeypatch):
    (tmp_path / "mounted").mkdir()
    (tmp_path / "a.backup").write_bytes(b"whole")
    cut = lambda source, to: Path(to).write_bytes(Path(source).read_bytes()[:-1])  # noqa: E731
    monkeypatch.setattr(stores.shutil, "copyfile", cut)
    with pytest.raises(Conflict, match="does not keep"):
        Folder(tmp_path / "mounted").put(tmp_path / "a.backup")
    assert not (tmp_path / "mounted" / "a.backup").exists()
