"""The spreadsheet of the tests: LibreOffice Calc, which opens what was exported as a colleague would.

As a script (`make test` runs it) this installs it where none is found.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

_NAMES = ("soffice", "libreoffice", "localc")
_PLACES = ("/usr/lib/libreoffice/program/soffice", "/Applications/LibreOffice.app/Contents/MacOS/soffice")
_BY_HAND = """The tests need LibreOffice Calc, and it could not be installed from here. Run once:
    sudo apt-get install --no-install-recommends libreoffice-calc
(or another system's package of it), then `make test` again."""


def installed() -> Path | None:
    """The program to run, if it is there."""
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    places = [found] if found else [place for place in _PLACES if Path(place).exists()]
    return Path(places[0]) if places else None


def _install() -> None:
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        return
    print("Installing LibreOffice Calc for the tests, a minute or two …", flush=True)
    quiet = {"stdin": subprocess.DEVNULL, "env": os.environ | {"DEBIAN_FRONTEND": "noninteractive"}}
    subprocess.run(["apt-get", "update", "-qq"], **quiet)
    package = ["--no-install-recommends", "libreoffice-calc"]
    subprocess.run(["apt-get", "install", "-qq", "-y", *package], **quiet)


if __name__ == "__main__":
    if installed() is None:
        _install()
        if installed() is None:
            print(_BY_HAND, file=sys.stderr)
            sys.exit(2)
