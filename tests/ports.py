"""Ports for servers that tests start, each handed out to one process at a time.

A port that the kernel names and that is let go again is anybody's until the server listens on it: another
test's server, or the near end of a connection, took it now and then, and a test met another desk's sign-in
page. So ports come from below those that the kernel names by itself, and who has one keeps the UDP socket
of the same number until it ends. No server of ours wants that; every other process that asks here, of this
run or of another on this machine, finds it taken, and it comes free even if its owner is killed.
"""

import errno
import os
import socket

_FIRST, _COUNT = 15_000, 15_000  # kernels name ports from 32768 (Linux) or 49152 (macOS, Windows) on
_KEPT: list[socket.socket] = []


def free_port() -> int:
    """A port nobody listens on, and that nobody else is given while this process lives."""
    start = os.getpid() * 97 + len(_KEPT)  # processes that begin together look at different places
    for step in range(_COUNT):
        port = _FIRST + (start + step) % _COUNT
        if (kept := _bound(port, socket.SOCK_DGRAM)) is None:
            continue
        if (probe := _bound(port, socket.SOCK_STREAM)) is None:
            kept.close()
            continue
        probe.close()
        _KEPT.append(kept)
        return port
    raise RuntimeError(f"Every port from {_FIRST} to {_FIRST + _COUNT - 1} is taken. What runs here?")


def free_ports(count: int) -> list[int]:
    """So many, all different."""
    return [free_port() for _ in range(count)]


def _bound(port: int, kind: socket.SocketKind) -> socket.socket | None:
    """A socket at this port on all addresses, as a server on any one of them would be in its way."""
    one = socket.socket(socket.AF_INET, kind)
    try:
        one.bind(("", port))
    except OSError as error:
        one.close()
        if error.errno not in (errno.EADDRINUSE, errno.EACCES):
            raise
        return None
    return one
