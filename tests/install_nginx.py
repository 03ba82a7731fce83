"""The proxy of the tests: nginx, the one that stands in front of a desk.

As a script (`make test` runs it) this fetches Debian's package where there is none, and unpacks it beside the
tests' Python: installed by the system it would run from then on, on the ports of whatever else is there.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

_OWN = Path(sys.prefix) / "nginx"
#: The program's package: on Debian and later Ubuntus the first, on earlier ones the second.
_PACKAGES = ("nginx", "nginx-core")
_BY_HAND = """The tests of the proxy need nginx, and it could not be fetched from here: they will be skipped.
To run them too, run once:
    sudo apt-get install nginx
(or another system's package of it), then `make test` again."""


def installed() -> Path | None:
    """The program to run, if it is there."""
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    places = [Path(found)] if found else [_OWN / "usr" / "sbin" / "nginx"]
    return next((place for place in places if place.exists() and _starts(place)), None)


def _starts(program: Path) -> bool:
    """Unpacked, it may want a library that is not here."""
    return subprocess.run([program, "-v"], capture_output=True, timeout=30).returncode == 0


def _fetch() -> None:
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return
    print("Fetching nginx for the tests …", flush=True)
    quiet = {"stdin": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    for package in _PACKAGES:
        with tempfile.TemporaryDirectory() as folder:
            if not _downloaded(package, folder, quiet) and os.geteuid() == 0:
                subprocess.run(["apt-get", "update", "-qq"], **quiet)
                _downloaded(package, folder, quiet)
            for file in Path(folder).glob("*.deb"):
                subprocess.run(["dpkg-deb", "-x", file, _OWN], **quiet)
        if installed() is not None:
            return


def _downloaded(package: str, folder: str, how: dict[str, int]) -> bool:
    return subprocess.run(["apt-get", "download", package], cwd=folder, timeout=120, **how).returncode == 0


if __name__ == "__main__" and installed() is None:
    _fetch()
    if installed() is None:
        print(_BY_HAND, file=sys.stderr)
