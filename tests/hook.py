"""A real hook for tests: uvicorn in a thread, or ``python webhook.py``; raw requests; a signer."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import uvicorn

import bootstrap
import environment
import webhook
from db.session import Sessions
from payments.gateways import GatewayEvent
from payments.gateways.ikhokha import sign
from payments.keeping import keyring
from tests.canaries import plant
from tests.desk import FakeGateway

T = TypeVar("T")

ROOT = Path(__file__).parent.parent
PATH = "/webhooks/ikhokha"
ENVIRON = {
    "IKHOKHA_APP_ID": "demo",
    "IKHOKHA_SECRET_KEY": "demo_secret",
    # the processes of one desk have the same
    "AUDIT_KEYS": plant("the audit's key", keyring.new_key("tests")),
}


@dataclass
class SignedGateway(FakeGateway):
    """Answers as the test sets it, and proves messages as iKhokha does."""

    real: Any = None

    def read_event(self, path: str, headers: Mapping[str, str], body: bytes) -> GatewayEvent:
        return self.real.read_event(path, headers, body)

    def claimed_link(self, body: bytes) -> str | None:
        return self.real.claimed_link(body)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Hook:
    port: int
    sessions: Sessions
    gateway: SignedGateway

    def send(self, raw: bytes, *, timeout: float = 15) -> Reply:
        """One request as it stands; status 0 when the connection was closed without an answer."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as connection:
            connection.sendall(raw)
            return read_reply(connection)

    def post(self, body: bytes, headers: Mapping[str, str] | None = None, **other: Any) -> Reply:
        return self.send(request(body, signed(body) if headers is None else headers), **other)

    def get(self, path: str, **headers: str) -> Reply:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return self.send(f"GET {path} HTTP/1.1\r\nHost: hook\r\nConnection: close\r\n{lines}\r\n".encode())


def event(link: str = "link00000000001", word: str = "SUCCESS", **other: Any) -> bytes:
    fields = {"paylinkID": link, "status": word, "responseCode": "00"} | other
    return json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode()


def signed(body: bytes, **other: str) -> dict[str, str]:
    """The headers of a genuine message."""
    signature = plant("a signature", sign(PATH, body, "demo_secret"))
    return {"ik-appid": "demo", "ik-sign": signature} | other


def request(body: bytes, headers: Mapping[str, str], *, kind: str = "application/json") -> bytes:
    lines = {"Host": "hook", "Content-Type": kind, "Content-Length": str(len(body))} | dict(headers)
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"POST {PATH} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


def read_reply(connection: socket.socket) -> Reply:
    """The next answer on a connection."""
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            data += (chunk := connection.recv(65536))
            if not chunk:
                return Reply(0)
        head, _, body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            body += (chunk := connection.recv(65536))
            if not chunk:  # died between head and body
                return Reply(0)
        return Reply(int(first.split()[1]), headers, body)
    except ConnectionResetError:
        return Reply(0)


def settings_for(database_url: str, **environ: str) -> environment.Settings:
    return environment.read_settings({**ENVIRON, "DATABASE_URL": database_url, **environ}, env_file=None)


@contextmanager
def serving(
    database_url: str, now: datetime | None = None, protocol: Any = webhook.HurriedHttp, **environ: str
) -> Iterator[Hook]:
    """The real app on a real server, its gateway one that the test can talk to."""
    app = bootstrap.build(settings_for(database_url, **environ), busy_timeout_s=3)
    gateway = SignedGateway(real=app.gateways["ikhokha"])
    app = replace(app, gateways={"ikhokha": gateway}, now=(lambda: now) if now else app.now)
    options = {**webhook.server_options(), "http": protocol, "log_level": "critical"}
    server = uvicorn.Server(uvicorn.Config(webhook.create_app(app), port=0, **options))
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield Hook(server.servers[0].sockets[0].getsockname()[1], app.sessions, gateway)
    finally:
        server.should_exit = True
        thread.join(20)
        app.sessions.engine.dispose()
        assert not thread.is_alive()


@contextmanager
def process(
    database_url: str, port: int, command: Sequence[str] = ("webhook.py",), **environ: str
) -> Iterator[subprocess.Popen[bytes]]:
    """``python webhook.py``, ready to take messages. What it says stands in its ``stderr``, a file:
    a pipe that nobody reads would hold up who says much."""
    with (
        tempfile.TemporaryDirectory() as folder,
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            stderr=said,
            env={
                **os.environ,
                **ENVIRON,
                "DATABASE_URL": database_url,
                "DATA_DIR": folder,
                "WEBHOOK_PORT": str(port),
                **environ,
            },
        ) as child,  # fmt: skip
    ):
        try:
            wait_until(lambda: child.poll() is not None or listens(port), seconds=90)  # busy machines
            child.stderr = said
            yield child
        finally:
            child.kill()


def scribe_of(port: int) -> int | None:
    """The process that writes what a hook accepts; None: there is none yet, or not any more."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=15) as told:
        pid: int | None = json.load(told)["scribe"]
        return pid


def lives(pid: int) -> bool:
    """A process that has ended does not, though nobody asked for its code yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def said_by(child: subprocess.Popen[bytes]) -> str:
    assert child.stderr is not None
    child.stderr.seek(0)
    return child.stderr.read().decode()


def wait_until(done: Any, *, seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.02)


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def run_apart(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a thread of its own: the browser of other tests keeps a loop in this one."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()
