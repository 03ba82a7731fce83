"""How fast is accepting? Signed, distinct messages from another process; one JSON line.

The real ``webhook.py`` beside what limits it and what one would write first, on both databases. They take
turns of a second, and the ratios are medians over the rounds: what else the machine does meanwhile
strikes both sides. ``docs/performance.md`` explains the figures.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

sys.path[0] = str(Path(__file__).parent.parent)

import psutil
from sqlalchemy import select, text

from benchmarks._load import link
from db.migrate import migrate
from db.models import InboxEvent
from db.session import Sessions, open_engine
from tests import hook, postgres
from tests.ports import free_port

CONNECTIONS = (1, 16, 64)
PEERS = ("bare", "verify_only", "commit_per_request")
#: A turn of each server, and how many each has.
TURN_S, ROUNDS, QUICK_ROUNDS = 1.0, 5, 1
#: Messages before the first figure, so that nobody is measured cold.
WARM_UP_S = 0.2


class Server:
    """A process that answers on a port of this machine."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.port = port
        self._process = psutil.Process(process.pid)

    def cpu_s(self) -> float:
        """Of the processes that it started, too."""
        all_times = [one.cpu_times() for one in (self._process, *self._process.children())]
        return float(sum(times.user + times.system for times in all_times))


#: Loads a server with so many connections for so many seconds, in a run of that name; what it saw.
Sender = Callable[[Server, int, float, str], dict[str, Any]]


def main() -> None:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # and so every process is ended
    options = _options()
    with tempfile.TemporaryDirectory(prefix="paydesk-bench-") as folder, ExitStack() as stack:
        if options.fsync_ms:
            os.environ |= _slow_disk(Path(folder), options.fsync_ms)
        sender = stack.enter_context(_sender())
        server = stack.enter_context(postgres.server(durable=True))
        sqlite = {name: f"sqlite:///{folder}/{name}.db" for name in ("ours", "peers", "raw")}
        told = {
            "bench": "webhook",
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": f"{os.cpu_count()} × {platform.processor() or platform.machine()}",
            "fsync_ms_added": options.fsync_ms,
            "rounds": options.rounds,
            "load_before": round(os.getloadavg()[0], 1),
            "sqlite": _measure(sqlite, sender, options.rounds),
            "postgresql": _measure(_new_databases(server, sqlite), sender, options.rounds),
            "load_after": round(os.getloadavg()[0], 1),
        }
    print(json.dumps(told))
    sys.exit(any(told[name]["acked_not_durable"] for name in ("sqlite", "postgresql")))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round instead of five")
    parser.add_argument("--fsync-ms", type=float, default=0, help="how much slower the disk syncs; needs cc")
    options = parser.parse_args()
    options.rounds = QUICK_ROUNDS if options.quick else ROUNDS
    return options


def _measure(urls: Mapping[str, str], sender: Sender, rounds: int) -> dict[str, Any]:
    """All figures of one database. Each endpoint has a database of its own, or none to write to."""
    for url in urls.values():
        engine = open_engine(url)
        migrate(engine)
        engine.dispose()
    acked: set[str] = set()
    with _serving(urls) as servers:
        hook.wait_until(lambda: hook.scribe_of(servers["ours"].port), seconds=60)
        for name, server in servers.items():
            sender(server, 16, WARM_UP_S, f"{name}-warm")
        _until_bells_are_silent(servers["ours"])
        found = {
            f"connections_{connections}": _side_by_side(servers, sender, connections, rounds, acked)
            for connections in CONNECTIONS
        }
        found["raw_rows_per_s"] = _raw_commits(urls["raw"], rounds * TURN_S)
    # By now ``webhook.py`` was killed, not stopped: what it only meant to write is gone.
    missing = acked - _durable(urls["ours"])
    return found | {"acked": len(acked), "acked_not_durable": len(missing)}


def _side_by_side(
    servers: Mapping[str, Server], sender: Sender, connections: int, rounds: int, acked: set[str]
) -> dict[str, Any]:
    turns: dict[str, list[dict[str, Any]]] = {name: [] for name in servers}
    for nth in range(rounds):
        for name, server in servers.items():
            run = f"{name}-{connections}-{nth}"
            before = server.cpu_s()
            told = sender(server, connections, TURN_S, run)
            turns[name].append(told | {"cpu_us": (server.cpu_s() - before) / told["acks"] * 1e6})
            if name == "ours":
                numbers = set(range(told["last"] + 1)) - set(told["not_acked"])
                acked |= {link(run, number) for number in numbers}
                _until_bells_are_silent(server)
    return {name: _typical(of) for name, of in turns.items()} | {
        f"ours_over_{peer}": {
            "rate": _ratio(turns["ours"], turns[peer], "acks_per_s"),
            "p50": _ratio(turns["ours"], turns[peer], "p50_ms"),
            "cpu": _ratio(turns[peer], turns["ours"], "cpu_us"),  # as for rate, more is better
        }
        for peer in ("verify_only", "commit_per_request")
    }


def _typical(turns: list[dict[str, Any]]) -> dict[str, float]:
    """The median turn, figure by figure."""
    digits = {"acks_per_s": None, "p50_ms": 2, "p99_ms": 2, "refused": None, "cpu_us": None}
    return {key: round(median(turn[key] for turn in turns), to) for key, to in digits.items()}


def _ratio(over: list[dict[str, Any]], under: list[dict[str, Any]], key: str) -> float:
    """Of turns of the same round, the median."""
    return round(median(ours[key] / theirs[key] for ours, theirs in zip(over, under, strict=True)), 2)


def _until_bells_are_silent(server: Server) -> None:
    """What our bells do after a turn must not slow the next server's."""

    def waiting() -> int:
        with urllib.request.urlopen(f"http://127.0.0.1:{server.port}/healthz", timeout=10) as told:
            return int(json.load(told)["waiting"]["bells"])

    hook.wait_until(lambda: waiting() == 0, seconds=60)


@contextmanager
def _serving(urls: Mapping[str, str]) -> Iterator[dict[str, Server]]:
    """The real endpoint and its peers, all ready, none busy."""
    with ExitStack() as stack:
        servers = {}
        for name in ("ours", *PEERS):
            port = free_port()
            if name == "ours":
                process = stack.enter_context(hook.process(urls["ours"], port))
            else:
                process = stack.enter_context(_peer(name, urls["peers"], port))
            servers[name] = Server(process, port)
        yield servers


@contextmanager
def _peer(name: str, url: str, port: int) -> Iterator[subprocess.Popen[bytes]]:
    environ = {**os.environ, "DATABASE_URL": url}
    command = [sys.executable, "-m", "benchmarks._peers", name, str(port)]
    with subprocess.Popen(command, cwd=hook.ROOT, env=environ) as child:
        try:
            hook.wait_until(lambda: child.poll() is not None or hook.listens(port))
            yield child
        finally:
            child.kill()


@contextmanager
def _sender() -> Iterator[Sender]:
    """The sending process, and how to tell it what to send."""
    command = [sys.executable, "-m", "benchmarks._load"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "cwd": hook.ROOT}
    with subprocess.Popen(command, **pipes) as child:

        def send(server: Server, connections: int, seconds: float, run: str) -> dict[str, Any]:
            wanted = {"port": server.port, "connections": connections, "seconds": seconds, "run": run}
            print(json.dumps(wanted), file=child.stdin, flush=True)
            told: dict[str, Any] = json.loads(child.stdout.readline())
            return told

        try:
            yield send
        finally:
            child.kill()


def _raw_commits(url: str, seconds: float) -> int:
    command = [sys.executable, "-m", "benchmarks._commits", url, str(seconds)]
    done = subprocess.run(command, cwd=hook.ROOT, check=True, stdout=subprocess.PIPE, timeout=60)
    return round(float(done.stdout))


def _durable(url: str) -> set[str]:
    """The links whose messages are in the database."""
    engine = open_engine(url)
    with Sessions(engine).read() as session:
        found = {reference or "" for reference in session.scalars(select(InboxEvent.gateway_reference))}
    engine.dispose()
    return found


def _new_databases(server: str, names: Mapping[str, str]) -> dict[str, str]:
    engine = open_engine(server)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for name in names:
            connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return {name: server.replace("/postgres?", f"/{name}?") for name in names}


def _slow_disk(folder: Path, milliseconds: float) -> dict[str, str]:
    """What the environment of a process must say for its disk to be slow."""
    library = folder / "slow_fsync.so"
    subprocess.run(
        ["cc", "-shared", "-fPIC", "-O2", hook.ROOT / "benchmarks/slow_fsync.c", "-o", library, "-ldl"],
        check=True,
    )
    folder.chmod(0o755)  # PostgreSQL runs as nobody
    return {"LD_PRELOAD": str(library), "FSYNC_MS": str(milliseconds)}


if __name__ == "__main__":
    main()
