"""nginx with the configuration of ``deploy/``, changed as an administrator would, on ports of its own."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.hook import listens, wait_until
from tests.install_nginx import installed
from tests.running import PROJECT

CONFIGURATION = PROJECT / "deploy" / "nginx" / "paydesk.conf"
DESK, PAY = "desk.example.org", "pay.example.org"
#: Where nginx puts bodies while they pass; the packaged places are the system's own.
_PASSING = "".join(
    f"{kind}_temp_path passing; " for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
)


@dataclass(frozen=True)
class Behind:
    """Ports: where nginx listens, with and without TLS, and what stands behind it."""

    secure: int
    plain: int
    desks: tuple[int, int]
    hooks: tuple[int, int]


def program() -> Path:
    found = installed()
    if found is None:
        pytest.skip("nginx is not on this machine: `make test` fetches it")
    return found


def write(folder: Path, behind: Behind) -> list[str | Path]:
    """The whole configuration in a folder, with a certificate of our own; the command that runs on it."""
    _certificate(folder)
    conf = re.sub(r"/etc/letsencrypt/live/[a-z.]+/", f"{folder}/", CONFIGURATION.read_text())
    conf = conf.replace("/var/log/nginx/", f"{folder}/").replace("/var/www/", f"{folder}/")
    for one, another, (first, second) in (
        ("127.0.0.1:8501", "127.0.0.1:8502", behind.desks),
        ("127.0.0.1:8000", "10.0.0.12:8000", behind.hooks),
    ):
        assert conf.count(f"# server {another}") == 1
        conf = conf.replace(f"server {one}", f"server 127.0.0.1:{first}")
        conf = conf.replace(f"# server {another}", f"server 127.0.0.1:{second}")
    conf = re.sub(r"listen \[::\].*", "", conf)
    conf = conf.replace("listen 443", f"listen 127.0.0.1:{behind.secure}")
    conf = conf.replace("listen 80", f"listen 127.0.0.1:{behind.plain}")
    (folder / "paydesk.conf").write_text(conf)
    who = "user root; " if os.geteuid() == 0 else ""
    around = f"{who}worker_processes 1; daemon off; pid {folder}/pid; error_log stderr; events {{}}"
    (folder / "nginx.conf").write_text(
        f"{around} http {{ access_log off; {_PASSING} include {folder}/paydesk.conf; }}"
    )
    return [program(), "-e", "stderr", "-p", f"{folder}/", "-c", folder / "nginx.conf"]


@contextmanager
def running(folder: Path, behind: Behind) -> Iterator[Path]:
    """nginx until the end of the block; its log of who was sent where."""
    command = write(folder, behind)
    with (folder / "errors.log").open("wb") as said, subprocess.Popen(command, stderr=said) as process:
        try:
            wait_until(lambda: process.poll() is not None or listens(behind.secure))
            assert process.poll() is None, (folder / "errors.log").read_text()
            yield folder / "paydesk.log"
        finally:
            process.terminate()


def _certificate(folder: Path) -> None:
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, DESK)])
    made = (
        x509.CertificateBuilder(
            name, name, key.public_key(), x509.random_serial_number(), now - timedelta(1), now + timedelta(1)
        )
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in (DESK, PAY)]), False)
        .sign(key, hashes.SHA256())
    )
    (folder / "fullchain.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    (folder / "privkey.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
