"""Take each guard away, one at a time, in a copy of the project: a test must go red. ``make guards``.

A guard is named with the exact text that is replaced (``guarded.py``). A text that is no longer there is a
failure as well: the list cannot silently outlive the code. ``python -m tests.guards WORD`` tries those whose
name holds it. As many at once as there are cores, each in a copy of its own.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from typing import TypeVar

from tests.guarded import GUARDS, Guard

ROOT = Path(__file__).parent.parent
LONGEST_S = 170
T = TypeVar("T")
R = TypeVar("R")
_LEFT_OUT = shutil.ignore_patterns(".venv", ".git", "__pycache__", ".*_cache", "var", "*.db*", "pictures")
_RED = re.compile(r"^(?:FAILED|ERROR) \S+?::(.+?)(?: - .*)?$", re.MULTILINE)


def main(word: str) -> int:
    chosen = [guard for guard in GUARDS if word in guard.name]
    with tempfile.TemporaryDirectory(prefix="paydesk-guards-") as folder:
        copies = SimpleQueue[Path]()
        for nth in range(os.cpu_count() or 1):
            copy = Path(folder) / f"paydesk-{nth}"
            shutil.copytree(ROOT, copy, ignore=_LEFT_OUT)
            copies.put(copy)
        with ThreadPoolExecutor(copies.qsize()) as at_once:
            all_tests = _by_file(guard.tests for guard in chosen)
            for tests, red in zip(
                all_tests, at_once.map(partial(_in_one, copies, _red), all_tests), strict=True
            ):
                if red:
                    print(f"Before any guard is taken away, {tests} is red: {', '.join(red)}")
                    return 1
            noticed = list(at_once.map(partial(_in_one, copies, _noticed), chosen))
    print(f"{sum(noticed)} of {len(chosen)} guards are noticed when they are gone")
    return 0 if all(noticed) else 1


def _in_one(copies: SimpleQueue[Path], work: Callable[[Path, T], R], of: T) -> R:
    """In a copy that nobody else works in meanwhile."""
    copy = copies.get()
    try:
        return work(copy, of)
    finally:
        copies.put(copy)


def _by_file(all_tests: Iterable[str]) -> list[str]:
    """The same tests in as few runs as there are files: to begin one takes longer than most tests."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for tests in all_tests:
        file, _, words = tests.partition(" -k ")
        wanted[file].add(f"({words.strip(chr(39))})")
    return [f"{file} -k '{' or '.join(sorted(words))}'" for file, words in sorted(wanted.items())]


def _noticed(copy: Path, guard: Guard) -> bool:
    path = copy / guard.file
    text = path.read_text()
    if text.count(guard.stands) != 1:
        told = f"NOT FOUND once in {guard.file}"
    else:
        path.write_text(text.replace(guard.stands, guard.without))
        began = time.monotonic()
        red = _red(copy, guard.tests)
        path.write_text(text)
        told = f"{red[0]} ({time.monotonic() - began:.0f} s)" if red else f"GREEN: {guard.tests}"
    print(f"{guard.name:56} {told}", flush=True)
    return not told.startswith(("GREEN", "NOT FOUND"))


def _red(copy: Path, tests: str) -> list[str]:
    """The names of tests that fail; a run that does not even end is one of them. That nothing was run, since
    there is no such test or what is left cannot be read, proves nothing."""
    words = [word.strip("'") for word in re.findall(r"'[^']*'|\S+", tests)]
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-rfE", "-p", "no:cacheprovider", *words]
    environ = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        run = subprocess.run(
            command, cwd=copy, env=environ, capture_output=True, text=True, timeout=LONGEST_S
        )
    except subprocess.TimeoutExpired:
        return ["(it never ended)"]
    return _RED.findall(run.stdout) if run.returncode == 1 else []


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else ""))
