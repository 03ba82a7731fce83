"""The command line, as scripts meet it: real processes, stable JSON, a sentence and exit 1 on failure."""

import atexit
import json
import os
import re
import signal
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

import manage as manage_py
from tests.nursery import Nursery, nursery
from tests.running import demo_environ, manage

ROOT = Path(__file__).parent.parent
LIVE = {
    "IKHOKHA_APP_ID": "IK1234567890ABCDEF1234567890ABCD",
    "IKHOKHA_SECRET_KEY": "a-real-secret-nobody-sees",
    "IKHOKHA_WEBHOOK_URL": "https://pay.example.org/webhooks/ikhokha",
    "IKHOKHA_RETURN_URL": "https://pay.example.org/return",
}

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def environ(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """A demo desk with forty seeded payments."""
    environ = demo_environ(tmp_path_factory.mktemp("desk"))
    assert answer(environ, "seed", "--payments", "40") == {"payments": 40}
    return environ


@pytest.fixture(scope="module")
def simulator(environ: Mapping[str, str]) -> Iterator[Mapping[str, str]]:
    """The same desk while its simulator runs."""
    with part(environ, "simulator", int(environ["SIMULATOR_PORT"])):
        yield environ


@contextmanager
def part(environ: Mapping[str, str], name: str, port: int) -> Iterator[None]:
    process = subprocess.Popen([sys.executable, "manage.py", name], cwd=ROOT, env=environ)
    try:
        until(lambda: healthy(port), 60)
        yield
    finally:
        process.terminate()
        process.wait(15)


def healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/healthz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def until(condition: Any, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.1)


def answer(environ: Mapping[str, str], *words: str) -> Any:
    done = manage(environ, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def refusal(environ: Mapping[str, str], *words: str) -> str:
    """What a command that fails says: on standard error alone, and no traceback."""
    done = manage(environ, *words)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    return done.stderr


# -- JSON -------------------------------------------------------------------------------------------


def test_a_link_is_issued_and_its_payment_can_be_read_and_found(simulator):
    link = answer(
        simulator, "link", "--event", "JOZI-TECH", "--amount", "150.00", "--payer", "Zodwa Quartz",
        "--email", "zodwa@example.org", "--phone", "082 555 0199",
    )  # fmt: skip
    assert set(link) == {"reference", "status", "url", "gateway_reference"}
    assert link["status"] == "open"
    assert link["url"].endswith(link["gateway_reference"])

    payment = answer(simulator, "payment", link["reference"].lower())
    assert {
        "reference", "status", "amount_minor", "received_minor", "currency", "event", "payer", "method",
        "mode", "review", "links", "timeline",
    } <= set(payment)  # fmt: skip
    assert payment["payer"] == {"name": "Zodwa Quartz", "email": "zodwa@example.org", "phone": "+27825550199"}
    assert (payment["amount_minor"], payment["received_minor"], payment["currency"]) == (15000, 0, "ZAR")
    assert (payment["mode"], payment["event"], payment["review"]) == ("demo", "JOZI-TECH", None)
    assert payment["links"][0]["gateway_reference"] == link["gateway_reference"]
    assert {"at", "kind", "source", "actor"} <= set(payment["timeline"][0])
    assert {(entry["source"], entry["actor"]) for entry in payment["timeline"]} == {("cli", "Thandi Nkosi")}

    found = answer(simulator, "find", "zodwa quartz")
    assert (found["count"], found["sums"]) == (1, {"ZAR": 15000})
    assert found["rows"][0]["reference"] == link["reference"]


def test_count_and_sums_are_of_all_that_was_found_and_rows_of_the_limit(environ):
    found = answer(environ, "find", "JOZI-TECH", "--limit", "2")
    assert len(found["rows"]) == 2
    assert found["count"] > 10
    assert found["sums"]["ZAR"] > sum(row["amount_minor"] for row in found["rows"])


def test_as_answers_as_that_person_would_see_it(environ):
    office = answer(environ, "find", "CLOUD-CPT")
    organiser = answer(environ, "find", "CLOUD-CPT", "--as", "aisha@example.org")
    assert office["count"] > 0
    assert organiser == {"count": 0, "sums": {}, "rows": []}
    reference = office["rows"][0]["reference"]
    assert "There is no payment" in refusal(environ, "payment", reference, "--as", "aisha@example.org")


def test_an_export_holds_exactly_what_is_found_and_is_for_one_reader(environ, tmp_path):
    output = tmp_path / "cloud.csv"
    told = answer(environ, "export", "CLOUD-CPT", "--format", "csv", "--output", str(output))
    lines = output.read_bytes().decode("utf-8-sig").splitlines()
    assert (told["rows"], told["output"]) == (len(lines) - 1, str(output))
    assert told["sha256"] == sha256(output.read_bytes()).hexdigest()
    assert told["sums"] == answer(environ, "find", "CLOUD-CPT")["sums"]
    assert told["rows"] == answer(environ, "find", "CLOUD-CPT")["count"]
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert all("CLOUD-CPT" in line for line in lines[1:])
    assert list(tmp_path.iterdir()) == [output]
    verdict = answer(environ, "verify-export", str(output))
    assert (verdict["verdict"], verdict["export"]["reference"]) == ("genuine", told["export"])
    assert verdict["export"]["rows"] == told["rows"]


def test_a_file_that_was_changed_is_not_verified(environ, tmp_path):
    output = tmp_path / "cloud.csv"
    told = answer(environ, "export", "CLOUD-CPT", "--ending", "--columns", "reference,amount,currency",
                  "--output", str(output))  # fmt: skip
    lines = output.read_text("utf-8-sig").splitlines(keepends=True)
    output.write_text("".join([lines[0], *lines[2:]]))
    done = manage(environ, "verify-export", str(output), "--json")
    verdict = json.loads(done.stdout)
    assert (done.returncode, verdict["verdict"], verdict["claims"]) == (1, "changed", told["export"])
    assert f"It holds {told['rows'] - 1} payments; {told['rows']} were exported." in verdict["differences"]
    output.write_text("something else\n")
    assert json.loads(manage(environ, "verify-export", str(output), "--json").stdout)["verdict"] == "unknown"


def test_a_large_file_of_earlier_records_is_read_to_its_end(environ, tmp_path):
    """Of a table that is cut off each row looks whole but the last."""
    file = tmp_path / "earlier.csv"
    rows = [f"r{nth},Thandi Nkosi,t{nth}@example.org,450.00,{'x' * 900_000}" for nth in range(14)]
    file.write_text("\n".join(["registration_id,full_name,email,total_amount,payment_notes", *rows]))
    told = answer(environ, "import-legacy", str(file), "--currency", "ZAR", "--dry-run")
    assert told["records"] == 14


def test_status_tells_the_mode_the_addresses_and_what_waits(environ):
    told = answer(environ, "status")
    assert set(told) == {"mode", "database", "addresses", "last_event", "worker", "queues"}
    assert told["mode"] == "demo"
    assert told["addresses"]["dashboard"] == f"http://127.0.0.1:{environ['DASHBOARD_PORT']}"
    assert {"events_unhandled", "links_due", "links_unknown", "mail_queued"} <= set(told["queues"])
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", told["last_event"])


def test_the_inbox_shows_proved_and_unproved_messages(environ):
    told = answer(environ, "inbox", "--limit", "100")
    assert {message["proved"] for message in told["messages"]} == {True, False}
    assert {"received_at", "gateway_reference", "word", "effect", "handled", "body"} <= set(
        told["messages"][0]
    )


def test_people_are_added_listed_signed_in_and_shut_out(environ):
    added = answer(
        environ, "person", "add", "--name", "Naledi Moloi", "--email", "naledi@example.org",
        "--role", "organiser", "--event", "DBN-JAZZ",
    )  # fmt: skip
    link = answer(environ, "person", "sign-in", "naledi@example.org")["sign_in"]
    assert link != added["sign_in"]
    assert link.startswith(f"http://127.0.0.1:{environ['DASHBOARD_PORT']}/signin/link?token=")
    answer(environ, "person", "disable", "naledi@example.org")
    listed = {person["email"]: person for person in answer(environ, "person", "list")["people"]}
    assert listed["naledi@example.org"]["disabled"] is True
    assert listed["naledi@example.org"]["events"] == ["DBN-JAZZ"]
    assert "Nobody at this desk" in refusal(environ, "person", "sign-in", "naledi@example.org")


# -- failure ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, sentence",
    [
        pytest.param(["payment", "DEMO_REG_2222222"], "There is no payment", id="an unknown payment"),
        pytest.param(
            ["link", "--event", "JOZI-TECH", "--amount", "1,5", "--payer", "X"],
            "not an amount",
            id="an amount",
        ),
        pytest.param(
            ["link", "--event", "NOWHERE", "--amount", "5", "--payer", "X"], "no event", id="an unknown event"
        ),
        pytest.param(
            ["link", "--event", "JOZI-TECH", "--amount", "5", "--payer", "X", "--as", "sipho@example.org"],
            "viewer",
            id="a viewer takes money",
        ),
        pytest.param(["find", "x", "--as", "nobody@example.org"], "Nobody at this desk", id="as nobody"),
        pytest.param(["seed"], "not empty", id="a second year"),
        pytest.param(["export", "", "--output", "/nowhere/x.csv"], "cannot be written", id="no such folder"),
    ],
)
def test_a_failure_is_a_sentence_and_exit_1(environ, words, sentence):
    assert sentence in refusal(environ, *words)


def test_a_gateway_that_cannot_be_reached_is_a_failure_and_no_link(environ):
    away = dict(environ) | {"IKHOKHA_BASE_URL": "http://127.0.0.1:9/public-api/v1/api"}
    told = refusal(away, "link", "--event", "JOZI-TECH", "--amount", "5.00", "--payer", "Nomsa Unlinked")
    assert told.strip()
    row = answer(environ, "find", "Nomsa Unlinked")["rows"][0]
    assert (row["status"], row["received_minor"], row["gateway_reference"]) == ("failed", 0, None)


def test_check_names_what_is_wrong_and_exits_1(environ):
    away = dict(environ) | {"IKHOKHA_BASE_URL": "http://127.0.0.1:9/public-api/v1/api"}
    done = manage(away, "check", "--json")
    told = json.loads(done.stdout)
    assert done.returncode == 1
    assert told["fit"] is False
    assert {one["check"] for one in told["checks"] if not one["ok"]} == {"gateway", "worker"}


def test_an_audit_that_somebody_changed_is_named_and_exits_1(environ, tmp_path):
    whole = answer(environ, "verify-audit")
    assert (whole["whole"], whole["broken"]) == (True, None)
    assert whole["entries"] == whole["last"] > 40
    copy = tmp_path / "copy.db"
    with sqlite3.connect(Path(environ["DATA_DIR"], "paydesk.db")) as base:
        base.execute(f"VACUUM INTO '{copy}'")
    with sqlite3.connect(copy) as base:
        base.execute("DROP TRIGGER audit_no_update")
        base.execute("UPDATE audit SET actor = 'somebody@example.org' WHERE id = 7")
    done = manage(dict(environ) | {"DATABASE_URL": f"sqlite:///{copy}"}, "verify-audit", "--json")
    told = json.loads(done.stdout)
    assert (done.returncode, told["whole"], told["broken"]["entry"]) == (1, False, 7)


def test_without_settings_every_command_but_run_refuses(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "status"],
        cwd=tmp_path, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 1
    assert "IKHOKHA_APP_ID and IKHOKHA_SECRET_KEY are missing" in done.stderr
    assert list(tmp_path.iterdir()) == []


# -- live mode --------------------------------------------------------------------------------------


@pytest.fixture
def live(tmp_path: Path) -> Mapping[str, str]:
    return demo_environ(tmp_path, **LIVE, DATABASE_URL=f"sqlite:///{tmp_path}/live.db")


def main_and_tell() -> None:
    """A command, which says in the end what it has of the simulator. A worker runs for two rounds."""
    names = sys.modules
    atexit.register(lambda: print("imported", [name for name in names if name.split(".")[0] == "simulator"]))
    if sys.argv[1:] == ["worker"]:
        threading.Timer(5, os.kill, (os.getpid(), signal.SIGTERM)).start()
    manage_py.main()


@pytest.mark.parametrize(
    "words", ["migrate", "status", "person list", "worker", "seed", "simulator", "traffic"]
)
def test_live_mode_never_imports_the_simulator(live_desk, words):
    """Whatever an operator types. The gateway is not there."""
    commands, away = live_desk
    done = commands.run(*words.split(), environ=away, seconds=90)
    refused = words in ("seed", "simulator", "traffic")
    assert "imported []" in done.stdout, done.stderr
    assert done.returncode == int(refused), done.stderr
    assert not refused or "This desk is live" in done.stderr


@pytest.fixture(scope="module")
def live_desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Nursery, Mapping[str, str]]]:
    environ = demo_environ(tmp_path_factory.mktemp("live"), **LIVE)
    environ["IKHOKHA_BASE_URL"] = "https://gateway.invalid/api"
    with nursery("tests.test_manage:main_and_tell") as commands:
        commands.run("migrate", environ=environ, seconds=90)
        yield commands, environ


def test_in_live_mode_money_needs_somebody_who_takes_it(live):
    manage(live, "migrate")
    told = refusal(live, "link", "--event", "X", "--amount", "5", "--payer", "X")
    assert "--as EMAIL" in told


def test_where_no_database_was_made_a_command_says_what_makes_one(tmp_path):
    told = refusal(demo_environ(tmp_path), "person", "list")
    assert "Run `python manage.py migrate` first" in told
    assert not list(tmp_path.rglob("*.db"))


def test_a_demo_database_is_not_served_live(environ, live):
    mixed = dict(live) | {"DATABASE_URL": f"sqlite:///{environ['DATA_DIR']}/paydesk.db"}
    assert "Demo and live never mix" in refusal(mixed, "status")


# -- run --------------------------------------------------------------------------------------------


def test_a_taken_port_is_named(environ):
    with socket.create_server(("127.0.0.1", int(environ["WEBHOOK_PORT"]))):
        told = refusal(environ, "run")
    assert environ["WEBHOOK_PORT"] in told
    assert "WEBHOOK_PORT" in told


def test_demo_mode_listens_on_this_machine_unless_it_is_exposed(environ):
    assert "--expose" in refusal(dict(environ) | {"BIND_ADDRESS": "0.0.0.0"}, "run")


def test_a_part_that_dies_is_named_and_started_again_and_all_end_together(tmp_path):
    environ, log = demo_environ(tmp_path), tmp_path / "run.log"
    answer(environ, "seed", "--payments", "30")
    with log.open("w") as out:
        desk = subprocess.Popen(
            [sys.executable, "manage.py", "run", "--no-traffic"],
            cwd=ROOT, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
        )  # fmt: skip
    try:
        until(lambda: "Ctrl-C closes it." in log.read_text(), 120)  # the last line of all that is said
        links = Path(environ["DATA_DIR"]) / "sign-in-links"
        assert stat.S_IMODE(links.stat().st_mode) == 0o600
        assert len(links.read_text().splitlines()) == 4
        assert "token=" not in log.read_text()
        webhook = _child(desk.pid, "webhook.py")
        os.kill(webhook, signal.SIGKILL)
        until(lambda: "The webhook ended" in log.read_text(), 15)
        until(lambda: healthy(int(environ["WEBHOOK_PORT"])), 60)
        began = time.monotonic()
        desk.send_signal(signal.SIGTERM)
        assert desk.wait(20) == 0
        assert time.monotonic() - began < 15
    finally:
        if desk.poll() is None:
            desk.terminate()
            desk.wait(20)
    assert not any(
        healthy(int(environ[name])) for name in ("DASHBOARD_PORT", "WEBHOOK_PORT", "SIMULATOR_PORT")
    )
    assert "The desk is closed." in log.read_text()


def _child(parent: int, name: str) -> int:
    """The process that ``parent`` started to run ``name``."""
    listed = subprocess.run(["ps", "-eo", "pid,ppid,args"], capture_output=True, text=True, check=True).stdout
    rows = (line.split(None, 2) for line in listed.splitlines()[1:])
    return next(int(pid) for pid, ppid, args in rows if int(ppid) == parent and name in args)


# -- the integration script -------------------------------------------------------------------------


def script(environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "test_ikhokha_payment.py"],
        cwd=ROOT, env=environ, capture_output=True, text=True, timeout=120,
    )  # fmt: skip


def test_the_integration_script_prints_its_lines_and_passes(tmp_path):
    done = script(demo_environ(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    expected = (
        "🧪 Testing iKhokha Payment Integration\n"
        "==================================================\n"
        "📝 Test Data:\n"
        "   User: John Doe (john.doe@example.com)\n"
        "   Amount: R150.00\n"
        "   Conference: GIIP Test Conference\n"
        "\n"
        "🔄 Creating payment session...\n"
        "\n"
        "📊 Result:\n"
        "   Success: True\n"
        r"   ✅ Payment URL: http://127\.0\.0\.1:\d+/[a-z0-9]{15}" + "\n"
        r"   🆔 Transaction Ref: DEMO_REG_[2-9A-Z]{7}" + "\n"
        r"   💳 Payment ID: [a-z0-9]{15}" + "\n"
        "\n"
        "🎉 Payment integration test PASSED!\n"
    )
    plain = expected.replace("(john.doe@example.com)", r"\(john\.doe@example\.com\)").replace(
        "...", r"\.\.\."
    )
    assert re.fullmatch(plain, done.stdout), done.stdout
    assert list(tmp_path.iterdir()) == []


def test_the_integration_script_fails_when_the_simulator_refuses(simulator):
    connection = HTTPConnection("127.0.0.1", int(simulator["SIMULATOR_PORT"]))
    connection.request("POST", "/_sim/switches", json.dumps({"create": "403"}))
    assert connection.getresponse().status == 200
    connection.close()
    try:
        done = script(simulator)
    finally:
        connection.request("POST", "/_sim/reset")
        connection.getresponse().read()
        connection.close()
    assert done.returncode == 1
    assert "   Success: False\n" in done.stdout
    assert "🔍 Payment integration test FAILED!" in done.stdout
    assert "PASSED" not in done.stdout


def test_without_settings_the_integration_script_says_what_to_set(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "test_ikhokha_payment.py")],
        cwd=tmp_path, env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 1
    assert "❌ Error: " in done.stdout
    assert "💡 Setup Required:" in done.stdout


def test_pytest_finds_no_test_in_the_integration_script():
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "test_ikhokha_payment.py"],
        cwd=ROOT, capture_output=True, text=True, env={**os.environ, "PYTEST_ADDOPTS": ""},
    )  # fmt: skip
    assert "no tests collected" in done.stdout
    assert "warning" not in done.stdout.lower()
