"""What stands in deploy/ is accepted by the programs it is for, and says what Paydesk is."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import proxy
from tests.running import PROJECT
from tests.test_settings import settings_read

DEPLOY = PROJECT / "deploy"
DOORS = "".join(
    path.read_text()
    for path in [*PROJECT.glob("*.py"), *PROJECT.glob("signin_pages/*.py"), *PROJECT.glob("api/*.py")]
)
ROUTES = set(re.findall(r'Route\("([^"]+)"', DOORS))
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
NGINX = DEPLOY / "nginx" / "paydesk.conf"


@pytest.mark.parametrize("unit", [pytest.param(path, id=path.stem) for path in UNITS])
def test_systemd_understands_each_unit(unit: Path, tmp_path: Path) -> None:
    """As far as the units go; that there is no user paydesk and no /opt/paydesk here is not their fault."""
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd is not on this machine")
    for each in UNITS:
        said = each.read_text().replace("/opt/paydesk/.venv/bin/python", shutil.which("true") or "/bin/true")
        (tmp_path / each.name).write_text(said)
    name = unit.name.replace("@.", "@8501.")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", str(tmp_path / name)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_units_start_what_there_is() -> None:
    started = {
        word
        for unit in UNITS
        for command in re.findall(r"^ExecStart=(.*)$", unit.read_text(), re.MULTILINE)
        for word in command.split()
        if word.endswith(".py")
    }
    assert started == {"manage.py", "server.py", "webhook.py"}
    assert all((PROJECT / name).exists() for name in started)


@pytest.mark.processes
def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    """With a certificate of our own, and what it writes in a folder of ours."""
    command = proxy.write(tmp_path, proxy.Behind(443, 80, (8501, 8502), (8000, 8001)))
    done = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    warnings = [
        line for line in done.stderr.splitlines() if "[warn]" in line and '"listen ... http2"' not in line
    ]
    assert warnings == []


def test_nginx_passes_on_what_the_doors_have_and_no_more() -> None:
    """The webhook's inner addresses stay inside; a body that Paydesk would refuse is refused before."""
    conf = NGINX.read_text()
    desk, pay = (part for part in conf.split("\nserver {")[2:])
    assert set(re.findall(r"^    location (?:= )?(\S+)", pay, re.MULTILINE)) == {
        "/webhooks/",
        "/return",
        "/healthz",
        "/",
    }
    assert "location / { return 404; }" in pay
    assert "client_max_body_size 64k;" in pay
    assert "client_max_body_size 11m;" in desk
    for path in re.findall(r"^    location = (\S+)", desk, re.MULTILINE):
        assert path.startswith("/_stcore") or path in ROUTES, path


def test_what_the_guide_sets_is_a_setting() -> None:
    guide = (PROJECT / "docs" / "deploy.md").read_text()
    named = set(re.findall(r"^([A-Z][A-Z_]+)=", guide, re.MULTILINE))
    assert {"DATABASE_URL", "ENCRYPTION_KEYS", "PROXY_HOPS"} <= named
    assert named - settings_read() == {"STREAMLIT_SERVER_COOKIE_SECRET"}
    compose = (DEPLOY / "compose.yaml").read_text()
    assert set(re.findall(r"^    ([A-Z_]+):", compose, re.MULTILINE)) <= settings_read()


def test_the_image_has_no_secret_and_none_of_what_tests_need() -> None:
    left_out = (DEPLOY / "Containerfile.containerignore").read_text().split()
    assert {".env", ".git", "var", "tests"} <= set(left_out)
    assert "--require-hashes -r requirements.lock" in (DEPLOY / "Containerfile").read_text()
