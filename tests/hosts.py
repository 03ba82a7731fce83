"""Hosts of their own on this machine: network namespaces on a bridge, each with a name, that can be cut off.

Takes root, and the program ``ip``.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.running import PROJECT


def possible() -> bool:
    """Whether this machine lets us have one: made and taken away again."""
    if os.geteuid() != 0 or not shutil.which("ip") or not shutil.which("unshare"):
        return False
    probe = f"pdp{os.getpid()}"
    if subprocess.run(["ip", "netns", "add", probe], capture_output=True).returncode:
        return False
    _ip("netns", "del", probe)
    return True


def _ip(*words: str) -> None:
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr}")


@dataclass
class Host:
    """``wire`` is the end of its cable in the switch."""

    name: str
    address: str
    space: str
    wire: str
    folder: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, environ: dict[str, str], *words: str) -> None:
        """A process of the desk on this host; what it says is in the host's folder."""
        self.folder.mkdir(exist_ok=True)
        named = (
            f"import socket, os, sys; socket.sethostname({self.name!r}); os.execv(sys.argv[1], sys.argv[1:])"
        )
        command = ["ip", "netns", "exec", self.space, "unshare", "--uts", sys.executable, "-c", named]
        with self.log(words).open("ab") as log:
            process = subprocess.Popen(
                [*command, sys.executable, *words], cwd=PROJECT, env=environ, stdout=log, stderr=log
            )
        self.processes.append(process)

    def log(self, words: tuple[str, ...]) -> Path:
        return self.folder / f"{'-'.join(words)}.log"

    def cut(self) -> None:
        _ip("link", "set", self.wire, "down")

    def mend(self) -> None:
        _ip("link", "set", self.wire, "up")

    def die(self) -> None:
        """All of it at once; nobody on the other end of a connection is told."""
        self.cut()
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
        self.processes.clear()


@contextmanager
def network(folder: Path, names: tuple[str, ...]) -> Iterator[tuple[str, list[Host]]]:
    """A switch, whose own address is ours, and hosts on it."""
    mark, net = os.getpid() % 100_000, f"10.{100 + os.getpid() % 100}.{os.getpid() // 100 % 250}"
    switch = f"pds{mark}"
    with ExitStack() as stack:
        _ip("link", "add", switch, "type", "bridge")
        stack.callback(_ip, "link", "del", switch)
        _ip("addr", "add", f"{net}.1/24", "dev", switch)
        _ip("link", "set", switch, "up")
        hosts = []
        for nth, name in enumerate(names, 11):
            host = Host(name, f"{net}.{nth}", f"pdn{mark}-{nth}", f"pdw{mark}-{nth}"[:15], folder / name)
            _ip("netns", "add", host.space)
            stack.callback(_ip, "netns", "del", host.space)
            _ip("link", "add", host.wire, "type", "veth", "peer", "name", "eth0", "netns", host.space)
            _ip("link", "set", host.wire, "master", switch)
            _ip("link", "set", host.wire, "up")
            for words in (
                ("addr", "add", f"{host.address}/24", "dev", "eth0"), ("link", "set", "eth0", "up"),
                ("link", "set", "lo", "up"),
            ):  # fmt: skip
                _ip("-n", host.space, *words)
            stack.callback(host.die)
            hosts.append(host)
        yield f"{net}.1", hosts
