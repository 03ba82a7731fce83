"""``manage.py run``: the whole desk as child processes of one command that starts, watches and ends them."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

import bootstrap
import environment
from bootstrap import App
from commands import aside, console
from commands.people import first_links
from environment import Settings
from payments.errors import Conflict, InvalidInput
from payments.keeping import upgrading
from payments.web_address import LOOPBACK
from payments.working import worker as workers

PROJECT = Path(__file__).parent.parent
#: How long the parts may take until they answer.
START_S = 90
#: A part that ends is started again so often; one that ran for a while is forgiven what was before.
RESTARTS = 5
FORGIVEN_AFTER_S = 600
#: Everything has ended so soon after ctrl-C, politely or not.
END_S = 10
_LARGEST_LOG = 5_000_000
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - only with --expose

_DEMO_ENV = """\
# Written by `manage.py run`, which found no settings: a demo desk. No real money moves.
# Every setting is described in .env.example.
IKHOKHA_APP_ID=demo
"""


def run(
    no_traffic: Annotated[
        bool, typer.Option("--no-traffic", help="In demo mode: no new payers arrive by themselves.")
    ] = False,
    expose: Annotated[
        bool, typer.Option("--expose", help="In demo mode: let other machines reach the desk.")
    ] = False,
) -> None:
    """Open the desk: dashboard, webhook and worker; in demo mode a simulator and its payers too."""
    if environment.nothing_set():
        Path(".env").write_text(_DEMO_ENV)
        console.print("There were no settings: a demo .env was written. For real payments see .env.example.")
    settings = environment.read_settings()
    _check_expose(settings, expose)
    _check_ports(settings)
    app = prepare(settings)
    if settings.demo:
        _seed_when_empty(app)
    parts = _parts(app, traffic=settings.demo and not no_traffic)
    desk = _Desk(parts, settings.data_dir / "logs", _environment(settings, expose))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: desk.stop.set())
    try:
        desk.start()
        if not desk.stop.is_set():
            _say_where(app, expose)
        desk.watch()
    finally:
        desk.end()
    console.print("The desk is closed.")


# -- before it starts -------------------------------------------------------------------------------


def _check_expose(settings: Settings, expose: bool) -> None:
    if settings.demo and not expose and settings.bind_address not in LOOPBACK:
        raise InvalidInput(
            f"A demo desk listens on this machine only, and BIND_ADDRESS is {settings.bind_address}. "
            f"Add --expose to let others reach it, or leave the setting out."
        )
    if expose and not settings.demo:
        raise InvalidInput(
            "--expose is for demo mode. In live mode set BIND_ADDRESS, behind a proxy with https."
        )


def _check_ports(settings: Settings) -> None:
    ports = [("DASHBOARD_PORT", settings.dashboard_port), ("WEBHOOK_PORT", settings.webhook_port)]
    if settings.demo:
        ports.append(("SIMULATOR_PORT", settings.simulator_port))
    for name, port in ports:
        if any(port == other for its_name, other in ports if its_name != name):
            raise InvalidInput(f"{name} {port} is given twice. Every part listens on a port of its own.")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError as error:
                raise Conflict(
                    f"Port {port} is taken ({error.strerror}). Another desk may be running; "
                    f"end it, or set {name} to a free port."
                ) from error


def prepare(settings: Settings) -> App:
    """The App on a database of this release's tables; its folder is for this user only."""
    settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    app = bootstrap.build(settings)
    upgrading.upgrade(app.sessions)
    bootstrap.claim_mode(app.sessions, settings.mode)
    return app


def _seed_when_empty(app: App) -> None:
    from commands import season  # the simulator's world: never in live mode

    if season.is_empty(app.sessions):
        seed_with_progress(app)


def seed_with_progress(app: App, *, payments: int | None = None, seed: int | None = None) -> int:
    """Seed the demo year, and say so; returns how many payments there are."""
    from commands import samples, season, settled

    columns = TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f}%")
    with Progress(*columns, TimeRemainingColumn(), console=aside) as bar:
        task = bar.add_task("A year of invented payments", total=1)
        played = season.seed(
            app,
            state_file(app.settings),
            ends=app.now().replace(second=0, microsecond=0),
            payments=season.PAYMENTS if payments is None else payments,
            seed=season.SEED if seed is None else seed,
            progress=lambda done, of: bar.update(task, completed=done, total=of),
        )
    settled.write(app, state_file(app.settings))
    samples.write(app)  # after it: a statement holds the payouts that came to the account, too
    return len(played.payers)


def state_file(settings: Settings) -> Path:
    """Where the simulator remembers its links."""
    return settings.data_dir / "simulator.jsonl"


def _environment(settings: Settings, expose: bool) -> dict[str, str]:
    """What the parts are told beyond the settings: secrets of this desk, never on a command line."""
    told = {"PYTHONUNBUFFERED": "1", "STREAMLIT_SERVER_COOKIE_SECRET": _cookie_secret(settings.data_dir)}
    if settings.demo and (expose or not settings.simulator_control_token):
        told["SIMULATOR_CONTROL_TOKEN"] = secrets.token_urlsafe(24)
    if expose and settings.bind_address in LOOPBACK:
        told["BIND_ADDRESS"] = _EVERYWHERE
    return {**os.environ, **told}


def _cookie_secret(data_dir: Path) -> str:
    """Made at the first start and kept, so that cookies outlive a restart. Only this user may read it."""
    file = data_dir / "cookie_secret"
    if not file.exists():
        write_private(file, secrets.token_hex(32))
    return file.read_text()


def write_private(file: Path, text: str) -> None:
    """A file that only this user may read, whole or not at all."""
    unfinished = file.with_name(f".{file.name}.part")
    unfinished.unlink(missing_ok=True)
    with open(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as opened:
        opened.write(text)
    unfinished.replace(file)


# -- the parts --------------------------------------------------------------------------------------


@dataclass
class _Part:
    """One process of the desk: how it is started, and how we know that it is well."""

    name: str
    command: tuple[str, ...]
    healthy: Callable[[], bool]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    restarts: int = 0


def _parts(app: App, *, traffic: bool) -> list[_Part]:
    settings = app.settings
    opened = app.now()

    def worker_is_seen() -> bool:
        with app.sessions.read() as session:
            seen_at = workers.pulse(session).seen_at
        return seen_at is not None and seen_at >= opened

    parts = [
        _Part("webhook", ("webhook.py",), lambda: is_answering(settings.webhook_port, "/healthz")),
        _Part("worker", ("manage.py", "worker"), worker_is_seen),
        _Part("dashboard", ("server.py",), lambda: is_answering(settings.dashboard_port, "/healthz")),
    ]
    if settings.demo:
        simulator = lambda: is_answering(settings.simulator_port, "/healthz")  # noqa: E731
        parts.insert(0, _Part("simulator", ("manage.py", "simulator"), simulator))
    if traffic:
        parts.append(_Part("traffic", ("manage.py", "traffic"), lambda: True))
    return parts


def is_answering(port: int, path: str) -> bool:
    """Whether a part on this machine says that it is well."""
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


@dataclass
class _Desk:
    """The parts while they run."""

    parts: Sequence[_Part]
    logs: Path
    environment: dict[str, str]
    stop: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        """Start every part and wait until each is well, or until we are told to stop."""
        self.logs.mkdir(parents=True, exist_ok=True)
        for part in self.parts:
            self._start(part)
        waiting = list(self.parts)
        until = time.monotonic() + START_S
        while waiting and not self.stop.wait(0.2):
            self._revive()
            waiting = [part for part in waiting if not part.healthy()]
            if waiting and time.monotonic() > until:
                names = ", ".join(part.name for part in waiting)
                raise Conflict(f"The desk did not open: no answer from {names}. Look into {self.logs}.")

    def watch(self) -> None:
        """Stay until told to stop; a part that ends is started again, a bounded number of times."""
        while not self.stop.wait(1):
            self._revive()

    def end(self) -> None:
        """Ask every part to end, the payers first; what has not ended in time is ended."""
        running = [part for part in reversed(self.parts) if part.process and part.process.poll() is None]
        for part in running:
            _signal(part, signal.SIGTERM)
        until = time.monotonic() + END_S
        for part in running:
            assert part.process
            try:
                part.process.wait(max(0.1, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                console.print(f"The {part.name} did not end by itself; it was ended.")
            _signal(part, signal.SIGKILL)  # whatever it started and left behind
            part.process.wait()

    def _start(self, part: _Part) -> None:
        command = [sys.executable, str(PROJECT / part.command[0]), *part.command[1:]]
        with _log(self.logs / f"{part.name}.log") as log:
            part.process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env=self.environment, start_new_session=True,
            )  # fmt: skip
        part.started = time.monotonic()

    def _revive(self) -> None:
        for part in self.parts:
            assert part.process
            code = part.process.poll()
            if code is None:
                continue
            _signal(part, signal.SIGKILL)
            if time.monotonic() - part.started > FORGIVEN_AFTER_S:
                part.restarts = 0
            log = self.logs / f"{part.name}.log"
            if part.restarts >= RESTARTS:
                raise Conflict(f"The {part.name} ends again and again; the desk is closed. {log} says why.")
            part.restarts += 1
            again = f"starting it again ({part.restarts} of {RESTARTS})"
            console.print(f"The {part.name} ended with code {code}, {again}. {log} says why.")
            self.stop.wait(part.restarts - 1)
            if not self.stop.is_set():
                self._start(part)


def _log(file: Path) -> BinaryIO:
    if file.exists() and file.stat().st_size > _LARGEST_LOG:
        file.replace(file.with_suffix(".old.log"))
    return file.open("ab")


def _signal(part: _Part, number: signal.Signals) -> None:
    """To the part and whatever it started: each is a process group of its own."""
    assert part.process
    try:
        os.killpg(part.process.pid, number)
    except ProcessLookupError:
        return


# -- where to look ----------------------------------------------------------------------------------


def _say_where(app: App, expose: bool) -> None:
    settings = app.settings
    console.print(f"\nThe {settings.mode} desk is open: {settings.dashboard_url}")
    console.print(f"The gateway rings at {settings.webhook_url}")
    if settings.demo:
        console.print(f"Payers' pages are at http://127.0.0.1:{settings.simulator_port}")
    if expose:
        console.print("Other machines can reach it. Sign-ins: `manage.py person sign-in EMAIL`.")
    else:
        _say_links(app)
    console.print("Ctrl-C closes it.\n")


def _say_links(app: App) -> None:
    """One-time links: on a terminal, else in a file that only this user may read."""
    links = first_links(app)
    if not links:
        return
    lines = [f"  {who:<38} {url}" for who, url in links]
    if sys.stdout.isatty():
        console.print("Sign in within 15 minutes, each link once:")
        console.print("\n".join(lines), markup=False)
        return
    file = app.settings.data_dir / "sign-in-links"
    write_private(file, "\n".join(lines) + "\n")
    console.print(f"One-time sign-in links, good for 15 minutes, are in {file}")
