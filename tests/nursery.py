"""Processes that are born with their imports done: where hundreds are started, starting takes the time.

``python -m tests.nursery MODULE:FUNCTION`` imports, and then forks for each line of JSON it reads, one child
after the other: a process like any other, with an environment, arguments and files of its own. It answers
with the child's id, and with its exit code when it is dead.
"""

import atexit
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from threading import Lock
from typing import Any

ROOT = Path(__file__).parent.parent


class Nursery:
    """One child at a time."""

    def __init__(self, served: subprocess.Popen[bytes]) -> None:
        self._served = served
        self._busy = Lock()

    @contextmanager
    def child(self, *arguments: str, **environ: str) -> Iterator["Child"]:
        """A new process; at the end of the block it is killed, if it is not dead."""
        child = self._born({"environ": environ, "arguments": arguments})
        try:
            yield child
        finally:
            if child.code is None:
                child.kill()
                child.wait(30)

    def run(
        self, *arguments: str, environ: Mapping[str, str], seconds: float
    ) -> subprocess.CompletedProcess[str]:
        """A new process, with no environment but this, until it has ended; what it said is text."""
        with tempfile.TemporaryDirectory() as folder, self._busy:
            out, err = Path(folder, "out"), Path(folder, "err")
            said = {"out": str(out), "err": str(err)}
            wanted = {"alone": True, "environ": dict(environ), "arguments": arguments, **said}
            code = self._born(wanted).wait(seconds)
            return subprocess.CompletedProcess(arguments, code, out.read_text(), err.read_text())

    def _born(self, wanted: dict[str, Any]) -> "Child":
        self._served.stdin.write(json.dumps(wanted).encode() + b"\n")  # type: ignore[union-attr]
        self._served.stdin.flush()  # type: ignore[union-attr]
        return Child(self._told(60), self)

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


@cache
def commands() -> Nursery:
    """One for ``manage.py``, until the tests end."""
    kept = ExitStack()
    atexit.register(kept.close)
    return kept.enter_context(nursery("manage:main"))


def _serve(function: str) -> None:
    module, _, name = function.partition(":")
    run = getattr(importlib.import_module(module), name)
    for line in sys.stdin:
        wanted = json.loads(line)
        if (pid := os.fork()) == 0:
            _own_files(wanted)  # the questions and answers are the parent's
            if "alone" in wanted:
                os.environ.clear()
            os.environ.update(wanted["environ"])
            sys.argv = [module, *wanted["arguments"]]
            run()
            sys.exit(0)
        os.write(1, f"{pid}\n".encode())
        os.write(1, f"{os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])}\n".encode())


def _own_files(wanted: dict[str, Any]) -> None:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin = open(0)  # noqa: SIM115 - and nothing of what its parent had read ahead
    os.dup2(os.open(wanted.get("out", os.devnull), os.O_WRONLY | os.O_CREAT), 1)
    if "err" in wanted:
        os.dup2(os.open(wanted["err"], os.O_WRONLY | os.O_CREAT), 2)


if __name__ == "__main__":
    _serve(sys.argv[1])
