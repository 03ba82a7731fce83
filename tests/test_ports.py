"""Two tests' servers never meet on one port, whoever starts first and however long a start takes."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests import ports
from tests.ports import free_port, free_ports

ROOT = Path(__file__).parent.parent
_ASK = "from tests.ports import free_ports; print(*free_ports(40), flush=True); input()"


def test_processes_that_ask_at_once_are_given_different_ports():
    """All 13 tests of a file met another desk's sign-in page: its server had taken their port between."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    asking = [subprocess.Popen([sys.executable, "-c", _ASK], cwd=ROOT, **pipes) for _ in range(3)]
    given = [port for one in asking for port in one.stdout.readline().split()]
    for one in asking:
        one.communicate("\n", timeout=30)
    assert len(set(given)) == len(given) == 120


def test_a_port_is_not_given_again_while_its_server_is_still_starting(monkeypatch):
    mine = free_port()
    monkeypatch.setattr(ports, "_FIRST", mine)
    monkeypatch.setattr(ports, "_COUNT", 1)
    with pytest.raises(RuntimeError, match="taken"):
        free_port()  # nobody listens yet


def test_a_port_is_not_given_on_which_a_stranger_listens(monkeypatch):
    with socket.create_server(("127.0.0.1", free_port())) as stranger:
        port = stranger.getsockname()[1]
        ports._KEPT.pop().close()  # a stranger has asked nobody
        monkeypatch.setattr(ports, "_FIRST", port)
        monkeypatch.setattr(ports, "_COUNT", 1)
        with pytest.raises(RuntimeError, match="taken"):
            free_port()


def test_the_kernel_names_none_of_them_to_somebody_who_connects():
    kernels = Path("/proc/sys/net/ipv4/ip_local_port_range")
    first = int(kernels.read_text().split()[0]) if kernels.exists() else 49_152
    assert all(port < first for port in free_ports(5))
