"""Settings: read once, every fault told together, demo and live never mixed, no secret ever shown."""

import ast
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import bootstrap
import environment
from db.models import Meta
from environment import read_settings
from payments.errors import Conflict, InvalidInput

ROOT = Path(__file__).parent.parent
LIVE = {
    "IKHOKHA_APP_ID": "IK1234567890ABCDEF1234567890ABCD",
    "IKHOKHA_SECRET_KEY": "a-real-secret-nobody-sees",
    "IKHOKHA_WEBHOOK_URL": "https://pay.example.org/webhooks/ikhokha",
    "IKHOKHA_RETURN_URL": "https://pay.example.org/return",
    "DATABASE_URL": "postgresql+psycopg://desk:db-password@db.example.org/desk",
    "MAIL_URL": "smtp://desk:mail-password@mail.example.org:587",
    "MAIL_FROM": "Desk <desk@example.org>",
}


#: It looks through all of its services at first use, and one of them uses what Python will drop.
apprise = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


def read(**environ: str) -> environment.Settings:
    return read_settings(environ, env_file=None)


def faults(environ: dict[str, str]) -> str:
    with pytest.raises(InvalidInput) as refused:
        read_settings(environ, env_file=None)
    return str(refused.value)


# -- which mode -------------------------------------------------------------------------------------


@pytest.mark.parametrize("app_id", ["demo", "test"])
@pytest.mark.parametrize("secret", ["", "demo_secret"])
def test_demo_is_chosen_by_its_app_id_and_no_real_secret(app_id, secret):
    settings = read(IKHOKHA_APP_ID=app_id, IKHOKHA_SECRET_KEY=secret)
    assert settings.mode == "demo"
    assert settings.bind_address == "127.0.0.1"


@pytest.mark.parametrize(
    "app_id, secret",
    [
        pytest.param("demo", "a-real-secret", id="a demo id with a real secret"),
        pytest.param("IK1234", "demo_secret", id="a real id with the demo secret"),
        pytest.param("IK1234", "", id="a real id without a secret"),
        pytest.param("", "a-real-secret", id="a secret alone"),
        pytest.param("", "demo_secret", id="the demo secret alone"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_any_other_mix_of_demo_and_live_is_refused(app_id, secret):
    environ = LIVE | {"IKHOKHA_APP_ID": app_id, "IKHOKHA_SECRET_KEY": secret}
    told = faults(environ)
    assert "IKHOKHA_" in told
    assert "a-real-secret" not in told


def test_live_settings_are_read_as_they_stand():
    settings = read(**LIVE)
    assert settings.mode == "live"
    assert settings.webhook_url == LIVE["IKHOKHA_WEBHOOK_URL"]
    assert settings.failure_url == settings.cancel_url == settings.return_url == LIVE["IKHOKHA_RETURN_URL"]
    assert settings.base_url.startswith("https://api.ikhokha.com/")
    assert settings.entity_id == LIVE["IKHOKHA_APP_ID"]


@pytest.mark.parametrize("made", [False, True])
def test_a_desk_is_served_only_on_tables_of_this_release(tmp_path, made):
    file = tmp_path / "desk.db"
    if made:
        file.touch()
    with pytest.raises(Conflict, match=r"manage\.py migrate"):
        bootstrap.ready(lambda: bootstrap.build(read(**LIVE | {"DATABASE_URL": f"sqlite:///{file}"})))


@pytest.mark.parametrize("mode, other", [("demo", "live"), ("live", "demo")])
def test_a_database_serves_one_mode_for_life(sessions, mode, other):
    bootstrap.claim_mode(sessions, mode)
    bootstrap.claim_mode(sessions, mode)
    with pytest.raises(Conflict, match="Demo and live never mix"):
        bootstrap.claim_mode(sessions, other)


@pytest.mark.parametrize("key, value", [("mode", "demo"), ("audit_keys", "{}")])
def test_of_two_that_start_at_once_the_second_finds_what_the_first_wrote(sessions, key, value):
    with ThreadPoolExecutor(1) as thread:
        with sessions.begin() as session:
            session.add(Meta(key=key, value=value))
            session.flush()
            second = thread.submit(bootstrap.claim_mode, sessions, "demo")
            time.sleep(0.2)
        second.result(30)


# -- faults -----------------------------------------------------------------------------------------


def test_all_faults_are_told_at_once():
    told = faults(
        {
            "IKHOKHA_APP_ID": "IK1234",
            "DASHBOARD_PORT": "eighty",
            "PROXY_HOPS": "9",
            "IKHOKHA_SIGN_QUERY": "maybe",
            "IKHOKHA_RETURN_URL": "pay.example.org",
        }
    )
    for name in (
        "IKHOKHA_SECRET_KEY", "DASHBOARD_PORT", "PROXY_HOPS", "IKHOKHA_SIGN_QUERY", "IKHOKHA_RETURN_URL",
        "IKHOKHA_WEBHOOK_URL",
    ):  # fmt: skip
        assert name in told


@pytest.mark.parametrize(
    "name, value",
    [
        pytest.param(
            "IKHOKHA_WEBHOOK_URL", "http://pay.example.org/webhooks/ikhokha", id="webhook over http"
        ),
        pytest.param("IKHOKHA_RETURN_URL", "http://pay.example.org/return", id="return page over http"),
        pytest.param("IKHOKHA_BASE_URL", "http://api.ikhokha.com/public-api/v1/api", id="gateway over http"),
        pytest.param("IKHOKHA_BASE_URL", "https://127.0.0.1:8600/api", id="gateway on this machine"),
        pytest.param("IKHOKHA_WEBHOOK_URL", LIVE["IKHOKHA_RETURN_URL"], id="webhook is the return page"),
        pytest.param("IKHOKHA_CANCEL_URL", LIVE["IKHOKHA_WEBHOOK_URL"], id="cancel page is the webhook"),
        pytest.param("IKHOKHA_WEBHOOK_URL", "", id="no webhook"),
        pytest.param(
            "IKHOKHA_RETURN_URL", "https://user:pw@pay.example.org/r", id="a password in an address"
        ),
        pytest.param("MAIL_FROM", "", id="mail without a sender"),
        pytest.param("DASHBOARD_URL", "http://desk.example.org", id="dashboard over http"),
    ],
)
def test_live_mode_refuses_what_could_lose_or_leak_money(name, value):
    read(**LIVE)
    assert "The settings need attention" in faults(LIVE | {name: value})


@pytest.mark.parametrize("port", ["0", "65536", "-1", "8501.0", "٨٥٠١"])
def test_a_port_is_a_port(port):
    assert "DASHBOARD_PORT" in faults({"IKHOKHA_APP_ID": "demo", "DASHBOARD_PORT": port})


def test_a_blank_setting_has_its_default():
    assert read(IKHOKHA_APP_ID="demo", DASHBOARD_PORT=" ").dashboard_port == 8501


@pytest.mark.parametrize("hours", ["22:00", "22:00-25:00", "late-early", "22:00-06:00-07:00"])
def test_quiet_hours_are_two_times(hours):
    assert "ALERT_QUIET_HOURS" in faults({"IKHOKHA_APP_ID": "demo", "ALERT_QUIET_HOURS": hours})


@apprise
def test_a_chat_address_that_no_service_has_is_refused_and_not_repeated():
    told = faults({"IKHOKHA_APP_ID": "demo", "ALERT_URLS": "json://example.org nonsense://top-secret"})
    assert "ALERT_URLS: Apprise knows no service for address 2" in told
    assert "top-secret" not in told


# -- where they come from ---------------------------------------------------------------------------


def test_the_environment_wins_over_the_file(tmp_path):
    file = tmp_path / ".env"
    file.write_text("IKHOKHA_APP_ID=demo\nDASHBOARD_PORT=9001\nWEBHOOK_PORT=9002\n")
    settings = read_settings({"DASHBOARD_PORT": "9003"}, file)
    assert (settings.dashboard_port, settings.webhook_port) == (9003, 9002)


@pytest.mark.parametrize(
    "environ, written, nothing",
    [
        pytest.param({}, False, True, id="nothing at all"),
        pytest.param({"IKHOKHA_APP_ID": " "}, False, True, id="a blank"),
        pytest.param({"IKHOKHA_APP_ID": "demo"}, False, False, id="an app id"),
        pytest.param({"IKHOKHA_SECRET_KEY": "x"}, False, False, id="a secret alone is somebody's mistake"),
        pytest.param({}, True, False, id="a file"),
    ],
)
def test_nothing_is_set_only_when_nobody_chose(tmp_path, environ, written, nothing):
    file = tmp_path / ".env"
    if written:
        file.write_text("")
    assert environment.nothing_set(environ, file) is nothing


# -- what they show ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said, fault",
    [
        pytest.param({"OIDC_ISSUER": "http://house.example.org"}, "OIDC_ISSUER must be", id="http"),
        pytest.param({"OIDC_ISSUER": "house.example.org"}, "OIDC_ISSUER must be", id="no address"),
        pytest.param(
            {"OIDC_ISSUER": "https://a:b@house.example.org"}, "OIDC_ISSUER must be", id="a password"
        ),
        pytest.param({"OIDC_CLIENT_ID": ""}, "OIDC_CLIENT_ID is missing", id="no client"),
        pytest.param({"OIDC_ROLES": "desk-admins"}, "OIDC_ROLES takes", id="no role"),
        pytest.param({"OIDC_ROLES": "desk-admins=root"}, "OIDC_ROLES takes", id="no role of ours"),
        pytest.param({"OIDC_ROLES": "=admin"}, "OIDC_ROLES takes", id="no value"),
    ],
)
def test_a_provider_of_sign_ins_is_checked_before_anybody_is_sent_there(said, fault):
    good = {"OIDC_ISSUER": "https://house.example.org", "OIDC_CLIENT_ID": "desk"}
    assert fault in faults(LIVE | good | said)


def test_values_of_a_claim_are_roles_in_the_order_they_are_set():
    roles = read(**LIVE, OIDC_ROLES="desk=admins=admin bursary=finance").sign_in_claims.roles
    assert list(roles.items()) == [("desk=admins", "admin"), ("bursary", "finance")]


@apprise
def test_secrets_are_in_no_repr(tmp_path):
    app = bootstrap.build(read(**LIVE | {"DATABASE_URL": f"sqlite:///{tmp_path}/desk.db"}))
    settings = read(
        **LIVE,
        IKHOKHA_PREVIOUS_SECRET_KEY="the-secret-before",
        SIMULATOR_CONTROL_TOKEN="the-control-token",
        ALERT_URLS="json://desk:chat-password@chat.example.org",
        METRICS_TOKEN="the-metrics-token",
        OIDC_ISSUER="https://house.example.org",
        OIDC_CLIENT_ID="desk",
        OIDC_CLIENT_SECRET="the-sign-in-secret",
    )
    shown = f"{settings!r} {settings} {app!r}"
    for secret in (
        "a-real-secret", "the-secret-before", "db-password", "mail-password", "the-control-token",
        "chat-password", "the-metrics-token", "the-sign-in-secret",
    ):  # fmt: skip
        assert secret not in shown


@pytest.mark.parametrize(
    "module", ["bootstrap", "environment", "webhook", "server", "manage", "payments.gateways.ikhokha"]
)
def test_a_door_can_be_imported_without_credentials(module, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r}); import {module}"],
        cwd=tmp_path, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


# -- .env.example -----------------------------------------------------------------------------------


def documented() -> dict[str, str]:
    """Every setting of the example, with the sentence above it."""
    found, sentence = {}, ""
    for line in (ROOT / ".env.example").read_text().splitlines():
        if match := re.fullmatch(r"(?:# )?([A-Z][A-Z_]+)=.*", line):
            found[match[1]] = sentence
            sentence = ""
        elif line.startswith("# "):
            sentence += line[2:]
        else:
            sentence = ""
    return found


def settings_read() -> set[str]:
    """Every name that the environment is asked for."""
    tree = ast.parse((ROOT / "environment.py").read_text())
    return {
        node.args[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and ast.unparse(node.func.value) == "reader"
        and isinstance(node.args[0], ast.Constant)
    }


def test_every_setting_is_documented_and_nothing_else_is():
    assert set(documented()) == settings_read()
    assert len(settings_read()) > 20


@pytest.mark.parametrize("name", sorted(documented()))
def test_a_setting_is_described_in_a_sentence(name):
    assert len(documented()[name].split()) >= 3 or "PORT" in name


def test_the_example_holds_the_true_defaults(tmp_path):
    """A copy with every line switched on reads as the few that must be filled in do alone."""
    text = (ROOT / ".env.example").read_text()
    copy = tmp_path / ".env"
    copy.write_text(re.sub(r"(?m)^# ([A-Z][A-Z_]+=)", r"\1", text))
    given = {name: LIVE[name] for name in LIVE if name.startswith("IKHOKHA_")} | {
        "MAIL_FROM": "d@example.org"
    }
    assert read_settings(given, copy) == read(**given)
