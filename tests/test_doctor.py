"""Doctor says of each part of a host how it is and what to do; and touches nothing."""

import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path
from threading import Thread
from types import SimpleNamespace

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from sqlalchemy import text
from typer.testing import CliRunner

import bootstrap
import manage
from commands import doctor
from commands.doctor import Colour, Line
from db.migrate import downgrade
from db.session import open_engine
from payments.keeping import backups, keyring
from payments.working import worker
from payments.working.lease import Lease
from tests.desk import FakeGateway, make_event

NOW = datetime.now(UTC)


@pytest.fixture
def host(tmp_path: Path, sqlite_template: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The data folder of a demo desk that is closed; its gateway is not there."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    shutil.copyfile(sqlite_template, folder / "paydesk.db")
    for path in folder.iterdir():
        path.chmod(0o600)
    for name in list(os.environ):
        if name.isupper() and name.startswith(("IKHOKHA", "DATA", "BACKUP", "MAIL")):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IKHOKHA_APP_ID", "demo")
    monkeypatch.setenv("DATA_DIR", str(folder))
    monkeypatch.setenv("SIMULATOR_PORT", "1")
    return folder


def lines() -> dict[str, Line]:
    """By part, the worst of each."""
    found = sorted(doctor.examined(), key=lambda line: list(Colour).index(line.colour))
    return {line.part: line for line in found}


def test_without_settings_there_is_one_red_line_and_exit_1(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("IKHOKHA"):
            monkeypatch.delenv(name)
    done = CliRunner().invoke(manage.cli, ["doctor", "--json"])
    told = json.loads(done.stdout)
    assert (done.exit_code, told["worst"]) == (1, "red")
    red = [line for line in told["lines"] if line["colour"] == "red"]
    assert [line["part"] for line in red] == ["settings"]
    assert "IKHOKHA_APP_ID" in red[0]["says"]


def test_each_line_that_is_not_green_says_what_to_do(host):
    for line in doctor.examined():
        assert line.colour is Colour.GREEN or line.remedy or line.part == "gateway", line


def test_it_changes_nothing_however_often_it_is_asked(host):
    before = {path.name: path.read_bytes() for path in host.iterdir()}
    first, second = ([(line.part, line.colour) for line in doctor.examined()] for _ in range(2))
    assert first == second
    after = {
        path.name: path.read_bytes() for path in host.iterdir() if not path.name.endswith(("-wal", "-shm"))
    }
    assert after == before


@pytest.mark.parametrize(
    "spoilt", ["", "paydesk.db", "audit.keys"], ids=["the folder", "the database", "a key"]
)
def test_what_everybody_can_read_is_red_and_its_remedy_mends_it(host, spoilt):
    assert lines()["files"].colour is Colour.GREEN
    path = host / spoilt
    path.touch()
    path.chmod(0o755 if path.is_dir() else 0o644)
    line = lines()["files"]
    assert line.colour is Colour.RED
    subprocess.run(line.remedy.split(), check=True)
    assert lines()["files"].colour is Colour.GREEN


def test_a_database_that_a_newer_release_migrated_is_amber(host):
    engine = open_engine(f"sqlite:///{host / 'paydesk.db'}")
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    line = lines()["database"]
    assert line.colour is Colour.AMBER
    assert "A newer release has migrated it; this one works on it." in line.says


def test_migrations_that_wait_are_red(host):
    assert lines()["database"].colour is Colour.GREEN
    engine = open_engine(f"sqlite:///{host / 'paydesk.db'}")
    downgrade(engine, "-1")
    engine.dispose()
    assert lines()["database"] == Line("database", Colour.RED, "1 migrations wait.", "manage.py migrate")


def test_a_worker_that_does_not_run_is_red_and_one_that_does_is_named(host):
    assert lines()["worker"].colour is Colour.RED
    app = bootstrap.build()
    lease = Lease(app.sessions, worker.LEASE, who="host-7/boot/space/1/1")
    assert lease.take()
    worker.Worker(lease.sessions, {"ikhokha": FakeGateway()}, None, "").round(now=app.now())
    app.sessions.engine.dispose()
    assert lines()["worker"] == Line("worker", Colour.GREEN, "It runs on host-7.")


@pytest.mark.parametrize(
    "age, colour",
    [
        pytest.param(timedelta(minutes=50), Colour.GREEN, id="fresh"),
        pytest.param(timedelta(minutes=80), Colour.AMBER, id="late"),
        pytest.param(timedelta(hours=4), Colour.RED, id="far too late"),
        pytest.param(None, Colour.RED, id="none"),
    ],
)
def test_backups_are_as_fresh_as_promised(host, monkeypatch, age, colour):
    monkeypatch.setenv("BACKUP_FOLDER", str(host.parent / "backups"))
    if age is not None:
        app = bootstrap.build()
        bootstrap.claim_mode(app.sessions, "demo")
        with app.sessions.begin() as session:
            make_event(session, now=app.now())
        keys = keyring.read(keyring.new_key("k"))
        place = backups.Place(host.parent / "backups", host, keys)
        backups.make(app.sessions, place, now=app.now() - age)
        app.sessions.engine.dispose()
    assert lines()["backups"].colour is colour


def test_mail_that_goes_nowhere_is_red(host, monkeypatch):
    monkeypatch.setenv("MAIL_URL", "smtp://127.0.0.1:1")
    assert lines()["mail"].colour is Colour.RED
    monkeypatch.setenv("MAIL_URL", "console:")
    assert lines()["mail"].colour is Colour.GREEN


# -- the addresses, as somebody outside sees them -------------------------------------------------------


class _Answers(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def outside(tmp_path: Path, request: pytest.FixtureRequest, monkeypatch) -> Iterator[str]:
    """A server with a certificate of 127.0.0.1, for so many days, that this host believes in or not."""
    days, believed, status = request.param
    key, now = ec.generate_private_key(ec.SECP256R1()), NOW
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=90))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "certificate.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (tmp_path / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    if believed:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "certificate.pem"))
    answers = type("Answers", (_Answers,), {"status": status})
    server = HTTPServer(("127.0.0.1", 0), answers)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "certificate.pem", tmp_path / "key.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    "outside, colour, says",
    [
        pytest.param((60, True, 200), Colour.GREEN, "holds until", id="all is well"),
        pytest.param((5, True, 200), Colour.AMBER, "ends on", id="the certificate ends soon"),
        pytest.param((-1, True, 200), Colour.RED, "does not hold", id="it has ended"),
        pytest.param((60, False, 200), Colour.RED, "does not hold", id="nobody believes it"),
        pytest.param((60, True, 502), Colour.RED, "answers 502", id="nobody is behind it"),
    ],
    indirect=["outside"],
)
def test_an_address_is_asked_as_somebody_outside_would(outside, colour, says):
    line = next(doctor._asked("webhook", outside, NOW))
    assert (line.colour, says in line.says) == (colour, True), line


def test_an_address_where_nobody_listens_is_red():
    (line,) = doctor._asked("webhook", "127.0.0.1:1", NOW)
    assert line.colour is Colour.RED
    assert "cannot be reached" in line.says


@pytest.mark.parametrize(
    "off, colour", [(3, Colour.GREEN), (90, Colour.AMBER), (600, Colour.RED)], ids=lambda value: str(value)
)
def test_a_clock_that_is_off_is_told(off, colour):
    assert doctor._told_time("somebody", timedelta(seconds=off)).colour is colour


@pytest.mark.parametrize(
    ("size_mb", "kept_mb", "colour"),
    [(900, 128, Colour.GREEN), (3_400, 128, Colour.AMBER), (3_400, 2_048, Colour.GREEN)],
)
def test_a_database_of_which_postgresql_keeps_little_is_amber(size_mb, kept_mb, colour):
    line = doctor._told_memory(size_mb * 1024**2, kept_mb * 1024**2)
    assert line.colour is colour
    assert ("shared_buffers" in line.remedy) is (colour is Colour.AMBER)


def test_what_postgresql_keeps_is_asked_of_postgresql_alone(sessions):
    told = list(doctor._memory(SimpleNamespace(sessions=sessions)))
    assert [line.colour for line in told] == [Colour.GREEN] * (sessions.engine.dialect.name == "postgresql")
