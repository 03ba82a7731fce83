"""What stands in deploy/ is accepted by the programs it is for, and says what Paydesk is."""

import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.running import PROJECT
from tests.test_settings import settings_read

DEPLOY = PROJECT / "deploy"
DOORS = "".join(path.read_text() for path in PROJECT.glob("*.py"))
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


def test_nginx_takes_its_configuration(tmp_path: Path) -> None:
    """With a certificate of our own, and what it writes in a folder of ours."""
    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if nginx is None:
        pytest.skip("nginx is not on this machine")
    certificate(tmp_path)
    conf = re.sub(r"/etc/letsencrypt/live/[a-z.]+/", f"{tmp_path}/", NGINX.read_text())
    conf = conf.replace("/var/log/nginx/", f"{tmp_path}/").replace("/var/www/", f"{tmp_path}/")
    (tmp_path / "paydesk.conf").write_text(conf)
    inside = f"access_log off; include {tmp_path}/paydesk.conf;"
    whole = f"pid {tmp_path}/pid; error_log stderr; events {{}} http {{ {inside} }}"
    (tmp_path / "nginx.conf").write_text(whole)
    done = subprocess.run(
        [nginx, "-t", "-p", str(tmp_path), "-c", str(tmp_path / "nginx.conf")],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    warnings = [
        line for line in done.stderr.splitlines() if "[warn]" in line and '"listen ... http2"' not in line
    ]
    assert warnings == []


def certificate(folder: Path) -> None:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "desk.example.org")])
    made = x509.CertificateBuilder(
        name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(1)
    )
    (folder / "fullchain.pem").write_bytes(
        made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    )
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )


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
