"""Processes that are born with their imports done: where hundreds are killed, starting takes the time.

``python -m tests.nursery MODULE:FUNCTION`` imports, and then forks for each line of JSON it reads, one child
after the other: a process like any other, with an environment and arguments of its own. It answers with
the child's id, and with its exit code when it is dead.
"""

import importlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent


class Nursery:
    """One child at a time."""

    def __init__(self, served: subprocess.Popen[bytes]) -> None:
        self._served = served

    @contextmanager
    def child(self, *arguments: str, **environ: str) -> Iterator["Child"]:
        """A new process; at the end of the block it is killed, if it is not dead."""
        wanted = {"environ": environ, "arguments": arguments}
        self._served.stdin.write(json.dumps(wanted).encode() + b"\n")  # type: ignore[union-attr]
        self._served.stdin.flush()  # type: ignore[union-attr]
        child = Child(self._told(60), self)
        try:
            yield child
        finally:
            if child.code is None:
                child.kill()
                child.wait(30)

    def _told(self, seconds: float) -> int:
        out = self._served.stdout
        assert out is not None
        assert select.select([out], [], [], seconds)[0], "waited in vain"
        return int(out.readline())


class Child:
    def __init__(self, pid: int, nursery: Nursery) -> None:
        self.pid = pid
        self.code: int | None = None
        self._nursery = nursery

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, seconds: float) -> int:
        """The exit code; that of a signal is negative."""
        self.code = self._nursery._told(seconds)
        return self.code


@contextmanager
def nursery(function: str, **environ: str) -> Iterator[Nursery]:
    """``function``: what its children run, as ``webhook:main``."""
    command = [sys.executable, "-m", "tests.nursery", function]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "bufsize": 0}
    with subprocess.Popen(command, cwd=ROOT, env={**os.environ, **environ}, **pipes) as served:
        try:
            yield Nursery(served)
        finally:
            served.kill()


def _serve(function: str) -> None:
    module, _, name = function.partition(":")
    run = getattr(importlib.import_module(module), name)
    for line in sys.stdin:
        wanted = json.loads(line)
        if (pid := os.fork()) == 0:
            os.dup2(os.open(os.devnull, os.O_RDWR), 1)  # the answers are the parent's to give
            os.environ.update(wanted["environ"])
            sys.argv = [module, *wanted["arguments"]]
            run()
            sys.exit(0)
        os.write(1, f"{pid}\n".encode())
        os.write(1, f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n".encode())


if __name__ == "__main__":
    _serve(sys.argv[1])
