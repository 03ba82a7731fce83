"""What is planted is found, in whichever spelling and wherever it got out; and it is planted."""

import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

import pytest

from tests import canaries
from tests.running import PROJECT

HERE = Path(__file__).parent
PASSWORD = canaries.PLANTED["a password"]
CONFTEST = """
import pytest
from tests import canaries
from tests.canaries import nothing_planted_is_in_its_logs, nothing_planted_is_left

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    canaries.judge(report)
    return report
"""
LEAKS = {
    "a log": "import logging; logging.warning('signing in with %s', canaries.PLANTED['a password'])",
    "stderr": "import sys; print(canaries.PLANTED['a password'], file=sys.stderr)",
    "stderr of a process": "import subprocess, sys; subprocess.run([sys.executable, '-c', "
    "'import sys; sys.stderr.write(sys.argv[1])', canaries.PLANTED['a password']])",
    "a file of its own": "(tmp_path / 'server.log').write_text(canaries.PLANTED['a password'])",
    "a file of others": "(tmp_path_factory.mktemp('desk') / 'webhook.stderr').write_text("
    "canaries.PLANTED['a password'])",
    "a dump": "(tmp_path_factory.mktemp('desk') / 'core.7').write_bytes("
    "b'\\xff\\x00' + canaries.PLANTED['a password'].encode() + b'\\xff')",
    "a cookie": "import logging; logging.warning(canaries.plant('a cookie', 'drawn-for-this-test'))",
}


def test_what_is_planted_is_used_by_the_tests() -> None:
    used = "".join(path.read_text() for path in HERE.glob("*.py") if path.stem != "canaries")
    assert {what for what, value in canaries.PLANTED.items() if value not in used} == set()


@pytest.mark.parametrize(
    "spell",
    [
        str, lambda value: quote(value, safe=""), json.dumps,
        lambda value: base64.b64encode(value.encode()).decode(),
    ],
    ids=["as it is", "in an address", "as JSON", "in base64"],
)  # fmt: skip
@pytest.mark.parametrize("what", canaries.PLANTED)
def test_it_is_found_in_each_spelling(what: str, spell) -> None:
    assert what in canaries.found(f"at=2026-11-26 token={spell(canaries.PLANTED[what])} took=3")
    assert canaries.found("nothing of anybody") == []


@pytest.mark.parametrize("workers", [0, 2])
def test_whatever_lets_one_out_is_red(tmp_path: Path, workers: int) -> None:
    """A run of its own, of tests that leak in every way: in this process, and in several."""
    (tmp_path / "conftest.py").write_text(CONFTEST)
    for nth, leak in enumerate(LEAKS.values()):
        test = f"def test_{nth}(tmp_path, tmp_path_factory):\n    {leak}\n"
        (tmp_path / f"test_leak{nth}.py").write_text(f"from tests import canaries\n{test}")
    (tmp_path / "test_clean.py").write_text("def test_clean():\n    print('nothing')\n")
    command = [
        sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "-p", "no:randomly",
        "-c", "/dev/null", "--rootdir", str(tmp_path), "--basetemp", str(tmp_path / "left"), f"-n{workers}",
    ]  # fmt: skip
    environ = {"PYTHONPATH": str(PROJECT), "PATH": ""}
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True)
    shutil.rmtree(tmp_path / "left")  # or this test would let them out
    told = done.stdout.split("short test summary info")[-1]
    assert done.returncode == 1, done.stdout
    assert "PASSED test_clean.py::test_clean" in told
    for nth, leak in enumerate(LEAKS):
        elsewhere = leak in ("a file of others", "a dump")  # found at the end, whoever left it
        assert elsewhere or f"test_leak{nth}.py::test_{nth}" in re.sub("PASSED.*", "", told), leak
    assert "a password in webhook.stderr" in done.stdout
    assert "a password in core.7" in done.stdout
    assert PASSWORD not in told
