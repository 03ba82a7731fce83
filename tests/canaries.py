"""What must be in no log: secrets, tokens, numbers and addresses that the tests use all along.

They are planted everywhere by being used; here is looked for them, in whatever the suite leaves behind: what
each test and the processes it started wrote to stderr and to logs, what pages said to the browser's console,
and dumps of what crashed. Whoever finds one fails that test, or at the end of the run the last one.
"""

import base64
import json
import os
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, BrowserContext

#: By what it is. Each stands in some other file of the tests: ``test_canaries`` looks.
PLANTED = {
    "the gateway's secret": "test-secret-DO-NOT-USE-0123456789",
    "the gateway's secret before": "the-secret-before-this-one",
    "a password": "umbrella kettle fjord 1998",
    "a card number": "4111111111111111",
    "a card number with spaces": "4111 1111 1111 1111",
    "another card number": "5555555555554444",
    "a South African ID": "8001015009087",
    "another password": "drie olifante koop sjokolade",
    "the secret of a sign-in elsewhere": "the-sign-in-secret",
    "a payer's address": "zanele@example.org",
    "another payer's address": "thandeka@example.org",
    "a payer's number": "+27821234567",
    "a payer's number as typed": "082 123 4567",
    "another payer's number": "+27825550199",
    "another payer's number as typed": "082 555 0143",
}
#: What names files that tell of a process: its log, its stderr, what it left when it crashed.
LOGS = ("*.log", "*stderr*", "core", "core.*", "*.dmp")
_drawn: dict[str, str] = {}
#: Of what is drawn a thousand times the first are enough: each is looked for in everything that is written.
MOST = 40


def plant(what: str, value: str) -> str:
    """Look for this from now on as well: a cookie, a link, a key, a signature that was drawn for a test."""
    if sum(one == what for one in _drawn.values()) < MOST:
        _drawn[value] = what
    return value


def found(text: str) -> list[str]:
    """What of all that was planted stands here, in any of the spellings that logs and addresses have."""
    planted = [*PLANTED.items(), *((what, value) for value, what in _drawn.items())]
    return sorted({what for what, value in planted if any(way in text for way in _spelled(value))})


@cache
def _spelled(value: str) -> tuple[str, ...]:
    return value, quote(value, safe=""), json.dumps(value)[1:-1], base64.b64encode(value.encode()).decode()


def left_behind(folder: Path) -> list[str]:
    """What stands in the logs and dumps below a folder."""
    files = [Path(at) / name for at, _, names in os.walk(folder) for name in names if _tells(name)]
    return [
        f"{what} in {path.name}"
        for path in sorted(files)
        for what in found(path.read_bytes().decode("latin-1"))
    ]


def _tells(name: str) -> bool:
    return any(fnmatch(name, pattern) for pattern in LOGS)


def judge(report: pytest.TestReport) -> None:
    """A test that let one out has failed, whatever it thought of itself. What it prints is its own matter."""
    aside = [text for head, text in report.sections if "stderr" in head or "log" in head]
    told = found("\n".join(aside))
    if told and report.passed:
        report.outcome = "failed"
        report.longrepr = f"{report.nodeid} let out: {', '.join(told)}"


@pytest.fixture(scope="session", autouse=True)
def nothing_planted_is_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """At the end of the run, or of this worker's part of it."""
    said: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        _listen(patch, said)
        yield
    told = left_behind(tmp_path_factory.getbasetemp()) + found("\n".join(said))
    assert not told, f"left behind: {', '.join(told)}"


@pytest.fixture(autouse=True)
def nothing_planted_is_in_its_logs(request: pytest.FixtureRequest) -> Iterator[None]:
    """Before the folder of a test that passed is thrown away."""
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    told = left_behind(folder) if folder else []
    assert not told, f"left behind: {', '.join(told)}"


def _listen(patch: pytest.MonkeyPatch, said: list[str]) -> None:
    """Whatever pages say to the console of any browser, and their faults."""
    opened = Browser.new_context

    def new_context(browser: Browser, **how: object) -> BrowserContext:
        context = opened(browser, **how)  # type: ignore[arg-type]
        context.on("console", lambda message: said.append(message.text))
        context.on("weberror", lambda fault: said.append(str(fault.error)))
        return context

    patch.setattr(Browser, "new_context", new_context)
