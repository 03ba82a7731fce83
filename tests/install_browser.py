"""The browser of the tests: one that is installed, else the system's package, else Playwright's own.

As a script (`make test` runs it) this installs one where none is found.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_BY_HAND = """The tests need a browser, and none could be installed from here. Run once:
    sudo apt-get install chromium
(or another system's package of Chromium), then `make test` again."""


def installed() -> Path | None:
    """The program to launch: ``playwright.chromium.launch(executable_path=…)``."""
    for name in _NAMES:
        if (found := shutil.which(name)) and _starts(found):
            return Path(found)
    own = _playwrights_own()
    return own if own.exists() and _starts(str(own)) else None


def _starts(program: str) -> bool:
    """Ubuntu ships a ``chromium-browser`` that only says to install a snap."""
    return subprocess.run([program, "--version"], capture_output=True, timeout=30).returncode == 0


def _playwrights_own() -> Path:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        return Path(playwright.chromium.executable_path)


def _install() -> None:
    if os.geteuid() == 0 and shutil.which("apt-get"):
        print("Installing Chromium for the tests …", flush=True)
        quiet = {"stdin": subprocess.DEVNULL, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
        subprocess.run(["apt-get", "update", "-qq"], **quiet)
        if subprocess.run(["apt-get", "install", "-qq", "-y", "chromium"], **quiet).returncode == 0:
            return
    print("Downloading Playwright's Chromium, for a minute at most …", flush=True)
    try:
        subprocess.run([sys.executable, "-m", "playwright", "install", "chromium"], timeout=60)
    except subprocess.TimeoutExpired:
        print("That took too long.", file=sys.stderr)


if __name__ == "__main__":
    if installed() is None:
        _install()
        if installed() is None:
            print(_BY_HAND, file=sys.stderr)
            sys.exit(2)
